"""Login: password, second factor, invitations, log out."""

import time
from dataclasses import replace
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_login import current_user, login_user, logout_user
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from service.accounts.account import MIN_PASSWORD_LENGTH, Account, AccountError
from service.accounts.records import digest
from service.accounts.sessions import SignedOn
from service.console import work
from service.console.formats import duration_after
from service.console.known_browsers import browser_of, remember_browser
from service.console.leases import release_all
from service.console.permissions import Moderator, me
from service.console.second_factor import ASKED_ELSEWHERE, ask_to_set_up, must_set_up
from service.console.trainees import check_open
from service.console.unsent_forms import Unsent, last_name, opened, unsent
from service.console.vocabulary import gettext as _
from service.console.vocabulary import ngettext
from service.errors import LoginThrottled
from service.services import services

bp = Blueprint("login", __name__)

CODE_SECONDS = 300


def needs_no_login() -> bool:
    """Return whether the page of this request is open to everybody."""
    open_to_all = ("console.login", "console.sign_on")
    return request.blueprint in open_to_all or request.endpoint == "console.update_language"


def ask_to_log_in() -> Response:
    """Answer a request without a session by the login page, which keeps a form that comes late."""
    if "_user_id" in session:
        services().durability.expect()
    kept = unsent()
    if kept is not None:
        complaint = _(
            "Your login had ended, so nothing was done. What you typed is kept: log in, and it is "
            "there again."
        )
        return make_response(page("login.html", 401, complaint=complaint, kept=kept.seal()))
    after = request.full_path.rstrip("?") if request.method in ("GET", "HEAD") else ""
    if not after and "site_id" in (request.view_args or {}):
        after = url_for("console.work.index", site_id=(request.view_args or {})["site_id"])
    return redirect(url_for("console.login.index", next=after))


@bp.get("/login")
def index() -> ResponseReturnValue:
    """Ask for name and password."""
    return page("login.html", 200)


@bp.post("/login")
def create() -> ResponseReturnValue:
    """Log somebody in whose password is right, or ask for the second factor first."""
    name, password = request.form.get("name", ""), request.form.get("password", "")
    try:
        account = services().accounts.authenticate(
            name, password, address=_address(), device=browser_of(name)
        )
    except LoginThrottled as wait:
        return page("login.html", 429, complaint=too_often(wait))
    if account is None:
        services().durability.expect()  # else it is the store that is wrong
        return page("login.html", 401, complaint=_("The name or the password is wrong."))
    return _after_password(account)


@bp.route("/login/code", methods=["GET", "POST"])
def confirm() -> ResponseReturnValue:
    """Ask somebody whose password was right for the code of their authenticator."""
    name, since, mark = [*session.get("awaits_code", []), "", 0.0, ""][:3]
    account = services().accounts.get(name)
    if name and account is None:
        services().durability.expect()
    if account is None or account.password_mark != mark or time.time() - since > CODE_SECONDS:
        return redirect(url_for(".index"))
    if request.method != "POST":
        return page("login_code.html", 200)
    code, second_factor = request.form.get("code", ""), services().accounts.second_factor
    try:
        right = second_factor.check(name, code, address=_address(), device=browser_of(name))
    except LoginThrottled as wait:
        return page("login_code.html", 429, complaint=too_often(wait))
    if not right or account.disabled:
        return page("login_code.html", 401, complaint=_("The code is wrong or was used before."))
    if any(map(str.isalpha, code)):
        flash(
            ngettext(
                "That was a recovery code. %(num)s is left.",
                "That was a recovery code. %(num)s are left.",
                second_factor.n_recovery_codes(name),
            )
        )
    signed_on = session.get("awaits_code_after")
    return log_in(account, SignedOn(*signed_on) if signed_on else None)


@bp.route("/login/kept", methods=["GET", "POST"])
def restore() -> ResponseReturnValue:
    """Take back from the browser what it kept while somebody logged in elsewhere, and offer it."""
    if not current_user.is_authenticated:
        return redirect(url_for(".index", next=url_for(".restore")))
    if must_set_up(me()):
        return ask_to_set_up()
    if request.method != "POST":
        return render_template("login_kept.html")
    kept = opened(request.form.get("kept", ""), me().name)
    return _again(kept) if kept else redirect(url_for("console.index"))


@bp.route("/invitation/<token>", methods=["GET", "POST"])
def accept(token: str) -> ResponseReturnValue:
    """Let somebody with an invitation choose a password."""
    name = services().accounts.invited(token)
    if name is None:
        services().durability.expect()
        return page("login.html", 404, complaint=_("This link was used or has expired."))
    asked = {"name": name, "min_password_length": MIN_PASSWORD_LENGTH}
    if request.method != "POST":
        return page("login_invitation.html", 200, **asked)
    password = request.form.get("password", "")
    try:
        if password == request.form.get("again", ""):
            account = services().accounts.accept(token, password)
            return _after_password(keeping_language(account))
        complaint = _("The two are not the same.")
    except AccountError as refusal:
        if refusal.code == "bad_invite":  # another window was quicker
            return page("login.html", 404, complaint=_("This link was used or has expired."))
        complaint = _("A password has 10 characters or more.")
    return page("login_invitation.html", 422, **asked, complaint=complaint)


