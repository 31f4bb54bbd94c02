"""What OpenTelemetry gets to know, by a collector that the test plays."""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from arriving import enqueue
from fake_sites import Endpoint, serving
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from redis import Redis

from conftest import await_condition, hakam, served
from service import tracing
from service.errors import LaunchFailed
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Policy, Signals
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.slow

# What clients write; none of it may be in what is sent.
PRIVATE = {
    name: f"private{name}0123456789"
    for name in ("text", "name", "id", "author", "query", "path", "state", "baggage", "body")
}
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@dataclass
class Collector:
    """A collector on loopback: what it was sent, as it came and as it is read."""

    url: str = ""
    sent: list[bytes] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    def spans(self) -> list[dict[str, Any]]:
        """All spans, with the attributes of their process beside their own."""
        found = []
        for body in self.sent:
            message = MessageToDict(ExportTraceServiceRequest.FromString(body))
            for of_process in message["resourceSpans"]:
                process = _plain(of_process["resource"]["attributes"])
                for scope in of_process["scopeSpans"]:
                    for span in scope["spans"]:
                        own = _plain(span.get("attributes", []))
                        found.append(span | {"attributes": own, "process": process})
        return found

    def named(self, name: str) -> list[dict[str, Any]]:
        return [span for span in self.spans() if span["name"] == name]


