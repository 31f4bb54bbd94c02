"""The queue as a list: what waits, in an order that somebody chooses, with filters that combine.

Promises: a page is read by cursor and in scripts of a few milliseconds, none of which sorts; where
the filters leave little of much, a page ends after a while and says how far it looked. Texts that
are nearly the same are shown once, with their number.

The shortest line that holds all that is wanted is read. Where that has another order than the list,
its places are sorted here if it is short; else the line of the whole order is walked along.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
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
COST_OF_A_CALL = 300  # steps of a script, some milliseconds
MAX_SORTED = 2_000  # items of a line in another order
PLACES_AT_ONCE = 250  # of such a line, that one script reads or is given
MAX_SEEN = 30  # groups of copies that a cursor remembers, those that came last
LAST_MS = 10**13 - 1  # in the year 2286

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


@dataclass(frozen=True, slots=True)
class New:
    """How many came since; at least so many, where there was no time to look at all."""

    n: int
    exact: bool


@dataclass(slots=True)
class _Reading:
    """How far a list was read."""

    site_id: str
    wanted: Wanted
    place: str  # of the last one looked at
    since: str  # milliseconds; empty where all is wanted
    at_ms: int = 0
    line: str = ""
    places: Sequence[str] | None = None  # that are left, where they had to be sorted
    n_looked: int = 0
    done: bool = False

    @property
    def said_reported(self) -> str:
        """The filter as the scripts read it."""
        return "" if self.wanted.reported is None else str(int(self.wanted.reported))


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
        reading = self._begin(site_id, wanted, place)
        rows, ends_at = list[Any](), self._clock() + PAGE_SECONDS
        while not reading.done:
            groups, found = self._read_on(reading, seen, limit=limit - len(rows))
            rows += found
            seen = [*(group for group in seen if group not in groups), *groups]
            if len(rows) == limit or self._clock() >= ends_at:
                break
        items = [read_item(site_id, *row[1:4]) for row in rows]
        cursor = "" if reading.done else ".".join([reading.place, *seen[-MAX_SEEN:]])
        return ListPage(
            items,
            n_copies=[row[4] for row in rows],
            cursor=cursor,
            n_looked_at=reading.n_looked,
            gave_up=bool(cursor) and len(rows) < limit,
            at_ms=reading.at_ms,
        )

    def n_new(self, site_id: str, wanted: Wanted, since_ms: int) -> New:
        """Count what came after a time and passes the filters, up to `MAX_NEW`."""
        since = f"{min(since_ms, LAST_MS):013}"
        reading = self._begin(site_id, replace(wanted, order="newest"), "", since=since)
        n, ends_at = 0, self._clock() + PAGE_SECONDS
        while not reading.done and n < MAX_NEW:
            n += len(self._read_on(reading, [], limit=MAX_NEW - n)[1])
            if self._clock() >= ends_at:
                break
        return New(n, reading.done)

    def places(self, site_id: str, line: str, order: Order) -> Iterator[str]:
        """Yield the places that the items of a line have in an order, not yet in that order.

        The line `held` is what people hold.
        """
        cursor = ""
        while True:
            cursor, *found = self._verbs(
                site_id, "list_places", line=line, order=order, after=cursor, limit=PLACES_AT_ONCE
            )
            yield from found
            if not cursor:
                return

    def _begin(self, site_id: str, wanted: Wanted, after: str, *, since: str = "") -> _Reading:
        """Find the line of a list; where its items are to be sorted, their places as well."""
        reported = True if wanted.order == "reported" else wanted.reported
        reading = _Reading(site_id, replace(wanted, reported=reported), after, since)
        reading.at_ms, reading.line, has_order = self._verbs(
            site_id,
            "list_line",
            *wanted.facets,
            order=wanted.order,
            state=wanted.state,
            reported=reading.said_reported,
            most=MAX_SORTED,
        )
        if not has_order:
            reading.places = sorted(self._places(reading), reverse=wanted.order == "newest")
            reading.done = not reading.places
        return reading

    def _places(self, reading: _Reading) -> Iterator[str]:
        """Yield the places of a short line that come after the cursor, or after a time."""
        order, after = reading.wanted.order, reading.place
        for place in self.places(reading.site_id, reading.line, order):
            is_behind = place < after if order == "newest" else place > after
            if (is_behind or not after) and place[:13] > reading.since:
                yield place

    def _read_on(
        self, reading: _Reading, seen: Sequence[str], *, limit: int
    ) -> tuple[Sequence[str], Sequence[Any]]:
        """Run one script of a reading; return the groups that it came by, and the rows."""
        wanted, places = reading.wanted, reading.places
        place, more, n_looked, groups, *rows = self._verbs(
            reading.site_id,
            "list",
            *wanted.facets,
            line=reading.line,
            ordered=" ".join(places[:PLACES_AT_ONCE]) if places else "",
            order=wanted.order,
            after=reading.place,
            since=reading.since,
            state=wanted.state,
            why=wanted.why,
            version=wanted.version,
            reported=reading.said_reported,
            grouped=int(not wanted.copies and not reading.since),
            seen=" ".join(seen[-MAX_SEEN:]),
            limit=limit,
            most=COST_OF_A_CALL,
        )
        reading.place, reading.n_looked = place, reading.n_looked + n_looked
        if places is not None:
            reading.places = places = places[n_looked:]
        reading.done = not more if places is None else not places
        return groups, rows


def _read_cursor(cursor: str) -> tuple[str, list[str]]:
    """Return the place of a cursor, and the groups that were shown before it."""
    if not cursor:
        return "", []
    read = _CURSOR.fullmatch(cursor)
    if not read:
        raise InvalidRequest.of("before", "expected what an earlier page gave")
    return read[1], read[2].split(".")[1:]
