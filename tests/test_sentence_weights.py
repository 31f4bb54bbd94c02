"""Weights of the sentence scorer on disk: what is stored, renamed, averaged and refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_sentence_scorer import tiny_arrays, tiny_tokenizer

from models.schema import LABELS
from training.sentence.weights import (
    Arrays,
    WeightsUnusable,
    averaged,
    in_bytes,
    read_weights,
    shape_of,
    write_weights,
)

RECORD = {"labels": list(LABELS), "steps": [{"step": "beginning"}]}


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    path = tmp_path / "given.json"
    path.write_bytes(tiny_tokenizer())
    return path


def test_weights_come_back_to_a_byte_a_number_and_again_as_they_were(
    tmp_path: Path, tokenizer: Path
) -> None:
    arrays = tiny_arrays()
    arrays["encoder.pieces.weight"] = np.full((600, 32), 1 / 3, dtype=np.float32)
    arrays["encoder.pieces.weight"][7, 3] = -2.5
    write_weights(tmp_path / "once", arrays, tokenizer, RECORD)
    once, record = read_weights(tmp_path / "once")
    assert record == RECORD
    assert once.keys() == arrays.keys()
    for name, values in arrays.items():
        step = np.abs(values).max() / 127 if values.size > 10_000 else 0
        assert np.abs(once[name] - values).max() <= step / 2 + 1e-6
    write_weights(tmp_path / "twice", once, tmp_path / "once" / "tokenizer.json", record)
    twice, _ = read_weights(tmp_path / "twice")
    assert all(np.allclose(twice[name], values, atol=1e-6) for name, values in once.items())


def test_weights_under_other_names_are_read_in_any_number_of_files(tmp_path: Path) -> None:
    numbers, scale = in_bytes(np.eye(32, dtype=np.float32))
    theirs: dict[str, Any] = {"enc.emb.weight|q": numbers, "enc.layers.0.fi.bias": np.ones(64)}
    np.savez(tmp_path / "a.0.npz", **theirs)
    theirs = {"enc.emb.weight|s": scale, "out.bias": np.zeros(7)}
    np.savez(tmp_path / "a.1.npz", **theirs)
    arrays, record = read_weights(tmp_path)
    assert set(arrays) == {
        "encoder.pieces.weight",
        "encoder.layers.0.dense_in.bias",
        "labels.bias",
    }
    assert np.allclose(arrays["encoder.pieces.weight"], np.eye(32), atol=1e-6)
    assert record == {"labels": list(LABELS[:7]), "steps": []}


def test_an_average_lies_between_and_takes_a_label_from_who_knows_it() -> None:
    first, last = tiny_arrays(), tiny_arrays()
    last = {name: values + 1 for name, values in last.items()}
    fewer = first | {name: first[name][1:] for name in ("labels.weight", "labels.bias")}
    known = RECORD | {"labels": list(LABELS[1:])}
    mean, record = averaged([(fewer, known), (last, RECORD)], [1, 3])
    assert np.allclose(mean["dense.weight"], first["dense.weight"] + 0.75)
    assert np.allclose(mean["labels.bias"][0], last["labels.bias"][0])
    assert np.allclose(mean["labels.bias"][1:], first["labels.bias"][1:] + 0.75)
    assert record["labels"] == list(LABELS)
    assert [part["share"] for part in record["steps"][0]["of"]] == [0.25, 0.75]


def test_weights_of_another_size_are_not_averaged() -> None:
    other = tiny_arrays() | {"dense.bias": np.zeros(3, np.float32)}
    with pytest.raises(WeightsUnusable, match=r"dense\.bias"):
        averaged([(other, RECORD), (tiny_arrays(), RECORD)], [1, 1])


def without(name: str) -> Arrays:
    arrays = tiny_arrays()
    del arrays[name]
    return arrays


def test_a_folder_without_weights_and_arrays_of_no_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnusable, match=r"no \.npz"):
        read_weights(tmp_path)
    with pytest.raises(WeightsUnusable, match="positions"):
        shape_of(without("encoder.positions.weight"))
    shape = shape_of(tiny_arrays())
    assert (shape.n_pieces, shape.n_layers, shape.width, shape.n_heads) == (300, 2, 32, 1)
