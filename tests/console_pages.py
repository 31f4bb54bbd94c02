"""The console's pages, and the readers': which there are, how each is met, and what they show.

One list for all that looks at every page: the audit of accessibility, and the pictures. Pages that
an address opens are those of the application's routes, so that a new one is among them by itself;
where neither the id of a site nor a link of another page opens it, it asks for an example in
`examples`. Pages that answer a form, and those that say an error, stand in `answers`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import pyotp
from flask import Flask
from playwright.sync_api import Page
from test_console_browser import PASSWORD, Console
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from service.accounts.login_limits import LIMITS
from service.console import blueprint
from service.errors import LoginThrottled, RateLimited
from service.queue.articles import Articles
from service.queue.authors import Authors
from service.queue.notes import Notes
from service.queue.practice import Practice
from service.queue.reader_limits import MAX_AN_HOUR, ReaderLimits
from service.queue.reader_links import sign_link
from service.queue.records import Comment, item_id_of
from service.queue.repeats import Repeats
from service.queue.reports import Reports
from service.readers import pages as readers
from service.rules.policy import Verdict
from service.sites.site import Site
from service.store.trail import SERVICE, Trail

#: Routes that are no page: parts of pages, streams, files, and those that only lead elsewhere.
NO_PAGES = {
    "console._nowhere",
    "console.drift.download",
    "console.index",
    "console.insight.download",
    "console.login.restore",
    "console.overview.events",
    "console.queue.new",
    "console.policy.preview",
    "console.settings.preview",
    "console.sign_on.begin",
    "console.sign_on.finish",
    "console.shift.arrivals",
    "console.static",
    "readers.static",
    "static",
}
#: Opened before the login, and so by tests of their own.
BEFORE_LOGIN = {"console.login.index", "console.login.confirm", "console.login.accept"}
OF_TRAINEES = "console.practice."
SCREENS: Sequence[tuple[Literal["light", "dark"], int]] = (
    *(("light", 1440), ("dark", 390)),
    *(("dark", 1440), ("light", 390)),
)
# A name as long as a site may send, without a blank: "the-very-long-".
LONG = "الطويلجدًا" * 12
EMPTY = Site(id="empty", name="")


@dataclass(frozen=True)
class Words:
    """What sites and readers write, on the pages that are looked at."""

    name: str = LONG
    text: str = f"call 0500000000, {LONG} " + "long " * 300  # of the most urgent comment
    marked: str = "call"  # of it, as evidence
    said: str = "x"  # of those that were decided
    flood: str = "the same words again and again, from many authors"


def fill(console: Console, words: Words = Words()) -> None:
    """A day's work on one site, with all that a page may have to show; another site without any."""
    word = words.name
    name = f"جريدة {word}"[:100]  # "newspaper"
    site = Site("demo", name=name, reader_link_secret="0123456789abcdef" * 4)
    console.sites.update(replace(site, shadow=console.sites.get("demo").shadow))
    console.sites.add(EMPTY)
    console.history(words.said)
    console.sites.update(replace(site, shadow=console.sites.get("demo").shadow, shadow_share=1.0))
    repeats = Repeats(console.redis)
    for n in range(25):
        text = f"{words.flood} {n}"
        comment = Comment(f"raid-{n}", text, author_id=f"r{n}", article_id="flooded")
        group = repeats.observe("demo", comment, 5).group
        console.flag(
            comment.id, text, author_id=f"r{n}", article_id="flooded", copies=group, score=0.7
        )
    verdict = Verdict("review", None, None, 0.1, "reported", 1.0, "v1")
    for n, reason in enumerate(("insult", "illegal", "other")):
        Reports(console.redis).add(
            console.sites.get("demo"),
            Comment("reported", "تعليق", author_id="u1", author_name=word, article_id="bread"),
            verdict,
            reporter=f"reader-{n}",
            reason=reason,
            explanation=word,
            scores={"insult": 0.2},
            author_scores=None,
            evidence=(),
            sentence=(),
        )
    console.accounts.add("tariq", PASSWORD, "trainee")
    authors = Authors(console.redis, console.sites)
    for act in ("hold", "warn", "mute", "block"):
        authors.act(
            "demo",
            "u1",
            act,
            moderator="omar",
            request_id=act,
            until=time.time() + 86_400,
            reason="insult",
        )
    for about in ("author_id", "article_id"):
        value = "u1" if about == "author_id" else "bread"
        asked = {"note_id": about, "moderator": word, "text": word}
        Notes(console.redis).add("demo", about, value, **asked)
    articles = Articles(console.redis)
    for action in ("approve", "review", "reject"):
        articles.note("demo", "bread", action)
    articles.flush()
    rejected = next(d for d in console.decisions.read("demo") if d.action == "reject")
    console.queue.appeal("demo", rejected.id, f"لا أوافق {word}")  # "I do not agree"
    console.samples()
    console.accounts.add("nura", PASSWORD, "trainee")
    for made in console.decisions.read("demo")[:20]:
        Practice(console.redis).judge("demo", "nura", made.item_id, made.version, "approve", "")
    console.flag(  # the most urgent one, which the work page shows
        "worst",
        words.text,
        score=0.999,
        label="severe_toxicity",
        evidence=[
            {
                "field": "text",
                "label": "severe_toxicity",
                "start": words.text.index(words.marked),
                "end": words.text.index(words.marked) + len(words.marked),
                "weight": 1.0,
            }
        ],
        author_id="u1",
        author_name=word,
        article_id="bread",
        article_title=word,
        article_url="https://news.example/bread",
        parent_text=word,
        created_at="2026-01-01T00:00:00Z",
    )


