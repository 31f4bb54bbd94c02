"""What is asked of search: the fields of its form, which stand in the address of its page."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from werkzeug.datastructures import MultiDict

from models.schema import LABELS
from service.console import formats
from service.console.vocabulary import ACTION_NAMES, LABEL_NAMES, STATE_NAMES
from service.console.vocabulary import gettext as _
from service.errors import FieldError, InvalidRequest
from service.queue.search import Asked, WhereItIs
from service.rules.search_terms import MAX_TERMS, Terms

#: Fields that say what is looked for, in the order of the form.
FIELDS = ("q", "author", "article", "comment", "label", "state", "moderator", "from", "to")
MAX_LENGTH = 256  # of a field: as long as an id may be

STATES = {
    "waiting": STATE_NAMES["pending"],
    "held": STATE_NAMES["leased"],
    "approved": ACTION_NAMES["approve"],
    "rejected": ACTION_NAMES["reject"],
    "withdrawn": STATE_NAMES["withdrawn"],
}


class Unclear(InvalidRequest):
    """What was typed cannot be looked for."""

    def __init__(self, sentence: str) -> None:
        super().__init__([FieldError("search", sentence)])
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class SearchForm:
    """The fields as they were typed."""

    typed: Mapping[str, str]

    @classmethod
    def of(cls, fields: MultiDict[str, str]) -> "SearchForm":
        """Read the fields of an address."""
        return cls({name: fields.get(name, "").strip() for name in FIELDS})

    @property
    def given(self) -> dict[str, str]:
        """Fields with a value, as they stand in an address."""
        return {name: value for name, value in self.typed.items() if value}

    @property
    def more(self) -> list[str]:
        """What is asked beside words, as people read it."""
        names = {**LABEL_NAMES, **STATES}
        return [str(names.get(said, said)) for name, said in self.given.items() if name != "q"]

    def asked(self) -> Asked:
        """Return what is to be looked for; Unclear where that cannot be told."""
        if any(len(value) > MAX_LENGTH for value in self.typed.values()):
            raise Unclear(_("What you typed is too long to be looked for."))
        typed, text = self.typed, Terms.of(self.typed["q"])
        if typed["q"] and not text:
            raise Unclear(_("Type a word to look for, not only signs."))
        if any(len(terms) > MAX_TERMS for terms in (text, *map(Terms.of, self._names))):
            raise Unclear(_("These are too many words to look for at once."))
        if typed["label"] not in ("", *LABELS) or typed["state"] not in ("", *get_args(WhereItIs)):
            raise Unclear(_("One of these choices is not known here."))
        first, last = _day(typed["from"]), _day(typed["to"])
        if first and last and last < first:
            raise Unclear(_("The first day comes after the last one."))
        days: dict[str, Any] = {}
        if first:
            days["first_ms"] = _begin_ms(first)
        if last:
            days["last_ms"] = _begin_ms(last + datetime.timedelta(days=1)) - 1
        return Asked(
            text,
            author=typed["author"],
            article=typed["article"],
            comment_id=typed["comment"],
            label=typed["label"],
            state=cast(WhereItIs, typed["state"]),
            moderator=typed["moderator"],
            **days,
        )

    @property
    def _names(self) -> tuple[str, str]:
        return self.typed["author"], self.typed["article"]


def choices() -> dict[str, Mapping[str, Any]]:
    """Return the names of what can be chosen."""
    return {"labels": LABEL_NAMES, "states": STATES}


def _day(typed: str) -> datetime.date | None:
    if not typed:
        return None
    try:
        day = datetime.date.fromisoformat(typed)
    except ValueError:
        raise Unclear(_("A day is written like this: 2026-01-31.")) from None
    if not 2000 <= day.year < 2200:
        raise Unclear(_("A day is written like this: 2026-01-31."))
    return day


def _begin_ms(day: datetime.date) -> int:
    """Return when a day begins where the reader is."""
    begin = datetime.datetime.combine(day, datetime.time(), formats.zone())
    return int(begin.timestamp() * 1000)
