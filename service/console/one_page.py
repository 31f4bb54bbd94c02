"""What the pages of one author and of one article share: their id, their lists, their notes."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from flask import request

from service.console.groups import last_of
from service.console.item_rows import rows
from service.console.permissions import shows_personal_data
from service.console.vocabulary import REASON_NAMES
from service.errors import InvalidRequest
from service.queue.notes import MAX_NOTE_LENGTH, MAX_NOTES, About
from service.queue.read_models import Found
from service.queue.records import Comment, ReviewItem
from service.rules.personal_data import masked
from service.services import services
from service.sites.site import Site

SHOWN = 50  # comments of a list at a time
MAX_ID_LENGTH = 1_000
MAX_NAMES = 10  # that are shown of an author, and authors of an article
DAY = 86_400


def asked_id(given: str | None) -> str:
    """Return the id of an author or article that somebody asked for."""
    value = given or ""
    if not 0 < len(value) <= MAX_ID_LENGTH or "\0" in value:
        raise InvalidRequest.of("id", "expected the id of an author or an article")
    return value


def lists(site: Site, about: About, value: str) -> dict[str, Any]:
    """Return what waits and what was decided, from the cursors of the address on."""
    queue, after = services().queue, request.args.get("after", "")
    by = {about: value}
    found = queue.waiting(site.id, **by, limit=SHOWN + 1, after=after)  # type: ignore[arg-type]
    waiting = [item for item in found if item.damaged or getattr(item.comment, about) == value]
    before = request.args.get("before", "")
    decided = services().read_models.find(site.id, about, value, before=before, limit=SHOWN)
    shows = shows_personal_data(site)
    return {
        "site": site,
        "id": value,
        "shows_personal_data": shows,
        "rows": rows(site, waiting[:SHOWN], shows_personal_data=shows),
        "following": found[SHOWN - 1].place if len(found) > SHOWN else "",
        "decided": decided,
        "asked": {name: one for name, one in request.args.items() if name in ("after", "before")},
        "reasons": REASON_NAMES,
        "request_id": secrets.token_urlsafe(12),
        "bulk": last_of(site.id),
        "about": about,
        "max_notes": MAX_NOTES,
        "max_note_length": MAX_NOTE_LENGTH,
        "building": services().reindex.under_way(site.id),
    }


def comments_of(shown: dict[str, Any]) -> list[Comment]:
    """Return the comments of the lists, the newest first."""
    items: Sequence[ReviewItem] = [row.item for row in shown["rows"] if not row.item.damaged]
    decided: Found = shown["decided"]
    timed = [(item.enqueued_at, item.comment) for item in items]
    timed += [(one.enqueued_at, one.comment) for one in decided.decisions if one.comment]
    return [comment for _at, comment in sorted(timed, key=lambda pair: -pair[0])]


def names_in(comments: Iterable[Comment], *, shows: bool) -> list[str]:
    """Return the pen names of comments, each once, at most `MAX_NAMES`."""
    names = (one.author_name if shows else masked(one.author_name) for one in comments)
    return list(dict.fromkeys(filter(None, names)))[:MAX_NAMES]


def days_back(now: float, n_days: int) -> list[int]:
    """Return when the last days began, today included, in Unix time."""
    today = int(now // DAY)
    return [day * DAY for day in range(today - n_days + 1, today + 1)]
