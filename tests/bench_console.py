"""How long the server works on each page of the console, of a site with a long past.

A private Redis is filled through the verbs of the queue: comments that wait and comments that were
decided, by many authors under many articles, with one author and one article that have very many.
Then every page that can be opened is opened some times, in one process, without a socket, and what
is printed is the time from the request to the answer, Redis included; the longest script of Redis
while it was made (of both the median, so that what else the machine does counts little); and the
limits that they must keep. The exit status is 1 when one does not.

The pages are those of the application itself: a new one without an example here is named, and
counts as a limit that was not kept.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from argon2 import PasswordHasher
from arriving import enqueue
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from rich.progress import track

from conftest import SAMPLE_COMMENTS, csrf_token, settings_in
from models.registry import Registry
from models.schema import LABELS, Evidence, read_comments
from service.accounts.accounts import Accounts
from service.app import create_app
from service.queue.articles import HOURS, Articles
from service.queue.encoding import content_json, draft_json, item_json, signature_of
from service.queue.records import Comment, Decision, item_id_of
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Action, Verdict
from service.run.private_redis import PrivateRedis
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.scripts import Script, Verbs, read_script
from service.store.trail import Trail

SITE = "demo"
PASSWORD = "correct horse battery"
TRAINEE = "nura"
MOST_MS = 150.0
MOST_SCRIPT_MS = 8.0
N_OPENED = 7
N_AUTHORS, N_ARTICLES, N_MODERATORS = 50_000, 5_000, 40
BUSY_SHARE = (
    0.02  # of all comments are by the busiest author, and as many under the busiest article
)
BUSY_AUTHOR, BUSY_ARTICLE = "reader-0", "article-0"
DAY_MS = 86_400_000
#: Views that answer no page of their own, or do not end.
NO_PAGES = (
    *("static", "_nowhere", "overview.events", "login.index", "login.accept", "index"),
    *("sign_on.begin", "sign_on.finish"),
)
N_DAYS = 60  # over which the decisions are spread

failures: list[str] = []


class Batch(Verbs):
    """Sends many calls of a verb at once, to fill a store quickly."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis, "queue")
        self._line = redis.pipeline(transaction=False)
        for verb in ("enqueue", "restore"):
            redis.script_load(read_script("queue", verb).text)

    def _run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | int | float]
    ) -> Any:
        self._line.evalsha(script.digest, len(keys), *keys, *arguments)
        if len(self._line) >= 500:
            self.flush()
        return 1, 1, "pending"

    def flush(self) -> None:
        """Send what is waiting."""
        self._line.execute()


def comments(n: int, start: int) -> Iterator[tuple[Comment, Verdict]]:
    """Yield comments that differ, with what the policy said of each."""
    texts = [sample.text for sample in read_comments(SAMPLE_COMMENTS)]
    chance = random.Random(start)
    for number in range(start, start + n):
        author = 0 if chance.random() < BUSY_SHARE else chance.randrange(N_AUTHORS)
        article = 0 if chance.random() < BUSY_SHARE else chance.randrange(N_ARTICLES)
        text = f"{texts[number % len(texts)]} {texts[chance.randrange(len(texts))]}"
        verdict = Verdict(
            "review", chance.choice(LABELS), "text", 0.6 + number % 40 / 100, "score", 1.0, "v1"
        )
        yield (
            Comment(
                id=f"c-{number}",
                text=text,
                author_id=f"reader-{author}",
                author_name=f"Reader {author}",
                article_id=f"article-{article}",
                article_title=f"Article {article}",
                article_url=f"https://news.example/{article}",
                dialect=chance.choice(["gulf", "egyptian", "levantine", "maghrebi", "msa"]),
            ),
            verdict,
        )


def fill(redis: Redis, n_waiting: int, n_decided: int) -> None:
    """Put comments before people, and let them decide others."""
    batch, queue = Batch(redis), ReviewQueue(redis)
    queue._verbs = batch
    evidence = [Evidence("text", "insult", 0, 4, 2.31)]
    scores = dict.fromkeys(LABELS, 0.4)
    now = int(time.time() * 1000)
    for number, (comment, verdict) in enumerate(
        track(comments(n_decided, 0), "comments decided", total=n_decided)
    ):
        action = "approve" if number % 5 < 3 else "reject"
        reason = "insult" if action == "reject" else ""
        draft = Decision(
            action, (), reason, moderator=f"moderator-{number % N_MODERATORS}", source="moderator"
        )
        batch(
            SITE,
            "restore",
            id=item_id_of(comment.id),
            record=item_json(comment, verdict),
            content=content_json(comment, scores, None, evidence),
            signature=signature_of(comment, verdict),
            action=action,
            decision=draft_json(draft),
            decided=now - (n_decided - number) * N_DAYS * DAY_MS // n_decided,
        )
    for comment, verdict in track(
        comments(n_waiting, n_decided), "comments that wait", total=n_waiting
    ):
        enqueue(queue, SITE, comment, verdict, scores=scores, evidence=evidence)
    batch.flush()
    at = [0.0]
    articles = Articles(redis, clock=lambda: at[0])
    actions: Sequence[Action] = ("approve", "review", "reject")
    for hour in range(HOURS):
        at[0] = now / 1000 - hour * 3_600
        for action in actions:
            articles.note(SITE, BUSY_ARTICLE, action)
        articles.flush()


