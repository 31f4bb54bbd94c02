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
NO_BUCKET = 0
"""Stands where no n-gram starts, so it must never have weight."""
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
_NOWHERE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Grams:
    """N-grams of one kind.

    Attributes
    ----------
    bucket : ndarray of uint32, shape (n_starts,) or (n_orders, n_starts)
        Bucket of the n-gram that starts there, `NO_BUCKET` where none does. In `Features.words`
        the whole 32-bit hash.
    text : ndarray of uint32, shape (n_starts,)
        Index of the text.
    start : ndarray of int64, shape (n_starts,)
        Position in ``batch.codes`` of the first code, a letter or the blank before it. Empty
        unless spans were asked for.
    stop : ndarray of int64, shape of `bucket`
        Position after the last code. Empty unless spans were asked for.
    """

    bucket: NDArray[np.uint32]
    text: NDArray[np.uint32]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Features:
    """What the classifier sees of a batch.

    Attributes
    ----------
    grams : list of Grams
        All n-grams.
    words : Grams
        Words by their whole hash, to look them up among known words.
    n_plain : ndarray of int64, shape (n_texts,)
        Number of plain n-grams in each text, repeats counted.
    """

    grams: list[Grams]
    words: Grams
    n_plain: NDArray[np.int64]


def extract(batch: Batch, *, spans: bool = False) -> Features:
    """Find the n-grams of a batch of normalized texts.

    Parameters
    ----------
    batch : Batch
        From `models.normalize.normalize_batch`.
    spans : bool
        Whether to say where each n-gram stands.

    Returns
    -------
    Features
    """
    n_texts = len(batch.breaks) - 1
    codes = batch.codes.astype(np.uint32)
    codes[batch.breaks] = SPACE
    # A break belongs to the text behind it, the last one to a text that is not there.
    text = np.zeros(len(codes), dtype=np.uint32)
    text[batch.breaks[1:]] = 1
    np.cumsum(text, out=text)
    at = np.arange(len(codes)) if spans else _NOWHERE
    blanks = np.flatnonzero(codes == SPACE)
    room = _room(blanks)
    start, stop, hashed = _words(codes, blanks, room)
    words = Grams(hashed, text[start], start, stop)
    grams = [
        _character_grams(codes, room, CHARACTER_ORDERS, 0, text, at, at),
        Grams(_bucket(hashed, 0, 0), words.text, start, stop),
        _word_pairs(words),
        *_skeleton_grams(codes, text, spans=spans),
    ]
    return Features(grams, words, _n_plain(words, n_texts))


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
    return _words(codes, blanks, _room(blanks))[2]


def _room(blanks: NDArray[np.int64]) -> NDArray[np.int32]:
    """Distance from each code to the next blank; 0 for a blank with another one behind it."""
    gaps = blanks[1:] - blanks[:-1]
    room = np.repeat(blanks[1:].astype(np.int32), gaps)
    room -= np.arange(len(room), dtype=np.int32)
    room[blanks[:-1][gaps == 1]] = 0
    return room


def _bucket(
    hashed: NDArray[np.uint32], first: int, kind: NDArray[np.uint32] | int
) -> NDArray[np.uint32]:
    """Spread hashes over the buckets that begin at `first`, differently for each kind."""
    n_buckets = N_SKELETON_BUCKETS if first else N_PLAIN_BUCKETS
    mixed = hashed >> np.uint32(15)
    mixed ^= hashed
    mixed *= _SPREAD + np.uint32(2 * 0x1000193) * np.uint32(kind)
    mixed >>= np.uint32(33 - n_buckets.bit_length())
    mixed += np.uint32(first)
    return mixed


