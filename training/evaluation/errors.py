"""Errors: false alarms and misses on texts read along our own line, to be read and sorted by kind.

They hold comments, which are hostile and private: they go to the file that was asked for, which its
owner alone can read, and nowhere else.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from models.classifier import READ, Classifier
from models.files import write_durably
from models.schema import LABELS
from training.datasets import Corpus
from training.evaluation.held_out import margins, should_be_flagged
from training.evaluation.scorer import scores_by_label
from training.public_sets import READ_ALONG_OUR_LINE

N_ERRORS = 30  # of each side and set


@dataclass(frozen=True)
class Error:
    """A text that was judged wrongly, with what each reader says of toxicity."""

    side: str  # "false alarm" or "miss"
    set: str
    kind: str  # what the text is about, where its source says so
    labels: list[str]  # what it is, as it was read
    flagged: list[str]  # labels that are at their review point
    score: float
    words: float  # logits
    sentence: float | None  # None where the text was not read twice
    text: str


def errors(
    classifier: Classifier, review: Mapping[str, float], test: Corpus, most: int = N_ERRORS
) -> list[Error]:
    """Draw up to so many errors of each side of each set, sorted by kind."""
    test = test.select(
        np.isin(test.source, READ_ALONG_OUR_LINE) & ~np.isnan(test.label("toxicity"))
    )
    should = should_be_flagged(test) >= 0.5
    over = margins(scores_by_label(classifier, test.texts), review) >= 0
    found: list[Error] = []
    for side, wrong in (("false alarm", over & ~should), ("miss", should & ~over)):
        for source in READ_ALONG_OUR_LINE:
            rows = np.flatnonzero(wrong & (test.source == source))
            # Keys are hashes of the letters, so their order is chance, and the same each time.
            rows = rows[np.argsort(test.keys[rows], kind="stable")][:most]
            found += _described(classifier, review, test.select(rows), side)
    return sorted(found, key=lambda error: (error.side, error.set, error.kind, error.labels))


def write_errors(path: Path, found: Sequence[Error]) -> None:
    """Write JSON Lines, an object an error, to a file that its owner alone can read."""
    lines = [json.dumps(asdict(error), ensure_ascii=False) + "\n" for error in found]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, "".join(lines).encode(), mode=0o600)


def _described(
    classifier: Classifier, review: Mapping[str, float], rows: Corpus, side: str
) -> Iterator[Error]:
    scores = scores_by_label(classifier, rows.texts)
    words = classifier.scorer.logits(rows.texts)
    states = classifier.judge(rows.texts)[1]
    sentences = np.full(words.shape, np.nan)
    if classifier.blend:
        sentences = classifier.blend.sentence_logits(rows.texts, states, words, classifier.scorer)
    for row, text in enumerate(rows.texts):
        yield Error(
            side,
            str(rows.source[row]),
            str(rows.kind[row]),
            [label for label in LABELS if rows.label(label)[row] >= 0.5],
            [label for label in review if scores[label][row] >= review[label]],
            float(scores["toxicity"][row]),
            float(words[row, 0]),
            float(sentences[row, 0]) if states[row] == READ else None,
            text,
        )
