"""Adaptation: what a site's decisions teach, added to the weights of a version.

A version's weights of words are what is believed of words before the site has said anything. Per
label a logistic regression with an offset (`training.offset_regression`) finds what must be added
to them, drawn towards nothing: the offset is the version's calibrated log-odds of a comment, both
readers heard, and an added weight counts there as much as the word scorer does. So a word of which
the site says little weighs what it did, and the sentence scorer and its share stay as they are.

The same decisions give the same weights, in time and memory linear in their letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from models.classifier import Classifier
from models.word_scorer import WordScorer
from training.design_matrix import Design, Progress, WordClusters, design
from training.fit import laid_out
from training.offset_regression import OffsetLogisticRegression

ENOUGH = 20
"""Decisions that name a label, and as many that deny it, from which it is learned."""
C = 2.0
"""Inverse strength of the ridge, for a mean square length of a comment's row of 1."""
MORE_ROWS = 50_000
"""N-grams by which the table may grow; the heaviest stay."""
MIN_DF = 2
SURE = 1e-6  # log-odds are of probabilities no nearer to 0 and 1


def adapted(
    version: Classifier,
    texts: Sequence[str],
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None = None,
    *,
    C: float = C,
    progress: Progress | None = None,
) -> Classifier:
    """Add to a classifier's words what decisions teach, and move its maps to the site's base rate.

    `y`, (n_comments, n_labels), has NaN where a label was not observed. Labels with fewer than
    `ENOUGH` examples of either kind stay as they are.
    """
    tell = progress or (lambda phrase, share: None)
    weight = np.ones(len(texts)) if weight is None else weight
    scorer = version.scorer
    spelled = known_words(scorer)
    known = WordClusters(spelled, np.zeros((0, len(spelled)), np.int32)) if spelled else None
    matrix = design(texts, [""] * len(texts), known, min_df=MIN_DF, progress=progress)
    odds, slopes = _heard(version, texts)
    words = scorer.table[1 : 1 + len(scorer.word_hashes)].astype(np.float64)
    buckets = scorer.table.astype(np.float64)[scorer.slots]
    maps = version.calibration.copy()
    for column in range(len(version.labels)):
        tell("learning labels", column / len(version.labels))
        says = np.nan_to_num(weight * np.abs(2 * y[:, column] - 1))
        seen = np.flatnonzero(says > 0)
        if not enough(y[seen, column]):
            continue
        added, shift = _learned(
            matrix,
            seen,
            y[seen, column] > 0.5,
            says[seen],
            odds[seen, column],
            slopes[seen, column],
            C,
        )
        buckets[matrix.buckets, column] += added[: len(matrix.buckets)]
        words[:, column] += matrix.known @ added
        maps[column, 1] += shift
    tell("learning labels", 1.0)
    theirs = laid_out(
        scorer.word_hashes,
        scorer.word_letters,
        scorer.word_starts,
        words=words,
        buckets=buckets,
        intercepts=scorer.intercepts,
        n_rows=len(scorer.table) - 1 - len(scorer.word_hashes) + MORE_ROWS,
    )
    return replace(version, scorer=theirs, calibration=maps)


def enough(y: NDArray[np.float64]) -> bool:
    """Say whether a label can be learned from what was observed of it."""
    return bool(min((y > 0.5).sum(), (y < 0.5).sum()) >= ENOUGH)


def known_words(scorer: WordScorer) -> list[str]:
    """Spell out the words that a scorer knows, in its order."""
    letters = scorer.word_letters.astype("<u4").tobytes().decode("utf-32-le")
    starts = scorer.word_starts.tolist()
    return [letters[start:stop] for start, stop in pairwise(starts)]


def log_odds(version: Classifier, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the calibrated log-odds of each label."""
    return np.asarray(logit(np.clip(version.predict_proba(texts), SURE, 1 - SURE)))


def _heard(
    version: Classifier, texts: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the calibrated log-odds, and how much they grow with the word logits."""
    probabilities, states = version.judge(texts)
    slopes = np.array([_slope(*told) for told in version.calibration])
    heard = np.broadcast_to(slopes, probabilities.shape)
    if version.blend:
        heard = heard * version.blend.weights[states, :, 0]
    return logit(np.clip(probabilities, SURE, 1 - SURE)), heard


def _slope(knots: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Return how steep a map is where most comments are, not where doubt alone shapes it."""
    return max(0.1, float(np.polyfit(knots[2:-2], values[2:-2], 1)[0]))


def _learned(
    matrix: Design,
    seen: NDArray[np.int64],
    t: NDArray[np.bool_],
    weight: NDArray[np.float64],
    odds: NDArray[np.float64],
    slopes: NDArray[np.float64],
    C: float,
) -> tuple[NDArray[np.float64], float]:
    """Return what is added to the weight of each shared column, and to all log-odds."""
    X = matrix.X[seen][:, : matrix.n_shared].astype(np.float64)
    X.data *= np.repeat(matrix.scale[seen] * slopes, np.diff(X.indptr))
    X.data *= matrix.idf.astype(np.float64)[X.indices]
    length = 1 / np.sqrt(max(np.dot(X.data, X.data) / len(seen), 1e-12))
    X.data *= length
    found = OffsetLogisticRegression(C=C).fit(X, t, weight, offset=odds)
    return found.coef_[0] * matrix.idf * length, float(found.intercept_[0])
