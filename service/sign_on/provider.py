"""OpenID provider: its discovery document, its keys and its endpoints, asked within bounds.

Promises: no question takes longer than `TIMEOUT_SECONDS`, none is asked while the provider is known
not to answer, and no more than `AT_ONCE` at a time in one process, so that a slow provider holds no
threads that others need. No redirect is followed, no answer is read beyond its bound, and nothing
that the provider writes reaches a log.
Sources: OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749, RFC 7636 (PKCE), RFC 9207.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from secrets import token_urlsafe
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from authlib.oauth2.client import OAuth2Client
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import NotJson
from models.strict_json import read_json
from service.config import Settings
from service.delivery import http
from service.errors import ServiceError

TIMEOUT_SECONDS = 5.0
FRESH_SECONDS = 600.0  # the discovery document and the keys
ASKED_SECONDS = 5.0  # the discovery document, before somebody is sent there
SILENT_SECONDS = 30.0  # how long nothing is asked of a provider that did not answer
KEYS_AGAIN_SECONDS = 10.0  # at least between two questions for keys that a token names
AT_ONCE, WAIT_SECONDS = 2, 1.0
MAX_DOCUMENT_BYTES = 65_536
MAX_KEYS_BYTES, MAX_KEYS = 262_144, 100
MAX_TOKEN_BYTES = 131_072

#: Signatures that are taken: by a key pair of the provider alone. "none" is no signature, and those
#: of HS256 to HS512 can be made by everybody who knows the client secret.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
)


class ProviderUnavailable(ServiceError):
    """The provider does not answer, or its answer cannot be used; the reason is a word of ours."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the OpenID provider cannot be used: {reason}")
        self.reason = reason


class SignOnRefused(ServiceError):
    """Somebody does not get in by single sign-on; the reason is a word of ours."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"refused: {reason}")
        self.reason = reason


class Metadata(BaseModel):
    """What is used of a discovery document."""

    model_config = ConfigDict(strict=True, frozen=True)

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    response_types_supported: list[str] = Field(default_factory=lambda: ["code"])
    code_challenge_methods_supported: list[str] = Field(default_factory=lambda: ["S256"])
    token_endpoint_auth_methods_supported: list[str] = Field(
        default_factory=lambda: ["client_secret_basic"]
    )
    id_token_signing_alg_values_supported: list[str] = Field(default_factory=lambda: ["RS256"])
    authorization_response_iss_parameter_supported: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """One login on its way, which only the browser that began it can end."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Begun:
        """Return one that nobody can guess."""
        return cls(token_urlsafe(24), token_urlsafe(24), token_urlsafe(48))


