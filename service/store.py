"""How a verb of the queue reaches Redis: the keys of a site, one script, one round trip.

Every script is given all keys of the site, always in the order of `SITE_KEYS`, so no script ever
builds a key; they share a hash tag, so they live on one node of a Redis Cluster. The verbs
themselves stand in ``.lua`` files beside their modules, behind the common opening ``site.lua``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError

from service.errors import translating_redis_errors

SITE_KEYS = (
    "items",
    "texts",
    "pending",
    "facets",
    "leases",
    "barred",
    "decisions",
    "outbox",
    "dead",
    "endpoint",
    "authors",
    "bulks",
    "retention",
)

ID_LENGTH = 22  # characters of an item's id
TROUBLED_AFTER = 3  # leases that ran out; then people are told that an item keeps being left
MAX_REJECTIONS = 20  # of an author, whose times are kept

CONSTANTS = {
    "ID_LENGTH": ID_LENGTH,
    "TROUBLED_AFTER": TROUBLED_AFTER,
    "MAX_REJECTIONS": MAX_REJECTIONS,
}


def site_keys(site_id: str) -> tuple[str, ...]:
    """Names of all keys of a site, in the order of `SITE_KEYS`.

    Examples
    --------
    >>> site_keys("demo")[0]
    '{hakam:demo}:items'
    """
    return tuple(f"{{hakam:{site_id}}}:{key}" for key in SITE_KEYS)


class Verbs:
    """The verbs of one ``.lua`` file; the first argument of the script names the verb.

    Parameters
    ----------
    redis : redis.Redis or redis.cluster.RedisCluster
        With ``decode_responses=True``.
    file_name : str
        Name of the Lua file in this folder.
    """

    def __init__(self, redis: Redis, file_name: str) -> None:
        self._redis: Any = redis  # its stubs type every answer as "awaitable or not"
        here = Path(__file__).parent
        constants = "".join(f"local {name} = {value}\n" for name, value in CONSTANTS.items())
        parts = [(here / name).read_text(encoding="utf-8") for name in ("site.lua", file_name)]
        self._script = constants + "\n".join(parts)
        self._digest = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, site_id: str, verb: str, *arguments: str | int | float) -> Sequence[Any]:
        """Run one verb for one site.

        Raises
        ------
        StoreUnavailable
            Redis cannot be reached, did not answer in time, or refused the write.
        """
        keys = site_keys(site_id)
        with translating_redis_errors():
            try:
                answer = self._redis.evalsha(self._digest, len(keys), *keys, verb, *arguments)
            except NoScriptError:  # the server is new to the script, or has been restarted
                answer = self._redis.eval(self._script, len(keys), *keys, verb, *arguments)
        result: Sequence[Any] = answer
        return result
