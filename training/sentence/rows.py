"""Rows to learn from: a text, soft targets of its labels, a weight; JSON Lines."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.errors import RecordError
from models.sentence_scorer import readings
from training.sentence.tokens import Tokens, tokens_of


@dataclass(frozen=True)
class Rows:
    """Texts in pieces, and what is known of them."""

    tokens: Tokens
    y: NDArray[np.float32]  # (n_rows, n_labels), NaN where not observed
    weight: NDArray[np.float32]
    labels: tuple[str, ...]


def read_rows(places: Iterable[Path], tokenizer: Tokenizer, labels: Iterable[str]) -> Rows:
    """Read rows, ``{"text": ..., "labels": {"toxicity": 0.7}, "weight": 2}`` a line.

    A label that is missing was not observed; a weight that is missing is 1. Labels beyond those
    given follow in the order in which they are met.
    """
    texts: list[str] = []
    told: list[dict[str, float]] = []
    weight: list[float] = []
    known = dict.fromkeys(labels)
    for path in places:
        for number, line in _lines(path):
            try:
                row = json.loads(line)
                observed = {label: float(share) for label, share in row["labels"].items()}
                texts.append("" + row["text"])
                weight.append(float(row.get("weight", 1.0)))
            except (ValueError, TypeError, KeyError, AttributeError):
                raise RecordError(
                    f"{path}, line {number}: a text and its labels are expected"
                ) from None
            if not all(0 <= share <= 1 for share in observed.values()) or not weight[-1] >= 0:
                raise RecordError(f"{path}, line {number}: a share outside [0, 1] or a weight < 0")
            told.append(observed)
            known |= dict.fromkeys(observed)
    if not texts:
        raise RecordError("there is not one row in what was given")
    names = tuple(known)
    column = {name: at for at, name in enumerate(names)}
    y = np.full((len(texts), len(names)), np.nan, dtype=np.float32)
    for at, observed in enumerate(told):
        for name, share in observed.items():
            y[at, column[name]] = share
    return Rows(in_pieces(texts, tokenizer), y, np.array(weight, dtype=np.float32), names)


def write_rows(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write rows as `read_rows` reads them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _OPENERS.get(path.suffix, open)(path, "wt", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def in_pieces(texts: list[str], tokenizer: Tokenizer) -> Tokens:
    """Cut texts into pieces, normalized as the scorer will have them."""
    encoded = tokenizer.encode_batch_fast(readings(texts), add_special_tokens=False)
    return tokens_of([one.ids for one in encoded])


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with _OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8") as file:
        yield from enumerate(file, 1)


_OPENERS: dict[str, Callable[..., IO[Any]]] = {".xz": lzma.open, ".gz": gzip.open}
