"""Addresses: hosts and links in plain text (see plain_text), read as browsers read them.

One pass over the hosts of a text: linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HOST = re.compile(r"(?<![a-z0-9_-])[a-z0-9_-]++(?:\.[a-z0-9_-]++)++")
_REST = re.compile("(?::[0-9]+)?(?P<path>[/?#][^\\s\u0600-\u06ff]*)?")
_LONGEST_REST = 2_048  # links may stand in links, and none is read to the end of the text each time
_SENTENCE_SIGNS = ".,;:!?)"  # behind a link they are not of it
_SCHEME = re.compile(r"[a-z][a-z0-9+-]{0,15}://\Z")
_LONGEST_SCHEME = 20


@dataclass(frozen=True, slots=True)
class Address:
    """A host with what stands around it, in places of the plain text."""

    host: str
    path: str  # from its first sign on; may be empty
    has_scheme: bool
    start: int
    end: int


def addresses(text: str) -> Iterator[Address]:
    """Yield what could be an address in a plain text: any names with dots between them.

    >>> [(one.host, one.path) for one in addresses("see http://a.example/x?y, or b.example")]
    [('a.example', '/x?y'), ('b.example', '')]
    """
    link_end = 0
    for match in _HOST.finditer(text):
        start, host_end = match.span()
        head = _SCHEME.search(text[max(0, start - _LONGEST_SCHEME) : start])
        if start < link_end and not head:
            continue  # in the path of another link
        rest = _REST.match(text, host_end, host_end + _LONGEST_REST)
        link_end = host_end + len(rest[0].rstrip(_SENTENCE_SIGNS) if rest else "")
        path = (rest["path"] or "").rstrip(_SENTENCE_SIGNS) if rest else ""
        begin = start - len(head[0]) if head else start
        yield Address(match[0], path, bool(head), begin, link_end)


def under(host: str) -> Iterator[str]:
    """Yield a host and each one above it, the highest first.

    >>> list(under("a.b.example"))
    ['example', 'b.example', 'a.b.example']
    """
    above = ""
    for label in reversed(host.split(".")):
        above = f"{label}.{above}" if above else label
        yield above
