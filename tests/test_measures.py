"""Every figure is what a well-known library or a count by hand says it is."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    roc_auc_score,
)

from training.evaluation.measures import mean_of_folds, measure


def rows(n: int = 500, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(np.float64)
    scores = np.clip(rng.normal(0.4 + 0.3 * y, 0.2), 0, 1)
    return y, np.round(scores, 2).astype(np.float64)


def test_every_figure_equals_scikit_learns() -> None:
    y, scores = rows()
    measured = measure(y, scores, 0.55)
    said = scores >= 0.55
    assert measured["auc"]["value"] == pytest.approx(roc_auc_score(y, scores))
    assert measured["average_precision"]["value"] == pytest.approx(
        average_precision_score(y, scores)
    )
    assert measured["macro_f1"]["value"] == pytest.approx(f1_score(y, said, average="macro"))
    assert measured["accuracy"]["value"] == pytest.approx(accuracy_score(y, said))
    (passed, false), (missed, true) = measured["confusion"]
    assert measured["precision"]["value"] == pytest.approx(true / (true + false))
    assert measured["recall"]["value"] == pytest.approx(true / (true + missed))
    assert passed + false + missed + true == measured["n"] == 500


def test_intervals_hold_the_figure_of_a_much_larger_sample() -> None:
    measured, large = measure(*rows(), 0.55), measure(*rows(40_000, seed=1), 0.55, n_draws=2)
    for name in ("auc", "average_precision", "macro_f1", "accuracy"):
        assert measured[name]["low"] < large[name]["value"] < measured[name]["high"]
        assert measured[name]["high"] - measured[name]["low"] < 0.2


def test_rows_without_the_label_do_not_count() -> None:
    y, scores = rows()
    more = measure(np.append(y, [np.nan] * 50), np.append(scores, [0.9] * 50), 0.5)
    assert more == measure(y, scores, 0.5)


@pytest.mark.parametrize("kind", [0.0, 1.0])
def test_rows_of_one_kind_have_no_auc_and_still_their_shares(kind: float) -> None:
    measured = measure(np.full(20, kind), np.linspace(0, 1, 20), 0.5)
    assert "auc" not in measured
    assert measured["accuracy"]["value"] == 0.5


def test_few_positives_have_wide_intervals_but_never_impossible_ones() -> None:
    y = np.append(1.0, np.zeros(60))
    measured = measure(y, np.linspace(1, 0, 61), 0.99)
    assert measured["auc"]["low"] == measured["auc"]["high"] == 1.0


def test_the_interval_of_a_mean_of_folds_is_narrower_than_theirs() -> None:
    fold = {"value": 0.9, "low": 0.85, "high": 0.95}
    mean = mean_of_folds([fold] * 4)
    assert mean["value"] == pytest.approx(0.9)
    assert mean["low"] == pytest.approx(0.875)
    assert mean["high"] == pytest.approx(0.925)