def examples(console: Console) -> Mapping[str, Sequence[Mapping[str, str]]]:
    """With what pages are opened beside the id of a site, where no link of another page says it."""
    demo = {"site_id": "demo"}
    site = console.sites.get("demo")
    token = sign_link(site, "report", "c-9", time.time() + 3_600, title=LONG)
    decision = console.decisions.read("demo")[0]
    objection = sign_link(site, "appeal", decision.id, time.time() + 3_600)
    return {
        "console.search.index": [
            demo,
            {"site_id": "empty"},
            {**demo, "author": "u1", "state": "waiting"},
            {**demo, "q": "!!"},
            {**demo, "comment": "worst", "personal_data": "shown"},
        ],
        "console.queue.index": [
            demo,
            {"site_id": "empty"},
            {**demo, "article_id": "bread", "sort": "newest"},
            {**demo, "state": "leased", "copies": "unknown"},
        ],
        "console.authors.index": [{**demo, "id": "u1"}, {**demo, "id": LONG}],
        "console.articles.index": [{**demo, "id": "bread"}, {**demo, "id": LONG}],
        "console.trainees.show": [{**demo, "name": "nura"}],
        # Open to trainees alone, and audited in a test of their pages.
        "console.practice.index": [],
        "console.practice.differences": [],
        "console.history.index": [
            demo,
            {"site_id": "empty"},
            {**demo, "action": "reject", "moderator": "nobody", "until": "2026-01-31"},
        ],
        "console.items.index": [
            {**demo, "item_id": decision.item_id},
            {**demo, "item_id": item_id_of("worst")},
            {**demo, "item_id": item_id_of("reported"), "personal_data": "shown"},
        ],
        "readers.index": [{**demo, "token": token}],
        "readers.appeal": [{**demo, "token": objection}],
        "readers.status": [],  # opened by a report that is sent
    }


def ways() -> MapAdapter:
    """Return the routes of the console and of the readers' pages."""
    app = Flask(__name__)
    app.register_blueprint(blueprint.bp)
    app.register_blueprint(readers.bp)
    return app.url_map.bind("localhost")


def opened(console: Console, page: Page, language: str, role: str = "admin") -> Iterator[str]:
    """Open every page of administrators and readers, or those of trainees, in turn.

    A page that needs more than the id of a site is opened by a link of another page, else by
    `examples`.
    """
    known, bound = examples(console), ways()
    rules = [
        rule
        for rule in sorted(bound.map.iter_rules(), key=str)
        if "GET" in (rule.methods or ())
        and rule.endpoint not in NO_PAGES | BEFORE_LOGIN
        and (role == "trainee") == rule.endpoint.startswith(OF_TRAINEES)
    ]
    addresses, by_link = [], {}
    for rule in rules:
        if rule.endpoint not in known and rule.arguments - {"site_id"}:
            by_link[rule.endpoint] = ""
            continue
        sites = [{"site_id": "demo"}, {"site_id": "empty"}] if rule.arguments else [{}]
        addresses += [bound.build(rule.endpoint, dict(v)) for v in known.get(rule.endpoint, sites)]
    for way in addresses:
        _open(console, page, way, language)
        for link in page.evaluate("[...document.links].map(a => a.pathname + a.search)"):
            with suppress(HTTPException):
                endpoint, _values = bound.match(link.partition("?")[0], method="GET")
                if not by_link.get(endpoint, "known"):
                    by_link[endpoint] = link
        yield way
    for endpoint, link in by_link.items():
        assert link, f"no page leads to {endpoint}: give `examples` what it is opened with"
        _open(console, page, link, language)
        yield link


