"""Single sign-on at the console: who gets in, as whom, with which role, and until when."""

from __future__ import annotations

import hmac
import json
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from fake_provider import CLIENT, SECRET, FakeProvider, new_key, providing, without_none
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from joserfc.jws import JWSRegistry
from redis import Redis
from werkzeug.test import TestResponse

from conftest import settings_in
from models.artifact import Artifact
from service.accounts.account import AccountError
from service.accounts.accounts import Accounts
from service.app import create_app
from service.config import Settings
from service.store.trail import ACCOUNTS, SERVICE

PASSWORD = "correct horse battery"
DISCOVERED = ("/.well-known/openid-configuration", "/keys")
ECAlgorithm = JWSRegistry.algorithms["ES256"]
GROUPS = {"HAKAM_OIDC_ROLES": "admin=chiefs; senior@news=desk; moderator=night; trainee=new"}


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with providing() as one:
        yield one


@pytest.fixture
def sso(environ: Mapping[str, str], provider: FakeProvider) -> dict[str, str]:
    """The environment of a service that knows the provider."""
    return {
        **environ,
        **GROUPS,
        "HAKAM_PUBLIC_URL": "http://localhost",
        "HAKAM_OIDC_ISSUER": provider.issuer,
        "HAKAM_OIDC_CLIENT_ID": CLIENT,
        "HAKAM_OIDC_CLIENT_SECRET": SECRET,
    }


@pytest.fixture
def settings(sso: dict[str, str]) -> Settings:
    """The settings of that service, for the application of all tests."""
    return settings_in(sso)


@pytest.fixture
def accounts(app: Flask) -> Accounts:
    found: Accounts = app.extensions["hakam"].accounts
    return found


def path_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


class Browser:
    """A browser that goes to the provider and back."""

    def __init__(self, app: Flask, provider: FakeProvider) -> None:
        self.client: FlaskClient = app.test_client()
        self.provider = provider

    def sent(self, **asked: str) -> str:
        """Where the console sends it."""
        answer = self.client.get("/console/sso", query_string=asked)
        assert answer.status_code == 302, answer.text
        return answer.location

    def log_in(self, sub: str = "u-1", groups: Any = ("night",), **claims: Any) -> TestResponse:
        """Log in at the provider; return what the console says then."""
        said = {"groups": list(groups) if isinstance(groups, tuple) else groups, **claims}
        return self.client.get(path_of(self.provider.arrive(self.sent(), sub, **said)))

    @property
    def is_in(self) -> bool:
        return self.client.get("/console/me").status_code == 200


@pytest.fixture
def browser_(app: Flask, provider: FakeProvider) -> Browser:
    return Browser(app, provider)


def complaint(answer: TestResponse) -> str:
    (found,) = re.findall(r'<p class="complaint" role="alert">([^<]*)<', answer.text)
    return str(found)


def test_whoever_is_in_a_group_gets_in_with_its_role_and_sites(
    browser_: Browser, accounts: Accounts
) -> None:
    answer = browser_.log_in(groups=("desk", "cooks"), preferred_username="Samira")
    assert (answer.status_code, browser_.is_in) == (302, True), answer.text
    account = accounts.must_get("samira")
    assert (account.role, account.sites, account.has_password) == ("senior", ("news",), False)


def reason(log: str) -> str:
    """Why the console let nobody in, as the log says it."""
    lines = [json.loads(line) for line in log.splitlines() if '"sign_on_' in line]
    return str(lines[-1]["reason"])


def test_the_highest_role_wins_on_the_sites_of_that_role_alone(
    browser_: Browser, accounts: Accounts
) -> None:
    browser_.log_in(groups=("night", "desk", "new"), preferred_username="samira")
    account = accounts.must_get("samira")
    assert (account.role, account.sites) == ("senior", ("news",))
    browser_.log_in(groups=("night", "desk", "chiefs"), preferred_username="samira")
    assert (accounts.must_get("samira").role, accounts.must_get("samira").sites) == ("admin", None)


def test_groups_that_change_count_at_the_next_login_and_the_trail_says_so(
    app: Flask, browser_: Browser, accounts: Accounts
) -> None:
    browser_.log_in(groups=("desk",), preferred_username="samira")
    browser_.log_in(groups=("new",), preferred_username="samira")
    assert accounts.must_get("samira").role == "trainee"
    changed, added = app.extensions["hakam"].trail.page([ACCOUNTS]).entries
    assert {changed.origin.via, added.origin.via} == {"single sign-on"}
    assert (changed.changes["role"].old, changed.changes["role"].new) == ("senior", "trainee")
    assert added.changes["single_sign_on"].new == "on"


@pytest.mark.parametrize(
    ("groups", "why"),
    [
        (("cooks",), "no_group"),
        ((), "no_group"),
        (None, "groups_missing"),
        ("cooks", "groups_malformed"),
        ("chiefs night", "groups_malformed"),
        ("chiefs;night", "groups_malformed"),
        ("", "groups_malformed"),
        ("x" * 1_025, "groups_malformed"),
        (7, "groups_malformed"),
        ({"night": True}, "groups_malformed"),
        (["night", ["chiefs"]], "groups_malformed"),
        (["night", None], "groups_malformed"),
        (["night"] * 2_001, "groups_malformed"),
        (["night", "x" * 1_025], "groups_malformed"),
    ],
)
def test_whoever_is_in_no_group_that_counts_gets_no_role_and_no_account(
    browser_: Browser,
    accounts: Accounts,
    capsys: pytest.CaptureFixture[str],
    groups: Any,
    why: str,
) -> None:
    answer = browser_.log_in(groups=groups, preferred_username="samira")
    assert (answer.status_code, browser_.is_in, accounts.list()) == (403, False, [])
    assert complaint(answer)
    assert reason(capsys.readouterr().out) == why


