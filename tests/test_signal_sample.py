"""A policy is tried on samples of the last days: fairly drawn, bounded, without any text."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from conftest import Clock
from service.errors import StoreUnavailable
from service.queue.records import Comment
from service.reports import signal_sample
from service.reports.signal_sample import SignalSample, tried
from service.rules.findings import Finding
from service.rules.policy import AuthorHistory, Policy, Signals, random_draw
from service.rules.repeats import Seen
from service.rules.times import day_of
from service.sites.site import Site

SITE = Site("demo")
FULL = Signals(
    {"insult": 0.25},
    {"insult": 0.5},
    readable=False,
    findings=[Finding("text", "link", 0, 0)],
    listed="text",
    author=AuthorHistory(3, 1),
    seen=Seen("", 4, 5),
    latin=True,
    nameless=True,
)


def whole(_site: Site, _comment: Comment, signals: Signals) -> Signals:
    return signals


def test_signals_come_back_as_they_were_and_no_text_or_id_is_kept(
    redis: Redis, clock: Clock
) -> None:
    sample = SignalSample(redis, clock=clock)
    comment = Comment("secret-id", "secret words", author_id="secret-author", author_name="Secret")
    sample.note(whole, SITE, comment, FULL)
    sample.flush_if_due()
    days = sample.days("demo")
    assert len(days) == signal_sample.N_DAYS
    assert days[day_of(clock.now)] == [FULL]
    (key,) = redis.scan_iter("{hakam:demo}:signals:*")
    kept: Any = redis.zrange(key, 0, -1, withscores=True)
    assert "secret" not in str(kept).lower()
    lasts: Any = redis.ttl(key)
    assert 0 < lasts <= 8 * 86_400


def test_two_workers_keep_the_lowest_draws_of_all_and_no_more_than_the_bound(
    redis: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal_sample, "PER_DAY", 50)
    workers = [SignalSample(redis, clock=clock) for _ in range(2)]
    looked_at = []
    for number in range(2_000):
        worker = workers[number % 2]
        signals = Signals({"insult": round(number / 2_000, 4)})
        worker.note(
            lambda _site, comment, signals: looked_at.append(comment.id) or signals,  # type: ignore[func-returns-value]
            SITE,
            Comment(f"c-{number}", "x"),
            signals,
        )
        while worker._noted:
            worker.flush()
    draws = sorted(random_draw("demo", f"c-{number}", "preview") for number in range(2_000))
    (key,) = redis.scan_iter("{hakam:demo}:signals:*")
    kept: Any = redis.zrange(key, 0, -1, withscores=True)
    assert [draw for _, draw in kept] == pytest.approx(draws[:50])
    assert len(looked_at) < 500  # of the others not even the findings were looked for
    (found,) = [day for day in workers[0].days("demo").values() if day]
    said = tried(Policy({"insult": 0.5}), {"d": found}, {"d": {"action:approve": 2_000}})
    assert (said.n_comments, said.n_looked_at) == (2_000, 50)
    assert 600 < said.n_review < 1_400  # of 1,000 that the sample stands for


def test_the_same_comment_sent_again_is_one_of_the_sample(redis: Redis, clock: Clock) -> None:
    sample = SignalSample(redis, clock=clock)
    for _ in range(3):
        sample.note(whole, SITE, Comment("c", "x"), FULL)
    sample.flush()
    assert sum(map(len, sample.days("demo").values())) == 1


def test_what_a_policy_does_is_counted_day_by_day_and_exact_where_all_were_looked_at() -> None:
    clean, linked = Signals({}), Signals({}, findings=[Finding("text", "link", 0, 0)])
    samples = {"a": [clean, linked], "b": [linked], "c": []}
    verdicts = {"a": {"action:approve": 20}, "b": {"action:review": 1}, "c": {}}
    found = tried(Policy({}, links="review"), samples, verdicts)
    assert found == signal_sample.Tried(21, 3, 11, 0)
    assert tried(Policy({}, links="reject"), samples, verdicts).n_reject == 11
    assert tried(Policy({}), {}, {}) == signal_sample.Tried(0, 0, 0, 0)


def test_without_the_store_a_sample_is_dropped_and_nothing_fails(
    redis: Redis, clock: Clock
) -> None:
    def unknown(_site: Site, _comment: Comment, _signals: Signals) -> Signals:
        raise StoreUnavailable("gone")

    sample = SignalSample(redis, clock=clock)
    sample.note(unknown, SITE, Comment("c", "x"), FULL)
    sample.flush()
    assert not any(sample.days("demo").values())


def test_a_damaged_record_is_left_out(redis: Redis, clock: Clock) -> None:
    sample = SignalSample(redis, clock=clock)
    sample.note(whole, SITE, Comment("c", "x"), FULL)
    sample.flush()
    key = f"{{hakam:demo}}:signals:{day_of(clock.now)}"
    redis.zadd(key, {"{": 0.1, "[]": 0.2, '{"scores": 1}': 0.3})
    assert sample.days("demo")[day_of(clock.now)] == [FULL]
