"""Restore drill: back up under load by the lines of docs/backup.md, destroy, restore, reconcile.

A real Redis, web servers, deliveries, and a site with a webhook and a poller; ``make drill`` prints
the transcript.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import httpx
from failover import LEASE_SECONDS, N_MODERATORS, N_SENDERS, TEXT, Client, Load, Service
from fake_sites import Endpoint, answering
from redis_groups import PASSWORD, Server

from conftest import await_condition
from service.queue.decisions import place
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import await_answer, connect
from service.store.durability import SETTINGS

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GUIDE = Path(__file__).parent.parent / "docs/backup.md"
SITE = "demo"


def block(name: str) -> str:
    """Return the lines of the guide that are marked with a name."""
    found = re.search(rf"<!-- drill: {name} -->\n```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found, f"docs/backup.md has no lines called {name}"
    return found[1]


def _options() -> dict[str, object]:
    """What Hakam wants of a Redis, a password, and no log beside the files but of faults."""
    own = {"bind": "127.0.0.1", "save": "", "requirepass": PASSWORD, "loglevel": "warning"}
    return {**own, **SETTINGS}


@dataclass
class Store(Server):
    """A Redis with a password and an append-only file, in a folder of its own."""

    options: Mapping[str, object] = field(default_factory=_options)

    @property
    def url(self) -> str:
        return f"redis://default:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start on the files that there are, and wait until it has read them."""
        super().start()
        assert await_answer(self.url, lambda: self.is_running, 30.0), "Redis does not answer"


@dataclass
class Poller:
    """A site's reader of `GET /v1/decisions`: what it read, and where it is."""

    url: str
    key: str
    after: str = "0"
    read: dict[str, str] = field(default_factory=dict)  # decision -> comment and what was said
    told: list[dict[str, Any]] = field(default_factory=list)  # problems other than 503

    def look(self) -> int:
        """Read a page; a problem with a position to read on from is kept, and followed."""
        answer = httpx.get(
            f"{self.url}/v1/decisions",
            params={"after": self.after},
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=10.0,
        )
        if answer.status_code in (409, 410):
            said = answer.json()
            self.told.append(said)
            self.after = said.get("after", self.after)
        elif answer.is_success:
            for line in answer.text.splitlines():
                said = json.loads(line)
                fact = f"{said['type']} {said['comment_id']} {said['action']}"
                assert self.read.setdefault(said["decision_id"], fact) == fact
            self.after = answer.headers["Hakam-Cursor"]
        return answer.status_code

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            with suppress(httpx.TransportError):
                self.look()
            stop.wait(0.2)


@dataclass
class Drill:
    """What was seen, to be judged by a test and printed."""

    lines: list[str] = field(default_factory=list)
    began: float = field(default_factory=monotonic)
    violations: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    not_ready: dict[str, Any] = field(default_factory=dict)
    poller_told: list[dict[str, Any]] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.lines.append(f"{monotonic() - self.began:6.1f} s  {line}")
        sys.stdout.write(self.lines[-1] + "\n")
        sys.stdout.flush()

    def expect(self, holds: object, line: str) -> None:
        """Note a verdict."""
        self.say(f"{'good' if holds else 'BAD '}  {line}")
        if not holds:
            self.violations.append(line)


def play(environ: Mapping[str, str], *, seconds: float = 6.0, seed: int = 20_261_128) -> Drill:
    """Run the drill, `seconds` of load before and after the backup."""
    drill = Drill()
    with tempfile.TemporaryDirectory(prefix="hakam-drill-") as name, answering() as endpoint:
        folder = Path(name)
        store = Store(folder / "redis")
        environ = {**environ, "HAKAM_LEASE_SECONDS": str(LEASE_SECONDS)}
        around = {**environ, "HAKAM_REDIS_URL": store.url, "HAKAM_VAR": str(folder / "var")}
        service = Service(around, folder, shared_var=True)
        try:
            _play(drill, store, service, endpoint, seconds=seconds, seed=seed)
        finally:
            for process in [*service.processes]:
                service.kill(process)
            store.kill()
    return drill


