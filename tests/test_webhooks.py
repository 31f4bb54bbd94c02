"""Sites are told every decision: signed, at least once, in order per comment, never dropped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from redis import Redis
from standardwebhooks import Webhook

from conftest import await_condition
from service import webhooks
from service.policy import Verdict
from service.review_queue import Comment, Decision, ReviewQueue
from service.sites import Site, Sites
from service.webhooks import BACK_OFF_SECONDS, JITTER, Deliveries

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


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            endpoint.told.append((dict(self.headers), body))
            self.send_response(endpoint.status)
            self.send_header("location", endpoint.url + "elsewhere")
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
def queue(redis: Redis) -> ReviewQueue:
    return ReviewQueue(redis)


@pytest.fixture
def deliveries(redis: Redis, endpoint: Endpoint) -> Deliveries:
    sites = Sites(redis)
    sites.add(Site("demo", webhook_url=endpoint.url, webhook_secret=SECRET))
    return Deliveries(redis, sites)


def decide(queue: ReviewQueue, number: int = 1, text: str = "") -> Decision:
    # "a comment"
    comment = Comment(id=f"c-{number}", text=text or "تعليق")
    queue.enqueue("demo", comment, VERDICT, scores={})
    lease = queue.lease("demo", "amal")
    assert lease is not None
    draft = Decision("reject", ("insult",), "insult", "", "amal", f"request-{lease.token}")
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


def test_a_delivery_whose_process_died_is_made_again(
    queue: ReviewQueue,
    deliveries: Deliveries,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhooks, "HOLD_SECONDS", 0.0)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    decide(queue)
    with monkeypatch.context() as dying:
        dying.setattr(deliveries, "_settle", die)
        with pytest.raises(KeyboardInterrupt):
            deliveries.deliver_once()
    assert deliveries.deliver_once() == 1
    first, second = (headers["webhook-id"] for headers, _ in endpoint.told)
    assert first == second


def test_an_unusable_secret_or_address_fails_the_delivery_only(
    queue: ReviewQueue, redis: Redis, endpoint: Endpoint, deliveries: Deliveries
) -> None:
    decide(queue)
    Sites(redis).update(Site("demo", webhook_url=endpoint.url, webhook_secret="whsec_a"))
    assert deliveries.deliver_once() == 1
    nowhere = Site("demo", webhook_url="http://127.0.0.1:1/", webhook_secret=SECRET)
    Sites(redis).update(nowhere)
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
