"""Connecting to Redis, behind Sentinels, or to a Cluster: time limits, and the type of the client.

A failover needs nobody: connections to a server that is no primary any more are closed, and each
new one asks the Sentinels, or the nodes of the Cluster, who is. Until a primary is there every
command fails within a timeout.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from itertools import count
from threading import Lock
from typing import Any, cast

from redis import Redis
from redis._parsers import Encoder
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.commands.core import Script
from redis.connection import URL_QUERY_ARGUMENT_PARSERS, ConnectionPool, parse_url
from redis.connection import Connection as PlainConnection
from redis.exceptions import BusyLoadingError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from service.config import RedisAddress
from service.errors import ConfigError
from service.store.circuit_breaker import Breaking, CircuitBreaker
from service.store.observer import Observed, Observer
from service.store.replication import Replicating

__all__ = ["TIMEOUT_SECONDS", "Redis", "await_answer", "connect", "look_anew", "primaries"]
__all__ += ["primary_of"]

# A request waits this long for Redis and no longer: a site that gets no answer publishes blindly,
# and must be answered within a second.
TIMEOUT_SECONDS = 0.45
WAIT_SHARE = 0.7  # of that time, for the replicas
MOST_NAMES = 100_000  # tried for a key on each primary; one of a thousand takes some 10,000

_UNUSABLE_OPTION = "HAKAM_REDIS_URL: one of its options has a value that it cannot have"
# What redis-py is given otherwise is an object, which no address can hold.
_WRITTEN_OPTIONS = frozenset(URL_QUERY_ARGUMENT_PARSERS) - {"retry_on_error"} | {
    *("client_name", "decode_responses", "host", "lib_name", "lib_version", "password", "path"),
    *("port", "username"),
}


def connect(
    url: str,
    timeout_seconds: float = TIMEOUT_SECONDS,
    n_replicas: int = 0,
    observer: Observer | None = None,
) -> Redis:
    """Return a client that gives up soon, behind a circuit breaker; it connects when first used.

    With `n_replicas` no write is acknowledged before so many replicas have it. ConfigError where
    the address has options that redis-py does not have, or cannot read.
    """
    if not url:
        raise ConfigError(["HAKAM_REDIS_URL is not set: expected the address of a Redis"])
    address = RedisAddress.parse(url)
    try:
        places: list[Any] = [parse_url(one) for one in address.urls]  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ConfigError([_UNUSABLE_OPTION]) from error
    options = {
        **places[0],
        "decode_responses": True,
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
    }
    of_sentinels = {
        name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")
    }
    plain = options.pop("connection_class", PlainConnection)
    _check(plain, options)

    def probe(server: str) -> Redis:
        host, _, port = server.rpartition(":")
        place = {"host": host, "port": int(port)} if port.isdecimal() else {}
        never = Retry(NoBackoff(), 0)
        pool = ConnectionPool(**{**options, **place, "connection_class": plain, "retry": never})
        return Redis.from_pool(pool)

    observer = observer or Observer()
    breaker, wait_ms = CircuitBreaker(probe, observer), int(timeout_seconds * 1000 * WAIT_SHARE)

    def guarded(connection: type[Any]) -> type[Any]:
        own = {"breaker": breaker, "n_replicas": n_replicas, "wait_ms": wait_ms, "followed": {}}
        own["observer"] = observer
        return type(connection.__name__, (Observed, Replicating, Breaking, connection), own)

    # Once more, where a connection has died since its last use.
    once_more = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    hosts = [(one.pop("host", "localhost"), one.pop("port", 6379)) for one in places]
    if address.kind == "server":
        pool = ConnectionPool(**options, connection_class=guarded(plain), retry=once_more)
        return Redis.from_pool(pool)
    for name in ("host", "port"):
        options.pop(name, None)
    if address.kind == "cluster":
        options.pop("db", None)

        def make() -> RedisCluster:
            # redis-py takes the class of the connections only with an address of one node.
            nodes = [ClusterNode(*host) for host in hosts[1:]]  # type: ignore[no-untyped-call]
            return RedisCluster.from_url(
                address.urls[0].replace("rediss://", "redis://", 1),
                **options,
                startup_nodes=nodes,
                connection_class=guarded(plain),
                retry=once_more,
                require_full_coverage=False,  # a node that is away is nothing to the others
            )

        return cast(Redis, Cluster(make))
    tls = plain is not PlainConnection
    known = {name: options.pop(name, None) for name in ("username", "password")}
    shared = {name: one for name, one in options.items() if name.startswith(("socket_", "ssl_"))}
    sentinel = Sentinels(  # type: ignore[no-untyped-call]
        hosts,
        sentinel_kwargs={**shared, **of_sentinels, "ssl": tls, "retry": Retry(NoBackoff(), 0)},
    )
    managed = SentinelManagedSSLConnection if tls else SentinelManagedConnection
    return cast(
        Redis,
        sentinel.master_for(  # type: ignore[no-untyped-call]
            address.service,
            **options,
            **known,
            connection_class=guarded(managed),
            retry=once_more,
        ),
    )


def _check(connection: type[Any], options: Mapping[str, Any]) -> None:
    """Raise ConfigError where options are unknown, cannot be, or name files that cannot be read."""
    for name in ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"):
        if name in options and not os.access(options[name], os.R_OK):
            raise ConfigError([f"HAKAM_REDIS_URL: {name} names no file that can be read"])
    for name in options:
        if not name.startswith("ssl_") and name not in _WRITTEN_OPTIONS:
            raise ConfigError([f"HAKAM_REDIS_URL: '{name}' is no option of such an address"])
    try:
        # Neither connects anywhere yet.
        ConnectionPool(connection_class=connection, **options).make_connection()
    except TypeError as fault:
        name = str(fault).rpartition("argument ")[2]
        raise ConfigError([f"HAKAM_REDIS_URL: {name} is no option of such an address"]) from None
    except (ValueError, RedisError) as fault:
        raise ConfigError([_UNUSABLE_OPTION]) from fault


class Sentinels(Sentinel):
    """Sentinels of which it is known why none tells a primary."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return the address of the primary, as the first Sentinel that knows one tells it."""
        faults: list[RedisError] = []
        for place, one in enumerate(self.sentinels):
            try:
                known: Any = one.sentinel_masters()
            except (RedisConnectionError, RedisTimeoutError) as fault:
                faults.append(fault)
                continue
            state = known.get(service_name)
            if state and self.check_master_state(state, service_name):  # type: ignore[no-untyped-call]
                self.sentinels[0], self.sentinels[place] = one, self.sentinels[0]
                return state["ip"], state["port"]
        silent = faults and len(faults) == len(self.sentinels)
        raise MasterNotFoundError from faults[0] if silent else None


