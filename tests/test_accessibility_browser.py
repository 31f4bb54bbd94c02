"""Accessibility (WCAG 2.2 AA) of every page of the console and of the readers' pages.

The pages are those of the application's routes: a new one is audited by itself. Where neither the
id of a site nor a link of another page opens it, the audit asks for an example in `examples`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from test_console_browser import PASSWORD, Console, accessible
from test_console_browser import console as console  # noqa: PLC0414 - a fixture
from test_console_browser import on_trial as on_trial  # noqa: PLC0414 - a fixture
from werkzeug.exceptions import HTTPException

from service.accounts.account import Preferences
from service.console import blueprint
from service.queue.articles import Articles
from service.queue.authors import Authors
from service.queue.notes import Notes
from service.queue.practice import Practice
from service.queue.reader_links import sign_link
from service.queue.records import Comment, item_id_of
from service.queue.repeats import Repeats
from service.queue.reports import Reports
from service.readers import pages as readers
from service.rules.phrases import LANGUAGES
from service.rules.policy import Verdict
from service.sites.site import Site

pytestmark = pytest.mark.slow

#: Routes that are no page: parts of pages, streams, files, and those that only lead elsewhere.
NO_PAGES = {
    "console._nowhere",
    "console.drift.download",
    "console.index",
    "console.insight.download",
    "console.overview.events",
    "console.queue.new",
    "console.policy.preview",
    "console.settings.preview",
    "console.shift.arrivals",
    "console.static",
    "readers.static",
    "static",
}
#: Opened before the login, and so by tests of their own.
BEFORE_LOGIN = {"console.login.index", "console.login.confirm", "console.login.accept"}
OF_TRAINEES = "console.practice."
SCREENS = (("light", 1440), ("dark", 390), ("dark", 1440), ("light", 390))
# A name as long as a site may send, without a blank: "the-very-long-".
LONG = "الطويلجدًا" * 12
SITE = Site(
    id="demo",
    name=f"جريدة {LONG}"[:100],  # "newspaper"
    reader_link_secret="0123456789abcdef" * 4,
)
EMPTY = Site(id="empty", name="")


def fill(console: Console) -> None:
    """A day's work on one site, with all that a page may have to show; another site without any."""
    console.sites.update(replace(SITE, shadow=console.sites.get("demo").shadow))
    console.sites.add(EMPTY)
    console.history()
    console.sites.update(replace(SITE, shadow=console.sites.get("demo").shadow, shadow_share=1.0))
    repeats = Repeats(console.redis)
    for n in range(25):
        text = f"the same words again and again, from many authors {n}"
        comment = Comment(f"raid-{n}", text, author_id=f"r{n}", article_id="flooded")
        group = repeats.observe("demo", comment, 5).group
        console.flag(
            comment.id, text, author_id=f"r{n}", article_id="flooded", copies=group, score=0.7
        )
    verdict = Verdict("review", None, None, 0.1, "reported", 1.0, "v1")
    for n, reason in enumerate(("insult", "illegal", "other")):
        Reports(console.redis).add(
            console.sites.get("demo"),
            Comment("reported", "تعليق", author_id="u1", author_name=LONG, article_id="bread"),
            verdict,
            reporter=f"reader-{n}",
            reason=reason,
            explanation=LONG,
            scores={"insult": 0.2},
            author_scores=None,
            evidence=(),
            sentence=(),
        )
    console.accounts.add("tariq", PASSWORD, "trainee")
    authors = Authors(console.redis, console.sites)
    for act in ("hold", "warn", "mute", "block"):
        authors.act(
            "demo",
            "u1",
            act,
            moderator="omar",
            request_id=act,
            until=time.time() + 86_400,
            reason="insult",
        )
    for about in ("author_id", "article_id"):
        value = "u1" if about == "author_id" else "bread"
        asked = {"note_id": about, "moderator": LONG, "text": LONG}
        Notes(console.redis).add("demo", about, value, **asked)
    articles = Articles(console.redis)
    for action in ("approve", "review", "reject"):
        articles.note("demo", "bread", action)
    articles.flush()
    rejected = next(d for d in console.decisions.read("demo") if d.action == "reject")
    console.queue.appeal("demo", rejected.id, f"لا أوافق {LONG}")  # "I do not agree"
    console.samples()
    console.accounts.add("nura", PASSWORD, "trainee")
    for made in console.decisions.read("demo")[:20]:
        Practice(console.redis).judge("demo", "nura", made.item_id, made.version, "approve", "")
    console.flag(  # the most urgent one, which the work page shows
        "worst",
        f"call 0500000000, {LONG} " + "long " * 300,
        score=0.999,
        label="severe_toxicity",
        evidence=[
            {"field": "text", "label": "severe_toxicity", "start": 0, "end": 4, "weight": 1.0}
        ],
        author_id="u1",
        author_name=LONG,
        article_id="bread",
        article_title=LONG,
        article_url="https://news.example/bread",
        parent_text=LONG,
        created_at="2026-01-01T00:00:00Z",
    )


