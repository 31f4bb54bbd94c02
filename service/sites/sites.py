"""Sites: the tenants of the service, in Redis.

Key schema::

    hakam:sites             set of site ids
    hakam:sites:version     a random word, another one after each change of any site, by which the
                            workers know what they still know (see `service.sites.known_sites`)
    {hakam:<site>}:site     hash  record (JSON of the site, see `service.sites.site`),
                                  keys (JSON list of [SHA-256 of a key, time it ends or null,
                                  its mark, time it was made]; older ones lack the last two),
                                  revision (id of the entry of the trail that made the settings),
                                  closed ("1" where no key and no signature opens the site),
                                  listens ("1" or "0", for the scripts of the queue),
                                  strikes (for them too: the settings warn_after, hold_after, and
                                  hold_hours in milliseconds),
                                  article:<article id> (JSON, see `service.sites.levers`),
                                  authors_held_until (ms; see `service.queue.authors`),
                                  swept (see `service.queue.retention`),
                                  built, building (see `service.queue.reindex`)
    {hakam:<site>}:key_uses hash (see `service.sites.key_uses`)
    {hakam:<site>}:trail    stream of what was changed (see `service.store.trail`)
"""

from __future__ import annotations

import builtins
import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from service.errors import (
    Conflict,
    SettingsChanged,
    SiteExists,
    SiteUnreadable,
    StoreUnavailable,
    UnknownSite,
)
from service.rules.times import LATEST
from service.sites.api_keys import ApiKeys, mark_of, new_key
from service.sites.connections import check_connections
from service.sites.key_uses import forget_others
from service.sites.levers import MAX_LEVERS, Lever, field_of, read_levers
from service.sites.settings import Setting
from service.sites.site import SETTINGS, Site
from service.store.connect import Redis
from service.store.durability import FORMAT
from service.store.errors import is_wrong_kind, translating_redis_errors
from service.store.scripts import Verbs, site_key
from service.store.trail import KEPT, SERVICE, Change, Entry, Origin

__all__ = ["Site", "Sites"]


_INDEX = "hakam:sites"
_VERSION = "hakam:sites:version"
_AUTHORS_HELD = "authors_held_until"
MAX_DIGITS = 13  # of a time in milliseconds, until the year 2286


_ATTEMPTS = 5  # at a change that others were quicker with

_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class _Attempt(Generic[_R]):
    """A change of a site: what is known of some fields, what some become, and the answer."""

    known: Mapping[str, str]
    fields: Mapping[str, str]
    entry: Entry
    answer: _R
    revises: bool = False  # whether the settings are others than before


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """A site and its keys, as they are stored."""

    site: Site
    keys: ApiKeys


