"""Recipes of the documents: what they say is run with the comment systems that they are for."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from foreign_clients import pip_install
from itsdangerous import URLSafeTimedSerializer
from redis import Redis
from test_coral import abusive, harmless

from conftest import await_condition, deliver_once, free_port
from service.delivery.webhooks import Deliveries
from service.queue.decisions import DecisionStream
from service.queue.records import Decision
from service.queue.review_queue import ReviewQueue
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.slow

__all__ = ["abusive", "harmless"]  # fixtures

DOCS = Path(__file__).parent.parent / "docs"


def code_of(document: str, language: str) -> str:
    """The only code of a language in a document."""
    text = (DOCS / document).read_text(encoding="utf-8")
    (code,) = re.findall(rf"(?ms)^```{language}\n(.*?)^```", text)
    return str(code)


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
    command = [str(isso_python.parent / "gunicorn"), "--threads", "8", "-b", url[7:]]
    with (
        running([*command, "isso_hakam:application"], url, tmp_path, environ),
        httpx.Client() as reader,
    ):
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
