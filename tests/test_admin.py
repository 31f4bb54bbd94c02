"""Administration in the console: the trail, settings set back, sites, keys, words, exports."""

from __future__ import annotations

import csv
import json
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from arriving import enqueue
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from test_trail import values_of
from werkzeug.test import TestResponse

from conftest import csrf_token, let_time_pass
from service.accounts.account import Preferences
from service.accounts.accounts import Accounts
from service.queue.records import Comment, Decision
from service.rules.policy import Verdict
from service.services import Services
from service.sites.api_keys import name_of
from service.sites.key_uses import HOUR
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
        data = {"csrf_token": csrf_token(page), **fields}
        self.last = self.client.post(f"/console{path}", data=data)
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


# The page that leads to everything


def test_the_page_of_administration_leads_to_every_page_and_each_is_there(
    browser: Browser,
) -> None:
    found = set(re.findall(r'href="/console(/[^"]+)"', browser.get("/admin")))
    assert {"/people", "/admin/trail", "/demo/admin"} <= found
    of_site = set(re.findall(r'href="/console(/demo/[^"]+)"', browser.get("/demo/admin")))
    pages = {"settings", "policy", "words", "keys", "retention", "exports", "shadow", "trail"}
    assert {f"/demo/{page}" for page in pages} <= of_site
    for path in {path for path in found | of_site if not path.startswith("/static/")}:
        browser.get(path)
        assert browser.last.status_code in (200, 302), path


def test_what_needs_attention_is_named(browser: Browser, services: Services, redis: Redis) -> None:
    page = browser.get("/admin")
    assert "layla is an administrator and has no second factor." in page
    assert "samira is" not in page
    redis.hset("{hakam:demo}:endpoint", mapping={"failing": 1, "disabled": 1, "failure": "x"})
    redis.hset("{hakam:demo}:site", "built", "0")
    redis.zadd("{hakam:demo}:retention", {"item:x:1": 1})
    services.sites.close("demo")
    redis.hset("hakam:x", "y", "z")
    page = browser.get("/demo/admin")
    for sentence in (
        "webhook is out of use",
        "being built",
        "it would be much at once",
        "none of its keys opens it",
    ):
        assert sentence in page, sentence


@pytest.mark.parametrize(
    "path",
    ["/admin", "/demo/admin", "/demo/words", "/demo/keys", "/demo/retention", "/demo/exports"],
)
def test_only_administrators_administrate(app: Flask, browser: Browser, path: str) -> None:
    samira = Browser(app, "samira")
    samira.get(path)
    assert samira.last.status_code == 403
    samira.post("/admin/sites" if path == "/admin" else path, action="close", form="csv")
    assert samira.last.status_code in (403, 405)
    browser.get(path)
    assert browser.last.status_code == 200


# Sites


def test_a_site_is_added_renamed_closed_and_opened_again(
    app: Flask, browser: Browser, services: Services
) -> None:
    page = browser.post("/admin/sites", id="south", name="The South")
    key = re.search(r"hk_south_[\w-]{43}", page)
    assert key
    assert services.known_sites.authenticate(key[0]) is not None
    assert key[0] not in browser.get("/south/admin")
    browser.post("/south/admin", action="rename", name="South")
    assert services.sites.get("south").name == "South"
    question = browser.post("/south/admin", action="close")
    assert "once more" in question
    assert not services.sites.get("south").is_closed
    browser.post("/south/admin", action="close", own_password="wrong")
    assert (browser.last.status_code, services.sites.get("south").is_closed) == (422, False)
    browser.post("/south/admin", action="close", own_password=PASSWORD)
    assert services.sites.get("south").is_closed
    scored = app.test_client().get("/v1/policy", headers={"Authorization": f"Bearer {key[0]}"})
    assert scored.status_code in (401, 200)  # within a second
    services.known_sites.remember()
    refused = app.test_client().get("/v1/policy", headers={"Authorization": f"Bearer {key[0]}"})
    assert refused.status_code == 401
    browser.post("/south/admin", action="open")
    assert not services.sites.get("south").is_closed
    changes = [entry.changes for entry in services.trail.latest("south")]
    assert [one["state"].new for one in changes if "state" in one] == ["active", "closed"]


@pytest.mark.parametrize(("site_id", "status"), [("demo", 422), ("Bad Id", 422), ("", 422)])
def test_a_site_that_cannot_be_added_is_refused_in_words(
    browser: Browser, services: Services, site_id: str, status: int
) -> None:
    page = browser.post("/admin/sites", id=site_id)
    assert (browser.last.status_code, len(services.sites.list())) == (status, 1)
    assert 'role="alert"' in page


