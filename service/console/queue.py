"""The queue as a list: filters, what has come since, and deciding a whole group as one."""

import secrets

from flask import Blueprint, Response, redirect, render_template, request, session
from flask.typing import ResponseReturnValue

from models.schema import UMBRELLA
from service.console import bulk, groups
from service.console.item_rows import row_of
from service.console.keyboard import keys_of
from service.console.permissions import me, shows_personal_data, site_for
from service.console.queue_form import QueueForm, choices
from service.console.vocabulary import REASON_NAMES, ngettext
from service.console.vocabulary import gettext as _
from service.console.work import draft_of_form
from service.errors import Forbidden, InvalidRequest
from service.queue.group_decisions import Group
from service.queue.listing import New
from service.services import services

bp = Blueprint("queue", __name__)

PAGE = 50
MAX_DIGITS = 16  # of a time in milliseconds


@bp.get("/<site_id>/queue")
def index(site_id: str) -> ResponseReturnValue:
    """Show a page of what waits, by the filters of the address."""
    site, form = site_for(site_id), QueueForm.of(request.args)
    session["site"] = site.id
    try:
        page = services().listing.page(
            site.id, form.wanted(), before=request.args.get("before", ""), limit=PAGE
        )
    except InvalidRequest:  # of an address that somebody cut
        return redirect(form.address(site.id))
    shows = shows_personal_data(site)
    group = _group(form)
    return render_template(
        "queue.html",
        site=site,
        form=form,
        page=page,
        rows=[
            row_of(site, item, shows_personal_data=shows, n_copies=n)
            for item, n in zip(page.items, page.n_copies, strict=True)
        ],
        group=group,
        of_group=services().group_decisions.waiting(site.id, group) if group else None,
        stats=services().queue.stats(site.id),
        choices=choices(),
        versions=services().artifacts.versions(),
        shows_personal_data=shows,
        under_way=services().reindex.under_way(site.id),
        reasons=REASON_NAMES,
        request_id=secrets.token_urlsafe(12),
        last=groups.last_of(site.id),
        deciding=groups.deciding(site.id),
        keys=keys_of(me().preferences.keys),
    )


@bp.get("/<site_id>/queue/new")
def new(site_id: str) -> Response:
    """Say how many comments have come since a page was read, in one sentence or none."""
    site, form = site_for(site_id), QueueForm.of(request.args)
    since = request.args.get("since", "")
    if not since.isdecimal() or len(since) > MAX_DIGITS:
        raise InvalidRequest.of("since", "expected milliseconds")
    found = services().listing.n_new(site.id, form.wanted(), int(since))
    answer = Response(_news(found), mimetype="text/plain")
    answer.set_etag(f"{since}-{found.n}-{found.exact:d}")
    return answer.make_conditional(request)  # type: ignore[return-value]


def _news(found: New) -> str:
    if found.exact and not found.n:
        return ""
    if not found.n:  # there was no time to look at all of them
        return _("Comments have come, perhaps some of these. Look again")
    if not found.exact:
        return ngettext(
            "At least %(num)s new comment. Show it",
            "At least %(num)s new comments. Show them",
            found.n,
        )
    return ngettext("%(num)s new comment. Show it", "%(num)s new comments. Show them", found.n)


# -- a whole group ------------------------------------------------------------------------------


@bp.post("/<site_id>/queue/group")
def decide_group(site_id: str) -> ResponseReturnValue:
    """Decide all that waits of a group, as one; for the rest of a long one the page asks again.

    A group of copies is open to all moderators, what waits under an article to seniors.
    """
    site = site_for(site_id)
    form = QueueForm.of(request.form)
    group, until = _group(form), request.form.get("until", "")
    if not group or not until.isdecimal() or len(until) > MAX_DIGITS:
        raise InvalidRequest.of("copies", "expected a group of this page")
    if group.article_id and not me().at_least("senior"):
        raise Forbidden("all that waits under an article is decided by seniors")
    draft = draft_of_form(UMBRELLA)
    back = redirect(form.address(site.id), 303)
    progress = groups.for_a_request(
        lambda: services().group_decisions.decide(site.id, group, draft, until_ms=int(until))
    )
    if progress.done:
        session.pop("deciding", None)
        bulk.note(site.id, draft, progress.n_decided, group=True)
        groups.tell_left(progress)
    else:
        groups.go_on_later(site.id, draft, int(until), progress)
    return back


def _group(form: QueueForm) -> Group | None:
    """Return the group that a page is about: copies of a text, or what waits under an article."""
    if "copies" in form.given:
        return Group(copies=form.given["copies"])
    return Group(article_id=form.given["article_id"]) if "article_id" in form.given else None
