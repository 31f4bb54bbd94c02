"""Text to normalized text, with the way back to every original letter.

Promise: total on valid Unicode, idempotent, linear in the length of the text, and every code point
of the result knows the code point of the original it came from.

Secret: Unicode and Arabic orthography, that is, which of the many ways to write a word are the
same word. Whoever wants to slip an insult past a filter uses exactly these ways, so this module is
also the first line against evasion.

The rules, in the order they are applied:

1. *Letters.* Compatibility decomposition (presentation forms, ligatures, full-width, mathematical
   letters), lower case, any script's decimal digits to ASCII; marks (tashkeel, accents), format
   controls (zero-width, bidi, tags) and tatweel are dropped; look-alikes of the Persian, Urdu,
   Kurdish and Maghrebi alphabets fold to the Arabic letter a reader sees (``_FOLD``).
2. *Links and mentions.* ``https://...`` becomes one link sign, ``@name`` becomes ``@``.
3. *Runs of signs.* White space runs become one space, three or more equal signs two.
4. *Foreign look-alikes.* In a word that has an Arabic letter, Latin, Greek and Cyrillic letters of
   the same shape, and a single digit beside an Arabic letter, become the letter they stand for.
5. *Split words.* Three or more single letters with short separators between them are joined, and a
   joining sign inside a word goes when the part on one side of it has at most two letters. Parts
   are joined within one script. The length of a part counts equal neighbours once, so that joining
   never depends on elongation.
6. *Elongation.* Three or more equal letters become one in Arabic and two in other scripts.
7. *Signs* (punctuation, symbols, emoji) are set apart by single spaces.

Everything is array arithmetic over the code points of a whole batch: a rule costs a few passes
over all texts at once, and rules that need a rare character look for it first.

Sources: Unicode Standard Annex 15 (normalization forms) and chapter 9 (Arabic); the folding follows
what Arabic search engines do (Larkey, Ballesteros and Connell 2002, "light" normalization), widened
by the look-alikes seen in evasion.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidText

BREAK = 10
"""Code between two texts of a batch: it ends a word as a space does."""
SPACE = 32
LINK = 0x1F517
"""LINK SYMBOL stands for a web address."""
MENTION = ord("@")

# Letters a reader takes for one another. The dotless BEH (U+066E) is not among them: it is written
# for five letters, so it stays a letter of its own. Target first, then what folds into it.
_FOLD = (
    "\u0627\u0671\u0672\u0673\u0675\u0622\u0623\u0625",  # ALEF: wasla, wavy hamza
    "\u0628\u067b\u067e\u0680\u0750\u0751\u0752\u0753\u0754\u0755\u0756\u08a0",  # BEH: peh
    "\u062a\u0679\u067a\u067c\u067d\u067f",  # TEH: tteh, tteheh, ring, three dots, teheh
    "\u062c\u0683\u0684\u0686\u0687\u06bf",  # JEEM: nyeh, dyeh, tcheh, tcheheh
    "\u062d\u0681\u0682\u0685\u0757\u0758\u076e\u076f\u0772",  # HAH with foreign dots
    "\u062f\u0688\u0689\u068a\u068b\u068c\u068d\u068f\u0690\u06ee\u0759\u075a",  # DAL: ddal ...
    "\u0630\u068e",  # THAL: dul
    "\u0631\u0691\u0692\u0693\u0694\u0695\u0696\u06ef\u075b",  # REH: rreh ...
    "\u0632\u0697\u0698\u0699",  # ZAIN: jeh
    "\u0633\u069a\u069b\u069c\u075c\u076d",  # SEEN
    "\u0634\u06fa",  # SHEEN
    "\u0635\u069d\u069e",  # SAD
    "\u0636\u06fb",  # DAD
    "\u0637\u069f",  # TAH
    "\u0639\u06a0\u075d\u075e\u075f",  # AIN
    "\u063a\u06fc",  # GHAIN
    "\u0641\u06a1\u06a2\u06a3\u06a4\u06a5\u06a6\u0760\u0761",  # FEH: dotless, veh, peheh
    "\u0642\u06a7\u06a8\u066f",  # QAF: dotless, three dots (g in the Maghreb)
    "\u0643\u063b\u063c\u06a9\u06aa\u06ab\u06ac\u06ad\u06ae\u06af\u06b0\u06b1\u06b2",  # KAF: gaf
    "\u0644\u06b5\u06b6\u06b7\u06b8\u076a",  # LAM
    "\u0645\u0765\u0766\u08a7",  # MEEM
    "\u0646\u06b9\u06ba\u06bb\u06bc\u06bd\u0767\u0768\u0769",  # NOON: ghunna, rnoon
    "\u0647\u0629\u06be\u06c0\u06c1\u06c2\u06c3\u06d5\u06ff",  # HEH: teh marbuta, goal, ae ...
    "\u0648\u0676\u0677\u06c4\u06c5\u06c6\u06c7\u06c8\u06c9\u06ca\u06cb\u06cf\u0778\u0779",  # WAW
    "\u064a\u0649\u0678\u063d\u063e\u063f\u06cc\u06cd\u06ce\u06d0\u06d1\u06d2\u06d3\u0620\u0777",
)  # the last: YEH: alef maksura, farsi yeh, e, yeh barree

# In a word with Arabic letters: the Arabic letter that a foreign one is drawn for.
_LOOK_ALIKES = {
    "\u0627": "li|\u0131\u03b9\u0456\u04cf",  # ALEF: strokes
    "\u0647": "o\u03bf\u043e\u03c3",  # HEH: rings
    "\u0644": "j",  # LAM
    "\u0645": "m\u043c",  # MEEM: also CYRILLIC SMALL LETTER EM
    "\u0633": "w\u0448",  # SEEN: three teeth, also CYRILLIC SMALL LETTER SHA
}
# A single digit, because longer ones are numbers: by its shape or by its sound in Arabizi.
_LOOK_ALIKE_DIGITS = {
    "0": "\u0647", "1": "\u0627", "2": "\u0621", "3": "\u0639", "5": "\u062e",
    "6": "\u0637", "7": "\u062d", "9": "\u0648",
}  # fmt: skip

# Signs a writer puts between letters without ending the word. Sentence marks are not among them.
_JOINING_SIGNS = "._*-~/\\'`^+=@$\u2022\u00b7\u2013\u2014\u2010\u2043"

_DROPPED = frozenset(("Mn", "Me", "Cf", "Cc", "Cs"))
_TATWEEL = "\u0640"
_SHARED_PLANES = 0x20000  # the planes that hold letters and emoji; the rest is rare ideographs

# Classes of a code, each a bit.
_BLANK, _JOINS, _SIGN, _ARABIC, _LETTER, _DIGIT = 1, 2, 4, 8, 16, 32
_WORD = _ARABIC | _LETTER | _DIGIT
_ALPHABETIC = _ARABIC | _LETTER

_Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Normalized:
    """A normalized text and the way back.

    Attributes
    ----------
    text : str
        The normalized text.
    offsets : ndarray of int32, shape (len(text),)
        ``offsets[i]`` is the index in the original of the code point that ``text[i]`` came from;
        a space that was set beside a sign points at the code point after it. Never decreasing.
    """

    text: str
    offsets: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Batch:
    """Many normalized texts as one array of code points.

    Attributes
    ----------
    codes : ndarray of int32, shape (n_codes,)
        `BREAK`, first text, `BREAK`, second text, ..., `BREAK`. Between two breaks, words stand
        apart by single `SPACE` codes.
    origin : ndarray of int32, shape (n_codes,)
        Index of the original code point in the concatenation of the original texts (without
        breaks); at a break, of the first code point of the text after it.
    breaks : ndarray of int64, shape (n_texts + 1,)
        Positions of `BREAK` in `codes`.
    starts : ndarray of int64, shape (n_texts + 1,)
        Where each original text starts in their concatenation; the last is its length.
    """

    codes: NDArray[np.int32]
    origin: NDArray[np.int32]
    breaks: NDArray[np.int64]
    starts: NDArray[np.int64]


def normalize(text: str) -> Normalized:
    r"""Normalize one text.

    Parameters
    ----------
    text : str
        Any valid Unicode, of any length.

    Returns
    -------
    Normalized

    Raises
    ------
    InvalidText
        If the text holds a lone surrogate.

    Examples
    --------
    Tashkeel goes, letters that were spread out come together:

    >>> normalize("\u0643\u064e\u0640\u0644\u0652\u0628").text == "\u0643\u0644\u0628"
    True
    >>> normalize("\u0643 . \u0644 . \u0628 !!").text == "\u0643\u0644\u0628 ! !"
    True
    """
    batch = normalize_batch([text])
    codes, origin = batch.codes[1:-1], batch.origin[1:-1]
    if len(codes) and codes[-1] == SPACE:
        codes, origin = codes[:-1], origin[:-1]
    return Normalized(codes.astype("<u4").tobytes().decode("utf-32-le"), origin)


def normalize_batch(texts: Sequence[str]) -> Batch:
    """Normalize many texts at once.

    Parameters
    ----------
    texts : sequence of str, length n_texts

    Returns
    -------
    Batch

    Raises
    ------
    InvalidText
        If a text holds a lone surrogate; the message gives its index and the position in it.
    """
    alphabet = _alphabet()
    codes, origin, starts = _code_points(texts, alphabet)
    codes, origin = _expand(codes, origin, alphabet)
    codes, origin = _keep(codes != 0, codes, origin)
    codes, origin = _fold_links_and_mentions(codes, origin, alphabet)
    codes, origin = _shorten_sign_runs(codes, origin, alphabet)
    codes = _fold_look_alikes(codes, alphabet)
    codes, origin = _join_split_words(codes, origin, alphabet)
    codes, origin = _shorten_elongation(codes, origin, alphabet)
    codes, origin = _set_signs_apart(codes, origin, alphabet)
    return Batch(codes, origin, np.flatnonzero(codes == BREAK), starts)


@dataclass(frozen=True, slots=True)
class _Alphabet:
    """What is known of every code point, as tables."""

    letters: NDArray[np.int32]  # (0x110000,) what it becomes; 0 is dropped, negative expands
    expansions: list[NDArray[np.int32]]  # row -1 - letters[c] is what c expands to
    classes: NDArray[np.uint8]  # (0x20001,) class bits; the last entry is for all beyond
    look_alikes: NDArray[np.int32]  # (0x20001,) the Arabic letter drawn alike, or the code itself
    digit_look_alikes: NDArray[np.int32]  # (0x3A,)

    def class_of(self, codes: _Codes) -> NDArray[np.uint8]:
        return self.classes.take(codes, mode="clip")


@lru_cache(maxsize=1)
def _alphabet() -> _Alphabet:
    """Build the tables from the Unicode database that comes with Python, once."""
    fold = {ord(letter): row[0] for row in _FOLD for letter in row[1:]}
    letters = np.arange(0x110000, dtype=np.int32)
    letters[0xD800:0xE000] = 0  # never met: encoding refuses them first
    letters[0xE0000:0xE1000] = 0  # tags and variation selectors
    expansions: list[NDArray[np.int32]] = []
    classes = np.full(_SHARED_PLANES + 1, _SIGN, dtype=np.uint8)
    # Hangul syllables stay whole: their decomposition says nothing about Arabic.
    for code in (*range(0xAC00), *range(0xD7A4, 0xD800), *range(0xE000, _SHARED_PLANES)):
        character = chr(code)
        becomes = _canonical(character, fold)
        if len(becomes) != 1:
            letters[code] = -1 - len(expansions) if becomes else 0
            if becomes:
                expansions.append(np.array([ord(c) for c in becomes], dtype=np.int32))
        elif becomes != character:
            letters[code] = ord(becomes)
        elif character.isalpha():
            classes[code] = _ARABIC if _is_arabic(code) else _LETTER
        elif character.isnumeric():
            classes[code] = _DIGIT
    classes[ord("|")] = _LETTER  # drawn for an alef
    classes[[ord(sign) for sign in _JOINING_SIGNS]] |= _JOINS
    # Emoji and other pictures join too: they hide inside words as easily as a dot.
    classes[0x2190:0x2C00] |= _JOINS
    classes[0x1F000:0x20000] |= _JOINS
    classes[[SPACE, BREAK]] = _BLANK
    look_alikes = np.arange(_SHARED_PLANES + 1, dtype=np.int32)
    for letter, drawn in _LOOK_ALIKES.items():
        look_alikes[[ord(c) for c in drawn]] = ord(letter)
    digits = np.arange(ord("9") + 1, dtype=np.int32)
    digits[[ord(c) for c in _LOOK_ALIKE_DIGITS]] = [ord(c) for c in _LOOK_ALIKE_DIGITS.values()]
    return _Alphabet(letters, expansions, classes, look_alikes, digits)


def _canonical(character: str, fold: dict[int, str]) -> str:
    """Say what rule 1 makes of one character: nothing, a letter, or a few."""
    if character.isspace():
        return " "
    decomposed = unicodedata.normalize("NFKD", character).lower()
    # Lower case can bring composed letters back, so decompose what it gave.
    decomposed = unicodedata.normalize("NFKD", decomposed).translate(fold)
    return "".join(
        str(unicodedata.decimal(c, c))
        for c in decomposed
        if c != _TATWEEL and unicodedata.category(c) not in _DROPPED
    )


def _is_arabic(code: int) -> bool:
    return 0x0600 <= code < 0x0700 or 0x0750 <= code < 0x0780 or 0x0870 <= code < 0x0900


def _code_points(
    texts: Sequence[str], alphabet: _Alphabet
) -> tuple[_Codes, NDArray[np.int32], NDArray[np.int64]]:
    """Lay the texts end to end with a break around each, letters already folded."""
    starts = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in texts], out=starts[1:])
    try:
        # The separator only makes room for the break: it is overwritten below.
        encoded = ("\n" + "\n".join(texts) + "\n" if texts else "\n").encode("utf-32-le")
    except UnicodeEncodeError as error:
        index = int(np.searchsorted(starts + np.arange(len(starts)), error.start, "right")) - 1
        at = error.start - 1 - int(starts[index]) - index
        raise InvalidText(f"text {index} has a lone surrogate at position {at}") from None
    codes = alphabet.letters.take(np.frombuffer(encoded, dtype="<i4"))
    breaks = starts + np.arange(len(starts))
    codes[breaks] = BREAK
    # A break counts as the first code point of the text after it.
    before = np.repeat(np.arange(len(starts), dtype=np.int32), np.diff(breaks, prepend=-1))
    origin = np.arange(len(codes), dtype=np.int32) - before
    return codes, origin, starts


def _keep(
    mask: NDArray[np.bool_], codes: _Codes, origin: NDArray[np.int32]
) -> tuple[_Codes, NDArray[np.int32]]:
    return (codes, origin) if mask.all() else (codes[mask], origin[mask])


def _expand(
    codes: _Codes, origin: NDArray[np.int32], alphabet: _Alphabet
) -> tuple[_Codes, NDArray[np.int32]]:
    """Spell ligatures and the like out."""
    if codes.min() >= 0:
        return codes, origin
    where = np.flatnonzero(codes < 0)
    rows = [alphabet.expansions[-1 - code] for code in codes[where].tolist()]
    lengths = np.ones(len(codes), dtype=np.int64)
    lengths[where] = [len(row) for row in rows]
    spelled = np.repeat(codes, lengths)
    spelled[spelled < 0] = np.concatenate(rows)
    return spelled, np.repeat(origin, lengths)


def _fold_links_and_mentions(
    codes: _Codes, origin: NDArray[np.int32], alphabet: _Alphabet
) -> tuple[_Codes, NDArray[np.int32]]:
    """Leave one sign of a web address and of a mention."""
    at = np.flatnonzero(codes == MENTION)
    link = np.flatnonzero((codes[:-2] == ord(":")) & (codes[1:-1] == ord("/")))
    link = link[codes[link + 2] == ord("/")]
    if not len(at) and not len(link):
        return codes, origin
    classes = alphabet.class_of(codes)
    # A mention starts where a word could; an at sign between letters is a joining sign.
    at = at[(classes[at - 1] & _WORD) == 0]
    not_name = np.flatnonzero(((classes & _WORD) == 0) & (codes != ord("_")))
    name_end = not_name[np.searchsorted(not_name, at, side="right")]
    # An address runs from its scheme to the next blank or Arabic letter.
    not_scheme = np.flatnonzero((classes & _LETTER) == 0)
    not_address = np.flatnonzero(classes & (_BLANK | _ARABIC))
    scheme = not_scheme[np.searchsorted(not_scheme, link) - 1] + 1
    address_end = not_address[np.searchsorted(not_address, link)]
    codes = codes.copy()
    codes[scheme] = LINK
    # Stretches may overlap, so their ends are counted instead of visiting them one by one.
    depth = np.zeros(len(codes), dtype=np.int32)
    np.add.at(depth, np.concatenate((at, scheme)) + 1, 1)
    np.add.at(depth, np.concatenate((np.maximum(name_end, at + 1), address_end)), -1)
    return _keep(np.cumsum(depth, dtype=np.int32) == 0, codes, origin)


def _shorten_sign_runs(
    codes: _Codes, origin: NDArray[np.int32], alphabet: _Alphabet
) -> tuple[_Codes, NDArray[np.int32]]:
    """Leave one of a run of blanks and two of a run of equal signs."""
    classes = alphabet.class_of(codes)
    blank = classes == _BLANK
    same = codes[1:] == codes[:-1]
    drop = np.zeros(len(codes), dtype=bool)
    drop[1:] = blank[:-1] & (codes[1:] == SPACE)
    drop[2:] |= same[1:] & same[:-1] & (classes[2:] & _SIGN).view(bool)
    return _keep(~drop, codes, origin)


def _join_split_words(
    codes: _Codes, origin: NDArray[np.int32], alphabet: _Alphabet
) -> tuple[_Codes, NDArray[np.int32]]:
    """Join letters and parts of words that were set apart."""
    classes = alphabet.class_of(codes)
    letter = (classes & _ALPHABETIC) != 0
    edges = np.flatnonzero(letter[1:] != letter[:-1]) + 1  # text starts and ends with a break
    starts, ends = edges[::2], edges[1::2]
    gap = starts[1:] - ends[:-1]
    short = np.flatnonzero(gap <= 3)
    if not len(short):
        return codes, origin
    # What stands in each short gap: only joining signs and spaces will do.
    after, gap = ends[short], gap[short]
    spaced = np.zeros(len(short), dtype=bool)
    joins = np.ones(len(short), dtype=bool)
    for i in range(3):
        inside = gap > i
        at = np.where(inside, after + i, after)
        space = codes[at] == SPACE
        joins &= ~inside | space | ((classes[at] & _JOINS) != 0)
        spaced |= inside & space
    # The size of a part: its letters, equal neighbours counted once as elongation will count them.
    changes = np.cumsum(codes[1:] != codes[:-1], dtype=np.int32)
    size = changes[ends - 2] - changes[starts - 1] + 1
    left, right = size[short], size[short + 1]
    single = np.zeros(len(starts) + 1, dtype=bool)  # gap k lies between parts k and k + 1
    single[short] = joins & (left == 1) & (right == 1)
    in_chain = single[short] & (single[short - 1] | single[short + 1])
    join = in_chain | (joins & ~spaced & (np.minimum(left, right) <= 2))
    after, gap, right_start = after[join], gap[join], starts[short[join] + 1]
    # A word of two scripts would have look-alikes after their rule was applied, so none is made.
    ends_of_words = np.flatnonzero((classes & _WORD) == 0)
    arabic = np.cumsum(classes == _ARABIC, dtype=np.int32)

    def has_arabic(at: NDArray[np.int64]) -> NDArray[np.bool_]:
        word = np.searchsorted(ends_of_words, at)
        return arabic[ends_of_words[word]] > arabic[ends_of_words[word - 1]]

    alike = has_arabic(after - 1) == has_arabic(right_start)
    keep = np.ones(len(codes), dtype=bool)
    for i in range(3):
        keep[(after + i)[alike & (gap > i)]] = False
    return _keep(keep, codes, origin)


def _fold_look_alikes(codes: _Codes, alphabet: _Alphabet) -> _Codes:
    """Turn foreign letters and digits inside Arabic words into what they are drawn for."""
    classes = alphabet.class_of(codes)
    arabic = classes == _ARABIC
    other = (classes & (_LETTER | _DIGIT)) != 0
    meets = np.flatnonzero((arabic[1:] & other[:-1]) | (arabic[:-1] & other[1:]))
    if not len(meets):
        return codes
    # The words that hold both, from the blank or sign before to the one behind.
    ends = np.flatnonzero((classes & _WORD) == 0)
    word = np.unique(np.searchsorted(ends, meets + 1))
    first, length = ends[word - 1] + 1, ends[word] - ends[word - 1] - 1
    mixed = np.repeat(first - np.cumsum(length) + length, length) + np.arange(length.sum())
    mixed = mixed[other[mixed]]
    codes = codes.copy()
    codes[mixed] = alphabet.look_alikes.take(codes[mixed], mode="clip")
    classes = alphabet.class_of(codes)
    digits = mixed[classes[mixed] == _DIGIT]
    before, after = classes[digits - 1], classes[digits + 1]
    single = (before != _DIGIT) & (after != _DIGIT) & ((before == _ARABIC) | (after == _ARABIC))
    digits = digits[single & (codes[digits] <= ord("9"))]
    codes[digits] = alphabet.digit_look_alikes[codes[digits]]
    return codes


def _shorten_elongation(
    codes: _Codes, origin: NDArray[np.int32], alphabet: _Alphabet
) -> tuple[_Codes, NDArray[np.int32]]:
    """Leave one of three or more equal Arabic letters, two of other letters."""
    same = codes[1:] == codes[:-1]
    third = np.flatnonzero(same[1:] & same[:-1]) + 2  # third or later of a run
    if not len(third):
        return codes, origin
    classes = alphabet.class_of(codes[third])
    keep = np.ones(len(codes), dtype=bool)
    keep[third[(classes & _ALPHABETIC) != 0]] = False
    keep[third[classes == _ARABIC] - 1] = False
    return codes[keep], origin[keep]


def _set_signs_apart(
    codes: _Codes, origin: NDArray[np.int32], alphabet: _Alphabet
) -> tuple[_Codes, NDArray[np.int32]]:
    """Put a space between a sign and whatever touches it."""
    classes = alphabet.class_of(codes)
    sign, blank = (classes & _SIGN) != 0, classes == _BLANK
    apart = (sign[1:] | sign[:-1]) & ~(blank[1:] | blank[:-1])
    if not apart.any():
        return codes, origin
    apart = np.append(False, apart)
    place = np.arange(len(codes)) + np.cumsum(apart)
    spaced = np.full(int(place[-1]) + 1, SPACE, dtype=np.int32)
    spaced[place] = codes
    return spaced, np.repeat(origin, apart + 1)
