"""Shift: what one moderator did, and how far they agree with others, from counts by day; pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from service.reports import statistics
from service.reports.insight import Days, Figure, Series
from service.rules.times import iso_time, start_of

ACTIONS = ("approve", "reject", "skip", "escalate")
DECIDED = ("approve", "reject")
MIN_COMPARED = 10  # fewer comments say nothing about somebody's agreement
HOUR_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often somebody said the same as another, or as the known answer."""

    n_compared: int
    share: float | None  # None where too few were compared to say
    low: float  # bounds of its 95 % interval
    high: float


def hours_of(days: Days, moderator: str) -> dict[float, Counter[str]]:
    """Return what a moderator did in each hour, by the moment at which that begins."""
    found: dict[float, Counter[str]] = {}
    for day, counters in days.items():
        for counter, n in counters.items():
            if counter.startswith("at:"):
                hour, _, what = counter.removeprefix("at:").partition(":")
                whose, _, action = what.rpartition(":")
                if whose == moderator and hour.isdecimal():
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


def with_colleagues(days: Days, moderator: str) -> Agreement:
    """Compare a moderator with whoever judged the same comments without knowing of them."""
    n, n_same = 0, 0
    for counters in days.values():
        for counter, count in counters.items():
            if counter.startswith("pair:"):
                _, said, people = counter.split(":", 2)
                if moderator in json.loads(people):
                    n, n_same = n + count, n_same + count * (said[0] == said[1])
    return _agreement(n_same, n)


def with_known_answers(days: Days, moderator: str) -> Agreement:
    """Compare a moderator's answers with the known ones."""
    right, wrong = (
        sum(counters.get(f"known:{how}:{moderator}", 0) for counters in days.values())
        for how in ("right", "wrong")
    )
    return _agreement(right, right + wrong)


def _agreement(n_same: int, n: int) -> Agreement:
    if n < MIN_COMPARED:
        return Agreement(n, None, 0.0, 1.0)
    return Agreement(n, n_same / n, *statistics.share_interval(n_same, n))