def test_a_group_that_is_said_as_a_text_and_no_list_is_one_group(
    browser_: Browser, accounts: Accounts
) -> None:
    browser_.log_in(groups="desk", preferred_username="samira")
    assert accounts.must_get("samira").role == "senior"


@pytest.mark.parametrize(
    ("named", "claims", "role"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["desk"]}}, "senior"),
        ("a.b.c", {"a": {"b": {"c": ["desk"]}}}, "senior"),
        ("https://news.example/groups", {"https://news.example/groups": ["desk"]}, "senior"),
        ("cognito:groups", {"cognito:groups": ["desk"]}, "senior"),
        # A claim of the whole name comes before one that a path leads to.
        ("a.b", {"a.b": ["night"], "a": {"b": ["chiefs"]}}, "moderator"),
        ("realm_access.roles", {"realm_access": {"role": ["chiefs"]}}, "groups_missing"),
        ("realm_access.roles", {"realm_access": ["chiefs"]}, "groups_missing"),
        ("realm_access.roles", {"realm_access": {"roles": {"chiefs": 1}}}, "groups_malformed"),
        ("realm_access", {"realm_access": {"roles": ["chiefs"]}}, "groups_malformed"),
        ("roles", {"realm_access": {"roles": ["chiefs"]}}, "groups_missing"),
        # Entra ID, of somebody in more than 200 groups.
        (
            "groups",
            {
                "_claim_names": {"groups": "src1"},
                "_claim_sources": {"src1": {"endpoint": "https://elsewhere.example/groups"}},
            },
            "groups_elsewhere",
        ),
    ],
)
def test_groups_are_those_of_the_claim_that_the_settings_name_and_of_no_other(
    sso: dict[str, str],
    redis: Redis,
    artifact: Artifact,
    provider: FakeProvider,
    capsys: pytest.CaptureFixture[str],
    named: str,
    claims: dict[str, Any],
    role: str,
) -> None:
    settings = settings_in({**sso, "HAKAM_OIDC_GROUPS_CLAIM": named})
    app = create_app(settings, redis=redis, artifact=artifact)
    answer = Browser(app, provider).log_in(groups=None, **claims)
    found = app.extensions["hakam"].accounts.list()
    if answer.status_code == 302:
        assert [one.role for one in found] == [role]
    else:
        assert (found, reason(capsys.readouterr().out)) == ([], role)
        assert "which groups" in complaint(answer) or "مجموعاتك" in complaint(answer)
    assert set(provider.paths) <= {*DISCOVERED, "/token", "/userinfo"}


def test_whoever_leaves_every_group_loses_the_sessions_that_are_open(
    app: Flask, provider: FakeProvider, browser_: Browser
) -> None:
    browser_.log_in()
    other = Browser(app, provider)
    assert other.log_in(groups=("cooks",)).status_code == 403
    assert not browser_.is_in


@pytest.mark.parametrize(
    ("claims", "header", "why"),
    [
        ({"nonce": "another"}, {}, "nonce"),
        ({"nonce": None}, {}, "nonce"),
        ({"aud": "another"}, {}, "aud"),
        ({"aud": None}, {}, "aud"),
        ({"aud": ["hakam", "another"]}, {}, "azp"),
        ({"azp": "another"}, {}, "azp"),
        ({"iss": "https://elsewhere.example"}, {}, "iss"),
        ({"iss": None}, {}, "iss"),
        ({"exp": 1_000_000_000}, {}, "exp"),
        ({"exp": None}, {}, "exp"),
        ({"exp": "tomorrow"}, {}, "exp"),
        ({"exp": True}, {}, "exp"),
        ({"iat": 99_999_999_999}, {}, "iat"),
        ({"nbf": 99_999_999_999}, {}, "nbf"),
        ({"sub": None}, {}, "sub"),
        ({"sub": ""}, {}, "sub"),
        ({"sub": 7}, {}, "sub"),
        ({"sub": "x" * 256}, {}, "sub"),
        ({"at_hash": "another"}, {}, "at_hash"),
        ({"at_hash": ""}, {}, "at_hash"),
        ({"at_hash": 7}, {}, "at_hash"),
        ({"amr": "mfa"}, {}, "amr"),
        ({"auth_time": "now"}, {}, "auth_time"),
        ({"auth_time": 99_999_999_999}, {}, "auth_time"),
        ({"sid": 7}, {}, "sid"),
        ({}, {"kid": "unknown"}, "signature"),
    ],
)
def test_a_token_that_is_not_as_it_must_be_lets_nobody_in(
    browser_: Browser,
    provider: FakeProvider,
    accounts: Accounts,
    capsys: pytest.CaptureFixture[str],
    claims: dict[str, Any],
    header: dict[str, Any],
    why: str,
) -> None:
    provider.claims, provider.header = claims, header
    answer = browser_.log_in()
    assert (answer.status_code, browser_.is_in, accounts.list()) == (403, False, [])
    assert reason(capsys.readouterr().out).split(",")[0] == why


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({"aud": ["another", "hakam"], "azp": "hakam"}, {}),
        ({"aud": ["hakam"]}, {}),
        ({"email": "layla@news.example", "email_verified": False, "acr": "0", "amr": []}, {}),
        ({"preferred_username": None, "name": None, "sid": None, "auth_time": None}, {}),
        ({}, {"kid": None}),  # of a provider with one key
        ({}, {"typ": None, "x5t": "x"}),
    ],
)
def test_what_providers_say_in_their_own_ways_lets_in_all_the_same(
    browser_: Browser,
    provider: FakeProvider,
    accounts: Accounts,
    claims: dict[str, Any],
    header: dict[str, Any],
) -> None:
    provider.claims, provider.header = claims, header
    assert (browser_.log_in().status_code, browser_.is_in) == (302, True)
    assert [one.role for one in accounts.list()] == ["moderator"]


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -10), ("iat", 15), ("nbf", 15)])
def test_a_clock_that_is_some_seconds_wrong_keeps_nobody_out(
    browser_: Browser, provider: FakeProvider, claim: str, seconds: int
) -> None:
    provider.claims = {claim: int(time.time()) + seconds}
    assert browser_.log_in().status_code == 302


