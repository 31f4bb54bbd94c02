"""Scripts, sentences and UTF-16 offsets, as the compatible interfaces need them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.compat.text import SCORED, detect, sentences, utf16_offsets


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("مرحبا", ["ar"]),  # "hello"
        ("مرحبا hello hello", ["und-Latn", "ar"]),
        ("ya 7mar", ["ar-Latn"]),  # "you donkey" in Arabizi
        ("win 3000 $", ["und-Latn"]),
        ("covid19", ["und-Latn"]),
        ("\u0438\u0434\u0438", ["und-Cyrl"]),
        ("\u0627\u06cc\u0646 \u062e\u0648\u0628 \u0627\u0633\u062a", ["fa"]),  # "this is good"
        ("!? 12 \N{GRINNING FACE}", []),
        ("", []),
    ],
)
def test_the_languages_of_a_text_go_by_its_scripts(text: str, tags: list[str]) -> None:
    assert detect(text) == tags


@given(st.text())
def test_a_text_with_one_arabic_letter_is_always_scored(text: str) -> None:
    """Padding with letters of another script must not keep a comment from being scored."""
    assert not SCORED.isdisjoint(detect(text + "\N{ARABIC LETTER BEH}"))


@given(st.text(alphabet="ab .!?\n\N{ARABIC QUESTION MARK}\N{GRINNING FACE}", max_size=40))
def test_sentences_hold_everything_but_the_space_between_them(text: str) -> None:
    spans = sentences(text)
    assert "".join("".join(text[a:b] for a, b in spans).split()) == "".join(text.split())
    assert all(text[a:b].strip() == text[a:b] for a, b in spans)
    assert all(b <= c for (_, b), (c, _) in itertools.pairwise(spans))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two!", ["One.", "Two!"]),
        ("3.5 is one", ["3.5 is one"]),
        ("Why?! (Yes.) No", ["Why?!", "(Yes.)", "No"]),
        ("one\ntwo", ["one", "two"]),
        (
            "a\N{ARABIC QUESTION MARK} b\N{HORIZONTAL ELLIPSIS} c",
            ["a\N{ARABIC QUESTION MARK}", "b\N{HORIZONTAL ELLIPSIS}", "c"],
        ),
    ],
)
def test_a_sentence_ends_where_a_reader_pauses(text: str, parts: list[str]) -> None:
    assert [text[a:b] for a, b in sentences(text)] == parts


@given(st.text())
def test_offsets_count_what_utf_16_counts(text: str) -> None:
    offsets = utf16_offsets(text)
    assert len(offsets) == len(text) + 1
    for i in range(len(text) + 1):
        encoded = text[:i].encode("utf-16-le", "surrogatepass")
        assert offsets[i] == len(encoded) // 2
