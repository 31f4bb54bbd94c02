"""Folds and domain heads: every row is tested once, by what never saw it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from keyword_scorer import POLITE, RUDE
from tiny_sentence_scorer import tiny_sentence_scorer

from models.schema import LabeledComment, write_comments
from models.sentence_scorer import SentenceScorer
from training.datasets import Corpus, Split, draw_at_random, read_corpus, split_corpus
from training.evaluation.folds import (
    cross_validate,
    draw_as_published,
    leave_one_out,
    own_heads,
    released,
)
from training.fit import Learner
from training.release import build

# Words of no meaning that vary the texts.
FILL = (
    "\u062f\u0648",
    "\u0631\u064a",
    "\u0643\u0648",
    "\u0645\u064a",
    "\u0646\u0627",
    "\u0647\u0648",
)


def written(sources: Sequence[str], n: int = 300) -> list[LabeledComment]:
    """Write comments whose label the rude word decides, except for one in ten."""
    rng = np.random.default_rng(0)
    comments = []
    for source in sources:
        for i in range(n):
            toxic = i % 2
            words = [RUDE if toxic else POLITE, *rng.choice(FILL, 8)]
            label = float(toxic if i % 10 else 1 - toxic)
            text = " ".join([*words, *np.base_repr(i, 6).translate(_DIGITS)])
            comments.append(LabeledComment(f"{source}{i}", text, {"toxicity": label}, source))
    return comments


_DIGITS = str.maketrans("012345", "\u0623\u0628\u062a\u062b\u062c\u062d")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("corpus") / "comments.jsonl"
    write_comments(written(["osact4", "mpold", "lhsab"]), path)
    return read_corpus([path])


def test_each_benchmark_is_measured_by_its_own_head(corpus: Corpus) -> None:
    split = split_corpus(corpus)
    measured = own_heads(build(split), split)
    assert set(measured) == {"osact4 test", "mpold fold", "lhsab fold"}
    assert measured["lhsab fold"]["accuracy"]["value"] > 0.85


def test_cross_validation_tests_every_row_once(corpus: Corpus) -> None:
    measured = cross_validate(corpus, build, sets=["lhsab"])["lhsab 5-fold"]
    assert measured["n"] == 300
    assert measured["accuracy"]["value"] == pytest.approx(0.9, abs=0.03)
    assert measured["auc"]["low"] <= measured["auc"]["value"] <= measured["auc"]["high"]


def test_both_readers_are_measured_where_the_second_learned_nothing_that_is_tested(
    corpus: Corpus,
) -> None:
    scorer = tiny_sentence_scorer()
    measured = cross_validate(corpus, build, sets=["lhsab"], second=released(scorer))
    tested = split_corpus(corpus).test.source
    fold, published = ((tested == source).sum() for source in ("lhsab", "osact4"))
    n = {name: (m["n"], m["n_fits"]) for name, m in measured.items()}
    assert n["lhsab 5-fold"] == (300, 5)
    assert n["lhsab 5-fold, both readers"] == (fold, 1)
    # A published test part is the same in every fold.
    assert n["osact4 test"] == n["osact4 test, both readers"] == (published, 1)
    assert set(leave_one_out(corpus, build, sets=["mpold"], second=released(scorer))) == {
        "mpold left out"
    }


def test_a_second_reader_of_each_fold_and_of_a_set_left_out_is_heard_everywhere(
    corpus: Corpus,
) -> None:
    asked: list[str] = []

    def second(name: str) -> SentenceScorer:
        asked.append(name)
        return tiny_sentence_scorer()

    measured = cross_validate(corpus, build, sets=["lhsab"], second=second)
    assert measured["lhsab 5-fold, both readers"]["n"] == 300
    left_out = leave_one_out(corpus, build, sets=["mpold"], second=second)
    assert left_out["mpold left out, both readers"]["n"] == 300
    assert asked == [*(f"fold {fold}" for fold in range(5)), "mpold left out"]


def test_rows_on_which_all_readers_agree_are_measured_by_themselves(tmp_path: Path) -> None:
    votes = [
        replace(comment, labels={"toxicity": (i % 4) / 3})
        for i, comment in enumerate(written(["alakrot_youtube"]))
    ]
    write_comments(votes, tmp_path / "votes.jsonl")
    corpus = read_corpus([tmp_path / "votes.jsonl"])
    measured = cross_validate(corpus, build)
    assert measured["alakrot_youtube 5-fold"]["n"] == 300
    assert measured["alakrot_youtube 5-fold, unanimous"]["n"] == 150


def test_a_random_part_is_as_large_as_others_drew_and_was_learned_by_nobody(
    corpus: Corpus,
) -> None:
    split = draw_at_random(corpus, "lhsab", 0.15)
    drawn = split.test.keys[split.test.source == "lhsab"]
    assert len(drawn) == 45
    fold = split_corpus(corpus)
    assert set(drawn) < set(fold.test.keys)
    assert len(split.train) == len(fold.train) + (fold.test.source == "lhsab").sum() - 45
    assert not set(drawn) & set(split.train.keys)
    measured = draw_as_published(corpus, build, second=released(tiny_sentence_scorer()))
    assert {name: m["n"] for name, m in measured.items()} == {
        "lhsab, random 15%": 45,
        "lhsab, random 15%, both readers": 45,
    }


def test_a_share_beyond_the_test_part_cannot_be_drawn(corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="more than the test part of lhsab"):
        draw_at_random(corpus, "lhsab", 0.5)


def test_a_set_left_out_is_measured_whole(corpus: Corpus) -> None:
    seen: list[set[str]] = []

    def refit(split: Split) -> Learner:
        seen.append(set(split.train.source))
        return build(split)

    measured = leave_one_out(corpus, refit, sets=["mpold", "alakrot_youtube"])
    assert list(measured) == ["mpold left out"]
    assert measured["mpold left out"]["n"] == 300
    assert seen == [{"osact4", "lhsab"}]
