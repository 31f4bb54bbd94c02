"""Account of whoever is logged in: preferences, password, second factor, sessions."""

import re
import time
from collections.abc import Iterable

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from service.accounts.account import (
    MAX_BREAK_MINUTES,
    MAX_RUN_MINUTES,
    MAX_SEVERE_PER_HOUR,
    MAX_SEVERE_RUN,
    MIN_PASSWORD_LENGTH,
    AccountError,
    Preferences,
)
from service.accounts.records import digest
from service.console.keyboard import KEYS, keys_of
from service.console.leases import release_all
from service.console.login import onward, too_often
from service.console.own_password import is_own_password, only_signs_on
from service.console.permissions import by_me, me
from service.console.second_factor import must_set_up, proposed
from service.console.settings import TIME_ZONES
from service.console.sign_on import MAY_LINK
from service.console.vocabulary import (
    COMMAND_NAMES,
    DENSITY_NAMES,
    TEXT_SIZE_NAMES,
    THEME_NAMES,
)
from service.console.vocabulary import gettext as _
from service.console.work import MAX_REPLY_LENGTH
from service.errors import LoginThrottled, NotFound
from service.rules.notices import is_zone
from service.rules.phrases import LANGUAGES
from service.services import services

bp = Blueprint("account", __name__)

MAX_REPLIES = 30


@bp.get("/me")
def index() -> str:
    """Show what this moderator chose, and where they are logged in."""
    return _page()


@bp.post("/me")
def update() -> ResponseReturnValue:
    """Keep what this moderator chooses."""
    form = request.form
    typed = {command: form.get(f"key_{command}", key).lower() for command, key in KEYS.items()}
    replies = [line.strip() for line in form.get("replies", "").split("\n") if line.strip()]
    chosen = Preferences(
        language=_one_of(LANGUAGES, form.get("language", "")),
        theme=_one_of(THEME_NAMES, form.get("theme", "")),
        blur="blur" in form,
        greyscale="greyscale" in form,
        sound="sound" in form,
        shortcuts="no_shortcuts" not in form,
        text_size=_one_of(TEXT_SIZE_NAMES, form.get("text_size", "")),  # type: ignore[arg-type]
        density=_one_of(DENSITY_NAMES, form.get("density", "")),  # type: ignore[arg-type]
        digits="eastern" if form.get("digits") == "eastern" else "western",
        time_zone=zone if is_zone(zone := form.get("time_zone", "")) else "UTC",
        break_minutes=_within(form.get("break_minutes", 50, type=int), MAX_BREAK_MINUTES),
        severe_per_hour=_within(form.get("severe_per_hour", 0, type=int), MAX_SEVERE_PER_HOUR),
        severe_run=_within(form.get("severe_run", 5, type=int), MAX_SEVERE_RUN),
        severe_run_minutes=max(
            1, _within(form.get("severe_run_minutes", 15, type=int), MAX_RUN_MINUTES)
        ),
        keys={command: key for command, key in typed.items() if key != KEYS[command]},
        replies=tuple(replies),
    )
    complaint = ""
    if not all(re.fullmatch("[a-z]", key) for key in typed.values()) or len(
        set(typed.values())
    ) < len(typed):
        complaint = _("Every command needs a letter of its own, a to z.")
    elif len(replies) > MAX_REPLIES or max(map(len, replies), default=0) > MAX_REPLY_LENGTH:
        complaint = _("At most 30 saved replies of 500 characters, one on each line.")
    if complaint:
        return _page(complaint=complaint, preferences=chosen, keys=typed), 422
    services().accounts.save_preferences(me().name, chosen)
    session["language"] = chosen.language
    flash(_("Saved."))
    return redirect(url_for(".index"), 303)


@bp.post("/me/password")
def update_password() -> ResponseReturnValue:
    """Replace the password of somebody who knows the old one, and end their other sessions."""
    if not is_own_password(request.form.get("old", "")):
        return _page(complaint=_("The old password is wrong.")), 422
    try:
        services().accounts.set_password(me().name, request.form.get("password", ""), by=by_me())
    except AccountError:
        return _page(complaint=_("A password has 10 characters or more.")), 422
    release_all()
    session.clear()
    flash(_("The password is changed. Log in with the new one."))
    return redirect(url_for("console.login.index"), 303)


