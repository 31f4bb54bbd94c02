"""The console's door: log in, the second factor, invitations, log out."""

import hashlib
import secrets
import time
from collections.abc import Sequence
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
from flask_login import current_user, login_user, logout_user
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from service.accounts.account import Account, AccountError, canonical_name
from service.accounts.sessions import session_digest
from service.console import work
from service.console.permissions import Moderator, me
from service.console.unsent_forms import Unsent, last_name, opened, unsent
from service.console.vocabulary import duration_after, ngettext
from service.console.vocabulary import gettext as _
from service.errors import LoginThrottled
from service.services import services

bp = Blueprint("entrance", __name__)

#: Pages that need no login.
OPEN = {
    "console.choose_language",
    "console.entrance.log_in",
    "console.entrance.second_factor",
    "console.entrance.invitation",
    "console.entrance.log_out",
}
CODE_SECONDS = 300
#: The cookie by which a browser is known in which people have logged in.
DEVICE_COOKIE = "hakam_device"
DEVICE_SECONDS = 180 * 86400
MAX_DEVICE_NAMES = 10  # of people who share a computer


def ask_to_log_in() -> Response:
    """Answer a request for a page by the door; a form that comes too late is kept in it.

    Raises
    ------
    StoreLost
        The session has ended because Redis has lost what it held.
    """
    if "_user_id" in session:
        services().durability.expect()
    kept = unsent()
    if kept is not None:
        complaint = _(
            "Your log-in had ended, so nothing was done. What you typed is kept: log in, and it is "
            "there again."
        )
        return make_response(_page("login.html", 401, complaint=complaint, kept=kept.seal()))
    after = request.full_path.rstrip("?") if request.method in ("GET", "HEAD") else ""
    if not after and "site_id" in (request.view_args or {}):
        after = url_for("console.desk.work", site_id=(request.view_args or {})["site_id"])
    return redirect(url_for("console.entrance.log_in", next=after))


@bp.route("/login", methods=["GET", "POST"])
def log_in() -> Response | tuple[str, int]:
    """Ask for name and password."""
    if request.method != "POST":
        return _page("login.html", 200)
    name, password = request.form.get("name", ""), request.form.get("password", "")
    try:
        account = services().accounts.authenticate(
            name, password, address=_address(), device=_device_of(name)
        )
    except LoginThrottled as wait:
        return _page("login.html", 429, complaint=too_often(wait))
    if account is None:
        services().durability.expect()  # else it is the store that is wrong
        return _page("login.html", 401, complaint=_("The name or the password is wrong."))
    return _let_in_or_ask(account)


@bp.route("/login/code", methods=["GET", "POST"])
def second_factor() -> Response | tuple[str, int]:
    """Ask somebody whose password was right for the code of their authenticator."""
    name, since, mark = [*session.get("awaits_code", []), "", 0.0, ""][:3]
    account = services().accounts.get(name)
    if name and account is None:
        services().durability.expect()
    if account is None or account.password_mark != mark or time.time() - since > CODE_SECONDS:
        return redirect(url_for(".log_in"))
    if request.method != "POST":
        return _page("code.html", 200)
    code = request.form.get("code", "")
    try:
        right = services().accounts.second_factor.check(
            name, code, address=_address(), device=_device_of(name)
        )
    except LoginThrottled as wait:
        return _page("code.html", 429, complaint=too_often(wait))
    if not right or account.disabled:
        return _page("code.html", 401, complaint=_("The code is wrong or was used before."))
    if any(map(str.isalpha, code)):
        left = services().accounts.second_factor.n_recovery_codes(name)
        flash(
            ngettext(
                "That was a recovery code. %(num)s is left.",
                "That was a recovery code. %(num)s are left.",
                left,
            )
        )
    return _let_in(account)


@bp.route("/invitation/<token>", methods=["GET", "POST"])
def invitation(token: str) -> Response | tuple[str, int]:
    """Let somebody with an invitation choose a password."""
    name = services().accounts.invited(token)
    if name is None:
        services().durability.expect()
        return _page("login.html", 404, complaint=_("This link was used or has expired."))
    if request.method != "POST":
        return _page("invitation.html", 200, name=name)
    password = request.form.get("password", "")
    if password != request.form.get("again", ""):
        return _page("invitation.html", 422, name=name, complaint=_("The two are not the same."))
    try:
        account = services().accounts.accept(token, password)
    except AccountError as refusal:
        if refusal.code == "bad_invite":  # another window was quicker
            return _page("login.html", 404, complaint=_("This link was used or has expired."))
        complaint = _("A password has 10 characters or more.")
        return _page("invitation.html", 422, name=name, complaint=complaint)
    return _let_in_or_ask(account)


