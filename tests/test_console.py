"""The console over HTTP: who gets in, what is on the screen, and what becomes of a decision."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import flask
import pyotp
import pytest
import segno
from argon2 import PasswordHasher
from arriving import enqueue
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from test_group_decisions import decide_many
from werkzeug.test import TestResponse

from conftest import NOWHERE, csrf_token, deliver_once, let_time_pass
from models.artifact import Artifact
from models.schema import Evidence, LabeledComment
from service.accounts.account import Preferences
from service.accounts.accounts import Accounts
from service.app import create_app
from service.config import Settings
from service.console import blueprint
from service.console.highlight import marked
from service.queue.decisions import DecisionStream
from service.queue.records import Comment, Decision, item_id_of
from service.queue.reports import Reports, reporter_digest
from service.queue.review_queue import ReviewQueue
from service.rules.phrases import LANGUAGES
from service.rules.policy import Verdict
from service.services import Services
from service.sites.site import SETTINGS, Site
from service.sites.sites import Sites
from service.store.durability import FORMAT

PASSWORD = "correct horse battery"
DONKEY = "\u062d\u0645\u0627\u0631"  # "donkey"
TEXT = f"\u0623\u0646\u062a {DONKEY} \u0643\u0628\u064a\u0631"  # "you are a big donkey"
TRANSLATIONS = Path(blueprint.__file__).parent / "translations"


class Console:
    """One moderator's browser, without a browser."""

    def __init__(self, app: Flask, name: str = "samira") -> None:
        self.client: FlaskClient = app.test_client()
        self.name = name
        self.last: TestResponse

    def get(self, path: str) -> str:
        self.last = self.client.get(f"/console{path}")
        return self.last.get_data(as_text=True)

    def post(self, path: str, /, **fields: str | list[str]) -> str:
        page = self.client.get("/console/login").get_data(as_text=True)
        fields.setdefault("csrf_token", csrf_token(page))
        self.last = self.client.post(f"/console{path}", data=fields)
        return self.last.get_data(as_text=True)

    def log_in(self, password: str = PASSWORD, **fields: str) -> Console:
        self.post("/login", name=self.name, password=password, **fields)
        return self

    def open(self, site: str = "demo") -> dict[str, str]:
        """The hidden fields and the address of the form of the comment on the screen."""
        page = self.get(f"/{site}/work")
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        action = re.search(r'class="verdict" method="post" action="/console([^"]+)"', page)
        assert action, "no comment is on the screen"
        asked = ("token", "request_id", "until")  # until when copies came, where there are some
        return {"path": action[1], **{k: fields[k] for k in asked if k in fields}}

    def press(self, action: str, form: dict[str, str], **fields: str) -> str:
        rest = {name: value for name, value in form.items() if name != "path"}
        return self.post(form["path"], action=action, **rest | fields)


@pytest.fixture
def accounts(app: Flask, redis: Redis) -> Accounts:
    """The accounts of the application, with the least work for each password."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts = Accounts(redis, hasher=quick)
    app.extensions["hakam"] = replace(app.extensions["hakam"], accounts=accounts)
    for name, role in (("samira", "moderator"), ("omar", "senior"), ("layla", "admin")):
        accounts.add(name, PASSWORD, role)
    return accounts


@pytest.fixture
def queue(app: Flask) -> ReviewQueue:
    services: Services = app.extensions["hakam"]
    return services.queue


@pytest.fixture
def console(app: Flask, accounts: Accounts, api_key: str) -> Console:
    return Console(app).log_in()


@pytest.fixture
def flag(queue: ReviewQueue) -> Callable[..., str]:
    """Put a comment into the queue; the id of its item."""

    def put(comment_id: str = "c1", text: str = TEXT, score: float = 0.97, **fields: Any) -> str:
        evidence = fields.pop("evidence", [])
        verdict = Verdict("review", "insult", "text", score, "score", 1.0, "v1")
        verdict = fields.pop("verdict", verdict)
        return enqueue(
            queue,
            "demo",
            Comment(id=comment_id, text=text, **fields),
            verdict,
            scores={"insult": score},
            evidence=evidence,
        ).item_id

    return put


# Login


def test_nobody_sees_a_page_without_logging_in(app: Flask, accounts: Accounts) -> None:
    stranger = Console(app)
    for path in ("/", "/demo/work", "/nowhere"):
        stranger.get(path)
        assert stranger.last.status_code == 302
        assert "/console/login" in stranger.last.location
    stranger.post("/demo/items/x", action="approve", token="1")
    assert "/console/login" in stranger.last.location


def test_the_right_password_leads_to_the_work_and_a_wrong_one_to_a_sentence(
    console: Console, app: Flask
) -> None:
    assert console.last.location == "/console/"
    console.get("/")
    assert console.last.location == "/console/demo/work"
    wrong = Console(app).log_in("wrong")
    assert wrong.last.status_code == 401
    assert 'role="alert"' in wrong.last.get_data(as_text=True)


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/console/",
        "/v1/queue",
        "/\\evil.example",
        "x",
        "//[",
        "//[::1",
        "http://a]b/console/",
        "//evil\N{ACCOUNT OF}/console/",
    ],
)
def test_the_login_leads_only_into_the_console(app: Flask, accounts: Accounts, target: str) -> None:
    assert Console(app).log_in(next=target).last.location == "/console/"


def test_somebody_sent_to_the_login_comes_back_to_their_page(
    app: Flask, accounts: Accounts
) -> None:
    assert Console(app).log_in(next="/console/demo/work").last.location == "/console/demo/work"


def test_too_many_wrong_passwords_make_everybody_wait(app: Flask, accounts: Accounts) -> None:
    for _ in range(5):
        Console(app).log_in("wrong")
    assert Console(app).log_in().last.status_code == 429


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(
    app: Flask, accounts: Accounts
) -> None:
    cookie = Console(app).log_in().last.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/console" in cookie


def test_a_login_leaves_no_cookie_that_lets_anybody_in_when_its_session_is_over(
    app: Flask, accounts: Accounts
) -> None:
    browser = Console(app).log_in()
    given = [cookie.partition("=") for cookie in browser.last.headers.getlist("Set-Cookie")]
    assert {name for name, _, _ in given} == {"hakam_session", "hakam_device"}
    (session,) = (rest for name, _, rest in given if name == "hakam_session")
    assert not {"Expires", "Max-Age"} & {part.partition("=")[0] for part in session.split("; ")}
    browser.client.delete_cookie("hakam_session", path="/console")
    browser.get("/demo/work")
    assert browser.last.status_code == 302


def test_logging_out_ends_the_session_in_the_store_too(
    console: Console, accounts: Accounts
) -> None:
    cookie = console.client.get_cookie("hakam_session", path="/console")
    assert cookie
    console.post("/logout")
    console.client.set_cookie("hakam_session", cookie.value, path="/console")
    console.get("/demo/work")
    assert console.last.status_code == 302, "a stolen cookie outlived the logout"
    assert list(accounts.sessions.of("samira")) == []


def test_a_revoked_session_is_out_at_its_next_request(console: Console, accounts: Accounts) -> None:
    accounts.sessions.close("samira", accounts.sessions.of("samira")[0].digest)
    console.get("/demo/work")
    assert console.last.status_code == 302


def test_a_form_without_its_token_does_nothing(
    console: Console, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    flag()
    form = console.open()
    console.press("approve", form, csrf_token="forged")
    assert console.last.status_code == 400
    assert queue.stats("demo").decided == 0


def test_only_a_post_with_its_token_changes_anything(console: Console, accounts: Accounts) -> None:
    for method in ("HEAD", "GET"):
        asked = console.client.open("/console/me", method=method, data={"language": "en"})
        assert asked.status_code == 200
    account = accounts.get("samira")
    assert account is not None
    assert account.preferences.language == "ar"


def test_a_moderator_sees_only_the_sites_assigned_to_them(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    accounts.change("samira", role="moderator", sites=["elsewhere"])
    console = Console(app).log_in()
    console.get("/demo/work")
    assert console.last.status_code == 404
    console.get("/elsewhere/work")
    assert console.last.status_code == 404


def test_an_invitation_opens_the_console_with_a_password_chosen_by_its_owner(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    path = f"/invitation/{accounts.invite('nura', 'moderator')}"
    guest = Console(app, "nura")
    assert "nura" in guest.get(path)
    guest.post(path, password=PASSWORD, again="another")
    assert guest.last.status_code == 422
    guest.post(path, password="short", again="short")
    assert guest.last.status_code == 422
    guest.post(path, password=PASSWORD, again=PASSWORD)
    assert guest.last.location == "/console/"
    guest.get("/demo/work")
    assert guest.last.status_code == 200
    assert Console(app).get(path).count("complaint"), "an invitation was used twice"


# A log-in that ends while somebody works


def forget_session(accounts: Accounts, name: str = "samira") -> None:
    for session in accounts.sessions.of(name):
        accounts.sessions.close(name, session.digest)


def log_in_again(console: Console, login_page: str, path: str = "/login", **fields: str) -> str:
    """Fill in the login page as it was shown, with all that it keeps."""
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', login_page))
    hidden = {name: unescape(value) for name, value in hidden.items() if name != "csrf_token"}
    given = fields or {"name": console.name, "password": PASSWORD}
    return console.post(path, **hidden | given)


def typed(page: str) -> tuple[str, list[str]]:
    """The note and the reason that a comment's form shows."""
    (note,) = re.findall(r'<textarea id="note"[^>]*>([^<]*)</textarea>', page)
    return unescape(note), re.findall(r'name="reason" value="(\w+)" checked', page)


def test_a_decision_of_a_session_that_ended_is_not_taken_and_offered_again(
    console: Console,
    accounts: Accounts,
    flag: Callable[..., str],
    queue: ReviewQueue,
    stream: DecisionStream,
) -> None:
    accounts.save_preferences("samira", Preferences(language="en", replies=("Be kind.",)))
    item_id = flag()
    form = console.log_in().open()
    forget_session(accounts)
    note = 'third <b>time</b> "today"'
    login_page = console.press("reject", form, reason="threat", note=note, reply="Be kind.")
    assert console.last.status_code == 401
    assert "nothing was done" in login_page
    assert "Log out" not in login_page
    assert note not in login_page, "what was typed stands open in the login page"
    page = log_in_again(console, login_page)
    assert console.last.status_code == 200
    assert "nothing was decided" in page
    assert queue.stats("demo").decided == 0
    assert typed(page) == (note, ["threat"])
    assert '<option dir="auto" selected>Be kind.</option>' in page
    again = console.open()
    assert again["path"].endswith(item_id), "the comment went to somebody else"
    console.press("reject", again, reason="threat", note=note)
    assert [d.note for d in stream.read("demo")] == [note]


def test_a_decision_that_was_kept_goes_through_the_second_factor_too(
    console: Console, accounts: Accounts, flag: Callable[..., str]
) -> None:
    totp = pyotp.TOTP(accounts.second_factor.propose("samira"))
    code, *_others = accounts.second_factor.confirm("samira", totp.now())
    flag()
    form = console.open()
    forget_session(accounts)
    login_page = log_in_again(
        console, console.press("reject", form, reason="spam", note="an advert")
    )
    assert 'name="code"' in login_page
    assert typed(log_in_again(console, login_page, "/login/code", code=code)) == (
        "an advert",
        ["spam"],
    )


