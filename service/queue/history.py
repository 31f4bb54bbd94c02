"""History: what was decided about a site's comments, and all that one item went through.

Promises: a look back is bounded: it reads some hundred entries in one script, as many scripts as
there is time for, and says how far it came, so that whoever wants more goes on from there. What was
archived is not in it. What is to stay blind, opinions and answers to comments with known answers,
is not in the look back, and in the history of an item for whoever may see it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from models.schema import Evidence
from service.errors import InvalidRequest, ItemNotFound, ItemUnreadable
from service.queue.decisions import check_decision_id
from service.queue.encoding import (
    ContentRecord,
    ItemRecord,
    read_decision,
    read_item,
    read_report,
)
from service.queue.records import (
    Comment,
    Decision,
    ReviewItem,
    ShownReport,
    Source,
    facet,
)
from service.store.connect import Redis
from service.store.scripts import Verbs

AT_ONCE = 500  # entries of the stream that one script looks at, some 3 ms
LISTED_AT_ONCE = 200  # entries of a list, each of which is looked up
FEW = 60  # that the first script looks at: most pages are full then
MAX_SHOWN = 200
MAX_ENTRIES, MAX_VERSIONS, MAX_REPORTS = 100, 10, 20  # of an item


@dataclass(frozen=True, slots=True)
class Past:
    """What a look back found."""

    decisions: Sequence[Decision]  # and undos, the latest first
    cursor: str  # the `before` of what is older; empty at the beginning of the stream
    n_looked: int  # entries that were looked at
    n_damaged: int  # that cannot be read, as a whole or in the words kept beside them


@dataclass(frozen=True, slots=True)
class Version:
    """A text that a comment had; None where it was replaced before a decision, or deleted since."""

    number: int
    comment: Comment | None
    scores: Mapping[str, float]
    evidence: Sequence[Evidence]
    note: str = ""  # of a colleague who left it to the seniors


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A delivery that was given up, when (Unix time) and why."""

    at: float
    failure: str


@dataclass(frozen=True, slots=True)
class ItemHistory:
    """All that is kept of what an item went through."""

    item: ReviewItem
    versions: Sequence[Version]  # the last ones, the newest first
    entries: Sequence[Decision]  # of the stream, the latest first
    cursor: str  # the `before` of older ones; empty where there are none
    reports: Sequence[ShownReport]  # the latest first
    n_reports: int
    told: Mapping[str, float]  # entry -> when the site took it
    untold: Sequence[str]  # entries that the site is still to be told, in their order
    n_attempts: int  # to tell the first of them
    given_up: Mapping[str, GivenUp]  # entry -> its delivery
    left: Sequence[tuple[str, float]]  # who left it to the seniors, and when
    appeals: Sequence[str]  # items of appeals against its decisions
    doubt: str  # how likely its decision is by what else was decided, or ``stands``; else empty
    erased: bool  # at its author's wish
    is_known_answer: bool  # a moderator's copy of a comment with a known answer, or that itself


