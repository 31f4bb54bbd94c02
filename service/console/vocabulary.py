"""What the console calls things: labels, reasons, actions, roles, scores, times.

Secret: the words. Codes of the product (``insult``, ``reject``) go in, phrases of the reader's
language come out; the phrases themselves are English here and Arabic in ``translations/ar``.
"""

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence

import babel.numbers
import flask_babel
from flask_babel import lazy_gettext as _
from flask_babel.speaklater import LazyString

from models.schema import REASONS

#: The catalogues, each named in its own words ("Arabic" is written in Arabic letters).
LANGUAGES: Mapping[str, str] = {
    "ar": "\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "en": "English",
}

RIGHT_TO_LEFT = {"ar", "fa", "he", "ur"}

LABEL_NAMES: Mapping[str, LazyString] = {
    "toxicity": _("Abuse"),
    "severe_toxicity": _("Severe abuse"),
    "insult": _("Insult"),
    "profanity": _("Obscenity"),
    "identity_attack": _("Hatred of a group"),
    "threat": _("Threat"),
    "spam": _("Spam"),
}

DIALECT_NAMES: Mapping[str, LazyString] = {
    "egyptian": _("Egyptian"),
    "levantine": _("Levantine"),
    "gulf": _("Gulf"),
    "iraqi": _("Iraqi"),
    "maghrebi": _("Maghrebi"),
}

_REASON_NAMES = {
    **LABEL_NAMES,
    "toxicity": _("Other abuse"),
    "off_topic": _("Off topic"),
    "private_information": _("Private information"),
}
#: Reasons of a rejection, in the order in which the keys 1 to 9 choose them.
REASON_NAMES: Mapping[str, LazyString] = {reason: _REASON_NAMES[reason] for reason in REASONS}

#: Why a site could not be told, in the words of the modules that tell.
FAILURE_NAMES: Mapping[str, LazyString] = {
    "the address leads to a private network": _("the address leads to a private network"),
    "no answer in time": _("no answer in time"),
    "the host is not known": _("the host is not known"),
    "the certificate is not valid": _("the certificate is not valid"),
    "no encrypted connection": _("no encrypted connection"),
    "the connection was refused": _("the connection was refused"),
    "no connection": _("no connection"),
    "the answer is not HTTP": _("the answer is not HTTP"),
    "the connection broke off": _("the connection broke off"),
    "the address is not valid": _("the address is not valid"),
    "the secret cannot be used": _("the secret cannot be used"),
    "another test waits for its answer": _("another test waits for its answer"),
    "the access token is not that of an administrator": _(
        "the access token is not that of an administrator"
    ),
    "a moderator there decided otherwise, and that stands": _(
        "a moderator there decided otherwise, and that stands"
    ),
    "no comment has these words, author and story": _(
        "no comment has these words, author and story"
    ),
    "the id of the author is too long": _("the id of the author is too long"),
    "the comment was edited meanwhile": _("the comment was edited meanwhile"),
    "the answer is not understood": _("the answer is not understood"),
    "refused": _("refused"),
}

STATE_NAMES: Mapping[str, LazyString] = {
    "pending": _("waits"),
    "leased": _("in hand"),
    "decided": _("decided"),
    "withdrawn": _("withdrawn"),
}

ACTION_NAMES: Mapping[str, LazyString] = {
    "approve": _("approved"),
    "reject": _("rejected"),
    "review": _("in review"),
    "undo": _("undone"),
    "withdraw": _("withdrawn"),
    "escalate": _("escalated"),
}