def test_a_decision_that_was_kept_for_too_long_tells_so_and_keeps_the_note(
    console: Console,
    app: Flask,
    accounts: Accounts,
    flag: Callable[..., str],
    queue: ReviewQueue,
    stream: DecisionStream,
) -> None:
    item_id = flag()
    form = console.open()
    forget_session(accounts)
    login_page = console.press("approve", form, note="keep me")
    queue.release("demo", item_id, int(form["token"]))
    other = Console(app, "omar").log_in()
    other.press("reject", other.open(), reason="spam")
    page = log_in_again(console, login_page)
    assert "keep me" in page
    assert [d.moderator for d in stream.read("demo")] == ["omar"]


def test_what_one_person_typed_is_not_offered_to_another(
    console: Console, accounts: Accounts, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    item_id = flag()
    form = console.open()
    forget_session(accounts)
    login_page = console.press("approve", form, note="mine alone")
    console.name = "omar"
    assert "mine alone" not in log_in_again(console, login_page)
    assert console.last.location == "/console/"
    assert queue.item("demo", item_id).state == "pending", "nobody can take it for ten minutes"


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
    ],
)
def test_only_what_a_page_of_the_console_sent_is_kept(
    app: Flask, accounts: Accounts, headers: dict[str, str], kept: bool
) -> None:
    for client, path in (
        (app.test_client(), "/demo/items/x"),
        (Console(app).log_in().client, "/me"),
    ):
        answer = client.post(f"/console{path}", data={"note": "planted"}, headers=headers)
        page = answer.get_data(as_text=True)
        assert ("kept" in page or "planted" in page) == kept
        assert answer.status_code in ((401, 400) if kept else (302, 400))


@pytest.mark.parametrize("path", ["/people", "/people/layla", "/demo/settings", "/demo/bulk"])
def test_nobody_leaves_a_form_at_the_login_for_whoever_logs_in_next(
    app: Flask, accounts: Accounts, path: str
) -> None:
    guest = app.test_client()
    headers = {"Sec-Fetch-Site": "same-origin"}
    fields = {"name": "intruder", "role": "admin", "sites": "*"}
    answer = guest.post(f"/console{path}", data=fields, headers=headers)
    assert answer.status_code == 302
    assert "kept" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("spoil", ["", "x", "cut"])
def test_a_seal_that_was_tampered_with_keeps_nothing(
    console: Console, accounts: Accounts, flag: Callable[..., str], spoil: str
) -> None:
    flag()
    form = console.open()
    forget_session(accounts)
    login_page = console.press("approve", form, note="keep me")
    (seal,) = re.findall(r'name="kept" value="([^"]+)"', login_page)
    wrong = {"": "", "x": "x" + seal, "cut": seal[:-1]}[spoil]
    log_in_again(console, login_page.replace(seal, wrong))
    assert console.last.location in {"/console/demo/work", "/console/"}


