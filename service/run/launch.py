"""How the processes of the service are started, watched and stopped.

Secret: gunicorn's command line, sockets handed to children, signals, reloading. The port is bound
here, before anything starts, so that a taken port is one sentence and not a worker's traceback.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol, Self

import httpx
from flask import Flask

from models.artifact import Artifact
from models.errors import ModerationError
from models.registry import Registry
from service.config import Settings
from service.errors import EXIT_REFUSED, LaunchFailed
from service.run import parent_death

GUNICORN_CONFIG = Path(__file__).with_name("gunicorn.conf.py")

# gunicorn lets workers finish for 20 seconds (gunicorn.conf.py); then it has a little to go itself.
STOP_SECONDS = 25.0
START_SECONDS = 60.0
ANSWER_SECONDS = 5.0
LOOK_EVERY_SECONDS = 0.1
REHEARSAL_SECONDS = 20.0
ENDING_SECONDS = 3.0  # what is left of a run that was killed is gone by then

STEADY_SECONDS = 60.0
"""A process that ends sooner after it was started again will not stay."""


def listen(host: str, port: int) -> socket.socket:
    """Bind and return the socket that the web server will serve.

    Raises
    ------
    LaunchFailed
        The address is taken, not of this machine or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + ENDING_SECONDS
    while True:
        try:
            return socket.create_server((host, port), family=family, backlog=2048)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(LOOK_EVERY_SECONDS)
                continue
            raise LaunchFailed(
                f"Cannot listen on {host}:{port} ({error.strerror}): stop what uses it or name "
                "another address in HAKAM_HOST and HAKAM_PORT."
            ) from error


@dataclass
class _Held:
    """What the workers inherit from the process that starts them.

    They load no artefact themselves: one of them that is replaced while a promoted artefact is
    broken, or half copied, scores as the others do.
    """

    artifact: Artifact | None = None
    notice: str = ""


_held = _Held()


def application() -> Flask:
    """Return the application that the environment describes; each web worker calls this."""
    from service.app import create_app

    settings = Settings.from_environ()
    app = create_app(settings, artifact=_held.artifact, notice=_held.notice)
    # The first look at a memory-mapped artefact takes a tenth of a second; no comment should wait.
    app.extensions["hakam"].artifact.classifier.predict_proba(["\N{ARABIC LETTER MEEM}"])
    return app


def rehearse() -> str:
    """Make the application once, before workers exist; they inherit the artefact and all imports.

    What would stop a worker, such as a damaged artefact, is one sentence here and exit status 2.
    Returns the version of the artefact.
    """
    try:
        _held.artifact = application().extensions["hakam"].artifact
    except ModerationError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(EXIT_REFUSED)
    return _held.artifact.version


def take_up(complain: Callable[[str], object]) -> None:
    """Hold the artefact that is promoted now, if a throw-away process can serve with it.

    If it cannot, for whatever reason, the artefact held so far stays, which needs none of its files
    any more; `/readyz` and the log say so.
    """
    try:
        settings = Settings.from_environ()
        unshared = settings.model_copy(update={"prometheus_multiproc_dir": None})
        rehearsal = subprocess.run(
            parent_death.tied([sys.executable, "-m", "service.run.launch"], signal.SIGKILL),
            env=unshared.to_environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=REHEARSAL_SECONDS,
            check=False,
        )
        version = rehearsal.stdout.rpartition("artefact ")[2].strip()
        said = rehearsal.stderr.strip().rpartition("\n")[2].removeprefix("Error: ")
        if rehearsal.returncode != 0 or not version:
            raise LaunchFailed(said or f"loading it ended with status {rehearsal.returncode}")
        _held.artifact, _held.notice = Registry(settings.artifacts).load(version), ""
    except (ModerationError, OSError, subprocess.TimeoutExpired) as error:
        in_use = _held.artifact.version if _held.artifact else "none"
        reason = (
            f"loading it took more than {REHEARSAL_SECONDS:g} seconds"
            if isinstance(error, subprocess.TimeoutExpired)
            else str(error)
        )
        _held.notice = f"The promoted artefact is not in use, {in_use} is: {reason}"
        complain(_held.notice)


