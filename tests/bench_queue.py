"""How fast the queue is, what an item costs, and whether a long run's books balance.

Run it as ``make bench``, or ``python tests/bench_queue.py --help``. Every number is measured on a
private Redis that syncs each write to the disk, as in production, and is printed with the limit it
must keep; the exit status is 1 when one does not.

Throughput is a ratio, so that the machine does not matter. Four processes of 16 threads, each with
a connection of its own, send as fast as they are answered: first an empty script, then one that
writes one key, then the verbs of a comment's path (enqueue, lease, decide: three calls). All go
through the same method of the same client, and a verb's time includes what `ReviewQueue` does
around it. They take turns, and the median over the turns of each ratio counts. The same is shown
without syncing: an empty script never waits for the disk, so what one synced key costs is the
ceiling of the first ratio, and the second ratio says what the verbs themselves cost. Clients and
server share the machine's cores; what else runs on it adds noise to both.

The floor is a script for each of the three verbs that makes the writes of that verb, which are read
from Redis' own file, and nothing else: it looks for nothing, checks nothing, and is sent and
answered nothing but what is written. No verb that stores what it stores can be faster than that.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import math
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import arriving
import hiredis
from redis import Redis
from test_group_decisions import decide_many

from models.schema import Evidence
from service.delivery.webhooks import Deliveries
from service.queue import arrivals
from service.queue.read_models import ReadModels
from service.queue.records import Comment, Decision, Enqueued, Lease, item_id_of
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.run.private_redis import PrivateRedis
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.scripts import Script, Verbs, read_script

LABELS_SEEN = ("insult", "profanity", "identity_attack", "threat")
SCORES = {
    "toxicity": 0.91,
    "insult": 0.8,
    "profanity": 0.04,
    "identity_attack": 0.02,
    "threat": 0.01,
}
EVIDENCE = [Evidence("text", "insult", 4, 9, 2.31)]
TEXT = "تعليق طويل بعض الشيء تحت مقال عن الطقس " * 4  # "a rather long comment on the weather"
NAME = "x-0000-0000"  # of the comment by which floors are made
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

N_PROCESSES, N_THREADS = 4, 16
N_TURNS = 3
OF_FLOOR = 0.4  # of the speed of its writes alone, that a comment's path must have
PAGE_MS = 10.0  # what a full list of fifty decisions may take more than a short one

failures: list[str] = []


def show(what: str, value: float, unit: str, limit: str = "", kept: bool = True) -> None:
    """Print one number, and remember a limit that it did not keep."""
    verdict = "" if not limit else f"   {'ok' if kept else 'TOO BAD'}: {limit}"
    print(f"{what:58}{value:12,.2f} {unit}{verdict}", flush=True)
    if not kept:
        failures.append(what)


def comment(name: str) -> Comment:
    """A comment with all that sites send."""
    return Comment(
        id=name,
        text=TEXT,
        author_id=f"reader-{hash(name) % 5000}",
        author_name="قارئ",  # "reader"
        article_id=f"article-{hash(name) % 300}",
        article_url=f"https://news.example/2026/11/22/{hash(name) % 300}",
        article_title="حالة الطقس اليوم",  # "today's weather"
        created_at="2026-11-22T12:00:00Z",
    )


def client(url: str) -> Redis:
    return Redis.from_url(url, decode_responses=True, socket_timeout=60.0)


def judged(name: str) -> tuple[Comment, Verdict]:
    label = LABELS_SEEN[hash(name) % len(LABELS_SEEN)]
    return comment(name), Verdict("review", label, "text", 0.8, "score", 1.0, "20261122-demo")


def enqueue(queue: ReviewQueue, name: str) -> None:
    arriving.enqueue(queue, "demo", *judged(name), scores=SCORES, evidence=EVIDENCE)


class Batch(Verbs):
    """Sends the enqueue of many comments at once, to fill a queue quickly."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis, "queue")
        self._line = redis.pipeline(transaction=False)
        redis.script_load(read_script("queue", "enqueue").text)

    def _run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | int | float]
    ) -> Any:
        self._line.evalsha(script.digest, len(keys), *keys, *arguments)
        return 1, 1, "pending"

    def flush(self) -> None:
        """Send what is waiting."""
        self._line.execute()


