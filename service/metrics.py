"""Prometheus metrics of requests, verdicts and queues, no label of which holds a site or an id."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.errors import StoreUnavailable
from service.queue.records import QueueStats
from service.rules.policy import Verdict

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics(Collector):
    """The numbers of one application, added up over the workers that share a folder."""

    def __init__(
        self,
        shared: Path | None,
        queues: Callable[[], Sequence[QueueStats | None]],  # None for one that cannot be counted
        deliveries: Callable[[], Mapping[str, int]] = dict,
        # What has moved, the highest stability index of any site, and on how many beyond its alarm.
        alarms: Callable[[], Sequence[tuple[str, float, int]]] = tuple,
        *,
        version: str = "",  # of the artefact in use
        is_refused: bool = False,  # whether another is promoted that cannot be used
    ) -> None:
        self._own = CollectorRegistry()
        self._shared = shared
        self._queues = queues
        self._deliveries = deliveries
        self._alarms = alarms
        self._version, self._is_refused = version, is_refused
        self._requests = Counter(
            "hakam_requests", "Requests.", ["method", "route", "status"], registry=self._own
        )
        self._seconds = Histogram(
            "hakam_request_seconds",
            "Time to answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self._own,
        )
        self._verdicts = Counter(
            "hakam_verdicts",
            "Verdicts on comments.",
            ["action", "label", "reason"],
            registry=self._own,
        )
        self._withheld = Counter(
            "hakam_withheld",
            "Comments withheld because they could not be judged, where refusing means publishing.",
            ["interface", "reason"],
            registry=self._own,
        )
        self._reports = Counter(
            "hakam_reports",
            "Readers' reports that came: new ones, and known ones that came again.",
            ["state"],
            registry=self._own,
        )

        # To look a counter up among those of all labels takes longer than to count.
        self._of_request = functools.cache(self._counters_of_request)

    def install(self, app: Flask) -> None:
        """Count every request of `app`."""
        app.before_request(_begin)
        app.after_request(self._end)

    def count(self, verdict: Verdict) -> None:
        """Count a verdict."""
        self._verdicts.labels(verdict.action, verdict.label or "", verdict.reason).inc()

    def count_withheld(self, interface: str, reason: str) -> None:
        """Count a comment that could not be judged; `reason` is the name of an error of ours."""
        self._withheld.labels(interface, reason).inc()

    def count_report(self, state: Literal["new", "known"]) -> None:
        """Count a reader's report."""
        self._reports.labels(state).inc()

    def render(self) -> bytes:
        """All numbers, of all workers, in Prometheus' text format."""
        registry = self._own
        if self._shared is not None:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry, str(self._shared))  # type: ignore[no-untyped-call]
        of_store = CollectorRegistry()
        of_store.register(self)
        return generate_latest(registry) + generate_latest(of_store)

    def collect(self) -> Iterator[Metric]:
        """Ask the store now; what it cannot tell is absent, never 0."""
        yield from self._of_artifact()
        with suppress(StoreUnavailable):
            yield from _of_queues(self._queues())
        with suppress(StoreUnavailable):
            yield _of_deliveries(self._deliveries())
        with suppress(StoreUnavailable):
            yield from _of_drift(self._alarms())

    def _of_artifact(self) -> Iterator[Metric]:
        in_use = GaugeMetricFamily("hakam_artifact", "The artefact in use.", labels=["version"])
        in_use.add_metric([self._version], 1)
        yield in_use
        told = "Whether another artefact is promoted, which cannot be used."
        yield GaugeMetricFamily("hakam_artifact_refused", told, value=self._is_refused)

    def _end(self, response: Response) -> Response:
        rule = request.url_rule
        method, route = (request.method, rule.rule) if rule else ("", "")
        requests, seconds = self._of_request(method, route, response.status_code)
        requests.inc()
        seconds.observe(time.perf_counter() - g.metrics_started)
        return response

    def _counters_of_request(
        self, method: str, route: str, status: int
    ) -> tuple[Counter, Histogram]:
        return self._requests.labels(method, route, status), self._seconds.labels(route)


def _begin() -> None:
    g.metrics_started = time.perf_counter()


def _of_queues(found: Sequence[QueueStats | None]) -> Iterator[GaugeMetricFamily]:
    counts = [count for count in found if count]
    for state in ("pending", "leased", "outbox", "dead"):
        total = sum(getattr(count, state) for count in counts)
        yield GaugeMetricFamily(f"hakam_queue_{state}", f"Items: {state}.", value=total)
    oldest = max((count.oldest_seconds for count in counts), default=0.0)
    told = "Longest wait among the fifty most urgent items of each queue."
    yield GaugeMetricFamily("hakam_queue_oldest_seconds", told, value=oldest)
    told = "Sites of which what is stored cannot be worked with, so that they are not counted."
    yield GaugeMetricFamily("hakam_sites_unreadable", told, value=len(found) - len(counts))


def _of_drift(alarms: Sequence[tuple[str, float, int]]) -> Iterator[GaugeMetricFamily]:
    told = "Highest stability index of any site, at the daily look; 0 where nothing has moved."
    highest = GaugeMetricFamily("hakam_drift_index", told, labels=["about"])
    told = "Sites on which it has moved beyond their alarm, at the daily look."
    moved = GaugeMetricFamily("hakam_drift_sites", told, labels=["about"])
    for about, index, n_sites in alarms:
        highest.add_metric([about], index)
        moved.add_metric([about], n_sites)
    yield from (highest, moved)


def _of_deliveries(counts: Mapping[str, int]) -> CounterMetricFamily:
    told = "Attempts to tell a site of a decision."
    family = CounterMetricFamily("hakam_deliveries", told, labels=["result"])
    for result, n in counts.items():
        family.add_metric([result], n)
    return family