def examples(console: Console) -> Mapping[str, Sequence[Mapping[str, str]]]:
    """With what pages are opened beside the id of a site, where no link of another page says it."""
    demo = {"site_id": "demo"}
    site = console.sites.get("demo")
    token = sign_link(site, "report", "c-9", time.time() + 3_600, title=LONG)
    decision = console.decisions.read("demo")[0]
    objection = sign_link(site, "appeal", decision.id, time.time() + 3_600)
    return {
        "console.search.index": [
            demo,
            {"site_id": "empty"},
            {**demo, "author": "u1", "state": "waiting"},
            {**demo, "q": "!!"},
            {**demo, "comment": "worst", "personal_data": "shown"},
        ],
        "console.queue.index": [
            demo,
            {"site_id": "empty"},
            {**demo, "article_id": "bread", "sort": "newest"},
            {**demo, "state": "leased", "copies": "unknown"},
        ],
        "console.authors.index": [{**demo, "id": "u1"}, {**demo, "id": LONG}],
        "console.articles.index": [{**demo, "id": "bread"}, {**demo, "id": LONG}],
        "console.trainees.show": [{**demo, "name": "nura"}],
        # Open to trainees alone, and audited in a test of their pages.
        "console.practice.index": [],
        "console.practice.differences": [],
        "console.history.index": [
            demo,
            {"site_id": "empty"},
            {**demo, "action": "reject", "moderator": "nobody", "until": "2026-01-31"},
        ],
        "console.items.index": [
            {**demo, "item_id": decision.item_id},
            {**demo, "item_id": item_id_of("worst")},
            {**demo, "item_id": item_id_of("reported"), "personal_data": "shown"},
        ],
        "readers.index": [{**demo, "token": token}],
        "readers.appeal": [{**demo, "token": objection}],
        "readers.status": [],  # opened by a report that is sent
    }


def opened(console: Console, page: Page, language: str, role: str = "admin") -> Iterator[str]:
    """Open every page of administrators and readers, or those of trainees, in turn.

    A page that needs more than the id of a site is opened by a link of another page, else by
    `examples`.
    """
    app = Flask(__name__)
    app.register_blueprint(blueprint.bp)
    app.register_blueprint(readers.bp)
    known, bound = examples(console), app.url_map.bind("localhost")
    rules = [
        rule
        for rule in sorted(app.url_map.iter_rules(), key=str)
        if "GET" in (rule.methods or ())
        and rule.endpoint not in NO_PAGES | BEFORE_LOGIN
        and (role == "trainee") == rule.endpoint.startswith(OF_TRAINEES)
    ]
    ways, by_link = [], {}
    for rule in rules:
        if rule.endpoint not in known and rule.arguments - {"site_id"}:
            by_link[rule.endpoint] = ""
            continue
        sites = [{"site_id": "demo"}, {"site_id": "empty"}] if rule.arguments else [{}]
        ways += [bound.build(rule.endpoint, dict(v)) for v in known.get(rule.endpoint, sites)]
    for way in ways:
        _open(console, page, way, language)
        for link in page.evaluate("[...document.links].map(a => a.pathname + a.search)"):
            with suppress(HTTPException):
                endpoint, _values = bound.match(link.partition("?")[0], method="GET")
                if not by_link.get(endpoint, "known"):
                    by_link[endpoint] = link
        yield way
    for endpoint, link in by_link.items():
        assert link, f"no page leads to {endpoint}: give `examples` what it is opened with"
        _open(console, page, link, language)
        yield link


def _open(console: Console, page: Page, address: str, language: str) -> None:
    if address.startswith("/readers"):
        address += f"&lang={language}"
    answer = page.goto(f"{console.url}{address}")
    assert answer
    assert answer.status in (200, 422), (
        f"{address} answers {answer.status}: give `examples` another"
    )
    assert page.locator("html").get_attribute("lang") == language, address


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
def test_the_pages_before_the_login_and_those_that_say_what_went_wrong_pass_axe(
    console: Console, browser: Browser, language: str
) -> None:
    context = browser.new_context(locale=language, reduced_motion="reduce")
    console.contexts.append(context)
    page = context.new_page()
    problems = []
    for path in ("/login", f"/invitation/{console.accounts.invite('nura', 'moderator')}", "/me"):
        page.goto(f"{console.url}/console{path}")
        assert page.locator("html").get_attribute("lang") == language
        problems += audited(page)
    page.goto(f"{console.url}/console/login")
    page.fill("#name", "samira")
    page.fill("#password", "wrong")
    page.click("button.primary")
    expect(page.locator("[role=alert]")).to_be_visible()
    problems += audited(page)
    console.accounts.save_preferences("samira", Preferences(language=language))
    page = console.page(path="/nowhere", reduced_motion="reduce")
    problems += audited(page)
    page.goto(f"{console.url}/console/demo/settings")  # not for moderators
    problems += audited(page)
    assert not problems, "\n".join(problems)
