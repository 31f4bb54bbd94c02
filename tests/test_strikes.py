"""Authors are trusted after approvals, warned and held after rejections, and the site is told."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import jsonschema
import pytest
from arriving import enqueue
from fake_sites import Endpoint
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from test_group_decisions import decide_many, undo_many

from conftest import deliver_once
from service.delivery.webhooks import Deliveries
from service.queue.decisions import DecisionStream
from service.queue.records import AuthorRecord, Comment, Decision
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")
CLEAN = "thanks for the article"
HOUR = 3_600


class Desk:
    """One moderator, who decides comments of the author `u`."""

    def __init__(self, redis: Redis) -> None:
        self.queue = ReviewQueue(redis)
        self.n = 0

    def enqueue(self, author_id: str = "u", **more: Any) -> str:
        self.n += 1
        comment = Comment(f"c{self.n}", f"text {self.n}", author_id=author_id)
        return enqueue(self.queue, "demo", comment, VERDICT, scores={}, **more).item_id

    def decide(self, action: str, author_id: str = "u", **more: Any) -> Decision:
        self.enqueue(author_id, **more)
        return self.next(action)

    def next(self, action: str) -> Decision:
        lease = self.queue.lease("demo", "amal")
        assert lease is not None
        self.n += 1
        draft = Decision(action, moderator="amal", request_id=f"r{self.n}")
        return self.queue.decide("demo", lease.item.id, lease.token, draft)

    def undo(self, decision: Decision) -> None:
        self.n += 1
        self.queue.undo("demo", decision.item_id, "amal", f"r{self.n}")

    @property
    def author(self) -> AuthorRecord:
        return self.queue.author("demo", "u")


@pytest.fixture
def desk(redis: Redis) -> Desk:
    return Desk(redis)


@pytest.fixture
def site(endpoint: Endpoint) -> Site:
    """A site that warns after two rejections and holds after three."""
    return Site(
        "demo",
        webhook_url=endpoint.url,
        webhook_secret=SECRET,
        webhook_private=True,
        random_sample_share=0.0,
        warn_after=2,
        hold_after=3,
    )


def told(redis: Redis, endpoint: Endpoint) -> list[tuple[str, Any]]:
    """What the site was told since the last time, but for the decisions."""
    deliveries = Deliveries(redis, Sites(redis))
    while deliver_once(deliveries):
        pass
    bodies, endpoint.told[:] = endpoint.bodies(), []
    return [(one["type"], one["data"]) for one in bodies if one["type"].startswith("author.")]


# Approvals in a row


def test_approvals_in_a_row_are_counted_until_a_rejection_ends_them(desk: Desk) -> None:
    for n in range(1, 4):
        desk.decide("approve")
        assert desk.author.n_approved_in_a_row == n
    desk.decide("reject")
    assert desk.author.n_approved_in_a_row == 0
    desk.decide("approve")
    assert desk.author.n_approved_in_a_row == 1
    assert desk.author.n_approved == 4


def test_a_decision_that_is_taken_back_leaves_the_row_as_if_it_had_not_been(desk: Desk) -> None:
    first = [desk.decide("approve") for _ in range(3)]
    rejection = desk.decide("reject")
    desk.decide("approve")
    desk.undo(first[0])
    assert desk.author.n_approved_in_a_row == 1
    desk.queue.withdraw("demo", first[0].comment_id)
    desk.undo(rejection)
    assert desk.author.n_approved_in_a_row == 3, "two before the rejection and one since"


def test_an_appeal_that_is_granted_restores_the_row(desk: Desk) -> None:
    desk.decide("approve")
    rejection = desk.decide("reject")
    desk.decide("approve")
    desk.queue.appeal("demo", rejection.id, "why?")
    lease = desk.queue.lease("demo", "basma")
    assert lease
    draft = Decision("approve", moderator="basma", request_id="appeal")
    desk.queue.decide("demo", lease.item.id, lease.token, draft)
    assert desk.author.n_approved_in_a_row == 3


def test_an_author_counted_before_rows_were_is_as_good_as_their_record(
    desk: Desk, redis: Redis
) -> None:
    client: Any = redis
    desk.decide("approve")
    (field,) = client.hgetall("{hakam:demo}:authors")
    for n_rejected, expected in ((0, 7), (1, 0)):
        record = {"format": 2, "n_approved": 7, "n_rejected": n_rejected}
        client.hset("{hakam:demo}:authors", field, json.dumps(record))
        assert desk.author.n_approved_in_a_row == expected
        decision = desk.decide("approve")
        assert desk.author.n_approved_in_a_row == expected + 1
        desk.undo(decision)
        desk.queue.withdraw("demo", decision.comment_id)


# Trust


def send(client: FlaskClient, key: str, comment_id: str, text: str) -> tuple[str, str]:
    body = {"id": comment_id, "text": text, "author": {"id": "u"}}
    headers = {"Authorization": f"Bearer {key}"}
    said: Any = client.post("/v1/comments", json=body, headers=headers).json
    return said["action"], said["reason"]


def test_what_is_doubted_of_a_trusted_author_passes_and_what_is_certain_is_reviewed(
    app: Flask, client: FlaskClient, api_key: str, desk: Desk, redis: Redis, site: Site
) -> None:
    def wish(**wishes: Any) -> None:
        Sites(redis).update(replace(site, trust_after=3, trusted_sample_share=0.0, **wishes))
        app.extensions["hakam"].known_sites.remember()

    wish(review={"toxicity": 0.0})
    for _ in range(2):
        desk.decide("approve")
    assert send(client, api_key, "a", CLEAN) == ("review", "score")
    desk.next("approve")
    assert send(client, api_key, "b", CLEAN) == ("approve", "trusted")
    wish(review={"toxicity": 0.0}, reject={"toxicity": 0.0})
    assert send(client, api_key, "c", CLEAN) == ("review", "score"), "nor rejected by a machine"
    desk.next("reject")
    wish(review={"toxicity": 0.0})
    assert send(client, api_key, "d", CLEAN) == ("review", "score"), "trust is over"


def test_a_sample_of_what_passes_for_trust_goes_to_people_with_its_probability(
    client: FlaskClient, api_key: str, desk: Desk, redis: Redis, site: Site
) -> None:
    wishes: dict[str, Any] = {"review": {"toxicity": 0.0}, "trusted_sample_share": 0.5}
    Sites(redis).update(replace(site, trust_after=1, **wishes))
    desk.decide("approve")
    found = [send(client, api_key, f"s{n}", CLEAN) for n in range(60)]
    assert {*found} == {("approve", "trusted"), ("review", "random_sample")}
    drawn = [item for item in desk.queue.waiting("demo") if item.why == "random_sample"]
    assert len(drawn) == found.count(("review", "random_sample"))
    assert {item.verdict.sampling_probability for item in drawn} == {0.5}
    assert {item.verdict.label for item in drawn} == {"toxicity"}


# Warnings and holds


@pytest.mark.usefixtures("api_key")
def test_the_site_is_told_to_warn_an_author_and_then_that_they_are_held(
    desk: Desk, redis: Redis, endpoint: Endpoint
) -> None:
    desk.decide("reject")
    assert told(redis, endpoint) == []
    desk.decide("reject")
    ((kind, data),) = told(redis, endpoint)
    assert kind == "author.warned"
    assert (data["author_id"], data["n_rejections"]) == ("u", 2)
    assert "held_until" not in data
    assert time.time() - desk.author.warned_at < 60
    desk.decide("reject")
    ((kind, data),) = told(redis, endpoint)
    assert (kind, data["author_id"], data["n_rejections"]) == ("author.held", "u", 3)
    until = datetime.fromisoformat(data["held_until"]).timestamp()
    assert until == pytest.approx(desk.author.held_until, abs=0.002)
    assert 23 * HOUR < until - time.time() < 25 * HOUR
    assert desk.queue.author("demo", "other") == AuthorRecord()


def test_all_that_a_held_author_writes_waits(
    client: FlaskClient, api_key: str, desk: Desk, redis: Redis
) -> None:
    for _ in range(2):
        desk.decide("reject")
    assert send(client, api_key, "a", CLEAN) == ("approve", "clean")
    desk.decide("reject")
    assert send(client, api_key, "b", CLEAN) == ("review", "author")
    stored: Any = redis
    (field,) = stored.hgetall("{hakam:demo}:authors")
    record = json.loads(stored.hget("{hakam:demo}:authors", field))
    stored.hset("{hakam:demo}:authors", field, json.dumps(record | {"held_until": 1}))
    assert send(client, api_key, "c", CLEAN) == ("approve", "clean"), "the hold is over"


@pytest.mark.usefixtures("api_key")
def test_a_rejection_that_is_taken_back_ends_the_hold_and_the_site_is_told(
    desk: Desk, redis: Redis, endpoint: Endpoint
) -> None:
    last = [desk.decide("reject") for _ in range(3)][-1]
    assert desk.author.held_until
    told(redis, endpoint)
    desk.undo(last)
    ((kind, data),) = told(redis, endpoint)
    assert (kind, data["author_id"], data["n_rejections"]) == ("author.released", "u", 2)
    assert desk.author.held_until == 0


@pytest.mark.usefixtures("api_key")
def test_many_rejections_at_once_are_one_piece_of_news(
    desk: Desk, redis: Redis, endpoint: Endpoint
) -> None:
    versions = {desk.enqueue(): 1 for _ in range(10)}
    draft = Decision("reject", moderator="amal", request_id="bulk")
    decide_many(desk.queue, versions, draft)
    kinds = [kind for kind, _ in told(redis, endpoint)]
    assert kinds == ["author.warned", "author.held"]
    undo_many(desk.queue, "bulk", "amal", "undo")
    assert [kind for kind, _ in told(redis, endpoint)] == ["author.released"]


@pytest.mark.usefixtures("api_key")
def test_old_rejections_and_upheld_ones_are_no_strikes(
    desk: Desk, redis: Redis, endpoint: Endpoint
) -> None:
    stored: Any = redis
    first = desk.decide("reject")
    desk.queue.appeal("demo", first.id, "why?")
    lease = desk.queue.lease("demo", "basma")
    assert lease
    draft = Decision("reject", moderator="basma", request_id="appeal")
    desk.queue.decide("demo", lease.item.id, lease.token, draft)
    assert told(redis, endpoint) == []
    (field,) = stored.hgetall("{hakam:demo}:authors")
    record = json.loads(stored.hget("{hakam:demo}:authors", field))
    record["rejected_at"] = [at - 31 * 86_400_000 for at in record["rejected_at"]]
    stored.hset("{hakam:demo}:authors", field, json.dumps(record))
    desk.decide("reject")
    assert told(redis, endpoint) == []


@pytest.mark.usefixtures("api_key")
def test_a_site_that_wants_neither_hears_of_no_author(
    desk: Desk, redis: Redis, endpoint: Endpoint, site: Site
) -> None:
    Sites(redis).update(replace(site, warn_after=0, hold_after=0))
    for _ in range(5):
        desk.decide("reject")
    assert told(redis, endpoint) == []
    assert (desk.author.warned_at, desk.author.held_until) == (0, 0)


@pytest.mark.usefixtures("api_key")
def test_of_an_author_who_was_erased_nothing_is_told(
    desk: Desk, redis: Redis, endpoint: Endpoint
) -> None:
    for _ in range(2):
        desk.decide("reject")
    Retention(redis, Sites(redis)).erase("demo", "u")
    assert told(redis, endpoint) == []
    assert ReviewQueue(redis).stats("demo").outbox == 0


def test_news_of_an_author_are_in_the_chain_and_fit_the_description(
    client: FlaskClient, api_key: str, desk: Desk, redis: Redis, endpoint: Endpoint
) -> None:
    for _ in range(3):
        desk.decide("reject")
    deliveries = Deliveries(redis, Sites(redis))
    while deliver_once(deliveries):
        pass
    document: Any = client.get("/openapi.json").json
    schema = document["components"]["schemas"]["WebhookMessage"]
    resolved = {"components": document["components"], **schema}
    for body in endpoint.bodies():
        jsonschema.validate(body, resolved)
    entries = DecisionStream(redis).read("demo")
    assert [one.kind for one in entries].count("hold") == 1
    assert not any(one.damaged for one in entries)
    said = client.get(
        "/v1/decisions?limit=50", headers={"Authorization": f"Bearer {api_key}"}
    ).get_data(as_text=True)
    assert said.count("decision.recorded") == 3
    assert "author." not in said.replace("author.name", "")
