"""Work page: the most urgent comment of a site, and the decision about it.

The form holds the fencing token, so that a decision is always about the comment on the screen.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from models.dialect import DIALECTS
from models.errors import ModerationError
from models.schema import LABELS, REASONS
from service.console import groups, leases
from service.console.item_view import item_view
from service.console.keyboard import keys_of
from service.console.permissions import me, site_for
from service.console.raids import shown_raids
from service.console.unsent_forms import Unsent
from service.console.vocabulary import REASON_NAMES, action_name
from service.console.vocabulary import gettext as _
from service.errors import (
    AlreadyDecided,
    Conflict,
    Forbidden,
    InvalidRequest,
    ItemNotFound,
    LeaseLost,
    ServiceError,
)
from service.queue.group_decisions import Group
from service.queue.records import Decision, Lease
from service.services import services
from service.sites.site import Site

bp = Blueprint("work", __name__)

Fields = Callable[[str], str]  # the fields of a form, by name; what is not there is empty

#: What a moderator can choose to see only one kind of.
FILTERS: Mapping[str, Sequence[str]] = {"label": LABELS, "dialect": DIALECTS}
MAX_REPLY_LENGTH = 500
MAX_NOTE_LENGTH = 4_000


@bp.get("/<site_id>/work")
def index(site_id: str) -> Response | str:
    """Show the most urgent comment of a site, or of the label or dialect that is worked on."""
    site = site_for(site_id)
    session["site"] = site.id
    for name, known in FILTERS.items():
        if name in request.args:
            leases.release_all()
            value = request.args[name]
            session["only"] = {name: value} if value in known else {}
    lease = leases.held(site.id) or leases.lease_next(site)
    return _show(site, lease) if lease else _show_empty(site)


def offer_again(site_id: str, item_id: str, kept: Unsent) -> ResponseReturnValue:
    """Show the comment that somebody was deciding when their login ended, and what they typed."""
    site = site_for(site_id)
    session["site"] = site.id
    try:
        lease = services().queue.renew(site.id, item_id, int(kept.get("token")))
        if lease.item.moderator != me().name:
            raise LeaseLost("somebody else has leased the comment")
    except (Conflict, ItemNotFound) as conflict:
        return _show_conflict(site, item_id, conflict, kept.get)
    except ValueError:
        return redirect(url_for("console.work.index", site_id=site.id))
    return _show(site, lease, draft=kept.get)


@bp.post("/<site_id>/items/<item_id>")
def decide(site_id: str, item_id: str) -> ResponseReturnValue:
    """Approve, reject, skip or escalate the comment on the screen."""
    site = site_for(site_id)
    action = request.form.get("action", "")
    try:
        token = int(request.form.get("token", ""))
        elsewhere = ACTIONS[action](site.id, item_id, token)
    except (KeyError, ValueError) as error:
        raise InvalidRequest.of("action", "expected a button of this page") from error
    except (Conflict, ItemNotFound) as conflict:
        return _show_conflict(site, item_id, conflict, _typed), 409
    leases.forget_item(
        site.id, item_id
    )  # of one that was sent again, the next may be leased already
    return elsewhere or redirect(url_for(".index", site_id=site.id), 303)


@bp.post("/<site_id>/items/<item_id>/personal-data")
def show_personal_data(site_id: str, item_id: str) -> ResponseReturnValue:
    """Show the comment on the screen once with its personal data, and what was typed so far."""
    site = site_for(site_id)
    try:
        lease = services().queue.renew(site.id, item_id, request.form.get("token", 0, type=int))
    except (Conflict, ItemNotFound) as conflict:
        return _show_conflict(site, item_id, conflict, _typed), 409
    return _show(site, lease, draft=_typed, shows_personal_data=True)


@bp.post("/<site_id>/items/<item_id>/undo")
def undo(site_id: str, item_id: str) -> ResponseReturnValue:
    """Take back a decision of this moderator, or as a senior, so that the comment waits again."""
    site = site_for(site_id)
    if bulk := _typed("bulk"):
        return _undo_copies(site.id, bulk)
    senior = me().at_least("senior")
    try:
        services().queue.undo(
            site.id,
            item_id,
            me().name,
            _request_id(),
            senior=senior,
            decision_id=_typed("decision"),
        )
    except Forbidden:
        flash(
            _("Somebody else decided this comment. A senior moderator can take it back."), "reject"
        )
    except (Conflict, ItemNotFound):
        flash(_("It is too late to take this decision back."), "reject")
    else:
        flash(_("Taken back. The comment waits again."), "skip")
    leases.note_last_action(site.id, None)
    return redirect(url_for(".index", site_id=site.id), 303)


def _undo_copies(site_id: str, bulk: str) -> ResponseReturnValue:
    """Take back what was decided of a comment and its copies."""
    last = leases.last_action(site_id) or {}
    about = {"site": site_id, "id": bulk, "n": int(last.get("n", 0)), "group": True}
    done = groups.undo(site_id, about | {"action": last.get("action", "skip")})
    leases.note_last_action(site_id, None)
    return redirect(url_for(".index" if done else "console.queue.index", site_id=site_id), 303)


@bp.post("/<site_id>/unskip")
def unskip(site_id: str) -> ResponseReturnValue:
    """Take back the skipping of one comment, or of all: they are offered again."""
    site, item_id = site_for(site_id), request.form.get("item", "")
    if services().queue.unskip(site.id, me().name, item_id):
        flash(_("Taken back. You are offered it again, unless somebody else has taken it."), "skip")
    leases.release_all()  # what came instead of the comment is less urgent
    leases.note_last_action(site.id, None)
    return redirect(url_for(".index", site_id=site.id), 303)


@bp.post("/rest")
def take_break() -> ResponseReturnValue:
    """Count the minutes of work anew after a break, and give back what is open."""
    leases.release_all()
    n_severe = leases.severe_run()
    session["rested_at"] = time.time()
    return render_template("work_break.html", n_severe=n_severe)


@bp.post("/<site_id>/items/<item_id>/renew")
def renew(site_id: str, item_id: str) -> ResponseReturnValue:
    """Prolong the lease of the comment on the screen while somebody is reading it."""
    site, token = site_for(site_id), request.form.get("token", 0, type=int)
    try:
        lease = services().queue.renew(site.id, item_id, token)
    except (Conflict, ItemNotFound) as conflict:
        return {"sentence": _why_lost(conflict)}, 409
    return {"expires_in_seconds": lease.expires_at - time.time()}


# -- what the buttons do ------------------------------------------------------------------------


def _skip(site_id: str, item_id: str, token: int) -> None:
    services().queue.skip(site_id, item_id, token)
    leases.note_last_action(site_id, {"item": item_id, "action": "skip"})


def _escalate(site_id: str, item_id: str, token: int) -> None:
    services().queue.escalate(site_id, item_id, token, note=_note())
    flash(_("Left to a senior moderator."), "skip")


def _decide(site_id: str, item_id: str, token: int) -> ResponseReturnValue | None:
    draft, copies = draft_of_form(), _typed("copies")
    if copies:
        return _decide_copies(site_id, item_id, token, copies, draft)
    made = services().queue.decide(site_id, item_id, token, draft)
    last = {"item": item_id, "decision": made.id, "action": made.action, "reason": made.reason}
    leases.note_last_action(site_id, last)
    return None


def _decide_copies(
    site_id: str, item_id: str, token: int, copies: str, draft: Decision
) -> ResponseReturnValue | None:
    """Decide the comment on the screen and the copies of it that waited then, as one.

    Where these are very many, the list of them asks for the rest.
    """
    until = request.form.get("until", 0, type=int)
    progress = groups.for_a_request(
        lambda: services().group_decisions.decide(
            site_id, Group(copies), draft, until_ms=until, held=(item_id, token)
        )
    )
    if not progress.done:
        groups.go_on_later(site_id, draft, until, progress)
        return redirect(url_for("console.queue.index", site_id=site_id, copies=copies), 303)
    last = {"item": item_id, "action": draft.action, "reason": draft.reason}
    last |= {"bulk": draft.request_id, "n": str(progress.n_decided)}
    leases.note_last_action(site_id, last)
    groups.tell_left(progress)
    return None


ACTIONS: Mapping[str, Callable[[str, str, int], ResponseReturnValue | None]] = {
    "approve": _decide,
    "reject": _decide,
    "skip": _skip,
    "escalate": _escalate,
}


def draft_of_form(suggested: str = "") -> Decision:
    """Return the decision that a form asks for; with the suggested reason where it names none."""
    action, reason = _typed("action"), _typed("reason") or suggested
    if action not in ("approve", "reject") or (action == "reject" and reason not in REASONS):
        raise InvalidRequest.of("reason", "expected approve, or reject with a reason of the list")
    reason = reason if action == "reject" else ""
    return Decision(
        action=action,
        labels=REASONS.get(reason, ()),
        reason=reason,
        note=_note(),
        reply=_typed("reply").strip()[:MAX_REPLY_LENGTH],
        moderator=me().name,
        request_id=_request_id(),
    )


def _note() -> str:
    note = _typed("note").strip()
    if len(note) > MAX_NOTE_LENGTH:
        raise InvalidRequest.of("note", f"expected at most {MAX_NOTE_LENGTH:,} characters")
    return note


def _request_id() -> str:
    return _typed("request_id") or secrets.token_urlsafe(12)


def _typed(name: str) -> str:
    return request.form.get(name, "")


# -- what is on the screen ----------------------------------------------------------------------


def _show(
    site: Site, lease: Lease, draft: Fields | None = None, *, shows_personal_data: bool = False
) -> str:
    """Show a comment that this moderator holds, with what they typed before, if anything."""
    leases.keep(site.id, lease)
    if not lease.item.damaged:
        try:
            return render_template(
                "work.html",
                **item_view(site, lease, shows_personal_data=shows_personal_data),
                asked=shows_personal_data,
                only=session.get("only"),
                draft=draft,
                max_note_length=MAX_NOTE_LENGTH,
            )
        except ModerationError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the comments behind must not wait
            g.error = error  # for the log
    keys = keys_of(me().preferences.keys)
    return render_template("work_unreadable.html", site=site, lease=lease, keys=keys)


def _show_empty(site: Site) -> str:
    """Say what still waits on a site that has nothing to offer to this moderator."""
    leases.forget(site.id)
    queue, only = services().queue, session.get("only") or {}
    stats, n_skipped = queue.stats(site.id), queue.skipped(site.id, me().name, **only)
    n_for_seniors = 0 if me().at_least("senior") else stats.escalated
    return render_template(
        "work_empty.html",
        site=site,
        last=leases.last_action(site.id),
        keys=keys_of(me().preferences.keys),
        only=only,
        stats=stats,
        **shown_raids(site.id),
        n_skipped=n_skipped,
        n_for_seniors=n_for_seniors,
        n_for_others=max(0, stats.pending - n_skipped - n_for_seniors),
        capped=leases.is_capped(),
    )


def _show_conflict(site: Site, item_id: str, conflict: ServiceError, typed: Fields) -> str:
    """Say what happened to a decision that could not be taken, and keep what was written."""
    leases.forget(site.id)
    action = typed("action")
    return render_template(
        "work_conflict.html",
        site=site,
        decided=item_id if isinstance(conflict, AlreadyDecided) else "",
        sentence=_why_lost(conflict),
        intended=action_name(action) if action in ("approve", "reject") else "",
        reason=REASON_NAMES.get(typed("reason"), "") if action == "reject" else "",
        note=typed("note"),
    )


def _why_lost(conflict: ServiceError) -> str:
    """Say in a sentence why a comment is no longer this moderator's to decide."""
    if isinstance(conflict, AlreadyDecided):
        return _("This comment has been decided already. That decision stands.")
    if conflict.why == "edited":
        return _("This comment was edited since you saw it. Read it again.")
    if conflict.why in ("withdrawn", "missing"):
        return _("This comment is no longer in the queue.")
    return _(
        "Your time for this comment had run out, so it went back to the queue. Nothing was decided."
    )