@bp.post("/me/totp")
def update_second_factor() -> ResponseReturnValue:
    """Propose, confirm or remove the second factor, or replace its recovery codes."""
    accounts, name, step = services().accounts, me().name, request.form.get("step", "")
    opens_a_door = step in ("remove", "codes") or (step == "propose" and not must_set_up(me()))
    if opens_a_door and not is_own_password(request.form.get("password", "")):
        if only_signs_on():
            again = _("Log in once more by single sign-on before this, then begin again here.")
            return _page(complaint=again), 422
        return _page(complaint=_("The password is wrong.")), 422
    try:
        match step:
            case "propose":
                return _page(**proposed(name, accounts.second_factor.propose(name)))
            case "confirm":
                codes = accounts.second_factor.confirm(name, request.form.get("code", ""))
                if not codes:
                    return _page(complaint=_("The code is wrong. Start again.")), 422
                flash(_("From now on the login also asks for a code."))
                return render_template("account_codes.html", codes=codes)
            case "codes":
                codes = accounts.second_factor.new_recovery_codes(name)
                return render_template("account_codes.html", codes=codes)
            case "remove":
                accounts.second_factor.remove(name)
                flash(_("The login asks for the password only."))
    except AccountError as refusal:
        if refusal.code == "totp_required":
            return _page(complaint=_("Your role must have a second factor.")), 422
        flash(_("That has changed meanwhile. Look again."), "reject")  # in another window
    return redirect(url_for(".index"), 303)


@bp.errorhandler(LoginThrottled)
def _wait(wait: LoginThrottled) -> ResponseReturnValue:
    headers = {"Retry-After": str(wait.retry_after_seconds)}
    return _page(complaint=too_often(wait)), 429, headers


@bp.post("/me/sso")
def update_sign_on() -> ResponseReturnValue:
    """Let single sign-on open this account too, or no longer, for who knows its password."""
    if not (services().provider.is_set or me().identity):
        raise NotFound("there is no single sign-on")
    if not me().has_password or not is_own_password(request.form.get("password", "")):
        return _page(complaint=_("The password is wrong.")), 422
    if request.form.get("step") == "link":
        session[MAY_LINK] = time.time()
        there = url_for("console.sign_on.begin", purpose="link")
        return onward(there, _("Log in by single sign-on"))
    try:
        services().accounts.single_sign_on.unlink(me().name)
    except AccountError:
        flash(_("That has changed meanwhile. Look again."), "reject")
    else:
        flash(_("Single sign-on no longer opens this account."))
    return redirect(url_for(".index"), 303)


@bp.post("/me/sessions")
def delete_session() -> ResponseReturnValue:
    """End one of this moderator's sessions."""
    services().accounts.sessions.close(me().name, request.form.get("digest", ""))
    flash(_("That session has ended."))
    return redirect(url_for(".index"), 303)


def _one_of(choices: Iterable[str], chosen: str) -> str:
    """Return what was chosen, if it can be, else the first choice."""
    return chosen if chosen in (first := [*choices]) else first[0]


def _within(number: int, highest: int) -> int:
    return max(0, min(number, highest))


def _page(**shown: object) -> str:
    account, accounts = me(), services().accounts
    if must_set_up(account):
        return render_template("second_factor.html", **shown)
    stored = {"preferences": account.preferences, "keys": keys_of(account.preferences.keys)}
    return render_template(
        "account.html",
        commands=COMMAND_NAMES,
        themes=THEME_NAMES,
        sessions=accounts.sessions.of(account.name),
        required=accounts.second_factor.is_required(account),
        this_session=digest(current_user.session_id),
        n_codes=accounts.second_factor.n_recovery_codes(account.name) if account.has_totp else 0,
        max_break_minutes=MAX_BREAK_MINUTES,
        max_severe_per_hour=MAX_SEVERE_PER_HOUR,
        max_severe_run=MAX_SEVERE_RUN,
        max_run_minutes=MAX_RUN_MINUTES,
        time_zones=dict.fromkeys([*TIME_ZONES, account.preferences.time_zone]),
        provider=services().provider,
        only_signs_on=only_signs_on(),
        min_password_length=MIN_PASSWORD_LENGTH,
        **stored | shown,
    )
