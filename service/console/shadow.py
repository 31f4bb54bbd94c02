"""The model on trial: its verdicts beside those of the model in use, for seniors."""

from flask import Blueprint, render_template

from service.console.permissions import needs, site_for
from service.reports import shadow as figures
from service.services import services
from service.sites.site import Site

bp = Blueprint("shadow", __name__)

DAYS = 14


@bp.get("/<site_id>/shadow")
@needs("senior")
def index(site_id: str) -> str:
    """Compare the model on trial with the one in use."""
    site = site_for(site_id)
    version = services().shadow.version(site)
    return render_template(
        "shadow.html",
        site=site,
        version=version,
        kept=version in services().artifacts.versions(),
        found=_comparison(site, version) if version else None,
        actions=figures.ACTIONS,
    )


def _comparison(site: Site, version: str) -> figures.Comparison:
    counts, in_use = services().shadow.counts, services().artifact.version
    differences = counts.differences(site.id, in_use, version)
    standings = services().queue.standings(site.id, [one.item_id for one in differences])
    decided = [
        (one, action if found == one.version else "")
        for one, (found, action) in zip(differences, standings, strict=True)
    ]
    return figures.comparison(in_use, version, counts.days(site.id, DAYS), decided)
