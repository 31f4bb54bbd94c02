"""The classifier: normalized text to calibrated probabilities, and the reasons for them.

Promise: `Classifier.predict_proba` is deterministic, does no input or output, and gives a text the
same score alone or in any batch. `Classifier.explain` is exact: what it says of each code point
sums to the score.

Secret: the mathematics. Per label the score of a passage is additive in its distinct words, each
with the pair it makes with the word before it,

    logit = (sum of the weights of the words and pairs) / sqrt(max(4, n)) + bias

with n the number of plain n-grams. The weight of a word is the sum of the weights of the n-grams in
it (`models.features`), and is kept ready for the words that are known, so scoring is a sum of a few
table look-ups for each word. No word speaks against a label by more than `LEAST`. A text has the
highest score of its passages, which are the whole and, in a longer text, every few words in a row,
less a `MARGIN`: an insult weighs almost what it weighs by itself, whatever stands around it.
Learning makes the weights from

* a linear support vector machine over those features, one domain per source of comments: each
  domain has a copy of every feature beside the shared one and a bias of its own, so that what is
  peculiar to a source is learnt apart from what all sources share (Daume III 2007, "Frustratingly
  easy domain adaptation");
* column scales: a power of the inverse document frequency times one of the naive-Bayes log-count
  ratio (Wang and Manning 2012, "Baselines and bigrams");
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

from models.features import (
    N_BUCKETS,
    Passages,
    Words,
    earlier_in_text,
    gram_buckets,
    n_plain,
    pair_buckets,
    passages_of,
    words_alone,
    words_of,
)
from models.learning import SHORTEST, Head, Progress, WordClusters, design, learn_heads
from models.normalize import Batch, normalize_batch, refuse_one_text, stretches
from models.schema import LABELS, Evidence, Field

# Scored at a time: what it takes stays in the processor's cache, and in bounds.
_CHUNK_TEXTS, _CHUNK_LETTERS = 512, 1 << 16
LEAST = -1.0
"""The least that a word can weigh, lest kind words be a way to hide an insult."""
MARGIN = 0.4
"""How much higher a window must score than its whole text: the highest of many is high by chance.
Chosen on validation rows, between insults that harmless words hide and long harmless comments."""


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
    word_hashes_ : ndarray of uint32, shape (n_known_words,)
        Hash of each known word, rising; the row of the first is 1.
    word_letters_ : ndarray of uint32, shape (n_letters,)
        Letters of the known words, end to end: a hash finds a word, its letters say whether it is.
    word_starts_ : ndarray of int32, shape (n_known_words + 1,)
        Where the letters of each known word begin, and their number.
    table_ : ndarray of float16, shape (n_table_rows, n_labels)
        Weights: none, those of known words, those of n-grams. Half precision is finer than their
        noise.
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
        nb_exponent: float = 0.5,
        min_df: int = 4,
        n_rows: int = 300_000,
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
            If lengths differ, `y` is outside [0, 1], no label has examples of both kinds, or no
            n-gram is in enough of the comments with a label.
        InvalidText
            If a text is not valid Unicode.
        TypeError
            If one text is given in place of many.
        """
        for many in (texts, self.labels, () if domains is None else domains):
            refuse_one_text(many)
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
        self.labels_ = tuple(self.labels[column] for column in learnable)
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
        self._heads = heads
        return self._use([head[""] for head in heads])

    def for_domain(self, domain: str) -> Classifier:
        """Give the classifier of one domain: what all share and what is its own.

        Parameters
        ----------
        domain : str
            A name that `fit` was given. Labels never observed there keep the shared head.

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
        return other._use([head.get(domain, head[""]) for head in heads])

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
        TypeError
            If one text is given in place of many.
        """
        if not hasattr(self, "table_"):
            check_is_fitted(self, "table_")
        refuse_one_text(texts)
        logits = np.empty((len(texts), len(self.labels_)))
        for first, last in _chunks(texts):
            words = words_of(normalize_batch(texts[first:last]))
            for passages, scores in self._score(words, last - first):
                if not passages.size:
                    logits[first:last] = scores
                    continue
                rows, begin = np.unique(passages.text, return_index=True)
                rows += first
                logits[rows] = np.maximum(logits[rows], np.maximum.reduceat(scores, begin))
        logits += self.intercepts_
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
        TypeError
            If one text is given in place of many.
        """
        logits = self.decision_function(texts)
        knots, values = self.calibration_[:, 0], self.calibration_[:, 1]
        # The maps of all labels, laid side by side, are one map.
        apart = (knots[:, -1] - knots[:, 0] + 1).cumsum() - knots[:, -1]
        np.minimum(logits, knots[:, -1], out=logits)
        np.maximum(logits, knots[:, 0], out=logits)
        logits = np.interp(logits + apart, (knots + apart[:, None]).ravel(), values.ravel())
        probabilities: NDArray[np.float64] = expit(logits)
        return probabilities

    def explain(self, texts: Sequence[str], label: str = "toxicity") -> list[Explanation]:
        """Say what each code point adds to the uncalibrated logit.

        The weight of a word is shared by its letters where it first stands; a pair's weight goes
        to its second word. The passage tells that speaks most for the label.

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
        TypeError
            If one text is given in place of many.
        """
        check_is_fitted(self, "table_")
        refuse_one_text(texts)
        if label not in self.labels_:
            raise ValueError(f"{label!r} is not one of {', '.join(self.labels_)}")
        column = self.labels_.index(label)
        explanations = []
        for first, last in _chunks(texts):
            chunk = texts[first:last]
            batch = normalize_batch(chunk)
            per_code_point, margins = self._contributions(batch, column)
            starts = batch.starts.tolist()
            for text, start, end, margin in zip(chunk, starts, starts[1:], margins, strict=False):
                intercept = float(self.intercepts_[column] - margin)
                explanations.append(Explanation(text, label, per_code_point[start:end], intercept))
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
            If an array is missing or has a wrong shape, type or value.
        """
        classifier = cls(labels=tuple(state["labels"]))
        classifier.labels_ = tuple(state["labels"])
        for name in _STATE:
            if not isinstance(state.get(name), np.ndarray):
                raise ValueError(f"the state has no array {name}")  # noqa: TRY004 - a damaged file
            setattr(classifier, name, state[name])
        n_labels, n_words = len(classifier.labels_), len(classifier.word_hashes_)
        if (
            classifier.slots_.shape != (N_BUCKETS,)
            or classifier.word_starts_.shape != (n_words + 1,)
            or classifier.table_.shape[1:] != (n_labels,)
            or classifier.intercepts_.shape != (n_labels,)
            or classifier.calibration_.shape != (n_labels, 2, _N_KNOTS)
            or any(getattr(classifier, name).dtype.kind not in "iu" for name in _WHOLE)
            or classifier.table_.dtype != np.float16
            or (np.diff(classifier.calibration_) < 0).any()
            or not 0 <= classifier.slots_.min() <= classifier.slots_.max() < len(classifier.table_)
            or n_words >= len(classifier.table_)
            or (classifier.word_starts_[1:] < classifier.word_starts_[:-1]).any()
            or (classifier.word_hashes_[1:] <= classifier.word_hashes_[:-1]).any()
            or classifier.word_starts_[0] != 0
            or classifier.word_starts_[-1] != len(classifier.word_letters_)
        ):
            raise ValueError("an array of the state has a wrong shape, type or value")
        return classifier

    def _use(self, heads: Sequence[Head]) -> Self:
        """Lay the weights out for look-up: row 0 nothing, then known words, then n-grams."""
        words = np.stack([head.words for head in heads], axis=1)
        known = words_alone(self.word_clusters.words if self.word_clusters else [])
        # Of two words with one hash the more frequent stays.
        self.word_hashes_, word = np.unique(known.hashed, return_index=True)
        start, stop = known.start[word], known.stop[word]
        self.word_letters_ = known.codes[stretches(start, stop)]
        self.word_starts_ = np.append(0, (stop - start).cumsum()).astype(np.int32)
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

    def _score(self, words: Words, n_texts: int) -> list[tuple[Passages, NDArray[np.float64]]]:
        """Score every passage by every label, without the biases."""
        values = _with_lengths(self._weights(words), words)
        earlier = earlier_in_text(words)
        return [
            (passages, _scaled(passages.sums(earlier, values)) - MARGIN * (passages.size > 0))
            for passages in passages_of(words, n_texts)
        ]

    def _weights(self, words: Words) -> NDArray[np.float64]:
        """Weigh every word, the pair included that it makes with the word before it.

        Returns
        -------
        ndarray of float64, shape (n_words, n_labels)
        """
        every = np.arange(len(words.same))
        distinct = (words.same == every).nonzero()[0]
        known = self._known(words, distinct)
        weights = self.table_.take(known, axis=0).astype(np.float64)
        unknown = (known == 0).nonzero()[0]
        if len(unknown):
            bucket, word = gram_buckets(words, distinct[unknown])
            row = self.slots_.take(bucket)
            hit = (row > 0).nonzero()[0]
            adds = self.table_.take(row[hit], axis=0)
            cells = unknown[word[hit], None] * adds.shape[1] + np.arange(adds.shape[1])
            weights += np.bincount(cells.ravel(), adds.ravel(), weights.size).reshape(weights.shape)
        place = np.empty_like(every)
        place[distinct] = np.arange(len(distinct))
        weights = weights.take(place[words.same], axis=0)
        weights += self.table_.take(self.slots_.take(pair_buckets(words, every)), axis=0)
        return np.maximum(weights, LEAST, out=weights)

    def _known(self, words: Words, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Find the row of each chosen word, 0 where it is not known."""
        if not len(self.word_hashes_):
            return np.zeros_like(chosen)
        hashed = words.hashed[chosen]
        at = np.minimum(self.word_hashes_.searchsorted(hashed), len(self.word_hashes_) - 1)
        start, stop = words.start[chosen], words.stop[chosen]
        begin, end = self.word_starts_[at].astype(np.int64), self.word_starts_[at + 1]
        alike = (self.word_hashes_[at] == hashed) & (stop - start == end - begin)
        # Whoever wants to can find a word with a given hash, so every letter is compared.
        likely = alike.nonzero()[0]
        start, stop, begin = start[likely], stop[likely], begin[likely]
        ours, theirs = stretches(start, stop), stretches(begin, begin + stop - start)
        differ = words.codes[ours] != self.word_letters_[theirs]
        alike[likely.repeat(stop - start)[differ]] = False
        row: NDArray[np.int64] = (at + 1) * alike
        return row

    def _contributions(
        self, batch: Batch, column: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Say what each code point of the original texts, end to end, adds to one label.

        With it goes what the passage that tells has to give away, for each text.
        """
        words = words_of(batch)
        values = _with_lengths(self._weights(words)[:, [column]], words)
        earlier = earlier_in_text(words)
        every = passages_of(words, len(batch.breaks) - 1)
        sums = np.concatenate([passages.sums(earlier, values) for passages in every])
        text, first, stop = (
            np.concatenate([getattr(passages, name) for passages in every])
            for name in ("text", "first", "stop")
        )
        margins = MARGIN * np.repeat([p.size > 0 for p in every], [len(p.text) for p in every])
        # Of a text's passages the one that speaks most for the label tells.
        told = _best(text, _scaled(sums)[:, 0] - margins)
        first, stop, size = first[told], stop[told], sums[told, 1]
        word, of = stretches(first, stop), np.arange(len(told)).repeat(stop - first)
        counts = earlier[word] < first[of]
        word, of = word[counts], of[counts]
        adds = values[word, 0] / np.sqrt(np.maximum(SHORTEST, size))[of]
        start, stop = words.start[word], words.stop[word]
        per_letter = (adds / (stop - start)).repeat(stop - start)
        where = batch.origin[stretches(start, stop)]
        told_by = np.bincount(where, per_letter, minlength=int(batch.starts[-1]))
        return told_by.astype(np.float64), margins[told]


_STATE = (
    "slots_",
    "word_hashes_",
    "word_letters_",
    "word_starts_",
    "table_",
    "intercepts_",
    "calibration_",
)
_WHOLE = ("slots_", "word_hashes_", "word_letters_", "word_starts_")
_N_KNOTS = 18


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Cut texts into runs that are not too long; a text is never cut."""
    first, n_letters = 0, 0
    for last, text in enumerate(texts):
        n_letters += len(text)
        if last > first and (last - first == _CHUNK_TEXTS or n_letters > _CHUNK_LETTERS):
            yield first, last
            first, n_letters = last, len(text)
    if first < len(texts):
        yield first, len(texts)


def _with_lengths(weights: NDArray[np.float64], words: Words) -> NDArray[np.float64]:
    """Add a column with the number of n-grams that each word brings."""
    return np.append(weights, n_plain(words)[:, None].astype(np.float64), axis=1)


def _scaled(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide sums of weights by the root of the last column, the number of n-grams."""
    scaled: NDArray[np.float64] = sums[:, :-1] / np.sqrt(np.maximum(SHORTEST, sums[:, -1:]))
    return scaled


def _best(text: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the passage of each text that scores highest; of equal ones the first."""
    order = np.lexsort((-scores, text))
    first = np.ones(len(order), dtype=bool)
    np.not_equal(text[order[1:]], text[order[:-1]], out=first[1:])
    return order[first]


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
