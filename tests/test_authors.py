"""Seniors hold, release and warn authors, or ask the site to mute or block them, and it is told."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import jsonschema
import pytest
from fake_sites import Endpoint
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from test_strikes import SECRET, Desk, told

from conftest import deliver_once
from service.delivery.webhooks import Deliveries
from service.errors import Conflict, InvalidRequest
from service.queue.authors import Authors
from service.queue.decisions import DecisionStream
from service.queue.records import Week, facet
from service.queue.retention import Retention
from service.rules.times import day_of
from service.sites.site import Site
from service.sites.sites import Sites

HOUR, DAY, WEEK_MS = 3_600, 86_400, 7 * 86_400_000
CLEAN = "thanks for the article"
OUTBOX, RETENTION = "{hakam:demo}:outbox", "{hakam:demo}:retention"


@pytest.fixture
def site(endpoint: Endpoint) -> Site:
    """A site that does nothing about authors by itself."""
    return Site(
        "demo",
        webhook_url=endpoint.url,
        webhook_secret=SECRET,
        webhook_private=True,
        random_sample_share=0.0,
    )


class Senior:
    """One senior, who deals with the author `u`."""

    def __init__(self, redis: Redis) -> None:
        self.authors = Authors(redis, Sites(redis))
        self.n = 0

    def does(self, act: Any, *, hours: float | None = None, **more: Any) -> str:
        self.n += 1
        until = None if hours is None else time.time() + hours * HOUR
        asked = {"moderator": "omar", "request_id": f"s{self.n}", "until": until} | more
        return self.authors.act("demo", "u", act, **asked)

    def states(self) -> list[tuple[str, str]]:
        page = self.authors.page("demo", "u")
        return [(one.entry.kind, one.told) for one in page.news]


@pytest.fixture
def senior(redis: Redis, api_key: str) -> Senior:
    return Senior(redis)


@pytest.fixture
def desk(redis: Redis) -> Desk:
    return Desk(redis)


def ask(client: FlaskClient, key: str, comment_id: str) -> tuple[str, str]:
    body = {"id": comment_id, "text": CLEAN, "author": {"id": "u"}}
    headers = {"Authorization": f"Bearer {key}"}
    said: Any = client.post("/v1/comments", json=body, headers=headers).json
    return said["action"], said["reason"]


# What holds here


def test_all_that_a_held_author_writes_waits_on_a_site_that_looks_at_no_authors_otherwise(
    app: Flask, client: FlaskClient, api_key: str, senior: Senior
) -> None:
    assert ask(client, api_key, "a") == ("approve", "clean")
    senior.does("hold", hours=3)
    app.extensions["hakam"].known_sites.remember()
    assert ask(client, api_key, "b") == ("review", "author")
    senior.does("release")
    assert ask(client, api_key, "c") == ("approve", "clean")


def test_a_hold_by_a_person_is_ended_by_no_decision_and_shortened_by_no_rejection(
    desk: Desk, senior: Senior, redis: Redis, site: Site
) -> None:
    Sites(redis).update(replace(site, hold_after=2, hold_hours=1))
    senior.does("hold", hours=48)
    until = desk.author.held_until
    first = desk.decide("reject")
    desk.decide("reject")
    desk.undo(first)
    desk.decide("approve")
    assert (desk.author.held_until, desk.author.held_by) == (until, "omar")
    assert senior.states() == [("hold", "waits")], "nothing new was to be told"
    senior.does("release")
    assert (desk.author.held_until, desk.author.held_by) == (0, "")


def test_a_hold_that_follows_from_rejections_is_nobodys_and_ends_with_them(
    desk: Desk, senior: Senior, redis: Redis, site: Site
) -> None:
    Sites(redis).update(replace(site, hold_after=1))
    rejection = desk.decide("reject")
    assert desk.author.held_until
    assert desk.author.held_by == ""
    desk.undo(rejection)
    assert desk.author.held_until == 0


def test_who_is_not_held_cannot_be_released(senior: Senior) -> None:
    with pytest.raises(Conflict):
        senior.does("release")
    assert senior.states() == []


@pytest.mark.parametrize("hold", ["by a person", "after rejections"])
def test_a_hold_lasts_as_long_as_it_should_however_short_the_retention_is(
    desk: Desk, senior: Senior, redis: Redis, site: Site, hold: str
) -> None:
    Sites(redis).update(replace(site, retention_days=1, hold_after=1, hold_hours=240))
    if hold == "by a person":
        senior.does("hold", hours=240)
    else:
        desk.decide("reject")
    until = desk.author.held_until
    assert until > time.time() + 9 * DAY
    client: Any = redis
    for member in client.zrange(RETENTION, 0, -1):  # five days later
        client.zincrby(RETENTION, -5 * DAY * 1000, member)
    Retention(redis, Sites(redis)).sweep(force=True)
    assert desk.author.held_until == until


# What the site is told


def test_the_site_is_asked_to_mute_and_block_an_author_and_to_restore_them(
    senior: Senior, redis: Redis, endpoint: Endpoint
) -> None:
    senior.does("mute", hours=24, reason="insult")
    ((kind, data),) = told(redis, endpoint)
    assert kind == "author.mute_requested"
    assert (data["author_id"], data["reason"], data["n_rejections"]) == ("u", "insult", 0)
    until = datetime.fromisoformat(data["until"]).timestamp()
    assert 23 * HOUR < until - time.time() < 25 * HOUR
    assert "comment_id" not in data
    assert "moderator" not in json.dumps(data)
    senior.does("block", reason="spam")
    senior.does("restore")
    (block, restore) = told(redis, endpoint)
    assert block[0] == "author.block_requested"
    assert "until" not in block[1], "for good"
    assert restore[0] == "author.restore_requested"


def test_the_page_of_an_author_says_what_the_site_was_told(
    senior: Senior, redis: Redis, endpoint: Endpoint, site: Site
) -> None:
    senior.does("warn")
    assert senior.states() == [("warning", "waits")]
    told(redis, endpoint)
    assert senior.states() == [("warning", "told")]
    endpoint.status = 410
    senior.does("block")
    told(redis, endpoint)
    assert senior.states() == [("block", "waits"), ("warning", "told")]
    Sites(redis).update(replace(site, webhook_url="", webhook_secret=""))
    senior.does("restore")
    Retention(redis, Sites(redis)).sweep()
    assert [one for _, one in senior.states()] == ["unheard", "unheard", "told"]


def test_a_site_that_listens_by_its_coral_alone_is_not_said_to_have_been_told(
    senior: Senior, redis: Redis, site: Site
) -> None:
    coral: Any = {"coral_url": "https://coral.example/api/graphql", "coral_token": "t"}
    Sites(redis).update(replace(site, webhook_url="", webhook_secret="", **coral))
    senior.does("warn")
    assert senior.states() == [("warning", "waits")]
    assert deliver_once(Deliveries(redis, Sites(redis))) == 1
    assert senior.states() == [("warning", "unheard")]


def test_what_a_site_is_told_of_an_author_comes_in_its_order_whatever_made_it(
    desk: Desk, senior: Senior, redis: Redis, endpoint: Endpoint, site: Site
) -> None:
    Sites(redis).update(replace(site, warn_after=1, hold_after=2))
    desk.decide("reject")
    last = desk.decide("reject")
    endpoint.status = 500
    assert told(redis, endpoint)[0][0] == "author.warned"
    desk.undo(last)
    senior.does("mute", hours=1)
    endpoint.status = 204
    client: Any = redis
    for member in client.zrange(OUTBOX, 0, -1):  # whichever is due first
        client.zadd(OUTBOX, {member: 1})
    kinds = [kind for kind, _ in told(redis, endpoint)]
    assert kinds == ["author.warned", "author.held", "author.released", "author.mute_requested"]


def test_what_could_not_be_told_of_an_author_is_told_again_on_request(
    senior: Senior, redis: Redis, endpoint: Endpoint
) -> None:
    endpoint.status = 500
    senior.does("mute", hours=1)
    deliveries, client = Deliveries(redis, Sites(redis)), redis
    for _ in range(11):
        told(redis, endpoint)
        for member in list[Any](client.zrange(OUTBOX, 0, -1)):
            client.zadd(OUTBOX, {member: 1})
    assert senior.states() == [("mute", "dead")]
    assert [one.action for one in deliveries.dead_letters("demo")] == ["mute"]
    endpoint.status = 204
    assert deliveries.replay("demo") == 1
    assert [kind for kind, _ in told(redis, endpoint)] == ["author.mute_requested"]
    assert senior.states() == [("mute", "told")]


def test_the_same_request_twice_does_nothing_twice(
    senior: Senior, redis: Redis, endpoint: Endpoint
) -> None:
    first = senior.does("mute", hours=1, request_id="once")
    assert senior.does("mute", hours=1, request_id="once") == first
    assert len(told(redis, endpoint)) == 1


def test_another_button_of_the_same_page_is_another_request(senior: Senior) -> None:
    senior.does("mute", hours=1, request_id="once")
    senior.does("restore", request_id="once")
    assert sorted(kind for kind, _ in senior.states()) == ["mute", "restore"]


def test_of_an_author_who_was_erased_nothing_is_told_and_nothing_is_kept(
    senior: Senior, desk: Desk, redis: Redis, endpoint: Endpoint
) -> None:
    desk.decide("approve")
    told(redis, endpoint)
    senior.does("block")
    client: Any = redis
    assert '"author_id":"u"' in str(client.hgetall("{hakam:demo}:texts"))
    erased = Retention(redis, Sites(redis)).erase("demo", "u")
    assert erased.n_items == 1, "the comment"
    assert told(redis, endpoint) == []
    assert senior.authors.page("demo", "u").news == []
    assert client.hgetall("{hakam:demo}:texts") == {}
    stream, items = client.xrange("{hakam:demo}:decisions"), client.hgetall("{hakam:demo}:items")
    assert facet("author_id", "u") not in f"{stream} {items}"


def test_what_a_senior_does_is_in_the_chain_and_fits_the_description(
    client: FlaskClient, api_key: str, senior: Senior, redis: Redis, endpoint: Endpoint
) -> None:
    for act in ("hold", "release", "warn", "mute", "block", "restore"):
        senior.does(act, hours=1, reason="insult")
    deliveries = Deliveries(redis, Sites(redis))
    while deliver_once(deliveries):
        pass
    document: Any = client.get("/openapi.json").json
    schema = document["components"]["schemas"]["WebhookMessage"]
    resolved = {"components": document["components"], **schema}
    assert len(endpoint.bodies()) == 6
    for body in endpoint.bodies():
        jsonschema.validate(body, resolved)
    stream = DecisionStream(redis)
    assert [one.moderator for one in stream.read("demo")] == ["omar"] * 6
    assert stream.verify("demo").n_entries == 6


@pytest.mark.parametrize(("act", "hours"), [("hold", None), ("mute", None), ("block", 2e6)])
def test_a_time_that_cannot_be_is_refused(senior: Senior, act: str, hours: float | None) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        senior.does(act, hours=hours)
    assert [error.field for error in refusal.value.errors] == ["until"]
    assert senior.states() == []


# Weeks


def weeks(desk: Desk) -> list[tuple[int, int]]:
    return [(week.n_approved, week.n_rejected) for week in desk.author.weeks]


def test_what_was_decided_is_counted_by_week_and_taken_back_by_an_undo(desk: Desk) -> None:
    rejection = desk.decide("reject")
    desk.decide("approve")
    [week] = desk.author.weeks
    assert week == Week(week.begins, 1, 1)
    assert datetime.fromisoformat(week.begins).weekday() == 6, "a Sunday"
    assert day_of(time.time() - 7 * DAY) < week.begins <= day_of(time.time())
    desk.undo(rejection)
    assert weeks(desk) == [(1, 0)]


def test_the_weeks_of_an_author_are_so_many_and_no_more(desk: Desk, redis: Redis) -> None:
    client: Any = redis
    desk.decide("approve")
    (field,) = client.hgetall("{hakam:demo}:authors")
    record = json.loads(client.hget("{hakam:demo}:authors", field))
    this_week = record["weeks"][0]
    record["weeks"] = [number for n in range(1, 20) for number in (this_week - n, n, 2 * n)]
    client.hset("{hakam:demo}:authors", field, json.dumps(record))
    desk.decide("reject")
    assert weeks(desk) == [(0, 1), *((n, 2 * n) for n in range(1, 13))]


@pytest.mark.parametrize("damage", [["x"], [1, 2], {}, None])
def test_weeks_that_are_damaged_begin_anew(desk: Desk, redis: Redis, damage: Any) -> None:
    client: Any = redis
    desk.decide("approve")
    (field,) = client.hgetall("{hakam:demo}:authors")
    record = json.loads(client.hget("{hakam:demo}:authors", field))
    client.hset("{hakam:demo}:authors", field, json.dumps(record | {"weeks": damage}))
    desk.decide("reject")
    assert weeks(desk) == [(0, 1)]
    assert desk.author.n_approved == 1


# Over the API


def test_a_site_holds_and_releases_an_author_over_the_api(
    app: Flask, client: FlaskClient, api_key: str, redis: Redis, endpoint: Endpoint
) -> None:
    headers = {"Authorization": f"Bearer {api_key}"}

    def post(path: str, **body: Any) -> Any:
        return client.post(f"/v1/authors/{path}", json=body, headers=headers)

    said = post("hold", id="u", hours=48, moderator="amal", request_id="once").json
    assert said["held_by"] == "amal"
    assert 47 * HOUR < said["held_until"] - time.time() <= 48 * HOUR
    again = post("hold", id="u", hours=48, moderator="amal", request_id="once").json
    assert again == said
    app.extensions["hakam"].known_sites.remember()
    assert ask(client, api_key, "a") == ("review", "author")
    assert post("release", id="u").json == {"released": True}
    assert post("release", id="u").json == {"released": False}
    assert [kind for kind, _ in told(redis, endpoint)] == ["author.held", "author.released"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "u", "hours": 0}, "hours"),
        ({"id": "u", "hours": 8_761}, "hours"),
        ({"id": "u", "moderator": ""}, "moderator"),
        ({"id": "u", "until": 1}, "until"),
    ],
)
def test_a_hold_that_cannot_be_is_refused_by_its_field(
    client: FlaskClient, api_key: str, body: dict[str, Any], field: str
) -> None:
    answer = client.post(
        "/v1/authors/hold", json=body, headers={"Authorization": f"Bearer {api_key}"}
    )
    assert answer.status_code == 422
    assert answer.json
    assert field in [error["field"] for error in answer.json["errors"]]
