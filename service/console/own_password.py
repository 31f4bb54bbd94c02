"""The own password once more: asked for before what cannot be taken back, or opens a door."""

from flask import request
from flask_login import current_user

from service.accounts.records import digest
from service.console.permissions import me
from service.services import services


def is_own_password(password: str) -> bool:
    """Whether this is the password of whoever is logged in; failures are counted by session."""
    known = services().accounts.authenticate(
        me().name,
        password,
        address=request.remote_addr or "",
        device=f"session {digest(current_user.session_id)}",
    )
    return known is not None
