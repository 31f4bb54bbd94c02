"""Priority of review items: how long before its time target each is due; pure.

An item is due ``time target * (1 - head start)`` after it arrived, and the earliest due goes first.
The head start lies in [0, 1], so what has waited for a time target goes before all that comes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from service.rules.policy import Verdict

# A decision needs a severity first and an audience second: a threat nobody reads still goes before
# a mild word on the front page.
SEVERITY_SHARE = 0.75
# An appeal is a promise to its author, so it never waits longer than half the time target.
APPEAL_HEAD_START = 0.5
# Whoever may ask for more asks for a queue without an order.
MAX_TIME_TARGET_SECONDS = 365 * 86_400
# A comment with a million readers gets the whole bonus of reach; each factor of ten counts alike.
REACH_DECADES = 6


def head_start(severity: float, reach: int | None) -> float:
    """Share of the time target by which an item is due early, [0, 1].

    >>> head_start(0.0, None), head_start(1.0, 999_999), head_start(1.0, None)
    (0.0, 1.0, 0.75)
    """
    bonus = min(1.0, math.log10(1 + max(0, reach or 0)) / REACH_DECADES)
    return SEVERITY_SHARE * severity + (1 - SEVERITY_SHARE) * bonus


def severity(verdict: Verdict, scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Highest score, text or name, weighted by the site (1 where it gives no weight); at most 1."""
    weighted = [score * weights.get(label, 1.0) for label, score in scores.items()]
    if verdict.label is not None:
        weighted.append(verdict.score * weights.get(verdict.label, 1.0))
    return min(1.0, max(weighted, default=0.0))


def slack_ms(time_target_seconds: float, start: float) -> int:
    """Milliseconds from the arrival of an item with a head start until it is due."""
    # A whole number: Lua writes one of more than 14 digits in powers of ten.
    return int(min(time_target_seconds, MAX_TIME_TARGET_SECONDS) * 1000 * (1 - start))
