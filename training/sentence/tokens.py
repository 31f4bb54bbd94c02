"""Texts as numbers of pieces, and batches of like length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.sentence_scorer import BEGIN, END, LONGEST, PAD


@dataclass(frozen=True)
class Tokens:
    """Texts as numbers of pieces, end to end."""

    ids: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of pieces of each text, with its begin and end."""
        return np.diff(self.starts) + 2

    def batch(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Lay texts out as rows of equal length, filled up with `PAD`."""
        filled = np.full((len(rows), int(self.lengths[rows].max())), PAD, dtype=np.int64)
        for at, row in enumerate(rows.tolist()):
            ids = self.ids[self.starts[row] : self.starts[row + 1]]
            filled[at, 0], filled[at, 1 : len(ids) + 1], filled[at, len(ids) + 1] = BEGIN, ids, END
        return filled


def tokens_of(encoded: list[list[int]]) -> Tokens:
    """Lay numbers of pieces end to end, at most `LONGEST` of a text."""
    cut = [np.array(ids[:LONGEST], dtype=np.int64) for ids in encoded]
    ids = np.concatenate(cut) if cut else np.zeros(0, np.int64)
    return Tokens(ids, np.append(0, np.cumsum([len(ids) for ids in cut])).astype(np.int64))


def batches(
    lengths: NDArray[np.int64], n_tokens: int, random: np.random.Generator | None
) -> list[NDArray[np.int64]]:
    """Put texts of like length together, in random order if there is chance."""
    loose = lengths + (random.random(len(lengths)) * 6 if random else 0)
    order = np.argsort(loose, kind="stable")
    cuts, first, longest = [], 0, 0
    for at, length in enumerate(lengths[order].tolist()):
        longest = max(longest, length)
        if at > first and longest * (at - first + 1) > n_tokens:
            cuts.append(order[first:at])
            first, longest = at, length
    if first < len(order):
        cuts.append(order[first:])
    if random:
        cuts = [cuts[at] for at in random.permutation(len(cuts))]
    return cuts


def both(first: Tokens, second: Tokens) -> Tokens:
    """Lay the texts of two behind each other."""
    starts = np.concatenate([first.starts, second.starts[1:] + first.starts[-1]])
    return Tokens(np.concatenate([first.ids, second.ids]), starts)
