"""The console in a real Chromium, on real gunicorn workers and a real Redis."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pyotp
import pytest
from argon2 import PasswordHasher
from arriving import enqueue
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from redis import Redis

from conftest import await_condition, csrf_token
from models.schema import Evidence
from service.accounts.account import Preferences
from service.accounts.accounts import Accounts
from service.queue.decisions import DecisionStream
from service.queue.doubts import DoubtfulDecisions
from service.queue.group_decisions import Group, GroupDecisions
from service.queue.records import Comment, Decision, Enqueued
from service.queue.repeats import Repeats
from service.queue.review_queue import ReviewQueue
from service.reports.shadow import ShadowCounts, Side
from service.reports.signal_sample import SignalSample
from service.reports.verdict_counts import VerdictCounts
from service.rules.findings import Finding
from service.rules.policy import Signals, Verdict
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.slow

DATA = Path(__file__).parent / "data"
PASSWORD = "correct horse battery"
ON_TRIAL = "2026.01.31-1"
# "want" in Egyptian, "now" in Levantine, "what" in Gulf Arabic, and a word of standard Arabic.
DIALECT_WORDS = (
    "\u0639\u0627\u064a\u0632",
    "\u0647\u0644\u0642",
    "\u0648\u0627\u064a\u062f",
    "\u0643\u062a\u0627\u0628",
)

# What a hostile commenter may try in a field: markup, attributes, addresses, templates, and
# characters that turn the page around.
HOSTILE = [
    "<script>window.pwned = 1</script>",
    "</bdi></p><script>window.pwned = 1</script>",
    "<img src=x onerror='window.pwned = 1'>",
    '"><svg onload="window.pwned = 1">',
    "' autofocus onfocus='window.pwned = 1' x='",
    "javascript:window.pwned=1",
    "data:text/html,<script>opener.pwned=1</script>",
    "<a href='javascript:window.pwned=1' id=trap>press</a>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "<style>*{display:none}</style>",
    "<base href='https://evil.example/'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<form action='https://evil.example/'><button>a</button></form>",
    "<math><mtext><table><mglyph><style><img src=x onerror='window.pwned=1'>",
    "<noscript><p title='</noscript><img src=x onerror=window.pwned=1>'>",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "\N{RIGHT-TO-LEFT OVERRIDE}drow\N{LEFT-TO-RIGHT ISOLATE}\N{LEFT-TO-RIGHT OVERRIDE}",
    "<textarea><!--</textarea><img src=x onerror=window.pwned=1>-->",
]


class Console:
    """A site, three people and a queue behind a running server."""

    def __init__(self, url: str, redis: Redis, browser: Browser) -> None:
        self.url, self.redis, self.browser = url, redis, browser
        self.queue, self.decisions = ReviewQueue(redis), DecisionStream(redis)
        self.sites = Sites(redis)
        self.sites.add(Site(id="demo", name="Demo"))
        self.accounts = Accounts(
            redis, hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        )
        for name, role in (("samira", "moderator"), ("omar", "senior"), ("layla", "admin")):
            self.accounts.add(name, PASSWORD, role)
        self.contexts: list[BrowserContext] = []
        self.violations: list[str] = []

    def flag(self, comment_id: str, text: str, **fields: Any) -> str:
        score = fields.pop("score", 0.97)
        label = fields.pop("label", "insult")
        field = fields.pop("field", "text")
        reason = fields.pop("reason", "score")
        evidence = [
            e if isinstance(e, Evidence) else Evidence(**e) for e in fields.pop("evidence", [])
        ]
        return enqueue(
            self.queue,
            "demo",
            Comment(id=comment_id, text=text, **fields),
            Verdict("review", label, field, score, reason, 1.0, "v1"),
            scores={"toxicity": score, label: score, "profanity": 0.41},
            evidence=evidence,
        ).item_id

    def page(self, name: str = "samira", path: str = "/", **options: Any) -> Page:
        """A page of a person who has just logged in."""
        context = self.browser.new_context(locale="ar", **options)
        context.set_default_timeout(10_000)
        self.contexts.append(context)
        page = context.new_page()
        page.add_init_script(
            "addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.blockedURI))"
        )
        page.on("console", lambda m: self.violations.append(m.text) if "CSP" in m.text else None)
        page.on("pageerror", lambda error: self.violations.append(str(error)))
        login_page = context.request.get(f"{self.url}/console/login").text()
        form: dict[str, Any] = {"name": name, "password": PASSWORD}
        form["csrf_token"] = csrf_token(login_page)
        context.request.post(f"{self.url}/console/login", form=form, max_redirects=0)
        page.goto(f"{self.url}/console{path}")
        return page

    def samples(self) -> None:
        """Comments like those of a working day, for pictures."""
        for line in (DATA / "desk_comments.jsonl").read_text(encoding="utf-8").splitlines():
            fields = json.loads(line)
            fields["evidence"] = [Evidence(**part) for part in fields["evidence"]]
            self.flag(**fields)

    def history(self, said: str = "x") -> None:
        """A day of decisions and two weeks of verdict counts, for the pictures of insight."""
        now = time.time()
        version = httpx.get(f"{self.url}/readyz", timeout=30.0).json()["model_version"]
        for n in range(36):
            label = ("insult", "threat", "spam")[n % 3]
            author = ("u1", "u9", "u8")[n % 3]
            self.flag(f"h{n}", said, label=label, score=0.6 + n / 100, author_id=author)
            lease = self.queue.lease("demo", ("samira", "omar")[n % 2])
            assert lease
            action = "approve" if n % 4 == 0 else "reject"
            draft = Decision(action, (label,), label, moderator=lease.item.moderator or "")
            draft = replace(draft, request_id=f"r{n}")
            self.queue.decide("demo", lease.item.id, lease.token, draft)
        for back in range(35):
            verdict_counts = VerdictCounts(
                self.redis,
                count_words=lambda texts: np.array([[9, 1 + (back < 7)]] * len(texts)),  # noqa: B023
                version=version,
                clock=partial(now.__sub__, back * 86_400.0),
            )
            for n in range(40):
                action = "review" if n % 10 == 0 else "approve"
                insult = (n * n % 97) / 140 + (0.25 if back < 7 else 0.0)
                verdict_counts.count(
                    "demo",
                    action,
                    {"insult": insult, "threat": n / 80},
                    text=DIALECT_WORDS[n % len(DIALECT_WORDS)],
                    language=("fa", "Latn", "Arab", "Arab")[n % 4],
                )
            verdict_counts.flush()
        for n in range(30):
            verdict = Verdict("review", None, None, 0.1, "random_sample", 0.2, "v1")
            enqueue(self.queue, "demo", Comment(id=f"s{n}", text=said), verdict, scores={})
            lease = self.queue.lease("demo", "samira")
            assert lease
            draft = Decision("reject" if n < 1 else "approve", moderator="samira")
            draft = replace(draft, request_id=f"s{n}")
            self.queue.decide("demo", lease.item.id, lease.token, draft)

        listed = [d for d in self.decisions.read("demo") if d.comment_id in ("h4", "h9")]
        doubts = {decision.id: 0.05 + n / 5 for n, decision in enumerate(listed)}
        DoubtfulDecisions(self.redis).exchange("demo", doubts, "0-0")
        self.compare(version)

    def compare(self, in_use: str) -> None:
        """Have a model on trial judge 400 comments, and one in three of those that were decided."""
        self.sites.update(self.sites.get("demo").changed({"shadow": ON_TRIAL, "shadow_share": 1.0}))
        counts = ShadowCounts(self.redis)
        flags = frozenset(("toxicity", "insult"))
        review, approve = (
            partial(Side, action="review", flagged=flags),
            partial(Side, action="approve", flagged=frozenset()),
        )
        for n in range(400):
            ours = review(in_use) if n % 10 < 2 else approve(in_use)
            theirs = review(ON_TRIAL) if n % 20 in (0, 1, 10, 7) else approve(ON_TRIAL)
            counts.compare("demo", ours, theirs)
        counts.flush()
        for made in self.decisions.read("demo"):
            if made.comment_id[1:].isdecimal() and int(made.comment_id[1:]) % 3 == 0:
                item = Enqueued(made.item_id, created=True, version=made.version)
                counts.remember("demo", review(in_use), approve(ON_TRIAL), item)

    @property
    def actions(self) -> list[str]:
        return [d.action for d in self.decisions.read("demo")]


@pytest.fixture
def console(server: str, redis: Redis, browser: Browser) -> Iterator[Console]:
    console = Console(server, redis, browser)
    yield console
    for context in console.contexts:
        context.close()
    assert console.violations == []


def comment_on(page: Page) -> str:
    return page.locator("#comment bdi").inner_text()


# The work loop


def test_one_press_shows_personal_data_and_what_was_typed_stays(console: Console) -> None:
    console.flag("c1", "call 0500000000")
    page = console.page(path="/demo/work")
    expect(page.locator("#comment")).to_contain_text("call \N{BULLET}")
    page.keyboard.press("n")
    page.keyboard.type("seen before")
    page.locator("[formaction$='personal-data']").click()
    expect(page.locator("#comment")).to_contain_text("call 0500000000")
    assert page.input_value("#note") == "seen before"
    assert page.url.endswith("/demo/work"), "reloading would ask for it again"
    page.reload()
    expect(page.locator("#comment")).to_contain_text("call \N{BULLET}")


def test_somebody_logs_in_and_out_by_hand(console: Console, page: Page) -> None:
    console.flag("c1", "first")
    page.goto(f"{console.url}/console/demo/work")
    page.keyboard.type("samira")  # the name has the focus
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("[role=alert]")).to_be_visible()
    page.fill("#name", "samira")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    expect(page.locator("#comment bdi")).to_have_text("first")
    page.locator(".account form").last.get_by_role("button").click()
    expect(page.locator("#password")).to_be_visible()


def test_a_moderator_works_the_queue_with_three_keys(console: Console) -> None:
    for n, text in enumerate(("first", "second", "third", "fourth")):
        console.flag(f"c{n}", text, score=0.99 - n / 10)
    page = console.page()
    expect(page.locator("#comment bdi")).to_have_text("first")
    page.keyboard.press("a")
    expect(page.locator("#comment bdi")).to_have_text("second")
    page.keyboard.press("4")  # the fourth reason, a threat
    page.keyboard.press("r")
    expect(page.locator("#comment bdi")).to_have_text("third")
    page.keyboard.press("s")
    expect(page.locator(".notice.skip")).to_be_visible()
    assert console.actions == ["approve", "reject"]
    assert console.decisions.read("demo")[1].reason == "threat"


def test_a_session_that_ends_while_somebody_decides_loses_nothing_that_was_typed(
    console: Console,
) -> None:
    console.flag("c1", "first")
    page = console.page()
    page.keyboard.press("n")
    page.locator("#note").press_sequentially("third time")
    page.locator("h1").focus()
    page.locator("input[value=threat]").check(force=True)
    for session in console.accounts.sessions.of("samira"):
        console.accounts.sessions.close("samira", session.digest)
    page.locator("button.reject").click()
    expect(page.locator("#password")).to_be_visible()
    expect(page.locator("header.top .who")).to_have_count(0)
    assert accessible(page) == []
    assert console.actions == []
    page.fill("#name", "samira")
    page.fill("#password", PASSWORD)
    page.locator(".login-form button.primary").click()
    expect(page.locator("#note")).to_have_value("third time")
    expect(page.locator("input[value=threat]")).to_be_checked()
    expect(page.locator("header.top .who")).to_have_text("samira")
    assert accessible(page) == []
    page.locator("button.reject").click()
    expect(page.locator(".notice.reject")).to_be_visible()
    (decision,) = console.decisions.read("demo")
    assert (decision.note, decision.reason) == ("third time", "threat")


def test_an_authenticator_can_read_the_picture_of_its_key(console: Console) -> None:
    page = console.page("samira", "/me", color_scheme="dark")
    page.fill("#confirmed", PASSWORD)
    page.locator("button[value=propose]").click()
    picture = page.locator("svg.qr")
    expect(picture).to_be_visible()
    expect(picture).to_have_css("background-color", "rgb(255, 255, 255)")
    expect(picture).to_have_css("fill", "rgb(0, 0, 0)")
    box = picture.bounding_box()
    assert box
    assert box["width"] == box["height"] > 150
    assert accessible(page) == []
    key = page.locator("code").inner_text().replace(" ", "")
    page.fill("#code", pyotp.TOTP(key).now())
    page.locator("button[value=confirm]").click()
    expect(page.locator(".codes li")).to_have_count(10)
    assert accessible(page) == []


def test_the_keys_work_on_an_arabic_keyboard_too(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page()
    expect(page.locator("#comment")).to_be_visible()
    page.evaluate(  # the key "a" types U+0634 ARABIC LETTER SHEEN there
        "document.body.dispatchEvent(new KeyboardEvent('keydown',"
        " {key: '\u0634', code: 'KeyA', bubbles: true}))"
    )
    expect(page.locator(".notice.approve")).to_be_visible()
    assert console.actions == ["approve"]


def test_typing_a_note_presses_no_button(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page()
    page.locator("details.note summary").click()
    page.locator("#note").press_sequentially("are sars")
    page.locator("button.reject").click()
    expect(page.locator(".notice.reject")).to_be_visible()
    assert [d.note for d in console.decisions.read("demo")] == ["are sars"]


def test_the_core_loop_works_without_javascript(console: Console) -> None:
    console.flag("c1", "first", score=0.9)
    console.flag("c2", "second", score=0.8)
    page = console.page(java_script_enabled=False)
    assert comment_on(page) == "first"
    page.click("button.approve")
    assert comment_on(page) == "second"
    page.check("input[value=spam]", force=True)
    page.click("button.reject")
    assert console.actions == ["approve", "reject"]
    assert page.locator("h1").is_visible()


def test_the_next_comment_takes_the_place_of_this_one_without_a_new_page(
    console: Console,
) -> None:
    for n in range(4):
        console.flag(f"c{n}", f"comment {n}", score=0.99 - n / 100)
    page = console.page()
    page.evaluate("window.same = true")
    for n in range(3):
        expect(page.locator("#comment bdi")).to_have_text(f"comment {n}")
        page.keyboard.press("a")
    expect(page.locator("#comment bdi")).to_have_text("comment 3")
    assert page.evaluate("window.same"), "the page was loaded anew"
    assert console.actions == ["approve"] * 3


def test_a_decision_is_taken_back_with_one_key(console: Console) -> None:
    console.flag("c1", "first", score=0.9)
    console.flag("c2", "second", score=0.8)
    page = console.page()
    page.keyboard.press("r")
    expect(page.locator("#comment bdi")).to_have_text("second")
    page.keyboard.press("u")
    expect(page.locator(".notice.skip")).to_be_visible()
    assert console.actions == ["reject", "undo"]
    assert console.queue.stats("demo").pending == 1


def test_keys_can_be_chosen_and_are_shown_on_the_buttons_and_in_the_sheet(
    console: Console,
) -> None:
    console.accounts.save_preferences("samira", Preferences(keys={"approve": "y"}))
    console.flag("c1", "first")
    page = console.page()
    expect(page.locator("button.approve kbd")).to_have_text("Y")
    page.keyboard.press("a")
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_contain_text("Y")
    page.keyboard.press("y")  # behind an open sheet no key decides
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert console.actions == []
    page.keyboard.press("y")
    expect(page.locator(".notice.approve")).to_be_visible()


def test_the_note_key_opens_the_note(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page()
    page.keyboard.press("n")
    expect(page.locator("#note")).to_be_focused()


def test_evidence_and_severe_comments_are_blurred_until_asked_for(console: Console) -> None:
    console.accounts.save_preferences("samira", Preferences(blur=True))
    words = Evidence("text", "threat", 0, 5, 1.0)
    console.flag("c1", "words of a threat", label="threat", evidence=[words])
    page = console.page()
    transparent = "rgba(0, 0, 0, 0)"
    for place in ("mark", "#comment"):
        expect(page.locator(place)).to_have_css("color", transparent)
    page.keyboard.press("b")
    for place in ("mark", "#comment"):
        expect(page.locator(place)).not_to_have_css("color", transparent)


def test_many_comments_are_decided_at_once_after_a_preview_and_taken_back(
    console: Console,
) -> None:
    for n in range(3):
        console.flag(f"c{n}", f"words {n}", author_id="u1", author_name="Abu")
    page = console.page("omar", "/demo/authors?id=u1")
    boxes = page.locator("[name=item]")
    assert boxes.evaluate_all("boxes => boxes.filter(b => b.checked).length") == 0
    page.locator("[data-tick] input").check()
    boxes.first.uncheck()
    page.select_option("#reason", "spam")
    page.locator("form button.reject").click()
    expect(page.locator("main li")).to_have_count(2)
    assert console.actions == []
    page.locator("[name=confirmed]").click()
    expect(page.locator(".notices .reject")).to_be_visible()
    assert console.actions == ["reject", "reject"]
    page.locator("form.notice button").click()
    expect(page.locator(".notices .skip")).to_be_visible()
    assert console.queue.stats("demo").pending == 3


def test_the_overview_follows_the_queue_by_itself(console: Console) -> None:
    page = console.page("layla", "/overview")
    figure = page.locator("[data-figure=pending]")
    expect(figure).to_have_text("0")
    console.flag("c1", "first")
    expect(figure).to_have_text("1")
    console.page("samira")
    expect(page.locator(".card.site")).to_contain_text("samira")


def test_a_threshold_is_previewed_while_it_is_typed(console: Console) -> None:
    console.history()
    page = console.page("layla", "/demo/settings")
    sentence = page.locator("#p_insult")
    before = sentence.inner_text()
    page.fill("#review_insult", "0.1")
    expect(sentence).not_to_have_text(before)
    expect(sentence).to_contain_text("280")


def test_a_switch_of_the_policy_is_tried_as_soon_as_it_is_turned_and_kept_when_it_is_saved(
    console: Console,
) -> None:
    sample = SignalSample(console.redis)
    linked = Signals({}, findings=[Finding("text", "link", 0, 0)])
    for number in range(3):
        comment = Comment(f"c-{number}", "x")
        sample.note(lambda _site, judged: [one for _, one in judged], Site("demo"), comment, linked)
    sample.flush()
    page = console.page("layla", "/demo/policy")
    rejected = page.locator("#tried tr:nth-child(2) strong")
    expect(rejected).to_have_text("0")
    page.locator("input[name=links][value=reject]").check()
    expect(rejected).to_have_text("3")
    expect(page.locator(".policy-text li").first).to_contain_text("روابط")  # "links"
    assert console.sites.get("demo").links == "ignore"
    page.locator("#switches button.primary").click()
    expect(page.locator(".notice.approve, .notices .notice").first).to_be_visible()
    assert console.sites.get("demo").links == "reject"


def test_the_language_changes_in_place(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page("samira", "/demo/work")
    page.locator(".languages summary").click()
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("dir", "ltr")
    expect(page.locator("button.approve")).to_contain_text("Approve")
    assert page.url.endswith("/console/demo/work")


# Evidence


DOG = "\u0643\u064e\u0644\u0652\u0628\u064c"  # "dog", with its vowels
DONKEY = "\u062d\u0640\u0640\u0645\u0627\u0631"  # "donkey", stretched

EVIDENCE = [  # a text with diacritics, emoji, Latin letters or markup; the marked part of it
    (f"{DOG}\N{GRINNING FACE} ok", DOG),
    (f"\N{GRINNING FACE}\N{GRINNING FACE} you donkey {DONKEY}", "donkey"),
    (f"\u064a\u0627{DONKEY}\u0643\u0645", DONKEY),  # "o donkey of yours", one word
    ("a\n\nb <b>donkey</b> & co", "donkey"),
]


@pytest.mark.parametrize(("text", "part"), EVIDENCE)
def test_evidence_is_marked_on_exactly_its_letters(console: Console, text: str, part: str) -> None:
    start = text.index(part)
    console.flag("c1", text, evidence=[Evidence("text", "insult", start, start + len(part), 1.0)])
    page = console.page()
    page.wait_for_selector("mark")
    before, marked, whole = page.evaluate(
        """() => {
            const text = document.querySelector('#comment bdi'), mark = text.querySelector('mark');
            const range = document.createRange();
            range.setStart(text, 0); range.setEndBefore(mark);
            return [range.toString(), mark.textContent, text.textContent];
        }"""
    )
    assert (len(before), marked, whole) == (start, part, text)


def test_a_mark_inside_a_word_does_not_part_its_letters(console: Console) -> None:
    word = "\u064a\u0627\u062d\u0645\u0627\u0631\u0643\u0645"  # "o donkey of yours", one word
    console.flag("c1", word, evidence=[Evidence("text", "insult", 2, 6, 1.0)])
    page = console.page()
    widths = page.evaluate(
        """() => {
            const text = document.querySelector('#comment bdi'), width = () => {
                const range = document.createRange();
                range.selectNodeContents(text);
                return range.getBoundingClientRect().width;
            };
            const marked = width();
            text.textContent = text.textContent;
            return [marked, width()];
        }"""
    )
    assert widths[0] == pytest.approx(widths[1], abs=0.5)


# Right to left


def test_the_page_runs_from_right_to_left(console: Console) -> None:
    console.flag("c1", "\u0645\u0631\u062d\u0628\u0627", article_title="Bread")  # "hello"
    page = console.page(viewport={"width": 1280, "height": 800})
    box = {
        name: page.locator(selector).bounding_box()
        for name, selector in {
            "brand": ".brand",
            "account": ".account",
            "comment": "article.comment",
            "facts": "aside.facts",
            "approve": "button.approve",
            "reject": "button.reject",
        }.items()
    }
    x = {name: found["x"] for name, found in box.items() if found}
    assert x["brand"] > x["account"]
    assert x["comment"] > x["facts"]
    assert x["approve"] > x["reject"]
    text, card = page.evaluate(
        """() => { const r = document.createRange();
            r.selectNodeContents(document.querySelector('#comment bdi'));
            return [r.getBoundingClientRect().right,
                    document.querySelector('article.comment').getBoundingClientRect().right]; }"""
    )
    assert card - text < 60, "Arabic text does not start at the right edge"


def test_in_english_the_page_runs_from_left_to_right(console: Console) -> None:
    console.flag("c1", "first")
    console.accounts.save_preferences("samira", Preferences(language="en"))
    page = console.page(viewport={"width": 1280, "height": 800})
    brand, person = page.locator(".brand").bounding_box(), page.locator(".account").bounding_box()
    assert brand
    assert person
    assert brand["x"] < person["x"]
    expect(page.locator("button.approve")).to_contain_text("Approve")


def test_a_comment_cannot_turn_the_rest_of_the_page_around(console: Console) -> None:
    override = "\N{RIGHT-TO-LEFT OVERRIDE}\N{LEFT-TO-RIGHT EMBEDDING}"
    console.flag("c1", f"{override}text", author_name=f"{override}name", article_title="Bread")
    console.flag("c2", "text", author_name="name", article_title="Bread")
    places = []
    for name in ("samira", "omar"):
        page = console.page(name, viewport={"width": 1280, "height": 800})
        places.append([page.locator(s).bounding_box() for s in (".facts", ".buttons", ".strip")])
    assert places[0] == places[1]


# Two people, leases


def test_two_moderators_at_once_get_two_comments(console: Console) -> None:
    console.flag("c1", "first", score=0.9)
    console.flag("c2", "second", score=0.8)
    assert {comment_on(console.page("samira")), comment_on(console.page("omar"))} == {
        "first",
        "second",
    }


def test_whoever_comes_too_late_is_told_so_and_keeps_their_note(console: Console) -> None:
    item_id = console.flag("c1", "first")
    page = console.page("samira")
    token = int(page.locator("form.verdict [name=token]").get_attribute("value") or "")
    console.queue.release("demo", item_id, token)
    other = console.page("omar")
    other.keyboard.press("a")
    expect(other.locator(".notice.approve")).to_be_visible()
    page.locator("details.note summary").click()
    page.fill("#note", "my reasons")
    page.locator("button.reject").click()
    expect(page.locator("[role=alert]")).to_be_visible()
    expect(page.locator("main")).to_contain_text("my reasons")
    assert console.actions == ["approve"]


def test_a_lease_that_runs_out_is_told_on_the_screen(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page()
    page.wait_for_selector(".lease")
    page.clock.install()
    page.reload()
    page.clock.fast_forward(601_000)
    expect(page.locator(".lease.ended")).to_be_visible()


def test_a_comment_withdrawn_by_its_site_is_told_while_it_is_read(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page()
    page.wait_for_selector(".lease")
    page.clock.install()
    page.reload()
    console.queue.withdraw("demo", "c1")
    page.clock.fast_forward(31_000)
    page.mouse.move(100, 100)  # whoever moves is reading
    page.clock.run_for(2_000)
    gone = "لم يعد هذا التعليق في قائمة الانتظار."  # "This comment is no longer in the queue."
    expect(page.locator(".lease.ended")).to_have_text(gone)
    page.locator("button.reject").click()
    expect(page.locator("main section [role=alert]")).to_have_text(gone)


def test_an_edit_that_comes_while_somebody_decides_is_told_as_what_it_is(
    console: Console,
) -> None:
    console.flag("c1", "first")
    page = console.page()
    expect(page.locator("#comment bdi")).to_have_text("first")
    console.flag("c1", "first, edited")
    page.locator("button.approve").click()
    expect(page.locator("main [role=alert]")).to_contain_text(
        "\u0639\u064f\u062f\u0651\u0644"
    )  # "edited"
    page.locator("main a.primary").click()
    expect(page.locator("#comment bdi")).to_have_text("first, edited")
    assert console.actions == []


# A network or a store that fails


def test_a_decision_that_got_no_answer_stays_on_the_screen_and_counts_once_when_it_is_sent_again(
    console: Console,
) -> None:
    console.flag("c1", "first", score=0.9)
    console.flag("c2", "second", score=0.8)
    page = console.page()
    page.keyboard.press("n")
    page.keyboard.type("third time")
    page.context.set_offline(True)
    said = page.locator("form.verdict [data-unanswered]")
    for _press in range(2):  # where there is no network, the browser would only leave the page
        page.locator("button.reject").click()
        expect(said).to_be_visible()
    assert accessible(page) == []
    page.context.set_offline(False)
    assert console.actions == []
    assert page.input_value("#note") == "third time"
    page.reload()  # as who has lost patience does
    page.keyboard.press("n")
    page.keyboard.type("third time")

    def lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/demo/items/*", lose_the_answer, times=1)
    page.locator("button.reject").click()
    expect(said).to_be_visible()
    assert console.actions == ["reject"]
    page.locator("button.reject").click()
    expect(page.locator("#comment bdi")).to_have_text("second")
    expect(page.locator(".notice.reject")).to_be_visible()
    assert [(d.action, d.note) for d in console.decisions.read("demo")] == [
        ("reject", "third time")
    ]


def test_a_decision_that_was_refused_for_the_moment_is_sent_again_from_the_page_that_says_so(
    console: Console,
) -> None:
    console.flag("c1", "first")
    page = console.page(path="/demo/work")
    page.keyboard.press("n")
    page.keyboard.type("third time")
    page.evaluate("document.querySelector('form.verdict [name=csrf_token]').value = 'too old'")
    page.locator("button.reject").click()
    expect(page.locator("main [role=alert]")).to_be_visible()
    assert console.actions == []
    page.locator("main button.primary").click()
    expect(page.locator(".notice.reject")).to_be_visible()
    assert [d.note for d in console.decisions.read("demo")] == ["third time"]


def test_a_button_pressed_twice_on_a_slow_network_counts_once(console: Console) -> None:
    page = console.page("layla", "/demo/keys")
    slow = {"latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
    session = page.context.new_cdp_session(page)
    session.send("Network.emulateNetworkConditions", {"offline": False, **slow})
    shows_progress = page.evaluate(
        """() => {
            const button = document.querySelector('button[value=add]');
            button.click();
            setTimeout(() => button.click(), 100);
            return button.form.matches('[aria-busy=true]');
        }"""
    )
    assert shows_progress
    expect(page.locator("code.link")).to_be_visible()
    record = console.sites.record("demo")
    assert record
    assert len(record.keys.stored) == 2


def test_the_overview_goes_on_by_itself_after_an_error(console: Console) -> None:
    page = console.page("layla", "/overview")
    page.route("**/overview/events", lambda route: route.fulfill(status=503))
    expect(page.locator("[data-live][aria-busy=true]")).to_be_visible()
    console.flag("c1", "first")
    page.unroute("**/overview/events")
    expect(page.locator("[data-figure=pending]")).to_have_text("1", timeout=30_000)
    expect(page.locator("[data-live]")).not_to_have_attribute("aria-busy", "true")


# Hostile text


def test_hostile_text_is_shown_as_text_in_every_field(console: Console) -> None:
    for n, attack in enumerate(HOSTILE):
        console.flag(
            f"c{n}{attack}",
            attack,
            author_id=attack,
            author_name=attack,
            article_id=attack,
            article_title=attack,
            article_url=attack,
            parent_id=attack,
            parent_text=attack,
            created_at=attack,
        )
    page = console.page()
    for _ in HOSTILE:
        page.wait_for_selector("#comment")
        shown = comment_on(page)
        assert page.locator("#comment bdi").evaluate("e => e.children.length") == 0
        assert page.locator("main :is(script, iframe, img, style, base, meta, #trap)").count() == 0
        assert page.locator("main a[href^=javascript], main a[href^=data]").count() == 0
        assert not page.evaluate("window.pwned")
        page.locator("button.approve").click()
        expect(page.locator("#comment bdi").or_(page.locator(".calm"))).not_to_have_text(shown)
    assert len(console.actions) == len(HOSTILE)


def test_hostile_text_stays_text_on_every_other_page(console: Console) -> None:
    attack = "".join(HOSTILE)
    for n in range(2):
        console.flag(
            f"c{n}",
            attack,
            author_id="u1",
            author_name=attack,
            article_title=attack,
            article_url=attack,
            parent_text=attack,
        )
    lease = console.queue.lease("demo", "samira")
    assert lease
    draft = Decision("reject", reason=attack, note=attack, moderator="samira", request_id="1")
    console.queue.decide("demo", lease.item.id, lease.token, replace(draft, reply=attack))
    console.sites.update(Site(id="demo", name=attack[:200], block_words=(attack[:90],)))
    console.accounts.save_preferences("layla", Preferences(replies=(attack,)))
    page = console.page("layla")
    for path in ("/demo/authors?id=u1", *PAGES.values()):
        page.goto(f"{console.url}/console{path}")
        assert page.locator("main").is_visible()
        assert page.locator("main :is(script, iframe, img, style, base, meta, #trap)").count() == 0
        assert page.locator("main a[href^=javascript], main a[href^=data]").count() == 0
        assert not page.evaluate("window.pwned")


def test_hostile_addresses_of_the_console_do_nothing(console: Console) -> None:
    page = console.page("layla")
    for attack in ("".join(HOSTILE), *HOSTILE[:3]):
        for path in (f"/demo/search?q={quote(attack)}", f"/{quote(attack, safe='')}/work"):
            page.goto(f"{console.url}/console{path}")
            assert not page.evaluate("window.pwned")


# Everybody


def accessible(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 AA on a page; empty when it is well."""
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    only = {"runOnly": {"type": "tag", "values": rules}, "resultTypes": ["violations"]}
    found = Axe().run(page, options={**only, "rules": {"target-size": {"enabled": True}}})
    return [
        f"{page.url}: {v['id']}: {node['html'][:120]}: {node.get('failureSummary', '')}"
        for v in found.response["violations"]
        for node in v["nodes"]
    ]


