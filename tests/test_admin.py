"""Administration in the console: the trail, settings set back, sites, keys, words, exports."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from test_trail import values_of
from werkzeug.test import TestResponse

from service.accounts.account import Preferences
from service.accounts.accounts import Accounts
from service.services import Services
from service.sites.site import SETTINGS, Site
from service.sites.sites import Sites
from service.store.trail import Entry, Origin, Trail

PASSWORD = "correct horse battery"
OMAR = Origin("console", "omar")


class Browser:
    """One administrator's browser, without a browser, in English."""

    def __init__(self, app: Flask, name: str = "layla") -> None:
        self.client: FlaskClient = app.test_client()
        self.last: TestResponse
        self.post("/login", name=name, password=PASSWORD)

    def get(self, path: str) -> str:
        self.last = self.client.get(f"/console{path}")
        return unescape(self.last.get_data(as_text=True))

    def post(self, path: str, /, **fields: str | list[str]) -> str:
        page = self.client.get("/console/login").get_data(as_text=True)
        token = re.search(r'name="csrf-token" content="([^"]+)"', page)
        assert token
        self.last = self.client.post(f"/console{path}", data={"csrf_token": token[1], **fields})
        return unescape(self.last.get_data(as_text=True))

    def form(self, path: str) -> dict[str, Any]:
        """What the largest form of a page would send as it stands."""
        return fields_of(self.get(path))


def fields_of(page: str) -> dict[str, Any]:
    """What the largest form of a page would send as it stands."""
    form = max(re.findall(r"(?s)<form.*?</form>", page), key=len)
    inputs = re.findall(r'<input[^>]* name="(\w+)"[^>]* value="([^"]*)"', form)
    fields: dict[str, Any] = dict(inputs)
    fields |= dict(re.findall(r'(?s)<textarea[^>]* name="(\w+)"[^>]*>(.*?)</textarea>', form))
    for name, options in re.findall(r'(?s)<select[^>]* name="(\w+)"[^>]*>(.*?)</select>', form):
        chosen = re.search(r'value="(\w*)" selected', options)
        fields[name] = chosen[1] if chosen else ""
    return {name: value for name, value in fields.items() if name not in ("csrf_token", "remove")}


@pytest.fixture
def accounts(app: Flask, redis: Redis) -> Accounts:
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts = Accounts(redis, hasher=quick)
    app.extensions["hakam"] = replace(app.extensions["hakam"], accounts=accounts)
    for name, role in (("samira", "senior"), ("omar", "admin"), ("layla", "admin")):
        accounts.add(name, PASSWORD, role)
        accounts.save_preferences(name, Preferences(language="en"))
    return accounts


@pytest.fixture
def services(app: Flask, accounts: Accounts, api_key: str) -> Services:
    found: Services = app.extensions["hakam"]
    assert api_key
    return found


@pytest.fixture
def browser(app: Flask, services: Services) -> Browser:
    assert services
    return Browser(app)


@pytest.fixture
def sites(redis: Redis) -> Sites:
    return Sites(redis)


# The trail


def test_the_trail_shows_who_changed_what_from_where_as_old_and_new(
    browser: Browser, sites: Sites
) -> None:
    sites.update(replace(sites.get("demo"), links="review", block_words=("spam",)), by=OMAR)
    page = browser.get("/demo/trail")
    assert re.search(r'<bdi class="who">omar</bdi>', page)
    assert re.search(
        r"(?s)comment with a link</dt>.*?<del>.*?<bdi>is not looked at for it</bdi></del>.*?"
        r"<ins>.*?<bdi>waits for a person</bdi></ins>",
        page,
    )
    assert re.search(r"(?s)<ins>.*?<bdi>spam</bdi></ins>", page)


def test_what_is_written_in_a_setting_stays_harmless_in_the_trail(
    browser: Browser, sites: Sites
) -> None:
    sites.update(replace(sites.get("demo"), name="</bdi><script>alert(1)</script>"), by=OMAR)
    browser.get("/demo/trail")
    assert b"<script>alert" not in browser.last.data
    assert b"&lt;script&gt;alert" in browser.last.data


