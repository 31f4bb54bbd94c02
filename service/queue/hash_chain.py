"""Proof that a site's decision stream is whole.

Each entry carries the SHA-1 of the digest before it and its own body, so an entry that was changed,
removed or put in breaks the chain from there on. Redis' scripts know no stronger digest; what the
chain needs is that nobody finds a second body for a digest that exists, and for SHA-1 that is as
far away as ever. Who can write to Redis can compute a new chain from any entry on: note the digest
of the last entry elsewhere now and then, and hand it to `verify`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from redis import Redis

from models.errors import ModerationError
from service.errors import naming_the_site
from service.store.scripts import SITE_KEYS, site_keys

PAGE = 1_000


class ChainBroken(ModerationError):
    """An entry of the decision stream is not what was written; the message names the first."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A whole chain: how many entries it has, and the digest of the last."""

    n_entries: int
    digest: str


def verify(redis: Redis, site_id: str, *, known_digest: str = "") -> Verified:
    """Check the chain of a site's decision stream from its first entry on.

    Parameters
    ----------
    known_digest : str, optional
        Digest of an entry noted earlier, which must still be part of the chain.

    Raises
    ------
    ChainBroken
        Names the first entry that does not follow from the one before, or says that the noted
        digest is not in the chain.
    StoreUnavailable
    """
    client: Any = redis
    key = site_keys(site_id)[SITE_KEYS.index("decisions")]
    start, digest, n_entries, seen = "-", "", 0, not known_digest
    while True:
        with naming_the_site():
            entries = client.xrange(key, start, "+", count=PAGE)
        for entry_id, fields in entries:
            expected = hashlib.sha1(
                (digest + fields.get("body", "")).encode(), usedforsecurity=False
            ).hexdigest()
            if not hmac.compare_digest(expected, fields.get("digest", "")):
                raise ChainBroken(f"The decision stream of {site_id} is broken at {entry_id}.")
            digest, n_entries = expected, n_entries + 1
            seen = seen or digest == known_digest
        if len(entries) < PAGE:
            break
        start = f"({entries[-1][0]}"
    if not seen:
        raise ChainBroken(f"The noted digest is not in the decision stream of {site_id}.")
    return Verified(n_entries, digest)
