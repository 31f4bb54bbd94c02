"""Perspective's format, with Google's own client and with what its other clients send."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from googleapiclient import discovery  # type: ignore[import-untyped]
from googleapiclient.errors import HttpError  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from redis import Redis
from werkzeug.test import TestResponse

from conftest import NOWHERE, SAMPLE_COMMENTS, settings_in
from models.artifact import Artifact
from models.schema import read_comments
from service.app import create_app
from service.compat.perspective import errors
from service.compat.perspective.routes import ATTRIBUTES, NOT_MEASURED
from service.config import Settings
from service.errors import ServiceError, StoreMisconfigured, StoreUnavailable, UnknownFormat
from service.queue.feedback import Feedback
from service.run.private_redis import PrivateRedis
from service.sites.site import Site
from service.sites.sites import Sites

HELLO = "مرحبا"  # "hello"
ANALYZE = "/v1alpha1/comments:analyze"
SUGGEST = "/v1alpha1/comments:suggestscore"
SIX = ("TOXICITY", "SEVERE_TOXICITY", "INSULT", "PROFANITY", "IDENTITY_ATTACK", "THREAT")

Post = Callable[..., TestResponse]


@pytest.fixture
def post(client: FlaskClient, api_key: str) -> Post:
    """Post JSON as Perspective's clients do."""

    def post(body: Any, path: str = ANALYZE, query: str = "") -> TestResponse:
        return client.post(f"{path}?key={api_key}{query}", json=body)

    return post


@pytest.fixture
def analyze(post: Post) -> Callable[..., dict[str, Any]]:
    """Analyze a text and return the answer."""

    def analyze(text: str, *attributes: str, **more: Any) -> dict[str, Any]:
        wanted: dict[str, object] = {name: {} for name in attributes or ("TOXICITY",)}
        answer = post({"comment": {"text": text}, "requestedAttributes": wanted} | more)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] | None = answer.json
        assert found is not None
        return found

    return analyze


@pytest.fixture(scope="session")
def abusive(artifact: Artifact) -> str:
    """The sample comment that the artefact finds most toxic."""
    samples = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
    column = artifact.classifier.labels.index("toxicity")
    return samples[artifact.classifier.predict_proba(samples)[:, column].argmax()]


def refused(answer: TestResponse, kind: str | None = None) -> str:
    """Check that an answer is an error as Google words it; return its message."""
    assert answer.content_type == "application/json; charset=UTF-8"
    assert answer.json is not None
    error = answer.json["error"]
    assert error["code"] == answer.status_code
    if kind is not None:
        assert (answer.status_code, error["status"]) == (400, "INVALID_ARGUMENT")
        detail = error["details"][0]
        assert detail["@type"] == "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
        assert detail["errorType"] == kind
    message: str = error["message"]
    return message


# Google's own client


@pytest.fixture
def google(server: str, api_key: str) -> Any:
    """The official sample, with one line changed: where the description of the API is."""
    with discovery.build(
        "commentanalyzer",
        "v1alpha1",
        developerKey=api_key,
        discoveryServiceUrl=f"{server}/$discovery/rest?version=v1alpha1",
        static_discovery=False,
    ) as client:
        yield client


def test_googles_client_works_unmodified_at_our_address(
    google: Any, server: str, api_key: str, abusive: str
) -> None:
    body = {
        "comment": {"text": abusive},
        "requestedAttributes": {"TOXICITY": {}, "INSULT": {"scoreThreshold": 0.0}},
        "languages": ["ar"],
        "doNotStore": True,
        "clientToken": "c-17",
    }
    answer = google.comments().analyze(body=body).execute()
    assert list(answer) == ["attributeScores", "languages", "detectedLanguages", "clientToken"]
    assert answer["clientToken"] == "c-17"
    summary = answer["attributeScores"]["TOXICITY"]["summaryScore"]
    ours = httpx.post(
        f"{server}/v1/score",
        json={"text": abusive},
        headers={"Authorization": f"Bearer {api_key}"},
    ).json()
    assert summary["type"] == "PROBABILITY"
    assert summary["value"] == pytest.approx(ours["scores"]["toxicity"], abs=1e-6)


