"""Scorer: what an evaluation asks of the classifier that it measures."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.classifier import Explanation


class Scorer(Protocol):
    """What is measured: a classifier, or what answers as one."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What the columns of probabilities are about."""

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return probabilities (n_comments, n_labels)."""

    def explain(self, texts: Sequence[str], label: str = "toxicity") -> Sequence[Explanation]:
        """Return what each code point adds to the logit."""


def scores_by_label(classifier: Scorer, texts: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return a column of probabilities per label."""
    columns = classifier.predict_proba(texts)
    return {label: columns[:, i] for i, label in enumerate(classifier.labels)}
