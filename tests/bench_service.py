"""How fast the service answers Coral and clients of Perspective, over sockets, Redis included.

Real gunicorn with two workers and a private Redis that syncs each write, as in production. The
clients run on the same machine and take their share of it, so a figure here is an upper bound.
Prints a table; asserts nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import httpx
from redis import Redis

from conftest import SAMPLE_COMMENTS, served
from models.schema import read_comments
from service.run.private_redis import PrivateRedis
from service.sites.sites import Site, Sites

N_CONNECTIONS = 4
N_CORAL = 2_000
N_PERSPECTIVE = 1_000
SITE = Site("bench", coral_secrets=("empsec_bench",))

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
        environ = {"HAKAM_REDIS_URL": redis_url, "HAKAM_VAR": name, "HAKAM_WORKERS": "2"}
        with served(environ, folder / "server.log") as url:
            print(f"2 workers, {N_CONNECTIONS} keep-alive connections; times in ms")
            columns = ("requests/s", "p50", "p99", "max", "first")
            print(f"  {'':24} " + "".join(f"{column:>10}" for column in columns))
            for what, ask, n_requests, limit in (
                ("Coral, moderation phase", coral(texts), N_CORAL, "p99 well under 200"),
                ("Perspective, analyze", perspective(texts, key), N_PERSPECTIVE, "Coral: 800"),
            ):
                show(what, n_requests, limit, *timed(url, ask, n_requests))


if __name__ == "__main__":
    main()
