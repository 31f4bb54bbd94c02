"""Features: n-grams by arithmetic are the n-grams one would cut out as strings."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.features import (
    CHARACTER_ORDERS,
    LONGEST_PASSAGE,
    N_BUCKETS,
    N_PLAIN_BUCKETS,
    NO_BUCKET,
    Words,
    count_plain,
    first_occurrences,
    gram_buckets,
    pair_buckets,
    passages_of,
    words_alone,
    words_of,
)
from models.normalize import normalize, normalize_batch

LETTERS = "\u0643\u0644\u0628\u0627\u0648\u0647 shrm h3 !\U0001f600"
some_texts = st.lists(st.text(st.sampled_from(LETTERS), max_size=25), min_size=1, max_size=4)
some_words = st.lists(st.text(st.sampled_from(LETTERS.replace(" ", "")), min_size=1, max_size=9))


def spelled(words: Words) -> list[tuple[int, str]]:
    """Spell words out, each with its text."""
    codes = words.codes.astype("<u4").tobytes().decode("utf-32-le")
    return [
        (int(text), codes[start:stop])
        for text, start, stop in zip(words.text, words.start, words.stop, strict=True)
    ]


def buckets(words: list[str]) -> list[Counter[int]]:
    """Count the buckets of each word."""
    bucket, word = gram_buckets(words_alone(words), np.arange(len(words)))
    counts = [Counter[int]() for _ in words]
    for b, w in zip(bucket.tolist(), word.tolist(), strict=True):
        counts[w][b] += b != NO_BUCKET
    return [+counted for counted in counts]


@given(some_texts)
def test_words_are_what_stands_between_blanks(texts: list[str]) -> None:
    words = words_of(normalize_batch(texts))
    assert spelled(words) == [
        (number, word) for number, text in enumerate(texts) for word in normalize(text).text.split()
    ]


@given(some_texts)
def test_equal_words_and_no_others_have_equal_hashes(texts: list[str]) -> None:
    words = words_of(normalize_batch(texts))
    by_word = {word: hashed for (_, word), hashed in zip(spelled(words), words.hashed, strict=True)}
    assert [by_word[word] for _, word in spelled(words)] == words.hashed.tolist()
    assert len(set(by_word.values())) == len(by_word)
    alone = words_alone(list(by_word))
    assert alone.hashed.tolist() == list(by_word.values())


@given(some_texts)
def test_a_text_s_equal_words_count_once_where_they_first_stand(texts: list[str]) -> None:
    words = words_of(normalize_batch(texts))
    chosen = first_occurrences(words)
    assert sorted(chosen) == [
        i for i, word in enumerate(spelled(words)) if word not in spelled(words)[:i]
    ]


@given(st.lists(st.integers(0, 3 * LONGEST_PASSAGE), min_size=1, max_size=5))
def test_long_texts_are_cut_into_passages_of_about_equal_length(lengths: list[int]) -> None:
    words = words_of(normalize_batch(["word " * length for length in lengths]))
    cut, begins = passages_of(words, len(lengths))
    sizes = np.bincount(cut.text, minlength=begins[-1])
    for length, first, end in zip(lengths, begins[:-1], begins[1:], strict=True):
        assert sizes[first:end].sum() == length
        assert sizes[first:end].max() <= LONGEST_PASSAGE
        assert np.ptp(sizes[first:end]) <= 1
        assert end - first == max(1, -(-length // LONGEST_PASSAGE))


@given(some_texts)
def test_a_word_makes_a_pair_with_the_word_before_it_in_its_text(texts: list[str]) -> None:
    words = words_of(normalize_batch(texts))
    pairs = pair_buckets(words, np.arange(len(words.text)))
    named: dict[tuple[str, str], set[int]] = {}
    before = (-1, "")
    for (text, word), bucket in zip(spelled(words), pairs.tolist(), strict=True):
        named.setdefault((before[1] if before[0] == text else "", word), set()).add(bucket)
        before = text, word
    assert all(len(found) == 1 for found in named.values())
    assert all(bucket < N_PLAIN_BUCKETS for bucket in pairs.tolist())


@given(some_words)
def test_a_word_holds_its_characters_2_to_5_at_a_time_and_itself(words: list[str]) -> None:
    for word, counted in zip(words, buckets(words), strict=True):
        padded = f" {word} "
        plain = [b for b in counted.elements() if b < N_PLAIN_BUCKETS]
        assert len(plain) == 1 + sum(max(0, len(padded) - order + 1) for order in CHARACTER_ORDERS)
        assert max(counted) < N_BUCKETS


@given(some_words)
def test_a_word_holds_the_same_alone_and_among_others(words: list[str]) -> None:
    for word, counted in zip(words, buckets(words), strict=True):
        assert buckets([word]) == [counted]


def test_n_grams_are_shared_by_the_words_that_hold_them() -> None:
    inside, outside = buckets(["abcde", "xabcy"])
    # "ab", "bc" and "abc" of the characters; the skeletons bkd and kbk share nothing.
    assert (inside & outside).total() == 3


@given(some_texts)
def test_plain_n_grams_are_counted_from_the_lengths_of_words(texts: list[str]) -> None:
    words = words_of(normalize_batch(texts))
    counted = Counter[int]()
    for text, word in spelled(words):
        plain = [b for b in buckets([word])[0].elements() if b < N_PLAIN_BUCKETS]
        counted[text] += len(plain) + 1  # and the pair
    assert count_plain(words, len(texts)).tolist() == [counted[i] for i in range(len(texts))]


def test_a_batch_longer_than_the_table_of_powers_hashes_alike() -> None:
    long = words_of(normalize_batch(["ab " * 50_000, "ab cd"]))
    assert len(np.unique(long.hashed)) == 2
    assert long.hashed[0] == words_alone(["ab"]).hashed[0]


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
        return {b for b in buckets([normalize(text).text])[0] if b >= N_PLAIN_BUCKETS}

    assert skeleton(arabic) == skeleton(latin) != set()
