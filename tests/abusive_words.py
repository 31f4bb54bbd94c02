"""Which abusive words of HakamCheck a text has, in any of their forms."""

import re
from collections.abc import Iterator
from functools import cache

from models.normalize import normalize
from training.hakamcheck import FOLDER, read_lines

# Normalized spelling. wa-, fa-, bi-, ka-, li-, the article, Levantine and Iraqi ha- "this".
_PREFIXES = tuple(
    particle + article
    for particle in ("", "\u0648", "\u0641", "\u0628", "\u0643", "\u0644", "\u0639", "\u0647")
    for article in ("", "\u0627\u0644", "\u0644", "\u0647\u0627\u0644")
)
_SUFFIXES = (  # not "his", which normalizes as ta marbuta does
    "\u0647\u0627",  # her
    "\u0647\u0645",  # their
    "\u0643",  # your
    "\u0643\u0645",  # your, plural
    "\u0646\u0627",  # our
    "\u064a",  # my
    "\u064a\u0646",  # plural
    "\u0627\u062a",  # feminine plural
)


def abusive_words(text: str, part: str) -> list[str]:
    """Find the lemmas of the abusive words of a part that a text has, in any of their forms.

    Forms are compared after `models.normalize`, with and without the particles, the article and
    the pronouns that Arabic writes together with a word.
    """
    lemmas = _lemmas(part)
    found = []
    for token in re.findall(r"\w+", normalize(text).text):
        stem = next((stem for stem in _stems(token) if stem in lemmas), None)
        if stem is not None:
            found.append(lemmas[stem])
    return found


@cache
def _lemmas(part: str) -> dict[str, str]:
    """Map each normalized form of one word to its lemma, for a part."""
    return {
        normalize(form).text: word["lemma"]
        for word in read_lines(FOLDER / "words.jsonl")
        if word["part"] == part
        for form in [*word["forms"].values(), *word.get("spellings", ())]
        if " " not in form
    }


def _stems(token: str) -> Iterator[str]:
    """Yield a word and what may be left of it without the particles written together with it."""
    for prefix in _PREFIXES:
        if not token.startswith(prefix) or len(token) - len(prefix) < 2:
            continue
        rest = token.removeprefix(prefix)
        yield rest
        for suffix in _SUFFIXES:
            if rest.endswith(suffix) and len(rest) - len(suffix) >= 2:
                yield rest.removesuffix(suffix)
