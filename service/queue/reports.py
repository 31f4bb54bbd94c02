"""Reports: readers' complaints about published comments.

Promises: a reader's report about a comment is taken once, and whoever it is from counts once; the
comment comes back before people and stays published meanwhile; who decides about it answers all
reports that wait, in the same script, and the site is told. The reports of readers who were mostly
wrong weigh nothing, and all strangers together no more than one reader who is always right, so that
a flood of false reports moves nothing ahead. Four keys of a site, each bounded::

    :reports       hash  report id -> `ReportRecord`
                         i<item id> -> ids of the reports about it, the oldest first
    :report_words  hash  report id -> what the reader explains
                         <report id>:contact -> where to reach the reader, until they were told
    :report_times  zset  report id, by the time it came or was answered; u<reporter>, by the time
                         of their last report
    :reporters     hash  digest of a reader -> how many of theirs were right, wrong, and came today

The weight of a reader is (right + 1) / (right + wrong + 2), Laplace's rule of succession; 0 from
three answered reports on of which less than a quarter were right. Readers of whom nothing is known
weigh one at most, all together. With a weight w a comment is due 2^-w of the site's time target
after the first report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.errors import (
    Conflict,
    ItemUnreadable,
    NotFound,
    ServiceError,
    TooManyReports,
    UnknownComment,
)
from service.queue.encoding import (
    content_json,
    item_json,
    read_report,
    report_json,
    signature_of,
)
from service.queue.records import (
    Comment,
    Report,
    ShownReport,
    content_digest,
    item_id_of,
    short_digest,
)
from service.rules.policy import Verdict
from service.rules.priority import head_start, severity, slack_ms
from service.sites.site import Site
from service.store.connect import Redis
from service.store.errors import naming_the_site
from service.store.scripts import Verbs, site_key

MAX_ABOUT_COMMENT = 200  # that wait; one more tells nothing new
MAX_A_DAY = 50  # of one reader
MAX_DOUBTED_A_DAY = 3  # of one whose reports weigh nothing
MAX_KEPT = 100_000  # of a site, with what is known of readers
MAX_SHOWN = 20
PAGE = 1_000

_ID_LENGTH = 16


class Reports:
    """The reports of all sites; every method raises StoreUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        self._verbs = Verbs(redis, "queue")

    def add(
        self,
        site: Site,
        comment: Comment,
        verdict: Verdict | None,
        *,
        reason: str,
        reporter: str,
        explanation: str = "",
        contact: str = "",
        digest: str | None = None,
        strict: bool = False,
        **found: Any,
    ) -> tuple[Report, bool]:
        """Take a report in; return it, and whether it is new.

        With a verdict the comment is what the site has, and comes before people if nothing else is
        known of it; without one only its id is known. `digest` is of a text that the site has kept
        to itself. `strict`: a report about another text than the one that is known is Conflict,
        else it is an edit. UnknownComment where nothing is kept of the comment, TooManyReports
        where the reader, or the comment, has too many.
        """
        if digest is None:
            digest = content_digest(comment) if verdict else ""
        report_id = self.report_id(comment.id, reporter or f"\0{contact}\0{explanation}")
        record = content = signature = ""
        slack = 0
        if verdict:
            record = item_json(comment, verdict, digest=digest)
            content = content_json(comment, found["scores"], **_beside(found))
            signature = signature_of(comment, verdict)
            start = head_start(
                severity(verdict, found["scores"], site.label_weights), comment.reach
            )
            slack = slack_ms(site.time_target_seconds, start)
        outcome, *answer = self._verbs(
            site.id,
            "report",
            id=item_id_of(comment.id),
            report=report_id,
            facts=report_json(comment.id, reason, reporter_digest(reporter)),
            explanation=explanation,
            contact=contact if site.has_webhook else "",
            digest=digest,
            strict=int(strict),
            record=record,
            content=content,
            signature=signature,
            slack=slack,
            target_ms=slack_ms(site.time_target_seconds, 0.0),
            most_about=MAX_ABOUT_COMMENT,
            most_a_day=MAX_A_DAY,
            most_doubted_a_day=MAX_DOUBTED_A_DAY,
            most_kept=MAX_KEPT,
        )
        if outcome != "ok":
            error, sentence = _REFUSED[outcome]
            raise error(sentence)
        report = read_report(report_id, answer[1])
        if report is None:
            raise ItemUnreadable("What is stored of this report cannot be read.")
        return report, bool(answer[0])

    @staticmethod
    def report_id(comment_id: str, reporter: str) -> str:
        """Return the id of a reader's report about a comment: the same for each time it comes."""
        return short_digest("report", comment_id, reporter, length=_ID_LENGTH)

    def get(self, site_id: str, report_id: str) -> Report:
        """Return a report; NotFound where there is none, or it has been forgotten."""
        (record,) = self._verbs(site_id, "report_record", report=report_id)
        report = read_report(report_id, record) if record and len(report_id) == _ID_LENGTH else None
        if report is None:
            raise NotFound("No report has this id.")
        return report

    def about(self, site_id: str, item_id: str) -> list[ShownReport]:
        """List reports about an item that wait for an answer, the latest first."""
        found = self._verbs(site_id, "reports_about", id=item_id, limit=MAX_SHOWN)
        return [
            ShownReport(report, explanation or "", right, wrong)
            for report_id, record, explanation, right, wrong in found
            if (report := read_report(report_id, record))
        ]

    def contacts(self, site_id: str, report_ids: Sequence[str]) -> dict[str, str]:
        """Return where to reach the readers of these reports, of those who said it."""
        if not report_ids:
            return {}
        with naming_the_site():
            names = [f"{report_id}:contact" for report_id in report_ids]
            found = self._redis.hmget(site_key(site_id, "report_words"), names)
        return {one: contact for one, contact in zip(report_ids, found, strict=True) if contact}

    def forget_contacts(self, site_id: str, report_ids: Sequence[str]) -> None:
        """Forget where to reach the readers of these reports: they can be told now."""
        if report_ids:
            with naming_the_site():
                names = [f"{report_id}:contact" for report_id in report_ids]
                self._redis.hdel(site_key(site_id, "report_words"), *names)

    def forget(self, site_id: str, before_ms: int) -> int:
        """Forget what was answered before a time, and who has not reported since."""
        before = max(1, before_ms)
        return self._verbs.until_done(site_id, "reports_forget", before=before, limit=PAGE)

    def erase(self, site_id: str, reporter: str) -> int:
        """Forget what somebody wrote in reports, and that these were theirs; return how many."""
        pages = self._pages_of(site_id, reporter_digest(reporter))
        return sum(n_found for (n_found,) in pages)

    def _pages_of(self, site_id: str, reporter: str) -> Iterator[Sequence[Any]]:
        return self._verbs.pages(site_id, "erase_reporter", reporter=reporter)


def reporter_digest(reporter: str) -> str:
    """Return what is kept of who reported."""
    return short_digest("reporter", reporter, length=_ID_LENGTH) if reporter else ""


def _beside(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("author_scores", "evidence", "sentence")}


_REFUSED: Mapping[str, tuple[type[ServiceError], str]] = {
    "unknown": (UnknownComment, "Nothing is kept of this comment: send it as `comment`."),
    "changed": (Conflict, "The comment has another text by now than the one that was reported."),
    "unreadable": (
        ItemUnreadable,
        "What is stored of this item is damaged, or of a format not known here.",
    ),
    "often": (TooManyReports, "This reader has reported enough for today."),
    "full": (
        TooManyReports,
        "Enough reports wait already; what they are about is being looked at.",
    ),
}
