"""Decisions on many comments as one: copies of a text, what waits under an article, or chosen ones.

Promises: a decision of one request id is taken once on each comment that waited when the page was
shown, in the version of that time, in scripts of some milliseconds. Sent again, be it by another
process, it goes on where it ended, and once it is done it says the same again. It is taken back as
one, in the same way. What was left, because somebody held it or for another reason, is counted and
told.

In the key :bulks of a site stand::

    all:<request id>            how far it came, and what was left (JSON)
    slice:<number>:<request id> ids of the stream entries of one script (JSON)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from service.errors import Conflict, Forbidden, InvalidRequest, ItemNotFound
from service.queue.encoding import draft_json, read_decision, words_json
from service.queue.records import Decision, facet, short_digest
from service.queue.review_queue import MAX_BULK, check_draft, refusal, undo_words
from service.store.connect import Redis
from service.store.scripts import Verbs

AT_ONCE = 25  # that one script decides, or takes back
LOOKED_AT_ONCE = 200  # and looks at

#: Why an item was left: somebody else holds it; the moderator has judged it before; it came after
#: the page, or was edited since; it is left to the seniors; it does not wait any more; or what is
#: stored of it cannot be read.
Why = Literal["held", "barred", "later", "edited", "escalated", "moved", "unreadable"]


@dataclass(frozen=True, slots=True)
class Group:
    """What is decided as one; one of the three is given."""

    copies: str = ""
    article_id: str = ""
    versions: Mapping[str, int] = field(default_factory=dict)  # item id -> version that was listed

    @property
    def line(self) -> str:
        """The facet of its line; of chosen items, which stand in none, a name for just these."""
        if self.copies:
            return facet("copies", self.copies)
        if self.article_id:
            return facet("article_id", self.article_id)
        return f"chosen:{short_digest(json.dumps(sorted(self.versions.items())))}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of a group waits or is held."""

    n: int
    n_escalated: int  # more of it, which are left to the seniors
    at_ms: int  # when they were counted, by Redis' clock


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a decision on a group came, and how many were left for which reason."""

    done: bool
    n_decided: int
    left: Mapping[Why, int] = field(default_factory=dict)


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

    def waiting(self, site_id: str, group: Group) -> Waiting:
        """Count what waits of a group, or is held."""
        return Waiting(*self._verbs(site_id, "line_length", facet=group.line))

    def decide(
        self,
        site_id: str,
        group: Group,
        draft: Decision,
        *,
        until_ms: int = 0,
        senior: bool = False,
        held: tuple[str, int] | None = None,
    ) -> Progress:
        """Decide some of a group; call it until it is done.

        Of what waits in a line, what came until a time; of chosen items, those of the version that
        was listed. `held` is an item that the moderator holds, and its token: it is decided with
        them, and first; where they have lost it, nothing is, and it is said as `ReviewQueue.decide`
        does. Only seniors decide chosen items that are left to them. Conflict where the request id
        was another group's.
        """
        check_draft(draft)
        if len(group.versions) > MAX_BULK:
            raise InvalidRequest.of("versions", f"expected 1 to {MAX_BULK} items")
        outcome, *found = self._verbs(
            site_id,
            "decide_all",
            *(word for pair in group.versions.items() for word in pair),
            facet=group.line,
            until_ms=until_ms,
            request=draft.request_id,
            moderator=draft.moderator,
            senior=int(senior),
            action=draft.action,
            draft=draft_json(draft),
            words=words_json(draft),
            held=held[0] if held else "",
            token=held[1] if held else 0,
            limit=AT_ONCE,
            most=LOOKED_AT_ONCE,
        )
        if outcome == "other":
            raise Conflict("Another decision had this request id.")
        if outcome != "ok":
            raise refusal(site_id, outcome)
        done, n_decided, *left = found
        return Progress(bool(done), n_decided, dict(zip(left[::2], left[1::2], strict=True)))

    def decide_all(
        self, site_id: str, group: Group, draft: Decision, *, senior: bool = False
    ) -> Progress:
        """Decide chosen items, which are never many, until it is done; as `decide` does."""
        while not (progress := self.decide(site_id, group, draft, senior=senior)).done:
            pass
        return progress

    def decisions(self, site_id: str, request_id: str) -> Iterator[Decision]:
        """Yield what was decided by a request id, in that order."""
        number = 1
        while entries := self._verbs(site_id, "decided_all", request=request_id, number=number):
            yield from (read_decision(*entry) for entry in entries)
            number += 1

    def undo(
        self, site_id: str, decided: str, moderator: str, request_id: str, *, senior: bool = False
    ) -> Undone:
        """Take some of a group's decision back; call it until it is done.

        From the first call on nothing more is decided by that request. ItemNotFound where there is
        none, Forbidden where it is another's and the moderator no senior.
        """
        found: Any
        told = undo_words(moderator, request_id, senior=senior, window_ms=self._undo_ms)
        outcome, *found = self._verbs(site_id, "undo_all", decided=decided, **told)
        if outcome == "missing":
            raise ItemNotFound("No decision has this request id.")
        if outcome == "foreign":
            raise Forbidden("Only who took the decision, or a senior, may take it back.")
        done, n_undone, n_kept = found
        return Undone(bool(done), n_undone, n_kept)

    def undo_all(
        self, site_id: str, decided: str, moderator: str, request_id: str, *, senior: bool = False
    ) -> Undone:
        """Take a decision on chosen items back until it is done; as `undo` does."""
        while not (
            undone := self.undo(site_id, decided, moderator, request_id, senior=senior)
        ).done:
            pass
        return undone
