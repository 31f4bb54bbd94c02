"""What is written to the log, and what never is."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g

from service import logs, problems

ROOT = Path(__file__).parent.parent
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


# Events whose names stand in a variable, by where they are written.
NAMED_ELSEWHERE = {
    "self._name": ("deliveries", "notices"),
    "self._waits": ("deliveries_wait_for_store", "notices_wait_for_store"),
}
# Fields that a call takes from a dictionary, and lines that no call of structlog writes.
GIVEN_AS_A_WHOLE = {
    "request": {
        *("method", "route", "status", "duration_ms", "request_id", "site", "n_comments"),
    },
    "proxy": {"method", "status", "web_status", "seconds", "request_id"},
    "watch": {"site", "moved", "n_second_look"},
}


def events_in_code() -> dict[str, set[str]]:
    """Every event that the service writes, with its fields."""
    found: dict[str, set[str]] = {name: set(fields) for name, fields in GIVEN_AS_A_WHOLE.items()}
    for path in (ROOT / "service").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(
                        value=logger, attr="debug" | "info" | "warning" | "error" | "critical"
                    ),
                    args=[event],
                ) if ast.unparse(logger) in ("log", "structlog.get_logger()"):
                    named = NAMED_ELSEWHERE.get(ast.unparse(event))
                    for name in named or [ast.literal_eval(event)]:
                        fields = {keyword.arg for keyword in node.keywords if keyword.arg}
                        found.setdefault(name, set()).update(fields)
    return found


def test_the_documents_list_every_event_with_its_fields_and_no_other() -> None:
    document = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    table = document.partition("| event | level | fields | written |")[2]
    rows = re.findall(r"(?m)^\| `(\w+)` \|[^|]*\| ([^|]*) \| [^|]* \|$", table)
    listed = {name: set(fields.split(", ")) for name, fields in rows}
    assert len(listed) == len(rows)
    assert listed == events_in_code()


def test_a_line_of_a_request_has_the_fields_that_are_listed(
    app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    app.test_client().post("/items/broken")
    (line,) = lines(capsys)
    assert set(line) == events_in_code()["request"] | {"event", "level", "timestamp"}


def test_a_line_of_the_proxy_has_the_fields_that_are_listed() -> None:
    template = (ROOT / "service" / "run" / "nginx.conf.template").read_text(encoding="utf-8")
    written = "".join(
        re.findall(r"'([^']*)'", template.partition("log_format")[2].partition(";")[0])
    )
    fields = set(re.findall(r'"(\w+)":', written))
    assert fields == events_in_code()["proxy"] | {"event"}
