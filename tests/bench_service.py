"""How fast the service answers over sockets, Redis included.

Real gunicorn with two workers and a private Redis that syncs each write, as in production. The
clients run on the same machine and take their share of it, so a time here is an upper bound.
Prints tables; asserts nothing.

The first table compares what a request costs with a Flask view that does nothing, behind the same
gunicorn: same worker class, same threads, same requests. Machines are noisy, so the contenders take
turns, and the median over the turns of each ratio counts. Beside the requests in a second stands
the time that the workers' processors spent on one, in which the clients have no share. The target
is for what the service itself costs, so the words judge alone there; the rest of the tables has
all readers that the artefact in use has. HAKAM_ARTIFACTS names other artefacts.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any, NamedTuple

import httpx
import psutil
from flask import Flask
from redis import Redis

from conftest import SAMPLE_COMMENTS, await_condition, free_port, served
from models.registry import Registry
from models.schema import read_comments
from service.config import Settings
from service.reports.shadow import ShadowCounts
from service.run.launch import GUNICORN_CONFIG
from service.run.private_redis import PrivateRedis
from service.sites.site import Site
from service.sites.sites import Sites

N_CONNECTIONS = 4
N_CORAL = 2_000
N_PERSPECTIVE = 1_000
SITE = Site("bench", coral_secrets=("empsec_bench",), random_sample_share=0.0)
ON_TRIAL = Site("trial", random_sample_share=0.0, shadow_share=1.0)
N_TRIALS, N_PACED, RATE = 3, 400, 20  # turns, comments in each, and a second
N_TURNS = 7
N_COMPARED = 2_000  # requests of each contender in a turn
N_ASKED = 25  # texts in one request, of those of which it is asked which are flagged
LEAST_RATIO = 0.5
MOST_MB = 150

Ask = Callable[[httpx.Client, int], httpx.Response]


def coral(texts: Sequence[str]) -> Ask:
    """Coral's external moderation phase, each question from another author, so none is a replay."""
    secret = SITE.coral_secrets[0].encode()

    def ask(client: httpx.Client, number: int) -> httpx.Response:
        question = {
            "action": "NEW",
            "comment": {"body": f"<div>{texts[number % len(texts)]}</div>", "parentID": None},
            "author": {"id": f"author-{number}", "role": "COMMENTER"},
            "story": {"id": f"story-{number % 20}", "url": "https://news.example/story"},
        }
        raw = json.dumps(question, indent=2).encode()
        signature = hmac.new(secret, raw, hashlib.sha256).hexdigest()
        return client.post(
            f"/integrations/coral/moderate?site={SITE.id}",
            content=raw,
            headers={
                "Content-Type": "application/json",
                "X-Coral-Signature": f"sha256={signature}",
            },
        )

    return ask


def perspective(texts: Sequence[str], key: str) -> Ask:
    """Perspective's analyze as Coral's toxicity setting asks it."""

    def ask(client: httpx.Client, number: int) -> httpx.Response:
        question = {
            "comment": {"text": texts[number % len(texts)]},
            "languages": ["ar"],
            "doNotStore": True,
            "requestedAttributes": {"TOXICITY": {}},
        }
        return client.post(f"/v1alpha1/comments:analyze?key={key}", json=question)

    return ask


def empty() -> Flask:
    """Return an application whose only view does nothing; gunicorn calls this."""
    app = Flask(__name__)
    app.extensions["hakam"] = SimpleNamespace(settings=Settings.from_environ())

    @app.post("/empty")
    def nothing() -> str:
        return ""

    return app


