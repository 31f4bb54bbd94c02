"""The files for containers, without a container engine: their form, and their commands started."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

import httpx
import jsonschema
import pytest
import yaml
from redis import Redis

from conftest import await_condition, free_port, redis_servers
from service.config import VARIABLES
from service.store.durability import Durability

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "service" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def instruction(name: str) -> str:
    """The last instruction of that name in the Dockerfile."""
    return str(re.findall(rf"(?m)^{name} (.*)$", DOCKERFILE)[-1])


def test_the_compose_file_has_the_form_of_the_compose_specification(
    compose: dict[str, Any],
) -> None:
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(compose, json.loads(schema.read_text()))


def test_every_service_says_whether_it_is_well(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"redis", "web", "proxy", "webhooks", "background"}
    assert all("healthcheck" in service for service in compose["services"].values())


def test_every_variable_in_the_files_is_one_of_the_service(compose: dict[str, Any]) -> None:
    named = set(compose["services"]["web"]["environment"]) | set(
        re.findall(r"(HAKAM_\w+)=", DOCKERFILE)
    )
    assert named <= {variable.name for variable in VARIABLES}


def test_artefacts_and_what_hakam_keeps_outside_redis_are_on_volumes(
    compose: dict[str, Any],
) -> None:
    folders = dict(re.findall(r"(HAKAM_VAR|HAKAM_ARTIFACTS)=(\S+)", DOCKERFILE))
    assert set(json.loads(instruction("VOLUME"))) == set(folders.values())
    for name in ("web", "webhooks", "background"):
        mounts = dict(mount.split(":") for mount in compose["services"][name]["volumes"])
        assert set(mounts.values()) == set(folders.values())
        assert set(mounts) <= set(compose["volumes"])


def test_only_the_proxy_can_be_reached_from_outside_and_its_word_is_believed(
    compose: dict[str, Any],
) -> None:
    assert [name for name, one in compose["services"].items() if "ports" in one] == ["proxy"]
    assert compose["services"]["web"]["environment"]["HAKAM_PROXIES"] == 1


def test_the_image_starts_as_the_web_service_does(compose: dict[str, Any]) -> None:
    assert json.loads(instruction("CMD")) == compose["services"]["web"]["command"]


def test_the_image_runs_without_root_from_the_lock() -> None:
    assert instruction("USER") == "hakam"
    assert "pip install --require-hashes --requirement requirements.lock" in DOCKERFILE
    assert instruction("FROM").endswith("-slim")


def test_everything_the_image_copies_exists_and_is_sent_to_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for words in re.findall(r"(?m)^COPY (.*) \S+$", DOCKERFILE):
        for name in words.split():
            assert (ROOT / name).exists()
            assert f"!{name}" in ignored


def test_the_commands_of_the_files_make_a_working_service(
    compose: dict[str, Any], artifacts: Path, tmp_path: Path
) -> None:
    redis_command, web_command, webhooks_command = (
        compose["services"][name]["command"] for name in ("redis", "web", "webhooks")
    )
    assert redis_command[0] == "redis-server"
    server = redis_servers().get("path") or redis_servers()["embedded"]
    socket = tmp_path / "s"
    # The files name no port or folder for Redis; here it must share a machine.
    place = ["--port", "0", "--unixsocket", str(socket), "--dir", str(tmp_path)]
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HAKAM_")}
    environ |= dict(re.findall(r"(HAKAM_\w+)=(\S+)", DOCKERFILE)) | {
        "HAKAM_ARTIFACTS": str(artifacts),
        "HAKAM_HOST": "127.0.0.1",
        "HAKAM_PORT": str(port),
        "HAKAM_REDIS_URL": f"unix://{socket}",
        "HAKAM_SECRET_KEY": "0123456789abcdef" * 2,
        "HAKAM_VAR": str(tmp_path),
    }
    with (tmp_path / "log").open("w") as log:
        redis_here = [str(server), *redis_command[1:], *place]
        running = [start(command, environ, log) for command in (redis_here, web_command)]
        try:
            await_condition(lambda: ready(port), what="readiness", seconds=60.0)
            healthcheck = compose["services"]["web"]["healthcheck"]["test"][1:]
            asked = [word.replace(":8000/", f":{port}/") for word in healthcheck]
            subprocess.run([installed(asked[0]), *asked[1:]], check=True)
            hakam_check = compose["services"]["webhooks"]["healthcheck"]["test"][1:]
            subprocess.run([installed(hakam_check[0]), *hakam_check[1:]], env=environ, check=True)
            with Redis(unix_socket_path=str(socket), decode_responses=True) as client:
                Durability(client).check()
                client.config_resetstat()
                running.append(start(webhooks_command, environ, log))
                await_condition(
                    lambda: "cmdstat_smembers" in client.info("commandstats"),
                    what="the look of hakam webhooks for its sites",
                )
        finally:
            statuses = [stopped(one) for one in reversed(running)]
    assert set(statuses) == {0}


def start(command: list[str], environ: dict[str, str], log: IO[str]) -> subprocess.Popen[bytes]:
    words = [installed(command[0]), *command[1:]]
    return subprocess.Popen(words, env=environ, stdout=log, stderr=log)


def installed(command: str) -> str:
    found = shutil.which(command, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert found is not None, f"{command} is not installed"
    return found


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").is_success
    except httpx.TransportError:
        return False


def stopped(running: subprocess.Popen[bytes]) -> int:
    running.terminate()
    return running.wait(timeout=30.0)
