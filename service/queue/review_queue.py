"""Review queue: comments that wait for a person, and what is decided about them.

Promises: what a verb has acknowledged is not lost; two people never hold one item; the most urgent
item comes first; a decision is taken once, by whoever holds the item, and stays in the stream.
Every verb is one Lua script (``lua/<verb>.lua``) and one round trip.

Keys, all of one site and all under the hash tag ``{hakam:<site>}``::

    :items      hash    item id -> `ItemRecord`
                        u<time> -> the same without a comment: an author's own item, which holds
                        what the site is still to be told of them (see authors)
    :texts      hash    <item id>:<version> -> `ContentRecord`: comment, scores and evidence
                        <item id>:<version>:<token> -> `WordsRecord`: note and reply of the decision
                        with this token
                        <facet of an author or article> -> `NotesRecord` (see notes)
                        (the only key that holds what people wrote: retention and erasure empty it)
    :lines      zset    <facet><due time><item id>, in lexical order: the line of each label,
                        article, author, dialect and group of copies, of the seniors, of the
                        troubled items and the known answers. The lines of all labels together are
                        the whole line. A leased item stays in its lines but for that of its label.
                        What is left to the seniors stands in e<facet><due time><item id> as well.
                        Beside them, of all that waits or is held, n<time of arrival><item id>, and
                        of what readers reported r<999 less the reports><time of arrival><item id>
    :arrivals   zset    <time it came><item id><signature>, in lexical order: all items but known
                        answers, as search finds them (see search)
    :leases     zset    item id, by expiry (milliseconds of Redis' own clock)
    :barred     zset    <item id><moderator>, by the time until which the two may not meet again
    :decisions  stream  body (`EntryRecord`, facts only) and digest: SHA-1 of the digest before and
                        the body
    :listed     zset    what pages show of past decisions (see read_models)
    :figures    hash    the same, in daily figures, with :shifts
    :outbox     zset    item id, by the time its next delivery is due (see webhooks); empty where
                        the site's record in :site (see sites) says that nobody listens
    :dead       zset    stream id of a delivery given up, by the time of giving up
    :endpoint   hash    how the site's webhook fares (see webhooks)
    :authors    hash    author facet -> `CountsRecord`
    :chosen     zset    comments that the model hesitates about (see chosen), with :sketches
    :groups     hash    what is counted of copies and floods (see repeats), with :bands, :grouped,
                        :paces, :paced and :raids
    :doubts     hash    decisions that deserve a second look (see doubts)
    :reports    hash    readers' reports (see reports), with :report_words, :report_times and
                        :reporters
    :judged     zset    what trainees would have decided (see practice), with :judgements
    :bulks      hash    decisions on many items as one (see group_decisions)
    :retention  zset    item:<item id>:<version>, bulk:<field of :bulks>, author:<author facet>
                        or notes:<facet>, by the time of the (last) decision, of the oldest note or
                        of the end of a hold: what is to be forgotten one day

Records are JSON objects of named fields (see encoding), with the number of their format.

The records of all items share one hash, because a lease learns only inside its script which item
is the most urgent, and a script must not build the name of a key.

The states of an item are drawn in ``docs/architecture.md``.
"""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from models.schema import LABELS, Evidence, SentenceEvidence
from service.errors import (
    AlreadyDecided,
    Conflict,
    Forbidden,
    InvalidRequest,
    ItemHeld,
    ItemNotFound,
    ItemUnreadable,
    LeaseLost,
    ServiceError,
    SiteUnreadable,
    StoreUnavailable,
)
from service.queue.arrivals import Arrival
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
    signature_of,
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
from service.rules.priority import APPEAL_HEAD_START, slack_ms
from service.store.connect import Redis
from service.store.scripts import Argument, Call, Verbs, readable

MAX_BULK = 1_000
_PLACE = re.compile(r"\d{13}[\w-]{12}", re.ASCII)


