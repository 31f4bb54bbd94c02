"""A classifier is measured on everything that its training did not see."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from keyword_scorer import POLITE, RUDE, Keyword

from conftest import SAMPLE_COMMENTS
from models.classifier import Classifier
from models.schema import LABELS, LabeledComment, write_comments
from training.calibration import calibrate
from training.datasets import Split, read_corpus, split_corpus
from training.disguises.transforms import TRANSFORMS
from training.evaluation.held_out import curves, evaluate
from training.gate import deciding_metrics
from training.release import build

pytestmark = pytest.mark.slow

REVIEW = {"review": {"threshold": 0.5}}


@pytest.fixture(scope="module")
def sample() -> Split:
    return split_corpus(read_corpus([SAMPLE_COMMENTS]))


@pytest.fixture(scope="module")
def fitted(sample: Split) -> Classifier:
    return build(sample, labels=("toxicity", "insult")).for_domain()


def test_an_evaluation_has_every_section(sample: Split, fitted: Classifier) -> None:
    fitted, points = calibrate(fitted, sample)
    told: list[str] = []
    figures = evaluate(fitted, points, sample, progress=lambda phrase, _: told.append(phrase))
    assert figures["benchmarks"]["sample test"]["n"] == len(sample.test)
    assert list(figures["labels"]) == ["toxicity", "insult"]
    assert {"egyptian", "gulf", "levantine", "msa"} <= set(figures["dialects"])
    assert set(figures["sets"]) == {"sample"}
    assert set(figures["evasion"]) == set(TRANSFORMS)
    assert set(figures["dilution"]) == {"20 harmless words", "100 harmless words"}
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
    probed = evaluate(Keyword(), {"toxicity": REVIEW}, split)["probes"]
    share = {"n": 4, "flagged_share": 0.25, "flagged_share_by_any_label": 0.25}
    assert probed == {"news": share, "news, at most 2 words": share}


def test_long_harmless_comments_and_very_short_ones_are_counted_by_themselves(
    sample: Split,
) -> None:
    long = " ".join([POLITE] * 39)
    texts = [POLITE, f"{POLITE} {RUDE}", f"{long} {RUDE}", f"{long} {POLITE}", long]
    split = Split(sample.train, sample.validation, sample.test, {"news": texts}, [])
    probed = evaluate(Keyword(), {"toxicity": REVIEW}, split)["probes"]
    found = {name: (m["n"], m["flagged_share"]) for name, m in probed.items()}
    assert found == {
        "news": (5, 0.4),
        "news, at most 2 words": (2, 0.5),
        "news, 40 words and more": (2, 0.5),
    }


def test_a_promotion_is_decided_by_whole_probes_and_not_by_the_few_texts_of_a_length(
    tmp_path: Path,
) -> None:
    comments = [
        LabeledComment(str(i), f"{RUDE} {letters}", {"toxicity": 1.0}, "mpold")
        for i, letters in enumerate(map("".join, permutations("abcdef", 4)))
    ]
    write_comments(comments, tmp_path / "news.jsonl")
    split = replace(split_corpus(read_corpus([tmp_path / "news.jsonl"])), probes={"aoc": [POLITE]})
    figures = evaluate(Keyword(), {"toxicity": REVIEW}, split)
    assert list(figures["probes"]) == ["aoc", "aoc, at most 2 words"]
    decided = deciding_metrics(figures)
    assert decided["aoc"] == {"flagged_share": 0.0, "n": 1}
    assert "aoc, at most 2 words" not in decided


def test_curves_are_drawn_for_labels_of_both_kinds_only(sample: Split, fitted: Classifier) -> None:
    drawn = curves(fitted, sample.test)
    assert set(drawn) == {"toxicity", "insult"} <= set(LABELS)
    for curve in drawn.values():
        assert len(curve["recall"]) == len(curve["precision"])
        assert curve["recall"][-1] == 1.0
