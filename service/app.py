"""The composition root: the one place where the parts of the service meet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from flask import Flask, Response, g

from models.artifact import Artifact
from service import address, api, compat, logs, problems, tracing
from service.accounts.accounts import Accounts
from service.accounts.sessions import session_key
from service.api import bodies
from service.artifacts import Artifacts
from service.config import Settings
from service.console.blueprint import init_app as init_console
from service.delivery.coral import CoralSync
from service.delivery.notices import Notices
from service.delivery.webhooks import Deliveries
from service.errors import StoreMisconfigured, StoreUnavailable
from service.metric_sources import metric_sources
from service.metrics import Metrics
from service.moderation import Moderation, Note
from service.queue.articles import Articles
from service.queue.authors import Authors
from service.queue.chosen import Chosen
from service.queue.context import Contexts
from service.queue.decisions import DecisionStream
from service.queue.doubts import DoubtfulDecisions
from service.queue.feedback import Feedback
from service.queue.group_decisions import GroupDecisions
from service.queue.history import History
from service.queue.listing import Listing
from service.queue.notes import Notes
from service.queue.overview import Overviews
from service.queue.practice import Practice
from service.queue.read_models import ReadModels
from service.queue.reader_limits import ReaderLimits
from service.queue.records import Comment, Enqueued
from service.queue.reindex import Reindex
from service.queue.repeats import Repeats
from service.queue.reports import Reports
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.queue.search import Search
from service.readers.pages import bp as readers
from service.reports.hesitation import Hesitation
from service.reports.shadow import ShadowCounts
from service.reports.signal_sample import SignalSample
from service.reports.verdict_counts import VerdictCounts
from service.rules.policy import Signals
from service.scoring import artifact_in_use
from service.services import EXTENSION, Services
from service.shadow import Shadow
from service.sign_on.provider import Provider
from service.site_status import SiteStatuses
from service.sites.key_uses import KeyUses
from service.sites.known_sites import KnownSites
from service.sites.quota import Quota
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import Redis, connect
from service.store.durability import Durability
from service.store.trail import Trail

# Coral publishes what is not answered within 200 ms.
CORAL_REDIS_TIMEOUT_SECONDS = 0.07
MODEL_VERSION = "Hakam-Model-Version"


class Counting(Protocol):
    """What counts in memory, and writes it once an answer has gone out, or the process ends."""

    def flush_if_due(self) -> None:
        """Write what was counted, if it is time to."""

    def flush(self) -> None:
        """Write what was counted."""


def create_app(
    settings: Settings,
    *,
    redis: Redis | None = None,
    artifact: Artifact | None = None,
    ready: Sequence[Artifact] = (),
    notice: str = "",
) -> Flask:
    """Put the service together; Redis need not answer yet.

    `ready` are other artefacts that are loaded already; `notice` is shown by `/readyz`.
    """
    logs.configure(settings.log_level)
    app = Flask(__name__)
    app.secret_key = settings.secret_key or session_key(settings.var)
    others = [settings.other_secret_key] if settings.other_secret_key else []
    app.config["SECRET_KEY_FALLBACKS"] = others
    app.config["WTF_CSRF_SECRET_KEY"] = [*others, app.secret_key]
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["PROPAGATE_EXCEPTIONS"] = False
    parts, writes = _parts(settings, redis, artifact_in_use(settings, artifact), ready, notice)
    app.extensions[EXTENSION] = parts
    app.after_request(_no_sniffing)
    app.after_request(_naming(parts.artifact.version))
    tracing.install(app)
    app.before_request(parts.shadow.begin)
    app.teardown_request(parts.shadow.end)
    app.after_request(_counting(writes))
    problems.install(app, compat.FORMS)
    parts.metrics.install(app)
    logs.install(app)
    app.before_request(bodies.check_encoding)
    address.install(app, settings.proxies, parts.accounts)
    for blueprint in (*api.BLUEPRINTS, *compat.BLUEPRINTS):
        app.register_blueprint(blueprint)
    init_console(app)
    app.register_blueprint(readers)
    return app


def _parts(
    settings: Settings,
    redis: Redis | None,
    artifact: Artifact,
    ready: Sequence[Artifact],
    notice: str,
) -> tuple[Services, Sequence[Callable[[], object]]]:
    """Make the parts, and list what they write and read once an answer has gone out."""
    url, n_replicas = settings.redis_url, settings.n_replicas
    metrics = Metrics(settings.prometheus_multiproc_dir)
    coral_redis = redis or connect(url, CORAL_REDIS_TIMEOUT_SECONDS, n_replicas, metrics)
    redis = redis or connect(url, n_replicas=n_replicas, observer=metrics)
    durability, sites, known_sites, queue = _over(redis, settings)
    _, _, coral_sites, coral_queue = _over(coral_redis, settings)
    deliveries = Deliveries(redis, sites, public_url=settings.public_url)
    scorer, accounts = artifact.classifier.scorer, Accounts(redis)
    verdict_counts = VerdictCounts(redis, count_words=scorer.count_words, version=artifact.version)
    artifacts = Artifacts(settings, artifact, ready)
    shadow = Shadow(settings, artifacts, ShadowCounts(redis))
    reports = Reports(redis)
    quota, key_uses = Quota(redis, settings.workers), KeyUses(redis)
    hesitation, signal_sample = Hesitation(verdict_counts), SignalSample(redis)
    note = _noting(shadow, signal_sample)
    repeats, coral_repeats = Repeats(redis), Repeats(coral_redis)
    notices = Notices(redis, sites, queue, deliveries, repeats)
    articles = Articles(redis)
    counting: list[Counting] = [verdict_counts, signal_sample, repeats, coral_repeats]
    counting += [articles, key_uses]
    with contextlib.suppress(StoreUnavailable):
        known_sites.remember()
        coral_sites.remember()
    try:
        durability.check()  # from the start on it is known which Redis this is
    except (StoreUnavailable, StoreMisconfigured) as problem:
        structlog.get_logger().warning("store", problem=str(problem))

    metrics.sources = metric_sources(
        redis, settings, artifact, queue, deliveries, notices, durability, is_refused=bool(notice)
    )

    def moderation(queue: ReviewQueue, chosen: Chosen, repeats: Repeats) -> Moderation:
        counts = (metrics, verdict_counts, hesitation)
        return Moderation(artifact, queue, *counts, chosen, repeats, reports, note, articles)

    parts = Services(
        settings=settings,
        artifact=artifact,
        artifacts=artifacts,
        shadow=shadow,
        notice=notice,
        durability=durability,
        sites=sites,
        known_sites=known_sites,
        site_statuses=SiteStatuses(sites, queue, Overviews(redis), deliveries, repeats),
        key_uses=key_uses,
        accounts=accounts,
        provider=Provider(settings),
        queue=queue,
        trail=Trail(redis),
        retention=Retention(redis, sites),
        authors=Authors(redis, sites),
        articles=articles,
        notes=Notes(redis),
        contexts=Contexts(redis),
        decisions=DecisionStream(redis),
        listing=Listing(redis),
        group_decisions=GroupDecisions(redis, undo_seconds=settings.undo_seconds),
        read_models=ReadModels(redis),
        history=History(redis),
        practice=Practice(redis, undo_seconds=settings.undo_seconds),
        reindex=Reindex(redis, sites),
        search=Search(redis, queue),
        repeats=repeats,
        doubts=DoubtfulDecisions(redis),
        reports=reports,
        reader_limits=ReaderLimits(redis),
        moderation=moderation(queue, Chosen(redis), repeats),
        deliveries=deliveries,
        notices=notices,
        verdict_counts=verdict_counts,
        signal_sample=signal_sample,
        metrics=metrics,
        quota=quota,
        feedback=Feedback(redis),
        coral=CoralSync(redis),
        coral_sites=coral_sites,
        coral_moderation=moderation(coral_queue, Chosen(coral_redis), coral_repeats),
        flushes=[one.flush for one in (*counting, shadow.counts)],
    )
    writes = (
        *(one.flush_if_due for one in counting),
        *(hesitation.refresh_if_due, quota.exchange_if_due, shadow.release),
    )
    return parts, writes


def _noting(shadow: Shadow, signal_sample: SignalSample) -> Note:
    """Note each comment that was judged for the first time, for what is done after its answer."""

    def note(
        moderation: Moderation,
        site: Site,
        comment: Comment,
        signals: Signals,
        standing: Enqueued | None,
    ) -> None:
        shadow.note(moderation, site, comment, signals, standing)
        signal_sample.note(moderation.whole, site, comment, signals)

    return note


def _counting(writes: Sequence[Callable[[], object]]) -> Callable[[Response], Response]:
    """Write and read counts once an answer has gone out, so that no answer waits for them."""

    def write() -> None:
        for one in writes:
            one()

    def count(answer: Response) -> Response:
        answer.call_on_close(write)
        return answer

    return count


def _naming(version: str) -> Callable[[Response], Response]:
    """Name in every answer the artefact that is in use, or that was asked for in its place."""

    def name(answer: Response) -> Response:
        answer.headers[MODEL_VERSION] = g.get("model_version", version)
        return answer

    return name


def _no_sniffing(response: Response) -> Response:
    """Keep browsers from taking an answer for another kind than it says it is."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response


def _over(redis: Redis, settings: Settings) -> tuple[Durability, Sites, KnownSites, ReviewQueue]:
    """Make what there is once for each connection to Redis."""
    durability = Durability(redis, settings.store_file, vouched=settings.vouches)
    sites = Sites(redis)
    queue = ReviewQueue(
        redis,
        lease_seconds=settings.lease_seconds,
        undo_seconds=settings.undo_seconds,
        expect=durability.expect,
    )
    return durability, sites, KnownSites(sites, expect=durability.expect), queue
