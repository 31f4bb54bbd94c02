"""Design matrix: how often each feature counts in each labelled comment.

Each domain of comments has a copy of every feature that occurs in it beside the shared one; words
also count for the clusters they are in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

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
from models.normalize import normalize_batch
from models.word_scorer import SHORTEST

Progress = Callable[[str, float], None]  # gets what is done, and which share of it, in [0, 1]

_SKELETON_VALUE = 0.5
_IDF_EXPONENT = 1.25
_CHUNK = 8192


@dataclass(frozen=True)
class WordClusters:
    """Words that stand in like contexts, grouped at several levels."""

    words: list[str]  # of normalized texts, most frequent first
    levels: NDArray[np.int32]  # (n_levels, n_words): the cluster of each word at each level


@dataclass(frozen=True)
class Design:
    """The design matrix of a corpus."""

    # (n_texts, n_columns): in how many distinct words of a text a feature is, and how often in
    # each. Columns are the buckets in use, the clusters, the copies of both for each domain where
    # they occur, a bias, and the domains' biases.
    X: sparse.csr_array
    source: NDArray[np.int64]  # the column that a column is a copy of, itself if it is none
    first_copy: dict[str, int]  # where the copies of a domain begin, in the order of the columns
    n_shared: int  # columns before the copies
    scale: NDArray[np.float32]  # one over the root of the plain n-grams in the distinct words
    buckets: NDArray[np.int64]  # of each n-gram column
    known: sparse.csr_array  # (n_words, n_shared): n-grams and clusters of each known word
    idf: NDArray[np.float32]  # a power of it, times the value of the kind of n-gram


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
    indptr = np.arange(n_words + 1) * n_levels
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
