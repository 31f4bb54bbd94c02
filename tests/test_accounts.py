"""Accounts: who gets in, for how long, and what is left of a password in the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pyotp
import pytest
from argon2 import PasswordHasher
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.accounts import (
    SESSION_SECONDS,
    AccountError,
    Accounts,
    LoginThrottled,
    Preferences,
    canonical_name,
    session_digest,
)
from service.errors import AccountExists, StoreUnavailable, UnknownAccount
from service.throttle import LIMITS, WINDOW_SECONDS

PASSWORD = "correct horse battery"


@dataclass
class Clock:
    """A clock that the test turns."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


# The same algorithm with the least work, so that these tests spend their time elsewhere.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def accounts(redis: Redis, clock: Clock) -> Accounts:
    return Accounts(redis, hasher=QUICK, clock=clock)


def everything_in(redis: Redis) -> str:
    """Whatever a thief of the database would read, as one text."""
    read = {"string": redis.get, "hash": redis.hgetall, "set": redis.smembers}
    return " ".join(str((key, read[str(redis.type(key))](key))) for key in redis.scan_iter("*"))


def test_the_right_password_opens_the_account_and_no_other_does(accounts: Accounts) -> None:
    accounts.add("Samira", PASSWORD, "senior", sites=["demo"])
    account = accounts.authenticate("SAMIRA ", PASSWORD)
    assert account is not None
    assert (account.name, account.role, account.sites) == ("samira", "senior", ("demo",))
    assert accounts.authenticate("samira", PASSWORD + "x") is None
    assert accounts.authenticate("nobody", PASSWORD) is None
    assert accounts.authenticate("", "") is None


def test_the_store_holds_no_password_session_or_invitation_that_could_be_used(
    accounts: Accounts, redis: Redis
) -> None:
    accounts.add("samira", PASSWORD)
    session_id = accounts.open_session("samira")
    token = accounts.invite("omar", "moderator")
    stolen = everything_in(redis)
    assert "$argon2id$" in stolen
    assert not [secret for secret in (PASSWORD, session_id, token) if secret in stolen]


def test_a_hash_of_weaker_parameters_is_replaced_at_the_next_login(
    accounts: Accounts, redis: Redis
) -> None:
    accounts.add("samira", PASSWORD)
    now = Accounts(redis)
    assert now.authenticate("samira", PASSWORD)
    stored = redis.hget("{hakam:accounts}:account:samira", "password")
    assert not PasswordHasher().check_needs_rehash(str(stored))
    assert now.authenticate("samira", PASSWORD)


@pytest.mark.parametrize(
    ("name", "password", "role", "code"),
    [
        ("x", PASSWORD, "moderator", "bad_name"),
        ("two words", PASSWORD, "moderator", "bad_name"),
        ("samira", "short", "moderator", "bad_password"),
        ("samira", PASSWORD, "owner", "bad_role"),
    ],
)
def test_a_malformed_account_is_refused_by_name_of_what_is_wrong(
    accounts: Accounts, name: str, password: str, role: str, code: str
) -> None:
    with pytest.raises(AccountError) as refusal:
        accounts.add(name, password, role)
    assert refusal.value.code == code
    assert accounts.list() == []


def test_a_name_belongs_to_one_person_in_every_spelling(accounts: Accounts) -> None:
    accounts.add("samira", PASSWORD)
    with pytest.raises(AccountExists):
        accounts.add("\N{FULLWIDTH LATIN SMALL LETTER S}amira", PASSWORD)
    # "Samira" in Arabic letters
    assert canonical_name("\u0633\u0645\u064a\u0631\u0629") == "\u0633\u0645\u064a\u0631\u0629"


def test_a_session_lasts_a_shift_and_ends_when_revoked(accounts: Accounts, clock: Clock) -> None:
    accounts.add("samira", PASSWORD)
    first, second = (
        accounts.open_session("samira", agent="Firefox"),
        accounts.open_session("samira"),
    )
    assert accounts.resume("samira", first)
    accounts.close_session("samira", session_digest(first))
    assert accounts.resume("samira", first) is None
    assert accounts.resume("samira", second)
    clock.now += SESSION_SECONDS + 1
    assert accounts.resume("samira", second) is None
    assert list(accounts.sessions("samira")) == []


def test_the_list_of_sessions_tells_them_apart_without_opening_them(
    accounts: Accounts, clock: Clock
) -> None:
    accounts.add("samira", PASSWORD)
    accounts.open_session("samira", agent="Firefox", address="192.0.2.1")
    clock.now += 100
    later = accounts.open_session("samira", agent="Chromium", address="192.0.2.2")
    listed = accounts.sessions("samira")
    assert [(s.agent, s.address) for s in listed] == [
        ("Chromium", "192.0.2.2"),
        ("Firefox", "192.0.2.1"),
    ]
    assert listed[0].digest == session_digest(later)
    assert accounts.resume("samira", listed[0].digest) is None


@pytest.mark.parametrize(
    "close",
    [
        lambda accounts: accounts.disable("samira"),
        lambda accounts: accounts.set_password("samira", "another password"),
        lambda accounts: accounts.reset("samira"),
    ],
    ids=["disable", "new password", "reset"],
)
def test_disabling_and_changing_the_password_end_every_session(
    accounts: Accounts, close: Callable[[Accounts], None]
) -> None:
    accounts.add("samira", PASSWORD)
    session_id = accounts.open_session("samira")
    close(accounts)
    assert accounts.resume("samira", session_id) is None
    assert accounts.authenticate("samira", PASSWORD) is None


