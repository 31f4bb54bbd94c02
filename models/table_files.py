"""Table files: CSV, spreadsheets, JSON Lines and Parquet as rows of named cells.

Promise: a file is read in constant memory, nothing of it is passed over without a word, and a fault
is told with the file and the line, without a word of what stands there.

Secret: how a file says what it is. Its form is told by how it begins, not by its name; a text is
UTF-8, UTF-16 or the Arabic code page of Windows (cp1256); the delimiter is the sign under which the
header has most names that are known; quotation marks quote if all rows fit the header so.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import itertools
import json
import lzma
import os
import re
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import IO, Any

from models.errors import NotJson, RecordError
from models.strict_json import read_json

MAX_LINE = 16 * 1024 * 1024
"""Characters in one line of a file; what is longer is no table of comments."""

Row = Mapping[str, str]
"""The cells of a row by the names of their columns; what is missing or null is empty."""

_CHUNK = 1 << 20
_SAMPLE = 1 << 16  # characters in which the header ends
_BATCH = 4_096  # rows of Parquet in memory at once
_MOST_SIGNS = 20  # of a header that are tried as delimiters
_NONE = "\x1f"  # stands for the delimiter of a table of one column
_DAMAGED = 10  # letters that are UTF-8 before a fault: it is a damaged file, no other code page
_PACKED: Mapping[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),
    b"\xfd7zXZ\0": lzma.LZMAFile,
    b"BZh": bz2.BZ2File,
}
_UNREADABLE = (OSError, EOFError, lzma.LZMAError, zlib.error)


@dataclass(frozen=True)
class Table:
    """A table as it was found, open for reading.

    Attributes
    ----------
    name : str
        The path as it was given.
    form : str
        What the file was taken for, for people.
    is_json : bool
        Whether it is JSON Lines, in which every row has names of its own.
    columns : tuple of str
        Names of the columns; of JSON Lines those of the first row.
    rows : callable
        Reads from the start: the line (of Parquet and spreadsheets the row) and the cells of each.
    share : callable
        How much was read so far, from 0 to 1.
    lines : callable
        Reads JSON Lines from the start as they are written; of other forms there are none.
    """

    name: str
    form: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[tuple[int, Row]]]
    share: Callable[[], float]
    is_json: bool = False
    lines: Callable[[], Iterator[str]] = lambda: iter(())


@contextmanager
def open_table(
    place: str | os.PathLike[str], is_known: Callable[[str], bool] = str.isidentifier
) -> Iterator[Table]:
    """Open a file, or standard input for ``"-"``, whatever its form.

    Parameters
    ----------
    place : path
    is_known : callable
        Whether a name is one that the columns of such tables have.

    Raises
    ------
    RecordError
        If the file cannot be opened, or is no table; while it is read, if a row is wrong.
    """
    name = "<stdin>" if os.fspath(place) == "-" else os.fspath(place)
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(_raw(place))
            size = raw.seek(0, os.SEEK_END)
        except OSError as error:
            raise RecordError(f"{name}: cannot be opened: {error.strerror}") from None
        raw.seek(0)
        start = raw.read(8)
        raw.seek(0)
        binary: IO[bytes] = raw
        for magic, unpacked in _PACKED.items():
            if start.startswith(magic):
                binary = stack.enter_context(unpacked(raw))
        try:
            start = binary.read(8)
            if start.startswith(b"PAR1"):
                yield _parquet(name, binary)
                return
            if start.startswith(b"PK\x03\x04"):
                yield _spreadsheet(name, binary, stack)
                return
            encoding = _encoding(name, binary)
        except _UNREADABLE as error:
            raise RecordError(f"{name}: cannot be read: {error}") from None

        def share() -> float:
            return min(1.0, raw.tell() / size) if size and not raw.closed else 1.0

        first = _first_sign(binary, encoding)
        if not first:
            raise RecordError(f"{name}: is empty")
        if first == "[":
            raise RecordError(f"{name}: is one JSON array; write each of its objects on a line")
        if first == "{":
            yield _json_lines(name, binary, encoding, share)
        else:
            yield _delimited(name, binary, encoding, is_known, share)


def _raw(place: str | os.PathLike[str]) -> IO[bytes]:
    """Open a file that can be read twice; what comes through a pipe is kept in one meanwhile."""
    if os.fspath(place) == "-":
        source: IO[bytes] = sys.stdin.buffer
    else:
        source = Path(place).open("rb")  # noqa: SIM115 -- the caller closes it
        if source.seekable():
            return source
    kept = tempfile.TemporaryFile()  # noqa: SIM115 -- the same
    shutil.copyfileobj(source, kept)
    return kept


# Texts


def _encoding(name: str, binary: IO[bytes]) -> str:
    """Tell in what a text is written, and read all of it once to be sure."""
    binary.seek(0)
    start = binary.read(_SAMPLE)
    encoding = "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in start:
        # Of Latin and Arabic letters in UTF-16 one of the two bytes is 0 or 6.
        high = [sum(byte in (0, 6) for byte in start[side::2]) for side in (0, 1)]
        if 4 * max(high) >= len(start):
            encoding = "utf-16-be" if high[0] > high[1] else "utf-16-le"
    binary.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    n_lines, n_letters, has_zero, is_empty = 1, 0, False, True
    for chunk in itertools.chain(iter(lambda: binary.read(_CHUNK), b""), [b""]):
        has_zero = has_zero or b"\0" in chunk
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as fault:
            if encoding != "utf-8-sig":
                raise RecordError(f"{name}: not a text in UTF-8, UTF-16 or cp1256") from None
            before = fault.object[: fault.start].decode("utf-8", "ignore")
            n_lines += before.count("\n")
            n_letters += _n_foreign(before)
            cut = fault.end == len(fault.object) and fault.reason == "unexpected end of data"
            if n_letters >= _DAMAGED:
                raise RecordError(
                    f"{name}, line {n_lines}: is not UTF-8, which the lines before are"
                ) from None
            if has_zero or (cut and not (is_empty and not fault.start)):
                raise RecordError(f"{name}: not a text in UTF-8, UTF-16 or cp1256") from None
            return "cp1256"
        is_empty = is_empty and not text
        n_lines += text.count("\n")
        n_letters += _n_foreign(text) if n_letters < _DAMAGED else 0
    return encoding


def _n_foreign(text: str) -> int:
    return 0 if text.isascii() else sum(letter > "\x7f" for letter in text)


def _text(binary: IO[bytes], encoding: str, newline: str) -> io.TextIOWrapper:
    binary.seek(0)
    return io.TextIOWrapper(
        io.BufferedReader(_Lent(binary), _SAMPLE), encoding=encoding, newline=newline
    )


class _Lent(io.RawIOBase):
    """A file that stays open when the text around it is closed."""

    def __init__(self, binary: IO[bytes]) -> None:
        self._binary = binary

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self._binary.read(len(buffer))
        buffer[: len(read)] = read
        return len(read)


def _first_sign(binary: IO[bytes], encoding: str) -> str:
    text = _text(binary, encoding, "")
    start = text.read(_SAMPLE)
    while start and not start.strip():
        start = text.read(_SAMPLE)
    return start.lstrip()[:1]


def _lines(name: str, text: io.TextIOWrapper) -> Iterator[str]:
    """Yield lines, none of them longer than `MAX_LINE`."""
    for number in itertools.count(1):
        try:
            line = text.readline(MAX_LINE)
        except _UNREADABLE as error:
            raise RecordError(f"{name}, after line {number - 1}: cannot be read: {error}") from None
        if not line:
            return
        if len(line) >= MAX_LINE:
            raise RecordError(f"{name}, line {number}: is longer than {MAX_LINE} characters")
        yield line


# JSON Lines


def _json_lines(name: str, binary: IO[bytes], encoding: str, share: Callable[[], float]) -> Table:
    def lines() -> Iterator[str]:
        return _lines(name, _text(binary, encoding, "\n"))

    def rows() -> Iterator[tuple[int, Row]]:
        for number, line in enumerate(lines(), start=1):
            if not line.strip():
                continue
            try:
                record = read_json(line.strip())
            except NotJson as error:
                raise RecordError(f"{name}, line {number}: the line {error}") from None
            if not isinstance(record, dict):
                raise RecordError(f"{name}, line {number}: expected an object")
            yield number, dict(_flat(record))

    first = next(rows(), (1, {}))[1]
    form = f"JSON Lines in {_encoding_name(encoding)}"
    return Table(name, form, tuple(first), rows, share, is_json=True, lines=lines)


def _flat(record: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield the cells of a record; those of a record within it have names with a dot."""
    for key, value in record.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, _cell(value)