def fill(redis: Redis, start: int, stop: int) -> None:
    queue = ReviewQueue(redis)
    batch = Batch(redis)
    queue._verbs = batch
    for number in range(start, stop):
        enqueue(queue, f"c-{number}")
        if number % 1000 == 999:
            batch.flush()
    batch.flush()


# Memory


def memory(url: str, redis: Redis, n_items: int) -> None:
    """Bytes of Redis for a pending item, beyond its text."""
    info: Any = redis.info("memory")
    before = info["used_memory"]
    with client(url) as sender:  # whose buffers go when it goes
        fill(sender, 0, n_items)
    info = redis.info("memory")
    spent = (info["used_memory"] - before) / n_items
    contents: Any = redis.hrandfield("{hakam:demo}:texts", 1, withvalues=True)
    content = list(contents.values() if isinstance(contents, dict) else contents)[-1]
    beyond = spent - len(content.encode())
    show(f"memory per pending item of {n_items:,}", spent, "bytes")
    show("beyond all that the site sent and its scores", beyond, "bytes")
    spent -= len(TEXT.encode())
    show(
        f"memory per pending item of {n_items:,}, beyond its text",
        spent,
        "bytes",
        "<= 1536",  # 1.5 KB
        spent <= 1536,
    )


# Lease


def lease_seconds(redis: Redis, n_leases: int = 2000) -> float:
    """Time that the server spends on one lease, in microseconds; the items are released again."""
    queue = ReviewQueue(redis)
    spent: list[float] = []
    for _ in range(5):
        leases = []
        redis.config_resetstat()
        for _ in range(n_leases // 5):
            lease = queue.lease("demo", "amal")
            assert lease is not None
            leases.append(lease)
        stats: Any = redis.info("commandstats")
        spent.append(stats["cmdstat_evalsha"]["usec_per_call"])
        for lease in leases:
            queue.release("demo", lease.item.id, lease.token)
    return statistics.median(spent)


def lease_grows(redis: Redis, few: int, many: int) -> None:
    """Compare the cost of a lease with few and with many pending items."""
    redis.flushall()
    fill(redis, 0, few)
    with_few = lease_seconds(redis)
    fill(redis, few, many)
    with_many = lease_seconds(redis)
    show(f"lease with {few:,} pending", with_few, "us of the server")
    show(f"lease with {many:,} pending", with_many, "us of the server")
    ratio = with_many / with_few
    show("lease with many over lease with few", ratio, "", "<= 1.5", ratio <= 1.5)


# The floor


def writes_of(folder: Path, verb: Callable[[], Any]) -> list[list[str]]:
    """Return the commands by which a verb writes, as Redis has them in its file."""
    file = max(folder.rglob("*.aof"), key=lambda one: one.stat().st_mtime)
    start = file.stat().st_size
    verb()
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(file.read_bytes()[start:])
    commands = iter(reader.gets, False)
    return [one for one in commands if one[0].upper() not in ("SELECT", "MULTI", "EXEC")]


def floors(redis: Redis, folder: Path) -> dict[str, list[list[str]]]:
    """Return the writes of each verb of a comment's path, for the comment `NAME`."""
    redis.flushall()
    queue, leases = ReviewQueue(redis), list[Lease | None]()

    def decide() -> None:
        (lease,) = leases
        assert lease is not None
        draft = Decision("approve", moderator="amal", request_id=NAME)
        queue.decide("demo", lease.item.id, lease.token, draft)

    return {
        "enqueue": writes_of(folder, lambda: enqueue(queue, NAME)),
        "lease": writes_of(folder, lambda: leases.append(queue.lease("demo", "amal"))),
        "decide": writes_of(folder, decide),
    }


def writer(redis: Any, commands: Sequence[Sequence[str]]) -> Callable[[str], Any]:
    """Make a script of these writes; what is returned makes them for a comment of any name."""
    own = item_id_of(NAME)
    keys = list(dict.fromkeys(command[1] for command in commands))
    values, lines = list[str](), list[str]()
    for name, key, *rest in commands:
        if name.upper() == "XADD":
            rest[0] = "*"
        places = range(len(values) + 1, len(values) + len(rest) + 1)
        given = "".join(f", ARGV[{place}]" for place in places)
        lines.append(f"redis.call('{name}', KEYS[{keys.index(key) + 1}]{given})")
        values += rest
    digest = redis.script_load("\n".join([*lines, "return 1"]))
    named = [place for place, value in enumerate(values) if own in value or NAME in value]

    def write_all(name: str) -> Any:
        item_id, sent = item_id_of(name), values.copy()
        for place in named:
            sent[place] = sent[place].replace(own, item_id).replace(NAME, name)
        return redis.execute_command("EVALSHA", digest, len(keys), *keys, *sent)

    return write_all


# Verbs


class Timed(Verbs):
    """Adds up how long the client waited for Redis."""

    waited = 0.0

    def _run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | int | float]
    ) -> Any:
        start = time.perf_counter()
        answer = super()._run(script, keys, arguments)
        self.waited += time.perf_counter() - start
        return answer


