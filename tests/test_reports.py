"""Readers' reports: a published comment comes back before people, and who reported it is told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from arriving import approve, enqueue, reject
from redis import Redis

from service.errors import Conflict, TooManyReports, UnknownComment
from service.queue import reports as limits
from service.queue.decisions import DecisionStream
from service.queue.records import Comment, Decision, Report, item_id_of
from service.queue.reports import Reports, reporter_digest
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.durability import FORMAT

CLEAN = Verdict("approve", None, None, 0.1, "clean", 0.01, "v1")
FLAGGED = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")
REPORTED = replace(CLEAN, action="review", reason="reported", sampling_probability=1.0)
COMMENT = Comment("c-1", "تعليق", author_id="author-1", author_name="قارئ")  # "comment", "reader"
HOUR = 3600.0


@pytest.fixture
def queue(redis: Redis) -> ReviewQueue:
    return ReviewQueue(redis)


@pytest.fixture
def reports(redis: Redis, site: Site) -> Reports:
    Sites(redis).add(site)
    return Reports(redis)


class Readers:
    """Readers of the site `demo` who report comments, and its moderator amal."""

    def __init__(self, reports: Reports, queue: ReviewQueue, site: Site) -> None:
        self.reports, self.queue, self.site = reports, queue, site

    def report(
        self, reporter: str = "reader-1", comment: Comment = COMMENT, **more: Any
    ) -> tuple[Report, bool]:
        more = {"reason": "insult"} | more
        found: dict[str, Any] = {"scores": {}, "author_scores": None, "evidence": ()}
        found |= {"sentence": ()}
        verdict = more.pop("verdict", REPORTED)
        return self.reports.add(
            self.site, comment, verdict, reporter=reporter, **more, **(found if verdict else {})
        )

    def decide(self, action: str = "approve", comment: Comment = COMMENT) -> Decision:
        lease = self.queue.lease("demo", "amal")
        assert lease is not None
        assert lease.item.comment.id == comment.id
        return self.queue.decide(
            "demo", lease.item.id, lease.token, self.draft(action, lease.token)
        )

    def draft(self, action: str, number: int) -> Decision:
        labels, reason = (("insult",), "insult") if action == "reject" else ((), "")
        return Decision(action, labels, reason, moderator="amal", request_id=f"request-{number}")

    def seconds_until_due(self, comment: Comment = COMMENT) -> float:
        item = self.queue.item("demo", item_id_of(comment.id))
        return item.due_at - item.enqueued_at

    def told(self, decision_id: str = "0") -> list[Decision]:
        return DecisionStream(self.queue._verbs._redis).read("demo", decision_id)


@pytest.fixture
def readers(reports: Reports, queue: ReviewQueue, site: Site) -> Readers:
    return Readers(reports, queue, site)


def test_a_comment_that_was_approved_by_machine_comes_before_people_when_it_is_reported(
    readers: Readers,
) -> None:
    with pytest.raises(UnknownComment):
        readers.report(verdict=None)
    report, new = readers.report()
    item = readers.queue.item("demo", report.item_id)
    assert (new, report.outcome, item.why, item.n_reports, item.published) == (
        True,
        None,
        "reported",
        1,
        True,
    )
    decision = readers.decide("reject")
    assert decision.reported == "rules"
    answered = readers.reports.get("demo", report.id)
    assert (answered.outcome, answered.decision_id) == ("removed", decision.id)
    assert answered.answer_reason == "insult"


def test_a_comment_that_a_person_approved_comes_back_with_its_text_and_stays_published(
    readers: Readers,
) -> None:
    enqueue(readers.queue, "demo", COMMENT, FLAGGED, scores={"insult": 0.8})
    first = readers.decide("approve")
    report, _ = readers.report(verdict=None)
    item = readers.queue.item("demo", report.item_id)
    assert (item.state, item.why, item.comment.text) == ("pending", "reported", COMMENT.text)
    again = enqueue(readers.queue, "demo", COMMENT, FLAGGED, scores={})
    assert (again.created, again.waits, again.state) == (False, False, "published")
    assert again.decision is not None
    assert again.decision.decision_id == first.id


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_one_decision_about_a_reported_comment_stands_and_its_author_is_counted_once(
    readers: Readers, action: str
) -> None:
    enqueue(readers.queue, "demo", COMMENT, FLAGGED, scores={})
    readers.decide("approve")
    readers.report(verdict=None)
    readers.decide(action)
    record = readers.queue.author("demo", "author-1")
    assert (record.n_approved, record.n_rejected) == ((1, 0) if action == "approve" else (0, 1))
    decisions = [entry for entry in readers.told() if entry.kind == "decision"]
    assert [entry.stands for entry in decisions] == [False, True]
    readers.queue.undo("demo", item_id_of("c-1"), "amal", "undo")
    record = readers.queue.author("demo", "author-1")
    assert (record.n_approved, record.n_rejected) == (0, 0)


def test_a_report_of_a_comment_that_an_appeal_brought_back_reverses_the_appeal(
    readers: Readers,
) -> None:
    enqueue(readers.queue, "demo", COMMENT, FLAGGED, scores={})
    first = readers.decide("reject")
    appeal = readers.queue.appeal("demo", first.id, "")
    lease = readers.queue.lease("demo", "badr")
    assert lease is not None
    draft = replace(readers.draft("approve", 7), moderator="badr")
    readers.queue.decide("demo", appeal.item_id, lease.token, draft)
    readers.report(verdict=None)
    readers.decide("reject")
    standing = enqueue(readers.queue, "demo", COMMENT, FLAGGED, scores={}).decision
    assert standing is not None
    assert standing.action == "reject"
    record = readers.queue.author("demo", "author-1")
    assert (record.n_approved, record.n_rejected) == (0, 1)
    decisions = [entry for entry in readers.told() if entry.kind == "decision"]
    assert [entry.stands for entry in decisions] == [False, False, True]


def test_the_same_readers_report_about_the_same_comment_is_one(readers: Readers) -> None:
    first, new = readers.report()
    again, new_again = readers.report(reason="spam", explanation="something else")
    assert (new, new_again, first) == (True, False, again)
    assert readers.queue.item("demo", first.item_id).n_reports == 1


def test_the_answer_is_at_once_where_the_comment_was_removed_or_other_reports_were_answered(
    readers: Readers,
) -> None:
    readers.report()
    kept = readers.decide("approve")
    report, _ = readers.report("reader-2")
    assert (report.outcome, report.decision_id) == ("kept", kept.id)
    other = replace(COMMENT, id="c-2")
    readers.report(comment=other)
    removed = readers.decide("reject", other)
    report, _ = readers.report("reader-2", comment=other)
    assert (report.outcome, report.decision_id) == ("removed", removed.id)
    assert readers.queue.stats("demo").pending == 0


def test_what_the_site_removes_answers_the_reports_about_it(readers: Readers) -> None:
    report, _ = readers.report()
    readers.queue.withdraw("demo", "c-1")
    assert readers.reports.get("demo", report.id).outcome == "withdrawn"
    late, _ = readers.report("reader-2", verdict=None)
    assert late.outcome == "withdrawn"
    [entry] = [entry for entry in readers.told() if entry.kind == "report"]
    assert (entry.reports, entry.answered_by) == ((report.id,), "")


def test_a_comment_that_was_withdrawn_and_published_again_comes_back_when_it_is_reported(
    readers: Readers,
) -> None:
    enqueue(readers.queue, "demo", COMMENT, FLAGGED, scores={})
    readers.queue.withdraw("demo", "c-1")
    approve(readers.queue, "demo", COMMENT, CLEAN)
    report, _ = readers.report()
    item = readers.queue.item("demo", report.item_id)
    assert (report.outcome, item.state, item.comment.text) == (None, "pending", COMMENT.text)


def test_no_edit_makes_a_report_go_away(readers: Readers) -> None:
    report, _ = readers.report()
    edited = replace(COMMENT, text="تعليق آخر")  # "another comment"
    assert approve(readers.queue, "demo", edited, CLEAN).state == "reported"
    found = enqueue(readers.queue, "demo", edited, REPORTED, scores={})
    item = readers.queue.item("demo", report.item_id)
    assert (found.version, item.n_reports, item.published) == (2, 1, False)
    readers.decide("reject")
    assert readers.reports.get("demo", report.id).outcome == "removed"


def test_an_undo_asks_again_what_the_decision_had_answered(readers: Readers) -> None:
    report, _ = readers.report()
    readers.decide("reject")
    late, _ = readers.report("reader-2")
    readers.queue.undo("demo", report.item_id, "amal", "undo")
    assert readers.queue.item("demo", report.item_id).n_reports == 2
    for one in (report, late):
        assert readers.reports.get("demo", one.id).outcome is None
    readers.decide("approve")
    for one in (report, late):
        assert readers.reports.get("demo", one.id).outcome == "kept"


def test_a_report_about_an_earlier_text_does_not_bring_that_back(readers: Readers) -> None:
    readers.report()
    old = replace(COMMENT, text="تعليق قديم")  # "an old comment"
    with pytest.raises(Conflict):
        readers.report("reader-2", comment=old, strict=True)
    assert readers.queue.item("demo", item_id_of("c-1")).version == 1


def test_the_more_readers_report_a_comment_the_sooner_it_is_due(readers: Readers) -> None:
    teach(readers, {"right-1": 3, "right-2": 3}, "reject")
    due = []
    for reporter in ("stranger-1", "right-1", "right-2"):
        readers.report(reporter)
        due.append(readers.seconds_until_due())
    assert due == pytest.approx([HOUR * 2**-weight for weight in (0.5, 1.3, 2.1)], rel=1e-3)


def test_a_flood_of_strangers_weighs_as_much_as_one_reader_who_is_always_right(
    readers: Readers, redis: Redis
) -> None:
    for number in range(limits.MAX_ABOUT_COMMENT):
        readers.report(f"stranger-{number}")
    assert readers.seconds_until_due() == pytest.approx(HOUR / 2, rel=1e-3)
    with pytest.raises(TooManyReports):
        readers.report("one-too-many")
    known = json.dumps({"format": FORMAT, "right": 3, "wrong": 0})
    redis.hset("{hakam:demo}:reporters", reporter_digest("right-1"), known)
    readers.report("right-1")
    assert readers.seconds_until_due() == pytest.approx(HOUR * 2**-1.8, rel=1e-3)


def test_reports_of_readers_who_were_mostly_wrong_weigh_nothing_and_are_few(
    readers: Readers, redis: Redis
) -> None:
    teach(readers, {"liar": 3}, "approve")
    name, known = reporter_digest("liar"), "{hakam:demo}:reporters"
    record = json.loads(str(redis.hget(known, name)))
    redis.hset(known, name, json.dumps(record | {"day": record["day"] - 1}))  # that was yesterday
    readers.report("liar")
    assert readers.seconds_until_due() == pytest.approx(HOUR, rel=1e-3)
    for number in range(2, limits.MAX_DOUBTED_A_DAY + 1):
        readers.report("liar", comment=replace(COMMENT, id=f"c-{number}"))
    with pytest.raises(TooManyReports):
        readers.report("liar", comment=replace(COMMENT, id="one-too-many"))
    [shown] = readers.reports.about("demo", item_id_of("c-1"))
    assert (shown.n_right, shown.n_wrong) == (0, 3)


def test_a_comment_that_waits_anyway_is_due_sooner_when_readers_report_it(
    readers: Readers,
) -> None:
    enqueue(readers.queue, "demo", COMMENT, replace(FLAGGED, score=0.0), scores={})
    before = readers.seconds_until_due()
    readers.report(verdict=None)
    item = readers.queue.item("demo", item_id_of("c-1"))
    assert readers.seconds_until_due() < before
    assert (item.why, item.published, item.n_reports) == ("score", False, 1)
    assert readers.decide("reject").reported == "", "a classifier had brought it before people"


def test_an_item_in_somebodys_hands_keeps_its_places_when_it_is_reported(readers: Readers) -> None:
    comment = replace(COMMENT, article_id="a-1")
    enqueue(readers.queue, "demo", comment, FLAGGED, scores={})
    lease = readers.queue.lease("demo", "amal")
    assert lease is not None
    readers.report(verdict=None)
    readers.queue.release("demo", lease.item.id, lease.token)
    readers.report("reader-2", verdict=None)
    readers.decide("reject", comment)
    assert readers.queue.waiting("demo", article_id="a-1") == []


def test_what_readers_know_of_is_bounded_and_what_waits_is_never_forgotten(
    readers: Readers, monkeypatch: pytest.MonkeyPatch, redis: Redis
) -> None:
    monkeypatch.setattr(limits, "MAX_KEPT", 8)
    waiting, _ = readers.report("reader-0", comment=replace(COMMENT, id="c-0"))
    for number in range(1, 20):
        comment = replace(COMMENT, id=f"c-{number}")
        reject(readers.queue, "demo", comment, replace(FLAGGED, action="reject"), scores={})
        readers.report(f"reader-{number}", comment=comment)
        assert redis.zcard("{hakam:demo}:report_times") <= 10
    assert readers.reports.get("demo", waiting.id).outcome is None
    assert redis.hlen("{hakam:demo}:reporters") <= 10


def test_answered_reports_are_forgotten_with_the_texts(readers: Readers, redis: Redis) -> None:
    waiting, _ = readers.report(comment=replace(COMMENT, id="c-2"), explanation="because")
    readers.report(explanation="because")
    reject(readers.queue, "demo", COMMENT, FLAGGED, scores={})
    later = replace(COMMENT, id="c-3")
    reject(readers.queue, "demo", later, replace(FLAGGED, action="reject"), scores={})
    answered, _ = readers.report(comment=later, explanation="because")
    times: Any = redis.zrange("{hakam:demo}:report_times", 0, -1)
    for member in times:
        redis.zincrby("{hakam:demo}:report_times", -91 * 86_400_000, member)
    Retention(redis, Sites(redis)).sweep(force=True)
    assert readers.reports.get("demo", waiting.id).outcome is None
    assert redis.hget("{hakam:demo}:report_words", waiting.id) == "because"
    assert redis.hget("{hakam:demo}:report_words", answered.id) is None
    assert redis.hlen("{hakam:demo}:reporters") == 0


def test_an_erasure_takes_what_was_said_about_the_author_and_what_the_reader_said(
    readers: Readers, redis: Redis
) -> None:
    report, _ = readers.report(explanation="because")
    mine, _ = readers.report(
        "author-1", comment=replace(COMMENT, id="c-2", author_id="author-2"), explanation="why"
    )
    Retention(redis, Sites(redis)).erase("demo", "author-1")
    assert redis.hgetall("{hakam:demo}:report_words") == {}
    assert readers.reports.get("demo", report.id).outcome == "withdrawn"
    assert readers.reports.get("demo", mine.id).outcome is None
    assert set(redis.hgetall("{hakam:demo}:reporters")) == {reporter_digest("reader-1")}


def teach(readers: Readers, reporters: dict[str, int], action: str) -> None:
    """Let readers report comments, and a person decide about each of them."""
    number = 0
    for reporter, n_reports in reporters.items():
        for _ in range(n_reports):
            number += 1
            comment = replace(COMMENT, id=f"earlier-{number}", author_id="somebody")
            readers.report(reporter, comment=comment)
            readers.decide(action, comment)
