"""Daily counts of verdicts, which never cost a comment its answer."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import numpy as np
from flask import Flask
from flask.testing import FlaskClient
from numpy.typing import NDArray
from redis import Redis

from conftest import NOWHERE, await_condition
from models.artifact import Artifact
from service.reports.daily_counts import FLUSH_SECONDS, KEPT_DAYS, RETRY_SECONDS
from service.reports.verdict_counts import MAX_LETTERS, MAX_TEXTS, VerdictCounts

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z


def test_comments_are_counted_by_day_action_and_the_higher_score(redis: Redis) -> None:
    verdict_counts = VerdictCounts(redis, clock=lambda: NOON)
    verdict_counts.count("demo", "approve", {"insult": 0.12})
    verdict_counts.count("demo", "review", {"insult": 0.12}, {"insult": 1.0})
    verdict_counts.flush()
    assert verdict_counts.days("demo", 2) == {
        "2025-12-31": {},
        "2026-01-01": {
            "action:approve": 1,
            "action:review": 1,
            "scored": 2,
            "score:insult:2": 1,
            "score:insult:19": 1,
        },
    }
    assert 0 < redis.ttl("{hakam:demo}:verdicts:2026-01-01") <= KEPT_DAYS * 86400


def test_counts_gather_and_are_written_together(redis: Redis) -> None:
    now = NOON
    verdict_counts = VerdictCounts(redis, clock=lambda: now)
    verdict_counts.count("demo", "approve", {})
    verdict_counts.flush_if_due()
    for _ in range(3):
        verdict_counts.count("demo", "approve", {})
        verdict_counts.flush_if_due()
    assert verdict_counts.days("demo", 1)["2026-01-01"] == {"action:approve": 1}
    now += FLUSH_SECONDS
    verdict_counts.flush_if_due()
    assert verdict_counts.days("demo", 1)["2026-01-01"] == {"action:approve": 4}


def test_without_redis_counting_goes_on_and_is_written_later(redis: Redis) -> None:
    now = NOON
    verdict_counts = VerdictCounts(NOWHERE, clock=lambda: now)
    verdict_counts.count("demo", "approve", {"insult": 0.5})
    verdict_counts.flush()
    verdict_counts._redis = redis
    verdict_counts.flush_if_due()
    assert verdict_counts.days("demo", 1)["2026-01-01"] == {}, (
        "a lost Redis was asked again at once"
    )
    now += RETRY_SECONDS
    verdict_counts.flush_if_due()
    assert verdict_counts.days("demo", 1)["2026-01-01"] == {
        "action:approve": 1,
        "scored": 1,
        "score:insult:10": 1,
    }


def test_a_submitted_comment_is_counted_after_it_was_answered(
    server: str, redis: Redis, api_key: str
) -> None:
    answer = httpx.post(
        f"{server}/v1/comments",
        json={
            "id": "c1",
            "text": "\u0635\u0628\u0627\u062d \u0627\u0644\u062e\u064a\u0631",
        },  # "good morning"
        headers={"Authorization": f"Bearer {api_key}"},
    )
    action = answer.json()["action"]

    def counted() -> bool:
        return VerdictCounts(redis).days("demo", 2).popitem()[1].get(f"action:{action}") == 1

    await_condition(counted, what="the count")


def test_scores_and_words_are_told_apart_by_the_version_that_said_them(redis: Redis) -> None:
    day, now = 86_400.0, NOON

    def counts(version: str, at: float = NOON) -> VerdictCounts:
        def count_words(texts: Sequence[str]) -> NDArray[np.int64]:
            return np.full((len(texts), 2), [3, 1])

        return VerdictCounts(redis, count_words=count_words, version=version, clock=lambda: at)

    for version, at, score, n in (("1", now - day, 0.9, 5), ("1", now, 0.9, 3), ("2", now, 0.1, 2)):
        written = counts(version, at)
        for _ in range(n):
            written.count("demo", "approve", {"insult": score}, text="x", language="Arab")
        written.flush()
    redis.hincrby("{hakam:demo}:verdicts:2026-01-01", "score:insult:7", 100)  # of a release before
    before, today = counts("2").days("demo", 2).values()
    assert today == {
        "action:approve": 5,
        "language:Arab": 5,
        "texts": 5,
        "dialect:none": 5,
        "scored": 2,
        "score:insult:2": 2,
        "read": 2,
        "words:known": 4,
        "words:unknown": 2,
    }
    assert before == {"action:approve": 5, "language:Arab": 5, "texts": 5, "dialect:none": 5}
    before, today = counts("").days("demo", 2).values()
    assert (before["scored"], today["scored"]) == (5, 3), "who names none means the one most used"


def test_words_languages_and_dialects_are_counted_and_no_text_is_kept(
    redis: Redis, artifact: Artifact
) -> None:
    words = artifact.classifier.scorer.count_words
    counts = VerdictCounts(redis, count_words=words, clock=lambda: NOON)
    egyptian = "\u0639\u0627\u064a\u0632 \u062f\u0644\u0648\u0642\u062a\u064a"  # "want now"
    for text in (egyptian, "qwzx qwzx"):
        counts.count("demo", "approve", {}, text=text, language="Arab")
    counts.count("demo", "approve", {}, language="fa")
    counts.flush()
    (found,) = counts.days("demo", 1).values()
    assert found["texts"] == 2
    assert (found["dialect:egyptian"], found["dialect:none"]) == (1, 1)
    assert (found["language:Arab"], found["language:fa"]) == (2, 1)
    n_unknown = int(words([egyptian])[0, 1]) + 2
    assert (found.get("words:known", 0), found["words:unknown"]) == (4 - n_unknown, n_unknown)
    assert counts._texts == []
    assert egyptian[:4] not in str(redis.hgetall("{hakam:demo}:verdicts:2026-01-01"))


def test_looking_at_texts_is_bounded_however_many_and_long_they_are(redis: Redis) -> None:
    seen: list[str] = []

    def count_words(texts: Sequence[str]) -> NDArray[np.int64]:
        seen.extend(texts)
        return np.ones((len(texts), 2), dtype=np.int64)

    counts = VerdictCounts(redis, count_words=count_words, clock=lambda: NOON)
    for _ in range(10 * MAX_TEXTS):
        counts.count("demo", "approve", {}, text="a" * (10 * MAX_LETTERS))
    counts.flush()
    assert len(seen) == MAX_TEXTS
    assert {len(text) for text in seen} == {MAX_LETTERS}
    (found,) = counts.days("demo", 1).values()
    assert (found["action:approve"], found["texts"]) == (10 * MAX_TEXTS, MAX_TEXTS)


def test_the_service_counts_what_comments_are_made_of(
    client: FlaskClient, app: Flask, api_key: str
) -> None:
    body = {"id": "c1", "text": "\u0634\u0643\u0631\u0627"}  # "thanks"
    client.post("/v1/comments", json=body, headers={"Authorization": f"Bearer {api_key}"}).close()
    services = app.extensions["hakam"]
    services.verdict_counts.flush()
    (found,) = services.verdict_counts.days("demo", 1).values()
    assert (found["texts"], found["language:Arab"], found["dialect:none"]) == (1, 1, 1)
    assert found.get("words:known", 0) + found.get("words:unknown", 0) == 1
