"""Clock jumps of Redis: what is due is moved with its clock.

Promises: a lease ends, a skipped item comes back and a delivery is made after the time that was
meant, whatever the clock of Redis is set to meanwhile; only what is taken or put there between the
jump and the next look, half a second later, may end or come too early. What did happen keeps the
time that the clock showed then, so the order of the line and statistics are as wrong as the clock
was. A jump that comes while no process looks is not noticed; a failover to a server whose clock is
another one is a jump.
"""

from __future__ import annotations

import time
from threading import Event
from typing import Any

import structlog

from service import tracing
from service.errors import SiteUnreadable, StoreUnavailable
from service.logs import places
from service.sites.sites import Sites
from service.store.connect import Redis, primaries, primary_of
from service.store.durability import KEY
from service.store.errors import translating_redis_errors
from service.store.scripts import Verbs, site_key

LOOK_EVERY_SECONDS = 0.5
SMALLEST_JUMP_SECONDS = 2.0  # less is no harm; clocks that are put right slowly move far less
SLOWEST_ANSWER_SECONDS = 0.5  # a slower one does not say when Redis looked at its clock

log = structlog.get_logger()

# Nobody sets it, and it goes on while a computer sleeps; on macOS the monotonic clock does so too.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class ClockWatch:
    """Compares the clock of Redis with that of this computer's running time."""

    def __init__(self, redis: Redis, sites: Sites) -> None:
        self._redis: Any = redis
        self._sites = sites
        self._verbs = Verbs(redis, "queue")
        self._ahead: dict[str, float] = {}  # of Redis' clock, seconds; in a Cluster of each node's
        self._owed: dict[str, float] = {}  # jumps that sites are still to be moved by

    def run(self, stop: Event) -> None:
        """Look twice a second until `stop` is set."""
        while not stop.is_set():
            try:
                self.look()
            except StoreUnavailable:
                pass  # the next look compares with the same
            except Exception as error:  # noqa: BLE001 - the next look may fare better
                log.warning("clock", error=type(error).__name__, places=places(error))
            stop.wait(LOOK_EVERY_SECONDS)

    def look(self) -> None:
        """Compare the clocks; where Redis' has jumped, move what is due of all sites.

        What could not be moved, because of StoreUnavailable, is moved at the next look.
        """
        with translating_redis_errors():
            for place, server in primaries(self._redis, KEY).items():
                self._compare(place, server)
        for site_id, owed in list(self._owed.items()):
            try:
                with tracing.span("shift", site=site_id):
                    self._verbs(site_id, "shift", jump_ms=round(owed * 1000))
            except SiteUnreadable as fault:
                log.warning("clock", site=site_id, error=str(fault))
            del self._owed[site_id]

    def _compare(self, place: str, server: Any) -> None:
        began = time.clock_gettime(_CLOCK)
        seconds, microseconds = server.time()
        answered = time.clock_gettime(_CLOCK)
        if answered - began > SLOWEST_ANSWER_SECONDS:
            return
        ahead = seconds + microseconds / 1e6 - (began + answered) / 2
        jump = ahead - self._ahead.get(place, ahead)
        if abs(jump) > SMALLEST_JUMP_SECONDS:
            log.warning("clock", jumped_seconds=round(jump))
            for site in self._sites.list():
                if primary_of(self._redis, site_key(site.id, "leases")) is server:
                    self._owed[site.id] = self._owed.get(site.id, 0.0) + jump
        self._ahead[place] = ahead
