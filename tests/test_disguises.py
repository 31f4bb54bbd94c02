"""What a page shows of a text is read, not only what its characters spell."""

from __future__ import annotations

import pytest

from service.rules.disguises import readings

LATIN = "kalb"
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
    assert LATIN in readings(f"ya {drawn}")[-1]


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
    assert readings(text) == [text]
