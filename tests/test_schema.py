"""The labelled comment and its form on disk."""

import gzip
import io
import json
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import RecordError
from models.schema import (
    LABELS,
    REASONS,
    LabeledComment,
    observed_labels,
    read_comments,
    write_comments,
)

SALAM = "\u0633\u0644\u0627\u0645"  # salam, "peace"
COMMENTS = [
    LabeledComment("1", SALAM, {"toxicity": 0.0}, "moderator", author_name=SALAM, site="demo"),
    LabeledComment("2", f"{SALAM}\n\u2028{SALAM}", {"insult": 0.25, "toxicity": 1.0}, "policy"),
    LabeledComment("3", SALAM, {}, "sample", dialect="gulf", license="Apache-2.0"),
]


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz", "c.jsonl.xz"])
def test_comments_come_back_from_disk_as_they_were_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert write_comments(COMMENTS, path) == 3
    assert list(read_comments(path)) == COMMENTS
    assert list(read_comments(str(path))) == COMMENTS


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            LabeledComment,
            id=st.text(min_size=1).filter(str.strip),
            text=st.text(min_size=1).filter(str.strip),
            labels=st.dictionaries(st.sampled_from(LABELS), st.floats(0, 1)),
            source=st.just("sample"),
            reason=st.text(),
            sampling_probability=st.none() | st.floats(0, 1, exclude_min=True),
        )
    )
)
def test_any_valid_comment_survives_writing_and_reading(comments: list[LabeledComment]) -> None:
    file = io.BytesIO()
    write_comments(comments, file)
    file.seek(0)
    assert list(read_comments(file)) == comments


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_equal_comments_give_equal_files(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    write_comments(COMMENTS, first)
    write_comments(COMMENTS, second)
    assert first.read_bytes() == second.read_bytes()


def test_files_are_plain_json_lines_any_tool_can_read(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    write_comments(COMMENTS, path)
    lines = path.read_bytes().split(b"\n")
    assert json.loads(lines[1]) == {
        "id": "2",
        "text": f"{SALAM}\n\u2028{SALAM}",
        "labels": {"toxicity": 1.0, "insult": 0.25},
        "source": "policy",
    }
    assert lines[3] == b""


def test_an_open_text_file_works_like_a_path() -> None:
    file = io.StringIO()
    write_comments(COMMENTS, file)
    file.seek(0)
    assert list(read_comments(file)) == COMMENTS


def test_a_dash_reads_standard_input_and_writes_standard_output() -> None:
    program = (
        "from models.schema import read_comments, write_comments;"
        "write_comments(read_comments('-'), '-')"
    )
    file = io.BytesIO()
    write_comments(COMMENTS, file)
    copied = subprocess.run(
        [sys.executable, "-c", program], input=file.getvalue(), capture_output=True, check=True
    )
    assert copied.stdout == file.getvalue()


def test_empty_lines_and_a_byte_order_mark_are_passed_over() -> None:
    line = b'{"id": "1", "text": "a", "labels": {}, "source": "s"}'
    file = io.BytesIO(b"\xef\xbb\xbf" + line + b"\r\n\n" + line + b"\n\n")
    assert len(list(read_comments(file))) == 2


VALID: dict[str, Any] = {"id": "1", "text": "a", "labels": {"insult": 1}, "source": "sample"}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{", "the line is not JSON from column 2 on"),
        (b"[1]", "expected an object, got an array"),
        (b'"a"', "expected an object, got a string"),
        (b"\xff{}", "the line is not UTF-8 at byte 0"),
        (b"[" * 100_000, "the line is nested too deep"),
        (b"[" + b"1" * 5000 + b"]", "the line has a number with too many digits"),
        (b'{"id": "1", "id": "2"}', "the line names a key twice"),
        ({"text": None}, 'field "text": expected a string, got null'),
        ({"text": " \n"}, 'field "text" is empty'),
        ({"text": "\ud800"}, 'field "text": not valid Unicode'),
        ({"id": 7}, 'field "id": expected a string, got a number'),
        ({"labels": []}, 'field "labels": expected an object, got an array'),
        ({"labels": {"rude": 1}}, "unknown label 'rude'"),
        ({"labels": {"insult": 1.5}}, 'field "labels.insult": expected a number between 0 and 1'),
        ({"labels": {"insult": True}}, 'field "labels.insult"'),
        ({"labels": {"insult": "1"}}, 'field "labels.insult"'),
        ({"labels": {"insult": float("nan")}}, "a number that is not finite"),
        ({"mood": "bad"}, "unknown field 'mood'"),
        ({"site": 3}, 'field "site": expected a string'),
        ({"sampling_probability": 0}, 'field "sampling_probability": expected a number above 0'),
        ({"sampling_probability": 1.5}, 'field "sampling_probability": expected a number'),
        ({"sampling_probability": True}, 'field "sampling_probability": expected a number'),
        ({"sampling_probability": "1"}, 'field "sampling_probability": expected a number'),
    ],
)
def test_a_bad_line_is_refused_naming_file_line_and_field(
    tmp_path: Path, line: bytes | dict[str, Any], complaint: str
) -> None:
    path = tmp_path / "bad.jsonl"
    if isinstance(line, dict):
        line = json.dumps(VALID | line).encode()
    path.write_bytes(json.dumps(VALID).encode() + b"\n" + line + b"\n")
    with pytest.raises(RecordError) as refusal:
        list(read_comments(path))
    assert str(refusal.value).startswith(f"{path}, line 2: ")
    assert complaint in str(refusal.value)


def test_what_stands_in_place_of_a_number_is_not_repeated() -> None:
    line = json.dumps(VALID | {"labels": {"insult": "what somebody said"}})
    with pytest.raises(RecordError, match=r"labels\.insult") as refusal:
        list(read_comments(io.StringIO(line)))
    assert "said" not in str(refusal.value)


@pytest.mark.parametrize("field", ["id", "text", "labels", "source"])
def test_a_missing_required_field_is_named(field: str) -> None:
    record = {name: value for name, value in VALID.items() if name != field}
    with pytest.raises(RecordError, match=f'line 1: field "{field}" is missing'):
        list(read_comments(io.StringIO(json.dumps(record))))


def test_an_error_never_repeats_the_text_of_a_comment() -> None:
    record = json.dumps(VALID | {"text": f"{SALAM} \ud800"})
    with pytest.raises(RecordError) as refusal:
        list(read_comments(io.StringIO(record)))
    assert SALAM not in str(refusal.value)


@pytest.mark.parametrize("write", [lambda p: None, lambda p: p.mkdir()])
def test_a_file_that_cannot_be_opened_is_named(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "nothing.jsonl"
    write(path)
    with pytest.raises(RecordError, match=r"nothing\.jsonl: cannot be opened"):
        list(read_comments(path))


@pytest.mark.parametrize(("suffix", "compress"), [("gz", gzip.compress), ("xz", lzma.compress)])
def test_a_truncated_or_wrong_archive_is_refused(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    whole = compress(json.dumps(VALID).encode() * 50)
    for content in (whole[:-6], b"not an archive at all"):
        path = tmp_path / f"c.jsonl.{suffix}"
        path.write_bytes(content)
        with pytest.raises(RecordError, match=f"{suffix}, after line 0: cannot be read"):
            list(read_comments(path))


def test_an_impossible_comment_cannot_be_made() -> None:
    with pytest.raises(RecordError, match="unknown label"):
        LabeledComment("1", "a", {"rude": 1.0}, "sample")


@pytest.mark.parametrize(
    ("action", "reason", "observed"),
    [
        ("approve", "", dict.fromkeys(LABELS, 0.0)),
        ("reject", "insult", {"insult": 1.0, "toxicity": 1.0}),
        ("reject", "toxicity", {"toxicity": 1.0}),
        ("reject", "spam", {"spam": 1.0}),
        ("reject", "off_topic", {}),
        ("reject", "private_information", {}),
    ],
)
def test_a_decision_teaches_what_its_reason_names_and_nothing_about_the_rest(
    action: str, reason: str, observed: dict[str, float]
) -> None:
    assert observed_labels(action, REASONS.get(reason, ())) == observed


def test_every_label_is_a_reason_that_names_it() -> None:
    assert {label: REASONS[label] for label in LABELS} == {label: (label,) for label in LABELS}
