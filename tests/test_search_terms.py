"""A comment is found by its words, however they are spelled, and never missed by its signature."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.schema import read_comments
from service.rules.search_terms import (
    MAX_WORDS,
    TEXT,
    Terms,
    fingerprint,
    signature,
    stem,
    without_words,
    words,
)

SAMPLES = Path(__file__).parent.parent / "training" / "data" / "samples.jsonl"
TEXTS = [comment.text for comment in read_comments(SAMPLES)]
NOUNS = sorted({word for text in TEXTS for word in words(text) if len(word) >= 3 and word >= "ء"})

AND, SO, WITH, AS, TO = "و", "ف", "ب", "ك", "ل"
THE, TO_THE = "ال", "لل"
JOINED = [
    "".join(parts)
    for parts in itertools.product(("", AND, SO), ("", WITH, AS, TO), ("", THE))
    if parts[1:] != (TO, THE)
] + [AND + TO_THE, SO + TO_THE, TO_THE]
DOG, BOOK, LIBYA, GOD = "كلب", "كتاب", "ليبيا", "الله"
SUCH_A_DAY = "يا له من يوم"


@given(noun=st.sampled_from(NOUNS), particles=st.sampled_from(JOINED))
def test_a_noun_has_one_stem_whatever_particles_are_written_in_one_with_it(
    noun: str, particles: str
) -> None:
    written = particles + noun
    if words(written) == [written] and not noun.startswith((THE, TO_THE, "لل", "له")):
        assert stem(written) == stem(noun)


@pytest.mark.parametrize(
    ("typed", "text", "found"),
    [
        (DOG, f"{AND}{THE}{DOG} يجري", True),
        (f"{AND}{TO_THE}{DOG}", f"هذا {DOG}", True),
        (LIBYA, f"{TO}{LIBYA} سلام", True),
        (GOD, f"{AND}{GOD} أعلم", True),
        (GOD, "لله در القائل", True),
        ("له", f"{GOD} أعلم", False),
        ("البن", "بن يمني", True),
        (DOG, "ك . ل . ب", True),
        (DOG, "كـــلـــبٌ", True),
        ("مدرسة", "المدرسه", True),
        ("أحمد", "احمد", True),
        ("cafe", "Un CAFÉ noir", True),
        (f"{DOG} {BOOK}", f"{BOOK} {DOG}", True),
        (f"{DOG} {BOOK}", DOG, False),
        (f'"{DOG} {BOOK}"', f"{BOOK} {DOG}", False),
        (f"«{SUCH_A_DAY}»", f"قال: {SUCH_A_DAY}!", True),
        (f'"{DOG}"', f"{THE}{DOG}", False),
        ("😡", "خبر سيئ😡", True),
        ("0512345678", "اتصل ٠٥١٢٣٤٥٦٧٨", True),
        ("car", "carpet", False),
    ],
)
def test_words_find_a_text_however_it_is_spelled_and_quotation_marks_find_it_as_it_stands(
    typed: str, text: str, found: bool
) -> None:
    terms = Terms.of(typed)
    assert terms
    assert terms.are_in(text) is found
    assert bool(terms.spans(text)) is (found or typed == f"{DOG} {BOOK}")


@given(st.text(max_size=60), st.text(max_size=200))
def test_any_two_texts_can_be_compared_and_marked_within_their_bounds(
    typed: str, text: str
) -> None:
    terms = Terms.of(typed)
    found = terms.are_in(text)
    spans = terms.spans(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert [*spans] == sorted(spans)
    if found and terms:
        assert spans


def test_what_was_found_is_marked_where_it_stands_in_the_text_as_it_was_written() -> None:
    text = f"أنت {AND}{THE}كَـ.ـلب، هنا"
    ((start, end),) = Terms.of(DOG).spans(text)
    assert text[start:end].endswith("ب")
    assert text[:start] == "أنت "
    quoted = f"{BOOK} {SUCH_A_DAY} {BOOK}"
    marked = [quoted[start:end] for start, end in Terms.of(f'"{SUCH_A_DAY}"').spans(quoted)]
    assert marked == SUCH_A_DAY.split()


@pytest.mark.parametrize("typed", ["", " ", "!!", "،؟", '""', "« »"])
def test_nothing_but_signs_is_no_word_to_look_for(typed: str) -> None:
    assert not Terms.of(typed)


def passes(printed: str, terms: Terms) -> bool:
    """What the script in Redis says of a signature."""
    listed = {printed[at : at + 2] for at in range(6, len(printed), 2)}
    return printed[6:] == " " or set(terms.fingerprints(TEXT)) <= listed


def test_a_signature_lets_every_word_of_its_text_pass_and_few_others() -> None:
    rng = random.Random(7)
    signed = [(text, signature(["", "", ""], {TEXT: text})) for text in TEXTS]
    vocabulary = sorted({word for text in TEXTS for word in words(text)})
    n_wrong = n_tried = 0
    for text, printed in signed:
        for word in words(text):
            assert passes(printed, Terms.of(word))
        for word in rng.sample(vocabulary, 200):
            terms = Terms.of(word)
            if not terms.are_in(text):
                n_tried += 1
                n_wrong += passes(printed, terms)
    share = n_wrong / n_tried
    assert share < 0.005, f"{share:.3%} of {n_tried:,}"


def test_a_signature_is_short_whatever_the_text_and_a_text_of_too_many_words_always_passes() -> (
    None
):
    for n_words in (1, MAX_WORDS, MAX_WORDS + 1, 3_000):
        text = " ".join(f"word{number}" for number in range(n_words))
        printed = signature(["u1", "", "l1"], {TEXT: text})
        assert len(printed) <= 6 + 2 * MAX_WORDS
        assert passes(printed, Terms.of(f"word{n_words - 1}"))
        assert printed.isprintable()
        assert printed.isascii()
    assert passes(printed, Terms.of("absent"))


def test_a_signature_begins_with_its_exact_values_and_says_where_there_is_none() -> None:
    printed = signature(["u12345678", "", "l87654321"], {TEXT: DOG})
    assert printed[:6] == without_words(["u12345678", "", "l87654321"])
    assert printed[2:4] == "  "
    assert printed[:2] == fingerprint("", "u12345678")
