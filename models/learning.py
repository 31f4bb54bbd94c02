"""How the classifier's weights are learned.

Promise: the same comments and settings give the same weights; time and memory grow linearly with
the letters of the comments.

Secret: the design matrix, the column scales and the solver, which is liblinear's dual coordinate
descent for the squared hinge loss (Hsieh et al. 2008). See `models.classifier` for the idea.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from models.features import N_BUCKETS, N_PLAIN_BUCKETS, NO_BUCKET, extract, word_hashes
from models.normalize import normalize_batch

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done, in [0, 1]."""

SHORTEST = 4
"""A text with fewer plain n-grams counts as having this many, so that one word cannot shout."""
_SKELETON_VALUE = 0.5
_ROW_NORM = 1.13  # root mean square length of a row, so that `C` means the same for every corpus
_CHUNK = 2048
_NO_WORDS = sparse.csr_array((0, 0), dtype=np.float32)


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
        Weight of each known word beyond its n-grams.
    bias : float
    """

    buckets: NDArray[np.float64]
    words: NDArray[np.float64]
    bias: float

    def towards(self, other: Head, share: float) -> Head:
        """Return the head that stands so far on the way to another: 0 this one, 1 the other."""
        return Head(
            (1 - share) * self.buckets + share * other.buckets,
            (1 - share) * self.words + share * other.words,
            (1 - share) * self.bias + share * other.bias,
        )


@dataclass(frozen=True)
class Design:
    """The design matrix of a corpus.

    Attributes
    ----------
    X : csr_array of float32, shape (n_texts, n_columns)
        How often a feature counts in a text: 1 for n-grams, the number of words for clusters. The
        columns are the buckets in use, the clusters, the copies of both for each domain where they
        occur, a bias, and the domains' biases.
    source : ndarray of int64, shape (n_columns,)
        The column that a column is a copy of, itself if it is none.
    first_copy : dict of str to int
        Where the copies of a domain begin; they end where the next one's begin.
    n_shared : int
        Number of columns before the copies.
    scale : ndarray of float32, shape (n_texts,)
        One over the root of the number of plain n-grams.
    buckets : ndarray of int64, shape (n_buckets_in_use,)
        The bucket of each n-gram column.
    levels : ndarray of int64, shape (n_levels, n_words)
        The column of each known word's cluster at each level.
    idf : ndarray of float32, shape (n_shared,)
        Inverse document frequency times the value of the kind of n-gram.
    """

    X: sparse.csr_array
    source: NDArray[np.int64]
    first_copy: dict[str, int]
    n_shared: int
    scale: NDArray[np.float32]
    buckets: NDArray[np.int64]
    levels: NDArray[np.int64]
    idf: NDArray[np.float32]


def design(
    texts: Sequence[str],
    domains: Sequence[str],
    clusters: WordClusters | None = None,
    *,
    min_df: int = 4,
    progress: Progress | None = None,
) -> Design:
    """Build the design matrix.

    Parameters
    ----------
    texts : sequence of str, length n_texts
    domains : sequence of str, length n_texts
        Where each text is from; the empty name has no copies and no bias of its own.
    clusters : WordClusters, optional
    min_df : int
        N-grams in fewer texts are left out.
    progress : callable, optional

    Returns
    -------
    Design
    """
    ngrams, counts, n_plain = _count(texts, clusters, progress)
    df = np.bincount(ngrams.indices, minlength=N_BUCKETS)
    df[NO_BUCKET] = 0
    buckets = np.flatnonzero(df >= min_df)
    column = np.full(N_BUCKETS, -1, dtype=np.int32)
    column[buckets] = np.arange(len(buckets), dtype=np.int32)
    ngrams = _select(ngrams, column, len(buckets))
    idf = np.log((1 + len(texts)) / (1 + df[buckets])) + 1
    idf[buckets >= N_PLAIN_BUCKETS] *= _SKELETON_VALUE
    cluster_df = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.append(idf, np.log((1 + len(texts)) / (1 + cluster_df)) + 1)
    shared = sparse.hstack([ngrams, counts], format="csr", dtype=np.float32)
    copies, source, first_copy = _copies(shared, np.asarray(domains, dtype=object))
    scale = (1 / np.sqrt(np.maximum(SHORTEST, n_plain))).astype(np.float32)
    n_columns = len(source)
    return Design(
        X=sparse.hstack([shared, copies, _biases(domains, list(first_copy), scale)], format="csr"),
        source=np.append(source, n_columns + np.arange(1 + len(first_copy))),
        first_copy=first_copy,
        n_shared=shared.shape[1],
        scale=scale,
        buckets=buckets,
        levels=_first_of_level(clusters)[:-1, None] + clusters.levels + len(buckets)
        if clusters
        else np.zeros((0, 0), dtype=np.int64),
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
    """Fit one label.

    Parameters
    ----------
    design : Design
    y : ndarray of float64, shape (n_texts,)
        The share of readers who would say yes, in [0, 1]; NaN where it was not observed.
    weight : ndarray of float64, shape (n_texts,)
    C : float
        Inverse strength of the regularization, per text.
    domain_copy : float
        Value of a feature's copy in its domain.
    nb_exponent : float
        Power of the log-count ratio.
    n_epochs : int
        Passes over the texts.

    Returns
    -------
    dict of str to Head
        The shared head under the empty name, and one for each domain.
    """
    # A text that divided its readers says little, one that divided them evenly nothing.
    says = np.nan_to_num(weight * np.abs(2 * y - 1))
    seen = np.flatnonzero(says > 0)
    X, t = design.X[seen], y[seen] > 0.5
    row_scale = np.repeat(design.scale[seen], np.diff(X.indptr))
    shared = _column_scale(design, X, t, nb_exponent)
    scale = np.ones(len(design.source))
    n_features = len(design.source) - 1 - len(design.first_copy)
    scale[:n_features] = shared[design.source[:n_features]]
    scale[design.n_shared : n_features] *= domain_copy
    X.data = X.data * row_scale * scale[X.indices]
    norms = X.multiply(X)[:, : design.n_shared].sum()
    scale[:n_features] *= (length := _ROW_NORM / np.sqrt(norms / len(seen)))
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
    texts: Sequence[str], clusters: WordClusters | None, progress: Progress | None
) -> tuple[sparse.csr_array, sparse.csr_array, NDArray[np.int64]]:
    """Count buckets, clusters of known words, and plain n-grams."""
    hashes = word_hashes(clusters.words) if clusters else np.zeros(0, dtype=np.uint32)
    by_hash = np.argsort(hashes)
    known = hashes[by_hash]
    members = _membership(clusters) if clusters else _NO_WORDS
    ngrams, counts, n_plain = [], [], []
    for first in range(0, len(texts), _CHUNK):
        chunk = texts[first : first + _CHUNK]
        features = extract(normalize_batch(chunk))
        buckets = np.concatenate([group.bucket.ravel() for group in features.grams])
        rows = [np.broadcast_to(group.text, group.bucket.shape).ravel() for group in features.grams]
        ngrams.append(_distinct(np.concatenate(rows), buckets, len(chunk), N_BUCKETS))
        n_plain.append(features.n_plain)
        text, word = features.words.text, features.words.bucket
        at = np.minimum(np.searchsorted(known, word), max(len(known) - 1, 0))
        hit = np.flatnonzero(known[at] == word) if len(known) else at[:0]
        words = _distinct(text[hit], by_hash[at[hit]], len(chunk), len(known))
        counts.append(sparse.csr_array(words @ members))
        if progress:
            progress("reading texts", min(1.0, (first + _CHUNK) / len(texts)))
    return (
        sparse.vstack(ngrams, format="csr", dtype=np.float32),
        sparse.vstack(counts, format="csr", dtype=np.float32),
        np.concatenate(n_plain),
    )


def _copies(
    X: sparse.csr_array, domains: NDArray[np.object_]
) -> tuple[sparse.csr_array, NDArray[np.int64], dict[str, int]]:
    """Copy the features of each domain that has a name to columns of its own.

    Returns
    -------
    copies : csr_array, shape (n_texts, n_copies)
    source : ndarray of int64, shape (n_shared + n_copies,)
    first_copy : dict of str to int
    """
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


def _distinct(
    row: NDArray[np.integer], column: NDArray[np.integer], n_rows: int, n_columns: int
) -> sparse.csr_array:
    """Put a one at each distinct pair of row and column."""
    key = np.unique(row.astype(np.int64) * n_columns + column)
    indptr = np.searchsorted(key, np.arange(n_rows + 1) * n_columns)
    ones = np.ones(len(key), dtype=np.float32)
    return sparse.csr_array(
        (ones, (key % max(n_columns, 1)).astype(np.int32), indptr), shape=(n_rows, n_columns)
    )


def _first_of_level(clusters: WordClusters) -> NDArray[np.int64]:
    """Find where each level begins when its clusters are numbered through, and their number."""
    return np.cumsum(np.append(0, clusters.levels.max(axis=1) + 1))


def _membership(clusters: WordClusters) -> sparse.csr_array:
    """Words by clusters of all levels."""
    n_levels, n_words = clusters.levels.shape
    first = _first_of_level(clusters)
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
    return Head(buckets, weights[design.levels].sum(axis=0), float(bias))
