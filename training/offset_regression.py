"""Logistic regression with an offset: what rows say beyond what is known of each already.

Of a row that has log-odds `offset` from elsewhere the log-odds are learned

    offset + coef . x + intercept

with the coefficients drawn towards 0 (ridge), so that where rows say little the offset stands.
scikit-learn's own regression has no offset; the solver is SciPy's L-BFGS (Liu and Nocedal 1989).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)


class OffsetLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Learns two classes from rows whose log-odds are known in part, as a scikit-learn estimator.

    `C` is the inverse strength of the ridge; an intercept, unlike in a column of ones, is free.
    """

    def __init__(
        self, *, C: float = 1.0, fit_intercept: bool = True, max_iter: int = 200, tol: float = 1e-4
    ) -> None:
        self.C = C
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, offset: Any = None) -> Self:
        """Learn; `offset`, (n_rows,), is 0 where nothing is known. ValueError for other classes."""
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64)
        check_classification_targets(y)
        self.classes_, column = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            kind = "class" if len(self.classes_) == 1 else "classes"
            raise ValueError(
                f"Only binary classification is supported: y has {len(self.classes_)} {kind}"
            )
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        offset = np.zeros(len(y)) if offset is None else np.asarray(offset, dtype=np.float64)
        if offset.shape != y.shape:
            raise ValueError(f"offset has shape {offset.shape}, expected {y.shape}")
        sign = 2.0 * column - 1

        def loss(told: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            coef = told[:-1]
            margin = sign * (X @ coef + told[-1] + offset)
            slope = -self.C * weight * sign * expit(-margin)
            free = slope.sum() if self.fit_intercept else 0.0
            value = coef @ coef / 2 - self.C * (weight @ log_expit(margin))
            return float(value), np.append(X.T @ slope + coef, free)

        found = minimize(
            loss,
            np.zeros(X.shape[1] + 1),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": self.max_iter, "gtol": self.tol, "ftol": 1e-9},
        )
        self.coef_, self.intercept_ = found.x[None, :-1], found.x[-1:]
        self.n_iter_ = int(found.nit)
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the log-odds of the second class without an offset."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        return np.asarray(X @ self.coef_[0] + self.intercept_[0])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of both classes, without an offset."""
        yes = expit(self.decision_function(X))
        return np.stack((1 - yes, yes), axis=1)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likelier class, without an offset."""
        second = (self.decision_function(X) > 0).astype(np.int64)
        return np.asarray(self.classes_[second])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.sparse = True
        return tags
