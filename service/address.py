"""Public address: the Host header is compared with it, links begin with it; proxies before it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from service.accounts.accounts import Accounts
from service.config import UNBELIEVED_PROXY
from service.errors import StoreUnavailable, UnknownHost
from service.services import services

log = structlog.get_logger()

# Under other names than the public one a machine of the same network may come, and a refusal would
# let its comments go unchecked. These are let in by key or signature, or tell nobody an address.
_FOR_MACHINES = frozenset({"api", "coral", "openai", "perspective"})
_TELL_ADDRESSES = frozenset({"api.openapi", "perspective.describe"})
_FORWARDED = ("FORWARDED", "X_FORWARDED_FOR", "X_FORWARDED_HOST", "X_FORWARDED_PROTO")
_OWN_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})  # nobody else's browser goes there


def install(app: Flask, n_proxies: int, accounts: Accounts) -> None:
    """Believe so many proxies what they say of a client, and check the Host header first."""
    if n_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=n_proxies, x_proto=n_proxies
        )
    else:
        app.after_request(_noticing_proxies(accounts))
    app.before_request(_check_host)


def base_url() -> str:
    """Return the address under which others reach this service, without a slash at its end."""
    public: str = services().settings.public_url
    if not public:
        log.warning("address_taken_from_request", missing="HAKAM_PUBLIC_URL")
    return public or f"{request.scheme}://{request.host or 'localhost'}"  # none that can be read


def _check_host() -> None:
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


def _noticing_proxies(accounts: Accounts) -> Callable[[Response], Response]:
    """Say once that a proxy is in front whose word nobody takes: then all clients look like one."""
    noticed = False

    def remember() -> None:
        with suppress(StoreUnavailable):
            accounts.note_unbelieved_proxy()

    def notice(answer: Response) -> Response:
        nonlocal noticed
        if not noticed and any(f"HTTP_{name}" in request.environ for name in _FORWARDED):
            noticed = True
            log.warning("unbelieved_proxy", advice=UNBELIEVED_PROXY)
            answer.call_on_close(remember)
        return answer

    return notice
