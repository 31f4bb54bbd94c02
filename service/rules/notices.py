"""Notices: when moderators are told that something is wrong; pure.

One notice says that a trouble has begun, few more that it goes on, and one that it is over. Who has
been told something within a day hears the next of the same trouble later, twice as late each time,
so that what comes and goes all day makes no flood; and nothing is sent in quiet hours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Kind = Literal["backlog", "raid", "failing", "undelivered", "store"]
KINDS: tuple[Kind, ...] = ("backlog", "raid", "failing", "undelivered", "store")
News = Literal["begun", "reminder", "over"]

HOUR_SECONDS, DAY_SECONDS = 3_600.0, 86_400.0
#: How long after its beginning a trouble is told again, while it goes on.
REMINDERS_SECONDS = (HOUR_SECONDS, 4 * HOUR_SECONDS, DAY_SECONDS, 3 * DAY_SECONDS, 7 * DAY_SECONDS)
PAUSE_SECONDS = 900.0  # after one notice of a day; twice as long after each further one ...
MAX_PAUSE_SECONDS = DAY_SECONDS  # ... up to this
TRY_AGAIN_SECONDS = 120.0  # after a failure; twice as long after each further one ...
MAX_TRY_AGAIN_SECONDS = 6 * HOUR_SECONDS  # ... up to this
N_TIMES = 8  # that are remembered

QUIET_HOURS_FORM = r"^(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:[01][0-9]|2[0-3]):[0-5][0-9])?$"


@dataclass(frozen=True, slots=True)
class Told:
    """What one address has heard of one kind of trouble; times are Unix time."""

    is_on: bool = False  # as it was told last
    began: float = 0.0  # when it was told that it began
    n_reminders: int = 0  # since then
    at: tuple[float, ...] = ()  # when it was told anything, the latest last
    n_failures: int = 0  # attempts in a row that did not reach it
    failed_at: float = 0.0

    def next(self, is_on: bool, now: float) -> News | None:
        """Return what the address is to hear now of a trouble that is there, or is not."""
        waits = min(TRY_AGAIN_SECONDS * 2 ** min(self.n_failures - 1, 20), MAX_TRY_AGAIN_SECONDS)
        if self.n_failures and self.failed_at <= now < self.failed_at + waits:
            return None
        if is_on != self.is_on:
            lately = [at for at in self.at if now - DAY_SECONDS < at <= now]
            pause = min(PAUSE_SECONDS * 2 ** max(0, len(lately) - 1), MAX_PAUSE_SECONDS)
            if lately and now < lately[-1] + pause:
                return None
            return "begun" if is_on else "over"
        if is_on and self.n_reminders < len(REMINDERS_SECONDS):
            due = self.began + REMINDERS_SECONDS[self.n_reminders]
            return "reminder" if now >= due else None
        return None

    def heard(self, news: News, now: float) -> Told:
        """Return what is known after the address has taken a notice."""
        n_reminders = 0
        if news == "reminder":  # those that were due meanwhile, as in quiet hours, are one
            n_reminders = sum(self.began + after <= now for after in REMINDERS_SECONDS)
        return Told(
            is_on=news != "over",
            began=now if news == "begun" else self.began,
            n_reminders=n_reminders,
            at=(*self.at, now)[-N_TIMES:],
        )

    def missed(self, now: float) -> Told:
        """Return what is known after a notice has not reached the address."""
        return replace(self, n_failures=self.n_failures + 1, failed_at=now)

    def to_record(self) -> Mapping[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Told:
        """Read what `to_record` gave."""
        return cls(**{**record, "at": tuple(record["at"])})


def is_zone(name: str) -> bool:
    """Whether a time zone has this name.

    >>> is_zone("Asia/Riyadh"), is_zone("Riyadh"), is_zone("../etc")
    (True, False, False)
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, or long
        return False
    return True


def is_quiet(hours: str, zone: str, now: float) -> bool:
    """Whether a moment lies in quiet hours, as ``22:00-07:00``, of a time zone.

    >>> is_quiet("22:00-07:00", "Asia/Riyadh", 1_700_000_000.0)  # 01:13 there
    True
    >>> is_quiet("09:00-17:00", "UTC", 1_700_000_000.0), is_quiet("", "UTC", 0.0)
    (False, False)
    """
    if not hours or not re.fullmatch(QUIET_HOURS_FORM, hours):
        return False
    begins, _, ends = hours.partition("-")
    known = ZoneInfo(zone) if is_zone(zone) else UTC
    here = datetime.fromtimestamp(now, known).strftime("%H:%M")
    if begins <= ends:
        return begins <= here < ends
    return here >= begins or here < ends