def _open(console: Console, page: Page, address: str, language: str) -> None:
    if address.startswith("/readers"):
        address += f"&lang={language}"
    answer = page.goto(f"{console.url}{address}")
    assert answer
    assert answer.status in (200, 422), (
        f"{address} answers {answer.status}: give `examples` another"
    )
    assert page.locator("html").get_attribute("lang") == language, address


# Pages that answer a form, and pages that say an error


#: What answers a form with another page of `opened`, and so with none of its own.
LEADS_ON = {
    "console.account.delete_session",
    "console.account.update_sign_on",
    "console.admin.require_second_factor",
    "console.articles.update",
    "console.authors.update",
    "console.bulk.undo",
    "console.items.change",
    "console.items.take",
    "console.items.undo",
    "console.login.delete",
    "console.login.restore",
    "console.notes.delete",
    "console.overview.replay",
    "console.practice.decide",
    "console.queue.decide_group",
    "console.second_look.decide",
    "console.settings.test_notices",
    "console.shadow.update_version",
    "console.shift.undo",
    "console.sign_on.end_sessions",
    "console.trainees.update",
    "console.update_language",
    "console.work.renew",
    "console.work.undo",
    "console.work.unskip",
}
_FIRST_REVISION = "1-0"
_REASONS = {"action": "reject", "reason": "insult"}


@dataclass(frozen=True)
class Answer:
    """What somebody sends, or opens where there are no fields, and how that is answered."""

    name: str
    path: str
    status: int
    fields: Mapping[str, str | Sequence[str] | None] | None = None  # None: as the open page has it


def sent_by(answer: Answer) -> str:
    """Return the endpoint that a form is sent to; empty for what is no form."""
    if answer.fields is None:
        return ""
    return str(ways().match(answer.path, method="POST")[0])


def answers(console: Console, language: str) -> Iterator[Answer]:
    """Yield what an administrator sends and is answered by a page of its own, in this order.

    Each is made when it is asked for: some go by what those before have changed.
    """
    own = {"own_password": PASSWORD}
    for session in console.accounts.sessions.of("layla"):
        console.accounts.sessions.close("layla", session.digest)
    note = {"about": "author_id", "id": "u1", "note": LONG}
    yield Answer("login-kept", "/console/demo/notes", 401, note)
    again = {"name": "layla", "password": PASSWORD, "kept": None}
    yield Answer("sent-again", "/console/login", 200, again)
    console.accounts.second_factor.require("admin", by=SERVICE)
    yield Answer("second-factor-needed", "/console/demo/work", 403)
    yield Answer("second-factor-asked", "/console/me/totp", 200, {"step": "propose"})
    console.accounts.second_factor.require("", by=SERVICE)
    yield from _of_accounts(console)
    yield Answer("site-refused", "/console/admin/sites", 422, {"id": "NO", "name": ""})
    yield Answer("site-added", "/console/admin/sites", 200, {"id": "fresh", "name": "Fresh"})
    at = "/console/demo/admin"
    yield Answer("close", at, 200, {"action": "close"})
    yield Answer("close-refused", at, 422, {"action": "close", "own_password": "wrong"})
    yield Answer("rename-refused", at, 422, {"action": "rename", "name": LONG * 3})
    stale = {"revision": _FIRST_REVISION}
    yield Answer("rename-stale", at, 409, {"action": "rename", "name": "x", **stale})
    at = "/console/demo/keys"
    yield Answer("key-added", at, 200, {"action": "add"})
    yield Answer("keys-replaced", at, 200, {"action": "rotate", "hours": "24", **own})
    yield Answer("keys-to-replace", at, 200, {"action": "rotate", "hours": "0"})
    record = console.sites.record("demo")
    assert record
    yield Answer("key-to-revoke", at, 200, {"action": "revoke", "key": record.keys.stored[0].name})
    at = "/console/demo/settings"
    yield Answer("settings-preview", at, 200, {"action": "preview", "review_insult": "0.4"})
    wrong = {"review_insult": "7", "time_zone": "Nowhere/Town", "block_words": "kept"}
    yield Answer("settings-refused", at, 422, wrong)
    yield Answer("settings-stale", at, 409, {"name": "x", **stale})
    yield Answer("webhook-secret", f"{at}/webhook", 200, {"action": "secret"})
    yield Answer("key-rotated", f"{at}/key", 200, {})
    at = "/console/demo/words"
    typed = {"block_words": "سمسار", "texts": "يا سمسار\nصباح الخير"}  # "broker", "good morning"
    yield Answer("words-tried", at, 200, {"action": "try", **typed})
    yield Answer("words-refused", at, 422, {"action": "save", "block_words": "x" * 2_000})
    yield Answer("words-stale", at, 409, {"action": "save", **typed, **stale})
    yield Answer("policy-stale", "/console/demo/policy", 409, {"preset": "strict", **stale})
    entries = Trail(console.redis).stored("demo")
    entry = next(one for one, fields in entries if '"settings"' in fields["body"])
    yield Answer("revert-stale", f"/console/demo/trail/{entry}", 409, stale)
    at = "/console/demo/exports"
    yield Answer("export", f"{at}/decisions", 200, {"form": "csv", "personal_data": "on"})
    yield Answer("export-refused", f"{at}/transparency", 422, {"start": "", "end": ""})
    at = "/console/demo/retention"
    yield Answer("forget", at, 200, {"action": "forget"})
    yield Answer("erase", at, 200, {"action": "erase", "author_id": "r1"})
    yield Answer("erased", at, 200, {"action": "erase", "author_id": "r1", **own})
    yield from _of_work(console)
    yield from _of_readers(console, language)
    yield from _errors(console)


