"""Evidence on the letters it is about.

Secret: where a mark begins and ends. Offsets are code points of the original text, as the
classifier gives them. A mark also takes in the combining marks, joiners and variation selectors
that follow its last letter, because a browser draws them with that letter.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_JOINERS = "\N{ZERO WIDTH JOINER}\N{VARIATION SELECTOR-15}\N{VARIATION SELECTOR-16}"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text that is marked with one label, or with none (``""``)."""

    text: str
    label: str = ""


def marked(text: str, spans: Iterable[tuple[int, int, str]]) -> Iterator[Segment]:
    """Cut a text into marked and unmarked segments that together are the text.

    Parameters
    ----------
    text : str
        The original text.
    spans : iterable of (start, end, label)
        Code-point offsets; the most telling first. Where spans overlap, the first keeps the
        letters. What lies outside the text is ignored.

    Examples
    --------
    >>> [(s.text, s.label) for s in marked("you big donkey", [(8, 14, "insult")])]
    [('you big ', ''), ('donkey', 'insult')]
    """
    labels = [""] * len(text)
    for start, end, label in spans:
        for place in range(max(start, 0), min(_whole(text, end), len(text))):
            labels[place] = labels[place] or label
    begin = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or labels[place] != labels[begin]:
            yield Segment(text[begin:place], labels[begin])
            begin = place


def _whole(text: str, end: int) -> int:
    while 0 < end < len(text) and (unicodedata.combining(text[end]) or text[end] in _JOINERS):
        end += 1
    return end