_AROUND = {"cmdstat_config|resetstat", "cmdstat_info", "cmdstat_script|load", "cmdstat_eval"}
COLUMNS = "in all", "script", "of that, its commands", "way there and back", "client"


def verbs(redis: Redis, folder: Path, n_items: int = 200, n_turns: int = 20) -> None:
    """Time that each verb takes, by who spends it, beside that of an empty script.

    The commands are those that the script calls; the way is what the call takes beside the script:
    redis-py, the kernel, Redis' loop and the disk.
    """
    commands = floors(redis, folder)
    redis.flushall()
    queue = ReviewQueue(redis)
    queue._verbs = timed = Timed(redis, "queue")
    floor = {name: writer(redis, one) for name, one in commands.items()}
    spent: dict[str, list[tuple[float, ...]]] = {}

    def measure(name: str, verb: Callable[[Any], Any], asked: Sequence[Any]) -> list[Any]:
        redis.config_resetstat()
        timed.waited, start = 0.0, time.perf_counter()
        answers = [verb(one) for one in asked]
        took = (time.perf_counter() - start) * 1e6
        waited = timed.waited * 1e6 or took
        stats: Any = redis.info("commandstats")
        script = stats.pop("cmdstat_evalsha")["usec"]
        inner = sum(one["usec"] for name, one in stats.items() if name not in _AROUND)
        parts = (took, script, inner, waited - script, took - waited)
        spent.setdefault(name, []).append(tuple(part / len(asked) for part in parts))
        return answers

    def decide(lease: Lease) -> Decision:
        draft = Decision("reject", ("insult",), moderator="amal", request_id=lease.item.id)
        return queue.decide("demo", lease.item.id, lease.token, draft)

    for turn in range(n_turns):
        names = [f"v-{turn * n_items + number}" for number in range(n_items)]
        measure("empty script", empty(redis, ""), range(n_items))
        for verb, write_all in floor.items():
            measure(f"floor of {verb}", write_all, [f"f-{name}" for name in names])
        measure("enqueue", lambda name: enqueue(queue, name), names)
        leases = measure("lease", lambda _: queue.lease("demo", "amal"), names)
        measure("renew", lambda lease: queue.renew("demo", lease.item.id, lease.token), leases)
        made = measure("decide", decide, leases)
        measure("undo", lambda one: queue.undo("demo", one.item_id, "amal", one.id), made)
        rest = Decision("reject", moderator="amal", request_id=f"turn-{turn}")
        decide_many(queue, {one.item_id: one.version for one in made}, rest)
    print(f"{'us of a call':20}" + "".join(f"{column:>22}" for column in COLUMNS))
    for name, times in spent.items():
        parts = [statistics.median(part) for part in zip(*times, strict=True)]
        print(f"{name:20}" + "".join(f"{part:22.1f}" for part in parts), flush=True)


