"""What sites say about scores: labelled comments that nobody at the desk has checked.

Kept apart from the decisions of moderators. They reach training only as a file of their own
(``hakam feedback export``) that is handed to ``hakam-train fit`` on purpose.

Secret: where they are stored. Key schema::

    {hakam:<site>}:feedback   stream  comment (JSON of the labelled comment), community (opaque)

Entries older than the site's retention go with the next one that comes, and so does everything
beyond `MAX_ENTRIES`.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
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
    clock : callable
        Seconds since the epoch.
    """

    def __init__(self, redis: Any, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock

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
        oldest = int((self._clock() - site.retention_days * 86_400) * 1000)
        pipe = self._redis.pipeline()
        pipe.xadd(
            _key(site.id),
            {"comment": line.getvalue(), "community": community},
            maxlen=MAX_ENTRIES,
            approximate=True,
        )
        pipe.xtrim(_key(site.id), minid=max(0, oldest), approximate=True)
        pipe.execute()

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