PAGES = {
    "work": "/demo/work",
    "queue": "/demo/queue",
    "history": "/demo/history",
    "shift": "/demo/shift",
    "overview": "/overview",
    "search": "/demo/search?state=waiting",
    "insight": "/demo/insight",
    "drift": "/demo/drift",
    "shadow": "/demo/shadow",
    "second_look": "/demo/second-look",
    "settings": "/demo/settings",
    "policy": "/demo/policy",
    "moderators": "/people",
    "account": "/me",
}


@pytest.fixture
def on_trial(environ: dict[str, str]) -> Iterator[None]:
    """Keep a version beside the one in use; nobody loads it."""
    folder = Path(environ["HAKAM_ARTIFACTS"]) / ON_TRIAL
    folder.mkdir()
    yield
    folder.rmdir()


def test_on_a_telephone_charts_can_be_read_and_the_menu_shows_the_page_in_use(
    console: Console,
) -> None:
    console.history()
    page = console.page("layla", viewport={"width": 390, "height": 844})
    page.goto(f"{console.url}/console/demo/insight")
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('.chart')].flatMap((chart) =>
            [...chart.querySelectorAll('text')].map((words) =>
                parseFloat(getComputedStyle(words).fontSize) * chart.getScreenCTM().a))"""
    )
    assert sizes
    assert min(sizes) >= 11, "pixels of the screen"
    for path in ("/demo/work", "/demo/history", "/demo/insight", "/me"):
        page.goto(f"{console.url}/console{path}")
        expect(page.locator(".pages [aria-current]")).to_be_in_viewport(ratio=0.95)


def test_on_a_telephone_a_long_name_of_a_site_has_a_line_beside_no_button(
    console: Console,
) -> None:
    console.sites.update(console.sites.get("demo").changed({"name": "x" * 100}))
    page = console.page("layla", path="/overview", viewport={"width": 390, "height": 844})
    name = page.get_by_role("heading", name="x" * 100)
    # The list is exchanged now and then, and what was in it has no width.
    await_condition(lambda: name.evaluate("each => each.offsetWidth") > 390 / 2)


def test_on_a_telephone_nothing_speaks_of_keys(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page(viewport={"width": 390, "height": 844})
    page.locator(".note summary").click()
    expect(page.locator("#note")).to_be_visible()
    expect(page.locator("#note-keys")).to_be_hidden()


def test_the_whole_work_can_be_done_with_the_tab_key(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page()
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        focus = "document.activeElement.value || document.activeElement.className"
        reached.add(page.evaluate(focus))
        outline = page.evaluate(
            """() => { const e = document.activeElement;
                const seen = e.type === 'radio' ? e.nextElementSibling : e;
                return getComputedStyle(seen).outlineStyle }"""
        )
        assert outline != "none" or page.evaluate("document.activeElement === document.body")
    assert {"approve", "reject", "skip", "skip-link"} <= reached


# Raids


def test_a_raid_is_shown_on_the_desk_and_its_copies_are_decided_as_one_and_taken_back(
    console: Console,
) -> None:
    repeats, text = Repeats(console.redis), "the same words again and again, from many authors"
    for n in range(40):
        comment = Comment(f"c{n}", f"{text} {n}", author_id=f"u{n}", article_id="a-1")
        seen = repeats.observe("demo", comment, 5)
        fields = {"author_id": f"u{n}", "article_id": "a-1", "copies": seen.group}
        console.flag(comment.id, comment.text, **fields)
    page = console.page(name="omar", path="/demo/work")
    banners = page.locator(".raid")
    expect(banners).to_have_count(2)
    expect(banners.first).to_contain_text("40")
    expect(page.locator(".copies")).to_contain_text("39")
    audited = Axe().run(page)
    assert audited.response["violations"] == []
    page.locator("input[name=copies]").check()
    page.locator("button.reject[value=reject]").click()
    expect(page.locator(".notice.reject")).to_contain_text("40")
    assert console.actions == ["reject"] * 40
    page.locator(".notice.reject button").click()
    expect(page.locator(".notice.skip")).to_be_visible()
    assert GroupDecisions(console.redis).waiting("demo", Group(seen.group)).n == 40
    flood = page.locator(".raid:has(button[value=close])").first
    flood.locator("summary").click()
    flood.locator("button[value=close]").click()
    expect(page.locator("button[value=open]")).to_be_visible()
    assert console.sites.get("demo").levers["a-1"].state == "closed"
    page.locator("button[value=open]").click()
    expect(page.locator("button[value=hold]")).to_be_visible()
    assert console.sites.get("demo").levers == {}
