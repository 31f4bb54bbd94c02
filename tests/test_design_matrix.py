"""Design matrix: what is counted, and what is copied for a domain."""

import numpy as np

from training.design_matrix import WordClusters, design

TEXTS = ["good day", "good good day", "bad day", "bad bad night", "good night", "bad bad bad"]
DOMAINS = ["", "tweets", "tweets", "news", "news", "news"]


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
