"""The moderators' console under ``/console``: what all its pages share."""

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Flask,
    Request,
    Response,
    flash,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_babel import Babel, get_locale
from flask_babel import lazy_gettext as _
from flask_login import LoginManager, current_user
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.wrappers import Response as BaseResponse

from service.console import (
    account,
    admin,
    articles,
    authors,
    bulk,
    drift,
    exports,
    formats,
    history,
    insight,
    items,
    keys,
    login,
    moderators,
    notes,
    overview,
    policy,
    practice,
    queue,
    retention,
    search,
    second_look,
    settings,
    shadow,
    shift,
    sign_on,
    trail,
    trainees,
    vocabulary,
    words,
    work,
)
from service.console.digits import ShownDigits
from service.console.permissions import Moderator, me, my_sites
from service.console.second_factor import SET_UP, ask_to_set_up, must_set_up
from service.console.trainees import check_open
from service.console.unsent_forms import unsent
from service.errors import (
    RETRY_AFTER_SECONDS,
    Conflict,
    Forbidden,
    InvalidRequest,
    LoginThrottled,
    SiteUnreadable,
    StoreLost,
    StoreUnavailable,
    UnknownSite,
    status_of,
)
from service.errors import NotFound as NothingThere
from service.problems import note
from service.rules.personal_data import masked
from service.rules.phrases import LANGUAGES, RIGHT_TO_LEFT, negotiated
from service.services import EXTENSION, services

#: From HAMZA to YEH.
ARABIC_LETTER = re.compile("[\u0621-\u064a]")

