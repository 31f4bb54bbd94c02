"""The environment of a command: its settings, and the Redis that they name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from service.config import Settings
from service.errors import LaunchFailed
from service.rules.times import EARLIEST, LATEST
from service.run import private_redis
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import Redis
from service.store.connect import connect as connect_to
from service.store.trail import COMMAND_LINE, Entry, Trail

site_argument = click.argument("site_id", metavar="SITE")
personal_data_option = click.option(
    "--with-personal-data",
    is_flag=True,
    help="Do not mask phone numbers, addresses, accounts and ids.",
)
output_option = click.option(
    "--output", type=click.Path(path_type=Path), default="-", help="File, or -."
)
archive_option = click.option(
    "--archive",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of `hakam decisions archive`, to be read too.",
)


class _Day(click.DateTime):
    """A day of the calendar that the decision stream has."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        day = super().convert(value, param, ctx)
        if not EARLIEST.year <= day.year < LATEST.year:
            self.fail(f"expected a day from {EARLIEST.year} to {LATEST.year - 1}", param, ctx)
        return day


day = _Day(["%Y-%m-%d"])


def connect() -> Redis:
    """Return a client of the Redis that the environment names, else of the running private one."""
    settings = Settings.from_environ()
    if settings.redis_url:
        return connect_to(settings.redis_url, n_replicas=settings.n_replicas)
    if not private_redis.socket_path(settings.var).exists():
        raise LaunchFailed(
            "HAKAM_REDIS_URL is not set, and no `hakam run` is working on "
            f"{settings.var.resolve()}: start one, or name a Redis (redis://, rediss:// or unix:// "
            "address)."
        )
    return connect_to(private_redis.socket_url(settings.var))


def local_address(settings: Settings) -> str:
    """Return where a client on this machine finds the web server."""
    # What means "every interface" to a server means nothing to a client.
    every = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound
    host = every.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


@contextmanager
def connect_for(site_id: str) -> Iterator[tuple[Redis, Site]]:
    """Connect, and find a site that a command is about."""
    with connect() as redis:
        yield redis, Sites(redis).get(site_id)


def note_export(redis: Redis, site_id: str, what: str) -> None:
    """Write into the trail that somebody takes personal data out, before it is done."""
    Trail(redis).note(site_id, Entry("export", COMMAND_LINE, what))
