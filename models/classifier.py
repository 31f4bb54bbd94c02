"""Classifier: texts to calibrated probabilities, and the reasons for them.

Promise: `Classifier.predict_proba` is deterministic, does no input or output, and gives a text the
same score alone or in any batch. `Classifier.explain` is exact: what it says of each code point and
of the sentence as a whole sums to the score.

Secret: how the logits of two readers become probabilities. The word scorer reads every text. The
sentence scorer, if there is one, reads those where a word logit is above its label's floor; what
both say is combined per label by a logistic regression. What was not read twice has a regression of
its own that gives the same thing, log-odds, so all texts share one scale and one map to
probabilities. How weights and maps are learned, nothing here knows: `training.fit`,
`training.blend` and `training.calibration` do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.normalize import normalize, refuse_one_text
from models.schema import Evidence, Field
from models.sentence_scorer import SentenceScorer
from models.word_scorer import WordScorer

N_KNOTS = 18
"""Points of a calibration map."""

SKIPPED, READ, ALONE = range(3)
"""How a text was judged: its words say that it need not be read twice; both readers read it; there
is no second reader, or it is off."""

READERS = ("words", "sentence")
"""Short names of both readers, the word scorer first."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text has its score for one label.

    Attributes
    ----------
    text : str
        The original text.
    label : str
    contributions : ndarray of float64, shape (len(text),)
        What each code point adds; together with `intercept` and `sentence` they sum to the logit.
    intercept : float
    sentence : float
        What the sentence scorer adds, 0 where it did not read the text.
    by_words : ndarray of float64, shape (len(text),), optional
        How much less the sentence scorer would add without the word that each code point is in,
        shared by the letters of the word. These do not sum to `sentence`.
    """

    text: str
    label: str
    contributions: NDArray[np.float64]
    intercept: float
    sentence: float = 0.0
    by_words: NDArray[np.float64] | None = None

    @property
    def logit(self) -> float:
        """The uncalibrated logit of the label."""
        return float(self.contributions.sum()) + self.intercept + self.sentence

    @property
    def said_by_words(self) -> float:
        """Sum of what the word scorer finds that speaks for the label."""
        return float(np.maximum(self.contributions, 0).sum())

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
        normalized = normalize(self.text)
        # The normalized code point that each is, or that it follows and was dropped behind. So a
        # blank that spreads a word out is no edge of it, and a letter written often is all of it.
        became = np.searchsorted(normalized.offsets, np.arange(len(self.text)), side="right")
        blank = np.array([character == " " for character in f" {normalized.text}"])[became]
        edges = np.flatnonzero(np.diff(np.concatenate(([True], blank, [True])).astype(np.int8)))
        told = self.contributions if self.by_words is None else self.contributions + self.by_words
        words = []
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            # Signs around a word that add nothing are not part of what is shown.
            adding = np.flatnonzero(told[start:end])
            if len(adding):
                weight = float(told[start:end].sum())
                first, last = start + int(adding[0]), start + int(adding[-1])
                stop = int(np.searchsorted(became, became[last], side="right"))
                stop -= len(self.text[last:stop]) - len(self.text[last:stop].rstrip())
                words.append(Evidence(field, self.label, first, stop, weight))
        least = sum(word.weight for word in words if word.weight > 0) / 20
        telling = [word for word in words if word.weight > 0 and word.weight >= least]
        return sorted(telling, key=lambda word: -word.weight)[:limit]


@dataclass(frozen=True, eq=False)
class Blend:
    """A second reader, and how its logits are combined with those of the first.

    Attributes
    ----------
    scorer : SentenceScorer
    columns : tuple of int, length n_labels
        Which of the scorer's labels each label is, -1 if none.
    floors : ndarray of float64, shape (2, n_labels)
        A text is read twice if the word logit of one label is above that label's first floor, and
        closely (`SentenceScorer.logits`) if it is above the second.
    weights : ndarray of float64, shape (3, n_labels, 3)
        For a text that is `SKIPPED`, `READ` or judged by words `ALONE`, and each label: the weight
        of the word logit, that of the sentence logit, and a constant.
    is_on : bool
        Whether the second reader is asked at all.

    Raises
    ------
    ValueError
        If an array has a wrong shape or value: more of a label is never evidence against it.
    """

    scorer: SentenceScorer
    columns: tuple[int, ...]
    floors: NDArray[np.float64]
    weights: NDArray[np.float64]
    is_on: bool = True

    def __post_init__(self) -> None:
        n_labels = len(self.columns)
        unread = np.array(self.columns) < 0
        if (
            self.floors.shape != (2, n_labels)
            or (self.floors[1] < self.floors[0]).any()
            or self.weights.shape != (3, n_labels, 3)
            or (self.weights[:, :, :2] < 0).any()
            or self.weights[[SKIPPED, ALONE], :, 1].any()
            or self.weights[READ, unread, 1].any()
        ):
            raise ValueError("the blend has a wrong shape or value")

    def states(self, words: NDArray[np.float64]) -> NDArray[np.int64]:
        """Say how texts with these word logits are judged, shape (n_texts,)."""
        if not self.is_on:
            return np.full(len(words), ALONE)
        return np.where((words > self.floors[0]).any(axis=1), READ, SKIPPED)

    def sentence_logits(
        self,
        texts: Sequence[str],
        states: NDArray[np.int64],
        words: NDArray[np.float64],
        scorer: WordScorer,
    ) -> NDArray[np.float64]:
        """Give the sentence logits of the labels, 0 for texts that are not read twice.

        Of long texts, and of those that are read closely, those passages are read in which the
        words speak most for the first label.
        """
        logits = np.zeros((len(texts), len(self.columns)))
        (read,) = (states == READ).nonzero()
        told = self.scorer.logits(
            [texts[at] for at in read],
            lambda passages: scorer.logits(passages)[:, 0],
            (words[read] > self.floors[1]).any(axis=1),
        )
        for label, column in enumerate(self.columns):
            if column >= 0:
                logits[read, label] = told[:, column]
        return logits

    def parts(
        self, words: NDArray[np.float64], sentences: NDArray[np.float64], states: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Weigh what each reader says, shape (n_texts, n_labels) each, and give the constant."""
        weights = self.weights[states]
        return weights[:, :, 0] * words, weights[:, :, 1] * sentences, weights[:, :, 2]


