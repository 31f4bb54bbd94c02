"""Weights of a network on disk: a folder of ``.npz`` arrays, the tokenizer and a record.

Large matrices are kept as whole numbers of one byte with a scale for each row (``NAME|q`` times
``NAME|s``), or as they are. ``record.json`` says the labels and how the weights were made; without
one the labels are the first of `LABELS`.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ModerationError
from models.files import write_durably
from models.schema import LABELS

TOKENIZER, RECORD, ARRAYS = "tokenizer.json", "record.json", "weights.npz"

HEAD_WIDTH = 32
"""Width of one head of attention, in networks of any size."""

Arrays = dict[str, NDArray[np.float32]]
Record = dict[str, Any]
"""``labels``, and ``steps``: what was done, in order."""

# Names that other programs gave to the same arrays.
_BEGINNINGS = {
    "enc.": "encoder.",
    "encoder.emb.": "encoder.pieces.",
    "encoder.pos.": "encoder.positions.",
    "encoder.ln.": "encoder.norm.",
    "h.": "dense.",
    "out.": "labels.",
}
_PARTS = {
    ".qkv.": ".attention_in.",
    ".o.": ".attention_out.",
    ".ln1.": ".attention_norm.",
    ".fi.": ".dense_in.",
    ".fo.": ".dense_out.",
    ".ln2.": ".dense_norm.",
}


@dataclass(frozen=True)
class Shape:
    """Sizes of a network."""

    n_pieces: int = 24_000
    n_layers: int = 6
    width: int = 384
    n_heads: int = 12
    inner: int = 1536
    n_positions: int = 128


class WeightsUnusable(ModerationError):
    """A folder does not hold the weights of a network."""


def read_weights(folder: Path) -> tuple[Arrays, Record]:
    """Read the arrays and the record of a folder."""
    stored: dict[str, NDArray[Any]] = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            stored |= dict(arrays)
    if not stored:
        raise WeightsUnusable(f"{folder}: holds no .npz file")
    arrays = {}
    for name, values in stored.items():
        if name.endswith("|s"):
            continue
        if name.endswith("|q"):
            values = values * stored[f"{name[:-2]}|s"]  # noqa: PLW2901 -- the same numbers
        plain = name.removesuffix("|q")
        for theirs, ours in _BEGINNINGS.items():
            if plain.startswith(theirs):
                plain = ours + plain.removeprefix(theirs)
        for theirs, ours in _PARTS.items():
            plain = plain.replace(theirs, ours)
        arrays[plain] = values.astype(np.float32)
    record: Record = {}
    if (folder / RECORD).exists():
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    record.setdefault("labels", list(LABELS[: len(arrays.get("labels.bias", ()))]))
    record.setdefault("steps", [])
    return arrays, record


def write_weights(
    folder: Path, arrays: Mapping[str, NDArray[np.float32]], tokenizer: Path, record: Record
) -> None:
    """Write the arrays of a network, its tokenizer, its labels and how it was made."""
    folder.mkdir(parents=True, exist_ok=True)
    stored: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        if array.ndim == 2 and array.size > 10_000:
            stored[f"{name}|q"], stored[f"{name}|s"] = in_bytes(array)
        else:
            stored[name] = array
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **stored)
    write_durably(folder / ARRAYS, content.getvalue())
    if tokenizer.resolve() != (folder / TOKENIZER).resolve():
        shutil.copyfile(tokenizer, folder / TOKENIZER)
    text = json.dumps(record, ensure_ascii=False, indent=1, allow_nan=False)
    write_durably(folder / RECORD, f"{text}\n".encode())


def averaged(
    read: Sequence[tuple[Arrays, Record]], shares: Sequence[float]
) -> tuple[Arrays, Record]:
    """Average weights that come from one beginning, each with its share.

    The labels are those of the last; a label that another does not know is as the last knows it.
    """
    last, record = read[-1]
    names = set.intersection(*(set(arrays) for arrays, _ in read))
    mean: Arrays = {}
    for (arrays, known), share in zip(read, shares, strict=True):
        for name in names:
            values = arrays[name]
            if name.startswith("labels."):
                at = {label: row for row, label in enumerate(known["labels"])}
                rows = enumerate(record["labels"])
                values = np.stack(
                    [values[at[label]] if label in at else last[name][row] for row, label in rows]
                )
            if values.shape != last[name].shape:
                raise WeightsUnusable(f"the array {name} has not the same shape in all folders")
            part = (share / sum(shares) * values).astype(np.float32)
            mean[name] = mean[name] + part if name in mean else part
    parts = [
        {"share": share / sum(shares), "steps": known["steps"]}
        for (_, known), share in zip(read, shares, strict=True)
    ]
    return mean, {"labels": record["labels"], "steps": [{"step": "average", "of": parts}]}


def in_bytes(
    matrix: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return whole numbers of one byte and a scale for each row."""
    scale = np.abs(matrix).max(axis=1, keepdims=True) / 127 + 1e-12
    return np.round(matrix / scale).astype(np.int8), scale.astype(np.float32)


def shape_of(arrays: Mapping[str, NDArray[np.float32]]) -> Shape:
    """Read the sizes of a network off its arrays."""
    try:
        n_pieces, width = arrays["encoder.pieces.weight"].shape
        n_positions = len(arrays["encoder.positions.weight"])
        inner = len(arrays["encoder.layers.0.dense_in.bias"])
    except KeyError as error:
        raise WeightsUnusable(f"the array {error} is missing") from None
    numbers = [re.match(r"encoder\.layers\.(\d+)\.", name) for name in arrays]
    n_layers = 1 + max(int(number[1]) for number in numbers if number)
    return Shape(n_pieces, n_layers, width, width // HEAD_WIDTH, inner, n_positions)
