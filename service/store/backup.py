"""Time of the last backup, as whoever makes one notes when all of it is written. Key schema::

    hakam:backup   string  when that was, Unix time by the clock of Redis

A restored store says when the backup before was made: the copy was taken before the note.
"""

from __future__ import annotations

from typing import Any

from service.store.connect import Redis
from service.store.errors import translating_redis_errors
from service.store.server_facts import server_time

OLD_SECONDS = 172_800.0  # two days, after which a backup is too old; alerts.yml says so too
_KEY = "hakam:backup"


@translating_redis_errors()
def note_backup(redis: Redis) -> float:
    """Note that a backup is whole now; return the time."""
    client: Any = redis
    now = server_time(redis)
    client.set(_KEY, now)
    return now


@translating_redis_errors()
def last_backup(redis: Redis) -> tuple[float, float] | None:
    """Return when the last one was noted, and how many seconds ago; None where none was."""
    client: Any = redis
    noted = client.get(_KEY)
    if noted is None:
        return None
    at = float(noted)
    return at, max(0.0, server_time(redis) - at)
