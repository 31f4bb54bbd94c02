"""Authors: what a page shows of one, and what seniors do about them.

Promises: what the site is to do (mute, block, restore) and what was done here (hold, release, warn)
is an entry of the decision stream, and the site is told as of a decision: signed, at least once, in
the order in which it happened to this author. A hold by a person ends when it is over or a person
ends it, whatever is decided meanwhile, and holds however little a site looks at authors otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from service.errors import Conflict, InvalidRequest
from service.queue.encoding import draft_json, read_author, read_decision
from service.queue.notes import shown_notes
from service.queue.records import AuthorRecord, Decision, Kind, Note, facet
from service.rules.times import LATEST
from service.sites.sites import Sites
from service.store.connect import Redis
from service.store.scripts import Verbs

Act = Literal["hold", "release", "warn", "mute", "block", "restore"]
#: What can be done about an author -> kind of the entry that says so.
KINDS: Mapping[Act, Kind] = {
    "hold": "hold",
    "release": "release",
    "warn": "warning",
    "mute": "mute",
    "block": "block",
    "restore": "restore",
}
MAX_HOURS = 8_760
_TIMED = ("hold", "mute")  # which always have an end; a block may have none

#: Whether the site took a piece of news; unheard: nobody listened.
Told = Literal["told", "waits", "dead", "unheard"]


@dataclass(frozen=True, slots=True)
class News:
    """What the site was to be told of an author, and whether it was."""

    entry: Decision
    told: Told


@dataclass(frozen=True, slots=True)
class AuthorPage:
    """What is known of an author."""

    record: AuthorRecord
    notes: Sequence[Note]  # the newest first
    n_waiting: int  # comments that wait or are held by somebody
    news: Sequence[News]  # the newest first, at most twenty

    @property
    def asked(self) -> Decision | None:
        """Return what the site was last asked to do about the author, unless that is to restore."""
        kinds = ("mute", "block", "restore")
        last = next((one.entry for one in self.news if one.entry.kind in kinds), None)
        return last if last and last.kind != "restore" else None


class Authors:
    """The authors of all sites; every method raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis, sites: Sites) -> None:
        self._verbs = Verbs(redis, "queue")
        self._sites = sites

    def page(self, site_id: str, author_id: str) -> AuthorPage:
        """Return what is known of an author, at one time."""
        found = self._verbs(site_id, "author_page", author=facet("author_id", author_id))
        record, notes, n_waiting, *news = found
        return AuthorPage(
            read_author(record),
            shown_notes(notes),
            n_waiting,
            [News(read_decision(*entry), told) for told, entry in news],
        )

    def act(
        self,
        site_id: str,
        author_id: str,
        act: Act,
        *,
        moderator: str,
        request_id: str,
        until: float | None = None,  # Unix time
        reason: str = "",
    ) -> str:
        """Do something about an author, once for each `request_id`; return the id of its entry.

        Conflict where somebody is to be released who is not held.
        """
        if act in _TIMED and until is None:
            raise InvalidRequest.of("until", "expected a time")
        if until is not None and not 0 < until < LATEST.timestamp():
            raise InvalidRequest.of("until", "expected a time before the year 2200")
        draft = Decision(
            act, reason=reason, moderator=moderator, request_id=request_id, source="moderator"
        )
        outcome, *entry = self._verbs(
            site_id,
            "author_act",
            author=facet("author_id", author_id),
            label=facet("label", ""),
            author_id=author_id,
            kind=KINDS[act],
            till=int(until * 1000) if until and act in (*_TIMED, "block") else "",
            draft=draft_json(draft),
        )
        if outcome == "unheld":
            raise Conflict("The author is not held.")
        if act == "hold":  # so that workers look who is held
            self._sites.note_change()
        return str(entry[0])
