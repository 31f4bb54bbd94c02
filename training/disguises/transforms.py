r"""Transforms: disguises of words that a reader recognizes and a filter may not.

Training augments with them, evaluation disguises the test sets with them, and the functional suite
builds its evasion cases from them. The same text and state of `rng` give the same result; white
space stays; only words that have an Arabic letter change, and of these only the chosen ones.

Sources: Unicode Standard, chapter 9 (Arabic: joining, presentation forms), Unicode Standard Annex 9
(bidirectional controls), and the "Arabic chat alphabet" as readers of the Levant, Egypt, the Gulf
and the Maghreb write it.

>>> import random
>>> ascii(TRANSFORMS["split_star"]("\u0628\u0627\u0628", random.Random(0)))  # bab, a door
"'\\u0628*\\u0627*\\u0628'"
"""

import random
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

_TATWEEL = "\u0640"
_MARKS = "\u064e\u064f\u0650\u0652\u064b\u064c\u064d"
"""FATHA, DAMMA, KASRA, SUKUN, FATHATAN, DAMMATAN, KASRATAN."""
_SHADDA = "\u0651"
_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
"""ZERO WIDTH SPACE, NON-JOINER, JOINER, WORD JOINER, NO-BREAK SPACE, SOFT HYPHEN."""
_BIDI_MARKS = "\u200e\u200f\u061c"
"""LEFT-TO-RIGHT MARK, RIGHT-TO-LEFT MARK, ARABIC LETTER MARK."""
_BIDI_PAIRS = (
    "\u202b\u202c",  # RIGHT-TO-LEFT EMBEDDING, POP DIRECTIONAL FORMATTING
    "\u202e\u202c",  # RIGHT-TO-LEFT OVERRIDE, POP DIRECTIONAL FORMATTING
    "\u2067\u2069",  # RIGHT-TO-LEFT ISOLATE, POP DIRECTIONAL ISOLATE
    "\u2068\u2069",  # FIRST STRONG ISOLATE, POP DIRECTIONAL ISOLATE
)
_EMOJI = (
    "\U0001f602",  # FACE WITH TEARS OF JOY
    "\U0001f621",  # POUTING FACE
    "\U0001f525",  # FIRE
    "\U0001f4a9",  # PILE OF POO
    "\U0001f92e",  # FACE WITH OPEN MOUTH VOMITING
    "\U0001f9a0",  # MICROBE
    "\u2764\ufe0f",  # HEAVY BLACK HEART, VARIATION SELECTOR-16
    "\u2b50",  # WHITE MEDIUM STAR
)

# Letters of Persian, Urdu, Kurdish and Sindhi keyboards that a reader takes for the Arabic ones.
_PERSIAN = {
    "\u0643": "\u06a9\u06aa\u06ac",  # KAF: KEHEH, SWASH KAF, KAF WITH DOT ABOVE
    "\u064a": "\u06cc\u06d0\u06d2",  # YEH: FARSI YEH, E, YEH BARREE
    "\u0649": "\u06cc",  # ALEF MAKSURA: FARSI YEH
    "\u0647": "\u06c1\u06be\u06d5",  # HEH: HEH GOAL, HEH DOACHASHMEE, AE
    "\u0629": "\u06c3\u06d5",  # TEH MARBUTA: TEH MARBUTA GOAL, AE
    "\u0648": "\u06c6\u06cb\u06c7",  # WAW: OE, VE, U
    "\u0628": "\u067e",  # BEH: PEH
    "\u062c": "\u0686",  # JEEM: TCHEH
    "\u0641": "\u06a4",  # FEH: VEH
    "\u0642": "\u06a8",  # QAF: QAF WITH THREE DOTS ABOVE
    "\u0632": "\u0698",  # ZAIN: JEH
    "\u0631": "\u0691\u0695",  # REH: RREH, REH WITH SMALL V BELOW
    "\u062f": "\u0688",  # DAL: DDAL
    "\u062a": "\u0679",  # TEH: TTEH
    "\u0646": "\u06bc",  # NOON: NOON WITH RING
    "\u0644": "\u06b5",  # LAM: LAM WITH SMALL V
    "\u0627": "\u0671",  # ALEF: ALEF WASLA
}
_LATIN = {
    "\u0627": "l1I|\u0456",  # ALEF: strokes; CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I
    "\u0623": "l1I",  # ALEF WITH HAMZA ABOVE
    "\u0625": "l1I",  # ALEF WITH HAMZA BELOW
    "\u0647": "o0\u043e",  # HEH: rings; CYRILLIC SMALL LETTER O
    "\u0629": "o\u043e",  # TEH MARBUTA
    "\u0639": "3",  # AIN
    "\u062d": "7",  # HAH
    "\u062e": "5",  # KHAH
    "\u0637": "6",  # TAH
    "\u0648": "9",  # WAW
    "\u0642": "9",  # QAF
    "\u0621": "2",  # HAMZA
    "\u0644": "J",  # LAM
    "\u0645": "m\u043c",  # MEEM: CYRILLIC SMALL LETTER EM
    "\u0633": "w\u0448",  # SEEN: CYRILLIC SMALL LETTER SHA, three teeth
}
"""What looks like the letter. The rest of the word stays Arabic."""

