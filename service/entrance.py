"""The console's door: log in, the second factor, invitations, log out."""

import time
from dataclasses import replace
from urllib.parse import urlsplit

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from flask_login import current_user, login_user, logout_user
from werkzeug.wrappers import Response

from service.access import Moderator, me, services
from service.accounts import Account, AccountError, LoginThrottled, session_digest
from service.desk import give_back_all
from service.wording import duration_after
from service.wording import gettext as _

bp = Blueprint("entrance", __name__)

#: Pages that need no login.
OPEN = {
    "console.choose_language",
    "console.entrance.log_in",
    "console.entrance.second_factor",
    "console.entrance.invitation",
}
CODE_SECONDS = 300


@bp.route("/login", methods=["GET", "POST"])
def log_in() -> Response | tuple[str, int]:
    """Ask for name and password."""
    if request.method == "GET":
        return _page("login.html", 200)
    name, password = request.form.get("name", ""), request.form.get("password", "")
    try:
        account = services().accounts.authenticate(name, password, address=_address())
    except LoginThrottled as wait:
        return _page("login.html", 429, complaint=_too_often(wait))
    if account is None:
        return _page("login.html", 401, complaint=_("The name or the password is wrong."))
    if account.has_totp:
        session["awaits_code"] = [account.name, time.time()]
        return redirect(url_for(".second_factor", next=request.form.get("next", "")))
    return _let_in(account)


@bp.route("/login/code", methods=["GET", "POST"])
def second_factor() -> Response | tuple[str, int]:
    """Ask somebody whose password was right for the code of their authenticator."""
    name, since = session.get("awaits_code", ["", 0.0])
    if time.time() - since > CODE_SECONDS:
        return redirect(url_for(".log_in"))
    if request.method == "GET":
        return _page("code.html", 200)
    try:
        right = services().accounts.check_totp(
            name, request.form.get("code", ""), address=_address()
        )
    except LoginThrottled as wait:
        return _page("code.html", 429, complaint=_too_often(wait))
    account = services().accounts.get(name)
    if not right or account is None or account.disabled:
        return _page("code.html", 401, complaint=_("The code is wrong or was used before."))
    return _let_in(account)


@bp.route("/invitation/<token>", methods=["GET", "POST"])
def invitation(token: str) -> Response | tuple[str, int]:
    """Let somebody with an invitation choose a password."""
    name = services().accounts.invited(token)
    if name is None:
        return _page("login.html", 404, complaint=_("This link was used or has expired."))
    if request.method == "GET":
        return _page("invitation.html", 200, name=name)
    password = request.form.get("password", "")
    if password != request.form.get("again", ""):
        return _page("invitation.html", 422, name=name, complaint=_("The two are not the same."))
    try:
        account = services().accounts.accept(token, password)
    except AccountError:
        complaint = _("A password has 10 characters or more.")
        return _page("invitation.html", 422, name=name, complaint=complaint)
    return _let_in(account)


@bp.post("/logout")
def log_out() -> Response:
    """End the session here and in the store, and give back what was being read."""
    give_back_all()
    services().accounts.close_session(me().name, session_digest(current_user.session_id))
    logout_user()
    session.clear()
    flash(_("You are logged out."))
    return redirect(url_for(".log_in"))


def remember_language(chosen: str) -> None:
    """Keep the language among the person's preferences."""
    services().accounts.save_preferences(me().name, replace(me().preferences, language=chosen))


def own_page(target: str) -> str:
    """``target`` if it is a page of this console, else the first page: no open redirect."""
    parts = urlsplit(target.replace("\\", "/"))
    inside = not parts.scheme and not parts.netloc and parts.path.startswith("/console/")
    return target if inside and target.isprintable() else url_for("console.home")


def _let_in(account: Account) -> Response:
    language = session.get("language")
    session.clear()  # nothing planted before the login survives it
    if language:
        session["language"] = language
    session_id = services().accounts.open_session(
        account.name, agent=request.user_agent.string, address=_address()
    )
    login_user(Moderator(account, session_id))
    session["rested_at"] = time.time()
    return redirect(own_page(request.form.get("next", "")))


def _too_often(wait: LoginThrottled) -> str:
    return _(
        "Too many attempts. Try again in %(time)s.", time=duration_after(wait.retry_after_seconds)
    )


def _address() -> str:
    return request.remote_addr or ""


def _page(template: str, status: int, **words: object) -> tuple[str, int]:
    g.pop("account", None)
    target = request.values.get("next", "")
    return render_template(f"console/{template}", next=target, **words), status
