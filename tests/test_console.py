"""The console over HTTP: who gets in, what is on the screen, and what becomes of a decision."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from werkzeug.test import TestResponse

from models.registry import Artifact
from service import console
from service.accounts import Accounts
from service.app import Services, create_app
from service.config import Settings
from service.marking import marked
from service.policy import Verdict
from service.review_queue import Comment, ReviewQueue
from service.wording import LANGUAGES

PASSWORD = "correct horse battery"
DONKEY = "\u062d\u0645\u0627\u0631"  # "donkey"
TEXT = f"\u0623\u0646\u062a {DONKEY} \u0643\u0628\u064a\u0631"  # "you are a big donkey"
TRANSLATIONS = Path(console.__file__).parent / "translations"


class Desk:
    """One moderator's browser, without a browser."""

    def __init__(self, app: Flask, name: str = "samira") -> None:
        self.client: FlaskClient = app.test_client()
        self.name = name
        self.last: TestResponse

    def get(self, path: str) -> str:
        self.last = self.client.get(f"/console{path}")
        return self.last.get_data(as_text=True)

    def post(self, path: str, /, **fields: str) -> str:
        token = self.client.get("/console/login").get_data(as_text=True)
        found = re.search(r'name="csrf-token" content="([^"]+)"', token)
        fields.setdefault("csrf_token", found[1] if found else "")
        self.last = self.client.post(f"/console{path}", data=fields)
        return self.last.get_data(as_text=True)

    def log_in(self, password: str = PASSWORD, **fields: str) -> Desk:
        self.post("/login", name=self.name, password=password, **fields)
        return self

    def open(self, site: str = "demo") -> dict[str, str]:
        """The hidden fields and the address of the form of the comment on the screen."""
        page = self.get(f"/{site}/work")
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        action = re.search(r'action="/console(/\w+/items/[^"]+)"', page)
        assert action, "no comment is on the screen"
        return {"path": action[1], **{k: fields[k] for k in ("token", "request_id")}}

    def press(self, action: str, form: dict[str, str], **fields: str) -> str:
        rest = {name: value for name, value in form.items() if name != "path"}
        return self.post(form["path"], action=action, **rest | fields)


@pytest.fixture
def accounts(redis: Redis) -> Accounts:
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts = Accounts(redis, hasher=quick)
    for name, role in (("samira", "moderator"), ("omar", "senior"), ("layla", "admin")):
        accounts.add(name, PASSWORD, role)
    return accounts


@pytest.fixture
def queue(app: Flask) -> ReviewQueue:
    services: Services = app.extensions["hakam"]
    return services.queue


@pytest.fixture
def desk(app: Flask, accounts: Accounts, api_key: str) -> Desk:
    return Desk(app).log_in()


@pytest.fixture
def flag(queue: ReviewQueue) -> Callable[..., str]:
    """Put a comment into the queue; the id of its item."""

    def put(comment_id: str = "c1", text: str = TEXT, score: float = 0.97, **fields: Any) -> str:
        evidence = fields.pop("evidence", [])
        verdict = Verdict("review", "insult", "text", score, "score", 1.0, "v1")
        verdict = fields.pop("verdict", verdict)
        return queue.enqueue(
            "demo",
            Comment(id=comment_id, text=text, **fields),
            verdict,
            scores={"insult": score},
            evidence=evidence,
        ).item_id

    return put


# The door


def test_nobody_sees_a_page_without_logging_in(app: Flask, accounts: Accounts) -> None:
    stranger = Desk(app)
    for path in ("/", "/demo/work", "/nowhere"):
        stranger.get(path)
        assert stranger.last.status_code == 302
        assert "/console/login" in stranger.last.location
    stranger.post("/demo/items/x", action="approve", token="1")
    assert "/console/login" in stranger.last.location


def test_the_right_password_leads_to_the_work_and_a_wrong_one_to_a_sentence(
    desk: Desk, app: Flask
) -> None:
    assert desk.last.location == "/console/"
    desk.get("/")
    assert desk.last.location == "/console/demo/work"
    wrong = Desk(app).log_in("wrong")
    assert wrong.last.status_code == 401
    assert 'role="alert"' in wrong.last.get_data(as_text=True)


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example/console/", "/v1/queue", "/\\evil.example", "x"],
)
def test_the_door_leads_only_into_the_console(app: Flask, accounts: Accounts, target: str) -> None:
    assert Desk(app).log_in(next=target).last.location == "/console/"


def test_somebody_sent_to_the_door_comes_back_to_their_page(app: Flask, accounts: Accounts) -> None:
    assert Desk(app).log_in(next="/console/demo/work").last.location == "/console/demo/work"


