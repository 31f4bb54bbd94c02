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
from service.queue.decisions import DecisionStream
from service.sites.site import Site
from service.sites.sites import Sites

INSULT = "أنت غبي ولا تفهم شيئا"  # "you are stupid and understand nothing"


class Caller:
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
def caller(client: FlaskClient, api_key: str) -> Caller:
    return Caller(client, api_key)


def test_a_site_withdraws_a_comment(caller: Caller) -> None:
    caller.send("c-1")
    assert caller.post("/v1/comments/withdraw", {"id": "c-1"}) == {"withdrawn": True}
    assert caller.post("/v1/comments/withdraw", {"id": "c-1"}) == {"withdrawn": False}
    assert caller.post("/v1/comments/withdraw", {"id": "never"}, 404)["status"] == 404
    caller.post("/v1/queue/lease", {"moderator": "amal"}, 204)


def test_the_dialect_of_a_queued_comment_is_found_and_of_no_other(
    app: Flask, caller: Caller, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def reading(text: str) -> str:
        read.append(text)
        return dialect_of(text)

    monkeypatch.setattr("service.moderation.dialect_of", reading)
    Sites(redis).update(Site("demo", random_sample_share=0.0, review={"toxicity": 0.0}))
    text = "انت عايز ايه دلوقتي"  # "what do you want now", Egyptian
    caller.post("/v1/comments", {"id": "c-1", "text": text}, 202)
    Sites(redis).update(Site("demo", random_sample_share=0.0, review=dict.fromkeys(LABELS, 1.0)))
    app.extensions["hakam"].known_sites.remember()  # else the new settings hold in a second
    caller.post("/v1/comments", {"id": "c-2", "text": text})
    assert read == [text]
    assert caller.get("/v1/queue/items?dialect=gulf") == []
    caller.post("/v1/queue/lease", {"moderator": "amal", "dialect": "gulf"}, 204)
    caller.post("/v1/queue/lease", {"moderator": "amal", "dialect": "klingon"}, 422)
    (item,) = caller.get("/v1/queue/items?dialect=egyptian")
    assert item["comment"]["dialect"] == "egyptian"
    caller.decide("approve")
    exported = caller.client.get("/v1/decisions", headers=caller.headers).get_json(force=True)
    assert exported["dialect"] == "egyptian"


def test_no_decision_on_a_harmless_text_is_told_of_the_threat_it_was_edited_to(
    caller: Caller,
) -> None:
    caller.send("c-1")
    made = caller.decide("approve")
    lines = caller.client.get("/v1/decisions", headers=caller.headers)
    line = lines.get_json(force=True)
    assert (line["decision_id"], line["item_id"], line["version"]) == (
        made["id"],
        made["item_id"],
        1,
    )
    edit = {"id": "c-1", "text": f"{INSULT} {INSULT}", "author": {"id": "reader-7"}}
    answer = caller.post("/v1/comments", edit, 202)
    assert answer["version"] == 2
    assert answer["content_digest"] != line["content_digest"] == made["content_digest"]
    after = caller.client.get("/v1/decisions", headers=caller.headers)
    assert after.text == ""
    assert after.headers["Hakam-Cursor"] == made["id"]
    caller.post(
        f"/v1/queue/items/{made['item_id']}/undo", {"moderator": "a", "request_id": "u"}, 409
    )
    again = caller.decide("reject")
    (line,) = map(
        json.loads, caller.client.get("/v1/decisions", headers=caller.headers).text.splitlines()
    )
    assert (line["version"], line["action"]) == (2, "reject") == (again["version"], again["action"])


def test_an_edit_that_needs_nobody_takes_the_earlier_text_out_of_the_queue(
    client: FlaskClient, redis: Redis
) -> None:
    quiet = Site("quiet", review={"toxicity": 1.0, "insult": 1.0}, random_sample_share=0.0)
    caller = Caller(client, Sites(redis).add(replace(quiet, review_first_comments=1)))
    caller.send("c-1")
    Sites(redis).update(quiet)
    edit = {"id": "c-1", "text": "شكرا"}  # "thanks"
    assert caller.post("/v1/comments", edit)["action"] == "approve"
    assert caller.post("/v1/comments", edit | {"id": "c-2"})["action"] == "approve"
    caller.post("/v1/queue/lease", {"moderator": "amal"}, 204)


def test_an_appeal_goes_to_somebody_else(caller: Caller) -> None:
    caller.send("c-1")
    made = caller.decide()
    appeal = {"decision_id": made["id"], "statement": "لم أشتم أحدا"}  # "I insulted nobody"
    assert caller.post("/v1/decisions/appeal", appeal)["created"]
    assert not caller.post("/v1/decisions/appeal", appeal)["created"]
    caller.post("/v1/queue/lease", {"moderator": "amal"}, 204)
    assert caller.decide("approve", "basma")["overturned"]
    caller.post("/v1/decisions/appeal", {"decision_id": "1-1"}, 404)
    caller.post("/v1/decisions/appeal", {"decision_id": "first"}, 422)


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
    caller: Caller, action: str, said: dict[str, Any], labels: list[str]
) -> None:
    item = caller.send("c-1")
    lease = caller.post("/v1/queue/lease", {"moderator": "amal"})
    who = {"moderator": "amal", "request_id": "r-1"}
    body = {"token": lease["token"], "action": action} | who | said
    assert caller.post(f"/v1/queue/items/{item}/decide", body)["labels"] == labels
    thread = {"action": action, "versions": {caller.send("c-2"): 1}} | who | said
    assert caller.post("/v1/queue/bulk", thread)["decisions"][0]["labels"] == labels


