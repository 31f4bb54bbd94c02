"""What the HTTP API accepts and answers: the models behind validation and the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from models.characters import is_visible
from models.classifier import READERS
from models.dialect import DIALECTS
from models.schema import LABELS, REASONS, Evidence, SentenceEvidence
from service.api.bodies import MANY, ONE, refusal_of
from service.queue.messages import REPORTED_FOR
from service.queue.records import Comment, Decision
from service.rules.findings import Finding
from service.rules.policy import Reason
from service.rules.times import EXPECTED, read_time
from service.scoring import MAX_TEXT_BYTES

MAX_COMMENTS = 1_000


def mended_unicode(text: str) -> str:
    """Put REPLACEMENT CHARACTER where a lone surrogate is."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _printable(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "must not contain the character NUL")
    return text


def _short_enough(text: str) -> str:
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise PydanticCustomError("bytes", f"must have at most {MAX_TEXT_BYTES:,} bytes in UTF-8")
    return text


def _visible(text: str) -> str:
    if not is_visible(text):
        raise PydanticCustomError("blank", "must contain a visible character")
    return text


def _web_address(url: str) -> str:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = "?"
    if url and scheme not in ("http", "https"):  # moderators will click on it
        raise PydanticCustomError("url", "must be an http or https address")
    return _printable(url)


def _timestamp(text: str) -> str:
    if text and read_time(text) is None:
        raise PydanticCustomError("time", f"must be {EXPECTED}")
    return _printable(text)


Unicode = Annotated[str, Field(min_length=0)]  # with bounds no lone surrogate passes
MendedUnicode = Annotated[str, AfterValidator(mended_unicode)]  # where refusing means publishing
Id = Annotated[Unicode, Field(min_length=1, max_length=256), AfterValidator(_printable)]
Line = Annotated[Unicode, Field(max_length=1_000), AfterValidator(_printable)]
Name = Annotated[Unicode, Field(max_length=512), AfterValidator(_printable)]
Url = Annotated[Unicode, Field(max_length=2_048), AfterValidator(_web_address)]
Text = Annotated[
    Unicode,
    Field(min_length=1, description=f"At most {MAX_TEXT_BYTES} bytes in UTF-8; not blank."),
    AfterValidator(_short_enough),
    AfterValidator(_visible),
    AfterValidator(_printable),
]
ParentText = Annotated[Unicode, AfterValidator(_short_enough), AfterValidator(_printable)]
Label = Literal[LABELS]  # type: ignore[valid-type]  # a Literal made from the one tuple of labels
Reader = Literal[READERS]  # type: ignore[valid-type]
Dialect = Literal[DIALECTS]  # type: ignore[valid-type]
Timestamp = Annotated[
    Unicode,
    Field(
        max_length=64,
        description="A time with its zone, ISO 8601, from 1970 to 2199; empty for unknown.",
    ),
    AfterValidator(_timestamp),
]
ReportReason = Literal[REPORTED_FOR]  # type: ignore[valid-type]
Explanation = Annotated[Unicode, Field(max_length=2_000), AfterValidator(_printable)]
Contact = Annotated[Unicode, Field(max_length=320), AfterValidator(_printable)]
Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=2**53)]


