"""Commands of retention: remove what is too old, or all that an author wrote."""

from __future__ import annotations

import time

import click

from service.cli.environment import connect, connect_for
from service.errors import StoreUnavailable
from service.queue.retention import Retention
from service.rules.times import iso_time
from service.sites.sites import Sites
from service.store.trail import COMMAND_LINE


@click.command()
@click.option("--site", "site_id", required=True, help="The site the author wrote on.")
@click.option("--author", "author_id", required=True, help="The site's id of the author.")
def erase(site_id: str, author_id: str) -> None:
    """Remove all that an author wrote; facts of decisions stay.

    It says when the words have left Redis' own disk. Copies of its files made before, as in
    backups, still hold them.
    """
    with connect_for(site_id) as (redis, _site):
        erased = Retention(redis, Sites(redis)).erase(site_id, author_id, by=COMMAND_LINE)
    click.echo(f"{erased.n_items} items erased, and {erased.n_answers} quotations in answers")
    if not erased.left_disk:
        raise StoreUnavailable(
            "the words are erased, but Redis has not said that it wrote its file anew, so they may "
            "still be on its disk: run BGREWRITEAOF, or this command again"
        )
    click.echo(f"gone from Redis' disk; copies made before {iso_time(time.time())} still hold them")


@click.command()
@click.option("--force", is_flag=True, help="Remove it however much it is.")
def forget(*, force: bool) -> None:
    """Remove texts that are older than their site's retention.

    `hakam background` does this by itself, once an hour. More than a quarter of what a site keeps
    is not removed at once when the last time was longer than two hours ago, because then the clock
    of Redis may have jumped.
    """
    with connect() as redis:
        n_forgotten = Retention(redis, Sites(redis)).sweep(force=force, by=COMMAND_LINE)
    click.echo(f"{n_forgotten} forgotten")
