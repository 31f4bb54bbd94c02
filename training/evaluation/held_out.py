"""Held-out evaluation: figures on rows that were not trained on, as one tree for all that show it.

Thresholds were chosen on other rows, and each figure carries its interval.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from models.classifier import Classifier
from training.calibration import as_news_comes, best_threshold, cuts, reliability
from training.datasets import Corpus, Split
from training.design_matrix import Progress
from training.evaluation import suites
from training.evaluation.measures import Measures, measure, observed_rows
from training.evaluation.scorer import Scorer, scores_by_label
from training.public_sets import PEN_NAMES, READ_ALONG_OUR_LINE

# Comments under news posts, and the recall at which false alarms are compared.
NEWS_SET, NEWS_RECALL = "mpold", 0.75
FEW_WORDS, MANY_WORDS = 2, 40  # very short texts, and long ones
BENCHMARKS = {  # the held-out part of each, by set
    "osact4": "osact4 test",
    "osact5": "osact5 dev",
    "lhsab": "lhsab fold",
    "mpold": "mpold fold",
    "alakrot_youtube": "alakrot_youtube fold",
    "sohateful": "sohateful fold",
    "dziriofn": "dziriofn fold",
}


def evaluate(
    classifier: Scorer,
    operating_points: Mapping[str, Any],
    split: Split,
    *,
    progress: Progress | None = None,
) -> Measures:
    """Measure a classifier on everything that its training did not see."""
    tell = progress or (lambda phrase, share: None)
    review = review_points(operating_points)
    tell("scoring the test rows", 0.0)
    scores = scores_by_label(classifier, split.test.texts)
    figures = _on_rows(classifier, review, split, scores)
    tell("scoring what nobody should flag", 0.2)
    figures["probes"] = _probes(classifier, split, scores, review)
    tell("disguising the test rows", 0.3)
    figures["evasion"] = suites.evasion_retention(classifier, split.test, review)
    tell("hiding insults among harmless words", 0.7)
    figures["dilution"] = suites.dilution(classifier, split, review)
    tell("running the functional suite", 0.8)
    figures["functions"] = suites.functional_suite(classifier, review)
    tell("comparing identity terms", 0.9)
    figures["identity_terms"] = suites.identity_term_bias(classifier)
    return figures


def on_rows(classifier: Scorer, operating_points: Mapping[str, Any], split: Split) -> Measures:
    """Measure a classifier on the test rows alone, without probes and suites."""
    scores = scores_by_label(classifier, split.test.texts)
    return _on_rows(classifier, review_points(operating_points), split, scores)


def _on_rows(
    classifier: Scorer,
    review: Mapping[str, float],
    split: Split,
    scores: Mapping[str, NDArray[np.float64]],
) -> Measures:
    validation = scores_by_label(classifier, split.validation.texts)
    return {
        "benchmarks": _benchmarks(split, scores, validation),
        "labels": _labels(split.test, scores, review),
        "sets": _slices(split.test, scores, review, split.test.source),
        "dialects": _slices(split.test, scores, review, split.test.dialect),
        "as_flagged": _as_flagged(split.test, scores, review),
        "kinds": _kinds(split.test, scores, review),
        "as_news_comes": _as_news_comes(classifier, split, scores, review),
    }


def curves(classifier: Scorer, test: Corpus) -> Measures:
    """Return what the report draws: per label precision and recall by threshold, reliability."""
    drawn: Measures = {}
    for label, scores in scores_by_label(classifier, test.texts).items():
        y, observed = observed_rows(test.label(label), scores)
        if 0 < (y >= 0.5).sum() < len(y):
            at, bins = cuts(y, observed), reliability((y >= 0.5).astype(np.float64), observed)
            drawn[label] = {
                "recall": at.recall,
                "precision": at.precision,
                "mean_score": bins.mean_score,
                "share": bins.share,
                "n": bins.n,
            }
    return drawn


def review_points(operating_points: Mapping[str, Any]) -> dict[str, float]:
    """Return the threshold from which each label's comments go to review."""
    return {label: points["review"]["threshold"] for label, points in operating_points.items()}


def should_be_flagged(test: Corpus) -> NDArray[np.float64]:
    """Return the share of readers who would have each text flagged: abuse or spam."""
    return np.fmax(test.label("toxicity"), test.label("spam"))