def _plain(attributes: list[Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.sent.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with serving(Take) as url:
        collector.url = url.rstrip("/")
        yield collector


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def comment(text: str = "") -> dict[str, Any]:
    return {
        "id": PRIVATE["id"],
        "text": f"{PRIVATE['text']} {text}",
        "author": {"id": PRIVATE["author"], "name": PRIVATE["name"]},
    }


def test_a_request_is_a_span_with_its_steps_and_holds_nothing_that_a_client_wrote(
    collector: Collector, environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    key = Sites(redis).add(Site(id="demo", name="Demo", random_sample_share=1.0))
    headers = {
        "Authorization": f"Bearer {key}",
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "tracestate": f"a={PRIVATE['state']}",
        "baggage": f"a={PRIVATE['baggage']}",
    }
    with served(environ | collector.environ, tmp_path / "log") as url:
        answer = httpx.post(
            f"{url}/v1/comments?{PRIVATE['query']}", json=comment(), headers=headers
        )
        assert answer.status_code in (200, 202)
        httpx.get(f"{url}/{PRIVATE['path']}", headers=headers)
        wrong = httpx.post(f"{url}/v1/comments", content=PRIVATE["body"], headers=headers)
        assert wrong.status_code in (400, 415)

        def workers() -> set[Any]:
            httpx.get(f"{url}/healthz")
            return {span["process"]["process.pid"] for span in collector.named("GET /healthz")}

        await_condition(lambda: len(workers()) == 2, what="spans of both workers")
        await_condition(lambda: len(collector.named("POST /v1/comments")) == 2, what="the span")
        first = min(collector.named("POST /v1/comments"), key=_begun)
        steps = [one for one in collector.spans() if one.get("parentSpanId") == first["spanId"]]
    assert first["attributes"] == {
        "http.request.method": "POST",
        "http.route": "/v1/comments",
        "http.response.status_code": str(answer.status_code),
        "hakam.site": "demo",
        "hakam.n_comments": "1",
    }
    assert first["process"]["service.name"] == "hakam-web"
    assert {"score", "queue enqueue"} <= {step["name"] for step in steps}
    assert len({one["spanId"] for one in collector.spans()}) == len(collector.spans())
    assert key.encode() not in b"".join(collector.sent)
    for name, private in PRIVATE.items():
        assert private.encode() not in b"".join(collector.sent), name


def test_a_trace_goes_on_from_the_client_that_asked(
    collector: Collector, environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    key = Sites(redis).add(Site(id="demo", name="Demo"))
    headers = {"Authorization": f"Bearer {key}", "traceparent": f"00-{TRACE}-{PARENT}-01"}
    with served(environ | collector.environ, tmp_path / "log") as url:
        httpx.post(f"{url}/v1/comments", json=comment(), headers=headers)
        httpx.post(f"{url}/v1/comments", json=comment(), headers=headers | {"traceparent": "00-x"})
        await_condition(lambda: len(collector.named("POST /v1/comments")) == 2, what="the spans")
    first, second = (
        MessageIds.of(span) for span in sorted(collector.named("POST /v1/comments"), key=_begun)
    )
    assert (first.trace, first.parent) == (TRACE, PARENT)
    assert second.trace != TRACE
    assert not second.parent


@dataclass(frozen=True)
class MessageIds:
    """The ids of a span, as `traceparent` has them."""

    trace: str
    span: str
    parent: str

    @classmethod
    def of(cls, span: dict[str, Any]) -> MessageIds:
        told = (span.get(name, "") for name in ("traceId", "spanId", "parentSpanId"))
        return cls(*(base64.b64decode(one).hex() for one in told))


def _begun(span: dict[str, Any]) -> int:
    return int(span["startTimeUnixNano"])


def test_a_webhook_carries_its_trace_and_the_last_spans_are_sent_at_the_end(
    collector: Collector, environ: dict[str, str], redis: Redis, endpoint: Endpoint
) -> None:
    site = Site("demo", webhook_url=endpoint.url, webhook_secret=SECRET, webhook_private=True)
    Sites(redis).add(site)
    queue = ReviewQueue(redis)
    verdict = Policy({"threat": 0.5}).verdict(Signals({"threat": 0.9}))
    kept = Comment(id=PRIVATE["id"], text=PRIVATE["text"], author_name=PRIVATE["name"])
    enqueue(queue, "demo", kept, verdict, scores={"threat": 0.9})
    lease = queue.lease("demo", "someone")
    assert lease is not None
    draft = Decision("reject", moderator="someone", request_id="r1")
    queue.decide("demo", lease.item.id, lease.token, draft)
    # Nothing is sent before the process ends, and then all of it.
    patient = collector.environ | {"OTEL_BSP_SCHEDULE_DELAY": "600000"}
    running = hakam("webhooks", environ=environ | patient)
    try:
        await_condition(lambda: endpoint.told, what="the webhook")
        await_condition(lambda: not redis.zcard("{hakam:demo}:outbox"), what="the end of it")
    finally:
        running.terminate()
        running.wait(timeout=30.0)
    (delivery,) = collector.named("deliver")
    ids = MessageIds.of(delivery)
    told = {name.lower(): value for name, value in endpoint.told[0][0].items()}
    assert told["traceparent"].startswith(f"00-{ids.trace}-{ids.span}-")
    assert "tracestate" not in told
    assert delivery["attributes"]["hakam.result"] == "delivered"
    assert delivery["process"]["service.name"] == "hakam-webhooks"
    assert "delivery delivered" in {span["name"] for span in collector.spans()}
    for private in PRIVATE.values():
        assert private.encode() not in b"".join(collector.sent)


def test_what_the_background_does_on_a_site_is_a_span_with_the_scripts_in_it(
    collector: Collector, environ: dict[str, str], redis: Redis
) -> None:
    Sites(redis).add(Site("demo"))
    running = hakam("background", environ=environ | collector.environ)
    try:
        await_condition(lambda: collector.named("sweep"), what="the look at retention")
    finally:
        running.terminate()
        running.wait(timeout=30.0)
    (sweep,) = collector.named("sweep")
    assert sweep["attributes"] == {"hakam.site": "demo"}
    assert sweep["process"]["service.name"] == "hakam-background"
    parts = [one for one in collector.spans() if one.get("parentSpanId") == sweep["spanId"]]
    assert "queue sweep" in {one["name"] for one in parts}


def test_a_collector_that_never_answers_keeps_no_request_and_no_end_waiting(
    environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    key = Sites(redis).add(Site(id="demo", name="Demo"))
    headers = {"Authorization": f"Bearer {key}"}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        with served(environ | told, tmp_path / "log") as hakam_url:
            for _ in range(20):
                answer = httpx.post(f"{hakam_url}/v1/comments", json=comment(), headers=headers)
                assert answer.status_code in (200, 202)
            silent.settimeout(30.0)
            silent.accept()[0].close()  # somebody asked, so the traces were on


def test_the_sampler_is_the_one_that_the_environment_names(
    collector: Collector, environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    sampling = {"OTEL_TRACES_SAMPLER": "always_off"}
    with served(environ | collector.environ | sampling, tmp_path / "log") as url:
        httpx.get(f"{url}/healthz")
    assert collector.sent == []


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_without_a_collector_nothing_that_sends_traces_is_imported(
    told: dict[str, str], wanted: bool, environ: dict[str, str]
) -> None:
    code = """
import sys
from service import tracing
from service.config import Settings, traces_wanted
from service.app import create_app
if traces_wanted():
    tracing.start("test")
create_app(Settings.from_environ()).test_client().get("/healthz")
# redis-py imports another part of it, for metrics, wherever that is installed.
print(any(name.startswith("opentelemetry.exporter") for name in sys.modules))
"""
    clean = {"PATH": "/usr/bin:/bin"} | environ | told
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == str(wanted)


def test_where_the_extra_is_missing_a_sentence_says_so() -> None:
    with (
        patch.dict(sys.modules, {"opentelemetry.sdk.trace": None}),
        pytest.raises(LaunchFailed, match=r"pip install 'hakam\[otel\]'"),
    ):
        tracing.start("test")
