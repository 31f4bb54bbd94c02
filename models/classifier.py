"""Classifier: texts to calibrated probabilities, and the reasons for them.

Promise: `Classifier.predict_proba` is deterministic, does no input or output, and gives a text the
same score alone or in any batch. `Classifier.explain` is exact: what it says of each code point
sums to the score.

Secret: how the logits of the word scorer become probabilities. How its weights and the map are
learned, nothing here knows: `training.fit` and `training.calibration` do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.normalize import refuse_one_text
from models.schema import Evidence, Field
from models.word_scorer import WordScorer

N_KNOTS = 18
"""Points of a calibration map."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text has its score for one label.

    Attributes
    ----------
    text : str
        The original text.
    label : str
    contributions : ndarray of float64, shape (len(text),)
        What each code point adds; together with `intercept` they sum to the logit.
    intercept : float
    """

    text: str
    label: str
    contributions: NDArray[np.float64]
    intercept: float

    def evidence(self, limit: int = 5, field: Field = "text") -> list[Evidence]:
        """Name the words that speak most for the label.

        Parameters
        ----------
        limit : int
            At most so many.
        field : {"text", "author.name"}
            Which part of a comment was explained.

        Returns
        -------
        list of Evidence
            Heaviest first; only words that add a twentieth of all that is added, or more.
        """
        blank = np.array([character.isspace() for character in self.text], dtype=bool)
        edges = np.flatnonzero(np.diff(np.concatenate(([True], blank, [True])).astype(np.int8)))
        words = []
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            # Signs around a word that add nothing are not part of what is shown.
            told = np.flatnonzero(self.contributions[start:end])
            if len(told):
                weight = float(self.contributions[start:end].sum())
                first, last = start + int(told[0]), start + int(told[-1])
                words.append(Evidence(field, self.label, first, last + 1, weight))
        least = sum(word.weight for word in words if word.weight > 0) / 20
        telling = [word for word in words if word.weight > 0 and word.weight >= least]
        return sorted(telling, key=lambda word: -word.weight)[:limit]


@dataclass(frozen=True, eq=False)
class Classifier:
    """A word scorer and the map from its logits to probabilities.

    Attributes
    ----------
    labels : tuple of str, length n_labels
        What the columns of scores are about, in the order of `models.schema.LABELS`.
    scorer : WordScorer
    calibration : ndarray of float64, shape (n_labels, 2, N_KNOTS)
        Knots of the increasing map from logit to calibrated logit, per label.

    Raises
    ------
    ValueError
        If there is not one increasing map for each label.
    """

    labels: tuple[str, ...]
    scorer: WordScorer
    calibration: NDArray[np.float64]

    def __post_init__(self) -> None:
        n_labels = len(self.labels)
        if (
            self.scorer.intercepts.shape != (n_labels,)
            or self.calibration.shape != (n_labels, 2, N_KNOTS)
            or (np.diff(self.calibration) < 0).any()
        ):
            raise ValueError("the calibration has a wrong shape, type or value")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that scoring needs beside the names of the labels."""
        return {name: getattr(self.scorer, name) for name in _SCORER} | {
            "calibration": self.calibration
        }

    @classmethod
    def from_arrays(cls, labels: Sequence[str], arrays: Mapping[str, NDArray[Any]]) -> Classifier:
        """Make a classifier from the answer of `arrays`.

        Raises
        ------
        KeyError
            If an array is missing.
        ValueError
            If one has a wrong shape, type or value.
        """
        scorer = WordScorer(**{name: arrays[name] for name in _SCORER})
        return cls(tuple(labels), scorer, arrays["calibration"])

    def decision_function(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Give the uncalibrated logits.

        Parameters
        ----------
        texts : sequence of str, length n_comments

        Returns
        -------
        ndarray of float64, shape (n_comments, n_labels)

        Raises
        ------
        InvalidText
            If a text is not valid Unicode.
        TypeError
            If one text is given in place of many.
        """
        return self.scorer.logits(texts)

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Give the calibrated probability of each label.

        Parameters, errors and shape are those of `decision_function`; values are in [0, 1].
        """
        logits = self.decision_function(texts)
        np.minimum(logits, self.calibration[:, 0, -1], out=logits)
        np.maximum(logits, self.calibration[:, 0, 0], out=logits)
        apart, knots, values = self._one_map
        logits = np.interp(logits + apart, knots, values)
        probabilities: NDArray[np.float64] = 1 / (1 + np.exp(-logits))
        return probabilities

    @cached_property
    def _one_map(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Lay the maps of all labels side by side: how far each is moved, knots and values."""
        knots = self.calibration[:, 0]
        apart = (knots[:, -1] - knots[:, 0] + 1).cumsum() - knots[:, -1]
        return apart, (knots + apart[:, None]).ravel(), self.calibration[:, 1].ravel()

    def explain(self, texts: Sequence[str], label: str = "toxicity") -> list[Explanation]:
        """Say what each code point adds to the uncalibrated logit.

        Parameters
        ----------
        texts : sequence of str, length n_comments
        label : str
            One of `labels`.

        Returns
        -------
        list of Explanation, length n_comments

        Raises
        ------
        ValueError
            If the label is not one of `labels`.
        InvalidText
            If a text is not valid Unicode.
        TypeError
            If one text is given in place of many.
        """
        refuse_one_text(texts)
        if label not in self.labels:
            raise ValueError(f"{label!r} is not one of {', '.join(self.labels)}")
        told = self.scorer.explain(texts, self.labels.index(label))
        return [Explanation(text, label, *parts) for text, parts in zip(texts, told, strict=True)]


_SCORER = tuple(field.name for field in fields(WordScorer))
ARRAYS = (*_SCORER, "calibration")
"""Names of the arrays of a classifier."""
