"""Feedback: what sites suggest about scores, as labelled comments that no moderator has checked.

They are kept apart from the decisions of moderators, and reach training only as a file of their own
(``hakam feedback export``) that is handed to ``hakam-train fit`` on purpose.

One suggestion is kept of each comment, the last. What only repeats a decision of our moderators,
because the site's system sends all of its decisions back, is none (`Feedback.expect`). Key schema::

    {hakam:<site>}:feedback         stream  comment (JSON of the labelled comment), key (a digest
                                            of its id)
    {hakam:<site>}:feedback_index   hash    key -> position; under the empty name the bytes of all
    {hakam:<site>}:feedback_echoes  zset    <key><0 or 1>, by the time until which it is expected

The sweep of `service.queue.retention` removes what is older than the site's retention; beyond
`MAX_ENTRIES` or `MAX_BYTES` the oldest go at once. Feedback names no author, so nobody's can be
erased by name.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from models.schema import LabeledComment, read_comments, write_comments
from service.queue.records import short_digest
from service.sites.site import Site
from service.store.connect import Redis
from service.store.errors import translating_redis_errors
from service.store.scripts import Verbs, site_key

MAX_ENTRIES = 100_000
MAX_BYTES = 64 * 1024 * 1024  # of a site
MAX_ID_LENGTH = 256
ECHO_SECONDS = 3_600  # within which a system sends back what we decided
PAGE = 1_000  # entries that are forgotten in one script

SOURCE = "site_feedback"


class Feedback:
    """The feedback of all sites; every method raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        self._verbs = Verbs(redis, "queue")

    def add(self, site: Site, comment: LabeledComment) -> bool:
        """Store a labelled comment in place of an earlier one; False for a repeated decision."""
        if len(comment.id) > MAX_ID_LENGTH:
            comment = replace(comment, id=f"digest:{short_digest(comment.id)}")
        line = io.StringIO()
        write_comments([comment], line)
        key, word = short_digest(comment.id), _word(max(comment.labels.values()) >= 0.5)
        added = self._verbs(
            site.id,
            "feedback_add",
            key=key,
            word=word,
            comment=line.getvalue(),
            max_entries=MAX_ENTRIES,
            max_bytes=MAX_BYTES,
        )
        return bool(added[0])

    def expect(self, site_id: str, comment_id: str, *, rejected: bool) -> None:
        """Say that the site's system will suggest what was decided here about a comment."""
        self._verbs(
            site_id,
            "feedback_expect",
            key=short_digest(comment_id),
            word=_word(rejected),
            echo_ms=ECHO_SECONDS * 1000,
        )

    def forget(self, site_id: str, before_ms: int) -> int:
        """Remove what came before a time (Unix time in milliseconds); return how much."""
        before = max(1, before_ms)
        return self._verbs.until_done(site_id, "feedback_forget", before=before, limit=PAGE)

    @translating_redis_errors()
    def read(
        self, site_id: str, after: str = "0", limit: int = 1_000
    ) -> list[tuple[str, LabeledComment]]:
        """Return feedback after a position with the positions of each, oldest first."""
        entries = self._redis.xrange(site_key(site_id, "feedback"), min=f"({after}", count=limit)
        lines = io.StringIO("".join(fields["comment"] for _, fields in entries))
        positions = (position for position, _ in entries)
        return list(zip(positions, read_comments(lines), strict=True))

    def read_all(self, site_id: str) -> Iterator[LabeledComment]:
        """Yield all feedback of a site, oldest first."""
        position = "0"
        while batch := self.read(site_id, position):
            yield from (comment for _, comment in batch)
            position = batch[-1][0]


def _word(toxic: bool) -> str:
    return "1" if toxic else "0"
