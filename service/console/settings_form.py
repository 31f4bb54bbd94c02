"""Form of a site's settings: made from the model, and read back.

Every setting of `SETTINGS` stands in one of `GROUPS`. Shares are asked for in percent and times in
minutes. What is stored of a secret is never shown: an empty field leaves it as it is.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import request
from flask_babel import lazy_gettext as _
from flask_babel.speaklater import LazyString

from models.schema import LABELS
from service.console.vocabulary import gettext, label_name, listed
from service.errors import FieldError, InvalidRequest
from service.rules.phrases import LANGUAGES
from service.sites.settings import Setting, lines_of
from service.sites.site import SETTINGS, Site

GROUPS: Sequence[tuple[LazyString | None, Sequence[str]]] = (
    (None, ("name",)),
    (
        _("When a person looks"),
        (
            "review",
            "unsupported_language",
            "review_first_comments",
            "review_after_rejections",
            "random_sample_share",
            "uncertain_per_day",
        ),
    ),
    (_("When the machine rejects by itself"), ("reject",)),
    (_("Personal data and links"), ("personal_data", "links", "allow_hosts")),
    (_("Letters and pen names"), ("latin_script", "pen_names")),
    (
        _("Repeats and floods"),
        ("repeat_review", "repeat_reject", "author_per_hour", "raid_factor"),
    ),
    (
        _("Trusted authors and warnings"),
        ("trust_after", "trusted_sample_share", "warn_after", "hold_after", "hold_hours"),
    ),
    (_("Lists"), ("block_words", "allow_words")),
    (_("Urgency"), ("time_target_seconds", "label_weights")),
    (_("Comparing moderators"), ("second_opinion_share", "known_answer_share")),
    (_("Drift"), ("drift_alarm",)),
    (_("Model on trial"), ("shadow", "shadow_share")),
    (_("Webhook"), ("webhook_url", "webhook_secret", "webhook_old_secret", "webhook_private")),
    (
        _("Notices to moderators"),
        ("notice_addresses", "notice_language", "quiet_hours", "time_zone"),
    ),
    (_("Readers' reports"), ("reader_link_secret", "reader_link_old_secret")),
    (_("Coral"), ("coral_url", "coral_token", "coral_secrets")),
    (
        _("Interfaces and retention"),
        ("requests_per_minute", "queue_analyzed", "retention_days"),
    ),
)
_CHOICES = {
    "review": _("waits for a person"),
    "approve": _("is approved"),
    "ignore": _("is not looked at for it"),
    "reject": _("is rejected"),
    "yes": _("yes"),
    "require": _("waits for a person, without a name too"),
    "no": _("no"),
    **LANGUAGES,
}
_NONE = "\N{EN DASH}"
_FACTORS: Mapping[str, float] = {"share": 0.01, "seconds": 60}
_UNITS = {"share": _("%(name)s, in percent"), "seconds": _("%(name)s, in minutes")}
_NUMBER = _("%(name)s: expected a number from %(low)s to %(high)s.")
_CHOICE = _("%(name)s: this cannot be chosen.")
_COMPLAINTS = {
    "number": _NUMBER,
    "by_label": _NUMBER,
    "address": _("%(name)s: expected an address with http or https."),
    "version": _("%(name)s: this version is not kept here; kept are %(versions)s."),
    "line": _("%(name)s: expected one line of at most %(length)s characters."),
    "lines": _("%(name)s: expected at most %(n_lines)s lines of %(length)s characters."),
    "hours": _("%(name)s: expected two times of day, such as 22:00-07:00."),
    "zone": _("%(name)s: no time zone has this name."),
    "hosts": _("%(name)s: expected at most %(n_lines)s hosts, such as news.example, one a line."),
    "choice": _CHOICE,
    "switch": _CHOICE,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One setting as the form asks for it, with what stands in it at first."""

    setting: Setting
    id: str
    name: str
    value: str | Mapping[str, str]
    choices: Mapping[str, LazyString]
    bounds: tuple[int, int]  # of a number, in the unit of the form
    stored: bool  # there is a secret, which is not shown
    wrong: Mapping[str, str]  # what is wrong with it, or with a label of it, by their ids


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that was not taken: its fields as they were typed, and what is wrong with them."""

    typed: Mapping[str, str]
    wrong: Mapping[str, str]  # by the ids of the fields

    @classmethod
    def by(cls, refusal: InvalidRequest, versions: Sequence[str]) -> "Refused":
        """Return the form of this request, which was refused so."""
        wrong = {_place(one.field): complaint(one, versions) for one in refusal.errors}
        return cls(request.form, wrong)


def _place(field: str) -> str:
    """Return the id of the field that an error names."""
    name, dot, label = field.partition(".")
    return f"{name}_{label}" if dot else _id_of(SETTINGS[name])


def form_of(
    site: Site, refused: Refused | None = None
) -> Sequence[tuple[LazyString | None, Sequence[Field]]]:
    """Return the fields of the form under their headings, with what was typed or the site holds."""
    return [
        (heading, [_field(SETTINGS[name], getattr(site, name), refused) for name in names])
        for heading, names in GROUPS
    ]


def read(site: Site) -> Site:
    """Return the site with what was sent; a number or secret left empty, or not sent, stays."""
    removed = request.form.getlist("remove")
    return site.changed(
        {
            name: setting.default
            if setting.secret and name in removed
            else _read(setting, getattr(site, name))
            for name, setting in SETTINGS.items()
        }
    )


def complaint(error: FieldError, versions: Sequence[str]) -> str:
    """Say in the reader's language what is wrong with a field; these versions are kept."""
    name, _dot, label = error.field.partition(".")
    setting = SETTINGS[name]
    low, high = _bounds(setting)
    values = {
        "name": label_name(label) if label in LABELS else name_of(setting),
        "low": low,
        "high": high,
        "length": setting.length,
        "n_lines": setting.n_lines,
        "versions": ", ".join(versions),
    }
    if setting.secret:
        return gettext("%(name)s: this cannot be used.", **values)
    return str(_COMPLAINTS[setting.kind]) % values


