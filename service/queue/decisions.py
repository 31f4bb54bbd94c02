"""Decision stream: everything that was decided about a site's comments, in order, hash-chained.

Promises: an entry is appended by the script that decides and is never changed. Each carries the
SHA-1 of the digest before it and its own body, so an entry that was changed, removed or put in
breaks the chain from there on. Redis' scripts know no stronger digest; what the chain needs is
that nobody finds a second body for a digest that exists, and for SHA-1 that is as far away as ever.
Who can write to Redis can compute a new chain from any entry on: note the digest of the last entry
elsewhere now and then, and hand it to `DecisionStream.verify`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, NamedTuple, get_args

from models.schema import LabeledComment, write_comments
from service.errors import Archived, ChainBroken, InvalidRequest, PositionUnknown
from service.queue.encoding import (
    content_json,
    draft_json,
    item_json,
    loss_json,
    read_decision,
    signature_of,
)
from service.queue.records import (
    NAME_JUDGED,
    UNKNOWN_VERDICT,
    Comment,
    Decision,
    item_id_of,
    known_action,
)
from service.rules.personal_data import without_personal_data
from service.rules.policy import Reason
from service.rules.times import EXPECTED, read_time
from service.store.connect import Redis
from service.store.errors import naming_the_site
from service.store.scripts import Verbs, site_key

MAX_DECISIONS = 1_000  # read at once; Redis serves nobody else meanwhile

_DECISION_ID = re.compile(r"[0-9]{1,19}(?:-[0-9]{1,19})?")


class Entry(NamedTuple):
    """An entry of the stream as it is stored."""

    id: str
    body: str
    digest: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last entry that was archived, which the first of the stream is chained to."""

    id: str  # 0-0 where nothing was archived
    digest: str
    n_entries: int  # that were archived


