"""The command ``hakam``: start the service, look at it, and take out what it learned.

Every failure that has a sentence is that sentence on standard error and exit status 2.
"""

from __future__ import annotations

import math
import secrets
import shlex
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import Any

import click

from models.errors import ModerationError
from models.registry import Registry
from models.schema import LABELS, read_comments, write_comments
from service import logs
from service.accounts.accounts import Accounts
from service.cli import decisions, sites
from service.config import UNBELIEVED_PROXY, Settings
from service.delivery.webhooks import Deliveries
from service.errors import LaunchFailed, StoreLost
from service.queue.clock import ClockWatch
from service.queue.decisions import DecisionStream
from service.queue.records import known_action
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.run import launch, private_redis
from service.sites.sites import Site, Sites
from service.store.connect import Redis, connect
from service.store.durability import Epoch

# "You are stupid and understand nothing": rude enough for a person to look at it.
EXAMPLE = '{"id": "1", "text": "أنت غبي ولا تفهم شيئا"}'


class _Failure(click.ClickException):
    exit_code = launch.EXIT_REFUSED


class _Commands(click.Group):
    """Commands whose failures are one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModerationError as error:
            raise _Failure(str(error)) from error


@click.group(cls=_Commands)
@click.version_option(package_name="hakam")
def hakam() -> None:
    """Moderation of Arabic comments for news sites, run by the newsroom itself."""


def _settings() -> Settings:
    return Settings.from_environ()


def _redis() -> Redis:
    """Return a client of the Redis that the environment names, else of the running private one."""
    settings = _settings()
    if not settings.redis_url:
        if not private_redis.socket_path(settings.var).exists():
            raise LaunchFailed(
                f"HAKAM_REDIS_URL is not set, and no `hakam run` is working on {settings.var}: "
                "start one, or name a Redis (redis://, rediss:// or unix:// address)."
            )
        return connect(private_redis.socket_url(settings.var))
    return connect(settings.redis_url)


# Starting


@hakam.command()
def run() -> None:
    """Start Hakam here, with a private Redis unless HAKAM_REDIS_URL names one.

    The first start creates a demo site and a moderator and shows their secrets, once.
    """
    settings = _settings()
    launch.check_writable(settings.var)
    with launch.stopped_by_signals() as hang_up, ExitStack() as stack:
        children: list[launch.Watched] = []
        listener = stack.enter_context(launch.listen(settings.host, settings.port))
        if not settings.redis_url:
            private = stack.enter_context(private_redis.PrivateRedis())
            url = private.start(settings.var)
            settings = settings.model_copy(update={"redis_url": url})
            children.append(private)
        redis = stack.enter_context(connect(settings.redis_url))
        lost = _lost(ReviewQueue(redis, epoch_file=settings.epoch_file))
        environ = settings.to_environ()
        web = launch.Child(
            "web server",
            launch.web_command(listener),
            environ,
            listener=listener,  # which stays open here, so that a web server can be started again
            orphaned=signal.SIGKILL,  # gunicorn may lose others while its workers start
        )
        stack.enter_context(web)
        address = _address(settings.host, settings.port)
        launch.await_answer(f"{address}/healthz", web)
        told = [sys.executable, "-m", "service.cli.main", "webhooks"]
        deliveries = stack.enter_context(launch.Child("delivery of webhooks", told, environ))
        children += [web, deliveries]
        # Last of all, so that no secret is made that nobody gets to see.
        secrets_shown = None if lost else _first_start(redis)
        click.echo(_welcome(settings.public_url or address, secrets_shown) + lost)
        launch.watch(children, hang_up, reload=lambda: web.send(signal.SIGHUP))


def _lost(queue: ReviewQueue) -> str:
    """Return what there is to say about a loss of data; empty where nothing is lost."""
    try:
        queue.check_durability()
    except StoreLost as loss:
        until = "Until then /readyz says so, and every request of a site that Redis does not know"
        return f"\nWarning: {loss}\n{until}.\n"
    return ""


def _address(host: str, port: int) -> str:
    # What means "every interface" to a server means nothing to a client.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing is bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


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
    lines = ["", f"Hakam is ready at {address} (Ctrl-C stops it and keeps its data)."]
    if secrets_shown is None:
        lines += [
            f"Moderators log in at {address}/console/. The key and the password were shown at the",
            "first start; `hakam sites rotate-key demo` makes a new key.",
        ]
        return "\n".join([*lines, ""])
    key, password = secrets_shown
    words = ["curl", f"{address}/v1/comments", "-H", f"Authorization: Bearer {key}"]
    words += ["-H", "Content-Type: application/json", "-d", EXAMPLE]
    return "\n".join(
        [
            *lines,
            "Shown once, stored only as hashes:",
            "",
            f"  API key of the site demo   {key}",
            f"  moderator                  demo, password {password}, at {address}/console/",
            "",
            "Send a comment:",
            "",
            f"  {shlex.join(words)}",
            "",
        ]
    )


@hakam.command()
def serve() -> None:
    """Serve the API and the console with the Redis of HAKAM_REDIS_URL."""
    settings = _settings()
    if not settings.redis_url:
        raise LaunchFailed(
            "HAKAM_REDIS_URL is not set: name a Redis (redis://, rediss:// or unix:// address), or "
            "let `hakam run` start a private one."
        )
    if not settings.secret_key:
        launch.check_writable(settings.var)
    launch.become_web_server(launch.listen(settings.host, settings.port))


@hakam.command()
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Go on with a Redis that was emptied, exchanged or set back, and has lost something.",
)
def check(accept_loss: bool) -> None:
    """Check the environment, the artefact and Redis, without starting anything."""
    settings = _settings()
    click.echo("environment: good")
    click.echo(f"artefact: {Registry(settings.artifacts).load().version}")
    with _redis() as redis:
        queue = ReviewQueue(redis, epoch_file=settings.epoch_file)
        if accept_loss:
            queue.accept_loss()
        queue.check_durability()
        behind_proxy = Accounts(redis).behind_unbelieved_proxy()
        unreadable = Sites(redis).unreadable()
    click.echo("redis: keeps what it is given")
    if not settings.proxies and (behind_proxy or settings.public_url.startswith("https:")):
        click.echo(f"proxies: {UNBELIEVED_PROXY}")
    for site_id in unreadable:
        click.echo(f"site {site_id}: what is stored of it cannot be read")
    if not settings.public_url:
        click.echo("address: HAKAM_PUBLIC_URL is not set, so links begin with what requests say")


@hakam.group(invoke_without_command=True)
@click.pass_context
def webhooks(context: click.Context) -> None:
    """Tell sites what was decided, and forget what is too old, until stopped."""
    if context.invoked_subcommand is not None:
        return
    logs.configure(_settings().log_level)
    stop = Event()
    with launch.stopped_by_signals(), _redis() as redis:
        epoch = Epoch(redis, _settings().epoch_file)
        for one in (Retention(redis, Sites(redis)), ClockWatch(redis, Sites(redis)), epoch):
            Thread(target=one.run, args=(stop,), daemon=True).start()
        Deliveries(redis, Sites(redis)).run(stop)  # a signal ends it, after what is under way


webhooks.add_command(decisions.dead_letters)
webhooks.add_command(decisions.replay)


# Queue and decisions


@hakam.group()
def queue() -> None:
    """Look at the review queue."""


@queue.command("stats")
@click.argument("site_id", metavar="SITE")
def queue_stats(site_id: str) -> None:
    """Count what waits, is held, was decided and could not be told."""
    with _redis() as redis:
        Sites(redis).get(site_id)
        stats = ReviewQueue(redis).stats(site_id)
    for name in stats.__slots__:
        click.echo(f"{name}\t{getattr(stats, name):g}")


@queue.command("rebuild")
@click.argument("site_id", metavar="SITE")
@click.argument("export", type=click.Path(path_type=Path, allow_dash=True))
def rebuild_queue(site_id: str, export: Path) -> None:
    """Take decisions over from EXPORT (`hakam decisions export`) after Redis has lost them.

    Then let the site send its open comments again: what was decided is not queued twice. Servers
    that do not share this HAKAM_VAR take the loss when they are started anew.
    """
    with _redis() as redis:
        Sites(redis).get(site_id)
        ReviewQueue(redis, epoch_file=_settings().epoch_file).accept_loss()
        n_restored = DecisionStream(redis).rebuild(site_id, read_comments(export))
    click.echo(f"{n_restored} decisions restored")


@hakam.group("decisions")
def decisions_group() -> None:
    """Take decisions out, for training."""


@decisions_group.command("export")
@click.argument("site_id", metavar="SITE")
@click.option("--after", default="0", show_default=True, help="The cursor of the last export.")
@click.option("--output", type=click.Path(path_type=Path), default="-", help="File, or -.")
def export_decisions(site_id: str, after: str, output: Path) -> None:
    """Write what was decided as labelled comments, one JSON object a line."""
    with _redis() as redis:
        Sites(redis).get(site_id)
        exported = DecisionStream(redis).export(site_id, str(output), after)
    decisions.tell_damage(exported.n_damaged)
    click.echo(
        f"{exported.n_comments} labelled comments; the next export: --after {exported.cursor}",
        err=True,
    )


@hakam.group()
def known_answers() -> None:
    """Keep comments with known answers, by which moderators are compared."""


@known_answers.command("add")
@click.argument("site_id", metavar="SITE")
@click.argument("known", metavar="COMMENTS", type=click.Path(path_type=Path, allow_dash=True))
def add_known_answers(site_id: str, known: Path) -> None:
    """Add labelled comments, to be mixed into the work of the site's moderators.

    How often is the site's wish: `hakam sites set ID --known-answer-share 0.02`. They stay,
    whatever the retention period, until they are cleared or their author's words are erased.
    """
    from service.metrics import Metrics
    from service.moderation import Moderation
    from service.reports.verdict_counts import Tallies

    comments = list(read_comments(known))
    for comment in comments:
        known_action(comment)  # before anything is added
    artifact = Registry(_settings().artifacts).load()
    with _redis() as redis:
        site = Sites(redis).get(site_id)
        moderation = Moderation(artifact, ReviewQueue(redis), Metrics(None, list), Tallies(redis))
        n_added = sum(moderation.add_known_answer(site, comment) for comment in comments)
    click.echo(f"{n_added} known answers added")


@known_answers.command("clear")
@click.argument("site_id", metavar="SITE")
def clear_known_answers(site_id: str) -> None:
    """Take all known answers of a site out; what moderators said of them stays."""
    with _redis() as redis:
        Sites(redis).get(site_id)
        n_cleared = ReviewQueue(redis).clear_known_answers(site_id)
    click.echo(f"{n_cleared} known answers taken out")


# Moving in from another service


class _Share(click.FloatRange):
    """A number from 0 to 1; click takes "nan" for one that lies between all bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        share = super().convert(value, param, ctx)
        if math.isnan(share):
            self.fail("expected a number from 0 to 1", param, ctx)
        return share


