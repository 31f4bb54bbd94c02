"""The people of the console: accounts, passwords, invitations, sessions and preferences.

Secret: how a person proves who they are, and how that is stored. Passwords are kept as argon2id
hashes; session ids and invitations are random and only their SHA-256 is stored, so that a copy of
the database opens nothing.

Key schema (one hash tag, so that the transactions also run on Redis Cluster)::

    {hakam:accounts}:names             set of account names
    {hakam:accounts}:account:<name>    hash  role, password, disabled, sites, created_at,
                                             preferences, totp (base32 secret), totp_pending,
                                             totp_step (the last one used), invite (SHA-256 of the
                                             only link that is good)
    {hakam:accounts}:recovery:<name>   set   SHA-256 of each recovery code that is left
    {hakam:accounts}:sessions:<name>   hash  SHA-256 of the session id -> JSON of the session
    {hakam:accounts}:invite:<sha256>   string name, expires by itself
    {hakam:accounts}:failures:...      string count, expires by itself (see `login_limits`)
    {hakam:accounts}:unbelieved_proxy  string, while clients come through an unknown proxy

A name is stored in NFKC and case-folded: ``Samira`` and ``samira`` are one person.

What must not happen twice, or not to the last administrator, is one transaction that watches the
records it has read: somebody else's change in between makes it start anew.
"""

