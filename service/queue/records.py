"""Records of the review queue: comments, items, leases and decisions, and how they are named."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from models.schema import Evidence, LabeledComment, SentenceEvidence, observed_labels
from service.errors import InvalidRequest
from service.rules.policy import Verdict
from service.rules.times import iso_time

State = Literal["pending", "leased", "decided", "withdrawn"]
_WAITING = ("pending", "leased")  # in which a person is still to decide
Kind = Literal[
    "decision",
    "opinion",
    "undo",
    "withdrawal",
    "known_answer",
    "erasure",
    "report",
    "warning",
    "hold",
    "release",
    "mute",
    "block",
    "restore",
    "loss",
    "damaged",
]

NAME_JUDGED = "#author.name"  # ends the id of a labelled comment whose text is a display name


#: Where a person decided: here, or at the site's own desk, of which the site itself has told us.
Source = Literal["moderator", "moderator_external", "policy", "site"]
PEOPLE: tuple[Source, ...] = ("moderator", "moderator_external")

# Where it is not known how a comment was scored.
UNKNOWN_VERDICT = Verdict("review", None, None, 0.0, "score", 0.0, "")


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as the site sent it."""

    id: str  # the site's own
    text: str = ""  # empty once retention or erasure removed it
    author_id: str = ""
    author_name: str = ""
    article_id: str = ""
    article_url: str = ""
    article_title: str = ""
    parent_id: str = ""
    parent_text: str = ""
    created_at: str = ""
    reach: int | None = None  # how many people see it, as far as the site knows
    dialect: str = ""  # one of `models.dialect.DIALECTS`, where the text says it
    copies: str = ""  # group of texts that are nearly the same, where it was counted
    language: str = ""  # tag (BCP 47) of the language of the text, where the text says it


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A comment in the queue, with why it is there; times are Unix time, by Redis' clock."""

    id: str  # 12 characters; the same for all versions of a comment
    site_id: str
    comment: Comment
    verdict: Verdict
    scores: Mapping[str, float]  # of the text, by label
    author_scores: Mapping[str, float] | None  # of the display name
    evidence: Sequence[Evidence]
    sentence: Sequence[SentenceEvidence]
    state: State
    version: int  # 1, and one more after each edit
    enqueued_at: float
    due_at: float
    moderator: str | None = None  # who holds it
    n_abandoned: int = 0  # leases on it that ran out
    why: str = "score"  # reason of the verdict, or escalated, appeal or reported; others are blind
    appeal: str = ""  # what the author says against the decision
    decision_id: str = ""
    note: str = ""  # of a colleague who left it to the seniors
    n_reports: int = 0  # readers' reports that wait for the decision
    published: bool = False  # it waits because of them, and is published meanwhile
    damaged: bool = False  # what is stored cannot be read, so that nothing else here means much

    @property
    def place(self) -> str:
        """Place in a line: a cursor for `ReviewQueue.waiting`."""
        return f"{round(self.due_at * 1000):013}{self.id}"

    @property
    def waits(self) -> bool:
        """Whether a person is still to decide."""
        return self.state in _WAITING


