"""Notices to moderators: a backlog, a raid, deliveries that fail, a store that is in trouble.

Promises: each address of a site hears that a trouble has begun, that it goes on, seldom, and that
it is over, but nothing in the site's quiet hours (`service.rules.notices`); no comment, name or
address stands in a notice or in the log; one that cannot be reached is tried again and delays no
other.

What each address has heard is in Redis, ``{hakam:<site>}:notices``, JSON of digest of the address
-> kind of trouble -> `Told`; ``{hakam:<site>}:notices:turn`` is there while a process tells a site.
Where the store is in trouble itself, both are only in memory: each process tells those sites of it
that it knew before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Lock
from typing import Any

import structlog
from babel.dates import format_timedelta
from babel.support import NullTranslations

from service.delivery import notice_sender
from service.delivery.scheduling import Scheduler
from service.delivery.webhooks import Deliveries, Endpoint
from service.queue.records import QueueStats, short_digest
from service.queue.repeats import Raid, Repeats
from service.queue.review_queue import ReviewQueue
from service.rules.notices import KINDS, Kind, News, Told, is_quiet
from service.rules.phrases import N_, catalogue
from service.sites.notice_addresses import service_of
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import Redis
from service.store.errors import translating_redis_errors
from service.store.scripts import site_key
from service.store.shared_counts import SharedCounts

LOOK_EVERY_SECONDS = 15.0
N_THREADS = 4  # each has a process of some 60 MB while it sends
TURN_SECONDS = 3 * notice_sender.SECONDS  # after which another process may tell a site
FAILING_SECONDS = 900.0  # for which deliveries have failed before anybody is told
STORE_SECONDS = 60.0  # and for which the store has been in trouble
BUSY = N_("another test waits for its answer")

RESULTS = ("delivered", "failed")

log = structlog.get_logger()

#: What there is to say of a trouble, in the language of these translations.
Words = Callable[[NullTranslations, str], str]


@dataclass(frozen=True, slots=True)
class Fared:
    """How an address fared: its service, when it last took a notice, what went wrong since."""

    service: str
    told_at: float = 0.0
    n_failures: int = 0


_Heard = dict[str, dict[Kind, Told]]  # digest of an address -> kind -> what it has heard


class Notices:
    """Tells moderators of all sites.

    `trouble` says since when, by the clock, the store has been in trouble, 0 for not; `expect`
    raises StoreLost where it has lost what it held.
    """

    def __init__(
        self,
        redis: Redis,
        sites: Sites,
        queue: ReviewQueue,
        deliveries: Deliveries,
        repeats: Repeats,
        *,
        trouble: Callable[[], float] = lambda: 0.0,
        expect: Callable[[], None] = lambda: None,
        console: str = "",  # its public address
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis: Any = redis
        self._sites = sites
        self._queue = queue
        self._deliveries = deliveries
        self._repeats = repeats
        self._trouble = trouble
        self._expect = expect
        self._console = console
        self._clock = clock
        self._known: Sequence[Site] = ()
        self._heard: dict[str, _Heard] = {}  # by site
        self._unsaved: set[str] = set()  # sites of which memory knows more than the store
        self.counted = SharedCounts(redis, "hakam:notices")  # of all sites
        self._probing = Lock()  # one at a time: who waits for an answer holds one of few threads

    def run(self, stop: Event) -> None:
        """Tell until `stop` is set."""
        Scheduler(
            self._listening,
            self._waiting,
            self.serve,
            self._write_counts,
            name="notices",
            n_threads=N_THREADS,
            poll_seconds=LOOK_EVERY_SECONDS,
        ).run(stop)

    def probe(self, site: Site) -> list[tuple[str, str]]:
        """Send a test to each address; return its service and what went wrong, or nothing."""
        services = [service_of(address) for address in site.notice_addresses]
        if not self._probing.acquire(blocking=False):
            return [(service, BUSY) for service in services]
        try:
            words = catalogue(site.notice_language)
            title = _title(words, site, words.gettext("a test"))
            body = words.gettext("Notices to moderators reach this address.")
            failures = notice_sender.send(
                site.notice_addresses, title, body, good=True, private=site.webhook_private
            )
        finally:
            self._probing.release()
        return list(zip(services, failures, strict=True))

    def fared(self, site: Site) -> list[Fared]:
        """Return how each address of a site has fared."""
        heard = self._stored(site)
        found = []
        for address in site.notice_addresses:
            kinds = heard.get(short_digest(address), {}).values()
            told_at = max((one.at[-1] for one in kinds if one.at), default=0.0)
            n_failures = max((one.n_failures for one in kinds), default=0)
            found.append(Fared(service_of(address), told_at, n_failures))
        return found

    def counts(self) -> dict[str, int]:
        """Count the notices of all sites by what became of them, since the store was new."""
        return dict(zip(RESULTS, self.counted.read(RESULTS), strict=True))

    def _write_counts(self) -> None:
        if not self._trouble():
            self.counted.write()

    # What is wrong

    def troubles(self, site: Site) -> Mapping[Kind, Words | None]:
        """Return what is wrong with a site; a kind of which nothing is known now is left out."""
        if since := self._trouble():
            stands = self._clock() - since >= STORE_SECONDS
            return {"store": _store} if stands else {}
        found: dict[Kind, Words | None] = dict.fromkeys(KINDS)
        stats = self._queue.stats(site.id)
        if stats.oldest_seconds > site.time_target_seconds:
            found["backlog"] = _backlog(stats, site.time_target_seconds)
        if stats.dead:
            found["undelivered"] = _undelivered(stats.dead)
        endpoint, now = self._deliveries.endpoint(site.id), self._clock()
        failing = site.listens and endpoint.failing_since
        if failing and (endpoint.disabled_at or now - endpoint.failing_since > FAILING_SECONDS):
            found["failing"] = _failing(endpoint, now)
        if site.raid_factor and (raids := self._repeats.raids(site.id)):
            found["raid"] = _raid(max(raids, key=lambda raid: raid.n_comments))
        return found

    # Telling

    def serve(self, site: Site) -> bool | None:
        """Tell a site's moderators what is due; None where nothing is, else whether all heard."""
        if not self._take_turn(site):
            return None
        try:
            heard, troubles, now = self._now(site), self.troubles(site), self._clock()
            due = _due(site, heard, troubles, now)
            n_failures = 0
            for news, addresses in due.items():
                n_failures += self._tell(site, heard, troubles, dict(news), addresses)
            if due:
                self._save(site, heard)
            return not n_failures if due else None
        finally:
            self._end_turn(site)

    def _tell(
        self,
        site: Site,
        heard: _Heard,
        troubles: Mapping[Kind, Words | None],
        news: Mapping[Kind, News],
        addresses: Sequence[str],
    ) -> int:
        """Send the same news to some addresses; note who heard, and return how many did not."""
        good = all(one == "over" for one in news.values())
        title, body = self._written(site, troubles, news)
        failures = notice_sender.send(
            addresses, title, body, good=good, private=site.webhook_private
        )
        now = self._clock()
        for address, failure in zip(addresses, failures, strict=True):
            kinds = heard.setdefault(short_digest(address), {})
            for kind, one in news.items():
                told = kinds.get(kind, Told())
                kinds[kind] = told.missed(now) if failure else told.heard(one, now)
            self.counted.count("failed" if failure else "delivered")
            if failure:
                log.warning(
                    "notice",
                    site=site.id,
                    service=service_of(address),
                    number=site.notice_addresses.index(address) + 1,
                    kinds=list(news),
                    failure=failure,
                )
        return sum(map(bool, failures))

    def _written(
        self, site: Site, troubles: Mapping[Kind, Words | None], news: Mapping[Kind, News]
    ) -> tuple[str, str]:
        words = catalogue(site.notice_language)
        lines = []
        for kind, one in news.items():
            says = troubles[kind]
            line = says(words, site.notice_language) if says else words.gettext(_OVER[kind])
            if one == "reminder":
                line = words.gettext("Still: %(what)s") % {"what": line}
            lines.append(line)
        over = all(one == "over" for one in news.values())
        headline = words.gettext("it is over") if over else words.gettext("please look")
        if self._console:
            lines.append(f"{self._console}/console/{site.id}")
        return _title(words, site, headline), "\n".join(lines)

    # What was heard

    def _listening(self) -> Sequence[Site]:
        """Return the sites that want notices; those known before where the store is in trouble."""
        if not self._trouble():
            found = [site for site in self._sites.list() if site.notice_addresses]
            self._expect()  # only after it: an emptied store has no sites either
            self._known = found
        return self._known

    def _waiting(self, site: Site) -> tuple[int, bool]:
        heard = self._now(site)
        due = _due(site, heard, self.troubles(site), self._clock())
        known = [told for kinds in heard.values() for told in kinds.values()]
        well = bool(known) and not any(told.n_failures for told in known)
        return int(bool(due)), well

    def _now(self, site: Site) -> _Heard:
        if not self._trouble():
            if site.id in self._unsaved:
                self._save(site, self._heard[site.id])
            else:
                self._heard[site.id] = self._stored(site)
        return self._heard.setdefault(site.id, {})

    @translating_redis_errors()
    def _stored(self, site: Site) -> _Heard:
        try:
            record = json.loads(self._redis.get(site_key(site.id, "notices")) or "{}")
            return {
                digest: {kind: Told.from_record(one) for kind, one in kinds.items()}
                for digest, kinds in record.items()
            }
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}  # what is stored of it is damaged: a notice too many does no harm

    def _save(self, site: Site, heard: _Heard) -> None:
        wanted = set(map(short_digest, site.notice_addresses))
        kept = {digest: kinds for digest, kinds in heard.items() if digest in wanted}
        self._heard[site.id] = kept
        self._unsaved.add(site.id)
        if self._trouble():
            return
        record = {
            digest: {kind: told.to_record() for kind, told in kinds.items()}
            for digest, kinds in kept.items()
        }
        with translating_redis_errors():
            self._redis.set(site_key(site.id, "notices"), json.dumps(record))
        self._unsaved.discard(site.id)

    def _take_turn(self, site: Site) -> bool:
        if self._trouble():
            return True
        key = site_key(site.id, "notices:turn")
        with translating_redis_errors():
            return bool(self._redis.set(key, 1, nx=True, px=int(TURN_SECONDS * 1000)))

    def _end_turn(self, site: Site) -> None:
        if not self._trouble():
            with translating_redis_errors():
                self._redis.delete(site_key(site.id, "notices:turn"))


