"""Vocabulary of the console: names of labels, reasons, actions, roles, scores and figures."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import flask_babel
from flask_babel import lazy_gettext as _
from flask_babel.speaklater import LazyString

from models.schema import REASONS
from service.queue.messages import REPORT_REASONS
from service.queue.records import ReviewItem
from service.rules.policy import Verdict

LABEL_NAMES: Mapping[str, LazyString] = {
    "toxicity": _("Abuse"),
    "severe_toxicity": _("Severe abuse"),
    "insult": _("Insult"),
    "profanity": _("Obscenity"),
    "identity_attack": _("Hatred of a group"),
    "threat": _("Threat"),
    "religious_insult": _("Insult to religion"),
    "spam": _("Spam"),
}

DIALECT_NAMES: Mapping[str, LazyString] = {
    "egyptian": _("Egyptian"),
    "levantine": _("Levantine"),
    "gulf": _("Gulf"),
    "iraqi": _("Iraqi"),
    "maghrebi": _("Maghrebi"),
}

_REPORT_NAMES: Mapping[str, LazyString] = {code: _(name) for code, name in REPORT_REASONS.items()}
#: Reasons of a rejection, in the order in which the keys 1 to 9 and 0 choose them.
REASON_NAMES: Mapping[str, LazyString] = {reason: _REPORT_NAMES[reason] for reason in REASONS}

FINDING_NAMES: Mapping[str, LazyString] = {
    "phone": _("Phone number"),
    "email": _("Mail address"),
    "iban": _("Bank account"),
    "card": _("Card number"),
    "national_id": _("National id"),
    "handle": _("Account on a network"),
    "street_address": _("Street address"),
    "link": _("Link"),
}

PROVIDER_SILENT = _(
    "The single sign-on does not answer at the moment. If you have a password for Hakam, log in "
    "with it; otherwise try again in a minute."
)

STATE_NAMES: Mapping[str, LazyString] = {
    "pending": _("waits"),
    "leased": _("in hand"),
    "decided": _("decided"),
    "withdrawn": _("withdrawn"),
}

#: Why a comment waits for a person.
WHY_NAMES: Mapping[str, LazyString] = {
    "score": _("Scores"),
    "uncertain": _("The machine is not sure"),
    "reported": _("Reported by readers"),
    "appeal": _("Appeal"),
    "escalated": _("Left to the seniors"),
    "listed": _("Word of the list"),
    "personal_data": _("Personal data"),
    "link": FINDING_NAMES["link"],
    "repeat": _("Repeated text"),
    "flood": _("Many at once"),
    "author": _("Author"),
    "pen_name": _("No pen name"),
    "latin_script": _("Latin letters"),
    "unsupported_language": _("Another script"),
    "article_held": _("Article held"),
    "random_sample": _("Drawn at random"),
}

ACTION_NAMES: Mapping[str, LazyString] = {
    "approve": _("approved"),
    "reject": _("rejected"),
    "review": _("in review"),
    "undo": _("undone"),
    "withdraw": _("withdrawn"),
    "escalate": _("escalated"),
}

#: By whom something was decided.
SOURCE_NAMES: Mapping[str, LazyString] = {
    "moderator": _("people here"),
    "moderator_external": _("people on the site itself"),
    "policy": _("the rules of the site"),
}

ROLE_NAMES: Mapping[str, LazyString] = {
    "trainee": _("Trainee"),
    "moderator": _("Moderator"),
    "senior": _("Senior moderator"),
    "admin": _("Administrator"),
}

#: Who must have a second factor, by the lowest role of them.
REQUIRED_NAMES: Mapping[str, LazyString] = {
    "": _("nobody"),
    "admin": _("administrators"),
    "senior": _("senior moderators and administrators"),
    "moderator": _("everybody but trainees"),
    "trainee": _("everybody"),
}

COMMAND_NAMES: Mapping[str, LazyString] = {
    "approve": _("Approve"),
    "reject": _("Reject"),
    "skip": _("Skip"),
    "escalate": _("Escalate"),
    "undo": _("Undo"),
    "note": _("Write a note"),
    "reveal": _("Show what is blurred"),
    "mark": _("To the first mark"),
}

THEME_NAMES: Mapping[str, LazyString] = {
    "auto": _("As the system"),
    "light": _("Light"),
    "dark": _("Dark"),
}

TEXT_SIZE_NAMES: Mapping[str, LazyString] = {
    "normal": _("Normal"),
    "small": _("Small"),
    "large": _("Large"),
    "larger": _("Very large"),
}

DENSITY_NAMES: Mapping[str, LazyString] = {
    "comfortable": _("Comfortable"),
    "compact": _("Compact, more on one page"),
}

#: Positions of the switches of a comment policy.
POSITION_NAMES: Mapping[str, LazyString] = {
    "ignore": _("Not checked"),
    "review": _("After a moderator has read it"),
    "reject": _("Not published"),
    # Of a label
    "likely": _("A moderator reads what is likely"),
    "closely": _("A moderator reads all that is in doubt"),
    # Of pen names
    "insulting": _("A moderator reads the insulting ones"),
    "require": _("A name is required as well"),
}

# Words beside every number, so that nobody has to know what 0.83 means. The bounds are those of
# the verbal probability scale of the IPCC (2010), read for one comment.
_SCORE_WORDS: Sequence[tuple[float, LazyString]] = (
    (0.99, _("almost certain")),
    (0.90, _("very likely")),
    (0.66, _("likely")),
    (0.33, _("as likely as not")),
    (0.10, _("unlikely")),
    (0.0, _("very unlikely")),
)

_FIGURES: Mapping[str, tuple[LazyString, LazyString]] = {
    "decisions_per_hour": (
        _("Decisions per hour"),
        _("What people approved and rejected in the last 24 hours."),
    ),
    "my_hours": (_("By the hour"), _("What I approved and rejected in each hour of today.")),
    "my_days": (_("By the day"), _("What I approved and rejected on each of the last days (UTC).")),
    "time_to_decision": (
        _("Time to decision"),
        _("From arrival to decision: the middle of all comments, and the slowest tenth."),
    ),
    "precision_by_label": (
        _("What people reject of what the machine flags"),
        _("For each label, the share of its flagged comments that people rejected."),
    ),
    "agreement": (
        _("Agreement between moderators"),
        _("Cohen's kappa on comments that two people judged: 1 is full agreement, 0 is chance."),
    ),
    "known_answers": (
        _("Agreement with known answers"),
        _("Of the comments mixed in whose answer is known, the share that each person decided so."),
    ),
    "decided_by_machine": (
        _("Decided by the machine"),
        _("The share of all comments that nobody had to look at."),
    ),
    "drift": (
        _("Drift of scores"),
        _("How the scores of this label lie this week and in the weeks before."),
    ),
    "quality": (
        _("How well the machine finds what people reject"),
        _(
            "Precision: of what it flags, what people reject for a label. Recall: of what deserves "
            "it, what it flags, estimated from the random sample. The lines are intervals of 95 "
            "percent."
        ),
    ),
    "unknown_words": (
        _("Words that the machine does not know"),
        _("Their share of all words of each day; a new topic or a new spelling raises it."),
    ),
    "languages": (
        _("Languages"),
        _("In what comments are written, this week and in the weeks before."),
    ),
    "dialects": (
        _("Dialects"),
        _("As far as small words tell them, this week and in the weeks before."),
    ),
    "author_by_week": (
        _("Decisions by week"),
        _("What stands of what was decided about the author, in weeks from Sunday on."),
    ),
    "article_by_hour": (
        _("Comments by the hour"),
        _(
            "As they came in the last 24 hours: what passed, what waited for a person, and what "
            "the rules rejected at once."
        ),
    ),
    "article_by_day": (
        _("Comments by the day"),
        _("The same in the last seven days."),
    ),
}

_SERIES: Mapping[str, LazyString] = {
    "approve": ACTION_NAMES["approve"],
    "reject": ACTION_NAMES["reject"],
    "passed": _("passed"),
    "held": _("waited for a person"),
    "rejected_at_once": _("turned away by the rules"),
    "median": _("the middle"),
    "p90": _("the slowest tenth"),
    "rejected": _("share rejected"),
    "kappa": _("kappa"),
    "right": _("share as known"),
    "machine": _("share without a person"),
    "this_week": _("this week"),
    "weeks_before": _("the weeks before"),
    "unknown": _("share of unknown words"),
    "share": _("share"),
    "low": _("at least"),
    "high": _("at most"),
    "n": _("number of comments"),
    "n_words": _("number of words"),
}

_ROW_KINDS: Mapping[str, LazyString] = {
    "hour": _("Hour"),
    "day": _("Day"),
    "label": _("Label"),
    "people": _("Moderators"),
    "bin": _("Score from"),
    "language": _("Language"),
    "dialect": _("Dialect"),
    "measure": _("Measure"),
}

_MEASURES: Mapping[str, LazyString] = {"precision": _("Precision"), "recall": _("Recall")}

# What comments are written in, where Babel's names of languages and scripts would not say it.
_WRITTEN_IN: Mapping[str, LazyString] = {
    "Arab": _("Arabic"),
    "Latn": _("Latin letters"),
    "Zyyy": _("without letters"),
    "und-Zzzz": _("other letters"),
}

_SHIFTS: Mapping[str, LazyString] = {
    "language": _("Languages"),
    "dialect": _("Dialects"),
    "words": _("Words that the machine does not know"),
}
_SHIFT_WORDS: Mapping[str, LazyString] = {
    "moved": _("has moved"),
    "look": _("worth a look"),
    "steady": _("steady"),
    "chance": _("no more than chance"),
    "unknown": _("too little to compare"),
}


def gettext(message: str, **values: object) -> str:
    """Return a phrase in the reader's language, with ``%(name)s`` filled in."""
    return str(flask_babel.gettext(message, **values))


