"""What sites say about scores: labelled comments that nobody at the desk has checked.

Kept apart from the decisions of moderators. They reach training only as a file of their own
(``hakam feedback export``) that is handed to ``hakam-train fit`` on purpose.

Secret: where they are stored. Key schema::

    {hakam:<site>}:feedback   stream  comment (JSON of the labelled comment), community (opaque)

The sweep of `service.retention` removes what is older than the site's retention; beyond
`MAX_ENTRIES` the oldest go at once. Feedback names no author, so nobody's can be erased by name.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from models.schema import LabeledComment, read_comments, write_comments
from service.errors import translating_redis_errors
from service.sites import Site

MAX_ENTRIES = 100_000

SOURCE = "site_feedback"


class Feedback:
    """The feedback of all sites.

    Parameters
    ----------
    redis : redis.Redis
        A client with ``decode_responses=True``; used, never closed.
    """

    def __init__(self, redis: Any) -> None:
        self._redis = redis

    @translating_redis_errors()
    def add(self, site: Site, comment: LabeledComment, *, community: str = "") -> None:
        """Store one labelled comment of source `SOURCE`.

        Raises
        ------
        StoreUnavailable
            Redis cannot be reached.
        """
        line = io.StringIO()
        write_comments([comment], line)
        entry = {"comment": line.getvalue(), "community": community}
        self._redis.xadd(_key(site.id), entry, maxlen=MAX_ENTRIES, approximate=True)

    @translating_redis_errors()
    def forget(self, site_id: str, before_ms: int) -> int:
        """Remove what came before a time (milliseconds since the epoch); return how much.

        Raises
        ------
        StoreUnavailable
            Redis cannot be reached.
        """
        n_forgotten: int = self._redis.xtrim(
            _key(site_id), minid=max(0, before_ms), approximate=False
        )
        return n_forgotten

    @translating_redis_errors()
    def read(
        self, site_id: str, after: str = "0", limit: int = 1_000
    ) -> list[tuple[str, LabeledComment]]:
        """Return feedback with its positions, oldest first.

        Parameters
        ----------
        after : str
            Position after which to begin; "0" for the beginning.
        limit : int
            At most this many.

        Raises
        ------
        StoreUnavailable
            Redis cannot be reached.
        """
        entries = self._redis.xrange(_key(site_id), min=f"({after}", count=limit)
        lines = io.StringIO("".join(fields["comment"] for _, fields in entries))
        positions = (position for position, _ in entries)
        return list(zip(positions, read_comments(lines), strict=True))

    def read_all(self, site_id: str) -> Iterator[LabeledComment]:
        """Yield all feedback of a site, oldest first.

        Raises
        ------
        StoreUnavailable
            Redis cannot be reached.
        """
        position = "0"
        while batch := self.read(site_id, position):
            yield from (comment for _, comment in batch)
            position = batch[-1][0]


def _key(site_id: str) -> str:
    return f"{{hakam:{site_id}}}:feedback"
