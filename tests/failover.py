"""Failovers under load: real Redis groups, web servers and deliveries, and a checked history.

``python tests/failover.py --minutes 30 --seed 1`` (``make failover MINUTES=30``) divides the time
between a trio with Sentinels and a Cluster, and writes to ``--output`` for each a history, a
summary and a picture of the answers a second. Sites send comments, moderators lease, decide and
take back, a site is told; meanwhile servers are killed, paused and cut off, one at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen
from threading import Event, Lock, Thread
from time import monotonic, sleep
from typing import Any

import httpx
import psutil
import pytest
from failover_history import Call, Entry, Found, Verdict, check, write
from fake_sites import Endpoint, answering
from redis_groups import Group, running

from conftest import await_condition, free_port, hakam
from service.queue.decisions import DecisionStream
from service.queue.records import item_id_of
from service.queue.review_queue import ReviewQueue
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import connect

LEASE_SECONDS = 10
SECRET = "whsec_" + b64encode(b"only on this machine, of this site").decode()
TEXT = "أنت غبي ولا تفهم شيئا"  # "you are stupid and understand nothing"
N_WEB, N_SENDERS, N_MODERATORS = 2, 2, 4
ITEMS = "{hakam:demo}:items"
READY_SECONDS = 180.0  # on a machine that has other work as well
PATIENCE = 8  # times that a client asks again for what it got no answer to


@dataclass
class Service:
    """Web servers with two workers each, and the process that tells the site."""

    environ: Mapping[str, str]
    folder: Path
    ports: list[int] = field(default_factory=lambda: [free_port() for _ in range(N_WEB)])
    processes: dict[str, Popen[str]] = field(default_factory=dict)
    shared_var: bool = False  # as with Compose, where all are on one machine
    lacking: str = ""  # why it was not ready when it was last asked

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def start(self, name: str) -> None:
        """Start ``web-<n>`` or ``webhooks``, each with a folder of its own, as on a machine."""
        var = self.folder / ("var" if self.shared_var else name)
        environ = {**self.environ, "HAKAM_VAR": str(var)}
        words = ["webhooks"]
        if name != "webhooks":
            environ |= {"HAKAM_PORT": str(self.ports[int(name[-1])]), "HAKAM_HOST": "127.0.0.1"}
            words = ["serve"]
        with (self.folder / f"{name}.log").open("a") as log:
            self.processes[name] = hakam(
                *words, environ=environ, stdin=DEVNULL, stdout=log, stderr=STDOUT
            )

    def kill(self, name: str) -> None:
        """End a process and its children at once."""
        self._each(name, psutil.Process.kill)
        self.processes[name].wait()

    def pause(self, name: str) -> None:
        """Stop a process and its children where they are, whatever they hold or have asked."""
        self._each(name, psutil.Process.suspend)

    def go_on(self, name: str) -> None:
        self._each(name, psutil.Process.resume)

    def _each(self, name: str, act: Callable[[psutil.Process], object]) -> None:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.processes[name].pid)
            for one in (process, *process.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    act(one)

    def kill_worker(self, draw: random.Random) -> None:
        """End one web worker at once; its gunicorn makes another."""
        name = draw.choice([one for one in self.processes if one != "webhooks"])
        with suppress(psutil.NoSuchProcess, IndexError):
            draw.choice(psutil.Process(self.processes[name].pid).children()).kill()

    def is_ready(self) -> bool:
        try:
            answers = [httpx.get(f"{url}/readyz", timeout=5.0) for url in self.urls]
        except httpx.TransportError as fault:
            self.lacking = repr(fault)
            return False
        self.lacking = " ".join(one.text for one in answers if not one.is_success)
        return not self.lacking

    def await_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until all are ready; what is lacking where they never are is said."""
        try:
            await_condition(self.is_ready, what="readiness", seconds=seconds)
        except pytest.fail.Exception as failure:
            raise AssertionError(f"{failure}: {self.lacking}") from None

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(timeout=60.0)


@dataclass
class Load:
    """What the clients did, from its beginning on."""

    urls: Sequence[str]
    key: str
    began: float = field(default_factory=monotonic)
    calls: list[Call] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)  # by type of the problem
    lock: Lock = field(default_factory=Lock)
    stop: Event = field(default_factory=Event)
    transport: httpx.BaseTransport | None = None  # None for the network

    def now(self) -> float:
        return monotonic() - self.began


