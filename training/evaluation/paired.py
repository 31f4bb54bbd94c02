"""Paired comparison: two versions on the same comments, each difference with its interval.

What both judge alike says nothing of which is better, so differences are drawn anew together
(paired bootstrap, Efron 1979) and not each figure by itself: of few comments a difference is known
far better than either figure is.

The comments that are shipped with the project are those that no version learns from: HakamCheck's
test part, the test part of the contrasts, and the sentences that name a group, of which those
without abuse are probes that nobody should flag.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from models.artifact import Artifact
from training import hakamcheck
from training.datasets import Corpus, read_corpus, split_corpus
from training.evaluation.identity_terms import load_terms
from training.evaluation.measures import N_DRAWS, aucs, draws
from training.evaluation.scorer import scores_by_label
from training.hakamcheck import SUITES
from training.public_sets import WRITTEN

SURE = 0.05  # how likely a loss may be that is none, over all slices of some comments together
ALLOWED = 0.02
FEWEST = 8  # comments of a slice of which something can be said


@dataclass(frozen=True, eq=False)
class Suite:
    """Comments of which it is known how they must be judged."""

    name: str
    texts: Sequence[str]
    names: Sequence[str]  # display names, empty where there is none
    abusive: NDArray[np.float64]  # NaN where it is not known
    flag: NDArray[np.float64]  # what must come before people: abuse or spam
    slices: NDArray[np.str_]
    allowed: float = ALLOWED  # how much of a measure may surely be lost


@dataclass(frozen=True, eq=False)
class Judged:
    """What a version says of a suite."""

    toxicity: NDArray[np.float64]
    margin: NDArray[np.float64]  # of the label that stands highest over its review point

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """What comes before people, by any label, as in the service."""
        return self.margin >= 0

    def flagging(self, n: int) -> Judged:
        """Draw a line by toxicity alone that flags so many comments, of equal ones the first."""
        order = np.argsort(-self.toxicity, kind="stable")
        margin = np.full(len(order), -1.0)
        margin[order[:n]] = 1.0
        return Judged(self.toxicity, margin)


@dataclass(frozen=True)
class Difference:
    """A measure of two versions on the same comments; above 0 the second is better."""

    first: float
    second: float
    low: float  # of the difference, 95 %
    high: float
    n: int

    @property
    def value(self) -> float:
        """How much better the second is."""
        return self.second - self.first


def of_corpus(name: str, rows: Corpus, allowed: float) -> Suite:
    """Make a suite of labelled comments."""
    toxicity = rows.label("toxicity")
    return Suite(
        name,
        rows.texts,
        [""] * len(rows),
        toxicity,
        np.fmax(toxicity, rows.label("spam")),
        rows.kind,
        allowed,
    )


def shipped() -> Iterator[Suite]:
    """Give the suites that are part of the project."""
    cases = hakamcheck.load("test")
    abusive = np.array([float(case.labels["toxicity"]) for case in cases])
    yield Suite(
        "HakamCheck",
        [case.text for case in cases],
        [case.author_name for case in cases],
        abusive,
        abusive,
        np.array([case.function for case in cases]),
    )
    contrasts = read_corpus([SUITES / f"{name}.tsv" for name in WRITTEN])
    yield of_corpus("contrasts", split_corpus(contrasts).test, ALLOWED)
    terms = load_terms()
    toxic = np.array([float(case.toxicity) for case in terms])
    yield Suite(
        "groups named",
        [case.text for case in terms],
        [""] * len(terms),
        toxic,
        toxic,
        np.array([f"{case.category}, {case.kind}" for case in terms]),
    )


def judge(artifact: Artifact, suite: Suite) -> Judged:
    """Score texts and display names; the worse of the two counts, as in the service."""
    points = artifact.operating_points
    review = {label: told["review"]["threshold"] for label, told in points.items()}

    def judged(texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        scores = scores_by_label(artifact.classifier, texts)
        over = [scores[label] - at for label, at in review.items()]
        return scores["toxicity"], np.max(over, axis=0)

    toxicity, margin = judged(suite.texts)
    named = [i for i, name in enumerate(suite.names) if name]
    if named:
        by_name = judged([suite.names[i] for i in named])
        toxicity[named] = np.maximum(toxicity[named], by_name[0])
        margin[named] = np.maximum(margin[named], by_name[1])
    return Judged(toxicity, margin)


def right(suite: Suite, judged: Judged) -> NDArray[np.float64]:
    """Say of each comment whether it was flagged as it must be, NaN where that is not known."""
    told = (judged.flagged == (suite.flag >= 0.5)).astype(np.float64)
    return np.where(np.isnan(suite.flag), np.nan, told)


def difference_in_right(suite: Suite, first: Judged, second: Judged) -> Difference | None:
    """Compare the shares that are flagged as they must be."""
    known = ~np.isnan(suite.flag)
    if not known.any():
        return None
    both = np.stack([right(suite, first)[known], right(suite, second)[known]])
    return _difference(both @ draws(int(known.sum()), N_DRAWS).T / known.sum(), int(known.sum()))


def difference_in_auc(suite: Suite, first: Judged, second: Judged) -> Difference | None:
    """Compare how well toxicity tells abuse from the rest, whatever the thresholds."""
    known = ~np.isnan(suite.abusive)
    abusive = suite.abusive[known] >= 0.5
    if not 0 < abusive.sum() < len(abusive):
        return None
    counts = draws(len(abusive), N_DRAWS)
    both = [aucs(abusive, judged.toxicity[known], counts) for judged in (first, second)]
    return _difference(np.stack(both), len(abusive))


def worse_slices(
    suite: Suite, first: Judged, second: Judged, allowed: float
) -> list[tuple[str, Difference]]:
    """List the slices in which the second surely flags fewer comments as it must.

    Sure is what chance alone would show in one of twenty suites, however many slices they have.
    """
    gained = right(suite, second) - right(suite, first)
    names = [str(name) for name in np.unique(suite.slices) if name]
    found = []
    for name in names:
        rows = (suite.slices == name) & ~np.isnan(gained)
        n = int(rows.sum())
        if n < FEWEST:
            continue
        error = gained[rows].std() / np.sqrt(n)
        value, sure = gained[rows].mean(), norm.ppf(1 - SURE / len(names)) * error
        if value < -allowed and value + sure < 0:
            first_share = float(right(suite, first)[rows].mean())
            second_share = float(right(suite, second)[rows].mean())
            low, high = value - norm.ppf(0.975) * error, value + norm.ppf(0.975) * error
            found.append((name, Difference(first_share, second_share, low, high, n)))
    return found


def _difference(both: NDArray[np.float64], n: int) -> Difference:
    """Make the difference of figures (2, n_draws), the first of which is that of the rows."""
    gained = both[1] - both[0]
    known = gained[~np.isnan(gained)]
    low, high = np.quantile(known, (0.025, 0.975))
    return Difference(float(both[0, 0]), float(both[1, 0]), float(low), float(high), n)
