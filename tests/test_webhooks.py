"""Sites are told every decision: signed, at least once, in order per comment, never dropped."""

from __future__ import annotations

import json
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import httpx
import jsonschema
import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from standardwebhooks import Webhook

from conftest import await_condition, deliver_once, n_due
from service.console.vocabulary import FAILURE_NAMES
from service.delivery import http, scheduling, webhooks
from service.delivery.http import is_public
from service.delivery.scheduling import Scheduler
from service.delivery.webhooks import BACK_OFF_SECONDS, JITTER, RESULTS, Deliveries
from service.queue.records import item_id_of
from service.queue.retention import Retention
from service.queue.review_queue import Comment, Decision, ReviewQueue
from service.rules.policy import Verdict
from service.run.private_redis import PrivateRedis
from service.sites.sites import Site, Sites

RETRY_AFTER_SECONDS = 300
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")


@dataclass
class Endpoint:
    """A site's web server: keeps what it is told, answers with `status`."""

    url: str = ""
    status: int = 204
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    peers: list[tuple[str, int]] = field(default_factory=list)

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.told]


@contextmanager
def answering() -> Iterator[Endpoint]:
    """Run a site's web server."""
    endpoint = Endpoint()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:  # its sender was killed: a site takes nothing from half a body
                self.close_connection = True
                return
            endpoint.told.append((dict(self.headers), body))
            endpoint.peers.append(self.client_address)
            self.send_response(endpoint.status)
            self.send_header("location", endpoint.url + "elsewhere")
            self.send_header("retry-after", str(RETRY_AFTER_SECONDS))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        endpoint.url = f"http://127.0.0.1:{server.server_port}/"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield endpoint
        server.shutdown()
        thread.join()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with answering() as endpoint:
        yield endpoint


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
    queue.enqueue(site_id, comment, VERDICT, scores={})
    lease = queue.lease(site_id, "amal")
    assert lease is not None
    draft = Decision(
        "reject", ("insult",), "insult", "", "amal", f"request-{lease.token}", reply=reply
    )
    return queue.decide(site_id, lease.item.id, lease.token, draft)


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
    queue.decide_bulk("demo", {item_id: 1}, draft)
    queue.undo_bulk("demo", "bulk", "basma", "undo-bulk")
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
    queue.decide_bulk("demo", {item_id_of("c-2"): 1}, bulk)
    queue.undo_bulk("demo", "bulk", "amal", "undo")
    queue.withdraw("demo", "c-2")
    decide(queue, 3, reply="نرجو اللطف")
    Retention(redis, Sites(redis)).erase("demo", "reader-3")
    decide(queue, 4)
    queue.approve("demo", Comment(id="c-4", text="شكرا"), VERDICT)  # "thanks"
    queue.reject("demo", Comment(id="c-5", text="تعليق"), VERDICT, scores={})
    known = Comment(id="known", text="معلوم")
    queue.enqueue("demo", known, VERDICT, scores={}, known_action="reject")
    blind = Comment(id="c-6", text="تعليق", author_name="اسم")  # "a comment", "a name"
    queue.enqueue(
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
    decide(queue)
    deliver_once(deliveries)
    assert "تعليق" not in endpoint.told[0][1].decode()


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
        assert queue.approve("demo", edited, VERDICT).version == 2
    else:
        verb = queue.enqueue if edit == "flagged" else queue.reject
        assert verb("demo", edited, VERDICT, scores={}).version == 2
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
    assert failure in FAILURE_NAMES


def test_every_reason_of_a_failure_has_words_for_people() -> None:
    assert {words for _, words in http.REASONS} <= set(FAILURE_NAMES)


def test_a_site_without_a_webhook_keeps_its_outbox(
    queue: ReviewQueue, redis: Redis, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    decide(queue)
    site = Sites(redis).get("demo")
    Sites(redis).update(replace(site, webhook_url=""))
    assert deliver_once(deliveries) == 0
    Sites(redis).update(site)
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
    site = Sites(redis).get("demo")
    port = endpoint.url.split(":")[2]
    decide(queue)
    for name in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"):
        url = f"http://{name}:{port}"
        Sites(redis).update(replace(site, webhook_url=url, webhook_private=False))
        make_due(redis)
        assert deliver_once(deliveries) == 1
        assert "private" in deliveries.endpoint("demo").failure, name
    assert endpoint.told == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2002:7f00:1::",
        "2002:5db8:d822::1",
        "192.0.0.9",
        "192.0.0.192",
        "192.88.99.1",
        "192.31.196.1",
        "192.52.193.1",
        "192.175.48.1",
        "198.18.0.1",
        "203.0.113.7",
        "168.63.129.16",
        "240.0.0.1",
        "::127.0.0.1",
        "::10.0.0.1",
        "::93.184.216.34",
        "::ffff:0:127.0.0.1",
        "::ffff:192.0.0.192",
        "64:ff9b::7f00:1",
        "64:ff9b::c000:c0",
        "64:ff9b:1::a00:1",
        "2001:0:a00:1::1",
        "2001:0:5db8:d822::1",
        "2001:2::1",
        "2001:20::1",
        "2001:db8::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "100::1",
        "fec0::1",
        "feff::1",
        "fd00:ec2::254",
    ],
)
def test_private_addresses_of_every_kind_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "192.0.1.1",
        "192.88.98.1",
        "2606:2800:220:1::1",
        "2001:4860:4860::8888",
        "2a00:1450::1",
        "64:ff9b::5db8:d822",
        "::ffff:93.184.216.34",
    ],
)
def test_public_addresses_may_be_called(address: str) -> None:
    assert is_public(address)


