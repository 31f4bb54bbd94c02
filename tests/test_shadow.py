"""A second artefact that judges after the answers, and what pages say of both."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from flask import Flask
from test_console import PASSWORD, Console

from conftest import await_condition, served
from models.artifact import Artifact
from models.registry import Registry
from service import shadow as module
from service.accounts.account import Preferences
from service.accounts.accounts import Accounts
from service.app import create_app
from service.config import Settings
from service.console.shadow import _comparison
from service.queue.records import Comment, Decision, Enqueued
from service.reports import shadow as figures
from service.reports.shadow import Comparison, ShadowCounts, Side
from service.rules.policy import Action, random_draw
from service.shadow import Shadow
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import Redis

INSULT = "أنت غبي ولا تفهم شيئا"  # "you are stupid and understand nothing"
KIND = "شكرا على المقال"  # "thank you for the article"


@pytest.fixture
def registry(artifacts: Path, artifact: Artifact, tmp_path: Path) -> Registry:
    """The artefact in use, and its copy that needs more before it flags."""
    root = tmp_path / "artifacts"
    shutil.copytree(artifacts, root)
    registry = Registry(root)
    points = {label: {"review": {"threshold": 0.5}} for label in artifact.classifier.labels}
    registry.save(artifact.classifier, {"operating_points": points}, "# On trial\n")
    return registry


@pytest.fixture
def on_trial(registry: Registry) -> str:
    return registry.versions()[-1]


@pytest.fixture
def own_app(settings: Settings, redis: Redis, artifact: Artifact, registry: Registry) -> Flask:
    settings = settings.model_copy(update={"artifacts": registry.root})
    return create_app(settings, redis=redis, artifact=artifact)


@pytest.fixture
def key(redis: Redis, on_trial: str) -> str:
    return Sites(redis).add(Site("demo", shadow=on_trial, shadow_share=1.0))


def shadow_of(app: Flask) -> Shadow:
    found = app.extensions["hakam"].shadow
    assert isinstance(found, Shadow)
    return found


def send(app: Flask, key: str, number: int, text: str = INSULT, **more: Any) -> Any:
    body = {"id": f"c-{number}", "text": text} | more
    headers = {"Authorization": f"Bearer {key}"}
    answer = app.test_client().post("/v1/comments", json=body, headers=headers)
    answer.close()  # as a server does once it has gone out
    return answer


def counted(app: Flask) -> dict[str, int]:
    """The counters of today without their pair of versions."""
    shadow_of(app).counts.flush()
    (day,) = shadow_of(app).counts.days("demo", 1).values()
    return {counter.partition(":")[2]: n for counter, n in day.items()}


def n_judged(app: Flask) -> int:
    return sum(n for counter, n in counted(app).items() if counter.startswith("action:"))


def test_a_comment_is_judged_by_a_second_artefact_after_its_answer(
    own_app: Flask, key: str
) -> None:
    for number, text in enumerate((INSULT, KIND)):
        send(own_app, key, number, text)
    await_condition(lambda: n_judged(own_app) == 2, what="the second verdicts")
    found = counted(own_app)
    assert found["action:review:review"] == found["action:approve:approve"] == 1
    assert found["flag:insult:both"] == 1


def test_nothing_is_judged_before_an_answer_has_gone_out(
    own_app: Flask, key: str, on_trial: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, begun = own_app.extensions["hakam"], Event()
    monkeypatch.setattr(services.artifacts, "get", lambda _version: begun.set())
    site = Site("demo", shadow=on_trial, shadow_share=1.0)
    services.moderation.submit(site, Comment("1", INSULT))
    assert shadow_of(own_app)._thread is None, "nobody is there to judge"
    own_app.test_client().get("/healthz").close()
    assert begun.wait(30)


def test_nothing_is_judged_while_a_request_is_being_answered(own_app: Flask, key: str) -> None:
    shadow_of(own_app).begin()
    send(own_app, key, 1)
    await_condition(lambda: shadow_of(own_app)._thread, what="somebody to judge")
    assert n_judged(own_app) == 0
    assert len(shadow_of(own_app)._waiting) == 1
    shadow_of(own_app).end()
    await_condition(lambda: n_judged(own_app) == 1, what="the second verdict")
    with pytest.raises(ZeroDivisionError), own_app.test_request_context():
        raise ZeroDivisionError
    send(own_app, key, 2)
    await_condition(lambda: n_judged(own_app) == 2, what="the verdict after a failure")


def test_no_answer_waits_for_a_shadow_that_hangs_and_what_is_too_much_is_left_out(
    own_app: Flask, key: str, monkeypatch: pytest.MonkeyPatch, artifact: Artifact
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 20)
    go_on, n_sent = Event(), 30

    def hang(_version: str) -> Artifact:
        go_on.wait(300)
        return artifact

    monkeypatch.setattr(own_app.extensions["hakam"].artifacts, "get", hang)
    try:
        for number in range(n_sent):
            assert send(own_app, key, number).status_code == 202
    finally:
        go_on.set()
    await_condition(lambda: sum_of(own_app, "action:", "left_out") == n_sent, what="the counts")
    assert 0 < counted(own_app)["left_out"] <= 10


def sum_of(app: Flask, *beginnings: str) -> int:
    return sum(n for counter, n in counted(app).items() if counter.startswith(beginnings))


@pytest.mark.parametrize("version", ["2001.01.01-1", "damaged"])
def test_a_version_that_cannot_be_used_harms_nobody_and_is_not_tried_each_time(
    own_app: Flask,
    redis: Redis,
    registry: Registry,
    on_trial: str,
    version: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if version == "damaged":
        (registry.root / on_trial / "table.npy").write_bytes(b"nothing")
        version = on_trial
    key = Sites(redis).add(Site("demo", shadow=version, shadow_share=1.0))
    for number in range(3):
        assert send(own_app, key, number).status_code == 202
    await_condition(lambda: counted(own_app).get("left_out") == 3, what="the counts")
    assert n_judged(own_app) == 0
    assert capsys.readouterr().out.count('"event": "shadow"') == 1


def test_a_version_that_failed_gets_a_new_try(
    own_app: Flask, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRY_AGAIN_COMMENTS", 3)
    artifacts = own_app.extensions["hakam"].artifacts
    right: Callable[[str], Artifact] = artifacts.get
    tried: list[str] = []

    def fail_once(version: str) -> Artifact:
        tried.append(version)
        if len(tried) == 1:
            raise ValueError
        return right(version)

    monkeypatch.setattr(artifacts, "get", fail_once)
    for number in range(5):
        send(own_app, key, number)
    await_condition(lambda: sum_of(own_app, "action:", "left_out") == 5, what="the counts")
    assert counted(own_app)["left_out"] == 3
    assert len(tried) == 3


def test_only_a_share_is_judged_each_comment_once_and_none_that_was_pinned(
    own_app: Flask, redis: Redis, on_trial: str
) -> None:
    key = Sites(redis).add(Site("demo", shadow=on_trial, shadow_share=0.5))
    drawn = [n for n in range(40) if random_draw("demo", f"c-{n}", "shadow") < 0.5]
    assert 5 < len(drawn) < 35
    for _ in range(2):
        for number in range(40):
            send(own_app, key, number)
    pinned = next(n for n in range(40, 1000) if random_draw("demo", f"c-{n}", "shadow") < 0.5)
    send(own_app, key, pinned, model_version=on_trial)
    await_condition(lambda: n_judged(own_app) >= len(drawn), what="the second verdicts")
    assert counted(own_app)["action:review:review"] == len(drawn)


def test_a_site_s_own_version_goes_before_that_of_the_installation(
    settings: Settings, redis: Redis, artifact: Artifact
) -> None:
    app = create_app(
        settings.model_copy(update={"shadow": "2001.01.01-1"}), redis=redis, artifact=artifact
    )
    version = shadow_of(app).version
    assert version(Site("demo")) == "2001.01.01-1"
    assert version(Site("demo", shadow="2001.01.01-2")) == "2001.01.01-2"
    assert version(Site("demo", shadow=artifact.version)) == "", "it is in use"


# What pages say


@pytest.fixture
def lenient(own_app: Flask, on_trial: str, artifact: Artifact) -> str:
    """The version on trial, which flags nothing."""
    points = {"operating_points": {"toxicity": {"review": {"threshold": 0.9999}}}}
    artifacts = own_app.extensions["hakam"].artifacts
    artifacts._ready[on_trial] = replace(artifact, version=on_trial, manifest=points)
    return on_trial


def compared(app: Flask, version: str) -> Comparison:
    shadow_of(app).counts.flush()
    with app.test_request_context():
        return _comparison(app.extensions["hakam"].sites.get("demo"), version)


def decide(app: Flask, action: str) -> Any:
    queue = app.extensions["hakam"].queue
    lease = queue.lease("demo", "samira")
    draft = Decision(action, moderator="samira", request_id=lease.item.id)
    return queue.decide("demo", lease.item.id, lease.token, draft)


def test_decisions_say_who_was_right_where_the_two_differ(
    own_app: Flask, key: str, lenient: str
) -> None:
    for number in range(4):
        send(own_app, key, number)
    send(own_app, key, 4, KIND)
    await_condition(lambda: n_judged(own_app) == 5, what="the second verdicts")
    first = decide(own_app, "reject")
    decide(own_app, "reject")
    decide(own_app, "approve")
    found = compared(own_app, lenient)
    assert (found.n, found.n_alike) == (5, 1)
    assert found.n_by("review") == (4, 0)
    assert found.n_by("approve") == (1, 5)
    (judged,) = found.judged
    assert (judged.in_use, judged.shadow, judged.n) == ("review", "approve", 4)
    assert (judged.n_decided, judged.n_rejected, judged.n_shadow_right) == (3, 2, 1)
    own_app.extensions["hakam"].queue.undo("demo", first.item_id, "samira", "undo")
    (judged,) = compared(own_app, lenient).judged
    assert (judged.n_decided, judged.n_rejected) == (2, 1)


def test_what_was_decided_about_another_text_of_a_comment_counts_for_nothing(
    own_app: Flask, key: str, lenient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(own_app, key, 1)
    await_condition(lambda: n_judged(own_app) == 1, what="the second verdict")
    monkeypatch.setattr(shadow_of(own_app), "version", lambda _site: "")
    send(own_app, key, 1, f"{INSULT} !!")
    decide(own_app, "reject")
    (judged,) = compared(own_app, lenient).judged
    assert (judged.n, judged.n_decided) == (1, 0)


def test_no_text_is_kept_of_what_was_compared(
    own_app: Flask, key: str, redis: Any, lenient: str
) -> None:
    send(own_app, key, 1, author={"id": "u-1", "name": KIND})
    await_condition(lambda: n_judged(own_app) == 1, what="the second verdict")
    shadow_of(own_app).counts.flush()
    days = [redis.hgetall(name) for name in redis.keys("{hakam:demo}:shadow:*")]
    (kept,) = redis.zrange("{hakam:demo}:shadow_differences", 0, -1)
    assert days
    for word in (*INSULT.split(), *KIND.split(), "c-1", "u-1"):
        assert word not in f"{days} {kept}"


def test_differences_that_are_kept_are_bounded(
    redis: Any, lenient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "MAX_DIFFERENCES", 3)
    now = 1_700_000_000.0
    counts = ShadowCounts(redis, clock=lambda: now)
    one, other = (Side(version, action, frozenset()) for version, action in SIDES)
    for number in range(5):
        now += 1
        counts.remember("demo", one, other, Enqueued(f"i-{number}", True))
    kept = [found.item_id for found in counts.differences("demo", one.version, other.version)]
    assert kept == ["i-2", "i-3", "i-4"]
    assert counts.differences("demo", other.version, one.version) == []
    redis.zadd("{hakam:demo}:shadow_differences", {f"{one.version} {other.version} x": now})
    assert len(counts.differences("demo", one.version, other.version)) == 3, "nonsense is no fault"


SIDES: tuple[tuple[str, Action], ...] = (
    ("2026.01.31-1", "review"),
    ("2026.01.31-2", "approve"),
)


def test_the_page_shows_both_models_to_seniors(
    own_app: Flask, redis: Redis, key: str, lenient: str
) -> None:
    for number, text in enumerate((INSULT, KIND)):
        send(own_app, key, number, text)
    await_condition(lambda: n_judged(own_app) == 2, what="the second verdicts")
    decide(own_app, "reject")
    shadow_of(own_app).counts.flush()
    accounts = Accounts(redis, hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    own_app.extensions["hakam"] = replace(own_app.extensions["hakam"], accounts=accounts)
    for name, role in (("samira", "moderator"), ("omar", "senior"), ("layla", "admin")):
        accounts.add(name, PASSWORD, role)
        accounts.save_preferences(name, Preferences(language="en"))
    page = Console(own_app, "omar").log_in().get("/demo/shadow")
    in_use = own_app.extensions["hakam"].artifact.version
    assert in_use in page
    assert lenient in page
    assert "sent to a moderator" in page
    assert "50%" in page
    moderator = Console(own_app, "samira").log_in()
    moderator.get("/demo/shadow")
    assert moderator.last.status_code == 403
    admin = Console(own_app, "layla").log_in()
    admin.post("/demo/settings", shadow="2001.01.01-1")
    assert admin.last.status_code == 422
    assert "this version is not kept here" in admin.last.text
    admin.post("/demo/settings", shadow="")
    assert "No model is on trial" in admin.get("/demo/shadow")


@pytest.mark.slow
def test_the_installation_s_shadow_is_loaded_once_and_one_that_cannot_be_stops_nothing(
    environ: dict[str, str], redis: Redis, registry: Registry, on_trial: str, tmp_path: Path
) -> None:
    key = Sites(redis).add(Site("demo", shadow_share=1.0))
    in_use = registry.current()
    environ = environ | {"HAKAM_ARTIFACTS": str(registry.root), "HAKAM_SHADOW": on_trial}
    headers, body = {"Authorization": f"Bearer {key}"}, {"id": "1", "text": INSULT}
    counts = ShadowCounts(redis)

    def n_compared() -> int:
        (day,) = counts.days("demo", 1).values()
        return day.get(f"{in_use} {on_trial}:action:review:review", 0)

    with served(environ, tmp_path / "log") as url:
        answer = httpx.post(f"{url}/v1/comments", json=body, headers=headers, timeout=30.0)
        assert answer.status_code == 202
        await_condition(lambda: n_compared() == 1, what="the second verdict")
    shutil.rmtree(registry.root / on_trial)
    with served(environ, tmp_path / "log") as url:
        answer = httpx.post(f"{url}/v1/comments", json=body | {"id": "2"}, headers=headers)
        assert answer.status_code == 202
    assert f"HAKAM_SHADOW={on_trial} cannot be loaded" in (tmp_path / "log").read_text()
