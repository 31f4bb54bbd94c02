"""Notes of moderators about an author or an article."""

from flask import Blueprint, flash, redirect, request
from flask.typing import ResponseReturnValue

from service.console.login import own_page
from service.console.one_page import asked_id
from service.console.permissions import me, site_for
from service.console.vocabulary import gettext as _
from service.errors import Conflict, Forbidden, InvalidRequest
from service.queue.notes import MAX_NOTE_LENGTH, About
from service.services import services

bp = Blueprint("notes", __name__)


@bp.post("/<site_id>/notes")
def create(site_id: str) -> ResponseReturnValue:
    """Keep a note, and show the page again on which it was written."""
    site = site_for(site_id)
    text = request.form.get("note", "").strip()
    about, value = _about()
    if not text:
        flash(_("The note was empty."), "reject")
    elif len(text) > MAX_NOTE_LENGTH:
        flash(_("A note has at most %(n)s characters.", n=MAX_NOTE_LENGTH), "reject")
    else:
        try:
            services().notes.add(
                site.id, about, value, note_id=_note_id(), moderator=me().name, text=text
            )
            flash(_("Noted."), "approve")
        except Conflict:
            flash(_("There are as many notes as may be. Remove one first."), "reject")
    return redirect(own_page(request.form.get("next", "")), 303)


@bp.post("/<site_id>/notes/remove")
def delete(site_id: str) -> ResponseReturnValue:
    """Remove a note of one's own, or as a senior."""
    site = site_for(site_id)
    about, value = _about()
    try:
        services().notes.remove(
            site.id, about, value, _note_id(), me().name, senior=me().at_least("senior")
        )
        flash(_("The note is gone."), "skip")
    except Forbidden:
        flash(_("Only who wrote the note, or a senior, may remove it."), "reject")
    return redirect(own_page(request.form.get("next", "")), 303)


def _about() -> tuple[About, str]:
    about = request.form.get("about")
    value = asked_id(request.form.get("id"))
    if about == "author_id":
        return "author_id", value
    if about == "article_id":
        return "article_id", value
    raise InvalidRequest.of("about", "expected a form of this page")


def _note_id() -> str:
    note_id = request.form.get("note_id", "")
    if not 0 < len(note_id) <= 64:
        raise InvalidRequest.of("note_id", "expected a form of this page")
    return note_id
