"""Durability: noticing that Redis could forget what it acknowledged, or has forgotten it.

A Redis that was restarted on other files, emptied, or restarted on a file whose end was cut off,
looks as good as new: it would say that comments which people should see are already dealt with, or
were never sent. So two things are in Redis and beside it in a file. A random id is put there once;
where the two differ, the store is not the one that this installation filled. The mark is the time
of the last check, which every check moves on; where the store's is behind the file's, the store has
lost what came after. The check is a write, so that a Redis that takes none is noticed too.

On disk: ``<id> <mark>``, milliseconds by Redis' clock, and never less than one more than before.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from pathlib import Path
from threading import Event
from typing import Any, Final

import structlog
from redis import Redis
from redis.exceptions import ResponseError

from models.files import write_durably
from service.errors import ServiceError, StoreLost, StoreMisconfigured, UnknownFormat
from service.rules.times import iso_time
from service.store.errors import translating_redis_errors

log = structlog.get_logger()

CHECK_EVERY_SECONDS = 5.0
REWRITE_SECONDS = 300.0  # to wait for the append-only file to be written anew

# Of what is stored, as in service/queue/lua/include/record.lua. A store of a format from OLDEST on
# is read as it is, and called FORMAT from then on, so that no older Hakam misreads what is added.
OLDEST: Final = 1
FORMAT: Final = 4

KEY = "hakam:store"
MARK = f"{{{KEY}}}:mark"  # on the node of KEY
FORMAT_KEY = f"{{{KEY}}}:format"
BEFORE_FORMATS = "hakam:epoch"  # what a Hakam whose records had no format had in place of KEY
SETTINGS = {
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory-policy": "noeviction",
    "replica-read-only": "yes",  # so that no replica takes what its primary does not have
}

_CHECK = """
local known, new, known_mark, oldest, format = unpack(ARGV)
local store_id, mark = redis.call('GET', KEYS[1]) or '', tonumber(redis.call('GET', KEYS[2]) or 0)
if (known ~= '' and store_id ~= known) or mark < tonumber(known_mark) then
  return {store_id, string.format('%.0f', mark), ''}
end
if store_id == '' then
  store_id = new
  redis.call('SET', KEYS[1], store_id)
  redis.call('SET', KEYS[3], format)
end
local found = redis.call('GET', KEYS[3]) or ''
local number = tonumber(found) or 0
if number < tonumber(oldest) or number > tonumber(format) then
  return {store_id, found, 'format'}