def test_a_decision_is_taken_back_once(caller: Caller) -> None:
    item_id = caller.send("c-1")
    made = caller.decide()
    undo = {"moderator": "amal", "request_id": "undo-1"}
    path = f"/v1/queue/items/{item_id}/undo"
    assert caller.post(path, undo)["undoes"] == made["id"]
    assert caller.post(path, undo)["undoes"] == made["id"]
    assert caller.post(path, undo | {"request_id": "undo-2"}, 409)["status"] == 409


def test_what_others_decided_is_taken_back_by_seniors_only(caller: Caller) -> None:
    path = f"/v1/queue/items/{caller.send('c-1')}/undo"
    made = caller.decide()
    undo = {"moderator": "basma", "request_id": "undo-1"}
    assert caller.post(path, undo, 403)["type"] == "urn:hakam:problem:forbidden"
    caller.post(path, undo | {"senior": True, "decision_id": "1-1"}, 409)
    assert caller.post(path, undo | {"senior": True, "decision_id": made["id"]})["kind"] == "undo"


def test_a_thread_is_listed_decided_and_taken_back_as_one(caller: Caller) -> None:
    for number in range(3):
        caller.send(f"c-{number}")
    listed = caller.get("/v1/queue/items?author_id=reader-7")
    body = {
        "versions": {item["id"]: item["version"] for item in listed},
        "action": "reject",
        "labels": ["insult"],
        "moderator": "amal",
        "request_id": "bulk-1",
    }
    made = caller.post("/v1/queue/bulk", body)
    assert (len(made["decisions"]), made["left"], made["left_for"]) == (3, [], {})
    assert caller.post("/v1/queue/bulk", body) == made
    record = caller.get("/v1/authors?id=reader-7")
    assert (record["n_approved"], record["n_rejected"]) == (0, 3)
    undo = {"bulk": "bulk-1", "moderator": "amal", "request_id": "undo-1"}
    undone = caller.post("/v1/queue/bulk/undo", undo)
    assert (undone["n_undone"], undone["n_kept"]) == (3, 0)
    assert len(caller.get("/v1/queue/items")) == 3
    assert caller.post("/v1/queue/bulk", body | {"versions": {"x": 1}}, 409)
    rest = caller.post("/v1/queue/bulk", body | {"request_id": "b", "versions": {"x": 1}})
    assert rest == {"decisions": [], "left": ["x"], "left_for": {"moved": 1}}
    assert caller.post("/v1/queue/bulk/undo", undo | {"bulk": "never"}, 404)


