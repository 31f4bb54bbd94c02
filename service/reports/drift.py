"""Drift: whether comments are still what they were, and how well the model does on them.

Pure, from counts by day. How far this week has moved from the weeks before is told by the
population stability index, sum of (a - b) ln(a / b) over the shares a and b of each category: below
0.1 steady, above 0.25 not (N. Siddiqi, Credit Risk Scorecards, 2006, chapter 9). Few comments make
it large by chance alone: between samples of n and m from one population it is about chi-squared,
with one degree of freedom less than there are categories, times 1/n + 1/m (B. Yurdakul,
"Statistical properties of population stability index", 2018).

Precision is that of what the score put before people. Recall comes from the random sample: each
comment of it stands for as many as the probability with which it was drawn says. What people saw
because the model hesitates was chosen, not drawn, and is counted in neither.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.dialect import DIALECTS
from models.schema import LABELS
from service.reports.insight import N_BINS, Days, Figure, Series
from service.reports.statistics import share_interval

N_DAYS, N_RECENT = 35, 7  # that are compared, and of these the last, which may have moved
WORTH_A_LOOK = 0.1
FLOOR = 0.5  # as so many comments a category counts that does not occur: its logarithm must exist
BY_CHANCE = 0.001  # how rarely chance alone may reach what counts as moved

# What is compared, beside the scores of each label, by the counter of its categories.
MIXES = ("language", "dialect", "words")


@dataclass(frozen=True, slots=True)
class Shift:
    """How far this week has moved from the weeks before."""

    about: str  # ``score:<label>`` or one of `MIXES`
    index: float | None  # population stability index; None where one of both is empty
    by_chance: float  # an index that chance alone exceeds once in a thousand times
    n_recent: int  # comments
    n_before: int

    def is_beyond(self, limit: float) -> bool:
        """Whether it has moved so far, and not by chance; never where the limit is 0."""
        return bool(limit) and self.index is not None and self.index >= max(limit, self.by_chance)


def shifts(verdicts: Days) -> list[Shift]:
    """Compare this week with the weeks before: each label's scores, languages, dialects, words."""
    recent, before = _split(verdicts)
    labels = [label for label in LABELS if any(key.startswith(f"score:{label}:") for key in recent)]
    return [
        *(_shift(f"score:{label}", recent, before) for label in labels),
        *(_shift(mix, recent, before) for mix in MIXES),
    ]


def stability_index(recent: Mapping[str, int], before: Mapping[str, int]) -> float | None:
    """Return the population stability index of two counts by category; None where one is empty.

    >>> stability_index({"a": 1, "b": 3}, {"a": 2, "b": 6}), stability_index({"a": 1}, {})
    (0.0, None)
    """
    n_recent, n_before = sum(recent.values()), sum(before.values())
    if not n_recent or not n_before:
        return None
    pairs = [
        (max(recent.get(one, 0), FLOOR) / n_recent, max(before.get(one, 0), FLOOR) / n_before)
        for one in sorted({*recent, *before})
    ]
    return sum((a - b) * math.log(a / b) for a, b in pairs)


def _shift(about: str, recent: Mapping[str, int], before: Mapping[str, int]) -> Shift:
    from scipy.stats import chi2

    now, then = _categories(recent, about), _categories(before, about)
    # Words of one comment go together, so it is comments that chance draws.
    counted = {"words": "read", "dialect": "texts"}.get(about, "")
    n_recent, n_before = (
        counts.get(counted, 0) if counted else sum(kinds.values())
        for counts, kinds in ((recent, now), (before, then))
    )
    free = len({*now, *then}) - 1
    by_chance = 0.0
    if free > 0 and n_recent and n_before:
        by_chance = float(chi2.isf(BY_CHANCE, free)) * (1 / n_recent + 1 / n_before)
    return Shift(about, stability_index(now, then), by_chance, n_recent, n_before)


def _split(verdicts: Days) -> tuple[Counter[str], Counter[str]]:
    """Add up the counts of the last days, and of those before."""
    days = sorted(verdicts)
    recent, before = Counter[str](), Counter[str]()
    for day in days[-N_RECENT:]:
        recent.update(verdicts[day])
    for day in days[-N_DAYS:-N_RECENT]:
        before.update(verdicts[day])
    return recent, before


def _categories(counts: Mapping[str, int], about: str) -> dict[str, int]:
    opening = f"{about}:"
    return {
        name.removeprefix(opening): n for name, n in counts.items() if name.startswith(opening) if n
    }


# Figures


