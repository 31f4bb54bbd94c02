"""Word lists of a site, for administrators: edited, brought from a file, tried before they hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.console import changes
from service.console.concurrent_edits import Stale, update
from service.console.highlight import Segment, marked
from service.console.permissions import needs, site_for
from service.console.settings_form import complaint
from service.console.vocabulary import gettext as _
from service.errors import InvalidRequest
from service.queue.records import Comment
from service.rules.policy import Verdict
from service.services import services
from service.sites.settings import lines_of
from service.sites.site import Site
from service.sites.sites import changes_between

bp = Blueprint("words", __name__)

LISTS = ("block_words", "allow_words")
MAX_TRIED = 20  # comments that are tried at once
MAX_LENGTH = 2_000  # characters of what is tried


@dataclass(frozen=True, slots=True)
class Tried:
    """What becomes of one comment by the lists of now, and by those that were typed."""

    segments: Sequence[Segment]  # with what counts by those that were typed
    now: Verdict
    then: Verdict


@bp.get("/<site_id>/words")
@needs("admin")
def index(site_id: str) -> str:
    """Show the word lists of a site."""
    site = site_for(site_id)
    return _page(site, site)


@bp.post("/<site_id>/words")
@needs("admin")
def update_lists(site_id: str) -> ResponseReturnValue:
    """Try the lists on some comments, or keep them."""
    site = site_for(site_id)
    try:
        wanted = _typed(site)
        if request.form.get("action") == "try":
            return _page(site, wanted, tried=_tried(site, wanted))
        stored = update(site, _typed)
    except InvalidRequest as refusal:
        told = " ".join(complaint(error, ()) for error in refusal.errors)
        return _page(site, site, complaint=told, typed=request.form), 422
    if isinstance(stored, Stale):
        return _page(stored.site, stored.wanted, meanwhile=stored.since), 409
    flash(_("Saved."))
    return redirect(url_for(".index", site_id=site.id), 303)


def _typed(site: Site) -> Site:
    """Return a site with the lists that were typed, and what a file adds to them."""
    return site.changed(
        {
            name: lines_of("\n".join((request.form.get(name, ""), _brought(name))))
            for name in LISTS
            if name in request.form
        }
    )


def _brought(name: str) -> str:
    file = request.files.get(f"{name}_file")
    if file is None:
        return ""
    file.stream.seek(0)  # it is read once for each site that is looked at
    try:
        return file.stream.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest.of(name, "expected a file in UTF-8") from None


def _tried(site: Site, wanted: Site) -> Sequence[Tried]:
    lines = request.form.get("texts", "")[:MAX_LENGTH].splitlines()
    texts = [line for line in lines if line.strip()][:MAX_TRIED]
    comments = [Comment(str(n), text) for n, text in enumerate(texts)]
    if not comments:
        return ()
    judge = services().moderation.judge
    pairs = zip(texts, judge(site, comments), judge(wanted, comments), strict=True)
    return [
        Tried(list(marked(text, "text", then.evidence)), now.verdict, then.verdict)
        for text, now, then in pairs
    ]


def _page(site: Site, wanted: Site, **shown: object) -> str:
    differing = changes_between(site, wanted)
    revision = request.form.get("revision") if {"tried", "typed"} & {*shown} else site.revision
    return render_template(
        "words.html",
        site=site,
        wanted=wanted,
        revision=revision or "",
        lists=LISTS,
        changes=changes,
        differing=list(changes.lines(differing)),
        texts=request.form.get("texts", "")[:MAX_LENGTH],
        max_length=MAX_LENGTH,
        **shown,
    )
