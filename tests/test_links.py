"""Links: what a reader could follow is found in every form, unless the site allows its host."""

from __future__ import annotations

import pytest

from service.rules.links import find, host_of

ALLOWED = frozenset({"news.example", "youtube.com"})


def links(text: str) -> list[str]:
    return [text[start:end] for start, end in find(text, ALLOWED)]


@pytest.mark.parametrize(
    "link",
    [
        "https://spam.example/x?y=1",
        "HTTP://SPAM.EXAMPLE",
        "hxxps://spam.example/a",
        "www.spam.example",
        "spam.com",
        "bit.ly/abc",
        "t.me/somebody",
        "spam.example/path",
        "https://\u0645\u0648\u0642\u0639.\u0645\u0635\u0631/x",  # a host in Arabic letters
        "sp\u200bam.com",
        "\uff53\uff50\uff41\uff4d\uff0ecom",  # full width
        "spam [.] com",
        "spam dot com",
        "spam . com",
        "https://youtube.com.spam.example/",
        "https://notyoutube.com/watch",
    ],
)
def test_a_link_is_found_in_every_form(link: str) -> None:
    assert links(f"\u0634\u0648\u0641 {link} \u0627\u0644\u0622\u0646") == [link]  # "look ... now"


@pytest.mark.parametrize(
    "text",
    [
        "https://www.youtube.com/watch?v=1",
        "m.youtube.com and news.example/sport",
        "reader@spam.com",
        "5.5 of 10.25, 01.02.2023",
        "e.g. this... or that.But not so.",
        "node.js and file.txt",
        "@reader.com",
        "1.com.2",
    ],
)
def test_what_leads_nowhere_or_to_an_allowed_host_is_no_link(text: str) -> None:
    assert links(text) == []


def test_a_host_before_an_at_sign_allows_nothing() -> None:
    assert links("https://youtube.com@spam.example/") != []
    assert links("https://user:youtube.com@spam.example") != []


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("example.com", "example.com"),
        (" https://WWW.Example.com/a/b?c ", "example.com"),
        ("http://news.example:8080", "news.example"),
        ("example", ""),
        ("", ""),
        ("two words.com", ""),
    ],
)
def test_a_line_of_the_allow_list_names_a_host_as_people_write_it(line: str, host: str) -> None:
    assert host_of(line) == host
