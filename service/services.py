"""The parts of one running service, and where the code of a request finds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from flask import current_app

from models.artifact import Artifact
from service.accounts.accounts import Accounts
from service.artifacts import Artifacts
from service.config import Settings
from service.delivery.coral import CoralSync
from service.delivery.notices import Notices
from service.delivery.webhooks import Deliveries
from service.metrics import Metrics
from service.moderation import Moderation
from service.queue.articles import Articles
from service.queue.authors import Authors
from service.queue.context import Contexts
from service.queue.decisions import DecisionStream
from service.queue.doubts import DoubtfulDecisions
from service.queue.feedback import Feedback
from service.queue.group_decisions import GroupDecisions
from service.queue.history import History
from service.queue.listing import Listing
from service.queue.notes import Notes
from service.queue.practice import Practice
from service.queue.read_models import ReadModels
from service.queue.reader_limits import ReaderLimits
from service.queue.reindex import Reindex
from service.queue.repeats import Repeats
from service.queue.reports import Reports
from service.queue.retention import Retention
from service.queue.review_queue import ReviewQueue
from service.queue.search import Search
from service.reports.signal_sample import SignalSample
from service.reports.verdict_counts import VerdictCounts
from service.shadow import Shadow
from service.sign_on.provider import Provider
from service.site_status import SiteStatuses
from service.sites.key_uses import KeyUses
from service.sites.known_sites import KnownSites
from service.sites.quota import Quota
from service.sites.sites import Sites
from service.store.durability import Durability
from service.store.trail import Trail

EXTENSION = "hakam"  # the key of the parts in `Flask.extensions`


@dataclass(frozen=True)
class Services:
    """What `service.app.create_app` puts together."""

    settings: Settings
    artifact: Artifact  # in use
    artifacts: Artifacts  # this one and the others that are kept
    notice: str
    shadow: Shadow
    durability: Durability
    sites: Sites
    known_sites: KnownSites
    site_statuses: SiteStatuses
    key_uses: KeyUses
    accounts: Accounts
    provider: Provider
    trail: Trail
    retention: Retention
    queue: ReviewQueue
    authors: Authors
    articles: Articles
    notes: Notes
    contexts: Contexts
    decisions: DecisionStream
    listing: Listing
    group_decisions: GroupDecisions
    read_models: ReadModels
    history: History
    practice: Practice
    reindex: Reindex
    search: Search
    repeats: Repeats
    doubts: DoubtfulDecisions
    reports: Reports
    reader_limits: ReaderLimits
    moderation: Moderation
    deliveries: Deliveries
    notices: Notices
    verdict_counts: VerdictCounts
    signal_sample: SignalSample
    metrics: Metrics
    quota: Quota
    feedback: Feedback
    coral: CoralSync
    coral_sites: KnownSites
    coral_moderation: Moderation
    flushes: Sequence[Callable[[], object]]  # write what was counted, at the end of the process


def services() -> Services:
    """Return the parts of the application that answers the current request."""
    return cast(Services, current_app.extensions[EXTENSION])


def signing_keys() -> list[str]:
    """Return the keys of what pages and cookies hold: all are believed, the last one signs."""
    return list(current_app.config["WTF_CSRF_SECRET_KEY"])
