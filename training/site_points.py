"""Operating points of a site's own model: from which score on its comments go to review.

What moderators saw was chosen by a version, so decisions count by the inverse of the probability
with which each was to be seen (Horvitz and Thompson 1952): one of the random sample stands for many
that nobody saw. How much such decisions say of all comments is their effective size (Kish, Survey
Sampling, 1965). Where it suffices, toxicity goes to review from where as much is missed as is
flagged wrongly. Both are taken from probabilities, which two numbers have calibrated: what a few
moderators said by chance would move the point too far. It moves within bounds. Where it does not
suffice, and for every other label, a point keeps the version's line: what it has flagged goes on
being flagged, whatever probability the new maps give it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from models.schema import UMBRELLA
from training.calibration import (
    ENOUGH_POSITIVES,
    REJECT_PRECISION,
    break_even,
    operating_points,
    seen_at,
)

HEAVIEST = 200.0
"""Comments that one decision may stand for: out of the box one of 200 is drawn."""
ENOUGH = 25.0
"""Effective size of later decisions from which a review point is chosen."""
FARTHEST = 1.0
"""Log-odds by which a chosen point is at most from the version's line."""
SURE = 1e-6  # log-odds are of probabilities no nearer to 0 and 1

Points = Mapping[str, Mapping[str, Mapping[str, float]]]
Label = Mapping[str, Mapping[str, float]]


class ReviewPoint(NamedTuple):
    """How the review point of toxicity came about."""

    chosen: bool  # on the site's decisions; else the line of the version it goes on from
    n_effective: float  # as so many comments drawn at random, later decisions say of all


def weights(sampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Say for how many comments each decision stands; 0 where nobody knows."""
    return np.nan_to_num(np.minimum(1 / np.asarray(sampled), HEAVIEST))


def effective_size(weight: NDArray[np.float64], flagged: NDArray[np.bool_]) -> float:
    """Say as how many comments drawn at random weighted decisions tell of all comments.

    0 where most are of what the version flags: then comments that it does not flag were not drawn.
    """
    if 2 * weight[flagged].sum() > weight.sum():
        return 0.0
    return float(weight.sum() ** 2 / max((weight**2).sum(), 1e-12))


def site_points(
    labels: tuple[str, ...],
    points: Points,
    y: NDArray[np.float64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    sampled: NDArray[np.float64],
) -> tuple[dict[str, dict[str, dict[str, float]]], ReviewPoint]:
    """Choose a label's points on later decisions.

    `before` and `after`, (n_comments, n_labels), are probabilities by the version and by what it
    has learned to; `sampled`, (n_comments,), the probability with which a comment was to be seen.
    """
    weight = weights(sampled)
    found: dict[str, dict[str, dict[str, float]]] = {}
    review = ReviewPoint(chosen=False, n_effective=0.0)
    for i, label in enumerate(labels):
        if label not in points:
            continue
        at = points[label]["review"]["threshold"]
        review_at = kept_line(before[:, i], after[:, i], at)
        if label == UMBRELLA:
            size = effective_size(weight, before[:, i] >= at)
            review = ReviewPoint(size >= ENOUGH, round(size, 1))
            if review.chosen:
                told = weight > 0
                review_at = near(review_at, break_even_expected(after[told, i], weight[told]))
        found[label] = _points(y[:, i], after[:, i], weight, points[label], review_at)
    return found, review


def kept_line(before: NDArray[np.float64], after: NDArray[np.float64], point: float) -> float:
    """Return the probability that new maps give to what had that of the point; it where unknown."""
    x, y = (logit(np.clip(p, SURE, 1 - SURE)) for p in (before, after))
    if not 0 < point < 1 or np.allclose(x, y) or np.ptp(x) < 1:
        return point
    slope, shift = np.polyfit(x, y, 1)
    return float(expit(max(slope, 0.0) * logit(point) + shift))


def near(line: float, point: float) -> float:
    """Return a point, or where it is too far from the line what is nearest to it."""
    at, to = logit(np.clip((line, point), SURE, 1 - SURE))
    return float(expit(np.clip(to, at - FARTHEST, at + FARTHEST)))


def break_even_expected(scores: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Return the threshold at which as much is expected to be missed as to be flagged wrongly."""
    y = np.repeat((1.0, 0.0), len(scores))
    expected = np.concatenate((weight * scores, weight * (1 - scores)))
    return break_even(y, np.tile(scores, 2), expected)


def _points(
    y: NDArray[np.float64],
    scores: NDArray[np.float64],
    weight: NDArray[np.float64],
    known: Label,
    review_at: float,
) -> dict[str, dict[str, float]]:
    """Measure a label's points on later decisions; where those are few, known figures stand.

    What is rejected was seen for its score, so that its precision needs no weights.
    """
    seen = ~np.isnan(y)
    if (y[seen] >= 0.5).sum() < ENOUGH_POSITIVES:
        stands = {purpose: dict(point) for purpose, point in known.items()}
        stands["review"]["threshold"] = review_at
        if "reject" in stands:
            stands["reject"]["threshold"] = max(review_at, stands["reject"]["threshold"])
        return stands
    found = operating_points(
        y[seen], scores[seen], review_at=review_at, reject_precision=REJECT_PRECISION
    )
    if weight[seen].any():
        found["review"] |= seen_at(y[seen], scores[seen], weight[seen], review_at)
    return found
