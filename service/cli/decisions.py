"""Commands about what was decided: forgetting it, proving it, reporting it, telling it again.

Each takes the context's object, a function that connects to Redis, from the group `hakam`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from service.delivery.webhooks import Deliveries
from service.errors import ChainBroken, SiteUnreadable, StoreUnavailable
from service.queue.decisions import DecisionStream
from service.queue.records import Decision
from service.queue.retention import Retention
from service.reports.statistics import agreement, agreement_with_known_answers
from service.reports.transparency import period_report, statements
from service.rules.times import EARLIEST, LATEST
from service.sites.sites import Sites
from service.store.connect import Redis

Connect = Callable[[], Redis]

_site = click.argument("site_id", metavar="SITE")


@click.command()
@click.option("--site", "site_id", required=True, help="The site the author wrote on.")
@click.option("--author", "author_id", required=True, help="The site's id of the author.")
@click.pass_obj
def erase(connect: Connect, site_id: str, author_id: str) -> None:
    """Remove all that an author wrote; the facts of decisions stay.

    It says when the words have left Redis' own disk. Copies of its files made before, as in
    backups, still hold them.
    """
    with connect() as redis:
        sites = Sites(redis)
        sites.get(site_id)
        erased = Retention(redis, sites).erase(site_id, author_id)
    click.echo(f"{erased.n_items} items erased, and {erased.n_answers} quotations in answers")
    if not erased.left_disk:
        raise StoreUnavailable(
            "the words are erased, but Redis has not said that it wrote its file anew, so they may "
            "still be on its disk: run BGREWRITEAOF, or this command again"
        )
    click.echo(f"gone from Redis' disk; copies made before {_time(time.time())} still hold them")


@click.command()
@click.option("--force", is_flag=True, help="However much of what a site keeps that is.")
@click.pass_obj
def forget(connect: Connect, *, force: bool) -> None:
    """Remove the texts that the sites' retention periods no longer allow.

    `hakam webhooks` does this by itself, once an hour. More than a quarter of what a site keeps is
    not removed at once when the last time was longer than two hours ago, because then the clock of
    Redis may have jumped.
    """
    with connect() as redis:
        n_forgotten = Retention(redis, Sites(redis)).sweep(force=force)
    click.echo(f"{n_forgotten} forgotten")


@click.group()
def audit() -> None:
    """Prove that what was decided is still what was written."""


@audit.command("verify")
@click.argument("site_ids", metavar="[SITE]...", nargs=-1)
@click.option("--digest", default="", help="A digest noted earlier, which must be in the chain.")
@click.pass_obj
def verify_audit(connect: Connect, site_ids: tuple[str, ...], digest: str) -> None:
    """Check the chain of the decisions; prints site, number of entries and last digest."""
    with connect() as redis:
        failures = [] if site_ids else [_unreadable(one) for one in Sites(redis).unreadable()]
        for site_id in site_ids or [site.id for site in Sites(redis).list()]:
            try:
                Sites(redis).get(site_id)
                verified = DecisionStream(redis).verify(site_id, known_digest=digest)
            except ChainBroken as broken:
                failures.append(str(broken))
            except SiteUnreadable:
                failures.append(_unreadable(site_id))
            else:
                click.echo(f"{site_id}\t{verified.n_entries}\t{verified.digest}")
    if failures:
        raise ChainBroken("\n".join(failures))


def _unreadable(site_id: str) -> str:
    return f"What is stored of {site_id} cannot be worked with."


def told_damage(entries: Iterable[Decision]) -> Iterator[Decision]:
    """Hand entries on, and say on standard error how many could not be read."""
    n_damaged = 0
    for entry in entries:
        n_damaged += entry.damaged
        yield entry
    tell_damage(n_damaged)


def tell_damage(n_damaged: int) -> None:
    """Say on standard error how many decisions could not be read."""
    if n_damaged:
        click.echo(
            f"what is stored of {n_damaged} decisions cannot be read, so they are left out; "
            "`hakam audit verify` names the first",
            err=True,
        )


@click.group()
def report() -> None:
    """Report on what was decided."""


class _Day(click.DateTime):
    """A day of the calendar that the decision stream has."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        day = super().convert(value, param, ctx)
        if not EARLIEST.year <= day.year < LATEST.year:
            self.fail(f"expected a day from {EARLIEST.year} to {LATEST.year - 1}", param, ctx)
        return day


_day = _Day(["%Y-%m-%d"])


@report.command("dsa")
@_site
@click.option("--from", "start", type=_day, required=True, help="First day, UTC.")
@click.option("--to", "end", type=_day, required=True, help="Day after the last, UTC.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "csv", "statements"]),
    default="json",
    show_default=True,
    help="Numbers of the period, or one statement of reasons a line.",
)
@click.pass_obj
def report_dsa(connect: Connect, site_id: str, start: datetime, end: datetime, form: str) -> None:
    """Write the period report, or the statements of reasons for the DSA Transparency Database."""
    start, end = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)
    with connect() as redis:
        Sites(redis).get(site_id)
        entries = told_damage(
            DecisionStream(redis).history(site_id, str(int(start.timestamp() * 1000)))
        )
        if form == "statements":
            for statement in statements(site_id, entries):
                if str(statement["application_date"]) < end.date().isoformat():
                    click.echo(json.dumps(statement, ensure_ascii=False))
            return
        numbers = period_report(site_id, entries, start, end)
    if form == "csv":
        click.echo(numbers.to_csv(), nl=False)
    else:
        click.echo(json.dumps(numbers.to_dict(), ensure_ascii=False, indent=2))


@report.command("agreement")
@_site
@click.pass_obj
def report_agreement(connect: Connect, site_id: str) -> None:
    """Write how far moderators agree, with each other and with known answers, as JSON Lines."""
    with connect() as redis:
        Sites(redis).get(site_id)
        entries = list(told_damage(DecisionStream(redis).history(site_id)))
    for found in (*agreement(entries), *agreement_with_known_answers(entries)):
        click.echo(json.dumps(asdict(found), ensure_ascii=False))


@click.command("dead")
@_site
@click.pass_obj
def dead_letters(connect: Connect, site_id: str) -> None:
    """List deliveries that were given up: decision, comment, action, when, why."""
    with connect() as redis:
        sites = Sites(redis)
        sites.get(site_id)
        deliveries = Deliveries(redis, sites)
        letters, endpoint = deliveries.dead_letters(site_id, 1_000), deliveries.endpoint(site_id)
    for letter in letters:
        words = [letter.decision_id, letter.comment_id, letter.action, _time(letter.died_at)]
        click.echo("\t".join([*words, letter.failure]))
    if endpoint.failing_since:
        since = f"every delivery has failed since {_time(endpoint.failing_since)}"
        out = f"; out of use since {_time(endpoint.disabled_at)}" if endpoint.disabled_at else ""
        click.echo(f"{since}{out}: {endpoint.failure}", err=True)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat("T", "seconds")


@click.command()
@_site
@click.pass_obj
def replay(connect: Connect, site_id: str) -> None:
    """Deliver what was given up, and use the webhook again if it was disabled."""
    with connect() as redis:
        sites = Sites(redis)
        sites.get(site_id)
        deliveries = Deliveries(redis, sites)
        deliveries.enable(site_id)
        n_replayed = 0
        while n_more := deliveries.replay(site_id):
            n_replayed += n_more
    click.echo(f"{n_replayed} deliveries are due again")
