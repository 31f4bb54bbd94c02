"""The review queue: comments that wait for a person, and everything people decided about them.

Promises: what a verb has acknowledged is not lost; two people never hold one item; the most urgent
item comes first; a decision is taken once, by whoever holds the item, and stays in the stream.
Secret: Redis. Every verb is one Lua script (``review_queue.lua``) and one round trip.

Keys, all of one site and all under the hash tag ``{hakam:<site>}``::

    :items      hash    item id -> record (JSON): state, version, token, owner, due, ...
    :texts      hash    <item id>:<version> -> comment, scores and evidence (JSON)
                        <item id>:<version>:<token> -> the note on the decision with this token
                        (the only key that holds what people wrote: retention and erasure empty it)
    :pending    zset    item id, by due time (milliseconds); the lowest is the most urgent
    :facets     zset    <facet><due time><item id>, in lexical order: the line of a label, an
                        article, an author or a dialect; and all by time of arrival
    :leases     zset    item id, by expiry (milliseconds of Redis' own clock)
    :decisions  stream  body (JSON, facts only) and digest: SHA-1 of the digest before and the body
    :outbox     zset    item id, by the time its next delivery is due (see webhooks)
    :dead       zset    stream id of a delivery given up, by the time of giving up

The records of all items share one hash, because a lease learns only inside its script which item
is the most urgent, and a script must not build the name of a key.

States of an item::

                 enqueue              lease                decide
        (none) ----------> pending ----------> leased ----------> decided
                            ^  ^                 |                   |
                            |  +-----------------+                   |
                            |   release, expiry                      |
                            +----------------------------------------+
                              edit (a new version; also of a leased item)

Urgency: an item is due ``time target * (1 - head start)`` after it arrived, and whoever asks gets
the item with the earliest due time. The head start lies between 0 and 1, so an item that has
waited for one time target goes before everything that arrives from then on.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal

from redis import Redis

from models.schema import LABELS, LabeledComment
from service.errors import (
    AlreadyDecided,
    InvalidRequest,
    ItemNotFound,
    LeaseLost,
    ServiceError,
    StoreMisconfigured,
    translating_redis_errors,
)
from service.policy import Verdict
from service.store import Verbs

State = Literal["pending", "leased", "decided"]

# A decision needs a severity first and an audience second: a threat nobody reads still goes before
# a mild word on the front page.
SEVERITY_SHARE = 0.75
# A comment with a million readers gets the whole bonus of reach; each factor of ten counts alike.
REACH_DECADES = 6

MAX_DECISIONS = 1_000  # read at once; Redis serves nobody else meanwhile


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as the site sent it.

    Attributes
    ----------
    id : str
        The site's own id of the comment.
    text : str
        Empty once retention or erasure removed it.
    reach : int or None
        How many people see the comment, as far as the site knows.
    dialect : str
        Dialect of the text, where something told it.
    """

    id: str
    text: str = ""
    author_id: str = ""
    author_name: str = ""
    article_id: str = ""
    article_url: str = ""
    article_title: str = ""
    parent_id: str = ""
    parent_text: str = ""
    created_at: str = ""
    reach: int | None = None
    dialect: str = ""


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A comment in the queue, with why it is there.

    Attributes
    ----------
    id : str
        22 characters; the same for all versions of a comment.
    version : int
        1, and one more after each edit.
    state : {"pending", "leased", "decided"}
    scores : mapping of label to float
        Of the text, [0, 1].
    author_scores : mapping of label to float, or None
        Of the display name.
    evidence : sequence of mappings
        ``field, label, start, end, weight``; code-point offsets into that field.
    enqueued_at, due_at : float
        Seconds since the epoch, by Redis' clock.
    moderator : str or None
        Who holds the item.
    n_abandoned : int
        How many leases on it ran out.
    """

    id: str
    site_id: str
    comment: Comment
    verdict: Verdict
    scores: Mapping[str, float]
    author_scores: Mapping[str, float] | None
    evidence: Sequence[Mapping[str, Any]]
    state: State
    version: int
    enqueued_at: float
    due_at: float
    moderator: str | None = None
    n_abandoned: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """The exclusive right to decide `item`, until `expires_at` (seconds since the epoch)."""

    item: ReviewItem
    token: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The item of a comment, and whether this call made it (or a new version of it)."""

    item_id: str
    created: bool
    state: State = "pending"
    version: int = 1


