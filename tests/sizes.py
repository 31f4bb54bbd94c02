"""Sizes: what an item takes in Redis' memory and on its disk, and what each process takes.

``.venv/bin/python tests/sizes.py`` prints the table of docs/network.md.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
from arriving import enqueue
from drill import Store
from failover import Service

from conftest import await_condition
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import connect

N_ITEMS = 5_000
TEXT = "تعليق طويل بعض الشيء عن الخبر وما فيه من كلام كثير يقرأه الناس كل يوم "  # some 70 letters
VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hakam-sizes-") as name:
        folder = Path(name)
        store = Store(folder / "redis")
        store.start()
        service = Service(
            {"HAKAM_REDIS_URL": store.url, "HAKAM_LOG_LEVEL": "warning"}, folder, shared_var=True
        )
        try:
            with connect(store.url, 10.0) as redis:
                _items(redis, store)
            _processes(service)
        finally:
            for process in [*service.processes]:
                service.kill(process)
            store.kill()


def _items(redis: Any, store: Store) -> None:
    Sites(redis).add(Site("demo"))
    queue = ReviewQueue(redis)
    empty = _taken(redis, store)
    for number in range(N_ITEMS):
        comment = Comment(
            id=f"comment-{number}",
            text=f"{TEXT}{number}",
            author_id=f"reader-{number % 500}",
            author_name="قارئ",  # "reader"
            article_id=f"article-{number % 100}",
        )
        enqueue(queue, "demo", comment, VERDICT, scores={"insult": 0.8, "toxicity": 0.7})
    waiting = _taken(redis, store)
    _say("a comment that waits", empty, waiting)
    while lease := queue.lease("demo", "amal"):
        draft = Decision("approve", moderator="amal", request_id=lease.item.id)
        queue.decide("demo", lease.item.id, lease.token, draft)
    _say("the same, decided", empty, _taken(redis, store))


def _taken(redis: Any, store: Store) -> tuple[int, int]:
    memory = int(redis.info("memory")["used_memory_dataset"])
    return memory, sum(one.stat().st_size for one in store.folder.rglob("*") if one.is_file())


def _say(what: str, before: tuple[int, int], after: tuple[int, int]) -> None:
    memory, disk = ((after[one] - before[one]) / N_ITEMS / 1024 for one in (0, 1))
    sys.stdout.write(f"| {what} | {memory:.1f} KiB of memory | {disk:.1f} KiB of file |\n")


def _processes(service: Service) -> None:
    service.start("web-0")
    service.start("webhooks")
    service.ports = service.ports[:1]
    await_condition(service.is_ready, what="the service", seconds=120.0)
    for name, process in service.processes.items():
        every = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        sizes = sorted(one.memory_full_info().pss / 2**20 for one in every)
        whole = ", ".join(f"{size:.0f}" for size in sizes)
        sys.stdout.write(f"| {name} | {sum(sizes):.0f} MiB in all | {whole} MiB |\n")


if __name__ == "__main__":
    main()
