"""Trainees: what they decide has no effect, and nothing else is open to them."""

from __future__ import annotations

import pytest
from flask import Flask
from test_console import PASSWORD, Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture

from service.accounts.accounts import Accounts
from service.console.trainees import OPEN_TO_TRAINEES

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
