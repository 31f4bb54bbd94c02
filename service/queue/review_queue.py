r"""The review queue: comments that wait for a person, and everything people decided about them.

Promises: what a verb has acknowledged is not lost; two people never hold one item; the most urgent
item comes first; a decision is taken once, by whoever holds the item, and stays in the stream.
Secret: Redis. Every verb is one Lua script (``lua/<verb>.lua``) and one round trip.

Keys, all of one site and all under the hash tag ``{hakam:<site>}``::

    :items      hash    item id -> `ItemRecord`
    :texts      hash    <item id>:<version> -> `ContentRecord`: comment, scores and evidence
                        <item id>:<version>:<token> -> `WordsRecord`: note and reply of the decision
                        with this token
                        (the only key that holds what people wrote: retention and erasure empty it)
    :lines      zset    <facet><due time><item id>, in lexical order: the line of each label,
                        article, author and dialect, of the seniors, of the troubled items and the
                        known answers. The lines of all labels together are the whole line.
                        An item in hands stays in the lines of its article, author and dialect.
    :leases     zset    item id, by expiry (milliseconds of Redis' own clock)
    :barred     zset    <item id><moderator>, by the time until which the two may not meet again
    :decisions  stream  body (`EntryRecord`, facts only) and digest: SHA-1 of the digest before and
                        the body
    :decided    hash    what pages show of past decisions (see read_models)
    :figures    hash    the same
    :outbox     zset    item id, by the time its next delivery is due (see webhooks); empty where
                        the site's record in :site (see sites) says that nobody listens
    :dead       zset    stream id of a delivery given up, by the time of giving up
    :endpoint   hash    how the site's webhook fares (see webhooks)
    :authors    hash    author facet -> `CountsRecord`
    :bulks      hash    decide:<request id> or undo:<request id> of a bulk decision -> stream ids
                        (JSON)
    :retention  zset    item:<item id>:<version>, bulk:<field of :bulks> or author:<author facet>,
                        by the time of the (last) decision: what is to be forgotten one day

Records are JSON objects of named fields (see encoding), with the number of their format.

The records of all items share one hash, because a lease learns only inside its script which item
is the most urgent, and a script must not build the name of a key.

States of an item::

                 enqueue              lease                decide, bulk
        (none) ----------> pending ----------> leased ----------> decided
                            ^  ^  \              |  \                |
                            |  +---\-------------+   +--> withdrawn   |
                            |       \  release, skip, escalate,       |
                            |        \ expiry, first of two opinions  |
                            |         +--> withdrawn                  |
                            +-----------------------------------------+
                              undo; an edit (a new version, whatever the state was)

An edit that needs nobody leaves a record as well, ``withdrawn``: the count of its version.
"""

from __future__ import annotations

import hashlib
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from models.schema import LABELS, Evidence
from service.errors import (
    AlreadyDecided,
    Conflict,
    Forbidden,
    InvalidRequest,
    ItemNotFound,
    ItemUnreadable,
    LeaseLost,
    ServiceError,
)
from service.queue.decisions import check_decision_id
from service.queue.encoding import (
    content_json,
    draft_json,
    item_json,
    read_author,
    read_decision,
    read_item,
    read_lease,
    read_standing,
    words_json,
)
from service.queue.records import (
    AuthorRecord,
    Comment,
    Decision,
    Enqueued,
    Lease,
    QueueStats,
    ReviewItem,
    facet,
    item_id_of,
)
from service.rules.policy import Verdict
from service.rules.priority import APPEAL_HEAD_START, head_start, severity, slack_ms
from service.store.connect import Redis
from service.store.scripts import Argument, Verbs

__all__ = [
    "AuthorRecord",
    "Comment",
    "Decision",
    "Enqueued",
    "Lease",
    "QueueStats",
    "ReviewItem",
    "ReviewQueue",
]

MAX_BULK = 1_000