@dataclass(frozen=True, slots=True)
class Verified:
    """A whole chain: how many entries of it were checked, and the digest of the last."""

    n_entries: int
    digest: str


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote, the decision to read on from, and how many could not be read."""

    n_comments: int
    cursor: str
    n_damaged: int


class DecisionStream:
    """The decision streams of all sites; every method raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        self._verbs = Verbs(redis, "queue")

    def read(self, site_id: str, after: str = "0", limit: int = 100) -> list[Decision]:
        """Read entries after the one with this id, oldest first.

        Archived where they are gone, PositionUnknown where no entry has had this id yet.
        """
        if not 1 <= limit <= MAX_DECISIONS:
            raise InvalidRequest.of("limit", f"expected 1 to {MAX_DECISIONS}")
        check_decision_id("after", after)
        outcome, *found = self._verbs(site_id, "decisions", after=after, limit=limit)
        if outcome == "archived":
            raise Archived(found[0])
        if outcome == "unknown":
            raise PositionUnknown(site_id)
        return [read_decision(*entry) for entry in found]

    def history(self, site_id: str, after: str = "0") -> Iterator[Decision]:
        """Read the whole stream after a position, page by page, but not what is archived."""
        check_decision_id("after", after)
        after = max(after, self.anchor(site_id).id, key=place)
        while page := self.read(site_id, after, MAX_DECISIONS):
            yield from page
            after = page[-1].id

    def export(
        self, site_id: str, output: str, after: str = "0", *, with_personal_data: bool = False
    ) -> Exported:
        """Write what training can learn from the decisions after a position, as JSON Lines.

        Personal data are masked, unless they are asked for.
        """
        cursor, n_damaged = after, 0

        def learned() -> Iterator[LabeledComment]:
            nonlocal cursor, n_damaged
            for decision in self.history(site_id, after):
                cursor, n_damaged = decision.id, n_damaged + decision.damaged
                if comment := decision.to_labeled_comment(site_id):
                    yield comment if with_personal_data else without_personal_data(comment)

        n_comments = write_comments(learned(), output)
        return Exported(n_comments, cursor, n_damaged)

    def note_loss(self, site_id: str, lost_since: float, known_until: float = 0.0) -> str:
        """Note that the store has lost what it was given since a time; return the entry's id.

        No later entry gets an id from before `known_until`, which what was lost may have had.
        """
        least = round(known_until * 1000)
        return str(self._verbs(site_id, "note_loss", entry=loss_json(lost_since), least=least)[0])

    def rebuild(self, site_id: str, comments: Iterable[LabeledComment]) -> int:
        """Take decisions over from an export, after Redis has lost them; return how many were new.

        A comment that the site sends again afterwards, or has sent again before, is then known as
        decided, by whom, and counts for its author. Doing it twice changes nothing. An export holds
        neither what the policy decided nor erased texts; where only the display name was judged, it
        lacks the text, so that the comment is put before people again, and so is one of which it
        masks the personal data.
        """
        return sum(
            self._restore(site_id, comment)
            for comment in comments
            if comment.site == site_id and not comment.id.endswith(NAME_JUDGED)
        )

    def _restore(self, site_id: str, known: LabeledComment) -> int:
        labels = tuple(label for label, share in known.labels.items() if share >= 0.5)
        decided_at = read_time(known.decided_at)
        if decided_at is None:
            raise InvalidRequest.of(f"decided_at of {known.id}", f"expected {EXPECTED}")
        reasons: dict[str, Reason] = {"": UNKNOWN_VERDICT.reason} | {r: r for r in get_args(Reason)}
        if known.seen_for not in reasons:
            raise InvalidRequest.of(f"seen_for of {known.id}", "expected a reason of the policy")
        verdict = replace(
            UNKNOWN_VERDICT,
            reason=reasons[known.seen_for],
            sampling_probability=known.sampling_probability or 0.0,
        )
        draft = Decision(
            known_action(known),
            labels,
            known.reason,
            moderator=known.moderator,
            source="moderator_external" if known.source == "moderator_external" else "moderator",
        )
        comment = Comment(
            id=known.id,
            text=known.text,
            author_id=known.author_id,
            author_name=known.author_name,
            article_title=known.article_title,
            dialect=known.dialect,
        )
        return int(
            self._verbs(
                site_id,
                "restore",
                id=item_id_of(comment.id),
                record=item_json(comment, verdict),  # of which an export says no more
                content=content_json(comment, {}, None, ()),
                signature=signature_of(comment, verdict),
                action=draft.action,
                decision=draft_json(draft),
                decided=int(decided_at.timestamp() * 1000),
            )[0]
        )

    def anchor(self, site_id: str) -> Anchor:
        """Return where the stream begins: at the last entry that was archived, if there is one."""
        with naming_the_site():
            stored = self._redis.hget(site_key(site_id, "site"), "archived")
        entry_id, digest, n_entries = stored.split(" ") if stored else ("0-0", "", "0")
        return Anchor(entry_id, digest, int(n_entries))

    def verify(
        self, site_id: str, *, known_digest: str = "", archived: Iterable[Entry] | None = None
    ) -> Verified:
        """Check the hash chain of a site, that a digest noted earlier is in it, and its archive.

        Without all entries that were archived, the chain is checked from the last of them on.
        ChainBroken names the first entry that does not follow from the one before.
        """
        anchor = self.anchor(site_id)
        digest, n_entries, seen = anchor.digest, 0, known_digest in ("", anchor.digest)
        older: Iterable[Entry] = ()
        if archived is not None:
            older, digest = up_to(archived, anchor.id), ""
        for entries in (older, self._entries(site_id)):
            for entry in chained(entries, digest, site_id):
                digest, n_entries = entry.digest, n_entries + 1
                seen = seen or digest == known_digest
            if entries is older and digest != anchor.digest:
                raise ChainBroken(f"The archive is not what was before the decisions of {site_id}.")
        if not seen:
            raise ChainBroken(f"The noted digest is not in the decision stream of {site_id}.")
        return Verified(n_entries, digest)

    def _entries(self, site_id: str) -> Iterator[Entry]:
        """Yield all entries of the stream as they are stored."""
        start = "-"
        while start:
            with naming_the_site():
                page = self._redis.xrange(
                    site_key(site_id, "decisions"), start, "+", count=MAX_DECISIONS
                )
            for entry_id, fields in page:
                yield Entry(entry_id, fields.get("body", ""), fields.get("digest", ""))
            start = f"({page[-1][0]}" if page else ""


def link(digest: str, body: str) -> str:
    """Digest of an entry that follows on one with this digest."""
    return hashlib.sha1((digest + body).encode(), usedforsecurity=False).hexdigest()


def chained(entries: Iterable[Entry], digest: str, site_id: str) -> Iterator[Entry]:
    """Yield entries while each follows from the one before, the first from `digest`."""
    for entry in entries:
        digest = link(digest, entry.body)
        if not hmac.compare_digest(digest, entry.digest):
            raise ChainBroken(f"The decision stream of {site_id} is broken at {entry.id}.")
        yield entry


def up_to(entries: Iterable[Entry], last: str) -> Iterator[Entry]:
    """Yield the entries until the one with this id, which is among them."""
    return takewhile(lambda entry: place(entry.id) <= place(last), entries)


def place(entry_id: str) -> tuple[int, int]:
    """Place of an entry in the stream, by which ids can be compared."""
    time, _, number = entry_id.partition("-")
    return int(time), int(number or 0)


def check_decision_id(name: str, value: str) -> None:
    """Raise InvalidRequest, naming the field, where a value is the id of no stream entry."""
    if not _DECISION_ID.fullmatch(value):
        raise InvalidRequest.of(name, "expected the id of a decision")
