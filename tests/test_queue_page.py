"""The queue as a list over HTTP: filters, groups, what is new, and a whole group as one."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from redis import Redis
from test_console import TEXT, Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture
from test_console import console as console  # noqa: PLC0414 - a fixture
from test_console import flag as flag  # noqa: PLC0414 - a fixture
from test_console import queue as queue  # noqa: PLC0414 - a fixture

from conftest import let_time_pass
from models.schema import Evidence
from service.accounts.accounts import Accounts
from service.console import groups
from service.queue import listing
from service.queue.decisions import DecisionStream
from service.queue.group_decisions import AT_ONCE
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict

Flag = Callable[..., str]


@pytest.fixture
def english(accounts: Accounts, console: Console) -> Console:
    """A moderator who reads English."""
    console.post("/language", language="en")
    return console


@pytest.fixture
def senior(app: Flask, accounts: Accounts, api_key: str) -> Console:
    """A senior who reads English."""
    senior = Console(app, "omar").log_in()
    senior.post("/language", language="en")
    return senior


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that have no time for more than one script."""
    monkeypatch.setattr(groups, "AT_ONCE_SECONDS", -1.0)


def shown(page: str) -> list[str]:
    """The texts of the rows."""
    rows = re.findall(r'<bdi class="text"[^>]*>(.*?)</bdi>', page, re.DOTALL)
    return [unescape(re.sub("<[^>]+>", "", row)) for row in rows]


def fields(page: str, form: str) -> dict[str, str]:
    """The hidden fields of a form, by a word of its opening tag."""
    found = re.search(rf"<form[^>]*{form}.*?</form>", page, re.DOTALL)
    assert found, form
    given = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', found[0]))
    return {name: value for name, value in given.items() if name != "csrf_token"}


def test_the_queue_is_listed_in_the_order_and_by_the_filters_of_its_address(
    english: Console, flag: Flag, redis: Redis
) -> None:
    flag("c1", "first", 0.6, dialect="gulf", author_id="u1")
    let_time_pass(redis, 60_000)
    flag("c2", "second", 0.9, article_id="a1", author_id="u1")
    link = Verdict("review", None, "text", 0.1, "link", 1.0, "v2")
    flag("c3", "third", 0.1, verdict=link)
    for address, expected in {
        "": ["second", "first", "third"],
        "?sort=oldest": ["first", "second", "third"],
        "?dialect=gulf": ["first"],
        "?author_id=u1&article_id=a1": ["second"],
        "?reason=link": ["third"],
        "?version=v2": ["third"],
        "?label=insult&sort=urgent": ["second", "first"],
        "?sort=reported": [],
        "?state=leased": [],
        "?label=nonsense&sort=x": ["second", "first", "third"],
    }.items():
        assert shown(english.get(f"/demo/queue{address}")) == expected, address


def test_a_filter_that_is_set_stands_in_the_form_and_in_the_links(
    english: Console, flag: Flag
) -> None:
    for number in range(51):
        flag(f"c{number}", f"words {number}", dialect="gulf")
    page = english.get("/demo/queue?dialect=gulf&sort=newest")
    assert '<option value="gulf" selected>' in page
    (following,) = re.findall(r'class="button next" href="/console([^"]+)"', page)
    assert len(shown(page)) == 50
    rest = english.get(unescape(following))
    assert len(shown(rest)) == 1
    assert not set(shown(rest)) & set(shown(page))
    assert 'class="button next"' not in rest


def test_rows_show_marks_and_hide_personal_data_until_somebody_asks(
    english: Console, flag: Flag
) -> None:
    flag(evidence=[Evidence("text", "insult", 4, 8, 2.0)])
    flag("c2", "call 0501234567", author_name="mail a@b.example")
    page = english.get("/demo/queue")
    assert '<mark data-label="insult"' in page
    assert not {"0501234567", "a@b.example"} & set(re.findall(r"[\w@.]+", page))
    assert "0501234567" in english.get("/demo/queue?personal_data=shown")


def test_copies_are_one_card_that_opens_to_all_of_them(english: Console, flag: Flag) -> None:
    for number in range(3):
        flag(f"c{number}", f"buy now {number}", copies="raid")
    flag("c9", "own words")
    page = english.get("/demo/queue")
    assert len(shown(page)) == 2
    (link,) = re.findall(r'<a href="/console([^"]+)">3 copies</a>', page)
    assert len(shown(english.get(unescape(link)))) == 3


