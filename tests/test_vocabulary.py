"""The words of the console: each language in its own letters, each number in its own form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from flask import Flask
from flask_babel import force_locale
from test_console import phrases

from models.schema import REASONS
from service.console import blueprint, vocabulary
from service.delivery.coral import REJECTION_CODES

TRANSLATIONS = Path(blueprint.__file__).parent / "translations"
ARABIC_LETTER = re.compile("[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff]")
PLACEHOLDER = re.compile(r"%\(\w+\)s")
COUNTED = {"%(num)s", "%(n)s"}  # which "one comment" and "two comments" say in a word


def strings(message: object) -> list[str]:
    return [message] if isinstance(message, str) else list(message)  # type: ignore[call-overload]


def test_a_phrase_of_the_source_is_english_and_is_what_the_english_console_says(app: Flask) -> None:
    with app.test_request_context(), force_locale("en"):
        for phrase in phrases():
            assert not ARABIC_LETTER.search(phrase)
            assert vocabulary.gettext(phrase) == phrase
        assert vocabulary.ngettext("%(num)s word", "%(num)s words", 1) == "1 word"
        assert vocabulary.ngettext("%(num)s word", "%(num)s words", 11) == "11 words"


def test_arabic_letters_stand_in_the_arabic_catalogue_only() -> None:
    for catalogue in TRANSLATIONS.glob("*/LC_MESSAGES/messages.po"):
        written = ARABIC_LETTER.search(catalogue.read_text(encoding="utf-8"))
        assert bool(written) == (catalogue.parts[-3] == "ar"), catalogue


def test_the_arabic_catalogue_has_arabic_punctuation_and_every_value_of_the_phrase() -> None:
    with (TRANSLATIONS / "ar/LC_MESSAGES/messages.po").open("rb") as file:
        catalogue = read_po(file, locale="ar")
    for message in catalogue:
        if not message.id:
            continue
        for said in strings(message.string):
            assert not re.search("[,;?]", said), said
        wanted = set(PLACEHOLDER.findall(strings(message.id)[-1])) - COUNTED
        for said in strings(message.string):
            assert wanted == set(PLACEHOLDER.findall(said)) - COUNTED, said


# Words that gave way to others, of the glossary, and commands to one man: "queue", "hashtag",
# "flooding", "writer of a comment"; "try", "look", "press", "choose", "check".
GIVEN_UP = r"الطابور|الوسم|الوسوم|إغراق|الكاتب|كاتبه\b|الكتّاب"
COMMANDS = "حاول|انظر|اضغط|اختر|راجع"


def test_the_arabic_catalogue_says_each_thing_by_one_word_and_commands_nobody() -> None:
    with (TRANSLATIONS / "ar/LC_MESSAGES/messages.po").open("rb") as file:
        catalogue = read_po(file, locale="ar")
    for message in catalogue:
        for said in strings(message.string) if message.id else ():
            assert not re.search(GIVEN_UP, said), said
            assert not re.search(rf"(?:^|[.؛:] )(?:{COMMANDS})\b", said), said


def test_the_french_catalogue_has_french_typography_and_every_value_of_the_phrase() -> None:
    with (TRANSLATIONS / "fr/LC_MESSAGES/messages.po").open("rb") as file:
        catalogue = read_po(file, locale="fr")
    marks = "[;!?%\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}]"
    bare = re.compile(f"(?<![\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}%]){marks}(?![(])")
    for message in catalogue:
        if not message.id:
            continue
        wanted = set(PLACEHOLDER.findall(strings(message.id)[-1])) - COUNTED
        for said in strings(message.string):
            assert "'" not in said, said
            assert not bare.search(said), said
            assert not re.search(r"(?<![\d\N{NO-BREAK SPACE}]):(?!//)", said), said
            assert wanted == set(PLACEHOLDER.findall(said)) - COUNTED, said


# One of each of the six forms of Arabic, and what stands at their borders.
NUMBERS = (0, 1, 2, 3, 10, 11, 99, 100, 101, 102, 103, 111, 200)
AGAIN = {  # "... comments wait again"
    0: "لم يعد أي تعليق إلى الانتظار.",
    1: "عاد تعليق واحد إلى الانتظار.",
    2: "عاد تعليقان إلى الانتظار.",
    3: "عادت 3 تعليقات إلى الانتظار.",
    10: "عادت 10 تعليقات إلى الانتظار.",
    11: "عاد 11 تعليقًا إلى الانتظار.",
    99: "عاد 99 تعليقًا إلى الانتظار.",
    100: "عاد 100 تعليق إلى الانتظار.",
    101: "عاد 101 تعليق إلى الانتظار.",
    102: "عاد 102 تعليق إلى الانتظار.",
    103: "عادت 103 تعليقات إلى الانتظار.",
    111: "عاد 111 تعليقًا إلى الانتظار.",
    200: "عاد 200 تعليق إلى الانتظار.",
}


@pytest.mark.parametrize("n", NUMBERS)
def test_verb_and_noun_agree_with_their_number_in_arabic(app: Flask, n: int) -> None:
    with app.test_request_context(), force_locale("ar"):
        said = vocabulary.ngettext(
            "%(num)s comment waits again.", "%(num)s comments wait again.", n
        )
    assert said == AGAIN[n]


def test_names_are_listed_with_the_comma_of_the_language(app: Flask) -> None:
    for language, said in (("ar", "a\N{ARABIC COMMA} b"), ("en", "a, b")):
        with app.test_request_context(), force_locale(language):
            assert vocabulary.listed(["a", "b"]) == said


def test_every_reason_has_a_name_and_a_code_of_coral() -> None:
    assert list(vocabulary.REASON_NAMES) == list(REASONS)
    assert set(REJECTION_CODES) == set(REASONS)
