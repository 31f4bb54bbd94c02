"""Command of the transparency output: what the Digital Services Act asks a site to publish."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click

from service.cli.decisions import told_damage
from service.cli.environment import connect, site_argument
from service.queue.decisions import DecisionStream
from service.reports.transparency import period_statistics, statements
from service.rules.times import EARLIEST, LATEST
from service.sites.sites import Sites


class _Day(click.DateTime):
    """A day of the calendar that the decision stream has."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        day = super().convert(value, param, ctx)
        if not EARLIEST.year <= day.year < LATEST.year:
            self.fail(f"expected a day from {EARLIEST.year} to {LATEST.year - 1}", param, ctx)
        return day


_day = _Day(["%Y-%m-%d"])


@click.command()
@site_argument
@click.option("--from", "start", type=_day, required=True, help="First day, UTC.")
@click.option("--to", "end", type=_day, required=True, help="Day after the last, UTC.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "csv", "statements"]),
    default="json",
    show_default=True,
    help="Numbers of the period, or one statement of reasons a line.",
)
def transparency(site_id: str, start: datetime, end: datetime, form: str) -> None:
    """Write the numbers of a period, or the statements of reasons, for the DSA's database."""
    start, end = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)
    with connect() as redis:
        Sites(redis).get(site_id)
        entries = told_damage(
            DecisionStream(redis).history(site_id, str(int(start.timestamp() * 1000)))
        )
        if form == "statements":
            for statement in statements(site_id, entries):
                if str(statement["application_date"]) < end.date().isoformat():
                    click.echo(json.dumps(statement, ensure_ascii=False))
            return
        numbers = period_statistics(site_id, entries, start, end)
    if form == "csv":
        click.echo(numbers.to_csv(), nl=False)
    else:
        click.echo(json.dumps(numbers.to_dict(), ensure_ascii=False, indent=2))
