"""Sites: the tenants of the service, in Redis and, while Redis is down, in memory.

Secret: where sites are stored, and how long they are remembered.

Key schema::

    hakam:sites             set of site ids
    {hakam:<site>}:site     hash  record (JSON of the site, see `service.sites.site`),
                                  keys (JSON list of [SHA-256 of a key, epoch it ends at or null]),
                                  listens ("1" or "0", for the scripts of the queue),
                                  swept (see `service.queue.retention`)

While Redis is down the sites known before still get in: once a minute each worker reads all sites
into memory (at most `MAX_REMEMBERED`) and, when Redis does not answer, checks keys against that
memory for up to `REMEMBERED_SECONDS`. The price: a key taken away in the minute before the outage
works until it ends, 15 minutes at most. With Redis up, a key taken away stops at once.
"""

from __future__ import annotations

import builtins
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from service.errors import (
    SiteExists,
    SiteUnreadable,
    StoreUnavailable,
    UnknownSite,
)
from service.sites.api_keys import ApiKeys, new_key, site_id_of
from service.sites.connections import check_connections
from service.sites.site import ID_PATTERN, Site
from service.store.errors import is_wrong_kind, translating_redis_errors

__all__ = ["Site", "Sites"]


REMEMBERED_SECONDS = 15 * 60.0
REMEMBER_EVERY_SECONDS = 60.0
MAX_REMEMBERED = 1_000

_INDEX = "hakam:sites"
_ID = re.compile(ID_PATTERN)


@dataclass(frozen=True, slots=True)
class _Record:
    site: Site
    keys: ApiKeys
    read_at: float


