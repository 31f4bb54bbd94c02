"""Routes of the API: comments, decisions, health, metrics and the OpenAPI document.

Views translate, nothing more: `operation` finds the site of the key and checks body and query,
then a view turns the request into words of the product and the answer back. The reasons behind
what is answered live in `moderation`, `policy` and `review_queue`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flask import Response, current_app, g, jsonify, url_for
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from service.api.openapi import Lines, document
from service.api.operation import operation
from service.api.schemas import (
    CommentAnswer,
    DecisionLine,
    DecisionsQuery,
    RecordedDecision,
    ReviewState,
    ScoreBody,
    ScoredComment,
    SubmittedComment,
)
from service.moderation import Judgement
from service.queue.records import content_digest, news, type_of_news
from service.queue.review_queue import Comment, Decision, Enqueued
from service.services import services
from service.sites.sites import Site

NDJSON = "application/x-ndjson"


# Comments


@operation(
    "POST",
    "/v1/score",
    body=ScoreBody,
    answers={200: CommentAnswer | list[CommentAnswer]},
    max_body_bytes=sys.maxsize,  # up to 1,000 comments: as much as the settings allow
)
def score(site: Site, body: ScoredComment | list[ScoredComment]) -> Any:
    """Score one comment or up to 1,000 of them.

    Nothing is stored, queued or drawn for the random sample. The answer has the shape of the
    request: an object for an object, a list in the same order for a list.
    """
    comments = body if isinstance(body, list) else [body]
    g.n_comments = len(comments)
    sent = [comment.to_comment() for comment in comments]
    judgements = services().moderation.judge(site, sent)
    answers = [
        _comment_answer(comment, judgement)
        for comment, judgement in zip(sent, judgements, strict=True)
    ]
    return answers if isinstance(body, list) else answers[0]


@operation(
    "POST",
    "/v1/comments",
    body=SubmittedComment,
    answers={200: CommentAnswer, 202: CommentAnswer},
)
def moderate(site: Site, body: SubmittedComment) -> Any:
    """Decide about a comment, or put it before a person.

    200: the comment may be published (`approve`) or must not be (`reject`). 202: a person will
    decide, and the site is told by webhook or finds the decision under `/v1/decisions`. 503: the
    comment needs a person and could not be stored; send it again after Retry-After.

    Send an edited comment again under the same id: it is judged anew, and its earlier text leaves
    the queue even if the new one needs nobody. `version` counts the edits, and `content_digest`
    says which text and display name are meant; what is told later carries both. The same comment
    sent again gets the decision, once there is one.
    """
    g.n_comments = 1
    comment = body.to_comment()
    judgement, standing = services().moderation.submit(site, comment)
    answer = _comment_answer(comment, judgement, standing)
    return answer, 202 if answer.action == "review" else 200


def _comment_answer(
    comment: Comment, judgement: Judgement, standing: Enqueued | None = None
) -> CommentAnswer:
    verdict, signals = judgement.verdict, judgement.signals
    review, decision = None, None
    if standing and standing.waits:
        review = ReviewState(
            item_id=standing.item_id,
            state=standing.state,
            sampling_probability=verdict.sampling_probability,
        )
    if standing and standing.decision:
        last = standing.decision
        decision = RecordedDecision(
            decision_id=last.decision_id, action=last.action, decided_at=_iso(last.decided_at)
        )
    return CommentAnswer(
        id=comment.id or None,
        action=verdict.action,
        label=verdict.label,
        field=verdict.field,
        reason=verdict.reason,
        script=judgement.language.script,
        unsupported_language=judgement.language.unsupported or None,
        scores=_rounded(signals.scores),
        author_scores=_rounded(signals.author_scores) if signals.author_scores else None,
        evidence=list(judgement.evidence),
        model_version=verdict.model_version,
        version=standing.version if standing else None,
        content_digest=content_digest(comment),
        review=review,
        decision=decision,
    )


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat("T", "milliseconds")


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {label: round(score, 6) for label, score in scores.items()}


# Decisions


@operation(
    "GET",
    "/v1/decisions",
    query=DecisionsQuery,
    answers={200: Lines(DecisionLine)},
    problems=(410,),
    headers={
        "Hakam-Cursor": "The position to read on from, as `after`",
        "Hakam-Damaged": "Number of entries that cannot be read and have no line",
        "Link": "The next request, while there is more (rel=next)",
    },
)
def decisions(site: Site, query: DecisionsQuery) -> Response:
    """Read decisions as labelled comments, oldest first, one JSON object per line.

    Whoever reads all lines knows what the webhook tells: each decision of a person and each undo,
    in order, but none about a text that has been replaced since. A line that training can learn
    from has the text. The header `Hakam-Cursor` holds the position after the last entry read: the
    `after` of the next request. While there are more, `Link` names that request (rel="next").
    What has no line takes a position all the same. Who decided is not said. Decisions that were
    archived cannot be read any more: 410 says after which one to read on.
    """
    found = services().decisions.read(site.id, query.after, query.limit)
    lines = (line for entry in found if (line := _line(site, entry)))
    answer = Response("".join(f"{line}\n" for line in lines), content_type=NDJSON)
    cursor = found[-1].id if found else query.after
    answer.headers["Hakam-Cursor"] = cursor
    if n_damaged := sum(entry.kind == "damaged" for entry in found):
        answer.headers["Hakam-Damaged"] = str(n_damaged)
    if len(found) == query.limit:
        following = url_for("api.decisions", after=cursor, limit=query.limit)
        answer.headers["Link"] = f'<{following}>; rel="next"'
    return answer


def _line(site: Site, entry: Decision) -> str:
    if not entry.is_news:
        return ""
    told = news(entry)
    told |= {"id": entry.comment_id, "labels": dict.fromkeys(entry.labels, 1.0)}
    if learned := entry.to_labeled_comment(site.id):
        told |= {name: value for name, value in asdict(learned).items() if value}
    line = DecisionLine(
        **told | {"type": type_of_news(entry.kind), "decided_at": _iso(entry.decided_at)}
    )
    return line.model_dump_json(exclude_none=True)


# For operators


class Health(BaseModel):
    """A service that answers."""

    status: str
    model_version: str
    notice: str | None = Field(
        default=None, description="What to look at although all work is done."
    )


@operation("GET", "/healthz", answers={200: Health}, needs_key=False)
def healthz() -> Health:
    """Say that the service runs. Asks nobody else: a restart does not repair Redis."""
    return Health(status="ok", model_version=services().artifact.version)


@operation("GET", "/readyz", answers={200: Health}, needs_key=False, problems=(503,))
def readyz() -> Health:
    """Say whether the service can do all its work, or what is wrong.

    503 while Redis is away, takes no writes, could lose comments or has lost some. Comments that
    need no person are answered even then, so take a worker out of service by this only when another
    one is better off.
    """
    services().durability.check()
    return Health(
        status="ready",
        model_version=services().artifact.version,
        notice=services().notice or None,
    )


@operation("GET", "/metrics", answers={200: CONTENT_TYPE_LATEST}, needs_key=False)
def metrics() -> Response:
    """Show the numbers of all workers in Prometheus' text format."""
    return Response(services().metrics.render(), content_type=CONTENT_TYPE_LATEST)


@operation(
    "GET", "/openapi.json", answers={200: "application/json"}, needs_key=False, problems=(421,)
)
def openapi() -> Response:
    """Show this description of the API."""
    return jsonify(document(current_app, services().settings.public_url))
