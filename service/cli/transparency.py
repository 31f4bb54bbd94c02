"""Commands of statistics: moderators who agree, and the transparency output for the DSA."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from service.cli.decisions import told_damage
from service.cli.environment import connect, site_argument
from service.queue.decisions import DecisionStream
from service.reports.statistics import agreement, agreement_with_known_answers
from service.reports.transparency import period_report, statements
from service.rules.times import EARLIEST, LATEST
from service.sites.sites import Sites


@click.group()
def report() -> None:
    """Report on what was decided."""


class _Day(click.DateTime):
    """A day of the calendar that the decision stream has."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        day = super().convert(value, param, ctx)
        if not EARLIEST.year <= day.year < LATEST.year:
            self.fail(f"expected a day from {EARLIEST.year} to {LATEST.year - 1}", param, ctx)
        return day


_day = _Day(["%Y-%m-%d"])


@report.command("dsa")
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
def report_dsa(site_id: str, start: datetime, end: datetime, form: str) -> None:
    """Write the period report, or the statements of reasons for the DSA Transparency Database."""
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
        numbers = period_report(site_id, entries, start, end)
    if form == "csv":
        click.echo(numbers.to_csv(), nl=False)
    else:
        click.echo(json.dumps(numbers.to_dict(), ensure_ascii=False, indent=2))


@report.command("agreement")
@site_argument
def report_agreement(site_id: str) -> None:
    """Write how far moderators agree, with each other and with known answers, as JSON Lines."""
    with connect() as redis:
        Sites(redis).get(site_id)
        entries = list(told_damage(DecisionStream(redis).history(site_id)))
    for found in (*agreement(entries), *agreement_with_known_answers(entries)):
        click.echo(json.dumps(asdict(found), ensure_ascii=False))
