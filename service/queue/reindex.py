"""Reindexing: what a store of an older version lacks is built of what it holds, page by page.

Promises: it runs beside everything else, takes Redis for some milliseconds at a time, and goes on
where it stopped, in whatever process. Doing a page twice changes nothing, so it does no harm if two
processes do it, or if something is decided, erased or forgotten meanwhile: what is written now
lists itself. Pages can ask whether it is under way, to say that they do not show everything yet.

What is to be built are `Part`s, in their order. In the record of a site (see `service.sites.sites`)
stands ``built``, the number of the format for which all was built, and, while something is missing,
``building``: the name of the part and the cursor of its next page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import structlog

from service import tracing
from service.errors import SiteUnreadable, StoreUnavailable
from service.logs import places
from service.queue.encoding import signature_of_stored
from service.sites.sites import Sites
from service.store.connect import Redis
from service.store.durability import FORMAT
from service.store.errors import naming_the_site
from service.store.scripts import Verbs, site_key

log = structlog.get_logger()

START = "0"  # cursor of the first page, and of the one after the last
PAGE = 200  # entries or items that are looked at in one script
LOOK_EVERY_SECONDS = 60.0
SHARE = 0.25  # of the time that Redis may spend on it, while others want to be served

#: Builds a page: site id and cursor -> next cursor, and how much was looked at.
Page = Callable[[str, str], tuple[str, int]]
#: Called after each page: site id, name of the part, how much was looked at, and of how much.
Progress = Callable[[str, str, int, int], None]


@dataclass(frozen=True)
class Part:
    """What is built of something that is stored already, a page at a time."""

    name: str
    page: Page
    size: Callable[[str], int]  # how much there is to look at, about


class Reindex:
    """Builds what is missing, for all sites; every method raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis, sites: Sites) -> None:
        self._redis: Any = redis
        self._sites = sites
        self._verbs = Verbs(redis, "queue")
        self._parts = (
            Part("listed", self._list_entries, self._size("xlen", "decisions")),
            Part("arrivals", self._note_arrivals, self._size("hlen", "items")),
            Part("lines", self._line_up, self._size("hlen", "items")),
        )

    def run(self, stop: Event) -> None:
        """Build what is missing, and look for more now and then, until `stop` is set."""
        while not stop.is_set():
            try:
                for site in self._sites.list():
                    self._build_slowly(site.id, stop)
            except StoreUnavailable:
                pass  # the next look goes on where this one stopped
            stop.wait(LOOK_EVERY_SECONDS)

    def under_way(self, site_id: str) -> bool:
        """Say whether something is still to be built, so that lists are not complete."""
        return self._state(site_id)[0] != str(FORMAT)

    def build(
        self, site_id: str, progress: Progress = lambda *_: None, *, anew: bool = False
    ) -> None:
        """Build all that is missing, or everything, at once."""
        if anew:
            with naming_the_site():
                self._redis.hdel(site_key(site_id, "site"), "built", "building")
        n_done: dict[str, int] = {}
        while step := self.step(site_id):
            part, n_looked = step
            n_done[part.name] = n_done.get(part.name, 0) + n_looked
            progress(site_id, part.name, n_done[part.name], part.size(site_id))

    def step(self, site_id: str) -> tuple[Part, int] | None:
        """Build one page of what is missing; return of what and how much, None if nothing is."""
        built, building = self._state(site_id)
        if built == str(FORMAT):
            return None
        name, _, cursor = (building or "").partition(":")
        names = [part.name for part in self._parts]
        number = names.index(name) if name in names else 0
        part = self._parts[number]
        with tracing.span("reindex", site=site_id, part=part.name):
            cursor, n_looked = part.page(site_id, cursor if name in names else START)
        if cursor == START:
            number += 1
        with naming_the_site():
            if number < len(self._parts):
                now = f"{self._parts[number].name}:{cursor}"
                self._redis.hset(site_key(site_id, "site"), "building", now)
            else:
                self._redis.hset(site_key(site_id, "site"), "built", FORMAT)
                self._redis.hdel(site_key(site_id, "site"), "building")
        return part, n_looked

    def _build_slowly(self, site_id: str, stop: Event) -> None:
        """Build what one site lacks; whatever is wrong with it is that site's alone."""
        n_pages = 0
        try:
            while not stop.is_set():
                began = time.monotonic()
                if not self.step(site_id):
                    break
                n_pages += 1
                stop.wait((time.monotonic() - began) * (1 / SHARE - 1))
        except SiteUnreadable as error:
            log.warning("reindex", site=site_id, error=str(error))
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - other sites may fare better
            log.warning("reindex", site=site_id, error=type(error).__name__, places=places(error))
        if n_pages:
            log.info("reindex", site=site_id, pages=n_pages)

    def _state(self, site_id: str) -> tuple[str | None, str | None]:
        with naming_the_site():
            built, building = self._redis.hmget(site_key(site_id, "site"), "built", "building")
        return built, building

    def _size(self, command: str, key: str) -> Callable[[str], int]:
        """Return what counts the members of a key of a site."""

        def size(site_id: str) -> int:
            with naming_the_site():
                return int(getattr(self._redis, command)(site_key(site_id, key)))

        return size

    # Parts

    def _list_entries(self, site_id: str, cursor: str) -> tuple[str, int]:
        """List a page of the decision stream, from the oldest entry on."""
        if cursor == START:
            with naming_the_site():
                self._redis.unlink(site_key(site_id, "decided"))  # the lists up to format 3
        following, n_looked = self._verbs(site_id, "list_entries", cursor=cursor, limit=PAGE)
        return following, n_looked

    def _note_arrivals(self, site_id: str, cursor: str) -> tuple[str, int]:
        """Note of a page of the items when they came and by which words they are found."""
        while True:
            found: Sequence[Any]
            following, n_looked, *found = self._verbs(
                site_id, "arrivals_missing", cursor=cursor, limit=PAGE
            )
            signed = list[str]()
            for start in range(0, len(found), 3):
                item_id, record, content = found[start : start + 3]
                signature = signature_of_stored(record, content)
                signed += [item_id, record, "1" if content else "0", signature]
            if not signed or not self._verbs(site_id, "note_arrivals", *signed)[0]:
                return following, n_looked

    def _line_up(self, site_id: str, cursor: str) -> tuple[str, int]:
        """Give a page of what waits its places by arrival and by reports."""
        following, n_looked = self._verbs(site_id, "line_up_missing", cursor=cursor, limit=PAGE)
        return following, n_looked
