"""Durability: noticing that Redis could forget what it acknowledged, or has forgotten it.

A Redis that was restarted on other files, emptied, or restarted on a file whose end was cut off,
looks as good as new: it would say that comments which people should see are already dealt with, or
were never sent. So two things are in Redis and beside it in a file. A random id is put there once;
where the two differ, the store is not the one that this installation filled. The mark is the time
of the last check, which every check moves on; where the store's is behind the file's, the store has
lost what came after. The check is a write, so that a Redis that takes none is noticed too. In a
Cluster each primary has an id and a mark of its own.

A failover to a replica that has all is no loss, and one to a replica that was behind is. A primary
that was cut off and has not heard that another took over is behind, too: so a loss is believed only
once new connections say the same.

On disk: ``<id> <mark>``, milliseconds by Redis' clock, and never less than one more than before;
for each further primary a line ``<key> <mark>``.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Any, Final

import structlog
from redis import Redis
from redis.exceptions import ResponseError

from models.files import write_durably
from service.errors import (
    ServiceError,
    StoreLost,
    StoreMisconfigured,
    StoreUnavailable,
    UnknownFormat,
)
from service.rules.times import iso_time
from service.store.connect import look_anew, primaries
from service.store.errors import is_forbidden, translating_redis_errors

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

    def __init__(self, redis: Redis, file: Path | None = None, *, vouched: bool = False) -> None:
        self._redis: Any = redis
        self._file = file
        self._vouched = vouched  # people answer for the settings, and Redis is not asked
        self._id = ""
        self._marks: dict[str, int] = {}
        self.unwritten = ""  # what is wrong with the file, after a check
        self.failing_since = 0.0  # since when the checks of `run` have failed, Unix time; 0 for not

    def check(self) -> None:
        """Check that Redis loses nothing, takes writes and lost nothing since the last check."""
        if not self._vouched:
            self._check_settings()
        self._believe(self._move_marks)

    def expect(self) -> None:
        """Check that Redis has lost nothing; asks less of it than `check`, and writes nothing."""
        self._believe(self._compare_marks)

    def run(self, stop: Event) -> None:
        """Check every few seconds until told to stop, and log what is wrong when it begins."""
        said = ""
        while not stop.is_set():
            try:
                self.check()
                problem, self.failing_since = self.unwritten, 0.0
            except ServiceError as error:
                problem, self.failing_since = str(error), self.failing_since or time.time()
            if problem and problem != said:
                log.warning("store", problem=problem)
            said = problem
            stop.wait(CHECK_EVERY_SECONDS)

    def lost(self) -> tuple[float, float] | None:
        """Return between which times something was lost (Unix time), or None where nothing was."""
        between = [(found if is_older else 0, mark) for is_older, found, mark in self._losses()]
        if not between:
            return None
        return min(since for since, _ in between) / 1000, max(at for _, at in between) / 1000

    def accept(self) -> None:
        """Take the loss: from now on this is the Redis that Hakam works with."""
        known, marks = self._known()
        if known:
            with translating_redis_errors():
                for place, mark in marks.items():
                    self._redis.eval(_ACCEPT, 3, *_keys(place), known, mark, FORMAT)

    def _believe(self, look: Callable[[], None]) -> None:
        try:
            look()
        except StoreLost:
            with translating_redis_errors():
                look_anew(self._redis)
            look()

    def _move_marks(self) -> None:
        known, marks = self._known()
        new, moved = known or secrets.token_hex(8), dict(marks)
        with translating_redis_errors():
            if not known and self._redis.exists(BEFORE_FORMATS):
                raise UnknownFormat(_FORMAT_UNKNOWN)
            for place in (KEY, *(one for one in {**marks, **self._places()} if one != KEY)):
                mark, expected = marks.get(place, 0), known if place in marks else ""
                store_id, found, outcome = self._redis.eval(
                    _CHECK, 3, *_keys(place), expected, new, mark, OLDEST, FORMAT
                )
                if outcome == "format":
                    raise UnknownFormat(_FORMAT_UNKNOWN)
                new = store_id if place == KEY else new
                if outcome != "same" or store_id != new:
                    raise StoreLost(_loss(store_id == known, int(found), mark))
                moved[place] = int(found)
        self._keep(new, moved)

    def _compare_marks(self) -> None:
        for loss in self._losses():
            raise StoreLost(_loss(*loss))

    def _losses(self) -> Iterator[tuple[bool, int, int]]:
        """Yield of each primary that lost something what `_loss` takes; writes nothing."""
        known, marks = self._known()
        for place, mark in marks.items() if known else ():
            with translating_redis_errors():
                store_id, found = self._redis.mget(*_keys(place)[:2])
            if store_id != known or int(found or 0) < mark:
                yield store_id == known, int(found or 0), mark

    def _places(self) -> Mapping[str, Any]:
        return primaries(self._redis, KEY)

    def _check_settings(self) -> None:
        try:
            with translating_redis_errors():
                every = [
                    (name, value, server.config_get(name).get(name))
                    for server in self._places().values()
                    for name, value in SETTINGS.items()
                ]
        except StoreUnavailable as fault:
            if is_forbidden(fault.__cause__):
                raise StoreMisconfigured(_UNTOLD) from fault
            raise
        wrong = {
            f"{name} is {found}, must be {value}" for name, value, found in every if found != value
        }
        if wrong:
            raise StoreMisconfigured("Redis could lose comments: " + "; ".join(sorted(wrong)))

    def _known(self) -> tuple[str, dict[str, int]]:
        if self._file is not None:
            with contextlib.suppress(OSError, ValueError):
                first, *others = self._file.read_text(encoding="ascii").splitlines()
                store_id, _, mark = first.partition(" ")
                self._id = self._id or store_id
                if store_id == self._id:
                    for line in (f"{KEY} {mark or 0}", *others):
                        place, _, at = line.rpartition(" ")
                        self._marks[place] = max(self._marks.get(place, 0), int(at))
        return self._id, self._marks

    def _keep(self, store_id: str, marks: dict[str, int]) -> None:
        self._id, self._marks = store_id, marks
        if self._file is None:
            return
        lines = [f"{store_id} {marks[KEY]}"]
        lines += [f"{place} {mark}" for place, mark in marks.items() if place != KEY]
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self._file, "\n".join(lines).encode("ascii"))
            self.unwritten = ""
        except OSError as error:
            self.unwritten = (
                f"{self._file} cannot be written ({error.strerror}): what Redis loses is noticed "
                "only as long as this process lives. Make room in HAKAM_VAR, or make it writable."
            )


def _keys(place: str) -> tuple[str, str, str]:
    """Keys of id, mark and format, all on the node of this one."""
    return place, f"{{{place}}}:mark", f"{{{place}}}:format"


_FORMAT_UNKNOWN = (
    f"What Redis holds was not written in a format from {OLDEST} to {FORMAT}, which this version "
    "reads: export the decisions with the version that wrote it (`hakam decisions export`), empty "
    "Redis and take them over with `hakam queue rebuild`."
)


_UNTOLD = (
    "Redis does not tell its settings (CONFIG is refused): permit `config|get`, or set "
    "HAKAM_REDIS_SETTINGS to vouched and answer for them yourself."
)


def rewrite_file(redis: Any) -> bool:
    """Let Redis write its append-only files anew, and wait for the end; return whether it came.

    Those of replicas are not written anew.
    """
    with translating_redis_errors():
        every = list(primaries(redis, KEY).values())
    written = [_rewrite_file(server) for server in every]
    return all(written)


def _rewrite_file(server: Any) -> bool:
    started, deadline = False, time.monotonic() + REWRITE_SECONDS
    with translating_redis_errors():
        while time.monotonic() < deadline:
            if not started:  # one under way already may still write what was deleted
                try:
                    server.bgrewriteaof()
                    started = True
                except ResponseError as refusal:
                    if "in progress" not in str(refusal):
                        return False  # this Redis does not let us
            state = server.info("persistence")
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
