"""What is known of a person at the desk, and which names, roles and passwords there can be.

Pure: the frozen records that `service.accounts.accounts` stores and hands out.
"""

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.errors import FieldError, InvalidRequest

ROLES = ("moderator", "senior", "admin")

MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 10, 1024
MAX_BREAK_MINUTES = 480
MAX_SEVERE_PER_HOUR = 60  # their times stand in the session cookie, which holds 4 KB

_NAME = re.compile(r"[\w.@+-]{2,64}")


class AccountError(InvalidRequest):
    """Something a person asked of an account cannot be done.

    Attributes
    ----------
    code : str
        A stable code which the console turns into a sentence of the reader's language.
    """

    def __init__(self, code: str, field_name: str, message: str) -> None:
        super().__init__([FieldError(field_name, message)])
        self.code = code


@dataclass(frozen=True, slots=True)
class Preferences:
    """What one moderator chose for their own desk; every field has a kind default.

    Attributes
    ----------
    language : str
        Catalogue code, ``ar`` or ``en``.
    theme : str
        ``auto``, ``light`` or ``dark``.
    blur, greyscale : bool
        Evidence and severe comments blurred until asked for; the desk without colour.
    break_minutes : int
        Minutes of work after which a break is proposed; 0 never.
    severe_per_hour : int
        Most severe items offered in an hour, at most 60; 0 without limit.
    keys : mapping of str to str
        Command to key, only those that differ from the console's defaults.
    replies : tuple of str
        Saved replies to authors.
    """

    language: str = "ar"
    theme: str = "auto"
    blur: bool = False
    greyscale: bool = False
    break_minutes: int = 50
    severe_per_hour: int = 0
    keys: Mapping[str, str] = field(default_factory=dict)
    replies: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, text: str | None) -> "Preferences":
        """Read stored preferences; what this version does not know or cannot use is left out."""
        try:
            stored = json.loads(text) if text else {}
        except ValueError:
            stored = {}
        if not isinstance(stored, dict):
            stored = {}
        chosen = {name: value for name, value in stored.items() if _usable(name, value)}
        if "replies" in chosen:
            chosen["replies"] = tuple(chosen["replies"])
        return cls(**chosen)


_KINDS: Mapping[str, type] = {
    "language": str,
    "theme": str,
    "blur": bool,
    "greyscale": bool,
    "break_minutes": int,
    "severe_per_hour": int,
    "keys": dict,
    "replies": list,
}
_HIGHEST: Mapping[str, int] = {
    "break_minutes": MAX_BREAK_MINUTES,
    "severe_per_hour": MAX_SEVERE_PER_HOUR,
}


def _usable(name: str, value: Any) -> bool:
    """Whether a stored preference is one that the desk can follow."""
    if type(value) is not _KINDS.get(name):
        return False
    if isinstance(value, int) and name in _HIGHEST:
        return 0 <= value <= _HIGHEST[name]
    if isinstance(value, (dict, list)):
        words = [*value, *value.values()] if isinstance(value, dict) else value
        return all(isinstance(word, str) for word in words)
    return True


@dataclass(frozen=True, slots=True)
class Account:
    """One person. ``sites`` is ``None`` for somebody who works for every site.

    ``password_mark`` is another one with each new password, and tells nothing of it.
    """

    name: str
    role: str
    sites: tuple[str, ...] | None = None
    disabled: bool = False
    created_at: float = 0.0
    has_password: bool = True
    password_mark: str = ""
    has_totp: bool = False
    preferences: Preferences = field(default_factory=Preferences)

    @classmethod
    def from_record(cls, name: str, record: Mapping[str, str]) -> "Account":
        """Read a stored account; what cannot be read of it gives no right to anything."""
        role, password = record.get("role", ""), record.get("password", "")
        return cls(
            name=name,
            role=role if role in ROLES else ROLES[0],
            sites=_assigned(record.get("sites")) if role in ROLES else (),
            disabled=bool(record.get("disabled")),
            created_at=_moment(record.get("created_at")),
            has_password=bool(password),
            password_mark=hashlib.sha256(password.encode()).hexdigest()[:16],
            has_totp=bool(record.get("totp")),
            preferences=Preferences.from_json(record.get("preferences")),
        )

    def may_see(self, site_id: str) -> bool:
        """Whether this person works for the site; admins work for all."""
        return self.role == "admin" or self.sites is None or site_id in self.sites

    def at_least(self, role: str) -> bool:
        """Whether this person has ``role`` or one above it."""
        return ROLES.index(self.role) >= ROLES.index(role)


def canonical_name(name: str) -> str:
    """Return the form under which a name is stored.

    Raises
    ------
    AccountError
        ``name`` is not 2 to 64 letters, digits or ``. _ @ + -``.

    Examples
    --------
    >>> canonical_name(" Samira ")
    'samira'
    """
    folded = unicodedata.normalize("NFKC", name).strip().casefold()
    if not _NAME.fullmatch(folded):
        raise AccountError("bad_name", "name", "a name has 2 to 64 letters, digits or . _ @ + -")
    return folded


def check_role(role: str) -> str:
    """Return the role.

    Raises
    ------
    AccountError
        There is no such role.
    """
    if role not in ROLES:
        raise AccountError("bad_role", "role", f"a role is one of {', '.join(ROLES)}")
    return role


def check_password(password: str) -> str:
    """Return the password.

    Raises
    ------
    AccountError
        It is too short, or absurdly long.
    """
    # No rules of composition, only length: NIST SP 800-63B section 5.1.1.2.
    try:
        password.encode()
    except UnicodeEncodeError:
        raise AccountError("bad_password", "password", "must be valid Unicode") from None
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise AccountError(
            "bad_password", "password", f"has {MIN_PASSWORD_LENGTH} characters or more"
        )
    return password


def _assigned(sites: str | None) -> tuple[str, ...] | None:
    try:
        read = json.loads(sites or "null")
    except ValueError:
        return ()
    if read is None:
        return None
    return tuple(one for one in read if isinstance(one, str)) if isinstance(read, list) else ()


def _moment(stored: str | None) -> float:
    try:
        moment = float(stored or 0)
    except ValueError:
        return 0.0
    return moment if math.isfinite(moment) else 0.0
