"""The pages of author and article in a real Chromium: what moderators and seniors do there."""

from __future__ import annotations

from typing import Any

import pytest
from fake_sites import Endpoint
from playwright.sync_api import Page, expect
from test_console_browser import Console, accessible
from test_console_browser import console as console  # noqa: PLC0414 - a fixture
from test_strikes import SECRET

from conftest import deliver_once
from service.accounts.account import Preferences
from service.delivery.webhooks import Deliveries
from service.queue.records import Decision
from service.sites.site import Site

pytestmark = pytest.mark.slow


@pytest.fixture
def site(console: Console, endpoint: Endpoint) -> Site:
    """The site with a webhook; seniors and moderators read English."""
    for name in ("samira", "omar"):
        console.accounts.save_preferences(name, Preferences(language="en"))
    wanted = {"webhook_url": endpoint.url, "webhook_secret": SECRET, "webhook_private": True}
    site = console.sites.get("demo").changed(wanted)
    console.sites.update(site)
    return site


def told(console: Console, endpoint: Endpoint) -> list[Any]:
    deliveries = Deliveries(console.redis, console.sites)
    while deliver_once(deliveries):
        pass
    return [body for body in endpoint.bodies() if body["type"].startswith("author.")]


def decide_all(console: Console, author_id: str, action: str = "reject") -> None:
    while lease := console.queue.lease("demo", "basma", author_id=author_id):
        draft = Decision(action, moderator="basma", request_id=lease.item.id)
        console.queue.decide("demo", lease.item.id, lease.token, draft)


@pytest.mark.usefixtures("site")
def test_from_the_desk_a_senior_finds_the_author_and_has_the_site_mute_them(
    console: Console, endpoint: Endpoint
) -> None:
    console.flag("c0", "an old insult", author_id="u1", author_name="Falcon")
    decide_all(console, "u1")
    console.flag("c1", "a new insult", author_id="u1", author_name="Falcon")
    page = console.page("omar", "/demo/work")
    page.locator("a.record").click()
    expect(page.locator("h1")).to_contain_text("Falcon")
    expect(page.locator("svg.chart")).to_have_count(1)
    expect(page.locator("#decided ~ .rows")).to_contain_text("an old insult")
    mute = page.locator("form.act", has=page.locator("[value=mute]"))
    mute.locator("[name=hours]").select_option("168")
    mute.locator("[name=reason]").select_option("insult")
    mute.locator("button").click()
    expect(page.locator(".notice")).to_contain_text("The site is asked to mute the author.")
    expect(page.locator("#news ~ .rows")).to_contain_text("still to be told")
    (body,) = told(console, endpoint)
    assert (body["type"], body["data"]["author_id"]) == ("author.mute_requested", "u1")
    page.reload()
    expect(page.locator("#news ~ .rows")).to_contain_text("the site was told")
    assert accessible(page) == []


@pytest.mark.usefixtures("site")
def test_a_moderator_leaves_a_note_by_keyboard_and_a_colleague_reads_it(console: Console) -> None:
    console.flag("c1", "words", author_id="u1", author_name="Falcon")
    page = console.page("samira", "/demo/authors?id=u1")
    page.locator("#new-note").focus()
    page.keyboard.type("third account of the same person")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#notes ~ .rows")).to_contain_text("third account of the same person")
    other = console.page("omar", "/demo/authors?id=u1")
    expect(other.locator("#notes ~ .rows")).to_contain_text("samira")
    other.locator("#notes ~ .rows button").click()
    expect(other.locator("#notes ~ .rows")).to_contain_text("Nobody has noted anything.")


@pytest.mark.usefixtures("site")
def test_without_scripts_a_senior_holds_and_releases_an_author_and_closes_an_article(
    console: Console,
) -> None:
    console.flag("c1", "words", author_id="u1", article_id="a1", article_title="On rain")
    page = console.page("omar", "/demo/authors?id=u1", java_script_enabled=False)
    page.locator("[value=hold]").click()
    expect(page.locator(".late").first).to_contain_text("omar")
    page.locator("[value=release]").click()
    expect(page.locator("#state ~ p")).to_contain_text(["Neither held nor warned."])
    page.goto(f"{console.url}/console/demo/articles?id=a1")
    expect(page.locator("h1")).to_contain_text("On rain")
    page.locator("[value=close]").click()
    expect(page.locator(".late")).to_contain_text("It takes no more comments.")
    page.locator("[value=open]").click()
    expect(page.locator("#state ~ p")).to_have_text("Open to comments.")


@pytest.mark.usefixtures("site")
def test_what_waits_of_an_author_is_decided_on_their_page_and_taken_back(console: Console) -> None:
    for number in range(3):
        console.flag(f"c{number}", f"words {number}", author_id="u1")
    page = console.page("omar", "/demo/authors?id=u1")
    page.locator("[data-tick] input").check()
    page.locator("button[value=reject]").last.click()
    page.locator(
        "button[name=confirmed], main form button.reject, main form button.primary"
    ).first.click()
    expect(page).to_have_url(f"{console.url}/console/demo/authors?id=u1")
    expect(page.locator("#found")).to_contain_text("0 comments wait")
    assert console.actions == ["reject"] * 3
    page.locator("form.notice button").click()
    expect(page.locator("#found")).to_contain_text("3 comments wait")


def directions(page: Page) -> list[str]:
    return [
        one.evaluate("e => getComputedStyle(e).direction") for one in page.locator("h1 bdi").all()
    ]


def test_nothing_sticks_out_of_the_page_on_a_phone_in_arabic(console: Console) -> None:
    long = "\N{ARABIC LETTER SEEN}" * 300
    for number in range(3):
        console.flag(
            f"c{number}",
            long,
            author_id=long,
            author_name=long,
            article_id=long,
            article_title=long,
        )
    decide_all(console, long)
    console.flag("c9", long, author_id=long, author_name=long, article_id=long)
    for path in (f"/demo/authors?id={long}", f"/demo/articles?id={long}"):
        page = console.page("omar", path, viewport={"width": 390, "height": 800})
        expect(page.locator("h1")).to_be_visible()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, f"{path[:20]} is {wide} wide"
        assert set(directions(page)) == {"rtl"}
