"""Random requests to every route of the service; nothing but 503 may be a fault of the server.

Three sources take turns: requests that schemathesis makes up from the OpenAPI document, right ones
and wrong ones; requests to every route that Flask knows, the console's forms and Coral's signed
questions included, with hostile values under the names that the service reads; and raw bodies. The
application is the real one on a private Redis, called without sockets, so that many can be sent.

    python tests/fuzz_service.py 100000

prints the statuses by route and ends with status 1 when one was a fault of the server.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import schemathesis
from argon2 import PasswordHasher
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from redis import Redis
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from conftest import SAMPLE_COMMENTS, settings_in
from models.schema import read_comments
from service.accounts.accounts import Accounts
from service.app import create_app
from service.run.private_redis import PrivateRedis
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import connect

if TYPE_CHECKING:
    pass

PASSWORD = "correct horse battery"
SITE = Site("demo", coral_secrets=("empsec_fuzz",), review_first_comments=1)
BATCH = 500  # requests of one strategy before the next has its turn
SETTINGS = settings(
    max_examples=BATCH,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

# Values that broke programs before: bounds of numbers and dates, Unicode's corners, markup,
# formulas, and the openers that a careless pattern runs over again and again.
HOSTILE: Sequence[str] = (
    "", " ", "\x00", "\ud800", "\u2065", "\u3164" * 80, "\U0001fa77", "\u202e", "\ufffd",
    "&#" + "9" * 4301, "<" + "a" * 5000, "." * 5000, "(" * 500, "[" * 500, "{" * 500,
    "=1+1", "\t=1+1", "%00", "%s%n", "../../etc/passwd", "{{7*7}}", "<script>alert(1)</script>",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1e999", "NaN", "-1", "9" * 400,
    "http://[::1", "https://user:pw@host:99999/", "whsec_", "empsec_", "*", "|", "@", "/", "a:b",
    "\n\r", "\u0645\u0631\u062d\u0628\u0627", "x" * 21_000,
)  # fmt: skip
FORMS: st.SearchStrategy[dict[str, str]] = st.sampled_from(
    ({}, {"action": "approve"}, {"action": "reject", "reason": "insult"}, {"token": "1"})
)
NUMBERS = (0, -1, 1, 2**31, 2**53, 2**63, 2**64, 10**400, 1e308, -1e308, 5e-324, 0.5)


HEADERS = ("Content-Type", "Accept", "Accept-Language", "Host", "Cookie", "X-Forwarded-For",
           "Content-Encoding", "Authorization", "Idempotency-Key", "If-None-Match",
           "Range")  # fmt: skip
# What ends the session or the key that the fuzz goes in with: the tests of their own modules ask
# these with hostile values.
LEFT_OUT = frozenset((
    "console.login.delete", "console.account.delete_session", "console.settings.rotate_key",
    "console.overview.events",
))  # fmt: skip


class Target:
    """An application and what one needs to get past its doors."""

    def __init__(self, redis: Redis, environ: Mapping[str, str]) -> None:
        self.app = create_app(settings_in(environ), redis=redis)
        self.app.config["WTF_CSRF_METHODS"] = ()  # the forms themselves are to be reached
        self.sites, self.names = Sites(redis), names_read()
        quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.accounts = Accounts(redis, hasher=quick)
        services = replace(self.app.extensions["hakam"], accounts=self.accounts)
        self.app.extensions["hakam"] = services
        self.texts = [comment.text for comment in read_comments(SAMPLE_COMMENTS)][:200]
        self.api_key = self.sites.add(SITE)

    def enter(self, number: int) -> None:
        """Log in as a new administrator, with a new key: the last batch may have changed all."""
        self.admin, self.console = f"admin-{number}", self.app.test_client()
        self.accounts.add(self.admin, PASSWORD, "admin")
        self.console.post("/console/login", data={"name": self.admin, "password": PASSWORD})
        self.sites.update(SITE)


@dataclass(frozen=True)
class Outcome:
    """Statuses by route, and the requests that were answered with a fault."""

    statuses: Mapping[tuple[str, int], int]
    faults: Sequence[str]


def names_read() -> list[str]:
    """Collect the names under which the service reads values: every quoted word of its code."""
    folder = Path(__file__).parent.parent / "service"
    words: set[str] = set()
    for path in [*folder.rglob("*.py"), *folder.rglob("*.html")]:
        words.update(re.findall(r"[\"']([a-z][A-Za-z_]{1,24})[\"']", path.read_text("utf-8")))
    return sorted(words)


def values(target: Target) -> st.SearchStrategy[Any]:
    """Strings and numbers, most of them hostile."""
    return st.one_of(
        st.sampled_from(HOSTILE),
        st.sampled_from(target.texts),
        st.sampled_from(NUMBERS),
        st.text(max_size=30),
        st.none() | st.booleans() | st.integers() | st.floats(),
    )


def bodies(target: Target) -> st.SearchStrategy[Any]:
    """JSON of any shape whose names are those that the service reads."""
    names = st.sampled_from(target.names)
    return st.recursive(
        values(target),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=8),
        max_leaves=24,
    )


def question(endpoint: str, text: str) -> dict[str, Any]:
    """Return what a client of a route would ask about a text."""
    if endpoint.startswith("coral"):
        return {
            "action": "NEW",
            "comment": {"body": text, "parentID": None},
            "author": {"id": "a", "role": "COMMENTER"},
            "story": {"id": "s", "url": "https://news.example/s"},
            "site": {"id": "x"},
            "tenantID": "t",
            "tenantDomain": "d",
        }
    comment = {"text": text}
    questions: dict[str, dict[str, Any]] = {
        "perspective.analyze": {
            "comment": comment,
            "requestedAttributes": {"TOXICITY": {}},
            "spanAnnotations": True,
        },
        "perspective.suggestscore": {
            "comment": comment,
            "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}},
        },
        "openai.moderations": {"input": [text]},
        "api.score": {"text": text},
        "api.moderate": {"id": text[:9], "text": text, "author": {"id": "a", "name": text[:20]}},
        "api.lease": {"moderator": "nadia"},
        "api.withdraw": {"id": text[:9]},
        "api.appeal": {"id": text[:9], "reason": text},
        "api.undo": {"moderator": "nadia"},
        "api.decide": {"moderator": "nadia", "token": 1, "action": "reject", "reason": "insult"},
    }
    return questions.get(endpoint, {"moderator": "nadia", "token": 1})


def mutated(target: Target, endpoint: str) -> st.SearchStrategy[Any]:
    """Questions as clients of a route send them, with some of their values replaced."""

    @st.composite
    def build(draw: st.DrawFn) -> Any:
        body = question(endpoint, draw(st.sampled_from(target.texts)))
        for _ in range(draw(st.integers(0, 2))):
            inside, path = body, list(body)
            name = draw(st.sampled_from(path))
            if isinstance(inside[name], dict) and inside[name] and draw(st.booleans()):
                inside = inside[name]
                name = draw(st.sampled_from(list(inside)))
            inside[name] = draw(values(target))
        if draw(st.integers(0, 5)) == 0:
            body[draw(st.sampled_from(target.names))] = draw(values(target))
        return body

    return build()


def dumped(body: Any) -> bytes:
    """JSON that keeps lone surrogates as escapes, as JavaScript sends them."""
    return json.dumps(body).encode()


def fuzz_routes(target: Target, outcome: _Counts, number: int) -> None:
    """Send one batch to the routes that Flask knows."""
    rules = [rule for rule in target.app.url_map.iter_rules() if rule.endpoint not in LEFT_OUT]
    items = [item.id for item in target.app.extensions["hakam"].queue.waiting(SITE.id, limit=20)]
    words = st.sampled_from([*HOSTILE, "demo", "1", *target.names])
    pairs = st.dictionaries(
        st.sampled_from(target.names),
        values(target).map(str) | st.sampled_from(HOSTILE),
        max_size=6,
    )
    target.enter(number)

    @seed(number)
    @SETTINGS
    @given(st.data())
    def send(data: st.DataObject) -> None:
        rule = data.draw(st.sampled_from(rules))
        asked = sorted((rule.methods or {"GET"}) - {"OPTIONS"})  # Flask itself answers that
        method = data.draw(st.sampled_from(asked))
        path = rule.rule
        for name in rule.arguments:
            known = {"site_id": [SITE.id], "item_id": items, "name": [target.admin]}.get(name, [])
            word = data.draw(st.sampled_from(known) | words if known else words)
            start, end = re.search(rf"<(\w+:)?{name}>", path).span()  # type: ignore[union-attr]
            path = path[:start] + quoted(word) + path[end:]
        asked_for = data.draw(st.just({}) | st.just({}) | pairs)
        query = "&".join(f"{name}={quoted(value)}" for name, value in asked_for.items())
        raw = data.draw(
            st.one_of(mutated(target, rule.endpoint), bodies(target)).map(dumped)
            | st.binary(max_size=200)
        )
        headers = {"Content-Type": "application/json"}
        client = target.app.test_client()
        if rule.endpoint.startswith("console"):
            client = target.console
            fields = data.draw(pairs) | data.draw(FORMS)
            raw = "&".join(f"{quoted(k)}={quoted(v)}" for k, v in fields.items()).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif rule.endpoint.startswith("coral"):
            query = "site=demo"
            signature = hmac.new(SITE.coral_secrets[0].encode(), raw, hashlib.sha256).hexdigest()
            headers["X-Coral-Signature"] = f"sha256={signature}"
        else:
            headers["Authorization"] = f"Bearer {target.api_key}"
        if data.draw(st.integers(0, 19)) == 0:
            headers[data.draw(st.sampled_from(HEADERS))] = (
                data.draw(words).encode("ascii", "ignore").decode().translate({13: None, 10: None})
            )
        answer = client.open(
            f"{path}?{query}", method=method, data=raw, headers=headers, buffered=True
        )
        outcome.note(f"{method} {rule.rule}", answer.status_code, f"{path}?{query}", raw)

    send()


def quoted(word: str) -> str:
    """Percent-encode everything, so that any string can stand in an address."""
    return "".join(f"%{byte:02X}" for byte in word.encode("utf-8", "surrogatepass"))


def fuzz_description(target: Target, outcome: _Counts, number: int) -> None:
    """Send one batch that schemathesis makes up from the OpenAPI document."""
    schema = schemathesis.openapi.from_wsgi("/openapi.json", target.app)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @seed(number)
            @settings(SETTINGS, max_examples=max(BATCH // len(operations) // 2, 1))
            @given(operation.as_strategy(generation_mode=mode))
            def send(case: schemathesis.Case[Any]) -> None:
                answer = case.call(headers={"Authorization": f"Bearer {target.api_key}"})
                where = f"{case.method} {case.path}"
                outcome.note(where, answer.status_code, where, repr(case.body).encode())

            try:
                send()
            except Unsatisfiable:
                continue  # an operation without parameters cannot be asked wrongly


class _Counts:
    def __init__(self) -> None:
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.faults: list[str] = []

    def note(self, route: str, status: int, where: str, raw: bytes) -> None:
        self.statuses[route, status] += 1
        if status >= 500 and status != 503:
            self.faults.append(f"{status} {route}: {where[:200]} {raw[:300]!r}")

    def total(self) -> int:
        return self.statuses.total()


def fuzz(redis: Redis, environ: Mapping[str, str], n_requests: int) -> Iterator[Outcome]:
    """Send requests until there were `n_requests`; yield what is known after each batch."""
    attacked, outcome, number = Target(redis, environ), _Counts(), 0
    while outcome.total() < n_requests:
        if number % 2:
            fuzz_description(attacked, outcome, number)
        else:
            fuzz_routes(attacked, outcome, number)
        number += 1
        yield Outcome(outcome.statuses, outcome.faults)


def main() -> None:
    """Fuzz a service of its own and print what it answered."""
    n_requests = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as name, PrivateRedis() as server:
        environ = {"HAKAM_REDIS_URL": server.start(Path(name)), "HAKAM_VAR": name}
        environ |= {"HAKAM_SECRET_KEY": "0123456789abcdef" * 4}
        redis = connect(environ["HAKAM_REDIS_URL"])
        with redirect_stdout(StringIO()):  # a log line for each request
            for outcome in fuzz(redis, environ, n_requests):
                n = sum(outcome.statuses.values())
                print(f"\r{n:,} requests, {len(outcome.faults)} faults", end="", file=sys.stderr)
    print(file=sys.stderr)
    by_status, by_route = Counter[int](), defaultdict[str, Counter[int]](Counter)
    for (route, status), times in outcome.statuses.items():
        by_status[status] += times
        by_route[route][status] += times
    for route, counts in sorted(by_route.items()):
        print(f"  {route:60} {dict(sorted(counts.items()))}")
    print(
        f"{n:,} requests over {len(by_route)} methods and routes: {dict(sorted(by_status.items()))}"
    )
    for fault in outcome.faults[:50]:
        print(f"  FAULT {fault}")
    sys.exit(bool(outcome.faults))


if __name__ == "__main__":
    main()
