"""Telling the sites what was decided.

Promises: every decision reaches the site's webhook at least once, signed, in order per comment, and
a decision that could not be told is kept where people see it. Secret: signing, retries and what an
endpoint may do to us. The outbox itself is filled by `service.review_queue`, whose docstring shows
the keys.

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
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Event
from typing import Any

import httpx
from redis import Redis
from standardwebhooks import Webhook

from service import outbound
from service.coral_loop import CoralLoop
from service.errors import StoreUnavailable
from service.outbound import Answer, ForbiddenTarget
from service.records import read_words
from service.sites import Site, Sites
from service.store import Verbs

# Seconds between attempts: four times longer each time, up to six hours; together 27 hours and
# eleven attempts, so that an endpoint may be away for a day. Jitter only ever adds to it.
BACK_OFF_SECONDS = (10, 40, 160, 640, 2_560, 10_240, 21_600, 21_600, 21_600, 21_600)
JITTER = 0.2

# A delivery whose process died is tried again after this; longer than any request may take.
HOLD_SECONDS = 60.0
# An endpoint that has not answered once for so long is no longer called until somebody enables it.
PATIENCE_SECONDS = 86_400.0
MAX_WAIT_SECONDS = 21_600.0  # that an endpoint may ask for with Retry-After
POLL_SECONDS = 0.5
N_SITES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Delivery:
    """One decision on its way to a site.

    Attributes
    ----------
    decision_id : str
        Its place in the site's decision stream.
    facts : mapping
        Body of the stream entry.
    n_attempts : int
        This one included.
    reply : str
        What the moderator lets the author know, unless it was erased.
    """

    item_id: str
    decision_id: str
    facts: Mapping[str, Any]
    n_attempts: int
    reply: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that was given up at `died_at` (seconds since the epoch)."""

    decision_id: str
    comment_id: str
    action: str
    died_at: float


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How a site's webhook fares.

    Attributes
    ----------
    failing_since : float
        Since when every attempt has failed, seconds since the epoch; 0 when the last one succeeded.
    failure : str
        The last failure, in our own words.
    disabled_at : float
        When it was given up; 0 when it is in use.
    """

    failing_since: float = 0.0
    failure: str = ""
    disabled_at: float = 0.0


class Deliveries:
    """Everything that is to be told to the sites.

    Parameters
    ----------
    redis : redis.Redis
        With ``decode_responses=True``.
    sites : Sites
    client : httpx.Client, optional
        By default one that waits `outbound.TIMEOUT_SECONDS` and takes no proxy from the
        environment, because a proxy would reach what a site must not.
    """

    def __init__(self, redis: Redis, sites: Sites, client: httpx.Client | None = None) -> None:
        self._verbs = Verbs(redis, "webhooks.lua")
        self._sites = sites
        self._client = client or httpx.Client(timeout=outbound.TIMEOUT_SECONDS, trust_env=False)
        self._coral = CoralLoop(redis, self._client)

    def run(self, stop: Event) -> None:
        """Deliver until `stop` is set; an unreachable Redis is waited for."""
        with ThreadPoolExecutor(N_SITES_AT_ONCE, thread_name_prefix="webhooks") as threads:
            while not stop.is_set():
                try:
                    n_made = sum(threads.map(self._deliver_to, self._listening()))
                except StoreUnavailable:
                    n_made = 0
                if not n_made:
                    stop.wait(POLL_SECONDS)

    def due(self) -> int:
        """Count the comments whose next delivery is due now."""
        return sum(self._verbs(site.id, "due")[0] for site in self._listening())

    def deliver_once(self) -> int:
        """Make what is due, each delivery once; return how many were attempted.

        Raises
        ------
        StoreUnavailable
        """
        return sum(self._deliver_to(site) for site in self._listening())

    def probe(self, site: Site) -> str:
        """Send a signed ``webhook.test`` message; return what went wrong, or an empty string."""
        now = datetime.now(UTC)
        body = json.dumps({"type": "webhook.test", "timestamp": now.isoformat("T"), "data": {}})
        trial = Delivery("", f"test-{int(now.timestamp() * 1000)}", {}, 1)
        return self._post(site, trial, body, now)[1]

    # When an endpoint fails

    def endpoint(self, site_id: str) -> Endpoint:
        """Return how a site's webhook fares."""
        failing, failure, disabled = self._verbs(site_id, "endpoint")
        return Endpoint(int(failing or 0) / 1000, failure or "", int(disabled or 0) / 1000)

    def enable(self, site_id: str) -> None:
        """Use a site's webhook again, at once for all that waits."""
        self._verbs(site_id, "enable")

    def dead_letters(self, site_id: str, limit: int = 100) -> list[DeadLetter]:
        """List deliveries that were given up, the longest dead first."""
        letters = []
        for decision_id, body, died_ms in self._verbs(site_id, "dead", limit):
            facts = json.loads(body)
            died_at = float(died_ms) / 1000
            letters.append(DeadLetter(decision_id, facts["comment_id"], facts["action"], died_at))
        return letters

    def replay(self, site_id: str, limit: int = 1_000) -> int:
        """Put dead letters back into the outbox; return how many."""
        return int(self._verbs(site_id, "replay", limit)[0])

    # One delivery

    def _listening(self) -> list[Site]:
        return [site for site in self._sites.list() if site.listens]

    def _deliver_to(self, site: Site) -> int:
        """Deliver to one site until nothing is due or a delivery fails."""
        n_made = 0
        while delivery := self._claim(site):
            n_made += 1
            answer, failure = self._send(site, delivery)
            self._settle(site, delivery, answer, failure)
            if failure:
                break  # this site's next delivery can wait a round
        return n_made

    def _claim(self, site: Site) -> Delivery | None:
        found = self._verbs(site.id, "claim", int(HOLD_SECONDS * 1000))
        if not found:
            return None
        item_id, decision_id, body, n_attempts, words = found
        facts = json.loads(body)
        reply = read_words(facts["kind"], words).get("reply", "")
        return Delivery(item_id, decision_id, facts, n_attempts, reply)

    def _send(self, site: Site, delivery: Delivery) -> tuple[Answer | None, str]:
        """Send a delivery; return the answer, if there was one, and what went wrong."""
        if self._coral.concerns(site, delivery.facts):
            told = self._coral.tell(site, delivery.facts)
            if told.failure:
                return None, told.failure
        if not (site.webhook_url and site.webhook_secret):
            return None, ""  # a site that only wants its comments in Coral dealt with
        return self._post(site, delivery, payload(delivery), datetime.now(UTC))

    def _post(
        self, site: Site, delivery: Delivery, body: str, at: datetime
    ) -> tuple[Answer | None, str]:
        try:
            headers = signature(site, delivery, body, at)
            answer = outbound.post(
                self._client,
                site.webhook_url,
                body,
                headers,
                allow_private=site.webhook_private,
            )
        except ForbiddenTarget:
            return None, "the address leads to a private network"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return None, type(error).__name__
        return answer, "" if answer.is_success else f"status {answer.status}"

    def _settle(self, site: Site, delivery: Delivery, answer: Answer | None, failure: str) -> None:
        this = delivery.item_id, delivery.decision_id
        n_retries = delivery.n_attempts - 1
        if not failure:
            self._verbs(site.id, "delivered", *this)
        elif n_retries < len(BACK_OFF_SECONDS):
            asked = min(answer.wait_seconds, MAX_WAIT_SECONDS) if answer else 0.0
            jitter = 1 + JITTER * random.random()  # noqa: S311 - spreads load, hides nothing
            delay = max(asked, BACK_OFF_SECONDS[n_retries] * jitter)
            self._verbs(site.id, "failed", *this, int(delay * 1000), failure)
        else:
            self._verbs(site.id, "give_up", *this, failure, int(PATIENCE_SECONDS * 1000))
        if answer and answer.status == HTTPStatus.GONE:
            self._verbs(site.id, "disable", failure)


