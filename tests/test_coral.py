"""Coral's external moderation phase, and the way of a decision to Coral and back."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import pytest
from fake_coral import (
    ADMINISTRATOR,
    MODERATOR,
    READER,
    SCHEMA,
    SECRETS,
    STORY,
    Comment,
    Coral,
    listening,
    signature,
)
from flask import Flask
from flask.testing import FlaskClient
from graphql import build_schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from conftest import NOWHERE, SAMPLE_COMMENTS, await_condition, deliver_once, settings_in
from models.artifact import Artifact
from models.schema import LABELS, read_comments
from service.app import CORAL_REDIS_TIMEOUT_SECONDS, create_app
from service.compat.coral import MAX_JUDGED_BYTES
from service.config import Settings
from service.delivery.coral import (
    HEARD_SECONDS,
    MAX_HEARD,
    REJECTION_CODES,
    CoralSync,
    coral_comment_id,
    rejection_code,
)
from service.delivery.coral_client import BATCH, MAX_PAGES
from service.delivery.webhooks import Deliveries
from service.moderation import CUT
from service.queue.decisions import DecisionStream
from service.queue.records import Decision, item_id_of
from service.queue.review_queue import ReviewQueue
from service.rules.policy import random_draw
from service.scoring import MAX_TEXT_BYTES
from service.sites.site import Site
from service.sites.sites import Sites

pytestmark = pytest.mark.slow

HELLO = "\u0645\u0631\u062d\u0628\u0627"  # "hello"
PADDING = "\u0645\u0642\u0627\u0644 \u062c\u064a\u062f "  # "good article"
CODES = build_schema(SCHEMA).type_map["REJECTION_REASON_CODE"].values  # type: ignore[attr-defined]


@pytest.fixture
def coral(client: FlaskClient) -> Iterator[Coral]:
    """A Coral with the site `demo` of the service."""
    with listening(Coral(client)) as coral:
        yield coral


@pytest.fixture
def site(coral: Coral) -> Site:
    """A site whose comments come from Coral."""
    return Site(
        "demo",
        random_sample_share=0.0,
        coral_secrets=SECRETS,
        coral_url=coral.url,
        coral_token=ADMINISTRATOR,
        webhook_private=True,
    )


@pytest.fixture
def queue(app: Flask, api_key: str) -> ReviewQueue:
    """Our desk; by its key the site is stored."""
    queue: ReviewQueue = app.extensions["hakam"].queue
    return queue


@pytest.fixture
def deliveries(redis: Redis) -> Deliveries:
    """What tells Coral."""
    return Deliveries(redis, Sites(redis))


@pytest.fixture(scope="session")
def harmless(artifact: Artifact) -> str:
    """A comment that nothing speaks against."""
    samples = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
    return samples[int(artifact.classifier.predict_proba(samples).max(axis=1).argmin())]


@pytest.fixture(scope="session")
def abusive(artifact: Artifact) -> str:
    """A comment that is flagged."""
    samples = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]
    column = artifact.classifier.labels.index("toxicity")
    return samples[artifact.classifier.predict_proba(samples)[:, column].argmax()]


def decide(queue: ReviewQueue, action: str, request_id: str = "r-1", **more: Any) -> Decision:
    lease = queue.lease("demo", "samira")
    assert lease is not None
    draft = Decision(action=action, moderator="samira", request_id=request_id, **more)
    return queue.decide("demo", lease.item.id, lease.token, draft)


def item_state(queue: ReviewQueue, comment: Comment) -> str:
    ours = coral_comment_id(comment.story, comment.author, comment.bodies[-1])
    return queue.item("demo", item_id_of(ours)).state


def withheld(client: FlaskClient, error: str) -> bool:
    """Whether the metrics have counted a comment that waits in Coral alone."""
    line = f'hakam_withheld_total{{interface="coral",reason="{error}"}} 1.0'
    return line in client.get("/metrics").text


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


def test_a_clean_comment_gets_no_opinion(coral: Coral, api_key: str, harmless: str) -> None:
    answer = coral.ask(f"<div>{harmless}</div>")
    assert (answer.status_code, answer.data) == (204, b"")
    assert coral.write(harmless).status == "NONE"


def test_a_comment_with_personal_data_is_withheld_and_called_neither_toxic_nor_spam(
    coral: Coral, queue: ReviewQueue, harmless: str
) -> None:
    assert coral.ask(f"<div>{harmless} samira@mail.example</div>").json == {
        "status": "SYSTEM_WITHHELD"
    }
    lease = queue.lease("demo", "samira")
    assert lease is not None
    assert lease.item.verdict.reason == "personal_data"


def test_a_flagged_comment_is_withheld_and_waits_with_us(
    coral: Coral, queue: ReviewQueue, abusive: str
) -> None:
    assert coral.ask(f"<div>{abusive}</div>").json == {
        "status": "SYSTEM_WITHHELD",
        "actions": [{"actionType": "FLAG", "reason": "COMMENT_DETECTED_TOXIC"}],
    }
    lease = queue.lease("demo", "samira")
    assert lease is not None
    assert lease.item.comment.text == abusive
    assert lease.item.comment.article_id == STORY
    assert lease.item.comment.author_id == READER
    assert lease.item.comment.article_url == "https://news.example/story"


def test_a_replay_is_harmless(coral: Coral, queue: ReviewQueue, abusive: str) -> None:
    answers = [coral.ask(abusive) for _ in range(3)]
    assert answers[0].json == answers[2].json
    assert queue.stats("demo").pending == 1


def test_an_edited_comment_is_asked_about_anew(
    coral: Coral, queue: ReviewQueue, harmless: str, abusive: str
) -> None:
    comment = coral.write(harmless)
    coral.edit(comment, abusive)
    assert comment.status == "SYSTEM_WITHHELD"
    assert queue.stats("demo").pending == 1


def test_a_site_that_rejects_has_comments_rejected_with_a_code_that_coral_knows(
    coral: Coral, api_key: str, redis: Redis, site: Site, abusive: str
) -> None:
    Sites(redis).update(replace(site, reject=dict.fromkeys(LABELS, 0.5)))
    assert coral.write(abusive).status == "REJECTED"
    answer = coral.ask(abusive).json
    assert answer is not None
    assert answer["moderationAction"]["status"] == "REJECTED"
    assert answer["moderationAction"]["rejectionReason"]["code"] in CODES


def test_a_comment_of_the_random_sample_is_published_and_a_person_asked_later(
    coral: Coral, queue: ReviewQueue, redis: Redis, site: Site, harmless: str
) -> None:
    assert coral.write(drawn(redis, site, harmless)).status == "NONE"
    assert queue.stats("demo").pending == 1


def test_a_comment_that_would_be_rejected_is_withheld_where_the_random_sample_keeps_it(
    coral: Coral, api_key: str, redis: Redis, site: Site, abusive: str
) -> None:
    Sites(redis).update(replace(site, reject=dict.fromkeys(LABELS, 0.5), random_sample_share=1.0))
    assert coral.write(abusive).status == "SYSTEM_WITHHELD"


def drawn(redis: Redis, site: Site, harmless: str) -> str:
    """A comment of the random sample, once the site has been given such a share."""
    Sites(redis).update(replace(site, random_sample_share=0.9))
    texts = (f"{harmless} {n}" for n in range(100))
    return next(
        text for text in texts if random_draw("demo", coral_comment_id(STORY, READER, text)) < 0.9
    )


@pytest.mark.parametrize("secrets", [("empsec_old",), ("empsec_new",), ("wrong", "empsec_old")])
def test_any_active_secret_opens(
    client: FlaskClient, api_key: str, coral: Coral, harmless: str, secrets: tuple[str, ...]
) -> None:
    raw = coral.question(harmless)
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
        data=coral.question(abusive),
        headers={"X-Coral-Signature": header},
    )
    assert answer.status_code == 401


@pytest.mark.parametrize("query", ["", "?site=", "?site=other", "?site=%ED%A0%80"])
def test_the_address_names_the_site(
    client: FlaskClient, api_key: str, coral: Coral, query: str
) -> None:
    raw = coral.question(HELLO)
    headers = {"X-Coral-Signature": signature(raw, *SECRETS)}
    answer = client.post(f"/integrations/coral/moderate{query}", data=raw, headers=headers)
    assert answer.status_code == 401


def test_a_site_without_secrets_is_open_to_nobody(client: FlaskClient, redis: Redis) -> None:
    Sites(redis).add(Site("bare"))
    headers = {"X-Coral-Signature": signature(b"{}", "")}
    answer = client.post("/integrations/coral/moderate?site=bare", data=b"{}", headers=headers)
    assert answer.status_code == 401


# Every genuine question gets a verdict, because Coral publishes on anything else


IDS = [
    "news/2026/11/27-title",
    "article:99",
    "https://news.example/?p=7&x=1",
    "post|7",
    "reader@mail.example",
    "two words",
    "\u0645\u0642\u0627\u0644 7",  # "article 7"
    "100%25",
    "*",
    "\ud83d",
    "a\0b",
    "a" * 300,
    "\u0645" * 300,
    "a" * 100_000,
    "",
]


@pytest.mark.slow
@pytest.mark.parametrize("id_", IDS)
@pytest.mark.parametrize("field", ["story", "author"])
def test_ids_are_any_string(
    coral: Coral, queue: ReviewQueue, abusive: str, field: str, id_: str
) -> None:
    changes: dict[str, Any] = {field: {"id": id_, "role": None, "url": None}}
    answer = coral.ask(abusive, **changes)
    assert answer.json is not None
    assert answer.json["status"] == "SYSTEM_WITHHELD"
    (item,) = queue.waiting("demo")
    assert len(item.comment.id) <= 256


def test_different_ids_make_different_comments() -> None:
    ids = [
        coral_comment_id(story, author, "x")
        for story in (*IDS, f"{IDS[-2]}b")
        for author in (*IDS, f"{IDS[-2]}b")
    ]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "change",
    [
        {"action": "OF_TOMORROW"},
        {"author": {"id": READER, "role": None}},
        {"author": None},
        {"story": {}},
        {"story": {"id": 7, "url": ["x"]}},
        {"story": {"id": STORY, "url": "javascript:alert(1)"}},
        {"story": {"id": STORY, "url": "http://[::1"}},
        {"tenantID": None, "of_tomorrow": {"x": 1}},
    ],
)
def test_what_coral_says_beside_the_text_never_keeps_it_from_being_judged(
    coral: Coral, queue: ReviewQueue, abusive: str, harmless: str, change: dict[str, Any]
) -> None:
    answer = coral.ask(abusive, **change).json
    assert answer is not None
    assert answer["status"] == "SYSTEM_WITHHELD"
    assert coral.ask(harmless, **change).status_code == 204
    (item,) = queue.waiting("demo")
    assert item.comment.article_url in ("", "https://news.example/story")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"comment": null}',
        b'{"comment": "text"}',
        b'{"comment": {"body": null}}',
        b'{"comment": {"body": 7}}',
        b'{"comment": {"body": ["text"]}}',
        b'{"comment": {"body": "a"}, "comment": {"body": "b"}}',
        b'{"comment": {"body": "a"}, "n": NaN}',
        b'{"comment": {"body": "a"}, "n": ' + b"9" * 5_000 + b"}",
        b"[" * 100_000,
    ],
)
def test_a_signed_question_that_cannot_be_read_is_withheld_and_counted(
    client: FlaskClient, coral: Coral, api_key: str, raw: bytes
) -> None:
    answer = coral.send(raw)
    assert (answer.status_code, answer.json) == (200, {"status": "SYSTEM_WITHHELD"})
    assert withheld(client, "MalformedJson") or withheld(client, "InvalidRequest")


@given(
    body=st.one_of(st.text(), st.text(alphabet="<>&#a1;/\ud800\0 ")),
    story=st.text(alphabet=st.characters(), max_size=400),
    author=st.one_of(st.none(), st.text(), st.integers()),
    more=st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
    shape=st.sampled_from(["question", "comment", "anything"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_signed_question_gets_a_verdict(
    coral: Coral,
    api_key: str,
    body: str,
    story: str,
    author: object,
    more: Any,
    shape: str,
) -> None:
    if shape == "anything":
        raw = json.dumps(more).encode()
    elif shape == "comment":
        raw = json.dumps({"comment": {"body": body, "parentID": more}}).encode()
    else:
        raw = coral.question(body, story={"id": story, "url": body}, author={"id": author}, x=more)
    answer = coral.send(raw)
    assert answer.status_code in (200, 204)
    assert answer.json["status"] if answer.status_code == 200 else not answer.data  # type: ignore[index]


@pytest.mark.parametrize(
    "before", [f"&#{'9' * 4_301};", "<" + "a" * 16_000, "\ud83d", "\0", "&#0;", "<!--", "<a b='"]
)
def test_nothing_before_an_insult_keeps_it_from_being_judged(
    coral: Coral, queue: ReviewQueue, abusive: str, before: str
) -> None:
    answer = coral.ask(f"{before} {abusive}").json
    assert answer is not None
    assert answer["status"] == "SYSTEM_WITHHELD"
    assert queue.stats("demo").pending == 1


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_insult_in_a_text_longer_than_the_desk_takes_is_found_and_shown(
    coral: Coral, queue: ReviewQueue, abusive: str, place: int
) -> None:
    words = PADDING * (2 * MAX_TEXT_BYTES // len(PADDING.encode()))
    at = (0, len(words) // 2, len(words))[place]
    answer = coral.ask(f"{words[:at]}\n{abusive}.\n{words[at:]}").json
    assert answer is not None
    assert answer["status"] == "SYSTEM_WITHHELD"
    (item,) = queue.waiting("demo")
    assert abusive in item.comment.text
    assert CUT in item.comment.text
    assert len(item.comment.text.removesuffix(CUT).encode()) <= MAX_TEXT_BYTES


def test_a_text_that_is_longer_than_can_be_judged_in_time_waits_in_coral(
    client: FlaskClient, coral: Coral, queue: ReviewQueue
) -> None:
    comment = coral.write(PADDING * (MAX_JUDGED_BYTES // 10))
    assert comment.status == "SYSTEM_WITHHELD"
    assert queue.stats("demo").pending == 0
    assert withheld(client, "InvalidRequest")


def test_a_question_longer_than_any_of_coral_is_withheld(coral: Coral, api_key: str) -> None:
    answer = coral.ask("x" * 17 * 1024 * 1024)
    assert answer.json == {"status": "SYSTEM_WITHHELD"}


@pytest.mark.parametrize("body", ["", "<div></div>", "<p>\u200d</p>", "&nbsp;"])
def test_a_comment_that_shows_nothing_gets_no_opinion(
    coral: Coral, api_key: str, body: str
) -> None:
    assert coral.ask(body).status_code == 204


def test_a_fault_of_ours_withholds_and_is_logged_and_counted(
    client: FlaskClient,
    coral: Coral,
    app: Flask,
    api_key: str,
    harmless: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(harmless)

    monkeypatch.setattr(app.extensions["hakam"].coral_moderation, "submit", fail)
    assert coral.ask(harmless).json == {"status": "SYSTEM_WITHHELD"}
    assert withheld(client, "RuntimeError")
    logged = capsys.readouterr().out
    assert '"RuntimeError"' in logged
    assert harmless not in logged


def test_a_store_that_was_emptied_does_not_let_comments_through(
    client: FlaskClient, coral: Coral, api_key: str, redis: Redis, abusive: str
) -> None:
    assert client.get("/readyz").status_code == 200
    redis.flushall()
    assert coral.ask(abusive).json == {"status": "SYSTEM_WITHHELD"}


def test_a_flagged_comment_is_withheld_even_while_redis_is_down(
    settings: Settings,
    artifact: Artifact,
    app: Flask,
    api_key: str,
    abusive: str,
    harmless: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cut = create_app(settings, redis=NOWHERE, artifact=artifact)
    app.extensions["hakam"].known_sites.remember()
    cut.extensions["hakam"].coral_sites._memory = app.extensions["hakam"].known_sites._memory
    coral = Coral(cut.test_client())
    assert coral.write(abusive).status == "SYSTEM_WITHHELD"
    assert withheld(cut.test_client(), "StoreUnavailable")
    assert '"withheld: StoreUnavailable"' in capsys.readouterr().out
    assert coral.write(harmless).status == "NONE"


@pytest.mark.parametrize(
    "wish", [{"review_first_comments": 1}, {"review_after_rejections": 1}], ids=str
)
def test_who_cannot_be_looked_up_is_withheld_where_some_authors_are_watched(
    settings: Settings,
    artifact: Artifact,
    app: Flask,
    api_key: str,
    redis: Redis,
    site: Site,
    harmless: str,
    wish: dict[str, int],
) -> None:
    Sites(redis).update(replace(site, **wish))  # type: ignore[arg-type]
    cut = create_app(settings, redis=NOWHERE, artifact=artifact)
    app.extensions["hakam"].known_sites.remember()
    cut.extensions["hakam"].coral_sites._memory = app.extensions["hakam"].known_sites._memory
    assert Coral(cut.test_client()).write(harmless).status == "SYSTEM_WITHHELD"


def test_a_question_about_a_site_that_nothing_is_known_of_is_withheld(
    settings: Settings, artifact: Artifact, harmless: str
) -> None:
    cut = create_app(settings, redis=NOWHERE, artifact=artifact).test_client()
    assert Coral(cut).write(harmless).status == "SYSTEM_WITHHELD"


def test_a_quota_that_is_used_up_withholds_and_decisions_are_heard_all_the_same(
    client: FlaskClient, redis: Redis, harmless: str
) -> None:
    Sites(redis).add(Site("demo", coral_secrets=SECRETS, requests_per_minute=2))
    coral = Coral(client)
    event = b'{"type": "x"}'
    assert coral.write(harmless).status == "NONE"
    assert coral.send(event, "events").status_code == 204
    assert coral.write(harmless).status == "SYSTEM_WITHHELD", "both were counted"
    assert withheld(client, "RateLimited")
    assert coral.send(event, "events").status_code == 204


def test_a_redis_that_says_nothing_is_not_waited_for(
    environ: dict[str, str], artifact: Artifact, app: Flask, api_key: str, abusive: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts, and never answers
        url = f"redis://127.0.0.1:{mute.getsockname()[1]}"
        cut = create_app(settings_in(environ | {"HAKAM_REDIS_URL": url}), artifact=artifact)
        services = cut.extensions["hakam"]
        app.extensions["hakam"].known_sites.remember()
        services.coral_sites._memory = app.extensions["hakam"].known_sites._memory
        assert Coral(cut.test_client()).write(abusive).status == "SYSTEM_WITHHELD"
    assert 2 * CORAL_REDIS_TIMEOUT_SECONDS < 0.2  # once for the site, once for the queue


# From our desk to Coral


@pytest.mark.parametrize(
    ("action", "labels", "status", "code"),
    [("approve", (), "APPROVED", ""), ("reject", ("identity_attack",), "REJECTED", "HATE_SPEECH")],
)
def test_a_decision_on_our_desk_is_carried_out_in_coral(
    coral: Coral,
    queue: ReviewQueue,
    deliveries: Deliveries,
    abusive: str,
    harmless: str,
    action: str,
    labels: tuple[str, ...],
    status: str,
    code: str,
) -> None:
    others = [coral.write(harmless), coral.write(abusive, author="author-2")]
    comment = coral.write(abusive)
    others.append(coral.write(abusive, story="story-2"))
    before = [other.status for other in others]
    ours = coral_comment_id(STORY, READER, abusive)
    decide_one(queue, ours, action, labels=labels)
    assert deliver_once(deliveries) == 1
    assert (comment.status, comment.reason) == (status, code)
    assert [other.status for other in others] == before
    assert queue.stats("demo").outbox == 0


def decide_one(queue: ReviewQueue, comment_id: str, action: str, **more: Any) -> None:
    """Decide about one comment, whatever else waits."""
    while True:
        lease = queue.lease("demo", "samira")
        assert lease is not None
        if lease.item.comment.id == comment_id:
            draft = Decision(action=action, moderator="samira", request_id="r-1", **more)
            queue.decide("demo", lease.item.id, lease.token, draft)
            return


def test_a_comment_of_the_random_sample_can_be_rejected_in_coral(
    coral: Coral,
    queue: ReviewQueue,
    deliveries: Deliveries,
    redis: Redis,
    site: Site,
    harmless: str,
) -> None:
    comment = coral.write(drawn(redis, site, harmless))
    decide(queue, "reject", labels=("spam",))
    deliver_once(deliveries)
    assert (comment.status, comment.reason) == ("REJECTED", "SPAM")


def test_what_the_policy_rejected_can_be_approved_after_an_appeal(
    coral: Coral,
    queue: ReviewQueue,
    stream: DecisionStream,
    deliveries: Deliveries,
    redis: Redis,
    site: Site,
    abusive: str,
) -> None:
    Sites(redis).update(replace(site, reject=dict.fromkeys(LABELS, 0.5)))
    comment = coral.write(abusive)
    (rejected,) = stream.read("demo")
    queue.appeal("demo", rejected.id, "x")
    decide(queue, "approve")
    deliver_once(deliveries)
    assert comment.status == "APPROVED"


def test_two_comments_with_the_same_words_are_decided_together(
    coral: Coral, queue: ReviewQueue, deliveries: Deliveries, abusive: str, harmless: str
) -> None:
    comments = [coral.write(abusive), coral.write(harmless), coral.write(abusive)]
    decide(queue, "reject")
    deliver_once(deliveries)
    assert [comment.status for comment in comments] == ["REJECTED", "NONE", "REJECTED"]


@pytest.mark.parametrize(("action", "status"), [("approve", "NONE"), ("reject", "REJECTED")])
def test_the_same_words_again_after_a_decision_are_decided_at_once(
    coral: Coral,
    queue: ReviewQueue,
    deliveries: Deliveries,
    abusive: str,
    harmless: str,
    action: str,
    status: str,
) -> None:
    coral.write(abusive)
    decided = decide(queue, action)
    deliver_once(deliveries)
    coral.write(harmless)
    assert coral.write(abusive).status == status
    assert queue.stats("demo").pending == 0
    queue.undo("demo", decided.item_id, "samira", "r-2")
    assert coral.write(abusive).status == "SYSTEM_WITHHELD"


def test_the_same_words_again_after_a_decision_in_coral_come_before_our_desk(
    coral: Coral, queue: ReviewQueue, site: Site, redis: Redis, abusive: str
) -> None:
    coral.decide(coral.write(abusive), "APPROVED")
    CoralSync(redis).catch_up(site)
    assert queue.stats("demo").pending == 0
    assert coral.write(abusive).status == "SYSTEM_WITHHELD"
    assert queue.stats("demo").pending == 1


def test_a_comment_is_found_among_as_many_later_ones_as_an_author_may_write(
    coral: Coral, queue: ReviewQueue, deliveries: Deliveries, abusive: str
) -> None:
    comment = coral.write(abusive)
    later = comment.created.replace(year=comment.created.year + 1)
    for n in range(2 * MAX_PAGES * BATCH):
        id_ = f"later-{n}"
        coral.comments[id_] = Comment(id_, "story-2", READER, later, [HELLO])
        later = later.replace(microsecond=n)
    decide(queue, "reject")
    deliver_once(deliveries)
    assert comment.status == "REJECTED"
    assert coral.asked.count("user") <= 2 * MAX_PAGES


@pytest.mark.parametrize("fault", ["down", "garbage"])
def test_a_coral_that_fails_is_told_again(
    coral: Coral,
    queue: ReviewQueue,
    deliveries: Deliveries,
    redis: Redis,
    abusive: str,
    fault: str,
) -> None:
    comment = coral.write(abusive)
    decide(queue, "reject", labels=("insult",))
    coral.fault = fault
    deliver_once(deliveries)
    assert comment.status == "SYSTEM_WITHHELD"
    assert queue.stats("demo").outbox == 1
    coral.fault = ""
    make_due(redis)
    deliver_once(deliveries)
    assert comment.status == "REJECTED"
    assert queue.stats("demo").outbox == 0


def make_due(redis: Redis) -> None:
    (due,) = redis.zrange("{hakam:demo}:outbox", 0, -1)
    redis.zadd("{hakam:demo}:outbox", {str(due): 0})  # time passes


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"coral_token": "old"}, "Coral: the access token is not that of an administrator"),
        ({"coral_token": MODERATOR}, "Coral: the access token is not that of an administrator"),
        ({"webhook_private": False}, "Coral: the address leads to a private network"),
    ],
)
def test_a_coral_that_refuses_us_keeps_the_decision_in_the_outbox_and_says_why(
    coral: Coral,
    queue: ReviewQueue,
    deliveries: Deliveries,
    redis: Redis,
    site: Site,
    abusive: str,
    changes: dict[str, Any],
    failure: str,
) -> None:
    Sites(redis).update(replace(site, **changes))
    comment = coral.write(abusive)
    decide(queue, "approve")
    deliver_once(deliveries)
    assert comment.status == "SYSTEM_WITHHELD"
    assert queue.stats("demo").outbox == 1
    assert deliveries.endpoint("demo").failure == failure


def test_a_decision_before_coral_has_stored_the_comment_waits(
    coral: Coral, queue: ReviewQueue, deliveries: Deliveries, redis: Redis, abusive: str
) -> None:
    coral.ask(f"<div>{abusive}</div>")
    decide(queue, "approve")
    deliver_once(deliveries)
    assert queue.stats("demo").outbox == 1
    comment = coral.write(abusive)
    make_due(redis)
    deliver_once(deliveries)
    assert comment.status == "APPROVED"
    assert queue.stats("demo").outbox == 0


def test_a_decision_about_words_that_were_edited_away_is_given_up_and_says_why(
    app: Flask,
    coral: Coral,
    queue: ReviewQueue,
    deliveries: Deliveries,
    redis: Redis,
    site: Site,
    harmless: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.delivery.coral.LATE_SECONDS", -1.0)  # time passes
    comment = coral.write(drawn(redis, site, harmless))
    Sites(redis).update(site)
    app.extensions["hakam"].coral_sites.remember()  # else the new settings hold in a second
    coral.edit(comment, HELLO)
    decide(queue, "reject")
    deliver_once(deliveries)
    assert comment.status == "NONE"
    (letter,) = deliveries.dead_letters("demo")
    assert letter.failure == "Coral: no comment has these words, author and story"


def test_our_id_of_a_comment_is_the_same_in_both_formats_of_the_phase() -> None:
    formats = {
        coral_comment_id("s", "a", body)
        for body in ("<div>x<br>y &lt;b c&gt;</div>", "x\ny <b c>", "x y <b c>", " x  y\n<b c> ")
    }
    assert len(formats) == 1
    assert coral_comment_id("s", "b", "x") != coral_comment_id("s", "a", "x")


def test_every_rejection_has_a_code_that_coral_knows() -> None:
    assert set(REJECTION_CODES.values()) <= set(CODES)
    assert rejection_code("", ()) == "OTHER"
    assert rejection_code("off_topic", ("insult",)) == "IRRELEVANT_CONTENT"
    assert {rejection_code("", (label,)) for label in LABELS} <= set(CODES) - {"OTHER"}


# From Coral to our desk


@pytest.mark.parametrize("status", ["APPROVED", "REJECTED"])
def test_what_a_moderator_decides_in_coral_leaves_our_desk(
    coral: Coral, queue: ReviewQueue, site: Site, redis: Redis, abusive: str, status: str
) -> None:
    comment, other = coral.write(abusive), coral.write(abusive, author="author-2")
    coral.decide(comment, status)
    assert CoralSync(redis).catch_up(site) == ""
    assert item_state(queue, comment) == "withdrawn"
    assert item_state(queue, other) == "pending"
    coral.asked.clear()
    CoralSync(redis).catch_up(site)
    assert coral.asked == []  # it is done with


def test_an_item_stays_while_a_comment_with_the_same_words_waits_in_coral(
    coral: Coral, queue: ReviewQueue, site: Site, redis: Redis, abusive: str, harmless: str
) -> None:
    first, _, second = coral.write(abusive), coral.write(harmless), coral.write(abusive)
    coral.decide(first, "APPROVED")
    CoralSync(redis).catch_up(site)
    assert item_state(queue, second) == "pending"
    coral.decide(second, "REJECTED")
    CoralSync(redis).catch_up(site)
    assert item_state(queue, second) == "withdrawn"


def test_our_own_decisions_are_not_taken_for_those_of_people(
    coral: Coral,
    queue: ReviewQueue,
    deliveries: Deliveries,
    site: Site,
    redis: Redis,
    abusive: str,
) -> None:
    comment = coral.write(abusive)
    decided = decide(queue, "approve")
    deliver_once(deliveries)
    assert [event["type"] for event in coral.events[-2:]] == ["COMMENT_LEFT_MODERATION_QUEUE"] * 2
    queue.undo("demo", decided.item_id, "samira", "r-2")
    CoralSync(redis).catch_up(site)
    assert item_state(queue, comment) == "pending"
    decide(queue, "reject", "r-3")
    make_due(redis)
    deliver_once(deliveries)
    assert comment.status == "REJECTED"


@pytest.mark.parametrize(("there", "here"), [("APPROVED", "reject"), ("REJECTED", "approve")])
def test_a_persons_decision_in_coral_is_never_overturned(
    coral: Coral,
    queue: ReviewQueue,
    deliveries: Deliveries,
    abusive: str,
    there: str,
    here: str,
) -> None:
    coral.subscribed = ()  # nothing says that somebody decided there
    comment = coral.write(abusive)
    coral.decide(comment, there)
    decide(queue, here)
    deliver_once(deliveries)
    assert comment.status == there
    assert len(comment.history) == 2
    [letter] = deliveries.dead_letters("demo")
    assert letter.failure == "Coral: a moderator there decided otherwise, and that stands"
    assert deliveries.endpoint("demo").failing_since == 0, "the site is well"
    assert queue.stats("demo").outbox == 0


def test_the_delivery_process_hears_what_was_decided_in_coral(
    coral: Coral, queue: ReviewQueue, deliveries: Deliveries, abusive: str
) -> None:
    stop = Event()
    loop = Thread(target=deliveries.run, args=(stop,))
    loop.start()
    try:
        comment = coral.write(abusive)
        coral.decide(comment, "APPROVED")
        await_condition(lambda: item_state(queue, comment) == "withdrawn", what="the withdrawal")
    finally:
        stop.set()
        loop.join()


def test_a_coral_that_cannot_be_asked_is_asked_later(
    coral: Coral, queue: ReviewQueue, site: Site, redis: Redis, abusive: str
) -> None:
    comment = coral.write(abusive)
    coral.decide(comment, "APPROVED")
    coral.fault = "down"
    assert CoralSync(redis).catch_up(site) == "Coral: status 502"
    coral.fault = ""
    assert CoralSync(redis).catch_up(site) == ""
    assert item_state(queue, comment) == "pending"
    redis.zadd("{hakam:demo}:coral", {comment.id: 0})  # time passes
    CoralSync(redis).catch_up(site)
    assert item_state(queue, comment) == "withdrawn"


def test_what_was_decided_in_coral_before_the_clock_was_set_back_waits_for_nothing(
    coral: Coral, queue: ReviewQueue, site: Site, redis: Redis, abusive: str
) -> None:
    comment = coral.write(abusive)
    coral.decide(comment, "APPROVED")
    redis.zincrby("{hakam:demo}:coral", 7_200, comment.id)
    loop = CoralSync(redis)
    assert loop.has_heard(site)
    loop.catch_up(site)
    assert item_state(queue, comment) == "withdrawn"
    assert not loop.has_heard(site)


def test_the_feedback_that_coral_sends_is_that_of_its_moderators_and_not_ours(
    coral: Coral,
    queue: ReviewQueue,
    deliveries: Deliveries,
    app: Flask,
    api_key: str,
    abusive: str,
    harmless: str,
) -> None:
    coral.key = api_key
    ours, theirs = coral.write(abusive), coral.write(harmless)
    decide(queue, "reject")
    deliver_once(deliveries)
    assert ours.status == "REJECTED"
    coral.decide(theirs, "APPROVED")
    coral.decide(theirs, "REJECTED")
    (kept,) = app.extensions["hakam"].feedback.read_all("demo")
    assert (kept.id, dict(kept.labels)) == (f"comment:{theirs.id}", {"toxicity": 1.0})
    coral.decide(ours, "APPROVED")
    assert len(list(app.extensions["hakam"].feedback.read_all("demo"))) == 2


@pytest.mark.parametrize(
    "event",
    [
        {"type": "STORY_CREATED", "data": {"storyID": "s", "new": 1}},
        {"type": "COMMENT_CREATED", "data": {"commentID": "c", "storyID": "s"}},
        {"type": "COMMENT_LEFT_MODERATION_QUEUE", "data": {"commentID": "c", "status": "NONE"}},
        {"type": "COMMENT_LEFT_MODERATION_QUEUE", "data": {"commentID": 7, "status": "APPROVED"}},
        {"type": "COMMENT_LEFT_MODERATION_QUEUE", "data": None},
        {"type": "OF_TOMORROW"},
        [],
    ],
)
def test_events_that_say_nothing_of_a_decision_are_accepted(
    coral: Coral, api_key: str, redis: Redis, event: object
) -> None:
    assert coral.send(json.dumps(event).encode(), "events").status_code == 204
    assert not redis.exists("{hakam:demo}:coral")


@pytest.mark.slow
def test_as_many_events_are_kept_as_fit(coral: Coral, api_key: str, redis: Redis) -> None:
    for n in range(MAX_HEARD + 10):
        CoralSync(redis).note("demo", f"comment-{n}")
    assert redis.zcard("{hakam:demo}:coral") == MAX_HEARD
    assert 0 < redis.ttl("{hakam:demo}:coral") <= HEARD_SECONDS
