"""What was acknowledged survives: killed servers, killed workers, full memory, a silent Redis."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread, current_thread
from typing import Any

import httpx
import psutil
import pytest
from arriving import enqueue, reject
from flask.testing import FlaskClient
from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry
from redis_groups import KEEPING, PASSWORD, Server
from test_group_decisions import decide_many
from werkzeug.test import TestResponse

from conftest import await_condition, free_port, hakam, let_time_pass, redis_servers
from models.artifact import Artifact
from service.app import create_app
from service.config import Settings
from service.errors import Conflict, ItemNotFound, StoreUnavailable
from service.queue.decisions import DecisionStream
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.run.private_redis import PrivateRedis
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import connect
from service.store.scripts import site_keys

pytestmark = pytest.mark.slow

VERDICT = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")
KINDS = sorted(redis_servers())


def impatient(url: str, seconds: float = 0.8) -> Redis:
    """A client as the service has it."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
    )


@dataclass
class Own:
    """A Redis of the test's own, which it may kill."""

    server: PrivateRedis
    folder: Path
    url: str

    @property
    def pid(self) -> int:
        assert self.server._running is not None
        return self.server._running.pid

    def kill(self) -> None:
        assert self.server._running is not None
        self.server._running.kill()
        self.server._running.wait()
        self.server._running = None

    def start(self) -> None:
        self.server.start(self.folder)


@contextmanager
def own_redis(kind: str) -> Iterator[Own]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with PrivateRedis(redis_servers()[kind]) as server:
            yield Own(server, folder, server.start(folder))


@pytest.fixture(params=KINDS)
def own(request: pytest.FixtureRequest) -> Iterator[Own]:
    with own_redis(request.param) as own:
        yield own


def comment(name: str) -> Comment:
    return Comment(id=name, text=f"تعليق {name}", author_id="reader-7")  # "comment"


# A killed Redis


@dataclass
class Acknowledged:
    """What clients were told is stored."""

    comments: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)


def work(url: str, name: str, done: Acknowledged, stop: Event) -> None:
    """Send comments and decide them until told to stop, noting every answer that came."""
    n_sent = 0
    with impatient(url, 5.0) as redis:
        queue = ReviewQueue(redis)
        while not stop.is_set():
            with suppress(StoreUnavailable, Conflict, ItemNotFound):
                n_sent += 1
                made = enqueue(queue, "demo", comment(f"{name}-{n_sent}"), VERDICT, scores={})
                with done.lock:
                    done.comments.append(made.item_id)
                lease = queue.lease("demo", name)
                if lease is not None and n_sent % 2:
                    draft = Decision("approve", moderator=name, request_id=f"{name}-{n_sent}")
                    decision = queue.decide("demo", lease.item.id, lease.token, draft)
                    with done.lock:
                        done.decisions.append(decision.id)


def test_nothing_acknowledged_is_lost_or_doubled_when_redis_is_killed_under_load(own: Own) -> None:
    done = Acknowledged()
    stop = Event()
    names = [f"client-{number}" for number in range(4)]
    clients = [Thread(target=work, args=(own.url, name, done, stop)) for name in names]
    for client in clients:
        client.start()
    try:
        for _ in range(3):
            before = len(done.decisions)
            await_condition(lambda n=before: len(done.decisions) > n + 20, what="some decisions")  # type: ignore[misc]
            own.kill()
            own.start()
    finally:
        stop.set()
        for client in clients:
            client.join()
    with impatient(own.url, 10.0) as redis:
        queue = ReviewQueue(redis)
        for item_id in done.comments:
            assert queue.item("demo", item_id).comment.text
        entries = list(DecisionStream(redis).history("demo"))
        assert set(done.decisions) <= {entry.id for entry in entries}
        assert max(Counter(entry.item_id for entry in entries).values()) == 1
        stats = queue.stats("demo")
        n_items = redis.hlen("{hakam:demo}:items")
        assert n_items == stats.pending + stats.leased + len(entries)
        assert len(done.comments) == len(set(done.comments)) <= n_items
        assert DecisionStream(redis).verify("demo").n_entries == stats.outbox == len(entries)


# A full Redis


def everything(redis: Redis) -> dict[str, Any]:
    return {name: redis.dump(name) for name in site_keys("demo") if redis.exists(name)}


