"""Reader links: JSON Web Tokens by which readers report comments and authors object.

Promises: whoever holds such a token may report this one comment, or object to this one decision,
of this one site, until it ends; no other key is needed, and no token is good for anything else. A
site signs the links of its comments itself, with HS256 and its `reader_link_secret` (RFC 7519), so
that a page costs no request; those of decisions are signed here.

Claims: ``aud`` says what it is for, ``sub`` is the site's id of the comment or the decision,
``exp`` when it ends. A report's may have ``digest`` (the content digest of the comment, by which a
text that comes along is believed), ``url`` and ``title`` of the page, and ``reader``, the site's id
of who is logged in there.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.queue.records import DIGEST_LENGTH, Decision
from service.sites.site import Site

Purpose = Literal["report", "appeal"]

ALGORITHM = "HS256"
MAX_LENGTH = 4_096  # of a token
APPEAL_SECONDS = 184 * 86_400  # half a year at least (Art. 20(1) DSA)

_Line = Annotated[str, Field(max_length=1_000, pattern=r"^[^\x00]*$")]


class Link(BaseModel):
    """What a token says."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    sub: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]
    digest: Annotated[str, Field(pattern=f"^([A-Za-z0-9_-]{{{DIGEST_LENGTH}}})?$")] = ""
    url: Annotated[str, Field(max_length=2_048, pattern=r"^(https?://[^\x00]+)?$")] = ""
    title: _Line = ""
    reader: _Line = ""


def read_link(site: Site, purpose: Purpose, token: str) -> Link | None:
    """Read a token; None where it is not this site's, not for this, or has ended."""
    known = (site.reader_link_secret, site.reader_link_old_secret)
    found = (_read(secret, purpose, token) for secret in known if secret)
    return next(filter(None, found), None) if len(token) <= MAX_LENGTH else None


def _read(secret: str, purpose: Purpose, token: str) -> Link | None:
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            audience=_audience(purpose),
            options={"require": ["aud", "exp", "sub"]},
        )
        return Link.model_validate(claims)
    except (jwt.InvalidTokenError, ValidationError, UnicodeError):
        return None


def sign_link(site: Site, purpose: Purpose, sub: str, exp: float, **more: Any) -> str:
    """Sign a token, as a site does for its comments."""
    claims = {"aud": _audience(purpose), "sub": sub, "exp": int(exp), **more}
    return jwt.encode(claims, site.reader_link_secret, algorithm=ALGORITHM)


def appeal_address(site: Site, decision: Decision, public_url: str) -> str:
    """Return where an author can object to a decision; empty where there is no such page."""
    if not (public_url and site.reader_link_secret):
        return ""
    token = sign_link(site, "appeal", decision.id, decision.decided_at + APPEAL_SECONDS)
    return f"{public_url}/readers/{site.id}/appeal?token={token}"


def _audience(purpose: Purpose) -> str:
    return f"hakam-{purpose}"