class ReviewQueue:
    """The queues of all sites.

    Every verb raises StoreUnavailable where Redis cannot be reached or refuses, with nothing half
    written. Verbs on an item raise ItemNotFound; with a token also LeaseLost and AlreadyDecided,
    the others Conflict and Forbidden (see `_REFUSED`). The same request id again gets the same
    answer.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        lease_seconds: float = 600,
        skip_seconds: float = 1_800,  # for which somebody is not offered again what they skipped
        undo_seconds: float = 900,  # for which a decision can be taken back
        expect: Callable[[], None] = lambda: None,  # raises StoreLost where Redis lost its data
    ) -> None:
        self._lease_ms = int(lease_seconds * 1000)
        self._skip_ms = int(skip_seconds * 1000)
        self._undo_ms = int(undo_seconds * 1000)
        self._verbs = Verbs(redis, "queue", expect)

    # Comments come in

    def take_in(self, site_id: str, judged: Sequence[Arrival]) -> list[Enqueued | StoreUnavailable]:
        """Take comments in that have nothing to do with each other, many in one round trip.

        Each is stored or not by itself; of one that may not have been, the fault is returned.
        """
        calls = [one.call for one in judged]
        return [
            found if isinstance(found, StoreUnavailable) else read_standing(one.item_id, *found)
            for one, found in zip(judged, self._verbs.all(site_id, calls), strict=True)
        ]

    def withdraw(self, site_id: str, comment_id: str) -> bool:
        """Take back a comment that the site has removed; return whether it was waiting.

        Its text goes at once, and whoever holds it loses the lease; what is decided stays decided.
        """
        draft = draft_json(Decision("withdraw", source="site"))
        return bool(self._done(site_id, "withdraw", id=item_id_of(comment_id), draft=draft)[0])

    def appeal(
        self, site_id: str, decision_id: str, statement: str, *, time_target_seconds: float = 3600
    ) -> Enqueued:
        """Put a decided comment before somebody else, once, because its author objects."""
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
        copies: str | None = None,
        senior: bool = False,
        known_answer_share: float = 0.0,
    ) -> Lease | None:
        """Give a moderator the most urgent item, of one filter or of all; None when nothing waits.

        A senior is offered first what only seniors may decide. A known answer comes to each
        moderator once, looking as if it had come when the item did that it replaces, and never
        among a filter's.
        """
        if not moderator:
            raise InvalidRequest.of("moderator", "expected a name")
        line = _line(
            label=label,
            article_id=article_id,
            author_id=author_id,
            dialect=dialect,
            copies=copies,
        )
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

    def take(
        self, site_id: str, moderator: str, item_id: str, version: int, *, senior: bool = False
    ) -> Lease:
        """Give a moderator one item that they name, in the version that they saw.

        The rules are those of `lease`, but that what they skipped is theirs to take. ItemHeld where
        somebody else holds it, Conflict where it has another text by now; what they hold already
        stays theirs.
        """
        if not moderator:
            raise InvalidRequest.of("moderator", "expected a name")
        found = self._done(
            site_id,
            "take",
            id=item_id,
            version=version,
            moderator=moderator,
            lease_ms=self._lease_ms,
            senior=int(senior),
        )
        return read_lease(site_id, *found)

    def renew(self, site_id: str, item_id: str, token: int) -> Lease:
        """Start the time of a lease anew."""
        found = self._done(site_id, "renew", id=item_id, token=token, lease_ms=self._lease_ms)
        return read_lease(site_id, *found)

    def release(self, site_id: str, item_id: str, token: int) -> None:
        """Put an item back to its place in the line."""
        self._put_back(site_id, item_id, token, skip_ms=0)

    def skip(self, site_id: str, item_id: str, token: int, *, seen: bool = True) -> None:
        """Leave an item to somebody else: for a while this moderator is not offered it again."""
        self._put_back(site_id, item_id, token, skip_ms=self._skip_ms, seen=seen)

    def _put_back(
        self, site_id: str, item_id: str, token: int, *, skip_ms: int, seen: bool = False
    ) -> None:
        given: dict[str, Argument] = {"token": token, "skip_ms": skip_ms, "seen": int(seen)}
        self._done(site_id, "release", id=item_id, **given)

    def unskip(self, site_id: str, moderator: str, item_id: str = "") -> int:
        """Offer a moderator again what they skipped, one item or all; return how many."""
        asked: dict[str, Argument] = {"moderator": moderator, "id": item_id}
        return int(self._verbs(site_id, "unskip", skip_ms=self._skip_ms, **asked)[0])

    def decide(self, site_id: str, item_id: str, token: int, draft: Decision) -> Decision:
        """Record the last word on an item, tell the stream and the outbox, all or nothing."""
        check_draft(draft)
        answer = self._done(
            site_id,
            "decide",
            id=item_id,
            token=token,
            moderator=draft.moderator,
            action=draft.action,
            draft=draft_json(draft),
            words=words_json(draft),
        )
        return read_decision(*answer[0])

    def decide_external(
        self,
        site_id: str,
        comment: Comment,
        verdict: Verdict,
        draft: Decision,
        *,
        scores: Mapping[str, float],
        evidence: Sequence[Evidence] = (),
        sentence: Sequence[SentenceEvidence] = (),
        author_scores: Mapping[str, float] | None = None,
    ) -> tuple[Decision, bool]:
        """Record what a person decided at the site's own desk; return it, and whether it is new.

        Whether the comment waits, is held, was decided or was never seen here: the site has the
        last word, and is not told it. Another decision on the same content is taken back. Where it
        says what was decided already, that stands, and is returned. Conflict where an appeal was
        decided otherwise.
        """
        check_draft(draft)
        draft = replace(draft, source="moderator_external")
        entry, recorded = self._done(
            site_id,
            "decide_external",
            id=item_id_of(comment.id),
            record=item_json(comment, verdict),
            content=content_json(comment, scores, author_scores, evidence, sentence),
            signature=signature_of(comment, verdict),
            action=draft.action,
            draft=draft_json(draft),
            undo=draft_json(draft, "undo"),
            withdrawal=draft_json(draft, "withdraw"),
        )
        return read_decision(*entry), bool(recorded)

    def escalate(self, site_id: str, item_id: str, token: int, note: str = "") -> None:
        """Leave an item to the seniors, with a note that they will see."""
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
        """Take a decision back, and with it an appeal that still waits; the item waits again.

        Without a decision id it is the decision that the item has now. Seniors may take back what
        others decided.
        """
        told = undo_words(moderator, request_id, senior=senior, window_ms=self._undo_ms)
        found = self._done(site_id, "undo", id=item_id, decision=decision_id, **told)
        return read_decision(*found[0])

    def decide_again(
        self,
        site_id: str,
        item_id: str,
        decision_id: str,
        draft: Decision,
        *,
        senior: bool = False,
    ) -> Decision:
        """Take a decision back and take another, as one.

        Seniors may however long ago it was and whoever took it, but not on an appeal against what
        they decided; others may while they could take it back. Not where an appeal was decided
        about it, or waits and the new decision says the same, or the text is gone. The site is
        told of both.
        """
        check_draft(draft)
        check_decision_id("decision_id", decision_id)
        answer = self._done(
            site_id,
            "decide_again",
            id=item_id,
            decision=decision_id,
            moderator=draft.moderator,
            senior=int(senior),
            window_ms=self._undo_ms,
            action=draft.action,
            undo=draft_json(draft, "undo"),
            withdrawal=draft_json(draft, "withdraw"),
            draft=draft_json(draft),
            words=words_json(draft),
        )
        return read_decision(*answer[0])

    def clear_known_answers(self, site_id: str) -> int:
        """Take all known answers out; return how many there were. What people said stays."""
        return self._verbs.until_done(site_id, "clear_known_answers", limit=MAX_BULK)

    # Looking

    def item(self, site_id: str, item_id: str) -> ReviewItem:
        """Return an item as it is now."""
        return read_item(site_id, *self._done(site_id, "item", id=item_id))

    def items(self, site_id: str, item_ids: Sequence[str]) -> list[ReviewItem]:
        """Return items as they are now, in this order, without those that are not there."""
        if len(item_ids) > MAX_BULK:
            raise InvalidRequest.of("item_ids", f"expected at most {MAX_BULK}")
        found = self._verbs(site_id, "items", *item_ids) if item_ids else []
        return [read_item(site_id, *shown[1:]) for shown in found]

    def standings(self, site_id: str, item_ids: Sequence[str]) -> list[tuple[int, str]]:
        """Return of each item its version and the last word on it, empty where there is none."""
        if not item_ids:
            return []
        found = self._verbs(site_id, "standings", *item_ids)
        return list(zip(map(int, found[::2]), found[1::2], strict=True))

    def waiting(
        self,
        site_id: str,
        *,
        label: str | None = None,
        article_id: str | None = None,
        author_id: str | None = None,
        dialect: str | None = None,
        copies: str | None = None,
        troubled: bool = False,
        escalated: bool = False,
        limit: int = 100,
        after: str = "",
    ) -> list[ReviewItem]:
        """List items of the line, most urgent first; with one filter or none.

        With a filter and the place of an item, those that come after it.
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
            copies=copies,
        )
        if after and not (line and _PLACE.fullmatch(after)):
            raise InvalidRequest.of("after", "expected the place of an item, with a filter")
        found = self._verbs(site_id, "waiting", facet=line, limit=limit, after=after)
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
        (found,) = self.authors(site_id, [author_id])
        if isinstance(found, StoreUnavailable):
            raise found
        return found

    def authors(
        self, site_id: str, author_ids: Sequence[str]
    ) -> list[AuthorRecord | StoreUnavailable]:
        """Return the same of many authors; the fault where that of one cannot be read."""
        calls = [Call("author", {"facet": facet("author_id", one)}) for one in author_ids]
        return [
            found if isinstance(found, StoreUnavailable) else read_author(found[0])
            for found in self._verbs.all(site_id, calls)
        ]

    def stats(self, site_id: str) -> QueueStats:
        """Count what is in the queue."""
        (found,) = self.stats_of([site_id])
        return readable(found)

    def stats_of(self, site_ids: Sequence[str]) -> list[QueueStats | SiteUnreadable]:
        """Count what is in the queues of many sites."""
        return self._verbs.of_sites(site_ids, "stats", _stats)

    # Keeping what was acknowledged

    def _done(self, site_id: str, verb: str, /, **arguments: Argument) -> Sequence[Any]:
        """Run a verb that may find it cannot be done."""
        outcome, *answer = self._verbs(site_id, verb, **arguments)
        if outcome == "ok":
            return answer
        raise refusal(site_id, outcome)