def test_googles_client_can_send_feedback(google: Any) -> None:
    body = {
        "comment": {"text": HELLO},
        "attributeScores": {"TOXICITY": {"summaryScore": {"value": 0}}},
        "clientToken": "comment-53922",
    }
    answer = google.comments().suggestscore(body=body).execute()
    assert answer == {"detectedLanguages": ["ar"], "clientToken": "comment-53922"}


def test_googles_client_raises_its_own_error_with_our_message(google: Any) -> None:
    with pytest.raises(HttpError) as caught:
        google.comments().analyze(body={"comment": {"text": " "}}).execute()
    assert caught.value.resp.status == 400
    assert caught.value.reason == "Comment must be non-empty."
    assert caught.value.error_details[0]["errorType"] == "COMMENT_EMPTY"


def test_the_description_names_what_the_methods_take(client: FlaskClient) -> None:
    described = client.get("/$discovery/rest?version=v1alpha1&key=whatever").json
    assert described is not None
    assert described["rootUrl"] == "http://localhost/"
    methods = described["resources"]["comments"]["methods"]
    assert methods["analyze"]["path"] == "v1alpha1/comments:analyze"
    asked = described["schemas"]["AnalyzeCommentRequest"]["properties"]
    assert asked["requestedAttributes"]["additionalProperties"] == {"$ref": "AttributeParameters"}
    assert asked["dropUnsupportedAttributes"] == {"type": "boolean"}
    score = described["schemas"]["Score"]["properties"]
    assert score["value"] == {"type": "number", "format": "float"}
    assert "PROBABILITY" in score["type"]["enum"]


def test_the_description_gives_the_public_address_where_there_is_one(app: Flask) -> None:
    services = app.extensions["hakam"]
    settings = services.settings.model_copy(update={"public_url": "https://hakam.example"})
    app.extensions["hakam"] = replace(services, settings=settings)
    described = app.test_client().get("/$discovery/rest").json
    assert described is not None
    assert described["rootUrl"] == "https://hakam.example/"


# Scores


def test_the_answer_has_the_recorded_shape(analyze: Callable[..., dict[str, Any]]) -> None:
    answer = analyze(HELLO, "TOXICITY", clientToken="t")
    scores = answer["attributeScores"]["TOXICITY"]
    assert scores == {
        "spanScores": [{"begin": 0, "end": 5, "score": scores["summaryScore"]}],
        "summaryScore": {"value": scores["summaryScore"]["value"], "type": "PROBABILITY"},
    }
    assert (answer["languages"], answer["detectedLanguages"]) == (["ar"], ["ar"])
    assert "clientToken" not in analyze(HELLO)


def test_the_six_attributes_and_their_aliases_are_served(
    analyze: Callable[..., dict[str, Any]],
) -> None:
    aliases = [f"{name}_EXPERIMENTAL" for name in SIX]
    scores = analyze(HELLO, *SIX, *aliases)["attributeScores"]
    assert set(scores) == {*SIX, *aliases}
    for name in SIX:
        assert scores[name] == scores[f"{name}_EXPERIMENTAL"]


def test_a_score_below_the_threshold_is_left_out(post: Post) -> None:
    wanted = {"TOXICITY": {"scoreThreshold": 0}, "INSULT": {"scoreThreshold": 0.9999999}}
    answer = post({"comment": {"text": HELLO}, "requestedAttributes": wanted}).json
    assert answer is not None
    assert set(answer["attributeScores"]) == {"TOXICITY"}


def test_sentences_are_scored_by_themselves_at_utf_16_offsets(
    analyze: Callable[..., dict[str, Any]], abusive: str
) -> None:
    text = f"\N{GRINNING FACE}\N{ARABIC TATWEEL} {HELLO}.  {abusive}"
    first, *others = analyze(text, spanAnnotations=True)["attributeScores"]["TOXICITY"][
        "spanScores"
    ]
    assert (first["begin"], first["end"]) == (0, 10)  # the emoji counts twice
    units = text.encode("utf-16-le")
    parts = [units[2 * one["begin"] : 2 * one["end"]].decode("utf-16-le") for one in others]
    assert " ".join(parts).split() == abusive.split()
    for part, one in zip(parts, others, strict=True):
        alone = analyze(part)["attributeScores"]["TOXICITY"]["summaryScore"]["value"]
        assert one["score"]["value"] == pytest.approx(alone, abs=1e-6)


