"""API keys of a site: how they are made, stored, checked and replaced.

Of a key only the SHA-256 is stored: it has 256 random bits, so a slow hash would protect nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from service.errors import InvalidRequest, SiteUnreadable
from service.sites.site import ID_PATTERN

MAX_GRACE_SECONDS = 90 * 86_400.0

_Stored = tuple[tuple[str, float | None], ...]
_STORED = TypeAdapter(Annotated[_Stored, Field(min_length=1)], config=ConfigDict(strict=True))
_KEY = re.compile(rf"hk_({ID_PATTERN})_[A-Za-z0-9_-]{{43}}")


def new_key(site_id: str) -> str:
    """Make a key, which is shown once."""
    return f"hk_{site_id}_{secrets.token_urlsafe(32)}"


def site_id_of(key: str) -> str | None:
    """Return the id of the site that a key is of, or None for what is no key."""
    match = _KEY.fullmatch(key)
    return match[1] if match else None


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The keys of one site: of each its digest, and when it ends (Unix time) or None."""

    stored: _Stored

    @classmethod
    def of(cls, key: str) -> ApiKeys:
        """Return the keys of a site that has this one."""
        return cls(((_digest(key), None),))

    @classmethod
    def from_json(cls, text: str | None) -> ApiKeys:
        """Read what `to_json` wrote; what cannot be read is SiteUnreadable, not a wrong key."""
        if text is None:
            return cls(())
        try:
            return cls(_STORED.validate_json(text))
        except ValidationError:
            raise SiteUnreadable("the keys of this site cannot be read") from None

    def to_json(self) -> str:
        """Write the keys as JSON."""
        return json.dumps(self.stored)

    def opens(self, key: str, now: float) -> bool:
        """Whether a key is one of these that have not ended; as long for each answer."""
        digest = _digest(key)
        fitting = [hmac.compare_digest(digest, known) for known, _end in self._valid(now)]
        return any(fitting)

    def replaced(self, key: str, now: float, grace_seconds: float) -> ApiKeys:
        """Return a new key, and the old ones for so long as they may still go on working."""
        if not 0 <= grace_seconds <= MAX_GRACE_SECONDS:
            raise InvalidRequest.of("grace_seconds", f"expected 0 to {MAX_GRACE_SECONDS:.0f}")
        latest = now + grace_seconds
        old = [(digest, min(end or latest, latest)) for digest, end in self._valid(now)]
        return ApiKeys(((_digest(key), None), *(old if grace_seconds > 0 else ())))

    def _valid(self, now: float) -> list[tuple[str, float | None]]:
        return [(digest, end) for digest, end in self.stored if end is None or now < end]


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