def test_two_hundred_sites_are_listed_page_by_page(browser: Browser, services: Services) -> None:
    for n in range(120):
        services.sites.add(Site(f"s-{n:03}"))
    seen, path = list[str](), "/admin"
    while path:
        page = browser.get(path)
        seen += re.findall(r'href="/console/(s-\d+)/admin"', page)
        following = re.search(r'href="/console(/admin\?after=[^"]*)"', page)
        path = following[1] if following else ""
    assert sorted(set(seen)) == [f"s-{n:03}" for n in range(120)]


# Keys


def test_keys_are_added_and_revoked_and_one_that_does_not_end_stays(
    browser: Browser, services: Services, api_key: str
) -> None:
    page = browser.post("/demo/keys", action="add")
    second = re.search(r"hk_demo_[\w-]{43}", page)
    assert second
    assert api_key[-4:] in page
    names = re.findall(r'name="key" value="(\w+)"', page)
    assert len(names) == 2
    assert "once more" in browser.post("/demo/keys", action="revoke", key=names[1])
    browser.post("/demo/keys", action="revoke", key=names[1], own_password=PASSWORD)
    services.known_sites.remember()
    assert services.known_sites.authenticate(api_key) is None
    assert services.known_sites.authenticate(second[0]) is not None
    browser.post("/demo/keys", action="revoke", key=names[0], own_password=PASSWORD)
    services.known_sites.remember()
    assert services.known_sites.authenticate(second[0]) is not None
    assert second[0] not in browser.get("/demo/keys")


def test_all_keys_are_replaced_and_the_old_ones_end_when_it_was_said(
    browser: Browser, services: Services, api_key: str
) -> None:
    browser.post("/demo/keys", action="rotate", hours="24", own_password=PASSWORD)
    services.known_sites.remember()
    assert services.known_sites.authenticate(api_key) is not None
    page = browser.post("/demo/keys", action="rotate", hours="0", own_password=PASSWORD)
    services.known_sites.remember()
    assert services.known_sites.authenticate(api_key) is None
    (new,) = re.findall(r"hk_demo_[\w-]{43}", page)
    assert services.known_sites.authenticate(new) is not None


def test_a_key_made_before_keys_had_marks_still_opens_its_site(
    browser: Browser, services: Services, redis: Redis, api_key: str
) -> None:
    record = services.sites.record("demo")
    assert record is not None
    old = f'[["{record.keys.stored[0].digest}", null]]'
    redis.hset("{hakam:demo}:site", "keys", old)
    services.known_sites.remember()
    assert services.known_sites.authenticate(api_key) is not None
    assert "an older key" in browser.get("/demo/keys")


# Word lists


def test_word_lists_are_tried_before_they_are_saved(browser: Browser, sites: Sites) -> None:
    form = browser.form("/demo/words")
    tried = form | {"block_words": "zebra\nlion", "texts": "a quiet zebra\na tree", "action": "try"}
    page = browser.post("/demo/words", **tried)
    assert re.search(r"(?s)<mark[^>]*>zebra</mark>.*?<ins>sent to a moderator</ins>", page)
    assert len(re.findall("<ins>sent to a moderator</ins>", page)) == 1
    assert sites.get("demo").block_words == ()
    browser.post("/demo/words", **fields_of(page) | {"action": "save"})
    assert sites.get("demo").block_words == ("zebra", "lion")


def test_words_of_a_file_are_added_and_one_that_is_no_text_is_refused(
    browser: Browser, sites: Sites
) -> None:
    sites.update(replace(sites.get("demo"), block_words=("zebra",)))

    def send(content: bytes) -> int:
        form: Any = browser.form("/demo/words") | {"action": "save"}
        form["block_words_file"] = (BytesIO(content), "words.txt")
        browser.post("/demo/words", **form)
        return browser.last.status_code

    assert send(b"\xef\xbb\xbflion\r\nzebra\r\n") == 303
    assert sites.get("demo").block_words == ("zebra", "lion")
    assert send(b"\xff\xfe") == 422
    assert send(b"\n".join(b"w%d" % n for n in range(1_001))) == 422
    assert sites.get("demo").block_words == ("zebra", "lion")


def test_word_lists_saved_over_newer_ones_are_refused_and_both_are_kept(
    browser: Browser, sites: Sites
) -> None:
    form = browser.form("/demo/words")
    sites.update(replace(sites.get("demo"), block_words=("theirs",)), by=OMAR)
    page = browser.post("/demo/words", **form | {"block_words": "mine", "action": "save"})
    assert browser.last.status_code == 409
    assert fields_of(page)["block_words"].split() == ["theirs", "mine"]
    assert sites.get("demo").block_words == ("theirs",)


