"""Accounts of moderators: argon2id passwords, and the links by which people choose them."""

from __future__ import annotations

import functools
import hmac
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.accounts import second_factor
from service.accounts.account import (
    MAX_PASSWORD_LENGTH,
    Account,
    AccountError,
    Preferences,
    canonical_name,
    check_password,
    check_role,
    read_sites,
)
from service.accounts.login_limits import LoginLimits
from service.accounts.records import PREFIX, AccountRecords, digest, key_of, note
from service.accounts.second_factor import SecondFactor
from service.accounts.sessions import Sessions
from service.accounts.single_sign_on import SingleSignOn, store_identity
from service.store.connect import Redis
from service.store.errors import translating_redis_errors
from service.store.trail import SERVICE, Change, Entry, Origin

INVITE_SECONDS = 3 * 86400

_UNBELIEVED_PROXY = PREFIX + "unbelieved_proxy"


class Accounts:
    """All accounts; what cannot be done is an AccountError, or an error that names the account."""

    def __init__(
        self,
        redis: Redis,
        *,
        hasher: PasswordHasher | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records = AccountRecords(redis)
        self._redis = self._records.redis
        self._hasher = hasher or PasswordHasher()
        self._clock = clock
        self._limits = LoginLimits(redis, PREFIX + "failures")
        self.sessions = Sessions(self._records, clock)
        self.second_factor = SecondFactor(self._records, self._limits, clock)
        self.single_sign_on = SingleSignOn(self._records, self.sessions, self._create, self.change)
        self.get = self._records.get
        self.must_get = self._records.must_get
        self.list = self._records.list

    def add(
        self,
        name: str,
        password: str,
        role: str = "moderator",
        *,
        sites: Iterable[str] | None = None,
        by: Origin = SERVICE,
    ) -> Account:
        """Create an account that can log in at once."""
        hashed = self._hasher.hash(check_password(password))
        return self._create(name, role, sites, {"password": hashed}, by)

    def _create(
        self,
        name: str,
        role: str,
        sites: Iterable[str] | None,
        given: Mapping[str, str],
        by: Origin,
    ) -> Account:
        name = canonical_name(name)
        if name == "..":  # no page can have it in its address
            raise AccountError("bad_name", "name", "expected a name of more than dots")
        record = {
            "role": check_role(role),
            "disabled": "",
            "sites": _sites(sites),
            "created_at": repr(self._clock()),
            **given,
        }
        where = read_sites(record["sites"])
        changes = {
            "state": Change(None, "invited" if "invite" in given else "added"),
            **({"single_sign_on": Change("off", "on")} if "identity" in given else {}),
            "role": Change(None, role),
            "sites": Change([], where),
        }
        return self._records.create(name, record, _store_ways, Entry("account", by, name, changes))

    def disable(self, name: str, *, by: Origin = SERVICE) -> None:
        """Close the account, every session of it and its link; nothing of it is erased."""

        def close(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            pipe.hset(key_of("account", name), "disabled", "1")
            _end_access(pipe, name, record)
            note(pipe, name, by, {"state": Change(_state(record), "disabled")})

        self._records.change(name, close, keeps_an_admin=True)

    def enable(self, name: str, *, by: Origin = SERVICE) -> None:
        """Open a disabled account again."""

        def open_again(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            pipe.hset(key_of("account", name), "disabled", "")
            note(pipe, name, by, {"state": Change(_state(record), "active")})

        self._records.change(name, open_again)

    def change(
        self, name: str, *, role: str, sites: Iterable[str] | None, by: Origin = SERVICE
    ) -> None:
        """Give a person another role and other sites; a trainee who rises is to be told so."""
        wanted = {"role": check_role(role), "sites": _sites(sites)}

        def assign(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            pairs = {
                "role": (record.get("role"), role),
                "sites": (read_sites(record.get("sites")), read_sites(wanted["sites"])),
            }
            changes = {field: Change(*pair) for field, pair in pairs.items() if pair[0] != pair[1]}
            rises = role != "trainee" and (
                record.get("role") == "trainee" or record.get("graduated")
            )
            graduated = {"graduated": "1" if rises else ""}
            pipe.hset(key_of("account", name), mapping=wanted | graduated)
            if changes:
                note(pipe, name, by, changes)

        self._records.change(name, assign, keeps_an_admin=role != "admin")

    def note_told(self, name: str) -> None:
        """Take note that somebody was told that they are no longer a trainee."""
        self._records.set(name, "graduated", "")

    def save_preferences(self, name: str, preferences: Preferences) -> None:
        """Store how a person wants the console to be."""
        self._records.set(name, "preferences", json.dumps(asdict(preferences), ensure_ascii=False))

    @translating_redis_errors()
    def authenticate(
        self, name: str, password: str, *, address: str = "", device: str = ""
    ) -> Account | None:
        """Return the account that name and password open; None takes as long for unknown names."""
        try:
            name = canonical_name(name)
        except AccountError:
            name = ""
        attempt = self._limits.attempt(name, address, device)
        record = self._redis.hgetall(key_of("account", name)) if name else {}
        right = self._verify(record.get("password", ""), password) and not record.get("disabled")
        if not right:
            return None
        record["password"] = self._rehash(name, record["password"], password)
        # Where a code is asked for next, a right password must not buy more guesses at it.
        self._limits.was_right(attempt, forgive=not record.get("totp"))
        return Account.from_record(name, record)

    def _verify(self, password_hash: str, password: str) -> bool:
        password = password[: MAX_PASSWORD_LENGTH + 1]
        try:
            right = self._hasher.verify(password_hash or self._nobody, password)
            return right and bool(password_hash)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False

    @functools.cached_property
    def _nobody(self) -> str:
        """A hash that no password opens: what an unknown name is compared with."""
        return self._hasher.hash(secrets.token_urlsafe())

    def _rehash(self, name: str, password_hash: str, password: str) -> str:
        if self._hasher.check_needs_rehash(password_hash):
            password_hash = self._hasher.hash(password)
            self._redis.hset(key_of("account", name), "password", password_hash)
        return password_hash

    def set_password(
        self,
        name: str,
        password: str,
        *,
        drops_second_factor: bool = False,
        by: Origin = SERVICE,
    ) -> None:
        """Replace a password, and end every session and link of its owner."""
        hashed = self._hasher.hash(check_password(password))

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            pipe.hset(key_of("account", name), "password", hashed)
            _end_access(pipe, name, record)
            if drops_second_factor:
                second_factor.drop(pipe, name)
            note(pipe, name, by, _access(record, drops_second_factor))

        self._records.change(name, store)

    def invite(
        self,
        name: str,
        role: str,
        *,
        sites: Iterable[str] | None = None,
        by: Origin = SERVICE,
    ) -> str:
        """Create an account without a password; by the token its owner chooses one, once."""
        token = secrets.token_urlsafe(32)
        self._create(name, role, sites, {"password": "", "invite": digest(token)}, by)
        return token

    def reset(self, name: str, *, drops_second_factor: bool = False, by: Origin = SERVICE) -> str:
        """Take a person's password away and return a token to choose anew; older ones end."""
        token = secrets.token_urlsafe(32)

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            _end_access(pipe, name, record)
            changed = {"password": "", "invite": digest(token)}
            pipe.hset(key_of("account", name), mapping=changed)
            _store_link(pipe, name, changed)
            if drops_second_factor:
                second_factor.drop(pipe, name)
            note(pipe, name, by, _access(record, drops_second_factor))

        self._records.change(name, store, keeps_an_admin=True)
        return token

    def log_out(self, name: str, *, by: Origin = SERVICE) -> None:
        """End every session of a person."""

        def end(pipe: Any, name: str, _record: Mapping[str, str]) -> None:
            pipe.delete(key_of("sessions", name))
            note(pipe, name, by, {"sessions": Change(None, "ended")})

        self._records.change(name, end)

    @translating_redis_errors()
    def invited(self, token: str) -> str | None:
        """Return the name that an unused token is for, or None."""
        name: str | None = self._redis.get(key_of("invite", digest(token)))
        if not name:
            return None
        record = self._redis.hgetall(key_of("account", name))
        return name if _good_for(record, token) else None

    def accept(self, token: str, password: str) -> Account:
        """Choose a password with a token, once; a second factor is still to be asked for."""
        check_password(password)
        name = self.invited(token)
        if name is None:
            raise _bad_invite()
        hashed = self._hasher.hash(password)

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            if not _good_for(record, token):
                raise _bad_invite()
            _end_access(pipe, name, record)
            pipe.hset(key_of("account", name), "password", hashed)
            note(pipe, name, Origin("console", name), {"password": Change(secret=True)})

        self._records.change(name, store)
        return self._records.must_get(name)

    @translating_redis_errors()
    def note_unbelieved_proxy(self) -> None:
        """Remember for a week that clients came through a proxy whose word is not taken."""
        self._redis.set(_UNBELIEVED_PROXY, "1", ex=7 * 86400)

    @translating_redis_errors()
    def behind_unbelieved_proxy(self) -> bool:
        """Whether clients came through a proxy whose word is not taken, in the last week."""
        return bool(self._redis.exists(_UNBELIEVED_PROXY))


def _state(record: Mapping[str, str]) -> str:
    return "disabled" if record.get("disabled") else "active"


def _access(record: Mapping[str, str], drops_second_factor: bool) -> Mapping[str, Change]:
    changes = {"password": Change(secret=True)}
    if drops_second_factor and record.get("totp"):
        changes["second_factor"] = Change("on", "off")
    return changes


def _sites(sites: Iterable[str] | None) -> str:
    return json.dumps(None if sites is None else sorted(set(sites)))


def _store_link(pipe: Any, name: str, record: Mapping[str, str]) -> None:
    if invite := record.get("invite"):
        pipe.set(key_of("invite", invite), name, ex=INVITE_SECONDS)


def _store_ways(pipe: Any, name: str, record: Mapping[str, str]) -> None:
    """Store by what else than a password a new account is found."""
    _store_link(pipe, name, record)
    store_identity(pipe, name, record)


def _end_access(pipe: Any, name: str, record: Mapping[str, str]) -> None:
    """End all that opens an account without its password: sessions, and the newest link."""
    pipe.delete(key_of("sessions", name))
    pipe.hdel(key_of("account", name), "invite")
    if invite := record.get("invite"):
        pipe.delete(key_of("invite", invite))


def _good_for(record: Mapping[str, str], token: str) -> bool:
    """Whether a token is the newest of an account that is open."""
    newest = record.get("invite", "")
    return hmac.compare_digest(newest, digest(token)) and not record.get("disabled")


def _bad_invite() -> AccountError:
    return AccountError("bad_invite", "token", "this link was used or has expired")
