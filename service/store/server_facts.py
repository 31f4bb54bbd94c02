"""What Redis says of itself: memory, replicas, clients, whether it writes its files.

One ``INFO`` and one ``PING`` to each primary; neither looks at a key.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from redis.exceptions import ResponseError

from service.store.connect import Redis, primaries, primary_of
from service.store.durability import KEY
from service.store.errors import translating_redis_errors


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One primary; None for what it does not tell."""

    version: str  # and whose, as ``valkey 8.0.1``
    ping_seconds: float
    memory_bytes: int
    memory_limit_bytes: int | None  # None for no limit
    n_replicas: int
    n_clients: int
    writes_well: bool | None  # whether the last write of its append-only file succeeded
    uptime_seconds: int
    last_snapshot_at: float  # Unix time; 0 where it has made none


@translating_redis_errors()
def server_facts(redis: Redis) -> list[ServerFacts]:
    """Ask each primary; StoreUnavailable where one does not answer."""
    return [_ask(server) for server in primaries(redis, KEY).values()]


@translating_redis_errors()
def setting_of(redis: Redis, name: str) -> set[str]:
    """Return the values that a setting has on the primaries; none where they do not tell."""
    found = set[str]()
    for server in primaries(redis, KEY).values():
        try:
            found |= set(server.config_get(name).values())
        except ResponseError:  # the provider refuses CONFIG
            return set()
    return found


@translating_redis_errors()
def server_time(redis: Redis) -> float:
    """Return the clock of a primary, in seconds of Unix time."""
    seconds, microseconds = primary_of(redis, KEY).time()
    return float(seconds) + float(microseconds) / 1e6


@translating_redis_errors()
def ping_seconds(redis: Redis) -> float:
    """Return how long the slowest primary takes to answer."""
    return max(map(_ping, primaries(redis, KEY).values()))


def _ping(server: Any) -> float:
    began = perf_counter()
    server.ping()
    return perf_counter() - began


def _last_snapshot(told: Mapping[str, Any]) -> float:
    """Return when it last wrote a snapshot; a server that starts says that it did so then."""
    at, started = float(told.get("rdb_last_save_time", 0)), told.get("uptime_in_seconds", 0)
    return at if time.time() - at < float(started) - 1 else 0.0


def _ask(server: Any) -> ServerFacts:
    told = server.info()
    valkey = told.get("valkey_version")
    status = told.get("aof_last_write_status")
    return ServerFacts(
        version=f"valkey {valkey}" if valkey else f"redis {told.get('redis_version', '?')}",
        ping_seconds=_ping(server),
        memory_bytes=int(told["used_memory"]),
        memory_limit_bytes=int(told.get("maxmemory") or 0) or None,
        n_replicas=int(told.get("connected_slaves", 0)),
        n_clients=int(told["connected_clients"]),
        writes_well=None if status is None else status == "ok",
        uptime_seconds=int(told.get("uptime_in_seconds", 0)),
        last_snapshot_at=_last_snapshot(told),
    )
