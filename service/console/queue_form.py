"""What a list of the queue is asked for: the filters that stand in the address of its page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from flask import url_for
from werkzeug.datastructures import MultiDict

from models.dialect import DIALECTS
from models.schema import LABELS
from service.console.vocabulary import DIALECT_NAMES, LABEL_NAMES, WHY_NAMES
from service.console.vocabulary import gettext as _
from service.queue.listing import ORDERS, STATES, Wanted

MAX_LENGTH = 1_000  # of an id
#: Filter -> what may be chosen, where that is a list.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "sort": ORDERS,
    "state": STATES,
    "label": tuple(LABELS),
    "dialect": tuple(DIALECTS),
    "reason": tuple(WHY_NAMES),
    "reported": ("1", "0"),
}
FIELDS = (*CHOICES, "article_id", "author_id", "version", "copies")


@dataclass(frozen=True, slots=True)
class QueueForm:
    """The filters that are set; what is not known is as if it were not set."""

    given: Mapping[str, str]

    @classmethod
    def of(cls, fields: MultiDict[str, str]) -> "QueueForm":
        """Read the fields of an address."""
        given = {name: fields.get(name, "").strip() for name in FIELDS}
        return cls(
            {
                name: value
                for name, value in given.items()
                if 0 < len(value) <= MAX_LENGTH
                and "\0" not in value
                and value in CHOICES.get(name, (value,))
            }
        )

    @property
    def has_more(self) -> bool:
        """Whether a filter is set that the form keeps folded."""
        return bool(self.given.keys() & {"article_id", "author_id", "version", "reported"})

    def address(self, site_id: str, **changed: str | int | None) -> str:
        """Return the address of the list, with some filters changed; None takes one out."""
        values: dict[str, Any] = {**self.given, **changed}
        return url_for("console.queue.index", site_id=site_id, **values)

    def wanted(self) -> Wanted:
        """Return what is to be listed."""
        reported = self.given.get("reported")
        named = ("label", "dialect", "article_id", "author_id", "copies", "version")
        return Wanted(
            order=cast(Any, self.given.get("sort", "urgent")),
            state=cast(Any, self.given.get("state", "pending")),
            why=self.given.get("reason", ""),
            reported=None if reported is None else reported == "1",
            **{name: self.given[name] for name in named if name in self.given},
        )


def choices() -> dict[str, Mapping[str, str]]:
    """Return what may be chosen, with its names."""
    return {
        "sort": {
            "urgent": _("Most urgent"),
            "newest": _("Newest"),
            "oldest": _("Oldest"),
            "reported": _("Most reported"),
        },
        "state": {
            "pending": _("Waiting"),
            "leased": _("Held by a colleague"),
            "escalated": _("For the seniors"),
            "troubled": _("Left again and again"),
        },
        "label": {code: str(LABEL_NAMES[code]) for code in CHOICES["label"]},
        "dialect": {code: str(DIALECT_NAMES[code]) for code in CHOICES["dialect"]},
        "reason": {code: str(name) for code, name in WHY_NAMES.items()},
        "reported": {"1": _("Reported by readers"), "0": _("Not reported")},
    }
