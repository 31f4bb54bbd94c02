"""Accounts: who gets in, for how long, and what is left of a password in the store."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from threading import Barrier
from typing import TypeVar

import pyotp
import pytest
from argon2 import PasswordHasher
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from service.accounts.account import AccountError, Preferences, canonical_name
from service.accounts.accounts import Accounts
from service.accounts.login_limits import LIMITS, WINDOW_MINUTES, LoginLimits
from service.accounts.sessions import SESSION_SECONDS, session_digest
from service.errors import AccountExists, LoginThrottled, StoreUnavailable, UnknownAccount
from service.store.connect import connect

PASSWORD = "correct horse battery"
R = TypeVar("R")


def at_once(*calls: Callable[[], R]) -> Sequence[R | AccountError | LoginThrottled]:
    """What each of some calls answers that all begin at the same moment."""
    start = Barrier(len(calls))

    def run(call: Callable[[], R]) -> R | AccountError | LoginThrottled:
        start.wait()
        try:
            return call()
        except (AccountError, LoginThrottled) as refusal:
            return refusal

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


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
    session_id = accounts.sessions.open("samira")
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
        ("..", PASSWORD, "moderator", "bad_name"),  # no address can end with it
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
        accounts.sessions.open("samira", agent="Firefox"),
        accounts.sessions.open("samira"),
    )
    assert accounts.sessions.resume("samira", first)
    accounts.sessions.close("samira", session_digest(first))
    assert accounts.sessions.resume("samira", first) is None
    assert accounts.sessions.resume("samira", second)
    clock.now += SESSION_SECONDS + 1
    assert accounts.sessions.resume("samira", second) is None
    assert list(accounts.sessions.of("samira")) == []


def test_sessions_that_ended_unnoticed_are_not_kept(
    accounts: Accounts, clock: Clock, redis: Redis
) -> None:
    accounts.add("samira", PASSWORD)
    for _ in range(20):  # shifts, after each of which nobody logs out
        opened = accounts.sessions.open("samira")
        clock.now += SESSION_SECONDS - 1
    clock.now += 2
    assert accounts.sessions.resume("samira", opened) is None
    accounts.sessions.open("samira")
    assert redis.hlen("{hakam:accounts}:sessions:samira") == 1


def test_the_list_of_sessions_tells_them_apart_without_opening_them(
    accounts: Accounts, clock: Clock
) -> None:
    accounts.add("samira", PASSWORD)
    accounts.sessions.open("samira", agent="Firefox", address="192.0.2.1")
    clock.now += 100
    later = accounts.sessions.open("samira", agent="Chromium", address="192.0.2.2")
    listed = accounts.sessions.of("samira")
    assert [(s.agent, s.address) for s in listed] == [
        ("Chromium", "192.0.2.2"),
        ("Firefox", "192.0.2.1"),
    ]
    assert listed[0].digest == session_digest(later)
    assert accounts.sessions.resume("samira", listed[0].digest) is None


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
    session_id = accounts.sessions.open("samira")
    close(accounts)
    assert accounts.sessions.resume("samira", session_id) is None
    assert accounts.authenticate("samira", PASSWORD) is None


@pytest.mark.parametrize(
    "end",
    [
        lambda accounts, _token: accounts.reset("omar"),
        lambda accounts, token: accounts.accept(token, "another password"),
        lambda accounts, _token: accounts.set_password("omar", "another password"),
        lambda accounts, _token: accounts.disable("omar"),
    ],
    ids=["a newer link", "its use", "a new password", "disabling"],
)
def test_of_all_links_to_an_account_only_the_newest_is_good_and_only_for_what_it_was_made(
    accounts: Accounts, end: Callable[[Accounts, str], None]
) -> None:
    oldest = accounts.invite("omar", "moderator")
    token = accounts.reset("omar")
    assert accounts.invited(oldest) is None
    assert accounts.invited(token) == "omar"
    end(accounts, token)
    for link in (oldest, token):
        assert accounts.invited(link) is None
        with pytest.raises(AccountError) as refusal:
            accounts.accept(link, PASSWORD)
        assert refusal.value.code == "bad_invite"
    assert accounts.authenticate("omar", PASSWORD) is None


def test_two_who_use_one_link_at_once_do_not_both_choose_a_password(accounts: Accounts) -> None:
    accounts.invite("omar", "moderator")
    for _ in range(10):
        token = accounts.reset("omar")
        answers = at_once(*[partial(accounts.accept, token, PASSWORD)] * 4)
        assert [a for a in answers if not isinstance(a, AccountError)] == [accounts.get("omar")]


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
    assert 0 < wait.value.retry_after_seconds <= 60 * WINDOW_MINUTES
    assert accounts.authenticate("samira", PASSWORD, address="192.0.2.2")
    for key in redis.scan_iter("*failures*"):
        redis.delete(key)  # what the end of the window does
    assert accounts.authenticate("samira", PASSWORD, address="192.0.2.1")


def test_one_address_cannot_try_many_names(accounts: Accounts) -> None:
    for n in range(LIMITS["address"]):
        accounts.authenticate(f"person{n // 2}", "wrong", address="192.0.2.1")
    with pytest.raises(LoginThrottled):
        accounts.authenticate("somebody", "wrong", address="192.0.2.1")


def test_many_guesses_at_once_are_not_more_than_the_limit(accounts: Accounts) -> None:
    accounts.add("samira", PASSWORD)

    def guess() -> object:
        return accounts.authenticate("samira", "wrong", address="192.0.2.1")

    answers = at_once(*[guess] * 4 * LIMITS["pair"])
    assert answers.count(None) == LIMITS["pair"]


def test_attempts_that_were_right_count_for_nothing(accounts: Accounts) -> None:
    accounts.add("samira", PASSWORD)
    for _ in range(LIMITS["address"] + 1):
        assert accounts.authenticate("samira", PASSWORD, address="192.0.2.1")


def test_a_stranger_locks_nobody_out_of_a_browser_that_is_known(
    accounts: Accounts, redis: Redis
) -> None:
    accounts.add("samira", PASSWORD)
    proxy = "192.0.2.1"  # from which everybody comes
    for n in range(LIMITS["address"]):
        accounts.authenticate(f"person{n}", "wrong", address=proxy)
    for n in range(LIMITS["name"]):
        accounts.authenticate("samira", "wrong", address=f"198.51.100.{n}")
    with pytest.raises(LoginThrottled):
        accounts.authenticate("samira", PASSWORD, address=proxy)
    assert accounts.authenticate("samira", PASSWORD, address=proxy, device="hers")
    for _ in range(LIMITS["device"]):
        assert accounts.authenticate("samira", "wrong", address=proxy, device="hers") is None
    with pytest.raises(LoginThrottled):
        accounts.authenticate("samira", PASSWORD, address=proxy, device="hers")


@pytest.mark.parametrize("spoilt", ["1e999", "-7", "x", "1000", ["x"]], ids=str)
def test_a_count_that_somebody_spoilt_locks_nobody_out_for_ever(
    accounts: Accounts, redis: Redis, spoilt: str | list[str]
) -> None:
    accounts.add("samira", PASSWORD)
    accounts.authenticate("samira", "wrong", address="192.0.2.1")
    keys = list(redis.scan_iter("*failures*"))
    assert len(keys) == 3
    for key in keys:
        redis.delete(key)
        if isinstance(spoilt, list):
            redis.rpush(key, *spoilt)
        else:
            redis.set(key, spoilt)  # without an end, too
    n_refusals = 0
    while n_refusals <= len(keys):
        try:
            assert accounts.authenticate("samira", PASSWORD, address="192.0.2.1")
            break
        except LoginThrottled:
            n_refusals += 1
    assert n_refusals == (len(keys) if spoilt == "1000" else 0)
    for _ in range(LIMITS["address"] + 7):
        with suppress(LoginThrottled):
            accounts.authenticate("samira", "wrong", address="192.0.2.1")
    with pytest.raises(LoginThrottled):
        accounts.authenticate("samira", PASSWORD, address="192.0.2.1")


@pytest.mark.parametrize(
    ("first", "second", "one"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("unix", "unix", True),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(
    accounts: Accounts, first: str, second: str, one: bool
) -> None:
    for n in range(LIMITS["address"]):
        accounts.authenticate(f"person{n}", "wrong", address=first)
    with pytest.raises(LoginThrottled) if one else nullcontext():
        accounts.authenticate("somebody", "wrong", address=second)


def test_a_refused_attempt_counts_against_nobody_else(accounts: Accounts) -> None:
    accounts.add("samira", PASSWORD)
    for _ in range(LIMITS["pair"] + LIMITS["name"] + LIMITS["address"]):
        with suppress(LoginThrottled):
            accounts.authenticate("samira", "wrong", address="192.0.2.1")
    assert accounts.authenticate("samira", PASSWORD, address="192.0.2.2")
    assert accounts.authenticate("omar", "wrong", address="192.0.2.1") is None


def test_a_login_while_redis_is_silent_waits_for_it_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts, and never answers
        with connect(f"redis://127.0.0.1:{mute.getsockname()[1]}", 0.05) as redis:
            limits = LoginLimits(redis, "{hakam:accounts}:failures")
            with pytest.raises(RedisError) as first:
                limits.attempt("samira", "192.0.2.1")
            with pytest.raises(RedisError) as second:
                limits.attempt("samira", "192.0.2.1")
        assert "silent" not in str(first.value)
        assert "silent" in str(second.value)


def second_factor(accounts: Accounts, clock: Clock, name: str = "samira") -> pyotp.TOTP:
    """Turn on a second factor for somebody; its present code is used up."""
    totp = pyotp.TOTP(accounts.second_factor.propose(name))
    assert accounts.second_factor.confirm(name, totp.at(int(clock.now)))
    clock.now += 30
    return totp


def test_a_reset_and_a_new_password_keep_the_second_factor_unless_told_otherwise(
    accounts: Accounts, clock: Clock
) -> None:
    accounts.add("samira", PASSWORD)
    totp = second_factor(accounts, clock)
    accounts.set_password("samira", "another password")
    assert accounts.accept(accounts.reset("samira"), PASSWORD).has_totp
    assert accounts.second_factor.check("samira", totp.at(int(clock.now)))
    assert not accounts.accept(
        accounts.reset("samira", drops_second_factor=True), PASSWORD
    ).has_totp
    second_factor(accounts, clock)
    accounts.set_password("samira", PASSWORD, drops_second_factor=True)
    assert not accounts.list()[0].has_totp


def test_nobody_replaces_a_second_factor_that_is_on(accounts: Accounts, clock: Clock) -> None:
    accounts.add("samira", PASSWORD)
    pending = pyotp.TOTP(accounts.second_factor.propose("samira"))
    accounts.second_factor.confirm("samira", pending.at(int(clock.now)))
    with pytest.raises(AccountError):
        accounts.second_factor.propose("samira")
    assert not accounts.second_factor.confirm("samira", pending.at(int(clock.now)))


def test_one_code_opens_one_of_many_log_ins_at_once(accounts: Accounts, clock: Clock) -> None:
    accounts.add("samira", PASSWORD)
    totp = second_factor(accounts, clock)
    for round_ in range(10):
        code = totp.at(int(clock.now))
        addresses = [f"192.0.2.{4 * round_ + n}" for n in range(4)]
        checks = [
            partial(accounts.second_factor.check, "samira", code, address=a) for a in addresses
        ]
        assert sorted(map(str, at_once(*checks))) == ["False", "False", "False", "True"]
        clock.now += 30


def test_a_right_password_buys_no_more_guesses_at_the_code(
    accounts: Accounts, clock: Clock
) -> None:
    accounts.add("samira", PASSWORD)
    totp = second_factor(accounts, clock)
    for n in range(LIMITS["pair"]):
        assert accounts.authenticate("samira", PASSWORD, address="192.0.2.1"), n
        assert not accounts.second_factor.check("samira", "000000", address="192.0.2.1")
    with pytest.raises(LoginThrottled):
        accounts.authenticate("samira", PASSWORD, address="192.0.2.1")
    with pytest.raises(LoginThrottled):
        accounts.second_factor.check("samira", totp.at(int(clock.now)), address="192.0.2.1")


def test_a_recovery_code_opens_the_account_once_however_it_is_typed(
    accounts: Accounts, clock: Clock, redis: Redis
) -> None:
    accounts.add("samira", PASSWORD)
    totp = pyotp.TOTP(accounts.second_factor.propose("samira"))
    first, second, *others = accounts.second_factor.confirm("samira", totp.at(int(clock.now)))
    assert len({first, second, *others}) == 10
    assert not [code for code in (first, second, *others) if code in everything_in(redis)]
    assert not accounts.second_factor.check("samira", "aaaa-aaaa-aaaa-aaaa")
    typed = f" {first.upper().replace('-', ' ')} "
    assert sorted(
        map(str, at_once(*[lambda: accounts.second_factor.check("samira", typed)] * 3))
    ) == [
        "False",
        "False",
        "True",
    ]
    assert accounts.second_factor.n_recovery_codes("samira") == 9
    new, *_rest = accounts.second_factor.new_recovery_codes("samira")
    assert not accounts.second_factor.check("samira", second), "an old code outlived the new ones"
    assert accounts.second_factor.check("samira", new)
    accounts.second_factor.remove("samira")
    assert accounts.second_factor.n_recovery_codes("samira") == 0
    with pytest.raises(AccountError):
        accounts.second_factor.new_recovery_codes("samira")


def test_the_second_factor_takes_each_code_once_in_any_digits(
    accounts: Accounts, clock: Clock
) -> None:
    accounts.add("samira", PASSWORD)
    totp = pyotp.TOTP(accounts.second_factor.propose("samira"))
    assert not accounts.second_factor.confirm("samira", "000000")
    assert not accounts.list()[0].has_totp
    assert accounts.second_factor.confirm("samira", totp.at(int(clock.now)))
    assert accounts.list()[0].has_totp
    assert not accounts.second_factor.check("samira", totp.at(int(clock.now))), (
        "a code was used twice"
    )
    clock.now += 30
    arabic_indic = {ord("0") + n: 0x0660 + n for n in range(10)}  # U+0660 ARABIC-INDIC DIGIT ZERO
    assert accounts.second_factor.check("samira", totp.at(int(clock.now)).translate(arabic_indic))
    clock.now += 600
    assert not accounts.second_factor.check("samira", totp.at(int(clock.now) - 300))


def test_wrong_codes_are_throttled_like_wrong_passwords(accounts: Accounts) -> None:
    accounts.add("samira", PASSWORD)
    accounts.second_factor.propose("samira")
    for _ in range(LIMITS["pair"]):
        accounts.second_factor.check("samira", "123456")
    with pytest.raises(LoginThrottled):
        accounts.second_factor.check("samira", "123456")


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


@pytest.mark.parametrize(
    "take_away",
    [
        lambda accounts, name: accounts.change(name, role="senior", sites=None),
        lambda accounts, name: accounts.disable(name),
        lambda accounts, name: accounts.reset(name),
    ],
    ids=["demote", "disable", "reset"],
)
def test_of_admins_who_take_each_other_s_place_at_once_one_is_left(
    accounts: Accounts, take_away: Callable[[Accounts, str], object]
) -> None:
    left = ""
    for n in range(30):
        names = [f"admin{n}a", f"admin{n}b", f"admin{n}c"]
        for name in names:
            accounts.add(name, PASSWORD, "admin")
        if left:  # of the round before
            accounts.change(left, role="senior", sites=None)
        at_once(*[partial(take_away, accounts, name) for name in names])
        (left,) = [
            a.name
            for a in accounts.list()
            if a.role == "admin" and not a.disabled and a.has_password
        ]


def test_an_admin_who_was_only_invited_does_not_count_as_the_other_one(accounts: Accounts) -> None:
    accounts.add("samira", PASSWORD, "admin")
    token = accounts.invite("omar", "admin")
    with pytest.raises(AccountError):
        accounts.disable("samira")
    accounts.accept(token, PASSWORD)
    accounts.disable("samira")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("role", "emperor"),
        ("role", None),
        ("sites", "{"),
        ("sites", '{"demo": 1}'),
        ("sites", "[1, null]"),
        ("created_at", "nan"),
        ("created_at", "yesterday"),
        ("preferences", "["),
        ("preferences", "[]"),
        ("preferences", '{"keys": [1], "replies": 5, "break_minutes": "x", "language": null}'),
        ("preferences", '{"break_minutes": 1e308, "severe_per_hour": -1, "keys": {"a": 1}}'),
    ],
)
def test_a_record_that_cannot_be_read_gives_no_right_and_locks_no_list(
    accounts: Accounts, redis: Redis, field: str, value: str | None
) -> None:
    accounts.add("samira", PASSWORD, "admin", sites=["demo"])
    accounts.add("omar", PASSWORD, "admin")
    key = "{hakam:accounts}:account:samira"
    if value is None:
        redis.hdel(key, field)
    else:
        redis.hset(key, field, value)
    redis.hset("{hakam:accounts}:sessions:samira", "d", '{"digest": 1, "created_at": "x"}')
    omar, samira = accounts.list()
    assert omar.at_least("admin")
    assert field != "role" or (samira.role, samira.sites) == ("moderator", ())
    assert field != "sites" or samira.sites == ()
    assert field != "preferences" or samira.preferences == Preferences()
    assert accounts.sessions.of("samira") == []


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
