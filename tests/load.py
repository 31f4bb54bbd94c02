"""A news day played against the real service: sites, readers, moderators, and what came of it.

``make load MINUTES=10`` (``python tests/load.py --minutes 10 --seed 1``) starts Redis with every
write synced, the web server, the deliveries and the sites' own web server, lets Locust play a day
of two million comments in ten minutes (`load_day.py`, `load_users.py`), and writes to ``--output``
figures as JSON, tables and pictures. Then it sends as fast as it can, for what the machine carries.
What came of it is checked (`load_outcome.py`); the exit status is 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from threading import Event, Thread
from typing import Any

import psutil
from fake_sites import Endpoint, answering, dripping
from load_day import COMMENTS_A_DAY, Burst, Day, ModeratorPlan, SitePlan, shares
from load_outcome import Outcome, check, found_in
from redis import Redis

from conftest import await_condition, hakam, served
from service.accounts.accounts import Accounts
from service.run.private_redis import PrivateRedis
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.scripts import read_script

HERE = Path(__file__).parent
SERVICE = HERE.parent / "service"
SECRET = "whsec_" + b64encode(b"only on this machine, of all sites").decode()
PASSWORD = "correct horse battery"
N_SITES, N_MODERATORS = 50, 100
SLOWLOG_SECONDS, MOST_SLOWLOG = 2.0, 400
PROBED_BYTES = 600  # about what a verb adds to the append-only file
SETTLING_SECONDS = 120.0  # for what is still to be told at the end


@dataclass
class Play:
    """What was seen while a day was played."""

    day: Day
    rows: list[dict[str, Any]]
    told: list[dict[str, Any]]  # acknowledged comments
    polled: Mapping[str, Any]
    began: float
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)  # seconds of each kind of process
    samples: list[dict[str, Any]] = field(default_factory=list)
    scripts: dict[str, list[int]] = field(default_factory=dict)  # sampled microseconds of a verb
    redis: dict[str, Any] = field(default_factory=dict)
    fsync: list[float] = field(default_factory=list)  # seconds of a synced write beside Redis
    delivery_lags: list[tuple[float, str, float]] = field(default_factory=list)
    outcome: Outcome = field(default_factory=Outcome)


def make_day(
    redis: Redis,
    url: str,
    hooks: Mapping[str, str],
    *,
    seed: int,
    seconds: float,
    n_sites: int = N_SITES,
    n_moderators: int = N_MODERATORS,
    comments_a_day: float = COMMENTS_A_DAY,
    bursts: Sequence[Burst] = (),
    **options: Any,
) -> Day:
    """Make sites and moderators, and the plan: half of the sites are told, one never answers."""
    sites, kinds = [], []
    for number in range(n_sites):
        listens = "broken" if number == n_sites - 1 else "poll" if number % 2 else "webhook"
        hook: dict[str, Any] = {} if listens == "poll" else {"webhook_url": hooks[listens]}
        if hook:
            hook |= {"webhook_secret": SECRET, "webhook_private": True}
        sites.append(Site(f"site-{number}", **hook))
        kinds.append(listens)
    keys = [Sites(redis).add(site) for site in sites]
    plans = [
        SitePlan(site.id, key, share, listens)
        for site, key, share, listens in zip(sites, keys, shares(n_sites), kinds, strict=True)
    ]
    draw, n_open = random.Random(f"{seed} people"), options.get("open_pages", 5)
    people = []
    for number in range(n_moderators):
        # Large sites have more moderators; every site has some.
        chosen = draw.choices(plans, [plan.share for plan in plans], k=2)
        names = {*(plan.id for plan in chosen), plans[number % n_sites].id}
        # Some watch all sites, one in ten is a senior.
        role = "admin" if number < n_open else "moderator" if number % 10 else "senior"
        people.append(ModeratorPlan(f"moderator-{number}", PASSWORD, tuple(sorted(names)), role))
    accounts = Accounts(redis)

    def add(number: int) -> None:
        one = people[number]
        sites = None if one.role == "admin" else one.sites
        accounts.add(one.name, PASSWORD, one.role, sites=sites)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(n_moderators)))
    return Day(url, seed, seconds, comments_a_day, plans, people, list(bursts), **options)


def verbs() -> dict[str, str]:
    """Name of the verb of each script, by its digest."""
    return {
        read_script(file.parent.parent.name, file.stem).digest: file.stem
        for file in SERVICE.glob("*/lua/*.lua")
    }


class Observer(Thread):
    """Reads, while the day is played, what processes and Redis say of themselves."""

    def __init__(self, redis: Redis, day: Day, processes: Mapping[str, int], folder: Path) -> None:
        super().__init__(name="observer")
        self._redis: Any = redis
        self._day, self._folder = day, folder
        self._roots = {name: psutil.Process(pid) for name, pid in processes.items()}
        self._known: dict[int, tuple[str, psutil.Process]] = {}
        self._cpu: dict[int, float] = {}
        self._verbs = verbs()
        self.stop = Event()
        self.samples: list[dict[str, Any]] = []
        self.scripts: dict[str, list[int]] = defaultdict(list)
        self.fsync: list[float] = []

    def run(self) -> None:
        for name, value in {"slowlog-log-slower-than": 0, "slowlog-max-len": MOST_SLOWLOG}.items():
            self._redis.config_set(name, value)
        self._redis.config_resetstat()
        began, last_look = time.time(), 0.0
        with (self._folder / "probe").open("wb", buffering=0) as probe:
            while not self.stop.wait(1.0):
                self.samples.append({"at": time.time() - began, **self.look()})
                if time.time() - last_look > SLOWLOG_SECONDS:
                    last_look = time.time()
                    self._read_slowlog()
                self._probe(probe)
        self.samples.append({"at": time.time() - began, **self.look()})
        self._redis.config_set("slowlog-log-slower-than", 10_000)

    def look(self) -> dict[str, Any]:
        info = self._redis.info("memory") | self._redis.info("persistence")
        info |= self._redis.info("stats")
        queue: Counter[str] = Counter()
        with self._redis.pipeline(transaction=False) as pipe:
            for site in self._day.sites:
                pipe.zcard(f"{{hakam:{site.id}}}:outbox")
                pipe.zcard(f"{{hakam:{site.id}}}:lines")
            for site, (outbox, _) in zip(
                self._day.sites, zip(*[iter(pipe.execute())] * 2, strict=True), strict=True
            ):
                queue["outbox_broken" if site.listens == "broken" else "outbox"] += outbox
        return {
            "cpu": self._processor_times(),
            "memory": self._memory(),
            "used": info["used_memory"],
            "aof": info.get("aof_current_size", 0),
            "commands": info["total_commands_processed"],
            **queue,
        }

    def _processor_times(self) -> dict[str, float]:
        for name, root in self._roots.items():
            with suppress(psutil.NoSuchProcess):
                self._known.setdefault(root.pid, (name, root))
                if root.pid == os.getpid():  # whose children are all the others
                    continue
                for child in root.children(recursive=True):
                    kind = "web workers" if name == "gunicorn" else name
                    self._known.setdefault(child.pid, (kind, child))
        for pid, (_, process) in self._known.items():
            with suppress(psutil.NoSuchProcess):
                spent = process.cpu_times()
                self._cpu[pid] = spent.user + spent.system
        total: Counter[str] = Counter()
        for pid, spent_seconds in self._cpu.items():
            total[self._known[pid][0]] += spent_seconds  # type: ignore[assignment]
        return dict(total)

    def _memory(self) -> dict[str, int]:
        """Memory that only this process has, summed by kind."""
        total: Counter[str] = Counter()
        for kind, process in self._known.values():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total[kind] += process.memory_full_info().uss
        return dict(total)

    def _read_slowlog(self) -> None:
        for entry in self._redis.slowlog_get(MOST_SLOWLOG):
            words = entry["command"].decode(errors="replace").split(" ")
            name = words[0].upper()
            if name == "EVALSHA":
                name = self._verbs.get(words[1], "another script")
            if name not in {"SLOWLOG", "INFO", "CONFIG"}:
                self.scripts[name].append(entry["duration"])
        self._redis.slowlog_reset()

    def _probe(self, file: Any) -> None:
        file.write(os.urandom(PROBED_BYTES))
        began = time.perf_counter()
        os.fdatasync(file.fileno())
        self.fsync.append(time.perf_counter() - began)


@contextmanager
def telling(environ: Mapping[str, str], log: Path) -> Iterator[int]:
    """Run ``hakam webhooks``; yield its process id."""
    with log.open("w") as out:
        process = hakam("webhooks", environ=dict(environ), stdin=DEVNULL, stdout=out, stderr=STDOUT)
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(timeout=60.0)


def play(
    environ: Mapping[str, str],
    folder: Path,
    *,
    executable: Path | None = None,
    **wanted: Any,
) -> Play:
    """Start everything, play a day, and judge what is left."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        server = stack.enter_context(PrivateRedis(executable))
        url = server.start(folder)
        redis = stack.enter_context(Redis.from_url(url, decode_responses=True))
        endpoint = stack.enter_context(answering())
        drip = stack.enter_context(dripping(b"HTTP/1.1 200 OK\r\ncontent-type: "))
        environ = {
            **environ,
            "HAKAM_PROXIES": "1",
            "HAKAM_REDIS_URL": url,
            "HAKAM_VAR": str(folder / "var"),
        }
        environ.setdefault("HAKAM_SECRET_KEY", "0123456789abcdef" * 4)
        address = stack.enter_context(served(dict(environ), folder / "web.log"))
        webhooks = stack.enter_context(telling(environ, folder / "webhooks.log"))
        day = make_day(redis, address, {"webhook": endpoint.url, "broken": drip.url}, **wanted)
        day.write(folder / "day.json")
        processes = {
            "gunicorn": _listener(address),
            "deliveries": webhooks,
            "Redis": redis.info("server")["process_id"],
            "sites' web server": os.getpid(),
        }
        return _watched(redis, url, day, processes, folder, endpoint)


