"""Suites: disguises, functions of judgement and identity terms become figures."""

from pathlib import Path

import pytest
from keyword_scorer import POLITE, RUDE, Keyword

from conftest import SAMPLE_COMMENTS
from models.schema import LabeledComment, write_comments
from training.datasets import Corpus, read_corpus, split_corpus
from training.evaluation.suites import evasion_retention, functional_suite, identity_term_bias
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
    for name in ("tatweel", "split_star", "arabizi"):
        assert kept[name]["retained"] < 0.05
        assert kept[name]["plain_false_share"] == 0.0


def test_a_disguise_hides_nothing_from_a_classifier_that_normalizes() -> None:
    sample = split_corpus(read_corpus([SAMPLE_COMMENTS]))
    fitted = build(sample, labels=("toxicity", "insult")).for_domain()
    kept = evasion_retention(fitted, sample.test, {"toxicity": 0.5})
    for name in ("tatweel", "tashkeel", "zero_width", "presentation"):
        assert kept[name]["retained"] == 1.0


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
