"""Timestamps: those that every part of the service can write and show."""

from __future__ import annotations

from datetime import UTC, datetime

#: No comment is older than the machines, and until the year 2286 the queue's times keep 13 digits.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
EXPECTED = "a time with its zone, ISO 8601, from 1970 to 2199"


def day_of(seconds: float) -> str:
    """Write the day of a moment, in UTC, as ``2026-01-31``."""
    return iso_time(seconds)[:10]


def start_of(day: str) -> float:
    """Return the moment, in seconds since 1970, at which a day of `day_of` begins.

    >>> start_of("1970-01-02")
    86400.0
    """
    return datetime.fromisoformat(f"{day}T00:00+00:00").timestamp()


def iso_time(seconds: float, to_the: str = "seconds") -> str:
    """Write a moment, in seconds since 1970, to the second, minute ("minutes") or "milliseconds".

    >>> iso_time(0)
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=to_the)


def read_time(text: str) -> datetime | None:
    """Return the moment of an ISO 8601 text with a zone; None for all that is no such moment.

    >>> read_time("2026-11-27T10:00:00Z")
    datetime.datetime(2026, 11, 27, 10, 0, tzinfo=datetime.timezone.utc)
    >>> read_time("0001-01-01T00:00:00+23:59"), read_time("2026-11-27T10:00:00")
    (None, None)
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo and EARLIEST <= moment < LATEST else None
