"""Alphabet: what every code point becomes by itself, and of which kind it is.

Promise: the same tables on every Python, built once in a process.

Secret: how Python's Unicode database, what was added to Unicode since (`models.characters`) and the
orthography of Arabic (`models.orthography`) make one table of look-ups. It is rule 1 of
`models.normalize`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.characters import (
    EMPTY,
    NEW_LETTERS,
    NEW_MARKS,
    NEW_NUMBERS,
    NEW_SPELLINGS,
    UNSEEN,
)
from models.orthography import FOLD, HANGING, LOOK_ALIKES, PARTING_SIGNS

BREAK = 10
"""Code between two texts of a batch: it ends a word as a space does."""
SPACE = 32
SEPARATOR = "\0"

_DROPPED_CATEGORIES = frozenset(("Mn", "Me", "Cf", "Cc", "Cs"))
# Below are the planes that hold letters and emoji, from there on rare ideographs, then signs.
_SHARED_PLANES, _LAST_PLANES = 0x20000, 0x40000

# The kind of a code, above the 21 bits of its code point. A bit each, so that one reduction tells
# which kinds a batch has; rising, so that `codes >= LETTER` asks for all alphabetic ones. Blanks
# have none. `OPENS` marks the signs that may open a mention or a link.
OPENS, SIGN, JOINING, PICTURED_DIGIT, DIGIT, LETTER, ARABIC, DROPPED, EXPANDS = (
    1 << bit for bit in range(21, 30)
)
CODE_POINT = OPENS - 1


@dataclass(frozen=True, slots=True)
class Alphabet:
    """What is known of every code point, as tables."""

    letters: NDArray[np.int32]  # (0x110000,) what it becomes with its kind, or `EXPANDS` with a row
    spellings: NDArray[np.int32]  # all that rows expand to, end to end
    spelling_starts: NDArray[np.int64]  # (n_rows + 1,) where each row's starts
    look_alikes: NDArray[np.int32]  # what to add for the Arabic letter drawn alike; last is 0


@lru_cache(maxsize=1)
def unicode_alphabet() -> Alphabet:
    """Build the tables from Python's Unicode database and what was added to Unicode since, once."""
    letters = np.arange(0x110000, dtype=np.int32)
    kinds = np.full(0x110000, SIGN, dtype=np.int32)
    kinds[0xAC00:0xD7A4] = kinds[_SHARED_PLANES:_LAST_PLANES] = LETTER
    spellings: list[str] = []
    # Hangul syllables stay whole: their decomposition says nothing about Arabic.
    known = [*range(0xAC00), *range(0xD7A4, 0xD800), *range(0xE000, _SHARED_PLANES)]
    since = NEW_SPELLINGS.keys() | (NEW_LETTERS - FOLD.keys()) | NEW_NUMBERS
    for code, becomes in zip(known, _canonical(map(chr, known)), strict=True):
        if len(becomes) == 1:
            letters[code] = ord(becomes)
        elif code not in since:  # of which a newer Python knows more than is wanted here
            letters[code] = EXPANDS | len(spellings) if becomes else DROPPED
            spellings += [becomes] * bool(becomes)
        if becomes == chr(code):
            if becomes.isalpha() and unicodedata.category(becomes) != "Lm":
                kinds[code] = ARABIC if _is_arabic(code) else LETTER
            elif becomes.isnumeric():
                kinds[code] = DIGIT
    for codes, kind in ((NEW_LETTERS - FOLD.keys(), LETTER), (NEW_NUMBERS, DIGIT)):
        letters[list(codes)] = list(codes)
        kinds[list(codes)] = kind
    letters[list(NEW_SPELLINGS)] = [ord(letter) for letter in NEW_SPELLINGS.values()]
    letters[list(UNSEEN | NEW_MARKS | HANGING)] = DROPPED
    kinds[ord("|")] = LETTER  # drawn for an alef
    kinds[list(EMPTY)] = SIGN
    parting = [ord(sign) for sign in PARTING_SIGNS]
    kinds[kinds == SIGN] = JOINING
    kinds[parting] = SIGN
    # Emoji and other pictures hide inside words as easily as a dot, be they numbers or not.
    for pictures in (slice(0x2190, 0x2C00), slice(0x1F000, 0x20000)):
        kinds[pictures][kinds[pictures] == DIGIT] = PICTURED_DIGIT
    kinds[[ord("@"), ord(":")]] |= OPENS
    kinds[[SPACE, BREAK]] = 0
    look_alikes = np.zeros(0x500, dtype=np.int32)
    for drawn, letter in LOOK_ALIKES.items():
        for code in map(ord, drawn):
            look_alikes[code] = (ARABIC | ord(letter)) - (kinds[code] | code)
    plain = letters <= CODE_POINT
    letters[plain] |= kinds[letters[plain]]
    letters[ord(SEPARATOR)] = BREAK
    spelled = np.array([ord(c) for c in "".join(spellings)], dtype=np.int32)
    starts = np.cumsum([0, *map(len, spellings)])
    return Alphabet(letters, spelled | kinds[spelled], starts, look_alikes)


def _canonical(characters: Iterable[str]) -> list[str]:
    """Say what rule 1 makes of each character: nothing, a letter, or a few."""
    apart = chr(_SHARED_PLANES)  # an ideograph, with which no other character is read together
    text = apart.join(" " if character.isspace() else character for character in characters)
    text = unicodedata.normalize("NFKD", text).lower()
    # Lower case can bring composed letters back, so decompose what it gave.
    text = unicodedata.normalize("NFKD", text).translate(FOLD)
    written = {ord(c): str(unicodedata.decimal(c, c)) for c in set(text)}
    unread = {ord(c) for c in set(text) if unicodedata.category(c) in _DROPPED_CATEGORIES}
    written |= dict.fromkeys(unread | UNSEEN | HANGING, "")
    return text.translate(written).split(apart)


def _is_arabic(code: int) -> bool:
    return 0x0600 <= code < 0x0700 or 0x0750 <= code < 0x0780 or 0x0870 <= code < 0x0900
