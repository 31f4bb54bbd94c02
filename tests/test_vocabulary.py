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
MINUTE, HOUR, DAY = 60, 3_600, 86_400


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
        wanted = set(PLACEHOLDER.findall(strings(message.id)[-1])) - {"%(num)s"}
        for said in strings(message.string):
            assert wanted == set(PLACEHOLDER.findall(said)) - {"%(num)s"}, said


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


AFTER = [  # what stands behind "since", "under", "after"
    (0, "أقل من ثانية"),
    (1, "ثانية"),
    (2, "ثانيتين"),
    (3, "3 ثوانٍ"),
    (11, "11 ثانية"),
    (MINUTE, "دقيقة"),
    (2 * MINUTE, "دقيقتين"),
    (10 * MINUTE, "10 دقائق"),
    (59 * MINUTE, "59 دقيقة"),
    (HOUR, "ساعة"),
    (2 * HOUR, "ساعتين"),
    (3 * HOUR, "3 ساعات"),
    (12 * HOUR, "12 ساعة"),
    (DAY, "يوم"),
    (2 * DAY, "يومين"),
    (7 * DAY, "7 أيام"),
    (30 * DAY, "30 يومًا"),
    (100 * DAY, "100 يوم"),
    (102 * DAY, "102 يوم"),
    (111 * DAY, "111 يومًا"),
]


@pytest.mark.parametrize(("seconds", "said"), AFTER)
def test_a_length_of_time_behind_a_preposition_is_in_the_genitive(
    app: Flask, seconds: int, said: str
) -> None:
    with app.test_request_context(), force_locale("ar"):
        assert vocabulary.duration_after(seconds) == said
    with app.test_request_context(), force_locale("en"):
        assert vocabulary.duration_after(2 * HOUR) == "2 hours"


def test_names_are_listed_with_the_comma_of_the_language(app: Flask) -> None:
    for language, said in (("ar", "a\N{ARABIC COMMA} b"), ("en", "a, b")):
        with app.test_request_context(), force_locale(language):
            assert vocabulary.listed(["a", "b"]) == said


EXTREMES = (0.0, -1.0, 1e9, 1e15, 6e11, -6.3e10, 1e308, -1e308, float("inf"), float("nan"), 10**400)


@pytest.mark.parametrize("language", sorted(vocabulary.LANGUAGES))
def test_every_number_has_a_form_however_bad(app: Flask, language: str) -> None:
    said = (
        *(vocabulary.number, vocabulary.percent, vocabulary.score, vocabulary.score_words),
        *(
            vocabulary.duration,
            vocabulary.duration_after,
            vocabulary.ago,
            vocabulary.iso,
            vocabulary.moment,
        ),
    )
    with app.test_request_context(), force_locale(language):
        for value in EXTREMES:
            for say in said:
                assert isinstance(say(value), str), (say, value)


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "yesterday", "", "1e308", None],
)
def test_a_moment_that_no_calendar_has_is_none(moment: str | None) -> None:
    assert vocabulary.epoch(moment) is None


def test_a_moment_at_the_end_of_the_calendar_can_be_shown(app: Flask) -> None:
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        seconds = vocabulary.epoch(moment)
        assert seconds is not None
        with app.test_request_context(), force_locale("ar"):
            assert vocabulary.iso(seconds)[:19] == moment[:19]
            assert vocabulary.moment(seconds)
            assert vocabulary.ago(0 - seconds)


def test_a_moment_says_in_which_time_it_is(app: Flask) -> None:
    for locale, said in (("en", "UTC"), ("ar", "بالتوقيت")):
        with app.test_request_context(), force_locale(locale):
            assert said in vocabulary.moment(1.8e9)  # in Arabic "in the (world's) time"


SHARES = [  # a share, and how it reads
    (0.0, "0%"),
    (0.00001, "0.1%"),
    (0.004, "0.4%"),
    (0.01, "1%"),
    (0.5, "50%"),
    (0.994, "99%"),
    (0.995, "99.5%"),
    (0.997, "99.7%"),
    (0.99999, "99.9%"),
    (1.0, "100%"),
]


@pytest.mark.parametrize(("share", "said"), SHARES)
def test_what_is_not_all_or_nothing_never_reads_as_if_it_were(
    app: Flask, share: float, said: str
) -> None:
    with app.test_request_context(), force_locale("en"):
        assert vocabulary.percent(share) == said
        assert vocabulary.figure_value("share", share) == said
        assert vocabulary.score(share) == {"0%": "0.1%", "100%": "99.9%"}.get(said, said)
    with app.test_request_context(), force_locale("ar"):
        assert vocabulary.percent(share).strip("\u200e\u200f") == said


@pytest.mark.parametrize(
    ("kappa", "said"), [(1.0, "1"), (0.997, "0.99"), (0.5, "0.5"), (-0.999, "-0.99"), (-1.0, "-1")]
)
def test_nearly_full_agreement_does_not_read_as_full(app: Flask, kappa: float, said: str) -> None:
    with app.test_request_context(), force_locale("en"):
        assert vocabulary.figure_value("kappa", kappa) == said


def test_every_reason_has_a_name_and_a_code_of_coral() -> None:
    assert list(vocabulary.REASON_NAMES) == list(REASONS)
    assert set(REJECTION_CODES) == set(REASONS)
