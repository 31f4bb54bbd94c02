"""Languages: Arabic in every disguise is Arabic; its neighbours are named, as a remark."""

import pytest

from conftest import SAMPLE_COMMENTS
from models.language import Language, identify, identify_all
from models.schema import read_comments

PERSIAN = "\u0627\u06cc\u0646 \u0641\u06cc\u0644\u0645 \u062e\u06cc\u0644\u06cc \u062e\u0648\u0628 \u0627\u0633\u062a"  # "this film is very good"  # noqa: E501
URDU = (
    "\u06cc\u06c1 \u0628\u06c1\u062a \u0627\u0686\u06be\u0627 \u06c1\u06d2"  # "this is very good"
)
ARABIC_IN_PERSIAN_LETTERS = "\u06cc\u0627 \u06a9\u0644\u0628 \u06cc\u0627 \u062d\u0645\u0627\u0631"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (PERSIAN, Language("Arab", "fa")),
        (URDU, Language("Arab", "ur")),
        (ARABIC_IN_PERSIAN_LETTERS, Language("Arab", "")),
        (
            "\u0634\u0644\u0648\u0646\u0643 \u0686\u0627\u0646 \u0632\u064a\u0646",
            Language("Arab", ""),
        ),
        ("ya kalb", Language("Latn", "")),
        ("\u05e9\u05dc\u05d5\u05dd", Language("Hebr", "und-Hebr", readable=False)),
        ("\u05e9\u05dc\u05d5\u05dd a", Language("Hebr", "und-Hebr")),
        ("!!! 123 \U0001f600", Language("Zyyy", "")),
        ("", Language("Zyyy", "")),
    ],
)
def test_a_language_is_told_by_its_small_words(text: str, language: Language) -> None:
    assert identify(text) == language


# The letters of "kalb", as other alphabets and signs of Unicode write them.
DISGUISES = {
    "full width": "\uff4b\uff41\uff4c\uff42",
    "mathematical": "\U0001d424\U0001d41a\U0001d425\U0001d41b",
    "superscript": "\u1d4f\u1d43\u02e1\u1d47",
    "circled": "\u24da\u24d0\u24db\u24d1",
}


@pytest.mark.parametrize("text", DISGUISES.values(), ids=DISGUISES)
def test_a_latin_letter_in_disguise_is_a_latin_letter(text: str) -> None:
    assert identify(text) == Language("Latn", "")


@pytest.mark.parametrize(
    "text",
    [
        "\u06a9\u0648 \u0641\u0644\u0648\u0633\u061f",  # "is there money?"
        "\u0627\u062d\u0627 \u0645\u06cc",  # an outcry and one small word of Persian
        "\u06a9\u0648 \u06a9\u0648 \u06a9\u0648",  # one of Urdu, over and over
    ],
)
def test_one_small_word_makes_no_language(text: str) -> None:
    assert identify(text).unsupported == ""


def test_many_texts_are_told_as_each_of_them_alone() -> None:
    texts = [PERSIAN, "", ARABIC_IN_PERSIAN_LETTERS, "ya kalb", *DISGUISES.values(), "\n a \0"]
    assert identify_all(texts) == [identify(text) for text in texts]


@pytest.mark.parametrize("keyboard", ["", "\u06cc\u06a9\u06cc"], ids=["Arabic", "Persian"])
def test_no_arabic_comment_is_taken_for_another_language(keyboard: str) -> None:
    typed = str.maketrans("\u064a\u0643\u0649", keyboard) if keyboard else {}
    comments = read_comments(SAMPLE_COMMENTS)
    wrong = [c.id for c in comments if identify(c.text.translate(typed)).unsupported]
    assert wrong == []