def test_the_example_of_the_documents_has_its_spans(
    analyze: Callable[..., dict[str, Any]],
) -> None:
    text = "This is the first one it has it. And this is the second."
    spans = analyze(text, spanAnnotations=True)["attributeScores"]["TOXICITY"]["spanScores"]
    assert [(one["begin"], one["end"]) for one in spans] == [(0, 32), (33, 56)]


@pytest.mark.parametrize("languages", [["en"], ["om"], ["ar"], ["ar-AE"], ["fr", "de"]])
def test_the_language_goes_by_the_script_whatever_the_client_says(
    analyze: Callable[..., dict[str, Any]], languages: list[str]
) -> None:
    answer = analyze(HELLO, languages=languages)
    assert (answer["languages"], answer["detectedLanguages"]) == (languages, ["ar"])
    scores = answer["attributeScores"]
    assert scores == analyze(HELLO)["attributeScores"]


@pytest.mark.parametrize(
    ("text", "tags"),
    [("ya 7mar enta", ["ar-Latn"]), ("hello", ["und-Latn"]), ("مرحبا hello", ["ar", "und-Latn"])],
)
def test_text_in_latin_letters_is_scored(
    analyze: Callable[..., dict[str, Any]], text: str, tags: list[str]
) -> None:
    answer = analyze(text)
    assert sorted(answer["detectedLanguages"]) == sorted(tags)
    assert answer["attributeScores"]


def test_what_was_not_learned_has_the_score_of_all_abuse(
    app: Flask, analyze: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = app.extensions["hakam"].moderation.scorer
    monkeypatch.setattr(scorer, "scores", lambda texts: [{"toxicity": 0.7}] * len(texts))
    scores = analyze("a text", "TOXICITY", "SEVERE_TOXICITY")["attributeScores"]
    assert scores["SEVERE_TOXICITY"]["summaryScore"]["value"] == 0.7


# Errors


BOTH_CONTEXTS = (
    "Context can have either entries or article_and_parent_comment, but both fields were populated."
)


def request_of(**changes: Any) -> dict[str, Any]:
    return {"comment": {"text": HELLO}, "requestedAttributes": {"TOXICITY": {}}} | changes


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (request_of(comment={}), "COMMENT_EMPTY", "Comment must be non-empty."),
        (
            request_of(comment={"text": "\N{ZERO WIDTH JOINER}"}),
            "COMMENT_EMPTY",
            "Comment must be non-empty.",
        ),
        (
            request_of(requestedAttributes={}),
            "NO_REQUESTED_ATTRIBUTES",
            "Missing requested_attributes",
        ),
        (
            request_of(requestedAttributes={"RUDENESS": {}}),
            "INVALID_REQUEST",
            "Unknown requested attribute: RUDENESS",
        ),
        (
            request_of(requestedAttributes={"TOXICITY": {"scoreType": "RAW"}}),
            "INVALID_REQUEST",
            "Requested score type RAW is not supported by attribute TOXICITY",
        ),
        (
            request_of(comment={"text": HELLO, "type": "HTML"}),
            "INVALID_REQUEST",
            "Currently, only 'PLAIN_TEXT' comments are supported",
        ),
        (
            request_of(comment={"text": HELLO, "type": "PDF"}),
            "INVALID_REQUEST",
            "Unknown text type",
        ),
        (
            request_of(context={"entries": [{"text": "x"}], "articleAndParentComment": {}}),
            "INVALID_REQUEST",
            BOTH_CONTEXTS,
        ),
    ],
)
def test_what_perspective_refuses_is_refused_in_its_words(
    post: Post, body: dict[str, Any], kind: str, message: str
) -> None:
    assert refused(post(body), kind) == message


