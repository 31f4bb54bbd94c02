"""Numbers, shares, lengths of time and dates of the console, in each language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask, g, render_template_string
from flask_babel import force_locale

from service.accounts.account import Account, Preferences
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


# Where somebody is, and the digits that they read


MOMENT = 1_800_000_000.0  # 2027-01-15 08:00 UTC


@contextmanager
def reader(app: Flask, language: str = "ar", **chosen: Any) -> Iterator[None]:
    """A page as one moderator sees it."""
    with app.test_request_context("/console/"), force_locale(language):
        g.account = Account("samira", "moderator", preferences=Preferences(**chosen))
        yield


@pytest.mark.parametrize(
    ("zone", "language", "said"),
    [
        ("UTC", "en", ("8:00", "UTC")),
        ("Asia/Riyadh", "en", ("11:00", "Riyadh time")),
        ("Africa/Tunis", "en", ("9:00", "Tunis time")),
        ("Asia/Riyadh", "ar", ("11:00", "بتوقيت الرياض")),
        ("Africa/Cairo", "ar", ("10:00", "بتوقيت القاهرة")),
    ],
)
def test_a_moment_is_told_in_the_zone_of_whoever_reads_and_says_which(
    app: Flask, zone: str, language: str, said: tuple[str, str]
) -> None:
    with reader(app, language, time_zone=zone):
        for words in said:
            assert words in formats.moment(MOMENT)
        assert ":00:00" not in formats.moment(MOMENT), "nobody asks for the seconds"
        assert formats.iso(MOMENT) == "2027-01-15T08:00:00+00:00", "for machines"


def test_an_hour_of_a_figure_is_told_in_the_zone_of_whoever_reads(app: Flask) -> None:
    with reader(app, "en", time_zone="Asia/Dubai"):
        assert formats.row_name("hour", "2027-01-15T08:00", short=True) == "12:00"
        assert formats.row_name("day", "2027-01-15T00:00+00:00", short=True) == "15/1"
        assert formats.clock(MOMENT) == "12:00\N{NARROW NO-BREAK SPACE}PM"


WRITTEN = [  # what is shown, in Western and in Eastern Arabic digits
    (lambda: formats.number(1_234_567), "1,234,567", "١٬٢٣٤٬٥٦٧"),
    (lambda: formats.percent(0.5), "50%", "٥٠٪"),
    (lambda: formats.percent(0.995), "99.5%", "٩٩٫٥٪"),
    (lambda: formats.score(1.0), "99.9%", "٩٩٫٩٪"),
    (lambda: formats.signed(1.25), "+1.2", "+١٫٢"),
    (lambda: formats.duration(600), "10 دقائق", "١٠ دقائق"),
    (lambda: formats.duration_after(600), "10 دقائق", "١٠ دقائق"),
    (lambda: formats.ago(600), "قبل 10 دقائق", "قبل ١٠ دقائق"),
    (lambda: formats.figure_value("kappa", 0.997), "0.99", "٠٫٩٩"),
    (lambda: formats.figure_value("seconds", 7_200), "ساعتان", "ساعتان"),
    (lambda: formats.row_name("bin", "0.05"), "0.05", "٠٫٠٥"),
    (lambda: formats.row_name("day", "2027-01-15", short=True), "15/1", "١٥/١"),
    (lambda: formats.row_name("hour", "2027-01-15T08:00", short=True), "8:00", "٨:٠٠"),
]


@pytest.mark.parametrize(("say", "western", "eastern"), WRITTEN)
def test_every_number_of_an_arabic_page_is_in_the_digits_that_its_reader_chose(
    app: Flask, say: Callable[[], str], western: str, eastern: str
) -> None:
    for digits, written in (("western", western), ("eastern", eastern)):
        with reader(app, digits=digits):
            assert re.sub("[\u200e\u200f\u061c]", "", say()) == written
    with reader(app, "en", digits="eastern"):
        assert not set(say()) & set("٠١٢٣٤٥٦٧٨٩"), "only in Arabic pages"


def test_a_moment_has_no_western_digit_left_among_eastern_ones(app: Flask) -> None:
    with reader(app, digits="eastern", time_zone="Asia/Riyadh"):
        assert "٢٠٢٧" in formats.moment(MOMENT)
        assert not re.search("[0-9]", formats.moment(MOMENT) + formats.date(MOMENT))


def test_a_phrase_is_in_the_digits_too_but_for_what_people_are_to_type(app: Flask) -> None:
    three = ("%(num)s comment decided.", "%(num)s comments decided.", 3)
    page = '{{ ngettext("%(num)s comment decided.", "%(num)s comments decided.", 3) }}'
    with reader(app, digits="eastern"):
        assert "٣" in vocabulary.ngettext(*three)
        assert "٣" in render_template_string(page)
        typed = vocabulary.gettext("Hours in which no notice is sent, such as 22:00-07:00")
        assert "22:00-07:00" in typed
        named = vocabulary.gettext("You wanted:") + vocabulary.gettext(
            "%(moment)s, %(place)s time", moment="x", place="user1"
        )
        assert "user1" in named, "a value keeps its digits"
    with reader(app):
        assert "3" in vocabulary.ngettext(*three)
        assert "3" in render_template_string(page)


def test_a_stored_zone_that_is_none_leaves_the_other_preferences(app: Flask) -> None:
    stored = Preferences.from_json('{"time_zone": "Mars/Olympus", "digits": "roman", "blur": true}')
    assert stored == Preferences(blur=True)
