"""How the classifier's weights are learned.

Promise: the same comments, settings and seed give the same weights; memory grows with the number of
distinct n-grams, not with that number times the number of domains.

Secret: the design matrix, the column scales and the solver. See `models.classifier` for the idea.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import OptimizeResult, minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits

from models.features import N_BUCKETS, N_PLAIN_BUCKETS, NO_BUCKET, extract, word_hashes
from models.normalize import normalize_batch

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done, in [0, 1]."""

SHORTEST = 4
"""A text with fewer plain n-grams counts as having this many, so that one word cannot shout."""
_SKELETON_VALUE = 0.5
_ROW_NORM = 1.13  # root mean square length of a row, so that `C` means the same for every corpus
_CHUNK = 2048


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


@dataclass(frozen=True)
class Design:
    """The design matrix of a corpus, one block of rows per domain.

    Attributes
    ----------
    blocks : list of Block
    buckets : ndarray of int64, shape (n_bucket_columns,)
        The bucket of each n-gram column; the columns of the clusters follow.
    levels : ndarray of int64, shape (n_levels, n_words)
        The column of each known word's cluster at each level.
    idf : ndarray of float32, shape (n_columns,)
        Inverse document frequency times the value of the kind of n-gram.
    """

    blocks: list[Block]
    buckets: NDArray[np.int64]
    levels: NDArray[np.int64]
    idf: NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """The rows of one domain, on the columns that occur in it.

    Attributes
    ----------
    domain : str
        Its name; the empty name has no copy of the features and no bias.
    rows : ndarray of int64, shape (n_rows,)
        Index of each row in the corpus.
    X : csr_array of float32, shape (n_rows, len(columns))
        How often a feature counts in a text: 1 for n-grams, the number of words for clusters.
    columns : ndarray of int64
    scale : ndarray of float32, shape (n_rows,)
        One over the root of the number of plain n-grams.
    """

    domain: str
    rows: NDArray[np.int64]
    X: sparse.csr_array
    columns: NDArray[np.int64]
    scale: NDArray[np.float32]


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
        Where each text is from.
    clusters : WordClusters, optional
    min_df : int
        N-grams in fewer texts are left out.
    progress : callable, optional

    Returns
    -------
    Design
    """
    known = np.sort(word_hashes(clusters.words)) if clusters else np.zeros(0, dtype=np.uint32)
    by_hash = np.argsort(word_hashes(clusters.words)) if clusters else np.zeros(0, dtype=np.int64)
    n_of_level = clusters.levels.max(axis=1) + 1 if clusters else np.zeros(0, dtype=np.int64)
    first_of_level = np.cumsum(np.append(0, n_of_level))
    n_clusters = int(first_of_level[-1])

    grams, cluster_counts, n_plain = [], [], []
    for first in range(0, len(texts), _CHUNK):
        chunk = texts[first : first + _CHUNK]
        features = extract(normalize_batch(chunk))
        buckets = np.concatenate([group.bucket.ravel() for group in features.grams])
        rows = [np.broadcast_to(group.text, group.bucket.shape).ravel() for group in features.grams]
        grams.append(_distinct(np.concatenate(rows), buckets, len(chunk), N_BUCKETS))
        n_plain.append(features.n_plain)
        if clusters:
            text, word = features.words.text, features.words.bucket
            at = np.minimum(np.searchsorted(known, word), len(known) - 1)
            hit = known[at] == word
            words = _distinct(text[hit], by_hash[at[hit]], len(chunk), len(known))
            cluster_counts.append(words @ _membership(clusters, first_of_level))
        if progress:
            progress("reading texts", min(1.0, (first + _CHUNK) / len(texts)))
    ngrams = sparse.vstack(grams, format="csr", dtype=np.float32)
    del grams
    df = np.bincount(ngrams.indices, minlength=N_BUCKETS)
    df[NO_BUCKET] = 0
    buckets = np.flatnonzero(df >= min_df)
    column = np.full(N_BUCKETS, -1, dtype=np.int32)
    column[buckets] = np.arange(len(buckets), dtype=np.int32)
    ngrams = _select(ngrams, column, len(buckets))
    idf = np.log((1 + len(texts)) / (1 + df[buckets])) + 1
    idf[buckets >= N_PLAIN_BUCKETS] *= _SKELETON_VALUE
    X = ngrams
    if clusters:
        counts = sparse.vstack(cluster_counts, format="csr", dtype=np.float32)
        cluster_df = np.bincount(counts.indices, minlength=n_clusters)
        idf = np.append(idf, np.log((1 + len(texts)) / (1 + cluster_df)) + 1)
        X = sparse.hstack([ngrams, counts], format="csr", dtype=np.float32)
    scale = 1 / np.sqrt(np.maximum(SHORTEST, np.concatenate(n_plain)))
    names = np.asarray(domains, dtype=object)
    blocks = [
        _block(name, np.flatnonzero(names == name), X, scale.astype(np.float32))
        for name in sorted(set(domains))
    ]
    levels = (
        clusters.levels + len(buckets) + first_of_level[:-1, None]
        if clusters
        else np.zeros((0, 0), dtype=np.int64)
    )
    return Design(blocks, buckets, levels, idf.astype(np.float32))


def learn_heads(
    design: Design,
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    C: float,
    copy: float,
    nb_exponent: float,
    max_iter: int,
    progress: Progress | None = None,
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
    copy : float
        Value of a feature's copy in its domain.
    nb_exponent : float
        Power of the log-count ratio.
    max_iter : int
        Most steps of L-BFGS.
    progress : callable, optional

    Returns
    -------
    dict of str to Head
        The shared head under the empty name, and one for each domain where the label was observed.
    """
    blocks = [b for block in design.blocks if len((b := _observed(block, y)).rows)]
    scale = _column_scale(design, blocks, y, nb_exponent)
    n_columns = len(scale)
    # The parameters lie end to end: shared weights, then per domain a copy and a bias, then the
    # shared bias.
    sizes = [len(block.columns) + 1 if block.domain else 0 for block in blocks]
    starts = n_columns + np.cumsum([0, *sizes])
    targets = [y[block.rows] for block in blocks]
    costs = [C * weight[block.rows] for block in blocks]

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        gradient = w.copy()
        total = 0.5 * float(w @ w)
        for block, start, size, t, cost in zip(blocks, starts, sizes, targets, costs, strict=False):
            own = slice(start, start + size - 1)
            column_scale = scale[block.columns]
            weights = w[block.columns]
            if size:
                weights += copy * w[own]
            z = (block.X @ (column_scale * weights).astype(np.float32)) * block.scale + w[-1]
            if size:
                z += w[start + size - 1]
            total += float(cost @ (np.logaddexp(0, z) - t * z))
            slope = cost * (expit(z) - t)
            step = column_scale * (block.X.T @ (slope * block.scale).astype(np.float32))
            gradient[block.columns] += step
            gradient[-1] += slope.sum()
            if size:
                gradient[own] += copy * step
                gradient[start + size - 1] += slope.sum()
        return total, gradient

    done = 0

    def count(intermediate_result: OptimizeResult) -> None:
        nonlocal done
        done += 1
        if progress:
            progress("fitting", min(1.0, done / max_iter))

    # One thread of linear algebra: sums in one order are the same sums on every machine.
    with threadpool_limits(limits=1):
        w = minimize(
            loss,
            np.zeros(starts[-1] + 1),
            jac=True,
            method="L-BFGS-B",
            callback=count,
            options={"maxiter": max_iter, "maxcor": 8, "ftol": 1e-7},
        ).x
    heads = {"": _fold(design, scale * w[:n_columns], w[-1])}
    for block, start, size in zip(blocks, starts, sizes, strict=False):
        if size:
            own = w[:n_columns].copy()
            own[block.columns] += copy * w[start : start + size - 1]
            heads[block.domain] = _fold(design, scale * own, w[-1] + w[start + size - 1])
    return heads