_DOTLESS_BEH = "\u066e"
_DOTLESS = str.maketrans(
    {
        "\u0628": _DOTLESS_BEH,
        "\u062a": _DOTLESS_BEH,  # TEH
        "\u062b": _DOTLESS_BEH,  # THEH
        "\u0641": "\u06a1",  # FEH: DOTLESS FEH
        "\u0642": "\u066f",  # QAF: DOTLESS QAF
        "\u062c": "\u062d",  # JEEM: HAH
        "\u062e": "\u062d",  # KHAH: HAH
        "\u0634": "\u0633",  # SHEEN: SEEN
        "\u0636": "\u0635",  # DAD: SAD
        "\u0638": "\u0637",  # ZAH: TAH
        "\u063a": "\u0639",  # GHAIN: AIN
        "\u0630": "\u062f",  # THAL: DAL
        "\u0632": "\u0631",  # ZAIN: REH
        "\u0629": "\u0647",  # TEH MARBUTA: HEH
        "\u0686": "\u062d",  # TCHEH: HAH
        "\u06af": "\u0643",  # GAF: KAF
    }
)
_DOTLESS_AT_END = {"\u0646": "\u06ba", "\u064a": "\u0649"}  # NOON: NOON GHUNNA; YEH: ALEF MAKSURA

_VOWELS = {"\u0627": "a", "\u0649": "a", "\u0622": "a", "\u0629": "a"}
_CONSONANTS: Mapping[str, tuple[str, ...]] = {
    "\u0621": ("2", ""),  # HAMZA
    "\u0624": ("2", "2o"),  # WAW WITH HAMZA
    "\u0626": ("2", "2"),  # YEH WITH HAMZA
    "\u0628": ("b",),
    "\u062a": ("t",),
    "\u062b": ("th", "t"),
    "\u062c": ("j", "g"),
    "\u062d": ("7",),
    "\u062e": ("5", "kh"),
    "\u062f": ("d",),
    "\u0630": ("th", "z"),
    "\u0631": ("r",),
    "\u0632": ("z",),
    "\u0633": ("s",),
    "\u0634": ("sh", "ch"),
    "\u0635": ("s", "9"),
    "\u0636": ("d", "9'"),
    "\u0637": ("t", "6"),
    "\u0638": ("z", "6'"),
    "\u0639": ("3",),
    "\u063a": ("gh", "3'"),
    "\u0641": ("f",),
    "\u0642": ("q", "2", "9", "k"),
    "\u0643": ("k",),
    "\u0644": ("l",),
    "\u0645": ("m",),
    "\u0646": ("n",),
    "\u0647": ("h",),
    "\u06af": ("g",),  # GAF
    "\u0686": ("ch",),  # TCHEH
    "\u067e": ("p",),  # PEH
    "\u06a4": ("v",),  # VEH
    "\u060c": (",",),  # ARABIC COMMA
    "\u061f": ("?",),  # ARABIC QUESTION MARK
    "\u061b": (";",),  # ARABIC SEMICOLON
}
_ARTICLE = "\u0627\u0644"  # al-, the article

_WORD = re.compile(r"\S+")


class Transform(Protocol):
    """A disguise."""

    def __call__(self, text: str, rng: random.Random, words: Collection[int] | None = None) -> str:
        """Disguise the words at these positions of ``text.split()``, or all."""


def tashkeel(word: str, rng: random.Random) -> str:
    """Write vowel marks on about two letters in three, at least on one."""
    certain = rng.choice(_letters(word))
    return _per_letter(
        word,
        lambda i: (
            word[i]
            + (_SHADDA if rng.random() < 0.1 else "")
            + (rng.choice(_MARKS) if i == certain or rng.random() < 0.65 else "")
        ),
    )


def tatweel(word: str, rng: random.Random) -> str:
    """Draw the word out where its letters join; a word that never joins stays as it is."""
    joints = [i for i in range(len(word) - 1) if _joins(word[i], word[i + 1])]
    chosen = set(rng.sample(joints, min(len(joints), rng.randint(1, 3))))
    return "".join(
        char + (_TATWEEL * rng.randint(1, 6) if i in chosen else "") for i, char in enumerate(word)
    )