class History:
    """The past of all sites; every method raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._verbs = Verbs(redis, "queue")

    def look_back(
        self,
        site_id: str,
        *,
        before: str = "",
        action: str = "",
        source: Source | str = "",
        reason: str = "",
        moderator: str = "",
        limit: int = 50,
        seconds: float = 0.1,
    ) -> Past:
        """Look for decisions and undos, from an entry backwards, for about so long.

        With an action there are no undos. With a source, reason or moderator only theirs.
        """
        if not 1 <= limit <= MAX_SHOWN:
            raise InvalidRequest.of("limit", f"expected 1 to {MAX_SHOWN}")
        if before:
            check_decision_id("before", before)
        kinds = ["decision"] if action else ["decision", "undo"]
        wanted = ["|".join(_words("kind", kind) for kind in kinds)]
        named = {"action": action, "source": source, "reason": reason}
        wanted += [_words(name, value) for name, value in named.items() if value]
        own = facet("moderator", moderator) if moderator else ""
        most = LISTED_AT_ONCE if own else AT_ONCE
        n_at_once = min(FEW, most)
        named |= {"moderator": moderator}
        found, n_looked, until = list[Decision](), 0, time.monotonic() + seconds
        while True:
            before, n, *entries = self._verbs(
                site_id,
                "look_back",
                *wanted,
                facet=own,
                before=before,
                n_looked=n_at_once,
                limit=limit - len(found),
            )
            n_looked, n_at_once = n_looked + n, min(4 * n_at_once, most)
            found += (
                one
                for one in (read_decision(*entry) for entry in entries)
                if one.kind in kinds
                and not one.expected
                and all(getattr(one, name) == value for name, value in named.items() if value)
            )
            if not before or len(found) >= limit or time.monotonic() > until:
                break
        return Past(found, before, n_looked, sum(one.damaged for one in found))

    def of_item(self, site_id: str, item_id: str, *, before: str = "") -> ItemHistory | str:
        """Return what an item went through; of an appeal, the id of the item that it is about.

        ItemNotFound where nothing is kept of it, ItemUnreadable where that cannot be read.
        """
        if before:
            check_decision_id("before", before)
        outcome, *found = self._verbs(
            site_id,
            "item_history",
            id=item_id,
            before=before,
            limit=MAX_ENTRIES,
            n_versions=MAX_VERSIONS,
            n_shown=MAX_REPORTS,
        )
        if outcome == "missing":
            raise ItemNotFound("No review item has this id.")
        if outcome == "unreadable":
            raise ItemUnreadable("What is stored of this item is damaged.")
        if outcome == "appeal":
            return str(found[0])
        return _read_history(site_id, item_id, *found)


def _words(name: str, value: str) -> str:
    """Return how a field stands in the JSON that the scripts write."""
    return json.dumps({name: value}, ensure_ascii=False, separators=(",", ":"))[1:-1]


def _read_history(
    site_id: str,
    item_id: str,
    record: str,
    texts: Sequence[str | None],
    cursor: str,
    entries: Sequence[Sequence[Any]],
    reports: Sequence[tuple[str, str | None, str | None]],
    n_reports: int,
    given_up: Sequence[tuple[str, str, str]],
    doubt: str | None,
) -> ItemHistory:
    try:
        stored = ItemRecord.model_validate_json(record)
    except ValidationError as error:
        raise ItemUnreadable("What is stored of this item is damaged.") from error
    read = [read_decision(*entry) for entry in entries]
    appeals = [one.item_id for one in read if one.item_id not in ("", item_id)]
    return ItemHistory(
        item=read_item(site_id, item_id, record, texts[0] if texts else None),
        versions=[
            _read_version(stored.version - place, content) for place, content in enumerate(texts)
        ],
        entries=read,
        cursor=cursor,
        reports=[
            ShownReport(report, explanation or "", 0, 0)
            for report_id, facts, explanation in reports
            if (report := read_report(report_id, facts or ""))
        ],
        n_reports=n_reports,
        told=dict(_read_told(stored.told)),
        untold=stored.undelivered,
        n_attempts=stored.attempts,
        given_up={one: GivenUp(float(at) / 1000, failure) for one, at, failure in given_up},
        left=[(one.moderator, one.at / 1000) for one in stored.left],
        appeals=list(dict.fromkeys([stored.appealed, *appeals] if stored.appealed else appeals)),
        doubt=doubt or "",
        is_known_answer=bool(stored.known_answer),
        erased=any(one.kind == "erasure" for one in read),
    )


def _read_version(number: int, content: str | None) -> Version:
    try:
        wrote = ContentRecord.model_validate_json(content) if content else None
    except ValidationError:
        wrote = None
    if wrote is None:
        return Version(number, None, {}, ())
    return Version(number, wrote.comment, wrote.scores, wrote.evidence, wrote.note)


def _read_told(told: Sequence[str]) -> Mapping[str, float]:
    found = {}
    for one in told:
        entry, _, after = one.partition(" ")
        time_ms = entry.partition("-")[0]
        if time_ms.isdecimal() and after.lstrip("-").isdecimal():
            found[entry] = (int(time_ms) + int(after)) / 1000
    return found
