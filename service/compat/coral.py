"""Coral's external moderation phase and its webhooks.

Coral's toxicity setting needs nothing here: it speaks Perspective's format. The phase asks about
every comment that nothing earlier has decided, and waits 200 ms; whatever is not a good answer in
time means to Coral that we have no opinion, and the comment is published. So every genuine question
gets a verdict. What cannot be judged, for whatever reason, is withheld and waits in Coral's own
queue; so is what should come before our moderators and cannot be stored.

A request is genuine when its signature over the raw body fits one of the site's Coral secrets. It
carries neither time nor nonce, so a replay cannot be told apart; it is harmless, because the same
comment is queued once.
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, g, request
from pydantic import TypeAdapter

from models.characters import is_visible
from service.api.bodies import raw_body, read_json, validate
from service.api.openapi import Operation, describes
from service.api.schemas import Problem, Url
from service.compat.answers import as_json
from service.delivery.coral import coral_comment_id, opaque_id, rejection_code, valid_text
from service.errors import InvalidRequest, StoreUnavailable, Unauthorized
from service.moderation import Judgement
from service.problems import answer_error, note
from service.queue.review_queue import Comment
from service.rules.html_text import plain_text
from service.services import services
from service.sites.sites import Site

# Coral takes half a megabyte from a reader, and marks every link, which makes it twenty times more.
MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_JUDGED_BYTES = 64 * 1024  # of a comment: what can be judged in the time that Coral waits

blueprint = Blueprint("coral", __name__, url_prefix="/integrations/coral")

NO_OPINION = 204

_URL = TypeAdapter(Url)


SIGNED: dict[str, Any] = {
    "security": ("coral_signature",),
    "parameters": {"site": "Id of the site whose secret signed the request."},
}
QUESTION = {
    "type": "object",
    "description": "Coral's question of the external moderation phase; unknown members are "
    "ignored. Whatever cannot be judged is withheld.",
    "properties": {
        "action": {"type": "string", "description": "`NEW` or `EDIT`."},
        "comment": {"type": "object", "description": "`body` and `parentID`."},
        "author": {"type": "object", "description": "`id` and `role`."},
        "story": {"type": "object", "description": "`id` and `url`."},
    },
}
EVENT = {
    "type": "object",
    "description": "A message of Coral's webhooks; those of other types are ignored.",
    "properties": {
        "type": {"type": "string", "description": "`COMMENT_LEFT_MODERATION_QUEUE`."},
        "data": {"type": "object", "description": "`commentID` and `status`."},
    },
}
VERDICT = {
    "type": "object",
    "description": "What should happen to the comment, in Coral's words.",
    "required": ["status"],
    "properties": {
        "status": {
            "type": "string",
            "enum": ["SYSTEM_WITHHELD", "REJECTED"],
            "description": "Its status.",
        },
        "actions": {"type": "array", "items": {"type": "object"}, "description": "Flags."},
        "moderationAction": {"type": "object", "description": "The reason of a rejection."},
    },
}


@blueprint.post("/moderate")
@describes(Operation({200: VERDICT, NO_OPINION: None}, QUESTION, errors={401: Problem}, **SIGNED))
def moderate() -> Response:
    """Say what should happen to a comment that is about to be published."""
    site, raw = _genuine()
    services().quota.spend(site)
    asked = read_json(raw)
    body = _field(asked, "comment", "body")
    if not isinstance(body, str):
        raise InvalidRequest.of("comment.body", "must be a text")
    if len(body) > MAX_JUDGED_BYTES or len(valid_text(body).encode()) > MAX_JUDGED_BYTES:
        raise InvalidRequest.of("comment.body", f"must have at most {MAX_JUDGED_BYTES:,} bytes")
    text = plain_text(valid_text(body))
    if not is_visible(text):
        return Response(status=NO_OPINION)
    g.n_comments = 1
    judgement, _ = services().coral_moderation.submit(site, _comment(asked, body, text))
    return _opinion(judgement)


@blueprint.post("/events")
@describes(
    Operation(
        {204: None}, EVENT, errors=dict.fromkeys((400, 401, 413, 415, 503), Problem), **SIGNED
    )
)
def hear() -> Response:
    """Take note that moderators of Coral may have decided about a comment."""
    site, raw = _genuine()
    services().quota.note(site)  # Coral disables an endpoint that fails ten times
    event = read_json(raw)
    comment_id = opaque_id(_field(event, "data", "commentID"))
    decided = _field(event, "data", "status") in ("APPROVED", "REJECTED")
    if _field(event, "type") == "COMMENT_LEFT_MODERATION_QUEUE" and decided and comment_id:
        try:
            services().coral.note(site.id, comment_id)
        except StoreUnavailable as error:  # for the same reason
            note(error)
    return Response(status=204)


@blueprint.errorhandler(Exception)
def _withhold(error: Exception) -> Response:
    """Withhold a comment about which we cannot say anything; Coral publishes on any error."""
    asked = request.endpoint == f"{blueprint.name}.{moderate.__name__}"
    if not asked or isinstance(error, Unauthorized):
        return answer_error(error)
    note(error)
    reason = type(error).__name__
    if isinstance(g.error, str):
        g.error = f"withheld: {reason}"
    services().metrics.count_withheld("coral", reason)
    return as_json({"status": "SYSTEM_WITHHELD"})


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


def _field(value: Any, *path: str) -> Any:
    """Return what stands at a path of an object, or None; Coral may add to its messages."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _comment(asked: Any, body: str, text: str) -> Comment:
    story, author = (
        opaque_id(_field(asked, "story", "id")),
        opaque_id(_field(asked, "author", "id")),
    )
    url = ""
    with suppress(InvalidRequest):
        url = validate(_URL, _field(asked, "story", "url"))
    return Comment(
        id=coral_comment_id(story, author, body),
        text=text,
        author_id=author,
        article_id=story,
        article_url=url,
        parent_id=opaque_id(_field(asked, "comment", "parentID")),
    )


def _opinion(judgement: Judgement) -> Response:
    verdict = judgement.verdict
    if verdict.action == "approve" or verdict.only_sampled:
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
