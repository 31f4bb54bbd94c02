"""Keys, fields and places of the console's work page, in a real Chromium with real key events."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect
from test_console_browser import Console
from test_console_browser import console as console  # noqa: PLC0414 - a fixture

from models.schema import Evidence
from service.accounts.account import Preferences


def press(page: Page, key: str, code: str) -> None:
    """Press the key at a place of the keyboard that types `key` there."""
    session = page.context.new_cdp_session(page)
    event = {"key": key, "code": code, "text": key}
    session.send("Input.dispatchKeyEvent", {"type": "keyDown", **event})
    session.send("Input.dispatchKeyEvent", {"type": "keyUp", **event})
    session.detach()


# Typed letter, place of the key, what it does: the layout is in the comment.
LAYOUTS = [
    ("a", "KeyQ", "approve"),  # AZERTY
    ("q", "KeyA", ""),
    ("p", "KeyR", ""),  # Dvorak
    ("r", "KeyO", "reject"),
    ("o", "KeyS", ""),
    (".", "KeyE", ""),
    ("s", "KeyS", "skip"),  # QWERTY
    ("S", "KeyS", "skip"),
    ("\u0634", "KeyA", "approve"),  # Arabic: SHEEN
    ("\u0642", "KeyR", "reject"),  # QAF
    ("\u0633", "KeyS", "skip"),  # SEEN
    ("\u064e", "KeyQ", ""),  # FATHA
    ("\u03b1", "KeyA", "approve"),  # Greek: alpha
    ("\u044b", "KeyS", "skip"),  # Cyrillic: yeru
    ("\u00e9", "KeyE", ""),  # a Latin letter with an accent is no e
]


def test_a_letter_is_taken_by_what_it_types_and_by_its_place_only_in_other_scripts(
    console: Console,
) -> None:
    console.flag("c1", "first")
    page = console.page()
    page.evaluate(
        """() => document.addEventListener('click', event => {
            event.preventDefault();
            window.told = event.target.closest('button, a, summary').value || '';
        }, true)"""
    )
    for key, code, does in LAYOUTS:
        page.evaluate("window.told = ''")
        press(page, key, code)
        assert page.evaluate("window.told") == does, (key, code)


DIGITS = [
    ("2", "Digit2", 2),
    ("\u00e9", "Digit2", 2),  # AZERTY without Shift: e with acute
    ("&", "Digit1", 1),
    ("3", "Digit7", 3),  # a layout that has its digits elsewhere
    ("\u0664", "Digit4", 4),  # ARABIC-INDIC DIGIT FOUR
    ("\u06f5", "Digit5", 5),  # EXTENDED ARABIC-INDIC DIGIT FIVE
    ("0", "Digit0", 10),
    ("6", "Numpad6", 6),
]


def test_a_digit_chooses_its_reason_on_every_layout(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page()
    reasons = page.locator("[name=reason]")
    for key, code, number in DIGITS:
        press(page, key, code)
        expect(reasons.nth(number - 1)).to_be_checked()
    press(page, "End", "Numpad1")
    expect(reasons.nth(5)).to_be_checked()


def test_escape_leaves_the_note_and_the_keys_work_again(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page()
    page.keyboard.press("n")
    page.keyboard.type("are sars")
    page.keyboard.press("Escape")
    expect(page.locator("#note")).not_to_be_focused()
    page.keyboard.press("a")
    expect(page.locator(".notice.approve")).to_be_visible()
    (made,) = console.decisions.read("demo")
    assert (made.action, made.note) == ("approve", "are sars")


def test_control_and_enter_reject_from_the_note(console: Console) -> None:
    console.flag("c1", "first")
    page = console.page()
    page.keyboard.press("4")
    page.keyboard.press("n")
    page.keyboard.type("see")
    page.keyboard.press("Enter")
    page.keyboard.type("the thread")
    expect(page.locator("#note-keys")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".notice.reject")).to_be_visible()
    (made,) = console.decisions.read("demo")
    assert (made.action, made.reason) == ("reject", "threat")
    assert made.note.splitlines() == ["see", "the thread"]


def test_control_and_enter_send_other_forms_from_their_fields(console: Console) -> None:
    page = console.page("samira", "/me")
    page.fill("#replies", "one\ntwo")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".notices .notice")).to_be_visible()
    account = console.accounts.get("samira")
    assert account
    assert account.preferences.replies == ("one", "two")


SIZES = [(1280, 800), (1280, 600), (1920, 1080), (390, 844)]


@pytest.mark.parametrize("language", ["ar", "en"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_buttons_keep_their_place_whatever_the_comment(
    console: Console, width: int, height: int, language: str
) -> None:
    console.accounts.save_preferences("samira", Preferences(language=language))
    texts = ["short", "long " * 500, "line\n" * 40, "short again", "end"]
    for n, text in enumerate(texts):
        console.flag(f"c{n}", text, score=0.99 - n / 100, author_name="Abu" * n)
    page = console.page(viewport={"width": width, "height": height})
    places = []
    for n, text in enumerate(texts[:-1]):
        expect(page.locator("#comment bdi")).to_have_text(text.strip(), use_inner_text=True)
        places.append(page.locator(".buttons").bounding_box())
        if n == 1:
            page.keyboard.press("n")
            expect(page.locator("#note")).to_be_focused()
            places.append(page.locator(".buttons").bounding_box())
            page.keyboard.press("Escape")
        page.keyboard.press("s" if n == 2 else "a")
    tops = [box["y"] for box in places if box]
    assert len(tops) == 5
    assert max(tops) - min(tops) < 1, tops
    assert 0 <= min(tops) < height - 40, "out of sight"


def test_a_key_leads_to_the_first_mark_of_a_long_comment(console: Console) -> None:
    text = "word " * 800 + "donkey " + "word " * 800 + "donkey"
    spans = [Evidence("text", "insult", at, at + 6, 1.0) for at in (4000, 8007)]
    console.flag("c1", text, evidence=spans, score=0.98)
    console.flag("c2", "a donkey", evidence=[replace(spans[0], start=2, end=8)], score=0.9)
    page = console.page()
    first = page.locator("mark").first
    expect(first).not_to_be_in_viewport()
    page.keyboard.press("m")
    expect(first).to_be_in_viewport()
    top, buttons = first.bounding_box(), page.locator(".verdict").bounding_box()
    assert top
    assert buttons
    assert top["y"] < buttons["y"], "behind the buttons"
    page.keyboard.press("a")
    expect(page.locator("#comment bdi")).to_have_text("a donkey")
    expect(page.locator(".jump")).to_have_count(0)
    assert page.evaluate("scrollY") == 0


def test_a_skip_is_taken_back_with_the_key_of_undo(console: Console) -> None:
    console.flag("c1", "first", score=0.9)
    console.flag("c2", "second", score=0.8)
    page = console.page()
    page.keyboard.press("s")
    expect(page.locator("#comment bdi")).to_have_text("second")
    page.keyboard.press("u")
    expect(page.locator("#comment bdi")).to_have_text("first")
    page.keyboard.press("s")
    expect(page.locator("#comment bdi")).to_have_text("second")
    page.keyboard.press("s")
    expect(page.locator("form .primary")).to_be_visible()
    page.locator("form .primary").click()
    expect(page.locator("#comment bdi")).to_have_text("first")


def test_a_usual_key_gives_way_to_one_that_somebody_chose(console: Console) -> None:
    console.accounts.save_preferences("samira", Preferences(keys={"approve": "m", "skip": "r"}))
    console.flag("c1", "first")
    console.flag("c2", "second", score=0.5)
    page = console.page()
    letters = page.locator("dialog dd kbd").evaluate_all("all => all.map(e => e.textContent)")
    commands = [letter for letter in letters if len(letter) == 1 and letter.isalpha()]
    assert len(commands) == len(set(commands))
    page.keyboard.press("r")
    expect(page.locator("#comment bdi")).to_have_text("second")
    assert console.actions == []
    page.goto(f"{console.url}/console/me")
    page.locator("#keys ~ button.primary").click()
    expect(page.locator(".notices .notice")).to_be_visible()