def _headers() -> list[dict[str, Any]]:
    theirs = new_key("theirs").as_dict(private=False)
    return [
        {"kid": "../../../../dev/null"},
        {"kid": "first' OR '1'='1"},
        {"kid": "http://127.0.0.1:1/keys"},
        {"kid": ""},
        {"kid": 7},
        {"kid": ["first"]},
        {"kid": None, "jwk": theirs},
        {"kid": "theirs", "jku": "http://127.0.0.1:1/keys"},
        {"kid": "theirs", "x5u": "http://127.0.0.1:1/keys"},
        {"kid": "first", "crit": ["exp"]},
        {"kid": "first", "crit": ["b64"], "b64": False},
    ]


@pytest.mark.parametrize("header", _headers(), ids=lambda one: " ".join(map(str, one)))
def test_no_header_of_a_token_says_where_its_key_is_to_be_found(
    browser_: Browser,
    provider: FakeProvider,
    accounts: Accounts,
    monkeypatch: pytest.MonkeyPatch,
    header: dict[str, Any],
) -> None:
    own = provider.key if header.get("kid") == "first" else new_key("theirs")
    assert isinstance(own, ECKey)
    provider.published = [provider.key, new_key("second")]
    exchange = provider.exchange

    def forging(*asked: Any) -> tuple[int, dict[str, Any]]:
        status, said = exchange(*asked)
        _, body, _ = said["id_token"].split(".")
        wanted = without_none({"alg": "ES256", **header})
        head = urlsafe_b64encode(json.dumps(wanted).encode()).decode().rstrip("=")
        mark = ECAlgorithm.sign(f"{head}.{body}".encode(), own)
        said["id_token"] = f"{head}.{body}.{urlsafe_b64encode(mark).decode().rstrip('=')}"
        return status, said

    monkeypatch.setattr(provider, "exchange", forging)
    assert (browser_.log_in(groups=("chiefs",)).status_code, browser_.is_in) == (403, False)
    assert accounts.list() == []


@pytest.mark.parametrize(
    "forged", ["none", "secret", "public key", "other key", "cut", "encrypted"]
)
def test_a_token_that_the_provider_has_not_signed_lets_nobody_in(
    browser_: Browser,
    provider: FakeProvider,
    accounts: Accounts,
    monkeypatch: pytest.MonkeyPatch,
    forged: str,
) -> None:
    right = provider.key
    assert isinstance(right, ECKey)
    provider.published = [right]
    if forged == "secret":
        provider.key, provider.header = (
            OctKey.import_key(SECRET * 2),
            {"alg": "HS256", "kid": "first"},
        )
    elif forged == "other key":
        provider.key = new_key("first")
    arrived = provider.arrive(browser_.sent(), groups=["chiefs"])
    token = provider.exchange

    def forging(*asked: Any) -> tuple[int, dict[str, Any]]:
        status, said = token(*asked)
        head, body, signature = said["id_token"].split(".")
        if forged == "none":
            head = urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
            said["id_token"] = f"{head}.{body}."
        elif forged == "public key":
            head = urlsafe_b64encode(b'{"alg":"HS256","kid":"first"}').decode().rstrip("=")
            key = right.as_pem(private=False)
            mark = hmac.digest(key, f"{head}.{body}".encode(), "sha256")
            said["id_token"] = f"{head}.{body}.{urlsafe_b64encode(mark).decode().rstrip('=')}"
        elif forged == "cut":
            said["id_token"] = f"{head}.{body}."
        elif forged == "encrypted":
            said["id_token"] = f"{head}.{body}.{signature}.x.y"
        return status, said

    monkeypatch.setattr(provider, "exchange", forging)
    assert browser_.client.get(path_of(arrived)).status_code == 403
    assert (browser_.is_in, accounts.list()) == (False, [])