def test_another_form_of_a_session_that_ended_can_be_sent_again(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    admin = Console(app, "layla").log_in()
    form = settings_form(admin.get("/demo/settings")) | {"block_words": "one\ntwo", "name": "New"}
    form |= {"coral_token": "a secret", "webhook_secret": "a secret", "coral_secrets": "a secret"}
    forget_session(accounts, "layla")
    login_page = admin.post("/demo/settings", action="save", **form)
    services: Services = app.extensions["hakam"]
    page = log_in_again(admin, login_page)
    assert "a secret" not in page
    assert services.sites.get("demo").name == "Demo"
    (path,) = re.findall(r'action="/console(/demo/settings)"', page)
    log_in_again(admin, page, path, action="save")
    assert services.sites.get("demo").name == "New"
    assert services.sites.get("demo").block_words == ("one", "two")


def test_no_secret_is_kept(console: Console, accounts: Accounts) -> None:
    forget_session(accounts)
    for path, fields in (
        ("/me/password", {"old": PASSWORD, "password": "another password"}),
        ("/me/totp", {"step": "remove", "password": PASSWORD}),
        ("/login", {"name": "samira", "password": "wrong"}),
    ):
        assert 'name="kept"' not in console.post(path, **fields)


def test_whoever_is_sent_to_the_login_comes_back_to_a_page_that_there_is(
    console: Console, accounts: Accounts, flag: Callable[..., str]
) -> None:
    flag()
    form = console.open()
    forget_session(accounts)
    for path in (form["path"] + "/renew", "/rest", "/me/sessions"):
        login_page = console.post(path, digest="x", token="1")
        if console.last.status_code == 302:
            login_page = console.get(console.last.location.removeprefix("/console"))
        log_in_again(console, login_page)
        while console.last.status_code == 302:
            console.get(console.last.location.removeprefix("/console"))
        assert console.last.status_code == 200, path
        forget_session(accounts)


def test_a_form_older_than_the_log_in_is_kept_to_be_sent_again(
    console: Console, flag: Callable[..., str], queue: ReviewQueue, stream: DecisionStream
) -> None:
    flag()
    form = console.open()
    fields = {n: v for n, v in form.items() if n != "path"} | {"csrf_token": "of another session"}
    answer = console.client.post(
        f"/console{form['path']}",
        data={"action": "reject", "reason": "spam", "note": "keep me", **fields},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 400
    assert queue.stats("demo").decided == 0
    log_in_again(console, answer.get_data(as_text=True), form["path"], dummy="")
    assert [d.note for d in stream.read("demo")] == ["keep me"]


def test_a_store_that_is_away_at_the_login_loses_nothing_that_was_typed(
    console: Console, app: Flask, flag: Callable[..., str], redis: Redis
) -> None:
    flag()
    form = console.open()
    services: Services = app.extensions["hakam"]
    app.extensions["hakam"] = replace(services, accounts=Accounts(NOWHERE))
    answer = console.client.post(
        f"/console{form['path']}",
        data={n: v for n, v in form.items() if n != "path"} | {"action": "approve", "note": "keep"},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 503
    assert 'name="note" value="keep"' in answer.get_data(as_text=True)
    assert 'role="alert"' in console.get("/demo/work")
    assert console.last.status_code == 503


@pytest.mark.parametrize("way", ["log out", "log out late", "password", "somebody else"])
def test_however_somebody_leaves_the_open_comment_goes_back_at_once(
    console: Console, accounts: Accounts, flag: Callable[..., str], queue: ReviewQueue, way: str
) -> None:
    item_id = flag()
    console.open()
    if way == "log out late":
        forget_session(accounts)
    if way.startswith("log out"):
        console.post("/logout")
        assert console.last.location == "/console/login"
    if way == "password":
        console.post("/me/password", old=PASSWORD, password="another password")
    if way == "somebody else":
        console.name = "omar"
        console.log_in()
    assert queue.item("demo", item_id).state == "pending"


def test_whoever_logs_in_again_still_has_the_comment_they_were_reading(
    console: Console, accounts: Accounts, flag: Callable[..., str]
) -> None:
    flag("c1")
    flag("c2")
    before = console.open()["path"]
    forget_session(accounts)
    console.log_in()
    assert console.open()["path"] == before


def test_a_stranger_keeps_nobody_out_of_a_browser_that_is_known(
    console: Console, app: Flask
) -> None:
    for n in range(30):
        Console(app, f"person{n}").log_in("wrong")
    assert Console(app).log_in().last.status_code == 429
    console.post("/logout")
    assert console.log_in().last.location == "/console/"
    console.name = "omar"
    assert console.log_in().last.status_code == 429, "the browser is not known for its other people"


# The comment on the screen


def test_every_page_forbids_inline_script_and_storage(
    console: Console, flag: Callable[..., str]
) -> None:
    flag()
    for path in ("/login", "/demo/work", "/nowhere"):
        page = console.get(path)
        policy = console.last.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert console.last.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?![^>]* src=)|\son\w+=|\sstyle=", page)


def test_the_most_urgent_comment_is_shown_first_with_its_evidence_marked(
    console: Console, flag: Callable[..., str]
) -> None:
    flag("mild", "mild", 0.5)
    start = TEXT.index(DONKEY)
    donkey = Evidence("text", "insult", start, start + len(DONKEY), 2.0)
    flag("severe", evidence=[donkey], author_name="Abu Nawas", article_title="Bread")
    page = console.get("/demo/work")
    assert re.search(rf'<mark data-label="insult"[^>]*>{DONKEY}</mark>', page)
    assert "Abu Nawas" in page
    assert "Bread" in page
    assert "97%" in page


def test_only_what_tells_most_is_marked_and_what_the_site_listed(
    console: Console, flag: Callable[..., str]
) -> None:
    weights = {"first": 4.0, "second": 1.0, "third": 0.5, "listed": 0.0}
    text = " ".join(weights)
    starts = {word: text.index(word) for word in weights}
    spans = [Evidence("text", "insult", at, at + 3, weights[word]) for word, at in starts.items()]
    flag(text=text, evidence=spans)
    found = re.findall(r"<mark[^>]*>(\w+)</mark>", console.get("/demo/work"))
    assert found == ["fir", "sec", "lis"]


def test_reloading_the_page_shows_the_same_comment(
    console: Console, flag: Callable[..., str]
) -> None:
    flag("c1")
    flag("c2")
    assert console.open()["path"] == console.open()["path"]


def test_two_moderators_never_have_one_comment(
    console: Console, app: Flask, flag: Callable[..., str]
) -> None:
    flag("c1")
    flag("c2")
    other = Console(app, "omar").log_in()
    assert console.open()["path"] != other.open()["path"]


def test_only_web_addresses_become_links(console: Console, flag: Callable[..., str]) -> None:
    flag("c1", article_url="javascript:alert(1)", article_title="Bread")
    assert 'href="javascript' not in console.get("/demo/work")


def test_an_empty_queue_says_so(console: Console) -> None:
    console.get("/demo/work")
    assert console.last.status_code == 200


def test_marks_lie_on_the_original_letters_and_take_their_diacritics_along() -> None:
    text = "\N{GRINNING FACE} \u0643\u064e\u0644\u0652\u0628\u064c!"  # a face, "dog" with vowels
    kaf = text.index("\u0643")
    evidence = [
        Evidence("text", "profanity", 0, 99, 1.0),
        Evidence("text", "insult", kaf, kaf + 5, 2.0),
    ]
    segments = list(marked(text, "text", evidence))
    assert "".join(s.text for s in segments) == text
    assert [s.text for s in segments if s.label == "insult"] == [text[kaf : kaf + 6]]
    assert list(marked("", "text", evidence)) == []


# Decisions


def test_approving_and_rejecting_are_recorded_with_reason_note_and_name(
    console: Console, flag: Callable[..., str], queue: ReviewQueue, stream: DecisionStream
) -> None:
    flag("c1")
    flag("c2")
    console.press("approve", console.open())
    assert console.last.status_code == 303
    console.press("reject", console.open(), reason="threat", note="again")
    first, second = stream.read("demo")
    assert (first.action, first.moderator, first.labels) == ("approve", "samira", ())
    assert (second.action, second.reason, second.labels) == ("reject", "threat", ("threat",))
    assert second.note == "again"


def test_pressing_a_button_twice_is_one_decision(
    console: Console, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    flag()
    form = console.open()
    for _ in range(2):
        console.press("approve", form)
        assert console.last.status_code == 303
    assert queue.stats("demo").decided == 1


def test_skipping_leaves_the_comment_undecided(
    console: Console, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    item_id = flag()
    console.press("skip", console.open())
    assert console.last.status_code == 303
    assert queue.item("demo", item_id).state == "pending"


@pytest.mark.parametrize("fields", [{"reason": "because"}, {"token": "x"}, {"action": "explode"}])
def test_a_malformed_decision_is_refused_with_a_sentence(
    console: Console, flag: Callable[..., str], queue: ReviewQueue, fields: dict[str, str]
) -> None:
    flag()
    form = console.open() | {"reason": "insult"} | fields
    action = form.pop("action", "reject")
    console.press(action, form)
    assert console.last.status_code == 422
    assert queue.stats("demo").decided == 0


def test_a_decision_that_comes_too_late_is_told_and_its_note_kept(
    console: Console,
    app: Flask,
    flag: Callable[..., str],
    queue: ReviewQueue,
    stream: DecisionStream,
) -> None:
    item_id = flag()
    form = console.open()
    queue.release("demo", item_id, int(form["token"]))
    other = Console(app, "omar").log_in()
    page = console.press("reject", form, reason="insult", note="keep me")
    assert console.last.status_code == 409
    assert "keep me" in page
    assert queue.stats("demo").decided == 0
    other.press("approve", other.open())
    page = console.press("reject", form, reason="insult")
    assert console.last.status_code == 409
    assert f'href="/console/demo/items/{item_id}"' in page, "which says who decided what"
    assert [d.moderator for d in stream.read("demo")] == ["omar"]


def test_logging_out_gives_the_open_comment_back_at_once(
    console: Console, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    item_id = flag()
    console.open()
    console.post("/logout")
    assert queue.item("demo", item_id).state == "pending"


def test_the_field_of_the_note_holds_as_much_as_a_note_may(
    console: Console, flag: Callable[..., str], stream: DecisionStream
) -> None:
    flag()
    form = console.open()
    (field,) = re.findall(r'<textarea id="note"[^>]*>', console.last.get_data(as_text=True))
    (most,) = re.findall(r'maxlength="(\d+)"', field)
    console.press("approve", form, note="x" * (int(most) + 1))
    assert console.last.status_code == 422
    console.press("approve", form, note="x" * int(most))
    assert [len(decision.note) for decision in stream.read("demo")] == [int(most)]


def test_reading_on_prolongs_the_lease(console: Console, flag: Callable[..., str]) -> None:
    flag()
    form = console.open()
    console.post(form["path"] + "/renew", token=form["token"])
    assert 0 < console.last.get_json()["expires_in_seconds"] <= 600
    console.post(form["path"] + "/renew", token="0")
    assert console.last.status_code == 409


def test_a_decision_that_the_store_cannot_take_is_kept_to_be_sent_again(
    console: Console,
    redis: Redis,
    flag: Callable[..., str],
    queue: ReviewQueue,
    stream: DecisionStream,
) -> None:
    flag()
    form = console.open()
    redis.config_set("maxmemory", 1)
    try:
        page = console.press("reject", form, reason="threat", note="keep me")
        assert console.last.status_code == 503
        assert console.last.headers["Retry-After"]
    finally:
        redis.config_set("maxmemory", 0)
    kept = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    console.post(form["path"], **kept)
    assert console.last.status_code == 303
    assert [d.note for d in stream.read("demo")] == ["keep me"]


def test_without_redis_every_page_is_a_sentence_and_not_a_fault(
    settings: Settings, artifact: Artifact
) -> None:
    console = Console(create_app(settings, redis=NOWHERE, artifact=artifact))
    assert console.get("/login").count('name="password"') == 1
    assert 'role="alert"' in console.log_in().last.get_data(as_text=True)
    assert console.last.status_code == 503


# The rest of the work


def test_a_decision_can_be_taken_back_and_its_comment_waits_again(
    console: Console, flag: Callable[..., str], queue: ReviewQueue, stream: DecisionStream
) -> None:
    item_id = flag()
    console.press("reject", console.open(), reason="insult")
    assert f"/items/{item_id}/undo" in console.get("/demo/work")
    console.post(f"/demo/items/{item_id}/undo")
    assert console.open()["path"].endswith(item_id)
    assert [d.kind for d in stream.read("demo")] == ["decision", "undo"]
    console.post(f"/demo/items/{item_id}/undo")
    assert 'class="notice reject"' in console.get("/demo/work"), "nothing was there to be undone"


def test_a_moderator_takes_back_own_decisions_only_and_a_senior_any(
    app: Flask,
    console: Console,
    queue: ReviewQueue,
    stream: DecisionStream,
    flag: Callable[..., str],
) -> None:
    item_id = flag()
    senior = Console(app, "omar").log_in()
    senior.press("approve", senior.open())
    console.post(f"/demo/items/{item_id}/undo")
    assert 'class="notice reject"' in console.get("/demo/work")
    assert [d.kind for d in stream.read("demo")] == ["decision"]
    flag("c2")
    console.press("approve", console.open())
    senior.post(f"/demo/items/{item_id}/undo")
    assert [d.kind for d in stream.read("demo")] == ["decision", "decision", "undo"]


def test_what_was_decided_on_one_site_is_not_taken_back_on_another(
    app: Flask,
    console: Console,
    queue: ReviewQueue,
    stream: DecisionStream,
    flag: Callable[..., str],
) -> None:
    app.extensions["hakam"].sites.add(Site("north"))
    verdict = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
    item_id = flag()
    other = enqueue(queue, "north", Comment(id="c1", text=TEXT), verdict, scores={})
    assert other.item_id == item_id, "one comment id, one item id, whatever the site"
    senior = Console(app, "omar").log_in()
    senior.press("approve", senior.open("north"))
    console.press("approve", console.open())
    page = console.get("/north/work")
    assert "/undo" not in page
    (made,) = stream.read("demo")
    senior.post(f"/north/items/{item_id}/undo", decision=made.id)
    assert [d.kind for d in stream.read("north")] == ["decision"]
    assert f"/demo/items/{item_id}/undo" in console.get("/demo/work")


def test_what_was_escalated_goes_to_a_senior_and_to_nobody_else(
    console: Console, app: Flask, flag: Callable[..., str]
) -> None:
    item_id = flag()
    console.press("escalate", console.open(), note="is this irony?")
    assert "/items/" not in console.get("/demo/work")
    senior = Console(app, "omar").log_in()
    assert senior.open()["path"].endswith(item_id)
    assert "is this irony?" in senior.last.get_data(as_text=True)


def test_whoever_skips_a_comment_gets_another_one(
    console: Console, flag: Callable[..., str]
) -> None:
    flag("c1")
    flag("c2")
    first = console.open()
    console.press("skip", first)
    assert console.open()["path"] != first["path"]


ALL_DECIDED = "Every flagged comment of this site has been decided"


def english(console: Console) -> Console:
    console.post("/language", language="en")
    return console


def test_a_skipped_comment_is_taken_back_with_one_button(
    console: Console, flag: Callable[..., str]
) -> None:
    flag("c1", "the first", 0.9)
    flag("c2", "the second", 0.8)
    console.press("skip", console.open())
    page = console.get("/demo/work")
    assert "the second" in page
    (item,) = re.findall(
        r'action="/console/demo/unskip".*?name="item" value="([^"]+)"', page, re.DOTALL
    )
    console.post("/demo/unskip", item=item)
    page = console.get("/demo/work")
    assert "the first" in page
    assert "/demo/unskip" not in page, "it was offered again"


def test_whoever_skipped_everything_is_told_and_may_take_it_back(
    console: Console, flag: Callable[..., str]
) -> None:
    for n in range(3):
        flag(f"c{n}", dialect="gulf" if n else "")
    english(console)
    for _ in range(3):
        console.press("skip", console.open())
    page = console.get("/demo/work")
    assert "3 comments that you skipped still wait." in page
    assert ALL_DECIDED not in page
    page = console.get("/demo/work?dialect=gulf")
    assert "2 comments that you skipped still wait." in page
    assert "On the whole site 3 comments wait." in page
    console.get("/demo/work?label=")
    console.post("/demo/unskip")
    for _ in range(3):
        console.press("approve", console.open())
    assert ALL_DECIDED in console.get("/demo/work")


def test_what_others_have_to_decide_is_not_called_decided(
    console: Console,
    app: Flask,
    flag: Callable[..., str],
    queue: ReviewQueue,
    stream: DecisionStream,
) -> None:
    for n in range(3):
        flag(f"c{n}", score=0.9 - n / 10)
    english(console)
    console.press("escalate", console.open())
    console.press("reject", console.open(), reason="insult")
    queue.appeal("demo", stream.read("demo")[0].id, "")
    omar = Console(app, "omar").log_in()
    omar.press("skip", omar.open())
    omar.open()
    page = console.get("/demo/work")
    assert "1 comment waits for a senior moderator." in page
    assert "1 comment is being read now." in page
    assert ALL_DECIDED not in page


def test_nobody_takes_back_what_others_skipped(
    console: Console, app: Flask, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    item = flag()
    console.press("skip", console.open())
    omar = Console(app, "omar").log_in()
    omar.post("/demo/unskip", item=item)
    omar.post("/demo/unskip")
    assert queue.lease("demo", "samira") is None
    assert (queue.skipped("demo", "samira"), queue.skipped("demo", "omar")) == (1, 0)


def test_an_opinion_and_an_own_appeal_are_not_taken_back_with_what_was_skipped(
    console: Console, flag: Callable[..., str], queue: ReviewQueue, stream: DecisionStream
) -> None:
    flag()
    console.press("reject", console.open(), reason="insult")
    queue.appeal("demo", stream.read("demo")[0].id, "")
    english(console)
    console.post("/demo/unskip")
    page = console.get("/demo/work")
    assert "1 more comment waits, which you have judged before" in page


def test_a_reached_cap_on_severe_comments_is_told(
    console: Console, accounts: Accounts, flag: Callable[..., str]
) -> None:
    accounts.save_preferences("samira", Preferences(language="en", severe_per_hour=1))
    for n in range(2):
        verdict = Verdict("review", "threat", "text", 0.95, "score", 1.0, "v1")
        enqueue(
            console.client.application.extensions["hakam"].queue,
            "demo",
            Comment(id=f"c{n}", text="x"),
            verdict,
            scores={"threat": 0.95},
        )
    console.press("approve", console.open())
    page = console.get("/demo/work")
    assert "as many severe comments as you want" in page
    assert ALL_DECIDED not in page


def test_the_author_s_record_and_the_conversation_stand_beside_the_comment(
    console: Console, flag: Callable[..., str]
) -> None:
    for n, score in enumerate((0.99, 0.98, 0.9)):
        flag(f"c{n}", score=score, author_id="u1", article_id="a1", parent_id="p")
    console.press("approve", console.open())
    console.press("reject", console.open(), reason="insult")
    flag("answer", "an answer to it", 0.5, author_id="u2", article_id="a1", parent_id="c2")
    flag("stranger", "something else", 0.5, author_id="u2", article_id="a1")
    page = console.get("/demo/work")
    assert "/demo/authors?id=u1" in page
    assert "an answer to it" in page
    assert "something else" not in page
    assert "are shown" not in english(console).get("/demo/work")
    for n in range(5):
        flag(f"answer{n}", "one more", 0.4, article_id="a1", parent_id="c2")
    assert "Only the 5 most urgent are shown." in console.get("/demo/work")


def test_a_reply_to_the_author_travels_with_the_decision(
    console: Console,
    accounts: Accounts,
    flag: Callable[..., str],
    queue: ReviewQueue,
    stream: DecisionStream,
) -> None:
    accounts.save_preferences("samira", Preferences(replies=("Please be kind.",)))
    flag()
    form = console.open()
    assert "Please be kind." in console.last.get_data(as_text=True)
    console.press("reject", form, reason="insult", reply="Please be kind.")
    assert stream.read("demo")[0].reply == "Please be kind."


@pytest.mark.parametrize(
    ("why", "fields"),
    [
        ("score", {}),
        ("sampled", {"verdict": Verdict("review", None, None, 0.1, "random_sample", 0.005, "v1")}),
        (
            "score",
            {"verdict": Verdict("review", "insult", "text", 0.9, "random_sample", 0.005, "v1")},
        ),
        ("name", {"verdict": Verdict("review", "insult", "author.name", 0.9, "score", 1.0, "v1")}),
        ("unsure", {"verdict": Verdict("review", "insult", "text", 0.3, "uncertain", 1.0, "v1")}),
    ],
)
def test_the_page_says_why_the_comment_is_here(
    console: Console, accounts: Accounts, flag: Callable[..., str], why: str, fields: dict[str, Any]
) -> None:
    accounts.save_preferences("samira", Preferences(language="en"))
    flag(**fields)
    sentence = {
        "score": "The text looks like: Insult (very likely).",
        "sampled": "Drawn at random",
        "name": "The pen name looks like: Insult (very likely).",
        "unsure": "The machine is not sure about it and would let it pass",
    }
    assert sentence[why] in console.get("/demo/work")


def test_an_appeal_shows_what_its_author_says(
    console: Console,
    app: Flask,
    flag: Callable[..., str],
    queue: ReviewQueue,
    stream: DecisionStream,
) -> None:
    flag()
    console.press("reject", console.open(), reason="insult", note="third time today")
    queue.appeal("demo", stream.read("demo")[0].id, "it was a joke")
    page = Console(app, "omar").log_in().get("/demo/work")
    assert "it was a joke" in page
    assert "third time today" in page, "what was decided before is not shown"


def test_personal_data_are_masked_on_the_desk_until_somebody_asks_for_them(
    console: Console, queue: ReviewQueue
) -> None:
    verdict = Verdict("review", None, "text", 0.1, "personal_data", 1.0, "v1")
    names = ("0500000001", "0500000002", "0500000003")
    comment = Comment("c1", f"call {names[0]}", "u", f"me {names[1]}", parent_text=names[2])
    enqueue(queue, "demo", comment, verdict, scores={"spam": 0.1})
    form = console.open()
    masked = console.get("/demo/work")
    assert not any(name in masked for name in names)
    assert "رقم هاتف" in masked  # "phone number"
    assert re.search('value="private_information" checked', masked)
    shown = console.post(f"{form['path']}/personal-data", token=form["token"], note="a long note")
    assert all(name in shown for name in names)
    assert "a long note" in shown
    assert not any(name in console.get("/demo/work") for name in names), "shown again unasked"
    search = "/demo/search?comment=c1"
    assert re.search("call (<mark[^>]*>)?•", console.get(search))
    assert not any(name in console.get(search) for name in names)
    assert names[0] in console.get(f"{search}&personal_data=shown")


def test_only_who_holds_a_comment_is_shown_its_personal_data(
    console: Console, app: Flask, queue: ReviewQueue
) -> None:
    verdict = Verdict("review", None, "text", 0.1, "personal_data", 1.0, "v1")
    enqueue(queue, "demo", Comment("c1", "call 0500000001"), verdict, scores={})
    form = console.open()
    page = console.post(f"{form['path']}/personal-data", token="99")
    assert console.last.status_code == 409
    assert "0500000001" not in page


def test_somebody_may_work_on_one_label_only(console: Console, flag: Callable[..., str]) -> None:
    flag("c1", score=0.99)
    threat = flag("c2", verdict=Verdict("review", "threat", "text", 0.6, "score", 1.0, "v1"))
    console.get("/demo/work?label=threat")
    form = console.open()
    assert form["path"].endswith(threat)
    console.press("approve", form)
    assert 'class="verdict"' not in console.get("/demo/work")
    console.get("/demo/work?label=")
    assert console.open()


def test_somebody_may_work_on_one_dialect_only(console: Console, flag: Callable[..., str]) -> None:
    flag("c1", score=0.99)
    gulf = flag("c2", score=0.6, dialect="gulf")
    assert "/console/demo/work?dialect=gulf" in console.get("/overview")
    page = console.get("/demo/work?dialect=gulf")
    form = console.open()
    assert form["path"].endswith(gulf)
    console.press("approve", form)
    assert "خليجية" in page  # "Gulf"
    assert 'class="verdict"' not in console.get("/demo/work")
    console.get("/demo/work?dialect=")
    assert console.open()


def test_a_known_answer_is_told_from_no_other_comment(
    console: Console, app: Flask, accounts: Accounts, redis: Redis
) -> None:
    services: Services = app.extensions["hakam"]
    accounts.add("basma", PASSWORD, "moderator")
    site = Site("demo", review={"toxicity": 0.0}, known_answer_share=1.0)
    services.sites.update(site)
    real = Comment(id="c-1", text=TEXT, author_id="u-1", author_name=DONKEY, article_title="News")
    known = LabeledComment(
        "k-1", TEXT, {"insult": 1.0}, "newsroom", author_name=DONKEY, article_title="News"
    )
    services.moderation.submit(site, real)
    services.moderation.add_known_answer(site, known)
    pages, held = [], []
    for name in ("samira", "basma"):
        person = Console(app, name).log_in()
        pages.append(person.get("/demo/work"))
        held.append(services.queue.held("demo")[-1])
        services.sites.update(replace(site, known_answer_share=0.0))
        person.press("reject", person.open(), reason="insult")
    assert [item.comment.id for item in held] == ["k-1", "c-1"]
    # What differs from one page to the next whatever is on it: names, ids, times, what else waits.
    ours = {
        "<strong>[01٠١]</strong>",
        "authors\\?id=[\\w-]+",
        held[0].id,
        held[1].id,
        "samira",
        "basma",
    }
    anew = r"(csrf-token\" content|csrf_token\" value|request_id\" value|expires-in)=\"[^\"]*\""
    times = "<time[^<]*</time>|منذ [^<\\n]*"  # "since"
    one, other = (re.sub("|".join([anew, times, *ours]), "", page) for page in pages)
    assert one == other
    kinds = [entry.kind for entry in services.decisions.read("demo")]
    assert kinds == ["known_answer", "decision"]


def test_a_blind_opinion_is_shown_to_nobody(
    console: Console, app: Flask, queue: ReviewQueue, stream: DecisionStream
) -> None:
    verdict = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
    comment = Comment(id="c1", text=TEXT)
    enqueue(queue, "demo", comment, verdict, scores={"insult": 0.9}, second_opinion_share=1.0)
    console.press("reject", console.open(), reason="insult", note="mine alone")
    assert [d.kind for d in stream.read("demo")] == ["opinion"]
    second = Console(app, "omar").log_in()
    seen = second.get("/demo/work") + second.get(item_page("c1"))
    assert TEXT.split(maxsplit=1)[0] in seen
    assert "mine alone" not in seen
    assert "samira" not in seen


# Kindness


def test_a_moderator_s_cap_passes_severe_comments_on_to_colleagues(
    console: Console, app: Flask, accounts: Accounts, queue: ReviewQueue
) -> None:
    accounts.save_preferences("samira", Preferences(severe_per_hour=1))
    for n in range(3):
        verdict = Verdict("review", "threat", "text", 0.95, "score", 1.0, "v1")
        enqueue(queue, "demo", Comment(id=f"t{n}", text="x"), verdict, scores={"threat": 0.95})
    verdict = Verdict("review", "insult", "text", 0.6, "score", 1.0, "v1")
    mild = enqueue(queue, "demo", Comment(id="mild", text="y"), verdict, scores={"insult": 0.6})
    console.press("approve", console.open())
    assert console.open()["path"].endswith(mild.item_id)
    assert queue.stats("demo").pending == 2
    Console(app, "omar").log_in().open()


def test_a_break_is_proposed_after_the_chosen_time_and_frees_the_comment(
    console: Console, accounts: Accounts, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    item_id = flag()
    with console.client.session_transaction("/console/") as session:
        session["rested_at"] -= 51 * 60
    assert "/console/rest" in console.get("/demo/work")
    console.post("/rest")
    assert queue.item("demo", item_id).state == "pending"
    assert "/console/rest" not in console.get("/demo/work")


# One's own place


def test_a_person_s_choices_shape_every_page(console: Console, accounts: Accounts) -> None:
    console.post(
        "/me",
        language="en",
        theme="dark",
        blur="on",
        greyscale="on",
        break_minutes="30",
        severe_per_hour="5",
        key_approve="Y",
        replies="One\n\nTwo\n",
    )
    assert console.last.status_code == 303
    kept = accounts.list()[-1].preferences
    assert kept.replies == ("One", "Two")
    assert (kept.keys, kept.break_minutes, kept.severe_per_hour) == ({"approve": "y"}, 30, 5)
    page = console.get("/me")
    assert all(sign in page for sign in ('data-theme="dark"', "data-greyscale", "data-blur"))


@pytest.mark.parametrize(
    "fields", [{"key_approve": "r"}, {"key_skip": "1"}, {"replies": "x" * 501}]
)
def test_choices_that_cannot_be_are_refused(console: Console, fields: dict[str, str]) -> None:
    page = console.post("/me", **fields)
    assert console.last.status_code == 422
    assert "complaint" in page


def test_a_new_password_needs_the_old_one_and_ends_every_session(
    console: Console, app: Flask
) -> None:
    console.post("/me/password", old="wrong", password="another password")
    assert console.last.status_code == 422
    console.post("/me/password", old=PASSWORD, password="short")
    assert console.last.status_code == 422
    console.post("/me/password", old=PASSWORD, password="another password")
    console.get("/me")
    assert console.last.status_code == 302
    assert Console(app).log_in("another password").last.location == "/console/"


def test_the_second_factor_is_set_up_asked_for_and_removed(console: Console, app: Flask) -> None:
    console.post("/me/totp", step="propose")
    assert console.last.status_code == 422, "nobody asked for the password"
    page = console.post("/me/totp", step="propose", password=PASSWORD)
    found = re.search(r"<code dir=.ltr.>([A-Z2-7 ]+)</code>", page)
    assert found
    totp = pyotp.TOTP(found[1].replace(" ", ""))
    console.post("/me/totp", step="confirm", code="000000")
    assert console.last.status_code == 422
    codes = re.findall(r"<code>([a-z2-7-]{19})</code>", turn_on(console, totp))
    assert len(codes) == 10
    other, own = Console(app).log_in(), {"password": PASSWORD}
    assert "/console/login/code" in other.last.location
    other.get("/demo/work")
    assert other.last.status_code == 302, "the password alone opened the console"
    other.post("/login/code", code=totp.now())
    assert other.last.status_code == 401, "a code was used twice"
    other.post("/login/code", code=codes[0])
    assert other.last.location == "/console/"
    for step in ("remove", "codes"):
        other.post("/me/totp", step=step)
        assert other.last.status_code == 422, "nobody asked for the password"
    new = re.findall(r"<code>([a-z2-7-]{19})</code>", other.post("/me/totp", step="codes", **own))
    assert not set(codes) & set(new)
    other.post("/me/totp", step="remove", **own)
    assert Console(app).log_in().last.location == "/console/"


def turn_on(console: Console, totp: pyotp.TOTP) -> str:
    """Confirm a proposed second factor; return the page with the recovery codes."""
    page = console.post("/me/totp", step="confirm", code=totp.now())
    assert console.last.status_code == 200
    return page


def test_the_key_of_the_second_factor_is_also_a_picture_that_the_policy_lets_through(
    console: Console,
) -> None:
    page = console.post("/me/totp", step="propose", password=PASSWORD)
    uri = unescape(re.findall(r'href="(otpauth://[^"]+)"', page)[0])
    picture = r'class="qr" viewBox="0 0 (\d+) \1"[^>]*><path\s+d="([^"]+)"/></svg>'
    ((side, path),) = re.findall(picture, page)
    dark = {(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path)}
    modules = list(segno.make(uri, micro=False).matrix_iter(border=4))
    assert len(modules) == int(side)
    assert dark == {(x, y) for y, row in enumerate(modules) for x, m in enumerate(row) if m}


def test_a_sixth_wrong_password_is_told_to_wait_and_locks_no_other_session(
    console: Console, app: Flask
) -> None:
    for path, fields in (
        ("/me/password", {"old": "wrong", "password": "another password"}),
        ("/me/totp", {"step": "remove", "password": "wrong"}),
    ):
        one = Console(app).log_in()
        for _ in range(5):
            one.post(path, **fields)
            assert one.last.status_code == 422
        page = one.post(path, **fields)
        assert one.last.status_code == 429
        assert int(one.last.headers["Retry-After"]) > 0
        assert "complaint" in page
    console.post("/me/password", old=PASSWORD, password="another password")
    assert console.last.status_code == 303


def test_a_link_never_takes_the_place_of_the_second_factor(
    console: Console, app: Flask, accounts: Accounts
) -> None:
    page = console.post("/me/totp", step="propose", password=PASSWORD)
    (key,) = re.findall(r"<code dir=.ltr.>([A-Z2-7 ]+)</code>", page)
    codes = re.findall(
        r"<code>([a-z2-7-]{19})</code>", turn_on(console, pyotp.TOTP(key.replace(" ", "")))
    )
    admin = Console(app, "layla").log_in()
    accounts.save_preferences("layla", Preferences(language="en"))
    page = admin.post("/people/samira", action="reset")
    assert "A second factor stays" in page
    guest = Console(app)
    guest.post(link_of(page), password="another password", again="another password")
    assert guest.last.location == "/console/login/code?next="
    guest.get("/demo/work")
    assert guest.last.status_code == 302, "the link alone opened the console"
    guest.post("/login/code", code=codes[0])
    assert guest.last.location == "/console/"
    page = admin.post("/people/samira", action="reset", drop_second_factor="on")
    assert "Their second factor is turned off" in page
    guest = Console(app)
    guest.post(link_of(page), password=PASSWORD, again=PASSWORD)
    assert guest.last.location == "/console/"


def test_a_new_password_ends_a_log_in_that_waits_for_its_code(
    app: Flask, accounts: Accounts
) -> None:
    totp = pyotp.TOTP(accounts.second_factor.propose("samira"))
    codes = list(accounts.second_factor.confirm("samira", totp.now()))
    renewals: list[Callable[[], object]] = [
        lambda: accounts.set_password("samira", "another password"),
        lambda: accounts.accept(accounts.reset("samira"), PASSWORD),
        lambda: accounts.reset("samira"),
    ]
    for renew, password in zip(renewals, (PASSWORD, "another password", PASSWORD), strict=True):
        waiting, other = (Console(app).log_in(password) for _ in range(2))
        other.post("/login/code", code=codes.pop())
        assert other.last.location == "/console/"
        renew()
        waiting.post("/login/code", code=codes.pop())
        assert waiting.last.location == "/console/login"
        waiting.get("/me")
        assert waiting.last.status_code == 302, "the old password opened the console"


def test_of_two_windows_with_one_link_the_slower_is_told_that_it_was_used(
    app: Flask, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest, token = Console(app), accounts.reset("samira")
    monkeypatch.setattr(accounts, "invited", lambda _token: "samira")  # as both saw it before
    for status in (302, 404):
        guest.post(f"/invitation/{token}", password=PASSWORD, again=PASSWORD)
        assert guest.last.status_code == status


def link_of(page: str) -> str:
    """The path, within the console, of the link that an administrator is shown."""
    (path,) = re.findall(r"/console(/invitation/[\w-]+)", page)
    return str(path)


def test_a_newer_link_ends_the_one_before(app: Flask, accounts: Accounts) -> None:
    admin = Console(app, "layla").log_in()
    oldest = link_of(admin.post("/people", name="nura", role="senior", sites="*"))
    newest = link_of(admin.post("/people/nura", action="reset"))
    for path, status in ((oldest, 404), (newest, 302), (newest, 404)):
        guest = Console(app, "nura")
        guest.post(path, password=PASSWORD, again=PASSWORD)
        assert guest.last.status_code == status


def test_a_person_ends_a_session_elsewhere(
    console: Console, app: Flask, accounts: Accounts
) -> None:
    elsewhere = Console(app).log_in()
    page = console.get("/me")
    (digest,) = re.findall(r'name="digest"\s+value="([0-9a-f]{64})"', page)
    console.post("/me/sessions", digest=digest)
    elsewhere.get("/me")
    assert elsewhere.last.status_code == 302
    console.get("/me")
    assert console.last.status_code == 200


# People


def test_only_administrators_see_and_change_people(console: Console, app: Flask) -> None:
    for one in (console, Console(app, "omar").log_in()):
        one.get("/people")
        assert one.last.status_code == 403
        one.post("/people/layla", action="disable")
        assert one.last.status_code == 403


def test_an_administrator_invites_assigns_resets_and_disables(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    admin = Console(app, "layla").log_in()
    page = admin.post("/people", name="nura", role="senior", sites="demo")
    link = re.search(r"/console(/invitation/[\w-]+)", page)
    assert link
    guest = Console(app, "nura")
    guest.post(link[1], password=PASSWORD, again=PASSWORD)
    guest.get("/demo/work")
    assert guest.last.status_code == 200
    admin.post("/people/nura", action="change", role="moderator", sites="*")
    nura = accounts.get("nura")
    assert nura
    assert (nura.role, nura.sites) == ("moderator", None)
    admin.post("/people/nura", action="change", role="moderator")
    nura = accounts.get("nura")
    assert nura
    assert nura.sites == (), "nobody ticked a site, and somebody got them all"
    admin.post("/people/nura", action="change", role="moderator", sites="demo")
    admin.post("/people/nura", action="log_out")
    guest.get("/demo/work")
    assert guest.last.status_code == 302
    assert "/invitation/" in admin.post("/people/nura", action="reset")
    assert Console(app, "nura").log_in().last.status_code == 401
    admin.post("/people/samira", action="disable")
    assert Console(app).log_in().last.status_code == 401
    admin.post("/people/samira", action="enable")
    assert Console(app).log_in().last.status_code == 302


def test_what_cannot_be_done_with_people_is_told(app: Flask, accounts: Accounts) -> None:
    admin = Console(app, "layla").log_in()
    for path, fields in (
        ("/people", {"name": "samira", "role": "senior"}),
        ("/people", {"name": "a b", "role": "senior"}),
        ("/people/layla", {"action": "disable"}),
    ):
        assert "complaint" in admin.post(path, **fields)
        assert admin.last.status_code == 422


def test_an_invitation_leads_to_the_public_address_whatever_the_host_header_says(
    settings: Settings, redis: Redis, artifact: Artifact, accounts: Accounts
) -> None:
    public = settings.model_copy(update={"public_url": "https://hakam.example"})
    app = create_app(public, redis=redis, artifact=artifact)
    cookie = Console(app, "layla").log_in().last.headers["Set-Cookie"]
    assert "Secure" in cookie, "over https the session cookie must not travel over http"
    app.config["SESSION_COOKIE_SECURE"] = False  # this test's client speaks http
    page = Console(app, "layla").log_in().post("/people", name="nura", role="moderator", sites="*")
    assert "https://hakam.example/console/invitation/" in page


def test_behind_a_proxy_the_client_s_own_address_is_throttled(
    settings: Settings, redis: Redis, artifact: Artifact, accounts: Accounts
) -> None:
    app = create_app(settings.model_copy(update={"proxies": 1}), redis=redis, artifact=artifact)
    here, elsewhere = Console(app), Console(app)
    here.client.environ_base["HTTP_X_FORWARDED_FOR"] = "192.0.2.1"
    elsewhere.client.environ_base["HTTP_X_FORWARDED_FOR"] = "192.0.2.2"
    for _ in range(5):
        here.log_in("wrong")
    assert here.log_in().last.status_code == 429
    assert elsewhere.log_in().last.status_code == 302


# Overview and search


def item_page(comment_id: str) -> str:
    return f"/demo/items/{item_id_of(comment_id)}"


def test_the_overview_shows_what_waits_who_works_and_what_is_in_trouble(
    console: Console, app: Flask, flag: Callable[..., str]
) -> None:
    flag("c1")
    flag("c2", article_title="Bread")
    console.open()
    page = Console(app, "layla").log_in().get("/overview")
    assert re.search(r'data-figure="pending">1<', page)
    assert re.search(r'data-figure="leased">1<', page)
    assert "samira" in page
    assert app.extensions["hakam"].artifact.version in page


def test_the_overview_counts_what_waits_for_seniors_among_what_waits(
    console: Console, app: Flask, flag: Callable[..., str], queue: ReviewQueue, redis: Redis
) -> None:
    flag("c1", dialect="gulf")
    console.press("escalate", console.open())
    let_time_pass(redis, 7_200_000)
    assert queue.stats("demo").oldest_seconds >= 7_200
    page = english(Console(app, "layla").log_in()).get("/overview")
    assert re.search(r'data-figure="pending">1<', page)
    assert "Nothing is waiting" not in page
    assert re.search(r"dialect=gulf.*?<b>1</b>", page)


def test_the_overview_says_why_a_site_is_not_told_and_why_decisions_were_given_up(
    app: Flask,
    accounts: Accounts,
    api_key: str,
    queue: ReviewQueue,
    stream: DecisionStream,
    flag: Callable[..., str],
) -> None:
    services: Services = app.extensions["hakam"]
    secret = "whsec_" + "A" * 32
    site = replace(services.sites.get("demo"), webhook_url="http://[::1]/", webhook_secret=secret)
    services.sites.update(site)
    decide_many(queue, {flag("c1"): 1}, Decision("approve", moderator="a", request_id="b"))
    deliver_once(services.deliveries)
    admin = Console(app, "layla").log_in()
    assert "شبكة خاصة" in admin.get("/overview")  # "a private network"
    item_id, decision = stream.read("demo")[0].item_id, stream.read("demo")[0].id
    this = {"id": item_id, "delivery": decision}
    services.deliveries._verbs("demo", "give_up", **this, failure="status 503", patience_ms=10**9)
    other = {"id": "another", "delivery": "1-0"}
    services.deliveries._verbs("demo", "delivered", **other, told=1)  # it fares well again
    page = admin.get("/overview")
    assert "شبكة خاصة" not in page
    assert "الحالة 503" in page  # "status 503"


def test_the_overview_is_in_the_language_of_its_reader_with_a_token_of_their_own(
    app: Flask, accounts: Accounts, api_key: str, redis: Redis
) -> None:
    accounts.add("lina", PASSWORD, "admin")
    services: Services = app.extensions["hakam"]
    services.sites.add(Site("calm"))
    redis.hset("{hakam:demo}:endpoint", "failing", 1)  # so that there is a form
    first, second = english(Console(app, "layla").log_in()), Console(app, "lina").log_in()
    events = [browser.get("/overview/events") for browser in (first, second, first)]
    assert ["Nothing is waiting" in event for event in events] == [True, False, True]
    mine, yours, again = (re.findall(r'name="csrf_token" value="([^"]+)"', one) for one in events)
    assert len(mine) == 1
    assert mine != yours
    assert mine == again
    second.post("/overview/demo/replay", csrf_token=mine[0])
    assert second.last.status_code == 400


def test_every_page_leads_to_the_work_of_a_site(console: Console) -> None:
    assert '/console/demo/work"' in console.get("/me")


def test_the_overview_s_events_carry_every_site_and_end(
    console: Console, flag: Callable[..., str]
) -> None:
    flag()
    event = console.get("/overview/events")
    assert console.last.mimetype == "text/event-stream"
    assert event.startswith("retry: 2000\ndata: ")
    assert event.endswith("\n\n")
    assert all(line.startswith("data: ") for line in event.rstrip().split("\n")[1:])


def test_a_comment_is_found_by_author_article_and_id(
    console: Console, flag: Callable[..., str]
) -> None:
    flag("c1", "first words", author_id="u1", article_id="a1")
    flag("c2", "other words", author_id="u2", article_id="a2")
    for address in ("authors?id=u1", "articles?id=a1", "search?comment=c1"):
        page = console.get(f"/demo/{address}")
        assert "first words" in page
        assert "other words" not in page
    console.press("reject", console.open(), reason="insult", note="for the record")
    page = console.get(item_page("c1")) + console.get(item_page("c2"))
    assert "for the record" in page
    console.get("/demo/search?comment_id=c1")
    assert console.last.location == f"/console{item_page('c1')}"


def test_a_decision_of_the_sites_own_desk_says_so(
    console: Console, queue: ReviewQueue, flag: Callable[..., str]
) -> None:
    flag("c1")
    verdict = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
    draft = Decision("reject", moderator="editor", request_id="r1")
    queue.decide_external("demo", Comment("c1", TEXT), verdict, draft, scores={})
    # "on the site itself"
    words = "\u0641\u064a \u0627\u0644\u0645\u0648\u0642\u0639 \u0646\u0641\u0633\u0647"
    assert f"<bdi>editor</bdi> ({words})" in console.get(item_page("c1"))


def test_a_senior_decides_an_author_s_comments_at_once_after_a_preview_and_takes_it_back(
    app: Flask,
    accounts: Accounts,
    api_key: str,
    flag: Callable[..., str],
    queue: ReviewQueue,
    stream: DecisionStream,
) -> None:
    for n in range(3):
        flag(f"c{n}", f"words {n}", author_id="u1")
    senior = Console(app, "omar").log_in()
    page = senior.get("/demo/authors?id=u1")
    ticked = re.findall(r'name="item" value="([^"]+)"', page)
    form = {"request_id": "bulk-1", "author_id": "u1", "action": "reject", "reason": "spam"}
    preview = senior.post("/demo/bulk", item=ticked[:2], **form)
    assert preview.count("words") == 2
    assert queue.stats("demo").decided == 0, "a preview decided"
    senior.post("/demo/bulk", item=ticked[:2], confirmed="1", **form)
    assert [d.action for d in stream.read("demo")] == ["reject", "reject"]
    senior.post("/demo/bulk/undo")
    assert queue.stats("demo").pending == 3


def test_the_undo_of_many_is_offered_on_their_site_only(
    app: Flask,
    accounts: Accounts,
    queue: ReviewQueue,
    stream: DecisionStream,
    api_key: str,
    flag: Callable[..., str],
) -> None:
    app.extensions["hakam"].sites.add(Site("north"))
    senior = Console(app, "omar").log_in()
    ticked = f"{flag('c1', author_id='u1')}:1"
    form = {"request_id": "bulk-1", "author_id": "u1", "action": "approve", "confirmed": "1"}
    senior.post("/demo/bulk", item=[ticked], **form)
    assert "/north/bulk/undo" not in senior.get("/north/authors?id=u1")
    senior.post("/north/bulk/undo")
    assert "/demo/bulk/undo" in senior.get("/demo/authors?id=u1")
    senior.post("/demo/bulk/undo")
    assert [d.kind for d in stream.read("demo")] == ["decision", "undo"]


def test_a_senior_does_not_decide_in_bulk_what_is_not_theirs(
    app: Flask,
    accounts: Accounts,
    queue: ReviewQueue,
    stream: DecisionStream,
    api_key: str,
    flag: Callable[..., str],
) -> None:
    flag("c1", author_id="u1")
    senior = Console(app, "omar").log_in()
    senior.press("reject", senior.open(), reason="insult")
    appeal = queue.appeal("demo", stream.read("demo")[0].id, "")
    form = {"request_id": "bulk-1", "author_id": "u1", "action": "approve", "confirmed": "1"}
    senior.post("/demo/bulk", item=[f"{appeal.item_id}:1"], **form)
    assert 'class="notice reject"' in senior.get("/demo/search")
    assert queue.item("demo", appeal.item_id).state == "pending"


def test_what_somebody_holds_is_left_of_what_a_senior_decides_at_once_and_told(
    console: Console, app: Flask, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    items = [f"{flag(f'c{n}', author_id='u1')}:1" for n in range(2)]
    form = {"request_id": "bulk-1", "author_id": "u1", "action": "approve", "confirmed": "1"}
    console.open()
    senior = Console(app, "omar").log_in()
    senior.post("/language", language="en")
    senior.post("/demo/bulk", item=items, **form)
    assert queue.stats("demo").decided == 1
    page = senior.get("/demo/authors?id=u1")
    assert "1 comment decided." in page
    assert "1 was left, because a colleague is reading it." in page


# The site


def settings_form(page: str) -> dict[str, str]:
    """Fields of the settings form as the page shows them."""
    fields = dict(re.findall(r'<input id="\w+" name="(\w+)"[^>]*? value="([^"]*)"', page))
    return fields | dict(re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>([^<]*)<', page))


def test_an_administrator_sets_what_a_site_wants(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    admin = Console(app, "layla").log_in()
    form = settings_form(admin.get("/demo/settings"))
    form |= {
        "review_insult": "0\N{ARABIC DECIMAL SEPARATOR}7",
        "reject_threat": "0.99",
        "time_target_minutes": "30",
        "retention_days": "10",
        "random_sample_share": "1.5",
        "known_answer_share": "2",
        "block_words": "one\r\n\r\ntwo\r\none",
    }
    admin.post("/demo/settings", action="preview", **form)
    services: Services = app.extensions["hakam"]
    assert services.sites.get("demo").review == {}, "a preview was stored"
    admin.post("/demo/settings", action="save", **form)
    assert admin.last.status_code == 303
    site = services.sites.get("demo")
    assert (site.review, site.reject) == ({"insult": 0.7}, {"threat": 0.99})
    assert (site.time_target_seconds, site.retention_days, site.random_sample_share) == (
        1800,
        10,
        0.015,
    )
    assert site.known_answer_share == 0.02
    assert site.block_words == ("one", "two")
    assert settings_form(admin.get("/demo/settings"))["review_insult"] == "0.7"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("review_insult", "2"),
        ("review_insult", "high"),
        ("review_insult", "nan"),
        ("retention_days", "0"),
        ("retention_days", "inf"),
        ("webhook_url", "ftp://example.org"),
        ("allow_words", "x" * 101),
    ],
)
def test_what_a_site_cannot_want_is_refused(
    app: Flask, accounts: Accounts, api_key: str, field: str, value: str
) -> None:
    admin = Console(app, "layla").log_in()
    page = admin.post("/demo/settings", action="save", **{field: value})
    assert admin.last.status_code == 422
    assert "complaint" in page


def test_every_setting_of_a_site_is_in_the_form_and_is_set_by_it(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    version = app.extensions["hakam"].artifact.version
    sent = {
        "name": ("The North", "The North"),
        "review": ("0.4", {"insult": 0.4}),
        "unsupported_language": ("approve", "approve"),
        "personal_data": ("reject", "reject"),
        "links": ("review", "review"),
        "allow_hosts": (
            "news.example\nhttps://tv.example/",
            ("news.example", "https://tv.example/"),
        ),
        "review_first_comments": ("2", 2),
        "review_after_rejections": ("3", 3),
        "random_sample_share": ("1.5", 0.015),
        "drift_alarm": ("0.5", 0.5),
        "uncertain_per_day": ("50", 50),
        "reject": ("0.99", {"insult": 0.99}),
        "repeat_review": ("5", 5),
        "repeat_reject": ("50", 50),
        "author_per_hour": ("20", 20),
        "raid_factor": ("0", 0),
        "trust_after": ("10", 10),
        "trusted_sample_share": ("20", 0.2),
        "warn_after": ("2", 2),
        "hold_after": ("3", 3),
        "hold_hours": ("48", 48),
        "block_words": ("one\ntwo", ("one", "two")),
        "allow_words": ("three", ("three",)),
        "time_target_seconds": ("30", 1800),
        "label_weights": ("2.5", {"insult": 2.5}),
        "second_opinion_share": ("10", 0.1),
        "known_answer_share": ("2", 0.02),
        "shadow": (version, version),
        "shadow_share": ("50", 0.5),
        "webhook_url": ("https://news.example/", "https://news.example/"),
        "webhook_secret": (secret, secret),
        "webhook_private": ("yes", True),
        "requests_per_minute": ("1000000", 1_000_000),
        "queue_analyzed": ("yes", True),
        "retention_days": ("30", 30),
        "coral_secrets": ("a\nb", ("a", "b")),
        "coral_url": ("https://coral.example/", "https://coral.example/"),
        "coral_token": ("token", "token"),
        "notice_addresses": ("json://a.example\n", ("json://a.example",)),
        "webhook_old_secret": (secret, secret),
        "reader_link_old_secret": ("f" * 32, "f" * 32),
        "reader_link_secret": ("f" * 32, "f" * 32),
        "latin_script": ("reject", "reject"),
        "pen_names": ("require", "require"),
        "notice_language": ("en", "en"),
        "quiet_hours": ("22:00-07:00", "22:00-07:00"),
        "time_zone": ("Asia/Riyadh", "Asia/Riyadh"),
    }
    names = {"review": "review_insult", "reject": "reject_insult"}
    names |= {"label_weights": "label_weights_insult"}
    names |= {"time_target_seconds": "time_target_minutes"}
    admin = Console(app, "layla").log_in()
    page = admin.get("/demo/settings")
    fields = {names.get(name, name): written for name, (written, _) in sent.items()}
    assert fields.keys() <= set(re.findall(r' name="(\w+)"', page))
    admin.post("/demo/settings", action="save", **fields)
    assert admin.last.status_code == 303
    site = app.extensions["hakam"].sites.get("demo")
    assert {name: getattr(site, name) for name in SETTINGS} == {
        name: value for name, (_, value) in sent.items()
    }
    page = admin.get("/demo/settings")
    shown = settings_form(page)
    for name, written in fields.items():
        setting = SETTINGS.get(name)
        if setting and setting.secret:
            assert shown[name] == ""
        elif setting and setting.kind in ("choice", "switch"):
            assert f'<option value="{written}" selected>' in page
        else:
            assert shown[name] == written
    assert secret not in page
    admin.post("/demo/settings", action="save", **shown)
    assert app.extensions["hakam"].sites.get("demo") == site, "what was not typed did not stay"
    admin.post("/demo/settings", action="save", remove="coral_token", review_insult="")
    site = app.extensions["hakam"].sites.get("demo")
    assert (site.coral_token, site.coral_secrets, site.review) == ("", ("a", "b"), {})


def test_a_first_webhook_gets_a_secret_that_is_shown_once(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    admin = Console(app, "layla").log_in()
    page = admin.post("/demo/settings", action="save", webhook_url="https://news.example/hook")
    site = app.extensions["hakam"].sites.get("demo")
    assert site.listens
    assert site.webhook_secret in page
    assert site.webhook_secret not in admin.get("/demo/settings")
    admin.post("/demo/settings", action="save", webhook_url="https://news.example/other")
    assert app.extensions["hakam"].sites.get("demo").webhook_secret == site.webhook_secret


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_what_cannot_be_is_named_with_its_bounds_in_the_reader_s_language(
    app: Flask, accounts: Accounts, api_key: str, language: str
) -> None:
    accounts.save_preferences("layla", Preferences(language=language))
    admin = Console(app, "layla").log_in()
    page = admin.post(
        "/demo/settings",
        time_target_minutes="0",
        random_sample_share="101",
        label_weights_insult="101",
        coral_token="a\0b",
    )
    (said,) = re.findall(r'role="alert">([^<]*)<', page)
    assert admin.last.status_code == 422
    for bounds in (("1", "525600"), ("0", "100"), ("0", "100")):
        assert re.search(rf"{bounds[0]} \S+ {bounds[1]}\.", said), said
    assert len(re.findall(": ", said)) == 4
    assert bool(re.search("[\u0600-\u06ff]", said)) == (language == "ar")


def test_a_version_on_trial_that_is_not_kept_is_refused_with_those_that_are(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    admin = Console(app, "layla").log_in()
    page = admin.post("/demo/settings", action="save", shadow="2001.01.01-1")
    (said,) = re.findall(r'role="alert">([^<]*)<', page)
    assert admin.last.status_code == 422
    assert ", ".join(app.extensions["hakam"].artifacts.versions()) in said
    assert not app.extensions["hakam"].sites.get("demo").shadow


def test_a_threshold_is_previewed_on_last_week(
    app: Flask, accounts: Accounts, api_key: str, flag: Callable[..., str]
) -> None:
    accounts.save_preferences("layla", Preferences(language="en"))
    services: Services = app.extensions["hakam"]
    for score in (0.1, 0.1, 0.97):
        services.verdict_counts.count(
            "demo", "review" if score > 0.5 else "approve", {"insult": score}
        )
    services.verdict_counts.flush()
    flag()
    admin = Console(app, "layla").log_in()
    admin.press("reject", admin.open(), reason="insult")
    sentence = unescape(admin.get("/demo/settings/preview?label=insult&threshold=0.9"))
    assert "1 of last week's 3 comments would have been queued" in sentence
    assert "rejected 100% of the 1 that were flagged" in sentence
    admin.get("/demo/settings/preview?label=insult&threshold=7")
    assert admin.last.status_code == 422


def test_only_the_console_opens_a_session(app: Flask, accounts: Accounts) -> None:
    console = Console(app, "layla").log_in()
    cookie = console.client.get_cookie("hakam_session", path="/console")
    assert cookie
    for path, opened in (("/console/overview", True), ("/healthz", False)):
        with app.test_client(use_cookies=False) as browser:
            browser.get(path, headers={"Cookie": f"hakam_session={cookie.value}"})
            assert bool(flask.session) is opened


def test_a_new_key_is_shown_once_and_works(app: Flask, accounts: Accounts, api_key: str) -> None:
    admin = Console(app, "layla").log_in()
    page = admin.post("/demo/settings/key")
    key = re.search(r"hk_demo_[\w-]{43}", page)
    assert key
    services: Services = app.extensions["hakam"]
    assert services.known_sites.authenticate(key[0])
    assert services.known_sites.authenticate(api_key), "the old key stopped at once"
    assert key[0] not in admin.get("/demo/settings")


@pytest.mark.parametrize("address", ["http://[::1", "http://a..b/", "ftp://x/", "http://x:99999/"])
def test_an_address_that_cannot_be_used_is_refused_in_the_settings(
    app: Flask, accounts: Accounts, api_key: str, address: str
) -> None:
    admin = Console(app, "layla").log_in()
    page = admin.post("/demo/settings", webhook_url=address)
    assert admin.last.status_code == 422
    assert 'role="alert"' in page
    assert "http أو https" in page
    assert app.extensions["hakam"].sites.get("demo").webhook_url == ""


def test_an_administrator_says_what_becomes_of_texts_that_cannot_be_read(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    admin = Console(app, "layla").log_in()
    sites = app.extensions["hakam"].sites
    assert '<option value="review" selected>' in admin.get("/demo/settings")
    admin.post("/demo/settings", unsupported_language="approve")
    assert sites.get("demo").unsupported_language == "approve"
    assert '<option value="approve" selected>' in admin.get("/demo/settings")
    admin.post("/demo/settings", unsupported_language="reject")
    assert admin.last.status_code == 422
    assert sites.get("demo").unsupported_language == "approve"


def test_a_webhook_is_tried_with_a_button(app: Flask, accounts: Accounts, api_key: str) -> None:
    admin = Console(app, "layla").log_in()
    services: Services = app.extensions["hakam"]
    assert "whsec_" in admin.post("/demo/settings/webhook", action="secret")
    site = services.sites.get("demo")
    services.sites.update(replace(site, webhook_url="http://127.0.0.1:9/"))
    admin.post("/demo/settings/webhook", action="test")
    assert "شبكة خاصة" in admin.get("/demo/settings")  # "a private network"


def test_site_settings_are_for_administrators(app: Flask, accounts: Accounts, api_key: str) -> None:
    senior = Console(app, "omar").log_in()
    for path in ("/demo/settings", "/demo/settings/preview?label=insult&threshold=0.5"):
        senior.get(path)
        assert senior.last.status_code == 403
    for path in ("/demo/settings", "/demo/settings/key", "/demo/settings/webhook"):
        senior.post(path)
        assert senior.last.status_code == 403


def test_a_fault_of_ours_is_a_sentence_in_the_console_and_an_error_in_the_log(
    console: Console, app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    app.extensions["hakam"] = replace(app.extensions["hakam"], queue=None)
    app.testing = False
    page = console.get("/demo/work")
    assert console.last.status_code == 500
    assert "AttributeError" not in page
    assert 'role="alert"' in page
    assert "AttributeError" in capsys.readouterr().out


# Languages


@pytest.mark.parametrize(
    ("accepted", "said"),
    [
        ("", "ar"),
        ("fr-TN, ar;q=0.8", "fr"),
        ("ar-DZ, fr;q=0.9", "ar"),
        ("en-GB", "en"),
        ("de", "ar"),
    ],
)
def test_the_login_speaks_the_language_of_the_browser_until_another_is_chosen(
    app: Flask, accounts: Accounts, accepted: str, said: str
) -> None:
    guest = Console(app)
    guest.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = accepted
    assert f'<html lang="{said}"' in guest.get("/login")
    other = "en" if said != "en" else "fr"
    guest.post("/language", language=other)
    assert f'<html lang="{other}"' in guest.get("/login")


def test_an_account_keeps_the_language_in_which_its_invitation_was_answered(
    app: Flask, accounts: Accounts
) -> None:
    path = f"/invitation/{accounts.invite('nura', 'moderator')}"
    guest = Console(app, "nura")
    guest.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "fr"
    guest.post(path, password=PASSWORD, again=PASSWORD)
    account = accounts.get("nura")
    assert account
    assert account.preferences.language == "fr"


def test_arabic_comes_first_and_the_others_are_one_menu_away(
    console: Console, accounts: Accounts
) -> None:
    assert '<html lang="ar" dir="rtl"' in console.get("/demo/work")
    console.post("/language", language="en", next="/console/demo/work")
    assert console.last.location == "/console/demo/work"
    assert '<html lang="en" dir="ltr"' in console.get("/demo/work")
    again = Console(console.client.application).log_in()
    assert '<html lang="en"' in again.get("/demo/work"), "the choice was forgotten"


@pytest.mark.parametrize("language", sorted(LANGUAGES.keys() - {"en"}))
def test_every_phrase_is_translated_and_the_compiled_catalogue_is_up_to_date(
    language: str, tmp_path: Path
) -> None:
    folder = TRANSLATIONS / language / "LC_MESSAGES"
    with (folder / "messages.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    untranslated = [m.id for m in catalogue if m.id and not all(_strings(m.string))]
    assert untranslated == []
    known = {_strings(m.id)[0] for m in catalogue}
    assert {phrase for phrase in phrases() if phrase not in known} == set()
    compiled = tmp_path / "messages.mo"
    with compiled.open("wb") as file:
        write_mo(file, catalogue)
    assert compiled.read_bytes() == (folder / "messages.mo").read_bytes()


def phrases() -> Iterator[str]:
    """Every phrase that the code and the templates of the service say, in its English form."""
    folder = TRANSLATIONS.parent.parent
    methods = [("**.py", "python"), ("*/templates/**.html", "jinja2")]
    keywords = DEFAULT_KEYWORDS | {"_": None}
    for *_place, message, _comments, _context in extract_from_dir(
        folder, methods, keywords=keywords
    ):
        yield _strings(message)[0]


def _strings(string: Any) -> list[str]:
    return [string] if isinstance(string, str) else list(string)


@pytest.mark.slow
def test_work_on_very_many_sites_fits_into_the_cookie_of_the_session(
    app: Flask, console: Console, queue: ReviewQueue, redis: Redis
) -> None:
    verdict = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
    for n in range(100):
        site = f"the-newspaper-of-town-{n}"
        Sites(redis).add(Site(site))
        for text in ("one", "two"):
            enqueue(queue, site, Comment(f"{text} {n}", text), verdict, scores={})
        console.press("reject", console.open(site), reason="insult")
        console.get(f"/{site}/work")
        assert console.last.status_code == 200
        cookie = console.client.get_cookie("hakam_session", path="/console")
        assert cookie
        assert len(cookie.value) < 3_000, "a browser keeps no cookie of 4 KB"
    held = [site.id for site in Sites(redis).list() if queue.stats(site.id).leased]
    assert len(held) <= 20, "comments are held of which the session knows nothing"


def test_a_reported_comment_says_so_with_what_readers_wrote_and_how_often_they_were_right(
    app: Flask, console: Console, redis: Redis
) -> None:
    reports: Reports = app.extensions["hakam"].reports
    comment = Comment(id="c1", text="a harmless comment", author_id="u1")
    verdict = Verdict("review", None, None, 0.1, "reported", 1.0, "v1")
    nothing: dict[str, Any] = {"scores": {}, "author_scores": None, "evidence": (), "sentence": ()}
    words = "<script>alert(1)</script> write to sami@example.com"
    report, _new = reports.add(
        Site("demo"),
        comment,
        verdict,
        reason="illegal",
        reporter="r1",
        explanation=words,
        **nothing,
    )
    record = json.dumps({"format": FORMAT, "right": 2, "wrong": 1})
    redis.hset("{hakam:demo}:reporters", reporter_digest("r1"), record)
    console.post("/language", language="en")
    form = console.open()
    page = unescape(console.get("/demo/work"))
    assert "Readers have reported it. It stays published until you decide." in page
    assert "Against the law" in page
    assert "2 of 3 earlier ones were right" in page
    assert "sami@example.com" not in page, "personal data are masked until somebody asks"
    assert "<script>alert(1)" not in console.last.get_data(as_text=True)
    shown = console.post(form["path"] + "/personal-data", token=form["token"])
    assert "sami@example.com" in shown
    console.press("reject", console.open(), reason="insult")
    assert reports.get("demo", report.id).outcome == "removed"


# Copies


def copies(flag: Callable[..., str], n: int, group: str = "g1") -> list[str]:
    return [flag(f"{group}-{number}", f"copy {number}", copies=group) for number in range(n)]


def test_all_copies_of_a_comment_are_decided_as_one_and_taken_back_as_one(
    console: Console, queue: ReviewQueue, stream: DecisionStream, flag: Callable[..., str]
) -> None:
    copies(flag, 60)
    flag("other", "no copy", score=0.5)
    page = console.get("/demo/work")
    assert 'name="copies"' in page
    assert "59" in page
    console.press("reject", console.open(), reason="spam", copies="g1")
    assert (queue.stats("demo").pending, queue.stats("demo").decided) == (1, 60)
    taken = stream.read("demo")
    assert len(taken) == 60
    assert {(one.action, one.moderator, one.reason) for one in taken} == {
        ("reject", "samira", "spam")
    }
    assert len({one.bulk for one in taken}) == 1
    page = console.get("/demo/work")
    assert "60" in page
    last = re.search(r'name="bulk" value="([^"]+)"', page)
    item = re.search(r"/items/([^/]+)/undo", page)
    assert last
    assert item
    console.post(f"/demo/items/{item[1]}/undo", bulk=last[1])
    assert len(queue.waiting("demo", copies="g1")) >= 59


def test_copies_that_colleagues_hold_stay_theirs(
    console: Console, queue: ReviewQueue, flag: Callable[..., str]
) -> None:
    copies(flag, 5)
    theirs = queue.lease("demo", "omar")
    assert theirs
    console.press("approve", console.open(), copies="g1")
    assert queue.stats("demo").decided == 4
    assert queue.item("demo", theirs.item.id).moderator == "omar"


def test_a_comment_without_copies_offers_none(
    console: Console, queue: ReviewQueue, flag: Callable[..., str]
) -> None:
    copies(flag, 1)
    page = console.get("/demo/work")
    assert 'name="copies"' not in page
    console.press("approve", console.open())
    assert queue.stats("demo").decided == 1


def test_copies_are_not_decided_with_a_lease_that_is_over(
    console: Console, queue: ReviewQueue, redis: Redis, flag: Callable[..., str]
) -> None:
    copies(flag, 3)
    form = console.open()
    let_time_pass(redis, 700_000)
    assert queue.lease("demo", "omar")
    console.press("reject", form, reason="spam", copies="g1")
    assert console.last.status_code == 409
    assert queue.stats("demo").decided == 0


def test_who_has_judged_one_of_the_copies_leaves_that_and_is_told(
    console: Console, queue: ReviewQueue, flag: Callable[..., str]
) -> None:
    console.post("/language", language="en")
    comment = Comment("blind", "copy", copies="g1")
    verdict = Verdict("review", "insult", "text", 0.99, "score", 1.0, "v1")
    scores = {"insult": 0.99}
    enqueue(queue, "demo", comment, verdict, scores=scores, second_opinion_share=1.0)
    console.press("reject", console.open(), reason="insult")
    copies(flag, 2)
    console.press("reject", console.open(), reason="insult", copies="g1")
    assert console.last.status_code == 303
    assert "1 was left, because you judged it before." in console.get("/demo/work")
    assert queue.stats("demo").pending == 1


def test_copies_that_came_after_the_page_wait(
    console: Console, queue: ReviewQueue, redis: Redis, flag: Callable[..., str]
) -> None:
    console.post("/language", language="en")
    copies(flag, 3)
    form = console.open()
    let_time_pass(redis, -60_000, only=flag("late", "copy", copies="g1"))
    console.press("reject", form, reason="spam", copies="g1")
    assert "1 came after the page that you saw, so it still waits." in console.get("/demo/work")
    assert queue.stats("demo").decided == 3


# Articles and floods

HOUR = 3_600


def test_a_senior_holds_closes_and_opens_an_article_and_a_moderator_does_not(
    app: Flask, console: Console, redis: Redis
) -> None:
    senior = Console(app, "omar").log_in()
    state = {"article_id": "a <1>", "hours": "3"}
    console.post("/demo/articles", action="hold", **state)
    assert console.last.status_code == 403
    assert 'value="hold"' not in console.get("/demo/articles?id=a <1>")
    senior.post("/demo/articles", action="hold", **state)
    (lever,) = Sites(redis).get("demo").levers.values()
    assert (lever.article_id, lever.state, lever.moderator) == ("a <1>", "held", "omar")
    assert 2.9 * HOUR < lever.until - time.time() <= 3 * HOUR
    page = senior.get("/demo/articles?id=a <1>")
    assert 'value="open"' in page
    assert "a &lt;1&gt;" in senior.get("/overview")
    senior.post("/demo/articles", action="close", **state)
    assert Sites(redis).get("demo").levers["a <1>"].state == "closed"
    senior.post("/demo/articles", action="open", **state)
    assert Sites(redis).get("demo").levers == {}
    assert "a &lt;1&gt;" not in senior.get("/overview")


@pytest.mark.parametrize(
    "form",
    [
        {"action": "hold", "article_id": "a", "hours": "0"},
        {"action": "hold", "article_id": "a", "hours": "x"},
        {"action": "hold", "article_id": "", "hours": "3"},
        {"action": "explode", "article_id": "a", "hours": "3"},
        {"action": "close", "article_id": "x" * 1_001},
    ],
)
def test_a_form_that_no_page_has_changes_no_article(
    app: Flask, accounts: Accounts, api_key: str, redis: Redis, form: dict[str, Any]
) -> None:
    senior = Console(app, "omar").log_in()
    senior.post("/demo/articles", **form)
    assert senior.last.status_code == 422
    assert Sites(redis).get("demo").levers == {}


def test_a_flood_is_shown_on_the_desk_and_the_overview(
    app: Flask, console: Console, redis: Redis
) -> None:
    repeats = app.extensions["hakam"].repeats
    for number in range(35):
        repeats.note("demo", Comment(f"c{number}", "yes", article_id="<b>a</b>"), 5)
    repeats.flush()
    senior = Console(app, "omar").log_in()
    for page in (senior.get("/demo/work"), senior.get("/overview")):
        (banner,) = re.findall(r'(?s)<details class="complaint raid".*?</details>', page)
        assert "35" in banner
        assert 'value="&lt;b&gt;a&lt;/b&gt;"' in banner
        assert 'value="hold"' in banner
    page = console.get("/demo/work")
    assert 'class="complaint raid"' in page
    assert 'value="hold"' not in page


def test_the_desk_works_where_floods_cannot_be_told(console: Console, redis: Redis) -> None:
    client: Any = redis
    client.set("{hakam:demo}:raids", "a key of another kind")
    console.get("/demo/work")
    assert console.last.status_code == 200


def test_the_page_of_an_author_shows_their_rejections_warnings_and_holds(
    app: Flask,
    console: Console,
    queue: ReviewQueue,
    redis: Redis,
    flag: Callable[..., str],
) -> None:
    Sites(redis).update(Site("demo", warn_after=2, hold_after=3, trust_after=2))
    console.post("/language", language="en")
    for number, action in enumerate(["approve", "approve", "reject", "reject", "reject"]):
        flag(f"c{number}", author_id="u1")
        console.press(action, console.open(), reason="insult")
        page = unescape(console.get("/demo/authors?id=u1"))
        assert ("<strong>Trusted: " in page) == (number == 1)
        assert ("told to warn" in page) == (number >= 3)
        assert ("<strong>Held: " in page) == (number == 4)
    assert re.search(r"rejected in thirty days</dt>\s*<dd>3</dd>", page)
    flag("next", author_id="u1")
    assert '<strong class="late">held</strong>' in console.get("/demo/work")


def test_an_arabic_comment_is_read_out_as_arabic_on_a_page_in_another_language(
    console: Console, accounts: Accounts, flag: Callable[..., str]
) -> None:
    accounts.save_preferences("samira", Preferences(language="fr"))
    flag("c1", "تعليق", score=0.9)  # "comment"
    assert '<bdi class="text" lang="ar">تعليق</bdi>' in console.get("/demo/queue")
    flag("c2", "merci", score=0.99)
    assert '<bdi class="text" lang="fr">merci</bdi>' in console.get("/demo/queue")
    assert '<bdi lang="fr">merci</bdi>' in console.get("/demo/work")
