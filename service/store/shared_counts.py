"""Shared counts: what several processes count, added up in Redis, so that one can tell all of it.

Each process counts in memory and adds to what is stored once in a while; what it could not add is
added the next time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import Any

from service.errors import StoreUnavailable
from service.store.connect import Redis
from service.store.errors import translating_redis_errors


class SharedCounts:
    """The counts under one key, a hash: name -> how many, since the store was new."""

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis: Any = redis
        self._key = key
        self._counted: Counter[str] = Counter()  # of this process, not added yet
        self._lock = Lock()

    def count(self, name: str) -> None:
        """Count one more, in memory."""
        with self._lock:
            self._counted[name] += 1

    def write(self) -> None:
        """Add what this process counted to what is stored; StoreUnavailable without Redis."""
        with self._lock:
            taken, self._counted = self._counted, Counter()
        if not taken:
            return
        try:
            with translating_redis_errors(), self._redis.pipeline() as pipe:
                for name, n in taken.items():
                    pipe.hincrby(self._key, name, n)
                pipe.execute()
        except StoreUnavailable:
            with self._lock:
                self._counted.update(taken)
            raise

    @translating_redis_errors()
    def read(self, names: Sequence[str]) -> list[int]:
        """Return what is stored; StoreUnavailable without Redis."""
        return [int(n or 0) for n in self._redis.hmget(self._key, names)]
