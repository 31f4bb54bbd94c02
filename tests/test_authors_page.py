"""The page of an author: comments by cursor, figures, notes, and what seniors do."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from fake_sites import Endpoint
from flask import Flask
from redis import Redis
from test_console import Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture
from test_console import console as console  # noqa: PLC0414 - a fixture
from test_console import flag as flag  # noqa: PLC0414 - a fixture
from test_console import queue as queue  # noqa: PLC0414 - a fixture
from test_strikes import SECRET, told

from service.accounts.accounts import Accounts
from service.console.authors import weeks
from service.queue.notes import MAX_NOTES
from service.queue.records import AuthorRecord, Decision, Week
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.rules.times import start_of
from service.services import Services
from service.sites.site import Site
from service.sites.sites import Sites

HOUR = 3_600
PAGE = "/demo/authors?id=u"

Flag = Callable[..., str]


@pytest.fixture
def site(endpoint: Endpoint) -> Site:
    return Site(
        "demo",
        name="Demo",
        webhook_url=endpoint.url,
        webhook_secret=SECRET,
        webhook_private=True,
    )


@pytest.fixture
def senior(app: Flask, console: Console) -> Console:
    return Console(app, "omar").log_in()


def words(page: str) -> str:
    """What a page says, without its elements."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def in_english(*consoles: Console) -> None:
    for one in consoles:
        one.post("/language", language="en")


def decide(queue: ReviewQueue, action: str, n: int) -> Decision:
    lease = queue.lease("demo", "basma", author_id="u")
    assert lease
    draft = Decision(action, moderator="basma", reason="insult" * (action == "reject"))
    return queue.decide(
        "demo",
        lease.item.id,
        lease.token,
        Decision(**{**_fields(draft), "request_id": f"d{n}"}),
    )


def _fields(draft: Decision) -> dict[str, Any]:
    return {"action": draft.action, "moderator": draft.moderator, "reason": draft.reason}


def does(senior: Console, act: str, **fields: str) -> str:
    senior.post("/demo/authors", id="u", act=act, **{"request_id": f"r-{act}"} | fields)
    return senior.get(PAGE)


def test_the_page_shows_what_waits_and_what_was_decided_with_every_name(
    console: Console, flag: Flag, queue: ReviewQueue
) -> None:
    in_english(console)
    flag("c1", "first words", author_id="u", author_name="One")
    decide(queue, "reject", 1)
    flag("c2", "second words", author_id="u", author_name="Two")
    flag("c3", "words of another", author_id="v", author_name="Three")
    page = words(console.get(PAGE))
    assert "Author · Two" in page
    assert "also writes as: One" in page
    assert "1 comment waits" in page
    assert "first words" in page
    assert "second words" in page
    assert "words of another" not in page
    assert "basma" in page


def test_what_a_list_has_no_room_for_comes_with_its_cursor_and_nothing_twice(
    console: Console, flag: Flag, queue: ReviewQueue
) -> None:
    in_english(console)
    for number in range(120):
        flag(f"c{number}", f"word{number:03}.", author_id="u")
    for number in range(60):
        decide(queue, "approve", number)
    following, seen = PAGE, list[str]()
    while following:
        page = console.get(following)
        rows = page[page.index('id="found"') : page.index('id="decided"')]
        seen += re.findall(r"word\d{3}\.", words(rows))
        more = re.search(r'href="/console([^"#]*)[^"]*">Less urgent', rows)
        following = unescape(more[1]) if more else ""
    assert len(seen) == len(set(seen)) == 60
    page = console.get(PAGE)
    decided = re.findall(r"word\d{3}\.", words(page[page.index('id="decided"') :]))
    (older,) = re.findall(r'href="([^"]*before=[^"]*)"', page)
    page = console.get(unescape(older).removeprefix("/console").partition("#")[0])
    decided += re.findall(r"word\d{3}\.", words(page[page.index('id="decided"') :]))
    assert len(decided) == len(set(decided)) == 60
    assert not set(decided) & set(seen)


def test_a_cursor_that_is_none_is_refused(console: Console) -> None:
    for cursor in ("after=x", "before=x", "after=1"):
        console.get(f"{PAGE}&{cursor}")
        assert console.last.status_code == 422, cursor


