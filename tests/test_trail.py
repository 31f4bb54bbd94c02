"""The trail of changes: whoever changes something of a site or an account is named with it."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyotp
import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from conftest import Clock, RedisServer, csrf_token
from models.schema import LabeledComment, write_comments
from service.accounts.accounts import Accounts
from service.cli.main import hakam
from service.errors import InvalidRequest, SettingsChanged, SiteUnreadable
from service.queue.retention import Retention, author_mark
from service.sites.levers import Lever
from service.sites.site import SETTINGS, Site
from service.sites.sites import Sites
from service.store.trail import (
    ACCOUNTS,
    ACCOUNTS_KEY,
    COMMAND_LINE,
    KEPT,
    Change,
    Entry,
    Origin,
    Trail,
    append,
)

LAYLA = Origin("console", "layla")
TRAIL = "{hakam:demo}:trail"
PASSWORD = "correct horse battery"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#: Two values of each setting: before and after.
VALUES: Mapping[str, tuple[Any, Any]] = {
    "name": ("North", "The North"),
    "review": ({}, {"insult": 0.4}),
    "reject": ({"threat": 0.9}, {}),
    "unsupported_language": ("review", "approve"),
    "block_words": (("one", "two"), ("two", "three")),
    "allow_words": ((), ("four",)),
    "personal_data": ("review", "reject"),
    "links": ("ignore", "review"),
    "allow_hosts": (("a.example",), ("b.example",)),
    "latin_script": ("ignore", "review"),
    "pen_names": ("review", "require"),
    "webhook_url": ("", "https://news.example/hook"),
    "webhook_secret": (SECRET, SECRET.replace("M", "N")),
    "webhook_old_secret": ("", SECRET.replace("M", "O")),
    "notice_addresses": ((), ("json://news.example/hook",)),
    "notice_language": ("ar", "en"),
    "quiet_hours": ("", "22:00-07:00"),
    "time_zone": ("UTC", "Asia/Riyadh"),
    "reader_link_secret": ("", "s" * 32),
    "reader_link_old_secret": ("", "t" * 32),
    "coral_secrets": ((), ("empsec_a",)),
    "coral_url": ("", "https://coral.example/api/graphql"),
    "coral_token": ("", "t"),
    "shadow": ("", "2026.01.31-1"),
}


def values_of(name: str) -> tuple[Any, Any]:
    """Two values of a setting; of a number and a switch its bounds."""
    setting = SETTINGS[name]
    if name in VALUES:
        return VALUES[name]
    if setting.kind == "switch":
        return False, True
    if setting.kind == "by_label":
        return {}, {"insult": float(setting.high)}
    number = int if setting.whole else float
    return number(setting.low), number(setting.high)


@pytest.fixture
def trail(redis: Redis) -> Trail:
    return Trail(redis)


@pytest.fixture
def sites(redis: Redis, clock: Clock) -> Sites:
    return Sites(redis, clock=clock)


@pytest.fixture
def accounts(redis: Redis) -> Accounts:
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return Accounts(redis, hasher=quick)


def told(trail: Trail, site_id: str = "demo") -> list[Entry]:
    return list(trail.latest(site_id))


# Sites


@pytest.mark.every_redis
@pytest.mark.parametrize("name", SETTINGS)
def test_a_change_of_each_setting_is_told_with_who_made_it_and_what_was_before(
    sites: Sites, trail: Trail, name: str
) -> None:
    old, new = values_of(name)
    sites.add(replace(Site("demo"), **{name: old}), by=COMMAND_LINE)
    sites.update(replace(sites.get("demo"), **{name: new}), by=LAYLA)
    last, first = told(trail)
    assert (first.kind, first.origin) == ("site", COMMAND_LINE)
    assert (last.kind, last.origin, list(last.changes)) == ("settings", LAYLA, [name])
    change = last.changes[name]
    if SETTINGS[name].secret:
        assert change == Change(secret=True)
    elif SETTINGS[name].is_list:
        assert set(change.added) == set(new) - set(old)
        assert set(change.removed) == set(old) - set(new)
        assert set(change.undone(new)) == set(old)
    else:
        assert (change.old, change.new) == (old, new)
        assert change.undone(new) == old


def test_no_secret_of_a_site_is_in_its_trail(sites: Sites, redis: Redis) -> None:
    secrets = [name for name, one in SETTINGS.items() if one.secret]
    assert len(secrets) > 3
    for name in secrets:
        sites_of = replace(Site(f"s-{name.replace('_', '-')}"), **{name: values_of(name)[1]})
        key = sites.add(sites_of)
        stored = str(redis.xrange(f"{{hakam:{sites_of.id}}}:trail"))
        assert name in stored
        value = values_of(name)[1]
        assert all(f"'{one}'" not in stored and f'"{one}"' not in stored for one in [*value, value])
        assert key not in stored


def test_what_changes_nothing_is_no_entry(sites: Sites, trail: Trail) -> None:
    sites.add(Site("demo"))
    sites.update(sites.get("demo"), by=LAYLA)
    assert sites.release("demo", "a1", by=LAYLA) is False
    assert [one.kind for one in told(trail)] == ["site"]


def test_settings_read_before_others_changed_them_are_refused_and_change_nothing(
    sites: Sites, trail: Trail
) -> None:
    sites.add(Site("demo"))
    early = sites.get("demo")
    sites.update(replace(early, name="Layla's"), by=LAYLA)
    with pytest.raises(SettingsChanged):
        sites.update(replace(early, name="Omar's"), by=Origin("console", "omar"))
    assert sites.get("demo").name == "Layla's"
    assert [one.origin for one in told(trail)] == [LAYLA, Origin()]
    late = sites.update(replace(sites.get("demo"), name="Both"), by=LAYLA)
    assert late.revision == sites.get("demo").revision == told(trail)[0].id


def test_a_change_is_not_made_where_its_entry_cannot_be_written(
    sites: Sites, accounts: Accounts, redis: Redis
) -> None:
    key = sites.add(Site("demo"))
    accounts.add("omar", PASSWORD)
    before = sites.get("demo"), redis.hget("{hakam:demo}:site", "keys")
    for name in (TRAIL, ACCOUNTS_KEY):
        redis.delete(name)
        redis.set(name, "spoilt")
    for change in (
        lambda: sites.update(replace(before[0], name="other")),
        lambda: sites.rotate_key("demo"),
        lambda: sites.pull("demo", Lever("a1", "closed")),
        lambda: Retention(redis, sites).erase("demo", "u1"),
    ):
        with pytest.raises(SiteUnreadable):
            change()
    assert (sites.get("demo"), redis.hget("{hakam:demo}:site", "keys")) == before
    assert key


def test_keys_are_told_by_their_marks(sites: Sites, trail: Trail, clock: Clock) -> None:
    first = sites.add(Site("demo"))
    second = sites.rotate_key("demo", grace_seconds=60, by=LAYLA)
    third = sites.add_key("demo", by=LAYLA)
    keys = sites.record("demo")
    assert keys is not None
    assert [one.mark for one in keys.keys.stored] == [third[-4:], second[-4:], first[-4:]]
    assert all(one.created_at == clock.now for one in keys.keys.stored)
    sites.revoke_key("demo", keys.keys.stored[1].name, by=LAYLA)
    revoked, added, rotated, _ = told(trail)
    assert revoked.changes["keys"].removed == [second[-4:]]
    assert (added.about, added.changes["keys"].added) == (third[-4:], [third[-4:]])
    assert (rotated.about, rotated.origin) == (second[-4:], LAYLA)


def test_articles_that_are_held_closed_and_opened_are_told(sites: Sites, trail: Trail) -> None:
    sites.add(Site("demo"))
    sites.pull("demo", Lever("a1", "held"), by=LAYLA)
    sites.pull("demo", Lever("a1", "closed"), by=Origin("api", "wxyz"))
    assert sites.release("demo", "a1", by=LAYLA)
    opened, closed, held, _ = told(trail)
    states = [one.changes["state"] for one in (held, closed, opened)]
    assert states == [Change(None, "held"), Change("held", "closed"), Change("closed", None)]
    assert {one.about for one in (held, closed, opened)} == {"a1"}
    assert closed.origin == Origin("api", "wxyz")


def test_an_erasure_is_told_without_the_author(redis: Redis, sites: Sites, trail: Trail) -> None:
    sites.add(Site("demo"))
    Retention(redis, sites).erase("demo", "author-of-hate", by=LAYLA)
    assert (told(trail)[0].kind, told(trail)[0].about) == (
        "erasure",
        author_mark("demo", "author-of-hate"),
    )
    assert "author-of-hate" not in str(redis.xrange(TRAIL))


# Accounts


def test_each_change_of_an_account_is_told(accounts: Accounts, trail: Trail, redis: Redis) -> None:
    accounts.add("root", PASSWORD, "admin", by=COMMAND_LINE)
    token = accounts.invite("omar", "moderator", sites=["demo"], by=LAYLA)
    accounts.accept(token, PASSWORD)
    accounts.change("omar", role="senior", sites=None, by=LAYLA)
    secret = accounts.second_factor.propose("omar")
    codes = accounts.second_factor.confirm("omar", pyotp.TOTP(secret).now())
    accounts.second_factor.new_recovery_codes("omar")
    accounts.log_out("omar", by=LAYLA)
    accounts.reset("omar", drops_second_factor=True, by=LAYLA)
    accounts.set_password("omar", PASSWORD, by=COMMAND_LINE)
    accounts.disable("omar", by=LAYLA)
    accounts.enable("omar", by=LAYLA)
    entries = told(trail, ACCOUNTS)[::-1]
    assert {one.about for one in entries} == {"root", "omar"}
    assert [(one.origin.name, list(one.changes)) for one in entries] == [
        ("", ["state", "role", "sites"]),
        ("layla", ["state", "role", "sites"]),
        ("omar", ["password"]),
        ("layla", ["role", "sites"]),
        ("omar", ["second_factor"]),
        ("omar", ["recovery_codes"]),
        ("layla", ["sessions"]),
        ("layla", ["password", "second_factor"]),
        ("", ["password"]),
        ("layla", ["state"]),
        ("layla", ["state"]),
    ]
    assert entries[3].changes == {
        "role": Change("moderator", "senior"),
        "sites": Change(["demo"], None),
    }
    stored = str(redis.xrange(ACCOUNTS_KEY))
    assert all(word not in stored for word in (PASSWORD, token, secret, *codes))


def test_the_trail_of_a_site_called_accounts_is_not_that_of_the_accounts(
    accounts: Accounts, sites: Sites, trail: Trail
) -> None:
    accounts.add("omar", PASSWORD)
    sites.add(Site("accounts"))
    assert [one.kind for one in told(trail, "accounts")] == ["site"]
    assert [one.kind for one in told(trail, ACCOUNTS)] == ["account"]


# What is read


def test_the_last_ten_thousand_entries_are_kept(redis: Redis, trail: Trail) -> None:
    pipe: Any = redis.pipeline(transaction=False)
    for n in range(KEPT + 500):
        append(pipe, "demo", Entry("article", LAYLA, f"a{n}"))
    pipe.execute()
    kept = told(trail)
    assert KEPT <= len(kept) < KEPT + 200
    assert kept[0].about == f"a{KEPT + 499}"


def test_several_trails_are_read_as_one_page_by_page_and_none_twice(
    redis: Redis, trail: Trail
) -> None:
    streams = ["one", "two", "three", ACCOUNTS]
    for n in range(130):
        trail.note(streams[n % 3 if n < 100 else 3], Entry("article", LAYLA, str(n)))
    seen, cursor = list[str](), ""
    while True:
        page = trail.page(streams, before=cursor, budget_seconds=60)
        seen += [one.about for one in page.entries]
        cursor = page.cursor
        if not cursor:
            break
    # Entries of one millisecond lie in several streams under one id.
    assert sorted(map(int, seen)) == sorted(set(map(int, seen)))
    assert len(seen) == 130
    assert [int(one) for one in seen if int(one) >= 100] == [*range(129, 99, -1)]


def test_a_page_stops_when_time_is_up_and_says_where_to_go_on(trail: Trail, redis: Redis) -> None:
    for n in range(60):
        trail.note("demo", Entry("article", LAYLA, str(n)))
    hurried = Trail(redis, timer=iter(range(10_000)).__next__)
    page = hurried.page(["demo"], lambda one: one.about == "0", budget_seconds=10)
    assert (page.is_cut, page.entries) == (True, [])
    while page.is_cut:
        page = hurried.page(
            ["demo"], lambda one: one.about == "0", before=page.cursor, budget_seconds=10
        )
    assert [one.about for one in page.entries] == ["0"]
    with pytest.raises(InvalidRequest):
        trail.page(["demo"], before="+")


def test_an_entry_that_cannot_be_read_says_so_and_hides_no_other(
    redis: Redis, trail: Trail
) -> None:
    for body in ("{", "[]", json.dumps({"kind": "site"}), '{"changes": 1}'):
        redis.xadd(TRAIL, {"body": body})
    redis.xadd(TRAIL, {"other": "x"})
    trail.note("demo", Entry("article", LAYLA, "a1"))
    found = trail.page(["demo"]).entries
    assert [one.damaged for one in found] == [False, *[True] * 5]


# Whoever changes something says who


WITH_ORIGIN = {
    name
    for owner in (Sites, Accounts)
    for name, method in inspect.getmembers(owner, inspect.isfunction)
    if "by" in inspect.signature(method).parameters and not name.startswith("_")
}


def calls_of(path: Path) -> Iterator[ast.Call]:
    """Calls in a file of a method that writes into the trail."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = ast.unparse(node.func.value).lower()
        if node.func.attr in WITH_ORIGIN and re.search(r"(sites|accounts)(\(.*\))?$", owner):
            yield node


