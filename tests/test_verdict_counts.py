"""Daily counts of verdicts, which never cost a comment its answer."""

from __future__ import annotations

import httpx
from redis import Redis

from conftest import NOWHERE, await_condition
from service.reports.verdict_counts import FLUSH_SECONDS, KEPT_DAYS, RETRY_SECONDS, VerdictCounts

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
