"""The classifier: normalized text to calibrated probabilities, and the reasons for them.

Promise: `Classifier.predict_proba` is deterministic, does no input or output, and gives a text the
same score alone or in any batch. `Classifier.explain` is exact: what it says of each code point
sums to the score.

Secret: the mathematics. Per label the score is additive in the n-grams of `models.features`,

    logit = (sum of the weights of the distinct n-grams and known words) / sqrt(max(4, n)) + bias

with n the number of plain n-grams, so scoring is a sum of table look-ups. Learning makes the
weights from

* a linear support vector machine over binary features, one domain per source of comments: each
  domain has a copy of every feature beside the shared one and a bias of its own, so that what is
  peculiar to a source is learnt apart from what all sources share (Daume III 2007, "Frustratingly
  easy domain adaptation");
* column scales: inverse document frequency times a power of the naive-Bayes log-count ratio (Wang
  and Manning 2012, "Baselines and bigrams");
* clusters of words: every known word also counts for its clusters, and after fitting the weights
  of its clusters fold into one number per word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.base import BaseEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.utils.validation import check_is_fitted

from models.features import N_BUCKETS, Features, Grams, extract, word_hashes
from models.learning import SHORTEST, Head, Progress, WordClusters, design, learn_heads
from models.normalize import Batch, normalize_batch
from models.schema import LABELS

_CHUNK = 256  # texts scored at a time: their n-grams stay in the processor's cache
_ROW_BITS = np.uint32(22)  # text << 22 | row: a feature of a text as one number
_ROW_MASK = np.uint32((1 << 22) - 1)
_WORD_SLOT_BITS = 19
_WORD_SHIFT = np.uint32(32 - _WORD_SLOT_BITS)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A span of the original text and what it adds to the score.

    Attributes
    ----------
    start, end : int
        Code points of the original text, end exclusive.
    weight : float
        What the span adds to the logit.
    """

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text has its score for one label.

    Attributes
    ----------
    text : str
        The original text.
    contributions : ndarray of float64, shape (len(text),)
        What each code point adds; together with `intercept` they sum to the logit.
    intercept : float
    """

    text: str
    contributions: NDArray[np.float64]
    intercept: float

    def spans(self, limit: int = 5) -> list[Evidence]:
        """Name the words that speak most for the label.

        Parameters
        ----------
        limit : int
            At most so many.

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
                words.append(Evidence(start + int(told[0]), start + int(told[-1]) + 1, weight))
        least = sum(word.weight for word in words if word.weight > 0) / 20
        telling = [word for word in words if word.weight > 0 and word.weight >= least]
        return sorted(telling, key=lambda word: -word.weight)[:limit]


