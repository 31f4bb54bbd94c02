"""The files for containers, without a container engine: their form, and what they make when run."""

from __future__ import annotations

import io
import json
import re
import secrets
import shlex
import socket
import ssl
import subprocess
import tarfile
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import Any

import containers
import httpx
import jsonschema
import psutil
import pytest
import yaml
from containers import Engine, Image, composed, seconds
from fake_sites import Endpoint, answering
from standardwebhooks import Webhook

from service.config import VARIABLES
from service.delivery.http import TIMEOUT_SECONDS
from service.delivery.webhooks import DELIVERY_SECONDS
from service.run.supervision import STOP_SECONDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "service" / "Dockerfile").read_text()
OURS = ("web", "webhooks", "background")  # from the image that the Dockerfile makes
INSULT = "\u0623\u0646\u062a \u063a\u0628\u064a \u0648\u0644\u0627 \u062a\u0641\u0647\u0645"
DOMAIN = "hakam.news.example"
SECRET = {"HAKAM_SECRET_KEY": "k" * 64, "HAKAM_REDIS_PASSWORD": "p" * 64}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file with no more than what it demands."""
    return composed(SECRET)


def instruction(name: str) -> str:
    """The last instruction of that name in the Dockerfile."""
    return str(re.findall(rf"(?m)^{name} (.*)$", DOCKERFILE)[-1])


# Their form


def test_the_compose_file_has_the_form_of_the_compose_specification(
    compose: dict[str, Any],
) -> None:
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    for one in (compose, yaml.safe_load((ROOT / "docker-compose.yml").read_text())):
        jsonschema.validate(one, json.loads(schema.read_text()))


@pytest.mark.parametrize("name", SECRET)
def test_without_a_secret_the_compose_file_says_which(name: str) -> None:
    with pytest.raises(AssertionError, match=name):
        composed({other: one for other, one in SECRET.items() if other != name})


def test_what_the_services_name_of_networks_volumes_and_each_other_is_there(
    compose: dict[str, Any],
) -> None:
    services = compose["services"]
    for service in services.values():
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("depends_on", ())) <= set(services)
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            assert source in compose["volumes"] or (ROOT / source).is_file()


def test_every_service_is_without_rights_and_within_limits_and_says_whether_it_is_well(
    compose: dict[str, Any],
) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "cpus", "pids_limit", "healthcheck", "stop_grace_period"} <= set(
            service
        ), name
        assert {"max-size", "max-file"} <= set(service["logging"]["options"]), name


def test_every_variable_of_the_service_can_be_set_and_no_other_is_in_the_files(
    compose: dict[str, Any],
) -> None:
    named = set(compose["services"]["web"]["environment"]) | set(
        re.findall(r"(HAKAM_\w+)=", DOCKERFILE)
    )
    elsewhere = {  # of a Redis that is not this one, and of the layout inside the image
        "HAKAM_REPLICAS",
        "HAKAM_REDIS_SETTINGS",
        "HAKAM_HOST",
        "HAKAM_PORT",
        "PROMETHEUS_MULTIPROC_DIR",
    }
    assert named | elsewhere >= {variable.name for variable in VARIABLES} >= named


def test_artefacts_and_what_hakam_keeps_outside_redis_are_on_volumes(
    compose: dict[str, Any],
) -> None:
    folders = dict(re.findall(r"(HAKAM_VAR|HAKAM_ARTIFACTS)=(\S+)", DOCKERFILE))
    assert set(json.loads(instruction("VOLUME"))) == set(folders.values())
    for name in OURS:
        mounts = dict(mount.split(":") for mount in compose["services"][name]["volumes"])
        assert set(mounts.values()) == set(folders.values())


def test_only_the_proxy_can_be_reached_from_outside_and_its_word_is_believed(
    compose: dict[str, Any],
) -> None:
    ports = {name: one["ports"] for name, one in compose["services"].items() if "ports" in one}
    assert set(ports) == {"proxy"}
    assert all(port.startswith("127.0.0.1:") for port in ports["proxy"]), "unless somebody asks"
    assert compose["services"]["web"]["environment"]["HAKAM_PROXIES"] == 1


def test_only_hakam_s_own_services_are_in_the_network_of_redis_which_leads_nowhere(
    compose: dict[str, Any],
) -> None:
    inside = {name for name, one in compose["services"].items() if "store" in one["networks"]}
    assert inside == {"redis", *OURS}
    assert compose["services"]["redis"]["networks"] == ["store"]
    assert compose["networks"]["store"] == {"internal": True}


def test_each_service_gets_the_time_to_stop_that_it_may_need(compose: dict[str, Any]) -> None:
    period = {name: seconds(one["stop_grace_period"]) for name, one in compose["services"].items()}
    assert period["web"] > STOP_SECONDS, "gunicorn, and what it lets its workers finish"
    assert period["webhooks"] > 2 * DELIVERY_SECONDS > TIMEOUT_SECONDS, "Coral, then a delivery"
    template = (ROOT / "service" / "run" / "nginx.conf.template").read_text()
    (lets_finish,) = re.findall(r"worker_shutdown_timeout (\d+)s;", template)
    assert period["proxy"] > int(lets_finish)


def test_the_image_starts_as_the_web_service_does(compose: dict[str, Any]) -> None:
    assert json.loads(instruction("CMD")) == compose["services"]["web"]["command"]


def test_the_image_runs_without_root_from_the_lock() -> None:
    assert instruction("USER") == "hakam"
    assert "pip install --require-hashes --requirement requirements.lock" in DOCKERFILE
    assert "python:3.13-slim" in instruction("FROM")


def test_everything_the_image_copies_exists_and_is_sent_to_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for words in re.findall(r"(?m)^COPY (.*) \S+$", DOCKERFILE):
        for name in words.split():
            assert (ROOT / name).exists()
            assert f"!{name}" in ignored


def test_the_domain_makes_the_address_that_links_begin_with() -> None:
    web = composed(SECRET | {"HAKAM_DOMAIN": DOMAIN})["services"]["web"]
    assert web["environment"]["HAKAM_PUBLIC_URL"] == f"https://{DOMAIN}"


RIGHTS = set(
    re.findall(
        r"\+([a-z|]+)",
        "\n".join(re.findall(r"(?m)^\w+=['\"].*$", (ROOT / "service/run/redis.sh").read_text())),
    )
)


def test_the_user_of_redis_may_do_all_that_the_scripts_do() -> None:
    scripts = "\n".join(one.read_text() for one in (ROOT / "service").rglob("*.lua"))
    used = {name.lower() for name in re.findall(r"redis\.call\(\s*'(\w+)'", scripts)}
    assert len(used) > 30
    assert used - {"xinfo"} <= RIGHTS
    assert not RIGHTS & {"flushall", "flushdb", "keys", "config", "shutdown", "debug", "acl"}


# What they make


def certify(folder: Path) -> tuple[Path, dict[str, bytes]]:
    """Make a certification authority and a certificate for the domain; return both, by openssl."""
    authority, key = str(folder / "ca.pem"), str(folder / "ca.key")
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    words = [*new, "-x509", "-days", "2", "-subj", "/CN=authority", "-out", authority]
    subprocess.run([*words, "-keyout", key], check=True, capture_output=True)
    leaf, leaf_key = str(folder / "fullchain.pem"), str(folder / "privkey.pem")
    words = [*new, "-x509", "-days", "20", "-subj", f"/CN={DOMAIN}", "-out", leaf]
    words += ["-addext", f"subjectAltName=DNS:{DOMAIN}", "-addext", "basicConstraints=CA:FALSE"]
    words += ["-CA", authority, "-CAkey", key, "-keyout", leaf_key]
    subprocess.run(words, check=True, capture_output=True)
    return Path(authority), {Path(one).name: Path(one).read_bytes() for one in (leaf, leaf_key)}


@pytest.mark.timeout(1500)
def test_the_files_make_a_service_that_keeps_what_it_was_given(tmp_path: Path) -> None:
    if lacking := containers.missing():
        pytest.skip(f"it takes {lacking}")
    compose = composed(
        {
            "HAKAM_SECRET_KEY": secrets.token_hex(32),
            "HAKAM_REDIS_PASSWORD": secrets.token_hex(32),
            "HAKAM_DOMAIN": DOMAIN,
        }
    )
    hakam = containers.build(ROOT / "service" / "Dockerfile", tmp_path / "hakam")
    others = containers.servers()
    filling_in = ["sh", "-c", containers.FILL_IN, "fill-in"]
    images = dict.fromkeys(OURS, hakam) | {
        "redis": Image(others),
        "proxy": Image(others, entrypoint=filling_in),
        "certificates": Image(others),
    }
    authority, certificate = certify(tmp_path)
    place = tmp_path / "volumes" / "certificates"
    place.mkdir(parents=True)
    for name, content in certificate.items():
        (place / name).write_bytes(content)
        (place / name).chmod(0o600)  # as `docker compose cp` leaves it
    with Engine(compose, images, tmp_path).laid() as engine:
        _Story(engine, authority).tell()


class _Story:
    """A newsroom's first day with the containers, and the morning after."""

    def __init__(self, engine: Engine, authority: Path) -> None:
        self.engine, self.authority = engine, authority
        self.proxy = engine.address("proxy", "front")
        self.trust = ssl.create_default_context(cafile=str(authority))
        self.key = ""

    def client(self, **options: Any) -> httpx.Client:
        """A client that speaks TLS with the domain and checks its certificate."""

        def of_the_domain(request: httpx.Request) -> None:
            request.extensions["sni_hostname"] = DOMAIN
            request.headers["Host"] = DOMAIN

        return httpx.Client(
            base_url=f"https://{self.proxy}:8443",
            verify=self.trust,
            timeout=30.0,
            event_hooks={"request": [of_the_domain]},
            **options,
        )

    def start(self) -> None:
        for name in self.engine.services:
            self.engine.start(name)
            if name == "redis":
                self.engine.await_health(name)
        for name in self.engine.services:
            self.engine.await_health(name)

    def tell(self) -> None:
        engine = self.engine
        self.start()
        self.has_no_rights()
        self.keeps_redis_to_itself()
        web = engine.running["web"]
        with answering(engine.outside("outside")) as site:
            added = web.run("hakam", "sites", "add", "demo", "--webhook-url", site.url)
            assert added.returncode == 0, added.stderr
            self.key, secret = added.stdout.split()
            opened = web.run("hakam", "sites", "set", "demo", "--webhook-private")
            assert opened.returncode == 0, opened.stderr
            made = web.run("hakam", "moderators", "add", "admin", "--role", "admin")
            assert made.returncode == 0, made.stderr
            self.speaks_only_tls()
            self.decides(made.stdout.strip())
            self.tells_while_it_stops(site, secret)
            assert self.refused() == self.n_refused, "Hakam asked for nothing that is not allowed"
            self.is_backed_up()
            self.stays_within_its_memory()
            ended = {name: self.stopped(name) for name in reversed(list(engine.running))}
            assert ended == dict.fromkeys(engine.services, 0)
            self.start()
            self.has_kept_everything(site)

    def stopped(self, name: str) -> int:
        status = self.engine.stop(name)
        # A shell that is told to stop has nothing to finish.
        return 0 if name == "certificates" and status == 143 else status

    def has_no_rights(self) -> None:
        """Every process is without capabilities, and only the one that fetches is called root."""
        for name, container in self.engine.running.items():
            tree = psutil.Process(container.pid)
            for one in (tree, *tree.children(recursive=True)):
                status = Path(f"/proc/{one.pid}/status").read_text()
                told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
                for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                    assert int(told[kind], 16) == 0, (name, kind)
                assert told["NoNewPrivs"].strip() == "1", name
                assert (told["Uid"].split()[0] == "0") == (name == "certificates"), name
                line = b"".join(Path(f"/proc/{one.pid}/cmdline").read_bytes().split(b"\0"))
                for secret in ("HAKAM_SECRET_KEY", "HAKAM_REDIS_URL"):
                    value = self.engine.services["web"]["environment"][secret]
                    word = re.sub(r".*:(\w{64})@.*", r"\1", value)
                    assert word.encode() not in line, name
            assert container.run("touch", "/new").returncode != 0, f"{name} writes its own image"

    def keeps_redis_to_itself(self) -> None:
        engine = self.engine
        redis = engine.running["redis"]
        reach = "import socket; socket.create_connection(({!r}, 6379), 2).close()"
        there = engine.address("redis", "store")
        assert engine.running["web"].run("python", "-c", reach.format("redis")).returncode == 0
        for name in ("proxy", "certificates"):
            refused = engine.running[name].run("python3", "-c", reach.format(there))
            assert "OSError" in refused.stderr or "timed out" in refused.stderr, name
        wrong = redis.run("env", "REDISCLI_AUTH=wrong", *redis.spec["healthcheck"]["test"][1:])
        assert wrong.returncode != 0, "a healthcheck that logs in with nothing"
        assert redis.run("env", "-u", "REDISCLI_AUTH", "redis-cli", "-e", "ping").returncode != 0
        for command in (("flushall",), ("config", "set", "appendfsync", "no"), ("keys", "*")):
            refused = redis.run("redis-cli", "-e", "--user", "hakam", *command)
            assert (refused.returncode, "NOPERM" in refused.stderr + refused.stdout) == (1, True)
        self.n_refused = self.refused()
        assert self.n_refused >= 3
        checked = engine.running["background"].run("hakam", "check")
        assert "redis: keeps what it is given" in checked.stdout

    def refused(self) -> int:
        """How many commands the rights of the user of Redis did not allow."""
        told = self.engine.running["redis"].run("redis-cli", "--user", "hakam", "info", "stats")
        return sum(
            map(int, re.findall(r"acl_access_denied_(?:cmd|key|channel):(\d+)", told.stdout))
        )

    def speaks_only_tls(self) -> None:
        readable = "chgrp 101 /certificates/*.pem && chmod 640 /certificates/*.pem"
        assert readable in (ROOT / "docs" / "operations.md").read_text()
        assert self.engine.running["certificates"].run("sh", "-c", readable).returncode == 0
        with self.client() as client:
            answer = client.get("/healthz")
            assert answer.status_code == 200
            assert answer.headers["strict-transport-security"].startswith("max-age=")
        plain = httpx.get(
            f"http://{self.proxy}:8000/console/?a=b", headers={"Host": "evil.example"}
        )
        assert plain.status_code == 308
        assert plain.headers["location"] == f"https://{DOMAIN}/console/?a=b"
        with pytest.raises(httpx.ConnectError):  # no name, no certificate
            httpx.get(f"https://{self.proxy}:8443/healthz", verify=False)
        modern = ssl.create_default_context(cafile=str(self.authority))
        modern.set_alpn_protocols(["h2"])
        with (
            socket.create_connection((self.proxy, 8443), timeout=30.0) as plain_socket,
            modern.wrap_socket(plain_socket, server_hostname=DOMAIN) as encrypted,
        ):
            assert encrypted.selected_alpn_protocol() == "h2"

    def sends(self, client: httpx.Client, comment_id: str) -> httpx.Response:
        return client.post(
            "/v1/comments",
            json={"id": comment_id, "text": INSULT},
            headers={"Authorization": f"Bearer {self.key}"},
        )

    def decides(self, password: str) -> None:
        """Score comments through the proxy, log in to the console and reject one."""
        with self.client() as client:
            for number in range(3):
                assert self.sends(client, f"c-{number}").status_code == 202
        with self.client() as browser:
            page = browser.get("/console/login").text
            (token,) = re.findall(r'name="csrf-token" content="([^"]+)"', page)
            said = {"name": "admin", "password": password, "csrf_token": token}
            referer = {"Referer": f"https://{DOMAIN}/console/login"}
            logged_in = browser.post("/console/login", data=said, headers=referer)
            assert logged_in.status_code == 302, logged_in.text[:500]
            assert all(cookie.secure for cookie in browser.cookies.jar)
            assert browser.get("/console/overview").status_code == 200

    def tells_while_it_stops(self, site: Endpoint, secret: str) -> None:
        """Decide, and stop the deliveries while the site has not answered yet."""
        site.may_answer.clear()
        headers = {"Authorization": f"Bearer {self.key}"}
        with self.client(headers=headers) as client:
            leased = client.post("/v1/queue/lease", json={"moderator": "amal"}).json()
            decided = client.post(
                f"/v1/queue/items/{leased['item']['id']}/decide",
                json={
                    "token": leased["token"],
                    "action": "approve",
                    "moderator": "amal",
                    "request_id": "first",
                },
            )
            assert decided.status_code == 200, decided.text
        assert site.began.wait(60.0)
        stopping: list[int] = []
        thread = Thread(target=lambda: stopping.append(self.engine.stop("webhooks")))
        thread.start()
        site.may_answer.set()
        thread.join()
        assert stopping == [0]
        ((told, body),) = site.told
        Webhook(secret).verify(body, {name.lower(): one for name, one in told.items()})
        self.engine.start("webhooks")
        self.engine.await_health("webhooks")

    def is_backed_up(self) -> None:
        """Follow the guide's lines for a backup."""
        guide = (ROOT / "docs" / "backup.md").read_text()
        lines = re.findall(r"^docker compose exec -T (\w+) (.+?)(?: >(\S+))?$", guide, re.MULTILINE)
        copies: dict[str, bytes] = {}
        for service, command, file in lines:
            words = [*self.engine.running[service].inside, *shlex.split(command)]
            done = subprocess.run(words, capture_output=True, check=False, env={})
            assert done.returncode == 0, (command, done.stderr)
            copies[file] = done.stdout
        assert copies["redis.rdb"].startswith(b"REDIS")
        assert copies["audit.txt"].startswith(b"demo\t")
        with tarfile.open(fileobj=io.BytesIO(copies["var.tar"])) as archive:
            folders = {name.split("/")[0] for name in archive.getnames()}
        assert folders == {"var", "artifacts"}

    def stays_within_its_memory(self) -> None:
        for name, container in self.engine.running.items():
            tree = psutil.Process(container.pid)
            taken = sum(one.memory_info().rss for one in (tree, *tree.children(recursive=True)))
            number, unit = re.fullmatch(r"(\d+)([mg])", container.spec["mem_limit"]).groups()  # type: ignore[union-attr]
            assert taken < int(number) * {"m": 2**20, "g": 2**30}[unit], name

    def has_kept_everything(self, site: Endpoint) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        with self.client(headers=headers) as client:
            stats = client.get("/v1/queue/stats").json()
            assert (stats["pending"], stats["outbox"]) == (2, 0)
            again = self.sends(client, "c-0")
            assert again.status_code in {200, 202}
            assert len(client.get("/v1/decisions").text.splitlines()) == 1
        verified = self.engine.running["web"].run("hakam", "audit", "verify")
        assert verified.returncode == 0, verified.stderr
        assert len(site.told) == 1, "nothing is told twice"
