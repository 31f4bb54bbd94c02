"""Errors of Redis, translated without their messages, which repeat arguments and so comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import redis.exceptions
import redis.sentinel

from service.errors import SiteUnreadable, StoreUnavailable

# The first kind that a fault is of.
_FAULTS = (
    (redis.exceptions.AuthenticationError, "refuses the user or the password"),
    (redis.exceptions.BusyLoadingError, "is still reading its files"),
    (redis.exceptions.TimeoutError, "does not answer in time"),
    (redis.exceptions.ConnectionError, "cannot be reached"),
    (redis.exceptions.MasterDownError, "is a replica without its primary"),
    (redis.exceptions.ClusterDownError, "is a Cluster that is down"),
    (redis.exceptions.RedisClusterException, "is a Cluster of which no node answers"),
    (redis.exceptions.MovedError, "is a node of a Cluster, and its address names a single server"),
    (redis.exceptions.ClusterError, "is moving what it holds to another node"),
)
_UNBELIEVED = re.compile("certificate verify failed: ([^,(]+)")  # what only the text says
# The words of Redis' refusal, which a script puts into a sentence of its own.
_REFUSALS = {
    "OOM": "is full (maxmemory)",
    "READONLY": "takes no writes: it is a replica",
    "MISCONF": "takes no writes: it cannot write its files",
    "NOREPLICAS": "takes no writes: it misses replicas",
    "TRYAGAIN": "is moving what it holds to another node",
    "BUSY": "is busy with a script",
    "NOPERM": "does not permit its user what Hakam does",
    "ACL failure in script:": "does not permit its user what Hakam does",
    "The user executing the script": "does not permit its user what Hakam does",  # Redis 6
}
_REFUSAL = re.compile(rf"\b({'|'.join(_REFUSALS)}) ")
_CLASSES: Mapping[type[BaseException], str] = {
    redis.exceptions.OutOfMemoryError: "OOM",
    redis.exceptions.ReadOnlyError: "READONLY",
    redis.exceptions.NoPermissionError: "NOPERM",
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


def is_forbidden(answer: object) -> bool:
    """Whether an answer says that Redis takes this command from nobody, or not from this user."""
    return isinstance(answer, redis.exceptions.NoPermissionError) or (
        isinstance(answer, redis.exceptions.ResponseError) and "unknown command" in str(answer)
    )


def _kind(fault: BaseException) -> str:
    cause = fault.__cause__
    if isinstance(fault, redis.sentinel.MasterNotFoundError):
        why = f": no Sentinel tells it; one {_kind(cause)}" if cause else " that a Sentinel knows"
        return f"has no primary{why}"
    if isinstance(cause, redis.exceptions.RedisClusterException) and cause.__cause__:
        return _kind(cause.__cause__)  # why the last node could not be asked
    if said := _UNBELIEVED.search(str(fault)):
        return f"has a certificate that is not believed ({said[1].strip()})"
    for kind, words in _FAULTS:
        if isinstance(fault, kind):
            return f"{words} ({type(fault).__name__})"
    refusal = _REFUSAL.search(str(fault))
    code = _CLASSES.get(type(fault)) or (refusal[1] if refusal else "")
    return _REFUSALS.get(code, type(fault).__name__)
