"""A decision stream that was tampered with is found out, and the first broken entry is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from arriving import enqueue
from redis import Redis

from service.errors import ChainBroken
from service.queue.decisions import DecisionStream
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict

STREAM = "{hakam:demo}:decisions"
VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")


@pytest.fixture
def entries(redis: Redis) -> list[Decision]:
    """Five decisions, of which one is undone."""
    queue = ReviewQueue(redis)
    for number in range(5):
        comment = Comment(id=f"c-{number}", text="تعليق")  # "a comment"
        enqueue(queue, "demo", comment, VERDICT, scores={})
        lease = queue.lease("demo", "أمل")  # a name in Arabic letters
        assert lease is not None
        draft = Decision("reject", ("insult",), "insult", "", "أمل", f"request-{number}")
        queue.decide("demo", lease.item.id, lease.token, draft)
    assert lease is not None
    queue.undo("demo", lease.item.id, "أمل", "undo")
    return DecisionStream(redis).read("demo")


def rewrite(redis: Redis, changed: dict[str, Any]) -> None:
    """Write the stream anew, with some bodies changed, or entries left out (None)."""
    kept: Any = redis.xrange(STREAM)
    redis.delete(STREAM)
    for entry_id, fields in kept:
        body = changed.get(entry_id, fields["body"])
        if body is not None:
            redis.xadd(STREAM, fields | {"body": body}, id=entry_id)


def test_an_untouched_stream_is_whole(redis: Redis, entries: list[Decision]) -> None:
    verified = DecisionStream(redis).verify("demo")
    assert verified.n_entries == len(entries) == 6
    assert DecisionStream(redis).verify("demo", known_digest=verified.digest) == verified


def test_an_empty_stream_is_whole(redis: Redis) -> None:
    assert DecisionStream(redis).verify("demo").n_entries == 0


def test_a_changed_entry_is_named(redis: Redis, entries: list[Decision]) -> None:
    body = json.dumps({"action": "approve"})
    rewrite(redis, {entries[2].id: body})
    with pytest.raises(ChainBroken, match=f"at {entries[2].id}"):
        DecisionStream(redis).verify("demo")


def test_the_entry_after_a_removed_one_is_named(redis: Redis, entries: list[Decision]) -> None:
    rewrite(redis, {entries[2].id: None})
    with pytest.raises(ChainBroken, match=f"at {entries[3].id}"):
        DecisionStream(redis).verify("demo")


def test_a_cut_end_is_found_by_a_digest_noted_before(redis: Redis, entries: list[Decision]) -> None:
    noted = DecisionStream(redis).verify("demo").digest
    redis.xdel(STREAM, entries[-1].id)
    assert DecisionStream(redis).verify("demo").n_entries == 5
    with pytest.raises(ChainBroken, match="noted"):
        DecisionStream(redis).verify("demo", known_digest=noted)


def test_a_long_stream_is_read_in_pages(
    redis: Redis, entries: list[Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.queue.decisions.MAX_DECISIONS", 2)
    assert DecisionStream(redis).verify("demo").n_entries == 6
