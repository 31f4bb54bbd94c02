"""My shift: what a moderator decided today, how far they agree with others, and what to learn from.

Nobody else sees it, and nobody is compared by speed. What is blind stays so: opinions and answers
to comments with known answers stand among all other decisions and are counted with them; where they
differ from what was decided, that is told once nothing can be undone any more.
"""

import datetime
import secrets
import time
from dataclasses import replace
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from service.console import formats, leases
from service.console.insight import drawn
from service.console.permissions import me, shows_personal_data, site_for
from service.console.vocabulary import gettext as _
from service.errors import Conflict, Forbidden, ItemNotFound, ItemUnreadable
from service.queue.read_models import FIGURES_DAYS, Found
from service.queue.records import Decision
from service.reports import shift
from service.services import services
from service.sites.site import Site

bp = Blueprint("shift", __name__)

SHOWN = 40  # decisions of a list at a time
DIFFERENCES_SHOWN = 10
URGENT_AMONG = 20  # the most urgent items, of which a sound may tell
JUDGED = ("decision", "opinion", "known_answer")


@bp.get("/<site_id>/shift")
def index(site_id: str) -> str:
    """Show what whoever is logged in did today."""
    site, now = site_for(site_id), time.time()
    session["site"] = site.id
    start = midnight(now)
    days = services().read_models.days_of(site.id, me().name)
    final = shift.final(days, now, services().settings.undo_seconds)
    hours = shift.hours_of(days)
    return render_template(
        "shift.html",
        site=site,
        shows_personal_data=shows_personal_data(site),
        start=start,
        done=shift.since(hours, start),
        pictures=drawn([shift.by_hour(hours, start, now), shift.by_day(days)]),
        colleagues=shift.with_colleagues(final),
        known=shift.with_known_answers(final),
        min_compared=shift.MIN_COMPARED,
        n_days=FIGURES_DAYS,
        mine=_today(site, start),
        learn=_differences(site, now),
        own_action=own_action,
        undo_until=now - services().settings.undo_seconds,
        request_id=secrets.token_urlsafe(12),
        building=services().reindex.under_way(site.id),
        minutes=int((now - session.setdefault("rested_at", now)) / 60),
    )


@bp.post("/<site_id>/shift/undo")
def undo(site_id: str) -> ResponseReturnValue:
    """Take back a decision of today's list, so that the comment waits again."""
    site, form = site_for(site_id), request.form
    try:
        services().queue.undo(
            site.id,
            form.get("item", ""),
            me().name,
            form.get("request_id", "") or secrets.token_urlsafe(12),
            decision_id=form.get("decision", ""),
        )
    except (Conflict, Forbidden, ItemNotFound, ItemUnreadable):
        flash(_("It is too late to take this decision back."), "reject")
    else:
        flash(_("Taken back. The comment waits again."), "skip")
        leases.note_last_action(site.id, None)
    return redirect(url_for(".index", site_id=site.id), 303)


@bp.get("/<site_id>/shift/arrivals")
def arrivals(site_id: str) -> dict[str, Any]:
    """Say how much waits, and which of the most urgent comments are severe or over their time."""
    site = site_for(site_id)
    first = services().queue.waiting(site.id, limit=URGENT_AMONG)
    late = time.time() - site.time_target_seconds
    urgent = [
        item.id
        for item in first
        if not item.damaged and (leases.is_severe(item) or item.enqueued_at < late)
    ]
    return {"n_waiting": len(first), "urgent": urgent}


def midnight(now: float) -> float:
    """Return when the day began of whoever reads, in their time zone."""
    there = datetime.datetime.fromtimestamp(now, formats.zone())
    return there.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def _today(site: Site, start: float) -> Found:
    """Return what this moderator decided today, from the cursor of the address on."""
    found = services().read_models.find(
        site.id,
        "moderator",
        me().name,
        before=request.args.get("before", ""),
        limit=SHOWN,
        blind=True,
    )
    kept = [one for one in found.decisions if one.kind in JUDGED and one.decided_at >= start]
    ended = any(one.decided_at < start for one in found.decisions)
    return replace(found, decisions=kept, cursor="" if ended else found.cursor)


def _differences(site: Site, now: float) -> Found:
    """Return what differs from what this moderator said, as far as nothing can be undone."""
    found = services().read_models.differing(
        site.id, me().name, before=request.args.get("learn", ""), limit=DIFFERENCES_SHOWN
    )
    final = now - services().settings.undo_seconds
    return replace(found, decisions=[one for one in found.decisions if one.decided_at < final])


def own_action(decision: Decision) -> str:
    """Return what a moderator had said where the decision differs from it, or theirs from it."""
    if decision.expected:
        return decision.action
    return "approve" if decision.action == "reject" else "reject"