class Sites:
    """All sites; raises UnknownSite, SiteExists, InvalidRequest and StoreUnavailable."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis
        self._verbs = Verbs(redis, "sites")
        self._clock = clock

    def add(self, site: Site, *, by: Origin = SERVICE) -> str:
        """Store a new site and return its API key, which cannot be read again."""
        check_connections(site, None)
        key = new_key(site.id)
        with translating_redis_errors():
            # First: an id without a record is skipped, never lost.
            self._redis.sadd(_INDEX, site.id)
        changes = changes_between(Site(site.id), site)
        fields = {
            "record": site.to_json(),
            "keys": ApiKeys.of(key, self._clock()).to_json(),
            "built": str(FORMAT),
            **_for_scripts(site),
        }
        entry = Entry("site", by, mark_of(key), changes)
        if not self._change(site.id, {"record": ""}, fields, entry, revises=True):
            raise SiteExists(f"the site {site.id} exists already")
        return key

    def get(self, site_id: str) -> Site:
        """Return a site."""
        return self._existing(site_id).site

    def list(self) -> builtins.list[Site]:
        """Return all sites in the order of their ids, but for those that cannot be read."""
        return [record.site for record in self.records()]

    @translating_redis_errors()
    def all(self) -> tuple[builtins.list[Site], builtins.list[str]]:
        """Return what `list` and `unreadable` do, read once."""
        found = self._all()
        return (
            [record.site for record in found.values() if record],
            [site_id for site_id, record in found.items() if record is None],
        )

    @translating_redis_errors()
    def unreadable(self) -> builtins.list[str]:
        """Return the ids of the sites whose record or keys cannot be read."""
        return [site_id for site_id, record in self._all().items() if record is None]

    def update(self, site: Site, *, by: Origin = SERVICE) -> Site:
        """Replace what is stored of a site, and return it with its revision; its keys stay.

        SettingsChanged where the site was read before somebody else changed it.
        """

        def attempt(before: SiteRecord, stored: Mapping[str, str]) -> _Attempt[Site] | Site:
            was = before.site
            if site.revision is not None and site.revision != was.revision:
                raise SettingsChanged("the settings of this site were changed meanwhile")
            check_connections(site, was)
            entry = Entry("settings", by, changes=changes_between(was, site))
            fields = {"record": site.to_json(), **_for_scripts(site)}
            if fields.items() <= stored.items():
                return was
            known = {"revision": was.revision or ""}
            return _Attempt(known, fields, entry, site, revises=True)

        revision, site = self._attempted(site.id, attempt)
        return replace(site, revision=revision or site.revision)

    def close(self, site_id: str, *, closed: bool = True, by: Origin = SERVICE) -> None:
        """Let nothing open a site any more, or let its keys open it again; nothing is erased."""

        def attempt(before: SiteRecord, fields: Mapping[str, str]) -> _Attempt[None] | None:
            if before.site.is_closed == closed:
                return None
            states = "active", "closed"
            change = Change(states[not closed], states[closed])
            known, wanted = {"closed": fields.get("closed", "")}, {"closed": "1" if closed else ""}
            return _Attempt(known, wanted, Entry("site", by, changes={"state": change}), None)

        self._attempted(site_id, attempt)

    def rotate_key(self, site_id: str, *, grace_seconds: float = 0.0, by: Origin = SERVICE) -> str:
        """Give a site a new API key; the old ones work on for so long."""
        key = new_key(site_id)

        def rotated(keys: ApiKeys) -> ApiKeys:
            return keys.replaced(key, self._clock(), grace_seconds)

        self._change_keys(site_id, rotated, by, mark_of(key))
        return key

    def add_key(self, site_id: str, *, by: Origin = SERVICE) -> str:
        """Give a site one more API key; Conflict where it has as many as it may."""
        key = new_key(site_id)

        def added(keys: ApiKeys) -> ApiKeys:
            return keys.with_another(key, self._clock())

        self._change_keys(site_id, added, by, mark_of(key))
        return key

    def revoke_key(self, site_id: str, name: str, *, by: Origin = SERVICE) -> None:
        """Let a key of this name open a site no more; Conflict where it is the last, or gone."""

        def left(keys: ApiKeys) -> ApiKeys:
            return keys.without(name, self._clock())

        self._change_keys(site_id, left, by, "")

    def _change_keys(
        self, site_id: str, work: Callable[[ApiKeys], ApiKeys], by: Origin, about: str
    ) -> None:
        def attempt(before: SiteRecord, fields: Mapping[str, str]) -> _Attempt[ApiKeys] | ApiKeys:
            keys, now = work(before.keys), self._clock()
            change = Change(
                added=[one.called for one in keys.stored if one not in before.keys.stored],
                removed=[one.called for one in before.keys.valid(now) if one not in keys.stored],
                is_list=True,
            )
            known = {"keys": fields.get("keys", "")}
            entry = Entry("key", by, about, {"keys": change})
            return _Attempt(known, {"keys": keys.to_json()}, entry, keys)

        _entry_id, keys = self._attempted(site_id, attempt)
        # The keys are changed, and a new one is shown once: what is left here goes another time.
        with contextlib.suppress(StoreUnavailable), translating_redis_errors():
            forget_others(self._redis, site_id, keys)

    def pull(self, site_id: str, lever: Lever, *, by: Origin = SERVICE) -> None:
        """Let a lever hold for an article in place of another; those that are over go.

        Conflict where the site has as many as it may.
        """
        name = field_of(lever.article_id)

        def attempt(before: SiteRecord, fields: Mapping[str, str]) -> _Attempt[None] | None:
            now, levers = self._clock(), before.site.levers
            over = {
                field_of(one): ""
                for one, known in levers.items()
                if known.until <= now and one != lever.article_id
            }
            if lever.article_id not in levers and len(levers) - len(over) >= MAX_LEVERS:
                raise Conflict(f"{MAX_LEVERS:,} articles are held or closed; open some first")
            known = {one: fields.get(one, "") for one in (name, *over)}
            was = before.site.article(lever.article_id, now)
            entry = Entry("article", by, lever.article_id, {"state": Change(was, lever.state)})
            return _Attempt(known, over | {name: lever.to_json()}, entry, None)

        self._attempted(site_id, attempt)

    def release(self, site_id: str, article_id: str, *, by: Origin = SERVICE) -> bool:
        """Let no lever hold for an article any more; return whether one did."""
        name, now = field_of(article_id), self._clock()

        def attempt(before: SiteRecord, fields: Mapping[str, str]) -> _Attempt[bool] | bool:
            if name not in fields:
                return False
            was = before.site.article(article_id, now)
            entry = Entry("article", by, article_id, {"state": Change(was, None)})
            return _Attempt({name: fields.get(name, "")}, {name: ""}, entry, was is not None)

        return self._attempted(site_id, attempt)[1]

    @translating_redis_errors()
    def note_change(self) -> None:
        """Make all workers read the sites again; after the change, or they read what was before."""
        self._redis.set(_VERSION, secrets.token_hex(8))

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

    def _attempted(
        self, site_id: str, attempt: Callable[[SiteRecord, Mapping[str, str]], _Attempt[_R] | _R]
    ) -> tuple[str, _R]:
        """Change a site as a whole, anew if it changed meanwhile; return the entry's id as well.

        What an attempt returns in place of one is the answer, and nothing is changed.
        """
        for _attempt in range(_ATTEMPTS):
            with translating_redis_errors():
                fields = self._redis.hgetall(_record_key(site_id))
            before = self._parse(fields)
            if before is None:
                raise UnknownSite("no site has this id")
            made = attempt(before, fields)
            if not isinstance(made, _Attempt):
                return "", made
            if entry_id := self._change(
                site_id, made.known, made.fields, made.entry, revises=made.revises
            ):
                return entry_id, made.answer
        raise Conflict("this site is being changed by others; try again")

    def _change(
        self,
        site_id: str,
        known: Mapping[str, str],
        fields: Mapping[str, str],
        entry: Entry,
        *,
        revises: bool = False,
    ) -> str:
        """Change fields with their entry of the trail; return its id, or nothing if all stays."""
        pairs = [word for some in (known, fields) for pair in some.items() for word in pair]
        outcome, *entry_id = self._verbs(
            site_id,
            "change",
            *pairs,
            entry=entry.to_json(),
            kept=KEPT,
            revises=int(revises),
            n_known=len(known),
        )
        if outcome == "changed":
            return ""
        with translating_redis_errors():
            self.note_change()
        return str(entry_id[0])

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
        site = replace(
            Site.from_json(fields["record"]),
            levers=read_levers(fields),
            is_closed="closed" in fields,
            revision=fields.get("revision", ""),
            authors_held_until=_seconds(fields.get(_AUTHORS_HELD, "")),
        )
        return SiteRecord(site, ApiKeys.from_json(fields.get("keys")))


def changes_between(before: Site, after: Site) -> dict[str, Change]:
    """Return what differs between the settings of two sites, as the trail says it."""
    pairs = (
        (one, getattr(before, one.name), getattr(after, one.name)) for one in SETTINGS.values()
    )
    return {one.name: _change(one, old, new) for one, old, new in pairs if old != new}


def _change(setting: Setting, old: Any, new: Any) -> Change:
    if setting.secret:
        return Change(secret=True)
    if not setting.is_list:
        return Change(old, new)
    olds, news = set(old), set(new)
    return Change(
        added=[one for one in new if one not in olds],
        removed=[one for one in old if one not in news],
        is_list=True,
    )


def _seconds(ms: str) -> float:
    """Read a time; where it is damaged, workers look at authors for good."""
    readable = not ms or (ms.isdecimal() and len(ms) <= MAX_DIGITS)
    return int(ms or 0) / 1000 if readable else LATEST.timestamp()


def _for_scripts(site: Site) -> dict[str, str]:
    hold_ms = site.hold_hours * 3_600_000
    strikes = f"{site.warn_after} {site.hold_after} {hold_ms}"
    return {"listens": str(int(site.listens)), "strikes": strikes}


def _record_key(site_id: str) -> str:
    return site_key(site_id, "site")
