"""Coral's external moderation phase and its webhooks.

Coral's toxicity setting needs nothing here: it speaks Perspective's format. The phase asks about
every comment that nothing earlier has decided, and waits 200 ms; whatever is not a good answer in
time means to Coral that we have no opinion, and the comment is published. So a comment that should
be withheld is withheld even when it cannot be queued with us: it then waits in Coral's own queue.

A request is genuine when its signature over the raw body fits one of the site's Coral secrets. It
carries neither time nor nonce, so a replay cannot be told apart; it is harmless, because the same
comment is queued once.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Literal

from flask import Blueprint, Response, g, request
from pydantic import BaseModel, ConfigDict, Field

from models.characters import is_visible
from service.bodies import MAX_TEXT_BYTES, Unicode, read_json, validate
from service.callers import raw_body, services
from service.compat.answers import as_json
from service.coral_loop import coral_comment_id, rejection_code
from service.errors import InvalidRequest, StoreUnavailable, Unauthorized
from service.html_text import plain_text
from service.moderation import Judgement
from service.review_queue import Comment
from service.sites import Site

MAX_BODY_BYTES = 1024 * 1024

blueprint = Blueprint("coral", __name__, url_prefix="/integrations/coral")

NO_OPINION = 204

_ID = r"^[A-Za-z0-9._-]{1,80}$"  # ids go into an id of ours


class Message(BaseModel):
    """A message of Coral; members that a later version adds are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, populate_by_name=True)


class CommentMessage(Message):
    """The comment; Coral gives it an id only after the phase."""

    body: Unicode
    parent_id: Unicode | None = Field(None, alias="parentID")


class AuthorMessage(Message):
    """Its author; the display name is not sent."""

    id: str = Field(pattern=_ID)
    role: str = ""


class StoryMessage(Message):
    """What it is about."""

    id: str = Field(pattern=_ID)
    url: Unicode = ""


class PhaseRequest(Message):
    """The question of the external moderation phase."""

    action: Literal["NEW", "EDIT"]
    comment: CommentMessage
    author: AuthorMessage
    story: StoryMessage


class EventData(Message):
    """What an event is about."""

    comment_id: str | None = Field(None, alias="commentID", pattern=_ID)
    story_id: str | None = Field(None, alias="storyID", pattern=_ID)


class Event(Message):
    """One delivery of Coral's webhooks."""

    type: str
    data: EventData = Field(default_factory=lambda: EventData.model_validate({}))


@blueprint.post("/moderate")
def moderate() -> Response:
    """Say what should happen to a comment that is about to be published."""
    site, raw = _genuine()
    asked = validate(PhaseRequest, read_json(raw))
    text = plain_text(asked.comment.body)
    if not is_visible(text):
        return Response(status=NO_OPINION)
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise InvalidRequest.of("comment.body", f"must have at most {MAX_TEXT_BYTES:,} bytes")
    g.n_comments = 1
    return _opinion(_judge(site, _comment(asked, text)))


@blueprint.post("/events")
def hear() -> Response:
    """Take note of the id that Coral has given to a comment."""
    site, raw = _genuine()
    event = validate(Event, read_json(raw))
    if event.data.comment_id and event.data.story_id:
        services().coral.note(site.id, event.data.story_id, event.data.comment_id)
    return Response(status=204)


def _genuine() -> tuple[Site, bytes]:
    """Return the site that the address names and the raw body, if the signature fits them."""
    raw = raw_body(MAX_BODY_BYTES)
    site = services().coral_sites.known(request.args.get("site", ""))
    if site is None or not _signed(raw, site.coral_secrets):
        raise Unauthorized("the signature fits no secret of the site that the address names")
    g.site_id = site.id
    return site, raw


def _signed(raw: bytes, secrets: tuple[str, ...]) -> bool:
    parts = request.headers.get("X-Coral-Signature", "").split(",")[:16]
    given = [part.strip().removeprefix("sha256=").encode() for part in parts]
    wanted = [hmac.new(s.encode(), raw, hashlib.sha256).hexdigest().encode() for s in secrets]
    return any(hmac.compare_digest(one, other) for one in given for other in wanted)


def _comment(asked: PhaseRequest, text: str) -> Comment:
    return Comment(
        id=coral_comment_id(asked.story.id, asked.author.id, asked.comment.body),
        text=text,
        author_id=asked.author.id,
        article_id=asked.story.id,
        article_url=asked.story.url if asked.story.url.startswith(("http://", "https://")) else "",
        parent_id=(asked.comment.parent_id or "")[:256],
    )


def _judge(site: Site, comment: Comment) -> Judgement:
    try:
        judgement, _ = services().coral_moderation.submit(site, comment)
    except StoreUnavailable:  # withheld all the same: Coral keeps what it withholds
        (judgement,) = services().coral_moderation.judge(site, [comment])
    return judgement


def _opinion(judgement: Judgement) -> Response:
    verdict = judgement.verdict
    if verdict.action == "approve" or verdict.reason == "audit":
        return Response(status=NO_OPINION)
    spam = verdict.label == "spam"
    reason = "COMMENT_DETECTED_SPAM" if spam else "COMMENT_DETECTED_TOXIC"
    answer: dict[str, Any] = {
        "status": "SYSTEM_WITHHELD",
        "actions": [{"actionType": "FLAG", "reason": reason}],
    }
    if verdict.action == "reject":
        answer["status"] = "REJECTED"
        code = {"code": rejection_code(verdict.label or "", ())}
        answer["moderationAction"] = {"status": "REJECTED", "rejectionReason": code}
    return as_json(answer)
