"""`hakam run` keeps its processes running, and none of them outlives it."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from test_first_run import Run, first_run, found

from conftest import await_condition, free_port
from models.registry import Registry
from service.run import application, parent_death

pytestmark = pytest.mark.slow

INSULT = "أنت غبي ولا تفهم شيئا"  # "you are stupid and understand nothing"


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def run(var: Path) -> Iterator[Run]:
    with first_run(var) as run:
        yield run


def log_of(var: Path) -> str:
    return var.with_name(f"{var.name}.log").read_text()


def child(run: Run, word: str) -> psutil.Process:
    """The process directly under `hakam run` whose command line names `word`."""
    (process,) = (
        one for one in psutil.Process(run.command.pid).children() if word in " ".join(one.cmdline())
    )
    return process


def sends_a_comment(run: Run, number: int = 1) -> bool:
    """Whether a comment that a person must see is taken."""
    headers = {"Authorization": f"Bearer {run.key}"}
    body = {"id": f"c-{number}", "text": INSULT}
    url = f"http://127.0.0.1:{run.port}/v1/comments"
    with suppress(httpx.TransportError):
        return httpx.post(url, json=body, headers=headers, timeout=10.0).status_code == 202
    return False


CHILDREN = {
    "redis.sock": "private Redis",
    "gunicorn": "web server",
    "webhooks": "delivery of webhooks",
    "background": "background work",
}


def test_each_process_that_is_killed_is_started_again_and_nothing_is_lost(
    run: Run, var: Path
) -> None:
    assert sends_a_comment(run, 0)
    for number, (word, name) in enumerate(CHILDREN.items()):
        killed = child(run, word)
        below = killed.children(recursive=True)
        killed.kill()
        again = f"The {name} stopped with signal 9 and is started again: "
        await_condition(lambda a=again: a in log_of(var), what="the sentence")  # type: ignore[misc]
        await_condition(
            lambda n=number: sends_a_comment(run, n + 1),  # type: ignore[misc]
            what="a comment after it",
            seconds=60.0,
        )
        await_condition(
            lambda b=below: not any(one.is_running() for one in b),  # type: ignore[misc]
            what="the end of what it had started",
        )
    stats = httpx.get(
        f"http://127.0.0.1:{run.port}/v1/queue/stats",
        headers={"Authorization": f"Bearer {run.key}"},
        timeout=10.0,
    )
    assert stats.json()["pending"] == 1 + len(CHILDREN)
    assert "redis.log" in log_of(var)


@pytest.mark.parametrize("word", CHILDREN)
def test_a_process_that_does_not_stay_ends_the_run_with_a_sentence(
    run: Run, var: Path, word: str
) -> None:
    killed = child(run, word)
    killed.kill()
    await_condition(lambda: "is started again" in log_of(var), what="the sentence")
    again = await_condition(lambda: replaced(run, word, killed.pid), what="the second start")
    await_condition(lambda: sends_a_comment(run), what="a comment", seconds=60.0)
    if word == "redis.sock":  # it answers comments before whoever started it has asked it
        before = workers(run)
        run.command.send_signal(signal.SIGHUP)  # heard by whoever watches again
        await_condition(lambda: workers(run).isdisjoint(before), what="a reload", seconds=60.0)
    again.kill()
    assert run.command.wait(timeout=90.0) == 2
    said = log_of(var).strip().splitlines()[-1]
    assert said.startswith(f"Error: The {CHILDREN[word]} stopped again, with signal 9: ")
    assert said.endswith(("redis.log.", "above."))


def replaced(run: Run, word: str, pid: int) -> psutil.Process | None:
    with suppress(psutil.Error, ValueError):
        process = child(run, word)
        return process if process.pid != pid else None
    return None


def test_a_killed_run_leaves_nothing_and_the_next_start_keeps_the_data(var: Path) -> None:
    with first_run(var) as run:
        assert sends_a_comment(run)
        everything = psutil.Process(run.command.pid).children(recursive=True)
        assert len(everything) >= 5, "Redis, gunicorn and its workers, the deliveries"
        run.command.kill()
        run.command.wait()
        with first_run(var) as again:
            known = {one.pid for one in psutil.Process(again.command.pid).children(recursive=True)}
            left = [one for one in everything if not gone(one) and one.pid not in known]
            assert left == []
            url = f"http://127.0.0.1:{again.port}/v1/queue/stats"
            stats = httpx.get(url, headers={"Authorization": f"Bearer {run.key}"}, timeout=10.0)
            assert stats.json()["pending"] == 1


ORPHANED = """
import os, sys, time
from service.run import parent_death
command = [sys.executable, "-c", "import time; time.sleep(600)"]
if sys.argv[1] == "beside":
    parent_death.die_with_parent = lambda number, parent: False
    starter = os.getpid()  # known before it can be killed
    if not (child := os.fork()):
        parent_death.main(15, starter, command)