class Client(Thread):
    """One client, with its own connections and its own dice."""

    def __init__(self, load: Load, name: str, seed: int) -> None:
        super().__init__(name=name)
        self._load, self._draw = load, random.Random(f"{seed} {name}")
        headers = {"Authorization": f"Bearer {load.key}"}
        self._http = [
            httpx.Client(base_url=url, headers=headers, timeout=10, transport=load.transport)
            for url in load.urls
        ]

    def run(self) -> None:
        turn = self.send if self.name.startswith("sender") else self.moderate
        number = 0
        while not self._load.stop.is_set():
            number += 1
            turn(f"{self.name}-{number}")
        for one in self._http:
            one.close()

    def ask(self, op: str, path: str, body: Mapping[str, Any], **facts: Any) -> tuple[str, Any]:
        """Ask once of any web server, and note the call; return its outcome and the answer."""
        said: dict[str, Any] = {}
        began, status = self._load.now(), 0
        try:
            answer = self._draw.choice(self._http).post(path, json=body)
            status = answer.status_code
            with suppress(ValueError):
                said = answer.json() if answer.content else {}
        except httpx.TransportError:
            pass
        outcome = "unknown" if status == 0 or status >= 500 else "fail"
        outcome = "ok" if 200 <= status < 300 else outcome
        facts = {**facts, **_facts(op, outcome, said)}
        if op != "lease" or outcome != "ok" or status == 200:
            call = Call(self.name, op, began, self._load.now(), outcome, status=status, **facts)
            with self._load.lock:
                self._load.calls.append(call)
                if outcome != "ok":
                    self._load.refusals[f"{op} {status} {said.get('type', '')}"] += 1
        return ("none" if status == 204 and op == "lease" else outcome), said

    def persist(self, op: str, path: str, body: Mapping[str, Any], **facts: Any) -> tuple[str, Any]:
        """Ask until there is an answer, or patience ends."""
        for _ in range(PATIENCE):
            outcome, said = self.ask(op, path, body, **facts)
            if outcome != "unknown":
                break
            self._load.stop.wait(self._draw.uniform(0.1, 1.5))
        return outcome, said

    def send(self, name: str) -> None:
        body = {"id": name, "text": f"{TEXT} {name}"}
        self.persist("enqueue", "/v1/comments", body, item=item_id_of(name), request=name)
        self._load.stop.wait(self._draw.uniform(0.05, 0.2))

    def moderate(self, name: str) -> None:
        outcome, lease = self.ask("lease", "/v1/queue/lease", {"moderator": self.name})
        if outcome != "ok":
            self._load.stop.wait(0.2)
            return
        item, token = lease["item"]["id"], lease["token"]
        path, dice = f"/v1/queue/items/{item}", self._draw.random()
        if dice < 0.05:
            return  # it runs out
        if dice < 0.15:
            self.ask("release", f"{path}/release", {"token": token}, item=item, token=token)
            return
        who = {"moderator": self.name, "request_id": name}
        action = self._draw.choice(("approve", "reject"))
        body = {**who, "token": token, "action": action}
        facts = {"item": item, "token": token, "request": name, "action": action}
        outcome, _ = self.persist("decide", f"{path}/decide", body, **facts)
        if outcome == "ok" and self._draw.random() < 0.2:
            back = f"{name}-back"
            undo = {"moderator": self.name, "request_id": back}
            self.persist("undo", f"{path}/undo", undo, item=item, request=back)
        self._load.stop.wait(self._draw.uniform(0.0, 0.1))


def _facts(op: str, outcome: str, said: Mapping[str, Any]) -> dict[str, Any]:
    if outcome != "ok" or not said:
        return {}
    if op == "lease":
        return {"item": said["item"]["id"], "token": said["token"]}
    return {"decision": said["id"]} if op in {"decide", "undo"} else {}


# Faults


@dataclass
class Fault:
    """What was done, when it began and when all was well again."""

    name: str
    began: float
    ended: float = 0.0


