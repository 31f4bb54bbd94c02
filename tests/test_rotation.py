"""Each secret is replaced while the work goes on: old and new hold together, then the new alone."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner
from drill import Store
from fake_sites import Endpoint
from redis import Redis
from redis.exceptions import AuthenticationError
from standardwebhooks import Webhook, WebhookVerificationError
from test_console import PASSWORD, Console

from conftest import RedisServer, csrf_token
from models.artifact import Artifact
from service.accounts.accounts import Accounts
from service.app import create_app
from service.cli.main import hakam
from service.config import Settings
from service.delivery.webhooks import Deliveries
from service.queue.reader_links import Link, read_link, sign_link
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