def ngettext(one: str, many: str, n: int, **values: object) -> str:
    """Return the phrase that fits the number ``n``, which it may name as ``%(num)s``."""
    return str(flask_babel.ngettext(one, many, n, **values))


def _names(names: Mapping[str, LazyString]) -> Callable[[str | None], str]:
    """Return what names a code; an unknown code is shown as it is."""
    return lambda code: str(names.get(code or "", code or ""))


label_name, dialect_name = map(_names, (LABEL_NAMES, DIALECT_NAMES))
# A rejection by the policy may have a reason from which no person chooses.
reason_name = _names(
    {
        **REASON_NAMES,
        "link": FINDING_NAMES["link"],
        "latin_script": _("Latin letters"),
        "repeat": _("Repeated text"),
        "article_closed": _("Article closed to comments"),
    }
)
report_name = _names(_REPORT_NAMES)
mark_name = _names({**LABEL_NAMES, **FINDING_NAMES, "found": _("What was looked for")})
act_name = _names(
    {
        "warning": _("The site is told to warn the author"),
        "hold": _("All that the author writes waits for a person"),
        "release": _("The author is held no longer"),
        "mute": _("The site is asked to mute the author"),
        "block": _("The site is asked to block the author"),
        "restore": _("The site is asked to let the author write again"),
    }
)
told_name = _names(
    {
        "told": _("the site was told"),
        "waits": _("still to be told"),
        "dead": _("could not be told"),
        "unheard": _("the site was not told"),
    }
)
action_name, state_name = map(_names, (ACTION_NAMES, STATE_NAMES))
series_name, row_kind, measure_name = map(_names, (_SERIES, _ROW_KINDS, _MEASURES))
shift_word = _names(_SHIFT_WORDS)


