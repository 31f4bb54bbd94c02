"""Messages to readers and authors say in every language what Articles 16 and 17 of the DSA want."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale

from service.console import vocabulary
from service.queue.messages import (
    REPORT_REASONS,
    author_message,
    notice,
    notices,
    receipt,
    told,
)
from service.queue.records import Decision, Report
from service.rules.phrases import LANGUAGES
from service.rules.policy import Verdict
from service.sites.site import Site

SITE = Site("demo", name="100% News {0} %(site)s <b>")
NOON = 1_768_478_400.0
REPORT = Report("r" * 16, "c-1", "item", "insult", NOON)
FLAGGED = Verdict("review", "insult", "text", 0.8, "score", 1.0, "v1")
REJECTION = Decision(
    "reject",
    ("insult",),
    "insult",
    moderator="amal",
    id="1768478400000-0",
    comment_id="c-1",
    enqueued_at=NOON - 86_400,
    decided_at=NOON,
    verdict=FLAGGED,
)


def all_messages() -> list[dict[str, str]]:
    answered = [
        replace(REPORT, outcome=outcome, resolved_at=NOON, answer_reason=reason, by_machine=machine)
        for outcome in ("removed", "kept", "withdrawn")
        for reason in ("insult", "", "a-code-of-theirs")
        for machine in (False, True)
    ]
    decisions = [
        REJECTION,
        replace(REJECTION, source="policy"),
        replace(REJECTION, reported="rules", reply="please be kind"),
        replace(REJECTION, verdict=None, labels=(), reason=""),
    ]
    found = [notice(SITE, report) for report in answered]
    found += [
        author_message(SITE, one, url) for one in decisions for url in ("", "https://x.example")
    ]
    assert all(found)
    return [receipt(SITE, REPORT), *(message for message in found if message)]


def test_every_message_is_said_in_all_languages_with_the_name_of_the_site() -> None:
    arabic = re.compile("[\N{ARABIC LETTER HAMZA}-\N{ARABIC LETTER YEH}]")
    for message in all_messages():
        assert tuple(message) == tuple(LANGUAGES)
        assert len(set(message.values())) == len(LANGUAGES)
        assert arabic.search(message["ar"])
        for text in message.values():
            assert SITE.name in text
            assert "None" not in text


def test_a_day_is_written_as_each_language_writes_it() -> None:
    said = receipt(SITE, REPORT)
    assert "15 \u064a\u0646\u0627\u064a\u0631 2026" in said["ar"]  # "15 January 2026"
    assert "January 15, 2026" in said["en"]
    assert "15 janvier 2026" in said["fr"]


def test_no_message_names_a_moderator_and_each_can_be_told_apart_by_a_number() -> None:
    for message in all_messages():
        for text in message.values():
            assert "amal" not in text
            assert REPORT.id in text or REJECTION.id in text or "https://x.example" in text


def test_a_reason_is_called_what_the_console_calls_it(app: Flask) -> None:
    for language in LANGUAGES:
        with app.test_request_context(), force_locale(language):
            for reason in REPORT_REASONS:
                rejection = replace(REJECTION, reason=reason, labels=())
                message = author_message(SITE, rejection)
                assert message is not None
                assert vocabulary.report_name(reason) in message[language]


@pytest.mark.parametrize(
    ("decision", "sentence"),
    [
        (REJECTION, "A program had found it"),
        (replace(REJECTION, reported="illegal"), "Readers had reported it"),
        (replace(REJECTION, verdict=None), "found by the editors"),
        (replace(REJECTION, source="policy"), "A program decided this"),
        (replace(REJECTION, source="moderator_external"), "A person decided this"),
        (replace(REJECTION, reply="be kind"), "The editors write: be kind"),
    ],
)
def test_a_statement_of_reasons_says_how_the_comment_was_found_and_who_decided(
    decision: Decision, sentence: str
) -> None:
    message = author_message(SITE, decision)
    assert message is not None
    assert sentence in message["en"]


def test_a_statement_of_reasons_leads_to_where_the_author_can_object() -> None:
    site = replace(SITE, reader_link_secret="f" * 32)
    message = author_message(site, REJECTION, "https://hakam.example")
    assert message is not None
    for text in message.values():
        assert "https://hakam.example/readers/demo/appeal?token=" in text


@pytest.mark.parametrize("change", [{"action": "approve"}, {"kind": "undo"}, {"kind": "report"}])
def test_nothing_but_a_rejection_has_a_statement_of_reasons(change: dict[str, Any]) -> None:
    assert author_message(SITE, replace(REJECTION, **change)) is None
    assert "author_message" not in told(SITE, replace(REJECTION, **change))


def test_an_answer_to_reports_has_a_notice_for_each_reader() -> None:
    entry = replace(REJECTION, kind="report", reports=("a" * 16, "b" * 16))
    found = notices(SITE, entry)
    assert set(found) == set(entry.reports)
    for report_id, message in found.items():
        assert report_id in message["en"]
        assert "Reason: Insult" in message["en"]


def test_a_report_that_waits_has_no_notice_yet() -> None:
    assert notice(SITE, REPORT) is None
