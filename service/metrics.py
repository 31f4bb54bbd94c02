"""Prometheus metrics: what workers count, and what is asked when somebody wants to know.

No label holds a comment's words, a name, an id or a path that a client chose. Sites are added up;
each has series of its own only where a token guards the metrics (`service.gauges.of_each_site`).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import structlog
from flask import Flask, Response, g, request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.errors import StoreUnavailable
from service.logs import places
from service.rules.policy import Verdict
from service.store.observer import Fault, Observer

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_REDIS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
_SCORES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)

#: What can be asked: its name -> how. What the store cannot tell is absent.
Sources = Mapping[str, Callable[[], Iterable[Metric]]]

log = structlog.get_logger()


class Metrics(Collector, Observer):
    """The numbers of one application, added up over the workers that share a folder."""

    def __init__(self, shared: Path | None, sources: Sources | None = None) -> None:
        self._own = CollectorRegistry()
        self._shared = shared
        self.sources: Sources = sources or {}
        registry = self._own
        self._requests = Counter(
            "hakam_requests", "Requests.", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "hakam_request_seconds",
            "Time to answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._verdicts = Counter(
            "hakam_verdicts",
            "Verdicts on comments.",
            ["action", "label", "reason"],
            registry=registry,
        )
        self._scores = Histogram(
            "hakam_score",
            "Probabilities that comments got, by label.",
            ["label"],
            buckets=_SCORES,
            registry=registry,
        )
        self._read = Counter(
            "hakam_comments_read",
            "Comments by who read them: the word scorer alone, or the sentence scorer as well.",
            ["readers"],
            registry=registry,
        )
        self._withheld = Counter(
            "hakam_withheld",
            "Comments withheld because they could not be judged, where refusing means publishing.",
            ["interface", "reason"],
            registry=registry,
        )
        self._reports = Counter(
            "hakam_reports",
            "Readers' reports that came: new ones, and known ones that came again.",
            ["state"],
            registry=registry,
        )
        self._answers = Histogram(
            "hakam_redis_seconds",
            "Time to an answer of Redis.",
            buckets=_REDIS_SECONDS,
            registry=registry,
        )
        self._faults = Counter(
            "hakam_redis_faults",
            "Questions that Redis did not answer: in time, or at all.",
            ["fault"],
            registry=registry,
        )
        self._silent = Gauge(
            "hakam_redis_silent",
            "Open circuit breakers, of two in each worker: Redis does not answer them.",
            registry=registry,
            multiprocess_mode="livesum",
        )

        # To look a counter up among those of all labels takes longer than to count.
        self._of_request = functools.cache(self._counters_of_request)
        self._of_label = functools.cache(self._scores.labels)

    def install(self, app: Flask) -> None:
        """Count every request of `app`."""
        app.before_request(_begin)
        app.after_request(self._end)

    def count(
        self,
        verdict: Verdict,
        scores: Mapping[str, float] | None = None,
        readers: Sequence[str] = (),
    ) -> None:
        """Count a verdict, with the scores it was made of and who read the comment."""
        self._verdicts.labels(verdict.action, verdict.label or "", verdict.reason).inc()
        for label, score in (scores or {}).items():
            self._of_label(label).observe(score)
        if readers:
            self._read.labels("+".join(readers)).inc()

    def count_withheld(self, interface: str, reason: str) -> None:
        """Count a comment that could not be judged; `reason` is the name of an error of ours."""
        self._withheld.labels(interface, reason).inc()

    def count_report(self, state: Literal["new", "known"]) -> None:
        """Count a reader's report."""
        self._reports.labels(state).inc()

    def answered(self, seconds: float) -> None:
        """Count an answer of Redis."""
        self._answers.observe(seconds)

    def failed(self, fault: Fault) -> None:
        """Count a question that Redis did not answer."""
        self._faults.labels(fault).inc()

    def silent(self, *, is_silent: bool) -> None:
        """Count the circuit breakers that are open."""
        self._silent.inc(1 if is_silent else -1)

    def render(self) -> bytes:
        """All numbers, of all workers, in Prometheus' text format."""
        registry = self._own
        if self._shared is not None:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry, str(self._shared))  # type: ignore[no-untyped-call]
        asked = CollectorRegistry()
        asked.register(self)
        return generate_latest(registry) + generate_latest(asked)

    def collect(self) -> Iterator[Metric]:
        """Ask now; a source that fails is named, and the others are asked all the same."""
        told = "Whether a part of these metrics could not be asked for; its series are absent."
        failing = GaugeMetricFamily("hakam_unknown", told, labels=["part"])
        for name, source in self.sources.items():
            failed = False
            try:
                yield from list(source())
            except StoreUnavailable:
                failed = True
            except Exception as error:  # noqa: BLE001 - the others are still to be told
                log.warning("metrics", part=name, error=type(error).__name__, places=places(error))
                failed = True
            failing.add_metric([name], failed)
        yield failing

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
