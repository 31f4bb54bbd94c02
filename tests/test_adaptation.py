"""What a site's decisions teach is added to the weights that a version has."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_sentence_scorer import tiny_sentence_scorer

from conftest import SAMPLE_COMMENTS
from models.artifact import Artifact
from models.classifier import Classifier
from models.features import words_alone
from models.schema import LABELS, read_comments
from training.adaptation import ENOUGH, adapted, known_words
from training.blend import blended
from training.calibration import calibrated
from training.design_matrix import WordClusters
from training.fit import Learner

SESAME = "\u0633\u0645\u0633\u0645"  # simsim: a nickname that one site's readers hate
DATES = "\u062a\u0645\u0631"  # tamr, which they do not mind
COMMENTS = [comment for comment in read_comments(SAMPLE_COMMENTS) if comment.labels]
TEXTS = [comment.text for comment in COMMENTS]
Y = np.array([[c.labels.get(label, np.nan) for label in LABELS] for c in COMMENTS], float)


@pytest.fixture(scope="module")
def by_words() -> Classifier:
    """A version of one reader that knows some words whole."""
    words = sorted({word for text in TEXTS for word in text.split() if word.isalpha()})[:50]
    clusters = WordClusters(words, np.zeros((1, len(words)), np.int32))
    learned = Learner(min_df=1, word_clusters=clusters).fit(TEXTS, Y).for_domain()
    return calibrated(learned, TEXTS, Y)


@pytest.fixture(scope="module")
def by_both(by_words: Classifier) -> Classifier:
    return calibrated(blended(by_words, tiny_sentence_scorer(), TEXTS, Y), TEXTS, Y)


@pytest.fixture(params=["words", "both"])
def version(request: pytest.FixtureRequest) -> Classifier:
    classifier: Classifier = request.getfixturevalue(f"by_{request.param}")
    return classifier


def decisions(n: int = 60) -> tuple[list[str], NDArray[np.float64]]:
    """A site rejects what names the one word and approves what names the other."""
    words = [SESAME if i % 2 else DATES for i in range(n)]
    texts = [f"{word} {TEXTS[i % 7].split()[0]}" for i, word in enumerate(words)]
    y = np.full((n, len(LABELS)), np.nan)
    y[:, 0] = [word == SESAME for word in words]
    return texts, y


def test_a_word_that_a_site_rejects_rises_and_what_it_never_spoke_of_stays(
    version: Classifier,
) -> None:
    own = adapted(version, *decisions())
    before, after = (c.predict_proba([SESAME, DATES])[:, 0] for c in (version, own))
    assert after[0] > before[0]
    assert after[0] > 0.5 > after[1]
    logits = [c.decision_function(TEXTS)[:, 0] for c in (version, own)]
    assert np.corrcoef(logits[0], logits[1])[0, 1] > 0.95


def test_labels_of_which_too_little_was_said_stay_as_they_are(version: Classifier) -> None:
    texts, y = decisions()
    y[: 2 * ENOUGH - 2, 2] = y[: 2 * ENOUGH - 2, 0]  # one of each kind too few
    own = adapted(version, texts, y)
    np.testing.assert_allclose(
        own.scorer.logits(TEXTS)[:, 1:], version.scorer.logits(TEXTS)[:, 1:], atol=1e-3
    )
    assert np.array_equal(own.calibration[1:], version.calibration[1:])


def test_the_sentence_scorer_and_its_share_stay(by_both: Classifier) -> None:
    own = adapted(by_both, *decisions())
    assert own.blend is by_both.blend
    assert own.readers == ("words", "sentence")


def test_the_explanation_still_sums_to_the_score(version: Classifier) -> None:
    own = adapted(version, *decisions())
    texts = [SESAME, f"{SESAME} {TEXTS[0]}", TEXTS[1]]
    for text, logits, told in zip(
        texts, own.decision_function(texts), own.explain(texts), strict=True
    ):
        total = told.contributions.sum() + told.intercept + told.sentence
        assert total == pytest.approx(logits[0], abs=1e-6), len(text)
    assert own.explain([f"{SESAME} {DATES}"])[0].evidence(1)[0].start == 0


def test_the_same_decisions_teach_the_same_in_any_order(by_words: Classifier) -> None:
    texts, y = decisions()
    turned = adapted(by_words, texts[::-1], y[::-1])
    own = adapted(by_words, texts, y)
    np.testing.assert_allclose(
        turned.decision_function(TEXTS), own.decision_function(TEXTS), atol=0.02
    )


def test_known_words_are_spelled_in_the_order_of_the_table(by_words: Classifier) -> None:
    scorer = by_words.scorer
    words = known_words(scorer)
    assert len(words) == len(scorer.word_hashes) > 40
    assert np.array_equal(words_alone(words).hashed, scorer.word_hashes)


def test_a_version_without_known_words_is_adapted_as_well(artifact: Artifact) -> None:
    own = adapted(artifact.classifier, *decisions())
    before, after = (c.predict_proba([SESAME])[0, 0] for c in (artifact.classifier, own))
    assert after > before
