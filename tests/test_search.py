"""Search finds what a plain reading finds, whatever became of a comment, a little at a time."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
import test_read_models as newsroom
from arriving import approve, enqueue
from flask import Flask
from redis import Redis
from test_console import Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture

from conftest import SAMPLE_COMMENTS, Clock, let_time_pass
from models.schema import read_comments
from service.accounts.account import Preferences
from service.accounts.accounts import Accounts
from service.console import search as console_search
from service.errors import InvalidRequest
from service.queue import reindex
from service.queue.encoding import ItemRecord, signature_of_stored
from service.queue.records import Comment, Decision, facet, item_id_of
from service.queue.reindex import Reindex
from service.queue.reports import Reports
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.queue.search import WORK, Asked, FoundItem, Search, WhereItIs
from service.rules.policy import Verdict
from service.rules.search_terms import Terms, words
from service.sites.site import Site
from service.sites.sites import Sites

ARRIVALS = "{hakam:demo}:arrivals"
TEXTS = [comment.text for comment in read_comments(SAMPLE_COMMENTS)][:150]
NAMES = ("أحمد علي", "سارة", "Reader", "")
TITLES = ("ارتفاع أسعار الخبز", "مباراة القمة", "")
LABELS = ("insult", "threat", None)
BREAD = "خبز"
STATES: tuple[WhereItIs, ...] = ("waiting", "held", "approved", "rejected", "withdrawn")


@pytest.fixture
def sites(redis: Redis) -> Sites:
    sites = Sites(redis)
    sites.add(Site("demo", retention_days=30))
    return sites


@pytest.fixture
def queue(redis: Redis) -> ReviewQueue:
    return ReviewQueue(redis)


@pytest.fixture
def search(redis: Redis, queue: ReviewQueue) -> Search:
    return Search(redis, queue)


def put(queue: ReviewQueue, number: int, text: str = "", **fields: Any) -> str:
    label = fields.pop("label", "insult")
    verdict = Verdict("review", label, "text" if label else None, 0.9, "score", 1.0, "v1")
    comment = Comment(id=f"c{number}", text=text or f"تعليق رقم {number}", **fields)
    return enqueue(queue, "demo", comment, verdict, scores={}).item_id


def ids(found: list[FoundItem]) -> list[str]:
    return [one.item.comment.id for one in found]


def everything(search: Search, asked: Asked, **rest: Any) -> list[FoundItem]:
    """All pages of a search."""
    cursor, found = "", list[FoundItem]()
    while True:
        page = search.find("demo", asked, before=cursor, **rest)
        found += page.items
        cursor = page.cursor
        if not cursor:
            assert page.share == 1
            return found


# What a plain reading finds


class Desk(newsroom.Newsroom):
    """People who write, decide and report at random."""

    def enqueue(self) -> None:
        number = self.random.randrange(200)
        put(
            self.queue,
            number,
            self.random.choice(TEXTS),
            label=self.random.choice(LABELS),
            author_id=f"u{number % 7}",
            author_name=NAMES[number % 4],
            article_id=f"a{number % 5}",
            article_title=TITLES[number % 3],
        )


def plainly(queue: ReviewQueue, redis: Redis, asked: Asked) -> set[str]:
    """Read every comment that is kept, and compare it with what is asked."""
    found, client = set(), redis
    records: Any = client.hgetall("{hakam:demo}:items")
    for item_id, record in records.items():
        item, known = queue.item("demo", item_id), ItemRecord.model_validate_json(record)
        if known.known_answer or not known.comment_id:
            continue
        comment, entry = item.comment, None
        state: str = {"pending": "waiting", "leased": "held"}.get(item.state, item.state)
        if item.state == "decided":
            last = known
            while last.overturned_by:
                last = ItemRecord.model_validate_json(records[last.overturned_by])
            state = {"approve": "approved", "reject": "rejected"}[last.action]
            body: Any = client.xrange("{hakam:demo}:decisions", known.decision, known.decision)
            entry = body[0][1]["body"]
        decider = item.moderator or (entry and entry.split('"moderator":"')[1].split('"')[0])
        gone = not comment.text
        fits = (
            asked.text.are_in(comment.text)
            and asked.label in ("", item.verdict.label)
            and asked.state in ("", state)
            and asked.moderator in ("", decider)
            and asked.first_ms <= known.since <= asked.last_ms
        )
        for name, value, said in (
            ("author_id", asked.author, comment.author_name),
            ("article_id", asked.article, comment.article_title),
        ):
            terms = Terms.of(value)
            is_this = getattr(comment, name) == value or (
                gone and facet(name, value) in known.facets
            )
            fits = fits and (not value or is_this or (bool(terms) and terms.are_in(said)))
        if fits:
            found.add(item_id)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_whatever_happened_to_comments_search_finds_what_a_plain_reading_finds(
    queue: ReviewQueue, redis: Redis, search: Search, seed: int
) -> None:
    people = Desk(queue, seed)
    for number in range(3):
        known = Comment(id=f"k{number}", text=TEXTS[number])
        enqueue(queue, "demo", known, newsroom.VERDICT, scores={}, known_action="reject")
    for _ in range(260):
        people.step()
    rng = random.Random(seed)
    vocabulary = [word for text in TEXTS for word in words(text) if len(word) > 2]
    n_found = 0
    for _ in range(150):
        typed = rng.sample(vocabulary, rng.choice((0, 1, 1, 2)))
        asked = Asked(
            Terms.of(" ".join(typed) if rng.random() < 0.8 else f'"{rng.choice(TEXTS)[:30]}"'),
            author=rng.choice(("", "", "", "u1", "سارة", "احمد", "u9")),
            article=rng.choice(("", "", "", "a1", f"{BREAD} أسعار", "a9")),
            label=rng.choice(("", "", "insult")),
            state=rng.choice(("", "", *STATES)),
            moderator=rng.choice(("", "", "", "amal", "nobody")),
        )
        found = everything(search, asked, limit=7)
        assert {one.item.id for one in found} == plainly(queue, redis, asked)
        assert len({one.item.id for one in found}) == len(found)
        times = [one.item.enqueued_at for one in found]
        assert asked.by_decision or times == sorted(times, reverse=True)
        n_found += len(found)
    assert n_found > 100


def test_a_search_by_moderator_alone_looks_at_what_they_hold_and_decided_and_no_more(
    queue: ReviewQueue, search: Search, redis: Redis
) -> None:
    for number in range(40):
        put(queue, number)
        let_time_pass(redis, 10)
    made = {}
    for number in (5, 30, 20):
        lease = queue.take("demo", "amal", item_id_of(f"c{number}"), 1)
        draft = Decision("reject", moderator="amal", request_id=f"r{number}")
        made[number] = queue.decide("demo", lease.item.id, lease.token, draft)
        let_time_pass(redis, 10)
    for number in (7, 9):
        queue.take("demo", "amal", item_id_of(f"c{number}"), 1)
    queue.undo("demo", made[30].item_id, "amal", "u")
    asked = Asked(moderator="amal")
    assert ids(everything(search, asked)) == ["c9", "c7", "c20", "c5"]
    assert search.find("demo", asked).n_looked == 4, "decisions and an undo"
    for limit in (1, 2, 3):
        assert ids(everything(search, asked, limit=limit)) == ["c9", "c7", "c20", "c5"]
    assert ids(everything(search, replace(asked, state="rejected"), limit=1)) == ["c20", "c5"]
    assert ids(everything(search, replace(asked, state="held"), limit=1)) == ["c9", "c7"]
    came = round(queue.item("demo", item_id_of("c6")).enqueued_at * 1000)
    assert ids(everything(search, replace(asked, first_ms=came))) == ["c9", "c7", "c20"]
    assert ids(everything(search, replace(asked, last_ms=came))) == ["c5"]
    assert everything(search, Asked(moderator="basma")) == []


def test_a_search_for_what_waits_or_is_held_looks_at_nothing_that_is_decided(
    queue: ReviewQueue, search: Search
) -> None:
    for number in range(30):
        item_id = put(queue, number)
        if number % 10:
            lease = queue.take("demo", "amal", item_id, 1)
            draft = Decision("reject", moderator="amal", request_id=f"r{number}")
            queue.decide("demo", item_id, lease.token, draft)
    held = queue.take("demo", "basma", item_id_of("c10"), 1)
    page = search.find("demo", Asked(state="waiting"))
    assert (ids(list(page.items)), page.n_looked) == (["c20", "c0"], 3)
    page = search.find("demo", Asked(state="held"))
    assert ([one.item.id for one in page.items], page.n_looked) == ([held.item.id], 1)


@pytest.mark.parametrize("before", ["1700000000000-000001", "1700000000000", "x"])
def test_a_search_goes_on_only_from_where_such_a_search_stopped(
    search: Search, before: str
) -> None:
    with pytest.raises(InvalidRequest, match="before"):
        search.find("demo", Asked(label="insult"), before=before)


# What is noted


def noted(redis: Redis) -> dict[str, str]:
    """Item id -> what the order of arrivals holds of it."""
    members: Any = redis.zrange(ARRIVALS, 0, -1)
    found = {member[13:25]: member for member in members}
    assert len(found) == len(members)
    return found


def kept(redis: Redis) -> dict[str, str]:
    """What it should hold of each item, read from the records and texts."""
    client: Any = redis
    found = {}
    for item_id, record in client.hgetall("{hakam:demo}:items").items():
        item = ItemRecord.model_validate_json(record)
        content = client.hget("{hakam:demo}:texts", f"{item_id}:{item.version}")
        if item.comment_id and not item.known_answer:
            signature = signature_of_stored(record, content)
            found[item_id] = f"{item.since:013}{item_id}{signature}"
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_an_item_is_noted_once_with_the_words_that_are_kept(
    queue: ReviewQueue, redis: Redis, sites: Sites, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, reports = Desk(queue, seed), Reports(redis)
    site = sites.get("demo")
    for step in range(200):
        people.step()
        if step % 5 == 0:
            number = people.random.randrange(200)
            comment = Comment(
                id=f"c{number}",
                text=people.random.choice(TEXTS),
                author_id=f"u{number % 7}",
                author_name=NAMES[number % 4],
                article_id=f"a{number % 5}",
                article_title=TITLES[number % 3],
            )
            verdict = replace(newsroom.VERDICT, label=people.random.choice(LABELS))
            found: Any = {"scores": {}, "author_scores": None, "evidence": (), "sentence": ()}
            reports.add(site, comment, verdict, reason="insult", reporter=f"r{step}", **found)
        if step % 7 == 0:
            number = people.random.randrange(200)
            verdict = Verdict("approve", None, None, 0.1, "clean", 0.01, "v1")
            edited = Comment(f"c{number}", people.random.choice(TEXTS), author_id=f"u{number % 7}")
            approve(queue, "demo", edited, verdict)
        if step % 50 == 49:
            Retention(redis, sites).erase("demo", f"u{step // 50}")
        appeals = {i for i, r in redis.hgetall("{hakam:demo}:items").items() if '"appeal":' in r}
        have, should = noted(redis), kept(redis)
        assert have.keys() <= should.keys() | appeals
        for item_id, member in should.items():
            erased = item_id not in have
            if erased:
                assert not redis.hexists("{hakam:demo}:texts", f"{item_id}:1")
            elif item_id in appeals:
                assert have[item_id] in (member, member[:25]), "what it was copied from is unknown"
            else:
                assert have[item_id] == member
    before = noted(redis)
    redis.delete(ARRIVALS)
    redis.hdel("{hakam:demo}:site", "built")
    monkeypatch.setattr(reindex, "PAGE", 7)
    Reindex(redis, sites).build("demo")
    built = noted(redis)
    assert built == kept(redis)
    assert before.keys() <= built.keys()


def test_what_is_forgotten_leaves_no_word_behind(
    queue: ReviewQueue, redis: Redis, sites: Sites
) -> None:
    item_id = put(queue, 1, "كلام خاص", author_id="u1")
    lease = queue.lease("demo", "amal")
    assert lease
    draft = Decision("reject", moderator="amal", request_id="r")
    queue.decide("demo", item_id, lease.token, draft)
    assert len(noted(redis)[item_id]) > 31
    let_time_pass(redis, 31 * 86_400_000)
    Retention(redis, sites).sweep(force=True)  # the site has not heard yet
    if redis.hexists("{hakam:demo}:items", item_id):
        assert len(noted(redis)[item_id]) == 31
        redis.delete("{hakam:demo}:outbox")
        record: Any = redis.hget("{hakam:demo}:items", item_id)
        redis.hset("{hakam:demo}:items", item_id, record.replace('"undelivered"', '"unknown"'))
    Retention(redis, sites).erase("demo", "u1")
    let_time_pass(redis, 31 * 86_400_000)
    Retention(redis, sites).sweep(force=True)
    assert noted(redis) == {}


# A little at a time


def test_a_call_looks_at_so_many_comments_and_the_next_goes_on_there(
    queue: ReviewQueue, redis: Redis, clock: Clock
) -> None:
    item_id = put(queue, 1, f"سعر ال{BREAD}")
    client: Any = redis
    n_more, newer = 2 * WORK + 100, 1_900_000_000_000
    client.zadd(ARRIVALS, {f"{newer + n}{n:012}aabbcc": 0 for n in range(n_more)})

    def later() -> float:
        clock.now += 1.0
        return clock.now

    hasty = Search(redis, queue, clock=later)
    asked = Asked(Terms.of(BREAD))
    first = hasty.find("demo", asked, seconds=0.5)
    assert (first.n_looked, first.items) == (WORK, [])
    assert first.share == pytest.approx(WORK / (n_more + 1))
    assert first.reached == (newer + n_more - WORK) / 1000
    second = hasty.find("demo", asked, before=first.cursor, seconds=0.5)
    assert second.n_looked == WORK
    third = hasty.find("demo", asked, before=second.cursor, seconds=0.5)
    assert [one.item.id for one in third.items] == [item_id]
    assert (third.cursor, third.share, third.reached) == ("", 1.0, 0.0)
    patient = Search(redis, queue, clock=clock).find("demo", asked, seconds=0.5)
    assert (patient.n_looked, len(patient.items)) == (n_more + 1, 1)


def test_a_page_ends_when_it_is_full_and_the_next_begins_behind_it(
    queue: ReviewQueue, search: Search
) -> None:
    for number in range(25):
        put(queue, number, f"سعر {BREAD} {number}")
    found = list[str]()
    cursor = ""
    for n_shown in (10, 10, 5):
        page = search.find("demo", Asked(Terms.of(f"ال{BREAD}")), before=cursor, limit=10)
        assert len(page.items) == n_shown
        found += ids(list(page.items))
        cursor = page.cursor
    assert sorted(found) == sorted(f"c{number}" for number in range(25))
    assert not cursor


def test_days_bound_what_is_looked_at(queue: ReviewQueue, redis: Redis, search: Search) -> None:
    items = [put(queue, number) for number in range(3)]
    day = 86_400_000
    for number, item_id in enumerate(items):
        let_time_pass(redis, number * day, only=item_id)
    times = [int(queue.item("demo", item_id).enqueued_at * 1000) for item_id in items]
    asked = Asked(first_ms=times[1] - 1, last_ms=times[1] + 1)
    page = search.find("demo", asked)
    assert [one.item.id for one in page.items] == [items[1]]
    assert page.n_looked == 1
    assert len(everything(search, Asked(first_ms=times[2], last_ms=times[1]))) == 2


def test_a_comment_id_is_answered_at_once_and_still_has_to_fit(
    queue: ReviewQueue, search: Search
) -> None:
    for number in range(40):
        put(queue, number, f"سعر {BREAD}", label="threat" if number % 2 else "insult")
    page = search.find("demo", Asked(comment_id="c7"))
    assert (ids(list(page.items)), page.n_looked, page.cursor) == (["c7"], 1, "")
    assert not search.find("demo", Asked(comment_id="c7", label="insult")).items
    assert not search.find("demo", Asked(comment_id="absent")).items


@pytest.mark.parametrize("damage", ["not json", '{"format":99}', '{"format":3,"since":"x"}'])
def test_a_damaged_record_hides_no_other_comment(
    queue: ReviewQueue, redis: Redis, search: Search, damage: str
) -> None:
    for number in range(3):
        put(queue, number, f"سعر {BREAD}")
    redis.hset("{hakam:demo}:items", item_id_of("c1"), damage)
    assert set(ids(everything(search, Asked(Terms.of(BREAD))))) == {"c2", "c0"}
    assert set(ids(everything(search, Asked()))) == {"c2", "c0"}
    assert ids(everything(search, Asked(moderator="amal", state="waiting"))) == []


@pytest.mark.parametrize(
    "wrong",
    [{"before": "x"}, {"before": "1" * 26}, {"limit": 0}, {"limit": 101}],
)
def test_a_search_refuses_what_is_no_cursor_and_pages_out_of_bounds(
    search: Search, wrong: dict[str, Any]
) -> None:
    with pytest.raises(Exception, match="expected"):
        search.find("demo", Asked(), **wrong)


def test_known_answers_and_their_copies_are_not_found(
    queue: ReviewQueue, search: Search, redis: Redis
) -> None:
    known = Comment(id="k", text=f"سعر {BREAD}")
    enqueue(queue, "demo", known, newsroom.VERDICT, scores={}, known_action="reject")
    put(queue, 1)
    assert queue.lease("demo", "amal", known_answer_share=1.0)
    assert ids(everything(search, Asked())) == ["c1"]
    assert not everything(search, Asked(Terms.of(BREAD)))


def test_an_appeal_is_found_by_the_words_of_the_comment(queue: ReviewQueue, search: Search) -> None:
    put(queue, 1, f"سعر {BREAD}")
    lease = queue.lease("demo", "amal")
    assert lease
    draft = Decision("reject", moderator="amal", request_id="r")
    made = queue.decide("demo", lease.item.id, lease.token, draft)
    queue.appeal("demo", made.id, "why")
    found = everything(search, Asked(Terms.of(BREAD)))
    assert [one.item.why for one in found] == ["appeal", "score"]
    assert [one.action for one in found] == ["", "reject"]


def test_a_lease_that_ran_out_leaves_a_comment_that_waits(
    queue: ReviewQueue, search: Search, redis: Redis
) -> None:
    put(queue, 1)
    queue.lease("demo", "amal")
    assert ids(everything(search, Asked(state="held", moderator="amal"))) == ["c1"]
    let_time_pass(redis, 3_600_000)
    assert not everything(search, Asked(state="held"))
    assert ids(everything(search, Asked(state="waiting"))) == ["c1"]


# The page


class Desktop:
    """A moderator's browser on the page of search, in English."""

    def __init__(self, app: Flask, name: str = "samira") -> None:
        self.console = Console(app, name).log_in()
        self.console.post("/language", language="en")

    def search(self, **asked: str) -> str:
        return self.console.get("/demo/search?" + urlencode(asked))

    def found(self, **asked: str) -> list[str]:
        """Texts of the rows that are shown."""
        return texts_in(self.search(**asked))