class ReviewQueue:
    """The queues of all sites.

    Parameters
    ----------
    redis : redis.Redis
        With ``decode_responses=True`` and socket timeouts.
    lease_seconds : float, default=600
        How long a lease lasts.
    skip_seconds : float, default=1800
        How long somebody who skipped an item is not offered it.
    undo_seconds : float, default=900
        How long after a decision it can be taken back.
    expect : callable
        Raises StoreLost where Redis has lost what it held; asked when the server was restarted.

    Raises
    ------
    StoreUnavailable
        From every verb, when Redis cannot be reached or refuses; nothing is half-written then.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        lease_seconds: float = 600,
        skip_seconds: float = 1_800,
        undo_seconds: float = 900,
        expect: Callable[[], None] = lambda: None,
    ) -> None:
        self._lease_ms = int(lease_seconds * 1000)
        self._skip_ms = int(skip_seconds * 1000)
        self._undo_ms = int(undo_seconds * 1000)
        self._verbs = Verbs(redis, "queue", expect)

    # Comments come in

    def enqueue(
        self,
        site_id: str,
        comment: Comment,
        verdict: Verdict,
        *,
        scores: Mapping[str, float],
        evidence: Sequence[Evidence] = (),
        author_scores: Mapping[str, float] | None = None,
        label_weights: Mapping[str, float] | None = None,
        time_target_seconds: float = 3600,
        second_opinion_share: float = 0.0,
        known_action: str = "",
    ) -> Enqueued:
        """Put a comment before people, once.

        The same comment again changes nothing. The same comment with another text or display name
        is an edit: it gets a new version, keeps its place in the line, and whoever holds the old
        version loses the lease.

        Parameters
        ----------
        label_weights : mapping of label to float, optional
            Weights of the site in the urgency, 1 where absent.
        time_target_seconds : float
            Time in which the site wants a decision, > 0.
        second_opinion_share : float
            Share of the items that need two blind opinions, [0, 1]; which ones is drawn from the
            comment's id.
        known_action : {"approve", "reject", ""}
            Makes it a known answer, which waits in no line and is mixed in by `lease`: nobody sees
            that, the site is not told, and the stream shows the answer given beside this one.
        """
        start = head_start(severity(verdict, scores, label_weights or {}), comment.reach)
        item_id = item_id_of(comment.id, "known_answer" if known_action else "comment")
        more: dict[str, Any] = {}
        if known_action:
            more["known_answer"] = known_action
        elif second_opinion_share and _draw(site_id, comment.id) < second_opinion_share:
            more["blind"] = True
        record = item_json(comment, verdict, **more)
        found = self._verbs(
            site_id,
            "enqueue",
            id=item_id,
            slack=slack_ms(time_target_seconds, start),
            record=record,
            content=content_json(comment, scores, author_scores, evidence),
        )
        return read_standing(item_id, *found)

    def approve(self, site_id: str, comment: Comment, verdict: Verdict) -> Enqueued:
        """Take note that the policy lets a comment pass, which is kept nowhere.

        But an earlier text of the comment that waits leaves the queue, so that nobody decides about
        words that are no longer there, and what was decided about one is not told any more. The
        same text again stands where it stood: it waits on, or is decided.
        """
        item_id = item_id_of(comment.id)
        record = item_json(comment, verdict)
        withdrawal = draft_json(Decision("withdraw", source="site"))
        found = self._verbs(site_id, "approve", id=item_id, record=record, withdrawal=withdrawal)
        return read_standing(item_id, *found)

    def reject(
        self,
        site_id: str,
        comment: Comment,
        verdict: Verdict,
        *,
        scores: Mapping[str, float],
        evidence: Sequence[Evidence] = (),
        author_scores: Mapping[str, float] | None = None,
    ) -> Enqueued:
        """Record that the policy rejected a comment without a person; once.

        The decision stands in the stream with the source ``policy``, can be appealed against, and
        is not sent to the site, which gets it as the answer to its request.
        """
        item_id = item_id_of(comment.id)
        labels = (verdict.label,) if verdict.label else ()
        draft = Decision("reject", labels, reason=verdict.label or "", source="policy")
        found = self._verbs(
            site_id,
            "reject",
            id=item_id,
            record=item_json(comment, verdict),
            content=content_json(comment, scores, author_scores, evidence),
            request="",
            decision=draft_json(draft),
        )
        return read_standing(item_id, *found)

    def withdraw(self, site_id: str, comment_id: str) -> bool:
        """Take back a comment that the site has removed; its text goes at once.

        Whoever holds it loses the lease. What is decided stays decided.

        Returns
        -------
        bool
            Whether the comment was waiting for a decision.

        Raises
        ------
        ItemNotFound
        """
        draft = draft_json(Decision("withdraw", source="site"))
        return bool(self._done(site_id, "withdraw", id=item_id_of(comment_id), draft=draft)[0])

    def appeal(
        self, site_id: str, decision_id: str, statement: str, *, time_target_seconds: float = 3600
    ) -> Enqueued:
        """Put a decided comment before somebody else, because its author asks for it; once.

        Parameters
        ----------
        decision_id : str
            The decision that the author objects to.
        statement : str
            What the author says.

        Raises
        ------
        InvalidRequest
            `decision_id` is not the id of any stream.
        ItemNotFound
            The site has no such decision.
        Conflict
            The decision no longer stands, or the text has been deleted, so that nobody can judge
            it again.
        """
        check_decision_id("decision_id", decision_id)
        item_id = item_id_of(decision_id, "appeal")
        created, version, state = self._done(
            site_id,
            "appeal",
            id=item_id,
            decision=decision_id,
            slack=slack_ms(time_target_seconds, APPEAL_HEAD_START),
            statement=statement,
        )
        return Enqueued(item_id, bool(created), state, version)

    # One moderator, one item

    def lease(
        self,
        site_id: str,
        moderator: str,
        *,
        label: str | None = None,
        article_id: str | None = None,
        author_id: str | None = None,
        dialect: str | None = None,
        senior: bool = False,
        known_answer_share: float = 0.0,
    ) -> Lease | None:
        """Give `moderator` the most urgent item, or None when nothing waits.

        Parameters
        ----------
        label, article_id, author_id, dialect : str, optional
            Only items of this label (of the verdict), article, author or dialect; one of them.
        senior : bool
            Whether to offer, and first, what only seniors may decide.
        known_answer_share : float
            How often the moderator gets a known answer instead, [0, 1]: each only once, looking
            as if it had come when the item did that it replaces, and never among a filter's.

        Raises
        ------
        InvalidRequest
            No moderator is named, or more than one filter.
        """
        if not moderator:
            raise InvalidRequest.of("moderator", "expected a name")
        line = _line(label=label, article_id=article_id, author_id=author_id, dialect=dialect)
        mixing = not line and random.random() < known_answer_share  # noqa: S311 - hides no secret
        copy = secrets.token_urlsafe(9) if mixing else ""
        outcome, *found = self._verbs(
            site_id,
            "lease",
            moderator=moderator,
            lease_ms=self._lease_ms,
            facet=line,
            senior=int(senior),
            copy=copy,
        )
        return None if outcome == "none" else read_lease(site_id, *found)

    def renew(self, site_id: str, item_id: str, token: int) -> Lease:
        """Start the time of a lease anew.

        Raises
        ------
        ItemNotFound, LeaseLost, AlreadyDecided
        """
        found = self._done(site_id, "renew", id=item_id, token=token, lease_ms=self._lease_ms)
        return read_lease(site_id, *found)

    def release(self, site_id: str, item_id: str, token: int) -> None:
        """Put an item back to its place in the line.

        Raises
        ------
        ItemNotFound, LeaseLost, AlreadyDecided
        """
        self._put_back(site_id, item_id, token, skip_ms=0)

    def skip(self, site_id: str, item_id: str, token: int) -> None:
        """Leave an item to somebody else: for a while this moderator is not offered it again.

        Raises
        ------
        ItemNotFound, LeaseLost, AlreadyDecided
        """
        self._put_back(site_id, item_id, token, skip_ms=self._skip_ms)

    def _put_back(self, site_id: str, item_id: str, token: int, *, skip_ms: int) -> None:
        self._done(site_id, "release", id=item_id, token=token, skip_ms=skip_ms)

    def unskip(self, site_id: str, moderator: str, item_id: str = "") -> int:
        """Offer a moderator again what they skipped, one item or all; return how many."""
        return int(self._verbs(site_id, "unskip", moderator=moderator, id=item_id)[0])

    def decide(self, site_id: str, item_id: str, token: int, draft: Decision) -> Decision:
        """Record the last word on an item, tell the stream and the outbox, all or nothing.

        Parameters
        ----------
        token : int
            Of the lease that `draft.moderator` holds.
        draft : Decision
            `action`, `labels`, `reason`, `note`, `reply`, `moderator` and `request_id`.

        Returns
        -------
        Decision
            As recorded. The same `request_id` again returns the same decision.

        Raises
        ------
        InvalidRequest
            The draft's action or a label is unknown, or moderator or request id are empty.
        ItemNotFound
        LeaseLost
            The lease expired, went to somebody else, or the comment was edited or withdrawn.
        AlreadyDecided
            The item was decided by another request.
        """
        _check_draft(draft)
        answer = self._done(
            site_id,
            "decide",
            id=item_id,
            token=token,
            moderator=draft.moderator,
            request=draft.request_id,
            action=draft.action,
            draft=draft_json(draft),
            words=words_json(draft),
        )
        return read_decision(*answer[0])

    def escalate(self, site_id: str, item_id: str, token: int, note: str = "") -> None:
        """Leave an item to the seniors, with a note that they will see.

        Raises
        ------
        ItemNotFound, LeaseLost, AlreadyDecided
        """
        self._done(site_id, "escalate", id=item_id, token=token, note=note)

    def undo(
        self,
        site_id: str,
        item_id: str,
        moderator: str,
        request_id: str,
        *,
        senior: bool = False,
        decision_id: str = "",
    ) -> Decision:
        """Take a decision back: the stream says so, the site hears of it, the item waits again.

        An appeal against it that still waits is withdrawn with it.

        Parameters
        ----------
        moderator : str
            Who takes it back: who decided, or a senior.
        senior : bool
            Whether `moderator` may take back what others decided.
        decision_id : str, optional
            The decision that is meant; without it, the one that the item has now.

        Returns
        -------
        Decision
            The entry of kind ``undo``. The same `request_id` again returns the same entry.

        Raises
        ------
        InvalidRequest, ItemNotFound
        Forbidden
            Somebody else decided, and `moderator` is no senior.
        Conflict
            The item is not decided, was decided longer ago than `undo_seconds` or by another
            decision than the one that is meant, its text was erased, or an appeal against the
            decision was decided.
        """
        found = self._done(
            site_id,
            "undo",
            id=item_id,
            decision=decision_id,
            **self._undoing(moderator, request_id, senior=senior),
        )
        return read_decision(*found[0])

    # Many items at once

    def decide_bulk(
        self, site_id: str, versions: Mapping[str, int], draft: Decision, *, senior: bool = False
    ) -> list[Decision]:
        """Decide many pending items alike, all or none.

        Parameters
        ----------
        versions : mapping of item id to version
            As previewed with `waiting`: at most `MAX_BULK`.
        draft : Decision
            As for `decide`. The same `request_id` again returns the same decisions.
        senior : bool
            Whether the moderator may decide what was left to the seniors.

        Raises
        ------
        InvalidRequest
        Forbidden
            The moderator has given an opinion on an item, or took the decision that it appeals
            against; or an item was left to the seniors.
        Conflict
            An item has been leased, decided, edited or withdrawn since the preview.
        """
        _check_draft(draft)
        if not 1 <= len(versions) <= MAX_BULK:
            raise InvalidRequest.of("versions", f"expected 1 to {MAX_BULK} items")
        chosen = [word for pair in versions.items() for word in pair]
        entries = self._done(
            site_id,
            "bulk",
            *chosen,
            request=draft.request_id,
            moderator=draft.moderator,
            senior=int(senior),
            action=draft.action,
            draft=draft_json(draft),
            words=words_json(draft),
        )
        return [read_decision(*entry) for entry in entries]

    def undo_bulk(
        self, site_id: str, bulk: str, moderator: str, request_id: str, *, senior: bool = False
    ) -> list[Decision]:
        """Take a bulk decision back as one.

        Parameters
        ----------
        bulk : str
            Request id of the bulk decision.
        moderator, senior
            As for `undo`.

        Raises
        ------
        InvalidRequest, ItemNotFound
        Forbidden
            Somebody else decided, and `moderator` is no senior.
        Conflict
            One of the items has changed since or its text was erased, `undo_seconds` are over, or
            an appeal against one of the decisions was decided.
        """
        asked = self._undoing(moderator, request_id, senior=senior)
        entries = self._done(site_id, "undo_bulk", bulk=bulk, **asked)
        return [read_decision(*entry) for entry in entries]

    def _undoing(self, moderator: str, request_id: str, *, senior: bool) -> dict[str, Argument]:
        """Arguments of an undo; with the withdrawal of an appeal that goes with it."""
        draft = Decision("approve", moderator=moderator, request_id=request_id)
        _check_draft(draft)
        return {
            "moderator": moderator,
            "senior": int(senior),
            "request": request_id,
            "window_ms": self._undo_ms,
            "draft": draft_json(draft, "undo"),
            "withdrawal": draft_json(draft, "withdraw"),
        }

    def clear_known_answers(self, site_id: str) -> int:
        """Take all known answers out; return how many there were. What people said stays."""
        n_cleared = 0
        while n_more := self._verbs(site_id, "clear_known_answers", limit=MAX_BULK)[0]:
            n_cleared += n_more
        return n_cleared

    # Looking

    def item(self, site_id: str, item_id: str) -> ReviewItem:
        """Return an item as it is now.

        Raises
        ------
        ItemNotFound
        """
        return read_item(site_id, *self._done(site_id, "item", id=item_id))

    def waiting(
        self,
        site_id: str,
        *,
        label: str | None = None,
        article_id: str | None = None,
        author_id: str | None = None,
        dialect: str | None = None,
        troubled: bool = False,
        escalated: bool = False,
        limit: int = 100,
    ) -> list[ReviewItem]:
        """List items of the line, most urgent first; filters as in `lease`.

        Parameters
        ----------
        troubled, escalated : bool
            Only items that people keep leaving, or only those for seniors.
        limit : int
            1 to `MAX_BULK`.
        """
        if not 1 <= limit <= MAX_BULK:
            raise InvalidRequest.of("limit", f"expected 1 to {MAX_BULK}")
        line = _line(
            troubled=troubled or None,
            escalated=escalated or None,
            label=label,
            article_id=article_id,
            author_id=author_id,
            dialect=dialect,
        )
        found = self._verbs(site_id, "waiting", facet=line, limit=limit)
        return [read_item(site_id, *shown[1:]) for shown in found]

    def held(self, site_id: str) -> list[ReviewItem]:
        """List the items that people hold, the soonest to expire first."""
        return [read_item(site_id, *shown[1:]) for shown in self._verbs(site_id, "held")]

    def skipped(
        self, site_id: str, moderator: str, *, label: str | None = None, dialect: str | None = None
    ) -> int:
        """Count what waits for a decision and is not offered to a moderator who skipped it."""
        line = _line(label=label, dialect=dialect)
        return int(self._verbs(site_id, "skipped", moderator=moderator, facet=line)[0])

    def author(self, site_id: str, author_id: str) -> AuthorRecord:
        """Return what was decided about an author's comments so far."""
        found = self._verbs(site_id, "author", facet=facet("author_id", author_id))
        return read_author(found[0])

    def stats(self, site_id: str) -> QueueStats:
        """Count what is in the queue."""
        pending, leased, oldest_ms, *rest = self._verbs(site_id, "stats")
        return QueueStats(pending, leased, oldest_ms / 1000, *rest)

    # Keeping what was acknowledged

    def _done(
        self, site_id: str, verb: str, /, *rest: Argument, **arguments: Argument
    ) -> Sequence[Any]:
        """Run a verb that may find it cannot be done."""
        outcome, *answer = self._verbs(site_id, verb, *rest, **arguments)
        if outcome == "ok":
            return answer
        error, sentence = _REFUSED[outcome]
        raise error(sentence.format(site=site_id))


