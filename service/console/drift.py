"""Drift: whether this week's comments are what those of the weeks before were, with the figures."""

from flask import Blueprint, Response, render_template

from service.console.insight import csv_of, drawn
from service.console.permissions import needs, site_for
from service.queue.read_models import FIGURES_DAYS
from service.reports import drift
from service.reports.drift import N_DAYS, WORTH_A_LOOK, Shift
from service.reports.insight import Days, Figure
from service.services import services
from service.sites.site import Site

bp = Blueprint("drift", __name__)


@bp.get("/<site_id>/drift")
@needs("senior")
def index(site_id: str) -> str:
    """Show how far everything has moved, and how well the model does."""
    site = site_for(site_id)
    verdicts = services().verdict_counts.days(site.id, N_DAYS)
    shifts = drift.shifts(verdicts)
    return render_template(
        "drift.html",
        site=site,
        version=services().artifact.version,
        shifts=[(shift, _word(shift, site.drift_alarm)) for shift in shifts],
        charts=drawn(_figures(site, verdicts, shifts)),
    )


@bp.get("/<site_id>/drift/<code>.csv")
@needs("senior")
def download(site_id: str, code: str) -> Response:
    """Give one figure as CSV."""
    site = site_for(site_id)
    verdicts = services().verdict_counts.days(site.id, N_DAYS)
    return csv_of(_figures(site, verdicts, drift.shifts(verdicts)), code)


def _word(shift: Shift, limit: float) -> str:
    if shift.index is None:
        return "unknown"
    if shift.is_beyond(limit):
        return "moved"
    if shift.index < WORTH_A_LOOK:
        return "steady"
    return "chance" if shift.index < shift.by_chance else "look"


def _figures(site: Site, verdicts: Days, shifts: list[Shift]) -> list[Figure]:
    labels = [shift.about.removeprefix("score:") for shift in shifts if ":" in shift.about]
    days = services().read_models.days(site.id, FIGURES_DAYS - 1)
    return [
        drift.quality(days),
        drift.unknown_words(verdicts),
        drift.languages(verdicts),
        drift.dialects(verdicts),
        *(drift.scores(verdicts, label) for label in labels),
    ]
