"""Coral's external moderation phase and its webhooks.

Coral publishes a comment about which it gets no good answer within 200 ms. So every request whose
signature fits a secret of the site gets a verdict, and what cannot be judged or stored is withheld.
A replayed request does no harm: the same comment is queued once.
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from typing import Annotated, Any, Literal

from flask import Blueprint, Response, g, request
from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, model_validator

from models.characters import is_visible
from service.api.bodies import raw_body, read_json, validate
from service.api.openapi import Operation, describes
from service.api.schemas import Problem, Url
from service.compat.answers import as_json, withheld
from service.delivery.coral import coral_comment_id, opaque_id, rejection_code, valid_text
from service.errors import InvalidRequest, StoreUnavailable, Unauthorized
from service.moderation import Judgement
from service.problems import answer_error, note
from service.queue.records import Comment
from service.rules.html_text import plain_text
from service.rules.policy import Verdict
from service.services import services
from service.sites.site import Site

# Coral takes half a megabyte from a reader, and marks every link, which makes it twenty times more.
MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_JUDGED_BYTES = 64 * 1024  # of a comment: what can be judged in the time that Coral waits

blueprint = Blueprint("coral", __name__, url_prefix="/integrations/coral")

NO_OPINION = 204


def _read_url(value: Any) -> str:
    with suppress(InvalidRequest):
        return validate(_URL, value)
    return ""


_URL = TypeAdapter(Url)
OpaqueId = Annotated[str, BeforeValidator(opaque_id)]
StoryUrl = Annotated[str, BeforeValidator(_read_url)]


class _Part(BaseModel):
    """A part of a message of Coral; unknown members are ignored, and what is no object is empty."""

    @model_validator(mode="before")
    @classmethod
    def _object(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {}


class QuestionComment(_Part):
    """The comment that is about to be published."""

    body: str = Field(description="What was written, HTML or plain.")
    parent_id: OpaqueId = Field(
        default="", alias="parentID", description="Id of what it replies to."
    )


class QuestionAuthor(_Part):
    """Who wrote it."""

    id: OpaqueId = Field(default="", description="Coral's id of the author.")


class QuestionStory(_Part):
    """What was commented on."""

    id: OpaqueId = Field(default="", description="Coral's id of the story.")
    url: StoryUrl = ""


class Question(_Part):
    """Coral's question of the external moderation phase. Whatever cannot be judged is withheld."""

    comment: QuestionComment
    author: QuestionAuthor = QuestionAuthor()
    story: QuestionStory = QuestionStory()


class EventData(_Part):
    """What happened to a comment."""

    comment_id: OpaqueId = Field(
        default="", alias="commentID", description="Coral's id of the comment."
    )
    status: Any = Field(default=None, description="`APPROVED` and `REJECTED` are decisions.")


class Event(_Part):
    """A message of Coral's webhooks; those of other types are ignored."""

    type: Any = Field(default=None, description="`COMMENT_LEFT_MODERATION_QUEUE`.")
    data: EventData = EventData()


class Opinion(BaseModel):
    """What should happen to the comment, in Coral's words."""

    status: Literal["SYSTEM_WITHHELD", "REJECTED"] = Field(description="Its status.")
    actions: list[dict[str, str]] = Field(default=[], description="Flags.")
    moderation_action: dict[str, Any] | None = Field(
        default=None,
        serialization_alias="moderationAction",
        description="The reason of a rejection.",
    )


SIGNED: dict[str, Any] = {
    "security": ("coral_signature",),
    "parameters": {"site": "Id of the site whose secret signed the request."},
}


