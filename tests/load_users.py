"""Sites, moderators and pages that stand open, as users of Locust; `load.py` starts them.

Locust plays them on greenlets in one process, whose processor time is measured apart. Its own
figures are not used: every attempt is written down, with when it was due, and `load_report.py`
counts. The loop is closed: a site has so many connections to Hakam, and what comes while all of
them wait for answers waits as well, which shows in its time since it was due.
"""

from __future__ import annotations

import html
import json
import os
import random
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gevent
from gevent.event import Event
from gevent.pool import Pool
from load_day import (
    EDITED_SHARE,
    REMOVED_SHARE,
    REPEATED_SHARE,
    REPORTED_SHARE,
    Burst,
    Day,
    ModeratorPlan,
    SitePlan,
    Writer,
)
from locust import FastHttpUser, events, task
from locust.env import Environment
from locust.exception import StopUser

CONNECTIONS, BURST_CONNECTIONS = 8, 64  # of a site to Hakam
PATIENCE = 10  # times that a site sends the same again
MOST_WAIT_SECONDS = 30.0
SCRAPE_SECONDS = 15.0
DRAIN_SECONDS = 60.0  # in which a site still sends what came late in the day
DAY = Day.read(Path(os.environ["LOAD_DAY"]))
OUT = Path(os.environ["LOAD_OUT"])

began = time.time()
over = Event()  # the day is over: who works finishes what is under way
n_writing = len(DAY.sites) + len(DAY.bursts)  # that have not sent all
rows: list[Mapping[str, Any]] = []
polled: dict[str, dict[str, Any]] = {}  # of each site without a webhook: cursor, decisions read


def at() -> float:
    """Second of the play."""
    return time.time() - began


_numbers = count()


class Player(FastHttpUser):
    """Somebody who asks Hakam, and writes down each attempt."""

    abstract = True
    host = DAY.url
    network_timeout = connection_timeout = 60.0
    site = ""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        number = next(_numbers)
        self.address = f"192.0.2.{number % 256}" if number < 256 else f"198.51.100.{number % 256}"

    def ask(
        self,
        route: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        key: str = "",
        due: float | None = None,
        **facts: Any,
    ) -> Any:
        """Ask once; `due` is when it would have been asked had a connection been free."""
        # Each comes from elsewhere, by way of one proxy.
        headers, data = {"X-Forwarded-For": self.address}, ""
        if key:
            headers["Authorization"] = f"Bearer {key}"
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body)
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            data = urlencode(form)
        method, asked = route.partition(" ")[0], at()
        answer = self.client.request(
            method, path, name=route, data=data, headers=headers, allow_redirects=False
        )
        row = {
            "at": round(asked, 4),
            "took": round(at() - asked, 5),
            "route": route,
            "status": answer.status_code,
            "site": self.site,
            **facts,
        }
        if due is not None:
            row["late"] = round(max(0.0, asked - due), 4)
        if answer.status_code in {0, 429} or answer.status_code >= 500:
            known: Any = answer.headers or {}
            row["request"] = known.get("X-Request-Id", "")
            row["retry_after"] = known.get("Retry-After", "")
            row["problem"] = _problem(answer)
        rows.append(row)
        return answer

    def persist(self, route: str, path: str, due: float, draw: random.Random, **asked: Any) -> Any:
        """Ask until there is an answer, waiting as long as `Retry-After` wants."""
        for attempt in range(PATIENCE):
            answer = self.ask(route, path, due=due, attempt=attempt, **asked)
            if answer.status_code not in {0, 429} and answer.status_code < 500:
                break
            wait = str((answer.headers or {}).get("Retry-After", ""))
            asks = min(MOST_WAIT_SECONDS, float(wait)) if wait.isdecimal() else 1.0
            gevent.sleep(asks + draw.uniform(0.0, 0.5))
            due = at()
        return answer


def _problem(answer: Any) -> str:
    try:
        return str(answer.json().get("type", ""))
    except (AttributeError, TypeError, ValueError):
        return f"{type(answer.error).__name__}" if answer.status_code == 0 else ""


_sites: Iterator[SitePlan] = iter(DAY.sites)
_pollers = iter([site for site in DAY.sites if site.listens == "poll"])
_people: Iterator[ModeratorPlan] = iter(DAY.moderators)
_bursts: Iterator[Burst] = iter(DAY.bursts)
KEYS = {site.id: site.key for site in DAY.sites}


