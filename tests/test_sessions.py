"""Sessions of moderators: how long they last, and what ends them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redis import Redis
from test_accounts import PASSWORD, accounts

from conftest import Clock
from service.accounts.accounts import Accounts
from service.accounts.records import digest
from service.accounts.sessions import SESSION_SECONDS

__all__ = ["accounts"]  # a fixture


def test_a_session_lasts_a_shift_and_ends_when_revoked(accounts: Accounts, clock: Clock) -> None:
    accounts.add("samira", PASSWORD)
    first, second = (
        accounts.sessions.open("samira", agent="Firefox"),
        accounts.sessions.open("samira"),
    )
    assert accounts.sessions.resume("samira", first)
    accounts.sessions.close("samira", digest(first))
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
    assert listed[0].digest == digest(later)
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