@pytest.mark.parametrize("address", ["/demo/authors", "/demo/authors?id=", "/demo/authors?id=a%00"])
def test_a_page_of_nobody_is_refused(console: Console, address: str) -> None:
    console.get(address)
    assert console.last.status_code == 422


def test_hostile_words_are_text_on_the_page(console: Console, flag: Flag) -> None:
    evil = "<script>alert(1)</script>"
    flag("c1", evil, author_id=evil, author_name=evil, article_id=evil, article_title=evil)
    console.post("/demo/notes", about="author_id", id=evil, note=evil, note_id="n", next="/")
    page = console.get("/demo/authors?id=%3Cscript%3Ealert(1)%3C/script%3E")
    assert console.last.status_code == 200
    assert evil not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4


def test_personal_data_is_masked_until_somebody_asks(console: Console, flag: Flag) -> None:
    flag("c1", "call me at +201001234567", author_id="u", author_name="mail a@b.example")
    page = console.get(PAGE)
    assert "1001234567" not in page
    assert "a@b.example" not in page
    assert "1001234567" in console.get(f"{PAGE}&personal_data=shown")


# What seniors do


def test_only_seniors_deal_with_authors(console: Console, senior: Console, flag: Flag) -> None:
    flag("c1", author_id="u")
    assert 'name="act"' not in console.get(PAGE)
    does(console, "hold", hours="24")
    console.post("/demo/authors", id="u", act="hold", hours="24", request_id="r")
    assert console.last.status_code == 403
    assert 'name="act"' in senior.get(PAGE)


def test_a_senior_holds_an_author_and_everybody_sees_who_and_until_when(
    console: Console, senior: Console, app: Flask
) -> None:
    in_english(console, senior)
    page = words(does(senior, "hold", hours="72"))
    assert "All that the author writes waits for a person from now on." in page
    assert "Held: all that the author writes waits for a person." in page
    assert "omar" in words(console.get(PAGE))
    services: Services = app.extensions["hakam"]
    until = services.queue.author("demo", "u").held_until
    assert 71 * HOUR < until - time.time() <= 72 * HOUR
    page = words(does(senior, "release"))
    assert "Neither held nor warned" in page
    page = words(does(senior, "release", request_id="again"))
    assert "The author was not held any more." in page


def test_the_site_is_asked_to_mute_an_author_and_the_page_says_whether_it_was_told(
    senior: Console, redis: Redis, endpoint: Endpoint
) -> None:
    in_english(senior)
    page = words(does(senior, "mute", hours="168", reason="insult"))
    assert "The site is asked to mute the author" in page
    assert "still to be told" in page
    ((kind, data),) = told(redis, endpoint)
    assert (kind, data["author_id"], data["reason"]) == ("author.mute_requested", "u", "insult")
    page = words(senior.get(PAGE))
    assert "the site was told" in page
    assert "Insult" in page
    page = words(does(senior, "block", hours="for_good", reason="spam"))
    assert "For good." in page
    ((kind, data),) = told(redis, endpoint)
    assert kind == "author.block_requested"
    assert "until" not in data
    page = senior.get(PAGE)
    assert 'value="restore"' in page
    assert 'value="restore"' not in does(senior, "restore")


def test_pressing_a_button_twice_asks_the_site_once(
    senior: Console, redis: Redis, endpoint: Endpoint
) -> None:
    for _ in range(2):
        does(senior, "warn")
    assert [kind for kind, _ in told(redis, endpoint)] == ["author.warned"]


def test_a_site_without_a_webhook_cannot_be_asked_and_the_page_says_so(
    senior: Console, redis: Redis, app: Flask
) -> None:
    in_english(senior)
    Sites(redis).update(Site("demo"))
    page = senior.get(PAGE)
    assert "so it cannot be asked to warn, mute or block" in words(page)
    assert 'value="mute"' not in page
    assert "Nothing was done." in words(does(senior, "mute", hours="24"))
    services: Services = app.extensions["hakam"]
    assert services.authors.page("demo", "u").news == []


