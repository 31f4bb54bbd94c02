"""Fair queueing of requests: who sends takes turns, however many requests one of them has sent.

The threads of a web worker take the requests that wait from here. First come, first served would
let a site with a hundred requests at a time, as when one article is flooded, delay the requests of
all others by a hundred; in turns each of the others waits for one request of every sender.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

# What tells senders apart: the key of a site, the session of a moderator, and in the formats of
# other services the site or its key in the address. They are compared only.
_HEADERS = ("AUTHORIZATION", "COOKIE")


def sender_of(channel: Any) -> str:
    """Return who sent the next request of a connection; without a sign of it, its address."""
    request = channel.requests[0]
    named = next((value for name in _HEADERS if (value := request.headers.get(name))), "")
    return str(named or getattr(request, "query", "") or channel.addr[0])


class Turns:
    """Connections with a request that waits, as a deque that is only appended to and taken from.

    Each step takes the same time, however many wait. Whoever uses it holds a lock.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Any]] = OrderedDict()  # the next sender first
        self._n_waiting = 0

    def __len__(self) -> int:
        return self._n_waiting

    def append(self, channel: Any) -> None:
        """Let a connection wait behind the others of its sender."""
        self._waiting.setdefault(sender_of(channel), deque()).append(channel)
        self._n_waiting += 1

    def popleft(self) -> Any:
        """Take the first of the next sender, whose turn then comes last."""
        sender, own = self._waiting.popitem(last=False)
        channel = own.popleft()
        self._n_waiting -= 1
        if own:
            self._waiting[sender] = own
        return channel
