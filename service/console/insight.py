"""Insight: the figures of a site, each with its chart, its table and its CSV."""

import time
from collections.abc import Sequence

from flask import Blueprint, Response, render_template
from flask_babel import get_locale

from models.spreadsheets import as_csv
from service.console.charts import Chart, draw
from service.console.permissions import needs, site_for
from service.errors import NotFound
from service.reports import insight
from service.reports.insight import Figure
from service.rules.phrases import RIGHT_TO_LEFT
from service.services import services
from service.sites.site import Site

bp = Blueprint("insight", __name__)

DAYS = 14  # that the charts show


@bp.get("/<site_id>/insight")
@needs("senior")
def index(site_id: str) -> str:
    """Show all figures of a site."""
    site = site_for(site_id)
    return render_template(
        "insight.html",
        site=site,
        charts=drawn(_figures(site)),
    )


def drawn(figures: Sequence[Figure]) -> list[tuple[Figure, Chart]]:
    """Return figures with their charts, in the direction in which the reader reads."""
    from_right = str(get_locale()) in RIGHT_TO_LEFT
    return [(figure, draw(figure, from_right=from_right)) for figure in figures]


@bp.get("/<site_id>/insight/<code>.csv")
@needs("senior")
def download(site_id: str, code: str) -> Response:
    """Give one figure as CSV."""
    return csv_of(_figures(site_for(site_id)), code)


def csv_of(figures: Sequence[Figure], code: str) -> Response:
    """Answer with the figure that has this code, as CSV."""
    found = [figure for figure in figures if figure.code == code]
    if not found:
        raise NotFound("there is no such figure")
    # Spreadsheets read UTF-8 only behind U+FEFF ZERO WIDTH NO-BREAK SPACE.
    text = "\N{ZERO WIDTH NO-BREAK SPACE}" + figure_csv(found[0])
    name = code.replace(":", "-")
    return Response(
        text,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def figure_csv(figure: Figure) -> str:
    """Write a figure as CSV: codes and plain numbers, for programs as well as for people."""
    head = [figure.kind, *(series.code for series in figure.series)]
    rows = (
        [row, *(series.values[number] for series in figure.series)]
        for number, row in enumerate(figure.rows)
    )
    return as_csv([head, *rows])


def _figures(site: Site) -> list[Figure]:
    """Return all figures of a site."""
    verdict_counts = services().verdict_counts.days(site.id, DAYS)
    days = services().read_models.days(site.id, DAYS)
    return [
        insight.decisions_per_hour(days, until=time.time()),
        insight.time_to_decision(days, target_seconds=site.time_target_seconds),
        insight.precision_by_label(days),
        insight.agreement(days),
        insight.known_answers(days),
        insight.decided_by_machine(verdict_counts),
    ]
