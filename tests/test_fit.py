"""Learning: what is counted, what is copied for a domain, what is weighed."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.features import gram_buckets, words_alone
from models.learning import Design, Head, WordClusters, design, learn_heads

TEXTS = ["good day", "good good day", "bad day", "bad bad night", "good night", "bad bad bad"]
DOMAINS = ["", "tweets", "tweets", "news", "news", "news"]
Y = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 1.0])


def heads_of(built: Design, y: NDArray[np.float64]) -> dict[str, Head]:
    weight = np.ones(len(y))
    return learn_heads(built, y, weight, C=1.0, domain_copy=0.7, nb_exponent=0.35, n_epochs=30)


def test_an_n_gram_counts_once_for_each_distinct_word_that_holds_it() -> None:
    once, again, two = (design([text], [""], min_df=1) for text in ("bad", "bad bad", "bad sad"))
    assert set(once.X.data[:-1]) == {1.0}
    # The second of two equal words adds nothing, not even length.
    assert np.array_equal(once.X.data, again.X.data)
    assert once.scale == again.scale
    assert set(two.X.data[:-1]) == {1.0, 2.0}


def test_rare_n_grams_have_no_column() -> None:
    few, all_ = design(TEXTS, DOMAINS, min_df=3), design(TEXTS, DOMAINS, min_df=1)
    assert 0 < len(few.buckets) < len(all_.buckets)


def test_every_named_domain_has_copies_of_what_occurs_in_it_and_the_empty_one_has_none() -> None:
    built = design(TEXTS, DOMAINS, min_df=1)
    assert list(built.first_copy) == ["news", "tweets"]
    first_row = built.X[[0]].indices
    assert (first_row < built.n_shared).sum() == len(first_row) - 1  # and the bias of all
    tweets = slice(built.first_copy["tweets"], len(built.source) - 3)
    occurring = built.X[[1, 2], : built.n_shared].sum(axis=0).nonzero()[0]
    assert np.array_equal(built.source[tweets], occurring)


def test_words_count_for_their_clusters_at_every_level() -> None:
    clusters = WordClusters(["good", "bad"], np.array([[0, 0], [0, 1]], dtype=np.int32))
    built = design(["good bad good", "night"], ["", ""], clusters, min_df=1)
    counts = built.X[:, len(built.buckets) : built.n_shared].toarray()
    assert counts.tolist() == [[2, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize("domain", ["", "news", "tweets"])
def test_every_head_tells_the_words_apart(domain: str) -> None:
    built = design(TEXTS, DOMAINS, min_df=1)
    heads = heads_of(built, Y)
    grams = built.X[:, : len(built.buckets)]
    logits = (grams @ heads[domain].buckets[built.buckets]) * built.scale + heads[domain].bias
    assert logits[Y == 1].min() > logits[Y == 0].max()


def test_a_comment_that_divided_its_readers_evenly_teaches_nothing() -> None:
    divided = np.append(Y, 0.5)
    built = design([*TEXTS, "good bad"], [*DOMAINS, ""], min_df=1)
    unseen = np.append(Y, np.nan)
    one = heads_of(built, divided)
    other = heads_of(built, unseen)
    assert np.array_equal(one[""].buckets, other[""].buckets)


def test_a_known_word_weighs_what_is_in_it() -> None:
    clusters = WordClusters(["good", "bad"], np.array([[0, 1]], dtype=np.int32))
    built = design(TEXTS, DOMAINS, clusters, min_df=1)
    head = heads_of(built, Y)[""]
    inside, _ = gram_buckets(words_alone(["bad"]), np.arange(1))
    assert head.words[1] > head.buckets[inside].sum() > 0  # the rest is its cluster's