@pytest.mark.parametrize(
    ("tokens", "why"),
    [
        ({"id_token": None}, "no_token"),
        ({"id_token": ["x"]}, "no_token"),
        ({"id_token": "x.y.z"}, "token"),
        ({"id_token": "x" * 40_000}, "token"),
        ({"access_token": None}, "no_token"),
        ({"token_type": "mac"}, "token_type"),
    ],
)
def test_an_answer_without_what_it_must_hold_lets_nobody_in(
    browser_: Browser,
    provider: FakeProvider,
    capsys: pytest.CaptureFixture[str],
    tokens: dict[str, Any],
    why: str,
) -> None:
    provider.tokens = tokens
    assert (browser_.log_in().status_code, browser_.is_in) == (403, False)
    assert reason(capsys.readouterr().out) == why


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"state": "another"}, "state"),
        ({"state": None}, "state"),
        ({"iss": "https://elsewhere.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"code": None}, "code"),
        ({"code": "unknown"}, "code"),
        ({"code": "x" * 5_000}, "code"),
        ({"error": "access_denied"}, "cancelled"),
        ({"error": "<script>"}, "provider_error"),
    ],
)
def test_an_answer_that_is_none_to_what_was_asked_lets_nobody_in(
    browser_: Browser,
    provider: FakeProvider,
    capsys: pytest.CaptureFixture[str],
    answer: dict[str, str | None],
    why: str,
) -> None:
    provider.answer = answer
    got = browser_.log_in()
    assert (got.status_code, browser_.is_in) == (403, False)
    assert "<script>" not in got.text
    assert reason(capsys.readouterr().out) == why


