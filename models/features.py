"""Normalized texts to hashed n-grams.

Promise: the same text gives the same buckets whatever stands beside it in a batch, on every
machine, in time linear in its length.

Secret: which pieces of a text the classifier looks at, and how they are hashed. The pieces are

* the characters of a word with a blank on either side, 2 to 5 at a time;
* words, one and two at a time;
* the *consonant skeleton*: Arabic and Latin letters brought to one alphabet of consonants, vowels
  dropped, doubled consonants once, 3 to 5 at a time, and whole words of it. It is what Arabizi and
  Arabic spelling have in common.

An n-gram is never cut out as a string. A polynomial hash rolls over the code points of the whole
batch, one multiplication per order; an n-gram is kept where the next blank is far enough away
(after Karp and Rabin 1987; the multiply-shift of Dietzfelbinger et al. 1997 picks the bucket).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.normalize import SPACE, Batch

N_PLAIN_BUCKETS = 1 << 20
N_SKELETON_BUCKETS = 1 << 18
N_BUCKETS = N_PLAIN_BUCKETS + N_SKELETON_BUCKETS
"""Plain n-grams hash to the first `N_PLAIN_BUCKETS`, skeleton n-grams to the rest."""
CHARACTER_ORDERS = (2, 3, 4, 5)
SKELETON_ORDERS = (3, 4, 5)

_BASE = np.uint32(0x9E3779B1)  # odd, near 2**32 / golden ratio: spreads neighbouring codes
_SPREAD = np.uint32(0x85EBCA6B)  # a multiplier of MurmurHash3's finalizer
_LONGEST_WORD = 64  # letters past that hash with the same power
_POWERS = np.cumprod(np.full(_LONGEST_WORD + 1, _BASE, dtype=np.uint32), dtype=np.uint32)

# One consonant alphabet for both scripts: the Arabic letters a class holds, then the Latin letters
# and Arabizi digits that stand for them. Letters in no class are vowels (or silent) and dropped.
_CONSONANTS = (
    ("\u0628", "bp"), ("\u062a\u0637\u062b", "t6"), ("\u062c", "jg"), ("\u062d\u0647", "h7"),
    ("\u062e", "x5"), ("\u062f\u0636", "d"), ("\u0630\u0632\u0638", "z"), ("\u0631", "r"),
    ("\u0633\u0635", "s"), ("\u0634", ""), ("\u0639", "3"), ("\u063a", ""), ("\u0641", "fv"),
    ("\u0642", "q9"), ("\u0643", "kc"), ("\u0644", "l"), ("\u0645", "m"), ("\u0646", "n"),
)  # fmt: skip
# Latin pairs with h that stand for one consonant: sheen, khah, ghain, theh, thal, sheen, feh.
_WITH_H = {"s": "\u0634", "k": "\u062e", "g": "\u063a", "t": "\u062a", "d": "\u0630",
           "c": "\u0634", "p": "\u0641"}  # fmt: skip
_N_SKELETON_CODES = 0x700


@dataclass(frozen=True, slots=True)
class Grams:
    """N-grams of one kind, in the order they stand in the batch.

    Attributes
    ----------
    start : ndarray of int64, shape (n_grams,)
        Position in ``batch.codes`` of the first code, a letter or the blank before it.
    stop : ndarray of int64, shape (n_grams,)
        Position after the last code.
    bucket : ndarray of uint32, shape (n_grams,)
        Bucket in [0, `N_BUCKETS`); in `Features.words` the whole 32-bit hash.
    """

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    bucket: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Features:
    """What the classifier sees of a batch.

    Attributes
    ----------
    grams : list of Grams
        All n-grams, plain ones first.
    words : Grams
        Words by their whole hash, to look them up among known words.
    n_plain : ndarray of int64, shape (n_texts,)
        Number of plain n-grams in each text, repeats counted.
    text_of : ndarray of int64, shape (n_codes,)
        Index of the text that each code belongs to; a break belongs to the text behind it.
    """

    grams: list[Grams]
    words: Grams
    n_plain: NDArray[np.int64]
    text_of: NDArray[np.int64]


def extract(batch: Batch) -> Features:
    """Find the n-grams of a batch of normalized texts.

    Parameters
    ----------
    batch : Batch
        From `models.normalize.normalize_batch`.

    Returns
    -------
    Features
    """
    codes = batch.codes.astype(np.uint32)
    codes[batch.breaks] = SPACE
    lengths = np.diff(batch.breaks)
    text_of = np.repeat(np.arange(len(lengths) + 1), np.append(lengths, 1))
    blanks = np.flatnonzero(codes == SPACE)
    room = _room(blanks)
    words = _words(codes, blanks, room)
    grams = [
        *_character_grams(codes, room, CHARACTER_ORDERS, 0),
        Grams(words.start, words.stop, _bucket(words.bucket, 0, 0)),
        _word_pairs(batch.codes, words),
        *_skeleton_grams(codes),
    ]
    return Features(grams, words, _n_plain(words, text_of, len(lengths)), text_of)


def word_hashes(words: list[str]) -> NDArray[np.uint32]:
    """Hash words as `extract` hashes them, for a table of known words.

    Parameters
    ----------
    words : list of str
        Words of normalized texts: no blanks in them.

    Returns
    -------
    ndarray of uint32, shape (n_words,)
    """
    codes = np.frombuffer((" " + " ".join(words) + " ").encode("utf-32-le"), dtype="<u4")
    blanks = np.flatnonzero(codes == SPACE)
    return _words(codes, blanks, _room(blanks)).bucket


def _room(blanks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Distance from each code to the next blank; 0 for a blank with another one behind it."""
    gaps = np.diff(blanks)
    room = np.repeat(blanks[1:], gaps) - np.arange(blanks[-1])
    room[blanks[:-1][gaps == 1]] = 0
    return room