def texts_in(page: str) -> list[str]:
    shown = re.findall(r'<bdi class="text"[^>]*>(.*?)</bdi>', page, re.DOTALL)
    return [unescape(re.sub("<[^>]+>", "", text)) for text in shown]


@pytest.fixture
def desk(app: Flask, accounts: Accounts, api_key: str) -> Desktop:
    return Desktop(app)


def test_the_page_finds_by_each_field_and_by_all_of_them_together(
    desk: Desktop, queue: ReviewQueue
) -> None:
    put(
        queue,
        1,
        f"سعر {BREAD} اليوم",
        author_id="u1",
        author_name="أحمد علي",
        article_id="a1",
        article_title="أسعار المخابز",
    )
    put(queue, 2, f"أكلت ال{BREAD}", label="threat", author_id="u2", author_name="سارة")
    put(queue, 3, "كلام آخر", author_id="u1")
    lease = queue.take("demo", "omar", item_id_of("c3"), 1)
    draft = Decision("reject", moderator="omar", request_id="r")
    queue.decide("demo", item_id_of("c3"), lease.token, draft)
    first, second, third = f"سعر {BREAD} اليوم", f"أكلت ال{BREAD}", "كلام آخر"
    assert set(desk.found(q=f"و{BREAD}")) == {first, second}
    assert desk.found(q=f'"{BREAD}"') == [first]
    assert desk.found(author="احمد") == [first]
    assert set(desk.found(author="u1")) == {first, third}
    assert desk.found(article="المخابز") == [first]
    assert desk.found(article="a1") == [first]
    assert desk.found(comment="c2") == [second]
    assert desk.found(label="threat") == [second]
    assert desk.found(state="rejected") == [third]
    assert desk.found(moderator="omar") == [third]
    today = datetime.now(UTC).date()
    assert len(desk.found(**{"from": str(today - timedelta(1)), "to": str(today)})) == 3
    assert desk.found(to=str(today - timedelta(2))) == []
    assert desk.found(q=BREAD, label="insult", author="u1", state="waiting") == [first]
    assert "None fits." in desk.search(q=BREAD, state="rejected")


