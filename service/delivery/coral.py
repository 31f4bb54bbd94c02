"""How a decision on our desk finds its way to Coral, and one taken there to us.

Coral asks about a comment before it gives it an id, so we know the comment by what we saw: story,
author and a digest of the text. They are its id with us (`coral_comment_id`). When a decision is to
be told, Coral lists what the author has written, and all that has this id is approved or rejected.
Two comments with the same words are one to us, and are decided together.

What a moderator has decided in Coral is never overturned. Coral's event says that a comment has
left its queue; `catch_up` then looks who decided, and takes our item back.

Secret: Coral's GraphQL, and the pairing. Key schema::

    {hakam:<site>}:coral   zset  id in Coral of a comment that left a queue there, by the time heard

It keeps the newest `MAX_HEARD`, and forgets them a day after the last.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

import httpx

from service.delivery import http
from service.errors import ItemNotFound, ServiceError
from service.queue.feedback import Feedback
from service.queue.records import Decision, item_id_of
from service.queue.review_queue import ReviewQueue
from service.rules.html_text import plain_text
from service.sites.sites import Site
from service.store.connect import Redis
from service.store.errors import naming_the_site

MAX_HEARD = 1_000
HEARD_SECONDS = 86_400
AGAIN_SECONDS = 60.0
BATCH = 50  # comments asked about in one query
MAX_PAGES = 10  # of an author's comments, the newest and those about the time in question
MARGIN_SECONDS = 3_600  # by which the clocks of Coral and of our Redis may differ
LATE_SECONDS = 3_600  # after which a comment that Coral does not have will not come any more
MAX_ANSWER_BYTES = 32 * 1024 * 1024  # fifty comments as long as Coral takes them
MAX_ID_LENGTH = 256

_PREFIX = "coral:"
_MAX_STORY, _MAX_AUTHOR = 80, 128  # so that ids with us have less than 256 characters
_NOT_IN_UTF8 = re.compile("[\ud800-\udfff]")

#: Label or reason code of ours -> reason code of Coral.
REJECTION_CODES = {
    "spam": "SPAM",
    "identity_attack": "HATE_SPEECH",
    "threat": "HARASSMENT_BULLYING",
    "severe_toxicity": "ABUSIVE",
    "insult": "ABUSIVE",
    "profanity": "OFFENSIVE",
    "toxicity": "OFFENSIVE",
    "off_topic": "IRRELEVANT_CONTENT",
    "private_information": "HARASSMENT_BULLYING",
}

_STATUSES = {"approve": "APPROVED", "reject": "REJECTED"}
_WAITING = ("SYSTEM_WITHHELD", "PREMOD")

_FACTS = "id body status createdAt author { id } story { id } revision { id }"
_HISTORY = "statusHistory(first: 1) { nodes { status moderator { id } revision { id } } }"
_WRITTEN = f"""query ($author: ID!, $after: Cursor) {{
  user(id: $author) {{
    allComments(first: {BATCH}, after: $after) {{
      nodes {{ {_FACTS} }}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}"""
_APPROVE = """mutation ($input: ApproveCommentInput!) {
  approveComment(input: $input) { comment { id status } }
}"""
_REJECT = """mutation ($input: RejectCommentInput!) {
  rejectComment(input: $input) { comment { id status } }
}"""

# What Coral answers to a token that is not, or no longer, an administrator's: nobody else may send
# it a query of his own.
_NOT_ENTITLED = (b"RAW_QUERY_NOT_AUTHORIZED", b"USER_NOT_ENTITLED", b"TOKEN_INVALID")


def valid_text(text: str) -> str:
    """Return a text as UTF-8 can carry it and a reader sees it: no lone surrogates, no NUL."""
    return _NOT_IN_UTF8.sub("\N{REPLACEMENT CHARACTER}", text).replace("\0", "")


def opaque_id(value: object) -> str:
    """Return an id of Coral as we keep it: any string, a digest of a very long one, else empty."""
    known = valid_text(value) if isinstance(value, str) else ""
    return known if len(known) <= MAX_ID_LENGTH else f"sha256:{_digest(known)}"


def coral_comment_id(story_id: str, author_id: str, body: str) -> str:
    """Return our id of a comment of Coral; HTML or plain text give the same.

    Examples
    --------
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


def rejection_code(reason: str, labels: Sequence[str]) -> str:
    """Return Coral's code for a rejection: of the reason, else of the first label, else OTHER."""
    known = [REJECTION_CODES[code] for code in (reason, *labels) if code in REJECTION_CODES]
    return known[0] if known else "OTHER"


class CoralFault(ServiceError):
    """Coral did not do what it was asked; the message holds nothing that Coral wrote.

    Parameters
    ----------
    final : bool
        Whether trying again is of no use.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(f"Coral: {message}")
        self.final = final


@dataclass(frozen=True, slots=True)
class Told:
    """How it went to tell Coral a decision.

    Attributes
    ----------
    failure : str
        What went wrong, in our own words; empty when nothing did.
    final : bool
        Whether trying again is of no use.
    """

    failure: str = ""
    final: bool = False


class CoralLoop:
    """Tells Coral what was decided, and hears what was decided there.

    Parameters
    ----------
    redis : redis.Redis
        A client with ``decode_responses=True``; used, never closed.
    client : httpx.Client, optional
    """

    def __init__(self, redis: Redis, client: httpx.Client | None = None) -> None:
        self._redis: Any = redis
        self._queue = ReviewQueue(redis)
        self._feedback = Feedback(redis)
        self._client = client or http.client()

    # From us to Coral

    def concerns(self, site: Site, decision: Decision) -> bool:
        """Say whether a decision is about a comment of Coral, and Coral wants to know."""
        ours = decision.comment_id.startswith(_PREFIX)
        final = decision.action in _STATUSES
        return ours and final and bool(site.coral_url and site.coral_token)

    def tell(self, site: Site, decision: Decision) -> Told:
        """Have Coral approve or reject a comment; telling it twice changes nothing.

        Raises
        ------
        StoreUnavailable
            Redis cannot be reached.
        """
        try:
            self._tell(site, decision)
        except _FAULTS as error:
            return _told(error)
        return Told()

    def _tell(self, site: Site, decision: Decision) -> None:
        comment_id, wanted = decision.comment_id, _STATUSES[decision.action]
        n_done = n_decided_there = 0
        for known in self._with_our_id(site, comment_id, *_times(decision)):
            if known["status"] != wanted:
                viewer, still_there = self._look_up(site, [known["id"]])
                if not still_there:
                    continue
                found = still_there[0]
                if _decided_by_another(viewer, found):
                    n_decided_there += 1
                    continue
                if found["status"] != wanted:
                    self._decide(site, found, decision)
            n_done += 1
        if n_decided_there and not n_done:
            raise CoralFault("a moderator there decided otherwise, and that stands", final=True)
        if not n_done:
            late = time.time() - decision.decided_at > LATE_SECONDS
            raise CoralFault("no comment has these words, author and story", final=late)

    def _with_our_id(
        self, site: Site, comment_id: str, since: float, known_at: float
    ) -> list[Mapping[str, Any]]:
        """List the comments that are this one to us, the newest first."""
        _, author, _ = comment_id.removeprefix(_PREFIX).split(":")
        if author.startswith("*"):
            raise CoralFault("the id of the author is too long", final=True)
        written = self._written(site, unquote(author), since, known_at)
        return [
            comment
            for comment in written
            if coral_comment_id(comment["story"]["id"], unquote(author), comment["body"] or "")
            == comment_id
        ]

    def _written(
        self, site: Site, author: str, since: float, known_at: float
    ) -> Iterator[Mapping[str, Any]]:
        """Yield what an author wrote, newest first, from now back to `since`.

        Of somebody who has written very much it is the newest, and what came before `known_at`.
        """
        after: str | None = None
        for n_pages in range(2 * MAX_PAGES):
            if n_pages == MAX_PAGES:
                after = min(after or "", _cursor(known_at + MARGIN_SECONDS))
            found = self._ask(site, _WRITTEN, {"author": author, "after": after})["user"]
            if found is None:
                return
            page = found["allComments"]
            yield from page["nodes"]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"] or not after or after < _cursor(since):
                return

    def _decide(self, site: Site, found: Mapping[str, Any], decision: Decision) -> None:
        wanted: dict[str, Any] = {
            "commentID": found["id"],
            "commentRevisionID": found["revision"]["id"],
            "clientMutationId": "hakam",
        }
        rejected = decision.action == "reject"
        self._feedback.expect(site.id, f"comment:{found['id']}", rejected=rejected)
        if rejected:
            code = rejection_code(decision.reason, decision.labels)
            said = self._ask(site, _REJECT, {"input": wanted | {"reason": {"code": code}}})
            comment = said["rejectComment"]["comment"]
        else:
            comment = self._ask(site, _APPROVE, {"input": wanted})["approveComment"]["comment"]
        if comment["status"] != _STATUSES[decision.action]:
            raise CoralFault("the comment was edited meanwhile")

    # From Coral to us

    @naming_the_site()
    def note(self, site_id: str, comment_id: str) -> None:
        """Remember that a comment left a queue of Coral, until `catch_up` looks why.

        Raises
        ------
        StoreUnavailable
            Redis cannot be reached.
        """
        key = _key(site_id)
        pipe = self._redis.pipeline()
        pipe.zadd(key, {comment_id: time.time()})
        pipe.zremrangebyrank(key, 0, -MAX_HEARD - 1)
        pipe.expire(key, HEARD_SECONDS)
        pipe.execute()

    def catch_up(self, site: Site) -> str:
        """Take out of our queue what moderators have decided in Coral, as far as `note` was told.

        Returns
        -------
        str
            What went wrong, empty when nothing did; it is tried again `AGAIN_SECONDS` later.

        Raises
        ------
        StoreUnavailable
            Redis cannot be reached.
        """
        if not (site.coral_url and site.coral_token):
            return ""
        key = _key(site.id)
        with naming_the_site():
            heard = [
                one
                for first, last in _due()
                for one in self._redis.zrangebyscore(key, first, last, start=0, num=BATCH)
            ]
        if not heard:
            return ""
        failures: dict[str, str] = {}
        try:
            viewer, comments = self._look_up(site, heard)
        except _FAULTS as error:
            failures = dict.fromkeys(heard, _told(error).failure)
        else:
            for comment in comments:
                try:
                    if _decided_by_another(viewer, comment):
                        self._take_back(site, comment)
                except _FAULTS as error:
                    failures[comment["id"]] = _told(error).failure
        again = time.time() + AGAIN_SECONDS
        with naming_the_site():
            for one in heard:
                if one in failures:
                    self._redis.zadd(key, {one: again}, xx=True)
                else:
                    self._redis.zrem(key, one)
        return next(iter(failures.values()), "")

    def _take_back(self, site: Site, comment: Mapping[str, Any]) -> None:
        """Withdraw our item of a comment, unless another with the same words still waits there."""
        author = (comment["author"] or {}).get("id", "")
        ours = coral_comment_id(comment["story"]["id"], author, comment["body"] or "")
        with suppress(ItemNotFound):
            item = self._queue.item(site.id, item_id_of(ours))
            if item.state not in ("pending", "leased"):
                return
            since = item.enqueued_at
            others = self._with_our_id(site, ours, since - MARGIN_SECONDS, since)
            if not any(other["status"] in _WAITING for other in others):
                self._queue.withdraw(site.id, ours)

    def has_heard(self, site: Site) -> bool:
        """Say whether `catch_up` has something to do now.

        Raises
        ------
        StoreUnavailable
            Redis cannot be reached.
        """
        if not (site.coral_url and site.coral_token):
            return False
        with naming_the_site():
            return any(self._redis.zcount(_key(site.id), *times) for times in _due())

    # Coral's GraphQL

    def _look_up(self, site: Site, ids: Sequence[str]) -> tuple[str, list[Mapping[str, Any]]]:
        """Return who we are in Coral, and those of the comments that exist, with who decided."""
        variables = {f"i{n}": one for n, one in enumerate(ids)}
        declared = ", ".join(f"${name}: ID!" for name in variables)
        asked = " ".join(
            f"c{n}: comment(id: $i{n}) {{ {_FACTS} {_HISTORY} }}" for n in range(len(ids))
        )
        query = f"query ({declared}) {{ viewer {{ id }} {asked} }}"
        found = self._ask(site, query, variables, in_part=True)
        viewer = found.pop("viewer")["id"]
        return viewer, [one for one in found.values() if one]

    def _ask(
        self, site: Site, document: str, variables: Mapping[str, Any], *, in_part: bool = False
    ) -> dict[str, Any]:
        """Return the data of an answer; with `in_part`, also of one that lacks some of them."""
        answer = http.post(
            self._client,
            site.coral_url,
            json.dumps({"query": document, "variables": variables}),
            {"content-type": "application/json", "authorization": f"Bearer {site.coral_token}"},
            allow_private=site.webhook_private,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )
        if any(code in answer.body for code in _NOT_ENTITLED):
            raise CoralFault("the access token is not that of an administrator")
        if not answer.is_success:
            raise CoralFault(f"status {answer.status}")
        try:
            said = json.loads(answer.body)
        except ValueError:
            raise CoralFault("the answer is not understood") from None
        if said.get("errors") and not in_part:
            raise CoralFault("refused")
        data: dict[str, Any] = said["data"]
        return data


# What is wrong with an answer that has another shape than the question.
_MISSHAPEN = (LookupError, TypeError, AttributeError)
_FAULTS: tuple[type[Exception], ...] = (CoralFault, *http.EXPECTED, *_MISSHAPEN)


def _told(error: Exception) -> Told:
    if isinstance(error, CoralFault):
        return Told(str(error), error.final)
    misshapen = isinstance(error, _MISSHAPEN)
    failure = "the answer is not understood" if misshapen else http.reason(error)
    return Told(f"Coral: {failure}")


def _decided_by_another(viewer: str, comment: Mapping[str, Any]) -> bool:
    """Whether the status of a comment is the decision of a person other than ourselves."""
    if comment["status"] not in _STATUSES.values():
        return False
    for newest in comment["statusHistory"]["nodes"]:
        revision = (newest["revision"] or {}).get("id")
        return bool(
            newest["status"] == comment["status"]
            and revision in (None, comment["revision"]["id"])
            and newest["moderator"]
            and newest["moderator"]["id"] != viewer
        )
    return False


def _times(decision: Decision) -> tuple[float, float]:
    """Return since when a comment may exist, and a time at which it did, seconds of the epoch."""
    if appealed := decision.appeal_of:
        return 0.0, int(appealed.partition("-")[0]) / 1000  # its first decision
    return decision.enqueued_at - MARGIN_SECONDS, decision.enqueued_at


def _cursor(at: float) -> str:
    """Write a time as Coral writes the places in its lists, which can be compared as text."""
    moment = datetime.fromtimestamp(max(at, 0.0), UTC)
    return moment.isoformat("T", "milliseconds").replace("+00:00", "Z")


def _due() -> tuple[tuple[float | str, float | str], ...]:
    """Return between which times something is due: until now, and later than anything can be.

    Later is what was heard before the clock was set back.
    """
    now = time.time()
    return ("-inf", now), (now + 2 * AGAIN_SECONDS, "+inf")


def _key(site_id: str) -> str:
    return f"{{hakam:{site_id}}}:coral"
