"""What sites say about scores is kept, apart from decisions, and not for ever."""

from __future__ import annotations

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from models.schema import LabeledComment
from service.errors import StoreUnavailable
from service.feedback import SOURCE, Feedback
from service.retention import Retention
from service.sites import Site, Sites

pytestmark = pytest.mark.every_redis


def comment(number: int) -> LabeledComment:
    return LabeledComment(id=f"c-{number}", text="x", labels={"toxicity": 1.0}, source=SOURCE)


def test_feedback_comes_back_in_order_from_a_position_on(redis: Redis) -> None:
    feedback, site = Feedback(redis), Site("demo")
    for number in range(5):
        feedback.add(site, comment(number), community="forum")
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


def test_a_redis_that_is_away_is_named_as_such() -> None:
    nowhere = Redis(unix_socket_path="/nonexistent/redis.sock", retry=Retry(NoBackoff(), 0))
    with pytest.raises(StoreUnavailable):
        Feedback(nowhere).add(Site("demo"), comment(1))
    with pytest.raises(StoreUnavailable):
        Feedback(nowhere).read("demo")
