"""Changes as people read them: names of what was changed, and both values in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _
from flask_babel.speaklater import LazyString

from service.console.settings_form import name_of, shown
from service.console.vocabulary import REQUIRED_NAMES, ROLE_NAMES, gettext, listed
from service.sites.site import SETTINGS
from service.store.trail import Change, Entry

MAX_SHOWN = 50  # of the lines of a list, beside their number

KIND_NAMES: Mapping[str, LazyString] = {
    "site": _("Site added"),
    "settings": _("Settings"),
    "key": _("API keys"),
    "article": _("Article"),
    "account": _("Account"),
    "accounts": _("All accounts"),
    "export": _("Personal data taken out"),
    "erasure": _("Author erased"),
    "retention": _("Old texts forgotten"),
    "webhook": _("Given up, sent once more"),
    "decisions": _("Decisions"),
    "known_answers": _("Known answers"),
}
FIELD_NAMES: Mapping[str, LazyString] = {
    "state": _("State"),
    "role": _("Role"),
    "sites": _("Sites"),
    "password": _("Password"),
    "second_factor": _("Second factor"),
    "single_sign_on": _("Single sign-on"),
    "second_factor_from": _("Who must have a second factor"),
    "recovery_codes": _("Recovery codes"),
    "sessions": _("Sessions"),
    "keys": _("API keys"),
}
VIA_NAMES: Mapping[str, LazyString] = {
    "console": _("console"),
    "command line": _("command line"),
    "api": _("interface"),
    "single sign-on": _("single sign-on"),
    "service": _("Hakam itself"),
}
_WORDS: Mapping[str, LazyString] = {
    "held": _("held"),
    "closed": _("closed"),
    "active": _("active"),
    "added": _("added"),
    "invited": _("invited"),
    "disabled": _("disabled"),
    "ended": _("ended"),
    "on": _("on"),
    "off": _("off"),
    "replayed": _("Failed deliveries"),
    "archived": _("archived"),
    "rebuilt": _("restored from an export"),
    "cleared": _("cleared"),
    "forced": _("however much it was"),
    "feedback": _("Feedback"),
    "decisions": _("Decisions"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One field of a change in the reader's language."""

    field: str
    name: str
    old: str = ""
    new: str = ""
    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    n_more: int = 0  # of the lines of a list, that are not shown
    kind: str = "values"  # or "list", or "secret"


def lines(changes: Mapping[str, Change], most: int = MAX_SHOWN) -> Iterator[Line]:
    """Yield what changed, field by field."""
    for field, change in changes.items():
        name = field_name(field)
        if change.secret:
            yield Line(field, name, kind="secret")
        elif change.is_list:
            n_more = sum(max(0, len(some) - most) for some in (change.added, change.removed))
            added, removed = change.added[:most], change.removed[:most]
            yield Line(field, name, "", "", added, removed, n_more, "list")
        else:
            yield Line(field, name, value(field, change.old), value(field, change.new))


def value(field: str, stored: Any) -> str:
    """Return a value of a field as it is read; a dash for none."""
    if field in SETTINGS:
        return shown(SETTINGS[field], stored)
    if field == "sites":
        return gettext("every site") if stored is None else listed(list(map(str, stored)))
    if field == "second_factor_from":
        return str(REQUIRED_NAMES.get(stored or "", stored))
    if stored is None:
        return "\N{EN DASH}"
    if field == "role" and stored in ROLE_NAMES:
        return str(ROLE_NAMES[stored])
    return str(_WORDS.get(stored, stored))


def field_name(field: str) -> str:
    """Return what a field is called."""
    if field in SETTINGS:
        return name_of(SETTINGS[field]).partition(". ")[0]
    return str(FIELD_NAMES.get(field, field))


def about(entry: Entry) -> str:
    """Return what an entry is about, beside its kind."""
    if entry.kind in ("key", "site") and entry.about:
        return gettext("the key ending in %(mark)s", mark=entry.about)
    own = entry.kind in ("article", "account", "erasure")
    return entry.about if own else str(_WORDS.get(entry.about, entry.about))
