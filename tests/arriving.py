"""Comments that arrive: taken in by the queue as the service takes in what it has judged."""

from __future__ import annotations

from typing import Unpack

from service.errors import StoreUnavailable
from service.queue import arrivals
from service.queue.arrivals import Arrival, Found, Wanted
from service.queue.records import Comment, Enqueued
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict


def enqueue(
    queue: ReviewQueue, site_id: str, comment: Comment, verdict: Verdict, **wanted: Unpack[Wanted]
) -> Enqueued:
    """Put a comment before people; raise StoreUnavailable where it may not have been stored."""
    return _taken_in(queue, site_id, arrivals.enqueue(site_id, comment, verdict, **wanted))


def approve(queue: ReviewQueue, site_id: str, comment: Comment, verdict: Verdict) -> Enqueued:
    """Let a comment pass."""
    return _taken_in(queue, site_id, arrivals.approve(comment, verdict))


def reject(
    queue: ReviewQueue, site_id: str, comment: Comment, verdict: Verdict, **found: Unpack[Found]
) -> Enqueued:
    """Reject a comment by the policy."""
    return _taken_in(queue, site_id, arrivals.reject(comment, verdict, **found))


def _taken_in(queue: ReviewQueue, site_id: str, arrival: Arrival) -> Enqueued:
    (found,) = queue.take_in(site_id, [arrival])
    if isinstance(found, StoreUnavailable):
        raise found
    return found
