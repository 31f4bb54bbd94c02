"""Command that looks at sites once a day: what has moved, and which decisions are doubtful."""

from __future__ import annotations

import json
import time

import click

from service.cli.environment import connect
from service.errors import ServiceError, UnknownSite
from service.queue.doubts import DoubtfulDecisions
from service.reports import drift, second_look
from service.reports.drift_alarms import DriftAlarms
from service.reports.verdict_counts import VerdictCounts
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import Redis

DAY_SECONDS = 86_400.0


@click.command()
@click.argument("site_ids", metavar="[SITE]...", nargs=-1)
@click.option("--due", is_flag=True, help="Only those not looked at within a day.")
def watch(site_ids: tuple[str, ...], *, due: bool) -> None:
    """Look for drift and for decisions that deserve a second look.

    `hakam background` does this by itself, once a day. Writes one JSON object for each site: what
    has moved beyond the site's alarm, and how many decisions are listed in the console.
    """
    with connect() as redis:
        sites = {site.id: site for site in Sites(redis).list()}
        for site_id in site_ids:
            if site_id not in sites:
                raise UnknownSite(f"no site has the id {site_id}")
        for site_id in site_ids or sites:
            try:
                told = _look(redis, sites[site_id], due=due)
            except ServiceError as error:  # which is this site's alone
                told = {"site": site_id, "error": type(error).__name__}
            if told:
                click.echo(json.dumps({"event": "watch"} | told))


def _look(redis: Redis, site: Site, *, due: bool) -> dict[str, object]:
    doubts = DoubtfulDecisions(redis)
    if due and doubts.read(site.id).looked_at > time.time() - DAY_SECONDS:
        return {}
    shifts = drift.shifts(VerdictCounts(redis).days(site.id, drift.N_DAYS))
    beyond = [shift for shift in shifts if shift.is_beyond(site.drift_alarm)]
    DriftAlarms(redis).keep(site.id, shifts, site.drift_alarm)
    entries = list(doubts.latest(site.id, second_look.MAX_ENTRIES))
    found = second_look.doubtful(second_look.comparable(entries))
    n_listed = doubts.exchange(site.id, found, entries[-1].id if entries else "")
    moved = {shift.about: round(shift.index or 0.0, 2) for shift in beyond}
    return {"site": site.id, "moved": moved, "n_second_look": n_listed}