def _of_accounts(console: Console) -> Iterator[Answer]:
    yield Answer("account-refused", "/console/me", 422, {"key_approve": "1"})
    yield Answer("password-refused", "/console/me/password", 422, {"old": "wrong"})
    at = "/console/me/totp"
    yield Answer("second-factor", at, 200, {"step": "propose", "password": PASSWORD})
    yield Answer("second-factor-refused", at, 422, {"step": "confirm", "code": "1"})
    key = str(console.redis.hget("{hakam:accounts}:account:layla", "totp_pending"))
    code = pyotp.TOTP(key).now()
    yield Answer("recovery-codes", at, 200, {"step": "confirm", "code": code})
    yield Answer("account-with-second-factor", "/console/me", 200)
    at = "/console/people"
    yield Answer("person-refused", at, 422, {"name": "..", "role": "moderator"})
    yield Answer("person-invited", at, 200, {"name": "yusuf", "role": "moderator", "sites": "*"})
    yield Answer("last-admin", f"{at}/layla", 422, {"action": "disable"})
    yield Answer("password-reset", f"{at}/omar", 200, {"action": "reset"})


def _of_work(console: Console) -> Iterator[Answer]:
    at = "/console/demo"
    two = [f"{one.id}:{one.version}" for one in console.queue.waiting("demo", limit=2)]
    yield Answer("bulk", f"{at}/bulk", 200, {"item": two, "action": "reject"})
    item = f"{at}/items/{item_id_of('worst')}"
    held = console.queue.take("demo", "layla", item_id_of("worst"), 1, senior=True)
    yield Answer("personal-data", f"{item}/personal-data", 200, {"token": str(held.token)})
    typed = {"note": f"seen before {LONG}", "token": "0"}
    yield Answer("work-conflict", item, 409, {**typed, **_REASONS})
    yield Answer("work-break", "/console/rest", 200, {})
    yield Answer("nothing", f"{at}/items/nothing", 404)
    console.flag("torn", "x", score=0.9999, label="severe_toxicity")
    console.redis.hset("{hakam:demo}:items", item_id_of("torn"), "{")
    yield Answer("damaged", f"{at}/items/{item_id_of('torn')}", 200)
    yield Answer("work-unreadable", f"{at}/work?label=severe_toxicity", 200)


