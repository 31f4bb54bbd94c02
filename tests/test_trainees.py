"""Trainees: what they decide has no effect, and nothing else is open to them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from arriving import enqueue
from flask import Flask
from redis import Redis
from test_console import PASSWORD, Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture
from test_console import flag as flag  # noqa: PLC0414 - a fixture
from test_console import queue as queue  # noqa: PLC0414 - a fixture

from service.accounts.accounts import Accounts
from service.console.trainees import DIFFERENCES_SHOWN, OPEN_TO_TRAINEES, PEOPLE_SHOWN
from service.queue.practice import Practice
from service.queue.records import Comment, Decision
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.services import Services
from service.sites.sites import Sites

# What the address of a page or form is filled with.
VALUES = {
    "site_id": "demo",
    "item_id": "abcdefghijkl",
    "decision_id": "1-1",
    "name": "omar",
    "code": "agreement",
    "token": "t",
    "path": "nowhere",
    "filename": "console.css",
}


def views(app: Flask) -> list[tuple[str, str, str]]:
    """Every page and form of the console: endpoint, method, path below /console."""
    found = []
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("console."):
            continue
        values = {name: VALUES.get(name, "x") for name in rule.arguments}
        built = rule.build(values, append_unknown=False)
        assert built
        path = built[1].removeprefix("/console")
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        found += [(rule.endpoint, method, path) for method in sorted(methods)]
    return found


@pytest.fixture
def trainee(app: Flask, accounts: Accounts, api_key: str) -> Console:
    accounts.add("nura", PASSWORD, "trainee")
    return Console(app, "nura").log_in()


def ask(console: Console, method: str, path: str) -> int:
    if method == "POST":
        console.post(path)
    else:
        console.get(path)
    console.last.close()
    return console.last.status_code


def test_a_page_or_form_that_is_not_named_for_trainees_is_closed_to_them(
    app: Flask, trainee: Console
) -> None:
    closed = [view for view in views(app) if view[0] not in OPEN_TO_TRAINEES]
    assert {method for _, method, _ in closed} == {"GET", "POST"}
    for endpoint, method, path in closed:
        assert ask(trainee, method, path) == 403, endpoint


def test_every_name_on_the_list_of_trainees_is_a_page_and_open_to_them(
    app: Flask, trainee: Console
) -> None:
    named = [view for view in views(app) if view[0] in OPEN_TO_TRAINEES]
    assert {endpoint for endpoint, _, _ in named} == OPEN_TO_TRAINEES
    for endpoint, method, path in named:
        if not endpoint.startswith("console.login."):  # which ends their session
            assert ask(trainee, method, path) != 403, endpoint


def test_a_moderator_finds_open_what_is_closed_to_trainees(
    app: Flask, trainee: Console, accounts: Accounts
) -> None:
    moderator = Console(app).log_in()
    for page in ("/demo/work", "/overview", "/demo/search"):
        assert ask(trainee, "GET", page) == 403
        assert ask(moderator, "GET", page) == 200


def test_what_somebody_typed_as_a_moderator_is_not_offered_to_them_as_a_trainee(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    console = Console(app).log_in()
    accounts.sessions.close("samira", accounts.sessions.of("samira")[0].digest)
    page = console.post("/demo/items/abcdefghijkl", action="approve", token="1")
    kept = page.partition('name="kept" value="')[2].partition('"')[0]
    assert kept
    accounts.change("samira", role="trainee", sites=None)
    console.log_in(kept=kept)
    assert console.last.status_code == 403


def test_a_trainee_begins_at_a_page_that_is_theirs_and_is_shown_links_to_no_other(
    trainee: Console,
) -> None:
    trainee.client.get("/console/", follow_redirects=True)
    page = trainee.client.get("/console/", follow_redirects=True).get_data(as_text=True)
    assert "/console/me" in page
    for closed in ("/console/overview", "/console/demo/work", "/console/demo/search"):
        assert closed not in page


def test_a_trainee_who_becomes_a_moderator_is_told_once_and_can_work(
    trainee: Console, app: Flask, accounts: Accounts
) -> None:
    said = "من الآن فصاعدًا"  # "from now on"
    assert said not in trainee.get("/me")
    layla = Console(app, "layla").log_in()
    layla.post("/people/nura", action="change", role="moderator", sites=["*"])
    assert said in trainee.get("/demo/work")
    assert said not in trainee.get("/demo/work")


def test_whoever_was_no_trainee_is_told_nothing_when_their_role_changes(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    console = Console(app).log_in()
    accounts.change("samira", role="senior", sites=None)
    assert "من الآن فصاعدًا" not in console.get("/demo/work")


# Practice


@pytest.fixture
def decided(queue: ReviewQueue, flag: Callable[..., str], redis: Redis) -> Callable[..., Decision]:
    """Let a moderator decide a comment, so long ago that nobody can undo it."""

    def put(comment_id: str, action: str = "reject", **fields: Any) -> Decision:
        moderator, note = fields.pop("moderator", "samira"), fields.pop("note", "")
        flag(comment_id, text=fields.pop("text", f"words of {comment_id}"), **fields)
        lease = queue.lease("demo", moderator, senior=True)
        assert lease
        reason = "insult" if action == "reject" else ""
        labels = ("insult",) if reason else ()
        draft = Decision(
            action, labels, reason, note, moderator=moderator, request_id=f"r-{comment_id}"
        )
        return queue.decide("demo", lease.item.id, lease.token, draft)

    return put


@pytest.fixture(autouse=True)
def practice(app: Flask, redis: Redis) -> Practice:
    """Practice for which decisions are final at once, so that no test waits for an undo's time."""
    services: Services = app.extensions["hakam"]
    practice = Practice(redis, undo_seconds=-1)
    app.extensions["hakam"] = replace(services, practice=practice)
    return practice


