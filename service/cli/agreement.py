"""Command that tells how far moderators agree."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from service.cli.decisions import counting_damage
from service.cli.environment import connect_for, site_argument
from service.queue.decisions import DecisionStream
from service.reports import statistics


@click.command()
@site_argument
def agreement(site_id: str) -> None:
    """Write how far moderators agree, also with known answers."""
    with connect_for(site_id) as (redis, _site):
        stream = DecisionStream(redis)
        if n_archived := stream.anchor(site_id).n_entries:
            click.echo(f"{n_archived} archived decisions are not counted", err=True)
        entries = list(counting_damage(stream.history(site_id)))
    for found in (
        *statistics.agreement(entries),
        *statistics.agreement_with_known_answers(entries),
    ):
        click.echo(json.dumps(asdict(found), ensure_ascii=False))
