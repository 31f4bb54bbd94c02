"""Search: comments by their words, people, articles, labels, states and days, the newest first.

Promises: all that a plain reading of the texts would find is found, in the order in which the
comments came; Redis works for a few milliseconds at a time, and a call ends after the time it was
given, whatever is asked: it says how far it looked, and the next one goes on there.

Every item that is kept stands in one key, but for known answers::

    :arrivals  zset  <time it came, 13 digits><item id><signature>, in lexical order

A signature (see `search_terms`) tells of most comments at once that they are not wanted; the others
are read. The scripts that take a comment in, change or forget it keep its place and signature.

Where a read model holds all that is asked for, that is read instead, and costs no more than it
holds: the line of all that waits, what people hold, and the list of a moderator's decisions. Along
that, what they hold comes first, and then what they decided, the latest decision first.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from service.errors import InvalidRequest, ItemNotFound, ItemUnreadable
from service.queue.encoding import read_item
from service.queue.listing import LAST_MS, PLACES_AT_ONCE, Listing
from service.queue.records import ReviewItem, facet, item_id_of
from service.queue.review_queue import ReviewQueue
from service.rules.search_terms import ARTICLE_TITLE, AUTHOR_NAME, TEXT, Terms, fingerprint
from service.store.connect import Redis
from service.store.scripts import Verbs

WORK = 1_500  # of one call, in looks at a signature (see search.lua): some milliseconds
MAX_SHOWN = 100

NOTHING = Terms()

WhereItIs = Literal["waiting", "held", "approved", "rejected", "withdrawn"]

_PLACE = re.compile(r"[0-9]{13}[A-Za-z0-9_-]{12}")
_IN_LIST = re.compile(r"[0-9]{13}-[0-9]{6}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a comment must be to be found; whatever is empty does not matter."""

    text: Terms = NOTHING  # in the comment itself
    author: str = ""  # the id, or words of the name
    article: str = ""  # the id, or words of the title
    comment_id: str = ""
    label: str = ""
    state: WhereItIs | Literal[""] = ""
    moderator: str = ""  # who decided it, or holds it
    first_ms: int = 0  # when it came, Unix time in milliseconds
    last_ms: int = LAST_MS

    @property
    def by_decision(self) -> bool:
        """Whether a moderator's decisions are looked through, and not the comments."""
        return bool(self.moderator and self.state != "held" and not self._is_narrow)

    @property
    def along(self) -> str:
        """What is looked through (see ``lua/search.lua``), where it is not what people hold."""
        if self.by_decision:
            return facet("moderator", self.moderator)
        return "n" if self.state == "waiting" and not self._is_narrow else ""

    @property
    def _is_narrow(self) -> bool:
        """Whether signatures tell of most comments that they are not wanted."""
        return bool(self.comment_id or next(self.clauses(), ""))

    def clauses(self) -> Iterator[str]:
        """Yield what the script compares signatures with (see ``lua/search.lua``)."""
        for print_ in self.text.fingerprints(TEXT):
            yield f"w{print_}"
        for slot, name, kind, value in (
            ("u", "author_id", AUTHOR_NAME, self.author),
            ("a", "article_id", ARTICLE_TITLE, self.article),
        ):
            if value:
                is_this = slot + fingerprint("", facet(name, value))
                named = [f"w{print_}" for print_ in Terms.of(value).fingerprints(kind)]
                yield from (is_this + one for one in named or [""])
        if self.label:
            yield "l" + fingerprint("", facet("label", self.label))

    def fits(self, item: ReviewItem, record: str) -> bool:
        """Return whether it is this item, as far as its text and its record say."""
        comment = item.comment
        return (
            not item.damaged
            and self.first_ms <= round(item.enqueued_at * 1000) <= self.last_ms
            and (not self.comment_id or comment.id == self.comment_id)
            and (not self.label or item.verdict.label == self.label)
            and (not self.text or self.text.are_in(comment.text))
            and _is_or_says("author_id", self.author, item, record, comment.author_name)
            and _is_or_says("article_id", self.article, item, record, comment.article_title)
        )


