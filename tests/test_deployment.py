"""Kubernetes manifests and systemd units: of the right form, locked down, and like Compose."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml
from click import Command, Group
from redis import Redis

from conftest import IN_CI, free_port, settings_in
from conftest import hakam as start
from service.cli.main import hakam
from service.config import VARIABLES
from service.store.connect import await_answer

ROOT = Path(__file__).parent.parent
MANIFESTS, UNITS = ROOT / "service/run/kubernetes", ROOT / "service/run/systemd"
DOCKERFILE = (ROOT / "service/Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
#: Those of our processes that run the image of Hakam.
OURS = ("web", "webhooks", "background")
MOST_EXPOSED = 2.0  # of 10, as `systemd-analyze security` counts


def needs(program: str) -> pytest.MarkDecorator:
    """Leave a test out without a program, but never in CI."""
    return pytest.mark.skipif(not IN_CI and not shutil.which(program), reason=f"no {program}")


def _resources() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(MANIFESTS.rglob("*.yaml")):
        if file.name != "kustomization.yaml":
            for document in yaml.safe_load_all(file.read_text()):
                yield (
                    f"{file.parent.name}/{document['kind']}/{document['metadata']['name']}",
                    document,
                )


RESOURCES = dict(_resources())
WORKLOADS = {
    name: one for name, one in RESOURCES.items() if one["kind"] in {"Deployment", "StatefulSet"}
}


def _pod(workload: Mapping[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = workload["spec"]["template"]["spec"]
    return pod


def _component(workload: Mapping[str, Any]) -> str:
    return str(workload["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"])


@pytest.mark.parametrize("name", RESOURCES)
@pytest.mark.parametrize("version", ["1.32.0", "1.37.0"])
def test_a_manifest_has_the_form_that_kubernetes_takes(name: str, version: str) -> None:
    kubernetes_validate.validate(RESOURCES[name], version, strict=True)


@pytest.mark.parametrize("folder", ["base", "production"])
def test_every_file_of_a_folder_is_one_of_its_resources(folder: str) -> None:
    listed = yaml.safe_load((MANIFESTS / folder / "kustomization.yaml").read_text())["resources"]
    files = {file.name for file in (MANIFESTS / folder).iterdir()} - {"kustomization.yaml"}
    assert files == {one for one in listed if "/" not in one}


@needs("kubectl")
def test_the_secret_of_the_guide_is_what_the_pods_read_their_variables_from(tmp_path: Path) -> None:
    guide = (ROOT / "docs/kubernetes.md").read_text()
    lines = re.search(r"(?m)^password=.*\n(?:.*\n)*?(?=kubectl apply)", guide)
    assert lines
    dry = """kubectl() { command kubectl "$@" --dry-run=client -o yaml; echo ---; }\n"""
    written = subprocess.run(
        ["bash", "-euc", dry + lines[0]], capture_output=True, text=True, check=True
    ).stdout
    made = {one["metadata"]["name"]: one["data"] for one in yaml.safe_load_all(written) if one}
    password = b64decode(made["hakam-redis"]["password"]).decode()
    for variable, value in made["hakam"].items():  # as Kubernetes writes them
        (tmp_path / variable).write_bytes(b64decode(value))
    for name in OURS:
        pod = _pod(RESOURCES[f"base/Deployment/hakam-{name}"])
        (container,) = pod["containers"]
        (mounted,) = [one for one in container["volumeMounts"] if one["name"] == "secrets"]
        (volume,) = [one for one in pod["volumes"] if one["name"] == "secrets"]
        assert volume["secret"]["secretName"] == "hakam"
        folder = {"name": "CREDENTIALS_DIRECTORY", "value": mounted["mountPath"]}
        assert container["env"] == [folder]
    settings = settings_in({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert settings.redis_url == f"redis://default:{password}@hakam-redis:6379/0"
    assert len(settings.secret_key) == 64


@needs("kubectl")
def test_the_overlay_is_put_together_with_its_image_and_its_address() -> None:
    written = subprocess.run(
        ["kubectl", "kustomize", str(MANIFESTS / "production")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    made = [*yaml.safe_load_all(written)]
    for one in made:
        kubernetes_validate.validate(one, "1.37.0", strict=True)
    (variables,) = [one["data"] for one in made if one["kind"] == "ConfigMap"]
    assert variables["HAKAM_PUBLIC_URL"] == "https://hakam.example"
    assert variables["HAKAM_PROXIES"] == "1"
    images = {
        container["image"]
        for one in made
        if one["kind"] == "Deployment"
        for container in _pod(one)["containers"]
    }
    assert images == {"registry.example/hakam:0.1.0"}


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_pod_may_do_nothing_but_its_work(name: str) -> None:
    """It fits the restricted Pod Security Standard, and some more."""
    pod = _pod(WORKLOADS[name])
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for volume in pod["volumes"]:
        assert set(volume) <= {"name", "emptyDir", "persistentVolumeClaim", "secret"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in context
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


def test_there_is_a_workload_for_each_service_of_compose_and_it_starts_the_same() -> None:
    found = {_component(one): one for one in WORKLOADS.values()}
    ours = {name for name, one in COMPOSE.items() if one.get("image", "").startswith("hakam")}
    assert ours == set(OURS)
    assert set(found) == {*OURS, "redis"}
    for name in OURS:
        (container,) = _pod(found[name])["containers"]
        assert container["args"] == COMPOSE[name]["command"]
        (mounted,) = [one for one in container["volumeMounts"] if one["name"] == "var"]
        assert f"HAKAM_VAR={mounted['mountPath']}" in DOCKERFILE
    (web,) = _pod(found["web"])["containers"]
    assert f"EXPOSE {web['ports'][0]['containerPort']}" in DOCKERFILE


def test_every_variable_of_the_manifests_and_units_is_one_of_the_service() -> None:
    known = {variable.name for variable in VARIABLES}
    for file in [*MANIFESTS.rglob("*.yaml"), *UNITS.iterdir()]:
        assert set(re.findall(r"HAKAM_[A-Z_]+", file.read_text())) <= known, file


def test_who_may_talk_to_whom_is_said_of_every_workload() -> None:
    policies = [one["spec"] for one in RESOURCES.values() if one["kind"] == "NetworkPolicy"]
    closed = [one for one in policies if "ingress" not in one and "egress" not in one]
    (nobody,) = closed
    assert sorted(nobody["policyTypes"]) == ["Egress", "Ingress"]
    for workload in WORKLOADS.values():
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert nobody["podSelector"]["matchLabels"].items() <= labels.items()
    to_redis = [one for one in policies if "redis" in json.dumps(one.get("podSelector", {}))]
    (from_whom,) = [one["ingress"] for one in to_redis]
    assert tuple(from_whom[0]["from"][0]["podSelector"]["matchExpressions"][0]["values"]) == OURS


def test_the_redis_of_the_manifests_keeps_what_it_is_given_behind_its_password(
    tmp_path: Path,
) -> None:
    (container,) = _pod(RESOURCES["base/StatefulSet/hakam-redis"])["containers"]
    shell, option, lines = container["command"]
    port = free_port()
    given = lines.replace("--dir /data", f"--dir {tmp_path} --port {port} --bind 127.0.0.1")
    assert given != lines
    server = subprocess.Popen(
        [shell, option, given],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "REDISCLI_AUTH": "of-the-secret"},
        stdout=subprocess.DEVNULL,
    )
    try:
        url = f"redis://:of-the-secret@127.0.0.1:{port}"
        assert await_answer(url, lambda: server.poll() is None, 30.0)
        with Redis.from_url(url, decode_responses=True) as redis:
            kept = {name: redis.config_get(name)[name] for name in ("appendonly", "appendfsync")}
            assert kept == {"appendonly": "yes", "appendfsync": "always"}
        with Redis(port=port) as stranger, pytest.raises(Exception, match=r"(?i)authentica"):
            stranger.ping()
        assert "of-the-secret" not in Path(f"/proc/{server.pid}/cmdline").read_text()
    finally:
        server.terminate()
        assert server.wait(timeout=30.0) == 0, "the signal reaches Redis itself"


# Units


def _units(folder: Path) -> Sequence[Path]:
    """Copy the units with an installation that exists; systemd looks for what they start."""
    installed = Path(sys.executable).parent.parent
    for file in UNITS.iterdir():
        (folder / file.name).write_text(
            file.read_text().replace("/opt/hakam/.venv", str(installed))
        )
    return sorted(folder.iterdir())


@needs("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    units = _units(tmp_path)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, units)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "hakam" not in done.stderr


@needs("systemd-analyze")
@pytest.mark.parametrize("unit", [f"hakam-{name}.service" for name in OURS])
def test_a_unit_is_little_exposed(unit: str, tmp_path: Path) -> None:
    _units(tmp_path)
    words = ["--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED * 10:.0f}"]
    done = subprocess.run(
        ["systemd-analyze", "security", *words, str(tmp_path / unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-400:]


def test_the_target_starts_a_unit_for_each_process_and_each_unit_a_command() -> None:
    target = (UNITS / "hakam.target").read_text()
    commands: Group = hakam
    for name in OURS:
        unit = (UNITS / f"hakam-{name}.service").read_text()
        assert f"hakam-{name}.service" in target
        assert "PartOf=hakam.target" in unit
        (command,) = re.findall(r"^ExecStart=\S+/hakam (\S+)$", unit, re.MULTILINE)
        assert ["hakam", command] == COMPOSE[name]["command"]
        found = commands.get_command(None, command)  # type: ignore[arg-type]
        assert isinstance(found, Command)


@pytest.mark.slow
@pytest.mark.parametrize("name", OURS)
def test_a_process_tells_systemd_when_its_work_has_begun_and_when_it_ends(
    name: str, environ: dict[str, str], tmp_path: Path
) -> None:
    """It is started as its unit says, with the secrets in a folder of credentials."""
    unit = (UNITS / f"hakam-{name}.service").read_text()
    assert "\nType=notify\n" in unit
    (loaded,) = re.findall(r"^LoadCredential=(\w+):/etc/hakam/secrets$", unit, re.MULTILINE)
    secrets = tmp_path / "credentials"
    secrets.mkdir()
    for variable in ("REDIS_URL", "SECRET_KEY"):  # as files of /etc/hakam/secrets are called
        (secrets / f"{loaded}_{variable}").write_text(f"{environ[f'HAKAM_{variable}']}\n")
    rest = {one: value for one, value in environ.items() if not (secrets / one).exists()}
    port, address = free_port(), tmp_path / "notify"
    told = {"CREDENTIALS_DIRECTORY": str(secrets), "NOTIFY_SOCKET": str(address)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(60.0)
        command = COMPOSE[name]["command"][1]
        with running(command, environ=rest | told | {"HAKAM_PORT": str(port)}) as process:
            assert "READY=1" in systemd.recv(4096).decode().splitlines()
            if name == "web":
                assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=30.0).is_success
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60.0) == 0
            if name != "web":  # of gunicorn systemd hears it by the end of the process
                assert systemd.recv(4096) == b"STOPPING=1"


@pytest.mark.slow
def test_systemd_is_told_of_no_readiness_where_the_work_cannot_begin(
    environ: dict[str, str], tmp_path: Path
) -> None:
    address = tmp_path / "notify"
    told = {"NOTIFY_SOCKET": str(address), "HAKAM_PORT": str(free_port())}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.setblocking(False)
        broken = environ | told | {"HAKAM_ARTIFACTS": str(tmp_path)}
        with running("serve", environ=broken) as process:
            assert process.wait(timeout=60.0) != 0
        with pytest.raises(BlockingIOError):
            systemd.recv(4096)


@contextmanager
def running(*words: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command of Hakam's until the block ends."""
    process = start(*words, environ=environ, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


# The proxy of the guide


@needs("nginx")
def test_nginx_takes_the_lines_of_the_guide(tmp_path: Path) -> None:
    guide = (ROOT / "docs/network.md").read_text()
    (lines,) = re.findall(r"```nginx\n(.*?)```", guide, re.DOTALL)
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=hakam.example"]
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate")]
    subprocess.run(["openssl", *words, *files], check=True, capture_output=True)
    port = free_port()
    server = lines.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")
    assert server != lines
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}} http {{ access_log off;"
        f"ssl_certificate {tmp_path}/certificate; ssl_certificate_key {tmp_path}/key; {server} }}"
    )
    done = subprocess.run(
        ["nginx", "-t", "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "log")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr.replace('the "user" directive', "")