def presentation(word: str, rng: random.Random) -> str:
    """Replace each letter by its compatibility form for its place in the word, now and then not."""
    certain = rng.choice(_letters(word))

    def form(i: int) -> str:
        before = i > 0 and _joins(word[i - 1], word[i])
        after = i + 1 < len(word) and _joins(word[i], word[i + 1])
        place = ("isolated", "initial", "final", "medial")[after + 2 * before]
        shaped = _FORMS.get((word[i], place), word[i])
        return shaped if i == certain or rng.random() < 0.9 else word[i]

    return _per_letter(word, form)


def zero_width(word: str, rng: random.Random) -> str:
    """Put characters without width between letters."""
    return _between(word, rng, lambda: rng.choice(_ZERO_WIDTH), 0.6)


def bidi(word: str, rng: random.Random) -> str:
    """Put directional marks between letters, or wrap the word in directional controls."""
    if rng.random() < 0.5:
        pair = rng.choice(_BIDI_PAIRS)
        return pair[0] + word + pair[1]
    return _between(word, rng, lambda: rng.choice(_BIDI_MARKS), 0.5)


def persian_lookalike(word: str, rng: random.Random) -> str:
    """Take letters from the keyboards of Persian, Urdu, Kurdish and Sindhi."""
    return _swapped(word, rng, _PERSIAN, 0.6)


def latin_lookalike(word: str, rng: random.Random) -> str:
    """Put Latin and Cyrillic letters and digits that look alike inside the Arabic word."""
    return _swapped(word, rng, _LATIN, 0.4)


def split_space(word: str, _: random.Random) -> str:
    """Split the word into single letters by spaces."""
    return " ".join(_pieces(word))


def split_dot(word: str, rng: random.Random) -> str:
    """Split the word by dots, into letters or in one or two places."""
    return _split(word, rng, rng.choice((".", ".", "..", "_.")))


def split_star(word: str, rng: random.Random) -> str:
    """Split the word by asterisks, into letters or in one or two places."""
    return _split(word, rng, "*")


def elongation(word: str, rng: random.Random) -> str:
    """Repeat a long vowel, else the last letter, three to nine times."""
    letters = _letters(word)
    long = [i for i in letters[1:] if word[i] in "\u0627\u0648\u064a"]  # ALEF, WAW, YEH
    where = rng.choice(long) if long else letters[-1]
    return word[:where] + word[where] * rng.randint(3, 9) + word[where + 1 :]


def dotless(word: str, _: random.Random) -> str:
    """Leave out the dots, as the first scribes did; the skeleton is read from context."""
    last = _letters(word)[-1]
    return "".join(
        _DOTLESS_AT_END.get(char, char)
        if i == last
        else _DOTLESS_BEH
        if char in _DOTLESS_AT_END
        else char
        for i, char in enumerate(word)
    ).translate(_DOTLESS)


def emoji_inside(word: str, rng: random.Random) -> str:
    """Put an emoji, at times two, between letters."""
    emoji = rng.choice(_EMOJI)
    return _between(word, rng, lambda: emoji, 0.0 if rng.random() < 0.7 else 0.3)


def arabizi(text: str, rng: random.Random, words: Collection[int] | None = None) -> str:
    """Write in Latin letters and digits; one writer keeps to one spelling of each letter."""
    spelling = {letter: rng.choice(ways) for letter, ways in _CONSONANTS.items()}
    article = rng.choice(("el ", "al ", "el", "l"))
    short, waw = rng.choice("aae"), rng.choice(("ou", "o", "oo"))

    def spell(word: str) -> str:
        word = unicodedata.normalize("NFKC", word).replace("\u0651", "")
        word = "".join(char for char in word if not unicodedata.combining(char))
        prefix = ""
        if word.startswith(_ARTICLE) and len(_letters(word)) > 3:
            prefix, word = article, word[2:]
        return prefix + _voiced(word, spelling, short, waw)

    return _each_word(text, words, spell)


def _of_words(change: Callable[[str, random.Random], str]) -> Transform:
    """Make a disguise of words a disguise of texts."""

    def transform(text: str, rng: random.Random, words: Collection[int] | None = None) -> str:
        return _each_word(text, words, lambda word: change(word, rng))

    return transform


_CHANGES = (
    *(tashkeel, tatweel, presentation, zero_width, bidi, persian_lookalike, latin_lookalike),
    *(split_space, split_dot, split_star, elongation, dotless, emoji_inside),
)
TRANSFORMS: dict[str, Transform] = {change.__name__: _of_words(change) for change in _CHANGES}
TRANSFORMS["arabizi"] = arabizi
"""Every disguise by its name."""


