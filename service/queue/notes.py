"""Notes of moderators about an author or an article.

Promises: few and short, so that a page that shows them stays small; kept for the site's retention
period after they were written, and gone at once with an author who is erased. They lie beside what
readers wrote (key ``:texts``), under the facet of whom or what they are about, and in no log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from service.errors import Conflict, Forbidden, InvalidRequest
from service.queue.encoding import read_notes
from service.queue.records import Note, facet
from service.store.connect import Redis
from service.store.scripts import Verbs

MAX_NOTES = 20  # about one author or article
MAX_NOTE_LENGTH = 1_000

About = Literal["author_id", "article_id"]


class Notes:
    """The notes on all sites; every method raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._verbs = Verbs(redis, "queue")

    def add(
        self, site_id: str, about: About, value: str, *, note_id: str, moderator: str, text: str
    ) -> None:
        """Keep a note, once for each `note_id`; Conflict where there are as many as may be."""
        text = text.strip()
        if not 0 < len(text) <= MAX_NOTE_LENGTH:
            raise InvalidRequest.of("note", f"expected 1 to {MAX_NOTE_LENGTH:,} characters")
        (outcome,) = self._verbs(
            site_id,
            "note_add",
            facet=facet(about, value),
            id=note_id,
            moderator=moderator,
            text=text,
            most=MAX_NOTES,
        )
        if outcome == "full":
            raise Conflict(f"{MAX_NOTES} notes are kept; remove one first")

    def remove(
        self, site_id: str, about: About, value: str, note_id: str, moderator: str, *, senior: bool
    ) -> bool:
        """Remove a note; return whether there was one. Forbidden where it is somebody else's."""
        outcome, *removed = self._verbs(
            site_id,
            "note_remove",
            facet=facet(about, value),
            id=note_id,
            moderator=moderator,
            senior=int(senior),
        )
        if outcome == "foreign":
            raise Forbidden("Only who wrote the note, or a senior, may remove it.")
        return bool(removed[0])


def shown_notes(record: str | None) -> Sequence[Note]:
    """Return the notes of a record, the newest first."""
    return read_notes(record)[::-1]
