"""Senders take turns, however many requests one of them has sent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from service.run.turns import Turns, sender_of


def asked(name: str, who: str = "", *, address: str = "192.0.2.1", **request: Any) -> Any:
    headers = {"AUTHORIZATION": f"Bearer {who}"} if who else {}
    one = SimpleNamespace(**({"headers": headers, "query": ""} | request))
    return SimpleNamespace(name=name, requests=[one], addr=(address, 1))


def taken(turns: Turns) -> list[str]:
    return [turns.popleft().name for _ in range(len(turns))]


def test_senders_take_turns_and_each_is_served_in_its_own_order() -> None:
    turns = Turns()
    for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1"):
        turns.append(asked(name, name[0]))
    assert len(turns) == 7
    assert taken(turns) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]
    assert not turns


def test_who_has_just_had_a_turn_comes_behind_who_waits() -> None:
    turns = Turns()
    for name in ("a1", "a2", "b1"):
        turns.append(asked(name, name[0]))
    assert turns.popleft().name == "a1"
    turns.append(asked("c1", "c"))
    assert taken(turns) == ["b1", "a2", "c1"]


def test_senders_are_told_apart_by_key_session_address_asked_for_or_from() -> None:
    cookie: dict[str, Any] = {"headers": {"COOKIE": "session=x"}, "query": "page=2"}
    by_key = sender_of(asked("", "key", query="x=1"))
    assert by_key == sender_of(asked("", "key", query="x=2", address="192.0.2.2"))
    assert sender_of(asked("", **cookie)) == "session=x"
    assert sender_of(asked("", query="site=demo")) == "site=demo"
    assert sender_of(asked("")) == "192.0.2.1"
    broken = SimpleNamespace(headers={})  # of which not even the first line could be read
    assert sender_of(SimpleNamespace(requests=[broken], addr=("192.0.2.3", 1))) == "192.0.2.3"


def test_of_who_is_not_waiting_nothing_is_kept() -> None:
    turns = Turns()
    for number in range(1_000):
        turns.append(asked(str(number), str(number)))
        turns.popleft()
    assert not turns._waiting
