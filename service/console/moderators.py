"""Accounts of all moderators, for administrators: invite, assign, disable, reset."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.accounts.account import AccountError
from service.address import base_url
from service.console.permissions import by_me, needs
from service.console.vocabulary import ROLE_NAMES
from service.console.vocabulary import gettext as _
from service.errors import AccountExists
from service.services import services

bp = Blueprint("moderators", __name__, url_prefix="/people")


@bp.get("")
@needs("admin")
def index() -> str:
    """List all accounts."""
    return _page()


@bp.post("")
@needs("admin")
def create() -> ResponseReturnValue:
    """Create an account and show the link with which its owner chooses a password."""
    name, role = request.form.get("name", ""), request.form.get("role", "")
    try:
        token = services().accounts.invite(name, role, sites=_sites(), by=by_me())
    except AccountExists:
        return _page(complaint=_("This name is taken.")), 422
    except AccountError as refusal:
        return _page(complaint=_complaint(refusal)), 422
    return _page(link=_link(token), invited=name)


@bp.post("/<name>")
@needs("admin")
def update(name: str) -> ResponseReturnValue:
    """Do what the pressed button says with one account."""
    accounts = services().accounts
    try:
        match request.form.get("action"):
            case "disable":
                accounts.disable(name, by=by_me())
            case "enable":
                accounts.enable(name, by=by_me())
            case "change":
                role = request.form.get("role", "")
                accounts.change(name, role=role, sites=_sites(), by=by_me())
            case "reset":
                drops = "drop_second_factor" in request.form
                token = accounts.reset(name, drops_second_factor=drops, by=by_me())
                return _page(link=_link(token), invited=name, dropped=drops)
            case "log_out":
                accounts.log_out(name, by=by_me())
    except AccountError as refusal:
        return _page(complaint=_complaint(refusal), refused_name=name), 422
    flash(_("Saved."))
    return redirect(url_for(".index"), 303)


def _sites() -> list[str] | None:
    chosen = request.form.getlist("sites")
    known = {site.id for site in services().sites.list()}
    return None if "*" in chosen else [site_id for site_id in chosen if site_id in known]


def _link(token: str) -> str:
    return base_url() + url_for("console.login.accept", token=token)


def _complaint(refusal: AccountError) -> str:
    return {
        "bad_name": _("A name has 2 to 64 letters, digits or . _ @ + -"),
        "last_admin": _(
            "The last administrator who can log in can be neither disabled, demoted nor reset."
        ),
    }.get(refusal.code, _("That did not work"))


def _page(**shown: object) -> str:
    accounts = services().accounts
    moderators = accounts.list()
    return render_template(
        "moderators.html",
        moderators=moderators,
        sessions={one.name: accounts.sessions.of(one.name) for one in moderators},
        roles=ROLE_NAMES,
        sites=services().sites.list(),
        **shown,
    )