_TYPES = {"decision": "decision.recorded", "undo": "decision.undone"}
_TOLD = ("comment_id", "item_id", "version", "action", "labels", "reason", "source")
_TOLD_WHERE_KNOWN = ("undoes", "bulk", "appeal_of", "overturned")


def payload(delivery: Delivery) -> str:
    """Write the body that the site gets: facts and the reply, no comment text, no moderator."""
    decided_at = datetime.fromtimestamp(delivery.facts["decided_at"] / 1000, UTC)
    told = {name: delivery.facts[name] for name in _TOLD}
    told |= {name: delivery.facts[name] for name in _TOLD_WHERE_KNOWN if name in delivery.facts}
    told |= {"reply": delivery.reply} if delivery.reply else {}
    return json.dumps(
        {
            "type": _TYPES[delivery.facts["kind"]],
            "timestamp": decided_at.isoformat("T", "milliseconds"),
            "data": {"decision_id": delivery.decision_id} | told,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def signature(site: Site, delivery: Delivery, body: str, at: datetime) -> dict[str, str]:
    """Return the headers of a signed delivery.

    Raises
    ------
    ValueError
        The site's secret is not base64.
    """
    message_id = f"{site.id}.{delivery.decision_id}"
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(site.webhook_secret).sign(message_id, at, body),
    }
