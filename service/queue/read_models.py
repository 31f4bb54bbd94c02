"""Read models: what pages show of past decisions, kept by the scripts that decide.

Promises: a page costs the same after a thousand decisions and after a million, because none reads
more of the decision stream than it shows. What the models hold is what the stream says: which of
its entries are about each comment, author and article and by each moderator, and figures for each
of the last days. Three keys of a site::

    :listed   zset  <facet><place>, in lexical order: i<item id>, or the facet of an author, article
                    or moderator, and the place of an entry in the stream (see `place_in_list`);
                    x<moderator>, of the last decisions that differ from what they had said
    :figures  hash  <days since 1970>:<counter> -> count, of `FIGURES_DAYS` days (counters: see
                    `ReadModels.days`)
                    today -> the last day that something was counted on
    :shifts   hash  the same of each moderator (counters: see `ReadModels.days_of`)

No words and no authors' ids are in them. A comment that is forgotten after the site's retention
period leaves its lists, and an erased one those of its author and article. The lists of moderators
last as long as the stream does.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from service.errors import InvalidRequest
from service.queue.decisions import check_decision_id
from service.queue.encoding import read_decision
from service.queue.records import Comment, Decision, facet, item_id_of
from service.rules.times import day_of
from service.store.connect import Redis
from service.store.scripts import Verbs

FIGURES_DAYS = 15  # as in figures.lua and shifts.lua
HOURS_DAYS = 3  # as in daily.lua
ACTIONS = ("approve", "reject", "skip", "escalate")
SHOWN = 50
MAX_FOUND = 200  # at once; Redis serves nobody else meanwhile

#: Day (``2026-01-31``) -> counter -> count.
Days = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Found:
    """Decisions on a comment, of an author, under an article or of a moderator."""

    decisions: Sequence[Decision]  # the latest first
    cursor: str  # the `before` of older ones; empty where there are none
    n_damaged: int  # that cannot be read, as a whole or in the words kept beside them

    @property
    def more(self) -> bool:
        """Whether there are older ones."""
        return bool(self.cursor)


class ReadModels:
    """The read models of all sites; every method raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._verbs = Verbs(redis, "queue")

    def find(
        self,
        site_id: str,
        name: str,
        value: str,
        *,
        before: str = "",
        limit: int = SHOWN,
        blind: bool = False,
    ) -> Found:
        """Return decisions and undos by author_id, article_id, comment_id or moderator.

        Those before the entry with this id, or the last. By an author, article or comment they have
        a text. Where opinions and answers to comments with known answers are to stay blind, they
        are not among them; a moderator's own list has them (`blind`), so that nobody learns from it
        which of their comments were such.
        """
        if not 1 <= limit <= MAX_FOUND:
            raise InvalidRequest.of("limit", f"expected 1 to {MAX_FOUND}")
        if before:
            check_decision_id("before", before)
        own = f"i{item_id_of(value)}" if name == "comment_id" else facet(name, value)
        listed = self._read(site_id, own, before, limit)
        kept = (one for one in listed.decisions if _is_of(one, name, value))
        return replace(listed, decisions=[one for one in kept if blind or _is_open(one)])

    def differing(
        self, site_id: str, moderator: str, *, before: str = "", limit: int = 20
    ) -> Found:
        """Return decisions that stand and differ from what a moderator had said of the comment.

        They had answered otherwise than is known, or given the opinion that did not prevail. What
        others said of the comment is in it: whoever calls this waits until the decision is final.
        """
        if before:
            check_decision_id("before", before)
        listed = self._read(site_id, facet("differing", moderator), before, limit)
        kept = [one for one in listed.decisions if one.stands and one.comment is not None]
        return replace(listed, decisions=kept)

    def _read(self, site_id: str, listed: str, before: str, limit: int) -> Found:
        cursor, *entries = self._verbs(
            site_id, "last_decisions", facet=listed, before=before, limit=limit
        )
        decisions = [read_decision(*entry) for entry in entries]
        return Found(decisions, cursor, sum(decision.damaged for decision in decisions))

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

        What was said is approve, reject, or other: rejected for a reason that names no label.
        """
        stored = self._verbs(site_id, "figures")
        return _by_day(zip(stored[::2], stored[1::2], strict=True), n_days)

    def days_of(self, site_id: str, moderator: str) -> Days:
        """Return what is counted of one moderator in the last days, today included.

        The counters of a day, each without the moderator's name::

            by:<action>            what they did: approve, reject, skip or escalate, blind
                                   judgements included
            at:<0 to 23>:<action>  the same by the hour, of the last three days
            agreed, differed       blind judgements of one comment, by them and another
            right, wrong           answers to comments with known answers
        """
        named = {
            **{f"by:{moderator}:{action}": f"by:{action}" for action in ACTIONS},
            **{f"{how}:{moderator}": how for how in ("agreed", "differed")},
            **{f"known:{how}:{moderator}": how for how in ("right", "wrong")},
        }
        by_hour = {
            f"at:{hour}:{moderator}:{action}": f"at:{hour}:{action}"
            for hour in range(24)
            for action in ACTIONS
        }
        today = int(time.time() // 86_400)
        asked = {
            f"{day}:{stored}": f"{day}:{counter}"
            for day in range(today - FIGURES_DAYS + 1, today + 1)
            for stored, counter in (named | (by_hour if day > today - HOURS_DAYS else {})).items()
        }
        found = self._verbs(site_id, "own_figures", *asked)
        return _by_day(zip(asked.values(), found, strict=True), FIGURES_DAYS)


def _by_day(counted: Iterable[tuple[str, str | None]], n_days: int) -> Days:
    """Sort counters by day; what is no count of one of the last days is left out."""
    today = int(time.time() // 86_400)
    found: dict[int, dict[str, int]] = {day: {} for day in range(today - n_days + 1, today + 1)}
    for name, count in counted:
        day, _, counter = name.partition(":")
        known = count is not None and count.isdecimal() and len(count) < 19
        if known and day.isdecimal() and int(day) in found:
            found[int(day)][counter] = int(count or 0)
    return {day_of(day * 86_400): counters for day, counters in found.items()}


def _is_of(decision: Decision, name: str, value: str) -> bool:
    """Say whether an entry is of the list that was asked for, because facets are short digests."""
    if name == "moderator":
        return decision.moderator == value
    about: Decision | Comment | None = decision if name == "comment_id" else decision.comment
    return decision.comment is not None and getattr(about, name) == value


def _is_open(decision: Decision) -> bool:
    return decision.kind in ("decision", "undo") and not decision.expected