_REFUSED: Mapping[str, tuple[type[ServiceError], str]] = {
    "missing": (ItemNotFound, "No review item or decision has this id."),
    "unreadable": (
        ItemUnreadable,
        "What is stored of this item of {site} is damaged, or of a format not known here.",
    ),
    "decided": (AlreadyDecided, "The item has been decided."),
    "expired": (LeaseLost, "The lease has run out or belongs to somebody else."),
    "edited": (LeaseLost, "The comment was edited; its new version waits in the queue."),
    "withdrawn": (LeaseLost, "The site has withdrawn the comment."),
    "undecided": (Conflict, "The item is not decided, so nothing can be taken back."),
    "late": (Conflict, "The time in which the decision could be taken back is over."),
    "changed": (Conflict, "Some of the items have changed since they were listed."),
    "overruled": (Conflict, "The decision has been taken back or overturned already."),
    "replaced": (Conflict, "The item has another decision than the one to be taken back."),
    "appealed": (Conflict, "An appeal against the decision has been decided."),
    "foreign": (Forbidden, "Only who took the decision, or a senior, may take it back."),
    "barred": (
        Forbidden,
        "This moderator has given an opinion on an item, or decided what it appeals against.",
    ),
    "reserved": (Forbidden, "An item was left to the seniors."),
    "gone": (Conflict, "The text of the comment has been deleted."),
}


