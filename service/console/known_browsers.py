"""Browsers in which somebody has logged in before, each known by a signed cookie."""

import hashlib
import secrets
from collections.abc import Sequence

from flask import current_app, request
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from service.accounts.account import AccountError, canonical_name
from service.services import signing_keys

COOKIE = "hakam_device"
MAX_SECONDS = 180 * 86400
MAX_NAMES = 10  # of moderators who share a computer


def browser_of(name: str) -> str:
    """Return the id of this browser, if `name` has logged in here before; else nothing."""
    browser, digests = _read()
    try:
        return browser if _digest(canonical_name(name)) in digests else ""
    except AccountError:
        return ""


def remember_browser(answer: Response, name: str) -> None:
    """Set the cookie by which this browser is known as one of `name`."""
    browser, digests = _read()
    digests = [_digest(name), *(other for other in digests if other != _digest(name))]
    answer.set_cookie(
        COOKIE,
        _serializer().dumps([browser, *digests[:MAX_NAMES]]),
        max_age=MAX_SECONDS,
        path=current_app.config["SESSION_COOKIE_PATH"],
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
    )


def _read() -> tuple[str, Sequence[str]]:
    try:
        browser, *digests = _serializer().loads(
            request.cookies.get(COOKIE, ""), max_age=MAX_SECONDS
        )
    except BadData:
        return secrets.token_urlsafe(12), ()
    return str(browser), digests


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(signing_keys(), salt="hakam device")


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
