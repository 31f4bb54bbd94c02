"""Recipes of the documents: what they say is run with the comment systems that they are for."""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import flask
import httpx
import pytest
from foreign_clients import has_node, npm_install, pip_install
from itsdangerous import URLSafeTimedSerializer
from playwright.sync_api import Page, expect
from redis import Redis
from test_coral import abusive, harmless
from werkzeug.serving import make_server

from conftest import await_condition, deliver_once, free_port
from models.schema import LABELS
from service.delivery.webhooks import Deliveries
from service.queue.decisions import DecisionStream
from service.queue.records import Decision
from service.queue.review_queue import ReviewQueue
from service.sites.site import Site
from service.sites.sites import Sites

# What the recipes are for is installed first, hundreds of packages of it.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

__all__ = ["abusive", "harmless"]  # fixtures

DOCS = Path(__file__).parent.parent / "docs"


def codes_of(document: str, language: str) -> list[str]:
    """Each code of a language in a document."""
    text = (DOCS / document).read_text(encoding="utf-8")
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", text)


def code_of(document: str, language: str) -> str:
    """The only code of a language in a document."""
    (code,) = codes_of(document, language)
    return code


def start_of(
    document: str, program: str, environ: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    """The lines by which a document starts a program, filled in; and variables they do not name."""
    text = (DOCS / document).read_text(encoding="utf-8")
    blocks = re.findall(r"(?ms)^ *```sh\n(.*?)^ *```", text)
    (block,) = [one for one in blocks if program in one]
    lines = re.sub(r"\b([A-Z_]+)=\S+", lambda found: f"{found[1]}='{environ[found[1]]}'", block)
    *before, last = lines.strip().splitlines()
    rest = {name: value for name, value in environ.items() if f"{name}=" not in block}
    # In the place of the shell, so that who ends the one ends the other.
    return ["sh", "-euc", "\n".join([*before, f"exec {last.strip()}"])], rest


@contextmanager
def running(
    command: Sequence[str], url: str, folder: Path, environ: dict[str, str]
) -> Iterator[str]:
    """Run a server until it answers at its address; yield that."""
    log = folder / "log.txt"
    with log.open("a") as out:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)} | environ,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )

    def answers() -> bool:
        assert server.poll() is None, log.read_text()
        try:
            return httpx.get(url).status_code < 500
        except httpx.TransportError:
            return False

    try:
        await_condition(answers, what=f"an answer of {command[0]}", seconds=60.0)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30.0)


@dataclass
class Desk:
    """Hakam, as a recipe knows it: its address and key, and the people at its desk."""

    url: str
    redis: Redis
    key: str = ""
    secret: str = ""
    environ: dict[str, str] = field(default_factory=dict)

    def tell(self, webhook: str) -> None:
        """Make the site, whose decisions go to this address."""
        site = Site("demo", random_sample_share=0.0, webhook_private=True)
        site = site.changed({"webhook_url": webhook})
        self.key, self.secret = Sites(self.redis).add(site), site.webhook_secret
        self.environ = {
            "HAKAM_URL": self.url,
            "HAKAM_SITE_KEY": self.key,
            "HAKAM_WEBHOOK_SECRET": self.secret,
        }

    @property
    def waiting(self) -> list[Any]:
        """Comments that wait for a person."""
        return [item.comment for item in ReviewQueue(self.redis).waiting("demo")]

    def decide(self, action: str, *, told: bool = True) -> Decision:
        """Decide what waits, and let the site be told."""
        queue = ReviewQueue(self.redis)
        lease = queue.lease("demo", "samira")
        assert lease is not None
        draft = Decision(action, moderator="samira", request_id=f"r-{lease.token}-{action}")
        made = queue.decide("demo", lease.item.id, lease.token, draft)
        if told:
            self.deliver()
        return made

    def undo(self, decision: Decision) -> None:
        """Take a decision back, and let the site be told."""
        ReviewQueue(self.redis).undo("demo", decision.item_id, "samira", request_id="r-undo")
        self.deliver()

    def deliver(self) -> None:
        deliver_once(Deliveries(self.redis, Sites(self.redis)))

    @property
    def stream(self) -> list[Decision]:
        return DecisionStream(self.redis).read("demo")


