"""The classifier: calibrated, deterministic, additive, exact about its reasons."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from conftest import SAMPLE_COMMENTS
from models.characters import DEFAULT_IGNORABLE
from models.classifier import LEAST, MARGIN, Classifier
from models.errors import InvalidText
from models.learning import WordClusters
from models.normalize import normalize, normalize_batch
from models.schema import LABELS, read_comments

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


def fitted() -> Classifier:
    classifier = Classifier(min_df=1, n_epochs=30, word_clusters=CLUSTERS)
    return classifier.fit(
        [t for t, learned in zip(TEXTS, LEARNED, strict=True) if learned], Y[LEARNED]
    )


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return fitted().calibrate(TEXTS, Y)


def test_it_tells_abuse_from_the_rest_on_comments_it_has_not_seen(classifier: Classifier) -> None:
    scores = classifier.predict_proba(TEXTS)[:, 0]
    assert roc_auc_score(TOXIC[~LEARNED], scores[~LEARNED]) > 0.7  # 280 comments are very few


@given(st.lists(st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]))))
def test_a_text_has_the_same_score_alone_and_in_any_batch(
    classifier: Classifier, texts: list[str]
) -> None:
    together = classifier.predict_proba(texts)
    assert together.shape == (len(texts), len(classifier.labels_))
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


def test_scores_do_not_depend_on_the_chunk_a_text_falls_into(classifier: Classifier) -> None:
    scores = classifier.predict_proba(TEXTS)
    for between in ("", "word " * 20_000):  # many texts, and many letters
        many = [between, *TEXTS, *TEXTS, between, *TEXTS]
        assert np.array_equal(classifier.predict_proba(many)[-len(TEXTS) :], scores)
        assert np.array_equal(classifier.predict_proba(many)[1 : len(TEXTS) + 1], scores)


def test_repeating_a_text_never_lowers_its_score(classifier: Classifier) -> None:
    once = classifier.decision_function(TEXTS)
    for times in (2, 3, 40):
        again = classifier.decision_function([" ".join([text] * times) for text in TEXTS])
        assert (again >= once).all()


def test_the_passage_that_decides_is_the_one_that_tells(classifier: Classifier) -> None:
    logits = classifier.decision_function(TEXTS)[:, 0]
    worst = TEXTS[logits.argmax()]
    filler = [f"{a}o{b}" for a in "bdfgklmnprst" for b in "bdfgklmnprst"]
    among = " ".join([*filler, worst, *filler])
    assert classifier.decision_function([among])[0, 0] > logits.max() - MARGIN - 0.2
    told = classifier.explain([among])[0]
    outside = np.r_[0 : among.index(worst) - 60, among.index(worst) + len(worst) + 80 : len(among)]
    assert not told.contributions[outside].any()
    assert told.evidence()[0].weight > 0


def test_no_word_speaks_against_a_label_by_more_than_the_least(classifier: Classifier) -> None:
    state = classifier.get_state()
    table = state["table_"].copy()
    table[1 : 1 + len(KNOWN)] = -60.0  # every known word is as harmless as can be
    tame = Classifier.from_state(state | {"table_": table})
    (added,) = tame.decision_function([KNOWN[0]]) - tame.intercepts_
    assert (added * np.sqrt(max(4, 4 * len(KNOWN[0]))) >= LEAST - 1e-9).all()


@pytest.mark.parametrize("label", LABELS)
def test_what_each_letter_adds_sums_to_the_logit(classifier: Classifier, label: str) -> None:
    texts = [*TEXTS, "", " ", "!!", "\u0643 \u0644 \u0628", "\ufdfa", "@a http://b.example \u064e"]
    texts += [" ".join(TEXTS[:30]), " ".join(TEXTS[:9] * 9)]
    logits = classifier.decision_function(texts)[:, classifier.labels_.index(label)]
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


def test_a_state_scores_as_the_classifier_it_came_from(classifier: Classifier) -> None:
    restored = Classifier.from_state(classifier.get_state())
    assert restored.labels_ == classifier.labels_
    assert np.array_equal(restored.predict_proba(TEXTS), classifier.predict_proba(TEXTS))


@pytest.mark.parametrize(
    "name",
    [
        "slots_",
        "word_hashes_",
        "word_letters_",
        "word_starts_",
        "table_",
        "intercepts_",
        "calibration_",
    ],
)
def test_a_state_with_a_wrong_array_is_refused(classifier: Classifier, name: str) -> None:
    state = classifier.get_state()
    with pytest.raises(ValueError, match="wrong shape"):
        Classifier.from_state(state | {name: state[name][:1]})
    with pytest.raises(ValueError, match=name):
        Classifier.from_state({key: value for key, value in state.items() if key != name})


def test_the_same_comments_give_the_same_weights() -> None:
    first, second = fitted().get_state(), fitted().get_state()
    assert all(np.array_equal(first[name], second[name]) for name in first if name != "labels")


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


def test_labels_come_in_the_order_of_the_schema_and_only_where_both_kinds_were_seen() -> None:
    y = Y[:, [LABELS.index("insult"), LABELS.index("toxicity"), LABELS.index("spam")]].copy()
    y[:, 2] = np.nan
    classifier = Classifier(labels=("insult", "toxicity", "spam"), min_df=1, n_epochs=5)
    assert classifier.fit(TEXTS, y).labels_ == ("toxicity", "insult")


def test_a_site_learns_its_own_line_beside_what_all_share() -> None:
    # One site takes sarcasm down, which no other does.
    sarcasm = ["\u0628\u0631\u0627\u0641\u0648 " + text for text in TEXTS[:40]]  # bravo
    texts = [*TEXTS, *sarcasm]
    y = np.concatenate((TOXIC.astype(float), np.ones(40)))[:, None]
    domains = ["all"] * len(TEXTS) + ["site"] * 40
    shared = Classifier(labels=("toxicity",), min_df=1).fit(texts, y, domains=domains)
    own = shared.for_domain("site")
    assert own.decision_function(sarcasm).mean() > shared.decision_function(sarcasm).mean()
    with pytest.raises(KeyError, match="elsewhere"):
        shared.for_domain("elsewhere")


def test_a_known_word_lends_its_weight_to_the_words_of_its_cluster() -> None:
    insults, others = ["alpha", "beta"], ["gamma", "delta"]
    clusters = WordClusters([*insults, *others], np.array([[0, 0, 1, 1]], dtype=np.int32))
    texts = ["you alpha"] * 8 + ["you gamma"] * 8
    y = np.array([1.0] * 8 + [0.0] * 8)
    classifier = Classifier(labels=("toxicity",), min_df=1, word_clusters=clusters).fit(texts, y)
    beta, delta = classifier.decision_function(["you beta", "you delta"])[:, 0]
    assert beta > delta


@pytest.mark.parametrize(
    ("y", "named"),
    [
        (np.ones((2, 1)), "no label has examples of both kinds"),
        (np.array([[2.0], [0.0]]), r"outside \[0, 1\]"),
        (np.ones((3, 1)), "shape"),
    ],
)
def test_bad_labels_are_refused_by_name(y: np.ndarray, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Classifier(labels=("toxicity",)).fit(["a", "b"], y)


def test_comments_without_a_frequent_n_gram_are_refused() -> None:
    y = np.array([1.0, 0.0])
    for texts, min_df in ((["ab", "cd"], 4), (["", " "], 1)):
        with pytest.raises(ValueError, match="no n-gram is in enough"):
            Classifier(labels=("toxicity",), min_df=min_df).fit(texts, y)


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
        lambda given: classifier.calibrate(given, Y[:0]),
        lambda given: Classifier().fit(given, Y[:0]),
        lambda given: Classifier().fit(["a"] * len(given), Y[: len(given)], domains=given),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="not one text"):
            call(text)


def test_an_unknown_label_cannot_be_explained(classifier: Classifier) -> None:
    with pytest.raises(ValueError, match="rudeness"):
        classifier.explain(["x"], "rudeness")


def test_it_keeps_the_estimator_contract() -> None:
    classifier = Classifier(C=3.0, labels=("toxicity",))
    assert clone(classifier).get_params() == classifier.get_params()
    assert not hasattr(classifier, "table_")