def _character_grams(
    codes: NDArray[np.uint32],
    room: NDArray[np.int32],
    orders: tuple[int, ...],
    first: int,
    text: NDArray[np.uint32],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> Grams:
    """N-grams of codes that hold a blank at their ends at most.

    `starts` and `ends` say where each code stands in the batch, or are empty.
    """
    n_starts = len(room)
    hashed = np.zeros((len(orders), n_starts), dtype=np.uint32)
    rolling = codes
    for order in range(2, orders[-1] + 1):
        rolling = rolling[:-1] * _BASE
        rolling += codes[order - 1 :]
        if order in orders:
            hashed[orders.index(order), : len(rolling)] = rolling[:n_starts]
    kind = np.array(orders, dtype=np.uint32)[:, None]
    bucket = _bucket(hashed, first, kind)
    bucket *= room >= kind.view(np.int32) - 1
    if not len(starts):
        return Grams(bucket, text[:n_starts], _NOWHERE, _NOWHERE)
    last = np.minimum(np.arange(n_starts) + kind.astype(np.int64) - 1, len(codes) - 1)
    return Grams(bucket, text[:n_starts], starts[:n_starts], ends[last] + 1)


def _words(
    codes: NDArray[np.uint32], blanks: NDArray[np.int64], room: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32]]:
    """Find where words start and stop, and hash their letters.

    The hash is a polynomial whose powers count to the word's end.
    """
    start, stop = blanks[:-1] + 1, blanks[1:]
    terms = _POWERS.take(room, mode="clip")
    terms *= codes[:-1]
    terms[blanks[:-1]] = 0
    real = np.flatnonzero(start < stop)
    hashed = np.add.reduceat(terms, blanks[:-1], dtype=np.uint32)[real] if len(real) else terms[:0]
    return start[real], stop[real], hashed


def _word_pairs(words: Grams) -> Grams:
    """Neighbouring words of one text."""
    first = np.flatnonzero(words.text[1:] == words.text[:-1])
    hashed = words.bucket[first] * _BASE + words.bucket[first + 1]
    return Grams(
        _bucket(hashed, 0, 1), words.text[first], words.start[first], words.stop[first + 1]
    )


def _skeleton_grams(
    codes: NDArray[np.uint32], text: NDArray[np.uint32], *, spans: bool
) -> tuple[Grams, Grams]:
    """N-grams of the consonant skeleton, and whole words of it."""
    skeleton = _SKELETON.take(codes, mode="clip")
    with_h = np.flatnonzero(codes[1:] == ord("h"))
    with_h = with_h[_SKELETON_WITH_H.take(codes[with_h], mode="clip") != 0]
    skeleton[with_h] = _SKELETON_WITH_H[codes[with_h]]
    skeleton[with_h + 1] = 0
    # A final heh is most often a teh marbuta, which sounds as a vowel.
    skeleton[:-1][(skeleton[:-1] == _HEH) & (skeleton[1:] == SPACE)] = 0
    at = np.flatnonzero(skeleton)
    skeleton = skeleton[at]
    # Of a doubled consonant, and of the blanks around a word without any, the last one stays: it
    # is the one that surely belongs to the text behind it.
    single = np.ones(len(skeleton), dtype=bool)
    np.not_equal(skeleton[1:], skeleton[:-1], out=single[:-1])
    at, consonants = at[single], skeleton[single].astype(np.uint32)
    blanks = np.flatnonzero(consonants == SPACE)
    room = _room(blanks)
    start, stop, hashed = _words(consonants, blanks, room)
    text = text[at]
    # A final blank may stand in the next text, so an n-gram ends with its last consonant.
    ends = np.where(consonants == SPACE, np.append(0, at[:-1]), at) if spans else _NOWHERE
    return (
        _character_grams(
            consonants, room, SKELETON_ORDERS, N_PLAIN_BUCKETS, text, at if spans else at[:0], ends
        ),
        Grams(_bucket(hashed, N_PLAIN_BUCKETS, 0), text[start], at[start], at[stop - 1] + 1),
    )


def _n_plain(words: Grams, n_texts: int) -> NDArray[np.int64]:
    """Count plain n-grams from the lengths of the words alone."""
    padded = words.stop - words.start + 2
    per_word = 2 + sum(np.maximum(padded - order + 1, 0) for order in CHARACTER_ORDERS)
    counts = np.bincount(words.text, weights=per_word, minlength=n_texts)
    # Two for each word count it and the pair it begins; the last word of a text begins none.
    return counts.astype(np.int64) - (counts > 0)


def _skeleton_tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Tables from code to consonant class, for single letters and for pairs with h."""
    single = np.zeros(_N_SKELETON_CODES, dtype=np.uint8)
    for name, (arabic, latin) in enumerate(_CONSONANTS, start=1):
        single[[ord(letter) for letter in arabic + latin]] = name
    pairs = np.zeros(_N_SKELETON_CODES, dtype=np.uint8)
    for letter, arabic in _WITH_H.items():
        pairs[ord(letter)] = single[ord(arabic)]
    single[SPACE] = SPACE
    return single, pairs


_SKELETON, _SKELETON_WITH_H = _skeleton_tables()
_HEH = _SKELETON[0x647]
