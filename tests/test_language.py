"""Languages: Arabic in every disguise is Arabic; its neighbours are named."""

import pytest

from conftest import SAMPLE_COMMENTS
from models.language import Language, identify
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
        ("\u05e9\u05dc\u05d5\u05dd", Language("Hebr", "und-Hebr")),
        ("!!! 123 \U0001f600", Language("Zyyy", "")),
        ("", Language("Zyyy", "")),
    ],
)
def test_a_language_is_told_by_its_small_words(text: str, language: Language) -> None:
    assert identify(text) == language


def test_no_arabic_comment_is_taken_for_another_language() -> None:
    wrong = [c.id for c in read_comments(SAMPLE_COMMENTS) if identify(c.text).unsupported]
    assert wrong == []
