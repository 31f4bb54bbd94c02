"""The people of the console: accounts, passwords, invitations, sessions and preferences.

Secret: how a person proves who they are, and how that is stored. Passwords are kept as argon2id
hashes; session ids and invitations are random and only their SHA-256 is stored, so that a copy of
the database opens nothing.

Key schema (one hash tag, so that the transactions also run on Redis Cluster)::

    {hakam:accounts}:names             set of account names
    {hakam:accounts}:account:<name>    hash  role, password, disabled, sites, created_at,
                                             preferences, totp (base32 secret), totp_pending,
                                             totp_step (the last one used)
    {hakam:accounts}:sessions:<name>   hash  SHA-256 of the session id -> JSON of the session
    {hakam:accounts}:invite:<sha256>   string name, expires by itself
    {hakam:accounts}:failures:<what>   string count, expires by itself

A name is stored in NFKC and case-folded: ``Samira`` and ``samira`` are one person.
"""

import functools
import hashlib
import hmac
import json
import secrets
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pyotp
import redis as redis_client
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.errors import AccountExists, UnknownAccount, translating_redis_errors
from service.persons import (
    MIN_PASSWORD_LENGTH,
    ROLES,
    Account,
    AccountError,
    Preferences,
    Session,
    canonical_name,
    check_password,
    check_role,
)
from service.throttle import LoginThrottled, Throttle

__all__ = [
    "MIN_PASSWORD_LENGTH",
    "ROLES",
    "Account",
    "AccountError",
    "Accounts",
    "LoginThrottled",
    "Preferences",
    "Session",
    "canonical_name",
    "session_digest",
]

INVITE_SECONDS = 3 * 86400
SESSION_SECONDS = 12 * 3600

_PREFIX = "{hakam:accounts}:"
_SEEN_EVERY_SECONDS = 60.0


