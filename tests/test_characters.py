"""Characters: what shows nothing is nothing, and what is new is no way around."""

import functools
import unicodedata

import pytest
import regex

from models import characters
from models.characters import is_visible
from models.normalize import normalize

WORD = "\u063a\u0628\u0627\u0621"  # ghaba, stupidity


@functools.cache
def having(properties: str) -> frozenset[int]:
    """Find the code points that have one of Unicode's properties."""
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    return frozenset(map(ord, regex.findall(f"[{properties}]", every)))


def read_within_a_word(codes: frozenset[int]) -> dict[str, str]:
    """Say how each character reads between the letters of a word."""
    return {f"{code:X}": normalize(chr(code).join(WORD)).text for code in codes}


def test_the_list_of_what_is_ignorable_is_unicode_s() -> None:
    assert having(r"\p{Default_Ignorable_Code_Point}") == characters.DEFAULT_IGNORABLE


@pytest.mark.parametrize("properties", [r"\p{Default_Ignorable_Code_Point}", r"\p{Mn}\p{Me}\p{Cf}"])
def test_a_word_with_marks_or_nothing_between_its_letters_is_the_word(properties: str) -> None:
    read = read_within_a_word(having(properties))
    assert {code for code, word in read.items() if word != WORD} == set()


@pytest.mark.parametrize("code", [0x1D159, 0x2800, 0x13441, 0x13442, 0xFFF9])
def test_a_word_with_empty_places_between_its_letters_is_the_word(code: int) -> None:
    assert read_within_a_word(frozenset({code})) == {f"{code:X}": WORD}


def test_letters_and_numbers_that_python_may_not_know_stay_in_their_word() -> None:
    new = characters.NEW_LETTERS | characters.NEW_NUMBERS
    assert new <= having(r"\p{L}\p{N}")
    apart = {code for code in new - characters.EMPTY if " " in normalize(f"x{chr(code)}y").text}
    assert apart == set()
    # What Python knows needs no list; this one knows no letter that the others may not.
    known = {code for code in having(r"\p{L}\p{N}") - new if code < 0x20000}
    assert all(unicodedata.category(chr(code)) != "Cn" for code in known)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("\U0001ccdc\U0001cce7\U0001ccf5", "gr5"),  # outlined Latin letters and digit, Unicode 16
        ("\U0001e03c", "\u043e"),  # MODIFIER LETTER CYRILLIC SMALL O, Unicode 15
        ("\U00010d43", "3"),  # GARAY DIGIT THREE, Unicode 16
    ],
)
def test_what_unicode_added_lately_is_spelled_as_it_says(written: str, read: str) -> None:
    assert normalize(written).text == read


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "\u0640",  # a lone TATWEEL is a stroke
        "\u064e",  # a mark is drawn on a circle
        "\u06dd",  # END OF AYAH is a format control with a shape
        "\ue000",  # private use
        "\u0378",  # not assigned
        "\ufffe",  # never assigned
        "\U0001fa77",  # PINK HEART, Unicode 15
        "\U0001facf",  # DONKEY, Unicode 15
        "\U0001fadf",  # SPLATTER, Unicode 16
        "\U0001faff",  # where the next emoji will be
        " \u3164\u2065 \U0001f600\ufe0f ",
    ],
)
def test_a_text_is_visible_if_a_character_of_it_has_or_may_have_a_shape(text: str) -> None:
    assert is_visible(text)


def test_spaces_controls_and_what_is_ignorable_are_not_visible() -> None:
    hidden = having(r"\p{Z}\p{Cc}\p{Default_Ignorable_Code_Point}")
    assert {code for code in hidden if is_visible(chr(code))} == set()
    assert not is_visible("")
    for empty in "\u2800\U0001d159\U00013441\ufffb\U00013430":
        assert not is_visible(empty * 3)


@pytest.mark.slow
def test_whatever_is_not_assigned_is_visible_unless_it_is_ignorable() -> None:
    unassigned = having(r"\p{Cn}\p{Co}") - having(r"\p{Default_Ignorable_Code_Point}")
    assert {code for code in unassigned if not is_visible(chr(code))} == set()