@dataclass(frozen=True, slots=True)
class Decision:
    """The last word on a comment.

    The first six fields are the draft that is handed to `ReviewQueue.decide`; the rest is filled in
    when the decision is recorded.

    Attributes
    ----------
    action : {"approve", "reject"}
    labels : tuple of str
        What is wrong with the comment; labels of `models.schema.LABELS`.
    reason : str
        Reason code.
    note : str
        Free words of the moderator; erased with the comment.
    request_id : str
        Chosen by the client: the same request again gets the same answer.
    source : {"moderator", "policy"}
    id : str
        Position in the site's decision stream; the cursor of `ReviewQueue.decisions`.
    enqueued_at, decided_at : float
        Seconds since the epoch, by Redis' clock.
    comment : Comment or None
        None once retention or erasure removed it.
    """

    action: str
    labels: tuple[str, ...] = ()
    reason: str = ""
    note: str = ""
    moderator: str = ""
    request_id: str = ""
    source: str = "moderator"
    id: str = ""
    item_id: str = ""
    comment_id: str = ""
    version: int = 0
    enqueued_at: float = 0.0
    decided_at: float = 0.0
    verdict: Verdict | None = None
    comment: Comment | None = None

    def to_labeled_comment(self, site_id: str) -> LabeledComment | None:
        """Return what training can learn from the decision.

        An approval observes the absence of every label that it does not name. A rejection observes
        the labels it names, and with any of them but spam `toxicity`; of the others it says
        nothing. Where the display name was judged, it is the text.

        Returns
        -------
        LabeledComment or None
            None when the text is gone or no label was observed.
        """
        if self.comment is None:
            return None
        named = dict.fromkeys(self.labels, 1.0)
        if self.action == "approve":
            labels = dict.fromkeys(LABELS, 0.0) | named
        else:
            labels = named | ({"toxicity": 1.0} if set(named) - {"spam"} else {})
        by_name = self.verdict is not None and self.verdict.field == "author.name"
        judged_name = self.action == "reject" and by_name
        text = self.comment.author_name if judged_name else self.comment.text
        if not labels or not text.strip():
            return None
        return LabeledComment(
            id=f"{self.comment_id}#author.name" if judged_name else self.comment_id,
            text=text,
            labels=labels,
            source=self.source,
            author_name=self.comment.author_name,
            article_title=self.comment.article_title,
            dialect=self.comment.dialect,
            site=site_id,
            reason=self.reason,
            decided_at=datetime.fromtimestamp(self.decided_at, UTC).isoformat("T", "milliseconds"),
        )


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Numbers of one site's queue.

    Attributes
    ----------
    pending, leased : int
        Items in the line and in people's hands.
    oldest_seconds : float
        How long the pending item that has waited longest has waited; 0 when none is pending.
    decided : int
        Entries of the decision stream.
    outbox, dead : int
        Items whose decision the site has not been told, and deliveries given up.
    """

    pending: int
    leased: int
    oldest_seconds: float
    decided: int
    outbox: int
    dead: int


class ReviewQueue:
    """The queues of all sites.

    Parameters
    ----------
    redis : redis.Redis
        With ``decode_responses=True`` and socket timeouts.
    lease_seconds : float, default=600
        How long a lease lasts.

    Raises
    ------
    StoreUnavailable
        From every verb, when Redis cannot be reached or refuses; nothing is half-written then.
    """

    def __init__(self, redis: Redis, *, lease_seconds: float = 600) -> None:
        self._redis: Any = redis
        self._lease_ms = int(lease_seconds * 1000)
        self._verbs = Verbs(redis, "review_queue.lua")

    # Comments come in

    def enqueue(
        self,
        site_id: str,
        comment: Comment,
        verdict: Verdict,
        *,
        scores: Mapping[str, float],
        evidence: Sequence[Mapping[str, Any]] = (),
        author_scores: Mapping[str, float] | None = None,
        label_weights: Mapping[str, float] | None = None,
        time_target_seconds: float = 3600,
    ) -> Enqueued:
        """Put a comment before people, once.

        The same comment again changes nothing. The same comment with another text or display name
        is an edit: it gets a new version, keeps its place in the line, and whoever holds the old
        version loses the lease.

        Parameters
        ----------
        label_weights : mapping of label to float, optional
            Weights of the site in the urgency, 1 where absent.
        time_target_seconds : float
            Time in which the site wants a decision, > 0.
        """
        severity = _severity(verdict, scores, label_weights or {})
        slack_ms = int(time_target_seconds * 1000 * (1 - head_start(severity, comment.reach)))
        facts = {
            "comment_id": comment.id,
            "verdict": asdict(verdict) | {"score": round(verdict.score, 4)},
            "facets": _facets(comment, verdict),
        }
        content = {
            "comment": {name: value for name, value in asdict(comment).items() if value},
            "scores": _rounded(scores),
            "author_scores": None if author_scores is None else _rounded(author_scores),
            "evidence": [dict(span) for span in evidence],
        }
        item_id = _item_id(comment.id)
        digest = _short_digest(comment.text, comment.author_name)
        created, version, state = self._verbs(
            site_id, "enqueue", item_id, digest, slack_ms, _json(facts), _json(content)
        )
        return Enqueued(item_id, bool(created), state, version)

    # One moderator, one item

    def lease(self, site_id: str, moderator: str, *, label: str | None = None) -> Lease | None:
        """Give `moderator` the most urgent item, or None when nothing waits.

        Parameters
        ----------
        label : str, optional
            Only items that the verdict gave this label.
        """
        if not moderator:
            raise InvalidRequest.of("moderator", "expected a name")
        facet = "" if label is None else _facet("label", label)
        found = self._verbs(site_id, "lease", moderator, self._lease_ms, facet)
        return _lease(site_id, *found) if found else None

    def renew(self, site_id: str, item_id: str, token: int) -> Lease:
        """Start the time of a lease anew.

        Raises
        ------
        ItemNotFound, LeaseLost, AlreadyDecided
        """
        record, content = self._held(site_id, "renew", item_id, token, self._lease_ms)
        return _lease(site_id, item_id, record, content)

    def release(self, site_id: str, item_id: str, token: int) -> None:
        """Put an item back to its place in the line.

        Raises
        ------
        ItemNotFound, LeaseLost, AlreadyDecided
        """
        self._held(site_id, "release", item_id, token)

    def skip(self, site_id: str, item_id: str, token: int) -> None:
        """Leave an item to somebody else.

        Raises
        ------
        ItemNotFound, LeaseLost, AlreadyDecided
        """
        self._held(site_id, "release", item_id, token)

    def decide(self, site_id: str, item_id: str, token: int, draft: Decision) -> Decision:
        """Record the last word on an item, tell the stream and the outbox, all or nothing.

        Parameters
        ----------
        token : int
            Of the lease that `draft.moderator` holds.
        draft : Decision
            `action`, `labels`, `reason`, `note`, `moderator` and `request_id`.

        Returns
        -------
        Decision
            As recorded. The same `request_id` again returns the same decision.

        Raises
        ------
        InvalidRequest
            The draft's action or a label is unknown, or moderator or request id are empty.
        ItemNotFound
        LeaseLost
            The lease expired, went to somebody else, or the comment was edited meanwhile.
        AlreadyDecided
            The item was decided by another request.
        """
        _check_draft(draft)
        answer = self._held(
            site_id,
            "decide",
            item_id,
            token,
            draft.moderator,
            draft.request_id,
            _json(_facts(draft)),
            draft.note,
        )
        return _decision(*answer)

    # Looking

    def item(self, site_id: str, item_id: str) -> ReviewItem:
        """Return an item as it is now.

        Raises
        ------
        ItemNotFound
        """
        found = self._verbs(site_id, "item", item_id)
        if not found:
            raise ItemNotFound("No review item has this id.")
        return _item(site_id, *found)

    def stats(self, site_id: str) -> QueueStats:
        """Count what is in the queue."""
        pending, leased, oldest_ms, *rest = self._verbs(site_id, "stats")
        return QueueStats(pending, leased, oldest_ms / 1000, *rest)

    def decisions(self, site_id: str, after: str = "0", limit: int = 100) -> list[Decision]:
        """Read the decision stream, oldest first.

        Parameters
        ----------
        after : str
            `Decision.id` of the last one read; "0" for the beginning.
        limit : int
            At most this many, 1 to `MAX_DECISIONS`.

        Raises
        ------
        InvalidRequest
            `after` is not an id of the stream, or `limit` is out of range.
        """
        if not 1 <= limit <= MAX_DECISIONS:
            raise InvalidRequest.of("limit", f"expected 1 to {MAX_DECISIONS}")
        position, _, sequence = after.partition("-")
        if not all(
            part.isascii() and part.isdigit() and len(part) < 20
            for part in (position, sequence or "0")
        ):
            raise InvalidRequest.of("after", 'expected "0" or the id of a decision')
        start = f"({position}-{sequence or 0}"
        return [_decision(*found) for found in self._verbs(site_id, "decisions", start, limit)]

    def check_durability(self) -> None:
        """Check that Redis keeps what it acknowledges.

        Raises
        ------
        StoreMisconfigured
            Names each setting that is not what it must be.
        """
        wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
        with translating_redis_errors():
            found = {name: self._redis.config_get(name).get(name) for name in wanted}
        wrong = [
            f"{name} is {found[name]}, must be {value}"
            for name, value in wanted.items()
            if found[name] != value
        ]
        if wrong:
            raise StoreMisconfigured("Redis could lose comments: " + "; ".join(wrong))

    def _held(
        self, site_id: str, verb: str, item_id: str, token: int, *arguments: str | int
    ) -> Sequence[Any]:
        """Run a verb that needs a valid token."""
        outcome, *answer = self._verbs(site_id, verb, item_id, token, *arguments)
        if outcome == "ok":
            return answer
        error, sentence = _LOST[outcome]
        raise error(sentence)


_LOST: Mapping[str, tuple[type[ServiceError], str]] = {
    "missing": (ItemNotFound, "No review item has this id."),
    "decided": (AlreadyDecided, "The item has been decided."),
    "expired": (LeaseLost, "The lease has run out or belongs to somebody else."),
    "edited": (LeaseLost, "The comment was edited; its new version waits in the queue."),
}


# Urgency


def head_start(severity: float, reach: int | None) -> float:
    """Share of the time target by which an item is due early, [0, 1].

    Parameters
    ----------
    severity : float
        [0, 1].
    reach : int or None
        Readers of the comment.

    Examples
    --------
    >>> head_start(0.0, None), head_start(1.0, 999_999), head_start(1.0, None)
    (0.0, 1.0, 0.75)
    """
    bonus = min(1.0, math.log10(1 + max(0, reach or 0)) / REACH_DECADES)
    return SEVERITY_SHARE * severity + (1 - SEVERITY_SHARE) * bonus


def _severity(verdict: Verdict, scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Highest weighted score, text or name, at most 1."""
    weighted = [score * weights.get(label, 1.0) for label, score in scores.items()]
    if verdict.label is not None:
        weighted.append(verdict.score * weights.get(verdict.label, 1.0))
    return min(1.0, max(weighted, default=0.0))