def _distinct(
    row: NDArray[np.integer], column: NDArray[np.integer], n_rows: int, n_columns: int
) -> sparse.csr_array:
    """Put a one at each distinct pair of row and column."""
    key = np.unique(row.astype(np.int64) * n_columns + column)
    indptr = np.searchsorted(key, np.arange(n_rows + 1) * n_columns)
    ones = np.ones(len(key), dtype=np.float32)
    return sparse.csr_array(
        (ones, (key % n_columns).astype(np.int32), indptr), shape=(n_rows, n_columns)
    )


def _membership(clusters: WordClusters, first_of_level: NDArray[np.int64]) -> sparse.csr_array:
    """Words by clusters of all levels."""
    n_levels, n_words = clusters.levels.shape
    column = (clusters.levels + first_of_level[:-1, None]).T.ravel()
    indptr = np.arange(0, n_words * n_levels + 1, n_levels)
    ones = np.ones(len(column), dtype=np.float32)
    return sparse.csr_array((ones, column, indptr), shape=(n_words, int(first_of_level[-1])))


def _select(X: sparse.csr_array, column: NDArray[np.int32], n_columns: int) -> sparse.csr_array:
    """Keep and rename the columns that have a name of 0 or more."""
    renamed = column[X.indices]
    kept = renamed >= 0
    counts = np.append(0, np.cumsum(kept))
    return sparse.csr_array(
        (X.data[kept], renamed[kept], counts[X.indptr]), shape=(X.shape[0], n_columns)
    )


