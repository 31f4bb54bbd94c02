"""What people wrote is forgotten in time or when they ask; the facts of decisions stay."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import arriving
import pytest
from redis import Redis
from test_group_decisions import decide_many

from service.delivery.webhooks import Deliveries
from service.errors import Conflict, ItemNotFound, NotForgotten
from service.queue.decisions import DecisionStream
from service.queue.records import Comment, Decision, facet
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites

DAY_MS = 86_400_000
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")
SITE = Site(
    "demo",
    retention_days=30,
    webhook_url="https://a.example/",
    webhook_secret=SECRET,
)
TEXT = "تعليق خاص"  # "a private comment"
NOTE, REPLY = "ملاحظة", "نرجو اللطف"  # "a note", "please be kind"


@pytest.fixture
def queue(redis: Redis) -> ReviewQueue:
    return ReviewQueue(redis)


@pytest.fixture
def retention(redis: Redis) -> Retention:
    sites = Sites(redis)
    sites.add(SITE)
    retention = Retention(redis, sites)
    retention.sweep()  # as it does every hour
    return retention


def enqueue(queue: ReviewQueue, number: int = 1, **fields: Any) -> str:
    known = {"id": f"c-{number}", "text": TEXT, "author_id": "reader-7", "author_name": "قارئ"}
    return arriving.enqueue(queue, "demo", Comment(**known | fields), VERDICT, scores={}).item_id


def decide(queue: ReviewQueue) -> Decision:
    lease = queue.lease("demo", "amal")
    assert lease is not None
    draft = Decision("reject", ("insult",), "insult", NOTE, "amal", f"r-{lease.token}", reply=REPLY)
    return queue.decide("demo", lease.item.id, lease.token, draft)


def age(redis: Redis, days: int) -> None:
    """Let everything have been decided `days` earlier than it was."""
    members: Any = redis.zrange("{hakam:demo}:retention", 0, -1)
    for member in members:
        redis.zincrby("{hakam:demo}:retention", -days * DAY_MS, member)


def told(redis: Redis) -> None:
    """Let the site have heard all decisions."""
    redis.delete("{hakam:demo}:outbox")
    records: Any = redis.hgetall("{hakam:demo}:items")
    for item_id, record in records.items():
        known = json.loads(record)
        known.pop("undelivered", None)
        redis.hset("{hakam:demo}:items", item_id, json.dumps(known))


def words_in_redis(redis: Redis) -> str:
    return json.dumps(redis.hgetall("{hakam:demo}:texts"), ensure_ascii=False)


def test_the_text_of_a_decided_item_goes_after_the_sites_retention_period(
    queue: ReviewQueue, stream: DecisionStream, retention: Retention, redis: Redis
) -> None:
    item_id = enqueue(queue)
    made = decide(queue)
    told(redis)
    age(redis, 29)
    assert retention.sweep() == 0
    assert stream.read("demo")[0].comment is not None
    age(redis, 1)
    assert retention.sweep() == 2, "the item and the author's counts"
    assert words_in_redis(redis) == "{}"
    [kept] = stream.read("demo")
    assert (made.note, made.reply) == (NOTE, REPLY)
    assert kept == replace(made, comment=None, note="", reply="", content_digest="")
    with pytest.raises(ItemNotFound):
        queue.item("demo", item_id)
    assert queue.author("demo", "reader-7").n_rejected == 0


def test_no_word_that_anybody_wrote_stands_in_the_stream(queue: ReviewQueue, redis: Redis) -> None:
    enqueue(queue)
    made = decide(queue)
    queue.undo("demo", made.item_id, "amal", "undo")
    lease = queue.lease("demo", "amal")
    assert lease is not None
    queue.escalate("demo", lease.item.id, lease.token, NOTE)
    chosen = {enqueue(queue, 2): 1}
    draft = Decision("approve", note=NOTE, reply=REPLY, moderator="amal", request_id="bulk")
    assert decide_many(queue, chosen, draft)[0].reply == REPLY
    stream = str(redis.xrange("{hakam:demo}:decisions"))
    for words in (TEXT, NOTE, REPLY):
        assert words not in stream
        assert words in words_in_redis(redis)


def test_what_the_site_has_not_heard_is_kept_without_its_text(
    queue: ReviewQueue, retention: Retention, redis: Redis
) -> None:
    item_id = enqueue(queue)
    decide(queue)
    age(redis, 31)
    retention.sweep()
    assert words_in_redis(redis) == "{}"
    assert queue.item("demo", item_id).state == "decided"
    assert queue.stats("demo").outbox == 1
    told(redis)
    age(redis, 31)
    retention.sweep()
    with pytest.raises(ItemNotFound):
        queue.item("demo", item_id)


@pytest.mark.parametrize("before", ["never listened, in an older version", "listened"])
def test_where_nobody_listens_any_more_no_delivery_keeps_a_record(
    queue: ReviewQueue, stream: DecisionStream, retention: Retention, redis: Redis, before: str
) -> None:
    for number in (1, 2):
        enqueue(queue, number)
        decide(queue)
    site = "{hakam:demo}:site"
    delivery = stream.read("demo")[0]
    this = {"id": delivery.item_id, "delivery": delivery.id}
    Deliveries(redis, Sites(redis))._verbs("demo", "give_up", **this, failure="", patience_ms=0)
    assert (queue.stats("demo").outbox, queue.stats("demo").dead) == (1, 1)
    Sites(redis).update(replace(SITE, webhook_url=""))
    if before != "listened":
        redis.hdel(site, "listens")
    retention.sweep()
    assert (queue.stats("demo").outbox, queue.stats("demo").dead) == (0, 0)
    assert redis.hget(site, "listens") == "0"
    age(redis, 31)
    retention.sweep()
    assert redis.hlen("{hakam:demo}:items") == 0


def test_what_waits_for_a_decision_is_kept(
    queue: ReviewQueue, retention: Retention, redis: Redis
) -> None:
    enqueue(queue)
    decide(queue)
    enqueue(queue, text="تعليق معدل")  # "an edited comment"
    age(redis, 31)
    retention.sweep()
    assert TEXT not in words_in_redis(redis), "the decided version went"
    [item] = queue.waiting("demo")
    assert item.comment.text == "تعليق معدل"


def listed_kinds(redis: Redis) -> set[str]:
    """Of what there are lists of decisions."""
    members: Any = redis.zrange("{hakam:demo}:listed", 0, -1)
    return {member[0] for member in members}


def test_a_withdrawn_comment_and_a_bulk_leave_nothing_behind(
    queue: ReviewQueue, retention: Retention, redis: Redis
) -> None:
    enqueue(queue, 1)
    queue.withdraw("demo", "c-1")
    item_id = enqueue(queue, 2)
    decide_many(queue, {item_id: 1}, Decision("approve", moderator="a", request_id="b"))
    told(redis)
    age(redis, 31)
    retention.sweep()
    names: Any = redis.keys("{hakam:demo}:*")
    assert set(names) == {
        f"{{hakam:demo}}:{key}"
        for key in ("decisions", "figures", "listed", "shifts", "site", "trail")
    }
    assert listed_kinds(redis) == {"m"}, "the lists of moderators, as long as the stream"


def test_the_note_on_an_earlier_version_goes_with_its_text(
    queue: ReviewQueue, stream: DecisionStream, redis: Redis
) -> None:
    item_id = enqueue(queue)
    decide(queue)
    queue.undo("demo", item_id, "amal", "undo")
    assert NOTE in words_in_redis(redis)
    enqueue(queue, text="غيره")  # "another one"
    assert NOTE not in words_in_redis(redis)
    assert stream.read("demo")[0].note == ""


def test_judgements_on_known_answers_leave_no_trace_of_the_author(
    queue: ReviewQueue, retention: Retention, redis: Redis
) -> None:
    known = Comment(id="known", text=TEXT, author_id="reader-7")
    arriving.enqueue(queue, "demo", known, VERDICT, scores={}, known_action="reject")
    enqueue(queue, author_id="")
    lease = queue.lease("demo", "amal", known_answer_share=1.0)
    assert lease is not None
    draft = Decision("reject", moderator="amal", request_id="r")
    queue.decide("demo", lease.item.id, lease.token, draft)
    members: Any = redis.zrange("{hakam:demo}:retention", 0, -1)
    assert members == [f"item:{lease.item.id}:1"]


def test_a_restored_decision_shortens_no_time_that_an_authors_counts_are_kept(
    queue: ReviewQueue, stream: DecisionStream, retention: Retention, redis: Redis
) -> None:
    enqueue(queue, 1)
    learned = decide(queue).to_labeled_comment("demo")
    assert learned is not None
    redis.flushall()
    retention._sites.add(Site("demo", retention_days=30))
    retention.sweep()
    enqueue(queue, 2)
    decide(queue)
    old = datetime.now(UTC) - timedelta(days=40)
    assert stream.rebuild("demo", [replace(learned, decided_at=old.isoformat())]) == 1
    retention.sweep()
    assert queue.author("demo", "reader-7").n_rejected == 2


def test_an_appeal_leaves_nothing_behind_either(
    queue: ReviewQueue, retention: Retention, redis: Redis
) -> None:
    enqueue(queue)
    made = decide(queue)
    item_id = queue.appeal("demo", made.id, "تظلم").item_id  # "an appeal"
    decide_many(queue, {item_id: 1}, Decision("approve", moderator="b", request_id="b"))
    told(redis)
    age(redis, 31)
    retention.sweep()
    names: Any = redis.keys("{hakam:demo}:*")
    assert set(names) == {
        f"{{hakam:demo}}:{key}"
        for key in ("decisions", "figures", "listed", "shifts", "site", "trail")
    }
    assert listed_kinds(redis) == {"m"}, "the lists of moderators, as long as the stream"


def test_an_appeal_after_the_text_went_is_refused_in_words(
    queue: ReviewQueue, retention: Retention, redis: Redis
) -> None:
    enqueue(queue)
    made = decide(queue)
    age(redis, 31)
    retention.sweep()
    with pytest.raises(Conflict, match="deleted"):
        queue.appeal("demo", made.id, "")


def test_an_erasure_removes_all_a_person_wrote_and_leaves_tombstones(
    queue: ReviewQueue, stream: DecisionStream, retention: Retention, redis: Redis
) -> None:
    for number in range(3):
        enqueue(queue, number)
    made = decide(queue)
    enqueue(queue, 8, author_id="reader-8", author_name="", text="غيره")  # "somebody else's"
    enqueue(
        queue,
        9,
        author_id="reader-9",
        author_name="",
        text="رد",
        parent_id="c-1",  # "an answer"
        parent_text=TEXT,
    )
    queue.appeal("demo", made.id, "تظلم")  # "an appeal"
    erased = retention.erase("demo", "reader-7")
    assert (erased.n_items, erased.n_answers) == (4, 1)
    left = words_in_redis(redis)
    assert not any(word in left for word in (TEXT, "قارئ", NOTE, REPLY, "تظلم", "reader-7"))
    assert {item.comment.id for item in queue.waiting("demo")} == {"c-8", "c-9"}
    entries = stream.read("demo")
    assert [entry.kind for entry in entries] == ["decision"] + ["erasure"] * 4
    assert all(entry.to_labeled_comment("demo") is None for entry in entries)
    assert queue.author("demo", "reader-7").n_rejected == 0
    assert DecisionStream(redis).verify("demo").n_entries == 5
    assert retention.erase("demo", "reader-7").n_items == 0


def test_a_decision_about_an_erased_text_is_not_taken_back(
    queue: ReviewQueue, retention: Retention
) -> None:
    enqueue(queue)
    item_id = decide(queue).item_id
    retention.erase("demo", "reader-7")
    with pytest.raises(Conflict, match="deleted"):
        queue.undo("demo", item_id, "amal", "undo-1")
    assert queue.stats("demo").pending == 0, "nobody is to judge what nobody can read"


def test_an_erasure_removes_known_answers_and_the_copies_that_people_were_given(
    queue: ReviewQueue, retention: Retention, redis: Redis
) -> None:
    known = Comment(id="known", text=TEXT, author_id="reader-7", author_name="قارئ")
    arriving.enqueue(queue, "demo", known, VERDICT, scores={}, known_action="reject")
    enqueue(queue, author_id="reader-8", author_name="", text="غيره")  # "somebody else's"
    assert queue.lease("demo", "amal", known_answer_share=1.0) is not None
    assert retention.erase("demo", "reader-7").n_items == 2
    assert TEXT not in words_in_redis(redis)
    lease = queue.lease("demo", "basma", known_answer_share=1.0)
    assert lease is not None
    assert lease.item.comment.id == "c-1"


def test_an_erased_item_leaves_no_note_of_who_may_not_have_it(
    queue: ReviewQueue, retention: Retention, redis: Redis
) -> None:
    known = Comment(id="known", text=TEXT, author_id="reader-7")
    arriving.enqueue(queue, "demo", known, VERDICT, scores={}, known_action="reject")
    enqueue(queue)
    lease = queue.lease("demo", "amal", known_answer_share=1.0)
    assert lease is not None
    other = enqueue(queue, 8, author_id="reader-8")
    lease = queue.lease("demo", "basma", author_id="reader-8")
    assert lease is not None
    queue.skip("demo", other, lease.token)
    retention.erase("demo", "reader-7")
    assert redis.zrange("{hakam:demo}:barred", 0, -1) == [f"{other}basma"]


def test_after_an_erasure_the_words_are_gone_from_the_disk(
    queue: ReviewQueue, retention: Retention, redis: Redis
) -> None:
    folder: Any = redis.config_get("dir")["dir"]

    def on_disk() -> bool:
        from pathlib import Path

        files = [path for path in Path(folder).rglob("*aof*") if path.is_file()]
        return any(TEXT.encode() in path.read_bytes() for path in files)

    enqueue(queue)
    assert on_disk()
    assert retention.erase("demo", "reader-7").left_disk
    assert not on_disk()


def test_an_erasure_says_when_redis_may_still_hold_the_words_on_its_disk(
    queue: ReviewQueue, retention: Retention, redis: Redis
) -> None:
    enqueue(queue)
    client: Any = redis
    client.execute_command("ACL", "SETUSER", "default", "-bgrewriteaof")
    try:
        erased = retention.erase("demo", "reader-7")
    finally:
        client.execute_command("ACL", "SETUSER", "default", "+bgrewriteaof")
    assert (erased.n_items, erased.left_disk) == (1, False)
    assert TEXT not in words_in_redis(redis)


def test_an_erasure_takes_nothing_of_others_whose_ids_hold_the_same_letters(
    queue: ReviewQueue, retention: Retention
) -> None:
    letters = facet("author_id", "reader-7")
    for comment_id in (letters, f"a {letters} b", f"l1 {letters}\n"):
        others = Comment(id=comment_id, text=TEXT, author_id="reader-8", article_id=letters)
        arriving.enqueue(queue, "demo", others, VERDICT, scores={})
    assert retention.erase("demo", "reader-7").n_items == 0
    assert len(queue.waiting("demo")) == 3


def test_an_erasure_takes_nothing_of_others_whose_digest_is_the_same(
    queue: ReviewQueue, retention: Retention, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same(kind: str, value: str) -> str:
        return "u12345678" if kind == "author_id" else facet(kind, value)

    monkeypatch.setattr("service.queue.encoding.facet", same)
    monkeypatch.setattr("service.queue.retention.facet", same)
    enqueue(queue, 1)
    enqueue(queue, 2, author_id="reader-8")
    assert retention.erase("demo", "reader-7").n_items == 1
    [left] = queue.waiting("demo")
    assert left.comment.author_id == "reader-8"


@pytest.mark.parametrize("known", [True, False])
def test_a_clock_that_jumps_ahead_has_not_all_forgotten_at_once(
    queue: ReviewQueue, stream: DecisionStream, retention: Retention, redis: Redis, known: bool
) -> None:
    """A clock a year ahead is one to which all was decided, and swept, a year ago."""
    for number in range(8):
        enqueue(queue, number)
        decide(queue)
    told(redis)
    age(redis, 365)
    if known:
        redis.hincrby("{hakam:demo}:site", "swept", -365 * DAY_MS)
    else:
        redis.hdel("{hakam:demo}:site", "swept")
    for _ in range(2):
        with pytest.raises(NotForgotten, match="9 of 9 records of demo"):
            retention.sweep()
    assert len(stream.read("demo")) == sum(d.comment is not None for d in stream.history("demo"))
    assert retention.sweep(force=True) == 9
    assert words_in_redis(redis) == "{}"


def test_a_sweep_after_a_long_pause_forgets_what_is_due_of_much(
    queue: ReviewQueue, retention: Retention, redis: Redis
) -> None:
    enqueue(queue, 0, author_id="")
    decide(queue)
    told(redis)
    age(redis, 31)
    for number in range(1, 8):
        enqueue(queue, number)
        decide(queue)
    redis.hincrby("{hakam:demo}:site", "swept", -3 * DAY_MS)
    assert retention.sweep() == 1


def test_the_sweep_of_many_items_goes_page_by_page(
    queue: ReviewQueue, retention: Retention, redis: Redis
) -> None:
    for number in range(30):
        enqueue(queue, number)
    chosen = {item.id: 1 for item in queue.waiting("demo")}
    decide_many(queue, chosen, Decision("approve", moderator="a", request_id="b"))
    told(redis)
    age(redis, 31)
    assert retention.sweep() == 34
    assert redis.hlen("{hakam:demo}:items") == 0
