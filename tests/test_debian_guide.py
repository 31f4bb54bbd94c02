"""The lines of docs/systemd.md, run in a Debian whose systemd starts what they install."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import containers
import debian_machine
import pytest
from debian_machine import Machine

from conftest import IN_CI, await_condition

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # apt and pip take most of it
    pytest.mark.skipif(
        not IN_CI and bool(debian_machine.missing()), reason=f"needs {debian_machine.missing()}"
    ),
]

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs/systemd.md").read_text(encoding="utf-8")
PASSWORD = "of-the-guide-0123456789"
REPOSITORY = "/srv/repository"
ABUSIVE = "يا كلب يا حمار"  # "you dog, you donkey"
SERVICES = ("hakam-web", "hakam-webhooks", "hakam-background")


def block(having: str) -> str:
    """Return the one block of the guide's lines that has these words, filled in."""
    blocks: list[str] = re.findall(r"(?ms)^```sh\n(.*?)^```$", GUIDE)
    (found,) = [one for one in blocks if having in one]
    return found.replace("PASSWORD", PASSWORD).replace("REPOSITORY", REPOSITORY)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Debian in which the lines of the guide that need a network were run."""
    lines = block("apt-get install")
    (packages,) = re.findall(r"(?m)^sudo apt-get install --yes (.*)$", lines)
    before = [
        'sudo() { "$@"; }',  # as sudo does not, let pip hear of where this network has packages
        f"git config --system --add safe.directory {REPOSITORY}",  # the owner is another
        "apt-get() { :; }",  # they are there
    ]
    folder = tmp_path_factory.mktemp("debian") / "root"
    every = [*debian_machine.PACKAGES, *packages.split()]
    containers.debian(folder, every, "\n".join([*before, lines]))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def machine(installed: Path) -> Iterator[Machine]:
    """That Debian, started, in which the other lines of the guide were run."""
    with debian_machine.started(installed) as machine:
        for having in ("redis.conf", "token_hex", "systemctl enable"):
            machine.run(f"cd /opt/hakam\n{block(having)}")
        yield machine


def state(machine: Machine, name: str, what: str) -> str:
    """Return what systemd says of a unit."""
    return machine.run(f"systemctl show --value --property={what} {name}").strip()


def stands(machine: Machine, name: str, wanted: str) -> bool:
    """Whether a unit is active, inactive ..."""
    return state(machine, name, "ActiveState") == wanted


def main_pids(machine: Machine) -> dict[str, int]:
    """Return the first process of each service; 0 where there is none."""
    return {name: int(state(machine, name, "MainPID")) for name in SERVICES}


def ask(machine: Machine, path: str, *words: str) -> tuple[int, Any]:
    """Ask the service as curl does; return the status, 0 where nobody answers, and the answer."""
    done = machine.attempt(
        f"curl --silent --write-out '\\n%{{http_code}}' http://127.0.0.1:8000{path} "
        + shlex.join(words)
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body or "{}")


def is_ready(machine: Machine) -> bool:
    return ask(machine, "/readyz")[0] == 200


@pytest.fixture(scope="module")
def key(machine: Machine) -> str:
    """Key of a site that the guide's last lines have made."""
    (found,) = re.findall(r"hk_[\w-]+", machine.run(block("sites add")))
    return str(found)


def send(machine: Machine, key: str, comment_id: str, text: str) -> tuple[int, Any]:
    words = ["--header", f"Authorization: Bearer {key}", "--json"]
    return ask(machine, "/v1/comments", *words, json.dumps({"id": comment_id, "text": text}))


def test_all_that_the_guide_starts_is_ready_and_nothing_has_failed(machine: Machine) -> None:
    assert {state(machine, name, "ActiveState") for name in SERVICES} == {"active"}
    assert ask(machine, "/readyz")[1]["status"] == "ready"
    assert machine.run("systemctl is-system-running") == "running\n"


def test_a_comment_is_judged_and_waits_and_its_text_is_in_no_log(
    machine: Machine, key: str
) -> None:
    status, answer = send(machine, key, "one", ABUSIVE)
    assert (status, answer["action"]) == (202, "review")
    log = machine.run("journalctl --no-pager")
    assert '"route": "/v1/comments"' in log
    assert not [word for word in ABUSIVE.split() if word in log]


