"""The queue keeps what it acknowledged, in order; one person decides one item, once."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import arriving
import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from test_group_decisions import decide_many, undo_many

from conftest import await_condition, let_time_pass
from models.schema import LABELS, Evidence
from service.errors import (
    AlreadyDecided,
    Conflict,
    Forbidden,
    InvalidRequest,
    ItemHeld,
    ItemNotFound,
    ItemUnreadable,
    LeaseLost,
    StoreUnavailable,
)
from service.queue.decisions import DecisionStream
from service.queue.group_decisions import Undone
from service.queue.history import History
from service.queue.records import (
    AuthorRecord,
    Comment,
    Decision,
    Enqueued,
    LastWord,
    Lease,
    content_digest,
    item_id_of,
)
from service.queue.review_queue import ReviewQueue
from service.reports.statistics import agreement_with_known_answers
from service.reports.transparency import period_statistics, statements
from service.rules.policy import Verdict
from service.rules.priority import head_start
from service.store.durability import FORMAT
from service.store.scripts import read_script, site_keys

pytestmark = pytest.mark.every_redis

VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")
APPROVE = Decision("approve", (), "within_rules", "", "amal", "request-1")
REJECT = replace(APPROVE, action="reject", labels=("insult",), reason="insult")


@pytest.fixture
def queue(redis: Redis) -> ReviewQueue:
    return ReviewQueue(redis)


@pytest.fixture
def hasty(redis: Redis) -> ReviewQueue:
    """A queue whose leases run out almost at once."""
    return ReviewQueue(redis, lease_seconds=0.02)


def comment(number: int = 1, **fields: Any) -> Comment:
    # "a comment under the article"
    known = {"id": f"c-{number}", "text": f"تعليق على المقال {number}"}
    return Comment(**known | {"author_id": "reader-7", "article_id": "article-3"} | fields)


def enqueue(queue: ReviewQueue, number: int = 1, *, score: float = 0.8, **fields: Any) -> str:
    verdict = replace(VERDICT, score=score)
    known = comment(number, **fields)
    return arriving.enqueue(queue, "demo", known, verdict, scores={"insult": score}).item_id


def leased(queue: ReviewQueue, moderator: str = "amal", **filters: Any) -> Lease:
    lease = queue.lease("demo", moderator, **filters)
    assert lease is not None
    return lease


def expired(queue: ReviewQueue, lease: Lease) -> None:
    await_condition(lambda: queue.item("demo", lease.item.id).state == "pending", what="expiry")


# Comments come in


def test_an_item_carries_all_that_the_moderator_needs(queue: ReviewQueue) -> None:
    sent = comment(
        author_name="قارئ", article_title="خبر", reach=1200, dialect="gulf"
    )  # reader, news
    evidence = (Evidence("text", "insult", 0, 5, 1.5),)
    made = arriving.enqueue(
        queue,
        "demo",
        sent,
        VERDICT,
        scores={"insult": 0.8},
        author_scores={"insult": 0.1},
        evidence=evidence,
    )
    item = queue.item("demo", made.item_id)
    assert (item.comment, item.verdict, item.scores) == (sent, VERDICT, {"insult": 0.8})
    assert (item.author_scores, item.evidence) == ({"insult": 0.1}, evidence)
    assert (item.state, item.version, item.moderator, item.n_abandoned) == ("pending", 1, None, 0)


def test_the_same_comment_is_enqueued_once(queue: ReviewQueue) -> None:
    first = arriving.enqueue(queue, "demo", comment(), VERDICT, scores={})
    again = arriving.enqueue(queue, "demo", comment(), VERDICT, scores={})
    assert (first.created, again.created) == (True, False)
    assert first.item_id == again.item_id
    assert queue.stats("demo").pending == 1


def test_a_comment_sent_again_after_the_decision_is_not_queued_again(queue: ReviewQueue) -> None:
    enqueue(queue)
    lease = leased(queue)
    queue.decide("demo", lease.item.id, lease.token, APPROVE)
    again = arriving.enqueue(queue, "demo", comment(), VERDICT, scores={})
    assert (again.created, again.state) == (False, "decided")
    assert queue.lease("demo", "amal") is None


POLICY: dict[str, Callable[[ReviewQueue, Comment], Enqueued]] = {
    "review": lambda queue, known: arriving.enqueue(queue, "demo", known, VERDICT, scores={}),
    "reject": lambda queue, known: arriving.reject(queue, "demo", known, VERDICT, scores={}),
    "approve": lambda queue, known: arriving.approve(queue, "demo", known, VERDICT),
}


@pytest.mark.parametrize("policy", POLICY)
def test_a_comment_stands_where_it_stood_whatever_the_policy_says_now(
    queue: ReviewQueue, policy: str
) -> None:
    enqueue(queue)
    waiting = POLICY[policy](queue, comment())
    assert (waiting.created, waiting.waits, waiting.version) == (False, True, 1)
    made = decided(queue, action="reject")
    again = POLICY[policy](queue, comment())
    last = LastWord(made.id, "reject", made.decided_at)
    assert (again.created, again.state, again.decision) == (False, "decided", last)
    assert queue.stats("demo").pending == 0


def test_a_comment_sent_again_after_an_appeal_gets_the_last_word(queue: ReviewQueue) -> None:
    enqueue(queue)
    first = decided(queue, action="reject")
    appeal = queue.appeal("demo", first.id, "")
    granted = decided(queue, moderator="basma")
    for last in (granted, first):
        standing = arriving.enqueue(queue, "demo", comment(), VERDICT, scores={})
        assert standing.decision
        assert (standing.decision.decision_id, standing.decision.action) == (last.id, last.action)
        if last == granted:
            queue.undo("demo", appeal.item_id, "basma", "undo")


def test_nothing_is_kept_of_a_comment_that_needs_nobody(queue: ReviewQueue, redis: Redis) -> None:
    passed = arriving.approve(queue, "demo", comment(), VERDICT)
    assert (passed.created, passed.state, passed.version) == (False, "unseen", 1)
    assert redis.keys("{hakam:demo}:*") == []


@pytest.mark.parametrize("state", ["pending", "leased", "decided", "withdrawn"])
def test_an_edit_that_needs_nobody_replaces_the_earlier_text(
    queue: ReviewQueue, redis: Redis, state: str
) -> None:
    item_id = enqueue(queue)
    lease = None
    if state == "decided":
        decided(queue)
    elif state == "leased":
        lease = leased(queue)
    elif state == "withdrawn":
        queue.withdraw("demo", "c-1")
    clean = comment(text="شكرا")  # "thanks"
    for n_times in (1, 2):
        edited = arriving.approve(queue, "demo", clean, VERDICT)
        assert (edited.created, edited.version, edited.decision) == (n_times == 1, 2, None)
    assert queue.lease("demo", "basma") is None
    if lease:
        with pytest.raises(LeaseLost, match="edited"):
            queue.decide("demo", item_id, lease.token, APPROVE)
    with pytest.raises(Conflict, match="not decided"):
        queue.undo("demo", item_id, "amal", "undo", senior=True)
    assert clean.text not in json.dumps(redis.hgetall("{hakam:demo}:texts"), ensure_ascii=False)
    assert arriving.enqueue(queue, "demo", comment(), VERDICT, scores={}).version == 3
    assert DecisionStream(redis).verify("demo").n_entries == queue.stats("demo").decided


def test_a_decision_says_which_version_and_content_it_is_about_and_whether_that_was_replaced(
    queue: ReviewQueue,
    stream: DecisionStream,
) -> None:
    enqueue(queue)
    enqueue(queue, text="تعليق معدل")  # "an edited comment"
    made = decided(queue, action="reject")
    assert (made.version, made.content_digest) == (2, content_digest(comment(text="تعليق معدل")))
    queue.appeal("demo", made.id, "")
    appeal = decided(queue, moderator="basma")
    assert (appeal.version, appeal.content_digest) == (2, made.content_digest)
    assert not any(entry.superseded for entry in stream.read("demo"))
    arriving.approve(queue, "demo", comment(text="شكرا"), VERDICT)  # "thanks"
    assert all(entry.superseded for entry in stream.read("demo"))


def test_two_names_or_texts_are_two_contents() -> None:
    contents = [("a", "b"), ("ab", ""), ("", "ab"), ("a", ""), ("a ", "b"), ("\u0627", "b")]
    digests = {content_digest(comment(text=t, author_name=n)) for t, n in contents}
    assert len(digests) == len(contents)
    assert all(6 * len(digest) >= 160 for digest in digests), "nobody finds two texts with one"


def test_an_edited_comment_is_a_new_version_and_the_old_lease_is_lost(queue: ReviewQueue) -> None:
    enqueue(queue)
    lease = leased(queue)
    edited = arriving.enqueue(
        queue, "demo", comment(text="تعليق معدل"), VERDICT, scores={}
    )  # "edited"
    assert (edited.item_id, edited.created, edited.version) == (lease.item.id, True, 2)
    with pytest.raises(LeaseLost, match="edited"):
        queue.decide("demo", lease.item.id, lease.token, APPROVE)
    assert leased(queue, "basma").item.comment.text == "تعليق معدل"


def test_a_decided_comment_that_is_edited_waits_again_and_keeps_its_first_decision(
    queue: ReviewQueue,
    stream: DecisionStream,
) -> None:
    enqueue(queue)
    lease = leased(queue)
    queue.decide("demo", lease.item.id, lease.token, APPROVE)
    enqueue(queue, text="تعليق معدل")  # "an edited comment"
    again = leased(queue)
    queue.decide("demo", again.item.id, again.token, replace(REJECT, request_id="request-2"))
    first, second = stream.read("demo")
    assert (first.version, first.action, second.version, second.action) == (
        1,
        "approve",
        2,
        "reject",
    )
    assert first.comment == comment()
    assert second.comment == comment(text="تعليق معدل")


def test_sites_do_not_see_each_others_items(queue: ReviewQueue) -> None:
    item_id = enqueue(queue)
    assert queue.lease("other", "amal") is None
    with pytest.raises(ItemNotFound):
        queue.item("other", item_id)


# The most urgent first


def test_the_more_severe_of_two_comments_comes_first(queue: ReviewQueue) -> None:
    enqueue(queue, 1, score=0.5)
    enqueue(queue, 2, score=0.9)
    assert [leased(queue).item.comment.id for _ in range(2)] == ["c-2", "c-1"]


def test_a_site_weighs_labels(queue: ReviewQueue) -> None:
    weights = {"insult": 0.2}
    threat = replace(VERDICT, label="threat", score=0.5)
    for number, verdict in enumerate([VERDICT, threat]):
        assert verdict.label
        arriving.enqueue(
            queue,
            "demo",
            comment(number),
            verdict,
            scores={verdict.label: verdict.score},
            label_weights=weights,
        )
    assert leased(queue).item.verdict.label == "threat"


def test_of_two_equally_severe_comments_the_wider_read_comes_first(queue: ReviewQueue) -> None:
    enqueue(queue, 1, reach=10)
    enqueue(queue, 2, reach=10_000)
    assert leased(queue).item.comment.id == "c-2"


def test_nothing_gets_ahead_of_a_comment_that_waited_one_time_target() -> None:
    longest_wait = 1 - head_start(0.0, None)
    shortest_wait = 1 - head_start(1.0, 10**9)
    assert longest_wait - shortest_wait <= 1


def test_moderators_can_ask_for_a_label(queue: ReviewQueue) -> None:
    enqueue(queue, 1)
    threat = replace(VERDICT, label="threat", score=0.1)
    arriving.enqueue(queue, "demo", comment(2), threat, scores={})
    assert leased(queue, label="threat").item.comment.id == "c-2"
    assert queue.lease("demo", "amal", label="threat") is None
    assert leased(queue, label="insult").item.comment.id == "c-1"


@pytest.mark.parametrize("name", ["article_id", "author_id", "dialect"])
def test_moderators_can_ask_for_an_article_an_author_or_a_dialect(
    queue: ReviewQueue, name: str
) -> None:
    enqueue(queue, 1, score=0.9, **{name: "this"})
    enqueue(queue, 2, score=0.2, **{name: "that"})
    enqueue(queue, 3, score=0.6, **{name: "that"})
    wanted: dict[str, str] = {name: "that"}
    listed = [item.comment.id for item in queue.waiting("demo", **wanted)]  # type: ignore[arg-type]
    assert listed == ["c-3", "c-2"]
    assert [leased(queue, **wanted).item.comment.id for _ in range(2)] == ["c-3", "c-2"]
    assert queue.lease("demo", "amal", **wanted) is None  # type: ignore[arg-type]
    assert leased(queue).item.comment.id == "c-1"


def test_a_released_item_is_found_by_its_filters_again(queue: ReviewQueue) -> None:
    enqueue(queue)
    lease = leased(queue, label="insult")
    assert queue.waiting("demo", author_id="reader-7") == []
    queue.release("demo", lease.item.id, lease.token)
    assert len(queue.waiting("demo", author_id="reader-7")) == 1


def test_nothing_of_an_item_stays_in_the_lines_once_it_is_dealt_with(
    queue: ReviewQueue, redis: Redis
) -> None:
    for number in range(3):
        enqueue(queue, number, dialect="gulf")
    decided(queue)
    taken = leased(queue)
    queue.withdraw("demo", taken.item.comment.id)
    left = leased(queue)
    queue.escalate("demo", left.item.id, left.token, note="")
    assert queue.waiting("demo", author_id="reader-7") == []
    decided(queue, moderator="senior")
    arriving.enqueue(
        queue, "demo", comment(4, dialect="gulf"), VERDICT, scores={}, second_opinion_share=1.0
    )
    decided(queue, action="reject")
    decided(queue, moderator="basma")
    assert queue.waiting("demo", dialect="gulf") == []
    decided(queue, moderator="senior")
    assert redis.zcard("{hakam:demo}:lines") == 0


def test_two_filters_at_once_are_refused(queue: ReviewQueue) -> None:
    with pytest.raises(InvalidRequest, match="one filter"):
        queue.lease("demo", "amal", label="insult", author_id="reader-7")


def test_a_mild_old_comment_goes_before_the_most_severe_after_one_time_target(
    queue: ReviewQueue, redis: Redis
) -> None:
    old = enqueue(queue, 1, score=0.0)
    enqueue(queue, 2, score=1.0, reach=10**6)
    assert [item.comment.id for item in queue.waiting("demo")] == ["c-2", "c-1"]
    let_time_pass(redis, 3_600_000, old)
    assert [item.comment.id for item in queue.waiting("demo")] == ["c-1", "c-2"]


def test_the_site_chooses_its_time_target(queue: ReviewQueue) -> None:
    for target in (60, 600):
        made = arriving.enqueue(
            queue, "demo", comment(target), VERDICT, scores={}, time_target_seconds=target
        )
        item = queue.item("demo", made.item_id)
        wait = target * (1 - head_start(0.8, None))
        assert item.due_at - item.enqueued_at == pytest.approx(wait, abs=0.01)


def test_the_oldest_waiting_item_is_known_though_it_is_not_the_most_urgent(
    queue: ReviewQueue, redis: Redis
) -> None:
    assert queue.stats("demo").oldest_seconds == 0
    first, second = enqueue(queue, 1, score=0.1), enqueue(queue, 2, score=0.9)
    let_time_pass(redis, 60_000, first)
    assert [item.id for item in queue.waiting("demo")] == [second, first]
    assert 60 <= queue.stats("demo").oldest_seconds < 120


# One moderator, one item


def test_fifty_people_asking_at_once_never_get_the_same_item(queue: ReviewQueue) -> None:
    for number in range(100):
        enqueue(queue, number)

    def claim(person: int) -> list[str]:
        return [leased(queue, f"moderator-{person}").item.id for _ in range(2)]

    with ThreadPoolExecutor(50) as people:
        claimed = [item_id for pair in people.map(claim, range(50)) for item_id in pair]
    assert len(claimed) == len(set(claimed)) == 100
    assert queue.lease("demo", "late") is None


def test_an_expired_lease_returns_to_its_place_in_the_line(hasty: ReviewQueue) -> None:
    enqueue(hasty)
    first = leased(hasty)
    expired(hasty, first)
    second = leased(hasty, "basma")
    assert (second.item.id, second.item.n_abandoned) == (first.item.id, 1)
    assert second.item.due_at == first.item.due_at
    assert second.token > first.token


def test_an_expired_token_decides_nothing(hasty: ReviewQueue, stream: DecisionStream) -> None:
    enqueue(hasty)
    lease = leased(hasty)
    expired(hasty, lease)
    for verb in (hasty.renew, hasty.release, hasty.skip):
        with pytest.raises(LeaseLost):
            verb("demo", lease.item.id, lease.token)
    with pytest.raises(LeaseLost):
        hasty.decide("demo", lease.item.id, lease.token, APPROVE)
    assert stream.read("demo") == []


def test_a_renewed_lease_lasts_longer(queue: ReviewQueue) -> None:
    enqueue(queue)
    lease = leased(queue)
    renewed = queue.renew("demo", lease.item.id, lease.token)
    assert renewed.expires_at >= lease.expires_at
    assert (renewed.token, renewed.item) == (lease.token, lease.item)


def test_a_released_item_can_be_leased_by_somebody_else(queue: ReviewQueue) -> None:
    enqueue(queue)
    lease = leased(queue)
    queue.release("demo", lease.item.id, lease.token)
    assert leased(queue, "basma").item.id == lease.item.id
    with pytest.raises(LeaseLost):
        queue.release("demo", lease.item.id, lease.token)


def test_who_skips_an_item_is_not_offered_it_again_for_a_while(redis: Redis) -> None:
    queue = ReviewQueue(redis, skip_seconds=0.05)
    patient = ReviewQueue(redis, skip_seconds=1000)
    enqueue(queue)
    for place, patience in ((1, patient), (2, queue)):
        lease = leased(queue, "basma" if place == 1 else "amal")
        patience.skip("demo", lease.item.id, lease.token)
    await_condition(lambda: queue.lease("demo", "amal"), what="the end of the short skip")
    assert queue.lease("demo", "basma") is None


def test_a_skipped_item_is_offered_to_others_at_once(queue: ReviewQueue) -> None:
    enqueue(queue, 1, score=0.9)
    enqueue(queue, 2, score=0.1)
    for skipped in ("c-1", "c-2"):
        lease = leased(queue)
        assert lease.item.comment.id == skipped
        queue.skip("demo", lease.item.id, lease.token)
    assert queue.lease("demo", "amal") is None
    assert leased(queue, "basma").item.comment.id == "c-1"


def test_a_moderator_who_skipped_many_still_finds_the_rest(queue: ReviewQueue) -> None:
    for number in range(30):
        enqueue(queue, number)
    for _ in range(29):
        lease = leased(queue)
        queue.skip("demo", lease.item.id, lease.token)
    assert leased(queue)
    assert queue.lease("demo", "amal") is None


def test_an_item_that_people_keep_leaving_is_shown_as_troubled_and_stays(
    hasty: ReviewQueue, redis: Redis
) -> None:
    enqueue(hasty)
    for _ in range(3):
        assert hasty.waiting("demo", troubled=True) == []
        expired(hasty, leased(hasty))
    lease = leased(hasty)
    assert lease.item.n_abandoned == 3
    expired(hasty, lease)
    patient = ReviewQueue(redis)
    lease = leased(patient)
    patient.release("demo", lease.item.id, lease.token)
    assert [item.id for item in hasty.waiting("demo", troubled=True)] == [lease.item.id]
    assert hasty.stats("demo").troubled == 1


def test_it_is_known_who_holds_what(queue: ReviewQueue) -> None:
    enqueue(queue)
    assert queue.held("demo") == []
    lease = leased(queue)
    assert queue.held("demo") == [lease.item]
    assert lease.item.moderator == "amal"


# Decisions


def test_a_decision_is_recorded_with_its_comment_and_its_verdict(
    queue: ReviewQueue, stream: DecisionStream
) -> None:
    enqueue(queue)
    lease = leased(queue)
    made = queue.decide("demo", lease.item.id, lease.token, replace(REJECT, note="ملاحظة"))  # note
    assert (made.action, made.labels, made.reason, made.note) == (
        "reject",
        ("insult",),
        "insult",
        "ملاحظة",
    )
    assert (made.moderator, made.source, made.verdict) == ("amal", "moderator", VERDICT)
    assert made.comment == comment()
    assert made.decided_at >= made.enqueued_at > 0
    assert stream.read("demo") == [made]
    assert queue.item("demo", lease.item.id).state == "decided"
    stats = queue.stats("demo")
    assert (stats.pending, stats.leased, stats.decided, stats.outbox) == (0, 0, 1, 1)


def test_the_same_request_again_gets_the_same_decision(queue: ReviewQueue) -> None:
    enqueue(queue)
    lease = leased(queue)
    first = queue.decide("demo", lease.item.id, lease.token, replace(REJECT, note="n"))
    assert queue.decide("demo", lease.item.id, lease.token, replace(REJECT, note="n")) == first
    assert queue.stats("demo").decided == 1


def test_a_request_id_with_another_decision_is_another_request(queue: ReviewQueue) -> None:
    changed: dict[str, Any] = {"action": "approve", "labels": (), "reason": ""}
    enqueue(queue)
    lease = leased(queue)
    made = queue.decide("demo", lease.item.id, lease.token, REJECT)
    with pytest.raises(AlreadyDecided):
        queue.decide("demo", lease.item.id, lease.token, replace(REJECT, **changed))
    again = replace(REJECT, reason="spam", labels=("spam",))
    first = queue.decide_again("demo", lease.item.id, made.id, again)
    assert queue.decide_again("demo", lease.item.id, made.id, again) == first
    with pytest.raises(Conflict, match="another decision"):
        queue.decide_again("demo", lease.item.id, made.id, replace(again, **changed))


def test_a_request_id_of_one_decision_on_many_says_no_other(queue: ReviewQueue) -> None:
    enqueue(queue)
    chosen = preview(queue)
    assert decide_many(queue, chosen, REJECT)
    with pytest.raises(Conflict, match="request id"):
        decide_many(queue, chosen, replace(REJECT, action="approve", labels=()))


def test_another_request_finds_the_item_decided(queue: ReviewQueue, stream: DecisionStream) -> None:
    enqueue(queue)
    lease = leased(queue)
    queue.decide("demo", lease.item.id, lease.token, APPROVE)
    with pytest.raises(AlreadyDecided):
        queue.decide("demo", lease.item.id, lease.token, replace(REJECT, request_id="other"))
    assert [decision.action for decision in stream.read("demo")] == ["approve"]


def test_nobody_decides_with_the_token_of_somebody_else(queue: ReviewQueue) -> None:
    enqueue(queue)
    lease = leased(queue)
    with pytest.raises(LeaseLost):
        queue.decide("demo", lease.item.id, lease.token, replace(APPROVE, moderator="basma"))


def test_an_unknown_item_is_not_found(queue: ReviewQueue) -> None:
    with pytest.raises(ItemNotFound):
        queue.decide("demo", "nothing", 1, APPROVE)
    with pytest.raises(ItemNotFound):
        queue.item("demo", "nothing")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("action", "maybe"),
        ("labels", ("rude",)),
        ("moderator", ""),
        ("request_id", ""),
        ("moderator", "m" * 257),
        ("request_id", "r" * 257),
        ("reason", "r" * 1_001),
        ("note", "n" * 4_001),
        ("reply", "r" * 1_001),
    ],
)
def test_a_wrong_draft_is_refused_by_name(queue: ReviewQueue, field: str, value: Any) -> None:
    wrong: dict[str, Any] = {field: value}
    with pytest.raises(InvalidRequest, match=field):
        queue.decide("demo", "nothing", 1, replace(APPROVE, **wrong))


def test_the_stream_is_read_in_pages(queue: ReviewQueue, stream: DecisionStream) -> None:
    for number in range(5):
        enqueue(queue, number)
        lease = leased(queue)
        queue.decide("demo", lease.item.id, lease.token, APPROVE)
    first = stream.read("demo", limit=3)
    rest = stream.read("demo", after=first[-1].id)
    assert [len(first), len(rest)] == [3, 2]
    assert sorted({d.comment_id for d in first + rest}) == [f"c-{n}" for n in range(5)]


@pytest.mark.parametrize("after", ["x", "1-x", "-1", "1-2-3", "٣", ""])
def test_a_wrong_cursor_is_refused(queue: ReviewQueue, stream: DecisionStream, after: str) -> None:
    with pytest.raises(InvalidRequest, match="after"):
        stream.read("demo", after=after)


# Second thoughts


def decided(
    queue: ReviewQueue, *, moderator: str = "amal", known_answer_share: float = 0.0, **draft: Any
) -> Decision:
    """Let a moderator decide the most urgent item."""
    senior = moderator == "senior"
    lease = leased(queue, moderator, senior=senior, known_answer_share=known_answer_share)
    wanted = {"moderator": moderator, "request_id": f"{lease.item.id}-{lease.token}"} | draft
    return queue.decide("demo", lease.item.id, lease.token, replace(APPROVE, **wanted))


def test_a_decision_can_be_taken_back_and_the_stream_keeps_both(
    queue: ReviewQueue, stream: DecisionStream
) -> None:
    item_id = enqueue(queue)
    first = decided(queue, action="reject")
    undo = queue.undo("demo", item_id, "amal", "undo-1")
    assert (undo.kind, undo.action, undo.undoes) == ("undo", "undo", first.id)
    assert queue.item("demo", item_id).state == "pending"
    second = decided(queue)
    entries = stream.read("demo")
    assert [entry.id for entry in entries] == [first.id, undo.id, second.id]
    assert [entry.stands for entry in entries] == [False, True, True]
    assert entries[0].to_labeled_comment("demo") is None, "what was undone teaches nothing"
    assert entries[1].to_labeled_comment("demo") is None


def test_the_same_undo_again_gets_the_same_answer(queue: ReviewQueue) -> None:
    item_id = enqueue(queue)
    decided(queue)
    first = queue.undo("demo", item_id, "amal", "undo-1")
    assert queue.undo("demo", item_id, "amal", "undo-1") == first
    assert queue.stats("demo").decided == 2


def test_only_who_decided_or_a_senior_takes_a_decision_back(queue: ReviewQueue) -> None:
    item_id = enqueue(queue)
    made = decided(queue)
    with pytest.raises(Forbidden, match="senior"):
        queue.undo("demo", item_id, "basma", "undo-1")
    assert queue.item("demo", item_id).state == "decided"
    assert queue.undo("demo", item_id, "carim", "undo-2", senior=True).undoes == made.id


def test_what_the_policy_rejected_is_taken_back_by_seniors_only(queue: ReviewQueue) -> None:
    item_id = arriving.reject(queue, "demo", comment(), VERDICT, scores={}).item_id
    with pytest.raises(Forbidden):
        queue.undo("demo", item_id, "amal", "undo-1")
    assert queue.undo("demo", item_id, "amal", "undo-2", senior=True)


def test_an_undo_takes_back_the_decision_that_it_means_and_no_later_one(
    queue: ReviewQueue,
) -> None:
    item_id = enqueue(queue)
    first = decided(queue)
    enqueue(queue, text="تعليق معدل")  # "an edited comment"
    second = decided(queue)
    with pytest.raises(Conflict, match="another decision"):
        queue.undo("demo", item_id, "amal", "undo-1", senior=True, decision_id=first.id)
    assert queue.undo("demo", item_id, "amal", "undo-2", decision_id=second.id).version == 2


def test_the_request_ids_of_one_verb_mean_nothing_to_another(queue: ReviewQueue) -> None:
    item_id = enqueue(queue)
    made = decided(queue, request_id="one")
    assert queue.undo("demo", item_id, "amal", "one").undoes == made.id
    assert decided(queue, request_id="one").kind == "decision"
    assert queue.undo("demo", item_id, "amal", "two").kind == "undo"
    assert decide_many(queue, preview(queue), replace(REJECT, request_id="one"))
    assert undo_many(queue, "one", "amal", "one") == Undone(True, 1, 0)
    with pytest.raises(ItemNotFound):
        undo_many(queue, "undo:one", "amal", "three")


def test_an_old_decision_cannot_be_taken_back(redis: Redis) -> None:
    queue = ReviewQueue(redis, undo_seconds=-1)
    item_id = enqueue(queue)
    with pytest.raises(Conflict, match="not decided"):
        queue.undo("demo", item_id, "amal", "undo-1")
    decided(queue)
    with pytest.raises(Conflict, match="over"):
        queue.undo("demo", item_id, "amal", "undo-1")


def test_a_withdrawn_comment_leaves_the_queue_and_its_text_goes(
    queue: ReviewQueue, stream: DecisionStream, redis: Redis
) -> None:
    enqueue(queue, 1)
    enqueue(queue, 2)
    lease = leased(queue)
    for number in (1, 2):
        assert queue.withdraw("demo", f"c-{number}")
        assert not queue.withdraw("demo", f"c-{number}")
    with pytest.raises(LeaseLost, match="withdrawn"):
        queue.decide("demo", lease.item.id, lease.token, APPROVE)
    assert queue.lease("demo", "amal") is None
    assert redis.hgetall("{hakam:demo}:texts") == {}
    assert [entry.kind for entry in stream.read("demo")] == ["withdrawal"] * 2
    with pytest.raises(ItemNotFound):
        queue.withdraw("demo", "never-sent")


def test_a_withdrawn_comment_that_is_sent_again_waits_again(queue: ReviewQueue) -> None:
    enqueue(queue)
    queue.withdraw("demo", "c-1")
    again = arriving.enqueue(queue, "demo", comment(), VERDICT, scores={})
    assert (again.created, again.version) == (True, 2)
    assert leased(queue).item.comment == comment()


def test_a_decided_comment_stays_decided_when_it_is_withdrawn(queue: ReviewQueue) -> None:
    item_id = enqueue(queue)
    decided(queue)
    assert not queue.withdraw("demo", "c-1")
    assert queue.item("demo", item_id).state == "decided"


# Many items at once


def preview(queue: ReviewQueue, **filters: Any) -> dict[str, int]:
    return {item.id: item.version for item in queue.waiting("demo", limit=1000, **filters)}


def test_an_authors_comments_are_decided_as_one_and_taken_back_as_one(queue: ReviewQueue) -> None:
    for number in range(5):
        enqueue(queue, number, author_id="troll" if number else "reader")
    chosen = preview(queue, author_id="troll")
    made = decide_many(queue, chosen, REJECT)
    assert {decision.comment_id for decision in made} == {f"c-{n}" for n in range(1, 5)}
    assert {decision.bulk for decision in made} == {"request-1"}
    assert (queue.stats("demo").pending, queue.stats("demo").outbox) == (1, 4)
    assert decide_many(queue, chosen, REJECT) == made, "the same request, the same answer"
    assert undo_many(queue, "request-1", "amal", "undo-1") == Undone(True, 4, 0)
    assert preview(queue, author_id="troll") == chosen
    assert undo_many(queue, "request-1", "amal", "undo-1") == Undone(True, 4, 0)
    assert queue.stats("demo").decided == 8


def test_many_at_once_are_not_both_opinions_of_one_person(queue: ReviewQueue) -> None:
    enqueue_blind(queue)
    decided(queue, action="reject")
    enqueue(queue, 2)
    assert [one.comment_id for one in decide_many(queue, preview(queue), REJECT)] == ["c-2"]
    by_another = replace(REJECT, moderator="basma", request_id="request-2")
    assert [one.comment_id for one in decide_many(queue, preview(queue), by_another)] == ["c-1"]


def test_nobody_decides_the_appeal_against_their_own_decision_in_bulk(queue: ReviewQueue) -> None:
    enqueue(queue)
    queue.appeal("demo", decided(queue, action="reject").id, "")
    assert decide_many(queue, preview(queue), replace(APPROVE, request_id="one")) == []
    assert decide_many(queue, preview(queue), replace(APPROVE, moderator="basma"))


def test_what_somebody_skipped_they_may_decide_in_bulk(queue: ReviewQueue) -> None:
    enqueue(queue)
    lease = leased(queue)
    queue.skip("demo", lease.item.id, lease.token)
    assert decide_many(queue, preview(queue), REJECT)


# Two opinions


def enqueue_blind(queue: ReviewQueue, number: int = 1) -> str:
    return arriving.enqueue(
        queue, "demo", comment(number), VERDICT, scores={}, second_opinion_share=1.0
    ).item_id


def test_two_blind_opinions_that_agree_are_the_decision(queue: ReviewQueue) -> None:
    enqueue_blind(queue)
    first = decided(queue, action="reject")
    assert (first.kind, queue.stats("demo").outbox) == ("opinion", 0)
    assert queue.lease("demo", "amal") is None, "not from the same person"
    second = leased(queue, "basma")
    assert second.item.why == "score", "the second opinion does not know of the first"
    queue.release("demo", second.item.id, second.token)
    last = decided(queue, moderator="basma", action="reject")
    assert (last.kind, queue.stats("demo").outbox) == ("decision", 1)


def test_two_opinions_that_differ_go_to_a_senior(queue: ReviewQueue) -> None:
    enqueue_blind(queue)
    decided(queue, action="reject")
    assert decided(queue, moderator="basma").kind == "opinion"
    assert queue.lease("demo", "carim") is None, "seniors only"
    assert queue.lease("demo", "amal", senior=True) is None, "who gave an opinion is not asked"
    assert queue.stats("demo").escalated == 1
    lease = leased(queue, "senior", senior=True)
    assert lease.item.why == "escalated"
    queue.release("demo", lease.item.id, lease.token)
    assert decided(queue, moderator="senior").kind == "decision"
    assert queue.stats("demo").escalated == 0


def test_the_share_of_second_opinions_is_drawn_from_the_comments_id(queue: ReviewQueue) -> None:
    for number in range(60):
        arriving.enqueue(
            queue, "demo", comment(number), VERDICT, scores={}, second_opinion_share=0.3
        )
    kinds = [decided(queue).kind for _ in range(60)]
    assert 8 <= kinds.count("opinion") <= 28


def test_a_moderator_can_leave_an_item_to_the_seniors(queue: ReviewQueue) -> None:
    enqueue(queue)
    lease = leased(queue)
    queue.escalate("demo", lease.item.id, lease.token, note="who is he?")
    assert queue.lease("demo", "basma") is None
    (waiting,) = queue.waiting("demo", escalated=True)
    assert (waiting.id, waiting.note, waiting.comment) == (
        lease.item.id,
        "who is he?",
        lease.item.comment,
    )
    assert decided(queue, moderator="senior").kind == "decision"


def add_known_answer(queue: ReviewQueue, number: int = 1, known_action: str = "reject") -> None:
    known = comment(id=f"known-{number}", text=f"معلوم {number}")  # "known"
    arriving.enqueue(
        queue, "demo", known, VERDICT, scores={"insult": 0.8}, known_action=known_action
    )


def test_a_known_answer_waits_in_no_line(queue: ReviewQueue) -> None:
    add_known_answer(queue)
    assert queue.lease("demo", "amal", known_answer_share=1.0) is None, "there is nothing to mix"
    assert queue.waiting("demo") == queue.waiting("demo", author_id="reader-7") == []
    assert queue.stats("demo").pending == 0
    enqueue(queue)
    for share, filters in ((0.0, {}), (1.0, {"label": "insult"})):
        lease = leased(queue, known_answer_share=share, **filters)
        assert lease.item.comment.id == "c-1"
        queue.release("demo", lease.item.id, lease.token)


def test_a_known_answer_looks_like_the_item_it_replaces_and_that_waits_on(
    queue: ReviewQueue,
) -> None:
    add_known_answer(queue)
    enqueue(queue)
    (waiting,) = queue.waiting("demo")
    lease = leased(queue, known_answer_share=1.0)
    assert lease.item.comment.id == "known-1"
    assert lease.item.comment.text == "معلوم 1"
    held = leased(queue, "basma").item
    assert waiting.id == held.id
    for name in ("state", "version", "why", "enqueued_at", "due_at", "n_abandoned", "note"):
        assert getattr(lease.item, name) == getattr(held, name), name
    assert len(lease.item.id) == len(held.id)


def test_everybody_answers_a_known_answer_once(queue: ReviewQueue) -> None:
    for number in (1, 2):
        add_known_answer(queue, number)
    enqueue(queue)
    at_once = [leased(queue, name, known_answer_share=1.0) for name in ("amal", "basma")]
    assert at_once[0].item.comment == at_once[1].item.comment
    for lease, name in zip(at_once, ("amal", "basma"), strict=True):
        draft = Decision("reject", ("insult",), "insult", moderator=name, request_id=f"r-{name}")
        made = queue.decide("demo", lease.item.id, lease.token, draft)
        assert queue.decide("demo", lease.item.id, lease.token, draft) == made
    seen = []
    while (lease := leased(queue, known_answer_share=1.0)).item.comment.id != "c-1":
        seen.append(lease.item.comment.id)
        queue.skip("demo", lease.item.id, lease.token)
    both = {*seen, at_once[0].item.comment.id}
    assert (len(seen), both) == (1, {"known-1", "known-2"}), "one was answered, the other left"


def test_a_known_answer_whose_text_is_lost_takes_nobodys_turn(
    queue: ReviewQueue, redis: Redis
) -> None:
    add_known_answer(queue)
    redis.delete("{hakam:demo}:texts")
    enqueue(queue, 2)
    assert leased(queue, known_answer_share=1.0).item.comment.id == "c-2"


def test_a_judgement_on_a_known_answer_is_told_to_nobody(
    queue: ReviewQueue, stream: DecisionStream
) -> None:
    add_known_answer(queue)
    enqueue(queue)
    made = decided(queue, known_answer_share=1.0)
    assert (made.kind, made.action, made.expected) == ("known_answer", "approve", "reject")
    assert made.to_labeled_comment("demo") is None
    assert queue.stats("demo").outbox == 0
    assert queue.author("demo", "reader-7").n_approved == 0
    assert list(statements("demo", stream.history("demo"))) == []


def test_a_judgement_on_a_known_answer_can_be_taken_back(
    queue: ReviewQueue, stream: DecisionStream
) -> None:
    add_known_answer(queue)
    enqueue(queue)
    made = decided(queue, known_answer_share=1.0)
    assert queue.undo("demo", made.item_id, "amal", "undo").undoes == made.id
    assert agreement_with_known_answers(stream.history("demo")) == []
    period = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    assert period_statistics("demo", stream.history("demo"), *period).n_undone == 0
    assert queue.stats("demo").outbox == 0
    assert leased(queue, known_answer_share=1.0).item.comment.id == "c-1"


@pytest.mark.parametrize("verb", ["skip", "release", "escalate"])
def test_a_known_answer_that_was_left_is_offered_to_nobody_again(
    queue: ReviewQueue, redis: Redis, verb: str
) -> None:
    add_known_answer(queue)
    enqueue(queue)
    lease = leased(queue, known_answer_share=1.0)
    getattr(queue, verb)("demo", lease.item.id, lease.token)
    assert [item.comment.id for item in queue.waiting("demo")] == ["c-1"]
    assert queue.waiting("demo", escalated=True) == []
    with pytest.raises(LeaseLost):
        queue.decide("demo", lease.item.id, lease.token, APPROVE)
    assert redis.zscore("{hakam:demo}:retention", f"item:{lease.item.id}:1")


def test_about_the_share_of_leases_are_known_answers(queue: ReviewQueue) -> None:
    for number in range(60):
        add_known_answer(queue, number)
    enqueue(queue)
    n_known = 0
    random.seed(7)
    for _ in range(100):
        lease = leased(queue, known_answer_share=0.2)
        n_known += lease.item.comment.id != "c-1"
        queue.release("demo", lease.item.id, lease.token)
    assert 10 <= n_known <= 30


# Authors


def test_an_authors_record_counts_what_stands(queue: ReviewQueue) -> None:
    assert queue.author("demo", "reader-7") == AuthorRecord()
    for number, action in enumerate(["approve", "reject", "reject"]):
        enqueue(queue, number)
        last = decided(queue, action=action)
    record = queue.author("demo", "reader-7")
    assert (record.n_approved, record.n_rejected, len(record.rejected_at)) == (1, 2, 2)
    assert record.n_rejected_since(last.decided_at - 60) == 2
    assert record.n_rejected_since(last.decided_at) == 0
    queue.undo("demo", last.item_id, "amal", "undo-1")
    record = queue.author("demo", "reader-7")
    assert (record.n_approved, record.n_rejected, len(record.rejected_at)) == (1, 1, 1)


def test_authors_are_told_apart_whatever_the_label_and_the_article(queue: ReviewQueue) -> None:
    for number, label in enumerate(LABELS * 4):
        known = comment(number, article_id=f"article-{number}")
        arriving.enqueue(queue, "demo", known, replace(VERDICT, label=label), scores={})
        decided(queue, action="reject")
    assert queue.author("demo", "reader-7").n_rejected == 4 * len(LABELS)


# What the policy decides alone


def test_a_rejection_by_the_policy_is_recorded_once_and_not_sent_to_the_site(
    queue: ReviewQueue,
    stream: DecisionStream,
) -> None:
    verdict = replace(VERDICT, action="reject")
    first = arriving.reject(queue, "demo", comment(), verdict, scores={"insult": 0.8})
    again = arriving.reject(queue, "demo", comment(), verdict, scores={"insult": 0.8})
    assert (first.created, first.state, again.created) == (True, "decided", False)
    [made] = stream.read("demo")
    assert (made.source, made.action, made.labels) == ("policy", "reject", ("insult",))
    assert made.to_labeled_comment("demo") is None, "a machine observes nothing"
    assert (queue.stats("demo").outbox, queue.stats("demo").pending) == (0, 0)
    assert queue.author("demo", "reader-7").n_rejected == 1


def test_an_edit_that_the_policy_rejects_leaves_the_line(queue: ReviewQueue) -> None:
    enqueue(queue)
    lease = leased(queue)
    arriving.reject(
        queue, "demo", comment(text="تعليق معدل"), VERDICT, scores={}
    )  # "an edited comment"
    assert queue.lease("demo", "basma") is None
    with pytest.raises(AlreadyDecided):
        queue.decide("demo", lease.item.id, lease.token + 1, APPROVE)


def test_a_rejection_by_the_policy_can_be_appealed_against(
    queue: ReviewQueue, stream: DecisionStream
) -> None:
    arriving.reject(queue, "demo", comment(), VERDICT, scores={})
    queue.appeal("demo", stream.read("demo")[0].id, "")
    assert decided(queue).overturned
    assert queue.author("demo", "reader-7").n_approved == 1


# Appeals


def test_an_appeal_comes_back_to_somebody_else_and_its_outcome_is_linked(
    queue: ReviewQueue,
    stream: DecisionStream,
) -> None:
    enqueue(queue)
    first = decided(queue, action="reject")
    made = queue.appeal("demo", first.id, "لم أشتم أحدا")  # "I insulted nobody"
    assert made.created
    assert not queue.appeal("demo", first.id, "لم أشتم أحدا").created
    assert queue.lease("demo", "amal") is None
    lease = leased(queue, "basma")
    assert (lease.item.why, lease.item.appeal) == ("appeal", "لم أشتم أحدا")
    assert lease.item.comment == comment()
    queue.release("demo", lease.item.id, lease.token)
    last = decided(queue, moderator="basma")
    assert (last.appeal_of, last.overturned) == (first.id, True)
    assert [entry.stands for entry in stream.read("demo")] == [False, True]
    record = queue.author("demo", "reader-7")
    assert (record.n_approved, record.n_rejected) == (1, 0)


def test_an_appeal_that_is_refused_changes_nothing(
    queue: ReviewQueue, stream: DecisionStream
) -> None:
    enqueue(queue)
    first = decided(queue, action="reject")
    queue.appeal("demo", first.id, "")
    last = decided(queue, moderator="basma", action="reject")
    assert (last.appeal_of, last.overturned) == (first.id, False)
    assert stream.read("demo")[0].stands
    assert queue.author("demo", "reader-7").n_rejected == 1


def test_an_undone_appeal_puts_the_first_decision_back(
    queue: ReviewQueue, stream: DecisionStream
) -> None:
    enqueue(queue)
    first = decided(queue, action="reject")
    made = queue.appeal("demo", first.id, "")
    decided(queue, moderator="basma")
    queue.undo("demo", made.item_id, "basma", "undo-1")
    assert [entry.stands for entry in stream.read("demo")] == [True, False, True]
    assert queue.author("demo", "reader-7").n_rejected == 1


@pytest.mark.parametrize("in_bulk", [False, True])
def test_an_undo_withdraws_the_appeal_that_waits_and_counts_once(
    queue: ReviewQueue, stream: DecisionStream, in_bulk: bool
) -> None:
    item_id = enqueue(queue)
    (first,) = decide_many(queue, preview(queue), REJECT)
    appeal = queue.appeal("demo", first.id, "لم أشتم أحدا")  # "I insulted nobody"
    lease = leased(queue, "basma")
    if in_bulk:
        undo_many(queue, "request-1", "amal", "undo")
    else:
        queue.undo("demo", item_id, "amal", "undo")
    with pytest.raises(LeaseLost, match="withdrawn"):
        queue.decide("demo", appeal.item_id, lease.token, replace(APPROVE, moderator="basma"))
    assert [item.id for item in queue.waiting("demo")] == [item_id]
    assert [entry.kind for entry in stream.read("demo")] == ["decision", "withdrawal", "undo"]
    record = queue.author("demo", "reader-7")
    assert (record.n_approved, record.n_rejected) == (0, 0)
    assert queue.appeal("demo", decided(queue, action="reject").id, "").created


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_a_decision_whose_appeal_was_decided_cannot_be_taken_back(
    queue: ReviewQueue, action: str
) -> None:
    item_id = enqueue(queue)
    first = decided(queue, action="reject")
    appeal = queue.appeal("demo", first.id, "")
    decided(queue, moderator="basma", action=action)
    with pytest.raises(Conflict, match="appeal"):
        queue.undo("demo", item_id, "amal", "undo-1")
    queue.undo("demo", appeal.item_id, "basma", "undo-2")
    assert queue.undo("demo", item_id, "amal", "undo-1").undoes == first.id
    record = queue.author("demo", "reader-7")
    assert (record.n_approved, record.n_rejected) == (0, 0)


def test_an_appeal_needs_a_decision(queue: ReviewQueue) -> None:
    with pytest.raises(ItemNotFound):
        queue.appeal("demo", "1-1", "")
    with pytest.raises(InvalidRequest, match="decision_id"):
        queue.appeal("demo", "first", "")


def test_a_decision_that_was_taken_back_cannot_be_appealed_against(queue: ReviewQueue) -> None:
    enqueue(queue)
    first = decided(queue, action="reject")
    queue.undo("demo", first.item_id, "amal", "undo-1")
    with pytest.raises(Conflict, match="taken back"):
        queue.appeal("demo", first.id, "")


# What is stored


@pytest.mark.parametrize("fields", [{"format": FORMAT + 1}, {"format": None}, {"due": "soon"}])
def test_an_item_that_cannot_be_read_is_said_to_be_and_bars_no_other(
    queue: ReviewQueue, redis: Redis, fields: dict[str, Any]
) -> None:
    bad, good = enqueue(queue), enqueue(queue, 2)
    held = leased(queue)
    assert held.item.id == bad
    record = json.loads(str(redis.hget("{hakam:demo}:items", bad)))
    redis.hset("{hakam:demo}:items", bad, json.dumps(record | fields))
    asked: list[Callable[[], Any]] = [
        lambda: queue.item("demo", bad),
        lambda: queue.renew("demo", bad, held.token),
        lambda: queue.release("demo", bad, held.token),
        lambda: queue.escalate("demo", bad, held.token),
        lambda: queue.decide("demo", bad, held.token, APPROVE),
        lambda: queue.undo("demo", bad, "amal", "r-1"),
        lambda: queue.withdraw("demo", comment().id),
    ]
    for ask in asked:
        with pytest.raises(ItemUnreadable, match="of demo"):
            ask()
    assert leased(queue, "basma").item.id == good


# What training learns


def test_a_rejection_teaches_the_named_labels_only(queue: ReviewQueue) -> None:
    enqueue(queue)
    lease = leased(queue)
    decision = queue.decide("demo", lease.item.id, lease.token, REJECT)
    learned = decision.to_labeled_comment("demo")
    assert learned is not None
    assert learned.labels == {"insult": 1.0, "toxicity": 1.0}
    assert (learned.id, learned.text, learned.source) == ("c-1", comment().text, "moderator")


def test_an_approval_teaches_that_no_label_holds(queue: ReviewQueue) -> None:
    learned = replace(APPROVE, comment_id="c-1", comment=comment()).to_labeled_comment("demo")
    assert learned is not None
    assert set(learned.labels.values()) == {0.0}


def test_a_rejected_display_name_is_learned_as_the_text() -> None:
    named = comment(author_name="اسم سيئ")  # "bad name"
    decision = replace(REJECT, comment=named, verdict=replace(VERDICT, field="author.name"))
    learned = decision.to_labeled_comment("demo")
    assert learned is not None
    assert learned.text == "اسم سيئ"


def test_a_rejection_without_labels_teaches_nothing_and_can_be_restored(
    queue: ReviewQueue, stream: DecisionStream, redis: Redis
) -> None:
    enqueue(queue)
    learned = decided(queue, action="reject", reason="off_topic").to_labeled_comment("demo")
    assert learned is not None
    assert learned.labels == {}
    redis.flushall()
    assert stream.rebuild("demo", [learned]) == 1
    (restored,) = stream.read("demo")
    assert (restored.action, restored.reason) == ("reject", "off_topic")
    assert queue.author("demo", "reader-7").n_rejected == 1


# Redis


def calls(redis: Redis) -> int:
    stats: Any = redis.info("commandstats")
    return sum(
        value["calls"] for name, value in stats.items() if name.split("_")[1].startswith("eval")
    )


def test_every_verb_is_one_round_trip(
    queue: ReviewQueue, stream: DecisionStream, redis: Redis
) -> None:
    item_id = enqueue(queue)
    lease = leased(queue)
    for verb in ("enqueue", "lease", "renew", "decide", "item", "stats", "decisions"):
        redis.script_load(read_script("queue", verb).text)
    redis.config_resetstat()
    verbs: list[Any] = [
        lambda: enqueue(queue, 2),
        lambda: leased(queue, "basma"),
        lambda: queue.renew("demo", item_id, lease.token),
        lambda: queue.decide("demo", item_id, lease.token, APPROVE),
        lambda: queue.item("demo", item_id),
        lambda: queue.stats("demo"),
        lambda: stream.read("demo"),
    ]
    for done, verb in enumerate(verbs, start=1):
        verb()
        assert calls(redis) == done


def test_all_keys_of_a_site_share_one_hash_tag(queue: ReviewQueue, redis: Redis) -> None:
    enqueue(queue)
    enqueue(queue, 2)
    lease = leased(queue)
    queue.decide("demo", lease.item.id, lease.token, replace(APPROVE, note="n"))
    names: Any = redis.keys("*demo*")
    assert set(names) <= set(site_keys("demo"))
    assert all(name.startswith("{hakam:demo}:") for name in names)


def test_a_queue_outlives_a_restart_that_forgets_the_scripts(
    queue: ReviewQueue, redis: Redis
) -> None:
    enqueue(queue)
    redis.script_flush()
    assert leased(queue).item.comment.id == "c-1"


def test_an_unreachable_redis_is_an_unavailable_store() -> None:
    no_retry = Retry(NoBackoff(), 0)
    nowhere = ReviewQueue(
        Redis(unix_socket_path="/nonexistent/redis.sock", decode_responses=True, retry=no_retry)
    )
    with pytest.raises(StoreUnavailable):
        nowhere.stats("demo")


def test_redis_out_of_memory_refuses_a_comment_and_writes_nothing(
    queue: ReviewQueue, redis: Redis
) -> None:
    enqueue(queue, 1)
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable):
            enqueue(queue, 2)
    finally:
        redis.config_set("maxmemory", 0)
    assert queue.stats("demo").pending == 1
    assert enqueue(queue, 2)
    assert queue.stats("demo").pending == 2


def test_an_export_and_the_sites_own_comments_rebuild_a_lost_queue(
    queue: ReviewQueue, stream: DecisionStream, redis: Redis
) -> None:
    for number in range(4):
        enqueue(queue, number, score=1 - number / 10)
    first = decided(queue, action="reject", labels=("insult",))
    decided(queue)
    enqueue(queue, 0, score=1.0, text="تعليق معدل")  # "an edited comment"
    decided(queue)
    made = [d.to_labeled_comment("demo") for d in stream.history("demo")]
    export = [known for known in made if known is not None]
    assert len(export) == 3
    author = queue.author("demo", "reader-7")
    redis.flushall()

    enqueue(queue, 1)  # sent again by the site before the export is read
    assert stream.rebuild("demo", export) == 3
    assert stream.rebuild("demo", export) == 0, "twice changes nothing"
    enqueue(queue, 0, text="تعليق معدل")
    for number in range(1, 4):
        enqueue(queue, number)
    waiting = {item.comment.id for item in queue.waiting("demo")}
    assert waiting == {"c-2", "c-3"}, "what was decided does not wait again"
    restored = stream.read("demo")
    assert [d.action for d in restored] == ["reject", "approve", "approve"]
    assert restored[0].decided_at == pytest.approx(first.decided_at)
    assert queue.stats("demo").outbox == 0, "the site has heard these before"
    assert [d.to_labeled_comment("demo") for d in restored] == export
    assert {d.moderator for d in restored} == {"amal"}
    counted = queue.author("demo", "reader-7")
    assert (counted.n_approved, counted.n_rejected) == (author.n_approved, author.n_rejected)
    assert counted.rejected_at == pytest.approx(author.rejected_at)


def test_the_stream_holds_no_word_of_the_comment(queue: ReviewQueue, redis: Redis) -> None:
    enqueue(queue, author_name="قارئ")  # "reader"
    lease = leased(queue)
    queue.decide("demo", lease.item.id, lease.token, replace(APPROVE, note="ملاحظة"))  # "note"
    entries: Any = redis.xrange("{hakam:demo}:decisions")
    body = json.dumps(entries, ensure_ascii=False)
    for private in (comment().text, "قارئ", "ملاحظة", "reader-7"):
        assert private not in body


# One item that somebody names


def test_a_moderator_takes_the_item_that_they_name_and_others_find_it_held(
    queue: ReviewQueue,
) -> None:
    enqueue(queue, 1, score=0.9)
    second = enqueue(queue, 2, score=0.1)
    lease = queue.take("demo", "amal", second, 1)
    assert (lease.item.id, lease.item.moderator) == (second, "amal")
    with pytest.raises(ItemHeld):
        queue.take("demo", "basma", second, 1)
    again = queue.take("demo", "amal", second, 1)
    assert again.token == lease.token
    assert leased(queue, "basma").item.id != second
    queue.decide("demo", second, lease.token, APPROVE)
    with pytest.raises(AlreadyDecided):
        queue.take("demo", "basma", second, 1)
    assert queue.stats("demo").leased == 1


def test_what_is_taken_stands_in_no_line_and_comes_back_when_the_time_runs_out(
    queue: ReviewQueue, hasty: ReviewQueue
) -> None:
    item_id = enqueue(queue)
    lease = hasty.take("demo", "amal", item_id, 1)
    expired(queue, lease)
    taken = queue.take("demo", "basma", item_id, 1)
    assert (taken.item.n_abandoned, taken.token) == (1, lease.token + 1)
    assert queue.lease("demo", "carim") is None
    with pytest.raises(LeaseLost):
        queue.decide("demo", item_id, lease.token, APPROVE)
    queue.release("demo", item_id, taken.token)
    assert leased(queue, "carim").item.id == item_id


def test_nobody_takes_what_they_may_not_have(queue: ReviewQueue) -> None:
    with pytest.raises(ItemNotFound):
        queue.take("demo", "amal", "A" * 12, 1)
    item_id = enqueue(queue)
    with pytest.raises(InvalidRequest, match="moderator"):
        queue.take("demo", "", item_id, 1)
    with pytest.raises(Conflict, match="another text"):
        queue.take("demo", "amal", item_id, 2)
    lease = leased(queue)
    queue.escalate("demo", item_id, lease.token)
    with pytest.raises(Forbidden, match="seniors"):
        queue.take("demo", "amal", item_id, 1)
    senior = queue.take("demo", "basma", item_id, 1, senior=True)
    made = queue.decide("demo", item_id, senior.token, replace(REJECT, moderator="basma"))
    appeal = queue.appeal("demo", made.id, "")
    with pytest.raises(Forbidden, match="decided what it appeals against"):
        queue.take("demo", "basma", appeal.item_id, 1, senior=True)
    assert queue.take("demo", "amal", appeal.item_id, 1).item.why == "appeal"
    enqueue(queue, 9)
    queue.withdraw("demo", "c-9")
    with pytest.raises(LeaseLost, match="withdrawn"):
        queue.take("demo", "amal", item_id_of("c-9"), 1)


def test_a_known_answer_is_not_there_to_be_taken(queue: ReviewQueue) -> None:
    known = arriving.enqueue(queue, "demo", comment(7), VERDICT, scores={}, known_action="reject")
    with pytest.raises(ItemNotFound):
        queue.take("demo", "amal", known.item_id, 1)
    enqueue(queue)
    copy = leased(queue, known_answer_share=1.0)
    with pytest.raises(ItemNotFound):
        queue.take("demo", "basma", copy.item.id, 1)
    assert queue.take("demo", "amal", copy.item.id, 1).token == copy.token


def test_what_somebody_skipped_is_theirs_to_take(queue: ReviewQueue) -> None:
    item_id = enqueue(queue)
    queue.skip("demo", item_id, leased(queue).token)
    assert queue.lease("demo", "amal") is None
    assert queue.take("demo", "amal", item_id, 1).item.id == item_id


def test_items_are_shown_in_the_order_asked_for_without_those_that_are_not_there(
    queue: ReviewQueue,
) -> None:
    found = [enqueue(queue, number) for number in (1, 2)]
    shown = queue.items("demo", [found[1], "A" * 12, found[0]])
    assert [item.id for item in shown] == [found[1], found[0]]
    assert queue.items("demo", []) == []
    with pytest.raises(InvalidRequest, match="item_ids"):
        queue.items("demo", ["A" * 12] * 1_001)


def test_what_is_decided_otherwise_is_one_step_and_looked_back_upon(
    queue: ReviewQueue, stream: DecisionStream
) -> None:
    item_id = enqueue(queue)
    made = queue.decide("demo", item_id, leased(queue).token, REJECT)
    with pytest.raises(Forbidden):
        queue.decide_again("demo", item_id, made.id, replace(APPROVE, moderator="basma"))
    draft = replace(APPROVE, moderator="basma", request_id="request-2")
    again = queue.decide_again("demo", item_id, made.id, draft, senior=True)
    assert [one.action for one in stream.read("demo")] == ["reject", "undo", "approve"]
    history = History(queue._verbs._redis)
    told = [(one.action, one.stands) for one in history.look_back("demo").decisions]
    assert told == [("approve", True), ("undo", True), ("reject", False)]
    assert [one.id for one in history.look_back("demo", moderator="amal").decisions] == [made.id]
    found = history.of_item("demo", item_id)
    assert not isinstance(found, str)
    assert found.entries[0].id == again.id
    assert len(found.entries) == 3
