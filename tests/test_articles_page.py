"""The page of an article: how comments came, what waits, what was decided, and its levers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from test_authors_page import decide, in_english, words
from test_console import Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture
from test_console import console as console  # noqa: PLC0414 - a fixture
from test_console import flag as flag  # noqa: PLC0414 - a fixture
from test_console import queue as queue  # noqa: PLC0414 - a fixture

from conftest import NOWHERE, Clock
from service.console.articles import heat
from service.queue import articles as counted
from service.queue.articles import AT_ONCE, HOURS, Articles, Hour
from service.queue.review_queue import ReviewQueue
from service.services import Services
from service.sites.site import Site

PAGE = "/demo/articles?id=a-1"
HEAT, HEATED = "{hakam:demo}:heat", "{hakam:demo}:heated"
CLEAN = "thanks for the article"

Flag = Callable[..., str]


@pytest.fixture
def site() -> Site:
    return Site("demo", name="Demo", random_sample_share=0.0)


@pytest.fixture
def senior(app: Flask, console: Console) -> Console:
    return Console(app, "omar").log_in()


def test_the_page_shows_title_link_and_comments_of_the_article_alone(
    console: Console, flag: Flag, queue: ReviewQueue
) -> None:
    in_english(console)
    about = {"article_id": "a-1", "article_title": "On rain", "article_url": "https://n.example/1"}
    flag("c1", "first words", author_id="u", author_name="One", **about)
    decide(queue, "approve", 1)
    flag("c2", "second words", author_id="u", author_name="One", **about)
    flag("c3", "other words", article_id="a-2")
    page = console.get(PAGE)
    assert "Article · On rain" in words(page)
    assert 'href="https://n.example/1" rel="noopener noreferrer nofollow external"' in page
    assert "first words" in page
    assert "second words" in page
    assert "other words" not in page
    assert "2 comments" in words(page), "of the author who writes most"
    assert 'href="/console/demo/authors?id=u"' in page


def test_an_address_that_a_browser_would_run_is_no_link(console: Console, flag: Flag) -> None:
    flag("c1", article_id="a-1", article_url="javascript:alert(1)")
    assert "javascript:" not in console.get(PAGE)


def test_a_senior_holds_closes_and_opens_an_article_on_its_page(
    console: Console, senior: Console
) -> None:
    in_english(console, senior)
    assert "Open to comments." in words(console.get(PAGE))
    senior.post("/demo/articles", article_id="a-1", action="hold", hours="6")
    assert senior.last.location == f"/console{PAGE}"
    page = words(console.get(PAGE))
    assert "All its comments wait for a person." in page
    assert "omar" in page
    assert "Until" in page
    senior.post("/demo/articles", article_id="a-1", action="close")
    assert "It takes no more comments." in words(console.get(PAGE))
    senior.post("/demo/articles", article_id="a-1", action="open")
    assert "Open to comments." in words(console.get(PAGE))
    console.post("/demo/articles", article_id="a-1", action="close")
    assert console.last.status_code == 403


@pytest.mark.parametrize(
    "address", ["/demo/articles", "/demo/articles?id=", "/demo/articles?id=%00"]
)
def test_a_page_of_no_article_is_refused(console: Console, address: str) -> None:
    console.get(address)
    assert console.last.status_code == 422


def test_notes_about_an_article_stand_on_its_page(console: Console) -> None:
    about = {"about": "article_id", "id": "a-1", "next": f"/console{PAGE}"}
    console.post("/demo/notes", note="the family reads this", note_id="n1", **about)
    assert "the family reads this" in console.get(PAGE)
    assert "the family reads this" not in console.get("/demo/authors?id=a-1")


def test_a_note_about_anything_else_is_refused(console: Console) -> None:
    console.post("/demo/notes", note="x", note_id="n1", about="comment_id", id="a-1")
    assert console.last.status_code == 422


# How comments came


@pytest.fixture
def articles(redis: Redis, clock: Clock) -> Articles:
    client: Any = redis
    clock.now = client.time()[0]
    return Articles(redis, clock=clock)


def hours(articles: Articles) -> list[tuple[int, int, int]]:
    found = articles.page("demo", "a-1").hours
    return [(one.n_passed, one.n_held, one.n_rejected) for one in found]


def test_comments_are_counted_by_what_became_of_them_in_the_hour_in_which_they_came(
    articles: Articles, clock: Clock
) -> None:
    clock.now -= 3_600
    for action in ("approve", "approve", "review"):
        articles.note("demo", "a-1", action)
    clock.now += 3_600
    articles.note("demo", "a-1", "reject")
    articles.note("demo", "a-2", "reject")
    articles.note("demo", "", "reject")
    assert hours(articles) == []
    articles.flush_if_due()
    articles.note("demo", "a-1", "approve")
    articles.flush_if_due()
    assert hours(articles) == [(2, 1, 0), (0, 0, 1)], "not again so soon"
    clock.now += 3
    articles.flush_if_due()
    assert hours(articles) == [(2, 1, 0), (1, 0, 1)]


def test_a_week_of_hours_is_kept_of_an_article_and_no_more(
    articles: Articles, clock: Clock, redis: Redis
) -> None:
    client: Any = redis
    now = clock.now
    for back in range(HOURS + 10, -1, -1):
        clock.now = now - back * 3_600
        articles.note("demo", "a-1", "approve")
        articles.flush()
    assert len(hours(articles)) == HOURS
    (record,) = client.hvals(HEAT)
    assert len(record) < 3_000


def test_so_many_articles_are_counted_and_the_oldest_make_room(
    articles: Articles, redis: Redis
) -> None:
    client: Any = redis
    client.zadd(HEATED, {f"a{number:08}": number + 1 for number in range(20_000)})
    client.hset(HEAT, mapping={f"a{number:08}": "1:1,0,0" for number in range(20_000)})
    for number in range(3 * AT_ONCE):
        articles.note("demo", f"new-{number}", "approve")
    articles.flush()
    articles.note("demo", "a-1", "approve")
    articles.flush()
    assert client.zcard(HEATED) <= 20_000 + AT_ONCE
    assert client.hlen(HEAT) == client.zcard(HEATED)
    assert client.hget(HEAT, "a00000000") is None
    assert hours(articles) == [(1, 0, 0)]


def test_what_cannot_be_counted_stops_nothing_and_takes_no_room(
    articles: Articles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "MAX_GATHERED", 3)
    for number in range(9):
        articles.note("demo", f"a-{number}", "approve")
    assert len(articles._gathered) == 3
    monkeypatch.setattr(articles._verbs, "_redis", NOWHERE)
    articles.flush()
    assert len(articles._gathered) == 0


@pytest.mark.parametrize("damage", ["no", "1:2,3", "9" * 400, "-1:1,1,1"])
def test_counts_that_are_damaged_are_left_out(
    articles: Articles, redis: Redis, damage: str
) -> None:
    client: Any = redis
    articles.note("demo", "a-1", "approve")
    articles.flush()
    (field,) = client.hkeys(HEAT)
    client.hset(HEAT, field, damage)
    articles.note("demo", "a-1", "reject")
    articles.flush()
    assert hours(articles)[-1] == (0, 0, 1)


def test_what_comes_over_the_api_is_on_the_chart_of_its_article(
    app: Flask, client: FlaskClient, api_key: str, console: Console
) -> None:
    in_english(console)
    headers = {"Authorization": f"Bearer {api_key}"}
    body = {"text": CLEAN, "author": {"id": "u"}, "article": {"id": "a-1"}}
    for number in range(3):
        client.post("/v1/comments", json={"id": f"c{number}", **body}, headers=headers)
    client.post("/v1/articles/hold", json={"id": "a-1"}, headers=headers)
    app.extensions["hakam"].known_sites.remember()
    for _ in range(2):
        client.post("/v1/comments", json={"id": "held", **body}, headers=headers)
    services: Services = app.extensions["hakam"]
    services.articles.flush()
    [hour] = services.articles.page("demo", "a-1").hours
    assert (hour.n_passed, hour.n_held, hour.n_rejected) == (3, 1, 0), "one sent twice is one"
    page = console.get(PAGE)
    assert "Comments by the hour" in words(page)
    table = words(page[page.index("<tbody>") : page.index("</tbody>")])
    assert re.search(r"3 1 0$", table)


def test_the_charts_show_a_day_by_the_hour_and_a_week_by_the_day() -> None:
    now = 1_700_000_000.0
    this_hour = int(now // 3_600) * 3_600
    found = [Hour(this_hour - 30 * 3_600, 5, 0, 0), Hour(this_hour, 1, 2, 3)]
    by_hour, by_day = heat(found, now)
    assert len(by_hour.rows) == 24
    assert [series.values[-1] for series in by_hour.series] == [1, 2, 3]
    assert by_hour.series[0].values == [*[0] * 23, 1], "what is older is on the other"
    assert len(by_day.rows) == 7
    assert heat([], now) == []
