"""Decide the comments that somebody ticked in a list, and take that back as one.

Seniors decide many as one, after a preview. For everybody else, and for a single comment, each is
taken and decided on its own. One which somebody was quicker about stops no other.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from models.errors import ModerationError
from models.schema import UMBRELLA
from service.console import groups, leases
from service.console.item_rows import suggested
from service.console.login import own_page
from service.console.permissions import me, site_for
from service.console.vocabulary import REASON_NAMES, ngettext
from service.console.vocabulary import gettext as _
from service.console.work import draft_of_form
from service.errors import (
    AlreadyDecided,
    Conflict,
    Forbidden,
    InvalidRequest,
    ItemHeld,
    ItemNotFound,
    ItemUnreadable,
    LeaseLost,
)
from service.queue.group_decisions import Group
from service.queue.records import Decision, ReviewItem
from service.queue.review_queue import MAX_BULK
from service.rules.personal_data import masked
from service.services import services
from service.sites.site import Site

bp = Blueprint("bulk", __name__)

MAX_EACH = 50  # that are taken and decided one by one: a page
MAX_DIGITS = 9  # of a version
MAX_TOLD = 5  # of those that were not decided, by name
MAX_NAME = 40  # characters of a pen name in a sentence


@bp.post("/<site_id>/bulk")
def decide(site_id: str) -> ResponseReturnValue:
    """Decide the ticked comments; many at once after a preview, which only seniors may."""
    site = site_for(site_id)
    versions = _versions()
    if not versions:
        flash(_("No comment was ticked."), "reject")
        return redirect(_back(), 303)
    if len(versions) > 1 and me().at_least("senior"):
        return _decide_together(site, versions)
    if len(versions) > MAX_EACH:
        raise InvalidRequest.of("item", f"expected at most {MAX_EACH}")
    _decide_each(site, versions)
    return redirect(_back(), 303)


@bp.post("/<site_id>/bulk/undo")
def undo(site_id: str) -> ResponseReturnValue:
    """Take back what this moderator decided last in a list, as one."""
    site = site_for(site_id)
    last = groups.forget_last(site.id)
    if not last:
        flash(_("It is too late to take this decision back."), "reject")
    elif "items" in last:
        _undo_each(site, last)
    else:
        groups.undo(site.id, last)
    return redirect(_back(), 303)


def note(site_id: str, draft: Decision, n_decided: int, **more: Any) -> None:
    """Say what was decided in a list, and offer there to take it back."""
    groups.remember_last(site_id, draft, n_decided, **more)
    flash(
        ngettext("%(num)s comment decided.", "%(num)s comments decided.", n_decided), draft.action
    )


# -- many as one --------------------------------------------------------------------------------


def _decide_together(site: Site, versions: Mapping[str, int]) -> ResponseReturnValue:
    if "confirmed" not in request.form:
        return _preview(site, versions)
    draft, group = draft_of_form(), Group(versions=versions)
    progress = services().group_decisions.decide_all(site.id, group, draft, senior=True)
    if progress.n_decided:
        note(site.id, draft, progress.n_decided, group=True)
    groups.tell_left(progress)
    return redirect(_back(), 303)


def _preview(site: Site, versions: Mapping[str, int]) -> ResponseReturnValue:
    found = services().queue.items(site.id, list(versions))
    items = [one for one in found if versions[one.id] == one.version and one.state == "pending"]
    if len(items) < len(versions):
        flash(_("One of these comments has moved on, so none was decided. Look again."), "reject")
        return redirect(_back(), 303)
    reason = request.form.get("reason") or _usual(items)
    asked = ("csrf_token", "reason")
    return render_template(
        "bulk_decide.html",
        site=site,
        shows_personal_data=site.personal_data == "ignore",
        items=items,
        draft=draft_of_form(reason),
        reasons=REASON_NAMES,
        back=_back(),
        kept=[(n, v) for n, v in request.form.items(multi=True) if n not in asked],
    )


def _usual(items: list[ReviewItem]) -> str:
    """Return the reason that fits most of the items."""
    reasons = [suggested(item) for item in items]
    return max(dict.fromkeys(reasons), key=reasons.count)


# -- each on its own ----------------------------------------------------------------------------


def _decide_each(site: Site, versions: Mapping[str, int]) -> None:
    draft = draft_of_form(UMBRELLA)
    names = {
        item.id: item.comment.author_name
        for item in services().queue.items(site.id, list(versions))
    }
    decided, refused = list[str](), list[tuple[str, ModerationError]]()
    for item_id, version in versions.items():
        try:
            _take_and_decide(site.id, item_id, version, draft)
            decided.append(item_id)
        except (Conflict, Forbidden, ItemNotFound) as error:
            refused.append((names.get(item_id, ""), error))
    if decided:
        note(site.id, draft, len(decided), items=decided)
    for name, refusal in refused[:MAX_TOLD]:
        flash(
            _("%(name)s: %(value)s", name=_isolated(name), value=why_not_taken(refusal)), "reject"
        )
    if len(refused) > MAX_TOLD:
        n_more = len(refused) - MAX_TOLD
        flash(
            ngettext(
                "%(num)s more comment was not decided, because somebody was quicker or it is not "
                "yours to decide.",
                "%(num)s more comments were not decided, because somebody was quicker or they are "
                "not yours to decide.",
                n_more,
            ),
            "reject",
        )


def _take_and_decide(site_id: str, item_id: str, version: int, draft: Decision) -> None:
    """Decide one comment, once, however often it is asked."""
    queue = services().queue
    draft = replace(draft, request_id=f"{draft.request_id}/{item_id}")
    try:
        lease = queue.take(site_id, me().name, item_id, version, senior=me().at_least("senior"))
    except (AlreadyDecided, Forbidden) as refused:
        try:  # was it this request, which came again?
            queue.decide(site_id, item_id, 0, draft)
        except (Conflict, Forbidden):
            raise refused from None
        return
    reason = draft_of_form(suggested(lease.item))
    draft = replace(draft, reason=reason.reason, labels=reason.labels)
    queue.decide(site_id, item_id, lease.token, draft)
    leases.forget_item(site_id, item_id)


def _undo_each(site: Site, last: Mapping[str, Any]) -> None:
    n_undone, senior = 0, me().at_least("senior")
    for item_id in last["items"]:
        try:
            services().queue.undo(
                site.id, item_id, me().name, f"{last['id']}/{item_id}", senior=senior
            )
            n_undone += 1
        except (Conflict, Forbidden, ItemNotFound):
            continue  # it has another decision by now, or it is too late: the count says so
    if n_undone:
        groups.tell_undone(n_undone)
    if n_left := len(last["items"]) - n_undone:
        groups.tell_kept(n_left)


def why_not_taken(error: ModerationError) -> str:
    """Say in a sentence why a comment could not be taken from a list or its page."""
    if isinstance(error, AlreadyDecided):
        return _("This comment has been decided already. That decision stands.")
    if isinstance(error, ItemHeld):
        return _("A colleague is reading this comment, so it was left to them.")
    if isinstance(error, Forbidden):
        return _(
            "You gave an opinion on this comment before, it appeals against your own decision, or "
            "it is left to the seniors. So it was not decided."
        )
    if isinstance(error, LeaseLost | ItemNotFound | ItemUnreadable):
        return _("This comment is no longer in the queue.")
    return _("This comment was edited since you saw it. Read it again.")


def _isolated(name: str) -> str:
    """Return the beginning of a pen name, masked, whose direction touches nothing around it."""
    shown = masked(name)[:MAX_NAME] or _("Without a name")
    return f"\N{FIRST STRONG ISOLATE}{shown}\N{POP DIRECTIONAL ISOLATE}"


# -- sentences and fields -----------------------------------------------------------------------


def _back() -> str:
    return own_page(request.form.get("next", ""))


def _versions() -> dict[str, int]:
    """Read the ticked items, each ``<id>:<version>``."""
    ticked = request.form.getlist("item")
    if len(ticked) > MAX_BULK:
        raise InvalidRequest.of("item", f"expected at most {MAX_BULK}")
    pairs = [one.partition(":") for one in ticked]
    return {
        item_id: int(version)
        for item_id, _colon, version in pairs
        if version.isdecimal() and len(version) <= MAX_DIGITS
    }