def test_an_answer_counts_in_the_browser_that_asked_and_there_once(
    app: Flask, provider: FakeProvider, browser_: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    arrived = path_of(provider.arrive(browser_.sent(), groups=["night"]))
    stranger = Browser(app, provider)
    assert (stranger.client.get(arrived).status_code, stranger.is_in) == (403, False)
    assert (browser_.client.get(arrived).status_code, browser_.is_in) == (302, True)
    assert browser_.client.get(arrived).status_code == 403
    assert reason(capsys.readouterr().out) == "state"


@pytest.mark.parametrize(("looks", "why"), [(True, "code"), (False, "nonce")])
def test_a_code_of_another_login_is_of_no_use_whatever_the_provider_looks_at(
    app: Flask,
    provider: FakeProvider,
    browser_: Browser,
    capsys: pytest.CaptureFixture[str],
    looks: bool,
    why: str,
) -> None:
    provider.looks_at_verifiers = looks
    thief = Browser(app, provider)
    arrived = provider.arrive(browser_.sent(), groups=["chiefs"])
    (code,) = parse_qs(urlsplit(arrived).query)["code"]
    there = thief.sent()
    provider.answer = {"code": code}
    answer = thief.client.get(path_of(provider.arrive(there, groups=["night"])))
    assert (answer.status_code, thief.is_in) == (403, False)
    assert reason(capsys.readouterr().out) == why


def test_a_code_that_was_used_lets_nobody_in_though_the_browser_is_put_back(
    provider: FakeProvider, browser_: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    arrived = path_of(provider.arrive(browser_.sent(), groups=["night"]))
    before = browser_.client.get_cookie("hakam_session", path="/console")
    assert before
    browser_.client.get(arrived)
    browser_.client.set_cookie("hakam_session", before.value, path="/console")
    assert (browser_.client.get(arrived).status_code, browser_.is_in) == (403, False)
    assert reason(capsys.readouterr().out) == "code"


def test_a_login_that_takes_too_long_is_begun_again(
    provider: FakeProvider, browser_: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = path_of(provider.arrive(browser_.sent(), groups=["night"]))
    later = time.time() + 601
    monkeypatch.setattr("service.console.sign_on.time.time", lambda: later)
    assert browser_.client.get(arrived).status_code == 403


def test_several_windows_can_log_in_side_by_side(browser_: Browser, provider: FakeProvider) -> None:
    first, second = browser_.sent(next="/console/me"), browser_.sent()
    arrived = path_of(provider.arrive(first, groups=["night"]))
    assert browser_.client.get(arrived).location == "/console/me"
    assert second != first


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/v1/x", "/\\evil"])
def test_a_login_leads_to_a_page_of_the_console_alone(
    browser_: Browser, provider: FakeProvider, target: str
) -> None:
    there = browser_.sent(next=target)
    answer = browser_.client.get(path_of(provider.arrive(there, groups=["night"])))
    assert answer.location == "/console/"


def test_nothing_that_was_there_before_the_login_stays(
    browser_: Browser, provider: FakeProvider
) -> None:
    there = browser_.sent()
    with browser_.client.session_transaction("/console/") as session:
        session["planted"] = "x"
    browser_.client.get(path_of(provider.arrive(there, groups=["night"])))
    with browser_.client.session_transaction("/console/") as session:
        assert "planted" not in session
        assert "signing_on" not in session


def test_the_way_back_is_that_of_the_settings_whatever_the_request_says(browser_: Browser) -> None:
    headers = {"X-Forwarded-Host": "evil.example", "Host": "127.0.0.1:1"}
    answer = browser_.client.get("/console/sso", headers=headers)
    (back,) = parse_qs(urlsplit(answer.location).query)["redirect_uri"]
    assert back == "http://localhost/console/sso/answer"


def test_a_name_that_is_taken_is_not_taken_over(browser_: Browser, accounts: Accounts) -> None:
    accounts.add("samira", PASSWORD, "admin")
    claims: dict[str, Any] = {
        "preferred_username": "Samira",
        "email": "samira@news.example",
        "email_verified": True,
    }
    browser_.log_in(**claims)
    theirs = [one for one in accounts.list() if one.identity]
    assert accounts.must_get("samira").role == "admin"
    assert not accounts.must_get("samira").identity
    assert [(one.name.partition(".")[0], one.role) for one in theirs] == [("samira", "moderator")]
    browser_.log_in(sub="u-2", **claims)
    assert len({one.name for one in accounts.list()}) == 3


def test_no_letters_that_only_look_alike_make_a_name_like_that_of_somebody_else(
    browser_: Browser, accounts: Accounts
) -> None:
    accounts.add("layla", PASSWORD, "admin")
    fullwidth = "\uff4c\uff41\uff59\uff4c\uff41"  # FULLWIDTH LATIN SMALL LETTER L ...
    cyrillic = "l\u0430yl\u0430"  # CYRILLIC SMALL LETTER A
    for sub, name in (("u-1", fullwidth), ("u-2", cyrillic), ("u-3", "LAYLA")):
        browser_.log_in(sub, preferred_username=name)
    others = [one.name for one in accounts.list() if one.name != "layla"]
    assert len(others) == 3
    assert all(re.search(r"\.[0-9a-f]{12}$", name) for name in others), others
    assert accounts.must_get("layla").role == "admin"
    assert not accounts.must_get("layla").identity


def test_a_person_stays_the_same_whatever_name_and_address_they_take(
    browser_: Browser, accounts: Accounts
) -> None:
    browser_.log_in(preferred_username="samira", email="samira@news.example")
    browser_.log_in(preferred_username="omar", email="omar@news.example")
    assert [one.name for one in accounts.list()] == ["samira"]


@pytest.mark.parametrize("name", [None, "", "..", "a b", 7, "x" * 100, "\u202esamira", "a/b"])
def test_whoever_has_no_name_that_can_be_one_gets_one(
    browser_: Browser, accounts: Accounts, name: Any
) -> None:
    assert browser_.log_in(preferred_username=name).status_code == 302
    (account,) = accounts.list()
    assert account.name.startswith("sso.") or account.name == "samira"


def test_a_shown_name_is_one_short_line_that_turns_nothing(
    browser_: Browser, accounts: Accounts
) -> None:
    name = "Sa\u202emi\u0000ra\n\u2066" + "\u0633" * 100  # RIGHT-TO-LEFT OVERRIDE ... SEEN
    browser_.log_in(name=name, groups=("chiefs",))
    (account,) = accounts.list()
    assert account.display_name == "Samira " + "\u0633" * 73
    assert account.display_name in browser_.client.get("/console/people").text


def test_an_account_that_is_disabled_stays_out_whatever_the_provider_says(
    browser_: Browser, accounts: Accounts
) -> None:
    browser_.log_in(preferred_username="samira")
    accounts.disable("samira")
    assert not browser_.is_in
    answer = browser_.log_in(groups=("chiefs",))
    assert (answer.status_code, browser_.is_in) == (403, False)
    assert accounts.must_get("samira").role == "moderator"


def test_a_session_of_single_sign_on_ends_after_its_time(
    browser_: Browser, accounts: Accounts, app: Flask
) -> None:
    browser_.log_in(preferred_username="samira")
    (session,) = accounts.sessions.of("samira")
    assert session.is_open(session.created_at + 28_800)
    assert not session.is_open(session.created_at + 28_801)


def test_the_second_factor_of_an_account_is_asked_for_unless_the_provider_asked(
    browser_: Browser, accounts: Accounts
) -> None:
    browser_.log_in(preferred_username="samira")
    totp = pyotp.TOTP(accounts.second_factor.propose("samira"))
    now = int(time.time())
    assert accounts.second_factor.confirm("samira", totp.at(now))
    for methods in (["pwd"], [], ["MFA"], [7]):
        answer = Browser(browser_.client.application, browser_.provider).log_in(amr=methods)
        assert answer.location.startswith("/console/login/code")
    assert (
        Browser(browser_.client.application, browser_.provider).log_in(amr=["pwd", "otp"]).location
        == "/console/"
    )
    waiting = Browser(browser_.client.application, browser_.provider)
    asked = waiting.log_in().location
    assert not waiting.is_in
    code = {"code": totp.at(now + 30), "csrf_token": csrf(waiting, asked)}
    assert (waiting.client.post("/console/login/code", data=code).status_code, waiting.is_in) == (
        302,
        True,
    )
    assert all(one.is_signed_on for one in accounts.sessions.of("samira"))


def begins_to_type(browser: Browser) -> tuple[str, str]:
    """Send a form after the login has ended; what is kept of it, and the way to the provider."""
    form = {"csrf_token": csrf(browser, "/console/me"), "replies": "please be kind"}
    browser.client.application.extensions["hakam"].accounts.log_out("samira")
    page = browser.client.post("/console/me", data=form)
    assert page.status_code == 401
    (kept,) = re.findall(r'name="kept" value="([^"]+)"', page.text)
    (there,) = re.findall(r'href="(/console/sso[^"]*)"[^>]* data-keeps>', page.text)
    return kept, unescape(there)


def offered(browser: Browser, kept: str) -> TestResponse:
    """What the console says to a browser that kept a form."""
    form = {"csrf_token": csrf(browser, "/console/login/kept"), "kept": kept}
    return browser.client.post("/console/login/kept", data=form)


def test_what_was_typed_when_a_login_ended_is_offered_again_after_single_sign_on(
    browser_: Browser, provider: FakeProvider, accounts: Accounts, redis: Redis
) -> None:
    browser_.log_in(preferred_username="samira")
    kept, begins = begins_to_type(browser_)
    there = browser_.client.get(begins).location
    with browser_.client.session_transaction("/console/") as session:
        assert "kind" not in json.dumps(dict(session))
    assert len(there) < 1_000
    answer = browser_.client.get(path_of(provider.arrive(there, groups=["night"])))
    assert answer.location == "/console/login/kept"
    page = offered(browser_, kept)
    assert '<input type="hidden" name="replies" value="please be kind">' in page.text
    assert 'action="/console/me"' in page.text
    assert accounts.must_get("samira").preferences.replies == ()


def test_what_was_typed_goes_through_the_second_factor_and_a_login_that_failed_before(
    browser_: Browser, provider: FakeProvider, accounts: Accounts
) -> None:
    browser_.log_in(preferred_username="samira")
    kept, begins = begins_to_type(browser_)
    totp = pyotp.TOTP(accounts.second_factor.propose("samira"))
    now = int(time.time())
    assert accounts.second_factor.confirm("samira", totp.at(now))
    there = browser_.client.get(begins).location
    provider.answer = {"error": "access_denied"}
    refused = browser_.client.get(path_of(provider.arrive(there))).text
    assert '<input type="hidden" name="next" value="/console/login/kept">' in refused
    provider.answer = {}
    there = browser_.client.get(begins).location
    asked = browser_.client.get(path_of(provider.arrive(there, groups=["night"]))).location
    assert browser_.client.get("/console/login/kept").location.startswith("/console/login?")
    page = browser_.client.get(asked).text
    after = re.findall(r'name="next" value="([^"]*)"', page)[-1]
    code = {"code": totp.at(now + 30), "csrf_token": csrf(browser_, asked), "next": after}
    assert browser_.client.post("/console/login/code", data=code).location == "/console/login/kept"
    assert "please be kind" in offered(browser_, kept).text


@pytest.mark.parametrize("spoil", ["another", "", "cut", "no token", "nobody", "old"])
def test_what_was_typed_comes_back_to_whoever_typed_it_alone(
    browser_: Browser,
    provider: FakeProvider,
    accounts: Accounts,
    monkeypatch: pytest.MonkeyPatch,
    spoil: str,
) -> None:
    browser_.log_in(preferred_username="samira")
    kept, begins = begins_to_type(browser_)
    if spoil == "nobody":
        form = {"csrf_token": csrf(browser_, "/console/login"), "kept": kept}
        answer = browser_.client.post("/console/login/kept", data=form)
        assert answer.location == "/console/login?next=/console/login/kept"
        return
    there = browser_.client.get(begins).location
    sub = "u-2" if spoil == "another" else "u-1"
    browser_.client.get(path_of(provider.arrive(there, sub, groups=["night"])))
    if spoil == "no token":
        answer = browser_.client.post("/console/login/kept", data={"kept": kept})
        assert answer.status_code == 400
        return
    if spoil == "old":
        monkeypatch.setattr("service.console.unsent_forms.MAX_SECONDS", -1)
    answer = offered(browser_, {"": "", "cut": kept[:-1]}.get(spoil, kept))
    assert (answer.status_code, answer.location) == (302, "/console/")


def test_a_second_factor_that_must_be_set_up_comes_before_what_was_typed(
    browser_: Browser, provider: FakeProvider, accounts: Accounts
) -> None:
    browser_.log_in(preferred_username="samira")
    kept, begins = begins_to_type(browser_)
    accounts.second_factor.require("moderator", by=SERVICE)
    there = browser_.client.get(begins).location
    browser_.client.get(path_of(provider.arrive(there, groups=["night"])))
    answer = offered(browser_, kept)
    assert (answer.status_code, "please be kind" in answer.text) == (403, False)


def csrf(browser: Browser, path: str) -> str:
    (token,) = re.findall(r'name="csrf-token" content="([^"]+)"', browser.client.get(path).text)
    return str(token)


def sent_on(answer: TestResponse) -> str:
    """Where a page goes on to."""
    (address,) = re.findall(r'http-equiv="refresh" content="0;url=([^"]+)"', answer.text)
    return unescape(address)


def test_logging_out_ends_the_session_here_and_goes_on_to_the_providers(
    browser_: Browser, provider: FakeProvider, accounts: Accounts
) -> None:
    browser_.log_in(preferred_username="samira")
    form = {"csrf_token": csrf(browser_, "/console/me")}
    address = urlsplit(sent_on(browser_.client.post("/console/logout", data=form)))
    asked = {name: one for name, (one,) in parse_qs(address.query).items()}
    assert not browser_.is_in
    assert accounts.sessions.of("samira") == []
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{provider.issuer}/end"
    assert asked["post_logout_redirect_uri"] == "http://localhost/console/login"
    assert (
        jwt.decode(asked["id_token_hint"], provider.key, algorithms=["ES256"]).claims["sub"]
        == "u-1"
    )


def test_logging_out_ends_the_session_here_where_the_provider_has_no_page_for_it_or_is_gone(
    app: Flask, browser_: Browser, provider: FakeProvider
) -> None:
    provider.discovery = {"end_session_endpoint": None}
    browser_.log_in()
    form = {"csrf_token": csrf(browser_, "/console/me")}
    assert browser_.client.post("/console/logout", data=form).location == "/console/login"
    assert not browser_.is_in


def end(app: Flask, token: str) -> int:
    """What the provider gets that sends a logout token."""
    form = {"logout_token": token}
    return int(app.test_client().post("/console/sso/logout", data=form).status_code)


def test_a_logout_token_ends_the_sessions_that_it_names_and_no_other(
    app: Flask, browser_: Browser, provider: FakeProvider, accounts: Accounts
) -> None:
    accounts.add("omar", PASSWORD)
    windows = {name: Browser(app, provider) for name in ("a", "b", "c", "other")}
    for session, window in windows.items():
        window.log_in(sub="u-2" if session == "other" else "u-1", sid=session)
    kept = accounts.sessions.open("omar")

    def open_now() -> str:
        return "".join(name[0] for name, window in windows.items() if window.is_in)

    assert end(app, provider.logout_token(sid="a")) == 200
    assert open_now() == "bco"
    assert end(app, provider.logout_token(sub=None, sid="b")) == 200
    assert open_now() == "co"
    assert end(app, provider.logout_token()) == 200
    assert open_now() == "o"
    assert end(app, provider.logout_token(sub="nobody", sid=None)) == 200
    assert open_now() == "o"
    assert accounts.sessions.resume("omar", kept)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"events": None}, "events"),
        ({"events": {"http://schemas.openid.net/event/backchannel-logout": 1}}, "events"),
        ({"events": ["http://schemas.openid.net/event/backchannel-logout"]}, "events"),
        ({"nonce": "x"}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"jti": None}, "claim"),
        ({"jti": 7}, "claim"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sid": ["x"]}, "sid"),
        ({"aud": "another"}, "aud"),
        ({"iss": "https://elsewhere.example"}, "iss"),
        ({"exp": 1_000_000_000}, "exp"),
        ({"iat": None}, "iat"),
        ({"iat": 1_000_000_000}, "iat"),
        ({"iat": 99_999_999_999}, "iat"),
    ],
)
def test_a_logout_token_that_is_not_as_it_must_be_ends_nothing(
    app: Flask,
    browser_: Browser,
    provider: FakeProvider,
    capsys: pytest.CaptureFixture[str],
    claims: dict[str, Any],
    why: str,
) -> None:
    browser_.log_in()
    assert end(app, provider.logout_token(**claims)) == 400
    assert browser_.is_in
    assert reason(capsys.readouterr().out) == why