@pytest.fixture
def desk(server: str, redis: Redis) -> Desk:
    return Desk(server, redis)


# Isso


@pytest.fixture(scope="module")
def isso_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with Isso, and what its recipe names beside it."""
    folder = tmp_path_factory.mktemp("isso")
    packages = ("isso==0.14.0", "gunicorn", "httpx", "standardwebhooks")
    return pip_install(folder, *packages, without="misaka")  # it would have to be compiled


@dataclass
class Isso:
    """A running Isso, and what readers do there."""

    url: str
    desk: Desk
    folder: Path
    python: Path
    environ: dict[str, str]
    reader: httpx.Client

    def write(self, text: str, name: str = "Reader & Co") -> dict[str, Any]:
        answer = self.reader.post(
            f"{self.url}/new?uri=/news/1",
            json={"text": text, "author": name, "title": "News"},
        )
        assert answer.status_code in (201, 202), answer.text
        said: dict[str, Any] = answer.json()
        return said | {"status": answer.status_code}

    def shown(self) -> list[int]:
        """Ids of the comments that readers see."""
        answer = httpx.get(f"{self.url}/?uri=/news/1")
        return [one["id"] for one in answer.json().get("replies", [])]

    def ask_again(self) -> None:
        """Run what cron runs."""
        subprocess.run(
            [self.python, "isso_hakam.py"],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"]} | self.environ,
            check=True,
            capture_output=True,
        )


@pytest.fixture
def isso(isso_python: Path, desk: Desk, tmp_path: Path) -> Iterator[Isso]:
    """An Isso that runs the module of its page."""
    (tmp_path / "isso_hakam.py").write_text(code_of("isso.md", "python"))
    url = f"http://127.0.0.1:{free_port()}"
    (tmp_path / "isso.cfg").write_text(
        f"[general]\ndbpath = {tmp_path}/comments.db\nhost = http://127.0.0.1:9\n"
        f"[moderation]\nenabled = true\n[guard]\nenabled = false\n"
    )
    desk.tell(f"{url}/hakam")
    environ = desk.environ | {"ISSO_SETTINGS": "isso.cfg"}
    (*shell, lines), rest = start_of("isso.md", "isso_hakam", environ)
    command = [*shell, lines.replace("127.0.0.1:8080", url.removeprefix("http://"))]
    path = {"PATH": f"{isso_python.parent}:{os.environ['PATH']}"}
    with running(command, url, tmp_path, rest | path), httpx.Client() as reader:
        yield Isso(url, desk, tmp_path, isso_python, environ, reader)


def test_isso_shows_a_clean_comment_at_once_and_a_flagged_one_when_the_desk_approves(
    isso: Isso, abusive: str, harmless: str
) -> None:
    clean = isso.write(harmless)
    assert (clean["status"], clean["mode"]) == (201, 1)
    flagged = isso.write(abusive)
    assert (flagged["status"], flagged["mode"]) == (202, 2)
    assert isso.shown() == [clean["id"]]
    (waiting,) = isso.desk.waiting
    assert (waiting.id, waiting.text) == (str(flagged["id"]), abusive)
    assert (waiting.author_name, waiting.article_id) == ("Reader & Co", "/news/1")
    decision = isso.desk.decide("approve")
    assert isso.shown() == [clean["id"], flagged["id"]]
    isso.desk.undo(decision)
    assert isso.shown() == [clean["id"]]


def test_what_hakam_did_not_answer_stays_hidden_in_isso_and_is_asked_about_again(
    isso: Isso, harmless: str, abusive: str
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    nowhere = isso.environ | {"HAKAM_URL": f"http://127.0.0.1:{free_port()}"}
    command = [str(isso.python.parent / "gunicorn"), "--threads", "8", "-b", url[7:]]
    with running([*command, "isso_hakam:application"], url, isso.folder, nowhere):
        cut_off = Isso(url, isso.desk, isso.folder, isso.python, nowhere, isso.reader)
        written = [cut_off.write(text)["id"] for text in (harmless, abusive)]
        assert cut_off.shown() == []
    isso.ask_again()
    assert isso.shown() == written[:1]
    assert [comment.id for comment in isso.desk.waiting] == [str(written[1])]


def test_an_edit_in_isso_is_hidden_until_it_is_judged_and_a_deletion_leaves_the_queue(
    isso: Isso, abusive: str, harmless: str
) -> None:
    comment = isso.write(harmless)
    edited = isso.reader.put(f"{isso.url}/id/{comment['id']}", json={"text": abusive})
    assert edited.status_code == 200
    assert isso.shown() == []
    assert [waiting.text for waiting in isso.desk.waiting] == [abusive]
    gone = isso.reader.delete(
        f"{isso.url}/id/{comment['id']}", headers={"Content-Type": "application/json"}
    )
    assert gone.status_code == 200
    assert isso.desk.waiting == []


def test_what_a_moderator_activates_in_isso_is_decided_in_hakam_too(
    isso: Isso, abusive: str
) -> None:
    comment = isso.write(abusive)["id"]
    with closing(sqlite3.connect(isso.folder / "comments.db")) as database:
        asked = "SELECT value FROM preferences WHERE key='session-key'"
        (secret,) = database.execute(asked).fetchone()
    link = f"{isso.url}/id/{comment}/activate/{URLSafeTimedSerializer(secret).dumps(comment)}"
    assert httpx.post(link, timeout=30.0).status_code == 200
    assert isso.shown() == [comment]
    (decision,) = isso.desk.stream
    assert (decision.source, decision.action) == ("moderator_external", "approve")
    assert isso.desk.waiting == []


def test_isso_does_nothing_that_is_not_signed_or_is_about_another_text(
    isso: Isso, abusive: str
) -> None:
    comment = isso.write(abusive)
    forged = {"type": "decision.recorded", "data": {"comment_id": str(comment["id"])}}
    assert httpx.post(f"{isso.url}/hakam", json=forged).status_code == 400
    isso.desk.decide("approve", told=False)
    isso.reader.put(f"{isso.url}/id/{comment['id']}", json={"text": f"{abusive}!"})
    isso.desk.deliver()
    assert isso.shown() == []


# Waline

WALINE = ("@waline/vercel@1.39.3", "standardwebhooks")
_TABLES = """
CREATE DATABASE waline CHARACTER SET utf8mb4;
USE waline;
CREATE TABLE wl_Comment (id int unsigned PRIMARY KEY AUTO_INCREMENT, user_id int, comment text,
  insertedAt timestamp NULL DEFAULT CURRENT_TIMESTAMP, ip varchar(100), link varchar(255),
  mail varchar(255), nick varchar(255), pid int, rid int, sticky numeric,
  status varchar(50) NOT NULL DEFAULT '', `like` int, ua text, url varchar(255),
  createdAt timestamp NULL, updatedAt timestamp NULL);
