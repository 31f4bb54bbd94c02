"""Trail of changes: who changed what of a site or of an account, when, and from where.

An entry is written in the same atomic step as its change; what no single step does (an export, an
erasure) is noted before it begins. A secret is only said to have changed, and of a list stands what
came and what went. Each site has a stream of its own, and all accounts have one; a stream keeps its
last `KEPT` entries, and a few more until Redis frees a block of them.
"""

from __future__ import annotations

import heapq
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from service.errors import InvalidRequest, SiteUnreadable
from service.store.connect import Redis
from service.store.errors import naming_the_site
from service.store.scripts import site_key

KEPT = 10_000  # entries of a stream
_PAGE = 200  # read at once; Redis serves nobody else meanwhile
_AT_ONCE = 500  # of one stream that is read as a whole
_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")

Via = Literal["console", "command line", "api", "single sign-on", "service"]
Kind = Literal[
    "site",
    "settings",
    "key",
    "article",
    "account",
    "accounts",
    "export",
    "erasure",
    "retention",
    "webhook",
    "decisions",
    "known_answers",
]
#: The stream of the accounts, where others are those of a site. No site has an empty id.
ACCOUNTS = ""
ACCOUNTS_KEY = "{hakam:accounts}:account_trail"  # a site may be called "accounts"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who wants a change, and from where it comes."""

    via: Via = "service"
    name: str = ""  # of a moderator, or the mark of an API key


#: What the service does by itself, as at its first start.
SERVICE = Origin()
COMMAND_LINE = Origin("command line")


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one field; of a list what came and went, of a secret nothing but that."""

    old: Any = None
    new: Any = None
    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    secret: bool = False
    is_list: bool = False

    def undone(self, now: Any) -> Any:
        """Return what the field was before, from what it was after."""
        if self.is_list:
            kept = [one for one in now if one not in set(self.added)]
            return (*kept, *(one for one in self.removed if one not in set(kept)))
        return self.old

    def to_json(self) -> Any:
        """Return what is stored: None for a secret, a pair, or what came and went."""
        if self.secret:
            return None
        if self.is_list:
            return {"added": list(self.added), "removed": list(self.removed)}
        return [self.old, self.new]

    @classmethod
    def from_json(cls, stored: Any) -> Change:
        """Read what `to_json` returned."""
        if stored is None:
            return cls(secret=True)
        if isinstance(stored, Mapping):
            lists = [[str(one) for one in stored[name]] for name in ("added", "removed")]
            return cls(added=lists[0], removed=lists[1], is_list=True)
        old, new = stored
        return cls(old, new)


@dataclass(frozen=True, slots=True)
class Entry:
    """One change, or one act that changes no field."""

    kind: Kind
    origin: Origin = SERVICE
    about: str = ""  # an article, an account, a key: what the kind does not say
    changes: Mapping[str, Change] = field(default_factory=dict)
    id: str = ""  # of the stream; empty until it is written
    site_id: str = ACCOUNTS
    damaged: bool = False  # what is stored cannot be read

    @property
    def at(self) -> float:
        """When it was written, by the clock of Redis (Unix time)."""
        return int(self.id.partition("-")[0]) / 1000

    def to_json(self) -> str:
        """Write what is stored of it."""
        changes = {name: change.to_json() for name, change in self.changes.items()}
        return json.dumps(
            {
                "kind": self.kind,
                "via": self.origin.via,
                "by": self.origin.name,
                "about": self.about,
                "changes": changes,
            },
            ensure_ascii=False,
        )

    @classmethod
    def read(cls, site_id: str, entry_id: str, fields: Mapping[str, str]) -> Entry:
        """Read what is stored; what cannot be is damaged, which is nothing to the others."""
        try:
            stored = json.loads(fields["body"])
            changes = {
                str(name): Change.from_json(change) for name, change in stored["changes"].items()
            }
            origin = Origin(stored["via"], str(stored["by"]))
            about = str(stored["about"])
            return cls(stored["kind"], origin, about, changes, entry_id, site_id)
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls("site", id=entry_id, site_id=site_id, damaged=True)


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, the latest first, and how far was looked."""

    entries: Sequence[Entry]
    cursor: str = ""  # to go on from; empty where there is nothing more
    is_cut: bool = False  # whether time was up before as many were found as were asked for


