"""Comments as newsrooms have them: one reader, the same words for all, and what was understood."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pytest
from pyarrow import parquet

from conftest import SAMPLE_COMMENTS
from models.comment_files import FileRow, Names, Understood, iso_time, open_comments
from models.errors import RecordError
from models.schema import LABELS, LabeledComment, read_comments, write_comments

HARMLESS = dict.fromkeys(LABELS, 0.0)
SECRET = "what somebody wrote"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "comments.csv"


def read(path: Path, names: Names | None = None) -> tuple[list[FileRow], Understood]:
    with open_comments(path, names) as file:
        return list(file.rows()), file.understood


def read_text(path: Path, text: str, names: Names | None = None) -> list[LabeledComment]:
    path.write_text(text, encoding="utf-8")
    return [row.comment for row in read(path, names)[0]]


@pytest.mark.parametrize(
    ("word", "action"),
    [
        ("مرفوض", "reject"),  # "rejected"
        ("مَرْفُوضٌ", "reject"),  # the same with vowel signs
        ("مرفـــوض", "reject"),  # the same drawn long
        ("\N{RIGHT-TO-LEFT MARK}مرفوضة ", "reject"),
        ("رُفض", "reject"),
        ("محذوف", "reject"),  # "deleted"
        ("حُذف", "reject"),
        ("ازيل", "reject"),  # "removed", without its hamza
        ("محجوب", "reject"),  # "blocked"
        ("مخالف", "reject"),  # "against the rules"
        ("١", "reject"),  # ARABIC-INDIC DIGIT ONE
        ("1.0", "reject"),
        ("Rejected", "reject"),
        ("spam", "reject"),
        ("مقبول", "approve"),  # "accepted"
        ("مقبولة", "approve"),
        ("قُبل", "approve"),
        ("منشور", "approve"),  # "published"
        ("نُشر", "approve"),
        ("معتمد", "approve"),  # "approved"
        ("سليم", "approve"),  # "clean"
        ("٠", "approve"),
        ("APPROVED", "approve"),
        ("معلق", ""),  # "pending"
        ("in review", ""),
        ("", ""),
    ],
)
def test_decisions_are_understood_in_english_and_arabic(path: Path, word: str, action: str) -> None:
    for name in ("decision", "القرار", "الحالة"):  # "decision", "status"
        [comment] = read_text(path, f"التعليق;{name}\na;{word}\n")  # "the comment"
        assert comment.action == action
        assert (comment.text, comment.source) == ("a", "moderator")
        assert not read(path)[1].unknown_words


@pytest.mark.parametrize(
    ("decision", "reason", "labels"),
    [
        ("approved", "", HARMLESS),
        ("approved", "insult", HARMLESS),
        ("rejected", "", {"toxicity": 1}),
        ("rejected", "insult", {"toxicity": 1, "insult": 1}),
        ("rejected", "إهانة", {"toxicity": 1, "insult": 1}),  # "insult"
        ("rejected", "خطاب كراهية", {"toxicity": 1, "identity_attack": 1}),  # "hate speech"
        ("rejected", "spam", {"spam": 1}),
        ("rejected", "Off topic", {}),
        ("rejected", "house rule 7", {}),
        ("spam", "", {"spam": 1}),
        ("تهديد", "", {"toxicity": 1, "threat": 1}),  # "threat"
        ("pending", "insult", {}),
        ("who knows", "insult", {}),
    ],
)
def test_a_decision_observes_what_its_reason_names(
    path: Path, decision: str, reason: str, labels: dict[str, float]
) -> None:
    [comment] = read_text(path, f"text,decision,reason\na,{decision},{reason}\n")
    assert comment.labels == labels


@pytest.mark.parametrize(
    ("source", "kept"), [("Facebook", "moderator"), ("", "moderator"), ("policy", "policy")]
)
def test_who_decided_is_a_person_unless_the_file_says_that_the_policy_did(
    path: Path, source: str, kept: str
) -> None:
    [comment] = read_text(path, f"text,decision,source\na,1,{source}\n")
    assert comment.source == kept


def test_a_column_of_labels_says_what_was_observed_and_one_of_scores_teaches_nothing(
    path: Path,
) -> None:
    path.write_text("text,labels.insult,label_spam,toxicity,threat\na,0.25,no,0.9,1\nb,,نعم,٠٫٥,\n")
    first, second = read(path)[0]
    assert (first.comment.labels, first.old_score) == ({"insult": 0.25, "spam": 0}, 0.9)
    assert (second.comment.labels, second.old_score) == ({"spam": 1}, 0.5)  # "yes"


def test_how_likely_a_person_was_to_see_a_comment_is_read_and_a_wrong_number_named(
    path: Path,
) -> None:
    rows = "text,decision,sampling_probability\na,1,0.005\nb,0,\n"
    assert [one.sampling_probability for one in read_text(path, rows)] == [0.005, None]
    for wrong in ("0", "7", "often"):
        with pytest.raises(RecordError, match='line 2, column "sampling_probability"') as refusal:
            read_text(path, f"text,decision,sampling_probability\na,1,{wrong}\n")
        assert wrong not in str(refusal.value).rpartition(":")[2].replace("0 and", "")


@pytest.mark.parametrize("word", ["0.75", "0,75", "٠٫٧٥", " .75 "])
def test_old_scores_are_read_in_the_ways_people_write_numbers(path: Path, word: str) -> None:
    path.write_text(f"text;score\na;{word}\n")
    assert read(path)[0][0].old_score == 0.75


@pytest.mark.parametrize("word", ["high", "1.5", "nan", "-1", SECRET])
@pytest.mark.parametrize("column", ["score", "labels.insult"])
def test_a_number_that_is_none_is_told_by_file_line_and_column(
    path: Path, column: str, word: str
) -> None:
    with pytest.raises(RecordError, match=f'line 3, column "{column}": ') as caught:
        read_text(path, f"text,{column}\na,1\nb,{word}\n")
    assert str(caught.value).startswith(str(path))
    assert word not in str(caught.value).replace(str(path), "").replace("is not a number", "")


def test_every_form_of_the_same_table_says_the_same(tmp_path: Path) -> None:
    records = [
        {"id": "a", "text": "x, y", "decision": "rejected", "reason": "insult", "site": "here"},
        {"id": "b", "text": "z", "decision": "approved", "reason": "", "site": "there"},
    ]
    table, lines, columns = (tmp_path / f"t.{end}" for end in ("csv", "jsonl", "parquet"))
    table.write_text(
        'id\ttext\tdecision\treason\tsite\na\t"x, y"\trejected\tinsult\there\n'
        "b\tz\tapproved\t\tthere\n",
        encoding="utf-16",
    )
    lines.write_text("\n".join(map(json.dumps, records)))
    parquet.write_table(pa.Table.from_pylist(records), columns)
    found = [[row.comment for row in read(path)[0]] for path in (table, lines, columns)]
    assert found[0] == found[1] == found[2]
    assert [(one.id, one.site, one.labels.get("insult")) for one in found[0]] == [
        ("a", "here", 1.0),
        ("b", "there", 0.0),
    ]


def test_labelled_comments_are_read_as_they_were_written(tmp_path: Path) -> None:
    comments = list(read_comments(SAMPLE_COMMENTS))
    comments[0] = LabeledComment("1", "a", {}, "moderator", action="reject", reason="off_topic")
    path = tmp_path / "export.jsonl.xz"
    write_comments(comments, path)
    rows, understood = read(path)
    assert [row.comment for row in rows] == comments
    assert understood.n_rows == len(comments)
    with path.open("wb") as file:
        file.write(b'{"id": "1", "text": "a", "labels": {"rude": 1}, "source": "x"}')
    with pytest.raises(RecordError, match=f"{path}, line 1: .*unknown label 'rude'"):
        read(path)


def test_labelled_comments_are_read_whatever_encodes_them(path: Path) -> None:
    text = SAMPLE_COMMENTS.read_text(encoding="utf-8")
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
        rows, understood = read(path)
        assert [row.comment for row in rows] == list(read_comments(SAMPLE_COMMENTS))
        assert understood.form == "labelled comments, one a line"


def test_standard_input_is_read_like_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text;decision\na;1\n")))
    with open_comments("-") as file:
        assert [row.comment.labels for row in file.rows()] == [{"toxicity": 1}]
        assert file.understood.lines()[0].startswith("<stdin>: ")


def test_columns_and_words_of_a_newsrooms_own_can_be_named(path: Path) -> None:
    text = "Kommentar,Stand,text\na,schlimm,x\nb,gut,x\nc,Werbung,x\n"
    names = Names.given(
        ["text=Kommentar", "decision=Stand"], ["schlimm=reject", "gut=approve", "Werbung=spam"]
    )
    comments = read_text(path, text, names)
    assert [one.text for one in comments] == ["a", "b", "c"]
    assert [one.labels for one in comments] == [{"toxicity": 1}, HARMLESS, {"spam": 1}]


@pytest.mark.parametrize(
    ("columns", "words", "complaint"),
    [
        (["text"], [], "expected ROLE=NAME"),
        (["tekst=a"], [], "no column is a 'tekst'"),
        (["text=b"], [], "there is no column for text of that name"),
        ([], ["bad=awful"], "no word means 'awful'"),
    ],
)
def test_a_name_that_fits_nothing_is_refused(
    path: Path, columns: Sequence[str], words: Sequence[str], complaint: str
) -> None:
    with pytest.raises(RecordError, match=complaint):
        read_text(path, "text,a\nx,y\n", Names.given(columns, words))


def test_it_is_told_what_was_understood_and_no_comment_is_repeated(path: Path) -> None:
    path.write_text(
        "comment,status,date,reason,\x1b[2Jpage,score\n"
        f"{SECRET},rejected,2026-03-01,insult,1,0.5\n"
        f"{SECRET},approved,1767323040,,1,\n"
        f"{SECRET},{SECRET},1/2/26,,1,\n"
        f"{SECRET},deleted,,{SECRET},1,\n"
        ",approved,,,1,\n"
    )
    told = "\n".join(read(path)[1].lines())
    assert told == (
        f"{path}: text in UTF-8, divided by ',', 5 rows\n"
        '  columns: text is "comment", decision is "status", reason is "reason", score is "score",'
        ' decided_at is "date"\n'
        '  not used: "\N{REPLACEMENT CHARACTER}[2Jpage"\n'
        "  left out: 1 rows without a visible text\n"
        "  decisions: 1 approved, 2 rejected, 1 without\n"
        "  decision: 1 rows in unknown words, the first in line 4; they count as none (--word says"
        " what a word means)\n"
        "  reason: 1 rows in unknown words, the first in line 5; they count as none (--word says"
        " what a word means)\n"
        "  insult: 1 yes, 1 no\n"
        "  toxicity: 1 yes, 1 no\n"
        + "".join(
            f"  {label}: 0 yes, 1 no\n" for label in LABELS if label not in ("insult", "toxicity")
        )
        + "  scores of another service: 1\n"
        "  from 2026-01-02T03:04:00+00:00 to 2026-03-01T00:00:00\n"
        "  times that are not ISO 8601, left out: 1"
    )


def test_a_file_without_texts_is_refused_and_its_first_line_is_not_repeated(path: Path) -> None:
    for text in (f"{SECRET}\nb\n", "", json.dumps({"no": SECRET})):
        with pytest.raises(
            RecordError, match=r"no column is named text|has no text|is empty"
        ) as caught:
            read_text(path, text)
        assert SECRET not in str(caught.value)


def test_a_field_that_only_later_lines_have_is_read_as_well(path: Path) -> None:
    path.write_text('{"text": "a"}\n{"text": "b", "decision": "rejected"}\n')
    rows, understood = read(path)
    assert [row.comment.labels for row in rows] == [{}, {"toxicity": 1}]
    assert understood.columns["decision"] == "decision"


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00+00:00"),
        ("2026/03/01 10:00", "2026-03-01T10:00:00"),
        ("٢٠٢٦-٠٣-٠١", "2026-03-01T00:00:00"),
        ("1767323040123", "2026-01-02T03:04:00.123000+00:00"),
        ("", ""),
        ("yesterday", None),
        ("2026-13-01", None),
    ],
)
def test_a_time_is_read_where_it_can_mean_one_thing(written: str, time: str | None) -> None:
    assert iso_time(written) == time


def test_a_column_of_numbers_and_booleans_decides_as_well(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    for values, rejected in (([1.0, 0.0], 1), ([True, False], 1), ([1, 0], 1)):
        parquet.write_table(pa.table({"text": ["a", "b"], "label": values}), path)
        assert [row.comment.action for row in read(path)[0]] == ["reject", "approve"]
        assert read(path)[1].decisions["reject"] == rejected


def test_parquet_that_cannot_be_read_without_its_library_says_how_to_get_it(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"text": ["a"]}), path)
    with (
        patch.dict(sys.modules, {"pyarrow": None}),
        pytest.raises(RecordError, match="pip install pyarrow"),
    ):
        read(path)
