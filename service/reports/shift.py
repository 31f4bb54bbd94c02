"""Shift: what one moderator did, and how far they agree with others, from counts by day; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from service.reports import statistics
from service.reports.insight import Days, Figure, Series
from service.rules.times import iso_time, start_of

DECIDED = ("approve", "reject")
MIN_COMPARED = 10  # fewer comments say nothing about somebody's agreement
HOUR_SECONDS, DAY_SECONDS = 3_600, 86_400
_PAIRS, _KNOWN = ("agreed", "differed"), ("right", "wrong")


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often somebody said the same as another, or as the known answer."""

    n_compared: int
    share: float | None  # None where too few were compared to say
    low: float  # bounds of its 95 % interval
    high: float


def hours_of(days: Days) -> dict[float, Counter[str]]:
    """Return what was done in each hour, by the moment at which that begins."""
    found: dict[float, Counter[str]] = {}
    for day, counters in days.items():
        for counter, n in counters.items():
            kind, _, rest = counter.partition(":")
            hour, _, action = rest.partition(":")
            if kind == "at" and hour.isdecimal():
                began = start_of(day) + int(hour) * HOUR_SECONDS
                found.setdefault(began, Counter())[action] += n
    return found


def since(hours: Mapping[float, Counter[str]], start: float) -> Counter[str]:
    """Count what was done from a moment on; of the hour that it lies in, where most lies behind it.

    >>> since({0.0: Counter(approve=1), 3600.0: Counter(approve=2, skip=1)}, 3600.0)
    Counter({'approve': 2, 'skip': 1})
    """
    done: Counter[str] = Counter()
    for began, counts in hours.items():
        if began + HOUR_SECONDS / 2 >= start:
            done += counts
    return done


def by_hour(hours: Mapping[float, Counter[str]], start: float, now: float) -> Figure:
    """Count decisions in each hour of a day so far."""
    first = start - start % HOUR_SECONDS
    began = [first + n * HOUR_SECONDS for n in range(int((now - first) // HOUR_SECONDS) + 1)]
    series = [
        Series(action, [float(hours.get(hour, Counter())[action]) for hour in began])
        for action in DECIDED
    ]
    return Figure(
        "my_hours", "hour", "count", [iso_time(hour, "minutes") for hour in began], series
    )


def by_day(days: Days) -> Figure:
    """Count decisions on each of the last days."""
    series = [
        Series(action, [float(counters.get(f"by:{action}", 0)) for counters in days.values()])
        for action in DECIDED
    ]
    return Figure("my_days", "day", "count", [f"{day}T00:00+00:00" for day in days], series)


def final(days: Days, now: float, undo_seconds: float) -> Days:
    """Return the days on which nothing can be undone any more.

    Agreement is told of these alone: a figure that moves with a decision would tell that it was
    one that is compared, and how it compares.
    """
    return {
        day: counters
        for day, counters in days.items()
        if start_of(day) + DAY_SECONDS + undo_seconds <= now
    }


def with_colleagues(days: Days) -> Agreement:
    """Compare a moderator with whoever judged the same comments without knowing of them."""
    n_same, n_other = (sum(one.get(how, 0) for one in days.values()) for how in _PAIRS)
    return _agreement(n_same, n_same + n_other)


def with_known_answers(days: Days) -> Agreement:
    """Compare a moderator's answers with the known ones."""
    n_right, n_wrong = (sum(one.get(how, 0) for one in days.values()) for how in _KNOWN)
    return _agreement(n_right, n_right + n_wrong)


def _agreement(n_same: int, n: int) -> Agreement:
    if n < MIN_COMPARED:
        return Agreement(n, None, 0.0, 1.0)
    return Agreement(n, n_same / n, *statistics.share_interval(n_same, n))