@hakam.group()
def thresholds() -> None:
    """Choose the thresholds of a site."""


@thresholds.command("suggest")
@click.option(
    "--from", "export", type=click.Path(path_type=Path), required=True, help="CSV of comments."
)
@click.option("--label", type=click.Choice(LABELS), default="toxicity", show_default=True)
@click.option("--recall", type=_Share(0, 1), default=0.9, show_default=True)
@click.option("--precision", type=_Share(0, 1), default=0.95, show_default=True)
@click.option("--old-threshold", type=_Share(0, 1), help="Where the old scores flagged.")
def suggest_thresholds(
    export: Path, label: str, recall: float, precision: float, old_threshold: float | None
) -> None:
    """Propose thresholds from past decisions or another service's scores.

    The CSV file needs a column of texts (text, comment, body); a column of decisions (decision,
    action, status) or of old scores (score, toxicity) says more. Names and words may be Arabic.
    """
    from service.cli import thresholds

    for line in thresholds.suggestions(
        Registry(_settings().artifacts).load(),
        export,
        label,
        recall=recall,
        precision=precision,
        old_threshold=old_threshold,
    ):
        click.echo(line)


@hakam.group()
def feedback() -> None:
    """Take out what sites say about scores."""


@feedback.command("export")
@click.argument("site_id", metavar="SITE")
@click.option("--output", type=click.Path(path_type=Path), default="-", help="File, or -.")
def export_feedback(site_id: str, output: Path) -> None:
    """Write feedback as labelled comments of source site_feedback, one JSON object a line."""
    from service.queue.feedback import Feedback

    with _redis() as redis:
        Sites(redis).get(site_id)
        n_comments = write_comments(Feedback(redis).read_all(site_id), str(output))
    click.echo(f"{n_comments} labelled comments", err=True)


hakam.context_settings["obj"] = _redis
for command in (
    sites.sites,
    sites.moderators,
    decisions.erase,
    decisions.forget,
    decisions.audit,
    decisions.report,
):
    hakam.add_command(command)


if __name__ == "__main__":
    hakam(prog_name="hakam")