def everything(redis: Redis) -> dict[str, object]:
    """All that is stored of the site but what trainees judged."""
    client: Any = redis
    return {key: client.dump(key) for key in client.keys("{hakam:demo}:*") if ":judge" not in key}


def on_screen(console: Console) -> str:
    """Address of the form of the comment that is to be judged."""
    page = console.get("/demo/practice")
    found = re.search(r'class="verdict" method="post" data-swap\s+action="/console([^"]+)"', page)
    assert found, "no comment is on the screen"
    return found[1]


def test_a_trainee_judges_a_decided_comment_without_being_told_the_decision(
    trainee: Console, decided: Callable[..., Decision]
) -> None:
    decided("c1", note="a hint of the colleague", author_name="Reader")
    page = trainee.get("/demo/practice")
    assert "words of c1" in page
    assert "a hint of the colleague" not in page
    assert "samira" not in page
    assert "مرفوض" not in page  # "rejected"


def test_what_a_trainee_judges_changes_nothing_but_their_own_judgements(
    trainee: Console, decided: Callable[..., Decision], flag: Callable[..., str], redis: Redis
) -> None:
    decided("c1")
    flag("c2")  # waits
    before = everything(redis)
    path = on_screen(trainee)
    trainee.post(path, action="approve")
    trainee.get("/demo/practice")
    trainee.get("/demo/practice/differences")
    assert everything(redis) == before
    assert redis.zcard("{hakam:demo}:judged") == redis.hlen("{hakam:demo}:judgements") == 1


def test_a_trainee_holds_nothing_that_a_colleague_would_decide(
    trainee: Console, flag: Callable[..., str], queue: ReviewQueue
) -> None:
    flag("c1")
    assert "words" not in trainee.get("/demo/practice")
    assert queue.stats("demo").leased == 0
    lease = queue.lease("demo", "samira")
    assert lease
    assert lease.item.comment.id == "c1"


def test_afterwards_a_trainee_is_told_where_they_differ_and_why(
    trainee: Console, decided: Callable[..., Decision]
) -> None:
    decided("c1", note="he names the family")
    trainee.post(on_screen(trainee), action="approve")
    for page in ("/demo/practice", "/demo/practice/differences"):
        shown = trainee.get(page)
        assert "he names the family" in shown
        assert "words of c1" in shown
    assert "verdict" not in trainee.get("/demo/practice"), "there is no second comment"


