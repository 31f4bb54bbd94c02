"""Practice page of trainees: a comment that was decided, to be judged without knowing how.

What a trainee says here has no effect (see `service.queue.practice`). The comment on the screen
stands in the session, so that reloading the page shows the same, and no other can be judged.
"""

import time

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from service.console import trainees
from service.console.item_rows import row_of
from service.console.keyboard import keys_of
from service.console.leases import MAX_SITES_AT_ONCE
from service.console.permissions import me, my_sites, site_for
from service.console.vocabulary import REASON_NAMES
from service.errors import Conflict, Forbidden, ItemNotFound, ItemUnreadable
from service.queue.practice import Judgement
from service.queue.records import ReviewItem
from service.services import services
from service.sites.site import Site

bp = Blueprint("practice", __name__)

FRESH_SECONDS = 3_600.0  # for which the last judgement is shown above the next comment


@bp.get("/<site_id>/practice")
def index(site_id: str) -> str:
    """Show a comment to be judged, and how the last one was decided."""
    site = _site(site_id)
    item = _on_screen(site.id) or services().practice.draw(site.id, me().name)
    _keep(site.id, item)
    return render_template(
        "practice.html",
        site=site,
        sites=my_sites(),
        one=row_of(site, item, shows_personal_data=_shows(site)) if item else None,
        last=_last(site.id),
        progress=trainees.progress(site.id, me().name),
        min_compared=trainees.MIN_COMPARED,
        shows_personal_data=_shows(site),
        reasons=REASON_NAMES,
        keys=keys_of(me().preferences.keys),
    )


@bp.post("/<site_id>/practice/<item_id>")
def decide(site_id: str, item_id: str) -> ResponseReturnValue:
    """Keep what this trainee would decide about the comment on the screen, or show another."""
    site, form = _site(site_id), request.form
    known_id, version = session.get("practice", {}).get(site.id, ("", 0))
    if known_id == item_id:  # else it was judged in another window
        try:
            if form.get("action") != "skip":
                services().practice.judge(
                    site.id,
                    me().name,
                    item_id,
                    version,
                    form.get("action", ""),
                    form.get("reason", ""),
                )
        except (Conflict, ItemNotFound, ItemUnreadable):
            pass  # edited or forgotten meanwhile: there is nothing to learn from it
        _keep(site.id, None)
    return redirect(url_for(".index", site_id=site.id), 303)


@bp.get("/<site_id>/practice/differences")
def differences(site_id: str) -> str:
    """Show where this trainee would have decided otherwise, and why it was decided so."""
    site = _site(site_id)
    return render_template(
        "practice_differences.html",
        site=site,
        found=trainees.differences(site.id, me().name, request.args.get("before", "")),
        shows_personal_data=_shows(site),
    )


def _site(site_id: str) -> Site:
    """Return the site that a trainee practises on; for others there is nothing to practise."""
    if me().role != "trainee":
        raise Forbidden("this page is for trainees")
    site = site_for(site_id)
    session["site"] = site.id
    return site


def _shows(site: Site) -> bool:
    return site.personal_data == "ignore"


def _on_screen(site_id: str) -> ReviewItem | None:
    item_id, version = session.get("practice", {}).get(site_id, ("", 0))
    try:
        item = services().queue.item(site_id, item_id) if item_id else None
    except (ItemNotFound, ItemUnreadable):
        return None
    same = item is not None and item.version == version and item.state == "decided"
    return item if item and same and item.comment.text else None


def _keep(site_id: str, item: ReviewItem | None) -> None:
    others = {site: kept for site, kept in session.get("practice", {}).items() if site != site_id}
    if len(others) == MAX_SITES_AT_ONCE:
        others = {}
    session["practice"] = others | ({site_id: [item.id, item.version]} if item else {})


def _last(site_id: str) -> Judgement | None:
    for judged in services().practice.read(site_id, me().name, limit=1).judgements:
        if judged.last_word and judged.judged_at > time.time() - FRESH_SECONDS:
            return judged
    return None
