"""Operating points of a site's own model: what nobody saw counts, and few decisions move none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from training.site_points import (
    ENOUGH,
    FARTHEST,
    HEAVIEST,
    ReviewPoint,
    break_even_expected,
    effective_size,
    kept_line,
    site_points,
    weights,
)

POINTS = {"toxicity": {"review": {"threshold": 0.5}, "reject": {"threshold": 0.9}}}


def comments(n: int, seed: int = 0) -> NDArray[np.float64]:
    """Return true probabilities of comments as they come: most are harmless."""
    return np.asarray(expit(np.random.default_rng(seed).normal(-2, 2, n)))


def chosen(
    scores: NDArray[np.float64], sampled: NDArray[np.float64], before: NDArray[np.float64]
) -> tuple[float, ReviewPoint]:
    y = (np.random.default_rng(1).random(len(scores)) < scores).astype(float)
    points, review = site_points(
        ("toxicity",), POINTS, y[:, None], before[:, None], scores[:, None], sampled
    )
    return points["toxicity"]["review"]["threshold"], review


def drawn(
    scores: NDArray[np.float64], share: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which comments people see, of what is not flagged a share, and how likely each is."""
    sampled = np.where(scores >= 0.5, 1.0, share)
    return np.random.default_rng(2).random(len(scores)) < sampled, sampled


def test_a_decision_stands_for_as_many_comments_as_its_probability_says_within_a_bound() -> None:
    likely = np.array([1.0, 0.05, 1e-9, np.nan])
    assert weights(likely).tolist() == [1.0, 20.0, HEAVIEST, 0.0]


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_what_nobody_saw_moves_the_point_as_if_everybody_had_seen_it(share: float) -> None:
    scores = comments(40_000)
    everything, _ = chosen(scores, np.ones(len(scores)), scores)
    seen, sampled = drawn(scores, share)
    told, review = chosen(scores[seen], sampled[seen], scores[seen])
    assert review.chosen
    assert told == pytest.approx(everything, abs=0.03)
    naive = break_even_expected(scores[seen], np.ones(seen.sum()))
    assert abs(naive - everything) > 2 * abs(told - everything)


def test_the_point_misses_as_much_as_it_flags_wrongly() -> None:
    scores = comments(20_000)
    point = break_even_expected(scores, np.ones(len(scores)))
    missed, wrong = scores[scores < point].sum(), (1 - scores)[scores >= point].sum()
    assert missed == pytest.approx(wrong, abs=1)


def test_decisions_of_flagged_comments_alone_say_nothing_of_all_comments() -> None:
    scores = comments(4_000)
    flagged = scores >= 0.5
    assert effective_size(np.ones(flagged.sum()), scores[flagged] >= 0.5) == 0
    point, review = chosen(scores[flagged], np.ones(flagged.sum()), scores[flagged])
    assert (point, review) == (0.5, ReviewPoint(chosen=False, n_effective=0.0))


def test_decisions_of_which_nobody_knows_how_they_were_chosen_move_no_point() -> None:
    scores = comments(4_000)
    point, review = chosen(scores, np.full(len(scores), np.nan), scores)
    assert (point, review.chosen) == (0.5, False)


def test_a_point_moves_within_a_bound_however_far_the_decisions_would_have_it() -> None:
    before = comments(4_000)
    after = expit(0.2 * logit(before) - 3)
    point, review = chosen(after, np.ones(len(before)), before)
    assert review.chosen
    assert abs(logit(point) - logit(kept_line(before, after, 0.5))) <= FARTHEST + 1e-9


def test_few_decisions_keep_the_line_where_the_new_maps_put_it() -> None:
    before = comments(20)
    after = expit(1.3 * logit(before) + 0.8)
    point, review = chosen(after, np.ones(20), before)
    assert not review.chosen
    assert review.n_effective == 20 < ENOUGH
    assert np.array_equal(after >= point, before >= 0.5)
    assert point == pytest.approx(expit(0.8))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_where_nothing_can_be_compared_the_point_stays(n: int) -> None:
    before = np.full(n, 0.4)
    assert kept_line(before, before + 0.1, 0.5) == 0.5


def test_recall_at_the_point_counts_what_was_missed_by_the_weight_of_the_sample() -> None:
    scores = comments(40_000)
    seen, sampled = drawn(scores, 0.05)
    y = (np.random.default_rng(1).random(len(scores)) < scores).astype(float)
    points, _ = site_points(
        ("toxicity",), POINTS, y[seen, None], scores[seen, None], scores[seen, None], sampled[seen]
    )
    review = points["toxicity"]["review"]
    true = y[scores >= review["threshold"]].sum() / y.sum()
    assert review["recall"] == pytest.approx(true, abs=0.05)
