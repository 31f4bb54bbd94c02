"""Encoding of stored records: the JSON in which items, texts and decisions lie in Redis.

Each record is an object of named fields with the number of its format, which the scripts check as
well (``lua/include/record.lua``). A field that has its usual value, the default here, is left out:
a record is kept for every comment, and Lua cannot tell an empty list from an empty object.

A change that an older Hakam could not read, or would read as something else, takes a new `FORMAT`.
Format 2 knows `ContentRecord.sentence`, the label ``religious_insult``, and the reasons
``uncertain``, ``personal_data`` and ``link``; format 3 the copies of a comment, the language of its
text, readers' reports, and the reasons ``repeat``, ``flood``, ``article_held``, ``article_closed``,
``trusted``, ``latin_script``, ``pen_name`` and ``reported``; format 4 the lists in
``:listed``, which an older Hakam would not keep.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.schema import LABELS, Evidence, SentenceEvidence
from models.schema import Field as CommentField
from service.queue.records import (
    UNKNOWN_VERDICT,
    AuthorRecord,
    Comment,
    Decision,
    Enqueued,
    Kind,
    LastWord,
    Lease,
    Note,
    Outcome,
    Report,
    ReviewItem,
    Source,
    State,
    Week,
    content_digest,
    facet,
)
from service.rules.policy import Action, Reason, Verdict
from service.rules.search_terms import (
    ARTICLE_TITLE,
    AUTHOR_NAME,
    TEXT,
    signature,
    without_words,
)
from service.rules.times import LATEST, day_of
from service.store.durability import FORMAT

_JUDGED = ("decision", "opinion", "known_answer")  # the kinds that say approve or reject
_ACTIONS = {
    "undo": ("undo",),
    "withdrawal": ("withdraw",),
    "erasure": ("erase",),
    "report": ("approve", "reject", "withdraw", "erase"),
    "warning": ("warn",),
    "hold": ("hold",),
    "release": ("release",),
    "mute": ("mute",),
    "block": ("block",),
    "restore": ("restore",),
    "loss": ("lose",),
}

_OF_SCRIPTS = frozenset(("format", "token", "restored"))  # what no `Decision` says
_TIMES = ("enqueued_at", "decided_at", "held_until", "until", "lost_since")  # in milliseconds

FIRST_SUNDAY = 4  # days from a Sunday to 1 January 1970; as in count_in_week of consequences.lua

Milliseconds = Annotated[int, Field(ge=0, lt=int(LATEST.timestamp() * 1000))]


class _Record(BaseModel):
    """What is stored as one JSON object."""

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, frozen=True, protected_namespaces=()
    )

    def to_json(self) -> str:
        """Write the record without the fields that have their usual value."""
        return self.model_dump_json(exclude_defaults=True)


class _Formatted(_Record):
    format: Literal[1, 2, 3, 4]  # from OLDEST to FORMAT


class VerdictRecord(_Record):
    """A `Verdict`, part of an item and of the entries about it."""

    action: Action = "review"
    label: str | None = None
    field: CommentField | None = "text"
    score: float = 0.0
    reason: Reason = "score"
    sampling_probability: float = 1.0
    model_version: str = ""

    @classmethod
    def of(cls, verdict: Verdict) -> VerdictRecord:
        """Take a verdict over; four digits of its score are enough."""
        facts = {name: getattr(verdict, name) for name in cls.model_fields}
        return cls(**facts | {"score": round(verdict.score, 4)})

    def to_verdict(self) -> Verdict:
        """Give the verdict back."""
        return Verdict(**vars(self))


class Opinion(_Record):
    """One of two blind opinions on an item."""

    moderator: str
    action: Literal["approve", "reject"]


class Answer(Opinion):
    """What somebody answered to a comment with a known answer."""

    at: Milliseconds


class Left(_Record):
    """When somebody left an item to the seniors."""

    moderator: str
    at: Milliseconds


class Appeal(_Record):
    """What an appeal is made against."""

    decision: str
    item_id: str
    action: Literal["approve", "reject"]
    decided: Milliseconds
    moderator: str = ""
    version: int


class Standing(_Record):
    """The decision that stands about a published comment while it waits again."""

    item: str  # that it was taken on: the comment's own, or an appeal's
    decision: str
    action: Literal["approve", "reject"]
    decided: Milliseconds


class Reported(_Record):
    """What the reports weigh that wait for an answer."""

    n: int
    proven: float  # of readers of whom something is known
    strangers: float  # of others
    illegal: bool = False  # whether one says that the comment is illegal
    brought: bool = False  # whether they brought it before people
    published: bool = False
    since: Milliseconds = 0
    standing: Standing | None = None


class ReportRecord(_Formatted):
    """A reader's report."""

    item: str
    comment_id: str
    reason: str
    reporter: str = ""  # digest; empty for somebody unknown
    at: Milliseconds
    outcome: Outcome | None = None
    decision: str = ""
    resolved: Milliseconds = 0
    answer_reason: str = ""
    source: Source = "moderator"
    counted: bool = False  # whether the answer says something about the reader