@contextmanager
def serving_nothing(environ: dict[str, str], log: Path) -> Iterator[str]:
    """Run `empty` as ``hakam serve`` runs Hakam; yield its base URL."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", str(GUNICORN_CONFIG)]
    command += ["--bind", f"127.0.0.1:{port}", f"{Path(__file__).stem}:{empty.__name__}()"]
    command += ["--pythonpath", str(Path(__file__).parent)]
    with log.open("w") as out:
        server = subprocess.Popen(command, env=os.environ | environ, stdout=out, stderr=out)

    def ready() -> bool:
        try:
            return httpx.post(f"http://127.0.0.1:{port}/empty").is_success
        except httpx.TransportError:
            return False

    try:
        await_condition(ready, what="the empty application", seconds=60.0)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30.0)


class Cost(NamedTuple):
    """What requests cost: how many were answered in a second, and the workers' CPU time of one."""

    rate: float
    cpu_seconds: float


class Load:
    """Clients that cost little: whole requests made before, answers read and hardly looked at."""

    def __init__(self, url: str, path: str, key: str) -> None:
        self._address = ("127.0.0.1", int(url.rpartition(":")[2]))
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )
        self._workers = workers(self._address[1])

    def run(self, bodies: Sequence[bytes]) -> Cost:
        """Send all, each in a request of its own."""
        requests = [f"{self._head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
        before, started = self._cpu_seconds(), perf_counter()
        with ThreadPoolExecutor(N_CONNECTIONS) as pool:
            list(pool.map(self._send, (requests[i::N_CONNECTIONS] for i in range(N_CONNECTIONS))))
        n, seconds = len(bodies), perf_counter() - started
        return Cost(n / seconds, (self._cpu_seconds() - before) / n)

    def _cpu_seconds(self) -> float:
        times = [worker.cpu_times() for worker in self._workers]
        return float(sum(one.user + one.system for one in times))

    def _send(self, requests: Sequence[bytes]) -> None:
        with socket.create_connection(self._address) as connection:
            for request in requests:
                connection.sendall(request)
                answer = b""
                while not _whole(answer):
                    if not (read := connection.recv(65_536)):
                        raise RuntimeError("the server closed the connection")
                    answer += read
                if not answer.startswith(b"HTTP/1.1 200 "):
                    raise RuntimeError("not the answer that was to be measured")


def _whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
    return bool(end) and len(body) >= int(length)


def workers(port: int) -> list[psutil.Process]:
    """Return the worker processes of the gunicorn that listens on a port."""
    return next(
        child.children()
        for child in psutil.Process().children()
        if any(one.laddr.port == port for one in child.net_connections("tcp"))
    )


def _flagged(url: str, key: str, texts: Sequence[str]) -> set[str]:
    answers: list[dict[str, Any]] = []
    bearer = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=bearer, timeout=60.0) as client:
        for start in range(0, len(texts), N_ASKED):
            asked = [{"text": text} for text in texts[start : start + N_ASKED]]
            answers += client.post("/v1/score", json=asked).json()
    return {t for t, answer in zip(texts, answers, strict=True) if answer["action"] != "approve"}


def compare(empty_url: str, by_words_url: str, url: str, key: str, texts: Sequence[str]) -> None:
    """Print what a request that needs no person costs, beside a view that does nothing."""
    flagged = _flagged(url, key, texts) | _flagged(by_words_url, key, texts)
    clean = [text for text in texts if text not in flagged]

    def bodies(first: int) -> list[bytes]:
        numbers = range(first, first + N_COMPARED)
        comments = [{"id": f"c-{n}", "text": clean[n % len(clean)]} for n in numbers]
        return [json.dumps(comment).encode() for comment in comments]

    named = {
        "empty Flask view": Load(empty_url, "/empty", key),
        "/v1/score, words alone": Load(by_words_url, "/v1/score", key),
        "/v1/comments, words alone": Load(by_words_url, "/v1/comments", key),
        "/v1/score": Load(url, "/v1/score", key),
        "/v1/comments": Load(url, "/v1/comments", key),
    }
    loads = list(named.values())
    turns = []
    for turn in range(N_TURNS + 1):  # the first one warms up
        sent = bodies(turn * N_COMPARED)
        turns.append([load.run(sent) for load in loads])
    print(f"2 workers, {N_CONNECTIONS} keep-alive connections; {len(clean)} texts, none flagged")
    columns = ("requests/s", "CPU us", "ratio", "CPU ratio")
    print(f"  {'':26} " + "".join(f"{column:>10}" for column in columns))
    bases, *others = zip(*turns[1:], strict=True)
    for what, costs in zip(named, (bases, *others), strict=True):
        rate = statistics.median(one.rate for one in costs)
        cpu = statistics.median(one.cpu_seconds for one in costs)
        pairs = list(zip(bases, costs, strict=True))
        ratio = statistics.median(one.rate / base.rate for base, one in pairs)
        cpu_ratio = statistics.median(base.cpu_seconds / one.cpu_seconds for base, one in pairs)
        judged = "words alone" in what
        target = f"   (target >= {LEAST_RATIO}: {verdict(ratio)})" if judged else ""
        print(f"  {what:26} {rate:10.0f}{cpu * 1e6:10.0f}{ratio:10.2f}{cpu_ratio:10.2f}{target}")


