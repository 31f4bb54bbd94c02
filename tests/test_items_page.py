"""One comment: its whole life on a page, and what can be done about it there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from arriving import enqueue
from flask import Flask
from redis import Redis
from test_console import Console, accounts, flag, queue
from test_history import VERDICT, console, decide, english

from conftest import deliver_once, let_time_pass
from models.schema import Evidence
from service.accounts.accounts import Accounts
from service.console.timeline import compared
from service.delivery.webhooks import Deliveries
from service.queue.decisions import DecisionStream
from service.queue.doubts import DoubtfulDecisions
from service.queue.records import Comment, Decision, item_id_of
from service.queue.reports import Reports
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.sites.site import Site
from service.sites.sites import Sites

__all__ = ["accounts", "console", "decide", "flag", "queue"]  # fixtures

Decide = Callable[..., Decision]
Flag = Callable[..., str]


@pytest.fixture
def senior(app: Flask, accounts: Accounts, api_key: str) -> Console:
    return english(app, "omar")


def story(page: str) -> list[str]:
    """What the timeline says, one sentence an event."""
    (found,) = re.findall(r'<ol class="story">(.*?)</ol>', page, re.DOTALL)
    events = re.findall(r"<li.*?<p>(.*?)<span class=\"hint\">", found, re.DOTALL)
    return [unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", one))).strip() for one in events]


def item(console: Console, item_id: str) -> str:
    return console.get(f"/demo/items/{item_id}")


def listening(redis: Redis) -> Sites:
    """Let the site have a webhook, where nobody answers."""
    sites, secret = Sites(redis), "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    site = replace(sites.get("demo"), webhook_url="http://127.0.0.1:1/", webhook_secret=secret)
    sites.update(site)
    return sites


# What happened


def test_a_comment_tells_its_life_from_its_coming_to_the_appeal(
    console: Console, queue: ReviewQueue, redis: Redis, flag: Flag
) -> None:
    item_id = flag("c1", "first words", author_id="u1", author_name="Reader")
    lease = queue.lease("demo", "samira")
    assert lease
    queue.escalate("demo", item_id, lease.token, "is this allowed?")
    lease = queue.lease("demo", "omar", senior=True)
    assert lease
    draft = Decision(
        "reject", ("insult",), "insult", "my note", "omar", "r1", reply="Please be kind."
    )
    made = queue.decide("demo", item_id, lease.token, draft)
    queue.appeal("demo", made.id, "it was a joke")
    assert "Its author's objection waits" in unescape(item(console, item_id))
    lease = queue.lease("demo", "samira")
    assert lease
    queue.decide(
        "demo", lease.item.id, lease.token, Decision("approve", moderator="samira", request_id="r2")
    )
    page = item(console, item_id)
    assert story(page) == [
        "The comment came.",
        "samira left it to the senior moderators.",
        "Decided by omar: rejected · Insult · does not stand any more",
        "Its author objected to the decision.",
        "The objection was right. Decided anew by samira: approved",
    ]
    for words in ("is this allowed?", "my note", "Please be kind.", "it was a joke"):
        assert words in page
    appeal = item_id_of(made.id, "appeal")
    assert item(console, appeal)
    assert console.last.location.endswith(f"/demo/items/{item_id}"), "where it belongs to"


def test_each_text_is_there_and_what_was_changed_is_marked(
    console: Console, decide: Decide
) -> None:
    made = decide(1, text="you are a clever man")
    decide(1, "approve", text="you are a kind man")
    page = item(console, made.item_id)
    assert story(page) == [
        "The comment came.",
        "Decided by samira: rejected · Insult",
        "It was edited: version 2 came.",
        "Decided by samira: approved",
    ]
    assert "you are a <del>clever </del><ins>kind </ins>man" in page.replace("\n", "")
    assert "you are a clever man" in page


def test_words_that_a_text_lost_stand_where_they_were() -> None:
    assert compared("a b c", "a c") == [("a ", ""), ("b ", "removed"), ("c", "")]
    assert compared("a", "a") == [("a", "")]
    assert compared("x " * 500, "y " * 500) == [], "too long to be compared"


def test_scores_and_evidence_of_then_are_shown(
    console: Console, queue: ReviewQueue, flag: Flag
) -> None:
    item_id = flag("c1", "you donkey", 0.93, evidence=[Evidence("text", "insult", 4, 10, 2.0)])
    page = item(console, item_id)
    assert re.search(r'<mark data-label="insult"[^>]*>donkey</mark>', page)
    assert "Insult 93%" in page


def test_what_the_site_took_failed_to_take_and_is_still_to_be_told_is_said(
    console: Console, redis: Redis, queue: ReviewQueue, decide: Decide
) -> None:
    sites = listening(redis)
    made = decide(1)
    assert "The site is still to be told." in item(console, made.item_id)
    deliveries = Deliveries(redis, sites)
    deliver_once(deliveries)
    redis.zadd("{hakam:demo}:outbox", {made.item_id: 0})
    deliver_once(deliveries)
    assert "The site is still to be told; that was tried 2 times." in item(console, made.item_id)
    this: dict[str, Any] = {"id": made.item_id, "delivery": made.id}
    deliveries._verbs("demo", "give_up", **this, failure="status 410", patience_ms="")
    page = item(console, made.item_id)
    assert "The site could not be told, and nobody tries any more:" in page
    assert "status 410" in page
    queue.undo("demo", made.item_id, "samira", "u")
    undone = DecisionStream(redis).read("demo")[-1]
    deliveries._verbs("demo", "delivered", id=made.item_id, delivery=undone.id, told=1)
    page = item(console, made.item_id)
    assert page.count("The site took it:") == 1
    assert "still to be told" not in page


def test_reports_and_what_became_of_them_are_told(
    console: Console, queue: ReviewQueue, redis: Redis, decide: Decide
) -> None:
    made = decide(1, "approve", text="good words")
    about = Comment("c1", "good words", author_id="u1")
    Reports(redis).add(
        Site("demo"),
        about,
        VERDICT,
        reason="spam",
        reporter="reader",
        explanation="<i>an advert</i>",
        scores={},
        author_scores=None,
        evidence=(),
        sentence=(),
    )
    page = item(console, made.item_id)
    assert "A reader reported it: Spam" in story(page)
    assert "&lt;i&gt;an advert&lt;/i&gt;" in page
    assert "It waits for an answer." in page
    lease = queue.lease("demo", "samira")
    assert lease
    draft = Decision("reject", ("spam",), "spam", moderator="samira", request_id="r2")
    queue.decide("demo", lease.item.id, lease.token, draft)
    page = item(console, made.item_id)
    assert "The comment was removed." in page
    assert "The readers who had reported it are told: it was removed." in story(page)


def test_what_was_erased_or_forgotten_is_said(
    console: Console, redis: Redis, decide: Decide
) -> None:
    made, other = decide(1, text="gone soon"), decide(2, author_id="u2")
    Retention(redis, Sites(redis)).erase("demo", "u1")
    page = item(console, made.item_id)
    assert "gone soon" not in page
    assert "Its text was deleted, because that was asked for." in page
    assert story(page)[-1] == "All that its author wrote was deleted, because that was asked for."
    let_time_pass(redis, 200 * 86_400_000)
    Retention(redis, Sites(redis)).sweep(force=True)
    page = item(console, other.item_id)
    assert console.last.status_code == 404
    assert "Nothing is kept of this comment any more" in page


def test_a_second_look_is_for_seniors_to_see(
    console: Console, senior: Console, redis: Redis, decide: Decide
) -> None:
    made, doubts = decide(1), DoubtfulDecisions(redis)
    doubts.exchange("demo", {made.id: 0.1}, made.id)
    assert "It is listed for a second look." in item(senior, made.item_id)
    assert "second look." not in item(console, made.item_id)
    doubts.confirm("demo", made.id)
    assert "took a second look and let the decision stand" in item(senior, made.item_id)


def test_a_damaged_record_is_said(console: Console, redis: Redis, flag: Flag) -> None:
    item_id = flag("c1", "words")
    redis.hset("{hakam:demo}:items", item_id, "{")
    assert "What is stored of this comment cannot be read." in item(console, item_id)
    assert console.last.status_code == 200


def test_hostile_words_stay_words(console: Console, queue: ReviewQueue, flag: Flag) -> None:
    evil = "<script>alert(1)</script>"
    item_id = flag(
        "c1", evil, author_id=evil, author_name=evil, article_id=evil, article_title=evil
    )
    lease = queue.lease("demo", "samira")
    assert lease
    draft = Decision("reject", ("insult",), "insult", evil, "samira", "r1", reply=evil)
    queue.decide("demo", item_id, lease.token, draft)
    assert "<script>alert" not in item(console, item_id)
    assert console.last.status_code == 200


# What stays blind


def test_a_first_opinion_stays_blind_until_the_comment_is_decided(
    console: Console, senior: Console, queue: ReviewQueue
) -> None:
    item_id = enqueue(
        queue, "demo", Comment("c1", "words"), VERDICT, scores={}, second_opinion_share=1.0
    ).item_id
    lease = queue.lease("demo", "samira")
    assert lease
    draft = Decision("reject", ("insult",), "insult", "nasty", "samira", "r1")
    queue.decide("demo", item_id, lease.token, draft)
    assert story(item(senior, item_id)) == ["The comment came."]
    assert "nasty" not in item(senior, item_id)
    assert "First opinion of two, by samira: rejected · Insult" in story(item(console, item_id))
    lease = queue.lease("demo", "amal")
    assert lease
    queue.decide("demo", item_id, lease.token, Decision("reject", moderator="amal", request_id="2"))
    assert "First opinion of two, by samira: rejected · Insult" in story(item(senior, item_id))


def test_a_comment_with_a_known_answer_is_an_ordinary_one_to_who_answered_and_nothing_to_others(
    console: Console, senior: Console, queue: ReviewQueue, flag: Flag, redis: Redis
) -> None:
    known = Comment("k", "known words")
    enqueue(queue, "demo", known, VERDICT, scores={}, known_action="reject")
    flag("c1", "words")
    lease = queue.lease("demo", "samira", known_answer_share=1.0)
    assert lease
    assert lease.item.comment.text == "known words"
    draft = Decision("approve", moderator="samira", request_id="r1")
    queue.decide("demo", lease.item.id, lease.token, draft)
    assert story(item(console, lease.item.id))[-1] == "Decided by samira: approved"
    item(senior, lease.item.id)
    assert senior.last.status_code == 404
    item(senior, item_id_of("k", "known_answer"))
    assert senior.last.status_code == 404


# Deciding and deciding otherwise


def test_what_waits_is_taken_to_the_work_page(
    console: Console, queue: ReviewQueue, flag: Flag
) -> None:
    flag("c1", "more urgent words", 0.99)
    item_id = flag("c2", "the chosen words", 0.6)
    assert "Decide this one" in item(console, item_id)
    console.post(f"/demo/items/{item_id}/take", version="1")
    assert console.last.location.endswith("/console/demo/work")
    assert "the chosen words" in console.get("/demo/work")
    page = item(console, item_id)
    assert "You are deciding it." in page
    assert "Decide this one" not in page


def test_who_comes_too_late_to_take_it_is_told_why(
    console: Console, queue: ReviewQueue, flag: Flag, decide: Decide
) -> None:
    item_id = flag("c1", "words")
    lease = queue.lease("demo", "amal")
    assert lease
    assert "amal is deciding it." in re.sub("<[^>]+>", "", item(console, item_id))
    console.post(f"/demo/items/{item_id}/take", version="1")
    assert "A colleague is reading this comment" in item(console, item_id)
    queue.decide("demo", item_id, lease.token, Decision("reject", moderator="amal", request_id="1"))
    console.post(f"/demo/items/{item_id}/take", version="1")
    assert "This comment has been decided already." in item(console, item_id)
    console.post("/demo/items/nothing/take", version="1")
    assert "This comment is no longer in the queue." in console.get("/demo/history")


def test_a_senior_decides_otherwise_and_the_site_is_told_of_undo_and_decision_in_order(
    senior: Console, queue: ReviewQueue, redis: Redis, decide: Decide
) -> None:
    listening(redis)
    made = decide(1)
    let_time_pass(redis, 30 * 86_400_000)
    page = item(senior, made.item_id)
    assert "Change the decision" in page
    form = {"decision": made.id, "action": "approve", "note": "a joke", "request_id": "once"}
    for _ in range(2):  # pressed twice
        senior.post(f"/demo/items/{made.item_id}/change", **form)
        assert senior.last.status_code == 303
    entries = DecisionStream(redis).read("demo")
    assert [(one.action, one.stands) for one in entries] == [
        ("reject", False),
        ("undo", True),
        ("approve", True),
    ]
    record: Any = redis.hget("{hakam:demo}:items", made.item_id)
    undelivered = re.findall(r'"undelivered":\[([^\]]*)\]', record)[0].replace('"', "").split(",")
    assert undelivered == [one.id for one in entries]
    page = item(senior, made.item_id)
    assert "a joke" in page
    assert story(page)[-2:] == ["The decision was taken back by omar.", "Decided by omar: approved"]


def test_the_reason_of_a_rejection_can_be_changed(
    senior: Console, redis: Redis, decide: Decide
) -> None:
    made = decide(1)
    form = {"decision": made.id, "action": "reject", "reason": "threat", "request_id": "x"}
    senior.post(f"/demo/items/{made.item_id}/change", **form)
    last = DecisionStream(redis).read("demo")[-1]
    assert (last.action, last.reason, last.labels) == ("reject", "threat", ("threat",))


def test_a_moderator_changes_what_is_theirs_while_it_can_be_taken_back_and_nothing_else(
    console: Console, queue: ReviewQueue, redis: Redis, decide: Decide
) -> None:
    mine, other = decide(1), decide(2, by="amal")
    assert "Change the decision" in item(console, mine.item_id)
    assert "Change the decision" not in item(console, other.item_id)
    form = {"action": "approve", "request_id": "x"}
    console.post(f"/demo/items/{other.item_id}/change", decision=other.id, **form)
    assert "Somebody else decided this comment." in item(console, other.item_id)
    let_time_pass(redis, 901_000)
    console.post(f"/demo/items/{mine.item_id}/change", decision=mine.id, **form)
    assert "It is too late to take this decision back." in item(console, mine.item_id)
    assert [one.action for one in DecisionStream(redis).read("demo")] == ["reject", "reject"]


def test_a_conflict_is_told_in_a_sentence(
    senior: Console, queue: ReviewQueue, redis: Redis, decide: Decide
) -> None:
    made = decide(1)
    form = {"decision": made.id, "action": "approve"}

    def press() -> str:
        senior.post(f"/demo/items/{made.item_id}/change", **form, request_id="mine")
        return item(senior, made.item_id)

    first = queue.undo("demo", made.item_id, "samira", "u")
    assert "The comment is not decided any more, so nothing was done." in press()
    again = decide(1)
    assert "This decision has been changed meanwhile, so nothing was done." in press()
    form["decision"] = again.id
    Retention(redis, Sites(redis)).erase("demo", "u1")
    assert "The text was deleted, so that nobody could judge it anew." in press()
    assert first.undoes == made.id


def test_a_waiting_objection_does_not_go_away_by_deciding_the_same_again(
    console: Console, queue: ReviewQueue, decide: Decide
) -> None:
    made = decide(1)
    queue.appeal("demo", made.id, "why?")
    assert "Change the decision" not in item(console, made.item_id)
    form = {"decision": made.id, "action": "reject", "reason": "spam", "request_id": "x"}
    console.post(f"/demo/items/{made.item_id}/change", **form)
    assert "somebody else decides about that" in item(console, made.item_id)
    assert queue.item("demo", item_id_of(made.id, "appeal")).state == "pending"


def test_nobody_overrules_the_appeal_against_their_own_decision(
    app: Flask, senior: Console, queue: ReviewQueue, redis: Redis, decide: Decide
) -> None:
    made = decide(1, by="omar")
    queue.appeal("demo", made.id, "why?")
    lease = queue.lease("demo", "layla", senior=True)
    assert lease
    draft = Decision("approve", moderator="layla", request_id="r2")
    decided = queue.decide("demo", lease.item.id, lease.token, draft)
    form = {"action": "reject", "reason": "insult", "request_id": "x"}
    senior.post(f"/demo/items/{made.item_id}/change", decision=made.id, **form)
    assert "An appeal against this decision has been decided" in item(senior, made.item_id)
    senior.post(f"/demo/items/{lease.item.id}/change", decision=decided.id, **form)
    assert "It is about your own decision" in item(senior, made.item_id)
    other = english(app, "layla")
    assert f"/items/{lease.item.id}/change" in item(other, made.item_id), "the last word"


def test_the_buttons_of_a_page_are_those_that_its_reader_may_press(
    console: Console, decide: Decide, flag: Flag
) -> None:
    made, waiting = decide(1), flag("c2", "words 2")
    page = item(console, made.item_id)
    assert f"/items/{made.item_id}/take-back" in page
    assert f"/items/{waiting}/take" in item(console, waiting)
    assert "Change the decision" not in item(console, waiting)
