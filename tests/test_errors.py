"""How errors are answered."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click import ClickException
from flask import Flask, abort
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError
from werkzeug.exceptions import TooManyRequests
from werkzeug.test import TestResponse

import service
from models.errors import ArtifactDamaged, InvalidText, ModerationError
from service import problems
from service.api.openapi import document
from service.errors import (
    AlreadyDecided,
    FieldError,
    InvalidRequest,
    ItemNotFound,
    LeaseLost,
    ProblemType,
    ServiceError,
    StoreUnavailable,
    Unauthorized,
    UnknownSite,
    problem_of,
    status_of,
)
from service.store.errors import translating_redis_errors

SECRET = "words of a comment"


def answer_to(error: Exception) -> TestResponse:
    app = Flask(__name__)
    problems.install(app)

    @app.get("/")
    def fail() -> NoReturn:
        raise error

    return app.test_client().get("/")


def all_errors(root: type[Exception] = ModerationError) -> set[type[Exception]]:
    return {root, *(error for child in root.__subclasses__() for error in all_errors(child))}


def exceptions_of_the_service() -> Iterator[type[Exception]]:
    for found in pkgutil.walk_packages(service.__path__, "service."):
        if found.name.endswith(".conf"):  # gunicorn's configuration, for gunicorn alone
            continue
        for kind in vars(importlib.import_module(found.name)).values():
            ours = isinstance(kind, type) and kind.__module__ == found.name
            if ours and issubclass(kind, Exception) and not issubclass(kind, ClickException):
                yield kind


def test_every_exception_that_the_service_makes_is_in_one_tree() -> None:
    found = set(exceptions_of_the_service())
    assert len(found) > 20
    assert {kind for kind in found if not issubclass(kind, ServiceError)} == set()


def test_every_error_has_a_status_and_each_kind_of_problem_one_meaning() -> None:
    set(exceptions_of_the_service())  # from here on all of them are known
    meanings: dict[str, set[ProblemType]] = {}
    for error in all_errors():
        kind = problem_of(error.__new__(error))
        assert 400 <= kind.status < 600
        assert re.fullmatch("[a-z]+(-[a-z]+)*", kind.slug)
        meanings.setdefault(kind.slug, set()).add(kind)
    assert all(len(one) == 1 for one in meanings.values())


def test_the_documentation_lists_every_kind_of_problem() -> None:
    text = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"(?m)^\| (\d+) \| `urn:hakam:problem:([a-z-]+)` \| (.*) \|$", text))
    kinds = {problem_of(error.__new__(error)) for error in all_errors()}
    assert listed == {(str(kind.status), kind.slug, kind.title) for kind in kinds}


def test_the_openapi_document_names_no_status_that_no_error_has(app: Flask) -> None:
    kinds = {str(problem_of(error.__new__(error)).status) for error in all_errors()}
    too_long, wrong_method = "413", "405"  # the framework finds these two
    documented = {
        status
        for path in document(app, "")["paths"].values()
        for operation in path.values()
        for status, answer in operation["responses"].items()
        if "application/problem+json" in answer.get("content", {})
    }
    assert {"401", "404", "409", "422", "503"} <= documented <= kinds | {too_long, wrong_method}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ItemNotFound("gone"), 404),
        (UnknownSite("who"), 404),
        (LeaseLost("late"), 409),
        (AlreadyDecided("late"), 409),
        (InvalidText("surrogate"), 422),
        (StoreUnavailable("down"), 503),
        (ArtifactDamaged("digest"), 500),
        (ValueError("bug"), 500),
    ],
)
def test_an_error_is_answered_with_its_status(error: Exception, status: int) -> None:
    assert status_of(error) == status
    assert answer_to(error).status_code == status


def test_an_error_is_a_problem_document() -> None:
    answer = answer_to(InvalidRequest([FieldError("author.name", "is missing")]))
    assert answer.content_type == "application/problem+json"
    assert answer.json == {
        "type": "urn:hakam:problem:invalid-request",
        "title": "The request has wrong fields",
        "status": 422,
        "detail": "author.name: is missing",
        "errors": [{"field": "author.name", "message": "is missing"}],
        "request_id": "",
    }


def test_a_store_that_is_away_is_worth_another_try() -> None:
    assert int(answer_to(StoreUnavailable("down")).headers["Retry-After"]) > 0


def test_a_missing_key_says_which_key_is_wanted() -> None:
    assert answer_to(Unauthorized("no key")).headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("error", [ValueError(SECRET), ModerationError(SECRET), KeyError(SECRET)])
def test_nothing_of_an_unexpected_error_reaches_the_client(error: Exception) -> None:
    answer = answer_to(error)
    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert answer.json is not None
    assert answer.json["title"] == "Something went wrong here"


def test_an_error_of_the_framework_is_a_problem_too_and_keeps_its_headers() -> None:
    answer = answer_to(TooManyRequests(retry_after=7))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.content_type == "application/problem+json"


def test_a_route_that_does_not_exist_and_a_wrong_method_are_problems() -> None:
    app = Flask(__name__)
    problems.install(app)
    app.add_url_rule("/only-get", view_func=lambda: "")
    client = app.test_client()
    assert client.get("/nothing").json == {
        "type": "urn:hakam:problem:not-found",
        "title": "Not Found",
        "status": 404,
        "detail": client.get("/nothing").json["detail"],  # type: ignore[index]
        "request_id": "",
    }
    refused = client.post("/only-get")
    assert refused.status_code == 405
    assert "GET" in refused.headers["Allow"]
    assert refused.content_type == "application/problem+json"


def test_a_redirect_is_no_error() -> None:
    app = Flask(__name__)
    problems.install(app)
    app.add_url_rule("/folder/", view_func=lambda: "")
    assert app.test_client().get("/folder").status_code == 308


def test_an_answer_made_elsewhere_is_left_alone() -> None:
    app = Flask(__name__)
    problems.install(app)

    @app.get("/")
    def refuse() -> NoReturn:
        abort(app.response_class("theirs", status=418))

    assert app.test_client().get("/").text == "theirs"


def test_hostile_field_names_are_answered_as_plain_json() -> None:
    answer = answer_to(InvalidRequest.of("\ud800</script>", "is not a field"))
    assert json.loads(answer.data)["errors"][0]["field"] == "\ud800</script>"


@pytest.mark.parametrize(
    "fault",
    [
        RedisConnectionError(SECRET),
        RedisTimeoutError(SECRET),
        OutOfMemoryError(SECRET),
        ReadOnlyError(SECRET),
    ],
)
def test_a_fault_of_redis_becomes_store_unavailable_without_its_words(fault: Exception) -> None:
    with pytest.raises(StoreUnavailable) as caught, translating_redis_errors():
        raise fault
    assert SECRET not in str(caught.value)


def test_a_real_refusal_of_redis_is_translated(redis: Redis) -> None:
    untyped: Any = redis
    untyped.set("text", SECRET)
    with pytest.raises(StoreUnavailable) as caught, translating_redis_errors():
        untyped.lpush("text", SECRET)
    assert SECRET not in str(caught.value)
