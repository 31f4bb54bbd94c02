"""Readers' reports over HTTP: what a site sends, and what the reader and the author can be told."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import jsonschema
import pytest
from fake_sites import Endpoint
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from standardwebhooks import Webhook
from werkzeug.test import TestResponse

from conftest import deliver_once
from service.delivery.webhooks import Deliveries
from service.queue.decisions import DecisionStream
from service.queue.records import item_id_of
from service.queue.review_queue import ReviewQueue
from service.reports.transparency import statements
from service.sites.site import Site
from service.sites.sites import Sites

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CALM = {"text": "شكرًا على هذا التقرير المفيد", "id": "c-1"}  # "thanks for this useful report"
PERSIAN = {"text": "این خیلی خوب است اما چرا از شما نیست", "id": "c-1"}
REPORT = {"comment_id": "c-1", "reason": "insult", "reporter_id": "reader-1"}
CONTACT = "reader@example.com"


@dataclass
class Newsroom:
    """A site with a webhook, its key, and its moderator amal."""

    client: FlaskClient
    key: str
    endpoint: Endpoint
    deliveries: Deliveries
    queue: ReviewQueue
    redis: Redis

    def post(self, path: str, body: Any) -> TestResponse:
        return self.client.post(path, json=body, headers=self.headers)

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def report(self, **more: Any) -> Any:
        answer = self.post("/v1/reports", REPORT | {"comment": CALM} | more)
        assert answer.status_code in (200, 202), answer.json
        return answer.json

    def decide(self, action: str) -> Any:
        lease = self.post("/v1/queue/lease", {"moderator": "amal"}).json
        assert lease is not None
        reason = "insult" if action == "reject" else ""
        body = {"token": lease["token"], "action": action, "moderator": "amal", "reason": reason}
        path = f"/v1/queue/items/{lease['item']['id']}/decide"
        return self.post(path, body | {"request_id": f"request-{lease['token']}"}).json

    def told(self, kind: str) -> list[Any]:
        deliver_once(self.deliveries)
        bodies = [Webhook(SECRET).verify(body, headers) for headers, body in self.endpoint.told]
        return [body["data"] for body in bodies if body["type"] == kind]


@pytest.fixture
def newsroom(client: FlaskClient, redis: Redis, endpoint: Endpoint) -> Newsroom:
    sites = Sites(redis)
    site = Site(
        "demo",
        name="The Paper",
        webhook_url=endpoint.url,
        webhook_secret=SECRET,
        webhook_private=True,
        random_sample_share=0.0,
    )
    key = sites.add(site)
    return Newsroom(client, key, endpoint, Deliveries(redis, sites), ReviewQueue(redis), redis)


def test_a_report_of_a_comment_that_nothing_is_kept_of_asks_for_the_comment(
    newsroom: Newsroom,
) -> None:
    assert newsroom.post("/v1/comments", CALM).json["action"] == "approve"  # type: ignore[index]
    refused = newsroom.post("/v1/reports", REPORT)
    assert refused.status_code == 409
    assert refused.json is not None
    assert refused.json["type"] == "urn:hakam:problem:unknown-comment"
    assert "`comment`" in refused.json["detail"]
    answer = newsroom.post("/v1/reports", REPORT | {"comment": CALM})
    assert answer.status_code == 202


def test_a_reported_comment_stays_approved_for_the_site_until_somebody_decides(
    newsroom: Newsroom,
) -> None:
    report = newsroom.report()
    again = newsroom.post("/v1/comments", CALM)
    assert (again.status_code, again.json["action"]) == (200, "approve")  # type: ignore[index]
    newsroom.decide("reject")
    assert newsroom.post("/v1/comments", CALM).json["action"] == "reject"  # type: ignore[index]
    found = newsroom.get(f"/v1/reports/{report['id']}").json
    assert found is not None
    assert (found["state"], found["outcome"]) == ("resolved", "removed")


def test_an_edit_of_a_reported_comment_waits_for_a_person(newsroom: Newsroom) -> None:
    newsroom.report()
    edited = newsroom.post("/v1/comments", CALM | {"text": "شكرًا"})  # "thanks"
    assert edited.json is not None
    assert (edited.status_code, edited.json["action"], edited.json["reason"]) == (
        202,
        "review",
        "reported",
    )


def test_the_same_report_again_gets_the_same_answer(newsroom: Newsroom) -> None:
    assert newsroom.report() == newsroom.report(explanation="again, and longer")
    newsroom.decide("approve")
    assert newsroom.report()["outcome"] == "kept"


def test_a_report_is_confirmed_and_answered_in_arabic_and_english(newsroom: Newsroom) -> None:
    report = newsroom.report()
    assert report["notice"] is None
    assert "was received" in report["receipt"]["en"]
    assert "استلمنا بلاغك" in report["receipt"]["ar"]  # "we have received your report"
    newsroom.decide("reject")
    notice = newsroom.get(f"/v1/reports/{report['id']}").json["notice"]  # type: ignore[index]
    assert "The Paper" in notice["en"]
    assert "Reason: Insult" in notice["en"]
    assert "out-of-court dispute settlement" in notice["en"], "the ways to object (Art. 16(5))"
    assert "السبب: إهانة" in notice["ar"]  # "reason: insult"
    assert report["id"] in notice["ar"]


def test_the_webhook_hears_of_the_decision_first_and_then_of_the_reports_that_it_answers(
    newsroom: Newsroom, client: FlaskClient
) -> None:
    reports = [newsroom.report(reporter_id=f"reader-{n}") for n in (1, 2)]
    decision = newsroom.decide("reject")
    [answered] = newsroom.told("report.resolved")
    types = [body["type"] for body in newsroom.endpoint.bodies()]
    assert types == ["decision.recorded", "report.resolved"]
    assert answered["outcome"] == "removed"
    assert answered["answered_by"] == decision["id"]
    assert answered["reports"] == [report["id"] for report in reports]
    assert set(answered["notices"]) == set(answered["reports"])
    assert "moderator" not in answered
    described = client.get("/openapi.json").json
    assert described is not None
    schema = {"$ref": "#/components/schemas/WebhookMessage", **described}
    for body in newsroom.endpoint.bodies():
        jsonschema.validate(body, schema)


def test_a_contact_is_told_once_with_the_answer_and_then_forgotten(newsroom: Newsroom) -> None:
    newsroom.endpoint.status = 500
    report = newsroom.report(contact=CONTACT)
    newsroom.decide("approve")
    assert newsroom.told("report.resolved") == []
    assert CONTACT in everything_in(newsroom.redis), "it was not told yet"
    newsroom.endpoint.status = 204
    newsroom.deliveries.enable("demo")
    newsroom.told("report.resolved")
    [answered] = newsroom.told("report.resolved")
    assert answered["contacts"] == {report["id"]: CONTACT}
    assert CONTACT not in everything_in(newsroom.redis)


def test_a_contact_is_not_kept_where_nobody_could_be_told(newsroom: Newsroom, redis: Redis) -> None:
    site = Sites(redis).get("demo")
    Sites(redis).update(replace(site, webhook_url=""))
    newsroom.report(contact=CONTACT)
    assert CONTACT not in everything_in(redis)


def test_neither_the_words_of_a_reader_nor_a_contact_are_logged_or_read_with_the_decisions(
    newsroom: Newsroom, capsys: pytest.CaptureFixture[str]
) -> None:
    newsroom.endpoint.status = 500
    newsroom.report(contact=CONTACT, explanation="it hurts my family")
    newsroom.decide("reject")
    newsroom.told("report.resolved")
    lines = newsroom.get("/v1/decisions?personal_data=shown").text
    assert [json.loads(line)["type"] for line in lines.splitlines()] == [
        "decision.recorded",
        "report.resolved",
    ]
    for place in (lines, capsys.readouterr().out):
        assert CONTACT not in place
        assert "family" not in place
        assert "reader-1" not in place


def test_the_author_of_a_rejected_comment_can_be_told_why_and_how_to_object(
    newsroom: Newsroom,
) -> None:
    newsroom.report()
    newsroom.decide("reject")
    [told] = newsroom.told("decision.recorded")
    message = told["author_message"]
    assert "Reason: Insult" in message["en"]
    assert "Readers had reported it." in message["en"]
    assert "A person decided this." in message["en"]
    assert told["decision_id"] in message["en"], "it says what to name in an objection"
    assert "كان قراء قد أبلغوا عنه" in message["ar"]  # "readers had reported it"
    assert CALM["text"] not in json.dumps(message, ensure_ascii=False)


def test_a_rejection_by_the_policy_is_answered_with_what_its_author_can_be_told(
    newsroom: Newsroom, redis: Redis
) -> None:
    site = Sites(redis).get("demo")
    Sites(redis).update(replace(site, personal_data="reject"))
    answer = newsroom.post("/v1/comments", {"id": "c-9", "text": "write to sami@example.com"}).json
    assert answer is not None
    message = answer["decision"]["author_message"]["en"]
    assert "Reason: Private information" in message
    assert "A program decided this" in message
    assert "sami@example.com" not in message


def test_the_transparency_output_names_the_source_and_the_language_of_a_reported_comment(
    newsroom: Newsroom, redis: Redis
) -> None:
    newsroom.report(comment=PERSIAN, reason="illegal", explanation="it breaks article 5")
    newsroom.decide("reject")
    [statement] = statements("demo", DecisionStream(redis).history("demo"))
    assert (statement["source_type"], statement["content_language"]) == ("SOURCE_ARTICLE_16", "FA")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reason": "because"}, "reason"),
        ({"reason": "illegal"}, "explanation"),
        ({"explanation": "x" * 2_001}, "explanation"),
        ({"contact": "x" * 321}, "contact"),
        ({"comment": CALM | {"id": "c-2"}}, "comment"),
        ({"comment_id": ""}, "comment_id"),
        ({"comment": {"text": " "}}, "comment.text"),
    ],
)
def test_a_wrong_report_is_refused_with_the_field_and_without_its_value(
    newsroom: Newsroom, change: dict[str, Any], field: str
) -> None:
    refused = newsroom.post("/v1/reports", REPORT | change)
    assert refused.status_code == 422
    assert field in refused.text
    assert "xxx" not in refused.text
    assert newsroom.queue.stats("demo").pending == 0


def test_reports_of_other_sites_and_of_nobody_are_not_found(
    newsroom: Newsroom, redis: Redis
) -> None:
    report = newsroom.report()
    other = Sites(redis).add(Site("other"))
    headers = {"Authorization": f"Bearer {other}"}
    assert newsroom.client.get(f"/v1/reports/{report['id']}", headers=headers).status_code == 404
    assert newsroom.get("/v1/reports/i" + item_id_of("c-1")).status_code == 404
    assert newsroom.client.get(f"/v1/reports/{report['id']}").status_code == 401


def test_too_many_reports_are_refused_until_tomorrow(newsroom: Newsroom, app: Flask) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.queue.reports.MAX_A_DAY", 1)
        newsroom.report()
        refused = newsroom.post(
            "/v1/reports", REPORT | {"comment_id": "c-2", "comment": {"text": "a"}}
        )
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "3600"
    assert refused.json["type"] == "urn:hakam:problem:too-many-reports"  # type: ignore[index]


def test_reports_are_counted_in_the_metrics(newsroom: Newsroom) -> None:
    newsroom.report()
    newsroom.report()
    text = newsroom.client.get("/metrics").text
    assert 'hakam_reports_total{state="new"} 1.0' in text
    assert 'hakam_reports_total{state="known"} 1.0' in text


def everything_in(redis: Redis) -> str:
    """All that is stored of the site, as one text."""
    found: Any = redis.hgetall("{hakam:demo}:report_words")
    records: Any = redis.hgetall("{hakam:demo}:reports")
    stream: Any = redis.xrange("{hakam:demo}:decisions")
    return json.dumps([found, records, stream])
