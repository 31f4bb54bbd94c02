"""The review queue over HTTP, for a site's own program: lease, decide, undo, list, in bulk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from service.api.operation import operation
from service.api.schemas import (
    Body,
    Count,
    Decided,
    DecisionRequest,
    Filter,
    Id,
    LeaseRequest,
    TokenRequest,
    Unicode,
)
from service.queue.group_decisions import Group, Why
from service.queue.records import Decision, Lease, QueueStats, ReviewItem
from service.queue.review_queue import MAX_BULK
from service.services import services
from service.sites.site import Site

_ITEM = "/v1/queue/items/<item_id>"
_PROBLEMS = (404, 409)
_BULK_BODY_BYTES = 256 * 1024


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


@dataclass(frozen=True, slots=True)
class BulkDecided:
    """What a bulk decision decided, and what it left as it was."""

    decisions: list[Decision]
    left: list[str]
    left_for: Mapping[Why, int]


@dataclass(frozen=True, slots=True)
class BulkUndone:
    """How much of a bulk decision was taken back."""

    n_undone: int
    n_kept: int


class BulkUndo(_TakenBack):
    """Which bulk decision is taken back, by its request id."""

    bulk: Id


class WaitingQuery(Filter):
    """Which waiting items to list."""

    limit: Annotated[int, Field(ge=1, le=MAX_BULK)] = 100


# A view of somebody who holds an item, by the token of the lease.
_of_holder = partial(operation, "POST", body=TokenRequest, answers={204: None}, problems=_PROBLEMS)


@operation("POST", "/v1/queue/lease", body=LeaseRequest, answers={200: Lease, 204: None})
def lease(site: Site, body: LeaseRequest) -> Any:
    """Take the most urgent review item; 204 when nothing waits."""
    found = services().queue.lease(site.id, **body.model_dump())
    return (found, 200) if found else (None, 204)


@_of_holder(f"{_ITEM}/renew", answers={200: Lease})
def renew(site: Site, item_id: str, body: TokenRequest) -> Lease:
    """Start the time of a lease anew."""
    return services().queue.renew(site.id, item_id, body.token)


@_of_holder(f"{_ITEM}/release")
def release(site: Site, item_id: str, body: TokenRequest) -> None:
    """Give a review item back to its place in the queue."""
    services().queue.release(site.id, item_id, body.token)


@_of_holder(f"{_ITEM}/skip")
def skip(site: Site, item_id: str, body: TokenRequest) -> None:
    """Leave a review item to somebody else."""
    services().queue.skip(site.id, item_id, body.token)


@operation(
    "POST", f"{_ITEM}/decide", body=DecisionRequest, answers={200: Decision}, problems=_PROBLEMS
)
def decide(site: Site, item_id: str, body: DecisionRequest) -> Decision:
    """Record the last word on a review item.

    The same request again, by its `request_id`, gets the same answer; one of another action under
    that id is another request.
    """
    return services().queue.decide(site.id, item_id, body.token, body.to_draft())


@operation("GET", _ITEM, name="item", answers={200: ReviewItem}, problems=(404,))
def show(site: Site, item_id: str) -> ReviewItem:
    """Show a review item as it is now."""
    return services().queue.item(site.id, item_id)


@operation("GET", "/v1/queue/stats", answers={200: QueueStats})
def stats(site: Site) -> QueueStats:
    """Count what is in the queue."""
    return services().queue.stats(site.id)


@operation(
    "GET", "/v1/queue/items", name="waiting", query=WaitingQuery, answers={200: list[ReviewItem]}
)
def index(site: Site, query: WaitingQuery) -> list[ReviewItem]:
    """List waiting items, the most urgent first."""
    return services().queue.waiting(site.id, **query.model_dump())


@_of_holder(f"{_ITEM}/escalate")
def escalate(site: Site, item_id: str, body: TokenRequest) -> None:
    """Leave a review item to the seniors."""
    services().queue.escalate(site.id, item_id, body.token)


@operation("POST", f"{_ITEM}/undo", body=Undo, answers={200: Decision}, problems=(403, *_PROBLEMS))
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
    answers={200: BulkDecided},
    problems=(409,),
    max_body_bytes=_BULK_BODY_BYTES,
)
def decide_bulk(site: Site, body: BulkDecision) -> BulkDecided:
    """Decide many waiting items alike, as they were listed; what has changed since is left.

    The same request again, by its `request_id`, goes on where it ended and gets the same answer;
    409 where it says something else under that id.
    """
    groups, draft, group = (
        services().group_decisions,
        body.to_draft(),
        Group(versions=body.versions),
    )
    progress = groups.decide_all(site.id, group, draft, senior=body.senior)
    decisions = list(groups.decisions(site.id, draft.request_id))
    decided = {one.item_id for one in decisions}
    left = [item_id for item_id in body.versions if item_id not in decided]
    return BulkDecided(decisions, left, progress.left)


@operation(
    "POST",
    "/v1/queue/bulk/undo",
    body=BulkUndo,
    answers={200: BulkUndone},
    problems=(403, *_PROBLEMS),
)
def undo_bulk(site: Site, body: BulkUndo) -> BulkUndone:
    """Take a bulk decision back as one; who decided may do it, or a senior."""
    undone = services().group_decisions.undo_all(
        site.id, body.bulk, body.moderator, body.request_id, senior=body.senior
    )
    return BulkUndone(undone.n_undone, undone.n_kept)