def _play(
    drill: Drill, store: Store, service: Service, endpoint: Endpoint, *, seconds: float, seed: int
) -> None:
    folder = service.folder
    shell = {**os.environ, **service.environ, "BACKUP": str(folder / "backup")}
    shell |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    shell |= {"REDIS_FOLDER": str(store.folder)}
    store.start()
    with connect(store.url, 5.0) as redis:
        key = Sites(redis).add(
            Site(
                SITE,
                review={"toxicity": 0.0},
                webhook_url=endpoint.url,
                webhook_secret=SECRET,
                webhook_private=True,
            )
        )
    _start(service)
    drill.say(f"Redis, {len(service.ports)} web servers and the deliveries are ready")
    with _load(service, key, seed) as (load, poller):
        sleep(seconds)
        backup_began = load.now()
        drill.say(f"backup begins; {_acknowledged(load)} acknowledged so far")
        _run(block("backup"), shell)
        backup_ended = load.now()
        size = sum(one.stat().st_size for one in (folder / "backup").rglob("*") if one.is_file())
        drill.say(f"backup ends, {size / 1024:.0f} KiB, load was never stopped")
        sleep(seconds)
        drill.say("Redis is killed under load, then all of Hakam")
        store.kill()
        sleep(0.5)
        for process in [*service.processes]:
            service.kill(process)
    since = {op: n for op, n in _counts(load, backup_ended).items() if n}
    drill.counts = {f"{op} after the backup": n for op, n in since.items()}
    drill.say(f"acknowledged after the backup, and so lost: {since}")
    told_before = _told(endpoint) | poller.read
    shutil.rmtree(store.folder)
    shutil.rmtree(folder / "var")
    drill.say("Redis' folder and HAKAM_VAR are destroyed")

    store.folder.mkdir()
    _run(block("restore"), shell)
    store.start()
    _start(service, ready=False)
    drill.not_ready = httpx.get(f"{service.urls[0]}/readyz", timeout=10.0).json()
    drill.expect(
        "store-lost" in str(drill.not_ready), f"restored; /readyz: {_short(drill.not_ready)}"
    )
    early = Poller(poller.url, key, poller.after)
    early.look()
    drill.expect(
        not early.read and early.told and "after" not in early.told[0],
        f"before that is accepted, the poller's position gets {early.told[0]['status']}"
        if early.told
        else "before that is accepted, the poller's position is refused",
    )
    said = _run(block("accept"), shell)
    for line in said.splitlines():
        drill.say(f"      {line}")
    told = [one["data"] for one in endpoint.bodies() if one["type"] == "store.set_back"]
    drill.expect(len(told) == 1, f"the webhook is told: {told}")
    drill.expect(service.is_ready(), "accepted; every web server is ready, the chain holds")

    _reconcile(drill, store, service, endpoint, shell, key, load, poller, told_before)
    assert backup_began < backup_ended


def _reconcile(
    drill: Drill,
    store: Store,
    service: Service,
    endpoint: Endpoint,
    shell: Mapping[str, str],
    key: str,
    load: Load,
    poller: Poller,
    told_before: Mapping[str, str],
) -> None:
    n_told = len(poller.told)
    while poller.look() != 200 or len(poller.told) == n_told:
        assert len(poller.told) < n_told + 2, poller.told
    drill.poller_told = poller.told[n_told:]
    drill.expect(
        [one["type"].rpartition(":")[2] for one in drill.poller_told] == ["set-back"],
        f"the poller is told once: {drill.poller_told[0]['detail']}",
    )
    with connect(store.url, 5.0) as redis:
        outbox = "{hakam:demo}:outbox"
        await_condition(lambda: redis.zcard(outbox) == 0, what="deliveries", seconds=150.0)
    known = _known(load, endpoint)
    with httpx.Client(
        base_url=service.urls[0], headers={"Authorization": f"Bearer {key}"}, timeout=10
    ) as site:
        advised = _compare(service.folder, known, shell)
        n_each = {do: sum(one["do"] == do for one in advised) for do in ("send", "tell", "apply")}
        drill.counts |= n_each
        drill.say(f"of {len(known)} comments that the site knows: {n_each}")
        for number, one in enumerate(advised):
            comment = {"id": one["id"], "text": f"{TEXT} {one['id']}"}
            if one["do"] == "send":
                site.post("/v1/comments", json=comment).raise_for_status()
            elif one["do"] == "tell":
                decision = {"action": one["action"], "request_id": f"drill-{number}"}
                body = {"comment": comment, "moderator": "desk", **decision}
                site.post("/v1/decisions/external", json=body).raise_for_status()
            else:
                known[one["id"]] = one["action"]
        left = _compare(service.folder, known, shell)
        drill.expect(left == [], f"both know the same; left: {len(left)}")
        waiting = sum(action == "review" for action in known.values())
        stats = site.get("/v1/queue/stats").raise_for_status().json()
        n_waiting = stats["pending"] + stats["leased"]
        drill.expect(n_waiting >= waiting, f"{n_waiting} wait here, {waiting} are held there")
        item = site.post("/v1/queue/lease", json={"moderator": "amal"}).raise_for_status().json()
        decision = {"moderator": "amal", "request_id": "first", "action": "reject"}
        path = f"/v1/queue/items/{item['item']['id']}/decide"
        made = site.post(path, json={**decision, "token": item["token"]}).raise_for_status().json()
    newest = max(told_before, key=place)
    drill.expect(
        place(made["id"]) > place(newest), f"the first new decision is {made['id']}, after {newest}"
    )
    await_condition(lambda: made["id"] in _told(endpoint), what="the new decision", seconds=60.0)
    poller.look()
    after = _told(endpoint) | poller.read
    doubled = [one for one, fact in told_before.items() if after.get(one, fact) != fact]
    drill.expect(not doubled, f"no id of {len(told_before)} was given to another event")
    bodies: dict[str, set[bytes]] = {}
    for headers, raw in endpoint.told:
        named = {name.lower(): value for name, value in headers.items()}
        bodies.setdefault(named["webhook-id"], set()).add(raw)
    n_again = len(endpoint.told) - len(bodies)
    same = all(len(one) == 1 for one in bodies.values())
    drill.expect(same, f"{n_again} deliveries were made again, each with its id and body")
    ended = _run("hakam audit verify", shell).strip()
    drill.say(f"hakam audit verify: {ended}")


