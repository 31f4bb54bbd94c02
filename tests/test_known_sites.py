"""What a worker remembers of the sites: who gets in, and for how long, with and without Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx
import pytest
from redis import Redis
from redis.exceptions import ReadOnlyError

from conftest import NOWHERE, Clock, await_condition
from service.errors import StoreLost, StoreUnavailable
from service.sites.known_sites import (
    FRESH_SECONDS,
    MAX_REMEMBERED,
    REMEMBER_EVERY_SECONDS,
    REMEMBERED_SECONDS,
    KnownSites,
)
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.every_redis

WRONG_KEY = "hk_demo_" + "A" * 43


class Asked:
    """A client of Redis that notes what it is asked, and can be cut off."""

    def __init__(self, redis: Redis) -> None:
        self.redis: Any = redis
        self.commands: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.commands.append(name)
        return getattr(self.redis, name)


@pytest.fixture
def asked(redis: Redis) -> Asked:
    return Asked(redis)


@pytest.fixture
def timer() -> Clock:
    return Clock()


@pytest.fixture
def known(asked: Asked, timer: Clock) -> KnownSites:
    """The memory of a worker, which is not the process that changes the sites."""
    return KnownSites(Sites(cast(Redis, asked)), timer=timer)


@pytest.fixture
def sites(redis: Redis) -> Sites:
    return Sites(redis)


@contextmanager
def cut_off(asked: Asked) -> Iterator[None]:
    """Take Redis away: its socket is one where nobody listens."""
    here = asked.redis
    asked.redis = NOWHERE
    try:
        yield
    finally:
        asked.redis = here


# While Redis answers


def test_a_known_site_gets_in_without_a_question_and_redis_is_asked_once_a_second(
    known: KnownSites, sites: Sites, asked: Asked, timer: Clock
) -> None:
    key = sites.add(Site("demo"))
    known.authenticate(key)
    asked.commands.clear()
    for _ in range(100):
        assert known.authenticate(key) == Site("demo")
    assert asked.commands == []
    timer.now += FRESH_SECONDS
    for _ in range(100):
        assert known.authenticate(key) == Site("demo")
    assert asked.commands == ["get"]


def test_what_a_second_costs_does_not_grow_with_the_sites(
    known: KnownSites, sites: Sites, asked: Asked, timer: Clock
) -> None:
    keys = [sites.add(Site(f"site-{n}")) for n in range(20)]
    known.remember()
    timer.now += FRESH_SECONDS
    known.authenticate(keys[0])
    asked.commands.clear()
    timer.now += FRESH_SECONDS
    for key in keys:
        known.authenticate(key)
    assert asked.commands == ["get"]


def test_a_key_taken_away_stops_within_a_second(
    known: KnownSites, sites: Sites, timer: Clock
) -> None:
    old = sites.add(Site("demo"))
    known.authenticate(old)
    new = sites.rotate_key("demo")
    assert known.authenticate(new) == Site("demo"), "the new one works at once"
    assert known.authenticate(old) is None, "and then the old one does not"
    known.authenticate(new)
    newest = sites.rotate_key("demo")
    assert known.authenticate(new) == Site("demo")
    timer.now += FRESH_SECONDS
    assert known.authenticate(new) is None
    assert known.authenticate(newest) == Site("demo")


def test_changed_settings_hold_within_a_second(
    known: KnownSites, sites: Sites, timer: Clock
) -> None:
    key = sites.add(Site("demo"))
    known.authenticate(key)
    sites.update(Site("demo", name="new"))
    timer.now += FRESH_SECONDS
    assert known.authenticate(key) == Site("demo", name="new")


def test_a_signature_of_a_new_secret_fits_at_once(known: KnownSites, sites: Sites) -> None:
    sites.add(Site("demo", coral_secrets=("old",)))

    def finds(secret: str) -> bool:
        return known.find("demo", lambda site: secret in site.coral_secrets) is not None

    assert finds("old")
    assert not finds("new")
    sites.update(Site("demo", coral_secrets=("new",)))
    assert finds("new")
    assert not finds("old")


def test_a_new_site_gets_in_at_once(known: KnownSites, sites: Sites) -> None:
    known.authenticate(sites.add(Site("demo")))
    assert known.authenticate(WRONG_KEY.replace("demo", "second")) is None
    assert known.authenticate(sites.add(Site("second"))) == Site("second")


def test_a_change_that_was_not_announced_is_found_within_a_minute(
    known: KnownSites, sites: Sites, redis: Redis, timer: Clock
) -> None:
    key = sites.add(Site("demo"))
    known.authenticate(key)
    redis.hset("{hakam:demo}:site", "record", Site("demo", name="by hand").to_json())
    timer.now += REMEMBER_EVERY_SECONDS
    assert known.authenticate(key) == Site("demo", name="by hand")


@pytest.mark.parametrize("lost", [True, False])
def test_another_store_is_noticed_within_a_second(
    asked: Asked, sites: Sites, redis: Redis, timer: Clock, lost: bool
) -> None:
    def expect() -> None:
        if lost:
            raise StoreLost("another one")

    known = KnownSites(Sites(cast(Redis, asked)), timer=timer, expect=expect)
    key = sites.add(Site("demo"))
    known.authenticate(key)
    redis.flushdb()
    sites.add(Site("other"))
    timer.now += FRESH_SECONDS
    if lost:
        with pytest.raises(StoreLost):
            known.authenticate(key)
    else:
        assert known.authenticate(key) is None


def test_where_no_version_can_be_kept_every_request_asks(
    known: KnownSites, sites: Sites, asked: Asked, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **_options: object) -> None:
        raise ReadOnlyError

    key = sites.add(Site("demo"))
    redis.delete("hakam:sites:version")
    monkeypatch.setattr(asked, "set", refuse, raising=False)
    for name in ("one", "two"):
        redis.hset("{hakam:demo}:site", "record", Site("demo", name=name).to_json())
        assert known.authenticate(key) == Site("demo", name=name)


# While Redis is down


def test_a_site_seen_before_gets_in_while_redis_is_down(
    known: KnownSites, sites: Sites, asked: Asked, timer: Clock
) -> None:
    key = sites.add(Site("demo"))
    known.authenticate(key)
    with cut_off(asked):
        for _ in range(3):
            assert known.authenticate(key) == Site("demo")
            timer.now += FRESH_SECONDS
        assert known.authenticate(WRONG_KEY) is None


def test_a_site_not_seen_yet_is_known_from_the_start_of_the_worker(
    known: KnownSites, sites: Sites, asked: Asked
) -> None:
    key = sites.add(Site("demo"))
    known.remember()
    with cut_off(asked):
        assert known.authenticate(key) == Site("demo")


def test_an_unknown_site_is_not_turned_away_but_told_to_come_back(
    known: KnownSites, asked: Asked
) -> None:
    with cut_off(asked), pytest.raises(StoreUnavailable):
        known.authenticate(WRONG_KEY)


def test_the_memory_ends(known: KnownSites, sites: Sites, asked: Asked, timer: Clock) -> None:
    key = sites.add(Site("demo"))
    known.authenticate(key)
    timer.now += REMEMBERED_SECONDS + 1
    with cut_off(asked), pytest.raises(StoreUnavailable):
        known.authenticate(key)


def test_redis_is_asked_again_as_soon_as_it_is_back(
    known: KnownSites, sites: Sites, asked: Asked, timer: Clock
) -> None:
    key = sites.add(Site("demo"))
    known.authenticate(key)
    timer.now += FRESH_SECONDS
    with cut_off(asked):
        known.authenticate(key)
        sites.update(Site("demo", name="new"))
    assert known.authenticate(key) == Site("demo", name="new")


def test_the_memory_is_bounded(known: KnownSites, sites: Sites) -> None:
    key = sites.add(Site("demo"))
    known.authenticate(key)
    known._memory = dict.fromkeys(map(str, range(MAX_REMEMBERED)), known._memory["demo"])
    known.authenticate(key)
    assert len(known._memory) == MAX_REMEMBERED


def test_a_fault_of_redis_is_translated(known: KnownSites, asked: Asked) -> None:
    with cut_off(asked), pytest.raises(StoreUnavailable):
        known.remember()


# Real workers


def test_a_rotated_key_is_soon_refused_by_every_worker(
    server: str, redis: Redis, site: Site, api_key: str
) -> None:
    """Connections of their own reach both workers; which, nobody chooses."""

    def statuses(key: str) -> set[int]:
        headers = {"Authorization": f"Bearer {key}"}
        body = {"text": "hello"}
        return {
            httpx.post(f"{server}/v1/score", json=body, headers=headers).status_code
            for _ in range(20)
        }

    assert statuses(api_key) == {200}
    new = Sites(redis).rotate_key(site.id)
    await_condition(lambda: statuses(api_key) == {401}, what="refusals")
    assert statuses(new) == {200}
    assert statuses(api_key) == {401}
