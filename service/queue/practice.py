"""Practice of trainees: what they would decide about comments that others have decided.

Promises: it changes nothing else, so that no comment waits for it, no figure counts it and no site
hears of it. A trainee is shown a comment that a person has decided and cannot undo any more, but
not what was decided; their judgement is compared with the last word on the comment, whatever that
comes to be. Two keys of a site, which hold facts and no words::

    :judged      zset  <trainee><13 digits of milliseconds><item id>, in lexical order; at most
                       `MAX_JUDGEMENTS` of each trainee
    :judgements  hash  <trainee><item id> -> `JudgementRecord`

where a trainee is a digest of their name. What is older than the retention period of the site is
forgotten; the text that a judgement is about lies with the queue's, and goes when it goes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models.schema import REASONS
from service.errors import Conflict, InvalidRequest, ItemNotFound, ItemUnreadable
from service.queue.encoding import judgement_json, read_decision, read_item, read_judgement
from service.queue.records import Decision, ReviewItem, short_digest
from service.store.connect import Redis
from service.store.scripts import Verbs

MAX_JUDGEMENTS = 1_000  # of one trainee on one site
READ_AT_ONCE = 200  # Redis serves nobody else meanwhile
DAYS = 7  # decisions of so many days are judged anew
N_TRIES = 6
PAGE = 500  # that are forgotten in one script, of each trainee


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a trainee would have decided, and what was decided."""

    item_id: str
    version: int
    action: Literal["approve", "reject"]
    reason: str
    judged_at: float  # Unix time
    last_word: str  # approve or reject; empty while there is none about this text
    decision: Decision | None  # which that is, where the two differ

    @property
    def place(self) -> str:
        """Place in the list of the trainee, to read on behind it."""
        return f"{round(self.judged_at * 1000):013}{self.item_id}"

    @property
    def differs(self) -> bool:
        """Whether the comment was decided otherwise."""
        return self.last_word not in ("", self.action)


@dataclass(frozen=True, slots=True)
class Judgements:
    """A page of judgements, the newest first."""

    judgements: Sequence[Judgement]
    cursor: str  # to read on with; empty where there are no older ones


class Practice:
    """The practice of all sites; every method raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis, *, undo_seconds: float = 900) -> None:
        self._verbs = Verbs(redis, "queue")
        self._undo_ms = int(undo_seconds * 1000)

    def draw(self, site_id: str, moderator: str) -> ReviewItem | None:
        """Return a decided comment that this trainee has not judged; None where there is none."""
        till = int(time.time() * 1000) - self._undo_ms
        first = till - DAYS * 86_400_000
        starts = [random.randint(first, till) for _ in range(N_TRIES)]  # noqa: S311 - no secret
        outcome, *found = self._verbs(
            site_id,
            "practice_next",
            *starts,
            first,
            trainee=_trainee(moderator),
            moderator=moderator,
            till=till,
        )
        return read_item(site_id, *found) if outcome == "ok" else None

    def judge(
        self, site_id: str, moderator: str, item_id: str, version: int, action: str, reason: str
    ) -> None:
        """Keep what a trainee would decide about a version of a comment, when they first say it.

        ItemNotFound, ItemUnreadable or Conflict where that version is there no longer.
        """
        if action not in ("approve", "reject"):
            raise InvalidRequest.of("action", "expected approve or reject")
        if action == "reject" and reason not in REASONS:
            raise InvalidRequest.of("reason", "expected a reason of the list")
        (outcome,) = self._verbs(
            site_id,
            "practice_judge",
            trainee=_trainee(moderator),
            id=item_id,
            version=version,
            judgement=judgement_json(version, action, reason if action == "reject" else ""),
            most=MAX_JUDGEMENTS,
        )
        if outcome == "missing":
            raise ItemNotFound("No review item has this id.")
        if outcome == "unreadable":
            raise ItemUnreadable(f"What is stored of this item of {site_id} is damaged.")
        if outcome == "changed":
            raise Conflict("The comment was edited meanwhile.")

    def read(
        self, site_id: str, moderator: str, *, before: str = "", limit: int = READ_AT_ONCE
    ) -> Judgements:
        """Return judgements of a trainee, before the place where a page ended."""
        if not 1 <= limit <= READ_AT_ONCE:
            raise InvalidRequest.of("limit", f"expected 1 to {READ_AT_ONCE}")
        if before and not (before[:13].isdecimal() and before.isascii() and len(before) < 40):
            raise InvalidRequest.of("before", "expected the place where a page ended")
        cursor, *found = self._verbs(
            site_id, "practice_read", trainee=_trainee(moderator), before=before, limit=limit
        )
        judgements = []
        for item_id, stored, last_word, entry in found:
            if (facts := read_judgement(stored)) is not None:
                decision = read_decision(*entry) if entry else None
                told = (facts.version, facts.action, facts.reason, facts.at / 1000)
                judgements.append(Judgement(item_id, *told, last_word, decision))
        return Judgements(judgements, cursor)

    def forget(self, site_id: str, before_ms: int) -> int:
        """Forget what was judged before a time (Unix time in milliseconds); return how much."""
        before = max(1, before_ms)
        return self._verbs.until_done(site_id, "practice_forget", before=before, limit=PAGE)


def _trainee(moderator: str) -> str:
    return short_digest("trainee", moderator)
