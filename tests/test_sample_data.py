"""The comments written for the project: sample comments and training examples."""

from collections import Counter
from pathlib import Path

import pytest
from abusive_words import abusive_words

from models.normalize import normalize
from models.schema import LABELS, LabeledComment, read_comments
from training.hakamcheck import load

DATA = Path(__file__).parent.parent / "training" / "data"
SAMPLE = list(read_comments(DATA / "samples.jsonl"))
TRAINING = list(read_comments(DATA / "extra.jsonl"))
DIALECTS = {"msa", "gulf", "levantine", "egyptian", "maghrebi", "iraqi"}
ABUSE = ("severe_toxicity", "insult", "profanity", "identity_attack", "threat", "religious_insult")
SAME_LETTERS = 0.5
"""Two comments are one if they share this much of their four-letter sequences."""

of_both = pytest.mark.parametrize("comments", [SAMPLE, TRAINING], ids=["sample", "training"])


def letters(comment: LabeledComment) -> str:
    """The normalized letters of text and pen name."""
    return normalize(f"{comment.text} {comment.author_name}").text


def letter_sequences(text: str) -> frozenset[str]:
    """The four-letter sequences of a normalized text."""
    return frozenset(text[i : i + 4] for i in range(len(text) - 3))


def count(comments: list[LabeledComment]) -> Counter[str]:
    """How many comments have each label and each dialect."""
    return Counter(
        word
        for comment in comments
        for word in [comment.dialect, *(name for name, on in comment.labels.items() if on)]
    )


def test_at_least_400_sample_comments_cover_every_label_and_dialect() -> None:
    assert len(SAMPLE) >= 400
    counts = count(SAMPLE)
    assert min(counts[label] for label in LABELS) >= 25
    assert min(counts[dialect] for dialect in DIALECTS) >= 50


def test_at_least_half_of_the_sample_is_clean() -> None:
    n_clean = sum(not any(comment.labels.values()) for comment in SAMPLE)
    assert 2 * n_clean >= len(SAMPLE)


def test_at_least_600_training_examples_cover_every_label_and_dialect() -> None:
    assert len(TRAINING) >= 600
    counts = count(TRAINING)
    assert min(counts[label] for label in LABELS) >= 15
    assert counts["threat"] >= 100
    assert min(counts[dialect] for dialect in DIALECTS) >= 100


def test_training_examples_are_about_half_clean_and_half_abusive() -> None:
    n_clean = sum(not comment.labels["toxicity"] for comment in TRAINING)
    assert 0.4 < n_clean / len(TRAINING) < 0.6


@of_both
def test_every_comment_is_judged_for_every_label(comments: list[LabeledComment]) -> None:
    for comment in comments:
        assert set(comment.labels) == set(LABELS), comment.id
        assert set(comment.labels.values()) <= {0, 1}, comment.id
        assert comment.dialect in DIALECTS, comment.id


@of_both
def test_whatever_is_abusive_is_toxic_and_spam_alone_is_not(comments: list[LabeledComment]) -> None:
    for comment in comments:
        is_abuse = any(comment.labels[label] for label in ABUSE)
        assert comment.labels["toxicity"] == is_abuse, comment.id


@of_both
def test_no_comment_is_written_twice(comments: list[LabeledComment]) -> None:
    assert len({comment.id for comment in comments}) == len(comments)
    repeated = [text for text, n in Counter(map(letters, comments)).items() if n > 1]
    assert repeated == []


def test_the_sample_has_a_training_and_a_test_part_of_the_same_make() -> None:
    for part in ("train", "test"):
        counts = count([comment for comment in SAMPLE if comment.split == part])
        assert min(counts[dialect] for dialect in DIALECTS) >= 5
        assert counts["toxicity"] >= 25


def test_some_sample_comments_are_abusive_by_their_pen_name() -> None:
    named = [comment for comment in SAMPLE if comment.author_name]
    assert {comment.labels["toxicity"] for comment in named} == {0, 1}


def test_no_training_example_has_an_abusive_word_of_the_functional_suites_test_part() -> None:
    for comment in TRAINING:
        assert not abusive_words(f"{comment.text} {comment.author_name}", "test"), comment.id


@pytest.mark.slow
def test_no_training_example_resembles_a_comment_that_tests() -> None:
    texts = [f"{case.text} {case.author_name}" for case in load("test")]
    texts += [f"{comment.text} {comment.author_name}" for comment in SAMPLE]
    tested = [letter_sequences(normalize(text).text) for text in texts]
    where: dict[str, list[int]] = {}
    for number, sequences in enumerate(tested):
        for sequence in sequences:
            where.setdefault(sequence, []).append(number)
    for comment in TRAINING:
        own = letter_sequences(letters(comment))
        n_shared = Counter(number for sequence in own for number in where.get(sequence, ()))
        for number, n in n_shared.items():
            smaller = min(len(own), len(tested[number]))
            if smaller >= 24:  # a greeting or a formula of a few words is everybody's
                assert n / smaller < SAME_LETTERS, (comment.id, texts[number])
