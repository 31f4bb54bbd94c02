"""Public address: under which names the service is reached, and what links begin with."""

from __future__ import annotations

import json

import pytest
import structlog
from flask import Flask
from redis import Redis
from werkzeug.test import create_environ, run_wsgi_app

from models.artifact import Artifact
from service.app import create_app
from service.config import Settings

FORGED = [
    "evil.example",
    "hakam.example.evil.example",
    "evil.example:443",
    "[::1",
    "a b",
    "10.0.0.7",
]


@pytest.fixture
def public(settings: Settings, redis: Redis, artifact: Artifact) -> Flask:
    settings = settings.model_copy(update={"public_url": "https://hakam.example"})
    return create_app(settings, redis=redis, artifact=artifact)


@pytest.mark.parametrize(
    "path", ["/console/login", "/console", "/$discovery/rest", "/openapi.json"]
)
@pytest.mark.parametrize("host", FORGED)
def test_what_tells_addresses_is_refused_under_a_forged_name(
    public: Flask, path: str, host: str
) -> None:
    answer = public.test_client().get(path, headers={"Host": host})
    assert answer.status_code == 421
    said = answer.get_data(as_text=True) + str(answer.headers)
    assert "evil" not in said


@pytest.mark.parametrize(
    "host", ["hakam.example", "HAKAM.example:8443", "hakam.example.", "127.0.0.1:8000", "[::1]:80"]
)
def test_the_public_name_and_the_machine_s_own_are_served(public: Flask, host: str) -> None:
    answer = public.test_client().get("/$discovery/rest", headers={"Host": host})
    assert answer.get_json()["rootUrl"] == "https://hakam.example/"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 200),
        ("POST", "/v1/comments", 401),
        ("POST", "/v1/moderations", 401),
        ("POST", "/comments:analyze", 403),
        ("POST", "/integrations/coral/moderate?site=demo", 401),
    ],
)
def test_machines_may_come_under_any_name_because_a_refusal_could_mean_publish(
    public: Flask, method: str, path: str, status: int
) -> None:
    answer = public.test_client().open(path, method=method, headers={"Host": "hakam.internal"})
    assert answer.status_code == status


def test_without_a_public_address_links_follow_the_request_and_the_log_warns(app: Flask) -> None:
    with structlog.testing.capture_logs() as lines:
        described = app.test_client().get("/$discovery/rest", headers={"Host": "here.example"})
    assert described.get_json()["rootUrl"] == "http://here.example/"
    warning = {"event": "address_taken_from_request", "missing": "HAKAM_PUBLIC_URL"}
    assert warning | {"log_level": "warning"} in lines


@pytest.mark.parametrize("host", ["xn--", "a b", "[::1", "a@b", "evil.example:80@x", "\xff", ""])
def test_a_host_that_cannot_be_read_fails_nothing_and_stands_in_no_link(
    app: Flask, host: str
) -> None:
    environ = create_environ("/$discovery/rest") | {"HTTP_HOST": host}
    body, status, _headers = run_wsgi_app(app, environ)  # the client of Flask reads the host itself
    assert status == "200 OK"
    assert json.loads(b"".join(body))["rootUrl"] in ("http://localhost/", "http://xn--/")
