"""Personal data: it is found in every spelling, and ordinary numbers are not taken for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test_patterns import bounded

from service.rules.findings import PERSONAL_DATA
from service.rules.personal_data import find, masked

CASES = Path(__file__).parent / "data" / "personal_data.jsonl"
DIALECTS = {"msa", "gulf", "levantine", "egyptian", "maghrebi", "iraqi"}
EASTERN = str.maketrans(
    "0123456789", "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669"
)
PERSIAN = str.maketrans(
    "0123456789", "\u06f0\u06f1\u06f2\u06f3\u06f4\u06f5\u06f6\u06f7\u06f8\u06f9"
)
PHONE = "0500000000"


@dataclass(frozen=True)
class Measured:
    """How often what is found is there, and what is there is found; a comment is one case."""

    precision: float
    recall: float
    n_whole: int  # of which exactly the right letters are marked

    def __str__(self) -> str:
        return f"precision {self.precision:.3f}, recall {self.recall:.3f}"


def cases() -> list[dict[str, Any]]:
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


def kinds(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in find(text)]


def measured() -> Measured:
    """Measure the written cases; ``python tests/test_personal_data.py`` prints it."""
    n_found = n_right = n_there = n_whole = 0
    for case in cases():
        there = [(one["kind"], one["text"]) for one in case["personal_data"]]
        found = kinds(case["text"])
        right = bool(found) and [kind for kind, _ in found] == [kind for kind, _ in there]
        n_found, n_there = n_found + bool(found), n_there + bool(there)
        n_right, n_whole = n_right + right, n_whole + (bool(there) and found == there)
    return Measured(n_right / n_found, n_right / n_there, n_whole)


def test_two_hundred_written_cases_cover_every_dialect_and_kind_half_of_them_without() -> None:
    written = cases()
    assert len({case["text"] for case in written}) == 200
    assert sum(bool(case["personal_data"]) for case in written) == 100
    for dialect in DIALECTS:
        of_it = [bool(case["personal_data"]) for case in written if case["dialect"] == dialect]
        assert min(of_it.count(True), of_it.count(False)) >= 13, dialect
    there = {one["kind"] for case in written for one in case["personal_data"]}
    assert there == set(PERSONAL_DATA)


def test_what_is_found_in_the_written_cases_is_there_and_marked_to_the_letter() -> None:
    figures = measured()
    assert figures.precision >= 0.99
    assert figures.recall >= 0.98
    assert figures.n_whole >= 97


def spellings() -> Iterator[str]:
    yield from (PHONE, PHONE.translate(EASTERN), PHONE.translate(PERSIAN))
    for between in (
        " ",
        ".",
        "-",
        "\u2011",
        "/",
        "\u0640",
        "\u200b",
        "\u200d",
        "\u2066",
        "\xad",
        "_",
    ):
        yield between.join(PHONE)
        yield f"{PHONE[:3]}{between}{PHONE[3:6]}{between}{PHONE[6:]}"
    yield "".join(f"{digit}\ufe0f\u20e3" for digit in PHONE)  # keycaps
    yield "".join(chr(ord(digit) - ord("0") + 0xFF10) for digit in PHONE)  # full width
    yield "".join(chr(ord(digit) - ord("0") + 0x1D7CE) for digit in PHONE)  # mathematical
    yield "(050) 000-0000"


@pytest.mark.parametrize("spelling", list(spellings()), ids=ascii)
@pytest.mark.parametrize("around", ["{}", "\u0631\u0642\u0645\u064a{}", "x {} y", "\u0648 {}\n3"])
def test_a_number_is_found_however_its_digits_are_written_or_split(
    spelling: str, around: str
) -> None:
    text = around.format(spelling)
    (span,) = find(text)
    assert (span.kind, text[span.start : span.end]) == ("phone", spelling)


@pytest.mark.parametrize(
    "text",
    [
        "2010-2011-2012",
        "0-1 2-0 1-1 3-2 0-0 1-1",
        "01/02/2023",
        "01.02.2023 05.06.2024",
        "05 \u2013 03 \u2013 2020",
        "2023 05 01 2024 06 02",
        "0.5123456789",
        "3.14159265358979",
        "1,234,567,890",
        "1234567890",
        "20231127201455",
        "192.168.0.1",
        "ISBN 978-0-306-40615-7",
        "0000000000",
        "911",
        "https://news.example/2024/0500000000/story",
        "5000000000000000000000000",
    ],
)
def test_an_ordinary_number_is_nobodys(text: str) -> None:
    assert kinds(text) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("4111 1111 1111 1111", "card"),
        ("SA24 8000 0000 0000 0000 0000", "iban"),
        ("784-1900-0000000-1", "national_id"),
        ("399123100009", "national_id"),
        ("39912310100011", "national_id"),
    ],
)
def test_a_number_with_a_check_is_found_only_where_the_check_holds(text: str, kind: str) -> None:
    assert [found for found, _ in kinds(text)] == [kind]
    digit = next(place for place in range(len(text) - 1, 0, -1) if text[place].isdigit())
    changed = 13 if kind == "national_id" and len(text) == 14 else int(text[digit]) + 1
    place = 3 if changed == 13 else digit  # Egypt's has no check that is published, but a month
    wrong = f"{text[:place]}{changed % 10 if changed != 13 else 9}{text[place + 1 :]}"
    assert kinds(wrong) == []


def test_a_name_behind_an_at_sign_alone_is_an_answer_to_somebody() -> None:
    assert kinds("@reader_99 you are right, @other.reader too") == []
    assert kinds("snap: @reader_99") == [("handle", "@reader_99")]


def test_a_masked_text_has_its_other_letters_where_they_were_and_none_of_the_data() -> None:
    for case in cases():
        text, shown = case["text"], masked(case["text"])
        assert len(shown) == len(text)
        inside = {place for span in find(text) for place in range(span.start, span.end)}
        assert all(shown[p] == text[p] for p in range(len(text)) if p not in inside)
        assert not any(shown[place].isalnum() for place in inside)


def test_masking_a_masked_text_changes_nothing() -> None:
    for case in cases():
        assert masked(masked(case["text"])) == masked(case["text"])


HOSTILE = [
    *("0", "05", "0 5 ", "0-5-", "+", "+9", "(+(", "00966", "20101", "4111 ", "1 ", "01/02/"),
    *("a@", "a.b@c.", "@a ", "(at)", "sa24", "sa24 8000 ", "https://", "t.me/a", "wa.me/"),
    *("snap ", "snap a_", "\u0640", "\u200b", "0\u200b"),
    "\u0633\u0646\u0627\u0628 a_1 ",  # "snap"
    "\u062c\u0648\u0627\u0644 5",  # "mobile"
    "\u0634\u0642\u0629 5 ",  # "flat"
    "\u0634\u0627\u0631\u0639 ",  # "street"
    "\u0634\u0627\u0631\u0639 \u0634\u0642\u0629 5 ",
]


@pytest.mark.slow
@pytest.mark.parametrize("piece", HOSTILE, ids=ascii)
def test_a_text_of_a_hundred_thousand_letters_is_read_in_a_few_seconds(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    with bounded(10.0):
        find(text)
        find(text + "x")


if __name__ == "__main__":
    print(f"personal data, 200 written cases: {measured()}")  # noqa: T201
