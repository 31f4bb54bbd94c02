"""Decisions that disagree with all others are listed, and seniors confirm or change them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from arriving import enqueue
from flask import Flask
from redis import Redis
from test_console import Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture

from models.schema import LABELS
from service.accounts.account import Preferences
from service.accounts.accounts import Accounts
from service.queue.decisions import DecisionStream
from service.queue.doubts import DoubtfulDecisions
from service.queue.records import Comment, Decision, item_id_of
from service.queue.review_queue import ReviewQueue
from service.reports.second_look import MIN_OF_EACH, Judged, comparable, doubtful
from service.rules.policy import Verdict

VERDICT = Verdict("review", "insult", "text", 0.6, "score", 1.0, "v1")
KIND, RUDE = (
    words.split()
    for words in (
        "thanks for this article very good work please go on writing well",
        "you stupid liar and coward get lost shut your dirty ugly mouth",
    )
)


def sentence(words: list[str], drawn: random.Random) -> str:
    return " ".join(drawn.choice(words) for _ in range(6))


def newsroom(n: int, wrong: set[int], seed: int = 3) -> list[Judged]:
    """Kind and rude texts in turn, decided as they deserve but for those that are wrong."""
    drawn = random.Random(seed)
    return [
        Judged(
            f"{at}-0",
            sentence(RUDE if at % 2 else KIND, drawn),
            (at % 2 == 1) != (at in wrong),
            drawn.uniform(0.3, 0.7),
        )
        for at in range(n)
    ]


def test_the_decisions_that_were_wrong_are_found_first() -> None:
    wrong = {10, 51, 120, 201}
    found = doubtful(newsroom(300, wrong), limit=4)
    assert set(found) == {f"{at}-0" for at in wrong}
    assert list(found.values()) == sorted(found.values())
    assert all(0 <= share < 0.5 for share in found.values())


def test_where_all_agree_nothing_is_doubtful() -> None:
    assert doubtful(newsroom(200, set())) == {}


def test_few_decisions_are_not_judged_by_and_copies_count_once() -> None:
    assert doubtful([]) == {}
    assert doubtful(newsroom(2 * MIN_OF_EACH - 2, {4})) == {}
    copies = [replace(one, text="the same") for one in newsroom(200, {4})]
    assert doubtful(copies) == {}


def test_a_copy_of_a_text_does_not_tell_of_it() -> None:
    """A wrong decision, made on five copies of one text, is as doubtful as one made once."""
    judged = newsroom(300, set())
    text = " ".join(RUDE)
    copies = [Judged(f"{900 + at}-0", f"{text}{'!' * at}", False, 0.5) for at in range(5)]
    assert {one.id for one in copies} <= set(doubtful(judged + copies))


def test_the_list_is_short_however_much_is_doubtful() -> None:
    assert len(doubtful(newsroom(300, set(range(0, 300, 7))), limit=5)) == 5


def decision(action: str = "reject", **fields: Any) -> Decision:
    known: dict[str, Any] = {
        "labels": ("insult",) if action == "reject" else (),
        "reason": "insult" if action == "reject" else "",
        "id": "1-0",
        "comment_id": "c1",
        "verdict": VERDICT,
        "comment": Comment("c1", "Some TEXT"),
    }
    return Decision(action, **known | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"stands": False},
        {"superseded": True},
        {"comment": None},
        {"verdict": None},
        {"appeal_of": "0-1"},
        {"source": "policy"},
        {"kind": "opinion"},
        {"labels": (), "reason": "off_topic"},
    ],
)
def test_what_cannot_be_compared_is_left_out(fields: dict[str, Any]) -> None:
    assert [one.text for one in comparable([decision()])] == ["some text"]
    assert comparable([decision(**fields)]) == []


# In the console


@pytest.fixture
def queue(app: Flask, api_key: str) -> ReviewQueue:
    queue: ReviewQueue = app.extensions["hakam"].queue
    return queue


@pytest.fixture
def decide(queue: ReviewQueue) -> Callable[..., Decision]:
    def decide(name: str, action: str, text: str = "some text") -> Decision:
        comment = Comment(name, text, author_id="u1", author_name="Reader")
        enqueue(queue, "demo", comment, VERDICT, scores=dict.fromkeys(LABELS, 0.5))
        lease = queue.lease("demo", "samira")
        assert lease
        reason = "insult" if action == "reject" else ""
        labels = (reason,) if reason else ()
        draft = Decision(action, labels, reason, moderator="samira", request_id=name)
        return queue.decide("demo", lease.item.id, lease.token, draft)

    return decide


@pytest.fixture
def senior(app: Flask, accounts: Accounts, api_key: str) -> Console:
    accounts.save_preferences("omar", Preferences(language="en"))
    return Console(app, "omar").log_in()


def test_a_doubtful_decision_is_shown_without_who_took_it(
    senior: Console, redis: Redis, decide: Callable[..., Decision]
) -> None:
    made = decide("c1", "approve", "<b>you liar</b>")
    assert "Nobody has looked yet" in senior.get("/demo/second-look")
    DoubtfulDecisions(redis).exchange("demo", {made.id: 0.04}, made.id)
    page = senior.get("/demo/second-look")
    assert "&lt;b&gt;you liar&lt;/b&gt;" in page
    assert "very unlikely (4%)" in page
    assert "samira" not in page


def test_a_senior_lets_a_decision_stand_and_it_is_not_listed_again(
    senior: Console, redis: Redis, decide: Callable[..., Decision], stream: DecisionStream
) -> None:
    made, doubts = decide("c1", "approve"), DoubtfulDecisions(redis)
    doubts.exchange("demo", {made.id: 0.04}, made.id)
    senior.post(f"/demo/second-look/{made.id}", action="stands")
    assert senior.last.status_code == 303
    assert "No decision needs a second look." in senior.get("/demo/second-look")
    doubts.exchange("demo", {made.id: 0.04}, made.id)
    assert doubts.read("demo").doubts == []
    assert [entry.kind for entry in stream.read("demo")] == ["decision"]


def test_a_senior_decides_otherwise_and_the_stream_tells_both(
    senior: Console,
    redis: Redis,
    decide: Callable[..., Decision],
    stream: DecisionStream,
    queue: ReviewQueue,
) -> None:
    made = decide("c1", "approve")
    DoubtfulDecisions(redis).exchange("demo", {made.id: 0.04}, made.id)
    form = {"action": "reject", "reason": "insult", "request_id": "once"}
    for _ in range(2):  # pressed twice
        senior.post(f"/demo/second-look/{made.id}", **form)
        assert senior.last.status_code == 303
    entries = stream.read("demo")
    assert [(e.kind, e.action, e.stands) for e in entries] == [
        ("decision", "approve", False),
        ("undo", "undo", True),
        ("decision", "reject", True),
    ]
    assert (entries[1].undoes, entries[2].moderator) == (made.id, "omar")
    assert queue.item("demo", made.item_id).state == "decided"
    counted = queue.author("demo", "u1")
    assert (counted.n_approved, counted.n_rejected) == (0, 1)
    assert stream.verify("demo").n_entries == 3
    assert "No decision needs a second look." in senior.get("/demo/second-look")


def test_a_rejection_can_be_approved_after_all_but_not_rejected_again(
    senior: Console, redis: Redis, decide: Callable[..., Decision], stream: DecisionStream
) -> None:
    made = decide("c1", "reject")
    DoubtfulDecisions(redis).exchange("demo", {made.id: 0.1}, made.id)
    senior.post(f"/demo/second-look/{made.id}", action="reject", reason="insult")
    assert senior.last.status_code == 422
    senior.post(f"/demo/second-look/{made.id}", action="approve")
    assert [entry.action for entry in stream.read("demo")] == ["reject", "undo", "approve"]


def test_what_is_not_listed_cannot_be_changed_here(
    senior: Console, decide: Callable[..., Decision], stream: DecisionStream
) -> None:
    made = decide("c1", "approve")
    for name in (made.id, "1-0", "nothing"):
        senior.post(f"/demo/second-look/{name}", action="reject", reason="insult")
        assert senior.last.status_code == 303
    assert len(stream.read("demo")) == 1


def test_second_looks_are_for_seniors(app: Flask, accounts: Accounts, api_key: str) -> None:
    console = Console(app).log_in()
    console.get("/demo/second-look")
    assert console.last.status_code == 403
    console.post("/demo/second-look/1-0", action="stands")
    assert console.last.status_code == 403


def test_the_page_is_reached_from_every_page_of_a_senior(senior: Console) -> None:
    assert re.search(r'href="/console/demo/second-look"[^>]*>Second look<', senior.get("/me"))


def test_the_text_of_a_doubtful_decision_goes_with_its_author(
    senior: Console, redis: Redis, app: Flask, decide: Callable[..., Decision]
) -> None:
    from service.queue.retention import Retention
    from service.sites.sites import Sites

    made = decide("c1", "approve", "you liar")
    DoubtfulDecisions(redis).exchange("demo", {made.id: 0.04}, made.id)
    Retention(redis, Sites(redis)).erase("demo", "u1")
    assert "you liar" not in senior.get("/demo/second-look")
    assert item_id_of("c1") == made.item_id
