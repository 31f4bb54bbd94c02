"""Once a day sites are looked at: what has moved is said, and doubtful decisions are listed."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from arriving import enqueue
from click.testing import CliRunner
from redis import Redis
from test_second_look import KIND, RUDE, sentence

from conftest import await_condition
from service.cli.main import hakam
from service.queue.doubts import DoubtfulDecisions
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.reports.drift_alarms import DriftAlarms
from service.reports.verdict_counts import VerdictCounts
from service.rules.policy import Verdict
from service.run import daily
from service.sites.site import Site
from service.sites.sites import Sites

Command = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def command(environ: dict[str, str], redis: Redis) -> Command:
    def command(*words: str, status: int = 0) -> list[dict[str, Any]]:
        result = CliRunner().invoke(hakam, ["watch", *words], env=environ)
        assert result.exit_code == status, result.output
        return [json.loads(line) for line in result.stdout.splitlines()] if not status else []

    Sites(redis).add(Site("demo"))
    return command


def decide(redis: Redis, wrong: int) -> str:
    """A hundred decisions, one of which is wrong; return its id."""
    queue, drawn, found = ReviewQueue(redis), random.Random(5), ""
    for number in range(100):
        rude = number % 2 == 1
        text = sentence(RUDE if rude else KIND, drawn)
        verdict = Verdict("review", "insult", "text", 0.5, "score", 1.0, "v1")
        enqueue(queue, "demo", Comment(f"c{number}", text), verdict, scores={})
        lease = queue.lease("demo", "amal")
        assert lease
        action = "reject" if rude != (number == wrong) else "approve"
        labels = ("insult",) if action == "reject" else ()
        draft = Decision(action, labels, "".join(labels), moderator="amal", request_id=f"{number}")
        made = queue.decide("demo", lease.item.id, lease.token, draft)
        found = made.id if number == wrong else found
    return found


def test_a_doubtful_decision_is_listed_and_what_has_moved_is_said(
    command: Command, redis: Redis
) -> None:
    for back in range(35):
        counts = VerdictCounts(redis, clock=partial(time.time().__sub__, back * 86_400.0))
        for _ in range(20):
            counts.count("demo", "approve", {"insult": 0.9 if back < 7 else 0.1})
        counts.flush()
    wrong = decide(redis, 41)
    (said,) = command()
    assert (said["event"], said["site"]) == ("watch", "demo")
    assert said["moved"].keys() == {"score:insult"}
    (alarm,) = [one for one in DriftAlarms(redis).read(["demo", "other"]) if one.n_moved]
    assert (alarm.about, alarm.n_moved) == ("score:insult", 1)
    assert alarm.highest == pytest.approx(said["moved"]["score:insult"], abs=0.01)
    listed = DoubtfulDecisions(redis).read("demo").doubts
    assert [one.decision.id for one in listed][:1] == [wrong]
    assert said["n_second_look"] == len(listed)


def test_a_site_is_looked_at_again_only_when_it_is_due(command: Command, redis: Redis) -> None:
    assert len(command("--due")) == 1
    assert command("--due") == []
    assert len(command("demo")) == 1
    redis.hincrby("{hakam:demo}:doubts", "looked_at", -86_400_000)
    assert len(command("--due")) == 1


def test_a_site_that_fails_is_named_and_keeps_no_other_from_being_looked_at(
    command: Command, redis: Redis
) -> None:
    Sites(redis).add(Site("after"))
    redis.set("{hakam:demo}:doubts", "of another kind")
    after, demo = sorted(command(), key=lambda said: said["site"])
    assert after["n_second_look"] == 0
    assert demo["error"]


def test_an_unknown_site_is_refused(command: Command) -> None:
    command("nobody", status=2)


def test_the_daily_work_runs_beside_the_deliveries_until_they_end(tmp_path: Path) -> None:
    script = "import pathlib, sys; pathlib.Path(sys.argv[1]).open('a').write('x'); sys.exit(3)"
    told, stop = tmp_path / "told", Event()
    work = partial(
        daily.run,
        stop,
        command=(sys.executable, "-c", script, str(told)),
        first_seconds=0,
        every_seconds=0,
    )
    thread = Thread(target=work)
    thread.start()
    await_condition(lambda: told.exists() and len(told.read_text()) >= 2, what="a second run")
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