def test_the_words_that_were_found_are_marked_and_personal_data_stay_masked(
    desk: Desktop, queue: ReviewQueue
) -> None:
    put(queue, 1, f"سعر ال{BREAD} واتصل 0512345678", author_name="سارة")
    page = desk.search(q=BREAD, author="سارة")
    assert re.search(rf'<mark data-label="found"[^>]*>ال{BREAD}</mark>', page)
    assert re.search(r'<mark data-label="found"[^>]*>سارة</mark>', page)
    assert "0512345678" not in page
    assert "0512345678" in desk.search(q=BREAD, personal_data="shown")
    masked = texts_in(desk.search(q="٠٥١٢٣٤٥٦٧٨"))
    assert masked == [f"سعر ال{BREAD} واتصل {'•' * 10}"]


def test_a_decided_comment_says_how_and_cannot_be_ticked(desk: Desktop, queue: ReviewQueue) -> None:
    put(queue, 1, BREAD)
    put(queue, 2, BREAD)
    lease = queue.lease("demo", "omar")
    assert lease
    draft = Decision("approve", moderator="omar", request_id="r")
    queue.decide("demo", lease.item.id, lease.token, draft)
    page = desk.search(q=BREAD)
    assert page.count('name="item"') == 1
    assert "<strong>approved</strong>" in page
    assert f'href="/console/demo/items/{item_id_of("c1")}"' in page


