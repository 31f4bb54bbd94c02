"""What a Cluster refuses while it is moved or down: named as such, and nothing half-written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from arriving import enqueue
from redis import Redis
from redis_groups import PASSWORD, ClusterOfThree, Server, running
from test_replication import VERDICT, comment, enqueued

from conftest import await_condition
from service.errors import StoreUnavailable
from service.queue.decisions import DecisionStream
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.store.connect import connect
from service.store.scripts import site_keys

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ITEMS = "{hakam:demo}:items"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterOfThree]:
    with running("cluster") as cluster:
        yield cluster


@pytest.fixture
def client(cluster: ClusterOfThree) -> Iterator[Redis]:
    """A client as the service has it, but more patient than a request may be."""
    cluster.await_whole()
    with connect(cluster.url, 3.0, n_replicas=1) as redis:
        yield redis


@pytest.fixture
def queue(client: Redis) -> ReviewQueue:
    """A queue with a comment that waits and one that is decided."""
    queue = ReviewQueue(client)
    enqueue(queue, "demo", comment(), VERDICT, scores={})
    lease = queue.lease("demo", "amal")
    assert lease is not None
    draft = Decision("approve", moderator="amal", request_id=lease.item.id)
    queue.decide("demo", lease.item.id, lease.token, draft)
    enqueue(queue, "demo", comment(), VERDICT, scores={})
    return queue


def refused(queue: ReviewQueue, one: Comment) -> str:
    """What is said where a comment is not taken."""
    with pytest.raises(StoreUnavailable) as refusal:
        enqueue(queue, "demo", one, VERDICT, scores={})
    return str(refusal.value)


def stored(*servers: Server) -> dict[str, str]:
    """Every key of the site that is on these servers, as Redis writes it down."""
    found: dict[str, str] = {}
    for server in servers:
        # Bytes as letters; one connection, which is asked for what is on its way here as well.
        letters: dict[str, Any] = {"encoding": "latin-1", "decode_responses": True}
        with Redis(port=server.port, password=PASSWORD, **letters) as redis:
            for name in redis.execute_command("CLUSTER", "GETKEYSINSLOT", slot(server), 100):
                if name in site_keys("demo"):
                    redis.execute_command("ASKING")
                    found[name] = str(redis.execute_command("DUMP", name))
    return found


def slot(server: Server) -> int:
    return int(server.ask("CLUSTER", "KEYSLOT", ITEMS))


def move(source: Server, target: Server, n_most: int) -> int:
    """Move up to so many keys of the site; return how many there were."""
    names = source.ask("CLUSTER", "GETKEYSINSLOT", slot(source), n_most)
    if names:
        place = ("127.0.0.1", target.port, "", 0, 5000, "AUTH", PASSWORD, "KEYS")
        assert source.ask("MIGRATE", *place, *names) == "OK"
    return len(names)


def test_while_a_site_is_moved_to_another_node_nothing_is_half_written_and_then_all_is_there(
    cluster: ClusterOfThree, client: Redis, queue: ReviewQueue
) -> None:
    source = cluster.primary()
    assert source is not None
    target = next(one for one in cluster.servers if one.leads and one is not source)
    ids = {one.port: one.ask("CLUSTER", "MYID") for one in (source, target)}
    one, number = comment(), slot(source)
    n_items = client.hlen(ITEMS)
    chain = DecisionStream(client).verify("demo").n_entries
    target.ask("CLUSTER", "SETSLOT", number, "IMPORTING", ids[source.port])
    source.ask("CLUSTER", "SETSLOT", number, "MIGRATING", ids[target.port])
    assert "is moving what it holds to another node" in refused(queue, one)
    move(source, target, 5)
    before = stored(source, target)
    assert "is moving what it holds to another node" in refused(queue, one)
    assert stored(source, target) == before
    while move(source, target, 10):
        pass
    for server in (target, source):
        assert server.ask("CLUSTER", "SETSLOT", number, "NODE", ids[target.port])
    await_condition(lambda: enqueued(queue, one), what="the comment, which the client sends again")
    assert cluster.primary() is target
    assert client.hlen(ITEMS) == n_items + 1
    assert DecisionStream(client).verify("demo").n_entries == chain


def test_a_cluster_that_is_down_refuses_and_is_said_to_be_down(
    cluster: ClusterOfThree, client: Redis, queue: ReviewQueue
) -> None:
    source, one = cluster.primary(), comment()
    assert source is not None
    other = next(server for server in cluster.servers if server.leads and server is not source)
    (replica,) = [server for server in cluster.servers if _follows(server, other)]
    for server in cluster.servers:
        server.ask("CONFIG", "SET", "cluster-require-full-coverage", "yes")
    before = stored(source)
    other.kill()
    replica.kill()
    try:
        down = lambda: "cluster_state:fail" in str(source.ask("CLUSTER", "INFO"))  # noqa: E731
        await_condition(down, what="the end of the Cluster", seconds=60.0)
        assert "is a Cluster that is down" in refused(queue, one)
    finally:
        other.start()
        replica.start()
        for server in cluster.servers:
            server.ask("CONFIG", "SET", "cluster-require-full-coverage", "no")
    cluster.await_whole()
    assert stored(source) == before
    await_condition(lambda: enqueued(queue, one), what="the comment", seconds=60.0)


def _follows(server: Server, leader: Server) -> bool:
    role = server.role()
    return bool(role) and role[0] == "slave" and int(role[2]) == leader.port


def test_a_node_whose_address_is_that_of_a_single_server_is_called_what_it_is(
    cluster: ClusterOfThree,
) -> None:
    cluster.await_whole()
    wrong = next(one for one in cluster.servers if one.leads and one is not cluster.primary())
    with connect(f"redis://:{PASSWORD}@127.0.0.1:{wrong.port}/0", 3.0) as redis:
        assert "is a node of a Cluster" in refused(ReviewQueue(redis), comment())
