"""Single sign-on in a real browser, at a certified OpenID provider (npm `oidc-provider`)."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copy

import httpx
import pytest
from arriving import enqueue
from fake_provider import CLIENT, SECRET
from foreign_clients import has_node, npm_install
from playwright.sync_api import Browser, Error, Page, expect
from redis import Redis
from test_console_browser import accessible

from conftest import await_condition, free_port, served
from service.accounts.account import Preferences
from service.accounts.accounts import Accounts
from service.queue.decisions import DecisionStream
from service.queue.records import Comment
from service.queue.review_queue import ReviewQueue
from service.rules.phrases import LANGUAGES
from service.rules.policy import Verdict
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"
PEOPLE = {
    "u-1": {"name": "Samira Haddad", "preferred_username": "samira", "groups": ["desk", "all"]},
    "u-2": {"name": "Omar", "preferred_username": "omar", "groups": ["cooks"]},
}
LOG_IN = {"ar": "الدخول الموحّد", "fr": "Authentification unique"}
REFUSED = {"ar": "لست في أي من المجموعات", "fr": "Vous n’êtes dans aucun des groupes"}


@dataclass
class House:
    """A newsroom: its Hakam, and its provider."""

    hakam: str
    issuer: str
    folder: Path

    @contextmanager
    def provider(self) -> Iterator[None]:
        """Run the provider."""
        environ = {"ISSUER": self.issuer, "HAKAM": self.hakam, "PEOPLE": json.dumps(PEOPLE)}
        environ |= {"CLIENT": CLIENT, "SECRET": SECRET, "PATH": os.environ["PATH"]}
        log = (self.folder / "provider.log").open("w")
        command = ["node", "oidc_provider.mjs"]
        with (
            log,
            subprocess.Popen(command, cwd=self.folder, env=environ, stdout=log, stderr=log) as node,
        ):
            try:
                await_condition(lambda: self._answers(node), what="the provider")
                yield
            finally:
                node.terminate()

    def _answers(self, node: subprocess.Popen[bytes]) -> bool:
        assert node.poll() is None, (self.folder / "provider.log").read_text()
        try:
            return httpx.get(f"{self.issuer}/.well-known/openid-configuration").is_success
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def house(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    if not has_node():
        pytest.skip("no node and npm on this machine")
    folder = tmp_path_factory.mktemp("provider")
    npm_install(folder, "oidc-provider@9.13.3")
    copy(Path(__file__).parent / "oidc_provider.mjs", folder)
    issuer, port = f"http://127.0.0.1:{free_port()}", free_port()
    settings = {
        "HAKAM_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "HAKAM_OIDC_ISSUER": issuer,
        "HAKAM_OIDC_CLIENT_ID": CLIENT,
        "HAKAM_OIDC_CLIENT_SECRET": SECRET,
        "HAKAM_OIDC_ROLES": "senior=desk; trainee=all",
    }
    with served(environ | settings, folder / "hakam.log", port) as hakam:
        yield House(hakam, issuer, folder)


@pytest.fixture
def accounts(house: House, redis: Redis, site: Site) -> Accounts:
    Sites(redis).add(site)
    return Accounts(redis)


def window(browser: Browser, language: str = "en") -> Page:
    context = browser.new_context(locale=language)
    context.set_default_timeout(20_000)
    return context.new_page()


def at_the_provider(page: Page, who: str) -> None:
    """Fill in the provider's pages: who it is, and that Hakam may know."""
    page.locator("input[name=login]").fill(who)
    page.locator("input[name=password]").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def log_in(house: House, page: Page, who: str, link: str = "Log in by single sign-on") -> None:
    page.goto(f"{house.hakam}/console/me")
    page.get_by_role("link", name=link).click()
    at_the_provider(page, who)


