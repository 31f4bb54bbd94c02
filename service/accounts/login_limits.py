"""Log-in limits: how often somebody may be wrong at the door.

Secret: what is counted, and for how long. Attempts are counted by name and address together, by
address, and by name, each in a key that expires by itself; what was right is taken off again. Names
and addresses stand in the keys only as digests.

A browser in which a person has logged in before is counted by itself and by nothing else. So a
stranger who uses up the attempts of a name, or of an address that all share behind a proxy, keeps
nobody out who works here already. Source: OWASP, "Slow Down Online Guessing Attacks with Device
Cookies".
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from service.errors import LoginThrottled

__all__ = ["LIMITS", "WINDOW_SECONDS", "LoginThrottled", "Throttle"]

WINDOW_SECONDS = 15 * 60
#: Failures allowed per window: from one address for one name, from one address, for one name.
#: The last is generous, so that a stranger cannot lock somebody out with a handful of requests.
LIMITS = {"pair": 5, "address": 30, "name": 100}
#: Failures allowed per window to a known browser of a person, whatever others do meanwhile.
DEVICE_LIMIT = 5

# Counts one attempt in every key, unless one of them is full: then nothing is counted, and the
# answer is how long to wait. One script, so that many attempts at once are not one too many.
_ATTEMPT = """
local wait = 0
for i, key in ipairs(KEYS) do
  if (tonumber(redis.call('GET', key)) or 0) >= tonumber(ARGV[i + 1]) then
    local left = redis.call('TTL', key)
    if left < 0 then redis.call('EXPIRE', key, ARGV[1]) end
    wait = math.max(wait, left, 1)
  end
end
if wait > 0 then return wait end
for _, key in ipairs(KEYS) do
  if not tonumber(redis.call('GET', key)) then redis.call('SET', key, 0, 'EX', ARGV[1]) end
  redis.call('INCR', key)
end
return 0
"""

# Takes one attempt off every key, because it was right; with '1' all of the first.
_WAS_RIGHT = """
for _, key in ipairs(KEYS) do
  if (tonumber(redis.call('GET', key)) or 0) > 1 then redis.call('DECR', key)
  else redis.call('DEL', key) end
end
if ARGV[1] == '1' then redis.call('DEL', KEYS[1]) end
"""


class Throttle:
    """Counts of failures in Redis, whose errors are the caller's to translate.

    Parameters
    ----------
    redis : redis.Redis
        With ``decode_responses=True``.
    prefix : str
        Of the keys; holds a hash tag.
    """

    def __init__(self, redis: Any, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    def attempt(self, name: str, address: str, device: str = "") -> Sequence[str]:
        """Count one attempt, before anything is looked at.

        Parameters
        ----------
        device : str
            What is known of this person and of nobody else; empty for nothing.

        Returns
        -------
        sequence of str
            What it was counted under, for :meth:`was_right`.

        Raises
        ------
        LoginThrottled
            There were too many; this one is not counted.
        """
        counted = {"pair": f"{name}\n{address}", "address": address, "name": name}
        limits = dict(LIMITS)
        if device:
            counted, limits = {"device": f"{name}\n{device}"}, {"device": DEVICE_LIMIT}
        keys = [self._key(kind, what) for kind, what in counted.items()]
        chosen = [limits[kind] for kind in counted]
        wait = self._redis.eval(_ATTEMPT, len(keys), *keys, WINDOW_SECONDS, *chosen)
        if wait:
            raise LoginThrottled(wait)
        return keys

    def was_right(self, attempt: Sequence[str], *, forgive: bool) -> None:
        """Take an attempt off again; ``forgive`` the failures of this name at this place too."""
        self._redis.eval(_WAS_RIGHT, len(attempt), *attempt, int(forgive))

    def _key(self, kind: str, what: str) -> str:
        digest = hashlib.sha256(what.encode(errors="surrogatepass")).hexdigest()
        return f"{self._prefix}{kind}:{digest[:32]}"
