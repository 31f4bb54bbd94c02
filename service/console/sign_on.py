"""Single sign-on by OpenID Connect: to the provider, back from it, and what it ends here."""

import time
from collections.abc import Mapping
from typing import Any

import structlog
from flask import Blueprint, flash, g, jsonify, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.wrappers import Response

from service.accounts.account import AccountError
from service.accounts.sessions import SignedOn
from service.console import login
from service.console.own_password import CONFIRMED, CONFIRMED_SECONDS
from service.console.permissions import me
from service.console.vocabulary import PROVIDER_SILENT
from service.console.vocabulary import gettext as _
from service.errors import AccountExists, NotFound
from service.roles import GroupRoles
from service.services import services
from service.sign_on.provider import Begun, Provider, ProviderUnavailable, SignOnRefused
from service.sign_on.tokens import Person, check_fresh, read_logout, read_person

bp = Blueprint("sign_on", __name__, url_prefix="/sso")

#: The key of the session that says when somebody who wants to link their account gave its password.
MAY_LINK = "may_link"
_BEGUN = "signing_on"  # the key of the session: by state, what this browser began
_BEGUN_SECONDS = 600
_MAX_BEGUN = 3  # windows; the cookie of a session holds 4 KB
_MAX_NEXT_LENGTH = 300
_MAX_CODE_LENGTH = 4_096
_MAX_ID_TOKEN_LENGTH = 4_096  # of one that goes back to the provider, in an address
_PURPOSES = ("login", "link", "confirm")

log = structlog.get_logger()


@bp.get("")
def begin() -> ResponseReturnValue:
    """Go to the provider, to log in here, to link this account, or to log in once more."""
    provider, purpose = _provider(), request.args.get("purpose", "login")
    if purpose not in _PURPOSES or (purpose != "login" and not current_user.is_authenticated):
        return redirect(url_for("console.login.index"))
    if purpose == "link" and time.time() - session.pop(MAY_LINK, 0) > CONFIRMED_SECONDS:
        return redirect(url_for("console.account.index"))
    begun = Begun.new()
    try:
        there = provider.authorization_url(begun, again=purpose != "login")
    except ProviderUnavailable as silent:
        return _unavailable(silent, purpose, request.args.get("next", ""))
    after = request.args.get("next", "")
    after = after if len(after) <= _MAX_NEXT_LENGTH else ""
    name = me().name if purpose != "login" else ""
    earlier = list(session.get(_BEGUN, {}).items())[1 - _MAX_BEGUN :]
    one = [begun.nonce, begun.verifier, int(time.time()), purpose, after, name]
    session[_BEGUN] = {**dict(earlier), begun.state: one}
    return redirect(there)


@bp.get("/answer")
def finish() -> ResponseReturnValue:
    """Take the provider's answer, which only the browser that began can give, once."""
    provider, purpose, after = _provider(), "login", ""
    try:
        begun, (purpose, after, name) = _begun()
        person = _person(provider, begun)
        if purpose == "login":
            return _log_in(person, after)
        _check_same(person, name)
        return _link(person) if purpose == "link" else _confirm(person, after)
    except ProviderUnavailable as silent:
        return _unavailable(silent, purpose, after)
    except SignOnRefused as refusal:
        return _refused(refusal.reason, purpose, after)
    except AccountError as refusal:
        return _refused(refusal.code, purpose, after)


@bp.post("/logout")
def end_sessions() -> ResponseReturnValue:
    """End the sessions that the provider names (OpenID Connect Back-Channel Logout)."""
    provider = _provider()
    try:
        logout = read_logout(provider, request.form.get("logout_token", ""))
        ended = services().accounts.single_sign_on.end(
            logout.identity, logout.session, logout.token
        )
    except ProviderUnavailable as silent:
        log.warning("sign_on_unavailable", reason=silent.reason, purpose="logout")
        return jsonify(error="temporarily_unavailable"), 503
    except SignOnRefused as refusal:
        log.warning("sign_on_logout_refused", reason=refusal.reason)
        return jsonify(error="invalid_request"), 400
    if not ended:
        log.warning("sign_on_logout_refused", reason="jti")
        return jsonify(error="invalid_request"), 400
    return "", 200


def _provider() -> Provider:
    if not services().provider.is_set:
        raise NotFound("there is no single sign-on")
    return services().provider


def _begun() -> tuple[Begun, tuple[str, str, str]]:
    """Return what this browser began and this answer ends; it cannot be ended again."""
    everything: Mapping[str, Any] = session.pop(_BEGUN, {})
    if any(len(request.args.getlist(name)) > 1 for name in request.args):
        raise SignOnRefused("answer")
    state = request.args.get("state", "")
    others = {one: what for one, what in everything.items() if one != state}
    if others:
        session[_BEGUN] = others
    if state not in everything:
        raise SignOnRefused("state")
    nonce, verifier, since, purpose, after, name = everything[state]
    if not 0 <= time.time() - since <= _BEGUN_SECONDS:
        raise SignOnRefused("state")
    return Begun(state, nonce, verifier), (purpose, after, name)


