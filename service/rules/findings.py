"""Findings: facts about a comment that are found by rule, and what a site may do about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from models.schema import Field

Rule = Literal["ignore", "review", "reject"]  # what becomes of a comment with such a finding

PERSONAL_DATA = ("phone", "email", "iban", "card", "national_id", "handle", "street_address")
LINK: Final = "link"
Kind = Literal["phone", "email", "iban", "card", "national_id", "handle", "street_address", "link"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found where, in code points of a field as it was written."""

    field: Field
    kind: Kind
    start: int
    end: int