def test_the_trail_is_found_through_by_person_and_by_field(browser: Browser, sites: Sites) -> None:
    for name, by in (("One", OMAR), ("Two", Origin("command line")), ("Three", OMAR)):
        sites.update(replace(sites.get("demo"), name=name), by=by)
    sites.update(replace(sites.get("demo"), links="review"), by=OMAR)

    def shown(query: str) -> int:
        return browser.get(f"/demo/trail{query}").count("<dl class=")

    assert [shown(q) for q in ("", "?who=omar", "?who=command+line", "?what=name")] == [5, 3, 1, 4]
    assert [shown(q) for q in ("?who=OMAR&what=links", "?what=site", "?who=nobody")] == [1, 1, 0]


def test_the_trail_of_all_goes_back_page_by_page(browser: Browser, services: Services) -> None:
    services.sites.add(Site("south"))
    for n in range(120):
        services.trail.note(("demo", "south")[n % 2], Entry("article", OMAR, f"article-{n}"))
    seen, path = list[str](), "/admin/trail"
    while path:
        page = browser.get(path)
        seen += re.findall(r"<bdi>article-(\d+)</bdi>", page)
        following = re.search(r'href="/console([^"]*before=[^"]*)"', page)
        path = following[1] if following else ""
    assert sorted(map(int, seen)) == list(range(120))


def test_only_administrators_see_a_trail(app: Flask, browser: Browser, sites: Sites) -> None:
    entry = next(Trail(sites._redis).latest("demo")).id
    samira = Browser(app, "samira")
    for path in ("/admin/trail", "/demo/trail", f"/demo/trail/{entry}"):
        samira.get(path)
        assert samira.last.status_code == 403, path
        browser.get(path)
        assert browser.last.status_code == 200, path
    browser.get("/demo/trail/1-1")
    assert browser.last.status_code == 404


# Settings set back


def test_one_setting_is_set_back_and_the_others_stay(browser: Browser, sites: Sites) -> None:
    sites.update(replace(sites.get("demo"), links="review", name="Old"), by=OMAR)
    sites.update(replace(sites.get("demo"), links="reject", name="New", trust_after=9), by=OMAR)
    entry, revision = sites.get("demo").revision, sites.get("demo").revision
    browser.post(f"/demo/trail/{entry}", revision=revision or "", setting=["links"])
    assert browser.last.status_code == 303
    site = sites.get("demo")
    assert (site.links, site.name, site.trust_after) == ("review", "New", 9)
    last = next(Trail(sites._redis).latest("demo"))
    assert (last.origin.name, list(last.changes)) == ("layla", ["links"])


