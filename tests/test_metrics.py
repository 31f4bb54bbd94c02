"""The numbers that Prometheus may know."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.core import GaugeMetricFamily, Metric
from redis import Redis

from conftest import await_condition, hakam, served
from service import gauges
from service.delivery.heartbeat import WORK
from service.errors import StoreUnavailable
from service.gauges import MOST_NAMED, SiteState
from service.metrics import Metrics
from service.rules.policy import Policy, Signals
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.backup import note_backup
from service.store.server_facts import ServerFacts

TOKEN = "t" * 32
COMMENT = {"id": "1", "text": "\N{ARABIC LETTER MEEM}"}


def series(text: str) -> dict[str, float]:
    """Series, as they are written, with their values."""
    lines = [line.rpartition(" ") for line in text.splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in lines}


def of_source(source: Any) -> dict[str, float]:
    return series(Metrics(None, {"this": source}).render().decode())


def test_nothing_a_client_can_choose_becomes_a_label() -> None:
    app = Flask(__name__)
    metrics = Metrics(None)
    metrics.install(app)
    app.add_url_rule("/items/<item>", view_func=lambda item: "")
    client = app.test_client()
    client.get("/items/secret")
    client.open("/nothing/secret", method="SECRET")
    numbers = metrics.render().decode()
    assert 'hakam_requests_total{method="GET",route="/items/<item>",status="200"} 1.0' in numbers
    assert 'hakam_requests_total{method="",route="",status="404"} 1.0' in numbers
    assert "secret" not in numbers.lower()


def test_verdicts_are_counted_with_their_scores_and_by_who_read_the_comment() -> None:
    metrics = Metrics(None)
    policy = Policy({"threat": 0.5})
    for score, readers in ((0.97, ("words", "sentence")), (0.12, ("words",))):
        scores = {"threat": score}
        metrics.count(policy.verdict(Signals(scores)), scores, readers)
    found = series(metrics.render().decode())
    assert found['hakam_verdicts_total{action="review",label="threat",reason="score"}'] == 1
    assert found['hakam_verdicts_total{action="approve",label="",reason="clean"}'] == 1
    assert found['hakam_score_bucket{label="threat",le="0.1"}'] == 0
    assert found['hakam_score_bucket{label="threat",le="0.2"}'] == 1
    assert found['hakam_score_bucket{label="threat",le="0.95"}'] == 1
    assert found['hakam_score_count{label="threat"}'] == 2
    assert found['hakam_comments_read_total{readers="words"}'] == 1
    assert found['hakam_comments_read_total{readers="words+sentence"}'] == 1


def test_a_source_that_fails_is_named_and_the_others_are_asked() -> None:
    def away() -> Iterable[Metric]:
        raise StoreUnavailable("Redis: TimeoutError")

    def broken() -> Iterable[Metric]:
        yield GaugeMetricFamily("hakam_half", "Told before it broke.", value=1)
        raise ValueError("words of a comment")

    def well() -> Iterable[Metric]:
        yield GaugeMetricFamily("hakam_whole", "Told.", value=7)

    found = series(Metrics(None, {"away": away, "broken": broken, "well": well}).render().decode())
    assert found["hakam_whole"] == 7
    assert "hakam_half" not in found
    unknown = {
        name: found[f'hakam_unknown{{part="{name}"}}'] for name in ("away", "broken", "well")
    }
    assert unknown == {"away": 1, "broken": 1, "well": 0}


QUIET = SiteState("a", 0, 0, 0.0, 60.0, 0, 0, 0, 0.0, 0.0, 0.0, is_disabled=False)


def test_what_is_so_on_all_sites_is_added_up_without_naming_one() -> None:
    sites = [
        replace(QUIET, id="late", pending=2, oldest_seconds=61.0, decided=5),
        replace(QUIET, id="failing", pending=3, failing_seconds=901.0, outbox=4, overdue_seconds=7),
        replace(QUIET, id="out", is_disabled=True, outbox=1, overdue_seconds=99, dead=1),
        None,
    ]
    found = of_source(lambda: gauges.of_all_sites(sites))
    assert found["hakam_queue_pending"] == 5
    assert found["hakam_queue_oldest_seconds"] == 61
    assert found["hakam_queue_dead"] == 1
    assert found["hakam_outbox_overdue_seconds"] == 7
    assert found["hakam_sites"] == 4
    assert found["hakam_decisions_total"] == 5
    for state in ("late", "failing", "disabled", "unreadable"):
        assert found[f"hakam_sites_{state}"] == 1


def test_so_many_sites_have_series_of_their_own_and_no_more() -> None:
    sites = [replace(QUIET, id=f"site{n:04}", pending=n) for n in range(MOST_NAMED + 5)]
    found = of_source(lambda: gauges.of_each_site(sites))
    named = [name for name in found if name.startswith("hakam_site_pending{")]
    assert len(named) == MOST_NAMED
    assert found['hakam_site_pending{site="site0007"}'] == 7


def test_what_redis_does_not_tell_is_absent() -> None:
    one = ServerFacts("redis 7", 0.001, 5, None, 1, 2, None, 9, 0.0)
    found = of_source(lambda: gauges.of_redis([one, replace(one, n_replicas=0, memory_bytes=6)]))
    assert found["hakam_redis_memory_bytes"] == 11
    assert found["hakam_redis_replicas"] == 0
    assert "hakam_redis_memory_limit_bytes" not in found
    assert "hakam_redis_writes_well" not in found
    limited = replace(one, memory_limit_bytes=10, writes_well=False)
    found = of_source(lambda: gauges.of_redis([limited]))
    assert found["hakam_redis_memory_limit_bytes"] == 10
    assert found["hakam_redis_writes_well"] == 0
    assert "hakam_redis_memory_limit_bytes" not in of_source(
        lambda: gauges.of_redis([limited, one])
    )


def test_the_artefact_in_use_is_named_with_its_readers_and_one_that_was_refused_counts() -> None:
    found = of_source(lambda: gauges.of_artifact("2026.01.31-1", ["words"], is_refused=True))
    assert found['hakam_artifact{version="2026.01.31-1"}'] == 1
    assert found["hakam_artifact_refused"] == 1
    assert found['hakam_reader{reader="words"}'] == 1


# Of a real service


@pytest.fixture
def busy(environ: dict[str, str], redis: Redis, tmp_path: Path) -> Iterable[str]:
    """A service whose metrics are guarded by `TOKEN`, with two sites and what delivers."""
    key = Sites(redis).add(Site(id="demo", name="Demo"))
    Sites(redis).add(Site(id="second", name="Second"))
    with served(environ | {"HAKAM_METRICS_TOKEN": TOKEN}, tmp_path / "log") as url:
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx.post(f"{url}/v1/comments", json=COMMENT, headers=headers).status_code == 200
        yield url


def scraped(url: str) -> dict[str, float]:
    answer = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
    assert answer.status_code == 200
    return series(answer.text)


def test_where_a_token_guards_the_metrics_nobody_else_gets_them_and_sites_have_series(
    busy: str,
) -> None:
    for word in (b"", f"Bearer {TOKEN}x".encode(), f"Basic {TOKEN}".encode(), b"Bearer \xe9"):
        headers = {b"Authorization": word}
        answer = httpx.get(f"{busy}/metrics", headers=headers, timeout=30)
        assert answer.status_code == 401
        assert TOKEN not in answer.text
    found = scraped(busy)
    assert found['hakam_site_pending{site="demo"}'] == 0
    assert found['hakam_site_target_seconds{site="second"}'] > 0


def worker_pids() -> set[int]:
    """The web workers that run: gunicorn's children, which is a child of this process."""
    served = psutil.Process().children()
    return {
        worker.pid
        for one in served
        if one.is_running() and "gunicorn" in " ".join(one.cmdline())
        for worker in one.children()
        if worker.status() != psutil.STATUS_ZOMBIE
    }


