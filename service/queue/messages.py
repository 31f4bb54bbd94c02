"""Messages to readers and authors, as Articles 16 and 17 of the Digital Services Act want them.

Each is said in every language of `LANGUAGES`, for the site to pass on: who reported a comment gets
a confirmation of receipt (Art. 16(4)) and a notice of the decision with the ways to object (Art.
16(5) and (6)), the author of a removed comment a statement of reasons (Art. 17(3)). None names a
moderator or a reader, none repeats a comment.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from babel.dates import format_date

from service.queue.reader_links import appeal_address
from service.queue.records import OUTCOMES, Decision, Report, news
from service.rules.phrases import LANGUAGES, N_, catalogue
from service.rules.times import day_of
from service.sites.site import Site

#: Reasons for which readers report: those of `models.schema.REASONS`, and two of their own.
REPORT_REASONS: Mapping[str, str] = {
    "insult": N_("Insult"),
    "profanity": N_("Obscenity"),
    "identity_attack": N_("Hatred of a group"),
    "threat": N_("Threat"),
    "religious_insult": N_("Insult to religion"),
    "severe_toxicity": N_("Severe abuse"),
    "spam": N_("Spam"),
    "toxicity": N_("Other abuse"),
    "off_topic": N_("Off topic"),
    "private_information": N_("Private information"),
    "illegal": N_("Against the law"),
    "other": N_("Another reason"),
}
REPORTED_FOR = tuple(REPORT_REASONS)
_NAMES = {**REPORT_REASONS, "link": N_("Link")}

Message = dict[str, str]  # language -> text

_BY_MACHINE = N_("A program decided this, by the rules of the site.")
_BY_PERSON = N_("A person decided this.")

_Say = Callable[..., str]  # a phrase in one language, with its values filled in


def _in_all(write: Callable[[_Say], list[str]]) -> Message:
    def say(language: str) -> _Say:
        def said(phrase: str, **values: object) -> str:
            return catalogue(language).gettext(phrase) % {
                key: format_date(value, "long", locale=language)
                if isinstance(value, datetime.date)
                else value
                for key, value in values.items()
            }

        return said

    return {language: "\n\n".join(write(say(language))) for language in LANGUAGES}


def receipt(site: Site, report: Report) -> Message:
    """Confirm that a report was received."""
    return _in_all(
        lambda say: [
            say(
                N_("Your report about a comment on %(site)s was received on %(day)s."),
                site=_name(site),
                day=_day(report.received_at),
            ),
            say(
                N_(
                    "A person will read the comment and decide. You will be told what was decided "
                    "and why. Who wrote the comment is not told who reported it."
                )
            ),
            say(N_("The number of your report: %(id)s"), id=report.id),
        ]
    )


def notice(site: Site, report: Report) -> Message | None:
    """Tell who reported what was decided and why; None while nothing is."""
    if report.outcome is None:
        return None
    outcome = report.outcome
    return _in_all(lambda say: _notice(say, site, report, outcome))


def _notice(say: _Say, site: Site, report: Report, outcome: str) -> list[str]:
    name, day = _name(site), _day(report.resolved_at)
    if outcome == "withdrawn":
        return [
            say(
                N_(
                    "The comment on %(site)s that you reported was removed by its author or by the "
                    "site before anybody decided about it."
                ),
                site=name,
            ),
            say(N_("The number of your report: %(id)s"), id=report.id),
        ]
    if outcome == "removed":
        said = N_("The comment on %(site)s that you reported is removed since %(day)s.")
        why = say(N_("Reason: %(reason)s"), reason=_reason(say, report.answer_reason))
    else:
        said = N_("The comment on %(site)s that you reported stays. This was decided on %(day)s.")
        why = say(
            N_(
                "Reason: a person has read it and found nothing in it that the rules for comments "
                "or the law forbid."
            )
        )
    return [
        say(said, site=name, day=day),
        why,
        say(_BY_MACHINE if report.by_machine else _BY_PERSON),
        say(N_("The number of your report: %(id)s"), id=report.id),
        say(
            N_(
                "If you do not agree, write to the editors of %(site)s within six months and name "
                "this number: somebody else will look at it. You can also turn to a certified "
                "out-of-court dispute settlement body, or to a court."
            ),
            site=name,
        ),
    ]


def notices(site: Site, entry: Decision) -> dict[str, Message]:
    """Return of each report that an entry of the stream answers what its reader can be told."""
    answered = (
        Report(
            id=report_id,
            comment_id=entry.comment_id,
            item_id=entry.item_id,
            reason="",
            received_at=entry.enqueued_at,
            outcome=OUTCOMES.get(entry.action, "withdrawn"),
            decision_id=entry.answered_by,
            resolved_at=entry.decided_at,
            answer_reason=entry.reason,
            by_machine=entry.source == "policy",
        )
        for report_id in entry.reports
    )
    return {report.id: message for report in answered if (message := notice(site, report))}


def told(site: Site, decision: Decision, public_url: str = "") -> dict[str, Any]:
    """Say what a site is told of an entry, with what it may pass on to the author."""
    message = author_message(site, decision, public_url)
    return news(decision) | ({"author_message": message} if message else {})


def author_message(site: Site, decision: Decision, public_url: str = "") -> Message | None:
    """State to an author the reasons for which their comment was rejected; None for anything else.

    Where Hakam has a public address and the site a secret for links, one leads to where they can
    object to this decision.
    """
    if decision.kind != "decision" or decision.action != "reject":
        return None
    address = appeal_address(site, decision, public_url)
    return _in_all(lambda say: _statement(say, site, decision, address))


def _statement(say: _Say, site: Site, decision: Decision, appeal_url: str) -> list[str]:
    name = _name(site)
    paragraphs = [
        say(
            N_("Your comment of %(written)s on %(site)s is not shown since %(day)s."),
            written=_day(decision.enqueued_at),
            site=name,
            day=_day(decision.decided_at),
        ),
        say(
            N_("It breaks the rules for comments of %(site)s. Reason: %(reason)s"),
            site=name,
            reason=_reason(say, decision.reason, *decision.labels),
        ),
        say(_how_found(decision)),
        say(_BY_MACHINE if decision.source == "policy" else _BY_PERSON),
    ]
    if decision.reply:
        paragraphs.append(say(N_("The editors write: %(reply)s"), reply=decision.reply))
    if appeal_url:
        objection = say(
            N_("If you do not agree, object within six months: %(address)s"), address=appeal_url
        )
    else:
        objection = say(
            N_(
                "If you do not agree, write to the editors of %(site)s within six months and name "
                "the decision %(id)s."
            ),
            site=name,
            id=decision.id,
        )
    ways = say(
        N_(
            "Somebody else will look at it. You can also turn to a certified out-of-court dispute "
            "settlement body, or to a court."
        )
    )
    return [*paragraphs, f"{objection} {ways}"]


def _how_found(decision: Decision) -> str:
    if decision.reported:
        return N_("Readers had reported it.")
    if decision.verdict and decision.verdict.field:
        return N_("A program had found it among the comments of the site; nobody had reported it.")
    return N_("It was found by the editors themselves; nobody had reported it.")


def _day(seconds: float) -> datetime.date:
    """Return the day of a moment, in UTC; each language writes it in its own way."""
    return datetime.date.fromisoformat(day_of(seconds))


def _name(site: Site) -> str:
    return site.name or site.id


def _reason(say: _Say, *codes: str) -> str:
    """Name a reason; where it is a code of the site's own, that."""
    named = [say(_NAMES[code]) for code in codes if code in _NAMES]
    return named[0] if named else next(filter(None, codes), say(N_("the rules for comments")))
