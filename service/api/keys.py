"""Machines at the door: whose key a request carries, how much of it is read, how often it may come,
and under which address they may have come.

Every interface for machines, ours and the compatible ones, asks here, so that all of them keep the
same limits. How a refusal looks is each interface's own affair.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import structlog
from flask import Flask, current_app, g, request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from service.errors import RateLimited, Unauthorized, UnknownHost, UnsupportedMedia

if TYPE_CHECKING:
    from service.app import Services
    from service.sites.sites import Site


log = structlog.get_logger()

# Under other names than the public one a machine of the same network may come, and a refusal would
# let its comments go unchecked. These are let in by key or signature, or tell nobody an address.
_FOR_MACHINES = frozenset({"api", "coral", "openai", "perspective"})
_TELL_ADDRESSES = frozenset({"api.openapi", "perspective.describe"})
_OWN_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})  # nobody else's browser goes there


def services() -> Services:
    """Return the parts of the product that this application was composed of."""
    return cast("Services", current_app.extensions["hakam"])


def site_of(key: str) -> Site:
    """Return the site of an API key, and count the request against its quota.

    Raises
    ------
    Unauthorized
        There is no key, or it belongs to no site.
    RateLimited
        The site has used up its requests of the last minute.
    StoreUnavailable
        The key cannot be checked.
    """
    site = services().sites.authenticate(key)
    if site is None:
        raise Unauthorized("expected the API key of a site")
    g.site_id = site.id
    services().quota.spend(site)
    return site


def bearer_key() -> str:
    """Return the key of the header ``Authorization: Bearer <key>``, or the empty string."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def raw_body(max_bytes: int) -> bytes:
    """Read the body of the request.

    Parameters
    ----------
    max_bytes : int
        Longest body; the limit of the settings holds as well.

    Raises
    ------
    werkzeug.exceptions.RequestEntityTooLarge
        The body is longer.
    """
    request.max_content_length = min(max_bytes, current_app.config["MAX_CONTENT_LENGTH"])
    raw = request.get_data(cache=False)
    request.stream.read(1)  # of a body without Content-Length the limit shows only behind its end
    return raw


def base_url() -> str:
    """Return the address under which others reach this service, without a slash at its end.

    Every link that leaves this service begins with it. Once HAKAM_PUBLIC_URL is set, nothing that a
    client says has a part in it.
    """
    public: str = services().settings.public_url
    if not public:
        log.warning("address_taken_from_request", missing="HAKAM_PUBLIC_URL")
    return public or f"{request.scheme}://{request.host or 'localhost'}"  # none that can be read


def install(app: Flask) -> None:
    """Refuse packed bodies, and pages and addresses to who asks under a name that is not ours."""
    app.before_request(_check_encoding)
    app.before_request(_check_host)


def _check_encoding() -> None:
    """Refuse a body that would have to be unpacked: how long it is would show too late.

    Raises
    ------
    UnsupportedMedia
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMedia("expected a body without Content-Encoding")


def _check_host() -> None:
    """Compare the Host header with the public address, if there is one.

    Raises
    ------
    UnknownHost
        It is neither that nor this machine's name for itself.
    """
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


class Quota:
    """How many requests a minute a site may send.

    The count is kept in each worker's memory, so that it costs nothing and holds while Redis is
    down; every worker grants its share.

    Parameters
    ----------
    n_workers : int
        Number of workers that share the requests of a site.
    """

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def spend(self, site: Site) -> None:
        """Count one request.

        Raises
        ------
        RateLimited
            As many came within the last minute.
        """
        if not site.requests_per_minute:
            return
        share = RateLimitItemPerMinute(math.ceil(site.requests_per_minute / self._n_workers))
        if not self._limiter.hit(share, site.id):
            reset = self._limiter.get_window_stats(share, site.id).reset_time
            raise RateLimited(site.requests_per_minute, max(1, math.ceil(reset - time.time())))