@dataclass(frozen=True, eq=False)
class Classifier:
    """A word scorer, perhaps a second reader, and the map from logits to probabilities.

    Attributes
    ----------
    labels : tuple of str, length n_labels
        What the columns of scores are about, in the order of `models.schema.LABELS`.
    scorer : WordScorer
    calibration : ndarray of float64, shape (n_labels, 2, N_KNOTS)
        Knots of the increasing map from logit to calibrated logit, per label.
    blend : Blend, optional
        The sentence scorer, and how it is heard.

    Raises
    ------
    ValueError
        If there is not one increasing map for each label.
    """

    labels: tuple[str, ...]
    scorer: WordScorer
    calibration: NDArray[np.float64]
    blend: Blend | None = None

    def __post_init__(self) -> None:
        n_labels = len(self.labels)
        if self.blend and len(self.blend.columns) != n_labels:
            raise ValueError("the blend is not of these labels")
        if (
            self.scorer.intercepts.shape != (n_labels,)
            or self.calibration.shape != (n_labels, 2, N_KNOTS)
            or (np.diff(self.calibration) < 0).any()
        ):
            raise ValueError("the calibration has a wrong shape, type or value")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that scoring needs beside the names of the labels."""
        arrays = {name: getattr(self.scorer, name) for name in _SCORER}
        arrays["calibration"] = self.calibration
        if self.blend:
            arrays |= {"floors": self.blend.floors, "blend": self.blend.weights}
        return arrays

    @classmethod
    def from_arrays(
        cls,
        labels: Sequence[str],
        arrays: Mapping[str, NDArray[Any]],
        sentence: SentenceScorer | None = None,
    ) -> Classifier:
        """Make a classifier from the answer of `arrays` and its sentence scorer.

        Raises
        ------
        KeyError
            If an array is missing.
        ValueError
            If one has a wrong shape, type or value.
        """
        scorer = WordScorer(**{name: arrays[name] for name in _SCORER})
        blend = None
        if sentence:
            columns = columns_of(sentence, labels)
            blend = Blend(sentence, columns, arrays["floors"], arrays["blend"])
        return cls(tuple(labels), scorer, arrays["calibration"], blend)

    @property
    def readers(self) -> tuple[str, ...]:
        """Name those that judge: one or both of `READERS`."""
        return READERS if self.blend and self.blend.is_on else READERS[:1]

    def by_words_alone(self) -> Classifier:
        """Give the same classifier with the sentence scorer off."""
        return replace(self, blend=self.blend and replace(self.blend, is_on=False))

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
        return self._blended(texts)[0]

    def _blended(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Give the logits of both readers, and how each text was judged."""
        words = self.scorer.logits(texts)
        if not self.blend:
            return words, np.full(len(texts), ALONE)
        states = self.blend.states(words)
        sentences = self.blend.sentence_logits(texts, states, words, self.scorer)
        by_words, by_sentences, constants = self.blend.parts(words, sentences, states)
        return by_words + by_sentences + constants, states

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Give the calibrated probability of each label.

        Parameters, errors and shape are those of `decision_function`; values are in [0, 1].
        """
        return self.judge(texts)[0]

    def judge(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Give the calibrated probabilities, and of each text by whom it was judged.

        Returns
        -------
        probabilities : ndarray of float64, shape (n_comments, n_labels)
        states : ndarray of int64, shape (n_comments,)
            `SKIPPED`, `READ` or `ALONE`.
        """
        logits, states = self._blended(texts)
        np.minimum(logits, self.calibration[:, 0, -1], out=logits)
        np.maximum(logits, self.calibration[:, 0, 0], out=logits)
        apart, knots, values = self._one_map
        logits = np.interp(logits + apart, knots, values)
        probabilities: NDArray[np.float64] = 1 / (1 + np.exp(-logits))
        return probabilities, states

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
        column = self.labels.index(label)
        told = self.scorer.explain(texts, column)
        if not self.blend:
            return [
                Explanation(text, label, *parts) for text, parts in zip(texts, told, strict=True)
            ]
        words = self.scorer.logits(texts)
        states = self.blend.states(words)
        sentences = self.blend.sentence_logits(texts, states, words, self.scorer)[:, column]
        return [
            Explanation(
                text, label, by_word * told_by, by_word * rest + constant, by_sentence * says
            )
            for text, (told_by, rest), says, (by_word, by_sentence, constant) in zip(
                texts,
                told,
                sentences.tolist(),
                self.blend.weights[states, column].tolist(),
                strict=True,
            )
        ]

    def explain_sentence(self, explanation: Explanation) -> Explanation:
        """Say also how much less the sentence scorer would add without each word.

        Up to `models.sentence_scorer.MOST_LEFT_OUT` more readings. Nothing is added where the
        sentence scorer did not read the text, or read it in more than one passage.
        """
        if not self.blend or not explanation.sentence:
            return explanation
        label = self.labels.index(explanation.label)
        changes = self.blend.scorer.changes(explanation.text)[:, self.blend.columns[label]]
        return replace(explanation, by_words=self.blend.weights[READ, label, 1] * changes)


def columns_of(sentence: SentenceScorer, labels: Sequence[str]) -> tuple[int, ...]:
    """Say which of a sentence scorer's labels each label is, -1 if none."""
    known = sentence.labels
    return tuple(known.index(label) if label in known else -1 for label in labels)


_SCORER = tuple(field.name for field in fields(WordScorer))
ARRAYS = (*_SCORER, "calibration")
"""Names of the arrays of a classifier."""
BLEND_ARRAYS = ("floors", "blend")
"""Names of the further arrays of one with two readers."""
