"""History in a real browser: a rejection is found, and approved after all; the site hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fake_sites import Endpoint, answering
from playwright.sync_api import Page, expect
from test_console_browser import Console, console

from conftest import deliver_once
from service.accounts.account import Preferences
from service.delivery.webhooks import Deliveries
from service.queue.records import Decision

__all__ = ["console"]  # a fixture

pytestmark = pytest.mark.slow

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def endpoint(console: Console) -> Iterator[Endpoint]:
    """The site, which hears of decisions."""
    with answering() as endpoint:
        site = console.sites.get("demo")
        site = replace(site, webhook_url=endpoint.url, webhook_secret=SECRET, webhook_private=True)
        console.sites.update(site)
        yield endpoint


def reading(console: Console, name: str, path: str, **options: object) -> Page:
    console.accounts.save_preferences(name, Preferences(language="en", **options))  # type: ignore[arg-type]
    return console.page(name, path)


def reject(console: Console, comment_id: str, text: str) -> Decision:
    item_id = console.flag(comment_id, text, author_id="u1", author_name="Reader")
    lease = console.queue.lease("demo", "samira")
    assert lease
    assert lease.item.id == item_id
    draft = Decision("reject", ("insult",), "insult", moderator="samira", request_id=comment_id)
    return console.queue.decide("demo", item_id, lease.token, draft)


def test_a_rejection_is_found_and_approved_after_all_and_the_site_hears_both_in_order(
    console: Console, endpoint: Endpoint
) -> None:
    made = reject(console, "c1", "what a lovely donkey")
    reject(console, "c2", "another one")
    page = reading(console, "omar", "/demo/work")
    page.get_by_role("link", name="History").click()
    page.get_by_label("Decision", exact=True).select_option("rejected")
    page.get_by_role("button", name="Show").click()
    row = page.get_by_role("listitem").filter(has_text="what a lovely donkey")
    row.get_by_role("link", name="The whole story").click()
    page.get_by_label("Note to colleagues").fill("It is about an animal.")
    page.get_by_role("button", name="Approve after all").click()
    expect(page.get_by_role("status").first).to_contain_text("Decided anew. The site is told.")
    story = page.get_by_role("list").filter(has_text="The comment came.")
    expect(story.get_by_role("listitem")).to_have_count(4)
    expect(story.get_by_role("listitem").last).to_contain_text("Decided by omar: approved")
    expect(story.get_by_role("listitem").last).to_contain_text("It is about an animal.")
    deliver_once(Deliveries(console.redis, console.sites))
    told = [body for body in endpoint.bodies() if body["data"]["comment_id"] == "c1"]
    assert [body["type"] for body in told] == [
        "decision.recorded",
        "decision.undone",
        "decision.recorded",
    ]
    assert told[1]["data"]["undoes"] == made.id
    assert told[2]["data"]["action"] == "approve"
    page.reload()
    expect(story.get_by_text("The site took it:")).to_have_count(3)
    page.get_by_role("link", name="History").click()
    page.get_by_label("Decision", exact=True).select_option("approved")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("listitem").filter(has_text="what a lovely donkey")).to_have_count(1)
    assert console.violations == []


def test_a_moderator_takes_their_own_decision_back_by_keyboard(
    console: Console, endpoint: Endpoint
) -> None:
    made = reject(console, "c1", "what a lovely donkey")
    page = reading(console, "samira", "/demo/history")
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Taken back.")
    expect(page.get_by_role("listitem").filter(has_text="undone")).to_have_count(1)
    assert page.url.endswith("/demo/history"), "the same list again"
    assert console.queue.item("demo", made.item_id).state == "pending"


def test_a_comment_that_waits_is_opened_and_decided(console: Console) -> None:
    console.flag("c1", "more urgent", score=0.99)
    item_id = console.flag("c2", "the chosen one", score=0.6)
    page = reading(console, "samira", f"/demo/items/{item_id}")
    page.get_by_role("button", name="Decide this one").click()
    expect(page.locator("#comment")).to_have_text("the chosen one")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#comment")).to_have_text("more urgent")
    assert console.queue.item("demo", item_id).state == "decided"


def test_severe_texts_are_blurred_for_whoever_wishes_it(console: Console) -> None:
    console.flag("c1", "severe words", score=0.97, label="threat")
    lease = console.queue.lease("demo", "samira")
    assert lease
    draft = Decision("reject", ("threat",), "threat", moderator="samira", request_id="r1")
    made = console.queue.decide("demo", lease.item.id, lease.token, draft)
    page = reading(console, "samira", "/demo/history", blur=True)
    for path in ("/demo/history", f"/demo/items/{made.item_id}"):
        page.goto(f"{console.url}/console{path}")
        text = page.locator(".item .text").first
        assert text.evaluate("one => getComputedStyle(one).color") == "rgba(0, 0, 0, 0)"
        page.get_by_label("Show what is blurred").check()
        assert text.evaluate("one => getComputedStyle(one).color") != "rgba(0, 0, 0, 0)"