HEADERS = {
    # Nothing inline, nothing from elsewhere: an injected tag can neither run nor send anything.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; media-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}

bp = Blueprint(
    "console", __name__, url_prefix="/console", static_folder="static", template_folder="templates"
)
PAGES = (
    *(
        login,
        sign_on,
        account,
        moderators,
        overview,
        search,
        bulk,
        articles,
        authors,
        notes,
        second_look,
    ),
    *(history, items),
    *(insight, drift, shadow, policy, settings, trail, work),
    *(trainees, practice, shift, queue, admin, keys, words, retention, exports),
)
for module in PAGES:
    bp.register_blueprint(module.bp)

csrf = CSRFProtect()
login_manager = LoginManager()
login_manager.user_loader(Moderator.from_id)


class ConsoleSessions(SecureCookieSessionInterface):
    """Sessions of the console alone: machines have none, and to look for one takes time."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session of a request; None outside the console."""
        inside = request.path.startswith(self.get_cookie_path(app))
        return super().open_session(app, request) if inside else None


def init_app(app: Flask) -> None:
    """Bind the console to an application that has its services and a secret key."""
    app.config.update(
        SESSION_COOKIE_NAME="hakam_session",
        SESSION_COOKIE_PATH="/console",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=app.extensions[EXTENSION].settings.public_url.startswith("https:"),
        WTF_CSRF_CHECK_DEFAULT=False,  # machines with a bearer key have no cookie to be abused
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session, so that a long shift loses no decision
    )
    app.session_interface = ConsoleSessions()
    csrf.init_app(app)
    # No page names `current_user`, and asking again would fail again where the store is away.
    login_manager.init_app(app, add_context_processor=False)
    babel = Babel(
        app,
        default_locale="ar",
        default_translation_directories=str(Path(__file__).parent / "translations"),
        locale_selector=language,
    )
    babel.domain_instance = ShownDigits()
    app.register_blueprint(bp)


def language() -> str:
    """Return the language of the account, else what was chosen before the login or by the browser.

    Arabic where none of them says.
    """
    account = g.get("account")
    chosen = account.preferences.language if account else session.get("language", "")
    if chosen in LANGUAGES:
        return str(chosen)
    return negotiated(request.accept_languages.values())


# -- every request ------------------------------------------------------------------------------


@bp.before_request
def _guard() -> BaseResponse | None:
    """Let nobody in without a session, and take no form without its token."""
    static = request.endpoint == "console.static"
    if not static and current_user.is_authenticated:
        g.account = me()
        is_open = login.needs_no_login() or request.endpoint == SET_UP
        if not is_open and must_set_up(g.account):
            return ask_to_set_up()
        check_open(g.account, request.endpoint or "")
        if g.account.graduated and request.method == "GET":
            flash(_("You are a trainee no longer: from now on what you decide counts."), "approve")
            services().accounts.note_told(g.account.name)
        if "site" not in session:  # where the links at the top lead to
            session["site"] = next((site.id for site in my_sites()), "")
    elif not (static or login.needs_no_login()):
        return login.ask_to_log_in()
    if request.endpoint != "console.sign_on.end_sessions":  # what a provider signs has no form
        csrf.protect()
    return None


@bp.after_request
def _protect(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint == "console.static":
        response.headers["Cache-Control"] = "public, max-age=300"
    return response


@bp.get("/")
def index() -> BaseResponse:
    """Open the work on the first site of whoever is logged in."""
    if not me().at_least("moderator"):
        sites = my_sites()
        where = url_for("console.practice.index", site_id=sites[0].id) if sites else ""
        return redirect(where or url_for("console.account.index"))
    sites = my_sites()
    if not sites:
        raise UnknownSite("no site is assigned to this account")
    return redirect(url_for("console.work.index", site_id=sites[0].id))


@bp.post("/language")
def update_language() -> BaseResponse:
    """Change the language; an account keeps it for the next time."""
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES:
        session["language"] = chosen
        if account := g.get("account"):
            preferences = replace(account.preferences, language=chosen)
            services().accounts.save_preferences(account.name, preferences)
    return redirect(login.own_page(request.form.get("next", "")))


# -- errors as sentences ------------------------------------------------------------------------

SENTENCES = {
    StoreLost: _(
        "The store has lost comments and accounts, or is another one than before. Ask whoever runs "
        "this service; `hakam check` tells them what to do."
    ),
    StoreUnavailable: _(
        "The store of comments does not answer. Nothing was lost; try again in a moment."
    ),
    SiteUnreadable: _(
        "What is stored of this site cannot be read, so nothing was done. Tell whoever runs Hakam; "
        "other sites are not affected."
    ),
    Forbidden: _("Your role does not open this page. An administrator can change that."),
    UnknownSite: _("There is no such site, or it is not assigned to you."),
    NothingThere: _("There is no such page."),
    LoginThrottled: _("Too many attempts. Try again in a quarter of an hour."),
    InvalidRequest: _("Something in this form is missing or wrong, so nothing was done."),
    Conflict: _("That has changed meanwhile, so nothing was done. Look again."),
    CSRFError: _(
        "This form is too old or came from elsewhere, so nothing was done. Try again from here."
    ),
}


@bp.errorhandler(Exception)
def _explain(error: Exception) -> tuple[str, int, dict[str, str]]:
    """Say an error in one plain sentence."""
    status = error.code or 500 if isinstance(error, HTTPException) else status_of(error)
    note(error)
    known = NothingThere if isinstance(error, NotFound) else type(error)
    sentence = next(
        (SENTENCES[kind] for kind in known.__mro__ if kind in SENTENCES),
        _("Something went wrong here. It has been written to the log."),
    )
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}
    kept = unsent() if isinstance(error, (CSRFError, StoreUnavailable)) else None
    if kept is not None:  # nothing is wrong with what was typed, only with the moment
        page = render_template("unsent.html", sentence=sentence, kept=kept)
    else:
        page = render_template("message.html", sentence=sentence, status=status)
    return page, status, headers


@bp.route("/<path:path>")
def _nowhere(path: str) -> str:
    raise NothingThere("there is no such page")


# -- what templates may say ---------------------------------------------------------------------


for form in (formats.number, formats.percent, formats.score):
    bp.add_app_template_filter(form)


@bp.app_template_filter("masked")
def _masked(text: str, shows: bool = False) -> str:
    """Return a text without its personal data, unless that is to be shown."""
    return text if shows else masked(text)


@bp.app_template_filter("spoken")
def _spoken(text: str | None) -> str:
    """Return the language in which a text is read out: Arabic, else that of the page."""
    return "ar" if ARABIC_LETTER.search(text or "") else str(get_locale())


@bp.app_template_filter("web_address")
def _web_address(url: str | None) -> str:
    """Return a link that may be followed: http or https, nothing that a browser would run."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return ""
    return (url or "") if parts.scheme in ("http", "https") and parts.netloc else ""


@bp.context_processor
def _shared() -> dict[str, Any]:
    locale = str(get_locale() or "ar")
    return {
        "account": g.get("account"),
        "here": (request.view_args or {}).get("site_id") or session.get("site"),
        "direction": "rtl" if locale in RIGHT_TO_LEFT else "ltr",
        "language": locale,
        "languages": LANGUAGES,
        "now": time.time(),
        "formats": formats,
        "vocabulary": vocabulary,
    }
