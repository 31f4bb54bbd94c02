"""A site may want a person to see what new and often rejected authors write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from service.queue.records import Decision
from service.queue.review_queue import ReviewQueue
from service.sites.site import Site
from service.sites.sites import Sites

CLEAN = "شكرا على المقال"  # "thanks for the article"


@pytest.fixture
def site() -> Site:
    return Site("demo", review={"toxicity": 1.0, "insult": 1.0}, random_sample_share=0.0)


def send(client: FlaskClient, key: str, name: str) -> Any:
    body = {"id": name, "text": CLEAN, "author": {"id": "reader-7"}}
    return client.post("/v1/comments", json=body, headers={"Authorization": f"Bearer {key}"}).json


def decide(redis: Redis, action: str) -> None:
    queue = ReviewQueue(redis)
    lease = queue.lease("demo", "amal")
    assert lease is not None
    draft = Decision(action, moderator="amal", request_id=lease.item.id)
    queue.decide("demo", lease.item.id, lease.token, draft)


def test_by_default_an_author_is_judged_by_the_comment_alone(
    client: FlaskClient, api_key: str
) -> None:
    assert send(client, api_key, "c-1")["action"] == "approve"


def test_an_authors_first_comments_go_to_review(
    client: FlaskClient, api_key: str, redis: Redis, site: Site
) -> None:
    Sites(redis).update(replace(site, review_first_comments=2))
    for number in range(2):
        answer = send(client, api_key, f"c-{number}")
        assert (answer["action"], answer["reason"]) == ("review", "author")
        decide(redis, "approve")
    assert send(client, api_key, "c-3")["action"] == "approve"


def test_an_author_with_recent_rejections_goes_to_review(
    app: Flask, client: FlaskClient, api_key: str, redis: Redis, site: Site
) -> None:
    Sites(redis).update(replace(site, review_first_comments=2))
    for number in range(2):
        send(client, api_key, f"c-{number}")
        decide(redis, "reject")
    Sites(redis).update(replace(site, review_after_rejections=2))
    app.extensions["hakam"].known_sites.remember()  # else the new settings hold in a second
    assert send(client, api_key, "c-3")["reason"] == "author"
    Sites(redis).update(replace(site, review_after_rejections=3))
    app.extensions["hakam"].known_sites.remember()  # else the new settings hold in a second
    assert send(client, api_key, "c-4")["action"] == "approve"
