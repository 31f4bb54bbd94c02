"""One JSON line per request on standard output.

A line says what happened, never what was written: it is built from the route's pattern, numbers and
ids that we made ourselves. No text, name, comment id, query string, header or key can enter it, and
of an unexpected exception only its type and the places in the code, because messages quote values.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
import traceback

import structlog
from flask import Flask, Response, g, request

REQUEST_ID = "X-Request-Id"

_OWN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

log = structlog.get_logger()


def configure(level: str) -> None:
    """Send structlog's events of `level` and above to standard output, one JSON object a line."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(),  # one write a line: workers do not mix lines
        cache_logger_on_first_use=False,
    )


def install(app: Flask) -> None:
    """Give every request of `app` an id and a line."""
    app.before_request(_begin)
    app.after_request(_end)


def new_id() -> str:
    """Return an id for a request that brought none."""
    return secrets.token_hex(8)


def refused(status: int, error: Exception, request_id: str) -> None:
    """Write the line of a request that the framework never saw."""
    seen = {"method": "", "route": "", "duration_ms": 0.0, "site": None, "n_comments": None}
    name = type(error).__name__
    log.info("request", **seen, status=status, request_id=request_id, error=name)


def places(error: BaseException) -> list[str]:
    """Where in the code an exception came from, without a value of any variable."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _begin() -> None:
    g.started = time.perf_counter()
    theirs = request.headers.get(REQUEST_ID, "")
    g.request_id = theirs if _OWN_ID.fullmatch(theirs) else new_id()


def _end(response: Response) -> Response:
    response.headers[REQUEST_ID] = g.request_id
    line = {
        "method": request.method if request.url_rule else "",
        "route": request.url_rule.rule if request.url_rule else "",
        "status": response.status_code,
        "duration_ms": round((time.perf_counter() - g.started) * 1000, 2),
        "request_id": g.request_id,
        "site": g.get("site_id"),
        "n_comments": g.get("n_comments"),
    }
    error = g.get("error")
    if isinstance(error, BaseException):
        log.error("request", **line, error=type(error).__name__, places=places(error))
    else:
        log.info("request", **line, error=error)
    return response
