"""Formats: numbers, shares, lengths of time and dates in the reader's language, zone and digits."""

import datetime
import functools
from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

import babel.dates
import babel.numbers
import flask_babel
from babel import Locale
from flask import g
from flask_babel import npgettext

from service.console.digits import EASTERN, chosen, shown
from service.console.vocabulary import (
    dialect_row,
    gettext,
    label_name,
    language_name,
    measure_name,
)

# Whatever number comes to be shown, be it a bad one that somebody stored, has a form: a page that
# shows many comments must not fail for one of them.
_MOST = 1e15  # of a number; format_decimal() fails from 28 digits on
_LONGEST_SECONDS = 1e11  # three thousand years; a timedelta ends at a million
_NOBODY_KNOWS = "\N{EN DASH}"


def _bounded(value: float, most: float) -> float:
    """Return the nearest number between -`most` and `most`; 0 for what is no number."""
    if -most <= value <= most:
        return value
    return most if value > 0 else -most if value < 0 else 0.0


def _at(seconds: float, zone: datetime.tzinfo = datetime.UTC) -> datetime.datetime | None:
    """Return a Unix time as a time in a zone, if it lies between the years 1 and 9999."""
    try:
        return datetime.datetime.fromtimestamp(seconds, zone)
    except (ValueError, OverflowError, OSError):
        return None


def zone() -> ZoneInfo:
    """Return the time zone of whoever reads."""
    account = g.get("account")
    return ZoneInfo(account.preferences.time_zone if account else "UTC")


def zone_name(name: str = "") -> str:
    """Return the city by which people know a time zone, that of whoever reads where none is named.

    Where the zone is known by no city, it is its own name, as UTC.
    """
    locale = flask_babel.get_locale()
    return babel.dates.get_timezone_location(name or zone().key, locale=locale, return_city=True)


def eastern() -> bool:
    """Whether the page is in Eastern Arabic digits, for what scripts write."""
    return chosen() == EASTERN


def number(value: float) -> str:
    """Return a number in the reader's language."""
    return shown(_written(_bounded(value, _MOST), flask_babel.get_locale(), chosen()))


@functools.lru_cache(maxsize=4_096)  # pages show the same small numbers again and again
def _written(value: float, locale: Locale, digits: str) -> str:
    return babel.numbers.format_decimal(value, locale=locale, numbering_system=digits)


def signed(value: float) -> str:
    """Return a number with its sign and one digit behind the point."""
    value, locale, digits = _bounded(value, _MOST), flask_babel.get_locale(), chosen()
    sign = babel.numbers.get_minus_sign_symbol if value < 0 else babel.numbers.get_plus_sign_symbol
    return sign(locale, numbering_system=digits) + decimal(abs(value), "0.0")


def decimal(value: float, pattern: str) -> str:
    """Return a number with as many digits behind the point as a pattern of the CLDR says."""
    locale = flask_babel.get_locale()
    return shown(
        babel.numbers.format_decimal(
            value, format=pattern, locale=locale, numbering_system=chosen()
        )
    )


def percent(share: float) -> str:
    """Return a share of one in percent; what is not all or nothing never reads as if it were."""
    exact = 0 < share < 1 and not 0 < round(share * 100) < 100
    share = min(max(round(share, 3), 0.001), 0.999) if exact else _bounded(share, _MOST)
    return shown(
        babel.numbers.format_percent(
            share,
            locale=flask_babel.get_locale(),
            decimal_quantization=not exact,
            numbering_system=chosen(),
        )
    )


def score(value: float) -> str:
    """Return a score in percent: a probability, so never all or nothing, however it is rounded."""
    return percent(min(max(value, 0.0001), 0.9999))


def duration(seconds: float) -> str:
    """Return a length of time in the reader's language, in its largest unit."""
    length = datetime.timedelta(seconds=max(0.0, _bounded(seconds, _LONGEST_SECONDS)))
    return shown(str(flask_babel.format_timedelta(length, threshold=1)))