#: What became of a reported comment; withdrawn: its site or author removed it first.
Outcome = Literal["removed", "kept", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Report:
    """A reader's complaint about a comment; times are Unix time."""

    id: str
    comment_id: str
    item_id: str
    reason: str
    received_at: float
    outcome: Outcome | None = None  # None while it waits for an answer
    decision_id: str = ""  # that answered it
    resolved_at: float = 0.0
    answer_reason: str = ""  # of that decision
    by_machine: bool = False  # whether the policy took it


@dataclass(frozen=True, slots=True)
class ShownReport:
    """A report as moderators see it, with how often its reader was right."""

    report: Report
    explanation: str  # empty where there is none, or it was forgotten
    n_right: int
    n_wrong: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The exclusive right to decide `item`, until `expires_at` (Unix time)."""

    item: ReviewItem
    token: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class LastWord:
    """The decision that stands on a comment, the outcome of an appeal included."""

    decision_id: str
    action: Literal["approve", "reject"]
    decided_at: float  # Unix time


@dataclass(frozen=True, slots=True)
class Enqueued:
    """Where a comment stands, and whether this call made its item (or a new version of it)."""

    item_id: str
    created: bool
    # unseen: nothing was ever kept of the comment; published: it waits because of readers' reports.
    # reported: readers have reported an earlier text, so that this one must go before people.
    state: State | Literal["unseen", "published", "reported"] = "pending"
    version: int = 1  # one more each time it came with another text or display name
    decision: LastWord | None = None

    @property
    def waits(self) -> bool:
        """Whether a person is still to decide."""
        return self.state in _WAITING


@dataclass(frozen=True, slots=True)
class Decision:
    """The last word on a comment; also every other entry of the decision stream.

    The first six fields are the draft that is handed to `ReviewQueue.decide`; the rest is filled in
    when the decision is recorded. Times are Unix time, by Redis' clock.
    """

    action: str  # approve or reject; in entries of those kinds undo, withdraw, erase and lose
    labels: tuple[str, ...] = ()  # of `models.schema.LABELS`: what is wrong with the comment
    reason: str = ""
    note: str = ""  # of the moderator; erased with the comment
    moderator: str = ""
    request_id: str = ""  # chosen by the client: the same request again gets the same answer
    source: Source = "moderator"
    kind: Kind = "decision"
    id: str = ""  # position in the site's decision stream
    item_id: str = ""
    comment_id: str = ""
    version: int = 0  # of the comment, that was judged
    enqueued_at: float = 0.0
    decided_at: float = 0.0
    undoes: str = ""  # id of the decision that an undo takes back
    bulk: str = ""  # request id of the bulk decision that this one is part of
    appeal_of: str = ""  # id of the decision that the author appealed against
    overturned: bool = False  # whether the appeal had success
    expected: str = ""  # the known action, of a judgement on a known answer and of its undo
    stands: bool = True  # until it is undone or overturned
    superseded: bool = False  # whether the comment has another text or display name by now
    content_digest: str = ""  # of what was judged; empty once that was replaced or erased
    reply: str = ""  # to the author; travels in the webhook, erased with the comment
    verdict: Verdict | None = None
    language: str = ""  # of the text that was judged: a tag (BCP 47), where the text says it
    # For what readers had reported the comment: as breaking rules, or as illegal.
    reported: Literal["", "rules", "illegal"] = ""
    reports: tuple[str, ...] = ()  # of an answer to reports, their ids
    answered_by: str = (
        ""  # and the decision that it tells of; empty where the comment went by itself
    )
    n_rejections: int = 0  # of the author in thirty days, in entries of `OF_AUTHORS`
    held_until: float = 0.0  # and until when what the author writes waits for a person
    until: float = 0.0  # until when the site is asked to mute or block the author; 0 for no end
    lost_since: float = 0.0  # of a loss: all that the store was given before is there
    author_id: str = ""  # in what is told of these, of whom
    comment: Comment | None = None  # None once retention or erasure removed it
    damaged: bool = False  # the entry, or the words kept beside it, cannot be read

    @property
    def by_person(self) -> bool:
        """Whether this is a person's last word on a comment."""
        return self.kind == "decision" and self.source in PEOPLE

    @property
    def is_news(self) -> bool:
        """Whether it is news of a text that still is: a decision, an undo, an answer to reports."""
        undone = self.kind == "undo" and not self.expected
        return (self.by_person or undone or self.kind == "report") and not self.superseded

    def to_labeled_comment(self, site_id: str) -> LabeledComment | None:
        """Return what training can learn from the decision of a person that stands, else None."""
        if not self.by_person or not self.stands or self.comment is None:
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
            decided_at=iso_time(self.decided_at, "milliseconds"),
            author_id=self.comment.author_id,
            action=self.action,
            moderator=self.moderator,
            seen_for=self.verdict.reason if self.verdict else "",
            sampling_probability=self._sampling_probability,
        )

    @property
    def _sampling_probability(self) -> float | None:
        """With what probability a person was to see the comment; None where it was chosen."""
        verdict = self.verdict if self.source == "moderator" else None
        if verdict is None or verdict.reason in ("uncertain", "reported"):
            return None
        return verdict.sampling_probability or None


#: Kind of an entry -> type of the message that a site gets about it.
NEWS_TYPES = {
    "decision": "decision.recorded",
    "undo": "decision.undone",
    "report": "report.resolved",
    "warning": "author.warned",
    "hold": "author.held",
    "release": "author.released",
    "mute": "author.mute_requested",
    "block": "author.block_requested",
    "restore": "author.restore_requested",
}
#: Kinds that tell of an author: what follows from rejections, and what a senior wants.
OF_AUTHORS: tuple[Kind, ...] = ("warning", "hold", "release", "mute", "block", "restore")
#: Action of an answer to reports -> what became of the comment.
OUTCOMES: Mapping[str, Outcome] = {"approve": "kept", "reject": "removed"}
_TOLD = ("comment_id", "item_id", "version", "action", "labels", "reason", "source")
_TOLD_WHERE_KNOWN = (
    "undoes",
    "bulk",
    "appeal_of",
    "content_digest",
    "reply",
    "reports",
    "answered_by",
)


