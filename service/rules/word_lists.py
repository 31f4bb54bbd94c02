"""Word lists: what a site always wants to see, and what it never minds.

What a list may hold, and what is found of it:

* A word or a phrase, in every form that the normalizer takes for the same: with diacritics,
  stretched, spread out letter by letter, in look-alike letters. A word of Arabic letters is also
  found with what Arabic writes together with it: particles before it (and, so, with, like, for,
  the, o) and endings behind it (my, your, his, ..., and those of gender and number). It is not
  found inside another word.
* ``@handle``: that handle, and no longer one that begins with it.
* ``https://host``, ``host.example`` or ``host.example/path``: links to that host or one under it,
  and to no other; with a path, to that path and what lies under it.

One pass over the words of a text, with look-ups in tables: the time does not grow with the list.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

from models.normalize import LINK, normalize
from service.rules.addresses import addresses, under
from service.rules.plain_text import plain

MAX_WORDS, MAX_WORD_LENGTH = 1_000, 100

# What is written before a word, as part of it: WAW "and" or FEH "so"; then ALEF LAM "the", BEH
# "with", KAF "like", LAM "for" alone or with it, HEH ALEF LAM "this" and AIN ALEF LAM "on the" of
# the dialects, YEH ALEF "o" alone or with it.
_THE = "\u0627\u0644"
_O = "\u064a\u0627"
_BEFORE_DEFINITE = ("", "\u0628", "\u0643", "\u0647", "\u0639", _O)
_DEFINITE = (*(before + _THE for before in _BEFORE_DEFINITE), "\u0644\u0644", _O + "\u0644")
_INDEFINITE = ("", "\u0628", "\u0643", "\u0644", _O)
_AND = ("", "\u0648", "\u0641")
#: Each with whether it makes the word definite, after which no pronoun can follow.
_PREFIXES = {
    one + other: definite
    for definite, others in ((False, _INDEFINITE), (True, _DEFINITE))
    for one, other in product(_AND, others)
}
# Behind a word: pronouns (my; your in four forms, and as two dialects write it; his, her, ...).
_PRONOUNS = (
    "\u064a", "\u0643", "\u0643\u064a", "\u0643\u0645", "\u0643\u0645\u0627", "\u0643\u0646",
    "\u0643\u0648", "\u0647", "\u0647\u0627", "\u0647\u0645", "\u0647\u0645\u0627", "\u0647\u0646",
    "\u0646\u0627",
)  # fmt: skip
_TEH, _PLURAL = "\u062a", "\u0627\u062a"
# TEH MARBUTA (normalized to HEH), ALEF of the accusative, dual and plurals.
_ENDINGS = ("\u0647", "\u0627", _PLURAL, "\u064a\u0646", "\u0648\u0646", "\u0627\u0646")
_BOUND_ENDINGS = tuple("".join(pair) for pair in product((_TEH, _PLURAL), _PRONOUNS))
_SUFFIXES = {*_PRONOUNS, *_ENDINGS, *_BOUND_ENDINGS}
_LONGEST_PREFIX, _LONGEST_SUFFIX = max(map(len, _PREFIXES)), max(map(len, _SUFFIXES))
_SHORTEST_STEM = 2  # letters; with two, only pronouns are taken for endings

_HEH = "\u0647"
_LINK = chr(LINK)
_HANDLE = re.compile(r"@(?:[a-z0-9_]+(?:\.[a-z0-9_]+)*|\w*)")
_LONGEST_HANDLE = 2 * MAX_WORD_LENGTH
_NAME = re.compile("[a-z0-9_-]")
_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+-]*://)?(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::[0-9]+)?"
    r"(?P<path>[/?#]\S*)?"
)
_TOP_LEVEL = re.compile(r".+\.[a-z]{2,}")

_END = ""  # no token is empty; in the tree of phrases: one ends here


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A listed word in a text, and what is written together with it, in code points of the text."""

    start: int
    end: int
    whole_start: int
    whole_end: int


