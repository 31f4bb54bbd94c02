"""Circuit breaker for Redis: a silent server is waited for once, not once in every request.

A server that is stopped or cut off still takes connections and never answers, so whoever asks it
waits a whole timeout. Four such requests fill the threads of a worker, and then those that need no
Redis wait too. So the first timeout makes a server silent: from then on everything asked of it
fails at once, while a thread of its own keeps asking, until there is an answer. Each server stands
for itself: another node of a Cluster, or the new primary after a failover, is asked as before.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, Thread
from typing import Any

from redis import Redis
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.store.observer import Observer


class CircuitBreaker:
    """One for all connections of a client; its probe connects to a server and knows no silence."""

    def __init__(self, probe: Callable[[str], Redis], observer: Observer) -> None:
        self._probe = probe
        self._observer = observer
        self._silent: set[str] = set()
        self._noticing = Lock()

    def refuse_silent(self, server: str) -> None:
        """Raise where a server is silent."""
        if server in self._silent:
            raise RedisConnectionError("the server is silent")

    def notice(self, server: str) -> None:
        """Take note that a server did not answer in time."""
        with self._noticing:
            if server not in self._silent:
                self._silent.add(server)
                self._observer.silent(is_silent=True)
                name = "redis-silence"
                Thread(target=self._await_answer, args=(server,), name=name, daemon=True).start()

    def _await_answer(self, server: str) -> None:
        try:
            with self._probe(server) as redis:
                while _unanswered(redis):
                    pass  # each question takes one timeout
        finally:
            self._silent.discard(server)
            self._observer.silent(is_silent=False)


def _unanswered(redis: Redis) -> bool:
    """Whether a question runs out of time; a refusal is an answer too."""
    try:
        redis.ping()
    except RedisTimeoutError:
        return True
    except RedisError:
        return False
    return False


class Breaking(AbstractConnection):
    """What makes a connection of redis-py fail at once while its server is silent."""

    breaker: CircuitBreaker

    def connect_check_health(self, *args: Any, **options: Any) -> None:
        """Connect, unless the server is silent."""
        if not self.is_connected:
            self.breaker.refuse_silent(self._server())
        try:
            super().connect_check_health(*args, **options)
        except RedisTimeoutError:
            self.breaker.notice(self._server())
            raise

    def send_packed_command(self, *args: Any, **options: Any) -> None:
        """Send, unless the server is silent."""
        if self.is_connected:
            self.breaker.refuse_silent(self._server())
        try:
            super().send_packed_command(*args, **options)  # type: ignore[no-untyped-call]
        except RedisTimeoutError:
            self.breaker.notice(self._server())
            raise

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Wait for an answer, and take note where there is none."""
        # Those that Sentinels manage would stay open, and what comes late would answer another.
        options.setdefault("disconnect_on_error", True)
        try:
            return super().read_response(*args, **options)
        except RedisTimeoutError:
            self.breaker.notice(self._server())
            raise

    def _server(self) -> str:
        return str(self._host_error())  # type: ignore[no-untyped-call]
