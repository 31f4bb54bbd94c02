"""The path of a comment from end to end, over real sockets."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from conftest import SAMPLE_COMMENTS
from models.artifact import Artifact
from models.schema import read_comments


@pytest.fixture
def site_client(server: str, api_key: str) -> Any:
    headers = {"Authorization": f"Bearer {api_key}"}
    with httpx.Client(base_url=server, headers=headers, timeout=20.0) as client:
        yield client


@pytest.fixture(scope="session")
def abusive(artifact: Artifact) -> list[str]:
    """The five sample comments that the artefact finds most toxic."""
    samples = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
    column = artifact.classifier.labels.index("toxicity")
    scores = artifact.classifier.predict_proba(samples)[:, column]
    return [samples[i] for i in scores.argsort()[-5:]]


def take(client: httpx.Client, moderator: str) -> dict[str, Any] | None:
    answer = client.post("/v1/queue/lease", json={"moderator": moderator})
    assert answer.status_code in (200, 204)
    return answer.json() if answer.status_code == 200 else None


def decide(client: httpx.Client, lease: dict[str, Any], moderator: str) -> httpx.Response:
    return client.post(
        f"/v1/queue/items/{lease['item']['id']}/decide",
        json={
            "token": lease["token"],
            "action": "reject",
            "labels": ["insult"],
            "moderator": moderator,
            "request_id": f"{moderator}-{lease['item']['id']}",
        },
    )


def test_a_flagged_comment_becomes_a_labeled_comment(
    site_client: httpx.Client, abusive: list[str]
) -> None:
    sent = site_client.post(
        "/v1/comments",
        json={
            "id": "c-1",
            "text": abusive[-1],
            "author": {"id": "u-1", "name": "Reader"},
            "article": {"id": "a-1", "url": "https://news.example/a-1", "title": "Title"},
        },
    )
    assert sent.status_code == 202
    lease = take(site_client, "samira")
    assert lease is not None
    assert lease["item"]["id"] == sent.json()["review"]["item_id"]
    assert lease["item"]["evidence"] == sent.json()["evidence"]
    assert decide(site_client, lease, "samira").status_code == 200
    (line,) = site_client.get("/v1/decisions").text.splitlines()
    labeled = json.loads(line)
    assert labeled["id"] == "c-1"
    assert labeled["text"] == abusive[-1]
    assert labeled["labels"] == {"toxicity": 1.0, "insult": 1.0}
    assert labeled["article_title"] == "Title"
    assert (labeled["author_id"], labeled["action"]) == ("u-1", "reject")
    assert "samira" not in line, "who decided is nothing for the site's machines"
    again = site_client.post("/v1/comments", json={"id": "c-1", "text": abusive[-1]})
    assert take(site_client, "samira") is None or again.json()["review"]["state"] == "pending"


def test_many_moderators_at_once_decide_every_comment_exactly_once(
    site_client: httpx.Client, abusive: list[str]
) -> None:
    texts = {f"c-{i}": f"{text} {i}" for i, text in enumerate(abusive * 4)}
    queued = {
        id_
        for id_, text in texts.items()
        if site_client.post("/v1/comments", json={"id": id_, "text": text}).status_code == 202
    }
    assert len(queued) > 5

    def work(moderator: str) -> list[str]:
        done = []
        while lease := take(site_client, moderator):
            assert decide(site_client, lease, moderator).status_code == 200
            done.append(lease["item"]["comment"]["id"])
        return done

    with ThreadPoolExecutor(4) as desk:
        shifts = list(desk.map(work, ["amal", "badr", "celine", "dunya"]))
    done = [id_ for shift in shifts for id_ in shift]
    assert sorted(done) == sorted(queued)
    decided = [
        json.loads(line)["id"] for line in site_client.get("/v1/decisions").text.split("\n")[:-1]
    ]
    assert sorted(decided) == sorted(queued)


def test_several_workers_add_up_their_numbers(site_client: httpx.Client) -> None:
    for _ in range(20):
        site_client.post("/v1/score", json={"text": "مرحبا"})  # "hello"
    lines = site_client.get("/metrics").text.splitlines()
    start = 'hakam_requests_total{method="POST",route="/v1/score",status="200"}'
    (count,) = (line.rpartition(" ")[2] for line in lines if line.startswith(start))
    assert float(count) >= 20


def test_a_body_sent_in_chunks_is_limited_too(site_client: httpx.Client) -> None:
    def endless() -> Any:
        yield b'{"id": "c-1", "text": "'
        for _ in range(64):
            yield b"x" * 65_536

    answer = site_client.post(
        "/v1/comments", content=endless(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
