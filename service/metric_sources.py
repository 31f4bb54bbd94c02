"""What is asked of the parts of the service when somebody wants the metrics.

Bounded: for all sites together two scripts a site that look at no more than fifty items, a hundred
sites in one round trip; a few commands for all else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client.core import Metric

from models.artifact import Artifact
from service import gauges, processes
from service.config import Settings
from service.delivery.heartbeat import WORK, Heartbeat
from service.delivery.notices import Notices
from service.delivery.webhooks import Deliveries, Waiting
from service.errors import ServiceError, SiteUnreadable
from service.metrics import Sources
from service.queue.records import QueueStats
from service.queue.review_queue import ReviewQueue
from service.reports.drift_alarms import DriftAlarms
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.backup import last_backup
from service.store.connect import Redis
from service.store.durability import Durability
from service.store.server_facts import server_facts


def metric_sources(
    redis: Redis,
    settings: Settings,
    artifact: Artifact,
    queue: ReviewQueue,
    deliveries: Deliveries,
    notices: Notices,
    durability: Durability,
    *,
    is_refused: bool,
) -> Sources:
    """Return what can be asked, by name."""
    sites, drift, heartbeat = Sites(redis), DriftAlarms(redis), Heartbeat(redis)

    def of_sites() -> Iterator[Metric]:
        durability.expect()
        found = site_states(sites, queue, deliveries)
        yield from gauges.of_all_sites(found)
        yield from gauges.of_drift(drift.read([site.id for site in found if site]))
        if settings.metrics_token:
            yield from gauges.of_each_site(found)

    def of_beside() -> Iterator[Metric]:
        alive = heartbeat.alive()
        return gauges.of_beside(
            {does: [one.resident_bytes for one in alive if one.does == does] for does in WORK}
        )

    def of_store() -> Iterator[Metric]:
        try:
            durability.check()
        except ServiceError:
            return gauges.of_store(is_well=False)
        return gauges.of_store(is_well=True)

    def of_backup() -> Iterator[Metric]:
        last = last_backup(redis)
        return gauges.of_backup(last[1] if last else None)

    def of_processes() -> Iterator[Metric]:
        if settings.prometheus_multiproc_dir is None:  # this process stands for itself
            return iter(())
        workers = processes.siblings()
        return gauges.of_processes(workers, processes.parent(), settings.workers)

    readers = artifact.classifier.readers
    return {
        "build": gauges.of_build,
        "artifact": lambda: gauges.of_artifact(artifact.version, readers, is_refused=is_refused),
        "sites": of_sites,
        "deliveries": lambda: gauges.of_deliveries(deliveries.counts()),
        "notices": lambda: gauges.of_notices(notices.counts()),
        "beside": of_beside,
        "redis": lambda: gauges.of_redis(server_facts(redis)),
        "store": of_store,
        "backup": of_backup,
        "processes": of_processes,
    }


def site_states(
    sites: Sites, queue: ReviewQueue, deliveries: Deliveries
) -> list[gauges.SiteState | None]:
    """Ask what is so on each site; None for one of which nothing can be read."""
    known, unreadable = sites.all()
    ids = [site.id for site in known]
    found: list[gauges.SiteState | None] = [
        _state(*told)
        for told in zip(known, queue.stats_of(ids), deliveries.waiting_of(ids), strict=True)
    ]
    return found + [None for _ in unreadable]


def _state(
    site: Site, stats: QueueStats | SiteUnreadable, waiting: Waiting | SiteUnreadable
) -> gauges.SiteState | None:
    if isinstance(stats, SiteUnreadable) or isinstance(waiting, SiteUnreadable):
        return None
    failing = site.listens and waiting.failing_since
    return gauges.SiteState(
        id=site.id,
        pending=stats.pending,
        leased=stats.leased,
        oldest_seconds=stats.oldest_seconds,
        target_seconds=site.time_target_seconds,
        decided=stats.decided,
        outbox=waiting.n_items,
        dead=waiting.n_dead,
        telling_seconds=waiting.oldest_seconds,
        overdue_seconds=waiting.overdue_seconds,
        failing_seconds=max(0.0, time.time() - waiting.failing_since) if failing else 0.0,
        is_disabled=bool(waiting.disabled_at),
    )
