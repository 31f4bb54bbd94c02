"""Overview of all queues: what waits, since when, who works on what, and what is in trouble."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from service.console.permissions import by_me, me, my_sites, needs, site_for
from service.console.raids import HOURS, shown_raids
from service.console.vocabulary import gettext as _
from service.delivery.webhooks import DeadLetter, Endpoint
from service.logs import log, places
from service.queue.records import QueueStats, ReviewItem
from service.queue.repeats import Raid
from service.services import services
from service.sites.levers import Lever
from service.sites.site import Site
from service.store.trail import Entry

bp = Blueprint("overview", __name__, url_prefix="/overview")

LISTED = 300  # the most urgent items, which the histogram and the kinds are made of
AGES_SECONDS = (300, 900, 1800, 3600, 3 * 3600, 12 * 3600)
EVERY_MS = 2_000


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """One site as the overview shows it; labels and dialects with their counts, most first."""

    site: Site
    stats: QueueStats
    n_damaged: int  # waiting items of which what is stored cannot be read
    labels: list[tuple[str, int]]  # and findings of the waiting items; "" where there is none
    dialects: list[tuple[str, int]]
    ages: list[tuple[int | None, int]]  # waiting items by bound of their age in seconds
    held: list[ReviewItem]
    troubled: list[ReviewItem]
    dead: list[DeadLetter]
    endpoint: Endpoint
    raids: list[Raid]
    articles: list[Lever]  # that are held or closed

    @property
    def failures(self) -> list[str]:
        """Return why deliveries fail or were given up, each reason once."""
        found = [self.endpoint.failure, *(letter.failure for letter in self.dead)]
        return [failure for failure in dict.fromkeys(found) if failure]


@bp.get("")
def index() -> str:
    """Show every site of this moderator."""
    return render_template("overview.html", **_shown())


@bp.get("/events")
def events() -> Response:
    """Send the page how the queues stand now, as one server-sent event, and have it ask again."""
    # A stream kept open would hold one of few threads for each open page: the browser reconnects.
    page = render_template("_overview_sites.html", **_shown())
    data = "".join(f"data: {line}\n" for line in page.splitlines())
    return Response(f"retry: {EVERY_MS}\n{data}\n", mimetype="text/event-stream")


@bp.post("/<site_id>/replay")
@needs("admin")
def replay(site_id: str) -> ResponseReturnValue:
    """Send a site once more what was given up, and use its webhook again."""
    site = site_for(site_id)
    services().trail.note(site.id, Entry("webhook", by_me(), "replayed"))
    services().deliveries.enable(site.id)
    services().deliveries.replay(site.id)
    flash(_("What was given up is on its way again."))
    return redirect(url_for(".index"), 303)


def _shown() -> dict[str, Any]:
    """Return all that is on the page; a site that cannot be shown is named and bars no other."""
    shown, failed = list[SiteStatus](), list[str]()
    for site in my_sites():
        try:
            shown.append(_status(site))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this site's alone
            log.error("overview", site=site.id, error=type(error).__name__, places=places(error))
            failed.append(site.name or site.id)
    if me().role == "admin":
        failed += services().sites.unreadable()
    return {
        "sites": shown,
        "failed": failed,
        "listed": LISTED,
        "hours_of_hold": HOURS,
        "version": services().artifact.version,
    }


def _status(site: Site) -> SiteStatus:
    queue, deliveries = services().queue, services().deliveries
    stats, waiting = queue.stats(site.id), queue.waiting(site.id, limit=LISTED)
    if stats.escalated:  # they wait in a queue of their own
        waiting += queue.waiting(site.id, escalated=True, limit=LISTED)
    whole = [item for item in waiting if not item.damaged]
    return SiteStatus(
        site=site,
        stats=stats,
        n_damaged=len(waiting) - len(whole),
        labels=Counter(item.verdict.rejection_reason for item in whole).most_common(),
        dialects=Counter(filter(None, (i.comment.dialect for i in whole))).most_common(),
        ages=histogram([time.time() - item.enqueued_at for item in whole]),
        held=queue.held(site.id),
        troubled=queue.waiting(site.id, troubled=True, limit=20),
        dead=deliveries.dead_letters(site.id, limit=20),
        endpoint=deliveries.endpoint(site.id),
        raids=shown_raids(site.id)["raids"],
        articles=[one for one in site.levers.values() if one.until > time.time()][:LISTED],
    )


def histogram(ages: list[float]) -> list[tuple[int | None, int]]:
    """Count ages in seconds by the bounds of `AGES_SECONDS`; the last bound is ``None``, no end."""
    bounds: list[int | None] = [*AGES_SECONDS, None]
    counts = Counter(next(b for b in bounds if b is None or age < b) for age in ages)
    return [(bound, counts[bound]) for bound in bounds]
