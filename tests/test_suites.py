"""Suites: disguises, dilution, functions of judgement and identity terms become figures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from keyword_scorer import POLITE, RUDE, Keyword
from numpy.typing import NDArray

from conftest import SAMPLE_COMMENTS
from models.schema import LabeledComment, write_comments
from training.datasets import Corpus, read_corpus, split_corpus
from training.evaluation.suites import (
    dilution,
    evasion_retention,
    functional_suite,
    identity_term_bias,
)
from training.release import build


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Comments that are toxic where the rude word is, among words that make them differ."""
    path = tmp_path / "comments.jsonl"
    comments = []
    for i in range(300):
        text = f"{RUDE if i % 2 else POLITE} {i:b}".translate(_BITS)
        comments.append(LabeledComment(str(i), text, {"toxicity": float(i % 2)}, "osact4"))
    write_comments(comments, path)
    return read_corpus([path])


_BITS = str.maketrans("01", "\u062f\u0643")


def test_a_disguise_hides_a_word_from_a_scorer_that_knows_it_as_written_only(
    corpus: Corpus,
) -> None:
    kept = evasion_retention(Keyword(), corpus, {"toxicity": 0.5})
    for name in (
        *("tatweel", "dotless", "arabizi", "latin_lookalike"),
        *("split_space", "split_dot", "split_star"),
    ):
        assert kept[name]["retained"] < 0.05
        assert kept[name]["plain_false_share"] == 0.0


def test_a_disguise_hides_nothing_from_a_classifier_that_normalizes() -> None:
    sample = split_corpus(read_corpus([SAMPLE_COMMENTS]))
    fitted = build(sample, labels=("toxicity", "insult")).for_domain()
    kept = evasion_retention(fitted, sample.test, {"toxicity": 0.5})
    for name in ("tatweel", "tashkeel", "zero_width", "presentation"):
        assert kept[name]["retained"] == 1.0


class FirstWords(Keyword):
    """Reads the beginning of a text and no more."""

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return super().predict_proba([" ".join(text.split()[:8]) for text in texts])


def test_harmless_words_hide_an_insult_from_a_scorer_that_does_not_read_on(tmp_path: Path) -> None:
    path = tmp_path / "comments.jsonl"
    comments = []
    for i in range(100):
        text = f"{RUDE if i % 2 else POLITE} {i:b}".translate(_BITS)
        labels = {"toxicity": float(i % 2), "insult": float(i % 2)}
        comments.append(LabeledComment(str(i), text, labels, "hakam"))
    write_comments(comments, path)
    split = split_corpus(read_corpus([path]))
    n_own = sum(RUDE in text for part in (split.test, split.validation) for text in part.texts)
    for scorer, retained in ((Keyword(), 1.0), (FirstWords(), 0.0)):
        measured = dilution(scorer, split, {"toxicity": 0.5})
        assert list(measured) == ["20 harmless words", "100 harmless words"]
        for figures in measured.values():
            # Of HakamCheck's insults, which have other words, none is flagged by itself.
            assert 0 < figures.pop("plain_share") < 1
            assert figures == {"retained": retained, "false_share": 0.0, "n": n_own}


def test_the_functional_suite_names_the_cases_that_fail() -> None:
    functions = functional_suite(Keyword(), {"toxicity": 0.5})
    # The rude word of these tests is in no case, so all that is abusive is missed.
    assert functions["insult_direct"]["accuracy"] == 0.0
    assert len(functions["insult_direct"]["failed"]) == functions["insult_direct"]["n"]
    assert functions["mourning"] == {
        "accuracy": 1.0,
        "n": functions["mourning"]["n"],
        "failed": [],
    }


def test_a_scorer_that_looks_at_no_term_treats_all_terms_alike() -> None:
    for terms in identity_term_bias(Keyword()).values():
        for figures in terms.values():
            assert figures["subgroup_auc"] == figures["bpsn_auc"] == figures["bnsp_auc"] == 0.5
