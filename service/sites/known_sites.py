"""Known sites: what a worker remembers of the sites, at most a second behind the store.

A request that gets in by what is remembered asks Redis nothing: once a second a worker asks for the
version of all sites, and what was read under another version is read again when it is needed.
Nobody is refused by what is remembered: where a key or a signature does not fit, the site is read
again first, so that a new key works at once. A key taken away works for a second at most.

While Redis is down the sites known before still get in: once a minute each worker reads all sites
(at most `MAX_REMEMBERED`) and, when Redis does not answer, goes by them for up to
`REMEMBERED_SECONDS`. The price: a key taken away in the minute before the outage works until it
ends, 15 minutes at most.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from service.errors import StoreUnavailable
from service.sites.api_keys import site_id_of
from service.sites.site import ID_PATTERN, Site
from service.sites.sites import SiteRecord, Sites

FRESH_SECONDS = 1.0
REMEMBER_EVERY_SECONDS = 60.0
REMEMBERED_SECONDS = 15 * 60.0
MAX_REMEMBERED = 1_000

_ID = re.compile(ID_PATTERN)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read of a site, when, and under which version of all sites."""

    record: SiteRecord
    read_at: float
    version: str


def _is_open(record: SiteRecord) -> bool:
    return not record.site.is_closed


class KnownSites:
    """The sites as one worker knows them; `expect` may raise before one is called unknown."""

    def __init__(
        self,
        sites: Sites,
        *,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
        expect: Callable[[], None] = lambda: None,
    ) -> None:
        self._sites = sites
        self._clock = clock
        self._timer = timer
        self._expect = expect
        self._memory: dict[str, _Known] = {}
        self._memory_at = float("-inf")
        # The version that was the last one, and when that was asked: both at once, for all threads.
        self._latest = ("", float("-inf"))

    def authenticate(self, key: str) -> Site | None:
        """Return the site that this API key belongs to, or None."""
        site_id = site_id_of(key)
        now = self._clock()
        if not site_id:
            return None
        return self._find(site_id, lambda known: _is_open(known) and known.keys.opens(key, now))

    def find(self, site_id: str, fits: Callable[[Site], bool]) -> Site | None:
        """Return the site with this id, or None where there is none or it does not fit."""
        if not _ID.fullmatch(site_id):
            return None
        return self._find(site_id, lambda known: _is_open(known) and fits(known.site))

    def remember(self) -> None:
        """Read all sites, for the time when Redis cannot be asked."""
        now, version = self._timer(), self._sites.version()
        records = self._sites.records()[:MAX_REMEMBERED]
        self._memory = {record.site.id: _Known(record, now, version) for record in records}
        self._memory_at = now

    def _find(self, site_id: str, fits: Callable[[SiteRecord], bool]) -> Site | None:
        now, refused = self._timer(), None
        try:
            version = self._version(now)
            known = self._memory.get(site_id)
            if known and version and known.version == version:
                if fits(known.record):
                    return known.record.site
                refused = known.record
            record = self._sites.record(site_id)
        except StoreUnavailable:
            known = self._memory.get(site_id)
            if known is None or now - known.read_at > REMEMBERED_SECONDS:
                raise
            return known.record.site if fits(known.record) else None
        if record is None:
            self._memory.pop(site_id, None)
            self._expect()
            return None
        if site_id in self._memory or len(self._memory) < MAX_REMEMBERED:
            self._memory[site_id] = _Known(record, now, version)
        return record.site if record != refused and fits(record) else None

    def _version(self, now: float) -> str:
        """Return the version that held at most a second ago; empty for an unknown one."""
        version, asked_at = self._latest
        if now - asked_at >= FRESH_SECONDS:
            if now - self._memory_at >= REMEMBER_EVERY_SECONDS:
                self.remember()
            version = self._sites.version()
            self._latest = (version, now)
        return version