def test_a_full_redis_refuses_and_nothing_is_half_written(own: Own) -> None:
    raw = Redis.from_url(own.url)
    with impatient(own.url, 10.0) as redis, raw:
        queue = ReviewQueue(redis)
        made = enqueue(queue, "demo", comment("decided"), VERDICT, scores={})
        first = queue.lease("demo", "amal")
        assert first is not None
        draft = Decision("reject", moderator="amal", request_id="first", note="ملاحظة")  # "note"
        decision = queue.decide("demo", first.item.id, first.token, draft)
        for name in ("held", "waiting"):
            enqueue(queue, "demo", comment(name), VERDICT, scores={})
        held = queue.lease("demo", "amal")
        assert held is not None
        waiting = {item.id: 1 for item in queue.waiting("demo")}
        again = Decision("reject", moderator="amal", request_id="again", note="ملاحظة")
        before = everything(raw)
        raw.config_set("maxmemory", 1)
        for verb in (
            lambda: enqueue(queue, "demo", comment("new"), VERDICT, scores={}),
            lambda: enqueue(queue, "demo", Comment(id="waiting", text="x"), VERDICT, scores={}),
            lambda: reject(queue, "demo", comment("new"), VERDICT, scores={}),
            lambda: queue.decide("demo", held.item.id, held.token, again),
            lambda: queue.undo("demo", made.item_id, "amal", "undo"),
            lambda: decide_many(queue, waiting, again),
            lambda: queue.appeal("demo", decision.id, ""),
            lambda: queue.withdraw("demo", "waiting"),
        ):
            with pytest.raises(StoreUnavailable):
                verb()
            assert everything(raw) == before
        raw.config_set("maxmemory", 0)
        assert queue.decide("demo", held.item.id, held.token, again).kind == "decision"


# A Redis that refuses


@contextmanager
def setting(redis: Any, name: str, value: object, before: object) -> Iterator[None]:
    redis.config_set(name, value)
    try:
        yield
    finally:
        redis.config_set(name, before)


@contextmanager
def following_nobody(redis: Any) -> Iterator[None]:
    """Make a server a replica of a primary that is not there."""
    redis.replicaof("127.0.0.1", free_port())
    try:
        yield
    finally:
        redis.replicaof("NO", "ONE")


@contextmanager
def knowing_nobody(redis: Any) -> Iterator[None]:
    """Make it one that answers nothing before its primary is there."""
    with setting(redis, "replica-serve-stale-data", "no", "yes"), following_nobody(redis):
        yield


@contextmanager
def busy(redis: Any) -> Iterator[None]:
    """Let somebody run a script that does not end."""
    url = {"unix_socket_path": redis.connection_pool.connection_kwargs["path"]}
    endless = Thread(target=_run_endlessly, args=(url,))
    with setting(redis, "lua-time-limit", 1, 5000):
        endless.start()
        await_condition(lambda: _is_busy(redis), what="a busy server")
        try:
            yield
        finally:
            await_condition(redis.script_kill, what="the end of the script")
            endless.join()


def _run_endlessly(place: Any) -> None:
    with Redis(**place, retry=Retry(NoBackoff(), 0)) as other, suppress(RedisError):
        other.eval("while true do end", 0)


def _is_busy(redis: Any) -> bool:
    try:
        redis.get("x")
    except ResponseError as refusal:
        return "BUSY" in str(refusal)
    return False


REFUSING: Mapping[str, Callable[[Any], AbstractContextManager[None]]] = {
    "is full": lambda redis: setting(redis, "maxmemory", 1, 0),
    "it is a replica": following_nobody,
    "is a replica without its primary": knowing_nobody,
    "it misses replicas": lambda redis: setting(redis, "min-replicas-to-write", 1, 0),
    "is busy with a script": busy,
}


@dataclass
class Web:
    """The web application in this process, with the key of its site."""

    client: FlaskClient
    key: str

    def post(self, path: str, **body: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.key}"}
        return self.client.post(f"/v1/{path}", json=body, headers=headers)


@contextmanager
def web(url: str, settings: Settings, artifact: Artifact, var: Path) -> Iterator[Web]:
    settings = settings.model_copy(update={"var": var})  # it knows of no other Redis
    with connect(url, 5.0) as redis:
        key = Sites(redis).add(Site("demo", review_first_comments=1, random_sample_share=0.0))
        yield Web(create_app(settings, redis=redis, artifact=artifact).test_client(), key)


