"""Search in a real Chromium: type, find, go on, stop, decide."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect
from redis import Redis
from test_console_browser import DATA, Console, accessible
from test_console_browser import console as console  # noqa: PLC0414 - a fixture

from models.schema import read_comments
from service.queue.search import WORK

pytestmark = pytest.mark.slow

ARRIVALS = "{hakam:demo}:arrivals"
INSULT, *_OTHERS = read_comments(DATA / "line.jsonl")
#: A word of that comment, and how somebody may write it who wants to get it past a filter.
WORD = INSULT.text.split()[2]
DISGUISED = f"{WORD[0]}\N{ARABIC TATWEEL}.{'.'.join(WORD[1:])}"
NEWER_MS = 1_900_000_000_000
SLOW_LOOKS = 250 * WORK  # that take more than two pages


def others(redis: Redis, n_comments: int) -> None:
    """Let so many comments have come later, of which none fits."""
    client: Any = redis
    for start in range(0, n_comments, 10_000):
        stop = min(start + 10_000, n_comments)
        noted = {f"{NEWER_MS + n}{n:012}aabbcc": 0 for n in range(start, stop)}
        client.zadd(ARRIVALS, noted)


@pytest.fixture
def insult(console: Console) -> str:
    console.flag("other", "كلام آخر لا بأس به")
    return console.flag("c1", INSULT.text, author_name="سارة")


def rows(page: Page) -> Any:
    return page.locator(".found > li")


def test_a_disguised_insult_is_typed_found_and_decided(console: Console, insult: str) -> None:
    page = console.page("samira", "/demo/search")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type(DISGUISED)
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    expect(page.locator("mark[data-label=found]")).to_have_text(WORD)
    assert quote(DISGUISED) in page.url, "so that it can be sent to a colleague"
    rows(page).locator("a time").first.click()
    page.wait_for_url(f"**/items/{insult}")
    expect(page.locator("main")).to_contain_text(WORD)
    page.go_back()
    expect(rows(page)).to_have_count(1)
    page.locator(f"#item-{insult} [name=item]").check()
    page.click("button.reject")
    expect(page.locator(".notices .notice")).to_be_visible()
    assert quote(DISGUISED) in page.url
    expect(rows(page)).to_have_count(1)
    assert console.decisions.read("demo")[0].item_id == insult
    assert console.violations == []


def test_a_long_search_goes_on_by_itself_until_it_finds(
    console: Console, insult: str, redis: Redis
) -> None:
    others(redis, SLOW_LOOKS)
    page = console.page("samira", f"/demo/search?q={quote(WORD)}")
    expect(rows(page)).to_have_count(1, timeout=60_000)
    expect(page.locator("#looked a")).to_have_count(0, timeout=60_000)
    expect(page.locator("#looked progress")).to_have_attribute("value", "1")
    expect(page.locator("[data-stop]")).to_be_hidden()
    page.locator(f"#item-{insult} [name=item]").check()
    page.click("button.approve")
    expect(page.locator(".notices .notice")).to_be_visible()
    assert console.decisions.read("demo")[0].action == "approve"
    assert console.violations == []


def test_a_search_can_be_stopped_and_looks_on_where_it_was(
    console: Console, insult: str, redis: Redis
) -> None:
    others(redis, SLOW_LOOKS)
    page = console.page("samira", "/demo/search")
    held: list[Any] = []

    def hold(route: Any) -> None:  # the answer comes when the test lets it
        held.append(route)

    page.route(re.compile("before="), hold)
    with page.expect_request(re.compile("before=")):
        page.goto(f"{console.url}/console/demo/search?q={quote(WORD)}")
    page.locator("[data-stop]").click()
    before = page.locator("#looked a").get_attribute("href")
    held.pop().continue_()
    expect(page.locator("[data-stop]")).to_be_hidden()
    link = page.locator("#looked a")
    expect(link).to_be_visible()
    assert link.get_attribute("href") != before, "the page under way still counts"
    assert held == [], "and nothing more is asked"
    expect(rows(page)).to_have_count(0)
    page.unroute(re.compile("before="))
    link.click()
    expect(rows(page)).to_have_count(1, timeout=60_000)


@pytest.fixture
def scriptless(browser: Browser, console: Console) -> Iterator[Page]:
    """A page of somebody whose browser runs no scripts."""
    page = console.page("samira", "/demo/search", java_script_enabled=False)
    yield page
    page.context.close()


def test_without_scripts_a_search_goes_on_by_its_link(
    scriptless: Page, console: Console, insult: str, redis: Redis
) -> None:
    others(redis, SLOW_LOOKS)
    page = scriptless
    page.fill("#q", WORD)
    page.locator("[role=search] button.primary").click()
    expect(page.locator("[data-stop]")).to_be_hidden()
    for _ in range(SLOW_LOOKS // WORK + 1):
        if page.locator("#looked a").count() == 0:
            break
        with page.expect_navigation():
            page.locator("#looked a").click()
    expect(rows(page)).to_have_count(1)


def test_the_page_passes_axe_with_results_without_and_with_a_complaint(
    console: Console, insult: str
) -> None:
    page = console.page("samira", "/demo/search")
    problems = accessible(page)
    for asked in (f"q={quote(WORD)}&author=x", f"q={quote(WORD)}", "q=!!", "state=withdrawn"):
        page.goto(f"{console.url}/console/demo/search?{asked}")
        problems += accessible(page)
    assert problems == []