import base64
import functools
import hashlib
import hmac
import json
import math
import re
import secrets
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.accounts.account import (
    MAX_PASSWORD_LENGTH,
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
from service.accounts.login_limits import LoginLimits
from service.errors import (
    AccountExists,
    LoginThrottled,
    UnknownAccount,
)
from service.store.connect import Redis
from service.store.errors import translating_redis_errors

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
N_RECOVERY_CODES = 10

_PREFIX = "{hakam:accounts}:"
_SEEN_EVERY_SECONDS = 60.0
_MAX_CODE_LENGTH = 64


def session_digest(session_id: str) -> str:
    """Return the name under which a session is listed: it does not open the session."""
    return _digest(session_id)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _good_for(record: Mapping[str, str], token: str) -> bool:
    """Whether a token is the newest of an account that is open."""
    newest = record.get("invite", "")
    return hmac.compare_digest(newest, _digest(token)) and not record.get("disabled")


def _bad_invite() -> AccountError:
    return AccountError("bad_invite", "token", "this link was used or has expired")


def _recovery_codes() -> Sequence[str]:
    """Make codes of 80 random bits, in four groups; a slow hash would protect nothing more."""
    drawn = (base64.b32encode(secrets.token_bytes(10)).decode() for _ in range(N_RECOVERY_CODES))
    return ["-".join(re.findall("....", code.lower())) for code in drawn]


def _recovery_digest(code: str) -> str:
    """Return what is kept of a recovery code, however it was typed."""
    typed = unicodedata.normalize("NFKC", code[:_MAX_CODE_LENGTH]).lower()
    return _digest("".join(filter(str.isalnum, typed)))


def _session(stored: str) -> Session | None:
    """Read a session; one that cannot be read is not open."""
    try:
        session = Session(**json.loads(stored))
        known = all(map(math.isfinite, (session.created_at, session.seen_at)))
        known = known and all(map(_is_text, (session.digest, session.agent, session.address)))
    except (TypeError, ValueError):
        return None
    return session if known else None


def _ended(stored: str, now: float) -> bool:
    """Whether a session is over, or cannot be read."""
    session = _session(stored)
    return session is None or now - session.created_at > SESSION_SECONDS


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
        redis: Redis,
        *,
        hasher: PasswordHasher | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis: Any = redis  # redis-py types each answer as "awaitable or not"
        self._hasher = hasher or PasswordHasher()
        self._clock = clock
        self._limits = LoginLimits(redis, _PREFIX + "failures")

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
        hashed = self._hasher.hash(check_password(password))
        return self._create(name, role, sites, {"password": hashed})

    @translating_redis_errors()
    def _create(
        self, name: str, role: str, sites: Iterable[str] | None, given: Mapping[str, str]
    ) -> Account:
        name = canonical_name(name)
        if name == "..":  # no page can have it in its address
            raise AccountError("bad_name", "name", "expected a name of more than dots")
        record = {
            "role": check_role(role),
            "disabled": "",
            "sites": json.dumps(None if sites is None else sorted(set(sites))),
            "created_at": repr(self._clock()),
            **given,
        }
        key = self._key("account", name)

        def store(pipe: Any) -> None:
            if pipe.exists(key):
                raise AccountExists(f"the name {name} is taken")
            pipe.multi()
            pipe.hset(key, mapping=record)
            pipe.sadd(_PREFIX + "names", name)
            if invite := given.get("invite"):
                pipe.set(self._key("invite", invite), name, ex=INVITE_SECONDS)

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

    def disable(self, name: str) -> None:
        """Close the account, every session of it and its link; nothing of it is erased.

        Raises
        ------
        AccountError
            It is the last administrator who can log in.
        """

        def close(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            pipe.hset(self._key("account", name), "disabled", "1")
            self._end_sessions(pipe, name, record)

        self._change(name, close, keeps_an_admin=True)

    @translating_redis_errors()
    def enable(self, name: str) -> None:
        """Open a disabled account again."""
        self._redis.hset(self._key("account", self._must_get(name).name), "disabled", "")

    def change(self, name: str, *, role: str, sites: Iterable[str] | None) -> None:
        """Give a person another role and other sites.

        Raises
        ------
        AccountError
            The role is unknown, or it is taken from the last administrator who can log in.
        """
        chosen = None if sites is None else sorted(set(sites))
        wanted = {"role": check_role(role), "sites": json.dumps(chosen)}

        def assign(pipe: Any, name: str, _record: Mapping[str, str]) -> None:
            pipe.hset(self._key("account", name), mapping=wanted)

        self._change(name, assign, keeps_an_admin=role != "admin")

    @translating_redis_errors()
    def save_preferences(self, name: str, preferences: Preferences) -> None:
        """Keep what a person chose for their desk."""
        key = self._key("account", self._must_get(name).name)
        self._redis.hset(key, "preferences", json.dumps(asdict(preferences), ensure_ascii=False))

    # -- passwords and invitations --------------------------------------------------------------

    @translating_redis_errors()
    def authenticate(
        self, name: str, password: str, *, address: str = "", device: str = ""
    ) -> Account | None:
        """Return the account that ``name`` and ``password`` open, or ``None``.

        An unknown name costs the same time as a wrong password. Failures are forgiven once all that
        the account asks for was right, so that a password does not buy more guesses at the code.

        Parameters
        ----------
        address : str
            Where the attempt comes from.
        device : str
            A browser or session that this person is known by, if any (see
            `service.accounts.login_limits`).

        Raises
        ------
        LoginThrottled
            Too many failures; the password was not looked at.
        """
        try:
            name = canonical_name(name)
        except AccountError:
            name = ""
        attempt = self._limits.attempt(name, address, device)
        record = self._redis.hgetall(self._key("account", name)) if name else {}
        right = self._verify(record.get("password", ""), password) and not record.get("disabled")
        if not right:
            return None
        record["password"] = self._rehash(name, record["password"], password)
        self._limits.was_right(attempt, forgive=not record.get("totp"))
        return self._account(name, record)

    def _verify(self, password_hash: str, password: str) -> bool:
        password = password[: MAX_PASSWORD_LENGTH + 1]
        try:
            return self._hasher.verify(password_hash or self._nobody, password) and bool(
                password_hash
            )
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False

    @functools.cached_property
    def _nobody(self) -> str:
        """A hash that no password opens: what an unknown name is compared with."""
        return self._hasher.hash(secrets.token_urlsafe())

    def _rehash(self, name: str, password_hash: str, password: str) -> str:
        if self._hasher.check_needs_rehash(password_hash):
            password_hash = self._hasher.hash(password)
            self._redis.hset(self._key("account", name), "password", password_hash)
        return password_hash

    def set_password(self, name: str, password: str, *, drops_second_factor: bool = False) -> None:
        """Replace a password, and end every session and link of its owner.

        The second factor stays unless it is to be dropped.
        """
        hashed = self._hasher.hash(check_password(password))

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            pipe.hset(self._key("account", name), "password", hashed)
            self._end_sessions(pipe, name, record)
            if drops_second_factor:
                self._drop_second_factor(pipe, name)

        self._change(name, store)

    def invite(self, name: str, role: str, *, sites: Iterable[str] | None = None) -> str:
        """Create an account without a password; the token lets its owner choose one.

        Returns
        -------
        str
            A token good for :data:`INVITE_SECONDS` and one use.
        """
        token = secrets.token_urlsafe(32)
        self._create(name, role, sites, {"password": "", "invite": _digest(token)})
        return token

    def reset(self, name: str, *, drops_second_factor: bool = False) -> str:
        """Take a person's password away and return a token to choose anew.

        Older tokens end. The second factor stays unless it is to be dropped.

        Raises
        ------
        AccountError
            It is the last administrator who can log in.
        """
        token = secrets.token_urlsafe(32)

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            self._end_sessions(pipe, name, record)
            pipe.hset(
                self._key("account", name), mapping={"password": "", "invite": _digest(token)}
            )
            pipe.set(self._key("invite", _digest(token)), name, ex=INVITE_SECONDS)
            if drops_second_factor:
                self._drop_second_factor(pipe, name)

        self._change(name, store, keeps_an_admin=True)
        return token

    @translating_redis_errors()
    def invited(self, token: str) -> str | None:
        """Return the name an unused token is for, or ``None``."""
        name: str | None = self._redis.get(self._key("invite", _digest(token)))
        if not name:
            return None
        record = self._redis.hgetall(self._key("account", name))
        return name if _good_for(record, token) else None

    def accept(self, token: str, password: str) -> Account:
        """Choose a password with a token, which is used up by it.

        Whoever has a second factor is still to be asked for it.

        Raises
        ------
        AccountError
            The password is too short, or the token is not good: used, replaced by a newer one,
            expired, or its account disabled.
        """
        check_password(password)
        name = self.invited(token)
        if name is None:
            raise _bad_invite()
        hashed = self._hasher.hash(password)

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            if not _good_for(record, token):
                raise _bad_invite()
            self._end_sessions(pipe, name, record)
            pipe.hset(self._key("account", name), "password", hashed)

        self._change(name, store)
        return self._must_get(name)

    # -- the second factor (RFC 6238) -----------------------------------------------------------

    def propose_totp(self, name: str) -> str:
        """Return a new secret for an authenticator; :meth:`confirm_totp` turns it on.

        Raises
        ------
        AccountError
            There is a second factor already; it must be turned off first.
        """
        secret = pyotp.random_base32()

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            if record.get("totp"):
                raise AccountError("totp_on", "step", "there is a second factor already")
            pipe.hset(self._key("account", name), "totp_pending", secret)

        self._change(name, store)
        return secret

    def confirm_totp(self, name: str, code: str) -> Sequence[str]:
        """Turn the proposed second factor on if ``code`` is right.

        Returns
        -------
        sequence of str
            The recovery codes, which cannot be read again; none if ``code`` is wrong.
        """
        codes = _recovery_codes()
        turned_on = False

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            nonlocal turned_on
            secret = record.get("totp_pending", "")
            step = self._matching_step(secret, code)
            turned_on = step is not None and not record.get("totp")
            if turned_on:
                key = self._key("account", name)
                pipe.hset(key, mapping={"totp": secret, "totp_step": step})
                pipe.hdel(key, "totp_pending")
                self._store_recovery_codes(pipe, name, codes)

        self._change(name, store)
        return codes if turned_on else ()

    def check_totp(self, name: str, code: str, *, address: str = "", device: str = "") -> bool:
        """Whether ``code``, of the authenticator or for recovery, opens the account; once each.

        Raises
        ------
        LoginThrottled
            Too many wrong codes or passwords.
        """
        name = canonical_name(name)
        with translating_redis_errors():
            attempt = self._limits.attempt(name, address, device)
        right = self._use_step(name, code) or self._use_recovery_code(name, code)
        if right:
            with translating_redis_errors():
                self._limits.was_right(attempt, forgive=True)
        return right

    def _use_step(self, name: str, code: str) -> bool:
        fresh = False

        def use(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            nonlocal fresh
            step = self._matching_step(record.get("totp", ""), code)
            fresh = step is not None and step > int(record.get("totp_step") or 0)
            if fresh:
                pipe.hset(self._key("account", name), "totp_step", step)

        self._change(name, use)
        return fresh

    @translating_redis_errors()
    def _use_recovery_code(self, name: str, code: str) -> bool:
        return bool(self._redis.srem(self._key("recovery", name), _recovery_digest(code)))

    def new_recovery_codes(self, name: str) -> Sequence[str]:
        """Replace the recovery codes of somebody with a second factor, and return the new ones.

        Raises
        ------
        AccountError
            There is no second factor.
        """
        codes = _recovery_codes()

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            if not record.get("totp"):
                raise AccountError("totp_off", "step", "there is no second factor")
            self._store_recovery_codes(pipe, name, codes)

        self._change(name, store)
        return codes

    @translating_redis_errors()
    def n_recovery_codes(self, name: str) -> int:
        """Count the recovery codes that are left."""
        return int(self._redis.scard(self._key("recovery", canonical_name(name))))

    def remove_totp(self, name: str) -> None:
        """Turn the second factor off; its recovery codes end with it."""
        self._change(name, lambda pipe, name, _record: self._drop_second_factor(pipe, name))

    def _store_recovery_codes(self, pipe: Any, name: str, codes: Sequence[str]) -> None:
        key = self._key("recovery", name)
        pipe.delete(key)
        pipe.sadd(key, *map(_recovery_digest, codes))

    def _drop_second_factor(self, pipe: Any, name: str) -> None:
        pipe.hdel(self._key("account", name), "totp", "totp_pending", "totp_step")
        pipe.delete(self._key("recovery", name))

    def _matching_step(self, secret: str, code: str) -> int | None:
        """Return the 30-second step whose code was given: the present one or a neighbour."""
        if not secret or len(code) > _MAX_CODE_LENGTH:
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
        now, name = self._clock(), canonical_name(name)
        key = self._key("sessions", name)
        ended = [digest for digest, text in self._redis.hgetall(key).items() if _ended(text, now)]
        if ended:
            self._redis.hdel(key, *ended)
        session = Session(_digest(session_id), agent[:200], address, now, now)
        self._store_session(name, session)
        return session_id

    @translating_redis_errors()
    def resume(self, name: str, session_id: str) -> Account | None:
        """Return the account of an open session; ``None`` if it ended or was revoked."""
        digest = _digest(session_id)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(self._key("account", name))
            pipe.hget(self._key("sessions", name), digest)
            record, stored = pipe.execute()
        if not record or not stored or record.get("disabled"):
            return None
        session = _session(stored)
        now = self._clock()
        if session is None or now - session.created_at > SESSION_SECONDS:
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
        opened = [session for text in stored if (session := _session(text))]
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

    # -- what the log-in limits stand on ---------------------------------------------------------

    @translating_redis_errors()
    def note_unbelieved_proxy(self) -> None:
        """Remember for a week that clients came through a proxy whose word is not taken."""
        self._redis.set(_PREFIX + "unbelieved_proxy", "1", ex=7 * 86400)

    @translating_redis_errors()
    def behind_unbelieved_proxy(self) -> bool:
        """Whether clients came through a proxy whose word is not taken, in the last week."""
        return bool(self._redis.exists(_PREFIX + "unbelieved_proxy"))

    # -- plumbing -------------------------------------------------------------------------------

    @staticmethod
    def _key(kind: str, name: str) -> str:
        return f"{_PREFIX}{kind}:{name}"

    @staticmethod
    def _account(name: str, record: Mapping[str, str]) -> Account:
        """Read an account; what cannot be read of it gives no right to anything."""
        role = record.get("role", "")
        return Account(
            name=name,
            role=role if role in ROLES else ROLES[0],
            sites=_assigned(record.get("sites")) if role in ROLES else (),
            disabled=bool(record.get("disabled")),
            created_at=_moment(record.get("created_at")),
            has_password=bool(record.get("password")),
            password_mark=_digest(record.get("password", ""))[:16],
            has_totp=bool(record.get("totp")),
            preferences=Preferences.from_json(record.get("preferences")),
        )

    def _must_get(self, name: str) -> Account:
        account = self.get(name)
        if account is None:
            raise UnknownAccount(f"there is no account {name}")
        return account

    @translating_redis_errors()
    def _change(
        self,
        name: str,
        work: Callable[[Any, str, Mapping[str, str]], None],
        *,
        keeps_an_admin: bool = False,
    ) -> None:
        """Change an account, all or nothing, as it was when it was read.

        Parameters
        ----------
        work : callable
            Gets a pipeline that collects the changes, the stored name, and the record as read.
        keeps_an_admin : bool
            Refuse where the account is the last administrator who can log in.

        Raises
        ------
        UnknownAccount, AccountError
        """
        name = self._must_get(name).name
        everybody = [self._key("account", one) for one in self._redis.smembers(_PREFIX + "names")]
        key = self._key("account", name)

        def attempt(pipe: Any) -> None:
            record = pipe.hgetall(key)
            if keeps_an_admin and _can_administer(record):
                others = (pipe.hgetall(other) for other in everybody if other != key)
                if not any(map(_can_administer, others)):
                    raise AccountError(
                        "last_admin", "role", "the last admin can be neither disabled nor demoted"
                    )
            pipe.multi()
            work(pipe, name, record)

        self._redis.transaction(attempt, key, *(everybody if keeps_an_admin else ()))

    def _end_sessions(self, pipe: Any, name: str, record: Mapping[str, str]) -> None:
        """End all that opens an account without its password: sessions, and the newest link."""
        pipe.delete(self._key("sessions", name))
        pipe.hdel(self._key("account", name), "invite")
        if invite := record.get("invite"):
            pipe.delete(self._key("invite", invite))


def _can_administer(record: Mapping[str, str]) -> bool:
    has_password = bool(record.get("password"))  # somebody only invited may never come
    return record.get("role") == "admin" and has_password and not record.get("disabled")


def _assigned(sites: str | None) -> tuple[str, ...] | None:
    try:
        read = json.loads(sites or "null")
    except ValueError:
        return ()
    if read is None:
        return None
    return tuple(filter(_is_text, read)) if isinstance(read, list) else ()


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _moment(stored: str | None) -> float:
    try:
        moment = float(stored or 0)
    except ValueError:
        return 0.0
    return moment if math.isfinite(moment) else 0.0