class Newsroom(Player):
    """A site: its readers write, edit, delete and report."""

    fixed_count = len(DAY.sites)
    concurrency = CONNECTIONS

    @task
    def day(self) -> None:
        self.begin()
        raise StopUser

    def begin(self) -> None:
        plan = next(_sites)
        self.site = plan.id
        writer = Writer(plan.id, DAY.seed)
        self.write(writer, writer.arrivals(DAY, plan.share))

    def write(self, writer: Writer, arrivals: Iterable[float], article: str = "") -> None:
        """Send what comes; nothing more once the day has been over for too long."""
        global n_writing  # noqa: PLW0603 - what the end of the day waits for
        pool = Pool(self.concurrency)
        for due in arrivals:
            gevent.sleep(max(0.0, due - at()))
            if at() > DAY.seconds + DRAIN_SECONDS:
                break
            pool.spawn(self.send, writer, due, article)  # waits while all connections are in use
        pool.join()
        n_writing -= 1

    def send(self, writer: Writer, due: float, article: str = "") -> None:
        """Send a comment, and play what becomes of it later."""
        draw, comment = writer.draw, writer.comment(article)
        dice = draw.random()
        answer = self.submit(comment, due, draw)
        if answer.status_code == 200 and dice < REPORTED_SHARE:
            report = {
                "comment_id": comment["id"],
                "reason": "insult",
                "reporter_id": f"reader-{draw.randrange(50)}",
                "comment": {name: comment[name] for name in ("text", "author", "article")},
            }
            route = "POST /v1/reports"
            self.persist(route, "/v1/reports", at(), draw, body=report, key=KEYS[self.site])
        dice -= REPORTED_SHARE
        if 0 <= dice < EDITED_SHARE:
            gevent.sleep(draw.uniform(0.0, 2.0))
            self.submit({**comment, "text": writer.text()}, at(), draw, version=2)
        dice -= EDITED_SHARE
        if 0 <= dice < REMOVED_SHARE:
            gevent.sleep(draw.uniform(0.0, 2.0))
            path, gone = "/v1/comments/withdraw", {"id": comment["id"]}
            facts = {"comment": comment["id"], "key": KEYS[self.site]}
            self.persist(f"POST {path}", path, at(), draw, body=gone, **facts)
        dice -= REMOVED_SHARE
        if 0 <= dice < REPEATED_SHARE:
            self.submit(comment, at(), draw)

    def submit(
        self, comment: Mapping[str, Any], due: float, draw: random.Random, version: int = 1
    ) -> Any:
        route = "POST /v1/comments"
        facts = {"comment": comment["id"], "version": version, "key": KEYS[self.site]}
        answer = self.persist(route, "/v1/comments", due, draw, body=comment, **facts)
        if answer.status_code in {200, 202}:
            said = answer.json()
            told = {"comment": comment["id"], "action": said["action"], "site": self.site}
            told |= {"version": said["version"], "digest": said["content_digest"]}
            told |= {"item": said["review"]["item_id"] if said["review"] else ""}
            told |= {"readers": len(said["readers"]), "at": round(at(), 4)}
            rows.append({"told": told})
        return answer


class Crowd(Newsroom):
    """Very many readers of one article at a time."""

    fixed_count = len(DAY.bursts)
    concurrency = BURST_CONNECTIONS

    def begin(self) -> None:
        burst = next(_bursts)
        self.site = burst.site
        writer = Writer(burst.site, DAY.seed + 1 + int(burst.at))
        self.write(writer, burst.arrivals(writer.draw), f"burst-{int(burst.at)}")


class Poller(Player):
    """A site without a webhook: it asks every few seconds what was decided."""

    fixed_count = sum(site.listens == "poll" for site in DAY.sites)

    @task
    def day(self) -> None:
        plan = next(_pollers)
        self.site = plan.id
        read: dict[str, Any] = {"after": "0", "ids": []}
        polled[plan.id] = read
        draw = random.Random(f"{DAY.seed} poll {plan.id}")
        gevent.sleep(draw.uniform(0.0, DAY.poll_seconds))
        while not over.wait(DAY.poll_seconds):
            path = f"/v1/decisions?{urlencode({'after': read['after']})}"
            answer = self.ask("GET /v1/decisions", path, key=plan.key)
            if answer.status_code == 200:
                read["after"] = answer.headers["Hakam-Cursor"]
                lines = map(json.loads, answer.text.splitlines())
                read["ids"] += [[line["item_id"], line["decision_id"]] for line in lines]
        raise StopUser


