"""HTML to text: the words of a comment that may be HTML or plain, in linear time.

Coral sends either and does not say which. So only tags as Coral's own editor leaves them are taken
away: what is a tag to a parser can be words to a reader ("<a stupid idea>").
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from turbohtml import Token, TokenType, tokenize

_INLINE = frozenset(
    {"a", "abbr", "b", "cite", "code", "del", "em", "i", "ins", "kbd", "mark", "q", "s", "samp"}
    | {"small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr"}
)
_BLOCK = frozenset({"blockquote", "br", "div", "li", "ol", "p", "ul"})
# What Coral itself writes into tags, beside the address of a link; other words are the author's.
_ATTRIBUTES = {
    "class": {"", "coral-comment-content-link", "coral-rte-sarcasm", "coral-rte-spoiler"},
    "rel": {"noopener noreferrer", "noopener noreferrer ugc"},
    "target": {"_blank"},
}
_WORDS = (TokenType.TEXT, TokenType.CHARACTER_REFERENCE)


def plain_text(body: str) -> str:
    r"""Return the text of a comment that may be HTML or plain; lines end where blocks do.

    >>> plain_text("<div>one <b>t</b>wo<br>three &amp; 1 < 2</div>")
    'one two\nthree & 1 < 2'
    >>> plain_text("<a stupid idea> <!-- and this -->")
    '<a stupid idea> <!-- and this -->'
    """
    lines = (line.strip() for line in "".join(_pieces(body)).splitlines())
    return "\n".join(line for line in lines if line)


def markup(text: str) -> Iterator[tuple[int, int, str]]:
    r"""Yield start and end of all that a page shows otherwise that takes a text for HTML, and how.

    Tags show nothing, or a new line where a block begins or ends; references are letters. A line of
    the text may not end with CR LF, of which the tokenizer makes one letter.

    >>> list(markup("<i x>o</i>n<!-- -->e<br>&#116;wo <b"))  # doctest: +NORMALIZE_WHITESPACE
    [(0, 5, ''), (6, 10, ''), (11, 19, ''), (20, 24, '\n'), (24, 30, 't'), (33, 35, '')]
    """
    text, n_read = text.replace("</>", "<!>"), 0  # the former makes no token
    for token in tokenize(text, resolve_references=False, capture_source=True):
        start, n_read = n_read, n_read + len(token.source or token.data or "")
        if token.type not in _WORDS:
            yield start, n_read, "\n" if token.tag in _BLOCK else ""
        elif token.type == TokenType.CHARACTER_REFERENCE:
            yield start, n_read, token.data or ""
    if n_read < len(text):  # a tag that does not end
        yield n_read, len(text), ""


def _pieces(body: str) -> Iterator[str]:
    body = body.replace("\r\n", "\n").replace("\r", "\n")  # the tokenizer reads them so
    body = body.replace("</>", "&lt;/>")  # which it would pass over without a token
    n_read = 0
    for token in tokenize(body, resolve_references=False, capture_source=True):
        data, source = token.data or "", token.source or token.data or ""
        n_read += len(source)
        if token.type in _WORDS:
            yield data
        elif not _is_markup(token, body, n_read):
            yield source
        elif token.tag in _BLOCK:
            yield "\n"
    yield body[n_read:]  # a tag that does not end, which the tokenizer passes over


def _is_markup(token: Token, body: str, end: int) -> bool:
    """Whether a token, which ends at `end`, holds nothing that the author wanted to be read."""
    if token.tag not in _INLINE and token.tag not in _BLOCK:
        return False
    return all(
        value in _ATTRIBUTES.get(name, ()) or (name == "href" and _is_shown(value, body, end))
        for name, value in token.attrs or ()
    )


def _is_shown(address: str, body: str, end: int) -> bool:
    """Whether the address of a link is its text, as Coral has it of every link."""
    address = address.removeprefix("mailto:").removesuffix("/")
    return body.startswith(escape(address, quote=False), end)
