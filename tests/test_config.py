"""What the service reads from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest

from conftest import settings_in
from service.config import VARIABLES, RedisAddress, Settings, Variable
from service.errors import ConfigError


def read(**environ: str) -> Settings:
    return settings_in(environ)


def problems(**environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(**environ)
    return caught.value.problems


SIGN_ON = {
    "HAKAM_OIDC_ISSUER": "https://login.example/realms/news/",
    "HAKAM_OIDC_CLIENT_ID": "hakam",
    "HAKAM_OIDC_CLIENT_SECRET": "private",
    "HAKAM_OIDC_ROLES": "admin=chiefs",
    "HAKAM_PUBLIC_URL": "https://hakam.example",
}


def test_an_issuer_is_read_to_the_letter_and_single_sign_on_says_all_that_it_lacks() -> None:
    assert read(**SIGN_ON).oidc_issuer == "https://login.example/realms/news/"
    for name in SIGN_ON:
        (problem,) = problems(**{**SIGN_ON, name: ""})
        assert problem.startswith(f"{name}: single sign-on needs it; expected ")
    assert len(problems(HAKAM_OIDC_CLIENT_SECRET="private")) == 4
    assert read(HAKAM_OIDC_SCOPES="openid email").oidc_issuer == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HAKAM_OIDC_ISSUER", "http://login.example"),
        ("HAKAM_OIDC_ISSUER", "https://login.example/?tenant=1"),
        ("HAKAM_OIDC_ISSUER", "https://user@login.example"),
        ("HAKAM_OIDC_ISSUER", "https://login.example/#x"),
        ("HAKAM_OIDC_ISSUER", "login.example"),
        ("HAKAM_OIDC_SCOPES", "profile"),
        ("HAKAM_OIDC_ROLES", "chiefs"),
        ("HAKAM_OIDC_ROLES", "chief=chiefs"),
        ("HAKAM_OIDC_ROLES", "admin@news=chiefs"),
        ("HAKAM_OIDC_ROLES", "senior@=desk"),
        ("HAKAM_OIDC_ROLES", "senior@a,,b=desk"),
        ("HAKAM_OIDC_ROLES", "senior= "),
        ("HAKAM_OIDC_ROLES", ";"),
        ("HAKAM_OIDC_SESSION_SECONDS", "86400"),
    ],
)
def test_what_single_sign_on_cannot_use_is_named(name: str, value: str) -> None:
    (problem,) = problems(**{**SIGN_ON, name: value})
    assert problem.startswith(f"{name}: expected ")


def test_an_empty_environment_is_enough() -> None:
    settings = read()
    assert settings == Settings()
    assert (settings.host, settings.port, settings.redis_url) == ("127.0.0.1", 8000, "")


def test_the_artefact_beside_the_code_is_the_default() -> None:
    artifacts = Settings().artifacts
    assert artifacts.is_absolute()
    assert artifacts.parts[-2:] == ("models", "artifacts")


def test_every_variable_is_read() -> None:
    settings = read(
        HAKAM_REDIS_URL="unix:///run/redis.sock?db=0",
        HAKAM_ARTIFACTS="/srv/artifacts",
        HAKAM_VAR="/srv/var",
        HAKAM_HOST="0.0.0.0",
        HAKAM_PORT="80",
        HAKAM_WORKERS="3",
        HAKAM_PUBLIC_URL="https://hakam.example/",
        HAKAM_SECRET_KEY="s" * 32,
        HAKAM_MAX_BODY_BYTES="65536",
        HAKAM_LEASE_SECONDS="60",
        HAKAM_LOG_LEVEL="DEBUG",
        PROMETHEUS_MULTIPROC_DIR="/run/metrics",
    )
    assert settings == Settings(
        redis_url="unix:///run/redis.sock?db=0",
        artifacts=Path("/srv/artifacts"),
        var=Path("/srv/var"),
        host="0.0.0.0",
        port=80,
        workers=3,
        public_url="https://hakam.example",
        secret_key="s" * 32,
        max_body_bytes=65536,
        lease_seconds=60,
        log_level="debug",
        prometheus_multiproc_dir=Path("/run/metrics"),
    )


def test_every_setting_has_its_variable() -> None:
    assert [variable.field for variable in VARIABLES] == list(Settings.model_fields)


def test_the_defaults_of_the_table_are_the_defaults_of_the_settings() -> None:
    written_out = {variable.name: variable.default for variable in VARIABLES}
    assert read(**written_out) == Settings()


def test_all_problems_are_reported_together() -> None:
    found = problems(HAKAM_PORT="99999", HAKAM_WORKERS="many", HAKAM_LOG_LEVEL="loud")
    assert [problem.partition(":")[0] for problem in found] == [
        "HAKAM_PORT",
        "HAKAM_WORKERS",
        "HAKAM_LOG_LEVEL",
    ]


def test_a_problem_names_the_variable_and_the_expected_form_and_repeats_no_value() -> None:
    """Whatever it is: a password may stand in the wrong variable, or in an address."""
    assert problems(HAKAM_PORT="-1") == ("HAKAM_PORT: expected 1 to 65535",)
    for name in ("HAKAM_SECRET_KEY", "HAKAM_REDIS_URL", "HAKAM_WORKERS", "HAKAM_LOG_LEVEL"):
        (problem,) = problems(**{name: "hunter2"})
        assert "hunter2" not in problem
    (problem,) = problems(HAKAM_PUBLIC_URL="https://me:hunter2@hakam.example")
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://localhost:port",
        "unix://",
        "redis+sentinel://one:26379",  # no name
        "redis+sentinel://one:26379,/hakam",
        "redis+sentinel://one:port/hakam",
        "redis+sentinel://one:26379/hakam/first",
        "redis+cluster://one:7000/hakam",
        "redis+cluster://",
        "redis+other://one/hakam",
        "http+sentinel://one/hakam",
    ],
)
def test_an_address_that_is_no_redis_is_a_problem(url: str) -> None:
    assert problems(HAKAM_REDIS_URL=url)


@pytest.mark.parametrize(
    "url",
    [
        "hakam.example",
        "ftp://hakam.example",
        "https://",
        "https://:443",
        "https://hakam.example/hakam",
        "https://hakam.example//x/",
        "https://hakam.example?a=b",
        "https://hakam.example#a",
        "https://me:secret@hakam.example",
        "https://hakam.example:port",
        "https://[::1",
        "https://hakam .example",
        "https://حكم.example",
    ],
)
def test_a_public_address_has_a_host_and_nothing_behind_it(url: str) -> None:
    (problem,) = problems(HAKAM_PUBLIC_URL=url)
    assert "expected http:// or https:// address without a path" in problem


def test_a_public_address_is_kept_as_clients_write_it() -> None:
    settings = read(HAKAM_PUBLIC_URL="HTTPS://Hakam.Example:8443/")
    assert settings.public_url == "https://hakam.example:8443"


@pytest.mark.parametrize("number", ["1.0", " 1", "+1", "\N{ARABIC-INDIC DIGIT EIGHT}", "1" * 5000])
def test_a_number_is_written_in_ascii_digits(number: str) -> None:
    assert problems(HAKAM_WORKERS=number)


def test_a_misspelled_variable_is_a_problem_and_a_foreign_one_is_not() -> None:
    (problem,) = problems(HAKAM_LEASE_SECOND="60")
    assert "HAKAM_LEASE_SECONDS" in problem
    assert read(HAKAM_DATASETS="/srv", PORT="x") == Settings()


def test_a_child_gets_the_settings_and_the_rest_of_the_environment() -> None:
    environ = {"HAKAM_PORT": "80", "PATH": "/bin", "PROMETHEUS_MULTIPROC_DIR": "/run/metrics"}
    with patch.dict(os.environ, environ, clear=True):
        changes = {"redis_url": "unix:///run/redis.sock", "prometheus_multiproc_dir": None}
        settings = Settings.from_environ().model_copy(update=changes)
        child = settings.to_environ()
    assert child["PATH"] == "/bin"
    assert "PROMETHEUS_MULTIPROC_DIR" not in child
    assert read(**child) == settings


def test_the_settings_are_what_is_given_where_the_environment_is_not_asked() -> None:
    with patch.dict(os.environ, {"HAKAM_PORT": "80"}):
        assert Settings().port == 8000


def test_an_empty_value_counts_as_unset() -> None:
    assert read(HAKAM_PORT="").port == 8000


def test_an_address_of_several_servers_is_read_with_credentials_and_options_for_each() -> None:
    sentinel = RedisAddress.parse("rediss+sentinel://me:pass@one:1,two/hakam/2?ssl_ca_certs=/ca")
    assert (sentinel.kind, sentinel.service) == ("sentinel", "hakam")
    assert sentinel.urls == (
        "rediss://me:pass@one:1/2?ssl_ca_certs=/ca",
        "rediss://me:pass@two/2?ssl_ca_certs=/ca",
    )
    cluster = RedisAddress.parse("redis+cluster://:pass@one:7000,[::1]:7001")
    assert (cluster.kind, cluster.service) == ("cluster", "")
    assert cluster.urls == ("redis://:pass@one:7000/0", "redis://:pass@[::1]:7001/0")
    assert RedisAddress.parse("unix:///run/redis.sock").kind == "server"


@pytest.mark.parametrize(
    ("url", "replicas", "n_replicas"),
    [
        ("redis://one", "", 0),
        ("redis://one", "2", 2),
        ("redis+sentinel://one/hakam", "", 1),
        ("redis+cluster://one", "", 1),
        ("redis+cluster://one", "0", 0),
    ],
)
def test_where_servers_fail_over_a_replica_must_have_what_is_acknowledged(
    url: str, replicas: str, n_replicas: int
) -> None:
    assert (
        settings_in({"HAKAM_REDIS_URL": url, "HAKAM_REPLICAS": replicas}).n_replicas == n_replicas
    )


# Files


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda one: one.name)
def test_every_variable_can_stand_in_a_file_that_is_named_or_in_the_folder_of_credentials(
    variable: Variable, tmp_path: Path
) -> None:
    if not variable.name.startswith("HAKAM_"):
        return  # which is read by others
    value = VALUES.get(variable.name, SIGN_ON.get(variable.name)) or variable.default
    rest = SIGN_ON if variable.name in SIGN_ON else {}
    rest = {name: one for name, one in rest.items() if name != variable.name}
    file = tmp_path / variable.name
    file.write_text(f"{value}\n")
    told = read(**rest, **{variable.name: value})
    assert getattr(told, variable.field) not in ("", None)
    assert read(**rest, **{f"{variable.name}_FILE": str(file)}) == told
    assert read(**rest, CREDENTIALS_DIRECTORY=str(tmp_path)) == told


VALUES = {
    "HAKAM_REDIS_URL": "redis://:password@redis:6379/0",
    "HAKAM_REPLICAS": "1",
    "HAKAM_SHADOW": "2026.01.31-1",
    "HAKAM_SECRET_KEY": "s" * 32,
    "HAKAM_OTHER_SECRET_KEY": "o" * 32,
    "HAKAM_METRICS_TOKEN": "t" * 32,
}


@pytest.mark.parametrize(
    "written", [b"", b"\n", b"hunter2\nhunter2\n", b"hunter2\0", b"\xffhunter2"]
)
def test_a_file_that_is_not_one_line_of_text_is_a_problem_and_is_not_shown(
    written: bytes, tmp_path: Path
) -> None:
    (tmp_path / "HAKAM_METRICS_TOKEN").write_bytes(written)
    expected = "expected one line of text in UTF-8"
    named = str(tmp_path / "HAKAM_METRICS_TOKEN")
    assert problems(HAKAM_METRICS_TOKEN_FILE=named) == (f"HAKAM_METRICS_TOKEN_FILE: {expected}",)
    (problem,) = problems(CREDENTIALS_DIRECTORY=str(tmp_path))
    assert problem == f"HAKAM_METRICS_TOKEN in CREDENTIALS_DIRECTORY: {expected}"


def test_what_a_file_should_say_is_never_taken_for_unset(tmp_path: Path) -> None:
    """Without the token that a file should hold, everybody could read the metrics."""
    away = str(tmp_path / "hunter2")
    missing = "cannot be read (No such file or directory)"
    assert problems(HAKAM_METRICS_TOKEN_FILE=away) == (f"HAKAM_METRICS_TOKEN_FILE: {missing}",)
    assert problems(CREDENTIALS_DIRECTORY=away) == (f"CREDENTIALS_DIRECTORY: {missing}",)
    (tmp_path / "HAKAM_METRIC_TOKEN").write_text("t" * 32)
    (tmp_path / "another").write_text("of a program that is not Hakam")
    (problem,) = problems(CREDENTIALS_DIRECTORY=str(tmp_path))
    assert problem == "HAKAM_METRIC_TOKEN in CREDENTIALS_DIRECTORY: no such variable"
    assert "HAKAM_METRICS_TOKEN_FILE" in problems(HAKAM_METRICS_TOKEN_FIL=away)[0]


def test_a_variable_that_is_given_twice_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "HAKAM_PORT"
    file.write_text("8001")
    named, folder = {"HAKAM_PORT_FILE": str(file)}, {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    for twice in ({"HAKAM_PORT": "80", **named}, {"HAKAM_PORT": "80", **folder}, named | folder):
        (problem,) = problems(**twice)
        assert problem.endswith(": HAKAM_PORT is given elsewhere too")
    assert read(HAKAM_PORT="", **named).port == 8001


def test_a_child_is_told_no_file_beside_the_value_of_it(tmp_path: Path) -> None:
    (tmp_path / "HAKAM_PORT").write_text("8001")
    for given in (
        {"HAKAM_PORT_FILE": str(tmp_path / "HAKAM_PORT")},
        {"CREDENTIALS_DIRECTORY": str(tmp_path)},
    ):
        with patch.dict(os.environ, given, clear=True):
            child = Settings.from_environ().to_environ()
        assert read(**child).port == 8001
