"""Decisions over HTTP: read them, appeal against one, record those of the site's own desk."""

from __future__ import annotations

from dataclasses import asdict
from itertools import takewhile
from typing import Annotated

from flask import Response, url_for
from pydantic import BaseModel, Field

from service.api.openapi import Lines
from service.api.operation import operation
from service.api.schemas import (
    Body,
    DecisionLine,
    DecisionsQuery,
    ExternalDecision,
    Id,
    Unicode,
)
from service.errors import SetBack
from service.queue.messages import told
from service.queue.records import NEWS_TYPES, Decision, Enqueued
from service.rules.personal_data import without_personal_data
from service.rules.times import iso_time
from service.services import services
from service.sites.site import Site


class Appeal(Body):
    """What an author says against a decision."""

    decision_id: Id
    statement: Annotated[Unicode, Field(max_length=4_000)] = ""


class Recorded(BaseModel):
    """The decision that stands, and whether this request recorded it."""

    recorded: bool
    decision: Decision


@operation(
    "GET",
    "/v1/decisions",
    name="decisions",
    query=DecisionsQuery,
    answers={200: Lines(DecisionLine)},
    problems=(409, 410),
    headers={
        "Hakam-Cursor": "The position to read on from, as `after`",
        "Hakam-Damaged": "Number of entries that cannot be read and have no line",
        "Link": "The next request, while there is more (rel=next)",
    },
)
def index(site: Site, query: DecisionsQuery) -> Response:
    """Read decisions as labelled comments, oldest first, one JSON object per line.

    Whoever reads all lines knows what the webhook tells: each decision of a person, each undo and
    each answer to readers' reports, in order, but none about a text that has been replaced since.
    Beside that it reads what the site's own desk has told (`source` is `moderator_external`). A
    line that training can learn from has the text, with personal data masked unless
    `personal_data=shown` asks for them. The header `Hakam-Cursor` holds the position after the last
    entry read: the `after` of the next request. While there are more, `Link` names that request
    (rel="next"). What has no line takes a position all the same. Who decided is not said.
    Decisions that were archived cannot be read any more: 410 says after which one to read on. So
    it does where the store was set back to a backup (`set-back`), with the times between which
    something may be lost. 409: no decision has had this position.
    """
    page = services().decisions.read(site.id, query.after, query.limit)
    if page and page[0].kind == "loss":
        lost = page[0]
        raise SetBack(iso_time(lost.lost_since), iso_time(lost.decided_at), lost.id)
    found = list(takewhile(lambda entry: entry.kind != "loss", page))
    lines = (line for entry in found if (line := _line(site, entry, query)))
    answer = Response("".join(f"{line}\n" for line in lines), content_type="application/x-ndjson")
    cursor = found[-1].id if found else query.after
    answer.headers["Hakam-Cursor"] = cursor
    if n_damaged := sum(entry.kind == "damaged" for entry in found):
        answer.headers["Hakam-Damaged"] = str(n_damaged)
    if len(page) == query.limit or len(found) < len(page):
        following = url_for(
            "api.decisions", after=cursor, limit=query.limit, personal_data=query.personal_data
        )
        answer.headers["Link"] = f'<{following}>; rel="next"'
    return answer


def _line(site: Site, entry: Decision, query: DecisionsQuery) -> str:
    if not entry.is_news:
        return ""
    line = told(site, entry, services().settings.public_url)
    line |= {"id": entry.comment_id, "labels": dict.fromkeys(entry.labels, 1.0)}
    if learned := entry.to_labeled_comment(site.id):
        if query.personal_data == "masked":
            learned = without_personal_data(learned)
        line |= {name: value for name, value in asdict(learned).items() if value}
    decided_at = iso_time(entry.decided_at, "milliseconds")
    line |= {"type": NEWS_TYPES[entry.kind], "decided_at": decided_at}
    return DecisionLine(**line).model_dump_json(exclude_none=True)


@operation(
    "POST",
    "/v1/decisions/external",
    body=ExternalDecision,
    answers={200: Recorded},
    problems=(409,),
)
def external(site: Site, body: ExternalDecision) -> Recorded:
    """Record what a person decided at the site's own desk.

    The site has the last word: a comment that waits here leaves the queue, whoever holds it;
    another decision on the same content is taken back; and a comment that was never sent is taken
    in. Nothing of it is told to the webhook. What says what was decided already, as the same
    request again does, changes nothing: `recorded` is false. 409: an appeal was decided otherwise.
    """
    comment = body.comment.to_comment()
    decision, recorded = services().moderation.decided_elsewhere(site, comment, body.to_draft())
    return Recorded(recorded=recorded, decision=decision)


@operation(
    "POST", "/v1/decisions/appeal", body=Appeal, answers={200: Enqueued}, problems=(404, 409)
)
def appeal(site: Site, body: Appeal) -> Enqueued:
    """Put a decided comment before somebody else, because its author asks for it."""
    target = site.time_target_seconds
    return services().queue.appeal(
        site.id, body.decision_id, body.statement, time_target_seconds=target
    )
