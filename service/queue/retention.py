"""Retention and erasure: after the site's retention period, or at once when a person asks for it.

Promises: texts, display names, notes, replies and authors' counts go; the facts of a decision stay
in the stream, which never held a word that anybody wrote.

What a person wrote can also stand in other people's comments, as the comment they answered; erasure
removes it there too, as far as the erased comment ever was in the queue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

import structlog

from service import tracing
from service.errors import NotForgotten, SiteUnreadable, StoreUnavailable
from service.logs import places
from service.queue.encoding import draft_json
from service.queue.feedback import Feedback
from service.queue.practice import Practice
from service.queue.records import Decision, facet
from service.queue.reports import Reports
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import Redis
from service.store.durability import rewrite_file
from service.store.errors import naming_the_site, translating_redis_errors
from service.store.scripts import Argument, Verbs, site_key
from service.store.trail import SERVICE, Entry, Origin, Trail

log = structlog.get_logger()

SWEEP_EVERY_SECONDS = 3_600.0
USUAL_SECONDS = 2 * SWEEP_EVERY_SECONDS  # at most between two sweeps of a service that runs
MAX_SHARE = 0.25  # of what a site keeps, that is forgotten after a longer time without asking
PAGE = 200  # items that are forgotten in one script; Redis serves nobody else meanwhile
N_COMMENTS_AT_ONCE = 1_000


def author_mark(site_id: str, author_id: str) -> str:
    """Return by what the trail names an author who was erased: whoever has the id finds it."""
    return hashlib.sha256(f"{site_id} {author_id}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure removed: items of the author, and answers to them by others."""

    n_items: int
    n_answers: int
    left_disk: bool  # whether Redis wrote its file anew since; older copies hold the words still


@dataclass(frozen=True, slots=True)
class Due:
    """What a sweep of a site would find now."""

    n_due: int  # records that are older than the site's retention period
    n_kept: int  # of which one day each will be
    next_at: float  # when the next one will be due, Unix time; 0 for none
    swept_at: float  # the last sweep, or 0
    is_refused: bool  # whether it is so much at once that somebody has to ask for it


