"""The queue as a list: what waits, in an order that somebody chooses, with filters that combine.

Promises: a page is read by cursor and in scripts of a few milliseconds; where the filters leave
little of much, a page ends after a while and says how far it looked. Texts that are nearly the same
are shown once, with their number.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from service.errors import InvalidRequest
from service.queue.encoding import read_item
from service.queue.records import ReviewItem, facet
from service.store.connect import Redis
from service.store.scripts import Verbs

Order = Literal["urgent", "newest", "oldest", "reported"]
ListState = Literal["pending", "leased", "escalated", "troubled"]
ORDERS: tuple[Order, ...] = get_args(Order)
STATES: tuple[ListState, ...] = get_args(ListState)

MAX_ROWS = 100
MAX_NEW = 99  # that are counted
PAGE_SECONDS = 0.08  # after which a page ends, however little was found
COST_OF_A_CALL = 800  # steps of a script, some milliseconds
MAX_SEEN = 30  # groups of copies that a cursor remembers, those that came last

_CURSOR = re.compile(r"((?:\d{3})?\d{13}[\w-]{12})((?:\.g[\w-]{8})*)", re.ASCII)
_FACETS = ("label", "dialect", "article_id", "author_id", "copies")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list shows; an empty filter lets all pass."""

    order: Order = "urgent"  # the most reported are those that readers reported, and no others
    state: ListState = "pending"
    label: str = ""
    dialect: str = ""
    article_id: str = ""
    author_id: str = ""
    copies: str = ""  # of one group, each on its own
    why: str = ""  # see `ReviewItem.why`
    version: str = ""  # of the model
    reported: bool | None = None

    @property
    def facets(self) -> list[str]:
        """Return the facets that all of it has."""
        return [facet(name, value) for name in _FACETS if (value := getattr(self, name))]


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list."""

    items: Sequence[ReviewItem]
    n_copies: Sequence[int]  # of each item: how many of its group wait, itself included
    cursor: str  # from which to read on; empty at the end
    n_looked_at: int
    gave_up: bool  # whether the page ended because it took long, and not because it was full
    at_ms: int  # when it was read, by Redis' clock


class Listing:
    """The lists of all sites; every method raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._verbs = Verbs(redis, "queue")
        self._clock = clock

    def page(self, site_id: str, wanted: Wanted, *, before: str = "", limit: int = 50) -> ListPage:
        """Return a page of a list, from a cursor on.

        InvalidRequest for what is no cursor of `page`.
        """
        if not 1 <= limit <= MAX_ROWS:
            raise InvalidRequest.of("limit", f"expected 1 to {MAX_ROWS}")
        place, seen = _read_cursor(before)
        rows = list[Any]()
        at_ms, n_looked_at, ends_at = 0, 0, self._clock() + PAGE_SECONDS
        while True:
            room = limit - len(rows)
            at, place, n, groups, *found = self._list(site_id, wanted, place, seen, limit=room)
            at_ms, n_looked_at = at_ms or at, n_looked_at + n
            rows += found
            seen = [*(group for group in seen if group not in groups), *groups]
            if not place or len(rows) == limit or self._clock() >= ends_at:
                break
        items = [read_item(site_id, *row[1:4]) for row in rows]
        cursor = ".".join([place, *seen[-MAX_SEEN:]]) if place else ""
        gave_up = bool(place) and len(rows) < limit
        return ListPage(items, [row[4] for row in rows], cursor, n_looked_at, gave_up, at_ms)

    def n_new(self, site_id: str, wanted: Wanted, since_ms: int) -> int:
        """Count what came after a time and passes the filters, up to `MAX_NEW`."""
        wanted = replace(wanted, order="newest")
        _at, _place, _n, _groups, *found = self._list(
            site_id, wanted, "", [], limit=MAX_NEW, since=str(since_ms)
        )
        return len(found)

    def _list(
        self,
        site_id: str,
        wanted: Wanted,
        after: str,
        seen: Sequence[str],
        *,
        limit: int,
        since: str = "",
    ) -> Sequence[Any]:
        reported = True if wanted.order == "reported" else wanted.reported
        return self._verbs(
            site_id,
            "list",
            *wanted.facets,
            order=wanted.order,
            after=after,
            since=since,
            state=wanted.state,
            why=wanted.why,
            version=wanted.version,
            reported="" if reported is None else str(int(reported)),
            grouped=int(not wanted.copies and not since),
            seen=" ".join(seen[-MAX_SEEN:]),
            limit=limit,
            most=COST_OF_A_CALL,
        )


def _read_cursor(cursor: str) -> tuple[str, list[str]]:
    """Return the place of a cursor, and the groups that were shown before it."""
    if not cursor:
        return "", []
    read = _CURSOR.fullmatch(cursor)
    if not read:
        raise InvalidRequest.of("before", "expected what an earlier page gave")
    return read[1], read[2].split(".")[1:]
