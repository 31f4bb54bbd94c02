"""What the decisions say about the desk and the machine: figures, and nothing else.

Secret: how each figure is counted. Every figure is a :class:`Figure`, a table of a first column and
one or more series, from which the page draws its picture and writes its CSV. Everything here is
pure: decisions and tallies in, figures out.

What is counted on decisions holds for what people saw, the flagged comments; what holds for all
comments is counted by :mod:`service.reports.verdict_counts`.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean as mean
from typing import Literal

from models.schema import LABELS
from service.queue.records import Decision
from service.reports import statistics

Unit = Literal["count", "share", "seconds", "kappa"]

MIN_PAIRS = 5  # fewer comments that two people judged say nothing about their agreement


@dataclass(frozen=True, slots=True)
class Series:
    """One column of a figure: its code and a value for every row, ``None`` where there is none."""

    code: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Figure:
    """A table that can be drawn.

    Attributes
    ----------
    code : str
        Names the figure; its title is the console's business.
    rows : sequence of str
        What the first column says: a moment (ISO 8601), a label, a pair of people.
    kind : {"hour", "day", "label", "people", "bin"}
        What the rows are.
    unit : {"count", "share", "seconds", "kappa"}
    target : float or None
        A line to be compared with, in the unit.
    """

    code: str
    kind: Literal["hour", "day", "label", "people", "bin"]
    unit: Unit
    rows: Sequence[str]
    series: Sequence[Series]
    target: float | None = None

    @property
    def empty(self) -> bool:
        """Return whether there is nothing to draw."""
        return not any(v is not None for series in self.series for v in series.values)


def judged(decisions: Iterable[Decision]) -> list[Decision]:
    """Keep what people finally decided and what stands."""
    return [d for d in decisions if d.kind == "decision" and d.stands and d.source == "moderator"]


def decisions_per_hour(
    decisions: Iterable[Decision], *, until: float, n_hours: int = 24, whole_since: float = 0.0
) -> Figure:
    """Count approvals and rejections in each of the last hours.

    Parameters
    ----------
    until : float
        Seconds since the epoch; the last hour is the one that holds it.
    whole_since : float
        From when on no decision is missing; an hour that began before has no count.
    """
    last = int(until // 3600)
    hours = range(last - n_hours + 1, last + 1)
    counts = Counter((d.action, int(d.decided_at // 3600)) for d in judged(decisions))
    return Figure(
        "decisions_per_hour",
        "hour",
        "count",
        [_iso(hour * 3600) for hour in hours],
        [
            Series(
                action,
                [float(counts[action, h]) if h * 3600 >= whole_since else None for h in hours],
            )
            for action in ("approve", "reject")
        ],
    )


def time_to_decision(
    decisions: Iterable[Decision],
    *,
    until: float,
    target_seconds: float,
    n_days: int = 14,
    whole_since: float = 0.0,
) -> Figure:
    """Give the median and the 90th percentile of the time to decision, day by day.

    A day that began before `whole_since` has neither, because decisions of it may be missing.
    """
    last = int(until // 86400)
    days = range(last - n_days + 1, last + 1)
    waited: dict[int, list[float]] = defaultdict(list)
    for d in judged(decisions):
        day = int(d.decided_at // 86400)
        if day * 86400 >= whole_since:
            waited[day].append(d.decided_at - d.enqueued_at)
    return Figure(
        "time_to_decision",
        "day",
        "seconds",
        [_iso(day * 86400) for day in days],
        [
            Series("median", [statistics.quantile(waited[d], 0.5) for d in days]),
            Series("p90", [statistics.quantile(waited[d], 0.9) for d in days]),
        ],
        target=target_seconds,
    )


def agreement(decisions: Iterable[Decision]) -> Figure:
    """Give Cohen's kappa of every two people who judged the same comments.

    Which comments count is said in :mod:`service.reports.statistics`.
    """
    found = statistics.agreement(decisions, about=["action"])
    enough = [pair for pair in found if pair.n_items >= MIN_PAIRS]
    return Figure(
        "agreement",
        "people",
        "kappa",
        [" \N{EN DASH} ".join(pair.moderators) for pair in enough],
        [
            Series("kappa", [pair.kappa for pair in enough]),
            Series("n", [float(pair.n_items) for pair in enough]),
        ],
    )


def known_answers(decisions: Iterable[Decision]) -> Figure:
    """Give the share of the known answers that each person gave too, and of how many."""
    found = statistics.agreement_with_known_answers(decisions)
    return Figure(
        "known_answers",
        "people",
        "share",
        [one.moderators[0] for one in found],
        [
            Series("right", [one.share for one in found]),
            Series("n", [float(one.n_items) for one in found]),
        ],
    )


def precision_by_label(decisions: Iterable[Decision]) -> Figure:
    """Give the share of the comments flagged with each label that people rejected, and how many."""
    flagged: dict[str, list[bool]] = defaultdict(list)
    for d in judged(decisions):
        if d.verdict is not None and d.verdict.reason == "score" and d.verdict.label:
            flagged[d.verdict.label].append(d.action == "reject")
    by_label = {label: flagged[label] for label in LABELS if flagged[label]}
    return Figure(
        "precision_by_label",
        "label",
        "share",
        list(by_label),
        [
            Series("rejected", [mean(rejected) for rejected in by_label.values()]),
            Series("n", [float(len(rejected)) for rejected in by_label.values()]),
        ],
    )


def decided_by_machine(tallies: Mapping[str, Mapping[str, int]]) -> Figure:
    """Give the share of each day's comments that no person had to look at.

    Parameters
    ----------
    tallies : mapping
        Day (``2026-01-31``) -> what happened (``action:approve`` ...) -> count.
    """
    days = sorted(tallies)
    counts = [{a: tallies[d].get(f"action:{a}", 0) for a in _ACTIONS} for d in days]
    return Figure(
        "decided_by_machine",
        "day",
        "share",
        days,
        [
            Series(
                "machine",
                [1 - c["review"] / sum(c.values()) if sum(c.values()) else None for c in counts],
            ),
            Series("n", [float(sum(c.values())) for c in counts]),
        ],
    )


def drift(tallies: Mapping[str, Mapping[str, int]], label: str) -> Figure:
    """Compare how one label's scores lie this week and the week before.

    Parameters
    ----------
    tallies : mapping
        The last fourteen days, as for `decided_by_machine`; ``score:<label>:<bin>`` counts the
        scores from bin/`N_BINS` on.
    """
    days = sorted(tallies)
    weeks = [_shares(tallies, days[-7:], label), _shares(tallies, days[-14:-7], label)]
    return Figure(
        f"drift:{label}",
        "bin",
        "share",
        [f"{n / N_BINS:.2f}" for n in range(N_BINS)],
        [Series("this_week", weeks[0]), Series("last_week", weeks[1])],
    )


N_BINS = 20
_ACTIONS = ("approve", "review", "reject")


def _shares(
    tallies: Mapping[str, Mapping[str, int]], days: Sequence[str], label: str
) -> list[float | None]:
    counts = [sum(tallies[d].get(f"score:{label}:{n}", 0) for d in days) for n in range(N_BINS)]
    total = sum(counts)
    return [count / total if total else None for count in counts]


def stability(figure: Figure) -> float | None:
    """Return the population stability index of a drift figure; above 0.2 the scores have moved.

    ``None`` when one of the two weeks is empty. Bins without a comment count half of one in ten
    thousand, so that the logarithm exists.

    Source: Siddiqi, Credit Risk Scorecards (2006), chapter 9: below 0.1 stable, above 0.25 not.
    """
    now, before = (series.values for series in figure.series)
    if all(v is None for v in now) or all(v is None for v in before):
        return None
    floor = 0.00005
    pairs = [(max(a or 0.0, floor), max(b or 0.0, floor)) for a, b in zip(now, before, strict=True)]
    return sum((a - b) * math.log(a / b) for a, b in pairs)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a threshold would have meant for the last week.

    Attributes
    ----------
    n_comments, n_flagged : int
        All comments of the week, and those with a score at or above the threshold.
    rejected : float or None
        Of those that people decided, the share that they rejected; ``None`` if they saw none.
    n_decided : int
    whole_since : float
        Of the decisions only those since this moment were looked at; 0.0 when at all of the week.
    """

    n_comments: int
    n_flagged: int
    rejected: float | None
    n_decided: int
    whole_since: float = 0.0


def preview(
    tallies: Mapping[str, Mapping[str, int]],
    decisions: Iterable[Decision],
    label: str,
    threshold: float,
) -> Preview:
    """Say what a review threshold would have meant for the days of the tallies.

    A threshold is read to the bin it lies in, 1/`N_BINS` wide.
    """
    n_comments = sum(day.get(f"action:{a}", 0) for day in tallies.values() for a in _ACTIONS)
    first = min(N_BINS, round(threshold * N_BINS))
    n_flagged = sum(
        day.get(f"score:{label}:{n}", 0) for day in tallies.values() for n in range(first, N_BINS)
    )
    seen = [
        d.action == "reject"
        for d in judged(decisions)
        if d.verdict is not None and d.verdict.label == label and d.verdict.score >= threshold
    ]
    return Preview(n_comments, n_flagged, mean(seen) if seen else None, len(seen))


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="minutes")
