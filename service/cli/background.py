"""Command that does what nobody waits for: retention, read models, the clock, the daily look."""

from __future__ import annotations

from threading import Event, Thread

import click

from service import logs, tracing
from service.cli.environment import connect
from service.config import Settings, traces_wanted
from service.delivery.heartbeat import Heartbeat
from service.queue.clock import ClockWatch
from service.queue.reindex import Reindex
from service.queue.retention import Retention
from service.run import daily
from service.run.supervision import stopped_by_signals, tell_ready
from service.sites.sites import Sites
from service.store.connect import TIMEOUT_SECONDS


@click.command()
def background() -> None:
    """Do what nobody waits for, until stopped.

    Texts that are older than their site's retention are removed, what a store of an older version
    lacks is built, what is due is moved where the clock of Redis was set, and `hakam watch` is run.
    """
    settings, stop = Settings.from_environ(), Event()
    logs.configure(settings.log_level)
    if traces_wanted():
        tracing.start("hakam-background")
    with stopped_by_signals(), connect() as redis:
        sites = Sites(redis)
        heartbeat = Thread(target=Heartbeat(redis, "background").run, args=(stop,), daemon=True)
        heartbeat.start()
        for one in (Retention(redis, sites), ClockWatch(redis, sites), Reindex(redis, sites)):
            Thread(target=one.run, args=(stop,), daemon=True).start()
        tell_ready()
        try:
            # A signal ends it, and its command; it may leave the lock of the event taken.
            daily.run(Event())
        finally:
            stop.set()
            heartbeat.join(TIMEOUT_SECONDS)  # which says that it ends
            tracing.stop()