CREATE TABLE wl_Users (id int unsigned PRIMARY KEY AUTO_INCREMENT, display_name varchar(255),
  email varchar(255), password varchar(255), type varchar(50), label varchar(255),
  url varchar(255), avatar varchar(255), 2fa varchar(32),
  createdAt timestamp NULL, updatedAt timestamp NULL);
CREATE USER 'waline'@'127.0.0.1' IDENTIFIED BY 'w';
GRANT ALL ON waline.* TO 'waline'@'127.0.0.1';
"""


@pytest.fixture(scope="module")
def waline_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Waline, and what its recipe names beside it."""
    if not has_node():
        pytest.skip("no node and npm on this machine")
    folder = tmp_path_factory.mktemp("waline")
    npm_install(folder, *WALINE)
    (folder / "server.cjs").write_text(code_of("waline.md", "js"))
    return folder


@pytest.fixture(scope="module")
def database() -> Iterator[int]:
    """A database server with Waline's tables; its port."""
    search = f"{os.environ['PATH']}:/usr/sbin"
    if shutil.which("mariadbd", path=search) is None:
        pytest.skip("no mariadbd on this machine")
    with TemporaryDirectory(prefix="db") as name:
        folder, port = Path(name), free_port()
        account = ["--user=root"] if os.geteuid() == 0 else []
        make = ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data"]
        subprocess.run([*make, "--skip-test-db", *account], check=True, capture_output=True)
        (folder / "tables.sql").write_text(_TABLES)
        server = subprocess.Popen(
            [
                *(str(shutil.which("mariadbd", path=search)), "--no-defaults"),
                *(f"--datadir={folder}/data", f"--socket={folder}/db.sock", f"--port={port}"),
                *("--bind-address=127.0.0.1", f"--init-file={folder}/tables.sql"),
                *("--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", *account),
            ],
            stderr=subprocess.DEVNULL,
        )

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        await_condition(answers, what="the database", seconds=120.0)
        yield port
        server.terminate()
        server.wait(timeout=60.0)


