"""Probes: what `hakam check` and `hakam doctor` look at.

A probe yields facts, and raises an error of ours for what stops the service. No fact holds a
secret, a word of a comment, a name of a person or an address with credentials: what may be shown of
the settings stands in `SHOWN`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import socket
import ssl
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from models.registry import Registry
from service import processes
from service.accounts.accounts import Accounts
from service.config import UNBELIEVED_PROXY, VARIABLES, RedisAddress, Settings
from service.delivery.heartbeat import WORK, Heartbeat
from service.delivery.webhooks import Deliveries
from service.metric_sources import site_states
from service.queue.review_queue import ReviewQueue
from service.rules.times import iso_time
from service.sign_on.provider import Provider, ProviderUnavailable
from service.sites.sites import Sites
from service.store.backup import OLD_SECONDS, last_backup
from service.store.connect import Redis
from service.store.durability import SETTINGS, Durability
from service.store.server_facts import ping_seconds, server_facts, server_time, setting_of

N_PINGS = 20
MOST_SITES = 100  # that are shown, the first in the order of their ids
SLOW_PING_SECONDS = 0.1
SKEW_SECONDS = 2.0
LEAST_FREE_SHARE = 0.05
CERTIFICATE_DAYS = 14
NETWORK_SECONDS = 5.0

#: Variables whose values are shown; of all others only whether they are set.
SHOWN = frozenset(
    {
        *("replicas", "redis_settings", "artifacts", "sentence_scorer", "shadow", "var", "host"),
        *("port", "workers", "public_url", "proxies", "max_body_bytes", "lease_seconds"),
        *("undo_seconds", "log_level", "oidc_scopes", "oidc_groups_claim"),
        *("oidc_second_factor", "oidc_session_seconds"),
    }
)
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp")
_REDIS_SETTINGS = (
    *SETTINGS,
    *("maxmemory", "min-replicas-to-write", "min-replicas-max-lag", "save", "timeout"),
)


class Fact(NamedTuple):
    """One thing that is so, and what is wrong with it, if anything."""

    name: str
    value: object
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What there is to look at."""

    settings: Settings
    redis: Redis

    @property
    def durability(self) -> Durability:
        """What says whether Redis keeps what it is given."""
        settings = self.settings
        return Durability(self.redis, settings.store_file, vouched=settings.vouches)


Probe = Callable[[Case], Iterator[Fact]]

# What stops the service


def artifact(case: Case) -> Iterator[Fact]:
    """Load what scores."""
    from service.scoring import artifact_in_use

    found = artifact_in_use(case.settings)
    yield Fact("artefact", f"{found.version}, read by {' and '.join(found.classifier.readers)}")
    if case.settings.shadow:
        shadow = Registry(case.settings.artifacts).load(case.settings.shadow)
        yield Fact("compared with", shadow.version)


def store(case: Case) -> Iterator[Fact]:
    """Check that Redis keeps what it is given."""
    durability = case.durability
    durability.check()
    yield Fact("redis", "keeps what it is given")
    if durability.unwritten:
        yield Fact("HAKAM_VAR", None, durability.unwritten)


def reach(case: Case) -> Iterator[Fact]:
    """Look whether clients and moderators come as the settings say."""
    settings = case.settings
    behind_proxy = Accounts(case.redis).behind_unbelieved_proxy()
    if not settings.proxies and (behind_proxy or settings.public_url.startswith("https:")):
        yield Fact("proxies", settings.proxies, UNBELIEVED_PROXY)
    for site_id in Sites(case.redis).unreadable():
        yield Fact(f"site {site_id}", None, "what is stored of it cannot be read")
    if not settings.public_url:
        advice = "HAKAM_PUBLIC_URL is not set, so links begin with what requests say"
        yield Fact("address", advice)


def sign_on(case: Case) -> Iterator[Fact]:
    """Ask the OpenID provider for its discovery document and its keys."""
    provider = Provider(case.settings)
    if provider.is_set:
        try:
            provider.keys()
        except ProviderUnavailable as ill:
            told = f"cannot be used now ({ill.reason}); local accounts log in as ever"
            yield Fact("single sign-on", None, told)
        else:
            yield Fact("single sign-on", "the provider answers, and has keys")


