"""The environment, read once.

`Settings.from_environ` is the only place of the service that looks at environment variables. It
reports every problem at once, before a port is bound. Policies, webhooks and keys belong to sites,
not to the environment. The secret kept here is the spelling and the parsing of the variables.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from service.errors import ConfigError

UNBELIEVED_PROXY = (
    "requests come through a proxy, but HAKAM_PROXIES is 0, so that all clients share one address "
    "in the log-in limits: set it to the number of proxies"
)

_ARTIFACTS = Path(__file__).resolve().parent.parent / "models" / "artifacts"


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
            raise ValueError
        return int(value)

    return parse


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not (
            parts.netloc or (parts.scheme == "unix" and parts.path)
        ):
            raise ValueError
        _ = parts.port  # a port that is no number raises ValueError
        return value.rstrip("/")

    return parse


def _origin(value: str) -> str:
    """Read a web address that has a host and nothing behind it, in lower case."""
    parts = urlsplit(_url("http", "https")(value))
    bare = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    if not (bare and parts.hostname and value.isascii() and value.isprintable()) or " " in value:
        raise ValueError
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _choice(*options: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in options:
            raise ValueError
        return value.lower()

    return parse


def _at_least(length: int) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if len(value) < length:
            raise ValueError
        return value

    return parse


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable; the README's table holds these columns."""

    name: str
    default: str
    form: str
    meaning: str
    parse: Callable[[str], Any]
    secret: bool = False

    @property
    def field(self) -> str:
        """Name of the attribute of `Settings` that holds the value."""
        return self.name.removeprefix("HAKAM_").lower()


VARIABLES = (
    Variable(
        "HAKAM_REDIS_URL",
        "",
        "redis://, rediss:// or unix:// address",
        "The Redis that keeps the queue. Unset: `hakam run` starts a private one under HAKAM_VAR.",
        _url("redis", "rediss", "unix"),
        secret=True,  # it may carry a password
    ),
    Variable(
        "HAKAM_ARTIFACTS", str(_ARTIFACTS), "folder", "Where the artefacts and CURRENT are.", Path
    ),
    Variable(
        "HAKAM_VAR",
        "var",
        "writable folder",
        "Data of the private Redis, the session key, and which Redis was filled.",
        Path,
    ),
    Variable("HAKAM_HOST", "127.0.0.1", "host name or address", "Where to listen.", _at_least(1)),
    Variable("HAKAM_PORT", "8000", "1 to 65535", "Port to listen on.", _integer(1, 65535)),
    Variable("HAKAM_WORKERS", "2", "1 to 256", "Number of web workers.", _integer(1, 256)),
    Variable(
        "HAKAM_PUBLIC_URL",
        "",
        "http:// or https:// address without a path",
        "Address under which sites and moderators reach Hakam; the console and what tells "
        "addresses are refused under other names. Unset: taken from the request.",
        _origin,
    ),
    Variable(
        "HAKAM_PROXIES",
        "0",
        "0 to 9",
        "Reverse proxies in front of the service; what that many say of the client is believed.",
        _integer(0, 9),
    ),
    Variable(
        "HAKAM_SECRET_KEY",
        "",
        "at least 32 characters",
        "Signs the console's sessions. Unset: made once and kept in HAKAM_VAR/secret_key.",
        _at_least(32),
        secret=True,
    ),
    Variable(
        "HAKAM_MAX_BODY_BYTES",
        str(32 * 1024 * 1024),
        "65536 to 1073741824",
        "Longest request body accepted.",
        _integer(65_536, 1_073_741_824),
    ),
    Variable(
        "HAKAM_LEASE_SECONDS",
        "600",
        "10 to 86400",
        "How long a moderator holds a review item before it goes back to the queue.",
        _integer(10, 86_400),
    ),
    Variable(
        "HAKAM_UNDO_SECONDS",
        "900",
        "0 to 86400",
        "How long after a decision it can be taken back.",
        _integer(0, 86_400),
    ),
    Variable(
        "HAKAM_LOG_LEVEL",
        "info",
        "debug, info, warning or error",
        "Least severe event that is logged.",
        _choice("debug", "info", "warning", "error"),
    ),
    Variable(
        "PROMETHEUS_MULTIPROC_DIR",
        "",
        "writable folder",
        "Where the workers share their metrics; `hakam run` and `hakam serve` set it.",
        Path,
    ),
)


@dataclass(frozen=True)
class Settings:
    """What the environment says; see `VARIABLES` for the meaning of each field.

    An empty string (or None for a folder) stands for a variable without a value and without a
    default.
    """

    redis_url: str = ""
    artifacts: Path = _ARTIFACTS
    var: Path = Path("var")
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    public_url: str = ""
    proxies: int = 0
    secret_key: str = ""
    max_body_bytes: int = 32 * 1024 * 1024
    lease_seconds: int = 600
    undo_seconds: int = 900
    log_level: str = "info"
    prometheus_multiproc_dir: Path | None = None

    @property
    def epoch_file(self) -> Path:
        """Where it is kept which Redis this installation has filled."""
        return self.var / "redis_epoch"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings.

        Parameters
        ----------
        environ : mapping of str to str
            Usually ``os.environ``. A variable set to the empty string counts as unset.

        Raises
        ------
        ConfigError
            One or more variables have a value of the wrong form, or a name that is nearly one of
            ours.
        """
        fields: dict[str, Any] = {}
        problems = [problem for name in sorted(environ) if (problem := _misspelled(name))]
        for variable in VARIABLES:
            value = environ.get(variable.name, "")
            if not value:
                continue
            try:
                fields[variable.field] = variable.parse(value)
            except ValueError:
                shown = "***" if variable.secret else repr(value)
                problems.append(f"{variable.name}={shown}: expected {variable.form}")
        if problems:
            raise ConfigError(problems)
        return cls(**fields)


def _misspelled(name: str) -> str:
    """Complaint about a variable that was surely meant for us, and would be silently ignored."""
    known = [variable.name for variable in VARIABLES]
    if not name.startswith("HAKAM_") or name in known:
        return ""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
    return f"{name}: no such variable, did you mean {near[0]}?" if near else ""
