r"""Search terms: by which words a comment is found, and what is asked of it.

Promises: a word finds every way to write it that normalization reads as that word, and an Arabic
noun also with the particles that are written in one with it (and, so, with, as, to, the), and the
other way round; in quotation marks words are found as they stand, in their order. Linear.

Secret: the *signature* of a comment, some fifty characters from which a script inside Redis tells
at once that a comment cannot be what is looked for. It holds two characters for each exact value
(author, article, label) and for each word. What it lets pass is read and compared: a signature may
let pass too much, never too little.

Source of the particles: the light stemmer of Larkey, Ballesteros and Connell (2002).
"""

from __future__ import annotations

import functools
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from models.normalize import normalize, plain_words

MAX_WORDS = 120  # of a signature; a comment with more of them is always read
MAX_TERMS = 12  # of one search
TEXT, AUTHOR_NAME, ARTICLE_TITLE = "t", "n", "h"  # kinds of texts

_ALEF, _LAM = "\N{ARABIC LETTER ALEF}", "\N{ARABIC LETTER LAM}"
_THE, _TO_THE = _ALEF + _LAM, _LAM + _LAM
# And, so, with, as, to.
_PARTICLES = "\N{ARABIC LETTER WAW}\N{ARABIC LETTER FEH}\N{ARABIC LETTER BEH}"
_PARTICLES += "\N{ARABIC LETTER KAF}" + _LAM
_GOD = _THE + _LAM + "\N{ARABIC LETTER HEH}"
_TO_GOD, _O_GOD = _GOD[1:], _GOD + "\N{ARABIC LETTER MEEM}"

_FIRST, _N_SIGNS = 33, 94  # printable ASCII, so that a signature can be read where it lies
_NO_VALUE = "  "  # in place of an exact value that a comment does not have; no fingerprint
_TOO_LONG = " "  # in place of the words
_LONGEST_NAME = 200  # characters of a name or title that is likely to come again
_QUOTED = re.compile('["\u201c\u201d\u201e\u00ab\u00bb]([^"\u201c\u201d\u201e\u00ab\u00bb]*)'
                     '["\u201c\u201d\u201e\u00ab\u00bb]')  # fmt: skip


def words(text: str) -> list[str]:
    """Return the normalized words of a text, and its pictures, in their order.

    Punctuation is left out.

    >>> words("Caf\u00e9, N.O.W!!")
    ['cafe', 'now']
    """
    found = plain_words(text)
    if found is None:
        found = normalize(text).text.split(" ")
    return [word for word in found if _is_word(word)]


def _is_word(word: str) -> bool:
    return word[:1].isalnum() or word[:1] == "_" or unicodedata.category(word[:1] or " ") == "So"


@functools.lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return a normalized word without the particles that Arabic writes in one with it.

    The same for a noun with any of them; what is left has at least three letters, or two behind
    the article. A noun that only looks as if it began with one loses that letter wherever it
    stands, so that it is found all the same.
    """
    while len(word) > 3 and word not in (_GOD, _O_GOD):
        if word.startswith(_THE) or (word.startswith(_TO_THE) and len(word) > 4):
            word = word[2:]
        elif word[0] in _PARTICLES:
            word = word[1:]
        else:
            break
    return _GOD if word == _TO_GOD else word


@functools.lru_cache(maxsize=20_000)
def fingerprint(kind: str, value: str) -> str:
    """Return two characters for a value, the same for some 9,000th of all others."""
    high, low = divmod(zlib.crc32(f"{kind}{value}".encode()) % _N_SIGNS**2, _N_SIGNS)
    return chr(_FIRST + high) + chr(_FIRST + low)


def signature(exact: Sequence[str], texts: Mapping[str, str]) -> str:
    """Return the signature of a comment.

    `exact` are its author, article and label, each empty where it has none; `texts` what words are
    looked for in, by their kind.
    """
    found = set[str]()
    for kind, text in texts.items():
        comes_again = kind != TEXT and len(text) <= _LONGEST_NAME
        found |= (_fingerprints_of_name if comes_again else _fingerprints)(kind, text)
    listed = "".join(sorted(found)) if len(found) <= MAX_WORDS else _TOO_LONG
    return without_words(exact) + listed


def _fingerprints(kind: str, text: str) -> frozenset[str]:
    return frozenset(fingerprint(kind, stem(word)) for word in words(text))


_fingerprints_of_name = functools.lru_cache(maxsize=4_000)(_fingerprints)


def without_words(exact: Sequence[str]) -> str:
    """Return the signature of a comment of which no words are kept."""
    return "".join(fingerprint("", value) if value else _NO_VALUE for value in exact)


@dataclass(frozen=True, slots=True)
class Terms:
    """What somebody typed to be found: words, and words in quotation marks."""

    stems: tuple[str, ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, typed: str) -> Terms:
        """Read what was typed; nothing in it may be a word.

        >>> Terms.of('dog "Such a day"')
        Terms(stems=('dog',), phrases=(('such', 'a', 'day'),))
        """
        phrases = tuple(tuple(words(quoted)) for quoted in _QUOTED.findall(typed))
        loose = words(_QUOTED.sub(" ", typed))
        return cls(tuple(dict.fromkeys(map(stem, loose))), tuple(filter(None, phrases)))

    def __bool__(self) -> bool:
        return bool(self.stems or self.phrases)

    def __len__(self) -> int:
        return len(self.stems) + sum(map(len, self.phrases))

    def fingerprints(self, kind: str) -> Iterable[str]:
        """Return what must be in the signature of a comment in which all of this is."""
        stems = [*self.stems, *(stem(word) for phrase in self.phrases for word in phrase)]
        return dict.fromkeys(fingerprint(kind, one) for one in stems)

    def are_in(self, text: str) -> bool:
        """Return whether all of this is in a text."""
        found = words(text)
        return set(self.stems) <= set(map(stem, found)) and all(
            any(_places(found, phrase)) for phrase in self.phrases
        )

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where in a text, as it was written, the words lie that were found."""
        read = normalize(text)
        placed = [
            (found[0], int(read.offsets[found.start()]), int(read.offsets[found.end() - 1]) + 1)
            for found in re.finditer(r"\S+", read.text)
            if _is_word(found[0])
        ]
        found, stems = [word for word, *_place in placed], set(self.stems)
        marked = {place for place, word in enumerate(found) if stem(word) in stems}
        for phrase in self.phrases:
            for place in _places(found, phrase):
                marked.update(range(place, place + len(phrase)))
        return [(start, end) for _word, start, end in (placed[place] for place in sorted(marked))]


def _places(found: Sequence[str], phrase: tuple[str, ...]) -> Iterator[int]:
    """Yield where a phrase begins; phrases are short, so that this is linear."""
    for place in range(len(found) - len(phrase) + 1):
        if tuple(found[place : place + len(phrase)]) == phrase:
            yield place