def test_a_worker_that_has_gone_leaves_its_counts_and_no_gauge(busy: str, redis: Redis) -> None:
    before = scraped(busy)
    assert before["hakam_workers"] == before["hakam_workers_wanted"] == 2
    assert before["hakam_workers_resident_bytes"] >= before["hakam_worker_resident_bytes"] > 0
    assert before["hakam_redis_silent"] == 0
    assert before["hakam_redis_seconds_count"] > 0
    redis.client_pause(8_000)  # it answers nobody, so that a circuit breaker opens
    await_condition(lambda: scraped(busy)["hakam_redis_silent"], what="silence")
    victims = worker_pids()
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    await_condition(lambda: not victims & worker_pids(), what="the end of the workers")
    redis.client_unpause()
    await_condition(lambda: scraped(busy).get("hakam_store_well"), what="an answer of Redis")
    await_condition(lambda: scraped(busy)["hakam_redis_silent"] == 0, what="no open breaker")
    after = scraped(busy)
    counted = 'hakam_requests_total{method="POST",route="/v1/comments",status="200"}'
    assert after[counted] == before[counted] == 1
    assert after['hakam_redis_faults_total{fault="timeout"}'] > 0
    assert after["hakam_web_cpu_seconds_total"] >= before["hakam_web_cpu_seconds_total"] > 0


@pytest.mark.parametrize("does", WORK)
def test_a_process_beside_the_web_server_counts_while_it_runs_and_no_longer(
    busy: str, environ: dict[str, str], does: str
) -> None:
    series = f'hakam_processes{{does="{does}"}}'
    assert scraped(busy)[series] == 0
    running = hakam(does, environ=environ)
    try:
        await_condition(lambda: scraped(busy)[series] == 1, what="one")
        assert scraped(busy)[f'hakam_process_resident_bytes{{does="{does}"}}'] > 0
    finally:
        running.terminate()
        running.wait(timeout=30.0)
    assert scraped(busy)[series] == 0


def test_the_age_of_the_last_backup_is_told_once_one_was_noted(
    client: FlaskClient, redis: Redis
) -> None:
    name = "hakam_backup_age_seconds"
    assert name not in series(client.get("/metrics").text)
    now = note_backup(redis)
    redis.set("hakam:backup", now - 1_000)
    assert 1_000 <= series(client.get("/metrics").text)[name] < 2_000


def test_a_comment_that_was_sent_counts_by_its_scores_and_readers(
    client: FlaskClient, api_key: str
) -> None:
    headers = {"Authorization": f"Bearer {api_key}"}
    assert client.post("/v1/comments", json=COMMENT, headers=headers).status_code == 200
    found = series(client.get("/metrics").text)
    assert found['hakam_score_count{label="toxicity"}'] == 1
    assert found['hakam_comments_read_total{readers="words"}'] == 1
