"""Logistic regression with an offset: scikit-learn's contract, and what the offset means."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import check_estimator

from training.offset_regression import OffsetLogisticRegression


@pytest.fixture
def rows() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    random = np.random.default_rng(0)
    X = random.normal(size=(400, 3))
    return X, random.random(400) < expit(X @ [2.0, -1.0, 0.0] + 0.5)


def test_it_passes_every_check_of_scikit_learn_that_can_run_here() -> None:
    checks = check_estimator(OffsetLogisticRegression(), on_skip=None, on_fail="raise")
    passed = [check["check_name"] for check in checks if check["status"] == "passed"]
    assert len(passed) > 50
    assert "check_classifiers_train" in passed
    assert "check_sample_weight_equivalence_on_dense_data" in passed


def test_without_an_offset_it_finds_what_scikit_learns_own_regression_finds(
    rows: tuple[NDArray[np.float64], NDArray[np.bool_]],
) -> None:
    X, y = rows
    weight = np.linspace(0.5, 2.0, len(y))
    ours = OffsetLogisticRegression(C=0.3).fit(X, y, weight)
    theirs = LogisticRegression(C=0.3).fit(X, y, weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-3)


def test_what_the_offset_knows_already_is_not_learned_again(
    rows: tuple[NDArray[np.float64], NDArray[np.bool_]],
) -> None:
    X, y = rows
    without = OffsetLogisticRegression().fit(X, y)
    known = OffsetLogisticRegression().fit(X, y, offset=without.decision_function(X))
    assert np.abs(without.coef_).max() > 0.5
    assert np.abs(known.coef_).max() < 0.05
    assert abs(known.intercept_[0]) < 0.05


def test_classes_that_are_not_two_are_refused_and_so_is_an_offset_of_another_length(
    rows: tuple[NDArray[np.float64], NDArray[np.bool_]],
) -> None:
    X, y = rows
    with pytest.raises(ValueError, match="Only binary classification"):
        OffsetLogisticRegression().fit(X, np.arange(len(y)) % 3)
    with pytest.raises(ValueError, match=r"offset has shape \(3,\), expected \(400,\)"):
        OffsetLogisticRegression().fit(X, y, offset=np.zeros(3))