def _listener(address: str) -> int:
    port = int(address.rpartition(":")[2])
    for process in psutil.Process().children():
        if any(
            one.laddr.port == port for one in process.net_connections() if one.status == "LISTEN"
        ):
            return process.pid
    raise AssertionError("nobody listens")


def _watched(
    redis: Redis, url: str, day: Day, processes: dict[str, int], folder: Path, endpoint: Endpoint
) -> Play:
    n_pollers = sum(site.listens == "poll" for site in day.sites)
    players = ["Newsroom", "Watch"] + ["Crowd"] * bool(day.bursts)
    players += ["Moderator"] * bool(day.moderators)
    players += ["Poller"] * bool(n_pollers)
    command = [sys.executable, "-m", "locust", "-f", str(HERE / "load_users.py"), *players]
    n_players = len(day.sites) + len(day.bursts) + len(day.moderators) + n_pollers + 1
    command += ["--headless", "--only-summary", "--users", str(n_players), "--spawn-rate", "100"]
    files = {"LOAD_DAY": str(folder / "day.json"), "LOAD_OUT": str(folder / "rows.jsonl")}
    with (folder / "locust.log").open("w") as log:
        environ = (
            os.environ | files | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])}
        )
        locust = subprocess.Popen(command, env=environ, stdin=DEVNULL, stdout=log, stderr=STDOUT)
        with Redis.from_url(url) as raw:
            observer = Observer(raw, day, processes | {"Locust": locust.pid}, folder)
            before = observer.look()
            observer.start()
            try:
                locust.wait(timeout=day.seconds + 600.0)
            finally:
                locust.kill()
                locust.wait()
                observer.stop.set()
                observer.join()
    head, *rows = _read(folder / "rows.jsonl", folder / "locust.log")
    _settle(redis, day)
    found = Play(
        day,
        rows=[row for row in rows if "route" in row],
        told=[row["told"] for row in rows if "told" in row],
        polled=head["polled"],
        began=head["began"],
        seconds=head["ended"] - head["began"],
    )
    last = observer.samples[-1]
    found.cpu = {name: at - before["cpu"].get(name, 0.0) for name, at in last["cpu"].items()}
    found.samples, found.scripts, found.fsync = observer.samples, observer.scripts, observer.fsync
    found.redis = _redis_figures(redis, before, last)
    known = found_in(redis, day, endpoint, head["polled"])
    found.delivery_lags = known.lags
    logged = (folder / "web.log").read_text(encoding="utf-8")
    found.outcome = check(day, found.rows, found.told, known, logged)
    return found


