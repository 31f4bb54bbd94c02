"""Decisions on a whole group: copies of a text, or all that waits under an article, as one.

Promises: a decision of one request id is taken once on each comment that waited when the page was
shown, in scripts of some milliseconds. Sent again, be it by another process, it goes on where it
ended, and once it is done it says the same again. It is taken back as one, in the same way. What
was left, because somebody held it or for another reason, is counted and told.

In the key :bulks of a site stand, beside the bulk decisions of `review_queue`::

    all:<request id>            `GroupRecord`: how far it came, and what was left
    slice:<number>:<request id> ids of the stream entries of one script (JSON)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.errors import Conflict, Forbidden, ItemNotFound
from service.queue.encoding import draft_json, words_json
from service.queue.records import Decision, facet
from service.queue.review_queue import check_draft
from service.store.connect import Redis
from service.store.scripts import Verbs

AT_ONCE = 25  # that one script decides, or takes back
LOOKED_AT_ONCE = 200  # and looks at


@dataclass(frozen=True, slots=True)
class Group:
    """What is decided as one; one of the two is given."""

    copies: str = ""
    article_id: str = ""

    @property
    def line(self) -> str:
        """The facet of its line."""
        return facet("copies", self.copies) if self.copies else facet("article_id", self.article_id)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a decision on a group came."""

    done: bool
    n_decided: int
    n_held: int  # left, because somebody else holds them
    n_barred: int  # because the moderator has judged them before
    n_later: int  # because they came after the page
    n_unreadable: int


@dataclass(frozen=True, slots=True)
class Undone:
    """How far taking such a decision back came."""

    done: bool
    n_undone: int
    n_kept: int  # decided again meanwhile, or too late


class GroupDecisions:
    """Of all sites; every method raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis, *, undo_seconds: float = 900) -> None:
        self._undo_ms = int(undo_seconds * 1000)
        self._verbs = Verbs(redis, "queue")

    def n_waiting(self, site_id: str, group: Group) -> int:
        """Count what waits of a group, or is held."""
        return int(self._verbs(site_id, "line_length", facet=group.line)[0])

    def decide(self, site_id: str, group: Group, draft: Decision, until_ms: int) -> Progress:
        """Decide some of what waits of a group and came until a time; call it until it is done.

        Conflict where the request id was another group's.
        """
        check_draft(draft)
        outcome, *found = self._verbs(
            site_id,
            "decide_all",
            facet=group.line,
            until_ms=until_ms,
            request=draft.request_id,
            moderator=draft.moderator,
            action=draft.action,
            draft=draft_json(draft),
            words=words_json(draft),
            limit=AT_ONCE,
            most=LOOKED_AT_ONCE,
        )
        if outcome != "ok":
            raise Conflict("Another decision had this request id.")
        done, *counts = found
        return Progress(bool(done), *counts)

    def undo(
        self, site_id: str, decided: str, moderator: str, request_id: str, *, senior: bool = False
    ) -> Undone:
        """Take some of a group's decision back; call it until it is done.

        From the first call on nothing more is decided by that request. ItemNotFound where there is
        none, Forbidden where it is another's and the moderator no senior.
        """
        draft = Decision("approve", moderator=moderator, request_id=request_id)
        check_draft(draft)
        found: Any
        outcome, *found = self._verbs(
            site_id,
            "undo_all",
            decided=decided,
            moderator=moderator,
            senior=int(senior),
            request=request_id,
            window_ms=self._undo_ms,
            draft=draft_json(draft, "undo"),
            withdrawal=draft_json(draft, "withdraw"),
        )
        if outcome == "missing":
            raise ItemNotFound("No decision has this request id.")
        if outcome == "foreign":
            raise Forbidden("Only who took the decision, or a senior, may take it back.")
        done, n_undone, n_kept = found
        return Undone(bool(done), n_undone, n_kept)
