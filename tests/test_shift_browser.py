"""My shift, preferences and practice in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from arriving import enqueue
from playwright.sync_api import Page, expect
from test_console_browser import PASSWORD, Console, accessible
from test_console_browser import console as console  # noqa: PLC0414 - a fixture

from conftest import let_time_pass
from service.accounts.account import Preferences
from service.queue.records import Comment, Decision
from service.rules.policy import Verdict

EASTERN = re.compile("[٠-٩]")
SOUNDS = """
window.sounds = [];
window.Audio = class {
  constructor(address) { this.address = address; }
  async play() { window.sounds.push(this.address); }
};
"""


def decide(console: Console, comment_id: str, action: str = "reject", **fields: Any) -> Decision:
    moderator = fields.pop("moderator", "samira")
    console.flag(comment_id, f"words of {comment_id}")
    lease = console.queue.lease("demo", moderator, senior=True)
    assert lease
    reason = "insult" if action == "reject" else ""
    labels = ("insult",) if reason else ()
    draft = Decision(action, labels, reason, moderator=moderator, request_id=comment_id, **fields)
    return console.queue.decide("demo", lease.item.id, lease.token, draft)


def test_a_moderator_looks_at_the_day_and_takes_a_decision_back(console: Console) -> None:
    for number in range(3):
        decide(console, f"c{number}")
    page = console.page(path="/demo/work")
    page.get_by_role("link", name="نوبتي").click()  # "my shift"
    expect(page.locator("[data-figure=reject]")).to_have_text("3")
    page.locator("#mine ~ ul li").first.get_by_role("button").click()
    expect(page.locator(".notice.skip")).to_be_visible()
    expect(page.locator("[data-figure=reject]")).to_have_text("2")
    assert console.queue.stats("demo").pending == 1
    assert accessible(page) == []


def test_zone_digits_size_and_density_chosen_once_hold_on_every_page(console: Console) -> None:
    console.flag("c1", "call 123")
    page = console.page(path="/me", viewport={"width": 1440, "height": 900})
    before = page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)")
    page.get_by_label("الأوقات كلها بتوقيت").select_option("Asia/Riyadh")
    page.get_by_label("الأرقام في الصفحات العربية").select_option("eastern")
    page.get_by_label("حجم الخط").select_option("large")
    page.get_by_label("المسافات").select_option("compact")
    page.locator("button.primary").first.click()
    expect(page.locator(".notice")).to_be_visible()
    for path in ("/demo/work", "/overview", "/demo/shift", "/me"):
        page.goto(f"{console.url}/console{path}")
        root = page.locator("html")
        expect(root).to_have_attribute("data-density", "compact")
        assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") > before
        expect(page.locator("main")).to_have_text(EASTERN)
    page.goto(f"{console.url}/console/demo/work")
    expect(page.locator("#comment")).to_have_text("call 123")
    expect(page.locator(".lease .left")).to_have_text(re.compile("^[٠-٩]+:[٠-٩]{2}$"))
    page.goto(f"{console.url}/console/demo/shift")
    expect(page.locator("main")).to_contain_text("الرياض")


def test_a_sound_is_played_once_somebody_touched_the_page_and_something_new_waits(
    console: Console,
) -> None:
    console.accounts.save_preferences("samira", Preferences(sound=True))
    page = console.page(path="/me")
    page.add_init_script(SOUNDS)
    page.clock.install()

    def look() -> None:
        with page.expect_response("**/shift/arrivals"):
            page.clock.run_for(20_000)

    with page.expect_response("**/shift/arrivals"):
        page.reload()
    console.flag("c1", "first")
    look()
    assert page.evaluate("window.sounds") == [], "nobody has touched the page"
    page.locator("h1").click()
    look()
    assert page.evaluate("window.sounds") == [], "nothing is new"
    verdict = Verdict("review", "threat", "text", 0.97, "score", 1.0, "v1")
    enqueue(console.queue, "demo", Comment("s1", "severe"), verdict, scores={"threat": 0.97})
    look()
    page.wait_for_function("window.sounds.length === 1")
    (played,) = page.evaluate("window.sounds")
    assert page.request.get(f"{console.url}{played}").headers["content-type"].startswith("audio/")
    look()
    assert page.evaluate("window.sounds.length") == 1


@pytest.fixture
def trainee(console: Console) -> Page:
    """A trainee's page, with two comments that were decided long enough ago."""
    console.accounts.add("nura", PASSWORD, "trainee")
    for number, action in enumerate(("reject", "reject")):
        decide(console, f"c{number}", action, note=f"note on c{number}")
    entries = console.decisions.read("demo")
    assert len(entries) == 2
    return console.page("nura")


def test_a_trainee_practises_with_the_keyboard_and_is_told_afterwards(
    console: Console, trainee: Page
) -> None:
    page = trainee
    assert page.url.endswith("/console/demo/practice")
    expect(page.locator("main")).to_contain_text("لا شيء للتدرب عليه الآن")  # still to be undone
    age_the_stream(console, minutes=30)
    page.reload()
    expect(page.locator("#comment")).to_contain_text("words of c")
    assert accessible(page) == []
    page.keyboard.press("a")
    expect(page.locator(".notice.reject")).to_contain_text("note on c")
    page.keyboard.press("r")
    expect(page.locator(".notice.approve")).to_be_visible()
    page.get_by_role("link", name="حيث اختلف حكمي عن القرار").click()
    expect(page.locator("main li")).to_have_count(1)
    assert accessible(page) == []
    assert console.actions == ["reject", "reject"], "nothing was decided"
    assert page.locator("nav a").count() == 2, "practice, and the account"


def age_the_stream(console: Console, minutes: int) -> None:
    """Set the decisions of the stream back in time, with the items that they are about."""
    key, by = "{hakam:demo}:decisions", minutes * 60_000
    client: Any = console.redis
    let_time_pass(console.redis, by)
    entries = client.xrange(key)
    client.delete(key)
    for entry_id, fields in entries:
        ms, _, number = entry_id.partition("-")
        aged = f"{int(ms) - by}-{number}"
        client.xadd(key, fields, id=aged)
        for item_id, record in client.hgetall("{hakam:demo}:items").items():
            client.hset("{hakam:demo}:items", item_id, record.replace(entry_id, aged))


def test_a_break_is_offered_on_the_desk_after_a_run_of_severe_comments(console: Console) -> None:
    console.accounts.save_preferences("samira", Preferences(severe_run=2))
    for number in range(3):
        console.flag(f"s{number}", f"severe {number}", label="threat")
    page = console.page(path="/demo/work")
    expect(page.locator(".rest")).to_have_count(0)
    page.keyboard.press("a")
    expect(page.locator(".rest")).to_be_visible()
    assert accessible(page) == []
    page.locator(".rest button").click()
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("main")).to_contain_text("تحدّث")
    assert accessible(page) == []


def test_without_a_script_the_shift_and_the_practice_can_be_used(console: Console) -> None:
    decide(console, "c1")
    page = console.page(path="/demo/shift", java_script_enabled=False)
    page.locator("#mine ~ ul li").first.get_by_role("button").click()
    expect(page.locator(".notice.skip")).to_be_visible()
    expect(page.locator("[data-figure=reject]")).to_have_text("0")