def check_writable(var: Path) -> None:
    """Make sure that files can be written in `var`.

    Raises
    ------
    LaunchFailed
        They cannot.
    """
    try:
        var.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=var):
            pass
    except OSError as error:
        raise LaunchFailed(
            f"{var} cannot be written ({error.strerror}): make it writable or name another "
            "folder in HAKAM_VAR."
        ) from error


def web_command(listener: socket.socket) -> list[str]:
    """Return the command of the web server on a bound socket, which its process must inherit."""
    bind = f"fd://{listener.fileno()}"
    return [sys.executable, "-m", "gunicorn", "--config", str(GUNICORN_CONFIG), "--bind", bind]


def become_web_server(listener: socket.socket) -> NoReturn:
    """Replace this process by the web server."""
    listener.set_inheritable(True)
    command = web_command(listener)
    os.execv(command[0], command)


class Child:
    """A command that runs beside this process, out of the reach of Ctrl-C, and ends with it.

    Parameters
    ----------
    name : str
        For people.
    command, environ
        What to run.
    listener : socket.socket, optional
        A bound socket that it inherits.
    orphaned : int
        The signal it gets when this process is killed.
    """

    log = "what it said stands above"

    def __init__(
        self,
        name: str,
        command: list[str],
        environ: Mapping[str, str],
        *,
        listener: socket.socket | None = None,
        orphaned: int = signal.SIGTERM,
    ) -> None:
        self.name = name
        self._command = parent_death.tied(command, orphaned)
        self._environ = environ
        self._listener = listener
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start_again()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_again(self) -> None:
        """Run the command, be it for the first time."""
        self._running = subprocess.Popen(
            self._command,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            pass_fds=[self._listener.fileno()] if self._listener else [],
            start_new_session=True,
        )

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        assert self._running is not None
        return self._running.poll()

    def send(self, number: int) -> None:
        """Send the command a signal; does nothing when it has ended."""
        assert self._running is not None
        self._running.send_signal(number)

    def stop(self) -> None:
        """End the command, orderly if it lets itself be ended."""
        assert self._running is not None
        self._running.terminate()
        try:
            self._running.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()


def await_answer(url: str, server: Child) -> None:
    """Wait until the web server answers at `url`, whatever it says.

    Raises
    ------
    LaunchFailed
        The server stopped, or said nothing for `START_SECONDS`.
    SystemExit
        The server refused to start and has said why.
    """
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(url, timeout=ANSWER_SECONDS)
        except httpx.TransportError:
            time.sleep(LOOK_EVERY_SECONDS)
        else:
            return
    if server.poll() == EXIT_REFUSED:
        sys.exit(EXIT_REFUSED)
    raise LaunchFailed("The web server did not start; what it said stands above.")


@dataclass
class HangUp:
    """Whether a SIGHUP came; an Event must not be set where the same thread may be waiting."""

    came: bool = False


@contextmanager
def stopped_by_signals() -> Iterator[HangUp]:
    """Turn Ctrl-C, a closed terminal and SIGTERM into an orderly end of the block.

    The block is left at once; while it cleans up, further signals wait. A SIGHUP that does not come
    from the closing of this process' terminal is noted in what is returned.
    """
    hang_up = HangUp()
    had_terminal = _has_terminal()

    def stop(*_: object) -> None:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
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


class Watched(Protocol):
    """A process that `watch` keeps running."""

    name: str

    @property
    def log(self) -> str:
        """Where to read why it ended."""

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""

    def start_again(self) -> object:
        """Run it again."""


def watch(children: Iterable[Watched], hang_up: HangUp, reload: Callable[[], object]) -> NoReturn:
    """Keep every child running: one that ends is started again, unless it has just been.

    Parameters
    ----------
    children : iterable of Watched
    hang_up : HangUp
        Calls for `reload` whenever one came.
    reload : callable

    Raises
    ------
    LaunchFailed
        One of them does not stay; the message gives its name and says where the reason is found.
    """
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


if __name__ == "__main__":
    sys.stdout.write(f"artefact {rehearse()}\n")
