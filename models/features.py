"""Features: the words of normalized texts, and the hashed n-grams of words.

Promise: the same text gives the same words and buckets whatever stands beside it in a batch, on
every machine, in time linear in its length. Words are equal when their letters are: a hash is never
taken for the word, since anybody can find a second word for it.

Secret: which pieces of a text the classifier looks at, and how they are hashed. A passage is the
set of its words; each word counts once, where it first stands. The pieces of a word are

* its characters with a blank on either side, 2 to 5 at a time;
* the word itself, and the pair it makes with the word before it;
* its *consonant skeleton*: Arabic and Latin letters brought to one alphabet of consonants, vowels
  dropped, doubled consonants once, 3 to 5 at a time, and the whole of it. It is what Arabizi and
  Arabic spelling have in common.

All but the pair depend on the word alone, so that whoever knows a word need not look inside.

Nothing is cut out as a string. A word's hash is a polynomial in its code points, read off one
running sum over the whole batch (after Karp and Rabin 1987); n-grams are hashed by one product of
matrices; the multiply-shift of Dietzfelbinger et al. 1997 picks the bucket.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.alphabet import BREAK, SPACE
from models.normalize import Batch, stretches

N_PLAIN_BUCKETS = 1 << 20
N_SKELETON_BUCKETS = 1 << 18
N_BUCKETS = N_PLAIN_BUCKETS + N_SKELETON_BUCKETS
"""Plain n-grams hash to the first `N_PLAIN_BUCKETS`, skeleton n-grams to the rest."""
NO_BUCKET = 0
"""Stands where no n-gram starts, so it must never have weight."""
CHARACTER_ORDERS = (2, 3, 4, 5)
SKELETON_ORDERS = (3, 4, 5)
WINDOWS = (3, 5, 8, 12)
"""Words in a row that are scored by themselves in longer texts, lest an insult hide in them."""
_MOST_GRAMS = 60  # of a word, those of 15 letters: one word must not water down what is beside it

_BASE = 0x9E3779B1  # odd, near 2**32 / golden ratio: spreads neighbouring codes
_SPREAD = 0x85EBCA6B  # a multiplier of MurmurHash3's finalizer
_KIND = 2 * 0x1000193  # makes of it another multiplier for each kind of n-gram
_WORD, _PAIR = 0, 1  # kinds of n-grams that have no order
_N_POWERS = 1 << 17  # enough for most batches

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
class Words:
    """The words of a batch of normalized texts.

    Attributes
    ----------
    codes : ndarray of uint32, shape (n_codes,)
        The batch's codes, breaks made blanks.
    start, stop : ndarray of int64, shape (n_words,)
        Where each word stands in `codes`, stop exclusive.
    text : ndarray of int64, shape (n_words,)
        Index of its text.
    hashed : ndarray of uint32, shape (n_words,)
        Its hash.
    same : ndarray of int64, shape (n_words,)
        Index of the first word of the batch that has the same letters.
    """

    codes: NDArray[np.uint32]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    text: NDArray[np.int64]
    hashed: NDArray[np.uint32]
    same: NDArray[np.int64]


def words_of(batch: Batch) -> Words:
    """Find the words of a batch.

    Parameters
    ----------
    batch : Batch
        From `models.normalize.normalize_batch`.

    Returns
    -------
    Words
        In the order of the texts.
    """
    codes = batch.codes.astype(np.uint32)
    blank = (codes <= SPACE).nonzero()[0]
    behind = (codes[blank] == BREAK).cumsum()
    codes[batch.breaks] = SPACE
    start, stop = blank[:-1] + 1, blank[1:]
    real = (start < stop).nonzero()[0]
    start, stop = start[real], stop[real]
    same = _same(spelled(codes))
    return Words(codes, start, stop, behind[real] - 1, _hashed(codes, start, stop), same)


def words_alone(words: list[str]) -> Words:
    """Give words that stand in no text the form of words that do.

    Parameters
    ----------
    words : list of str
        Words of normalized texts: no blanks in them, none empty.

    Returns
    -------
    Words
        All of one text.
    """
    codes = np.frombuffer(" ".join(["", *words, ""]).encode("utf-32-le"), dtype="<u4")
    blank = (codes == SPACE).nonzero()[0]
    start, stop = blank[:-1] + 1, blank[1:]
    hashed = _hashed(codes, start, stop)
    return Words(codes, start, stop, np.zeros_like(start), hashed, _same(words))


def spelled(codes: NDArray[np.uint32]) -> list[str]:
    """Spell the words out that stand between blanks."""
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le").split()


def _same(words: list[str]) -> NDArray[np.int64]:
    first: dict[str, int] = {}
    place = (first.setdefault(word, number) for number, word in enumerate(words))
    return np.fromiter(place, np.int64, len(words))


def earlier_in_text(words: Words) -> NDArray[np.int64]:
    """Find the equal word that stands before each word in its text.

    Returns
    -------
    ndarray of int64, shape (n_words,)
        Index of the last one, -1 if there is none.
    """
    keys = (words.same << 32) + np.arange(len(words.same))
    keys.sort()
    order = keys & 0xFFFFFFFF
    again = (keys[1:] >> 32 == keys[:-1] >> 32) & (words.text[order[1:]] == words.text[order[:-1]])
    earlier = np.full(len(order), -1)
    earlier[order[1:][again]] = order[:-1][again]
    return earlier


@dataclass(frozen=True, slots=True)
class Passages:
    """What texts are scored by: each whole text, and in a longer one every window.

    Attributes
    ----------
    kind : ndarray of int64, shape (n_passages,)
        0 if it is the whole of its text, k if it is a window of the k-th size of `WINDOWS`.
    text : ndarray of int64, shape (n_passages,)
        Index of the text. It never falls: the whole of a text stands before its windows.
    first, stop : ndarray of int64, shape (n_passages,)
        Which words of the batch, stop exclusive.
    """

    kind: NDArray[np.int64]
    text: NDArray[np.int64]
    first: NDArray[np.int64]
    stop: NDArray[np.int64]


def passages_of(words: Words, n_texts: int) -> Passages:
    """List the passages of texts; of windows only those of fewer words than the text has."""
    edges = words.text.searchsorted(np.arange(n_texts + 1))
    n_words = edges[1:] - edges[:-1]
    sizes = np.empty((n_texts, 1 + len(WINDOWS)), dtype=np.int64)
    sizes[:, 0], sizes[:, 1:] = n_words, WINDOWS
    chosen = sizes < n_words[:, None]
    chosen[:, 0] = True
    text, kind = chosen.nonzero()
    size = sizes[chosen]
    n_passages = n_words[text] - size + 1
    # What has no words stands behind all of them.
    begin = np.where(size > 0, edges[text], len(words.text))
    first = stretches(begin, begin + n_passages)
    return Passages(
        kind.repeat(n_passages),
        text.repeat(n_passages),
        first,
        first + size.repeat(n_passages),
    )


def sums_of(passages: Passages, words: Words, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up the values of each passage's distinct words.

    Parameters
    ----------
    passages : Passages
        All of the batch, from `passages_of`.
    words : Words
    values : ndarray of float64, shape (n_words, n_values)
        Whole numbers or of half precision: they add up without rounding, so that a text's sum
        does not depend on what was added before it.

    Returns
    -------
    ndarray of float64, shape (n_passages, n_values)
    """
    n_words, n_values = values.shape
    n_kinds = int(passages.kind.max()) + 1
    # A word counts from the first passage of a kind that reaches it, or that leaves its like
    # behind, to the one that it begins.
    since = np.arange(n_words) - _REACHES[:n_kinds]
    since[0] = words.text.searchsorted(words.text)
    np.maximum(since, earlier_in_text(words) + 1, out=since)
    since += np.arange(0, n_kinds * (n_words + 1), n_words + 1)[:, None]
    cells = since[:, :, None] * n_values + np.arange(n_values)
    every = np.broadcast_to(values, (n_kinds, *values.shape))
    running = np.zeros((n_kinds, n_words + 1, n_values))
    running[:, 1:] -= values
    running += np.bincount(cells.ravel(), every.ravel(), running.size).reshape(running.shape)
    running.cumsum(axis=1, out=running)
    sums: NDArray[np.float64] = running[passages.kind, passages.first]
    return sums


