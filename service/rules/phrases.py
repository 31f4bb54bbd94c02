"""Phrases that the console shows and other modules write: `N_` marks them for its catalogues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from babel import negotiate_locale
from babel.support import NullTranslations, Translations

N_ = str

#: The languages, each named in its own words ("Arabic" is written in Arabic letters).
LANGUAGES: Mapping[str, str] = {
    "ar": "\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "en": "English",
    "fr": "Fran\N{LATIN SMALL LETTER C WITH CEDILLA}ais",
}
RIGHT_TO_LEFT = frozenset({"ar"})


def negotiated(accepted: Iterable[str]) -> str:
    """Return the first language that somebody accepts and we have, else Arabic.

    >>> negotiated(["fr-TN", "ar"])
    'fr'
    """
    return negotiate_locale(accepted, LANGUAGES, sep="-") or "ar"


_CATALOGUES = Path(__file__).parent.parent / "console" / "translations"


@cache
def catalogue(language: str) -> NullTranslations:
    """Return the phrases of a language, for what is written without a request: a notice, a mail.

    >>> catalogue("en").gettext("Links")
    'Links'
    """
    return Translations.load(str(_CATALOGUES), [language])
