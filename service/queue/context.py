"""Context of a comment: what is kept of its conversation and of others under its article.

Promises: one round trip, and a bounded look, however many comments an article has. What the policy
let pass was not kept, so it is not here either: whoever reads a comment is told so, and is led to
the article.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.queue.encoding import read_decision, read_item
from service.queue.records import Comment, Decision, ReviewItem, facet, item_id_of
from service.store.connect import Redis
from service.store.scripts import Verbs

N_READ = 50  # of what waits under an article, the most urgent
N_WAITING, N_DECIDED = 5, 5  # that are shown


@dataclass(frozen=True, slots=True)
class Context:
    """What is known around a comment."""

    parent: ReviewItem | None = None  # the comment that it answers, where that is kept
    parent_state: str = ""
    parent_action: str = ""  # the last word on it, an appeal's included; empty without one
    waiting: Sequence[ReviewItem] = ()  # of the same conversation, the most urgent first
    goes_on: bool = False  # whether more of it may wait
    decided: Sequence[Decision] = ()  # on others under the article, the latest first

    def answered(self, comment: Comment) -> str:
        """Return the text that a comment answers: as the site sent it, else as it is kept."""
        return comment.parent_text or (self.parent.comment.text if self.parent else "")


class Contexts:
    """The contexts of the comments of all sites; raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._verbs = Verbs(redis, "queue")

    def of(self, site_id: str, item: ReviewItem) -> Context:
        """Return what is known around the comment of an item."""
        comment = item.comment
        if not (comment.article_id or comment.parent_id):
            return Context()
        parent, state, action, waiting, goes_on, decided = self._verbs(
            site_id,
            "context",
            id=item.id,
            article=facet("article_id", comment.article_id) if comment.article_id else "",
            parent=item_id_of(comment.parent_id) if comment.parent_id else "",
            comment_id=comment.id,
            parent_id=comment.parent_id,
            n_read=N_READ,
            n_waiting=N_WAITING,
            n_decided=N_DECIDED,
        )
        above = read_item(site_id, *parent[1:]) if parent else None
        entries = [read_decision(*entry) for entry in decided]
        own = comment.article_id  # facets are short digests
        return Context(
            above if above and not above.damaged else None,
            state,
            action,
            [read_item(site_id, *shown[1:]) for shown in waiting],
            bool(goes_on),
            [one for one in entries if one.comment and one.comment.article_id == own],
        )