class Provider:
    """The provider that the settings name."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer = settings.oidc_issuer
        self.client_id = settings.oidc_client_id
        self.redirect_uri = f"{settings.public_url}/console/sso/answer"
        self.after_logout_uri = f"{settings.public_url}/console/login"
        self._secret = settings.oidc_client_secret
        self._scopes = settings.oidc_scopes
        self._clock = clock
        self._http = http.client()
        self._places = BoundedSemaphore(AT_ONCE)
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._silent: tuple[float, str] | None = None

    @property
    def is_set(self) -> bool:
        """Whether the settings name a provider at all."""
        return bool(self.issuer)

    @property
    def is_silent(self) -> bool:
        """Whether the provider did not answer, or not well, a moment ago."""
        return self._silent is not None and self._clock() < self._silent[0]

    def metadata(self, *, max_age_seconds: float = FRESH_SECONDS) -> Metadata:
        """Return the discovery document; raises ProviderUnavailable."""
        known = self._metadata
        if known is None or self._clock() - known[0] > max_age_seconds:
            separator = "" if self.issuer.endswith("/") else "/"
            address = f"{self.issuer}{separator}.well-known/openid-configuration"
            document = self._document(address, MAX_DOCUMENT_BYTES)
            known = self._metadata = (self._clock(), self._checked(document))
        return known[1]

    def keys(self, *, anew: bool = False) -> KeySet:
        """Return the keys of the provider; `anew` where a token names one that is not known."""
        known = self._keys
        max_age_seconds = KEYS_AGAIN_SECONDS if anew else FRESH_SECONDS
        if known is None or self._clock() - known[0] > max_age_seconds:
            document = self._document(self.metadata().jwks_uri, MAX_KEYS_BYTES)
            known = self._keys = (self._clock(), self._key_set(document))
        return known[1]

    def authorization_url(self, begun: Begun, *, again: bool = False) -> str:
        """Return where a browser goes to log in; `again` though it is logged in there."""
        asked = {"prompt": "login", "max_age": "0"} if again else {}
        metadata = self.metadata(max_age_seconds=ASKED_SECONDS)  # else they find nobody there
        url, _ = self._client().create_authorization_url(
            metadata.authorization_endpoint,
            state=begun.state,
            nonce=begun.nonce,
            code_verifier=begun.verifier,
            **asked,
        )
        return str(url)

    def exchange(self, code: str, begun: Begun) -> Mapping[str, Any]:
        """Return the tokens that a code is good for, once; raises SignOnRefused too."""
        token: Mapping[str, Any] = self._client().fetch_token(
            self.metadata().token_endpoint,
            grant_type="authorization_code",
            code=code,
            code_verifier=begun.verifier,
        )
        return token

    def userinfo(self, access_token: str) -> Mapping[str, Any]:
        """Return what the provider says of the owner of a token."""
        endpoint = self.metadata().userinfo_endpoint
        if not endpoint:
            return {}
        headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        answer = self._ask("GET", endpoint, None, headers, MAX_DOCUMENT_BYTES)
        return _object(answer) if answer.is_success else {}

    def logout_url(self, id_token: str) -> str:
        """Return where a browser goes to end its session at the provider; empty where nowhere."""
        try:
            endpoint = self.metadata().end_session_endpoint if self.is_set else ""
        except ProviderUnavailable:
            endpoint = ""
        if not endpoint:
            return ""
        asked = {
            "id_token_hint": id_token,
            "client_id": self.client_id,
            "post_logout_redirect_uri": self.after_logout_uri,
        }
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{query}"

    def _client(self) -> _Client:
        methods = self.metadata().token_endpoint_auth_methods_supported
        wanted = [one for one in ("client_secret_basic", "client_secret_post") if one in methods]
        if not wanted:
            raise self._unusable("token_endpoint_auth_methods_supported")
        return _Client(
            self,
            client_id=self.client_id,
            client_secret=self._secret,
            token_endpoint_auth_method=wanted[0],
            scope=self._scopes,
            redirect_uri=self.redirect_uri,
            code_challenge_method="S256",
        )

    def _checked(self, document: Mapping[str, Any]) -> Metadata:
        try:
            metadata = Metadata.model_validate(document)
        except ValidationError as wrong:
            field = str(wrong.errors()[0]["loc"][0])
            raise self._unusable(field) from None
        if metadata.issuer != self.issuer:
            raise self._unusable("issuer")
        schemes = {"https", urlsplit(self.issuer).scheme}
        for field in (
            *("authorization_endpoint", "token_endpoint", "jwks_uri"),
            *("userinfo_endpoint", "end_session_endpoint"),
        ):
            address = getattr(metadata, field)
            if address and not _is_address(address, schemes):
                raise self._unusable(field)
        for field, usable in (
            ("response_types_supported", {"code"}),
            ("code_challenge_methods_supported", {"S256"}),
            ("id_token_signing_alg_values_supported", set(ALGORITHMS)),
        ):
            if usable.isdisjoint(getattr(metadata, field)):
                raise self._unusable(field)
        return metadata

    def _key_set(self, document: Mapping[str, Any]) -> KeySet:
        listed = document.get("keys")
        keys = []
        for one in listed[:MAX_KEYS] if isinstance(listed, list) else ():
            usable = isinstance(one, dict) and one.get("kty") in ("RSA", "EC")
            if usable and one.get("use", "sig") == "sig":
                try:  # one key that cannot be read is nothing to the others
                    keys.append(JWKRegistry.import_key(one))
                except (JoseError, ValueError, TypeError, KeyError, AttributeError):
                    continue
        if not keys:
            raise self._unusable("keys")
        return KeySet(keys)

    def _document(self, address: str, max_bytes: int) -> Mapping[str, Any]:
        try:
            answer = self._ask("GET", address, None, {"Accept": "application/json"}, max_bytes)
            found = _object(answer) if answer.status == 200 else None
        except ProviderUnavailable as wrong:
            if self.is_silent or wrong.reason == "busy":
                raise
            raise self._unusable(wrong.reason) from None
        if found is None:
            raise self._unusable("status")
        return found

    def _ask(
        self,
        method: str,
        address: str,
        body: str | None,
        headers: Mapping[str, str],
        max_bytes: int,
    ) -> http.Answer:
        """Ask the provider; what is longer than it may be is no answer."""
        if self._silent is not None and self.is_silent:
            raise ProviderUnavailable(self._silent[1])
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise ProviderUnavailable("busy")
        try:
            with http.within(TIMEOUT_SECONDS):
                answer = http.send(
                    self._http,
                    method,
                    address,
                    body,
                    headers,
                    allow_private=True,  # whoever runs Hakam names it, and many have it in house
                    max_answer_bytes=max_bytes + 1,
                )
        except http.EXPECTED as error:
            raise self._unusable(http.reason(error)) from None
        finally:
            self._places.release()
        if len(answer.body) > max_bytes:
            raise ProviderUnavailable("too long")
        if answer.status >= 500:
            raise ProviderUnavailable("status")
        return answer

    def _unusable(self, reason: str) -> ProviderUnavailable:
        """Ask nothing more for a while, and say why."""
        self._silent = (self._clock() + SILENT_SECONDS, reason)
        return ProviderUnavailable(reason)


class _Client(OAuth2Client):  # type: ignore[misc]  # Authlib ships no types
    """Authlib's client of an OAuth 2 server, whose questions go through `Provider`."""

    def __init__(self, provider: Provider, **options: Any) -> None:
        super().__init__(None, **options)
        self._provider = provider
        self.register_client_auth_method(("client_secret_basic", _basic))

    def _fetch_token(
        self, url: str, body: str, headers: Mapping[str, str], auth: Any, **_options: Any
    ) -> Mapping[str, Any]:
        _, sent, body = auth.prepare("POST", url, dict(headers), body)
        answer = self._provider._ask("POST", url, body, sent, MAX_TOKEN_BYTES)
        if not answer.is_success:
            raise SignOnRefused("code")  # used, too old, not ours; or the secret is wrong
        return _object(answer)


def _basic(
    client: Any, _method: str, url: str, headers: dict[str, str], body: str
) -> tuple[str, dict[str, str], str]:
    """Name the client by HTTP's basic scheme, its parts encoded as RFC 6749 section 2.3.1 says."""
    pair = ":".join(map(quote_plus, (client.client_id, client.client_secret)))
    encoded = b64encode(pair.encode("ascii")).decode("ascii")
    return url, headers | {"Authorization": f"Basic {encoded}"}, body


def _object(answer: http.Answer) -> Mapping[str, Any]:
    try:
        found = read_json(answer.body)
    except NotJson:
        found = None
    if not isinstance(found, dict):
        raise ProviderUnavailable("not JSON")
    return found


def _is_address(address: str, schemes: Collection[str]) -> bool:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return False
    plain = address.isascii() and address.isprintable() and " " not in address
    return plain and parts.scheme in schemes and bool(parts.hostname) and "@" not in parts.netloc
