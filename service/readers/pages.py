"""Readers' pages under ``/readers``: opened by a signed link, without a key, cookie or script.

A page is small enough for a dialogue on the site's own page, which ``static/report.js`` opens. What
a reader sees there about a comment is the site's own text, escaped, and believed only where the
link has its digest.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from flask import Blueprint, Response, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale
from itsdangerous import BadData, URLSafeSerializer
from werkzeug.exceptions import HTTPException

from models.characters import is_visible
from service.accounts.login_limits import network
from service.errors import (
    Conflict,
    NotFound,
    RateLimited,
    ServiceError,
    StoreUnavailable,
    TooManyReports,
    status_of,
)
from service.problems import headers_of, note
from service.queue.messages import REPORT_REASONS, notice, receipt
from service.queue.reader_links import Link, Purpose, read_link
from service.queue.records import Comment, Report, content_digest
from service.rules.phrases import LANGUAGES, N_, RIGHT_TO_LEFT, negotiated
from service.services import services, signing_keys
from service.sites.site import Site

MAX_BODY_BYTES = 256 * 1024
MAX_EXPLANATION = 2_000
MAX_STATEMENT = 4_000
MAX_CONTACT = 320

HEADERS = {
    # A page of any site may show it in a frame: nothing here is done by a click alone.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors *",
    "Referrer-Policy": "no-referrer",  # its address holds a token
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}

bp = Blueprint(
    "readers",
    __name__,
    url_prefix="/readers",
    static_folder="static",
    template_folder="templates",
)


class BadLink(NotFound):
    """The link is not of this site, not for this, or has ended."""


@bp.before_request
def _limit_body() -> None:
    request.max_content_length = MAX_BODY_BYTES


@bp.after_request
def _protect(answer: Response) -> Response:
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    if request.endpoint == "readers.static":
        answer.headers["Cache-Control"] = "public, max-age=3600"
    return answer


# -- a report -----------------------------------------------------------------------------------


@bp.get("/<site_id>/report")
def index(site_id: str) -> str:
    """Ask for what a comment is reported."""
    site, link = _opened(site_id, "report")
    return _show_form(site, link)


@bp.post("/<site_id>/report")
def create(site_id: str) -> ResponseReturnValue:
    """Take a report in; without a reason, as a page of the site sends it, ask for it first."""
    site, link = _opened(site_id, "report")
    if "reason" not in request.form and "sent" not in request.form:
        return _show_form(site, link)
    if wrong := _complaints():
        return _show_form(site, link, wrong), 422
    services().reader_limits.spend(request.remote_addr or "")
    comment, digest = _comment_of(link)
    report, _new = services().moderation.report(
        site,
        comment,
        judged=True,
        digest=digest,
        strict=True,
        reason=request.form["reason"],
        reporter=link.reader or _stranger(),
        explanation=_typed("explanation"),
        contact=_typed("contact"),
    )
    sealed = _sealed().dumps([site.id, report.id])
    return redirect(url_for(".status", site_id=site.id, sealed=sealed, lang=_language()), 303)


@bp.get("/<site_id>/status/<sealed>")
def status(site_id: str, sealed: str) -> str:
    """Confirm that a report was received, and say what became of it."""
    try:
        whose, report_id = _sealed().loads(sealed)
    except (BadData, ValueError, TypeError):
        raise BadLink("the link is none of ours") from None
    site = services().known_sites.find(site_id, lambda found: found.id == whose)
    if site is None:
        raise BadLink("the link is none of this site")
    report = services().reports.get(site.id, report_id)
    return _render("status.html", paragraphs=_paragraphs(site, report), report=report)


def _paragraphs(site: Site, report: Report) -> Sequence[str]:
    message = notice(site, report) or receipt(site, report)
    return message[_language()].split("\n\n")


def _show_form(site: Site, link: Link, wrong: Sequence[str] = ()) -> str:
    comment, _digest = _comment_of(link)
    return _render(
        "report.html",
        site=site,
        token=_token(),
        comment=comment,
        reasons=REPORT_REASONS,
        wrong=wrong,
        typed=_typed,
        max_explanation=MAX_EXPLANATION,
        max_contact=MAX_CONTACT,
    )


_MISSING_REASON = N_("Choose a reason.")
_MISSING_EXPLANATION = N_("Say what is against the law, and why.")
_MISSING_GOOD_FAITH = N_("Confirm that you believe in good faith what you report.")
_TOO_LONG = N_("What you wrote is too long.")


def _complaints() -> list[str]:
    wrong = []
    if _typed("reason") not in REPORT_REASONS:
        wrong.append(_MISSING_REASON)
    if _typed("reason") == "illegal" and not is_visible(_typed("explanation")):
        wrong.append(_MISSING_EXPLANATION)
    if not _typed("good_faith"):  # Art. 16(2)(d) DSA
        wrong.append(_MISSING_GOOD_FAITH)
    if len(_typed("explanation")) > MAX_EXPLANATION or len(_typed("contact")) > MAX_CONTACT:
        wrong.append(_TOO_LONG)
    return wrong


def _comment_of(link: Link) -> tuple[Comment, str | None]:
    """Return the comment of a link, and its digest where only the site has its text."""
    known = Comment(link.sub, article_url=link.url, article_title=link.title)
    for break_ in ("\r\n", "\n"):  # a form makes the first of the second
        text, name = (
            request.form.get(field, "").replace("\r\n", break_) for field in ("text", "author_name")
        )
        comment = Comment(
            link.sub, text, author_name=name, article_url=link.url, article_title=link.title
        )
        if text and link.digest and content_digest(comment) == link.digest:
            return comment, None
    return known, link.digest


def _stranger() -> str:
    """Return by what a reader is known who is not logged in: a digest of where they are."""
    key = str(current_app.secret_key).encode()
    place = network(request.remote_addr or "").encode()
    return "\0" + hmac.new(key, place, hashlib.sha256).hexdigest()


# -- an objection -------------------------------------------------------------------------------


@bp.get("/<site_id>/appeal")
def appeal(site_id: str) -> str:
    """Ask an author what they say against a decision."""
    site, _link = _opened(site_id, "appeal")
    return _show_appeal(site)


@bp.post("/<site_id>/appeal")
def create_appeal(site_id: str) -> ResponseReturnValue:
    """Put a decided comment before somebody else."""
    site, link = _opened(site_id, "appeal")
    statement = _typed("statement")
    if len(statement) > MAX_STATEMENT:
        return _show_appeal(site, (_TOO_LONG,)), 422
    services().reader_limits.spend(request.remote_addr or "")
    target = site.time_target_seconds
    services().queue.appeal(site.id, link.sub, statement, time_target_seconds=target)
    said = N_(
        "Your objection was received. Somebody else will look at the comment and decide again."
    )
    return _render("status.html", sentence=said, objected=True)


def _show_appeal(site: Site, wrong: Sequence[str] = ()) -> str:
    return _render(
        "appeal.html",
        site=site,
        token=_token(),
        max_statement=MAX_STATEMENT,
        wrong=wrong,
        typed=_typed,
    )


# -- what all pages share -----------------------------------------------------------------------


def _opened(site_id: str, purpose: Purpose) -> tuple[Site, Link]:
    token = _token()
    g.n_comments = 0
    fits = services().known_sites.find(site_id, lambda site: bool(read_link(site, purpose, token)))
    link = read_link(fits, purpose, token) if fits else None
    if fits is None or link is None:
        raise BadLink("the link is not valid, or not any more")
    g.site_id = fits.id
    return fits, link


def _token() -> str:
    return request.form.get("token", "") or request.args.get("token", "")


def _typed(name: str) -> str:
    return request.form.get(name, "").strip()


def _language() -> str:
    asked = request.values.get("lang", "")
    if asked in LANGUAGES:
        return asked
    return negotiated(request.accept_languages.values())


def _sealed() -> URLSafeSerializer:
    return URLSafeSerializer(signing_keys(), salt="hakam report")


def _render(template: str, **values: object) -> str:
    language = _language()
    with force_locale(language):
        direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
        return render_template(
            f"readers/{template}", language=language, direction=direction, **values
        )


_SENTENCES: Mapping[type[Exception], str] = {
    BadLink: N_("This link is not valid any more. Open the page of the comment again."),
    NotFound: N_("Nothing is kept of this any more."),
    TooManyReports: N_("You have reported a lot today. Try again tomorrow."),
    RateLimited: N_("Too many requests came from your network. Try again in an hour."),
    Conflict: N_("The comment has changed since. Open its page again."),
    StoreUnavailable: N_("That did not work, and nothing was stored. Try again in a moment."),
}
_SORRY = N_("That did not work, and nothing was stored.")


@bp.errorhandler(Exception)
def _explain(error: Exception) -> ResponseReturnValue:
    """Say an error in one plain sentence."""
    code = error.code or 500 if isinstance(error, HTTPException) else status_of(error)
    note(error)
    kinds = type(error).__mro__ if isinstance(error, ServiceError) else ()
    sentence = next((_SENTENCES[kind] for kind in kinds if kind in _SENTENCES), _SORRY)
    page = _render("status.html", sentence=sentence, failed=True)
    return page, code, headers_of(error)
