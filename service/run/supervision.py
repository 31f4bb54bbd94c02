"""Supervision: processes that run beside this one, are started again once, and end with it.

What has started this one is told how it fares (sd_notify(3)), where it wants to be told.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn, Self

from gunicorn.systemd import sd_notify

from service.errors import LaunchFailed
from service.run import parent_death

# gunicorn lets workers finish for 20 seconds (gunicorn.conf.py); then it has a little to go itself.
STOP_SECONDS = 25.0
STEADY_SECONDS = 60.0  # a process that ends sooner after it was started again will not stay
ENDING_SECONDS = 3.0  # what is left of a run that was killed is gone by then
LOOK_EVERY_SECONDS = 0.1


class Child:
    """A process beside this one, stopped at the end of a block."""

    name: str
    _running: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """Where to read why it ended."""
        return "what it said stands above"

    def start_again(self) -> object:
        """Run it again, after it has ended."""
        raise NotImplementedError

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        assert self._running is not None
        return self._running.poll()

    def stop(self) -> None:
        """End it, orderly if it lets itself be ended; does nothing when it was never started."""
        if self._running is None:
            return
        self._running.terminate()
        try:
            self._running.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Command(Child):
    """A command that runs in a block, out of the reach of Ctrl-C."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environ: Mapping[str, str],
        *,
        listener: socket.socket | None = None,  # which it inherits
        orphaned: int = signal.SIGTERM,  # sent to it when this process is killed
    ) -> None:
        self.name = name
        self._command = parent_death.tied(command, orphaned)
        self._environ = environ
        self._listener = listener

    def __enter__(self) -> Self:
        self.start_again()
        return self

    def start_again(self) -> None:
        """Run the command, be it for the first time."""
        self._running = subprocess.Popen(
            self._command,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            pass_fds=[self._listener.fileno()] if self._listener else [],
            start_new_session=True,
        )

    def send(self, number: int) -> None:
        """Send the command a signal; does nothing when it has ended."""
        assert self._running is not None
        self._running.send_signal(number)


def tell_ready() -> None:
    """Say that the work has begun; gunicorn says so itself."""
    _tell("READY=1")


def _tell(state: str) -> None:
    sd_notify(state, logging.getLogger(__name__))  # which does nothing without $NOTIFY_SOCKET


@dataclass
class HangUp:
    """Whether a SIGHUP came; an Event must not be set where the same thread may be waiting."""

    came: bool = False


@contextmanager
def stopped_by_signals() -> Iterator[HangUp]:
    """End the block, undisturbed, at Ctrl-C, SIGTERM or a closed terminal; note other SIGHUPs."""
    hang_up = HangUp()
    had_terminal = _has_terminal()

    def stop(*_: object) -> None:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        _tell("STOPPING=1")
        raise KeyboardInterrupt

    def hung_up(*_: object) -> None:
        if had_terminal and not _has_terminal():
            stop()
        hang_up.came = True

    signals = {signal.SIGINT: stop, signal.SIGTERM: stop, signal.SIGHUP: hung_up}
    before: dict[signal.Signals, Callable[..., object] | int | None] = {
        number: signal.signal(number, action) for number, action in signals.items()
    }
    try:
        yield hang_up
    except KeyboardInterrupt:
        pass
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def watch(children: Iterable[Child], hang_up: HangUp, reload: Callable[[], object]) -> NoReturn:
    """Keep every child running: one that ends is started again, unless it has just been."""
    started_again: dict[str, float] = {}
    while True:
        if hang_up.came:
            hang_up.came = False
            reload()
        for one in children:
            if (status := one.poll()) is None:
                continue
            how = f"signal {-status}" if status < 0 else f"status {status}"
            now = time.monotonic()
            if now - started_again.get(one.name, float("-inf")) < STEADY_SECONDS:
                raise LaunchFailed(f"The {one.name} stopped again, with {how}: {one.log}.")
            started_again[one.name] = now
            sys.stderr.write(
                f"The {one.name} stopped with {how} and is started again: {one.log}.\n"
            )
            sys.stderr.flush()
            one.start_again()
        time.sleep(LOOK_EVERY_SECONDS)
