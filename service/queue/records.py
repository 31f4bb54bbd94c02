"""What the queue knows about a comment, and how it is written down.

Secret: the JSON in which items, texts and decisions lie in Redis. The rest of the service sees the
frozen records below; `service.queue.review_queue` hands them out and takes them in.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Literal, cast, get_args

from models.schema import LABELS, Evidence, LabeledComment, observed_labels
from service.errors import InvalidRequest
from service.rules.policy import Verdict
from service.rules.times import LATEST

State = Literal["pending", "leased", "decided", "withdrawn"]
Kind = Literal["decision", "opinion", "undo", "withdrawal", "calibration", "erasure", "damaged"]

NAME_JUDGED = "#author.name"  # ends the id of a labelled comment whose text is a display name

_WORDS = ("note", "reply")  # what a moderator writes; kept beside the comment's text
_JUDGED = ("decision", "opinion", "calibration")  # the kinds that say approve or reject


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
        ``score`` or ``audit`` (the verdict's reason), ``escalated`` (a senior is to decide) or
        ``appeal``. Second opinions and known answers are blind: they do not show.
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
        site), ``calibration`` (a judgement on an item whose answer is known), ``erasure``, or
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
_TOLD_WHERE_KNOWN = ("undoes", "bulk", "appeal_of")


def type_of_news(kind: str) -> str:
    """Name the message that a site gets about an entry of this kind."""
    return _TYPES[kind]


def news(decision_id: str, facts: Mapping[str, Any], digest: str, reply: str) -> dict[str, Any]:
    """Say what a site is told of an entry: facts and the reply, no text, no moderator.

    Parameters
    ----------
    facts : mapping
        Body of the entry, or the fields of a `Decision`.
    digest : str
        Of the text and display name that were judged; empty where they are not known any more.
    """
    told = {"decision_id": decision_id} | {name: facts[name] for name in _TOLD}
    told |= {name: facts[name] for name in _TOLD_WHERE_KNOWN if facts.get(name)}
    told |= {"overturned": facts["overturned"]} if facts.get("appeal_of") else {}
    told |= {"content_digest": digest} if len(digest) == DIGEST_LENGTH else {}
    return told | ({"reply": reply} if reply else {})


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


# What is written

_without_id = attrgetter(*(field.name for field in fields(Comment) if field.name != "id"))
_values = attrgetter(*(field.name for field in fields(Verdict)))
_SCORE = [field.name for field in fields(Verdict)].index("score")
_evidence = attrgetter(*(field.name for field in fields(Evidence)))

_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def facts_of(comment: Comment, verdict: Verdict, digest: str, **more: Any) -> str:
    """Write the part of an item's record that the comment gives, beginning with its digest.

    Lines of the digest and the facets, the comment's id, the verdict and, where there is any,
    `more`; ``site.lua`` reads them.
    """
    facets = [
        facet("label", verdict.label or ""),
        *(
            facet(kind, value)
            for kind in ("article_id", "author_id", "dialect")
            if (value := getattr(comment, kind))
        ),
    ]
    return "\n".join(
        (
            " ".join((digest, *facets)),
            _to_json(comment.id),
            _to_json(_verdict_row(verdict)),
            _to_json(more) if more else "",
        )
    )


def content_json(
    comment: Comment,
    scores: Mapping[str, float],
    author_scores: Mapping[str, float] | None,
    evidence: Sequence[Evidence],
) -> str:
    """Write what people wrote, and what is only of use beside it.

    Four rows: the comment without its id, as far as there is something in it; the scores of the
    text and of the display name in the order of `LABELS`; the evidence. What is empty is 0,
    because Lua cannot tell [] from {}. An appeal or a note is added behind as an object.
    """
    row = list(_without_id(comment))
    while row and not row[-1]:
        row.pop()
    spans = list(map(_evidence, evidence))
    name_scores = 0 if author_scores is None else _score_row(author_scores)
    return _to_json([row or [""], _score_row(scores), name_scores, spans or 0])


def facts_json(draft: Decision, action: str = "") -> str:
    """Write the part of a stream entry that the draft gives."""
    return _to_json(
        {
            "action": action or draft.action,
            "labels": [label for label in LABELS if label in draft.labels],
            "reason": draft.reason,
            "moderator": draft.moderator,
            "source": draft.source,
            "request_id": draft.request_id,
        }
    )


def words_json(draft: Decision) -> str:
    """Write what the moderator wrote with a decision; empty where that is nothing."""
    words = {name: value for name in _WORDS if (value := getattr(draft, name))}
    return _to_json(words) if words else ""


def _verdict_row(verdict: Verdict) -> list[Any]:
    """Write a verdict as the values of its fields, because it is kept with every item."""
    row = list(_values(verdict))
    row[_SCORE] = round(verdict.score, 4)
    return row


def _score_row(scores: Mapping[str, float]) -> list[float | None] | int:
    row = [None if label not in scores else round(scores[label], 4) for label in LABELS]
    while row and row[-1] is None:
        row.pop()
    return row or 0


# What is read


def _scores(row: Sequence[float | None] | int) -> dict[str, float]:
    if isinstance(row, int):
        return {}
    known = zip(LABELS, row, strict=False)  # what was written before a label was added is shorter
    return {label: score for label, score in known if score is not None}


def _comment(comment_id: str, content: str) -> Comment:
    return Comment(comment_id, *json.loads(content)[0])


def read_item(site_id: str, item_id: str, record: str, content: str | None) -> ReviewItem:
    """Read an item's record and its text; what cannot be read is an item that says so."""
    try:
        return _read_item(site_id, item_id, _read_record(record), content)
    except _DAMAGE:
        return _damaged(site_id, item_id, record)


