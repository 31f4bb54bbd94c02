"""Environment: the settings object that its variables are read into, and their table."""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from models.registry import VERSION
from service.errors import ConfigError
from service.roles import GroupRoles

UNBELIEVED_PROXY = (
    "requests come through a proxy, but HAKAM_PROXIES is 0, so that all clients share one address "
    "in the log-in limits: set it to the number of proxies"
)

_PREFIX = "HAKAM_"
_FILE = "_FILE"  # what a variable ends in that names a file with the value of another
_CREDENTIALS = "CREDENTIALS_DIRECTORY"  # a folder of such files, as systemd calls it
_METRICS = "PROMETHEUS_MULTIPROC_DIR"  # as prometheus-client calls it
_TRACES = (  # as the SDK of OpenTelemetry calls them, which reads more of them itself
    *("SDK_DISABLED", "TRACES_EXPORTER"),
    *("EXPORTER_OTLP_ENDPOINT", "EXPORTER_OTLP_TRACES_ENDPOINT"),
)
_INSTALLATION = Path(__file__).resolve().parent.parent


def _digits(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch("[0-9]{1,10}", value):
        raise ValueError
    return value


def _address(*schemes: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not (
            parts.netloc or (parts.scheme == "unix" and parts.path)
        ):
            raise ValueError
        _ = parts.port  # a port that is no number raises ValueError
        return value.rstrip("/")

    return check


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis is: one server, or several of which one answers for the others.

    Each url is that of one server, with credentials and options: of the Redis itself, of a
    Sentinel that knows it by the name of the `service`, or of a node of a Cluster.
    """

    kind: Literal["server", "sentinel", "cluster"]
    urls: tuple[str, ...]
    service: str = ""

    @classmethod
    def parse(cls, value: str) -> RedisAddress:
        """Read ``redis+sentinel://host:port,.../name/0``, ``redis+cluster://...`` or a plain one.

        ValueError for anything else.
        """
        scheme, _, rest = value.partition("://")
        scheme, _, kind = scheme.partition("+")
        if not kind:
            return cls("server", (_address("redis", "rediss", "unix")(value),))
        place, mark, options = rest.partition("?")
        authority, _, path = place.rstrip("/").partition("/")
        credentials, at, hosts = authority.rpartition("@")
        service, _, database = path.partition("/")
        if (kind, bool(service)) not in {("sentinel", True), ("cluster", False)}:
            raise ValueError
        if not re.fullmatch("[0-9]*", database):
            raise ValueError
        read = _address("redis", "rediss")
        end = f"/{database or 0}{mark}{options}"
        urls = tuple(read(f"{scheme}://{credentials}{at}{host}{end}") for host in hosts.split(","))
        if not all(urlsplit(url).hostname for url in urls):
            raise ValueError
        return cls("sentinel" if service else "cluster", urls, service)


def _redis_address(value: str) -> str:
    RedisAddress.parse(value)
    return value.rstrip("/")


def _is_bare(parts: SplitResult, value: str) -> bool:
    """Whether a web address has a host, nothing behind its path, and nothing to be escaped."""
    bare = not (parts.query or parts.fragment or "@" in parts.netloc)
    plain = value.isascii() and value.isprintable() and " " not in value
    return bare and bool(parts.hostname) and plain


def _origin(value: str) -> str:
    """Read a web address that has a host and nothing behind it, in lower case."""
    parts = urlsplit(_address("http", "https")(value))
    if parts.path or not _is_bare(parts, value):
        raise ValueError
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _issuer(value: str) -> str:
    """Read an OpenID issuer, which is compared to the letter: a slash at its end belongs to it."""
    parts = urlsplit(value)
    _address("http", "https")(value)
    if not _is_bare(parts, value):
        raise ValueError
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError
    return value


def _scopes(value: str) -> str:
    if "openid" not in value.split():
        raise ValueError
    return value


def _group_roles(value: str) -> str:
    GroupRoles.parse(value)
    return value


def _variable(meaning: str, default: Any, *, form: str = "", **more: Any) -> Any:
    """Describe a variable; numbers and choices say their form by their type."""
    secret = more.pop("secret", False)
    return Field(
        default=default,
        description=meaning,
        json_schema_extra={"form": form, "secret": secret},
        **more,
    )


_Whole = Annotated[int, BeforeValidator(_digits)]


class Settings(BaseSettings):
    """What the environment says; "" or None of a variable with neither value nor default."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        validate_default=False,
    )

    redis_url: Annotated[str, AfterValidator(_redis_address)] = _variable(
        "The Redis that keeps the queue. Unset: `hakam run` starts a private one under HAKAM_VAR.",
        "",
        form="redis://, rediss:// or unix:// address, redis+sentinel://HOST:PORT,.../NAME or "
        "redis+cluster://HOST:PORT,...",
        secret=True,  # it may carry a password
    )
    replicas: Annotated[int | None, BeforeValidator(_digits)] = _variable(
        "Replicas of Redis that must have what is stored before it is acknowledged. Unset: 1 with "
        "Sentinel or a Cluster, else 0.",
        None,
        form="0 to 9",
        ge=0,
        le=9,
    )
    redis_settings: Annotated[Literal["checked", "vouched"], BeforeValidator(str.lower)] = (
        _variable(
            "Whether Hakam asks Redis for its settings; vouched, you answer for them, where a "
            "provider refuses CONFIG.",
            "checked",
        )
    )
    artifacts: Path = _variable(
        "Where the artefacts and CURRENT are.", _INSTALLATION / "models/artifacts", form="folder"
    )
    sentence_scorer: Annotated[Literal["on", "off"], BeforeValidator(str.lower)] = _variable(
        "Whether comments over which the word scorer hesitates are read by the artefact's sentence "
        "scorer as well; off, words alone decide.",
        "on",
    )
    shadow: str = _variable(
        "Version of an artefact that is compared with the one in use, on sites that name no other.",
        "",
        form="a version, as 2026.01.31-1",
        pattern=f"^{VERSION}$",
    )
    var: Path = _variable(
        "Data of the private Redis, the session key, and which Redis was filled.",
        Path("var"),
        form="writable folder",
    )
    host: str = _variable("Where to listen.", "127.0.0.1", form="host name or address")
    port: _Whole = _variable("Port to listen on.", 8000, ge=1, le=65_535)
    workers: _Whole = _variable("Number of web workers.", 2, ge=1, le=256)
    public_url: Annotated[str, AfterValidator(_origin)] = _variable(
        "Address under which sites and moderators reach Hakam; the console and what tells "
        "addresses are refused under other names. Unset: taken from the request.",
        "",
        form="http:// or https:// address without a path (docker-compose.yml makes it of "
        "HAKAM_DOMAIN, which is a name alone)",
    )
    proxies: _Whole = _variable(
        "Reverse proxies in front of the service; what that many say of the client is believed.",
        0,
        ge=0,
        le=9,
    )
    secret_key: str = _variable(
        "Signs the console's sessions. Unset: made once and kept in HAKAM_VAR/secret_key.",
        "",
        form="at least 32 characters",
        secret=True,
        min_length=32,
    )
    other_secret_key: str = _variable(
        "A second key that is believed as well, while HAKAM_SECRET_KEY is replaced.",
        "",
        form="at least 32 characters",
        secret=True,
        min_length=32,
    )
    metrics_token: str = _variable(
        "The bearer token that Prometheus must send for `/metrics`, which then has series of each "
        "site as well. Unset: anybody who reaches Hakam itself may ask, and no site is named.",
        "",
        form="at least 32 printable characters of ASCII",
        secret=True,
        pattern="^[!-~]{32,}$",
    )
    oidc_issuer: Annotated[str, AfterValidator(_issuer)] = _variable(
        "The OpenID provider whose people may log in (docs/single-sign-on.md). Unset: local "
        "accounts alone.",
        "",
        form="https:// address, exactly as the provider calls itself",
    )
    oidc_client_id: str = _variable(
        "Who Hakam is to the provider.", "", form="text", max_length=1_000
    )
    oidc_client_secret: str = _variable(
        "By what the provider knows that it is Hakam.",
        "",
        form="text",
        secret=True,
        max_length=1_000,
    )
    oidc_scopes: Annotated[str, AfterValidator(_scopes)] = _variable(
        "What is asked of the provider.",
        "openid profile",
        form="words with spaces between, openid among them",
    )
    oidc_groups_claim: str = _variable(
        "Where the provider says somebody's groups: a claim that is a list of texts; `a.b` is the "
        "claim `b` inside the claim `a`.",
        "groups",
        form="name of a claim",
        max_length=200,
    )
    oidc_roles: Annotated[str, AfterValidator(_group_roles)] = _variable(
        "What groups give. The highest role counts, on its own sites; whoever is in no such group "
        "does not get in.",
        "",
        form="ROLE=GROUP; ROLE@SITE,SITE=GROUP; ...",
    )
    oidc_second_factor: str = _variable(
        "Values of `amr` or `acr` by which the provider says that it asked for a second factor.",
        "mfa otp hwk swk sc",
        form="words with spaces between",
        max_length=1_000,
    )
    oidc_session_seconds: _Whole = _variable(
        "How long a session of single sign-on lasts; what the provider says is asked for anew at "
        "the next login.",
        28_800,
        ge=300,
        le=43_200,
    )
    max_body_bytes: _Whole = _variable(
        "Longest request body accepted.", 32 * 1024 * 1024, ge=65_536, le=1_073_741_824
    )
    lease_seconds: _Whole = _variable(
        "How long a moderator holds a review item before it goes back to the queue.",
        600,
        ge=10,
        le=86_400,
    )
    undo_seconds: _Whole = _variable(
        "How long after a decision it can be taken back.", 900, ge=0, le=86_400
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(str.lower)
    ] = _variable("Least severe event that is logged.", "info")
    prometheus_multiproc_dir: Path | None = _variable(
        "Where the workers share their metrics; `hakam run` and `hakam serve` set it.",
        None,
        form="writable folder",
        validation_alias=_METRICS,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_others: PydanticBaseSettingsSource,
        **_more: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the environment into account in `from_environ` alone."""
        return (init_settings,)

    @classmethod
    def from_environ(cls) -> Settings:
        """Read the environment and the files that it names; all faults are named at once.

        "" counts as unset in the environment, but not in a file.
        """
        problems = [problem for name in sorted(os.environ) if (problem := _misspelled(name))]
        values = EnvSettingsSource(cls)()
        problems += _read_files(values)
        try:
            settings = cls(**values)
        except ValidationError as wrong:
            for detail in wrong.errors():
                variable = _variable_of(str(detail["loc"][0]))
                problems.append(f"{variable.name}: expected {variable.form}")
        else:
            problems += settings._incomplete()
        if problems:
            raise ConfigError(problems)
        return settings

    def to_environ(self) -> Mapping[str, str]:
        """Return the environment of a child that is to have these settings."""
        ours = {one.name: getattr(self, one.field) for one in VARIABLES}
        given = {*ours, *(f"{name}{_FILE}" for name in ours), _CREDENTIALS}
        others = {name: value for name, value in os.environ.items() if name not in given}
        return others | {
            name: str(value) for name, value in ours.items() if value not in ("", None)
        }

    def _incomplete(self) -> Sequence[str]:
        """Name what single sign-on lacks; that a part is set says that it is wanted."""
        needed = ("oidc_issuer", "oidc_client_id", "oidc_client_secret", "oidc_roles")
        if not any(getattr(self, field) for field in needed):
            return ()
        missing = [field for field in (*needed, "public_url") if not getattr(self, field)]
        return [
            f"{one.name}: single sign-on needs it; expected {one.form}"
            for one in map(_variable_of, missing)
        ]

    @property
    def n_replicas(self) -> int:
        """How many replicas must have what is acknowledged."""
        if self.replicas is not None:
            return self.replicas
        return int(bool(self.redis_url) and RedisAddress.parse(self.redis_url).kind != "server")

    @property
    def vouches(self) -> bool:
        """Whether people answer for the settings of Redis."""
        return self.redis_settings == "vouched"

    @property
    def store_file(self) -> Path:
        """Where it is kept which Redis this installation has filled."""
        return self.var / "store"


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable, as it is documented."""

    name: str
    field: str
    default: str
    form: str
    meaning: str
    secret: bool


def _described(name: str, schema: Mapping[str, Any]) -> Variable:
    field = name.lower()
    form = schema["form"]
    if "minimum" in schema:
        form = f"{schema['minimum']} to {schema['maximum']}"
    elif choices := schema.get("enum"):
        form = f"{', '.join(choices[:-1])} or {choices[-1]}"
    return Variable(
        name=name if name == _METRICS else f"{_PREFIX}{name.upper()}",
        field=field,
        default=str(schema["default"] if schema["default"] is not None else ""),
        form=form,
        meaning=schema["description"],
        secret=schema["secret"],
    )


VARIABLES = tuple(
    _described(name, schema) for name, schema in Settings.model_json_schema()["properties"].items()
)


def _variable_of(field: str) -> Variable:
    """Return the variable of a field, or of an alias that it is read by."""
    return next(one for one in VARIABLES if field in (one.field, one.name))


def _read_files(values: dict[str, Any]) -> Iterator[str]:
    """Add the values that stand in files to those of fields; yield what is wrong with them."""
    fields = {one.name: one.field for one in VARIABLES if one.name.startswith(_PREFIX)}
    named = ((name, f"{name}{_FILE}") for name in fields)
    files = [(name, by, Path(told)) for name, by in named if (told := os.environ.get(by))]
    if folder := os.environ.get(_CREDENTIALS, ""):
        try:
            found = sorted(Path(folder).iterdir())
        except OSError as error:  # a token that is not known of would leave open what it guards
            found = []
            yield f"{_CREDENTIALS}: cannot be read ({error.strerror})"
        ours = (path for path in found if path.name.startswith(_PREFIX))
        files += [(path.name, f"{path.name} in {_CREDENTIALS}", path) for path in ours]
    for name, by, path in files:
        if name not in fields:
            yield f"{by}: no such variable"
        elif fields[name] in values:
            yield f"{by}: {name} is given elsewhere too"
        else:
            try:
                values[fields[name]] = _line_of(path)
            except OSError as error:
                yield f"{by}: cannot be read ({error.strerror})"
            except ValueError:
                yield f"{by}: expected one line of text in UTF-8"


def _line_of(path: Path) -> str:
    """Read a file of one line; OSError or ValueError where it is none."""
    line = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    if not line or any(one in line for one in "\0\n\r"):
        raise ValueError
    return line


def _misspelled(name: str) -> str:
    """Complaint about a variable that was surely meant for us, and would be silently ignored."""
    known = [name for one in VARIABLES for name in (one.name, f"{one.name}{_FILE}")]
    if not name.startswith(_PREFIX) or name in known:
        return ""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
    return f"{name}: no such variable, did you mean {near[0]}?" if near else ""


def traces_wanted() -> bool:
    """Say whether ``OTEL_*`` names a collector for traces, and nothing turns them off."""
    told = {name: os.environ.get(f"OTEL_{name}", "").strip() for name in _TRACES}
    if told["SDK_DISABLED"].lower() == "true" or told["TRACES_EXPORTER"].lower() == "none":
        return False
    return any(told[name] for name in _TRACES if name.endswith("_ENDPOINT"))


def shared_metrics(prefix: str) -> Path:
    """Return the folder where the workers add up their metrics; a new one if none was chosen."""
    if _METRICS not in os.environ:
        os.environ[_METRICS] = tempfile.mkdtemp(prefix=prefix)
    return Path(os.environ[_METRICS])