def _line(**filters: str | bool | None) -> str:
    """Facet of the line that the one filter given asks for; empty for the whole line."""
    given = [(name, value) for name, value in filters.items() if value is not None]
    if not given:
        return ""
    if len(given) > 1:
        names = ", ".join(name for name, _ in given)
        raise InvalidRequest.of(given[1][0], f"expected one filter, got {names}")
    return facet(given[0][0], str(given[0][1]))


def _draw(site_id: str, comment_id: str) -> float:
    """Draw a number in [0, 1), always the same for a comment, and not that of the random sample."""
    digest = hashlib.sha256(f"second opinion\0{site_id}\0{comment_id}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


_DRAFT_LENGTHS = {
    "moderator": 256,
    "request_id": 256,
    "reason": 1_000,
    "note": 4_000,
    "reply": 1_000,
}


def _check_draft(draft: Decision) -> None:
    if draft.action not in ("approve", "reject"):
        raise InvalidRequest.of("action", "expected approve or reject")
    if not set(draft.labels) <= set(LABELS):
        raise InvalidRequest.of("labels", f"expected some of {', '.join(LABELS)}")
    for name in ("moderator", "request_id"):
        if not getattr(draft, name):
            raise InvalidRequest.of(name, "expected a value")
    for name, most in _DRAFT_LENGTHS.items():
        if len(getattr(draft, name)) > most:
            raise InvalidRequest.of(name, f"expected at most {most:,} characters")
