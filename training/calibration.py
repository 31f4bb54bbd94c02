"""Calibration of probabilities, and the choice of thresholds on held-out rows.

Where rows are few, the best point of a curve is luck: curves are smoothed first, and a promised
precision must surely hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import confusion_matrix_at_thresholds

from models.classifier import N_KNOTS, Classifier
from models.schema import LABELS
from models.sentence_scorer import SentenceScorer
from models.word_scorer import WordScorer
from training.blend import blended
from training.datasets import Corpus, Split
from training.public_sets import NEWS, READ_ALONG_OUR_LINE, WRITTEN

N_BINS = 15  # of equal width, as in Guo et al. 2017, "On calibration of modern neural networks"
ENOUGH_POSITIVES = 20  # held out, from which a threshold can be chosen at all
SURE = 1.28  # standard errors by which a promise must be kept
NEVER = 1.0  # the threshold of a promise that no held-out threshold keeps

# Share of the toxic comments that review must see, over all validation rows; it is higher for
# comments under news, whose head is released.
REVIEW_RECALL = 0.75
REJECT_PRECISION = 0.95
# Share of the comments below the review point of toxicity that a label adds to review. Insults and
# obscenities are toxic too, so those labels say why a comment is in review and need not bring it
# there. Threats and calls to shut people out often use no bad word, weigh most, and are seldom
# called toxic in the public sets. Spam is no abuse and has a point of its own.
ADDED_SHARE = {"threat": 0.008, "identity_attack": 0.01}
ADDED_SHARE_OF_OTHERS = 0.001
ADDED_PRECISION = 0.5
# Of a random sample of comments on news sites, read with care, so many were abusive (209 of 1,459).
ABUSIVE_NEWS = 0.143
ENOUGH_NEWS = 100  # comments of either kind, from which it can be learned how news is judged
N_NEWS_BINS, HEAVIEST = 20, 8.0  # a comment counts for no more than so many


def calibrate(
    learned: Classifier, split: Split, sentence: SentenceScorer | None = None
) -> tuple[Classifier, dict[str, dict[str, dict[str, float]]]]:
    """Turn logits into probabilities and choose operating points, on the validation part.

    A sentence scorer becomes the second reader first. Where comments under news were read along our
    line, they decide, weighed as news comes, on every label of which they have enough examples.
    """
    validation = split.validation
    columns = [LABELS.index(label) for label in learned.labels]
    # Held-out figures are about what the majority says, so calibration is as well.
    y = np.where(np.isnan(validation.y), np.nan, validation.y >= 0.5)[:, columns]
    weight = as_news_comes(validation, split.news, learned.scorer)
    news = weight > 0 if weight is not None else np.zeros(len(validation), dtype=bool)
    weight = np.ones(len(validation)) if weight is None else np.where(news, weight, 1.0)
    if sentence:
        ours = news | (np.isin(validation.source, WRITTEN) if news.any() else False)
        learned = blended(learned, sentence, validation.texts, _decided_by(ours, y), weight)
    deciding = _decided_by(news, y)
    classifier = calibrated(learned, validation.texts, deciding, weight)
    scores = classifier.predict_proba(validation.texts)
    points: dict[str, dict[str, dict[str, float]]] = {}
    for i, label in enumerate(classifier.labels):
        seen = ~np.isnan(deciding[:, i])
        review_at = None
        if label == "toxicity" and news.any():
            # What careful readers doubted counts by how sure they were.
            certain = weight * np.abs(2 * validation.label(label) - 1)
            review_at = break_even(y[news, i], scores[news, i], certain[news])
        elif "toxicity" in points and label != "spam":
            rows = news if news.any() else np.ones(len(validation), dtype=bool)
            passed = rows & (scores[:, 0] < points["toxicity"]["review"]["threshold"])
            abusive = np.fmax(y[:, 0], y[:, i])
            review_at = _adding(label, scores[passed, i], abusive[passed], weight[passed])
        points[label] = operating_points(
            y[seen, i],
            scores[seen, i],
            weight[seen],
            review_recall=REVIEW_RECALL if label == "toxicity" and not news.any() else None,
            review_at=review_at,
            reject_precision=REJECT_PRECISION,
        )
    return classifier, points


def as_news_comes(
    rows: Corpus, news: Sequence[str], scorer: WordScorer
) -> NDArray[np.float64] | None:
    """Weigh the comments under news that were read along our line; all other rows weigh 0.

    They were chosen where a classifier hesitated. Weighed, they have the word logits of `news`, as
    many in each bin, and the share `ABUSIVE_NEWS` of them is abusive. None where there are too few.
    """
    ours = np.isin(rows.source, READ_ALONG_OUR_LINE) & (rows.domain == NEWS)
    abusive = rows.label("toxicity")[ours] >= 0.5
    if not len(news) or min(abusive.sum(), (~abusive).sum()) < ENOUGH_NEWS:
        return None
    texts = [rows.texts[i] for i in np.flatnonzero(ours)]
    logits, theirs = scorer.logits(texts)[:, 0], scorer.logits(news)[:, 0]
    edges = np.quantile(theirs, np.linspace(0, 1, N_NEWS_BINS + 1)[1:-1])
    bins = np.digitize(logits, edges)
    told = len(bins) / N_NEWS_BINS / np.maximum(np.bincount(bins, minlength=N_NEWS_BINS), 1)
    weight = np.minimum(told, HEAVIEST)[bins]
    for kind, share in ((abusive, ABUSIVE_NEWS), (~abusive, 1 - ABUSIVE_NEWS)):
        weight[kind] *= share * len(weight) / weight[kind].sum()
    weights = np.zeros(len(rows))
    weights[ours] = weight
    return weights


def _decided_by(some: NDArray[np.bool_], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave the rest out where some rows have enough examples of a label."""
    enough = (y[some] >= 0.5).sum(axis=0) >= ENOUGH_POSITIVES
    return np.where(enough & ~some[:, None], np.nan, y)