ROLE_NAMES: Mapping[str, LazyString] = {
    "moderator": _("Moderator"),
    "senior": _("Senior moderator"),
    "admin": _("Administrator"),
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


def gettext(message: str, **values: object) -> str:
    """Return a phrase in the reader's language, with ``%(name)s`` filled in."""
    return str(flask_babel.gettext(message, **values))


def ngettext(one: str, many: str, n: int, **values: object) -> str:
    """Return the phrase that fits the number ``n``, which it may name as ``%(num)s``."""
    return str(flask_babel.ngettext(one, many, n, **values))


def npgettext(context: str, one: str, many: str, n: int) -> str:
    """Return what `ngettext` does, of phrases that mean something else elsewhere."""
    return str(flask_babel.npgettext(context, one, many, n))


def label_name(label: str | None) -> str:
    """Return the name of a label; an unknown code is shown as it is.

    Examples
    --------
    >>> label_name("off-list")
    'off-list'
    """
    return str(LABEL_NAMES.get(label or "", label or ""))


def dialect_name(dialect: str) -> str:
    """Return the name of a dialect; an unknown code is shown as it is."""
    return str(DIALECT_NAMES.get(dialect, dialect))


def listed(names: Iterable[str]) -> str:
    """Return names with commas of the reader's language between them."""
    return gettext(", ").join(names)


def line_name(only: Mapping[str, str]) -> str:
    """Return the name of the one kind of comments that somebody works on."""
    names = {"label": label_name, "dialect": dialect_name}
    return listed(names[kind](value) for kind, value in only.items())


def reason_name(reason: str | None) -> str:
    """Return the name of a reason code; an unknown code is shown as it is."""
    return str(REASON_NAMES.get(reason or "", reason or ""))


def action_name(action: str | None) -> str:
    """Return the past participle of an action; an unknown code is shown as it is."""
    return str(ACTION_NAMES.get(action or "", action or ""))


def failure_name(failure: str) -> str:
    """Return why a site could not be told; what has no words of its own stays as it is."""
    if failure.startswith("Coral: "):
        return "Coral: " + failure_name(failure.removeprefix("Coral: "))
    if failure.startswith("status "):
        return gettext("status %(status)s", status=failure.removeprefix("status "))
    return str(FAILURE_NAMES.get(failure, failure))


def state_name(state: str) -> str:
    """Return the name of an item's state."""
    return str(STATE_NAMES.get(state, state))


def score_words(score: float) -> str:
    """Return a score in [0, 1] in words."""
    return next((str(words) for bound, words in _SCORE_WORDS if score >= bound), "")


# Whatever number comes to be shown, be it a bad one that somebody stored, has a form: a page that
# shows many comments must not fail for one of them.
_MOST = 1e15  # of a number; format_decimal() fails from 28 digits on
_LONGEST_SECONDS = 1e11  # three thousand years; a timedelta ends at a million
_NOBODY_KNOWS = "\N{EN DASH}"


def _bounded(value: float, most: float) -> float:
    """Return the nearest number between -`most` and `most`; 0 for what is no number."""
    if -most <= value <= most:
        return value
    return most if value > 0 else -most if value < 0 else 0.0


def _at(seconds: float) -> datetime.datetime | None:
    """Return an epoch as a time in UTC, if it lies between the years 1 and 9999."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def number(value: float) -> str:
    """Return a number in the reader's language."""
    return str(flask_babel.format_decimal(_bounded(value, _MOST)))


def percent(share: float) -> str:
    """Return a share of one in percent; what is not all or nothing never reads as if it were."""
    if not 0 < share < 1 or 0 < round(share * 100) < 100:
        return str(flask_babel.format_percent(_bounded(share, _MOST)))
    share = min(max(round(share, 3), 0.001), 0.999)
    locale = flask_babel.get_locale()
    return str(babel.numbers.format_percent(share, locale=locale, decimal_quantization=False))


def score(value: float) -> str:
    """Return a score in percent: a probability, so never all or nothing, however it is rounded."""
    return percent(min(max(value, 0.0001), 0.9999))


def duration(seconds: float) -> str:
    """Return a length of time in the reader's language, in its largest unit."""
    length = datetime.timedelta(seconds=max(0.0, _bounded(seconds, _LONGEST_SECONDS)))
    return str(flask_babel.format_timedelta(length, threshold=1))


def duration_after(seconds: float) -> str:
    """Return a length of time as it is written behind a preposition, where Arabic inflects it."""
    seconds = _bounded(seconds, _LONGEST_SECONDS)
    unit, length = next(
        ((unit, length) for unit, length in _SECONDS_OF.items() if seconds >= length), ("second", 1)
    )
    return _AFTER_PREPOSITION[unit](round(max(0.0, seconds) / length))


_SECONDS_OF = {"day": 86_400, "hour": 3_600, "minute": 60}
_AFTER_PREPOSITION: Mapping[str, Callable[[int], str]] = {
    "second": lambda n: npgettext("after a preposition", "%(num)s second", "%(num)s seconds", n),
    "minute": lambda n: npgettext("after a preposition", "%(num)s minute", "%(num)s minutes", n),
    "hour": lambda n: npgettext("after a preposition", "%(num)s hour", "%(num)s hours", n),
    "day": lambda n: npgettext("after a preposition", "%(num)s day", "%(num)s days", n),
}


def ago(seconds: float) -> str:
    """How long ago something was, in the reader's language."""
    if not seconds >= 60:
        return gettext("just now")
    length = datetime.timedelta(seconds=-_bounded(seconds, _LONGEST_SECONDS))
    return str(flask_babel.format_timedelta(length, threshold=1, add_direction=True))


def epoch(moment: str | float | None) -> float | None:
    """Seconds since the epoch of an ISO 8601 moment; ``None`` if it is none that can be shown.

    Examples
    --------
    >>> epoch("1970-01-01T00:01:00Z")
    60.0
    """
    try:
        if isinstance(moment, (int, float)):
            seconds = float(moment)
        else:
            read = datetime.datetime.fromisoformat(moment or "")
            seconds = (read if read.tzinfo else read.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if _at(seconds) else None


def iso(seconds: float) -> str:
    """Return an epoch as ISO 8601 in UTC, for machines; empty for one that no calendar has.

    Examples
    --------
    >>> iso(60.0)
    '1970-01-01T00:01:00+00:00'
    """
    at = _at(seconds)
    return at.isoformat(timespec="seconds") if at else ""


def moment(seconds: float) -> str:
    """Return an epoch as date and time in the reader's language, which says that it is UTC."""
    at = _at(seconds)
    if not at:
        return _NOBODY_KNOWS
    return gettext("%(moment)s UTC", moment=flask_babel.format_datetime(at, "medium", rebase=False))


# -- Figures ------------------------------------------------------------------------------------

_FIGURES: Mapping[str, tuple[LazyString, LazyString]] = {
    "decisions_per_hour": (
        _("Decisions per hour"),
        _("What people approved and rejected in the last 24 hours."),
    ),
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
        _("How the scores of this label lie this week and the week before."),
    ),
}

_SERIES: Mapping[str, LazyString] = {
    "approve": ACTION_NAMES["approve"],
    "reject": ACTION_NAMES["reject"],
    "median": _("the middle"),
    "p90": _("the slowest tenth"),
    "rejected": _("share rejected"),
    "kappa": _("kappa"),
    "right": _("share as known"),
    "machine": _("share without a person"),
    "this_week": _("this week"),
    "last_week": _("the week before"),
    "n": _("number of comments"),
}

_ROW_KINDS: Mapping[str, LazyString] = {
    "hour": _("Hour"),
    "day": _("Day"),
    "label": _("Label"),
    "people": _("People"),
    "bin": _("Score from"),
}


def figure_name(code: str) -> str:
    """Return the title of a figure; a drift figure names its label."""
    kind, _colon, label = code.partition(":")
    title = str(_FIGURES[kind][0])
    return f"{title}: {label_name(label)}" if label else title


def figure_note(code: str) -> str:
    """Return the sentence under the title of a figure."""
    return str(_FIGURES[code.partition(":")[0]][1])


def series_name(code: str) -> str:
    """Return the name of a column."""
    return str(_SERIES.get(code, code))


def row_kind(kind: str) -> str:
    """Return the head of the first column."""
    return str(_ROW_KINDS[kind])


def row_name(kind: str, row: str, *, short: bool = False) -> str:
    """Return what a row is called; ``short`` where there is little room."""
    if kind == "label":
        return label_name(row)
    if kind not in ("hour", "day"):
        return row
    at = datetime.datetime.fromisoformat(row).replace(tzinfo=datetime.UTC)
    if kind == "hour":
        return str(flask_babel.format_time(at, "H:mm" if short else "short", rebase=False))
    return str(flask_babel.format_date(at, "d/M" if short else "medium", rebase=False))


def figure_value(unit: str, value: float) -> str:
    """Return a value of a figure with its unit, in the reader's language."""
    if unit == "share":
        return percent(value)
    if unit == "seconds":
        return duration(value)
    if unit == "kappa" and -1 < value < 1:  # as for shares: 0.997 is no full agreement
        value = min(max(value, -0.99), 0.99)
    return number(round(value, 2))