def _bucket(hashed: NDArray[np.uint32], first: int, kind: int) -> NDArray[np.uint32]:
    """Spread the hashes of one kind of n-gram over the buckets that begin at `first`."""
    n_buckets = N_SKELETON_BUCKETS if first else N_PLAIN_BUCKETS
    mixed = hashed ^ (hashed >> np.uint32(15))
    mixed *= _SPREAD + np.uint32(2 * 0x1000193 * kind)
    mixed >>= np.uint32(33 - n_buckets.bit_length())
    mixed += np.uint32(first)
    return mixed


def _character_grams(
    codes: NDArray[np.uint32], room: NDArray[np.int64], orders: tuple[int, ...], first: int
) -> list[Grams]:
    """N-grams of codes that hold a blank at their ends at most."""
    grams = []
    hashed = codes
    for order in range(2, orders[-1] + 1):
        hashed = hashed[:-1] * _BASE
        hashed += codes[order - 1 :]
        if order in orders:
            start = np.flatnonzero(room[: len(hashed)] >= order - 1)
            grams.append(Grams(start, start + order, _bucket(hashed[start], first, order)))
    return grams


def _words(codes: NDArray[np.uint32], blanks: NDArray[np.int64], room: NDArray[np.int64]) -> Grams:
    """Words with their whole hash: a polynomial over the letters, whose powers count to the end."""
    start, stop = blanks[:-1] + 1, blanks[1:]
    terms = codes[:-1] * _POWERS.take(room, mode="clip")
    terms[blanks[:-1]] = 0
    real = np.flatnonzero(start < stop)
    hashed = np.add.reduceat(terms, blanks[:-1], dtype=np.uint32)[real] if len(real) else terms[:0]
    return Grams(start[real], stop[real], hashed)


def _word_pairs(codes: NDArray[np.int32], words: Grams) -> Grams:
    """Neighbouring words of one text."""
    first = np.flatnonzero(codes[words.stop[:-1]] == SPACE)
    hashed = words.bucket[first] * _BASE + words.bucket[first + 1]
    return Grams(words.start[first], words.stop[first + 1], _bucket(hashed, 0, 1))


def _skeleton_grams(codes: NDArray[np.uint32]) -> list[Grams]:
    """N-grams of the consonant skeleton, and whole words of it."""
    skeleton = _SKELETON.take(codes, mode="clip")
    with_h = np.flatnonzero(codes[1:] == ord("h"))
    with_h = with_h[_SKELETON_WITH_H.take(codes[with_h], mode="clip") != 0]
    skeleton[with_h] = _SKELETON_WITH_H[codes[with_h]]
    skeleton[with_h + 1] = 0
    # A final heh is most often a teh marbuta, which sounds as a vowel.
    skeleton[:-1][(skeleton[:-1] == _HEH) & (codes[1:] == SPACE)] = 0
    at = np.flatnonzero(skeleton)
    # Of a doubled consonant, and of the blanks around a word without any, the last one stays: it
    # is the one that surely belongs to the text behind it.
    at = at[np.append(skeleton[at[1:]] != skeleton[at[:-1]], True)]
    skeleton = skeleton[at]
    blanks = np.flatnonzero(skeleton == SPACE)
    room = _room(blanks)
    words = _words(skeleton, blanks, room)
    whole = Grams(words.start, words.stop, _bucket(words.bucket, N_PLAIN_BUCKETS, 0))
    # A final blank may stand in the next text, so an n-gram ends with its last consonant.
    end = at - (skeleton == SPACE) * (at - np.append(0, at[:-1]))
    return [
        Grams(at[group.start], end[group.stop - 1] + 1, group.bucket)
        for group in (*_character_grams(skeleton, room, SKELETON_ORDERS, N_PLAIN_BUCKETS), whole)
    ]


def _n_plain(words: Grams, text_of: NDArray[np.int64], n_texts: int) -> NDArray[np.int64]:
    """Count plain n-grams from the lengths of the words alone."""
    padded = words.stop - words.start + 2
    per_word = 2 + sum(np.maximum(padded - order + 1, 0) for order in CHARACTER_ORDERS)
    counts = np.bincount(text_of[words.start], weights=per_word, minlength=n_texts)
    # Two for each word count it and the pair it begins; the last word of a text begins none.
    return counts.astype(np.int64) - (counts > 0)


def _skeleton_tables() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Tables from code to consonant class, for single letters and for pairs with h."""
    single = np.zeros(_N_SKELETON_CODES, dtype=np.uint32)
    for name, (arabic, latin) in enumerate(_CONSONANTS, start=1):
        single[[ord(letter) for letter in arabic + latin]] = name
    pairs = np.zeros(_N_SKELETON_CODES, dtype=np.uint32)
    for letter, arabic in _WITH_H.items():
        pairs[ord(letter)] = single[ord(arabic)]
    single[SPACE] = SPACE
    return single, pairs


_SKELETON, _SKELETON_WITH_H = _skeleton_tables()
_HEH = _SKELETON[0x647]
