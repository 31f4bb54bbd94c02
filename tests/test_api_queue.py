"""What happens around a decision, over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from models.dialect import dialect_of
from models.schema import LABELS
from service.sites.sites import Site, Sites

INSULT = "أنت غبي ولا تفهم شيئا"  # "you are stupid and understand nothing"


class Desk:
    """A site that speaks to the API with its key."""

    def __init__(self, client: FlaskClient, key: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> Any:
        answer = self.client.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        answer = self.client.post(path, json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.get_json(silent=True)

    def send(self, name: str) -> str:
        """Send a comment that goes to review; return the item's id."""
        body = {"id": name, "text": INSULT, "author": {"id": "reader-7"}}
        review = self.post("/v1/comments", body, 202)["review"]
        return str(review["item_id"])

    def decide(self, action: str = "reject", moderator: str = "amal") -> Any:
        lease = self.post("/v1/queue/lease", {"moderator": moderator, "senior": True})
        path = f"/v1/queue/items/{lease['item']['id']}/decide"
        body = {"token": lease["token"], "action": action, "moderator": moderator}
        return self.post(path, body | {"request_id": f"{action}-{lease['item']['id']}"})


@pytest.fixture
def desk(client: FlaskClient, api_key: str) -> Desk:
    return Desk(client, api_key)


def test_a_site_withdraws_a_comment(desk: Desk) -> None:
    desk.send("c-1")
    assert desk.post("/v1/comments/withdraw", {"id": "c-1"}) == {"withdrawn": True}
    assert desk.post("/v1/comments/withdraw", {"id": "c-1"}) == {"withdrawn": False}
    assert desk.post("/v1/comments/withdraw", {"id": "never"}, 404)["status"] == 404
    desk.post("/v1/queue/lease", {"moderator": "amal"}, 204)


