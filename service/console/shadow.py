"""The model on trial: its verdicts beside those of the model in use, for seniors."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.console import insight
from service.console.concurrent_edits import Stale, update
from service.console.permissions import needs, site_for
from service.console.vocabulary import gettext as _
from service.errors import InvalidRequest
from service.reports import shadow as figures
from service.services import services
from service.sites.site import Site

bp = Blueprint("shadow", __name__)


@bp.get("/<site_id>/shadow")
@needs("senior")
def index(site_id: str) -> str:
    """Compare the model on trial with the one in use."""
    site = site_for(site_id)
    version, in_use = services().shadow.version(site), services().artifact.version
    return render_template(
        "shadow.html",
        site=site,
        version=version,
        kept=version in services().artifacts.versions(),
        found=_comparison(site, version) if version else None,
        actions=figures.ACTIONS,
        versions=[one for one in services().artifacts.versions() if one != in_use][::-1],
    )


@bp.post("/<site_id>/shadow")
@needs("admin")
def update_version(site_id: str) -> ResponseReturnValue:
    """Put a version on trial, or end the trial."""
    site, versions = site_for(site_id), services().artifacts.versions()
    wanted = request.form.get("version", "")
    if wanted and wanted not in versions:
        raise InvalidRequest.of("version", "expected a version that is kept")
    stored = update(site, lambda base: base.changed({"shadow": wanted}))
    if isinstance(stored, Stale):
        flash(_("That has changed meanwhile. Look again."), "reject")
    else:
        flash(_("Saved."))
    return redirect(url_for(".index", site_id=site.id), 303)


def _comparison(site: Site, version: str) -> figures.Comparison:
    counts, in_use = services().shadow.counts, services().artifact.version
    differences = counts.differences(site.id, in_use, version)
    standings = services().queue.standings(site.id, [one.item_id for one in differences])
    decided = [
        (one, action if found == one.version else "")
        for one, (found, action) in zip(differences, standings, strict=True)
    ]
    return figures.comparison(in_use, version, counts.days(site.id, insight.DAYS), decided)