# Exports


def decided(services: Services, comment_id: str, text: str, **fields: Any) -> None:
    """Put a comment into the queue and reject it."""
    verdict = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
    comment = Comment(comment_id, text, **fields)
    enqueue(services.queue, "demo", comment, verdict, scores={"insult": 0.9})
    lease = services.queue.lease("demo", "omar")
    assert lease
    draft = Decision("reject", ("insult",), "insult", moderator="omar", request_id=comment_id)
    services.queue.decide("demo", lease.item.id, lease.token, draft)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_decisions_are_exported_masked_and_unmasked_only_with_the_password_and_a_trail(
    browser: Browser, services: Services, form: str
) -> None:
    decided(services, "c1", "call 0501234567 now")
    text = browser.post("/demo/exports/decisions", form=form)
    assert browser.last.headers["Content-Disposition"].endswith(f'demo-decisions.{form}"')
    assert ("c1" in text, "0501234567" in text) == (True, False)
    n_before = len(list(services.trail.latest("demo")))
    asked = browser.post("/demo/exports/decisions", form=form, personal_data="on")
    assert "once more" in asked
    assert len(list(services.trail.latest("demo"))) == n_before
    text = browser.post(
        "/demo/exports/decisions", form=form, personal_data="on", own_password=PASSWORD
    )
    assert "0501234567" in text
    last = next(services.trail.latest("demo"))
    assert (last.kind, last.about, last.origin.name) == ("export", "decisions", "layla")


def test_a_spreadsheet_takes_no_exported_text_for_a_formula(
    browser: Browser, services: Services
) -> None:
    decided(services, "c1", '=HYPERLINK("https://evil.example")', author_name="@SUM(A1)")
    browser.post("/demo/exports/decisions", form="csv")
    (row,) = csv.DictReader(StringIO(browser.last.get_data(as_text=True)))
    assert row["text"].startswith("'=")
    assert row["author_name"].startswith("'@")


def test_the_export_of_the_console_is_that_of_the_command(
    browser: Browser, services: Services, tmp_path: Path
) -> None:
    for n in range(3):
        decided(services, f"c{n}", f"text {n}")
    services.decisions.export("demo", str(tmp_path / "export.jsonl"))
    browser.post("/demo/exports/decisions", form="jsonl")
    assert browser.last.data == (tmp_path / "export.jsonl").read_bytes()


def test_the_transparency_report_has_numbers_and_statements(
    browser: Browser, services: Services
) -> None:
    decided(services, "c1", "text")
    day = datetime.now(UTC).date()
    period = {"start": str(day - timedelta(days=1)), "end": str(day + timedelta(days=1))}
    numbers = json.loads(browser.post("/demo/exports/transparency", form="json", **period))
    assert numbers["n_decisions"] == 1
    assert "n_decisions,,1" in browser.post("/demo/exports/transparency", form="csv", **period)
    statement = json.loads(browser.post("/demo/exports/transparency", form="jsonl", **period))
    assert statement["puid"].startswith("demo-")
    browser.post("/demo/exports/transparency", form="json", start=period["end"], end="x")
    assert browser.last.status_code == 422


# Retention


def test_an_author_is_erased_with_the_password_and_a_trail(
    browser: Browser, services: Services
) -> None:
    decided(services, "c1", "text of u1", author_id="u1")
    form = {"action": "erase", "author_id": "u1"}
    assert "once more" in browser.post("/demo/retention", **form)
    assert [d for d in services.decisions.history("demo") if d.comment]
    page = browser.post("/demo/retention", **form, own_password=PASSWORD)
    assert "1 comment was erased" in page
    assert not [d for d in services.decisions.history("demo") if d.comment and d.comment.text]
    last = next(services.trail.latest("demo"))
    assert (last.kind, last.origin.name) == ("erasure", "layla")


def test_old_texts_are_forgotten_now_with_the_password_and_a_trail(
    browser: Browser, services: Services, redis: Redis
) -> None:
    decided(services, "c1", "text")
    let_time_pass(redis, 100 * 86_400_000)
    page = browser.get("/demo/retention")
    assert "it would be more than a quarter at once" in page
    assert "once more" in browser.post("/demo/retention", action="forget")
    page = browser.post("/demo/retention", action="forget", own_password=PASSWORD)
    assert re.search(r"Done: \d+ w(as|ere) forgotten", page)
    assert redis.exists("{hakam:demo}:texts") == 0
    last = next(services.trail.latest("demo"))
    assert (last.kind, last.about) == ("retention", "forced")


