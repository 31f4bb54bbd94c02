"""Chosen comments: those that people see because the model hesitates about them most.

Promises: a site gets no more of them a day (UTC) than its budget, however many workers choose; the
same comment again is chosen again; of comments that are nearly alike one is chosen in a week. Two
keys of a site, which hold no words and are bounded by the budget::

    :chosen    zset  item id, by the time at which it was chosen
    :sketches  zset  part of the sketch of a chosen text, by the same time
"""

from __future__ import annotations

from service.queue.records import Comment, item_id_of
from service.rules.uncertainty import sketch
from service.store.connect import Redis
from service.store.scripts import Verbs

KEPT_MS = 7 * 86_400_000


class Chosen:
    """The chosen comments of all sites; StoreUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._verbs = Verbs(redis, "queue")

    def choose(self, site_id: str, comment: Comment, budget: int) -> bool:
        """Choose a comment, if the day's budget has room and none like it was chosen lately."""
        found = self._verbs(
            site_id,
            "choose",
            *sketch(comment.text),
            id=item_id_of(comment.id),
            budget=budget,
            kept_ms=KEPT_MS,
        )
        return bool(found[0])
