"""Counts of attempts in Redis, for the limits of the library `limits`."""

from __future__ import annotations

from limits.storage import RedisStorage
from redis.exceptions import ResponseError

from service.store.connect import Redis


class Counts(RedisStorage):
    """Counts on the connections of a client, and so behind its circuit breaker."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        super(RedisStorage, self).__init__("redis://")  # RedisStorage would make its own client
        self.key_prefix, self.target_server = prefix, "redis"
        self.dependency = self.dependencies["redis"].module
        self.storage = redis
        self.initialize_storage("redis://")

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a count; one that somebody spoilt begins anew."""
        try:
            return super().incr(key, expiry, amount)
        except ResponseError:  # what is stored is no number
            self.clear(key)
            return super().incr(key, expiry, amount)
