"""Normalization: one spelling for what a reader takes for one word, and the way back."""

import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conftest import SAMPLE_COMMENTS
from models.alphabet import BREAK
from models.errors import InvalidText
from models.normalize import LINK, normalize, normalize_batch, plain_words
from models.schema import read_comments

DOG = "\u0643\u0644\u0628"  # kalb, "dog"
DONKEY = "\u062d\u0645\u0627\u0631"  # himar, "donkey"

# What evasion is made of: letters of several scripts, marks, controls, signs, links.
PIECES = [
    *"\u0643\u0644\u0628\u0627\u0646\u0647\u0648\u064a aloiLO0137xyz\u4e2d\uac00\u0436",
    *" \n\t._*-~/|:@'!\u061f\u060c#",
    "\0", "\u0640", "\u064e", "\u200b", "\u202e", "\ufefb", "\ufdfa", "\U0001f600", "\u0301",
    "http://", "www.", "...", " \u0643 \u0644 \u0628 ",
]  # fmt: skip
hostile = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
# What plain texts are made of, with enough of the rest to leave plainness now and then.
mostly_plain = st.lists(
    st.sampled_from([
        *"\u0643\u0644\u0628\u0627\u0623\u0629 \u060c.!-/():15ab\u0661\u0640\u064e\n\U0001f600",
        " ", " ", DOG, DONKEY, f" {DOG} ", f" {DONKEY} ", " kalb ", " \u0648 ", ", ", ". ",
    ]),
    max_size=30,
).map("".join)  # fmt: skip


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("\u0643\u064e\u0644\u0652\u0628\u064c", DOG),  # with tashkeel
        ("\u0643\u0640\u0640\u0644\u0640\u0628", DOG),  # with tatweel
        ("\u0643\u200b\u0644\u200f\u0628\u2069", DOG),  # with zero-width and bidi controls
        ("\ufedb\ufee0\ufe90", DOG),  # in presentation forms
        ("\u06a9\u0644\u0628", DOG),  # with the Persian KEHEH
        ("\u0643 \u0644 \u0628", DOG),  # split by spaces
        ("\u0643.\u0644.\u0628", DOG),  # by dots
        ("\u0643*\u0644*\u0628", DOG),  # by asterisks
        ("\u0643,\u0644,\u0628", DOG),  # by commas
        ("\u0643\u061b \u0644\u061b \u0628", DOG),  # by Arabic semicolons and spaces
        ("(\u0643)(\u0644)(\u0628)", f"( {DOG} )"),  # by brackets
        ("\u0643\ufffd\u0644\u0628", DOG),  # once, by what a broken letter becomes
        ("\u0643\ue000\u0644\u0628", DOG),  # by a character of private use
        ("\u0643\u06de\u0644\u0628", DOG),  # by an ornament
        ("\u0643\u20ac\u0644\u0628", DOG),  # by a sign of currency
        ("\u0643\u30fc\u0644\u0628", DOG),  # by a letter that only modifies others
        ("\u0643\u06e5\u0644\u0674\u0628\u0883", DOG),  # with small letters that hang on others
        ("\u0643\u0644_\u0628", DOG),  # once
        ("\u0643\U0001f436\u0644\u0628", DOG),  # by an emoji
        ("\u0643\u0644\u0644\u0644\u0644\u0628", DOG),  # elongated
        ("\u062d\u0645l\u0631", DONKEY),  # with a Latin l for alef
        ("\u062d\u06451\u0631", DONKEY),  # with a digit for alef
        ("\u062d\u0645\u0456\u0631", DONKEY),  # with a Cyrillic i for alef
        ("\u0643\u4e2d\u0644\u0628", DOG),  # with a Han character inside
        ("\u0643\uac00\u0644\uac00\u0628", DOG),  # with Hangul syllables
        ("\u062d\u0645\u0436\u0436\u0436\u0627\u0631", DONKEY),  # with one Cyrillic zhe, elongated
        ("\uff2b\uff21\uff2c\uff22", "kalb"),  # full-width Latin
        ("\u0665\u06f5", "55"),  # digits of two scripts
        ("\ufdf2", "\u0627\u0644\u0644\u0647"),  # the ligature Allah
        (
            "\u0623\u0628\u0649 \u0631\u0624\u064a\u0629",
            "\u0627\u0628\u064a \u0631\u0648\u064a\u0647",
        ),
    ],
)
def test_disguises_of_a_word_read_as_the_word(written: str, read: str) -> None:
    assert normalize(written).text == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("http://a.example/x?y=1", chr(LINK)),
        ("(https://a.example)", f"( {chr(LINK)}"),
        ("http://a.example/" + DOG, f"{chr(LINK)} {DOG}"),  # a word cannot hide behind a link
        ("@some_one " + DOG, f"@ {DOG}"),
        ("@" + DOG, f"@ {DOG}"),  # nor in a mention
        ("@a" + DOG, f"@ {DOG}"),
        (DOG + "!!!!!", f"{DOG} ! !"),
        ("2000 1000", "2000 1000"),  # digits are never elongation
        ("\u0648 \u0627 \u0643\u0644\u0628", "\u0648 \u0627 \u0643\u0644\u0628"),  # two are no word
        ("3 " + DOG, "3 " + DOG),  # a number beside a word stays one
        ("cool i " + DOG, "cool i " + DOG),  # Latin words keep their letters
        (f"{DOG}s{DONKEY}", f"{DOG}s{DONKEY}"),  # a Latin letter may be meant for its sound
        (f"{DOG}\u4e2d\u56fd{DONKEY}", f"{DOG}\u4e2d\u56fd{DONKEY}"),  # two may be a name
        (f"{DOG} \u4e2d {DONKEY}", f"{DOG} \u4e2d {DONKEY}"),  # nor does a word by itself join
        ("   ", ""),
        ("", ""),
    ],
)
def test_what_is_no_disguise_stays_apart(written: str, read: str) -> None:
    assert normalize(written).text == read


