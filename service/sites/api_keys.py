"""API keys of a site: how they are made, stored, checked and replaced.

Of a key only the SHA-256 is stored: it has 256 random bits, so a slow hash would protect nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from service.errors import Conflict, InvalidRequest, SiteUnreadable
from service.sites.site import ID_PATTERN

MAX_GRACE_SECONDS = 90 * 86_400.0

MARK_LENGTH = 4
NAME_LENGTH = 12
MAX_KEYS = 20

# Digest and end; and since keys have marks, the mark and when it was made.
_Pair = tuple[str, float | None]
_Known = tuple[str, float | None, str, float]
_STORED = TypeAdapter(
    Annotated[tuple[_Known | _Pair, ...], Field(min_length=1)], config=ConfigDict(strict=True)
)
_KEY = re.compile(rf"hk_({ID_PATTERN})_[A-Za-z0-9_-]{{43}}")


def new_key(site_id: str) -> str:
    """Make a key, which is shown once."""
    return f"hk_{site_id}_{secrets.token_urlsafe(32)}"


def site_id_of(key: str) -> str | None:
    """Return the id of the site that a key is of, or None for what is no key."""
    match = _KEY.fullmatch(key)
    return match[1] if match else None


def mark_of(key: str) -> str:
    """Return the last letters of a key, by which people know it and nobody can guess it."""
    return key[-MARK_LENGTH:]


def name_of(key: str) -> str:
    """Return what tells a key from the others of its site, and opens nothing."""
    return _digest(key)[:NAME_LENGTH]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of one key; its mark and age are unknown of those made before these were."""

    digest: str
    ends_at: float | None = None  # Unix time
    mark: str = ""
    created_at: float = 0.0

    @property
    def name(self) -> str:
        """What tells it from the others of its site, and opens nothing."""
        return self.digest[:NAME_LENGTH]

    @property
    def called(self) -> str:
        """Its mark, or its name where it has none."""
        return self.mark or self.name


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The keys of one site."""

    stored: tuple[ApiKey, ...]

    @classmethod
    def of(cls, key: str, now: float) -> ApiKeys:
        """Return the keys of a site that has this one."""
        return cls((_made(key, now),))

    @classmethod
    def from_json(cls, text: str | None) -> ApiKeys:
        """Read what `to_json` wrote; what cannot be read is SiteUnreadable, not a wrong key."""
        if text is None:
            return cls(())
        try:
            return cls(tuple(ApiKey(*one) for one in _STORED.validate_json(text)))
        except ValidationError:
            raise SiteUnreadable("the keys of this site cannot be read") from None

    def to_json(self) -> str:
        """Write the keys as JSON."""
        return json.dumps(
            [(one.digest, one.ends_at, one.mark, one.created_at) for one in self.stored]
        )

    def opens(self, key: str, now: float) -> bool:
        """Whether a key is one of these that have not ended; as long for each answer."""
        digest = _digest(key)
        fitting = [hmac.compare_digest(digest, known.digest) for known in self.valid(now)]
        return any(fitting)

    def valid(self, now: float) -> list[ApiKey]:
        """Return those that have not ended."""
        return [one for one in self.stored if one.ends_at is None or now < one.ends_at]

    def replaced(self, key: str, now: float, grace_seconds: float) -> ApiKeys:
        """Return a new key, and the old ones for so long as they may still go on working."""
        if not 0 <= grace_seconds <= MAX_GRACE_SECONDS:
            raise InvalidRequest.of("grace_seconds", f"expected 0 to {MAX_GRACE_SECONDS:.0f}")
        latest = now + grace_seconds
        old = [replace(one, ends_at=min(one.ends_at or latest, latest)) for one in self.valid(now)]
        return ApiKeys((_made(key, now), *(old if grace_seconds > 0 else ())))

    def with_another(self, key: str, now: float) -> ApiKeys:
        """Return these and a new one; Conflict where there are as many as there may be."""
        valid = self.valid(now)
        if len(valid) >= MAX_KEYS:
            raise Conflict(f"a site has at most {MAX_KEYS} keys: revoke one first")
        return ApiKeys((_made(key, now), *valid))

    def without(self, name: str, now: float) -> ApiKeys:
        """Return these without one; Conflict where it is gone, or no other would be left."""
        valid = self.valid(now)
        left = [one for one in valid if one.name != name]
        if len(left) == len(valid):
            raise Conflict("this key has ended already")
        if not any(one.ends_at is None for one in left):
            raise Conflict("a site keeps one key that does not end: make another first")
        return ApiKeys(tuple(left))


def _made(key: str, now: float) -> ApiKey:
    return ApiKey(_digest(key), None, mark_of(key), now)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
