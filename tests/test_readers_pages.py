"""Readers' pages: report a comment or object to a decision by a signed link, and nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from time import time
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from conftest import NOWHERE
from models.artifact import Artifact
from service.app import create_app
from service.config import Settings
from service.queue import reader_limits
from service.queue.reader_links import appeal_address, sign_link
from service.queue.records import Comment, Decision, content_digest, item_id_of
from service.queue.review_queue import ReviewQueue
from service.sites.site import Site
from service.sites.sites import Sites

ROOT = Path(__file__).parent.parent
SECRET = "0123456789abcdef" * 4
COMMENT = Comment(
    "c-1", "شكرًا\nعلى التقرير", author_name="قارئ"
)  # "thanks for the report", "reader"
GOOD = {"reason": "insult", "good_faith": "yes", "sent": "yes"}


class Reader:
    """Somebody who opens links of a site, without a key."""

    def __init__(self, client: FlaskClient, site: Site, queue: ReviewQueue) -> None:
        self.client, self.site, self.queue = client, site, queue
        self.claims: dict[str, Any] = {"url": "https://news.example/1#c-1", "title": "The news"}
        self.claims["digest"] = content_digest(COMMENT)

    def token(self, **more: Any) -> str:
        claims: dict[str, Any] = {"sub": "c-1", "exp": time() + 3_600} | self.claims | more
        sub, exp = claims.pop("sub"), claims.pop("exp")
        return sign_link(self.site, "report", sub, exp, **claims)

    def open(self, token: str | None = None, language: str = "en") -> TestResponse:
        query = {"token": token or self.token(), "lang": language}
        return self.client.get("/readers/demo/report", query_string=query)

    def send(self, token: str | None = None, **fields: str) -> TestResponse:
        form = {"token": token or self.token(), "lang": "en"} | GOOD | fields
        return self.client.post("/readers/demo/report", data=form, follow_redirects=True)

    def item(self) -> Any:
        return self.queue.item("demo", item_id_of("c-1"))

    def decide(self, action: str = "reject") -> Decision:
        lease = self.queue.lease("demo", "amal")
        assert lease is not None
        draft = Decision(action, ("insult",), "insult", moderator="amal", request_id="r")
        return self.queue.decide("demo", lease.item.id, lease.token, draft)


@pytest.fixture
def reader(client: FlaskClient, redis: Redis) -> Reader:
    site = Site("demo", name="The Paper", reader_link_secret=SECRET)
    Sites(redis).add(site)
    return Reader(client, site, ReviewQueue(redis))


def test_a_report_by_a_link_alone_brings_the_comment_before_people_with_its_page(
    reader: Reader,
) -> None:
    assert reader.open().status_code == 200
    sent = reader.send()
    assert sent.status_code == 200
    assert "was received" in sent.text
    item = reader.item()
    assert (item.why, item.published, item.comment.text) == ("reported", True, "")
    assert item.comment.article_url == "https://news.example/1#c-1"
    decision = reader.decide()
    assert decision.content_digest == content_digest(COMMENT), "the site knows which text it was"


def test_a_text_that_the_page_hands_over_is_shown_and_believed_by_its_digest(
    reader: Reader,
) -> None:
    handed = {"text": COMMENT.text.replace("\n", "\r\n"), "author_name": COMMENT.author_name}
    opened = reader.client.post(
        "/readers/demo/report", data={"token": reader.token(), "lang": "en"} | handed
    )
    assert opened.status_code == 200
    assert COMMENT.text in unescape(opened.text)
    reader.send(**handed)
    item = reader.item()
    assert (item.comment.text, item.comment.author_name) == (COMMENT.text, COMMENT.author_name)
    assert item.comment.language == "ar"


def test_a_text_without_the_digest_of_the_site_is_nobodys(reader: Reader) -> None:
    forged = {"text": "what the author never wrote", "author_name": "somebody"}
    opened = reader.client.post(
        "/readers/demo/report", data={"token": reader.token(), "lang": "en"} | forged
    )
    assert "never wrote" not in opened.text
    reader.send(**forged)
    assert reader.item().comment.text == ""
    reader.claims.pop("digest")
    reader.send(reader.token(sub="c-2"), **forged)
    assert reader.queue.item("demo", item_id_of("c-2")).comment.text == ""


def test_a_link_to_an_earlier_text_says_that_the_comment_has_changed(
    reader: Reader, redis: Redis
) -> None:
    reader.send(text=COMMENT.text, author_name=COMMENT.author_name)
    old = reader.token(digest=content_digest(Comment("c-1", "old")), reader="reader-2")
    refused = reader.send(old)
    assert refused.status_code == 409
    assert "has changed since" in refused.text
    assert reader.item().version == 1


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "x" * 5_000,
        sign_link(Site("demo", reader_link_secret=SECRET), "report", "c-1", time() - 1),
        sign_link(Site("demo", reader_link_secret="f" * 64), "report", "c-1", time() + 60),
        sign_link(Site("demo", reader_link_secret=SECRET), "appeal", "1-0", time() + 60),
        jwt.encode({"sub": "c-1", "aud": "hakam-report"}, SECRET, "HS256"),
        jwt.encode({"sub": "c-1", "aud": "hakam-report", "exp": 9e9}, None, "none"),  # type: ignore[arg-type]
        jwt.encode({"sub": "c-1", "aud": "hakam-report", "exp": 9e9}, SECRET, "HS512"),
        sign_link(
            Site("demo", reader_link_secret=SECRET), "report", "c-1", 9e9, url="javascript:alert(1)"
        ),
    ],
)
def test_a_link_that_is_not_the_sites_or_has_ended_opens_nothing(
    reader: Reader, token: str
) -> None:
    for answer in (reader.open(token or "-"), reader.send(token or "-")):
        assert answer.status_code == 404
        assert "not valid any more" in answer.text
    assert reader.queue.stats("demo").pending == 0


def test_a_site_without_a_secret_has_no_links(reader: Reader, redis: Redis) -> None:
    token = jwt.encode({"sub": "c-1", "aud": "hakam-report", "exp": 9e9}, "x" * 32, "HS256")
    Sites(redis).update(replace(reader.site, reader_link_secret=""))
    assert reader.open(token).status_code == 404


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"reason": ""}, "Choose a reason."),
        ({"reason": "invented"}, "Choose a reason."),
        ({"reason": "illegal", "explanation": " "}, "Say what is against the law"),
        ({"good_faith": ""}, "good faith"),
        ({"explanation": "x" * 2_001}, "too long"),
    ],
)
def test_an_incomplete_report_is_asked_for_again_with_what_was_typed(
    reader: Reader, fields: dict[str, str], sentence: str
) -> None:
    again = reader.send(**{"explanation": "what I typed"} | fields)
    assert again.status_code == 422
    assert sentence in again.text
    assert fields.get("explanation", "what I typed").strip() in again.text
    assert reader.queue.stats("demo").pending == 0


def test_what_a_reader_types_is_never_taken_for_markup(reader: Reader) -> None:
    again = reader.send(reason="", explanation="<script>alert(1)</script>")
    assert "<script>alert" not in again.text
    assert "script" not in again.headers["Content-Security-Policy"]


def test_the_page_of_a_report_says_what_was_decided_in_the_readers_language(
    reader: Reader,
) -> None:
    sent = reader.send()
    address = sent.request.path
    reader.decide()
    assert "Reason: Insult" in reader.client.get(address, query_string={"lang": "en"}).text
    french = reader.client.get(address, headers={"Accept-Language": "fr-DZ, ar;q=0.8"}).text
    assert 'lang="fr" dir="ltr"' in french
    assert "Motif\N{NO-BREAK SPACE}: Insulte" in french
    arabic = reader.client.get(address, headers={"Accept-Language": "de"}).text
    assert 'lang="ar" dir="rtl"' in arabic
    assert "السبب: إهانة" in arabic  # "reason: insult"
    assert reader.client.get(address[:-1] + "x").status_code == 404
    assert reader.client.get(address.replace("demo", "other")).status_code == 404


def test_one_reader_counts_once_by_the_name_that_the_site_signs_or_by_their_network(
    reader: Reader,
) -> None:
    for _ in range(3):
        reader.send()
    assert reader.item().n_reports == 1
    reader.send(reader.token(reader="reader-7"))
    reader.send(reader.token(reader="reader-7"))
    assert reader.item().n_reports == 2


def test_no_address_of_a_reader_is_kept_or_logged(
    reader: Reader, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    token = reader.token()
    reader.client.post(
        "/readers/demo/report",
        data={"token": token, "explanation": "my family", "contact": "a@example.com"} | GOOD,
        environ_base={"REMOTE_ADDR": "203.0.113.7"},
    )
    keys: Any = redis.keys()
    kept: list[Any] = [redis.dump(key) for key in keys]
    assert any(b"my family" in one for one in kept), "what is looked for would be found"
    logged = capsys.readouterr().out
    assert "/readers/<site_id>/report" in logged
    for text in ("203.0.113", token[:40], "my family", "a@example.com"):
        assert text not in logged
    assert not any(b"203.0.113" in one for one in kept)


def test_one_network_sends_so_much_an_hour_and_no_more(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(reader_limits.MAX_AN_HOUR):
        assert reader.send(reader.token(sub=f"c-{number}", reader=f"r-{number}")).status_code == 200
    refused = reader.send(reader.token(sub="c-x", reader="r-x"))
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 3_600
    other = reader.client.post(
        "/readers/demo/report",
        data={"token": reader.token(sub="c-x")} | GOOD,
        environ_base={"REMOTE_ADDR": "198.51.100.7"},
    )
    assert other.status_code == 303


def test_a_store_that_is_away_says_that_nothing_was_stored(
    settings: Settings, artifact: Artifact
) -> None:
    app = create_app(settings, redis=NOWHERE, artifact=artifact)
    answer = app.test_client().get("/readers/demo/report?token=x&lang=en")
    assert answer.status_code == 503
    assert "nothing was stored" in answer.text


def test_an_author_objects_by_the_link_of_the_statement_of_reasons(
    reader: Reader, redis: Redis
) -> None:
    reader.send()
    decision = reader.decide()
    address = appeal_address(reader.site, decision, "https://hakam.example")
    path = address.removeprefix("https://hakam.example")
    form = reader.client.get(f"{path}&lang=en")
    assert "Why do you not agree?" in form.text
    token = re.findall(r'name="token" value="([^"]+)"', form.text)[0]
    data = {"token": token, "statement": "<b>it was a joke</b>", "lang": "en"}
    for _ in range(2):
        sent = reader.client.post("/readers/demo/appeal", data=data)
        assert sent.status_code == 200
        assert "Your objection was received" in sent.text
    [waiting] = reader.queue.waiting("demo")
    assert (waiting.why, waiting.appeal) == ("appeal", "<b>it was a joke</b>")
    assert reader.open(token).status_code == 404, "it is no link to a report"


def test_an_objection_to_a_decision_that_was_taken_back_says_so(reader: Reader) -> None:
    reader.send()
    decision = reader.decide()
    token = sign_link(reader.site, "appeal", decision.id, time() + 60)
    reader.queue.undo("demo", decision.item_id, "amal", "undo")
    refused = reader.client.post("/readers/demo/appeal", data={"token": token, "lang": "en"})
    assert refused.status_code == 409


def test_the_statement_of_reasons_leads_to_the_objection(
    settings: Settings, redis: Redis, artifact: Artifact, reader: Reader
) -> None:
    public = settings.model_copy(update={"public_url": "https://hakam.example"})
    app: Flask = create_app(public, redis=redis, artifact=artifact)
    key = Sites(redis).rotate_key("demo")
    reader.send()
    decision = reader.decide()
    headers = {"Authorization": f"Bearer {key}"}
    lines = app.test_client().get("/v1/decisions", headers=headers).text.splitlines()
    [message] = [json.loads(line)["author_message"] for line in lines if "author_message" in line]
    address = appeal_address(reader.site, decision, "https://hakam.example")
    assert address in message["en"]
    assert address in message["ar"]


def test_the_script_of_the_link_is_one_that_any_page_may_load(reader: Reader) -> None:
    with reader.client.get("/readers/static/report.js") as script:
        assert script.status_code == 200
        assert "javascript" in script.headers["Content-Type"]
        assert "max-age" in script.headers["Cache-Control"]


def test_the_documented_link_opens_the_form_with_the_text_that_it_speaks_for(
    reader: Reader,
) -> None:
    page = (ROOT / "docs" / "readers-reports.md").read_text(encoding="utf-8")
    [example] = re.findall(r"(?s)```python\n(.*?)```", page)
    known: dict[str, Any] = {"text": COMMENT.text, "author_name": COMMENT.author_name}
    known |= {"comment_id": "c-1", "reader_id": "reader-1", "secret": SECRET}
    exec(example, known)
    path, _, token = known["link"].removeprefix("https://hakam.example").partition("?token=")
    handed = {"text": COMMENT.text, "author_name": COMMENT.author_name, "token": token}
    opened = reader.client.post(path.replace("ID", "demo"), data=handed)
    assert opened.status_code == 200
    assert COMMENT.text in unescape(opened.text)