def session_digest(session_id: str) -> str:
    """Return the name under which a session is listed: it does not open the session."""
    return _digest(session_id)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class Accounts:
    """Everything Hakam knows about its moderators, in Redis.

    Parameters
    ----------
    redis : redis.Redis
        A client with ``decode_responses=True``; it is used, never closed.
    hasher : argon2.PasswordHasher
        Parameters of argon2id; the library's defaults are those of RFC 9106 (low memory).
    clock : callable
        Seconds since the epoch.
    """

    def __init__(
        self,
        redis: "redis_client.Redis",
        *,
        hasher: PasswordHasher | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis: Any = redis  # redis-py types each answer as "awaitable or not"
        self._hasher = hasher or PasswordHasher()
        self._clock = clock
        self._throttle = Throttle(redis, _PREFIX + "failures:")

    # -- people ---------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        password: str,
        role: str = "moderator",
        *,
        sites: Iterable[str] | None = None,
    ) -> Account:
        """Create an account that can log in at once.

        Raises
        ------
        AccountError
            The name is malformed, the role unknown, or the password too short.
        AccountExists
            The name is taken.
        StoreUnavailable
            Redis cannot be reached.
        """
        return self._create(name, role, sites, self._hasher.hash(check_password(password)))

    @translating_redis_errors()
    def _create(
        self, name: str, role: str, sites: Iterable[str] | None, password_hash: str
    ) -> Account:
        name = canonical_name(name)
        record = {
            "role": check_role(role),
            "password": password_hash,
            "disabled": "",
            "sites": json.dumps(None if sites is None else sorted(set(sites))),
            "created_at": repr(self._clock()),
        }
        key = self._key("account", name)

        def store(pipe: Any) -> None:
            if pipe.exists(key):
                raise AccountExists(f"the name {name} is taken")
            pipe.multi()
            pipe.hset(key, mapping=record)
            pipe.sadd(_PREFIX + "names", name)

        self._redis.transaction(store, key)
        return self._account(name, record)

    @translating_redis_errors()
    def get(self, name: str) -> Account | None:
        """Return the account of that name, or ``None``."""
        try:
            name = canonical_name(name)
        except AccountError:
            return None
        record = self._redis.hgetall(self._key("account", name))
        return self._account(name, record) if record else None

    @translating_redis_errors()
    def list(self) -> Sequence[Account]:
        """Every account, by name."""
        names = sorted(self._redis.smembers(_PREFIX + "names"))
        with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(self._key("account", name))
            records = pipe.execute()
        return [
            self._account(name, record)
            for name, record in zip(names, records, strict=True)
            if record
        ]

    @translating_redis_errors()
    def disable(self, name: str) -> None:
        """Close the account and every session of it; nothing of it is erased."""
        account = self._must_get(name)
        self._keep_an_admin(account)
        with self._redis.pipeline() as pipe:
            pipe.hset(self._key("account", account.name), "disabled", "1")
            pipe.delete(self._key("sessions", account.name))
            pipe.execute()

    @translating_redis_errors()
    def enable(self, name: str) -> None:
        """Open a disabled account again."""
        self._redis.hset(self._key("account", self._must_get(name).name), "disabled", "")

    @translating_redis_errors()
    def change(self, name: str, *, role: str, sites: Iterable[str] | None) -> None:
        """Give a person another role and other sites."""
        account = self._must_get(name)
        if check_role(role) != "admin":
            self._keep_an_admin(account)
        chosen = None if sites is None else sorted(set(sites))
        self._redis.hset(
            self._key("account", account.name), mapping={"role": role, "sites": json.dumps(chosen)}
        )

    @translating_redis_errors()
    def save_preferences(self, name: str, preferences: Preferences) -> None:
        """Keep what a person chose for their desk."""
        key = self._key("account", self._must_get(name).name)
        self._redis.hset(key, "preferences", json.dumps(asdict(preferences), ensure_ascii=False))

    # -- passwords and invitations --------------------------------------------------------------

    @translating_redis_errors()
    def authenticate(self, name: str, password: str, *, address: str = "") -> Account | None:
        """Return the account that ``name`` and ``password`` open, or ``None``.

        An unknown name costs the same time as a wrong password.

        Raises
        ------
        LoginThrottled
            Too many failures from this address or for this name; the password was not looked at.
        """
        try:
            name = canonical_name(name)
        except AccountError:
            name = ""
        self._throttle.check(name, address)
        record = self._redis.hgetall(self._key("account", name)) if name else {}
        if self._verify(record.get("password", ""), password) and not record["disabled"]:
            self._rehash(name, record["password"], password)
            self._throttle.forgive(name, address)
            return self._account(name, record)
        self._throttle.count(name, address)
        return None

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash or self._nobody, password) and bool(
                password_hash
            )
        except (VerificationError, InvalidHashError):
            return False

    @functools.cached_property
    def _nobody(self) -> str:
        """A hash that no password opens: what an unknown name is compared with."""
        return self._hasher.hash(secrets.token_urlsafe())

    def _rehash(self, name: str, password_hash: str, password: str) -> None:
        if self._hasher.check_needs_rehash(password_hash):
            self._redis.hset(self._key("account", name), "password", self._hasher.hash(password))

    def set_password(self, name: str, password: str) -> None:
        """Replace a password and end every session of its owner."""
        self._store_password(name, self._hasher.hash(check_password(password)))

    @translating_redis_errors()
    def _store_password(self, name: str, password_hash: str) -> None:
        account = self._must_get(name)
        with self._redis.pipeline() as pipe:
            pipe.hset(self._key("account", account.name), "password", password_hash)
            pipe.delete(self._key("sessions", account.name))
            pipe.execute()

    def invite(self, name: str, role: str, *, sites: Iterable[str] | None = None) -> str:
        """Create an account without a password; the token lets its owner choose one.

        Returns
        -------
        str
            A token good for :data:`INVITE_SECONDS` and one use.
        """
        return self._token_for(self._create(name, role, sites, "").name)

    def reset(self, name: str) -> str:
        """Take a person's password and second factor away and return a token to choose anew."""
        self._store_password(name, "")
        self.remove_totp(name)
        return self._token_for(canonical_name(name))

    @translating_redis_errors()
    def _token_for(self, name: str) -> str:
        token = secrets.token_urlsafe(32)
        self._redis.set(self._key("invite", _digest(token)), name, ex=INVITE_SECONDS)
        return token

    @translating_redis_errors()
    def invited(self, token: str) -> str | None:
        """Return the name an unused token is for, or ``None``."""
        name: str | None = self._redis.get(self._key("invite", _digest(token)))
        return name

    def accept(self, token: str, password: str) -> Account:
        """Choose a password with a token, which is used up by it."""
        check_password(password)
        name = self._take_invite(token)
        self.set_password(name, password)
        return self._must_get(name)

    @translating_redis_errors()
    def _take_invite(self, token: str) -> str:
        name = self._redis.getdel(self._key("invite", _digest(token)))
        if not name:
            raise AccountError("bad_invite", "token", "this link was used or has expired")
        return str(name)

    # -- the second factor (RFC 6238) -----------------------------------------------------------

    @translating_redis_errors()
    def propose_totp(self, name: str) -> str:
        """Return a new secret for an authenticator; :meth:`confirm_totp` turns it on."""
        account = self._must_get(name)
        secret = pyotp.random_base32()
        self._redis.hset(self._key("account", account.name), "totp_pending", secret)
        return secret

    @translating_redis_errors()
    def confirm_totp(self, name: str, code: str) -> bool:
        """Turn the proposed second factor on if ``code`` is right."""
        key = self._key("account", canonical_name(name))
        secret = self._redis.hget(key, "totp_pending") or ""
        step = self._matching_step(secret, code)
        if step is None:
            return False
        with self._redis.pipeline() as pipe:
            pipe.hset(key, mapping={"totp": secret, "totp_step": step})
            pipe.hdel(key, "totp_pending")
            pipe.execute()
        return True

    @translating_redis_errors()
    def check_totp(self, name: str, code: str, *, address: str = "") -> bool:
        """Whether ``code`` is right and newer than the last one used; failures are throttled.

        Raises
        ------
        LoginThrottled
            Too many wrong codes.
        """
        name = canonical_name(name)
        self._throttle.check(name, address)
        key = self._key("account", name)
        secret, last = self._redis.hmget(key, "totp", "totp_step")
        step = self._matching_step(secret or "", code)
        if step is None or step <= int(last or 0):
            self._throttle.count(name, address)
            return False
        self._redis.hset(key, "totp_step", step)
        return True

    @translating_redis_errors()
    def remove_totp(self, name: str) -> None:
        """Turn the second factor off."""
        key = self._key("account", canonical_name(name))
        self._redis.hdel(key, "totp", "totp_pending", "totp_step")

    def _matching_step(self, secret: str, code: str) -> int | None:
        """Return the 30-second step whose code was given: the present one or a neighbour."""
        if not secret:
            return None
        totp = pyotp.TOTP(secret)
        # Arabic keyboards type ARABIC-INDIC DIGITS; int() and \d know them, the codes do not.
        digits = "".join(str(unicodedata.digit(c, "")) for c in code if not c.isspace())
        now = int(self._clock() // totp.interval)
        for step in (now, now - 1, now + 1):
            if hmac.compare_digest(totp.generate_otp(step), digits):
                return step
        return None

    # -- sessions -------------------------------------------------------------------------------

    @translating_redis_errors()
    def open_session(self, name: str, *, agent: str = "", address: str = "") -> str:
        """Start a session and return its id, the only copy of it."""
        session_id = secrets.token_urlsafe(32)
        now = self._clock()
        session = Session(_digest(session_id), agent[:200], address, now, now)
        self._store_session(canonical_name(name), session)
        return session_id

    @translating_redis_errors()
    def resume(self, name: str, session_id: str) -> Account | None:
        """Return the account of an open session; ``None`` if it ended or was revoked."""
        digest = _digest(session_id)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(self._key("account", name))
            pipe.hget(self._key("sessions", name), digest)
            record, stored = pipe.execute()
        if not record or not stored or record["disabled"]:
            return None
        session = Session(**json.loads(stored))
        now = self._clock()
        if now - session.created_at > SESSION_SECONDS:
            self._redis.hdel(self._key("sessions", name), digest)
            return None
        if now - session.seen_at > _SEEN_EVERY_SECONDS:
            self._store_session(name, replace(session, seen_at=now))
        return self._account(name, record)

    @translating_redis_errors()
    def sessions(self, name: str) -> Sequence[Session]:
        """Return the open sessions of a person, the latest seen first."""
        stored = self._redis.hvals(self._key("sessions", canonical_name(name)))
        oldest = self._clock() - SESSION_SECONDS
        opened = [Session(**json.loads(text)) for text in stored]
        return sorted(
            (s for s in opened if s.created_at >= oldest), key=lambda s: s.seen_at, reverse=True
        )

    @translating_redis_errors()
    def close_session(self, name: str, digest: str) -> None:
        """End one session; closing it twice is no error."""
        self._redis.hdel(self._key("sessions", canonical_name(name)), digest)

    def _store_session(self, name: str, session: Session) -> None:
        key = self._key("sessions", name)
        with self._redis.pipeline() as pipe:
            pipe.hset(key, session.digest, json.dumps(asdict(session)))
            pipe.expire(key, SESSION_SECONDS)
            pipe.execute()

    # -- plumbing -------------------------------------------------------------------------------

    @staticmethod
    def _key(kind: str, name: str) -> str:
        return f"{_PREFIX}{kind}:{name}"

    @staticmethod
    def _account(name: str, record: Mapping[str, str]) -> Account:
        sites = json.loads(record.get("sites") or "null")
        return Account(
            name=name,
            role=record["role"],
            sites=None if sites is None else tuple(sites),
            disabled=bool(record.get("disabled")),
            created_at=float(record.get("created_at") or 0),
            has_password=bool(record.get("password")),
            has_totp=bool(record.get("totp")),
            preferences=Preferences.from_json(record.get("preferences")),
        )

    def _must_get(self, name: str) -> Account:
        account = self.get(name)
        if account is None:
            raise UnknownAccount(f"there is no account {name}")
        return account

    def _keep_an_admin(self, account: Account) -> None:
        admins = [a.name for a in self.list() if a.role == "admin" and not a.disabled]
        if admins == [account.name]:
            raise AccountError(
                "last_admin", "role", "the last admin can neither be disabled nor demoted"
            )
