"""Measures of one label on one set of rows, each with its bootstrap interval.

All draws of the bootstrap (Efron 1979) are counted at once, as weights of the rows, so that an
interval costs little more than the figure. AUC is a share of pairs (Hanley and McNeil 1982).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Measures = dict[str, Any]

N_DRAWS = 400  # of the rows; the interval runs from the 2.5th to the 97.5th percentile


def measure(
    y: NDArray[np.float64],
    scores: NDArray[np.float64],
    threshold: float,
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Measures:
    """Measure one label on the rows where it was observed, positive where `y` is at least 0.5.

    ``confusion`` has the truth (no, yes) in rows and what was flagged in columns; every other
    figure has its ``value``, ``low`` and ``high``. With rows of one kind only, AUC and average
    precision are left out.
    """
    observed = ~np.isnan(y)
    positive, scores = y[observed] >= 0.5, scores[observed]
    n = len(positive)
    counts = draws(n, n_draws, seed)
    flagged = scores >= threshold
    cells = [
        [counts[:, (positive == truth) & (flagged == said)].sum(axis=1) for said in (False, True)]
        for truth in (False, True)
    ]
    figures = _at_threshold(cells)
    if 0 < positive.sum() < n:
        figures |= _over_thresholds(positive, scores, counts)
    return {
        "n": n,
        "n_positive": int(positive.sum()),
        "threshold": float(threshold),
        "confusion": [[int(cell[0]) for cell in row] for row in cells],
    } | {name: _interval(values) for name, values in figures.items()}


def draws(n: int, n_draws: int, seed: int = 0) -> NDArray[np.float64]:
    """Count how often each row is drawn, (n_draws + 1, n); first the rows as they are."""
    counts = np.ones((n_draws + 1, n))
    if n:
        counts[1:] = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_draws)
    return counts


def aucs(
    positive: NDArray[np.bool_], scores: NDArray[np.float64], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the AUC of each draw, NaN for one of one kind only."""
    return _over_thresholds(positive, scores, counts)["auc"]


def observed_rows(
    y: NDArray[np.float64], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Leave out the rows of which a label was not observed."""
    known = ~np.isnan(y)
    return y[known], scores[known]


def mean_of_folds(folds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Average independent figures; their intervals shrink as errors of a mean do."""
    value = float(np.mean([fold["value"] for fold in folds]))
    half = float(np.linalg.norm([(f["high"] - f["low"]) / 2 for f in folds])) / len(folds)
    return {"value": value, "low": value - half, "high": min(1.0, value + half)}


def _at_threshold(cells: list[list[NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    """Figures of confusion cells, one value per draw."""
    (passed, false), (missed, true) = cells
    total = np.maximum(passed + false + missed + true, 1)

    def ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
        # A draw without one such row says nothing, and the interval passes it over.
        return np.asarray(np.where(whole > 0, part / np.maximum(whole, 1), np.nan))

    wrong = false + missed
    f1 = ratio(2 * true, 2 * true + wrong) + ratio(2 * passed, 2 * passed + wrong)
    return {
        "macro_f1": f1 / 2,
        "accuracy": (true + passed) / total,
        "precision": ratio(true, true + false),
        "recall": ratio(true, true + missed),
    }


def _over_thresholds(
    positive: NDArray[np.bool_], scores: NDArray[np.float64], counts: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """AUC and average precision per draw, ties shared out."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(scores[order]) != 0))
    true = np.add.reduceat(counts[:, order] * positive[order], starts, axis=1)
    false = np.add.reduceat(counts[:, order] * ~positive[order], starts, axis=1)
    # A draw of one kind only has no curve; the interval passes it over.
    n_true = np.where(true.any(axis=1), true.sum(axis=1), np.nan)
    n_false = np.where(false.any(axis=1), false.sum(axis=1), np.nan)
    passed_true, passed_false = true.cumsum(axis=1), false.cumsum(axis=1)
    auc = ((passed_true - true / 2) * false).sum(axis=1) / (n_true * n_false)
    precision = passed_true / np.maximum(passed_true + passed_false, 1e-12)
    return {"auc": auc, "average_precision": (precision * true).sum(axis=1) / n_true}


def _interval(values: NDArray[np.float64]) -> dict[str, float]:
    known = values[~np.isnan(values)]
    low, high = np.quantile(known, (0.025, 0.975)) if len(known) else (0.0, 1.0)
    return {"value": float(np.nan_to_num(values[0])), "low": float(low), "high": float(high)}
