"""Pages share what a process read of the sites, and none is shown what it may not see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from arriving import enqueue
from redis import Redis

from conftest import NOWHERE
from service.delivery.webhooks import Deliveries
from service.errors import StoreUnavailable
from service.queue.overview import Overviews
from service.queue.records import Comment
from service.queue.repeats import Repeats
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.site_status import FRESH_SECONDS, SiteStatuses
from service.sites.site import Site
from service.sites.sites import Sites


class Clock:
    """A clock that goes on when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def statuses_over(redis: Redis, clock: Clock) -> SiteStatuses:
    sites = Sites(redis)
    parts = ReviewQueue(redis), Overviews(redis), Deliveries(redis, sites), Repeats(redis)
    return SiteStatuses(sites, *parts, clock=clock)


@pytest.fixture
def statuses(redis: Redis, clock: Clock) -> SiteStatuses:
    for name in ("one", "other", "third"):
        Sites(redis).add(Site(name))
    return statuses_over(redis, clock)


def put(redis: Redis, site_id: str, name: str) -> None:
    verdict = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
    enqueue(ReviewQueue(redis), site_id, Comment(name, "text"), verdict, scores={}, evidence=[])


def pending(statuses: SiteStatuses, *may_see: str, **asked: float) -> dict[str, int | None]:
    found, _unreadable = statuses.of(lambda site_id: site_id in may_see, **asked)
    return {site.id: status.stats.pending if status else None for site, status in found}


def n_scripts(redis: Redis) -> int:
    stats: Any = redis.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))


def test_a_site_is_read_once_in_a_while_however_many_pages_ask(
    statuses: SiteStatuses, redis: Redis, clock: Clock
) -> None:
    assert pending(statuses, "one", "other") == {"one": 0, "other": 0}
    put(redis, "one", "c1")
    before = n_scripts(redis)
    for _ in range(10):
        assert pending(statuses, "one", "other") == {"one": 0, "other": 0}
    assert n_scripts(redis) == before
    assert pending(statuses, "one", max_age_seconds=0.0) == {"one": 1}  # who opens a page
    put(redis, "other", "c1")
    clock.now += FRESH_SECONDS
    assert pending(statuses, "one", "other") == {"one": 1, "other": 1}


def test_nobody_is_told_of_a_site_that_others_may_see(statuses: SiteStatuses) -> None:
    assert set(pending(statuses, "one", "other", "third")) == {"one", "other", "third"}
    assert set(pending(statuses, "third")) == {"third"}
    assert pending(statuses) == {}


def test_a_change_of_a_site_is_seen_at_once(statuses: SiteStatuses, redis: Redis) -> None:
    sites = Sites(redis)
    assert set(pending(statuses, "one")) == {"one"}
    sites.update(replace(sites.get("one"), name="The first"))
    ((site, status),), _ = statuses.of(lambda site_id: site_id == "one")
    assert status
    assert site.name == status.site.name == "The first"


def test_a_site_of_which_something_is_damaged_bars_no_other(
    statuses: SiteStatuses, redis: Redis
) -> None:
    redis.set("{hakam:other}:lines", "of another kind")
    redis.hset("{hakam:third}:endpoint", "failing", "x")
    assert pending(statuses, "one", "other", "third") == {"one": 0, "other": None, "third": None}
    redis.hset("{hakam:other}:site", "record", "{")
    Sites(redis).note_change()
    found, unreadable = statuses.of(lambda _site_id: True)
    assert [site.id for site, _ in found] == ["one", "third"]
    assert unreadable == ["other"]


def test_a_store_that_does_not_answer_is_no_site_in_trouble(clock: Clock) -> None:
    with pytest.raises(StoreUnavailable):
        statuses_over(NOWHERE, clock).of(lambda _site_id: True)
