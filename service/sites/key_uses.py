"""Use of API keys: in which hour each key of a site last opened it.

A worker notes a key once an hour, in its memory, and tells Redis behind an answer: a request waits
for nothing more, and most requests write nothing. Where Redis does not take it, the worker tells it
again behind a later answer.

Keys: ``{hakam:<site>}:key_uses``, hash: name of a key -> hour (Unix time), of the keys that a site
has; what has ended is taken away when keys are changed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from service.errors import StoreUnavailable
from service.sites.api_keys import ApiKeys, name_of
from service.store.connect import Redis
from service.store.errors import translating_redis_errors
from service.store.scripts import site_key

HOUR = 3_600
MAX_REMEMBERED = 10_000  # keys that one worker knows of

_Key = tuple[str, str]  # of a site, by its name


class KeyUses:
    """When keys were last used, as one worker notes it and Redis keeps it."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis
        self._clock = clock
        self._lock = threading.Lock()
        self._noted: dict[_Key, int] = {}
        self._unsent: dict[_Key, int] = {}

    def note(self, site_id: str, key: str) -> None:
        """Note that a key has opened its site."""
        which, hour = (site_id, name_of(key)), int(self._clock() // HOUR) * HOUR
        if self._noted.get(which) == hour:
            return
        with self._lock:
            if len(self._noted) >= MAX_REMEMBERED:
                self._noted.clear()
            self._noted[which] = self._unsent[which] = hour

    def flush_if_due(self) -> None:
        """Tell Redis what was noted, if anything was."""
        if self._unsent:
            self.flush()

    def flush(self) -> None:
        """Tell Redis what was noted; keep it for later where Redis does not take it."""
        with self._lock:
            sent, self._unsent = self._unsent, {}
        try:
            self._store(sent)
        except StoreUnavailable:
            with self._lock:
                self._unsent = dict([*sent.items(), *self._unsent.items()][-MAX_REMEMBERED:])

    @translating_redis_errors()
    def of(self, site_id: str) -> Mapping[str, float]:
        """Return when the keys of a site were last used, to the hour, by their names."""
        stored = self._redis.hgetall(_uses(site_id))
        return {name: float(hour) for name, hour in stored.items() if hour.isdecimal()}

    @translating_redis_errors()
    def _store(self, sent: Mapping[_Key, int]) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for (site_id, name), hour in sent.items():
                pipe.hset(_uses(site_id), name, hour)
            pipe.execute(raise_on_error=False)


def forget_others(redis: Any, site_id: str, keys: ApiKeys) -> None:
    """Take away what is known of the use of keys that a site does not have, or no more."""
    names = {one.name for one in keys.stored}
    if others := [name for name in redis.hkeys(_uses(site_id)) if name not in names]:
        redis.hdel(_uses(site_id), *others)


def _uses(site_id: str) -> str:
    return site_key(site_id, "key_uses")
