"""Bad numbers, times and lengths: refused by name at every door, harmless where they are stored.

A door is where a value comes in: a site's wishes, the interface, the console's forms, commands.
What lies in Redis already, be it from an older version or from a stranger's hand, bars one item or
one site at most.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import pytest
from arriving import enqueue
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from test_console import Console, accounts, console, flag, queue, settings_form
from werkzeug.test import TestResponse

from conftest import RedisServer
from models.schema import LABELS, LabeledComment
from service.accounts.account import Preferences
from service.accounts.accounts import Accounts
from service.cli.main import hakam
from service.errors import InvalidRequest, SiteUnreadable
from service.queue.decisions import DecisionStream
from service.queue.records import Comment, facet
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Verdict
from service.rules.priority import MAX_TIME_TARGET_SECONDS
from service.services import Services
from service.sites.known_sites import KnownSites
from service.sites.site import SETTINGS, Site
from service.sites.sites import Sites
from service.store.durability import FORMAT

NEWER = f'{{"format":{FORMAT + 1}'  # the beginning of a record that nobody here can read

pytestmark = pytest.mark.slow

__all__ = ["accounts", "console", "flag", "queue"]  # fixtures

NUMBERS = (-1, -1e308, 1e308, math.inf, -math.inf, math.nan, 10**18, 10**400, "7", True, None)
TIMES = (
    "0001-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "1969-12-31T23:59:59Z",
    "2200-01-01T00:00:00Z",
    "2026-11-27T10:00:00",
    "2026-13-01T00:00:00Z",
    "yesterday",
)
LONG = "x" * 100_000
DIGITS = "9" * 5_000
SURROGATE = "\ud800"


# A site's wishes


@pytest.mark.parametrize("name", [one.name for one in SETTINGS.values() if one.kind == "number"])
@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: str(value)[:9])
def test_a_number_that_a_site_cannot_want_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        replace(Site("demo"), **{name: value})
    assert [error.field for error in refusal.value.errors] == [name]


@pytest.mark.parametrize("name", ["review", "reject", "label_weights"])
@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: str(value)[:9])
def test_a_threshold_that_a_site_cannot_want_is_refused_by_name(name: str, value: Any) -> None:
    wish: dict[str, Any] = {name: {"insult": value}}
    with pytest.raises(InvalidRequest) as refusal:
        replace(Site("demo"), **wish)
    assert [error.field for error in refusal.value.errors] == [f"{name}.insult"]


@pytest.mark.parametrize(
    "name", ["name", "webhook_url", "webhook_secret", "coral_url", "coral_token", "block_words"]
)
@pytest.mark.parametrize("value", [LONG, SURROGATE, "a\0b", 7], ids=["long", "half", "nul", "7"])
def test_a_text_that_a_site_cannot_want_is_refused_by_name(name: str, value: Any) -> None:
    wish: dict[str, Any] = {name: (value,) if name.endswith("words") else value}
    with pytest.raises(InvalidRequest) as refusal:
        replace(Site("demo"), **wish)
    assert refusal.value.errors[0].field == name
    assert str(value) == "7" or str(value) not in str(refusal.value)


@pytest.mark.parametrize("seconds", [-1.0, 1e308, math.inf, math.nan])
def test_an_old_key_works_on_for_a_time_that_there_is(redis: Redis, seconds: float) -> None:
    sites = Sites(redis)
    key = sites.add(Site("demo"))
    with pytest.raises(InvalidRequest, match="grace_seconds"):
        sites.rotate_key("demo", grace_seconds=seconds)
    assert KnownSites(sites).authenticate(key)


def store(redis: Redis, site_id: str, record: str) -> None:
    redis.sadd("hakam:sites", site_id)
    redis.hset(f"{{hakam:{site_id}}}:site", "record", record)


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (
            {"time_target_seconds": 599_999_999_940},
            {"time_target_seconds": MAX_TIME_TARGET_SECONDS},
        ),
        ({"time_target_seconds": 0}, {"time_target_seconds": 1}),
        ({"time_target_seconds": math.nan}, {}),
        ({"retention_days": 10**300}, {"retention_days": 36_500}),
        ({"retention_days": "ten"}, {"retention_days": 36_500}),
        ({"retention_days": 90.0}, {"retention_days": 90}),
        ({"random_sample_share": math.inf}, {"random_sample_share": 1}),
        ({"reject": {"insult": math.nan, "threat": 0.9}}, {"reject": {"threat": 0.9}}),
        ({"review": {"insult": 7, "rudeness": 0.1}, "reject": 5}, {}),
        ({"block_words": 7, "name": ["x"], "webhook_private": "yes", "coral_token": None}, {}),
    ],
)
def test_a_stored_wish_that_cannot_be_does_not_lose_the_site(
    redis: Redis, stored: dict[str, Any], read: dict[str, Any]
) -> None:
    store(redis, "demo", json.dumps({"id": "demo"} | stored))
    assert Sites(redis).get("demo") == replace(Site("demo"), **read)


@pytest.mark.parametrize(
    "record", ["", "{", "[]", "7", "null", '{"name": "no id"}', '{"id": "Not An Id"}', '{"id": 5}']
)
def test_a_site_that_cannot_be_read_is_told_as_such_and_bars_no_other(
    redis: Redis, record: str
) -> None:
    sites = Sites(redis)
    key, broken_key = sites.add(Site("demo")), sites.add(Site("broken"))
    redis.hset("{hakam:broken}:site", "record", record)
    assert sites.list() == [Site("demo")]
    assert sites.unreadable() == ["broken"]
    assert KnownSites(sites).authenticate(key) == Site("demo")
    for ask in (partial(sites.get, "broken"), partial(KnownSites(sites).authenticate, broken_key)):
        with pytest.raises(SiteUnreadable):
            ask()


@pytest.mark.parametrize("keys", ["{", "7", '[["a"]]', '[["a", "soon"]]', '""'])
def test_a_site_whose_keys_cannot_be_read_is_not_called_unknown(redis: Redis, keys: str) -> None:
    sites = Sites(redis)
    key = sites.add(Site("demo"))
    redis.hset("{hakam:demo}:site", "keys", keys)
    with pytest.raises(SiteUnreadable):
        KnownSites(sites).authenticate(key)


def test_a_site_whose_record_is_of_another_kind_bars_no_other(redis: Redis) -> None:
    sites = Sites(redis)
    sites.add(Site("demo"))
    redis.sadd("hakam:sites", "broken")
    redis.set("{hakam:broken}:site", "x")
    assert (sites.list(), sites.unreadable()) == ([Site("demo")], ["broken"])


# The interface


def wrong_fields(answer: TestResponse) -> list[str]:
    return [error["field"] for error in (answer.get_json() or {})["errors"]]


COMMENT = {"id": "1", "text": "hello"}


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("created_at", (*TIMES, 7, 1e308, LONG, SURROGATE)),
        ("reach", (-1, 1.5, 1e308, 10**18, 10**400, "7", True)),
        ("id", ("", LONG, SURROGATE, "a\0b", 7, None)),
        ("text", ("", SURROGATE, "a\0b", 7, None, LONG)),
    ],
)
def test_the_interface_refuses_by_name_what_a_comment_cannot_have(
    client: FlaskClient, api_key: str, field: str, values: tuple[Any, ...]
) -> None:
    for value in values:
        answer = client.post(
            "/v1/comments",
            data=json.dumps(COMMENT | {field: value}),
            content_type="application/json",
            headers={"Authorization": f"Bearer {api_key}"},
        )
        assert answer.status_code == 422, str(value)[:20]
        assert wrong_fields(answer) == [field]


@pytest.mark.parametrize("value", [-1, 1.5, 1e308, 10**18, 10**400, "7", None])
@pytest.mark.parametrize("verb", ["renew", "release", "decide", "escalate"])
def test_the_interface_refuses_by_name_a_token_that_cannot_be(
    client: FlaskClient, api_key: str, verb: str, value: Any
) -> None:
    body = {"token": value}
    if verb == "decide":
        body |= {"action": "approve", "moderator": "m", "request_id": "r"}
    answer = client.post(
        f"/v1/queue/items/x/{verb}",
        data=json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {api_key}"},
    )
    assert answer.status_code == 422
    assert wrong_fields(answer) == ["token"]


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59Z", "soon", ""]
)
def test_an_export_with_an_impossible_time_is_refused_before_it_spoils_an_author(
    redis: Redis, moment: str
) -> None:
    known = LabeledComment(
        "c1", "x", {"insult": 1.0}, "moderator", site="demo", author_id="u", decided_at=moment
    )
    queue = ReviewQueue(redis)
    with pytest.raises(InvalidRequest, match="decided_at"):
        DecisionStream(redis).rebuild("demo", [known])
    assert queue.author("demo", "u").n_rejected == 0


# Commands


def command(redis_url: str, *words: str) -> Result:
    return CliRunner().invoke(hakam, words, env={"HAKAM_REDIS_URL": redis_url})


@pytest.mark.parametrize(
    ("option", "values", "named"),
    [
        ("--time-target-seconds", ("0", "-1", "599999999940", DIGITS), "time_target_seconds"),
        ("--retention-days", ("0", "-1", "99999999", DIGITS), "retention_days"),
        ("--requests-per-minute", ("-1", "99999999999", DIGITS), "requests_per_minute"),
        ("--review-first-comments", ("-1", "21", DIGITS), "review_first_comments"),
        ("--random-sample-share", ("-1", "nan", "inf", "1e308"), "random_sample_share"),
        ("--known-answer-share", ("-1", "nan", "inf", "1e308"), "known_answer_share"),
        ("--second-opinion-share", ("-1", "nan", "inf"), "second_opinion_share"),
        ("--review", ("insult=nan", "insult=inf", "insult=-1", "insult=1e308"), "review.insult"),
        ("--reject", ("insult=nan", "insult=2"), "reject.insult"),
        ("--name", (LONG, SURROGATE, "a\0b"), "name"),
        ("--webhook-url", ("http://x/" + "y" * 3_000,), "webhook_url"),
    ],
)
def test_a_command_refuses_by_name_what_a_site_cannot_want(
    redis: Redis, settings: Any, option: str, values: tuple[str, ...], named: str
) -> None:
    Sites(redis).add(Site("demo"))
    for value in values:
        result = command(settings.redis_url, "sites", "set", "demo", option, value)
        assert result.exit_code == 2, value[:20]
        assert named in result.output.replace("-", "_")
        assert not result.exception or isinstance(result.exception, SystemExit)
    assert Sites(redis).get("demo") == Site("demo")


@pytest.mark.parametrize(
    "words",
    [
        *(
            ("sites", "rotate-key", "demo", "--grace-seconds", n)
            for n in ("-1", "nan", "inf", "1e99")
        ),
        *(("transparency", "demo", "--from", day, "--to", "2026-01-01") for day in ("0001-01-01",)),
        ("transparency", "demo", "--from", "2026-01-01", "--to", "9999-12-31"),
        *(("thresholds", "suggest", "--from", "x", "--recall", n) for n in ("nan", "-1", "inf")),
        ("decisions", "export", "demo", "--after", DIGITS),
        ("moderators", "add", "x" * 65),
        ("moderators", "add", SURROGATE),
    ],
    ids=lambda words: " ".join(words)[:60],
)
def test_a_command_with_an_extreme_value_is_one_sentence(
    redis: Redis, settings: Any, words: tuple[str, ...]
) -> None:
    Sites(redis).add(Site("demo"))
    result = command(settings.redis_url, *words)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit), result.exception


# The console's forms


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("time_target_minutes", ("0", "-1", "9999999999", "1e308", "inf", "nan", DIGITS)),
        ("retention_days", ("0", "-1", "9999999999", "1e308", "-1e308", DIGITS)),
        ("random_sample_share", ("-1", "101", "1e308", "nan")),
        ("second_opinion_share", ("-1", "101", "1e308", "nan")),
        ("known_answer_share", ("-1", "101", "inf")),
        ("review_insult", ("-1", "1e308", "inf")),
        ("name", ("a\0b",)),
        ("block_words", ("x\n" * 3 + "\n".join(map(str, range(1_001))), LONG)),
        ("webhook_url", ("http://" + LONG, "x")),
    ],
)
def test_the_form_of_a_site_refuses_what_it_cannot_want(
    app: Flask, accounts: Accounts, api_key: str, field: str, values: tuple[str, ...]
) -> None:
    admin = Console(app, "layla").log_in()
    form = settings_form(admin.get("/demo/settings"))
    services: Services = app.extensions["hakam"]
    for value in values:
        page = admin.post("/demo/settings", action="save", **form | {field: value})
        assert admin.last.status_code == 422, value[:20]
        assert "complaint" in page
    assert services.sites.get("demo") == Site("demo", name="Demo")


@pytest.mark.parametrize("value", ["-1", "99999999999", DIGITS, "1e308", "nan", "x", "\0"])
def test_the_form_of_a_person_takes_the_nearest_number_that_there_is(
    console: Console, accounts: Accounts, value: str
) -> None:
    console.post("/me", break_minutes=value, severe_per_hour=value)
    assert console.last.status_code == 303
    account = accounts.get("samira")
    assert account
    assert 0 <= account.preferences.break_minutes <= 480
    assert 0 <= account.preferences.severe_per_hour <= 60


@pytest.mark.parametrize(
    "fields", [{"note": "x" * 4_001}, {"request_id": LONG}, {"token": DIGITS}, {"token": "-1e308"}]
)
def test_a_decision_with_an_extreme_field_is_not_taken(
    console: Console, flag: Callable[..., str], queue: ReviewQueue, fields: dict[str, str]
) -> None:
    flag()
    console.press("reject", console.open() | {"reason": "insult"} | fields)
    assert console.last.status_code == 422
    assert queue.stats("demo").decided == 0


# What lies in Redis


def test_the_largest_time_target_keeps_the_queue_in_order(queue: ReviewQueue) -> None:
    verdict = Verdict("review", "insult", "text", 0.0, "score", 1.0, "v1")
    for n, target in enumerate((599_999_999_940, 1e308, math.inf, MAX_TIME_TARGET_SECONDS, 60)):
        enqueue(
            queue, "demo", Comment(f"c{n}", "x"), verdict, scores={}, time_target_seconds=target
        )
    leased = [queue.lease("demo", "m") for _ in range(5)]
    assert next(lease.item.comment.id for lease in leased if lease) == "c4"
    assert all(leased)
    assert queue.stats("demo").leased == 5


def skip(console: Console, page: str) -> None:
    """Press the button that leaves the comment on the screen to somebody else."""
    (path,) = re.findall(r'action="/console(/demo/items/[\w-]+)"', page)
    (token,) = re.findall(r'name="token" value="(\d+)"', page)
    console.post(path, action="skip", token=token)
    assert console.last.status_code == 303


def _with(**fields: Any) -> Callable[[str], str]:
    return lambda record: json.dumps(json.loads(record) | fields)


DAMAGE: dict[str, Callable[[str], str]] = {
    "empty": lambda _record: "",
    "nonsense": lambda _record: "nonsense",
    "number": lambda _record: "7",
    "list": lambda _record: "[]",
    "of an older format": lambda _record: 'pending 1 0 0 1 1 x\n"bad"\n[]\n',
    "of a newer format": _with(format=FORMAT + 1),
    "of no format": _with(format=None),
    "no verdict": _with(verdict=None),
    "verdict as a row": _with(verdict=["review"]),
    "verdict of numbers": lambda record: record.replace('"insult"', "[7]"),
    "infinite score": lambda record: record.replace("0.97", "1e999"),
    "score of letters": lambda record: record.replace("0.97", '"high"'),
    "rest": lambda record: record + "{",
    "due in powers of ten": _with(due=6.0000017695932e14),
    "due of letters": _with(due="soon"),
    "version": _with(version="one"),
    "broken version": _with(version=1.5),
    "facets of letters": _with(facets="l1234"),
    "expiry of letters": _with(expires="soon"),
    "unknown field": _with(mood="good"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_an_item_whose_record_is_damaged_bars_neither_queue_nor_page(
    app: Flask,
    console: Console,
    flag: Callable[..., str],
    queue: ReviewQueue,
    stream: DecisionStream,
    redis: Redis,
    damage: str,
) -> None:
    bad = flag("bad", score=0.97)
    good = flag("good", "still here", score=0.5)
    record = str(redis.hget("{hakam:demo}:items", bad))
    redis.hset("{hakam:demo}:items", bad, DAMAGE[damage](record))
    for path in ("/overview", "/overview/events", f"/demo/items/{bad}"):
        console.get(path)
        assert console.last.status_code == 200, path
    page = console.get("/demo/work")
    assert console.last.status_code == 200
    if "still here" not in page:  # the bad one is shown as far as it can be, and can be skipped
        skip(console, page)
        page = console.get("/demo/work")
    assert "still here" in page
    console.press("approve", console.open())
    assert [d.item_id for d in stream.read("demo")] == [good]
    assert queue.stats("demo").pending >= 0


def test_a_site_that_cannot_be_read_is_told_as_such_and_not_as_an_outage(
    console: Console, redis: Redis
) -> None:
    console.post("/language", language="en")
    redis.hset("{hakam:demo}:site", "record", "{")
    for path in ("/demo/work", "/demo/search"):
        page = console.get(path)
        assert console.last.status_code == 503
        assert "What is stored of this site cannot be read" in page
        assert "does not answer" not in page


ENTRIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "empty": lambda _facts: "",
    "nonsense": lambda _facts: "{",
    "number": lambda _facts: 7,
    "list": lambda _facts: [],
    "nothing in it": lambda _facts: {},
    "no item": lambda facts: facts | {"item_id": None},
    "no token": lambda facts: facts | {"token": None},
    "version of letters": lambda facts: facts | {"version": "one"},
    "broken version": lambda facts: facts | {"version": 1.5},
    "unknown kind": lambda facts: facts | {"kind": "rumour"},
    "unknown action": lambda facts: facts | {"action": "burn"},
    "action of another kind": lambda facts: facts | {"kind": "undo"},
    "unknown field": lambda facts: facts | {"mood": "good"},
    "unknown label": lambda facts: facts | {"labels": ["bad"]},
    "label of numbers": lambda facts: facts | {"labels": [7]},
    "no labels": lambda facts: facts | {"labels": None},
    "reason of numbers": lambda facts: facts | {"reason": 7},
    "moderator of numbers": lambda facts: facts | {"moderator": [7]},
    "no time": lambda facts: facts | {"decided_at": None},
    "time without end": lambda facts: facts | {"decided_at": 10**300},
    "time of letters": lambda facts: facts | {"enqueued_at": "soon"},
    "verdict as a row": lambda facts: facts | {"verdict": ["review"]},
    "score of letters": lambda facts: facts | {"verdict": facts["verdict"] | {"score": "high"}},
    "newer format": lambda facts: facts | {"format": FORMAT + 1},
    "no format": lambda facts: {name: facts[name] for name in facts if name != "format"},
}


@pytest.mark.parametrize("damage", ENTRIES)
def test_a_damaged_entry_of_the_decisions_is_lost_alone_and_said(
    app: Flask,
    console: Console,
    flag: Callable[..., str],
    queue: ReviewQueue,
    stream: DecisionStream,
    redis: Redis,
    api_key: str,
    redis_server: RedisServer,
    damage: str,
) -> None:
    for name in ("c1", "c2", "c3"):
        flag(name, f"words of {name}")
        console.press("reject", console.open() | {"reason": "insult"})
    bad = stream.read("demo")[1]
    _rewrite(redis, bad.id, ENTRIES[damage])
    senior = Console(app, "omar").log_in()
    senior.post("/language", language="en")
    said = "What is stored of 1 decision cannot be read"
    for path in ("/demo/search?comment=c1", "/demo/search?q=words", f"/demo/items/{bad.item_id}"):
        page = senior.get(path)
        assert senior.last.status_code == 200, path
        assert (said in page) == path.endswith("c2"), path
    key = {"Authorization": f"Bearer {api_key}"}
    told = app.test_client().get("/v1/decisions", headers=key)
    assert told.status_code == 200
    assert [json.loads(line)["id"] for line in told.text.splitlines()] == ["c1", "c3"]
    assert told.headers["Hakam-Damaged"] == "1"
    assert told.headers["Hakam-Cursor"] == stream.read("demo")[2].id
    export = command(redis_server.url, "decisions", "export", "demo")
    assert export.exit_code == 0
    assert "of 1 decisions cannot be read" in export.stderr
    senior.post(f"/demo/items/{bad.item_id}/undo")  # a senior may, whoever decided it
    assert "cannot be read" not in senior.last.text
    assert senior.last.status_code == 303
    assert [d.kind for d in stream.read("demo")] == ["decision", "damaged", "decision", "undo"]
    verified = command(redis_server.url, "audit", "verify", "demo")
    assert verified.exit_code != 0
    assert bad.id in verified.stderr


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"format":1}', NEWER + ',"comment":{"id":"c1"}}']
)
@pytest.mark.parametrize("words", ["{", "7", '{"format":1,"note":7}', NEWER + ',"note":"n"}'])
def test_damaged_words_of_a_decision_leave_its_facts(
    app: Flask,
    console: Console,
    flag: Callable[..., str],
    queue: ReviewQueue,
    stream: DecisionStream,
    redis: Redis,
    api_key: str,
    content: str,
    words: str,
) -> None:
    flag("c1")
    console.press("reject", console.open() | {"reason": "insult", "note": "rude"})
    item_id = stream.read("demo")[0].item_id
    redis.hset("{hakam:demo}:texts", f"{item_id}:1", content)
    redis.hset("{hakam:demo}:texts", f"{item_id}:1:1", words)
    (made,) = stream.read("demo")
    assert (made.damaged, made.action, made.comment, made.note) == (True, "reject", None, "")
    key = {"Authorization": f"Bearer {api_key}"}
    told = app.test_client().get("/v1/decisions", headers=key)
    assert [json.loads(line)["action"] for line in told.text.splitlines()] == ["reject"]


def _rewrite(redis: Redis, entry_id: str, changed: Callable[[dict[str, Any]], Any]) -> None:
    """Write the decision stream anew with another body of one entry."""
    stream = "{hakam:demo}:decisions"
    kept: Any = redis.xrange(stream)
    redis.delete(stream)
    for one, fields in kept:
        body = changed(json.loads(fields["body"])) if one == entry_id else fields["body"]
        body = body if isinstance(body, str) else json.dumps(body)
        redis.xadd(stream, fields | {"body": body}, id=one)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "7",
        '[["x"],[0.97],0,0]',
        NEWER + ',"comment":{"id":"bad","text":"x"}}',
        '{"comment":{"id":"bad","text":"x"}}',
        '{"format":1,"comment":{"text":"x"}}',
        '{"format":1,"comment":{"id":"bad","text":7}}',
        '{"format":1,"comment":{"id":"bad","reach":"7"}}',
        '{"format":1,"comment":{"id":"bad"},"scores":{"insult":"high"}}',
        '{"format":1,"comment":{"id":"bad"},"scores":{"insult":1e999}}',
        '{"format":1,"comment":{"id":"bad"},"evidence":[["text","insult",0,1,1]]}',
        '{"format":1,"comment":{"id":"bad"},"evidence":[{"field":"text","label":"insult"}]}',
        '{"format":1,"comment":{"id":"bad"},"note":7}',
        '{"format":1,"comment":{"id":"bad"},"mood":"good"}',
    ],
)
def test_an_item_whose_text_is_damaged_is_shown_as_such_and_can_be_skipped(
    console: Console,
    accounts: Accounts,
    flag: Callable[..., str],
    queue: ReviewQueue,
    redis: Redis,
    content: str,
) -> None:
    accounts.save_preferences("samira", Preferences(language="en"))
    bad = flag("bad", score=0.97)
    flag("good", "still here", score=0.5)
    redis.hset("{hakam:demo}:texts", f"{bad}:1", content)
    page = console.get("/demo/work")
    assert console.last.status_code == 200
    assert ("This comment cannot be shown" in page) == bool(content)
    skip(console, page)
    assert "still here" in console.get("/demo/work")
    console.get("/overview")
    assert console.last.status_code == 200
    (waiting,) = queue.waiting("demo", limit=10)
    assert waiting.damaged == bool(content)


@pytest.mark.parametrize(
    "counts",
    ["", "x", "1", "1 2 3 ", "{}", NEWER + ',"n_rejected":5}', "[" * 5_000, "9" * 5_000],
)
def test_an_author_whose_counts_are_damaged_can_still_be_decided_about(
    console: Console,
    flag: Callable[..., str],
    queue: ReviewQueue,
    redis: Redis,
    client: FlaskClient,
    api_key: str,
    counts: str,
) -> None:
    flag("c1", author_id="u1")
    redis.hset("{hakam:demo}:authors", facet("author_id", "u1"), counts)
    for path in ("/demo/work", "/demo/authors?id=u1"):
        console.get(path)
        assert console.last.status_code == 200, path
    headers = {"Authorization": f"Bearer {api_key}"}
    assert client.get("/v1/authors?id=u1", headers=headers).status_code == 200
    console.press("reject", console.open(), reason="insult")
    assert queue.author("demo", "u1").n_rejected == 1


@pytest.mark.parametrize("count", ["x", "-1", "1e308", "nan", DIGITS])
def test_a_count_that_is_damaged_bars_no_page(
    app: Flask, accounts: Accounts, api_key: str, redis: Redis, count: str
) -> None:
    services: Services = app.extensions["hakam"]
    services.verdict_counts.count("demo", "approve", {"insult": 0.5})
    services.verdict_counts.flush()
    client: Any = redis
    for key in client.scan_iter("{hakam:demo}:verdicts:*"):
        for counter in client.hkeys(key):
            redis.hset(key, counter, count)
    admin = Console(app, "layla").log_in()
    for path in ("/demo/settings", "/demo/insight"):
        admin.get(path)
        assert admin.last.status_code == 200, path


@pytest.mark.parametrize("moment", TIMES)
def test_a_stored_time_that_no_calendar_has_bars_no_page(
    console: Console, flag: Callable[..., str], moment: str
) -> None:
    flag(created_at=moment)
    assert 'id="comment"' in console.get("/demo/work")
    assert console.last.status_code == 200
    console.get("/demo/work")
    console.press("approve", console.open())
    assert console.last.status_code == 303


def test_a_page_that_cannot_show_one_comment_says_so_and_offers_the_next(
    console: Console, app: Flask, flag: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flag("bad", score=0.97)
    flag("good", "still here", score=0.5)
    with monkeypatch.context() as fault:
        fault.setattr("service.console.work.item_view", None)
        page = console.get("/demo/work")
        assert console.last.status_code == 200
    assert "bad" not in page
    skip(console, page)
    assert "still here" in console.get("/demo/work")


@pytest.mark.parametrize(
    "member", ["l", "lx", "l" + "9" * 40, "e", "t\0", "lxxxxxxxx9999999999999"]
)
def test_a_line_with_a_strange_entry_still_moves(
    console: Console, flag: Callable[..., str], queue: ReviewQueue, redis: Redis, member: str
) -> None:
    redis.zadd("{hakam:demo}:lines", {member: 0})
    redis.zadd("{hakam:demo}:leases", {"nobody": 1})
    redis.zadd("{hakam:demo}:retention", {"strange": 1, "item:x": 1})
    flag("good", "still here")
    assert "still here" in console.get("/demo/work")
    console.get("/overview")
    assert console.last.status_code == 200
    assert queue.stats("demo").leased == 1


def test_one_item_is_never_handed_out_for_a_second_entry_in_the_line(
    flag: Callable[..., str], queue: ReviewQueue, redis: Redis
) -> None:
    item_id = flag()
    client: Any = redis
    (entry,) = client.zrangebylex("{hakam:demo}:lines", "[l", "(m")
    redis.zadd("{hakam:demo}:lines", {entry[:9] + "1000000000000" + item_id: 0})
    assert queue.lease("demo", "one")
    assert queue.lease("demo", "other") is None


def test_one_site_in_trouble_does_not_take_the_overview_of_the_others(
    app: Flask, accounts: Accounts, api_key: str, flag: Callable[..., str], redis: Redis
) -> None:
    services: Services = app.extensions["hakam"]
    services.sites.add(Site("broken", name="Broken"))
    services.sites.add(Site("gone"))
    redis.set("{hakam:broken}:lines", "of another kind")
    redis.hset("{hakam:gone}:site", "record", "{")
    flag("c1")
    accounts.save_preferences("layla", Preferences(language="en"))
    admin = Console(app, "layla").log_in()
    for path in ("/overview", "/overview/events"):
        page = admin.get(path)
        assert admin.last.status_code == 200
        assert "These sites cannot be shown" in page
        assert "Broken, gone" in page
        assert 'id="site-demo"' in page
    assert admin.get("/demo/work").count('id="comment"') == 1
    admin.get("/broken/work")
    assert admin.last.status_code == 503
    for path in ("/people", "/demo/settings", "/demo/search", "/"):
        admin.get(path)
        assert admin.last.status_code in (200, 302), path


@pytest.mark.parametrize("threshold", ["nan", "inf", "-1", "1e308", DIGITS])
def test_a_preview_of_a_threshold_that_there_is_not_is_refused(
    app: Flask, accounts: Accounts, api_key: str, threshold: str
) -> None:
    admin = Console(app, "layla").log_in()
    admin.get(f"/demo/settings/preview?label=insult&threshold={threshold}")
    assert admin.last.status_code == 422


def test_a_site_is_stored_as_it_is_read() -> None:
    site = Site(
        "demo", review=dict.fromkeys(LABELS, 0.5), block_words=("a",), retention_days=36_500
    )
    assert Site.from_json(site.to_json()) == site
    assert Site.from_json(json.dumps(asdict(site))) == site