def read_lease(site_id: str, item_id: str, record: str, content: str | None) -> Lease:
    """Read the record of a leased item; a damaged one can still be skipped by its token."""
    item = read_item(site_id, item_id, record, content)
    rest = json.loads(record.rpartition("\n")[2])  # Lua wrote it for this lease
    return Lease(item, int(record.split(" ", 3)[2]), rest["expires"] / 1000)


# What reading raises where somebody else has written than the scripts and this module.
_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


def _damaged(site_id: str, item_id: str, record: str) -> ReviewItem:
    """Return an item of which only that it is there can be said."""
    state = record.partition(" ")[0]
    return ReviewItem(
        id=item_id,
        site_id=site_id,
        comment=Comment(""),
        verdict=Verdict("review", None, None, 0.0, "score", 1.0, ""),
        scores={},
        author_scores=None,
        evidence=(),
        state=cast(State, state) if state in get_args(State) else "pending",
        version=0,
        enqueued_at=0.0,
        due_at=0.0,
        damaged=True,
    )


def _check(item: ReviewItem) -> ReviewItem:
    """Return the item, if each part of it is of the kind that pages and machines count on.

    Raises
    ------
    TypeError, ValueError
    """
    _check_comment(item.comment)
    verdict = item.verdict
    texts = [verdict.action, verdict.reason, verdict.model_version, item.appeal, item.note]
    texts += [text for text in (verdict.label, verdict.field, item.moderator) if text is not None]
    texts += [text for part in item.evidence for text in (part.field, part.label)]
    if not all(map(_is_text, texts)):
        raise TypeError("expected text")
    places = [place for part in item.evidence for place in (part.start, part.end)]
    if not all(type(number) is int for number in places):
        raise TypeError("expected whole numbers")
    weights = (part.weight for part in item.evidence)
    scores = (*item.scores.values(), *(item.author_scores or {}).values(), verdict.score)
    times = (item.enqueued_at, item.due_at)
    if not all(map(math.isfinite, (*scores, *weights, *times, verdict.sampling_probability))):
        raise ValueError("expected finite numbers")
    return item


def _read_record(record: str) -> dict[str, Any]:
    head, comment_id, verdict, rest = record.split("\n")
    state, version, token, abandoned, since, due, _ = head.split(" ", 6)
    facts: dict[str, Any]
    facts_id, facts_verdict, facts = json.loads(f"[{comment_id},{verdict},{rest or '{}'}]")
    facts["comment_id"], facts["verdict"] = facts_id, Verdict(*facts_verdict)
    facts["state"], facts["version"], facts["token"] = state, int(version), int(token)
    # Before time targets had a bound, Lua wrote due times in powers of ten.
    facts["abandoned"], facts["since"], facts["due"] = int(abandoned), int(since), float(due)
    return facts


def _read_item(
    site_id: str, item_id: str, facts: Mapping[str, Any], content: str | None
) -> ReviewItem:
    rows: Sequence[Any] = json.loads(content) if content else ((), 0, 0, 0)
    row, scores, author_scores, evidence, *added = rows
    text = {name: value for extra in added for name, value in extra.items()}
    if facts.get("escalated"):
        why = "escalated"
    else:
        why = "appeal" if "appeal" in facts else facts["verdict"].reason
    item = ReviewItem(
        id=item_id,
        site_id=site_id,
        comment=Comment(facts["comment_id"], *row),
        verdict=facts["verdict"],
        scores=_scores(scores),
        author_scores=None if author_scores == 0 else _scores(author_scores),
        evidence=[Evidence(*part) for part in evidence or ()],
        state=facts["state"],
        version=facts["version"],
        enqueued_at=facts["since"] / 1000,
        due_at=facts["due"] / 1000,
        moderator=facts.get("owner"),
        n_abandoned=facts["abandoned"],
        why=why,
        appeal=text.get("appeal", ""),
        decision_id=facts.get("decision", ""),
        note=text.get("note", ""),
    )
    return _check(item)


