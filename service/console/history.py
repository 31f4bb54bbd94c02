"""History: what was decided on a site, the latest first, and by whom."""

import datetime
import secrets
import time
from collections.abc import Mapping

from flask import Blueprint, render_template, request
from flask_babel.speaklater import LazyString

from service.console import formats
from service.console.items import may_undo
from service.console.leases import SEVERE_LABELS, SEVERE_SCORE
from service.console.permissions import shows_personal_data, site_for
from service.console.vocabulary import ACTION_NAMES, REASON_NAMES, SOURCE_NAMES
from service.errors import InvalidRequest
from service.queue.records import Decision
from service.services import services

bp = Blueprint("history", __name__)

SHOWN = 50
LOOKING_SECONDS = 0.06  # for which one page looks back
MAX_NAME = 256
ACTIONS: Mapping[str, LazyString] = {name: ACTION_NAMES[name] for name in ("approve", "reject")}


@bp.get("/<site_id>/history")
def index(site_id: str) -> str:
    """Show decisions, and what of them was taken back, from the cursor of the address on."""
    site = site_for(site_id)
    asked = {
        "action": _one_of(ACTIONS, "action"),
        "source": _one_of(SOURCE_NAMES, "by"),
        "reason": _one_of(REASON_NAMES, "reason"),
        "moderator": request.args.get("moderator", "").strip()[:MAX_NAME],
    }
    until, before = request.args.get("until", ""), request.args.get("before", "")
    end = _end_of(until) if until else 0.0
    past = services().history.look_back(
        site.id,
        **asked,
        before=before or (f"{int(end * 1000)}-0" if end else ""),
        limit=SHOWN,
        seconds=LOOKING_SECONDS,
    )
    oldest = past.cursor.partition("-")[0]
    anchor = services().decisions.anchor(site.id)
    return render_template(
        "history.html",
        site=site,
        shows_personal_data=shows_personal_data(site),
        past=past,
        asked={"by" if name == "source" else name: one for name, one in asked.items() if one}
        | ({"until": until} if until else {}),
        before=before,
        stopped=past.cursor and len(past.decisions) < SHOWN,
        came_to=int(oldest) / 1000 if oldest else 0.0,
        archived=anchor.n_entries,
        building=bool(asked["moderator"]) and services().reindex.under_way(site.id),
        actions=ACTIONS,
        sources=SOURCE_NAMES,
        reasons=REASON_NAMES,
        is_severe=is_severe,
        may_undo=may_undo,
        request_id=secrets.token_urlsafe(12),
        today=datetime.datetime.now(formats.zone()).date().isoformat(),
    )


def is_severe(decision: Decision) -> bool:
    """Say whether the text of a decision is blurred whole, where somebody wishes that."""
    verdict = decision.verdict
    by_score = verdict and verdict.label in SEVERE_LABELS and verdict.score >= SEVERE_SCORE
    return bool(by_score) or not SEVERE_LABELS.isdisjoint(decision.labels)


def _one_of(names: Mapping[str, LazyString], field: str) -> str:
    value = request.args.get(field, "")
    return value if value in names else ""


def _end_of(day: str) -> float:
    """Return when a day ends for whoever reads, but never later than the next day from now."""
    try:
        begins = datetime.datetime.fromisoformat(day).replace(tzinfo=formats.zone())
        ends = (begins + datetime.timedelta(days=1)).timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidRequest.of("until", "expected a day") from error
    return min(max(ends, 0.001), time.time() + 86_400)