def _adding(
    label: str,
    scores: NDArray[np.float64],
    abusive: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> float | None:
    """Return the point from which a label brings to review what toxicity let pass.

    At most its share of that, and of what it brings `ADDED_PRECISION` or more is abusive.
    """
    if not len(scores):
        return None
    order = np.argsort(-scores, kind="stable")
    brought, right = weight[order].cumsum(), (weight * (abusive >= 0.5))[order].cumsum()
    share = ADDED_SHARE.get(label, ADDED_SHARE_OF_OTHERS)
    fits = (brought <= share * weight.sum()) & (right >= ADDED_PRECISION * brought)
    last = np.flatnonzero(fits)
    return float(scores[order[last[-1]]] if len(last) else np.nextafter(scores.max(), 2.0))


def calibrated(
    classifier: Classifier,
    texts: Sequence[str],
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None = None,
) -> Classifier:
    """Fit the map from logit to probability on comments that the weights were not learned from.

    In `y`, NaN stands where a label was not observed; a label without both kinds keeps its map.
    """
    logits = classifier.decision_function(texts)
    weight = np.ones(len(texts)) if weight is None else weight
    maps = classifier.calibration.copy()
    for column in range(len(maps)):
        seen = ~np.isnan(y[:, column])
        if len(np.unique(y[seen, column] > 0.5)) == 2:
            maps[column] = _increasing_map(logits[seen, column], y[seen, column], weight[seen])
    return replace(classifier, calibration=maps)


def _increasing_map(
    logits: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Draw the isotonic map (Zadrozny and Elkan 2002) through `N_KNOTS` points, without ties."""
    step = IsotonicRegression(y_min=0.0, y_max=1.0).fit(logits, y, sample_weight=weight)
    knots = np.quantile(logits, np.linspace(0, 1, N_KNOTS - 2))
    # Half an example of doubt on either side keeps probabilities off 0 and 1.
    doubt = 0.5 / len(logits)
    values = logit(np.clip(step.predict(knots), doubt, 1 - doubt))
    knots = np.concatenate(([knots[0] - 30], knots, [knots[-1] + 30]))
    values = np.concatenate(([values[0] - 3], values, [values[-1] + 3]))
    knots += np.arange(N_KNOTS) * 1e-9
    return np.stack((knots, values + 1e-3 * (knots - knots[0])))


@dataclass(frozen=True)
class Reliability:
    """How often what was given a probability came true, for each bin that is not empty."""

    mean_score: NDArray[np.float64]
    share: NDArray[np.float64]
    n: NDArray[np.float64]

    @property
    def error(self) -> float:
        """The expected calibration error: mean distance of the two, weighted by rows, in [0, 1]."""
        return float(np.abs(self.mean_score - self.share) @ self.n / self.n.sum())


def reliability(
    y: NDArray[np.float64], scores: NDArray[np.float64], weight: NDArray[np.float64] | None = None
) -> Reliability:
    """Compare probabilities with what came true: 0 or 1, or shares in [0, 1]."""
    weight = np.ones(len(y)) if weight is None else weight
    bins = np.minimum((scores * N_BINS).astype(np.int64), N_BINS - 1)
    n = np.bincount(bins, weight, N_BINS).astype(np.float64)
    some = n > 0
    return Reliability(
        mean_score=np.bincount(bins, scores * weight, N_BINS)[some] / n[some],
        share=np.bincount(bins, y * weight, N_BINS)[some] / n[some],
        n=n[some],
    )


@dataclass(frozen=True)
class Cuts:
    """Every threshold that separates the rows differently, the strictest first."""

    threshold: NDArray[np.float64]  # half way between neighbouring scores
    true: NDArray[np.float64]  # flagged positives
    false: NDArray[np.float64]  # flagged negatives
    missed: NDArray[np.float64]  # other positives
    passed: NDArray[np.float64]  # other negatives

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the flagged that are positive."""
        return np.asarray(self.true / (self.true + self.false))

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the positives that are flagged."""
        return np.asarray(self.true / np.maximum(self.true + self.missed, 1e-12))

    @property
    def macro_f1(self) -> NDArray[np.float64]:
        """Mean of the F1 of the positives and of the negatives."""
        wrong = self.false + self.missed
        positive = 2 * self.true / np.maximum(2 * self.true + wrong, 1e-12)
        negative = 2 * self.passed / np.maximum(2 * self.passed + wrong, 1e-12)
        return np.asarray((positive + negative) / 2)


def cuts(
    y: NDArray[np.float64], scores: NDArray[np.float64], weight: NDArray[np.float64] | None = None
) -> Cuts:
    """List the thresholds between the scores of rows that are positive (``y`` >= 0.5) or not."""
    counted = confusion_matrix_at_thresholds(y >= 0.5, scores, sample_weight=weight)
    passed, false, missed, true, at = counted
    return Cuts((at + np.append(at[1:], 0.0)) / 2, true, false, missed, passed)


def best_threshold(y: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Return the threshold of the best macro-F1 on a smoothed curve."""
    at = cuts(y, scores)
    return float(at.threshold[np.argmax(_smoothed(at.macro_f1))])


def break_even(
    y: NDArray[np.float64], scores: NDArray[np.float64], weight: NDArray[np.float64]
) -> float:
    """Return the threshold at which as much is missed as is flagged wrongly."""
    at = cuts(y, scores, weight)
    return float(at.threshold[np.argmax(at.missed <= at.false)])


def operating_points(
    y: NDArray[np.float64],
    scores: NDArray[np.float64],
    weight: NDArray[np.float64] | None = None,
    *,
    review_recall: float | None = None,
    review_at: float | None = None,
    reject_precision: float = 0.95,
) -> dict[str, dict[str, float]]:
    """Choose where a label's comments go to review, and where they could be rejected.

    Review stands where the share `review_recall` of the positives is seen, else at `review_at`,
    else at the best macro-F1. Reject stands where most is rejected of which the share
    `reject_precision`, in (0, 1), surely is positive, else at `NEVER` with recall 0. Each point has
    its ``threshold``, and the ``precision`` and ``recall`` seen there.

    From fewer than `ENOUGH_POSITIVES` nothing can be chosen: review then stands at an even chance
    or above, reject at `NEVER`.
    """
    weight = np.ones(len(y)) if weight is None else weight
    if (y >= 0.5).sum() < ENOUGH_POSITIVES:
        even = max(0.5, review_at or 0.0)
        review = {"threshold": even} | seen_at(y, scores, weight, even)
        return {"review": review, "reject": {"threshold": NEVER, "precision": 1.0, "recall": 0.0}}
    at = cuts(y, scores, weight)
    if review_recall is not None:
        review_at = float(at.threshold[np.argmax(at.recall >= review_recall)])
    elif review_at is None:
        review_at = best_threshold(y, scores)
    # A share of rows this high is surely above the promise: a one-sided score test at 10 %
    # (Wilson 1927). The laxest of many thresholds is chosen, so the share itself would be the
    # luckiest of many.
    n, p = at.true + at.false, reject_precision
    chosen = np.flatnonzero(at.true - p * n >= SURE * np.sqrt(p * (1 - p) * n))
    reject_at = max(review_at, float(at.threshold[chosen[-1]]) if len(chosen) else NEVER)
    return {
        "review": {"threshold": review_at} | seen_at(y, scores, weight, review_at),
        "reject": {"threshold": reject_at} | seen_at(y, scores, weight, reject_at),
    }


def seen_at(
    y: NDArray[np.float64],
    scores: NDArray[np.float64],
    weight: NDArray[np.float64],
    threshold: float,
) -> dict[str, float]:
    """Measure precision and recall at a threshold."""
    flagged, positive = scores >= threshold, y >= 0.5
    true, n_flagged = weight[flagged & positive].sum(), weight[flagged].sum()
    return {
        "precision": float(true / n_flagged) if flagged.any() else 1.0,
        "recall": float(true / max(weight[positive].sum(), 1.0)),
    }


def _smoothed(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average a curve over a twentieth of its points around each point, fewer at the ends."""
    half = len(curve) // 40
    total = np.append(0.0, np.cumsum(curve))
    points = np.arange(len(curve))
    low, high = np.maximum(points - half, 0), np.minimum(points + half + 1, len(curve))
    return np.asarray((total[high] - total[low]) / (high - low))
