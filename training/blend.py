"""Blend of the two readers: which comments are read twice, and how both logits become one.

Learned on comments from which neither reader learned. Per label, a logistic regression on both
logits over the comments that are read twice; over those that are not, and for a service that has
the sentence scorer off, one on the word logit. All give log-odds, so that every comment has a place
on one scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from models.classifier import ALONE, READ, SKIPPED, Blend, Classifier, columns_of
from models.sentence_scorer import SentenceScorer

SKIPPED_SHARE, CLOSE_SHARE = 0.2, 0.4
"""Shares of the harmless comments over which the words of toxicity do not hesitate, and which they
do not have read closely."""
OTHER_SHARE = 0.995
"""The same of each other label, whose words bring few comments more to be read twice."""
LOWEST, HIGHEST = -1000.0, 1000.0  # beyond every logit
ENOUGH_POSITIVES = 20
"""Comments with a label from which its blend can be learned; else its words alone count."""


def blended(
    learned: Classifier,
    sentence: SentenceScorer,
    texts: Sequence[str],
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None = None,
) -> Classifier:
    """Give a classifier a second reader.

    `y`, (n_comments, n_labels), has NaN where a label was not observed; `weight` says how often
    each comment comes among those that will be judged.
    """
    n_labels = len(learned.labels)
    weight = np.ones(len(texts)) if weight is None else np.asarray(weight, dtype=np.float64)
    words = learned.scorer.logits(texts)
    columns = columns_of(sentence, learned.labels)
    blend = Blend(
        sentence,
        columns,
        _floors(words, y, weight),
        np.tile(_WORDS_ALONE, (3, n_labels, 1)),
    )
    states = blend.states(words)
    sentences = blend.sentence_logits(texts, states, words, learned.scorer)
    weights = blend.weights.copy()
    for label in range(n_labels):
        seen = ~np.isnan(y[:, label])
        read, skipped = seen & (states == READ), seen & (states == SKIPPED)
        given = y[:, label] >= 0.5
        if (given & seen).sum() >= ENOUGH_POSITIVES and (seen & ~given).any():
            weights[:, label] = regression(words[seen, label], None, given[seen], weight[seen])
            if columns[label] >= 0 and (given & read).sum() >= ENOUGH_POSITIVES:
                weights[READ, label] = regression(
                    words[read, label], sentences[read, label], given[read], weight[read]
                )
            if skipped.any():
                weights[SKIPPED, label] = _moved(
                    weights[ALONE, label], words[skipped, label], given[skipped], weight[skipped]
                )
    return replace(learned, blend=replace(blend, weights=weights))


_WORDS_ALONE = np.array([1.0, 0.0, 0.0])


def _floors(
    words: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find the word logits below which most harmless comments are, shape (2, n_labels)."""
    harmless = ~(y >= 0.5).any(axis=1)
    if not harmless.any():
        return np.full((2, words.shape[1]), LOWEST)
    floors = np.full((2, words.shape[1]), HIGHEST)
    shares = [(0, 0, SKIPPED_SHARE), (1, 0, CLOSE_SHARE)]
    shares += [(0, label, OTHER_SHARE) for label in range(1, words.shape[1])]
    for row, label, share in shares:
        floors[row, label] = np.quantile(
            words[harmless, label], share, weights=weight[harmless], method="inverted_cdf"
        )
    return floors


def regression(
    words: NDArray[np.float64],
    sentences: NDArray[np.float64] | None,
    given: NDArray[np.bool_],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return weights of words and sentence, neither below 0, and the constant."""
    if len(np.unique(given)) < 2:
        return _WORDS_ALONE
    both = [words, np.zeros_like(words) if sentences is None else sentences]
    fitted = LogisticRegression(C=100.0).fit(np.stack(both, 1), given, sample_weight=weight)
    told = np.append(fitted.coef_[0], fitted.intercept_[0])
    for column, other in ((0, 1), (1, 0)):
        if told[column] < 0:  # noise: more of a label is no evidence against it
            if sentences is None:
                return _WORDS_ALONE
            alone = LogisticRegression(C=100.0).fit(
                both[other][:, None], given, sample_weight=weight
            )
            told = np.zeros(3)
            told[other] = max(0.0, alone.coef_[0, 0])
            told[2] = alone.intercept_[0]
            break
    return told


def _moved(
    weights: NDArray[np.float64],
    words: NDArray[np.float64],
    given: NDArray[np.bool_],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Move the constant until as many are expected to be given as were, and half a comment more."""
    logits = weights[0] * words
    share = (weight @ given + 0.5 * weight.mean()) / (weight.sum() + weight.mean())

    def surplus(constant: float) -> float:
        return float(weight @ expit(logits + constant) / weight.sum() - share)

    reach = np.abs(logits).max() + abs(logit(share)) + 1
    return np.array([weights[0], 0.0, brentq(surplus, -reach, reach)])
