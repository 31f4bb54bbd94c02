"""The queue's own suite again, on a Redis Cluster of three nodes."""

from __future__ import annotations

import inspect
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import test_group_decisions
import test_listing
import test_review_queue
from redis import Redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisError

from conftest import await_condition, free_port, redis_servers
from service.queue.decisions import DecisionStream
from service.queue.group_decisions import GroupDecisions
from service.queue.listing import Listing
from service.queue.review_queue import ReviewQueue
from service.store.durability import Durability
from service.store.scripts import site_keys

pytestmark = pytest.mark.slow

N_NODES, N_SLOTS = 3, 16_384
HIGHEST_PORT = 65_535 - 10_000  # the nodes talk to each other on a port that is 10,000 higher


def node_port() -> int:
    return int(await_condition(lambda: (port := free_port()) <= HIGHEST_PORT and port, what="port"))


@pytest.fixture(scope="module")
def ports() -> Iterator[list[int]]:
    """The ports of three nodes that share the slots."""
    servers = redis_servers()
    executable = servers.get("path") or servers["embedded"]
    ports = [node_port() for _ in range(N_NODES)]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for port in ports:
            home = Path(folder) / str(port)
            home.mkdir()
            options = {
                "port": port,
                "bind": "127.0.0.1",
                "cluster-enabled": "yes",
                "dir": home,
                "appendonly": "yes",
                "appendfsync": "always",
                "maxmemory-policy": "noeviction",
                "save": "",
            }
            words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
            node = subprocess.Popen([executable, *words], stdout=subprocess.DEVNULL)
            stack.callback(node.wait)
            stack.callback(node.kill)
        clients: list[Any] = [
            stack.enter_context(Redis(port=port, decode_responses=True)) for port in ports
        ]
        for place, client in enumerate(clients):
            await_condition(lambda c=client: answers(c), what="a node")  # type: ignore[misc]
            slots = range(N_SLOTS * place // N_NODES, N_SLOTS * (place + 1) // N_NODES)
            client.execute_command("CLUSTER", "ADDSLOTS", *slots)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0])
        for client in clients:
            await_condition(lambda c=client: joined(c), what="the cluster")  # type: ignore[misc]
        yield ports


def answers(client: Redis) -> bool:
    with suppress(RedisError):
        return bool(client.ping())
    return False


def joined(client: Any) -> bool:
    state: Any = client.execute_command("CLUSTER", "INFO")
    known = (
        state
        if isinstance(state, dict)
        else dict(line.split(":", 1) for line in state.split("\r\n") if ":" in line)
    )
    return known["cluster_state"] == "ok" and int(known["cluster_known_nodes"]) == N_NODES


@pytest.fixture(scope="module")
def cluster(ports: list[int]) -> Iterator[Any]:
    nodes: list[Any] = [ClusterNode("127.0.0.1", port) for port in ports]  # type: ignore[no-untyped-call]
    with RedisCluster(startup_nodes=nodes, decode_responses=True) as client:
        yield client


@pytest.fixture
def queue(cluster: Any) -> ReviewQueue:
    cluster.flushall(target_nodes=RedisCluster.PRIMARIES)
    return ReviewQueue(cluster)


@pytest.fixture
def stream(cluster: Any) -> DecisionStream:
    return DecisionStream(cluster)


@pytest.fixture
def listing(cluster: Any) -> Listing:
    return Listing(cluster)


@pytest.fixture
def groups(cluster: Any) -> GroupDecisions:
    return GroupDecisions(cluster)


@pytest.fixture
def hasty(queue: ReviewQueue, cluster: Any) -> ReviewQueue:
    return ReviewQueue(cluster, lease_seconds=0.02)


def test_the_sites_live_on_different_nodes_and_each_on_one(cluster: Any) -> None:
    nodes = {
        site: {cluster.get_node_from_key(key).port for key in site_keys(site)}
        for site in ("demo", "north", "south", "east", "west", "coast")
    }
    assert all(len(ports) == 1 for ports in nodes.values())
    assert len(set.union(*nodes.values())) > 1


def test_the_nodes_keep_what_they_acknowledge(cluster: Any) -> None:
    Durability(cluster).check()


for suite in (test_review_queue, test_listing, test_group_decisions):
    for name, test in vars(suite).items():
        needs = set(inspect.signature(test).parameters) if name.startswith("test_") else set()
        if needs & {"queue", "hasty"} and "redis" not in needs:
            globals()[name] = test
