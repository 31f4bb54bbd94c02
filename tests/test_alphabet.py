"""Alphabet: every code point has one kind, and what it becomes has the kind of what it became."""

import numpy as np

from models.alphabet import (
    ARABIC,
    BREAK,
    CODE_POINT,
    DIGIT,
    DROPPED,
    EXPANDS,
    LETTER,
    SPACE,
    unicode_alphabet,
)
from models.orthography import FOLD, HANGING


def test_what_a_code_point_becomes_stays_as_it_is() -> None:
    letters = unicode_alphabet().letters
    single = letters[letters < DROPPED]
    became = single & CODE_POINT
    assert np.array_equal(letters[became[became != BREAK]], single[became != BREAK])
    spelled = unicode_alphabet().spellings
    assert np.array_equal(letters[spelled & CODE_POINT], spelled)


def test_rows_of_spellings_are_what_ligatures_become() -> None:
    alphabet = unicode_alphabet()
    rows = alphabet.letters[alphabet.letters >= EXPANDS] - EXPANDS
    assert (np.diff(alphabet.spelling_starts) >= 2).all()
    assert sorted(rows.tolist()) == list(range(len(alphabet.spelling_starts) - 1))


def test_kinds_go_by_what_is_read() -> None:
    letters = unicode_alphabet().letters
    assert all(letters[code] == ARABIC | ord(letter) for code, letter in FOLD.items())
    assert all(letters[code] == DROPPED for code in HANGING)
    # FULLWIDTH LATIN CAPITAL LETTER A, ARABIC-INDIC DIGIT FIVE, NO-BREAK SPACE
    wanted = [LETTER | ord("a"), DIGIT | ord("5"), SPACE]
    assert letters[[0xFF21, 0x665, 0xA0]].tolist() == wanted
