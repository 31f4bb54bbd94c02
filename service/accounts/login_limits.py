"""Login rate limiting: how often a name or an address may be wrong.

Attempts are counted by name and address together, by address, and by name, those at the second
factor by name and day too; what was right is taken off again. Keys hold names and addresses as
digests only.

A browser in which a person has logged in before is counted by itself and by nothing else. So a
stranger who uses up the attempts of a name, or of an address that all share behind a proxy, keeps
nobody out who works here already. Source: OWASP, "Slow Down Online Guessing Attacks with Device
Cookies".
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from ipaddress import IPv6Address, IPv6Network, ip_address

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter

from service.accounts.records import digest
from service.errors import LoginThrottled
from service.store.connect import Redis
from service.store.counts import Counts

WINDOW_MINUTES = 15
# Failures allowed per window. A name has many, so that no stranger can lock somebody out.
LIMITS = {"pair": 5, "address": 30, "name": 100, "device": 5}

_ITEMS: dict[str, RateLimitItem] = {
    kind: RateLimitItemPerMinute(limit, WINDOW_MINUTES, namespace=kind)
    for kind, limit in LIMITS.items()
}
# Six digits are guessed in a month at 100 a window. Who guesses at them knows the password, so that
# no other stranger can use up what the day has.
CODES_A_DAY = 50
_ITEMS["code"] = RateLimitItemPerDay(CODES_A_DAY, namespace="code")
_Count = tuple[RateLimitItem, str]  # a limit, and the digest of what is counted under it


class LoginLimits:
    """Counts of failures; too many raise LoginThrottled, and Redis' errors pass through."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._limiter = FixedWindowRateLimiter(Counts(redis, prefix))

    def attempt(
        self, name: str, address: str, device: str = "", *, at_code: bool = False
    ) -> Sequence[_Count]:
        """Count one attempt before anything is looked at, so that many at once are too many."""
        place = network(address)
        counted = {"pair": f"{name}\n{place}", "address": place, "name": name}
        if at_code:
            counted["code"] = name
        if device:
            counted = {"device": f"{name}\n{device}"}
        counts = [(_ITEMS[kind], digest(what)[:32]) for kind, what in counted.items()]
        for n, count in enumerate(counts, start=1):
            if not self._limiter.hit(*count):
                wait = math.ceil(self._limiter.get_window_stats(*count).reset_time - time.time())
                self._take_off(counts[:n])
                if wait <= 0:  # it has just ended; or it has no end, and somebody spoilt it
                    self._limiter.clear(*count)
                raise LoginThrottled(max(1, wait))
        return counts

    def was_right(self, attempt: Sequence[_Count], *, forgive: bool) -> None:
        """Take an attempt off again; `forgive` the failures of this name at this place too."""
        self._take_off(attempt)
        if forgive:
            self._limiter.clear(*attempt[0])

    def _take_off(self, counts: Sequence[_Count]) -> None:
        for count in counts:
            self._limiter.hit(*count, cost=-1)


def network(address: str) -> str:
    """Return what counts as one address: of IPv6 a network of 64 bits."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Network((found, 64), strict=False))
    return str(found)
