"""Each secret is replaced while the work goes on: old and new hold together, then the new alone."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import fake_coral
import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from argon2 import PasswordHasher
from click.testing import CliRunner
from drill import Store
from fake_provider import CLIENT, SECRET, providing
from fake_sites import Endpoint
from flask.testing import FlaskClient
from redis import Redis
from redis.exceptions import AuthenticationError
from standardwebhooks import Webhook, WebhookVerificationError
from test_console import PASSWORD, Console
from test_dashboard import started
from test_sign_on import GROUPS, Browser

from conftest import (
    RedisServer,
    await_condition,
    csrf_token,
    deliver_once,
    free_port,
    served,
    settings_in,
)
from models.artifact import Artifact
from service.accounts.accounts import Accounts
from service.app import create_app
from service.cli.main import hakam
from service.config import Settings
from service.delivery.webhooks import Deliveries
from service.queue.reader_links import Link, read_link, sign_link
from service.queue.records import Decision
from service.queue.review_queue import ReviewQueue
from service.sites.known_sites import KnownSites
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import connect

FIRST, SECOND = "first-key-" + "1" * 32, "second-key-" + "2" * 32

Command = Callable[..., str]


@pytest.fixture
def command(redis_server: RedisServer, redis: Redis, tmp_path: Path) -> Command:
    """Run ``hakam`` with words on the emptied Redis; return what it wrote."""

    def run(*words: str, given: str = "") -> str:
        environ = {"HAKAM_REDIS_URL": redis_server.url, "HAKAM_VAR": str(tmp_path)}
        done = CliRunner().invoke(hakam, words, env=environ, input=given)
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    return run


def test_a_sites_old_key_holds_beside_the_new_one_until_it_ends(
    redis: Redis, command: Command
) -> None:
    first = Sites(redis).add(Site("demo"))
    second = command("sites", "rotate-key", "demo", "--grace-seconds", "3600")
    assert [opens(redis, key) for key in (first, second)] == [True, True]
    third = command("sites", "rotate-key", "demo")
    assert [opens(redis, key) for key in (first, second, third)] == [False, False, True]


def opens(redis: Redis, key: str) -> bool:
    return KnownSites(Sites(redis)).authenticate(key) is not None


def test_messages_to_a_webhook_are_signed_with_both_secrets_while_the_site_changes_over(
    redis: Redis, command: Command, endpoint: Endpoint
) -> None:
    site = Site("demo", webhook_url=endpoint.url, webhook_private=True).changed({})
    Sites(redis).add(site)
    old, new = site.webhook_secret, command("sites", "rotate-secret", "demo")

    def taken() -> dict[str, bool]:
        endpoint.told.clear()
        assert Deliveries(redis, Sites(redis)).probe(Sites(redis).get("demo")) == ""
        [(headers, body)] = endpoint.told
        return {name: _verifies(key, headers, body) for name, key in (("old", old), ("new", new))}

    assert taken() == {"old": True, "new": True}
    command("sites", "set", "demo", "--default", "webhook-old-secret")
    assert taken() == {"old": False, "new": True}


def _verifies(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def test_the_consoles_button_for_a_new_secret_keeps_the_old_one_beside_it(
    redis: Redis, settings: Settings, artifact: Artifact
) -> None:
    site = Site("demo", webhook_url="https://news.example/").changed({})
    Sites(redis).add(site)
    console = _console(redis, settings, artifact, (FIRST, "")).log_in()
    console.post("/demo/settings/webhook", action="secret")
    now = Sites(redis).get("demo")
    assert now.webhook_old_secret == site.webhook_secret != now.webhook_secret


def test_corals_old_and_new_secret_open_and_then_the_new_one_alone(
    redis: Redis, command: Command, settings: Settings, artifact: Artifact, tmp_path: Path
) -> None:
    Sites(redis).add(Site("demo", coral_secrets=("empsec_old",)))
    raw, secrets = b'{"action": "?"}', tmp_path / "secrets"

    def signs(secret: str) -> bool:
        digest = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
        headers = {"X-Coral-Signature": f"sha256={digest}"}
        client = create_app(settings, redis=redis, artifact=artifact).test_client()
        answer = client.post("/integrations/coral/moderate?site=demo", data=raw, headers=headers)
        return answer.status_code != 401

    for active in (("empsec_old", "empsec_new"), ("empsec_new",)):
        secrets.write_text("\n".join(active))
        command("sites", "set", "demo", "--coral-secrets", str(secrets))
        assert (signs("empsec_old"), signs("empsec_new")) == ("empsec_old" in active, True)


def test_links_of_readers_signed_with_the_old_secret_hold_until_it_is_taken_out(
    redis: Redis, command: Command
) -> None:
    Sites(redis).add(Site("demo", reader_link_secret=FIRST))
    link = sign_link(Sites(redis).get("demo"), "report", "c-1", time.time() + 60)
    command("sites", "set", "demo", "--reader-link-old-secret", "-", given=FIRST)
    command("sites", "set", "demo", "--reader-link-secret", "-", given=SECOND)
    both = Sites(redis).get("demo")
    newer = sign_link(both, "report", "c-1", time.time() + 60)
    assert [_sub(both, one) for one in (link, newer)] == ["c-1", "c-1"]
    command("sites", "set", "demo", "--default", "reader-link-old-secret")
    alone = Sites(redis).get("demo")
    assert [_sub(alone, one) for one in (link, newer)] == [None, "c-1"]


def _sub(site: Site, token: str) -> str | None:
    found: Link | None = read_link(site, "report", token)
    return found.sub if found else None


def _console(
    redis: Redis, settings: Settings, artifact: Artifact, keys: tuple[str, str]
) -> Console:
    """A browser at a server that has these keys, whose one account is layla's."""
    update = {"secret_key": keys[0], "other_secret_key": keys[1]}
    app = create_app(settings.model_copy(update=update), redis=redis, artifact=artifact)
    accounts = Accounts(redis, hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    app.extensions["hakam"] = replace(app.extensions["hakam"], accounts=accounts)
    if accounts.get("layla") is None:
        accounts.add("layla", PASSWORD, "admin")
    return Console(app, "layla")


def test_a_moderator_works_on_while_the_key_of_the_sessions_is_replaced_step_by_step(
    redis: Redis, settings: Settings, artifact: Artifact
) -> None:
    Sites(redis).add(Site("demo"))
    steps = [(FIRST, ""), (FIRST, SECOND), (SECOND, FIRST), (SECOND, "")]
    console = _console(redis, settings, artifact, steps[0]).log_in()
    jar = console.client._cookies
    for before, after in pairwise(steps):
        # While servers restart one after the other, some are of the step before.
        for keys in (before, after, before, after):
            token = csrf_token(console.get("/demo/settings"))
            console = _console(redis, settings, artifact, keys)
            console.client._cookies = jar
            console.get("/demo/settings")
            assert console.last.status_code == 200, "the session holds"
            console.post("/language", language="ar", csrf_token=token)
            assert console.last.status_code in (302, 303), "a form that is open holds"
    late = _console(redis, settings, artifact, (FIRST, ""))
    late.client._cookies = jar
    late.get("/demo/settings")
    assert late.last.status_code == 302, "the old key alone opens nothing any more"


def test_a_user_of_redis_has_two_passwords_while_processes_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / "redis")
    store.start()
    try:
        with Redis.from_url(store.url) as admin:
            user = ["ACL", "SETUSER", "hakam", "on", "~*", "&*", "+@all"]
            admin.execute_command(*user, ">old")
            with _as(store, "old") as old:
                assert old.ping()
                admin.execute_command("ACL", "SETUSER", "hakam", ">new")
                with _as(store, "new") as new:
                    assert (old.ping(), new.ping()) == (True, True)
                admin.execute_command("ACL", "SETUSER", "hakam", "<old")
            with _as(store, "old") as late, pytest.raises(AuthenticationError):
                late.ping()
            with _as(store, "new") as new:
                assert new.ping()
    finally:
        store.kill()


