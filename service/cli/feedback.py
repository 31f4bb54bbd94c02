"""Commands of feedback: what sites say about scores."""

from __future__ import annotations

from pathlib import Path

import click

from models.schema import write_comments
from service.cli.environment import connect_for, output_option, site_argument
from service.queue.feedback import Feedback


@click.group()
def feedback() -> None:
    """Export what sites say about scores."""


@feedback.command("export")
@site_argument
@output_option
def export_feedback(site_id: str, output: Path) -> None:
    """Write feedback as labelled comments, one JSON object a line."""
    with connect_for(site_id) as (redis, _site):
        n_comments = write_comments(Feedback(redis).read_all(site_id), str(output))
    click.echo(f"{n_comments} labelled comments", err=True)
