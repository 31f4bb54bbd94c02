"""Errors of a classifier are written where they were asked for, to be read and sorted by kind."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tiny_sentence_scorer import tiny_sentence_scorer

from models.classifier import Blend, Classifier
from models.registry import Registry
from models.schema import LABELS
from training.blend import blended
from training.cli import main
from training.datasets import Corpus, read_corpus, split_corpus
from training.evaluation.errors import Error, errors
from training.release import build

pytestmark = pytest.mark.slow

CONTRAST = Path(__file__).parent.parent / "training" / "data" / "contrast.tsv"
REVIEW = {"toxicity": 0.5, "insult": 0.5}


@pytest.fixture(scope="module")
def contrasts() -> Corpus:
    return read_corpus([CONTRAST])


@pytest.fixture(scope="module")
def classifier(contrasts: Corpus) -> Classifier:
    """One that learned a tenth of it, with a second reader that reads one text in two."""
    split = split_corpus(contrasts)
    few = split.train.select(np.arange(0, len(split.train), 10))
    learned = build(split, labels=("toxicity", "insult")).for_domain()
    y = few.y[:, [LABELS.index(label) for label in learned.labels]]
    classifier = blended(learned, tiny_sentence_scorer(), few.texts, y)
    floors = np.repeat(np.median(learned.scorer.logits(split.test.texts), axis=0)[None], 2, 0)
    return replace(classifier, blend=replace(blend_of(classifier), floors=floors))


def blend_of(classifier: Classifier) -> Blend:
    assert classifier.blend
    return classifier.blend


@pytest.fixture(scope="module")
def found(contrasts: Corpus, classifier: Classifier) -> list[Error]:
    return errors(classifier, REVIEW, split_corpus(contrasts).test, 12)


def test_an_error_is_a_harmless_text_that_is_flagged_or_an_abusive_one_that_is_not(
    found: list[Error],
) -> None:
    assert [e.side for e in found] == ["false alarm"] * 12 + ["miss"] * 12
    for error in found:
        if error.side == "miss":
            assert set(error.labels) - {"spam"} or "spam" in error.labels
            assert error.flagged == []
            assert error.score < 0.5
        else:
            assert error.labels == []
            assert error.flagged


def test_errors_are_sorted_by_kind(found: list[Error]) -> None:
    kinds = [error.kind for error in found if error.side == "miss"]
    assert kinds == sorted(kinds)
    assert len(set(kinds)) > 3


def test_an_error_says_what_each_reader_says(found: list[Error], classifier: Classifier) -> None:
    blend = blend_of(classifier)
    for error in found:
        words = classifier.scorer.logits([error.text])
        states = blend.states(words)
        assert error.words == words[0, 0]
        said = blend.sentence_logits([error.text], states, words, classifier.scorer)[0, 0]
        assert error.sentence == (said or None)
    assert {error.sentence is None for error in found} == {True, False}


def test_the_same_errors_are_drawn_each_time(
    found: list[Error], contrasts: Corpus, classifier: Classifier
) -> None:
    assert errors(classifier, REVIEW, split_corpus(contrasts).test, 12) == found


def test_errors_go_to_a_file_of_their_owner_and_no_text_of_them_is_told(tmp_path: Path) -> None:
    contrasts = split_corpus(read_corpus([CONTRAST]))
    classifier = build(contrasts, labels=("toxicity",)).for_domain()
    registry, path = Registry(tmp_path / "artifacts"), tmp_path / "errors" / "all.jsonl"
    points = {"operating_points": {"toxicity": {"review": {"threshold": 0.5}}}}
    registry.promote(registry.save(classifier, points, lambda manifest: ""))
    wanted = ["--artifacts", registry.root, "--errors", path, "--n-errors", 7]
    result = CliRunner().invoke(main, ["evaluate", str(CONTRAST), *map(str, wanted)])
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    read = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [error["side"] for error in read] == ["false alarm"] * 7 + ["miss"] * 7
    assert read[0]["set"] == "contrast"
    assert "wrote 14 errors" in result.output
    assert not [error for error in read if error["text"] in result.output + result.stderr]
