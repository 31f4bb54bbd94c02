"""Findings: each site says what becomes of comments with personal data or links."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from service.queue.decisions import DecisionStream
from service.sites.site import Site
from service.sites.sites import Sites

NEVER = dict.fromkeys(("toxicity", "insult", "spam", "profanity", "threat"), 1.0)
SITE = Site("demo", review=NEVER, random_sample_share=0.0)
PHONE = "شكرا، رقمي ٠٥٠ ٠٠٠ ٠٠٠٠"  # "thanks, my number is ..."
LINK = "شكرا https://spam.example/x"  # "thanks"
ALLOWED = "شكرا https://www.news.example/x"


@pytest.fixture
def send(app: Flask, client: FlaskClient, api_key: str, redis: Redis) -> Any:
    """Send a comment to a site with these settings; the answer."""

    def sending(text: str, path: str = "/v1/comments", name: str = "", **wishes: Any) -> Any:
        Sites(redis).update(replace(SITE, **wishes))
        app.extensions["hakam"].known_sites.remember()  # else the new settings hold in a second
        body = {"id": str(hash((text, *wishes.items()))), "text": text, "author": {"name": name}}
        headers = {"Authorization": f"Bearer {api_key}"}
        return client.post(path, json=body, headers=headers).json

    return sending


@pytest.mark.parametrize(
    ("text", "wishes", "action", "reason"),
    [
        (PHONE, {}, "review", "personal_data"),
        (PHONE, {"personal_data": "reject"}, "reject", "personal_data"),
        (PHONE, {"personal_data": "ignore"}, "approve", "clean"),
        (LINK, {}, "approve", "clean"),
        (LINK, {"links": "review"}, "review", "link"),
        (LINK, {"links": "reject"}, "reject", "link"),
        (
            ALLOWED,
            {"links": "reject", "allow_hosts": ("https://news.example/",)},
            "approve",
            "clean",
        ),
        (LINK, {"links": "reject", "allow_hosts": ("news.example",)}, "reject", "link"),
    ],
    ids=[str(number) for number in range(8)],
)
def test_each_site_says_what_becomes_of_a_comment_with_a_finding(
    send: Any, text: str, wishes: dict[str, Any], action: str, reason: str
) -> None:
    answer = send(text, **wishes)
    assert (answer["action"], answer["reason"], answer["label"]) == (action, reason, None)


def test_an_answer_says_what_was_found_and_where(send: Any) -> None:
    answer = send(f"{PHONE} {LINK}", "/v1/score", name="a@b.example", links="review")
    text = f"{PHONE} {LINK}"
    found = [(one["field"], one["kind"], one["start"], one["end"]) for one in answer["findings"]]
    assert found == [
        ("text", "phone", text.index("٠"), len(PHONE)),
        ("text", "link", text.index("https"), len(text)),
        ("author.name", "email", 0, 11),
    ]
    assert send(PHONE, "/v1/score", personal_data="ignore")["findings"] == []


def test_a_rejection_by_rule_is_recorded_with_its_reason(send: Any, redis: Redis) -> None:
    send(PHONE, personal_data="reject")
    send(LINK, links="reject")
    decided = DecisionStream(redis).read("demo")
    assert [(one.reason, one.labels, one.source) for one in decided] == [
        ("private_information", (), "policy"),
        ("link", (), "policy"),
    ]


def test_decisions_are_read_with_personal_data_masked_unless_asked_for(
    send: Any, client: FlaskClient, api_key: str, app: Flask
) -> None:
    send(PHONE)
    headers, who = {"Authorization": f"Bearer {api_key}"}, {"moderator": "amal"}
    lease = client.post("/v1/queue/lease", json=who, headers=headers).json
    assert lease is not None
    decision = {"action": "approve", "request_id": "r", "token": lease["token"], **who}
    client.post(f"/v1/queue/items/{lease['item']['id']}/decide", json=decision, headers=headers)

    def text(query: str) -> str:
        answer = client.get(f"/v1/decisions{query}", headers=headers)
        return str(json.loads(answer.get_data(as_text=True))["text"])

    assert text("") == PHONE[:11] + "•••" + " ••• ••••"
    assert text("?personal_data=shown") == PHONE


def test_openai_clients_are_told_by_flagged_alone(
    send: Any, client: FlaskClient, api_key: str
) -> None:
    send(PHONE)
    headers = {"Authorization": f"Bearer {api_key}"}
    answer = client.post("/v1/moderations", json={"input": PHONE}, headers=headers).json
    assert answer is not None
    (result,) = answer["results"]
    assert result["flagged"]
    assert not any(result["categories"].values())
