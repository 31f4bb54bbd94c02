"""Accessibility (WCAG 2.2 AA) of every page of the console and of the readers' pages.

Which pages these are, `console_pages` knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from console_pages import (
    LEADS_ON,
    SCREENS,
    answers,
    before_login,
    fill,
    for_others,
    met,
    opened,
    sent_by,
    ways,
)
from playwright.sync_api import Browser, Page
from test_console_browser import Console, accessible
from test_console_browser import console as console  # noqa: PLC0414 - a fixture
from test_console_browser import on_trial as on_trial  # noqa: PLC0414 - a fixture

from service.accounts.account import Preferences
from service.rules.phrases import LANGUAGES

pytestmark = pytest.mark.slow


@pytest.fixture
def filled(console: Console, on_trial: None) -> Console:
    fill(console)
    return console


def audited(page: Page, screens: Sequence[tuple[Any, int]] = SCREENS) -> list[str]:
    """What axe finds on the page that is open, in each of these colours and widths."""
    found = []
    page.evaluate("document.querySelectorAll('main details').forEach(each => each.open = true)")
    for scheme, width in screens:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"{scheme}, {width}: {problem}" for problem in accessible(page)]
    return found


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_page_passes_axe_in_every_language_light_and_dark_wide_and_narrow(
    filled: Console, language: str
) -> None:
    problems = []
    for name, role in (("layla", "admin"), ("tariq", "trainee")):
        filled.accounts.save_preferences(name, Preferences(language=language))
        page = filled.page(name, reduced_motion="reduce")  # no colour is caught between two
        for _address in opened(filled, page, language, role):
            problems += audited(page)
    assert not problems, "\n".join(problems)


# What WCAG 1.4.12 lets a reader set: no word may be cut off by it.
SPACED = """* { line-height: 1.5 !important; letter-spacing: .12em !important;
  word-spacing: .16em !important; } p { margin-block-end: 2em !important; }"""
WIDE = """width => [...document.querySelectorAll('main *')].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.width && (box.right > width + 1 || box.left < -1) &&
      !each.closest('.scroll, .unseen, .reasons, svg');
  }).map((each) => each.outerHTML.slice(0, 120)).slice(0, 3)"""


@pytest.mark.parametrize(("language", "width"), [("ar", 320), ("fr", 320), ("fr", 640)])
def test_no_page_scrolls_sideways_however_far_it_is_magnified_and_spaced(
    filled: Console, language: str, width: int
) -> None:
    problems = []
    for name, role in (("layla", "admin"), ("tariq", "trainee")):
        filled.accounts.save_preferences(name, Preferences(language=language))
        page = filled.page(name, viewport={"width": width, "height": 640}, bypass_csp=True)
        for address in opened(filled, page, language, role):
            page.evaluate("document.querySelectorAll('main details').forEach(e => e.open = true)")
            for spaced in (False, True):
                if spaced:
                    page.add_style_tag(content=SPACED)
                extent = page.evaluate("document.documentElement.scrollWidth")
                if extent > width:
                    what = page.evaluate(WIDE, width)
                    problems.append(f"{address}: {extent} wide, spaced: {spaced}: {what}")
    assert not problems, "\n".join(problems)


# Roles that a screen reader says together with a name.
NAMED = {
    "button",
    "checkbox",
    "combobox",
    "heading",
    "link",
    "meter",
    "navigation",
    "radio",
    "searchbox",
    "textbox",
    "complementary",
    "region",
    "spinbutton",
}
#: Names that are the same in every language: files, keys, products, and what others chose.
#: The parts of a date are named by the browser, in its own language.
SAME = re.compile(
    r"(?:Day|Month|Year|Show date picker).*|CSV|Coral|English|Français|Perspective|UTC|https?:.*"
    r"|[\W\d_]*"
)
ARABIC = re.compile("[\N{ARABIC LETTER HAMZA}-\N{ARABIC LETTER YEH}]")


def tree(page: Page) -> list[dict[str, Any]]:
    """What Chromium tells a screen reader: the nodes of a page in the order in which it reads."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    by_id = {node["nodeId"]: node for node in nodes}
    found: list[dict[str, Any]] = []
    todo = [nodes[0]["nodeId"]]
    while todo:
        node = by_id.get(todo.pop())
        if node is None:
            continue
        todo += reversed(node.get("childIds", []))
        if not node.get("ignored"):
            levels = [p["value"] for p in node.get("properties", ()) if p["name"] == "level"]
            found.append(
                {
                    "role": node.get("role", {}).get("value", ""),
                    "name": node.get("name", {}).get("value", ""),
                    "level": levels[0]["value"] if levels else 0,
                }
            )
    return found