def test_an_escalated_item_is_for_seniors(caller: Caller) -> None:
    item_id = caller.send("c-1")
    lease = caller.post("/v1/queue/lease", {"moderator": "amal", "author_id": "reader-7"})
    caller.post(f"/v1/queue/items/{item_id}/escalate", {"token": lease["token"]}, 204)
    caller.post("/v1/queue/lease", {"moderator": "basma"}, 204)
    assert caller.decide("approve", "senior")["kind"] == "decision"


def test_two_filters_at_once_are_refused_by_name(caller: Caller) -> None:
    answer = caller.client.get("/v1/queue/items?label=insult&author_id=x", headers=caller.headers)
    assert answer.status_code == 422
    assert "one filter" in answer.text


# At the site's own desk


def external(action: str, request_id: str, **comment: Any) -> dict[str, Any]:
    """What the site tells of a comment that somebody decided at its own desk."""
    sent = {"id": "c-1", "text": INSULT, "author": {"id": "reader-7"}} | comment
    return {
        "comment": sent,
        "action": action,
        "moderator": "editor",
        "request_id": request_id,
    }


def test_what_the_sites_own_desk_decides_leaves_the_queue_and_is_chained(
    caller: Caller, stream: DecisionStream
) -> None:
    caller.send("c-1")
    lease = caller.post("/v1/queue/lease", {"moderator": "amal"})
    answer = caller.post("/v1/decisions/external", external("approve", "r-1"))
    assert answer["recorded"]
    made = answer["decision"]
    assert (made["source"], made["moderator"], made["kind"]) == (
        "moderator_external",
        "editor",
        "decision",
    )
    late = {"token": lease["token"], "action": "reject", "moderator": "amal", "request_id": "r"}
    path = f"/v1/queue/items/{made['item_id']}/decide"
    assert caller.post(path, late, 409)["type"] == "urn:hakam:problem:already-decided"
    caller.post("/v1/queue/lease", {"moderator": "basma"}, 204)
    sent_again = caller.post("/v1/comments", external("approve", "r-1")["comment"])
    assert sent_again["decision"]["decision_id"] == made["id"]
    line = caller.client.get("/v1/decisions", headers=caller.headers).get_json(force=True)
    assert (line["source"], line["text"]) == ("moderator_external", INSULT)
    assert "sampling_probability" not in line, "the site's own desk chose what it looked at"
    assert stream.verify("demo").n_entries == 1


def test_a_comment_that_needed_nobody_here_may_still_be_rejected_at_the_sites_desk(
    caller: Caller,
) -> None:
    thanks = {"id": "c-2", "text": "شكرا"}  # "thanks"
    assert caller.post("/v1/comments", thanks)["action"] == "approve"
    told = external("reject", "r-1", **thanks) | {"reason": "spam"}
    made = caller.post("/v1/decisions/external", told)["decision"]
    assert (made["version"], made["labels"], made["verdict"]["action"]) == (1, ["spam"], "approve")
    assert caller.post("/v1/comments", told["comment"])["action"] == "reject"
    record = caller.get("/v1/authors?id=reader-7")
    assert (record["n_approved"], record["n_rejected"]) == (0, 1)


def test_the_same_decision_of_the_sites_desk_is_recorded_once(
    caller: Caller, stream: DecisionStream
) -> None:
    first = caller.post("/v1/decisions/external", external("reject", "r-1"))
    again = caller.post("/v1/decisions/external", external("reject", "r-1"))
    assert again == first | {"recorded": False}
    other_request = caller.post("/v1/decisions/external", external("reject", "r-2"))
    assert other_request == again
    assert len(stream.read("demo")) == 1


