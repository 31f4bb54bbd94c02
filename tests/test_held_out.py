"""A classifier is measured on everything that its training did not see."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.classifier import Classifier, Explanation
from models.schema import LABELS, LabeledComment, write_comments
from training.datasets import Corpus, Split, read_corpus, split_corpus
from training.evaluation import (
    Scorer,
    cross_validate,
    curves,
    evaluate,
    evasion_retention,
    functional_suite,
    identity_term_bias,
    leave_one_out,
    own_heads,
)
from training.evasion import TRANSFORMS
from training.release import build, calibrate

SAMPLE = Path(__file__).parent.parent / "training" / "data" / "samples.jsonl"
REVIEW = {"review": {"threshold": 0.5}}
# Words of no meaning: the rude one decides, the others vary the texts.
RUDE, POLITE = "\u0628\u0637\u0628\u0637", "\u0633\u0645\u0633\u0645"
FILL = (
    "\u062f\u0648",
    "\u0631\u064a",
    "\u0643\u0648",
    "\u0645\u064a",
    "\u0646\u0627",
    "\u0647\u0648",
)


class Keyword(Scorer):
    """A scorer whose every answer can be told by hand: high if the rude word is there."""

    labels_ = ("toxicity",)

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([[0.9 if RUDE in text else 0.1] for text in texts]).reshape(-1, 1)

    def explain(self, texts: Sequence[str], label: str = "toxicity") -> list[Explanation]:
        assert label == "toxicity"
        contributions = [np.zeros(len(text)) for text in texts]
        for text, weights in zip(texts, contributions, strict=True):
            at = text.find(RUDE)
            if at >= 0:
                weights[at : at + len(RUDE)] = 1.0
        return [Explanation(t, label, w, 0.0) for t, w in zip(texts, contributions, strict=True)]


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


@pytest.fixture(scope="module")
def sample() -> Split:
    return split_corpus(read_corpus([SAMPLE]))


@pytest.fixture(scope="module")
def fitted(sample: Split) -> Classifier:
    return build(sample, labels=("toxicity", "insult"))


def test_an_evaluation_has_every_section(sample: Split, fitted: Classifier) -> None:
    points = calibrate(fitted, sample)
    told: list[str] = []
    figures = evaluate(fitted, points, sample, progress=lambda phrase, _: told.append(phrase))
    assert figures["benchmarks"]["sample test"]["n"] == len(sample.test)
    assert list(figures["labels"]) == ["toxicity", "insult"]
    assert {"egyptian", "gulf", "levantine", "msa"} <= set(figures["dialects"])
    assert set(figures["sets"]) == {"sample"}
    assert set(figures["evasion"]) == set(TRANSFORMS)
    assert figures["functions"]["overall"]["n"] > 1000
    assert figures["identity_terms"]
    assert told[0] == "scoring the test rows"


def test_a_benchmark_is_told_apart_from_another_of_the_same_name(sample: Split) -> None:
    fewer = Split(sample.train, sample.validation, sample.test.select(np.arange(50)), {}, [])
    points = {"toxicity": REVIEW}
    one, other = (evaluate(Keyword(), points, split) for split in (sample, fewer))
    again = evaluate(Keyword(), points, sample)
    digests = [f["benchmarks"]["sample test"]["sha256"] for f in (one, other, again)]
    assert digests[0] == digests[2] != digests[1]


def test_shares_of_what_nobody_should_flag_are_counts(sample: Split) -> None:
    probes = {"news": [RUDE, POLITE, POLITE, POLITE]}
    split = Split(sample.train, sample.validation, sample.test, probes, [])
    probed = evaluate(Keyword(), {"toxicity": REVIEW}, split)["probes"]["news"]
    assert probed == {"n": 4, "flagged_share": 0.25, "flagged_share_by_any_label": 0.25}


def test_a_disguise_hides_a_word_from_a_scorer_that_knows_it_as_written_only(
    corpus: Corpus,
) -> None:
    kept = evasion_retention(Keyword(), corpus, {"toxicity": 0.5})
    for name in ("tatweel", "split_star", "arabizi"):
        assert kept[name]["retained"] < 0.05
        assert kept[name]["plain_false_share"] == 0.0


def test_a_disguise_hides_nothing_from_a_classifier_that_normalizes(
    sample: Split, fitted: Classifier
) -> None:
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

    def refit(split: Split) -> Classifier:
        seen.append(set(split.train.source))
        return build(split)

    measured = leave_one_out(corpus, refit, sets=["mpold", "alakrot_youtube"])
    assert list(measured) == ["mpold left out"]
    assert measured["mpold left out"]["n"] == 300
    assert seen == [{"osact4", "lhsab"}]


def test_curves_are_drawn_for_labels_of_both_kinds_only(sample: Split, fitted: Classifier) -> None:
    drawn = curves(fitted, sample.test)
    assert set(drawn) == {"toxicity", "insult"} <= set(LABELS)
    for curve in drawn.values():
        assert len(curve["recall"]) == len(curve["precision"])
        assert curve["recall"][-1] == 1.0
