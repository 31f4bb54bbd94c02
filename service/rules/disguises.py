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
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from service.rules.html_text import markup

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


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as somebody may read it, and where each letter of it is written."""

    text: str
    starts: Sequence[int]  # for each letter, in the text as it was sent
    ends: Sequence[int]

    def written(self, start: int, end: int) -> tuple[int, int]:
        """Return where letters of this reading are written, with all that is between them."""
        return min(self.starts[start:end]), max(self.ends[start:end])

    def edited(self, edits: Iterable[tuple[int, int, str]]) -> Reading:
        """Replace parts, from start to end; each new letter is written where the whole part is."""
        n_read, texts, starts, ends = 0, list[str](), array("i"), array("i")
        for start, end, new in chain(edits, [(len(self.text), len(self.text), "")]):
            texts += self.text[n_read:start], new
            starts.extend(self.starts[n_read:start])
            ends.extend(self.ends[n_read:start])
            if new:
                starts.extend([self.starts[start]] * len(new))
                ends.extend([self.ends[end - 1]] * len(new))
            n_read = end
        return Reading("".join(texts), starts, ends)

    def reordered(self, order: Sequence[int]) -> Reading:
        """Return these letters, by their places in this reading, and no other."""
        return Reading(
            "".join(self.text[at] for at in order),
            array("i", (self.starts[at] for at in order)),
            array("i", (self.ends[at] for at in order)),
        )


def readings(text: str) -> list[Reading]:
    r"""Return a text and, where a reader could see other words, those.

    >>> [one.text for one in readings("so b<b></b>a&#100;")]
    ['so b<b></b>a&#100;', 'so bad']
    >>> [one.text for one in (*readings("\u202edab"), *readings("b\u0430d"))]
    ['\u202edab', 'bad', 'b\u0430d', 'bad']
    >>> len(readings("good")), len(readings("1 < 2 & 3"))
    (1, 1)
    >>> [ascii(one.text) for one in readings("\u0628x\u0627\u0628")]  # bab, a door
    ["'\\u0628x\\u0627\\u0628'", "'\\u0628\\u0627\\u0628'"]
    """
    shown = as_sent = Reading(text, range(len(text)), range(1, len(text) + 1))
    if _SUSPECT.search(text):
        if "<" in text or "&" in text:
            if "\r\n" in text:
                shown = shown.edited((*end.span(), "\n") for end in re.finditer("\r\n", text))
            shown = shown.edited(markup(shown.text))
        if _OVERRIDDEN.search(shown.text):
            shown = shown.reordered(array("i", _order_shown(shown.text)))
        latin = _WORD.sub(_in_latin, shown.text).translate(_PICTURED)  # a letter for a letter
        shown = replace(shown, text=latin)
    passed_over = shown
    if _BETWEEN_ARABIC.search(shown.text):
        between = _BETWEEN_ARABIC.finditer(shown.text)
        passed_over = shown.edited((*foreign.span(), "") for foreign in between)
    if _DOUBLED.search(passed_over.text):
        passed_over = passed_over.edited(_doubled(passed_over.text))
    found = dict[str, Reading]()
    for one in (as_sent, shown, passed_over):
        found.setdefault(one.text, one)
    return list(found.values())


def _order_shown(text: str) -> Iterator[int]:
    n_read = 0
    for overridden in _OVERRIDDEN.finditer(text):
        override, letters = overridden.groups()
        wanted = _FROM_THE_RIGHT if override == _TO_THE_RIGHT else _LATIN_LETTER
        if wanted.search(letters):
            yield from range(n_read, overridden.start())
            yield from reversed(range(*overridden.span(2)))
            n_read = overridden.end()
    yield from range(n_read, len(text))


def _in_latin(word: re.Match[str]) -> str:
    mixed = _LATIN_LETTER.search(word[0])
    return word[0].translate(_TO_LATIN) if mixed else word[0]


def _doubled(text: str) -> Iterator[tuple[int, int, str]]:
    for doubled in _DOUBLED.finditer(text):
        for again in _AGAIN.finditer(text, *doubled.span()):
            yield *again.span(), again[1]
