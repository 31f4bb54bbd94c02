"""Daily counts of verdicts and scores, per site, and no text.

In a hash per site and day, ``{hakam:<site>}:verdicts:<YYYY-MM-DD>``, kept `KEPT_DAYS`::

    action:<approve|review|reject>   comments
    score:<label>:<bin>              comments whose score lies in [bin/20, (bin+1)/20); of the text
                                     and the display name the higher one
    language:<code>                  comments by what their text is written in: a script (ISO 15924)
                                     or the tag of a language that the classifier does not know
    near:<step>                      comments that nobody need see, by how far the nearest label is
                                     below its threshold (see `service.rules.uncertainty`)

and, of at most `MAX_TEXTS` comments between two writes, what their texts are made of::

    texts                            comments that were looked at
    dialect:<name>                   of these; `none` where the text does not say
    words:<known|unknown>            words that the word scorer knows as a whole, or does not

No answer waits for a count: they gather in memory and are written after an answer has gone out, at
most every `FLUSH_SECONDS`. What a killed worker had gathered is lost.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.dialect import dialect_of
from service.errors import StoreUnavailable
from service.reports.insight import N_BINS
from service.rules.times import day_of
from service.store.connect import Redis
from service.store.errors import is_wrong_kind, translating_redis_errors
from service.store.scripts import site_key

KEPT_DAYS = 35
FLUSH_SECONDS = 2.0
RETRY_SECONDS = 10.0
MAX_GATHERED = 100_000  # distinct counters kept while Redis is away
MAX_TEXTS, MAX_LETTERS = 128, 500  # that are looked at between two writes, and of each

Counted = tuple[str, str, str]  # site, day, counter
CountWords = Callable[[Sequence[str]], NDArray[np.int64]]  # `WordScorer.count_words`


class VerdictCounts:
    """The counts of all sites."""

    def __init__(
        self,
        redis: Redis,
        *,
        count_words: CountWords | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis: Any = redis
        self._clock = clock
        self._count_words = count_words
        self._texts: list[tuple[str, str, str]] = []  # site, day, text
        self._lock = threading.Lock()
        self._gathered: Counter[Counted] = Counter()
        self._due_at = float("-inf")

    def count(
        self,
        site_id: str,
        action: str,
        scores: Mapping[str, float],
        author_scores: Mapping[str, float] | None = None,
        near: str | None = None,
        *,
        text: str = "",
        language: str = "",
    ) -> None:
        """Count one comment, in memory; `near` is the counter of how far it is from a flag."""
        day = day_of(self._clock())
        higher = {
            label: max(score, (author_scores or {}).get(label, 0.0))
            for label, score in scores.items()
        }
        with self._lock:
            if len(self._gathered) < MAX_GATHERED:
                self._gathered[site_id, day, f"action:{action}"] += 1
                if near:
                    self._gathered[site_id, day, near] += 1
                if language:
                    self._gathered[site_id, day, f"language:{language}"] += 1
                for label, score in higher.items():
                    place = min(N_BINS - 1, int(score * N_BINS))
                    self._gathered[site_id, day, f"score:{label}:{place}"] += 1
            if text and len(self._texts) < MAX_TEXTS:
                self._texts.append((site_id, day, text[:MAX_LETTERS]))

    def flush_if_due(self) -> None:
        """Write what was gathered, if there is any and the last write was long enough ago."""
        if self._gathered and self._clock() >= self._due_at:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered; keep it for the next time if Redis does not take it."""
        with self._lock:
            taken, self._gathered = self._gathered, Counter()
            texts, self._texts = self._texts, []
            self._due_at = self._clock() + FLUSH_SECONDS
        taken.update(self._made_of(texts))
        left: Mapping[Counted, int]
        try:
            left = self._write(taken)
        except StoreUnavailable:
            left = taken
        if left:
            with self._lock:
                self._gathered.update(left)
                self._due_at = self._clock() + RETRY_SECONDS

    def _made_of(self, texts: Sequence[tuple[str, str, str]]) -> Counter[Counted]:
        """Count what texts are made of."""
        found: Counter[Counted] = Counter()
        if not self._count_words or not texts:
            return found
        words = self._count_words([text for *_, text in texts]).tolist()
        for (site_id, day, text), (n_words, n_unknown) in zip(texts, words, strict=True):
            found[site_id, day, "texts"] += 1
            found[site_id, day, f"dialect:{dialect_of(text) or 'none'}"] += 1
            found[site_id, day, "words:known"] += n_words - n_unknown
            found[site_id, day, "words:unknown"] += n_unknown
        return +found

    @translating_redis_errors()
    def _write(self, taken: Mapping[Counted, int]) -> Mapping[Counted, int]:
        """Return what Redis refused and could take later, which a key of another kind cannot."""
        with self._redis.pipeline(transaction=False) as pipe:
            for (site_id, day, counter), n in taken.items():
                pipe.hincrby(_key(site_id, day), counter, n)
            for site_id, day in {(site_id, day) for site_id, day, _counter in taken}:
                pipe.expire(_key(site_id, day), KEPT_DAYS * 86400)
            answers = pipe.execute(raise_on_error=False)
        return {
            counted: n
            for (counted, n), answer in zip(taken.items(), answers, strict=False)
            if isinstance(answer, Exception) and not is_wrong_kind(answer)
        }

    @translating_redis_errors()
    def days(self, site_id: str, n_days: int) -> dict[str, dict[str, int]]:
        """Return the counts of the last days, today included, oldest first."""
        now = self._clock()
        days = [day_of(now - back * 86400) for back in reversed(range(n_days))]
        with self._redis.pipeline(transaction=False) as pipe:
            for day in days:
                pipe.hgetall(_key(site_id, day))
            found = pipe.execute()
        return {
            day: {counter: int(n) for counter, n in counts.items() if n.isdecimal() and len(n) < 19}
            for day, counts in zip(days, found, strict=True)
        }


def _key(site_id: str, day: str) -> str:
    return site_key(site_id, f"verdicts:{day}")