def _is_or_says(name: str, value: str, item: ReviewItem, record: str, words: str) -> bool:
    if not value or getattr(item.comment, name) == value:
        return True
    if not item.comment.text:  # it is gone, and what is left of the author is a short digest
        return f'"{facet(name, value)}"' in record
    terms = Terms.of(value)
    return bool(terms) and terms.are_in(words)


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item, and the last word on it where it is decided: approve or reject."""

    item: ReviewItem
    action: str


@dataclass(frozen=True, slots=True)
class Found:
    """What one call found, and how far it looked."""

    items: Sequence[FoundItem]  # the newest first
    cursor: str  # where to go on; empty once all was looked at
    n_looked: int
    share: float  # of all that may be looked at, from the newest on, the calls before included
    reached: float  # Unix time of the last comment that was looked at; 0 once that were all


NO_MORE = Found((), "", 0, 1.0, 0.0)


class Search:
    """Search on all sites; StoreUnavailable without Redis."""

    def __init__(
        self, redis: Redis, queue: ReviewQueue, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._verbs = Verbs(redis, "queue")
        self._queue = queue
        self._listing = Listing(redis)
        self._clock = clock

    def find(
        self, site_id: str, asked: Asked, *, before: str = "", limit: int = 50, seconds: float = 0.1
    ) -> Found:
        """Look for comments until so many are found, or for so long; `before` is a cursor."""
        if not 1 <= limit <= MAX_SHOWN:
            raise InvalidRequest.of("limit", f"expected 1 to {MAX_SHOWN}")
        in_list = bool(_IN_LIST.fullmatch(before))
        if before and not (_PLACE.fullmatch(before) or (in_list and asked.by_decision)):
            raise InvalidRequest.of("before", "expected where an earlier search stopped")
        ends_at = self._clock() + seconds
        if asked.state == "held":
            return self._held(site_id, asked, before, limit)
        if not asked.by_decision:
            return self._along(site_id, asked, before, limit, ends_at)
        held = NO_MORE
        if not in_list and not asked.state:
            held = self._held(site_id, asked, before, limit)
            if held.cursor or len(held.items) == limit:
                reached = held.items[-1].item.enqueued_at if held.items else 0.0
                cursor = held.cursor or f"{LAST_MS}-999999"  # all decisions are left
                return replace(held, cursor=cursor, share=0.0, reached=reached)
        room = limit - len(held.items)
        found = self._along(site_id, asked, before if in_list else "", room, ends_at)
        return replace(found, items=[*held.items, *found.items])

    def _along(self, site_id: str, asked: Asked, before: str, limit: int, ends_at: float) -> Found:
        """Look along what holds all that is asked for."""
        below, top = f"{asked.first_ms:013}", f"{asked.last_ms:013}\x7f"
        if asked.by_decision:  # which came after the comments
            top = f"{LAST_MS}\x7f"
        if asked.comment_id:
            place = self._place(site_id, asked.comment_id)
            below, top = max(below, place), min(top, f"{place}\x7f")
        cursor = min(top, before) if before else top
        found, n_looked = list[FoundItem](), 0
        while True:
            cursor, n, n_left, n_all, *answer = self._look(
                site_id, asked, limit - len(found), top=top, above=cursor, below=below
            )
            n_looked += n
            found += _fitting(site_id, asked, answer)
            if not cursor or len(found) >= limit or self._clock() >= ends_at:
                reached = int(cursor[:13]) / 1000 if cursor else 0.0
                return Found(found, cursor, n_looked, 1 - n_left / max(1, n_all), reached)

    def _held(self, site_id: str, asked: Asked, before: str, limit: int) -> Found:
        """Look through what people hold, which is never much."""
        places = sorted(
            (
                place
                for place in self._listing.places(site_id, "held", "newest")
                if not before or place < before
            ),
            reverse=True,
        )
        found, n_looked = list[FoundItem](), 0
        while n_looked < len(places) and len(found) < limit:
            given = places[n_looked : n_looked + PLACES_AT_ONCE]
            last, n, _left, _all, *answer = self._look(
                site_id, replace(asked, state="held"), limit - len(found), given=given
            )
            n_looked, before = n_looked + n, last
            found += _fitting(site_id, asked, answer)
        more_left = n_looked < len(places)
        return Found(
            found,
            before if more_left else "",
            n_looked,
            n_looked / len(places) if places else 1.0,
            int(before[:13]) / 1000 if more_left else 0.0,
        )

    def _look(
        self,
        site_id: str,
        asked: Asked,
        most: int,
        *,
        given: Sequence[str] = (),
        top: str = "",
        above: str = "",
        below: str = "",
    ) -> Sequence[Any]:
        """Run one script, along what holds all that is asked for or over places that are given."""
        return self._verbs(
            site_id,
            "search",
            *asked.clauses(),
            along="" if given else asked.along,
            given=" ".join(given),
            top=f"({top}",
            above=f"({above}",
            below=f"[{below}",
            work=WORK,
            most=most,
            state=asked.state,
            moderator=asked.moderator,
        )

    def _place(self, site_id: str, comment_id: str) -> str:
        """Return where a comment stands in the order; before all others, if it does not."""
        item_id = item_id_of(comment_id)
        try:
            since = self._queue.item(site_id, item_id).enqueued_at
        except (ItemNotFound, ItemUnreadable):
            since = 0.0
        return f"{round(since * 1000):013}{item_id}"


def _fitting(site_id: str, asked: Asked, answer: Sequence[Any]) -> Iterator[FoundItem]:
    for start in range(0, len(answer), 5):
        place, item_id, record, content, action = answer[start : start + 5]
        item = read_item(site_id, item_id, record, content)
        is_there = int(place[:13]) == round(item.enqueued_at * 1000)
        if is_there and asked.fits(item, record):
            yield FoundItem(item, action)
