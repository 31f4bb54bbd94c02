"""Second factor: codes of an authenticator (TOTP, RFC 6238) and recovery codes, each good once."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyotp

from service.accounts.account import Account, AccountError, canonical_name, check_role
from service.accounts.login_limits import LoginLimits
from service.accounts.records import PREFIX, AccountRecords, digest, key_of, note
from service.roles import ROLES
from service.store.errors import translating_redis_errors
from service.store.trail import ACCOUNTS, Change, Entry, Origin, append

N_RECOVERY_CODES = 10
_REQUIRED_FROM = PREFIX + "second_factor_from"
_MAX_CODE_LENGTH = 64


class SecondFactor:
    """The second factors of all accounts; a wrong code counts like a wrong password."""

    def __init__(
        self, records: AccountRecords, limits: LoginLimits, clock: Callable[[], float]
    ) -> None:
        self._records = records
        self._limits = limits
        self._clock = clock

    def propose(self, name: str) -> str:
        """Return a new secret for an authenticator, which `confirm` turns on."""
        secret = pyotp.random_base32()

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            if record.get("totp"):
                raise AccountError("totp_on", "step", "there is a second factor already")
            pipe.hset(key_of("account", name), "totp_pending", secret)

        self._records.change(name, store)
        return secret

    def confirm(self, name: str, code: str) -> Sequence[str]:
        """Turn it on if the code is right, and return the recovery codes; none if it is wrong."""
        codes = _new_codes()

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> bool:
            secret = record.get("totp_pending", "")
            step = self._matching_step(secret, code)
            turned_on = step is not None and not record.get("totp")
            if turned_on:
                key = key_of("account", name)
                pipe.hset(key, mapping={"totp": secret, "totp_step": step})
                pipe.hdel(key, "totp_pending")
                _store_codes(pipe, name, codes)
                note(pipe, name, Origin("console", name), {"second_factor": Change("off", "on")})
            return turned_on

        return codes if self._records.change(name, store) else ()

    def check(self, name: str, code: str, *, address: str = "", device: str = "") -> bool:
        """Whether a code, of the authenticator or for recovery, opens the account; once each."""
        name = canonical_name(name)
        with translating_redis_errors():
            attempt = self._limits.attempt(name, address, device, at_code=True)
        right = self._use_step(name, code) or self._use_recovery_code(name, code)
        if right:
            with translating_redis_errors():
                self._limits.was_right(attempt, forgive=True)
        return right

    def new_recovery_codes(self, name: str) -> Sequence[str]:
        """Replace the recovery codes of somebody with a second factor, and return the new ones."""
        codes = _new_codes()

        def store(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            if not record.get("totp"):
                raise AccountError("totp_off", "step", "there is no second factor")
            _store_codes(pipe, name, codes)
            note(pipe, name, Origin("console", name), {"recovery_codes": Change(secret=True)})

        self._records.change(name, store)
        return codes

    @translating_redis_errors()
    def n_recovery_codes(self, name: str) -> int:
        """Count the recovery codes that are left."""
        return int(self._records.redis.scard(key_of("recovery", canonical_name(name))))

    @translating_redis_errors()
    def required_from(self) -> str:
        """Return the lowest role that must have a second factor; empty where none must.

        What nobody can read of it is the lowest role of all.
        """
        stored = self._records.redis.get(_REQUIRED_FROM) or ""
        return stored if stored in ("", *ROLES) else ROLES[0]

    @translating_redis_errors()
    def require(self, role: str, *, by: Origin) -> None:
        """Require a second factor from a role on, or of nobody; with an entry where that is new."""
        if role:
            check_role(role)

        def store(pipe: Any) -> None:
            before = pipe.get(_REQUIRED_FROM) or ""
            pipe.multi()
            if before == role:
                return
            pipe.set(_REQUIRED_FROM, role)
            change = Change(before or None, role or None)
            append(pipe, ACCOUNTS, Entry("accounts", by, changes={"second_factor_from": change}))

        self._records.redis.transaction(store, _REQUIRED_FROM)

    def is_required(self, account: Account) -> bool:
        """Whether somebody must have a second factor."""
        role = self.required_from()
        return bool(role) and account.at_least(role)

    def is_missing(self, account: Account) -> bool:
        """Whether somebody must have a second factor and has none."""
        return not account.has_totp and self.is_required(account)

    def remove(self, name: str) -> None:
        """Turn the second factor off, where it need not be; its recovery codes end with it."""
        role = self.required_from()

        def turn_off(pipe: Any, name: str, record: Mapping[str, str]) -> None:
            if role and Account.from_record(name, record).at_least(role):
                raise AccountError("totp_required", "step", "this role must have a second factor")
            drop(pipe, name)
            if record.get("totp"):
                note(pipe, name, Origin("console", name), {"second_factor": Change("on", "off")})

        self._records.change(name, turn_off)

    def _use_step(self, name: str, code: str) -> bool:
        def use(pipe: Any, name: str, record: Mapping[str, str]) -> bool:
            step = self._matching_step(record.get("totp", ""), code)
            fresh = step is not None and step > int(record.get("totp_step") or 0)
            if fresh:
                pipe.hset(key_of("account", name), "totp_step", step)
            return fresh

        return bool(self._records.change(name, use))

    @translating_redis_errors()
    def _use_recovery_code(self, name: str, code: str) -> bool:
        return bool(self._records.redis.srem(key_of("recovery", name), _code_digest(code)))

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


def drop(pipe: Any, name: str) -> None:
    """Take everything of a second factor away, as part of a change."""
    pipe.hdel(key_of("account", name), "totp", "totp_pending", "totp_step")
    pipe.delete(key_of("recovery", name))


def _new_codes() -> Sequence[str]:
    """Make codes of 80 random bits, in four groups; a slow hash would protect nothing more."""
    drawn = (base64.b32encode(secrets.token_bytes(10)).decode() for _ in range(N_RECOVERY_CODES))
    return ["-".join(re.findall("....", code.lower())) for code in drawn]


def _store_codes(pipe: Any, name: str, codes: Sequence[str]) -> None:
    key = key_of("recovery", name)
    pipe.delete(key)
    pipe.sadd(key, *map(_code_digest, codes))


def _code_digest(code: str) -> str:
    """Return what is kept of a recovery code, however it was typed."""
    typed = unicodedata.normalize("NFKC", code[:_MAX_CODE_LENGTH]).lower()
    return digest("".join(filter(str.isalnum, typed)))