def news(decision: Decision) -> dict[str, Any]:
    """Say what a site is told of an entry: facts and the reply, no text, no moderator."""
    told = {"decision_id": decision.id} | {name: getattr(decision, name) for name in _TOLD}
    told |= {name: value for name in _TOLD_WHERE_KNOWN if (value := getattr(decision, name))}
    if decision.kind == "report":
        told["outcome"] = OUTCOMES.get(decision.action, "withdrawn")
    return told | ({"overturned": decision.overturned} if decision.appeal_of else {})


def author_news(decision: Decision) -> dict[str, Any]:
    """Say what a site is told of an author, and of whom it is asked something: no moderator."""
    told: dict[str, Any] = {"decision_id": decision.id, "author_id": decision.author_id}
    told |= {"n_rejections": decision.n_rejections}
    told |= {name: value for name in ("comment_id", "reason") if (value := getattr(decision, name))}
    times = {name: getattr(decision, name) for name in ("held_until", "until")}
    return told | {name: iso_time(at, "milliseconds") for name, at in times.items() if at}


def known_action(known: LabeledComment) -> str:
    """Return what was decided about a labelled comment, else a rejection for any label."""
    if known.action in ("approve", "reject"):
        return known.action
    if not known.labels:
        raise InvalidRequest.of(f"labels of {known.id}", "expected a label, or an action")
    return "reject" if any(share >= 0.5 for share in known.labels.values()) else "approve"


@dataclass(frozen=True, slots=True)
class Week:
    """What was decided about an author's comments in one week, from its Sunday on, in UTC."""

    begins: str  # that day, as 2026-01-31
    n_approved: int
    n_rejected: int


@dataclass(frozen=True, slots=True)
class AuthorRecord:
    """What was decided about an author's comments on one site; only decisions that stand."""

    n_approved: int = 0
    n_rejected: int = 0
    rejected_at: tuple[float, ...] = ()  # Unix time of the latest 20 rejections, newest first
    first_seen: float = 0.0  # when the first decided comment came to the queue; 0 without any
    n_approved_in_a_row: int = 0  # since the last rejection
    warned_at: float = 0.0  # when the site was last told to warn the author; 0 for never
    held_until: float = 0.0  # until when all that the author writes waits; 0 for never
    held_by: str = ""  # the moderator who wanted that; empty where it follows from rejections
    weeks: tuple[Week, ...] = ()  # of the latest 13 in which something was decided, newest first

    def n_rejected_since(self, time: float) -> int:
        """Count the rejections after `time`."""
        return sum(at > time for at in self.rejected_at)


@dataclass(frozen=True, slots=True)
class Note:
    """What a moderator noted about an author or an article; Unix time."""

    id: str
    moderator: str
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Numbers of one site's queue."""

    pending: int
    leased: int
    oldest_seconds: float  # age of the oldest that waits or is held; 0 without any
    decided: int  # entries of the decision stream
    outbox: int  # items whose decision the site has not been told
    dead: int  # deliveries given up
    escalated: int = 0  # of the pending, those for seniors
    troubled: int = 0  # and those that people keep leaving


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


def place_in_list(entry_id: str) -> str:
    """Place of an entry of the decision stream in lists that are in lexical order.

    >>> place_in_list("1700000000000-3")
    '1700000000000-000003'
    """
    time, _, number = entry_id.partition("-")
    return f"{int(time):013}-{int(number or 0):06}"


def content_digest(comment: Comment) -> str:
    """Digest by which the text and display name of a comment are known again, here and at the site.

    The first 28 characters of the base64url form of SHA-256 over the text, a NUL and the display
    name (empty where there is none) in UTF-8, as the site sent them.

    >>> content_digest(Comment(id="1", text="hello", author_name="Reader"))
    'KKxP7u2qnXpvMndlviNPbS-qzK_f'
    """
    return short_digest(comment.text, comment.author_name, length=DIGEST_LENGTH)


_FACET_KINDS = {"label": "l", "article_id": "a", "author_id": "u", "dialect": "d", "copies": "g"}
_FACETS = {"troubled": "t", "escalated": "e"}


@functools.lru_cache(maxsize=10_000)  # few labels, articles and authors are busy at a time
def facet(kind: str, value: str) -> str:
    """Beginning of what the lines and lists hold of one label, article, author, moderator ..."""
    if kind == "moderator":  # as the scripts compute it, which know no other digest
        return "m" + _sha1(value)
    if kind == "differing":
        return "x" + _sha1(value)
    return _FACETS.get(kind) or _FACET_KINDS[kind] + short_digest(value)[:8]


def _sha1(value: str) -> str:
    return hashlib.sha1(value.encode(), usedforsecurity=False).hexdigest()[:12]
