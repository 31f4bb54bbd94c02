"""Disguises: what each one changes, and what it must leave alone."""

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.disguises.transforms import TRANSFORMS

# "this reader writes calm and useful words": harmless, with joining and non-joining letters
SENTENCE = (
    "\u0647\u0630\u0627 \u0627\u0644\u0642\u0627\u0631\u0626 \u064a\u0643\u062a\u0628 "
    "\u0643\u0644\u0627\u0645\u0627 \u0647\u0627\u062f\u0626\u0627 "
    "\u0648\u0645\u0641\u064a\u062f\u0627"
)
ADDITIVE = ("tashkeel", "tatweel", "zero_width", "bidi", "split_space", "split_dot", "split_star")
"""Disguises that only add: without what they add, the text is what it was."""

by_name = pytest.mark.parametrize("name", TRANSFORMS)


def bare(text: str) -> str:
    """The letters of a text: no marks, no controls, no separators, no tatweel."""
    return "".join(c for c in text if c.isalpha() and c != "\u0640")


@by_name
def test_a_disguise_changes_the_text(name: str) -> None:
    assert TRANSFORMS[name](SENTENCE, random.Random(1)) != SENTENCE


@by_name
def test_the_same_chance_gives_the_same_disguise(name: str) -> None:
    disguise = TRANSFORMS[name]
    assert disguise(SENTENCE, random.Random(7)) == disguise(SENTENCE, random.Random(7))


@by_name
def test_only_the_chosen_words_are_disguised(name: str) -> None:
    first, _, *rest = SENTENCE.split()
    disguised = TRANSFORMS[name](SENTENCE, random.Random(3), words=[1])
    assert disguised.startswith(f"{first} ")
    assert disguised.endswith(" ".join(["", *rest]))
    assert disguised != SENTENCE


@by_name
def test_nothing_is_disguised_when_no_word_is_chosen(name: str) -> None:
    assert TRANSFORMS[name](SENTENCE, random.Random(3), words=()) == SENTENCE


@by_name
def test_words_without_an_arabic_letter_stay(name: str) -> None:
    foreign = "Liberté 2024 !!  \U0001f602\nok"
    assert TRANSFORMS[name](foreign, random.Random(3)) == foreign


@pytest.mark.parametrize("name", ADDITIVE)
def test_a_disguise_that_only_adds_keeps_every_letter(name: str) -> None:
    for seed in range(20):
        assert bare(TRANSFORMS[name](SENTENCE, random.Random(seed))) == bare(SENTENCE)


def test_presentation_forms_are_compatibility_forms_of_the_same_letters() -> None:
    disguised = TRANSFORMS["presentation"](SENTENCE, random.Random(3))
    assert unicodedata.normalize("NFKC", disguised) == SENTENCE
    assert any("\ufe80" <= c <= "\ufefc" for c in disguised)


def test_tatweel_stands_only_after_a_letter_that_joins_the_next() -> None:
    # dar, dawr, "house, role": no letter of it joins
    unjoined = "\u062f\u0627\u0631 \u062f\u0648\u0631"
    assert TRANSFORMS["tatweel"](unjoined, random.Random(3)) == unjoined


def test_look_alikes_leave_at_least_one_arabic_letter_in_the_word() -> None:
    # ahh, two letters that both have Latin look-alikes
    for seed in range(20):
        disguised = TRANSFORMS["latin_lookalike"]("\u0627\u0647", random.Random(seed))
        assert any("\u0620" <= c <= "\u064a" for c in disguised)


def test_dotless_writing_has_no_dotted_letter() -> None:
    disguised = TRANSFORMS["dotless"]("\u0628\u064a\u0646 \u062c\u0628\u0646", random.Random(3))
    # bayn, jubn, "between, cheese"
    assert disguised == "\u066e\u066e\u06ba \u062d\u066e\u06ba"


def test_arabizi_is_latin_letters_and_digits() -> None:
    disguised = TRANSFORMS["arabizi"](SENTENCE, random.Random(3))
    assert disguised.isascii()
    assert len(disguised.split()) >= len(SENTENCE.split())


def test_arabizi_puts_vowels_between_consonants() -> None:
    # kalb, "dog", in a sentence about one
    assert TRANSFORMS["arabizi"]("\u0643\u0644\u0628", random.Random(0)) in ("kalb", "kelb")


def test_elongation_repeats_a_letter_at_least_three_times() -> None:
    disguised = TRANSFORMS["elongation"](SENTENCE, random.Random(3), words=[3])
    assert "\u0627\u0627\u0627" in disguised


@by_name
@given(text=st.text(), seed=st.integers(0, 9))
def test_a_disguise_is_total_on_valid_unicode_and_gives_valid_unicode(
    name: str, text: str, seed: int
) -> None:
    TRANSFORMS[name](text, random.Random(seed)).encode()


@by_name
@given(
    text=st.text("\u0628\u0627\u0644\u0647\u064b\u0640 \n.a1", max_size=30), seed=st.integers(0, 9)
)
def test_a_disguise_keeps_the_white_space(name: str, text: str, seed: int) -> None:
    disguised = TRANSFORMS[name](text, random.Random(seed))
    assert disguised.count("\n") == text.count("\n")
    assert disguised.count(" ") >= text.count(" ")
