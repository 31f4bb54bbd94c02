"""Administration: one page that leads to everything, and says what needs attention."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from service.console import changes, formats
from service.console.concurrent_edits import Stale, update
from service.console.confirmation import asked_again
from service.console.permissions import by_me, needs, site_for
from service.console.vocabulary import REQUIRED_NAMES
from service.console.vocabulary import gettext as _
from service.errors import InvalidRequest, SiteExists, SiteUnreadable
from service.services import services
from service.sites.site import SETTINGS, Site

bp = Blueprint("admin", __name__)

PER_PAGE = 50
SECONDS = 0.04  # for which sites are looked at, of which there may be many


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that an administrator should look at, and where."""

    sentence: str
    url: str
    site: Site | None = None


@bp.get("/admin")
@needs("admin")
def index() -> str:
    """Lead to every page of administration."""
    return _page()


@bp.post("/admin/sites")
@needs("admin")
def create() -> ResponseReturnValue:
    """Add a site and show its key, once."""
    site_id, name = request.form.get("id", "").strip(), request.form.get("name", "").strip()
    try:
        key = services().sites.add(Site(site_id, name=name), by=by_me())
    except SiteExists:
        return _page(wrong={"id": _("A site with this id exists already.")}), 422
    except InvalidRequest as refusal:
        told = {"id": _("An id has 1 to 63 of a-z, 0-9 and hyphen."), "name": _name_too_long()}
        wrong = {one.field: told[one.field] for one in refusal.errors}
        return _page(wrong=wrong), 422
    session.setdefault("site", site_id)
    return _page(new_key=key, new_site=services().sites.get(site_id))


@bp.post("/admin/second-factor")
@needs("admin")
def require_second_factor() -> ResponseReturnValue:
    """Require a second factor from a role on, or of nobody."""
    role = request.form.get("role", "")
    if role not in REQUIRED_NAMES:
        raise InvalidRequest.of("role", "expected a choice of this page")
    services().accounts.second_factor.require(role, by=by_me())
    flash(_("Saved."))
    return redirect(url_for(".index"), 303)


@bp.get("/<site_id>/admin")
@needs("admin")
def site(site_id: str) -> str:
    """Lead to what can be set of one site."""
    return _site_page(site_for(site_id))


@bp.post("/<site_id>/admin")
@needs("admin")
def change(site_id: str) -> ResponseReturnValue:
    """Rename a site, close it or open it again."""
    found, action = site_for(site_id), request.form.get("action")
    if action == "rename":
        return _renamed(found)
    if action not in ("close", "open"):
        raise InvalidRequest.of("action", "expected a button of this page")
    if action == "close" and (question := _question(found)):
        return question
    services().sites.close(found.id, closed=action == "close", by=by_me())
    if action == "close":
        flash(_("The site is closed. Nothing of it was erased."), "reject")
    else:
        flash(_("The site is open again, with the keys it had."), "approve")
    return redirect(url_for(".site", site_id=found.id), 303)


def _renamed(found: Site) -> ResponseReturnValue:
    name = request.form.get("name", "").strip()
    try:
        stored = update(found, lambda base: base.changed({"name": name}))
    except InvalidRequest:
        formed = replace(found, revision=request.form.get("revision", found.revision))
        return _site_page(formed, complaint=_name_too_long()), 422
    if isinstance(stored, Stale):
        return _site_page(stored.wanted, meanwhile=stored.since), 409
    flash(_("Saved."))
    return redirect(url_for(".site", site_id=found.id), 303)


def _name_too_long() -> str:
    return _("A name has at most %(num)s characters.", num=formats.number(SETTINGS["name"].length))


def _question(found: Site) -> ResponseReturnValue | None:
    name = found.name or found.id
    return asked_again(
        _("Close a site"),
        [
            _("No key of %(site)s opens it any more, within a second.", site=name),
            _(
                "Comments that are sent are refused, and whether they are published is up to the "
                "site. What waits here can still be decided. It can be opened again."
            ),
        ],
        _("Close the site"),
        url_for(".site", site_id=found.id),
    )


def _page(**shown: object) -> str:
    sites, unreadable = services().sites.all()
    after = request.args.get("after", "")
    listed = [one for one in sites if one.id > after][: PER_PAGE + 1]
    return render_template(
        "admin.html",
        sites=listed[:PER_PAGE],
        n_sites=len(sites),
        following=listed[PER_PAGE - 1].id if len(listed) > PER_PAGE else "",
        attention=list(_attention(sites, unreadable)),
        required=services().accounts.second_factor.required_from(),
        choices=REQUIRED_NAMES,
        **shown,
    )


def _site_page(found: Site, **shown: object) -> str:
    return render_template(
        "admin_site.html", site=found, attention=list(_of_site(found)), changes=changes, **shown
    )


def _attention(sites: Sequence[Site], unreadable: Sequence[str]) -> Iterator[Attention]:
    """Yield what needs attention, first of all people, then of each site."""
    people = url_for("console.moderators.index")
    for who in services().accounts.list():
        if who.role == "admin" and not who.disabled and who.has_password and not who.has_totp:
            told = _("%(name)s is an administrator and has no second factor.", name=who.name)
            yield Attention(told, people)
    for site_id in unreadable:
        told = _("What is stored of the site %(id)s cannot be read.", id=site_id)
        yield Attention(told, url_for(".index"))
    until = time.monotonic() + SECONDS
    for n, one in enumerate(sites):
        if time.monotonic() > until:
            left = len(sites) - n
            told = _("%(num)s more sites were not looked at here.", num=formats.number(left))
            yield Attention(told, url_for("console.overview.index"))
            return
        yield from _of_site(one)


def _of_site(found: Site) -> Iterator[Attention]:
    """Yield what needs attention of one site; one that cannot be worked with is named."""

    def page(name: str) -> str:
        return url_for(f"console.{name}", site_id=found.id)

    try:
        endpoint = services().deliveries.endpoint(found.id)
        due = services().retention.due(found)
        is_building = services().reindex.under_way(found.id)
    except SiteUnreadable:
        told = _("What is stored of this site cannot be worked with.")
        yield Attention(told, page("admin.site"), found)
        return
    if found.is_closed:
        told = _("The site is closed: none of its keys opens it.")
        yield Attention(told, page("admin.site"), found)
    if endpoint.disabled_at:
        told = _("Its webhook is out of use, and nothing is told to the site.")
        yield Attention(told, url_for("console.overview.index"), found)
    if due.is_refused:
        told = _("Old texts are not forgotten by themselves: it would be much at once.")
        yield Attention(told, page("retention.index"), found)
    if version := services().shadow.version(found):
        told = _(
            "The version %(version)s is on trial.",
            version=f"\N{LEFT-TO-RIGHT ISOLATE}{version}\N{POP DIRECTIONAL ISOLATE}",
        )
        yield Attention(told, page("shadow.index"), found)
    if is_building:
        told = _("Lists of older decisions are being built; until then pages may lack some.")
        yield Attention(told, page("admin.site"), found)