def margins(
    scores: Mapping[str, NDArray[np.float64]], review: Mapping[str, float]
) -> NDArray[np.float64]:
    """Return how far the score that stands highest over its review point is above it."""
    over = [scores[label] - point for label, point in review.items() if label in scores]
    return np.asarray(np.max(over, axis=0))


def _benchmarks(
    split: Split,
    scores: Mapping[str, NDArray[np.float64]],
    validation: Mapping[str, NDArray[np.float64]],
) -> Measures:
    """Measure toxicity on the held-out part of each set, by one head for all."""
    figures: Measures = {}
    truth, held_out = split.test.label("toxicity"), split.validation.label("toxicity")
    for source in np.unique(split.test.source):
        rows = (split.test.source == source) & ~np.isnan(truth)
        others = (split.validation.source == source) & ~np.isnan(held_out)
        if not rows.any() or "toxicity" not in scores:
            continue
        # A set without validation rows of its own is judged at everybody's threshold.
        others = others if others.any() else ~np.isnan(held_out)
        if not others.any():
            continue
        threshold = best_threshold(held_out[others], validation["toxicity"][others])
        name = BENCHMARKS.get(str(source), f"{source} test")
        figures[name] = measure(truth[rows], scores["toxicity"][rows], threshold)
        figures[name]["sha256"] = _rows_digest(split.test, rows, "toxicity")
    return figures


def _labels(
    test: Corpus, scores: Mapping[str, NDArray[np.float64]], review: Mapping[str, float]
) -> Measures:
    """Measure every label at its review point on all rows where it was observed."""
    figures: Measures = {}
    for label, column in scores.items():
        y, observed = observed_rows(test.label(label), column)
        if len(y) and label in review:
            hard = (y >= 0.5).astype(np.float64)
            error = reliability(hard, observed).error
            figures[label] = measure(y, observed, review[label]) | {"ece": error}
            rows = ~np.isnan(test.label(label))
            figures[label]["sha256"] = _rows_digest(test, rows, label)
    return figures


def _slices(
    test: Corpus,
    scores: Mapping[str, NDArray[np.float64]],
    review: Mapping[str, float],
    names: NDArray[np.str_],
) -> Measures:
    """Measure toxicity at its review point in every slice that is large enough to say something."""
    y = test.label("toxicity")
    figures: Measures = {}
    if "toxicity" not in review:
        return figures
    for name in np.unique(names[names != ""]):
        rows = (names == name) & ~np.isnan(y)
        if rows.sum() >= 10:
            figures[str(name)] = measure(y[rows], scores["toxicity"][rows], review["toxicity"])
    return figures


def _as_flagged(
    test: Corpus, scores: Mapping[str, NDArray[np.float64]], review: Mapping[str, float]
) -> Measures:
    """Measure what was read along our own line as the service flags it, by any label.

    What must be flagged is abuse or spam. AUC and average precision are those of toxicity.
    """
    ours = np.isin(test.source, READ_ALONG_OUR_LINE)
    toxicity = test.label("toxicity")
    n_words = np.array([len(text.split()) for text in test.texts])
    slices = {source: test.source == source for source in READ_ALONG_OUR_LINE} | {
        "annotated_news without doubt": (test.source == "annotated_news")
        & np.isin(toxicity, (0, 1)),
        "pen names": np.char.startswith(test.kind, PEN_NAMES),
        f"texts of at most {FEW_WORDS} words": ours & (n_words <= FEW_WORDS),
        f"texts of {MANY_WORDS} words and more": ours & (n_words >= MANY_WORDS),
    }
    figures: Measures = {}
    if "toxicity" not in review:
        return figures
    should, margin = should_be_flagged(test), margins(scores, review)
    for name, chosen in slices.items():
        rows = chosen & ~np.isnan(toxicity)
        if rows.any():
            ranked = measure(toxicity[rows], scores["toxicity"][rows], review["toxicity"])
            figures[name] = measure(should[rows], margin[rows], 0.0) | {
                key: ranked[key] for key in ("auc", "average_precision") if key in ranked
            }
    return figures


