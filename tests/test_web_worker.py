"""The web worker speaks HTTP as it should; asked of a real gunicorn by real sockets."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import httpx
import psutil
import pytest
from fake_coral import SECRETS, signature
from flask import Flask, request
from redis import Redis

from conftest import await_condition, free_port, hakam, served
from service.config import Settings
from service.queue.articles import Articles
from service.reports.verdict_counts import VerdictCounts
from service.run import web_worker
from service.run.launch import GUNICORN_CONFIG
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.slow

MOST = web_worker.MAX_HEADER_BYTES
N_THREADS = 4  # of a worker (`service/run/gunicorn.conf.py`)
GET = b"GET /healthz HTTP/1.1\r\nHost: hakam\r\n"


def connection(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30.0)


def said(url: str, request: bytes) -> bytes:
    """Send it at once; return all that comes until the server closes."""
    with connection(url) as one:
        one.sendall(request)
        with one.makefile("rb") as stream:
            return stream.read()


@pytest.fixture
def own_server(
    environ: dict[str, str], redis: Redis, tmp_path: Path
) -> Iterator[tuple[str, psutil.Process]]:
    """A server of this test alone, and the process that a signal would go to."""
    with served(environ, tmp_path / "log") as url:
        port = int(url.rpartition(":")[2])
        (process,) = (
            one
            for one in psutil.Process().children()
            if any(c.laddr.port == port for c in one.net_connections())
        )
        yield url, process


def test_one_address_holds_so_many_connections_and_no_more(
    own_server: tuple[str, psutil.Process], environ: dict[str, str]
) -> None:
    url, _ = own_server
    most = web_worker.MAX_CONNECTIONS_OF_AN_ADDRESS * int(environ.get("HAKAM_WORKERS", "2"))
    with ExitStack() as stack:
        held = [stack.enter_context(connection(url)) for _ in range(most + 50)]
        for one in held:
            one.setblocking(False)

        def n_closed() -> int:
            return sum(1 for one in held if closed(one))

        await_condition(lambda: n_closed() >= 50, what="the end of those that are too many")
    answer = httpx.get(f"{url}/healthz", timeout=30.0)
    assert answer.status_code == 200, "whoever has let go is let in again"


def closed(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: hakam\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 4\r\n\r\n",
        b"Content-Length: +4\r\n\r\n",
        b"Content-Length: 0x4\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
        b"Folded: a\r\n b\r\nContent-Length : 1\r\n\r\n",
    ],
    ids=repr,
)
def test_a_request_whose_end_two_servers_could_see_in_two_places_is_refused_and_nothing_follows(
    server: str, head: bytes
) -> None:
    answer = said(server, b"POST /v1/score HTTP/1.1\r\nHost: hakam\r\n" + head + SMUGGLED)
    assert re.match(rb"HTTP/1\.[01] (400|501) ", answer)
    assert answer.count(b"HTTP/1.") == 1


def test_chunks_of_http_1_0_are_refused_and_nothing_follows(server: str) -> None:
    head = b"POST /v1/score HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n"
    answer = said(server, head + b"\r\n0\r\n\r\n" + SMUGGLED)
    assert re.match(rb"HTTP/1\.[01] 400 ", answer)
    assert answer.count(b"HTTP/1.") == 1


def test_requests_sent_at_once_are_answered_in_their_order(server: str, api_key: str) -> None:
    key = f"Authorization: Bearer {api_key}\r\n".encode()
    body = b'{"text": "x"}'
    score = b"POST /v1/score HTTP/1.1\r\nHost: hakam\r\nContent-Type: application/json\r\n" + key
    score += b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    answers = said(server, (GET + b"\r\n" + score) * 3 + GET + b"Connection: close\r\n\r\n")
    assert re.findall(rb'HTTP/1.1 (\d+)|"(scores)"', answers) == [
        *[(b"200", b""), (b"200", b""), (b"", b"scores")] * 3,
        (b"200", b""),
    ]


def test_who_asks_before_sending_a_body_is_told_to_go_on(server: str, api_key: str) -> None:
    body = b'{"text": "x"}'
    with connection(server) as one, one.makefile("rb") as stream:
        one.sendall(
            b"POST /v1/score HTTP/1.1\r\nHost: hakam\r\nContent-Type: application/json\r\n"
            b"Expect: 100-continue\r\nConnection: close\r\n"
            + f"Authorization: Bearer {api_key}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.readline() == b"\r\n"
        one.sendall(body)
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /%s HTTP/1.1\r\nHost: hakam\r\nConnection: close\r\n\r\n" % (b"a" * 50_000), b"404"),
        ((b"GET /" + b"a" * MOST)[:MOST], b"431"),
        ((GET + b"X: " + b"a" * MOST)[:MOST], b"431"),
        ((GET + b"X: y\r\n" * MOST)[:MOST], b"431"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\nHost: hakam\n\n\r\n\r\n", b"400"),
    ],
    ids=["long address", "longer", "long header", "many headers", "TLS", "bare line feeds"],
)
def test_what_is_no_request_gets_an_answer_that_says_so(
    server: str, request_: bytes, status: bytes
) -> None:
    answer = said(server, request_)
    assert re.match(rb"HTTP/1\.[01] %s " % status, answer)
    assert b"application/problem+json" in answer
    head, _, body = answer.partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert problem["type"].startswith("urn:hakam:problem:")
    assert problem["detail"]
    assert f"x-request-id: {problem['request_id']}" in head.decode().lower()
    assert len(problem["request_id"]) > 8


def test_a_body_may_be_as_long_as_the_settings_say_and_coral_s_question_longer(
    environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    key = Sites(redis).add(Site("demo", coral_secrets=SECRETS))
    most = 65_536
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with served(environ | {"HAKAM_MAX_BODY_BYTES": str(most)}, tmp_path / "log") as url:
        for n_bytes, status in ((most - 1, 200), (most + 1, 413)):
            body = b'{"input": "x"}'.ljust(n_bytes)
            answer = httpx.post(
                f"{url}/v1/moderations", content=body, headers=headers, timeout=30.0
            )
            assert answer.status_code == status
        raw = json.dumps({"comment": {"body": "x" * 1024 * 1024}}).encode()
        signed = {"X-Coral-Signature": signature(raw, *SECRETS)}
        question = f"{url}/integrations/coral/moderate?site=demo"
        withheld = httpx.post(question, content=raw, headers=signed, timeout=30.0)
    assert (withheld.status_code, withheld.json()) == (200, {"status": "SYSTEM_WITHHELD"})


def test_what_the_worker_refuses_for_its_length_is_answered_and_logged_as_by_the_application(
    environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    head = b"POST /v1/score HTTP/1.1\r\nHost: hakam\r\nContent-Length: %d\r\n\r\n" % 2**40
    with served(environ, tmp_path / "log") as url:
        problem = json.loads(said(url, head).partition(b"\r\n\r\n")[2])
        by_application = httpx.post(f"{url}/nowhere", content=b"").json()
    assert problem["status"] == 413
    assert problem["detail"] == "the body is too long"
    assert problem["type"].startswith("urn:hakam:problem:")
    assert set(problem) == set(by_application)
    lines = [json.loads(one) for one in (tmp_path / "log").read_text().splitlines() if "{" in one]
    told = {line["request_id"]: line for line in lines if line["event"] == "request"}
    assert told[problem["request_id"]]["status"] == 413
    assert set(told[problem["request_id"]]) == set(told[by_application["request_id"]])


def test_it_serves_an_ipv6_address(environ: dict[str, str], redis: Redis, tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    with log.open("w") as out:
        there = environ | {"HAKAM_HOST": "::1", "HAKAM_PORT": str(port)}
        running = hakam("serve", environ=there, stdout=out, stderr=out)

    def answers() -> bool:
        try:
            return httpx.get(f"http://[::1]:{port}/healthz", timeout=10.0).is_success
        except httpx.TransportError:
            return False

    try:
        await_condition(answers, what="an answer", seconds=60.0)
    finally:
        running.terminate()
        assert running.wait(timeout=30.0) == 0, log.read_text()


def test_no_request_is_lost_while_workers_are_replaced_again_and_again(
    own_server: tuple[str, psutil.Process], redis: Redis
) -> None:
    url, process = own_server
    headers = {"Authorization": f"Bearer {Sites(redis).add(Site('demo'))}"}
    stop = Event()

    def ask() -> set[int]:
        with httpx.Client(base_url=url, headers=headers, timeout=60.0) as client:
            statuses = set()
            while not stop.is_set():
                statuses.add(client.post("/v1/score", json={"text": "x"}).status_code)
            return statuses

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(ask) for _ in range(4)]
        try:
            for _ in range(3):
                before = workers(process)
                process.send_signal(signal.SIGHUP)
                await_condition(
                    lambda b=before: workers(process) and not b & workers(process),  # type: ignore[misc]
                    what="new workers",
                    seconds=60.0,
                )
        finally:
            stop.set()
        assert [one.result() for one in asking] == [{200}] * 4


def held() -> Flask:
    """Return an application that says which process answers, once a file is gone."""
    while Path(os.environ["HOLD"]).exists():
        time.sleep(0.01)
    app = Flask(__name__)
    app.extensions["hakam"] = SimpleNamespace(settings=Settings.from_environ())

    @app.get("/")
    def index() -> str:
        return str(os.getpid())

    return app


def test_those_that_are_replaced_accept_connections_until_all_others_do(
    environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    port, hold = free_port(), tmp_path / "hold"
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gunicorn", "--config", str(GUNICORN_CONFIG)]
    command += ["--bind", f"127.0.0.1:{port}", f"{Path(__file__).stem}:{held.__name__}()"]
    command += ["--pythonpath", str(Path(__file__).parent)]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            command, env=os.environ | environ | {"HOLD": str(hold)}, stdout=log, stderr=log
        )

    def answered() -> int:
        try:
            return int(httpx.get(url, timeout=10.0).text)
        except httpx.TransportError:
            return 0

    process = psutil.Process(server.pid)
    try:
        await_condition(answered, what="an answer", seconds=180.0)
        before = workers(process)
        hold.touch()
        process.send_signal(signal.SIGHUP)
        await_condition(lambda: len(workers(process)) == 4, what="the next", seconds=180.0)
        for _ in range(10):
            assert answered() in before, "nobody else accepts connections yet"
        hold.unlink()
        await_condition(lambda: not before & workers(process), what="the end", seconds=180.0)
        assert answered() in workers(process)
    finally:
        hold.unlink(missing_ok=True)
        server.terminate()
        assert server.wait(timeout=60.0) == 0


def workers(process: psutil.Process) -> set[int]:
    return {child.pid for child in process.children()}


def test_who_is_sending_when_the_server_is_told_to_stop_gets_an_answer(
    own_server: tuple[str, psutil.Process],
) -> None:
    url, process = own_server
    with connection(url) as one, one.makefile("rb") as stream:
        one.sendall(GET + b"\r\n")
        assert b" 200 " in stream.readline(), "a connection that was kept open"
        while stream.readline() != b"\r\n":
            pass
        one.sendall(GET)
        await_condition(lambda: has_read(one), what="the reading of the first half")
        process.send_signal(signal.SIGTERM)
        await_condition(lambda: not listens(url), what="the end of listening")
        one.sendall(b"\r\n")
        rest = stream.read()
    assert b"HTTP/1.1 200 OK" in rest
    assert b"connection: close" in rest.lower()
    process.wait(timeout=30.0)


def test_what_was_counted_in_the_last_moments_is_written_before_the_server_has_ended(
    own_server: tuple[str, psutil.Process], redis: Redis
) -> None:
    url, process = own_server
    headers = {"Authorization": f"Bearer {Sites(redis).add(Site('demo'))}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30.0) as client:
        for number in range(20):  # faster than they are written
            article = {"id": "a", "title": "Weather"}
            body = {"id": f"c-{number}", "text": "شكرا جزيلا", "article": article}  # "many thanks"
            client.post("/v1/comments", json=body).raise_for_status()
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30.0)
    (counted,) = VerdictCounts(redis).days("demo", 1).values()
    assert counted["action:approve"] == 20
    (hour,) = Articles(redis).page("demo", "a").hours
    assert hour.n_passed == 20


def has_read(one: socket.socket) -> bool:
    """Whether the other side has taken all that was sent, by what the kernel still holds."""
    wanted = {one.getsockname()[1]}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, _, queues = line.split()[:5]
        if int(remote.rpartition(":")[2], 16) in wanted:
            return int(queues.partition(":")[2], 16) == 0
    return False


def listens(url: str) -> bool:
    with socket.socket() as one:
        port = int(url.rpartition(":")[2])
        return one.connect_ex(("127.0.0.1", port)) == 0


def in_order() -> Flask:
    """Return an application that notes who asks, and holds the answer; gunicorn calls this."""
    app = Flask(__name__)
    app.extensions["hakam"] = SimpleNamespace(settings=Settings.from_environ())
    folder = Path(os.environ["FOLDER"])

    @app.get("/")
    def note() -> str:
        with (folder / "asked").open("a") as asked:
            asked.write(f"{request.headers.get('Authorization', 'health')}\n")
        while (folder / "hold").exists():
            time.sleep(0.01)
        return ""

    return app


def test_who_sends_very_much_at_a_time_delays_another_by_one_turn(
    environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    port, hold, asked = free_port(), tmp_path / "hold", tmp_path / "asked"
    own = environ | {"FOLDER": str(tmp_path), "HAKAM_WORKERS": "1"}
    command = [sys.executable, "-m", "gunicorn", "--config", str(GUNICORN_CONFIG)]
    command += ["--bind", f"127.0.0.1:{port}", f"{Path(__file__).stem}:{in_order.__name__}()"]
    command += ["--pythonpath", str(Path(__file__).parent)]
    url, ask = f"http://127.0.0.1:{port}", b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n"

    def is_there() -> bool:
        try:
            return httpx.get(url).is_success
        except httpx.TransportError:
            return False

    def n_asked() -> int:
        return len(asked.read_text().splitlines()) if asked.exists() else 0

    with ExitStack() as stack:
        log = stack.enter_context((tmp_path / "log").open("w"))
        server = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log)
        stack.callback(server.wait)
        stack.callback(server.terminate)
        stack.callback(hold.unlink, missing_ok=True)
        await_condition(is_there, what="the server", seconds=60.0)
        hold.touch()
        asked.unlink()

        def send(who: bytes) -> None:
            stack.enter_context(connection(url)).sendall(ask % who)

        for _ in range(N_THREADS):
            send(b"flooded")
        await_condition(lambda: n_asked() == N_THREADS, what="all threads at work")
        for _ in range(20):
            send(b"flooded")
        send(b"small")
        # The loop that reads all these answers this by itself, and connections come in order.
        last = stack.enter_context(connection(url))
        last.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
        )
        assert b" 100 " in last.recv(1024)
        hold.unlink()
        await_condition(lambda: n_asked() == N_THREADS + 21, what="all answers")
    # Its turn is the next but one, and as many threads as there are may be quicker to note theirs.
    assert asked.read_text().splitlines().index("small") < 2 * N_THREADS + 1