class Nemesis:
    """Breaks one thing at a time, and mends it."""

    def __init__(self, group: Any, service: Service, seed: int) -> None:
        self._group, self._service, self._draw = group, service, random.Random(seed)
        self.every: Mapping[str, Callable[[], object]] = {
            "kill the primary": lambda: self._kill(self._group.primary()),
            "pause the primary": lambda: self._pause([self._group.primary()]),
            "hand over the primary": self._group.fail_over,
            "kill a replica": lambda: self._kill(self._draw.choice(self._group.replicas())),
            "pause all replicas": lambda: self._pause(self._group.replicas()),
            "cut all connections": lambda: self._each("CLIENT", "KILL", "TYPE", "normal"),
            "stop the primary for a moment": lambda: self._pause([self._group.primary()], 1.0),
            "kill a web worker": lambda: self._service.kill_worker(self._draw),
            "kill a web server": lambda: self._restart("web-1"),
            "pause a web server": lambda: self._stop_for_a_while("web-0"),
            "kill the deliveries": lambda: self._restart("webhooks"),
            "pause the deliveries": lambda: self._stop_for_a_while("webhooks"),
        }
        if hasattr(group, "sentinels"):
            self.every = {**self.every, "kill a Sentinel": self._kill_sentinel}

    def strike(self, name: str, load: Load) -> Fault:
        fault = Fault(name, load.now())
        sys.stdout.write(f"{fault.began:.1f} {name} ...")
        sys.stdout.flush()
        self.every[name]()
        self._group.await_whole()
        self._service.await_ready()
        fault.ended = load.now()
        return fault

    def draw(self) -> str:
        return self._draw.choice(sorted(self.every))

    def _kill(self, server: Any) -> None:
        server.kill()
        sleep(self._draw.uniform(0.5, 6.0))
        server.start()

    def _pause(self, servers: Sequence[Any], most_seconds: float = 8.0) -> None:
        for server in servers:
            server.pause()
        sleep(self._draw.uniform(0.3, most_seconds))
        for server in servers:
            server.go_on()

    def _each(self, *words: str) -> None:
        for server in self._group.servers:
            server.ask(*words)

    def _restart(self, name: str) -> None:
        self._service.kill(name)
        sleep(self._draw.uniform(0.1, 2.0))
        self._service.start(name)

    def _stop_for_a_while(self, name: str) -> None:
        self._service.pause(name)
        sleep(self._draw.uniform(0.3, LEASE_SECONDS + 4.0))  # so that leases may run out meanwhile
        self._service.go_on(name)

    def _kill_sentinel(self) -> None:
        sentinel = self._draw.choice(self._group.sentinels)
        sentinel.server.kill()
        sleep(self._draw.uniform(0.5, 4.0))
        sentinel.start()


# A run


@dataclass
class Run:
    """What came of it."""

    kind: str
    seed: int
    load: Load
    faults: list[Fault]
    found: Found
    verdict: Verdict

    def summary(self) -> dict[str, Any]:
        """The figures of the run; of each kind of fault how long no write was acknowledged."""
        gaps: dict[str, list[float]] = {}
        for fault in self.faults:
            gaps.setdefault(fault.name, []).append(round(_gap(self.load.calls, fault), 1))
        return {
            "kind": self.kind,
            "seed": self.seed,
            "seconds": round(self.load.now()),
            "calls": self.verdict.counts,
            "faults": dict(Counter(fault.name for fault in self.faults)),
            "longest seconds without an acknowledged write": {
                name: max(found) for name, found in sorted(gaps.items())
            },
            "entries": len(self.found.stream),
            "items": len(self.found.items),
            "deliveries": len(self.found.told),
            "told more than once": len(self.found.told) - len({one for _, one in self.found.told}),
            "refusals": dict(self.load.refusals),
            "lost within the promise": len(self.verdict.allowed),
            "violations": self.verdict.violations,
        }


def _gap(calls: Sequence[Call], fault: Fault) -> float:
    """Longest time without an acknowledged write, around a fault."""
    ended = [one.ended for one in calls if one.outcome == "ok" and one.op != "release"]
    times = sorted(at for at in ended if fault.began - 1 <= at <= fault.ended + 5)
    return max((b - a for a, b in pairwise(times)), default=0.0)


@contextmanager
def serving(group: Group, environ: Mapping[str, str], folder: Path) -> Iterator[Service]:
    service = Service({**environ, "HAKAM_REDIS_URL": group.url}, folder)
    try:
        for name in (*(f"web-{n}" for n in range(N_WEB)), "webhooks"):
            service.start(name)
        service.await_ready()
        yield service
    finally:
        service.stop()


