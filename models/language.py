r"""Language of a text: its script, and whether the classifier knows the language.

Promise: what is said here is a remark about a text and never a reason not to score it. A comment in
Arabic, in Arabizi or in French or English mixed with them is supported; one in Persian or Urdu,
which share the Arabic script, or in another script is named as what it is. Letters are those of the
normalized text, so that no disguise of a letter (full-width, superscript, typed on a Persian
keyboard) is taken for another script or language. Linear in the length of the text.

Secret: how languages of one script are told apart. Letters alone do not do it, because Persian
letters inside Arabic words are a common disguise; the small words of a language do, where there are
two different ones and more of them than of Arabic.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from models.alphabet import BREAK
from models.normalize import normalize, normalize_batch

# Small words that Arabic comments do not have, however their letters are typed.
_PERSIAN = """
    از است اگر باشد بسیار بود خوب خیلی دارد دارند دیگر را شما شود مردم می\u200cشود می\u200cکند نیست
    هست هستم هستند چرا چه چیزی کرده کسی کنم کند کنند کنید که یک
"""
_URDU = """
    اور ایک بھی بہت تھا تھے رہا رہے لوگ لیکن مجھے نہیں وہ کا کر کو کوئی کچھ کیا کیوں ہیں یہ اچھا
"""
# Small words of Arabic, with hamza and without.
_ARABIC = """
    أن أنا أنت إلى إن الله الى الي ان انا انت شو على علي عن فى في كل لا لم لن لو ما مش مع من هذا
    هذه هو هي هيك ولا يا
"""
_ARTICLE = "\u0627\u0644"  # ALEF LAM

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
_OTHER_LETTERS = (
    "A-Za-z\u00aa-\u05ff\u0660-\u1fff\u2c00-\ufdff\ufe70-\ufefc\uff10-\U0001efff"
    "\U00020000-\U0010ffff"
)
_ARABIC_ALONE = re.compile(
    f"[^\u0600-\u065f{_OTHER_LETTERS}]*[\u0621-\u063a\u0641-\u064a][^\u0620{_OTHER_LETTERS}]*"
)
TAGS = {"Arab": "ar", "Hebr": "he", "Hira": "ja", "Kana": "ja", "Hang": "ko", "Zzzz": "und"}
"""Language tags (BCP 47) of the scripts that one language is known for."""
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
    readable : bool
        False where the text has letters and none of them is Arabic or Latin.
    """

    script: str
    unsupported: str
    readable: bool = True

    @property
    def tag(self) -> str:
        """Tag (BCP 47) of the language, or of its script; empty where letters do not tell it.

        Examples
        --------
        >>> identify("\u0645\u0631\u062d\u0628\u0627").tag, identify("bonjour").tag
        ('ar', '')
        """
        return self.unsupported or TAGS.get(self.script, "")


_ONLY_ARABIC = Language("Arab", "")


def identify(text: str) -> Language:
    """Say what a text is written in.

    Parameters
    ----------
    text : str

    Returns
    -------
    Language

    Raises
    ------
    InvalidText
        If the text holds a lone surrogate.

    Examples
    --------
    >>> identify("\u0645\u0631\u062d\u0628\u0627").script, identify("mar7aba").script
    ('Arab', 'Latn')
    >>> identify("\u0627\u06cc\u0646 \u062e\u0648\u0628 \u0627\u0633\u062a").unsupported
    'fa'
    >>> identify("\u043f\u0440\u0438\u0432\u0435\u0442")
    Language(script='Cyrl', unsupported='und-Cyrl', readable=False)
    """
    return identify_all([text])[0]


def identify_all(texts: Sequence[str]) -> list[Language]:
    """Say of each text what it is written in, which for many at once is cheaper.

    Parameters
    ----------
    texts : sequence of str

    Returns
    -------
    list of Language

    Raises
    ------
    InvalidText
        If a text holds a lone surrogate.
    """
    found = [_ONLY_ARABIC] * len(texts)
    others = [i for i, text in enumerate(texts) if not _ARABIC_ALONE.fullmatch(text)]
    if others:
        codes = normalize_batch([texts[i] for i in others]).codes
        normalized = codes.astype("<u4").tobytes().decode("utf-32-le").split(chr(BREAK))[1:-1]
        for i, text in zip(others, normalized, strict=True):
            found[i] = _of_normalized(text)
    return found


def _of_normalized(normalized: str) -> Language:
    counts = scripts(normalized)
    if not counts:
        return Language(NO_SCRIPT, "")
    if 4 * counts["Arab"] >= counts.total():
        return Language("Arab", _other_language(normalized))
    script = counts.most_common(1)[0][0]
    unsupported = "" if script == "Latn" else f"und-{script}"
    return Language(script, unsupported, readable=bool(counts["Arab"] or counts["Latn"]))


def scripts(normalized: str) -> Counter[str]:
    """Count the letters of a normalized text by the ISO 15924 code of their script.

    Examples
    --------
    >>> scripts("ya \u043f\u0440")
    Counter({'Latn': 2, 'Cyrl': 2})
    """
    counts: Counter[str] = Counter()
    for letter, n in Counter(normalized).items():
        if letter.isalpha():
            counts[_script(letter)] += n
    return counts


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "").split(" ", 1)[0]
    return _SCRIPTS.get(name.partition("-")[0], "Zzzz")


@lru_cache(maxsize=1)
def _small_words() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    persian, urdu, arabic = (
        frozenset(normalize(words).text.split()) for words in (_PERSIAN, _URDU, _ARABIC)
    )
    return persian, urdu, arabic


def _other_language(normalized: str) -> str:
    words = Counter(normalized.split())
    persian_words, urdu_words, arabic_words = _small_words()
    persian = {word for word in words if word in persian_words}
    urdu = {word for word in words if word in urdu_words}
    found, tag = (persian, "fa") if len(persian) >= len(urdu) else (urdu, "ur")
    n_foreign = sum(words[word] for word in found)
    n_arabic = sum(
        n for word, n in words.items() if word in arabic_words or word.startswith(_ARTICLE)
    )
    enough = len(found) >= 2 and n_foreign > n_arabic and n_foreign * 8 >= words.total()
    return tag if enough else ""
