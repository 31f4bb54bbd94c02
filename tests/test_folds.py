"""Folds and domain heads: every row is tested once, by what never saw it."""

from collections.abc import Sequence

import numpy as np
import pytest
from keyword_scorer import POLITE, RUDE

from models.schema import LabeledComment, write_comments
from training.datasets import Corpus, Split, read_corpus, split_corpus
from training.evaluation.folds import cross_validate, leave_one_out, own_heads
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


def test_a_set_left_out_is_measured_whole(corpus: Corpus) -> None:
    seen: list[set[str]] = []

    def refit(split: Split) -> Learner:
        seen.append(set(split.train.source))
        return build(split)

    measured = leave_one_out(corpus, refit, sets=["mpold", "alakrot_youtube"])
    assert list(measured) == ["mpold left out"]
    assert measured["mpold left out"]["n"] == 300
    assert seen == [{"osact4", "lhsab"}]
