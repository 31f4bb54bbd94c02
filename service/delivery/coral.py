"""Coral: telling it what was decided here, and taking over what was decided there.

Coral asks about a comment before it gives it an id, so we know the comment by what we saw: story,
author and a digest of the text. They are its id with us (`coral_comment_id`). When a decision is to
be told, Coral lists what the author has written, and all that has this id is approved or rejected.
Two comments with the same words are one to us, and are decided together.

What a moderator has decided in Coral is never overturned. Coral's event says that a comment has
left its queue; `catch_up` then looks who decided, and takes our item back. Key schema::

    {hakam:<site>}:coral   zset  id in Coral of a comment that left a queue there, by the time heard

It keeps the newest `MAX_HEARD`, and forgets them a day after the last.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote, unquote

import httpx

from service.delivery import http
from service.delivery.coral_client import (
    BATCH,
    MARGIN_SECONDS,
    STATUSES,
    CoralClient,
    CoralComment,
    CoralFault,
    decided_by_another,
    translating_coral_faults,
)
from service.errors import ItemNotFound
from service.queue.feedback import Feedback
from service.queue.records import Decision, item_id_of
from service.queue.review_queue import ReviewQueue
from service.rules.html_text import plain_text
from service.rules.phrases import N_
from service.sites.site import Site
from service.store.connect import Redis
from service.store.errors import naming_the_site
from service.store.scripts import site_key

MAX_HEARD = 1_000
HEARD_SECONDS = 86_400
AGAIN_SECONDS = 60.0
LATE_SECONDS = 3_600  # after which a comment that Coral does not have will not come any more
MAX_ID_LENGTH = 256

_PREFIX = "coral:"
_MAX_STORY, _MAX_AUTHOR = 80, 128  # so that ids with us have less than 256 characters
_NOT_IN_UTF8 = re.compile("[\ud800-\udfff]")
_WAITING = ("SYSTEM_WITHHELD", "PREMOD")

#: Label or reason code of ours -> reason code of Coral.
REJECTION_CODES = {
    "spam": "SPAM",
    "identity_attack": "HATE_SPEECH",
    "threat": "HARASSMENT_BULLYING",
    "religious_insult": "HATE_SPEECH",
    "severe_toxicity": "ABUSIVE",
    "insult": "ABUSIVE",
    "profanity": "OFFENSIVE",
    "toxicity": "OFFENSIVE",
    "off_topic": "IRRELEVANT_CONTENT",
    "private_information": "HARASSMENT_BULLYING",
}


def rejection_code(reason: str, labels: Sequence[str]) -> str:
    """Return Coral's code for a rejection: of the reason, else of the first label, else OTHER."""
    known = [REJECTION_CODES[code] for code in (reason, *labels) if code in REJECTION_CODES]
    return known[0] if known else "OTHER"


def valid_text(text: str) -> str:
    """Return a text as UTF-8 can carry it and a reader sees it: no lone surrogates, no NUL."""
    return _NOT_IN_UTF8.sub("\N{REPLACEMENT CHARACTER}", text).replace("\0", "")


def opaque_id(value: object) -> str:
    """Return an id of Coral as we keep it: any string, a digest of a very long one, else empty."""
    known = valid_text(value) if isinstance(value, str) else ""
    return known if len(known) <= MAX_ID_LENGTH else f"sha256:{_digest(known)}"


def coral_comment_id(story_id: str, author_id: str, body: str) -> str:
    """Return our id of a comment of Coral; HTML or plain text give the same.

    >>> coral_comment_id("s", "a", "<div>x</div>") == coral_comment_id("s", "a", "x")
    True
    """
    words = " ".join(plain_text(valid_text(body)).split())
    story = _part(opaque_id(story_id), _MAX_STORY)
    author = _part(opaque_id(author_id), _MAX_AUTHOR)
    return f"{_PREFIX}{story}:{author}:{_digest(words)}"


