"""Starting the web server, whose port is bound before anything else starts."""

from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import httpx

from service.errors import EXIT_REFUSED, LaunchFailed
from service.run.supervision import ENDING_SECONDS, LOOK_EVERY_SECONDS, Child

GUNICORN_CONFIG = Path(__file__).with_name("gunicorn.conf.py")
START_SECONDS = 60.0
ANSWER_SECONDS = 5.0


def listen(host: str, port: int) -> socket.socket:
    """Bind and return the socket that the web server will serve."""
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


def check_writable(var: Path) -> None:
    """Make sure that files can be written in `var`."""
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


def await_answer(url: str, server: Child) -> None:
    """Wait until the web server answers at `url`, whatever it says."""
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
