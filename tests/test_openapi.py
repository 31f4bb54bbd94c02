"""The description of the API, held against the API by requests made up from it."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


Case = schemathesis.Case[Any]

# Nothing depends on how long a request takes; forty of each kind take seconds.
quick = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=["right requests", "wrong requests"])
def test_every_answer_is_one_that_the_description_names(
    app: Flask, api_key: str, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    headers = {"Authorization": f"Bearer {api_key}"}
    n_operations = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        n_operations += 1

        @quick
        @given(operation.as_strategy(generation_mode=mode))
        def fuzz(case: Case) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        try:
            fuzz()
        except Unsatisfiable:
            continue  # an operation without parameters cannot be asked wrongly
    assert n_operations >= 13


def test_the_description_says_that_a_genuine_question_of_coral_is_never_refused(
    client: FlaskClient,
) -> None:
    described = client.get("/openapi.json").get_json()
    answers = described["paths"]["/integrations/coral/moderate"]["post"]["responses"]
    assert set(answers) == {"200", "204", "401"}


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ("analyze", ["comment", "requestedAttributes"]),
        ("suggestscore", ["comment", "attributeScores"]),
    ],
)
def test_the_description_says_without_what_a_request_of_perspective_is_refused(
    client: FlaskClient, api_key: str, method: str, wanted: list[str]
) -> None:
    described = client.get("/openapi.json").get_json()
    path = f"/v1alpha1/comments:{method}"
    content = described["paths"][path]["post"]["requestBody"]["content"]
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert described["components"]["schemas"][name]["required"] == wanted
    whole = {
        "comment": {"text": "x"},
        "requestedAttributes": {"TOXICITY": {}},
        "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}},
    }
    asked = {field: whole[field] for field in wanted}
    assert client.post(f"{path}?key={api_key}", json=asked).status_code == 200
    for field in wanted:
        lacking = {other: asked[other] for other in wanted if other != field}
        assert client.post(f"{path}?key={api_key}", json=lacking).status_code == 400
