"""Sites: the tenants of the service, their API keys and what each of them wants.

Secret: how a site is stored and how its key is checked. Of a key only the SHA-256 is stored. A key
carries 256 random bits, so a slow hash would protect nothing; the comparison takes constant time.

Key schema::

    hakam:sites             set of site ids
    {hakam:<site>}:site     hash  record (JSON of the site),
                                  keys (JSON list of [SHA-256 of a key, epoch it ends at or null]),
                                  listens ("1" or "0", for the scripts of the queue),
                                  swept (see `service.queue.retention`)

A site's id is part of its key (``hk_<site>_<43 characters>``), so a key is checked with one read.

While Redis is down the sites known before still get in: once a minute each worker reads all sites
into memory (at most `MAX_REMEMBERED`) and, when Redis does not answer, checks keys against that
memory for up to `REMEMBERED_SECONDS`. The price: a key taken away in the minute before the outage
works until it ends, 15 minutes at most. With Redis up, a key taken away stops at once.
"""

from __future__ import annotations

import base64
import builtins
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

import httpx

from models.schema import LABELS
from service.errors import (
    InvalidRequest,
    SiteExists,
    SiteUnreadable,
    StoreUnavailable,
    UnknownSite,
    translating_redis_errors,
)
from service.rules.policy import AUDIT_SHARE
from service.rules.priority import MAX_TIME_TARGET_SECONDS
from service.rules.word_lists import MAX_WORD_LENGTH, MAX_WORDS

REMEMBERED_SECONDS = 15 * 60.0
REMEMBER_EVERY_SECONDS = 60.0
MAX_REMEMBERED = 1_000

_INDEX = "hakam:sites"
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_KEY = re.compile(rf"hk_({_ID.pattern})_[A-Za-z0-9_-]{{43}}")