def refusal(site_id: str, outcome: str) -> ServiceError:
    """Return the error by which a verb says that it cannot be done."""
    error, sentence = _REFUSED[outcome]
    refused = error(sentence.format(site=site_id))
    refused.why = outcome
    return refused


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
    "held": (ItemHeld, "Somebody else holds the item."),
    "edited_since": (Conflict, "The comment has another text by now than the one that was shown."),
    "undecided": (Conflict, "The item is not decided, so nothing can be taken back."),
    "late": (Conflict, "The time in which the decision could be taken back is over."),
    "overruled": (Conflict, "The decision has been taken back or overturned already."),
    "replaced": (Conflict, "The item has another decision than the one to be taken back."),
    "appealed": (Conflict, "An appeal against the decision has been decided."),
    "objected": (Conflict, "The author's objection waits for somebody else's decision."),
    "foreign": (Forbidden, "Only who took the decision, or a senior, may take it back."),
    "barred": (
        Forbidden,
        "This moderator has given an opinion on an item, or decided what it appeals against.",
    ),
    "reserved": (Forbidden, "An item was left to the seniors."),
    "gone": (Conflict, "The text of the comment has been deleted."),
}


def _stats(pending: int, leased: int, oldest_ms: int, *rest: int) -> QueueStats:
    return QueueStats(pending, leased, oldest_ms / 1000, *rest)


def _line(**filters: str | bool | None) -> str:
    """Facet of the line that the one filter given asks for; empty for the whole line."""
    given = [(name, value) for name, value in filters.items() if value is not None]
    if not given:
        return ""
    if len(given) > 1:
        names = ", ".join(name for name, _ in given)
        raise InvalidRequest.of(given[1][0], f"expected one filter, got {names}")
    return facet(given[0][0], str(given[0][1]))


_DRAFT_LENGTHS = {
    "moderator": 256,
    "request_id": 256,
    "reason": 1_000,
    "note": 4_000,
    "reply": 1_000,
}


def undo_words(
    moderator: str, request_id: str, *, senior: bool, window_ms: int
) -> Mapping[str, str | int]:
    """Return who takes a decision back, and what is written of it; errors as `check_draft`."""
    draft = Decision("approve", moderator=moderator, request_id=request_id)
    check_draft(draft)
    return {
        "moderator": moderator,
        "senior": int(senior),
        "request": request_id,
        "window_ms": window_ms,
        "draft": draft_json(draft, "undo"),
        "withdrawal": draft_json(draft, "withdraw"),
    }


def check_draft(draft: Decision) -> None:
    """Raise InvalidRequest for a draft that lacks something, or holds too much of it."""
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
