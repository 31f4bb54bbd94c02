"""What attacks cost: clients that hang on, a webhook that drips, and the worst texts of 20 KB.

Real gunicorn with two workers, a private Redis that syncs each write, and real web servers, all on
this machine. Prints tables; asserts nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter

import httpx
from fake_sites import Drip, Endpoint, answering, dripping
from redis import Redis
from test_slow_clients import HALF_BODY, HALF_HEAD
from test_webhooks import SECRET, decide, running

from conftest import await_condition, served
from service import logs
from service.delivery.webhooks import Deliveries
from service.queue.review_queue import ReviewQueue
from service.run.private_redis import PrivateRedis
from service.sites.site import Site
from service.sites.sites import Sites

SITE = Site("bench", coral_secrets=("empsec_bench",))
N_CLIENTS = 50
N_ROUNDS = 20
DRIP = b"HTTP/1.1 200 OK\r\nX-Long: "

# What a careless pattern or loop runs over again and again: pieces, and openers without an end.
PIECES = (
    "<", "<a", "</", "&#", "&#9", "&amp;", ".", ". ", "\u2026", '?"', "(", "[", "@", "@a",
    "https://a.", "\u0640", "\u0651", "\u200d", "\u3164", "\u0627", "\u0627 ", "\u0627.", "a1",
    "\U0001f600", "\n", " ",
)  # fmt: skip
OPENERS = ("<a", "</a", "&#9", "&a", "@a", "https://a", "(a", '"a')
WORDS = "\u0645\u0631\u062d\u0628\u0627 "
N_HOSTILE_BYTES = 20_000


def hostile_texts() -> dict[str, str]:
    """Texts of 20 KB by what they are made of."""

    def fill(piece: str) -> str:
        return piece * (N_HOSTILE_BYTES // len(piece.encode()))

    texts = {ascii(piece): fill(piece) for piece in PIECES}
    texts |= {f"{piece!a}, then a letter": f"{fill(piece)[:-1]}x" for piece in PIECES}
    return texts | {f"{opener} going on": opener + fill(opener[-1])[8:] for opener in OPENERS}


def worst_texts(client: httpx.Client, key: str) -> None:
    """Print for each route the time of the worst text beside that of ordinary words."""
    bearer = {"Authorization": f"Bearer {key}"}

    def coral(text: str) -> httpx.Response:
        question = {
            "action": "NEW",
            "comment": {"body": text, "parentID": None},
            "author": {"id": "author", "role": "COMMENTER"},
            "story": {"id": "story", "url": "https://news.example/story"},
        }
        raw = json.dumps(question).encode()
        secret = SITE.coral_secrets[0].encode()
        signature = hmac.new(secret, raw, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Coral-Signature": f"sha256={signature}"}
        path = f"/integrations/coral/moderate?site={SITE.id}"
        return client.post(path, content=raw, headers=headers)

    def post(path: str, body: object) -> httpx.Response:
        return client.post(path, json=body, headers=bearer)

    def analyze(text: str, path: str = "analyze", **more: object) -> httpx.Response:
        asked = {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}, **more}
        return post(f"/v1alpha1/comments:{path}", asked)

    feedback = {"attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}}}
    routes: dict[str, Callable[[str], httpx.Response]] = {
        "/v1/score": lambda text: post("/v1/score", {"text": text}),
        "/v1/comments": lambda text: post("/v1/comments", {"id": text[:9], "text": text}),
        "... as the display name": lambda text: post(
            "/v1/comments", {"id": "1", "text": "x", "author": {"id": "1", "name": text}}
        ),
        "analyze": analyze,
        "... with spans": lambda text: analyze(text, spanAnnotations=True),
        "suggestscore": lambda text: post(
            "/v1alpha1/comments:suggestscore", {"comment": {"text": text}, **feedback}
        ),
        "/v1/moderations": lambda text: post("/v1/moderations", {"input": text}),
        "Coral's phase": coral,
        "the console's log-in": lambda text: client.post("/console/login", data={"name": text}),
    }
    texts = {"words": WORDS * (N_HOSTILE_BYTES // len(WORDS.encode())), **hostile_texts()}
    print(f"\nthe worst of {len(texts)} texts of {N_HOSTILE_BYTES:,} bytes, in ms")
    print(f"  {'':24} {'words':>10} {'worst':>10}   made of")
    for route, ask in routes.items():
        milliseconds = {}
        for name, text in texts.items():
            started = perf_counter()
            ask(text)
            milliseconds[name] = (perf_counter() - started) * 1e3
        worst = max(milliseconds, key=milliseconds.__getitem__)
        figures = f"{milliseconds['words']:10.1f} {milliseconds[worst]:10.1f}"
        print(f"  {route:24} {figures}   {worst}")


def half_open(url: str, key: str) -> None:
    """Print how long health and a score take while clients keep half a request to themselves."""
    host, port = url.removeprefix("http://").split(":")
    # Each request comes over a connection of its own, as those of the others do.
    bearer = {"Authorization": f"Bearer {key}", "Connection": "close"}
    print(f"\nbeside {N_CLIENTS} connections, the slowest of {N_ROUNDS} answers, in ms")
    print(f"  {'':24} {'/healthz':>10} {'/v1/score':>10}")
    for what, said in (
        ("no others", None),
        ("silent", b""),
        ("half a head", HALF_HEAD),
        ("half a body", HALF_BODY),
    ):
        with ExitStack() as stack:
            for _ in range(0 if said is None else N_CLIENTS):
                one = stack.enter_context(socket.create_connection((host, int(port))))
                one.sendall(said or b"")
            client = stack.enter_context(httpx.Client(base_url=url, timeout=60.0, headers=bearer))
            health, score = [], []
            for _ in range(N_ROUNDS):
                started = perf_counter()
                client.get("/healthz").raise_for_status()
                health.append(perf_counter() - started)
                started = perf_counter()
                client.post("/v1/score", json={"text": WORDS}).raise_for_status()
                score.append(perf_counter() - started)
        print(f"  {what:24} {max(health) * 1e3:10.1f} {max(score) * 1e3:10.1f}")


def begun(drip: Drip, n_slow: int) -> bool:
    """Whether so many requests to a dripping server are under way."""
    return drip.n_open >= n_slow


def heard(endpoint: Endpoint) -> bool:
    """Whether a site has been told something."""
    return bool(endpoint.told)


def slow_webhooks(redis: Redis) -> None:
    """Print how soon a site hears of its decisions while the servers of others drip."""
    queue, sites = ReviewQueue(redis), Sites(redis)
    print("\nfrom a decision until its site has heard of it, in s")
    with answering() as endpoint, dripping(DRIP) as drip:
        told = replace(SITE, id="told", webhook_url=endpoint.url, webhook_secret=SECRET)
        sites.add(replace(told, webhook_private=True))
        for n_slow in (0, 1, 20):
            for number in range(n_slow):
                slow = replace(told, id=f"slow-{n_slow}-{number}", webhook_url=drip.url)
                sites.add(replace(slow, webhook_private=True))
                decide(queue, site_id=slow.id)
            endpoint.told.clear()
            drip.n_open = 0
            with running(Deliveries(redis, sites)):
                await_condition(partial(begun, drip, n_slow), what="the slow ones")
                started = perf_counter()
                decide(queue, n_slow + 2, site_id=told.id)
                await_condition(partial(heard, endpoint), what="the delivery")
                seconds = perf_counter() - started
            print(f"  beside {n_slow:3} that drip {seconds:10.2f}")


def main() -> None:
    """Start everything, time it and print the tables."""
    logs.configure("critical")  # no line for each delivery that fails
    with tempfile.TemporaryDirectory() as name, PrivateRedis() as server:
        folder = Path(name)
        redis_url = server.start(folder)
        environ = {"HAKAM_REDIS_URL": redis_url, "HAKAM_VAR": name, "HAKAM_WORKERS": "2"}
        with Redis.from_url(redis_url, decode_responses=True) as redis:
            key = Sites(redis).add(SITE)
            with served(environ, folder / "server.log") as url:
                with httpx.Client(base_url=url, timeout=60.0, trust_env=False) as client:
                    worst_texts(client, key)
                half_open(url, key)
            slow_webhooks(redis)


if __name__ == "__main__":
    main()
