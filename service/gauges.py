"""Prometheus metrics of what is so when somebody asks: queues, deliveries, Redis, processes.

Each function makes families of what it is given. What is not known is absent, never 0. Labels hold
words of ours and versions; a site's id stands in one only where `of_each_site` is asked for.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from service.processes import Running
from service.store.server_facts import ServerFacts

FAILING_SECONDS = 900.0  # without one decision taken, after which a site counts as failing
MOST_NAMED = 100  # sites with series of their own, the first in the order of their ids


@dataclass(frozen=True, slots=True)
class SiteState:
    """What is so on one site; seconds."""

    id: str
    pending: int
    leased: int
    oldest_seconds: float
    target_seconds: float
    decided: int
    outbox: int
    dead: int
    telling_seconds: float  # since the oldest decision that is still to be told
    overdue_seconds: float  # since it was the turn of the next one
    failing_seconds: float  # since when all attempts to tell it anything have failed
    is_disabled: bool  # whether nothing is told it until somebody enables it

    @property
    def is_late(self) -> bool:
        """Whether a comment waits longer than the site's target."""
        return self.oldest_seconds > self.target_seconds

    @property
    def is_failing(self) -> bool:
        """Whether it has taken no decision for a quarter of an hour."""
        return self.failing_seconds > FAILING_SECONDS


def of_build() -> Iterator[Metric]:
    """Name the version of this software."""
    try:
        ours = version("hakam")
    except PackageNotFoundError:
        return
    told = GaugeMetricFamily("hakam_build", "What runs here.", labels=["version", "python"])
    told.add_metric([ours, platform.python_version()], 1)
    yield told


def of_artifact(
    artifact_version: str, readers: Sequence[str] = (), *, is_refused: bool
) -> Iterator[Metric]:
    """Name the artefact in use, and who reads comments with it."""
    in_use = GaugeMetricFamily("hakam_artifact", "The artefact in use.", labels=["version"])
    in_use.add_metric([artifact_version], 1)
    yield in_use
    told = "Whether another artefact is promoted, which cannot be used."
    yield GaugeMetricFamily("hakam_artifact_refused", told, value=is_refused)
    reading = GaugeMetricFamily("hakam_reader", "Scorers that are in use.", labels=["reader"])
    for reader in readers:
        reading.add_metric([reader], 1)
    yield reading


def of_all_sites(found: Sequence[SiteState | None]) -> Iterator[Metric]:
    """Add up what is so on all sites; None stands for one of which nothing can be read."""
    sites = [site for site in found if site]
    for name, told, value in (
        ("queue_pending", "Comments that wait for a person.", sum(one.pending for one in sites)),
        ("queue_leased", "Comments that a person holds.", sum(one.leased for one in sites)),
        ("queue_outbox", "Comments with decisions to be told.", sum(one.outbox for one in sites)),
        ("queue_dead", "Deliveries given up.", sum(one.dead for one in sites)),
        (
            "queue_oldest_seconds",
            "Age of the oldest comment that waits or is held, of any site.",
            _highest(one.oldest_seconds for one in sites),
        ),
        (
            "outbox_oldest_seconds",
            "Age of the oldest decision to be told, of fifty at both ends of each outbox.",
            _highest(one.telling_seconds for one in sites),
        ),
        (
            "outbox_overdue_seconds",
            "Since when a delivery is due and not made, of any site whose webhook is in use.",
            _highest(one.overdue_seconds for one in sites if not one.is_disabled),
        ),
        ("sites", "Sites.", len(found)),
        (
            "sites_late",
            "Sites on which a comment waits longer than the site's target.",
            sum(one.is_late for one in sites),
        ),
        (
            "sites_failing",
            "Sites that have taken no decision for a quarter of an hour, in use or not.",
            sum(one.is_failing for one in sites),
        ),
        (
            "sites_disabled",
            "Sites whose webhook is out of use until somebody enables it.",
            sum(one.is_disabled for one in sites),
        ),
        (
            "sites_unreadable",
            "Sites of which what is stored cannot be worked with, so that they are not counted.",
            len(found) - len(sites),
        ),
    ):
        yield GaugeMetricFamily(f"hakam_{name}", told, value=value)
    told = "Entries of the decision streams: decisions of people, and what was done without one."
    yield CounterMetricFamily("hakam_decisions", told, value=sum(one.decided for one in sites))


def of_each_site(found: Sequence[SiteState | None]) -> Iterator[Metric]:
    """Tell what is so on each of the first `MOST_NAMED` sites."""
    named = sorted((site for site in found if site), key=lambda site: site.id)[:MOST_NAMED]
    for name, told, attribute in (
        ("pending", "Comments that wait for a person.", "pending"),
        ("oldest_seconds", "Age of the oldest comment that waits or is held.", "oldest_seconds"),
        ("target_seconds", "How long a comment may wait.", "target_seconds"),
        ("outbox", "Comments with decisions to be told.", "outbox"),
        ("dead", "Deliveries given up.", "dead"),
        ("outbox_oldest_seconds", "Age of the oldest decision to be told.", "telling_seconds"),
        ("failing_seconds", "Since when every attempt to tell it fails.", "failing_seconds"),
    ):
        family = GaugeMetricFamily(f"hakam_site_{name}", told, labels=["site"])
        for site in named:
            family.add_metric([site.id], getattr(site, attribute))
        yield family


