"""What `hakam doctor` tells a maintainer, and what it tells nobody."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from arriving import enqueue
from click.testing import CliRunner, Result
from fake_sites import serving
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from conftest import free_port
from service.accounts.accounts import Accounts
from service.cli import probes
from service.cli.main import hakam
from service.config import VARIABLES
from service.queue.records import Comment
from service.queue.review_queue import ReviewQueue
from service.rules.policy import Policy, Signals
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.scripts import site_key

# Each of these is stored or set somewhere, and none may be told.
SECRETS = {
    name: f"secret-{name}-0123456789-0123456789"
    for name in ("redis", "key", "token", "path", "coral", "notice", "person", "text", "author")
}


def doctor(environ: Mapping[str, str], *words: str) -> Result:
    with patch.dict(os.environ, clear=True):
        return CliRunner().invoke(hakam, ["doctor", *words], env=dict(environ))


@pytest.fixture
def guarded(redis: Redis, environ: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment with all the secrets, and a store that holds the others."""
    redis.config_set("requirepass", SECRETS["redis"])
    redis.auth(SECRETS["redis"])
    var = tmp_path / "var"
    var.mkdir(mode=0o700)
    scheme, _, place = environ["HAKAM_REDIS_URL"].partition("://")
    yield environ | {
        "HAKAM_REDIS_URL": f"{scheme}://:{SECRETS['redis']}@{place}",
        "HAKAM_SECRET_KEY": SECRETS["key"],
        "HAKAM_METRICS_TOKEN": SECRETS["token"],
        "HAKAM_VAR": str(var),
    }
    redis.config_set("requirepass", "")


def fill(redis: Redis) -> list[str]:
    """Store what nobody may be told; return the secrets that are no words of ours."""
    site = Site(
        id="demo",
        name="Demo",
        webhook_url=f"https://{SECRETS['path']}.example/{SECRETS['path']}",
        webhook_secret=f"whsec_{base64.b64encode(bytes(range(32))).decode()}",
        coral_url="https://coral.example/",
        coral_token=SECRETS["coral"],
        notice_addresses=(f"json://name:{SECRETS['notice']}@notice.example/",),
    )
    key = Sites(redis).add(site)
    Accounts(redis).add("someone", SECRETS["person"], "admin")
    comment = Comment(id="1", text=SECRETS["text"], author_name=SECRETS["author"])
    verdict = Policy({"threat": 0.5}).verdict(Signals({"threat": 0.9}))
    enqueue(ReviewQueue(redis), "demo", comment, verdict, scores={"threat": 0.9})
    return [key, site.webhook_secret]


def facts(done: Result) -> dict[str, Any]:
    parts = json.loads(done.output)["parts"]
    return {fact["name"]: fact for facts in parts.values() for fact in facts}


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_secret_is_told_whether_all_is_well_or_nothing(
    form: tuple[str, ...], redis: Redis, guarded: dict[str, str], tmp_path: Path
) -> None:
    made = fill(redis)
    redis.hset(site_key("demo", "endpoint"), mapping={"failing": 1, "failure": SECRETS["path"]})
    broken = guarded | {"HAKAM_ARTIFACTS": str(tmp_path)}
    away = guarded | {"HAKAM_REDIS_URL": f"redis://:{SECRETS['redis']}@127.0.0.1:{free_port()}"}
    wrong = guarded | {"HAKAM_SECRET_KEY": SECRETS["key"][:20]}
    for environ in (guarded, broken, away, wrong):
        done = doctor(environ, *form)
        assert done.exit_code in (1, 2)
        assert "Traceback" not in done.output
        for secret in [*SECRETS.values(), *made, SECRETS["key"][:20]]:
            assert secret
            assert secret not in done.output


def test_a_service_that_is_well_has_nothing_to_complain_of_but_what_does_not_run(
    redis: Redis, environ: dict[str, str], tmp_path: Path
) -> None:
    done = doctor(environ | {"HAKAM_VAR": str(tmp_path)}, "--json")
    assert done.exit_code == 1
    told = facts(done)
    assert [name for name, fact in told.items() if fact["problem"]] == [
        "hakam webhooks",
        "hakam background",
    ]
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", told["digest"]["value"])
    assert told["libraries"]["value"]["redis"]
    assert told["appendfsync"]["value"] == "always"
    assert told["answer in ms"]["value"] > 0
    assert told["HAKAM_SECRET_KEY"]["value"] == "set, not shown"
    assert told["HAKAM_PORT"]["value"] == "8000"
    now = redis.time()[0]
    beat = {"at": now, "resident_bytes": 1}
    for does in ("webhooks", "background"):
        redis.hset("hakam:background", does, json.dumps(beat | {"does": does}))
    done = doctor(environ | {"HAKAM_VAR": str(tmp_path)})
    assert done.exit_code == 0, done.output
    assert done.output.endswith("nothing is wrong\n")


