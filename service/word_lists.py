"""Words that a site always wants to see, and words that it never minds.

A listed word is found in every form that the normalizer takes for the same word: with diacritics,
stretched, spread out letter by letter, in look-alike letters. It is found as a word of its own,
with the particles that Arabic writes together with a word (and, so, with, like, for, the) before
it, and not inside another word.

Secret: what counts as an occurrence, and where it lies in the original text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from models.normalize import normalize

MAX_WORDS, MAX_WORD_LENGTH = 1_000, 100

# WAW, FEH, then BEH, KAF, LAM, then ALEF LAM; LAM with ALEF LAM is written LAM LAM.
_PARTICLES = "(?:[\u0648\u0641]?[\u0628\u0643\u0644]?(?:\u0627\u0644)?|[\u0648\u0641]?\u0644\u0644)"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A listed word in a text: code-point offsets into the original."""

    start: int
    end: int


class WordList:
    """A list of words that finds them in texts.

    Parameters
    ----------
    words : sequence of str
        Words or phrases, in any spelling. What normalizes to nothing is left out.

    Examples
    --------
    >>> found = WordList(["donkey"]).find("a DONKEY, d.o.n.k.e.y, no donkeys")
    >>> [(o.start, o.end) for o in found]
    [(2, 8), (10, 21)]
    """

    def __init__(self, words: Sequence[str]) -> None:
        forms = {form for word in words if (form := normalize(word).text.strip())}
        longest_first = sorted(forms, key=len, reverse=True)
        either = "|".join(map(re.escape, longest_first))
        self._pattern = (
            re.compile(rf"(?<!\w){_PARTICLES}(?P<word>{either})(?!\w)") if forms else None
        )

    def find(self, text: str) -> Iterator[Occurrence]:
        """Yield where listed words stand in a text, in order.

        Raises
        ------
        InvalidText
            The text is not valid Unicode.
        """
        if self._pattern is None:
            return
        normalized = normalize(text)
        for match in self._pattern.finditer(normalized.text):
            first, last = match.start("word"), match.end("word") - 1
            yield Occurrence(int(normalized.offsets[first]), int(normalized.offsets[last]) + 1)

    def without(self, text: str) -> str:
        """Return the text with listed words replaced by spaces, so that all offsets stay.

        Examples
        --------
        >>> WordList(["big"]).without("a big donkey")
        'a     donkey'
        """
        for found in list(self.find(text)):
            text = text[: found.start] + " " * (found.end - found.start) + text[found.end :]
        return text


@lru_cache(maxsize=256)
def word_list(words: tuple[str, ...]) -> WordList:
    """Return the list of these words; made once for each of the lists last used."""
    return WordList(words)