@dataclass
class Waline:
    """A running Waline, and what readers and administrators do there."""

    url: str
    desk: Desk
    article: str = field(default_factory=lambda: f"/news/{token_hex(4)}")
    administrator: dict[str, str] = field(default_factory=dict)

    def write(self, text: str) -> dict[str, Any]:
        body = {"comment": text, "nick": "Reader", "mail": "r@mail.example", "url": self.article}
        answer = httpx.post(f"{self.url}/api/comment", json=body | {"link": "", "ua": ""})
        said: dict[str, Any] = answer.json()
        assert said["errno"] == 0, said
        written: dict[str, Any] = said["data"]
        return written

    def shown(self) -> list[int]:
        """Ids of the comments that readers see, the oldest first."""
        answer = httpx.get(f"{self.url}/api/comment", params={"path": self.article})
        return sorted(one["objectId"] for one in answer.json()["data"]["data"])

    def become_administrator(self) -> None:
        """Register as the first user, whom Waline makes its administrator."""
        who = {"email": "editor@mail.example", "password": "x" * 32}
        named = who | {"display_name": "Editor", "url": ""}
        httpx.post(f"{self.url}/api/user", json=named)  # only once in a database
        answer = httpx.post(f"{self.url}/api/token", json=who).json()
        self.administrator = {"Authorization": f"Bearer {answer['data']['token']}"}

    def change(self, comment: int, /, **fields: Any) -> None:
        address = f"{self.url}/api/comment/{comment}"
        answer = httpx.put(address, json=fields, headers=self.administrator)
        assert answer.json()["errno"] == 0


@pytest.fixture(scope="module")
def no_logins() -> Iterator[str]:
    """What Waline asks, at each request, by which other accounts its readers may log in."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"services": []}')

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def waline_at(url: str, desk: Desk, folder: Path, **environ: str) -> Iterator[Waline]:
    """Run the server of Waline's page."""
    environ = {
        **desk.environ,
        "COMMENT_AUDIT": "true",
        "HOST": "127.0.0.1",
        "PORT": url.rpartition(":")[2],
        "MYSQL_HOST": "127.0.0.1",
        "MYSQL_DB": "waline",
        "MYSQL_USER": "waline",
        "MYSQL_PASSWORD": "w",
        "IPQPS": "0",
        "AKISMET_KEY": "false",
        **environ,
    }
    command, rest = start_of("waline.md", "server.cjs", environ)
    with running(command, url, folder, rest):
        yield Waline(url, desk)


@pytest.fixture
def around_waline(database: int, no_logins: str) -> dict[str, str]:
    """Variables by which Waline finds what it needs."""
    return {"MYSQL_PORT": str(database), "OAUTH_URL": no_logins}


@pytest.fixture
def waline(desk: Desk, waline_folder: Path, around_waline: dict[str, str]) -> Iterator[Waline]:
    url = f"http://127.0.0.1:{free_port()}"
    desk.tell(f"{url}/hakam")
    with waline_at(url, desk, waline_folder, **around_waline) as waline:
        yield waline


def test_waline_shows_a_clean_comment_at_once_and_a_flagged_one_when_the_desk_approves(
    waline: Waline, abusive: str, harmless: str
) -> None:
    clean, flagged = waline.write(harmless), waline.write(abusive)
    assert (clean["status"], flagged["status"]) == ("approved", "waiting")
    assert waline.shown() == [clean["objectId"]]
    (waiting,) = waline.desk.waiting
    assert (waiting.id, waiting.text) == (str(flagged["objectId"]), abusive)
    assert (waiting.author_name, waiting.article_id) == ("Reader", waline.article)
    decision = waline.desk.decide("approve")
    assert waline.shown() == [clean["objectId"], flagged["objectId"]]
    waline.desk.undo(decision)
    assert waline.shown() == [clean["objectId"]]
    forged = {"type": "decision.recorded", "data": {"comment_id": str(flagged["objectId"])}}
    assert httpx.post(f"{waline.url}/hakam", json=forged).status_code == 400


