"""Find comments by author, article or id, and decide many of them at once."""

import secrets
import time
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from service.console.articles import HOURS
from service.console.permissions import me, needs, shows_personal_data, site_for
from service.console.vocabulary import REASON_NAMES, ngettext
from service.console.vocabulary import gettext as _
from service.console.work import draft_of_form
from service.errors import Conflict, Forbidden, InvalidRequest, ItemNotFound, ItemUnreadable
from service.queue.records import ReviewItem, item_id_of
from service.queue.review_queue import MAX_BULK
from service.services import services
from service.sites.levers import Lever
from service.sites.site import Site

bp = Blueprint("search", __name__)

FIELDS = ("author_id", "article_id", "comment_id", "copies")
MAX_DIGITS = 9  # of a version


@bp.get("/<site_id>/search")
def index(site_id: str) -> str:
    """Show what waits and what was decided lately of an author, an article or one comment."""
    site = site_for(site_id)
    wanted = {name: request.args.get(name, "").strip() for name in FIELDS}
    name, value = next(((n, v) for n, v in wanted.items() if v), ("", ""))
    waiting = _waiting(site.id, name, value) if value else []
    return render_template(
        "search.html",
        site=site,
        shows_personal_data=shows_personal_data(site),
        wanted=wanted,
        searched=bool(value),
        items=waiting,
        n_waiting=sum(item.state in ("pending", "leased") for item in waiting),
        limit=MAX_BULK,
        decided=services().read_models.find(site.id, name, value) if value else None,
        record=services().queue.author(site.id, value) if name == "author_id" else None,
        article=_lever(site, wanted["article_id"]),
        hours_of_hold=HOURS,
        reasons=REASON_NAMES,
        request_id=secrets.token_urlsafe(12),
        bulk=session.get("bulk") if _bulk_of(site.id) else None,
    )


@bp.post("/<site_id>/bulk")
@needs("senior")
def decide(site_id: str) -> ResponseReturnValue:
    """Preview a decision on the ticked comments; take it once it was confirmed."""
    site = site_for(site_id)
    draft, versions = draft_of_form(), _versions()
    back = url_for(".index", site_id=site.id, **_searched())
    if not versions:
        flash(_("No comment was ticked."), "reject")
        return redirect(back, 303)
    if "confirmed" not in request.form:
        (name, value), *_rest = [*_searched().items(), ("comment_id", "")]
        items = [
            item for item in _waiting(site.id, name, value) if versions.get(item.id) == item.version
        ]
        if len(items) < len(versions):
            flash(_moved_on(), "reject")
            return redirect(back, 303)
        kept = [(n, v) for n, v in request.form.items(multi=True) if n != "csrf_token"]
        return render_template(
            "search_decide.html",
            site=site,
            shows_personal_data=site.personal_data == "ignore",
            items=items,
            draft=draft,
            back=back,
            kept=kept,
        )
    try:
        taken = services().queue.decide_bulk(site.id, versions, draft, senior=True)
    except Forbidden:
        flash(
            _(
                "You gave an opinion on one of these comments, or an appeal is against your own "
                "decision, so none was decided."
            ),
            "reject",
        )
    except (Conflict, ItemNotFound):
        flash(_moved_on(), "reject")
    else:
        about = {"site": site.id, "id": draft.request_id}
        session["bulk"] = about | {"n": len(taken), "action": draft.action}
        flash(
            ngettext("%(num)s comment decided.", "%(num)s comments decided.", len(taken)),
            draft.action,
        )
    return redirect(back, 303)


@bp.post("/<site_id>/bulk/undo")
@needs("senior")
def undo(site_id: str) -> ResponseReturnValue:
    """Take the last decision on many comments back as one."""
    site = site_for(site_id)
    bulk_id = session.pop("bulk")["id"] if _bulk_of(site.id) else ""
    try:
        taken = services().queue.undo_bulk(
            site.id, bulk_id, me().name, secrets.token_urlsafe(12), senior=True
        )
    except (Conflict, ItemNotFound, InvalidRequest):
        flash(_("It is too late to take this decision back."), "reject")
    else:
        flash(
            ngettext("%(num)s comment waits again.", "%(num)s comments wait again.", len(taken)),
            "skip",
        )
    return redirect(url_for(".index", site_id=site.id, **_searched()), 303)


def _waiting(site_id: str, name: str, value: str) -> list[ReviewItem]:
    queue = services().queue
    if name == "author_id":
        return queue.waiting(site_id, author_id=value, limit=MAX_BULK)
    if name == "article_id":
        return queue.waiting(site_id, article_id=value, limit=MAX_BULK)
    if name == "copies":
        return queue.waiting(site_id, copies=value, limit=MAX_BULK)
    try:
        return [queue.item(site_id, item_id_of(value))]
    except (ItemNotFound, ItemUnreadable):
        return []


def _lever(site: Site, article_id: str) -> Lever | None:
    lever = site.levers.get(article_id)
    return lever if lever and lever.until > time.time() else None


def _moved_on() -> str:
    return _("One of these comments has moved on, so none was decided. Look again.")


def _bulk_of(site_id: str) -> bool:
    """Return whether this moderator's last decision on many comments was about this site."""
    return bool(session.get("bulk", {}).get("site") == site_id)


def _versions() -> dict[str, int]:
    """Read the ticked items, each ``<id>:<version>``."""
    pairs = [ticked.partition(":") for ticked in request.form.getlist("item")]
    return {
        item_id: int(version)
        for item_id, _colon, version in pairs
        if version.isdecimal() and len(version) <= MAX_DIGITS
    }


def _searched() -> dict[str, Any]:
    return {name: value for name in FIELDS if (value := request.form.get(name, ""))}