def many_at_once(redis: Redis, n_items: int = 100, n_turns: int = 20) -> None:
    """Compare comments that are taken in together with the same number one by one."""
    redis.flushall()
    queue, ratios, spent = ReviewQueue(redis), list[float](), list[float]()
    for turn in range(n_turns + 1):  # the first makes what is made once
        names = [f"m-{turn * n_items + number}" for number in range(n_items)]
        start = time.perf_counter()
        for name in names:
            enqueue(queue, f"alone-{name}")
        alone, start = time.perf_counter() - start, time.perf_counter()
        stood = queue.take_in(
            "demo",
            [
                arrivals.enqueue("demo", *judged(name), scores=SCORES, evidence=EVIDENCE)
                for name in names
            ],
        )
        together = time.perf_counter() - start
        assert all(isinstance(one, Enqueued) and one.created for one in stood)
        if turn:
            ratios.append(alone / together)
            spent.append(together / n_items * 1e6)
    show(f"of {n_items} comments taken in together, one", statistics.median(spent), "us")
    ratio = statistics.median(ratios)
    show("one by one over together", ratio, "", ">= 2", ratio >= 2)


# Throughput


def empty(redis: Any, _: str) -> Callable[[int], int]:
    digest = redis.script_load("return 1")
    return lambda _: redis.execute_command("EVALSHA", digest, 0) * 1


def write(redis: Any, name: str) -> Callable[[int], int]:
    """Make a script that only writes one key: what a synced disk leaves of the empty script."""
    digest = redis.script_load("return redis.call('SET', KEYS[1], ARGV[1])")
    return lambda number: bool(redis.execute_command("EVALSHA", digest, 1, name, number)) * 1


def whole_path(redis: Any, name: str) -> Callable[[int], int]:
    queue = ReviewQueue(redis)

    def once(number: int) -> int:
        enqueue(queue, f"{name}-{number}")
        lease = queue.lease("demo", name)
        if lease is None:
            return 2
        draft = Decision("approve", moderator=name, request_id=f"{name}-{number}")
        queue.decide("demo", lease.item.id, lease.token, draft)
        return 3

    return once


def floor_of_path(redis: Any, name: str) -> Callable[[int], int]:
    """Make the writes of the whole path; what they are lies in Redis."""
    writers = [writer(redis, commands) for commands in json.loads(redis.get(FLOORS)).values()]
    return lambda number: sum(bool(one(f"{name}-{number}")) for one in writers)


FLOORS = "floors"  # key
TASKS = {"empty": empty, "write": write, "floor": floor_of_path, "path": whole_path}


def count_calls(
    url: str, task: str, place: int, seconds: float, start: Barrier, answer: Connection
) -> None:
    """Make calls from many connections for some seconds; send back how many were made."""

    def calls(thread: int) -> int:
        with client(url) as redis:
            once = TASKS[task](redis, f"p{place}-t{thread}")
            once(-1)  # what a process makes once is made
            ready.wait()
            end, n_calls, number = time.monotonic() + seconds, 0, 0
            while time.monotonic() < end:
                n_calls += once(number)
                number += 1
            return n_calls

    def all_start() -> None:
        start.wait()

    ready = threading.Barrier(N_THREADS, action=all_start)
    with ThreadPoolExecutor(N_THREADS) as threads:
        answer.send(sum(threads.map(calls, range(N_THREADS))))


def calls_per_second(url: str, task: str, seconds: float) -> float:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(N_PROCESSES)
    pipes = [context.Pipe(duplex=False) for _ in range(N_PROCESSES)]
    workers = [
        context.Process(target=count_calls, args=(url, task, place, seconds, start, sender))
        for place, (_, sender) in enumerate(pipes)
    ]
    for worker in workers:
        worker.start()
    n_calls: int = sum(receiver.recv() for receiver, _ in pipes)
    for worker in workers:
        worker.join()
    return n_calls / seconds


