"""Commands of notices: try the addresses of a site's moderators."""

from __future__ import annotations

import click

from service.cli.environment import connect_for, site_argument
from service.delivery.notices import Notices
from service.delivery.webhooks import Deliveries
from service.errors import EXIT_REFUSED, OperatorError
from service.queue.repeats import Repeats
from service.queue.review_queue import ReviewQueue
from service.sites.sites import Sites


@click.group()
def notices() -> None:
    """Try the notices to moderators."""


@notices.command()
@site_argument
def test(site_id: str) -> None:
    """Send a test to each address of a site, and say what became of it.

    Ends with status 2 where an address did not take it. No address is shown, only its service.
    """
    with connect_for(site_id) as (redis, site):
        sites = Sites(redis)
        parts = ReviewQueue(redis), Deliveries(redis, sites), Repeats(redis)
        found = Notices(redis, sites, *parts).probe(site)
    if not found:
        raise OperatorError("the site has no address for notices")
    for number, (service, failure) in enumerate(found, start=1):
        click.echo(f"{number}\t{service}\t{failure or 'taken'}")
    if any(failure for _service, failure in found):
        raise SystemExit(EXIT_REFUSED)
