"""Commands of the review queue."""

from __future__ import annotations

from pathlib import Path

import click

from models.schema import read_comments
from service.cli.environment import connect_for, site_argument
from service.config import Settings
from service.queue.decisions import DecisionStream
from service.queue.review_queue import ReviewQueue
from service.store.durability import Durability


@click.group()
def queue() -> None:
    """Count what is in the review queue, or restore decisions."""


@queue.command("stats")
@site_argument
def queue_stats(site_id: str) -> None:
    """Count what waits, is leased, was decided or failed to arrive."""
    with connect_for(site_id) as (redis, _site):
        stats = ReviewQueue(redis).stats(site_id)
    for name in stats.__slots__:
        click.echo(f"{name}\t{getattr(stats, name):g}")


@queue.command("rebuild")
@site_argument
@click.argument("export", type=click.Path(path_type=Path, allow_dash=True))
def rebuild_queue(site_id: str, export: Path) -> None:
    """Restore decisions from EXPORT after Redis has lost them.

    `hakam decisions export --with-personal-data` writes such a file; without the option, comments
    with personal data are put before people again. Then let the site send its open comments again:
    what was decided is not queued twice. Restart servers that do not share this HAKAM_VAR, so that
    they accept the loss.
    """
    with connect_for(site_id) as (redis, _site):
        Durability(redis, Settings.from_environ().store_file).accept()
        n_restored = DecisionStream(redis).rebuild(site_id, read_comments(export))
    click.echo(f"{n_restored} decisions restored")
