"""Commands of feedback: what sites say about scores."""

from __future__ import annotations

from pathlib import Path

import click

from models.schema import write_comments
from service.cli.environment import (
    connect_for,
    note_export,
    output_option,
    personal_data_option,
    site_argument,
)
from service.queue.feedback import Feedback
from service.rules.personal_data import without_personal_data


@click.group()
def feedback() -> None:
    """Export what sites say about scores."""


@feedback.command("export")
@site_argument
@personal_data_option
@output_option
def export_feedback(site_id: str, output: Path, *, with_personal_data: bool) -> None:
    """Write feedback as labelled comments, one JSON object a line."""
    with connect_for(site_id) as (redis, _site):
        if with_personal_data:
            note_export(redis, site_id, "feedback")
        comments = Feedback(redis).read_all(site_id)
        shown = comments if with_personal_data else map(without_personal_data, comments)
        n_comments = write_comments(shown, str(output))
    click.echo(f"{n_comments} labelled comments", err=True)
