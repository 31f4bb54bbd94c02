"""What the model hesitates about is told by the distance from a flag, and copies by a sketch."""

from __future__ import annotations

import math

import pytest

from service.rules.times import start_of
from service.rules.uncertainty import N_STEPS, STEP, counter, distance, farthest, sketch

REVIEW = {"insult": 0.5, "threat": 0.3, "spam": 1.0}
DAY = "2026-01-01"
MIDNIGHT = start_of("2026-01-02")


@pytest.mark.parametrize(
    ("label", "score", "expected"),
    [
        ("insult", 0.4, math.log(0.6 / 0.4)),
        ("threat", 0.2, math.log(0.3 / 0.7) - math.log(0.2 / 0.8)),
        ("insult", 0.5, math.inf),  # is flagged
        ("insult", 0.9, math.inf),
        ("insult", 0.0, math.inf),
        ("spam", 0.9, math.inf),  # never flagged
        ("profanity", 0.4, math.inf),  # without a threshold
    ],
)
def test_the_distance_is_that_to_the_review_threshold(
    label: str, score: float, expected: float
) -> None:
    assert distance(REVIEW, {label: score}, label) == pytest.approx(expected)


def test_what_is_far_from_every_flag_is_not_counted() -> None:
    assert counter(0.0) == "near:0"
    assert counter(N_STEPS * STEP - 0.01) == f"near:{N_STEPS - 1}"
    assert counter(N_STEPS * STEP) is None
    assert counter(math.inf) is None


def test_up_to_the_farthest_distance_a_day_has_as_many_comments_as_the_budget() -> None:
    week = {f"2026-01-0{n}": {"near:0": 10, "near:1": 30, "near:7": 200} for n in range(1, 8)}
    until = start_of("2026-01-08")
    for budget, within in ((5, 0.05), (10, 0.1), (25, 0.15), (40, 0.7), (140, 0.75)):
        assert farthest(week, budget, until) == pytest.approx(within)
    assert farthest(week, 10_000, until) == N_STEPS * STEP


def test_nothing_is_chosen_before_it_is_known_how_comments_lie() -> None:
    assert farthest({}, 10, MIDNIGHT) == 0.0
    assert farthest({DAY: {}}, 10, MIDNIGHT) == 0.0
    assert farthest({DAY: {"near:0": 3}}, 10, start_of(DAY) + 60) == 0.0, "a minute says too little"
    assert farthest({DAY: {"near:0": 3}}, 0, MIDNIGHT) == 0.0, "no budget"


def alike(one: str, other: str) -> int:
    return len(set(sketch(one)) & set(sketch(other)))


def test_a_copy_with_a_word_more_is_known_again_and_another_text_is_not() -> None:
    text = "the minister said that prices of bread will rise again in the next month"
    assert alike(text, f"{text} really") >= 2
    assert alike(text, text.upper().replace(" ", "  ")) == 4
    assert alike(text, " ".join(reversed(text.split()))) < 2
    assert len(sketch("")) == len(sketch("word")) == 4


def test_the_sketch_of_a_long_text_takes_its_first_words_alone() -> None:
    many = " ".join(map(str, range(2_000)))
    assert sketch(many + " and then more") == sketch(many)