_AFTER_PREPOSITION: Sequence[tuple[int, Callable[[int], str]]] = (
    (86_400, lambda n: npgettext("after a preposition", "%(num)s day", "%(num)s days", n)),
    (3_600, lambda n: npgettext("after a preposition", "%(num)s hour", "%(num)s hours", n)),
    (60, lambda n: npgettext("after a preposition", "%(num)s minute", "%(num)s minutes", n)),
    (1, lambda n: npgettext("after a preposition", "%(num)s second", "%(num)s seconds", n)),
)


def duration_after(seconds: float) -> str:
    """Return a length of time as it is written behind a preposition, where Arabic inflects it."""
    seconds = max(0.0, _bounded(seconds, _LONGEST_SECONDS))
    unit, phrase = next(
        (each for each in _AFTER_PREPOSITION if seconds >= each[0]), _AFTER_PREPOSITION[-1]
    )
    return str(phrase(round(seconds / unit)))


def ago(seconds: float) -> str:
    """How long ago something was, in the reader's language."""
    if not seconds >= 60:
        return gettext("just now")
    length = datetime.timedelta(seconds=-_bounded(seconds, _LONGEST_SECONDS))
    return shown(str(flask_babel.format_timedelta(length, threshold=1, add_direction=True)))


def seconds_of(moment: str | float | None) -> float | None:
    """Return an ISO 8601 moment as Unix time; ``None`` if it is none that can be shown."""
    try:
        if isinstance(moment, (int, float)):
            seconds = float(moment)
        else:
            read = datetime.datetime.fromisoformat(moment or "")
            seconds = (read if read.tzinfo else read.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if _at(seconds) else None


def iso(seconds: float) -> str:
    """Return a Unix time as ISO 8601 in UTC, for machines; empty for one that no calendar has."""
    at = _at(seconds)
    return at.isoformat(timespec="seconds") if at else ""


def moment(seconds: float) -> str:
    """Return a Unix time as date and time where the reader is, which says where that is."""
    there = zone()
    at = _at(seconds, there)
    if not at:
        return _NOBODY_KNOWS
    joined = babel.dates.get_datetime_format("medium", locale=flask_babel.get_locale())
    day = flask_babel.format_date(at, "medium", rebase=False)
    time = flask_babel.format_time(at, "short", rebase=False)
    said = shown(str(joined).replace("'", "").format(time, day))
    if there.key == "UTC":
        return gettext("%(moment)s UTC", moment=said)
    return gettext("%(moment)s, %(place)s time", moment=said, place=zone_name())


def clock(seconds: float) -> str:
    """Return the time of day of a Unix time where the reader is."""
    at = _at(seconds, zone())
    return shown(str(flask_babel.format_time(at, "short", rebase=False))) if at else _NOBODY_KNOWS


def date(seconds: float) -> str:
    """Return the date of a Unix time where the reader is."""
    at = _at(seconds, zone())
    return shown(str(flask_babel.format_date(at, "full", rebase=False))) if at else _NOBODY_KNOWS


_ROW_NAMES: Mapping[str, Callable[[str], str]] = {
    "label": label_name,
    "language": language_name,
    "dialect": dialect_row,
    "measure": measure_name,
    "bin": lambda row: decimal(float(row), "0.00"),
}


def row_name(kind: str, row: str, *, short: bool = False) -> str:
    """Return what a row is called; ``short`` where there is little room."""
    if kind in _ROW_NAMES:
        return _ROW_NAMES[kind](row)
    if kind not in ("hour", "day"):
        return row
    at = datetime.datetime.fromisoformat(row).replace(tzinfo=datetime.UTC)
    if kind == "hour":
        at = at.astimezone(zone())
        return shown(str(flask_babel.format_time(at, "H:mm" if short else "short", rebase=False)))
    return shown(str(flask_babel.format_date(at, "d/M" if short else "medium", rebase=False)))


def figure_value(unit: str, value: float) -> str:
    """Return a value of a figure with its unit, in the reader's language."""
    if unit == "share":
        return percent(value)
    if unit == "seconds":
        return duration(value)
    if unit == "kappa" and -1 < value < 1:  # as for shares: 0.997 is no full agreement
        value = min(max(value, -0.99), 0.99)
    return number(round(value, 2))
