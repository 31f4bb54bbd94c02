"""Tables as people have them: any delimiter, encoding, packing and form, and clear faults."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from models.errors import RecordError
from models.table_files import MAX_LINE, Row, open_table

HELLO = "\u0645\u0631\u062d\u0628\u0627"  # marhaba, "hello"
SECRET = "what somebody wrote"


def read(path: Path) -> list[Row]:
    with open_table(path, {"text", "decision", "id"}.__contains__) as table:
        return [row for _, row in table.rows()]


def form(path: Path) -> str:
    with open_table(path) as table:
        return table.form


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table"


@pytest.mark.parametrize(
    "delimiter", [",", ";", "\t", "|", "^", "~", "\N{ARABIC SEMICOLON}", "\N{ARABIC COMMA}"]
)
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1256"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_table_is_read_whatever_delimits_and_encodes_it(
    path: Path, encoding: str, delimiter: str, end: str
) -> None:
    lines = [
        ["id", "text", "decision"],
        ["1", f'"a{delimiter} ""b"" \n{HELLO}"', "approved"],
        ["", "", ""],
        ["2", HELLO, "rejected"],
    ]
    path.write_bytes(end.join(delimiter.join(line) for line in lines).encode(encoding))
    first, blank, last = read(path)
    assert first == {"id": "1", "text": f'a{delimiter} "b" \n{HELLO}', "decision": "approved"}
    assert not any(blank.values())
    assert last == {"id": "2", "text": HELLO, "decision": "rejected"}


@given(
    st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), max_size=8)] * 2),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_what_a_spreadsheet_wrote_is_read_back_letter_for_letter(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str
) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("id", "text"), *rows])
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    path.write_bytes(out.getvalue().encode())
    assert [(row["id"], row["text"]) for row in read(path)] == rows


def test_a_table_may_name_its_delimiter_as_excel_does(path: Path) -> None:
    path.write_text("sep=;\r\nid;text\r\n1;a,b\r\n2;wrong;\r\n3\r\n", newline="")
    with open_table(path) as table, pytest.raises(RecordError, match="line 5: 1 columns, the head"):
        assert [row["text"] for _, row in table.rows()]


def test_quotation_marks_in_a_file_that_quotes_nothing_are_letters(path: Path) -> None:
    many = "3\tplain\n" * 20_000
    path.write_text(f'id\ttext\n{many}1\t"{HELLO}\n2\t"a" and "b"\n3\t5" or 6"\n')
    assert [row["text"] for row in read(path)][20_000:] == [
        f'"{HELLO}',
        '"a" and "b"',
        '5" or 6"',
    ]
    assert "unquoted" in form(path)


def test_a_file_of_one_column_needs_no_quotation_marks(path: Path) -> None:
    path.write_text(f'text\n{HELLO}, b; c\n"a" and b\n')
    assert [row["text"] for row in read(path)] == [f"{HELLO}, b; c", '"a" and b']
    path.write_text('text\n"a, b"\n"c\nd"\n')
    assert [row["text"] for row in read(path)] == ["a, b", "c\nd"]


def test_of_two_columns_of_one_name_neither_is_lost(path: Path) -> None:
    path.write_text("text,note,note\na,b,c\n")
    assert read(path) == [{"text": "a", "note": "b", "note (2)": "c"}]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_a_packed_file_is_unpacked_whatever_its_name(
    path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path.write_bytes(pack(f"id,text\n1,{HELLO}\n".encode()))
    assert read(path) == [{"id": "1", "text": HELLO}]


def test_json_lines_have_names_of_their_own_in_each_line(path: Path) -> None:
    records = [
        {"text": HELLO, "n": 1.0, "ok": True, "none": None, "author": {"name": "x", "id": 7}},
        {"text": "b", "list": [1]},
    ]
    path.write_text("\n\n".join(map(json.dumps, records)))
    assert read(path) == [
        {"text": HELLO, "n": "1", "ok": "true", "none": "", "author.name": "x", "author.id": "7"},
        {"text": "b", "list": "[1]"},
    ]


def test_parquet_is_read_with_its_types(path: Path) -> None:
    when = datetime(2026, 1, 2, tzinfo=UTC)
    rows = [
        {"text": HELLO, "decision": True, "share": 0.5, "at": when, "author": {"name": "x"}},
        {"text": None, "decision": False, "share": 1.0, "at": None, "author": {"name": ""}},
    ]
    parquet.write_table(pa.Table.from_pylist(rows), path)
    with open_table(path) as table:
        assert "author.name" in table.columns
    assert read(path) == [
        {
            "text": HELLO,
            "decision": "true",
            "share": "0.5",
            "at": "2026-01-02T00:00:00+00:00",
            "author.name": "x",
        },
        {"text": "", "decision": "false", "share": "1", "at": "", "author.name": ""},
    ]


def test_the_first_sheet_of_a_spreadsheet_is_a_table(path: Path) -> None:
    book = openpyxl.Workbook()
    for record in (("text", "decision"), (HELLO, 1), (None, None), ("b", None)):
        book.worksheets[0].append(record)
    book.save(path)
    assert read(path) == [{"text": HELLO, "decision": "1"}, {"text": "b", "decision": ""}]


def test_a_form_whose_library_is_missing_is_refused_by_the_name_of_the_library(path: Path) -> None:
    parquet.write_table(pa.table({"text": ["a"]}), path)
    with (
        patch.dict(sys.modules, {"pyarrow": None}),
        pytest.raises(RecordError, match="pip install pyarrow"),
    ):
        read(path)
    openpyxl.Workbook().save(path)
    with (
        patch.dict(sys.modules, {"openpyxl": None}),
        pytest.raises(RecordError, match="pip install openpyxl"),
    ):
        read(path)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", "text\n")
    return out.getvalue()


SOME_UTF8 = f"id,text\n1,{HELLO} {HELLO} {HELLO}\n".encode()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"text\n\xd9", "not a text in UTF-8, UTF-16 or cp1256"),
        (b"text\n\x00\xff\n", "not a text in UTF-8, UTF-16 or cp1256"),
        (b"\xff\xfet\x00e", "not a text in UTF-8, UTF-16 or cp1256"),
        (SOME_UTF8 + b"2,\xc7\xe1\n", "line 3: is not UTF-8, which the lines before are"),
        (SOME_UTF8 + f"2,{SECRET},3\n".encode(), "line 3: 3 columns, the header has 2"),
        (SOME_UTF8 + f"2 {SECRET}\n".encode(), "line 3: 1 columns, the header has 2"),
        (SOME_UTF8 + f'2,"{SECRET}"s\n'.encode(), "line 3: not CSV: "),
        (SOME_UTF8 + f'2,"{SECRET}\n\n\n'.encode(), "lines 3 to 5: not CSV: unexpected end"),
        (b'{"text": "a"}\n{"text": "' + SECRET.encode(), "line 2: the line is not JSON"),
        (b'{"text": "a"}\n[1]', "line 2: expected an object"),
        (b'[\n{"text": "a"}]', "is one JSON array"),
        (b"PAR1" + SECRET.encode(), "is damaged Parquet"),
        (zipped(), "is an archive of files"),
        (zipped()[:-9], "is an archive of files"),
        (gzip.compress(SOME_UTF8 * 99, mtime=0)[:-30], "cannot be read"),
        (lzma.compress(SOME_UTF8)[:-30], "cannot be read"),
    ],
)
def test_a_fault_names_file_and_line_and_repeats_nothing(
    path: Path, content: bytes, complaint: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(RecordError, match=complaint) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_missing_file_is_refused(path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be opened: No such file"):
        read(path)


def test_a_line_without_end_is_refused_before_it_is_in_memory(path: Path) -> None:
    path.write_text(json.dumps({"text": "x" * MAX_LINE}))
    with pytest.raises(RecordError, match="line 1: is longer than"):
        read(path)


def test_a_table_is_read_in_constant_memory(path: Path) -> None:
    line = f"1,{HELLO * 40}\n"
    path.write_text("id,text\n" + line * 50_000)
    with open_table(path) as table:
        rows = table.rows()
        for _ in range(100):
            next(rows)
        tracemalloc.start()
        try:
            assert sum(1 for _ in rows) == 49_900
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert table.share() == 1.0
    assert peak < path.stat().st_size / 10