class Sites:
    """All sites of the service.

    Parameters
    ----------
    redis : redis.Redis
        A client with ``decode_responses=True``; used, never closed.
    clock : callable
        Seconds since the epoch.
    expect : callable
        Raises StoreLost where Redis has lost what it held; asked before a site is called unknown.
    """

    def __init__(
        self,
        redis: Any,
        *,
        clock: Callable[[], float] = time.time,
        expect: Callable[[], None] = lambda: None,
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._expect = expect
        self._memory: dict[str, _Record] = {}
        self._memory_at = float("-inf")

    @translating_redis_errors()
    def add(self, site: Site) -> str:
        """Store a new site and return its API key, which cannot be read again.

        Raises
        ------
        InvalidRequest
            An address or secret cannot be used.
        SiteExists
            The id is taken.
        StoreUnavailable
            Redis cannot be reached.
        """
        check_connections(site, None)
        key = new_key(site.id)
        self._redis.sadd(_INDEX, site.id)  # first: an id without a record is skipped, never lost
        if not self._redis.hsetnx(_record_key(site.id), "record", site.to_json()):
            raise SiteExists(f"the site {site.id} exists already")
        more = {"keys": ApiKeys.of(key).to_json(), "listens": int(site.listens)}
        self._redis.hset(_record_key(site.id), mapping=more)
        return key

    def get(self, site_id: str) -> Site:
        """Return a site.

        Raises
        ------
        UnknownSite
            No site has this id.
        StoreUnavailable
            Redis cannot be reached.
        """
        return self._existing(site_id).site

    @translating_redis_errors()
    def list(self) -> builtins.list[Site]:
        """Return all sites in the order of their ids, but for those that cannot be read."""
        return [record.site for record in self._read_all()]

    @translating_redis_errors()
    def unreadable(self) -> builtins.list[str]:
        """Return the ids of the sites whose record or keys cannot be read."""
        return [site_id for site_id, record in self._all().items() if record is None]

    def update(self, site: Site) -> None:
        """Replace what is stored of a site; its keys stay.

        Raises
        ------
        InvalidRequest
            A new address or secret cannot be used.
        UnknownSite
            No site has this id.
        StoreUnavailable
            Redis cannot be reached.
        """
        check_connections(site, self._existing(site.id).site)
        with translating_redis_errors():
            stored = {"record": site.to_json(), "listens": int(site.listens)}
            self._redis.hset(_record_key(site.id), mapping=stored)

    def rotate_key(self, site_id: str, *, grace_seconds: float = 0.0) -> str:
        """Give a site a new API key.

        Parameters
        ----------
        grace_seconds : float
            How long the previous key goes on working beside the new one.

        Raises
        ------
        InvalidRequest
            The time is negative or longer than `MAX_GRACE_SECONDS`.
        UnknownSite
            No site has this id.
        StoreUnavailable
            Redis cannot be reached.
        """
        key = new_key(site_id)
        keys = self._existing(site_id).keys.replaced(key, self._clock(), grace_seconds)
        with translating_redis_errors():
            self._redis.hset(_record_key(site_id), "keys", keys.to_json())
        return key

    def authenticate(self, key: str) -> Site | None:
        """Return the site that this API key belongs to, or None.

        Raises
        ------
        StoreUnavailable
            Redis cannot be reached, and the site is not among those remembered.
        StoreLost
            The site is unknown because Redis has lost what it held.
        """
        site_id = site_id_of(key)
        record = self._current(site_id) if site_id else None
        if record is None or not record.keys.opens(key, self._clock()):
            return None
        return record.site

    def known(self, site_id: str) -> Site | None:
        """Return the site with this id, or None; as with keys, memory serves while Redis is down.

        Raises
        ------
        StoreUnavailable
            Redis cannot be reached, and the site is not among those remembered.
        StoreLost
            The site is unknown because Redis has lost what it held.
        """
        record = self._current(site_id) if _ID.fullmatch(site_id) else None
        return record.site if record else None

    @translating_redis_errors()
    def remember(self) -> None:
        """Read all sites into memory, for the time when Redis cannot be asked."""
        self._memory = {r.site.id: r for r in self._read_all()[:MAX_REMEMBERED]}
        self._memory_at = self._clock()

    def _current(self, site_id: str) -> _Record | None:
        now = self._clock()
        try:
            if now - self._memory_at >= REMEMBER_EVERY_SECONDS:
                self.remember()
            record = self._read(site_id)
        except StoreUnavailable:
            remembered = self._memory.get(site_id)
            if remembered is None or now - remembered.read_at > REMEMBERED_SECONDS:
                raise
            return remembered
        if record is None:
            self._expect()
        self._keep(site_id, record)
        return record

    def _keep(self, site_id: str, record: _Record | None) -> None:
        if record is None:
            self._memory.pop(site_id, None)
        elif site_id in self._memory or len(self._memory) < MAX_REMEMBERED:
            self._memory[site_id] = record

    def _existing(self, site_id: str) -> _Record:
        record = self._read(site_id)
        if record is None:
            raise UnknownSite("no site has this id")
        return record

    @translating_redis_errors()
    def _read(self, site_id: str) -> _Record | None:
        return self._parse(*self._redis.hmget(_record_key(site_id), "record", "keys"))

    def _read_all(self) -> builtins.list[_Record]:
        return [record for record in self._all().values() if record]

    def _all(self) -> dict[str, _Record | None]:
        """Read all sites; None for one that cannot be read, which is nothing to the others."""
        found: dict[str, _Record | None] = {}
        site_ids = sorted(self._redis.smembers(_INDEX))
        pipe = self._redis.pipeline(transaction=False)
        for site_id in site_ids:
            pipe.hmget(_record_key(site_id), "record", "keys")
        for site_id, row in zip(site_ids, pipe.execute(raise_on_error=False), strict=True):
            if isinstance(row, Exception) and not is_wrong_kind(row):
                raise row
            try:
                record = self._parse(*row) if isinstance(row, builtins.list) else None
            except SiteUnreadable:
                record = None
            if record or row != [None, None]:  # an id without a record is a site half added
                found[site_id] = record
        return found

    def _parse(self, record: str | None, keys: str | None) -> _Record | None:
        if record is None:
            return None
        return _Record(Site.from_json(record), ApiKeys.from_json(keys), self._clock())


def _record_key(site_id: str) -> str:
    return f"{{hakam:{site_id}}}:site"
