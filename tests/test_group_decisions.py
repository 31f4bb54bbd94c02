"""A whole group is decided as one, however long it is, and taken back as one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from conftest import check_lines, let_time_pass
from service.errors import Conflict, Forbidden, InvalidRequest, ItemNotFound
from service.queue.decisions import DecisionStream
from service.queue.group_decisions import AT_ONCE, Group, GroupDecisions, Progress, Undone
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.every_redis

VERDICT = Verdict("review", "spam", "text", 0.8, "score", 1.0, "v1")
REJECT = Decision("reject", ("spam",), "spam", "", "amal", "raid-1")
RAID = Group(copies="raid")
LATER = 9_999_999_999_999


@pytest.fixture
def queue(redis: Redis) -> ReviewQueue:
    return ReviewQueue(redis)


@pytest.fixture
def groups(redis: Redis) -> GroupDecisions:
    return GroupDecisions(redis)


def flag(queue: ReviewQueue, name: str, **fields: Any) -> str:
    comment = Comment(id=name, text=f"words {name}", **{"copies": "raid"} | fields)
    return queue.enqueue("demo", comment, VERDICT, scores={"spam": 0.8}).item_id


def decide_all(
    groups: GroupDecisions, draft: Decision = REJECT, group: Group = RAID, until: int = LATER
) -> Progress:
    while not (progress := groups.decide("demo", group, draft, until)).done:
        pass
    return progress


def undo_all(groups: GroupDecisions, moderator: str = "amal", **more: Any) -> Undone:
    while not (undone := groups.undo("demo", "raid-1", moderator, "undo-1", **more)).done:
        pass
    return undone


def test_a_raid_is_decided_by_one_request_and_taken_back_by_one(
    queue: ReviewQueue, groups: GroupDecisions, stream: DecisionStream, redis: Redis
) -> None:
    n = 3 * AT_ONCE + 7
    for number in range(n):
        flag(queue, f"c{number}")
    flag(queue, "own", copies="another text")
    assert groups.n_waiting("demo", RAID) == n
    assert decide_all(groups) == Progress(True, n, 0, 0, 0, 0)
    made = stream.read("demo", limit=1_000)
    assert {(one.action, one.reason, one.bulk) for one in made} == {("reject", "spam", "raid-1")}
    assert len({one.comment_id for one in made}) == n
    assert queue.stats("demo").pending == 1
    check_lines(redis)
    assert undo_all(groups) == Undone(True, n, 0)
    assert queue.stats("demo").pending == n + 1
    check_lines(redis)
    assert stream.verify("demo").n_entries == 2 * n


def test_the_same_request_again_goes_on_where_it_ended_and_then_says_the_same(
    queue: ReviewQueue, groups: GroupDecisions, stream: DecisionStream, redis: Redis
) -> None:
    for number in range(AT_ONCE + 1):
        flag(queue, f"c{number}")
    begun = groups.decide("demo", RAID, REJECT, LATER)
    assert begun == Progress(False, AT_ONCE, 0, 0, 0, 0)
    done = decide_all(GroupDecisions(redis))  # as another process would go on
    assert done == Progress(True, AT_ONCE + 1, 0, 0, 0, 0)
    flag(queue, "later")
    assert decide_all(groups) == done
    assert len(stream.read("demo", limit=1_000)) == AT_ONCE + 1
    assert undo_all(groups) == undo_all(groups) == Undone(True, AT_ONCE + 1, 0)
    assert queue.stats("demo").pending == AT_ONCE + 2


def test_what_is_left_of_a_group_is_counted_by_its_reason(
    queue: ReviewQueue, groups: GroupDecisions, redis: Redis
) -> None:
    ids = [flag(queue, f"c{number}", article_id="a1") for number in range(6)]
    queue.take("demo", "basma", ids[0], 1)
    own = queue.take("demo", "amal", ids[1], 1)
    redis.zadd("{hakam:demo}:barred", {f"{ids[2]}amal": "inf"})
    redis.hset("{hakam:demo}:items", ids[3], "{")
    until = int(queue.item("demo", ids[5]).enqueued_at * 1000)
    let_time_pass(redis, -60_000, only=ids[4])
    group = Group(article_id="a1")
    assert decide_all(groups, group=group, until=until) == Progress(True, 2, 1, 1, 1, 1)
    states = [queue.item("demo", ids[n]).state for n in (0, 1, 2, 4, 5)]
    assert states == ["leased", "decided", "pending", "pending", "decided"]
    assert own.item.id == ids[1], "what the moderator holds is decided with the others"


def test_a_decision_on_what_was_decided_again_is_not_taken_back_and_the_rest_is(
    queue: ReviewQueue, groups: GroupDecisions
) -> None:
    ids = [flag(queue, f"c{number}") for number in range(3)]
    decide_all(groups)
    queue.undo("demo", ids[0], "basma", "other", senior=True)
    lease = queue.take("demo", "basma", ids[0], 1)
    queue.decide(
        "demo", ids[0], lease.token, Decision("approve", moderator="basma", request_id="b")
    )
    assert undo_all(groups) == Undone(True, 2, 1)
    assert queue.item("demo", ids[0]).state == "decided"


def test_who_has_taken_it_back_stops_what_was_still_going_on(
    queue: ReviewQueue, groups: GroupDecisions
) -> None:
    for number in range(AT_ONCE + 5):
        flag(queue, f"c{number}")
    groups.decide("demo", RAID, REJECT, LATER)
    undo_all(groups)
    assert groups.decide("demo", RAID, REJECT, LATER).done
    assert queue.stats("demo").pending == AT_ONCE + 5


def test_a_group_decision_is_taken_back_by_whoever_took_it_or_a_senior_and_not_late(
    queue: ReviewQueue, groups: GroupDecisions, redis: Redis
) -> None:
    flag(queue, "c1")
    decide_all(groups)
    with pytest.raises(Forbidden):
        undo_all(groups, "basma")
    with pytest.raises(ItemNotFound):
        groups.undo("demo", "unknown", "amal", "undo-1")
    let_time_pass(redis, 901_000)
    assert undo_all(groups, "basma", senior=True) == Undone(True, 0, 1)


def test_a_request_id_belongs_to_one_group_and_one_moderator(
    queue: ReviewQueue, groups: GroupDecisions
) -> None:
    flag(queue, "c1", article_id="a1")
    decide_all(groups)
    with pytest.raises(Conflict):
        groups.decide("demo", Group(article_id="a1"), REJECT, LATER)
    with pytest.raises(Conflict):
        groups.decide("demo", RAID, replace(REJECT, moderator="basma"), LATER)
    with pytest.raises(InvalidRequest, match="request_id"):
        groups.decide("demo", RAID, replace(REJECT, request_id=""), LATER)


def test_the_site_is_told_of_each_comment_of_a_group(
    queue: ReviewQueue, groups: GroupDecisions, redis: Redis
) -> None:
    Sites(redis).add(Site("demo", webhook_url="https://news.example/hook", webhook_secret="s" * 32))
    for number in range(3):
        flag(queue, f"c{number}")
    decide_all(groups)
    assert queue.stats("demo").outbox == 3
