"""MinHash: short sketches by which texts that are nearly alike are known; pure.

Two texts share as large a part of their sketches as of their shingles, on average. Source: A. Z.
Broder, "On the resemblance and containment of documents", 1997.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

PART_BYTES = 4
MAX_PARTS = 16  # the longest digest of BLAKE2b has so many


def min_hash(shingles: Iterable[str], n_parts: int) -> list[str]:
    """Return the sketch of a text with at least one shingle: so many parts, in hexadecimal.

    >>> min_hash(["one two", "two three"], 2) == min_hash(["two three", "one two"], 2)
    True
    """
    size = n_parts * PART_BYTES
    digests = b"".join(
        hashlib.blake2b(shingle.encode(), digest_size=size).digest() for shingle in shingles
    )
    parts = np.frombuffer(digests, dtype=">u4").reshape(-1, n_parts).min(axis=0)
    return [f"{part:0{2 * PART_BYTES}x}" for part in parts.tolist()]
