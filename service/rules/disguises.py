r"""Disguises: what a reader may see of a text beside what its characters spell.

A page may take the text for HTML, so that tags vanish and references become letters; an override of
the direction shows words from the end to the beginning; pictures of letters, and letters of other
alphabets inside Latin words, look like Latin. Readers pass over a foreign letter or digit between
Arabic ones, and over letters written twice. Linear in the length of the text.
Sources: the HTML standard; Unicode Standard Annex 9 (explicit directional overrides) and Technical
Standard 39 (confusable characters).
"""

from __future__ import annotations

import re

from service.rules.html_text import without_markup

_LATIN = "abcdefghijklmnopqrstuvwxyz"
_PICTURED = {
    first + place: letter
    # PARENTHESIZED, NEGATIVE CIRCLED, NEGATIVE SQUARED, REGIONAL INDICATOR
    for first in (0x249C, 0x1F150, 0x1F170, 0x1F1E6)
    for place, letter in enumerate(_LATIN)
} | {
    ord(drawn): letter
    for drawn, letter in zip(
        "\u1d00\u0299\u1d04\u1d05\u1d07\ua730\u0262\u029c\u026a\u1d0a\u1d0b\u029f\u1d0d\u0274\u1d0f"
        "\u1d18\ua7af\u01eb\u0280\ua731\u1d1b\u1d1c\u1d20\u1d21\u028f\u1d22",  # small capitals
        "abcdefghijklmnopqqrstuvwyz",
        strict=True,
    )
}
# Cyrillic and Greek small letters, and the Latin letters that they are drawn alike.
_ALIKE = dict(
    zip(
        "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0456\u0458\u0455"
        "\u04bb\u0501\u051b\u051d\u03b1\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7",
        "abekmhopctyxijshdqwaeikvoptux",
        strict=True,
    )
)
_ALIKE |= {drawn.upper(): letter for drawn, letter in _ALIKE.items()}
_TO_LATIN = str.maketrans(_ALIKE)
_ARABIC = "\u0621-\u063a\u0641-\u064a\u066e-\u06d3"
_NOT_ARABIC = (
    "0-9A-Za-z\u00aa\u00b2-\u00b3\u00b9-\u00ba\u00bc-\u00be\u00c0-\u024f\u0370-\u052f"
    "\u0660-\u0669\u06f0-\u06f9\u2070-\u209c\u2100-\u218b\u2460-\u24ff\uff10-\uff5a"
    "\U0001d400-\U0001d7ff\U0001f100-\U0001f1ff"
)
_WORD = re.compile(r"\w+")
_LATIN_LETTER = re.compile("[A-Za-z]")
_OVERRIDDEN = re.compile("([\u202d\u202e])([^\u202a-\u202e\u2029\n]+)")
_TO_THE_RIGHT = "\u202d"  # LEFT-TO-RIGHT OVERRIDE
_FROM_THE_RIGHT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
# One to three letters or digits that are not Arabic, also small, circled, or joined to one sign;
# numbers beside words are mostly longer.
_BETWEEN_ARABIC = re.compile(f"(?<=[{_ARABIC}])[{_NOT_ARABIC}\ufe0f\u20e3]{{1,3}}(?=[{_ARABIC}])")
_DOUBLED = re.compile(f"(?:([{_ARABIC}])\\1+){{3,}}")
_AGAIN = re.compile(r"(.)\1+")
_SUSPECT = re.compile(f"[<&\u202d\u202e{''.join(_ALIKE)}{''.join(map(chr, _PICTURED))}]")


def readings(text: str) -> list[str]:
    r"""Return a text and, where a reader could see other words, those.

    >>> readings("so b<b></b>a&#100;"), readings("\u202edab"), readings("b\u0430d")
    (['so b<b></b>a&#100;', 'so bad'], ['\u202edab', 'bad'], ['b\u0430d', 'bad'])
    >>> readings("good"), readings("1 < 2 & 3")
    (['good'], ['1 < 2 & 3'])
    >>> ascii(readings("\u0628x\u0627\u0628"))  # bab, a door
    "['\\u0628x\\u0627\\u0628', '\\u0628\\u0627\\u0628']"
    """
    shown = text
    if _SUSPECT.search(text):
        shown = without_markup(text) if "<" in text or "&" in text else text
        shown = _OVERRIDDEN.sub(_as_shown, shown)
        shown = _WORD.sub(_in_latin, shown).translate(_PICTURED)
    passed_over = _DOUBLED.sub(_once_each, _BETWEEN_ARABIC.sub("", shown))
    return list(dict.fromkeys((text, shown, passed_over)))


def _as_shown(overridden: re.Match[str]) -> str:
    override, letters = overridden.groups()
    rightwards = override == _TO_THE_RIGHT
    wanted = _FROM_THE_RIGHT if rightwards else _LATIN_LETTER
    return letters[::-1] if wanted.search(letters) else overridden[0]


def _in_latin(word: re.Match[str]) -> str:
    mixed = _LATIN_LETTER.search(word[0])
    return word[0].translate(_TO_LATIN) if mixed else word[0]


def _once_each(doubled: re.Match[str]) -> str:
    return _AGAIN.sub(r"\1", doubled[0])
