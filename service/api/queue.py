"""Routes of the API: the review queue.

A site's own program takes items, decides, undoes, escalates, and lists and decides in bulk. Sites
withdraw comments and hand on appeals. Views translate, nothing more.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.api.operation import operation
from service.api.schemas import (
    Body,
    Count,
    Decided,
    DecisionRequest,
    Dialect,
    Id,
    Label,
    LeaseRequest,
    TokenRequest,
    Unicode,
)
from service.queue.records import AuthorRecord, Decision, Enqueued, ReviewItem
from service.queue.review_queue import MAX_BULK, Lease, QueueStats
from service.services import services
from service.sites.sites import Site

_PROBLEMS = (404, 409)
_BULK_BODY_BYTES = 256 * 1024


class Withdrawal(Body):
    """A comment that the site has removed, or whose author has."""

    id: Id


class Withdrawn(BaseModel):
    """Whether the comment was waiting for a decision."""

    withdrawn: bool


class Appeal(Body):
    """What an author says against a decision."""

    decision_id: Id
    statement: Annotated[Unicode, Field(max_length=4_000)] = ""


class _TakenBack(Body):
    moderator: Id
    request_id: Id
    senior: bool = Field(False, description="Whether this person may take back what others decided")


class Undo(_TakenBack):
    """Who takes a decision back; the same `request_id` again gets the same answer."""

    decision_id: Annotated[Unicode, Field(max_length=64)] = Field(
        "", description="The decision that is meant; without it, the one that the item has now"
    )


class BulkDecision(Decided):
    """One decision on many items, as they were listed: item id to version."""

    versions: Annotated[dict[Id, Count], Field(min_length=1, max_length=MAX_BULK)]
    senior: bool = Field(False, description="Whether this person may decide what waits for seniors")


class BulkUndo(_TakenBack):
    """Which bulk decision is taken back, by its request id."""

    bulk: Id


class WaitingQuery(Body):
    """Which waiting items to list; one filter at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: Label | None = None
    article_id: Id | None = None
    author_id: Id | None = None
    dialect: Dialect | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_BULK)] = 100


class AuthorQuery(Body):
    """Which author."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id


@operation("POST", "/v1/queue/lease", body=LeaseRequest, answers={200: Lease, 204: None})
def lease(site: Site, body: LeaseRequest) -> Any:
    """Take the most urgent review item; 204 when nothing waits."""
    found = services().queue.lease(site.id, **body.model_dump())
    return (found, 200) if found else (None, 204)


@operation(
    "POST",
    "/v1/queue/items/<item_id>/renew",
    body=TokenRequest,
    answers={200: Lease},
    problems=_PROBLEMS,
)
def renew(site: Site, item_id: str, body: TokenRequest) -> Lease:
    """Start the time of a lease anew."""
    return services().queue.renew(site.id, item_id, body.token)


@operation(
    "POST",
    "/v1/queue/items/<item_id>/release",
    body=TokenRequest,
    answers={204: None},
    problems=_PROBLEMS,
)
def release(site: Site, item_id: str, body: TokenRequest) -> None:
    """Give a review item back to its place in the queue."""
    services().queue.release(site.id, item_id, body.token)


@operation(
    "POST",
    "/v1/queue/items/<item_id>/skip",
    body=TokenRequest,
    answers={204: None},
    problems=_PROBLEMS,
)
def skip(site: Site, item_id: str, body: TokenRequest) -> None:
    """Leave a review item to somebody else."""
    services().queue.skip(site.id, item_id, body.token)


@operation(
    "POST",
    "/v1/queue/items/<item_id>/decide",
    body=DecisionRequest,
    answers={200: Decision},
    problems=_PROBLEMS,
)
def decide(site: Site, item_id: str, body: DecisionRequest) -> Decision:
    """Record the last word on a review item.

    The same request again, by its `request_id`, gets the same answer.
    """
    return services().queue.decide(site.id, item_id, body.token, body.to_draft())


@operation("GET", "/v1/queue/items/<item_id>", answers={200: ReviewItem}, problems=(404,))
def item(site: Site, item_id: str) -> ReviewItem:
    """Show a review item as it is now."""
    return services().queue.item(site.id, item_id)


@operation("GET", "/v1/queue/stats", answers={200: QueueStats})
def stats(site: Site) -> QueueStats:
    """Count what is in the queue."""
    return services().queue.stats(site.id)


@operation(
    "POST", "/v1/comments/withdraw", body=Withdrawal, answers={200: Withdrawn}, problems=(404,)
)
def withdraw(site: Site, body: Withdrawal) -> Withdrawn:
    """Take a comment out of the queue and delete its text; what is decided stays decided."""
    return Withdrawn(withdrawn=services().queue.withdraw(site.id, body.id))


@operation("POST", "/v1/decisions/appeal", body=Appeal, answers={200: Enqueued}, problems=_PROBLEMS)
def appeal(site: Site, body: Appeal) -> Enqueued:
    """Put a decided comment before somebody else, because its author asks for it."""
    target = site.time_target_seconds
    return services().queue.appeal(
        site.id, body.decision_id, body.statement, time_target_seconds=target
    )


@operation("GET", "/v1/queue/items", query=WaitingQuery, answers={200: list[ReviewItem]})
def waiting(site: Site, query: WaitingQuery) -> list[ReviewItem]:
    """List waiting items, the most urgent first."""
    return services().queue.waiting(site.id, **query.model_dump())


@operation(
    "POST",
    "/v1/queue/items/<item_id>/escalate",
    body=TokenRequest,
    answers={204: None},
    problems=_PROBLEMS,
)
def escalate(site: Site, item_id: str, body: TokenRequest) -> None:
    """Leave a review item to the seniors."""
    services().queue.escalate(site.id, item_id, body.token)


@operation(
    "POST",
    "/v1/queue/items/<item_id>/undo",
    body=Undo,
    answers={200: Decision},
    problems=(403, *_PROBLEMS),
)
def undo(site: Site, item_id: str, body: Undo) -> Decision:
    """Take a decision back; the item waits again.

    Who decided may do it, or a senior. An appeal against the decision that still waits is
    withdrawn.
    """
    return services().queue.undo(site.id, item_id, **body.model_dump())


@operation(
    "POST",
    "/v1/queue/bulk",
    body=BulkDecision,
    answers={200: list[Decision]},
    problems=(403, *_PROBLEMS),
    max_body_bytes=_BULK_BODY_BYTES,
)
def decide_bulk(site: Site, body: BulkDecision) -> list[Decision]:
    """Decide many waiting items alike, all or none; 409 when one has changed since."""
    draft = body.to_draft()
    return services().queue.decide_bulk(site.id, body.versions, draft, senior=body.senior)


@operation(
    "POST",
    "/v1/queue/bulk/undo",
    body=BulkUndo,
    answers={200: list[Decision]},
    problems=(403, *_PROBLEMS),
)
def undo_bulk(site: Site, body: BulkUndo) -> list[Decision]:
    """Take a bulk decision back as one; who decided may do it, or a senior."""
    return services().queue.undo_bulk(site.id, **body.model_dump())


@operation("GET", "/v1/authors", query=AuthorQuery, answers={200: AuthorRecord})
def author(site: Site, query: AuthorQuery) -> AuthorRecord:
    """Count what was decided about an author's comments."""
    return services().queue.author(site.id, query.id)
