"""A whole group is decided as one, however long it is, and taken back as one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from arriving import enqueue
from redis import Redis

from conftest import check_lines, let_time_pass
from service.errors import Conflict, Forbidden, InvalidRequest, ItemNotFound, LeaseLost
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
    comment = Comment(id=name, **{"copies": "raid", "text": f"words {name}"} | fields)
    return enqueue(queue, "demo", comment, VERDICT, scores={"spam": 0.8}).item_id


def decide_all(
    groups: GroupDecisions, draft: Decision = REJECT, group: Group = RAID, until: int = LATER
) -> Progress:
    while not (progress := groups.decide("demo", group, draft, until_ms=until)).done:
        pass
    return progress


def undo_all(groups: GroupDecisions, moderator: str = "amal", **more: Any) -> Undone:
    while not (undone := groups.undo("demo", "raid-1", moderator, "undo-1", **more)).done:
        pass
    return undone


def decide_many(
    queue: ReviewQueue, versions: Mapping[str, int], draft: Decision, *, senior: bool = False
) -> list[Decision]:
    """Decide items of the site `demo` as one; what was decided of them."""
    groups = GroupDecisions(queue._verbs._redis)
    groups.decide_all("demo", Group(versions=versions), draft, senior=senior)
    return list(groups.decisions("demo", draft.request_id))


def undo_many(
    queue: ReviewQueue, decided: str, moderator: str, request_id: str, *, senior: bool = False
) -> Undone:
    """Take such a decision back."""
    groups = GroupDecisions(queue._verbs._redis)
    return groups.undo_all("demo", decided, moderator, request_id, senior=senior)


def test_a_raid_is_decided_by_one_request_and_taken_back_by_one(
    queue: ReviewQueue, groups: GroupDecisions, stream: DecisionStream, redis: Redis
) -> None:
    n = 3 * AT_ONCE + 7
    for number in range(n):
        flag(queue, f"c{number}")
    flag(queue, "own", copies="another text")
    assert groups.waiting("demo", RAID).n == n
    assert decide_all(groups) == Progress(True, n)
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
    begun = groups.decide("demo", RAID, REJECT, until_ms=LATER)
    assert begun == Progress(False, AT_ONCE)
    done = decide_all(GroupDecisions(redis))  # as another process would go on
    assert done == Progress(True, AT_ONCE + 1)
    flag(queue, "later")
    assert decide_all(groups) == done
    assert len(stream.read("demo", limit=1_000)) == AT_ONCE + 1
    assert undo_all(groups) == undo_all(groups) == Undone(True, AT_ONCE + 1, 0)
    assert queue.stats("demo").pending == AT_ONCE + 2


def test_what_is_left_of_a_group_is_counted_by_its_reason(
    queue: ReviewQueue, groups: GroupDecisions, redis: Redis
) -> None:
    ids = [flag(queue, f"c{number}", article_id="a1") for number in range(9)]
    queue.take("demo", "basma", ids[0], 1)
    own = queue.take("demo", "amal", ids[1], 1)
    redis.zadd("{hakam:demo}:barred", {f"{ids[2]}amal": "inf"})
    let_time_pass(redis, 60_000)
    group = Group(article_id="a1")
    until = groups.waiting("demo", group).at_ms
    let_time_pass(redis, -120_000, only=ids[4])
    for number in (6, 7):
        lease = queue.take("demo", "carim", ids[number], 1)
        queue.escalate("demo", ids[number], lease.token)
    queue.take("demo", "omar", ids[7], 1, senior=True)
    assert groups.waiting("demo", group).n_escalated == 2
    while edited_at(redis, ids[8]) <= until:
        flag(queue, "c8", article_id="a1", text=f"other words {edited_at(redis, ids[8])}")
    redis.hset("{hakam:demo}:items", ids[3], "{")
    left: Any = {"held": 1, "barred": 1, "later": 1, "unreadable": 1, "escalated": 2, "edited": 1}
    assert decide_all(groups, group=group, until=until) == Progress(True, 2, left)
    states = [queue.item("demo", ids[n]).state for n in (0, 1, 2, 4, 5, 6, 7, 8)]
    waiting = ["leased", "decided", "pending", "pending", "decided", "pending", "leased", "pending"]
    assert states == waiting
    assert own.item.id == ids[1], "what the moderator holds is decided with the others"


def edited_at(redis: Redis, item_id: str) -> int:
    """When the version of an item came that waits now, where another had waited."""
    record: Any = redis.hget("{hakam:demo}:items", item_id)
    return int(json.loads(record).get("edited", 0))


def test_what_was_edited_before_the_page_is_decided_with_its_group(
    queue: ReviewQueue, groups: GroupDecisions
) -> None:
    flag(queue, "c1")
    flag(queue, "c1", text="other words")
    assert decide_all(groups, until=groups.waiting("demo", RAID).at_ms) == Progress(True, 1)


def test_what_is_left_to_the_seniors_keeps_its_places_whatever_becomes_of_it(
    queue: ReviewQueue, groups: GroupDecisions, redis: Redis
) -> None:
    item_id = flag(queue, "c1", author_id="u1")
    lease = queue.take("demo", "basma", item_id, 1)
    queue.escalate("demo", item_id, lease.token)
    check_lines(redis)
    assert queue.stats("demo").escalated == 1
    lease = queue.take("demo", "omar", item_id, 1, senior=True)
    check_lines(redis)
    queue.release("demo", item_id, lease.token)
    check_lines(redis)
    flag(queue, "c1", author_id="u2", text="other words")
    check_lines(redis)
    assert groups.waiting("demo", RAID).n_escalated == 0
    assert decide_all(groups) == Progress(True, 1)
    check_lines(redis)


def test_the_comment_that_is_held_is_decided_first_and_nothing_where_it_is_lost(
    queue: ReviewQueue, groups: GroupDecisions, redis: Redis, stream: DecisionStream
) -> None:
    ids = [flag(queue, f"c{number}") for number in range(AT_ONCE + 3)]
    lost = queue.take("demo", "amal", ids[7], 1)
    let_time_pass(redis, 700_000)
    for held in ((ids[7], lost.token), (ids[7], lost.token + 1)):
        with pytest.raises(LeaseLost):
            groups.decide("demo", RAID, REJECT, until_ms=LATER, held=held)
    lease = queue.take("demo", "amal", ids[7], 1)
    with pytest.raises(LeaseLost):
        groups.decide("demo", RAID, replace(REJECT, moderator="basma"), held=(ids[7], lease.token))
    assert stream.read("demo") == []
    held = (ids[7], lease.token)
    while not (done := groups.decide("demo", RAID, REJECT, until_ms=LATER, held=held)).done:
        pass
    assert done == Progress(True, AT_ONCE + 3)
    made = list(groups.decisions("demo", "raid-1"))
    assert made[0].item_id == ids[7]
    assert len({one.item_id for one in made}) == AT_ONCE + 3


def test_what_is_written_with_a_decision_stands_beside_all_of_it(
    queue: ReviewQueue, groups: GroupDecisions
) -> None:
    for number in range(AT_ONCE + 3):
        flag(queue, f"c{number}")
    groups.decide("demo", RAID, replace(REJECT, note="why", reply="please"), until_ms=LATER)
    decide_all(groups)  # by a form that does not carry what was written
    made = list(groups.decisions("demo", "raid-1"))
    assert [(one.note, one.reply) for one in made] == [("why", "please")] * (AT_ONCE + 3)


# Chosen items


@pytest.mark.parametrize("change", ["held", "edited", "moved", "decided", "gone", "escalated"])
def test_what_has_changed_since_it_was_listed_is_left_and_stops_no_other(
    queue: ReviewQueue, groups: GroupDecisions, change: str, redis: Redis
) -> None:
    ids = [flag(queue, f"c{number}") for number in range(3)]
    group = Group(versions=dict.fromkeys(ids, 1))
    if change == "edited":
        flag(queue, "c1", text="other words")
    elif change == "moved":
        queue.withdraw("demo", "c1")
    elif change == "gone":
        redis.hdel("{hakam:demo}:items", ids[1])
    else:
        lease = queue.take("demo", "basma", ids[1], 1)
        if change == "escalated":
            queue.escalate("demo", ids[1], lease.token)
        elif change == "decided":
            draft = Decision("approve", moderator="basma", request_id="b")
            queue.decide("demo", ids[1], lease.token, draft)
    why: Any = "moved" if change in ("decided", "gone") else change
    assert groups.decide_all("demo", group, REJECT) == Progress(True, 2, {why: 1})
    made = groups.decisions("demo", "raid-1")
    assert [one.item_id for one in made] == [ids[0], ids[2]]
    if change == "escalated":
        by_senior = replace(REJECT, moderator="omar", request_id="senior")
        last = groups.decide_all("demo", group, by_senior, senior=True)
        assert last == Progress(True, 1, {"moved": 2})


def test_chosen_items_are_decided_in_steps_that_go_on_by_the_same_request(
    queue: ReviewQueue, groups: GroupDecisions, redis: Redis
) -> None:
    n = 2 * AT_ONCE + 3
    group = Group(versions={flag(queue, f"c{number}"): 1 for number in range(n)})
    assert groups.decide("demo", group, REJECT) == Progress(False, AT_ONCE)
    assert GroupDecisions(redis).decide_all("demo", group, REJECT) == Progress(True, n)
    assert groups.decide_all("demo", group, REJECT) == Progress(True, n)
    with pytest.raises(Conflict):
        groups.decide("demo", Group(versions=dict(list(group.versions.items())[1:])), REJECT)
    assert groups.undo_all("demo", "raid-1", "amal", "undo-1") == Undone(True, n, 0)
    assert queue.stats("demo").pending == n


def test_a_thousand_items_at_most_are_chosen(groups: GroupDecisions) -> None:
    too_many = dict.fromkeys(map(str, range(1_001)), 1)
    with pytest.raises(InvalidRequest, match="versions"):
        groups.decide("demo", Group(versions=too_many), REJECT)


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
    groups.decide("demo", RAID, REJECT, until_ms=LATER)
    undo_all(groups)
    assert groups.decide("demo", RAID, REJECT, until_ms=LATER).done
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
        groups.decide("demo", Group(article_id="a1"), REJECT, until_ms=LATER)
    with pytest.raises(Conflict):
        groups.decide("demo", RAID, replace(REJECT, moderator="basma"), until_ms=LATER)
    with pytest.raises(InvalidRequest, match="request_id"):
        groups.decide("demo", RAID, replace(REJECT, request_id=""), until_ms=LATER)


def test_the_site_is_told_of_each_comment_of_a_group(
    queue: ReviewQueue, groups: GroupDecisions, redis: Redis
) -> None:
    Sites(redis).add(Site("demo", webhook_url="https://news.example/hook", webhook_secret="s" * 32))
    for number in range(3):
        flag(queue, f"c{number}")
    decide_all(groups)
    assert queue.stats("demo").outbox == 3