def _field(setting: Setting, value: Any, refused: Refused | None) -> Field:
    choices = ("no", "yes") if setting.kind == "switch" else setting.choices
    named, written = _id_of(setting), "" if setting.secret else _written(setting, value)
    typed: Mapping[str, str] = refused.typed if refused else {}
    if isinstance(written, Mapping):
        ids = {label: f"{setting.name}_{label}" for label in LABELS}
        written = {label: typed.get(one, written.get(label, "")) for label, one in ids.items()}
    elif not setting.secret:
        written = typed.get(named, written)
    return Field(
        setting,
        named,
        name_of(setting),
        value=written,
        choices={choice: _CHOICES[choice] for choice in choices},
        bounds=_bounds(setting),
        stored=setting.secret and bool(value),
        wrong=refused.wrong if refused else {},
    )


def _written(setting: Setting, value: Any) -> str | Mapping[str, str]:
    match setting.kind:
        case "number":
            return f"{value / _FACTORS.get(setting.unit, 1):.10g}"
        case "by_label":
            return {label: f"{number:.10g}" for label, number in value.items()}
        case "lines" | "hosts":
            return "\n".join(value)
        case "switch":
            return "yes" if value else "no"
        case _:
            return str(value)


def _read(setting: Setting, now: Any) -> Any:
    if setting.kind == "by_label":
        return _read_by_label(setting, now)
    text = request.form.get(_id_of(setting))
    if text is None or (not text.strip() and (setting.secret or setting.kind == "number")):
        return now
    match setting.kind:
        case "number":
            number = _number(setting.name, text) * _FACTORS.get(setting.unit, 1)
            return round(number) if setting.whole and math.isfinite(number) else number
        case "lines" | "hosts":
            return lines_of(text)
        case "switch":
            return text == "yes"
        case _:
            return text.strip()


def _read_by_label(setting: Setting, now: Mapping[str, float]) -> Mapping[str, float]:
    numbers = dict(now)
    for label in LABELS:
        text = request.form.get(f"{setting.name}_{label}")
        if text is not None:
            numbers.pop(label, None)
        if text and text.strip():
            numbers[label] = _number(f"{setting.name}.{label}", text)
    return numbers


def _number(field: str, text: str) -> float:
    """Read a number in any digits, which `float` knows, and with an Arabic decimal separator."""
    try:
        return float(text.strip().replace("\N{ARABIC DECIMAL SEPARATOR}", "."))
    except ValueError:
        raise InvalidRequest.of(field, "expected a number") from None


def _id_of(setting: Setting) -> str:
    return re.sub("seconds$", "minutes", setting.name)


def shown(setting: Setting, value: Any) -> str:
    """Return a value as people read it, in the unit of the form; a dash for none."""
    try:
        written = _written(setting, value)
    except (TypeError, AttributeError, ValueError):  # of another version of Hakam
        written = str(value)
    if isinstance(written, Mapping):
        pairs = (
            gettext("%(name)s: %(value)s", name=label_name(label), value=number)
            for label, number in written.items()
        )
        return listed(list(pairs)) or _NONE
    if setting.kind in ("choice", "switch"):
        return str(_CHOICES.get(written, written))
    return written or _NONE


def name_of(setting: Setting) -> str:
    """Return what a setting is called, with its unit."""
    name = gettext(setting.meaning).rstrip(".")
    return str(_UNITS[setting.unit]) % {"name": name} if setting.unit else name


def _bounds(setting: Setting) -> tuple[int, int]:
    """Return the least and the most of a number in the unit of the form."""
    factor = _FACTORS.get(setting.unit, 1)
    return math.ceil(setting.low / factor), math.floor(setting.high / factor)
