"""Scripts, sentences and UTF-16 offsets, as the compatible interfaces need them."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.compat.perspective.text import detect, in_utf16, sentences


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("مرحبا", ["ar"]),  # "hello"
        ("مرحبا hello hello", ["und-Latn", "ar"]),
        ("ya 7mar", ["ar-Latn"]),  # "you donkey" in Arabizi
        ("win 3000 $", ["und-Latn"]),
        ("covid19", ["und-Latn"]),
        ("\u0438\u0434\u0438", ["und-Cyrl"]),
        ("\uff59\uff41 \uff48", ["und-Latn"]),  # full-width letters are letters
        ("\u0627\u06cc\u0646 \u062e\u0648\u0628 \u0627\u0633\u062a", ["fa"]),  # "this is good"
        ("!? 12 \N{GRINNING FACE}", []),
        ("", []),
    ],
)
def test_the_languages_of_a_text_go_by_its_scripts(text: str, tags: list[str]) -> None:
    assert detect(text) == tags


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


@pytest.mark.parametrize("n_sentences", [100, 101, 250, 6_000])
def test_of_many_sentences_neighbours_go_together(n_sentences: int) -> None:
    text = "a. " * n_sentences
    spans = sentences(text)
    assert len(spans) == math.ceil(n_sentences / math.ceil(n_sentences / 100))
    assert " ".join(text[a:b] for a, b in spans) == text.strip()


@given(st.text(alphabet='.!a")\n ', max_size=30))
def test_a_sentence_ends_only_where_a_mark_or_a_line_does(text: str) -> None:
    for (start, end), (following, _) in itertools.pairwise(sentences(text)):
        closed = text[start:end].rstrip('")')
        assert closed.endswith((".", "!")) or "\n" in text[end:following]


@given(st.text())
def test_spans_count_what_utf_16_counts(text: str) -> None:
    edges = [0, len(text) // 3, len(text) // 2, len(text)]
    spans = list(itertools.pairwise(edges))
    units = text.encode("utf-16-le", "surrogatepass")
    found = [units[2 * begin : 2 * end] for begin, end in in_utf16(text, spans)]
    assert found == [text[a:b].encode("utf-16-le", "surrogatepass") for a, b in spans]
