"""Uncertainty sampling: which comments the model hesitates about most; pure.

How far a comment is from being flagged is told in steps of log-odds below the review threshold of
the nearest label. From how comments lay on past days follows up to which distance a day has as many
as the site's people have time for. What is chosen tells nothing of all comments, so it is no part
of the random sample and takes nothing from it.

Source: D. D. Lewis and W. A. Gale, "A sequential algorithm for training text classifiers", SIGIR
1994; copies of what was chosen, which are not chosen again, are known by `service.rules.min_hash`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

from models.normalize import normalize
from service.rules.min_hash import min_hash
from service.rules.times import start_of

STEP = 0.1  # of log-odds
N_STEPS = 40  # a comment that is farther from being flagged is of no interest
COUNTER = "near"  # of comments that no person would see, by their step
MIN_SECONDS = 3_600.0  # of counting; less says too little of how many comments a day has

N_PARTS = 4  # of a sketch, of which two texts share so many as their pairs of words are the same
MAX_WORDS = 2_000  # of a text, of which its sketch is made


def distance(review: Mapping[str, float], scores: Mapping[str, float], label: str) -> float:
    """Return how far a score is below its label's threshold, in log-odds; infinite where never.

    >>> round(distance({"insult": 0.5}, {"insult": 0.4}, "insult"), 3)
    0.405
    """
    threshold, score = review.get(label, 1.0), scores.get(label, 0.0)
    if not 0 < score < threshold < 1:
        return math.inf
    return _log_odds(threshold) - _log_odds(score)


def counter(away: float) -> str | None:
    """Return the daily counter of a distance, None where it is of no interest."""
    step = int(min(away / STEP, N_STEPS))
    return f"{COUNTER}:{step}" if step < N_STEPS else None


def farthest(days: Mapping[str, Mapping[str, int]], budget: int, now: float) -> float:
    """Return up to which distance a day has as many comments as the budget.

    Of the counts of days up to now; within a step comments are taken to lie evenly. On the first
    day that was counted it is too far, because that day began before the counting did.

    >>> counts = {"2026-01-01": {"near:0": 40, "near:1": 60}}
    >>> round(farthest(counts, 70, 1_767_312_000.0), 3)  # midnight after that day
    0.15
    """
    counted = [day for day, counts in days.items() if counts]
    if not counted or not budget:
        return 0.0
    seconds = now - start_of(min(counted))
    if seconds < MIN_SECONDS:
        return 0.0
    left = budget * seconds / 86_400
    for step in range(N_STEPS):
        n_here = sum(days[day].get(f"{COUNTER}:{step}", 0) for day in counted)
        if n_here > left:
            return (step + left / n_here) * STEP
        left -= n_here
    return N_STEPS * STEP


def sketch(text: str) -> list[str]:
    """Return some parts by which a text with nearly the same words is known again.

    >>> sketch("one two three four") == sketch("ONE, two three: four!")
    True
    """
    words = normalize(text).text.split()[:MAX_WORDS]
    words = [word for word in words if any(map(str.isalnum, word))] or words
    pairs = {f"{one} {other}" for one, other in pairwise(words)} or {" ".join(words)}
    return [f"{place}{part}" for place, part in enumerate(min_hash(pairs, N_PARTS))]


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))
