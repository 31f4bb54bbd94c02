"""What has moved on any site is told to Prometheus, and no site is named."""

from __future__ import annotations

from flask import Flask
from redis import Redis

from service.reports.drift import Shift
from service.reports.drift_alarms import KEPT_SECONDS, Alarm, DriftAlarms
from service.sites.site import Site
from service.sites.sites import Sites


def insult(index: float | None) -> Shift:
    return Shift("score:insult", index, 0.01, 1_000, 4_000)


def test_the_highest_index_and_how_many_sites_have_moved_are_told_over_all_sites(
    redis: Redis,
) -> None:
    alarms = DriftAlarms(redis)
    alarms.keep("a", [insult(0.3), Shift("words", 0.02, 0.01, 9, 9)], 0.25)
    alarms.keep("b", [insult(0.5)], 0.0)
    alarms.keep("c", [insult(None)], 0.25)
    assert alarms.read(["a", "b", "c", "d"]) == [
        Alarm("score:insult", 0.5, 1),
        Alarm("words", 0.02, 0),
    ]


def test_a_new_look_takes_the_place_of_the_last_and_an_old_one_is_forgotten(redis: Redis) -> None:
    alarms = DriftAlarms(redis)
    alarms.keep("a", [insult(0.3)], 0.25)
    assert 0 < redis.ttl("{hakam:a}:drift") <= KEPT_SECONDS
    alarms.keep("a", [insult(None)], 0.25)
    assert alarms.read(["a"]) == []
    assert alarms.read([]) == []


def test_what_cannot_be_read_of_one_site_hides_no_other(redis: Redis) -> None:
    alarms = DriftAlarms(redis)
    redis.set("{hakam:a}:drift", "of another kind")
    redis.hset(
        "{hakam:b}:drift", mapping={"score:insult": "much 1", "words": "nan 1", "secret": "1 1"}
    )
    alarms.keep("c", [insult(0.3)], 0.25)
    assert alarms.read(["a", "b", "c"]) == [Alarm("score:insult", 0.3, 1)]


def test_metrics_tell_what_has_moved_and_nothing_of_it_before_anybody_has_looked(
    app: Flask, redis: Redis
) -> None:
    metrics = app.extensions["hakam"].metrics
    Sites(redis).add(Site("demo"))
    assert "hakam_drift_sites{" not in metrics.render().decode()
    DriftAlarms(redis).keep("demo", [insult(0.3)], 0.25)
    told = metrics.render().decode()
    assert 'hakam_drift_index{about="score:insult"} 0.3' in told
    assert 'hakam_drift_sites{about="score:insult"} 1.0' in told
    assert "demo" not in told