def test_a_disabled_account_opens_again_with_its_old_password(accounts: Accounts) -> None:
    accounts.add("samira", PASSWORD)
    accounts.disable("samira")
    accounts.enable("samira")
    assert accounts.authenticate("samira", PASSWORD)


def test_an_invitation_lets_one_person_choose_one_password_once(accounts: Accounts) -> None:
    token = accounts.invite("omar", "moderator", sites=["demo"])
    assert accounts.invited(token) == "omar"
    assert accounts.authenticate("omar", "") is None
    with pytest.raises(AccountError):
        accounts.accept(token, "short")
    assert accounts.accept(token, PASSWORD).sites == ("demo",)
    assert accounts.authenticate("omar", PASSWORD)
    with pytest.raises(AccountError) as refusal:
        accounts.accept(token, "another password")
    assert refusal.value.code == "bad_invite"


def test_failed_logins_are_throttled_by_name_and_address_until_the_window_ends(
    accounts: Accounts, redis: Redis
) -> None:
    accounts.add("samira", PASSWORD)
    for _ in range(LIMITS["pair"]):
        assert accounts.authenticate("samira", "wrong", address="192.0.2.1") is None
    with pytest.raises(LoginThrottled) as wait:
        accounts.authenticate("samira", PASSWORD, address="192.0.2.1")
    assert 0 < wait.value.retry_after_seconds <= WINDOW_SECONDS
    assert accounts.authenticate("samira", PASSWORD, address="192.0.2.2")
    for key in redis.scan_iter("*failures*"):
        redis.delete(key)  # what the end of the window does
    assert accounts.authenticate("samira", PASSWORD, address="192.0.2.1")


def test_one_address_cannot_try_many_names(accounts: Accounts) -> None:
    for n in range(LIMITS["address"]):
        accounts.authenticate(f"person{n // 2}", "wrong", address="192.0.2.1")
    with pytest.raises(LoginThrottled):
        accounts.authenticate("somebody", "wrong", address="192.0.2.1")


def test_the_second_factor_takes_each_code_once_in_any_digits(
    accounts: Accounts, clock: Clock
) -> None:
    accounts.add("samira", PASSWORD)
    totp = pyotp.TOTP(accounts.propose_totp("samira"))
    assert not accounts.confirm_totp("samira", "000000")
    assert not accounts.list()[0].has_totp
    assert accounts.confirm_totp("samira", totp.at(int(clock.now)))
    assert accounts.list()[0].has_totp
    assert not accounts.check_totp("samira", totp.at(int(clock.now))), "a code was used twice"
    clock.now += 30
    arabic_indic = {ord("0") + n: 0x0660 + n for n in range(10)}  # U+0660 ARABIC-INDIC DIGIT ZERO
    assert accounts.check_totp("samira", totp.at(int(clock.now)).translate(arabic_indic))
    clock.now += 600
    assert not accounts.check_totp("samira", totp.at(int(clock.now) - 300))


def test_wrong_codes_are_throttled_like_wrong_passwords(accounts: Accounts) -> None:
    accounts.add("samira", PASSWORD)
    accounts.propose_totp("samira")
    for _ in range(LIMITS["pair"]):
        accounts.check_totp("samira", "123456")
    with pytest.raises(LoginThrottled):
        accounts.check_totp("samira", "123456")


def test_the_last_admin_can_neither_be_disabled_nor_demoted(accounts: Accounts) -> None:
    accounts.add("samira", PASSWORD, "admin")
    with pytest.raises(AccountError):
        accounts.disable("samira")
    with pytest.raises(AccountError):
        accounts.change("samira", role="senior", sites=None)
    accounts.add("omar", PASSWORD, "admin")
    accounts.change("samira", role="senior", sites=["demo"])
    assert [(a.name, a.role, a.sites) for a in accounts.list()] == [
        ("omar", "admin", None),
        ("samira", "senior", ("demo",)),
    ]


def test_only_admins_and_the_unlimited_see_sites_they_are_not_assigned(accounts: Accounts) -> None:
    assigned = accounts.add("samira", PASSWORD, sites=["demo"])
    admin = accounts.add("omar", PASSWORD, "admin", sites=["demo"])
    everywhere = accounts.add("layla", PASSWORD)
    assert [a.may_see("other") for a in (assigned, admin, everywhere)] == [False, True, True]


def test_preferences_are_kept_and_those_of_another_version_left_out(
    accounts: Accounts, redis: Redis
) -> None:
    accounts.add("samira", PASSWORD)
    chosen = Preferences(language="en", blur=True, keys={"approve": "y"}, replies=("Thank you",))
    accounts.save_preferences("samira", chosen)
    assert accounts.list()[0].preferences == chosen
    newer = json.dumps({"language": "en", "hologram": True})
    redis.hset("{hakam:accounts}:account:samira", "preferences", newer)
    assert accounts.list()[0].preferences == Preferences(language="en")


def test_an_unknown_person_is_named_and_an_absent_store_is_told(accounts: Accounts) -> None:
    with pytest.raises(UnknownAccount, match="nobody"):
        accounts.disable("nobody")
    nowhere = Redis(unix_socket_path="/nonexistent", retry=Retry(NoBackoff(), 0))
    with nowhere, pytest.raises(StoreUnavailable):
        Accounts(nowhere).list()