def test_a_raid_is_decided_with_one_press_and_taken_back_with_one(
    english: Console, flag: Flag, stream: DecisionStream, queue: ReviewQueue
) -> None:
    ids = [flag(f"c{number}", f"buy now {number}", copies="raid") for number in range(4)]
    held = queue.take("demo", "omar", ids[0], 1)
    form = fields(english.get("/demo/queue?copies=raid"), "group")
    english.post("/demo/queue/group", **form, action="reject", reason="spam")
    page = english.get("/demo/queue?copies=raid")
    assert "3 comments decided." in page
    assert "1 was left, because a colleague is reading it." in page
    english.post("/demo/queue/group", **form, action="reject", reason="spam")
    assert "3 comments decided." in english.get("/demo/queue"), "sent again it says the same"
    assert [(d.action, d.reason) for d in stream.read("demo")] == [("reject", "spam")] * 3
    english.post("/demo/bulk/undo", next="/console/demo/queue")
    assert "3 comments wait again." in english.get("/demo/queue")
    assert queue.item("demo", held.item.id).moderator == "omar"
    assert queue.stats("demo").pending == 3


@pytest.mark.usefixtures("hurried")
def test_a_long_raid_goes_on_until_all_is_decided_and_says_how_far_it_came(
    english: Console, flag: Flag, queue: ReviewQueue
) -> None:
    n = 2 * AT_ONCE + 3
    for number in range(n):
        flag(f"c{number}", f"buy now {number}", copies="raid")
    form = fields(english.get("/demo/queue?copies=raid"), "group") | {"action": "approve"}
    english.post("/demo/queue/group", **form)
    page = english.get("/demo/queue?copies=raid")
    assert f"{AT_ONCE} comments decided so far. There are more." in page
    again = fields(page, "data-go-on")
    assert {name: again[name] for name in form} == form
    flag("late", "buy now late", copies="raid")
    for _ in range(2):
        english.post("/demo/queue/group", **fields(page, "data-go-on"))
    page = english.get("/demo/queue?copies=raid")
    assert f"{n} comments decided." in page
    assert "1 came after the page that you saw, so it still waits." in page
    assert queue.stats("demo").pending == 1
    english.post("/demo/bulk/undo", next="/console/demo/queue")
    page = english.get("/demo/queue")
    assert f"{AT_ONCE} of {n} taken back so far." in page
    for _ in range(2):
        english.post("/demo/bulk/undo", **fields(page, "bulk/undo"))
    assert f"{n} comments wait again." in english.get("/demo/queue")
    assert queue.stats("demo").pending == n + 1


def test_what_of_a_group_is_left_to_the_seniors_is_said_before_and_after(
    english: Console, flag: Flag, queue: ReviewQueue
) -> None:
    ids = [flag(f"c{number}", f"buy now {number}", copies="raid") for number in range(4)]
    lease = queue.take("demo", "omar", ids[0], 1)
    queue.escalate("demo", ids[0], lease.token)
    page = english.get("/demo/queue?copies=raid")
    assert "1 more is left to the seniors and stays." in page
    (link,) = re.findall(r'<a href="/console([^"]+state=escalated[^"]*)"', page)
    assert shown(english.get(unescape(link))) == ["buy now 0"]
    flag("c1", "buy now, edited", copies="raid")
    english.post("/demo/queue/group", **fields(page, "group"), action="approve")
    page = english.get("/demo/queue?copies=raid")
    assert "2 comments decided." in page
    assert "1 is left to the seniors, so it still waits for them." in page
    assert "1 was edited after the page that you saw, so it still waits." in page


@pytest.mark.usefixtures("hurried")
def test_very_many_copies_go_on_in_their_list_and_are_taken_back_there(
    english: Console, flag: Flag, queue: ReviewQueue, stream: DecisionStream
) -> None:
    n = AT_ONCE + 3
    for number in range(n):
        flag(f"c{number}", f"buy now {number}", copies="raid")
    english.press("reject", english.open(), reason="spam", copies="raid", note="a raid")
    assert english.last.location == "/console/demo/queue?copies=raid"
    page = english.get("/demo/queue?copies=raid")
    assert f"{AT_ONCE} comments decided so far. There are more." in page
    english.post("/demo/queue/group", **fields(page, "data-go-on"))
    assert f"{n} comments decided." in english.get("/demo/queue")
    assert [(one.reason, one.note) for one in stream.read("demo")] == [("spam", "a raid")] * n
    english.post("/demo/bulk/undo", next="/console/demo/queue")
    english.post("/demo/bulk/undo", next="/console/demo/queue")
    assert queue.stats("demo").pending == n


