"""Tables for spreadsheets."""

from __future__ import annotations

import csv
import io

import pytest

from models.spreadsheets import as_csv

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\tplain",
    "\rplain",
    " =1",
    "\N{NO-BREAK SPACE}=1",
    "\N{ZERO WIDTH NO-BREAK SPACE}=1",
    "\N{RIGHT-TO-LEFT MARK}=1",
    "\0=1",
    "\N{FULLWIDTH EQUALS SIGN}1",
    "\N{FULLWIDTH COMMERCIAL AT}a",
    "\N{SMALL PLUS SIGN}1",
    "\N{SMALL HYPHEN-MINUS}1",
    '=HYPERLINK("http://evil.example";"a")',
]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula_to_a_spreadsheet(text: str) -> None:
    [[cell, other]] = csv.reader(io.StringIO(as_csv([[text, "b"]]), newline=""))
    assert cell == f"'{text}"
    assert other == "b"


@pytest.mark.parametrize("text", ["", "a=b", "1-2", "\N{ARABIC LETTER MEEM}+", "'=1", 'a"b'])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert list(csv.reader(io.StringIO(as_csv([[text]]), newline=""))) == [[text]]


def test_numbers_are_written_plainly() -> None:
    assert as_csv([[-1.5, 1_234_567.125, 12.0, -3, None]]) == "-1.5,1234567.125,12,-3,\r\n"
