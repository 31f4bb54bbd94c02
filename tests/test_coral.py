"""Coral's external moderation phase, and the way of a decision back to Coral."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from werkzeug.test import TestResponse

from conftest import SAMPLE_COMMENTS
from models.registry import Artifact
from models.schema import LABELS, read_comments
from service.app import CORAL_REDIS_TIMEOUT_SECONDS, create_app
from service.config import Settings
from service.coral_loop import REJECTION_CODES, coral_comment_id, rejection_code
from service.policy import audit_draw
from service.review_queue import Decision, ReviewQueue
from service.sites import Site, Sites
from service.webhooks import Deliveries

HELLO = "مرحبا"  # "hello"
SECRETS = ("empsec_old", "empsec_new")
# The codes that Coral knows; one it does not know throws the whole answer away.
CORAL_CODES = {
    "OFFENSIVE",
    "ABUSIVE",
    "SPAM",
    "BANNED_WORD",
    "AD",
    "ILLEGAL_CONTENT",
    "HARASSMENT_BULLYING",
    "MISINFORMATION",
    "HATE_SPEECH",
    "IRRELEVANT_CONTENT",
    "OTHER",
}


class Coral:
    """A Coral that plays its part of the contract: signs, numbers comments, answers GraphQL."""

    def __init__(self) -> None:
        self.comments: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.fault = ""
        self.url = ""

    def phase_request(self, body: str, action: str = "NEW") -> bytes:
        """The question of the external phase, indented by two as Coral writes it."""
        return json.dumps(
            {
                "action": action,
                "comment": {"body": body, "parentID": None},
                "author": {"id": "author-1", "role": "COMMENTER"},
                "story": {"id": "story-1", "url": "https://news.example/story"},
                "site": {"id": "site-1"},
                "tenantID": "tenant-1",
                "tenantDomain": "coral.example",
            },
            indent=2,
        ).encode()

    def create(self, body: str) -> bytes:
        """Give a comment its id and return the webhook that says so."""
        number = len(self.comments) + 1
        self.comments[f"comment-{number}"] = {
            "id": f"comment-{number}",
            "body": f"<div>{body}</div>",
            "author": {"id": "author-1"},
            "revision": {"id": f"revision-{number}"},
            "status": "SYSTEM_WITHHELD",
        }
        return json.dumps(
            {
                "id": f"event-{number}",
                "type": "COMMENT_CREATED",
                "data": {"commentID": f"comment-{number}", "storyID": "story-1"},
                "createdAt": "2026-01-01T00:00:00.000Z",
                "tenantID": "tenant-1",
                "tenantDomain": "coral.example",
            }
        ).encode()

    def answer(self, token: str, asked: dict[str, Any]) -> tuple[int, bytes]:
        """Answer one GraphQL request."""
        if self.fault == "garbage":
            return 200, b"<html>"
        if self.fault == "down":
            return 502, b""
        if token != "Bearer coral-token":
            return 200, b'{"errors": [{"message": "unauthenticated"}], "data": null}'
        if asked["query"].startswith("query"):
            found = {
                name.replace("i", "c"): self.comments.get(id_)
                for name, id_ in asked["variables"].items()
            }
            return 200, json.dumps({"data": found}).encode()
        wanted = asked["variables"]["input"]
        comment = self.comments[wanted["commentID"]]
        assert comment["revision"]["id"] == wanted["commentRevisionID"]
        verb = "approveComment" if "approveComment" in asked["query"] else "rejectComment"
        comment["status"] = "APPROVED" if verb == "approveComment" else "REJECTED"
        self.calls.append((verb, wanted))
        return 200, json.dumps({"data": {verb: {"comment": {"id": comment["id"]}}}}).encode()


class _Desk(BaseHTTPRequestHandler):
    coral: ClassVar[Coral]

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, body = self.coral.answer(self.headers["Authorization"], asked)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def coral() -> Iterator[Coral]:
    coral = Coral()
    desk = type("Desk", (_Desk,), {"coral": coral})
    with ThreadingHTTPServer(("127.0.0.1", 0), desk) as server:
        coral.url = f"http://127.0.0.1:{server.server_port}/api/graphql"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield coral
        server.shutdown()
        thread.join()


@pytest.fixture
def site(coral: Coral) -> Site:
    """A site whose comments come from Coral."""
    return Site(
        "demo",
        audit_share=0.0,
        coral_secrets=SECRETS,
        coral_url=coral.url,
        coral_token="coral-token",
        webhook_private=True,
    )


Send = Callable[..., TestResponse]


def signature(raw: bytes, *secrets: str) -> str:
    """The header X-Coral-Signature: one signature for each active secret."""
    return ",".join(
        "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest() for secret in secrets
    )


@pytest.fixture
def send(client: FlaskClient, api_key: str) -> Send:
    """Post bytes signed with the newer secret."""
    return lambda raw, path="moderate": sent(client, raw, path)


def sent(client: FlaskClient, raw: bytes, path: str = "moderate") -> TestResponse:
    return client.post(
        f"/integrations/coral/{path}?site=demo",
        data=raw,
        headers={"X-Coral-Signature": signature(raw, "empsec_new")},
        content_type="application/json",
    )


@pytest.fixture(scope="session")
def harmless(artifact: Artifact) -> str:
    samples = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
    return samples[int(artifact.classifier.predict_proba(samples).max(axis=1).argmin())]


@pytest.fixture(scope="session")
def abusive(artifact: Artifact) -> str:
    samples = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
    column = artifact.classifier.labels_.index("toxicity")
    return samples[artifact.classifier.predict_proba(samples)[:, column].argmax()]


def decide(queue: ReviewQueue, action: str, **more: Any) -> None:
    lease = queue.lease("demo", "samira")
    assert lease is not None
    draft = Decision(action=action, moderator="samira", request_id="r-1", **more)
    queue.decide("demo", lease.item.id, lease.token, draft)


# The toxicity setting


def test_the_toxicity_setting_of_an_arabic_tenant_gets_its_score(
    client: FlaskClient, api_key: str, abusive: str
) -> None:
    body = {
        "comment": {"text": abusive},
        "doNotStore": True,
        "requestedAttributes": {"TOXICITY": {}},
        "languages": ["en"],  # what Coral says for ar-AE
    }
    for prefix in ("", "/v1alpha1"):
        answer = client.post(f"{prefix}/comments:analyze?key={api_key}", json=body)
        assert answer.status_code == 200
        assert answer.json is not None
        assert answer.json["attributeScores"]["TOXICITY"]["summaryScore"]["value"] > 0.5


# The phase


def test_a_clean_comment_gets_no_opinion(send: Send, coral: Coral, harmless: str) -> None:
    answer = send(coral.phase_request(f"<div>{harmless}</div>"))
    assert (answer.status_code, answer.data) == (204, b"")


def test_a_flagged_comment_is_withheld_and_waits_with_us(
    send: Send, coral: Coral, app: Flask, abusive: str
) -> None:
    answer = send(coral.phase_request(f"<div>{abusive}</div>"))
    assert answer.status_code == 200
    assert answer.json == {
        "status": "SYSTEM_WITHHELD",
        "actions": [{"actionType": "FLAG", "reason": "COMMENT_DETECTED_TOXIC"}],
    }
    lease = app.extensions["hakam"].queue.lease("demo", "samira")
    assert lease.item.comment.text == abusive
    assert lease.item.comment.article_id == "story-1"
    assert lease.item.comment.article_url == "https://news.example/story"


def test_a_replay_is_harmless(send: Send, coral: Coral, app: Flask, abusive: str) -> None:
    answers = [send(coral.phase_request(abusive)) for _ in range(3)]
    assert answers[0].json == answers[2].json
    assert app.extensions["hakam"].queue.stats("demo").pending == 1


def test_an_edited_comment_is_asked_about_anew(
    send: Send, coral: Coral, app: Flask, abusive: str
) -> None:
    send(coral.phase_request(abusive))
    assert send(coral.phase_request(f"{abusive} {abusive}", "EDIT")).status_code == 200
    assert app.extensions["hakam"].queue.stats("demo").pending == 2


def test_a_site_that_rejects_has_comments_rejected_with_a_code_that_coral_knows(
    send: Send, coral: Coral, redis: Redis, site: Site, abusive: str
) -> None:
    Sites(redis).update(replace(site, reject=dict.fromkeys(LABELS, 0.5)))
    answer = send(coral.phase_request(abusive)).json
    assert answer is not None
    assert answer["status"] == answer["moderationAction"]["status"] == "REJECTED"
    assert answer["moderationAction"]["rejectionReason"]["code"] in CORAL_CODES


def test_the_audit_publishes_and_asks_a_person_later(
    send: Send, coral: Coral, app: Flask, redis: Redis, site: Site, harmless: str
) -> None:
    Sites(redis).update(replace(site, audit_share=0.9))
    texts = (f"{harmless} {n}" for n in range(100))
    ours = (coral_comment_id("story-1", "author-1", text) for text in texts)
    drawn = next(n for n, id_ in enumerate(ours) if audit_draw("demo", id_) < 0.9)
    assert send(coral.phase_request(f"{harmless} {drawn}")).status_code == 204
    assert app.extensions["hakam"].queue.stats("demo").pending == 1


def test_a_flagged_comment_is_withheld_even_while_redis_is_down(
    settings: Settings, artifact: Artifact, app: Flask, api_key: str, coral: Coral, abusive: str
) -> None:
    nowhere = Redis(unix_socket_path="/nonexistent/redis.sock", retry=Retry(NoBackoff(), 0))
    cut = create_app(settings, redis=nowhere, artifact=artifact)
    app.extensions["hakam"].sites.remember()
    cut.extensions["hakam"].coral_sites._memory = app.extensions["hakam"].sites._memory
    answer = sent(cut.test_client(), coral.phase_request(abusive))
    assert answer.json is not None
    assert answer.json["status"] == "SYSTEM_WITHHELD"


def test_a_redis_that_says_nothing_is_not_waited_for(
    environ: dict[str, str],
    artifact: Artifact,
    app: Flask,
    api_key: str,
    coral: Coral,
    abusive: str,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts, and never answers
        url = f"redis://127.0.0.1:{mute.getsockname()[1]}"
        cut = create_app(
            Settings.from_environ(environ | {"HAKAM_REDIS_URL": url}), artifact=artifact
        )
        services = cut.extensions["hakam"]
        app.extensions["hakam"].sites.remember()
        services.coral_sites._memory = app.extensions["hakam"].sites._memory
        answer = sent(cut.test_client(), coral.phase_request(abusive))
    assert answer.json is not None
    assert answer.json["status"] == "SYSTEM_WITHHELD"
    assert 2 * CORAL_REDIS_TIMEOUT_SECONDS < 0.2  # once for the site, once for the queue


@pytest.mark.parametrize("secrets", [("empsec_old",), ("empsec_new",), ("wrong", "empsec_old")])
def test_any_active_secret_opens(
    client: FlaskClient, api_key: str, coral: Coral, harmless: str, secrets: tuple[str, ...]
) -> None:
    raw = coral.phase_request(harmless)
    headers = {"X-Coral-Signature": signature(raw, *secrets)}
    answer = client.post("/integrations/coral/moderate?site=demo", data=raw, headers=headers)
    assert answer.status_code == 204


@pytest.mark.parametrize(
    "header", ["", "sha256=", "sha256=\u00e4", "sha1=00", ",", signature(b"other", *SECRETS)]
)
def test_nothing_else_opens(
    client: FlaskClient, api_key: str, coral: Coral, abusive: str, header: str
) -> None:
    answer = client.post(
        "/integrations/coral/moderate?site=demo",
        data=coral.phase_request(abusive),
        headers={"X-Coral-Signature": header},
    )
    assert answer.status_code == 401


@pytest.mark.parametrize("query", ["", "?site=", "?site=other", "?site=%ED%A0%80"])
def test_the_address_names_the_site(
    client: FlaskClient, api_key: str, coral: Coral, query: str
) -> None:
    raw = coral.phase_request(HELLO)
    headers = {"X-Coral-Signature": signature(raw, *SECRETS)}
    answer = client.post(f"/integrations/coral/moderate{query}", data=raw, headers=headers)
    assert answer.status_code == 401


def test_a_site_without_secrets_is_open_to_nobody(client: FlaskClient, redis: Redis) -> None:
    Sites(redis).add(Site("bare"))
    headers = {"X-Coral-Signature": signature(b"{}", "")}
    answer = client.post("/integrations/coral/moderate?site=bare", data=b"{}", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": "DELETE"}, "action"),
        ({"comment": {"body": 7}}, "comment.body"),
        ({"comment": {"body": "\ud800"}}, "comment.body"),
        ({"comment": {"body": "x" * 20_481}}, "comment.body"),
        ({"author": {"id": "a b"}}, "author.id"),
        ({"story": {}}, "story.id"),
    ],
)
def test_a_message_that_is_none_is_refused_by_field(
    send: Send, coral: Coral, change: dict[str, Any], field: str
) -> None:
    answer = send(json.dumps(json.loads(coral.phase_request(HELLO)) | change).encode())
    assert answer.status_code == 422
    assert answer.json is not None
    assert [error["field"] for error in answer.json["errors"]] == [field]


@pytest.mark.parametrize("body", ["", "<div></div>", "<p>\u200d</p>", "&nbsp;"])
def test_a_comment_that_shows_nothing_gets_no_opinion(send: Send, coral: Coral, body: str) -> None:
    assert send(coral.phase_request(body)).status_code == 204


# The way back


@pytest.mark.parametrize(
    ("action", "labels", "verb"),
    [("approve", (), "approveComment"), ("reject", ("identity_attack",), "rejectComment")],
)
def test_a_decision_on_our_desk_is_carried_out_in_coral(
    send: Send,
    coral: Coral,
    app: Flask,
    redis: Redis,
    abusive: str,
    action: str,
    labels: tuple[str, ...],
    verb: str,
) -> None:
    send(coral.phase_request(f"<div>{abusive}</div>"))
    for other in (HELLO, abusive, HELLO):
        assert send(coral.create(other), "events").status_code == 204
    decide(app.extensions["hakam"].queue, action, labels=labels)
    assert Deliveries(redis, Sites(redis)).deliver_once() == 1
    ((called, wanted),) = coral.calls
    assert called == verb
    assert wanted["commentID"] == "comment-2"
    assert wanted["commentRevisionID"] == "revision-2"
    if action == "reject":
        assert wanted["reason"] == {"code": "HATE_SPEECH"}
    assert app.extensions["hakam"].queue.stats("demo").outbox == 0


@pytest.mark.parametrize("fault", ["down", "garbage"])
def test_a_coral_that_fails_is_told_again(
    send: Send, coral: Coral, app: Flask, redis: Redis, abusive: str, fault: str
) -> None:
    send(coral.phase_request(abusive))
    send(coral.create(abusive), "events")
    decide(app.extensions["hakam"].queue, "reject", labels=("insult",))
    coral.fault = fault
    Deliveries(redis, Sites(redis)).deliver_once()
    assert coral.calls == []
    assert app.extensions["hakam"].queue.stats("demo").outbox == 1
    coral.fault = ""
    (due,) = redis.zrange("{hakam:demo}:outbox", 0, -1)
    redis.zadd("{hakam:demo}:outbox", {str(due): 0})  # time passes
    Deliveries(redis, Sites(redis)).deliver_once()
    assert [verb for verb, _ in coral.calls] == ["rejectComment"]
    assert app.extensions["hakam"].queue.stats("demo").outbox == 0


@pytest.mark.parametrize("changes", [{"coral_token": "old"}, {"webhook_private": False}])
def test_a_coral_that_refuses_us_keeps_the_decision_in_the_outbox(
    send: Send,
    coral: Coral,
    app: Flask,
    redis: Redis,
    site: Site,
    abusive: str,
    changes: dict[str, Any],
) -> None:
    Sites(redis).update(replace(site, **changes))
    send(coral.phase_request(abusive))
    send(coral.create(abusive), "events")
    decide(app.extensions["hakam"].queue, "approve")
    Deliveries(redis, Sites(redis)).deliver_once()
    assert coral.calls == []
    assert app.extensions["hakam"].queue.stats("demo").outbox == 1


def test_a_decision_before_coral_has_told_the_id_waits(
    send: Send, coral: Coral, app: Flask, redis: Redis, abusive: str
) -> None:
    send(coral.phase_request(abusive))
    decide(app.extensions["hakam"].queue, "approve")
    Deliveries(redis, Sites(redis)).deliver_once()
    assert app.extensions["hakam"].queue.stats("demo").outbox == 1


@pytest.mark.parametrize("kind", ["STORY_CREATED", "COMMENT_LEFT_MODERATION_QUEUE", "OF_TOMORROW"])
def test_events_that_say_nothing_new_are_accepted(send: Send, kind: str) -> None:
    raw = json.dumps({"id": "e", "type": kind, "data": {"storyID": "s", "new": 1}}).encode()
    assert send(raw, "events").status_code == 204


def test_our_id_of_a_comment_is_the_same_in_both_formats_of_the_phase() -> None:
    formats = {
        coral_comment_id("s", "a", body) for body in ("<div>x<br>y</div>", "x\ny", "x y", " x  y ")
    }
    assert len(formats) == 1
    assert coral_comment_id("s", "b", "x") != coral_comment_id("s", "a", "x")


def test_every_rejection_has_a_code_that_coral_knows() -> None:
    assert set(REJECTION_CODES.values()) <= CORAL_CODES
    assert rejection_code("", ()) == "OTHER"
    assert rejection_code("off_topic", ("insult",)) == "IRRELEVANT_CONTENT"
    assert {rejection_code("", (label,)) for label in LABELS} <= CORAL_CODES - {"OTHER"}
