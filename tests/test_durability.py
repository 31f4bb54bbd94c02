"""A store that lost something, or would, is called so; it is no wrong key and no empty queue."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from arriving import enqueue
from flask import Flask
from flask.testing import FlaskClient
from pyotp import TOTP
from redis import Redis
from test_console import PASSWORD, Console
from test_review_queue_faults import Own, impatient, silent
from test_review_queue_faults import own as own  # noqa: PLC0414 - a fixture

from conftest import await_condition, free_port, hakam
from models.artifact import Artifact
from service.accounts.accounts import Accounts
from service.app import create_app
from service.config import Settings
from service.errors import StoreLost, StoreMisconfigured, UnknownFormat
from service.queue.decisions import DecisionStream
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.run.private_redis import PrivateRedis, socket_url
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import connect
from service.store.durability import BEFORE_FORMATS, FORMAT, FORMAT_KEY, KEY, MARK, Durability

pytestmark = pytest.mark.slow


@pytest.fixture
def own_settings(own: Own, settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"redis_url": own.url, "var": tmp_path / "var"})


@pytest.fixture
def own_client(own_settings: Settings, artifact: Artifact) -> Iterator[FlaskClient]:
    with connect(own_settings.redis_url) as redis:
        yield create_app(own_settings, redis=redis, artifact=artifact).test_client()


def cut_off(own: Own, n_bytes: int) -> None:
    """Stop the server, cut bytes off the end of its append-only file, and start it again."""
    own.server.stop()
    folder = own.folder / "redis"
    (file,) = [*folder.glob("appendonly.aof"), *folder.glob("appendonlydir/*.incr.aof")]
    content = file.read_bytes()
    file.write_bytes(content[:-n_bytes])
    own.start()


def test_a_file_whose_end_was_cut_off_is_noticed_and_the_times_are_said(
    own: Own, tmp_path: Path
) -> None:
    file = tmp_path / "store"
    with impatient(own.url, 10.0) as redis:
        Durability(redis, file).check()
        redis.set("lost", "x" * 100_000)
        Durability(redis, file).check()
        Durability(redis, file).check()
    cut_off(own, 50_000)
    with impatient(own.url, 10.0) as redis:
        assert redis.get("lost") is None, "something acknowledged is gone"
        for durability in (Durability(redis, file), Durability(redis, file)):
            with pytest.raises(StoreLost, match=r"given between \d{4}.*Z? and \d{4}"):
                durability.check()
        Durability(redis, file).accept()
        Durability(redis, file).check()


def test_a_file_cut_off_behind_the_last_check_or_not_at_all_is_the_same_store(
    own: Own, tmp_path: Path
) -> None:
    file = tmp_path / "store"
    with impatient(own.url, 10.0) as redis:
        Durability(redis, file).check()
    own.kill()
    own.start()
    with impatient(own.url, 10.0) as redis:
        Durability(redis, file).check()


def test_every_check_moves_the_mark_on_whatever_the_clock_says(own: Own, tmp_path: Path) -> None:
    durability = Durability(impatient(own.url, 10.0), tmp_path / "store")
    with impatient(own.url, 10.0) as redis:
        durability.check()
        ahead = int(str(redis.get(MARK))) + 10_000_000
        redis.set(MARK, ahead)  # the clock was ahead once
        for number in (1, 2):
            durability.check()
            assert int(str(redis.get(MARK))) == ahead + number


def test_what_an_earlier_version_kept_is_known(own: Own, tmp_path: Path) -> None:
    file = tmp_path / "store"
    file.write_text("0123456789abcdef")
    with impatient(own.url, 10.0) as redis:
        redis.mset({KEY: "0123456789abcdef", FORMAT_KEY: FORMAT})
        Durability(redis, file).check()
        assert re.fullmatch(r"0123456789abcdef \d{13}", file.read_text())


def written_in(redis: Any, found: Mapping[str, str]) -> None:
    redis.delete(KEY, FORMAT_KEY)
    redis.mset(found)


OTHER_FORMATS = {
    "newer": {KEY: "0123456789abcdef", FORMAT_KEY: str(FORMAT + 1)},
    "none": {KEY: "0123456789abcdef"},
    "older": {BEFORE_FORMATS: "0123456789abcdef"},
}


@pytest.mark.parametrize("found", OTHER_FORMATS.values(), ids=OTHER_FORMATS)
def test_a_store_of_another_format_is_refused_at_the_start_with_what_to_do(
    own: Own, own_settings: Settings, artifact: Artifact, found: Mapping[str, str]
) -> None:
    with impatient(own.url, 10.0) as redis:
        written_in(redis, found)
        with pytest.raises(UnknownFormat, match="hakam decisions export"):
            create_app(own_settings, redis=redis, artifact=artifact)
        assert redis.get(KEY) == found.get(KEY), "nothing is written into it"
    said = rehearsal(own_settings)
    assert said.returncode == 2
    (sentence,) = said.stderr.splitlines()
    assert sentence.startswith("Error: What Redis holds was not written in a format from 1 to 4")


def test_a_store_of_format_1_is_worked_on_and_closed_to_the_version_that_filled_it(
    redis: Redis, artifact: Artifact, tmp_path: Path
) -> None:
    queue = ReviewQueue(redis)
    verdict = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
    old = enqueue(queue, "demo", Comment("c1", "text"), verdict, scores={"insult": 0.9})
    for key in ("items", "texts"):  # as they were written then
        stored: Any = redis.hgetall(f"{{hakam:demo}}:{key}")
        for name, record in stored.items():
            as_then = record.replace(f'"format":{FORMAT}', '"format":1')
            assert as_then != record
            redis.hset(f"{{hakam:demo}}:{key}", name, as_then)
    redis.set(FORMAT_KEY, "1")
    Durability(redis, tmp_path / "store").check()
    assert redis.get(FORMAT_KEY) == str(FORMAT), "which a Hakam of format 1 refuses"
    lease = queue.lease("demo", "samira")
    assert lease is not None
    assert (lease.item.id, lease.item.sentence, lease.item.damaged) == (old.item_id, (), False)
    draft = Decision("reject", ("insult",), moderator="samira", request_id="r1")
    queue.decide("demo", lease.item.id, lease.token, draft)
    (decision,) = DecisionStream(redis).read("demo")
    assert (decision.comment_id, decision.damaged) == ("c1", False)


def test_an_emptied_store_whose_loss_is_accepted_has_the_format_of_this_version(
    redis: Redis, tmp_path: Path
) -> None:
    file = tmp_path / "store"
    redis.delete(KEY)
    Durability(redis, file).check()
    redis.flushall()
    Durability(redis, file).accept()
    Durability(redis, file).check()
    assert redis.get(FORMAT_KEY) == str(FORMAT)


def test_accepting_a_loss_takes_no_store_of_another_format_for_one_of_this(
    redis: Redis, tmp_path: Path
) -> None:
    file = tmp_path / "store"
    redis.delete(KEY)
    Durability(redis, file).check()
    written_in(redis, OTHER_FORMATS["newer"])
    Durability(redis, file).accept()
    with pytest.raises(UnknownFormat):
        Durability(redis, file).check()


def rehearsal(settings: Settings) -> subprocess.CompletedProcess[str]:
    """What gunicorn does before it starts workers."""
    return subprocess.run(
        [sys.executable, "-m", "service.run.application"],
        env=settings.to_environ(),
        capture_output=True,
        text=True,
        timeout=120.0,
        check=False,
    )


def test_which_redis_it_is_is_known_from_the_start_on(
    own_client: FlaskClient, own_settings: Settings, own: Own
) -> None:
    with impatient(own.url, 10.0) as redis:
        assert own_settings.store_file.read_text().split(" ") == [redis.get(KEY), redis.get(MARK)]


def full(redis: Any) -> None:
    redis.config_set("maxmemory", 1)


def replica(redis: Any) -> None:
    redis.replicaof("127.0.0.1", free_port())


def writable_replica(redis: Any) -> None:
    redis.config_set("replica-read-only", "no")


def paused(redis: Any) -> None:
    redis.execute_command("CLIENT PAUSE", 60_000)


def without_replicas(redis: Any) -> None:
    redis.config_set("min-replicas-to-write", 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (full, "full"),
        (replica, "replica"),
        (writable_replica, "replica-read-only is no"),
        (paused, "does not answer in time"),
        (without_replicas, "misses replicas"),
    ],
)
def test_a_redis_that_takes_no_writes_is_not_ready_and_the_reason_is_said(
    own: Own, own_client: FlaskClient, change: Callable[[Any], None], reason: str
) -> None:
    assert own_client.get("/readyz").status_code == 200
    with impatient(own.url, 10.0) as redis:
        change(redis)
    answer = own_client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json is not None
    assert reason in answer.json["detail"]


@pytest.mark.parametrize("key", ["hk_demo_" + "A" * 43, "", "own"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/score"),
        ("POST", "/v1/comments"),
        ("GET", "/v1/decisions"),
        ("GET", "/v1/queue/stats"),
        ("POST", "/v1/moderations"),
        ("POST", "/v1alpha1/comments:analyze"),
    ],
)
def test_an_emptied_store_is_no_wrong_key(
    app: Flask, redis: Redis, api_key: str, method: str, path: str, key: str
) -> None:
    client = app.test_client()
    key = {"own": api_key}.get(key, key)
    headers = {"Authorization": f"Bearer {key}", "X-Goog-Api-Key": key}
    redis.flushall()
    answer = client.open(path, method=method, headers=headers, json={"text": "x"})
    if not key:
        assert answer.status_code in {400, 401, 403}
    else:
        assert answer.status_code == 503
        assert "UNAVAILABLE" in answer.text or "hakam check --accept-loss" in answer.text


@pytest.mark.parametrize(("on_its_files", "status"), [(True, 202), (False, 503)])
def test_a_restarted_redis_gets_comments_of_known_sites_only_if_it_is_the_same(
    app: Flask, redis: Redis, on_its_files: bool, status: int
) -> None:
    """Not even within the second for which a worker goes by what it knows of a site."""
    key = Sites(redis).add(Site("demo", review={"toxicity": 0.0}))
    headers = {"Authorization": f"Bearer {key}"}

    def send(comment_id: str) -> int:
        body = {"id": comment_id, "text": "hello"}
        return app.test_client().post("/v1/comments", json=body, headers=headers).status_code

    app.extensions["hakam"].known_sites._timer = lambda: 0.0
    assert app.test_client().get("/readyz").status_code == 200
    assert send("c-1") == 202
    if not on_its_files:
        redis.flushall()
    redis.script_flush()
    assert send("c-2") == status
    assert bool(redis.exists("{hakam:demo}:items")) is on_its_files


def set_back(redis: Redis, settings: Settings) -> None:
    word, _, mark = settings.store_file.read_text().partition(" ")
    redis.flushall()
    redis.mset({KEY: word, MARK: int(mark) - 1})


def emptied(redis: Redis, settings: Settings) -> None:
    redis.flushall()


@pytest.mark.parametrize("lose", [emptied, set_back])
@pytest.mark.parametrize("place", ["log-in", "session", "form", "invitation", "code"])
def test_the_console_tells_who_is_no_more_in_the_store_that_the_store_lost_something(
    own_settings: Settings,
    own: Own,
    artifact: Artifact,
    lose: Callable[[Redis, Settings], None],
    place: str,
) -> None:
    with connect(own_settings.redis_url) as redis:
        app = create_app(own_settings, redis=redis, artifact=artifact)
        accounts: Accounts = app.extensions["hakam"].accounts
        accounts.add("samira", PASSWORD, "admin")
        link = accounts.invite("nura", "moderator")
        browser = Console(app, "samira")
        if place == "code":
            assert accounts.second_factor.confirm(
                "samira", TOTP(accounts.second_factor.propose("samira")).now()
            )
        if place in {"session", "form", "code"}:
            browser.log_in()
        lose(redis, own_settings)
        if place == "log-in":
            page = browser.log_in().last.text
        elif place == "form":
            page = browser.post("/demo/items/1", note="typed")
            assert "typed" in page, "what was typed is kept"
        elif place == "code":
            page = browser.post("/login/code", code="123456")
        else:
            page = browser.get({"session": "/overview", "invitation": f"/invitation/{link}"}[place])
        assert browser.last.status_code == 503
        assert "hakam check" in page


def test_the_mark_moves_on_while_nobody_asks(own: Own, own_settings: Settings) -> None:
    environ = {"HAKAM_VAR": str(own_settings.var), "HAKAM_REDIS_URL": own.url}

    def mark() -> int:
        file = own_settings.store_file
        return int(file.read_text().partition(" ")[2]) if file.exists() else 0

    running = hakam("webhooks", environ=environ)
    try:
        first = await_condition(mark, what="the first check")
        await_condition(lambda: mark() > first, what="the next check")
    finally:
        running.terminate()
        running.wait(timeout=30.0)


def test_metrics_say_nothing_of_queues_that_cannot_be_counted(
    app: Flask, redis: Redis, api_key: str
) -> None:
    client = app.test_client()
    assert "hakam_queue_pending 0.0" in client.get("/metrics").text
    redis.flushall()
    assert "hakam_queue" not in client.get("/metrics").text


def test_metrics_say_nothing_of_queues_while_redis_is_silent(
    own: Own, own_client: FlaskClient
) -> None:
    assert "hakam_queue_pending 0.0" in own_client.get("/metrics").text
    with silent(own):
        numbers = own_client.get("/metrics").text
    assert "hakam_queue" not in numbers
    assert "hakam_requests_total" in numbers


def test_hakam_run_says_that_data_were_lost_and_makes_no_new_demo_site(tmp_path: Path) -> None:
    var, port = tmp_path / "var", free_port()
    environ = {"HAKAM_VAR": str(var), "HAKAM_PORT": str(port)}
    with PrivateRedis() as server, impatient(server.start(var), 10.0) as redis:
        key = Sites(redis).add(Site("mine"))
        Durability(redis, Settings(var=var).store_file).check()
    for file in [*var.glob("redis/appendonlydir/*"), *var.glob("redis/appendonly.aof")]:
        file.unlink()
    log = tmp_path / "log"
    with log.open("w") as out:
        command = hakam("run", environ=environ, stdout=out, stderr=out)
    try:
        await_condition(lambda: "Ctrl-C" in log.read_text(), what="the welcome", seconds=60.0)
        assert re.search(
            r"Warning: Redis has lost what it held.*all was there at 20", log.read_text()
        )
        headers = {"Authorization": f"Bearer {key}"}
        url = f"http://127.0.0.1:{port}"
        answer = httpx.post(f"{url}/v1/score", json={"text": "x"}, headers=headers, timeout=10.0)
        assert (answer.status_code, answer.json()["title"]) == (
            503,
            "The store has lost what it held",
        )
        assert httpx.get(f"{url}/readyz", timeout=10.0).status_code == 503
        with impatient(socket_url(var), 10.0) as redis:
            assert Sites(redis).list() == []
        refused = hakam("check", environ=environ, stderr=-1, stdout=-1)
        assert "has lost" in refused.communicate(timeout=60.0)[1]
        assert refused.returncode == 2
        accepted = hakam("check", "--accept-loss", environ=environ)
        assert accepted.wait(timeout=60.0) == 0
        assert httpx.get(f"{url}/readyz", timeout=10.0).status_code == 200
        assert (
            httpx.post(f"{url}/v1/score", json={}, headers=headers, timeout=10.0).status_code == 401
        )
    finally:
        command.send_signal(signal.SIGINT)
        command.wait(timeout=60.0)


def rewritten(redis: Redis) -> bool:
    state: Any = redis.info("persistence")
    return not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]


def test_a_redis_that_was_emptied_is_noticed_until_the_loss_is_accepted(
    redis: Redis, tmp_path: Path
) -> None:
    redis.delete(KEY)
    file = tmp_path / "store"
    Durability(redis, file).check()
    redis.flushall()
    for durability in (Durability(redis, file), Durability(redis, file)):
        with pytest.raises(StoreLost, match="rebuild"):
            durability.check()
    Durability(redis, file).accept()
    durability.check()


def test_a_file_that_cannot_be_written_is_said_and_the_running_service_goes_on(
    redis: Redis, tmp_path: Path
) -> None:
    (tmp_path / "var").touch()  # no folder
    durability = Durability(redis, tmp_path / "var" / "store")
    durability.check()
    assert "HAKAM_VAR" in durability.unwritten
    (tmp_path / "var").unlink()
    durability.check()
    assert not durability.unwritten


def test_without_a_file_the_running_service_notices_an_emptied_redis(redis: Redis) -> None:
    durability = Durability(redis)
    durability.check()
    redis.flushall()
    with pytest.raises(StoreLost, match="lost"):
        durability.check()
    Durability(redis).check()


def test_durable_settings_pass_the_check(redis: Redis) -> None:
    Durability(redis).check()


@pytest.mark.parametrize(
    ("setting", "wrong", "right"),
    [
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ],
)
def test_a_forgetful_redis_is_named(redis: Redis, setting: str, wrong: str, right: str) -> None:
    redis.config_set(setting, wrong)
    try:
        with pytest.raises(StoreMisconfigured, match=f"{setting} is {wrong}, must be {right}"):
            Durability(redis).check()
    finally:
        redis.config_set(setting, right)
        await_condition(lambda: rewritten(redis), what="the rewrite that switching the AOF starts")


def test_a_redis_that_refuses_config_is_worked_with_only_where_somebody_vouches_for_it(
    own: Own, own_settings: Settings, artifact: Artifact
) -> None:
    with impatient(own.url, 10.0) as redis, connect(own.url) as client:
        redis.config_set("appendfsync", "everysec")
        redis.execute_command("ACL", "SETUSER", "default", "-config")
        checked = create_app(own_settings, redis=client, artifact=artifact).test_client()
        answer = checked.get("/readyz")
        assert answer.status_code == 503
        assert "set HAKAM_REDIS_SETTINGS to vouched" in answer.get_json()["detail"]
        vouching = own_settings.model_copy(update={"redis_settings": "vouched"})
        vouched = create_app(vouching, redis=client, artifact=artifact).test_client()
        assert vouched.get("/readyz").status_code == 200
        redis.flushall()
        answer = vouched.get("/readyz")
        assert answer.status_code == 503, "what was lost is noticed all the same"
        assert "lost" in answer.get_json()["detail"]
