"""Sites are told every decision: signed, at least once, in order per comment, never dropped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import jsonschema
import pytest
import structlog
from arriving import approve, enqueue, reject
from fake_sites import RETRY_AFTER_SECONDS, Endpoint, dripping
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from standardwebhooks import Webhook
from test_console import phrases
from test_group_decisions import decide_many, undo_many

from conftest import await_condition, deliver_once, n_due
from service.delivery import http, webhooks
from service.delivery.webhooks import BACK_OFF_SECONDS, JITTER, RESULTS, TOLD, Deliveries
from service.queue.records import Comment, Decision, item_id_of
from service.queue.reports import Reports
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.run.private_redis import PrivateRedis
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.slow

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")


@pytest.fixture
def queue(redis: Redis) -> ReviewQueue:
    return ReviewQueue(redis)


@pytest.fixture
def deliveries(redis: Redis, endpoint: Endpoint) -> Deliveries:
    sites = Sites(redis)
    site = Site("demo", webhook_url=endpoint.url, webhook_secret=SECRET, webhook_private=True)
    sites.add(site)
    return Deliveries(redis, sites)


def decide(
    queue: ReviewQueue, number: int = 1, text: str = "", reply: str = "", site_id: str = "demo"
) -> Decision:
    # "a comment"
    comment = Comment(id=f"c-{number}", text=text or "تعليق", author_id=f"reader-{number}")
    enqueue(queue, site_id, comment, VERDICT, scores={})
    lease = queue.lease(site_id, "amal")
    assert lease is not None
    draft = Decision(
        "reject", ("insult",), "insult", "", "amal", f"request-{lease.token}", reply=reply
    )
    return queue.decide(site_id, lease.item.id, lease.token, draft)


def report(redis: Redis, number: int) -> None:
    """Let a reader report the comment that `decide` decides."""
    Reports(redis).add(
        Sites(redis).get("demo"),
        Comment(id=f"c-{number}", text="تعليق", author_id=f"reader-{number}"),  # "a comment"
        replace(VERDICT, reason="reported"),
        reason="insult",
        reporter="a reader",
        contact="reader@example.com",
        scores={},
        author_scores=None,
        evidence=(),
        sentence=(),
    )


def make_due(redis: Redis) -> None:
    """Let the time of the next attempt come."""
    waiting: Any = redis.zrange("{hakam:demo}:outbox", 0, -1)
    for item_id in waiting:
        redis.zadd("{hakam:demo}:outbox", {item_id: 0})


def test_a_decision_reaches_the_site_signed(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    decision = decide(queue)
    assert n_due(deliveries) == 1
    assert deliver_once(deliveries) == 1
    [(headers, body)] = endpoint.told
    told = Webhook(SECRET).verify(body, headers)
    assert told["type"] == "decision.recorded"
    message = told["data"].pop("author_message")
    assert "Reason: Insult" in message["en"]
    assert told["data"] == {
        "decision_id": decision.id,
        "comment_id": "c-1",
        "item_id": decision.item_id,
        "version": 1,
        "action": "reject",
        "labels": ["insult"],
        "reason": "insult",
        "source": "moderator",
        "content_digest": decision.content_digest,
    }
    assert (n_due(deliveries), queue.stats("demo").outbox) == (0, 0)


def test_a_reply_reaches_the_site_with_its_decision_unless_it_was_erased(
    queue: ReviewQueue, deliveries: Deliveries, redis: Redis, endpoint: Endpoint
) -> None:
    reply = "نرجو اللطف"  # "please be kind"
    decisions = [decide(queue, number, reply=reply) for number in (1, 2)]
    queue.undo("demo", decisions[0].item_id, "amal", "undo")
    Retention(redis, Sites(redis)).erase("demo", "reader-2")
    deliver_once(deliveries)
    told = {
        (body["type"], body["data"]["comment_id"]): body["data"].get("reply")
        for body in endpoint.bodies()
    }
    assert told == {
        ("decision.recorded", "c-1"): reply,
        ("decision.undone", "c-1"): None,
        ("decision.recorded", "c-2"): None,
    }


@pytest.mark.parametrize("interface", ["webhook", "Coral"])
def test_what_is_to_be_told_starts_when_the_site_gets_somebody_who_listens(
    queue: ReviewQueue, redis: Redis, interface: str
) -> None:
    silent = Site("demo", webhook_secret=SECRET)
    Sites(redis).add(silent)
    undone = decide(queue, 1)
    queue.undo("demo", undone.item_id, "amal", "undo")
    assert queue.stats("demo").outbox == 0
    listening = replace(silent, coral_url="https://coral.example/api/graphql", coral_token="t")
    if interface == "webhook":
        listening = replace(silent, webhook_url="https://news.example/hook")
    Sites(redis).update(listening)
    decide(queue, 2)
    assert queue.stats("demo").outbox == 1
    Sites(redis).update(silent)
    decide(queue, 3)
    assert queue.stats("demo").outbox == 1


def test_every_message_is_one_that_the_description_of_the_api_knows(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, app: Flask, redis: Redis
) -> None:
    described = app.test_client().get("/openapi.json").get_json()
    decision = decide(queue, 1, reply="نرجو اللطف")  # "please be kind"
    item_id = queue.appeal("demo", decision.id, "تظلم").item_id  # "an appeal"
    draft = Decision("approve", moderator="basma", request_id="bulk")
    decide_many(queue, {item_id: 1}, draft)
    undo_many(queue, "bulk", "basma", "undo-bulk")
    report(redis, 2)
    decide(queue, 2)
    deliver_once(deliveries)
    deliveries.probe(Sites(redis).get("demo"))
    messages = endpoint.bodies()
    assert {message["type"] for message in messages} == set(described["webhooks"])
    for message in messages:
        told = described["webhooks"][message["type"]]["post"]
        schema = told["requestBody"]["content"]["application/json"]["schema"]
        jsonschema.validate(message, schema | {"components": described["components"]})
        known = described["components"]["schemas"]["WebhookDecision"]["properties"]
        assert set(message["data"]) <= set(known)
        assert {one["name"] for one in told["parameters"]} == {
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
        }


def test_who_polls_learns_what_the_webhook_tells(
    queue: ReviewQueue,
    deliveries: Deliveries,
    endpoint: Endpoint,
    redis: Redis,
    client: FlaskClient,
) -> None:
    def act(moderator: str = "amal", action: str = "approve", **wishes: Any) -> Decision:
        lease = queue.lease("demo", moderator, **wishes)
        assert lease is not None
        draft = Decision(action, moderator=moderator, request_id=f"{moderator}-{lease.token}")
        return queue.decide("demo", lease.item.id, lease.token, draft)

    rejected = decide(queue, 1, reply="نرجو اللطف")  # "please be kind"
    queue.appeal("demo", rejected.id, "")
    assert act("basma").overturned
    queue.undo("demo", decide(queue, 2).item_id, "amal", "undo")
    bulk = Decision("reject", ("spam",), "spam", moderator="amal", request_id="bulk")
    decide_many(queue, {item_id_of("c-2"): 1}, bulk)
    undo_many(queue, "bulk", "amal", "undo")
    queue.withdraw("demo", "c-2")
    decide(queue, 3, reply="نرجو اللطف")
    Retention(redis, Sites(redis)).erase("demo", "reader-3")
    decide(queue, 4)
    approve(queue, "demo", Comment(id="c-4", text="شكرا"), VERDICT)  # "thanks"
    reject(queue, "demo", Comment(id="c-5", text="تعليق"), VERDICT, scores={})
    known = Comment(id="known", text="معلوم")
    enqueue(queue, "demo", known, VERDICT, scores={}, known_action="reject")
    blind = Comment(id="c-6", text="تعليق", author_name="اسم")  # "a comment", "a name"
    enqueue(
        queue,
        "demo",
        blind,
        replace(VERDICT, field="author.name"),
        scores={},
        second_opinion_share=1.0,
    )
    assert act("carim", known_answer_share=1.0).kind == "known_answer"
    assert act(action="reject").kind == "opinion"
    assert act("basma", action="reject").kind == "decision"

    while deliver_once(deliveries):
        pass
    headers = {"Authorization": f"Bearer {Sites(redis).rotate_key('demo')}"}
    lines = client.get("/v1/decisions", headers=headers).text.splitlines()
    polled = {line["decision_id"]: line for line in map(json.loads, lines)}
    told = {body["data"]["decision_id"]: body for body in endpoint.bodies()}
    assert list(polled) == sorted(told, key=lambda name: tuple(map(int, name.split("-"))))
    assert len(told) == 8
    for decision_id, body in told.items():
        line, data = polled[decision_id], body["data"]
        assert (line["type"], line["decided_at"]) == (body["type"], body["timestamp"])
        named = {label for label, share in line.pop("labels").items() if share == 1}
        assert named - {"toxicity"} == set(data.pop("labels"))
        assert {name: line.get(name) for name in data} == data
        assert "moderator" not in line
    assert sum("text" in line for line in polled.values()) == 2


def test_a_delivery_holds_no_word_of_the_comment(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    decide(queue, text="كلام فريد")  # "unique words"
    deliver_once(deliveries)
    assert "فريد" not in endpoint.told[0][1].decode()


def test_a_retry_carries_the_same_id_and_waits(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    endpoint.status = 500
    decide(queue)
    assert deliver_once(deliveries) == 1
    assert (n_due(deliveries), deliver_once(deliveries)) == (0, 0)
    endpoint.status = 200
    make_due(redis)
    assert deliver_once(deliveries) == 1
    first, second = endpoint.told
    assert first[0]["webhook-id"] == second[0]["webhook-id"]
    assert queue.stats("demo").outbox == 0


def test_retries_go_on_for_a_day_with_at_least_eight_attempts() -> None:
    assert sum(BACK_OFF_SECONDS) >= 86_400
    assert len(BACK_OFF_SECONDS) + 1 >= 8
    assert list(BACK_OFF_SECONDS) == sorted(BACK_OFF_SECONDS)
    assert JITTER > 0


def test_after_the_last_attempt_the_delivery_is_a_dead_letter(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    endpoint.status = 500
    decide(queue)
    for _ in range(len(BACK_OFF_SECONDS) + 1):
        make_due(redis)
        assert deliver_once(deliveries) == 1
    make_due(redis)
    assert deliver_once(deliveries) == 0
    stats = queue.stats("demo")
    assert (stats.outbox, stats.dead) == (0, 1)


def test_the_decisions_on_one_comment_are_told_in_order(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    endpoint.status = 500
    decide(queue)
    deliver_once(deliveries)
    queue.undo("demo", item_id_of("c-1"), "amal", "undo")
    assert deliver_once(deliveries) == 0, "the second waits for the first"
    endpoint.status = 200
    make_due(redis)
    assert deliver_once(deliveries) == 2
    assert [body["data"]["action"] for body in endpoint.bodies()] == ["reject", "reject", "undo"]


@pytest.mark.parametrize("edit", ["flagged", "clean", "rejected"])
@pytest.mark.parametrize("last", ["decision", "undo", "appeal", "dead letter"])
def test_what_was_decided_about_a_replaced_text_is_not_told(
    queue: ReviewQueue,
    deliveries: Deliveries,
    endpoint: Endpoint,
    redis: Redis,
    edit: str,
    last: str,
) -> None:
    made = decide(queue)
    if last == "undo":
        queue.undo("demo", made.item_id, "amal", "undo")
    elif last == "appeal":
        queue.appeal("demo", made.id, "")
        lease = queue.lease("demo", "basma")
        assert lease is not None
        draft = Decision("approve", moderator="basma", request_id="r")
        queue.decide("demo", lease.item.id, lease.token, draft)
    elif last == "dead letter":
        endpoint.status = 500
        give_up(deliveries, redis)
        endpoint.status, endpoint.told = 200, []
    edited = Comment(id="c-1", text="تعليق معدل", author_id="reader-1")  # "an edited comment"
    if edit == "clean":
        assert approve(queue, "demo", edited, VERDICT).version == 2
    else:
        verb = enqueue if edit == "flagged" else reject
        assert verb(queue, "demo", edited, VERDICT, scores={}).version == 2
    deliveries.replay("demo")
    assert deliver_once(deliveries) == 0
    assert endpoint.told == []
    assert (queue.stats("demo").outbox, queue.stats("demo").dead) == (0, 0)
    if edit == "flagged":
        decide(queue, text=edited.text)
        deliver_once(deliveries)
        assert [body["data"]["version"] for body in endpoint.bodies()] == [2]


def test_a_redirect_is_a_failure(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    endpoint.status = 307
    decide(queue)
    deliver_once(deliveries)
    assert len(endpoint.told) == 1
    assert queue.stats("demo").outbox == 1


@pytest.mark.parametrize("step", ["_send", "_settle"])
def test_a_delivery_whose_process_died_is_made_again(
    queue: ReviewQueue,
    deliveries: Deliveries,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    monkeypatch.setattr(webhooks, "HOLD_SECONDS", 0.0)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    decide(queue)
    with monkeypatch.context() as dying:
        dying.setattr(deliveries, step, die)
        with pytest.raises(KeyboardInterrupt):
            deliver_once(deliveries)
    assert deliver_once(deliveries) == 1
    assert len({headers["webhook-id"] for headers, _ in endpoint.told}) == 1
    assert queue.stats("demo").outbox == 0


def store(redis: Redis, site: Site) -> None:
    """Store a site past today's checks, as yesterday's looser ones would have."""
    redis.hset(f"{{hakam:{site.id}}}:site", "record", site.to_json())


@pytest.mark.parametrize(
    ("wish", "failure"),
    [
        ({"webhook_secret": "whsec_"}, "the secret cannot be used"),
        ({"webhook_secret": "whsec_a"}, "the secret cannot be used"),
        ({"webhook_secret": "whsec_!!!!"}, "the secret cannot be used"),
        ({"webhook_secret": "غير صالح"}, "the secret cannot be used"),  # "not valid"
        ({"webhook_url": "http://127.0.0.1:1/"}, "the connection was refused"),
        ({"webhook_url": "http://a..b/"}, "the address is not valid"),
        ({"webhook_url": "http://nowhere.invalid/"}, "the host is not known"),
        ({"webhook_url": "http://127.0.0.1:99999/"}, "the address is not valid"),
    ],
)
def test_an_unusable_secret_or_address_fails_the_delivery_only_and_says_why(
    queue: ReviewQueue,
    redis: Redis,
    deliveries: Deliveries,
    wish: dict[str, str],
    failure: str,
) -> None:
    decide(queue)
    store(redis, replace(Sites(redis).get("demo"), **wish))  # type: ignore[arg-type]
    assert deliver_once(deliveries) == 1
    assert deliveries.endpoint("demo").failure == failure
    assert deliveries.probe(Sites(redis).get("demo")) == failure
    assert queue.stats("demo").outbox == 1
    assert failure in set(phrases())


def test_every_reason_of_a_failure_has_words_for_people() -> None:
    assert {words for _, words in http.REASONS} <= set(phrases())


def test_a_site_without_a_webhook_keeps_its_outbox(
    queue: ReviewQueue, redis: Redis, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    decide(queue)
    site = Sites(redis).get("demo")
    Sites(redis).update(replace(site, webhook_url=""))
    assert deliver_once(deliveries) == 0
    Sites(redis).update(replace(site, revision=None))
    assert deliver_once(deliveries) == 1


def test_undoing_a_decision_is_told_after_it(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    decision = decide(queue)
    queue.undo("demo", decision.item_id, "amal", "undo-1")
    assert deliver_once(deliveries) == 2
    first, second = endpoint.bodies()
    assert (first["type"], second["type"]) == ("decision.recorded", "decision.undone")
    assert second["data"]["undoes"] == first["data"]["decision_id"]


def give_up(deliveries: Deliveries, redis: Redis) -> None:
    for _ in range(len(BACK_OFF_SECONDS) + 1):
        make_due(redis)
        deliver_once(deliveries)


def test_dead_letters_can_be_seen_and_replayed(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    endpoint.status = 500
    decision = decide(queue)
    give_up(deliveries, redis)
    [letter] = deliveries.dead_letters("demo")
    assert (letter.decision_id, letter.comment_id) == (decision.id, "c-1")
    assert letter.died_at >= decision.decided_at
    endpoint.status, endpoint.told = 200, []
    assert deliveries.replay("demo") == 1
    assert deliver_once(deliveries) == 1
    assert endpoint.bodies()[0]["data"]["decision_id"] == decision.id
    assert deliveries.dead_letters("demo") == []
    assert queue.stats("demo").dead == 0


def test_a_replayed_letter_goes_before_later_decisions_on_the_comment(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    endpoint.status = 500
    decision = decide(queue)
    give_up(deliveries, redis)
    queue.undo("demo", decision.item_id, "amal", "undo")
    endpoint.status, endpoint.told = 200, []
    deliveries.replay("demo")
    deliver_once(deliveries)
    assert [body["data"]["action"] for body in endpoint.bodies()] == ["reject", "undo"]


def test_an_endpoint_that_failed_for_a_day_is_disabled_until_somebody_enables_it(
    queue: ReviewQueue,
    deliveries: Deliveries,
    endpoint: Endpoint,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint.status = 500
    decide(queue)
    give_up(deliveries, redis)
    state = deliveries.endpoint("demo")
    assert state.failing_since > 0
    assert (state.failure, state.disabled_at) == ("status 500", 0)
    decide(queue, 2)
    monkeypatch.setattr(webhooks, "PATIENCE_SECONDS", 0.0)
    give_up(deliveries, redis)
    assert deliveries.endpoint("demo").disabled_at > 0
    decide(queue, 3)
    assert (n_due(deliveries), deliver_once(deliveries)) == (0, 0)
    assert queue.stats("demo").outbox == 1, "nothing is dropped"
    endpoint.status = 200
    deliveries.enable("demo")
    assert deliveries.endpoint("demo") == webhooks.Endpoint()
    assert deliver_once(deliveries) == 1


def test_only_a_site_that_took_its_last_delivery_is_known_to_be_well(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    site = Sites(redis).get("demo")
    decide(queue)
    assert deliveries._waiting(site) == (1, False)
    deliver_once(deliveries)
    assert deliveries._waiting(site) == (0, True)
    endpoint.status = 500
    decide(queue, 2)
    deliver_once(deliveries)
    assert deliveries._waiting(site) == (0, False)


def test_one_success_ends_the_failing(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    endpoint.status = 500
    decide(queue)
    deliver_once(deliveries)
    endpoint.status = 200
    make_due(redis)
    deliver_once(deliveries)
    assert deliveries.endpoint("demo") == webhooks.Endpoint()


def test_an_endpoint_that_says_it_is_gone_is_disabled_at_once(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    endpoint.status = 410
    decide(queue)
    deliver_once(deliveries)
    assert deliveries.endpoint("demo").disabled_at > 0
    assert queue.stats("demo").outbox == 1


def test_an_endpoint_that_asks_for_time_gets_it(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    endpoint.status = 429
    decision = decide(queue)
    deliver_once(deliveries)
    due_ms = redis.zscore("{hakam:demo}:outbox", decision.item_id)
    assert due_ms is not None
    assert due_ms / 1000 >= decision.decided_at + RETRY_AFTER_SECONDS


def test_an_address_in_a_private_network_is_refused_unless_the_site_allows_it(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    site = replace(Sites(redis).get("demo"), revision=None)
    port = endpoint.url.split(":")[2]
    decide(queue)
    for name in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"):
        url = f"http://{name}:{port}"
        Sites(redis).update(replace(site, webhook_url=url, webhook_private=False))
        make_due(redis)
        assert deliver_once(deliveries) == 1
        assert "private" in deliveries.endpoint("demo").failure, name
    assert endpoint.told == []


# The loop


@contextmanager
def running(deliveries: Deliveries) -> Iterator[Thread]:
    stop = Event()
    loop = Thread(target=deliveries.run, args=(stop,))
    loop.start()
    try:
        yield loop
    finally:
        stop.set()
        loop.join()


def test_the_loop_delivers_as_decisions_come_in(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    with running(deliveries):
        for number in range(3):
            decide(queue, number)
        await_condition(lambda: len(endpoint.told) == 3, what="three deliveries")


def test_a_site_is_told_while_the_server_of_another_drips(
    queue: ReviewQueue,
    deliveries: Deliveries,
    endpoint: Endpoint,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "TIMEOUT_SECONDS", 600.0)
    monkeypatch.setattr(webhooks, "DELIVERY_SECONDS", 600.0)
    n_slow = 20
    with running(deliveries), dripping(b"HTTP/1.1 200 OK\r\nX-Long: ") as drip:
        for number in range(n_slow):
            slow = Site(f"slow-{number}", webhook_url=drip.url, webhook_secret=SECRET)
            Sites(redis).add(replace(slow, webhook_private=True))
            for comment in range(3):
                decide(queue, comment, site_id=slow.id)
        await_condition(lambda: drip.n_open == n_slow, what="the slow requests")
        for number in range(5):
            decide(queue, number)
        await_condition(lambda: len(endpoint.told) == 5, what="the other site's deliveries")
        assert (drip.n_open, drip.n_over) == (n_slow, 0)


@pytest.mark.slow
def test_a_slow_server_has_one_request_at_a_time_until_it_has_answered_well(
    queue: ReviewQueue, deliveries: Deliveries, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dripping(b"HTTP/1.1 200 OK\r\nX-Long: ") as drip:
        Sites(redis).update(replace(Sites(redis).get("demo"), webhook_url=drip.url))
        monkeypatch.setattr(http, "TIMEOUT_SECONDS", 1.0)
        with running(deliveries):
            for number in range(10):
                decide(queue, number)
            await_condition(lambda: drip.n_over >= 2, what="the second failure")
        assert drip.n_most == 1
        assert deliveries.endpoint("demo").failure == "no answer in time"


def break_record(redis: Redis) -> None:
    client: Any = redis
    [item_id] = client.zrange("{hakam:bad}:outbox", 0, -1)
    redis.hset("{hakam:bad}:items", item_id, "nonsense")


def break_outbox(redis: Redis) -> None:
    redis.delete("{hakam:bad}:outbox")
    redis.set("{hakam:bad}:outbox", "nonsense")


def break_secret(redis: Redis) -> None:
    store(redis, replace(Sites(redis).get("bad"), webhook_secret="whsec_"))


def break_stream(redis: Redis) -> None:
    redis.delete("{hakam:bad}:decisions")


@pytest.mark.parametrize("damage", [break_record, break_outbox, break_secret, break_stream])
def test_what_is_wrong_with_one_site_is_that_site_s_alone(
    queue: ReviewQueue,
    deliveries: Deliveries,
    endpoint: Endpoint,
    redis: Redis,
    damage: Callable[[Redis], None],
) -> None:
    bad = Site("bad", webhook_url=endpoint.url, webhook_secret=SECRET, webhook_private=True)
    Sites(redis).add(bad)
    decide(queue, site_id="bad")
    damage(redis)
    with structlog.testing.capture_logs() as lines, running(deliveries) as loop:
        await_condition(lambda: any(line.get("site") == "bad" for line in lines), what="a failure")
        for number in range(3):
            decide(queue, number)
        await_condition(lambda: len(endpoint.told) == 3, what="the good site's deliveries")
        assert loop.is_alive()
    assert {body["data"]["comment_id"] for body in endpoint.bodies()} == {"c-0", "c-1", "c-2"}


def test_a_damaged_item_does_not_bar_the_others_of_its_site(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    decisions = [decide(queue, number) for number in range(3)]
    redis.hset("{hakam:demo}:items", decisions[0].item_id, "nonsense")
    redis.hdel("{hakam:demo}:items", decisions[1].item_id)
    with running(deliveries):
        await_condition(lambda: len(endpoint.told) == 1, what="the third delivery")
    assert endpoint.bodies()[0]["data"]["comment_id"] == "c-2"


def test_the_loop_waits_for_redis_and_goes_on(endpoint: Endpoint, tmp_path: Path) -> None:
    with PrivateRedis() as server:
        url = server.start(tmp_path)
        with Redis.from_url(url, decode_responses=True, socket_timeout=10.0) as redis:
            site = Site("demo", webhook_url=endpoint.url, webhook_secret=SECRET)
            Sites(redis).add(replace(site, webhook_private=True))
            queue = ReviewQueue(redis)
            deliveries = Deliveries(redis, Sites(redis))
            with structlog.testing.capture_logs() as lines, running(deliveries) as loop:
                decide(queue, 1)
                await_condition(lambda: len(endpoint.told) == 1, what="the first delivery")
                server.stop()
                waits = "deliveries_wait_for_store"
                await_condition(lambda: any(one["event"] == waits for one in lines), what="wait")
                server.start(tmp_path)
                decide(queue, 2)
                await_condition(lambda: len(endpoint.told) == 2, what="the second delivery")
                assert loop.is_alive()


def test_the_decisions_on_one_comment_reach_the_site_in_order_among_many_others(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    with running(deliveries):
        for number in range(40):
            decision = decide(queue, number)
            for again in range(3):
                queue.undo("demo", decision.item_id, "amal", f"undo-{number}-{again}")
                decision = decide(queue, number)
        await_condition(lambda: queue.stats("demo").outbox == 0, what="all deliveries")
    told: dict[str, list[tuple[int, ...]]] = {}
    for body in endpoint.bodies():
        place = tuple(map(int, body["data"]["decision_id"].split("-")))
        told.setdefault(body["data"]["comment_id"], []).append(place)
    assert all(places == sorted(set(places)) for places in told.values())
    assert sorted(map(len, told.values())) == [7] * 40


def test_a_failure_is_one_line_of_the_log_without_a_word_of_anybody(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    endpoint.status = 500
    decision = decide(queue, reply="نرجو اللطف")  # "please be kind"
    with structlog.testing.capture_logs() as lines:
        deliver_once(deliveries)
    assert lines == [
        {
            "event": "delivery",
            "log_level": "warning",
            "site": "demo",
            "delivery": decision.id,
            "attempt": 1,
            "result": "failed",
            "status": 500,
            "failure": "status 500",
            "places": None,
        }
    ]


def test_attempts_are_counted_by_their_result_for_all_processes(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    none = {(told, result): 0 for told in TOLD for result in RESULTS}
    assert deliveries.counts() == none
    decide(queue, 1)
    deliver_once(deliveries)
    endpoint.status = 500
    decide(queue, 2)
    give_up(deliveries, redis)
    elsewhere = Deliveries(redis, Sites(redis))
    of_webhook = {"delivered": 1, "failed": len(BACK_OFF_SECONDS), "dead": 1}
    assert elsewhere.counts() == none | {("webhook", result): n for result, n in of_webhook.items()}


def test_only_one_test_message_at_a_time_waits_for_its_answer(
    deliveries: Deliveries, redis: Redis
) -> None:
    with dripping(b"HTTP/1.1 200 OK\r\nX-Long: ") as drip:
        site = replace(Sites(redis).get("demo"), webhook_url=drip.url)
        said: list[str] = []
        waiting = Thread(target=lambda: said.append(deliveries.probe(site)))
        waiting.start()
        await_condition(lambda: drip.n_open == 1, what="the first test")
        assert deliveries.probe(site) == "another test waits for its answer"
    waiting.join()
    # Whether a server hangs up or resets depends on what it has read of the request by then.
    assert said in (["the connection broke off"], ["the answer is not HTTP"])
    assert deliveries.probe(site) == "the connection was refused"
