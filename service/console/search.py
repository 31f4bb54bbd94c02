"""Find comments by words, people, articles and days; what is ticked is decided in `bulk`."""

import secrets
from collections.abc import Iterator

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models.schema import Evidence
from service.console.groups import last_of
from service.console.item_rows import Row, row_of
from service.console.permissions import shows_personal_data, site_for
from service.console.search_form import SearchForm, Unclear, choices
from service.console.vocabulary import REASON_NAMES
from service.console.vocabulary import gettext as _
from service.errors import InvalidRequest
from service.queue.records import ReviewItem, item_id_of
from service.queue.search import Asked, Found
from service.rules.search_terms import Terms
from service.services import services
from service.sites.site import Site

bp = Blueprint("search", __name__)

PAGE = 50
SECONDS = 0.08  # for which a page looks; then it says how far it came
FOUND = "found"  # what the marks of found words are called


@bp.get("/<site_id>/search")
def index(site_id: str) -> ResponseReturnValue:
    """Show comments that fit what is asked, the newest first, and how far was looked.

    Of a moderator alone, what was decided last is first.
    """
    site = site_for(site_id)
    if page_of_one := _page_of_one(site.id):
        return redirect(page_of_one)
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
        complaint = unclear.sentence
    except InvalidRequest:
        complaint = _("This address is not complete, so search cannot go on from it. Search anew.")
    page = render_template(
        "search.html",
        site=site,
        form=form,
        complaint=complaint,
        found=found,
        rows=_rows(site, asked, found, shows=shows) if asked and found else [],
        by_decision=asked is not None and asked.by_decision,
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


def _page_of_one(site_id: str) -> str:
    """Return the page that an address of before leads to; empty for a search."""
    if author_id := request.args.get("author_id", "").strip():
        return url_for("console.authors.index", site_id=site_id, id=author_id)
    if article_id := request.args.get("article_id", "").strip():
        return url_for("console.articles.index", site_id=site_id, id=article_id)
    if comment_id := request.args.get("comment_id", "").strip():
        return url_for("console.items.index", site_id=site_id, item_id=item_id_of(comment_id))
    if copies := request.args.get("copies", "").strip():
        return url_for("console.queue.index", site_id=site_id, copies=copies)
    return ""
