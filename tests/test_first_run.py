"""The first run: `hakam run`, which is what `make run` starts."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from redis import Redis

from conftest import RedisServer, await_condition, free_port, hakam
from service.accounts.accounts import Accounts
from service.run.private_redis import socket_url
from service.sites.known_sites import KnownSites
from service.sites.sites import Sites

pytestmark = pytest.mark.slow


def found(pattern: str, text: str) -> str:
    """The first match of `pattern`, which must be there."""
    match = re.search(pattern, text)
    assert match is not None, text
    return match[0]


@dataclass(frozen=True)
class Run:
    """A running `hakam run`: what it printed, where it listens, its process."""

    output: str
    port: int
    command: subprocess.Popen[str]

    @property
    def key(self) -> str:
        return found(r"hk_demo_\S{43}", self.output)

    @property
    def curl(self) -> str:
        (line,) = (line for line in self.output.splitlines() if "curl" in line)
        return line.strip()

    @property
    def password(self) -> str:
        return found(r"(?<=password )\S+(?=,)", self.output)


@contextmanager
def first_run(var: Path, **environ: str) -> Iterator[Run]:
    """Run ``hakam run`` until the block ends, which then sends it a Ctrl-C."""
    port = free_port()
    log = var.with_name(f"{var.name}.log")
    with log.open("w") as out:
        command = hakam(
            "run",
            environ={"HAKAM_VAR": str(var), "HAKAM_PORT": str(port)} | environ,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )

    def ready() -> bool:
        if command.poll() is not None:
            pytest.fail(f"hakam run stopped with status {command.returncode}:\n{log.read_text()}")
        return "Ctrl-C stops it" in log.read_text()

    try:
        await_condition(ready, what="the welcome of hakam run", seconds=60.0)
        yield Run(log.read_text(), port, command)
    finally:
        command.send_signal(signal.SIGINT)
        command.wait(timeout=60.0)


def refusal(var: Path, **environ: str) -> str:
    """Run ``hakam run``, which must refuse with status 2, and return what it says."""
    command = hakam(
        "run",
        environ={"HAKAM_VAR": str(var), "HAKAM_PORT": str(free_port())} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with command:
        output, sentence = command.communicate(timeout=60.0)
    assert (command.returncode, output) == (2, "")
    assert "Traceback" not in sentence
    assert sentence.count("\n") == 1, sentence
    return sentence


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("first") / "var"


@pytest.fixture(scope="module")
def first(var: Path) -> Iterator[Run]:
    """One first run for all tests that only look."""
    with first_run(var) as run:
        yield run


def test_the_curl_it_prints_works_as_pasted_and_is_queued_for_a_person(first: Run) -> None:
    answer = subprocess.run(
        ["sh", "-c", first.curl], capture_output=True, text=True, check=True
    ).stdout
    verdict = json.loads(answer)
    assert (verdict["action"], verdict["review"]["state"]) == ("review", "pending")
    assert verdict["evidence"], "a person sees why"


def test_the_moderator_it_prints_can_log_in(first: Run, var: Path) -> None:
    with Redis.from_url(socket_url(var), decode_responses=True) as redis:
        account = Accounts(redis).authenticate("demo", first.password)
    assert account is not None
    console = httpx.get(f"http://127.0.0.1:{first.port}/console/", follow_redirects=True)
    assert console.is_success


def test_it_keeps_only_hashes(first: Run, var: Path) -> None:
    files = [path for path in var.rglob("*") if path.is_file() and not path.is_socket()]
    stored = b"".join(path.read_bytes() for path in files)
    assert b"hakam:demo" in stored
    for secret in (first.key, first.password):
        assert secret.encode() not in stored


def test_a_second_run_beside_it_is_refused(first: Run, var: Path) -> None:
    assert "is in use by another Redis" in refusal(var)


def test_commands_find_the_running_private_server(first: Run, var: Path) -> None:
    command = hakam("sites", "list", environ={"HAKAM_VAR": str(var)}, stdout=subprocess.PIPE)
    output, _ = command.communicate(timeout=30.0)
    assert output.startswith("demo\t")


def test_a_taken_port_is_one_sentence(first: Run, tmp_path: Path) -> None:
    sentence = refusal(tmp_path, HAKAM_PORT=str(first.port))
    assert f"Cannot listen on 127.0.0.1:{first.port}" in sentence


def test_ctrl_c_and_sigterm_stop_it_all_and_the_next_start_keeps_the_data(
    tmp_path: Path,
) -> None:
    var = tmp_path / "var"
    key = ""
    for number in (signal.SIGINT, signal.SIGTERM):
        with first_run(var) as run:
            if key:
                assert "hk_demo_" not in run.output, "secrets are shown once"
                assert not re.search(r"password \S+,", run.output)
            key = key or run.key
            with Redis.from_url(socket_url(var), decode_responses=True) as redis:
                assert KnownSites(Sites(redis)).authenticate(key) is not None
            everything = [psutil.Process(run.command.pid)]
            everything += everything[0].children(recursive=True)
            assert len(everything) >= 5, "itself, Redis, gunicorn and its workers, the deliveries"
            os.kill(run.command.pid, number)
            assert run.command.wait(timeout=60.0) == 0
            assert [process for process in everything if process.is_running()] == []
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", run.port))


def test_a_named_redis_is_used_instead_of_a_private_one(
    redis_server: RedisServer, redis: Redis, tmp_path: Path
) -> None:
    with first_run(tmp_path / "var", HAKAM_REDIS_URL=redis_server.url) as run:
        assert KnownSites(Sites(redis)).authenticate(run.key) is not None
        assert not (tmp_path / "var" / "redis").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file/var cannot be written" in refusal(tmp_path / "file" / "var")


def test_a_missing_artefact_is_one_sentence(tmp_path: Path) -> None:
    var = tmp_path / "var"
    sentence = refusal(var, HAKAM_ARTIFACTS=str(tmp_path / "nothing"))
    assert "no artefact has been promoted" in sentence
    with first_run(var) as run:
        assert run.key, "what could not be shown then is shown now"


def test_a_damaged_artefact_is_one_sentence(artifacts: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "artifacts"
    shutil.copytree(artifacts, damaged)
    (model,) = damaged.glob("*/table.npy")
    model.write_bytes(model.read_bytes()[:-100])
    assert str(model) in refusal(tmp_path / "var", HAKAM_ARTIFACTS=str(damaged))


def test_a_wrong_variable_is_one_sentence_that_names_it(tmp_path: Path) -> None:
    sentence = refusal(tmp_path / "var", HAKAM_WORKERS="many")
    assert "HAKAM_WORKERS: expected 1 to 256" in sentence


def test_a_redis_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    assert "Redis" in refusal(tmp_path / "var", HAKAM_REDIS_URL=nowhere)
