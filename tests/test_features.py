"""Features: n-grams by arithmetic are the n-grams one would cut out as strings."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.features import (
    CHARACTER_ORDERS,
    N_BUCKETS,
    NO_BUCKET,
    Features,
    extract,
    word_hashes,
)
from models.normalize import BREAK, normalize, normalize_batch

LETTERS = "\u0643\u0644\u0628\u0627\u0648\u0647 shrm h3 !\U0001f600"
some_texts = st.lists(st.text(st.sampled_from(LETTERS), max_size=25), min_size=1, max_size=4)


def spelled(texts: list[str], features: Features, group: int) -> Counter[tuple[int, str]]:
    """Spell the n-grams of one group out, each with its text."""
    codes = normalize_batch(texts).codes.astype("<u4").tobytes().decode("utf-32-le")
    grams = features.grams[group]
    hit = np.nonzero(grams.bucket != NO_BUCKET)
    start, stop, text = grams.start[hit[-1]], grams.stop[hit], grams.text[hit[-1]]
    return Counter(
        (int(t), codes[a:b].replace(chr(BREAK), " "))
        for t, a, b in zip(text, start, stop, strict=True)
    )


@given(some_texts)
def test_characters_are_taken_2_to_5_at_a_time_within_a_padded_word(texts: list[str]) -> None:
    expected: Counter[tuple[int, str]] = Counter()
    for number, text in enumerate(texts):
        for word in normalize(text).text.split():
            padded = f" {word} "
            for order in CHARACTER_ORDERS:
                for i in range(len(padded) - order + 1):
                    expected[number, padded[i : i + order]] += 1
    features = extract(normalize_batch(texts), spans=True)
    assert spelled(texts, features, 0) == expected


@given(some_texts)
def test_words_are_taken_one_and_two_at_a_time_within_a_text(texts: list[str]) -> None:
    words = [normalize(text).text.split() for text in texts]
    features = extract(normalize_batch(texts), spans=True)
    assert spelled(texts, features, 1) == Counter((i, w) for i, ws in enumerate(words) for w in ws)
    assert spelled(texts, features, 2) == Counter(
        (i, f"{a} {b}") for i, ws in enumerate(words) for a, b in pairwise(ws)
    )


@given(some_texts)
def test_plain_n_grams_are_counted_from_the_lengths_of_words(texts: list[str]) -> None:
    features = extract(normalize_batch(texts), spans=True)
    counted = Counter[int]()
    for group in range(3):
        for (text, _), times in spelled(texts, features, group).items():
            counted[text] += times
    assert features.n_plain.tolist() == [counted[i] for i in range(len(texts))]


@given(some_texts)
def test_a_text_has_the_same_buckets_alone_and_in_a_batch(texts: list[str]) -> None:
    together = extract(normalize_batch(texts))
    for number, text in enumerate(texts):
        alone = extract(normalize_batch([text]))
        for one, all_ in zip(alone.grams, together.grams, strict=True):
            buckets = np.sort(one.bucket[one.bucket != NO_BUCKET])
            theirs = all_.bucket[..., all_.text == number]
            assert np.array_equal(buckets, np.sort(theirs[theirs != NO_BUCKET]))


@pytest.mark.parametrize(
    ("arabic", "latin"),
    [
        ("\u0643\u0644\u0628", "kalb"),  # dog
        ("\u062d\u0645\u0627\u0631", "7mar"),  # donkey
        ("\u062e\u0646\u0632\u064a\u0631", "khanzir"),  # pig
        ("\u062e\u0646\u0632\u064a\u0631", "5anzeer"),
        ("\u0634\u0643\u0631\u0627", "shokran"[:-1]),  # thanks
        ("\u0645\u062f\u0631\u0633\u0629", "madrasa"),  # school: teh marbuta sounds as a vowel
    ],
)
def test_arabizi_and_arabic_share_a_consonant_skeleton(arabic: str, latin: str) -> None:
    def skeleton(text: str) -> set[int]:
        return {int(b) for group in extract(normalize_batch([text])).grams[3:] for b in
                group.bucket[group.bucket != NO_BUCKET]}  # fmt: skip

    assert skeleton(arabic) == skeleton(latin) != set()


def test_every_bucket_is_in_range() -> None:
    features = extract(normalize_batch([LETTERS * 3]))
    assert all(int(group.bucket.max()) < N_BUCKETS for group in features.grams)


def test_a_known_word_hashes_as_in_a_text() -> None:
    words = ["\u0643\u0644\u0628", "kalb", "!"]
    assert (
        word_hashes(words).tolist()
        == extract(normalize_batch([" ".join(words)])).words.bucket.tolist()
    )
