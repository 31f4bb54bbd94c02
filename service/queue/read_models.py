"""Read models: what pages show of past decisions, kept by the scripts that decide.

Promises: a page costs the same after a thousand decisions and after a million, because none reads
the decision stream. What the models hold is what the stream says: the last decisions on each
comment, of each author and under each article, and figures for each of the last days. Two keys of a
site::

    :decided  hash  i<item id>, or the facet of an author or article -> ids of the last 51 or more
                    entries of the stream about it, the newest first
    :figures  hash  <days since 1970>:<counter> -> count, of `FIGURES_DAYS` days (counters: see
                    `ReadModels.days`)
                    today -> the last day that something was counted on

No words and no authors' ids are in them. A comment that is erased, or forgotten after the site's
retention period, leaves the lists; an erased author's list goes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.queue.encoding import read_decision
from service.queue.records import Decision, facet, item_id_of
from service.rules.times import day_of
from service.store.connect import Redis
from service.store.scripts import Verbs

FIGURES_DAYS = 15  # as in figures.lua
SHOWN = 50

#: Day (``2026-01-31``) -> counter -> count.
Days = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Found:
    """The last decisions on a comment, of an author or under an article."""

    decisions: Sequence[Decision]  # the latest first, at most `SHOWN`
    more: bool  # whether there are older ones
    n_damaged: int  # that cannot be read, as a whole or in the words kept beside them


class ReadModels:
    """The read models of all sites; every method raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._verbs = Verbs(redis, "queue")

    def find(self, site_id: str, name: str, value: str) -> Found:
        """Return the last decisions with a text and this author_id, article_id or comment_id.

        Opinions and answers to comments with known answers stay blind: they are not among them.
        """
        by_comment = name == "comment_id"
        wanted = f"i{item_id_of(value)}" if by_comment else facet(name, value)
        entries = self._verbs(site_id, "last_decisions", list=wanted, limit=SHOWN + 1)
        decisions = [read_decision(*entry) for entry in entries]
        found = [
            decision
            for decision in decisions
            if decision.comment is not None
            and (decision.comment_id if by_comment else getattr(decision.comment, name)) == value
        ]
        n_damaged = sum(decision.damaged for decision in decisions)
        return Found(found[:SHOWN], len(found) > SHOWN, n_damaged)

    def days(self, site_id: str, n_days: int) -> Days:
        """Return the figures of the last days, today included.

        The counters of a day, of what people decided and what stands::

            hour:<0 to 23>:<action>
            wait:<bin>                       from arrival to decision, 2^(bin/16) seconds
            score:<label>:<bin>:<said>       of a verdict that the score made, [bin/20, (bin+1)/20)
            other:<label>:<bin>:<said>       of any other verdict
            seen:<reason>:<p>:<said>         of those, by the verdict's reason and the probability
                                             with which a person saw the comment; the reason is
                                             `rejected` where the policy would have rejected it
            known:<right|wrong>:<moderator>  answers to comments with known answers
            pair:<a|r><a|r>:<JSON of two moderators>  blind judgements of one comment
            by:<moderator>:<action>          what they did: approve, reject, skip or escalate, blind
                                             judgements included
            at:<0 to 23>:<moderator>:<action>  the same by the hour, of the last three days

        What was said is approve, reject, or other: rejected for a reason that names no label.
        """
        stored = self._verbs(site_id, "figures")
        figures = dict(zip(stored[::2], stored[1::2], strict=True))
        today = int(time.time() // 86_400)
        found: dict[int, dict[str, int]] = {day: {} for day in range(today - n_days + 1, today + 1)}
        for name, count in figures.items():
            day, _, counter = name.partition(":")
            if day.isdecimal() and int(day) in found and count.isdecimal() and len(count) < 19:
                found[int(day)][counter] = int(count)
        return {day_of(day * 86_400): counters for day, counters in found.items()}
