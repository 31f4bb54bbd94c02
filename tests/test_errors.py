"""How errors are answered."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest
from flask import Flask, abort
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError
from werkzeug.exceptions import TooManyRequests
from werkzeug.test import TestResponse

from models.errors import ArtifactDamaged, InvalidText, ModerationError
from service import errors
from service.errors import (
    PROBLEMS,
    AlreadyDecided,
    FieldError,
    InvalidRequest,
    ItemNotFound,
    LeaseLost,
    ServiceError,
    StoreUnavailable,
    UnknownSite,
    status_of,
)
from service.store.errors import translating_redis_errors

SECRET = "words of a comment"


def answer_to(error: Exception) -> TestResponse:
    app = Flask(__name__)
    errors.install(app)

    @app.get("/")
    def fail() -> NoReturn:
        raise error

    return app.test_client().get("/")


def all_errors(root: type[Exception] = ServiceError) -> list[type[Exception]]:
    return [root, *(error for child in root.__subclasses__() for error in all_errors(child))]


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_of_the_service_hangs_below_one_root(kind: type[Exception]) -> None:
    assert issubclass(kind, ModerationError)


@pytest.mark.parametrize("kind", PROBLEMS, ids=lambda kind: kind.__name__)
def test_every_row_of_the_table_is_an_error_of_ours_with_an_error_status(
    kind: type[Exception],
) -> None:
    status, slug, title = PROBLEMS[kind]
    assert issubclass(kind, ModerationError)
    assert 400 <= status < 600
    assert slug == slug.lower()
    assert title


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
def test_the_status_of_an_error_comes_from_the_table(error: Exception, status: int) -> None:
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
    assert answer_to(errors.Unauthorized("no key")).headers["WWW-Authenticate"].startswith("Bearer")


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
    errors.install(app)
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
    errors.install(app)
    app.add_url_rule("/folder/", view_func=lambda: "")
    assert app.test_client().get("/folder").status_code == 308


def test_an_answer_made_elsewhere_is_left_alone() -> None:
    app = Flask(__name__)
    errors.install(app)

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