def test_the_dialect_of_a_queued_comment_is_found_and_of_no_other(
    app: Flask, desk: Desk, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def reading(text: str) -> str:
        read.append(text)
        return dialect_of(text)

    monkeypatch.setattr("service.moderation.dialect_of", reading)
    Sites(redis).update(Site("demo", random_sample_share=0.0, review={"toxicity": 0.0}))
    text = "انت عايز ايه دلوقتي"  # "what do you want now", Egyptian
    desk.post("/v1/comments", {"id": "c-1", "text": text}, 202)
    Sites(redis).update(Site("demo", random_sample_share=0.0, review=dict.fromkeys(LABELS, 1.0)))
    app.extensions["hakam"].known_sites.remember()  # else the new settings hold in a second
    desk.post("/v1/comments", {"id": "c-2", "text": text})
    assert read == [text]
    assert desk.get("/v1/queue/items?dialect=gulf") == []
    desk.post("/v1/queue/lease", {"moderator": "amal", "dialect": "gulf"}, 204)
    desk.post("/v1/queue/lease", {"moderator": "amal", "dialect": "klingon"}, 422)
    (item,) = desk.get("/v1/queue/items?dialect=egyptian")
    assert item["comment"]["dialect"] == "egyptian"
    desk.decide("approve")
    exported = desk.client.get("/v1/decisions", headers=desk.headers).get_json(force=True)
    assert exported["dialect"] == "egyptian"


def test_no_decision_on_a_harmless_text_is_told_of_the_threat_it_was_edited_to(desk: Desk) -> None:
    desk.send("c-1")
    made = desk.decide("approve")
    lines = desk.client.get("/v1/decisions", headers=desk.headers)
    line = lines.get_json(force=True)
    assert (line["decision_id"], line["item_id"], line["version"]) == (
        made["id"],
        made["item_id"],
        1,
    )
    edit = {"id": "c-1", "text": f"{INSULT} {INSULT}", "author": {"id": "reader-7"}}
    answer = desk.post("/v1/comments", edit, 202)
    assert answer["version"] == 2
    assert answer["content_digest"] != line["content_digest"] == made["content_digest"]
    after = desk.client.get("/v1/decisions", headers=desk.headers)
    assert after.text == ""
    assert after.headers["Hakam-Cursor"] == made["id"]
    desk.post(f"/v1/queue/items/{made['item_id']}/undo", {"moderator": "a", "request_id": "u"}, 409)
    again = desk.decide("reject")
    (line,) = map(
        json.loads, desk.client.get("/v1/decisions", headers=desk.headers).text.splitlines()
    )
    assert (line["version"], line["action"]) == (2, "reject") == (again["version"], again["action"])


def test_an_edit_that_needs_nobody_takes_the_earlier_text_out_of_the_queue(
    client: FlaskClient, redis: Redis
) -> None:
    quiet = Site("quiet", review={"toxicity": 1.0, "insult": 1.0}, random_sample_share=0.0)
    desk = Desk(client, Sites(redis).add(replace(quiet, review_first_comments=1)))
    desk.send("c-1")
    Sites(redis).update(quiet)
    edit = {"id": "c-1", "text": "شكرا"}  # "thanks"
    assert desk.post("/v1/comments", edit)["action"] == "approve"
    assert desk.post("/v1/comments", edit | {"id": "c-2"})["action"] == "approve"
    desk.post("/v1/queue/lease", {"moderator": "amal"}, 204)


def test_an_appeal_goes_to_somebody_else(desk: Desk) -> None:
    desk.send("c-1")
    made = desk.decide()
    appeal = {"decision_id": made["id"], "statement": "لم أشتم أحدا"}  # "I insulted nobody"
    assert desk.post("/v1/decisions/appeal", appeal)["created"]
    assert not desk.post("/v1/decisions/appeal", appeal)["created"]
    desk.post("/v1/queue/lease", {"moderator": "amal"}, 204)
    assert desk.decide("approve", "basma")["overturned"]
    desk.post("/v1/decisions/appeal", {"decision_id": "1-1"}, 404)
    desk.post("/v1/decisions/appeal", {"decision_id": "first"}, 422)


@pytest.mark.parametrize(
    ("action", "said", "labels"),
    [
        ("reject", {"reason": "insult"}, ["insult"]),
        ("reject", {"reason": "insult", "labels": ["threat"]}, ["threat"]),
        ("reject", {"reason": "off_topic"}, []),
        ("reject", {"reason": "one of our own"}, []),
        ("approve", {"reason": "insult"}, []),
    ],
)
def test_a_rejection_without_labels_has_those_that_its_reason_names(
    desk: Desk, action: str, said: dict[str, Any], labels: list[str]
) -> None:
    item = desk.send("c-1")
    lease = desk.post("/v1/queue/lease", {"moderator": "amal"})
    who = {"moderator": "amal", "request_id": "r-1"}
    body = {"token": lease["token"], "action": action} | who | said
    assert desk.post(f"/v1/queue/items/{item}/decide", body)["labels"] == labels
    thread = {"action": action, "versions": {desk.send("c-2"): 1}} | who | said
    assert desk.post("/v1/queue/bulk", thread)[0]["labels"] == labels


def test_a_decision_is_taken_back_once(desk: Desk) -> None:
    item_id = desk.send("c-1")
    made = desk.decide()
    undo = {"moderator": "amal", "request_id": "undo-1"}
    path = f"/v1/queue/items/{item_id}/undo"
    assert desk.post(path, undo)["undoes"] == made["id"]
    assert desk.post(path, undo)["undoes"] == made["id"]
    assert desk.post(path, undo | {"request_id": "undo-2"}, 409)["status"] == 409


def test_what_others_decided_is_taken_back_by_seniors_only(desk: Desk) -> None:
    path = f"/v1/queue/items/{desk.send('c-1')}/undo"
    made = desk.decide()
    undo = {"moderator": "basma", "request_id": "undo-1"}
    assert desk.post(path, undo, 403)["type"] == "urn:hakam:problem:forbidden"
    desk.post(path, undo | {"senior": True, "decision_id": "1-1"}, 409)
    assert desk.post(path, undo | {"senior": True, "decision_id": made["id"]})["kind"] == "undo"


def test_a_thread_is_listed_decided_and_taken_back_as_one(desk: Desk) -> None:
    for number in range(3):
        desk.send(f"c-{number}")
    listed = desk.get("/v1/queue/items?author_id=reader-7")
    body = {
        "versions": {item["id"]: item["version"] for item in listed},
        "action": "reject",
        "labels": ["insult"],
        "moderator": "amal",
        "request_id": "bulk-1",
    }
    assert len(desk.post("/v1/queue/bulk", body)) == 3
    record = desk.get("/v1/authors?id=reader-7")
    assert (record["n_approved"], record["n_rejected"]) == (0, 3)
    undo = {"bulk": "bulk-1", "moderator": "amal", "request_id": "undo-1"}
    assert len(desk.post("/v1/queue/bulk/undo", undo)) == 3
    assert len(desk.get("/v1/queue/items")) == 3
    assert desk.post("/v1/queue/bulk", body | {"request_id": "b", "versions": {"x": 1}}, 409)


def test_an_escalated_item_is_for_seniors(desk: Desk) -> None:
    item_id = desk.send("c-1")
    lease = desk.post("/v1/queue/lease", {"moderator": "amal", "author_id": "reader-7"})
    desk.post(f"/v1/queue/items/{item_id}/escalate", {"token": lease["token"]}, 204)
    desk.post("/v1/queue/lease", {"moderator": "basma"}, 204)
    assert desk.decide("approve", "senior")["kind"] == "decision"


def test_two_filters_at_once_are_refused_by_name(desk: Desk) -> None:
    answer = desk.client.get("/v1/queue/items?label=insult&author_id=x", headers=desk.headers)
    assert answer.status_code == 422
    assert "one filter" in answer.text
