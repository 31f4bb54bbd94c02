"""Articles: how many comments each gets by the hour, and what a page shows of one.

Promises: no answer waits for a count; what is kept of a site is bounded, whatever comes: the hours
of a week in which something came, of the 20,000 articles on which something came last. What a
killed worker had counted is lost, two seconds at most. Two keys of a site, which hold no words::

    :heat    hash  facet of an article -> <hour since 1970>:<passed>,<held>,<rejected> ...
    :heated  zset  the same facets, by the time of the last count
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.errors import StoreUnavailable
from service.queue.notes import shown_notes
from service.queue.records import Note, facet
from service.rules.policy import Action
from service.store.connect import Redis
from service.store.scripts import Argument, Verbs

HOURS = 168  # that are kept, as in heat_add.lua
AT_ONCE = 40  # articles and hours in one script: no more than it forgets of old ones
MAX_GATHERED = 10_000  # counts that wait to be written; what comes beyond is not counted
FLUSH_SECONDS = 2.0

_HOUR = re.compile(r"(\d{1,9}):(\d{1,9}),(\d{1,9}),(\d{1,9})", re.ASCII)
_ACTIONS: tuple[Action, ...] = ("approve", "review", "reject")


@dataclass(frozen=True, slots=True)
class Hour:
    """What became of the comments on an article that came within an hour."""

    begins: int  # Unix time
    n_passed: int
    n_held: int  # for a person
    n_rejected: int  # by the policy


@dataclass(frozen=True, slots=True)
class ArticlePage:
    """What is known of an article."""

    hours: Sequence[Hour]  # those in which something came, the oldest first
    notes: Sequence[Note]  # the newest first
    n_waiting: int  # comments that wait or are held by somebody


class Articles:
    """The articles of all sites."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._verbs = Verbs(redis, "queue")
        self._clock = clock
        self._lock = threading.Lock()
        self._gathered: Counter[tuple[str, str, int, Action]] = Counter()
        self._due_at = float("-inf")

    def page(self, site_id: str, article_id: str) -> ArticlePage:
        """Return what is known of an article, at one time; StoreUnavailable without Redis."""
        article = facet("article_id", article_id)
        hours, notes, n_waiting = self._verbs(site_id, "article_page", article=article)
        found = [tuple(map(int, one)) for one in _HOUR.findall(hours or "")]
        begun = [Hour(hour * 3_600, *counts) for hour, *counts in sorted(found)]
        return ArticlePage(begun, shown_notes(notes), n_waiting)

    def note(self, site_id: str, article_id: str, action: Action) -> None:
        """Count a comment on an article that came now, in memory."""
        if not article_id:
            return
        counted = (site_id, facet("article_id", article_id), int(self._clock() // 3_600), action)
        with self._lock:
            if counted in self._gathered or len(self._gathered) < MAX_GATHERED:
                self._gathered[counted] += 1

    def flush_if_due(self) -> None:
        """Write what was counted, if the last time is long enough ago; without Redis it is dropped.

        Behind an answer, so that none waits for it.
        """
        if self._gathered and self._clock() >= self._due_at:
            self.flush()

    def flush(self) -> None:
        """Write what was counted."""
        with self._lock:
            taken, self._gathered = self._gathered, Counter()
            self._due_at = self._clock() + FLUSH_SECONDS
        for site_id in sorted({site_id for site_id, *_ in taken}):
            places = sorted({(one[1], one[2]) for one in taken if one[0] == site_id})
            for start in range(0, len(places), AT_ONCE):
                words: list[Argument] = []
                for article, hour in places[start : start + AT_ONCE]:
                    n_of = [taken[site_id, article, hour, action] for action in _ACTIONS]
                    words += [article, hour, *n_of]
                try:
                    self._verbs(site_id, "heat_add", *words)
                except StoreUnavailable:
                    break  # of one site, or of all: what came meanwhile is not in the chart
