"""Many comments in one request: as if each had been sent alone, and told of one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from conftest import NOWHERE, SAMPLE_COMMENTS
from models.artifact import Artifact
from models.schema import read_comments
from service.api.schemas import MAX_SUBMITTED
from service.app import create_app
from service.config import Settings
from service.errors import ItemNotFound
from service.queue.records import item_id_of
from service.queue.review_queue import ReviewQueue
from service.sites.site import Site
from service.sites.sites import Sites

CLEAN = "شكرا على المقال"  # "thanks for the article"

Send = Callable[..., TestResponse]


@pytest.fixture(scope="session")
def texts(artifact: Artifact) -> list[str]:
    """Sample comments, the mildest by the artefact first, the most toxic last."""
    samples = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
    scores = artifact.classifier.predict_proba(samples)[
        :, artifact.classifier.labels.index("toxicity")
    ]
    return [samples[place] for place in scores.argsort()]


@pytest.fixture
def site() -> Site:
    return Site("demo", random_sample_share=0.0)


def sender(client: FlaskClient, key: str) -> Send:
    return lambda body: client.post(
        "/v1/comments", json=body, headers={"Authorization": f"Bearer {key}"}
    )


@pytest.fixture
def send(client: FlaskClient, api_key: str) -> Send:
    """Post to `/v1/comments` with the key of the site."""
    return sender(client, api_key)


def told(answer: TestResponse) -> list[dict[str, Any]]:
    assert isinstance(answer.json, list)
    return answer.json


def is_stored(redis: Redis, comment_id: str) -> bool:
    try:
        return bool(ReviewQueue(redis).item("demo", item_id_of(comment_id)))
    except ItemNotFound:
        return False


def test_comments_sent_together_get_the_answers_that_each_gets_alone(
    client: FlaskClient, redis: Redis, texts: Sequence[str]
) -> None:
    comments: list[dict[str, Any]] = [
        {"id": f"c-{number}", "text": text} for number, text in enumerate(texts[:8])
    ]
    comments += [
        {"id": f"d-{number}", "text": text, "author": {"id": "r-1", "name": text}}
        for number, text in enumerate(texts[-8:])
    ]
    comments.insert(9, {"id": "c-2", "text": texts[-1]})  # an edit
    comments.append(comments[-1])  # sent again
    rules: dict[str, Any] = {"random_sample_share": 0.0, "repeat_review": 3}
    alone = sender(client, Sites(redis).add(Site("alone", **rules)))
    together = sender(client, Sites(redis).add(Site("together", **rules)))
    singles = [alone(comment) for comment in comments]
    answer = together(comments)
    assert answer.status_code == 200
    assert [one["answer"] for one in told(answer)] == [single.json for single in singles]
    assert [one["status"] for one in told(answer)] == [one.status_code for one in singles]
    assert {one["status"] for one in told(answer)} == {200, 202}
    queue = ReviewQueue(redis)
    assert queue.stats("together").pending == queue.stats("alone").pending > 0


def test_what_becomes_of_a_comment_counts_for_the_next_of_its_author(
    client: FlaskClient, redis: Redis, texts: Sequence[str]
) -> None:
    rules = Site(
        "strict", reject={"toxicity": 0.5}, random_sample_share=0.0, review_after_rejections=1
    )
    send = sender(client, Sites(redis).add(rules))
    author = {"id": "r-1"}
    answer = send(
        [
            {"id": "c-1", "text": CLEAN, "author": author},
            {"id": "c-2", "text": texts[-1], "author": author},
            {"id": "c-3", "text": CLEAN, "author": author},
        ]
    )
    found = [(one["answer"]["action"], one["answer"]["reason"]) for one in told(answer)]
    assert found == [("approve", "clean"), ("reject", "score"), ("review", "author")]


def test_a_wrong_comment_is_told_by_itself_and_keeps_no_other_back(
    send: Send, redis: Redis, texts: Sequence[str]
) -> None:
    wrong = [
        {"id": "w-1"},
        {"id": "w-2", "text": "x" * 30_000},
        {"id": "w-3", "text": "x", "secret-field": 1},
        {"text": "x"},
        "x",
        {"id": "w-6", "text": "x", "model_version": "20000101-none"},
    ]
    answer = send([{"id": "c-1", "text": texts[-1]}, *wrong, {"id": "c-2", "text": texts[-2]}])
    assert answer.status_code == 207
    first, *others, last = told(answer)
    assert first["status"] == last["status"] == 202
    assert is_stored(redis, "c-1")
    assert is_stored(redis, "c-2")
    assert [one["status"] for one in others] == [422] * 5 + [409]
    assert not any(one["answer"] for one in others)
    fields = [[error["field"] for error in one["problem"]["errors"]] for one in others[:5]]
    assert fields == [["text"], ["text"], ["secret-field"], ["id"], [""]]
    assert others[5]["problem"]["type"] == "urn:hakam:problem:version-not-kept"
    assert others[5]["problem"]["versions"]


@pytest.mark.parametrize("n", [0, MAX_SUBMITTED + 1])
def test_a_list_has_one_comment_at_least_and_a_hundred_at_most(send: Send, n: int) -> None:
    answer = send([{"id": f"c-{number}", "text": "x"} for number in range(n)])
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["errors"][0]["message"] == "must have 1 to 100 comments"


def test_each_comment_counts_against_the_quota_of_its_site(
    client: FlaskClient, redis: Redis
) -> None:
    send = sender(client, Sites(redis).add(Site("busy", requests_per_minute=3)))
    answer = send([{"id": f"c-{number}", "text": "x"} for number in range(5)])
    assert answer.status_code == 207
    assert [one["status"] for one in told(answer)] == [200, 200, 200, 429, 429]
    refused = told(answer)[-1]
    assert refused["problem"]["type"] == "urn:hakam:problem:rate-limited"
    assert 1 <= refused["retry_after"] <= 60
    assert send({"id": "c-9", "text": "x"}).status_code == 429


@contextmanager
def full_after(redis: Redis, more_bytes: int) -> Iterator[None]:
    """A Redis that soon takes nothing more."""
    info: Any = redis.info("memory")
    redis.config_set("maxmemory", info["used_memory"] + more_bytes)
    try:
        yield
    finally:
        redis.config_set("maxmemory", 0)


def test_where_redis_fails_in_the_middle_what_was_stored_is_told_and_what_was_not_as_well(
    send: Send, redis: Redis, texts: Sequence[str]
) -> None:
    long = f"{texts[-1]} " * (6_000 // len(texts[-1].encode()))
    comments = [{"id": f"c-{number}", "text": f"{long}{number}"} for number in range(90)]
    with full_after(redis, 350_000):
        answer = send(comments)
    assert answer.status_code == 207
    results = told(answer)
    assert {one["status"] for one in results} == {202, 503}
    for comment, one in zip(comments, results, strict=True):
        assert is_stored(redis, comment["id"]) == (one["status"] == 202)
    refused = next(one for one in results if one["status"] == 503)
    assert refused["problem"]["type"] == "urn:hakam:problem:store-unavailable"
    assert refused["retry_after"] > 0
    again = told(send(comments))
    assert {one["status"] for one in again} == {202}
    assert {one["answer"]["version"] for one in again} == {1}
    assert ReviewQueue(redis).stats("demo").pending == len(comments)


def test_without_redis_only_those_are_refused_that_need_a_person(
    settings: Settings, artifact: Artifact, app: Flask, api_key: str, texts: Sequence[str]
) -> None:
    cut = create_app(settings, redis=NOWHERE, artifact=artifact)
    app.extensions["hakam"].known_sites.remember()
    cut.extensions["hakam"].known_sites._memory = app.extensions["hakam"].known_sites._memory
    answer = sender(cut.test_client(), api_key)(
        [{"id": "c-1", "text": texts[0]}, {"id": "c-2", "text": texts[-1]}]
    )
    assert [one["status"] for one in told(answer)] == [200, 503]
    assert told(answer)[0]["answer"]["action"] == "approve"


def test_a_hundred_comments_are_stored_in_a_few_round_trips(
    send: Send, redis: Redis, texts: Sequence[str]
) -> None:
    def n_reads() -> int:
        info: Any = redis.info("stats")
        return int(info["total_reads_processed"])

    send({"id": "c-0", "text": texts[-1]})  # with the scripts
    before = n_reads()
    for number in range(1, 21):
        send({"id": f"c-{number}", "text": texts[-1]})
    alone, before = n_reads() - before, n_reads()
    answer = send([{"id": f"d-{number}", "text": texts[-1]} for number in range(20)])
    assert {one["status"] for one in told(answer)} == {202}
    assert (n_reads() - before) * 4 < alone
