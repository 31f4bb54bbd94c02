"""Rate limiting: how many requests a site may send within a minute.

Each worker counts for itself and asks nobody before it answers. Behind an answer it adds what it
counted to the counts of all workers in Redis, and so hears of the others: at least once a second,
and whenever it has granted a twentieth of a site's quota. So a site gets no more than its quota and
what all workers grant within that time.

Requests are counted by minutes of the clock; of the last minute as much counts as of it lies within
the last sixty seconds (a sliding window counter). While Redis is down a worker takes for granted
that the others grant as much as it does.

Keys: ``{hakam:<site>}:requests:<minute>``, requests of a site in one minute of Unix time; kept
for three.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.errors import RateLimited, StoreUnavailable
from service.sites.site import Site
from service.store.connect import Redis
from service.store.errors import translating_redis_errors
from service.store.scripts import site_key

MINUTE = 60.0
EXCHANGE_SECONDS = 1.0
EXCHANGES_OF_A_QUOTA = 20
KEPT_SECONDS = 180


@dataclass(slots=True)
class _Counts:
    """Requests of one site, by minute."""

    unsent: Counter[int] = field(default_factory=Counter)  # to Redis
    totals: Mapping[int, int] = field(default_factory=dict)  # of all workers, says Redis
    weight: int = 1  # of a request that Redis does not know yet: as many take place elsewhere

    def add(self, now: float) -> None:
        """Count one request."""
        self.unsent[int(now // MINUTE)] += 1

    def hear(self, minutes: Sequence[int], sent: Sequence[int], total: Sequence[int]) -> None:
        """Take note of what was sent to Redis, and what it answered."""
        self.unsent.subtract(dict(zip(minutes, sent, strict=True)))
        self.unsent = Counter({m: n for m, n in self.unsent.items() if n and m >= minutes[0]})
        self.totals = dict(zip(minutes, total, strict=True))
        self.weight = 1

    def within_a_minute(self, now: float) -> int:
        """Return the requests of the last sixty seconds."""
        minute, passed = divmod(now, MINUTE)
        return self._of(minute) + math.ceil(self._of(minute - 1) * (MINUTE - passed) / MINUTE)

    def seconds_until(self, n_requests: int, now: float) -> int:
        """Return when so few will be within a minute, a minute at most, if none is added."""
        minute, passed = divmod(now, MINUTE)
        present, last = self._of(minute), self._of(minute - 1)
        if present <= n_requests:
            wait = MINUTE * (1 - (n_requests - present) / last) - passed
        else:
            wait = MINUTE * (2 - n_requests / present) - passed
        return min(max(1, math.ceil(wait)), int(MINUTE))

    def _of(self, minute: float) -> int:
        return self.totals.get(int(minute), 0) + self.weight * self.unsent[int(minute)]


class Quota:
    """The requests of all sites that have a quota, as one of a machine's workers counts them."""

    def __init__(
        self, redis: Redis, n_workers: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._redis: Any = redis
        self._n_workers = n_workers
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: defaultdict[str, _Counts] = defaultdict(_Counts)
        self._unsent: set[str] = set()  # ids of sites with counts that Redis does not have
        self._due_at = float("-inf")

    def spend(self, site: Site) -> None:
        """Count one request, or raise RateLimited; then it does not count."""
        if not (limit := site.requests_per_minute):
            return
        now = self._clock()
        with self._lock:
            counts = self._counts[site.id]
            if counts.within_a_minute(now) >= limit:
                raise RateLimited(limit, counts.seconds_until(limit - 1, now))
            self._add(site, now)
            if counts.weight == 1 and counts.unsent.total() * EXCHANGES_OF_A_QUOTA >= limit:
                self._due_at = now

    def note(self, site: Site) -> None:
        """Count a request that is granted whatever the quota is."""
        if site.requests_per_minute:
            with self._lock:
                self._add(site, self._clock())

    def exchange_if_due(self) -> None:
        """Tell Redis what was counted, and hear of the other workers, if it is time to."""
        now = self._clock()
        if not self._unsent or now < self._due_at:
            return
        minutes = (int(now // MINUTE) - 1, int(now // MINUTE))
        with self._lock:
            self._due_at = now + EXCHANGE_SECONDS
            site_ids, self._unsent = self._unsent, set()
            sent = {one: [self._counts[one].unsent[m] for m in minutes] for one in site_ids}
        try:
            totals = self._exchange(sent, minutes)
        except StoreUnavailable:
            totals = dict.fromkeys(sent)
        with self._lock:
            for site_id, total in totals.items():
                counts = self._counts[site_id]
                if total is None:
                    counts.weight = self._n_workers
                    self._unsent.add(site_id)
                    continue
                counts.hear(minutes, sent[site_id], total)

    def _add(self, site: Site, now: float) -> None:
        self._counts[site.id].add(now)
        self._unsent.add(site.id)

    @translating_redis_errors()
    def _exchange(
        self, sent: Mapping[str, Sequence[int]], minutes: Sequence[int]
    ) -> dict[str, list[int] | None]:
        """Return the totals of each site; None for one whose counts cannot be kept."""
        with self._redis.pipeline(transaction=False) as pipe:
            for site_id, counts in sent.items():
                for minute, n in zip(minutes, counts, strict=True):
                    key = site_key(site_id, f"requests:{minute}")
                    pipe.incrby(key, n)
                    pipe.expire(key, KEPT_SECONDS)
            answers = iter(pipe.execute(raise_on_error=False))
        totals = {site_id: [(next(answers), next(answers))[0] for _ in minutes] for site_id in sent}
        good = {one for one, total in totals.items() if all(isinstance(n, int) for n in total)}
        return {one: total if one in good else None for one, total in totals.items()}