else:
    import subprocess
    child = subprocess.Popen(parent_death.tied(command, 15)).pid
print(child, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("way", ["by the kernel", "beside"])
def test_a_command_ends_with_who_started_it(way: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHANED, way], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        process = psutil.Process(int(starter.stdout.readline()))
        await_condition(lambda: "sleep" in " ".join(process.cmdline()), what="the command")
        beside = process.children()
        assert process.status() != psutil.STATUS_ZOMBIE
        starter.kill()
        starter.wait()
        for one in (process, *beside):
            await_condition(lambda one=one: gone(one), what="the end of the command")  # type: ignore[misc]


def gone(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_a_command_whose_parent_has_ended_before_it_began_ends_too() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    command = parent_death.tied([sys.executable, "-c", "print('began')"], signal.SIGTERM)
    command[command.index(str(os.getpid()))] = str(ended.pid)
    began = subprocess.run(command, capture_output=True, check=False)
    assert (began.returncode, began.stdout) == (-signal.SIGTERM, b"")


def test_a_closed_terminal_stops_the_run(tmp_path: Path) -> None:
    environ = {"HAKAM_VAR": str(tmp_path / "var"), "HAKAM_PORT": str(free_port())}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HAKAM_")}
    pid, terminal = pty.fork()
    if not pid:
        command = [sys.executable, "-m", "service.cli.main", "run"]
        os.execve(command[0], command, inherited | environ)
    said = b""
    while b"Ctrl-C" not in said:
        said += os.read(terminal, 4096)
    everything = psutil.Process(pid).children(recursive=True)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert [one for one in everything if one.is_running()] == []


# Reloading


def version(run: Run, path: str = "/readyz") -> Any:
    return httpx.get(f"http://127.0.0.1:{run.port}{path}", timeout=10.0).json()


def workers(run: Run) -> set[int]:
    return {one.pid for one in child(run, "gunicorn").children()}


def two_workers(run: Run) -> set[int]:
    """The workers once those that were replaced have ended, else none."""
    found = workers(run)
    return found if len(found) == 2 else set()


@pytest.fixture
def own_artifacts(artifacts: Path, tmp_path: Path) -> Registry:
    shutil.copytree(artifacts, tmp_path / "artifacts")
    return Registry(tmp_path / "artifacts")


def second(registry: Registry) -> str:
    """Save the artefact in use once more and promote it."""
    artifact = registry.load()
    points = {"operating_points": artifact.operating_points}
    version = registry.save(artifact.classifier, points, "# Again\n")
    registry.promote(version)
    return version


def test_hup_takes_a_promoted_artefact_up(var: Path, own_artifacts: Registry) -> None:
    with first_run(var, HAKAM_ARTIFACTS=str(own_artifacts.root)) as run:
        before = workers(run)
        promoted = second(own_artifacts)
        run.command.send_signal(signal.SIGHUP)
        await_condition(lambda: workers(run).isdisjoint(before), what="new workers", seconds=60.0)
        assert version(run)["model_version"] == promoted
        assert version(run).get("notice") is None
        assert sends_a_comment(run)


def missing(registry: Registry, version: str) -> None:
    shutil.rmtree(registry.root / version)


def half_copied(registry: Registry, version: str) -> None:
    model = registry.root / version / "table.npy"
    model.write_bytes(model.read_bytes()[:-1000])


def without_manifest(registry: Registry, version: str) -> None:
    (registry.root / version / "manifest.json").unlink()


def nonsense(registry: Registry, version: str) -> None:
    (registry.root / "CURRENT").write_text("nonsense\n")


def approving_everything(registry: Registry, version: str) -> None:
    path = registry.root / version / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"operating_points": {}}))


