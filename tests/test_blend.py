"""Two readers: who reads what, and how both logits become one score."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from tiny_sentence_scorer import tiny_sentence_scorer

from conftest import SAMPLE_COMMENTS
from models.classifier import ALONE, READ, SKIPPED, Blend, Classifier
from models.errors import ArtifactDamaged
from models.registry import Registry
from models.schema import LABELS, read_comments
from models.sentence_scorer import SentenceScorer
from training.blend import blended
from training.calibration import calibrated
from training.fit import Learner

COMMENTS = list(read_comments(SAMPLE_COMMENTS))
TEXTS = [comment.text for comment in COMMENTS]
Y = np.array(
    [[comment.labels.get(label, np.nan) for label in LABELS] for comment in COMMENTS], float
)


@pytest.fixture(scope="module")
def sentence() -> SentenceScorer:
    return tiny_sentence_scorer()


@pytest.fixture(scope="module")
def by_words() -> Classifier:
    half = slice(0, None, 2)
    return Learner(min_df=1, n_epochs=30).fit(TEXTS[half], Y[half]).for_domain()


@pytest.fixture(scope="module")
def classifier(by_words: Classifier, sentence: SentenceScorer) -> Classifier:
    return calibrated(blended(by_words, sentence, TEXTS, Y), TEXTS, Y)


def blend_of(classifier: Classifier) -> Blend:
    assert classifier.blend
    return classifier.blend


def test_every_comment_has_the_same_score_alone_and_in_any_batch(classifier: Classifier) -> None:
    many = [*TEXTS, " ".join(TEXTS), ""]
    together, states = classifier.judge(many)
    assert {SKIPPED, READ} == set(states.tolist())
    for text, row, state in zip(many, together, states, strict=True):
        scores, alone = classifier.judge([text])
        assert np.array_equal(scores[0], row)
        assert alone[0] == state
    assert np.array_equal(together, classifier.predict_proba(many))


def test_the_sentence_scorer_reads_only_where_a_word_logit_is_above_its_floor(
    classifier: Classifier, by_words: Classifier
) -> None:
    words = by_words.decision_function(TEXTS)
    _, states = classifier.judge(TEXTS)
    above = (words > blend_of(classifier).floors[0]).any(axis=1)
    assert np.array_equal(states == READ, above)
    skipped = [text for text, state in zip(TEXTS, states, strict=True) if state == SKIPPED]

    class Deaf(SentenceScorer):
        def _run(self, ids: list[int]) -> NDArray[np.float64]:
            assert not ids, "a text was read that need not be"
            return super()._run(ids)

    known = blend_of(classifier).scorer
    deaf = Deaf(known.graph, known.tokenizer, known.labels)
    without = replace(classifier, blend=replace(blend_of(classifier), scorer=deaf))
    assert np.array_equal(without.predict_proba(skipped), classifier.predict_proba(skipped))


@pytest.mark.parametrize("label", LABELS)
def test_words_constant_and_sentence_sum_to_the_logit(classifier: Classifier, label: str) -> None:
    texts = [*TEXTS, "", " ".join(TEXTS)]
    logits = classifier.decision_function(texts)[:, classifier.labels.index(label)]
    _, states = classifier.judge(texts)
    told = classifier.explain(texts, label)
    for logit, state, one in zip(logits, states, told, strict=True):
        assert one.contributions.sum() + one.intercept + one.sentence == pytest.approx(logit)
        assert state == READ or one.sentence == 0
    spoken = [one.sentence for one, state in zip(told, states, strict=True) if state == READ]
    assert (
        len(set(spoken)) > 1
        or not blend_of(classifier).weights[READ, classifier.labels.index(label), 1]
    )


def test_read_and_skipped_comments_share_one_scale(
    by_words: Classifier, sentence: SentenceScorer
) -> None:
    classifier = blended(by_words, sentence, TEXTS, Y)
    _, states = classifier.judge(TEXTS)
    expected = expit(classifier.decision_function(TEXTS)[:, 0])
    for state in (SKIPPED, READ):
        rows = (states == state) & ~np.isnan(Y[:, 0])
        assert expected[rows].mean() == pytest.approx(Y[rows, 0].mean(), abs=0.02)


def test_with_the_sentence_scorer_off_words_alone_decide(
    classifier: Classifier, by_words: Classifier
) -> None:
    alone = classifier.by_words_alone()
    scores, states = alone.judge(TEXTS)
    assert set(states.tolist()) == {ALONE}
    order = by_words.decision_function(TEXTS)[:, 0].argsort()
    assert (np.diff(scores[order, 0]) >= 0).all()
    assert by_words.judge(TEXTS)[1].tolist() == states.tolist()


def test_more_of_a_label_never_counts_against_it(
    by_words: Classifier, sentence: SentenceScorer
) -> None:
    classifier = blended(by_words, sentence, TEXTS, 1 - Y)  # whatever was learned from
    assert (blend_of(classifier).weights[:, :, :2] >= 0).all()


def test_comments_that_come_often_count_more(
    by_words: Classifier, sentence: SentenceScorer
) -> None:
    weight = np.where(Y[:, 0] == 1, 0.1, 1.0)
    rare = blended(by_words, sentence, TEXTS, Y, weight)
    even = blended(by_words, sentence, TEXTS, Y)
    rows = ~np.isnan(Y[:, 0])
    assert (
        expit(rare.decision_function(TEXTS)[rows, 0]).mean()
        < expit(even.decision_function(TEXTS)[rows, 0]).mean() - 0.1
    )


def test_a_label_that_the_sentence_scorer_does_not_know_is_judged_by_words(
    by_words: Classifier, sentence: SentenceScorer
) -> None:
    other = SentenceScorer(sentence.graph, sentence.tokenizer, ["another", *sentence.labels[1:]])
    weights = blend_of(blended(by_words, other, TEXTS, Y)).weights
    assert not weights[READ, 0, 1]
    assert weights[READ, 0, 0] > 0


@pytest.mark.parametrize(
    "change",
    [
        {"floors": np.zeros(1)},
        {"weights": np.zeros((3, 1, 3))},
        {"weights": np.full((3, len(LABELS), 3), -1.0)},
        {"weights": np.ones((3, len(LABELS), 3))},  # hears a reader who did not read
        {"columns": (0,)},
    ],
)
def test_a_blend_of_nonsense_is_refused(classifier: Classifier, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="blend"):
        replace(classifier, blend=replace(blend_of(classifier), **change))


POINTS = {"toxicity": {"review": {"threshold": 0.5}}}


@pytest.fixture
def saved(tmp_path: Path, classifier: Classifier) -> tuple[Registry, str]:
    registry = Registry(tmp_path)
    version = registry.save(classifier, {"operating_points": POINTS}, "# card")
    return registry, version


def test_a_version_with_two_readers_is_saved_and_loaded_as_it_was(
    saved: tuple[Registry, str], classifier: Classifier
) -> None:
    registry, version = saved
    loaded = registry.load(version).classifier
    assert np.array_equal(loaded.predict_proba(TEXTS), classifier.predict_proba(TEXTS))
    again = registry.save(loaded, {"operating_points": POINTS}, "# card")
    first, second = registry.manifest(version)["model"], registry.manifest(again)["model"]
    assert first == second
    sizes = {path.suffix: path.stat().st_size for path in (registry.root / version).iterdir()}
    assert sizes[".onnx"] == len(blend_of(classifier).scorer.graph)
    assert first["bytes"] > sizes[".onnx"]


def _forge(registry: Registry, version: str, name: str, content: bytes) -> None:
    """Put another file into a version, with the digest that belongs to it."""
    folder = registry.root / version
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["model"]["sha256"][name] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", ["sentence.onnx", "tokenizer.json"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda registry, version, name: (registry.root / version / name).unlink(),
        lambda registry, version, name: (registry.root / version / name).write_bytes(b"{}"),
        lambda registry, version, name: _forge(registry, version, name, b"{}"),
        lambda registry, version, name: _forge(registry, version, name, b"\x80\x04."),
    ],
)
def test_a_version_whose_sentence_scorer_is_missing_or_another_is_not_loaded(
    saved: tuple[Registry, str], name: str, spoil: Callable[[Registry, str, str], object]
) -> None:
    registry, version = saved
    spoil(registry, version, name)
    with pytest.raises(ArtifactDamaged, match=r"missing|SHA-256|not a classifier"):
        registry.load(version)


def test_a_manifest_of_two_readers_must_name_the_files_of_both(
    saved: tuple[Registry, str],
) -> None:
    registry, version = saved
    path = registry.root / version / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["model"]["sha256"]["sentence.onnx"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(ArtifactDamaged, match=r"sentence\.onnx"):
        registry.load(version)
