"""What sites say about scores is kept, apart from decisions, and not for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from conftest import NOWHERE
from models.schema import LabeledComment
from service.errors import StoreUnavailable
from service.queue.feedback import MAX_ID_LENGTH, SOURCE, Feedback
from service.queue.retention import Retention
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.every_redis


def comment(number: int) -> LabeledComment:
    return LabeledComment(id=f"c-{number}", text="x", labels={"toxicity": 1.0}, source=SOURCE)


@pytest.mark.slow
def test_feedback_comes_back_in_order_from_a_position_on(redis: Redis) -> None:
    feedback, site = Feedback(redis), Site("demo")
    for number in range(5):
        feedback.add(site, comment(number))
    entries = feedback.read("demo", limit=3)
    assert [one.id for _, one in entries] == ["c-0", "c-1", "c-2"]
    assert [one.id for _, one in feedback.read("demo", after=entries[-1][0])] == ["c-3", "c-4"]
    assert list(feedback.read_all("demo")) == [comment(number) for number in range(5)]


def test_sites_do_not_see_each_other(redis: Redis) -> None:
    Feedback(redis).add(Site("one"), comment(1))
    assert Feedback(redis).read("two") == []


def test_feedback_older_than_the_retention_of_the_site_goes_with_the_sweep(redis: Redis) -> None:
    sites = Sites(redis)
    sites.add(Site("demo", retention_days=1))
    redis.xadd("{hakam:demo}:feedback", {"comment": "old", "community": ""}, id="1000-0")
    Feedback(redis).add(Site("demo"), comment(1))
    assert Retention(redis, sites).sweep() == 1
    assert list(Feedback(redis).read_all("demo")) == [comment(1)]


def test_a_later_word_on_a_comment_replaces_the_earlier(redis: Redis) -> None:
    feedback, site = Feedback(redis), Site("demo")
    for labels in ({"toxicity": 0.0}, {"toxicity": 1.0}):
        feedback.add(site, replace(comment(1), labels=labels))
        feedback.add(site, comment(2))
    kept = {one.id: dict(one.labels) for one in feedback.read_all("demo")}
    assert kept == {"c-1": {"toxicity": 1.0}, "c-2": {"toxicity": 1.0}}
    assert redis.xlen("{hakam:demo}:feedback") == 2


def test_beyond_the_bytes_of_a_site_the_oldest_goes(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.queue.feedback.MAX_BYTES", 100_000)
    feedback = Feedback(redis)
    for number in range(20):
        feedback.add(Site("demo"), replace(comment(number), text="x" * 20_000))
    assert [one.id for one in feedback.read_all("demo")] == ["c-16", "c-17", "c-18", "c-19"]
    assert redis.hlen("{hakam:demo}:feedback_index") == 5


def test_beyond_the_number_of_entries_the_oldest_goes(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.queue.feedback.MAX_ENTRIES", 3)
    for number in range(5):
        Feedback(redis).add(Site("demo"), comment(number))
    assert [one.id for one in Feedback(redis).read_all("demo")] == ["c-2", "c-3", "c-4"]


def test_of_a_long_id_a_digest_is_kept(redis: Redis) -> None:
    feedback, long = Feedback(redis), replace(comment(1), id="c" * 1_000_000)
    for one in (long, replace(long, id=long.id + "c"), long):
        feedback.add(Site("demo"), one)
    kept = [one.id for one in feedback.read_all("demo")]
    assert len(set(kept)) == len(kept) == 2
    assert all(len(id_) <= MAX_ID_LENGTH for id_ in kept)


def test_what_repeats_a_decision_of_the_desk_is_no_feedback(redis: Redis) -> None:
    feedback, site = Feedback(redis), Site("demo")
    feedback.add(site, comment(1))
    feedback.expect("demo", "c-1", rejected=True)
    assert not feedback.add(site, comment(1))
    assert feedback.read("demo") == []
    assert feedback.add(site, replace(comment(1), labels={"toxicity": 0.0}))  # somebody disagrees
    assert feedback.add(site, comment(2))
    redis.zadd("{hakam:demo}:feedback_echoes", {str(echoes(redis)[0]): 1})  # time passes
    assert feedback.add(site, comment(1))
    feedback.expect("demo", "c-3", rejected=True)
    assert len(echoes(redis)) == 1


def echoes(redis: Redis) -> list[object]:
    client: Any = redis
    found: list[object] = client.zrange("{hakam:demo}:feedback_echoes", 0, -1)
    return found


def test_nothing_is_left_of_feedback_that_was_forgotten(redis: Redis) -> None:
    feedback = Feedback(redis)
    for number in range(3):
        feedback.add(Site("demo"), comment(number))
    assert feedback.forget("demo", 10**14) == 3
    assert redis.hgetall("{hakam:demo}:feedback_index") == {"": "0"}


def test_a_redis_that_is_away_is_named_as_such() -> None:
    with pytest.raises(StoreUnavailable):
        Feedback(NOWHERE).add(Site("demo"), comment(1))
    with pytest.raises(StoreUnavailable):
        Feedback(NOWHERE).read("demo")
