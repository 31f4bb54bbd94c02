"""ID tokens and logout tokens: signature and claims, checked before anything of them is believed.

What is unknown, missing or malformed is refused, with a word of ours for the reason.
Sources: OpenID Connect Core 1.0 section 3.1.3.7, Back-Channel Logout 1.0 section 2.6, RFC 8176.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.claims import JWTClaims
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, ClaimError, InvalidKeyIdError, JoseError
from joserfc.jws import JWSRegistry

from service.accounts.records import digest
from service.config import Settings
from service.roles import MAX_GROUP_LENGTH
from service.sign_on.provider import ALGORITHMS, Begun, Provider, SignOnRefused

LEEWAY_SECONDS = 30  # by which the clocks may differ
MAX_TOKEN_LENGTH = 32_768
MAX_GROUPS = 2_000
MAX_NAME_LENGTH = 80
AGAIN_SECONDS = 300  # since somebody logged in at the provider, where that was asked for
LOGOUT_SECONDS = 300  # how old a logout token may be
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_MAX_SUB_LENGTH = 255
#: Claims that a reason may name; any other comes from the provider.
_CLAIMS = {"iss", "sub", "aud", "exp", "nbf", "iat", "nonce", "azp", "at_hash", "auth_time", "amr"}


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider says that a browser belongs to."""

    identity: str  # digest of issuer and subject, which nobody else has
    user_name: str
    display_name: str
    groups: tuple[str, ...]
    groups_refused: str  # why they may not be all that there are; else empty
    has_second_factor: bool
    authenticated_at: float  # 0 where the provider does not say
    session: str  # digest of its session at the provider; empty where that does not say
    id_token: str


@dataclass(frozen=True, slots=True)
class Logout:
    """Whose sessions the provider ends: of a person, of one of their sessions, or of a session."""

    identity: str
    session: str
    token: str  # digest of what makes it the only one


def read_person(
    provider: Provider,
    settings: Settings,
    answer: Mapping[str, Any],
    begun: Begun,
    *,
    clock: Callable[[], float] = time.time,
) -> Person:
    """Read the tokens that a code was good for; raises SignOnRefused and ProviderUnavailable."""
    raw, access = answer.get("id_token"), answer.get("access_token")
    if not isinstance(raw, str) or not isinstance(access, str):
        raise SignOnRefused("no_token")
    if str(answer.get("token_type", "")).lower() != "bearer":
        raise SignOnRefused("token_type")
    header, claims = _verified(provider, raw)
    params = {"nonce": begun.nonce, "client_id": provider.client_id, "access_token": access}
    _check(CodeIDToken(claims, header, _expected(provider), params), clock())
    if not isinstance(claims.get("at_hash", "absent"), str) or claims.get("at_hash") == "":
        raise SignOnRefused("at_hash")  # the library passes over what is empty
    subject = _subject(claims)
    named, said = settings.oidc_groups_claim, claims
    found = _claim(claims, named)
    if found is None:  # some say it at another place alone
        more = provider.userinfo(access)
        if more and more.get("sub") != subject:
            raise SignOnRefused("userinfo_sub")
        said, found = {**more, **claims}, _claim(more, named)
    groups, refused = _groups(found)
    elsewhere = claims.get("_claim_names")  # of what a token has no room for; nobody fetches it
    if found is None and isinstance(elsewhere, dict) and named in elsewhere:
        refused = "groups_elsewhere"
    since = _moment(claims.get("auth_time"))
    if since > clock() + LEEWAY_SECONDS:  # it would be fresh for ever
        raise SignOnRefused("auth_time")
    methods = claims.get("amr", [])
    references = [*(methods if isinstance(methods, list) else ()), claims.get("acr")]
    second = set(settings.oidc_second_factor.split())
    return Person(
        identity=identity_of(provider.issuer, subject),
        user_name=_text(said.get("preferred_username")),
        display_name=_text(said.get("name")),
        groups=groups,
        groups_refused=refused,
        has_second_factor=any(isinstance(one, str) and one in second for one in references),
        authenticated_at=since,
        session=_session(provider.issuer, claims),
        id_token=raw,
    )