def read_words(kind: str, words: str | None) -> dict[str, str]:
    """Read what was written with an entry; an undo stands beside the words of another."""
    return json.loads(words) if words and kind in _JUDGED else {}


def read_standing(item_id: str, created: int, version: int, state: Any, *last: Any) -> Enqueued:
    """Read where a comment stands."""
    word = LastWord(last[0], last[1], last[2] / 1000) if last and last[0] else None
    return Enqueued(item_id, bool(created), state, version, word)


def read_decision(
    entry_id: str,
    body: str,
    content: str | None,
    words: str | None,
    stands: int,
    superseded: int,
    digest: str,
) -> Decision:
    """Read a stream entry, and what was kept beside it; what cannot be read says so."""
    try:
        facts = json.loads(body)
        for name in ("token", "restored"):  # no field of a decision
            facts.pop(name, None)
        facts["id"], facts["stands"] = entry_id, bool(stands)
        facts["labels"], facts["superseded"] = tuple(facts["labels"]), bool(superseded)
        facts["enqueued_at"] /= 1000
        facts["decided_at"] /= 1000
        facts["verdict"] = Verdict(*facts["verdict"])
        facts["content_digest"] = digest if len(digest) == DIGEST_LENGTH else ""
        decision = _check_decision(Decision(**facts))
    except _DAMAGE:
        decided_at = int(entry_id.partition("-")[0]) / 1000
        return Decision(
            "", kind="damaged", id=entry_id, decided_at=decided_at, stands=False, damaged=True
        )
    try:
        beside: dict[str, Any] = read_words(decision.kind, words)
        comment = _check_comment(_comment(decision.comment_id, content)) if content else None
        if not all(map(_is_text, beside.values())):
            raise TypeError("expected text")
        return replace(decision, comment=comment, **beside)
    except _DAMAGE:
        return replace(decision, damaged=True)


_ACTIONS: Mapping[str, Sequence[str]] = {
    "undo": ("undo",),
    "withdrawal": ("withdraw",),
    "erasure": ("erase",),
}


def _check_decision(decision: Decision) -> Decision:
    """Return the entry, if each part of it is of the kind that pages and machines count on.

    Raises
    ------
    TypeError, ValueError
    """
    verdict = decision.verdict
    texts = [getattr(decision, name) for name in _DECISION_TEXTS]
    if verdict:
        texts += [verdict.action, verdict.reason, verdict.label or "", verdict.field or ""]
    if not all(map(_is_text, texts)) or type(decision.version) is not int:
        raise TypeError("expected text, and a whole number")
    if decision.action not in _ACTIONS.get(decision.kind, ("approve", "reject")):
        raise ValueError("expected an action of this kind of entry")
    if decision.kind not in get_args(Kind) or not set(decision.labels) <= set(LABELS):
        raise ValueError("expected a known kind and known labels")
    latest = LATEST.timestamp()
    if not all(0 <= at < latest for at in (decision.enqueued_at, decision.decided_at)):
        raise ValueError("expected times that a calendar has")
    if verdict and not all(map(math.isfinite, (verdict.score, verdict.sampling_probability))):
        raise ValueError("expected finite numbers")
    return decision


_DECISION_TEXTS = (
    "kind", "action", "reason", "moderator", "request_id", "source", "item_id", "comment_id",
    "undoes", "bulk", "appeal_of", "expected",
)  # fmt: skip


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _check_comment(comment: Comment) -> Comment:
    """Return the comment, if it is text and its reach a number, else raise TypeError."""
    if not all(_is_text(getattr(comment, f.name)) for f in fields(Comment) if f.name != "reach"):
        raise TypeError("expected text")
    if type(comment.reach or 0) is not int:
        raise TypeError("expected a whole number")
    return comment


def read_author(record: str | None) -> AuthorRecord:
    """Read the counts of an author; of whom nothing can be read, nothing is known."""
    if record is None:
        return AuthorRecord()
    try:
        n_approved, n_rejected, first_seen, *times = map(int, record.split())
        return AuthorRecord(
            n_approved=n_approved,
            n_rejected=n_rejected,
            rejected_at=tuple(time / 1000 for time in times),
            first_seen=first_seen / 1000,
        )
    except _DAMAGE:
        return AuthorRecord()