@pytest.mark.parametrize("reason", REFUSING)
def test_what_redis_refuses_is_answered_with_503_and_the_reason_and_nothing_is_half_written(
    reason: str, own: Own, settings: Settings, artifact: Artifact, tmp_path: Path
) -> None:
    with (
        web(own.url, settings, artifact, tmp_path) as site,
        impatient(own.url, 10.0) as redis,
        Redis.from_url(own.url) as raw,
    ):
        assert site.post("comments", id="held", text=INSULT).status_code == 202
        lease = site.post("queue/lease", moderator="amal").get_json()
        place = f"queue/items/{lease['item']['id']}"
        asked: Sequence[tuple[str, dict[str, Any]]] = (
            ("comments", {"id": "new", "text": INSULT}),
            (
                f"{place}/decide",
                {"token": lease["token"], "action": "reject", "moderator": "amal"}
                | {"request_id": "first"},
            ),
        )
        before = everything(raw)
        with REFUSING[reason](redis):
            for path, body in asked:
                answer = site.post(path, **body)
                assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
                assert reason in answer.get_json()["detail"]
        assert everything(raw) == before
        assert [site.post(path, **body).status_code for path, body in asked] == [202, 200]


def test_a_redis_that_reads_its_files_is_said_to_and_then_all_is_there(
    settings: Settings, artifact: Artifact, tmp_path: Path
) -> None:
    options = {**KEEPING, "min-replicas-to-write": 0, "aof-use-rdb-preamble": "no"}
    server = Server(tmp_path / "redis", options)
    server.start()
    try:
        await_condition(server.role, what="the server")
        url = f"redis://:{PASSWORD}@127.0.0.1:{server.port}/0"
        with web(url, settings, artifact, tmp_path) as site:
            assert site.post("comments", id="before", text=INSULT).status_code == 202
            with server.client() as redis, redis.pipeline(transaction=False) as line:
                for number in range(50_000):
                    line.set("hakam:filler", number)
                line.execute()
            server.kill()
            server.options = {**options, "key-load-delay": 200}  # microseconds for each command
            server.start()

            def reading() -> bool:
                answer = site.post("comments", id="new", text=INSULT)
                assert answer.status_code == 503, "nothing is there yet"
                return "is still reading its files" in answer.get_json()["detail"]

            await_condition(reading, what="a server that reads")
            server.kill()
            server.options = options
            server.start()
            taken = lambda: site.post("comments", id="new", text=INSULT).status_code == 202  # noqa: E731
            await_condition(taken, what="the comment")
            waiting = site.client.get(
                "/v1/queue/stats", headers={"Authorization": f"Bearer {site.key}"}
            )
            assert waiting.get_json()["pending"] == 2
    finally:
        server.kill()


# A silent Redis


def test_a_silent_redis_is_an_unavailable_store_and_comes_back_by_itself(own: Own) -> None:
    with impatient(own.url) as redis:
        queue = ReviewQueue(redis)
        enqueue(queue, "demo", comment("before"), VERDICT, scores={})
        with silent(own), pytest.raises(StoreUnavailable):
            enqueue(queue, "demo", comment("during"), VERDICT, scores={})

        def sent() -> bool:
            with suppress(StoreUnavailable):
                enqueue(queue, "demo", comment("after"), VERDICT, scores={})
                return True
            return False

        await_condition(sent, what="recovery")
        assert {item.comment.id for item in queue.waiting("demo")} >= {"before", "after"}


