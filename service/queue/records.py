"""Records of the review queue: comments, items, leases and decisions, and how they are named."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from models.schema import Evidence, LabeledComment, observed_labels
from service.errors import InvalidRequest
from service.rules.policy import Verdict

State = Literal["pending", "leased", "decided", "withdrawn"]
Kind = Literal["decision", "opinion", "undo", "withdrawal", "known_answer", "erasure", "damaged"]

NAME_JUDGED = "#author.name"  # ends the id of a labelled comment whose text is a display name


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
        One of `models.dialect.DIALECTS`, where the text says it.
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
        12 characters; the same for all versions of a comment.
    version : int
        1, and one more after each edit.
    state : {"pending", "leased", "decided", "withdrawn"}
    why : str
        The reason of the verdict (``score``, ``random_sample`` ...), ``escalated`` (a senior is to
        decide) or ``appeal``. Second opinions and known answers are blind: they do not show.
    scores : mapping of label to float
        Of the text, [0, 1].
    author_scores : mapping of label to float, or None
        Of the display name.
    evidence : sequence of Evidence
    enqueued_at, due_at : float
        Seconds since the epoch, by Redis' clock.
    moderator : str or None
        Who holds the item.
    n_abandoned : int
        How many leases on it ran out.
    note : str
        What a colleague wrote when leaving the item to the seniors.
    appeal : str
        What the author says against the decision, where that is why the item is here.
    decision_id : str
        Of a decided item, the decision.
    damaged : bool
        Whether what is stored of the item could not be read, so that nothing else here means much.
    """

    id: str
    site_id: str
    comment: Comment
    verdict: Verdict
    scores: Mapping[str, float]
    author_scores: Mapping[str, float] | None
    evidence: Sequence[Evidence]
    state: State
    version: int
    enqueued_at: float
    due_at: float
    moderator: str | None = None
    n_abandoned: int = 0
    why: str = "score"
    appeal: str = ""
    decision_id: str = ""
    note: str = ""
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """The exclusive right to decide `item`, until `expires_at` (seconds since the epoch)."""

    item: ReviewItem
    token: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class LastWord:
    """The decision that stands on a comment, the outcome of an appeal included.

    `decided_at` is in seconds since the epoch.
    """

    decision_id: str
    action: Literal["approve", "reject"]
    decided_at: float


@dataclass(frozen=True, slots=True)
class Enqueued:
    """Where a comment stands, and whether this call made its item (or a new version of it).

    Attributes
    ----------
    state : {"pending", "leased", "decided", "withdrawn", "unseen"}
        ``unseen`` where nothing was ever kept of the comment, because it needed nobody.
    version : int
        1, and one more each time the comment came with another text or display name, as far as
        something was kept of it.
    decision : LastWord or None
        Of a decided comment.
    """

    item_id: str
    created: bool
    state: State | Literal["unseen"] = "pending"
    version: int = 1
    decision: LastWord | None = None

    @property
    def waits(self) -> bool:
        """Whether a person is still to decide."""
        return self.state in ("pending", "leased")


@dataclass(frozen=True, slots=True)
class Decision:
    """The last word on a comment; also every other entry of the decision stream.

    The first six fields are the draft that is handed to `ReviewQueue.decide`; the rest is filled in
    when the decision is recorded.

    Attributes
    ----------
    action : {"approve", "reject"}
        ``undo``, ``withdraw`` and ``erase`` in entries of those kinds.
    labels : tuple of str
        What is wrong with the comment; labels of `models.schema.LABELS`.
    reason : str
        Reason code.
    note : str
        Free words of the moderator; erased with the comment.
    request_id : str
        Chosen by the client: the same request again gets the same answer.
    source : {"moderator", "policy"}
    kind : str
        ``decision`` (final), ``opinion`` (one of two blind ones), ``undo``, ``withdrawal`` (by the
        site), ``known_answer`` (a judgement on an item whose answer is known), ``erasure``, or
        ``damaged`` (what is stored cannot be read, so that only its place is known).
    id : str
        Position in the site's decision stream; the cursor of `ReviewQueue.decisions`.
    enqueued_at, decided_at : float
        Seconds since the epoch, by Redis' clock.
    undoes : str
        Of an undo, the id of the decision it takes back.
    bulk : str
        Request id of the bulk decision that this one is part of.
    appeal_of : str
        Id of the decision that the author appealed against; `overturned` says with what success.
    expected : str
        Of a judgement on a known answer, and of its undo, the known action.
    reply : str
        What the moderator lets the author know; travels in the webhook, erased with the comment.
    version : int
        Of the comment, that was judged.
    content_digest : str
        Of the text and display name that were judged (see `content_digest`); empty once they were
        replaced or erased.
    stands : bool
        False once the decision was undone or overturned.
    superseded : bool
        Whether the comment has another text or display name by now than the ones that were judged.
    comment : Comment or None
        None once retention or erasure removed it.
    damaged : bool
        Whether the entry, or the words kept beside it, cannot be read.
    """

    action: str
    labels: tuple[str, ...] = ()
    reason: str = ""
    note: str = ""
    moderator: str = ""
    request_id: str = ""
    source: str = "moderator"
    kind: Kind = "decision"
    id: str = ""
    item_id: str = ""
    comment_id: str = ""
    version: int = 0
    enqueued_at: float = 0.0
    decided_at: float = 0.0
    undoes: str = ""
    bulk: str = ""
    appeal_of: str = ""
    overturned: bool = False
    expected: str = ""
    stands: bool = True
    superseded: bool = False
    content_digest: str = ""
    reply: str = ""
    verdict: Verdict | None = None
    comment: Comment | None = None
    damaged: bool = False

    @property
    def is_news(self) -> bool:
        """Whether the site is told: a person's decision or an undo, about a text that still is."""
        by_person = self.kind == "decision" and self.source == "moderator"
        return (by_person or (self.kind == "undo" and not self.expected)) and not self.superseded

    def to_labeled_comment(self, site_id: str) -> LabeledComment | None:
        """Return what training can learn from the decision.

        Which labels that are, says `models.schema.observed_labels`. Where the display name was
        judged, it is the text.

        Returns
        -------
        LabeledComment or None
            None when this is not a decision of a person that stands, or the text is gone.
        """
        by_person = self.kind == "decision" and self.source == "moderator"
        if not by_person or not self.stands or self.comment is None:
            return None
        by_name = self.verdict is not None and self.verdict.field == "author.name"
        judged_name = self.action == "reject" and by_name
        text = self.comment.author_name if judged_name else self.comment.text
        if not text.strip():
            return None
        return LabeledComment(
            id=self.comment_id + NAME_JUDGED if judged_name else self.comment_id,
            text=text,
            labels=observed_labels(self.action, self.labels),
            source=self.source,
            author_name=self.comment.author_name,
            article_title=self.comment.article_title,
            dialect=self.comment.dialect,
            site=site_id,
            reason=self.reason,
            decided_at=datetime.fromtimestamp(self.decided_at, UTC).isoformat("T", "milliseconds"),
            author_id=self.comment.author_id,
            action=self.action,
            moderator=self.moderator,
        )


