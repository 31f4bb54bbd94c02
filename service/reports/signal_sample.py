"""Sample of signals: what was known of some comments of each day, so that a policy can be tried.

Of each day a site has the signals of at most `PER_DAY` comments, drawn alike whatever was decided
about them (those with the lowest draw of all: a bottom-k sample), in a sorted set by their draw,
``{hakam:<site>}:signals:<YYYY-MM-DD>``, kept `N_DAYS` days. No text, id or name is in it: scores,
kinds of findings, numbers. A policy that is tried on them gives what it would have given on all,
within what chance allows, and on all there were where a day had no more.

No answer waits for it: a comment that is drawn is noted, and looked at and written after the answer
has gone out. What a killed worker had noted is lost.
"""

from __future__ import annotations

import bisect
import contextlib
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.errors import StoreUnavailable
from service.queue.records import Comment
from service.reports.insight import Days
from service.rules.findings import Finding
from service.rules.policy import NEVER_DRAWN, AuthorHistory, Policy, Signals, random_draw
from service.rules.repeats import Seen
from service.rules.times import day_of
from service.sites.site import Site
from service.store.connect import Redis
from service.store.errors import translating_redis_errors
from service.store.scripts import site_key

N_DAYS = 7
PER_DAY = 200
MAX_NOTED = 1_000  # that wait to be written; what comes beyond is left out
AT_ONCE = 100  # that are looked at behind one answer
FLUSH_SECONDS = 2.0
_ACTIONS = ("approve", "review", "reject")

#: Return the signals of comments, with all that the site's own rules did not ask for.
Whole = Callable[[Site, Sequence[tuple[Comment, Signals]]], Sequence[Signals]]


@dataclass(frozen=True, slots=True)
class Tried:
    """What a policy would have made of the comments of the last days."""

    n_comments: int  # that came
    n_looked_at: int  # of these, by which it is told
    n_review: int  # estimates, exact where all were looked at
    n_reject: int


@dataclass(frozen=True, slots=True)
class _Noted:
    """A comment that was drawn."""

    whole: Whole
    site: Site
    comment: Comment
    signals: Signals
    day: str
    draw: float

    @property
    def key(self) -> str:
        return site_key(self.site.id, f"signals:{self.day}")


