"""Arrivals: what the queue is told of a comment that has just been judged.

A person is to see it (`enqueue`), it needs nobody (`approve`), or the policy rejects it (`reject`).
`ReviewQueue.take_in` carries out one or many of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Required, TypedDict, Unpack

from models.schema import Evidence, SentenceEvidence
from service.queue.encoding import (
    content_json,
    draft_json,
    exact_values,
    item_json,
    signature_of,
)
from service.queue.records import Comment, Decision, item_id_of
from service.rules.policy import Verdict
from service.rules.priority import head_start, severity, slack_ms
from service.rules.search_terms import without_words
from service.store.scripts import Argument, Call


class Found(TypedDict, total=False):
    """What is kept beside a text."""

    scores: Required[Mapping[str, float]]
    evidence: Sequence[Evidence]
    sentence: Sequence[SentenceEvidence]
    author_scores: Mapping[str, float] | None


class Wanted(Found, total=False):
    """How a comment is to wait."""

    label_weights: Mapping[str, float] | None  # in the urgency, 1 where absent
    time_target_seconds: float
    second_opinion_share: float  # of items that need two blind opinions
    known_action: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verb of the queue about one comment, and the item that it is about."""

    item_id: str
    call: Call


def enqueue(site_id: str, comment: Comment, verdict: Verdict, **wanted: Unpack[Wanted]) -> Arrival:
    """Put a comment before people, once.

    The same comment with another text or display name is an edit: it gets a new version, keeps its
    place in the line, and whoever holds the old version loses the lease. With a known action it is
    a known answer, which waits in no line and is mixed in by `ReviewQueue.lease`.
    """
    known_action = wanted.get("known_action", "")
    share = wanted.get("second_opinion_share", 0.0)
    weights = wanted.get("label_weights") or {}
    start = head_start(severity(verdict, wanted["scores"], weights), comment.reach)
    item_id = item_id_of(comment.id, "known_answer" if known_action else "comment")
    more: dict[str, Any] = {}
    if known_action:
        more["known_answer"] = known_action
    elif share and _draw(site_id, comment.id) < share:
        more["blind"] = True
    arguments: dict[str, Argument] = {
        "id": item_id,
        "slack": slack_ms(wanted.get("time_target_seconds", 3_600.0), start),
        "record": item_json(comment, verdict, **more),
        **_content(comment, verdict, wanted),
    }
    return Arrival(item_id, Call("enqueue", arguments))


def approve(comment: Comment, verdict: Verdict) -> Arrival:
    """Take note that the policy lets a comment pass, of which nothing is kept.

    An earlier text of it leaves the queue, and what was decided about that is not told any more.
    Where readers have reported that, nothing is changed and the state is ``reported``: the new
    text must go before people.
    """
    item_id = item_id_of(comment.id)
    arguments: dict[str, Argument] = {
        "id": item_id,
        "record": item_json(comment, verdict),
        "signature": without_words(exact_values(comment, verdict)),
        "withdrawal": draft_json(Decision("withdraw", source="site")),
    }
    return Arrival(item_id, Call("approve", arguments))


def reject(comment: Comment, verdict: Verdict, **found: Unpack[Found]) -> Arrival:
    """Record, once, that the policy rejected a comment, which the site gets as its answer."""
    item_id = item_id_of(comment.id)
    labels = (verdict.label,) if verdict.label else ()
    draft = Decision("reject", labels, reason=verdict.rejection_reason, source="policy")
    arguments: dict[str, Argument] = {
        "id": item_id,
        "record": item_json(comment, verdict),
        "request": "",
        "decision": draft_json(draft),
        **_content(comment, verdict, found),
    }
    return Arrival(item_id, Call("reject", arguments))


def _content(comment: Comment, verdict: Verdict, found: Found) -> Mapping[str, Argument]:
    content = content_json(
        comment,
        found["scores"],
        found.get("author_scores"),
        found.get("evidence", ()),
        found.get("sentence", ()),
    )
    return {"content": content, "signature": signature_of(comment, verdict)}


def _draw(site_id: str, comment_id: str) -> float:
    """Draw a number in [0, 1), always the same for a comment, and not that of the random sample."""
    digest = hashlib.sha256(f"second opinion\0{site_id}\0{comment_id}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
