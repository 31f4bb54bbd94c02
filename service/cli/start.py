"""Commands that start the service, or check that it could be started."""

from __future__ import annotations

import secrets
import shlex
import signal
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime

import click

from service.accounts.accounts import Accounts
from service.cli.environment import connect, local_address
from service.cli.probes import CHECKED, Case
from service.config import Settings
from service.delivery.webhooks import Deliveries
from service.errors import LaunchFailed, StoreLost
from service.queue.decisions import DecisionStream
from service.rules.times import iso_time
from service.run import launch, private_redis, supervision
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import Redis
from service.store.connect import connect as connect_to
from service.store.durability import CHECK_EVERY_SECONDS, Durability

# "You are stupid and understand nothing": rude enough for a person to look at it.
EXAMPLE = '{"id": "1", "text": "أنت غبي ولا تفهم شيئا"}'


@click.command()
def run() -> None:
    """Start Hakam with a private Redis, or that of HAKAM_REDIS_URL.

    The first start creates a demo site and a moderator and shows their secrets, once.
    """
    settings = Settings.from_environ()
    launch.check_writable(settings.var)
    with supervision.stopped_by_signals() as hang_up, ExitStack() as stack:
        children: list[supervision.Child] = []
        listener = stack.enter_context(launch.listen(settings.host, settings.port))
        if not settings.redis_url:
            private = stack.enter_context(private_redis.PrivateRedis())
            url = private.start(settings.var)
            settings = settings.model_copy(update={"redis_url": url})
            children.append(private)
        redis = stack.enter_context(connect_to(settings.redis_url, n_replicas=settings.n_replicas))
        lost = _lost(Durability(redis, settings.store_file, vouched=settings.vouches))
        environ = settings.to_environ()
        web = supervision.Command(
            "web server",
            launch.web_command(listener),
            environ,
            listener=listener,  # which stays open here, so that a web server can be started again
            orphaned=signal.SIGKILL,  # gunicorn may lose others while its workers start
        )
        stack.enter_context(web)
        address = local_address(settings)
        launch.await_answer(f"{address}/healthz", web)
        children.append(web)
        for name, word in (("delivery of webhooks", "webhooks"), ("background work", "background")):
            command = [sys.executable, "-m", "service.cli.main", word]
            children.append(stack.enter_context(supervision.Command(name, command, environ)))
        # Last of all, so that no secret is made that nobody gets to see.
        secrets_shown = None if lost else _first_start(redis)
        click.echo(_welcome(settings.public_url or address, secrets_shown) + lost)
        supervision.tell_ready()
        supervision.watch(children, hang_up, reload=lambda: web.send(signal.SIGHUP))


def _lost(durability: Durability) -> str:
    """Return what there is to say about a loss of data; empty where nothing is lost."""
    try:
        durability.check()
    except StoreLost as loss:
        until = "Until then /readyz says so, and every request of a site that Redis does not know"
        return f"\nWarning: {loss}\n{until}.\n"
    return ""


def _first_start(redis: Redis) -> tuple[str, str] | None:
    """Create the demo site and a moderator in an empty store; return API key and password."""
    sites, accounts = Sites(redis), Accounts(redis)
    if sites.list():
        return None
    password = secrets.token_urlsafe(12)
    key = sites.add(Site(id="demo", name="Demo"))
    if accounts.get("demo") is None:
        accounts.add("demo", password, "admin")
    return key, password


def _welcome(address: str, secrets_shown: tuple[str, str] | None) -> str:
    ready = f"\nHakam is ready at {address} (Ctrl-C stops it and keeps its data).\n"
    if secrets_shown is None:
        return f"""{ready}\
Moderators log in at {address}/console/. The key and the password were shown at the
first start; `hakam sites rotate-key demo` makes a new key.
"""
    key, password = secrets_shown
    words = ["curl", f"{address}/v1/comments", "-H", f"Authorization: Bearer {key}"]
    words += ["-H", "Content-Type: application/json", "-d", EXAMPLE]
    return f"""{ready}\
Shown once, stored only as hashes:

  API key of the site demo   {key}
  moderator                  demo, password {password}, at {address}/console/

Send a comment:

  {shlex.join(words)}
"""


@click.command()
def serve() -> None:
    """Serve API and console with the Redis of HAKAM_REDIS_URL."""
    settings = Settings.from_environ()
    if not settings.redis_url:
        raise LaunchFailed(
            "HAKAM_REDIS_URL is not set: name a Redis (redis://, rediss:// or unix:// address), or "
            "let `hakam run` start a private one."
        )
    launch.check_writable(settings.var)
    launch.become_web_server(launch.listen(settings.host, settings.port))


@click.command()
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Go on with a Redis that was emptied, exchanged or set back, and has lost something.",
)
@click.option(
    "--lost-since",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]),
    help="With it: since when, UTC, where a backup was restored that remembers nothing later.",
)
def check(accept_loss: bool, lost_since: datetime | None) -> None:
    """Check the environment, the artefact and Redis; start nothing."""
    settings = Settings.from_environ()
    click.echo("environment: good")
    with connect() as redis:
        case = Case(settings, redis)
        if accept_loss:
            _accept_loss(redis, case.durability, lost_since)
        for probe in CHECKED:
            for fact in probe(case):
                click.echo(f"{fact.name}: {fact.problem or fact.value}")


def _accept_loss(redis: Redis, durability: Durability, since: datetime | None) -> None:
    """Go on after a loss; the stream of each site says from when to when something is missing."""
    since_time, until = durability.lost() or (time.time(), 0.0)
    if since:
        since_time = min(since_time, since.replace(tzinfo=UTC).timestamp())
    elif not until:
        return  # nothing is lost
    durability.accept()
    stream, deliveries = DecisionStream(redis), Deliveries(redis, Sites(redis))
    for site in Sites(redis).list():
        entry_id = stream.note_loss(site.id, since_time, until + CHECK_EVERY_SECONDS)
        said = "it reads so in GET /v1/decisions"
        if site.has_webhook:
            failure = deliveries.tell_loss(site, entry_id, since_time, time.time())
            said = f"its webhook was not told: {failure}" if failure else "its webhook was told"
        lost = f"what it was told since {iso_time(since_time)} may be lost"
        click.echo(f"site {site.id}: {lost}; {said}")