def test_agreement_with_the_decision_is_told_without_a_list(
    trainee: Console, decided: Callable[..., Decision]
) -> None:
    decided("c1", note="he names the family")
    trainee.post(on_screen(trainee), action="reject", reason="threat")
    assert "كما كنت ستقرر" in trainee.get("/demo/practice")  # "as you would have decided"
    assert "he names the family" not in trainee.get("/demo/practice/differences")


def test_a_judgement_is_compared_with_the_last_word_whatever_that_comes_to_be(
    trainee: Console, decided: Callable[..., Decision], queue: ReviewQueue, practice: Practice
) -> None:
    made = decided("c1")
    trainee.post(on_screen(trainee), action="approve")
    (judged,) = practice.read("demo", "nura").judgements
    assert (judged.last_word, judged.differs) == ("reject", True)
    queue.undo("demo", made.item_id, "omar", "u1", senior=True)
    (judged,) = practice.read("demo", "nura").judgements
    assert (judged.last_word, judged.differs, judged.decision) == ("", False, None)
    lease = queue.lease("demo", "omar", senior=True)
    assert lease
    draft = Decision("approve", moderator="omar", request_id="again")
    queue.decide("demo", lease.item.id, lease.token, draft)
    (judged,) = practice.read("demo", "nura").judgements
    assert (judged.last_word, judged.differs) == ("approve", False)


def test_the_decision_on_an_appeal_is_the_last_word(
    trainee: Console, decided: Callable[..., Decision], queue: ReviewQueue, practice: Practice
) -> None:
    made = decided("c1")
    trainee.post(on_screen(trainee), action="reject", reason="insult")
    queue.appeal("demo", made.id, "why")
    lease = queue.lease("demo", "omar", senior=True)
    assert lease
    queue.decide(
        "demo",
        lease.item.id,
        lease.token,
        Decision("approve", note="granted", moderator="omar", request_id="appeal"),
    )
    (judged,) = practice.read("demo", "nura").judgements
    assert judged.differs
    assert judged.decision
    assert judged.decision.note == "granted"


def test_a_comment_is_judged_once_and_only_while_it_is_on_the_screen(
    trainee: Console, decided: Callable[..., Decision], practice: Practice
) -> None:
    decided("c1")
    path = on_screen(trainee)
    assert on_screen(trainee) == path, "reloading shows the same"
    trainee.post("/demo/practice/abcdefghijkl", action="approve")
    assert practice.read("demo", "nura").judgements == []
    trainee.post(path, action="perhaps")
    assert trainee.last.status_code == 422
    trainee.post(path, action="reject", reason="boredom")
    assert trainee.last.status_code == 422
    trainee.post(path, action="approve")
    trainee.post(path, action="reject", reason="insult")
    assert [one.action for one in practice.read("demo", "nura").judgements] == ["approve"]
    practice.judge(
        "demo", "nura", practice.read("demo", "nura").judgements[0].item_id, 1, "reject", "insult"
    )
    assert [one.action for one in practice.read("demo", "nura").judgements] == ["approve"]


def test_no_comment_is_drawn_that_could_tell_or_is_not_final(
    trainee: Console,
    app: Flask,
    redis: Redis,
    decided: Callable[..., Decision],
    queue: ReviewQueue,
    flag: Callable[..., str],
) -> None:
    practice = Practice(redis)  # with the time of an undo
    decided("fresh")
    assert practice.draw("demo", "nura") is None, "it can still be undone"
    at_once = Practice(redis, undo_seconds=-1)
    drawn = at_once.draw("demo", "nura")
    assert drawn
    assert drawn.comment.id == "fresh"
    assert at_once.draw("demo", "samira") is None, "who decided it herself"
    queue.undo("demo", drawn.id, "samira", "u1")
    assert at_once.draw("demo", "nura") is None, "it waits again"


