"""Texts as Perspective describes them: languages, sentences, and places counted in UTF-16.

Languages go by script: a detector takes short and mixed texts for any language. In linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from models.language import TAGS, identify, scripts
from models.normalize import normalize

ARABIC = TAGS["Arab"]
ARABIZI = "ar-Latn"
LATIN = "und-Latn"  # some language in Latin script, BCP 47

# Digits that stand for Arabic letters, inside a Latin word: 2 hamza, 3 ain, 5 kha, 7 hah, 8 qaf or
# ghain, 9 sad or qaf. Source: Yaghan, "Arabizi: a contemporary style of Arabic slang", 2008.
_ARABIZI_DIGITS = frozenset("235789")
_WORD = re.compile(r"[A-Za-z0-9']+")

# The end of a sentence: its marks and what closes behind them, before a space or the end of the
# text; or the end of a line. Nothing is given back once it is taken, so that no run is read twice.
_MARKS = r".!?\N{ARABIC QUESTION MARK}\N{ARABIC FULL STOP}\N{HORIZONTAL ELLIPSIS}"
_CLOSING = r"\"')\]\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
_END = re.compile(rf"(?<![{_MARKS}])[{_MARKS}]++[{_CLOSING}]*+(?=\s|\Z)|\n")


MOST_SENTENCES = 100  # each is scored by itself, and thousands fit into a short text


def detect(text: str) -> list[str]:
    r"""Return the language tags of the scripts of a text, the most frequent first.

    >>> detect("\u0645\u0631\u062d\u0628\u0627"), detect("mar7aba"), detect("hello"), detect("!")
    (['ar'], ['ar-Latn'], ['und-Latn'], [])
    """
    normalized = normalize(text).text
    tags = [TAGS.get(script, f"und-{script}") for script, _ in scripts(normalized).most_common()]
    if ARABIC in tags:
        language = identify(text)
        if language.script == "Arab" and language.unsupported:
            tags[tags.index(ARABIC)] = language.unsupported
    if LATIN in tags and any(map(_is_arabizi, _WORD.findall(normalized))):
        tags[tags.index(LATIN)] = ARABIZI
    return list(dict.fromkeys(tags))


def _is_arabizi(word: str) -> bool:
    digits = {character for character in word if character.isdigit()}
    n_letters = sum(map(str.isalpha, word))
    return bool(digits) and digits <= _ARABIZI_DIGITS and n_letters >= 3


def sentences(text: str) -> list[tuple[int, int]]:
    """Return where the sentences of a text begin and end, without the space between them.

    Where there are more than `MOST_SENTENCES`, neighbours go together, as many everywhere.

    >>> sentences(" One. Two?  Three")
    [(1, 5), (6, 10), (12, 17)]
    """
    spans, behind = [], 0
    for end in [*(match.end() for match in _END.finditer(text)), len(text)]:
        part = text[behind:end]
        start, stop = end - len(part.lstrip()), behind + len(part.rstrip())
        if start < stop:
            spans.append((start, stop))
        behind = end
    size = -(-len(spans) // MOST_SENTENCES) or 1
    groups = (spans[at : at + size] for at in range(0, len(spans), size))
    return [(group[0][0], group[-1][1]) for group in groups]


def in_utf16(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    r"""Yield spans of a text, in order and apart, as UTF-16 counts them.

    >>> list(in_utf16("a\U0001f600b", [(0, 2), (2, 3)]))
    [(0, 3), (3, 4)]
    """
    units, behind = 0, 0
    for start, stop in spans:
        begin = units + _n_units(text[behind:start])
        units, behind = begin + _n_units(text[start:stop]), stop
        yield begin, units


def _n_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
