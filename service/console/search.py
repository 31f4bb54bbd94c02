"""Find comments by author, article or id; what is ticked there is decided in `bulk`."""

import secrets
import time

from flask import Blueprint, render_template, request

from service.console.bulk import last_of
from service.console.item_rows import rows
from service.console.permissions import shows_personal_data, site_for
from service.console.raids import HOURS
from service.console.vocabulary import REASON_NAMES
from service.errors import ItemNotFound, ItemUnreadable
from service.queue.records import ReviewItem, item_id_of
from service.queue.review_queue import MAX_BULK
from service.services import services
from service.sites.levers import Lever
from service.sites.site import Site

bp = Blueprint("search", __name__)

FIELDS = ("author_id", "article_id", "comment_id", "copies")


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
        rows=rows(site, waiting, shows_personal_data=shows_personal_data(site)),
        n_waiting=sum(item.state in ("pending", "leased") for item in waiting),
        limit=MAX_BULK,
        decided=services().read_models.find(site.id, name, value) if value else None,
        record=services().queue.author(site.id, value) if name == "author_id" else None,
        article=_lever(site, wanted["article_id"]),
        hours_of_hold=HOURS,
        reasons=REASON_NAMES,
        request_id=secrets.token_urlsafe(12),
        bulk=last_of(site.id),
    )


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
