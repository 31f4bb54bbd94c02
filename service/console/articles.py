"""Article page: the comments on one article, and its levers: seniors hold, close or open it."""

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.console.insight import drawn
from service.console.one_page import MAX_NAMES, asked_id, comments_of, days_back, lists, names_in
from service.console.permissions import by_me, me, needs, site_for
from service.console.raids import HOURS
from service.console.vocabulary import gettext as _
from service.errors import Conflict, InvalidRequest
from service.queue.articles import Hour
from service.queue.records import Comment
from service.reports.insight import Figure, Kind, Series
from service.rules.times import iso_time
from service.services import services
from service.sites.levers import MAX_HOURS, Lever

bp = Blueprint("articles", __name__)

N_HOURS, N_DAYS = 24, 7  # that the charts show


@bp.get("/<site_id>/articles")
def index(site_id: str) -> str:
    """Show what is kept of the comments on an article, and how they came."""
    site = site_for(site_id)
    article_id = asked_id(request.args.get("id"))
    page = services().articles.page(site.id, article_id)
    shown = lists(site, "article_id", article_id)
    comments, lever = comments_of(shown), site.levers.get(article_id)
    return render_template(
        "article.html",
        **shown,
        page=page,
        lever=lever if lever and lever.until > time.time() else None,
        hours_of_hold=HOURS,
        title=next((one.article_title for one in comments if one.article_title), ""),
        address=next((one.article_url for one in comments if one.article_url), ""),
        writers=_writers(comments, shows=shown["shows_personal_data"]),
        charts=drawn(heat(page.hours, time.time())),
    )


def _writers(comments: Sequence[Comment], *, shows: bool) -> list[tuple[str, str, int]]:
    """Return who wrote most of these comments: id, a name and how many, where it is more than one.

    A decision and its undo are about one comment.
    """
    by_id: Mapping[str, Comment] = {one.id: one for one in comments}
    counts = Counter(one.author_id for one in by_id.values() if one.author_id)
    most = [(author, n) for author, n in counts.most_common(MAX_NAMES) if n > 1]
    found = []
    for author, n in most:
        names = names_in((one for one in comments if one.author_id == author), shows=shows)
        found.append((author, names[0] if names else "", n))
    return found


def heat(hours: Sequence[Hour], now: float) -> list[Figure]:
    """Return how many comments came by the hour, of a day, and by the day, of a week."""
    this_hour = int(now // 3_600) * 3_600
    last_hours = [this_hour - 3_600 * back for back in reversed(range(N_HOURS))]
    by_hour = {one.begins: [one] for one in hours}
    days = days_back(now, N_DAYS)
    by_day = {day: [one for one in hours if day <= one.begins < day + 86_400] for day in days}
    figures = [
        _heat("article_by_hour", "hour", last_hours, by_hour),
        _heat("article_by_day", "day", days, by_day),
    ]
    return [one for one in figures if not one.empty]


def _heat(
    code: str, kind: Kind, rows: Sequence[int], hours: Mapping[int, Sequence[Hour]]
) -> Figure:
    names = {"passed": "n_passed", "held": "n_held", "rejected_at_once": "n_rejected"}

    def count(name: str, row: int) -> float:
        return float(sum(getattr(hour, name) for hour in hours.get(row, ())))

    series = [Series(one, [count(name, row) for row in rows]) for one, name in names.items()]
    return Figure(code, kind, "count", [iso_time(row, "minutes") for row in rows], series)


@bp.post("/<site_id>/articles")
@needs("senior")
def update(site_id: str) -> ResponseReturnValue:
    """Hold, close or open an article, from a second later on."""
    site = site_for(site_id)
    article_id, action = asked_id(request.form.get("article_id")), request.form.get("action")
    hours = request.form.get("hours", 0, type=int)
    try:
        if action == "open":
            services().sites.release(site.id, article_id, by=by_me())
            flash(_("The article is open again."), "approve")
        elif action == "close":
            services().sites.pull(
                site.id, Lever(article_id, "closed", math.inf, me().name), by=by_me()
            )
            flash(_("The article takes no more comments: what comes is rejected."), "reject")
        elif action == "hold" and 0 < hours <= MAX_HOURS:
            until = time.time() + hours * 3_600
            services().sites.pull(site.id, Lever(article_id, "held", until, me().name), by=by_me())
            flash(_("All comments on the article wait for a person from now on."), "skip")
        else:
            raise InvalidRequest.of("action", "expected a button of this page")
    except Conflict:
        flash(_("Too many articles are held or closed. Open some first."), "reject")
    return redirect(url_for(".index", site_id=site.id, id=article_id), 303)