def _read(file: Path, log: Path) -> list[dict[str, Any]]:
    if not file.exists():
        raise AssertionError(f"Locust wrote nothing: {log.read_text()[-2_000:]}")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _settle(redis: Any, day: Day) -> None:
    """Wait until the sites that answer have been told all."""
    keys = [f"{{hakam:{site.id}}}:outbox" for site in day.sites if site.listens == "webhook"]
    await_condition(
        lambda: not any(redis.zcard(key) for key in keys),
        what="deliveries",
        seconds=SETTLING_SECONDS,
    )


def _redis_figures(
    redis: Any, before: Mapping[str, Any], last: Mapping[str, Any]
) -> dict[str, Any]:
    stats = redis.info("commandstats")
    used = {name.removeprefix("cmdstat_"): one for name, one in stats.items()}
    return {
        "version": redis.info("server")["redis_version"],
        "commands": {name: [one["calls"], one["usec"]] for name, one in used.items()},
        "used_before": before["used"],
        "used_after": last["used"],
        "aof": last["aof"] - before["aof"],
    }


def two_bursts(seconds: float, n_sites: int) -> list[Burst]:
    """Two bursts of 500 comments a second: at noon, and at the evening's peak."""
    lasts = max(2.0, seconds / 60)
    return [
        Burst(f"site-{n_sites // 4}", 0.5 * seconds, lasts, 500.0),
        Burst("site-2", 21.4 / 24 * seconds, lasts, 500.0),
    ]