def test_work_that_fails_on_its_way_says_so_on_its_page(
    browser: Browser, services: Services, redis: Redis
) -> None:
    decided(services, "c1", "text", author_id="u1")
    redis.delete("{hakam:demo}:reports")
    redis.set("{hakam:demo}:reports", "spoilt")
    page = browser.post("/demo/retention", action="erase", author_id="u1", own_password=PASSWORD)
    assert "It stopped before it was done" in page


# The model on trial


def test_a_version_is_put_on_trial_and_taken_off_it(
    browser: Browser, services: Services, sites: Sites
) -> None:
    sites.update(replace(sites.get("demo"), shadow="2001.01.01-1"))
    browser.post("/demo/shadow", version="")
    assert sites.get("demo").shadow == ""
    browser.post("/demo/shadow", version=services.artifact.version)
    assert sites.get("demo").shadow == services.artifact.version
    browser.post("/demo/shadow", version="2001.01.01-1")
    assert browser.last.status_code == 422


# Forms that are refused


def test_refused_settings_show_what_was_typed_and_say_at_each_field_what_is_wrong(
    browser: Browser, sites: Sites
) -> None:
    form = browser.form("/demo/settings")
    stored = sites.get("demo")
    typed = {
        **form,
        "name": "A new name",
        "review_insult": "7",
        "time_zone": "Nowhere/Town",
        "block_words": "one\ntwo",
        "webhook_url": "https://news.example/hook",
        "webhook_secret": "whsec_typed-and-wrong",
    }
    page = browser.post("/demo/settings", **typed)
    assert browser.last.status_code == 422
    assert sites.get("demo") == stored
    again = fields_of(page)
    kept = {name: value for name, value in typed.items() if name != "webhook_secret"}
    assert {name: again.get(name) for name in kept} == kept
    assert "whsec_typed" not in page, "a secret is shown to nobody"
    wrong = re.findall(r'<p class="complaint" id="(\w+)-wrong">', page)
    assert wrong == ["review_insult"], "a number that is none is told first"
    page = browser.post("/demo/settings", **typed | {"review_insult": "0.5"})
    wrong = re.findall(r'<p class="complaint" id="(\w+)-wrong">', page)
    assert set(wrong) == {"time_zone", "webhook_secret"}
    for name in wrong:
        field = re.search(rf'<(?:input|textarea) id="{name}"[^>]*>', page)
        assert field
        assert 'aria-invalid="true"' in field[0]
        assert f"{name}-wrong" in field[0]


def test_a_refused_form_stays_one_of_the_settings_it_was_made_from(
    browser: Browser, sites: Sites
) -> None:
    form = browser.form("/demo/settings")
    sites.update(replace(sites.get("demo"), links="review"), by=OMAR)
    again = fields_of(browser.post("/demo/settings", **form | {"review_insult": "7"}))
    assert again["revision"] == form["revision"]
    browser.post("/demo/settings", **again | {"review_insult": "0.5"})
    assert browser.last.status_code == 409, "what others changed meanwhile is shown first"
    assert sites.get("demo").links == "review"
    for path, wrong in (("words", {"block_words": "x" * 2_000}), ("admin", {"name": "x" * 201})):
        page = browser.post(f"/demo/{path}", **form | {"action": "rename"} | wrong)
        assert browser.last.status_code == 422
        assert f'name="revision" value="{form["revision"]}"' in page


@pytest.mark.parametrize(
    ("path", "fields", "shown"),
    [
        ("/admin/sites", {"id": "NO", "name": "typed"}, ['value="NO"', 'value="typed"']),
        ("/people", {"name": "x", "role": "senior", "sites": "demo"}, ['value="x"']),
        ("/demo/admin", {"action": "rename", "name": "y" * 201}, [f'value="{"y" * 201}"']),
        (
            "/demo/exports/transparency",
            {"start": "2026-02-02", "end": "2026-01-01", "form": "csv"},
            ['value="2026-02-02"', 'value="2026-01-01"', '<option value="csv" selected>'],
        ),
        ("/demo/retention", {"action": "erase", "author_id": "z" * 1_001}, ["z" * 1_001]),
        ("/me", {"key_approve": "q", "key_reject": "q", "severe_run": "7", "replies": "typed"}, []),
        ("/login", {"name": "layla", "password": "wrong"}, ['value="layla"']),
    ],
)
def test_every_form_that_is_refused_keeps_what_was_typed(
    browser: Browser, path: str, fields: dict[str, str], shown: list[str]
) -> None:
    page = browser.post(path, **fields)
    assert browser.last.status_code in (401, 422)
    for words in shown:
        assert words in page
    if path == "/people":
        form = page[page.index('action="/console/people"') :]
        assert '<option value="senior" selected>' in form
        assert re.search(r'value="demo"\s* checked', form)
        assert not re.search(r'value="\*" checked', form)
    if path == "/me":
        again = fields_of(page)
        assert (again["key_approve"], again["key_reject"]) == ("q", "q")
        assert (again["severe_run"], again["replies"]) == ("7", "typed")


