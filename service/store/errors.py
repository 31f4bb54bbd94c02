"""Errors of Redis, translated without their messages, which repeat arguments and so comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import redis.exceptions

from service.errors import SiteUnreadable, StoreUnavailable

_FAULTS = (
    (redis.exceptions.BusyLoadingError, "is still reading its files"),
    (redis.exceptions.TimeoutError, "does not answer in time"),
    (redis.exceptions.ConnectionError, "cannot be reached"),
    (redis.exceptions.ClusterDownError, "is a Cluster that is down"),
    (redis.exceptions.RedisClusterException, "is a Cluster of which no node answers"),
)
# The word of Redis' refusal, which a script puts into a sentence of its own.
_REFUSALS = {
    "OOM": "is full (maxmemory)",
    "READONLY": "takes no writes: it is a replica",
    "MISCONF": "takes no writes: it cannot write its files",
    "NOREPLICAS": "takes no writes: it misses replicas",
}
_REFUSAL = re.compile(rf"\b({'|'.join(_REFUSALS)}) ")
_CLASSES: Mapping[type[Exception], str] = {
    redis.exceptions.OutOfMemoryError: "OOM",
    redis.exceptions.ReadOnlyError: "READONLY",
}


@contextmanager
def translating_redis_errors() -> Iterator[None]:
    """Raise StoreUnavailable for any fault of Redis inside the block."""
    try:
        yield
    except (redis.exceptions.RedisError, redis.exceptions.RedisClusterException) as fault:
        raise StoreUnavailable(f"Redis: {_kind(fault)}") from fault


@contextmanager
def naming_the_site() -> Iterator[None]:
    """Raise SiteUnreadable where Redis refuses what is stored of one site, inside the block."""
    try:
        with translating_redis_errors():
            yield
    except StoreUnavailable as fault:
        cause = fault.__cause__
        # A subclass, or a word of Redis', is about the whole store: full, read-only ...
        if type(cause) is redis.exceptions.ResponseError and not _REFUSAL.search(str(cause)):
            raise SiteUnreadable("what is stored of this site cannot be worked with") from cause
        raise


def is_wrong_kind(answer: object) -> bool:
    """Whether an answer says that its key is of another kind; else a refusal is the store's."""
    return isinstance(answer, redis.exceptions.ResponseError) and str(answer).startswith(
        "WRONGTYPE"
    )


def is_short_of_replicas(answer: object) -> bool:
    """Whether an answer says that too few replicas have what was written."""
    return isinstance(answer, redis.exceptions.ResponseError) and str(answer).startswith(
        "NOREPLICAS"
    )


def _kind(fault: Exception) -> str:
    for kind, words in _FAULTS:
        if isinstance(fault, kind):
            return f"{words} ({type(fault).__name__})"
    said = _REFUSAL.search(str(fault))
    code = _CLASSES.get(type(fault)) or (said[1] if said else "")
    return _REFUSALS.get(code, type(fault).__name__)
