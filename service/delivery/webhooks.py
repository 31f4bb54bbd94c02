"""Webhooks: the outbox of decisions, signed requests, retries and dead letters.

Promises: every decision reaches the site's webhook at least once, signed, in order per comment; one
site never delays another; and a decision that could not be told is kept where people see it, with
the reason. The outbox is filled by `service.queue.review_queue`, whose docstring shows the keys.

A delivery is one decision. Its id is made of the site and the decision's place in the stream, so a
retry, or a second process, carries the same id and the site can drop what it has seen (Standard
Webhooks, https://www.standardwebhooks.com).

An endpoint that has not answered well for a day when a delivery is given up, or that answers 410
Gone, is disabled: its deliveries wait, and people are warned, until somebody enables it.

States of a delivery::

                claim                2xx
        due  ----------> under way --------> delivered
         ^ ^               |   |   last failure
         | +---------------+   +------------> dead
         |   failure, back-off;                |
         |   or the process died               |
         +-------------------------------------+
             replay
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Event, Lock
from typing import Literal

import httpx
import structlog
from standardwebhooks import Webhook

from service import tracing
from service.delivery import http
from service.delivery.coral import CoralSync
from service.delivery.coral_client import CoralFault
from service.delivery.scheduling import Scheduler
from service.errors import SiteUnreadable, StoreUnavailable
from service.logs import places
from service.queue.encoding import read_decision
from service.queue.messages import notices, told
from service.queue.records import NEWS_TYPES, OF_AUTHORS, Decision, author_news
from service.queue.reports import Reports
from service.rules.phrases import N_
from service.rules.times import iso_time
from service.sites.connections import signing_key
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.connect import Redis
from service.store.scripts import Argument, Verbs, readable
from service.store.shared_counts import SharedCounts

# Seconds between attempts: four times longer each time, up to six hours; together 27 hours and
# eleven attempts, so that an endpoint may be away for a day. Jitter only ever adds to it.
BACK_OFF_SECONDS = (10, 40, 160, 640, 2_560, 10_240, 21_600, 21_600, 21_600, 21_600)
MAX_RETRIES = len(BACK_OFF_SECONDS)
JITTER = 0.2

# A delivery is over after this, though telling Coral takes several requests.
DELIVERY_SECONDS = 40.0
# A delivery whose process died is tried again after this; longer than any delivery may take.
HOLD_SECONDS = 60.0
# An endpoint that has not answered once for so long is no longer called until somebody enables it.
PATIENCE_SECONDS = 86_400.0
MAX_WAIT_SECONDS = 21_600.0  # that an endpoint may ask for with Retry-After
PROBE_SECONDS = 5.0  # for a test message, for which somebody waits

log = structlog.get_logger()

# What became of an attempt: told, to be tried again, given up.
Result = Literal["delivered", "failed", "dead"]
RESULTS: tuple[Result, ...] = ("delivered", "failed", "dead")
# Whom an attempt told: a site's Coral, and its webhook if it has one, or the webhook alone.
Told = Literal["webhook", "coral"]
TOLD: tuple[Told, ...] = ("webhook", "coral")
# Number of attempts by result, of all sites; those of Coral under coral:<result>.
_COUNTS = "hakam:deliveries"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that was given up, when (in seconds of Unix time) and why."""

    decision_id: str
    comment_id: str
    action: str
    died_at: float
    failure: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How a site's webhook fares; times in seconds of Unix time, 0 for never."""

    failing_since: float = 0.0  # since when every attempt has failed
    failure: str = ""  # the last one, in our own words
    disabled_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a site is still to be told; times in seconds, 0 for never."""

    n_items: int
    oldest_seconds: float  # since the oldest decision of fifty, at both ends of the outbox
    overdue_seconds: float  # since the turn of the first of them came
    n_dead: int
    failing_since: float  # Unix time
    disabled_at: float


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How an attempt to tell a decision went."""

    failure: str = ""  # in our own words; empty when there was none
    answer: http.Answer | None = None  # of the webhook
    final: bool = False  # the site is well, but trying again is of no use


