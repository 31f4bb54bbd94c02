"""Comments are chosen within the budget of the day, each once, and no copies of what was chosen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis

from service.queue.chosen import KEPT_MS, Chosen
from service.queue.records import Comment

pytestmark = pytest.mark.every_redis

CHOSEN, SKETCHES = "{hakam:demo}:chosen", "{hakam:demo}:sketches"


@pytest.fixture
def chosen(redis: Redis) -> Chosen:
    return Chosen(redis)


def comment(number: int, text: str = "") -> Comment:
    return Comment(f"c{number}", text or f"one{number} two{number} three{number} four{number}")


def let_days_pass(redis: Redis, days: float) -> None:
    client: Any = redis
    for key in (CHOSEN, SKETCHES):
        for member in client.zrange(key, 0, -1):
            client.zincrby(key, -days * 86_400_000, member)


def test_a_day_has_no_more_than_its_budget_however_many_workers_choose(chosen: Chosen) -> None:
    def choose(number: int) -> bool:
        return chosen.choose("demo", comment(number), 5)

    with ThreadPoolExecutor(8) as workers:
        assert sum(workers.map(choose, range(40))) == 5
    assert chosen.choose("other", comment(99), 5), "each site has its own"


def test_a_new_day_has_its_own_budget(chosen: Chosen, redis: Redis) -> None:
    assert chosen.choose("demo", comment(1), 1)
    assert not chosen.choose("demo", comment(2), 1)
    let_days_pass(redis, 1)
    assert chosen.choose("demo", comment(2), 1)


def test_the_same_comment_again_is_chosen_again_and_counts_once(chosen: Chosen) -> None:
    assert chosen.choose("demo", comment(1), 2)
    assert chosen.choose("demo", comment(1), 2)
    assert chosen.choose("demo", comment(2), 2)
    assert not chosen.choose("demo", comment(3), 2)
    assert chosen.choose("demo", comment(1), 2)


def test_of_comments_that_are_nearly_alike_one_is_chosen(chosen: Chosen, redis: Redis) -> None:
    text = "the minister said that prices of bread will rise again in the next month"
    assert chosen.choose("demo", comment(1, text), 10)
    assert not chosen.choose("demo", comment(2, f"{text}!!! really"), 10)
    let_days_pass(redis, KEPT_MS / 86_400_000 - 1)
    assert not chosen.choose("demo", comment(2, text), 10)
    let_days_pass(redis, 1.1)
    assert chosen.choose("demo", comment(2, text), 10)


def test_what_is_kept_is_bounded_by_the_budget_and_holds_no_word(
    chosen: Chosen, redis: Redis
) -> None:
    client: Any = redis
    for day in range(12):
        for number in range(10):
            chosen.choose("demo", comment(100 * day + number), 4)
        let_days_pass(redis, 1)
    chosen.choose("demo", comment(1), 4)
    assert client.zcard(CHOSEN) <= 8 * 4
    assert client.zcard(SKETCHES) <= 8 * 4 * 4
    assert "two" not in "".join(client.zrange(SKETCHES, 0, -1))


def test_a_clock_that_was_ahead_does_not_use_up_the_budget(chosen: Chosen, redis: Redis) -> None:
    assert chosen.choose("demo", comment(1), 1)
    let_days_pass(redis, -400)
    assert chosen.choose("demo", comment(2), 1)
