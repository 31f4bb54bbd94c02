"""Every error of the service, and the one table that says how each is answered over HTTP.

::

    ModerationError                 (models.errors)
    └── ServiceError
        ├── ConfigError             the environment cannot be used; lists every problem
        ├── StoreUnavailable        Redis is unreachable, out of time or out of memory
        │   ├── StoreLost           Redis has lost what it was given
        │   └── SiteUnreadable      what is stored of one site cannot be worked with
        ├── StoreMisconfigured      Redis could lose what it is given
        ├── MalformedJson           the body is not the JSON it says it is
        ├── InvalidRequest          a field of the request is wrong; names each of them
        ├── UnsupportedMedia        the body is of a kind, or packed in a way, that is not read
        ├── RateLimited             too many requests in this minute
        ├── UnknownHost             the request names a host that is not ours
        ├── LoginThrottled          too many wrong passwords or codes
        ├── Unauthorized            no key, or not a key of ours
        ├── Forbidden               a key or account that may not do this
        ├── NotFound
        │   ├── UnknownSite
        │   ├── UnknownAccount
        │   └── ItemNotFound
        └── Conflict
            ├── SiteExists
            ├── AccountExists
            ├── LeaseLost           the token is stale: the lease ran out or went to someone else
            └── AlreadyDecided

The secret kept here is the HTTP status of an error and the shape of an error answer (problem+json,
RFC 9457); the rest of the service raises in the words above. A message never repeats what the
client wrote.
"""

from __future__ import annotations

import http
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from flask import Flask, Response, g, json, request
from werkzeug.exceptions import HTTPException

from models.errors import InvalidText, ModerationError

RETRY_AFTER_SECONDS = 2


class ServiceError(ModerationError):
    """Root of the service's own errors."""


class ConfigError(ServiceError):
    """The environment cannot be used.

    Parameters
    ----------
    problems : sequence of str
        One sentence for each wrong variable: its name, its value (secrets as ``***``), the expected
        form.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class StoreUnavailable(ServiceError):
    """Redis is unreachable, did not answer in time, is loading, read-only or out of memory."""


class StoreMisconfigured(ServiceError):
    """Redis could lose comments: no append-only file, not synced at each write, keys evicted."""


class StoreLost(StoreUnavailable):
    """Redis is empty, another one than before, or an older state of itself."""


class SiteUnreadable(StoreUnavailable):
    """What is stored of one site cannot be worked with; other sites have nothing to do with it."""


class MalformedJson(ServiceError):
    """The body is not valid JSON in UTF-8."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request.

    Attributes
    ----------
    field : str
        Path of the field, as ``author.name`` or ``[3].text``; empty for the body as a whole.
    message : str
        What is wrong and what is expected, without the value.
    """

    field: str
    message: str


class InvalidRequest(ServiceError):
    """One or more fields of a request are wrong.

    Parameters
    ----------
    errors : sequence of FieldError
        At least one.
    """

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(
            "; ".join(f"{e.field}: {e.message}" if e.field else e.message for e in errors)
        )
        self.errors = tuple(errors)

    @classmethod
    def of(cls, field: str, message: str) -> InvalidRequest:
        """Name a single wrong field."""
        return cls([FieldError(field, message)])


class UnsupportedMedia(ServiceError):
    """The body is not of the content type, or not in the plain encoding, that is read here."""


class RateLimited(ServiceError):
    """A site has used up its requests.

    Parameters
    ----------
    limit : int
        Requests granted in a minute.
    retry_after_seconds : int
        When there are new ones.
    """

    def __init__(self, limit: int, retry_after_seconds: int) -> None:
        super().__init__(f"more than {limit} requests in a minute")
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds


class UnknownHost(ServiceError):
    """The Host header is not that of the public address."""


class LoginThrottled(ServiceError):
    """Too many failed attempts; ``retry_after_seconds`` says when the next one counts."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many failed attempts; wait {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class Unauthorized(ServiceError):
    """No key was given, or it is not the key of any site."""


class Forbidden(ServiceError):
    """The key or the account is known, but may not do this."""


class NotFound(ServiceError):
    """What the request names does not exist."""


class UnknownSite(NotFound):
    """No site has this id."""


class UnknownAccount(NotFound):
    """No account has this name."""


class ItemNotFound(NotFound):
    """No review item has this id."""


class Conflict(ServiceError):
    """What the request wants contradicts what is stored; nothing was changed."""


class SiteExists(Conflict):
    """A site with this id exists already."""


