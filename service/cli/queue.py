"""Commands of the review queue."""

from __future__ import annotations

from pathlib import Path

import click

from models.schema import read_comments
from service.cli.environment import connect, read_settings
from service.queue.decisions import DecisionStream
from service.queue.review_queue import ReviewQueue
from service.sites.sites import Sites
from service.store.durability import Durability


@click.group()
def queue() -> None:
    """Look at the review queue."""


@queue.command("stats")
@click.argument("site_id", metavar="SITE")
def queue_stats(site_id: str) -> None:
    """Count what waits, is held, was decided and could not be told."""
    with connect() as redis:
        Sites(redis).get(site_id)
        stats = ReviewQueue(redis).stats(site_id)
    for name in stats.__slots__:
        click.echo(f"{name}\t{getattr(stats, name):g}")


@queue.command("rebuild")
@click.argument("site_id", metavar="SITE")
@click.argument("export", type=click.Path(path_type=Path, allow_dash=True))
def rebuild_queue(site_id: str, export: Path) -> None:
    """Take decisions over from EXPORT (`hakam decisions export`) after Redis has lost them.

    Then let the site send its open comments again: what was decided is not queued twice. Servers
    that do not share this HAKAM_VAR take the loss when they are started anew.
    """
    with connect() as redis:
        Sites(redis).get(site_id)
        Durability(redis, read_settings().store_file).accept()
        n_restored = DecisionStream(redis).rebuild(site_id, read_comments(export))
    click.echo(f"{n_restored} decisions restored")