class Retention:
    """Forgets for all sites.

    Every method raises StoreUnavailable when Redis cannot be reached; doing it again does the rest.
    """

    def __init__(self, redis: Redis, sites: Sites) -> None:
        self._redis: Any = redis
        self._sites = sites
        self._verbs = Verbs(redis, "queue")
        self._feedback = Feedback(redis)
        self._reports = Reports(redis)
        self._practice = Practice(redis)
        self._trail = Trail(redis)

    def run(self, stop: Event) -> None:
        """Sweep once an hour until `stop` is set."""
        while not stop.is_set():
            try:
                self.sweep()
            except StoreUnavailable:
                pass  # the next hour will do
            except NotForgotten as refusal:
                log.warning("retention", refused=str(refusal))
            except Exception as error:  # noqa: BLE001 - the next hour may fare better
                log.warning("retention", error=type(error).__name__, places=places(error))
            stop.wait(SWEEP_EVERY_SECONDS)

    def due(self, site: Site) -> Due:
        """Say what is due of a site, and whether the hourly sweep would refuse it."""
        lines, record = site_key(site.id, "retention"), site_key(site.id, "site")
        with naming_the_site():
            seconds, _microseconds = self._redis.time()
            before_ms = (seconds - site.retention_days * 86_400) * 1000
            n_due = self._redis.zcount(lines, "-inf", before_ms)
            n_kept = self._redis.zcard(lines)
            following = self._redis.zrangebyscore(
                lines, f"({before_ms}", "+inf", start=0, num=1, withscores=True
            )
            swept_at = float(self._redis.hget(record, "swept") or 0) / 1000
        next_at = following[0][1] / 1000 + site.retention_days * 86_400 if following else 0.0
        long_ago = seconds - swept_at > USUAL_SECONDS
        return Due(n_due, n_kept, next_at, swept_at, long_ago and n_due > n_kept * MAX_SHARE)

    def sweep(self, *, force: bool = False, by: Origin | None = None) -> int:
        """Forget what is older than its site's retention period; return how much that was.

        Without force, nothing is forgotten of a site of which more than `MAX_SHARE` is due at once
        and the last sweep is longer ago than `USUAL_SECONDS`: perhaps the clock of Redis has
        jumped. NotForgotten names such sites, and those that cannot be read, after all others.
        `by` is whoever asks for it, where it is not the hour.
        """
        n_forgotten, refused = 0, list[str]()
        unreadable = self._sites.unreadable()
        for site in self._sites.list():
            try:
                with tracing.span("sweep", site=site.id):
                    n_forgotten += sum(self.sweeping(site, force=force, by=by))
            except NotForgotten as refusal:
                refused.append(str(refusal))
            except SiteUnreadable:
                unreadable.append(site.id)
        said = []
        if refused:
            said.append(
                f"Not forgotten, because it is much at once: {', '.join(refused)}. If the clock of "
                "Redis is right, say `hakam forget --force`."
            )
        if unreadable:
            said.append(
                "Not all was forgotten of these sites, because what is stored of them cannot be "
                f"worked with: {', '.join(unreadable)}."
            )
        if said:
            raise NotForgotten(" ".join(said))
        return n_forgotten

    def sweeping(
        self, site: Site, *, force: bool = False, by: Origin | None = None
    ) -> Iterator[int]:
        """Forget what is due of one site; yield how much that was, page by page.

        NotForgotten, with the numbers, where it is too much at once.
        """
        if by:
            self._trail.note(site.id, Entry("retention", by, "forced" if force else ""))
        with translating_redis_errors():
            seconds, microseconds = self._redis.time()
        before_ms = (seconds - site.retention_days * 86_400) * 1000 + microseconds // 1000
        if not site.listens:
            self._verbs.until_done(site.id, "tell_nobody", limit=PAGE)
        due: dict[str, Argument] = {
            "before": before_ms,
            "limit": PAGE,
            "forced": int(force),
            "usual_ms": int(USUAL_SECONDS * 1000),
            "share": MAX_SHARE,
        }
        while (swept := self._verbs(site.id, "sweep", **due))[0] > 0:
            yield swept[0]
        if swept[0] < 0:
            raise NotForgotten(f"{swept[1]} of {swept[2]} records of {site.id}")
        yield self._reports.forget(site.id, before_ms)
        yield self._practice.forget(site.id, before_ms)
        yield self._feedback.forget(site.id, before_ms)

    def erase(self, site_id: str, author_id: str, *, by: Origin = SERVICE) -> Erased:
        """Remove all that an author wrote on a site, also in reports, and the author's counts.

        What waits for a decision is withdrawn. The stream gets a tombstone for each item. In the
        end the append-only file is written anew, and the answer says whether that is done. The
        trail says that somebody was erased, and by a digest who.
        """
        steps = self.erasing(site_id, author_id, by=by)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                erased: Erased = done.value
                return erased

    def erasing(
        self, site_id: str, author_id: str, *, by: Origin = SERVICE
    ) -> Generator[int, None, Erased]:
        """Do what `erase` does; yield after each page how many items were erased so far."""
        self._trail.note(site_id, Entry("erasure", by, author_mark(site_id, author_id)))
        author = facet("author_id", author_id)
        tombstone = draft_json(Decision("erase", source="site"))
        pages = self._verbs.pages(
            site_id, "erase", author=author, author_id=author_id, draft=tombstone
        )
        comment_ids, n_answers = list[str](), 0
        for page in pages:
            comment_ids += page
            yield len(comment_ids)
        for start in range(0, len(comment_ids), N_COMMENTS_AT_ONCE):
            some = comment_ids[start : start + N_COMMENTS_AT_ONCE]
            for (n_found,) in self._verbs.pages(site_id, "forget_parents", *some):
                n_answers += n_found
                yield len(comment_ids)
        self._reports.erase(site_id, author_id)
        return Erased(len(comment_ids), n_answers, rewrite_file(self._redis))