def test_all_that_waits_under_an_article_is_decided_as_one_by_seniors_only(
    english: Console, senior: Console, flag: Flag, stream: DecisionStream
) -> None:
    for number in range(3):
        flag(f"c{number}", f"words {number}", article_id="a1")
    page = senior.get("/demo/queue?article_id=a1")
    form = fields(page, "card group") | {"action": "reject", "reason": "off_topic"}
    assert "card group" not in english.get("/demo/queue?article_id=a1")
    english.post("/demo/queue/group", **form)
    assert english.last.status_code == 403
    senior.post("/demo/queue/group", **form)
    assert "3 comments decided." in senior.get("/demo/queue?article_id=a1")
    assert len(stream.read("demo")) == 3


def test_what_has_come_since_is_said_in_a_sentence_and_once_only(
    english: Console, flag: Flag, redis: Redis
) -> None:
    page = english.get("/demo/queue?label=insult")
    (address,) = re.findall(r'data-news="/console([^"]+)"', page)
    address = unescape(address)
    assert english.get(address) == ""
    let_time_pass(redis, -5, only=flag("c1"))
    assert english.get(address) == "1 new comment. Show it"
    seen = english.last.headers["ETag"]
    again = english.client.get(f"/console{address}", headers={"If-None-Match": seen})
    assert (again.status_code, again.data) == (304, b"")
    other = address.replace("label=insult", "label=threat")
    assert english.get(other) == ""
    for number in range(120):
        let_time_pass(redis, -5, only=flag(f"more{number}"))
    assert english.get(address) == "At least 99 new comments. Show them"


def test_what_has_come_since_is_not_said_to_be_known_where_it_is_not(
    english: Console, flag: Flag, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COST_OF_A_CALL", 3)
    monkeypatch.setattr(listing, "PAGE_SECONDS", -1.0)
    flag("c0", verdict=Verdict("review", None, "text", 0.1, "link", 1.0, "v2"))
    for number in range(1, 9):
        flag(f"c{number}")
    assert english.get("/demo/queue/new?since=0") == "At least 1 new comment. Show it"
    sentence = "Comments have come, perhaps some of these. Look again"
    assert english.get("/demo/queue/new?since=0&reason=link") == sentence


@pytest.mark.parametrize("since", ["", "x", "-1", "9" * 17])
def test_a_page_time_that_none_can_be_is_refused(english: Console, since: str) -> None:
    english.get(f"/demo/queue/new?since={since}")
    assert english.last.status_code == 422


def test_an_address_that_was_cut_leads_to_the_first_page(english: Console, flag: Flag) -> None:
    flag()
    english.get("/demo/queue?label=insult&before=17")
    assert english.last.location == "/console/demo/queue?label=insult"


@pytest.mark.parametrize("missing", [{"until": "x"}, {"copies": ""}, {"action": "skip"}])
def test_a_form_of_no_group_decides_nothing(
    english: Console, flag: Flag, stream: DecisionStream, missing: dict[str, str]
) -> None:
    flag(copies="raid")
    form = {"copies": "raid", "until": "9999999999999", "action": "approve", "request_id": "r"}
    english.post("/demo/queue/group", **form | missing)
    assert english.last.status_code == 422
    assert stream.read("demo") == []


def test_the_banner_of_a_raid_leads_to_its_copies(english: Console, app: Flask, flag: Flag) -> None:
    repeats = app.extensions["hakam"].repeats
    from service.queue.records import Comment

    for number in range(30):
        repeats.observe("demo", Comment(f"c{number}", TEXT * 4), 3)
    (raid,) = repeats.raids("demo")
    assert f"/console/demo/queue?copies={raid.copies}" in english.get("/demo/work")


def test_floods_on_several_articles_are_told_apart_by_their_titles(
    english: Console, app: Flask
) -> None:
    from service.queue.records import Comment

    for number in range(60):
        article, title = ("a", "Roads") if number % 2 else ("b", "")
        comment = Comment(f"c{number}", f"x{number}", article_id=article, article_title=title)
        app.extensions["hakam"].repeats.observe("demo", comment, 3)
    page = english.get("/demo/work")
    assert re.findall(r"in ten minutes\.</strong> <bdi>([^<]*)<", page) in (
        ["Roads", "b"],
        ["b", "Roads"],
    )


def test_strangers_and_people_of_other_sites_see_no_list(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    stranger = Console(app)
    for path in ("/demo/queue", "/demo/queue/new?since=1"):
        stranger.get(path)
        assert stranger.last.status_code == 302
    accounts.add("rim", "correct horse battery", "moderator", sites=("north",))
    elsewhere = Console(app, "rim").log_in()
    elsewhere.get("/demo/queue")
    assert elsewhere.last.status_code == 404