_TYPES = {"decision": "decision.recorded", "undo": "decision.undone"}
_TOLD = ("comment_id", "item_id", "version", "action", "labels", "reason", "source")
_TOLD_WHERE_KNOWN = ("undoes", "bulk", "appeal_of", "content_digest", "reply")


def type_of_news(kind: str) -> str:
    """Name the message that a site gets about an entry of this kind."""
    return _TYPES[kind]


def news(decision: Decision) -> dict[str, Any]:
    """Say what a site is told of an entry: facts and the reply, no text, no moderator."""
    told = {"decision_id": decision.id} | {name: getattr(decision, name) for name in _TOLD}
    told |= {name: value for name in _TOLD_WHERE_KNOWN if (value := getattr(decision, name))}
    return told | ({"overturned": decision.overturned} if decision.appeal_of else {})


def known_action(known: LabeledComment) -> str:
    """Return what was, or ought to be, decided about a labelled comment.

    Where the comment does not say, it is rejected for any label and approved for none.

    Raises
    ------
    InvalidRequest
        No label was observed.
    """
    if known.action in ("approve", "reject"):
        return known.action
    if not known.labels:
        raise InvalidRequest.of(f"labels of {known.id}", "expected a label, or an action")
    return "reject" if any(share >= 0.5 for share in known.labels.values()) else "approve"


@dataclass(frozen=True, slots=True)
class AuthorRecord:
    """What was decided about an author's comments on one site.

    Attributes
    ----------
    n_approved, n_rejected : int
        Decisions that stand.
    rejected_at : tuple of float
        Times of the latest rejections, newest first, seconds since the epoch; at most 20.
    first_seen : float
        When the author's first decided comment came to the queue; 0 when none was decided.
    """

    n_approved: int = 0
    n_rejected: int = 0
    rejected_at: tuple[float, ...] = ()
    first_seen: float = 0.0

    def n_rejected_since(self, time: float) -> int:
        """Count the rejections after `time`."""
        return sum(at > time for at in self.rejected_at)


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Numbers of one site's queue.

    Attributes
    ----------
    pending, leased : int
        Items in the line and in people's hands.
    oldest_seconds : float
        How long the longest waiting of the fifty most urgent items has waited; 0 when none is
        pending.
    decided : int
        Entries of the decision stream.
    outbox, dead : int
        Items whose decision the site has not been told, and deliveries given up.
    escalated, troubled : int
        Of the pending items, those for seniors and those that people keep leaving.
    """

    pending: int
    leased: int
    oldest_seconds: float
    decided: int
    outbox: int
    dead: int
    escalated: int = 0
    troubled: int = 0


# Names


DIGEST_LENGTH = 28  # characters of a content's digest: 168 bits, so that nobody finds two texts


def short_digest(*parts: str, length: int = 12) -> str:
    """SHA-256 over `parts`, cut to so many characters of six bits that a URL may carry.

    With 12 characters, two of ten million comments of one site share an id with a probability of
    1e-8.
    """
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()[:length]


def item_id_of(comment_id: str, kind: str = "comment") -> str:
    """Id of the item of a comment; an appeal and a known answer have ids of their own."""
    return short_digest(kind, comment_id)


def content_digest(comment: Comment) -> str:
    """Digest by which the text and display name of a comment are known again, here and at the site.

    The first 28 characters of the base64url form of SHA-256 over the text, a NUL and the display
    name (empty where there is none) in UTF-8, as the site sent them.

    Examples
    --------
    >>> content_digest(Comment(id="1", text="hello", author_name="Reader"))
    'KKxP7u2qnXpvMndlviNPbS-qzK_f'
    """
    return short_digest(comment.text, comment.author_name, length=DIGEST_LENGTH)


_FACET_KINDS = {"label": "l", "article_id": "a", "author_id": "u", "dialect": "d"}
_FACETS = {"troubled": "t", "escalated": "e"}


@functools.lru_cache(maxsize=10_000)  # few labels, articles and authors are busy at a time
def facet(kind: str, value: str) -> str:
    """Beginning of the entries of one label, article, author or dialect in the lines."""
    return _FACETS.get(kind) or _FACET_KINDS[kind] + short_digest(value)[:8]
