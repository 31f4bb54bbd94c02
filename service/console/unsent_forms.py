"""Unsent forms: what somebody typed and could not be taken, kept until it can be sent again.

It is kept in the page that says why, never on the server. Across a login it travels as one sealed
field, so that it comes back only as it came here, and only to the moderator who typed it; where the
browser does not know any more who that was, only a decision is kept, which shows what it is and is
of no use to anybody else. Kept is only what this console's own pages have sent: a form of another
site must not put words into the mouth of whoever logs in next.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import request, session
from flask_wtf.csrf import ValidationError, validate_csrf
from itsdangerous import BadData, URLSafeTimedSerializer

from service.services import signing_keys
from service.sites.site import SETTINGS

MAX_CHARACTERS = 220_000  # two lists of a thousand words of a site's settings are the longest
MAX_SECONDS = 3600  # to log in again

#: What is kept is what a person wrote or chose. Secrets are not, nor what has no page.
_NEVER = {
    "console.update_language",
    "console.work.renew",
    "console.work.take_break",
    "console.account.update_password",
    "console.account.delete_session",
    "console.account.update_second_factor",
    "console.settings.rotate_key",
}

_SECRETS = {"csrf_token", "own_password", *(one.name for one in SETTINGS.values() if one.secret)}


@dataclass(frozen=True, slots=True)
class Unsent:
    """A form that was not taken: where it was sent, and its fields without the CSRF token."""

    path: str
    fields: Sequence[tuple[str, str]]

    def seal(self) -> str:
        """Return the form as text that nobody else can make."""
        return _sealed().dumps([last_name(), self.path, list(self.fields)])

    def get(self, name: str) -> str:
        """Return the first value of a field, or the empty string."""
        return next((value for field, value in self.fields if field == name), "")


def unsent() -> Unsent | None:
    """Return the form of this request, if there is one worth keeping and this console sent it."""
    fields = [(n, v) for n, v in request.form.items(multi=True) if n not in _SECRETS]
    size = sum(len(name) + len(value) for name, value in fields)
    known = request.method == "POST" and request.endpoint and request.endpoint not in _NEVER
    if not last_name() and request.endpoint != "console.work.decide":
        return None  # whoever logs in next would be asked to send what they have not seen
    if not known or request.blueprint == "console.login":
        return None
    if not fields or size > MAX_CHARACTERS or not _is_ours():
        return None
    return Unsent(request.path, fields)


def opened(sealed: str, name: str) -> Unsent | None:
    """Return what `Unsent.seal` sealed, if it is not too old and not another moderator's."""
    try:
        whose, path, fields = _sealed().loads(sealed, max_age=MAX_SECONDS)
    except BadData:
        return None
    return Unsent(path, [(n, v) for n, v in fields]) if whose in ("", name) else None


def last_name() -> str:
    """Return the name of whoever was logged in here last, as the cookie knows it."""
    return str(session.get("_user_id", "")).partition(" ")[0]


def _is_ours() -> bool:
    """Return whether a page of this console sent the form."""
    # The browser says so, in a header that no page can set; or the form holds the CSRF token.
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    try:
        validate_csrf(request.form.get("csrf_token", ""))
    except ValidationError:
        return False
    return "_user_id" in session  # a visitor has no work to lose


def _sealed() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(signing_keys(), salt="hakam unsent form")
