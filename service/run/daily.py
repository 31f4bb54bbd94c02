"""Daily work: a command of its own, so that what it takes of memory and time disturbs nobody."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from threading import Event

import structlog

from service import tracing
from service.run.parent_death import tied

FIRST_SECONDS = 600.0  # after the start, which has enough to do
EVERY_SECONDS = 3_600.0  # that it is asked whether anything is due
MOST_SECONDS = 1_800.0  # after which it is stopped
COMMAND = (sys.executable, "-m", "service.cli.main", "watch", "--due")

log = structlog.get_logger()


def run(
    stop: Event,
    *,
    command: Sequence[str] = COMMAND,
    first_seconds: float = FIRST_SECONDS,
    every_seconds: float = EVERY_SECONDS,
) -> None:
    """Let the command do what is due until `stop` is set; what it writes stands in the log."""
    stop.wait(first_seconds)
    while not stop.is_set():
        try:
            whole = tied(list(command), signal.SIGKILL)
            with tracing.span("watch"):
                done = subprocess.run(whole, timeout=MOST_SECONDS, check=False)
                tracing.note(status=done.returncode)
            if done.returncode:
                log.warning("watch", status=done.returncode)
        except (OSError, subprocess.TimeoutExpired) as error:
            log.warning("watch", error=type(error).__name__)
        stop.wait(every_seconds)
