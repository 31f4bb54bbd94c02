"""Transparency: what the Digital Services Act asks a site to publish; pure, and no personal data.

Statements of reasons (Art. 17) have the field names of the EU's DSA Transparency Database
(https://transparency.dsa.ec.europa.eu/page/api-documentation), for its endpoint ``statements``;
statistics of a period are for a transparency report (Art. 15 and 24).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from models.spreadsheets import Cell, as_csv
from service.queue.records import OUTCOMES, Decision
from service.reports.statistics import quantile
from service.rules.policy import Verdict
from service.rules.times import day_of

_SPEECH = "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH"
_OTHER = ("STATEMENT_CATEGORY_OTHER_VIOLATION_TC", "KEYWORD_OTHER")
# Our labels, the gravest first, in the database's categories and keywords.
_CATEGORIES = {
    "threat": ("STATEMENT_CATEGORY_VIOLENCE", "KEYWORD_INCITEMENT_VIOLENCE_HATRED"),
    "identity_attack": (_SPEECH, "KEYWORD_HATE_SPEECH"),
    "religious_insult": (_SPEECH, "KEYWORD_HATE_SPEECH"),
    "severe_toxicity": (_SPEECH, "KEYWORD_HATE_SPEECH"),
    "insult": ("STATEMENT_CATEGORY_CYBER_VIOLENCE", "KEYWORD_CYBER_HARASSMENT"),
    "toxicity": ("STATEMENT_CATEGORY_CYBER_VIOLENCE", "KEYWORD_CYBER_HARASSMENT"),
    "spam": ("STATEMENT_CATEGORY_SCAMS_AND_FRAUD", "KEYWORD_OTHER"),
    "profanity": _OTHER,
}
# Reasons without a label; the database has no keyword for what is told of somebody in public.
_BY_REASON = {
    "private_information": (
        "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
        "KEYWORD_MISSING_PROCESSING_GROUND",
    ),
}

# By what readers had reported it for. A report that names a broken rule is none of Art. 16.
_SOURCES: Mapping[str, str] = {
    "": "SOURCE_VOLUNTARY",
    "rules": "SOURCE_TYPE_OTHER_NOTIFICATION",
    "illegal": "SOURCE_ARTICLE_16",
}
_REPORTED = "Readers had reported the comment"
_FLAGGED = "A text classifier flagged the comment"
_FOUND: Mapping[str, str] = {
    "personal_data": "A rule found personal data in the comment",
    "link": "A rule found a link in the comment to a host that the site does not allow",
    "latin_script": "A rule found that the comment is in Latin letters",
    "repeat": "A rule found that many copies of the comment had come",
    "article_closed": "People had closed the article to comments",
}
# Why a person saw a comment that no classifier flagged.
_WHY_SEEN: Mapping[str, str] = {
    "listed": "The comment holds a word of the site's list",
    "author": "The site reviews what its author writes",
    "unsupported_language": "The text classifier cannot read the letters of the comment",
    "random_sample": "The comment was drawn at random",
    "flood": "Its author had sent many comments within an hour",
    "pen_name": "Its author had given no name",
    "article_held": "People had the comments on the article wait for a decision",
    "uncertain": "A text classifier was not sure about the comment",
}


def statements(site_id: str, entries: Iterable[Decision]) -> Iterator[dict[str, object]]:
    """Write a statement of reasons for each rejection, also for one that was taken back later."""
    for entry in entries:
        if entry.kind == "decision" and entry.action == "reject":
            yield _statement(site_id, entry)


def _statement(site_id: str, entry: Decision) -> dict[str, object]:
    by_machine = entry.source == "policy"
    flagged = entry.verdict is not None and entry.verdict.field is not None
    flagged = flagged and not entry.reported  # or a person had read it before, and let it pass
    found = [_CATEGORIES[label] for label in _CATEGORIES if label in entry.labels]
    found = found or [_BY_REASON.get(entry.reason, _OTHER)]
    category, _ = found[0]
    added = sorted({other for other, _ in found[1:]} - {category})
    keywords = sorted({keyword for _, keyword in found})
    rule = entry.reason or "community guidelines"
    statement: dict[str, object] = {
        "decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"],
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": f"Community guidelines: {rule}",
        "incompatible_content_explanation": "The comment breaks the rules for comments on the "
        f"site: {', '.join(entry.labels) or rule}.",
        "incompatible_content_illegal": "No",
        "category": category,
        "category_specification": keywords,
        "content_type": ["CONTENT_TYPE_TEXT"],
        "content_date": day_of(entry.enqueued_at),
        "application_date": day_of(entry.decided_at),
        "decision_facts": _circumstances(entry),
        "source_type": _SOURCES[entry.reported],
        "automated_detection": "Yes" if flagged else "No",
        "automated_decision": "AUTOMATED_DECISION_FULLY"
        if by_machine
        else "AUTOMATED_DECISION_NOT_AUTOMATED",
        "puid": f"{site_id}-{entry.id}-{entry.version}",
    }
    if re.fullmatch("[a-z]{2}", entry.language):  # the database knows languages, no scripts
        statement["content_language"] = entry.language.upper()
    if added:
        statement["category_addition"] = added
    if "KEYWORD_OTHER" in keywords:
        statement["category_specification_other"] = rule
    return statement


def _circumstances(entry: Decision) -> str:
    found = _FOUND.get(entry.verdict.reason) if entry.verdict else None
    if entry.source == "policy" and found:
        return f"{found}; the site rejects such comments without a person."
    if entry.source == "policy":
        return f"{_FLAGGED}; its score passed the threshold for rejection without a person."
    why = _REPORTED if entry.reported else _why_seen(entry.verdict)
    return f"{why}; a moderator read it and rejected it."


def _why_seen(verdict: Verdict | None) -> str:
    if verdict is None or verdict.action == "approve":  # which nobody here was to see
        return "A moderator came upon the comment"
    if verdict.reason == "random_sample" and not verdict.only_sampled:
        return _FLAGGED if verdict.label else "A rule flagged the comment"
    if verdict.reason in _FOUND:
        return _FOUND[verdict.reason]
    return _WHY_SEEN.get(verdict.reason, _FLAGGED)


@dataclass(frozen=True, slots=True)
class PeriodStatistics:
    """Numbers of one site over a period."""

    site: str
    start: str
    end: str
    n_decisions: int
    by_action: Mapping[str, int]
    by_label: Mapping[str, int]  # a decision with two labels counts for both
    by_reason: Mapping[str, int]
    n_automated: int
    by_source: Mapping[str, int]  # of `source_type`
    n_by_people: int
    median_seconds: float | None  # from the comment's arrival to the decision, by people here
    p90_seconds: float | None
    n_reports: int  # of readers that were answered
    by_outcome: Mapping[str, int]  # what became of the comments of these reports
    n_appeals: int
    n_overturned: int
    n_undone: int  # taken back by moderators; not judgements on known answers
    overturn_rate: float  # share of the decisions overturned or taken back, [0, 1]
    n_damaged: int  # entries that cannot be read, and count nowhere else

    def to_csv(self) -> str:
        """Write one line per number: measure, what it is about, value."""
        rows: list[tuple[Cell, ...]] = [("measure", "about", "value")]
        for measure, value in asdict(self).items():
            if isinstance(value, Mapping):
                rows += [(measure, about, number) for about, number in value.items()]
            else:
                rows.append((measure, "", value))
        return as_csv(rows)


def period_statistics(
    site_id: str, entries: Iterable[Decision], start: datetime, end: datetime
) -> PeriodStatistics:
    """Count the decisions from `start` (included) to `end` (excluded)."""
    within = [entry for entry in entries if start.timestamp() <= entry.decided_at < end.timestamp()]
    decisions = [entry for entry in within if entry.kind == "decision"]
    by_people = [entry for entry in decisions if entry.source != "policy"]
    # How long a comment waited at the site's own desk, nobody has told us.
    here = [entry for entry in by_people if entry.source == "moderator"]
    answers = [entry for entry in within if entry.kind == "report"]
    waits = [round(entry.decided_at - entry.enqueued_at, 3) for entry in here]
    n_undone = sum(entry.kind == "undo" and not entry.expected for entry in within)
    n_overturned = sum(entry.overturned for entry in decisions)
    return PeriodStatistics(
        site=site_id,
        start=start.isoformat(),
        end=end.isoformat(),
        n_decisions=len(decisions),
        by_action=_counted(entry.action for entry in decisions),
        by_label=_counted(label for entry in decisions for label in entry.labels),
        by_reason=_counted(entry.reason for entry in decisions if entry.reason),
        by_source=_counted(
            _SOURCES[entry.reported] for entry in decisions if entry.action == "reject"
        ),
        n_automated=len(decisions) - len(by_people),
        n_by_people=len(by_people),
        median_seconds=quantile(waits, 0.5),
        p90_seconds=quantile(waits, 0.9),
        n_reports=sum(len(entry.reports) for entry in answers),
        by_outcome=_counted(_outcome(entry) for entry in answers for _report in entry.reports),
        n_appeals=sum(bool(entry.appeal_of) for entry in decisions),
        n_overturned=n_overturned,
        n_undone=n_undone,
        overturn_rate=(n_overturned + n_undone) / len(decisions) if decisions else 0.0,
        n_damaged=sum(entry.kind == "damaged" for entry in within),
    )


def _outcome(entry: Decision) -> str:
    return OUTCOMES.get(entry.action, "withdrawn")


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))