def test_what_was_found_is_decided_on_the_page_and_the_search_is_shown_again(
    desk: Desktop, queue: ReviewQueue
) -> None:
    item_id = put(queue, 1, BREAD)
    page = desk.search(q=BREAD)
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    back = unescape(fields["next"])
    assert back.startswith("/console/demo/search?q=")
    desk.console.post(
        "/demo/bulk",
        item=f"{item_id}:1",
        action="reject",
        request_id=fields["request_id"],
        next=back,
    )
    assert desk.console.last.location == back
    page = desk.console.get(back.removeprefix("/console"))
    assert "1 comment decided." in page
    assert "<strong>rejected</strong>" in page


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"q": "x" * 300}, "What you typed is too long to be looked for."),
        ({"q": "!!"}, "Type a word to look for, not only signs."),
        ({"q": " ".join(f"w{n}" for n in range(20))}, "too many words"),
        ({"author": " ".join(f"w{n}" for n in range(20))}, "too many words"),
        ({"label": "nonsense"}, "One of these choices is not known here."),
        ({"state": "nonsense"}, "One of these choices is not known here."),
        ({"from": "31/12/2026"}, "A day is written like this"),
        ({"to": "0001-01-01"}, "A day is written like this"),
        ({"to": "9999-12-31"}, "A day is written like this"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "The first day comes after the last one."),
        ({"q": "w", "before": "nonsense"}, "Search anew."),
    ],
)
def test_what_cannot_be_looked_for_is_told_in_a_sentence_and_stays_in_its_field(
    desk: Desktop, asked: dict[str, str], sentence: str
) -> None:
    page = desk.search(**asked)
    assert desk.console.last.status_code == 422
    assert sentence in page
    if asked.keys() <= {"q", "author", "from"}:
        assert next(iter(asked.values())) in unescape(page)


