"""The environment of a command: its settings, and the Redis that they name."""

from __future__ import annotations

import click

from service.config import Settings
from service.errors import LaunchFailed
from service.run import private_redis
from service.store.connect import Redis
from service.store.connect import connect as connect_to

site_argument = click.argument("site_id", metavar="SITE")


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
