"""Accounts: who gets in, for how long, and what is left of a password in the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any, Literal, TypeVar

import pytest
from argon2 import PasswordHasher
from redis import Redis

from conftest import NOWHERE, Clock
from service.accounts.account import AccountError, Preferences, canonical_name
from service.accounts.accounts import Accounts
from service.errors import AccountExists, LoginThrottled, StoreUnavailable, UnknownAccount
from service.roles import Grant

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


# The same algorithm with the least work, so that these tests spend their time elsewhere.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def accounts(redis: Redis, clock: Clock) -> Accounts:
    return Accounts(redis, hasher=QUICK, clock=clock)


def everything_in(redis: Redis) -> str:
    """Whatever a thief of the database would read, as one text."""
    read: dict[str, Any] = {
        "string": redis.get,
        "hash": redis.hgetall,
        "set": redis.smembers,
        "stream": redis.xrange,
    }
    return " ".join(str((key, read[str(redis.type(key))](key))) for key in redis.scan_iter("*"))


def test_the_right_password_opens_the_account_and_no_other_does(accounts: Accounts) -> None:
    accounts.add("Samira", PASSWORD, "senior", sites=["demo"])
    account = accounts.authenticate("SAMIRA ", PASSWORD)
    assert account is not None
    assert (account.name, account.role, account.sites) == ("samira", "senior", ("demo",))
    assert accounts.authenticate("samira", PASSWORD + "x") is None
    assert accounts.authenticate("nobody", PASSWORD) is None
    assert accounts.authenticate("", "") is None


class Counting(PasswordHasher):
    """A hasher that notes with which work it compared."""

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
        work.append(str(hash).rpartition("$")[0].rpartition("$")[0])
        return super().verify(hash, password)


work: list[str] = []


@pytest.mark.parametrize(
    "name", ["samira", "nobody", "omar", "tariq", "sso.u-1u-1u-1u-1", "two words", "", "x" * 5_000]
)
def test_a_wrong_login_takes_the_same_work_whether_there_is_such_an_account_or_not(
    redis: Redis, clock: Clock, name: str
) -> None:
    accounts = Accounts(
        redis, hasher=Counting(time_cost=1, memory_cost=8, parallelism=1), clock=clock
    )
    accounts.add("samira", PASSWORD)
    accounts.add("tariq", PASSWORD)
    accounts.disable("tariq")
    accounts.invite("omar", "moderator")
    accounts.single_sign_on.enter("u-1" * 20, Grant("moderator"))
    work.clear()
    assert accounts.authenticate(name, "wrong") is None
    assert work == ["$argon2id$v=19$m=8,t=1,p=1"]


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
    assert field != "role" or (samira.role, samira.sites) == ("trainee", ())
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
    with pytest.raises(StoreUnavailable):
        Accounts(NOWHERE).list()