class AccountExists(Conflict):
    """An account with this name exists already."""


class LeaseLost(Conflict):
    """The lease has expired or belongs to someone else, so its token no longer counts."""


class AlreadyDecided(Conflict):
    """The review item has been decided, and not by this request."""


# error -> (HTTP status, slug of the problem type, title). A subclass without a row of its own is
# answered like its nearest ancestor. Anything else is a fault of ours: status 500, and nothing of
# its message reaches the client.
PROBLEMS: Mapping[type[Exception], tuple[int, str, str]] = {
    MalformedJson: (400, "malformed-json", "The body is not valid JSON"),
    InvalidRequest: (422, "invalid-request", "The request has wrong fields"),
    InvalidText: (422, "invalid-text", "The text is not valid Unicode"),
    UnsupportedMedia: (415, "unsupported-media-type", "Unsupported Media Type"),
    RateLimited: (429, "rate-limited", "Too many requests"),
    UnknownHost: (421, "unknown-host", "The host is not ours"),
    LoginThrottled: (429, "login-throttled", "Too many failed attempts"),
    Unauthorized: (401, "unauthorized", "A valid API key is required"),
    Forbidden: (403, "forbidden", "Not allowed"),
    NotFound: (404, "not-found", "Not found"),
    Conflict: (409, "conflict", "Conflict with what is stored"),
    LeaseLost: (409, "lease-lost", "The lease is no longer yours"),
    AlreadyDecided: (409, "already-decided", "The review item has been decided"),
    StoreUnavailable: (503, "store-unavailable", "The store cannot be reached"),
    StoreMisconfigured: (503, "store-misconfigured", "The store could lose comments"),
    StoreLost: (503, "store-lost", "The store has lost what it held"),
}


# What is said of an error that the framework found; its own words are written for browsers.
_SENTENCES = {
    400: "the request cannot be understood",
    404: "there is nothing at this address",
    405: "the address does not take this method",
    413: "the body is too long",
}


def status_of(error: Exception) -> int:
    """HTTP status with which `error` is answered."""
    return _row(error)[0]


def _row(error: Exception) -> tuple[int, str, str]:
    for ancestor in type(error).__mro__:
        if row := PROBLEMS.get(ancestor):
            return row
    return 500, "internal", "Something went wrong here"


def problem(
    status: int, slug: str, title: str, detail: str = "", *, errors: Sequence[FieldError] = ()
) -> Response:
    """Render an error answer as problem+json (RFC 9457) with the id of the request."""
    body: dict[str, object] = {
        "type": f"urn:hakam:problem:{slug}",
        "title": title,
        "status": status,
        "request_id": g.get("request_id", ""),
    }
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = [{"field": e.field, "message": e.message} for e in errors]
    answer = Response(json.dumps(body), status=status, content_type="application/problem+json")
    if status == 503:
        answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="hakam"'
    return answer


def note(error: Exception) -> None:
    """Have the line of this request in the log name an error, and show where it came from."""
    expected = isinstance(error, HTTPException) or status_of(error) != 500
    g.error = type(error).__name__ if expected else error


def answer_error(error: Exception) -> Response:
    """Turn any error into its answer by the table above."""
    if isinstance(error, HTTPException):
        return _answer_http_exception(error)
    status, slug, title = _row(error)
    note(error)
    detail = "" if status == 500 else str(error)
    answer = problem(status, slug, title, detail, errors=getattr(error, "errors", ()))
    answer.headers.update(headers_of(error))
    return answer


def _answer_http_exception(error: HTTPException) -> Response:
    if (
        error.response is not None or (error.code or 500) < 400
    ):  # a redirect, or an answer made elsewhere
        return cast(Response, error.get_response())
    status = http.HTTPStatus(error.code or 500)
    slug = status.phrase.lower().replace(" ", "-")
    answer = problem(status, slug, status.phrase, sentence_of(error))
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
        case RateLimited():
            return {"Retry-After": str(error.retry_after_seconds)}
        case _:
            return {}


def install(app: Flask, forms: Mapping[str, Callable[[Exception], Response]] | None = None) -> None:
    """Answer every error of `app`, routing errors included.

    Parameters
    ----------
    forms : mapping, optional
        Beginning of an address -> how errors under it are answered, where that is not problem+json.
    """

    def answer(error: Exception) -> Response:
        for beginning, form in (forms or {}).items():
            if request.path.startswith(beginning):
                return form(error)
        return answer_error(error)

    app.register_error_handler(Exception, answer)
