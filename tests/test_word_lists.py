"""Word lists: what is listed is found in every spelling, and nothing else is."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest
from flask import Flask

from service.queue.records import Comment
from service.rules.word_lists import WordList
from service.services import Services
from service.sites.site import Site

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


def found_in(words: list[str], text: str) -> list[str]:
    return [text[found.start : found.end] for found in WordList(words).find(text)]


DOG = "كلب"


@pytest.mark.parametrize(
    "written",
    [
        *("ياكلب", "يالكلب", "وياكلب"),  # "o dog", "o the dog", "and o dog"
        *(
            "كلبك",
            "كلبكم",
            "كلبي",
            "كلبه",
            "كلبها",
            "كلبهم",
            "كلبنا",
            "كلبكو",
        ),  # "your dog" ...
        *("فكلبك", "وبكلبهم", "ياكلبي"),  # "so your dog", "and with their dog", "o my dog"
        *("كلبة", "الكلبة", "كلبتك", "كلباتهم"),  # "bitch", "the ...", "your ...", "their ...es"
        *("كلبات", "كلبين", "كلبان", "الكلبين", "كلبًا"),  # plurals, duals, the accusative
        *("هالكلب", "عالكلب", "كالكلب", "للكلب"),  # "this dog", "on the ...", "like ...", "for ..."
        "يا كـلـ.ـبـك",  # "o, your dog", stretched, with a dot inside
    ],
)
def test_an_arabic_word_is_found_with_what_is_written_together_with_it(written: str) -> None:
    text = f"قال {written} ومشى"  # "he said ... and left"
    (found,) = WordList([DOG]).find(text)
    assert [c for c in text[found.start : found.end] if c not in "ـ."] == list(DOG)


@pytest.mark.parametrize(
    "text",
    [
        *("كلبش", "كلبشات", "مكلبة", "انقلب", "تكالب", "كلاب", "قلب"),
        "الكلبك",  # "the your dog": nobody writes an article and a pronoun on one word
        "\u062d\u0645\u0627\u0633\u0629",  # "zeal"
        "",
    ],
)
def test_another_word_is_not_a_listed_one(text: str) -> None:
    assert found_in([DOG, DONKEY], text) == []


def test_a_listed_word_with_a_teh_marbuta_is_found_before_an_ending_too() -> None:
    bitch = "كلبة"
    assert found_in([bitch], "كلبتك والكلبة وكلباتهم") == ["كلبت", "كلبة", "كلبات"]
    assert found_in([bitch], "كلب كلبت") == []


def test_of_two_letters_only_pronouns_are_taken_for_endings() -> None:
    word = "تب"  # "perish"
    assert found_in([word], "تبك تبكم") == [word, word]
    assert found_in([word], "تبان تبات تبا") == []


def test_a_phrase_is_found_with_particles_before_it_and_endings_behind_it() -> None:
    phrase = "ابن كلب"  # "son of a dog"
    assert found_in([phrase], "ياابن كلب") == [phrase]
    assert found_in([phrase], "وابن  كلبهم") == ["ابن  كلب"]
    assert found_in([phrase], "ابنك كلب, كلب ابن") == []
    assert found_in([phrase, DOG], "ابن كلب") == [phrase], "the longest"


HANDLES = "@spammer @Spammer! @SPAMMER, (＠spammer) @sp\u200bammer @spammerشكرا"  # "thanks"
OTHERS = "@spammer2 @spammer_x @spammer.official x@spammer @other @ spammer"


def test_a_handle_is_found_and_no_other_one() -> None:
    assert len(found_in(["@spammer"], HANDLES)) == 6
    assert found_in(["@spammer"], OTHERS) == []
    assert found_in(["@spammer.official"], HANDLES + OTHERS) == ["@spammer.official"]
    assert found_in(["follow @spammer"], "follow @other, follow @spammer.") == ["follow @spammer"]


@pytest.mark.parametrize("address", ["https://spam.example", "spam.example", "www.spam.example/"])
@pytest.mark.parametrize(
    "link",
    [
        "https://spam.example",
        "http://spam.example:8080/x?y=1#z",
        "HTTPS://Spam.Example/",
        "spam.example",
        "www.spam.example/y",
        "https://shop.spam.example/",
        "spam\u3002example",  # with an IDEOGRAPHIC FULL STOP, which browsers take for a dot
        "sp\u200bam.example",  # with a ZERO WIDTH SPACE
    ],
)
def test_a_host_is_found_in_its_links(address: str, link: str) -> None:
    text = f"زوروا {link}, شكرا"  # "visit ..., thanks"
    assert found_in([address], text) == [link]
    assert WordList([address]).without(text) == text.replace(link, " " * len(link))
    assert found_in([address], f"زوروا{link.removeprefix('https://')}شكرا") or "://" in link


@pytest.mark.parametrize("address", ["https://spam.example", "spam.example"])
@pytest.mark.parametrize(
    "link",
    [
        "https://other.example/",
        "https://notspam.example/",
        "https://not-spam.example/",
        "https://spam.example.org/",
        "https://spam.example.evil.test/",
        "https://other.example/spam.example",
        "https://example/",
        "spam example",
    ],
)
def test_no_other_host_is_found(address: str, link: str) -> None:
    assert found_in([address], link) == []


def test_an_address_with_a_path_is_that_path_and_what_lies_under_it() -> None:
    text = "https://t.example/shop t.example/shop/2?x https://t.example/shop2 https://t.example/"
    found = found_in(["t.example/shop"], text)
    assert found == ["https://t.example/shop", "t.example/shop/2?x"]


def test_a_word_that_hides_its_letters_behind_dots_is_still_a_word() -> None:
    assert found_in(["d.o.n.k.e.y"], "a donkey") == ["donkey"]
    assert found_in(["he.ck"], "heck, he.ck") == ["heck", "he.ck"]


WORST = ["ا ", "و", "a.", "a.b ", "@", "@a", "http://", "://", f"{DOG} ", f"{DOG}ك", "h1.test/p "]


@pytest.mark.parametrize("unit", WORST)
def test_the_work_grows_with_the_text_and_not_with_the_list(unit: str) -> None:
    """Steps are counted, because a clock says something else every time."""
    letters = [chr(code) for code in range(0x628, 0x63B)]  # BEH to GHAIN
    words = ["".join(word) for word in itertools.product(letters, repeat=3)]
    few = WordList([DOG, "h1.test/p", "@h1", *words[:10]])
    many = WordList(
        [*words[:900], *(f"h{n}.test/p" for n in range(50)), *map("@h{}".format, range(50))]
    )
    short, long = (unit * (n // len(unit)) for n in (5_000, 10_000))
    assert counted(few.without, long) <= 2.2 * counted(few.without, short)
    assert counted(many.without, short) <= 1.2 * counted(few.without, short)


def counted(work: Callable[[str], object], text: str) -> int:
    """Return how many lines of Python the work on a text runs through."""
    n_lines = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal n_lines
        n_lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work(text)
    finally:
        sys.settrace(before)
    return n_lines


def test_a_list_may_be_spelled_in_any_way_and_hold_nothing() -> None:
    assert len(list(WordList([SPELLINGS[2]]).find(DONKEY))) == 1
    assert list(WordList([" ", ""]).find(DONKEY)) == []
    assert WordList([]).without(DONKEY) == DONKEY


def test_a_blocked_word_brings_a_harmless_comment_before_a_person(app: Flask, site: Site) -> None:
    services: Services = app.extensions["hakam"]
    text = "\u0635\u0628\u0627\u062d \u0627\u0644\u062e\u064a\u0631"  # "good morning"
    comment = Comment(id="c1", text=text)
    calm = replace(site, review=dict.fromkeys(services.artifact.classifier.labels, 1.0))
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
    assert after.signals.scores == blank.signals.scores != before.signals.scores
