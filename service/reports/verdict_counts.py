"""Daily counts of verdicts and scores, per site, and no text.

As `service.reports.daily_counts` keeps them, in ``{hakam:<site>}:verdicts:<YYYY-MM-DD>``::

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
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.dialect import dialect_of
from service.reports.daily_counts import Counted, DailyCounts
from service.reports.insight import N_BINS
from service.rules.times import day_of
from service.store.connect import Redis

MAX_TEXTS, MAX_LETTERS = 128, 500  # that are looked at between two writes, and of each

CountWords = Callable[[Sequence[str]], NDArray[np.int64]]  # `WordScorer.count_words`


class VerdictCounts(DailyCounts):
    """The counts of the verdicts of all sites."""

    name = "verdicts"

    def __init__(
        self,
        redis: Redis,
        *,
        count_words: CountWords | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(redis, clock=clock)
        self._count_words = count_words
        self._texts: list[tuple[str, str, str]] = []  # site, day, text

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
        higher = {
            label: max(score, (author_scores or {}).get(label, 0.0))
            for label, score in scores.items()
        }
        places = {label: min(N_BINS - 1, int(score * N_BINS)) for label, score in higher.items()}
        counters = [f"action:{action}", *(f"score:{one}:{at}" for one, at in places.items())]
        counters += [near] if near else []
        counters += [f"language:{language}"] if language else []
        self.gather(site_id, counters)
        if text:
            with self._lock:
                if len(self._texts) < MAX_TEXTS:
                    self._texts.append((site_id, day_of(self._clock()), text[:MAX_LETTERS]))

    def _counted_last(self) -> Mapping[Counted, int]:
        with self._lock:
            texts, self._texts = self._texts, []
        return self._made_of(texts)

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
