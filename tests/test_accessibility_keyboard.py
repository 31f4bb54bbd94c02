"""The console by the keyboard alone: every control is reached, seen and used; none is a trap."""

from __future__ import annotations

from typing import Any

import pytest
from console_pages import opened
from playwright.sync_api import Page, expect
from test_accessibility_browser import filled as filled  # noqa: PLC0414 - a fixture
from test_console_browser import Console
from test_console_browser import console as console  # noqa: PLC0414 - a fixture
from test_console_browser import on_trial as on_trial  # noqa: PLC0414 - a fixture

from service.accounts.account import Preferences

pytestmark = pytest.mark.slow

# What can have the focus, in the order of the document. Of radio buttons with one name the Tab key
# reaches the chosen one, else the first.
CONTROLS = """() => {
  const all = 'a[href], button, input:not([type=hidden]), select, textarea, summary, ' +
    '[tabindex="0"]';
  const first = (each) => {
    const group = [...document.querySelectorAll(`input[name="${each.name}"]`)]
      .filter((other) => other.form === each.form);
    return each === (group.find((other) => other.checked) || group[0]);
  };
  window.controls = [...document.querySelectorAll(all)].filter((each) =>
    each.checkVisibility({ visibilityProperty: true }) && !each.disabled && each.tabIndex >= 0 &&
    !each.closest('[inert], [hidden]') && (each.type !== 'radio' || first(each)));
  return window.controls.length;
}"""
# Where the focus is: its place among the controls, whether it is marked, and whether it is covered.
FOCUS = """() => {
  const here = document.activeElement;
  if (!here || here === document.body) return null;
  const shown = ['radio', 'checkbox'].includes(here.type) && here.nextElementSibling &&
    getComputedStyle(here).opacity === '0' ? here.nextElementSibling : here;
  const style = getComputedStyle(shown), box = shown.getBoundingClientRect();
  const line = shown.getClientRects()[0] || box;
  const points = [[line.x + line.width / 2, line.y + line.height / 2],
    [line.x + 4, line.y + 4], [line.right - 4, line.bottom - 4]];
  const bare = points.some(([x, y]) => {
    const top = document.elementFromPoint(x, y);
    return top && (shown.contains(top) || top.contains(shown) && !top.matches('body, html, main') ||
      top.closest('label')?.control === here);
  });
  return {
    place: window.controls.indexOf(here), html: here.outerHTML.slice(0, 160),
    marked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    bare, x: box.x, y: box.y, right: box.right, bottom: box.bottom,
  };
}"""


def tabbed(page: Page) -> list[dict[str, Any]]:
    """Where the focus goes as Tab is pressed, from the top of the page to its end."""
    n_controls = page.evaluate(CONTROLS)
    page.evaluate(
        """() => {
            const start = document.createElement('span');
            start.tabIndex = -1;
            document.body.prepend(start);
            start.focus();
            start.remove();
        }"""
    )
    found: list[dict[str, Any]] = []
    for _ in range(4 * n_controls):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        if focus is None or focus["place"] < 0 or (focus["place"] == 0 and found):
            break  # out of the page, and in again at its top
        if not found or focus["place"] != found[-1]["place"]:  # a date has four places in itself
            found.append(focus)
        found[-1]["marked"] &= focus["marked"]
    return found


@pytest.mark.parametrize(
    ("language", "width", "height"), [("ar", 1440, 900), ("fr", 1280, 600), ("ar", 390, 844)]
)
def test_the_tab_key_reaches_every_control_in_its_order_and_shows_where_it_is(
    filled: Console, language: str, width: int, height: int
) -> None:
    filled.accounts.save_preferences("layla", Preferences(language=language))
    page = filled.page(
        "layla", viewport={"width": width, "height": height}, reduced_motion="reduce"
    )
    page.route("**/events", lambda route: route.abort())  # what changes by itself
    problems = []
    for address in opened(filled, page, language):
        page.evaluate("document.querySelectorAll('main details').forEach(e => e.open = true)")
        reached = tabbed(page)
        n_controls = page.evaluate("window.controls.length")
        places = [focus["place"] for focus in reached]
        if places != [*range(n_controls)]:
            missed = page.evaluate(
                "n => window.controls[n]?.outerHTML.slice(0, 200)",
                next((n for n, place in enumerate(places) if n != place), len(places)),
            )
            problems.append(f"{address}: {places} of {n_controls}: not reached: {missed}")
        problems += [f"{address}: no outline: {f['html']}" for f in reached if not f["marked"]]
        problems += [f"{address}: covered: {f['html']}" for f in reached if not f["bare"]]
    assert not problems, "\n".join(problems)


