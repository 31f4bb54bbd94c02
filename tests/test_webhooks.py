"""Sites are told every decision: signed, at least once, in order per comment, never dropped."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from redis import Redis
from standardwebhooks import Webhook

from conftest import await_condition
from service import outbound, webhooks
from service.outbound import is_public
from service.policy import Verdict
from service.retention import Retention
from service.review_queue import Comment, Decision, ReviewQueue
from service.sites import Site, Sites
from service.webhooks import BACK_OFF_SECONDS, JITTER, Deliveries

RETRY_AFTER_SECONDS = 300
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")


@dataclass
class Endpoint:
    """A site's web server: keeps what it is told, answers with `status`."""

    url: str = ""
    status: int = 204
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.told]


@contextmanager
def answering() -> Iterator[Endpoint]:
    """Run a site's web server."""
    endpoint = Endpoint()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            endpoint.told.append((dict(self.headers), body))
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


def decide(queue: ReviewQueue, number: int = 1, text: str = "", reply: str = "") -> Decision:
    # "a comment"
    comment = Comment(id=f"c-{number}", text=text or "تعليق", author_id=f"reader-{number}")
    queue.enqueue("demo", comment, VERDICT, scores={})
    lease = queue.lease("demo", "amal")
    assert lease is not None
    draft = Decision(
        "reject", ("insult",), "insult", "", "amal", f"request-{lease.token}", reply=reply
    )
    return queue.decide("demo", lease.item.id, lease.token, draft)


def make_due(redis: Redis) -> None:
    """Let the time of the next attempt come."""
    waiting: Any = redis.zrange("{hakam:demo}:outbox", 0, -1)
    for item_id in waiting:
        redis.zadd("{hakam:demo}:outbox", {item_id: 0})


def test_a_decision_reaches_the_site_signed(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    decision = decide(queue)
    assert deliveries.due() == 1
    assert deliveries.deliver_once() == 1
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
    }
    assert (deliveries.due(), queue.stats("demo").outbox) == (0, 0)


def test_a_reply_reaches_the_site_with_its_decision_unless_it_was_erased(
    queue: ReviewQueue, deliveries: Deliveries, redis: Redis, endpoint: Endpoint
) -> None:
    reply = "نرجو اللطف"  # "please be kind"
    decisions = [decide(queue, number, reply=reply) for number in (1, 2)]
    queue.undo("demo", decisions[0].item_id, "amal", "undo")
    Retention(redis, Sites(redis)).erase("demo", "reader-2")
    deliveries.deliver_once()
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


