"""Raids as pages show them: a banner, with what can be done about it."""

import contextlib
from typing import Any

from service.errors import StoreUnavailable
from service.services import services

SHOWN = 3
HOURS = (1, 3, 6, 12, 24, 72)  # for which seniors hold an article


def shown_raids(site_id: str) -> dict[str, Any]:
    """Return what the banner shows; where it cannot be told, the page goes without it."""
    found = []
    with contextlib.suppress(StoreUnavailable):
        found = services().repeats.raids(site_id)[:SHOWN]
    return {"raids": found, "hours_of_hold": HOURS}
