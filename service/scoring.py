"""Scoring: texts of any length, in all their readings, and the evidence for a score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from models.artifact import Artifact
from models.classifier import READ, READERS, Explanation
from models.normalize import normalize
from models.registry import Registry
from models.schema import Evidence, Field, SentenceEvidence
from service.config import Settings
from service.rules.disguises import Reading, readings

MAX_TEXT_BYTES = 20_480  # in UTF-8; what an interface of ours takes
# Some interfaces take texts that are longer. Such a text is scored in pieces of so many letters,
# each of which shares some with the next.
PIECE_LETTERS, SHARED_LETTERS = MAX_TEXT_BYTES, 512
MAX_PARTS = 5  # of evidence, per field
# Finding evidence costs three times what scoring does. A thousand comments of the usual length stay
# below this; of a thousand very long ones the later get their verdict without evidence.
MAX_EVIDENCE_CHARACTERS = 250_000  # per request
# Asking the sentence scorer about single words costs up to `MOST_LEFT_OUT` readings more.
MAX_ASKED = 10  # fields, per request


@dataclass(frozen=True, slots=True)
class Flagged:
    """A field of a comment, and the label for which a person should look at it."""

    comment: int
    field: Field
    text: str
    label: str


@dataclass(slots=True)
class Why:
    """What made the labels of a comment's flagged fields."""

    parts: list[Evidence] = field(default_factory=list)
    sentence: list[SentenceEvidence] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scored:
    """What a text has got, and from whom."""

    scores: dict[str, float]  # by label, [0, 1]
    readers: tuple[str, ...]  # of `READERS`, who read any piece or reading of it


def artifact_in_use(settings: Settings, artifact: Artifact | None = None) -> Artifact:
    """Return the promoted artefact, unless one is given, with the readers that are wanted."""
    artifact = artifact or Registry(settings.artifacts).load()
    if settings.sentence_scorer == "off":
        return replace(artifact, classifier=artifact.classifier.by_words_alone())
    return artifact


class Scorer:
    """Scores texts with one artefact."""

    def __init__(self, artifact: Artifact) -> None:
        self._classifier = artifact.classifier

    def scores(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Score texts: for each the probability, in [0, 1], of each label the artefact knows."""
        return [one.scores for one in self.judge(texts)]

    def judge(self, texts: Sequence[str]) -> list[Scored]:
        """Score texts, and say who read each.

        In linear time and bounded memory: the score of a very long text is the highest of its
        pieces, and that of a disguised one the highest of its readings.
        """
        if not texts:
            return []
        labels = self._classifier.labels
        pieces = [list(chain(*(_pieces(one.text) for one in readings(text)))) for text in texts]
        probabilities, states = self._classifier.judge(list(chain(*pieces)))
        rows, told = iter(probabilities.tolist()), iter(states.tolist())
        return [
            Scored(
                dict(zip(labels, map(max, zip(*islice(rows, n), strict=True)), strict=True)),
                READERS if READ in list(islice(told, n)) else READERS[:1],
            )
            for n in map(len, pieces)
        ]

    def why(self, flagged: Sequence[Flagged]) -> dict[int, Why]:
        """Find what made the labels of flagged fields, by the number of the comment.

        It is looked for in the reading that has the highest score, and stands where the text has
        it as sent. The heaviest part of each field first; only of the first
        `MAX_EVIDENCE_CHARACTERS`, and not of very long texts. Where the sentence says more than
        its words do, the sentence scorer is asked about each word, for the first `MAX_ASKED`
        fields.
        """
        by_label: dict[str, list[tuple[Flagged, Reading]]] = defaultdict(list)
        n_characters = 0
        for one in flagged:
            if n_characters >= MAX_EVIDENCE_CHARACTERS:
                break
            if len(one.text) <= MAX_TEXT_BYTES:
                as_read = readings(one.text)
                by_label[one.label] += [(one, reading) for reading in as_read]
                n_characters += sum(len(reading.text) for reading in as_read)
        found: dict[int, Why] = defaultdict(Why)
        n_asked = 0
        for label, fields in by_label.items():
            told = self._classifier.explain([reading.text for _, reading in fields], label)
            heard: dict[Flagged, tuple[Explanation, Reading]] = {}
            for (one, reading), explained in zip(fields, told, strict=True):
                if one not in heard or explained.logit > heard[one][0].logit:
                    heard[one] = explained, reading
            for one, (explained, reading) in heard.items():
                explanation, why = explained, found[one.comment]
                if explained.sentence > explained.said_by_words and n_asked < MAX_ASKED:
                    explanation = self._classifier.explain_sentence(explained)
                    n_asked += 1
                why.parts += [
                    _as_sent(part, reading) for part in explanation.evidence(MAX_PARTS, one.field)
                ]
                if explained.sentence:
                    weight = round(explained.sentence, 4)
                    why.sentence.append(SentenceEvidence(one.field, label, weight))
        return found


def _as_sent(part: Evidence, reading: Reading) -> Evidence:
    start, end = reading.written(part.start, part.end)
    return replace(part, start=start, end=end, weight=round(part.weight, 4))


def _pieces(text: str) -> list[str]:
    if len(text) <= PIECE_LETTERS:
        return [text]
    text = normalize(text).text  # so that nothing invisible fills a piece
    starts = range(0, max(1, len(text) - SHARED_LETTERS), PIECE_LETTERS - SHARED_LETTERS)
    return [text[at : at + PIECE_LETTERS] for at in starts]
