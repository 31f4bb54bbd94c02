"""Account of a moderator: role, sites, preferences, and which names and passwords there can be."""

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from service.errors import FieldError, InvalidRequest
from service.roles import ROLES
from service.rules.notices import is_zone

MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 10, 1024
MAX_BREAK_MINUTES = 480
MAX_SEVERE_PER_HOUR = 60  # their times stand in the session cookie, which holds 4 KB
MAX_SEVERE_RUN = 30
MAX_RUN_MINUTES = 120

_NAME = re.compile(r"[\w.@+-]{2,64}")


class AccountError(InvalidRequest):
    """What a person asked of an account cannot be done; the console translates the code."""

    def __init__(self, code: str, field_name: str, message: str) -> None:
        super().__init__([FieldError(field_name, message)])
        self.code = code


def _check_zone(name: str) -> str:
    if not is_zone(name):
        raise ValueError("expected the name of a time zone")
    return name


@pydantic_dataclass(frozen=True, slots=True, config=ConfigDict(strict=True))
class Preferences:
    """How one moderator wants the console to look and work."""

    language: str = "ar"
    theme: str = "auto"
    blur: bool = False  # evidence and severe comments, until asked for
    greyscale: bool = False
    # Minutes of work before a break is proposed, and most severe items in an hour; 0 is no limit.
    break_minutes: Annotated[int, Field(ge=0, le=MAX_BREAK_MINUTES)] = 50
    severe_per_hour: Annotated[int, Field(ge=0, le=MAX_SEVERE_PER_HOUR)] = 0
    # A break is proposed too after so many severe items within so many minutes; 0 is never.
    severe_run: Annotated[int, Field(ge=0, le=MAX_SEVERE_RUN)] = 5
    severe_run_minutes: Annotated[int, Field(ge=1, le=MAX_RUN_MINUTES)] = 15
    sound: bool = False  # when something urgent comes, or something after nothing
    time_zone: Annotated[str, AfterValidator(_check_zone)] = "UTC"
    digits: Literal["western", "eastern"] = "western"  # of Arabic pages
    text_size: Literal["normal", "small", "large", "larger"] = "normal"
    density: Literal["comfortable", "compact"] = "comfortable"
    shortcuts: bool = True  # keys of one letter or digit
    keys: Mapping[str, str] = field(default_factory=dict)  # by command, where not the default
    replies: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @classmethod
    def from_json(cls, text: str | None) -> "Preferences":
        """Read stored preferences; what this version does not know or cannot use is left out."""
        try:
            stored = json.loads(text or "{}")
            try:
                return cls(**stored)
            except ValidationError as wrong:
                unusable = {error["loc"][0] for error in wrong.errors()}
                return cls(**{name: stored[name] for name in stored.keys() - unusable})
        except (TypeError, ValueError):
            return cls()


@dataclass(frozen=True, slots=True)
class Account:
    """One person."""

    name: str
    role: str
    sites: tuple[str, ...] | None = None  # None for somebody who works for every site
    disabled: bool = False
    created_at: float = 0.0
    has_password: bool = True
    password_mark: str = ""  # another one with each new password, and tells nothing of it
    has_totp: bool = False
    identity: str = ""  # digest of whom single sign-on lets in as this person
    display_name: str = ""  # as the provider of single sign-on says it; names nobody
    graduated: bool = False  # no longer a trainee, and not told so yet
    preferences: Preferences = field(default_factory=Preferences)

    @classmethod
    def from_record(cls, name: str, record: Mapping[str, str]) -> "Account":
        """Read a stored account; what cannot be read of it gives no right to anything."""
        role, password = record.get("role", ""), record.get("password", "")
        return cls(
            name=name,
            role=role if role in ROLES else ROLES[0],
            sites=read_sites(record.get("sites")) if role in ROLES else (),
            disabled=bool(record.get("disabled")),
            created_at=_moment(record.get("created_at")),
            has_password=bool(password),
            password_mark=hashlib.sha256(password.encode()).hexdigest()[:16],
            has_totp=bool(record.get("totp")),
            identity=record.get("identity", ""),
            display_name=record.get("display_name", ""),
            graduated=bool(record.get("graduated")),
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

    >>> canonical_name(" Samira ")
    'samira'
    """
    folded = unicodedata.normalize("NFKC", name).strip().casefold()
    if not _NAME.fullmatch(folded):
        raise AccountError("bad_name", "name", "a name has 2 to 64 letters, digits or . _ @ + -")
    return folded


def check_role(role: str) -> str:
    """Return the role, if there is one of this name."""
    if role not in ROLES:
        raise AccountError("bad_role", "role", f"a role is one of {', '.join(ROLES)}")
    return role


def check_password(password: str) -> str:
    """Return the password, if its length will do (NIST SP 800-63B section 5.1.1.2)."""
    try:
        password.encode()
    except UnicodeEncodeError:
        raise AccountError("bad_password", "password", "must be valid Unicode") from None
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise AccountError(
            "bad_password", "password", f"has {MIN_PASSWORD_LENGTH} characters or more"
        )
    return password


def read_sites(sites: str | None) -> tuple[str, ...] | None:
    """Return the sites that a record assigns; None is every site."""
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