class Moderator(Player):
    """Logs in, takes the most urgent comment, thinks, decides; lists and searches now and then."""

    fixed_count = len(DAY.moderators)
    csrf = ""

    @task
    def day(self) -> None:
        plan = next(_people)
        draw = random.Random(f"{DAY.seed} {plan.name}")
        gevent.sleep(draw.uniform(0.0, min(30.0, DAY.seconds / 8)))
        self.log_in(plan)
        if (standing := DAY.moderators.index(plan)) < DAY.open_pages:
            self.watch(draw, standing)
        n_done = 0
        while not over.is_set():
            if n_done % 20 == 0:
                self.site = draw.choice(plan.sites)
            n_done += self.work(plan, draw)
            if draw.random() < 0.12:
                self.look(plan, draw)
        raise StopUser

    def log_in(self, plan: ModeratorPlan) -> None:
        self.page("GET /console/login", "/console/login")
        form = {"name": plan.name, "password": plan.password, "csrf_token": self.csrf}
        self.ask("POST /console/login", "/console/login", form=form)

    def page(self, route: str, path: str) -> str:
        """Open a page, and keep what its forms must send."""
        answer = self.ask(route, path)
        shown = answer.text if answer.status_code == 200 else ""
        if found := re.search(r'name="csrf-token" content="([^"]+)"', shown):
            self.csrf = found[1]
        return shown or ""

    def watch(self, draw: random.Random, standing: int) -> None:
        """Leave the overview or a list open, which asks again by itself."""
        while not over.is_set():
            if standing % 2 == 0:
                self.ask("GET /console/overview/events", "/console/overview/events")
                over.wait(2.0)
                continue
            self.site = draw.choice(DAY.sites).id
            route = "GET /console/<site_id>/queue"
            shown = self.page(route, f"/console/{self.site}/queue")
            found = re.search(r'data-news="([^"]+)"', shown)
            for _ in range(6):
                if over.wait(5.0) or not found:
                    break
                self.ask(f"{route}/new", html.unescape(found[1]))

    def work(self, plan: ModeratorPlan, draw: random.Random) -> int:
        """Decide one comment of the work page; return how many."""
        route = "GET /console/<site_id>/work"
        shown = self.page(route, f"/console/{self.site}/work")
        fields = dict(re.findall(r'name="(token|request_id)" value="([^"]*)"', shown))
        found = re.search(rf'action="(/console/{self.site}/items/([\w-]+))"[^>]*>', shown)
        if not found or "token" not in fields:
            over.wait(draw.uniform(0.5, 1.0) * DAY.think_seconds)
            self.site = draw.choice(plan.sites)
            return 0
        over.wait(draw.expovariate(1 / DAY.think_seconds))
        dice = draw.random()
        action = "approve" if dice < 0.6 else "reject" if dice < 0.96 else "skip"
        form = {**fields, "csrf_token": self.csrf, "action": action, "reason": "insult"}
        asked = "POST /console/<site_id>/items/<item_id>"
        decides = fields["request_id"] if action != "skip" else ""
        answer = self.ask(asked, found[1], form=form, item=found[2], decide=decides)
        if answer.status_code == 303 and action != "skip" and draw.random() < 0.03:
            self.take_back(found[2])
        return 1

    def take_back(self, item: str) -> None:
        shown = self.page("GET /console/<site_id>/work", f"/console/{self.site}/work")
        if found := re.search(r'name="decision" value="([^"]+)"', shown):
            path = f"/console/{self.site}/items/{item}/undo"
            form = {"csrf_token": self.csrf, "decision": found[1]}
            self.ask("POST /console/<site_id>/items/<item_id>/undo", path, form=form, item=item)

    def look(self, plan: ModeratorPlan, draw: random.Random) -> None:
        """Open one of the other pages."""
        n, article = draw.randrange(200), draw.randrange(12)
        word = draw.choice(("الأسعار", "شكرا", "المباراة"))
        of_site = f"/console/{self.site}"
        pages = {
            "queue": f"{of_site}/queue",
            "search": f"{of_site}/search?{urlencode({'q': word})}",
            "history": f"{of_site}/history",
            "authors": f"{of_site}/authors?{urlencode({'id': f'reader-{n}'})}",
            "articles": f"{of_site}/articles?{urlencode({'id': f'article-{article}'})}",
            "insight": f"{of_site}/insight",
            "shift": f"{of_site}/shift",
        }
        if plan.role == "moderator":
            del pages["insight"]  # which is for seniors
        name = draw.choice(["queue", "queue", "search", *pages])
        self.page(f"GET /console/<site_id>/{name}", pages[name])
        over.wait(draw.uniform(0.2, 1.0) * DAY.think_seconds)


class Watch(Player):
    """Prometheus and a load balancer."""

    fixed_count = 1

    @task
    def day(self) -> None:
        while not over.wait(SCRAPE_SECONDS / 3):
            self.ask("GET /readyz", "/readyz")
            if int(at() / SCRAPE_SECONDS * 3) % 3 == 0:
                self.ask("GET /metrics", "/metrics")
        raise StopUser


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def start(environment: Environment, **_: Any) -> None:
    """Begin the day, and end it when the sites have sent all."""
    global began  # noqa: PLW0603 - the clock of the play
    began = time.time()

    def end() -> None:
        runner: Any = environment.runner
        gevent.sleep(1.0)
        while n_writing and at() < DAY.seconds + 3 * DRAIN_SECONDS:
            gevent.sleep(0.5)
        over.set()
        while runner.user_count:
            gevent.sleep(0.2)
        runner.quit()

    gevent.spawn(end)


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def write(environment: Environment, **_: Any) -> None:
    """Write down what was asked, and what was read."""
    with OUT.open("w", encoding="utf-8") as out:
        out.write(json.dumps({"began": began, "ended": time.time(), "polled": polled}) + "\n")
        for row in rows:
            out.write(json.dumps(row) + "\n")
    environment.process_exit_code = 0
