"""The classifier: calibrated, deterministic, additive, exact about its reasons."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from conftest import SAMPLE_COMMENTS
from models.characters import DEFAULT_IGNORABLE
from models.classifier import ARRAYS, Classifier
from models.errors import InvalidText
from models.normalize import normalize, normalize_batch
from models.registry import Registry
from models.schema import LABELS, read_comments
from training.calibration import calibrated
from training.design_matrix import WordClusters
from training.fit import Learner

COMMENTS = list(read_comments(SAMPLE_COMMENTS))
TEXTS = [comment.text for comment in COMMENTS]
Y = np.array(
    [[comment.labels.get(label, np.nan) for label in LABELS] for comment in COMMENTS], float
)
TOXIC = Y[:, 0] == 1
LEARNED = np.arange(len(TEXTS)) % 3 != 0
COUNTS = Counter(" ".join(normalize(text).text for text in TEXTS).split()).most_common()
KNOWN = [word for word, count in COUNTS if count > 2]
CLUSTERS = WordClusters(KNOWN, np.arange(len(KNOWN), dtype=np.int32)[None] // 20)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    learner = Learner(min_df=1, n_epochs=30, word_clusters=CLUSTERS)
    learned = [t for t, is_learned in zip(TEXTS, LEARNED, strict=True) if is_learned]
    return calibrated(learner.fit(learned, Y[LEARNED]).for_domain(), TEXTS, Y)


def test_it_tells_abuse_from_the_rest_on_comments_it_has_not_seen(classifier: Classifier) -> None:
    scores = classifier.predict_proba(TEXTS)[:, 0]
    assert roc_auc_score(TOXIC[~LEARNED], scores[~LEARNED]) > 0.7  # 280 comments are very few


@given(st.lists(st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]))))
def test_a_text_has_the_same_score_alone_and_in_any_batch(
    classifier: Classifier, texts: list[str]
) -> None:
    together = classifier.predict_proba(texts)
    assert together.shape == (len(texts), len(classifier.labels))
    assert ((together >= 0) & (together <= 1)).all()
    for text, row in zip(texts, together, strict=True):
        assert np.array_equal(classifier.predict_proba([text])[0], row)


@given(st.sampled_from(TEXTS), st.data())
def test_what_shows_nothing_changes_no_score_wherever_it_stands(
    classifier: Classifier, text: str, data: st.DataObject
) -> None:
    nothing = data.draw(st.lists(st.sampled_from(sorted(DEFAULT_IGNORABLE)), min_size=1))
    places = [data.draw(st.integers(0, len(text))) for _ in nothing]
    padded = text
    for place, code in sorted(zip(places, nothing, strict=True), reverse=True):
        padded = padded[:place] + chr(code) + padded[place:]
    assert np.array_equal(classifier.predict_proba([padded]), classifier.predict_proba([text]))


@pytest.mark.parametrize("label", LABELS)
def test_what_each_letter_adds_sums_to_the_logit(classifier: Classifier, label: str) -> None:
    texts = [*TEXTS, "", " ", "!!", "\u0643 \u0644 \u0628", "\ufdfa", "@a http://b.example \u064e"]
    texts += [" ".join(TEXTS[:30]), " ".join(TEXTS[:9] * 9)]
    logits = classifier.decision_function(texts)[:, classifier.labels.index(label)]
    for text, logit, told in zip(texts, logits, classifier.explain(texts, label), strict=True):
        assert told.contributions.shape == (len(text),)
        assert told.contributions.sum() + told.intercept == pytest.approx(logit, abs=1e-4)


def test_evidence_names_the_original_letters_of_a_disguised_word(classifier: Classifier) -> None:
    flagged = max(TEXTS, key=lambda text: classifier.predict_proba([text])[0, 0])
    worst = classifier.explain([flagged])[0].evidence()[0]
    word = flagged[worst.start : worst.end]
    spread = "\u0640".join(word)  # with tatweel between all letters
    disguised = flagged[: worst.start] + spread + flagged[worst.end :]
    spans = classifier.explain([disguised])[0].evidence()
    assert disguised[spans[0].start : spans[0].end] == spread
    assert spans == sorted(spans, key=lambda span: -span.weight)
    assert all(span.weight > 0 for span in spans)


def test_evidence_shows_a_word_that_is_spread_out_or_drawn_long_as_one(
    classifier: Classifier,
) -> None:
    flagged = max(TEXTS, key=lambda text: classifier.predict_proba([text])[0, 0])
    worst = classifier.explain([flagged])[0].evidence()[0]
    before, word = flagged[: worst.start], flagged[worst.start : worst.end]
    after = flagged[worst.end :]
    for disguised in (" ".join(word), word + word[-1] * 9, word + "\u064e"):  # FATHA
        text = f"{before}{disguised}{after}"
        first = classifier.explain([text])[0].evidence()[0]
        assert text[first.start : first.end] == disguised


def test_calibrated_scores_mean_what_they_say(classifier: Classifier) -> None:
    scores = classifier.predict_proba(TEXTS)[:, 0]
    assert scores.mean() == pytest.approx(TOXIC.mean(), abs=0.05)


def test_calibration_never_ties_or_swaps_two_comments(classifier: Classifier) -> None:
    logits, scores = (
        classifier.decision_function(TEXTS)[:, 0],
        classifier.predict_proba(TEXTS)[:, 0],
    )
    assert (np.diff(scores[np.argsort(logits)]) >= 0).all()
    assert len(np.unique(scores)) == len(np.unique(logits))


def test_a_lone_surrogate_is_refused(classifier: Classifier) -> None:
    with pytest.raises(InvalidText):
        classifier.predict_proba(["\udc00"])


@pytest.mark.parametrize("text", ["", "text", b"text", bytearray(b"")])
def test_one_text_is_not_taken_for_many(classifier: Classifier, text: Any) -> None:
    calls: list[Callable[[Any], object]] = [
        classifier.predict_proba,
        classifier.decision_function,
        classifier.explain,
        normalize_batch,
        lambda given: calibrated(classifier, given, Y[:0]),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="not one text"):
            call(text)


def test_an_unknown_label_cannot_be_explained(classifier: Classifier) -> None:
    with pytest.raises(ValueError, match="rudeness"):
        classifier.explain(["x"], "rudeness")


def test_arrays_score_as_the_classifier_they_came_from(classifier: Classifier) -> None:
    restored = Classifier.from_arrays(classifier.labels, classifier.arrays())
    assert np.array_equal(restored.predict_proba(TEXTS), classifier.predict_proba(TEXTS))


@pytest.mark.parametrize("name", ARRAYS)
def test_a_wrong_array_is_refused(classifier: Classifier, name: str) -> None:
    arrays = classifier.arrays()
    with pytest.raises(ValueError, match="wrong shape"):
        Classifier.from_arrays(classifier.labels, arrays | {name: arrays[name][:1]})
    with pytest.raises(KeyError, match=name):
        Classifier.from_arrays(
            classifier.labels, {key: array for key, array in arrays.items() if key != name}
        )


WITHOUT_LEARNING = """
import sys
for name in ("sklearn", "scipy", "joblib", "threadpoolctl"):
    sys.modules[name] = None  # to import it raises ImportError
from pathlib import Path
import numpy as np
from models.registry import Registry
from models.schema import read_comments
texts = [comment.text for comment in read_comments(sys.argv[1])]
np.save(sys.argv[2], Registry().load().classifier.predict_proba(texts))
"""


@pytest.mark.slow
def test_scoring_needs_no_library_of_learning_and_gives_the_probabilities_of_scipys_expit(
    tmp_path: Path,
) -> None:
    path = tmp_path / "scores.npy"
    command = [sys.executable, "-c", WITHOUT_LEARNING, str(SAMPLE_COMMENTS), str(path)]
    subprocess.run(command, check=True, timeout=120)
    released = Registry().load().classifier
    logits, maps = released.decision_function(TEXTS), released.calibration
    columns = [np.interp(logits[:, i], *maps[i]) for i in range(len(maps))]
    wanted = expit(np.stack(columns, axis=1))
    np.testing.assert_allclose(np.load(path)[: len(TEXTS)], wanted, rtol=0, atol=1e-12)
