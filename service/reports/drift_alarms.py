"""Drift alarms: what the daily look at each site has found, for the metrics.

In a hash per site, ``{hakam:<site>}:drift``, from what was compared to its stability index and
whether that is beyond the site's alarm: ``score:insult -> 0.31 1``. What nobody has looked at for
`KEPT_SECONDS` is not known any more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from models.schema import LABELS
from service.reports.drift import MIXES, Shift
from service.store.connect import Redis
from service.store.errors import translating_redis_errors
from service.store.scripts import site_key

KEPT_SECONDS = 3 * 86_400
ABOUT = (*(f"score:{label}" for label in LABELS), *MIXES)


class Alarm(NamedTuple):
    """What is known of one thing that was compared, on all sites."""

    about: str  # one of `ABOUT`
    highest: float  # stability index of any site
    n_moved: int  # sites on which it is beyond their alarm


class DriftAlarms:
    """The alarms of all sites; StoreUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    @translating_redis_errors()
    def keep(self, site_id: str, shifts: Iterable[Shift], limit: float) -> None:
        """Keep what a look at a site has found, in place of what the last one had."""
        found = {
            shift.about: f"{shift.index:.3f} {int(shift.is_beyond(limit))}"
            for shift in shifts
            if shift.index is not None
        }
        key = site_key(site_id, "drift")
        with self._redis.pipeline() as pipe:
            pipe.delete(key)
            if found:
                pipe.hset(key, mapping=found)
                pipe.expire(key, KEPT_SECONDS)
            pipe.execute()

    @translating_redis_errors()
    def read(self, site_ids: Iterable[str]) -> Sequence[Alarm]:
        """Return what is known of these sites; what is known of none is not among it."""
        with self._redis.pipeline(transaction=False) as pipe:
            for site_id in site_ids:
                pipe.hmget(site_key(site_id, "drift"), ABOUT)
            found = [one for one in pipe.execute(raise_on_error=False) if isinstance(one, list)]
        alarms = []
        for about, column in zip(ABOUT, zip(*found, strict=True), strict=False):
            told = [known for known in map(_read, column) if known]
            if told:
                highest = max(index for index, _ in told)
                alarms.append(Alarm(about, highest, sum(moved for _, moved in told)))
        return alarms


def _read(stored: str | None) -> tuple[float, bool] | None:
    index, _, moved = (stored or "").partition(" ")
    try:
        known = float(index)
    except ValueError:
        return None
    return (known, moved == "1") if math.isfinite(known) else None
