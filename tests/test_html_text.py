"""Text out of HTML: what a reader sees is what is judged."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from turbohtml import TokenType, tokenize

from service.rules.html_text import markup, plain_text

WORD = "\u0643\u0644\u0645\u0629"  # "word"
LINK = "https://news.example/?a=1&amp;b=2"
CORALS_OWN = 'target="_blank" rel="noopener noreferrer ugc" class="coral-comment-content-link"'
HTML = [
    *(
        "<",
        "</",
        ">",
        "</>",
        "</b>",
        "<br>",
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "<title>",
        "<?",
    ),
    *("<![CDATA[", "]]>", "<textarea>", "<svg>", "<plaintext>", "=", "'", "&amp;", "&#1603;"),
    *("&#12", "&not", "&nGt;", "&#x80;", "&#0;", "\n", "a", WORD),
]
KEPT = ";!-\"'=#9?"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<div>one</div><div>two</div>", "one\ntwo"),
        ("o<b>n</b>e", "one"),
        ("a<br/>b", "a\nb"),
        ("1 < 2 > 0 <3", "1 < 2 > 0 <3"),
        ("&lt;b&gt; &amp;amp;", "<b> &amp;"),
        ("plain", "plain"),
        ("a\r\nb\rc", "a\nb\nc"),
        ('<span class="coral-rte-spoiler">x</span>', "x"),
        (f'<a href="{LINK}" {CORALS_OWN}>{LINK}</a>', "https://news.example/?a=1&b=2"),
    ],
)
def test_html_of_corals_editor_is_read_as_a_reader_sees_it(body: str, text: str) -> None:
    assert plain_text(body) == text


@pytest.mark.parametrize(
    "body",
    [
        f"<a {WORD}>",
        f"before <b {WORD}",
        f"<!--{WORD}-->",
        f"<script>{WORD}</script>",
        f"<title>{WORD}",
        f'<a href="{WORD}">x</a>',
        f'<a href="{WORD}',
        f'<span class="{WORD}">x</span>',
        f"</b {WORD}>",
        f"<img alt={WORD}>",
        f"<![CDATA[{WORD}]]>",
        f"<?{WORD}?>",
        f"<!DOCTYPE {WORD}>",
        f"<svg><desc>{WORD}</desc></svg>",
        f"<{WORD}>",
    ],
)
def test_words_that_only_look_like_markup_are_read(body: str) -> None:
    assert WORD in plain_text(body)


@pytest.mark.parametrize("tag", ["b", "wbr", "span", "u", "code"])
def test_a_word_that_tags_cut_apart_is_read_whole(tag: str) -> None:
    assert plain_text(f"{WORD[:2]}<{tag}>{WORD[2:]}") == WORD


@example("</>9")
@given(st.text(alphabet="<>/ab ;!-\"'=#9\n?", max_size=60))
def test_only_known_tags_without_attributes_are_taken_away(body: str) -> None:
    # No known tag is made of these.
    assert Counter(c for c in plain_text(body) if c in KEPT) == Counter(
        c for c in body if c in KEPT
    )


@given(st.text(alphabet="<>/ab &;!-\"'=#9\n?", max_size=60))
def test_nothing_is_read_that_does_not_stand_there(body: str) -> None:
    resolved = {"\N{NO-BREAK SPACE}", "\N{REPLACEMENT CHARACTER}", "\t"}
    assert set("".join(plain_text(body).split())) <= set(body) | resolved


@pytest.mark.parametrize("number", ["9" * 4_301, "x" + "f" * 5_000, "0" * 20_000, "1114112"])
def test_a_character_reference_of_any_length_is_one_character(number: str) -> None:
    assert plain_text(f"a&#{number};b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(
    "shape",
    [
        *("<", "<a", "<a ", "</", "<b>", "<div>", "<!--", "<![CDATA[", "<?", "<!", ">", "<script>"),
        *("<script><!--", "<textarea>", "&", "&#", "&#9", "&notin", "<a b=", '<a b="', '<a b="c">'),
    ],
)
def test_a_megabyte_of_unfinished_markup_is_read_to_its_end(shape: str) -> None:
    # It ends at all: what takes the square of the length takes hours here.
    body = (shape * 1_000_000)[:1_000_000]
    assert len(plain_text(body)) <= len(body)


@given(st.lists(st.sampled_from(HTML), max_size=12).map("".join))
def test_markup_leaves_what_the_html_standard_shows(text: str) -> None:
    shown, n_read = "", 0
    for start, end, new in markup(text):
        shown, n_read = shown + text[n_read:start] + new, end
    whole = (
        (token.data or "") if token.type == TokenType.TEXT else "\n" * (token.tag == "br")
        for token in tokenize(text)
    )
    assert shown + text[n_read:] == "".join(whole)
