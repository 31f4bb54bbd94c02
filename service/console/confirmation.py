"""Confirmation: a page that says what will happen, and asks for the own password once more."""

from collections.abc import Sequence

from flask import render_template, request
from flask.typing import ResponseReturnValue

from service.console.own_password import is_confirmed, is_own_password, only_signs_on
from service.console.vocabulary import gettext as _

PASSWORD = "own_password"  # noqa: S105 - the name of a field


def asked_again(
    title: str, sentences: Sequence[str], button: str, back: str
) -> ResponseReturnValue | None:
    """Return the page that asks; None where the form of this request answers it rightly."""
    given = request.form.get(PASSWORD)
    if given is not None and is_own_password(given):
        return None
    kept = [(n, v) for n, v in request.form.items(multi=True) if n not in ("csrf_token", PASSWORD)]
    page = render_template(
        "confirmation.html",
        title=title,
        sentences=sentences,
        button=button,
        back=back,
        kept=kept,
        asks_sign_on=only_signs_on(),
        is_confirmed=is_confirmed(),
        complaint="" if given is None or only_signs_on() else _("The password is wrong."),
    )
    return page, 200 if given is None else 422
