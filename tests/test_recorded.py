"""Logits that were recorded stand for a sentence scorer that learned from other parts."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.errors import RecordError
from training.evaluation.recorded import Recorded, recorded_in

ROWS = [
    {"text": "one two", "logits": {"toxicity": -1.5, "insult": 2}},
    {"text": "three", "logits": {"insult": 0.25, "toxicity": 3}},
]


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_text_has_the_logits_that_were_recorded_of_it(tmp_path: Path) -> None:
    recorded = Recorded(write(tmp_path / "fold 3.jsonl", *ROWS))
    assert recorded.labels == ("toxicity", "insult")
    assert recorded.logits(["three", "one  TWO", "three"]).tolist() == [
        [3, 0.25],
        [-1.5, 2],
        [3, 0.25],
    ]
    assert recorded.logits([]).shape == (0, 2)


def test_a_text_of_which_nothing_was_recorded_has_no_logits(tmp_path: Path) -> None:
    recorded = Recorded(write(tmp_path / "fold 3.jsonl", *ROWS))
    with pytest.raises(RecordError, match="no logits of 2 texts") as refused:
        recorded.logits(["one two", "four", "five"], None, np.zeros(3, dtype=bool))
    assert "four" not in str(refused.value)


@pytest.mark.parametrize(
    "row",
    [[], {"text": "three"}, {"text": 3, "logits": {"toxicity": 1}}, {**ROWS[0], "logits": {}}],
)
def test_what_holds_no_text_and_logits_is_refused_by_its_line(tmp_path: Path, row: object) -> None:
    with pytest.raises(RecordError, match="line 2: a text and its logits"):
        Recorded(write(tmp_path / "fold 3.jsonl", ROWS[0], row))


def test_a_fit_without_a_file_has_no_second_reader(tmp_path: Path) -> None:
    write(tmp_path / "fold 3.jsonl", *ROWS)
    second = recorded_in(tmp_path)
    assert isinstance(second("fold 3"), Recorded)
    assert second("fold 2") is None
