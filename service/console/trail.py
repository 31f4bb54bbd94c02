"""Trail of changes, for administrators: who changed what; settings as they were, and set back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.console import changes
from service.console.permissions import by_me, needs, site_for
from service.console.settings_form import complaint
from service.console.vocabulary import gettext as _
from service.errors import InvalidRequest, NotFound, SettingsChanged
from service.services import services
from service.sites.history import Past, past
from service.sites.site import SETTINGS, Site
from service.sites.sites import changes_between
from service.store.trail import ACCOUNTS, Entry, Page

bp = Blueprint("trail", __name__)

SECONDS = 0.04  # for which entries are looked at
MAX_WORD = 200  # characters of what is looked for


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for in a trail."""

    who: str
    what: str  # a kind, or a field

    @classmethod
    def asked(cls) -> "Wanted":
        """Read the form of the page."""
        who = request.args.get("who", "").strip().casefold()
        return cls(who[:MAX_WORD], request.args.get("what", "")[:MAX_WORD])

    def fits(self, entry: Entry) -> bool:
        """Whether an entry is one of these; one that cannot be read is hidden by no filter."""
        named = {entry.origin.name.casefold(), entry.origin.via}
        what = {entry.kind, *entry.changes}
        return entry.damaged or (
            (not self.who or self.who in named) and (not self.what or self.what in what)
        )


@bp.get("/admin/trail")
@needs("admin")
def everywhere() -> str:
    """Show what was changed on all sites and of all accounts."""
    names = {site.id: site.name or site.id for site in services().sites.list()}
    return _page([ACCOUNTS, *names], None, names)


@bp.get("/<site_id>/trail")
@needs("admin")
def index(site_id: str) -> str:
    """Show what was changed on one site."""
    site = site_for(site_id)
    return _page([site.id], site, {})


@bp.get("/<site_id>/trail/<entry_id>")
@needs("admin")
def show(site_id: str, entry_id: str) -> str:
    """Show one change, the settings before it, and what differs from those of now."""
    site = site_for(site_id)
    return _entry_page(site, _entry(site, entry_id))


@bp.post("/<site_id>/trail/<entry_id>")
@needs("admin")
def revert(site_id: str, entry_id: str) -> ResponseReturnValue:
    """Set the ticked settings back to what they were before a change."""
    site = site_for(site_id)
    entry = _entry(site, entry_id)
    if request.form.get("revision") != site.revision:
        return _entry_page(site, entry, is_stale=True), 409
    was, ticked = past(services().trail, site, entry.id, before=True).site, _ticked()
    wanted = site.changed({name: getattr(was, name) for name in ticked})
    try:
        wanted.check_shadow(services().artifacts.versions(), site.shadow)
        services().sites.update(wanted, by=by_me())
    except SettingsChanged:
        return _entry_page(site_for(site_id), entry, is_stale=True), 409
    except InvalidRequest as refusal:
        versions = services().artifacts.versions()
        told = " ".join(complaint(error, versions) for error in refusal.errors)
        return _entry_page(site, entry, complaint=told), 422
    if wanted.webhook_secret != site.webhook_secret:
        now = site_for(site_id)
        return _entry_page(now, entry, new_secret=now.webhook_secret)
    flash(_("Set back.") if ticked else _("Nothing was ticked, so nothing was set back."))
    return redirect(url_for(".index", site_id=site.id), 303)


def _ticked() -> Sequence[str]:
    return [name for name in request.form.getlist("setting") if name in SETTINGS]


def _entry(site: Site, entry_id: str) -> Entry:
    entry = services().trail.entry(site.id, entry_id)
    if entry is None:
        raise NotFound("no entry of the trail has this id")
    return entry


def _entry_page(site: Site, entry: Entry, **shown: object) -> str:
    was: Past | None = None
    if entry.kind == "settings" and not entry.damaged:
        was = past(services().trail, site, entry.id, before=True)
    return render_template(
        "trail_entry.html",
        site=site,
        entry=entry,
        changes=changes,
        was=was,
        back=_back(site, was) if was else {},
        ticked=request.form.getlist("setting") or entry.changes,
        settings=SETTINGS,
        **shown,
    )


def _back(site: Site, was: Past) -> Mapping[str, changes.Line]:
    """Return what would change if all were set back."""
    differing = changes_between(site, was.site)
    return {line.field: line for line in changes.lines(differing)}


def _page(site_ids: Sequence[str], site: Site | None, names: Mapping[str, str]) -> str:
    wanted = Wanted.asked()
    found: Page = services().trail.page(
        site_ids, wanted.fits, before=request.args.get("before", ""), budget_seconds=SECONDS
    )
    return render_template(
        "trail.html",
        site=site,
        found=found,
        wanted=wanted,
        changes=changes,
        names=names,
        people=[one.name for one in services().accounts.list()],
        settings=SETTINGS,
    )