def test_every_caller_says_whose_change_it_is() -> None:
    service = Path(__file__).parent.parent / "service"
    silent = [
        f"{path.name}: {ast.unparse(call)}"
        for path in service.glob("*/*.py")
        for call in calls_of(path)
        if "by" not in {word.arg for word in call.keywords}
    ]
    # What the service does by itself when it first starts.
    assert [one.partition(":")[0] for one in silent] == ["start.py", "start.py"], silent
    assert len(WITH_ORIGIN) > 12


@pytest.fixture
def command(redis_server: RedisServer, redis: Redis) -> Callable[..., Result]:
    def run(*words: str, **options: Any) -> Result:
        environ = {"HAKAM_REDIS_URL": redis_server.url}
        result = CliRunner().invoke(hakam, words, env=environ, **options)
        assert result.exit_code == 0, result.output
        return result

    return run


COMMANDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "site": ("new", ("sites", "add", "new")),
    "settings": ("demo", ("sites", "set", "demo", "--name", "Other")),
    "key": ("demo", ("sites", "rotate-key", "demo")),
    "settings by policy": ("demo", ("policy", "set", "demo", "--preset", "strict")),
    "account": (ACCOUNTS, ("moderators", "add", "new")),
    "account raised": (ACCOUNTS, ("moderators", "role", "omar", "senior")),
    "account disabled": (ACCOUNTS, ("moderators", "disable", "omar")),
    "account reset": (ACCOUNTS, ("moderators", "reset", "omar")),
    "erasure": ("demo", ("erase", "--site", "demo", "--author", "u1")),
    "retention": ("demo", ("forget", "--force")),
    "export": ("demo", ("decisions", "export", "demo", "--with-personal-data")),
    "export of feedback": ("demo", ("feedback", "export", "demo", "--with-personal-data")),
    "decisions archived": (
        "demo",
        ("decisions", "archive", "demo", "--days", "100", "--output", ""),
    ),
    "decisions rebuilt": ("demo", ("queue", "rebuild", "demo", "")),
    "known_answers cleared": ("demo", ("known-answers", "clear", "demo")),
    "known_answers added": ("demo", ("known-answers", "add", "demo", "")),
    "webhook": ("demo", ("webhooks", "replay", "demo")),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_every_command_that_changes_something_is_told(
    command: Callable[..., Result],
    redis: Redis,
    trail: Trail,
    tmp_path: Path,
    artifacts: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    Sites(redis).add(Site("demo"))
    Accounts(redis).add("omar", PASSWORD)
    known = LabeledComment("k1", "text", {"insult": 1.0}, "test")
    if "rebuilt" in what:
        known = replace(known, site="demo", decided_at="2026-01-01T00:00:00Z", id="k1")
    write_comments([known], tmp_path / "known.jsonl")
    monkeypatch.setenv("HAKAM_ARTIFACTS", str(artifacts))
    monkeypatch.setenv("HAKAM_VAR", str(tmp_path))
    stream, words = COMMANDS[what]
    file = str(tmp_path / ("archive" if "archived" in what else "known.jsonl"))
    before = told(trail, stream)
    command(*(word or file for word in words))
    new = told(trail, stream)[: -len(before) or None]
    assert [(one.kind, one.origin) for one in new] == [(what.split(maxsplit=1)[0], COMMAND_LINE)]


ROUTES: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "settings": ("demo", "/demo/settings", {"name": "Other"}),
    "settings of the webhook": ("demo", "/demo/settings/webhook", {"action": "secret"}),
    "settings by policy": ("demo", "/demo/policy", {"preset": "strict"}),
    "key": ("demo", "/demo/settings/key", {}),
    "site": ("new", "/admin/sites", {"id": "new"}),
    "site closed": ("demo", "/demo/admin", {"action": "close", "own_password": PASSWORD}),
    "settings of the name": ("demo", "/demo/admin", {"action": "rename", "name": "Other"}),
    "settings of words": ("demo", "/demo/words", {"block_words": "one"}),
    "key added": ("demo", "/demo/keys", {"action": "add"}),
    "key replaced": (
        "demo",
        "/demo/keys",
        {"action": "rotate", "hours": "1", "own_password": PASSWORD},
    ),
    "export": (
        "demo",
        "/demo/exports/decisions",
        {"personal_data": "on", "own_password": PASSWORD},
    ),
    "erasure": (
        "demo",
        "/demo/retention",
        {"action": "erase", "author_id": "u1", "own_password": PASSWORD},
    ),
    "retention": ("demo", "/demo/retention", {"action": "forget", "own_password": PASSWORD}),
    "article": ("demo", "/demo/articles", {"article_id": "a1", "action": "close"}),
    "article held": ("demo", "/demo/articles", {"article_id": "a", "action": "hold", "hours": "1"}),
    "webhook": ("demo", "/overview/demo/replay", {}),
    "account": (ACCOUNTS, "/people", {"name": "new", "role": "moderator", "sites": "*"}),
    "account changed": (ACCOUNTS, "/people/omar", {"action": "change", "role": "senior"}),
    "account reset": (ACCOUNTS, "/people/omar", {"action": "reset"}),
    "account disabled": (ACCOUNTS, "/people/omar", {"action": "disable"}),
    "account enabled": (ACCOUNTS, "/people/omar", {"action": "enable"}),
    "account logged out": (ACCOUNTS, "/people/omar", {"action": "log_out"}),
    "account with a password": (
        ACCOUNTS,
        "/me/password",
        {"old": PASSWORD, "password": PASSWORD + "s"},
    ),
}