@blueprint.post("/moderate")
@describes(Operation({200: Opinion, NO_OPINION: None}, Question, errors={401: Problem}, **SIGNED))
def moderate() -> Response:
    """Say what should happen to a comment that is about to be published."""
    site, raw = _genuine()
    services().quota.spend(site)
    asked = validate(Question, read_json(raw))
    body = asked.comment.body
    if len(body) > MAX_JUDGED_BYTES or len(valid_text(body).encode()) > MAX_JUDGED_BYTES:
        raise InvalidRequest.of("comment.body", f"must have at most {MAX_JUDGED_BYTES:,} bytes")
    text = plain_text(valid_text(body))
    if not is_visible(text):
        return Response(status=NO_OPINION)
    g.n_comments = 1
    judgement, _ = services().coral_moderation.submit(site, _comment(asked, text))
    return _opinion(judgement)


@blueprint.post("/events", endpoint="hear")
@describes(
    Operation(
        {204: None}, Event, errors=dict.fromkeys((400, 401, 413, 415, 503), Problem), **SIGNED
    )
)
def events() -> Response:
    """Take note that moderators of Coral may have decided about a comment."""
    site, raw = _genuine()
    services().quota.note(site)  # Coral disables an endpoint that fails ten times
    event = validate(Event, read_json(raw))
    decided = event.data.status in ("APPROVED", "REJECTED")
    if event.type == "COMMENT_LEFT_MODERATION_QUEUE" and decided and event.data.comment_id:
        try:
            services().coral.note(site.id, event.data.comment_id)
        except StoreUnavailable as error:  # for the same reason
            note(error)
    return Response(status=204)


@blueprint.errorhandler(Exception)
def _withhold(error: Exception) -> Response:
    """Withhold a comment about which we cannot say anything; Coral publishes on any error."""
    asked = request.endpoint == f"{blueprint.name}.{moderate.__name__}"
    if not asked or isinstance(error, Unauthorized):
        return answer_error(error)
    return withheld("coral", error, type(error).__name__, {"status": "SYSTEM_WITHHELD"})


def _genuine() -> tuple[Site, bytes]:
    """Return the site that the address names and the raw body, if the signature fits them."""
    raw = raw_body(MAX_BODY_BYTES)
    site_id = request.args.get("site", "")
    site = services().coral_sites.find(site_id, lambda one: _signed(raw, one.coral_secrets))
    if site is None:
        raise Unauthorized("the signature fits no secret of the site that the address names")
    g.site_id = site.id
    return site, raw


def _signed(raw: bytes, secrets: tuple[str, ...]) -> bool:
    parts = request.headers.get("X-Coral-Signature", "").split(",")[:16]
    given = [part.strip().removeprefix("sha256=").encode() for part in parts]
    wanted = [hmac.new(s.encode(), raw, hashlib.sha256).hexdigest().encode() for s in secrets]
    return any(hmac.compare_digest(one, other) for one in given for other in wanted)


def _comment(asked: Question, text: str) -> Comment:
    story, author = asked.story, asked.author.id
    return Comment(
        id=coral_comment_id(story.id, author, asked.comment.body),
        text=text,
        author_id=author,
        article_id=story.id,
        article_url=story.url,
        parent_id=asked.comment.parent_id,
    )


def _opinion(judgement: Judgement) -> Response:
    verdict = judgement.verdict
    if verdict.action == "approve" or verdict.only_asked:
        return Response(status=NO_OPINION)
    flags = [] if verdict.reason == "personal_data" else [_flag(verdict)]
    opinion = Opinion(status="SYSTEM_WITHHELD", actions=flags)
    if verdict.action == "reject":
        code = {"code": rejection_code(verdict.rejection_reason, ())}
        refused = {"status": "REJECTED", "rejectionReason": code}
        opinion = Opinion(status="REJECTED", actions=flags, moderation_action=refused)
    return as_json(opinion.model_dump(by_alias=True, exclude_defaults=True))


def _flag(verdict: Verdict) -> dict[str, str]:
    """Flag a comment with one of the two reasons that Coral takes from outside."""
    is_spam = verdict.label == "spam" or verdict.reason == "link"
    reason = "COMMENT_DETECTED_SPAM" if is_spam else "COMMENT_DETECTED_TOXIC"
    return {"actionType": "FLAG", "reason": reason}
