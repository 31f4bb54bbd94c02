"""The OpenID provider: what is believed of it, and what becomes of logins while it is ill."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from click.testing import CliRunner
from fake_provider import FakeProvider, new_key
from flask import Flask
from joserfc.jwk import OctKey
from redis import Redis
from test_sign_on import (
    PASSWORD,
    Browser,
    Local,
    accounts,
    browser_,
    complaint,
    provider,
    reason,
    settings,
    sso,
)

from conftest import Clock, settings_in
from service.accounts.accounts import Accounts
from service.cli.main import hakam
from service.config import Settings
from service.delivery import http
from service.sign_on.provider import (
    FRESH_SECONDS,
    MAX_DOCUMENT_BYTES,
    MAX_KEYS_BYTES,
    SILENT_SECONDS,
    Begun,
    Provider,
    ProviderUnavailable,
)

__all__ = ["accounts", "browser_", "provider", "settings", "sso"]  # fixtures

DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def known(settings: Settings, clock: Clock) -> Provider:
    """The provider as a worker knows it."""
    return Provider(settings, clock=clock)


def why(known: Provider) -> str:
    with pytest.raises(ProviderUnavailable) as caught:
        known.authorization_url(Begun.new())
    return caught.value.reason


@pytest.mark.parametrize(
    "said",
    [
        {"issuer": "https://elsewhere.example"},
        {"issuer": None},
        {"issuer": ["x"]},
        {"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": "https://user@news.example/"},
        {"token_endpoint": "https://news.example:port/"},
        {"jwks_uri": 7},
        {"userinfo_endpoint": "ftp://news.example/"},
        {"end_session_endpoint": "//news.example/"},
        {"response_types_supported": ["id_token"]},
        {"code_challenge_methods_supported": ["plain"]},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    ],
)
def test_a_discovery_document_that_cannot_be_worked_with_is_refused_by_the_name_of_its_field(
    known: Provider, provider: FakeProvider, said: dict[str, Any]
) -> None:
    provider.discovery = said
    assert why(known) == next(iter(said))


@pytest.mark.parametrize(
    ("raw", "status", "expected"),
    [
        (b"{" * 100_000, 200, "too long"),
        (b"[" * (MAX_DOCUMENT_BYTES - 1), 200, "not JSON"),
        (b"<html>", 200, "not JSON"),
        (b"[]", 200, "not JSON"),
        (b'{"issuer": "x", "issuer": "y"}', 200, "not JSON"),
        (b"{}", 302, "status"),
        (b"{}", 404, "status"),
        (b"{}", 500, "status"),
    ],
)
def test_an_answer_that_is_no_document_is_none(
    known: Provider, provider: FakeProvider, raw: bytes, status: int, expected: str
) -> None:
    provider.raw[DISCOVERY], provider.status[DISCOVERY] = raw, status
    assert why(known) == expected
    assert provider.paths == [DISCOVERY]  # no redirect was followed


@pytest.mark.parametrize(
    ("raw", "status", "expected"),
    [
        (b'{"keys": [' + b"0," * MAX_KEYS_BYTES + b"0]}", 200, "too long"),
        (b"[" * (MAX_KEYS_BYTES - 1), 200, "not JSON"),
        (b'{"keys": {}}', 200, "keys"),
        (b'{"keys": [' + b"{}," * 80_000 + b"{}]}", 200, "keys"),
        (b"", 302, "status"),
        (b"", 307, "status"),
    ],
    ids=["huge", "deep", "no list", "many", "302", "307"],
)
def test_keys_that_are_none_or_elsewhere_are_not_believed(
    browser_: Browser,
    provider: FakeProvider,
    capsys: pytest.CaptureFixture[str],
    raw: bytes,
    status: int,
    expected: str,
) -> None:
    provider.raw["/keys"], provider.status["/keys"] = raw, status
    assert (browser_.log_in().status_code, browser_.is_in) == (503, False)
    assert reason(capsys.readouterr().out) == expected
    assert provider.paths.count("/keys") == 1  # no redirect was followed


def test_an_encrypted_provider_names_no_address_that_is_not(
    sso: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = "https://login.example"
    right = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": "http://169.254.169.254/latest/meta-data",
    }
    monkeypatch.setattr(
        http, "send", lambda *_, **__: http.Answer(200, body=json.dumps(right).encode())
    )
    known = Provider(settings_in({**sso, "HAKAM_OIDC_ISSUER": issuer}))
    assert why(known) == "jwks_uri"


def test_a_document_is_asked_for_again_after_its_time_and_an_ill_provider_left_alone(
    known: Provider, provider: FakeProvider, clock: Clock
) -> None:
    known.metadata()
    known.metadata()
    assert len(provider.paths) == 1
    clock.now += FRESH_SECONDS + 1
    provider.status[DISCOVERY] = 500
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            known.metadata()
    assert (len(provider.paths), known.is_silent) == (2, True)
    clock.now += SILENT_SECONDS
    del provider.status[DISCOVERY]
    known.metadata()
    assert not known.is_silent


def test_keys_that_change_are_found_without_a_restart(
    browser_: Browser, provider: FakeProvider, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser_.log_in()
    provider.key = new_key("second")
    monkeypatch.setattr("service.sign_on.provider.KEYS_AGAIN_SECONDS", -1)
    other = Browser(app, provider)
    assert (other.log_in().status_code, other.is_in) == (302, True)


def test_tokens_of_unknown_keys_do_not_make_us_ask_for_keys_each_time(
    browser_: Browser, provider: FakeProvider
) -> None:
    browser_.log_in()
    provider.header = {"kid": "unknown"}
    for _ in range(5):
        assert browser_.log_in().status_code == 403
    assert provider.paths.count("/keys") == 1


def test_a_key_that_cannot_be_read_is_nothing_to_the_others(
    browser_: Browser, provider: FakeProvider
) -> None:
    secret: Any = OctKey.generate_key(256).as_dict(private=True)
    odd: list[Any] = [7, {}, {"kty": "EC"}, {"kty": "RSA", "n": 1, "e": []}, {"kty": "AKP"}, secret]
    provider.published = [*odd, provider.key]
    assert browser_.log_in().status_code == 302


@pytest.mark.parametrize("keys", [[{"kty": "oct", "k": "c2VjcmV0", "kid": "first"}], [7]])
def test_a_provider_without_a_key_that_can_be_used_lets_nobody_in(
    browser_: Browser, provider: FakeProvider, capsys: pytest.CaptureFixture[str], keys: list[Any]
) -> None:
    provider.published = keys
    assert (browser_.log_in().status_code, browser_.is_in) == (503, False)
    assert reason(capsys.readouterr().out) == "keys"


def test_groups_that_only_the_userinfo_endpoint_says_count_if_they_are_of_the_same_person(
    browser_: Browser, provider: FakeProvider, accounts: Accounts
) -> None:
    provider.claims = {"groups": None}
    provider.userinfo = {"sub": "somebody else", "groups": ["chiefs"]}
    assert browser_.log_in().status_code == 403
    provider.userinfo = {"groups": ["chiefs"]}
    assert browser_.log_in().status_code == 403
    provider.userinfo = {"sub": "u-1", "groups": ["desk"], "aud": "x", "nonce": "x"}
    assert browser_.log_in().status_code == 302
    assert [one.role for one in accounts.list()] == ["senior"]


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_the_client_names_itself_in_a_way_that_the_provider_knows(
    browser_: Browser, provider: FakeProvider, method: str
) -> None:
    provider.discovery = {"token_endpoint_auth_methods_supported": [method]}
    assert browser_.log_in().status_code == 302


def test_a_provider_that_is_gone_leaves_the_login_to_local_accounts(
    app: Flask, browser_: Browser, provider: FakeProvider, accounts: Accounts
) -> None:
    accounts.add("layla", PASSWORD, "admin")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        app.extensions["hakam"].provider.issuer = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        answer = browser_.client.get("/console/sso")
    assert answer.status_code == 503
    assert "password" in answer.text
    assert complaint(answer)
    for language, word in (
        ("ar", "الدخول الموحّد لا يستجيب"),
        ("fr", "ne répond pas"),
        ("en", "does not answer"),
    ):
        page = browser_.client.get("/console/login", headers={"Accept-Language": language}).text
        assert word in page
        assert "/console/sso" not in page
    assert Local(app, provider).enter("layla").is_in


def test_a_provider_that_never_answers_is_waited_for_once(
    browser_: Browser, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.sign_on.provider.TIMEOUT_SECONDS", 0.2)
    provider.goes_on.clear()
    for _ in range(3):
        assert browser_.client.get("/console/sso").status_code == 503
    assert provider.paths == [DISCOVERY]


def test_no_more_threads_than_two_wait_for_a_provider(
    known: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.sign_on.provider.WAIT_SECONDS", 0.01)
    asked: list[str] = []

    def send(*_: Any, **__: Any) -> http.Answer:
        if len(asked) < 3:
            asked.append("asked")
            asked.append(why(known))
        return http.Answer(200, body=b"{}")

    monkeypatch.setattr("service.sign_on.provider.http.send", send)
    why(known)
    assert asked.count("asked") == 2
    assert "busy" in asked


def test_a_token_endpoint_that_fails_lets_nobody_in_and_the_next_one_try(
    browser_: Browser, provider: FakeProvider
) -> None:
    provider.status["/token"] = 500
    assert (browser_.log_in().status_code, browser_.is_in) == (503, False)
    del provider.status["/token"]
    assert browser_.log_in().status_code == 302


def test_nothing_that_the_provider_says_reaches_the_log(
    browser_: Browser, provider: FakeProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    browser_.log_in(preferred_username="samira", name="Samira Haddad", email="s@news.example")
    provider.answer = {"error": "made up", "error_description": "private"}
    browser_.log_in()
    provider.answer = {}
    browser_.log_in(groups="chiefs of samira")
    log = capsys.readouterr().out
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"sign_on_refused", "request"} <= {line["event"] for line in lines}
    for private in (
        "amira",
        "Haddad",
        "example",
        "u-1",
        "made up",
        "private",
        "code-",
        "access-",
        "eyJ",
    ):
        assert private not in log, private


def test_the_check_says_whether_the_provider_can_be_used(
    sso: dict[str, str], provider: FakeProvider, redis: Redis
) -> None:
    answers = CliRunner().invoke(hakam, ["check"], env=sso)
    assert (answers.exit_code, "single sign-on: the provider answers" in answers.output) == (
        0,
        True,
    )
    provider.discovery = {"issuer": "https://elsewhere.example"}
    ill = CliRunner().invoke(hakam, ["check"], env=sso)
    assert (ill.exit_code, "cannot be used now (issuer)" in ill.output) == (0, True)