def _as_news_comes(
    classifier: Scorer,
    split: Split,
    scores: Mapping[str, NDArray[np.float64]],
    review: Mapping[str, float],
) -> Measures:
    """Measure each label on comments under news, weighed as they come: an estimate for a site.

    ``any label`` is what the service flags; ``without doubt`` leaves out what a reader doubted.
    """
    weight = None
    if isinstance(classifier, Classifier) and "toxicity" in review:
        weight = as_news_comes(split.test, split.news, classifier.scorer)
    if weight is None:
        return {}
    news = weight > 0
    toxicity = split.test.label("toxicity")
    sure = news & np.isin(toxicity, (0, 1))
    any_label = (should_be_flagged(split.test), scores["toxicity"], margins(scores, review))
    measured = {
        label: (split.test.label(label), scores[label], scores[label] - point, news)
        for label, point in review.items()
    } | {"any label": (*any_label, news), "any label, without doubt": (*any_label, sure)}
    figures: Measures = {}
    for name, (truth, ranking, margin, rows) in measured.items():
        y, w, flagged = truth[rows] >= 0.5, weight[rows], margin[rows] >= 0
        if 0 < y.sum() < len(y):
            true = float(w[y & flagged].sum())
            figures[name] = {
                "n": int(rows.sum()),
                "n_positive": int(y.sum()),
                "auc": float(roc_auc_score(y, ranking[rows], sample_weight=w)),
                "average_precision": float(
                    average_precision_score(y, ranking[rows], sample_weight=w)
                ),
                "precision": true / max(float(w[flagged].sum()), 1e-12),
                "recall": true / float(w[y].sum()),
                "flagged_share": float(w[flagged].sum() / w.sum()),
                "ece": reliability(y.astype(np.float64), ranking[rows], w).error,
            }
    return figures


def _kinds(
    test: Corpus, scores: Mapping[str, NDArray[np.float64]], review: Mapping[str, float]
) -> Measures:
    """Count by kind of example how often what should be flagged is, and the rest is not."""
    figures: Measures = {}
    if "toxicity" not in review:
        return figures
    should = should_be_flagged(test)
    right = (margins(scores, review) >= 0) == (should >= 0.5)
    for kind in np.unique(test.kind[test.kind != ""]):
        rows = test.kind == kind
        harmless = rows & (should < 0.5)
        figures[str(kind)] = {
            "n": int(rows.sum()),
            "n_positive": int(rows.sum() - harmless.sum()),
            "accuracy": float(right[rows].mean()),
            "false_share": float(1 - right[harmless].mean()) if harmless.any() else 0.0,
        }
    return figures


def _probes(
    classifier: Scorer,
    split: Split,
    scores: Mapping[str, NDArray[np.float64]],
    review: Mapping[str, float],
) -> Measures:
    """Measure how much is flagged of texts hardly any of which should be."""
    figures: Measures = {}
    if not split.probes or "toxicity" not in review:
        return figures
    news = (split.test.source == NEWS_SET) & (split.test.label("toxicity") >= 0.5)
    positives = scores["toxicity"][news]
    for probe, texts in split.probes.items():
        every = scores_by_label(classifier, texts)
        by_any = margins(every, review) >= 0
        n_words = np.array([len(text.split()) for text in texts])
        for name, rows in {
            probe: n_words >= 0,
            f"{probe}, at most {FEW_WORDS} words": n_words <= FEW_WORDS,
            f"{probe}, {MANY_WORDS} words and more": n_words >= MANY_WORDS,
        }.items():
            if not rows.any():
                continue
            flagged = every["toxicity"][rows]
            figures[name] = {
                "n": int(rows.sum()),
                "flagged_share": float((flagged >= review["toxicity"]).mean()),
                "flagged_share_by_any_label": float(by_any[rows].mean()),
            }
            if len(positives) and name == probe:
                # At this point artefacts with different review points can be compared, on all of
                # a probe: the lengths are too few to decide on a promotion.
                point = np.quantile(positives, 1 - NEWS_RECALL)
                figures[name] |= {
                    "news_recall": float((positives >= review["toxicity"]).mean()),
                    "flagged_share_at_news_recall": float((flagged >= point).mean()),
                }
    return figures


def _rows_digest(corpus: Corpus, rows: NDArray[np.bool_], label: str) -> str:
    """Return a digest of what was measured: which texts, and what is true of them."""
    keys, positive = corpus.keys[rows], corpus.label(label)[rows] >= 0.5
    order = np.lexsort((positive, keys))
    rows_as_bytes = keys[order].tobytes() + positive[order].tobytes()
    return hashlib.sha256(rows_as_bytes).hexdigest()[:16]
