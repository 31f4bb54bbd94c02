"""A policy is tried on samples of the last days: fairly drawn, bounded, without any text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
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
from service.services import Services
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


def whole(_site: Site, judged: Sequence[tuple[Comment, Signals]]) -> list[Signals]:
    return [signals for _, signals in judged]


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
    looked_at = list[str]()

    def looking_at(site: Site, judged: Sequence[tuple[Comment, Signals]]) -> list[Signals]:
        looked_at.extend(comment.id for comment, _ in judged)
        return whole(site, judged)

    for number in range(2_000):
        worker = workers[number % 2]
        signals = Signals({"insult": round(number / 2_000, 4)})
        worker.note(
            looking_at,
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
    def unknown(_site: Site, _judged: Sequence[tuple[Comment, Signals]]) -> list[Signals]:
        raise StoreUnavailable("gone")

    sample = SignalSample(redis, clock=clock)
    sample.note(unknown, SITE, Comment("c", "x"), FULL)
    sample.note(whole, Site("other"), Comment("c", "x"), FULL)
    sample.flush()
    assert not any(sample.days("demo").values())
    assert any(sample.days("other").values())  # of which all was known


def test_each_site_is_asked_once_for_all_that_was_noted(redis: Redis, clock: Clock) -> None:
    asked = list[tuple[str, list[str]]]()

    def asking(site: Site, judged: Sequence[tuple[Comment, Signals]]) -> list[Signals]:
        asked.append((site.id, [comment.id for comment, _ in judged]))
        return whole(site, judged)

    sample, sites = SignalSample(redis, clock=clock), (SITE, Site("other"))
    for number in range(6):
        sample.note(asking, sites[number % 2], Comment(f"c{number}", "x"), FULL)
    sample.flush()
    assert asked == [("demo", ["c0", "c2", "c4"]), ("other", ["c1", "c3", "c5"])]
    assert [len(sample.days(site.id)[day_of(clock.now)]) for site in sites] == [3, 3]


def test_a_damaged_record_is_left_out(redis: Redis, clock: Clock) -> None:
    sample = SignalSample(redis, clock=clock)
    sample.note(whole, SITE, Comment("c", "x"), FULL)
    sample.flush()
    key = f"{{hakam:demo}}:signals:{day_of(clock.now)}"
    redis.zadd(key, {"{": 0.1, "[]": 0.2, '{"scores": 1}': 0.3})
    assert sample.days("demo")[day_of(clock.now)] == [FULL]


def test_what_is_kept_of_comments_is_also_that_for_which_the_site_has_no_rule(
    app: Flask, client: FlaskClient, api_key: str
) -> None:
    services: Services = app.extensions["hakam"]
    text = "They raised the price of bread again, says https://example.org, and nobody minds it"
    for number in range(3):
        sent = {"id": f"c{number}", "text": text, "author": {"id": "u1", "name": "Guest"}}
        headers = {"Authorization": f"Bearer {api_key}"}
        answer = client.post("/v1/comments", json=sent, headers=headers)
        assert answer.status_code in (200, 202)
    while services.signal_sample._noted:
        services.signal_sample.flush()
    (kept,) = [day for day in services.signal_sample.days("demo").values() if day]
    assert len(kept) == 3
    assert all([one.kind for one in signals.findings] == ["link"] for signals in kept)
    assert [signals.author for signals in kept] == [AuthorHistory(0, 0)] * 3
    assert max(signals.seen.n_copies for signals in kept if isinstance(signals.seen, Seen)) == 3
