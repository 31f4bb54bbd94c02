"""Commands of what sites say about scores."""

from __future__ import annotations

from pathlib import Path

import click

from models.schema import write_comments
from service.cli.environment import connect
from service.queue.feedback import Feedback
from service.sites.sites import Sites


@click.group()
def feedback() -> None:
    """Take out what sites say about scores."""


@feedback.command("export")
@click.argument("site_id", metavar="SITE")
@click.option("--output", type=click.Path(path_type=Path), default="-", help="File, or -.")
def export_feedback(site_id: str, output: Path) -> None:
    """Write feedback as labelled comments of source site_feedback, one JSON object a line."""
    with connect() as redis:
        Sites(redis).get(site_id)
        n_comments = write_comments(Feedback(redis).read_all(site_id), str(output))
    click.echo(f"{n_comments} labelled comments", err=True)
