"""One comment: all that it went through, as a timeline, and a change of mind about it."""

import secrets
import time
from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models.errors import ModerationError
from service.console import leases
from service.console.bulk import why_not_taken
from service.console.highlight import marked
from service.console.item_rows import suggested
from service.console.login import own_page
from service.console.permissions import me, shows_personal_data, site_for
from service.console.timeline import answered_by, timeline
from service.console.vocabulary import REASON_NAMES, why_name
from service.console.vocabulary import gettext as _
from service.console.work import MAX_NOTE_LENGTH, draft_of_form
from service.errors import (
    Conflict,
    Forbidden,
    ItemNotFound,
    ItemUnreadable,
    NotFound,
)
from service.moderation import findings
from service.queue.history import ItemHistory
from service.queue.records import Decision
from service.rules.personal_data import masked
from service.rules.phrases import N_
from service.services import services
from service.sites.site import Site

bp = Blueprint("items", __name__)

SHOWN_SCORES = 4
WORTH_SHOWING = 0.1


@bp.get("/<site_id>/items/<item_id>")
def index(site_id: str, item_id: str) -> ResponseReturnValue:
    """Show what is kept of a comment, and everything that happened to it."""
    site = site_for(site_id)
    before = request.args.get("before", "")
    try:
        found = services().history.of_item(site.id, item_id, before=before)
    except ItemNotFound:
        return render_template("item_nothing.html", site=site, damaged=False), 404
    except ItemUnreadable:
        return render_template("item_nothing.html", site=site, damaged=True)
    if isinstance(found, str):  # an appeal: it is part of what its comment went through
        return redirect(url_for(".index", site_id=site.id, item_id=found))
    if found.is_known_answer and not answered_by(found, me().name):
        raise NotFound("there is no such item")  # whoever may still be asked does not learn of it
    return _show(site, found, before)


@bp.post("/<site_id>/items/<item_id>/take")
def take(site_id: str, item_id: str) -> ResponseReturnValue:
    """Lease a comment that waits, and go and decide it."""
    site = site_for(site_id)
    version = request.form.get("version", 0, type=int)
    try:
        lease = services().queue.take(
            site.id, me().name, item_id, version, senior=me().at_least("senior")
        )
    except (Conflict, Forbidden, ItemNotFound, ItemUnreadable) as refusal:
        flash(why_not_taken(refusal), "reject")
        return redirect(_back(site, item_id), 303)
    leases.release_all()
    leases.keep(site.id, lease)
    return redirect(url_for("console.work.index", site_id=site.id), 303)


@bp.post("/<site_id>/items/<item_id>/take-back")
def undo(site_id: str, item_id: str) -> ResponseReturnValue:
    """Take a decision back, so that the comment waits again."""
    site = site_for(site_id)
    try:
        services().queue.undo(
            site.id,
            item_id,
            me().name,
            request.form.get("request_id") or secrets.token_urlsafe(12),
            senior=me().at_least("senior"),
            decision_id=request.form.get("decision", ""),
        )
    except (Conflict, Forbidden, ItemNotFound, ItemUnreadable) as refusal:
        flash(why_kept(refusal), "reject")
    else:
        flash(_("Taken back. The comment waits again."), "skip")
    return redirect(_back(site, item_id), 303)


@bp.post("/<site_id>/items/<item_id>/change")
def change(site_id: str, item_id: str) -> ResponseReturnValue:
    """Decide a comment otherwise; the site is told of the undo, and then of the decision."""
    site, decision_id = site_for(site_id), request.form.get("decision", "")
    draft = draft_of_form()
    try:
        services().queue.decide_again(
            site.id, item_id, decision_id, draft, senior=me().at_least("senior")
        )
    except (Conflict, Forbidden, ItemNotFound, ItemUnreadable) as refusal:
        flash(why_kept(refusal), "reject")
    else:
        flash(_("Decided anew. The site is told."), draft.action)
    return redirect(_back(site, item_id), 303)


