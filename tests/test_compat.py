"""All compatible interfaces together: whatever comes, each answers in its own form."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from werkzeug.test import TestResponse

from service.compat import openai
from service.compat.perspective import messages
from service.sites.site import Site

MODERATE = "/integrations/coral/moderate"
SECRET = "empsec_1"
HOSTILE = "<script>alert('x')</script>&\ud800\0\N{RIGHT-TO-LEFT OVERRIDE}"

# The names that the formats know, so that most of what is made up gets past the first check.
NAMES = sorted(
    {
        field.alias or name
        for module in (messages, openai)
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, BaseModel)
        for name, field in model.model_fields.items()
    }
    | {"TOXICITY", "INSULT", "body", "author", "story", "id", "data", "commentID", "status"}
)
VALUES = [
    *("TOXICITY", "PLAIN_TEXT", "HTML", "text", "NEW", "EDIT", "ar", "en", HOSTILE, "", " "),
    *("x" * 25_000, 0, 1, -1, 0.5, 1e308, 10**30, True, None),
]

names = st.sampled_from(NAMES) | st.text(max_size=8) | st.just(HOSTILE)
leaves = st.sampled_from(VALUES) | st.text(max_size=40) | st.floats() | st.integers()
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5),
    max_leaves=20,
)
texts = st.sampled_from(VALUES) | st.text(max_size=60)
requests = {
    "/v1alpha1/comments:analyze": st.fixed_dictionaries(
        {"comment": st.fixed_dictionaries({"text": texts}) | values},
        optional={
            "requestedAttributes": st.dictionaries(names, values, max_size=3) | values,
            "spanAnnotations": st.booleans(),
            "languages": st.lists(texts, max_size=2),
            "context": values,
            "clientToken": texts,
        },
    ),
    "/comments:suggestscore": st.fixed_dictionaries(
        {
            "comment": st.fixed_dictionaries({"text": texts}),
            "attributeScores": st.dictionaries(names, values, max_size=3) | values,
        },
        optional={"clientToken": texts, "communityId": texts, "languages": values},
    ),
    "/v1/moderations": st.fixed_dictionaries(
        {"input": texts | st.lists(texts, max_size=3) | values}, optional={"model": values}
    ),
    MODERATE: st.fixed_dictionaries(
        {
            "action": st.sampled_from(["NEW", "EDIT"]) | values,
            "comment": st.fixed_dictionaries({"body": texts}),
            "author": st.fixed_dictionaries({"id": st.sampled_from(["a", HOSTILE])}) | values,
            "story": st.fixed_dictionaries({"id": st.just("s")}, optional={"url": texts}) | values,
        }
    ),
    "/integrations/coral/events": st.fixed_dictionaries(
        {"type": texts},
        optional={"data": st.fixed_dictionaries({"commentID": texts, "storyID": texts}) | values},
    ),
}
FORMS = {
    "/v1alpha1/comments:analyze": lambda body: body["error"]["status"],
    "/comments:suggestscore": lambda body: body["error"]["status"],
    "/v1/moderations": lambda body: body["error"]["type"],
    "/integrations/coral/events": lambda body: body["type"],
}

# Two hundred requests a format take a second or two; nothing depends on how long one takes.
fuzzed = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def site() -> Site:
    return Site("demo", coral_secrets=(SECRET,), queue_analyzed=True)


Send = Callable[[str, bytes], TestResponse]


@pytest.fixture
def send(client: FlaskClient, api_key: str) -> Send:
    """Post bytes with everything that any of the formats wants to see."""

    def send(path: str, raw: bytes) -> TestResponse:
        signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        return client.post(
            f"{path}?key={api_key}&site=demo",
            data=raw,
            headers={
                "Authorization": f"Bearer {api_key}",
                "X-Coral-Signature": f"sha256={signature}",
            },
            content_type="application/json",
        )

    return send


def check(path: str, answer: TestResponse) -> None:
    assert answer.status_code != 500, answer.text
    assert answer.status_code in (200, 204) or path != MODERATE
    assert answer.status_code == 204 or "json" in answer.content_type
    if answer.status_code >= 400:
        assert FORMS[path](json.loads(answer.data))
    if "integrations" not in path:  # problem+json is what the rest of the API answers
        assert b"<" not in answer.data


@pytest.mark.parametrize("path", requests)
@pytest.mark.slow
def test_no_request_that_looks_right_breaks_anything(path: str, send: Send) -> None:
    @fuzzed
    @given(requests[path])
    def fuzz(body: Any) -> None:
        check(path, send(path, json.dumps(body).encode()))

    fuzz()


@pytest.mark.parametrize("path", requests)
@pytest.mark.slow
def test_no_bytes_break_anything(path: str, send: Send) -> None:
    @fuzzed
    @given(st.binary(max_size=200) | values.map(lambda body: json.dumps(body).encode()))
    def fuzz(raw: bytes) -> None:
        check(path, send(path, raw))

    fuzz()


@pytest.mark.parametrize("path", requests)
@pytest.mark.parametrize(
    "raw", [b"[" * 200_000, b'{"comment":' * 90_000, b'"' + b"\\" * 100_000, b"1" * 200_000]
)
def test_hostile_json_is_refused_at_once(path: str, raw: bytes, send: Send) -> None:
    answer = send(path, raw)
    check(path, answer)
    if path == MODERATE:  # whose client publishes whatever is refused
        assert answer.json == {"status": "SYSTEM_WITHHELD"}
    else:
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "text",
    [
        "<a " * 6_000,
        "." * 20_000,
        "a. " * 6_000,
        "\n" * 20_000 + "a",
        "\N{ARABIC FATHA}" * 10_000 + "a",
        "\N{GRINNING FACE}" * 5_000,
        "3a" * 10_000,
        "&" * 20_000,
    ],
    ids=lambda text: ascii(text[:3]),
)
def test_no_text_takes_long(text: str, send: Send) -> None:
    """Any of these is milliseconds of work in linear time, and minutes in quadratic time."""
    analyze = {
        "comment": {"text": text},
        "requestedAttributes": {"TOXICITY": {}},
        "spanAnnotations": True,
        "languages": ["ar"],
    }
    phase = {
        "action": "NEW",
        "comment": {"body": text},
        "author": {"id": "a"},
        "story": {"id": "s"},
    }
    for path, body in (
        ("/v1alpha1/comments:analyze", analyze),
        ("/v1/moderations", {"input": text}),
        (MODERATE, phase),
    ):
        assert send(path, json.dumps(body).encode()).status_code in (200, 204)
