"""Which script a text is in, where its sentences are, and how UTF-16 counts them.

Going by script, not by a language detector, is on purpose: a detector takes short and mixed texts
for any language, and a comment without a score is a comment without a check.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from models.language import identify

ARABIC = "ar"
ARABIZI = "ar-Latn"
LATIN = "und-Latn"  # some language in Latin script, BCP 47

#: What gets a score. Arabic in Latin letters cannot be told from other languages in Latin letters
#: for sure, nor Arabic from its neighbours: a few small words would lead that guess astray. So the
#: neighbours are named, and scored all the same.
SCORED = frozenset({ARABIC, ARABIZI, LATIN, "fa", "ur"})

_TAGS = {
    "ARABIC": ARABIC,
    "LATIN": LATIN,
    "CYRILLIC": "und-Cyrl",
    "GREEK": "und-Grek",
    "HEBREW": "he",
    "DEVANAGARI": "und-Deva",
    "CJK": "und-Hani",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
}

# Digits that stand for Arabic letters, inside a Latin word: 2 hamza, 3 ain, 5 kha, 7 hah, 8 qaf or
# ghain, 9 sad or qaf. Source: Yaghan, "Arabizi: a contemporary style of Arabic slang", 2008.
_ARABIZI_DIGITS = frozenset("235789")
_WORD = re.compile(r"[A-Za-z0-9']+")

_SENTENCE = re.compile(
    r"\S.*?(?:[.!?\N{ARABIC QUESTION MARK}\N{ARABIC FULL STOP}\N{HORIZONTAL ELLIPSIS}]+"
    r"[\"')\]\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}]*"
    r"(?=\s|\Z)|(?=\n)|\Z)",
    re.DOTALL,
)


def detect(text: str) -> list[str]:
    r"""Return the language tags of the scripts of a text, the most frequent first.

    Examples
    --------
    >>> detect("\u0645\u0631\u062d\u0628\u0627"), detect("mar7aba"), detect("hello"), detect("!")
    (['ar'], ['ar-Latn'], ['und-Latn'], [])
    """
    counts = Counter(_tag(letter) for letter in text if letter.isalpha())
    tags = [tag for tag, _ in counts.most_common()]
    if ARABIC in tags:
        tags[tags.index(ARABIC)] = _neighbour(text) or ARABIC
    if LATIN in tags and any(map(_is_arabizi, _WORD.findall(text))):
        tags[tags.index(LATIN)] = ARABIZI
    return tags


def _neighbour(text: str) -> str:
    """Return the tag of a language that shares the script of Arabic, if the text is in one."""
    language = identify(text)
    return language.unsupported if language.script == "Arab" else ""


def _is_arabizi(word: str) -> bool:
    digits = {character for character in word if character.isdigit()}
    n_letters = sum(map(str.isalpha, word))
    return bool(digits) and digits <= _ARABIZI_DIGITS and n_letters >= 3


@functools.lru_cache(maxsize=4096)
def _tag(letter: str) -> str:
    script = unicodedata.name(letter, "").partition(" ")[0]
    return _TAGS.get(script.partition("-")[0], "und")


def sentences(text: str) -> list[tuple[int, int]]:
    """Return where the sentences of a text begin and end, in code points.

    Space between sentences belongs to none of them.

    Examples
    --------
    >>> sentences(" One. Two?  Three")
    [(1, 5), (6, 10), (12, 17)]
    """
    return [
        (match.start(), match.start() + len(match.group().rstrip()))
        for match in _SENTENCE.finditer(text)
    ]


def utf16_offsets(text: str) -> Sequence[int]:
    r"""Return for each code point of a text, and for its end, how many UTF-16 units come before.

    Examples
    --------
    >>> list(utf16_offsets("a\U0001f600b"))
    [0, 1, 3, 4]
    """
    units = (2 if character > "\uffff" else 1 for character in text)
    return list(itertools.accumulate(units, initial=0))