def test_a_delivery_holds_no_word_of_the_comment(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    decide(queue)
    deliveries.deliver_once()
    assert "تعليق" not in endpoint.told[0][1].decode()


def test_a_retry_carries_the_same_id_and_waits(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    endpoint.status = 500
    decide(queue)
    assert deliveries.deliver_once() == 1
    assert (deliveries.due(), deliveries.deliver_once()) == (0, 0)
    endpoint.status = 200
    make_due(redis)
    assert deliveries.deliver_once() == 1
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
        assert deliveries.deliver_once() == 1
    make_due(redis)
    assert deliveries.deliver_once() == 0
    stats = queue.stats("demo")
    assert (stats.outbox, stats.dead) == (0, 1)


def test_the_decisions_on_one_comment_are_told_in_order(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    endpoint.status = 500
    decide(queue)
    deliveries.deliver_once()
    decide(queue, text="تعليق معدل")  # "an edited comment"
    assert deliveries.deliver_once() == 0, "the second waits for the first"
    endpoint.status = 200
    make_due(redis)
    assert deliveries.deliver_once() == 2
    assert [body["data"]["version"] for body in endpoint.bodies()] == [1, 1, 2]


def test_a_redirect_is_a_failure(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    endpoint.status = 307
    decide(queue)
    deliveries.deliver_once()
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

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    decide(queue)
    with monkeypatch.context() as dying:
        dying.setattr(deliveries, step, die)
        with pytest.raises(KeyboardInterrupt):
            deliveries.deliver_once()
    assert deliveries.deliver_once() == 1
    assert len({headers["webhook-id"] for headers, _ in endpoint.told}) == 1
    assert queue.stats("demo").outbox == 0


def test_an_unusable_secret_or_address_fails_the_delivery_only(
    queue: ReviewQueue, redis: Redis, endpoint: Endpoint, deliveries: Deliveries
) -> None:
    decide(queue)
    site = Sites(redis).get("demo")
    Sites(redis).update(replace(site, webhook_secret="whsec_a"))
    assert deliveries.deliver_once() == 1
    Sites(redis).update(replace(site, webhook_url="http://127.0.0.1:1/"))
    make_due(redis)
    assert deliveries.deliver_once() == 1
    Sites(redis).update(replace(site, webhook_url="http://a..b/"))
    make_due(redis)
    assert deliveries.deliver_once() == 1
    assert queue.stats("demo").outbox == 1


def test_a_site_without_a_webhook_keeps_its_outbox(
    queue: ReviewQueue, redis: Redis, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    decide(queue)
    site = Sites(redis).get("demo")
    Sites(redis).update(replace(site, webhook_url=""))
    assert deliveries.deliver_once() == 0
    Sites(redis).update(site)
    assert deliveries.deliver_once() == 1


def test_undoing_a_decision_is_told_after_it(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    decision = decide(queue)
    queue.undo("demo", decision.item_id, "amal", "undo-1")
    assert deliveries.deliver_once() == 2
    first, second = endpoint.bodies()
    assert (first["type"], second["type"]) == ("decision.recorded", "decision.undone")
    assert second["data"]["undoes"] == first["data"]["decision_id"]


def give_up(deliveries: Deliveries, redis: Redis) -> None:
    for _ in range(len(BACK_OFF_SECONDS) + 1):
        make_due(redis)
        deliveries.deliver_once()


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
    assert deliveries.deliver_once() == 1
    assert endpoint.bodies()[0]["data"]["decision_id"] == decision.id
    assert deliveries.dead_letters("demo") == []
    assert queue.stats("demo").dead == 0


def test_a_replayed_letter_goes_before_later_decisions_on_the_comment(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    endpoint.status = 500
    decide(queue)
    give_up(deliveries, redis)
    decide(queue, text="تعليق معدل")  # "an edited comment"
    endpoint.status, endpoint.told = 200, []
    deliveries.replay("demo")
    deliveries.deliver_once()
    assert [body["data"]["version"] for body in endpoint.bodies()] == [1, 2]


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
    assert (deliveries.due(), deliveries.deliver_once()) == (0, 0)
    assert queue.stats("demo").outbox == 1, "nothing is dropped"
    endpoint.status = 200
    deliveries.enable("demo")
    assert deliveries.endpoint("demo") == webhooks.Endpoint()
    assert deliveries.deliver_once() == 1


def test_one_success_ends_the_failing(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    endpoint.status = 500
    decide(queue)
    deliveries.deliver_once()
    endpoint.status = 200
    make_due(redis)
    deliveries.deliver_once()
    assert deliveries.endpoint("demo") == webhooks.Endpoint()


def test_an_endpoint_that_says_it_is_gone_is_disabled_at_once(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    endpoint.status = 410
    decide(queue)
    deliveries.deliver_once()
    assert deliveries.endpoint("demo").disabled_at > 0
    assert queue.stats("demo").outbox == 1


def test_an_endpoint_that_asks_for_time_gets_it(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint, redis: Redis
) -> None:
    endpoint.status = 429
    decision = decide(queue)
    deliveries.deliver_once()
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
        assert deliveries.deliver_once() == 1
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
    ],
)
def test_private_addresses_of_every_kind_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
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
        outbound.post(client, "https://news.example:8443/hook", "{}", {})
    [request] = asked
    assert request.url.host == "93.184.216.34"
    assert request.headers["host"] == "news.example:8443"
    assert request.extensions["sni_hostname"] == "news.example"


def test_the_loop_delivers_as_decisions_come_in(
    queue: ReviewQueue, deliveries: Deliveries, endpoint: Endpoint
) -> None:
    stop = Event()
    loop = Thread(target=deliveries.run, args=(stop,))
    loop.start()
    try:
        for number in range(3):
            decide(queue, number)
        await_condition(lambda: len(endpoint.told) == 3, what="three deliveries")
    finally:
        stop.set()
        loop.join()