#: What `hakam check` looks at.
CHECKED: tuple[Probe, ...] = (artifact, store, reach, sign_on)

# What a maintainer asks for


def versions(_case: Case) -> Iterator[Fact]:
    """Name what runs here."""
    yield Fact("hakam", _version("hakam"))
    yield Fact("python", platform.python_version())
    wanted = {
        re.split(r"[^\w-]", one)[0] for one in requires("hakam") or () if "extra ==" not in one
    }
    yield Fact("libraries", {name: _version(name) for name in sorted(wanted)})


def machine(_case: Case) -> Iterator[Fact]:
    """Tell the kernel, the processor and what of it the sentence scorer can use, the memory."""
    yield Fact("kernel", f"{platform.system()} {platform.release()} {platform.machine()}")
    yield Fact("cores", os.cpu_count())
    told = _lines("/proc/cpuinfo").get("flags") or _lines("/proc/cpuinfo").get("Features", "")
    yield Fact("processor can", " ".join(flag for flag in _FLAGS if flag in told.split()) or None)
    memory = _lines("/proc/meminfo")
    for name, field in (("memory", "MemTotal"), ("memory free", "MemAvailable")):
        kilobytes = memory.get(field, "").removesuffix(" kB")
        yield Fact(name, int(kilobytes) * 1024 if kilobytes.isdecimal() else None)


def versions_kept(case: Case) -> Iterator[Fact]:
    """Name the artefacts that are kept, and the digest of the one in use."""
    registry = Registry(case.settings.artifacts)
    yield Fact("versions", registry.versions())
    manifest = registry.root / registry.current() / "manifest.json"
    yield Fact("digest", f"sha256:{hashlib.sha256(manifest.read_bytes()).hexdigest()}")


def settings(case: Case) -> Iterator[Fact]:
    """Show the settings that may be shown, and of the others whether they are set."""
    for one in VARIABLES:
        value = getattr(case.settings, one.field)
        is_set = value not in (None, "")
        shown = str(value) if one.field in SHOWN else "set, not shown"
        yield Fact(one.name, shown if is_set else "not set")
    kind = (
        RedisAddress.parse(case.settings.redis_url).kind if case.settings.redis_url else "private"
    )
    yield Fact("kind of redis", kind)


def redis(case: Case) -> Iterator[Fact]:
    """Ask Redis for its settings, time an answer, and compare the clocks."""
    for number, server in enumerate(server_facts(case.redis), 1):
        place = f"primary {number}"
        yield Fact(f"{place} version", server.version)
        yield Fact(f"{place} replicas", server.n_replicas)
        yield Fact(f"{place} connections", server.n_clients)
        limit = server.memory_limit_bytes
        full = bool(limit and server.memory_bytes > 0.85 * limit)
        told = "more than 85% of maxmemory is in use" if full else ""
        yield Fact(f"{place} memory", server.memory_bytes, told)
        told = (
            "the last write of its append-only file failed" if server.writes_well is False else ""
        )
        yield Fact(f"{place} writes its file", server.writes_well, told)
        saved = server.last_snapshot_at
        yield Fact(f"{place} last snapshot", iso_time(saved) if saved else None)
        yield Fact(f"{place} runs for seconds", server.uptime_seconds)
    for name in _REDIS_SETTINGS:
        values = sorted(setting_of(case.redis, name))
        yield Fact(name, ", ".join(values) if values else None)
    times = sorted(ping_seconds(case.redis) for _ in range(N_PINGS))
    median = statistics.median(times)
    slow = "far or busy: every flagged comment waits for it" if median > SLOW_PING_SECONDS else ""
    yield Fact("answer in ms", round(median * 1000, 2), slow)
    yield Fact("slowest answer in ms", round(times[-1] * 1000, 2))
    before = time.time()
    theirs = server_time(case.redis)
    skew = max(before - theirs, theirs - time.time(), 0.0)
    told = "the clock of Redis and that of this machine differ" if skew > SKEW_SECONDS else ""
    yield Fact("clock differs by seconds", round(skew, 3), told)