def _start(service: Service, *, ready: bool = True) -> None:
    for name in (*(f"web-{n}" for n in range(len(service.ports))), "webhooks"):
        service.start(name)
    await_condition(
        service.is_ready if ready else lambda: all(_speaks(url) for url in service.urls),
        what="the service",
        seconds=120.0,
    )


def _speaks(url: str) -> bool:
    try:
        return bool(httpx.get(f"{url}/readyz", timeout=5.0).status_code)
    except httpx.TransportError:
        return False


@contextmanager
def _load(service: Service, key: str, seed: int) -> Iterator[tuple[Load, Poller]]:
    load, poller = Load(service.urls, key), Poller(service.urls[0], key)
    names = [f"sender-{n}" for n in range(N_SENDERS)]
    names += [f"moderator-{n}" for n in range(N_MODERATORS)]
    threads = [Client(load, name, seed) for name in names]
    reading = Thread(target=poller.run, args=(load.stop,))
    for thread in (*threads, reading):
        thread.start()
    try:
        yield load, poller
    finally:
        load.stop.set()
        for thread in (*threads, reading):
            thread.join()


def _counts(load: Load, since: float = 0.0) -> dict[str, int]:
    done = [call.op for call in load.calls if call.outcome == "ok" and call.began >= since]
    return {op: done.count(op) for op in ("enqueue", "decide", "undo")}


def _acknowledged(load: Load) -> int:
    with load.lock:
        return sum(_counts(load).values())


def _decisions(endpoint: Endpoint) -> list[Any]:
    return [body for body in endpoint.bodies() if "decision_id" in body["data"]]


def _told(endpoint: Endpoint) -> dict[str, str]:
    found = {}
    for body in _decisions(endpoint):
        data = body["data"]
        found[data["decision_id"]] = f"{body['type']} {data['comment_id']} {data['action']}"
    return found


def _known(load: Load, endpoint: Endpoint) -> dict[str, str]:
    """Return what a site knows: every comment that was acknowledged, and what it was told of it."""
    known = dict.fromkeys(
        (call.request for call in load.calls if call.op == "enqueue" and call.outcome == "ok"),
        "review",
    )
    told = sorted(_decisions(endpoint), key=lambda body: place(body["data"]["decision_id"]))
    for body in told:
        recorded = body["type"] == "decision.recorded"
        known[body["data"]["comment_id"]] = body["data"]["action"] if recorded else "review"
    return known


def _compare(folder: Path, known: Mapping[str, str], shell: Mapping[str, str]) -> list[Any]:
    file = folder / "known.jsonl"
    lines = (json.dumps({"id": one, "action": action}) for one, action in known.items())
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    said = _run(f"hakam queue compare {SITE} {file}", shell)
    return [json.loads(line) for line in said.splitlines()]


def _run(lines: str, shell: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", lines], env=dict(shell), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{lines}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _short(said: Mapping[str, Any]) -> str:
    return f"{said.get('status')} {said.get('type', '')}: {said.get('detail', said)}"


def main() -> int:
    os.nice(5)
    environ = {"HAKAM_SENTENCE_SCORER": "off", "HAKAM_WORKERS": "2", "HAKAM_LOG_LEVEL": "warning"}
    drill = play(environ, seconds=float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
    verdict = "; ".join(drill.violations) or "nothing that was acknowledged is lost for good"
    drill.say(f"verdict: {verdict}")
    return bool(drill.violations)


if __name__ == "__main__":
    sys.exit(main())
