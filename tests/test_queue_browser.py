"""The queue as a list in a real Chromium: keys, blur, filling by itself, raids, no JavaScript."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect
from test_console_browser import Console
from test_console_browser import console as console  # noqa: PLC0414 - a fixture

from service.accounts.account import Preferences
from service.rules.phrases import LANGUAGES


def at(page: Page) -> str:
    """The text of the row that the keys are at."""
    return page.locator(".item[aria-current] .text").first.inner_text()


def some(console: Console, n: int = 4, **fields: str) -> None:
    for number in range(n):
        console.flag(f"c{number}", f"words {number}", score=0.9 - number / 10, **fields)


def test_a_list_is_decided_by_keys_alone_and_goes_on_where_it_was(console: Console) -> None:
    some(console)
    page = console.page("samira", "/demo/queue")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    assert at(page) == "words 1"
    page.keyboard.press("r")
    expect(page.locator(".notices .reject")).to_be_visible()
    expect(page.locator(".item")).to_have_count(3)
    assert at(page) == "words 2"
    page.keyboard.press("k")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("[name=item]:checked")).to_have_count(2)
    page.keyboard.press("a")
    expect(page.locator(".item")).to_have_count(1)
    assert at(page) == "words 2"
    assert console.actions == ["reject", "approve", "approve"]
    page.keyboard.press("u")
    expect(page.locator(".item")).to_have_count(3)


def test_the_keys_that_a_person_chose_go_before_those_of_the_list(console: Console) -> None:
    some(console, 2)
    chosen = replace(Preferences(), keys={"approve": "j"})
    console.accounts.save_preferences("samira", chosen)
    page = console.page("samira", "/demo/queue")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("j")
    expect(page.locator(".item")).to_have_count(1)
    assert console.actions == ["approve"]
    page.keyboard.press("?")
    expect(page.locator("#list-keys")).to_be_visible()
    expect(page.locator("#list-keys")).to_contain_text("J")


def test_what_is_severe_stays_blurred_in_the_list_until_somebody_shows_it(console: Console) -> None:
    console.flag("c1", "severe words", label="threat", score=0.95)
    chosen = replace(Preferences(), blur=True)
    console.accounts.save_preferences("samira", chosen)
    page = console.page("samira", "/demo/queue")
    hidden = "rgba(0, 0, 0, 0)"
    text = page.locator(".item .text").first
    expect(text).to_have_css("color", hidden)
    page.keyboard.press("b")
    expect(text).not_to_have_css("color", hidden)


def test_the_list_says_what_has_come_and_moves_nothing_that_somebody_reads(
    console: Console,
) -> None:
    some(console, 2)
    page = console.page("samira", "/demo/queue?sort=newest")
    expect(page.locator("#news")).to_be_hidden()
    console.flag("new", "fresh words")
    expect(page.locator("#news a")).to_be_visible(timeout=20_000)
    expect(page.locator(".item")).to_have_count(2)
    page.locator("#news a").click()
    expect(page.locator(".item .text").first).to_have_text("fresh words")


def test_an_empty_list_fills_by_itself(console: Console) -> None:
    page = console.page("samira", "/demo/queue")
    expect(page.locator(".item")).to_have_count(0)
    console.flag("new", "fresh words")
    expect(page.locator(".item")).to_have_count(1, timeout=20_000)


def test_a_raid_of_many_hundreds_is_decided_with_one_press_and_taken_back_with_one(
    console: Console,
) -> None:
    n = 700
    some(console, n, copies="raid")
    page = console.page("samira", "/demo/queue")
    expect(page.locator(".item")).to_have_count(1)
    page.locator(".item a[href*=copies]").click()
    page.locator(".group .reject").click()
    expect(page.locator(".notices .reject").first).to_be_visible(timeout=60_000)
    assert console.queue.stats("demo").pending == 0
    page.locator("form.notice button").click()
    expect(page.locator(".notices .skip")).to_be_visible(timeout=60_000)
    assert console.queue.stats("demo").pending == n


def test_the_list_works_without_javascript(console: Console) -> None:
    some(console, 2)
    page = console.page("samira", "/demo/queue", java_script_enabled=False)
    page.locator("[name=item]").first.check()
    page.select_option("#reason", "spam")
    page.locator(".decide .reject").click()
    expect(page.locator(".item")).to_have_count(1)
    assert console.actions == ["reject"]
    console.flag("new", "fresh words")
    page.locator("a.again").click()
    expect(page.locator(".item")).to_have_count(2)
    page.locator("form.notice button").click()
    expect(page.locator(".item")).to_have_count(3)


@pytest.mark.parametrize("path", ["queue", "search"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_on_a_telephone_no_filter_that_is_not_set_is_cut(
    console: Console, language: str, path: str
) -> None:
    console.accounts.save_preferences("samira", Preferences(language=language))
    page = console.page("samira", f"/demo/{path}", viewport={"width": 390, "height": 844})
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    cut = page.locator("main select").evaluate_all(
        """all => all.filter((select) => {
            const words = document.createElement('span');
            words.textContent = select.selectedOptions[0].textContent.trim();
            Object.assign(words.style, {font: getComputedStyle(select).font, position: 'absolute'});
            document.body.append(words);
            const {paddingLeft, paddingRight} = getComputedStyle(select);
            const room = select.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
            return words.offsetWidth > room - 18;  // of the arrow
        }).map(select => select.name)"""
    )
    assert cut == []
