r"""Which script a text is in, and whether it is a language the classifier knows.

Promise: a comment in Arabic, in Arabizi or in French or English mixed with them is supported; one
in Persian or Urdu, which share the Arabic script, or in another script is named as what it is.

Secret: how languages of one script are told apart. Letters alone do not do it, because Persian
letters inside Arabic words are a common disguise; the small words of a language do. They are
looked for as they are written, before any folding, and weighed against the small words of Arabic.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

# Small words that Arabic does not have, in the letters their language writes.
_PERSIAN = """
    آن از است اگر باید برای بی خیلی دارد شده شما می می\u200cشود می\u200cکند نیست هست چرا کرده که
    یک
"""
_URDU = """
    آپ اور بھی تھا تھے سے میں نہیں نے وہ پر کا کر کو کیا کیوں کے گیا ہم ہو ہیں ہے یہ
"""
# Small words of Arabic, with hamza and without, in either yeh and kaf.
_ARABIC = """
    أن أنا أنت إلى إن الله الى الي ان انا انت شو على علي عن فى في فی كل لا لم لن لو ما مش مع من
    هذا هذه هو هي هيك ولا يا یا
"""
_ARTICLE = "\u0627\u0644"  # ALEF LAM
_ZWNJ = "\u200c"  # ZERO WIDTH NON-JOINER, inside Persian words

_SCRIPTS = {
    "ARABIC": "Arab",
    "LATIN": "Latn",
    "CYRILLIC": "Cyrl",
    "GREEK": "Grek",
    "HEBREW": "Hebr",
    "DEVANAGARI": "Deva",
    "CJK": "Hani",
    "HIRAGANA": "Hira",
    "KATAKANA": "Kana",
    "HANGUL": "Hang",
}
# What most comments are, told quickly: Arabic's own letters, and signs of any kind.
_ARABIC_ALONE = re.compile(
    "[^A-Za-z\u00aa-\u1fff\u2c00-\ufdff]*[\u0621-\u063a\u0641-\u064a]"
    "[^A-Za-z\u00aa-\u05ff\u0620\u0660-\u1fff\u2c00-\ufdff]*"
)
NO_SCRIPT = "Zyyy"
"""What ISO 15924 calls a text without letters."""


@dataclass(frozen=True, slots=True)
class Language:
    """What a text is written in.

    Attributes
    ----------
    script : str
        ISO 15924 code of the script most letters are of; ``Arab`` wherever Arabic letters make up
        a quarter of them.
    unsupported : str
        Language tag (BCP 47) of a language the classifier does not know: ``fa``, ``ur``, or
        ``und`` with the script; empty if it is supported or has no letters.
    """

    script: str
    unsupported: str


def identify(text: str) -> Language:
    """Say what a text is written in.

    Parameters
    ----------
    text : str

    Returns
    -------
    Language

    Examples
    --------
    >>> identify("\u0645\u0631\u062d\u0628\u0627"), identify("mar7aba")
    (Language(script='Arab', unsupported=''), Language(script='Latn', unsupported=''))
    >>> identify("\u0627\u06cc\u0646 \u062e\u0648\u0628 \u0627\u0633\u062a").unsupported
    'fa'
    >>> identify("\u043f\u0440\u0438\u0432\u0435\u0442").unsupported
    'und-Cyrl'
    """
    if _ARABIC_ALONE.fullmatch(text):
        return Language("Arab", "")
    counts = Counter(_script(character) for character in text if character.isalpha())
    if not counts:
        return Language(NO_SCRIPT, "")
    if 4 * counts["Arab"] >= counts.total():
        return Language("Arab", _other_language(text))
    script = counts.most_common(1)[0][0]
    return Language(script, "" if script == "Latn" else f"und-{script}")


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "").split(" ", 1)[0]
    return _SCRIPTS.get(name.partition("-")[0], "Zzzz")


@lru_cache(maxsize=1)
def _small_words() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    persian, urdu, arabic = (frozenset(words.split()) for words in (_PERSIAN, _URDU, _ARABIC))
    return persian, urdu, arabic


def _other_language(text: str) -> str:
    text = "".join(c for c in text if not unicodedata.combining(c))
    words = "".join(c if c.isalpha() or c == _ZWNJ else " " for c in text).split()
    persian_words, urdu_words, arabic_words = _small_words()
    persian = sum(word in persian_words for word in words)
    urdu = sum(word in urdu_words for word in words)
    arabic = sum(word in arabic_words or word.startswith(_ARTICLE) for word in words)
    foreign = max(persian, urdu)
    if foreign <= arabic or foreign * 8 < len(words):
        return ""
    return "fa" if persian >= urdu else "ur"
