"""Author page: all comments of one author, what was decided, and what seniors do about them."""

import time

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.console.insight import drawn
from service.console.one_page import DAY, asked_id, comments_of, lists, names_in
from service.console.permissions import me, needs, site_for
from service.console.vocabulary import REASON_NAMES
from service.console.vocabulary import gettext as _
from service.errors import Conflict, InvalidRequest
from service.queue.authors import KINDS, Act
from service.queue.records import AuthorRecord
from service.reports.insight import Figure, Series
from service.rules.times import day_of, start_of
from service.services import services

bp = Blueprint("authors", __name__)

HOURS = (1, 24, 72, 168, 720, 2_160)  # for which seniors hold, mute or block
FOR_GOOD = "for_good"  # in place of hours, to block without an end
TO_SITE = ("warn", "mute", "block", "restore")  # which are nothing where it hears of nothing
N_WEEKS = 13


@bp.get("/<site_id>/authors")
def index(site_id: str) -> str:
    """Show what is kept of an author, what was decided, and what can be done."""
    site = site_for(site_id)
    author_id = asked_id(request.args.get("id"))
    page = services().authors.page(site.id, author_id)
    shown = lists(site, "author_id", author_id)
    figure = weeks(page.record, time.time())
    return render_template(
        "author.html",
        **shown,
        page=page,
        names=names_in(comments_of(shown), shows=shown["shows_personal_data"]),
        trusted=_is_trusted(page.record, site.trust_after),
        charts=drawn([figure]) if figure else [],
        hours=HOURS,
        for_good=FOR_GOOD,
    )


@bp.post("/<site_id>/authors")
@needs("senior")
def update(site_id: str) -> ResponseReturnValue:
    """Hold, release or warn an author, or ask the site to mute, block or restore them."""
    site = site_for(site_id)
    author_id = asked_id(request.form.get("id"))
    act = next((one for one in KINDS if one == request.form.get("act")), None)
    request_id = request.form.get("request_id", "")
    if act is None or not 0 < len(request_id) <= 64:
        raise InvalidRequest.of("act", "expected a button of this page")
    reason = request.form.get("reason", "")
    if reason and reason not in REASON_NAMES:
        raise InvalidRequest.of("reason", "expected a reason of the list")
    back = redirect(url_for(".index", site_id=site.id, id=author_id), 303)
    if act in TO_SITE and not site.has_webhook:
        flash(_("The site has no webhook, so there is nobody to tell. Nothing was done."), "reject")
        return back
    try:
        services().authors.act(
            site.id,
            author_id,
            act,
            moderator=me().name,
            request_id=request_id,
            until=_until(act),
            reason=reason if act in ("mute", "block") else "",
        )
        flash(_SAID[act](), "approve" if act in ("release", "restore") else "skip")
    except Conflict:
        flash(_("The author was not held any more."), "reject")
    return back


_SAID = {
    "hold": lambda: _("All that the author writes waits for a person from now on."),
    "release": lambda: _("The author is not held any more."),
    "warn": lambda: _("The site is told to warn the author."),
    "mute": lambda: _("The site is asked to mute the author."),
    "block": lambda: _("The site is asked to block the author."),
    "restore": lambda: _("The site is asked to let the author write again."),
}


def _until(act: Act) -> float | None:
    hours = request.form.get("hours", "")
    if act not in ("hold", "mute", "block") or (act == "block" and hours == FOR_GOOD):
        return None
    if hours not in map(str, HOURS):
        raise InvalidRequest.of("hours", "expected a time of the list")
    return time.time() + int(hours) * 3_600


def _is_trusted(record: AuthorRecord, trust_after: int) -> bool:
    held = record.held_until > time.time()
    return bool(trust_after) and record.n_approved_in_a_row >= trust_after and not held


def weeks(record: AuthorRecord, now: float) -> Figure | None:
    """Return what was decided about an author by week, of a quarter of a year; None for nothing."""
    known = {week.begins: week for week in record.weeks}
    day = int(now // DAY)
    sunday = day - (day + 4) % 7  # 1 January 1970 was a Thursday
    rows = [day_of((sunday - 7 * back) * DAY) for back in reversed(range(N_WEEKS))]
    if not known.keys() & rows:
        return None
    first = next(row for row in rows if row in known)
    rows = [row for row in rows if start_of(row) >= start_of(first)]
    series = [
        Series("approve", [float(known[row].n_approved) if row in known else 0.0 for row in rows]),
        Series("reject", [float(known[row].n_rejected) if row in known else 0.0 for row in rows]),
    ]
    return Figure("author_by_week", "day", "count", [f"{row}T00:00+00:00" for row in rows], series)