def test_the_page_of_keys_says_when_each_was_last_used(
    browser: Browser, sites: Sites, api_key: str, redis: Redis
) -> None:
    assert browser.get("/demo/keys").count("no use noted yet") == 1
    hour = time.time() // HOUR * HOUR
    redis.hset("{hakam:demo}:key_uses", name_of(api_key), str(int(hour)))
    assert "used within the last hour" in browser.get("/demo/keys")
    redis.hset("{hakam:demo}:key_uses", name_of(api_key), str(int(hour - 48 * HOUR)))
    page = " ".join(browser.get("/demo/keys").split())
    assert re.search(r"last used <time[^>]*>2 days ago</time>", page)


# Pages with nothing on them


def test_a_page_with_nothing_on_it_offers_no_ticks_and_draws_no_chart(browser: Browser) -> None:
    for path in (
        "/demo/search?q=bread",
        "/demo/queue",
        "/demo/queue?state=leased",
        "/demo/history",
        "/demo/shift",
        "/demo/insight",
        "/demo/drift",
        "/demo/authors?id=u1",
        "/demo/articles?id=a1",
        "/demo/second-look",
        "/overview",
    ):
        page = browser.get(path)
        assert browser.last.status_code == 200, path
        assert "data-tick=" not in page, path
        assert 'class="chart"' not in page, path
        assert "Reject the ticked ones" not in page, path
    assert "Nothing to show yet." in browser.get("/demo/shift")
    assert "Nothing was decided here yet." in browser.get("/demo/history")
    assert "No decision is like that." in browser.get("/demo/history?action=reject")


def test_rows_that_nobody_can_tick_have_no_buttons_for_ticked_ones(
    browser: Browser, services: Services
) -> None:
    enqueue(
        services.queue,
        "demo",
        Comment("c1", "bread"),
        Verdict("review", "insult", None, 0.9, "score", 1.0, "v"),
        scores={},
    )
    assert services.queue.lease("demo", "samira")
    for path in ("/demo/queue?state=leased", "/demo/search?comment=c1"):
        page = browser.get(path)
        assert "bread" in page
        shown = re.sub(r'(?s)<div class="decide" hidden>.*?</div>', "", page)
        assert "data-tick=" not in shown, path
        assert 'value="reject"' not in shown, path


@pytest.mark.parametrize(
    ("path", "fields", "wrong", "said"),
    [
        ("/admin/sites", {"id": "NO", "name": "<b>n"}, "id", "1 to 63"),
        ("/admin/sites", {"id": "demo", "name": "<b>n"}, "id", "exists already"),
        ("/admin/sites", {"id": "fresh", "name": "n" * 300}, "name", "at most 200"),
        ("/demo/admin", {"action": "rename", "name": "n" * 300}, "name", "at most 200"),
        ("/people", {"name": "\N{RIGHT-TO-LEFT OVERRIDE}x", "role": "senior"}, "name", "letters"),
        ("/people", {"name": "OMAR", "role": "senior"}, "name", "is taken"),
        ("/demo/retention", {"action": "erase", "author_id": "a" * 2000}, "author_id", "1 to 1"),
        ("/demo/exports/transparency", {"start": "2026-02-30", "end": ""}, "start", "two days"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(
    browser: Browser, path: str, fields: dict[str, str], wrong: str, said: str
) -> None:
    page = browser.post(path, **fields)
    assert browser.last.status_code == 422
    (field,) = re.findall(r'<input[^>]* aria-invalid="true"[^>]*>', page)
    assert f' name="{wrong}"' in field
    described = re.findall(r'aria-describedby="([\w-]+)', field)
    ((at, sentence),) = re.findall(
        r'<p class="complaint" role="alert" id="([\w-]+)">(.+?)</p>', page
    )
    assert described == [at]
    assert said in sentence
    for name, typed in fields.items():
        assert name in ("action", "role") or f'value="{typed}"' in page
