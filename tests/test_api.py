"""The HTTP API for machines: what several of its modules do."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.exceptions import default_exceptions
from werkzeug.test import TestResponse

from conftest import NOWHERE, SAMPLE_COMMENTS
from models.artifact import Artifact
from models.schema import LABELS, read_comments
from service.api import bodies
from service.api.schemas import MAX_COMMENTS
from service.app import create_app
from service.compat import openai
from service.compat.perspective import messages
from service.config import Settings
from service.rules.policy import random_draw
from service.scoring import MAX_EVIDENCE_CHARACTERS, MAX_TEXT_BYTES
from service.sites.site import Site
from service.sites.sites import Sites

Post = Callable[..., TestResponse]


@pytest.fixture
def post(client: FlaskClient, api_key: str) -> Post:
    """Post JSON with the key of the site."""

    def post(path: str, body: Any = None, **options: Any) -> TestResponse:
        options.setdefault("headers", {"Authorization": f"Bearer {api_key}"})
        if body is not None:
            options["json"] = body
        return client.post(path, **options)

    return post


@pytest.fixture
def get(client: FlaskClient, api_key: str) -> Post:
    """Get with the key of the site."""
    return lambda path: client.get(path, headers={"Authorization": f"Bearer {api_key}"})


@pytest.fixture(scope="session")
def texts(artifact: Artifact) -> list[str]:
    """Sample comments, the mildest by the artefact first, the most toxic last."""
    samples = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
    scores = artifact.classifier.predict_proba(samples)
    mildest = samples[scores.max(axis=1).argmin()]
    column = artifact.classifier.labels.index("toxicity")
    return [mildest, *(samples[i] for i in scores[:, column].argsort()[-20:])]


@pytest.fixture(scope="session")
def harmless(texts: list[str]) -> str:
    return texts[0]


@pytest.fixture(scope="session")
def abusive(texts: list[str]) -> str:
    return texts[-1]


@pytest.fixture
def site() -> Site:
    """A site without a random sample, so that a harmless comment is never queued by chance."""
    return Site("demo", random_sample_share=0.0)


@pytest.fixture
def without_redis(settings: Settings, artifact: Artifact, app: Flask, api_key: str) -> Flask:
    """The application after Redis has gone away."""
    cut = create_app(settings, redis=NOWHERE, artifact=artifact)
    app.extensions["hakam"].known_sites.remember()
    cut.extensions["hakam"].known_sites._memory = app.extensions["hakam"].known_sites._memory
    return cut


# Scoring


def test_one_comment_gets_one_answer(post: Post, harmless: str) -> None:
    answer = post("/v1/score", {"text": harmless, "id": "c-1"})
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["id"] == "c-1"
    assert answer.json["action"] == "approve"
    assert answer.json["reason"] == "clean"
    assert answer.json["author_scores"] is None
    assert answer.json["evidence"] == []
    assert answer.json["review"] is None
    assert set(answer.json["scores"]) <= set(LABELS)
    assert all(0 <= score <= 1 for score in answer.json["scores"].values())


def test_a_list_gets_a_list_in_the_same_order(post: Post, harmless: str, abusive: str) -> None:
    answer = post("/v1/score", [{"text": harmless, "id": "a"}, {"text": abusive, "id": "b"}])
    assert answer.json is not None
    assert [(one["id"], one["action"]) for one in answer.json] == [
        ("a", "approve"),
        ("b", "review"),
    ]


def test_a_comment_scores_the_same_alone_and_in_a_list(post: Post, texts: list[str]) -> None:
    many = post("/v1/score", [{"text": text} for text in texts[-5:]]).json
    alone = [post("/v1/score", {"text": text}).json for text in texts[-5:]]
    assert many == alone


def test_evidence_points_into_the_original_text(post: Post, abusive: str) -> None:
    # Tatweel and an emoji in front move every offset of a normalized or UTF-16 text.
    text = "\N{SPEAKING HEAD IN SILHOUETTE} \N{ARABIC TATWEEL} " + abusive
    answer = post("/v1/score", {"text": text}).json
    assert answer is not None
    assert answer["evidence"]
    for span in answer["evidence"]:
        assert 3 < span["start"] < span["end"] <= len(text)
        assert span["field"] == "text"
        assert span["label"] in LABELS


def test_a_request_of_very_long_comments_gets_all_verdicts_and_evidence_for_the_first(
    post: Post, abusive: str
) -> None:
    text = abusive.ljust(10_000)
    answers = post("/v1/score", [{"text": text}] * 40).json
    assert len(text) * 40 > MAX_EVIDENCE_CHARACTERS
    assert answers is not None
    assert {answer["action"] for answer in answers} == {"review"}
    assert answers[0]["evidence"]
    assert not answers[-1]["evidence"]


def test_the_display_name_is_scored_like_the_text(post: Post, harmless: str, abusive: str) -> None:
    name = abusive[:512]
    answer = post("/v1/score", {"text": harmless, "author": {"name": name}}).json
    by_text = post("/v1/score", {"text": name}).json
    assert answer is not None
    assert by_text is not None
    assert (answer["action"], answer["field"]) == ("review", "author.name")
    assert answer["author_scores"] == by_text["scores"]
    assert {span["field"] for span in answer["evidence"]} == {"author.name"}


def test_persian_and_urdu_are_named_and_scored_all_the_same(post: Post, harmless: str) -> None:
    persian = "\u0627\u06cc\u0646 \u062e\u06cc\u0644\u06cc \u0628\u062f \u0627\u0633\u062a"
    answers = post("/v1/score", [{"text": harmless}, {"text": persian}]).json
    assert answers is not None
    known, unknown = answers
    assert (known["script"], known["unsupported_language"]) == ("Arab", None)
    assert (unknown["script"], unknown["unsupported_language"]) == ("Arab", "fa")
    assert set(known["scores"]) == set(unknown["scores"])
    assert (unknown["action"], unknown["reason"]) == ("approve", "clean")


def test_scoring_leaves_no_trace(post: Post, redis: Redis, abusive: str, api_key: str) -> None:
    before = sorted(redis.scan_iter())
    post("/v1/score", {"text": abusive, "id": "c-1"})
    assert sorted(redis.scan_iter()) == before


def test_a_thousand_comments_are_one_request(post: Post, harmless: str) -> None:
    answer = post("/v1/score", [{"text": harmless}] * MAX_COMMENTS)
    assert answer.json is not None
    assert len(answer.json) == MAX_COMMENTS


# Moderating


def test_a_harmless_comment_is_approved_and_stored_nowhere(post: Post, harmless: str) -> None:
    answer = post("/v1/comments", {"id": "c-1", "text": harmless})
    assert answer.status_code == 200
    assert answer.json is not None
    assert (answer.json["action"], answer.json["review"]) == ("approve", None)


def test_a_flagged_comment_waits_for_a_person(post: Post, get: Post, abusive: str) -> None:
    answer = post("/v1/comments", {"id": "c-1", "text": abusive, "article": {"title": "T"}})
    assert answer.status_code == 202
    assert answer.json is not None
    assert answer.json["action"] == "review"
    review = answer.json["review"]
    assert (review["state"], review["sampling_probability"]) == ("pending", 1.0)
    item = get(f"/v1/queue/items/{review['item_id']}").json
    assert item is not None
    assert (item["comment"]["text"], item["comment"]["article_title"]) == (abusive, "T")
    assert item["evidence"] == answer.json["evidence"]
    assert get("/v1/queue/stats").json["pending"] == 1  # type: ignore[index]


def test_a_comment_sent_twice_is_queued_once(post: Post, get: Post, abusive: str) -> None:
    first = post("/v1/comments", {"id": "c-1", "text": abusive})
    assert post("/v1/comments", {"id": "c-1", "text": abusive}).json == first.json
    assert get("/v1/queue/stats").json["pending"] == 1  # type: ignore[index]


def test_every_answer_says_which_version_and_content_it_is_about(
    post: Post, texts: list[str]
) -> None:
    harmless, *_, other, abusive = texts
    digests = []
    for version, text in enumerate([abusive, other, harmless, abusive], start=1):
        for _ in range(2):
            answer: Any = post("/v1/comments", {"id": "c-1", "text": text}).json
            assert (answer["version"], answer["decision"]) == (version, None)
            assert answer["action"] == ("approve" if text == harmless else "review")
        digests.append(answer["content_digest"])
        whole = hashlib.sha256(f"{text}\0".encode()).digest()
        assert digests[-1] == base64.urlsafe_b64encode(whole)[:28].decode()
    assert digests[0] == digests[3] != digests[1]
    scored = post("/v1/score", {"text": abusive}).json
    assert scored is not None
    assert (scored["version"], scored["content_digest"]) == (None, digests[0])


@pytest.mark.parametrize("flag", [{}, {"edited": False}, {"edited": True}])
def test_a_changed_text_replaces_the_earlier_one_whatever_the_flag_says(
    post: Post, get: Post, harmless: str, abusive: str, flag: dict[str, bool]
) -> None:
    post("/v1/comments", {"id": "c-1", "text": abusive})
    lease = post("/v1/queue/lease", {"moderator": "samira"}).json
    assert lease is not None
    answer = post("/v1/comments", {"id": "c-1", "text": harmless} | flag)
    assert (answer.status_code, answer.json["action"]) == (200, "approve")  # type: ignore[index]
    path = f"/v1/queue/items/{lease['item']['id']}/decide"
    assert post(path, decision(lease)).status_code == 409
    assert get("/v1/queue/stats").json["pending"] == 0  # type: ignore[index]
    again = post("/v1/comments", {"id": "c-1", "text": abusive} | flag)
    assert (again.status_code, again.json["version"]) == (202, 3)  # type: ignore[index]


@pytest.mark.parametrize("action", ["approve", "reject"])
@pytest.mark.parametrize("place", [0, -1])
def test_a_comment_sent_again_after_its_decision_is_answered_with_it(
    post: Post, redis: Redis, site: Site, texts: list[str], place: int, action: str
) -> None:
    sent = {"id": "c-1", "text": texts[place], "author": {"id": "reader-7"}}
    Sites(redis).update(replace(site, review_first_comments=1))
    assert post("/v1/comments", sent).status_code == 202
    lease = post("/v1/queue/lease", {"moderator": "samira"}).json
    assert lease is not None
    path = f"/v1/queue/items/{lease['item']['id']}/decide"
    made = post(path, decision(lease, action=action)).json
    assert made is not None
    Sites(redis).update(site)
    answer = post("/v1/comments", sent)
    assert answer.status_code == 200
    assert answer.json is not None
    assert (answer.json["action"], answer.json["reason"]) == (action, "decided")
    assert (answer.json["version"], answer.json["review"]) == (1, None)
    decided_at = datetime.fromtimestamp(made["decided_at"], UTC).isoformat("T", "milliseconds")
    assert answer.json["decision"] == {
        "decision_id": made["id"],
        "action": action,
        "decided_at": decided_at,
        "author_message": None,
    }


def test_a_comment_that_waits_goes_on_waiting_when_it_would_be_approved_by_now(
    app: Flask, post: Post, redis: Redis, site: Site, abusive: str
) -> None:
    sent = {"id": "c-1", "text": abusive}
    post("/v1/comments", sent)
    Sites(redis).update(replace(site, review=dict.fromkeys(LABELS, 1.0)))
    app.extensions["hakam"].known_sites.remember()  # else the new settings hold in a second
    answer = post("/v1/comments", sent)
    assert answer.status_code == 202
    assert answer.json is not None
    assert (answer.json["action"], answer.json["reason"]) == ("review", "waiting")
    assert answer.json["review"]["state"] == "pending"


def test_a_site_may_have_comments_rejected_without_a_person(
    post: Post, get: Post, redis: Redis, site: Site, abusive: str
) -> None:
    Sites(redis).update(replace(site, reject=dict.fromkeys(LABELS, 0.5)))
    answer = post("/v1/comments", {"id": "c-1", "text": abusive})
    assert answer.status_code == 200
    assert answer.json is not None
    assert (answer.json["action"], answer.json["review"]) == ("reject", None)
    assert answer.json["decision"]["decision_id"], "by which it can be appealed against"
    assert answer.json["evidence"]
    assert get("/v1/queue/stats").json["pending"] == 0  # type: ignore[index]


def test_the_random_sample_shows_a_harmless_comment_to_a_person_and_says_so(
    post: Post, redis: Redis, site: Site, harmless: str
) -> None:
    Sites(redis).update(replace(site, random_sample_share=0.5))
    drawn = next(f"c-{n}" for n in range(100) if random_draw(site.id, f"c-{n}") < 0.5)
    answer = post("/v1/comments", {"id": drawn, "text": harmless})
    assert answer.status_code == 202
    assert answer.json is not None
    assert (answer.json["reason"], answer.json["label"]) == ("random_sample", None)
    assert answer.json["review"]["sampling_probability"] == 0.5


# While Redis is down


def test_a_harmless_comment_is_answered_while_redis_is_down(
    without_redis: Flask, api_key: str, harmless: str
) -> None:
    answer = without_redis.test_client().post(
        "/v1/comments",
        json={"id": "c-1", "text": harmless},
        headers={"Authorization": f"Bearer {api_key}"},
    )
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["action"] == "approve"
    assert answer.json["version"] is None, "nobody can say which one it is"


def test_a_flagged_comment_is_never_accepted_while_redis_is_down(
    without_redis: Flask, api_key: str, abusive: str
) -> None:
    answer = without_redis.test_client().post(
        "/v1/comments",
        json={"id": "c-1", "text": abusive},
        headers={"Authorization": f"Bearer {api_key}"},
    )
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.content_type == "application/problem+json"


def remember(app: Flask, site: Site) -> None:
    """Let an application remember other settings of a site than it does."""
    memory = app.extensions["hakam"].known_sites._memory
    known = memory[site.id]
    memory[site.id] = replace(known, record=replace(known.record, site=site))


def test_a_comment_of_the_random_sample_needs_nobody_while_redis_is_down(
    without_redis: Flask, api_key: str, harmless: str
) -> None:
    remember(without_redis, Site("demo", random_sample_share=1.0))
    answer = without_redis.test_client().post(
        "/v1/comments",
        json={"id": "c-1", "text": harmless},
        headers={"Authorization": f"Bearer {api_key}"},
    )
    assert answer.status_code == 200
    assert answer.json is not None
    assert (answer.json["action"], answer.json["reason"]) == ("approve", "clean")


def test_a_rejection_is_never_answered_unrecorded_while_redis_is_down(
    without_redis: Flask, api_key: str, abusive: str
) -> None:
    """Not even where the random sample was to show it to a person."""
    reject = dict.fromkeys(LABELS, 0.5)
    remember(without_redis, Site("demo", random_sample_share=1.0, reject=reject))
    answer = without_redis.test_client().post(
        "/v1/comments",
        json={"id": "c-1", "text": abusive},
        headers={"Authorization": f"Bearer {api_key}"},
    )
    assert answer.status_code == 503


@pytest.mark.parametrize(
    "wish",
    [{"review_first_comments": 2}, {"review_after_rejections": 1}, {"block_words": ("word",)}],
    ids=lambda wish: next(iter(wish)),
)
def test_what_a_site_always_wants_to_see_is_never_answered_blindly_while_redis_is_down(
    without_redis: Flask, api_key: str, harmless: str, wish: dict[str, Any]
) -> None:
    """Not even where it is in the random sample too, which needs nobody."""
    remember(without_redis, Site("demo", random_sample_share=1.0, **wish))
    answer = without_redis.test_client().post(
        "/v1/comments",
        json={"id": "c-1", "text": f"{harmless} word", "author": {"id": "reader-7"}},
        headers={"Authorization": f"Bearer {api_key}"},
    )
    assert answer.status_code == 503


def test_readiness_says_what_is_wrong_and_health_does_not_care(without_redis: Flask) -> None:
    client = without_redis.test_client()
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json is not None
    assert "Redis" in ready.json["detail"]
    assert client.get("/healthz").status_code == 200
    assert client.get("/metrics").status_code == 200


def test_readiness_names_the_setting_of_redis_that_loses_comments(
    client: FlaskClient, redis: Redis
) -> None:
    redis.config_set("appendfsync", "everysec")
    try:
        answer = client.get("/readyz")
    finally:
        redis.config_set("appendfsync", "always")
    assert answer.status_code == 503
    assert "appendfsync" in answer.text
    assert client.get("/readyz").status_code == 200


# Bad input


def wrong_fields(answer: TestResponse) -> list[str]:
    assert answer.status_code == 422, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.json is not None
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    return [error["field"] for error in answer.json["errors"]]


BLANK = {
    "empty": "",
    "spaces": " \t\n\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}",
    "invisible": "\N{ZERO WIDTH JOINER}\N{RIGHT-TO-LEFT MARK}\N{ZERO WIDTH NO-BREAK SPACE}",
    "fillers": "\N{HANGUL FILLER}\N{BRAILLE PATTERN BLANK}\N{COMBINING GRAPHEME JOINER}",
    "selectors": "\N{VARIATION SELECTOR-16}\N{VARIATION SELECTOR-256}\N{TAG LATIN SMALL LETTER A}",
    "unassigned": "\u2065\ufff0\U000e0fff",
}


@pytest.mark.parametrize("text", BLANK.values(), ids=BLANK)
def test_a_text_that_shows_nothing_is_refused(post: Post, text: str) -> None:
    assert wrong_fields(post("/v1/score", {"text": text})) == ["text"]
    assert wrong_fields(post("/v1/comments", {"id": "c-1", "text": text})) == ["text"]


# PINK HEART and DONKEY are newer than some Pythons, U+1FAFF is not assigned yet.
@pytest.mark.parametrize("text", ["\U0001fa77", "\U0001facf\u3164", "\U0001faff", "\ue000"])
def test_a_text_of_new_signs_is_a_text(post: Post, text: str) -> None:
    assert post("/v1/score", [{"text": text}, {"text": "x"}]).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": None}, "text"),
        ({"text": 7}, "text"),
        ({"text": ["x"]}, "text"),
        ({"text": "a\0b"}, "text"),
        ({"text": "\ud800"}, "text"),
        ({"text": "x" * (MAX_TEXT_BYTES + 1)}, "text"),
        ({"text": "\N{ARABIC LETTER BEH}" * (MAX_TEXT_BYTES // 2 + 1)}, "text"),
        ({"text": "x", "author": {"name": "\udfff"}}, "author.name"),
        ({"text": "x", "author": {"name": "a\0"}}, "author.name"),
        ({"text": "x", "author": {"name": "n" * 513}}, "author.name"),
        ({"text": "x", "author": "Samira"}, "author"),
        ({"text": "x", "author": {"age": 7}}, "author.age"),
        ({"text": "x", "article": {"url": "javascript:alert(1)"}}, "article.url"),
        ({"text": "x", "article": {"url": "http://[x"}}, "article.url"),
        ({"text": "x", "parent": {"text": "x" * (MAX_TEXT_BYTES + 1)}}, "parent.text"),
        ({"text": "x", "created_at": "yesterday"}, "created_at"),
        ({"text": "x", "created_at": "2026-01-01T00:00:00"}, "created_at"),
        ({"text": "x", "reach": -1}, "reach"),
        ({"text": "x", "reach": 10**400}, "reach"),
        ({"text": "x", "reach": True}, "reach"),
        ({"text": "x", "id": ""}, "id"),
        ({"text": "x", "id": 7}, "id"),
        ({"text": "x", "Text": "y"}, "Text"),
        ("x", ""),
        (7, ""),
        ([], ""),
        ([{"text": "x"}, {"text": ""}], "[1].text"),
        ([[{"text": "x"}]], "[0]"),
        ([{}] * (MAX_COMMENTS + 1), ""),
    ],
)
def test_a_wrong_field_is_named(post: Post, body: Any, field: str) -> None:
    assert wrong_fields(post("/v1/score", body)) == [field]


def test_a_text_of_exactly_the_limit_is_accepted(post: Post) -> None:
    text = "\N{ARABIC LETTER BEH}" * (MAX_TEXT_BYTES // 2)
    assert post("/v1/score", {"text": text}).status_code == 200


def test_a_comment_to_moderate_needs_an_id(post: Post) -> None:
    assert wrong_fields(post("/v1/comments", {"text": "x"})) == ["id"]


def test_all_wrong_fields_are_named_together_but_not_without_end(post: Post) -> None:
    assert wrong_fields(post("/v1/score", {"text": "", "id": 7, "x": 1})) == ["text", "id", "x"]
    assert len(wrong_fields(post("/v1/score", [{"text": ""}] * 1_000))) == 20


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{'text': 'x'}",
        b'{"text": "x",}',
        b'{"text": "\xff"}',
        '{"text": "x"}'.encode("utf-16"),
        b'{"text": NaN}',
        b'{"text": -Infinity}',
        b'{"text": "x", "text": "y"}',
        b'{"reach": ' + b"9" * 5_000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda raw: raw[:24].decode("latin-1") or "nothing",
)
def test_a_body_that_is_not_json_is_refused_before_it_is_read(post: Post, raw: bytes) -> None:
    answer = post("/v1/score", data=raw, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["type"] == "urn:hakam:problem:malformed-json"


def test_deep_nesting_that_json_allows_is_just_a_wrong_field(post: Post) -> None:
    raw = b'{"text": "x", "deep": ' + b"[" * 500 + b"]" * 500 + b"}"
    assert wrong_fields(post("/v1/score", data=raw, content_type="application/json")) == ["deep"]


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_kind_is_refused(post: Post, kind: str | None) -> None:
    answer = post("/v1/score", data=b'{"text": "x"}', content_type=kind)
    assert answer.status_code == 415
    assert answer.content_type == "application/problem+json"


def test_a_body_over_the_limit_is_refused_before_it_is_read(
    settings: Settings, redis: Redis, artifact: Artifact, api_key: str
) -> None:
    app = create_app(
        settings.model_copy(update={"max_body_bytes": 65_536}), redis=redis, artifact=artifact
    )
    headers = {"Authorization": f"Bearer {api_key}"}
    for path in ("/v1/score", "/v1/comments", "/v1/queue/lease"):
        answer = app.test_client().post(path, json={"text": "x" * 70_000}, headers=headers)
        assert answer.status_code == 413
        assert answer.content_type == "application/problem+json"


def test_one_comment_may_not_use_the_room_of_a_thousand(post: Post) -> None:
    assert post("/v1/comments", {"id": "c", "text": "x" * 2**20}).status_code == 413


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic aGs6", "Bearer hk_demo_" + "A" * 43],
)
def test_no_key_no_service(client: FlaskClient, api_key: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for path in ("/v1/score", "/v1/comments", "/v1/queue/lease"):
        answer = client.post(path, json={"text": "x"}, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert client.get("/v1/decisions", headers=headers).status_code == 401


def test_a_site_over_its_quota_is_asked_to_come_back(
    settings: Settings, redis: Redis, artifact: Artifact
) -> None:
    app = create_app(settings.model_copy(update={"workers": 1}), redis=redis, artifact=artifact)
    key = Sites(redis).add(Site("busy", requests_per_minute=3))
    headers = {"Authorization": f"Bearer {key}"}
    answers = [app.test_client().get("/v1/queue/stats", headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.content_type == "application/problem+json"


def test_an_unknown_address_and_a_wrong_method_are_problems(client: FlaskClient) -> None:
    for answer in (client.get("/v1/nothing"), client.get("/v1/score"), client.put("/healthz")):
        assert answer.status_code in (404, 405)
        assert answer.content_type == "application/problem+json"
        assert answer.json is not None
        assert answer.json["request_id"]


def test_what_the_client_wrote_never_comes_back_as_markup(post: Post) -> None:
    hostile = "<script>alert(1)</script>"
    for body in ({"text": "x", hostile: 1}, {"text": "x", "id": hostile}):
        assert post("/v1/score", body).content_type.startswith("application/")
    assert "html" not in post(f"/v1/{hostile}").content_type


# The queue


@pytest.fixture
def leased(post: Post, abusive: str) -> dict[str, Any]:
    post("/v1/comments", {"id": "c-1", "text": abusive})
    lease: dict[str, Any] | None = post("/v1/queue/lease", {"moderator": "samira"}).json
    assert lease is not None
    return lease


def decision(lease: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "token": lease["token"],
        "action": "reject",
        "labels": ["insult"],
        "reason": "abuse",
        "note": "",
        "moderator": "samira",
        "request_id": "r-1",
    } | changes


def test_an_empty_queue_has_nothing_to_lease(post: Post) -> None:
    answer = post("/v1/queue/lease", {"moderator": "samira"})
    assert (answer.status_code, answer.data) == (204, b"")


def test_a_lease_shows_the_comment_and_carries_a_token(
    leased: dict[str, Any], abusive: str
) -> None:
    assert leased["item"]["comment"]["text"] == abusive
    assert leased["item"]["state"] == "leased"
    assert isinstance(leased["token"], int)


def test_a_leased_item_is_decided_once_and_the_same_request_gets_the_same_answer(
    post: Post, leased: dict[str, Any]
) -> None:
    path = f"/v1/queue/items/{leased['item']['id']}/decide"
    first = post(path, decision(leased))
    assert first.status_code == 200
    assert first.json is not None
    assert (first.json["action"], first.json["labels"]) == ("reject", ["insult"])
    assert post(path, decision(leased)).json == first.json
    late = post(path, decision(leased, request_id="r-2", action="approve"))
    assert late.status_code == 409
    assert late.json is not None
    assert late.json["type"] == "urn:hakam:problem:already-decided"


def test_a_released_item_is_free_and_its_token_is_worth_nothing(
    post: Post, leased: dict[str, Any]
) -> None:
    path = f"/v1/queue/items/{leased['item']['id']}"
    assert post(f"{path}/release", {"token": leased["token"]}).status_code == 204
    lost = post(f"{path}/decide", decision(leased))
    assert lost.status_code == 409
    assert lost.json is not None
    assert lost.json["type"] == "urn:hakam:problem:lease-lost"
    assert post("/v1/queue/lease", {"moderator": "nadia"}).status_code == 200


def test_a_lease_can_be_renewed_and_skipped(post: Post, leased: dict[str, Any]) -> None:
    path = f"/v1/queue/items/{leased['item']['id']}"
    renewed = post(f"{path}/renew", {"token": leased["token"]})
    assert renewed.status_code == 200
    assert renewed.json is not None
    assert renewed.json["expires_at"] >= leased["expires_at"]
    assert post(f"{path}/skip", {"token": renewed.json["token"]}).status_code == 204


def test_an_item_of_another_site_does_not_exist(
    client: FlaskClient, redis: Redis, leased: dict[str, Any]
) -> None:
    other = {"Authorization": f"Bearer {Sites(redis).add(Site('other'))}"}
    path = f"/v1/queue/items/{leased['item']['id']}"
    assert client.get(path, headers=other).status_code == 404
    taken = client.post(f"{path}/decide", json=decision(leased), headers=other)
    assert taken.status_code == 404


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": "review"}, "action"),
        ({"labels": ["rudeness"]}, "labels[0]"),
        ({"token": "1"}, "token"),
        ({"token": 10**30}, "token"),
        ({"token": -1}, "token"),
        ({"moderator": ""}, "moderator"),
        ({"request_id": ""}, "request_id"),
        ({"note": "x" * 4_001}, "note"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_decision_is_refused_by_field(
    post: Post, leased: dict[str, Any], changes: dict[str, Any], field: str
) -> None:
    path = f"/v1/queue/items/{leased['item']['id']}/decide"
    assert wrong_fields(post(path, decision(leased, **changes))) == [field]


@pytest.mark.parametrize("item_id", ["none", "%00", "%ED%A0%80", "a" * 5_000, "*"])
def test_an_item_that_does_not_exist_is_not_found(get: Post, post: Post, item_id: str) -> None:
    assert get(f"/v1/queue/items/{item_id}").status_code == 404
    answer = post(f"/v1/queue/items/{item_id}/release", {"token": 1})
    assert answer.status_code == 404


def test_decisions_are_read_as_labeled_comments_from_a_cursor_on(
    post: Post, get: Post, texts: list[str]
) -> None:
    for number, text in enumerate(texts[-3:]):
        post("/v1/comments", {"id": f"c-{number}", "text": text})
        lease = post("/v1/queue/lease", {"moderator": "samira"}).json
        assert lease is not None
        post(
            f"/v1/queue/items/{lease['item']['id']}/decide",
            decision(lease, request_id=f"r-{number}"),
        )
    first = get("/v1/decisions?limit=2")
    assert first.content_type == "application/x-ndjson"
    following = first.headers["Link"].partition(">")[0].removeprefix("<")
    rest = get(following)
    assert "Link" not in rest.headers
    found = [json.loads(line) for line in (first.text + rest.text).splitlines()]
    assert [comment["text"] for comment in found] == texts[-3:]
    assert [comment["comment_id"] for comment in found] == ["c-0", "c-1", "c-2"]
    assert {comment["version"] for comment in found} == {1}
    assert {comment["source"] for comment in found} == {"moderator"}
    assert found[0]["labels"] == {"toxicity": 1.0, "insult": 1.0}
    nothing_new = get(f"/v1/decisions?after={rest.headers['Hakam-Cursor']}")
    assert (nothing_new.status_code, nothing_new.text) == (200, "")
    assert nothing_new.headers["Hakam-Cursor"] == rest.headers["Hakam-Cursor"]


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=x", "limit"), ("after=x", "after"), ("page=1", "page")],
)
def test_a_wrong_query_is_refused_by_field(get: Post, query: str, field: str) -> None:
    assert wrong_fields(get(f"/v1/decisions?{query}")) == [field]


# For operators


def test_the_metrics_count_requests_verdicts_and_the_queue(
    post: Post, client: FlaskClient, abusive: str
) -> None:
    post("/v1/comments", {"id": "c-1", "text": abusive})
    numbers = client.get("/metrics").text
    line = 'hakam_requests_total{method="POST",route="/v1/comments",status="202"} 1.0'
    assert line in numbers
    assert 'hakam_verdicts_total{action="review"' in numbers
    assert "hakam_queue_pending 1.0" in numbers


def test_the_description_of_the_api_is_openapi_and_names_every_route(
    client: FlaskClient, app: Flask
) -> None:
    described = client.get("/openapi.json").json
    assert described is not None
    assert described["openapi"] == "3.1.0"
    live = {
        (rule.rule.replace("<", "{").replace(">", "}"), method.lower())
        for rule in app.url_map.iter_rules()
        if not rule.rule.startswith(("/console", "/readers")) and rule.endpoint != "static"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, verb) for path, verbs in described["paths"].items() for verb in verbs} == live


def test_everything_in_the_description_has_words_for_its_readers(client: FlaskClient) -> None:
    described = client.get("/openapi.json").json
    assert described is not None
    bare: list[str] = []
    for path, verbs in (described["paths"] | described["webhooks"]).items():
        for verb, operation in verbs.items():
            told = [operation["summary"], operation["description"]]
            told += [one.get("description") for one in operation.get("parameters", ())]
            told += [one.get("description") for one in operation["responses"].values()]
            bare += [] if all(told) else [f"{verb} {path}"]
    ours = {
        name: schema
        for name, schema in described["components"]["schemas"].items()
        if name not in {*vars(messages), *vars(openai)}  # described by their makers
    }
    for name, schema in ours.items():
        bare += [] if schema.get("description") else [name]
        for part, one in schema.get("properties", {}).items():
            bare += [] if one.get("description") else [f"{name}.{part}"]
    assert bare == []
    assert "----" not in json.dumps(described), "docstrings for developers are not for readers"


def test_a_parameter_has_the_words_of_its_own_query(client: FlaskClient) -> None:
    described = client.get("/openapi.json").get_json()
    (parameter,) = described["paths"]["/v1/authors"]["get"]["parameters"]
    assert parameter["description"] == "The site's id of the author."


def test_the_description_tells_where_the_service_is(app: Flask) -> None:
    assert app.test_client().get("/openapi.json").get_json()["servers"] == [{"url": "/"}]
    services = app.extensions["hakam"]
    settings = services.settings.model_copy(update={"public_url": "https://hakam.example"})
    app.extensions["hakam"] = replace(services, settings=settings)
    described = app.test_client().get("/openapi.json").get_json()
    assert described["servers"] == [{"url": "https://hakam.example"}]


def test_every_operation_has_a_name_of_its_own(client: FlaskClient) -> None:
    described = client.get("/openapi.json").get_json()
    names = [one["operationId"] for verbs in described["paths"].values() for one in verbs.values()]
    assert len(set(names)) == len(names)


def test_each_line_of_the_decisions_is_what_the_description_says(
    client: FlaskClient, post: Post, get: Post, leased: dict[str, Any]
) -> None:
    made = post(f"/v1/queue/items/{leased['item']['id']}/decide", decision(leased))
    assert made.status_code == 200
    described = client.get("/openapi.json").get_json()
    answer = described["paths"]["/v1/decisions"]["get"]["responses"]["200"]
    assert set(answer["headers"]) == {"Hakam-Cursor", "Hakam-Damaged", "Link"}
    schema = answer["content"]["application/x-ndjson"]["schema"]
    lines = get("/v1/decisions").get_data(as_text=True).splitlines()
    assert lines
    for line in lines:
        jsonschema.validate(json.loads(line), schema | {"components": described["components"]})


def test_every_schema_of_the_description_is_one(client: FlaskClient) -> None:
    described = client.get("/openapi.json").json
    assert described is not None
    for schema in described["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_the_answers_are_what_the_description_says(
    client: FlaskClient, post: Post, get: Post, abusive: str, leased: dict[str, Any]
) -> None:
    described = client.get("/openapi.json").json
    assert described is not None
    answers = [
        ("/v1/score", "post", post("/v1/score", {"text": abusive})),
        ("/v1/score", "post", post("/v1/score", [{"text": abusive}])),
        ("/v1/score", "post", post("/v1/score", {"text": ""})),
        ("/v1/comments", "post", post("/v1/comments", {"id": "c-2", "text": abusive})),
        ("/v1/queue/lease", "post", post("/v1/queue/lease", {"moderator": "nadia"})),
        ("/v1/queue/stats", "get", get("/v1/queue/stats")),
        ("/healthz", "get", client.get("/healthz")),
    ]
    for path, method, answer in answers:
        content = described["paths"][path][method]["responses"][str(answer.status_code)]["content"]
        schema = content[answer.content_type]["schema"]
        jsonschema.validate(answer.json, schema | {"components": described["components"]})


def test_nothing_of_a_comment_or_a_key_is_logged(
    post: Post, capsys: pytest.CaptureFixture[str], abusive: str, api_key: str
) -> None:
    post("/v1/comments", {"id": "my-own-id", "text": abusive, "author": {"name": "Samira"}})
    post("/v1/score", {"text": abusive, abusive: 1})
    written = capsys.readouterr()
    assert '"n_comments": 1' in written.out
    for secret in (abusive, json.dumps(abusive)[1:-1], "Samira", "my-own-id", api_key):
        assert secret not in written.out + written.err


# What is said of a wrong request


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({}, "text", "is missing"),
        ({"text": 7}, "text", "must be a string"),
        ({"text": ""}, "text", "must not be empty"),
        ({"text": "x", "reach": 1.5}, "reach", "must be a whole number"),
        ({"text": "x", "reach": -1}, "reach", "must be 0 or more"),
        ({"text": "x", "author": []}, "author", "must be an object"),
        ({"text": "x", "id": "x" * 257}, "id", "must have at most 256 characters"),
        ({"text": "x", "surprise": 1}, "surprise", "is not a field of this request"),
        ("x", "", "must be an object"),
        ([], "", "must have 1 to 1,000 comments"),
    ],
)
def test_a_wrong_field_is_named_in_our_own_words(
    post: Post, body: Any, field: str, message: str
) -> None:
    answer = post("/v1/score", body)
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["errors"] == [{"field": field, "message": message}]


def test_pydantic_says_nothing_to_a_client_itself() -> None:
    """Every fault that a model of ours can find has a sentence of ours."""
    own = {"bytes", "surrogate", "nul", "blank", "url", "time", "comments"}
    assert not own & bodies._PYDANTICS_OWN
    assert set(bodies._SENTENCES) <= bodies._PYDANTICS_OWN


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("POST", "/v1/nothing", 404), ("GET", "/v1/score", 405)],
)
def test_what_the_framework_refuses_is_told_in_our_own_words(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert answer.json is not None
    theirs = getattr(default_exceptions[status], "description", "")
    assert theirs
    assert theirs not in answer.text
    assert answer.json["detail"]


def test_no_route_takes_a_packed_body(app: Flask, api_key: str) -> None:
    taken = []
    for rule in app.url_map.iter_rules():
        method = next(iter({"POST", "PUT", "PATCH", "DELETE"} & (rule.methods or set())), None)
        if method is None:
            continue
        path = re.sub(r"<[^>]*>", "x", rule.rule)
        answer = app.test_client().open(
            path,
            method=method,
            data=gzip.compress(b'{"text": "x"}'),
            headers={"Authorization": f"Bearer {api_key}", "Content-Encoding": "gzip"},
            content_type="application/json",
        )
        if answer.status_code != 415:
            taken.append((rule.rule, answer.status_code))
    assert taken in ([], [("/integrations/coral/moderate", 200)])  # withheld, and so not published


def test_a_byte_order_mark_is_passed_over(post: Post) -> None:
    raw = b'\xef\xbb\xbf{"text": "x"}'
    assert post("/v1/score", data=raw, content_type="application/json").status_code == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"[" + b",".join([b"1"] * 50_000) + b"]",
        b'{"a":[' + b",".join([b"{}"] * 50_000) + b"]}",
        json.dumps(dict.fromkeys(map(str, range(50_000)), 1)).encode(),
    ],
    ids=["values", "objects", "fields"],
)
def test_a_body_of_more_values_than_any_request_has_is_refused_before_it_is_checked(
    post: Post, raw: bytes
) -> None:
    answer = post("/v1/score", data=raw, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["detail"] == "the body has more than 40,000 values"