def test_the_first_stop_of_the_tab_key_leads_past_the_top_to_the_content(console: Console) -> None:
    page = console.page(path="/me")
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    expect(page.locator(".skip-link")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#language")).to_be_focused()


def test_the_menu_of_languages_opens_by_the_keyboard_and_escape_leads_back(
    console: Console,
) -> None:
    page = console.page(path="/me")
    menu = page.locator(".languages summary")
    menu.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("button[lang=en]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    expect(page.locator("button[lang=en]")).to_be_hidden()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "fr")


def test_a_decision_by_key_is_told_to_screen_readers_with_the_next_comment(
    console: Console,
) -> None:
    console.flag("c1", "first", author_name="Amal")
    console.flag("c2", "second", author_name="Badr", score=0.9)
    page = console.page()
    said = page.locator("#said")
    expect(said).to_have_attribute("role", "status")
    expect(said).to_be_empty()
    page.keyboard.press("4")
    page.keyboard.press("r")
    expect(said).to_contain_text("تهديد")  # "threat"
    expect(said).to_contain_text("Badr. second")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("a")
    expect(said).to_contain_text("قُبل التعليق")  # "the comment was approved"
    expect(said).to_contain_text("لا شيء")  # "nothing"


def test_a_severe_comment_that_is_blurred_is_not_read_out(console: Console) -> None:
    console.accounts.save_preferences("samira", Preferences(blur=True))
    console.flag("c1", "first")
    console.flag("c2", "cruel words", author_name="Badr", label="severe_toxicity", score=0.96)
    page = console.page()
    page.keyboard.press("a")
    expect(page.locator("#said")).to_contain_text("Badr")
    expect(page.locator("#said")).not_to_contain_text("cruel")


def test_keys_of_one_letter_or_digit_can_be_turned_off(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page(path="/me")
    page.locator("[name=no_shortcuts]").focus()
    page.keyboard.press("Space")
    page.locator("#replies").focus()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".notices .notice")).to_be_visible()
    page.goto(f"{console.url}/console/demo/work")
    suggested = page.locator("[name=reason]:checked").get_attribute("value")
    for key in ("4", "r", "a", "s", "n", "?"):
        page.keyboard.press(key)
    assert page.locator("[name=reason]:checked").get_attribute("value") == suggested
    expect(page.locator("dialog")).to_be_hidden()
    expect(page.locator("#comment bdi")).to_have_text("first")
    expect(page.locator(".buttons kbd").first).to_be_hidden()
    assert console.actions == []
    page.locator("button.reject").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".notice.reject")).to_be_visible()
    assert console.actions == ["reject"]


def test_the_sheet_of_keys_holds_the_focus_and_gives_it_back(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page()
    opener = page.locator("[data-sheet]")
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_be_visible()
    assert page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_be_hidden()
    expect(opener).to_be_focused()


def test_nothing_moves_for_somebody_who_wants_less_motion(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page(reduced_motion="reduce")
    moving = page.evaluate(
        """() => [...document.querySelectorAll('*')].filter((each) => {
            const style = getComputedStyle(each);
            return parseFloat(style.transitionDuration) > 0 || style.animationName !== 'none';
        }).map((each) => each.outerHTML.slice(0, 80))"""
    )
    assert moving == []


def test_marks_choices_and_focus_are_seen_in_forced_colours(console: Console) -> None:
    part = {"field": "text", "label": "insult", "start": 0, "end": 5, "weight": 1.0}
    console.flag("c1", "first", evidence=[part])
    page = console.page(forced_colors="active")
    style = "e => { const s = getComputedStyle(e); return [s.backgroundColor, s.fontWeight] }"
    background, _weight = page.locator("#comment").evaluate(style)
    assert page.locator("mark").first.evaluate(style)[0] != background
    chosen = page.locator(".reason:has(:checked) span").evaluate(style)
    other = page.locator(".reason:not(:has(:checked)) span").first.evaluate(style)
    assert chosen[1] > other[1]
    page.keyboard.press("Tab")
    assert page.locator(".skip-link").evaluate("e => getComputedStyle(e).outlineStyle") != "none"
