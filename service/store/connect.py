"""Connecting to Redis: time limits, and the type of the client."""

from __future__ import annotations

import time
from collections.abc import Callable

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from service.errors import ConfigError
from service.store.circuit_breaker import CircuitBreaker

__all__ = ["TIMEOUT_SECONDS", "Redis", "await_answer", "connect"]

# A request waits this long for Redis and no longer: a site that gets no answer publishes blindly,
# and must be answered within a second.
TIMEOUT_SECONDS = 0.45


def connect(url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> Redis:
    """Return a client that gives up soon, behind a circuit breaker; it connects when first used."""
    if not url:
        raise ConfigError(["HAKAM_REDIS_URL is not set: expected the address of a Redis"])

    def client(retry: Retry) -> Redis:
        return Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=retry,
        )

    return client(CircuitBreaker(lambda: client(Retry(NoBackoff(), 0))))


def await_answer(url: str, is_running: Callable[[], bool], silence_seconds: float) -> bool:
    """Wait for a server that was just started; it may read its files for as long as it says so."""
    deadline = time.monotonic() + silence_seconds
    with Redis.from_url(url, socket_timeout=1.0, retry=Retry(NoBackoff(), 0)) as client:
        while is_running():
            try:
                client.ping()
            except BusyLoadingError:
                deadline = time.monotonic() + silence_seconds
            except RedisError:
                if time.monotonic() > deadline:
                    return False
            else:
                return True
            time.sleep(0.01)
    return False
