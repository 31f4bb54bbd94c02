"""Scoring: texts of any length, in all their readings, and the evidence for a score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from models.artifact import Artifact
from models.normalize import normalize
from models.schema import Evidence, Field
from service.rules.disguises import readings

MAX_TEXT_BYTES = 20_480  # in UTF-8; what an interface of ours takes
# Some interfaces take texts that are longer. Such a text is scored in pieces of so many letters,
# each of which shares some with the next.
PIECE_LETTERS, SHARED_LETTERS = MAX_TEXT_BYTES, 512
MAX_PARTS = 5  # of evidence, per field
# Finding evidence costs three times what scoring does. A thousand comments of the usual length stay
# below this; of a thousand very long ones the later get their verdict without evidence.
MAX_EVIDENCE_CHARACTERS = 250_000  # per request


@dataclass(frozen=True, slots=True)
class Flagged:
    """A field of a comment, and the label for which a person should look at it."""

    comment: int
    field: Field
    text: str
    label: str


class Scorer:
    """Scores texts with one artefact."""

    def __init__(self, artifact: Artifact) -> None:
        self._classifier = artifact.classifier

    def scores(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Score texts: for each the probability, in [0, 1], of each label the artefact knows.

        In linear time and bounded memory: the score of a very long text is the highest of its
        pieces, and that of a disguised one the highest of its readings.
        """
        if not texts:
            return []
        labels = self._classifier.labels
        pieces = [list(chain(*map(_pieces, readings(text)))) for text in texts]
        rows = iter(self._classifier.predict_proba(list(chain(*pieces))).tolist())
        return [
            dict(zip(labels, map(max, zip(*islice(rows, len(of_text)), strict=True)), strict=True))
            for of_text in pieces
        ]

    def evidence(self, flagged: Sequence[Flagged]) -> dict[int, list[Evidence]]:
        """Find what made the labels of flagged fields, by the number of the comment.

        The heaviest of each field first; only of the first `MAX_EVIDENCE_CHARACTERS`, and not of
        very long texts.
        """
        by_label: dict[str, list[Flagged]] = defaultdict(list)
        n_characters = 0
        for one in flagged:
            if n_characters >= MAX_EVIDENCE_CHARACTERS:
                break
            if len(one.text) <= MAX_TEXT_BYTES:
                by_label[one.label].append(one)
                n_characters += len(one.text)
        found: dict[int, list[Evidence]] = defaultdict(list)
        for label, fields in by_label.items():
            explanations = self._classifier.explain([one.text for one in fields], label)
            for one, explanation in zip(fields, explanations, strict=True):
                found[one.comment] += [
                    replace(part, weight=round(part.weight, 4))
                    for part in explanation.evidence(MAX_PARTS, one.field)
                ]
        return found


def _pieces(text: str) -> list[str]:
    if len(text) <= PIECE_LETTERS:
        return [text]
    text = normalize(text).text  # so that nothing invisible fills a piece
    starts = range(0, max(1, len(text) - SHARED_LETTERS), PIECE_LETTERS - SHARED_LETTERS)
    return [text[at : at + PIECE_LETTERS] for at in starts]
