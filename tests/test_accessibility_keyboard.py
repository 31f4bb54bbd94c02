"""The console by the keyboard alone: every control is reached, seen and used; none is a trap."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page
from test_accessibility_browser import filled as filled  # noqa: PLC0414 - a fixture
from test_accessibility_browser import opened
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