def throughput(url: str, folder: Path, seconds: float) -> None:
    """Compare enqueue, lease and decide with an empty script on the same server."""
    with client(url) as redis:
        commands = json.dumps(floors(redis, folder))
    for sync in ("always", "no"):
        turns = []
        for _ in range(N_TURNS):
            with client(url) as redis:
                redis.flushall()
                redis.set(FLOORS, commands)
                redis.config_set("appendfsync", sync)
            turns.append({task: calls_per_second(url, task, seconds) for task in TASKS})
        for task, what in (
            ("empty", "empty EVALSHA"),
            ("write", "EVALSHA that writes one key"),
            ("floor", "the same writes and nothing else"),
            ("path", "enqueue, lease and decide"),
        ):
            speed = statistics.median(turn[task] for turn in turns)
            show(f"{what}, appendfsync {sync}", speed, "calls a second")
        for one, other in (("write", "empty"), ("floor", "empty"), ("path", "empty")):
            ratio = statistics.median(turn[one] / turn[other] for turn in turns)
            show(f"{one} over {other}, appendfsync {sync}", ratio, "")
        ratio = statistics.median(turn["path"] / turn["floor"] for turn in turns)
        kept = ratio >= OF_FLOOR
        show(f"path over floor, appendfsync {sync}", ratio, "", f">= {OF_FLOOR}", kept)
    with client(url) as redis:
        redis.config_set("appendfsync", "always")


# Soak


def listen(answer: Connection) -> None:
    """Be a site's web server: count what is delivered, and how often each id came."""
    told: dict[str, int] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(
                    line.split(": ", 1)
                    for line in head.decode().lower().split("\r\n")
                    if ": " in line
                )
                await reader.readexactly(int(fields["content-length"]))
                told[fields["webhook-id"]] = told.get(fields["webhook-id"], 0) + 1
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        answer.send(server.sockets[0].getsockname()[1])
        async with server:
            while not answer.poll():
                await asyncio.sleep(0.05)
        answer.send((len(told), sum(told.values())))

    asyncio.run(run())


