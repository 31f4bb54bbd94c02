"""Fitting the word scorer: what is weighed and learned."""

from typing import Any

import numpy as np
import pytest
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from conftest import SAMPLE_COMMENTS
from models.features import gram_buckets, words_alone
from models.schema import read_comments
from training import fit
from training.design_matrix import Design, WordClusters, design
from training.fit import Head, Learner, learn_heads

TEXTS = ["good day", "good good day", "bad day", "bad bad night", "good night", "bad bad bad"]
DOMAINS = ["", "tweets", "tweets", "news", "news", "news"]
Y = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 1.0])


def heads_of(built: Design, y: NDArray[np.float64]) -> dict[str, Head]:
    weight = np.ones(len(y))
    return learn_heads(built, y, weight, C=1.0, domain_copy=0.7, nb_exponent=0.35, n_epochs=30)


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


def test_the_same_comments_give_the_same_weights() -> None:
    y = np.array([[1.0], [0.0]] * 20)
    texts = [f"{word} {i}" for i in range(20) for word in ("bad", "good")]
    first, second = (Learner(labels=("toxicity",)).fit(texts, y).for_domain() for _ in range(2))
    arrays = second.arrays()
    assert all(np.array_equal(array, arrays[name]) for name, array in first.arrays().items())


def test_labels_fitted_at_once_have_the_weights_of_labels_fitted_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    y = np.stack((Y, 1 - Y, Y * Y[::-1]), axis=1)
    learner = Learner(labels=("toxicity", "insult", "spam"), min_df=1)
    one_by_one = learner.fit(TEXTS, y, domains=DOMAINS).for_domain("news").arrays()
    monkeypatch.setattr(fit, "ENOUGH_FOR_PROCESSES", 1)
    with parallel_config(n_jobs=2):
        at_once = learner.fit(TEXTS, y, domains=DOMAINS).for_domain("news").arrays()
    assert all(np.array_equal(array, at_once[name]) for name, array in one_by_one.items())


def test_labels_come_in_the_order_of_the_schema_and_only_where_both_kinds_were_seen() -> None:
    y = np.stack((Y, 1 - Y, np.full(len(Y), np.nan)), axis=1)
    learner = Learner(labels=("insult", "toxicity", "spam"), min_df=1, n_epochs=5)
    assert learner.fit(TEXTS, y).labels_ == ("toxicity", "insult")


def test_a_site_learns_its_own_line_beside_what_all_share() -> None:
    comments = [comment for comment in read_comments(SAMPLE_COMMENTS) if comment.labels]
    # One site takes sarcasm down, which no other does.
    sarcasm = [
        f"\u0628\u0631\u0627\u0641\u0648 {comment.text}" for comment in comments[:40]
    ]  # bravo
    texts = [*(comment.text for comment in comments), *sarcasm]
    y = np.array([*(comment.labels["toxicity"] for comment in comments), *np.ones(40)])
    domains = ["all"] * len(comments) + ["site"] * 40
    learner = Learner(labels=("toxicity",), min_df=1).fit(texts, y, domains=domains)
    own, shared = learner.for_domain("site"), learner.for_domain()
    assert own.decision_function(sarcasm).mean() > shared.decision_function(sarcasm).mean()
    with pytest.raises(KeyError, match="elsewhere"):
        learner.for_domain("elsewhere")


def test_a_known_word_lends_its_weight_to_the_words_of_its_cluster() -> None:
    insults, others = ["alpha", "beta"], ["gamma", "delta"]
    clusters = WordClusters([*insults, *others], np.array([[0, 0, 1, 1]], dtype=np.int32))
    texts = ["you alpha"] * 8 + ["you gamma"] * 8
    y = np.array([1.0] * 8 + [0.0] * 8)
    learner = Learner(labels=("toxicity",), min_df=1, word_clusters=clusters).fit(texts, y)
    beta, delta = learner.for_domain().decision_function(["you beta", "you delta"])[:, 0]
    assert beta > delta


@pytest.mark.parametrize(
    ("y", "named"),
    [
        (np.ones((2, 1)), "no label has examples of both kinds"),
        (np.array([[2.0], [0.0]]), r"outside \[0, 1\]"),
        (np.ones((3, 1)), "shape"),
    ],
)
def test_bad_labels_are_refused_by_name(y: np.ndarray, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Learner(labels=("toxicity",)).fit(["a", "b"], y)


def test_comments_without_a_frequent_n_gram_are_refused() -> None:
    y = np.array([1.0, 0.0])
    for texts, min_df in ((["ab", "cd"], 4), (["", " "], 1)):
        with pytest.raises(ValueError, match="no n-gram is in enough"):
            Learner(labels=("toxicity",), min_df=min_df).fit(texts, y)


def test_it_keeps_the_estimator_contract() -> None:
    learner = Learner(C=3.0, labels=("toxicity",))
    assert clone(learner).get_params() == learner.get_params()
    with pytest.raises(NotFittedError):
        learner.for_domain()


@pytest.mark.parametrize("text", ["", "text", b"text", bytearray(b"")])
def test_one_text_is_not_taken_for_many_to_learn_from(text: Any) -> None:
    with pytest.raises(TypeError, match="not one text"):
        Learner().fit(text, np.zeros((0, 7)))
    with pytest.raises(TypeError, match="not one text"):
        Learner().fit(["a"] * len(text), np.zeros((len(text), 7)), domains=text)
