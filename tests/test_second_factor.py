"""The second factor: codes of an authenticator and recovery codes, each good once."""

from __future__ import annotations

from functools import partial

import pyotp
import pytest
from redis import Redis
from test_accounts import PASSWORD, accounts, at_once, everything_in

from conftest import Clock
from service.accounts.account import AccountError
from service.accounts.accounts import Accounts
from service.accounts.login_limits import CODES_A_DAY, LIMITS, WINDOW_MINUTES
from service.errors import LoginThrottled

__all__ = ["accounts"]  # a fixture


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


def test_whoever_knows_the_password_has_few_guesses_at_the_code_a_day_and_locks_nobody_out(
    accounts: Accounts, clock: Clock
) -> None:
    accounts.add("samira", PASSWORD)
    totp = second_factor(accounts, clock)
    for n in range(CODES_A_DAY):
        assert not accounts.second_factor.check("samira", "000000", address=f"192.0.2.{n}")
    with pytest.raises(LoginThrottled) as wait:
        accounts.second_factor.check("samira", totp.at(int(clock.now)), address="198.51.100.1")
    assert wait.value.retry_after_seconds > 60 * WINDOW_MINUTES
    assert accounts.authenticate("samira", PASSWORD, address="198.51.100.1")
    clock.now += 30
    code = totp.at(int(clock.now))
    assert accounts.second_factor.check("samira", code, address="198.51.100.1", device="hers")


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
