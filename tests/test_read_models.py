"""Read models: pages show of past decisions what the stream says, and never scan it."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from arriving import enqueue
from flask import Flask
from redis import Redis
from test_console import Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture
from test_group_decisions import decide_many, undo_many

from conftest import let_time_pass
from models.schema import LABELS, REASONS
from service.accounts.accounts import Accounts
from service.errors import Conflict, Forbidden, ItemNotFound
from service.queue.decisions import DecisionStream
from service.queue.read_models import FIGURES_DAYS, SHOWN, ReadModels
from service.queue.records import Comment, Decision, facet, item_id_of, place_in_list
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.reports import insight, statistics
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites

VERDICT = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
SHIFTS = "{hakam:demo}:shifts"
FIGURES, LISTED = "{hakam:demo}:figures", "{hakam:demo}:listed"


@pytest.fixture
def queue(redis: Redis) -> ReviewQueue:
    return ReviewQueue(redis, lease_seconds=600)


@pytest.fixture
def models(redis: Redis) -> ReadModels:
    return ReadModels(redis)


def comment(number: int, **fields: Any) -> Comment:
    named: dict[str, Any] = {"author_id": f"u{number % 3}", "article_id": f"a{number % 2}"}
    return Comment(id=f"c{number}", **{"text": f"words of c{number}"} | named | fields)


def decide(
    queue: ReviewQueue, number: int, action: str = "reject", moderator: str = "amal", **fields: Any
) -> Decision:
    enqueue(queue, "demo", comment(number, **fields), VERDICT, scores={})
    lease = queue.lease("demo", moderator)
    assert lease
    draft = Decision(action, ("insult",), moderator=moderator, request_id=f"r{number}")
    return queue.decide("demo", lease.item.id, lease.token, draft)


# What the stream says


def listed(entries: Iterable[Decision], name: str, value: str) -> list[str]:
    """The decisions that a page of an author, article or comment shows."""
    found = [
        entry.id
        for entry in entries
        if entry.kind != "opinion" and not entry.expected and entry.comment is not None
        if (entry.comment_id if name == "comment_id" else getattr(entry.comment, name)) == value
    ]
    return found[::-1][:SHOWN]


def counted(entries: Iterable[Decision]) -> Counter[str]:
    """The counters of all days, but for waits, pairs and known answers."""
    counts: Counter[str] = Counter()
    for entry in entries:
        if entry.kind == "decision" and entry.stands and entry.source == "moderator":
            counts[f"hour:{datetime.fromtimestamp(entry.decided_at, UTC).hour}:{entry.action}"] += 1
            if entry.verdict and entry.verdict.label:
                bin_ = min(19, int(entry.verdict.score * 20))
                why = "score" if entry.verdict.reason == "score" else "other"
                counts[f"{why}:{entry.verdict.label}:{bin_}:{said(entry)}"] += 1
            again = entry.appeal_of and not entry.overturned
            if entry.verdict and entry.verdict.reason != "score" and not again:
                drawn = "rejected" if entry.verdict.label else "random_sample"
                counts[f"seen:{drawn}:0.25:{said(entry)}"] += 1
    return counts


def said(entry: Decision) -> str:
    return "other" if entry.reason and not entry.labels else entry.action


def is_open(entry: Decision) -> bool:
    """Whether others may see it: no opinion, and no answer to a comment with a known answer."""
    return entry.kind in ("decision", "undo") and not entry.expected


def pages_of(models: ReadModels, name: str, value: str, *, blind: bool = False) -> list[str]:
    """All decisions of a list, a page of seven after the other."""
    found, before = list[str](), ""
    while True:
        page = models.find("demo", name, value, before=before, limit=7, blind=blind)
        found += [decision.id for decision in page.decisions]
        if not page.more:
            return found
        before = page.cursor


def compare(models: ReadModels, stream: DecisionStream) -> None:
    """Hold the read models against the stream."""
    entries = list(stream.history("demo"))
    values = {("comment_id", entry.comment_id) for entry in entries if entry.kind != "damaged"} | {
        (name, getattr(entry.comment, name))
        for entry in entries
        if entry.comment is not None
        for name in ("author_id", "article_id")
    }
    for name, value in values:
        found = models.find("demo", name, value)
        assert [decision.id for decision in found.decisions] == listed(entries, name, value)
    judged = [one for one in entries if one.kind in ("decision", "undo", "opinion", "known_answer")]
    for moderator in {one.moderator for one in judged} - {""}:
        own = [one.id for one in judged if one.moderator == moderator]
        assert pages_of(models, "moderator", moderator, blind=True) == own[::-1]
        open_ = [one.id for one in judged if one.moderator == moderator and is_open(one)]
        assert pages_of(models, "moderator", moderator) == open_[::-1]
    days = models.days("demo", FIGURES_DAYS)
    total: Counter[str] = Counter()
    for counters in days.values():
        total.update(counters)
    counts = {
        name: n for name, n in total.items() if n and name[:4] not in ("wait", "pair", "know")
    }
    assert counts == dict(counted(entries))
    n_judged = sum(n for name, n in counts.items() if name.startswith("hour"))
    assert sum(n for name, n in total.items() if name.startswith("wait")) == n_judged
    compare_work(models, entries)
    known = {
        one.moderators[0]: (one.share, one.n_items)
        for one in statistics.agreement_with_known_answers(entries)
    }
    answers = insight.known_answers(days)
    assert known == {
        row: tuple(series.values[place] for series in answers.series)
        for place, row in enumerate(answers.rows)
    }
    theirs = {
        " \N{EN DASH} ".join(pair.moderators): (_rounded(pair.kappa), pair.n_items)
        for pair in statistics.agreement(entries, about=["action"])
        if pair.n_items >= insight.MIN_PAIRS
    }
    agreement = insight.agreement(days)
    kappas, ns = (series.values for series in agreement.series)
    assert theirs == {
        people: (_rounded(kappa), n)
        for people, kappa, n in zip(agreement.rows, kappas, ns, strict=True)
    }


def compare_work(models: ReadModels, entries: list[Decision]) -> None:
    """Hold what is counted of each moderator against the stream."""
    undone = {entry.undoes for entry in entries if entry.kind == "undo"}
    for moderator in {entry.moderator for entry in entries} - {""}:
        counts: Counter[str] = Counter()
        for entry in entries:
            judged = entry.kind in ("decision", "opinion", "known_answer")
            own = entry.moderator == moderator and entry.source == "moderator"
            if judged and own and entry.id not in undone:
                hour = datetime.fromtimestamp(entry.decided_at, UTC).hour
                counts[f"by:{entry.action}"] += 1
                counts[f"at:{hour}:{entry.action}"] += 1
        for pair in statistics.agreement(entries, about=["action"]):
            if moderator in pair.moderators:
                n_same = round(pair.share * pair.n_items)
                counts["agreed"] += n_same
                counts["differed"] += pair.n_items - n_same
        total = sum(map(Counter, models.days_of("demo", moderator).values()), Counter[str]())
        total -= Counter({name: n for name, n in total.items() if name in ("right", "wrong")})
        assert total == +counts


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 9)


class Newsroom:
    """People who do what they can at random."""

    def __init__(self, queue: ReviewQueue, seed: int) -> None:
        self.queue, self.random = queue, random.Random(seed)
        self.n_requests = 0
        self.decided: list[Decision] = []

    def step(self) -> None:
        verbs = (self.enqueue, self.enqueue, self.judge, self.judge, self.judge, self.other)
        self.random.choice(verbs)()

    def enqueue(self) -> None:
        number = self.random.randrange(12)
        label = self.random.choice((*LABELS, None))
        score = self.random.choice((0.05, 0.5, 0.93, 1.0))
        reason: Literal["score", "random_sample"] = self.random.choice(("score", "random_sample"))
        text = self.random.choice(("one", "two"))
        probability = 1.0 if reason == "score" else 0.25
        field: Literal["text"] | None = "text" if label else None
        verdict = Verdict("review", label, field, score, reason, probability, "v1")
        enqueue(
            self.queue,
            "demo",
            comment(number, text=text),
            verdict,
            scores={},
            second_opinion_share=0.5,
        )

    def request(self) -> str:
        self.n_requests += 1
        return f"request-{self.n_requests}"

    def judge(self) -> None:
        moderator = self.random.choice(("amal", "basma", "carim"))
        lease = self.queue.lease("demo", moderator, senior=True, known_answer_share=0.3)
        if lease:
            action = self.random.choice(("approve", "reject"))
            why = self.random.choice((*REASONS, "")) if action == "reject" else ""
            labels = REASONS.get(why, ())
            draft = Decision(action, labels, why, moderator=moderator, request_id=self.request())
            made = self.queue.decide("demo", lease.item.id, lease.token, draft)
            self.decided.append(made)

    def other(self) -> None:
        verbs = (self.undo, self.undo, self.appeal, self.withdraw, self.bulk, self.external)
        self.random.choice(verbs)()

    def external(self) -> None:
        about = comment(self.random.randrange(12), text=self.random.choice(("one", "two")))
        action = self.random.choice(("approve", "reject"))
        draft = Decision(action, moderator="basma", request_id=self.request())
        try:
            self.queue.decide_external("demo", about, VERDICT, draft, scores={})
        except Conflict:
            return

    def undo(self) -> None:
        made = self.random.choice(self.decided) if self.decided else None
        if made:
            try:
                self.queue.undo("demo", made.item_id, "amal", self.request(), senior=True)
            except (Conflict, Forbidden):
                return

    def appeal(self) -> None:
        made = [one for one in self.decided if one.kind == "decision"]
        if made:
            try:
                self.queue.appeal("demo", self.random.choice(made).id, "why")
            except (Conflict, ItemNotFound):
                return

    def withdraw(self) -> None:
        waiting = self.queue.waiting("demo")
        if waiting:
            self.queue.withdraw("demo", self.random.choice(waiting).comment.id)

    def bulk(self) -> None:
        found = {item.id: item.version for item in self.queue.waiting("demo", author_id="u1")}
        if found:
            request = self.request()
            draft = Decision("reject", moderator="omar", request_id=request)
            decide_many(self.queue, found, draft, senior=True)
            if self.random.random() < 0.5:
                undo_many(self.queue, request, "omar", self.request(), senior=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_decided_and_taken_back_the_models_say_what_the_stream_says(
    queue: ReviewQueue, stream: DecisionStream, models: ReadModels, seed: int
) -> None:
    for number in range(3):
        enqueue(queue, "demo", comment(100 + number), VERDICT, scores={}, known_action="reject")
    newsroom = Newsroom(queue, seed)
    for step in range(250):
        newsroom.step()
        if step % 25 == 0:
            compare(models, stream)
    compare(models, stream)
    kinds = {entry.kind for entry in stream.history("demo")}
    assert {"decision", "opinion", "undo", "known_answer", "withdrawal"} <= kinds
    assert any(entry.source == "moderator_external" for entry in stream.history("demo"))
    assert not insight.agreement(models.days("demo", FIGURES_DAYS)).empty


def test_the_time_to_decision_is_within_three_percent_of_the_exact_one(
    queue: ReviewQueue, stream: DecisionStream, models: ReadModels, redis: Redis
) -> None:
    for number, waited in enumerate((10, 100, 700, 5_000, 40_000)):
        enqueue(queue, "demo", comment(number), VERDICT, scores={})
        let_time_pass(redis, waited * 1000, only=item_id_of(f"c{number}"))
        decide(queue, number)
    exact = [entry.decided_at - entry.enqueued_at for entry in stream.history("demo")]
    figure = insight.time_to_decision(models.days("demo", 1), target_seconds=60)
    for series, share in zip(figure.series, (0.5, 0.9), strict=True):
        assert series.values[0] == pytest.approx(statistics.quantile(exact, share), rel=0.03)


def work_of(models: ReadModels, moderator: str) -> dict[str, int]:
    """What is counted of a moderator; the same by the hour."""
    actions = ("approve", "reject", "skip", "escalate")
    total = sum(map(Counter, models.days_of("demo", moderator).values()), Counter[str]())
    hours: Counter[str] = Counter()
    for name, n in total.items():
        if name.startswith("at:"):
            hours[name.rpartition(":")[2]] += n
    by_day = {action: total[f"by:{action}"] for action in actions}
    assert by_day == {action: hours[action] for action in actions}
    return {action: n for action, n in by_day.items() if n}


def test_what_a_moderator_does_is_counted_until_they_take_it_back(
    queue: ReviewQueue, models: ReadModels
) -> None:
    made = [decide(queue, number, action) for number, action in enumerate(("reject", "approve"))]
    assert work_of(models, "amal") == {"approve": 1, "reject": 1}
    queue.undo("demo", made[0].item_id, "amal", "undo")
    lease = queue.lease("demo", "amal")
    assert lease
    queue.skip("demo", lease.item.id, lease.token)
    assert work_of(models, "amal") == {"approve": 1, "skip": 1}
    assert queue.unskip("demo", "amal", lease.item.id) == 1
    assert work_of(models, "amal") == {"approve": 1}
    again = queue.lease("demo", "amal")
    assert again
    queue.skip("demo", again.item.id, again.token, seen=False)  # which their own cap put off
    other = queue.lease("demo", "basma")
    assert other
    queue.escalate("demo", other.item.id, other.token)
    assert work_of(models, "amal") == {"approve": 1}
    assert work_of(models, "basma") == {"escalate": 1}


def test_a_judgement_that_is_compared_counts_as_any_other(
    queue: ReviewQueue, models: ReadModels
) -> None:
    enqueue(queue, "demo", comment(0), VERDICT, scores={}, second_opinion_share=1.0)
    for moderator in ("amal", "basma"):
        lease = queue.lease("demo", moderator)
        assert lease
        draft = Decision("reject", moderator=moderator, request_id=moderator)
        queue.decide("demo", lease.item.id, lease.token, draft)
        assert work_of(models, moderator) == {"reject": 1}
    enqueue(queue, "demo", comment(1), VERDICT, scores={}, known_action="approve")
    enqueue(queue, "demo", comment(2), VERDICT, scores={})
    known = queue.lease("demo", "amal", known_answer_share=1.0)
    assert known
    draft = Decision("reject", moderator="amal", request_id="known")
    queue.decide("demo", known.item.id, known.token, draft)
    assert work_of(models, "amal") == {"reject": 2}


def test_an_appeal_that_is_granted_takes_nothing_from_the_work_of_who_decided(
    queue: ReviewQueue, models: ReadModels
) -> None:
    made = decide(queue, 0)
    queue.appeal("demo", made.id, "why")
    lease = queue.lease("demo", "basma")
    assert lease
    draft = Decision("approve", moderator="basma", request_id="granted")
    queue.decide("demo", lease.item.id, lease.token, draft)
    assert work_of(models, "amal") == {"reject": 1}
    assert work_of(models, "basma") == {"approve": 1}


def test_what_is_counted_of_moderators_is_kept_for_some_days_and_by_the_hour_for_three(
    queue: ReviewQueue, redis: Redis
) -> None:
    today = int(datetime.now(UTC).timestamp() // 86_400)
    client: Any = redis
    names = {
        f"{today - 3}:at:1:amal:reject": None,
        f"{today - 2}:at:1:amal:reject": "4",
        f"{today - FIGURES_DAYS}:by:amal:reject": None,
        f"{today - FIGURES_DAYS + 1}:by:amal:reject": "4",
    }
    client.hset(SHIFTS, mapping={"today": today - 1} | dict.fromkeys(names, 4))
    decide(queue, 0)
    assert redis.hmget(SHIFTS, [*names]) == [*names.values()]


def test_a_queue_rebuilt_from_an_export_has_its_read_models(
    queue: ReviewQueue, stream: DecisionStream, models: ReadModels, redis: Redis
) -> None:
    for number in range(3):
        decide(queue, number)
    hours = counted(stream.history("demo"))
    export = [learned for d in stream.history("demo") if (learned := d.to_labeled_comment("demo"))]
    redis.flushall()
    assert stream.rebuild("demo", export) == 3
    entries = list(stream.history("demo"))
    for name, value in (("comment_id", "c0"), ("author_id", comment(0).author_id)):
        found = models.find("demo", name, value).decisions
        assert [decision.id for decision in found] == listed(entries, name, value) != []
    rebuilt = sum(map(Counter, models.days("demo", 2).values()), Counter[str]())
    assert {name: rebuilt[name] for name in hours if name.startswith("hour")} == {
        name: n for name, n in hours.items() if name.startswith("hour")
    }


def test_a_list_shows_the_last_fifty_and_from_there_the_older_ones(
    queue: ReviewQueue, models: ReadModels
) -> None:
    made = [decide(queue, number, article_id="a1", author_id="").id for number in range(90)]
    found = models.find("demo", "article_id", "a1")
    assert [decision.id for decision in found.decisions] == made[:-51:-1]
    assert found.more
    older = models.find("demo", "article_id", "a1", before=found.cursor)
    assert [decision.id for decision in older.decisions] == made[-51::-1]
    assert not older.more


def test_a_decision_reads_and_writes_each_of_its_records_once(
    queue: ReviewQueue, redis: Redis
) -> None:
    seen = []
    for number in range(5):  # one that is the first of its hour, or took longer, counts anew
        enqueue(queue, "demo", comment(number), VERDICT, scores={})
        lease = queue.lease("demo", "amal")
        assert lease
        draft = Decision("reject", moderator="amal", request_id=f"r{number}")
        redis.config_resetstat()
        queue.decide("demo", lease.item.id, lease.token, draft)
        stats: Any = redis.info("commandstats")
        seen.append({name.partition("_")[2]: value["calls"] for name, value in stats.items()})
    calls = min(seen, key=lambda calls: sum(calls.values()))
    assert {name: n for name, n in calls.items() if not name.startswith(("config", "info"))} == {
        "evalsha": 1,
        "time": 1,
        "hget": 3,  # item, author, text
        "xrevrange": 1,
        "xadd": 1,
        "hset": 2,  # item, author
        "hmget": 1,  # what the site wants
        "hincrby": 5,  # figures
        "zrem": 2,  # lease and line
        "zadd": 3,  # lists of decisions, outbox and retention
    }


# Forgetting


def test_an_erased_author_leaves_no_trace(
    queue: ReviewQueue, models: ReadModels, redis: Redis
) -> None:
    made = [decide(queue, number, author_id="u1", article_id="a1") for number in range(3)]
    other = decide(queue, 3, author_id="u2", article_id="a1")
    queue.appeal("demo", made[0].id, "why")
    Sites(redis).add(Site("demo"))
    Retention(redis, Sites(redis)).erase("demo", "u1")
    kept: Any = redis.zrange(LISTED, 0, -1)
    of_people = [member for member in kept if member[0] in "ua"]
    facets = (facet("author_id", "u2"), facet("article_id", "a1"))
    assert sorted(of_people) == sorted(one + place_in_list(other.id) for one in facets)
    assert models.find("demo", "author_id", "u1").decisions == []
    assert [d.id for d in models.find("demo", "article_id", "a1").decisions] == [other.id]


def test_after_the_retention_period_only_the_lists_of_moderators_are_left(
    queue: ReviewQueue, models: ReadModels, redis: Redis
) -> None:
    sites = Sites(redis)
    sites.add(Site("demo", retention_days=30))
    for number in range(4):
        decide(queue, number)
    let_time_pass(redis, 31 * 86_400_000)
    Retention(redis, sites).sweep(force=True)
    kept: Any = redis.zrange(LISTED, 0, -1)
    assert {member[0] for member in kept} == {"m"}, "what the stream says of a moderator"
    assert all(one.comment is None for one in models.find("demo", "moderator", "amal").decisions)


def test_what_was_decided_within_the_retention_period_stays_listed(
    queue: ReviewQueue, models: ReadModels, redis: Redis
) -> None:
    sites = Sites(redis)
    sites.add(Site("demo", retention_days=30))
    decide(queue, 0, author_id="u1")
    let_time_pass(redis, 31 * 86_400_000)
    kept = decide(queue, 1, author_id="u1")
    Retention(redis, sites).sweep(force=True)
    assert [d.id for d in models.find("demo", "author_id", "u1").decisions] == [kept.id]
    kept_of: Any = redis.zrange(LISTED, 0, -1)
    assert not [member for member in kept_of if member.startswith("i" + item_id_of("c0"))]


def test_figures_are_kept_for_some_days_and_no_longer(
    queue: ReviewQueue, models: ReadModels, redis: Redis
) -> None:
    today = int(datetime.now(UTC).timestamp() // 86_400)
    old = f"{today - FIGURES_DAYS}:hour:1:reject"
    kept = f"{today - FIGURES_DAYS + 1}:hour:1:reject"
    client: Any = redis
    client.hset(FIGURES, mapping={"today": today - 1, old: 3, kept: 4})
    decide(queue, 0)
    assert redis.hget(FIGURES, old) is None
    days = models.days("demo", FIGURES_DAYS)
    assert next(iter(days.values())) == {"hour:1:reject": 4}


# What a page costs


def cost(redis: Redis, console: Console, page: str) -> dict[str, int]:
    """How often each command of Redis was run for a page, also by scripts."""
    console.get(page)  # so that no script is sent again
    redis.config_resetstat()
    console.get(page)
    stats: Any = redis.info("commandstats")
    return {name: value["calls"] for name, value in stats.items()}


@pytest.fixture
def fill(queue: ReviewQueue, redis: Redis) -> Callable[[int], None]:
    """Decide so many comments more, a thousand at once."""
    from bench_queue import Batch

    n_made = 0

    def fill(n: int) -> None:
        nonlocal n_made
        while n:
            n_page = min(n, 1_000)
            batch, verbs = Batch(redis), queue._verbs
            queue._verbs = batch
            numbers = range(n_made, n_made + n_page)
            for number in numbers:
                enqueue(queue, "demo", comment(number), VERDICT, scores={})
            batch.flush()
            queue._verbs = verbs
            found = {item_id_of(f"c{number}"): 1 for number in numbers}
            draft = Decision("reject", moderator="omar", request_id=f"bulk-{n_made}")
            decide_many(queue, found, draft)
            n_made, n = n_made + n_page, n - n_page

    return fill


@pytest.fixture
def admin(app: Flask, accounts: Accounts, api_key: str) -> Console:
    console = Console(app, "layla").log_in()
    console.post("/language", language="en")
    return console


@pytest.mark.slow
def test_pages_cost_the_same_and_are_right_beyond_twenty_thousand_decisions(
    admin: Console, queue: ReviewQueue, redis: Redis, fill: Callable[[int], None]
) -> None:
    pages = (
        "/demo/authors?id=u1",
        "/demo/articles?id=a1",
        f"/demo/items/{item_id_of('c1')}",
        "/demo/insight",
        "/demo/insight/precision_by_label.csv",
        "/demo/settings",
        "/demo/settings/preview?label=insult&threshold=0.5",
    )
    fill(200)
    few = [cost(redis, admin, page) for page in pages]
    fill(20_301)
    many = [cost(redis, admin, page) for page in pages]
    assert many == few
    page = admin.get("/demo/authors?id=u1")
    shown = re.findall(r"words of (c\d+)", page)
    assert (shown[:2], len(shown)) == (["c20500", "c20497"], 50)
    assert ",20501" in admin.get("/demo/insight/precision_by_label.csv")
    assert "words of c1<" in admin.get(f"/demo/items/{item_id_of('c1')}"), (
        "the oldest is found by its id"
    )
    compared = replace(comment(1), text="edited")
    enqueue(queue, "demo", compared, VERDICT, scores={})
    assert "Decided before" in admin.get("/demo/work")
