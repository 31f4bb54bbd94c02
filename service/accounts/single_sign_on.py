"""Single sign-on: which account belongs to whom a provider knows, and the sessions it may end.

A person is known by the digest of issuer and subject alone. Names and addresses of mail can be
given to somebody else at the provider, or chosen there, so none of them opens an account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from service.accounts.account import Account, AccountError, canonical_name
from service.accounts.records import AccountRecords, key_of, note
from service.accounts.sessions import SESSION_SECONDS, Sessions
from service.errors import AccountExists
from service.roles import Grant
from service.store.errors import translating_redis_errors
from service.store.trail import Change, Origin

SINGLE_SIGN_ON = Origin("single sign-on")


class _Create(Protocol):
    def __call__(
        self,
        name: str,
        role: str,
        sites: tuple[str, ...] | None,
        given: Mapping[str, str],
        by: Origin,
    ) -> Account: ...


class _Assign(Protocol):
    def __call__(
        self, name: str, *, role: str, sites: tuple[str, ...] | None, by: Origin
    ) -> None: ...


class SingleSignOn:
    """The identities of all accounts; what cannot be done is an AccountError."""

    def __init__(
        self, records: AccountRecords, sessions: Sessions, create: _Create, assign: _Assign
    ) -> None:
        self._records = records
        self._redis = records.redis
        self._sessions = sessions
        self._create = create
        self._assign = assign

    def enter(
        self, identity: str, grant: Grant, *, user_name: str = "", display_name: str = ""
    ) -> Account:
        """Return the account of somebody who may come in, made now if there is none, as granted."""
        for candidate in self._candidates(identity, user_name):
            account = self.account_of(identity)
            if account is not None:
                break
            given = {"password": "", "identity": identity, "display_name": display_name}
            try:
                return self._create(candidate, grant.role, grant.sites, given, SINGLE_SIGN_ON)
            except AccountExists:  # a local account, another person's, or just made for this one
                continue
        else:
            account = self.account_of(identity)
        if account is None or account.disabled:
            raise AccountError("disabled", "identity", "the account is closed here")
        if (account.role, account.sites) != (grant.role, grant.sites):
            self._assign(account.name, role=grant.role, sites=grant.sites, by=SINGLE_SIGN_ON)
        if display_name != account.display_name:
            self._records.set(account.name, "display_name", display_name)
        return self._records.must_get(account.name)

    @translating_redis_errors()
    def account_of(self, identity: str) -> Account | None:
        """Return the account of an identity; one that no longer says so is none of it."""
        name = self._redis.get(key_of("identity", identity))
        account = self._records.get(name) if name else None
        if account is not None and account.identity != identity:
            raise AccountError("identity", "identity", "the account belongs to somebody else")
        return account

    def link(self, name: str, identity: str) -> None:
        """Let an identity open an account that has a password; it opens no other meanwhile."""
        key = key_of("identity", identity)

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            if record.get("identity") or record.get("disabled"):
                raise AccountError("linked", "identity", "the account is linked already")
            pipe.set(key, name)
            pipe.hset(key_of("account", name), "identity", identity)
            note(pipe, name, Origin("console", name), {"single_sign_on": Change("off", "on")})

        self._records.change(name, store, taking=[key])

    def unlink(self, name: str) -> None:
        """Take the identity from an account that has a password; sessions that it opened end."""

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            identity = record.get("identity", "")
            if not identity or not record.get("password"):
                raise AccountError("not_linked", "identity", "only single sign-on opens it")
            pipe.hdel(key_of("account", name), "identity")
            pipe.delete(key_of("identity", identity))
            note(pipe, name, Origin("console", name), {"single_sign_on": Change("on", "off")})

        self._records.change(name, store)
        self._sessions.end_signed_on(name)

    def refuse(self, identity: str) -> None:
        """End the sessions of somebody who may come in no longer, if there are any."""
        account = self.account_of(identity)
        if account is not None:
            self._sessions.end_signed_on(account.name)

    @translating_redis_errors()
    def end(self, identity: str, session: str, token: str) -> bool:
        """End what a logout token names; whether it is the first time that it comes."""
        key = key_of("logout_token", token)
        if self._redis.exists(key):
            return False
        name = self._redis.get(key_of("identity", identity)) if identity else None
        name = name or (self._redis.get(key_of("provider_session", session)) if session else None)
        if name:
            self._sessions.end_signed_on(name, session)
        self._redis.set(key, "1", ex=SESSION_SECONDS)  # last, so that what failed can come again
        return True

    def _candidates(self, identity: str, user_name: str) -> list[str]:
        """Return names for a new account: never one that is another's, because that is refused."""
        try:
            wanted = canonical_name(user_name)
        except AccountError:
            wanted = ""
        mark = identity[:12]
        longer = f"{wanted[:51]}.{mark}" if wanted.strip(".") else ""
        # Of letters of other scripts many look like one of another name, so they never stand alone.
        plain = wanted if wanted.isascii() and wanted.strip(".") else ""
        return [name for name in (plain, longer, f"sso.{mark}") if name]


def store_identity(pipe: Any, name: str, record: Mapping[str, str]) -> None:
    """Let the identity of a new record find it."""
    if identity := record.get("identity"):
        pipe.set(key_of("identity", identity), name)
