"""Commands of the review queue."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

import click

from models.schema import read_comments
from service.cli.environment import connect_for, site_argument
from service.config import Settings
from service.queue.comparison import compare, read_known
from service.queue.decisions import DecisionStream
from service.queue.reindex import Reindex
from service.queue.review_queue import ReviewQueue
from service.sites.sites import Sites
from service.store.durability import Durability
from service.store.trail import COMMAND_LINE, Entry, Trail


@click.group()
def queue() -> None:
    """Count what is in the review queue, or restore what it lacks."""


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
        if not DecisionStream(redis).read(site_id, limit=1):
            DecisionStream(redis).note_loss(site_id, 0.0)
        Trail(redis).note(site_id, Entry("decisions", COMMAND_LINE, "rebuilt"))
        n_restored = DecisionStream(redis).rebuild(site_id, read_comments(export))
    click.echo(f"{n_restored} decisions restored")


@queue.command("compare")
@site_argument
@click.argument("known", type=click.File(encoding="utf-8"))
def compare_queue(site_id: str, known: TextIO) -> None:
    """Say what SITE is to send again after a loss, or has not heard of.

    KNOWN has a line {"id": "17", "action": "review"} of each comment that the site holds, and one
    with what it was told (approve or reject) of each that was decided since the loss; - is standard
    input. Of each that both do not know alike a line says what to `do`: `send` the comment again
    (POST /v1/comments), `tell` its decision (POST /v1/decisions/external), or `apply` that of here.
    """
    with connect_for(site_id) as (redis, _site):
        n_lines = 0
        for advice in compare(ReviewQueue(redis), site_id, read_known(known)):
            click.echo(advice.model_dump_json(exclude_defaults=True))
            n_lines += 1
    click.echo(f"{n_lines} comments are not known alike", err=True)


@queue.command()
@site_argument
@click.option("--anew", is_flag=True, help="Also what was built before.")
def reindex(site_id: str, *, anew: bool) -> None:
    """Build at once what a store of an older version lacks.

    `hakam background` does this by itself, slowly; until then pages do not list everything. Say
    `--anew` where an older Hakam worked on the store once more.
    """
    with connect_for(site_id) as (redis, _site):

        def say(_site_id: str, part: str, n_done: int, n_all: int) -> None:
            last = n_done >= n_all
            if last or sys.stderr.isatty():
                click.echo(f"\r{part}: {n_done:,} of {n_all:,}", err=True, nl=last)

        Reindex(redis, Sites(redis)).build(site_id, say, anew=anew)
    click.echo("All is built.")
