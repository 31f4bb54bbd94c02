"""Articles: seniors hold all comments on one, close it, or open it again."""

import math
import time

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from service.console.permissions import by_me, me, needs, site_for
from service.console.vocabulary import gettext as _
from service.errors import Conflict, InvalidRequest
from service.services import services
from service.sites.levers import MAX_HOURS, Lever

bp = Blueprint("articles", __name__)

HOURS = (1, 3, 6, 12, 24, 72)  # from which people choose
MAX_ID_LENGTH = 1_000


@bp.post("/<site_id>/articles")
@needs("senior")
def update(site_id: str) -> ResponseReturnValue:
    """Hold, close or open an article, from a second later on."""
    site = site_for(site_id)
    article_id, action = request.form.get("article_id", ""), request.form.get("action")
    hours = request.form.get("hours", 0, type=int)
    if not 0 < len(article_id) <= MAX_ID_LENGTH or "\0" in article_id:
        raise InvalidRequest.of("article_id", "expected the id of an article")
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
    return redirect(url_for("console.search.index", site_id=site.id, article_id=article_id), 303)