@contextmanager
def endpoint() -> Iterator[tuple[str, Connection]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    listener = context.Process(target=listen, args=(theirs,))
    listener.start()
    yield f"http://127.0.0.1:{ours.recv()}/", ours
    listener.join()


def soak_part(url: str, place: int, n_items: int) -> None:
    """Send and decide comments from many connections, and decide what others left behind."""

    def part(thread: int) -> None:
        name = f"soak-{place}-{thread}"
        with client(url) as redis:
            once = whole_path(redis, name)
            for number in range(n_items // N_THREADS):
                once(number)
            queue = ReviewQueue(redis)
            while lease := queue.lease("demo", name):
                draft = Decision("reject", moderator=name, request_id=f"rest-{lease.item.id}")
                queue.decide("demo", lease.item.id, lease.token, draft)

    with ThreadPoolExecutor(N_THREADS) as threads:
        list(threads.map(part, range(N_THREADS)))


def deliver_all(url: str, _: int) -> None:
    with client(url) as redis:
        sites = Sites(redis)
        deliveries = Deliveries(redis, sites)
        while deliveries._deliver_next(sites.get("demo")) is not None:
            pass


def soak(url: str, n_items: int) -> None:
    """Take comments along the whole path, and balance the books."""
    with client(url) as redis, endpoint() as (address, pipe):
        redis.flushall()
        sites = Sites(redis)
        sites.add(Site("demo", webhook_url=address, webhook_secret=SECRET, webhook_private=True))
        queue = ReviewQueue(redis)
        context = multiprocessing.get_context("spawn")
        per_item: list[float] = []
        start = time.monotonic()
        for tenth in range(10):
            share = math.ceil(n_items / 10 / N_PROCESSES / N_THREADS) * N_THREADS
            workers = [
                context.Process(target=soak_part, args=(url, tenth * N_PROCESSES + place, share))
                for place in range(N_PROCESSES)
            ]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            with ThreadPoolExecutor(N_THREADS) as threads:
                list(threads.map(functools.partial(deliver_all, url), range(N_THREADS)))
            info: Any = redis.info("memory")
            per_item.append(info["used_memory"] / ((tenth + 1) * share * N_PROCESSES))
        seconds = time.monotonic() - start
        n_sent = share * N_PROCESSES * 10
        pipe.send("enough")
        n_ids, n_told = pipe.recv()
        stats = queue.stats("demo")
        books = {stats.decided, redis.hlen("{hakam:demo}:items"), n_ids, n_told, n_sent}
        show(f"soak of {n_sent:,} comments", n_sent / seconds, "comments a second")
        show("decided", stats.decided, "", f"== {n_sent:,}", stats.decided == n_sent)
        show("told to the site, and ids among them", n_told, "", "each once", books == {n_sent})
        left = stats.pending + stats.leased + stats.outbox + stats.dead
        show("left in the line, in hands, in the outbox, dead", left, "", "== 0", left == 0)
        growth = per_item[-1] / per_item[1]
        show("memory per decided item, text included", per_item[-1], "bytes")
        show(
            "memory per item at the end over that at a fifth",
            growth,
            "",
            "flat: <= 1.1",
            growth <= 1.1,
        )


# Pages


def decide_all(redis: Redis, start: int, stop: int) -> None:
    """Decide so many comments, a thousand at once."""
    queue = ReviewQueue(redis)
    for first in range(start, stop, 1_000):
        fill(redis, first, first + 1_000)
        chosen = {item_id_of(f"c-{number}"): 1 for number in range(first, first + 1_000)}
        decide_many(queue, chosen, Decision("reject", moderator="amal", request_id=f"bulk-{first}"))


def pages(redis: Redis, sizes: Sequence[int]) -> None:
    """What pages ask of the read models, after few decisions and after many."""
    redis.flushall()
    models = ReadModels(redis)

    def find(name: str, value: str) -> Callable[[], int]:
        return lambda: len(models.find("demo", name, value).decisions)

    asked: dict[str, Callable[[], int]] = {
        "author": find("author_id", comment("c-7").author_id),
        "article": find("article_id", comment("c-7").article_id),
        "comment": find("comment_id", "c-7"),
        "figures of 14 days": lambda: sum(map(len, models.days("demo", 14).values())),
    }
    at_few: dict[str, float] = {}
    for n_before, n_decided in pairwise((0, *sizes)):
        decide_all(redis, n_before, n_decided)
        for name, ask in asked.items():
            times = []
            for _ in range(50):
                start = time.perf_counter()
                n_shown = ask()
                times.append(time.perf_counter() - start)
            took = statistics.median(times) * 1000
            more = took - at_few.setdefault(name, took)
            what = f"{name}, after {n_decided:,} decisions, {n_shown} shown"
            show(what, took, "ms", f"< {PAGE_MS:g} ms more", more < PAGE_MS)
    keys = ("{hakam:demo}:listed", "{hakam:demo}:figures")
    used: Any = sum(redis.memory_usage(key, samples=0) or 0 for key in keys)
    show("memory of the read models per decision", used / n_decided, "bytes")
    info: Any = redis.info("memory")
    show("memory of everything per decision", info["used_memory"] / n_decided, "bytes")


def main() -> int:
    """Measure everything."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument(
        "--many", type=int, default=1_000_000, help="pending items of the long line"
    )
    options.add_argument("--soak", type=int, default=100_000, help="comments of the soak")
    options.add_argument("--decisions", type=int, default=100_000, help="decisions behind pages")
    options.add_argument("--seconds", type=float, default=3.0, help="of each throughput")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, PrivateRedis() as server:
        url = server.start(Path(folder))
        with client(url) as redis:
            info: Any = redis.info("server")
            print(f"Redis {info['redis_version']}, appendfsync always")
            memory(url, redis, 20_000)
            verbs(redis, Path(folder))
            many_at_once(redis)
            throughput(url, Path(folder), chosen.seconds)
            lease_grows(redis, 1_000, chosen.many)
            pages(redis, (1_000, max(2_000, chosen.decisions // 20), chosen.decisions))
            soak(url, chosen.soak)
    if failures:
        print("Limits not kept: " + ", ".join(failures), file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
