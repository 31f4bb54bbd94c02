"""Hesitation: up to which distance from being flagged a site's comments are chosen for people.

It follows from the daily counts of a week. A worker reads them behind an answer, at most every
`REFRESH_SECONDS` for a site that wants comments chosen, so that no answer waits for it; until then,
and while Redis is away, it goes by what it knew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from service.errors import StoreUnavailable
from service.reports.verdict_counts import VerdictCounts
from service.rules.uncertainty import farthest

REFRESH_SECONDS = 300.0
N_DAYS = 7

Days = Mapping[str, Mapping[str, int]]


class Hesitation:
    """The distances of all sites that asked for one."""

    def __init__(
        self, verdict_counts: VerdictCounts, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._verdict_counts = verdict_counts
        self._clock = clock
        self._lock = threading.Lock()
        self._read: dict[str, tuple[float, Days]] = {}  # by site: when, and what was found
        self._known: dict[tuple[str, int], float] = {}  # what follows from it, by site and budget

    def farthest(self, site_id: str, budget: int) -> float:
        """Return the distance, in log-odds, at which the budget of a day is about used up."""
        if not budget:
            return 0.0
        known = self._known.get((site_id, budget))
        if known is None:
            _at, days = self._read.setdefault(site_id, (float("-inf"), {}))
            known = self._known[site_id, budget] = farthest(days, budget, self._clock())
        return known

    def refresh_if_due(self) -> None:
        """Read the counts of the site for which that is longest due, if it is due for any."""
        with self._lock:
            sites = list(self._read)  # to which other threads may add
            due = min(sites, key=lambda site_id: self._read[site_id][0], default=None)
            now = self._clock()
            if due is None or now < self._read[due][0] + REFRESH_SECONDS:
                return
            days = self._read[due][1]
            self._read[due] = now, days  # others need not read it too
        try:
            days = self._verdict_counts.days(due, N_DAYS)
        except StoreUnavailable:
            return
        with self._lock:
            self._read[due] = now, days
            for key in list(self._known):
                if key[0] == due:
                    del self._known[key]
