"""What an operator of the containers does wrong, and what gets lost or breaks beside them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import containers
import httpx
import pytest
from acme_authority import authority
from containers import Engine, Image, composed

from conftest import await_condition

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SECRET = {"HAKAM_SECRET_KEY": "k" * 64, "HAKAM_REDIS_PASSWORD": "p" * 64}
INSULT = "\u0623\u0646\u062a \u063a\u0628\u064a \u0648\u0644\u0627 \u062a\u0641\u0647\u0645"
OURS = ("web", "webhooks")  # what keeps something in HAKAM_VAR


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    """What the services of the compose file are started from."""
    if lacking := containers.missing():
        pytest.skip(f"it takes {lacking}")
    return containers.images(tmp_path_factory.mktemp("images") / "hakam")


@pytest.fixture
def laid(images: dict[str, Image], tmp_path: Path) -> Callable[..., Any]:
    """Lays the networks for the services with variables of an operator."""

    def lay(**variables: str) -> Any:
        return Engine(composed(SECRET | variables), images, tmp_path).laid()

    return lay


@contextmanager
def of_root(engine: Engine, volume: str) -> Iterator[None]:
    """Let a volume be root's, as one is that somebody copied."""
    place = engine.volume(volume)
    place.mkdir(parents=True)
    (place / "copied").touch()
    yield


@contextmanager
def of_megabytes(engine: Engine, volume: str, size: int) -> Iterator[Path]:
    """Let a volume of Redis be a disk of this size."""
    place = engine.volume(volume)
    place.mkdir(parents=True)
    disk = ["mount", "-t", "tmpfs", "-o", f"size={size}m,uid=999,gid=1000", "tmpfs", str(place)]
    subprocess.run(disk, check=True)
    try:
        yield place
    finally:
        for name in list(engine.running):
            engine.stop(name)
        subprocess.run(["umount", str(place)], check=True)


def test_a_password_that_is_no_part_of_an_address_is_refused_with_the_name_of_its_variable(
    laid: Any,
) -> None:
    with laid(HAKAM_REDIS_PASSWORD="p@ss/word#of:many?signs%and+letters") as engine:
        assert engine.start("redis").bwrap.wait(60.0) == 1
        said = engine.log("redis")
        assert "HAKAM_REDIS_PASSWORD" in said
        assert "p@ss" not in said


def test_a_volume_of_another_owner_is_named(laid: Any) -> None:
    with laid() as engine, of_root(engine, "queue"), of_root(engine, "var"):
        assert engine.start("redis").bwrap.wait(60.0) == 1
        assert engine.log("redis").startswith("The volume queue cannot be written")
        for name in OURS:
            assert engine.start(name).bwrap.wait(60.0) == 2
            (said,) = engine.log(name).splitlines()
            assert "HAKAM_VAR" in said


def test_a_volume_that_is_read_only_is_named(laid: Any) -> None:
    with laid() as engine:
        for name in OURS:
            mounts = engine.services[name]["volumes"]
            engine.services[name]["volumes"] = [
                f"{one}:ro" if one.startswith("var:") else one for one in mounts
            ]
            assert engine.start(name).bwrap.wait(60.0) == 2
            (said,) = engine.log(name).splitlines()
            assert "HAKAM_VAR" in said


def test_nothing_is_acknowledged_that_a_full_disk_or_a_killed_redis_did_not_keep(
    laid: Any,
) -> None:
    with laid() as engine, of_megabytes(engine, "queue", 3) as disk:
        for name in ("redis", "web", "proxy"):
            engine.start(name)
            engine.await_health(name)
        key = engine.running["web"].run("hakam", "sites", "add", "demo").stdout.strip()
        with httpx.Client(
            base_url=f"http://{engine.address('proxy', 'front')}:8000",
            headers={"Authorization": f"Bearer {key}"},
            timeout=60.0,
        ) as client:

            def sent(comment_id: str) -> int:
                comment = {"id": comment_id, "text": INSULT}
                return client.post("/v1/comments", json=comment).status_code

            filler = disk / "filler"
            subprocess.run(
                ["dd", "if=/dev/zero", f"of={filler}", "bs=1024", "status=none"],
                check=False,
                capture_output=True,
            )
            os.truncate(filler, filler.stat().st_size - 20_000)
            answers: dict[str, int] = {}
            while 503 not in answers.values():
                assert len(answers) < 1_000
                answers[f"c-{len(answers)}"] = sent(f"c-{len(answers)}")
            assert set(answers.values()) == {202, 503}
            assert client.get("/readyz").status_code == 503
            filler.unlink()
            engine.stop("redis")
            redis_again(engine)
            kept = client.get("/v1/queue/stats").json()["pending"]
            assert kept >= list(answers.values()).count(202)
            os.kill(engine.running["redis"].pid, 9)
            engine.running["redis"].bwrap.wait()
            assert sent("k-1") == 503
            engine.stop("redis")
            redis_again(engine)
            assert sent("k-1") in {200, 202}
            pending = client.get("/v1/queue/stats").json()["pending"]
            assert pending == kept + 1


def test_a_name_that_leads_elsewhere_gets_a_reason_and_the_right_one_a_certificate(
    laid: Any, tmp_path: Path
) -> None:
    with laid() as engine:
        proxy = engine.address("proxy", "front")
        names = {
            "hakam.wrong.example": engine.outside("front"),
            "hakam.old.example": proxy,
            "hakam.news.example": proxy,
        }
        with authority(tmp_path / "acme", engine.outside("outside"), names, port=8000) as giving:
            place = engine.volume("certificates")
            place.mkdir(parents=True)
            shutil.copy(giving.vouching, place / "authority.pem")
            told = engine.services["certificates"]["environment"]
            told["HAKAM_ACME_SERVER"] = giving.directory

            def called(name: str) -> None:
                for service in ("proxy", "certificates"):
                    engine.services[service]["environment"]["HAKAM_DOMAIN"] = name
                    if service in engine.running:
                        engine.stop(service)
                    engine.start(service)

            called("hakam.wrong.example")
            await_condition(
                lambda: "no new certificate for hakam.wrong.example" in engine.log("certificates"),
                what="a word about the wrong name",
                seconds=90.0,
            )
            assert "Detail: " in engine.log("certificates"), "what the authority saw"
            assert not (place / "fullchain.pem").exists()
            for name in ("hakam.old.example", "hakam.news.example"):
                called(name)
                await_condition(
                    partial(certified, place / "fullchain.pem", name),
                    what=f"a certificate for {name}",
                    seconds=90.0,
                )


def certified(file: Path, name: str) -> bool:
    """Whether a certificate is there, and for this name."""
    words = ["openssl", "x509", "-noout", "-checkhost", name, "-in", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return "does match" in done.stdout


def redis_again(engine: Engine) -> None:
    """Start Redis again, as Docker does when it has ended, and wait for the web server."""
    engine.start("redis")
    for name in ("redis", "web"):
        engine.await_health(name)
