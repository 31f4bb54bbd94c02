"""Workers learn behind their answers how far from a flag comments are chosen, and keep it."""

from __future__ import annotations

import pytest
from redis import Redis

from conftest import NOWHERE, Clock
from service.reports.hesitation import REFRESH_SECONDS, Hesitation
from service.reports.verdict_counts import VerdictCounts


@pytest.fixture
def counts(redis: Redis, clock: Clock) -> VerdictCounts:
    counts = VerdictCounts(redis, clock=clock)
    clock.now -= 86_400
    for _ in range(100):
        counts.count("demo", "approve", {}, near="near:0")
    counts.flush()
    clock.now += 86_400
    return counts


def test_the_distance_is_known_after_the_first_answer(counts: VerdictCounts, clock: Clock) -> None:
    hesitation = Hesitation(counts, clock=clock)
    assert hesitation.farthest("demo", 10) == 0.0
    hesitation.refresh_if_due()
    assert 0.0 < hesitation.farthest("demo", 10) < 0.1
    assert hesitation.farthest("demo", 0) == 0.0


def test_counts_are_read_again_only_after_a_while(counts: VerdictCounts, clock: Clock) -> None:
    hesitation = Hesitation(counts, clock=clock)
    hesitation.farthest("demo", 10)
    hesitation.refresh_if_due()
    before = hesitation.farthest("demo", 10)
    for _ in range(1_000):
        counts.count("demo", "approve", {}, near="near:0")
    counts.flush()
    hesitation.refresh_if_due()
    assert hesitation.farthest("demo", 10) == before
    clock.now += REFRESH_SECONDS
    hesitation.refresh_if_due()
    assert hesitation.farthest("demo", 10) < before / 5


def test_sites_that_want_nothing_chosen_are_never_read(clock: Clock) -> None:
    hesitation = Hesitation(VerdictCounts(NOWHERE), clock=clock)
    assert hesitation.farthest("demo", 0) == 0.0
    hesitation.refresh_if_due()
    assert not hesitation._read


def test_while_redis_is_away_what_was_known_holds(counts: VerdictCounts, clock: Clock) -> None:
    hesitation = Hesitation(counts, clock=clock)
    hesitation.farthest("demo", 10)
    hesitation.refresh_if_due()
    before = hesitation.farthest("demo", 10)
    counts._redis = NOWHERE
    clock.now += REFRESH_SECONDS
    hesitation.refresh_if_due()
    assert hesitation.farthest("demo", 10) == pytest.approx(before, rel=0.1)