class NewItemRecord(_Formatted):
    """The half of an item's record that comes with the comment."""

    comment_id: str
    verdict: VerdictRecord
    digest: str = ""  # of text and display name; empty where they are not known or erased
    facets: tuple[str, ...]  # of the lines it stands in; each says its kind in its first letter
    known_answer: Literal["", "approve", "reject"] = ""  # the known answer
    blind: bool = False  # two opinions are needed
    language: str = ""  # tag of the language of the text


class ItemRecord(NewItemRecord):
    """An item. What it has beside the comment's half is the scripts' alone."""

    state: State = "pending"
    version: int = 1
    token: int = 0  # of the last lease
    abandoned: int = 0  # leases that ran out
    since: Milliseconds = 0
    due: Milliseconds = 0
    edited: Milliseconds = 0  # when this version came, where an earlier one was waiting
    owner: str | None = None  # who holds it, until `expires`
    expires: Milliseconds = 0
    void: Literal["", "edited", "withdrawn"] = ""  # why the last lease does not count any more
    escalated: bool = False
    mixed_in: bool = False  # a moderator's own copy of a known answer
    opinions: tuple[Opinion, ...] = ()
    appeal: Appeal | None = None
    decision: str = ""  # the entry that stands
    action: str = ""
    decided: Milliseconds = 0
    reported: Reported | None = None  # while reports about it wait for an answer
    answered: str = ""  # the decision that answered some; it answers those to come as well
    appealed: str = ""  # item of an appeal against the decision
    overturned_by: str = ""  # item of the appeal that reversed it
    undone: tuple[str, ...] = ()  # entries that do not stand any more
    last: str = ""  # the last entry, and the request that it answers
    request: str = ""
    compared: bool = False  # whether the second opinion on this version was counted
    model: str = ""  # of a copy, the item with the known answer
    answers: tuple[Answer, ...] = ()  # of that item, what people answered
    undelivered: tuple[str, ...] = ()  # entries that the site is still to be told
    attempts: int = 0  # to tell the first of them
    dead: int = 0  # deliveries given up
    told: tuple[str, ...] = ()  # entries that the site took, each with after how many milliseconds
    left: tuple[Left, ...] = ()  # to the seniors
    news: tuple[str, ...] = ()  # of an author's own item: the last entries about the author


class ContentRecord(_Formatted):
    """What people wrote, and what is only of use beside it."""

    comment: Comment
    scores: dict[str, float] = {}
    author_scores: dict[str, float] = {}
    evidence: tuple[Evidence, ...] = ()
    sentence: tuple[SentenceEvidence, ...] = ()
    appeal: str = ""
    note: str = ""


class WordsRecord(_Formatted):
    """What a moderator wrote with a decision."""

    note: str = ""
    reply: str = ""


class JudgementRecord(_Formatted):
    """What a trainee would have decided about a comment."""

    version: int
    action: Literal["approve", "reject"]
    reason: str = ""
    at: Milliseconds = 0


class DraftRecord(_Record):
    """What an entry of the decision stream takes from the draft of a decision."""

    action: str
    labels: tuple[str, ...] = ()
    reason: str = ""
    moderator: str = ""
    source: Source
    request_id: str = ""


