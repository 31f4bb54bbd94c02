"""History: what was decided, the latest first, looked back upon in bounded steps."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from arriving import enqueue, reject
from flask import Flask
from redis import Redis
from test_console import Console, accounts, flag, queue

from conftest import let_time_pass
from service.accounts.account import Preferences
from service.accounts.accounts import Accounts
from service.console import history as page_of_history
from service.queue import history as looking
from service.queue.archive import Archive
from service.queue.decisions import DecisionStream
from service.queue.history import History
from service.queue.records import Comment, Decision
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites

__all__ = ["accounts", "flag", "queue"]  # fixtures

VERDICT = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
REJECTED = Verdict("reject", "threat", "text", 0.99, "score", 1.0, "v1")
STREAM = "{hakam:demo}:decisions"
Decide = Callable[..., Decision]


def english(app: Flask, name: str = "samira") -> Console:
    """Somebody who reads English."""
    app.extensions["hakam"].accounts.save_preferences(name, Preferences(language="en"))
    return Console(app, name).log_in()


@pytest.fixture
def console(app: Flask, accounts: Accounts, api_key: str) -> Console:
    return english(app)


@pytest.fixture
def decide(queue: ReviewQueue, flag: Callable[..., str]) -> Decide:
    def decide(number: int, action: str = "reject", by: str = "samira", **fields: Any) -> Decision:
        flag(f"c{number}", **({"text": f"words {number}", "author_id": "u1"} | fields))
        lease = queue.lease("demo", by, senior=True)
        assert lease
        labels, reason = (("insult",), "insult") if action == "reject" else ((), "")
        draft = Decision(action, labels, reason, moderator=by, request_id=f"r{number}")
        return queue.decide("demo", lease.item.id, lease.token, draft)

    return decide


def by_policy(queue: ReviewQueue, number: int) -> None:
    about = Comment(f"c{number}", f"words {number}", author_id="u1")
    reject(queue, "demo", about, REJECTED, scores={"threat": 0.99})


def by_desk(queue: ReviewQueue, number: int) -> None:
    about = Comment(f"c{number}", f"words {number}", author_id="u1")
    draft = Decision("approve", moderator="salma", request_id=f"desk{number}")
    queue.decide_external("demo", about, VERDICT, draft, scores={})


def shown(page: str) -> list[str]:
    """The texts of the rows, in their order."""
    return re.findall(r"words \d+", page)


def older(page: str) -> str:
    found = re.search(r'rel="next" href="/console([^"]+)"', page)
    assert found, "no older ones"
    return unescape(found[1])


# Looking back


def test_a_look_back_has_decisions_and_undos_and_nothing_that_is_blind(
    queue: ReviewQueue, redis: Redis, decide: Decide, flag: Callable[..., str]
) -> None:
    first = decide(1)
    queue.undo("demo", first.item_id, "samira", "u")
    enqueue(queue, "demo", Comment("k", "known"), VERDICT, scores={}, known_action="reject")
    enqueue(
        queue,
        "demo",
        Comment("b", "blind"),
        REJECTED,
        scores={"threat": 1.0},
        second_opinion_share=1.0,
    )
    for request in ("one", "two"):  # an opinion, and an answer to a known answer
        lease = queue.lease("demo", "amal", known_answer_share=float(request == "two"))
        assert lease
        draft = Decision("approve", moderator="amal", request_id=request)
        queue.decide("demo", lease.item.id, lease.token, draft)
    kinds = {entry.kind for entry in DecisionStream(redis).read("demo")}
    assert kinds == {"decision", "undo", "opinion", "known_answer"}
    for moderator in ("", "samira"):
        past = History(redis).look_back("demo", moderator=moderator)
        assert [one.kind for one in past.decisions] == ["undo", "decision"]
    assert History(redis).look_back("demo", moderator="amal").decisions == []


@pytest.mark.parametrize("moderator", ["", "samira"])
def test_a_look_back_goes_on_from_its_cursor_and_leaves_nothing_out(
    redis: Redis, decide: Decide, moderator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "AT_ONCE", 3)
    monkeypatch.setattr(looking, "LISTED_AT_ONCE", 3)
    made = [decide(number, "reject" if number % 4 else "approve").id for number in range(23)]
    found, before, n_looked = list[str](), "", 0
    while True:
        past = History(redis).look_back(
            "demo", before=before, action="reject", moderator=moderator, limit=5, seconds=0
        )
        assert past.n_looked <= 3
        found += [one.id for one in past.decisions]
        before, n_looked = past.cursor, n_looked + past.n_looked
        if not before:
            break
    assert found == [one for number, one in enumerate(made) if number % 4][::-1]
    assert n_looked == 23


def test_a_look_back_stops_when_its_page_is_full(redis: Redis, decide: Decide) -> None:
    made = [decide(number).id for number in range(9)]
    past = History(redis).look_back("demo", limit=4)
    assert [one.id for one in past.decisions] == made[:4:-1]
    assert (past.cursor, past.n_looked) == (made[5], 4)


def test_who_has_the_same_facet_or_stands_in_another_field_is_not_found(
    redis: Redis, queue: ReviewQueue, decide: Decide
) -> None:
    decide(1, by="amal")
    client: Any = redis
    (member,) = [one for one in client.zrange("{hakam:demo}:listed", 0, -1) if one[0] == "m"]
    from service.queue.records import facet

    client.zadd("{hakam:demo}:listed", {facet("moderator", "basma") + member[13:]: 0})
    assert History(redis).look_back("demo", moderator="basma").decisions == []
    assert History(redis).look_back("demo", reason="score").decisions == [], "why it came"
    assert len(History(redis).look_back("demo", reason="insult").decisions) == 1


# The page


def test_the_page_lists_approved_and_rejected_comments_by_whom_and_why(
    console: Console, queue: ReviewQueue, decide: Decide
) -> None:
    decide(1, "approve")
    decide(2, "reject", by="omar")
    by_policy(queue, 3)
    by_desk(queue, 4)
    page = console.get("/demo/history")
    assert shown(page) == ["words 4", "words 3", "words 2", "words 1"]
    lists = {
        "action=approve": ["words 4", "words 1"],
        "action=reject": ["words 3", "words 2"],
        "by=moderator": ["words 2", "words 1"],
        "by=moderator_external": ["words 4"],
        "by=policy": ["words 3"],
        "reason=insult": ["words 2"],
        "moderator=omar": ["words 2"],
        "moderator=omar&action=approve": [],
        "moderator=nobody": [],
    }
    for wanted, texts in lists.items():
        assert shown(console.get(f"/demo/history?{wanted}")) == texts, wanted


def test_the_page_shows_fifty_and_leads_to_the_older_ones_with_the_same_filters(
    console: Console, decide: Decide
) -> None:
    for number in range(60):
        decide(number, "reject" if number % 10 else "approve")
    page = console.get("/demo/history?action=reject")
    assert len(shown(page)) == 50
    rest = console.get(older(page))
    assert shown(page) + shown(rest) == [f"words {n}" for n in range(59, -1, -1) if n % 10]
    assert "That is all there is." in unescape(rest)
    assert 'rel="next"' not in rest


def test_the_page_says_how_far_it_looked_and_offers_to_go_on(
    console: Console, decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "AT_ONCE", 4)
    monkeypatch.setattr(page_of_history, "LOOKING_SECONDS", 0)
    decide(0, "approve")
    for number in range(1, 7):
        decide(number)
    page = console.get("/demo/history?action=approve")
    assert shown(page) == []
    assert "4 decisions were looked through, back to " in page
    assert "Look further back" in page
    assert shown(console.get(older(page))) == ["words 0"]


def test_a_day_leaves_out_what_came_after_it(
    console: Console, redis: Redis, decide: Decide
) -> None:
    old = decide(1)
    client: Any = redis
    ((entry_id, fields),) = client.xrange(STREAM)
    days_ago = int(entry_id.split("-")[0]) - 3 * 86_400_000
    client.delete(STREAM)
    client.xadd(STREAM, fields, id=f"{days_ago}-0")
    decide(2)
    assert shown(console.get("/demo/history")) == ["words 2", "words 1"]
    day = datetime.now(UTC) - timedelta(days=2)
    assert shown(console.get(f"/demo/history?until={day:%Y-%m-%d}")) == ["words 1"]
    assert shown(console.get(f"/demo/history?until={day - timedelta(days=5):%Y-%m-%d}")) == []
    console.get("/demo/history?until=yesterday")
    assert console.last.status_code == 422
    assert old.id != f"{days_ago}-0"


def test_what_was_taken_back_is_said_and_so_is_by_whom(
    console: Console, queue: ReviewQueue, decide: Decide
) -> None:
    made = decide(1)
    queue.undo("demo", made.item_id, "omar", "u", senior=True)
    page = console.get("/demo/history")
    assert "does not stand any more" in page
    assert re.search(r"undone</strong> · <bdi>omar</bdi>", page)
    assert "does not stand" not in console.get("/demo/history?action=approve")


def test_own_decisions_can_be_taken_back_from_the_list_while_there_is_time(
    console: Console, queue: ReviewQueue, redis: Redis, decide: Decide
) -> None:
    mine, other = decide(1), decide(2, by="amal")
    page = console.get("/demo/history")
    assert f"/items/{mine.item_id}/take-back" in page
    assert f"/items/{other.item_id}/take-back" not in page
    path = f"/demo/items/{mine.item_id}/take-back"
    back = "/console/demo/history?action=reject"
    for _ in range(2):  # pressed twice
        console.post(path, decision=mine.id, request_id="once", next=back)
        assert console.last.location.endswith(back)
    assert queue.item("demo", mine.item_id).state == "pending"
    assert [one.kind for one in DecisionStream(redis).read("demo")].count("undo") == 1
    console.post(f"/demo/items/{other.item_id}/take-back", decision=other.id, request_id="no")
    assert "Somebody else decided this comment." in console.get("/demo/history")


def test_seniors_take_back_what_others_decided_and_nobody_what_is_too_long_ago(
    app: Flask, accounts: Accounts, api_key: str, queue: ReviewQueue, redis: Redis, decide: Decide
) -> None:
    made, senior = decide(1), english(app, "omar")
    assert f"/items/{made.item_id}/take-back" in senior.get("/demo/history")
    let_time_pass(redis, 901_000)
    senior.post(f"/demo/items/{made.item_id}/take-back", decision=made.id, request_id="late")
    assert "It is too late to take this decision back." in senior.get("/demo/history")
    assert queue.item("demo", made.item_id).state == "decided"


def test_hostile_words_stay_words_and_personal_data_are_masked(
    console: Console, decide: Decide
) -> None:
    text = "<script>alert(1)</script> call +962 7 9012 3456"
    decide(1, text=text, author_name="<b>name</b>")
    page = console.get("/demo/history")
    assert "<script>alert" not in page
    assert "<b>name</b>" not in page
    assert "9012 3456" not in page
    assert "9012 3456" in console.get("/demo/history?personal_data=shown")


def test_what_was_deleted_is_said_and_its_decision_stays(
    console: Console, redis: Redis, decide: Decide
) -> None:
    decide(1)
    Retention(redis, Sites(redis)).erase("demo", "u1")
    page = console.get("/demo/history")
    assert "words 1" not in page
    assert "The text was deleted." in page
    assert page.count("rejected</strong>") == 1


def test_older_than_the_archive_is_said(
    console: Console, redis: Redis, decide: Decide, tmp_path: Any
) -> None:
    from test_archive import make_old

    for number in range(3):
        decide(number)
    make_old(redis, 2)
    old = datetime.now(UTC) - timedelta(days=95)
    assert Archive(redis, tmp_path).write(Sites(redis).get("demo"), old) == 2
    page = unescape(console.get("/demo/history"))
    assert shown(page) == ["words 2"]
    assert "2 older decisions are in the archive." in page
    assert shown(console.get("/demo/history?moderator=samira")) == ["words 2"]


def test_a_store_that_is_still_listing_says_so_where_it_matters(
    console: Console, redis: Redis, decide: Decide
) -> None:
    decide(1)
    said = "Older decisions are still being listed"
    assert said not in console.get("/demo/history?moderator=samira")
    redis.hdel("{hakam:demo}:site", "built")
    assert said in console.get("/demo/history?moderator=samira")
    assert said not in console.get("/demo/history"), "which needs no list"


def test_the_history_of_a_site_is_for_its_own_moderators(
    app: Flask, accounts: Accounts, api_key: str, redis: Redis, decide: Decide
) -> None:
    decide(1)
    Sites(redis).add(Site("other"))
    accounts.add("rana", "correct horse battery", "moderator", sites=["other"])
    accounts.add("tamer", "correct horse battery", "trainee")
    for name, status in (("rana", 404), ("tamer", 403)):
        elsewhere = Console(app, name).log_in()
        elsewhere.get("/demo/history")
        assert elsewhere.last.status_code == status


@pytest.mark.parametrize("cursor", ["nothing", "1-", "-1", "1-1-1", "٣-١"])
def test_a_cursor_that_is_none_is_refused(console: Console, cursor: str) -> None:
    console.get(f"/demo/history?before={cursor}")
    assert console.last.status_code == 422


def test_a_damaged_entry_is_left_to_itself(console: Console, redis: Redis, decide: Decide) -> None:
    decide(1)
    client: Any = redis
    client.xadd(STREAM, {"body": '{"format":4,"kind":"decision"', "digest": "x"})
    decide(2)
    assert shown(console.get("/demo/history")) == ["words 2", "words 1"]
    assert console.last.status_code == 200