class Deliveries:
    """Everything that is to be told to the sites; all but `run` raises StoreUnavailable."""

    def __init__(
        self,
        redis: Redis,
        sites: Sites,
        client: httpx.Client | None = None,
        *,
        public_url: str = "",  # under which authors reach the pages where they object
    ) -> None:
        self._verbs = Verbs(redis, "delivery")
        self._sites = sites
        self._client = client or http.client()
        self._coral = CoralSync(redis, self._client)
        self._reports = Reports(redis)
        self._public_url = public_url
        self.counted = SharedCounts(redis, _COUNTS)
        self._probing = Lock()  # one at a time: who waits for an answer holds one of few threads

    def run(self, stop: Event) -> None:
        """Deliver until `stop` is set; an unreachable Redis is waited for."""
        Scheduler(self._listening, self._waiting, self._serve, self.counted.write).run(stop)

    def probe(self, site: Site) -> str:
        """Send a signed ``webhook.test`` message; return what went wrong, or an empty string."""
        if not self._probing.acquire(blocking=False):
            return N_("another test waits for its answer")
        try:
            now = datetime.now(UTC)
            return self._tell_now(site, f"test-{int(now.timestamp() * 1000)}", "webhook.test", {})
        finally:
            self._probing.release()

    def tell_loss(self, site: Site, entry_id: str, lost_since: float, lost_until: float) -> str:
        """Tell a site, once, what `GET /v1/decisions` says where the store was set back.

        Return what went wrong, or an empty string.
        """
        lost = {"lost_since": iso_time(lost_since), "lost_until": iso_time(lost_until)}
        return self._tell_now(site, entry_id, "store.set_back", {**lost, "after": entry_id})

    def _tell_now(self, site: Site, entry_id: str, kind: str, data: Mapping[str, str]) -> str:
        now = datetime.now(UTC)
        body = json.dumps({"type": kind, "timestamp": now.isoformat("T"), "data": data})
        try:
            with http.within(PROBE_SECONDS):
                return self._post(site, entry_id, body, now).failure
        except Exception as error:  # noqa: BLE001 - whatever it was, it is the answer
            return http.reason(error)

    def counts(self) -> dict[tuple[str, str], int]:
        """Count the attempts of all sites by what became of them, since the store was new."""
        names: list[tuple[Told, Result]] = [(told, result) for told in TOLD for result in RESULTS]
        found = self.counted.read([_count_of(*name) for name in names])
        return {(told, result): n for (told, result), n in zip(names, found, strict=True)}

    # When an endpoint fails

    def endpoint(self, site_id: str) -> Endpoint:
        """Return how a site's webhook fares."""
        (found,) = self.endpoints_of([site_id])
        return readable(found)

    def endpoints_of(self, site_ids: Sequence[str]) -> list[Endpoint | SiteUnreadable]:
        """Return the same of many sites."""
        return self._verbs.of_sites(site_ids, "endpoint", _endpoint)

    def waiting_of(self, site_ids: Sequence[str]) -> list[Waiting | SiteUnreadable]:
        """Say what many sites are still to be told."""
        return self._verbs.of_sites(site_ids, "waiting", _waiting)

    def enable(self, site_id: str) -> None:
        """Use a site's webhook again, at once for all that waits."""
        self._verbs(site_id, "enable")

    def dead_letters(self, site_id: str, limit: int = 100) -> list[DeadLetter]:
        """List deliveries that were given up, the longest dead first."""
        letters = []
        for decision_id, body, died_ms, failure in self._verbs(site_id, "dead", limit=limit):
            facts = json.loads(body or "{}")  # nothing where the stream has lost the decision
            comment_id, action = facts.get("comment_id", ""), facts.get("action", "")
            died_at = float(died_ms) / 1000
            letters.append(DeadLetter(decision_id, comment_id, action, died_at, failure))
        return letters

    def replay(self, site_id: str, limit: int = 1_000) -> int:
        """Put dead letters back into the outbox; return how many."""
        return int(self._verbs(site_id, "replay", limit=limit)[0])

    # One delivery

    def _listening(self) -> list[Site]:
        return [site for site in self._sites.list() if site.listens]

    def _waiting(self, site: Site) -> tuple[int, bool]:
        """Return how many comments of a site have a delivery due, and whether it took the last."""
        n_due, well = self._verbs(site.id, "due")
        return max(n_due, self._coral.has_heard(site)), bool(well)

    def _serve(self, site: Site) -> bool | None:
        """Hear what was decided in the site's Coral, then make the delivery that is due first."""
        if self._coral.has_heard(site):
            with http.within(DELIVERY_SECONDS):
                if failure := self._coral.catch_up(site):
                    log.warning("coral", site=site.id, failure=failure)
        return self._deliver_next(site)

    def _deliver_next(self, site: Site) -> bool | None:
        """Make the delivery due first; return whether the site is well, or None without one."""
        claimed = self._verbs(site.id, "claim", hold_ms=int(HOLD_SECONDS * 1000))
        if not claimed:
            return None
        item_id, decision_id, body, n_attempts, digest, words, author_id = claimed
        with tracing.span("deliver", site=site.id, delivery=decision_id, attempt=n_attempts):
            unexpected, decision = list[str](), None
            try:
                decision = read_decision(decision_id, body, words=words, digest=digest)
                decision = replace(decision, author_id=author_id)
                with http.within(DELIVERY_SECONDS):
                    made = self._send(site, decision)
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was, it is this delivery's failure
                made = _Attempt(http.reason(error))
                unexpected = [] if isinstance(error, http.EXPECTED) else places(error)
            result = self._settle(site, {"id": item_id, "delivery": decision_id}, n_attempts, made)
            told: Told = "coral" if decision and self._coral.concerns(site, decision) else "webhook"
            status = made.answer.status if made.answer else None
            tracing.note(result=result, status=status)
        self.counted.count(_count_of(told, result))
        if made.failure:
            log.warning(
                "delivery",
                site=site.id,
                delivery=decision_id,
                attempt=n_attempts,
                result=result,
                status=status,
                failure=made.failure,
                places=unexpected or None,
            )
        return made.final or not made.failure

    def _send(self, site: Site, decision: Decision) -> _Attempt:
        """Tell the site's Coral of a decision, and its webhook."""
        if decision.damaged:
            return _Attempt("what is stored of the decision cannot be read")
        refused = ""  # by Coral, for good
        if self._coral.concerns(site, decision):
            try:
                self._coral.tell(site, decision)
            except CoralFault as fault:
                if not fault.final:
                    return _Attempt(str(fault))
                refused = str(fault)
        if not site.has_webhook:  # it only wants its comments in Coral dealt with
            return _Attempt(refused, final=bool(refused))
        contacts = self._reports.contacts(site.id, decision.reports)
        body = payload(site, decision, contacts, self._public_url)
        sent = self._post(site, decision.id, body, datetime.now(UTC))
        if not sent.failure:
            self._reports.forget_contacts(site.id, list(contacts))
        return sent if sent.failure else replace(sent, failure=refused, final=bool(refused))

    def _post(self, site: Site, decision_id: str, body: str, at: datetime) -> _Attempt:
        headers = signature(site, decision_id, body, at) | tracing.headers()
        private = site.webhook_private
        answer = http.post(self._client, site.webhook_url, body, headers, allow_private=private)
        return _Attempt("" if answer.is_success else f"status {answer.status}", answer)

    def _settle(
        self, site: Site, this: Mapping[str, Argument], n_attempts: int, made: _Attempt
    ) -> Result:
        """Note what became of an attempt, and when to try again."""
        answer, failure = made.answer, made.failure
        result: Result = "delivered"
        if not failure:
            self._verbs(site.id, "delivered", **this, told=int(answer is not None))
        elif n_attempts <= MAX_RETRIES and not made.final:
            asked = min(answer.wait_seconds, MAX_WAIT_SECONDS) if answer else 0.0
            jitter = 1 + JITTER * random.random()  # noqa: S311 - spreads load, hides nothing
            delay = max(asked, BACK_OFF_SECONDS[n_attempts - 1] * jitter)
            self._verbs(site.id, "failed", **this, delay_ms=int(delay * 1000), failure=failure)
            result = "failed"
        else:
            patience_ms = "" if made.final else int(PATIENCE_SECONDS * 1000)
            self._verbs(site.id, "give_up", **this, failure=failure, patience_ms=patience_ms)
            result = "dead"
        if answer and answer.status == HTTPStatus.GONE:
            self._verbs(site.id, "disable", failure=failure)
        return result


