"""Recorded logits: what sentence scorers said that learned from other parts than the released one.

A folder has a file of JSON Lines for each fit, named after it (``fold 3.jsonl``), whose rows are
``{"text": ..., "logits": {"toxicity": -1.2}}``; texts are compared as the scorer reads them,
normalized.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import RecordError
from models.sentence_scorer import Choose, SentenceScorer, readings
from training.evaluation.folds import Second


class Recorded(SentenceScorer):
    """A sentence scorer that knows the texts it was recorded on, and no others."""

    def __init__(self, path: Path) -> None:
        self.labels: tuple[str, ...] = ()
        self._path = path
        self._logits: dict[str, list[float]] = {}
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line)
                    self.labels = self.labels or tuple(row["logits"])
                    (text,) = readings([row["text"]])
                    self._logits[text] = [float(row["logits"][label]) for label in self.labels]
                except (ValueError, TypeError, KeyError, AttributeError):
                    wanted = "a text and its logits are expected"
                    raise RecordError(f"{path}, line {number}: {wanted}") from None

    def logits(
        self,
        texts: Sequence[str],
        choose: Choose | None = None,
        closely: Sequence[bool] | NDArray[np.bool_] = (),
    ) -> NDArray[np.float64]:
        """Give what was recorded; RecordError if a text was not."""
        known = [self._logits.get(text) for text in readings(texts)]
        missing = sum(logits is None for logits in known)
        if missing:
            raise RecordError(f"{self._path}: has no logits of {missing} texts that are asked for")
        return np.array(known, dtype=np.float64).reshape(len(texts), len(self.labels))


def recorded_in(folder: Path) -> Second:
    """Return what reads the file of a fit, where there is one."""

    def second(name: str) -> SentenceScorer | None:
        path = folder / f"{name}.jsonl"
        return Recorded(path) if path.exists() else None

    return second
