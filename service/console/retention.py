"""Retention of a site, for administrators: what is due, forgetting it now, erasing an author."""

from collections.abc import Iterator

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.console import formats
from service.console.confirmation import asked_again
from service.console.permissions import by_me, needs, site_for
from service.console.progress import EVERY, streamed
from service.console.vocabulary import gettext as _
from service.console.vocabulary import ngettext
from service.errors import InvalidRequest, NotForgotten
from service.services import services
from service.sites.site import Site
from service.store.trail import Origin

bp = Blueprint("retention", __name__)

MAX_ID_LENGTH = 1_000


@bp.get("/<site_id>/retention")
@needs("admin")
def index(site_id: str) -> str:
    """Show what is kept of a site, and what is due."""
    return _page(site_for(site_id))


@bp.post("/<site_id>/retention")
@needs("admin")
def update(site_id: str) -> ResponseReturnValue:
    """Forget now what is due, or erase all that an author wrote."""
    site, action = site_for(site_id), request.form.get("action")
    back, by = url_for(".index", site_id=site.id), by_me()
    if action == "forget":
        due = services().retention.due(site)
        title = _("Forget now")
        sentences = [
            ngettext("%(num)s record is due.", "%(num)s records are due.", due.n_due),
            _("Texts, names, notes and replies go for good; facts of decisions stay."),
        ]
        question = asked_again(title, sentences, title, back)
        return question or streamed(title, back, lambda: _forget(site, by))
    if action == "erase":
        author_id = request.form.get("author_id", "").strip()
        if not 0 < len(author_id) <= MAX_ID_LENGTH or "\0" in author_id:
            told = _("An id has 1 to %(num)s characters.", num=formats.number(MAX_ID_LENGTH))
            return _page(site, complaint=told), 422
        title = _("Erase an author")
        sentences = [
            _("All that the author %(id)s wrote on this site goes for good.", id=author_id),
            _("What waits for a decision is withdrawn. Facts of decisions stay, without a word."),
        ]
        question = asked_again(title, sentences, _("Erase"), back)
        return question or streamed(title, back, lambda: _erase(site, author_id, by))
    raise InvalidRequest.of("action", "expected a button of this page")


def _page(site: Site, **shown: object) -> str:
    due = services().retention.due(site)
    return render_template(
        "retention.html", site=site, due=due, max_id_length=MAX_ID_LENGTH, **shown
    )


def _forget(site: Site, by: Origin) -> Iterator[str]:
    n_forgotten = 0
    try:
        for n, n_swept in enumerate(services().retention.sweeping(site, force=True, by=by)):
            n_forgotten += n_swept
            if n % EVERY == EVERY - 1:
                yield _("%(num)s so far", num=formats.number(n_forgotten))
    except NotForgotten:
        yield _("Nothing was forgotten.")
        return
    yield ngettext("Done: %(num)s was forgotten.", "Done: %(num)s were forgotten.", n_forgotten)


def _erase(site: Site, author_id: str, by: Origin) -> Iterator[str]:
    steps, n = services().retention.erasing(site.id, author_id, by=by), 0
    while True:
        try:
            n_erased = next(steps)
        except StopIteration as done:
            erased = done.value
            break
        n += 1
        if n % EVERY == 0:
            yield _("%(num)s so far", num=formats.number(n_erased))
    yield ngettext(
        "Done: %(num)s comment was erased.", "Done: %(num)s comments were erased.", erased.n_items
    )
    if erased.left_disk:
        yield _("The words have left the disk of the store. Copies made before still hold them.")
    else:
        yield _("The store has not said that it wrote its file anew. Do it again later.")