def language_name(code: str) -> str:
    """Return what comments are written in: the tag of a language, or a script (ISO 15924)."""
    if code in _WRITTEN_IN:
        return str(_WRITTEN_IN[code])
    locale, script = flask_babel.get_locale(), code.removeprefix("und-")
    name = str(locale.languages.get(code) or locale.scripts.get(script) or code)
    return name[:1].upper() + name[1:]  # French writes "persan"; it stands alone here


def dialect_row(code: str) -> str:
    """Return the name of a dialect, or that a text does not say which it is of."""
    return gettext("not told") if code == "none" else dialect_name(code)


def shift_name(about: str) -> str:
    """Return what has moved: the scores of a label, or a mix."""
    kind, _colon, label = about.partition(":")
    return gettext("Scores: %(label)s", label=label_name(label)) if label else str(_SHIFTS[kind])


def cause_name(verdict: Verdict) -> str:
    """Return the name of what speaks against a comment: a label or a finding; else nothing."""
    return label_name(verdict.label) or reason_name(verdict.rejection_reason)


def why_name(item: ReviewItem) -> str:
    """Return why a comment waits, in few words: what brought it here, what speaks against it."""
    cause = cause_name(item.verdict)
    if item.why == "score" and cause:
        return cause
    why = str(WHY_NAMES.get(item.why, item.why))
    return listed(dict.fromkeys([why, cause])) if cause else why


def listed(names: Iterable[str]) -> str:
    """Return names with commas of the reader's language between them."""
    return gettext(", ").join(names)


def filter_name(only: Mapping[str, str]) -> str:
    """Return the name of the label or dialect that somebody works on."""
    names = {"label": label_name, "dialect": dialect_name}
    return listed(names[kind](value) for kind, value in only.items())


def failure_name(failure: str) -> str:
    """Return why a site could not be told; what has no words of its own stays as it is."""
    if failure.startswith("Coral: "):
        return "Coral: " + failure_name(failure.removeprefix("Coral: "))
    if failure.startswith("status "):
        return gettext("status %(status)s", status=failure.removeprefix("status "))
    return gettext(failure) if failure else ""


def score_words(score: float) -> str:
    """Return a score in [0, 1] in words."""
    return next((str(words) for bound, words in _SCORE_WORDS if score >= bound), "")


def figure_name(code: str) -> str:
    """Return the title of a figure; a drift figure names its label."""
    kind, _colon, label = code.partition(":")
    title = str(_FIGURES[kind][0])
    if not label:
        return title
    return gettext("%(name)s: %(value)s", name=title, value=label_name(label))


def figure_note(code: str) -> str:
    """Return the sentence under the title of a figure."""
    return str(_FIGURES[code.partition(":")[0]][1])
