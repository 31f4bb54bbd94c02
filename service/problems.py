"""Error answers: problem+json (RFC 9457), with no message of an error that is none of ours."""

from __future__ import annotations

import http
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from flask import Flask, Response, g, json, request
from werkzeug.exceptions import HTTPException

from service.errors import (
    RETRY_AFTER_SECONDS,
    FieldError,
    ProblemType,
    RateLimited,
    TooManyReports,
    UnsupportedMedia,
    problem_of,
    status_of,
)

# What an error may know beside its sentence, for programs.
_TOLD = ("versions", "after", "lost_since", "lost_until")

# What is said of an error that the framework found; its own words are written for browsers.
_SENTENCES = {
    400: "the request cannot be understood",
    404: "there is nothing at this address",
    405: "the address does not take this method",
    413: "the body is too long",
    431: "the address and the headers are too long",
}


def problem(
    kind: ProblemType,
    detail: str = "",
    *,
    errors: Sequence[FieldError] = (),
    **more: object,
) -> Response:
    """Render an error answer as problem+json (RFC 9457) with the id of the request."""
    return _response(kind, _body(kind, detail, g.get("request_id", ""), errors, more))


def _response(kind: ProblemType, body: Mapping[str, object]) -> Response:
    answer = Response(json.dumps(body), status=kind.status, content_type="application/problem+json")
    if kind.status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="hakam"'
    return answer


def problem_before(status: int, request_id: str) -> dict[str, object]:
    """Return what is said of a request that was refused before the framework saw it."""
    return _body(_found(status), _SENTENCES.get(status, ""), request_id)


def _body(
    kind: ProblemType,
    detail: str,
    request_id: str,
    errors: Sequence[FieldError] = (),
    more: Mapping[str, object] | None = None,
) -> dict[str, object]:
    body: dict[str, object] = {
        "type": f"urn:hakam:problem:{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "request_id": request_id,
    }
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = [{"field": e.field, "message": e.message} for e in errors]
    return body | dict(more or {})


def _found(status: int) -> ProblemType:
    """Name what no error of ours stands for by the words of HTTP."""
    words = http.HTTPStatus(status).phrase
    return ProblemType(status, words.lower().replace(" ", "-"), words)


def problem_about(error: Exception) -> dict[str, object]:
    """Return what the answer to a request says of an error that the framework did not find."""
    kind = problem_of(error)
    told = {name: value for name in _TOLD if (value := getattr(error, name, None))}
    detail = "" if kind.status == 500 else str(error)
    return _body(kind, detail, g.get("request_id", ""), getattr(error, "errors", ()), told)


def note(error: Exception) -> None:
    """Have the line of this request in the log name an error, and show where it came from."""
    expected = isinstance(error, HTTPException) or status_of(error) != 500
    g.error = type(error).__name__ if expected else error


def answer_error(error: Exception) -> Response:
    """Turn any error into its answer."""
    if isinstance(error, HTTPException):
        code = error.code or 500
        if error.response is not None or code < 400:  # a redirect, or an answer made elsewhere
            return cast(Response, error.get_response())
        answer = problem(_found(code), sentence_of(error))
    else:
        note(error)
        answer = _response(problem_of(error), problem_about(error))
    answer.headers.update(headers_of(error))
    return answer


def sentence_of(error: HTTPException) -> str:
    """Say in our own words what the framework refused; empty where the status says it all."""
    return _SENTENCES.get(error.code or 500, "")


def headers_of(error: Exception) -> dict[str, str]:
    """Headers that belong to an error: Allow of a 405, Retry-After of a 429 or a 503."""
    match error:
        case HTTPException():  # all of them but the content type of a page of its own
            return {name: value for name, value in error.get_headers() if name[:8] != "Content-"}
        case UnsupportedMedia():
            return {"Accept-Encoding": "identity"}
        case RateLimited() | TooManyReports():
            return {"Retry-After": str(error.retry_after_seconds)}
        case _ if status_of(error) == 503:
            return {"Retry-After": str(RETRY_AFTER_SECONDS)}
        case _:
            return {}


def install(app: Flask, forms: Mapping[str, Callable[[Exception], Response]] | None = None) -> None:
    """Answer every error of `app`: by the form of the address, else as problem+json."""

    def answer(error: Exception) -> Response:
        for beginning, form in (forms or {}).items():
            if request.path.startswith(beginning):
                return form(error)
        return answer_error(error)

    app.register_error_handler(Exception, answer)