def test_a_known_answer_and_an_open_second_opinion_are_not_drawn(
    trainee: Console, queue: ReviewQueue, practice: Practice
) -> None:
    verdict = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")
    enqueue(queue, "demo", Comment("k", "known"), verdict, scores={}, known_action="approve")
    enqueue(queue, "demo", Comment("b", "blind"), verdict, scores={}, second_opinion_share=1.0)
    for share in (1.0, 0.0):
        lease = queue.lease("demo", "samira", known_answer_share=share)
        assert lease
        draft = Decision("approve", moderator="samira", request_id=f"r{share}")
        queue.decide("demo", lease.item.id, lease.token, draft)
    assert practice.draw("demo", "nura") is None


def test_personal_data_stay_masked_from_a_trainee_whatever_they_ask(
    trainee: Console, decided: Callable[..., Decision]
) -> None:
    decided("c1", text="call me: 0501234567 or a.b@example.org", author_name="a.b@example.org")
    trainee.get("/demo/practice")
    for page in ("/demo/practice?personal_data=shown", "/demo/practice/differences"):
        assert "a.b@example.org" not in trainee.get(page)
    trainee.post(on_screen(trainee), action="approve")
    for page in ("/demo/practice", "/demo/practice/differences?personal_data=shown"):
        shown = trainee.get(page)
        assert "call me" in shown
        assert "a.b@example.org" not in shown


def test_hostile_text_stays_text_on_the_pages_of_practice(
    trainee: Console, app: Flask, decided: Callable[..., Decision]
) -> None:
    attack = "<script>window.pwned = 1</script>"
    decided("c1", text=attack, author_name=attack, article_title=attack, note=attack)
    assert attack not in trainee.get("/demo/practice")
    trainee.post(on_screen(trainee), action="approve")
    assert attack not in trainee.get("/demo/practice")
    assert attack not in trainee.get("/demo/practice/differences")
    assert attack not in Console(app, "omar").log_in().get("/demo/trainees/nura")


def test_practice_is_for_trainees_and_their_sites_alone(
    trainee: Console, app: Flask, accounts: Accounts
) -> None:
    moderator = Console(app).log_in()
    moderator.get("/demo/practice")
    assert moderator.last.status_code == 403
    accounts.change("nura", role="trainee", sites=["elsewhere"])
    for page in ("/demo/practice", "/demo/practice/differences"):
        trainee.get(page)
        assert trainee.last.status_code == 404


def test_judgements_of_a_trainee_are_bounded_and_go_with_the_retention_period(
    app: Flask, api_key: str, decided: Callable[..., Decision], practice: Practice, redis: Redis
) -> None:
    made = [decided(f"c{n}") for n in range(3)]
    for one in made:
        practice.judge("demo", "nura", one.item_id, 1, "approve", "")
    with patch("service.queue.practice.MAX_JUDGEMENTS", 2):
        fourth = decided("c3")
        practice.judge("demo", "nura", fourth.item_id, 1, "approve", "")
        fifth = decided("c4")
        practice.judge("demo", "nura", fifth.item_id, 1, "approve", "")
    assert len(practice.read("demo", "nura").judgements) == 3, "one goes for each that comes"
    assert redis.hlen("{hakam:demo}:judgements") == 3
    practice.judge("demo", "rami", fifth.item_id, 1, "approve", "")
    assert practice.forget("demo", 1) == 0
    Retention(redis, Sites(redis)).sweep(force=True)
    assert redis.hlen("{hakam:demo}:judgements") == 4
    assert practice.forget("demo", int(time.time() * 1000) + 60_000) == 4
    assert redis.keys("{hakam:demo}:judge*") == []


def test_after_an_erasure_a_judgement_holds_no_word(
    trainee: Console, decided: Callable[..., Decision], practice: Practice, redis: Redis
) -> None:
    decided("c1", author_id="u1", note="a note")
    trainee.post(on_screen(trainee), action="approve")
    Retention(redis, Sites(redis)).erase("demo", "u1")
    page = trainee.get("/demo/practice/differences")
    assert "words of c1" not in page
    assert "a note" not in page
    assert practice.draw("demo", "rami") is None


