"""Shadow figures: how the verdicts of a second artefact compare with those of the one in use.

Counts by day in a hash per site, ``{hakam:<site>}:shadow:<YYYY-MM-DD>``, for each pair of versions
(that of the one in use, a blank, that of the shadow)::

    <pair>:action:<in use>:<shadow>             comments by both actions
    <pair>:flag:<label>:<in_use|shadow|both>    comments for which either flags the label
    <pair>:left_out                             comments for which there was no time

and the latest comments that a person was to see and about which the two differ, so that their
decisions can say who was right, in a sorted set by time, ``{hakam:<site>}:shadow_differences``::

    <pair> <in use> <shadow> <item id> <version of the comment>

No text is in either. The random sample has no part in these verdicts, nor what was decided before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from models.schema import LABELS
from service.errors import StoreUnavailable
from service.queue.records import Enqueued
from service.reports.daily_counts import KEPT_DAYS, DailyCounts
from service.reports.insight import Days
from service.reports.statistics import share_interval
from service.rules.policy import NEVER_DRAWN, Action, Policy, Signals
from service.store.errors import translating_redis_errors
from service.store.scripts import site_key

ACTIONS: tuple[Action, ...] = ("approve", "review", "reject")
MAX_DIFFERENCES = 1_000  # of a site, that are kept
_PARTS = 6  # of a difference


@dataclass(frozen=True, slots=True)
class Side:
    """What one artefact says of a comment."""

    version: str
    action: Action
    flagged: frozenset[str]  # labels

    @classmethod
    def of(cls, policy: Policy, signals: Signals) -> Side:
        """Judge by the site's policy, as if the comment had never come and were never drawn."""
        fields = (signals.scores, signals.author_scores or {})
        return cls(
            policy.model_version,
            policy.verdict(replace(signals, draw=NEVER_DRAWN, chosen=False, standing=None)).action,
            frozenset(one for one in LABELS if any(policy.flags(one, scores) for scores in fields)),
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """A comment before a person about which the two differ."""

    in_use: Action
    shadow: Action
    item_id: str
    version: int  # of the comment


class ShadowCounts(DailyCounts):
    """The counts and differences of all sites."""

    name = "shadow"

    def compare(self, site_id: str, in_use: Side, shadow: Side) -> None:
        """Count a comment that both have judged, in memory."""
        counters = [f"action:{in_use.action}:{shadow.action}"]
        for label in in_use.flagged | shadow.flagged:
            both = label in in_use.flagged and label in shadow.flagged
            who = "both" if both else "in_use" if label in in_use.flagged else "shadow"
            counters.append(f"flag:{label}:{who}")
        pair = _pair(in_use.version, shadow.version)
        self.gather(site_id, [f"{pair}:{counter}" for counter in counters])

    def leave_out(self, site_id: str, in_use: str, shadow: str, n: int = 1) -> None:
        """Count comments that the shadow has not judged, in memory."""
        self.gather(site_id, [f"{_pair(in_use, shadow)}:left_out"] * n)

    def remember(self, site_id: str, in_use: Side, shadow: Side, item: Enqueued) -> None:
        """Keep a difference, so that what a person decides about it can be found."""
        pair = _pair(in_use.version, shadow.version)
        member = f"{pair} {in_use.action} {shadow.action} {item.item_id} {item.version}"
        with suppress(StoreUnavailable):
            self._remember(site_key(site_id, "shadow_differences"), member)

    @translating_redis_errors()
    def _remember(self, key: str, member: str) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.zadd(key, {member: self._clock()})
            pipe.zremrangebyrank(key, 0, -MAX_DIFFERENCES - 1)
            pipe.expire(key, KEPT_DAYS * 86400)
            pipe.execute()

    @translating_redis_errors()
    def differences(self, site_id: str, in_use: str, shadow: str) -> list[Difference]:
        """Return the differences of two versions that are kept."""
        found: list[str] = self._redis.zrange(site_key(site_id, "shadow_differences"), 0, -1)
        differences = []
        for parts in (member.split(" ") for member in found):
            if parts[:2] == [in_use, shadow] and len(parts) == _PARTS and parts[5].isdecimal():
                one, other = (next((a for a in ACTIONS if a == part), None) for part in parts[2:4])
                if one and other:
                    differences.append(Difference(one, other, parts[4], int(parts[5][:9])))
        return differences


@dataclass(frozen=True, slots=True)
class Flagged:
    """For how many comments either flags a label."""

    label: str
    in_use: int
    shadow: int
    both: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What people decided where the two differ in one way."""

    in_use: Action
    shadow: Action
    n: int  # comments that differ so
    n_decided: int  # of the latest, those that people decided
    n_rejected: int

    @property
    def n_shadow_right(self) -> int:
        """Of those that were decided, those in which the shadow was nearer to the decision."""
        stricter = ACTIONS.index(self.shadow) > ACTIONS.index(self.in_use)
        return self.n_rejected if stricter else self.n_decided - self.n_rejected

    @property
    def shadow_right(self) -> tuple[float, float]:
        """The 95 % interval of the share of those."""
        return share_interval(self.n_shadow_right, self.n_decided)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that is known of two versions on one site."""

    in_use: str
    shadow: str
    actions: Mapping[tuple[Action, Action], int] = field(default_factory=dict)
    flagged: Sequence[Flagged] = ()
    judged: Sequence[Judged] = ()
    n_left_out: int = 0

    @property
    def n(self) -> int:
        """Comments that both judged."""
        return sum(self.actions.values())

    @property
    def n_alike(self) -> int:
        """Comments of which both say the same."""
        return sum(n for (one, other), n in self.actions.items() if one == other)

    def n_by(self, action: Action) -> tuple[int, int]:
        """Comments for which the one in use, and the shadow, takes an action."""
        pairs = self.actions.items()
        return (
            sum(n for (one, _), n in pairs if one == action),
            sum(n for (_, other), n in pairs if other == action),
        )


def comparison(
    in_use: str, shadow: str, days: Days, decided: Iterable[tuple[Difference, str]]
) -> Comparison:
    """Compare two versions by their counts, and by what people decided where they differ.

    A difference comes with the action that stands about it, which is empty where there is none.
    """
    start = f"{_pair(in_use, shadow)}:"
    counts: Counter[str] = Counter()
    for counters in days.values():
        for counter, n in counters.items():
            if counter.startswith(start):
                counts[counter.removeprefix(start)] += n
    actions = {
        (one, other): n
        for one in ACTIONS
        for other in ACTIONS
        if (n := counts[f"action:{one}:{other}"])
    }
    flagged = []
    for label in LABELS:
        n_alone, n_other, n_both = (
            counts[f"flag:{label}:{who}"] for who in ("in_use", "shadow", "both")
        )
        if n_alone or n_other or n_both:
            flagged.append(Flagged(label, n_alone + n_both, n_other + n_both, n_both))
    said = Counter((one.in_use, one.shadow, action) for one, action in decided)
    judged = []
    for (one, other), n in actions.items():
        if one != other:
            n_rejected = said[one, other, "reject"]
            n_decided = n_rejected + said[one, other, "approve"]
            judged.append(Judged(one, other, n, n_decided, n_rejected))
    return Comparison(in_use, shadow, actions, flagged, judged, counts["left_out"])


def _pair(in_use: str, shadow: str) -> str:
    return f"{in_use} {shadow}"
