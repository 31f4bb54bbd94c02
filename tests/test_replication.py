"""What is acknowledged is on as many replicas as were asked for, whatever fails over."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from arriving import enqueue
from redis import Redis
from redis_groups import Group, running
from test_review_queue_faults import Own, impatient
from test_review_queue_faults import own as own  # noqa: PLC0414 - a fixture

from conftest import await_condition
from service.accounts.accounts import Accounts
from service.accounts.login_limits import LoginLimits
from service.errors import StoreLost, StoreUnavailable
from service.queue import arrivals
from service.queue.clock import ClockWatch
from service.queue.decisions import DecisionStream
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import connect
from service.store.durability import KEY, MARK, Durability, rewrite_file
from service.store.replication import may_write
from service.store.scripts import read_script

pytestmark = pytest.mark.slow

VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")
GIVEN_UP_SECONDS = 6.0  # after which Redis gave up a hand-over that it was asked for


@pytest.fixture(scope="module", params=["sentinel", "cluster"])
def group(request: pytest.FixtureRequest) -> Iterator[Group]:
    with running(request.param) as group:
        yield group


@pytest.fixture
def whole(group: Group) -> Group:
    for server in group.servers:
        server.go_on()
    group.await_whole()
    return group


@pytest.fixture
def client(whole: Group) -> Iterator[Redis]:
    """A client as the service has it, but more patient than a request may be."""
    with connect(whole.url, 3.0, n_replicas=1) as redis:
        yield redis


def comment() -> Comment:
    return Comment(f"c-{random.getrandbits(64)}", "text")


def test_every_part_of_the_service_works_on_servers_that_fail_over(client: Redis) -> None:
    queue, accounts = ReviewQueue(client), Accounts(client)
    Durability(client).check()
    made = enqueue(queue, "demo", comment(), VERDICT, scores={})
    lease = queue.lease("demo", "amal")
    assert lease is not None
    draft = Decision("approve", moderator="amal", request_id=made.item_id)
    decision = queue.decide("demo", lease.item.id, lease.token, draft)
    assert decision.id in {one.id for one in DecisionStream(client).history("demo")}
    name = f"amal{random.getrandbits(32)}"
    accounts.add(name, "a password that is long", "admin")
    assert accounts.get(name) is not None
    LoginLimits(client, "{hakam:accounts}:failures").attempt(name, "127.0.0.1")
    site = f"s{random.getrandbits(32)}"
    Sites(client).add(Site(site))
    assert site in {one.id for one in Sites(client).list()}
    ClockWatch(client, Sites(client)).look()
    assert rewrite_file(client)


def test_a_write_that_no_replica_has_is_not_acknowledged_and_neither_is_its_repetition(
    whole: Group,
) -> None:
    with connect(whole.url, n_replicas=1) as redis:
        queue, one = ReviewQueue(redis), comment()
        enqueue(queue, "demo", comment(), VERDICT, scores={})
        replicas = whole.replicas()
        for replica in replicas:
            replica.pause()
        try:
            for _ in range(2):  # the second finds it done
                with pytest.raises(StoreUnavailable, match="misses replicas"):
                    enqueue(queue, "demo", one, VERDICT, scores={})
            assert queue.stats("demo").pending >= 1, "what asks only is answered"
        finally:
            for replica in replicas:
                replica.go_on()
        assert await_condition(lambda: enqueued(queue, one), what="the replicas") == "pending"


def enqueued(queue: ReviewQueue, one: Comment) -> str:
    with suppress(StoreUnavailable):
        return enqueue(queue, "demo", one, VERDICT, scores={}).state
    return ""


@pytest.mark.parametrize("fault", ["killed", "paused", "handed over"])
def test_after_a_failover_the_service_goes_on_by_itself_and_nothing_was_lost(
    whole: Group, tmp_path: Path, fault: str
) -> None:
    with connect(whole.url, n_replicas=1) as redis:
        queue, durability = ReviewQueue(redis), Durability(redis, tmp_path / "store")
        made = enqueue(queue, "demo", comment(), VERDICT, scores={})
        durability.check()
        before = whole.primary()
        assert before is not None
        if fault == "killed":
            before.kill()
        elif fault == "paused":
            before.pause()
        asked_at = float("-inf")

        def another() -> bool:
            nonlocal asked_at
            if fault == "handed over" and monotonic() - asked_at > GIVEN_UP_SECONDS:
                whole.fail_over()
                asked_at = monotonic()
            now = whole.primary()
            return bool(now) and now is not before

        await_condition(another, what="another", seconds=60.0)
        if fault == "killed":
            before.start()
        before.go_on()
        await_condition(lambda: enqueued(queue, comment()), what="work", seconds=60.0)
        await_condition(lambda: is_whole(durability), what="no loss", seconds=60.0)
        assert queue.item("demo", made.item_id).comment.text == "text"


def is_whole(durability: Durability) -> bool:
    with suppress(StoreUnavailable):  # a loss is one as well, and ends the waiting only in vain
        durability.check()
        return True
    return False


def test_a_primary_that_is_behind_its_mark_has_lost_something_on_any_node(
    client: Redis, tmp_path: Path
) -> None:
    file = tmp_path / "store"
    Durability(client, file).check()
    lines = file.read_text().splitlines()
    for number in range(len(lines)):
        place, _, mark = lines[number].rpartition(" ")
        ahead = [*lines]
        ahead[number] = f"{place} {int(mark) + 1_000_000}"
        (tmp_path / "other").write_text("\n".join(ahead))
        for ask in (Durability.check, Durability.expect):
            with pytest.raises(StoreLost, match="between"):
                ask(Durability(client, tmp_path / "other"))
    Durability(client, tmp_path / "other").accept()
    Durability(client, tmp_path / "other").check()


def test_an_emptied_node_is_noticed_until_the_loss_is_accepted(
    client: Redis, whole: Group, tmp_path: Path
) -> None:
    file = tmp_path / "store"
    Durability(client, file).check()
    for server in [one for one in whole.servers if one.leads]:
        server.ask("FLUSHALL")
        with pytest.raises(StoreLost):
            Durability(client, file).check()
        Durability(client, file).accept()
        Durability(client, file).check()


def test_a_server_that_became_a_replica_is_left_at_once(own: Own) -> None:
    with connect(own.url) as redis, impatient(own.url, 5.0) as other:
        pool: Any = redis.connection_pool
        redis.set("x", 1)
        (connection,) = pool._available_connections
        assert connection.is_connected
        other.replicaof("127.0.0.1", 1)
        with pytest.raises(StoreUnavailable, match="it is a replica"):
            enqueue(ReviewQueue(redis), "demo", comment(), VERDICT, scores={})
        assert not connection.is_connected, "the next one asks anew where the primary is"


def test_of_commands_sent_together_none_counts_as_done_where_no_replica_has_them(own: Own) -> None:
    with connect(own.url, 3.0, n_replicas=1) as redis:
        for last in (("SET", "y", 1), ("INCR", "text")):
            with redis.pipeline(transaction=False) as line:
                line.execute_command("SET", "text", "no number")
                line.execute_command(*last)
                *_, told = line.execute(raise_on_error=False)
            assert "NOREPLICAS" in str(told)
        queue = ReviewQueue(redis)
        judged = [arrivals.enqueue("demo", comment(), VERDICT, scores={}) for _ in range(3)]
        for _ in range(2):  # also once the server knows the script
            found = queue.take_in("demo", judged)
            assert all(isinstance(one, StoreUnavailable) for one in found)
            assert "misses replicas" in str(found[0])


def test_every_command_that_may_write_waits_and_no_script_that_only_reads(own: Own) -> None:
    with impatient(own.url, 5.0) as redis:
        known: Any = redis.command()
    for name, facts in known.items():
        if "write" in facts["flags"]:
            assert may_write((name, "key")), name
    assert not any(
        may_write((name, "key")) for name in ("GET", "hgetall", "XRANGE", "CLUSTER SLOTS")
    )
    for verb, writes in (("stats", False), ("waiting", False), ("decide", True), ("lease", True)):
        script = read_script("queue", verb)
        assert may_write(("EVALSHA", script.digest, 1, "key")) is writes
        assert may_write(("EVAL", script.text, 1, "key")) is writes


def test_the_mark_of_a_single_server_is_kept_as_before(own: Own, tmp_path: Path) -> None:
    with connect(own.url) as redis:
        Durability(redis, tmp_path / "store").check()
        assert (tmp_path / "store").read_text() == f"{redis.get(KEY)} {redis.get(MARK)}"
