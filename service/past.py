"""Reading back in the decision stream, which is ordered by time and by nothing else."""

import time
from collections.abc import Sequence

from service.access import services
from service.records import Decision
from service.review_queue import MAX_DECISIONS

MAX_READ = 20_000  # decisions; beyond that the oldest of the time asked for are left out
RECENT_SECONDS = 7 * 86_400.0
SHOWN = 50


def decided_since(site_id: str, since: float, *, at_most: int = MAX_READ) -> Sequence[Decision]:
    """Read the decisions taken since a moment (seconds since the epoch), oldest first."""
    queue, after, read = services().queue, str(int(since * 1000)), list[Decision]()
    while len(read) < at_most:
        page = queue.decisions(site_id, after=after, limit=MAX_DECISIONS)
        read += page
        if len(page) < MAX_DECISIONS:
            break
        after = page[-1].id
    return read


def decided_lately(site_id: str, name: str, value: str) -> list[Decision]:
    """Read the last decisions on an author, article or comment, the latest first.

    Opinions and answers to calibration items stay blind: they are not among them.

    Parameters
    ----------
    name : {"author_id", "article_id", "comment_id"}
    """
    last = decided_since(site_id, time.time() - RECENT_SECONDS)
    return [
        d
        for d in reversed(last)
        if not _blind(d) and d.comment is not None and _named(d, name) == value
    ][:SHOWN]


def _blind(decision: Decision) -> bool:
    return decision.kind == "opinion" or bool(decision.expected)


def _named(decision: Decision, name: str) -> str:
    if name == "comment_id" or decision.comment is None:
        return decision.comment_id
    return str(getattr(decision.comment, name))