def examples(redis: Redis, n_decided: int) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return with what the pages are opened that need more than a site, by view."""
    decided, waiting = item_id_of("c-7"), item_id_of(f"c-{n_decided + 7}")
    return {
        "search.index": [
            {"q": "weather"},  # which finds nothing, so that it looks for as long as it may
            {"author": BUSY_AUTHOR, "state": "waiting"},
            {"article": BUSY_ARTICLE, "moderator": "moderator-7"},
            {"comment": "c-7"},
            {"moderator": "moderator-7", "state": "approved"},
            {"moderator": "moderator-7", "state": "waiting"},  # which finds nothing
            {"state": "held"},  # nor does this
        ],
        "queue.index": [
            {},
            {"sort": "newest", "label": "threat", "dialect": "gulf"},
            {"sort": "oldest", "article_id": BUSY_ARTICLE},
            {"reason": "link", "version": "none"},  # which finds nothing
        ],
        "queue.new": [{"since": 0}],
        "history.index": [
            {},
            {"action": "reject"},
            {"moderator": "moderator-7", "action": "approve"},
            {"by": "moderator_external"},  # which finds nothing
            {"reason": "spam"},  # nor does this
        ],
        "items.index": [{"item_id": decided}, {"item_id": waiting}],
        "authors.index": [{"id": BUSY_AUTHOR}, {"id": "reader-1"}],
        "articles.index": [{"id": BUSY_ARTICLE}, {"id": "article-1"}],
        "trail.show": [{"entry_id": next(Trail(redis).latest(SITE)).id}],
        "trainees.show": [{"name": TRAINEE}],
        "insight.download": [{"code": "decisions_per_hour"}],
        "drift.download": [{"code": "languages"}],
        "settings.preview": [{"label": "insult", "threshold": 0.5}],
    }


def log_in(app: Flask, name: str = "amal") -> FlaskClient:
    """Return the browser of an administrator, or of another."""
    client = app.test_client()
    page = client.get("/console/login").get_data(as_text=True)
    fields = {"name": name, "password": PASSWORD, "csrf_token": csrf_token(page)}
    answer = client.post("/console/login", data=fields)
    if answer.status_code != 302:
        raise SystemExit("Nobody can log in.")
    return client


def addresses(app: Flask, redis: Redis, n_decided: int) -> Iterator[str]:
    """Yield the address of every page of the console, some with several kinds of content."""
    known = examples(redis, n_decided)
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            _console, _, view = rule.endpoint.partition(".")
            if _console != "console" or "GET" not in (rule.methods or ()) or view in NO_PAGES:
                continue
            for more in known.get(view, [{}]):
                values: dict[str, Any] = {"site_id": SITE, **more}
                if missing := rule.arguments - values.keys():
                    failures.append(f"{rule.rule} (no example of {', '.join(missing)})")
                else:
                    needed = {n: v for n, v in values.items() if n in rule.arguments}
                    asked = {n: v for n, v in values.items() if n not in {*needed, "site_id"}}
                    yield app.url_for(rule.endpoint, **needed, **asked)


def measure(client: FlaskClient, redis: Redis, address: str) -> None:
    """Open a page some times, and print what the server spent on it."""
    spent, scripts = [], []
    redis.config_set("slowlog-log-slower-than", 1000)
    for _ in range(N_OPENED):
        redis.slowlog_reset()
        start = perf_counter()
        answer = client.get(address)
        spent.append((perf_counter() - start) * 1000)
        slow: Any = redis.slowlog_get(128)
        scripts.append(max((entry["duration"] / 1000 for entry in slow), default=0.0))
    page_ms, longest = statistics.median(spent), statistics.median(scripts)
    kept = answer.status_code in (200, 302) and page_ms <= MOST_MS and longest <= MOST_SCRIPT_MS
    size = len(answer.get_data()) / 1024
    print(
        f"{address[:70]:70} {answer.status_code} {page_ms:8.1f} ms  at most {max(spent):8.1f}  "
        f"Redis at once {longest:6.1f} ms {size:6.0f} KB{'' if kept else '   TOO BAD'}",
        flush=True,
    )
    if not kept:
        failures.append(address)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--waiting", type=int, default=200_000)
    parser.add_argument("--decided", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="a folder: filled once, and used again")
    parser.add_argument("--only", default="", help="only addresses with this in them")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        var = asked.keep or Path(folder)
        filled = (var / "redis").exists()
        with PrivateRedis() as server:
            url = server.start(var)
            environ = {
                "HAKAM_REDIS_URL": url,
                "HAKAM_VAR": str(var),
                "HAKAM_SECRET_KEY": "0123456789abcdef" * 4,
                "HAKAM_LOG_LEVEL": "error",
            }
            settings = settings_in(environ)
            redis = Redis.from_url(url, decode_responses=True, socket_timeout=60.0)
            artifact = Registry(Path("models/artifacts")).load()
            app = create_app(settings, redis=redis, artifact=artifact)
            if not filled:
                redis.config_set("appendfsync", "no")
                Sites(redis).add(Site(id=SITE, name="Demo"))
                quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
                Accounts(redis, hasher=quick).add("amal", PASSWORD, "admin")
                fill(redis, asked.waiting, asked.decided)
            memory: Any = redis.info("memory")
            print(
                f"{asked.waiting:,} wait, {asked.decided:,} are decided: "
                f"{memory['used_memory'] / 2**30:.2f} GiB of Redis"
            )
            accounts = Accounts(redis)
            if not accounts.get(TRAINEE):
                accounts.add(TRAINEE, PASSWORD, "trainee")
            client, trainee = log_in(app), log_in(app, TRAINEE)
            for address in sorted(set(addresses(app, redis, asked.decided))):
                if asked.only in address:
                    measure(trainee if "/practice" in address else client, redis, address)
    if failures:
        sys.exit(f"Limits not kept: {', '.join(failures)}")


if __name__ == "__main__":
    main()
