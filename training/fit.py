"""Fitting the word scorer: from labelled comments to the weights of words.

Promise: the same comments and settings give the same weights; time and memory grow linearly with
the letters of the comments.

Secret: the design matrix, the column scales and the solver. Weights come from

* a linear support vector machine (liblinear's dual coordinate descent for the squared hinge loss,
  Hsieh et al. 2008), one domain per source of comments: each domain has a copy of every feature
  beside the shared one and a bias of its own, so that what is peculiar to a source is learnt apart
  from what all sources share (Daume III 2007, "Frustratingly easy domain adaptation");
* column scales: a power of the inverse document frequency times one of the naive-Bayes log-count
  ratio (Wang and Manning 2012, "Baselines and bigrams");
* clusters of words: every known word also counts for its clusters, and after fitting the weights
  of its clusters fold into one number per word.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC
from sklearn.utils.validation import check_is_fitted

from models.classifier import N_KNOTS, Classifier
from models.features import (
    N_BUCKETS,
    N_PLAIN_BUCKETS,
    NO_BUCKET,
    Words,
    earlier_in_text,
    gram_buckets,
    n_plain,
    pair_buckets,
    spelled,
    words_alone,
    words_of,
)
from models.normalize import normalize_batch, refuse_one_text, stretches
from models.schema import LABELS
from models.word_scorer import SHORTEST, WordScorer

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done, in [0, 1]."""

_SKELETON_VALUE = 0.5
_IDF_EXPONENT = 1.25
_ROW_NORM = 1.13  # root mean square length of a row, so that `C` means the same for every corpus
_CHUNK = 8192


@dataclass(frozen=True)
class WordClusters:
    """Words that stand in like contexts, grouped at several levels.

    Attributes
    ----------
    words : list of str
        Known words of normalized texts, most frequent first.
    levels : ndarray of int32, shape (n_levels, n_words)
        The cluster of each word at each level, from 0.
    """

    words: list[str]
    levels: NDArray[np.int32]


@dataclass(frozen=True)
class Head:
    """Weights of one label.

    Attributes
    ----------
    buckets : ndarray of float64, shape (N_BUCKETS,)
        Weight of each bucket of n-grams.
    words : ndarray of float64, shape (n_words,)
        Weight of each known word, its n-grams and clusters together.
    bias : float
    """

    buckets: NDArray[np.float64]
    words: NDArray[np.float64]
    bias: float


@dataclass(frozen=True)
class Design:
    """The design matrix of a corpus.

    Attributes
    ----------
    X : csr_array of float32, shape (n_texts, n_columns)
        How often a feature counts in a text: in how many of its distinct words, and how often in
        each. The columns are the buckets in use, the clusters, the copies of both for each domain
        where they occur, a bias, and the domains' biases.
    source : ndarray of int64, shape (n_columns,)
        The column that a column is a copy of, itself if it is none.
    first_copy : dict of str to int
        Where the copies of a domain begin; they end where the next one's begin.
    n_shared : int
        Number of columns before the copies.
    scale : ndarray of float32, shape (n_texts,)
        One over the root of the number of plain n-grams in the distinct words.
    buckets : ndarray of int64, shape (n_buckets_in_use,)
        The bucket of each n-gram column.
    known : csr_array of float32, shape (n_words, n_shared)
        What is in each known word: its n-grams and clusters.
    idf : ndarray of float32, shape (n_shared,)
        Power of the inverse document frequency, times the value of the kind of n-gram.
    """

    X: sparse.csr_array
    source: NDArray[np.int64]
    first_copy: dict[str, int]
    n_shared: int
    scale: NDArray[np.float32]
    buckets: NDArray[np.int64]
    known: sparse.csr_array
    idf: NDArray[np.float32]


