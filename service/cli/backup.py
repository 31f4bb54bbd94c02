"""Command by which a backup is noted, so that somebody is told where none is made any more."""

from __future__ import annotations

import click

from service.cli.environment import connect
from service.rules.times import iso_time
from service.store.backup import note_backup


@click.command()
def backed_up() -> None:
    """Note that a backup has been made, with its time.

    The last line of what makes one, reached only where all before it went well. It looks at no
    file.
    """
    with connect() as redis:
        click.echo(f"backup noted at {iso_time(note_backup(redis))}")
