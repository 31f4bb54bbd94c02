"""Numbers, shares, lengths of time and dates of the console, in each language."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_babel import force_locale

from service.console import formats, vocabulary
from service.rules.phrases import LANGUAGES

MINUTE, HOUR, DAY = 60, 3_600, 86_400

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
        assert formats.duration_after(seconds) == said
    with app.test_request_context(), force_locale("en"):
        assert formats.duration_after(2 * HOUR) == "2 hours"


def test_french_writes_numbers_shares_times_and_dates_as_newspapers_do(app: Flask) -> None:
    narrow, wide = "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}"
    with app.test_request_context(), force_locale("fr"):
        assert formats.number(1_234_567.5) == f"1{narrow}234{narrow}567,5"
        assert formats.percent(0.125).replace(wide, narrow) == f"12{narrow}%"
        assert formats.duration_after(1) == "1 seconde"
        assert formats.duration_after(2 * HOUR) == "2 heures"
        assert formats.ago(3 * DAY) == "il y a 3 jours"
        assert formats.moment(1.8e9).startswith("15 janv. 2027")
        assert vocabulary.ngettext("%(num)s comment waits", "%(num)s comments wait", 0)[:13] == (
            "0 commentaire"
        )


EXTREMES = (0.0, -1.0, 1e9, 1e15, 6e11, -6.3e10, 1e308, -1e308, float("inf"), float("nan"), 10**400)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_number_has_a_form_however_bad(app: Flask, language: str) -> None:
    said = (
        *(formats.number, formats.signed, formats.percent, formats.score, vocabulary.score_words),
        *(
            formats.duration,
            formats.duration_after,
            formats.ago,
            formats.iso,
            formats.moment,
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
    assert formats.seconds_of(moment) is None


def test_a_moment_at_the_end_of_the_calendar_can_be_shown(app: Flask) -> None:
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        seconds = formats.seconds_of(moment)
        assert seconds is not None
        with app.test_request_context(), force_locale("ar"):
            assert formats.iso(seconds)[:19] == moment[:19]
            assert formats.moment(seconds)
            assert formats.ago(0 - seconds)


def test_a_moment_says_in_which_time_it_is(app: Flask) -> None:
    for locale, said in (("en", "UTC"), ("ar", "بالتوقيت")):
        with app.test_request_context(), force_locale(locale):
            assert said in formats.moment(1.8e9)  # in Arabic "in the (world's) time"


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
        assert formats.percent(share) == said
        assert formats.figure_value("share", share) == said
        assert formats.score(share) == {"0%": "0.1%", "100%": "99.9%"}.get(said, said)
    with app.test_request_context(), force_locale("ar"):
        assert formats.percent(share).strip("\u200e\u200f") == said


@pytest.mark.parametrize(
    ("kappa", "said"), [(1.0, "1"), (0.997, "0.99"), (0.5, "0.5"), (-0.999, "-0.99"), (-1.0, "-1")]
)
def test_nearly_full_agreement_does_not_read_as_full(app: Flask, kappa: float, said: str) -> None:
    with app.test_request_context(), force_locale("en"):
        assert formats.figure_value("kappa", kappa) == said