def test_a_long_search_says_how_far_it_came_and_goes_on_by_a_link(
    desk: Desktop, queue: ReviewQueue, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = put(queue, 1, BREAD)
    newer, n_more = 1_900_000_000_000, WORK + 1
    client: Any = redis
    client.zadd(ARRIVALS, {f"{newer + n}{n:012}aabbcc": 0 for n in range(n_more)})
    monkeypatch.setattr(console_search, "SECONDS", 0.0)
    page = desk.search(q=BREAD, label="insult")
    assert re.search(r"Looked at 99.\d+% of the comments, back to Mar 17, 2030", page)
    assert item_id not in page
    link = re.search(r'<a class="button" href="/console([^"]+)">\s*Look on</a>', page)
    assert link
    page = desk.console.get(unescape(link[1]))
    assert "All comments were looked at." in page
    assert texts_in(page) == [BREAD]


def test_a_full_page_offers_older_comments_and_does_not_go_on_by_itself(
    desk: Desktop, queue: ReviewQueue
) -> None:
    for number in range(60):
        put(queue, number, f"{BREAD} {number}")
    page = desk.search(q=BREAD)
    assert len(texts_in(page)) == 50
    assert "data-go-on" not in page
    link = re.search(r'<a class="button" href="/console([^"]+)">Older comments</a>', page)
    assert link
    older = desk.console.get(unescape(link[1]))
    assert len({*texts_in(page), *texts_in(older)}) == 60


def test_days_are_those_of_the_reader(
    desk: Desktop, queue: ReviewQueue, redis: Redis, accounts: Accounts
) -> None:
    item_id = put(queue, 1, BREAD)
    at = datetime(2026, 3, 10, 22, 30, tzinfo=UTC).timestamp()
    since = queue.item("demo", item_id).enqueued_at
    let_time_pass(redis, round((since - at) * 1000))
    assert desk.found(q=BREAD, **{"from": "2026-03-10", "to": "2026-03-10"})
    accounts.save_preferences("samira", Preferences(language="en", time_zone="Asia/Riyadh"))
    assert not desk.found(q=BREAD, **{"from": "2026-03-10", "to": "2026-03-10"})
    assert desk.found(q=BREAD, **{"from": "2026-03-11", "to": "2026-03-11"})


def test_nothing_that_is_looked_for_is_logged(
    desk: Desktop, queue: ReviewQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "verysecretword"
    put(queue, 1, secret)
    for asked in ({"q": secret}, {"author": secret}, {"comment": secret}, {"label": secret}):
        desk.search(**asked)
    logged = capsys.readouterr()
    assert '"route": "/console/<site_id>/search"' in logged.out
    assert secret not in logged.out + logged.err


def test_hostile_words_are_shown_as_they_were_typed_and_do_nothing(desk: Desktop) -> None:
    attack = '"><script>window.pwned = 1</script>'
    for field in ("q", "author", "article", "comment", "moderator"):
        page = desk.search(**{field: attack})
        assert "<script>window" not in page
        assert attack in unescape(page)


def test_people_are_told_while_older_comments_are_made_ready(desk: Desktop, redis: Redis) -> None:
    said = "are still being prepared"
    assert said not in desk.search()
    redis.hdel("{hakam:demo}:site", "built")
    assert said in desk.search()


def test_search_of_another_s_site_is_as_if_there_were_none(
    desk: Desktop, accounts: Accounts
) -> None:
    accounts.change("samira", role="moderator", sites=["other"])
    desk.search(q=BREAD)
    assert desk.console.last.status_code == 404


@pytest.mark.parametrize(
    ("old", "page"),
    [
        ("author_id=u 1", "authors?id=u+1"),
        ("article_id=a%261", "articles?id=a%261"),
        ("comment_id=c1", f"items/{item_id_of('c1')}"),
        ("copies=g1", "queue?copies=g1"),
    ],
)
def test_an_address_of_before_leads_to_the_page_that_shows_it_now(
    desk: Desktop, old: str, page: str
) -> None:
    desk.console.get(f"/demo/search?{old}")
    assert desk.console.last.status_code == 302
    assert desk.console.last.location == f"/console/demo/{page}"


def test_what_is_asked_beside_words_is_told_where_its_fields_are_folded_away(
    desk: Desktop, queue: ReviewQueue
) -> None:
    page = desk.search(q="x", state="waiting", author="Reader")
    assert re.search(r"<details><summary>More · <bdi>Reader</bdi> · <bdi>waits</bdi>", page)
    assert "<details open><summary>More" in desk.search(q="!!", state="waiting")
