"""Phrases that the console shows and other modules write: `N_` marks them for its catalogues."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from babel.support import NullTranslations, Translations

N_ = str

_CATALOGUES = Path(__file__).parent.parent / "console" / "translations"


@cache
def catalogue(language: str) -> NullTranslations:
    """Return the phrases of a language, for what is written without a request: a notice, a mail.

    >>> catalogue("en").gettext("Links")
    'Links'
    """
    return Translations.load(str(_CATALOGUES), [language])