def test_a_whole_earlier_state_is_shown_and_set_back(browser: Browser, sites: Sites) -> None:
    first = replace(sites.get("demo"), block_words=("one", "two"), review={"insult": 0.4})
    sites.update(first, by=OMAR)
    changes: list[dict[str, Any]] = [
        {"block_words": ("two", "three")},
        {"links": "reject"},
        {"review": {}},
    ]
    for change in changes:
        sites.update(replace(sites.get("demo"), **change), by=OMAR)
    changed = [e for e in Trail(sites._redis).latest("demo") if e.kind == "settings"]
    page = browser.get(f"/demo/trail/{changed[2].id}")
    assert "changed 2 times since" in page
    names = re.findall(r'name="setting" value="(\w+)"( checked)?', page)
    assert names == [("review", ""), ("block_words", " checked"), ("links", "")]
    revision = sites.get("demo").revision or ""
    browser.post(
        f"/demo/trail/{changed[2].id}", revision=revision, setting=[name for name, _ in names]
    )
    site = sites.get("demo")
    assert (set(site.block_words), site.links, site.review) == (
        {"one", "two"},
        "ignore",
        {"insult": 0.4},
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_but_a_secret_can_be_set_back(
    browser: Browser, sites: Sites, name: str
) -> None:
    old, new = values_of(name)
    sites.update(replace(sites.get("demo"), **{name: old}), by=OMAR)
    sites.update(replace(sites.get("demo"), **{name: new}), by=OMAR)
    entry = sites.get("demo").revision or ""
    page = browser.get(f"/demo/trail/{entry}")
    offered = f'name="setting" value="{name}"' in page
    assert offered is not SETTINGS[name].secret
    browser.post(f"/demo/trail/{entry}", revision=entry, setting=[name])
    now, expected = getattr(sites.get("demo"), name), new if SETTINGS[name].secret else old
    assert sorted(now) == sorted(expected) if SETTINGS[name].is_list else now == expected


def test_nothing_is_set_back_where_somebody_changed_the_settings_meanwhile(
    browser: Browser, sites: Sites
) -> None:
    sites.update(replace(sites.get("demo"), name="Old"), by=OMAR)
    sites.update(replace(sites.get("demo"), name="New"), by=OMAR)
    entry = sites.get("demo").revision or ""
    sites.update(replace(sites.get("demo"), name="Newer"), by=OMAR)
    page = browser.post(f"/demo/trail/{entry}", revision=entry, setting=["name"])
    assert (browser.last.status_code, sites.get("demo").name) == (409, "Newer")
    assert "so nothing was set back" in page


def test_a_state_behind_an_entry_that_cannot_be_read_is_not_guessed(
    browser: Browser, sites: Sites, redis: Redis
) -> None:
    sites.update(replace(sites.get("demo"), name="Old"), by=OMAR)
    entry = sites.get("demo").revision or ""
    redis.xadd("{hakam:demo}:trail", {"body": "{"})
    browser.get(f"/demo/trail/{entry}")
    assert browser.last.status_code == 409


# Forms that were made from older settings


def test_settings_saved_over_newer_ones_are_refused_with_what_changed_and_nothing_is_lost(
    browser: Browser, sites: Sites
) -> None:
    sites.update(replace(sites.get("demo"), block_words=("one", "two")))
    form = browser.form("/demo/settings")
    sites.update(replace(sites.get("demo"), links="reject", block_words=("two", "three")), by=OMAR)
    typed = {"name": "Mine", "block_words": "one\ntwo\nmine"}
    page = browser.post("/demo/settings", **form | typed)
    assert browser.last.status_code == 409
    site = sites.get("demo")
    assert (site.name, site.links, site.block_words) == ("Demo", "reject", ("two", "three"))
    assert '<bdi class="who">omar</bdi>' in page
    again = fields_of(page)
    assert (again["name"], again["links"]) == ("Mine", "reject")
    assert again["block_words"].split() == ["two", "three", "mine"]
    browser.post("/demo/settings", **again)
    assert browser.last.status_code == 303
    site = sites.get("demo")
    assert (site.name, site.links, site.block_words) == ("Mine", "reject", ("two", "three", "mine"))


def test_a_preview_does_not_make_an_old_form_a_new_one(browser: Browser, sites: Sites) -> None:
    form = browser.form("/demo/settings")
    sites.update(replace(sites.get("demo"), links="reject"), by=OMAR)
    looked = fields_of(browser.post("/demo/settings", **form | {"action": "preview"}))
    browser.post("/demo/settings", **looked)
    assert (browser.last.status_code, sites.get("demo").links) == (409, "reject")


def test_a_comment_policy_saved_over_newer_settings_is_refused(
    browser: Browser, sites: Sites
) -> None:
    form = browser.form("/demo/policy")
    sites.update(replace(sites.get("demo"), links="reject"), by=OMAR)
    page = browser.post("/demo/policy", revision=form["revision"], personal_data="reject")
    assert (browser.last.status_code, sites.get("demo").personal_data) == (409, "review")
    assert "omar" in page
    newest = fields_of(page)["revision"]
    browser.post("/demo/policy", revision=newest, personal_data="reject")
    site = sites.get("demo")
    assert (site.personal_data, site.links) == ("reject", "reject")


def test_a_form_with_a_revision_that_is_none_is_refused(browser: Browser) -> None:
    browser.post("/demo/settings", revision="x", name="Mine")
    assert browser.last.status_code == 409
