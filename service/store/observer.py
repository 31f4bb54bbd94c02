"""Observer of Redis: hears how long answers take, which fail, and whether a server is silent.

What it is told holds no command, key or value. It is called on the path of requests, so it must be
quick and raise nothing.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any, Literal

from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

Fault = Literal["timeout", "connection"]


class Observer:
    """Takes no notice; who wants to know overrides this."""

    def answered(self, seconds: float) -> None:
        """Hear of an answer: to a command, or the first one to several that were sent together."""

    def failed(self, fault: Fault) -> None:
        """Hear that a server could not be asked, or did not answer."""

    def silent(self, *, is_silent: bool) -> None:
        """Hear that a circuit breaker has opened, or closed again."""


class Observed(AbstractConnection):
    """What makes a connection of redis-py tell an observer."""

    observer: Observer
    _sent_at = 0.0  # 0 when nothing was sent whose answer is awaited

    def connect_check_health(self, *args: Any, **options: Any) -> None:
        """Connect."""
        try:
            super().connect_check_health(*args, **options)
        except (RedisTimeoutError, RedisConnectionError) as error:
            self._tell(error)
            raise

    def send_packed_command(self, *args: Any, **options: Any) -> None:
        """Send one command, or several."""
        sent_at = perf_counter()
        try:
            super().send_packed_command(*args, **options)  # type: ignore[no-untyped-call]
        except (RedisTimeoutError, RedisConnectionError) as error:
            self._tell(error)
            raise
        self._sent_at = sent_at

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Wait for an answer."""
        try:
            return super().read_response(*args, **options)
        except (RedisTimeoutError, RedisConnectionError) as error:
            self._tell(error)
            self._sent_at = 0.0
            raise
        finally:
            if self._sent_at:
                self.observer.answered(perf_counter() - self._sent_at)
                self._sent_at = 0.0

    def _tell(self, error: Exception) -> None:
        self.observer.failed("timeout" if isinstance(error, RedisTimeoutError) else "connection")
