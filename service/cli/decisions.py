"""Commands of the decision stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from service.cli.environment import connect
from service.queue.decisions import DecisionStream
from service.queue.records import Decision
from service.sites.sites import Sites


@click.group()
def decisions() -> None:
    """Take decisions out, for training."""


@decisions.command("export")
@click.argument("site_id", metavar="SITE")
@click.option("--after", default="0", show_default=True, help="The cursor of the last export.")
@click.option("--output", type=click.Path(path_type=Path), default="-", help="File, or -.")
def export_decisions(site_id: str, after: str, output: Path) -> None:
    """Write what was decided as labelled comments, one JSON object a line."""
    with connect() as redis:
        Sites(redis).get(site_id)
        exported = DecisionStream(redis).export(site_id, str(output), after)
    tell_damage(exported.n_damaged)
    click.echo(
        f"{exported.n_comments} labelled comments; the next export: --after {exported.cursor}",
        err=True,
    )


def told_damage(entries: Iterable[Decision]) -> Iterator[Decision]:
    """Hand entries on, and say on standard error how many could not be read."""
    n_damaged = 0
    for entry in entries:
        n_damaged += entry.damaged
        yield entry
    tell_damage(n_damaged)


def tell_damage(n_damaged: int) -> None:
    """Say on standard error how many decisions could not be read."""
    if n_damaged:
        click.echo(
            f"what is stored of {n_damaged} decisions cannot be read, so they are left out; "
            "`hakam audit verify` names the first",
            err=True,
        )
