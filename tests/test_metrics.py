"""The numbers that Prometheus may know."""

from __future__ import annotations

from flask import Flask

from service.errors import StoreUnavailable
from service.metrics import Metrics
from service.queue.records import QueueStats
from service.rules.policy import Policy, Signals


def stats(**counts: float) -> QueueStats:
    known = {"pending": 0, "leased": 0, "oldest_seconds": 0.0, "decided": 0, "outbox": 0, "dead": 0}
    return QueueStats(**known | counts)  # type: ignore[arg-type]


def test_the_queues_of_all_sites_are_added_up_without_naming_one() -> None:
    queues = [stats(pending=2, oldest_seconds=5.0), stats(pending=3, oldest_seconds=9.0, dead=1)]
    numbers = Metrics(None, lambda: queues).render().decode()
    assert "hakam_queue_pending 5.0" in numbers
    assert "hakam_queue_dead 1.0" in numbers
    assert "hakam_queue_oldest_seconds 9.0" in numbers


def test_deliveries_are_counted_by_result_and_absent_while_they_cannot_be_known() -> None:
    numbers = Metrics(None, list, lambda: {"delivered": 3, "dead": 0}).render().decode()
    assert 'hakam_deliveries_total{result="delivered"} 3.0' in numbers
    assert 'hakam_deliveries_total{result="dead"} 0.0' in numbers

    def unknown() -> dict[str, int]:
        raise StoreUnavailable("Redis: TimeoutError")

    assert "hakam_deliveries" not in Metrics(None, list, unknown).render().decode()


def test_nothing_a_client_can_choose_becomes_a_label() -> None:
    app = Flask(__name__)
    metrics = Metrics(None, list)
    metrics.install(app)
    app.add_url_rule("/items/<item>", view_func=lambda item: "")
    client = app.test_client()
    client.get("/items/secret")
    client.open("/nothing/secret", method="SECRET")
    numbers = metrics.render().decode()
    assert 'hakam_requests_total{method="GET",route="/items/<item>",status="200"} 1.0' in numbers
    assert 'hakam_requests_total{method="",route="",status="404"} 1.0' in numbers
    assert "secret" not in numbers.lower()


def test_verdicts_are_counted_by_action_label_and_reason() -> None:
    metrics = Metrics(None, list)
    policy = Policy({"threat": 0.5})
    metrics.count(policy.verdict(Signals({"threat": 0.9})))
    metrics.count(policy.verdict(Signals({"threat": 0.1})))
    numbers = metrics.render().decode()
    assert 'hakam_verdicts_total{action="review",label="threat",reason="score"} 1.0' in numbers
    assert 'hakam_verdicts_total{action="approve",label="",reason="clean"} 1.0' in numbers


def test_the_artefact_in_use_is_named_and_one_that_was_refused_counts() -> None:
    numbers = Metrics(None, list, version="2026.01.31-1").render().decode()
    assert 'hakam_artifact{version="2026.01.31-1"} 1.0' in numbers
    assert "hakam_artifact_refused 0.0" in numbers
    numbers = Metrics(None, list, version="2026.01.31-1", is_refused=True).render().decode()
    assert "hakam_artifact_refused 1.0" in numbers
