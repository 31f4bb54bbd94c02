"""An interpreter of ``docker compose``, by which a shell runs the lines of the documents.

It does what the documents ask for, with the containers of `containers`; any other word is an error.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from containers import Engine, Image, composed

ROOT = Path(__file__).parent.parent
# It hands its words, its folder and its streams over to the interpreter, and ends with its status.
DOCKER = f"""#!{sys.executable} -I
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as one:
    one.connect(os.environ["DOCKER_HOST"])
    said = json.dumps([os.getcwd(), *sys.argv[1:]]).encode()
    socket.send_fds(one, [said], [0, 1, 2])
    sys.exit(int(one.recv(64)))
"""


def lines_of(document: str) -> list[str]:
    """Return every line of a document that is for Docker, without its remarks."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"(?ms)^ *```sh\n(.*?)^ *```", text)
    code = [*"\n".join(blocks).splitlines(), *re.findall(r"`(docker [^`]+)`", text)]
    found = [line.split("  #")[0].strip() for line in code]
    return [line for line in found if line.startswith("docker ")]


class Compose:
    """The containers of one folder, where an operator has a shell."""

    def __init__(self, folder: Path, images: Mapping[str, Image], **environ: str) -> None:
        self.folder, self._images, self._environ = folder, images, environ
        self.followed: set[str] = set()  # lines of documents that were run
        self.engine: Engine = None  # type: ignore[assignment]  # made by the first `up`
        self._stack = ExitStack()

    @contextmanager
    def listening(self) -> Iterator[Compose]:
        """Let a shell find `docker` during a block; what runs is stopped at its end."""
        (self.folder / "bin").mkdir()
        docker = self.folder / "bin" / "docker"
        docker.write_text(DOCKER)
        docker.chmod(0o755)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder / "socket"))
            listener.listen()
            # One for all lines: containers end with the thread that started them.
            thread = Thread(target=self._serve, args=[listener])
            thread.start()
            try:
                yield self
            finally:
                self._stack.close()
                listener.shutdown(socket.SHUT_RDWR)
                thread.join()

    def follow(self, document: str, *, having: str, **placeholders: str) -> str:
        """Run the block of a document that has these words; return what it writes."""
        text = (ROOT / document).read_text(encoding="utf-8")
        blocks = re.findall(r"(?ms)^ *```sh\n(.*?)^ *```", text)
        (block,) = [one for one in blocks if having in one]
        self.followed |= {line for line in lines_of(document) if line in block}
        for name, value in placeholders.items():
            block = block.replace(name, value)
        return self.run(block)

    def run(self, lines: str) -> str:
        """Run lines in a shell as somebody types them; fail where one fails."""
        done = subprocess.run(
            ["sh", "-euc", lines],
            cwd=self.folder,
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "DOCKER_HOST": str(self.folder / "socket"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self.followed |= {line.strip() for line in lines.splitlines()}
        assert done.returncode == 0, f"{lines}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:  # the block is over
                return
            with one:
                said, streams, _, _ = socket.recv_fds(one, 65536, 3)
                try:
                    status = self._carry_out(json.loads(said), streams)
                except Exception as error:  # noqa: BLE001 - whoever typed it is told
                    os.write(streams[2], f"{type(error).__name__}: {error}\n".encode())
                    status = 125
                finally:
                    for stream in streams:
                        os.close(stream)
                one.send(str(status).encode())

    def _carry_out(self, said: list[str], streams: list[int]) -> int:
        folder, what, verb, *words = said
        assert what in {"compose", "volume"}, what
        options = {word for word in words if word.startswith("-")}
        if what == "volume":
            assert verb == "rm"
            assert options == {"--force"}
            for name in words[1:]:
                shutil.rmtree(self.engine.volume(name.removeprefix("hakam_")))
            return 0
        if verb in {"exec", "run"}:
            at = next(at for at, word in enumerate(words) if not word.startswith("-"))
            assert set(words[:at]) <= {"-T", "--rm", "--no-deps"}, words[:at]
            service, command = words[at], words[at + 1 :]
            if verb == "run":
                return self.engine.once(service, command, *streams)
            inside = self.engine.running[service].inside
            stdin, stdout, stderr = streams
            return subprocess.run(
                [*inside, *command], stdin=stdin, stdout=stdout, stderr=stderr, env={}, check=False
            ).returncode
        known: dict[str, tuple[set[str], Callable[[list[str]], Any]]] = {
            "up": ({"--build", "--detach", "--force-recreate"}, self._up),
            "restart": (set(), self._restart),
            "stop": (set(), self._stop),
            "down": (set(), self._stop),
            "cp": (set(), lambda names: self._copy(Path(folder), *names)),
            # There is nothing to fetch from.
            "pull": ({"--ignore-buildable"}, lambda _: None),
            "logs": (set(), lambda names: os.write(streams[1], self._logs(names))),
        }
        allowed, act = known[verb]
        assert options <= allowed, options
        names = [word for word in words if word not in options]
        act(names)
        if "--force-recreate" in options:
            self._restart(names)
        return 0

    def _up(self, names: list[str]) -> None:
        """Start what does not run, and anew what was described otherwise when it was started."""
        lines = (self.folder / ".env").read_text().splitlines()
        compose = composed(dict(line.split("=", 1) for line in lines) | self._environ)
        if self.engine is None:
            self.engine = self._stack.enter_context(
                Engine(compose, self._images, self.folder).laid()
            )
        self.engine.services = compose["services"]
        for name, service in self.engine.services.items():
            if names and name not in names:
                continue
            if name in self.engine.running and self.engine.running[name].spec != service:
                self.engine.stop(name)
            if name not in self.engine.running:
                self.engine.start(name)
            if name == "redis":  # the only one that others wait for
                self.engine.await_health(name)

    def _restart(self, names: list[str]) -> None:
        for name in names:
            self.engine.stop(name)
            self.engine.start(name)

    def _stop(self, names: list[str]) -> None:
        for name in names or reversed(list(self.engine.running)):
            self.engine.stop(name)

    def _logs(self, names: list[str]) -> bytes:
        return "".join(map(self.engine.log, names)).encode()

    def _copy(self, folder: Path, source: str, target: str) -> None:
        service, _, place = target.partition(":")
        root = Path(f"/proc/{self.engine.running[service].pid}/root")
        there = root / place.lstrip("/")
        there.unlink(missing_ok=True)  # as Docker does, which puts another file in its place
        shutil.copy(folder / source, there)
