"""Timeline of a comment: what happened to it, one after the other, for whoever may see it.

Opinions stay blind until the comment is decided, but for whoever gave them; an answer to a comment
with a known answer looks like any other decision.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from service.accounts.account import Account
from service.queue.history import GivenUp, ItemHistory, Version
from service.queue.records import NEWS_TYPES, Decision, ReviewItem, ShownReport
from service.rules.personal_data import masked

MAX_COMPARED = 400  # words of a text; longer ones are not compared with each other

Change = Literal["", "added", "removed"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of telling the site; one of these is known."""

    told_at: float = 0.0
    given_up: GivenUp | None = None
    waits: bool = False
    n_attempts: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a comment, at a Unix time."""

    at: float
    kind: str  # came, edited, left, reported, objected, looked, or the kind of an entry
    entry: Decision | None = None
    delivery: Delivery | None = None
    moderator: str = ""
    report: ShownReport | None = None
    version: Version | None = None
    changes: Sequence[tuple[str, Change]] = ()  # of the text, from the version before
    words: str = ""  # that somebody wrote
    of_version: int = 1  # by which what has the same time is ordered


_BEFORE = ("came", "edited", "reported", "left")  # a decision that has the same time


def timeline(
    found: ItemHistory, appeals: Sequence[ReviewItem], reader: Account, *, shows: bool
) -> list[Event]:
    """Return what happened, the oldest first, as far as the reader may know."""
    events = [
        Event(
            one.decided_at,
            _kind(one),
            entry=_open(one),
            delivery=_delivery(found, one),
            of_version=one.version,
        )
        for one in reversed(found.entries)
        if _may_see(found, one, reader)
    ]
    events += _versions(found, shows=shows)
    events += [Event(at, "left", moderator=name) for name, at in found.left]
    events += [Event(one.report.received_at, "reported", report=one) for one in found.reports]
    events += [
        Event(one.enqueued_at, "objected", words=one.appeal, of_version=one.version)
        for one in appeals
    ]
    return sorted(events, key=lambda one: (one.at, one.of_version, _place(one)))


def answered_by(found: ItemHistory, moderator: str) -> bool:
    """Say whether somebody holds an item or has decided it."""
    return found.item.moderator == moderator or any(
        one.moderator == moderator for one in found.entries
    )


def _place(event: Event) -> int:
    """Order what has the same time and version: an objection comes after what it is about."""
    if event.kind in _BEFORE:
        return _BEFORE.index(event.kind)
    of_appeal = event.entry is not None and event.entry.appeal_of
    return len(_BEFORE) + (1 if event.kind == "objected" else 2 if of_appeal else 0)


def _kind(entry: Decision) -> str:
    return "decision" if entry.kind == "known_answer" else entry.kind


def _open(entry: Decision) -> Decision:
    return replace(entry, kind="decision") if entry.kind == "known_answer" else entry


def _may_see(found: ItemHistory, entry: Decision, reader: Account) -> bool:
    blind = entry.kind == "opinion" and found.item.state != "decided"
    return not blind or entry.moderator == reader.name


def _delivery(found: ItemHistory, entry: Decision) -> Delivery | None:
    """Return what became of telling the site of an entry; None where that is not known."""
    if entry.kind not in NEWS_TYPES:
        return None
    if entry.id in found.told:
        return Delivery(told_at=found.told[entry.id])
    if entry.id in found.given_up:
        return Delivery(given_up=found.given_up[entry.id])
    if entry.id in found.untold:
        is_first = entry.id == found.untold[0]
        return Delivery(waits=True, n_attempts=found.n_attempts if is_first else 0)
    return None


def _versions(found: ItemHistory, *, shows: bool) -> list[Event]:
    """Return when each text came, and what was changed in it from the one before."""
    came: dict[int, float] = {found.item.version: found.item.enqueued_at}
    for entry in found.entries:
        if entry.version and entry.item_id == found.item.id:
            earlier = came.get(entry.version, entry.enqueued_at)
            came[entry.version] = min(earlier, entry.enqueued_at)
    events, before = list[Event](), ""
    for version in reversed(found.versions):
        text = version.comment.text if version.comment else ""
        text = text if shows else masked(text)
        if version.number in came:
            kind = "came" if version.number == 1 else "edited"
            changes = compared(before, text) if before and text else ()
            events.append(
                Event(
                    came[version.number],
                    kind,
                    version=version,
                    changes=changes,
                    of_version=version.number,
                )
            )
        before = text or before
    return events


def compared(before: str, after: str) -> list[tuple[str, Change]]:
    """Return the words of a text, and between them those that it has lost.

    >>> compared("one two three", "one four three")
    [('one ', ''), ('two ', 'removed'), ('four ', 'added'), ('three', '')]
    """
    old, new = (re.findall(r"\S+\s*|\s+", text) for text in (before, after))
    if max(len(old), len(new)) > MAX_COMPARED:
        return []
    found: list[tuple[str, Change]] = []
    matcher = difflib.SequenceMatcher(a=old, b=new)
    for how, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if how == "equal":
            found.append(("".join(new[new_from:new_to]), ""))
            continue
        parts: Mapping[Change, str] = {
            "removed": "".join(old[old_from:old_to]),
            "added": "".join(new[new_from:new_to]),
        }
        found += [(text, change) for change, text in parts.items() if text]
    return found