def _of_readers(console: Console, language: str) -> Iterator[Answer]:
    site, lang = console.sites.get("demo"), {"lang": language}
    ends = time.time() + 3_600
    rejected = [one for one in console.decisions.read("demo") if one.action == "reject"]
    about = [sign_link(site, "appeal", one.id, ends) for one in rejected[-2:]]
    comment = {"token": sign_link(site, "report", "c-9", ends), **lang}
    at = "/readers/demo/report"
    yield Answer("reader-refused", at, 422, {**comment, "sent": "1", "reason": "illegal"})
    good = {**comment, "sent": "1", "reason": "insult", "good_faith": "1"}
    yield Answer("reader-received", at, 200, good)
    yield Answer("reader-bad-link", f"{at}?token=x&lang={language}", 404)
    at = "/readers/demo/appeal"
    long = {"statement": "x" * 10_000}
    yield Answer("objection-refused", at, 422, {"token": about[0], **long, **lang})
    objection = {"token": about[0], "statement": "x", **lang}
    yield Answer("objection-received", at, 200, objection)
    console.redis.delete("{hakam:demo}:items")
    yield Answer("objection-late", at, 404, {"token": about[1], "statement": "x", **lang})
    for _each in range(MAX_AN_HOUR):
        with suppress(RateLimited):
            ReaderLimits(console.redis).spend("127.0.0.1")
    yield Answer("reader-too-often", "/readers/demo/report", 429, good)


def before_login(console: Console) -> Iterator[Answer]:
    """Yield what somebody sends and opens who is not logged in."""
    yield Answer("login", "/console/login", 200)
    yield Answer("login-asked", "/console/me", 200)
    wrong = {"name": "nobody", "password": "wrong"}
    yield Answer("login-refused", "/console/login", 401, wrong)
    link = f"/console/invitation/{console.accounts.invite('salma', 'moderator')}"
    yield Answer("invitation", link, 200)
    two = {"password": PASSWORD, "again": "another"}
    yield Answer("invitation-refused", link, 422, two)
    yield Answer("invitation-used", "/console/invitation/used", 404)
    key = console.accounts.second_factor.propose("omar")
    console.accounts.second_factor.confirm("omar", pyotp.TOTP(key).now())
    yield Answer("login-code", "/console/login", 200, {"name": "omar", "password": PASSWORD})
    yield Answer("login-code-refused", "/console/login/code", 401, {"code": "1"})
    for _each in range(LIMITS["pair"]):
        with suppress(LoginThrottled):
            console.accounts.authenticate("nobody", "wrong", address="127.0.0.1")
    yield Answer("login-too-often", "/console/login", 429, wrong)


def for_others() -> Iterator[Answer]:
    """Yield what is not for moderators, who are told so."""
    yield Answer("not-for-you", "/console/demo/settings", 403)


def met(page: Page, url: str, answer: Answer) -> None:
    """Open a page, or send a form as the page that is open would."""
    if answer.fields is None:
        found = page.goto(url + answer.path)
    else:
        fields = {"csrf_token": None, **answer.fields}
        pairs = [
            (name, one)
            for name, value in fields.items()
            for one in ((value,) if value is None or isinstance(value, str) else value)
        ]
        with page.expect_navigation() as navigation:
            page.evaluate(_SEND, [url + answer.path, pairs])
        found = navigation.value
    assert found
    assert found.status == answer.status, f"{answer.name}: {found.status}"


_SEND = """([address, pairs]) => {
  const form = document.createElement('form');
  form.method = 'post';
  form.action = address;
  for (const [name, value] of pairs) {
    const field = document.createElement('input');
    field.name = name;
    field.value = value ?? document.querySelector(`[name=${name}]`)?.value ??
      document.querySelector('[name=csrf-token]')?.content ?? '';
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}"""


def _errors(console: Console) -> Iterator[Answer]:
    yield Answer("no-page", "/console/nowhere", 404)
    yield Answer("no-site", "/console/nowhere/work", 404)
    yield Answer("no-button", "/console/demo/admin", 422, {"action": "none"})
    yield Answer("other-form", "/console/rest", 400, {"csrf_token": "another"})
    again = {"csrf_token": "another", "name": "x"}
    yield Answer("unsent", "/console/demo/settings", 400, again)
    console.redis.sadd("hakam:sites", "torn")
    console.redis.hset("{hakam:torn}:site", mapping={"record": "{", "keys": "[]"})
    yield Answer("unreadable-site", "/console/torn/work", 503)
