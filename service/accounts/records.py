"""Account records in Redis: one hash for each account, changed all or nothing.

Key schema (one hash tag, so that the transactions also run on Redis Cluster)::

    {hakam:accounts}:names             set of account names
    {hakam:accounts}:account:<name>    hash  role, password, disabled, sites, created_at,
                                             preferences, totp (base32 secret), totp_pending,
                                             totp_step (the last one used), invite (SHA-256 of the
                                             only link that is good), graduated (while somebody
                                             who was a trainee is to be told so), identity (SHA-256
                                             of issuer and subject) and display_name of whom single
                                             sign-on knows
    {hakam:accounts}:recovery:<name>   set   SHA-256 of each recovery code that is left
    {hakam:accounts}:sessions:<name>   hash  SHA-256 of the session id -> JSON of the session
    {hakam:accounts}:invite:<sha256>   string name, expires by itself
    {hakam:accounts}:identity:<sha256> string name that single sign-on opens for this identity
    {hakam:accounts}:provider_session:<sha256>  string name of whom a session at the OpenID provider
                                             logged in, expires by itself
    {hakam:accounts}:logout_token:<sha256>  string, while a logout token must not come again
    {hakam:accounts}:failures:...      string count, expires by itself (see `login_limits`)
    {hakam:accounts}:second_factor_from  string, the lowest role that must have a second factor
    {hakam:accounts}:unbelieved_proxy  string, while clients come through an unknown proxy

A name is stored in NFKC and case-folded: ``Samira`` and ``samira`` are one person. Session ids,
links and recovery codes are random, and only their SHA-256 is stored, so that a copy of the
database opens nothing.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.accounts.account import Account, AccountError, canonical_name
from service.errors import AccountExists, UnknownAccount
from service.store.connect import Redis
from service.store.errors import translating_redis_errors
from service.store.trail import ACCOUNTS, Change, Entry, Origin, append

PREFIX = "{hakam:accounts}:"
_NAMES = PREFIX + "names"

#: Collects changes: it gets a pipeline, the stored name, and the record as read.
Collect = Callable[[Any, str, Mapping[str, str]], object]


def key_of(kind: str, name: str) -> str:
    """Return the key of what is kept of a name."""
    return f"{PREFIX}{kind}:{name}"


def digest(secret: str) -> str:
    """Return what is stored of a random secret, or of a name that is not to be read."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def note(pipe: Any, name: str, by: Origin, changes: Mapping[str, Change]) -> None:
    """Write what changes of an account, as part of the change."""
    append(pipe, ACCOUNTS, Entry("account", by, name, changes))


class AccountRecords:
    """All account records; raises AccountError, UnknownAccount and AccountExists."""

    def __init__(self, redis: Redis) -> None:
        self.redis: Any = redis  # redis-py types each answer as "awaitable or not"

    @translating_redis_errors()
    def create(self, name: str, record: Mapping[str, str], also: Collect, entry: Entry) -> Account:
        """Store a new record, what belongs to it, and its entry of the trail."""
        keys = [key := key_of("account", name)]
        if identity := record.get("identity"):
            keys.append(key_of("identity", identity))

        def store(pipe: Any) -> None:
            if pipe.exists(*keys):
                raise AccountExists(f"the name {name} is taken")
            pipe.multi()
            pipe.hset(key, mapping=record)
            pipe.sadd(_NAMES, name)
            also(pipe, name, record)
            append(pipe, ACCOUNTS, entry)

        self.redis.transaction(store, *keys)
        return Account.from_record(name, record)

    @translating_redis_errors()
    def get(self, name: str) -> Account | None:
        """Return the account of that name, or None."""
        try:
            name = canonical_name(name)
        except AccountError:
            return None
        record = self.redis.hgetall(key_of("account", name))
        return Account.from_record(name, record) if record else None

    def must_get(self, name: str) -> Account:
        """Return the account of that name."""
        account = self.get(name)
        if account is None:
            raise UnknownAccount(f"there is no account {name}")
        return account

    @translating_redis_errors()
    def list(self) -> builtins.list[Account]:
        """Return every account, by name."""
        names = sorted(self.redis.smembers(_NAMES))
        with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(key_of("account", name))
            records = pipe.execute()
        found = zip(names, records, strict=True)
        return [Account.from_record(name, record) for name, record in found if record]

    @translating_redis_errors()
    def set(self, name: str, field: str, value: str) -> None:
        """Set one field of an account, whatever it was."""
        self.redis.hset(key_of("account", self.must_get(name).name), field, value)

    @translating_redis_errors()
    def change(
        self, name: str, work: Collect, *, keeps_an_admin: bool = False, taking: Sequence[str] = ()
    ) -> object:
        """Change an account as a whole, anew if it changed meanwhile; return what `work` does.

        Nothing changes where one of the keys that it is `taking` is there already.
        """
        name = self.must_get(name).name
        everybody = [key_of("account", one) for one in self.redis.smembers(_NAMES)]
        key = key_of("account", name)

        def attempt(pipe: Any) -> object:
            record = pipe.hgetall(key)
            if taking and pipe.exists(*taking):
                raise AccountExists("another account has it")
            if keeps_an_admin and _can_administer(record):
                others = (pipe.hgetall(other) for other in everybody if other != key)
                if not any(map(_can_administer, others)):
                    raise AccountError(
                        "last_admin", "role", "the last admin can be neither disabled nor demoted"
                    )
            pipe.multi()
            return work(pipe, name, record)

        watched = [*(everybody if keeps_an_admin else ()), *taking]
        return self.redis.transaction(attempt, key, *watched, value_from_callable=True)


def _can_administer(record: Mapping[str, str]) -> bool:
    has_password = bool(record.get("password"))  # somebody only invited may never come
    return record.get("role") == "admin" and has_password and not record.get("disabled")
