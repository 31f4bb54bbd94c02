"""Administration in a real Chromium: a word list changed, seen in the trail, and set back."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect
from test_console_browser import PASSWORD, Console, accessible
from test_console_browser import console as console  # noqa: PLC0414 - a fixture

from conftest import await_condition
from service.accounts.account import Preferences

pytestmark = pytest.mark.slow

WORD = "zebra"


def verdict(console: Console, key: str, comment_id: str) -> str:
    """What becomes of a comment with the word, as its site is told."""
    body = {"id": comment_id, "text": f"a quiet {WORD}"}
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.post(f"{console.url}/v1/comments", json=body, headers=headers, timeout=30.0)
    return str(answer.json()["action"])


def follow(page: Page, *names: str) -> None:
    """Go where links of these names lead, one after another."""
    for name in names:
        page.get_by_role("link", name=name, exact=True).first.click()


def test_a_word_list_is_changed_seen_in_the_trail_and_set_back_and_comments_obey(
    console: Console,
) -> None:
    key = console.sites.add_key("demo")
    console.sites.update(console.sites.get("demo").changed({"random_sample_share": 0.0}))
    console.accounts.save_preferences("layla", Preferences(language="en"))
    page = console.page("layla", "/admin")
    follow(page, "Open Demo", "Word lists")
    page.locator("#block_words").fill(WORD)
    page.locator("#texts").fill(f"a quiet {WORD}")
    page.get_by_role("button", name="Try").click()
    expect(page.locator("#tried mark")).to_have_text(WORD)
    expect(page.locator("#tried ins").last).to_have_text("sent to a moderator")
    assert verdict(console, key, "c1") == "approve"
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".notice")).to_contain_text("Saved.")
    await_condition(lambda: verdict(console, key, "c2") == "review")
    follow(page, "Administration", "Open Demo")
    page.get_by_role("main").get_by_role("link", name="Trail of changes").click()
    first = page.locator(".trail > li").first
    expect(first).to_contain_text("layla")
    expect(first.locator("ins bdi")).to_have_text(WORD)
    assert accessible(page) == []
    first.get_by_role("link", name="Settings before it").click()
    expect(page.locator("del bdi").last).to_have_text(WORD)
    page.get_by_role("button", name="Set back").click()
    expect(page.locator(".notice")).to_contain_text("Set back.")
    expect(page.locator(".trail > li").first.locator("del bdi")).to_have_text(WORD)
    await_condition(lambda: verdict(console, key, "c3") == "approve")


def test_a_key_is_revoked_on_a_page_that_asks_for_the_password_without_scripts(
    console: Console,
) -> None:
    key = console.sites.add_key("demo")
    page = console.page("layla", "/demo/keys", java_script_enabled=False)
    page.locator("form", has_text=key[-4:]).get_by_role("button").click()
    page.locator("#own_password").fill("wrong password")
    page.locator("form.card button").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.locator("#own_password").fill(PASSWORD)
    page.locator("form.card button").click()
    expect(page.locator(".notice.approve")).to_be_visible()
    expect(page.get_by_text(key[-4:])).to_have_count(0)
    record = console.sites.record("demo")
    assert record is not None
    assert all(one.mark != key[-4:] for one in record.keys.stored)