@pytest.mark.parametrize("language", sorted(LOG_IN))
def test_somebody_of_the_house_logs_in_and_out_and_somebody_of_no_group_does_not(
    house: House, browser: Browser, accounts: Accounts, language: str
) -> None:
    with house.provider():
        page = window(browser, language)
        log_in(house, page, "u-1", LOG_IN[language])
        expect(page).to_have_url(f"{house.hakam}/console/me")
        assert accessible(page) == []
        account = accounts.must_get("samira")
        assert (account.role, account.display_name) == ("senior", "Samira Haddad")
        assert account.preferences.language == language
        page.locator("header form[action='/console/logout'] button").click()
        page.wait_for_url(f"{house.issuer}/session/end*")
        page.get_by_role("button", name="Yes, sign me out").click()
        expect(page).to_have_url(re.compile(f"{house.hakam}/console/login"))
        assert accounts.sessions.of("samira") == []

        other = window(browser, language)
        log_in(house, other, "u-2", LOG_IN[language])
        expect(other.get_by_role("alert")).to_contain_text(REFUSED[language])
        assert accounts.get("omar") is None


def test_whoever_logs_out_at_the_provider_is_out_here_at_once(
    house: House, browser: Browser, accounts: Accounts
) -> None:
    with house.provider():
        page = window(browser)
        log_in(house, page, "u-1")
        expect(page).to_have_url(f"{house.hakam}/console/me")
        assert accounts.sessions.of("samira")
        page.goto(f"{house.issuer}/session/end")
        page.get_by_role("button", name="Yes, sign me out").click()
        await_condition(lambda: not accounts.sessions.of("samira"), what="the logout")
        page.goto(f"{house.hakam}/console/me")
        expect(page).to_have_url(re.compile("/console/login"))


def test_a_note_that_was_typed_when_the_login_ended_comes_back_by_single_sign_on(
    house: House, browser: Browser, accounts: Accounts, redis: Redis, site: Site
) -> None:
    verdict = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
    comment = Comment(id="c1", text="a comment")
    enqueue(ReviewQueue(redis), site.id, comment, verdict, scores={"insult": 0.9})
    with house.provider():
        page = window(browser)
        log_in(house, page, "u-1")
        page.goto(f"{house.hakam}/console/{site.id}/work")
        page.keyboard.press("n")
        page.locator("#note").press_sequentially("third time")
        page.locator("h1").focus()
        page.locator("input[value=threat]").check(force=True)
        accounts.log_out("samira")
        page.locator("button.reject").click()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.get_by_role("link", name="Log in by single sign-on").click()  # still logged in there
        expect(page.locator("#note")).to_have_value("third time")
        expect(page.locator("input[value=threat]")).to_be_checked()
        expect(page).to_have_url(f"{house.hakam}/console/login/kept")
        assert accessible(page) == []
        assert any(address.startswith(house.issuer) for address in asked)
        assert max(map(len, asked)) < 1_000
        assert page.evaluate("Object.keys(sessionStorage)") == []
        assert ReviewQueue(redis).stats(site.id).decided == 0
        page.locator("button.reject").click()
        expect(page.locator(".notice.reject")).to_be_visible()
    (decision,) = DecisionStream(redis).read(site.id)
    assert (decision.note, decision.reason) == ("third time", "threat")


def test_a_local_account_is_linked_by_a_login_on_both_sides(
    house: House, browser: Browser, accounts: Accounts
) -> None:
    accounts.add("layla", PASSWORD)
    accounts.save_preferences("layla", Preferences(language="en"))
    with house.provider():
        page = window(browser)
        page.goto(f"{house.hakam}/console/me")
        page.get_by_label("Name").fill("layla")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Log in", exact=True).click()
        assert accessible(page) == []
        page.locator("#linked").fill(PASSWORD)
        page.get_by_role("button", name="Link this account").click()
        at_the_provider(page, "u-1")
        expect(page.get_by_text("Single sign-on opens this account from now on.")).to_be_visible()
        other = window(browser)
        log_in(house, other, "u-1")
        expect(other.locator("header .who")).to_have_text("layla")
        assert accounts.must_get("layla").role == "senior"


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_the_login_page_is_accessible_and_goes_on_without_the_provider(
    house: House, browser: Browser, accounts: Accounts, language: str
) -> None:
    page = window(browser, language)
    page.goto(f"{house.hakam}/console/login")
    assert accessible(page) == []

    def says_so() -> bool:
        with suppress(Error):  # sent to the provider, which was there a few seconds ago
            page.goto(f"{house.hakam}/console/sso")
        return page.get_by_role("alert").is_visible()

    await_condition(says_so, what="a page that says so")
    expect(page.locator("#password")).to_be_visible()
    assert accessible(page) == []
