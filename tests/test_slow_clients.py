"""Clients that send or take slowly hold nobody up; asked of a real gunicorn by real sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread

import httpx
import pytest

from conftest import await_condition
from service.run import web_worker

pytestmark = pytest.mark.slow

N_CLIENTS = 50
HALF_HEAD = b"POST /v1/score HTTP/1.1\r\nHost: hakam\r\nContent-Ty"
HEAD = b"POST /v1/score HTTP/1.1\r\nHost: hakam\r\nContent-Type: application/json\r\n"
HALF_BODY = HEAD + b'Content-Length: 1000\r\n\r\n{"text": "'
HALF_CHUNKS = HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"tex\r\n'
MUCH = b"GET /console/static/console.css HTTP/1.1\r\nHost: hakam\r\n\r\n" * 20


@pytest.fixture
def silent_ones(server: str) -> Iterator[Callable[[bytes], list[socket.socket]]]:
    host, port = server.removeprefix("http://").split(":")
    with ExitStack() as stack:

        def connect(said: bytes) -> list[socket.socket]:
            sockets = []
            for _ in range(N_CLIENTS):
                one = stack.enter_context(socket.socket())
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                one.connect((host, int(port)))
                one.setblocking(False)
                one.send(said)
                sockets.append(one)
            return sockets

        yield connect


@contextmanager
def dripping(sockets: list[socket.socket]) -> Iterator[None]:
    """Send one more byte on every socket, again and again, while the block runs."""
    stop = Event()

    def drip() -> None:
        while not stop.wait(0.2):
            for one in sockets:
                try:
                    one.send(b"x")
                except OSError:
                    continue

    thread = Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def answers(url: str, api_key: str, n_rounds: int = 20) -> list[tuple[int, int]]:
    """Statuses of health and of scoring, each asked anew, with a patient client."""
    headers = {"Authorization": f"Bearer {api_key}"}
    told = []
    for _ in range(n_rounds):
        health = httpx.get(f"{url}/healthz", timeout=5.0)
        score = httpx.post(f"{url}/v1/score", json={"text": "x"}, headers=headers, timeout=5.0)
        told.append((health.status_code, score.status_code))
    return told


@pytest.mark.parametrize(
    "said",
    [b"", b"G", HALF_HEAD, HALF_BODY, HALF_CHUNKS, MUCH],
    ids=["nothing", "a letter", "half a head", "half a body", "some chunks", "takes no answer"],
)
def test_fifty_clients_that_leave_off_half_way_hold_nobody_up(
    silent_ones: Callable[[bytes], list[socket.socket]], server: str, api_key: str, said: bytes
) -> None:
    silent_ones(said)
    assert set(answers(server, api_key)) == {(200, 200)}


@pytest.mark.parametrize("said", [HALF_HEAD, HALF_BODY], ids=["head", "body"])
def test_fifty_clients_that_send_a_byte_at_a_time_hold_nobody_up(
    silent_ones: Callable[[bytes], list[socket.socket]], server: str, api_key: str, said: bytes
) -> None:
    with dripping(silent_ones(said)):
        assert set(answers(server, api_key)) == {(200, 200)}


@pytest.mark.parametrize("said", [b"", HALF_HEAD, HALF_BODY, HALF_CHUNKS])
def test_who_does_not_get_on_is_cut_off(
    silent_ones: Callable[[bytes], list[socket.socket]], said: bytes
) -> None:
    sockets = silent_ones(said)
    with dripping(sockets if said else []):
        await_condition(
            lambda: all(closed(one) for one in sockets),
            what="the end of all connections",
            seconds=3 * max(web_worker.IDLE_SECONDS, web_worker.EXCHANGE_SECONDS),
        )


def closed(one: socket.socket) -> bool:
    try:
        return one.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
