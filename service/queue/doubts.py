"""Doubtful decisions: those that deserve a second look, as a list of a site.

Promises: the list holds no word of anybody, so nothing is left in it that was erased or forgotten;
it is exchanged as a whole; what somebody has confirmed is not listed again. One key of a site::

    :doubts  hash  stream id -> how likely the decision is by what else was decided, or `stands`
                   looked_at -> when decisions were looked through, in milliseconds

How decisions are found doubtful, `service.reports.second_look` knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from service.queue.decisions import check_decision_id
from service.queue.encoding import read_decision
from service.queue.records import Decision
from service.store.connect import Redis
from service.store.scripts import Verbs

PAGE = 500  # entries that are read at once; Redis serves nobody else meanwhile


@dataclass(frozen=True, slots=True)
class Doubt:
    """A decision that deserves a second look."""

    decision: Decision
    share: float  # how likely it is by what else was decided, [0, 1]


@dataclass(frozen=True, slots=True)
class Doubts:
    """What is listed of a site, the least likely decision first."""

    doubts: list[Doubt]
    looked_at: float  # Unix time; 0 where nobody has looked yet


class DoubtfulDecisions:
    """The lists of all sites; every method raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._verbs = Verbs(redis, "queue")

    def latest(self, site_id: str, n_entries: int) -> Iterator[Decision]:
        """Read the last entries of the decision stream, at most so many, the newest first."""
        before = ""
        while n_entries > 0:
            limit = min(PAGE, n_entries)
            page = self._verbs(site_id, "latest_decisions", before=before, limit=limit)
            yield from (read_decision(*entry) for entry in page)
            if len(page) < limit:
                return
            before, n_entries = page[-1][0], n_entries - limit

    def exchange(self, site_id: str, shares: Mapping[str, float], oldest: str) -> int:
        """List other decisions, by stream id, of those back to the oldest; return how many."""
        words = [word for entry, share in shares.items() for word in (entry, f"{share:.4f}")]
        found = self._verbs(site_id, "doubts_list", *words, oldest=oldest or "0-0")
        return int(found[0])

    def read(self, site_id: str) -> Doubts:
        """Return the list, without what was taken back, replaced or forgotten since."""
        looked_at, *found = self._verbs(site_id, "doubts")
        listed = [Doubt(read_decision(*entry), float(share)) for share, entry in found]
        doubts = [
            one
            for one in listed
            if one.decision.stands and not one.decision.superseded and one.decision.comment
        ]
        return Doubts(sorted(doubts, key=lambda one: one.share), int(looked_at or 0) / 1000)

    def confirm(self, site_id: str, decision_id: str) -> bool:
        """Take a decision from the list, because it is right; return whether it was there."""
        check_decision_id("decision_id", decision_id)
        return bool(self._verbs(site_id, "doubts_confirm", decision=decision_id)[0])
