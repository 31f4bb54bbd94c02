"""What is written to the log, and what never is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask, g

from service import logs, problems

SECRET = "words of a comment"


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    logs.configure("info")
    problems.install(app)
    logs.install(app)

    @app.post("/items/<item_id>")
    def view(item_id: str) -> str:
        g.site_id, g.n_comments = "demo", 3
        if item_id == "broken":
            raise ValueError(SECRET)
        return ""

    return app


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_request_is_one_json_line(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    answer = app.test_client().post("/items/7?key=" + SECRET, data=SECRET)
    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line.pop("duration_ms") >= 0
    assert line == {
        "event": "request",
        "level": "info",
        "method": "POST",
        "route": "/items/<item_id>",
        "status": 200,
        "request_id": answer.headers["X-Request-Id"],
        "site": "demo",
        "n_comments": 3,
        "error": None,
    }


def test_nothing_that_the_client_wrote_is_logged(
    app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    app.test_client().open(
        f"/{SECRET}?{SECRET}",
        method=SECRET.replace(" ", "").upper(),
        headers={"Authorization": SECRET, "User-Agent": SECRET, "X-Request-Id": SECRET},
    )
    written = capsys.readouterr().out
    assert '"status": 404' in written
    assert "words" not in written.lower()


def test_an_unexpected_error_is_logged_by_type_and_place_only(
    app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.test_client().post("/items/broken").status_code == 500
    (line,) = lines(capsys)
    assert (line["level"], line["error"]) == ("error", "ValueError")
    assert any("test_logs.py" in place and "view" in place for place in line["places"])
    assert SECRET not in json.dumps(line)


def test_the_id_of_a_request_is_taken_over_when_it_is_one(app: Flask) -> None:
    client = app.test_client()
    theirs = client.post("/items/1", headers={"X-Request-Id": "abc-12345"})
    assert theirs.headers["X-Request-Id"] == "abc-12345"
    odd = client.post("/items/1", headers={"X-Request-Id": "<b>12345678</b>"})
    assert "<" not in odd.headers["X-Request-Id"]


def test_the_id_of_a_request_is_in_its_error(app: Flask) -> None:
    answer = app.test_client().get("/nothing", headers={"X-Request-Id": "abc-12345"})
    assert answer.json is not None
    assert answer.json["request_id"] == "abc-12345"


def test_events_below_the_level_are_left_out(
    app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("warning")
    app.test_client().post("/items/1")
    assert lines(capsys) == []
