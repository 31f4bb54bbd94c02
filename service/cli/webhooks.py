"""Commands of delivery: run it, list what was given up, deliver it again."""

from __future__ import annotations

from threading import Event, Thread

import click

from service import logs, tracing
from service.cli.environment import connect, connect_for, site_argument
from service.config import Settings, traces_wanted
from service.delivery.heartbeat import Heartbeat
from service.delivery.notices import Notices
from service.delivery.webhooks import Deliveries
from service.queue.repeats import Repeats
from service.queue.review_queue import ReviewQueue
from service.rules.times import iso_time
from service.run.launch import check_writable
from service.run.supervision import stopped_by_signals, tell_ready
from service.sites.sites import Sites
from service.store.connect import TIMEOUT_SECONDS
from service.store.durability import Durability
from service.store.trail import COMMAND_LINE, Entry, Trail


@click.group(invoke_without_command=True)
@click.pass_context
def webhooks(context: click.Context) -> None:
    """Deliver decisions to sites, until stopped.

    Moderators get their notices meanwhile, and whether Redis keeps what it is given is checked.
    """
    if context.invoked_subcommand is not None:
        return
    settings, stop = Settings.from_environ(), Event()
    check_writable(settings.var)
    logs.configure(settings.log_level)
    if traces_wanted():
        tracing.start("hakam-webhooks")
    with stopped_by_signals(), connect() as redis:
        sites = Sites(redis)
        durability = Durability(redis, settings.store_file, vouched=settings.vouches)
        deliveries = Deliveries(redis, sites, public_url=settings.public_url)
        notices = Notices(
            redis,
            sites,
            ReviewQueue(redis),
            deliveries,
            Repeats(redis),
            trouble=lambda: durability.failing_since,
            expect=durability.expect,
            console=settings.public_url,
        )
        others = (durability, notices, Heartbeat(redis, "webhooks"))
        threads = [Thread(target=one.run, args=(stop,), daemon=True) for one in others]
        for thread in threads:
            thread.start()
        tell_ready()
        try:
            # A signal ends it, after what is under way; it may leave the event's lock taken.
            deliveries.run(Event())
        finally:
            stop.set()
            threads[-1].join(TIMEOUT_SECONDS)  # the heartbeat says that it ends
            tracing.stop()


@webhooks.command("dead")
@site_argument
def dead_letters(site_id: str) -> None:
    """List failed deliveries: decision, comment, action, when, why."""
    with connect_for(site_id) as (redis, _site):
        deliveries = Deliveries(redis, Sites(redis))
        letters, endpoint = deliveries.dead_letters(site_id, 1_000), deliveries.endpoint(site_id)
    for letter in letters:
        words = [letter.decision_id, letter.comment_id, letter.action, iso_time(letter.died_at)]
        click.echo("\t".join([*words, letter.failure]))
    if endpoint.failing_since:
        since = f"every delivery has failed since {iso_time(endpoint.failing_since)}"
        out = f"; out of use since {iso_time(endpoint.disabled_at)}" if endpoint.disabled_at else ""
        click.echo(f"{since}{out}: {endpoint.failure}", err=True)


@webhooks.command()
@site_argument
def replay(site_id: str) -> None:
    """Deliver failed deliveries again, and enable the webhook."""
    with connect_for(site_id) as (redis, _site):
        deliveries = Deliveries(redis, Sites(redis))
        Trail(redis).note(site_id, Entry("webhook", COMMAND_LINE, "replayed"))
        deliveries.enable(site_id)
        n_replayed = 0
        while n_more := deliveries.replay(site_id):
            n_replayed += n_more
    click.echo(f"{n_replayed} deliveries are due again")
