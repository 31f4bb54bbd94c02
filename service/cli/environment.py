"""The environment of a command: its settings, and the Redis that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from service.config import Settings
from service.errors import LaunchFailed
from service.rules.times import EARLIEST, LATEST
from service.run import private_redis
from service.store.connect import Redis
from service.store.connect import connect as connect_to

site_argument = click.argument("site_id", metavar="SITE")
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


def read_settings() -> Settings:
    """Read the environment."""
    return Settings.from_environ()


def connect() -> Redis:
    """Return a client of the Redis that the environment names, else of the running private one."""
    named = read_settings()
    if not named.redis_url:
        if not private_redis.socket_path(named.var).exists():
            raise LaunchFailed(
                f"HAKAM_REDIS_URL is not set, and no `hakam run` is working on {named.var}: "
                "start one, or name a Redis (redis://, rediss:// or unix:// address)."
            )
        return connect_to(private_redis.socket_url(named.var))
    return connect_to(named.redis_url)
