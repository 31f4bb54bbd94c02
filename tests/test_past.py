"""Reading back: the newest decisions are found first, and what was not looked at is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from test_console import Desk
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture

from service.accounts.accounts import Accounts
from service.console import past
from service.queue.decisions import DecisionStream
from service.queue.review_queue import Comment, Decision, ReviewQueue
from service.rules.policy import Verdict

VERDICT = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
NOT_LOOKED_AT = "decisions were looked at, back to"


@pytest.fixture
def queue(app: Flask) -> ReviewQueue:
    queue: ReviewQueue = app.extensions["hakam"].queue
    return queue


@pytest.fixture
def decide(queue: ReviewQueue, api_key: str) -> Callable[..., str]:
    """Decide one comment more; the decision's id."""

    def decided(comment_id: str, action: str = "reject", **fields: Any) -> str:
        comment = Comment(id=comment_id, text=f"words of {comment_id}", **fields)
        queue.enqueue("demo", comment, VERDICT, scores={"insult": 0.9})
        lease = queue.lease("demo", "samira")
        assert lease
        draft = Decision(action, reason="insult", moderator="samira", request_id=comment_id)
        return queue.decide("demo", lease.item.id, lease.token, draft).id

    return decided


@pytest.fixture
def senior(app: Flask, accounts: Accounts, api_key: str) -> Desk:
    desk = Desk(app, "omar").log_in()
    desk.post("/language", language="en")
    return desk


@pytest.mark.usefixtures("api_key")
def test_the_stream_is_read_back_from_its_end(
    queue: ReviewQueue, stream: DecisionStream, decide: Callable[..., str]
) -> None:
    ids = [decide(f"c{n}") for n in range(5)]
    assert [d.id for d in stream.latest("demo", limit=2)] == ids[:2:-1]
    assert [d.id for d in stream.latest("demo", before=ids[3], limit=9)] == ids[2::-1]
    assert [d.id for d in stream.latest("demo", since=ids[3])] == ids[:2:-1]


@pytest.fixture
def few_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "MAX_READ", 5)
    monkeypatch.setattr(past, "MAX_DECISIONS", 2)


@pytest.mark.usefixtures("few_read")
def test_beyond_the_bound_the_oldest_are_left_out_and_the_search_says_so(
    senior: Desk, decide: Callable[..., str]
) -> None:
    for n in range(5):
        decide(f"c{n}", author_id="u1")
    page = senior.get("/demo/search?author_id=u1")
    assert re.findall(r"words of (c\d)", page) == ["c4", "c3", "c2", "c1", "c0"]
    assert NOT_LOOKED_AT not in page
    decide("c5", author_id="u1")
    page = senior.get("/demo/search?author_id=u1")
    assert re.findall(r"words of (c\d)", page) == ["c5", "c4", "c3", "c2", "c1"]
    assert f"Only the last 5 {NOT_LOOKED_AT}" in page


@pytest.mark.usefixtures("few_read")
def test_beyond_the_bound_insight_is_made_of_the_newest_and_says_so(
    senior: Desk, decide: Callable[..., str]
) -> None:
    for n in range(6):
        decide(f"c{n}", "reject" if n else "approve")
    page = senior.get("/demo/insight")
    assert f"Only the last 5 {NOT_LOOKED_AT}" in page
    assert "insult,1,5" in senior.get("/demo/insight/precision_by_label.csv"), "not the newest"
    hours = senior.get("/demo/insight/decisions_per_hour.csv").split()
    assert hours[1].endswith(",,"), "an hour that was not looked at has no count"
    admin = Desk(senior.client.application, "layla").log_in()
    admin.client.application.extensions["hakam"].tallies.count("demo", "review", {"insult": 0.9})
    admin.client.application.extensions["hakam"].tallies.flush()
    admin.post("/language", language="en")
    assert "Only decisions since" in admin.get("/demo/settings")


def test_more_decisions_than_are_shown_are_told(
    senior: Desk, decide: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "SHOWN", 2)
    for n in range(2):
        decide(f"c{n}", author_id="u1")
    assert "are shown" not in senior.get("/demo/search?author_id=u1")
    decide("c2", author_id="u1")
    page = senior.get("/demo/search?author_id=u1")
    assert re.findall(r"words of (c\d)", page) == ["c2", "c1"]
    assert "Only the last 2 are shown." in page


def test_the_newest_of_twenty_thousand_decisions_and_one_are_found(
    senior: Desk, redis: Redis, decide: Callable[..., str]
) -> None:
    decide("old", author_id="u0")
    stream = "{hakam:demo}:decisions"
    client: Any = redis
    ((_id, entry),) = client.xrange(stream)
    copies = client.pipeline(transaction=False)
    for _copy in range(past.MAX_READ):
        copies.xadd(stream, entry)
    copies.execute()
    decide("new", author_id="u1")
    assert "words of new" in senior.get("/demo/search?author_id=u1")
    page = senior.get("/demo/insight")
    assert f"Only the last 20,000 {NOT_LOOKED_AT}" in page


def test_a_decided_comment_is_found_by_its_id_and_counted_as_waiting_by_nobody(
    senior: Desk, decide: Callable[..., str]
) -> None:
    decide("c1")
    page = senior.get("/demo/search?comment_id=c1")
    assert "0 comments wait" in page
    assert page.count("words of c1") == 2
