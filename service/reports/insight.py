"""Insight: the figures of a site's verdicts and decisions, from counts by day; pure."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from models.schema import LABELS
from service.reports import statistics
from service.rules.times import day_of, iso_time

Unit = Literal["count", "share", "seconds", "kappa"]
Kind = Literal["hour", "day", "label", "people", "bin", "language", "dialect", "measure"]  # of rows

#: Day (``2026-01-31``) -> counter -> count; the oldest day first.
Days = Mapping[str, Mapping[str, int]]

N_BINS = 20
BESIDE = ("n", "n_words", "low", "high")  # series that stand in the table, not in the drawing
_ACTIONS = ("approve", "review", "reject")
_DECIDED = ("approve", "reject")
_SAID = (*_DECIDED, "other")  # which is a rejection for a reason that names no label
MIN_PAIRS = 5  # fewer comments that two people judged say nothing about their agreement


@dataclass(frozen=True, slots=True)
class Series:
    """One column of a figure: its code and a value for every row, ``None`` where there is none."""

    code: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Figure:
    """A table that can be drawn."""

    code: str  # the console gives it a title
    kind: Kind
    unit: Unit
    rows: Sequence[str]  # the first column: a moment (ISO 8601), a label, a pair of people
    series: Sequence[Series]
    target: float | None = None  # to compare with, in the unit

    @property
    def drawn(self) -> Sequence[Series]:
        """Return the series that are drawn; the others are counts and bounds of the first."""
        return [series for series in self.series if series.code not in BESIDE]

    @property
    def empty(self) -> bool:
        """Return whether there is nothing to draw."""
        if self.unit == "count":  # as many times nothing is nothing to see
            return not any(v for series in self.drawn for v in series.values)
        return not any(v is not None for series in self.drawn for v in series.values)


def decisions_per_hour(days: Days, *, until: float, n_hours: int = 24) -> Figure:
    """Count approvals and rejections in each of the last hours, the present one included."""
    last = int(until // 3600)
    hours = range(last - n_hours + 1, last + 1)

    def count(action: str, hour: int) -> float:
        return float(days.get(day_of(hour * 3600), {}).get(f"hour:{hour % 24}:{action}", 0))

    rows = [iso_time(hour * 3600, "minutes") for hour in hours]
    series = [Series(action, [count(action, h) for h in hours]) for action in _DECIDED]
    return Figure("decisions_per_hour", "hour", "count", rows, series)


def time_to_decision(days: Days, *, target_seconds: float) -> Figure:
    """Give the median and the 90th percentile of the time to decision by day, from bins of 4 %."""
    waited = [
        {2 ** (int(bin_) / 16): n for (bin_,), n in _counts(day, "wait").items()}
        for day in days.values()
    ]
    rows = [f"{day}T00:00+00:00" for day in days]
    series = [
        Series(code, [statistics.quantile_of_counts(counts, share) for counts in waited])
        for code, share in (("median", 0.5), ("p90", 0.9))
    ]
    return Figure("time_to_decision", "day", "seconds", rows, series, target_seconds)


def agreement(days: Days) -> Figure:
    """Give Cohen's kappa of every two people who judged the same comments."""
    pairs: dict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    for (said, people), n in _counts(_sum(days), "pair", parts=2).items():
        one, other = json.loads(people)
        pairs[one, other][said[0], said[1]] += n
    enough = {people: n for people, n in sorted(pairs.items()) if n.total() >= MIN_PAIRS}
    rows = [" \N{EN DASH} ".join(people) for people in enough]
    kappas = [statistics.kappa(answers) for answers in enough.values()]
    counts = [float(answers.total()) for answers in enough.values()]
    series = [Series("kappa", kappas), Series("n", counts)]
    return Figure("agreement", "people", "kappa", rows, series)


def known_answers(days: Days) -> Figure:
    """Give the share of the known answers that each person gave too, and of how many."""
    counts = _counts(_sum(days), "known", parts=2)
    people = sorted({moderator for (_, moderator), n in counts.items() if n})
    right = {one: counts.get(("right", one), 0) for one in people}
    n_answers = {one: right[one] + counts.get(("wrong", one), 0) for one in people}
    return _shares_of("known_answers", "people", "right", right, n_answers)


def precision_by_label(days: Days) -> Figure:
    """Give the share of the comments flagged with each label that people rejected, and how many.

    With the bounds of its 95 % interval.
    """
    flagged, rejected = Counter[str](), Counter[str]()
    for (label, _bin, action), n in _counts(_sum(days), "score", parts=3).items():
        flagged[label] += n
        rejected[label] += n if action == "reject" else 0
    seen = [label for label in LABELS if flagged[label]]
    whole = {label: flagged[label] for label in seen}
    figure = _shares_of("precision_by_label", "label", "rejected", rejected, whole)
    bounds = [statistics.share_interval(rejected[label], flagged[label]) for label in seen]
    low, high = ([one[end] for one in bounds] for end in (0, 1))
    shares, counts = figure.series
    return replace(figure, series=[shares, Series("low", low), Series("high", high), counts])


def _shares_of(
    code: str, kind: Kind, series: str, part: Mapping[str, int], whole: Mapping[str, int]
) -> Figure:
    shares = [part[row] / n if n else None for row, n in whole.items()]
    counts = [float(n) for n in whole.values()]
    return Figure(code, kind, "share", list(whole), [Series(series, shares), Series("n", counts)])


def _sum(days: Days) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    for counters in days.values():
        total.update(counters)
    return total


def _counts(
    counters: Mapping[str, int], name: str, *, parts: int = 1
) -> dict[tuple[str, ...], int]:
    """Return the counters of one name by what follows it."""
    return {
        tuple(rest.split(":", parts - 1)): n
        for counter, n in counters.items()
        if (rest := counter.removeprefix(f"{name}:")) != counter
    }


def decided_by_machine(verdicts: Days) -> Figure:
    """Give the share of each day's comments that no person had to look at."""
    n_comments = {
        day: sum(verdicts[day].get(f"action:{a}", 0) for a in _ACTIONS) for day in sorted(verdicts)
    }
    n_alone = {day: n - verdicts[day].get("action:review", 0) for day, n in n_comments.items()}
    return _shares_of("decided_by_machine", "day", "machine", n_alone, n_comments)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a threshold would have meant for the last week."""

    n_comments: int
    n_flagged: int  # comments with a score at or above the threshold
    rejected: float | None  # share of those that people decided; None if they saw none
    n_decided: int


def preview(verdicts: Days, days: Days, label: str, threshold: float) -> Preview:
    """Say what a review threshold, read to its bin, would have meant for the days of the counts."""
    n_comments = sum(day.get("scored", 0) for day in verdicts.values())
    bins = range(min(N_BINS, round(threshold * N_BINS)), N_BINS)
    n_flagged = sum(day.get(f"score:{label}:{n}", 0) for day in verdicts.values() for n in bins)
    decided = {
        action: sum(
            day.get(f"{why}:{label}:{n}:{action}", 0)
            for day in days.values()
            for n in bins
            for why in ("score", "other")
        )
        for action in _SAID
    }
    n_decided = sum(decided.values())
    rejected = decided["reject"] / n_decided if n_decided else None
    return Preview(n_comments, n_flagged, rejected, n_decided)
