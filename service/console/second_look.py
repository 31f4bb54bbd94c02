"""Second look: decisions that disagree with what else was decided, to be confirmed or changed."""

import secrets
from dataclasses import replace

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.console.permissions import needs, shows_personal_data, site_for
from service.console.vocabulary import REASON_NAMES
from service.console.vocabulary import gettext as _
from service.console.work import draft_of_form
from service.errors import Conflict, InvalidRequest, ItemNotFound, ItemUnreadable
from service.queue.records import Decision
from service.services import services

bp = Blueprint("second_look", __name__)


@bp.get("/<site_id>/second-look")
@needs("senior")
def index(site_id: str) -> str:
    """Show the doubtful decisions of a site, the least likely first; not who took them."""
    site = site_for(site_id)
    return render_template(
        "second_look.html",
        site=site,
        shows_personal_data=shows_personal_data(site),
        found=services().doubts.read(site.id),
        reasons=REASON_NAMES,
        request_id=secrets.token_urlsafe(12),
    )


@bp.post("/<site_id>/second-look/<decision_id>")
@needs("senior")
def decide(site_id: str, decision_id: str) -> ResponseReturnValue:
    """Let a decision stand, or take it back and decide otherwise."""
    site = site_for(site_id)
    back = redirect(url_for(".index", site_id=site.id), 303)
    if request.form.get("action") == "stands":
        services().doubts.confirm(site.id, decision_id)
        flash(_("The decision stands, and is not listed again."), "approve")
        return back
    draft = draft_of_form()
    listed = [one.decision for one in services().doubts.read(site.id).doubts]
    doubted = next((one for one in listed if one.id == decision_id), None)
    if doubted is None or not _changes(site.id, doubted, draft):
        flash(_("This decision has been changed meanwhile, so nothing was done."), "reject")
        return back
    flash(_("Decided anew. The site is told."), draft.action)
    return back


def _changes(site_id: str, doubted: Decision, draft: Decision) -> bool:
    """Decide otherwise; return whether that could be done."""
    if draft.action == doubted.action:
        raise InvalidRequest.of("action", "expected another action than was decided")
    draft = replace(draft, request_id=f"{draft.request_id}:{doubted.id}")
    try:
        services().queue.decide_again(site_id, doubted.item_id, doubted.id, draft, senior=True)
    except (Conflict, ItemNotFound, ItemUnreadable):
        return False
    return True
