"""Sites: the tenants of the service, their API keys and what each of them wants.

Secret: how a site is stored and how its key is checked. Of a key only the SHA-256 is stored. A key
carries 256 random bits, so a slow hash would protect nothing; the comparison takes constant time.

Key schema::

    hakam:sites             set of site ids
    {hakam:<site>}:site     hash  record (JSON of the site),
                                  keys (JSON list of [SHA-256 of a key, epoch it ends at or null]),
                                  listens ("1" or "0", for the scripts of the queue),
                                  swept (see `service.retention`)

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
    StoreUnavailable,
    UnknownSite,
    translating_redis_errors,
)
from service.policy import AUDIT_SHARE
from service.word_lists import MAX_WORD_LENGTH, MAX_WORDS

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
        spelling (see `service.word_lists`).
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
        _require(bool(_ID.fullmatch(self.id)), "id", "expected 1 to 63 of a-z, 0-9 and hyphen")
        for name in ("review", "reject", "label_weights"):
            for label, number in getattr(self, name).items():
                _require(label in LABELS, f"{name}.{label}", f"expected one of {', '.join(LABELS)}")
                highest = 100.0 if name == "label_weights" else 1.0
                _require(0 <= number <= highest, f"{name}.{label}", f"expected 0 to {highest:g}")
        for name in ("audit_share", "second_opinion_share", "calibration_share"):
            _require(0 <= getattr(self, name) <= 1, name, "expected 0 to 1")
        for name in ("block_words", "allow_words"):
            words = getattr(self, name)
            short = len(words) <= MAX_WORDS and all(len(w) <= MAX_WORD_LENGTH for w in words)
            _require(short, name, f"expected {MAX_WORDS} words of {MAX_WORD_LENGTH} characters")
        for name in ("review_first_comments", "review_after_rejections"):
            _require(0 <= getattr(self, name) <= 20, name, "expected 0 to 20")
        either = self.unsupported_language in ("approve", "review")
        _require(either, "unsupported_language", "expected approve or review")
        _require(self.retention_days >= 1, "retention_days", "expected 1 or more")
        _require(self.time_target_seconds >= 1, "time_target_seconds", "expected 1 or more")
        _require(self.requests_per_minute >= 0, "requests_per_minute", "expected 0 or more")
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
        """Read what `to_json` wrote; fields of a newer version are left out."""
        known = {f.name for f in fields(cls)}
        record = {name: value for name, value in json.loads(text).items() if name in known}
        lists = ("coral_secrets", "block_words", "allow_words")
        return cls(**record | {name: tuple(record.get(name, ())) for name in lists})


_ADDRESS_EXPECTED = "expected an http or https address"
_MAX_ADDRESS_LENGTH = 2_000


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
    """Check what a site newly wants of its connections; what is stored already may stay.

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
            _require(bool(word) and good, name, "expected ASCII without blanks")


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
        """Return all sites in the order of their ids."""
        return [record.site for record in self._read_all()]

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
        UnknownSite
            No site has this id.
        StoreUnavailable
            Redis cannot be reached.
        """
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
        pipe = self._redis.pipeline(transaction=False)
        for site_id in sorted(self._redis.smembers(_INDEX)):
            pipe.hmget(_record_key(site_id), "record", "keys")
        return [record for row in pipe.execute() if (record := self._parse(*row))]

    def _parse(self, record: str | None, keys: str | None) -> _Record | None:
        if record is None:
            return None
        digests = tuple((str(digest), end) for digest, end in json.loads(keys or "[]"))
        return _Record(Site.from_json(record), digests, self._clock())


def _record_key(site_id: str) -> str:
    return f"{{hakam:{site_id}}}:site"


def _new_key(site_id: str) -> str:
    return f"hk_{site_id}_{secrets.token_urlsafe(32)}"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
