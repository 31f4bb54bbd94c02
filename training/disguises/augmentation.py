"""Augmentation: disguised copies of training comments.

`models.normalize` removes most disguises, so copies are made in those it cannot: writing without
dots, which leaves several letters open, and Latin letters, which everybody spells differently. The
same comments so written teach the abuse that hides there, and that the writing is no abuse. The
same texts and seed give the same copies.
"""

import random
from collections.abc import Sequence

from training.disguises.transforms import TRANSFORMS

# Share of the comments that get a copy in each disguise; a comment gets one at most.
SHARES = {"arabizi": 0.25, "dotless": 0.16, "latin_lookalike": 0.03}
COPY_WEIGHT = 0.4  # of its comment's
_WHOLE = 0.7  # share of the copies in which every word is disguised


def disguised_copies(texts: Sequence[str], seed: int) -> tuple[list[int], list[str]]:
    """Disguise some of the texts; return which, and copies that differ from them."""
    rng = random.Random(seed)
    names, shares = list(SHARES), list(SHARES.values())
    rows, copies = [], []
    for row, text in enumerate(texts):
        (name,) = rng.choices([*names, ""], [*shares, 1 - sum(shares)])
        words = range(len(text.split()))
        chosen = None if rng.random() < _WHOLE else [i for i in words if rng.random() < 0.5]
        if name and (copy := TRANSFORMS[name](text, rng, chosen)) != text:
            rows.append(row)
            copies.append(copy)
    return rows, copies