class Body(BaseModel):
    """What every body has in common: no unknown field, no conversion of types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Author(Body):
    """Who wrote a comment, as the site shows it; the name is scored like the text."""

    id: Line = ""
    name: Name = ""


class Article(Body):
    """What was commented on."""

    id: Line = ""
    url: Url = ""
    title: Line = ""


class Parent(Body):
    """The comment that was replied to."""

    id: Line = ""
    text: ParentText = ""


class ScoredComment(Body):
    """A comment to be scored."""

    text: Text
    id: Id | None = None
    author: Author = Author()
    article: Article = Article()
    parent: Parent = Parent()
    created_at: Timestamp = ""
    reach: Count | None = Field(None, description="How many people see the comment.")
    model_version: Line | None = Field(
        None,
        description="The version of the artefact that is to score it, if it is kept; by default "
        "the one in use. 409 names the versions that are kept.",
    )

    def to_comment(self) -> Comment:
        """Return the same comment in the words of the queue."""
        return Comment(
            id=self.id or "",
            text=self.text,
            author_id=self.author.id,
            author_name=self.author.name,
            article_id=self.article.id,
            article_url=self.article.url,
            article_title=self.article.title,
            parent_id=self.parent.id,
            parent_text=self.parent.text,
            created_at=self.created_at,
            reach=self.reach,
        )


def _at_most(number: int) -> BeforeValidator:
    """Count before reading: a million wrong comments would take long to be wrong."""

    def counted(value: Any) -> Any:
        if isinstance(value, list) and not 1 <= len(value) <= number:
            raise PydanticCustomError("comments", f"must have 1 to {number:,} comments")
        return value

    return BeforeValidator(counted)


_ONE_OR_MANY = Discriminator(lambda value: MANY if isinstance(value, list) else ONE)

ScoreBody = Annotated[
    Annotated[ScoredComment, Tag(ONE)]
    | Annotated[
        list[ScoredComment],
        Field(min_length=1, max_length=MAX_COMMENTS),
        _at_most(MAX_COMMENTS),
        Tag(MANY),
    ],
    _ONE_OR_MANY,
]


class SubmittedComment(ScoredComment):
    """A comment to be moderated; the same id again with the same text changes nothing."""

    id: Id
    edited: bool = Field(
        False,
        description="Ignored. A comment that comes with another text or display name than before "
        "is an edit by itself: the earlier text leaves the queue, whatever the new one is.",
    )


MAX_SUBMITTED = 100  # comments in one request


def _by_itself(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """Read one of many comments; where it is wrong, that is what is read of it."""
    try:
        return read(value)
    except ValidationError as error:
        return refusal_of(error)


SubmittedBody = Annotated[
    Annotated[SubmittedComment, Tag(ONE)]
    | Annotated[
        list[Annotated[SubmittedComment, WrapValidator(_by_itself)]],
        Field(min_length=1, max_length=MAX_SUBMITTED),
        _at_most(MAX_SUBMITTED),
        Tag(MANY),
    ],
    _ONE_OR_MANY,
]


class Filter(Body):
    """Which review items: of one label, article, author, dialect or text (one at most)."""

    label: Label | None = None
    article_id: Id | None = None
    author_id: Id | None = None
    dialect: Dialect | None = None
    copies: Id | None = None


class LeaseRequest(Filter):
    """Who wants a review item, and which."""

    moderator: Id
    senior: bool = Field(False, description="Offer, and first, what only seniors may decide.")


class TokenRequest(Body):
    """The token of a lease."""

    token: Count


class Decided(Body):
    """What a decision says, on one item or on many."""

    action: Literal["approve", "reject"]
    moderator: Id
    request_id: Id = Field(description="Chosen by the client; the same again: the same answer.")
    labels: Annotated[list[Label], Field(max_length=len(LABELS))] = []
    reason: Line = Field(
        "",
        description=f"{', '.join(REASONS)}, or a code of the site's own. A rejection for which no "
        "label is given has the labels that its reason names.",
    )

    def to_draft(self) -> Decision:
        """Return the same decision in the words of the queue."""
        named = REASONS.get(self.reason, ()) if self.action == "reject" else ()
        facts = self.model_dump(include={*Decided.model_fields, "note"})
        return Decision(**facts | {"labels": tuple(self.labels) or named})


class DecisionRequest(Decided):
    """The last word on a review item."""

    token: Count
    note: Annotated[Unicode, Field(max_length=4_000), AfterValidator(_printable)] = ""


class ExternalDecision(Decided):
    """What a person decided at the site's own desk, and the comment as the site has it now."""

    comment: SubmittedComment


