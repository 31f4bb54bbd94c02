"""How the processes of the service are started, watched and stopped.

Secret: gunicorn's command line, sockets handed to children, signals. The port is bound here, before
anything starts, so that a taken port is one sentence and not a worker's traceback.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import httpx
from flask import Flask

from models.errors import ModerationError
from service.config import Settings

EXIT_REFUSED = 2
GUNICORN_CONFIG = Path(__file__).with_name("gunicorn.conf.py")

# gunicorn lets workers finish for 20 seconds (gunicorn.conf.py); then it has a little to go itself.
STOP_SECONDS = 25.0
START_SECONDS = 60.0
ANSWER_SECONDS = 5.0
LOOK_EVERY_SECONDS = 0.1


class LaunchFailed(ModerationError):
    """A process of the service cannot be started; the message says why and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """Bind and return the socket that the web server will serve.

    Raises
    ------
    LaunchFailed
        The address is taken, not of this machine or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise LaunchFailed(
            f"Cannot listen on {host}:{port} ({error.strerror}): stop what uses it or name another "
            "address in HAKAM_HOST and HAKAM_PORT."
        ) from error


def application() -> Flask:
    """Return the application that the environment describes; each web worker calls this."""
    from service.app import create_app

    app = create_app(Settings.from_environ(os.environ))
    # The first look at a memory-mapped artefact takes a tenth of a second; no comment should wait.
    app.extensions["hakam"].artifact.classifier.predict_proba(["\N{ARABIC LETTER MEEM}"])
    return app


def rehearse() -> None:
    """Make the application once, before workers exist; they inherit all that it imported.

    What would stop a worker, such as a damaged artefact, is one sentence here and exit status 2.
    """
    try:
        application()
    except ModerationError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(EXIT_REFUSED)


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


@contextmanager
def child(
    command: list[str], environ: Mapping[str, str], *, listener: socket.socket | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside this process, out of the reach of Ctrl-C; stop it at the end."""
    running = subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        pass_fds=[listener.fileno()] if listener else [],
        start_new_session=True,
    )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def await_answer(url: str, server: subprocess.Popen[bytes]) -> None:
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


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Turn Ctrl-C, a closed terminal and SIGTERM into an orderly end of the block.

    The block is left at once; while it cleans up, further signals wait.
    """

    def stop(*_: object) -> None:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before: dict[signal.Signals, Callable[..., object] | int | None] = {
        number: signal.signal(number, stop) for number in signals
    }
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def watch(children: Mapping[str, subprocess.Popen[bytes]]) -> NoReturn:
    """Wait for as long as every child runs.

    Raises
    ------
    LaunchFailed
        One of them stopped; the message gives its name.
    """
    while True:
        for name, running in children.items():
            if running.poll() is not None:
                raise LaunchFailed(f"The {name} stopped with status {running.returncode}.")
        time.sleep(LOOK_EVERY_SECONDS)