@pytest.mark.parametrize("what", ROUTES)
def test_every_form_that_changes_something_is_told(
    app: Flask, accounts: Accounts, redis: Redis, trail: Trail, what: str
) -> None:
    Sites(redis).add(Site("demo"))
    app.extensions["hakam"] = replace(app.extensions["hakam"], accounts=accounts)
    accounts.add("layla", PASSWORD, "admin")
    accounts.add("omar", PASSWORD)
    browser: FlaskClient = app.test_client()

    def post(path: str, form: Mapping[str, str]) -> Any:
        page = browser.get("/console/login").get_data(as_text=True)
        return browser.post(f"/console{path}", data={"csrf_token": csrf_token(page), **form})

    post("/login", {"name": "layla", "password": PASSWORD})
    stream, path, form = ROUTES[what]
    before = told(trail, stream)
    answer = post(path, form)
    page = answer.get_data(as_text=True)  # some is done while it is read
    assert answer.status_code in (200, 303), page
    new = told(trail, stream)[: -len(before) or None]
    assert [(one.kind, one.origin) for one in new] == [(what.split(maxsplit=1)[0], LAYLA)]


@pytest.mark.parametrize("verb", ["hold", "close"])
def test_what_a_site_asks_over_the_api_is_told_with_the_mark_of_its_key(
    client: FlaskClient, api_key: str, trail: Trail, verb: str
) -> None:
    headers = {"Authorization": f"Bearer {api_key}"}
    for act in (verb, "open"):
        assert client.post(f"/v1/articles/{act}", json={"id": "a1"}, headers=headers).is_json
    opened, pulled, _ = told(trail)
    assert {opened.origin, pulled.origin} == {Origin("api", api_key[-4:])}
