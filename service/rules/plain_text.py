"""Plain text: letters as browsers and readers take them, each with the place it stood at.

Compatibility forms become the letter that they show, capitals small, digits of every script those
of ASCII; marks, what shows nothing, and the tatweel between Arabic letters are left out. Linear.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from models.characters import UNSEEN

_IDEOGRAPHIC_FULL_STOP = "\u3002"  # a dot in names of hosts, as IDNA has it
_TATWEEL = "\u0640"


def plain(text: str) -> tuple[str, list[int]]:
    r"""Return a text in plain letters, and where each of them stood.

    >>> plain("A\u0660\u200b\uff11")  # ARABIC-INDIC DIGIT ZERO, FULLWIDTH DIGIT ONE
    ('a01', [0, 1, 3])
    """
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text):
        for one in letter if letter.isascii() and not letter.isupper() else _plain_letter(letter):
            letters.append(one)
            places.append(place)
    return "".join(letters), places


@lru_cache(maxsize=4_096)
def _plain_letter(letter: str) -> str:
    if letter == _IDEOGRAPHIC_FULL_STOP:
        return "."
    if ord(letter) in UNSEEN:
        return ""
    folded = unicodedata.normalize("NFKC", letter).casefold()
    return "".join(_ascii_digit(c) for c in folded if not _is_left_out(c))


def _is_left_out(letter: str) -> bool:
    return letter == _TATWEEL or unicodedata.category(letter) in ("Mn", "Me", "Cf")


def _ascii_digit(letter: str) -> str:
    return str(unicodedata.decimal(letter, letter))
