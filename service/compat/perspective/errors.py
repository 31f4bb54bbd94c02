"""Errors as Google's API front end and the Comment Analyzer word them.

Clients match on them: on ``errorType``, on the attribute that lacks a language, on the message.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response
from werkzeug.exceptions import MethodNotAllowed, NotFound, RequestEntityTooLarge

from service import problems
from service.address import base_url
from service.compat.answers import as_json
from service.errors import (
    RETRY_AFTER_SECONDS,
    FieldError,
    InvalidRequest,
    MalformedJson,
    RateLimited,
    StoreUnavailable,
    Unauthorized,
    UnknownHost,
    UnsupportedMedia,
)

#: Of an error answer.
SCHEMA = {
    "type": "object",
    "description": "An error as Google's interfaces answer it.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "description": "What is wrong.",
            "required": ["code", "message", "status"],
            "properties": {
                "code": {"type": "integer", "description": "The HTTP status."},
                "message": {"type": "string", "description": "What is wrong, for people."},
                "status": {"type": "string", "description": "What is wrong, for machines."},
                "details": {
                    "type": "array",
                    "description": "More of it; the first has the `errorType` of Perspective.",
                    "items": {"type": "object"},
                },
            },
        }
    },
}

MAX_BODY_BYTES = 8 * 1024 * 1024


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
    code, status, message, details, headers = _described(error)
    body: dict[str, object] = {"code": code, "message": message, "status": status}
    if details:
        body["details"] = details
    return as_json({"error": body}, code, headers)


def _described(
    error: Exception,
) -> tuple[int, str, str, list[dict[str, object]], dict[str, str]]:
    match error:
        case AnalyzerError():
            kind = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
            detail = {"@type": kind, "errorType": error.error_type, **error.more}
            return 400, "INVALID_ARGUMENT", str(error), [detail], {}
        case InvalidRequest():
            message = "Invalid JSON payload received. " + str(error)
            violations = [{"field": e.field, "description": e.message} for e in error.errors]
            kind = "type.googleapis.com/google.rpc.BadRequest"
            detail = {"@type": kind, "fieldViolations": violations}
            return 400, "INVALID_ARGUMENT", message, [detail], {}
        case MalformedJson():
            return 400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {error}", [], {}
        case RequestEntityTooLarge():
            message = f"Request payload size exceeds the limit: {MAX_BODY_BYTES} bytes."
            return 400, "INVALID_ARGUMENT", message, [], {}
        case Unauthorized() if not str(error):
            message = (
                "Method doesn't allow unregistered callers (callers without established identity). "
                "Please use API Key or other form of API consumer identity to call this API."
            )
            return 403, "PERMISSION_DENIED", message, [], {}
        case Unauthorized():
            message = "API key not valid. Please pass a valid API key."
            return 400, "INVALID_ARGUMENT", message, [_error_info("API_KEY_INVALID")], {}
        case UnknownHost():
            return 421, "INVALID_ARGUMENT", str(error), [], {}
        case UnsupportedMedia():
            return 415, "INVALID_ARGUMENT", str(error), [], problems.headers_of(error)
        case NotFound():
            return 404, "NOT_FOUND", "Method not found.", [], {}
        case MethodNotAllowed():
            message = "The method does not take this HTTP verb."
            return 405, "UNIMPLEMENTED", message, [], problems.headers_of(error)
        case RateLimited():
            return _quota_exceeded(error)
        case StoreUnavailable():
            again = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return 503, "UNAVAILABLE", "The service is currently unavailable.", [], again
        case _:
            return 500, "INTERNAL", "Internal error encountered.", [], {}


def _quota_exceeded(
    error: RateLimited,
) -> tuple[int, str, str, list[dict[str, object]], dict[str, str]]:
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
    help_: dict[str, object] = {"@type": "type.googleapis.com/google.rpc.Help", "links": links}
    again = {"Retry-After": str(error.retry_after_seconds)}
    return 429, "RESOURCE_EXHAUSTED", message, [info, help_], again


def _error_info(reason: str, **metadata: str) -> dict[str, object]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "commentanalyzer.googleapis.com", **metadata},
    }
