"""OpenAI's moderation format, with the official client."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openai
import pytest
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from conftest import SAMPLE_COMMENTS, settings_in
from models.artifact import Artifact
from models.schema import read_comments
from service.app import create_app
from service.compat.openai import CATEGORIES, OPENAIS_MODELS, Category
from service.rules.policy import Policy
from service.sites.site import Site
from service.sites.sites import Sites

HELLO = "مرحبا"  # "hello"

Post = Callable[..., TestResponse]


@pytest.fixture
def post(client: FlaskClient, api_key: str) -> Post:
    headers = {"Authorization": f"Bearer {api_key}"}
    return lambda body: client.post("/v1/moderations", json=body, headers=headers)


@pytest.fixture(scope="session")
def abusive(artifact: Artifact) -> str:
    """The sample comment that the artefact finds most toxic."""
    samples = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
    column = artifact.classifier.labels.index("toxicity")
    return samples[artifact.classifier.predict_proba(samples)[:, column].argmax()]


@pytest.fixture
def official(server: str, api_key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=api_key, base_url=f"{server}/v1", max_retries=0) as client:
        yield client


def test_the_official_client_works_at_our_address(official: openai.OpenAI, abusive: str) -> None:
    answer = official.moderations.create(input=abusive, model="omni-moderation-latest")
    assert answer.id.startswith("modr-")
    assert answer.model.startswith("hakam-")
    (result,) = answer.results
    assert result.flagged
    assert result.categories.harassment
    assert 0.5 <= result.category_scores.harassment <= 1
    assert result.category_applied_input_types.harassment == ["text"]
    assert result.categories.self_harm is False
    assert result.category_scores.self_harm == 0
    assert result.category_applied_input_types.self_harm == []


def test_the_official_client_raises_its_own_errors(
    official: openai.OpenAI, server: str, abusive: str
) -> None:
    with pytest.raises(openai.BadRequestError) as wrong:
        official.moderations.create(input=[])
    assert wrong.value.param == "input"
    with (
        openai.OpenAI(api_key="sk-x", base_url=f"{server}/v1", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        stranger.moderations.create(input=abusive)
    assert refused.value.code == "invalid_api_key"


def test_the_official_client_finds_the_versions_and_the_names_that_it_may_pass(
    official: openai.OpenAI, artifact: Artifact
) -> None:
    names = [model.id for model in official.models.list()]
    assert names == [f"hakam-{artifact.version}", *OPENAIS_MODELS]
    for name in names:
        model = official.models.retrieve(name)
        assert (model.id, model.object, model.owned_by) == (name, "model", "hakam")
        day = datetime.fromtimestamp(model.created, tz=UTC).strftime("%Y.%m.%d")
        assert day == artifact.version.partition("-")[0]
        judged = official.moderations.create(input=HELLO, model=name)
        assert judged.model == f"hakam-{artifact.version}"
    with pytest.raises(openai.NotFoundError) as unknown:
        official.models.retrieve("gpt-4")
    assert (unknown.value.param, unknown.value.code) == ("model", "model_not_found")


def test_every_version_that_is_kept_is_listed_as_a_model(
    environ: dict[str, str], redis: Redis, api_key: str, artifacts: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "artifacts"
    shutil.copytree(artifacts, kept)
    current = (kept / "CURRENT").read_text().strip()
    for version in ("2020.02.29-1", "2020.02.30-2"):
        shutil.copytree(kept / current, kept / version)
    app = create_app(settings_in(environ | {"HAKAM_ARTIFACTS": str(kept)}), redis=redis)
    answer = app.test_client().get("/v1/models", headers={"Authorization": f"Bearer {api_key}"})
    listed = answer.get_json()["data"][:3]
    assert [one["id"] for one in listed] == [
        f"hakam-{version}" for version in (current, "2020.02.30-2", "2020.02.29-1")
    ]
    assert [one["created"] for one in listed[1:]] == [0, 1_582_934_400]  # no such day; that day


def test_models_are_listed_to_nobody_without_a_key(client: FlaskClient) -> None:
    for path in ("/v1/models", "/v1/models/text-moderation-latest"):
        for headers in ({}, {"Authorization": "Bearer sk-x"}):
            answer = client.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.get_json()["error"]["code"] == "invalid_api_key"


def test_a_list_of_texts_gets_a_result_for_each(post: Post, abusive: str) -> None:
    answer = post({"input": [HELLO, abusive, HELLO]}).json
    assert answer is not None
    first, second, third = answer["results"]
    assert first == third
    assert second["flagged"]
    assert set(second["categories"]) == set(second["category_scores"]) == set(CATEGORIES)


def test_parts_are_one_comment_judged_by_its_worst_part(post: Post, abusive: str) -> None:
    parts = [{"type": "text", "text": HELLO}, {"type": "text", "text": abusive}]
    together = post({"input": parts}).json["results"]  # type: ignore[index]
    alone = post({"input": [HELLO, abusive]}).json["results"]  # type: ignore[index]
    assert len(together) == 1
    for name in CATEGORIES:
        worst = max(one["category_scores"][name] for one in alone)
        assert together[0]["category_scores"][name] == worst


def test_flagged_says_whether_any_category_holds(post: Post, abusive: str) -> None:
    for text in (HELLO, abusive):
        (result,) = post({"input": text}).json["results"]  # type: ignore[index]
        assert result["flagged"] == any(result["categories"].values())


def test_the_categories_follow_the_thresholds_of_the_site(
    client: FlaskClient, redis: Redis, abusive: str
) -> None:
    off = dict.fromkeys(("toxicity", "insult", "identity_attack", "threat"), 1.0)
    headers = {"Authorization": f"Bearer {Sites(redis).add(Site('mild', review=off))}"}
    answer = client.post("/v1/moderations", json={"input": abusive}, headers=headers).json
    assert answer is not None
    assert not answer["results"][0]["flagged"]
    assert answer["results"][0]["category_scores"]["harassment"] > 0.5


def test_a_category_of_two_labels_needs_both() -> None:
    both = Category(("toxicity", "threat"), all=True)
    policy = Policy({"toxicity": 0.5, "threat": 0.5})
    assert both.score({"toxicity": 0.9, "threat": 0.2}) == 0.2
    assert not both.holds({"toxicity": 0.9, "threat": 0.2}, policy)
    assert both.holds({"toxicity": 0.9, "threat": 0.5}, policy)
    assert both.score({"toxicity": 0.9}) == 0.0


def test_a_blank_text_among_others_does_not_spoil_the_rest(post: Post) -> None:
    answer = post({"input": ["", HELLO]})
    assert answer.status_code == 200
    assert len(answer.json["results"]) == 2  # type: ignore[index]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": None}, "input"),
        ({"input": ["x", 7]}, "input[1]"),
        ({"input": ["x"] * 1_001}, "input"),
        ({"input": [{"type": "image_url", "image_url": {"url": "https://x"}}]}, "input[0].type"),
        ({"input": "x", "model": 7}, "model"),
        ({"input": "x", "<b>": 7}, "<b>"),
        ([], None),
    ],
)
def test_a_wrong_request_gets_openais_error(post: Post, body: Any, param: str | None) -> None:
    answer = post(body)
    assert answer.status_code == 400
    assert answer.json is not None
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_value")
    assert error["param"] == param
    assert b"<" not in answer.data


@pytest.mark.parametrize("raw", [b"", b"{", b'{"input": NaN}', b"[" * 100_000])
def test_a_body_that_is_not_json_gets_openais_error(
    client: FlaskClient, api_key: str, raw: bytes
) -> None:
    headers = {"Authorization": f"Bearer {api_key}"}
    answer = client.post("/v1/moderations", data=raw, headers=headers)
    assert answer.status_code == 400
    assert answer.json is not None
    assert "could not parse" in answer.json["error"]["message"]


def test_a_text_of_any_length_is_judged_by_its_pieces(post: Post, abusive: str) -> None:
    filler = f"{HELLO}. " * 4_000
    for text in (f"{filler}\n{abusive}", f"{abusive}\n{filler}", f"{filler}\n{abusive}\n{filler}"):
        assert len(text.encode()) > 20_480
        (result,) = post({"input": text}).json["results"]  # type: ignore[index]
        assert result["flagged"]
    (whole,) = post({"input": "\N{ZERO WIDTH JOINER}" * 30_000 + abusive}).json["results"]  # type: ignore[index]
    assert whole["flagged"]


def test_a_lone_surrogate_keeps_no_text_from_being_judged(post: Post, abusive: str) -> None:
    answer = post({"input": [f"{abusive} \ud83d", f"\udc00 {abusive}"]})
    assert answer.status_code == 200
    assert all(result["flagged"] for result in answer.json["results"])  # type: ignore[index]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/moderations", 405, "method_not_supported"),
        ("POST", "/v1/moderations/x", 404, None),
        ("POST", "/v1/moderations/", 200, None),
        ("POST", "/v1/models", 405, "method_not_supported"),
        ("GET", "/v1/models/", 200, None),
        ("GET", "/v1/models/hakam-7", 404, "model_not_found"),
        ("DELETE", "/v1/models/hakam-7", 405, "method_not_supported"),
    ],
)
def test_its_routes_answer_in_openais_form_even_where_nothing_is(
    client: FlaskClient, api_key: str, method: str, path: str, status: int, code: str | None
) -> None:
    headers = {"Authorization": f"Bearer {api_key}"}
    answer = client.open(path, method=method, json={"input": HELLO}, headers=headers)
    assert answer.status_code == status
    if status >= 400:
        assert answer.json is not None
        assert set(answer.json["error"]) == {"message", "type", "param", "code"}
        assert answer.json["error"]["code"] == code