def pair_buckets(words: Words, chosen: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Hash chosen words together with the words before them.

    Parameters
    ----------
    words : Words
    chosen : ndarray of int64, shape (n_chosen,)
        Indices of words.

    Returns
    -------
    ndarray of uint32, shape (n_chosen,)
        Buckets; the first word of a text makes a pair with its beginning.
    """
    before = chosen - 1
    hashed = words.hashed[before]
    hashed *= (words.text[before] == words.text[chosen]) & (before >= 0)
    return buckets_of_pairs(hashed, words.hashed[chosen])


def buckets_of_pairs(before: NDArray[np.uint32], hashed: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Hash pairs of words, given the hash of each; 0 is that of a text's beginning."""
    pair = before * np.uint32(_BASE)
    pair += hashed
    return _bucket(pair, _SPREADS[_PAIR], N_PLAIN_BUCKETS)


def gram_buckets(
    words: Words, chosen: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Hash all that is in chosen words, the words themselves included.

    Parameters
    ----------
    words : Words
    chosen : ndarray of int64, shape (n_chosen,)
        Indices of words.

    Returns
    -------
    bucket : ndarray of uint32, shape (n_places,)
        One for each n-gram, as often as it stands in the word, and `NO_BUCKET`s.
    word : ndarray of int64, shape (n_places,)
        Which of the chosen words it is in.
    """
    start, stop = words.start[chosen] - 1, words.stop[chosen] + 1
    word = np.arange(len(chosen)).repeat(stop - start)
    at = stretches(start, stop)
    codes = words.codes[at]
    plain = _grams(codes, stop[word] - at, CHARACTER_ORDERS, N_PLAIN_BUCKETS)
    skeleton, of_skeleton = _skeleton_buckets(codes, word)
    whole = _bucket(words.hashed[chosen], _SPREADS[_WORD], N_PLAIN_BUCKETS)
    return (
        np.concatenate((plain, whole, skeleton)),
        np.concatenate((word.repeat(len(CHARACTER_ORDERS)), np.arange(len(chosen)), of_skeleton)),
    )


def n_plain(words: Words) -> NDArray[np.int64]:
    """Count the n-grams of characters and words that each word brings, up to a limit.

    Returns
    -------
    ndarray of int64, shape (n_words,)
    """
    # A word of n > 1 letters with its blanks has (n + 1) + n + (n - 1) + (n - 2) n-grams, is one
    # itself and makes a pair; a word of one letter has three.
    counted: NDArray[np.int64] = np.minimum(4 * (words.stop - words.start), _MOST_GRAMS)
    return np.maximum(counted, 5, out=counted)


def _hashed(
    codes: NDArray[np.uint32], start: NDArray[np.int64], stop: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """Hash the codes of each word: the sum of code times base**place, places counted from 1."""
    n = len(codes)
    powers, inverses = _TABLES if n <= _N_POWERS else _powers(n)
    sums = codes * powers[:n]
    sums.cumsum(out=sums)
    hashed = sums[stop - 1]
    hashed -= sums[start - 1]
    hashed *= inverses[start - 1]
    return hashed


def _powers(n: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Powers of the base from the 0th on, and of its inverse modulo 2**32."""
    both = np.ones((2, n), dtype=np.uint32)
    both[:, 1:] = [[_BASE], [pow(_BASE, -1, 1 << 32)]]
    np.cumprod(both, axis=1, out=both)
    return both[0], both[1]


def _bucket(
    hashed: NDArray[np.uint32], spread: NDArray[np.uint32], n_buckets: int
) -> NDArray[np.uint32]:
    """Spread hashes over buckets, in place."""
    hashed ^= hashed >> np.uint32(15)
    hashed *= spread
    hashed >>= np.uint32(33 - n_buckets.bit_length())
    return hashed


def _grams(
    codes: NDArray[np.uint32],
    room: NDArray[np.int64],
    orders: tuple[int, ...],
    n_buckets: int,
) -> NDArray[np.uint32]:
    """Buckets of the n-grams of each order that start at each place and have room there.

    Returns
    -------
    ndarray of uint32, shape (n_codes * n_orders,)
        `NO_BUCKET` where there is no room.
    """
    windows = codes.take(np.arange(len(codes))[:, None] + _WINDOW, mode="clip")
    first = orders[0]
    bucket = _bucket(windows @ _PLACES[:, first:], _SPREADS[first : first + len(orders)], n_buckets)
    bucket *= room[:, None] >= _ORDERS[first:]
    return bucket.ravel()


def _skeleton_buckets(
    codes: NDArray[np.uint32], word: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """N-grams of the consonant skeletons of words that stand one behind the other.

    Parameters
    ----------
    codes : ndarray of uint32, shape (n_codes,)
        Words, each between two blanks of its own.
    word : ndarray of int64, shape (n_codes,)
        The word each code is of.
    """
    skeleton = _SKELETON.take(codes, mode="clip")
    with_h = (codes[1:] == ord("h")).nonzero()[0]
    if len(with_h):
        with_h = with_h[_SKELETON_WITH_H.take(codes[with_h], mode="clip") != 0]
        skeleton[with_h] = _SKELETON_WITH_H[codes[with_h]]
        skeleton[with_h + 1] = 0
    # A final heh is most often a teh marbuta, which sounds as a vowel.
    skeleton[:-1][(skeleton[:-1] == _HEH) & (skeleton[1:] == SPACE)] = 0
    # A doubled consonant counts once, and so do the blanks between two words.
    kept = (skeleton > 0).nonzero()[0]
    skeleton = skeleton[kept]
    single = np.ones(len(kept), dtype=bool)
    np.not_equal(skeleton[1:], skeleton[:-1], out=single[:-1])
    consonants, word = skeleton[single].astype(np.uint32), word[kept[single]]
    blank = (consonants == SPACE).nonzero()[0]
    gap = blank[1:] - blank[:-1]
    # An n-gram ends with the next blank; none starts with the last one.
    room = np.zeros(len(consonants), dtype=np.int64)
    room[:-1] = (blank[1:] + 1).repeat(gap) - np.arange(len(consonants) - 1)
    grams = _grams(consonants, room, SKELETON_ORDERS, N_SKELETON_BUCKETS)
    start, stop = blank[:-1] + 1, blank[1:]
    whole = _bucket(_hashed(consonants, start, stop), _SPREADS[_WORD], N_SKELETON_BUCKETS)
    bucket = np.concatenate((grams, whole))
    bucket += np.uint32(N_PLAIN_BUCKETS) * (bucket > NO_BUCKET)
    return bucket, np.concatenate((word.repeat(len(SKELETON_ORDERS)), word[start]))


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


_TABLES = _powers(_N_POWERS)
_REACHES = np.array((0, *WINDOWS))[:, None] - 1  # how far before its last word a window begins
_WINDOW = np.arange(CHARACTER_ORDERS[-1])
_ORDERS = np.arange(len(_WINDOW) + 1)
# Column k weighs the first k codes of a window and leaves the others out.
_PLACES = np.triu(np.ones((len(_WINDOW), len(_WINDOW) + 1), dtype=np.uint32), 1)
_PLACES *= _TABLES[0][1 : len(_WINDOW) + 1, None]
# One multiplier for each kind of n-gram, or order: words, pairs, 2 codes, 3 codes ...
_SPREADS = np.uint32(_SPREAD) + np.uint32(_KIND) * np.arange(len(_WINDOW) + 1, dtype=np.uint32)
_SKELETON, _SKELETON_WITH_H = _skeleton_tables()
_HEH = _SKELETON[0x647]