class EntryRecord(DraftRecord, _Formatted):
    """An entry of the decision stream."""

    kind: Kind
    item_id: str
    comment_id: str
    version: int
    token: int
    verdict: VerdictRecord
    enqueued_at: Milliseconds
    decided_at: Milliseconds
    undoes: str = ""
    bulk: str = ""
    appeal_of: str = ""
    overturned: bool = False
    expected: str = ""
    language: str = ""
    reported: Literal["", "rules", "illegal"] = ""
    reports: tuple[str, ...] = ()
    answered_by: str = ""
    n_rejections: int = 0
    held_until: Milliseconds = 0
    until: Milliseconds = 0
    lost_since: Milliseconds = 0
    restored: bool = False  # taken over from an export

    @model_validator(mode="after")
    def _check(self) -> EntryRecord:
        if self.action not in _ACTIONS.get(self.kind, ("approve", "reject")):
            raise ValueError("expected an action of this kind of entry")
        if not set(self.labels) <= set(LABELS):
            raise ValueError("expected known labels")
        return self


class CountsRecord(_Formatted):
    """What was decided about an author."""

    n_approved: int = 0
    n_rejected: int = 0
    first_seen: Milliseconds = 0
    rejected_at: tuple[Milliseconds, ...] = ()
    in_a_row: int | None = None  # approvals since the last rejection; None where nobody counted
    rows: tuple[int, ...] = ()  # and before each of these
    warned_at: Milliseconds = 0
    held_until: Milliseconds = 0
    held_by: str = ""
    weeks: tuple[int, ...] = ()  # number, approved and rejected of each week, the newest first
    item: str = ""  # the author's own, which holds what the site is still to be told of them


class NoteRecord(_Record):
    """A moderator's note about an author or an article."""

    id: str
    moderator: str
    at: Milliseconds
    text: str


class NotesRecord(_Formatted):
    """All of them about one, the oldest first."""

    notes: tuple[NoteRecord, ...]


# What is written


def item_json(comment: Comment, verdict: Verdict, *, digest: str | None = None, **more: Any) -> str:
    """Write the part of an item's record that comes with the comment.

    `digest` is that of a text which only the site has.
    """
    kinds = ("article_id", "author_id", "dialect", "copies")
    named = [(kind, value) for kind in kinds if (value := getattr(comment, kind))]
    return NewItemRecord(
        format=FORMAT,
        comment_id=comment.id,
        verdict=VerdictRecord.of(verdict),
        digest=content_digest(comment) if digest is None else digest,
        language=comment.language,
        facets=tuple(facet(*one) for one in [("label", verdict.label or ""), *named]),
        **more,
    ).to_json()


def signature_of(comment: Comment, verdict: Verdict | None = None) -> str:
    """Return by what search finds a comment that is kept (see `search_terms`)."""
    texts = {
        TEXT: comment.text,
        AUTHOR_NAME: comment.author_name,
        ARTICLE_TITLE: comment.article_title,
    }
    return signature(exact_values(comment, verdict), texts)


def signature_of_stored(record: str, content: str | None) -> str:
    """Return the signature of what an older version has stored; empty where it cannot be read."""
    try:
        item = ItemRecord.model_validate_json(record)
        if content:
            comment = ContentRecord.model_validate_json(content).comment
            return signature_of(comment, item.verdict.to_verdict())
    except ValidationError:
        return ""
    kinds = {one[0]: one for one in item.facets}
    label = kinds.get("l", "") if item.verdict.label else ""
    return without_words([kinds.get("u", ""), kinds.get("a", ""), label])


def exact_values(comment: Comment, verdict: Verdict | None = None) -> list[str]:
    """Return the facets by which search finds a comment, empty for what it has not."""
    kinds = {
        "author_id": comment.author_id,
        "article_id": comment.article_id,
        "label": (verdict and verdict.label) or "",
    }
    return [value and facet(kind, value) for kind, value in kinds.items()]


