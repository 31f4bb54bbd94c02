"""Read model of the overview: how the queue and the deliveries of each site stand.

All pages of a process share what it read: a site is read again once that is `FRESH_SECONDS` old, by
whoever asks first, all that are due together in a few round trips. So it costs Redis the same
whether one page stands open or a hundred. Who may see which site is asked anew for every page.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from service.delivery.webhooks import DeadLetter, Deliveries, Endpoint
from service.errors import SiteUnreadable, StoreUnavailable
from service.logs import log, places
from service.queue.overview import Overviews, QueueOverview
from service.queue.records import QueueStats
from service.queue.repeats import Raid, Repeats
from service.queue.review_queue import ReviewQueue
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.scripts import readable

FRESH_SECONDS = 1.5  # less than a page waits before it asks again: it never lags twice
MAX_DEAD = 20  # deliveries given up, whose reasons are shown


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """How one site stands."""

    site: Site
    stats: QueueStats
    queue: QueueOverview
    dead: Sequence[DeadLetter]
    endpoint: Endpoint
    raids: Sequence[Raid]
    # What pages have made of it, by what the pages differ in; it goes with what it was made of.
    shown: dict[tuple[str, ...], str] = field(default_factory=dict, compare=False)

    @property
    def failures(self) -> list[str]:
        """Return why deliveries fail or were given up, each reason once."""
        found = [self.endpoint.failure, *(letter.failure for letter in self.dead)]
        return [failure for failure in dict.fromkeys(found) if failure]


class SiteStatuses:
    """How all sites stand, as one process knows it."""

    def __init__(
        self,
        sites: Sites,
        queue: ReviewQueue,
        overviews: Overviews,
        deliveries: Deliveries,
        repeats: Repeats,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sites = sites
        self._queue, self._overviews = queue, overviews
        self._deliveries, self._repeats = deliveries, repeats
        self._clock = clock
        self._lock = threading.Lock()
        self._version = ""  # of all sites, under which they were listed
        self._listed = list[Site](), list[str]()
        # When a site was read and how it stands; None for one of which that cannot be said.
        self._known: dict[str, tuple[float, SiteStatus | None]] = {}

    def of(
        self, may_see: Callable[[str], bool], *, max_age_seconds: float = FRESH_SECONDS
    ) -> tuple[list[tuple[Site, SiteStatus | None]], list[str]]:
        """Return the sites that somebody may see, and the ids of those that cannot be read at all.

        StoreUnavailable without Redis.
        """
        with self._lock:
            self._list()
            sites = [site for site in self._listed[0] if may_see(site.id)]
            now = self._clock()
            never = float("-inf"), None
            due = [
                site
                for site in sites
                if now - self._known.get(site.id, never)[0] >= max_age_seconds
            ]
            self._known |= {one: (now, status) for one, status in self._read(due).items()}
            return [(site, self._known[site.id][1]) for site in sites], self._listed[1]

    def _list(self) -> None:
        """List the sites again where one has changed."""
        version = self._sites.version()
        if version and version == self._version:
            return
        self._listed, self._version = self._sites.all(), version
        self._known = {}

    def _read(self, sites: Sequence[Site]) -> Mapping[str, SiteStatus | None]:
        """Read how sites stand; one that cannot be read is told apart from the others."""
        if not sites:
            return {}
        try:
            return self._together(sites)
        except Exception as error:
            if isinstance(error, StoreUnavailable) and not isinstance(error, SiteUnreadable):
                raise
            if len(sites) == 1:
                name = type(error).__name__
                log.error("overview", site=sites[0].id, error=name, places=places(error))
                return {sites[0].id: None}
        middle = len(sites) // 2
        return {**self._read(sites[:middle]), **self._read(sites[middle:])}

    def _together(self, sites: Sequence[Site]) -> Mapping[str, SiteStatus]:
        site_ids = [site.id for site in sites]
        found = zip(
            sites,
            self._queue.stats_of(site_ids),
            self._overviews.of(site_ids),
            self._deliveries.endpoints_of(site_ids),
            self._repeats.raids_of(site_ids),
            strict=True,
        )
        statuses = {}
        for site, stats, queue, endpoint, raids in found:
            counted = readable(stats)
            statuses[site.id] = SiteStatus(
                site,
                counted,
                readable(queue),
                self._deliveries.dead_letters(site.id, limit=MAX_DEAD) if counted.dead else [],
                readable(endpoint),
                # A page goes without the banner where it cannot be told.
                [] if isinstance(raids, SiteUnreadable) else raids,
            )
        return statuses
