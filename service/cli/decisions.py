"""Commands of the decision stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from service.cli.environment import (
    connect_for,
    day,
    note_export,
    output_option,
    personal_data_option,
    site_argument,
)
from service.queue.archive import Archive
from service.queue.decisions import DecisionStream
from service.queue.records import Decision
from service.store.trail import COMMAND_LINE, Entry, Trail


@click.group()
def decisions() -> None:
    """Export decisions, or move old ones into an archive."""


@decisions.command("export")
@site_argument
@click.option("--after", default="0", show_default=True, help="The cursor of the last export.")
@personal_data_option
@output_option
def export_decisions(site_id: str, after: str, output: Path, *, with_personal_data: bool) -> None:
    """Write decisions as labelled comments, one JSON object a line."""
    with connect_for(site_id) as (redis, _site):
        stream = DecisionStream(redis)
        if with_personal_data:
            note_export(redis, site_id, "decisions")
        exported = stream.export(site_id, str(output), after, with_personal_data=with_personal_data)
    show_damage(exported.n_damaged)
    click.echo(
        f"{exported.n_comments} labelled comments; the next export: --after {exported.cursor}",
        err=True,
    )


@decisions.command("archive")
@site_argument
@click.option("--before", type=day, help="Those from before this day, UTC.")
@click.option("--days", type=click.IntRange(min=1), help="Those that are older.")
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the site's archive; always the same.",
)
def archive_decisions(
    site_id: str, before: datetime | None, days: int | None, folder: Path
) -> None:
    """Move old decisions out of the store, into compressed files.

    What is younger than the site's retention period stays, and what the site is still to be told.
    """
    if (before is None) == (days is None):
        raise click.UsageError("one of --before and --days is needed")
    limit = before.replace(tzinfo=UTC) if before else datetime.now(UTC) - timedelta(days or 0)
    with connect_for(site_id) as (redis, site):
        archive = Archive(redis, folder)
        Trail(redis).note(site_id, Entry("decisions", COMMAND_LINE, "archived"))
        n_moved, untold = archive.write(site, limit), archive.first_untold(site_id, limit)
    click.echo(f"{n_moved} decisions archived")
    if untold:
        click.echo(
            f"stopped before decision {untold}: the site is still to be told of it "
            "(`hakam webhooks dead` lists failed deliveries)",
            err=True,
        )


def counting_damage(entries: Iterable[Decision]) -> Iterator[Decision]:
    """Pass entries on, and say on standard error how many could not be read."""
    n_damaged = 0
    for entry in entries:
        n_damaged += entry.damaged
        yield entry
    show_damage(n_damaged)


def show_damage(n_damaged: int) -> None:
    """Say on standard error how many decisions could not be read."""
    if n_damaged:
        click.echo(
            f"what is stored of {n_damaged} decisions cannot be read, so they are left out; "
            "`hakam audit verify` names the first",
            err=True,
        )
