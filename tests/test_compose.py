"""The files for containers, without a container engine: their form, and what they make when run."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import tarfile
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from threading import Event, Thread
from typing import Any

import containers
import httpx
import jsonschema
import psutil
import pytest
import yaml
from acme_authority import Authority, authority, certify
from compose_lines import Compose, lines_of
from containers import Engine, Image, composed, megabytes, seconds
from fake_sites import Endpoint, answering
from standardwebhooks import Webhook

from conftest import await_condition, settings_in
from service.config import VARIABLES
from service.delivery.http import TIMEOUT_SECONDS
from service.delivery.webhooks import DELIVERY_SECONDS
from service.errors import ConfigError
from service.run.supervision import STOP_SECONDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "service" / "Dockerfile").read_text()
OURS = ("web", "webhooks", "background")  # from the image that the Dockerfile makes
PLAIN = "\u0634\u0643\u0631\u0627 \u0639\u0644\u0649 \u0627\u0644\u062e\u0628\u0631"
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


@pytest.mark.parametrize("domain", [f"https://{DOMAIN}", f"{DOMAIN}/hakam"])
def test_a_domain_that_is_no_name_is_refused_by_the_name_of_its_variable(domain: str) -> None:
    web = composed(SECRET | {"HAKAM_DOMAIN": domain})["services"]["web"]
    given = {name: str(value) for name, value in web["environment"].items()}
    with pytest.raises(ConfigError, match="HAKAM_DOMAIN, which is a name alone"):
        settings_in(given)


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


# Where what an operator types cannot be carried out here, and why.
NOT_HERE = {
    "docker network inspect hakam_front": "shows an address that Docker gave",
}
GUIDES = tuple(
    f"docs/{one}.md" for one in ("operations", "backup", "upgrade", "network", "secrets")
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    """What the services of the compose file are started from."""
    if lacking := containers.missing():
        pytest.skip(f"it takes {lacking}")
    return containers.images(tmp_path_factory.mktemp("images") / "hakam")


@pytest.mark.timeout(1500)
def test_the_files_make_a_service_that_keeps_what_it_was_given(
    images: dict[str, Image], tmp_path: Path
) -> None:
    with Compose(tmp_path, images).listening() as compose:
        _Story(compose).tell()


@pytest.mark.timeout(600)
def test_the_lines_of_the_guide_change_the_password_of_redis_and_nothing_is_lost(
    images: dict[str, Image], tmp_path: Path
) -> None:
    (tmp_path / "service").symlink_to(ROOT / "service")
    (tmp_path / ".env").write_text("".join(f"{name}={one}\n" for name, one in SECRET.items()))
    with Compose(tmp_path, images).listening() as compose:
        compose.run("docker compose up --detach redis web")
        compose.engine.await_health("web")
        added = compose.engine.running["web"].run("hakam", "sites", "add", "demo")
        assert added.returncode == 0, added.stderr
        compose.follow("docs/secrets.md", having="docker compose up --detach")
        assert SECRET["HAKAM_REDIS_PASSWORD"] not in (tmp_path / ".env").read_text()
        for name in ("redis", *OURS):
            compose.engine.await_health(name)
        sites = compose.engine.running["web"].run("hakam", "sites", "list")
        assert "demo" in sites.stdout, sites.stderr
        redis = compose.engine.running["redis"]
        old = f"REDISCLI_AUTH={SECRET['HAKAM_REDIS_PASSWORD']}"
        refused = redis.run("env", old, "redis-cli", "-e", "--user", "hakam", "ping")
        assert refused.returncode != 0
        (line,) = re.findall(
            r"(?m)^redis-cli (.*NEW'.*?) +#", (ROOT / "docs/secrets.md").read_text()
        )
        assert "NOPERM" in redis.run("redis-cli", "--user", "hakam", *line.split()).stdout


class _Story:
    """A newsroom's first day with the containers, and the morning after."""

    def __init__(self, compose: Compose) -> None:
        self.compose = compose
        self.key = ""

    @property
    def engine(self) -> Engine:
        return self.compose.engine

    @property
    def proxy(self) -> str:
        return self.engine.address("proxy", "front")

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

    def trusts(self, issued_by: Path) -> None:
        """Let clients know certificates by that of who gives them."""
        self.issued_by, self.trust = issued_by, ssl.create_default_context(cafile=str(issued_by))

    def start(self) -> None:
        self.compose.run("docker compose up --detach")
        for name in self.engine.services:
            self.engine.await_health(name)

    def tell(self) -> None:
        (self.compose.folder / "service").symlink_to(ROOT / "service")
        said = self.compose.follow("docs/operations.md", having="docker compose up --build")
        key, password = said.split()
        self.key = key
        engine = self.engine
        self.awaits_a_certificate()
        with authority(
            self.compose.folder / "authority",
            engine.outside("outside"),
            {DOMAIN: self.proxy},
            port=8000,
        ) as giving:
            self.is_given_a_certificate(giving)
            self.has_no_rights()
            self.keeps_redis_to_itself()
            self.speaks_only_tls()
            self.is_given_another_while_it_answers()
        with answering(engine.outside("outside")) as site:
            web = engine.running["web"]
            told = web.run("hakam", "sites", "set", "demo", "--webhook-url", site.url)
            assert told.returncode == 0, told.stderr
            opened = web.run("hakam", "sites", "set", "demo", "--webhook-private")
            assert opened.returncode == 0, opened.stderr
            self.decides(password)
            self.carries_a_load()
            self.tells_while_it_stops(site, told.stdout.strip())
            assert self.refused() == self.n_refused, "Hakam asked for nothing that is not allowed"
            self.takes_the_certificate_of_the_newsroom()
            self.answers_what_is_asked_beside()
            self.is_upgraded()
            self.is_backed_up()
            ended = {name: self.stopped(name) for name in reversed(list(engine.running))}
            assert ended == dict.fromkeys(engine.services, 0)
            self.start()
            self.has_kept_everything(site)
            self.is_restored(site)
            self.stayed_within_its_limits()
        open_lines = {line for one in GUIDES for line in lines_of(one)} - self.compose.followed
        assert open_lines == set(NOT_HERE)

    def awaits_a_certificate(self) -> None:
        """Without a certificate, who comes is told so, and the log says why there is none."""
        (asked,) = [one for one in lines_of("docs/operations.md") if "logs" in one]
        answer = self.asks_plainly("/console/")
        assert (answer.status_code, DOMAIN in answer.json()["title"]) == (503, True)
        await_condition(
            lambda: f"no new certificate for {DOMAIN}" in self.compose.run(asked),
            what="a word about the certificate",
            seconds=60.0,
        )
        assert not self.engine.running["certificates"].is_well()

    def is_given_a_certificate(self, giving: Authority) -> None:
        shutil.copy(giving.vouching, self.compose.folder / "authority.pem")
        with (self.compose.folder / ".env").open("a") as file:
            file.write(f"HAKAM_ACME_SERVER={giving.directory}\n")
        self.compose.follow("docs/operations.md", having="authority.pem")
        self.start()
        self.trusts(giving.issued_by)

    def is_given_another_while_it_answers(self) -> None:
        """Renew the certificate; nobody who connects meanwhile meets anything but an answer."""
        before, answers, over = self.shown(), list[int](), Event()

        def asks() -> None:
            while not over.is_set():
                with self.client() as client:  # a connection of its own, and no second try
                    answers.append(client.get("/healthz").status_code)

        certificates = self.engine.running["certificates"]
        # It is due: what is left of its time is less than this.
        conf = "/certificates/acme/renewal/hakam.conf"
        due = certificates.run("sed", "-i", "1i renew_before_expiry = 3650 days", conf)
        assert due.returncode == 0, due.stderr
        with ThreadPoolExecutor() as pool:
            asking = [pool.submit(asks) for _ in range(4)]
            try:
                self.compose.run("docker compose restart certificates")
                await_condition(lambda: self.shown() != before, what="a renewal", seconds=60.0)
                n_before = len(answers)
                await_condition(lambda: len(answers) > n_before + 20, what="answers")
            finally:
                over.set()
            for one in asking:
                one.result()
        assert set(answers) == {200}

    def shown(self) -> str:
        """Return the certificate that a visitor is shown."""
        with (
            socket.create_connection((self.proxy, 8443), timeout=30.0) as plain,
            self.trust.wrap_socket(plain, server_hostname=DOMAIN) as encrypted,
        ):
            return ssl.DER_cert_to_PEM_cert(encrypted.getpeercert(binary_form=True) or b"")

    def takes_the_certificate_of_the_newsroom(self) -> None:
        folder = self.compose.folder
        by, *pair = certify(folder / "own", f"DNS:{DOMAIN}")
        for one in pair:
            shutil.copy(one, folder / one.name)
        self.compose.follow("docs/operations.md", having="docker compose cp fullchain.pem")
        self.trusts(by)
        assert self.shown() == pair[0].read_text()
        self.engine.await_health("certificates")

    def asks_plainly(self, path: str) -> httpx.Response:
        return httpx.get(f"http://{self.proxy}:8000{path}", headers={"Host": "evil.example"})

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
        with self.client() as client:
            answer = client.get("/healthz")
            assert answer.status_code == 200
            assert answer.headers["strict-transport-security"].startswith("max-age=")
        plain = self.asks_plainly("/console/?a=b")
        assert plain.status_code == 308
        assert plain.headers["location"] == f"https://{DOMAIN}/console/?a=b"
        with pytest.raises(httpx.ConnectError):  # no name, no certificate
            httpx.get(f"https://{self.proxy}:8443/healthz", verify=False)
        modern = ssl.create_default_context(cafile=str(self.issued_by))
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

    def carries_a_load(self) -> None:
        """Send comments, and bodies as long as they may be, all at a time; note what it takes."""
        comments, too_many = [{"text": PLAIN}] * 100, [{"text": "a" * 33_000}] * 1_001
        longest = self.engine.services["web"]["environment"]["HAKAM_MAX_BODY_BYTES"]
        assert len(json.dumps(too_many)) < int(longest)
        headers = {"Authorization": f"Bearer {self.key}"}
        most, over = dict.fromkeys(self.engine.running, 0.0), Event()

        def looks() -> None:
            while not over.wait(0.1):
                for name, container in self.engine.running.items():
                    most[name] = max(most[name], container.takes())

        def sends(body: list[dict[str, str]]) -> int:
            with self.client(headers=headers) as client:
                sent = client.post("/v1/score", json=body, timeout=300.0)
                return sent.status_code

        with ThreadPoolExecutor(13) as pool:
            looking = pool.submit(looks)
            try:
                answers = set(pool.map(sends, [comments, too_many, too_many] * 4))
            finally:
                over.set()
            looking.result()
        assert answers == {200, 422}
        guide = (ROOT / "docs" / "operations.md").read_text()
        for name, taken in most.items():
            (said,) = re.findall(rf"(?m)^\| `{name}` .*\| (\d+) MB \|$", guide)
            assert taken <= int(said) <= megabytes(self.engine.services[name]["mem_limit"]), name

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

    def answers_what_is_asked_beside(self) -> None:
        """Do what the guide says of the memory of Redis and of the artefact of a newer image."""
        (asked,) = [one for one in lines_of("docs/operations.md") if "info memory" in one]
        assert "used_memory_human" in self.compose.run(asked)
        version = (ROOT / "models" / "artifacts" / "CURRENT").read_text().strip()
        shutil.rmtree(self.engine.volume("artifacts") / version)
        block = "docker compose run --rm web"
        self.compose.follow("docs/operations.md", having=block, VERSION=version)

    def is_upgraded(self) -> None:
        (line,) = lines_of("docs/upgrade.md")
        self.compose.run(line)
        for name in self.engine.services:
            self.engine.await_health(name)

    def is_backed_up(self) -> None:
        self.compose.follow("docs/backup.md", having="docker compose exec -T web hakam audit")
        folder = self.compose.folder
        assert (folder / "redis.rdb").read_bytes().startswith(b"REDIS")
        assert (folder / "audit.txt").read_text().startswith("demo\t")
        with tarfile.open(folder / "var.tar") as archive:
            folders = {name.split("/")[0] for name in archive.getnames()}
        assert folders == {"var", "artifacts"}

    def is_restored(self, site: Endpoint) -> None:
        """Lose what Redis and Hakam keep, and go back to the copy, which the site is told."""
        headers = {"Authorization": f"Bearer {self.key}"}
        with self.client(headers=headers) as client:
            read_to = client.get("/v1/decisions").headers["Hakam-Cursor"]
        said = self.compose.follow("docs/backup.md", having="docker volume rm")
        assert "its webhook was told" in said
        self.start()
        with self.client(headers=headers) as client:
            assert client.get("/v1/queue/stats").json()["pending"] == 2
            noticed = client.get(f"/v1/decisions?after={read_to}")
            assert noticed.status_code == 410
            after = noticed.json()["after"]
            assert client.get(f"/v1/decisions?after={after}").status_code == 200
        assert site.bodies()[-1]["type"] == "store.set_back"

    def stayed_within_its_limits(self) -> None:
        for name, container in self.engine.running.items():
            assert container.group.refused() == {"killed": 0, "not started": 0}, name

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
