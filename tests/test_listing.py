"""The queue is read as a list: in every order, with every filter, from page to page."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from arriving import enqueue
from redis import Redis

from conftest import check_lines, let_time_pass
from service.errors import InvalidRequest
from service.queue import listing as module
from service.queue.listing import (
    COST_OF_A_CALL,
    MAX_NEW,
    ORDERS,
    STATES,
    Listing,
    ListPage,
    New,
    Wanted,
)
from service.queue.records import Comment, Decision, ReviewItem
from service.queue.reports import Reports
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.sites.site import Site

pytestmark = pytest.mark.every_redis

SITE = Site(id="demo", name="Demo")
VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")


@pytest.fixture
def queue(redis: Redis) -> ReviewQueue:
    return ReviewQueue(redis)


@pytest.fixture
def reports(redis: Redis) -> Reports:
    return Reports(redis)


@pytest.fixture
def listing(redis: Redis) -> Listing:
    return Listing(redis)


def flag(queue: ReviewQueue, name: str, score: float = 0.8, **fields: Any) -> str:
    given = {key: fields.pop(key) for key in ("label", "reason", "model_version") if key in fields}
    verdict = replace(VERDICT, score=score, **given)
    comment = Comment(id=name, text=f"words of {name}", **fields)
    return enqueue(queue, "demo", comment, verdict, scores={"insult": score}).item_id


def report(reports: Reports, name: str, *readers: str) -> None:
    for reader in readers:
        comment = Comment(id=name, text=f"words of {name}")
        reports.add(
            SITE,
            comment,
            VERDICT,
            reason="insult",
            reporter=reader,
            scores={"insult": 0.8},
            author_scores=None,
            evidence=(),
            sentence=(),
        )


def pages(listing: Listing, wanted: Wanted, limit: int = 50) -> Iterator[ListPage]:
    cursor = ""
    while True:
        page = listing.page("demo", wanted, before=cursor, limit=limit)
        yield page
        cursor = page.cursor
        if not cursor:
            return


def names(listing: Listing, wanted: Wanted | None = None, limit: int = 50) -> list[str]:
    found = pages(listing, wanted or Wanted(), limit)
    return [item.comment.id for page in found for item in page.items]


def some_of_everything(queue: ReviewQueue, redis: Redis, reports: Reports) -> list[ReviewItem]:
    """Many comments that differ in all that filters look at; what is kept of those that wait."""
    draw = random.Random(3)
    for number in range(60):
        flag(
            queue,
            f"c{number}",
            draw.random(),
            label=draw.choice(["insult", "threat", None]),
            reason=draw.choice(["score", "uncertain", "link"]),
            model_version=draw.choice(["2026.11.28-1", "v/2"]),
            dialect=draw.choice(["gulf", "iraqi", ""]),
            author_id=draw.choice(["u1", "u2", ""]),
            article_id=draw.choice(["a1", "a2"]),
        )
        let_time_pass(redis, draw.randrange(1, 1_000))
        report(reports, f"c{number}", *(f"r{n}" for n in range(draw.choice([0, 0, 0, 1, 2]))))
    for _ in range(5):
        lease = queue.lease("demo", "amal")
        assert lease
        queue.escalate("demo", lease.item.id, lease.token)
    for _ in range(3):
        for _ in range(4):
            assert queue.lease("demo", "basma")
        let_time_pass(redis, 700_000)
    for _ in range(3):
        assert queue.lease("demo", "carim")
    ids = redis.hkeys("{hakam:demo}:items")
    return queue.items("demo", ids)  # type: ignore[arg-type]


def in_state(item: ReviewItem, state: str) -> bool:
    if state == "leased":
        return item.state == "leased"
    if item.state != "pending" or (item.why == "escalated") != (state == "escalated"):
        return False
    return state != "troubled" or item.n_abandoned >= 3


KEYS: dict[str, Callable[[ReviewItem], Any]] = {
    "urgent": lambda item: (item.due_at, item.id),
    "newest": lambda item: (item.enqueued_at, item.id),
    "oldest": lambda item: (item.enqueued_at, item.id),
    "reported": lambda item: (-item.n_reports, item.enqueued_at, item.id),
}


@pytest.mark.parametrize("limit", [3, 50])
def test_every_order_with_every_filter_lists_what_passes_once_from_page_to_page(
    queue: ReviewQueue, listing: Listing, redis: Redis, reports: Reports, limit: int
) -> None:
    known = some_of_everything(queue, redis, reports)
    assert listing.page("demo", Wanted()).items  # what ran out is back in the line
    known = queue.items("demo", [item.id for item in known])
    filters: list[dict[str, Any]] = [
        {},
        {"label": "threat"},
        {"dialect": "gulf"},
        {"author_id": "u1"},
        {"article_id": "a1", "dialect": "iraqi"},
        {"label": "insult", "author_id": "u2", "article_id": "a2"},
        {"why": "uncertain"},
        {"why": "score", "article_id": "a1"},
        {"why": "reported"},
        {"version": "2026.11.28-1"},
        {"version": "v/2", "label": "insult"},
        {"reported": True},
        {"reported": True, "label": "threat"},
        {"reported": False, "author_id": "u1"},
        {"author_id": "nobody"},
    ]
    n_found = 0
    for order in ORDERS:
        for state in STATES:
            for chosen in filters:
                wanted = Wanted(order=order, state=state, **chosen)
                reported = True if order == "reported" else wanted.reported
                expected = [
                    item
                    for item in known
                    if in_state(item, state)
                    and wanted.label in ("", item.verdict.label)
                    and wanted.dialect in ("", item.comment.dialect)
                    and wanted.author_id in ("", item.comment.author_id)
                    and wanted.article_id in ("", item.comment.article_id)
                    and wanted.why in ("", item.why)
                    and wanted.version in ("", item.verdict.model_version)
                    and reported in (None, bool(item.n_reports))
                ]
                expected.sort(key=KEYS[order], reverse=order == "newest")
                n_found += len(expected)
                assert names(listing, wanted, limit) == [i.comment.id for i in expected], wanted
    assert n_found > 500


def test_what_is_nearly_the_same_is_shown_once_with_its_number_on_whatever_page(
    queue: ReviewQueue, listing: Listing, redis: Redis
) -> None:
    for number in range(30):
        flag(queue, f"raid{number}", copies="one text")
        flag(queue, f"own{number}", copies=f"text {number}")
        let_time_pass(redis, 10)
    for order in ORDERS[:3]:
        found = list(pages(listing, Wanted(order=order), limit=4))
        shown = [
            (item.comment.copies, n)
            for page in found
            for item, n in zip(page.items, page.n_copies, strict=True)
        ]
        assert len(shown) == len(dict(shown)) == 31
        assert dict(shown)["one text"] == 30
    members = names(listing, Wanted(copies="one text"), limit=7)
    assert members == [f"raid{number}" for number in range(30)]


def test_a_long_line_in_another_order_is_walked_and_not_sorted(
    queue: ReviewQueue, listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SORTED", 1_000)
    for number in range(1_100):
        flag(queue, f"c{number}", article_id="a1", dialect="gulf" if number % 300 == 0 else "")
    known = queue.waiting("demo", article_id="a1", limit=1_000)
    latest = listing.page("demo", Wanted(order="newest", article_id="a1")).items
    gulf = [f"c{number}" for number in range(0, 1_100, 300)]
    both = Wanted(article_id="a1", dialect="gulf")
    assert set(names(listing, replace(both, order="newest"))) == set(gulf)
    assert "c1099" in {item.comment.id for item in latest}
    assert [*map(KEYS["newest"], latest)] == sorted(map(KEYS["newest"], latest), reverse=True)
    assert min(latest, key=KEYS["newest"]).enqueued_at >= max(i.enqueued_at for i in known)
    assert names(listing, Wanted(order="oldest", article_id="a1", why="link")) == []


def test_a_page_that_takes_long_ends_and_the_next_goes_on_from_there(
    queue: ReviewQueue, redis: Redis
) -> None:
    for number in range(2_000):
        flag(queue, f"c{number}", reason="link" if number == 1_999 else "score")
    ticks = count()
    hurried = Listing(redis, clock=lambda: float(next(ticks)))
    found = list(pages(hurried, Wanted(why="link")))
    assert all(page.gave_up for page in found[:-1])
    assert all(0 < page.n_looked_at < 2_000 for page in found)
    assert [item.comment.id for page in found for item in page.items] == ["c1999"]
    assert not found[-1].gave_up


def test_what_came_since_is_counted_by_the_filters(
    queue: ReviewQueue, listing: Listing, redis: Redis
) -> None:
    flag(queue, "old", label="threat")
    let_time_pass(redis, 5)
    at = listing.page("demo", Wanted()).at_ms
    assert listing.n_new("demo", Wanted(), at) == New(0, exact=True)
    let_time_pass(redis, 10_000, only=queue.waiting("demo")[0].id)
    at -= 1_000
    for number in range(3):
        flag(queue, f"new{number}", label="threat" if number else "insult", copies="same")
    assert listing.n_new("demo", Wanted(order="oldest"), at) == New(3, exact=True)
    assert listing.n_new("demo", Wanted(label="threat"), at) == New(2, exact=True)
    assert listing.n_new("demo", Wanted(state="escalated"), at) == New(0, exact=True)
    for number in range(MAX_NEW):
        flag(queue, f"more{number}")
    assert listing.n_new("demo", Wanted(), at) == New(MAX_NEW, exact=False)


def test_what_came_since_is_counted_whole_or_said_to_be_more(
    queue: ReviewQueue, redis: Redis
) -> None:
    at = Listing(redis).page("demo", Wanted()).at_ms - 1
    n = 2 * COST_OF_A_CALL
    for number in range(n):
        first: dict[str, Any] = {"reason": "link", "article_id": "a1"} if number == 0 else {}
        flag(queue, f"c{number}", **first)
    rare = Wanted(why="link")
    assert Listing(redis, clock=lambda: 0.0).n_new("demo", rare, at) == New(1, exact=True)
    ticks = count()
    hurried = Listing(redis, clock=lambda: float(next(ticks)))
    assert hurried.n_new("demo", rare, at) == New(0, exact=False)
    assert hurried.n_new("demo", Wanted(article_id="a1"), at) == New(1, exact=True)


def test_a_short_line_in_another_order_is_read_in_scripts_that_look_at_little(
    queue: ReviewQueue, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PLACES_AT_ONCE", 7)
    for number in range(40):
        flag(queue, f"c{number}", 0.5 + number % 7 / 20, article_id="a1")
        let_time_pass(redis, 10)
    listing, n_given = Listing(redis), list[int]()
    run = listing._verbs

    def watched(site_id: str, verb: str, /, *rest: Any, **arguments: Any) -> Any:
        answer = run(site_id, verb, *rest, **arguments)
        if verb == "list_places":
            n_given.append(len(answer) - 1)
        return answer

    monkeypatch.setattr(listing, "_verbs", watched)
    oldest = names(listing, Wanted(order="oldest", article_id="a1"), limit=50)
    assert oldest == [f"c{number}" for number in range(40)]
    assert n_given == [7, 7, 7, 7, 7, 5]


def test_reports_leave_no_place_behind_whatever_becomes_of_the_comment(
    queue: ReviewQueue, redis: Redis, reports: Reports, listing: Listing
) -> None:
    for number in range(6):
        flag(queue, f"c{number}", author_id="u1")
        report(reports, f"c{number}", *(f"r{n}" for n in range(number + 1)))
        check_lines(redis)
    assert names(listing, Wanted(order="reported")) == [f"c{n}" for n in range(5, -1, -1)]
    held = queue.lease("demo", "amal")
    assert held
    report(reports, held.item.comment.id, "another")
    check_lines(redis)
    made = queue.decide(
        "demo", held.item.id, held.token, Decision("approve", (), "", "", "amal", "1")
    )
    check_lines(redis)
    queue.undo("demo", made.item_id, "amal", "2")
    check_lines(redis)
    queue.withdraw("demo", "c1")
    flag(queue, "c2", author_id="u2")
    check_lines(redis)
    enqueue(queue, "demo", Comment("c3", "another text"), VERDICT, scores={})
    check_lines(redis)
    lease = queue.lease("demo", "amal")
    assert lease
    queue.escalate("demo", lease.item.id, lease.token)
    report(reports, lease.item.comment.id, "one more")
    check_lines(redis)


@pytest.mark.parametrize("cursor", ["x", "1700000000000", "1700000000000AAAAAAAAAAA!", "." * 40])
def test_a_cursor_that_no_page_gave_is_refused(listing: Listing, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="before"):
        listing.page("demo", Wanted(), before=cursor)


@pytest.mark.parametrize("limit", [0, 101])
def test_a_page_has_its_bounds(listing: Listing, limit: int) -> None:
    with pytest.raises(InvalidRequest, match="limit"):
        listing.page("demo", Wanted(), limit=limit)


def test_what_cannot_be_read_is_shown_as_such_and_hides_nothing_else(
    queue: ReviewQueue, listing: Listing, redis: Redis
) -> None:
    first, second = flag(queue, "c1", 0.9), flag(queue, "c2", 0.1)
    redis.hset("{hakam:demo}:items", first, "{")
    for order in ORDERS[:3]:
        found = listing.page("demo", Wanted(order=order)).items
        assert {item.id for item in found} == {first, second}
        assert [item.id for item in found if item.damaged] == [first]
    assert names(listing, Wanted(label="insult")) == ["c2"]
