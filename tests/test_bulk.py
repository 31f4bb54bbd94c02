"""What is ticked in a list is decided, each or together, and whoever was quicker is told."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask import Flask
from test_console import Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture
from test_console import console as console  # noqa: PLC0414 - a fixture
from test_console import flag as flag  # noqa: PLC0414 - a fixture
from test_console import queue as queue  # noqa: PLC0414 - a fixture

from service.accounts.accounts import Accounts
from service.queue.decisions import DecisionStream
from service.queue.records import Decision
from service.queue.review_queue import ReviewQueue

Flag = Callable[..., str]


@pytest.fixture
def english(accounts: Accounts, console: Console) -> Console:
    """A moderator who reads English."""
    console.post("/language", language="en")
    return console


def decide(console: Console, *items: str, action: str = "reject", **fields: str) -> str:
    """Decide what is ticked; the page that follows."""
    form = {"request_id": "bulk-1", "next": "/console/demo/search", "action": action} | fields
    console.post("/demo/bulk", item=[f"{item}:1" for item in items], **form)
    assert console.last.location == "/console/demo/search"
    return unescape(console.get("/demo/search"))


def test_a_moderator_decides_each_of_what_they_ticked_for_what_fits_it(
    english: Console, flag: Flag, stream: DecisionStream
) -> None:
    first, second = flag("c1"), flag("c2", "other words")
    page = decide(english, first, second)
    assert "2 comments decided." in page
    made = stream.read("demo")
    assert [(one.action, one.reason, one.moderator) for one in made] == [
        ("reject", "insult", "samira")
    ] * 2


def test_a_reason_that_was_chosen_goes_before_what_fits(
    english: Console, flag: Flag, stream: DecisionStream
) -> None:
    decide(english, flag("c1"), reason="spam")
    assert stream.read("demo")[0].reason == "spam"


def test_one_that_somebody_was_quicker_about_stops_no_other_and_is_told(
    english: Console, flag: Flag, queue: ReviewQueue, stream: DecisionStream
) -> None:
    names = ("Amal", "Basma", "Carim", "Dalal", "Emad")
    ids = [flag(f"c{n}", f"words {n}", author_name=name) for n, name in enumerate(names)]
    queue.take("demo", "omar", ids[0], 1)
    lease = queue.take("demo", "omar", ids[1], 1)
    queue.decide("demo", ids[1], lease.token, Decision("approve", moderator="omar", request_id="o"))
    flag("c2", "edited words", author_name="Carim")
    queue.withdraw("demo", "c3")
    page = decide(english, *ids)
    assert "1 comment decided." in page
    for name, said in zip(
        names[:4],
        (
            "A colleague is reading this comment",
            "This comment has been decided already",
            "This comment was edited since you saw it",
            "This comment is no longer in the queue",
        ),
        strict=True,
    ):
        shown = name if name != "Dalal" else "Without a name"  # its text is gone
        assert f"{shown}\N{POP DIRECTIONAL ISOLATE}: {said}" in page
    assert [one.moderator for one in stream.read("demo") if one.action == "reject"] == ["samira"]


def test_nothing_is_decided_twice_where_a_form_is_sent_twice(
    english: Console, flag: Flag, stream: DecisionStream
) -> None:
    ids = flag("c1"), flag("c2", "other words")
    decide(english, *ids)
    page = decide(english, *ids)
    assert "2 comments decided." in page
    assert "decided already" not in page
    assert len(stream.read("demo")) == 2


def test_what_a_moderator_decided_of_many_is_taken_back_as_one_and_what_moved_on_is_told(
    english: Console, flag: Flag, queue: ReviewQueue, stream: DecisionStream
) -> None:
    ids = [flag(f"c{n}", f"words {n}") for n in range(3)]
    decide(english, *ids)
    queue.undo("demo", ids[0], "omar", "u", senior=True)
    english.post("/demo/bulk/undo", next="/console/demo/search")
    page = unescape(english.get("/demo/search"))
    assert "2 comments wait again." in page
    assert "Of 1 comment the decision stands" in page
    assert queue.stats("demo").pending == 3
    english.post("/demo/bulk/undo", next="/console/demo/search")
    assert len(stream.read("demo")) == 6


def test_a_senior_is_asked_for_the_reason_that_fits_most(
    app: Flask, accounts: Accounts, api_key: str, flag: Flag, stream: DecisionStream
) -> None:
    items = [f"{flag(f'c{n}', f'words {n}')}:1" for n in range(2)]
    senior = Console(app, "omar").log_in()
    form: dict[str, Any] = {"item": items, "request_id": "bulk-1", "action": "reject"}
    preview = senior.post("/demo/bulk", **form)
    assert '<option value="insult" selected>' in preview
    senior.post("/demo/bulk", **form, reason="threat", confirmed="1")
    assert {one.reason for one in stream.read("demo")} == {"threat"}


@pytest.mark.parametrize("ticked", [[], ["x"], ["x:y"], ["x:9999999999"]])
def test_what_was_not_ticked_is_not_decided(
    english: Console, flag: Flag, stream: DecisionStream, ticked: list[str]
) -> None:
    flag()
    english.post("/demo/bulk", item=ticked, action="approve", request_id="r")
    assert english.last.status_code == 303
    assert "No comment was ticked." in english.get("/demo/search")
    assert stream.read("demo") == []


def test_more_than_a_page_is_not_decided_one_by_one(english: Console) -> None:
    english.post("/demo/bulk", item=[f"i{n}:1" for n in range(51)], action="approve")
    assert english.last.status_code == 422


def test_a_form_leads_back_into_the_console_only(english: Console) -> None:
    english.post("/demo/bulk", next="https://evil.example/")
    assert english.last.location == "/console/"