# -- who may change their mind ------------------------------------------------------------------


def may_undo(decision: Decision) -> bool:
    """Say whether whoever is logged in is offered to take a decision back."""
    recent = time.time() - decision.decided_at < services().settings.undo_seconds
    return (
        decision.kind == "decision"
        and decision.stands
        and not decision.superseded
        and decision.comment is not None
        and recent
        and (me().at_least("senior") or decision.moderator == me().name)
    )


def may_change(decision: Decision) -> bool:
    """Say whether whoever is logged in is offered to decide otherwise."""
    standing = decision.stands and not decision.superseded and decision.comment is not None
    return standing and (me().at_least("senior") or may_undo(decision))


_KEPT: Mapping[str, str] = {
    "replaced": N_(
        "This decision has been changed meanwhile, so nothing was done. Below is how it stands now."
    ),
    "undecided": N_("The comment is not decided any more, so nothing was done."),
    "late": N_("It is too late to take this decision back."),
    "gone": N_("The text was deleted, so that nobody could judge it anew. The decision stands."),
    "appealed": N_("An appeal against this decision has been decided, and that stands."),
    "objected": N_("Its author's objection waits, and somebody else decides about that."),
    "foreign": N_("Somebody else decided this comment. A senior moderator can take it back."),
    "barred": N_("It is about your own decision, so somebody else decides."),
}


def why_kept(refusal: ModerationError) -> str:
    """Say in a sentence why a decision was not taken back or changed."""
    known = _KEPT.get(getattr(refusal, "why", ""))
    return _(known) if known else _("Nothing is kept of this comment any more.")


# -- what is on the page ------------------------------------------------------------------------


def _show(site: Site, found: ItemHistory, before: str) -> str:
    item, shows = found.item, shows_personal_data(site)
    appeals = services().queue.items(site.id, list(found.appeals))
    waiting = next((one for one in (item, *appeals) if one.waits), None)
    last = _last_word(found)
    kept = findings(site, item.comment) if item.comment.text else []
    text, pen_name = (
        list(marked(value if shows else masked(value), field, item.evidence, kept))
        for field, value in (("text", item.comment.text), ("author.name", item.comment.author_name))
    )
    return render_template(
        "item.html",
        site=site,
        found=found,
        item=item,
        shows_personal_data=shows,
        text=text,
        pen_name=pen_name,
        severe=leases.is_severe(item),
        scores=top_scores(item.scores),
        why=why_name(item),
        around=services().contexts.of(site.id, item),
        waiting=waiting,
        last=last,
        change=last if last and not waiting and may_change(last) else None,
        undo=last if last and may_undo(last) else None,
        top_scores=top_scores,
        events=timeline(found, appeals, me(), shows=shows),
        before=before,
        reasons=REASON_NAMES,
        suggested=last.reason if last and last.reason in REASON_NAMES else suggested(item),
        max_note_length=MAX_NOTE_LENGTH,
        request_id=secrets.token_urlsafe(12),
        building=services().reindex.under_way(site.id),
    )


def top_scores(scores: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the scores worth showing, the highest first."""
    worth = [(label, score) for label, score in scores.items() if score >= WORTH_SHOWING]
    return sorted(worth, key=lambda pair: -pair[1])[:SHOWN_SCORES]


def _last_word(found: ItemHistory) -> Decision | None:
    """Return the decision that counts: that of the comment, or of the last appeal against it."""
    if found.item.state != "decided":
        return None
    about = {one.appeal_of: one for one in found.entries if one.appeal_of and _is_last(one)}
    last = next((one for one in found.entries if one.id == found.item.decision_id), None)
    while last and last.id in about:
        last = about.pop(last.id)
    return last


def _is_last(entry: Decision) -> bool:
    return entry.kind == "decision" and entry.stands


def _back(site: Site, item_id: str) -> str:
    given = request.form.get("next", "")
    return own_page(given) if given else url_for(".index", site_id=site.id, item_id=item_id)
