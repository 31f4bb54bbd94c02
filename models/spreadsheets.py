"""CSV tables that a spreadsheet shows and does not run."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

# A spreadsheet takes a cell that begins with one of these for a formula. NFKC makes the full-width
# and other forms of them plain, as some spreadsheets do.
_FORMULA = ("=", "+", "-", "@")

Cell = str | int | float | None


def as_csv(rows: Iterable[Sequence[Cell]]) -> str:
    """Write rows as CSV (RFC 4180); numbers plainly, nothing for None, and no text as a formula.

    >>> as_csv([["a", "=1+1"], ["-b", -1.5], ["c", None]]).split()
    ["a,'=1+1", "'-b,-1.5", 'c,']
    """
    out = io.StringIO()
    csv.writer(out).writerows([_written(cell) for cell in row] for row in rows)
    return out.getvalue()


def _written(cell: Cell) -> str:
    if isinstance(cell, str):
        return f"'{cell}" if _is_formula(cell) else cell
    if cell is None:
        return ""
    return f"{cell:.10g}" if isinstance(cell, float) else str(cell)


def _is_formula(text: str) -> bool:
    """Whether a text begins with a formula, be it behind blanks, controls and invisible marks."""
    if text.startswith(("\t", "\r", "\n")):
        return True
    first = next((one for one in text if unicodedata.category(one)[0] not in "ZC"), "")
    return unicodedata.normalize("NFKC", first).startswith(_FORMULA)
