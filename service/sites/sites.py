"""Sites: the tenants of the service, in Redis.

Key schema::

    hakam:sites             set of site ids
    hakam:sites:version     a random word, another one after each change of any site, by which the
                            workers know what they still know (see `service.sites.known_sites`)
    {hakam:<site>}:site     hash  record (JSON of the site, see `service.sites.site`),
                                  keys (JSON list of [SHA-256 of a key, time it ends or null]),
                                  listens ("1" or "0", for the scripts of the queue),
                                  strikes (for them too: the settings warn_after, hold_after, and
                                  hold_hours in milliseconds),
                                  article:<article id> (JSON, see `service.sites.levers`),
                                  swept (see `service.queue.retention`),
                                  built, building (see `service.queue.reindex`)
"""

from __future__ import annotations

import builtins
import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.errors import Conflict, SiteExists, SiteUnreadable, StoreUnavailable, UnknownSite
from service.sites.api_keys import ApiKeys, new_key
from service.sites.connections import check_connections
from service.sites.levers import MAX_LEVERS, Lever, field_of, read_levers
from service.sites.site import Site
from service.store.connect import Redis
from service.store.durability import FORMAT
from service.store.errors import is_wrong_kind, translating_redis_errors
from service.store.scripts import site_key

__all__ = ["Site", "Sites"]


_INDEX = "hakam:sites"
_VERSION = "hakam:sites:version"


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """A site and its keys, as they are stored."""

    site: Site
    keys: ApiKeys


class Sites:
    """All sites; raises UnknownSite, SiteExists, InvalidRequest and StoreUnavailable."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis
        self._clock = clock

    @translating_redis_errors()
    def add(self, site: Site) -> str:
        """Store a new site and return its API key, which cannot be read again."""
        check_connections(site, None)
        key = new_key(site.id)
        self._redis.sadd(_INDEX, site.id)  # first: an id without a record is skipped, never lost
        if not self._redis.hsetnx(_record_key(site.id), "record", site.to_json()):
            raise SiteExists(f"the site {site.id} exists already")
        more = {"keys": ApiKeys.of(key).to_json(), "built": FORMAT, **_for_scripts(site)}
        self._redis.hset(_record_key(site.id), mapping=more)
        self._note_change()
        return key

    def get(self, site_id: str) -> Site:
        """Return a site."""
        return self._existing(site_id).site

    def list(self) -> builtins.list[Site]:
        """Return all sites in the order of their ids, but for those that cannot be read."""
        return [record.site for record in self.records()]

    @translating_redis_errors()
    def unreadable(self) -> builtins.list[str]:
        """Return the ids of the sites whose record or keys cannot be read."""
        return [site_id for site_id, record in self._all().items() if record is None]

    def update(self, site: Site) -> None:
        """Replace what is stored of a site; its keys stay."""
        check_connections(site, self._existing(site.id).site)
        with translating_redis_errors():
            stored = {"record": site.to_json(), **_for_scripts(site)}
            self._redis.hset(_record_key(site.id), mapping=stored)
            self._note_change()

    def rotate_key(self, site_id: str, *, grace_seconds: float = 0.0) -> str:
        """Give a site a new API key; the old one works on for so long."""
        key = new_key(site_id)
        keys = self._existing(site_id).keys.replaced(key, self._clock(), grace_seconds)
        with translating_redis_errors():
            self._redis.hset(_record_key(site_id), "keys", keys.to_json())
            self._note_change()
        return key

    def pull(self, site_id: str, lever: Lever) -> None:
        """Let a lever hold for an article in place of another; those that are over go.

        Conflict where the site has as many as it may.
        """
        now, levers = self._clock(), self._existing(site_id).site.levers
        over = [field_of(one) for one, known in levers.items() if known.until <= now]
        if lever.article_id not in levers and len(levers) - len(over) >= MAX_LEVERS:
            raise Conflict(f"{MAX_LEVERS:,} articles are held or closed; open some first")
        with translating_redis_errors():
            if over:
                self._redis.hdel(_record_key(site_id), *over)
            self._redis.hset(_record_key(site_id), field_of(lever.article_id), lever.to_json())
            self._note_change()

    def release(self, site_id: str, article_id: str) -> bool:
        """Let no lever hold for an article any more; return whether one did."""
        lever = self._existing(site_id).site.levers.get(article_id)
        with translating_redis_errors():
            self._redis.hdel(_record_key(site_id), field_of(article_id))
            self._note_change()
        return lever is not None and lever.until > self._clock()

    @translating_redis_errors()
    def record(self, site_id: str) -> SiteRecord | None:
        """Return what is stored of a site, or None."""
        return self._parse(self._redis.hgetall(_record_key(site_id)))

    @translating_redis_errors()
    def records(self) -> builtins.list[SiteRecord]:
        """Return what is stored of all sites, but for those that cannot be read."""
        return [record for record in self._all().values() if record]

    @translating_redis_errors()
    def version(self) -> str:
        """Return a word that is another one after each change of any site; empty for none."""
        version: str | None = self._redis.get(_VERSION)
        if version is None:  # no site was changed yet by those who note it
            with contextlib.suppress(StoreUnavailable), translating_redis_errors():
                self._redis.set(_VERSION, secrets.token_hex(8), nx=True)
        return version or ""

    def _note_change(self) -> None:
        """Make all workers read the sites again; after the change, or they read what was before."""
        self._redis.set(_VERSION, secrets.token_hex(8))

    def _existing(self, site_id: str) -> SiteRecord:
        record = self.record(site_id)
        if record is None:
            raise UnknownSite("no site has this id")
        return record

    def _all(self) -> dict[str, SiteRecord | None]:
        """Read all sites; None for one that cannot be read, which is nothing to the others."""
        found: dict[str, SiteRecord | None] = {}
        site_ids = sorted(self._redis.smembers(_INDEX))
        pipe = self._redis.pipeline(transaction=False)
        for site_id in site_ids:
            pipe.hgetall(_record_key(site_id))
        for site_id, row in zip(site_ids, pipe.execute(raise_on_error=False), strict=True):
            if isinstance(row, Exception) and not is_wrong_kind(row):
                raise row
            try:
                record = self._parse(row) if isinstance(row, dict) else None
            except SiteUnreadable:
                record = None
            known = row.keys() & {"record", "keys"} if isinstance(row, dict) else True
            if known:  # an id without a record is a site half added
                found[site_id] = record
        return found

    def _parse(self, fields: Mapping[str, str]) -> SiteRecord | None:
        if "record" not in fields:
            return None
        site = replace(Site.from_json(fields["record"]), levers=read_levers(fields))
        return SiteRecord(site, ApiKeys.from_json(fields.get("keys")))


def _for_scripts(site: Site) -> dict[str, str | int]:
    hold_ms = site.hold_hours * 3_600_000
    strikes = f"{site.warn_after} {site.hold_after} {hold_ms}"
    return {"listens": int(site.listens), "strikes": strikes}


def _record_key(site_id: str) -> str:
    return site_key(site_id, "site")
