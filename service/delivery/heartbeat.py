"""Heartbeat of the processes beside the web server: that they live, and what they take.

They have no port of their own: each writes a line into Redis every few seconds, and the metrics of
the web server tell what stands there. Key schema::

    hakam:background   hash  random id of a process -> `Beat`, JSON; those of long ago are removed
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from threading import Event
from typing import Any, Literal

import structlog

from service.errors import StoreUnavailable
from service.logs import places
from service.processes import this_process
from service.store.connect import Redis
from service.store.errors import translating_redis_errors
from service.store.server_facts import server_time

EVERY_SECONDS = 5.0
ALIVE_SECONDS = 30.0  # after its last beat a process counts as one that has ended
_KEPT_SECONDS = 3_600.0
_KEY = "hakam:background"

log = structlog.get_logger()


Work = Literal["webhooks", "background"]
WORK: tuple[Work, ...] = ("webhooks", "background")  # the commands of `hakam` that these run


@dataclass(frozen=True, slots=True)
class Beat:
    """What a process said last; 0 bytes where its kernel does not tell."""

    does: str  # one of `WORK`
    at: float  # by the clock of Redis, Unix time
    resident_bytes: float = 0.0


class Heartbeat:
    """Says that this process lives, and reads who else does."""

    def __init__(self, redis: Redis, does: Work | Literal[""] = "") -> None:
        self._redis: Any = redis
        self._does = does  # empty for who only reads
        self._id = secrets.token_hex(8)

    def run(self, stop: Event) -> None:
        """Say so until `stop` is set, and then that it has ended."""
        said = False
        while not stop.is_set():
            try:
                self.beat()
                said = False
            except StoreUnavailable:
                pass  # which the deliveries say
            except Exception as error:  # noqa: BLE001 - a metric less must not end the loop
                if not said:
                    log.warning("heartbeat", error=type(error).__name__, places=places(error))
                said = True
            stop.wait(EVERY_SECONDS)
        with suppress(StoreUnavailable), translating_redis_errors():
            self._redis.hdel(_KEY, self._id)

    @translating_redis_errors()
    def beat(self) -> None:
        """Say that this process lives, and forget those that ended long ago."""
        now, process = server_time(self._redis), this_process()
        beat = Beat(self._does, now, process.resident_bytes if process else 0)
        old = [name for name, one in self._all().items() if now - one.at > _KEPT_SECONDS]
        self._redis.hset(_KEY, self._id, json.dumps(asdict(beat)))
        if old:
            self._redis.hdel(_KEY, *old)

    @translating_redis_errors()
    def alive(self) -> Sequence[Beat]:
        """Return the processes that live."""
        now = server_time(self._redis)
        return [one for one in self._all().values() if now - one.at <= ALIVE_SECONDS]

    def _all(self) -> dict[str, Beat]:
        found = {}
        for name, stored in self._redis.hgetall(_KEY).items():
            try:
                told = json.loads(stored)
                found[name] = Beat(
                    str(told["does"]), float(told["at"]), float(told["resident_bytes"])
                )
            except (ValueError, TypeError, LookupError):
                found[name] = Beat("", 0.0)  # damaged: as of one that ended long ago
        return found