def memory(url: str) -> None:
    """Print how much memory a worker takes: what it shares with others is counted by its share."""
    port = int(url.rpartition(":")[2])
    for number, worker in enumerate(workers(port), start=1):
        took = worker.memory_full_info()
        own, fair = took.uss / 1e6, getattr(took, "pss", took.rss) / 1e6
        print(f"  worker {number}: {fair:.0f} MB, {own:.0f} MB of it its own   (at most {MOST_MB})")


def verdict(ratio: float) -> str:
    """Say whether a ratio is what is wanted."""
    return "kept" if ratio >= LEAST_RATIO else "MISSED"


def timed(url: str, ask: Ask, n_requests: int) -> tuple[float, list[float]]:
    """Return the seconds that all requests took together and each of them alone, in their order."""

    def connection(first: int) -> list[float]:
        seconds = []
        with httpx.Client(base_url=url, timeout=10.0, trust_env=False) as client:
            for number in range(first, n_requests, N_CONNECTIONS):
                started = perf_counter()
                ask(client, number).raise_for_status()
                seconds.append(perf_counter() - started)
        return seconds

    started = perf_counter()
    with ThreadPoolExecutor(N_CONNECTIONS) as pool:
        turns = list(pool.map(connection, range(N_CONNECTIONS)))
    # Every connection asks equally often, so turn by turn is the order in which they were asked.
    return perf_counter() - started, [one for turn in zip(*turns, strict=True) for one in turn]


def shadowed(url: str, redis: Redis, keys: Sequence[str], texts: Sequence[str]) -> None:
    """Print how long comments wait on a site without a model on trial and on one with it."""
    drawn: list[tuple[list[float], list[float]]] = []
    with ThreadPoolExecutor(N_CONNECTIONS) as pool:
        for turn in range(N_TRIALS + 1):  # the first one warms up
            both = []
            for site, key in zip((SITE, ON_TRIAL), keys, strict=True):
                ask = partial(_paced, url, key, texts, turn)
                seconds = [one for some in pool.map(ask, range(N_CONNECTIONS)) for one in some]
                both.append(seconds)
                if site is ON_TRIAL:  # what is left to judge must not disturb the other site
                    done = partial(_is_tried, redis, (turn + 1) * N_PACED)
                    await_condition(done, what="the model on trial", seconds=60.0)
            drawn.append((both[0], both[1]))
    n_judged = _tried(redis, "action:")
    print(
        f"\n{RATE} comments a second, {n_judged:,} of {_tried(redis):,} judged by a model on trial"
    )
    print(f"  {'':24} {'without':>10}{'with':>10}{'ratio':>10}")
    for what, cut in (("p50", 49), ("p99", 98)):
        pairs = [[statistics.quantiles(one, n=100)[cut] for one in both] for both in drawn[1:]]
        without, on_trial = (statistics.median(one[at] for one in pairs) * 1e3 for at in (0, 1))
        ratio = statistics.median(on_trial / without for without, on_trial in pairs)
        print(f"  {what:24} {without:10.1f}{on_trial:10.1f}{ratio:10.2f}")


