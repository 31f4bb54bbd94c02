"""Quotas: what a site may send in a minute, whichever worker or machine it reaches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from redis import Redis

from conftest import NOWHERE, Clock
from service.errors import RateLimited
from service.sites.quota import EXCHANGE_SECONDS, KEPT_SECONDS, MINUTE, Quota
from service.sites.site import Site
from service.sites.sites import Sites

N_REQUESTS = 30

pytestmark = pytest.mark.every_redis


@pytest.fixture
def worker(redis: Redis, clock: Clock) -> Callable[[], Quota]:
    """Makes the quotas of another worker, of this machine or another one."""
    return lambda: Quota(redis, 2, clock=clock)


def n_granted(quota: Quota, site: Site, n_requests: int = N_REQUESTS) -> int:
    """Send requests one after the other, and count those that are granted."""
    refusals = []
    for _ in range(n_requests):
        try:
            quota.spend(site)
        except RateLimited as refusal:
            refusals.append(refusal)
        quota.exchange_if_due()
    assert all(one.limit == site.requests_per_minute for one in refusals)
    assert all(1 <= one.retry_after_seconds <= 60 for one in refusals)
    return n_requests - len(refusals)


def test_a_site_gets_its_quota_from_whichever_worker_it_reaches(
    worker: Callable[[], Quota],
) -> None:
    one, other, third = worker(), worker(), worker()
    site = Site("demo", requests_per_minute=9)
    assert n_granted(one, site, 5) == 5
    assert n_granted(other, site) == 4
    assert n_granted(one, site) == 1, "before it has heard of the others"
    assert n_granted(third, site) == 1, "for the same reason"
    assert n_granted(one, site) + n_granted(other, site) + n_granted(third, site) == 0


def test_one_worker_grants_the_whole_quota(worker: Callable[[], Quota]) -> None:
    assert n_granted(worker(), Site("demo", requests_per_minute=9)) == 9


def test_a_site_without_a_quota_is_never_refused(worker: Callable[[], Quota], redis: Redis) -> None:
    assert n_granted(worker(), Site("demo")) == N_REQUESTS
    assert not redis.keys("*:requests:*")


def test_sites_do_not_spend_each_other_s_requests(worker: Callable[[], Quota]) -> None:
    quota = worker()
    n_granted(quota, Site("one", requests_per_minute=5))
    assert n_granted(quota, Site("two", requests_per_minute=5)) == 5


def test_within_any_minute_a_site_gets_no_more_than_its_quota(
    worker: Callable[[], Quota], clock: Clock
) -> None:
    quota, site = worker(), Site("demo", requests_per_minute=30)
    clock.now += 50
    assert n_granted(quota, site) == 30
    clock.now += 10
    assert n_granted(quota, site) == 0, "the next minute of the clock begins"
    clock.now += 20
    assert n_granted(quota, site) == 10
    clock.now += 100
    assert n_granted(quota, site) == 30


@pytest.mark.parametrize("passed", [0, 31, 59])
@pytest.mark.parametrize("limit", [2, 20])
def test_whoever_waits_as_long_as_was_said_is_granted_another_request(
    worker: Callable[[], Quota], clock: Clock, passed: int, limit: int
) -> None:
    quota, site = worker(), Site("demo", requests_per_minute=limit)
    clock.now += passed
    n_granted(quota, site)
    for _ in range(3):
        waited = 0
        while not n_granted(quota, site, 1):
            with pytest.raises(RateLimited) as refusal:
                quota.spend(site)
            clock.now += refusal.value.retry_after_seconds
            waited += 1
        assert waited <= 2, "a minute is the most that is said"


def test_a_large_quota_costs_few_round_trips(clock: Clock, redis: Redis) -> None:
    told = []

    class Counting(Quota):
        def _exchange(self, sent: Any, minutes: Any) -> Any:
            told.append(sent)
            return super()._exchange(sent, minutes)

    quota = Counting(redis, 2, clock=clock)
    assert n_granted(quota, Site("demo", requests_per_minute=2_000), 1_000) == 1_000
    assert len(told) == 10, "one for each twentieth of the quota"
    clock.now += EXCHANGE_SECONDS
    n_granted(quota, Site("demo", requests_per_minute=2_000), 1)
    assert len(told) == 11


def test_redis_forgets_what_no_quota_depends_on(worker: Callable[[], Quota], redis: Redis) -> None:
    n_granted(worker(), Site("demo", requests_per_minute=9))
    keys = redis.keys("*:requests:*")
    assert keys
    assert all(0 < redis.ttl(key) <= KEPT_SECONDS for key in keys)


def test_while_redis_is_down_each_worker_grants_its_share(
    worker: Callable[[], Quota], clock: Clock, redis: Redis
) -> None:
    quota, site = worker(), Site("demo", requests_per_minute=20)
    assert n_granted(quota, site, 4) == 4
    quota._redis = NOWHERE
    clock.now += 5 * MINUTE
    assert n_granted(quota, site) == 10, "the other worker may grant as many"
    clock.now += 2 * MINUTE
    assert n_granted(quota, site) == 10
    quota._redis = redis
    clock.now += EXCHANGE_SECONDS
    quota.exchange_if_due()
    assert n_granted(quota, site) == 10
    assert n_granted(worker(), site, 2) == 1, "what was counted meanwhile is told"


def test_a_site_whose_counts_cannot_be_kept_spoils_no_other_s(
    worker: Callable[[], Quota], redis: Redis, clock: Clock
) -> None:
    minute = int(clock.now // MINUTE)
    redis.set(f"{{hakam:broken}}:requests:{minute}", "not a number")
    one, other = worker(), worker()
    broken = Site("broken", requests_per_minute=20)
    good = Site("good", requests_per_minute=20)
    assert n_granted(one, broken) == 10
    assert n_granted(one, good, 15) == 15
    assert n_granted(other, good) == 5


# Real workers


def test_a_quota_adds_up_over_workers(server: str, redis: Redis) -> None:
    """A connection reaches one worker, and stays with it; which, nobody chooses."""
    limit = 40
    key = Sites(redis).add(Site("busy", requests_per_minute=limit))
    headers = {"Authorization": f"Bearer {key}"}
    n_granted = 0
    for _ in range(12):
        with httpx.Client(base_url=server, headers=headers) as connection:
            for _ in range(limit):
                answer = connection.get("/v1/queue/stats")
                if answer.status_code == 429:
                    assert 1 <= int(answer.headers["Retry-After"]) <= 60
                    break
                n_granted += 1
    assert limit <= n_granted <= limit + 4, "at most two more of each worker that had not heard"