def _each_word(text: str, words: Collection[int] | None, change: Callable[[str], str]) -> str:
    """Change the chosen words that have an Arabic letter; leave the space between them."""
    position = -1

    def chosen(match: re.Match[str]) -> str:
        nonlocal position
        position += 1
        word = match.group()
        if (words is not None and position not in words) or not _letters(word):
            return word
        return change(word)

    return _WORD.sub(chosen, text)


def _is_letter(char: str) -> bool:
    return "\u0620" <= char <= "\u06ff" and char.isalpha() and char != _TATWEEL


def _letters(word: str) -> list[int]:
    """Where the Arabic letters of a word are."""
    return [i for i, char in enumerate(word) if _is_letter(char)]


def _per_letter(word: str, write: Callable[[int], str]) -> str:
    return "".join(write(i) if _is_letter(char) else char for i, char in enumerate(word))


def _pieces(word: str) -> list[str]:
    """Cut a word before each Arabic letter that follows another letter; signs stay attached."""
    cuts = _letters(word)[1:]
    return [word[a:b] for a, b in zip([0, *cuts], [*cuts, len(word)], strict=True)]


def _between(word: str, rng: random.Random, sign: Callable[[], str], probability: float) -> str:
    """Put signs between the letters of a word, at least one."""
    pieces = _pieces(word)
    if len(pieces) == 1:
        return word + sign()
    certain = rng.randrange(1, len(pieces))
    return pieces[0] + "".join(
        (sign() if i == certain or rng.random() < probability else "") + piece
        for i, piece in enumerate(pieces[1:], start=1)
    )


def _split(word: str, rng: random.Random, separator: str) -> str:
    return _between(word, rng, lambda: separator, rng.choice((1.0, 1.0, 0.25)))


def _swapped(
    word: str, rng: random.Random, lookalikes: Mapping[str, str], probability: float
) -> str:
    """Put look-alikes in place of letters, at least one where there is one, never all."""
    places = [i for i in _letters(word) if word[i] in lookalikes]
    if not places:
        return word
    certain = rng.choice(places)
    swapped = {i for i in places if i == certain or rng.random() < probability}
    if len(swapped) == len(_letters(word)) > 1:
        swapped = {certain}
    return "".join(
        rng.choice(lookalikes[char]) if i in swapped else char for i, char in enumerate(word)
    )


def _voiced(word: str, spelling: Mapping[str, str], short: str, waw: str) -> str:
    """Spell a word and put in the short vowels that Arabic leaves out.

    A cluster of consonants at the start of a word gets a vowel after its first, as a reader would
    pronounce it; a cluster of three or more gets one after every second.
    """
    sounds: list[tuple[str, bool]] = []  # (Latin letters, whether a vowel)
    for i, char in enumerate(word):
        before_vowel = i + 1 < len(word) and word[i + 1] in _VOWELS
        after_vowel = bool(sounds) and sounds[-1][1]
        if char in "\u0623\u0625":  # ALEF WITH HAMZA ABOVE, BELOW
            sounds.append(("a" if char == "\u0623" else "e", True))
        elif char in _VOWELS:
            sounds.append((_VOWELS[char], True))
        elif char in "\u0648\u064a":  # WAW, YEH: consonant or long vowel
            consonant, vowel = ("w", waw) if char == "\u0648" else ("y", "i")
            is_consonant = i == 0 or before_vowel or after_vowel
            sounds.append((consonant if is_consonant else vowel, not is_consonant))
        else:
            sounds.append((spelling.get(char, char), False))
    written, run = [], 0
    for i, (sound, is_vowel) in enumerate(sounds):
        written.append(sound)
        run = 0 if is_vowel or not sound[:1].isalnum() else run + 1
        followed = i + 1 < len(sounds) and not sounds[i + 1][1] and sounds[i + 1][0][:1].isalnum()
        starts_word = i + 1 == run
        if run and followed and (starts_word or run >= 2):
            written.append(short)
            run = 0
    return "".join(written)


def _presentation_forms() -> dict[tuple[str, str], str]:
    """Collect letter and place -> form from the Unicode Character Database."""
    forms = {}
    for code in [*range(0xFB50, 0xFBB2), *range(0xFE80, 0xFEF5)]:
        kind, _, letter = unicodedata.decomposition(chr(code)).partition(" ")
        if kind and " " not in letter:
            forms[chr(int(letter, 16)), kind.strip("<>")] = chr(code)
    return forms


_FORMS = _presentation_forms()


def _joins(left: str, right: str) -> bool:
    """Whether two neighbouring letters are written in one stroke."""
    return (left, "initial") in _FORMS and (right, "final") in _FORMS
