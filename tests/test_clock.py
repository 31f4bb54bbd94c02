"""Somebody sets the clock of Redis while the service runs; nothing waits longer or ends sooner."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import arriving
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NoConnection

from conftest import RedisServer, await_condition, free_port, hakam, n_due
from service.delivery.webhooks import Deliveries
from service.errors import LeaseLost
from service.queue.clock import ClockWatch
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.scripts import Verbs

HOUR, DAY = 3_600, 86_400
VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")
SITE = Site(
    "demo",
    webhook_url="https://a.example/",
    webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
)
OUTBOX, LEASES, BARRED = (f"{{hakam:demo}}:{key}" for key in ("outbox", "leases", "barred"))


def _library() -> Path:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        pytest.skip("this machine lacks libfaketime (Debian: apt-get install libfaketime)")
    return found[0]


@dataclass
class Clock:
    """A Redis whose clock can be set."""

    redis: Any
    file: Path
    ahead: int = 0

    def jump(self, seconds: int) -> None:
        """Set the clock of Redis forward, or back."""
        self.ahead += seconds
        before = self.time()
        new = self.file.with_suffix(".new")
        new.write_text(f"{self.ahead:+d}\n")
        new.replace(self.file)
        await_condition(lambda: abs(self.time() - before) > abs(seconds) / 2, what="the jump")

    def time(self) -> float:
        seconds, microseconds = self.redis.time()
        return float(seconds) + float(microseconds) / 1e6


@pytest.fixture
def clock(tmp_path: Path, redis_server: RedisServer) -> Iterator[Clock]:
    file, port = tmp_path / "faketime", free_port()
    file.write_text("+0\n")
    server = subprocess.Popen(
        [redis_server.executable, "--port", str(port), "--save", "", "--bind", "127.0.0.1"],
        env={
            # The C library before jemalloc, whose allocator asks the time while libfaketime starts.
            "LD_PRELOAD": f"{_library()}:libc.so.6",
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        with Redis(port=port, decode_responses=True) as redis:

            def answers() -> bool:
                try:
                    return bool(redis.ping())
                except NoConnection:
                    return False

            await_condition(answers, what="an answer of Redis")
            Sites(redis).add(SITE)
            yield Clock(redis, file)
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def watch(clock: Clock) -> ClockWatch:
    watch = ClockWatch(clock.redis, Sites(clock.redis))
    watch.look()
    return watch


@pytest.fixture
def queue(clock: Clock) -> ReviewQueue:
    return ReviewQueue(clock.redis)


def enqueue(queue: ReviewQueue, number: int = 1) -> str:
    return arriving.enqueue(
        queue, "demo", Comment(f"c-{number}", "كلام"), VERDICT, scores={}
    ).item_id


def decide(queue: ReviewQueue) -> None:
    lease = queue.lease("demo", "amal")
    assert lease is not None
    draft = Decision("reject", ("insult",), moderator="amal", request_id=f"r-{lease.item.id}")
    queue.decide("demo", lease.item.id, lease.token, draft)


def left(clock: Clock, key: str) -> float:
    """Seconds until the first of a line is due."""
    [(_, due)] = clock.redis.zrange(key, 0, 0, withscores=True)
    return float(due) / 1000 - clock.time()


def test_what_is_due_now_is_due_now_after_the_clock_was_set_back(
    clock: Clock, watch: ClockWatch, queue: ReviewQueue
) -> None:
    enqueue(queue)
    decide(queue)
    deliveries = Deliveries(clock.redis, Sites(clock.redis))
    clock.jump(-2 * HOUR)
    assert n_due(deliveries) == 0
    watch.look()
    assert n_due(deliveries) == 1


@pytest.mark.parametrize("seconds", [-2 * HOUR, -30, 30, DAY])
def test_a_delivery_to_be_tried_again_waits_as_long_as_was_meant(
    clock: Clock, watch: ClockWatch, queue: ReviewQueue, seconds: int
) -> None:
    enqueue(queue)
    decide(queue)
    Verbs(clock.redis, "delivery")("demo", "claim", hold_ms=60_000)
    clock.jump(seconds)
    watch.look()
    assert 0 < left(clock, OUTBOX) <= 60


@pytest.mark.parametrize("seconds", [-2 * HOUR, -30, 30, DAY])
def test_a_lease_lasts_as_long_as_was_meant(
    clock: Clock, watch: ClockWatch, queue: ReviewQueue, seconds: int
) -> None:
    enqueue(queue)
    lease = queue.lease("demo", "amal")
    assert lease is not None
    clock.jump(seconds)
    watch.look()
    assert 0 < left(clock, LEASES) <= 600
    assert queue.lease("demo", "badr") is None
    assert queue.held("demo")[0].due_at > 0
    renewed = queue.renew("demo", lease.item.id, lease.token)
    assert 0 < renewed.expires_at - clock.time() <= 600
    clock.jump(601)  # which nobody looks at: as if the time had passed
    with pytest.raises(LeaseLost):
        queue.renew("demo", lease.item.id, lease.token)


def test_a_skipped_item_comes_back_after_the_time_that_was_meant(
    clock: Clock, watch: ClockWatch, queue: ReviewQueue
) -> None:
    enqueue(queue)
    lease = queue.lease("demo", "amal")
    assert lease is not None
    queue.skip("demo", lease.item.id, lease.token)
    clock.redis.zadd(BARRED, {"for good": "+inf"})
    clock.jump(-2 * HOUR)
    watch.look()
    assert 0 < left(clock, BARRED) <= 1_800
    assert clock.redis.zscore(BARRED, "for good") == float("inf")


def test_two_processes_that_see_one_jump_move_what_is_due_once(
    clock: Clock, watch: ClockWatch, queue: ReviewQueue
) -> None:
    second = ClockWatch(clock.redis, Sites(clock.redis))
    second.look()
    enqueue(queue)
    queue.lease("demo", "amal")
    for seconds in (-2 * HOUR, 2 * HOUR):
        clock.jump(seconds)
        watch.look()
        second.look()
        assert 0 < left(clock, LEASES) <= 600


def test_a_clock_that_nobody_sets_moves_nothing(
    clock: Clock, watch: ClockWatch, queue: ReviewQueue
) -> None:
    enqueue(queue)
    queue.lease("demo", "amal")
    before = clock.redis.zrange(LEASES, 0, -1, withscores=True)
    watch.look()
    ClockWatch(clock.redis, Sites(clock.redis)).look()  # a process that was started just now
    assert clock.redis.zrange(LEASES, 0, -1, withscores=True) == before


def test_a_site_whose_data_are_damaged_keeps_no_other_from_being_moved(
    clock: Clock, watch: ClockWatch, queue: ReviewQueue
) -> None:
    Sites(clock.redis).add(Site("a-damaged-one"))
    clock.redis.set("{hakam:a-damaged-one}:leases", "no line")
    enqueue(queue)
    queue.lease("demo", "amal")
    clock.jump(-2 * HOUR)
    watch.look()
    assert 0 < left(clock, LEASES) <= 600


@pytest.mark.slow
def test_the_background_work_notices_that_the_clock_was_set(
    clock: Clock, queue: ReviewQueue, tmp_path: Path
) -> None:
    def n_asked() -> int:
        return int(clock.redis.info("commandstats").get("cmdstat_time", {"calls": 0})["calls"])

    enqueue(queue)
    queue.lease("demo", "amal")
    before = n_asked()
    port = clock.redis.connection_pool.connection_kwargs["port"]
    told = hakam(
        "background",
        environ={"HAKAM_REDIS_URL": f"redis://127.0.0.1:{port}", "HAKAM_VAR": str(tmp_path)},
    )
    try:
        await_condition(lambda: n_asked() > before + 2, what="a look at the clock")
        clock.jump(-2 * HOUR)
        await_condition(lambda: 0 < left(clock, LEASES) <= 600, what="the lease")
    finally:
        told.terminate()
        told.wait()
