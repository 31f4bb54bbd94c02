"""Readers' reports over HTTP, for a site's own program: send one, ask what became of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from service.api.operation import operation
from service.api.schemas import ReportAnswer, ReportBody, Texts
from service.queue.messages import notice, receipt
from service.queue.records import Comment, Report
from service.rules.times import iso_time
from service.services import services
from service.sites.site import Site


@operation(
    "POST",
    "/v1/reports",
    name="report",
    body=ReportBody,
    answers={202: ReportAnswer, 200: ReportAnswer},
    problems=(409,),
)
def create(site: Site, body: ReportBody) -> Any:
    """Take in a reader's report about a published comment.

    202: the comment is before people again, and stays published until they decide; the outcome
    comes as `report.resolved` to the webhook, and stands at `/v1/reports/{report_id}`. 200: it is
    answered already, because the comment was removed before, or somebody decided about other
    reports of the same text. The same reader's report about the same comment is taken once. 409
    `unknown-comment`: nothing is kept of the comment here; send the report again with `comment`.
    429 `too-many-reports`: this reader has reported enough today, or enough reports wait.
    """
    comment = Comment(id=body.comment_id)
    if body.comment:
        comment = replace(body.comment.to_comment(), id=body.comment_id)
    report, _new = services().moderation.report(
        site,
        comment,
        judged=body.comment is not None,
        reason=body.reason,
        reporter=body.reporter_id,
        explanation=body.explanation.strip(),
        contact=body.contact.strip(),
    )
    return _answer(site, report), 200 if report.outcome else 202


@operation("GET", "/v1/reports/<report_id>", answers={200: ReportAnswer}, problems=(404,))
def show(site: Site, report_id: str) -> ReportAnswer:
    """Say what became of a report."""
    return _answer(site, services().reports.get(site.id, report_id))


def _answer(site: Site, report: Report) -> ReportAnswer:
    told = notice(site, report)
    return ReportAnswer(
        id=report.id,
        comment_id=report.comment_id,
        item_id=report.item_id,
        reason=report.reason,
        state="resolved" if report.outcome else "waiting",
        outcome=report.outcome,
        decision_id=report.decision_id or None,
        received_at=iso_time(report.received_at, "milliseconds"),
        resolved_at=iso_time(report.resolved_at, "milliseconds") if report.outcome else None,
        receipt=Texts(**receipt(site, report)),
        notice=Texts(**told) if told else None,
    )
