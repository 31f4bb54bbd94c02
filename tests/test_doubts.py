"""The list of doubtful decisions is exchanged as a whole, and a decision is changed as one."""

from __future__ import annotations

from typing import Any

import pytest
from arriving import enqueue
from redis import Redis

from conftest import let_time_pass
from service.errors import Conflict, InvalidRequest, ItemNotFound
from service.queue.decisions import DecisionStream
from service.queue.doubts import PAGE, DoubtfulDecisions
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict

pytestmark = pytest.mark.every_redis

VERDICT = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
REJECT = Decision("reject", ("insult",), "insult", moderator="omar", request_id="again")


@pytest.fixture
def queue(redis: Redis) -> ReviewQueue:
    return ReviewQueue(redis, undo_seconds=60)


@pytest.fixture
def doubts(redis: Redis) -> DoubtfulDecisions:
    return DoubtfulDecisions(redis)


def decide(queue: ReviewQueue, number: int, moderator: str = "amal") -> Decision:
    enqueue(queue, "demo", Comment(f"c{number}", "words"), VERDICT, scores={})
    lease = queue.lease("demo", moderator)
    assert lease
    draft = Decision("approve", moderator=moderator, request_id=f"r{number}")
    return queue.decide("demo", lease.item.id, lease.token, draft)


def listed(doubts: DoubtfulDecisions) -> list[str]:
    return [one.decision.id for one in doubts.read("demo").doubts]


def test_the_list_is_exchanged_and_the_least_likely_comes_first(
    queue: ReviewQueue, doubts: DoubtfulDecisions
) -> None:
    first, second, third = (decide(queue, number).id for number in range(3))
    assert doubts.read("demo").looked_at == 0
    assert doubts.exchange("demo", {first: 0.2, second: 0.1}, first) == 2
    assert listed(doubts) == [second, first]
    assert doubts.read("demo").looked_at > 0
    assert doubts.exchange("demo", {third: 0.3}, first) == 1
    assert listed(doubts) == [third]


def test_what_was_confirmed_stays_confirmed_until_it_is_too_old_to_be_looked_at(
    queue: ReviewQueue, doubts: DoubtfulDecisions, redis: Redis
) -> None:
    first, second = (decide(queue, number).id for number in range(2))
    doubts.exchange("demo", {first: 0.2}, first)
    assert doubts.confirm("demo", first)
    assert not doubts.confirm("demo", second), "it is not listed"
    assert doubts.exchange("demo", {first: 0.2, second: 0.1}, first) == 1
    assert listed(doubts) == [second]
    doubts.exchange("demo", {second: 0.1}, second)
    kept: Any = redis.hgetall("{hakam:demo}:doubts")
    assert set(kept) == {second, "looked_at"}
    with pytest.raises(InvalidRequest):
        doubts.confirm("demo", "looked_at")


def test_what_was_taken_back_or_edited_is_not_listed(
    queue: ReviewQueue, doubts: DoubtfulDecisions
) -> None:
    first, second, third = (decide(queue, number) for number in range(3))
    doubts.exchange("demo", {one.id: 0.1 for one in (first, second, third)}, first.id)
    queue.undo("demo", first.item_id, "amal", "u1")
    enqueue(queue, "demo", Comment("c1", "other words"), VERDICT, scores={})
    assert listed(doubts) == [third.id]


def test_the_latest_entries_are_read_newest_first_and_no_more_than_asked(
    queue: ReviewQueue, doubts: DoubtfulDecisions
) -> None:
    made = [decide(queue, number).id for number in range(7)]
    assert [one.id for one in doubts.latest("demo", 100)] == made[::-1]
    assert [one.id for one in doubts.latest("demo", 3)] == made[:-4:-1]
    assert list(doubts.latest("other", 3)) == []


@pytest.mark.slow
def test_more_entries_than_a_page_are_all_read_once(
    queue: ReviewQueue, doubts: DoubtfulDecisions
) -> None:
    made = [decide(queue, number).id for number in range(PAGE + 3)]
    assert [one.id for one in doubts.latest("demo", 10 * PAGE)] == made[::-1]


# Deciding anew


def test_a_decision_is_changed_long_after_it_could_be_undone(
    queue: ReviewQueue, stream: DecisionStream, redis: Redis
) -> None:
    made = decide(queue, 1)
    let_time_pass(redis, 90 * 86_400_000)
    with pytest.raises(Conflict):
        queue.undo("demo", made.item_id, "omar", "late", senior=True)
    changed = queue.decide_again("demo", made.item_id, made.id, REJECT, senior=True)
    assert (changed.action, changed.moderator, changed.kind) == ("reject", "omar", "decision")
    assert queue.decide_again("demo", made.item_id, made.id, REJECT, senior=True) == changed, "once"
    assert [e.kind for e in stream.read("demo")] == ["decision", "undo", "decision"]
    assert stream.verify("demo").n_entries == 3
    stats = queue.stats("demo")
    assert (stats.pending, stats.leased, stats.outbox) == (0, 0, 1)


def test_a_decision_that_is_not_the_last_word_is_not_changed(
    queue: ReviewQueue, redis: Redis
) -> None:
    made = decide(queue, 1)
    with pytest.raises(ItemNotFound):
        queue.decide_again("demo", "nothing", made.id, REJECT, senior=True)
    with pytest.raises(Conflict):
        queue.decide_again("demo", made.item_id, "1-0", REJECT, senior=True)
    queue.undo("demo", made.item_id, "amal", "u1")
    with pytest.raises(Conflict):
        queue.decide_again("demo", made.item_id, made.id, REJECT, senior=True)


def test_a_decision_about_which_an_appeal_was_decided_is_not_changed(queue: ReviewQueue) -> None:
    made = decide(queue, 1)
    queue.appeal("demo", made.id, "why")
    lease = queue.lease("demo", "basma")
    assert lease
    draft = Decision("approve", moderator="basma", request_id="b1")
    queue.decide("demo", lease.item.id, lease.token, draft)
    with pytest.raises(Conflict):
        queue.decide_again("demo", made.item_id, made.id, REJECT, senior=True)