def _person(provider: Provider, begun: Begun) -> Person:
    """Return whom the provider says that this browser belongs to."""
    issuer = request.args.get("iss")  # RFC 9207: another provider's answer is none of this one
    says = provider.metadata().authorization_response_iss_parameter_supported
    if issuer != provider.issuer and (issuer is not None or says):
        raise SignOnRefused("iss")
    if error := request.args.get("error"):
        raise SignOnRefused("cancelled" if error == "access_denied" else "provider_error")
    code = request.args.get("code", "")
    if not 0 < len(code) <= _MAX_CODE_LENGTH:
        raise SignOnRefused("code")
    tokens = provider.exchange(code, begun)
    return read_person(provider, services().settings, tokens, begun)


def _log_in(person: Person, after: str) -> ResponseReturnValue:
    settings, known = services().settings, services().accounts.single_sign_on
    grant = GroupRoles.parse(settings.oidc_roles).of(person.groups)
    services().durability.expect()  # an emptied store knows nobody, and would make everybody anew
    if grant is None:
        known.refuse(person.identity)
        raise SignOnRefused(person.groups_refused or "no_group")
    is_new = known.account_of(person.identity) is None
    account = known.enter(
        person.identity, grant, user_name=person.user_name, display_name=person.display_name
    )
    token = person.id_token if len(person.id_token) <= _MAX_ID_TOKEN_LENGTH else ""
    signed_on = SignedOn(float(settings.oidc_session_seconds), person.session, token)
    if account.has_totp and not person.has_second_factor:
        return login.ask_for_code(account, after, signed_on)
    account = login.keeping_language(account) if is_new else account
    second = person.has_second_factor
    answer = login.log_in(account, signed_on, after=after, has_second_factor=second)
    session[CONFIRMED] = person.authenticated_at
    return answer


def _check_same(person: Person, name: str) -> None:
    """Refuse where somebody else works here by now, or nobody logged in at the provider anew."""
    if not current_user.is_authenticated or me().name != name:
        raise SignOnRefused("session")
    check_fresh(person, time.time())


def _link(person: Person) -> Response:
    try:
        services().accounts.single_sign_on.link(me().name, person.identity)
    except AccountExists:
        raise SignOnRefused("taken") from None
    flash(_("Single sign-on opens this account from now on."), "approve")
    return redirect(url_for("console.account.index"))


def _confirm(person: Person, after: str) -> Response:
    if person.identity != me().identity:
        raise SignOnRefused("other_person")
    session[CONFIRMED] = time.time()
    flash(_("You have logged in once more. You can go on for five minutes."), "approve")
    return redirect(login.own_page(after))


def _unavailable(silent: ProviderUnavailable, purpose: str, after: str) -> ResponseReturnValue:
    log.warning("sign_on_unavailable", reason=silent.reason, purpose=purpose)
    return _told(str(PROVIDER_SILENT), purpose, 503, after)


def _refused(reason: str, purpose: str, after: str) -> ResponseReturnValue:
    log.warning("sign_on_refused", reason=reason, purpose=purpose)
    unknown_groups = _(
        "The single sign-on did not say which groups you are in, so you cannot be let in. Tell "
        "whoever runs Hakam."
    )
    sentence = {
        "no_group": _(
            "You are in none of the groups that may work here. Ask an administrator of Hakam, or "
            "whoever looks after the groups."
        ),
        "groups_missing": unknown_groups,
        "groups_elsewhere": unknown_groups,
        "groups_malformed": unknown_groups,
        "disabled": _("Your account here is closed. An administrator can open it again."),
        "state": _(
            "This login took too long, was ended before, or began in another browser. Begin again."
        ),
        "cancelled": _("The login was cancelled. Nothing was done."),
        "taken": _("Another account is opened by this single sign-on already."),
        "other_person": _("Somebody else logged in there. Log in as yourself."),
        "auth_time": _("The single sign-on did not ask you to log in once more. Nothing was done."),
        "last_admin": _(
            "Your groups would take the last administrator with a password away. Log in with the "
            "password, and give another account this role first."
        ),
    }.get(
        reason,
        _("The single sign-on gave an answer that cannot be trusted. Tell whoever runs Hakam."),
    )
    return _told(sentence, purpose, 403, after)


def _told(sentence: str, purpose: str, status: int, after: str) -> ResponseReturnValue:
    """Say why it came to nothing: in the page of the login, or in the page that it began from."""
    if purpose == "login":
        return login.page("login.html", status, complaint=sentence, next=after)
    flash(sentence, "reject")
    return redirect(url_for("console.account.index" if g.get("account") else "console.login.index"))
