"""Formats: numbers, shares, lengths of time and dates in the reader's language."""

import datetime
from collections.abc import Callable, Mapping, Sequence

import babel.numbers
import flask_babel
from flask_babel import npgettext

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


def _at(seconds: float) -> datetime.datetime | None:
    """Return a Unix time as a time in UTC, if it lies between the years 1 and 9999."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def number(value: float) -> str:
    """Return a number in the reader's language."""
    return str(flask_babel.format_decimal(_bounded(value, _MOST)))


def signed(value: float) -> str:
    """Return a number with its sign and one digit behind the point."""
    value, locale = _bounded(value, _MOST), flask_babel.get_locale()
    sign = babel.numbers.get_minus_sign_symbol if value < 0 else babel.numbers.get_plus_sign_symbol
    return sign(locale) + str(flask_babel.format_decimal(abs(value), format="0.0"))


def percent(share: float) -> str:
    """Return a share of one in percent; what is not all or nothing never reads as if it were."""
    if not 0 < share < 1 or 0 < round(share * 100) < 100:
        return str(flask_babel.format_percent(_bounded(share, _MOST)))
    share = min(max(round(share, 3), 0.001), 0.999)
    locale = flask_babel.get_locale()
    return str(babel.numbers.format_percent(share, locale=locale, decimal_quantization=False))


def score(value: float) -> str:
    """Return a score in percent: a probability, so never all or nothing, however it is rounded."""
    return percent(min(max(value, 0.0001), 0.9999))


def duration(seconds: float) -> str:
    """Return a length of time in the reader's language, in its largest unit."""
    length = datetime.timedelta(seconds=max(0.0, _bounded(seconds, _LONGEST_SECONDS)))
    return str(flask_babel.format_timedelta(length, threshold=1))


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
    return str(flask_babel.format_timedelta(length, threshold=1, add_direction=True))


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
    """Return a Unix time as date and time in the reader's language, which says that it is UTC."""
    at = _at(seconds)
    if not at:
        return _NOBODY_KNOWS
    return gettext("%(moment)s UTC", moment=flask_babel.format_datetime(at, "medium", rebase=False))


_ROW_NAMES: Mapping[str, Callable[[str], str]] = {
    "label": label_name,
    "language": language_name,
    "dialect": dialect_row,
    "measure": measure_name,
}


def row_name(kind: str, row: str, *, short: bool = False) -> str:
    """Return what a row is called; ``short`` where there is little room."""
    if kind in _ROW_NAMES:
        return _ROW_NAMES[kind](row)
    if kind not in ("hour", "day"):
        return row
    at = datetime.datetime.fromisoformat(row).replace(tzinfo=datetime.UTC)
    if kind == "hour":
        return str(flask_babel.format_time(at, "H:mm" if short else "short", rebase=False))
    return str(flask_babel.format_date(at, "d/M" if short else "medium", rebase=False))


def figure_value(unit: str, value: float) -> str:
    """Return a value of a figure with its unit, in the reader's language."""
    if unit == "share":
        return percent(value)
    if unit == "seconds":
        return duration(value)
    if unit == "kappa" and -1 < value < 1:  # as for shares: 0.997 is no full agreement
        value = min(max(value, -0.99), 0.99)
    return number(round(value, 2))
