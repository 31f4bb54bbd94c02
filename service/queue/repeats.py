"""Repeats and floods: copies of a text, comments of an author, comments on an article, counted.

Promises: a comment sent again counts once; what is kept of a site is bounded, whatever comes; and
no answer waits for a count that has no say in it. Six keys of a site, which hold no words::

    :groups   hash  group of texts that are nearly the same -> sketch of the first, counts of two
                    windows, digests of the ids of the last comments
    :bands    hash  part of a sketch -> group, by which one that is nearly the same is found
    :grouped  zset  group, by the time at which a text of it came last; at most 20,000
    :paces    hash  facet of an author or an article -> counts of two windows, and what is usual
    :paced    zset  the same facets, by the time of the last comment; at most 20,000
    :raids    hash  facet of an article, or group -> the raid (JSON), at most 20

Of a site with a million comments a day they hold some 15 MB, and a text is known again while it
comes at least once among 20,000 others; of one with a thousand comments a day, all of two days.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from service.errors import SiteUnreadable, StoreUnavailable
from service.queue.records import Comment, facet, short_digest
from service.rules.repeats import MIN_LETTERS, Seen, letters_of, sketch
from service.store.connect import Redis
from service.store.scripts import Argument, Verbs, readable

MAX_PENDING = 10_000  # comments that wait to be counted; what comes beyond is not
AT_ONCE = 200  # comments in one script; Redis serves nobody else meanwhile
FLUSH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Raid:
    """A flood on an article, or of copies of one text; times are Unix time, by Redis' clock."""

    article_id: str  # of copies the last one; empty where the site did not say it
    article_title: str  # empty for copies, and where the site did not say it
    n_comments: int  # in ten minutes; of copies in a day
    usual: float  # in ten minutes, where it is about an article
    copies: str  # group of the text, where it is about copies
    since: float
    last: float


class Repeats:
    """What is counted of all sites."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._verbs = Verbs(redis, "queue")
        self._clock = clock
        self._pending: deque[tuple[str, int, Comment]] = deque(maxlen=MAX_PENDING)
        self._flushing = threading.Lock()
        self._due_at = float("-inf")

    def observe(self, site_id: str, comment: Comment, raid_factor: int) -> Seen:
        """Count a comment and say what came like it; StoreUnavailable without Redis."""
        (seen,) = self.observe_all(site_id, [comment], raid_factor)
        return seen

    def observe_all(
        self, site_id: str, comments: Sequence[Comment], raid_factor: int
    ) -> list[Seen]:
        """Do the same for many comments, in their order."""
        return [
            seen
            for start in range(0, len(comments), AT_ONCE)
            for seen in self._observe(site_id, comments[start : start + AT_ONCE], raid_factor)
        ]

    def note(self, site_id: str, comment: Comment, raid_factor: int) -> None:
        """Count a comment later, for raids alone; what a killed worker had noted is lost."""
        self._pending.append((site_id, raid_factor, comment))

    def flush_if_due(self) -> None:
        """Count what was noted, if the last time is long enough ago; without Redis it is dropped.

        Behind an answer, so that none waits for it.
        """
        if self._pending and self._clock() >= self._due_at:
            self.flush()

    def flush(self) -> None:
        """Count what was noted."""
        with self._flushing:
            self._due_at = self._clock() + FLUSH_SECONDS
            taken: dict[tuple[str, int], list[Comment]] = {}
            for _ in range(len(self._pending)):
                site_id, raid_factor, comment = self._pending.popleft()
                taken.setdefault((site_id, raid_factor), []).append(comment)
        for (site_id, raid_factor), comments in taken.items():
            try:
                self.observe_all(site_id, comments, raid_factor)
            except StoreUnavailable:
                continue  # of one site, or of all: a raid that goes on is seen a moment later

    def raids(self, site_id: str) -> list[Raid]:
        """Return the raids that go on or were over a short while ago, the latest first."""
        (found,) = self.raids_of([site_id])
        return readable(found)

    def raids_of(self, site_ids: Sequence[str]) -> list[list[Raid] | SiteUnreadable]:
        """Return the same of many sites."""
        return self._verbs.of_sites(site_ids, "raids", _raids)

    def _observe(self, site_id: str, comments: Sequence[Comment], raid_factor: int) -> list[Seen]:
        words = [word for comment in comments for word in _words(comment)]
        found = self._verbs(site_id, "observe", *words, raid_factor=raid_factor)
        return [Seen(group, n_copies, n_of_author) for group, n_copies, n_of_author in found]


def _words(comment: Comment) -> list[Argument]:
    """Return what the script is told of a comment."""
    letters = letters_of(comment.text)
    return [
        short_digest(letters) if letters else "",
        sketch(letters) if letters else "",
        int(len(letters) >= MIN_LETTERS),
        facet("author_id", comment.author_id) if comment.author_id else "",
        facet("article_id", comment.article_id) if comment.article_id else "",
        comment.article_id,
        comment.article_title,
        short_digest(comment.id, length=6),
    ]


def _raids(*records: str) -> list[Raid]:
    found = [_raid(json.loads(record)) for record in records]
    return sorted(found, key=lambda raid: -raid.since)


def _raid(record: dict[str, Any]) -> Raid:
    return Raid(
        article_id=record.get("article_id", ""),
        article_title=record.get("article_title", ""),
        n_comments=int(record.get("n", 0)),
        usual=float(record.get("usual", 0)),
        copies=record.get("copies", ""),
        since=record.get("since", 0) / 1000,
        last=record.get("at", 0) / 1000,
    )
