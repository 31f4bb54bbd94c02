"""When API keys were last used: noted once an hour, told behind an answer."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from conftest import NOWHERE, Clock
from service.sites.api_keys import name_of, new_key
from service.sites.key_uses import HOUR, MAX_REMEMBERED, KeyUses
from service.sites.known_sites import KnownSites
from service.sites.site import Site
from service.sites.sites import Sites

KEY = new_key("demo")


@pytest.fixture
def uses(redis: Redis, clock: Clock) -> KeyUses:
    return KeyUses(redis, clock=clock)


def commands_of(redis: Redis) -> int:
    found: Any = redis.info("commandstats")
    return sum(one["calls"] for name, one in found.items() if name == "cmdstat_hset")


def test_the_last_use_of_a_key_is_known_to_the_hour(uses: KeyUses, clock: Clock) -> None:
    assert uses.of("demo") == {}
    uses.note("demo", KEY)
    uses.flush_if_due()
    assert uses.of("demo") == {name_of(KEY): clock.now // HOUR * HOUR}
    clock.now += HOUR
    uses.note("demo", KEY)
    uses.flush_if_due()
    assert uses.of("demo") == {name_of(KEY): clock.now // HOUR * HOUR}


def test_a_thousand_requests_within_an_hour_write_once(uses: KeyUses, redis: Redis) -> None:
    before = commands_of(redis)
    for _request in range(1_000):
        uses.note("demo", KEY)
        uses.flush_if_due()
    assert commands_of(redis) - before == 1


def test_what_redis_did_not_take_is_told_again(redis: Redis, clock: Clock) -> None:
    uses = KeyUses(NOWHERE, clock=clock)
    uses.note("demo", KEY)
    uses.flush_if_due()
    uses._redis = redis
    uses.flush_if_due()
    assert name_of(KEY) in uses.of("demo")


def test_a_worker_remembers_no_more_keys_than_it_may(clock: Clock) -> None:
    uses = KeyUses(NOWHERE, clock=clock)
    for n in range(MAX_REMEMBERED + 10):
        uses.note("demo", f"{n}")
        if n % 1_000 == 0:
            uses.flush_if_due()
    uses.flush_if_due()
    assert len(uses._noted) <= MAX_REMEMBERED
    assert len(uses._unsent) <= MAX_REMEMBERED


def test_one_site_whose_uses_are_damaged_spoils_no_other(uses: KeyUses, redis: Redis) -> None:
    redis.set("{hakam:torn}:key_uses", "x")
    uses.note("torn", KEY)
    uses.note("demo", KEY)
    uses.flush_if_due()
    assert name_of(KEY) in uses.of("demo")


def test_nothing_is_kept_of_keys_that_have_ended(redis: Redis, uses: KeyUses) -> None:
    sites = Sites(redis)
    first = sites.add(Site("demo"))
    second = sites.add_key("demo")
    for key in (first, second):
        uses.note("demo", key)
    uses.flush_if_due()
    sites.revoke_key("demo", name_of(first))
    assert uses.of("demo").keys() == {name_of(second)}
    sites.rotate_key("demo", grace_seconds=60)
    assert uses.of("demo").keys() == {name_of(second)}, "it works on for a minute"
    sites.rotate_key("demo")
    assert uses.of("demo") == {}


def test_a_new_key_is_told_also_where_the_uses_of_old_ones_cannot_be_forgotten(
    redis: Redis,
) -> None:
    sites = Sites(redis)
    sites.add(Site("demo"))
    redis.set("{hakam:demo}:key_uses", "x")
    for new in (sites.add_key, sites.rotate_key):
        assert KnownSites(sites).authenticate(new("demo")) == Site("demo")


def test_every_interface_notes_the_key_that_opened_the_site(
    client: FlaskClient, redis: Redis
) -> None:
    sites = Sites(redis)
    keys = [sites.add(Site("papers")), *(sites.add_key("papers") for _each in range(2))]
    ask = {"comment": {"text": "x"}, "requestedAttributes": {"TOXICITY": {}}}
    path = "/v1alpha1/comments:analyze"
    answers = [
        client.get("/v1/decisions", headers={"Authorization": f"Bearer {keys[0]}"}),
        client.post(f"{path}?key={keys[1]}", json=ask),
        client.post(
            "/v1/moderations", json={"input": "x"}, headers={"Authorization": f"Bearer {keys[2]}"}
        ),
        client.get("/v1/decisions", headers={"Authorization": f"Bearer {new_key('papers')}"}),
    ]
    for answer in answers:
        answer.close()
    assert KeyUses(redis).of("papers").keys() == {name_of(key) for key in keys}