def test_what_hakam_did_not_answer_waits_in_waline_and_is_asked_about_again(
    desk: Desk, waline_folder: Path, around_waline: dict[str, str], harmless: str, abusive: str
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    desk.tell(f"{url}/hakam")
    nowhere = around_waline | {"HAKAM_URL": f"http://127.0.0.1:{free_port()}"}
    with waline_at(url, desk, waline_folder, **nowhere) as waline:
        clean, flagged = (waline.write(text)["objectId"] for text in (harmless, abusive))
        assert waline.shown() == []
    soon = around_waline | {"HAKAM_AGAIN_SECONDS": "0.2"}
    with waline_at(url, desk, waline_folder, **soon):
        await_condition(lambda: waline.shown() == [clean], what="the comment in Waline")
        known = await_condition(lambda: desk.waiting, what="the comment at Hakam's desk")
    assert str(flagged) in [comment.id for comment in known]


def test_what_an_administrator_does_in_waline_reaches_hakam(
    waline: Waline, abusive: str, harmless: str
) -> None:
    waline.become_administrator()
    flagged, clean = (waline.write(text)["objectId"] for text in (abusive, harmless))
    waline.change(flagged, status="approved")
    assert waline.shown() == [flagged, clean]
    waline.change(flagged, status="spam")
    assert [(one.source, one.action) for one in waline.desk.stream if one.kind == "decision"] == [
        ("moderator_external", "approve"),
        ("moderator_external", "reject"),
    ]
    waline.change(clean, comment=f"{abusive}!")
    assert waline.shown() == []
    assert [one.text for one in waline.desk.waiting] == [f"{abusive}!"]
    address = f"{waline.url}/api/comment/{clean}"
    assert httpx.delete(address, headers=waline.administrator).json()["errno"] == 0
    assert waline.desk.waiting == []


# Ghost and Remark42: stand-ins with the routes that their recipes use

GHOST_SECRET = "0123456789abcdef" * 4


class StandIn(ThreadingHTTPServer):
    """Comments by id, as their system stores them."""

    def __init__(self, answering: type[BaseHTTPRequestHandler]) -> None:
        self.comments: dict[str, dict[str, Any]] = {}
        super().__init__(("127.0.0.1", 0), answering)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    """What both stand-ins share."""

    server: StandIn

    def say(self, said: Any, status: int = 200) -> None:
        raw = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None: ...


class GhostAnswering(Answering):
    """Ghost's Admin API, as far as it is about comments."""

    def do_GET(self) -> None:
        self.check()
        *_, name = urlsplit(self.path).path.strip("/").split("/")
        found = list(self.server.comments.values())
        found = found if name == "comments" else [self.server.comments[name]]
        self.say({"comments": found})

    def do_PUT(self) -> None:
        self.check()
        (sent,) = json.loads(self.rfile.read(int(self.headers["content-length"])))["comments"]
        comment = self.server.comments[sent["id"]]
        if sent["id"] != "sealed":
            comment["status"] = sent["status"]
        self.say({"comments": [comment]}, 403 if sent["id"] == "sealed" else 200)

    def check(self) -> None:
        """Check a token as jsonwebtoken does in Ghost."""
        scheme, _, token = self.headers["authorization"].partition(" ")
        signed, _, signature = token.rpartition(".")
        mac = hmac.digest(bytes.fromhex(GHOST_SECRET), signed.encode(), "sha256")
        assert scheme == "Ghost"
        assert base64.urlsafe_b64encode(mac).rstrip(b"=").decode() == signature
        head, claims = (
            json.loads(base64.urlsafe_b64decode(f"{part}==")) for part in signed.split(".")
        )
        assert (head["kid"], claims["aud"]) == ("k1", "/admin/")


class RemarkAnswering(Answering):
    """Remark42's API, as far as it is about comments."""

    def do_GET(self) -> None:
        *_, what, name = urlsplit(self.path).path.split("/")
        found = list(self.server.comments.values())
        self.say(found if what == "last" else self.server.comments[name])

    def do_DELETE(self) -> None:
        assert self.headers["authorization"] == f"Basic {base64.b64encode(b'admin:pw').decode()}"
        *_, name = urlsplit(self.path).path.split("/")
        self.server.comments[name]["delete"] = True
        self.say({})


@contextmanager
def standing_in(
    answering: type[Answering], desk: Desk, folder: Path, program: str, **environ: str
) -> Iterator[StandIn]:
    """Run a program of the page between a stand-in and Hakam."""
    names = ("between.py", "ghost.py", "remark42.py")
    for name, code in zip(names, codes_of("polling.md", "python"), strict=True):
        (folder / name).write_text(code)
    desk.tell("https://news.example/unused")
    with StandIn(answering) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        urls = {"GHOST_URL": server.url, "REMARK_URL": server.url}
        command, _ = start_of("polling.md", program, desk.environ | urls | environ)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        run = subprocess.Popen(
            command,
            cwd=folder,
            env={"EVERY_SECONDS": "0.1", "PATH": path},
            stderr=subprocess.DEVNULL,
        )
        yield server
        assert run.poll() is None
        run.terminate()
        run.wait(timeout=30.0)
        server.shutdown()


def test_ghost_shows_what_hakam_approves_and_hides_the_rest_though_it_refuses_once(
    desk: Desk, tmp_path: Path, abusive: str, harmless: str
) -> None:
    key = f"k1:{GHOST_SECRET}"
    with standing_in(GhostAnswering, desk, tmp_path, "ghost.py", GHOST_ADMIN_KEY=key) as ghost:
        for name, text in (("sealed", f"{abusive}!"), ("a", abusive), ("b", harmless)):
            ghost.comments[name] = {
                "id": name,
                "html": f"<p>{escape(text)}</p>",
                "status": "published",
                "member": {"id": "m1", "name": "Reader"},
                "post": {"id": "p1", "title": "News"},
            }

        def status(name: str) -> str:
            return str(ghost.comments[name]["status"])

        await_condition(lambda: status("a") == "hidden", what="a hidden comment")
        sealed, waiting = sorted(desk.waiting, key=lambda one: one.id != "sealed")
        assert (sealed.id, waiting.id, waiting.text) == ("sealed", "a", abusive)
        assert waiting.article_title == "News"
        decisions = [desk.decide("approve", told=False) for _ in range(2)]
        decision = next(one for one in decisions if one.comment_id == "a")
        await_condition(lambda: status("a") == "published", what="an approved comment")
        ReviewQueue(desk.redis).undo("demo", decision.item_id, "samira", request_id="r-undo")
        await_condition(lambda: status("a") == "hidden", what="a decision taken back")
        assert status("b") == "published"


def test_remark42_deletes_what_is_rejected_and_nothing_else(
    desk: Desk, tmp_path: Path, abusive: str, harmless: str
) -> None:
    more = {"SITE": "news", "ADMIN_PASSWD": "pw"}
    with standing_in(RemarkAnswering, desk, tmp_path, "remark42.py", **more) as remark:
        for name, text in (("a", abusive), ("b", harmless)):
            remark.comments[name] = {
                "id": name,
                "text": f"<p>{escape(text)}</p>",
                "orig": text,
                "user": {"id": "u1", "name": "Reader"},
                "locator": {"site": "news", "url": "https://news.example/1"},
            }
        await_condition(lambda: desk.waiting, what="a comment at the desk")
        assert [one.id for one in desk.waiting] == ["a https://news.example/1"]
        assert "delete" not in remark.comments["a"]
        desk.decide("reject", told=False)
        await_condition(lambda: "delete" in remark.comments["a"], what="a deleted comment")
        assert "delete" not in remark.comments["b"]


# Coop

_COMPARED = """
import example from "@roostorg/coop-integration-example";
import hakam, { manifest } from "./index.js";
const config = { url: process.env.HAKAM_URL, siteKey: process.env.HAKAM_SITE_KEY };
const context = { integrationId: manifest.id, getCredential: async (org) => org && config };
const signals = hakam.createSignals(context).map((one) => one.signal);
const theirs = example.createSignals(context)[1].signal;
const [abusive, harmless] = JSON.parse(process.env.TEXTS);
const run = async (signal, value) => (await signal.run({ orgId: "o", value })).score;
console.log(JSON.stringify({
  fields: [Object.keys(theirs), ...signals.map((one) => Object.keys(one))],
  manifests: [Object.keys(example.manifest), Object.keys(manifest)],
  sections: [example.manifest, manifest].map((one) => one.modelCard.sections.map((it) => it.id)),
  types: [manifest.signalTypeIds, signals.map((one) => one.id.type)],
  review: [await run(signals[0], abusive), await run(signals[0], { value: harmless })],
  toxicity: [await run(signals[1], abusive), await run(signals[1], harmless)],
  disabled: [await signals[0].getDisabledInfo("o"), await signals[0].getDisabledInfo("")],
}));
"""


def test_the_signals_of_coop_have_the_form_of_its_example_and_the_scores_of_hakam(
    desk: Desk, tmp_path: Path, abusive: str, harmless: str
) -> None:
    if not has_node():
        pytest.skip("no node and npm on this machine")
    npm_install(tmp_path, "--legacy-peer-deps", "@roostorg/coop-integration-example@2.0.1")
    types = tmp_path / "node_modules" / "@roostorg" / "types"  # which the registry does not give
    types.mkdir()
    (types / "package.json").write_text('{"type": "module", "main": "index.js"}')
    checks = "export const assertModelCardHasRequiredSections = () => {};"
    (types / "index.js").write_text(checks)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "index.js").write_text(code_of("coop.md", "js"))
    (tmp_path / "compared.js").write_text(_COMPARED)
    desk.tell("https://news.example/unused")
    run = subprocess.run(
        ["node", "compared.js"],
        cwd=tmp_path,
        env=desk.environ | {"PATH": os.environ["PATH"], "TEXTS": json.dumps([abusive, harmless])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    theirs, *ours = found["fields"]
    assert all(fields == theirs for fields in ours)
    theirs, ours = found["manifests"]
    assert set(theirs) - set(ours) == {"logoPath", "logoWithBackgroundPath"}
    for both in ("sections", "types"):
        assert found[both][0] == found[both][1]
    assert found["types"][0][1:] == [f"HAKAM_{label.upper()}" for label in LABELS]
    assert found["review"] == [True, False]
    assert found["toxicity"][0] > 0.5 > found["toxicity"][1]
    assert [one["disabled"] for one in found["disabled"]] == [False, True]


# A form of one's own


def test_a_form_asks_once_before_it_posts_and_its_page_holds_no_key(
    desk: Desk, page: Page, abusive: str, harmless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tell("https://news.example/hakam")
    for name, value in desk.environ.items():
        monkeypatch.setenv(name, value)
    known: dict[str, Any] = {"__name__": "relay"}
    exec(code_of("form.md", "python"), known)
    relay, posted, html = known["app"], [], code_of("form.md", "html")
    relay.add_url_rule("/", "index", lambda: f"<!doctype html><title>x</title>{html}")

    def receive() -> str:
        posted.append(flask.request.form["text"])
        return "received"

    relay.add_url_rule("/comments", "receive", receive, methods=["POST"])
    with closing(known["HAKAM"]), make_server("127.0.0.1", 0, relay, threaded=True) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.locator("textarea").fill(abusive)
        page.get_by_role("button").click()
        expect(page.get_by_role("status")).to_contain_text("اضغط مرة أخرى")  # "press again"
        assert posted == []
        assert desk.key not in page.content()
        page.get_by_role("button").click()
        expect(page.get_by_text("received")).to_be_visible()
        assert posted == [abusive]
        page.go_back()
        page.locator("textarea").fill(harmless)
        page.get_by_role("button").click()
        expect(page.get_by_text("received")).to_be_visible()
        assert posted == [abusive, harmless]
        assert desk.waiting == []
        server.shutdown()