def _due(
    site: Site, heard: _Heard, troubles: Mapping[Kind, Words | None], now: float
) -> dict[tuple[tuple[Kind, News], ...], list[str]]:
    """Return which news which addresses are to hear now."""
    due: dict[tuple[tuple[Kind, News], ...], list[str]] = {}
    if is_quiet(site.quiet_hours, site.time_zone, now):
        return due
    for address in site.notice_addresses:
        kinds = heard.get(short_digest(address), {})
        news = tuple(
            (kind, one)
            for kind, says in troubles.items()
            if (one := kinds.get(kind, Told()).next(says is not None, now))
        )
        if news:
            due.setdefault(news, []).append(address)
    return due


# What a notice says

_OVER: Mapping[Kind, str] = {
    "backlog": N_("No comment waits longer than the target any more."),
    "raid": N_("The flood of comments is over."),
    "failing": N_("The site takes decisions again."),
    "undelivered": N_("No decision is left that was given up."),
    "store": N_("The store keeps comments again."),
}


def _title(words: NullTranslations, site: Site, headline: str) -> str:
    name = " ".join((site.name or site.id).split())
    return words.gettext("Hakam, %(site)s: %(headline)s") % {"site": name, "headline": headline}


def _lasting(seconds: float, language: str) -> str:
    return format_timedelta(timedelta(seconds=seconds), locale=language, granularity="minute")


