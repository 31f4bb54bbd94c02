"""Folds and heads of domains (Daume III 2007): figures that only fresh classifiers can show."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from models.classifier import Classifier
from models.schema import LABELS
from models.sentence_scorer import SentenceScorer
from training.blend import blended
from training.calibration import best_threshold
from training.datasets import N_FOLDS, Corpus, Split, leave_out, split_corpus
from training.design_matrix import Progress
from training.evaluation.held_out import BENCHMARKS
from training.evaluation.measures import Measures, mean_of_folds, measure, observed_rows
from training.fit import Learner
from training.public_sets import PUBLIC_TOXICITY, domain_of

CROSS_VALIDATED = ("lhsab", "alakrot_youtube", "mpold")  # they have no published test part


def own_heads(learner: Learner, split: Split, sentence: SentenceScorer | None = None) -> Measures:
    """Measure each benchmark by the head of its own domain, as a site with labels gets it.

    A sentence scorer, the same for all, is heard as the set's validation rows say.
    """
    return {
        name: measure(*_by_own_head(learner, split, source, sentence))
        for source, name in BENCHMARKS.items()
        if len(_of(split.test, source)) and len(_of(split.validation, source))
    }


def cross_validate(
    corpus: Corpus,
    build: Callable[[Split], Learner],
    sets: Iterable[str] = CROSS_VALIDATED,
    *,
    progress: Progress | None = None,
) -> Measures:
    """Measure by grouped 5-fold, each set by the head of its own domain.

    Each fold's threshold comes from rows of the training folds that were held out of the fit. AUC
    and average precision are means over the folds.
    """
    folds: dict[str, list[tuple[NDArray[np.float64], NDArray[np.float64], float]]] = {}
    for fold in range(N_FOLDS):
        if progress:
            progress(f"fold {fold + 1} of {N_FOLDS}", fold / N_FOLDS)
        split = split_corpus(corpus, fold=fold)
        learner = build(split)
        for source in sets:
            folds.setdefault(source, []).append(_by_own_head(learner, split, source))
    figures: Measures = {}
    for source, measured in folds.items():
        truths = np.concatenate([y for y, _, _ in measured])
        margins = np.concatenate([scores - threshold for _, scores, threshold in measured])
        ranked = [measure(*fold) for fold in measured]
        means = {name: mean_of_folds([fold[name] for fold in ranked]) for name in _RANKED}
        figures[f"{source} 5-fold"] = measure(truths, margins, 0.0) | means
    return figures


def leave_one_out(
    corpus: Corpus,
    build: Callable[[Split], Learner],
    sets: Iterable[str] = tuple(BENCHMARKS),
    *,
    progress: Progress | None = None,
) -> Measures:
    """Measure each set by a classifier that never saw a label of it, at the others' threshold."""
    figures: Measures = {}
    chosen = [source for source in sets if (corpus.source == source).any()]
    for i, source in enumerate(chosen):
        if progress:
            progress(f"without {source}", i / len(chosen))
        split = leave_out(corpus, source)
        classifier = build(split).for_domain()
        y, held_out = observed_rows(*_toxicity(classifier, split.validation))
        figures[f"{source} left out"] = measure(
            *_toxicity(classifier, split.test), best_threshold(y, held_out)
        )
    return figures


_RANKED = ("auc", "average_precision")


def _by_own_head(
    learner: Learner, split: Split, source: str, sentence: SentenceScorer | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the truth about a set's test rows, their scores by its own head, and a threshold."""
    own, validation = learner.for_domain(domain_of(source)), _of(split.validation, source)
    if sentence:
        y = validation.y[:, [LABELS.index(label) for label in own.labels]]
        own = blended(own, sentence, validation.texts, y, heard_as={"toxicity": PUBLIC_TOXICITY})
    threshold = best_threshold(*_toxicity(own, validation))
    return *_toxicity(own, _of(split.test, source)), threshold


def _toxicity(
    classifier: Classifier, rows: Corpus
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scores = classifier.predict_proba(rows.texts)
    return rows.label("toxicity"), scores[:, classifier.labels.index("toxicity")]


def _of(corpus: Corpus, source: str) -> Corpus:
    return corpus.select((corpus.source == source) & ~np.isnan(corpus.label("toxicity")))
