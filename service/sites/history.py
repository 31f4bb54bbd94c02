"""History of a site's settings: as they were, read backwards from the trail of changes.

Secrets are in no trail, so they are always those of now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from service.errors import Conflict
from service.sites.settings import Setting
from service.sites.site import SETTINGS, Site
from service.sites.sites import changes_between
from service.store.trail import Entry, Trail


@dataclass(frozen=True, slots=True)
class Past:
    """A site as it was once, and what became of it since."""

    site: Site
    since: Sequence[Entry]  # what changed its settings, the latest first
    secrets: frozenset[str]  # settings that changed since, of which nobody knows how they were


def past(trail: Trail, site: Site, revision: str, *, before: bool = False) -> Past:
    """Return a site with the settings of a revision, or with those before it.

    Conflict where an entry since then cannot be read.
    """
    # A site from before the trail has no revision: all entries are since then.
    since = [one for one in trail.latest(site.id, revision or "-") if _is_change(one)]
    undone = list(since)
    if before and (entry := trail.entry(site.id, revision)):
        undone.append(entry)
    return Past(_without(site, undone), since, frozenset(_secrets(undone)))


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


def _is_change(entry: Entry) -> bool:
    if entry.damaged:
        raise Conflict("an entry of the trail cannot be read")
    return entry.kind == "settings"


def _without(site: Site, entries: Iterable[Entry]) -> Site:
    was = json.loads(site.to_json())
    for entry in entries:
        for name, change in entry.changes.items():
            if name in SETTINGS and not change.secret:
                was[name] = change.undone(was[name])
    found = Site.from_json(json.dumps(was))
    return replace(found, levers=site.levers, revision=site.revision)


def _secrets(entries: Iterable[Entry]) -> Iterable[str]:
    return (name for entry in entries for name, change in entry.changes.items() if change.secret)


def is_kept(setting: Setting) -> bool:
    """Whether a setting can be set back: it is no secret."""
    return not setting.secret