def test_a_logout_token_counts_once_and_an_id_token_is_none(
    app: Flask, browser_: Browser, provider: FakeProvider
) -> None:
    browser_.log_in()
    token = provider.logout_token()
    assert (end(app, token), browser_.is_in) == (200, False)
    browser_.log_in()
    assert (end(app, token), browser_.is_in) == (400, True)
    assert end(app, provider.sign({"sub": "u-1", "nonce": "x"})) == 400
    assert end(app, "x" * 40_000) == 400
    assert end(app, "") == 400
    provider.key = new_key("first")
    assert (end(app, provider.logout_token()), browser_.is_in) == (400, True)


def test_a_logout_token_for_somebody_who_is_disabled_opens_and_says_nothing(
    app: Flask, browser_: Browser, provider: FakeProvider, accounts: Accounts
) -> None:
    browser_.log_in(preferred_username="samira")
    accounts.disable("samira")
    assert end(app, provider.logout_token()) == end(app, provider.logout_token(sub="nobody")) == 200
    assert accounts.must_get("samira").disabled
    assert not browser_.is_in


class Local(Browser):
    """A browser in which somebody logs in with a password."""

    def enter(self, name: str) -> Local:
        form = {"name": name, "password": PASSWORD, "csrf_token": csrf(self, "/console/login")}
        assert self.client.post("/console/login", data=form).status_code == 302
        return self

    def link(self, password: str = PASSWORD) -> TestResponse:
        form = {"password": password, "step": "link", "csrf_token": csrf(self, "/console/me")}
        return self.client.post("/console/me/sso", data=form)

    def confirmed(self, sub: str = "u-1", **claims: Any) -> str:
        """Follow to the provider and back; what the console says then."""
        there = self.client.get(sent_on(self.link())).location
        assert parse_qs(urlsplit(there).query)["prompt"] == ["login"]
        answer = self.client.get(path_of(self.provider.arrive(there, sub, **claims)))
        return self.client.get(answer.location).text