@bp.post("/logout")
def log_out() -> Response:
    """End the session here and in the store, and give back what was being read."""
    work.give_back_all()
    if current_user.is_authenticated:
        services().accounts.sessions.close(me().name, session_digest(current_user.session_id))
        logout_user()
    session.clear()
    flash(_("You are logged out."))
    return redirect(url_for(".log_in"))


def remember_language(chosen: str) -> None:
    """Keep the language among the person's preferences."""
    services().accounts.save_preferences(me().name, replace(me().preferences, language=chosen))


def own_page(target: str) -> str:
    """``target`` if it is a page of this console, else the first page: no open redirect."""
    try:
        parts = urlsplit(target.replace("\\", "/"))
    except ValueError:  # as of //[
        return url_for("console.home")
    inside = not parts.scheme and not parts.netloc and parts.path.startswith("/console/")
    return target if inside and target.isprintable() else url_for("console.home")


def _let_in_or_ask(account: Account) -> Response | tuple[str, int]:
    """Let somebody in whose password is right, or ask for the second factor first."""
    if not account.has_totp:
        return _let_in(account)
    session["awaits_code"] = [account.name, time.time(), account.password_mark]
    if request.form.get("kept"):  # what is kept in this page must go on in the next
        return _page("code.html", 200)
    return redirect(url_for(".second_factor", next=request.form.get("next", "")))


def _let_in(account: Account) -> Response:
    kept = opened(request.form.get("kept", ""), account.name)
    leases = session.get("leases", {})
    if last_name() != account.name:  # somebody else had the desk
        work.give_back_all()
        leases = {}
    session.clear()  # nothing planted before the login survives it
    session["language"] = account.preferences.language  # for the door, when the session ends
    session_id = services().accounts.sessions.open(
        account.name, agent=request.user_agent.string, address=_address()
    )
    login_user(Moderator(account, session_id))
    g.account = account
    session["rested_at"], session["leases"] = time.time(), leases
    answer = _again(kept) if kept else redirect(own_page(request.form.get("next", "")))
    _remember_device(answer, account.name)
    return answer


def _again(kept: Unsent) -> Response:
    """Offer a form again whose sender has logged in meanwhile."""
    try:
        endpoint, values = current_app.url_map.bind("").match(kept.path, method="POST")
    except HTTPException:
        return redirect(url_for("console.home"))
    if endpoint == "console.desk.act":
        return make_response(work.offer_again(kept=kept, **values))
    page = render_template("again.html", kept=kept.fields, action=kept.path)
    return make_response(page)


# -- browsers that are known ---------------------------------------------------------------------


def _device_of(name: str) -> str:
    """Return the id of this browser, if the person has logged in here before; else nothing."""
    device, names = _device()
    try:
        return device if _short(canonical_name(name)) in names else ""
    except AccountError:
        return ""


def _remember_device(answer: Response, name: str) -> None:
    device, names = _device()
    names = [_short(name), *(other for other in names if other != _short(name))]
    answer.set_cookie(
        DEVICE_COOKIE,
        _devices().dumps([device, *names[:MAX_DEVICE_NAMES]]),
        max_age=DEVICE_SECONDS,
        path=current_app.config["SESSION_COOKIE_PATH"],
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
    )


def _device() -> tuple[str, Sequence[str]]:
    try:
        stored = request.cookies.get(DEVICE_COOKIE, "")
        device, *names = _devices().loads(stored, max_age=DEVICE_SECONDS)
    except BadData:
        return secrets.token_urlsafe(12), ()
    return str(device), names


def _devices() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or "", salt="hakam device")


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def too_often(wait: LoginThrottled) -> str:
    """Say how long somebody must wait who was wrong too often."""
    return _(
        "Too many attempts. Try again in %(time)s.", time=duration_after(wait.retry_after_seconds)
    )


def _address() -> str:
    return request.remote_addr or ""


def _page(template: str, status: int, **words: object) -> tuple[str, int]:
    g.pop("account", None)
    words = {"next": request.values.get("next", ""), "kept": request.form.get("kept", ""), **words}
    return render_template(template, **words), status
