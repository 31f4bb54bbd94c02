"""Replication: nothing is acknowledged before enough replicas of Redis have it.

Redis answers a write before its replicas have it, so a failover could lose what was acknowledged.
Where replicas are required, every command that may write is followed by ``WAIT`` in the same round
trip, and what too few replicas have within a time counts as not stored: `NOREPLICAS`. It may
have been stored all the same, as with an answer that never arrives; the same request again finds
it, and waits again.

``WAIT`` is about the last write of its own connection (Valkey) or about all that the server had
written before (Redis). So that a request that finds its work done does not acknowledge what
another connection wrote a moment ago, each ``WAIT`` follows a write of its own:
``{hakam:<site>}:replicated``, in the hash slot of the command that it is about.

A replica that has just left may be the new primary already, while the old one is still alive and
another replica still follows it: what these two have is lost when they hear of it. So for a while
as many replicas must have a write as the server has had, known from ``ROLE`` in the same round
trip. The price: while a replica is restarted, that long nothing is acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from redis.commands.cluster import READ_COMMANDS
from redis.connection import AbstractConnection
from redis.exceptions import AskError, ReadOnlyError, ResponseError, TryAgainError

# What neither reads keys nor writes, or must come before anything else on a connection.
_OF_CONNECTIONS = frozenset(
    (
        *("ACL", "ASKING", "AUTH", "BGREWRITEAOF", "CLIENT", "CLUSTER", "COMMAND", "CONFIG"),
        *("DEBUG", "DISCARD", "ECHO", "HELLO", "INFO", "MULTI", "PING", "QUIT", "READONLY"),
        *("READWRITE", "ROLE", "SCRIPT", "SELECT", "SENTINEL", "TIME", "UNWATCH", "WAIT", "WATCH"),
    )
)
_ASKING = READ_COMMANDS | _OF_CONNECTIONS | {"TTL", "PTTL", "TYPE", "DUMP", "OBJECT", "XINFO"}

_TOO_FEW = "NOREPLICAS Not enough replicas have it."
_MOVING = "TRYAGAIN It cannot be known whether replicas have it while its slot is moved."
LEAVING_SECONDS = 5.0  # longer than it takes from the promotion of a replica until all follow it

reading_scripts: set[str] = set()  # digests and texts of scripts that write nothing


def may_write(command: Sequence[Any]) -> bool:
    """Whether a command may write; one that is not known here may."""
    name = str(command[0]).partition(" ")[0].upper()
    if name in {"EVAL", "EVALSHA"}:
        return command[1] not in reading_scripts
    return name not in _ASKING


class Replicating(AbstractConnection):
    """What makes each write on a connection of redis-py wait for its replicas.

    A connection to a server that has become a replica is closed, so that the next looks anew for
    the primary.
    """

    n_replicas: int
    wait_ms: int
    followed: dict[str, tuple[int, float]]  # server -> the replicas that it has had, and until when
    _unanswered = 0  # commands whose answers come before that of WAIT
    _are_many = False  # whether these are more than one
    _n_asked = 0  # replicas that it waits for
    _n_more = 0  # answers that then come, that of WAIT the last

    def send_command(self, *args: Any, **options: Any) -> None:
        """Send a command, and where it may write WAIT."""
        if self.n_replicas and may_write(args):
            health = options.get("check_health", True)
            self.send_packed_command(self.pack_commands([args]), check_health=health)  # type: ignore[no-untyped-call]
        else:
            super().send_command(*args, **options)  # type: ignore[no-untyped-call]

    def pack_commands(self, commands: Iterable[Sequence[Any]]) -> Any:
        """Pack commands that are sent together, and where one may write WAIT."""
        commands = list(commands)
        writes = [one for one in commands if may_write(one)] if self.n_replicas else []
        if writes:
            key = next(filter(None, map(_key_of, writes)), None)
            touch = [("SET", _beside(key), 1)] if key is not None else []
            self._n_asked = self._n_required()
            more = [*touch, ("ROLE",), ("WAIT", self._n_asked, self.wait_ms)]
            self._unanswered, self._n_more = len(commands), len(more)
            self._are_many = len(commands) > 1
            commands += more
        return super().pack_commands(commands)  # type: ignore[no-untyped-call]

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Return an answer, after that of WAIT where it is the last."""
        try:
            answer = super().read_response(*args, **options)
        except ResponseError as refusal:
            missing = self._await_replicas()
            if "READONLY " in str(refusal) or isinstance(refusal, ReadOnlyError):
                self.disconnect()
            elif self._are_many and missing:  # nor have they what came before
                raise ResponseError(missing) from refusal
            raise
        if missing := self._await_replicas():
            raise ResponseError(missing)
        return answer

    def disconnect(self, *args: Any, **options: Any) -> None:
        """Close the connection, and expect no answer any more."""
        self._unanswered = 0
        super().disconnect(*args, **options)  # type: ignore[no-untyped-call]

    def _await_replicas(self) -> str:
        """Read the answer of WAIT where its turn has come; return why too few have it, or ""."""
        if not self._unanswered:
            return ""
        self._unanswered -= 1
        if self._unanswered:
            return ""
        answers: list[Any] = []
        for _ in range(self._n_more):
            try:
                answers.append(super().read_response())
            except ResponseError as refusal:
                answers.append(refusal)
        *touched, role, n_having = answers
        if any(isinstance(one, (AskError, TryAgainError)) for one in touched):
            return _MOVING
        if any(isinstance(one, ResponseError) for one in (*touched, n_having)):
            return _TOO_FEW
        self._note_followers(role)
        return "" if int(n_having) >= self._n_asked else _TOO_FEW

    def _n_required(self) -> int:
        n_followers, at = self.followed.get(self._server(), (0, 0.0))
        lately = time.monotonic() - at < LEAVING_SECONDS
        return max(self.n_replicas, n_followers) if lately else self.n_replicas

    def _note_followers(self, role: Any) -> None:
        n_now = len(role[2]) if isinstance(role, list) and isinstance(role[2], list) else 0
        server, now = self._server(), time.monotonic()
        n_known, at = self.followed.get(server, (0, 0.0))
        if n_now >= n_known or now - at >= LEAVING_SECONDS:
            self.followed[server] = (n_now, now)

    def _server(self) -> str:
        return str(self._host_error())  # type: ignore[no-untyped-call]


def _key_of(command: Sequence[Any]) -> Any:
    """First key of a writing command, or None."""
    if str(command[0]).upper() in {"EVAL", "EVALSHA"}:
        return command[3] if len(command) > 3 and int(command[2]) else None
    return command[1] if len(command) > 1 else None


def _beside(key: Any) -> str:
    """Key in the same hash slot."""
    text = key.decode() if isinstance(key, bytes) else str(key)
    _, opening, rest = text.partition("{")
    tag, closing, _ = rest.partition("}")
    return f"{{{tag if opening and closing and tag else text}}}:replicated"