@contextmanager
def silent(own: Own) -> Iterator[None]:
    """Let the server say nothing for a while."""
    os.kill(own.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(own.pid, signal.SIGCONT)


def test_a_silent_redis_is_waited_for_once_and_asked_again_by_no_request(
    own: Own,
    settings: Settings,
    artifact: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    settings = settings.model_copy(update={"var": tmp_path})  # it knows of no other Redis
    asking: list[str] = []
    send = AbstractConnection.send_packed_command

    def noting(self: AbstractConnection, *args: Any, **options: Any) -> None:
        asking.append(current_thread().name)
        send(self, *args, **options)  # type: ignore[no-untyped-call]

    with connect(own.url) as redis:
        key = Sites(redis).add(Site("demo", review_first_comments=1, random_sample_share=0.0))
        client = create_app(settings, redis=redis, artifact=artifact).test_client()
        headers = {"Authorization": f"Bearer {key}"}

        def post(path: str, **body: Any) -> int:
            return client.post(path, json=body, headers=headers).status_code

        assert post("/v1/score", text=INSULT) == 200
        with silent(own):
            assert post("/v1/comments", id="c-1", text=INSULT) == 503
            monkeypatch.setattr(AbstractConnection, "send_packed_command", noting)
            for _ in range(3):
                n_asked = len(asking)
                await_condition(lambda n=n_asked: len(asking) > n, what="a question")  # type: ignore[misc]
                assert post("/v1/score", text=INSULT) == 200
                assert post("/v1/comments", id="c-1", text=INSULT) == 503
                assert client.get("/readyz").status_code == 503
                assert client.get("/healthz").status_code == 200
                client.get("/console/static/console.css").close()
            assert set(asking) == {"redis-silence"}
        await_condition(lambda: post("/v1/comments", id="c-1", text=INSULT) == 202, what="recovery")
        assert current_thread().name in asking


# The service on top


INSULT = "أنت غبي ولا تفهم شيئا"  # "you are stupid and understand nothing"


@dataclass
class Service:
    """Gunicorn with two workers on a Redis of its own, and the key of its site."""

    url: str
    key: str
    master: psutil.Process
    redis: Own

    def send(self, name: str) -> httpx.Response:
        """Send a comment that a person must see."""
        headers = {"Authorization": f"Bearer {self.key}"}
        body = {"id": name, "text": INSULT}
        return httpx.post(f"{self.url}/v1/comments", json=body, headers=headers, timeout=10.0)


@pytest.fixture(scope="module")
def service(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with own_redis(KINDS[0]) as own, tempfile.TemporaryFile() as log:
        with impatient(own.url, 10.0) as redis:
            key = Sites(redis).add(Site("demo", review={"toxicity": 0.0}, random_sample_share=0.0))
        variables = {
            "HAKAM_REDIS_URL": own.url,
            "HAKAM_VAR": str(tmp_path_factory.mktemp("var")),
            "HAKAM_WORKERS": "2",
            "HAKAM_HOST": "127.0.0.1",
            "HAKAM_PORT": str(port),
        }
        server = hakam("serve", environ=environ | variables, stdout=log, stderr=log)

        def ready() -> bool:
            assert server.poll() is None, "hakam serve stopped"
            with suppress(httpx.TransportError):
                return httpx.get(f"{url}/readyz", timeout=5.0).is_success
            return False

        try:
            await_condition(ready, what="readiness", seconds=60.0)
            yield Service(url, key, psutil.Process(server.pid), own)
        finally:
            server.terminate()
            server.wait(timeout=30.0)


OF_REQUESTS = ("get", "hmget", "evalsha")


def test_while_redis_is_silent_only_what_needs_it_is_refused(service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.key}"}
    await_condition(lambda: service.send("c-1").status_code == 202, what="a first comment")
    n_asked = 100
    with impatient(service.redis.url, 10.0) as redis:
        redis.config_resetstat()
        with silent(service.redis):
            answers = [service.send(f"c-{n}") for n in range(n_asked)]

            def scored() -> bool:
                body = {"text": INSULT}
                url = f"{service.url}/v1/score"
                return httpx.post(url, json=body, headers=headers, timeout=10.0).is_success

            # A worker that has only started since knows no site.
            await_condition(scored, what="a score by a worker that knows the site")
        assert {answer.status_code for answer in answers} == {503}
        assert answers[0].headers["retry-after"]
        await_condition(lambda: service.send("c-2").status_code == 202, what="recovery")
        # Redis answers at last whoever came meanwhile, the threads that waited for it too. How
        # often it is only asked whether it is there again is a matter of time.
        known = redis.info("commandstats")
        n_calls = [known.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in OF_REQUESTS]
        assert sum(n_calls) < n_asked


def test_a_killed_worker_loses_no_comment_it_acknowledged(service: Service) -> None:
    acknowledged: list[str] = []
    stop = Event()

    def send(site: str) -> None:
        n_sent = 0
        while not stop.is_set():
            n_sent += 1
            with suppress(httpx.TransportError):
                answer = service.send(f"{site}-{n_sent}")
                if answer.status_code == 202:
                    acknowledged.append(answer.json()["review"]["item_id"])

    senders = [Thread(target=send, args=(f"site-{number}",)) for number in range(3)]
    for sender in senders:
        sender.start()
    try:
        for _ in range(2):
            goal = len(acknowledged) + 20
            await_condition(lambda n=goal: len(acknowledged) > n, what="comments", seconds=60.0)  # type: ignore[misc]
            with suppress(psutil.NoSuchProcess):
                service.master.children()[0].kill()
        goal = len(acknowledged) + 20
        await_condition(lambda: len(acknowledged) > goal, what="more comments", seconds=60.0)
    finally:
        stop.set()
        for sender in senders:
            sender.join()
    with impatient(service.redis.url, 10.0) as redis:
        waiting = {item.id for item in ReviewQueue(redis).waiting("demo", limit=1000)}
        assert len(acknowledged) == len(set(acknowledged))
        assert set(acknowledged) <= waiting


def test_a_web_server_that_was_paused_decides_nothing_with_a_lease_that_has_run_out_meanwhile(
    service: Service, settings: Settings, artifact: Artifact, tmp_path: Path
) -> None:
    headers = {"Authorization": f"Bearer {service.key}"}

    def ask(path: str, **body: Any) -> httpx.Response:
        address = f"{service.url}/v1/{path}"
        return httpx.post(address, json=body, headers=headers, timeout=60.0)

    await_condition(lambda: service.send("paused").status_code == 202, what="the comment")
    with impatient(service.redis.url, 10.0) as redis, connect(service.redis.url, 5.0) as other:
        held: list[tuple[str, int]] = []
        while (given := ask("queue/lease", moderator="amal")).status_code == 200:
            lease = given.json()
            held.append((lease["item"]["id"], lease["token"]))
        item, token = held[-1]
        body = {"moderator": "amal", "token": token, "action": "approve", "request_id": "late"}
        late: list[httpx.Response] = []
        asking = Thread(target=lambda: late.append(ask(f"queue/items/{item}/decide", **body)))
        family = [service.master, *service.master.children(recursive=True)]
        for process in family:
            process.suspend()
        try:
            asking.start()
            let_time_pass(redis, int(settings.lease_seconds * 1000) + 1, item)
            queue = ReviewQueue(other, lease_seconds=settings.lease_seconds)
            again = queue.lease("demo", "salma")
            assert again is not None
            assert (again.item.id, again.token > token) == (item, True)
            draft = Decision("reject", moderator="salma", request_id="in-time")
            decision = queue.decide("demo", item, again.token, draft)
        finally:
            for process in family:
                process.resume()
        asking.join()
        assert late[0].status_code == 409
        entries = [one for one in DecisionStream(redis).history("demo") if one.item_id == item]
        assert [one.id for one in entries] == [decision.id]


# The delivery of webhooks


def test_a_killed_delivery_process_loses_no_delivery_and_doubles_none_under_another_id(
    own: Own, environ: dict[str, str], tmp_path: Path
) -> None:
    from fake_sites import answering
    from test_webhooks import SECRET

    environ = environ | {"HAKAM_REDIS_URL": own.url, "HAKAM_VAR": str(tmp_path)}
    with answering() as endpoint, impatient(own.url, 10.0) as redis:
        site = Site("demo", webhook_url=endpoint.url, webhook_secret=SECRET, webhook_private=True)
        Sites(redis).add(site)
        queue = ReviewQueue(redis)
        n_decisions = 30
        for number in range(n_decisions):
            enqueue(queue, "demo", comment(f"c-{number}"), VERDICT, scores={})
        chosen = {item.id: 1 for item in queue.waiting("demo")}
        decide_many(queue, chosen, Decision("approve", moderator="amal", request_id="all"))
        for n_told in (5, 15):
            deliveries = hakam("webhooks", environ=environ)
            await_condition(lambda n=n_told: len(endpoint.told) >= n, what="deliveries")  # type: ignore[misc]
            deliveries.kill()
            deliveries.wait()
            for item_id in redis.zrange("{hakam:demo}:outbox", 0, -1):  # the hold runs out
                redis.zadd("{hakam:demo}:outbox", {str(item_id): 0})
        deliveries = hakam("webhooks", environ=environ)
        try:
            await_condition(lambda: queue.stats("demo").outbox == 0, what="the rest")
        finally:
            deliveries.terminate()
            deliveries.wait(timeout=30.0)
        ids: dict[str, set[str]] = {}
        for headers, body in endpoint.told:
            decision = json.loads(body)["data"]["decision_id"]
            ids.setdefault(decision, set()).add(headers["webhook-id"])
        assert len(ids) == n_decisions
        assert all(len(known) == 1 for known in ids.values())