def of_deliveries(counts: Mapping[tuple[str, str], int]) -> Iterator[Metric]:
    """Count attempts, by whom they told and what became of them."""
    told = "Attempts to tell a site of a decision, by its Coral (and webhook) or its webhook alone."
    family = CounterMetricFamily("hakam_deliveries", told, labels=["to", "result"])
    for (to, result), n in counts.items():
        family.add_metric([to, result], n)
    yield family


def of_notices(counts: Mapping[str, int]) -> Iterator[Metric]:
    """Count notices to moderators by what became of them."""
    family = CounterMetricFamily("hakam_notices", "Notices to moderators.", labels=["result"])
    for result, n in counts.items():
        family.add_metric([result], n)
    yield family


def of_beside(resident_bytes: Mapping[str, Sequence[float]]) -> Iterator[Metric]:
    """Count the processes beside the web server, by their memory; 0 for one that knows none."""
    told = "Processes beside the web server that live, of all machines, by their command."
    processes = GaugeMetricFamily("hakam_processes", told, labels=["does"])
    told = "Most memory of any of them."
    memory = GaugeMetricFamily("hakam_process_resident_bytes", told, labels=["does"])
    for does, known in resident_bytes.items():
        processes.add_metric([does], len(known))
        if any(known):
            memory.add_metric([does], max(known))
    yield from (processes, memory)


def of_drift(alarms: Sequence[tuple[str, float, int]]) -> Iterator[Metric]:
    """Tell what has moved: about what, the highest stability index, on how many sites."""
    told = "Highest stability index of any site, at the daily look; 0 where nothing has moved."
    highest = GaugeMetricFamily("hakam_drift_index", told, labels=["about"])
    told = "Sites on which it has moved beyond their alarm, at the daily look."
    moved = GaugeMetricFamily("hakam_drift_sites", told, labels=["about"])
    for about, index, n_sites in alarms:
        highest.add_metric([about], index)
        moved.add_metric([about], n_sites)
    yield from (highest, moved)


def of_redis(servers: Sequence[ServerFacts]) -> Iterator[Metric]:
    """Tell what is so on Redis, of several primaries the sum, or what is worst."""
    if not servers:
        return
    limits = [one.memory_limit_bytes for one in servers]
    writing = [one.writes_well for one in servers if one.writes_well is not None]
    found: list[tuple[str, str, float | None]] = [
        ("primaries", "Servers that hold keys.", len(servers)),
        ("ping_seconds", "Longest round trip.", max(one.ping_seconds for one in servers)),
        ("memory_bytes", "Memory in use.", sum(one.memory_bytes for one in servers)),
        (
            "memory_limit_bytes",
            "Memory that may be used, where each has a limit.",
            sum(filter(None, limits)) if all(limits) else None,
        ),
        ("replicas", "Fewest replicas of any primary.", min(one.n_replicas for one in servers)),
        ("clients", "Connections.", sum(one.n_clients for one in servers)),
        (
            "writes_well",
            "Whether the last write of each append-only file succeeded.",
            all(writing) if writing else None,
        ),
    ]
    for name, told, value in found:
        if value is not None:
            yield GaugeMetricFamily(f"hakam_redis_{name}", told, value=value)


def of_backup(age_seconds: float | None) -> Iterator[Metric]:
    """Tell how old the last backup is; nothing where none was noted."""
    if age_seconds is not None:
        told = "Time since the last backup was noted (`hakam backed-up`)."
        yield GaugeMetricFamily("hakam_backup_age_seconds", told, value=age_seconds)


def of_store(*, is_well: bool) -> Iterator[Metric]:
    """Tell whether Redis takes what it is given, keeps it, and has lost nothing."""
    told = "Whether Redis takes writes, has the settings to keep them, and has lost nothing."
    yield GaugeMetricFamily("hakam_store_well", told, value=is_well)


def of_processes(
    workers: Sequence[Running], starter: Running | None, n_wanted: int
) -> Iterator[Metric]:
    """Tell what the web workers take, and the process that has started them."""
    yield GaugeMetricFamily("hakam_workers_wanted", "Web workers wanted.", value=n_wanted)
    if not workers or not starter:
        return
    for name, told, value in (
        ("workers", "Web workers that run.", len(workers)),
        (
            "workers_resident_bytes",
            "Memory of all web workers; what they share counts in each.",
            sum(one.resident_bytes for one in workers),
        ),
        (
            "worker_resident_bytes",
            "Most memory of any web worker.",
            max(one.resident_bytes for one in workers),
        ),
        ("worker_files", "Most open files of any web worker.", max(one.n_files for one in workers)),
    ):
        yield GaugeMetricFamily(f"hakam_{name}", told, value=value)
    told = "Processor time of all web workers, those that have ended included."
    seconds = starter.cpu_seconds + sum(one.cpu_seconds for one in workers)
    yield CounterMetricFamily("hakam_web_cpu_seconds", told, value=seconds)


def _highest(values: Iterator[float]) -> float:
    return max(values, default=0.0)
