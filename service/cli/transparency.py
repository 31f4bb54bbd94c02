"""Command of the transparency output: what the Digital Services Act asks a site to publish."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from service.cli.decisions import counting_damage
from service.cli.environment import archive_option, connect_for, day, site_argument
from service.queue.archive import Archive
from service.queue.decisions import DecisionStream, place
from service.reports.transparency import period_statistics, statements


@click.command()
@site_argument
@click.option("--from", "start", type=day, required=True, help="First day, UTC.")
@click.option("--to", "end", type=day, required=True, help="Day after the last, UTC.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "csv", "statements"]),
    default="json",
    show_default=True,
    help="Numbers of the period, or one statement of reasons a line.",
)
@archive_option
def transparency(
    site_id: str, start: datetime, end: datetime, form: str, archive: Path | None
) -> None:
    """Write what the Digital Services Act asks a site to publish."""
    start, end = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)
    with connect_for(site_id) as (redis, _site):
        stream, after = DecisionStream(redis), str(int(start.timestamp() * 1000))
        if archive:
            entries = counting_damage(Archive(redis, archive).history(site_id, after))
        else:
            if place(after) < place(last := stream.anchor(site_id).id):
                raise click.UsageError(
                    f"decisions of that time, up to {last}, have been archived: name their folder "
                    "with --archive"
                )
            entries = counting_damage(stream.history(site_id, after))
        if form == "statements":
            for statement in statements(site_id, entries):
                if str(statement["application_date"]) < end.date().isoformat():
                    click.echo(json.dumps(statement, ensure_ascii=False))
            return
        numbers = period_statistics(site_id, entries, start, end)
    if form == "csv":
        click.echo(numbers.to_csv(), nl=False)
    else:
        click.echo(json.dumps(asdict(numbers), ensure_ascii=False, indent=2))
