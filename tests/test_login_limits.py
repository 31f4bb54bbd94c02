"""Login limits: who may be wrong how often, and who is kept out by whom."""

from __future__ import annotations

import socket
from contextlib import nullcontext, suppress

import pytest
from redis import Redis
from redis.exceptions import RedisError
from test_accounts import PASSWORD, accounts, at_once

from service.accounts.accounts import Accounts
from service.accounts.login_limits import LIMITS, WINDOW_MINUTES, LoginLimits
from service.errors import LoginThrottled
from service.store.connect import connect

__all__ = ["accounts"]  # a fixture


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