def test_too_many_wrong_passwords_make_everybody_wait(app: Flask, accounts: Accounts) -> None:
    for _ in range(5):
        Desk(app).log_in("wrong")
    assert Desk(app).log_in().last.status_code == 429


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(
    app: Flask, accounts: Accounts
) -> None:
    cookie = Desk(app).log_in().last.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/console" in cookie


def test_logging_out_ends_the_session_in_the_store_too(desk: Desk, accounts: Accounts) -> None:
    cookie = desk.client.get_cookie("hakam_session", path="/console")
    assert cookie
    desk.post("/logout")
    desk.client.set_cookie("hakam_session", cookie.value, path="/console")
    desk.get("/demo/work")
    assert desk.last.status_code == 302, "a stolen cookie outlived the logout"
    assert list(accounts.sessions("samira")) == []


def test_a_revoked_session_is_out_at_its_next_request(desk: Desk, accounts: Accounts) -> None:
    accounts.close_session("samira", accounts.sessions("samira")[0].digest)
    desk.get("/demo/work")
    assert desk.last.status_code == 302


def test_a_form_without_its_token_does_nothing(
    desk: Desk, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    flag()
    form = desk.open()
    desk.press("approve", form, csrf_token="forged")
    assert desk.last.status_code == 400
    assert queue.stats("demo").decided == 0


def test_a_moderator_sees_only_the_sites_assigned_to_them(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    accounts.change("samira", role="moderator", sites=["elsewhere"])
    desk = Desk(app).log_in()
    desk.get("/demo/work")
    assert desk.last.status_code == 404
    desk.get("/elsewhere/work")
    assert desk.last.status_code == 404


def test_an_invitation_opens_the_desk_with_a_password_chosen_by_its_owner(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    path = f"/invitation/{accounts.invite('nura', 'moderator')}"
    guest = Desk(app, "nura")
    assert "nura" in guest.get(path)
    guest.post(path, password=PASSWORD, again="another")
    assert guest.last.status_code == 422
    guest.post(path, password="short", again="short")
    assert guest.last.status_code == 422
    guest.post(path, password=PASSWORD, again=PASSWORD)
    assert guest.last.location == "/console/"
    guest.get("/demo/work")
    assert guest.last.status_code == 200
    assert Desk(app).get(path).count("complaint"), "an invitation was used twice"


# The comment on the screen


def test_every_page_forbids_inline_script_and_storage(desk: Desk, flag: Callable[..., str]) -> None:
    flag()
    for path in ("/login", "/demo/work", "/nowhere"):
        page = desk.get(path)
        policy = desk.last.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert desk.last.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?![^>]* src=)|\son\w+=|\sstyle=", page)


def test_the_most_urgent_comment_is_shown_first_with_its_evidence_marked(
    desk: Desk, flag: Callable[..., str]
) -> None:
    flag("mild", "mild", 0.5)
    start = TEXT.index(DONKEY)
    span = {"field": "text", "label": "insult", "start": start, "end": start + 4, "weight": 2.0}
    flag("severe", evidence=[span], author_name="Abu Nawas", article_title="Bread")
    page = desk.get("/demo/work")
    assert re.search(rf'<mark data-label="insult"[^>]*>{DONKEY}</mark>', page)
    assert "Abu Nawas" in page
    assert "Bread" in page
    assert "97%" in page


def test_reloading_the_page_shows_the_same_comment(desk: Desk, flag: Callable[..., str]) -> None:
    flag("c1")
    flag("c2")
    assert desk.open()["path"] == desk.open()["path"]


def test_two_moderators_never_have_one_comment(
    desk: Desk, app: Flask, flag: Callable[..., str]
) -> None:
    flag("c1")
    flag("c2")
    other = Desk(app, "omar").log_in()
    assert desk.open()["path"] != other.open()["path"]


def test_only_web_addresses_become_links(desk: Desk, flag: Callable[..., str]) -> None:
    flag("c1", article_url="javascript:alert(1)", article_title="Bread")
    assert 'href="javascript' not in desk.get("/demo/work")


def test_an_empty_queue_says_so(desk: Desk) -> None:
    desk.get("/demo/work")
    assert desk.last.status_code == 200


def test_marks_lie_on_the_original_letters_and_take_their_diacritics_along() -> None:
    text = "\N{GRINNING FACE} \u0643\u064e\u0644\u0652\u0628\u064c!"  # a face, "dog" with vowels
    kaf = text.index("\u0643")
    segments = list(marked(text, [(kaf, kaf + 5, "insult"), (0, 99, "profanity")]))
    assert "".join(s.text for s in segments) == text
    assert [s.text for s in segments if s.label == "insult"] == [text[kaf : kaf + 6]]
    assert list(marked("", [(0, 3, "insult")])) == []


# Decisions


def test_approving_and_rejecting_are_recorded_with_reason_note_and_name(
    desk: Desk, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    flag("c1")
    flag("c2")
    desk.press("approve", desk.open())
    assert desk.last.status_code == 303
    desk.press("reject", desk.open(), reason="threat", note="again")
    first, second = queue.decisions("demo")
    assert (first.action, first.moderator, first.labels) == ("approve", "samira", ())
    assert (second.action, second.reason, second.labels) == ("reject", "threat", ("threat",))
    assert second.note == "again"


def test_pressing_a_button_twice_is_one_decision(
    desk: Desk, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    flag()
    form = desk.open()
    for _ in range(2):
        desk.press("approve", form)
        assert desk.last.status_code == 303
    assert queue.stats("demo").decided == 1


def test_skipping_leaves_the_comment_undecided(
    desk: Desk, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    item_id = flag()
    desk.press("skip", desk.open())
    assert desk.last.status_code == 303
    assert queue.item("demo", item_id).state == "pending"


@pytest.mark.parametrize("fields", [{"reason": "because"}, {"token": "x"}, {"action": "explode"}])
def test_a_malformed_decision_is_refused_with_a_sentence(
    desk: Desk, flag: Callable[..., str], queue: ReviewQueue, fields: dict[str, str]
) -> None:
    flag()
    form = desk.open() | {"reason": "insult"} | fields
    action = form.pop("action", "reject")
    desk.press(action, form)
    assert desk.last.status_code == 422
    assert queue.stats("demo").decided == 0


def test_a_decision_that_comes_too_late_is_told_and_its_note_kept(
    desk: Desk, app: Flask, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    item_id = flag()
    form = desk.open()
    queue.release("demo", item_id, int(form["token"]))
    other = Desk(app, "omar").log_in()
    page = desk.press("reject", form, reason="insult", note="keep me")
    assert desk.last.status_code == 409
    assert "keep me" in page
    assert queue.stats("demo").decided == 0
    other.press("approve", other.open())
    desk.press("reject", form, reason="insult")
    assert desk.last.status_code == 409
    assert [d.moderator for d in queue.decisions("demo")] == ["omar"]


def test_logging_out_gives_the_open_comment_back_at_once(
    desk: Desk, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    item_id = flag()
    desk.open()
    desk.post("/logout")
    assert queue.item("demo", item_id).state == "pending"


def test_reading_on_prolongs_the_lease(desk: Desk, flag: Callable[..., str]) -> None:
    flag()
    form = desk.open()
    desk.post(form["path"] + "/renew", token=form["token"])
    assert 0 < desk.last.get_json()["expires_in_seconds"] <= 600
    desk.post(form["path"] + "/renew", token="0")
    assert desk.last.status_code == 409


def test_a_decision_that_the_store_cannot_take_is_kept_to_be_sent_again(
    desk: Desk, redis: Redis, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    flag()
    form = desk.open()
    redis.config_set("maxmemory", 1)
    try:
        page = desk.press("reject", form, reason="threat", note="keep me")
        assert desk.last.status_code == 503
        assert desk.last.headers["Retry-After"]
    finally:
        redis.config_set("maxmemory", 0)
    kept = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    desk.post(form["path"], **kept)
    assert desk.last.status_code == 303
    assert [d.note for d in queue.decisions("demo")] == ["keep me"]


def test_without_redis_every_page_is_a_sentence_and_not_a_fault(
    settings: Settings, artifact: Artifact
) -> None:
    nowhere = Redis(unix_socket_path="/nonexistent", retry=Retry(NoBackoff(), 0))
    with nowhere:
        desk = Desk(create_app(settings, redis=nowhere, artifact=artifact))
        assert desk.get("/login").count('name="password"') == 1
        assert 'role="alert"' in desk.log_in().last.get_data(as_text=True)
        assert desk.last.status_code == 503


# Languages


def test_arabic_comes_first_and_english_is_one_button_away(desk: Desk, accounts: Accounts) -> None:
    assert '<html lang="ar" dir="rtl"' in desk.get("/demo/work")
    desk.post("/language", language="en", next="/console/demo/work")
    assert desk.last.location == "/console/demo/work"
    assert '<html lang="en" dir="ltr"' in desk.get("/demo/work")
    again = Desk(desk.client.application).log_in()
    assert '<html lang="en"' in again.get("/demo/work"), "the choice was forgotten"


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_phrase_is_translated_and_the_compiled_catalogue_is_up_to_date(
    language: str, tmp_path: Path
) -> None:
    folder = TRANSLATIONS / language / "LC_MESSAGES"
    with (folder / "messages.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    untranslated = [m.id for m in catalogue if m.id and not all(_strings(m.string))]
    assert untranslated == []
    compiled = tmp_path / "messages.mo"
    with compiled.open("wb") as file:
        write_mo(file, catalogue)
    assert compiled.read_bytes() == (folder / "messages.mo").read_bytes()


def _strings(string: Any) -> list[str]:
    return [string] if isinstance(string, str) else list(string)
