"""The proxy of docker-compose.yml: a real nginx with the very file that is mounted there."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fake_coral import SECRETS, signature
from redis import Redis

from conftest import await_condition, csrf_token, free_port, served
from service.accounts.accounts import Accounts
from service.compat.perspective.routes import ATTRIBUTES, NOT_MEASURED
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
N_CLIENTS = 50
MEGABYTE = 1024 * 1024
PASSWORD = "correct horse battery"

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def default(value: Any) -> str:
    """What compose makes of a value when its variable is not set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))


@contextmanager
def proxied(web: str, folder: Path, **environ: str) -> Iterator[str]:
    """Run the proxy of the compose file before `web`; yield its address once it listens."""
    service = SERVICES["proxy"]
    mount = next(one for one in service["volumes"] if ".template:" in one)
    config = (ROOT / mount.split(":")[0]).read_text()
    filled_in = {name: default(value) for name, value in service["environment"].items()}
    filled_in |= {"NGINX_LOCAL_RESOLVERS": "127.0.0.1", **environ}
    for name, value in filled_in.items():
        config = config.replace(f"${{{name}}}", value)
    port, tls_port = free_port(), free_port()
    for there, here in (
        ("listen 8000;", f"listen 127.0.0.1:{port};"),
        ("listen 8443 ", f"listen 127.0.0.1:{tls_port} "),
        ("web:8000;", f"{web};"),
        ("/tmp/", f"{folder}/"),
    ):
        assert there in config
        config = config.replace(there, here)
    assert "${" not in config
    file = folder / "nginx.conf"
    file.write_text(config)
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    user = pwd.getpwuid(os.getuid()).pw_name  # else root's would become another one
    command = [nginx, "-e", "stderr", "-c", str(file), "-g", f"user {user};"]
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        await_condition(lambda: accepts(port), what=f"nginx: {(folder / 'log').read_text()}")
        yield f"127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(timeout=30.0)


