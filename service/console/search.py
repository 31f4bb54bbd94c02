"""Find comments by words, people, articles and days; what is ticked is decided in `bulk`."""

import secrets
from collections.abc import Iterator

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models.schema import Evidence
from service.console.bulk import last_of
from service.console.item_rows import Row, row_of, rows
from service.console.permissions import shows_personal_data, site_for
from service.console.search_form import SearchForm, Unclear, choices
from service.console.vocabulary import REASON_NAMES
from service.console.vocabulary import gettext as _
from service.errors import InvalidRequest, ItemNotFound, ItemUnreadable
from service.queue.records import ReviewItem, item_id_of
from service.queue.review_queue import MAX_BULK
from service.queue.search import Asked, Found
from service.rules.search_terms import Terms
from service.services import services
from service.sites.site import Site

bp = Blueprint("search", __name__)

PAGE = 50
SECONDS = 0.08  # for which a page looks; then it says how far it came
FOUND = "found"  # what the marks of found words are called

OF_ONE = ("comment_id", "copies")
PAGES_OF = {"author_id": "console.authors.index", "article_id": "console.articles.index"}


@bp.get("/<site_id>/search")
def index(site_id: str) -> ResponseReturnValue:
    """Show comments that fit what is asked, the newest first, and how far was looked."""
    site = site_for(site_id)
    for name, page_of in PAGES_OF.items():  # addresses of before
        if value := request.args.get(name, "").strip():
            return redirect(url_for(page_of, site_id=site.id, id=value))
    wanted = {name: request.args.get(name, "").strip() for name in OF_ONE}
    if any(wanted.values()):
        return _of_one(site, wanted)
    form, shows, complaint = SearchForm.of(request.args), shows_personal_data(site), ""
    asked = found = None
    try:
        asked = form.asked() if form.given else None
        if asked:
            before = request.args.get("before", "")
            found = services().search.find(
                site.id, asked, before=before, limit=PAGE, seconds=SECONDS
            )
    except Unclear as unclear:
        complaint = str(unclear)
    except InvalidRequest:
        complaint = _("This address is not complete, so search cannot go on from it. Search anew.")
    page = render_template(
        "search.html",
        site=site,
        form=form,
        complaint=complaint,
        found=found,
        rows=_rows(site, asked, found, shows=shows) if asked and found else [],
        full=found is not None and len(found.items) == PAGE,
        under_way=services().reindex.under_way(site.id),
        shows_personal_data=shows,
        reasons=REASON_NAMES,
        request_id=secrets.token_urlsafe(12),
        last=last_of(site.id),
        **choices(),
    )
    return page, 422 if complaint else 200


def _rows(site: Site, asked: Asked, found: Found, *, shows: bool) -> list[Row]:
    return [
        row_of(
            site,
            one.item,
            shows_personal_data=shows,
            found=_marks(asked, one.item),
            action=one.action,
        )
        for one in found.items
    ]


def _marks(asked: Asked, item: ReviewItem) -> list[Evidence]:
    """Return the words that were found, in place of what speaks against the comment."""
    return [
        *_spans(asked.text, "text", item.comment.text),
        *_spans(Terms.of(asked.author), "author.name", item.comment.author_name),
    ]


def _spans(terms: Terms, field: str, text: str) -> Iterator[Evidence]:
    for start, end in terms.spans(text) if terms else ():
        yield Evidence(field, FOUND, start, end, 1.0)  # type: ignore[arg-type]


# What waits and what was decided lately of one comment, or of copies of one text.


def _of_one(site: Site, wanted: dict[str, str]) -> str:
    name, value = next((n, v) for n, v in wanted.items() if v)
    waiting = _waiting(site.id, name, value)
    return render_template(
        "search_one.html",
        site=site,
        shows_personal_data=shows_personal_data(site),
        wanted=wanted,
        rows=rows(site, waiting, shows_personal_data=shows_personal_data(site)),
        n_waiting=sum(item.state in ("pending", "leased") for item in waiting),
        limit=MAX_BULK,
        decided=services().read_models.find(site.id, name, value),
        reasons=REASON_NAMES,
        request_id=secrets.token_urlsafe(12),
        bulk=last_of(site.id),
    )


def _waiting(site_id: str, name: str, value: str) -> list[ReviewItem]:
    queue = services().queue
    if name == "copies":
        return queue.waiting(site_id, copies=value, limit=MAX_BULK)
    try:
        return [queue.item(site_id, item_id_of(value))]
    except (ItemNotFound, ItemUnreadable):
        return []