def test_the_owner_of_a_local_account_links_it_by_logging_in_on_both_sides(
    app: Flask, provider: FakeProvider, accounts: Accounts
) -> None:
    accounts.add("samira", PASSWORD)
    local = Local(app, provider).enter("samira")
    assert local.link("a wrong password").status_code == 422
    assert local.client.get("/console/sso?purpose=link").location == "/console/me"
    local.confirmed()
    assert accounts.must_get("samira").identity
    other = Browser(app, provider)
    other.log_in(groups=("desk",), preferred_username="omar")
    assert [(one.name, one.role) for one in accounts.list()] == [("samira", "senior")]
    form = {"password": PASSWORD, "step": "unlink", "csrf_token": csrf(local, "/console/me")}
    local.client.post("/console/me/sso", data=form)
    assert (local.is_in, other.is_in, accounts.must_get("samira").identity) == (True, False, "")
    other.log_in(groups=("desk",), preferred_username="samira")
    assert len(accounts.list()) == 2


@pytest.mark.parametrize(
    "claims", [{"auth_time": None}, {"auth_time": 1_000_000_000}, {"auth_time": 99_999_999_999}]
)
def test_a_link_needs_a_login_at_the_provider_that_is_new(
    app: Flask, provider: FakeProvider, accounts: Accounts, claims: dict[str, Any]
) -> None:
    accounts.add("samira", PASSWORD)
    Local(app, provider).enter("samira").confirmed(**claims)
    assert not accounts.must_get("samira").identity


