"""Promoting and rolling back while gunicorn serves: nobody restarts it, no request is lost."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx
import pytest

from conftest import await_condition, served
from models.registry import Registry
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import Redis

pytestmark = pytest.mark.slow

LOOK_SECONDS = 60.0
Answers = Counter[tuple[int, str, str]]  # status, version in the body, version in the header


@pytest.fixture
def registry(artifacts: Path, tmp_path: Path) -> Registry:
    """The artefact of the tests, promoted, and its copy under another name, which is not."""
    root = tmp_path / "artifacts"
    shutil.copytree(artifacts, root)
    registry = Registry(root)
    first = registry.load()
    registry.save(first.classifier, {"operating_points": first.operating_points}, "# Again\n")
    return registry


@contextmanager
def under_load(url: str, key: str) -> Iterator[list[Future[Answers]]]:
    """Ask all the time, by connections that are kept and by new ones."""
    stop = Event()
    headers = {"Authorization": f"Bearer {key}"}

    def ask(number: int) -> Answers:
        found: Answers = Counter()
        with httpx.Client(base_url=url, headers=headers, timeout=60.0) as kept:
            while not stop.is_set():
                body = {"id": f"{number}-{found.total()}", "text": "x"}
                if number % 2:
                    answer = kept.post("/v1/comments", json=body)
                else:
                    answer = httpx.post(
                        f"{url}/v1/comments", json=body, headers=headers, timeout=60.0
                    )
                named = answer.headers["Hakam-Model-Version"]
                found[answer.status_code, answer.json()["model_version"], named] += 1
        return found

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(ask, number) for number in range(4)]
        try:
            yield asking
        finally:
            stop.set()


def in_use(url: str) -> str:
    return str(httpx.get(f"{url}/readyz", timeout=30.0).json()["model_version"])


def test_no_request_is_lost_while_an_artefact_is_promoted_and_rolled_back(
    environ: dict[str, str], redis: Redis, registry: Registry, tmp_path: Path
) -> None:
    first, second = registry.versions()
    key = Sites(redis).add(Site("demo"))
    environ = environ | {"HAKAM_ARTIFACTS": str(registry.root)}
    with served(environ, tmp_path / "log") as url, under_load(url, key) as asking:
        assert in_use(url) == first
        registry.promote(second)
        await_condition(lambda: in_use(url) == second, what="the promoted", seconds=LOOK_SECONDS)
        assert registry.rollback() == first
        await_condition(lambda: in_use(url) == first, what="the first", seconds=LOOK_SECONDS)
    answers = sum((one.result() for one in asking), Answers())
    assert {status for status, _, _ in answers} <= {200, 202}
    assert {(told, named) for _, told, named in answers} == {(first, first), (second, second)}


def test_an_artefact_that_arrives_in_pieces_is_taken_up_once_it_is_whole(
    environ: dict[str, str], redis: Redis, registry: Registry, tmp_path: Path
) -> None:
    first, second = registry.versions()
    table = registry.root / second / "table.npy"
    whole = table.read_bytes()
    registry.promote(second)
    registry.rollback()
    table.write_bytes(whole[:1000])
    log = tmp_path / "log"
    with served(environ | {"HAKAM_ARTIFACTS": str(registry.root)}, log) as url:
        (registry.root / "CURRENT").write_text(f"{second}\n")
        notice = await_condition(lambda: said(url), what="a notice", seconds=LOOK_SECONDS)
        assert notice.startswith(f"The promoted artefact is not in use, {first} is: ")
        assert notice in log.read_text()
        assert in_use(url) == first
        refused = "\nhakam_artifact_refused "
        await_condition(lambda: f"{refused}1.0" in numbers(url), what="a number that says so")
        table.write_bytes(whole)
        await_condition(lambda: in_use(url) == second, what="the promoted", seconds=LOOK_SECONDS)
        await_condition(lambda: f"{refused}0.0" in numbers(url), what="a number that says so")
        await_condition(lambda: not said(url), what="the end of the notice")
        assert f'hakam_artifact{{version="{second}"}} 1.0' in numbers(url)
        assert f'"version": "{second}", "event": "artifact"' in log.read_text()


def said(url: str) -> str:
    return httpx.get(f"{url}/readyz", timeout=30.0).json()["notice"] or ""


def numbers(url: str) -> str:
    return httpx.get(f"{url}/metrics", timeout=30.0).text