def all_gone(registry: Registry, version: str) -> None:
    shutil.rmtree(registry.root)


@pytest.mark.parametrize(
    "breaking",
    [missing, half_copied, without_manifest, nonsense, approving_everything, all_gone],
)
def test_a_broken_artefact_is_not_taken_up_whoever_dies_meanwhile(
    var: Path, own_artifacts: Registry, breaking: Callable[[Registry, str], None]
) -> None:
    with first_run(var, HAKAM_ARTIFACTS=str(own_artifacts.root)) as run:
        good = version(run)["model_version"]
        broken = second(own_artifacts)
        breaking(own_artifacts, broken)
        before = workers(run)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        await_condition(lambda: len(workers(run) - before) == len(before), what="new workers")
        assert sends_a_comment(run, 1)
        if breaking is all_gone:  # nothing is promoted then, and nobody looks by himself
            run.command.send_signal(signal.SIGHUP)
        await_condition(lambda: version(run)["notice"], what="a reload", seconds=60.0)
        before = await_condition(lambda: two_workers(run), what="the end of the others")
        os.kill(min(before), signal.SIGKILL)
        await_condition(lambda: len(workers(run) - before) == 1, what="a new worker")
        answer = httpx.get(f"http://127.0.0.1:{run.port}/readyz", timeout=10.0)
        assert answer.status_code == 200
        assert answer.json()["model_version"] == good
        sentence = f"The promoted artefact is not in use, {good} is: "
        assert answer.json()["notice"].startswith(sentence)
        assert sentence in log_of(var)
        assert sends_a_comment(run, 2)


def test_an_artefact_that_hangs_its_loader_is_not_taken_up(
    monkeypatch: pytest.MonkeyPatch, artifacts: Path, artifact: Any
) -> None:
    monkeypatch.setattr(application, "REHEARSAL_SECONDS", 0.01)
    monkeypatch.setattr(application._held, "artifact", artifact)
    monkeypatch.setattr(application._held, "notice", "")
    monkeypatch.setenv("HAKAM_ARTIFACTS", str(artifacts))
    complaints: list[str] = []
    application.take_up(complaints.append)
    assert application._held.artifact is artifact
    assert complaints == [application._held.notice]
    assert found("took more than 0.01 seconds", application._held.notice)


def test_an_artefact_that_was_not_taken_up_is_tried_again_after_a_while_and_no_more_often(
    monkeypatch: pytest.MonkeyPatch, own_artifacts: Registry, artifact: Any
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _pid, number: sent.append(number))
    held = application._Held(
        artifact=artifact, mark=own_artifacts.mark(), tried_at=time.monotonic()
    )
    monkeypatch.setattr(application, "_held", held)

    def look() -> int:
        sent.clear()
        for _ in range(5):
            application._look(own_artifacts)
        return len(sent)

    assert look() == 0
    os.utime(own_artifacts.root / "CURRENT", ns=(1, 1))
    assert look() == 0, "promoted again: it is in use"
    shutil.copytree(own_artifacts.root / artifact.version, own_artifacts.root / "2000.01.01-1")
    (own_artifacts.root / "CURRENT").write_text("2000.01.01-1\n")
    assert look() == 1
    held.notice = "it cannot be loaded"
    assert look() == 0
    held.tried_at -= application.TRY_AGAIN_SECONDS + 1
    assert look() == 1
    (own_artifacts.root / "2000.01.01-1" / "manifest.json").write_text("{}")
    assert look() == 1, "its files have changed"
    (own_artifacts.root / "CURRENT").unlink()
    assert look() == 0