def main() -> int:
    from load_report import renew, report

    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--seed", type=int, default=random.randrange(10**6))
    words.add_argument("--sites", type=int, default=N_SITES)
    words.add_argument("--moderators", type=int, default=N_MODERATORS)
    words.add_argument("--comments-a-day", type=float, default=COMMENTS_A_DAY)
    words.add_argument("--saturate-seconds", type=float, default=30.0)
    words.add_argument("--output", type=Path, default=Path("var/load"))
    words.add_argument("--renew", action="store_true", help="write docs/load.md and its pictures")
    asked = words.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(f"seed {asked.seed}\n")
    sys.stdout.flush()
    seconds = asked.minutes * 60
    environ = {"HAKAM_WORKERS": "2"}
    common = {"seed": asked.seed, "n_sites": asked.sites}
    with tempfile.TemporaryDirectory(dir=asked.output, prefix="play-") as name:
        folder = Path(name)
        day = play(
            environ,
            folder / "day",
            seconds=seconds,
            n_moderators=asked.moderators,
            comments_a_day=asked.comments_a_day,
            bursts=two_bursts(seconds, asked.sites),
            **common,
        )
        shutil.copy(folder / "day" / "rows.jsonl", asked.output / "rows.jsonl")
        full = None
        if asked.saturate_seconds:
            # More than any machine carries: all connections of all sites are always in use.
            rate = 5_000.0 * 86_400
            full = play(
                environ,
                folder / "full",
                seconds=asked.saturate_seconds,
                n_moderators=0,
                comments_a_day=rate,
                **(common | {"n_sites": 8}),
            )
    said = report(day, full, asked.output)
    sys.stdout.write(said)
    if asked.renew:
        renew(asked.output)
    bad = day.outcome.violations + (full.outcome.violations if full else [])
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
