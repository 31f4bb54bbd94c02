"""An OpenID provider that says whatever a test wants, in tokens with real signatures."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core.util import create_half_hash
from fake_sites import serving
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

CLIENT, SECRET = "hakam", "a secret: with 50 % + signs"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


def new_key(kid: str) -> ECKey:
    """A key pair of its own."""
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


@dataclass
class FakeProvider:
    """What it says, and what it was asked."""

    issuer: str = ""
    secrets: set[str] = field(default_factory=lambda: {SECRET})
    key: ECKey | RSAKey | OctKey = field(default_factory=lambda: new_key("first"))
    published: list[Any] = field(default_factory=list)  # keys; those of `key` where empty
    header: dict[str, Any] = field(default_factory=dict)  # in the place of what is right
    claims: dict[str, Any] = field(default_factory=dict)  # None leaves one out
    tokens: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)  # by path: an answer as it is
    status: dict[str, int] = field(default_factory=dict)  # by path
    answer: dict[str, str | None] = field(default_factory=dict)  # of the authorization endpoint
    paths: list[str] = field(default_factory=list)
    goes_on: Event = field(default_factory=Event)  # cleared: it takes connections, and says nothing
    codes: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    looks_at_verifiers: bool = True  # as RFC 7636 says

    def arrive(self, address: str, sub: str = "u-1", **claims: Any) -> str:
        """Log somebody in who was sent here; return where the browser goes back to."""
        asked = {name: one for name, (one,) in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["client_id"] == CLIENT
        code = f"code-{len(self.codes)}"
        self.codes[code] = (sub, {**asked, "claims": json.dumps(claims)})
        given = {"code": code, "state": asked["state"], "iss": self.issuer, **self.answer}
        query = urlencode({name: value for name, value in given.items() if value is not None})
        return f"{asked['redirect_uri']}?{query}"

    def document(self) -> dict[str, Any]:
        """Its discovery document."""
        right = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/end",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return without_none({**right, **self.discovery})

    def keys(self) -> dict[str, Any]:
        """Its public keys."""
        keys = self.published or [self.key]
        return {
            "keys": [
                one if not hasattr(one, "as_dict") else one.as_dict(private=False) for one in keys
            ]
        }

    def exchange(self, body: Mapping[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Its token endpoint."""
        client, secret = body.get("client_id", ""), body.get("client_secret", "")
        if authorization:
            given = b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            client, secret = unquote_plus(given[0]), unquote_plus(given[2])
        if client != CLIENT or secret not in self.secrets:
            return 401, {"error": "invalid_client"}
        code = body["code"]
        if code not in self.codes or code in self.used:
            return 400, {"error": "invalid_grant"}
        self.used.add(code)
        sub, asked = self.codes[code]
        challenge = create_s256_code_challenge(body["code_verifier"])
        if self.looks_at_verifiers and challenge != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        assert body["redirect_uri"] == asked["redirect_uri"]
        access = f"access-{code}"
        claims = {"nonce": asked["nonce"], "at_hash": create_half_hash(access, "ES256").decode()}
        claims |= {"sid": f"session-of-{sub}", "auth_time": int(time.time())}
        claims |= json.loads(asked["claims"])
        right = {"access_token": access, "token_type": "Bearer", "expires_in": 60}
        right["id_token"] = self.sign({"sub": sub, **claims, **self.claims})
        return 200, without_none({**right, **self.tokens})

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A token of a few minutes, with these claims."""
        now = int(time.time())
        right = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300}
        said = without_none({**right, **claims})
        wanted = without_none({"alg": "ES256", "kid": self.key.kid, **self.header, **header})
        return jwt.encode(wanted, said, self.key, algorithms=[str(wanted["alg"])])

    def logout_token(self, **claims: Any) -> str:
        """A token that ends sessions."""
        right = {"events": {LOGOUT_EVENT: {}}, "jti": f"logout-{time.time_ns()}", "sub": "u-1"}
        return self.sign({**right, **claims}, typ="logout+jwt")


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is there of a dictionary."""
    return {name: value for name, value in values.items() if value is not None}


@contextmanager
def providing() -> Iterator[FakeProvider]:
    """Run a provider."""
    provider = FakeProvider()
    provider.goes_on.set()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            found = {
                "/.well-known/openid-configuration": provider.document,
                "/keys": provider.keys,
                "/userinfo": lambda: provider.userinfo,
            }[path]
            self.say(path, 200, found())  # type: ignore[no-untyped-call]

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"])).decode()
            body = {name: one for name, (one,) in parse_qs(raw).items()}
            self.say("/token", *provider.exchange(body, self.headers.get("authorization", "")))

        def say(self, path: str, status: int, said: Mapping[str, Any]) -> None:
            provider.paths.append(path)
            provider.goes_on.wait(30)
            self.send_response(provider.status.get(path, status))
            self.send_header("location", f"{provider.issuer}/keys")
            self.end_headers()
            self.wfile.write(provider.raw.get(path) or json.dumps(said).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with serving(Answer) as url:
        provider.issuer = url.rstrip("/")
        try:
            yield provider
        finally:
            provider.goes_on.set()