def is_entry_id(value: str) -> bool:
    """Whether a text has the form of an entry's id."""
    return bool(_ID.fullmatch(value))


class Trail:
    """The trails of all sites, and that of the accounts."""

    def __init__(self, redis: Redis, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._redis: Any = redis
        self._timer = timer

    def note(self, site_id: str, entry: Entry) -> str:
        """Write an entry of what no single step does; before that is begun."""
        with naming_the_site():
            return str(append(self._redis, site_id, entry))

    def entry(self, site_id: str, entry_id: str) -> Entry | None:
        """Return one entry, or None."""
        if not is_entry_id(entry_id):
            return None
        with naming_the_site():
            found = self._redis.xrange(_key(site_id), entry_id, entry_id)
        return Entry.read(site_id, *found[0]) if found else None

    def latest(self, site_id: str, after: str = "-") -> Iterator[Entry]:
        """Yield the entries of one stream after one of them, or all, the latest first."""
        return (Entry.read(site_id, *one) for one in self.stored(site_id, after))

    def stored(self, site_id: str, after: str = "-") -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield what `latest` does, as it is stored: an entry's id and its fields."""
        last, before = (f"({after}" if after != "-" else after), "+"
        while True:
            with naming_the_site():
                page = self._redis.xrevrange(_key(site_id), before, last, count=_AT_ONCE)
            yield from page
            if len(page) < _AT_ONCE:
                return
            before = f"({page[-1][0]}"

    def page(
        self,
        site_ids: Sequence[str],
        fits: Callable[[Entry], bool] = lambda _entry: True,
        *,
        before: str = "",
        limit: int = 50,
        budget_seconds: float = 0.1,
    ) -> Page:
        """Return what fits of several streams, before a cursor; it stops when time is up."""
        if before and not is_entry_id(before):
            raise InvalidRequest.of("before", "expected the cursor of a page")
        until, found, last = self._timer() + budget_seconds, list[Entry](), ""
        for entry in self._merged(site_ids, before):
            if last and entry.id != last:  # several streams may have one id; none is cut apart
                if len(found) >= limit:
                    return Page(found, last)
                if self._timer() > until:
                    return Page(found, last, is_cut=True)
            last = entry.id
            if fits(entry):
                found.append(entry)
        return Page(found)

    def _merged(self, site_ids: Sequence[str], before: str) -> Iterator[Entry]:
        """Yield the entries of several streams in one order, the latest first."""
        start = f"({before}" if before else "+"
        pipe = self._redis.pipeline(transaction=False)
        for site_id in site_ids:
            pipe.xrevrange(_key(site_id), start, "-", count=1)
        with naming_the_site():
            firsts = pipe.execute(raise_on_error=False)
        streams = [
            self._stream(site_id, *first[0])
            for site_id, first in zip(site_ids, firsts, strict=True)
            if first and not isinstance(first, Exception)
        ]
        if unreadable := [one for one in firsts if isinstance(one, Exception)]:
            raise SiteUnreadable("a trail cannot be read") from unreadable[0]
        return heapq.merge(*streams, key=lambda entry: _place(entry.id), reverse=True)

    def _stream(self, site_id: str, entry_id: str, fields: Mapping[str, str]) -> Iterator[Entry]:
        n_read = 25
        yield Entry.read(site_id, entry_id, fields)
        while True:
            with naming_the_site():
                page = self._redis.xrevrange(_key(site_id), f"({entry_id}", "-", count=n_read)
            yield from (Entry.read(site_id, *one) for one in page)
            if len(page) < n_read:
                return
            entry_id, n_read = page[-1][0], min(2 * n_read, _PAGE)


def append(pipe: Any, site_id: str, entry: Entry) -> Any:
    """Write an entry to a stream, as a part of a transaction where `pipe` is one."""
    return pipe.xadd(_key(site_id), {"body": entry.to_json()}, maxlen=KEPT, approximate=True)


def _key(site_id: str) -> str:
    return site_key(site_id, "trail") if site_id else ACCOUNTS_KEY


def _place(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)
