"""Artefacts that are kept beside the one in use, and requests that name one."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from flask import Flask

from conftest import Clock
from models.artifact import Artifact
from models.registry import Registry
from service.app import create_app
from service.artifacts import IDLE_SECONDS, MAX_LOADED, Artifacts
from service.config import Settings
from service.errors import VersionNotKept, VersionNotReady
from service.store.connect import Redis

COUNTS = "{hakam:demo}:verdicts:*"


@pytest.fixture
def registry(artifacts: Path, artifact: Artifact, tmp_path: Path) -> Registry:
    """The artefact in use, more of them that flag from 0.501 on, and a damaged one."""
    root = tmp_path / "artifacts"
    shutil.copytree(artifacts, root)
    registry = Registry(root)
    points = {label: {"review": {"threshold": 0.501}} for label in artifact.classifier.labels}
    for _ in range(MAX_LOADED + 1):
        registry.save(artifact.classifier, {"operating_points": points}, "# Kept\n")
    damaged = registry.save(artifact.classifier, {"operating_points": points}, "# Damaged\n")
    (root / damaged / "table.npy").write_bytes(b"nothing")
    return registry


@pytest.fixture
def own_settings(settings: Settings, registry: Registry) -> Settings:
    return settings.model_copy(update={"artifacts": registry.root})


@pytest.fixture
def kept(own_settings: Settings, artifact: Artifact, clock: Clock) -> Artifacts:
    return Artifacts(own_settings, artifact, timer=clock)


@pytest.fixture
def own_app(own_settings: Settings, redis: Redis, artifact: Artifact) -> Flask:
    return create_app(own_settings, redis=redis, artifact=artifact)


def test_a_version_is_loaded_once_and_leaves_when_another_is_asked_for_and_nobody_uses_it(
    kept: Artifacts, clock: Clock
) -> None:
    in_use, first, second, third, _damaged = kept.versions()
    assert kept.get(in_use) is kept.in_use
    loaded = kept.get(first)
    assert kept.get(first) is loaded
    kept.get(second)
    with pytest.raises(VersionNotReady):
        kept.get(third)
    clock.now += IDLE_SECONDS - 1
    kept.get(second)
    clock.now += 1
    assert kept.get(third).version == third
    assert kept.get(second).version == second
    with pytest.raises(VersionNotReady):
        kept.get(first)


def test_no_request_waits_while_another_loads(
    kept: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = Event(), Event()
    load = kept._registry.load

    def slowly(version: str) -> Artifact:
        begun.set()
        go_on.wait(30)
        return load(version)

    monkeypatch.setattr(kept._registry, "load", slowly)
    _, first, second, *_ = kept.versions()
    loading = Thread(target=kept.get, args=(first,))
    loading.start()
    try:
        assert begun.wait(30)
        for version in (first, second):
            with pytest.raises(VersionNotReady):
                kept.get(version)
        assert kept.get(kept.in_use.version) is kept.in_use
    finally:
        go_on.set()
        loading.join()
    assert kept.get(first).version == first


def test_what_is_not_kept_or_damaged_is_refused_with_what_is_kept(kept: Artifacts) -> None:
    versions = kept.versions()
    for unknown in ("", "..", "2001.01.01-1", "x" * 1000):
        with pytest.raises(VersionNotKept) as refusal:
            kept.get(unknown)
        assert refusal.value.versions == tuple(versions)
    with pytest.raises(VersionNotKept) as refusal:
        kept.get(versions[-1])
    assert refusal.value.versions == tuple(versions[:-1])


def ask(app: Flask, key: str, path: str, body: Any) -> Any:
    return app.test_client().post(path, json=body, headers={"Authorization": f"Bearer {key}"})


def test_a_comment_is_scored_by_the_version_that_it_names(own_app: Flask, api_key: str) -> None:
    in_use, other, *_ = own_app.extensions["hakam"].artifacts.versions()
    comments = [
        {"text": "x", "model_version": other},
        {"text": "y"},
        {"text": "z", "model_version": in_use},
    ]
    answer = ask(own_app, api_key, "/v1/score", comments)
    assert [one["model_version"] for one in answer.json] == [other, in_use, in_use]
    assert answer.headers["Hakam-Model-Version"] == f"{in_use}, {other}"
    answer = ask(own_app, api_key, "/v1/comments", comments[0] | {"id": "1"})
    assert answer.json["model_version"] == other
    assert answer.headers["Hakam-Model-Version"] == other
    answer = ask(own_app, api_key, "/v1/moderations", {"input": "x", "model": f"hakam-{other}"})
    assert answer.json["model"] == f"hakam-{other}"
    answer = ask(own_app, api_key, "/v1/moderations", {"input": "x", "model": "omni-moderation"})
    assert answer.json["model"] == f"hakam-{in_use}"


def test_its_own_operating_points_hold_for_a_pinned_version(
    own_app: Flask, api_key: str, artifact: Artifact
) -> None:
    _, other, *_ = own_app.extensions["hakam"].artifacts.versions()
    moderation = own_app.extensions["hakam"].moderation
    site = own_app.extensions["hakam"].sites.get("demo")
    pinned = moderation.by(own_app.extensions["hakam"].artifacts.get(other)).policy(site)
    assert set(pinned.review.values()) == {0.501}
    assert set(moderation.policy(site).review.values()) == {0.5}


def test_scores_of_a_pinned_version_are_not_counted_among_those_of_the_one_in_use(
    own_app: Flask, api_key: str, redis: Any
) -> None:
    services = own_app.extensions["hakam"]
    _, other, *_ = services.artifacts.versions()
    for number, more in enumerate(({}, {"model_version": other})):
        ask(own_app, api_key, "/v1/comments", {"id": str(number), "text": "x"} | more)
    services.verdict_counts.flush()
    (day,) = services.verdict_counts.days("demo", 1).values()
    assert sum(n for counter, n in day.items() if counter.startswith("action:")) == 2
    assert sum(n for counter, n in day.items() if counter.startswith("score:toxicity:")) == 1


def test_an_unknown_version_is_a_conflict_that_lists_those_that_are_kept(
    own_app: Flask, api_key: str
) -> None:
    versions = own_app.extensions["hakam"].artifacts.versions()
    for path in ("/v1/score", "/v1/comments"):
        body = {"id": "1", "text": "x", "model_version": "2001.01.01-7"}
        answer = ask(own_app, api_key, path, body)
        assert (answer.status_code, answer.json["versions"]) == (409, versions)
        assert answer.json["type"] == "urn:hakam:problem:version-not-kept"
        assert "2001" not in answer.text
    answer = ask(own_app, api_key, "/v1/moderations", {"input": "x", "model": "hakam-7"})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "model_not_found")
    assert versions[0] in answer.json["error"]["message"]


def test_a_request_names_no_more_versions_than_a_worker_holds(own_app: Flask, api_key: str) -> None:
    versions = own_app.extensions["hakam"].artifacts.versions()
    body = [{"text": "x", "model_version": version} for version in versions[: MAX_LOADED + 2]]
    answer = ask(own_app, api_key, "/v1/score", body)
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "model_version")
    assert ask(own_app, api_key, "/v1/score", body[:-1]).status_code == 200
    answer = ask(own_app, api_key, "/v1/score", {"text": "x", "model_version": versions[3]})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_every_answer_names_the_version_errors_and_empty_ones_too(
    own_app: Flask, api_key: str
) -> None:
    client, in_use = own_app.test_client(), own_app.extensions["hakam"].artifact.version
    for path in ("/healthz", "/nothing", "/metrics", "/console/login"):
        assert client.get(path).headers["Hakam-Model-Version"] == in_use
    for path in ("/v1/score", "/v1/comments", "/integrations/coral/moderate"):
        assert client.post(path).headers["Hakam-Model-Version"] == in_use