@dataclass(frozen=True, slots=True)
class Site:
    """One site and its wishes.

    Attributes
    ----------
    id : str
        1 to 63 of a-z, 0-9 and hyphen, as in a domain label.
    name : str
        For people.
    review, reject : mapping of label to float
        Thresholds in [0, 1] in place of the artefact's; 1 switches the label off. Without a reject
        threshold nothing is rejected without a person.
    audit_share : float
        Share of unflagged comments that a person sees all the same, [0, 1].
    webhook_url, webhook_secret : str
        Where decisions are sent, and the key they are signed with; empty for none.
    webhook_private : bool
        Whether that may be an address of this machine or of a private network.
    review_first_comments : int
        So many decided comments of an author must there be before clean ones need no person.
    review_after_rejections : int
        From so many rejections in the last thirty days on, all of an author's comments go to
        review; 0 for never.
    second_opinion_share : float
        Share of the queued comments that two people judge without knowing of each other, [0, 1].
    calibration_share : float
        Share of what moderators of the console get that are calibration items, [0, 1].
    retention_days : int
        How long decided items are kept.
    time_target_seconds : int
        Within this time a flagged comment should be decided; urgency grows towards it.
    label_weights : mapping of label to float
        Weight of a label in the urgency of an item, 1 where absent.
    block_words, allow_words : tuple of str
        Words that always go before a person, and words that count for nothing; found in every
        spelling (see `service.rules.word_lists`).
    unsupported_language : {"approve", "review"}
        What becomes of a text in letters that the classifier does not know, Cyrillic or Chinese
        ones for example, where nothing else speaks.
    requests_per_minute : int
        Requests accepted in a minute; 0 for any number.
    queue_analyzed : bool
        Whether comments that come through the Perspective endpoint are put before a person.
    coral_secrets : tuple of str
        Active signing secrets of the Coral tenant (external moderation phase and webhooks).
    coral_url, coral_token : str
        Address and access token of Coral's GraphQL endpoint; empty: decisions are not sent there.
    """

    id: str
    name: str = ""
    review: Mapping[str, float] = field(default_factory=dict)
    reject: Mapping[str, float] = field(default_factory=dict)
    audit_share: float = AUDIT_SHARE
    webhook_url: str = ""
    webhook_secret: str = field(default="", repr=False)
    webhook_private: bool = False
    review_first_comments: int = 0
    review_after_rejections: int = 0
    second_opinion_share: float = 0.0
    calibration_share: float = 0.0
    retention_days: int = 90
    time_target_seconds: int = 3600
    label_weights: Mapping[str, float] = field(default_factory=dict)
    block_words: tuple[str, ...] = ()
    allow_words: tuple[str, ...] = ()
    unsupported_language: str = "review"
    requests_per_minute: int = 0
    queue_analyzed: bool = False
    coral_secrets: tuple[str, ...] = field(default=(), repr=False)
    coral_url: str = ""
    coral_token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        known = isinstance(self.id, str) and _ID.fullmatch(self.id)
        _require(bool(known), "id", "expected 1 to 63 of a-z, 0-9 and hyphen")
        for name, highest in _THRESHOLDS.items():
            _require(isinstance(getattr(self, name), Mapping), name, "expected numbers of labels")
            for label, number in getattr(self, name).items():
                _require(label in LABELS, f"{name}.{label}", f"expected one of {', '.join(LABELS)}")
                good = _is_number(number, int | float) and 0 <= number <= highest
                _require(good, f"{name}.{label}", f"expected 0 to {highest}")
        for name, (kind, low, high) in BOUNDS.items():
            number = getattr(self, name)
            good = _is_number(number, kind) and low <= number <= high
            _require(good, name, f"expected {low} to {high}")
        for name in ("webhook_private", "queue_analyzed"):
            _require(isinstance(getattr(self, name), bool), name, "expected true or false")
        for name, (most, length) in _LISTS.items():
            words = getattr(self, name)
            good = len(words) <= most and all(_is_line(word, length) for word in words)
            _require(good, name, f"expected {most} lines of {length} characters")
        for name, length in _LENGTHS.items():
            good = _is_line(getattr(self, name), length)
            _require(good, name, f"expected one line of at most {length} characters")
        either = self.unsupported_language in ("approve", "review")
        _require(either, "unsupported_language", "expected approve or review")
        for name in ("webhook_url", "coral_url"):
            address = getattr(self, name)
            _require(not address or _is_web_address(address), name, _ADDRESS_EXPECTED)

    @property
    def listens(self) -> bool:
        """Whether there is anybody who is to be told of decisions: a webhook, or Coral."""
        by_webhook = self.webhook_url and self.webhook_secret
        return bool(by_webhook or (self.coral_url and self.coral_token))

    @property
    def watches_authors(self) -> bool:
        """Whether what its authors wrote before has a say in what becomes of a comment."""
        return bool(self.review_first_comments or self.review_after_rejections)

    def to_json(self) -> str:
        """Write the site as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Site:
        """Read what `to_json` wrote; fields of a newer version are left out.

        Looser rules held once, and a site must not be lost for one wish. A number out of its bounds
        is the nearest within them; any other value that cannot be is as if it had not been given.

        Raises
        ------
        SiteUnreadable
            It is not the record of a site at all.
        """
        known = {f.name for f in fields(cls)}
        try:
            stored = json.loads(text)
            record = {name: _mended(name, value) for name, value in stored.items() if name in known}
            for _attempt in range(_MAX_WRONG):
                try:
                    return cls(**record)
                except InvalidRequest as wrong:
                    _leave_out(record, wrong.errors[0].field)
        except (ValueError, TypeError, KeyError, AttributeError):
            pass
        raise SiteUnreadable("what is stored of this site cannot be read")


_SHARE = (int | float, 0, 1)
#: Kind, least and most of each number that a site can wish for. Within them the queue's times keep
#: thirteen digits, and no date leaves the calendar.
BOUNDS: Mapping[str, tuple[Any, int, int]] = {
    "audit_share": _SHARE,
    "second_opinion_share": _SHARE,
    "calibration_share": _SHARE,
    "review_first_comments": (int, 0, 20),
    "review_after_rejections": (int, 0, 20),
    "retention_days": (int, 1, 36_500),
    "time_target_seconds": (int, 1, MAX_TIME_TARGET_SECONDS),
    "requests_per_minute": (int, 0, 1_000_000),
}
MAX_GRACE_SECONDS = 90 * 86_400.0
_THRESHOLDS = {"review": 1, "reject": 1, "label_weights": 100}
_LENGTHS = {
    "name": 200,
    "webhook_url": 2_048,
    "webhook_secret": 500,
    "coral_url": 2_048,
    "coral_token": 4_096,
}
_LISTS = {
    "block_words": (MAX_WORDS, MAX_WORD_LENGTH),
    "allow_words": (MAX_WORDS, MAX_WORD_LENGTH),
    "coral_secrets": (20, 500),
}
_MAX_WRONG = 100  # fields and labels of one record


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_line(value: Any, length: int) -> bool:
    if not isinstance(value, str) or len(value) > length or "\0" in value:
        return False
    try:
        value.encode()  # a byte of a command line that is no UTF-8 is a lone surrogate
    except UnicodeEncodeError:
        return False
    return True


def _mended(name: str, value: Any) -> Any:
    """Return a stored value in the type of its field, and a number within its bounds."""
    if name in _LISTS:
        return tuple(value) if isinstance(value, list) else ()
    if name in BOUNDS:
        kind, low, high = BOUNDS[name]
        if _is_number(value, int | float) and value == value:  # noqa: PLR0124 - not a number
            value = max(low, min(value, high))
            return round(value) if kind is int else value
        if name == "retention_days":
            return high  # nothing may be deleted that was to be kept
    return value


def _leave_out(record: dict[str, Any], field_name: str) -> None:
    """Take what cannot be out of a stored record: a field, or one label of it."""
    name, _dot, label = field_name.partition(".")
    if label:
        record[name] = {key: value for key, value in record[name].items() if key != label}
    else:
        del record[name]


_ADDRESS_EXPECTED = "expected an http or https address"
_MAX_ADDRESS_LENGTH = 2_000
_MAX_SECRET_LENGTH = 4_096  # a token of Coral is a signed JSON object
_MAX_SECRETS = 16
_MAX_NAME_LENGTH = 200


def _is_web_address(address: str) -> bool:
    try:
        url = urlsplit(address)
    except ValueError:  # as of http://[::1
        return False
    return url.scheme in ("http", "https") and bool(url.netloc)


def signing_key(secret: str) -> bytes:
    """Return the key that a webhook's secret stands for.

    Raises
    ------
    InvalidRequest
        It is not base64, or its length is not one that the specification allows (Standard Webhooks,
        "Signature scheme").
    """
    letters = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except ValueError:
        key = b""
    _require(24 <= len(key) <= 64, "webhook_secret", "expected whsec_ and 24 to 64 bytes in base64")
    return key


def _check_told(site: Site, before: Site | None) -> None:
    """Check the words that a site newly has, those of its connections above all; old ones may stay.

    Looser rules held once, and a site that suffers from them must still be readable and mendable.

    Raises
    ------
    InvalidRequest
    """

    def new(name: str) -> Any:
        value = getattr(site, name)
        return None if before and value == getattr(before, name) else value

    for name in ("webhook_url", "coral_url"):
        if address := new(name):
            try:
                url = httpx.URL(address)
                url.host.encode("idna")
            except (httpx.InvalidURL, UnicodeError):
                raise InvalidRequest.of(name, _ADDRESS_EXPECTED) from None
            good = bool(url.host) and (url.port or 1) < 65_536
            good = good and len(address) <= _MAX_ADDRESS_LENGTH
            _require(good, name, _ADDRESS_EXPECTED)
    if secret := new("webhook_secret"):
        signing_key(secret)
    for name, words in (
        ("coral_secrets", new("coral_secrets") or ()),
        ("coral_token", filter(None, [new("coral_token")])),
    ):
        for word in words:  # an empty one would let anybody sign
            good = word.isascii() and word.isprintable() and " " not in word
            good = good and 0 < len(word) <= _MAX_SECRET_LENGTH
            _require(good, name, f"expected at most {_MAX_SECRET_LENGTH} of ASCII without blanks")
    many = len(new("coral_secrets") or ()) > _MAX_SECRETS  # each is tried at every question
    _require(not many, "coral_secrets", f"expected at most {_MAX_SECRETS}")
    short = len(new("name") or "") <= _MAX_NAME_LENGTH
    _require(short, "name", f"expected at most {_MAX_NAME_LENGTH} characters")


def _require(condition: bool, field_name: str, expected: str) -> None:
    if not condition:
        raise InvalidRequest.of(field_name, expected)


@dataclass(frozen=True, slots=True)
class _Record:
    site: Site
    keys: tuple[tuple[str, float | None], ...]
    read_at: float

    def opens(self, digest: str, now: float) -> bool:
        fitting = [hmac.compare_digest(digest, key) for key, end in self.keys if _valid(end, now)]
        return any(fitting)


def _valid(end: float | None, now: float) -> bool:
    return end is None or now < end


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
        _check_told(site, None)
        key = _new_key(site.id)
        self._redis.sadd(_INDEX, site.id)  # first: an id without a record is skipped, never lost
        if not self._redis.hsetnx(_record_key(site.id), "record", site.to_json()):
            raise SiteExists(f"the site {site.id} exists already")
        more = {"keys": json.dumps([[_digest(key), None]]), "listens": int(site.listens)}
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
        _check_told(site, self._existing(site.id).site)
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
        good = 0 <= grace_seconds <= MAX_GRACE_SECONDS
        _require(good, "grace_seconds", f"expected 0 to {MAX_GRACE_SECONDS:.0f}")
        now = self._clock()
        keys = [key for key in self._existing(site_id).keys if _valid(key[1], now)]
        ending = [(old, min(end or now + grace_seconds, now + grace_seconds)) for old, end in keys]
        key = _new_key(site_id)
        stored = [(_digest(key), None), *(ending if grace_seconds > 0 else ())]
        with translating_redis_errors():
            self._redis.hset(_record_key(site_id), "keys", json.dumps(stored))
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
        match = _KEY.fullmatch(key)
        record = self._current(match[1]) if match else None
        if record is None or not record.opens(_digest(key), self._clock()):
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
            if isinstance(row, Exception) and not str(row).startswith("WRONGTYPE"):
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
        site = Site.from_json(record)
        try:
            digests = tuple((str(key), end) for key, end in json.loads(keys or "[]"))
        except (ValueError, TypeError):
            digests = ()
            keys = ""
        ends = all(end is None or _is_number(end, int | float) for _key, end in digests)
        if not (keys is None or digests) or not ends:  # no key is not the same as a wrong key
            raise SiteUnreadable("the keys of this site cannot be read")
        return _Record(site, digests, self._clock())


def _record_key(site_id: str) -> str:
    return f"{{hakam:{site_id}}}:site"


def _new_key(site_id: str) -> str:
    return f"hk_{site_id}_{secrets.token_urlsafe(32)}"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