end
if found ~= format then redis.call('SET', KEYS[3], format) end
local time = redis.call('TIME')
local now = string.format('%.0f', math.max(mark + 1, time[1] * 1000 + math.floor(time[2] / 1000)))
redis.call('SET', KEYS[2], now)
return {store_id, now, 'same'}
"""

_ACCEPT = """
local time = redis.call('TIME')
local now = math.max(tonumber(ARGV[2]) + 1, time[1] * 1000 + math.floor(time[2] / 1000))
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SET', KEYS[3], ARGV[3]) end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], string.format('%.0f', now))
return {}
"""


class Durability:
    """Compares Redis with what a file, or without one this object, knows of it."""

    def __init__(self, redis: Redis, file: Path | None = None) -> None:
        self._redis: Any = redis
        self._file = file
        self._id, self._mark = "", 0
        self.failing_since = 0.0  # since when the checks of `run` have failed, Unix time; 0 for not

    def check(self) -> None:
        """Check that Redis loses nothing, takes writes and lost nothing since the last check."""
        self._check_settings()
        known, known_mark = self._known()
        keys, new = (KEY, MARK, FORMAT_KEY), secrets.token_hex(8)
        with translating_redis_errors():
            if not known and self._redis.exists(BEFORE_FORMATS):
                raise UnknownFormat(_FORMAT_UNKNOWN)
            store_id, mark, outcome = self._redis.eval(
                _CHECK, len(keys), *keys, known, new, known_mark, OLDEST, FORMAT
            )
        if outcome == "format":
            raise UnknownFormat(_FORMAT_UNKNOWN)
        if outcome != "same":
            raise StoreLost(_loss(store_id == known, int(mark), known_mark))
        self._keep(store_id, int(mark))

    def run(self, stop: Event) -> None:
        """Check every few seconds until told to stop, and log what is wrong when it begins."""
        said = ""
        while not stop.is_set():
            try:
                self.check()
                said, self.failing_since = "", 0.0
            except ServiceError as problem:
                self.failing_since = self.failing_since or time.time()
                if str(problem) != said:
                    said = str(problem)
                    log.warning("store", problem=said)
            stop.wait(CHECK_EVERY_SECONDS)

    def expect(self) -> None:
        """Check that Redis has lost nothing; asks less of it than `check`, and writes nothing."""
        known, known_mark = self._known()
        if not known:
            return
        with translating_redis_errors():
            store_id, mark = self._redis.mget(KEY, MARK)
        if store_id != known or int(mark or 0) < known_mark:
            raise StoreLost(_loss(store_id == known, int(mark or 0), known_mark))

    def accept(self) -> None:
        """Take the loss: from now on this is the Redis that Hakam works with."""
        known, known_mark = self._known()
        if known:
            with translating_redis_errors():
                self._redis.eval(_ACCEPT, 3, KEY, MARK, FORMAT_KEY, known, known_mark, FORMAT)

    def _check_settings(self) -> None:
        with translating_redis_errors():
            found = {name: self._redis.config_get(name).get(name) for name in SETTINGS}
        wrong = [
            f"{name} is {found[name]}, must be {value}"
            for name, value in SETTINGS.items()
            if found[name] != value
        ]
        if wrong:
            raise StoreMisconfigured("Redis could lose comments: " + "; ".join(wrong))

    def _known(self) -> tuple[str, int]:
        if self._file is not None:
            with contextlib.suppress(OSError, ValueError):
                store_id, _, mark = self._file.read_text(encoding="ascii").partition(" ")
                if not self._id:
                    self._id = store_id
                if store_id == self._id:
                    self._mark = max(self._mark, int(mark or 0))
        return self._id, self._mark

    def _keep(self, store_id: str, mark: int) -> None:
        self._id, self._mark = store_id, mark
        if self._file is None:
            return
        with contextlib.suppress(OSError):  # then it is known to this process only
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self._file, f"{store_id} {mark}".encode("ascii"))


_FORMAT_UNKNOWN = (
    f"What Redis holds was not written in a format from {OLDEST} to {FORMAT}, which this version "
    "reads: export the decisions with the version that wrote it (`hakam decisions export`), empty "
    "Redis and take them over with `hakam queue rebuild`."
)


def rewrite_file(redis: Any) -> bool:
    """Let Redis write its append-only file anew, and wait for the end; return whether it came."""
    started, deadline = False, time.monotonic() + REWRITE_SECONDS
    with translating_redis_errors():
        while time.monotonic() < deadline:
            if not started:  # one under way already may still write what was deleted
                try:
                    redis.bgrewriteaof()
                    started = True
                except ResponseError as refusal:
                    if "in progress" not in str(refusal):
                        return False  # this Redis does not let us
            state = redis.info("persistence")
            if not (state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"]):
                if started:
                    return str(state["aof_last_bgrewrite_status"]) == "ok"
                continue
            time.sleep(0.05)
    return False


def _loss(is_older: bool, mark: int, known_mark: int) -> str:
    until = f"{iso_time(mark / 1000)} and {iso_time(known_mark / 1000)}"
    what = (
        f"Redis has lost what it was given between {until}"
        if is_older and mark
        else "Redis has lost what it held, or is another one than before"
        + (f" (all was there at {iso_time(known_mark / 1000)})" if known_mark else "")
    )
    return (
        f"{what}: start it on its own files again, or accept the loss with "
        "`hakam check --accept-loss` and take decisions over with `hakam queue rebuild`."
    )