class Classifier(BaseEstimator):  # type: ignore[misc]
    """An additive classifier of comments with one calibrated probability per label.

    Parameters
    ----------
    labels : sequence of str
        Labels to learn, the columns of `y`; a label without examples of both kinds is left out.
    C : float
        Inverse strength of the regularization, per comment.
    domain_copy : float
        Value of the copy that each feature has in the domain a comment is from.
    nb_exponent : float
        Power of the naive-Bayes log-count ratio in the column scales.
    min_df : int
        N-grams in fewer comments are ignored.
    n_rows : int
        N-grams kept in the fitted table, heaviest first.
    n_epochs : int
        Passes of the solver over the comments, per label.
    word_clusters : WordClusters, optional
        Groups of words from a larger corpus.

    Attributes
    ----------
    labels_ : tuple of str, length n_labels
        Learned labels, in the order of `models.schema.LABELS`.
    slots_ : ndarray of int32, shape (N_BUCKETS,)
        Row of each bucket in `table_`; row 0 is of no weight.
    word_slots_ : ndarray of int32, shape (2**19,)
        Row in `table_` of the known word whose hash begins with the slot's number.
    word_hashes_ : ndarray of uint32, shape (n_table_rows,)
        The whole hash of the known word a row is for, 0 for rows of n-grams.
    table_ : ndarray of float16, shape (n_table_rows, n_labels)
        Weights; half precision is finer than their noise.
    intercepts_ : ndarray of float64, shape (n_labels,)
    calibration_ : ndarray of float64, shape (n_labels, 2, n_knots)
        Knots of the increasing map from logit to calibrated logit, per label.
    """

    def __init__(
        self,
        *,
        labels: Sequence[str] = LABELS,
        C: float = 0.12,
        domain_copy: float = 0.7,
        nb_exponent: float = 0.35,
        min_df: int = 4,
        n_rows: int = 350_000,
        n_epochs: int = 12,
        word_clusters: WordClusters | None = None,
    ) -> None:
        self.labels = labels
        self.C = C
        self.domain_copy = domain_copy
        self.nb_exponent = nb_exponent
        self.min_df = min_df
        self.n_rows = n_rows
        self.n_epochs = n_epochs
        self.word_clusters = word_clusters

    def fit(
        self,
        texts: Sequence[str],
        y: NDArray[np.float64],
        *,
        domains: Sequence[str] | None = None,
        sample_weight: NDArray[np.float64] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from labelled comments.

        Parameters
        ----------
        texts : sequence of str, length n_comments
        y : ndarray of float64, shape (n_comments, n_labels) or (n_comments,) for one label
            In [0, 1]: 0 or 1, or the share of readers who said yes; NaN where a label was not
            observed.
        domains : sequence of str, length n_comments, optional
            Where each comment is from. The empty name (the default) has no copy of its own.
        sample_weight : ndarray of float64, shape (n_comments,), optional
        progress : callable, optional
            Called with what is being done and the share of it that is done.

        Returns
        -------
        Classifier
            Itself, with the shared head; `for_domain` gives the others.

        Raises
        ------
        ValueError
            If lengths differ, `y` is outside [0, 1] or no label has examples of both kinds.
        InvalidText
            If a text is not valid Unicode.
        """
        y = np.asarray(y, dtype=np.float64)
        y = y[:, None] if y.ndim == 1 else y
        if y.shape != (len(texts), len(self.labels)):
            raise ValueError(f"y has shape {y.shape}, expected {(len(texts), len(self.labels))}")
        if np.any((y < 0) | (y > 1)):
            raise ValueError("y holds a value outside [0, 1]")
        weight = np.ones(len(texts)) if sample_weight is None else np.asarray(sample_weight)
        domains = [""] * len(texts) if domains is None else domains
        if not len(texts) == len(domains) == len(weight):
            raise ValueError("texts, domains and sample_weight differ in length")
        learnable = [
            column
            for column in np.argsort([LABELS.index(label) for label in self.labels])
            if (y[:, column] > 0.5).any() and (y[:, column] < 0.5).any()
        ]
        if not learnable:
            raise ValueError("no label has examples of both kinds")
        matrix = design(texts, domains, self.word_clusters, min_df=self.min_df, progress=progress)
        heads = []
        for done, column in enumerate(learnable):
            if progress:
                progress("fitting labels", done / len(learnable))
            heads.append(
                learn_heads(
                    matrix,
                    y[:, column],
                    weight,
                    C=self.C,
                    domain_copy=self.domain_copy,
                    nb_exponent=self.nb_exponent,
                    n_epochs=self.n_epochs,
                )
            )
        if progress:
            progress("fitting labels", 1.0)
        self.labels_ = tuple(self.labels[column] for column in learnable)
        self._heads = heads
        return self._use([head[""] for head in heads])

    def for_domain(self, domain: str, share: float = 1.0) -> Classifier:
        """Give the classifier of one domain: what all share and what is its own.

        Parameters
        ----------
        domain : str
            A name that `fit` was given. Labels never observed there keep the shared head.
        share : float
            How much of its own counts, in [0, 1]; less than 1 for a site that is like the domain
            and not of it.

        Returns
        -------
        Classifier
            Not calibrated yet.

        Raises
        ------
        KeyError
            If no label was observed in the domain, or the classifier was loaded and not fitted.
        """
        heads = getattr(self, "_heads", [])
        if not any(domain in head for head in heads):
            raise KeyError(f"not fitted on a domain named {domain!r}")
        other = Classifier(**self.get_params(deep=False))
        other.labels_ = self.labels_
        own = [head[""].towards(head.get(domain, head[""]), share) for head in heads]
        return other._use(own)

    def calibrate(
        self,
        texts: Sequence[str],
        y: NDArray[np.float64],
        sample_weight: NDArray[np.float64] | None = None,
    ) -> Self:
        """Fit the map from logit to probability on comments that `fit` did not see.

        An increasing step function (isotonic regression; Zadrozny and Elkan 2002) is drawn through
        at most 16 points and made strictly increasing, so that it never ties two comments.

        Parameters
        ----------
        texts : sequence of str, length n_comments
        y : ndarray of float64, shape (n_comments, n_labels)
            Columns as in `labels_`; NaN where a label was not observed.
        sample_weight : ndarray of float64, shape (n_comments,), optional

        Returns
        -------
        Classifier
            Itself. A label without examples of both kinds keeps its map.
        """
        logits = self.decision_function(texts)
        weight = np.ones(len(texts)) if sample_weight is None else np.asarray(sample_weight)
        for column in range(len(self.labels_)):
            seen = ~np.isnan(y[:, column])
            if len(np.unique(y[seen, column] > 0.5)) == 2:
                self.calibration_[column] = _increasing_map(
                    logits[seen, column], y[seen, column], weight[seen]
                )
        return self

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
        """
        if not hasattr(self, "table_"):
            check_is_fitted(self, "table_")
        logits = np.empty((len(texts), len(self.labels_)))
        for first in range(0, len(texts), _CHUNK):
            features = extract(normalize_batch(texts[first : first + _CHUNK]))
            n_texts = len(features.n_plain)
            # Row 0 has no weight; with it, no text is without a feature.
            keys = [np.arange(n_texts, dtype=np.uint32) << _ROW_BITS]
            for group, row in self._rows(features):
                key = row.view(np.uint32) | group.text << _ROW_BITS
                keys.append(key[row != 0])
            key = np.concatenate(keys)
            key.sort()
            new = np.ones(len(key), dtype=bool)
            np.not_equal(key[1:], key[:-1], out=new[1:])
            key = key[new]
            weights = self.table_.take(key & _ROW_MASK, axis=0).astype(np.float32)
            total = np.add.reduceat(weights, np.searchsorted(key, keys[0]), axis=0)
            per_gram = _per_gram(features)[:, None]
            logits[first : first + n_texts] = total * per_gram + self.intercepts_
        return logits

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Give the calibrated probability of each label.

        Parameters
        ----------
        texts : sequence of str, length n_comments

        Returns
        -------
        ndarray of float64, shape (n_comments, n_labels)
            In [0, 1], columns as in `labels_`.

        Raises
        ------
        InvalidText
            If a text is not valid Unicode.
        """
        logits = self.decision_function(texts)
        for column, (knots, values) in enumerate(self.calibration_):
            logits[:, column] = np.interp(logits[:, column], knots, values)
        probabilities: NDArray[np.float64] = expit(logits)
        return probabilities

    def explain(self, texts: Sequence[str], label: str = "toxicity") -> list[Explanation]:
        """Say what each code point adds to the uncalibrated logit.

        The weight of a distinct n-gram is shared by its occurrences, and within one by its letters.

        Parameters
        ----------
        texts : sequence of str, length n_comments
        label : str
            One of `labels_`.

        Returns
        -------
        list of Explanation, length n_comments

        Raises
        ------
        ValueError
            If the label is not one of `labels_`.
        InvalidText
            If a text is not valid Unicode.
        """
        check_is_fitted(self, "table_")
        if label not in self.labels_:
            raise ValueError(f"{label!r} is not one of {', '.join(self.labels_)}")
        column = self.labels_.index(label)
        explanations = []
        for first in range(0, len(texts), _CHUNK):
            chunk = texts[first : first + _CHUNK]
            batch = normalize_batch(chunk)
            per_code_point = self._contributions(batch, column)
            for text, start, end in zip(chunk, batch.starts, batch.starts[1:], strict=False):
                explanations.append(
                    Explanation(text, per_code_point[start:end], float(self.intercepts_[column]))
                )
        return explanations

    def get_state(self) -> dict[str, Any]:
        """Give all that scoring needs, as arrays and builtins."""
        check_is_fitted(self, "table_")
        return {"labels": list(self.labels_)} | {name: getattr(self, name) for name in _STATE}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Classifier:
        """Make a classifier that scores, from `get_state`'s answer.

        Raises
        ------
        ValueError
            If an array is missing or has the wrong shape.
        """
        classifier = cls(labels=tuple(state["labels"]))
        classifier.labels_ = tuple(state["labels"])
        for name in _STATE:
            if not isinstance(state.get(name), np.ndarray):
                raise ValueError(f"the state has no array {name}")  # noqa: TRY004 - a damaged file
            setattr(classifier, name, state[name])
        n_labels = len(classifier.labels_)
        if (
            classifier.slots_.shape != (N_BUCKETS,)
            or classifier.word_slots_.shape != (1 << _WORD_SLOT_BITS,)
            or classifier.table_.shape[1:] != (n_labels,)
            or classifier.intercepts_.shape != (n_labels,)
            or classifier.calibration_.shape[:2] != (n_labels, 2)
            or max(classifier.slots_.max(), classifier.word_slots_.max()) >= len(classifier.table_)
        ):
            raise ValueError("an array of the state has the wrong shape")
        return classifier

    def _use(self, heads: Sequence[Head]) -> Self:
        """Lay the weights out for look-up: row 0 nothing, then known words, then n-grams."""
        words = np.stack([head.words for head in heads], axis=1)
        hashes = (
            word_hashes(self.word_clusters.words) if self.word_clusters else np.zeros(0, np.uint32)
        )
        # Of two words in one slot the more frequent stays.
        slot, word = np.unique(hashes >> _WORD_SHIFT, return_index=True)
        self.word_slots_ = np.zeros(1 << _WORD_SLOT_BITS, dtype=np.int32)
        self.word_slots_[slot] = np.arange(1, len(word) + 1, dtype=np.int32)
        self.word_hashes_ = np.append(np.zeros(1, dtype=np.uint32), hashes[word])
        buckets = np.stack([head.buckets for head in heads], axis=1)
        magnitude = np.abs(buckets).max(axis=1)
        kept = np.argsort(-magnitude, kind="stable")[: self.n_rows]
        kept = np.sort(kept[magnitude[kept] > 0])
        self.slots_ = np.zeros(N_BUCKETS, dtype=np.int32)
        self.slots_[kept] = np.arange(len(word) + 1, len(word) + 1 + len(kept), dtype=np.int32)
        table = np.concatenate((np.zeros((1, len(heads))), words[word], buckets[kept]))
        self.table_ = table.astype(np.float16)
        self.intercepts_ = np.array([head.bias for head in heads])
        self.calibration_ = np.tile(np.linspace(-60.0, 60.0, _N_KNOTS), (len(heads), 2, 1))
        return self

    def _rows(self, features: Features) -> Iterator[tuple[Grams, NDArray[np.int32]]]:
        """Look up n-grams and words: the row of each in the table, 0 for those of no weight."""
        for group in features.grams:
            yield group, self.slots_.take(group.bucket)
        words = features.words
        row = self.word_slots_.take(words.bucket >> _WORD_SHIFT)
        row *= self.word_hashes_.take(row) == words.bucket
        yield words, row

    def _contributions(self, batch: Batch, column: int) -> NDArray[np.float64]:
        """Say what each code point of the original texts, end to end, adds to one label."""
        features = extract(batch, spans=True)
        found = []
        for group, row in self._rows(features):
            hit = np.nonzero(row)
            found.append((row[hit], group.text[hit[-1]], group.start[hit[-1]], group.stop[hit]))
        row, text, start, stop = map(np.concatenate, zip(*found, strict=True))
        # Blanks at the ends of an n-gram are no letters of the original.
        blank = batch.codes <= ord(" ")
        start, stop = start + blank[start], stop - blank[stop - 1]
        key = text.astype(np.uint32) << _ROW_BITS | row.view(np.uint32)
        _, feature, times = np.unique(key, return_inverse=True, return_counts=True)
        per_letter = self.table_[row, column].astype(np.float64) * _per_gram(features)[text]
        per_letter /= times[feature] * (stop - start)
        steps = np.bincount(start, per_letter, minlength=len(blank))
        steps -= np.bincount(stop, per_letter, minlength=len(blank))[: len(blank)]
        n_code_points = int(batch.starts[-1])
        where = np.minimum(batch.origin, max(n_code_points - 1, 0))
        per_code_point = np.bincount(where, np.cumsum(steps), minlength=n_code_points)
        return per_code_point[:n_code_points].astype(np.float64)


_STATE = ("slots_", "word_slots_", "word_hashes_", "table_", "intercepts_", "calibration_")
_N_KNOTS = 18


def _per_gram(features: Features) -> NDArray[np.float64]:
    per_gram: NDArray[np.float64] = 1 / np.sqrt(np.maximum(SHORTEST, features.n_plain))
    return per_gram


def _increasing_map(
    logits: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Draw the isotonic map from logits to calibrated logits through `_N_KNOTS` points."""
    step = IsotonicRegression(y_min=0.0, y_max=1.0).fit(logits, y, sample_weight=weight)
    knots = np.quantile(logits, np.linspace(0, 1, _N_KNOTS - 2))
    # Half an example of doubt on either side keeps probabilities off 0 and 1.
    doubt = 0.5 / len(logits)
    values = logit(np.clip(step.predict(knots), doubt, 1 - doubt))
    knots = np.concatenate(([knots[0] - 30], knots, [knots[-1] + 30]))
    values = np.concatenate(([values[0] - 3], values, [values[-1] + 3]))
    knots += np.arange(_N_KNOTS) * 1e-9
    return np.stack((knots, values + 1e-3 * (knots - knots[0])))