def _paced(url: str, key: str, texts: Sequence[str], turn: int, connection: int) -> list[float]:
    """Send every so many seconds a comment, whether the last was slow or not."""
    seconds, due = [], perf_counter()
    bearer = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=bearer, timeout=60.0, trust_env=False) as client:
        for number in range(connection, N_PACED, N_CONNECTIONS):
            due += N_CONNECTIONS / RATE
            time.sleep(max(0.0, due - perf_counter()))
            body = {"id": f"{turn}-{number}", "text": texts[number % len(texts)]}
            started = perf_counter()
            client.post("/v1/comments", json=body).raise_for_status()
            seconds.append(perf_counter() - started)
    return seconds


def _is_tried(redis: Redis, n_asked: int) -> bool:
    return _tried(redis) >= n_asked


def _tried(redis: Redis, kind: str = "") -> int:
    """Count the comments that the model on trial has judged, or has had no time for."""
    days = ShadowCounts(redis).days(ON_TRIAL.id, 2).values()
    kinds = [kind] if kind else ["action:", "left_out"]
    return sum(n for day in days for name, n in day.items() if any(k in name for k in kinds))


def show(what: str, n_requests: int, limit: str, total: float, seconds: list[float]) -> None:
    """Print one line of the table; the first request of each connection stands apart."""
    cuts = statistics.quantiles(seconds, n=100)
    figures = (cuts[49], cuts[98], max(seconds), max(seconds[:N_CONNECTIONS]))
    print(
        f"  {what:24} {n_requests / total:10.0f}"
        + "".join(f"{one * 1e3:10.1f}" for one in figures)
        + f"   ({limit})"
    )


def main() -> None:
    """Start everything, time it and print the table."""
    texts = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
    with tempfile.TemporaryDirectory() as name, PrivateRedis() as server:
        folder = Path(name)
        redis_url = server.start(folder)
        with Redis.from_url(redis_url, decode_responses=True) as redis:
            key = Sites(redis).add(SITE)
            versions = Registry(Settings.from_environ().artifacts)
            others = [one for one in versions.versions() if one != versions.current()]
            trial_key = Sites(redis).add(replace(ON_TRIAL, shadow=others[-1])) if others else ""
        environ = {"HAKAM_REDIS_URL": redis_url, "HAKAM_VAR": name, "HAKAM_WORKERS": "2"}
        if "HAKAM_ARTIFACTS" in os.environ:
            environ["HAKAM_ARTIFACTS"] = os.environ["HAKAM_ARTIFACTS"]
        with ExitStack() as stack:
            nothing = stack.enter_context(serving_nothing(environ, folder / "empty.log"))
            url = stack.enter_context(served(environ, folder / "server.log"))
            off = environ | {"HAKAM_SENTENCE_SCORER": "off"}
            with served(off, folder / "words.log") as by_words:
                compare(nothing, by_words, url, key, texts)
            print(f"\n2 workers, {N_CONNECTIONS} keep-alive connections; times in ms")
            columns = ("requests/s", "p50", "p99", "max", "first")
            print(f"  {'':24} " + "".join(f"{column:>10}" for column in columns))
            for what, ask, n_requests, limit in (
                ("Coral, moderation phase", coral(texts), N_CORAL, "p99 well under 200"),
                ("Perspective, analyze", perspective(texts, key), N_PERSPECTIVE, "Coral: 800"),
            ):
                show(what, n_requests, limit, *timed(url, ask, n_requests))
            if trial_key:
                with Redis.from_url(redis_url, decode_responses=True) as redis:
                    shadowed(url, redis, (key, trial_key), texts)
            print("\nmemory of a worker that has scored all this")
            memory(url)


if __name__ == "__main__":
    main()