def sites(case: Case) -> Iterator[Fact]:
    """Tell what waits on each site, and how its deliveries fare."""
    known = Sites(case.redis)
    found = [
        one
        for one in site_states(known, ReviewQueue(case.redis), Deliveries(case.redis, known))
        if one
    ]
    yield Fact("sites", len(found))
    for one in sorted(found, key=lambda one: one.id)[:MOST_SITES]:
        told = {
            "waiting": one.pending,
            "held": one.leased,
            "oldest in seconds": round(one.oldest_seconds),
            "target in seconds": round(one.target_seconds),
            "decided": one.decided,
            "to be told": one.outbox,
            "oldest to be told in seconds": round(one.telling_seconds),
            "given up": one.dead,
            "failing for seconds": round(one.failing_seconds),
        }
        troubles = [
            *(["a comment waits longer than the target"] * one.is_late),
            *(["it has taken no decision for a quarter of an hour"] * one.is_failing),
            *(["its webhook is out of use"] * one.is_disabled),
            *(["deliveries were given up"] * bool(one.dead)),
        ]
        yield Fact(f"site {one.id}", told, "; ".join(troubles))


def backup(case: Case) -> Iterator[Fact]:
    """Tell when the last backup was noted; not known where none was, as with copies of a disk."""
    last = last_backup(case.redis)
    is_old = last is not None and last[1] > OLD_SECONDS
    told = "older than two days" if is_old else ""
    yield Fact("last backup", iso_time(last[0]) if last else None, told)


def running(case: Case) -> Iterator[Fact]:
    """Count the processes, on this machine and beside it."""
    workers = processes.web_workers()
    yield Fact("web workers here", len(workers))
    yield Fact("most memory of one", max((one.resident_bytes for one in workers), default=None))
    alive = [one.does for one in Heartbeat(case.redis).alive()]
    for does in WORK:
        problem = "" if does in alive else "none lives"
        yield Fact(f"hakam {does}", alive.count(does), problem)


def files(case: Case) -> Iterator[Fact]:
    """Look at the room on the disks, and at who may read and write."""
    for name, folder in (
        ("HAKAM_VAR", case.settings.var),
        ("HAKAM_ARTIFACTS", case.settings.artifacts),
    ):
        if not folder.exists():
            yield Fact(name, None, "it does not exist")
            continue
        usage = shutil.disk_usage(folder)
        low = "less than a twentieth is free" if usage.free < LEAST_FREE_SHARE * usage.total else ""
        yield Fact(f"{name} free bytes", usage.free, low)
        mode = folder.stat().st_mode
        told = "everybody may write it" if mode & 0o002 else ""
        yield Fact(f"{name} mode", f"{mode & 0o7777:04o}", told)
    key = case.settings.var / "secret_key"
    if key.exists():
        mode = key.stat().st_mode
        told = "others may read it" if mode & 0o077 else ""
        yield Fact("secret_key mode", f"{mode & 0o7777:04o}", told)


#: What `hakam doctor` looks at, by part.
PROBES: dict[str, tuple[Probe, ...]] = {
    "versions": (versions,),
    "machine": (machine,),
    "service": CHECKED,
    "artefacts": (versions_kept,),
    "settings": (settings,),
    "redis": (redis,),
    "sites": (sites,),
    "processes": (running,),
    "files": (files,),
    "backup": (backup,),
}


def certificate(case: Case) -> Iterator[Fact]:
    """Ask HAKAM_PUBLIC_URL for its certificate, which leaves this machine."""
    place = urlsplit(case.settings.public_url)
    if place.scheme != "https" or not place.hostname:
        yield Fact("certificate", None, "HAKAM_PUBLIC_URL is no https address")
        return
    try:
        with (
            socket.create_connection((place.hostname, place.port or 443), NETWORK_SECONDS) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=place.hostname) as one,
        ):
            told = one.getpeercert() or {}
    except OSError as error:
        yield Fact("certificate", None, f"it cannot be asked for ({type(error).__name__})")
        return
    ends = ssl.cert_time_to_seconds(str(told["notAfter"]))
    soon = ends - time.time() < CERTIFICATE_DAYS * 86_400
    yield Fact("certificate ends", iso_time(ends), "it ends soon" if soon else "")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _lines(path: str) -> dict[str, str]:
    """Read lines of ``name: value``; the first of each name, none where there is no such file."""
    found: dict[str, str] = {}
    try:
        for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            found.setdefault(name.strip(), value.strip())
    except OSError:
        return {}
    return found
