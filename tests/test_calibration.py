"""Probabilities that mean what they say, and thresholds that hold on other rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_score, recall_score

from conftest import SAMPLE_COMMENTS
from training.calibration import (
    ADDED_SHARE,
    ADDED_SHARE_OF_OTHERS,
    NEVER,
    best_threshold,
    calibrate,
    cuts,
    operating_points,
    reliability,
)
from training.datasets import read_corpus, split_corpus
from training.release import build

Rows = tuple[NDArray[np.float64], NDArray[np.float64]]


def calibrated(n: int, seed: int = 0) -> Rows:
    """Rows whose scores are the probabilities by which the labels were drawn."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(0.5, 1.5, n)
    return (rng.random(n) < scores).astype(np.float64), scores


def test_scores_that_are_true_probabilities_have_almost_no_calibration_error() -> None:
    assert reliability(*calibrated(50_000)).error < 0.01


def test_scores_that_promise_too_much_have_a_calibration_error_of_that_size() -> None:
    y, scores = calibrated(50_000)
    assert reliability(y, np.minimum(scores + 0.2, 1)).error == pytest.approx(0.2, abs=0.02)


def test_a_reliability_curve_accounts_for_every_row() -> None:
    y, scores = calibrated(1000)
    curve = reliability(y, scores)
    assert curve.n.sum() == 1000
    assert curve.n @ curve.share == pytest.approx(y.sum())
    assert curve.n @ curve.mean_score == pytest.approx(scores.sum())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])), min_size=1))
def test_every_cut_has_the_precision_recall_and_macro_f1_of_its_threshold(
    rows: list[tuple[bool, float]],
) -> None:
    y = np.array([float(truth) for truth, _ in rows])
    scores = np.array([score for _, score in rows])
    at = cuts(y, scores)
    assert (np.diff(at.threshold) < 0).all()
    for i, threshold in enumerate(at.threshold):
        said = scores >= threshold
        assert at.precision[i] == pytest.approx(precision_score(y, said, zero_division=0))
        assert at.recall[i] == pytest.approx(recall_score(y, said, zero_division=0))
        f1 = f1_score(y, said, average="macro", labels=[0, 1], zero_division=0)
        assert at.macro_f1[i] == pytest.approx(f1)


def test_the_best_threshold_is_near_the_best_of_a_larger_sample() -> None:
    small, large = calibrated(400, seed=1), calibrated(50_000, seed=2)
    reached = f1_score(large[0], large[1] >= best_threshold(*small), average="macro")
    assert reached > cuts(*large).macro_f1.max() - 0.01


def test_review_sees_the_stated_share_of_the_positives() -> None:
    y, scores = calibrated(2000)
    review = operating_points(y, scores, review_recall=0.8)["review"]
    assert review["recall"] == pytest.approx(0.8, abs=0.005)
    assert review["recall"] == recall_score(y, scores >= review["threshold"])
    assert review["precision"] == precision_score(y, scores >= review["threshold"])


def test_reject_keeps_its_precision_on_other_rows() -> None:
    reject = operating_points(*calibrated(3000, seed=3), reject_precision=0.9)["reject"]
    y, scores = calibrated(50_000, seed=4)
    assert reject["recall"] > 0.1
    assert precision_score(y, scores >= reject["threshold"]) > 0.88


def test_nothing_is_rejected_where_the_promised_precision_is_never_reached() -> None:
    y, scores = calibrated(200)
    reject = operating_points(y, scores * 0.5, reject_precision=0.99)["reject"]
    assert reject == {"threshold": NEVER, "precision": 1.0, "recall": 0.0}


def test_twenty_of_twenty_are_too_few_to_promise_that_nineteen_of_twenty_will_be_right() -> None:
    y = np.array([1.0] * 20 + [0.0] * 20)
    assert operating_points(y, y * 0.8 + 0.1)["reject"]["threshold"] == NEVER


def test_too_few_positives_leave_review_at_an_even_chance() -> None:
    y = np.array([1.0] * 5 + [0.0] * 500)
    points = operating_points(y, y * 0.01)
    assert points["review"]["threshold"] == 0.5
    assert points["reject"]["threshold"] == NEVER


def test_reject_is_never_laxer_than_review() -> None:
    y = np.array([1.0] * 200 + [0.0])
    scores = np.linspace(0.9, 0.1, 201)
    points = operating_points(y, scores, review_recall=0.1)
    assert points["reject"]["threshold"] >= points["review"]["threshold"]


def test_review_stands_where_it_is_told_to_and_too_few_positives_only_raise_it() -> None:
    y, scores = calibrated(2000)
    assert operating_points(y, scores, review_at=0.7)["review"]["threshold"] == 0.7
    few = np.array([1.0] * 5 + [0.0] * 500)
    assert operating_points(few, few, review_at=0.7)["review"]["threshold"] == 0.7
    assert operating_points(few, few, review_at=0.2)["review"]["threshold"] == 0.5


def test_calibrated_scores_flag_the_stated_share_of_the_validation_rows() -> None:
    split = split_corpus(read_corpus([SAMPLE_COMMENTS]))
    fitted, points = calibrate(build(split).for_domain(), split)
    review = points["toxicity"]["review"]
    positive = split.validation.label("toxicity") >= 0.5
    flagged = fitted.predict_proba(split.validation.texts)[:, 0] >= review["threshold"]
    assert review["recall"] == pytest.approx(flagged[positive].mean())
    assert review["precision"] == pytest.approx(positive[flagged].mean())


def test_each_other_label_adds_its_stated_share_to_review() -> None:
    split = split_corpus(read_corpus([SAMPLE_COMMENTS]))
    fitted, points = calibrate(build(split).for_domain(), split)
    assert fitted.labels[0] == "toxicity"
    scores = fitted.predict_proba(split.validation.texts)
    passed = scores[:, 0] < points["toxicity"]["review"]["threshold"]
    for i, label in enumerate(fitted.labels[1:], start=1):
        if label != "spam":
            added = scores[passed, i] >= points[label]["review"]["threshold"]
            share = ADDED_SHARE.get(label, ADDED_SHARE_OF_OTHERS)
            assert added.sum() <= 1 + share * passed.sum()
