"""Overview of a queue: how much waits by label, dialect and age, who holds what, what is left.

Promises: one script for each site, many sites in a round trip, and none reads more than what people
hold and a bounded number of records; what the lines count is exact, however long they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from models.dialect import DIALECTS
from models.schema import LABELS
from service.errors import SiteUnreadable
from service.queue.encoding import read_item
from service.queue.records import UNKNOWN_VERDICT, ReviewItem, facet
from service.rules.policy import Reason
from service.store.connect import Redis
from service.store.scripts import Verbs

AGES_SECONDS = (300, 900, 1800, 3600, 3 * 3600, 12 * 3600)
MAX_REASONS = 1_000  # of what has no label; what waits beyond is not counted by reason
SHOWN = 20  # that people keep leaving

_UNLABELLED = facet("label", "")
_LABELS = [facet("label", label) for label in LABELS]
_DIALECTS = [facet("dialect", dialect) for dialect in DIALECTS]


@dataclass(frozen=True, slots=True)
class QueueOverview:
    """What one site's queue is made of; labels and dialects with their numbers, most first."""

    labels: Sequence[tuple[str, int]]  # and findings of what waits; "" where there is none
    dialects: Sequence[tuple[str, int]]
    ages: Sequence[tuple[int | None, int]]  # what waits or is held by bound of its age in seconds
    held: Sequence[ReviewItem]
    troubled: Sequence[ReviewItem]  # the first of those that people keep leaving
    n_damaged: int  # of the most urgent, those of which what is stored cannot be read


class Overviews:
    """The queues of all sites; StoreUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._verbs = Verbs(redis, "queue")

    def of(self, site_ids: Sequence[str]) -> list[QueueOverview | SiteUnreadable]:
        """Say of many sites what their queues are made of."""
        answers = self._verbs.of_sites(
            site_ids,
            "overview",
            lambda *answer: answer,
            *_LABELS,
            *_DIALECTS,
            ages=" ".join(str(seconds * 1_000) for seconds in AGES_SECONDS),
            unlabelled=_UNLABELLED,
            most=MAX_REASONS,
            shown=SHOWN,
        )
        return [
            answer if isinstance(answer, SiteUnreadable) else _overview(site_id, *answer)
            for site_id, answer in zip(site_ids, answers, strict=True)
        ]


def _overview(
    site_id: str,
    n_waiting: Sequence[int],
    n_younger: Sequence[int],
    reasons: Sequence[Reason],
    n_damaged: int,
    held: Sequence[Any],
    troubled: Sequence[Any],
) -> QueueOverview:
    n_of = dict(zip((*LABELS, *DIALECTS), n_waiting, strict=True))
    labels = Counter({label: n_of[label] for label in LABELS})
    for reason in reasons:
        labels[replace(UNKNOWN_VERDICT, reason=reason).rejection_reason] += 1
    dialects = Counter({dialect: n_of[dialect] for dialect in DIALECTS})
    ages = [after - before for before, after in pairwise((0, *n_younger))]
    return QueueOverview(
        labels=(+labels).most_common(),
        dialects=(+dialects).most_common(),
        ages=list(zip((*AGES_SECONDS, None), ages, strict=True)),
        held=[read_item(site_id, *row[1:]) for row in held],
        troubled=[read_item(site_id, *row[1:]) for row in troubled],
        n_damaged=n_damaged,
    )