def test_what_is_wrong_is_marked_and_keeps_nothing_else_from_being_told(
    redis: Redis, environ: dict[str, str], tmp_path: Path
) -> None:
    fill(redis)
    sites = Sites(redis)
    sites.update(replace(sites.get("demo"), time_target_seconds=1))
    redis.hset(site_key("demo", "endpoint"), mapping={"failing": 1, "disabled": 1})
    Sites(redis).add(Site(id="damaged", name="Damaged"))
    redis.hset(site_key("damaged", "site"), "record", "no")
    (tmp_path / "secret_key").write_text("x")
    (tmp_path / "secret_key").chmod(0o644)
    redis.config_set("appendfsync", "everysec")
    try:
        done = doctor(environ | {"HAKAM_VAR": str(tmp_path)}, "--json")
    finally:
        redis.config_set("appendfsync", "always")
    told = facts(done)
    assert "out of use" in told["site demo"]["problem"]
    assert "taken no decision" in told["site demo"]["problem"]
    assert told["site demo"]["value"]["waiting"] == 1
    assert told["site damaged"]["problem"]
    assert told["secret_key mode"] == {
        "name": "secret_key mode",
        "value": "0644",
        "problem": "others may read it",
    }
    assert "appendfsync is everysec" in told["store"]["problem"]


def test_only_the_values_of_named_settings_are_shown() -> None:
    hidden = {one.field for one in VARIABLES if one.secret}
    assert not hidden & probes.SHOWN
    assert {one.field for one in VARIABLES} >= probes.SHOWN


def test_check_and_doctor_look_at_the_same(redis: Redis, environ: dict[str, str]) -> None:
    with patch.dict(os.environ, clear=True):
        done = CliRunner().invoke(hakam, ["check"], env=environ)
    assert done.exit_code == 0, done.output
    told = doctor(environ).output
    for line in done.output.splitlines()[1:]:
        assert line in told


@pytest.fixture
def tls_site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server on this machine with a certificate of ten days, and who signed it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "crt")]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10"]
    subprocess.run([*command, *files, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    with serving(BaseHTTPRequestHandler, "localhost", context) as url:
        yield url.rstrip("/"), tmp_path / "crt"


def test_the_certificate_is_asked_for_where_somebody_says_so(
    redis: Redis, environ: dict[str, str], tls_site: tuple[str, Path]
) -> None:
    url, certificate = tls_site
    environ = environ | {"HAKAM_PUBLIC_URL": url, "HAKAM_PROXIES": "1"}
    assert "certificate" not in doctor(environ).output
    done = doctor(environ | {"SSL_CERT_FILE": str(certificate)}, "--public-address")
    assert re.search(r"! certificate ends: \S+ \(it ends soon\)", done.output)
    unknown = doctor(environ, "--public-address")
    assert "! certificate: not known (it cannot be asked for (SSLCert" in unknown.output


# Of every setting

CANARY = "canary0123456789canary0123456789"  # stands nowhere else


@given(
    name=st.sampled_from([one.name for one in VARIABLES]),
    way=st.sampled_from(["variable", "path", "file", "folder"]),
    around=st.tuples(*[st.text(st.characters(exclude_characters="\0", codec="utf-8"))] * 2),
)
@settings(max_examples=100)
def test_a_setting_that_may_not_be_shown_is_never_shown_whatever_it_is_and_wherever_it_stands(
    name: str, way: str, around: tuple[str, str]
) -> None:
    value = CANARY.join(around)
    with TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_text(value, encoding="utf-8")
        environ = {
            "variable": {name: value},
            "path": {f"{name}_FILE": value},
            "file": {f"{name}_FILE": str(file)},
            "folder": {"CREDENTIALS_DIRECTORY": folder},
        }[way]
        done = doctor({"HAKAM_VAR": folder} | environ)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    if name != "HAKAM_VAR":
        assert CANARY not in done.output


@pytest.mark.parametrize(
    "address",
    [
        "redis+sentinel://name:{}@127.0.0.1:{}/name/0?sentinel_password={}",
        "rediss+cluster://name:{}@127.0.0.1:{}?ssl_ca_certs=/{}",
        "redis://name:{}@127.0.0.1:{}/0?socket_timeout={}",
        "redis://name:{}@127.0.0.1:{}/0?unknown={}",
        "unix:///{}/{}/{}",
    ],
)
def test_no_secret_is_shown_of_an_address_of_redis_that_leads_nowhere(
    address: str, environ: dict[str, str], tmp_path: Path
) -> None:
    told = environ | {"HAKAM_REDIS_URL": address.format(CANARY, free_port(), CANARY)}
    done = doctor(told | {"HAKAM_VAR": str(tmp_path)})
    assert done.exit_code in (1, 2), done.output
    assert CANARY not in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception


def test_the_last_backup_is_the_one_that_was_noted_and_one_that_is_old_is_marked(
    redis: Redis, environ: dict[str, str], tmp_path: Path
) -> None:
    told = environ | {"HAKAM_VAR": str(tmp_path)}
    unknown = facts(doctor(told, "--json"))["last backup"]
    assert (unknown["value"], unknown["problem"]) == (None, "")
    with patch.dict(os.environ, clear=True):
        noted = CliRunner().invoke(hakam, ["backed-up"], env=told)
    assert noted.exit_code == 0, noted.output
    fresh = facts(doctor(told, "--json"))["last backup"]
    assert fresh["value"] in noted.output
    assert not fresh["problem"]
    redis.set("hakam:backup", float(redis.get("hakam:backup") or 0) - 2 * 86_400)
    assert facts(doctor(told, "--json"))["last backup"]["problem"] == "older than two days"