def play(
    kind: str,
    seed: int,
    environ: Mapping[str, str],
    *,
    faults: Sequence[str] = (),
    seconds: float = 0.0,
    calm_seconds: float = 3.0,
    n_replicas: int = 1,
) -> Run:
    """Run the service on a group under load, with the faults named or drawn; judge what is left."""
    environ = {**environ, "HAKAM_REPLICAS": str(n_replicas)}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hakam-failover-")))
        endpoint = stack.enter_context(answering())
        group: Any = stack.enter_context(running(kind))
        redis = stack.enter_context(connect(group.url, 5.0, n_replicas))
        key = Sites(redis).add(
            Site(
                "demo",
                review={"toxicity": 0.0},
                webhook_url=endpoint.url,
                webhook_secret=SECRET,
                webhook_private=True,
            )
        )
        service = stack.enter_context(serving(group, environ, folder))
        load = Load(service.urls, key)
        names = [f"sender-{n}" for n in range(N_SENDERS)]
        names += [f"moderator-{n}" for n in range(N_MODERATORS)]
        clients = [Client(load, name, seed) for name in names]
        for client in clients:
            client.start()
        nemesis, done = Nemesis(group, service, seed), []
        try:
            sleep(calm_seconds)
            waiting = list(faults)
            while waiting or load.now() < seconds:
                done.append(nemesis.strike(waiting.pop(0) if waiting else nemesis.draw(), load))
                sys.stdout.write(f" {done[-1].ended - done[-1].began:.1f} seconds\n")
                sys.stdout.flush()
                sleep(calm_seconds)
        finally:
            load.stop.set()
            for client in clients:
                client.join()
        found = find(redis, endpoint)
        allowed = [] if n_replicas else [(fault.began - 1, fault.ended) for fault in done]
        verdict = check(load.calls, found, lease_seconds=LEASE_SECONDS, allowed=allowed)
        if n_replicas and any("store-lost" in one for one in load.refusals):
            verdict.violations.append("a failover was taken for a loss")
        return Run(kind, seed, load, done, found, verdict)


def find(redis: Any, endpoint: Endpoint) -> Found:
    """Wait until the site has been told all, and read what is there."""
    queue, stream = ReviewQueue(redis), DecisionStream(redis)
    # A delivery whose process was killed is made again after a minute.
    await_condition(lambda: queue.stats("demo").outbox == 0, what="deliveries", seconds=150.0)
    entries = [
        Entry(
            one.id,
            one.kind,
            one.item_id,
            one.request_id,
            one.undoes,
            one.action if one.kind == "decision" else "",
        )
        for one in stream.history("demo")
        if one.kind in {"decision", "undo"}
    ]
    told = [(body["data"]["item_id"], body["data"]["decision_id"]) for body in endpoint.bodies()]
    holds = stream.verify("demo").n_entries >= len(entries)
    records = {one: json.loads(record) for one, record in redis.hgetall(ITEMS).items()}
    states = {one: record.get("state", "pending") for one, record in records.items()}
    return Found(entries, states, told, holds)


# The report


def picture(run: Run, file: Path) -> None:
    """Draw the answers of each second, by outcome, with the faults behind them."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    n_seconds = int(run.load.now()) + 1
    per_second = {one: [0] * n_seconds for one in ("ok", "fail", "unknown")}
    for call in run.load.calls:
        per_second[call.outcome][min(int(call.ended), n_seconds - 1)] += 1
    figure, axes = plt.subplots(figsize=(max(10, n_seconds / 40), 4))
    for fault in run.faults:
        broken = "primary" in fault.name
        axes.axvspan(fault.began, fault.ended, color="#d62728" if broken else "#7f7f7f", alpha=0.15)
    colours = {"ok": "#2ca02c", "fail": "#ff7f0e", "unknown": "#d62728"}
    for outcome, counts in per_second.items():
        axes.plot(counts, color=colours[outcome], linewidth=0.8, label=outcome)
    axes.set(xlabel="seconds", ylabel="answers a second", xlim=(0, n_seconds))
    axes.set_title(f"{run.kind}, seed {run.seed}; red: the primary, grey: something else")
    axes.legend(loc="upper right")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--minutes", type=float, default=30.0)
    words.add_argument("--seed", type=int, default=random.randrange(10**6))
    words.add_argument("--replicas", type=int, default=1)
    words.add_argument("--kind", choices=("sentinel", "cluster"), action="append")
    words.add_argument("--output", type=Path, default=Path("var/failover"))
    asked = words.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    kinds = asked.kind or ["sentinel", "cluster"]
    environ = {"HAKAM_SENTENCE_SCORER": "off", "HAKAM_WORKERS": "2", "HAKAM_SECRET_KEY": "0" * 64}
    environ |= {"HAKAM_LEASE_SECONDS": str(LEASE_SECONDS), "HAKAM_LOG_LEVEL": "warning"}
    os.nice(5)
    bad = 0
    for kind in kinds:
        sys.stdout.write(f"{kind}, seed {asked.seed}\n")
        seconds = asked.minutes * 60 / len(kinds)
        run = play(kind, asked.seed, environ, seconds=seconds, n_replicas=asked.replicas)
        write(run.load.calls, asked.output / f"{kind}.jsonl")
        picture(run, asked.output / f"{kind}.png")
        said = json.dumps(run.summary(), indent=1)
        (asked.output / f"{kind}.json").write_text(said + "\n", encoding="utf-8")
        sys.stdout.write(f"{said}\n")
        bad += len(run.verdict.violations)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
