"""History of a site's settings: as they were, read backwards from the trail of changes.

Secrets are in no trail, so they are always those of now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.errors import Conflict
from service.sites.site import SETTINGS, Site
from service.sites.sites import changes_between
from service.store.trail import Change, Entry, Trail

MAX_SINCE = 5  # later changes that are told


@dataclass(frozen=True, slots=True)
class Past:
    """A site as it was once, and what became of it since."""

    site: Site
    n_since: int  # how often its settings were changed since
    since: Sequence[Entry]  # the latest of these changes, the latest first
    secrets: frozenset[str]  # settings that changed since, of which nobody knows how they were


def past(trail: Trail, site: Site, revision: str, *, before: bool = False) -> Past:
    """Return a site with the settings of a revision, or with those before it.

    Conflict where an entry since then cannot be read.
    """
    was, secrets, since = json.loads(site.to_json()), set[str](), list[Entry]()
    n_since = 0
    # A site from before the trail has no revision: all entries are since then.
    for entry_id, fields in trail.stored(site.id, revision or "-"):
        changes = _changes(fields)
        if changes is None:
            continue
        n_since += 1
        if len(since) < MAX_SINCE:
            since.append(Entry.read(site.id, entry_id, fields))
        _undo(was, secrets, changes)
    if before and (entry := trail.entry(site.id, revision)):
        _undo(was, secrets, {name: one.to_json() for name, one in entry.changes.items()})
    found = Site.from_json(json.dumps(was))
    found = replace(found, levers=site.levers, is_closed=site.is_closed, revision=site.revision)
    return Past(found, n_since, since, frozenset(secrets))


def _changes(fields: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Return what an entry changed of the settings, as it is stored; None for any other kind."""
    try:
        stored = json.loads(fields["body"])
        found: Mapping[str, Any] = stored["changes"]
        return found if stored["kind"] == "settings" else None
    except (ValueError, TypeError, KeyError):
        raise Conflict("an entry of the trail cannot be read") from None


def _undo(was: dict[str, Any], secrets: set[str], changes: Mapping[str, Any]) -> None:
    for name, change in changes.items():
        if change is None:
            secrets.add(name)
        elif name in SETTINGS:
            read = change[0] if isinstance(change, list) else Change.from_json(change)
            was[name] = read.undone(was[name]) if isinstance(read, Change) else read


def merged(base: Site, mine: Site, theirs: Site) -> Site:
    """Return a site with what others changed of it, and what I did since the same base.

    Of a list both count; of any other setting that both changed, mine.
    """
    return replace(
        theirs,
        **{
            name: change.undone(getattr(theirs, name)) if change.is_list else getattr(mine, name)
            for name, change in changes_between(mine, base).items()
        },
    )
