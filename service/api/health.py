"""Health, readiness, metrics and the OpenAPI document, for operators."""

from __future__ import annotations

import hmac

from flask import Response, current_app, jsonify
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from service.api.keys import bearer_key
from service.api.openapi import document
from service.api.operation import operation
from service.api.schemas import Reader
from service.errors import Unauthorized
from service.services import services


class Health(BaseModel):
    """A service that answers."""

    status: str
    model_version: str
    readers: list[Reader]
    notice: str | None = Field(
        default=None, description="What to look at although all work is done."
    )


@operation("GET", "/healthz", answers={200: Health}, needs_key=False)
def healthz() -> Health:
    """Say that the service runs. Asks nobody else: a restart does not repair Redis."""
    return _health("ok")


@operation("GET", "/readyz", answers={200: Health}, needs_key=False, problems=(503,))
def readyz() -> Health:
    """Say whether the service can do all its work, or what is wrong.

    503 while Redis is away, takes no writes, could lose comments or has lost some. Comments that
    need no person are answered even then, so take a worker out of service by this only when another
    one is better off.
    """
    services().durability.check()
    return _health("ready", services().notice or None)


def _health(status: str, notice: str | None = None) -> Health:
    artifact = services().artifact
    readers = list(artifact.classifier.readers)
    return Health(status=status, model_version=artifact.version, readers=readers, notice=notice)


@operation("GET", "/metrics", answers={200: CONTENT_TYPE_LATEST}, needs_key=False, problems=(401,))
def metrics() -> Response:
    """Show the numbers of all workers in Prometheus' text format.

    Where HAKAM_METRICS_TOKEN is set, it is the bearer token to be sent.
    """
    token = services().settings.metrics_token.encode()
    if token and not hmac.compare_digest(bearer_key().encode(), token):
        raise Unauthorized("expected HAKAM_METRICS_TOKEN as bearer token")
    return Response(services().metrics.render(), content_type=CONTENT_TYPE_LATEST)


@operation(
    "GET", "/openapi.json", answers={200: "application/json"}, needs_key=False, problems=(421,)
)
def openapi() -> Response:
    """Show this description of the API."""
    return jsonify(document(current_app, services().settings.public_url))
