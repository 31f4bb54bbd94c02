"""A site may have people see what the model hesitates about, beside the unbiased random sample."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from fake_coral import ADMINISTRATOR, SECRETS, Coral, listening
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from conftest import NOWHERE, SAMPLE_COMMENTS
from models.artifact import Artifact
from models.schema import read_comments
from service.app import create_app
from service.config import Settings
from service.queue.chosen import Chosen
from service.queue.decisions import DecisionStream
from service.queue.records import Decision
from service.queue.review_queue import ReviewQueue
from service.reports.verdict_counts import VerdictCounts
from service.rules.policy import random_draw
from service.rules.uncertainty import STEP, distance
from service.sites.site import Site
from service.sites.sites import Sites

BUDGET = 3
FAR = 0.3  # log-odds


@pytest.fixture(scope="session")
def unflagged(artifact: Artifact) -> list[tuple[float, str]]:
    """Sample comments that are not flagged, each with how far it is from it, the nearest first."""
    texts = list(dict.fromkeys(comment.text for comment in read_comments(SAMPLE_COMMENTS)))
    labels = artifact.classifier.labels
    review = {label: artifact.operating_points[label]["review"]["threshold"] for label in labels}
    found = []
    for text, row in zip(texts, artifact.classifier.predict_proba(texts).tolist(), strict=True):
        scores = dict(zip(labels, row, strict=True))
        if all(scores[label] < review[label] for label in labels):
            found.append((min(distance(review, scores, label) for label in labels), text))
    return sorted(found)


@pytest.fixture(scope="session")
def near(unflagged: list[tuple[float, str]]) -> list[str]:
    near = [text for away, text in unflagged if away < FAR]
    assert len(near) > BUDGET + 2
    return near


@pytest.fixture(scope="session")
def far(unflagged: list[tuple[float, str]]) -> str:
    away, text = unflagged[-1]
    assert away > FAR + STEP
    return text


@pytest.fixture
def site() -> Site:
    return Site("demo", random_sample_share=0.0, uncertain_per_day=BUDGET)


def know(app: Flask, redis: Redis) -> None:
    """Let the site have had so many comments that `FAR` is where its budget ends."""
    for back in range(1, 7):
        counts = VerdictCounts(redis, clock=lambda back=back: time.time() - back * 86_400)  # type: ignore[misc]
        for _ in range(BUDGET):
            counts.count("demo", "approve", {}, near="near:0")
        for _ in range(5 * BUDGET):
            counts.count("demo", "approve", {}, near=f"near:{round(FAR / STEP)}")
        counts.flush()
    hesitation = app.extensions["hakam"].moderation._hesitation
    hesitation.farthest("demo", BUDGET)
    hesitation.refresh_if_due()
    assert 0 < hesitation.farthest("demo", BUDGET) < FAR + STEP


def send(client: FlaskClient, key: str, name: str, text: str) -> Any:
    body = {"id": name, "text": text}
    return client.post("/v1/comments", json=body, headers={"Authorization": f"Bearer {key}"}).json


def test_out_of_the_box_no_comment_is_chosen() -> None:
    assert Site("demo").uncertain_per_day == 0


def test_comments_that_are_nearly_flagged_go_to_people_until_the_day_s_budget_is_used_up(
    app: Flask, client: FlaskClient, redis: Redis, api_key: str, near: list[str], far: str
) -> None:
    know(app, redis)
    answers = [send(client, api_key, f"c{n}", text) for n, text in enumerate(near)]
    chosen = [answer for answer in answers if answer["reason"] == "uncertain"]
    assert len(chosen) == BUDGET
    assert {answer["action"] for answer in chosen} == {"review"}
    assert all(answer["label"] and answer["field"] == "text" for answer in chosen)
    assert all(answer["scores"][answer["label"]] < 0.5 for answer in chosen)
    assert all(answer["review"]["sampling_probability"] == 1.0 for answer in chosen)
    assert send(client, api_key, "far", far)["reason"] == "clean"


def test_a_comment_far_from_every_flag_is_not_chosen_though_there_is_room(
    app: Flask, client: FlaskClient, redis: Redis, api_key: str, near: list[str], far: str
) -> None:
    know(app, redis)
    assert send(client, api_key, "c1", far)["reason"] == "clean"
    assert send(client, api_key, "c2", near[0])["reason"] == "uncertain"


def test_before_it_is_known_how_comments_lie_none_is_chosen(
    client: FlaskClient, api_key: str, near: list[str]
) -> None:
    assert send(client, api_key, "c1", near[0])["reason"] == "clean"


def test_a_comment_that_was_chosen_is_sent_again_as_it_stands(
    app: Flask, client: FlaskClient, redis: Redis, api_key: str, near: list[str]
) -> None:
    know(app, redis)
    first = send(client, api_key, "c1", near[0])
    assert send(client, api_key, "c1", near[0]) == first
    decide(redis, "approve")
    assert send(client, api_key, "c1", near[0])["reason"] == "decided"


def test_copies_of_a_chosen_comment_are_not_chosen(
    app: Flask, client: FlaskClient, redis: Redis, api_key: str, near: list[str]
) -> None:
    know(app, redis)
    reasons = [send(client, api_key, f"c{n}", near[0])["reason"] for n in range(3)]
    assert reasons == ["uncertain", "clean", "clean"]


def test_what_is_drawn_for_the_random_sample_is_told_apart_from_what_is_chosen(
    app: Flask, client: FlaskClient, redis: Redis, api_key: str, near: list[str]
) -> None:
    know(app, redis)
    Sites(redis).update(Site("demo", random_sample_share=0.5, uncertain_per_day=BUDGET))
    app.extensions["hakam"].known_sites.remember()  # else the new settings hold in a second
    names = [f"c{n}" for n in range(200)]
    drawn = next(name for name in names if random_draw("demo", name) < 0.5)
    other = next(name for name in names if random_draw("demo", name) >= 0.5)
    assert send(client, api_key, drawn, near[0])["reason"] == "random_sample"
    assert send(client, api_key, other, near[1])["reason"] == "uncertain"
    for _ in range(2):
        decide(redis, "reject", "insult")
    entries = {entry.comment_id: entry for entry in DecisionStream(redis).history("demo")}
    told = {name: entry.verdict for name, entry in entries.items() if entry.verdict}
    why = {name: (one.reason, one.sampling_probability) for name, one in told.items()}
    assert why == {drawn: ("random_sample", 0.5), other: ("uncertain", 1.0)}
    learned = {name: entry.to_labeled_comment("demo") for name, entry in entries.items()}
    assert {name: one.seen_for for name, one in learned.items() if one} == {
        drawn: "random_sample",
        other: "uncertain",
    }
    assert {name: one.sampling_probability for name, one in learned.items() if one} == {
        drawn: 0.5,
        other: None,
    }
    lines = client.get("/v1/decisions", headers={"Authorization": f"Bearer {api_key}"}).text
    assert '"seen_for":"uncertain"' in lines
    (day,) = app.extensions["hakam"].read_models.days("demo", 1).values()
    seen = {name: n for name, n in day.items() if name.startswith("seen")}
    assert seen == {"seen:random_sample:0.5:reject": 1, "seen:uncertain:1:reject": 1}


@pytest.mark.parametrize(("share", "likely"), [(0.0, None), (1.0, 1.0)])
def test_an_export_tells_why_and_how_likely_a_comment_was_seen_and_a_rebuilt_queue_knows_it(
    app: Flask,
    client: FlaskClient,
    redis: Redis,
    api_key: str,
    near: list[str],
    share: float,
    likely: float | None,
) -> None:
    know(app, redis)
    Sites(redis).update(Site("demo", random_sample_share=share, uncertain_per_day=BUDGET))
    app.extensions["hakam"].known_sites.remember()
    send(client, api_key, "c1", near[0])
    decide(redis, "approve")
    stream = DecisionStream(redis)
    (entry,) = stream.history("demo")
    learned = entry.to_labeled_comment("demo")
    assert learned
    assert learned.sampling_probability == likely
    old = replace(learned, id="c2", sampling_probability=None)  # as exports were before
    redis.flushall()
    assert stream.rebuild("demo", [learned, old]) == 2
    assert [one.to_labeled_comment("demo") for one in stream.history("demo")] == [learned, old]
    days = app.extensions["hakam"].read_models.days("demo", 1).values()
    assert not [name for day in days for name in day if name.startswith("seen")]


def test_a_comment_is_approved_where_redis_cannot_choose_it(
    settings: Settings, artifact: Artifact, app: Flask, redis: Redis, api_key: str, near: list[str]
) -> None:
    know(app, redis)
    cut = create_app(settings, redis=NOWHERE, artifact=artifact)
    ours, theirs = app.extensions["hakam"], cut.extensions["hakam"]
    ours.known_sites.remember()
    theirs.known_sites._memory = ours.known_sites._memory
    theirs.moderation._hesitation._read = ours.moderation._hesitation._read
    answer = send(cut.test_client(), api_key, "c1", near[0])
    assert (answer["action"], answer["reason"]) == ("approve", "clean")
    theirs.moderation._chosen = Chosen(redis)  # and then the queue does not answer
    answer = send(cut.test_client(), api_key, "c1", near[0])
    assert (answer["action"], answer["reason"]) == ("approve", "clean")


def test_the_worker_learns_how_comments_lie_behind_its_answers(
    app: Flask, client: FlaskClient, redis: Redis, api_key: str, near: list[str]
) -> None:
    counts = VerdictCounts(redis, clock=lambda: time.time() - 86_400)
    counts.count("demo", "approve", {}, near="near:39")
    counts.flush()
    answer = client.post(
        "/v1/comments",
        json={"id": "c1", "text": near[0]},
        headers={"Authorization": f"Bearer {api_key}"},
    )
    assert answer.json is not None
    assert answer.json["reason"] == "clean"
    answer.close()
    assert send(client, api_key, "c2", near[1])["reason"] == "uncertain"


def test_coral_publishes_what_is_chosen_and_a_person_is_asked_later(
    app: Flask, client: FlaskClient, redis: Redis, api_key: str, site: Site, near: list[str]
) -> None:
    with listening(Coral(client)) as coral:
        settings: dict[str, Any] = {
            "coral_secrets": SECRETS,
            "coral_url": coral.url,
            "coral_token": ADMINISTRATOR,
            "webhook_private": True,
        }
        Sites(redis).update(replace(site, **settings))
        know(app, redis)
        app.extensions["hakam"].coral_sites.remember()  # else the new settings hold in a second
        assert coral.write(near[0]).status == "NONE"
    assert app.extensions["hakam"].queue.stats("demo").pending == 1


def decide(redis: Redis, action: str, reason: str = "") -> None:
    queue = ReviewQueue(redis)
    lease = queue.lease("demo", "amal")
    assert lease
    labels = (reason,) if reason else ()
    draft = Decision(action, labels, reason, moderator="amal", request_id=lease.item.id)
    queue.decide("demo", lease.item.id, lease.token, draft)
