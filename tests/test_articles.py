"""People hold all comments on an article, or close it, and it holds at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from conftest import NOWHERE
from service.errors import Conflict
from service.queue.records import Decision
from service.queue.review_queue import ReviewQueue
from service.sites import sites as stored_sites
from service.sites.levers import MAX_LEVERS, Lever
from service.sites.site import Site
from service.sites.sites import Sites

CLEAN = "thanks for the article"
HELD, CLOSED = ("review", "article_held"), ("reject", "article_closed")
PASSED = ("approve", "clean")
HOUR = 3_600

Ask = Callable[..., Any]


@pytest.fixture
def site() -> Site:
    return Site("demo", random_sample_share=0.0, trust_after=1)


@pytest.fixture
def ask(app: Flask, client: FlaskClient, api_key: str) -> Ask:
    """Ask the API; what was changed holds at once, which otherwise takes a second."""

    def ask(path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {api_key}"}
        if not body:
            return client.get(path, headers=headers)
        answer = client.post(path, json=body, headers=headers)
        if path.startswith("/v1/articles"):
            app.extensions["hakam"].known_sites.remember()
        return answer

    return ask


def comment(ask: Ask, comment_id: str, article_id: str = "a-1") -> tuple[str, str]:
    body = {"text": CLEAN, "author": {"id": "u"}, "article": {"id": article_id}}
    said = ask("/v1/comments", id=comment_id, **body).json
    return said["action"], said["reason"]


def test_what_comes_under_a_held_article_waits_until_it_is_opened(ask: Ask) -> None:
    assert comment(ask, "c1") == PASSED
    said = ask("/v1/articles/hold", id="a-1", hours=3, moderator="amal").json
    assert (said["id"], said["state"], said["moderator"]) == ("a-1", "held", "amal")
    assert comment(ask, "c2") == HELD
    assert comment(ask, "c3", "a-2") == PASSED
    assert comment(ask, "c4", "") == PASSED
    assert [one["id"] for one in ask("/v1/articles").json] == ["a-1"]
    assert ask("/v1/articles/open", id="a-1").json == {"opened": True}
    assert ask("/v1/articles/open", id="a-1").json == {"opened": False}
    assert comment(ask, "c5") == PASSED
    assert ask("/v1/articles").json == []


def test_what_comes_under_a_closed_article_is_rejected_and_counts_against_nobody(
    ask: Ask, redis: Redis
) -> None:
    assert ask("/v1/articles/close", id="a-1").json["until"] is None
    assert comment(ask, "c1") == CLOSED
    author = ReviewQueue(redis).author("demo", "u")
    assert (author.n_rejected, author.n_approved) == (0, 0)
    decision = ask("/v1/comments", id="c1", text=CLEAN, author={"id": "u"}).json["decision"]
    appeal = ask("/v1/decisions/appeal", decision_id=decision["decision_id"], statement="?")
    assert appeal.status_code == 200
    queue = ReviewQueue(redis)
    lease = queue.lease("demo", "amal")
    assert lease
    draft = Decision("approve", moderator="amal", request_id="r")
    queue.decide("demo", lease.item.id, lease.token, draft)
    author = queue.author("demo", "u")
    assert (author.n_rejected, author.n_approved) == (0, 0)


def test_what_waits_when_an_article_is_closed_is_still_decided_by_people(ask: Ask) -> None:
    ask("/v1/articles/hold", id="a-1", hours=1)
    assert comment(ask, "c1") == HELD
    ask("/v1/articles/close", id="a-1", hours=1)
    assert comment(ask, "c1") == ("review", "waiting")
    assert comment(ask, "c2") == CLOSED


def test_a_hold_ends_by_itself(redis: Redis, api_key: str) -> None:
    sites = Sites(redis)
    sites.pull("demo", Lever("a-1", "held", time.time() + HOUR))
    site = sites.get("demo")
    assert site.article("a-1", time.time()) == "held"
    assert site.article("a-1", time.time() + 2 * HOUR) is None
    sites.pull("demo", Lever("a-2", "closed", time.time() - 1))
    assert sites.get("demo").article("a-2", time.time()) is None
    assert not sites.release("demo", "a-2")
    sites.pull("demo", Lever("a-3", "closed"))
    assert set(sites.get("demo").levers) == {"a-1", "a-3"}, "what is over goes"


def test_the_settings_of_a_site_and_its_articles_change_without_each_other(
    redis: Redis, api_key: str
) -> None:
    sites = Sites(redis)
    before = sites.get("demo")
    sites.pull("demo", Lever("a-1", "closed"))
    sites.update(replace(before, name="Another"))
    site = sites.get("demo")
    assert (site.name, set(site.levers)) == ("Another", {"a-1"})
    assert "a-1" not in site.to_json()


def test_a_site_has_so_many_articles_held_or_closed_and_no_more(
    redis: Redis, api_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_LEVERS >= 1_000
    monkeypatch.setattr(stored_sites, "MAX_LEVERS", 2)
    sites = Sites(redis)
    sites.pull("demo", Lever("a-1", "held", time.time() - 1))
    for article_id in ("a-2", "a-3", "a-3"):
        sites.pull("demo", Lever(article_id, "closed"))
    with pytest.raises(Conflict):
        sites.pull("demo", Lever("a-4", "closed"))


@pytest.mark.parametrize("stored", ["no", "{}", '{"state": "held", "until": "x", "moderator": ""}'])
def test_an_article_of_which_what_is_stored_is_damaged_is_held_and_others_are_not(
    ask: Ask, redis: Redis, stored: str
) -> None:
    client: Any = redis
    client.hset("{hakam:demo}:site", "article:a-1", stored)
    ask("/v1/articles/close", id="a-9")
    assert comment(ask, "c1") == HELD
    assert comment(ask, "c2", "a-2") == PASSED
    assert {one["id"]: one["until"] for one in ask("/v1/articles").json}["a-1"] is None


def test_a_held_article_is_held_while_redis_is_down(
    app: Flask, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("/v1/articles/hold", id="a-1", hours=3)
    services = app.extensions["hakam"]
    for part in (services.sites, services.known_sites._sites):
        monkeypatch.setattr(part, "_redis", NOWHERE)
    for verbs in (services.queue._verbs, services.repeats._verbs):
        monkeypatch.setattr(verbs, "_redis", NOWHERE)
    body = {"id": "c1", "text": CLEAN, "article": {"id": "a-1"}}
    assert ask("/v1/comments", **body).status_code == 503, "it could not be stored"
    assert comment(ask, "c2", "a-2") == PASSED


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("hold", {"id": "a", "hours": 0}, "hours"),
        ("hold", {"id": "a", "hours": 721}, "hours"),
        ("hold", {"id": ""}, "id"),
        ("hold", {"id": "x" * 257}, "id"),
        ("close", {"id": "a", "hours": "1"}, "hours"),
        ("open", {"hours": 1}, "id"),
    ],
)
def test_what_cannot_hold_for_an_article_is_refused_by_its_field(
    ask: Ask, path: str, body: dict[str, Any], field: str
) -> None:
    answer = ask(f"/v1/articles/{path}", **body)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json["errors"]]
