"""Daily counts, per site, and no text.

In a hash per site and day, ``{hakam:<site>}:<name>:<YYYY-MM-DD>``, kept `KEPT_DAYS`. What is
counted, whoever has the name says.

No answer waits for a count: they gather in memory and are written after an answer has gone out, at
most every `FLUSH_SECONDS`. What a killed worker had gathered is lost.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from service.errors import StoreUnavailable
from service.rules.times import day_of
from service.store.connect import Redis
from service.store.errors import is_wrong_kind, translating_redis_errors
from service.store.scripts import site_key

KEPT_DAYS = 35
FLUSH_SECONDS = 2.0
RETRY_SECONDS = 10.0
MAX_GATHERED = 100_000  # distinct counters kept while Redis is away

Counted = tuple[str, str, str]  # site, day, counter


class DailyCounts:
    """The counts of all sites under one name."""

    name: ClassVar[str]

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis
        self._clock = clock
        self._lock = threading.Lock()
        self._gathered: Counter[Counted] = Counter()
        self._due_at = float("-inf")

    def gather(self, site_id: str, counters: Iterable[str]) -> None:
        """Count one for each of these counters of today, in memory."""
        day = day_of(self._clock())
        with self._lock:
            if len(self._gathered) < MAX_GATHERED:
                for counter in counters:
                    self._gathered[site_id, day, counter] += 1

    def flush_if_due(self) -> None:
        """Write what was gathered, if there is any and the last write was long enough ago."""
        if self._gathered and self._clock() >= self._due_at:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered; keep it for the next time if Redis does not take it."""
        with self._lock:
            taken, self._gathered = self._gathered, Counter()
            self._due_at = self._clock() + FLUSH_SECONDS
        taken.update(self._counted_last())
        left: Mapping[Counted, int]
        try:
            left = self._write(taken)
        except StoreUnavailable:
            left = taken
        if left:
            with self._lock:
                self._gathered.update(left)
                self._due_at = self._clock() + RETRY_SECONDS

    def _counted_last(self) -> Mapping[Counted, int]:
        """Return what is only counted when all is written."""
        return {}

    @translating_redis_errors()
    def _write(self, taken: Mapping[Counted, int]) -> Mapping[Counted, int]:
        """Return what Redis refused and could take later, which a key of another kind cannot."""
        with self._redis.pipeline(transaction=False) as pipe:
            for (site_id, day, counter), n in taken.items():
                pipe.hincrby(self._key(site_id, day), counter, n)
            for site_id, day in {(site_id, day) for site_id, day, _counter in taken}:
                pipe.expire(self._key(site_id, day), KEPT_DAYS * 86400)
            answers = pipe.execute(raise_on_error=False)
        return {
            counted: n
            for (counted, n), answer in zip(taken.items(), answers, strict=False)
            if isinstance(answer, Exception) and not is_wrong_kind(answer)
        }

    @translating_redis_errors()
    def days(self, site_id: str, n_days: int) -> dict[str, dict[str, int]]:
        """Return the counts of the last days, today included, oldest first."""
        now = self._clock()
        days = [day_of(now - back * 86400) for back in reversed(range(n_days))]
        with self._redis.pipeline(transaction=False) as pipe:
            for day in days:
                pipe.hgetall(self._key(site_id, day))
            found = pipe.execute()
        return {
            day: {counter: int(n) for counter, n in counts.items() if n.isdecimal() and len(n) < 19}
            for day, counts in zip(days, found, strict=True)
        }

    def _key(self, site_id: str, day: str) -> str:
        return site_key(site_id, f"{self.name}:{day}")