def test_a_request_id_that_is_used_again_for_another_decision_of_the_sites_desk_hides_none(
    caller: Caller, stream: DecisionStream
) -> None:
    caller.post("/v1/decisions/external", external("approve", "r-1"))
    edited = external("approve", "r-1", text="شكرا")  # "thanks"
    answer = caller.post("/v1/decisions/external", edited)
    assert (answer["recorded"], answer["decision"]["version"]) == (True, 2)
    rejected = caller.post("/v1/decisions/external", edited | {"action": "reject"})
    assert (rejected["recorded"], rejected["decision"]["action"]) == (True, "reject")
    assert [entry.action for entry in stream.read("demo") if entry.stands][-1] == "reject"


def test_the_sites_desk_has_the_last_word_and_is_not_told_what_it_replaces(
    caller: Caller, redis: Redis, stream: DecisionStream
) -> None:
    site = Sites(redis).get("demo").changed({"webhook_url": "https://news.example/hakam"})
    Sites(redis).update(site)
    caller.send("c-1")
    here = caller.decide("reject")
    assert redis.zcard("{hakam:demo}:outbox") == 1
    made = caller.post("/v1/decisions/external", external("approve", "r-1"))["decision"]
    assert redis.zcard("{hakam:demo}:outbox") == 0
    rejection, undo, approval = stream.read("demo")
    assert (rejection.id, rejection.stands) == (here["id"], False)
    assert (undo.kind, undo.undoes, undo.source) == ("undo", here["id"], "moderator_external")
    assert (approval.id, approval.stands) == (made["id"], True)
    record = caller.get("/v1/authors?id=reader-7")
    assert (record["n_approved"], record["n_rejected"]) == (1, 0)


def test_a_changed_text_from_the_sites_desk_is_the_next_version(caller: Caller) -> None:
    caller.send("c-1")
    edited = external("approve", "r-1", text="شكرا")  # "thanks"
    made = caller.post("/v1/decisions/external", edited)["decision"]
    assert (made["version"], made["comment"]["text"]) == (2, "شكرا")
    caller.post("/v1/queue/lease", {"moderator": "amal"}, 204)


def test_an_appeal_that_was_decided_otherwise_is_not_overruled_by_the_sites_desk(
    caller: Caller,
) -> None:
    caller.send("c-1")
    made = caller.decide()
    caller.post("/v1/decisions/appeal", {"decision_id": made["id"], "statement": "x"})
    granted = caller.decide("approve", "basma")
    caller.post("/v1/decisions/external", external("reject", "r-1"), 409)
    same = caller.post("/v1/decisions/external", external("approve", "r-2"))
    assert (same["recorded"], same["decision"]["id"]) == (False, granted["id"])


def test_an_appeal_that_waits_goes_when_the_sites_desk_decides_otherwise(caller: Caller) -> None:
    caller.send("c-1")
    made = caller.decide()
    caller.post("/v1/decisions/appeal", {"decision_id": made["id"], "statement": "x"})
    assert caller.post("/v1/decisions/external", external("approve", "r-1"))["recorded"]
    caller.post("/v1/queue/lease", {"moderator": "basma", "senior": True}, 204)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": "undo"}, "action"),
        ({"moderator": ""}, "moderator"),
        ({"comment": {"id": "c-1"}}, "comment.text"),
        ({"comment": {"text": INSULT}}, "comment.id"),
        ({"token": 1}, "token"),
    ],
)
def test_a_wrong_decision_of_the_sites_desk_is_refused_by_field(
    caller: Caller, change: dict[str, Any], field: str
) -> None:
    answer = caller.post("/v1/decisions/external", external("approve", "r-1") | change, 422)
    assert [error["field"] for error in answer["errors"]] == [field]


def test_decisions_of_the_sites_desk_change_no_figure_of_this_desk(
    caller: Caller, redis: Redis, stream: DecisionStream
) -> None:
    caller.post("/v1/decisions/external", external("reject", "r-1"))
    assert redis.hgetall("{hakam:demo}:figures") == {}
    export = stream.read("demo")[0].to_labeled_comment("demo")
    assert export is not None
    assert export.source == "moderator_external"
    redis.delete("{hakam:demo}:items", "{hakam:demo}:decisions")
    assert stream.rebuild("demo", [export]) == 1
    assert stream.read("demo")[0].source == "moderator_external"