@pytest.mark.parametrize(
    ("languages", "side", "tags"),
    [([], "detectedLanguages", ["he"]), (["iw"], "requestedLanguages", ["iw"])],
)
def test_a_script_that_is_not_measured_is_refused_by_attribute(
    post: Post, languages: list[str], side: str, tags: list[str]
) -> None:
    answer = post(request_of(comment={"text": "\N{HEBREW LETTER ALEF}"}, languages=languages))
    message = refused(answer, "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE")
    assert message == f"Attribute TOXICITY does not support request languages: {tags[0]}"
    detail = answer.json["error"]["details"][0]  # type: ignore[index]
    assert detail["languageNotSupportedByAttributeError"] == {side: tags, "attribute": "TOXICITY"}


@pytest.mark.parametrize("name", sorted(NOT_MEASURED))
def test_an_attribute_that_is_not_measured_can_be_dropped(post: Post, name: str) -> None:
    body = request_of(requestedAttributes={"TOXICITY": {}, name: {}})
    refused(post(body), "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE")
    answer = post(body | {"dropUnsupportedAttributes": True}).json
    assert answer is not None
    assert set(answer["attributeScores"]) == {"TOXICITY"}


def test_an_unknown_attribute_can_be_dropped_too(post: Post) -> None:
    body = request_of(requestedAttributes={"RUDENESS": {}}, dropUnsupportedAttributes=True)
    assert post(body).json["attributeScores"] == {}  # type: ignore[index]


def test_no_attribute_is_both_measured_and_not() -> None:
    assert not NOT_MEASURED & set(ATTRIBUTES)


@pytest.mark.parametrize(
    "body",
    [
        {"comment": {"text": 7}},
        {"comment": "x"},
        {"comments": {}},
        [],
        request_of(requestedAttributes=["TOXICITY"]),
        request_of(requestedAttributes={"TOXICITY": {"scoreThreshold": "high"}}),
        request_of(doNotStore="yes"),
        request_of(languages="ar"),
    ],
)
def test_a_message_that_is_none_is_refused_by_field(post: Post, body: Any) -> None:
    answer = post(body)
    assert refused(answer).startswith("Invalid JSON payload received.")
    assert answer.json["error"]["details"][0]["fieldViolations"]  # type: ignore[index]


