"""Every error of the service in one tree; no message repeats what the client wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from models.errors import InvalidText, ModerationError

RETRY_AFTER_SECONDS = 2
EXIT_REFUSED = 2  # the status of a process that ends by an error of ours


@dataclass(frozen=True, slots=True)
class ProblemType:
    """How an error is answered: HTTP status, type and title of the problem (RFC 9457)."""

    status: int
    slug: str  # the end of the type, which is a URN
    title: str


INTERNAL = ProblemType(500, "internal", "Something went wrong here")
INVALID_TEXT = ProblemType(422, "invalid-text", "The text is not valid Unicode")


class ServiceError(ModerationError):
    """Root of the service's own errors; one without a `problem` is answered like its parent."""

    problem: ClassVar[ProblemType] = INTERNAL
    why: str = ""  # the refusal of a verb in a word, by which a page has a sentence of its own


class OperatorError(ServiceError):
    """What only whoever runs the service is told, by a command; the message says what to do."""


class ConfigError(OperatorError):
    """The environment cannot be used; each problem names a variable and the form it must have."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class LaunchFailed(OperatorError):
    """A process of the service cannot be started."""


class PrivateRedisFailed(LaunchFailed):
    """No private Redis could be started."""


class NotForgotten(OperatorError):
    """Of some sites nothing, or not all that is due, was forgotten."""


class ChainBroken(OperatorError):
    """An entry of the decision stream is not what was written; the message names the first."""


class ArchiveDamaged(OperatorError):
    """A file of an archive of decisions is missing, or not what was written."""


class StoreUnavailable(ServiceError):
    """Redis is unreachable, did not answer in time, is loading, read-only or out of memory."""

    problem = ProblemType(503, "store-unavailable", "The store cannot be reached")


class StoreMisconfigured(ServiceError):
    """Redis could lose comments: no append-only file, not synced at each write, keys evicted."""

    problem = ProblemType(503, "store-misconfigured", "The store could lose comments")


class UnknownFormat(ServiceError):
    """What Redis holds is of a format that this version of Hakam does not know."""

    problem = ProblemType(503, "unknown-format", "The store is of another version")


class StoreLost(StoreUnavailable):
    """Redis is empty, another one than before, or an older state of itself."""

    problem = ProblemType(503, "store-lost", "The store has lost what it held")


class SiteUnreadable(StoreUnavailable):
    """What is stored of one site cannot be worked with; other sites have nothing to do with it."""


class MalformedJson(ServiceError):
    """The body is not valid JSON in UTF-8."""

    problem = ProblemType(400, "malformed-json", "The body is not valid JSON")


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request."""

    field: str  # a path, as ``author.name`` or ``[3].text``; empty for the body as a whole
    message: str  # what is wrong and what is expected, without the value


class InvalidRequest(ServiceError):
    """One or more fields of a request are wrong."""

    problem = ProblemType(422, "invalid-request", "The request has wrong fields")

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(
            "; ".join(f"{e.field}: {e.message}" if e.field else e.message for e in errors)
        )
        self.errors = tuple(errors)

    @classmethod
    def of(cls, field: str, message: str) -> InvalidRequest:
        """Name a single wrong field."""
        return cls([FieldError(field, message)])


class Archived(ServiceError):
    """Decisions after the one that is named are no longer in the store, but in an archive."""

    problem = ProblemType(410, "archived", "The decisions have been archived")

    def __init__(self, last: str) -> None:
        super().__init__(f"all decisions up to {last} have been archived: read on after {last}")
        self.after = last


class SetBack(ServiceError):
    """Here the store was set back: what it was given between two times is lost."""

    problem = ProblemType(410, "set-back", "Something was lost here")

    def __init__(self, lost_since: str, lost_until: str, last: str) -> None:
        super().__init__(
            f"what was sent and decided between {lost_since} and {lost_until} may be lost: send "
            f"again what you sent and were told since then, and read on after {last}"
        )
        self.after, self.lost_since, self.lost_until = last, lost_since, lost_until