def scores(verdicts: Days, label: str) -> Figure:
    """Compare how one label's scores lie this week and in the weeks before."""
    rows = [f"{n / N_BINS:.2f}" for n in range(N_BINS)]
    kinds = [str(n) for n in range(N_BINS)]
    series = _compared(verdicts, f"score:{label}", kinds)
    return Figure(f"drift:{label}", "bin", "share", rows, series)


def languages(verdicts: Days) -> Figure:
    """Compare in what comments were written this week and in the weeks before, most first."""
    recent, before = _split(verdicts)
    found = Counter(_categories(recent, "language")) + Counter(_categories(before, "language"))
    rows = [code for code, _ in found.most_common()]
    return Figure("languages", "language", "share", rows, _compared(verdicts, "language", rows))


def dialects(verdicts: Days) -> Figure:
    """Compare the dialects of this week and of the weeks before."""
    rows = [*DIALECTS, "none"]
    return Figure("dialects", "dialect", "share", rows, _compared(verdicts, "dialect", rows))


def unknown_words(verdicts: Days) -> Figure:
    """Give for each day the share of words that the model does not know."""
    days = sorted(verdicts)
    kinds = [_categories(verdicts[day], "words") for day in days]
    totals = [sum(one.values()) for one in kinds]
    shares = [
        one.get("unknown", 0) / n if n else None for one, n in zip(kinds, totals, strict=True)
    ]
    rows = [f"{day}T00:00+00:00" for day in days]
    counts = Series("n_words", [float(n) for n in totals])
    return Figure("unknown_words", "day", "share", rows, [Series("unknown", shares), counts])


def _compared(verdicts: Days, about: str, kinds: Sequence[str]) -> list[Series]:
    series = []
    for code, counts in zip(("this_week", "weeks_before"), _split(verdicts), strict=True):
        found = _categories(counts, about)
        total = sum(found.values())
        series.append(Series(code, [found.get(k, 0) / total if total else None for k in kinds]))
    return series


# How well the model does


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its 95 % confidence interval."""

    share: float | None  # [0, 1]; None where nothing is known
    low: float
    high: float
    n: int  # comments that people decided, from which it comes


def precision(days: Days) -> Estimate:
    """Estimate which share of what is flagged, by score, people reject for what a label means."""
    said = _flagged(days)
    n = said.total()
    return Estimate(said["reject"] / n if n else None, *share_interval(said["reject"], n), n)


def recall(days: Days) -> Estimate:
    """Estimate which share of the comments that deserve it is flagged by score.

    What is missed is estimated from the random sample; the interval is that of the share of the
    sample that people rejected (of several shares of the sample, at its effective size; L. Kish,
    Survey Sampling, 1965), beside which what was found counts as known.
    """
    found, missed, seen = float(_flagged(days)["reject"]), 0.0, 0
    weights = squares = hits = 0.0
    for why, probability, said, n in _seen(days):
        if why == "random_sample":
            seen += n
            weights += n / probability
            squares += n / probability**2
            hits += n / probability if said == "reject" else 0.0
        elif why == "rejected" and said == "reject":
            found += n / probability
        elif why not in ("rejected", "uncertain", "reported") and said == "reject":
            missed += n  # of which people saw all
    if not seen or not found + missed + hits:
        return Estimate(None, 0.0, 1.0, seen)
    size = max(1, round(weights**2 / squares))
    low, high = share_interval(round(size * hits / weights), size)
    return Estimate(
        found / (found + missed + hits),
        found / (found + missed + high * weights),
        found / (found + missed + low * weights) if found else 0.0,
        seen,
    )


def quality(days: Days) -> Figure:
    """Give precision and recall with their intervals."""
    found = [precision(days), recall(days)]
    series = [
        Series("share", [one.share for one in found]),
        Series("low", [None if one.share is None else one.low for one in found]),
        Series("high", [None if one.share is None else one.high for one in found]),
        Series("n", [float(one.n) for one in found]),
    ]
    return Figure("quality", "measure", "share", ["precision", "recall"], series)


def _flagged(days: Days) -> Counter[str]:
    """Count what people said of comments that their score put before them."""
    said: Counter[str] = Counter()
    for counters in days.values():
        for counter, n in counters.items():
            if counter.startswith("score:"):
                said[counter.rpartition(":")[2]] += n
    return said


def _seen(days: Days) -> list[tuple[str, float, str, int]]:
    """List why comments were seen, with what probability, what was said of them, and how many."""
    found: Counter[tuple[str, ...]] = Counter()
    for counters in days.values():
        for counter, n in counters.items():
            parts = counter.split(":")
            if parts[0] == "seen" and len(parts) == 4:
                found[tuple(parts[1:])] += n
    listed = [(why, _probability(p), said, n) for (why, p, said), n in found.items()]
    return [one for one in listed if 0 < one[1] <= 1]


def _probability(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