def content_json(
    comment: Comment,
    scores: Mapping[str, float],
    author_scores: Mapping[str, float] | None,
    evidence: Sequence[Evidence],
    sentence: Sequence[SentenceEvidence] = (),
) -> str:
    """Write what people wrote, and what is only of use beside it."""
    return ContentRecord(
        format=FORMAT,
        comment=comment,
        scores=_rounded(scores),
        author_scores=_rounded(author_scores or {}),
        evidence=tuple(evidence),
        sentence=tuple(sentence),
    ).to_json()


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {label: round(score, 4) for label, score in scores.items()}


def draft_json(draft: Decision, action: str = "") -> str:
    """Write the part of a stream entry that the draft gives."""
    return DraftRecord(
        action=action or draft.action,
        labels=tuple(label for label in LABELS if label in draft.labels),
        reason=draft.reason,
        moderator=draft.moderator,
        source=draft.source,
        request_id=draft.request_id,
    ).to_json()


def loss_json(lost_since: float) -> str:
    """Write the entry of a loss, but for when it was noted."""
    return EntryRecord(
        format=FORMAT,
        kind="loss",
        action="lose",
        source="site",
        item_id="",
        comment_id="",
        version=0,
        token=0,
        verdict=VerdictRecord.of(UNKNOWN_VERDICT),
        enqueued_at=0,
        decided_at=0,
        lost_since=round(lost_since * 1000),
    ).to_json()


def words_json(draft: Decision) -> str:
    """Write what the moderator wrote with a decision; empty where that is nothing."""
    if not (draft.note or draft.reply):
        return ""
    return WordsRecord(format=FORMAT, note=draft.note, reply=draft.reply).to_json()


def judgement_json(version: int, action: str, reason: str) -> str:
    """Write what a trainee would decide; the time is the script's."""
    given = {"format": FORMAT, "version": version, "action": action, "reason": reason}
    return JudgementRecord.model_validate(given).to_json()


# What is read


def read_judgement(text: str) -> JudgementRecord | None:
    """Read what a trainee would have decided; None for what cannot be read."""
    try:
        return JudgementRecord.model_validate_json(text)
    except ValidationError:
        return None


def read_item(site_id: str, item_id: str, record: str, content: str | None) -> ReviewItem:
    """Read an item's record and its text; what cannot be read is an item that says so."""
    try:
        item = ItemRecord.model_validate_json(record)
        wrote = (
            ContentRecord.model_validate_json(content)
            if content
            else ContentRecord(format=FORMAT, comment=Comment(item.comment_id))
        )
    except ValidationError:
        return _damaged(site_id, item_id, record)
    why: str = item.verdict.reason
    if item.reported and item.reported.brought:
        why = "reported"
    why = "escalated" if item.escalated else "appeal" if item.appeal else why
    return ReviewItem(
        id=item_id,
        site_id=site_id,
        comment=wrote.comment,
        verdict=item.verdict.to_verdict(),
        scores=wrote.scores,
        author_scores=wrote.author_scores or None,
        evidence=wrote.evidence,
        sentence=wrote.sentence,
        state=item.state,
        version=item.version,
        enqueued_at=item.since / 1000,
        due_at=item.due / 1000,
        moderator=item.owner,
        n_abandoned=item.abandoned,
        why=why,
        appeal=wrote.appeal,
        decision_id=item.decision,
        note=wrote.note,
        n_reports=item.reported.n if item.reported else 0,
        published=bool(item.reported and item.reported.published),
    )


def _damaged(site_id: str, item_id: str, record: str) -> ReviewItem:
    """Return an item of which only that it is there can be said."""
    return ReviewItem(
        id=item_id,
        site_id=site_id,
        comment=Comment(""),
        verdict=UNKNOWN_VERDICT,
        scores={},
        author_scores=None,
        evidence=(),
        sentence=(),
        state=next((state for state in get_args(State) if f'"{state}"' in record), "pending"),
        version=0,
        enqueued_at=0.0,
        due_at=0.0,
        damaged=True,
    )


def read_lease(site_id: str, item_id: str, record: str, content: str | None) -> Lease:
    """Read the record of a leased item; a damaged one can still be skipped by its token."""
    item = read_item(site_id, item_id, record, content)
    lease = json.loads(record)  # Lua wrote it for this lease
    return Lease(item, lease["token"], lease["expires"] / 1000)


