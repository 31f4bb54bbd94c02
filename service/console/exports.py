"""Exports for administrators: decisions to learn from, and what the Digital Services Act asks for.

They are written while they are read, a page of decisions at a time, so that none is in memory as a
whole. Personal data are masked; who takes them out all the same is asked for the own password, and
stands in the trail.
"""

import datetime
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice

from flask import Blueprint, Response, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue

from models.schema import FIELDS, LabeledComment, write_comments
from models.spreadsheets import Cell, as_csv
from service.console.confirmation import asked_again
from service.console.permissions import by_me, needs, site_for
from service.console.vocabulary import gettext as _
from service.errors import InvalidRequest
from service.queue.decisions import place
from service.queue.records import Decision
from service.reports.transparency import period_statistics, statements
from service.rules.personal_data import without_personal_data
from service.rules.times import EARLIEST, LATEST
from service.services import services
from service.sites.site import Site
from service.store.trail import Entry

bp = Blueprint("exports", __name__)

AT_ONCE = 500  # lines that are written together
_TYPES = {"jsonl": "application/x-ndjson", "json": "application/json", "csv": "text/csv"}


@bp.get("/<site_id>/exports")
@needs("admin")
def index(site_id: str) -> str:
    """Show what can be taken out."""
    return _page(site_for(site_id))


@bp.post("/<site_id>/exports/decisions")
@needs("admin")
def decisions(site_id: str) -> ResponseReturnValue:
    """Write what was decided as labelled comments, as `hakam decisions export` does."""
    site, form = site_for(site_id), _one_of(("jsonl", "csv"))
    shows = "personal_data" in request.form
    if shows:
        question = asked_again(
            _("Take personal data out"),
            [
                _("The file holds phone numbers, addresses, accounts and ids as written."),
                _("That you took them out stands in the trail of changes."),
            ],
            _("Take out"),
            url_for(".index", site_id=site.id),
        )
        if question:
            return question
        services().trail.note(site.id, Entry("export", by_me(), "decisions"))
    found = (one.to_labeled_comment(site.id) for one in services().decisions.history(site.id))
    comments = (one if shows else without_personal_data(one) for one in found if one)
    text = _as_csv(comments) if form == "csv" else _as_lines(comments)
    return _file(text, f"{site.id}-decisions.{form}", form)


@bp.post("/<site_id>/exports/transparency")
@needs("admin")
def transparency(site_id: str) -> ResponseReturnValue:
    """Write numbers of a period, or statements of reasons, as `hakam transparency` does."""
    site, form = site_for(site_id), _one_of(("json", "csv", "jsonl"))
    start, end = _day("start"), _day("end")
    if not start or not end or start >= end:
        return _page(site, complaint=_("Choose two days, the first before the second.")), 422
    after = str(int(start.timestamp() * 1000))
    if place(after) < place(services().decisions.anchor(site.id).id):
        told = _("Decisions of that time are in an archive; hakam transparency reads it.")
        return _page(site, complaint=told), 422
    entries = services().decisions.history(site.id, after)
    name = f"{site.id}-{start:%Y-%m-%d}-{end:%Y-%m-%d}.{form}"
    if form == "jsonl":
        told_until = end.date().isoformat()
        lines = (
            json.dumps(one, ensure_ascii=False) + "\n"
            for one in statements(site.id, entries)
            if str(one["application_date"]) < told_until
        )
        return _file(lines, name, form)
    return _file(_numbers(site, entries, start, end, form), name, form)


def _numbers(
    site: Site,
    entries: Iterable[Decision],
    start: datetime.datetime,
    end: datetime.datetime,
    form: str,
) -> Iterator[str]:
    found = period_statistics(site.id, entries, start, end)
    yield found.to_csv() if form == "csv" else json.dumps(asdict(found), ensure_ascii=False)


def _as_lines(comments: Iterable[LabeledComment]) -> Iterator[str]:
    for some in _batches(comments):
        out = io.StringIO()
        write_comments(some, out)
        yield out.getvalue()


def _as_csv(comments: Iterable[LabeledComment]) -> Iterator[str]:
    yield as_csv([FIELDS])
    for some in _batches(comments):
        yield as_csv([_row(comment) for comment in some])


def _batches(comments: Iterable[LabeledComment]) -> Iterator[list[LabeledComment]]:
    rest = iter(comments)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _row(comment: LabeledComment) -> list[Cell]:
    cells = {name: getattr(comment, name) for name in FIELDS}
    labels = (f"{label}={share:g}" for label, share in comment.labels.items())
    return list((cells | {"labels": " ".join(labels)}).values())


def _file(parts: Iterable[str], name: str, form: str) -> Response:
    """Answer with a file; the first part is made before, so that an error still has its page."""
    rest = iter(parts)
    first = list(islice(rest, 1))

    def text() -> Iterator[str]:
        yield from first
        yield from rest

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(
        stream_with_context(text()),
        mimetype=_TYPES[form],
        content_type=f"{_TYPES[form]}; charset=utf-8",
        headers=headers,
    )


def _one_of(forms: tuple[str, ...]) -> str:
    form = request.form.get("form", forms[0])
    if form not in forms:
        raise InvalidRequest.of("form", f"expected one of {', '.join(forms)}")
    return form


def _day(name: str) -> datetime.datetime | None:
    try:
        day = datetime.datetime.fromisoformat(request.form.get(name, "")).replace(
            tzinfo=datetime.UTC
        )
    except ValueError:
        return None
    return day if EARLIEST.year <= day.year < LATEST.year else None


def _page(site: Site, **shown: object) -> str:
    return render_template("exports.html", site=site, **shown)
