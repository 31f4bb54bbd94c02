"""Commands of known answers, by which moderators are compared."""

from __future__ import annotations

from pathlib import Path

import click

from models.schema import read_comments
from service.cli.environment import connect_for, site_argument
from service.config import Settings
from service.queue.records import known_action
from service.queue.review_queue import ReviewQueue
from service.scoring import artifact_in_use
from service.store.trail import COMMAND_LINE, Entry, Trail


@click.group()
def known_answers() -> None:
    """Add or clear known answers, by which moderators are compared."""


@known_answers.command("add")
@site_argument
@click.argument("known", metavar="COMMENTS", type=click.Path(path_type=Path, allow_dash=True))
def add_known_answers(site_id: str, known: Path) -> None:
    """Add labelled comments to what the site's moderators judge.

    How often is a setting: `hakam sites set ID --known-answer-share 0.02`. They stay, whatever the
    retention period, until they are cleared or what their author wrote is erased.
    """
    from service.metrics import Metrics
    from service.moderation import Moderation
    from service.queue.chosen import Chosen
    from service.queue.repeats import Repeats
    from service.queue.reports import Reports
    from service.reports.hesitation import Hesitation
    from service.reports.verdict_counts import VerdictCounts

    comments = list(read_comments(known))
    for comment in comments:
        known_action(comment)  # before anything is added
    artifact = artifact_in_use(Settings.from_environ())
    with connect_for(site_id) as (redis, site):
        Trail(redis).note(site_id, Entry("known_answers", COMMAND_LINE, "added"))
        counts = VerdictCounts(redis)
        moderation = Moderation(
            artifact,
            ReviewQueue(redis),
            Metrics(None),
            counts,
            Hesitation(counts),
            Chosen(redis),
            Repeats(redis),
            Reports(redis),
        )
        n_added = sum(moderation.add_known_answer(site, comment) for comment in comments)
    click.echo(f"{n_added} known answers added")


@known_answers.command("clear")
@site_argument
def clear_known_answers(site_id: str) -> None:
    """Remove a site's known answers; decisions about them stay."""
    with connect_for(site_id) as (redis, _site):
        Trail(redis).note(site_id, Entry("known_answers", COMMAND_LINE, "cleared"))
        n_cleared = ReviewQueue(redis).clear_known_answers(site_id)
    click.echo(f"{n_cleared} known answers taken out")
