"""Digits: in an Arabic page Western (1, 2, 3) or Eastern Arabic ones, as somebody chose.

Newsrooms of the Maghreb write Western digits, others the Eastern ones. What people wrote, ids and
what programs read keep the digits that they have.
"""

import re

from babel.support import NullTranslations
from flask import g
from flask_babel import Domain, get_locale

WESTERN, EASTERN = "latn", "arab"  # as Unicode CLDR calls them

_ZERO = 0x660  # ARABIC-INDIC DIGIT ZERO
_EASTERN = {0x30 + digit: _ZERO + digit for digit in range(10)} | {
    ord("%"): "\N{ARABIC PERCENT SIGN}"
}
# A time of day in a phrase says how one is typed, and stays as it is.
_NUMBER = re.compile(r"(?<![\d:])\d+(?![\d:])")


def chosen() -> str:
    """Return the digits of the page that is being answered."""
    account = g.get("account") if g else None
    eastern = account is not None and account.preferences.digits == "eastern"
    return EASTERN if eastern and str(get_locale()) == "ar" else WESTERN


def shown(text: str) -> str:
    """Return a text of ours, of numbers and words, in the digits of the page."""
    return text.translate(_EASTERN) if chosen() == EASTERN else text


class ShownDigits(Domain):  # type: ignore[misc]  # Flask-Babel's has no types
    """The phrases of all languages, with the digits of the page."""

    def get_translations(self) -> NullTranslations:
        """Return the phrases of the page's language."""
        phrases: NullTranslations = super().get_translations()
        return phrases if chosen() == WESTERN else _Eastern(phrases)


class _Eastern(NullTranslations):
    """Phrases in Eastern Arabic digits, the number that they are about included."""

    def __init__(self, phrases: NullTranslations) -> None:
        super().__init__()
        self._phrases = phrases

    def ugettext(self, message: str) -> str:
        return _in_phrase(self._phrases.ugettext(message))

    def ungettext(self, one: str, many: str, n: int) -> str:
        return _in_phrase(self._phrases.ungettext(one, many, n), n)

    def upgettext(self, context: str, message: str) -> str:
        return _in_phrase(str(self._phrases.upgettext(context, message)))

    def unpgettext(self, context: str, one: str, many: str, n: int) -> str:
        return _in_phrase(self._phrases.unpgettext(context, one, many, n), n)


def _in_phrase(phrase: str, n: int | None = None) -> str:
    if n is not None:
        phrase = phrase.replace("%(num)s", str(n))
    return _NUMBER.sub(lambda found: found[0].translate(_EASTERN), phrase)
