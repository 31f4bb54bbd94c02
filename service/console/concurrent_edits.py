"""Concurrent edits: a form made from settings that others have changed since is not saved.

What was typed is kept, and what the others changed is shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import request

from service.console.permissions import by_me, site_for
from service.errors import Conflict, SettingsChanged
from service.services import services
from service.sites.history import merged, past
from service.sites.site import Site
from service.store.trail import Entry, is_entry_id


@dataclass(frozen=True, slots=True)
class Stale:
    """A form that was made from older settings: what to show in its place."""

    site: Site  # as it is
    wanted: Site  # with what was typed
    since: Sequence[Entry]  # what others changed, the latest first


def update(site: Site, typed: Callable[[Site], Site]) -> Site | Stale:
    """Store what `typed` makes of a site, unless the form of this request is of an older one."""
    revision = request.form.get("revision", site.revision or "")
    if revision == (site.revision or ""):
        try:
            return services().sites.update(typed(site), by=by_me())
        except SettingsChanged:
            site = site_for(site.id)
    if revision and not is_entry_id(revision):
        raise Conflict("the form is of no revision of these settings")
    was = past(services().trail, site, revision)
    return Stale(site, merged(was.site, typed(was.site), site), was.since)
