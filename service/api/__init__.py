"""The HTTP API for machines: ``/v1``, health, metrics and the OpenAPI document."""

from service.api import articles, authors, comments, decisions, health, policy, queue, reports
from service.api.operation import api

__all__ = [
    "BLUEPRINTS",
    "articles",
    "authors",
    "comments",
    "decisions",
    "health",
    "policy",
    "queue",
    "reports",
]

BLUEPRINTS = (api,)  # on which the modules have put their routes; the application registers it
