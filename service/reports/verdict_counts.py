"""Daily counts of verdicts and scores, per site, and no text.

As `service.reports.daily_counts` keeps them, in ``{hakam:<site>}:verdicts:<YYYY-MM-DD>``::

    action:<approve|review|reject>   comments
    language:<code>                  comments by what their text is written in: a script (ISO 15924)
                                     or the tag of a language that the classifier does not know
    near:<step>                      comments that nobody need see, by how far the nearest label is
                                     below its threshold (see `service.rules.uncertainty`)

and, of at most `MAX_TEXTS` comments between two writes, what their texts are made of::

    texts                            comments that were looked at
    dialect:<name>                   of these; `none` where the text does not say

What the artefact says is told apart by its version, because two have no scale in common; after
the version and a blank follow::

    scored                           comments that it scored
    score:<label>:<bin>              comments whose score lies in [bin/20, (bin+1)/20); of the text
                                     and the display name the higher one
    read                             comments in whose texts words were counted
    words:<known|unknown>            words that the word scorer knows as a whole, or does not
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.dialect import dialect_of
from service.reports.daily_counts import Counted, DailyCounts
from service.reports.insight import N_BINS, Days
from service.rules.times import day_of
from service.store.connect import Redis

MAX_TEXTS, MAX_LETTERS = 128, 500  # that are looked at between two writes, and of each

# Counters of scores and words of which an earlier release did not say whose they are.
UNNAMED = ("score:", "words:")

CountWords = Callable[[Sequence[str]], NDArray[np.int64]]  # `WordScorer.count_words`


class VerdictCounts(DailyCounts):
    """The counts of the verdicts of all sites, and of the scores of one version."""

    name = "verdicts"

    def __init__(
        self,
        redis: Redis,
        *,
        count_words: CountWords | None = None,
        version: str = "",  # of the artefact in use
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(redis, clock=clock)
        self._count_words = count_words
        self._version = version
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
        scored = ["scored", *(f"score:{one}:{at}" for one, at in places.items())] if places else []
        counters = [f"action:{action}", *map(self._by_version, scored)]
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
            found[site_id, day, self._by_version("read")] += 1
            found[site_id, day, self._by_version("words:known")] += n_words - n_unknown
            found[site_id, day, self._by_version("words:unknown")] += n_unknown
        return +found

    def _by_version(self, counter: str) -> str:
        return f"{self._version} {counter}"

    def days(self, site_id: str, n_days: int) -> dict[str, dict[str, int]]:
        """Return the counts of the last days, with what one version said and without its name.

        It is the version in use; for who does not know it, the one that scored most comments of
        the latest day. What others said is left out.
        """
        found = super().days(site_id, n_days)
        version = self._version or _latest(found)
        return {day: _said_by(version, counts) for day, counts in found.items()}


def _said_by(version: str, counts: Mapping[str, int]) -> dict[str, int]:
    own = f"{version} "
    return {
        counter.removeprefix(own): n
        for counter, n in counts.items()
        if counter.startswith(own) or not (" " in counter or counter.startswith(UNNAMED))
    }


def _latest(days: Days) -> str:
    """Return the version that scored most comments of the latest day on which one did."""
    for counts in reversed(list(days.values())):
        scored = {
            counter.partition(" ")[0]: n
            for counter, n in counts.items()
            if counter.endswith(" scored")
        }
        if scored:
            return max(scored, key=lambda version: scored[version])
    return ""
