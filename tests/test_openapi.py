"""The description of the API, held against the API by requests made up from it."""

from __future__ import annotations

from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


Case = schemathesis.Case[Any]

# Nothing depends on how long a request takes; forty of each kind are a second or two.
quick = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_every_answer_is_one_that_the_description_names(app: Flask, api_key: str) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    headers = {"Authorization": f"Bearer {api_key}"}
    n_operations = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        n_operations += 1

        @quick
        @given(operation.as_strategy())
        def fuzz(case: Case) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        fuzz()
    assert n_operations >= 13