def _part(id_: str, max_length: int) -> str:
    """Write an id as a part of ours; a long one as a digest, which no quoted id looks like."""
    quoted = quote(id_, safe="")
    return quoted if len(quoted) <= max_length else f"*{_digest(id_)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class CoralSync:
    """The decisions of each site and of its Coral, told to each other; raises StoreUnavailable."""

    def __init__(self, redis: Redis, client: httpx.Client | None = None) -> None:
        self._redis: Any = redis
        self._queue = ReviewQueue(redis)
        self._feedback = Feedback(redis)
        self._coral = CoralClient(client or http.client())

    # From us to Coral

    def concerns(self, site: Site, decision: Decision) -> bool:
        """Say whether a decision is about a comment of Coral, and Coral wants to know."""
        ours = decision.comment_id.startswith(_PREFIX)
        told = decision.kind != "report" and decision.action in STATUSES
        return ours and told and site.has_coral

    @translating_coral_faults()
    def tell(self, site: Site, decision: Decision) -> None:
        """Have Coral approve or reject a comment, or raise CoralFault; twice changes nothing."""
        comment_id, wanted = decision.comment_id, STATUSES[decision.action]
        n_done = n_decided_there = 0
        for known in self._with_our_id(site, comment_id, *_times(decision)):
            if known["status"] != wanted:
                viewer, still_there = self._coral.look_up(site, [known["id"]])
                if not still_there:
                    continue
                found = still_there[0]
                if decided_by_another(viewer, found):
                    n_decided_there += 1
                    continue
                if found["status"] != wanted:
                    rejected = decision.action == "reject"
                    self._feedback.expect(site.id, f"comment:{found['id']}", rejected=rejected)
                    code = rejection_code(decision.reason, decision.labels)
                    self._coral.decide(site, found, decision.action, code)
            n_done += 1
        if n_decided_there and not n_done:
            raise CoralFault(N_("a moderator there decided otherwise, and that stands"), final=True)
        if not n_done:
            late = time.time() - decision.decided_at > LATE_SECONDS
            raise CoralFault(N_("no comment has these words, author and story"), final=late)

    def _with_our_id(
        self, site: Site, comment_id: str, since: float, known_at: float
    ) -> list[CoralComment]:
        """List the comments that are this one to us, the newest first."""
        _, author, _ = comment_id.removeprefix(_PREFIX).split(":")
        if author.startswith("*"):
            raise CoralFault(N_("the id of the author is too long"), final=True)
        author = unquote(author)
        written = self._coral.written(site, author, since, known_at)
        return [comment for comment in written if _our_id(comment, author) == comment_id]

    # From Coral to us

    @naming_the_site()
    def note(self, site_id: str, comment_id: str) -> None:
        """Remember that a comment left a queue of Coral, until `catch_up` looks why."""
        key = site_key(site_id, "coral")
        pipe = self._redis.pipeline()
        pipe.zadd(key, {comment_id: time.time()})
        pipe.zremrangebyrank(key, 0, -MAX_HEARD - 1)
        pipe.expire(key, HEARD_SECONDS)
        pipe.execute()

    def catch_up(self, site: Site) -> str:
        """Withdraw what was noted and decided in Coral; return what failed, to be tried again."""
        if not site.has_coral:
            return ""
        key = site_key(site.id, "coral")
        with naming_the_site():
            heard = [
                one
                for first, last in _due()
                for one in self._redis.zrangebyscore(key, first, last, start=0, num=BATCH)
            ]
        if not heard:
            return ""
        failures: dict[str, str] = {}
        viewer, comments = "", list[CoralComment]()
        with _noting(failures, heard):
            viewer, comments = self._coral.look_up(site, heard)
        for comment in comments:
            with _noting(failures, [comment["id"]]):
                if decided_by_another(viewer, comment):
                    self._take_back(site, comment)
        again = time.time() + AGAIN_SECONDS
        with naming_the_site():
            for one in heard:
                if one in failures:
                    self._redis.zadd(key, {one: again}, xx=True)
                else:
                    self._redis.zrem(key, one)
        return next(iter(failures.values()), "")

    def _take_back(self, site: Site, comment: CoralComment) -> None:
        """Withdraw our item of a comment, unless another with the same words still waits there."""
        ours = _our_id(comment, (comment["author"] or {}).get("id", ""))
        with suppress(ItemNotFound):
            item = self._queue.item(site.id, item_id_of(ours))
            if not item.waits:
                return
            since = item.enqueued_at
            others = self._with_our_id(site, ours, since - MARGIN_SECONDS, since)
            if not any(other["status"] in _WAITING for other in others):
                self._queue.withdraw(site.id, ours)

    def has_heard(self, site: Site) -> bool:
        """Say whether `catch_up` has something to do now."""
        if not site.has_coral:
            return False
        with naming_the_site():
            key = site_key(site.id, "coral")
            return any(self._redis.zcount(key, *times) for times in _due())


@contextmanager
def _noting(failures: dict[str, str], ids: Sequence[str]) -> Iterator[None]:
    """Note a fault of Coral as that of these comments."""
    try:
        with translating_coral_faults():
            yield
    except CoralFault as fault:
        failures |= dict.fromkeys(ids, str(fault))


def _our_id(comment: CoralComment, author: str) -> str:
    return coral_comment_id(comment["story"]["id"], author, comment["body"] or "")


def _times(decision: Decision) -> tuple[float, float]:
    """Return since when a comment may exist, and a time at which it did."""
    if appealed := decision.appeal_of:
        return 0.0, int(appealed.partition("-")[0]) / 1000  # its first decision
    return decision.enqueued_at - MARGIN_SECONDS, decision.enqueued_at


def _due() -> tuple[tuple[float | str, float | str], ...]:
    """Return the times that are due: until now, and those from before the clock was set back."""
    now = time.time()
    return ("-inf", now), (now + 2 * AGAIN_SECONDS, "+inf")