def _backlog(stats: QueueStats, target_seconds: float) -> Words:
    def says(words: NullTranslations, language: str) -> str:
        return words.ngettext(
            "%(num)s comment waits; the longest for %(waits)s, where the target is %(target)s.",
            "%(num)s comments wait; the longest for %(waits)s, where the target is %(target)s.",
            stats.pending,
        ) % {
            "num": stats.pending,
            "waits": _lasting(stats.oldest_seconds, language),
            "target": _lasting(target_seconds, language),
        }

    return says


def _raid(raid: Raid) -> Words:
    def says(words: NullTranslations, _language: str) -> str:
        if raid.copies:
            return words.ngettext(
                "%(num)s copy of one text within a day.",
                "%(num)s copies of one text within a day.",
                raid.n_comments,
            ) % {"num": raid.n_comments}
        return words.ngettext(
            "A flood on an article: %(num)s comment in ten minutes.",
            "A flood on an article: %(num)s comments in ten minutes.",
            raid.n_comments,
        ) % {"num": raid.n_comments}

    return says


def _failing(endpoint: Endpoint, now: float) -> Words:
    def says(words: NullTranslations, language: str) -> str:
        since = _lasting(now - endpoint.failing_since, language)
        if endpoint.disabled_at:
            phrase = words.gettext(
                "The site has taken no decision for %(time)s, and is no longer asked to until "
                "somebody enables its webhook."
            )
        else:
            phrase = words.gettext("The site has taken no decision for %(time)s.")
        return phrase % {"time": since}

    return says


def _undelivered(n_dead: int) -> Words:
    def says(words: NullTranslations, _language: str) -> str:
        return words.ngettext(
            "%(num)s decision could not be told to the site and was given up.",
            "%(num)s decisions could not be told to the site and were given up.",
            n_dead,
        ) % {"num": n_dead}

    return says


def _store(words: NullTranslations, _language: str) -> str:
    return words.gettext(
        "The store does not keep what it is given; until it does, comments that need a person are "
        "refused."
    )