def _as(store: Store, password: str) -> Any:
    return connect(f"redis://hakam:{password}@127.0.0.1:{store.port}/0")


class Mailbox:
    """A mail server that takes mails of whoever knows one of its passwords."""

    def __init__(self, *passwords: str) -> None:
        self.passwords = set(passwords)
        self.n_mails = 0

    def authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _how: str, given: Any
    ) -> Any:
        assert isinstance(given, LoginPassword)
        return AuthResult(success=given.password.decode() in self.passwords)

    async def handle_DATA(  # noqa: N802 - as aiosmtpd calls it
        self, _server: Any, session: Any, _envelope: Any
    ) -> str:
        if not session.authenticated:
            return "530 who are you?"
        self.n_mails += 1
        return "250 OK"


def test_notices_go_on_while_the_password_of_the_mail_and_the_token_of_a_channel_are_replaced(
    redis: Redis, command: Command, endpoint: Endpoint, tmp_path: Path
) -> None:
    mailbox, port, file = Mailbox("first"), free_port(), tmp_path / "addresses"
    server = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=port,
        authenticator=mailbox.authenticate,
        auth_require_tls=False,
    )

    def set_addresses(word: str) -> None:
        mail = f"mailto://desk:{word}@127.0.0.1:{port}?from=hakam@news.example&to=desk@news.example"
        channel = endpoint.url.replace("http://", f"json://desk:{word}@")
        file.write_text(f"{mail}\n{channel}\n")
        command("sites", "set", "demo", "--notice-addresses", str(file))

    def tokens() -> list[str]:
        told = [dict(headers)["Authorization"] for headers, _ in endpoint.told]
        endpoint.told.clear()
        return told

    Sites(redis).add(Site("demo", webhook_private=True))
    server.start()
    try:
        set_addresses("first")
        for n_mails, (known, word) in enumerate(
            [({"first"}, "first"), ({"first", "second"}, "second"), ({"second"}, "second")], start=1
        ):
            mailbox.passwords = known
            set_addresses(word)
            told = command("notices", "test", "demo")
            assert told.count("taken") == 2, told
            assert "second" not in told
            assert mailbox.n_mails == n_mails
            assert tokens() == [f"Basic {b64encode(f'desk:{word}'.encode()).decode()}"]
    finally:
        server.stop()