# Names


def _short_digest(*parts: str) -> str:
    """128 bits of SHA-256 over `parts`, 22 characters that a URL may carry."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _item_id(comment_id: str) -> str:
    return _short_digest("comment", comment_id)


def _facet(kind: str, value: str) -> str:
    """Beginning of the entries of one label, article, author or dialect in the facets."""
    return kind[:2] + _short_digest(value)[:12]


def _facets(comment: Comment, verdict: Verdict) -> list[str]:
    values = {
        "label": verdict.label,
        "article": comment.article_id,
        "user": comment.author_id,
        "dialect": comment.dialect,
    }
    return [_facet(kind, value) for kind, value in values.items() if value]


# Between Redis and Python


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {label: round(score, 4) for label, score in scores.items()}


def _check_draft(draft: Decision) -> None:
    if draft.action not in ("approve", "reject"):
        raise InvalidRequest.of("action", "expected approve or reject")
    if not set(draft.labels) <= set(LABELS):
        raise InvalidRequest.of("labels", f"expected some of {', '.join(LABELS)}")
    for name in ("moderator", "request_id"):
        if not getattr(draft, name):
            raise InvalidRequest.of(name, "expected a value")


def _facts(draft: Decision) -> dict[str, Any]:
    return {
        "action": draft.action,
        "labels": [label for label in LABELS if label in draft.labels],
        "reason": draft.reason,
        "moderator": draft.moderator,
        "source": draft.source,
        "request_id": draft.request_id,
    }


def _comment(content: str | None) -> Comment | None:
    return None if content is None else Comment(**json.loads(content)["comment"])


def _item(site_id: str, item_id: str, record: str, content: str | None) -> ReviewItem:
    facts = json.loads(record)
    text = json.loads(content) if content else {}
    return ReviewItem(
        id=item_id,
        site_id=site_id,
        comment=Comment(**text.get("comment", {"id": facts["comment_id"], "text": ""})),
        verdict=Verdict(**facts["verdict"]),
        scores=text.get("scores", {}),
        author_scores=text.get("author_scores"),
        evidence=text.get("evidence", []),
        state=facts["state"],
        version=facts["version"],
        enqueued_at=facts["since"] / 1000,
        due_at=facts["due"] / 1000,
        moderator=facts.get("owner"),
        n_abandoned=facts["abandoned"],
    )


def _lease(site_id: str, item_id: str, record: str, content: str | None) -> Lease:
    facts = json.loads(record)
    item = _item(site_id, item_id, record, content)
    return Lease(item, facts["token"], facts["expires"] / 1000)


_DECISION_FIELDS = {field.name for field in fields(Decision)}


def _decision(entry: Sequence[str], content: str | None, note: str | None) -> Decision:
    stream_id, body, _ = entry
    facts = json.loads(body)
    known = {name: value for name, value in facts.items() if name in _DECISION_FIELDS}
    return replace(
        Decision(**known),
        id=stream_id,
        labels=tuple(facts["labels"]),
        note=note or "",
        enqueued_at=facts["enqueued_at"] / 1000,
        decided_at=facts["decided_at"] / 1000,
        verdict=Verdict(**facts["verdict"]),
        comment=_comment(content),
    )
