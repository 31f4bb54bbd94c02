"""The overview of a queue counts by its lines what a walk over all of its items would find."""

from __future__ import annotations

import pytest
from arriving import enqueue
from redis import Redis

from conftest import let_time_pass
from service.queue.overview import Overviews, QueueOverview
from service.queue.records import Comment
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Reason, Verdict


@pytest.fixture
def queue(redis: Redis) -> ReviewQueue:
    return ReviewQueue(redis)


def put(
    queue: ReviewQueue, name: str, label: str | None, dialect: str, reason: Reason = "score"
) -> str:
    verdict = Verdict("review", label, "text" if label else None, 0.9, reason, 1.0, "v1")
    comment = Comment(name, "text", dialect=dialect)
    return enqueue(queue, "demo", comment, verdict, scores={}, evidence=[]).item_id


def overview(redis: Redis) -> QueueOverview:
    (found,) = Overviews(redis).of(["demo"])
    assert isinstance(found, QueueOverview)
    return found


def test_what_waits_is_counted_by_label_dialect_and_finding_and_what_is_held_is_not(
    queue: ReviewQueue, redis: Redis
) -> None:
    put(queue, "held", "insult", "gulf")
    assert queue.lease("demo", "samira")
    put(queue, "left", "insult", "gulf")
    for_seniors = queue.lease("demo", "omar")
    assert for_seniors
    queue.escalate("demo", for_seniors.item.id, for_seniors.token)
    put(queue, "threat", "threat", "gulf")
    put(queue, "link", None, "maghrebi", "link")
    put(queue, "sample", None, "", "random_sample")
    found = overview(redis)
    assert dict(found.labels) == {"insult": 1, "threat": 1, "link": 1, "": 1}
    assert dict(found.dialects) == {"gulf": 2, "maghrebi": 1}
    assert [item.comment.id for item in found.held] == ["held"]
    queue.lease("demo", "layla", senior=True)  # what was left to the seniors is held by one
    assert dict(overview(redis).dialects) == {"gulf": 1, "maghrebi": 1}
    assert "insult" not in dict(overview(redis).labels)


def test_what_waits_or_is_held_is_counted_by_its_age(queue: ReviewQueue, redis: Redis) -> None:
    put(queue, "oldest", "insult", "")
    let_time_pass(redis, 13 * 3_600_000)
    put(queue, "older", "insult", "")
    let_time_pass(redis, 600_000)
    put(queue, "new", "insult", "")
    assert queue.lease("demo", "samira")
    ages = {bound: n for bound, n in overview(redis).ages if n}
    assert ages == {300: 1, 900: 1, None: 1}


@pytest.mark.parametrize("label", ["insult", None])
def test_what_cannot_be_read_is_counted_among_the_most_urgent(
    queue: ReviewQueue, redis: Redis, label: str | None
) -> None:
    item_id = put(queue, "bad", label, "")
    put(queue, "good", "insult", "")
    assert overview(redis).n_damaged == 0
    redis.hset("{hakam:demo}:items", item_id, "{")
    assert overview(redis).n_damaged == 1
