"""Trainees: what is open to them, how far they agree with what was decided, and how to end it."""

from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.accounts.account import Account
from service.console.permissions import by_me, needs, shows_personal_data, site_for
from service.console.vocabulary import gettext as _
from service.errors import Forbidden, NotFound
from service.queue.practice import Judgement
from service.reports import statistics
from service.services import services

bp = Blueprint("trainees", __name__)

#: All that a trainee can open: a page or a form that is not named here is closed to them.
OPEN_TO_TRAINEES = frozenset(
    {
        "console.index",
        "console.static",
        "console.update_language",
        "console.account.index",
        "console.account.update",
        "console.account.update_password",
        "console.account.update_second_factor",
        "console.account.delete_session",
        "console.account.update_sign_on",
        "console.login.index",
        "console.login.create",
        "console.login.confirm",
        "console.login.accept",
        "console.login.delete",
        "console.sign_on.begin",
        "console.sign_on.finish",
        "console.sign_on.end_sessions",
        "console.practice.index",
        "console.practice.decide",
        "console.practice.differences",
    }
)

PEOPLE_SHOWN = 20
DIFFERENCES_SHOWN = 20
MAX_PAGES = 4  # of judgements that are read for one page of differences
MIN_COMPARED = 10  # fewer judgements say nothing


def check_open(account: Account, endpoint: str) -> None:
    """Raise Forbidden where an account is a trainee's, and a page or form is not for trainees."""
    if not account.at_least("moderator") and endpoint not in OPEN_TO_TRAINEES:
        raise Forbidden("this page is for moderators")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far somebody's last judgements are what was decided, as far as that is known."""

    n_compared: int
    share: float | None  # None where there are too few to say
    low: float  # bounds of its 95 % interval
    high: float
    kappa: float | None
    last_at: float  # of the newest judgement, Unix time; 0 without any


@dataclass(frozen=True, slots=True)
class Differences:
    """Judgements that differ from what was decided, the newest first."""

    judgements: list[Judgement]
    cursor: str  # to look on with; empty where there are no older ones


@bp.get("/<site_id>/trainees")
@needs("senior")
def index(site_id: str) -> str:
    """List the trainees of a site, with how far each agrees with what was decided."""
    site, after = site_for(site_id), request.args.get("after", "")
    people = [one for one in _trainees(site.id) if one.name > after]
    shown = people[:PEOPLE_SHOWN]
    return render_template(
        "trainees.html",
        site=site,
        trainees=[(one, progress(site.id, one.name)) for one in shown],
        cursor=shown[-1].name if len(people) > len(shown) else "",
        min_compared=MIN_COMPARED,
    )


@bp.get("/<site_id>/trainees/<name>")
@needs("senior")
def show(site_id: str, name: str) -> str:
    """Show one trainee: how far they agree with what was decided, and where they differ."""
    site = site_for(site_id)
    trainee = _trainee(site.id, name)
    return render_template(
        "trainee.html",
        site=site,
        trainee=trainee,
        progress=progress(site.id, trainee.name),
        min_compared=MIN_COMPARED,
        found=differences(site.id, trainee.name, request.args.get("before", "")),
        shows_personal_data=shows_personal_data(site),
    )


@bp.post("/<site_id>/trainees/<name>")
@needs("admin")
def update(site_id: str, name: str) -> ResponseReturnValue:
    """Make a trainee a moderator of the same sites, which they are told at their next page."""
    site = site_for(site_id)
    trainee = _trainee(site.id, name)
    services().accounts.change(trainee.name, role="moderator", sites=trainee.sites, by=by_me())
    flash(_("%(name)s is a moderator now, and is told so.", name=trainee.name), "approve")
    return redirect(url_for(".index", site_id=site.id), 303)


def progress(site_id: str, name: str) -> Progress:
    """Compare somebody's last judgements with what was decided."""
    judged = services().practice.read(site_id, name).judgements
    pairs = [(one.action, one.last_word) for one in judged if one.last_word]
    n, n_same = len(pairs), sum(own == last for own, last in pairs)
    last_at = judged[0].judged_at if judged else 0.0
    if n < MIN_COMPARED:
        return Progress(n, None, 0.0, 1.0, None, last_at)
    low, high = statistics.share_interval(n_same, n)
    return Progress(n, n_same / n, low, high, statistics.kappa(pairs), last_at)


def differences(site_id: str, name: str, before: str) -> Differences:
    """Return where somebody's judgements differ from what was decided, from a place on."""
    found: list[Judgement] = []
    for _page in range(MAX_PAGES):
        page = services().practice.read(site_id, name, before=before)
        for judged in page.judgements:
            if judged.differs:
                found.append(judged)
            if len(found) == DIFFERENCES_SHOWN:
                more = page.cursor or judged is not page.judgements[-1]
                return Differences(found, judged.place if more else "")
        before = page.cursor
        if not before:
            break
    return Differences(found, before)


def _trainees(site_id: str) -> list[Account]:
    accounts = services().accounts.list()
    return [one for one in accounts if one.role == "trainee" and one.may_see(site_id)]


def _trainee(site_id: str, name: str) -> Account:
    trainee = services().accounts.get(name)
    if trainee is None or trainee.role != "trainee" or not trainee.may_see(site_id):
        raise NotFound("no trainee of this site has this name")
    return trainee
