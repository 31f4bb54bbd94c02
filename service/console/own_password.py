"""The own password once more: asked for before what cannot be taken back, or opens a door.

Whoever has none, because single sign-on alone lets them in, logs in there once more instead.
"""

import time

from flask import request, session
from flask_login import current_user

from service.accounts.records import digest
from service.console.permissions import me
from service.services import services

CONFIRMED = "confirmed_at"  # the key of the session that says when
CONFIRMED_SECONDS = 300


def is_own_password(password: str) -> bool:
    """Whether this is the password of whoever is logged in; failures are counted by session."""
    if only_signs_on():
        return is_confirmed()
    known = services().accounts.authenticate(
        me().name,
        password,
        address=request.remote_addr or "",
        device=f"session {digest(current_user.session_id)}",
    )
    return known is not None


def only_signs_on() -> bool:
    """Whether whoever is logged in has no password that could be asked for."""
    return bool(me().identity) and not me().has_password


def is_confirmed() -> bool:
    """Whether the provider let them log in a moment ago, as this browser's session knows."""
    since: float = session.get(CONFIRMED, 0)
    return abs(time.time() - since) <= CONFIRMED_SECONDS
