"""Fitting the word scorer: from labelled comments to the weights of words.

The same comments and settings give the same weights, in time and memory that grow linearly with the
letters of the comments. Weights come from

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
from collections.abc import Sequence
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
from models.features import N_BUCKETS, words_alone
from models.normalize import refuse_one_text, stretches
from models.schema import LABELS
from models.word_scorer import WordScorer
from training.design_matrix import Design, Progress, WordClusters, design

ENOUGH_FOR_PROCESSES = 20_000
"""Comments from which a label takes longer to fit than a process to start."""
_ROW_NORM = 1.13  # root mean square length of a row, so that `C` means the same for every corpus


@dataclass(frozen=True)
class Head:
    """Weights of one label."""

    buckets: NDArray[np.float64]
    words: NDArray[np.float64]  # of each known word, its n-grams and clusters together
    bias: float


class Learner(BaseEstimator):  # type: ignore[misc]
    """Learns a word scorer from labelled comments, as a scikit-learn estimator.

    `labels_` are those learned, in the order of `LABELS`, and `heads_` their weights by domain.
    """

    def __init__(
        self,
        *,
        labels: Sequence[str] = LABELS,
        C: float = 0.12,  # inverse strength of the regularization, per comment
        domain_copy: float = 0.7,  # value of the copy of a feature in its domain
        nb_exponent: float = 0.5,  # power of the log-count ratio in the column scales
        min_df: int = 4,  # n-grams in fewer comments are ignored
        n_rows: int = 240_000,  # n-grams kept in the table, heaviest first
        n_epochs: int = 12,  # passes of the solver over the comments, per label
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
        """Learn from comments, of a label only if there are examples of both kinds.

        `y`, (n_comments, n_labels), is the share of readers who said yes, NaN where not observed;
        the domain without a name has no copy of its own. Raises ValueError for what does not fit.
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
        # Of many comments as many labels at once as `joblib.parallel_config` says: in processes,
        # because liblinear's random numbers are one state for all threads.
        n_jobs = None if len(texts) >= ENOUGH_FOR_PROCESSES else 1
        fitting = Parallel(n_jobs, return_as="generator")(
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
        """Return the classifier of one domain, not calibrated; KeyError if there is none.

        Labels never observed in it keep the shared head, which the empty name gives for all.
        """
        check_is_fitted(self)
        if not any(domain in heads for heads in self.heads_):
            raise KeyError(f"not fitted on a domain named {domain!r}")
        chosen = [heads.get(domain, heads[""]) for heads in self.heads_]
        identity = np.tile(np.linspace(-60.0, 60.0, N_KNOTS), (len(chosen), 2, 1))
        return Classifier(self.labels_, self._laid_out(chosen), identity)

    def _laid_out(self, heads: Sequence[Head]) -> WordScorer:
        known = words_alone(self.word_clusters.words if self.word_clusters else [])
        # Of two words with one hash the more frequent stays.
        hashes, word = np.unique(known.hashed, return_index=True)
        start, stop = known.start[word], known.stop[word]
        return laid_out(
            hashes,
            known.codes[stretches(start, stop)],
            np.append(0, (stop - start).cumsum()).astype(np.int32),
            words=np.stack([head.words for head in heads], axis=1)[word],
            buckets=np.stack([head.buckets for head in heads], axis=1),
            intercepts=np.array([head.bias for head in heads]),
            n_rows=self.n_rows,
        )


def laid_out(
    word_hashes: NDArray[np.uint32],
    word_letters: NDArray[np.uint32],
    word_starts: NDArray[np.int32],
    *,
    words: NDArray[np.float64],
    buckets: NDArray[np.float64],
    intercepts: NDArray[np.float64],
    n_rows: int,
) -> WordScorer:
    """Lay weights out for look-up: row 0 nothing, then known words, then the heaviest n-grams."""
    magnitude = np.abs(buckets).max(axis=1)
    kept = np.argsort(-magnitude, kind="stable")[:n_rows]
    kept = np.sort(kept[magnitude[kept] > 0])
    slots = np.zeros(N_BUCKETS, dtype=np.int32)
    slots[kept] = np.arange(len(words) + 1, len(words) + 1 + len(kept), dtype=np.int32)
    table = np.concatenate((np.zeros((1, words.shape[1])), words, buckets[kept]))
    return WordScorer(
        slots=slots,
        word_hashes=word_hashes,
        word_letters=word_letters,
        word_starts=word_starts,
        table=table.astype(np.float16),
        intercepts=intercepts,
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
    """Fit one label: the shared head under the empty name, and one for each domain."""
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