def _endpoint(failing: str | None, failure: str | None, disabled: str | None) -> Endpoint:
    return Endpoint(int(failing or 0) / 1000, failure or "", int(disabled or 0) / 1000)


def _waiting(n_items: int, oldest: int, overdue: int, n_dead: int, *since: int) -> Waiting:
    return Waiting(n_items, oldest / 1000, overdue / 1000, n_dead, *(ms / 1000 for ms in since))


def _count_of(told: Told, result: Result) -> str:
    return result if told == "webhook" else f"{told}:{result}"


def payload(
    site: Site,
    decision: Decision,
    contacts: Mapping[str, str] | None = None,
    public_url: str = "",
) -> str:
    """Write the body that the site gets: facts and messages, no comment text, no moderator."""
    of_author = decision.kind in OF_AUTHORS
    data = author_news(decision) if of_author else told(site, decision, public_url)
    if decision.kind == "report":
        data["notices"] = notices(site, decision)
        data |= {"contacts": dict(contacts)} if contacts else {}
    return json.dumps(
        {
            "type": NEWS_TYPES[decision.kind],
            "timestamp": iso_time(decision.decided_at, "milliseconds"),
            "data": data,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def signature(site: Site, decision_id: str, body: str, at: datetime) -> dict[str, str]:
    """Return the headers of a signed delivery; ValueError for a secret that cannot be used."""
    message_id = f"{site.id}.{decision_id}"
    known = [one for one in (site.webhook_secret, site.webhook_old_secret) if one]
    signatures = (Webhook(signing_key(one)).sign(message_id, at, body) for one in known)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