class Cluster:
    """A client of a Cluster, which looks for the nodes when it is first used."""

    def __init__(self, make: Callable[[], RedisCluster]) -> None:
        self._make = make
        self._made: RedisCluster | None = None
        self._making = Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cluster(), name)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_of_error: object) -> None:
        self.close()

    def cluster(self) -> RedisCluster:
        """Return the client; ConnectionError where no node answers."""
        with self._making:
            if self._made is None:
                try:
                    self._made = self._make()
                except RedisClusterException as fault:
                    raise RedisConnectionError("no node of the Cluster answers") from fault
            return self._made

    def close(self) -> None:
        """Close all connections."""
        if self._made is not None:
            self._made.close()

    def get_encoder(self) -> Encoder:
        """Return what encodes scripts, without asking any node."""
        return Encoder("utf-8", "strict", True)  # type: ignore[no-untyped-call]

    def register_script(self, script: str) -> Script:
        """Return a script that is loaded when it is first run."""
        return Script(cast(Redis, self), script)


def primaries(redis: Redis, name: str) -> Mapping[str, Any]:
    """Return names of keys, one on each primary, with its client; a single server has `name`."""
    if not isinstance(redis, Cluster):
        return {name: redis}
    missing = {node.name for node in redis.cluster().get_primaries()}
    found: dict[str, Any] = {}
    for number in count():
        key = f"{name}:{number}" if number else name
        node = redis.cluster().get_node_from_key(key)
        if node.name in missing:
            missing.discard(node.name)
            found[key] = primary_of(redis, key)
        if not missing or number > MOST_NAMES:
            return found
    raise AssertionError("never reached")


def primary_of(redis: Redis, key: str) -> Any:
    """Return a client of the primary that holds a key, the same one while it is the same server."""
    if not isinstance(redis, Cluster):
        return redis
    cluster = redis.cluster()
    return cluster.get_redis_connection(cluster.get_node_from_key(key))


def look_anew(redis: Redis) -> None:
    """Close idle connections, so that the next ones ask who is the primary."""
    if isinstance(redis, Cluster):
        redis.cluster().nodes_manager.initialize()
    else:
        redis.connection_pool.disconnect(inuse_connections=False)


def await_answer(url: str, is_running: Callable[[], bool], silence_seconds: float) -> bool:
    """Wait for a server that was just started; it may read its files for as long as it says so."""
    deadline = time.monotonic() + silence_seconds
    with Redis.from_url(url, socket_timeout=1.0, retry=Retry(NoBackoff(), 0)) as client:
        while is_running():
            try:
                client.ping()
            except BusyLoadingError:
                deadline = time.monotonic() + silence_seconds
            except RedisError:
                if time.monotonic() > deadline:
                    return False
            else:
                return True
            time.sleep(0.01)
    return False
