"""Decisions in parts: the earliest to learn from, later ones to calibrate, the latest held out.

No text is in two parts: texts of equal letters are one row, which stands where it was first
decided. The parts depend on the decisions alone, so that whoever has the file finds them again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.datasets import Corpus

LEARNED, CALIBRATED = 0.7, 0.85
"""Shares of the decisions, in the order of time, after which learning and calibrating end."""

SHORTEST_SECONDS = 86_400.0
"""From the first decision to the last, from which they are cut by time."""


@dataclass(frozen=True)
class Parts:
    """Decisions in parts that share no text, each later than the one before."""

    learned: Corpus
    calibrating: Corpus
    held_out: Corpus
    learned_until: float  # seconds since 1970 of the last decision learned from, or NaN
    calibrated_until: float


def parts_of(decisions: Corpus, until: tuple[float, float] | None = None) -> Parts:
    """Cut decisions by time; those without a time go by their letters, like those of one day.

    `until` gives the two times of an earlier cut, so that more decisions of a later day are held
    out as well, and what was learned from then is learned from again.
    """
    order = np.sort(decisions.decided_at[~np.isnan(decisions.decided_at)])
    if until is None and len(order):
        first, second = (order[int(share * (len(order) - 1))] for share in (LEARNED, CALIBRATED))
        # Within a day people take the most urgent first, so that early and late are other kinds of
        # comments; what was decided in one moment, as an imported file may say, has no order.
        in_order = second < order[-1] and order[-1] - order[0] >= SHORTEST_SECONDS
        until = (float(first), float(second)) if in_order else None
    until = (np.nan, np.nan) if until is None else until
    held_out = late(decisions, until[1])
    later = _after(decisions, until[0], LEARNED) & ~held_out
    later &= ~np.isin(decisions.keys, decisions.keys[held_out])
    early = ~np.isin(decisions.keys, decisions.keys[held_out | later])
    return Parts(
        decisions.select(early), decisions.select(later), decisions.select(held_out), *until
    )


def late(decisions: Corpus, calibrated_until: float | None) -> NDArray[np.bool_]:
    """Say which decisions a version that was calibrated until some time has nothing of."""
    until = np.nan if calibrated_until is None else calibrated_until
    after = _after(decisions, until, CALIBRATED)
    return after & ~np.isin(decisions.keys, decisions.keys[~after])


def _after(decisions: Corpus, time: float, share: float) -> NDArray[np.bool_]:
    by_letters = (decisions.keys % np.uint64(100)).astype(np.float64) / 100
    dated = ~np.isnan(decisions.decided_at) & ~np.isnan(time)
    return np.where(dated, decisions.decided_at > time, by_letters >= share)
