"""Circuit breaker for Redis: a silent server is waited for once, not once in every request.

A server that is stopped or cut off still takes connections and never answers, so whoever asks it
waits a whole timeout. Four such requests fill the threads of a worker, and then those that need no
Redis wait too. So the first timeout of a client makes it silent: from then on everything asked of
it fails at once, while a thread of its own keeps asking, until there is an answer. redis-py passes
every connection and command through the `Retry` of the client.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

T = TypeVar("T")


class CircuitBreaker(Retry):
    """One for all connections of a client; its probe is a client that knows of no silence."""

    def __init__(self, probe: Callable[[], Redis]) -> None:
        # Once more, where a connection has died since its last use.
        super().__init__(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        self._probe = probe
        self._silent = Event()
        self._noticing = Lock()

    def __deepcopy__(self, _memo: object) -> CircuitBreaker:
        return self  # redis-py gives each connection a copy, and all must know of the silence

    def call_with_retry(self, do: Callable[[], T], *args: Any, **options: Any) -> T:
        """Do what redis-py asks for, or fail at once while the server is silent."""
        if self._silent.is_set():
            raise RedisConnectionError("the server is silent")
        try:
            return super().call_with_retry(do, *args, **options)
        except RedisTimeoutError:
            self._notice()
            raise

    def _notice(self) -> None:
        with self._noticing:
            if not self._silent.is_set():
                self._silent.set()
                Thread(target=self._await_answer, name="redis-silence", daemon=True).start()

    def _await_answer(self) -> None:
        try:
            with self._probe() as redis:
                while _unanswered(redis):
                    pass  # each question takes one timeout
        finally:
            self._silent.clear()


def _unanswered(redis: Redis) -> bool:
    """Whether a question runs out of time; a refusal is an answer too."""
    try:
        redis.ping()
    except RedisTimeoutError:
        return True
    except RedisError:
        return False
    return False
