"""Features: n-grams by arithmetic are the n-grams one would cut out as strings."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.features import (
    CHARACTER_ORDERS,
    N_BUCKETS,
    N_PLAIN_BUCKETS,
    NO_BUCKET,
    WINDOWS,
    Words,
    earlier_in_text,
    gram_buckets,
    n_plain,
    pair_buckets,
    passages_of,
    sums_of,
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
def test_equal_words_have_equal_hashes_and_are_the_same(texts: list[str]) -> None:
    words = words_of(normalize_batch(texts))
    names = [word for _, word in spelled(words)]
    assert words.same.tolist() == [names.index(word) for word in names]
    assert np.array_equal(words.hashed[words.same], words.hashed)
    assert words_alone(names).hashed.tolist() == words.hashed.tolist()


@pytest.mark.slow
def test_two_words_with_one_hash_stay_two_words() -> None:
    letters = "".join(map(chr, range(0x628, 0x64B)))
    rng = np.random.default_rng(0)
    many = ["".join(letters[i] for i in row) for row in rng.integers(0, 31, (300_000, 8))]
    many = list(dict.fromkeys(normalize(word).text for word in many))
    hashed = words_alone(many).hashed
    order = np.argsort(hashed, kind="stable")
    twice = np.flatnonzero(hashed[order[1:]] == hashed[order[:-1]])
    assert len(twice)
    one, other = many[order[twice[0]]], many[order[twice[0] + 1]]
    words = words_of(normalize_batch([f"{one} {other} {one}"]))
    assert words.hashed[0] == words.hashed[1]
    assert words.same.tolist() == [0, 1, 0]
    assert earlier_in_text(words).tolist() == [-1, -1, 0]


@given(some_texts)
def test_the_equal_word_before_a_word_is_that_of_its_text(texts: list[str]) -> None:
    words = words_of(normalize_batch(texts))
    names = spelled(words)
    assert earlier_in_text(words).tolist() == [
        max((j for j in range(i) if names[j] == word), default=-1) for i, word in enumerate(names)
    ]


@given(
    st.lists(
        st.lists(st.sampled_from(["ab", "cd", "ef", "gh", "ij"]), max_size=20),
        min_size=1,
        max_size=5,
    )
)
def test_a_text_is_scored_whole_and_by_every_few_words_of_it(texts: list[list[str]]) -> None:
    words = words_of(normalize_batch([" ".join(text) for text in texts]))
    values = np.array([[ord(word[0]), 1.0] for _, word in spelled(words)]).reshape(-1, 2)
    passages = passages_of(words, len(texts))
    places = (passages.kind, passages.text, passages.first, passages.stop)
    found = [
        (text, kind, list(range(first, stop)), total.tolist())
        for kind, text, first, stop, total in zip(
            *(place.tolist() for place in places), sums_of(passages, words, values), strict=True
        )
    ]
    wanted, begin = [], 0
    for number, text in enumerate(texts):
        cuts = [(0, 0, len(text))] + [
            (kind, first, first + size)
            for kind, size in enumerate(WINDOWS, start=1)
            if len(text) > size
            for first in range(len(text) - size + 1)
        ]
        for kind, first, stop in cuts:
            distinct = {ord(word[0]) for word in text[first:stop]}
            which = list(range(begin + first, begin + stop))
            wanted.append((number, kind, which, [sum(distinct), len(distinct)]))
        begin += len(text)
    assert found == wanted


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
def test_plain_n_grams_are_counted_from_the_length_of_a_word(texts: list[str]) -> None:
    words = words_of(normalize_batch(texts))
    for (_, word), counted in zip(spelled(words), n_plain(words).tolist(), strict=True):
        plain = [b for b in buckets([word])[0].elements() if b < N_PLAIN_BUCKETS]
        assert counted == min(len(plain) + 1, 60)  # and the pair


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
