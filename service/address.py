"""Public address: the Host header is compared with it, and links begin with it."""

from __future__ import annotations

from urllib.parse import urlsplit

import structlog
from flask import request

from service.errors import UnknownHost
from service.services import services

log = structlog.get_logger()

# Under other names than the public one a machine of the same network may come, and a refusal would
# let its comments go unchecked. These are let in by key or signature, or tell nobody an address.
_FOR_MACHINES = frozenset({"api", "coral", "openai", "perspective"})
_TELL_ADDRESSES = frozenset({"api.openapi", "perspective.describe"})
_OWN_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})  # nobody else's browser goes there


def base_url() -> str:
    """Return the address under which others reach this service, without a slash at its end."""
    public: str = services().settings.public_url
    if not public:
        log.warning("address_taken_from_request", missing="HAKAM_PUBLIC_URL")
    return public or f"{request.scheme}://{request.host or 'localhost'}"  # none that can be read


def check_host() -> None:
    """Refuse a Host header that is neither that of the public address nor this machine's own."""
    public = services().settings.public_url
    for_machines = request.blueprint in _FOR_MACHINES and request.endpoint not in _TELL_ADDRESSES
    if not public or for_machines:
        return
    try:
        host = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        host = ""
    if host.rstrip(".") not in _OWN_HOSTS | {urlsplit(public).hostname}:
        raise UnknownHost("this service is reached at the address that HAKAM_PUBLIC_URL names")
