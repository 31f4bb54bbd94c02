"""Steps: what each part of a release brings by itself, from a fit without it."""

from collections.abc import Callable

import numpy as np

from models.sentence_scorer import SentenceScorer
from training.calibration import calibrate
from training.datasets import Corpus, Split, split_corpus
from training.design_matrix import Progress
from training.evaluation.held_out import BENCHMARKS, on_rows
from training.evaluation.measures import Measures
from training.fit import Learner
from training.public_sets import NEWS, READ_ALONG_OUR_LINE, WRITTEN

# Sets that nothing is learned from and nothing chosen by; they are measured on all the same.
STEPS: dict[str, tuple[str, ...]] = {
    "public sets alone": READ_ALONG_OUR_LINE,
    "without the annotated comments": ("annotated_news",),
    "without the contrasts": WRITTEN,
    "all": (),
}
LABELS_OF_STEPS = ("toxicity", "spam")  # what else is abuse is toxic too

_SLICES = ("annotated_news", "annotated_news without doubt", *WRITTEN, "pen names")


def gains(
    corpus: Corpus,
    build: Callable[[Split, tuple[str, ...]], Learner],
    sentence: SentenceScorer | None = None,
    *,
    progress: Progress | None = None,
) -> Measures:
    """Measure each step of `STEPS` by words alone, and by both readers where there are two.

    It is the words that learn without the sets; what the sentence scorer learned, it keeps.
    """
    figures: Measures = {}
    learned_from = set(corpus.source[corpus.labeled])
    for i, (step, without) in enumerate(STEPS.items()):
        if without and not learned_from & set(without):
            continue
        if progress:
            progress(step, i / len(STEPS))
        split = split_corpus(corpus, without=without)
        learner = build(split, LABELS_OF_STEPS)
        learned = learner.for_domain(NEWS if NEWS in split.train.domain else "")
        for readers, second in (("words", None), ("both readers", sentence)):
            if readers == "words" or second:
                measured = on_rows(*calibrate(learned, split, second), split)
                figures[f"{step}: {readers}"] = _brief(measured)
    return figures


def _brief(measured: Measures) -> Measures:
    public = [measured["benchmarks"].get(name, {}) for name in BENCHMARKS.values()]
    aucs = [m["auc"]["value"] for m in public if "auc" in m]
    brief: Measures = {"public_auc": float(np.mean(aucs)) if aucs else None}
    for name in _SLICES:
        figures = measured["as_flagged"].get(name, {})
        brief[name] = {
            key: figures[key]["value"]
            for key in ("auc", "average_precision", "precision", "recall")
            if key in figures
        }
    return brief
