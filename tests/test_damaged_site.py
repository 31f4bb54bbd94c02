"""What is stored of one site is of a wrong kind; every loop over the sites does the others."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from arriving import enqueue
from click.testing import CliRunner
from flask.testing import FlaskClient
from redis import Redis

from service.cli.main import hakam
from service.delivery.webhooks import Deliveries
from service.errors import NotForgotten
from service.queue.decisions import DecisionStream
from service.queue.records import Comment, Decision
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.reports.verdict_counts import VerdictCounts
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.scripts import SITE_KEYS, site_key, site_keys

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")
HEARS = {"webhook_url": "http://127.0.0.1:9/", "webhook_secret": SECRET, "webhook_private": True}
DAMAGED, WHOLE = "a-first", "demo"  # sites come in the order of their ids
DAY_MS = 86_400_000


@pytest.fixture
def queue(redis: Redis) -> ReviewQueue:
    """Two sites, each with a decision that is to be told and one comment that waits."""
    queue = ReviewQueue(redis)
    for site_id in (DAMAGED, WHOLE):
        Sites(redis).add(Site(site_id, **HEARS))  # type: ignore[arg-type]
        for number in range(2):
            comment = Comment(f"c-{number}", "كلام", author_id="reader")
            enqueue(queue, site_id, comment, VERDICT, scores={})
        lease = queue.lease(site_id, "amal")
        assert lease is not None
        queue.decide(
            site_id,
            lease.item.id,
            lease.token,
            Decision("reject", moderator="amal", request_id="r"),
        )
    return queue


def damage(redis: Redis, key: str) -> None:
    redis.delete(name := site_keys(DAMAGED)[SITE_KEYS.index(key)])
    if key == "leases":
        redis.hset(name, "no", "line")
    else:
        redis.zadd(name, {"no": 1}) if key in ("items", "texts", "site") else redis.set(name, "no")


@pytest.fixture(params=SITE_KEYS)
def damaged(request: pytest.FixtureRequest, queue: ReviewQueue, redis: Redis) -> str:
    """The key of the first site that is of a wrong kind, one after the other."""
    damage(redis, request.param)
    return str(request.param)


def age(redis: Redis) -> None:
    line = site_keys(WHOLE)[SITE_KEYS.index("retention")]
    members: Any = redis.zrange(line, 0, -1)
    for member in members:
        redis.zincrby(line, -400 * DAY_MS, member)
    redis.delete(site_keys(WHOLE)[SITE_KEYS.index("outbox")])


def test_what_is_due_to_be_forgotten_of_the_others_is(damaged: str, redis: Redis) -> None:
    age(redis)
    with suppress(NotForgotten):  # where the key is one that the sweep needs
        Retention(redis, Sites(redis)).sweep(force=True)
    decided = [one for one in DecisionStream(redis).history(WHOLE) if one.kind == "decision"]
    assert [one.comment for one in decided] == [None]


def test_the_command_that_forgets_names_the_site_and_ends_with_a_status(
    queue: ReviewQueue, redis: Redis, environ: Mapping[str, str]
) -> None:
    damage(redis, "retention")
    age(redis)
    done = CliRunner().invoke(hakam, ["forget", "--force"], env=dict(environ))
    assert done.exit_code == 2
    assert f"cannot be worked with: {DAMAGED}." in done.output
    assert "Traceback" not in done.output


def test_what_fails_while_forgetting_is_forgotten_once_the_site_is_repaired(
    queue: ReviewQueue, redis: Redis
) -> None:
    age(redis)
    texts = site_keys(WHOLE)[SITE_KEYS.index("texts")]
    redis.rename(texts, f"{texts}:kept")
    redis.set(texts, "no")
    with pytest.raises(NotForgotten):
        Retention(redis, Sites(redis)).sweep(force=True)
    redis.rename(f"{texts}:kept", texts)
    Retention(redis, Sites(redis)).sweep(force=True)
    assert redis.hlen(texts) == 1  # of the comment that waits


def whole_is_told(redis: Redis) -> bool:
    """Deliver until the site that is not damaged is told, and say whether it was."""
    stop = Event()

    def take(request: httpx.Request) -> httpx.Response:
        if request.headers.get("webhook-id", "").startswith(f"{WHOLE}."):
            stop.set()
        return httpx.Response(204)

    client = httpx.Client(transport=httpx.MockTransport(take))
    thread = Thread(target=Deliveries(redis, Sites(redis), client).run, args=(stop,))
    thread.start()
    told = stop.wait(30.0)
    stop.set()
    thread.join()
    return told


def test_the_others_are_told_what_was_decided(damaged: str, redis: Redis) -> None:
    assert whole_is_told(redis)


def test_the_others_are_told_while_what_one_sites_coral_said_cannot_be_read(
    queue: ReviewQueue, redis: Redis
) -> None:
    sites = Sites(redis)
    coral = {"coral_url": "http://127.0.0.1:9/", "coral_token": "token"}
    sites.update(replace(sites.get(DAMAGED), **coral))  # type: ignore[arg-type]
    redis.set(site_key(DAMAGED, "coral"), "no")
    assert whole_is_told(redis)


def test_the_numbers_of_the_others_are_in_the_metrics(
    damaged: str, redis: Redis, client: FlaskClient
) -> None:
    numbers = client.get("/metrics").get_data(as_text=True)
    lines = dict(line.rsplit(" ", 1) for line in numbers.splitlines() if line[:1] != "#")
    assert float(lines["hakam_queue_pending"]) + float(lines["hakam_sites_unreadable"]) == 2.0


@pytest.mark.parametrize("key", ["decisions", "site"])
def test_the_chains_of_all_sites_are_checked_before_one_that_is_broken_is_named(
    queue: ReviewQueue, redis: Redis, environ: Mapping[str, str], key: str
) -> None:
    damage(redis, key)
    done = CliRunner().invoke(hakam, ["audit", "verify"], env=dict(environ))
    assert done.exit_code == 2
    assert f"\n{WHOLE}\t1\t" in f"\n{done.output}"
    assert f"What is stored of {DAMAGED} cannot be worked with." in done.output


def test_a_day_that_cannot_be_counted_on_counts_no_other_twice(redis: Redis) -> None:
    now = 86_400.0
    verdict_counts = VerdictCounts(redis, clock=lambda: now)
    redis.set(f"{{hakam:{DAMAGED}}}:verdicts:1970-01-02", "no")
    for site_id in (DAMAGED, WHOLE):
        verdict_counts.count(site_id, "approve", {}, None)
    for _ in range(3):
        verdict_counts.flush()
    assert verdict_counts.days(WHOLE, 1) == {"1970-01-02": {"action:approve": 1}}