def test_one_identity_opens_one_account(
    app: Flask, provider: FakeProvider, accounts: Accounts
) -> None:
    for name in ("samira", "omar"):
        accounts.add(name, PASSWORD)
        Local(app, provider).enter(name).confirmed()
    assert accounts.must_get("samira").identity
    assert not accounts.must_get("omar").identity


def test_a_link_that_somebody_else_began_is_not_made(
    app: Flask, provider: FakeProvider, accounts: Accounts
) -> None:
    for name in ("samira", "omar"):
        accounts.add(name, PASSWORD)
    local = Local(app, provider).enter("samira")
    there = local.client.get(sent_on(local.link())).location
    with local.client.session_transaction("/console/") as session:
        kept = session["signing_on"]
    local.enter("omar")
    with local.client.session_transaction("/console/") as session:
        session["signing_on"] = kept
    local.client.get(path_of(provider.arrive(there)))
    assert not any(one.identity for one in accounts.list())


def test_groups_do_not_take_the_last_administrator_with_a_password_away(
    app: Flask, provider: FakeProvider, accounts: Accounts, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts.add("layla", PASSWORD, "admin")
    Local(app, provider).enter("layla").confirmed()
    assert Browser(app, provider).log_in(groups=("desk",)).status_code == 403
    assert reason(capsys.readouterr().out) == "last_admin"
    assert accounts.must_get("layla").role == "admin"


def test_administrators_of_single_sign_on_are_no_way_in_when_it_is_down(
    browser_: Browser, accounts: Accounts
) -> None:
    accounts.add("layla", PASSWORD, "admin")
    browser_.log_in(groups=("chiefs",))
    with pytest.raises(AccountError):
        accounts.disable("layla")


def test_whoever_has_no_password_confirms_by_a_new_login_at_the_provider(
    app: Flask, browser_: Browser, provider: FakeProvider, api_key: str
) -> None:
    browser_.log_in(groups=("chiefs",), auth_time=int(time.time()) - 3_000)
    path = "/console/demo/keys"
    form = {"csrf_token": csrf(browser_, path), "action": "rotate", "hours": "0"}
    asked = browser_.client.post(path, data=form)
    assert 'name="own_password"' not in asked.text
    (again,) = re.findall(r'href="(/console/sso\?purpose=confirm[^"]*)"', asked.text)
    forged = browser_.client.post(path, data={**form, "own_password": ""})
    assert forged.status_code == 422
    there = browser_.client.get(unescape(again)).location
    assert browser_.client.get(path_of(provider.arrive(there, "u-2"))).status_code == 302
    assert browser_.client.post(path, data={**form, "own_password": ""}).status_code == 422
    there = browser_.client.get(unescape(again)).location
    assert browser_.client.get(path_of(provider.arrive(there))).location == path
    assert browser_.client.post(path, data={**form, "own_password": ""}).status_code != 422


def test_a_store_that_lost_what_it_held_makes_no_accounts(
    app: Flask, browser_: Browser, provider: FakeProvider, accounts: Accounts, redis: Redis
) -> None:
    arrived = path_of(provider.arrive(browser_.sent(), groups=["chiefs"]))
    redis.flushall()
    assert browser_.client.get(arrived).status_code == 503
    assert accounts.list() == []


def test_without_a_provider_there_is_no_page_of_single_sign_on(
    environ: Mapping[str, str], redis: Redis, artifact: Artifact
) -> None:
    app = create_app(settings_in(environ), redis=redis, artifact=artifact)
    client = app.test_client()
    assert "/console/sso" not in client.get("/console/login").text
    for path in ("/console/sso", "/console/sso/answer"):
        assert client.get(path).status_code == 404
    assert client.post("/console/sso/logout").status_code == 404


def test_several_first_logins_at_once_make_one_account(
    app: Flask, provider: FakeProvider, accounts: Accounts
) -> None:
    windows = [Browser(app, provider) for _ in range(6)]
    arrived = [path_of(provider.arrive(one.sent(), groups=["night"])) for one in windows]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda one, path: one.client.get(path), windows, arrived))
    assert len(accounts.list()) == 1


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"amr": ["pwd", "otp"]}, 200),
        ({"acr": "mfa"}, 200),
        ({"amr": ["pwd"]}, 403),
        ({"amr": [["mfa"]]}, 403),
        ({}, 403),
    ],
)
def test_a_role_that_must_have_a_second_factor_has_it_at_the_provider_or_sets_one_up_here(
    browser_: Browser, accounts: Accounts, claims: dict[str, Any], status: int
) -> None:
    accounts.second_factor.require("moderator", by=SERVICE)
    browser_.log_in(**claims)
    assert browser_.client.get("/console/me").status_code == status
