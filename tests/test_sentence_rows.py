"""Rows to learn a sentence scorer from: soft labels, weights, and what is no row."""

import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_sentence_scorer import TEXTS, tiny_tokenizer
from tokenizers import Tokenizer

from models.errors import RecordError
from training.sentence.rows import read_rows

TOKENIZER = Tokenizer.from_str(tiny_tokenizer().decode())


def written(path: Path, *rows: object) -> Path:
    opened: dict[str, Callable[..., bytes]] = {".xz": lzma.compress, ".gz": gzip.compress}
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(opened[path.suffix](content) if path.suffix in opened else content)
    return path


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.xz", "rows.jsonl.gz"])
def test_rows_say_shares_of_labels_weights_and_leave_out_what_was_not_observed(
    tmp_path: Path, name: str
) -> None:
    rows = read_rows(
        [
            written(
                tmp_path / name,
                {"text": TEXTS[0], "labels": {"toxicity": 0.25}, "weight": 3},
                {"text": TEXTS[1], "labels": {"new": 1, "spam": 0}},
            )
        ],
        TOKENIZER,
        ("toxicity", "spam"),
    )
    assert rows.labels == ("toxicity", "spam", "new")
    np.testing.assert_array_equal(rows.y, [[0.25, np.nan, np.nan], [np.nan, 0, 1]])
    assert rows.weight.tolist() == [3, 1]
    assert len(rows.tokens) == 2


@pytest.mark.parametrize(
    "row",
    [
        {"labels": {}},
        {"text": 5, "labels": {}},
        {"text": "a"},
        {"text": "a", "labels": {"toxicity": 1.5}},
        {"text": "a", "labels": {"toxicity": "yes"}},
        {"text": "a", "labels": {}, "weight": -1},
        {"text": "a", "labels": {}, "weight": float("nan")},
        [],
    ],
)
def test_what_is_no_row_is_refused_with_its_line_and_without_its_text(
    tmp_path: Path, row: object
) -> None:
    path = written(tmp_path / "rows.jsonl", {"text": "a", "labels": {}}, row)
    with pytest.raises(RecordError, match=r"rows\.jsonl, line 2: "):
        read_rows([path], TOKENIZER, ())


def test_a_file_without_a_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="not one row"):
        read_rows([written(tmp_path / "rows.jsonl")], TOKENIZER, ())
