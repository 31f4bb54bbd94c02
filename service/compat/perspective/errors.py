"""Errors as Google's API front end and the Comment Analyzer word them.

Clients match on them: on ``errorType``, on the attribute that lacks a language, on the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response
from pydantic import BaseModel, Field
from werkzeug.exceptions import MethodNotAllowed, NotFound, RequestEntityTooLarge

from service import problems
from service.address import base_url
from service.compat.answers import as_json
from service.errors import (
    FieldError,
    InvalidRequest,
    MalformedJson,
    RateLimited,
    Unauthorized,
    UnknownHost,
    UnsupportedMedia,
    status_of,
)

MAX_BODY_BYTES = 8 * 1024 * 1024


class GoogleErrorDetail(BaseModel):
    """What is wrong."""

    code: int = Field(description="The HTTP status.")
    message: str = Field(description="What is wrong, for people.")
    status: str = Field(description="What is wrong, for machines.")
    details: list[dict[str, Any]] = Field(
        [], description="More of it; the first has the `errorType` of Perspective."
    )


class GoogleError(BaseModel):
    """An error as Google's interfaces answer it."""

    error: GoogleErrorDetail


class AnalyzerError(InvalidRequest):
    """A request that Perspective would refuse, with what it says in ``error.details[0]``."""

    def __init__(
        self, error_type: str, message: str, more: Mapping[str, object] | None = None
    ) -> None:
        super().__init__([FieldError("", message)])
        self.error_type = error_type
        self.more = dict(more or {})


def answer(error: Exception) -> Response:
    """Turn any error into the answer that Google would give."""
    problems.note(error)
    code, status, message, details = _described(error)
    detail = GoogleErrorDetail(code=code, message=message, status=status, details=details)
    body = GoogleError(error=detail).model_dump(exclude_defaults=True)
    return as_json(body, code, problems.headers_of(error))


def _described(error: Exception) -> tuple[int, str, str, list[dict[str, Any]]]:
    match error:
        case AnalyzerError():
            kind = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
            detail = {"@type": kind, "errorType": error.error_type, **error.more}
            return 400, "INVALID_ARGUMENT", str(error), [detail]
        case InvalidRequest():
            message = "Invalid JSON payload received. " + str(error)
            violations = [{"field": e.field, "description": e.message} for e in error.errors]
            kind = "type.googleapis.com/google.rpc.BadRequest"
            detail = {"@type": kind, "fieldViolations": violations}
            return 400, "INVALID_ARGUMENT", message, [detail]
        case MalformedJson():
            return 400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {error}", []
        case RequestEntityTooLarge():
            message = f"Request payload size exceeds the limit: {MAX_BODY_BYTES} bytes."
            return 400, "INVALID_ARGUMENT", message, []
        case Unauthorized() if not str(error):
            message = (
                "Method doesn't allow unregistered callers (callers without established identity). "
                "Please use API Key or other form of API consumer identity to call this API."
            )
            return 403, "PERMISSION_DENIED", message, []
        case Unauthorized():
            message = "API key not valid. Please pass a valid API key."
            return 400, "INVALID_ARGUMENT", message, [_error_info("API_KEY_INVALID")]
        case UnknownHost():
            return 421, "INVALID_ARGUMENT", str(error), []
        case UnsupportedMedia():
            return 415, "INVALID_ARGUMENT", str(error), []
        case NotFound():
            return 404, "NOT_FOUND", "Method not found.", []
        case MethodNotAllowed():
            message = "The method does not take this HTTP verb."
            return 405, "UNIMPLEMENTED", message, []
        case RateLimited():
            return _quota_exceeded(error)
        case _ if status_of(error) == 503:
            return 503, "UNAVAILABLE", "The service is currently unavailable.", []
        case _:
            return 500, "INTERNAL", "Internal error encountered.", []


def _quota_exceeded(error: RateLimited) -> tuple[int, str, str, list[dict[str, Any]]]:
    message = (
        "Quota exceeded for quota metric 'Analysis requests (AnalyzeComment)' and limit 'Analysis "
        "requests (AnalyzeComment) per minute' of service 'commentanalyzer.googleapis.com' for "
        "consumer 'project_number:0'."
    )
    info = _error_info(
        "RATE_LIMIT_EXCEEDED",
        quota_limit="AnalyzeRequestsPerMinutePerProject",
        quota_limit_value=str(error.limit),
    )
    links = [{"description": "Ask whoever runs this service for more.", "url": base_url()}]
    help_ = {"@type": "type.googleapis.com/google.rpc.Help", "links": links}
    return 429, "RESOURCE_EXHAUSTED", message, [info, help_]


def _error_info(reason: str, **metadata: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "commentanalyzer.googleapis.com", **metadata},
    }