def _cell(value: object) -> str:
    """Write what a typed form holds as a text would have it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return ""  # an empty one
    return json.dumps(value, ensure_ascii=False, default=str)


# Text with delimiters


def _delimited(
    name: str,
    binary: IO[bytes],
    encoding: str,
    is_known: Callable[[str], bool],
    share: Callable[[], float],
) -> Table:
    header = re.split(r"[\r\n]", _text(binary, encoding, "").read(_SAMPLE), maxsplit=1)[0]
    named = re.fullmatch(r"sep=(.)", header)  # Excel's way to name the delimiter
    delimiter = named[1] if named else _delimiter(header, is_known)

    def records(*, quoted: bool) -> Iterator[tuple[int, list[str]]]:
        """Yield the line and the cells of each row, the header first, all as long as it is."""
        text = _text(binary, encoding, "" if quoted else "\n")
        lines = itertools.islice(_lines(name, text), bool(named), None)
        cut = _quoted if quoted else _unquoted
        n_columns = 0
        for line, record in cut(name, lines, delimiter, 1 + bool(named)):
            if not any(record) and len(record) != n_columns:
                continue  # an empty line
            n_columns = n_columns or len(record)
            while len(record) > n_columns and not record[-1]:
                record.pop()
            if len(record) != n_columns:
                raise RecordError(
                    f"{name}, line {line}: {len(record)} columns, the header has {n_columns}"
                )
            yield line, record

    # Tables with other delimiters quote; of tables with tabs and of lists some do not.
    is_quoted = (
        delimiter not in ("\t", _NONE)
        or _is_readable(records(quoted=True))
        or not _is_readable(records(quoted=False))
    )
    columns = _names(next(records(quoted=is_quoted), (1, []))[1])

    def rows() -> Iterator[tuple[int, Row]]:
        for line, record in itertools.islice(records(quoted=is_quoted), 1, None):
            yield line, dict(zip(columns, record, strict=True))

    by = {"\t": "divided by tabs", _NONE: "one column"}.get(delimiter, f"divided by {delimiter!r}")
    form = f"text in {_encoding_name(encoding)}, {by}" + ", unquoted" * (not is_quoted)
    return Table(name, form, columns, rows, share)


def _quoted(
    name: str, lines: Iterable[str], delimiter: str, first: int
) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = first
    try:
        for record in reader:
            yield line, record
            line = first + reader.line_num
    except csv.Error as error:
        last = first + reader.line_num - 1
        place = f"line {line}" if last <= line else f"lines {line} to {last}"
        raise RecordError(f"{name}, {place}: not CSV: {error}") from None


def _unquoted(
    _name: str, lines: Iterable[str], delimiter: str, first: int
) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, start=first):
        yield number, line.rstrip("\r\n").split(delimiter)


def _is_readable(records: Iterable[object]) -> bool:
    try:
        deque(records, maxlen=0)
    except RecordError:
        return False
    return True


def _delimiter(header: str, is_known: Callable[[str], bool]) -> str:
    """Return the sign under which a header has most names that are known."""

    def n_known(delimiter: str) -> int:
        try:
            names = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:
            return 0
        return sum(map(is_known, names))

    others = [one for one in dict.fromkeys(header) if not (one.isalnum() or one in "\" _-.'\0")]
    found = max([",", ";", "\t", "|", *others[:_MOST_SIGNS]], key=n_known)  # the first of equals
    return found if found in header else _NONE


def _names(header: Sequence[str]) -> tuple[str, ...]:
    """Return the names of columns; the second of equal ones is numbered, so that none is lost."""
    seen: Counter[str] = Counter()
    names = []
    for written in header:
        name = written.strip()
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(names)


def _encoding_name(encoding: str) -> str:
    return {"utf-8-sig": "UTF-8", "cp1256": "cp1256"}.get(encoding, "UTF-16")


# Forms that other libraries read


def _parquet(name: str, binary: IO[bytes]) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise RecordError(f"{name}: is Parquet, which pyarrow reads: pip install pyarrow") from None
    try:
        file = parquet.ParquetFile(binary)
    except (ArrowException, OSError):
        raise RecordError(f"{name}: is damaged Parquet") from None
    n_rows, n_read = file.metadata.num_rows, 0

    def rows() -> Iterator[tuple[int, Row]]:
        nonlocal n_read
        n_read = 0
        try:
            for batch in file.iter_batches(batch_size=_BATCH):
                for record in batch.to_pylist():
                    n_read += 1
                    yield n_read, dict(_flat(record))
        except (ArrowException, OSError):
            raise RecordError(f"{name}, after row {n_read}: is damaged Parquet") from None

    columns = tuple(_leaves(file.schema_arrow))
    return Table(name, "Parquet", columns, rows, lambda: n_read / n_rows if n_rows else 1.0)


def _leaves(fields: Any, before: str = "") -> Iterator[str]:
    for field in fields:
        if hasattr(field.type, "fields") and field.type.num_fields and "struct" in str(field.type):
            yield from _leaves(field.type.fields, f"{before}{field.name}.")
        else:
            yield before + field.name


def _spreadsheet(name: str, binary: IO[bytes], stack: ExitStack) -> Table:
    binary.seek(0)
    try:
        with zipfile.ZipFile(binary) as members:
            is_workbook = "xl/workbook.xml" in members.namelist()
    except zipfile.BadZipFile:
        is_workbook = False
    if not is_workbook:
        raise RecordError(f"{name}: is an archive of files; unpack it")
    try:
        import openpyxl
    except ImportError:
        raise RecordError(
            f"{name}: is a spreadsheet, which openpyxl reads: pip install openpyxl, or save it as "
            "CSV"
        ) from None
    try:
        book = openpyxl.load_workbook(binary, read_only=True, data_only=True)
    except Exception:  # noqa: BLE001 -- it raises whatever XML and zip do
        raise RecordError(f"{name}: is a damaged spreadsheet") from None
    stack.callback(book.close)
    sheet = book.worksheets[0]

    def records() -> Iterator[Sequence[object]]:
        try:
            yield from sheet.iter_rows(values_only=True)
        except Exception:  # noqa: BLE001 -- the same
            raise RecordError(f"{name}: is a damaged spreadsheet") from None

    columns = _names([_cell(value) for value in next(records(), ())])
    n_read = 0

    def rows() -> Iterator[tuple[int, Row]]:
        nonlocal n_read
        for n_read, record in enumerate(records(), start=1):
            cells = [_cell(value) for value in record]
            if any(cells[len(columns) :]):
                raise RecordError(f"{name}, row {n_read}: more columns than the header has")
            if n_read > 1 and any(cells):
                missing = [""] * (len(columns) - len(cells))
                yield n_read, dict(zip(columns, cells[: len(columns)] + missing, strict=True))

    n_rows = sheet.max_row or 0
    return Table(
        name, "spreadsheet, its first sheet", columns, rows,
        lambda: min(1.0, n_read / n_rows) if n_rows else 1.0,
    )  # fmt: skip
