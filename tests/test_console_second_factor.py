"""A second factor that a role must have: set up before anything else, on every way in."""

from __future__ import annotations

import re
from typing import Any

import pyotp
import pytest
from flask import Flask
from redis import Redis
from test_admin import PASSWORD, Browser, accounts, browser, services
from test_trainees import everything, views

from service.accounts.account import AccountError
from service.accounts.accounts import Accounts
from service.services import Services
from service.store.trail import ACCOUNTS, SERVICE, Trail

__all__ = ["accounts", "browser", "services"]  # fixtures

SET_UP = "Set up your second factor"
#: What stays open: to log in, by single sign-on too, and out, the language, and to set it up.
OPEN = re.compile(
    r"console\.((login|sign_on)\..*|static|update_language|account\.update_second_factor)"
)


def set_up(browser: Browser) -> str:
    """Set the second factor up as the page asks; return the page of recovery codes."""
    page = browser.post("/me/totp", step="propose", password=PASSWORD)
    key = re.search(r'<code dir="ltr">([A-Z2-7 ]+)</code>', page)
    assert key
    code = pyotp.TOTP(key[1].replace(" ", "")).now()
    return browser.post("/me/totp", step="confirm", code=code)


def test_who_must_have_a_second_factor_sets_it_up_and_then_goes_on(
    browser: Browser, accounts: Accounts
) -> None:
    accounts.second_factor.require("admin", by=SERVICE)
    assert SET_UP in browser.get("/demo/work")
    assert browser.last.status_code == 403
    assert 'class="pages"' not in browser.get("/overview")
    wrong = browser.post("/me/totp", step="confirm", code="000000")
    assert SET_UP in wrong, "a wrong code opens nothing else"
    assert "Recovery codes" in set_up(browser)
    browser.get("/demo/work")
    assert browser.last.status_code == 200


def test_nothing_else_is_open_before_on_no_route_and_in_no_open_session(
    app: Flask, browser: Browser, accounts: Accounts, redis: Redis
) -> None:
    accounts.second_factor.require("admin", by=SERVICE)  # who logged in before is asked too
    before = everything(redis)
    closed = [view for view in views(app) if not OPEN.fullmatch(view[0])]
    assert {method for _, method, _ in closed} == {"GET", "POST"}
    for endpoint, method, path in closed:
        page = browser.post(path) if method == "POST" else browser.get(path)
        assert (browser.last.status_code, SET_UP in page) == (403, True), endpoint
    assert everything(redis) == before


def test_a_form_that_was_kept_over_the_login_is_no_way_around_it(
    browser: Browser, accounts: Accounts
) -> None:
    for session in accounts.sessions.of("layla"):
        accounts.sessions.close("layla", session.digest)
    page = browser.post("/demo/notes", about="author_id", id="u1", note="typed")
    kept = re.search(r'name="kept" value="([^"]+)"', page)
    assert kept
    accounts.second_factor.require("admin", by=SERVICE)
    browser.post("/login", name="layla", password=PASSWORD, kept=kept[1])
    assert browser.last.status_code == 302
    assert SET_UP in browser.get("/")


def test_only_the_roles_that_must_have_it_are_asked(
    app: Flask, browser: Browser, accounts: Accounts
) -> None:
    senior = Browser(app, "samira")
    for role, asked in (("admin", False), ("senior", True), ("", False), ("trainee", True)):
        accounts.second_factor.require(role, by=SERVICE)
        assert (SET_UP in senior.get("/me")) is asked, role
    accounts.second_factor.require("", by=SERVICE)
    assert SET_UP not in browser.get("/me")


def test_who_must_have_it_cannot_turn_it_off(browser: Browser, accounts: Accounts) -> None:
    set_up(browser)
    accounts.second_factor.require("admin", by=SERVICE)
    assert 'value="remove"' not in browser.get("/me")
    page = browser.post("/me/totp", step="remove", password=PASSWORD)
    assert browser.last.status_code == 422
    assert "Your role must have a second factor." in page
    with pytest.raises(AccountError):
        accounts.second_factor.remove("layla")
    assert accounts.must_get("layla").has_totp
    accounts.second_factor.require("", by=SERVICE)
    browser.post("/me/totp", step="remove", password=PASSWORD)
    assert not accounts.must_get("layla").has_totp


def test_the_rule_is_set_in_the_console_and_stands_in_the_trail_once(
    browser: Browser, accounts: Accounts, services: Services, redis: Redis
) -> None:
    set_up(browser)
    for _again in range(2):
        browser.post("/admin/second-factor", role="senior")
    assert accounts.second_factor.required_from() == "senior"
    assert '<option value="senior" selected>' in browser.get("/admin")
    found: Any = [entry for entry in Trail(redis).latest(ACCOUNTS) if entry.kind == "accounts"]
    (entry,) = found
    assert entry.origin.name == "layla"
    assert (entry.changes["second_factor_from"].old, entry.changes["second_factor_from"].new) == (
        None,
        "senior",
    )
    page = browser.get("/admin/trail")
    assert "Who must have a second factor" in page
    assert "senior moderators and administrators" in page
    browser.post("/admin/second-factor", role="king")
    assert browser.last.status_code == 422


def test_a_rule_that_cannot_be_read_holds_for_everybody(accounts: Accounts, redis: Redis) -> None:
    redis.set("{hakam:accounts}:second_factor_from", "nonsense")
    assert accounts.second_factor.is_missing(accounts.must_get("samira"))
