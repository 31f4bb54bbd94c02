"""Word lists: a listed word is found in every spelling, and only as a word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from service.app import Services
from service.review_queue import Comment
from service.sites import Site
from service.word_lists import WordList

DONKEY = "\u062d\u0645\u0627\u0631"  # "donkey"

SPELLINGS = [
    DONKEY,
    "\u062d\u0650\u0645\u0627\u0631\u064c",  # with vowels
    "\u062d\u0640\u0640\u0645\u0640\u0627\u0631",  # with tatweel
    "\u062d\u0645\u0627\u0627\u0627\u0627\u0631",  # with a long vowel made longer
    "\u062d \u0645 \u0627 \u0631",  # letter by letter
    "\u062d.\u0645.\u0627.\u0631",
    "\u062d\u200c\u0645\u0627\u0631",  # with a ZERO WIDTH NON-JOINER
    "\u0627\u0644\u062d\u0645\u0627\u0631",  # "the donkey"
    "\u0648\u0628\u0627\u0644\u062d\u0645\u0627\u0631",  # "and with the donkey"
    "\u0644\u0644\u062d\u0645\u0627\u0631",  # "for the donkey"
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_listed_word_is_found_in_every_spelling_and_lies_on_its_letters(spelling: str) -> None:
    text = f"\N{GRINNING FACE} \u064a\u0627 {spelling} \u0647\u0646\u0627"  # "o ... here"
    (found,) = WordList([DONKEY]).find(text)
    first = spelling.index("\u062d")  # HAH, the first letter of the word
    start = text.index(spelling)
    assert found.start == start + first
    assert text[found.end - 1] in "\u0631\u064c"  # REH, the last letter, or its vowel


@pytest.mark.parametrize(
    "text",
    [
        "\u062d\u0645\u0627\u0631\u0643",  # "your donkey": another word, by its ending
        "\u062d\u0645\u0627\u0633\u0629",  # "zeal"
        "",
    ],
)
def test_another_word_is_not_a_listed_one(text: str) -> None:
    assert list(WordList([DONKEY]).find(text)) == []


def test_a_list_may_be_spelled_in_any_way_and_hold_nothing() -> None:
    assert len(list(WordList([SPELLINGS[2]]).find(DONKEY))) == 1
    assert list(WordList([" ", ""]).find(DONKEY)) == []
    assert WordList([]).without(DONKEY) == DONKEY


def test_a_blocked_word_brings_a_harmless_comment_before_a_person(app: Flask, site: Site) -> None:
    services: Services = app.extensions["hakam"]
    text = "\u0635\u0628\u0627\u062d \u0627\u0644\u062e\u064a\u0631"  # "good morning"
    comment = Comment(id="c1", text=text)
    calm = replace(site, review=dict.fromkeys(services.artifact.classifier.labels_, 1.0))
    strict = replace(calm, block_words=("\u0635\u0640\u0628\u0627\u062d",))  # "morning", stretched
    (before,) = services.moderation.judge(calm, [comment])
    (after,) = services.moderation.judge(strict, [comment])
    assert before.verdict.action == "approve"
    assert (after.verdict.action, after.verdict.reason) == ("review", "listed")
    assert [(s.field, s.start, s.end) for s in after.evidence] == [("text", 0, 4)]


def test_an_allowed_word_counts_for_nothing(app: Flask, site: Site) -> None:
    services: Services = app.extensions["hakam"]
    comment = Comment(id="c1", text=f"\u064a\u0627 {DONKEY}")  # "o donkey"
    lenient = replace(site, allow_words=(DONKEY,))
    (before,) = services.moderation.judge(site, [comment])
    (after,) = services.moderation.judge(lenient, [comment])
    (blank,) = services.moderation.judge(site, [replace(comment, text="\u064a\u0627     ")])
    assert after.scores == blank.scores != before.scores
