"""Addresses and secrets of a site's webhook, Coral and notices: which of them can be used.

A site may hold ones that cannot, because looser rules held once; new ones must be usable.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from service.errors import FieldError, InvalidRequest
from service.rules.notices import is_zone
from service.sites.notice_addresses import check_addresses
from service.sites.settings import ADDRESS_FORM, ZONE_FORM

SECRET_FORM = "whsec_ and 24 to 64 bytes in base64"  # noqa: S105 - its form


def new_webhook_secret() -> str:
    """Make a secret for a webhook, as the specification of Standard Webhooks wants it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def signing_key(secret: str, name: str = "webhook_secret") -> bytes:
    """Return the key of a webhook's secret, of a length that Standard Webhooks allows."""
    letters = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except ValueError:
        key = b""
    if not 24 <= len(key) <= 64:
        raise InvalidRequest.of(name, f"expected {SECRET_FORM}")
    return key


def check_connections(site: object, before: object | None) -> None:
    """Refuse addresses and secrets that a site newly has and that cannot be used."""
    errors = list[FieldError]()
    for name, check in _CHECKS.items():
        value = getattr(site, name)
        if value and (before is None or value != getattr(before, name)):
            try:
                check(name, value)
            except InvalidRequest as wrong:
                errors += wrong.errors
    if errors:
        raise InvalidRequest(errors)


def _check_address(name: str, address: str) -> None:
    try:
        url = httpx.URL(address)
        url.host.encode("idna")
        good = bool(url.host) and (url.port or 1) < 65_536
    except (httpx.InvalidURL, UnicodeError):
        good = False
    if not good:
        raise InvalidRequest.of(name, f"expected {ADDRESS_FORM}")


def _check_tokens(name: str, tokens: tuple[str, ...]) -> None:
    for token in tokens:  # an empty one would let anybody sign
        if not (token and token.isascii() and token.isprintable() and " " not in token):
            raise InvalidRequest.of(name, "expected ASCII characters without blanks")


def _check_zone(name: str, zone: str) -> None:
    if not is_zone(zone):
        raise InvalidRequest.of(name, f"expected {ZONE_FORM}")


_CHECKS: Mapping[str, Callable[[str, Any], object]] = {
    "webhook_url": _check_address,
    "coral_url": _check_address,
    "webhook_secret": lambda name, secret: signing_key(secret, name),
    "webhook_old_secret": lambda name, secret: signing_key(secret, name),
    "coral_secrets": _check_tokens,
    "coral_token": lambda name, token: _check_tokens(name, (token,)),
    "notice_addresses": check_addresses,
    "time_zone": _check_zone,
}