def test_each_service_runs_without_rights_and_has_no_secret_in_its_environment(
    machine: Machine,
) -> None:
    secrets = [PASSWORD, machine.run("cat /etc/hakam/secrets/SECRET_KEY").strip()]
    for name, pid in main_pids(machine).items():
        status = machine.run(f"cat /proc/{pid}/status")
        assert re.findall(r"(?m)^(?:CapEff|CapBnd|CapPrm):\t(\d+)$", status) == ["0" * 16] * 3
        assert "NoNewPrivs:\t1\n" in status
        assert machine.run(f"stat --format=%U /proc/{pid}") == "hakam\n", name
        environment = machine.run(f"tr '\\0' '\\n' </proc/{pid}/environ")
        assert "HAKAM_PUBLIC_URL=https://hakam.example" in environment
        assert not [secret for secret in secrets if secret in environment]


def test_its_user_reads_no_secret_and_changes_nothing_that_is_installed(machine: Machine) -> None:
    for place in ("/etc/hakam", "/etc/hakam/hakam.env", "/etc/hakam/secrets/REDIS_URL"):
        assert machine.attempt(f"ls {place} && cat {place}", user="hakam").returncode != 0
    lines = "find /opt/hakam /etc/systemd/system/hakam* -writable ! -type l"
    assert machine.run(lines, user="hakam") == ""
    assert machine.run("stat --format=%a /var/lib/hakam") == "700\n"


def test_a_reload_starts_new_workers_while_somebody_always_answers(machine: Machine) -> None:
    def workers() -> set[str]:
        pid = main_pids(machine)["hakam-web"]
        return set(machine.run(f"cat /proc/{pid}/task/*/children").split())

    before = workers()
    machine.run("systemctl reload hakam-web")

    def are_new() -> bool:
        assert is_ready(machine)
        return bool(workers()) and not workers() & before

    await_condition(are_new, what="new workers")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_dies_is_started_again(machine: Machine, name: str) -> None:
    before = main_pids(machine)
    machine.run(f"kill -KILL {before[name]}")
    await_condition(
        lambda: (
            main_pids(machine)[name] not in (0, before[name]) and stands(machine, name, "active")
        ),
        what="another process",
    )
    others = [one for one in SERVICES if one != name]
    assert [main_pids(machine)[one] for one in others] == [before[one] for one in others]
    await_condition(lambda: is_ready(machine), what="the web server")


def test_without_redis_nothing_ends_and_with_it_again_all_go_on(machine: Machine, key: str) -> None:
    before = main_pids(machine)
    machine.run("systemctl stop redis-server")
    assert not is_ready(machine)
    assert send(machine, key, "without", ABUSIVE)[0] == 503
    assert main_pids(machine) == before
    machine.run("systemctl start redis-server")
    await_condition(lambda: is_ready(machine), what="the store")
    assert send(machine, key, "with", ABUSIVE)[0] == 202
    assert main_pids(machine) == before


def test_the_lines_of_an_upgrade_start_the_new_code(
    machine: Machine, tmp_path: Path, key: str
) -> None:
    bare = machine.root / REPOSITORY.lstrip("/")
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@hakam.example", "-C"]

    def run(*words: str | Path) -> None:
        subprocess.run([*map(str, words)], check=True, capture_output=True)

    run("git", "clone", bare, tmp_path / "next")
    file = tmp_path / "next/pyproject.toml"
    file.write_text(re.sub(r'(?m)^version = ".*"$', 'version = "98.7.6"', file.read_text()))
    run(*git, tmp_path / "next", "commit", "--all", "--message=Release 98.7.6")
    run(*git, tmp_path / "next", "push", "origin", "HEAD")
    before = main_pids(machine)
    machine.run(block("git pull"))
    assert "98.7.6" in machine.run("/opt/hakam/.venv/bin/hakam --version")
    assert not set(main_pids(machine).values()) & {0, *before.values()}
    await_condition(lambda: is_ready(machine), what="the new code")
    assert send(machine, key, "after the upgrade", ABUSIVE)[0] == 202


def test_a_stop_ends_all_of_it_cleanly(machine: Machine) -> None:
    machine.run("systemctl stop hakam.target")
    for name in SERVICES:
        await_condition(partial(stands, machine, name, "inactive"), what="its end")
        assert state(machine, name, "Result") == "success"
    machine.run("systemctl start hakam.target")
    await_condition(lambda: is_ready(machine), what="the web server")


def test_after_the_machine_was_started_again_all_works_and_nothing_is_lost(
    installed: Path, machine: Machine, key: str
) -> None:
    assert send(machine, key, "before", ABUSIVE)[0] == 202
    machine.power_off()
    with debian_machine.started(installed) as again:
        await_condition(lambda: is_ready(again), what="the web server")
        assert {state(again, name, "ActiveState") for name in SERVICES} == {"active"}
        header = f"Authorization: Bearer {key}"
        status, waiting = ask(again, "/v1/queue/items", "--header", header)
        assert status == 200
        assert "before" in [item["comment"]["id"] for item in waiting]
