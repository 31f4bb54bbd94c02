"""How a verb of the queue reaches Redis: the keys of a site, one script, one round trip.

The verbs stand in ``.lua`` files beside their modules; ``site.lua`` holds what they share. Each
verb becomes a script of its own, made of the functions and constants that it names, because making
functions is a good part of what a call costs. A script gets the keys that it names, as in `ITEMS`,
in the order of `SITE_KEYS`, and never builds one; all keys of a site share a hash tag, so they live
on one node of a Redis Cluster.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError

from service.store.errors import naming_the_site

SITE_KEYS = (
    "items",
    "texts",
    "lines",
    "leases",
    "barred",
    "decisions",
    "outbox",
    "dead",
    "endpoint",
    "authors",
    "bulks",
    "retention",
    "site",
    "feedback",
    "feedback_index",
    "feedback_echoes",
)

ID_LENGTH = 12  # characters of an item's id
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


@dataclass(frozen=True, slots=True)
class Script:
    """What one verb runs: its text, the SHA-1 that Redis knows it by, and the keys it names."""

    text: str
    digest: str
    keys: tuple[str, ...]

    def keys_of(self, site_id: str) -> Sequence[str]:
        """Names of the keys it is given for a site."""
        return _names(site_id, self.keys)


@functools.lru_cache(maxsize=4096)
def _names(site_id: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    wanted = set(keys)
    return tuple(
        name for key, name in zip(SITE_KEYS, site_keys(site_id), strict=True) if key in wanted
    )


@functools.cache
def scripts(*file_names: str) -> Mapping[str, Script]:
    """Make the scripts of all verbs of Lua files in this folder.

    The files consist of functions and constants, each beginning at the left margin and standing
    after what it needs, be it in a file before.
    """
    here = Path(__file__).parent.parent / "queue" / "lua"
    texts = [f"local {name} = {value}\n" for name, value in CONSTANTS.items()]
    texts += [(here / name).read_text(encoding="utf-8") for name in ("site.lua", *file_names)]
    code = re.sub("--.*", "", "".join(texts))
    parts = [
        (match[1], part)
        for part in re.split(r"^(?=local |function )", code, flags=re.MULTILINE)
        if (match := re.match(r"(?:local )?(?:function )?([\w.]+)", part))
    ]
    verbs = [name for name, _ in parts if name.startswith("verbs.")]
    return {verb.removeprefix("verbs."): _script(verb, parts) for verb in verbs}


def _script(verb: str, parts: Sequence[tuple[str, str]]) -> Script:
    words, needed = {verb}, list[str]()
    for name, part in reversed(parts):
        if name in words:
            words.update(re.findall(r"\w+", part))
            needed.insert(0, part)
    keys = tuple(key for key in SITE_KEYS if key.upper() in words)
    opening = f"local {', '.join(key.upper() for key in keys)} = unpack(KEYS)\n"
    text = f"{opening}{''.join(needed)}\nreturn {verb}(unpack(ARGV))"
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(text, digest, keys)


class Verbs:
    """The verbs of some ``.lua`` files.

    Parameters
    ----------
    redis : redis.Redis or redis.cluster.RedisCluster
        With ``decode_responses=True``.
    file_names : str
        Names of Lua files in this folder; each may use what stands in those before.
    """

    def __init__(self, redis: Redis, *file_names: str) -> None:
        self._redis: Any = redis  # its stubs type every answer as "awaitable or not"
        self._scripts = scripts(*file_names)

    def __call__(self, site_id: str, verb: str, *arguments: str | int | float) -> Sequence[Any]:
        """Run one verb for one site.

        Raises
        ------
        SiteUnreadable
            The script failed on what is stored of this site.
        StoreUnavailable
            Redis cannot be reached, did not answer in time, or refused the write.
        """
        script = self._scripts[verb]
        keys = script.keys_of(site_id)
        with naming_the_site():
            try:
                answer = self._redis.execute_command(
                    "EVALSHA", script.digest, len(keys), *keys, *arguments
                )
            except NoScriptError:  # the server is new to the script, or has been restarted
                answer = self._redis.eval(script.text, len(keys), *keys, *arguments)
        result: Sequence[Any] = answer
        return result
