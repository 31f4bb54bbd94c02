"""A raid of 500 comments on one article: when it is shown, and how many decisions it takes.

``pytest -s tests/test_raid.py`` prints the figures.
"""

from __future__ import annotations

import random
import re
import sys
from dataclasses import replace
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from test_console import PASSWORD, Console

from models.schema import LABELS
from service.accounts.accounts import Accounts
from service.queue.repeats import Repeats
from service.queue.review_queue import ReviewQueue
from service.sites.levers import Lever
from service.sites.site import Site
from service.sites.sites import Sites

N = 500
TEXT = "they raised the price of bread again and nobody in the ministry says one word about it"
FILLERS = ("really", "friends", "everybody", "today", "listen", "again", "please", "now", "look")


@pytest.fixture
def site() -> Site:
    return Site("demo", review=dict.fromkeys(LABELS, 1.0), random_sample_share=0.0)


def copy(draw: random.Random, number: int) -> str:
    """The text with small changes, as people make them who want it to look like many opinions."""
    words = TEXT.split()
    match number % 5:
        case 0:
            words[draw.randrange(len(words))] = draw.choice(FILLERS)
        case 1:
            words.insert(0, f"{draw.choice(FILLERS)}!!!")
        case 2:
            words.append(str(number))
        case 3:
            words = [word.upper() if draw.random() < 0.3 else word for word in words]
        case _:
            at = draw.randrange(len(words))
            words[at] = "\N{ZERO WIDTH SPACE}".join(words[at])
    return " ".join(words)


class Raid:
    """A raid on the article `a`, each comment of another author."""

    def __init__(self, app: Flask, client: FlaskClient, key: str, redis: Redis) -> None:
        self.app, self.client, self.key, self.redis = app, client, key, redis
        self.draw, self.n = random.Random(11), 0
        self.actions: list[str] = []

    def comment(self) -> str:
        body = {
            "id": f"c{self.n}",
            "text": copy(self.draw, self.n),
            "author": {"id": f"u{self.n}"},
            "article": {"id": "a"},
        }
        headers = {"Authorization": f"Bearer {self.key}"}
        self.n += 1
        said: Any = self.client.post("/v1/comments", json=body, headers=headers).json
        self.actions.append(said["action"])
        self.app.extensions["hakam"].repeats.flush()
        return str(said["action"])

    @property
    def is_shown(self) -> bool:
        return bool(Repeats(self.redis).raids("demo"))


@pytest.fixture
def raid(app: Flask, client: FlaskClient, api_key: str, redis: Redis) -> Raid:
    return Raid(app, client, api_key, redis)


def decide_all(app: Flask, redis: Redis) -> int:
    """Decide what waits with the tick for copies; return how many decisions it took."""
    accounts = Accounts(redis, hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    app.extensions["hakam"] = replace(app.extensions["hakam"], accounts=accounts)
    accounts.add("samira", PASSWORD, "moderator")
    moderator, queue, n = Console(app).log_in(), ReviewQueue(redis), 0
    while queue.stats("demo").pending + queue.stats("demo").leased:
        form = moderator.open()
        tick = re.search(r'name="copies" value="([^"]+)"', moderator.get("/demo/work"))
        copies = {"copies": tick[1]} if tick else {}
        moderator.press("reject", form, reason="spam", **copies)
        n += 1
    return n


def say(what: str, n_waiting: int, n_decisions: int) -> None:
    sys.stdout.write(f"\n{what}, {n_waiting} wait, decisions needed: {n_decisions}\n")


def test_a_raid_of_copies_is_shown_by_its_thirtieth_comment(raid: Raid) -> None:
    while not raid.is_shown:
        raid.comment()
    sys.stdout.write(f"\nout of the box: the banner comes with comment {raid.n}\n")
    assert raid.n <= 30
    assert set(raid.actions) == {"approve"}, "nobody is held who did not ask for it"


def test_a_raid_takes_few_decisions_where_the_site_wants_to_see_copies(
    app: Flask, raid: Raid, redis: Redis, site: Site
) -> None:
    Sites(redis).update(replace(site, repeat_review=3))
    app.extensions["hakam"].known_sites.remember()
    for _ in range(N):
        raid.comment()
    waiting = ReviewQueue(redis).stats("demo").pending
    n_decisions = decide_all(app, redis)
    sys.stdout.write(
        f"\nrepeat_review=3: {N - waiting} of {N} pass, {waiting} wait, {n_decisions} decisions\n"
    )
    assert waiting >= 0.97 * N
    assert n_decisions <= 3


def test_a_held_article_takes_one_decision_for_each_text(
    app: Flask, raid: Raid, redis: Redis
) -> None:
    while not raid.is_shown:
        raid.comment()
    before = raid.n
    Sites(redis).pull("demo", Lever("a", "held"))
    app.extensions["hakam"].known_sites.remember()
    for _ in range(N - before):
        raid.comment()
    waiting = ReviewQueue(redis).stats("demo").pending
    n_decisions = decide_all(app, redis)
    sys.stdout.write(
        f"\nheld at the banner: {before} pass, {waiting} wait, {n_decisions} decisions\n"
    )
    assert waiting == N - before
    assert n_decisions <= 3