def _block(
    domain: str, rows: NDArray[np.int64], X: sparse.csr_array, scale: NDArray[np.float32]
) -> Block:
    part = X[rows]
    used = np.zeros(X.shape[1], dtype=bool)
    used[part.indices] = True
    columns = np.flatnonzero(used)
    renamed = np.cumsum(used, dtype=np.int32) - 1
    part = sparse.csr_array(
        (part.data, renamed[part.indices], part.indptr), shape=(len(rows), len(columns))
    )
    return Block(domain, rows, part, columns, scale[rows])


def _observed(block: Block, y: NDArray[np.float64]) -> Block:
    """Keep the rows of a block where the label was observed."""
    seen = ~np.isnan(y[block.rows])
    if seen.all():
        return block
    return Block(block.domain, block.rows[seen], block.X[seen], block.columns, block.scale[seen])


def _column_scale(
    design: Design, blocks: Sequence[Block], y: NDArray[np.float64], exponent: float
) -> NDArray[np.float64]:
    """Inverse document frequency times the power of the log-count ratio."""
    yes, no = np.zeros(len(design.idf)), np.zeros(len(design.idf))
    for block in blocks:
        t = y[block.rows]
        yes[block.columns] += block.X.T @ t
        no[block.columns] += block.X.T @ (1 - t)
    used = yes + no > 0
    yes, no = yes + 1, no + 1
    ratio = np.abs(np.log((yes / yes.sum()) / (no / no.sum()))) ** exponent
    # Unused columns are no part of the mean: they would change what `C` means.
    ratio = np.maximum(ratio, np.quantile(ratio[used], 0.1)) / ratio[used].mean()
    scale = design.idf * ratio
    squares = sum(
        float(block.X.multiply(block.X) @ scale[block.columns] ** 2 @ block.scale**2)
        for block in blocks
    )
    n_rows = sum(len(block.rows) for block in blocks)
    scaled: NDArray[np.float64] = scale * (_ROW_NORM / np.sqrt(squares / n_rows))
    return scaled


def _fold(design: Design, weights: NDArray[np.float64], bias: float) -> Head:
    """Bring column weights to buckets and known words."""
    buckets = np.zeros(N_BUCKETS)
    buckets[design.buckets] = weights[: len(design.buckets)]
    return Head(buckets, weights[design.levels].sum(axis=0), float(bias))
