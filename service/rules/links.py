"""Links: what a reader could follow out of a text, but to the hosts that a site allows.

A link is an address with a scheme, a path or ``www.`` before it, or a bare host under a top level
that people write without one; also one whose dot was written in words or set apart, so that no
filter sees it. A mail address is none. Linear.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from service.rules.addresses import Address, addresses, under
from service.rules.plain_text import plain

MAX_HOSTS, MAX_HOST_LENGTH = 500, 253

# Top levels of bare hosts, but not words that follow a full stop (in, is, it, me, my, so, to).
_WRITTEN_BARE = (
    "com net org info biz edu gov io app dev online site xyz shop store club link live news tv co "
    "gg gl cc sa ae eg kw qa bh om ye iq jo sy lb ps dz tn ly sd mr dj km ir tr uk fr ru eu"
)
_TOP_LEVELS = frozenset(_WRITTEN_BARE.split())
# Also before a host in letters that are not Latin.
_WRITTEN_OUT = re.compile(
    r"(?<![a-z0-9+-])[a-z][a-z0-9+-]{1,15}+://([^\s/?#]{1,253})(?:[/?#]\S{0,2000})?"
)
# A dot in any form, or in words: without one there is no link.
_WORTH_READING = re.compile(
    "[.:\u2024\u2488-\u249b\u3002\uff0e\uff61]|[dD][oO][tT]|\u062f\u0648\u062a"
)
# With blanks around the dot, or the dot in brackets or in words.
_SPLIT = re.compile(
    r"(?<![a-z0-9@.-])[a-z0-9-]{2,63}+"
    r"(?: {1,2}\. {0,2}|\. {1,2}| ?[(\[{] ?(?:\.|dot|\u062f\u0648\u062a) ?[)\]}] ?"
    r"| dot | \u062f\u0648\u062a )(?:com|net|org)(?![a-z0-9-])"
)
#: A line of the allow list: a host, or an address of which it is the host.
HOST_FORM = (
    r"^(?:[A-Za-z][A-Za-z0-9+-]*://)?[^\s/?#:@.\x00]+(?:\.[^\s/?#:@.\x00]+)+(?::[0-9]+)?"
    r"(?:[/?#][^\s\x00]*)?$"
)
_HOST_OF_LINE = re.compile(
    r"(?:[a-z][a-z0-9+-]{1,15}://)?([^\s/?#:@.]+(?:\.[^\s/?#:@.]+)+)(?::[0-9]+)?(?:[/?#]\S*)?"
)


@lru_cache(maxsize=1_024)
def find(text: str, allowed: Collection[str] = frozenset()) -> tuple[tuple[int, int], ...]:
    """Return where links stand that lead to no allowed host or one under it.

    >>> find("see https://a.example/x and b.com, not c.me", frozenset({"a.example"}))
    ((28, 33),)
    """
    if not _WORTH_READING.search(text):
        return ()
    letters, places = plain(text)
    found = sorted(_links(letters, allowed))
    apart = list[tuple[int, int]]()
    end = 0
    for start, stop in found:
        if start >= end:
            apart.append((places[start], places[stop - 1] + 1))
            end = stop
    return tuple(apart)


def host_of(line: str) -> str:
    """Return the host that somebody means by a host or an address; empty if there is none.

    >>> host_of("https://www.News.example/sport"), host_of("news")
    ('news.example', '')
    """
    match = _HOST_OF_LINE.fullmatch(plain(line.strip())[0])
    return match[1].removeprefix("www.") if match else ""


def _links(letters: str, allowed: Collection[str]) -> Iterator[tuple[int, int]]:
    seen = set[int]()
    login_end = -1  # of a host that is none: a name before the sign @ of an address
    for one in addresses(letters):
        behind_at = one.start > 0 and letters[one.start - 1] == "@"
        is_link = one.start - 1 == login_end if behind_at else _is_link(one)
        if one.has_scheme:
            seen.add(one.start)
            login_end = one.end
        if is_link and (
            letters[one.end : one.end + 1] == "@" or not _is_allowed(one.host, allowed)
        ):
            yield one.start, one.end
    for match in _WRITTEN_OUT.finditer(letters):
        if match.start() not in seen and match[1] not in allowed:
            yield match.span()
    for match in _SPLIT.finditer(letters):
        yield match.span()


def _is_link(one: Address) -> bool:
    top = one.host.rpartition(".")[2]
    if one.has_scheme:
        return True
    if not top.isalpha():
        return False
    with_more = one.path.startswith("/") or one.host.startswith("www.")
    return top in _TOP_LEVELS or (with_more and len(top) > 1)


def _is_allowed(host: str, allowed: Collection[str]) -> bool:
    return any(above in allowed for above in under(host))