class PositionUnknown(ServiceError):
    """A position in the decision stream that no entry has had."""

    problem = ProblemType(409, "position-unknown", "No decision has had this position")

    def __init__(self, site_id: str) -> None:
        super().__init__(
            f"after: {site_id} has no decision with this id, nor a later one: the store was set "
            "back, or the position is that of another site"
        )


class UnsupportedMedia(ServiceError):
    """The body is not of the content type, or not in the plain encoding, that is read here."""

    problem = ProblemType(415, "unsupported-media-type", "Unsupported Media Type")


class RateLimited(ServiceError):
    """A site, or the network of a reader, has used up its requests."""

    problem = ProblemType(429, "rate-limited", "Too many requests")

    def __init__(self, limit: int, retry_after_seconds: int, within: str = "a minute") -> None:
        super().__init__(f"more than {limit} requests in {within}")
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds


class UnknownHost(ServiceError):
    """The Host header is not that of the public address."""

    problem = ProblemType(421, "unknown-host", "The host is not ours")


class LoginThrottled(ServiceError):
    """Too many failed attempts; ``retry_after_seconds`` says when the next one counts."""

    problem = ProblemType(429, "login-throttled", "Too many failed attempts")

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many failed attempts; wait {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class Unauthorized(ServiceError):
    """No key was given, or it is not the key of any site."""

    problem = ProblemType(401, "unauthorized", "A valid API key is required")


class Forbidden(ServiceError):
    """The key or the account is known, but may not do this."""

    problem = ProblemType(403, "forbidden", "Not allowed")


class NotFound(ServiceError):
    """What the request names does not exist."""

    problem = ProblemType(404, "not-found", "Not found")


class UnknownSite(NotFound):
    """No site has this id."""


class UnknownAccount(NotFound):
    """No account has this name."""


class ItemNotFound(NotFound):
    """No review item has this id."""


class Conflict(ServiceError):
    """What the request wants contradicts what is stored; nothing was changed."""

    problem = ProblemType(409, "conflict", "Conflict with what is stored")


class ItemUnreadable(Conflict):
    """What is stored of one item is damaged, or of a format that this version does not know."""

    problem = ProblemType(409, "item-unreadable", "The review item cannot be read")


class SiteExists(Conflict):
    """A site with this id exists already."""


class SettingsChanged(Conflict):
    """Somebody changed the settings of a site meanwhile; nothing was stored."""


class AccountExists(Conflict):
    """An account with this name exists already."""


class UnknownComment(Conflict):
    """Nothing is kept of the comment that a report is about, and the report does not bring it."""

    problem = ProblemType(409, "unknown-comment", "Nothing is kept of the comment")


class TooManyReports(ServiceError):
    """A reader has reported too often today, or too many reports wait."""

    problem = ProblemType(429, "too-many-reports", "Too many reports")
    retry_after_seconds = 3_600


class VersionNotKept(Conflict):
    """The version that a request names is not kept here, or cannot be used."""

    problem = ProblemType(409, "version-not-kept", "The model version is not kept")

    def __init__(self, versions: Sequence[str]) -> None:
        super().__init__(f"model_version: expected one of {', '.join(versions)}")
        self.versions = tuple(versions)


class VersionNotReady(ServiceError):
    """The version that a request names is kept, and cannot be loaded at this moment."""

    problem = ProblemType(503, "version-not-ready", "The model version is not loaded yet")


class ItemHeld(Conflict):
    """Somebody else holds the item."""


class LeaseLost(Conflict):
    """The lease has expired or belongs to someone else, so its token no longer counts."""

    problem = ProblemType(409, "lease-lost", "The lease is no longer yours")


class AlreadyDecided(Conflict):
    """The review item has been decided, and not by this request."""

    problem = ProblemType(409, "already-decided", "The review item has been decided")


def problem_of(error: Exception) -> ProblemType:
    """Return how `error` is answered; what is no error of ours is a fault of ours."""
    if isinstance(error, ServiceError):
        return error.problem
    return INVALID_TEXT if isinstance(error, InvalidText) else INTERNAL


def status_of(error: Exception) -> int:
    """HTTP status with which `error` is answered."""
    return problem_of(error).status