def test_a_screen_reader_hears_every_control_and_heading_of_every_page_in_arabic(
    filled: Console,
) -> None:
    filled.accounts.save_preferences("layla", Preferences(language="ar"))
    page = filled.page("layla")
    foreign = """() => [...document.querySelectorAll('bdi, [lang]:not(html), code, kbd, option')]
      .map((each) => each.textContent.trim()).filter(Boolean)"""
    problems = []
    for address in opened(filled, page, "ar"):
        theirs = set(page.evaluate(foreign))
        for node in tree(page):
            name = " ".join(node["name"].split())
            if node["role"] not in NAMED or ARABIC.search(name) or name in theirs:
                continue
            if not name or not SAME.fullmatch(name):
                problems.append(f"{address}: {node['role']}: {name!r}")
    assert not problems, "\n".join(problems)


def test_a_screen_reader_hears_the_work_in_the_order_in_which_it_is_seen(console: Console) -> None:
    console.samples()
    page = console.page(path="/demo/work", viewport={"width": 1440, "height": 900})
    nodes = tree(page)
    landmarks = [n["role"] for n in nodes if n["role"] in ("banner", "navigation", "main")]
    assert landmarks == ["banner", "navigation", "main"]
    headings = [(n["level"], n["name"]) for n in nodes if n["role"] == "heading"]
    assert headings[0] == (1, "التعليق الأكثر استعجالًا")  # "the most urgent comment"
    assert headings[1] == (2, "ابن البلد")  # the author's pen name
    names = [n["name"] for n in nodes if n["role"] in ("heading", "button", "complementary")]
    wanted = ["عن هذا التعليق", "قبول A", "رفض R", "تخطّي S"]  # about it; approve, reject, skip
    at = [next(i for i, name in enumerate(names) if name.startswith(w[:-2])) for w in wanted]
    assert at == sorted(at), names
    # From right to left: what is read first lies further to the right, or further up.
    places = page.evaluate(
        """() => ['.comment', '.facts', '.buttons .approve', '.buttons .reject', '.buttons .skip']
            .map((each) => document.querySelector(each).getBoundingClientRect())
            .map((box) => [Math.round(box.right), Math.round(box.top)])"""
    )
    assert places[0][0] > places[1][0]
    assert places[2][0] > places[3][0] > places[4][0]


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_page_that_answers_a_form_or_says_an_error_passes_axe(
    filled: Console, browser: Browser, language: str
) -> None:
    context = browser.new_context(locale=language, reduced_motion="reduce")
    filled.contexts.append(context)
    visitor, problems = context.new_page(), list[str]()
    for answer in before_login(filled):
        met(visitor, filled.url, answer)
        assert visitor.locator("html").get_attribute("lang") == language, answer.name
        problems += audited(visitor)
    for name in ("samira", "layla"):
        filled.accounts.save_preferences(name, Preferences(language=language))
    page = filled.page("samira", "/me", reduced_motion="reduce")
    for answer in for_others():
        met(page, filled.url, answer)
        problems += audited(page)
    page, sent = filled.page("layla", "/me", reduced_motion="reduce"), set[str]()
    for answer in answers(filled, language):
        met(page, filled.url, answer)
        assert page.locator("html").get_attribute("lang") == language, answer.name
        problems += audited(page)
        sent.add(sent_by(answer))
    assert not problems, "\n".join(problems)
    forms = {rule.endpoint for rule in ways().map.iter_rules() if "POST" in (rule.methods or ())}
    missing = forms - sent - LEADS_ON - {"console.login.accept", "console.login.confirm"}
    assert not missing, "how are these forms answered? Say it in `answers`, or in LEADS_ON"