class ReportBody(Body):
    """A reader's complaint about a published comment."""

    comment_id: Id
    reason: ReportReason
    explanation: Explanation = Field(
        "", description="Why, in the reader's words; needed where the reason is `illegal`."
    )
    reporter_id: Line = Field(
        "",
        description="The site's id of the reader. The same reader's report about the same comment "
        "is taken once; without an id, the one that says the same.",
    )
    contact: Contact = Field(
        "",
        description="Where the reader can be told, as a mail address. It is kept until the webhook "
        "has got it with `report.resolved`, and not at all without a webhook.",
    )
    comment: ScoredComment | None = Field(
        None, description="The comment, needed where nothing is kept of it here (409)."
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.reason == "illegal" and not is_visible(self.explanation):
            raise PydanticCustomError(
                "explanation", "explanation: must say what is illegal and why"
            )
        if self.comment and self.comment.id not in (None, self.comment_id):
            raise PydanticCustomError(
                "comment", "comment.id: must be that of comment_id, or absent"
            )
        return self


class Texts(BaseModel):
    """The same message in Arabic, English and French."""

    ar: str
    en: str
    fr: str


class ReportAnswer(BaseModel):
    """A report, and what its reader can be told."""

    id: str
    comment_id: str
    item_id: str
    reason: ReportReason
    state: Literal["waiting", "resolved"]
    outcome: Literal["removed", "kept", "withdrawn"] | None
    decision_id: str | None
    received_at: str = Field(description="ISO 8601, UTC")
    resolved_at: str | None = Field(description="ISO 8601, UTC")
    receipt: Texts = Field(description="Confirmation of receipt (Art. 16(4) DSA)")
    notice: Texts | None = Field(
        description="What was decided and why, and how to object (Art. 16(5) DSA)"
    )


class DecisionsQuery(Body):
    """Which decisions to read."""

    after: Annotated[Unicode, Field(max_length=64)] = "0"
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100
    personal_data: Literal["masked", "shown"] = Field(
        "masked", description="Whether texts and display names hold the personal data found in them"
    )


_DIGEST = (
    "Tells which text and display name are meant: the first 28 characters of the base64url form of "
    "SHA-256 over the text, a NUL and the display name, in UTF-8, as they were sent"
)


_TO_AUTHOR = (
    "Of a rejection, the statement of reasons for its author (Art. 17 DSA), with the way to object"
)


class RecordedDecision(BaseModel):
    """What was decided about the comment, with its present text and display name, before."""

    decision_id: str
    action: Literal["approve", "reject"]
    decided_at: str = Field(description="ISO 8601, UTC")
    author_message: Texts | None = Field(None, description=_TO_AUTHOR)


class ToldDecision(BaseModel):
    """What a site is told of a decision; absent is what is not known, or does not apply."""

    decision_id: str
    comment_id: str
    item_id: str
    version: int = Field(description="Of the comment, that was judged")
    content_digest: str | None = Field(default=None, description=_DIGEST)
    action: Literal["approve", "reject", "undo", "withdraw", "erase"]
    reason: str
    undoes: str | None = None
    bulk: str | None = None
    appeal_of: str | None = None
    overturned: bool | None = None
    reply: str | None = None
    author_message: Texts | None = Field(None, description=_TO_AUTHOR)
    reports: list[str] | None = Field(
        None, description="Of an answer to readers' reports, their ids"
    )
    answered_by: str | None = Field(
        None, description="Of such an answer, the decision that made it"
    )
    outcome: Literal["removed", "kept", "withdrawn"] | None = Field(
        None, description="Of such an answer, what became of the comment"
    )


class DecisionLine(ToldDecision):
    """A line of `GET /v1/decisions`: what a webhook tells, and what training can learn from it."""

    id: str = Field(
        description="Id of the comment; with `#author.name` behind where the display name was "
        "judged, which then is the text"
    )
    text: str | None = Field(
        None, description="Where training can learn from it: it is kept, and the decision stands"
    )
    labels: dict[Label, Probability] = Field(description="What was observed; 0 where it was not")
    source: str
    type: Literal["decision.recorded", "decision.undone", "report.resolved"]
    decided_at: str = Field(description="ISO 8601, UTC")
    author_id: str | None = None
    author_name: str | None = None
    article_title: str | None = None
    dialect: str | None = None
    site: str | None = None
    seen_for: Reason | None = None
    sampling_probability: Probability | None = None


class ReviewState(BaseModel):
    """Where a comment waits for a person."""

    item_id: str
    state: str
    sampling_probability: Probability


class CommentAnswer(BaseModel):
    """What Hakam says about one comment."""

    id: str | None
    action: Literal["approve", "review", "reject"]
    label: Label | None
    field: Literal["text", "author.name"] | None
    reason: Reason
    script: str = Field(description="ISO 15924 code of the text's script; Zyyy without letters")
    unsupported_language: str | None = Field(
        description="BCP 47 tag of a language that the classifier has not learned, as fa or ur: a "
        "remark, the text is scored all the same"
    )
    scores: dict[Label, Probability]
    author_scores: dict[Label, Probability] | None
    evidence: list[Evidence]
    sentence: list[SentenceEvidence] = Field(
        description="What the sentence as a whole adds, for each flagged field that the sentence "
        "scorer has read"
    )
    findings: list[Finding] = Field(
        description="Personal data, and links to hosts that the site does not allow; of each kind "
        "only where the site does not ignore it"
    )
    n_copies: int | None = Field(
        description="How often this text or nearly this came within a day, this time included; 0 "
        "for one that is too short to count. null where it was not counted before the answer: the "
        "site minds neither copies nor floods, and nobody need see the comment"
    )
    model_version: str
    readers: list[Reader] = Field(
        description="Who read the text and the display name: the word scorer alone, or the "
        "sentence scorer as well, where the first hesitated over one of them"
    )
    version: int | None = Field(
        description="Of the comment: 1, and one more each time it came with another text or "
        "display name, as far as something was kept of it. null where nothing is stored "
        "(`/v1/score`), or while the store cannot be asked"
    )
    content_digest: str = Field(description=_DIGEST)
    review: ReviewState | None = Field(description="While it waits for a person")
    decision: RecordedDecision | None = Field(description="Once it was decided")


class WebhookDecision(ToldDecision):
    """What a webhook tells of a decision: no text of the comment, no moderator."""

    labels: list[Label]
    source: Literal["moderator", "moderator_external", "policy", "site"]
    notices: dict[str, Texts] | None = Field(
        None,
        description="Of an answer to reports: of each what its reader can be told (Art. 16(5) DSA)",
    )
    contacts: dict[str, str] | None = Field(
        None,
        description="Of an answer to reports: where to tell it, of those who said so. Personal "
        "data; Hakam forgets them once this message is taken.",
    )


class WebhookAuthor(BaseModel):
    """What a webhook tells of an author: what follows from rejections, or what a senior wants."""

    decision_id: str = Field(description="Position in the site's stream of decisions")
    author_id: str
    comment_id: str | None = Field(
        None, description="The comment whose decision made it; absent where a person did"
    )
    n_rejections: int = Field(description="Of the author in the last thirty days")
    reason: str | None = Field(None, description="For which the site is asked to do it")
    held_until: str | None = Field(
        None, description="Until when all that the author writes waits for a person, ISO 8601, UTC"
    )
    until: str | None = Field(
        None,
        description="Until when the site is asked to mute or block the author, ISO 8601, UTC; "
        "absent for no end",
    )


class WebhookMessage(BaseModel):
    """The body of a webhook (Standard Webhooks); absent is what does not apply."""

    type: Literal[
        "decision.recorded",
        "decision.undone",
        "report.resolved",
        "author.warned",
        "author.held",
        "author.released",
        "author.mute_requested",
        "author.block_requested",
        "author.restore_requested",
        "webhook.test",
    ]
    timestamp: str
    data: WebhookDecision | WebhookAuthor | dict[str, None]


class FieldProblem(BaseModel):
    """One wrong field."""

    field: str
    message: str


class Problem(BaseModel):
    """An error answer, RFC 9457."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[FieldProblem] = []
    versions: list[str] = []
    after: str | None = None
    lost_since: str | None = None
    lost_until: str | None = None
    request_id: str


class CommentResult(BaseModel):
    """What became of one of the comments that were sent together: its answer, or its problem."""

    status: int
    answer: CommentAnswer | None = None
    problem: Problem | None = None
    retry_after: int | None = None
