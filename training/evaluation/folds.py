"""Folds and heads of domains (Daume III 2007): figures that only fresh classifiers can show.

The words are learned anew for each fit. A sentence scorer is not, so it is heard where it learned
from no text that is tested (`Second`): of the released one that is fold 0.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.classifier import Classifier
from models.schema import LABELS
from models.sentence_scorer import SentenceScorer
from training.blend import blended
from training.calibration import best_threshold
from training.datasets import N_FOLDS, Corpus, Split, draw_at_random, leave_out, split_corpus
from training.design_matrix import Progress
from training.evaluation.held_out import BENCHMARKS
from training.evaluation.measures import Measures, mean_of_folds, measure, observed_rows
from training.fit import Learner
from training.public_sets import domain_of

CROSS_VALIDATED = ("lhsab", "alakrot_youtube", "mpold")  # they have no published test part
FIXED = ("osact4", "osact5")  # they have one, the same in every fold
BY_VOTES = ("alakrot_youtube",)  # what is said of a row is the share of its readers
DRAWN, DRAWN_SHARE = "lhsab", 0.15  # a set of which others drew a test part at random

BOTH = ", both readers"  # ends the names of their figures

Second = Callable[[str], SentenceScorer | None]
"""Gives the sentence scorer of a fit by the fit's name: one that learned from none of the texts
that are tested there, None if there is none."""
_Folds = list[tuple[NDArray[np.float64], NDArray[np.float64], float]]


def released(sentence: SentenceScorer | None) -> Second:
    """Return what gives the released sentence scorer, which learned from the train part of fold 0.

    No other fold and no set that is left out can be tested with it.
    """
    return lambda name: sentence if name in (fold_name(0), _drawn_name()) else None


BY_WORDS_ALONE = released(None)


def fold_name(fold: int) -> str:
    """Return the name of the fit that tests a fold."""
    return f"fold {fold}"


def _drawn_name() -> str:
    return f"{DRAWN}, random {DRAWN_SHARE:.0%}"


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
    second: Second = BY_WORDS_ALONE,
    progress: Progress | None = None,
) -> Measures:
    """Measure by grouped 5-fold, each set by the head of its own domain.

    Each fold's threshold comes from rows of the training folds that were held out of the fit. AUC
    and average precision are means over the folds. Of a set whose readers voted, the rows on which
    they were of one mind are measured by themselves as well, and what has a published test part on
    that part, beside fold 0. The figures of both readers are those of the folds that have a second
    reader.
    """
    told: dict[str, _Folds] = {}
    for fold in range(N_FOLDS):
        if progress:
            progress(f"fold {fold + 1} of {N_FOLDS}", fold / N_FOLDS)
        split = split_corpus(corpus, fold=fold)
        learner, sentence = build(split), second(fold_name(fold))
        for source in (*sets, *(FIXED if fold == 0 else ())):
            name = BENCHMARKS[source] if source in FIXED else f"{source} 5-fold"
            _measure_both(told, name, learner, split, source, sentence)
            if source in BY_VOTES:
                of_one_mind = _of_one_mind(split)
                _measure_both(told, f"{name}, unanimous", learner, of_one_mind, source, sentence)
    return {name: _over_folds(folds) for name, folds in told.items()}


def draw_as_published(
    corpus: Corpus, build: Callable[[Split], Learner], *, second: Second = BY_WORDS_ALONE
) -> Measures:
    """Measure on a test part that was drawn at random, as others did, by the set's own head."""
    told: dict[str, _Folds] = {}
    if (corpus.source == DRAWN).any():
        split = draw_at_random(corpus, DRAWN, DRAWN_SHARE)
        sentence = second(_drawn_name())
        _measure_both(told, _drawn_name(), build(split), split, DRAWN, sentence)
    return {name: _over_folds(folds) for name, folds in told.items()}


def leave_one_out(
    corpus: Corpus,
    build: Callable[[Split], Learner],
    sets: Iterable[str] = tuple(BENCHMARKS),
    *,
    second: Second = BY_WORDS_ALONE,
    progress: Progress | None = None,
) -> Measures:
    """Measure each set by a classifier that never saw a label of it.

    Its threshold, and how far a second reader is heard, come from held-out rows of the other sets.
    """
    figures: Measures = {}
    chosen = [source for source in sets if (corpus.source == source).any()]
    for i, source in enumerate(chosen):
        if progress:
            progress(f"without {source}", i / len(chosen))
        split = leave_out(corpus, source)
        classifier = build(split).for_domain()
        others = split.validation.select(np.isin(split.validation.source, list(BENCHMARKS)))
        name = f"{source} left out"
        for reader, sentence in (("", None), (BOTH, second(name))):
            if reader and not sentence:
                continue
            heard = _heard(classifier, sentence, others)
            y, held_out = observed_rows(*_toxicity(heard, others))
            figures[f"{name}{reader}"] = measure(
                *_toxicity(heard, split.test), best_threshold(y, held_out)
            )
    return figures


_RANKED = ("auc", "average_precision")


def _measure_both(
    told: dict[str, _Folds],
    name: str,
    learner: Learner,
    split: Split,
    source: str,
    sentence: SentenceScorer | None,
) -> None:
    """Add what one fit says of a set by words alone, and by both readers if there are two."""
    if not len(_of(split.test, source)) or not len(_of(split.validation, source)):
        return
    told.setdefault(name, []).append(_by_own_head(learner, split, source))
    if sentence:
        both = _by_own_head(learner, split, source, sentence)
        told.setdefault(f"{name}{BOTH}", []).append(both)


def _over_folds(folds: _Folds) -> Measures:
    truths = np.concatenate([y for y, _, _ in folds])
    margins = np.concatenate([scores - threshold for _, scores, threshold in folds])
    ranked = [measure(*fold) for fold in folds]
    means = {
        name: mean_of_folds([fold[name] for fold in ranked])
        for name in _RANKED
        if all(name in fold for fold in ranked)
    }
    return measure(truths, margins, 0.0) | means | {"n_fits": len(folds)}


def _of_one_mind(split: Split) -> Split:
    def unanimous(rows: Corpus) -> Corpus:
        return rows.select(np.isin(rows.label("toxicity"), (0.0, 1.0)))

    return replace(split, validation=unanimous(split.validation), test=unanimous(split.test))


def _by_own_head(
    learner: Learner, split: Split, source: str, sentence: SentenceScorer | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the truth about a set's test rows, their scores by its own head, and a threshold."""
    validation = _of(split.validation, source)
    own = _heard(learner.for_domain(domain_of(source)), sentence, validation)
    threshold = best_threshold(*_toxicity(own, validation))
    return *_toxicity(own, _of(split.test, source)), threshold


def _heard(learned: Classifier, sentence: SentenceScorer | None, validation: Corpus) -> Classifier:
    """Give a classifier its second reader, heard as validation rows say."""
    if sentence is None:
        return learned
    y = validation.y[:, [LABELS.index(label) for label in learned.labels]]
    return blended(learned, sentence, validation.texts, y)


def _toxicity(
    classifier: Classifier, rows: Corpus
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scores = classifier.predict_proba(rows.texts)
    return rows.label("toxicity"), scores[:, classifier.labels.index("toxicity")]


def _of(corpus: Corpus, source: str) -> Corpus:
    return corpus.select((corpus.source == source) & ~np.isnan(corpus.label("toxicity")))
