"""How often somebody may be wrong at the door.

Secret: what is counted, and for how long. Failures are counted by name and address together, by
address, and by name, each in a key that expires by itself; names and addresses stand in the keys
only as digests.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from service.errors import ServiceError

WINDOW_SECONDS = 15 * 60
#: Failures allowed per window: from one address for one name, from one address, for one name.
#: The last is generous, so that a stranger cannot lock somebody out with a handful of requests.
LIMITS = {"pair": 5, "address": 30, "name": 100}


class LoginThrottled(ServiceError):
    """Too many failed attempts; ``retry_after_seconds`` says when the next one counts."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many failed attempts; wait {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class Throttle:
    """Counts of failures in Redis, whose errors are the caller's to translate.

    Parameters
    ----------
    redis : redis.Redis
        With ``decode_responses=True``.
    prefix : str
        Of the keys.
    """

    def __init__(self, redis: Any, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    def check(self, name: str, address: str) -> None:
        """Let one more attempt pass.

        Raises
        ------
        LoginThrottled
            There were too many.
        """
        keys = self._keys(name, address)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.mget(keys)
            for key in keys:
                pipe.ttl(key)
            counts, *waits = pipe.execute()
        over = [
            wait
            for count, wait, limit in zip(counts, waits, LIMITS.values(), strict=True)
            if int(count or 0) >= limit
        ]
        if over:
            raise LoginThrottled(max(1, *over))

    def count(self, name: str, address: str) -> None:
        """Count a failure."""
        with self._redis.pipeline() as pipe:
            for key in self._keys(name, address):
                pipe.set(key, 0, ex=WINDOW_SECONDS, nx=True)
                pipe.incr(key)
            pipe.execute()

    def forgive(self, name: str, address: str) -> None:
        """Forget the failures of a name at an address, after it got in."""
        self._redis.delete(self._keys(name, address)[0])

    def _keys(self, name: str, address: str) -> Sequence[str]:
        counted = zip(LIMITS, (f"{name}\n{address}", address, name), strict=True)
        return [
            f"{self._prefix}{kind}:{hashlib.sha256(what.encode()).hexdigest()[:32]}"
            for kind, what in counted
        ]