def test_the_connection_goes_to_the_address_that_was_checked(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A name that leads to a public address when it is checked, and to this machine afterwards.
    answers = iter(["93.184.216.34", "127.0.0.1"])

    def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", (next(answers), 80))]

    asked: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(204)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with httpx.Client(transport=httpx.MockTransport(keep)) as client:
        http.post(client, "https://news.example:8443/hook", "{}", {})
    [request] = asked
    assert request.url.host == "93.184.216.34"
    assert request.headers["host"] == "news.example:8443"
    assert request.extensions["sni_hostname"] == "news.example"


# One deadline for the whole request


@dataclass
class Drip:
    """A server that says something now and then and never comes to an end."""

    begins: bytes
    port: int = 0
    n_open: int = 0
    n_over: int = 0
    n_most: int = 0  # at a time

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def dripping(begins: bytes, drop: bytes = b"a") -> Iterator[Drip]:
    stop = Event()
    drip = Drip(begins)

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.sendall(begins)
            while not stop.wait(0.02):
                client.sendall(drop)
        drip.n_over += 1

    def accept() -> None:
        with suppress(OSError):
            while not stop.is_set():
                client, _ = server.accept()
                drip.n_open += 1
                drip.n_most = max(drip.n_most, drip.n_open - drip.n_over)
                threads.append(Thread(target=serve, args=(client,)))
                threads[-1].start()

    threads: list[Thread] = []
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        drip.port = server.getsockname()[1]
        accepting = Thread(target=accept)
        accepting.start()
        try:
            yield drip
        finally:
            stop.set()
            server.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                thread.join()


@pytest.mark.parametrize(
    ("begins", "drop"),
    [
        (b"", b""),  # silence
        (b"HTTP/1.1 200", b"O"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_is_over_in_time_whatever_the_server_does(
    monkeypatch: pytest.MonkeyPatch, scheme: str, begins: bytes, drop: bytes
) -> None:
    monkeypatch.setattr(http, "TIMEOUT_SECONDS", 0.3)
    with dripping(begins, drop) as drip, http.client() as client:
        address = drip.url.replace("http", scheme)
        with pytest.raises(httpx.HTTPError) as failure:
            http.post(client, address, "{}", {}, allow_private=True, max_answer_bytes=100_000)
    if scheme == "http":
        assert http.reason(failure.value) == "no answer in time"


def test_no_connection_serves_two_requests_because_it_was_made_for_one_name(
    endpoint: Endpoint,
) -> None:
    with http.client() as client:
        for _ in range(3):
            assert http.post(client, endpoint.url, "{}", {}, allow_private=True).is_success
    assert len({port for _, port in endpoint.peers}) == 3


def test_the_certificates_of_authorities_are_read_once_in_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = []
    monkeypatch.setattr(
        ssl.SSLContext, "load_verify_locations", lambda *places, **_: read.append(places)
    )
    for _ in range(3):
        http.client().close()
    assert len(read) <= 1


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
    assert deliveries.counts() == dict.fromkeys(RESULTS, 0)
    decide(queue, 1)
    deliver_once(deliveries)
    endpoint.status = 500
    decide(queue, 2)
    give_up(deliveries, redis)
    elsewhere = Deliveries(redis, Sites(redis))
    assert elsewhere.counts() == {"delivered": 1, "failed": len(BACK_OFF_SECONDS), "dead": 1}


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


# Whose turn it is


class Served:
    """Sites that take a while, and what was done for them at a time."""

    def __init__(self, *names: str, doubtful: bool = False) -> None:
        self.sites = [Site(name) for name in names]
        self.doubtful = doubtful
        self.release = Event()
        self.two_are_busy = Event()
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.lock = Lock()

    def serve(self, site: Site) -> bool:
        with self.lock:
            self.now[site.id] += 1
            self.now["all"] = sum(n for name, n in self.now.items() if name != "all")
            self.most |= self.now
        if self.now["busy"] > 1:
            self.two_are_busy.set()
        if self.done["busy"]:  # one thread waits until a look has brought it a second one
            self.two_are_busy.wait()
        if site.id.startswith("slow"):
            self.release.wait()
        with self.lock:
            self.now[site.id] -= 1
            self.done[site.id] += 1
        return not site.id.startswith("slow")

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = Event()
        due = {site.id: (10**6, site.id == "fast" or not self.doubtful) for site in self.sites}
        made = Scheduler(lambda: self.sites, lambda site: due[site.id], self.serve, lambda: None)
        thread = Thread(target=made.run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            self.release.set()
            self.two_are_busy.set()
            thread.join()


def test_a_thousand_hanging_sites_that_never_answered_well_leave_threads_to_the_others() -> None:
    served = Served(*(f"slow-{number}" for number in range(1_000)), "fast", doubtful=True)
    with served.running():
        await_condition(
            lambda: served.now["all"] >= scheduling.N_THREADS // 2, what="the slow ones"
        )
        before = served.done["fast"]
        await_condition(lambda: served.done["fast"] > before, what="the fast one")
        assert sum(served.done.values()) == served.done["fast"], "no slow one has ended"
    slow = [n for name, n in served.most.items() if name.startswith("slow")]
    assert len(slow) == scheduling.N_THREADS // 2
    assert set(slow) == {1}


def test_a_site_with_any_number_of_deliveries_due_has_a_few_threads_and_yields_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduling, "N_THREADS", 2)
    monkeypatch.setattr(scheduling, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(scheduling, "POLL_SECONDS", 0.0)
    served = Served("busy-1", "busy-2", "busy-3")
    with served.running():
        await_condition(lambda: len(served.done) == 3, what="a turn for each")
        once = Counter(served.done)
        await_condition(
            lambda: all(n > once[name] for name, n in served.done.copy().items()), what="and again"
        )
    assert served.most["all"] <= 2


def test_a_site_that_answers_well_gets_more_threads_up_to_its_share() -> None:
    served = Served("busy")
    with served.running():
        await_condition(lambda: served.most["busy"] > 1, what="a second thread")
        await_condition(lambda: served.done["busy"] > 1_000, what="many deliveries")
    assert served.most["busy"] <= scheduling.N_PER_SITE


def test_a_failing_site_rests_twice_as_long_each_time_up_to_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduling, "monotonic", lambda: 0.0)
    state = scheduling._State(n_allowed=4)
    rests = []
    for _ in range(12):
        state.note(well=False)
        rests.append(state.rests_until)
    assert rests[:4] == [0.5, 1.0, 2.0, 4.0]
    assert rests[-1] == scheduling.MAX_REST_SECONDS
    assert state.n_allowed == 1
    state.note(well=True)
    assert (state.n_failures, state.n_allowed) == (0, 2)
