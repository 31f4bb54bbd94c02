"""What a page shows of a text is read, not only what its characters spell."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.rules.disguises import readings

LATIN = "kalb"
CONSONANTS = "\u0628\u062a\u062f\u0631\u0633\u0643\u0644\u0645"
ARABIC_WORD = re.compile("[\u0621-\u064a]+")
OVERRIDES = "\u202c\u202d"
HIDDEN: dict[str, Callable[[str], str]] = {
    "not at all": str,
    "by tags": "<i></i>".join,
    "by a comment": "<!-- \r\n -->".join,
    "by an end without a name": "</>".join,
    "by references": lambda word: "".join(f"&#x{ord(letter):x};" for letter in word),
    "by foreign letters": "x".join,
    "by references of these": "&#50;".join,
    "by letters written twice": lambda word: "".join(2 * letter for letter in word),
    "by an override": lambda word: f"\u202d{word[::-1]}\u202c",
}
DRAWN = {
    "negative circled": "\U0001f15a\U0001f150\U0001f15b\U0001f151",
    "negative squared": "\U0001f17a\U0001f170\U0001f17b\U0001f171",
    "regional indicators": "\U0001f1f0\U0001f1e6\U0001f1f1\U0001f1e7",
    "parenthesized": "\u24a6\u249c\u24a7\u249d",
    "small capitals": "\u1d0b\u1d00\u029f\u0299",
    "one Cyrillic letter": "k\u0430lb",
    "one Greek letter": "\u03baalb",
    "in an override": "\u202eblak",
}


@pytest.mark.parametrize("drawn", DRAWN.values(), ids=DRAWN)
def test_latin_letters_are_read_however_they_are_drawn(drawn: str) -> None:
    assert LATIN in readings(f"ya {drawn}")[-1].text


@pytest.mark.parametrize(
    "text",
    [
        "1 < 2",
        "R&D",
        "<3",
        "\u043f\u0440\u0438\u0432\u0435\u0442",  # a Russian greeting
        "\u202e\u0645\u0631\u062d\u0628\u0627\u202c",  # Arabic runs so anyway
        "\u202dhello\u202c",
        "",
    ],
)
def test_a_text_that_pages_show_as_it_stands_has_one_reading(text: str) -> None:
    assert [reading.text for reading in readings(text)] == [text]


@given(
    st.lists(
        st.tuples(
            st.permutations(CONSONANTS).map(lambda letters: "".join(letters[:4])),
            st.sampled_from(sorted(HIDDEN)),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([" ", "\r\n", "<br>", "</p>\n<p>", "&nbsp;", " &amp; "]),
)
def test_each_word_of_a_reading_is_found_where_the_text_has_it(
    words: list[tuple[str, str]], between: str
) -> None:
    hidden = [HIDDEN[how](word) for word, how in words]
    text = between.join(hidden)
    last = readings(text)[-1]
    found = list(ARABIC_WORD.finditer(last.text))
    assert [one[0] for one in found] == [word for word, _ in words]
    spans = [last.written(*one.span()) for one in found]
    assert [text[start:end] for start, end in spans] == [one.strip(OVERRIDES) for one in hidden]


@given(st.text("<>/!-ib &;#50nGt\r\n\u0628\u0643x\u202d\u202c\u24d0", max_size=40))
def test_every_letter_of_a_reading_is_written_in_the_text(text: str) -> None:
    for reading in readings(text):
        assert len(reading.text) == len(reading.starts) == len(reading.ends)
        for start, end in zip(reading.starts, reading.ends, strict=True):
            assert 0 <= start < end <= len(text)
