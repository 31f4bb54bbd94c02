"""Orthography: one table says which letters are one, and all who fold letters take it."""

import unicodedata

import pytest

from models import dialect
from models.normalize import normalize
from models.orthography import FOLD, HANGING, LOOK_ALIKES, PARTING_SIGNS
from training import datasets


def test_a_letter_is_folded_once_to_a_letter_that_stays() -> None:
    assert FOLD
    for code, letter in FOLD.items():
        assert unicodedata.name(letter).startswith("ARABIC LETTER")
        assert ord(letter) not in FOLD
        assert code not in HANGING
    assert not set(LOOK_ALIKES.values()) & set(map(chr, FOLD))


@pytest.mark.parametrize("table", [dialect._FOLD, datasets._FOLD], ids=["dialect", "corpus"])
def test_whoever_folds_fewer_letters_folds_them_to_the_same(table: dict[int, str]) -> None:
    for code, letter in table.items():
        assert normalize(chr(code)).text == letter


def test_a_sign_that_ends_words_is_no_letter() -> None:
    assert not any(sign.isalpha() for sign in PARTING_SIGNS)