@bp.post("/logout")
def delete() -> Response:
    """End the session here and in the store, and give back what was being read."""
    release_all()
    there = ""
    if current_user.is_authenticated:
        sessions, named = services().accounts.sessions, digest(current_user.session_id)
        ended = sessions.get(me().name, named)
        sessions.close(me().name, named)
        logout_user()
        if ended is not None and ended.is_signed_on:
            there = services().provider.logout_url(ended.id_token)
    session.clear()
    flash(_("You are logged out."))
    if there:
        return make_response(onward(there, _("Log out of the single sign-on too")))
    return redirect(url_for(".index"))


def own_page(target: str) -> str:
    """Return `target` if it is a page of this console, else the first page: no open redirect."""
    try:
        parts = urlsplit(target.replace("\\", "/"))
    except ValueError:  # as of //[
        return url_for("console.index")
    inside = not parts.scheme and not parts.netloc and parts.path.startswith("/console/")
    return target if inside and target.isprintable() else url_for("console.index")


def too_often(wait: LoginThrottled) -> str:
    """Say how long somebody must wait who was wrong too often."""
    return _(
        "Too many attempts. Try again in %(time)s.", time=duration_after(wait.retry_after_seconds)
    )


def onward(address: str, title: str) -> str:
    """Return a page that goes on to another one, which no redirect of a form may lead to."""
    g.pop("account", None)  # `form-action` of the Content-Security-Policy holds for redirects too
    return render_template("onward.html", address=address, title=title)


def ask_for_code(account: Account, after: str, signed_on: SignedOn | None = None) -> Response:
    """Let somebody go on who is known, but for the code of their authenticator."""
    session["awaits_code"] = [account.name, time.time(), account.password_mark]
    session.pop("awaits_code_after", None)
    if signed_on is not None:  # without its token, which the cookie of a session could not hold
        session["awaits_code_after"] = [signed_on.lasts_seconds, signed_on.provider_session]
    return redirect(url_for("console.login.confirm", next=after))


def _after_password(account: Account) -> ResponseReturnValue:
    if not account.has_totp:
        return log_in(account)
    answer = ask_for_code(account, request.form.get("next", ""))
    if request.form.get("kept"):  # what is kept in this page must go on in the next
        return page("login_code.html", 200)
    return answer


def keeping_language(account: Account) -> Account:
    """Go on in the language in which somebody came here for the first time."""
    preferences = replace(account.preferences, language=str(get_locale()))
    services().accounts.save_preferences(account.name, preferences)
    return replace(account, preferences=preferences)


def log_in(
    account: Account,
    signed_on: SignedOn | None = None,
    *,
    after: str | None = None,
    has_second_factor: bool = False,
) -> Response:
    """Open a session, and go on to where somebody wanted to."""
    after = request.form.get("next", "") if after is None else after
    kept = opened(request.form.get("kept", ""), account.name)
    leases = session.get("leases", {})
    if last_name() != account.name:  # somebody else worked here
        release_all()
        leases = {}
    session.clear()  # nothing planted before the login survives it
    session["language"] = account.preferences.language  # for the login page, when the session ends
    session_id = services().accounts.sessions.open(
        account.name,
        agent=request.user_agent.string,
        address=_address(),
        signed_on=signed_on,
    )
    login_user(Moderator(account, session_id))
    g.account = account
    session["rested_at"], session["leases"] = time.time(), leases
    session[ASKED_ELSEWHERE] = has_second_factor
    if must_set_up(account):  # and only then can go on with what is kept
        kept = None
    answer = _again(kept) if kept else redirect(own_page(after))
    remember_browser(answer, account.name)
    return answer


def _again(kept: Unsent) -> Response:
    """Offer a form again whose sender has logged in meanwhile."""
    try:
        endpoint, values = current_app.url_map.bind("").match(kept.path, method="POST")
    except HTTPException:
        return redirect(url_for("console.index"))
    check_open(g.account, endpoint)
    if endpoint == "console.work.decide":
        return make_response(work.offer_again(kept=kept, **values))
    return make_response(render_template("unsent.html", kept=kept))


def _address() -> str:
    return request.remote_addr or ""


def page(template: str, status: int, **shown: object) -> tuple[str, int]:
    """Show a page of the login to somebody who is not logged in."""
    g.pop("account", None)
    shown = {
        "provider": services().provider,
        "next": request.values.get("next", ""),
        "kept": request.form.get("kept", ""),
        **shown,
    }
    return render_template(template, **shown), status