@pytest.mark.parametrize("raw", [b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_json_is_refused(client: FlaskClient, api_key: str, raw: bytes) -> None:
    answer = client.post(f"{ANALYZE}?key={api_key}", data=raw, content_type="application/json")
    assert refused(answer).startswith("Invalid JSON payload received.")
    assert answer.status_code == 400


def test_hostile_names_come_back_without_markup(post: Post) -> None:
    answer = post(request_of(requestedAttributes={"<script>alert(1)</script>": {}}))
    assert b"<" not in answer.data
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_body_beyond_all_bounds_is_refused(post: Post) -> None:
    assert "exceeds the limit" in refused(post(request_of(sessionId="x" * 9_000_000)))


def test_a_context_entry_has_a_limit_of_its_own(post: Post) -> None:
    body = request_of(context={"entries": [{"text": "x" * 1_048_577}]})
    refused(post(body), "INVALID_REQUEST")


# Keys, parameters, spellings


@pytest.mark.parametrize("path", [ANALYZE, "/comments:analyze", "/v1alpha1/comments%3Aanalyze"])
def test_the_method_is_found_with_and_without_its_prefix(post: Post, path: str) -> None:
    assert post(request_of(), path).status_code == 200


def test_parameters_that_change_nothing_are_accepted(post: Post) -> None:
    query = "&alt=json&fields=x&prettyPrint=false&quotaUser=u&callback=f&%24.xgafv=2&uploadType=m"
    answer = post(request_of(), query=query)
    assert answer.status_code == 200
    assert answer.content_type == "application/json; charset=UTF-8"


def test_the_key_may_come_in_a_header(client: FlaskClient, api_key: str) -> None:
    for headers in ({"X-Goog-Api-Key": api_key}, {"Authorization": f"Bearer {api_key}"}):
        assert client.post(ANALYZE, json=request_of(), headers=headers).status_code == 200


@pytest.mark.parametrize("path", [ANALYZE, "/v1/moderations", "/v1/score"])
def test_no_page_of_another_site_may_ask_with_the_key_of_a_site(
    client: FlaskClient, api_key: str, path: str
) -> None:
    page = {"Origin": "https://news.example", "Authorization": f"Bearer {api_key}"}
    asks = page | {"Access-Control-Request-Method": "POST"}
    for answer in (
        client.options(path, headers=asks),
        client.post(path, json=request_of(), headers=page),
    ):
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_a_wrong_key_and_no_key_are_refused_as_google_does(
    client: FlaskClient, api_key: str
) -> None:
    wrong = client.post(f"{ANALYZE}?key=AIza", json=request_of())
    assert wrong.status_code == 400
    assert refused(wrong) == "API key not valid. Please pass a valid API key."
    missing = client.post(ANALYZE, json=request_of())
    assert missing.status_code == 403
    assert "unregistered callers" in refused(missing)


def test_names_may_be_in_snake_case_and_unset_fields_null(post: Post) -> None:
    body = {
        "comment": {"text": HELLO, "type": None},
        "requested_attributes": {"TOXICITY": None},
        "context": None,
        "client_token": "t",
    }
    answer = post(body)
    assert answer.status_code == 200
    assert answer.json["clientToken"] == "t"  # type: ignore[index]


def test_a_site_over_its_quota_gets_googles_answer(client: FlaskClient, redis: Redis) -> None:
    key = Sites(redis).add(Site("busy", requests_per_minute=1))
    answers = [client.post(f"{ANALYZE}?key={key}", json=request_of()) for _ in range(5)]
    refused_ones = [answer for answer in answers if answer.status_code == 429]
    assert refused_ones
    answer = refused_ones[0]
    assert refused(answer).startswith(
        "Quota exceeded for quota metric 'Analysis requests (AnalyzeComment)' and limit"
    )
    assert answer.json is not None
    info = answer.json["error"]["details"][0]
    assert answer.json["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert info["reason"] == "RATE_LIMIT_EXCEEDED"
    assert info["metadata"]["quota_limit"] == "AnalyzeRequestsPerMinutePerProject"
    assert info["metadata"]["quota_limit_value"] == "1"
    assert int(answer.headers["Retry-After"]) >= 1


# What stays behind


def test_analyze_leaves_nothing_behind(post: Post, redis: Redis, abusive: str) -> None:
    before = sorted(redis.scan_iter())
    post(request_of(comment={"text": abusive}))
    assert sorted(redis.scan_iter()) == before


def test_a_site_may_have_what_it_analyzes_queued_unless_it_says_not_to_store(
    post: Post, app: Flask, redis: Redis, site: Site, abusive: str
) -> None:
    Sites(redis).update(replace(site, queue_analyzed=True))
    queue = app.extensions["hakam"].queue
    post(request_of(comment={"text": abusive}, doNotStore=True))
    assert queue.stats(site.id).pending == 0
    for _ in range(2):
        post(request_of(comment={"text": abusive}, clientToken="c-1"))
    assert queue.stats(site.id).pending == 1


def test_a_comment_that_is_not_to_be_stored_leaves_no_word_in_redis_or_on_its_disk(
    environ: dict[str, str], tmp_path: Path, abusive: str
) -> None:
    words = [*abusive.split(), "zqmark"]
    with PrivateRedis() as own, ExitStack() as stack:
        url = own.start(tmp_path)
        redis = stack.enter_context(Redis.from_url(url))
        redis.config_set("rdbcompression", "no")  # a dump shows what is in it
        sites = Sites(stack.enter_context(Redis.from_url(url, decode_responses=True)))
        key = sites.add(Site("demo", queue_analyzed=True))
        settings = settings_in(environ | {"HAKAM_REDIS_URL": url, "HAKAM_VAR": str(tmp_path)})
        client = create_app(settings).test_client()
        for stored in (False, True):  # what is stored shows that the search would have found it
            body = request_of(
                comment={"text": " ".join(words)},
                doNotStore=not stored,
                clientToken="c-9",
                spanAnnotations=True,
            )
            assert client.post(f"{ANALYZE}?key={key}", json=body).status_code == 200
            kept = [name + redis.dump(name) for name in redis.scan_iter()]
            files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
            for traces in (b"".join(kept), b"".join(files)):
                spellings = [[word.encode(), ascii(word)[1:-1].encode()] for word in words]
                found = [any(spelling in traces for spelling in both) for both in spellings]
                assert found == [stored] * len(words)


def test_a_suggestion_is_site_feedback_and_no_decision(
    post: Post, app: Flask, redis: Redis, site: Site
) -> None:
    body = {
        "comment": {"text": HELLO},
        "context": {"entries": [{"text": '{"url": "https://news.example/a-1"}'}]},
        "attributeScores": {
            "TOXICITY": {"summaryScore": {"value": 1}},
            "INSULT": {"spanScores": [{"begin": 0, "end": 5, "score": {"value": "0.5"}}]},
            "FLIRTATION": {"summaryScore": {"value": 1}},
        },
        "languages": ["en"],
        "communityId": "Coral:https://news.example",
        "clientToken": "comment:c-1",
    }
    answer = post(body, SUGGEST)
    assert answer.json == {
        "detectedLanguages": ["ar"],
        "requestedLanguages": ["en"],
        "clientToken": "comment:c-1",
    }
    ((_, comment),) = Feedback(redis).read(site.id)
    assert (comment.id, comment.text, comment.source) == ("comment:c-1", HELLO, "site_feedback")
    assert comment.labels == {"toxicity": 1.0, "insult": 0.5}
    assert app.extensions["hakam"].decisions.read(site.id) == []


@pytest.mark.parametrize(
    "scores",
    [
        {},
        {"RUDENESS": {"summaryScore": {"value": 1}}},
        {"TOXICITY": {}},
        {"TOXICITY": {"summaryScore": {"value": 2}}},
        {"TOXICITY": {"summaryScore": {"value": 1, "type": "RAW"}}},
        {"TOXICITY": {"spanScores": [{"score": {"value": 1}}]}},
        {"TOXICITY": {"spanScores": [{"begin": 3, "end": 1, "score": {"value": 1}}]}},
    ],
)
def test_a_malformed_suggestion_is_refused_and_not_stored(
    post: Post, redis: Redis, site: Site, scores: Any
) -> None:
    refused(
        post({"comment": {"text": HELLO}, "attributeScores": scores}, SUGGEST), "INVALID_REQUEST"
    )
    assert Feedback(redis).read(site.id) == []


# Requests as real clients send them


def _chunks(raw: bytes) -> Iterator[bytes]:
    for at in range(0, len(raw), 7):
        yield raw[at : at + 7]


REQUEST = {"comment": {"text": HELLO}, "requestedAttributes": {"TOXICITY": {}}}
RAW: dict[str, tuple[str, dict[str, str], Any]] = {
    "key in the address": ("?key={key}", {}, REQUEST),
    "key in a header": ("", {"x-goog-api-key": "{key}"}, REQUEST),
    "key as bearer": ("", {"Authorization": "Bearer {key}"}, REQUEST),
    "form content type": (
        "?key={key}",
        {"Content-Type": "application/x-www-form-urlencoded"},
        REQUEST,
    ),
    "no content type": ("?key={key}", {"Content-Type": ""}, REQUEST),
    "session": ("?key={key}", {}, REQUEST | {"sessionId": "s-1", "communityId": "/forum"}),
    "context entries": ("?key={key}", {}, REQUEST | {"context": {"entries": [{"text": "x"}]}}),
    "snake case and null": ("?key={key}", {}, REQUEST | {"do_not_store": True, "context": None}),
    "lone surrogate": ("?key={key}", {}, REQUEST | {"comment": {"text": f"{HELLO} \ud83d"}}),
    "other language": ("?key={key}", {}, REQUEST | {"languages": ["en"]}),
    "trailing slash": ("/?key={key}", {}, REQUEST),
    "byte order mark": ("?key={key}", {}, b"\xef\xbb\xbf" + json.dumps(REQUEST).encode()),
    "only signs": ("?key={key}", {}, REQUEST | {"comment": {"text": "!?"}}),
}


@pytest.mark.parametrize(("tail", "headers", "body"), RAW.values(), ids=RAW)
def test_a_request_of_a_real_client_is_answered_over_a_real_connection(
    server: str, api_key: str, tail: str, headers: dict[str, str], body: Any
) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name: value.format(key=api_key) for name, value in headers.items()}
    address = f"{server}{ANALYZE}{tail.format(key=api_key)}"
    whole = httpx.post(address, content=raw, headers=named)
    assert whole.status_code == 200, whole.text
    assert 0 <= whole.json()["attributeScores"]["TOXICITY"]["summaryScore"]["value"] <= 1
    assert httpx.post(address, content=_chunks(raw), headers=named).json() == whole.json()


def test_no_body_is_a_message_without_fields(client: FlaskClient, api_key: str) -> None:
    """A client checks its key so, and looks for the details."""
    answer = client.post(f"{ANALYZE}?key={api_key}")
    assert refused(answer, "COMMENT_EMPTY") == "Comment must be non-empty."


@pytest.mark.parametrize(
    ("method", "path", "status", "word"),
    [
        ("GET", ANALYZE, 405, "UNIMPLEMENTED"),
        ("POST", "/v1alpha1/comments:guess", 404, "NOT_FOUND"),
        ("POST", "/comments:guess", 404, "NOT_FOUND"),
        ("POST", "/$discovery/rest", 405, "UNIMPLEMENTED"),
        ("GET", "/$discovery/apis", 404, "NOT_FOUND"),
    ],
)
def test_its_routes_answer_in_googles_form_even_where_nothing_is(
    client: FlaskClient, method: str, path: str, status: int, word: str
) -> None:
    answer = client.open(path, method=method)
    refused(answer)
    assert answer.json is not None
    assert (answer.status_code, answer.json["error"]["status"]) == (status, word)
    assert (status == 405) == ("Allow" in answer.headers)


def test_a_packed_body_is_refused_in_googles_form(client: FlaskClient, api_key: str) -> None:
    raw, headers = gzip.compress(json.dumps(REQUEST).encode()), {"Content-Encoding": "gzip"}
    answer = client.post(f"{ANALYZE}?key={api_key}", data=raw, headers=headers)
    assert answer.status_code == 415
    assert "Content-Encoding" in refused(answer)


def test_a_text_of_any_length_is_judged_by_its_pieces(
    analyze: Callable[..., dict[str, Any]], abusive: str
) -> None:
    hidden = "\N{ZERO WIDTH JOINER}" * 30_000
    text = f"{hidden}{abusive}{hidden}"
    found = analyze(text, spanAnnotations=True)["attributeScores"]["TOXICITY"]
    assert found["summaryScore"]["value"] >= 0.5
    (span,) = found["spanScores"]
    assert (span["begin"], span["end"]) == (0, len(text.encode("utf-16-le")) // 2)


def test_a_very_long_text_that_is_flagged_is_queued_by_the_part_that_speaks_against_it(
    post: Post, app: Flask, redis: Redis, site: Site, abusive: str
) -> None:
    Sites(redis).update(replace(site, queue_analyzed=True))
    text = f"{HELLO}. " * 3_000 + f"\n{abusive}\n" + f"{HELLO}. " * 3_000
    post(request_of(comment={"text": text}))
    lease = app.extensions["hakam"].queue.lease(site.id, "amal")
    assert lease is not None
    assert len(lease.item.comment.text.encode()) <= 21_000
    assert abusive.split(maxsplit=1)[0] in lease.item.comment.text


# Coral, which publishes what gets an error


CORAL = {"User-Agent": "Coral Perspective/9.11.8"}
CORALS_REQUEST = {
    "comment": {"text": HELLO},
    "doNotStore": True,
    "requestedAttributes": {"TOXICITY": {}},
    "languages": ["en"],
}
JUDGED = {
    "usual": {},
    "over 20 KB": {"comment": {"text": f"{HELLO} " * 4_000}},
    "lone surrogate": {"comment": {"text": f"{HELLO} \ud83d"}},
    "blank": {"comment": {"text": " "}},
    "signs": {"comment": {"text": "!?"}},
}
NOT_JUDGED = {
    "unknown letters": {"comment": {"text": "\u0438\u0434\u0438"}},
    "more than can be judged in time": {"comment": {"text": "a" * 200_000}},
    "attribute not measured": {"requestedAttributes": {"FLIRTATION": {}}},
    "attribute unknown": {"requestedAttributes": {"RUDENESS": {}}},
    "no attribute": {"requestedAttributes": {}},
    "wrong type": {"comment": {"text": 7}},
    "unknown field": {"surprise": 1},
    "too long a body": {"sessionId": "x" * 9_000_000},
}


def corals_score(answer: TestResponse, attribute: str = "TOXICITY") -> float:
    """What Coral reads; it publishes where it cannot."""
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    return float(answer.json["attributeScores"][attribute]["summaryScore"]["value"])


@pytest.mark.parametrize("changes", JUDGED.values(), ids=JUDGED)
def test_coral_gets_a_score_for_whatever_can_be_judged(
    client: FlaskClient, api_key: str, changes: dict[str, Any]
) -> None:
    body = CORALS_REQUEST | changes
    answer = client.post(f"{ANALYZE}?key={api_key}", json=body, headers=CORAL)
    assert corals_score(answer) < 1
    assert not re.search(r"(?m)^hakam_withheld_total\{", client.get("/metrics").text)


@pytest.mark.parametrize("changes", NOT_JUDGED.values(), ids=NOT_JUDGED)
def test_what_cannot_be_judged_for_coral_is_withheld_logged_and_counted(
    client: FlaskClient, api_key: str, changes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    body = CORALS_REQUEST | changes
    answer = client.post(f"{ANALYZE}?key={api_key}", json=body, headers=CORAL)
    asked = next(iter(body["requestedAttributes"]), "TOXICITY")
    assert corals_score(answer, asked) == 1
    assert '"withheld: ' in capsys.readouterr().out
    counted = r'(?m)^hakam_withheld_total\{interface="perspective",reason="\w+"\} 1.0$'
    assert re.search(counted, client.get("/metrics").text)


def test_a_quota_that_is_used_up_withholds_from_coral_too(
    client: FlaskClient, redis: Redis
) -> None:
    key = Sites(redis).add(Site("busy", requests_per_minute=1))
    scores = [
        corals_score(client.post(f"{ANALYZE}?key={key}", json=CORALS_REQUEST, headers=CORAL))
        for _ in range(3)
    ]
    assert scores[-1] == 1


def test_a_fault_of_ours_withholds_from_coral_too(
    app: Flask, client: FlaskClient, api_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_texts: object) -> None:
        raise ValueError

    monkeypatch.setattr(app.extensions["hakam"].moderation.scorer, "scores", fail)
    answer = client.post(f"{ANALYZE}?key={api_key}", json=CORALS_REQUEST, headers=CORAL)
    assert corals_score(answer) == 1


def test_a_store_that_is_away_withholds_from_coral_too(
    settings: Settings, artifact: Artifact, api_key: str
) -> None:
    cut = create_app(settings, redis=NOWHERE, artifact=artifact).test_client()
    address = f"{ANALYZE}?key={api_key}"
    assert corals_score(cut.post(address, json=CORALS_REQUEST, headers=CORAL)) == 1
    assert cut.post(address, json=CORALS_REQUEST).status_code == 503


def test_only_a_wrong_key_is_refused_to_coral(client: FlaskClient) -> None:
    answer = client.post(f"{ANALYZE}?key=AIza", json=CORALS_REQUEST, headers=CORAL)
    assert "API key not valid" in refused(answer)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings_of_hypothesis(
    max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.fixed_dictionaries(
        {"comment": st.fixed_dictionaries({"text": st.text(st.characters(codec=None))})},
        optional={"languages": json_values, "doNotStore": json_values, "context": json_values},
    )
)
def test_every_question_of_coral_with_a_key_gets_a_score(
    client: FlaskClient, api_key: str, body: dict[str, Any]
) -> None:
    raw = json.dumps(body | {"requestedAttributes": {"TOXICITY": {}}})
    answer = client.post(f"{ANALYZE}?key={api_key}", data=raw, headers=CORAL)
    assert 0 <= corals_score(answer) <= 1


@pytest.mark.parametrize("error", [StoreUnavailable, StoreMisconfigured, UnknownFormat])
def test_whatever_is_wrong_with_the_store_is_unavailable_to_googles_clients(
    app: Flask, error: type[ServiceError]
) -> None:
    with app.test_request_context(ANALYZE):
        answer = errors.answer(error("Redis"))
    assert answer.status_code == 503
    assert answer.get_json()["error"]["status"] == "UNAVAILABLE"
    assert int(answer.headers["Retry-After"]) > 0