def accepts(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def web() -> Iterator[socket.socket]:
    """A web server of which only the socket is there, so that the test sees who comes."""
    with socket.create_server(("127.0.0.1", 0), backlog=2 * N_CLIENTS) as listener:
        listener.settimeout(30.0)
        yield listener


@pytest.fixture
def proxy(web: socket.socket, tmp_path: Path) -> Iterator[str]:
    """The address of a proxy before `web`."""
    with proxied("{}:{}".format(*web.getsockname()), tmp_path) as address:
        yield address


@pytest.fixture
def connected() -> Iterator[Callable[[str], socket.socket]]:
    """Opens connections that are closed after the test."""
    with ExitStack() as stack:

        def connect(address: str) -> socket.socket:
            host, port = address.split(":")
            return stack.enter_context(socket.create_connection((host, int(port)), timeout=30.0))

        yield connect


def head_of(request: bytes, proxy: str, web: socket.socket, connect: Any) -> str:
    """Send a request to the proxy; return what the web server gets of it, up to the body."""
    connect(proxy).sendall(request)
    one, _ = web.accept()
    with one, one.makefile("rb") as stream:
        return b"".join(iter(stream.readline, b"\r\n")).decode()


@pytest.mark.parametrize(
    "half",
    [
        b"POST /v1/score HTTP/1.1\r\nHost: hakam\r\nContent-Ty",
        b"POST /v1/score HTTP/1.1\r\nHost: hakam\r\nContent-Length: 9999\r\n\r\n{",
        b"POST /v1/score HTTP/1.1\r\nHost: hakam\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    ],
    ids=["head", "body", "chunks"],
)
def test_fifty_requests_of_which_the_rest_never_comes_do_not_reach_the_web_server(
    proxy: str, web: socket.socket, connected: Callable[[str], socket.socket], half: bytes
) -> None:
    for _ in range(N_CLIENTS):
        connected(proxy).sendall(half)
    head = head_of(b"GET /whole HTTP/1.1\r\nHost: hakam\r\n\r\n", proxy, web, connected)
    assert head.startswith("GET /whole ")
    web.setblocking(False)
    with pytest.raises(BlockingIOError):
        web.accept()


FORGED = (
    b"GET / HTTP/1.1\r\nHost: hakam.example\r\nX-Forwarded-For: 192.0.2.1\r\n"
    b"X-Forwarded-For: 192.0.2.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n"
    b"X_Forwarded_For: 192.0.2.4\r\nForwarded: for=192.0.2.3\r\nX-Request-Id: 0123456789\r\n\r\n"
)


def test_what_a_client_says_of_its_address_is_replaced_and_its_request_id_goes_on(
    proxy: str, web: socket.socket, connected: Callable[[str], socket.socket]
) -> None:
    head = head_of(FORGED, proxy, web, connected)
    assert re.findall(r"(?im)^x.forwarded-for: (.*)\r$", head) == ["127.0.0.1"]
    assert re.findall(r"(?im)^x-forwarded-proto: (.*)\r$", head) == ["http"]
    assert re.findall(r"(?im)^host: (.*)\r$", head) == ["hakam.example"]
    assert re.findall(r"(?im)^x-request-id: (.*)\r$", head) == ["0123456789"]
    assert "192.0.2" not in head
    assert "evil" not in head


def test_another_proxy_before_it_is_believed_once_it_is_named(
    web: socket.socket, tmp_path: Path, connected: Callable[[str], socket.socket]
) -> None:
    place = "{}:{}".format(*web.getsockname())
    with proxied(place, tmp_path, HAKAM_OUTER_PROXY="127.0.0.1") as proxy:
        head = head_of(FORGED, proxy, web, connected)
    assert re.findall(r"(?im)^x-forwarded-for: (.*)\r$", head) == ["192.0.2.2"]
    assert re.findall(r"(?im)^x-forwarded-proto: (.*)\r$", head) == ["https"]


def test_a_request_without_an_id_gets_one(
    proxy: str, web: socket.socket, connected: Callable[[str], socket.socket]
) -> None:
    for given in (b"", b'X-Request-Id: bad"id\r\n'):
        head = head_of(
            b"GET / HTTP/1.1\r\nHost: hakam\r\n" + given + b"\r\n", proxy, web, connected
        )
        assert re.search(r"(?im)^x-request-id: [0-9a-f]{32}\r$", head)


@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/%6detrics?a=1", "/a/../metrics"])
def test_the_metrics_are_not_for_those_who_come_through_the_proxy(
    proxy: str, connected: Callable[[str], socket.socket], path: str
) -> None:
    one = connected(proxy)
    one.sendall(f"GET {path} HTTP/1.1\r\nHost: hakam\r\nConnection: close\r\n\r\n".encode())
    with one.makefile("rb") as stream:
        assert stream.readline().split()[1] == b"404"


def test_an_address_gets_so_many_answers_at_once_and_the_proxy_s_refusal_publishes_nothing(
    proxy: str, web: socket.socket, connected: Callable[[str], socket.socket]
) -> None:
    for _ in range(100):
        connected(proxy).sendall(b"GET / HTTP/1.1\r\nHost: hakam\r\n\r\n")
    waiting = [web.accept()[0] for _ in range(100)]
    try:
        assert httpx.get(f"http://{proxy}/").status_code == 503
        withheld = httpx.post(
            f"http://{proxy}/integrations/coral/moderate?site=demo", content=b"{}"
        )
        assert (withheld.status_code, withheld.json()) == (200, {"status": "SYSTEM_WITHHELD"})
    finally:
        for one in waiting:
            one.close()


@pytest.mark.parametrize("length", [2, 33 * MEGABYTE], ids=["web server gone", "too long"])
def test_what_the_proxy_cannot_ask_for_coral_is_withheld(tmp_path: Path, length: int) -> None:
    with proxied(f"127.0.0.1:{free_port()}", tmp_path) as proxy:
        url = f"http://{proxy}/integrations/coral/moderate?site=demo"
        answer = httpx.post(url, content=b" " * length)
    assert (answer.status_code, answer.json()) == (200, {"status": "SYSTEM_WITHHELD"})


@pytest.mark.parametrize("path", ["/v1alpha1/comments:analyze", "/comments:analyze/"])
def test_coral_s_toxicity_setting_gets_the_highest_scores_when_the_web_server_is_gone(
    tmp_path: Path, path: str
) -> None:
    with proxied(f"127.0.0.1:{free_port()}", tmp_path) as proxy:
        coral = {"User-Agent": "Coral Perspective/9.11.8"}
        withheld = httpx.post(f"http://{proxy}{path}", content=b"{}", headers=coral)
        told = httpx.post(f"http://{proxy}{path}", content=b"{}")
    assert withheld.status_code == 200
    scores = withheld.json()["attributeScores"]
    assert set(scores) == {*ATTRIBUTES, *NOT_MEASURED}
    assert {score["summaryScore"]["value"] for score in scores.values()} == {1}
    assert told.status_code == 503


def test_events_that_nobody_heard_are_no_success(tmp_path: Path) -> None:
    with proxied(f"127.0.0.1:{free_port()}", tmp_path) as proxy:
        answer = httpx.post(f"http://{proxy}/integrations/coral/events?site=demo", content=b"{}")
    assert answer.status_code == 502


def test_no_line_of_the_proxy_holds_what_clients_wrote(tmp_path: Path) -> None:
    with proxied(f"127.0.0.1:{free_port()}", tmp_path) as proxy:
        secret = {"Authorization": "Bearer s3cret", "User-Agent": "s3cret", "Referer": "s3cret"}
        httpx.post(f"http://{proxy}/s3cret?key=s3cret", content=b"s3cret" * 99999, headers=secret)
    log = (tmp_path / "log").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert [(line["method"], line["status"]) for line in lines] == [("POST", 502)]
    assert "s3cret" not in log


@pytest.fixture
def proxied_service(environ: dict[str, str], redis: Redis, tmp_path: Path) -> Iterator[str]:
    """The URL of a proxy before a real web server."""
    believed = {"HAKAM_PROXIES": str(SERVICES["web"]["environment"]["HAKAM_PROXIES"])}
    with (
        served(environ | believed, tmp_path / "web.log") as url,
        proxied(url.removeprefix("http://"), tmp_path) as proxy,
    ):
        yield f"http://{proxy}"


def test_the_longest_questions_of_coral_pass(proxied_service: str, redis: Redis) -> None:
    Sites(redis).add(Site("demo", coral_secrets=SECRETS))
    url = f"{proxied_service}/integrations/coral/moderate?site=demo"
    for n_bytes, status in ((10, 204), (15 * MEGABYTE, 200)):
        raw = json.dumps(
            {
                "action": "NEW",
                "comment": {"body": "\N{ARABIC LETTER MEEM}".ljust(n_bytes)},
                "author": {"id": "a", "role": "COMMENTER"},
                "story": {"id": "s", "url": "https://news.example/s"},
            }
        ).encode()
        headers = {"X-Coral-Signature": signature(raw, *SECRETS)}
        answer = httpx.post(url, content=raw, headers=headers, timeout=60.0)
        assert answer.status_code == status
        assert answer.headers["X-Request-Id"], "the web server answered, not the proxy"


def test_a_log_in_counts_for_the_address_that_the_proxy_saw(
    proxied_service: str, redis: Redis
) -> None:
    Accounts(redis).add("samira", PASSWORD, "admin")
    forged = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.2"}
    with httpx.Client(base_url=proxied_service, headers=forged, timeout=30.0) as browser:
        page = browser.get("/console/login").text
        said = {"name": "samira", "password": PASSWORD, "csrf_token": csrf_token(page)}
        assert browser.post("/console/login", data=said).status_code == 302
    assert [one.address for one in Accounts(redis).sessions.of("samira")] == ["127.0.0.1"]