class WordList:
    """A list of words that finds them in texts.

    >>> found = WordList(["donkey"]).find("a DONKEY, d.o.n.k.e.y, no donkeys")
    >>> [(o.start, o.end) for o in found]
    [(2, 8), (10, 21)]
    >>> found = WordList(["spam.example"]).find("http://www.spam.example/x, spam.example.org")
    >>> [(o.start, o.end) for o in found]
    [(0, 25)]
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._phrases: dict[str, Any] = {}
        self._paths: dict[str, set[str]] = {}  # by host; an empty path is any
        for word in words:
            address = _address(word)
            if address:
                self._paths.setdefault(address[0], set()).add(address[1])
            tokens = [token.key for token in _tokens(word)]
            # An address is no phrase; a word in which dots hide letters may look like an address.
            if tokens and (not address or (len(tokens) == 1 and tokens[0].isalpha())):
                self._add(tokens)

    def _add(self, tokens: list[str]) -> None:
        *before, last = tokens
        node = self._phrases
        for token in before:
            node = node.setdefault(token, {})
        node.setdefault(last, {})[_END] = True
        if last.endswith(_HEH) and len(last) > _SHORTEST_STEM:  # a TEH MARBUTA before an ending
            node.setdefault(last[:-1] + _PLURAL, {})[_END] = True
            node.setdefault(last[:-1] + _TEH, {}).setdefault(_END, False)  # only with a pronoun

    def without(self, text: str) -> str:
        """Blank out listed words, and what is written together with them; all offsets stay.

        >>> WordList(["big"]).without("a big donkey")
        'a     donkey'
        """
        letters = list(text)
        for found in self.find(text):
            start, end = found.whole_start, found.whole_end
            letters[start:end] = " " * (end - start)
        return "".join(letters)

    def find(self, text: str) -> list[Occurrence]:
        """Return where listed words stand in a text, in order and apart."""
        found = [*self._find_phrases(text)] if self._phrases else []
        if self._paths:
            found += self._find_links(text)
        found.sort(key=lambda one: one.whole_start)
        apart: list[Occurrence] = []
        for one in found:  # a word in a link is found with the link
            if not apart or one.start >= apart[-1].end:
                apart.append(one)
        return apart

    # Words and phrases

    def _find_phrases(self, text: str) -> Iterator[Occurrence]:
        tokens = _tokens(text)
        place = 0
        while place < len(tokens):
            match = self._longest(tokens, place)
            if match is None:
                place += 1
                continue
            last, begin, end = match
            first, final = tokens[place].places, tokens[last].places
            yield Occurrence(first[begin], final[end - 1] + 1, first[0], final[-1] + 1)
            place = last + 1

    def _longest(self, tokens: Sequence["_Token"], place: int) -> tuple[int, int, int] | None:
        """Find the longest phrase at a token: its last token, and where its words begin and end."""
        best: tuple[int, int, int] | None = None
        for begin, definite in _beginnings(tokens[place].key):
            node, at, word = self._phrases, place, tokens[place].key[begin:]
            while True:
                bound = definite and at == place
                for end in _ends(word, definite=bound):
                    last = node.get(word[:end], {}).get(_END)
                    if last or (last is False and word[end:] in _PRONOUNS):
                        offset = begin if at == place else 0
                        best = max(
                            best or (-1, 0, 0),
                            (at, begin, offset + end),
                            key=lambda m: (m[0], m[2] - m[1]),
                        )
                        break
                if word not in node or at + 1 == len(tokens):
                    break
                node, at = node[word], at + 1
                word = tokens[at].key
        return best

    # Links

    def _find_links(self, text: str) -> Iterator[Occurrence]:
        letters, places = plain(text)
        for one in addresses(letters):
            if any(_lies_under(one.path, listed) for listed in self._listed(one.host)):
                whole = places[one.start], places[one.end - 1] + 1
                yield Occurrence(*whole, *whole)

    def _listed(self, host: str) -> Iterator[set[str]]:
        """Yield what paths are listed of a host and of each one above it."""
        for above in under(host):
            if len(above) > MAX_WORD_LENGTH:
                return
            if above in self._paths:
                yield self._paths[above]


def _beginnings(word: str) -> Iterator[tuple[int, bool]]:
    """Yield where a word may begin behind particles, and whether they make it definite."""
    for begin in range(min(_LONGEST_PREFIX, len(word) - 1) + 1):
        definite = _PREFIXES.get(word[:begin])
        if definite is not None and (not begin or len(word) - begin >= _SHORTEST_STEM):
            yield begin, definite


def _ends(word: str, *, definite: bool) -> Iterator[int]:
    """Yield where a word may end before what is written behind it, the longest first."""
    yield len(word)
    for end in range(len(word) - 1, max(_SHORTEST_STEM, len(word) - _LONGEST_SUFFIX) - 1, -1):
        suffix = word[end:]
        if suffix not in _SUFFIXES or (end == _SHORTEST_STEM and suffix not in _PRONOUNS):
            continue
        if not definite or suffix in _ENDINGS:
            yield end


def _lies_under(path: str, listed: set[str]) -> bool:
    """Return whether a path is listed, or one that it goes on from."""
    return any(
        path[:end] in listed
        for end in range(min(len(path), MAX_WORD_LENGTH) + 1)
        if end in (0, len(path)) or not _NAME.match(path, end)  # no name goes on here
    )


@dataclass(frozen=True, slots=True)
class _Token:
    """A word or a sign of a normalized text."""

    key: str  # what it is known by; a handle and a link are written out
    places: Sequence[int]  # of its letters in the original text


def _tokens(text: str) -> list[_Token]:
    normalized = normalize(text)
    places = normalized.offsets.tolist()
    tokens = []
    for match in re.finditer(r"\S+", normalized.text):
        token = _Token(match[0], places[match.start() : match.end()])
        start = token.places[0]
        if token.key == "@":
            token = _handle(text, start)
        elif token.key == _LINK:
            token = _link(text, start, places[match.end()] if match.end() < len(places) else None)
        tokens.append(token)
    return tokens


def _handle(text: str, start: int) -> _Token:
    """Write a handle out; it may go on behind the sign at which the normalizer ends it."""
    letters, places = plain(text[start : start + _LONGEST_HANDLE])
    found = _HANDLE.match(letters)
    key = found[0] if found else "@"
    return _Token(key, [start + place for place in places[: len(key)]])


def _link(text: str, start: int, end: int | None) -> _Token:
    address = text[start:end].rstrip()
    found = next(addresses(plain(address)[0]), None)
    key = _LINK + (found.host if found else "")
    return _Token(key, [start] * (len(key) - 1) + [start + max(len(address), 1) - 1])


def _address(word: str) -> tuple[str, str] | None:
    """Read a listed address: its host and path; None if it is none."""
    found = _ADDRESS.fullmatch(plain(word.strip())[0])
    if found is None or "." not in found["host"]:
        return None
    if not found["scheme"] and not _TOP_LEVEL.fullmatch(found["host"]):
        return None
    return found["host"].removeprefix("www."), (found["path"] or "").rstrip("/")


@lru_cache(maxsize=256)
def word_list(words: tuple[str, ...]) -> WordList:
    """Return the list of these words; made once for each of the lists last used."""
    return WordList(words)