@pytest.mark.parametrize(
    "fields",
    [
        {"act": "shoot"},
        {"act": "hold", "hours": "25"},
        {"act": "hold", "hours": "for_good"},
        {"act": "mute", "hours": ""},
        {"act": "mute", "hours": "24", "reason": "no reason of the list"},
        {"act": "warn", "request_id": ""},
        {"act": "warn", "id": ""},
    ],
)
def test_a_form_that_no_page_makes_does_nothing(
    senior: Console, app: Flask, fields: dict[str, str]
) -> None:
    senior.post("/demo/authors", **{"id": "u", "request_id": "r"} | fields)
    assert senior.last.status_code == 422
    services: Services = app.extensions["hakam"]
    assert services.authors.page("demo", "u").news == []


def test_what_waits_is_decided_on_the_page_itself(
    console: Console, flag: Flag, queue: ReviewQueue
) -> None:
    item_id = flag("c1", author_id="u")
    console.post("/demo/bulk", item=f"{item_id}:1", action="approve", request_id="r", next=PAGE)
    assert queue.item("demo", item_id).state == "decided"


# Notes


def test_a_note_is_kept_shown_removed_and_never_somebody_elses_to_remove(
    console: Console, senior: Console, accounts: Accounts, app: Flask
) -> None:
    in_english(console, senior)
    about = {"about": "author_id", "id": "u", "next": f"/console{PAGE}"}
    senior.post("/demo/notes", note="was polite on the phone", note_id="n1", **about)
    assert senior.last.location == f"/console{PAGE}"
    page = words(console.get(PAGE))
    assert "was polite on the phone" in page
    assert "omar" in page
    console.post("/demo/notes/remove", note_id="n1", **about)
    assert "Only who wrote the note, or a senior, may remove it." in words(console.get(PAGE))
    senior.post("/demo/notes/remove", note_id="n1", **about)
    assert "was polite on the phone" not in words(senior.get(PAGE))


def test_notes_that_cannot_be_kept_are_answered_with_a_sentence(console: Console) -> None:
    in_english(console)
    about = {"about": "author_id", "id": "u", "next": f"/console{PAGE}"}
    for note, sentence in (("  ", "The note was empty."), ("x" * 1_001, "A note has at most")):
        console.post("/demo/notes", note=note, note_id="n", **about)
        assert sentence in words(console.get(PAGE))
    for number in range(MAX_NOTES + 1):
        console.post("/demo/notes", note="x", note_id=f"n{number}", **about)
    page = console.get(PAGE)
    assert "There are as many notes as may be." in words(page)
    assert page.count('class="note-text"') == MAX_NOTES
    assert 'id="new-note"' not in page


def test_an_erased_author_leaves_an_empty_page(
    console: Console, senior: Console, flag: Flag, queue: ReviewQueue, redis: Redis
) -> None:
    in_english(console)
    flag("c1", "first words", author_id="u", author_name="One")
    decide(queue, "reject", 1)
    about = {"about": "author_id", "id": "u", "next": "/"}
    console.post("/demo/notes", note="a note", note_id="n", **about)
    does(senior, "hold", hours="24")
    Retention(redis, Sites(redis)).erase("demo", "u")
    page = words(console.get(PAGE))
    assert "Neither held nor warned" in page
    for gone in ("first words", "One", "a note", "omar"):
        assert gone not in page


# Weeks


def test_the_chart_has_the_weeks_since_the_first_and_at_most_a_quarter() -> None:
    now = start_of("2026-11-28")
    assert weeks(AuthorRecord(), now) is None
    record = AuthorRecord(weeks=(Week("2026-11-22", 1, 2), Week("2026-11-08", 3, 0)))
    figure = weeks(record, now)
    assert figure
    assert figure.rows == [f"2026-11-{day}T00:00+00:00" for day in ("08", "15", "22")]
    assert [series.values for series in figure.series] == [[3, 0, 1], [0, 0, 2]]
    old = AuthorRecord(weeks=(Week("2026-11-22", 1, 0), Week("2026-01-04", 9, 9)))
    figure = weeks(old, now)
    assert figure
    assert len(figure.rows) == 1


def test_the_weeks_of_an_author_are_drawn(console: Console, flag: Flag, queue: ReviewQueue) -> None:
    in_english(console)
    flag("c1", author_id="u")
    decide(queue, "reject", 1)
    page = console.get(PAGE)
    assert '<svg class="chart"' in page
    assert "Decisions by week" in words(page)
