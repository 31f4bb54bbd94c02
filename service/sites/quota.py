"""Rate limiting: how many requests a minute a site may send."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from service.errors import RateLimited
from service.sites.sites import Site


class Quota:
    """How many requests a minute a site may send.

    The count is kept in each worker's memory, so that it costs nothing and holds while Redis is
    down; every worker grants its share.

    Parameters
    ----------
    n_workers : int
        Number of workers that share the requests of a site.
    """

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def spend(self, site: Site) -> None:
        """Count one request.

        Raises
        ------
        RateLimited
            As many came within the last minute.
        """
        if not site.requests_per_minute:
            return
        share = RateLimitItemPerMinute(math.ceil(site.requests_per_minute / self._n_workers))
        if not self._limiter.hit(share, site.id):
            reset = self._limiter.get_window_stats(share, site.id).reset_time
            raise RateLimited(site.requests_per_minute, max(1, math.ceil(reset - time.time())))