def check_fresh(person: Person, now: float) -> None:
    """Refuse somebody who did not log in at the provider just now, though that was asked for."""
    if not now - person.authenticated_at <= AGAIN_SECONDS + LEEWAY_SECONDS:
        raise SignOnRefused("auth_time")


def read_logout(provider: Provider, raw: str, *, clock: Callable[[], float] = time.time) -> Logout:
    """Read a logout token; raises SignOnRefused and ProviderUnavailable."""
    header, claims = _verified(provider, raw)
    now = clock()
    options = _expected(provider) | {"jti": {"essential": True}, "exp": {}, "sub": {}}
    _check(JWTClaims(claims, header, options), now)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(_LOGOUT_EVENT), dict):
        raise SignOnRefused("events")
    if "nonce" in claims:  # then it is an ID token
        raise SignOnRefused("nonce")
    if now - claims["iat"] > LOGOUT_SECONDS + LEEWAY_SECONDS:
        raise SignOnRefused("iat")
    identity = identity_of(provider.issuer, _subject(claims)) if "sub" in claims else ""
    session = _session(provider.issuer, claims)
    if not identity and not session:
        raise SignOnRefused("sub")
    return Logout(identity, session, digest(f"{provider.issuer}\n{claims['jti']}"))


def identity_of(issuer: str, subject: str) -> str:
    """Return by what a person is known here: who says it, and whom they mean."""
    return digest(f"{issuer}\n{subject}")


def _verified(provider: Provider, raw: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims of a token that the provider has signed."""
    if len(raw) > MAX_TOKEN_LENGTH or not raw.isascii():
        raise SignOnRefused("token")
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    for anew in (False, True):  # the provider may have changed its keys
        try:
            token = jwt.decode(raw, provider.keys(anew=anew), registry=registry)
        except (InvalidKeyIdError, BadSignatureError):
            continue
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise SignOnRefused("token") from None
        return token.header, token.claims
    raise SignOnRefused("signature")


def _expected(provider: Provider) -> dict[str, Any]:
    return {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": provider.client_id},
        "sub": {"essential": True},
        "exp": {"essential": True},
        "iat": {"essential": True},
    }


def _check(claims: Any, now: float) -> None:
    try:
        claims.validate(now=int(now), leeway=LEEWAY_SECONDS)
    except ClaimError as wrong:
        raise SignOnRefused(wrong.claim if wrong.claim in _CLAIMS else "claim") from None
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise SignOnRefused("claim") from None


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUB_LENGTH:
        raise SignOnRefused("sub")
    return subject


def _session(issuer: str, claims: Mapping[str, Any]) -> str:
    named = claims.get("sid", "")
    if not isinstance(named, str) or len(named) > MAX_TOKEN_LENGTH:
        raise SignOnRefused("sid")
    return digest(f"{issuer}\n{named}") if named else ""


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """Return the claim of that name, else what a path of names divided by dots leads to."""
    if name in claims:
        return claims[name]
    found: object = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _groups(found: object) -> tuple[tuple[str, ...], str]:
    """Return somebody's groups, and why whoever is in none that counts is in none."""
    if found is None:
        return (), "groups_missing"
    is_list = isinstance(found, list)
    listed = found if isinstance(found, list) else [found]  # one text is one group, never several
    if len(listed) > MAX_GROUPS:
        return (), "groups_malformed"
    if not all(isinstance(one, str) and len(one) <= MAX_GROUP_LENGTH for one in listed):
        return (), "groups_malformed"
    return tuple(listed), "" if is_list else "groups_malformed"


def _text(value: object) -> str:
    """Return one line that can be shown: nothing invisible, nothing that turns what follows."""
    if not isinstance(value, str):
        return ""
    composed = unicodedata.normalize("NFC", value[: 4 * MAX_NAME_LENGTH])
    shown = "".join(
        " " if c.isspace() else c
        for c in composed
        if c.isspace() or unicodedata.category(c)[0] != "C"
    )
    return " ".join(shown.split())[:MAX_NAME_LENGTH].strip()


def _moment(value: object) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 2**53 else 0.0  # type: ignore[arg-type, operator]