def test_corals_decisions_go_on_while_its_token_is_replaced_and_wait_where_none_is_good(
    redis: Redis, command: Command, client: FlaskClient
) -> None:
    with fake_coral.listening(fake_coral.Coral(client)) as coral:
        site = Site(
            "demo",
            review={"toxicity": 0.0},
            coral_secrets=fake_coral.SECRETS,
            coral_url=coral.url,
            coral_token="first",
            webhook_private=True,
        )
        Sites(redis).add(site)
        queue = ReviewQueue(redis)

        def told(number: int) -> bool:
            comment = coral.write(f"تعليق {number}")  # "comment"
            lease = queue.lease("demo", "samira")
            assert lease is not None
            draft = Decision("reject", moderator="samira", request_id=str(number))
            queue.decide("demo", lease.item.id, lease.token, draft)
            deliver_once(Deliveries(redis, Sites(redis)))
            return comment.status == "REJECTED"

        coral.tokens = {"first"}
        assert told(1)
        coral.tokens = {"first", "second"}
        assert told(2)
        command("sites", "set", "demo", "--coral-token", "-", given="second")
        assert told(3)
        coral.tokens = {"second"}
        assert told(4)
        coral.tokens = {"third"}  # somebody knew the second, which has ended at once
        assert not told(5)
        command("sites", "set", "demo", "--coral-token", "-", given="third")
        for waiting in map(str, redis.zrange("{hakam:demo}:outbox", 0, -1)):
            redis.zadd("{hakam:demo}:outbox", {waiting: 0})  # now, and not after a while
        deliver_once(Deliveries(redis, Sites(redis)))
        assert coral.comments["comment-5"].status == "REJECTED"


def test_single_sign_on_and_open_sessions_go_on_while_the_client_secret_is_replaced(
    redis: Redis, environ: Mapping[str, str], artifact: Artifact, tmp_path: Path
) -> None:
    with providing() as provider:
        sso = {
            **environ,
            **GROUPS,
            "HAKAM_PUBLIC_URL": "http://localhost",
            "HAKAM_OIDC_ISSUER": provider.issuer,
            "HAKAM_OIDC_CLIENT_ID": CLIENT,
        }
        file = tmp_path / "client-secret"

        def server(secret: str) -> Browser:
            """A web server that was started with a client secret, which stands in a file."""
            file.write_text(secret)
            told = settings_in({**sso, "HAKAM_OIDC_CLIENT_SECRET_FILE": str(file)})
            return Browser(create_app(told, redis=redis, artifact=artifact), provider)

        old = server(SECRET)
        old.log_in("u-1")
        assert old.is_in
        provider.secrets = {SECRET, "second"}
        new = server("second")
        for one, sub in ((old, "u-2"), (new, "u-3")):  # servers restart one after the other
            one.log_in(sub)
            assert one.is_in
        provider.secrets = {"second"}
        again = server("second")
        again.client._cookies = old.client._cookies
        assert again.is_in, "a session of before"
        assert server("second").log_in("u-4").status_code == 302
        late = server(SECRET)
        late.log_in("u-5")
        assert not late.is_in


@pytest.mark.slow
def test_prometheus_goes_on_with_the_new_token_of_the_metrics_without_a_restart(
    redis: Redis, environ: dict[str, str], tmp_path: Path
) -> None:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed")
    port, token = free_port(), tmp_path / "token"
    key = Sites(redis).add(Site("demo"))

    def takes_a_comment(url: str) -> bool:
        headers = {"Authorization": f"Bearer {key}"}
        body = {"id": "1", "text": "شكرا"}  # "thanks"
        return httpx.post(f"{url}/v1/comments", json=body, headers=headers).is_success

    with ExitStack() as stack:
        token.write_text(f"{FIRST}\n")
        told = environ | {"HAKAM_METRICS_TOKEN_FILE": str(token)}
        with served(told, tmp_path / "log", port) as url:
            asking = started(stack, program, tmp_path, url)
            (tmp_path / "watch" / "token").write_text(FIRST)

            def is_up(value: str) -> bool:
                asked = httpx.get(f"{asking}/api/v1/query", params={"query": 'up{job="hakam"}'})
                return [one["value"][1] for one in asked.json()["data"]["result"]] == [value]

            await_condition(lambda: is_up("1"), what="a look with the old token", seconds=60.0)
        token.write_text(f"{SECOND}\n")
        with served(told, tmp_path / "log", port) as url:
            await_condition(lambda: is_up("0"), what="a look that is refused", seconds=60.0)
            assert takes_a_comment(url)
            (tmp_path / "watch" / "token").write_text(SECOND)
            await_condition(lambda: is_up("1"), what="a look with the new token", seconds=60.0)
