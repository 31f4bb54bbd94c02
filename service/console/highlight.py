"""Highlighting of evidence in a text.

A mark also takes in the combining marks, joiners and variation selectors that follow its last
letter, because a browser draws them with that letter.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from models.schema import Evidence
from service.rules.findings import Finding

#: Marked is what weighs at least this share of the heaviest part, and every word of a site's list,
#: which weighs nothing.
TELLING_SHARE = 0.25

_JOINERS = "\N{ZERO WIDTH JOINER}\N{VARIATION SELECTOR-15}\N{VARIATION SELECTOR-16}"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text that is marked with a label or a kind of finding, or not (``""``)."""

    text: str
    label: str = ""


def marked(
    text: str, field: str, evidence: Iterable[Evidence], findings: Iterable[Finding] = ()
) -> Iterator[Segment]:
    """Cut a text into marked and unmarked segments.

    Where two parts overlap, the heavier counts, and a finding before all of them.
    """
    found = sorted(
        (part for part in evidence if part.field == field), key=lambda part: -part.weight
    )
    labels = [""] * len(text)
    for finding in findings:
        if finding.field == field:
            length = min(finding.end, len(text)) - finding.start
            labels[finding.start : finding.end] = [finding.kind] * length
    for part in found:
        if part.weight and part.weight < TELLING_SHARE * found[0].weight:
            continue
        for place in range(max(part.start, 0), min(_whole(text, part.end), len(text))):
            labels[place] = labels[place] or part.label
    begin = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or labels[place] != labels[begin]:
            yield Segment(text[begin:place], labels[begin])
            begin = place


def _whole(text: str, end: int) -> int:
    while 0 < end < len(text) and (unicodedata.combining(text[end]) or text[end] in _JOINERS):
        end += 1
    return end
