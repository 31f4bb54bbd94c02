"""Reading back in the decision stream, which is ordered by time and by nothing else.

The newest are read first, and no more than `MAX_READ` of them: what lies before is left out, and
whoever asked is told from which moment on nothing is missing.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from service.queue.decisions import MAX_DECISIONS
from service.queue.records import Decision
from service.services import services

MAX_READ = 20_000  # decisions
RECENT_SECONDS = 7 * 86_400.0
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Past:
    """Decisions, and how much of the time that was asked for they are.

    Attributes
    ----------
    decisions : sequence of Decision
    whole_since : float
        Seconds since the epoch; what was decided before is not looked at. 0.0 when nothing that was
        asked for is left out.
    n_read : int
        How many decisions were looked at.
    n_damaged : int
        How many of those cannot be read, as a whole or in the words kept beside them.
    more : bool
        Whether more were found than are given.
    """

    decisions: Sequence[Decision]
    whole_since: float
    n_read: int
    n_damaged: int = 0
    more: bool = False


def decided_since(site_id: str, since: float) -> Past:
    """Read the decisions taken since a moment (seconds since the epoch), oldest first."""
    reading = _Reading(site_id, since)
    newest_first = list(reading)
    return reading.past(newest_first[::-1])


def decided_lately(site_id: str, name: str, value: str) -> Past:
    """Read the last `SHOWN` decisions of a week on an author, article or comment, the latest first.

    Opinions and judgements on known answers stay blind: they are not among them.

    Parameters
    ----------
    name : {"author_id", "article_id", "comment_id"}
    """
    reading, found = _Reading(site_id, time.time() - RECENT_SECONDS), list[Decision]()
    for decision in reading:
        if _blind(decision) or decision.comment is None or _named(decision, name) != value:
            continue
        if len(found) == SHOWN:
            return replace(reading.past(found), more=True)
        found.append(decision)
    return reading.past(found)


class _Reading:
    """The decisions since a moment, the latest first; it ends at `MAX_READ` and says where."""

    def __init__(self, site_id: str, since: float) -> None:
        self._site_id, self._since = site_id, str(int(since * 1000))
        self.whole_since = 0.0
        self.n_read = self.n_damaged = 0

    def past(self, found: Sequence[Decision]) -> Past:
        """Return what was found, with what is to be said about the reading."""
        return Past(found, self.whole_since, self.n_read, self.n_damaged)

    def __iter__(self) -> Iterator[Decision]:
        before = ""
        while True:
            left = MAX_READ - self.n_read
            limit = min(left, MAX_DECISIONS) or 1  # one more says whether anything is left out
            page = services().decisions.latest(
                self._site_id, before=before, since=self._since, limit=limit
            )
            if page and not left:
                self.whole_since = int(before.partition("-")[0]) / 1000
                return
            for decision in page:
                self.n_read += 1
                self.n_damaged += decision.damaged
                yield decision
            if len(page) < limit:
                return
            before = page[-1].id


def _blind(decision: Decision) -> bool:
    return decision.kind == "opinion" or bool(decision.expected)


def _named(decision: Decision, name: str) -> str:
    if name == "comment_id" or decision.comment is None:
        return decision.comment_id
    return str(getattr(decision.comment, name))