def test_a_judgement_that_cannot_be_read_bars_no_other(
    trainee: Console, decided: Callable[..., Decision], practice: Practice, redis: Redis
) -> None:
    made = [decided(f"c{n}") for n in range(2)]
    for one in made:
        practice.judge("demo", "nura", one.item_id, 1, "approve", "")
    client: Any = redis
    for field in client.hkeys("{hakam:demo}:judgements"):
        if made[0].item_id in field:
            client.hset("{hakam:demo}:judgements", field, '{"format": 1, "version": "x"}')
    assert [one.item_id for one in practice.read("demo", "nura").judgements] == [made[1].item_id]


# Who looks after trainees


def judge_many(practice: Practice, made: list[Decision], n_right: int) -> None:
    for number, one in enumerate(made):
        said = one.action if number < n_right else "approve"
        practice.judge("demo", "nura", one.item_id, 1, said, "insult" if said == "reject" else "")


def test_seniors_see_how_far_each_trainee_agrees_and_from_how_many_on(
    trainee: Console, app: Flask, decided: Callable[..., Decision], practice: Practice
) -> None:
    senior = Console(app, "omar").log_in()
    senior.post("/language", language="en")
    few = [decided(f"c{n}") for n in range(9)]
    judge_many(practice, few, 9)
    assert "9 judgements compared so far" in senior.get("/demo/trainees")
    judge_many(practice, [decided("c9")], 0)
    page = " ".join(senior.get("/demo/trainees").split())
    assert "Of the last 10 judgements, 90% were decided so too." in page
    assert "60% to 98%" in page
    trainee.get("/demo/trainees")
    assert trainee.last.status_code == 403
    assert Console(app).log_in().get("/demo/trainees")


def test_differences_are_paged_by_a_cursor(
    trainee: Console, app: Flask, decided: Callable[..., Decision], practice: Practice
) -> None:
    made = [decided(f"c{n}") for n in range(45)]
    judge_many(practice, made, 0)
    senior = Console(app, "omar").log_in()
    seen, path = list[str](), "/demo/trainees/nura"
    while path:
        page = senior.get(path)
        found = re.findall(r"words of (c\d+)", page)
        assert len(found) <= DIFFERENCES_SHOWN
        seen += found
        older = re.search(r'href="/console(/demo/trainees/nura\?before=[^"]+)"', page)
        path = older[1] if older else ""
    assert sorted(seen) == sorted(f"c{n}" for n in range(45)), "each once"


def test_only_an_administrator_ends_a_training_and_the_trainee_is_told(
    trainee: Console, app: Flask, accounts: Accounts
) -> None:
    senior, admin = Console(app, "omar").log_in(), Console(app, "layla").log_in()
    senior.post("/demo/trainees/nura")
    assert senior.last.status_code == 403
    assert "primary" not in senior.get("/demo/trainees/nura").partition("<main")[2]
    for nobody in ("samira", "nobody"):
        admin.post(f"/demo/trainees/{nobody}")
        assert admin.last.status_code == 404
    admin.post("/demo/trainees/nura")
    nura = accounts.get("nura")
    assert nura
    assert (nura.role, nura.sites) == ("moderator", None)
    assert "من الآن فصاعدًا" in trainee.get("/demo/work")
    assert "nura" not in admin.get("/demo/trainees").partition("<main")[2]


def test_the_trainees_of_a_site_are_paged(app: Flask, accounts: Accounts, api_key: str) -> None:
    for number in range(PEOPLE_SHOWN + 1):
        accounts.add(f"trainee-{number:02}", PASSWORD, "trainee", sites=["demo"])
    accounts.add("trainee-of-another", PASSWORD, "trainee", sites=["elsewhere"])
    senior = Console(app, "omar").log_in()
    page = senior.get("/demo/trainees")
    assert len(re.findall(r"/demo/trainees/trainee-", page)) == PEOPLE_SHOWN
    (further,) = re.findall(r'href="/console(/demo/trainees\?after=[^"]+)"', page)
    page = senior.get(further)
    assert re.findall(r"/demo/trainees/(trainee-\w+)", page) == [f"trainee-{PEOPLE_SHOWN:02}"]
