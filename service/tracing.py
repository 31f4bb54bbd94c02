"""Traces for OpenTelemetry: spans of requests, scoring, scripts in Redis and deliveries.

Off until `start` is called, and then nothing of OpenTelemetry is imported. How spans are sampled,
collected and sent, the variables ``OTEL_*`` say, which its SDK reads. A collector that is away
delays nobody: what waits for it is bounded, and is thrown away.

No span holds a word of a comment, a name, an id of a client, a key or a path as it was asked for:
attributes are ours, an exception is its type, and of what others say of their traces only
``traceparent`` is heard and told, three numbers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Thread
from typing import Any, Literal

from flask import Flask, Response, g, request

from service.errors import LaunchFailed

STOP_SECONDS = 3.0  # to send what is left at the end
TRACE_PARENT = "traceparent"

Kind = Literal["INTERNAL", "SERVER", "CLIENT"]
Value = str | int | float | bool

_OFF: AbstractContextManager[None] = nullcontext()
_provider: Any = None
_tracer: Any = None


def start(name: str) -> None:
    """Trace what this process does from now on, under the name of a service.

    Called in each process that works, after it was forked. LaunchFailed where the extra is missing.
    """
    global _provider, _tracer  # noqa: PLW0603 - one of each process
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as missing:
        raise LaunchFailed(
            "OTEL_* variables ask for traces, for which libraries are missing: "
            "pip install 'hakam[otel]', or set OTEL_TRACES_EXPORTER to none."
        ) from missing
    resource = Resource.create()  # what OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say
    own: dict[str, Value] = {"process.pid": os.getpid()}
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        own[SERVICE_NAME] = name
    resource = resource.merge(Resource(own))
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = _provider.get_tracer("hakam")


def stop() -> None:
    """Send what is left, for as long as `STOP_SECONDS`, and trace no more."""
    global _provider, _tracer  # noqa: PLW0603
    if _provider is None:
        return
    ending = Thread(target=_provider.shutdown, name="traces", daemon=True)
    _provider = _tracer = None
    ending.start()
    ending.join(STOP_SECONDS)


def span(
    name: str, kind: Kind = "INTERNAL", **attributes: Value | None
) -> AbstractContextManager[Any]:
    """Trace a block: a span under the one that is current; nothing where tracing is off."""
    return _OFF if _tracer is None else _spanning(name, kind, attributes)


def step(
    name: str, kind: Kind = "INTERNAL", **attributes: Value | None
) -> AbstractContextManager[Any]:
    """Trace a block where it is a part of something that is traced, and only then."""
    if _tracer is None:
        return _OFF
    from opentelemetry.trace import get_current_span

    return _spanning(name, kind, attributes) if get_current_span().is_recording() else _OFF


@contextmanager
def _spanning(name: str, kind: Kind, attributes: Mapping[str, Value | None]) -> Iterator[Any]:
    from opentelemetry.trace import SpanKind

    with _tracer.start_as_current_span(
        name,
        kind=SpanKind[kind],
        attributes=_named(attributes),
        record_exception=False,  # it quotes values
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Exception as error:
            _fail(current, type(error).__name__)
            raise


def note(**attributes: Value | None) -> None:
    """Add attributes to the current span, if there is one."""
    if _tracer is not None:
        from opentelemetry.trace import get_current_span

        get_current_span().set_attributes(_named(attributes))


def headers() -> dict[str, str]:
    """Return what tells another service of the current span; nothing where tracing is off."""
    if _tracer is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return {name: value for name, value in carrier.items() if name == TRACE_PARENT}


def install(app: Flask) -> None:
    """Make a span of every request of `app`; nothing where tracing is off."""
    if _tracer is not None:
        app.before_request(_begin)
        app.after_request(_end)
        app.teardown_request(_leave)


def _begin() -> None:
    from opentelemetry import context
    from opentelemetry.trace import SpanKind, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    rule = request.url_rule
    method, route = (request.method, rule.rule) if rule else ("HTTP", "")
    told = {TRACE_PARENT: request.headers.get(TRACE_PARENT, "")}
    parent = TraceContextTextMapPropagator().extract(told, context=context.Context())
    attributes = {"http.request.method": method, "http.route": route} if rule else {}
    g.span = _tracer.start_span(
        f"{method} {route}".strip(), parent, SpanKind.SERVER, attributes=attributes
    )
    g.span_token = context.attach(set_span_in_context(g.span))


def _end(response: Response) -> Response:
    known = {"site": g.get("site_id"), "n_comments": g.get("n_comments")}
    g.span.set_attributes(_named(known))
    g.span.set_attribute("http.response.status_code", response.status_code)
    if response.status_code >= 500:
        error = g.get("error")
        _fail(g.span, type(error).__name__ if isinstance(error, BaseException) else "refused")
    return response


def _leave(_error: BaseException | None = None) -> None:
    from opentelemetry import context

    if (current := g.pop("span", None)) is not None:
        context.detach(g.pop("span_token"))
        current.end()


def _fail(current: Any, kind: str) -> None:
    from opentelemetry.trace import StatusCode

    current.set_status(StatusCode.ERROR)
    current.set_attribute("error.type", kind)


def _named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Put our name before theirs; without those that have no value."""
    return {f"hakam.{name}": value for name, value in attributes.items() if value is not None}
