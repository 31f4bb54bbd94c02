"""Normalization: text to normalized text, with the way back to every original letter.

Promise: total on valid Unicode, idempotent, linear in the length of the text, and every code point
of the result knows the code point of the original it came from.

Secret: the rules by which the many ways to write a word become one; which letters are one letter
stands in `models.orthography`. Whoever wants to slip an insult past a filter uses exactly these
ways, so this module is also the first line against evasion.

The rules, in the order they are applied:

1. *Letters.* Compatibility decomposition (presentation forms, ligatures, full-width, mathematical
   letters), lower case, any script's decimal digits to ASCII; marks (tashkeel, accents), tatweel
   and what shows nothing (zero-width, bidi, tags, fillers) are dropped; look-alikes of the Persian,
   Urdu, Kurdish and Maghrebi alphabets fold to the Arabic letter a reader sees (`FOLD`).
2. *Links and mentions.* ``https://...`` becomes one link sign, ``@name`` becomes ``@``; an Arabic
   letter ends either, so that no word hides there.
3. *Runs of signs.* White space runs become one space, three or more equal signs two.
4. *Foreign look-alikes.* In a word that has an Arabic letter, Latin, Greek and Cyrillic letters of
   the same shape, and a single digit beside an Arabic letter, become the letter they stand for. One
   other foreign letter between two Arabic ones, also repeated, is dropped, but not a Latin one:
   people write those for their sound.
5. *Split words.* Three or more single letters with short separators between them are joined, and a
   sign inside a word goes, unless it is one that ends words (`PARTING_SIGNS`), when the part on
   one side of it has at most two letters. Arabic letters are joined to Arabic ones, parts without
   any to such parts. The length of a part counts equal neighbours once, so that joining never
   depends on elongation.
6. *Elongation.* Three or more equal letters become one in Arabic and two in other scripts.
7. *Signs* (punctuation, symbols, emoji) are set apart by single spaces.

Everything is array arithmetic over the code points of a whole batch: a rule costs a few passes
over all texts at once, and rules that need a rare character look for it first. A code carries its
kind in bits above the code point, ordered so that one comparison asks for a kind. A rule notes
where codes went or came, and the way back is made of these notes only for who asks.

Source: Unicode Standard Annex 15 (normalization forms).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from models.alphabet import (
    ARABIC,
    BREAK,
    CODE_POINT,
    DIGIT,
    DROPPED,
    EXPANDS,
    JOINING,
    LETTER,
    OPENS,
    PICTURED_DIGIT,
    SEPARATOR,
    SIGN,
    SPACE,
    Alphabet,
    unicode_alphabet,
)
from models.errors import InvalidText

LINK = 0x1F517
"""LINK SYMBOL stands for a web address."""

_WORD = PICTURED_DIGIT  # this or more is a letter or a digit of a word
_AT = OPENS | JOINING | ord("@")
_COLON = OPENS | SIGN | ord(":")
_SLASH = JOINING | ord("/")
_LAST_LATIN = LETTER | 0x24F
_UNDERSCORE = JOINING | ord("_")

_Codes = NDArray[np.int32]
_Positions = NDArray[np.int64]
_Edit = Callable[[_Codes], _Codes]  # does to any array what a rule did to the codes


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


@dataclass(frozen=True)
class Batch:
    """Many normalized texts as one array of code points.

    The way back is worked out when it is first asked for.

    Attributes
    ----------
    codes : ndarray of int32, shape (n_codes,)
        `BREAK`, first text, `BREAK`, second text, ..., `BREAK`. Between two breaks, words stand
        apart by single `SPACE` codes.
    breaks : ndarray of int64, shape (n_texts + 1,)
        Positions of `BREAK` in `codes`.
    """

    codes: NDArray[np.int32]
    breaks: NDArray[np.int64]
    _laid_out: NDArray[np.int32]
    _edits: list[_Edit]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where each original text starts in their concatenation, and its length.

        Shape (n_texts + 1,).
        """
        breaks = np.flatnonzero(self._laid_out == ord(SEPARATOR))
        return breaks - np.arange(len(breaks))

    @cached_property
    def origin(self) -> NDArray[np.int32]:
        """Index of the original code point in the concatenation of the original texts.

        Shape (n_codes,). At a break, of the first code point of the text after it.
        """
        origin = _double(np.arange(self.starts[-1] + 1, dtype=np.int32), [], self.starts[:-1])
        for edit in self._edits:
            origin = edit(origin)
        return origin


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
    TypeError
        If one text is given in place of many.
    """
    refuse_one_text(texts)
    alphabet = unicode_alphabet()
    laid_out = _lay_out(texts)
    edits: list[_Edit] = []
    codes = alphabet.letters.take(laid_out)
    kinds = int(np.bitwise_or.reduce(codes))
    if kinds & EXPANDS:
        codes = _expand(codes, edits, alphabet)
        kinds = int(np.bitwise_or.reduce(codes))
    if kinds & DROPPED:
        codes = _drop(codes, edits, (codes >= DROPPED).nonzero()[0])
    if kinds & OPENS:
        codes = _fold_links_and_mentions(codes, edits)
    codes = _shorten_sign_runs(codes, edits)
    if kinds & ARABIC and kinds & (LETTER | DIGIT | PICTURED_DIGIT):
        codes = _fold_look_alikes(codes, edits, alphabet)
    codes = _join_split_words(codes, edits)
    codes = _shorten_elongation(codes, edits)
    if kinds & (SIGN | JOINING):
        codes = _set_signs_apart(codes, edits)
    codes &= CODE_POINT
    breaks = (codes == BREAK).nonzero()[0]
    if len(breaks) != len(texts) + 1:
        # A text holds the separator. It is dropped as any control is, so another does as well.
        return normalize_batch([text.replace(SEPARATOR, "\1") for text in texts])
    return Batch(codes, breaks, laid_out, edits)


def plain_words(text: str) -> list[str] | None:
    """Find the words of a normalized text quickly, where its spelling is plain.

    To most comments only rules 1, 3 and 7 apply. They are told from the rest by one search for
    all that the other rules change; what it finds may also be harmless.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str or None
        What stands between the blanks of the normalized text; None if another rule may apply.
    """
    letters, kinds = _plain_spelling()
    text = _LONG_RUNS.sub(r"\1\1", text.translate(letters))
    if _NOT_PLAIN.search(text) or _MIXED.search(text.translate(kinds)):
        return None
    return _PARTS.findall(text)


class _Letters(dict[int, str]):
    """What plain code points become; any other becomes a separator."""

    def __missing__(self, code: int) -> str:
        return SEPARATOR


@lru_cache(maxsize=1)
def _plain_spelling() -> tuple[_Letters, dict[int, str]]:
    """Tell rule 1 as a table for strings, and of what kind what comes out of it is.

    The kinds are Arabic letters (a), other letters and digits (l), signs that part words (.),
    other signs (-) and blanks.
    """
    table = unicode_alphabet().letters
    codes = np.concatenate([np.arange(first, end) for first, end in _PLAIN_PLANES])
    letters, kinds = _Letters(), dict[int, str]()
    for code, becomes in zip(codes.tolist(), table[codes].tolist(), strict=True):
        kind, letter = becomes & ~CODE_POINT, chr(becomes & CODE_POINT)
        if kind == DROPPED:
            letters[code] = ""
        elif kind in _PLAIN and _PLAIN[kind](letter):
            letters[code] = letter
            if kind == ARABIC:
                kinds[ord(letter)] = "a"
            elif letter.isalnum() or letter == "_":
                kinds.setdefault(ord(letter), "l")
            elif kind in (SIGN, OPENS | SIGN):
                kinds[ord(letter)] = "."
            elif not letter.isspace():
                kinds.setdefault(ord(letter), "-")
    return letters, kinds


# What is not plain or is elongated, links, three single letters in a row.
_NOT_PLAIN = re.compile(
    rf"{SEPARATOR}|([^\W\d])\1\1|:/"
    r"|(?<![^\W\d])([^\W\d])\2*[\W\d]+([^\W\d])\3*[\W\d]+([^\W\d])\4*(?![^\W\d])"
)
_MIXED = re.compile("al|la|[al]-+[al]")  # words of Arabic and other letters, signs inside words
_PLAIN_PLANES = (0, 0x700), (0x2000, 0x3000), (0xFE00, 0xFE10), (0x1F000, 0x20000)
_LONG_RUNS = re.compile(r"([^\w\s])\1\1+")
_PARTS = re.compile(r"\w+|\S")


def _is_sign(letter: str) -> bool:
    return not (letter.isalnum() or letter == "_" or letter.isspace())


def _is_letter(letter: str) -> bool:
    return (letter.isalnum() or letter == "_") and not letter.isdecimal()


# What each kind must be to a pattern, so that a word is there what it is to the rules.
_PLAIN: Mapping[int, Callable[[str], bool]] = {
    0: " ".__eq__,
    SIGN: _is_sign,
    OPENS | SIGN: ":".__eq__,
    JOINING: _is_sign,
    DIGIT: str.isdecimal,
    LETTER: _is_letter,
    ARABIC: _is_letter,
}


def refuse_one_text(texts: Sequence[str]) -> None:
    """Refuse a string where many are wanted: it would be taken for a text per letter.

    Raises
    ------
    TypeError
        If `texts` is a string or bytes.
    """
    if isinstance(texts, str | bytes | bytearray):
        raise TypeError("expected a sequence of texts, not one text")


def _lay_out(texts: Sequence[str]) -> _Codes:
    """Lay the code points of the texts end to end with a separator around each."""
    try:
        encoded = SEPARATOR.join(("", *texts, "")).encode("utf-32-le")
    except UnicodeEncodeError:
        lone = ((i, re.search("[\ud800-\udfff]", text)) for i, text in enumerate(texts))
        where = next(f"text {i} has a lone surrogate at position {m.start()}" for i, m in lone if m)
        raise InvalidText(where) from None
    return np.frombuffer(encoded, dtype="<i4")


def _drop(codes: _Codes, edits: list[_Edit], *positions: _Positions) -> _Codes:
    if not any(map(len, positions)):
        return codes
    kept = np.ones(len(codes), dtype=bool)
    for at in positions:
        kept[at] = False
    edits.append(lambda origin: origin[kept])
    return codes[kept]


def _double(codes: _Codes, edits: list[_Edit], at: _Positions) -> _Codes:
    """Set a copy of a code before it; a position that is named twice gets two."""
    edits.append(lambda origin: _double(origin, [], at))
    old = np.ones(len(codes) + len(at), dtype=bool)
    new = at + np.arange(len(at))
    old[new] = False
    wider = np.empty(len(old), dtype=np.int32)
    wider[old] = codes
    wider[new] = codes[at]
    return wider


def stretches(first: _Positions, end: _Positions) -> _Positions:
    """Give all positions of stretches, one stretch behind the other.

    Parameters
    ----------
    first, end : ndarray of int64, shape (n_stretches,)
        The ends are exclusive.

    Returns
    -------
    ndarray of int64, shape (n_positions,)
    """
    lengths = end - first
    at: _Positions = (first - lengths.cumsum() + lengths).repeat(lengths)
    at += np.arange(len(at))
    return at


def _expand(codes: _Codes, edits: list[_Edit], alphabet: Alphabet) -> _Codes:
    """Spell ligatures and the like out."""
    at = (codes >= EXPANDS).nonzero()[0]
    rows = codes[at] - EXPANDS
    first, end = alphabet.spelling_starts[rows], alphabet.spelling_starts[rows + 1]
    codes = _double(codes, edits, at.repeat(end - first - 1))
    codes[codes >= EXPANDS] = alphabet.spellings[stretches(first, end)]
    return codes


def _fold_links_and_mentions(codes: _Codes, edits: list[_Edit]) -> _Codes:
    """Leave one sign of a web address and of a mention."""
    # A mention starts where a word could; an at sign between letters is a joining sign.
    at = (codes == _AT).nonzero()[0]
    at = at[codes[at - 1] < _WORD]
    link = (codes == _COLON).nonzero()[0]
    link = link[codes[link + 1] == _SLASH]
    link = link[codes[link + 2] == _SLASH]
    if not len(at) and not len(link):
        return codes
    # Words cannot hide behind either: Arabic letters end both.
    arabic = codes >= ARABIC
    not_name = ((codes < _WORD) & (codes != _UNDERSCORE) | arabic).nonzero()[0]
    end = not_name[not_name.searchsorted(at + 1)]
    if len(link):
        # An address runs from its scheme to the next blank or Arabic letter.
        not_scheme = ((codes < LETTER) | arabic).nonzero()[0]
        not_address = ((codes <= SPACE) | arabic).nonzero()[0]
        scheme = not_scheme[not_scheme.searchsorted(link) - 1] + 1
        codes[scheme] = JOINING | LINK
        at = np.concatenate((at, scheme))
        end = np.concatenate((end, not_address[not_address.searchsorted(link)]))
    # Stretches may overlap: each starts where all before have ended, so that none is walked twice.
    order = at.argsort()
    first, end = at[order] + 1, np.maximum.accumulate(end[order])
    first[1:] = np.maximum(first[1:], end[:-1])
    return _drop(codes, edits, stretches(first, end))


def _third_of_a_run(codes: _Codes) -> _Positions:
    """Find codes that are the third or later of equal ones."""
    same = codes[1:] == codes[:-1]
    third: _Positions = (same[1:] & same[:-1]).nonzero()[0] + 2
    return third


def _shorten_sign_runs(codes: _Codes, edits: list[_Edit]) -> _Codes:
    """Leave one of a run of blanks and two of a run of equal signs."""
    after_blank = ((codes[1:] == SPACE) & (codes[:-1] <= SPACE)).nonzero()[0] + 1
    third = _third_of_a_run(codes)
    if len(third):
        third = third[(codes[third] > SPACE) & (codes[third] < _WORD)]
    return _drop(codes, edits, after_blank, third)


def _fold_look_alikes(codes: _Codes, edits: list[_Edit], alphabet: Alphabet) -> _Codes:
    """Turn foreign letters and digits inside Arabic words into what they are drawn for.

    One that is drawn for none and is not Latin, between two Arabic letters, is not read.
    """
    arabic, word = codes >= ARABIC, codes >= _WORD
    meets = ((arabic[1:] != arabic[:-1]) & word[1:] & word[:-1]).nonzero()[0]
    if not len(meets):
        return codes
    # The words that hold both, from the blank or sign before to the one behind.
    ends = (~word).nonzero()[0]
    behind = np.unique(ends.searchsorted(meets + 1))
    mixed = stretches(ends[behind - 1] + 1, ends[behind])
    letters = mixed[(codes[mixed] & LETTER) != 0]
    codes[letters] += alphabet.look_alikes.take(codes[letters] & CODE_POINT, mode="clip")
    digits = mixed[(codes[mixed] & DIGIT) != 0]
    beside = codes[digits - 1] | codes[digits + 1]
    digits = digits[(beside & (DIGIT | ARABIC)) == ARABIC]
    codes[digits] += alphabet.look_alikes.take(codes[digits] & CODE_POINT, mode="clip")
    # Equal neighbours count once, as in joining, lest elongation make one of many.
    foreign = letters[(codes[letters] > _LAST_LATIN) & (codes[letters] < ARABIC)]
    first = foreign[codes[foreign - 1] != codes[foreign]]
    last = foreign[codes[foreign + 1] != codes[foreign]]
    inside = (codes[first - 1] >= ARABIC) & (codes[last + 1] >= ARABIC)
    return _drop(codes, edits, stretches(first[inside], last[inside] + 1))


def _join_split_words(codes: _Codes, edits: list[_Edit]) -> _Codes:
    """Join letters and parts of words that were set apart."""
    # Equal neighbouring letters count once, as elongation will count them.
    again = ((codes[1:] == codes[:-1]) & (codes[1:] >= LETTER)).nonzero()[0] + 1
    parts = _drop(codes, [], again)
    letter = parts >= LETTER
    joins = (parts >= JOINING) & (parts < DIGIT)
    start = letter[1:-1] > letter[:-2]
    single = (start > letter[2:]).nonzero()[0] + 1
    right = (start & joins[:-2]).nonzero()[0] + 1
    if len(single) < 3 and not len(right):
        return codes
    # Parts with up to three joining signs between them, one part of at most two letters.
    # Before the first break stands the last one: index -1 does no harm.
    two = ~letter[right - 2]
    left = right - 2 - two - (two & ~letter[right - 3])
    short = ~(letter[left - 1] & letter[left - 2] & letter[right + 1])
    short |= ~letter.take(right + 2, mode="clip")
    short &= letter[left] & joins[left + 1] & joins[(left + right) >> 1]
    # Single letters in a row of three or more, with up to three signs or spaces between two.
    gap = (parts < _WORD) & (parts != BREAK)
    before, after = single[:-1], single[1:]
    near = after - before <= 4
    near &= gap[before + 1] & gap[(before + after) >> 1] & gap[after - 1]
    chained = np.zeros(len(near) + 1, dtype=bool)
    chained[1:-1] = near[1:] & near[:-1]
    chained = chained[1:] | chained[:-1]
    left = np.concatenate((left[short], before[chained]))
    right = np.concatenate((right[short], after[chained]))
    if not len(left):
        return codes
    # Foreign letters inside Arabic words have had their rule, so none is brought into one.
    ends = (parts < _WORD).nonzero()[0]
    arabic = (parts >= ARABIC).nonzero()[0]

    def has_arabic(at: _Positions) -> NDArray[np.bool_]:
        behind = ends.searchsorted(at)
        return arabic.searchsorted(ends[behind]) > arabic.searchsorted(ends[behind - 1])

    alike = (parts[left] >= ARABIC) & (parts[right] >= ARABIC)
    alike |= ~has_arabic(left) & ~has_arabic(right)
    left, right = left[alike], right[alike]
    # The first, the middle and the last sign are all there are.
    at = np.concatenate((left + 1, (left + right) >> 1, right - 1))
    at += (again - np.arange(len(again))).searchsorted(at, side="right")
    return _drop(codes, edits, at)


def _shorten_elongation(codes: _Codes, edits: list[_Edit]) -> _Codes:
    """Leave one of three or more equal Arabic letters, two of other letters."""
    third = _third_of_a_run(codes)
    if not len(third):
        return codes
    third = third[codes[third] >= LETTER]
    return _drop(codes, edits, third, third[codes[third] >= ARABIC] - 1)


def _set_signs_apart(codes: _Codes, edits: list[_Edit]) -> _Codes:
    """Put a space between a sign and whatever touches it."""
    blank, word = codes <= SPACE, codes >= _WORD
    together = blank[1:] | blank[:-1] | (word[1:] & word[:-1])
    at = (~together).nonzero()[0] + 1
    if len(at):
        codes = _double(codes, edits, at)
        codes[at + np.arange(len(at))] = SPACE
    return codes
