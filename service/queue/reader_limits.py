"""Limits of what readers send without a key: so many times an hour from one network.

Keys hold networks as digests only, and end after the hour.
"""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerHour
from limits.strategies import FixedWindowRateLimiter

from service.accounts.login_limits import network
from service.errors import RateLimited
from service.queue.records import short_digest
from service.store.connect import Redis
from service.store.counts import Counts
from service.store.errors import translating_redis_errors

MAX_AN_HOUR = 30

_LIMIT = RateLimitItemPerHour(MAX_AN_HOUR, namespace="reader")


class ReaderLimits:
    """Counts of what came from each network; StoreUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._limiter = FixedWindowRateLimiter(Counts(redis, "hakam:readers"))

    def spend(self, address: str) -> None:
        """Count one request from an address, or raise RateLimited."""
        count = short_digest("network", network(address))
        with translating_redis_errors():
            if self._limiter.hit(_LIMIT, count):
                return
            left = self._limiter.get_window_stats(_LIMIT, count).reset_time - time.time()
        raise RateLimited(MAX_AN_HOUR, max(1, math.ceil(left)), "an hour")
