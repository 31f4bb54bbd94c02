"""Comments over HTTP: score, moderate, withdraw."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from flask import g
from pydantic import BaseModel

from service.api.operation import operation
from service.api.pins import each_moderation_by, moderation_by, moderations_by
from service.api.schemas import (
    Body,
    CommentAnswer,
    CommentResult,
    Id,
    Problem,
    RecordedDecision,
    ReviewState,
    ScoreBody,
    ScoredComment,
    SubmittedBody,
    SubmittedComment,
    Texts,
)
from service.errors import InvalidRequest, RateLimited, ServiceError, status_of
from service.moderation import Judgement
from service.problems import headers_of, note, problem_about
from service.queue.messages import author_message
from service.queue.records import Comment, Decision, Enqueued, LastWord, content_digest
from service.rules.policy import Verdict
from service.rules.repeats import Seen
from service.rules.times import iso_time
from service.services import services
from service.sites.site import Site


class Withdrawal(Body):
    """A comment that the site has removed, or whose author has."""

    id: Id


class Withdrawn(BaseModel):
    """Whether the comment was waiting for a decision."""

    withdrawn: bool


@operation(
    "POST",
    "/v1/score",
    body=ScoreBody,
    answers={200: CommentAnswer | list[CommentAnswer]},
    problems=(409,),
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
    places = defaultdict[str | None, list[int]](list)
    for place, comment in enumerate(comments):
        places[comment.model_version].append(place)
    found: dict[int, Judgement] = {}
    for version, moderation in moderations_by(places).items():
        judgements = moderation.judge(site, [sent[place] for place in places[version]])
        found |= zip(places[version], judgements, strict=True)
    answers = [_comment_answer(site, comment, found[place]) for place, comment in enumerate(sent)]
    return answers if isinstance(body, list) else answers[0]


@operation(
    "POST",
    "/v1/comments",
    name="moderate",
    body=SubmittedBody,
    answers={
        200: CommentAnswer | list[CommentResult],
        202: CommentAnswer,
        207: list[CommentResult],
    },
    problems=(409,),
    max_list_bytes=sys.maxsize,  # up to 100 comments: as much as the settings allow
)
def create(site: Site, body: SubmittedComment | list[SubmittedComment | InvalidRequest]) -> Any:
    """Decide about a comment, or put it before a person; or up to 100 of them.

    200: the comment may be published (`approve`) or must not be (`reject`). 202: a person will
    decide, and the site is told by webhook or finds the decision under `/v1/decisions`. 503: the
    comment needs a person and could not be stored; send it again after Retry-After.

    Send an edited comment again under the same id: it is judged anew, and its earlier text leaves
    the queue even if the new one needs nobody. `version` counts the edits, and `content_digest`
    says which text and display name are meant; what is told later carries both. The same comment
    sent again gets the decision, once there is one.

    A list of comments is answered by a list in the same order, as if each had been sent alone, one
    after the other: `status` is what its answer would have had, with `answer` or `problem`. 200:
    all have an answer; 207: at least one has a problem. Each counts against the quota of the site.
    """
    if isinstance(body, list):
        return _create_many(site, body)
    g.n_comments = 1
    comment = body.to_comment()
    judgement, standing = moderation_by(body.model_version).submit(site, comment)
    answer = _comment_answer(site, comment, judgement, standing)
    return answer, _status_of(answer)


def _create_many(
    site: Site, body: Sequence[SubmittedComment | InvalidRequest]
) -> tuple[list[CommentResult], int]:
    g.n_comments = len(body)
    found: dict[int, CommentAnswer | ServiceError] = {}
    ready = list[tuple[int, SubmittedComment]]()
    for place, one in enumerate(body):
        try:
            if place:  # the request itself has counted as one
                services().quota.spend(site)
        except RateLimited as refusal:
            found[place] = refusal
            continue
        if isinstance(one, InvalidRequest):
            found[place] = one
        else:
            ready.append((place, one))
    judging = each_moderation_by(one.model_version for _, one in ready)
    for version, run in groupby(ready, key=lambda pair: pair[1].model_version):
        places, sent = zip(*((place, one.to_comment()) for place, one in run), strict=True)
        moderation = judging[version]
        if isinstance(moderation, ServiceError):
            found |= dict.fromkeys(places, moderation)
            continue
        for place, comment, stood in zip(
            places, sent, moderation.submit_all(site, sent), strict=True
        ):
            found[place] = (
                stood if isinstance(stood, ServiceError) else _comment_answer(site, comment, *stood)
            )
    faults = [one for _, one in sorted(found.items()) if isinstance(one, ServiceError)]
    if faults:
        note(faults[0])
    results = [_result(found[place]) for place in range(len(body))]
    return results, 207 if faults else 200


def _result(found: CommentAnswer | ServiceError) -> CommentResult:
    if isinstance(found, CommentAnswer):
        return CommentResult(status=_status_of(found), answer=found)
    after = headers_of(found).get("Retry-After")
    return CommentResult(
        status=status_of(found),
        problem=Problem.model_validate(problem_about(found)),
        retry_after=int(after) if after else None,
    )


def _status_of(answer: CommentAnswer) -> int:
    return 202 if answer.action == "review" else 200


@operation(
    "POST", "/v1/comments/withdraw", body=Withdrawal, answers={200: Withdrawn}, problems=(404,)
)
def withdraw(site: Site, body: Withdrawal) -> Withdrawn:
    """Take a comment out of the queue and delete its text; what is decided stays decided."""
    return Withdrawn(withdrawn=services().queue.withdraw(site.id, body.id))


def _comment_answer(
    site: Site, comment: Comment, judgement: Judgement, standing: Enqueued | None = None
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
        decided_at = iso_time(last.decided_at, "milliseconds")
        decision = RecordedDecision(
            decision_id=last.decision_id,
            action=last.action,
            decided_at=decided_at,
            author_message=_statement_of_reasons(site, verdict, last),
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
        sentence=list(judgement.sentence),
        findings=list(signals.findings),
        n_copies=signals.seen.n_copies if isinstance(signals.seen, Seen) else None,
        model_version=verdict.model_version,
        readers=list(judgement.readers),
        version=standing.version if standing else None,
        content_digest=content_digest(comment),
        review=review,
        decision=decision,
    )


def _statement_of_reasons(site: Site, verdict: Verdict, last: LastWord) -> Texts | None:
    """Return what the author of a comment can be told that the policy has just rejected."""
    if verdict.action != "reject" or verdict.reason == "decided":
        return None
    decision = Decision(
        "reject",
        (verdict.label,) if verdict.label else (),
        verdict.rejection_reason,
        source="policy",
        id=last.decision_id,
        enqueued_at=last.decided_at,
        decided_at=last.decided_at,
        verdict=verdict,
    )
    message = author_message(site, decision, services().settings.public_url)
    return Texts(**message) if message else None


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {label: round(score, 6) for label, score in scores.items()}