def test_every_arabic_letter_of_unicode_reads_as_a_letter_of_arabic() -> None:
    alphabet = {chr(code) for code in (0x621, 0x66E, *range(0x627, 0x63B), *range(0x641, 0x64B))}
    blocks = [*range(0x600, 0x900), *range(0xFB50, 0xFE00), *range(0xFE70, 0xFEFF)]
    blocks += range(0x1EE00, 0x1EF00)
    letters = [c for c in map(chr, blocks) if unicodedata.name(c, "").startswith("ARABIC LETTER")]
    unread = [ascii(c) for c in letters if not set(normalize(c).text) <= alphabet]
    assert len(letters) > 500
    assert unread == []


@pytest.mark.parametrize(
    "written",
    [
        "\u0646\u0639\u0645,\u0644\u0627",
        "\u0645\u0646\u061f\u0647\u0648",
        "\u0641\u064a#\u0647\u0646\u0627",
    ],
    ids=["yes, no", "who? he", "in #here"],
)
def test_marks_between_words_keep_them_apart_without_a_blank(written: str) -> None:
    assert len(normalize(written).text.split()) == 3


@settings(deadline=None)  # a busy machine is no slow rule
@given(hostile | any_text)
def test_normalizing_twice_changes_nothing(text: str) -> None:
    once = normalize(text).text
    assert normalize(once).text == once


@settings(deadline=None)  # a busy machine is no slow rule
@given(hostile | any_text)
def test_every_letter_knows_the_letter_it_came_from(text: str) -> None:
    normalized = normalize(text)
    assert len(normalized.offsets) == len(normalized.text)
    assert (np.diff(normalized.offsets) >= 0).all()
    if len(normalized.offsets):
        assert normalized.offsets[0] >= 0
        assert normalized.offsets[-1] < len(text)
    for letter, offset in zip(normalized.text, normalized.offsets, strict=True):
        if letter.isascii() and letter.isalpha():
            assert letter in unicodedata.normalize("NFKD", text[offset]).lower()


@settings(deadline=None)  # a busy machine is no slow rule
@given(st.lists(hostile, max_size=5))
def test_a_text_reads_the_same_alone_and_in_a_batch(texts: list[str]) -> None:
    codes = normalize_batch(texts).codes.astype("<u4").tobytes().decode("utf-32-le")
    lines = codes[1:].split(chr(BREAK))[: len(texts)]
    assert [line.rstrip(" ") for line in lines] == [normalize(text).text for text in texts]


@settings(deadline=None)  # a busy machine is no slow rule
@given(st.lists(hostile, max_size=5))
def test_the_way_back_is_the_same_alone_and_in_a_batch(texts: list[str]) -> None:
    batch = normalize_batch(texts)
    assert np.diff(batch.starts).tolist() == [len(text) for text in texts]
    assert batch.origin[batch.breaks].tolist() == batch.starts.tolist()
    for text, at, start in zip(texts, batch.breaks, batch.starts, strict=False):
        alone = normalize(text)
        offsets = batch.origin[at + 1 : at + 1 + len(alone.text)] - start
        assert offsets.tolist() == alone.offsets.tolist()


def test_a_lone_surrogate_is_named_with_its_place() -> None:
    with pytest.raises(InvalidText, match="text 1 has a lone surrogate at position 2"):
        normalize_batch(["fine", "ab\ud800c", "fine"])


@settings(max_examples=1000)
@example(f"a1 {DOG[0]} {DOG[1]}")  # a letter beside a digit is a single one as well
@given(st.one_of(mostly_plain, hostile, any_text))
def test_plain_words_are_the_words_of_the_normalized_text_or_left_to_the_rules(text: str) -> None:
    words = plain_words(text)
    assert words is None or words == normalize(text).text.split()


def test_a_letter_beside_any_other_is_read_by_the_short_way_as_by_the_rules() -> None:
    for code in [*range(0xD800), *range(0xE000, 0x110000)]:
        text = f"{DOG} {chr(code)} {DOG}{chr(code)} {chr(code)}{DOG}"
        words = plain_words(text)
        assert words is None or words == normalize(text).text.split(), hex(code)


def test_most_comments_are_plain() -> None:
    plain = [plain_words(comment.text) is not None for comment in read_comments(SAMPLE_COMMENTS)]
    assert np.mean(plain) > 0.85


def test_a_lone_surrogate_is_not_plain() -> None:
    assert plain_words("a \ud800") is None