class SignalSample:
    """The samples of all sites."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis
        self._clock = clock
        self._lock = threading.Lock()
        self._lowest: dict[tuple[str, str], list[float]] = {}  # draws of a site's day, seen here
        self._noted: deque[_Noted] = deque()
        self._due_at = float("-inf")

    def note(self, whole: Whole, site: Site, comment: Comment, signals: Signals) -> None:
        """Note a comment that was judged for the first time, if it is of the sample."""
        draw, day = random_draw(site.id, comment.id, "preview"), day_of(self._clock())
        with self._lock:
            if (site.id, day) not in self._lowest:
                self._lowest = {one: kept for one, kept in self._lowest.items() if one[1] == day}
            lowest = self._lowest.setdefault((site.id, day), [])
            full, at = len(lowest) >= PER_DAY, bisect.bisect_left(lowest, draw)
            if (full and at == PER_DAY) or len(self._noted) >= MAX_NOTED:
                return
            if lowest[at : at + 1] == [draw]:  # it came before
                return
            lowest.insert(at, draw)
            del lowest[PER_DAY:]
            self._noted.append(_Noted(whole, site, comment, signals, day, draw))

    def flush_if_due(self) -> None:
        """Write what was noted, if there is any and the last write was long enough ago."""
        if self._noted and self._clock() >= self._due_at:
            self.flush()

    def flush(self) -> None:
        """Write what was noted; it is dropped where Redis does not take it."""
        with self._lock:
            noted = [self._noted.popleft() for _ in range(min(AT_ONCE, len(self._noted)))]
            self._due_at = self._clock() + FLUSH_SECONDS
        alike: dict[tuple[Whole, int], list[_Noted]] = {}  # so that each site is asked once
        for one in noted:
            alike.setdefault((one.whole, id(one.site)), []).append(one)
        for some in alike.values():
            # A sample that lacks some comments is a sample all the same.
            with contextlib.suppress(StoreUnavailable):
                self._write(some)

    @translating_redis_errors()
    def _write(self, noted: Sequence[_Noted]) -> None:
        """Write what was noted of one site."""
        judged = [(one.comment, one.signals) for one in noted]
        signals = noted[0].whole(noted[0].site, judged)
        with self._redis.pipeline(transaction=False) as pipe:
            for one, found in zip(noted, signals, strict=True):
                record = json.dumps(_record(one.draw, found), separators=(",", ":"))
                pipe.zadd(one.key, {record: one.draw})
            for key in {one.key for one in noted}:
                pipe.zremrangebyrank(key, PER_DAY, -1)
                pipe.expire(key, (N_DAYS + 1) * 86_400)
            pipe.execute(raise_on_error=False)

    @translating_redis_errors()
    def days(self, site_id: str) -> Mapping[str, Sequence[Signals]]:
        """Return the samples of the last days, today included."""
        now = self._clock()
        days = [day_of(now - back * 86_400) for back in reversed(range(N_DAYS))]
        with self._redis.pipeline(transaction=False) as pipe:
            for day in days:
                pipe.zrange(site_key(site_id, f"signals:{day}"), 0, PER_DAY - 1)
            found = pipe.execute()
        return {
            day: [signals for record in records if (signals := _signals(record))]
            for day, records in zip(days, found, strict=True)
        }


def tried(policy: Policy, samples: Mapping[str, Sequence[Signals]], verdicts: Days) -> Tried:
    """Say what a policy would have made of the comments of these days, by their samples."""
    n_comments, said, n_looked_at = 0.0, Counter[str](), 0
    for day, sample in samples.items():
        counts = verdicts.get(day, {})
        n = max(sum(counts.get(f"action:{action}", 0) for action in _ACTIONS), len(sample))
        n_comments, n_looked_at = n_comments + n, n_looked_at + len(sample)
        found = Counter(policy.verdict(signals).action for signals in sample)
        for action, n_found in found.items():
            said[action] += n * n_found / len(sample)  # type: ignore[assignment]
    return Tried(round(n_comments), n_looked_at, round(said["review"]), round(said["reject"]))


def _record(draw: float, signals: Signals) -> dict[str, Any]:
    """Return signals as they are kept: `draw` tells those of two comments apart."""
    record: dict[str, Any] = {
        "draw": round(draw, 12),
        "scores": _rounded(signals.scores),
        "found": sorted({(one.field, one.kind) for one in signals.findings}),
    }
    if signals.author_scores:
        record["name"] = _rounded(signals.author_scores)
    if isinstance(signals.author, AuthorHistory):
        record["author"] = [signals.author.n_decided, signals.author.n_rejected_lately]
    if isinstance(signals.seen, Seen):
        record["seen"] = [signals.seen.n_copies, signals.seen.n_of_author]
    flags = {"readable": signals.readable, "latin": signals.latin, "nameless": signals.nameless}
    return record | flags | ({"listed": signals.listed} if signals.listed else {})


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {label: round(score, 4) for label, score in scores.items()}


def _signals(text: str) -> Signals | None:
    """Return the signals of a record; None where it is damaged."""
    try:
        record = json.loads(text)
        return Signals(
            record["scores"],
            record.get("name"),
            readable=record["readable"],
            findings=[Finding(field, kind, 0, 0) for field, kind in record["found"]],
            listed=record.get("listed"),
            author=AuthorHistory(*record["author"]) if "author" in record else None,
            seen=Seen("", *record["seen"]) if "seen" in record else None,
            draw=NEVER_DRAWN,
            latin=record["latin"],
            nameless=record["nameless"],
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