def read_standing(item_id: str, created: int, version: int, state: Any, *last: Any) -> Enqueued:
    """Read where a comment stands."""
    word = LastWord(last[0], last[1], last[2] / 1000) if last else None
    return Enqueued(item_id, bool(created), state, version, word)


def read_decision(
    entry_id: str,
    body: str,
    content: str | None = None,
    words: str | None = None,
    stands: int = 1,
    superseded: int = 0,
    digest: str = "",
) -> Decision:
    """Read a stream entry, and what was kept beside it; what cannot be read says so."""
    try:
        entry = EntryRecord.model_validate_json(body)
    except ValidationError:
        decided_at = int(entry_id.partition("-")[0]) / 1000
        return Decision(
            "", kind="damaged", id=entry_id, decided_at=decided_at, stands=False, damaged=True
        )
    wrote: dict[str, Any] = {}
    try:
        if content:
            wrote["comment"] = ContentRecord.model_validate_json(content).comment
        if words and entry.kind in _JUDGED:  # an undo stands beside the words of another
            said = WordsRecord.model_validate_json(words)
            wrote |= {"note": said.note, "reply": said.reply}
    except ValidationError:
        wrote = {"damaged": True}
    facts = {name: value for name, value in vars(entry).items() if name not in _OF_SCRIPTS}
    times = {name: facts[name] / 1000 for name in _TIMES}
    return Decision(
        **facts
        | times
        | wrote
        | {
            "id": entry_id,
            "verdict": entry.verdict.to_verdict(),
            "stands": bool(stands),
            "superseded": bool(superseded),
            "content_digest": digest,
        }
    )


def report_json(comment_id: str, reason: str, reporter: str) -> str:
    """Write the part of a report's record that comes with it."""
    return json.dumps({"comment_id": comment_id, "reason": reason, "reporter": reporter})


def read_report(report_id: str, record: str) -> Report | None:
    """Read a report; None for what cannot be read."""
    try:
        facts = ReportRecord.model_validate_json(record)
    except ValidationError:
        return None
    return Report(
        id=report_id,
        comment_id=facts.comment_id,
        item_id=facts.item,
        reason=facts.reason,
        received_at=facts.at / 1000,
        outcome=facts.outcome,
        decision_id=facts.decision,
        resolved_at=facts.resolved / 1000,
        answer_reason=facts.answer_reason,
        by_machine=facts.source == "policy",
    )


def read_author(record: str | None) -> AuthorRecord:
    """Read the counts of an author; of whom nothing can be read, nothing is known."""
    try:
        counts = CountsRecord.model_validate_json(record or "")
    except ValidationError:
        return AuthorRecord()
    in_a_row = counts.in_a_row
    if in_a_row is None and not counts.n_rejected:
        in_a_row = counts.n_approved
    return AuthorRecord(
        n_approved=counts.n_approved,
        n_rejected=counts.n_rejected,
        rejected_at=tuple(time / 1000 for time in counts.rejected_at),
        first_seen=counts.first_seen / 1000,
        n_approved_in_a_row=in_a_row or 0,
        warned_at=counts.warned_at / 1000,
        held_until=counts.held_until / 1000,
        held_by=counts.held_by,
        weeks=tuple(_weeks(counts.weeks)),
    )


def read_notes(record: str | None) -> list[Note]:
    """Read the notes about an author or an article, the oldest first; none that cannot be read."""
    try:
        notes = NotesRecord.model_validate_json(record or "").notes
    except ValidationError:
        return []
    return [Note(one.id, one.moderator, one.at / 1000, one.text) for one in notes]


def _weeks(counts: Sequence[int]) -> Iterator[Week]:
    """Read the weeks that the scripts count in: 7 days each, from a Sunday on."""
    for week, n_approved, n_rejected in zip(*(counts[n::3] for n in range(3)), strict=False):
        if 0 < week < LATEST.timestamp() // (7 * 86_400):
            yield Week(day_of((week * 7 - FIRST_SUNDAY) * 86_400), n_approved, n_rejected)
