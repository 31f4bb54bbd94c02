"""Learning curve: what a site's own model gains from its first decisions.

A newsroom is simulated by a public set. A version is made from everything else, as a new site gets
it; then a fifth of the set is held out and of the rest so many comments are taken as decisions, one
by one as a moderator would take them, and learned (`training.site_model`). Two newsrooms of a set:
one sends every comment to people; of the other they see what the version flags, as in the service,
and of the rest one comment of twenty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.classifier import Classifier
from training.datasets import N_FOLDS, Corpus, Split, leave_out
from training.decision_parts import SHORTEST_SECONDS, parts_of
from training.design_matrix import Progress
from training.evaluation.measures import Measures, measure
from training.site_model import TooFewDecisions, site_model
from training.site_points import Points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (100, 300, 1000, 5000)
SETS = ("mpold", "lhsab", "osact4", "alakrot_youtube", "sohateful")
SAMPLED = 0.05  # of what is not flagged, the share that people see
HEADS = {
    "auc": "AUC",
    "average_precision": "average precision",
    "macro_f1": "macro-F1",
    "precision": "precision",
    "recall": "recall",
}
N_ORDERS = 3  # in which decisions are taken; figures are means over them


@dataclass(frozen=True)
class Step:
    """Figures of one newsroom after so many decisions."""

    source: str
    queue: str  # which comments people see: all or flagged; empty without decisions
    n: int  # decisions, 0 for the version as it is
    n_abusive: float
    figures: Measures  # auc, average_precision, macro_f1: means


Version = tuple[Classifier, Points]


def learning_curve(
    corpus: Corpus,
    without: Callable[[Split], Version],
    sets: Iterable[str] = SETS,
    sizes: Sequence[int] = SIZES,
    *,
    progress: Progress | None = None,
) -> Iterator[Step]:
    """Measure newsrooms after so many decisions; `without` makes a version of a split."""
    chosen = [source for source in sets if (corpus.source == source).any()]
    for at, source in enumerate(chosen):
        if progress:
            progress(f"without {source}", at / len(chosen))
        rows = leave_out(corpus, source)
        yield from newsroom(source, without(rows), rows.test, sizes)


def table(steps: Iterable[Step]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Make heads and rows of a table."""
    heads = ("newsroom", "people see", "decisions", "abusive", *HEADS.values())
    rows: list[Sequence[str]] = [
        (
            *(step.source, step.queue, f"{step.n:,}"),
            f"{step.n_abusive:,.0f}",
            *(f"{step.figures[name]:.3f}" for name in HEADS),
        )
        for step in steps
    ]
    return heads, rows


def draw(steps: Sequence[Step]) -> Figure:
    """Draw AUC by the number of decisions, a line for each newsroom, by what people see."""
    from matplotlib.figure import Figure  # only those who draw need it

    titles = {"all": "people see every comment", "flagged": "people see what is flagged"}
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, len(titles), sharey=True)
    for axis, (queue, title) in zip(axes, titles.items(), strict=True):
        for source in dict.fromkeys(step.source for step in steps):
            told = [step for step in steps if step.source == source and step.queue in {queue, ""}]
            at = [max(step.n, 30) for step in told]  # 0 has no place on this scale
            axis.plot(at, [step.figures["auc"] for step in told], marker="o", label=source)
        axis.set(title=title, xscale="log", xlabel="decisions")
        axis.set_xticks((30, 100, 300, 1000, 5000), ("none", "100", "300", "1,000", "5,000"))
        axis.set_xticks((), minor=True)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("AUC of toxicity")
    axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def newsroom(
    source: str, version: Version, rows: Corpus, sizes: Sequence[int] = SIZES
) -> Iterator[Step]:
    """Measure one newsroom, whose comments `version` never learned from."""
    classifier, points = version
    rows = rows.select(~np.isnan(rows.label("toxicity")))
    held_out = rows.keys % np.uint64(N_FOLDS) == 0
    test, others = rows.select(held_out), rows.select(~held_out)
    others = others.select(~np.isin(others.keys, test.keys))
    yield Step(source, "", 0, 0, _measured(classifier, points, test))
    at = classifier.labels.index("toxicity")
    flagged = (
        classifier.predict_proba(others.texts)[:, at] >= points["toxicity"]["review"]["threshold"]
    )
    for queue in ("all", "flagged"):
        for n in sizes:
            steps = []
            for seed in range(N_ORDERS):
                decided = _decided(others, flagged if queue == "flagged" else None, n, seed)
                if len(decided) < n:
                    break
                try:
                    own, its_points, _ = site_model(classifier, points, parts_of(decided))
                except TooFewDecisions:
                    break
                n_abusive = (decided.label("toxicity") > 0.5).sum()
                steps.append((n_abusive, _measured(own, its_points, test)))
            if len(steps) == N_ORDERS:
                figures = {
                    name: float(np.mean([told[name] for _, told in steps])) for name in steps[0][1]
                }
                yield Step(source, queue, n, float(np.mean([k for k, _ in steps])), figures)


def _decided(others: Corpus, flagged: NDArray[np.bool_] | None, n: int, seed: int) -> Corpus:
    """Take the first decisions in an order by chance."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(others))
    sampled = np.ones(len(others))
    if flagged is not None:
        sampled[~flagged] = SAMPLED
        order = order[(random.random(len(others)) < sampled)[order]]
    taken = replace(others, sampled=sampled).select(order[:n])
    return replace(taken, decided_at=SHORTEST_SECONDS * np.arange(len(taken), dtype=np.float64))


def _measured(classifier: Classifier, points: Points, test: Corpus) -> Measures:
    scores = classifier.predict_proba(test.texts)[:, classifier.labels.index("toxicity")]
    threshold = points["toxicity"]["review"]["threshold"]
    told = measure(test.label("toxicity"), scores, threshold, n_draws=0)
    return {name: told[name]["value"] for name in HEADS}