class Learner(BaseEstimator):  # type: ignore[misc]
    """Learns a word scorer from labelled comments, as a scikit-learn estimator.

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
    heads_ : list of dict of str to Head, length n_labels
        Weights of each label, by domain.
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
        # One label after the other, or as many at once as `joblib.parallel_config` says: processes,
        # because liblinear's random numbers are one state for all threads.
        fitting = Parallel(return_as="generator")(
            delayed(learn_heads)(
                matrix,
                y[:, column],
                weight,
                C=self.C,
                domain_copy=self.domain_copy,
                nb_exponent=self.nb_exponent,
                n_epochs=self.n_epochs,
            )
            for column in learnable
        )
        tell = progress or (lambda phrase, share: None)
        tell("fitting labels", 0.0)
        self.heads_ = []
        for heads in fitting:
            self.heads_.append(heads)
            tell("fitting labels", len(self.heads_) / len(learnable))
        return self

    def for_domain(self, domain: str = "") -> Classifier:
        """Give the classifier of one domain, not calibrated: what all share and what is its own.

        Labels never observed in it keep the shared head, which the empty name gives for all.

        Raises
        ------
        KeyError
            If no label was observed in the domain.
        """
        check_is_fitted(self)
        if not any(domain in heads for heads in self.heads_):
            raise KeyError(f"not fitted on a domain named {domain!r}")
        chosen = [heads.get(domain, heads[""]) for heads in self.heads_]
        identity = np.tile(np.linspace(-60.0, 60.0, N_KNOTS), (len(chosen), 2, 1))
        return Classifier(self.labels_, self._laid_out(chosen), identity)

    def _laid_out(self, heads: Sequence[Head]) -> WordScorer:
        """Lay the weights out for look-up: row 0 nothing, then known words, then n-grams."""
        words = np.stack([head.words for head in heads], axis=1)
        known = words_alone(self.word_clusters.words if self.word_clusters else [])
        # Of two words with one hash the more frequent stays.
        hashes, word = np.unique(known.hashed, return_index=True)
        start, stop = known.start[word], known.stop[word]
        buckets = np.stack([head.buckets for head in heads], axis=1)
        magnitude = np.abs(buckets).max(axis=1)
        kept = np.argsort(-magnitude, kind="stable")[: self.n_rows]
        kept = np.sort(kept[magnitude[kept] > 0])
        slots = np.zeros(N_BUCKETS, dtype=np.int32)
        slots[kept] = np.arange(len(word) + 1, len(word) + 1 + len(kept), dtype=np.int32)
        table = np.concatenate((np.zeros((1, len(heads))), words[word], buckets[kept]))
        return WordScorer(
            slots=slots,
            word_hashes=hashes,
            word_letters=known.codes[stretches(start, stop)],
            word_starts=np.append(0, (stop - start).cumsum()).astype(np.int32),
            table=table.astype(np.float16),
            intercepts=np.array([head.bias for head in heads]),
        )


def design(
    texts: Sequence[str],
    domains: Sequence[str],
    clusters: WordClusters | None = None,
    *,
    min_df: int = 4,
    progress: Progress | None = None,
) -> Design:
    """Build the design matrix, without the n-grams that are in fewer than `min_df` texts."""
    known = words_alone(clusters.words if clusters else [])
    members = _membership(clusters)
    ngrams, counts, lengths = _count(texts, clusters, members, progress)
    df = np.bincount(ngrams.indices, minlength=N_BUCKETS)
    df[NO_BUCKET] = 0  # a pair may hash to it
    buckets = np.flatnonzero(df >= min_df)
    column = np.full(N_BUCKETS, -1, dtype=np.int32)
    column[buckets] = np.arange(len(buckets), dtype=np.int32)
    idf = np.log((1 + len(texts)) / (1 + df[buckets])) + 1
    cluster_df = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.append(idf, np.log((1 + len(texts)) / (1 + cluster_df)) + 1) ** _IDF_EXPONENT
    idf[: len(buckets)][buckets >= N_PLAIN_BUCKETS] *= _SKELETON_VALUE
    grams = _select(_grams_in(known, np.arange(len(known.start))), column, len(buckets))
    shared = sparse.hstack(
        [_select(ngrams, column, len(buckets)), counts], format="csr", dtype=np.float32
    )
    copies, source, first_copy = _copies(shared, np.asarray(domains, dtype=object))
    scale = (1 / np.sqrt(np.maximum(SHORTEST, lengths))).astype(np.float32)
    n_columns = len(source)
    return Design(
        X=sparse.hstack([shared, copies, _biases(domains, list(first_copy), scale)], format="csr"),
        source=np.append(source, n_columns + np.arange(1 + len(first_copy))),
        first_copy=first_copy,
        n_shared=shared.shape[1],
        scale=scale,
        buckets=buckets,
        known=sparse.hstack([grams, members], format="csr", dtype=np.float32),
        idf=idf.astype(np.float32),
    )


def learn_heads(
    design: Design,
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    C: float,
    domain_copy: float,
    nb_exponent: float,
    n_epochs: int,
) -> dict[str, Head]:
    """Fit one label: the shared head under the empty name, and one for each domain.

    In `y` is the share of readers who would say yes, NaN where it was not observed; the settings
    are those of `Learner`.

    Raises
    ------
    ValueError
        If the texts with the label hold no feature.
    """
    # A text that divided its readers says little, one that divided them evenly nothing.
    says = np.nan_to_num(weight * np.abs(2 * y - 1))
    seen = np.flatnonzero(says > 0)
    X, t = design.X[seen], y[seen] > 0.5
    shared = _column_scale(design, X, t, nb_exponent)
    scale = np.ones(len(design.source))
    n_features = len(design.source) - 1 - len(design.first_copy)
    scale[:n_features] = shared[design.source[:n_features]]
    scale[design.n_shared : n_features] *= domain_copy
    X.data *= np.repeat(design.scale[seen], np.diff(X.indptr))
    X.data *= scale.astype(np.float32)[X.indices]
    norms = X.data[X.indices < design.n_shared]
    length = _ROW_NORM / np.sqrt(np.dot(norms, norms) / len(seen))
    del norms
    scale[:n_features] *= length
    X.data[X.indices < n_features] *= length
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)  # as it asks for
    svm = LinearSVC(
        C=C, dual=True, fit_intercept=False, max_iter=n_epochs, tol=1e-3, random_state=0
    )
    with warnings.catch_warnings():
        # Passes beyond the few that are asked for change the weights but not what they find.
        warnings.simplefilter("ignore", ConvergenceWarning)
        svm.fit(X, t, sample_weight=says[seen])
    w = svm.coef_[0] * scale
    bias, own_bias = w[n_features], w[n_features + 1 :]
    heads = {"": _fold(design, w[: design.n_shared], bias)}
    ends = [*design.first_copy.values(), n_features][1:]
    for (domain, first), end, more in zip(design.first_copy.items(), ends, own_bias, strict=True):
        own = w[: design.n_shared].copy()
        own[design.source[first:end]] += w[first:end]
        heads[domain] = _fold(design, own, bias + more)
    return heads


def _count(
    texts: Sequence[str],
    clusters: WordClusters | None,
    members: sparse.csr_array,
    progress: Progress | None,
) -> tuple[sparse.csr_array, sparse.csr_array, NDArray[np.float64]]:
    """Count buckets and clusters in the distinct words of each text, and its plain n-grams."""
    number = {word: at for at, word in enumerate(clusters.words if clusters else [])}
    ngrams, counts, lengths = [], [], []
    for first in range(0, len(texts), _CHUNK):
        n_texts = len(texts[first : first + _CHUNK])
        words = words_of(normalize_batch(texts[first : first + _CHUNK]))
        chosen = np.flatnonzero(earlier_in_text(words) < 0)
        text = words.text[chosen]
        # Each word of the chunk is looked into once, whatever number of texts it is in.
        one, which = np.unique(words.same[chosen], return_inverse=True)
        inside = _grams_in(words, one)
        pairs = _ones(text, pair_buckets(words, chosen), (n_texts, N_BUCKETS))
        ngrams.append(_ones(text, which, (n_texts, len(one))) @ inside + pairs)
        names = spelled(words.codes)
        at = np.array([number.get(names[i], -1) for i in one], dtype=np.int64)[which]
        hit = np.flatnonzero(at >= 0)
        counts.append(_ones(text[hit], at[hit], (n_texts, len(number))) @ members)
        lengths.append(np.bincount(text, n_plain(words)[chosen], minlength=n_texts))
        if progress:
            progress("reading texts", min(1.0, (first + _CHUNK) / len(texts)))
    return (
        sparse.vstack(ngrams, format="csr", dtype=np.float32),
        sparse.vstack(counts, format="csr", dtype=np.float32),
        np.concatenate(lengths),
    )


def _grams_in(words: Words, chosen: NDArray[np.int64]) -> sparse.csr_array:
    """Chosen words by buckets."""
    bucket, word = gram_buckets(words, chosen)
    real = bucket != NO_BUCKET
    return _ones(word[real], bucket[real], (len(chosen), N_BUCKETS))


def _ones(
    row: NDArray[np.integer], column: NDArray[np.integer], shape: tuple[int, int]
) -> sparse.csr_array:
    """Count how often each pair of row and column stands there."""
    ones = np.ones(len(row), dtype=np.float32)
    return sparse.csr_array((ones, (row.astype(np.int32), column.astype(np.int32))), shape=shape)


def _copies(
    X: sparse.csr_array, domains: NDArray[np.object_]
) -> tuple[sparse.csr_array, NDArray[np.int64], dict[str, int]]:
    """Copy the features of each domain that has a name to columns of its own."""
    n_shared = X.shape[1]
    named = np.repeat(domains != "", np.diff(X.indptr))
    indices = np.zeros(X.nnz, dtype=np.int32)
    sources, first_copy, n_columns = [np.arange(n_shared)], {}, n_shared
    for domain in sorted(set(domains) - {""}):
        here = np.repeat(domains == domain, np.diff(X.indptr))
        used = np.zeros(n_shared, dtype=bool)
        used[X.indices[here]] = True
        rank = np.cumsum(used, dtype=np.int32) - 1 + (n_columns - n_shared)
        indices[here] = rank[X.indices[here]]
        first_copy[domain] = n_columns
        sources.append(np.flatnonzero(used))
        n_columns += len(sources[-1])
    indptr = np.append(0, np.cumsum(named))[X.indptr]
    copies = sparse.csr_array(
        (X.data[named], indices[named], indptr), shape=(X.shape[0], n_columns - n_shared)
    )
    return copies, np.concatenate(sources), first_copy


def _biases(
    domains: Sequence[str], named: list[str], scale: NDArray[np.float32]
) -> sparse.csr_array:
    """Give every text a bias, and one of its domain, that its length will not scale."""
    number = {domain: i for i, domain in enumerate(named, start=1)}
    own = np.array([number.get(domain, 0) for domain in domains])
    rows = np.concatenate((np.arange(len(own)), np.flatnonzero(own)))
    columns = np.concatenate((np.zeros(len(own), dtype=np.int64), own[own > 0]))
    return sparse.csr_array((1 / scale[rows], (rows, columns)), shape=(len(own), 1 + len(named)))


def _membership(clusters: WordClusters | None) -> sparse.csr_array:
    """Words by clusters of all levels."""
    if not clusters:
        return _ones(np.zeros(0, np.int32), np.zeros(0, np.int32), (0, 0))
    n_levels, n_words = clusters.levels.shape
    first = np.cumsum(np.append(0, clusters.levels.max(axis=1) + 1))
    column = (clusters.levels + first[:-1, None]).T.ravel()
    indptr = np.arange(0, n_words * n_levels + 1, n_levels)
    ones = np.ones(len(column), dtype=np.float32)
    return sparse.csr_array((ones, column, indptr), shape=(n_words, int(first[-1])))


def _select(X: sparse.csr_array, column: NDArray[np.int32], n_columns: int) -> sparse.csr_array:
    """Keep and rename the columns that have a name of 0 or more."""
    renamed = column[X.indices]
    kept = renamed >= 0
    counts = np.append(0, np.cumsum(kept))
    return sparse.csr_array(
        (X.data[kept], renamed[kept], counts[X.indptr]), shape=(X.shape[0], n_columns)
    )


def _column_scale(
    design: Design, X: sparse.csr_array, t: NDArray[np.bool_], exponent: float
) -> NDArray[np.float64]:
    """Inverse document frequency times the power of the log-count ratio, per shared column."""
    yes = (X.T @ t.astype(np.float32))[: design.n_shared]
    no = (X.T @ (~t).astype(np.float32))[: design.n_shared]
    used = yes + no > 0
    if not used.any():
        raise ValueError("no n-gram is in enough of the comments to learn from")
    yes, no = yes + 1, no + 1
    ratio = np.abs(np.log((yes / yes.sum()) / (no / no.sum()))) ** exponent
    # Unused columns are no part of the mean: they would change what `C` means.
    scaled: NDArray[np.float64] = (
        design.idf * np.maximum(ratio, np.quantile(ratio[used], 0.1)) / ratio[used].mean()
    )
    return scaled


def _fold(design: Design, weights: NDArray[np.float64], bias: float) -> Head:
    """Bring column weights to buckets and known words."""
    buckets = np.zeros(N_BUCKETS)
    buckets[design.buckets] = weights[: len(design.buckets)]
    return Head(buckets, design.known @ weights, float(bias))
