"""Sessions of moderators: opened by a login, listed, ended."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from models.files import write_durably
from service.accounts.account import Account, canonical_name
from service.accounts.records import AccountRecords, digest, key_of
from service.errors import ConfigError
from service.store.errors import translating_redis_errors

SESSION_SECONDS = 12 * 3600
_SEEN_EVERY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, config=ConfigDict(strict=True, allow_inf_nan=False))
class Session:
    """One login of one person; its digest names it without opening it."""

    digest: str
    agent: str
    address: str
    created_at: float
    seen_at: float
    lasts_seconds: float = SESSION_SECONDS
    is_signed_on: bool = False  # by single sign-on, whose provider may end it
    provider_session: str = ""  # digest of its own session; empty where it does not say
    id_token: str = ""  # which it wants back when somebody logs out there

    def is_open(self, now: float) -> bool:
        """Whether it has not ended by itself."""
        return now - self.created_at <= min(self.lasts_seconds, SESSION_SECONDS)

    def is_of(self, provider_session: str) -> bool:
        """Whether it may come from a session at the provider; where nobody says, it may."""
        return not (provider_session and self.provider_session) or (
            provider_session == self.provider_session
        )


@dataclass(frozen=True, slots=True)
class SignedOn:
    """How somebody logged in by single sign-on."""

    lasts_seconds: float
    provider_session: str = ""
    id_token: str = ""


class Sessions:
    """The sessions of all accounts."""

    def __init__(self, records: AccountRecords, clock: Callable[[], float]) -> None:
        self._redis = records.redis
        self._clock = clock

    @translating_redis_errors()
    def open(
        self,
        name: str,
        *,
        agent: str = "",
        address: str = "",
        signed_on: SignedOn | None = None,
    ) -> str:
        """Start a session and return its id, the only copy of it."""
        session_id = secrets.token_urlsafe(32)
        now, name = self._clock(), canonical_name(name)
        self._end(name, lambda session: not session.is_open(now))
        session = Session(digest(session_id), agent[:200], address, now, now)
        if signed_on is not None:
            session = replace(session, is_signed_on=True, **asdict(signed_on))
            if signed_on.provider_session:
                known = key_of("provider_session", signed_on.provider_session)
                self._redis.set(known, name, ex=SESSION_SECONDS)
        self._store(name, session)
        return session_id

    @translating_redis_errors()
    def resume(self, name: str, session_id: str) -> Account | None:
        """Return the account of an open session; None if it ended or was revoked."""
        named = digest(session_id)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(key_of("account", name))
            pipe.hget(key_of("sessions", name), named)
            record, stored = pipe.execute()
        if not record or not stored or record.get("disabled"):
            return None
        session = _read(stored)
        now = self._clock()
        if session is None or not session.is_open(now):
            self._redis.hdel(key_of("sessions", name), named)
            return None
        if now - session.seen_at > _SEEN_EVERY_SECONDS:
            self._store(name, replace(session, seen_at=now))
        return Account.from_record(name, record)

    @translating_redis_errors()
    def of(self, name: str) -> Sequence[Session]:
        """Return the open sessions of a person, the latest seen first."""
        stored = map(_read, self._redis.hvals(key_of("sessions", canonical_name(name))))
        now = self._clock()
        opened = [session for session in stored if session and session.is_open(now)]
        return sorted(opened, key=lambda session: session.seen_at, reverse=True)

    @translating_redis_errors()
    def close(self, name: str, named: str) -> None:
        """End one session by its digest; closing it twice is no error."""
        self._redis.hdel(key_of("sessions", canonical_name(name)), named)

    @translating_redis_errors()
    def get(self, name: str, named: str) -> Session | None:
        """Return one session by its digest."""
        stored = self._redis.hget(key_of("sessions", canonical_name(name)), named)
        return _read(stored) if stored else None

    @translating_redis_errors()
    def end_signed_on(self, name: str, provider_session: str = "") -> None:
        """End what single sign-on opened: of one session at the provider, or all."""
        self._end(
            canonical_name(name),
            lambda session: session.is_signed_on and session.is_of(provider_session),
        )

    def _end(self, name: str, ends: Callable[[Session], bool]) -> None:
        """End the sessions of somebody of which that is so, and what cannot be read."""
        key = key_of("sessions", name)
        stored = {one: _read(text) for one, text in self._redis.hgetall(key).items()}
        ended = [one for one, session in stored.items() if session is None or ends(session)]
        if ended:
            self._redis.hdel(key, *ended)

    def _store(self, name: str, session: Session) -> None:
        key = key_of("sessions", name)
        with self._redis.pipeline() as pipe:
            pipe.hset(key, session.digest, json.dumps(asdict(session)))
            pipe.expire(key, SESSION_SECONDS)
            pipe.execute()


def _read(stored: str) -> Session | None:
    """Read a session; one that cannot be read is not open."""
    try:
        return _SESSION.validate_json(stored)
    except ValidationError:
        return None


_SESSION = TypeAdapter(Session)


def session_key(var: Path) -> str:
    """Return the key that signs sessions here, made by whichever worker comes first."""
    path = var / "secret_key"
    try:
        var.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_durably(path, secrets.token_hex(32).encode("ascii"), mode=0o600, keep=True)
        return path.read_text(encoding="ascii")
    except OSError as error:
        problem = f"HAKAM_VAR={str(var)!r}: cannot keep the session key: {error.strerror}"
        raise ConfigError([problem]) from None
