"""API keys: which site a request comes from."""

from __future__ import annotations

from flask import g, request

from service.errors import Unauthorized
from service.services import services
from service.sites.api_keys import mark_of
from service.sites.site import Site
from service.store.trail import Origin


def site_of(key: str) -> Site:
    """Return the site of an API key, and count the request against its quota."""
    site = services().known_sites.authenticate(key)
    if site is None:
        raise Unauthorized("expected the API key of a site")
    g.site_id, g.origin = site.id, Origin("api", mark_of(key))
    services().key_uses.note(site.id, key)
    services().quota.spend(site)
    return site


def bearer_key() -> str:
    """Return the key of the header ``Authorization: Bearer <key>``, or the empty string."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
