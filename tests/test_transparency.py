"""The transparency output counts what the stream holds, in the words of the DSA's database."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Literal

import pytest

from service.queue.records import Comment, Decision
from service.reports.transparency import period_statistics, statements
from service.rules.policy import Verdict

SCORED = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")
SAMPLED = Verdict("review", None, None, 0.1, "random_sample", 0.01, "v1")
START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 2, 1, tzinfo=UTC)
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC).timestamp()
REJECTION = Decision(
    "reject",
    ("insult",),
    "insult",
    "a note",
    "amal",
    "request-1",
    id="1768478400000-0",
    item_id="item",
    comment_id="c-1",
    version=1,
    enqueued_at=NOON - 60,
    decided_at=NOON,
    verdict=SCORED,
    comment=Comment(id="c-1", text="a text", author_id="reader-7", author_name="a name"),
)
APPROVAL = replace(REJECTION, action="approve", labels=(), reason="")


def test_a_rejection_has_a_statement_in_the_databases_field_names() -> None:
    [statement] = statements("demo", [REJECTION, APPROVAL])
    assert statement == {
        "decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"],
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": "Community guidelines: insult",
        "incompatible_content_explanation": (
            "The comment breaks the rules for comments on the site: insult."
        ),
        "incompatible_content_illegal": "No",
        "category": "STATEMENT_CATEGORY_CYBER_VIOLENCE",
        "category_specification": ["KEYWORD_CYBER_HARASSMENT"],
        "content_type": ["CONTENT_TYPE_TEXT"],
        "content_date": "2026-01-15",
        "application_date": "2026-01-15",
        "decision_facts": (
            "A text classifier flagged the comment; a moderator read it and rejected it."
        ),
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes",
        "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
        "puid": "demo-1768478400000-0-1",
    }


@pytest.mark.parametrize(("language", "told"), [("ar", "AR"), ("fa", "FA"), ("und-Cyrl", None)])
def test_a_statement_names_the_language_of_the_comment_where_it_is_known(
    language: str, told: str | None
) -> None:
    [statement] = statements("demo", [replace(REJECTION, language=language)])
    assert statement.get("content_language") == told


@pytest.mark.parametrize(
    ("reported", "source"),
    [("rules", "SOURCE_TYPE_OTHER_NOTIFICATION"), ("illegal", "SOURCE_ARTICLE_16")],
)
def test_a_statement_about_a_reported_comment_says_that_readers_reported_it(
    reported: Literal["rules", "illegal"], source: str
) -> None:
    rejection = replace(REJECTION, reported=reported)
    [statement] = statements("demo", [rejection])
    assert (statement["source_type"], statement["automated_detection"]) == (source, "No")
    assert str(statement["decision_facts"]).startswith("Readers had reported the comment; ")
    numbers = period_statistics("demo", [REJECTION, rejection], START, END)
    assert numbers.by_source == {"SOURCE_VOLUNTARY": 1, source: 1}


def test_a_statement_holds_no_personal_data() -> None:
    written = json.dumps(list(statements("demo", [REJECTION])))
    for private in ("a text", "a name", "a note", "amal", "reader-7"):
        assert private not in written


def test_a_rejection_by_the_policy_is_fully_automated() -> None:
    [statement] = statements("demo", [replace(REJECTION, source="policy", moderator="")])
    assert statement["automated_decision"] == "AUTOMATED_DECISION_FULLY"


def test_a_rejection_at_the_sites_own_desk_is_by_a_person_who_came_upon_the_comment() -> None:
    clean = Verdict("approve", None, None, 0.1, "clean", 0.01, "v1")
    external = replace(REJECTION, source="moderator_external", verdict=clean, enqueued_at=NOON)
    [statement] = statements("demo", [external])
    assert statement["automated_decision"] == "AUTOMATED_DECISION_NOT_AUTOMATED"
    assert statement["decision_facts"] == (
        "A moderator came upon the comment; a moderator read it and rejected it."
    )
    counted = period_statistics("demo", [REJECTION, external], START, END)
    assert (counted.n_by_people, counted.n_automated) == (2, 0)
    assert counted.median_seconds == 60, "of how long it waited there, nothing is known"


@pytest.mark.parametrize(
    ("verdict", "detected", "facts"),
    [
        (SCORED, "Yes", "A text classifier flagged the comment"),
        (replace(SCORED, reason="random_sample"), "Yes", "A text classifier flagged the comment"),
        (replace(SCORED, reason="listed"), "Yes", "The comment holds a word of the site's list"),
        (SAMPLED, "No", "The comment was drawn at random"),
        (replace(SAMPLED, reason="author"), "No", "The site reviews what its author writes"),
        (
            replace(SAMPLED, reason="unsupported_language"),
            "No",
            "The text classifier cannot read the letters of the comment",
        ),
        (
            replace(SCORED, reason="uncertain"),
            "Yes",
            "A text classifier was not sure about the comment",
        ),
        (
            replace(SAMPLED, reason="personal_data", field="text"),
            "Yes",
            "A rule found personal data in the comment",
        ),
        (replace(SAMPLED, field="text"), "Yes", "A rule flagged the comment"),
        (None, "No", "A moderator came upon the comment"),
    ],
)
def test_a_statement_says_why_a_person_saw_the_comment(
    verdict: Verdict | None, detected: str, facts: str
) -> None:
    [statement] = statements("demo", [replace(REJECTION, verdict=verdict)])
    assert statement["automated_detection"] == detected
    assert statement["decision_facts"] == f"{facts}; a moderator read it and rejected it."


def test_personal_data_are_told_in_their_own_category_and_what_found_them() -> None:
    verdict = Verdict("reject", None, "text", 0.1, "personal_data", 1.0, "v1")
    by_rule = replace(REJECTION, labels=(), reason="private_information", source="policy")
    [statement] = statements("demo", [replace(by_rule, verdict=verdict)])
    assert statement["category"] == "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS"
    assert statement["category_specification"] == ["KEYWORD_MISSING_PROCESSING_GROUND"]
    assert (statement["automated_detection"], statement["automated_decision"]) == (
        "Yes",
        "AUTOMATED_DECISION_FULLY",
    )
    assert statement["decision_facts"] == (
        "A rule found personal data in the comment; "
        "the site rejects such comments without a person."
    )


def test_the_gravest_label_gives_the_category_and_the_others_are_added() -> None:
    [statement] = statements("demo", [replace(REJECTION, labels=("profanity", "insult", "threat"))])
    assert statement["category"] == "STATEMENT_CATEGORY_VIOLENCE"
    assert statement["category_addition"] == [
        "STATEMENT_CATEGORY_CYBER_VIOLENCE",
        "STATEMENT_CATEGORY_OTHER_VIOLATION_TC",
    ]
    assert statement["category_specification_other"] == "insult"


def test_a_rejection_without_a_label_is_another_violation_of_the_terms() -> None:
    [statement] = statements("demo", [replace(REJECTION, labels=(), reason="off_topic")])
    assert statement["category"] == "STATEMENT_CATEGORY_OTHER_VIOLATION_TC"
    assert statement["category_specification_other"] == "off_topic"


def test_every_statement_has_an_id_that_the_database_takes() -> None:
    [statement] = statements("demo", [REJECTION])
    assert re.fullmatch(r"[a-zA-Z0-9-_]{1,500}", str(statement["puid"]))


def test_the_statistics_of_a_period_count_decisions_times_and_reversals() -> None:
    slow = replace(APPROVAL, enqueued_at=NOON - 600)
    entries = [
        REJECTION,
        slow,
        replace(REJECTION, source="policy", moderator="", enqueued_at=NOON),
        replace(REJECTION, kind="undo", action="undo", undoes=REJECTION.id),
        replace(APPROVAL, appeal_of=REJECTION.id, overturned=True),
        replace(REJECTION, decided_at=START.timestamp() - 1),
        replace(REJECTION, decided_at=END.timestamp()),
        replace(REJECTION, kind="known_answer"),
    ]
    numbers = period_statistics("demo", entries, START, END)
    assert numbers.n_decisions == 4
    assert numbers.by_action == {"approve": 2, "reject": 2}
    assert numbers.by_label == numbers.by_reason == {"insult": 2}
    assert (numbers.n_automated, numbers.n_by_people) == (1, 3)
    assert (numbers.median_seconds, numbers.p90_seconds) == (60, 492)
    assert (numbers.n_appeals, numbers.n_overturned, numbers.n_undone) == (1, 1, 1)
    assert numbers.overturn_rate == pytest.approx(0.5)


def test_the_statistics_of_a_period_count_the_reports_that_were_answered() -> None:
    answer = replace(REJECTION, kind="report", reports=("one", "two"))
    kept = replace(answer, action="approve", reports=("three",))
    gone = replace(answer, action="withdraw", reports=("four",))
    numbers = period_statistics("demo", [answer, kept, gone], START, END)
    assert (numbers.n_reports, numbers.n_decisions) == (4, 0)
    assert numbers.by_outcome == {"kept": 1, "removed": 2, "withdrawn": 1}


def test_an_empty_period_has_statistics_too() -> None:
    numbers = period_statistics("demo", [], START, END)
    assert (numbers.n_decisions, numbers.median_seconds, numbers.overturn_rate) == (0, None, 0)
    json.dumps(asdict(numbers))


def test_the_statistics_as_csv_have_a_line_per_number() -> None:
    lines = period_statistics("demo", [REJECTION], START, END).to_csv().splitlines()
    assert lines[0] == "measure,about,value"
    assert "by_label,insult,1" in lines
    assert "n_decisions,,1" in lines


def test_a_reason_that_somebody_chose_is_no_formula_in_the_csv() -> None:
    rejection = replace(REJECTION, reason="=1+1")
    assert "by_reason,'=1+1,1" in period_statistics("demo", [rejection], START, END).to_csv()
