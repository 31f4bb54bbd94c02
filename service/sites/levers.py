"""Levers: what people made of an article: all its comments wait for a person, or none is taken.

They lie beside the record of the site, so that every worker knows them as it knows the settings: a
second after they were changed, and while Redis is down.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from service.rules.times import LATEST

State = Literal["held", "closed"]
MAX_LEVERS = 1_000  # of a site at a time
MAX_HOURS = 720
_FIELD = "article:"  # and the id of the article, in the hash of the site


@dataclass(frozen=True, slots=True)
class Lever:
    """What holds for the comments on an article, until when (Unix time; infinite for no end)."""

    article_id: str
    state: State
    until: float = math.inf
    moderator: str = ""  # who wanted it, where it is known

    def to_json(self) -> str:
        """Write the lever; an end that never comes is left out."""
        until = None if self.until == math.inf else self.until
        facts = {"state": self.state, "until": until, "moderator": self.moderator}
        return json.dumps(facts, ensure_ascii=False)


def field_of(article_id: str) -> str:
    """Return the field of the hash of a site in which the lever of an article lies."""
    return _FIELD + article_id


def read_levers(fields: Mapping[str, str]) -> Mapping[str, Lever]:
    """Return the levers of a site by article; where one cannot be read, the article is held."""
    stored = [(name, text) for name, text in fields.items() if name.startswith(_FIELD)]
    named = ((name.removeprefix(_FIELD), text) for name, text in stored)
    return {article_id: _read(article_id, text) for article_id, text in named}


def _read(article_id: str, text: str) -> Lever:
    try:
        facts = json.loads(text)
        until = math.inf if facts["until"] is None else float(facts["until"])
        if not until < LATEST.timestamp():
            until = math.inf
        state: State = "closed" if facts["state"] == "closed" else "held"
        return Lever(article_id, state, until, str(facts["moderator"]))
    except (ValueError, TypeError, KeyError):
        return Lever(article_id, "held")
