"""Each step of a release is measured by a fit without it, on the same rows."""

import numpy as np
import pytest
from test_evaluation_errors import CONTRAST
from tiny_sentence_scorer import tiny_sentence_scorer

from conftest import SAMPLE_COMMENTS
from training.datasets import Corpus, Split, read_corpus, split_corpus
from training.evaluation.steps import LABELS_OF_STEPS, STEPS, gains
from training.fit import Learner
from training.release import build

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    every = read_corpus([SAMPLE_COMMENTS, CONTRAST])
    return every.select(np.arange(0, len(every), 4))


def test_a_step_is_measured_by_words_and_by_both_readers_on_the_same_rows(corpus: Corpus) -> None:
    learned_from: list[set[str]] = []

    def refit(split: Split, labels: tuple[str, ...]) -> Learner:
        learned_from.append(set(split.train.source))
        assert labels == LABELS_OF_STEPS
        return build(split, labels=labels)

    told: list[str] = []
    figures = gains(
        corpus, refit, tiny_sentence_scorer(), progress=lambda phrase, _: told.append(phrase)
    )
    # There are no annotated comments here to leave out.
    assert told == ["public sets alone", "without the contrasts", "all"]
    assert learned_from == [{"sample"}, {"sample"}, {"sample", "contrast"}]
    assert list(figures) == [f"{step}: {r}" for step in told for r in ("words", "both readers")]
    for measured in figures.values():
        assert set(measured["contrast"]) == {"auc", "average_precision", "precision", "recall"}
    first, last = (figures[f"{step}: words"]["contrast"]["auc"] for step in (told[0], told[-1]))
    assert first < last


def test_words_alone_are_measured_where_there_is_no_second_reader(corpus: Corpus) -> None:
    figures = gains(corpus, lambda split, labels: build(split, labels=labels))
    assert [name.rpartition(": ")[2] for name in figures] == ["words"] * 3


def test_nothing_is_learned_from_a_set_that_is_left_out_but_it_is_tested_all_the_same(
    corpus: Corpus,
) -> None:
    every, fewer = split_corpus(corpus), split_corpus(corpus, without=STEPS["public sets alone"])
    assert "contrast" in every.train.source
    assert "contrast" not in {*fewer.train.source, *fewer.validation.source}
    assert every.test.keys.tolist() == fewer.test.keys.tolist()
