"""Sentence scorer: a small transformer that reads a whole text, run as an ONNX graph.

Promise: deterministic, no input or output; a text has the same logits alone or in any batch, and no
text costs more than `MOST_PASSAGES` runs of the graph. No file of a scorer can run code, read
another file or hold a number that decides alone: what is not listed here is refused.

Secret: how a text becomes numbers of pieces, and how the graph is run. The *normalized* text is cut
into pieces of words by a tokenizer (Kudo 2018, "Subword regularization"), so every disguise that
`models.normalize` undoes is undone for this reader too. A text of more than `LONGEST` pieces is
read in overlapping passages and has the highest of their logits, per label.

Weights and activations are whole numbers of one byte, and the scale of the activations is taken
from what is read at once: texts are run one by one, because a batch filled up to one length would
change their logits. A session made for one thread starts none, so processes forked after it was
made share its memory and can use it, and so can threads.
"""

from __future__ import annotations

import math
import mmap
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import NotJson
from models.normalize import normalize, normalize_batch, refuse_one_text
from models.strict_json import read_json

BEGIN, PAD, END, UNKNOWN, MASK = range(5)
SIGNS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
"""The first pieces of every tokenizer, which are no part of a word, by their numbers above."""

LONGEST = 100
"""Pieces that are read at once."""
SHARED = 25
"""Pieces that a passage shares with the next, at the least."""
MOST_PASSAGES = 8
"""Passages that are read of one text. Where there are more, those are read that the caller would
rather have read, so that nothing is hidden by what stands around it."""

MOST_LEFT_OUT = 16
"""Readings of one text with something left out; where there are more words, neighbours go
together."""

CLOSE = (6, 10, 16)
"""Pieces in a row that are read by themselves in a text that is read closely. Chosen on validation
rows and on insults among harmless words."""

PIECES = "pieces"
"""Name of the array of the graph that has a row for each piece."""
OPERATORS = frozenset(
    {"Add", "Attention", "Cast", "Div", "DynamicQuantizeLinear", "Gather", "Gelu", "Gemm"}
    | {"LayerNormalization", "MatMulInteger", "Max", "Mul", "ReduceMax", "ReduceMean", "Shape"}
    | {"Slice", "Split", "Tanh"}
)
"""What a graph may be made of. None of these repeats, branches, or makes much of little."""
LARGEST_GRAPH, LARGEST_TOKENIZER, MOST_NODES = 64 << 20, 8 << 20, 2000
LARGEST_NUMBER = 1e4

_Buffer = bytes | mmap.mmap
Choose = Callable[[list[str]], NDArray[np.float64]]
"""Says of passages which are rather to be read; the highest are."""
Places = list[tuple[int, int]]


class SentenceScorer:
    """A graph and the tokenizer that cuts texts for it.

    Parameters
    ----------
    graph : bytes or mmap
        The ONNX graph: numbers of pieces, (1, n_pieces), to logits, (1, n_labels).
    tokenizer : bytes or mmap
        The tokenizer as JSON.
    labels : sequence of str
        What the columns of the logits are about.

    Raises
    ------
    ValueError
        If one is not what a sentence scorer may hold.
    """

    def __init__(self, graph: _Buffer, tokenizer: _Buffer, labels: Sequence[str]) -> None:
        from tokenizers import Tokenizer

        self.graph, self.tokenizer, self.labels = graph, tokenizer, tuple(labels)
        n_pieces = _n_pieces_of(tokenizer)
        if _check_graph(graph) != n_pieces:
            raise ValueError("graph and tokenizer do not have the same number of pieces")
        self._tokenizer = Tokenizer.from_str(bytes(tokenizer).decode())
        self._session = _session(graph)
        (taken,), (given,) = self._session.get_inputs(), self._session.get_outputs()
        if (
            (taken.type, given.type) != ("tensor(int64)", "tensor(float)")
            or len(taken.shape) != 2
            or given.shape != [1, len(self.labels)]
        ):
            raise ValueError("the graph does not take pieces or does not give a logit per label")
        self._input = taken.name
        if self._run([]).shape != (len(self.labels),):
            raise ValueError("the graph does not give a logit per label")

    def logits(
        self,
        texts: Sequence[str],
        choose: Choose | None = None,
        closely: Sequence[bool] | NDArray[np.bool_] = (),
    ) -> NDArray[np.float64]:
        """Score texts.

        Parameters
        ----------
        texts : sequence of str, length n_texts
        choose : callable, optional
            Which passages of a text are rather to be read: gets them normalized and gives a number
            for each. Without it, of a very long text those are read that are spread evenly.
        closely : sequence of bool, length n_texts, optional
            Which texts are read closely: a few pieces in a row are read by themselves as well,
            those that `choose` finds most telling, so that kind words around an insult do not
            hide it.

        Returns
        -------
        ndarray of float64, shape (n_texts, n_labels)

        Raises
        ------
        InvalidText
            If a text is not valid Unicode.
        TypeError
            If one text is given in place of many.
        """
        logits = np.empty((len(texts), len(self.labels)))
        for row, text in enumerate(readings(texts)):
            encoding = self._tokenizer.encode(text, add_special_tokens=False)
            read = self._passages(text, encoding, choose)
            logits[row] = np.max([self._run(ids) for ids in read], axis=0)
            if choose and len(closely) and closely[row]:
                for ids in _windows(text, encoding, choose):
                    np.maximum(logits[row], self._run(ids), out=logits[row])
        return logits

    def changes(self, text: str) -> NDArray[np.float64]:
        """Say how much higher each logit is with a word than without it.

        Parameters
        ----------
        text : str

        Returns
        -------
        ndarray of float64, shape (len(text), n_labels)
            The change is shared by the code points of the word. All 0 where the text has more
            pieces than are read at once.

        Raises
        ------
        InvalidText
            If the text is not valid Unicode.
        """
        normalized = normalize(text)
        encoding = self._tokenizer.encode(normalized.text.rstrip(" "), add_special_tokens=False)
        ids = np.array(encoding.ids, dtype=np.int64)
        changes = np.zeros((len(text), len(self.labels)))
        words = [found.span() for found in re.finditer("[^ ]+", normalized.text)]
        if not words or len(ids) > LONGEST:
            return changes
        whole = self._run(ids.tolist())
        ends = np.array([end for _, end in words])
        word_of = ends.searchsorted([end for _, end in encoding.offsets])
        together = -(-len(words) // MOST_LEFT_OUT)
        for first in range(0, len(words), together):
            last = min(first + together, len(words)) - 1
            left = ids[(word_of < first) | (word_of > last)]
            places = np.unique(normalized.offsets[words[first][0] : words[last][1]])
            changes[places] += (whole - self._run(left.tolist())) / len(places)
        return changes

    def _passages(self, text: str, encoding: Any, choose: Choose | None) -> list[list[int]]:
        ids: list[int] = encoding.ids
        places = passages(len(ids))
        if len(places) > MOST_PASSAGES and choose:
            places = _ranked(text, encoding, places, choose)[:MOST_PASSAGES]
        elif len(places) > MOST_PASSAGES:
            spread = np.linspace(0, len(places) - 1, MOST_PASSAGES).round().astype(np.int64)
            places = [places[at] for at in spread.tolist()]
        return [ids[start:end] for start, end in places]

    def _run(self, ids: list[int]) -> NDArray[np.float64]:
        framed = np.array([[BEGIN, *ids, END]], dtype=np.int64)
        logits: NDArray[np.float64] = self._session.run(None, {self._input: framed})[0][0]
        if not np.isfinite(logits).all():
            raise ArithmeticError("the sentence scorer gave a logit that is not finite")
        return logits


def readings(texts: Sequence[str]) -> list[str]:
    """Give the normalized texts, which are what is cut into pieces; what is repeated is read once.

    Raises
    ------
    InvalidText
        If a text is not valid Unicode.
    TypeError
        If one text is given in place of many.
    """
    refuse_one_text(texts)
    read: list[str] = []
    for first in range(0, len(texts), 1024):
        batch = normalize_batch(texts[first : first + 1024])
        whole = batch.codes.astype("<u4").tobytes().decode("utf-32-le")
        breaks = batch.breaks.tolist()
        read += [_once(whole[start + 1 : end].rstrip(" ")) for start, end in pairwise(breaks)]
    return read


def _once(text: str) -> str:
    """Give what a text repeats from its beginning to its end, else the text: more is not worse."""
    framed = f"{text} "
    return framed[: (framed + framed).find(framed, 1)].rstrip(" ")


def passages(n_pieces: int) -> list[tuple[int, int]]:
    """Say where the passages of a text begin and end: as few as can be, of one length.

    Examples
    --------
    >>> passages(100), passages(102), passages(250)
    ([(0, 100)], [(0, 64), (38, 102)], [(0, 100), (75, 175), (150, 250)])
    """
    n_passages = max(1, math.ceil((n_pieces - SHARED) / (LONGEST - SHARED)))
    length = math.ceil((n_pieces + (n_passages - 1) * SHARED) / n_passages)
    last = n_pieces - length
    starts = [round(at * last / max(1, n_passages - 1)) for at in range(n_passages)]
    return [(start, start + length) for start in starts]


def _windows(text: str, encoding: Any, choose: Choose) -> Iterator[list[int]]:
    """Yield the most telling pieces in a row, of each size of `CLOSE`."""
    ids: list[int] = encoding.ids
    for size in CLOSE:
        last = len(ids) - size
        if last > 0:
            starts = [*range(0, last, size // 4), last]
            places = [(start, start + size) for start in starts]
            start, end = _ranked(text, encoding, places, choose)[0]
            yield ids[start:end]


def _ranked(text: str, encoding: Any, places: Places, choose: Choose) -> Places:
    """Put places in order, those first that are rather to be read."""
    offsets = encoding.offsets
    cut = [text[offsets[start][0] : offsets[end - 1][1]] for start, end in places]
    return [places[at] for at in np.argsort(-choose(cut), kind="stable").tolist()]


def _session(graph: _Buffer) -> Any:
    # It would report how it is used to its makers, by a thread that starts when it is imported and
    # that a forked process cannot end without.
    os.putenv("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # What a run takes is given back: texts have many lengths, and each would keep its own.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            bytes(graph), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its errors have no root of their own
        raise ValueError(f"the graph cannot be run: {error}") from error


def _n_pieces_of(tokenizer: _Buffer) -> int:
    """Check a tokenizer; the library would also read rules that take forever."""
    if len(tokenizer) > LARGEST_TOKENIZER:
        raise ValueError("the tokenizer is too large")
    try:
        read = read_json(bytes(tokenizer))
        model, pieces = read["model"], read["model"]["vocab"]
        plain = {"version", "added_tokens", "pre_tokenizer", "model"}
        if (
            any(value is not None for key, value in read.items() if key not in plain)
            or read["pre_tokenizer"]["type"] != "Metaspace"
            or model["type"] != "Unigram"
            or model["unk_id"] != UNKNOWN
            or tuple(piece for piece, _ in pieces[: len(SIGNS)]) != SIGNS
            or [token["content"] for token in read["added_tokens"]] != list(SIGNS)
        ):
            raise ValueError("a tokenizer of another kind")
        return len(pieces)
    except (NotJson, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"not a tokenizer: {error}") from None


# Fields of the messages of ONNX's protocol buffers (onnx.proto) that a graph may have: None for
# what is read as it is. Whatever else one can hold, external data and graphs in nodes among it, is
# not here.
_Fields = Mapping[int, Any]
_TENSOR: _Fields = {1: None, 2: None, 8: None, 9: None}  # dims, type, name, content
_NUMBERS = {1: "<f4", 3: "i1", 7: "<i8"}  # types of a tensor
_ATTRIBUTE: _Fields = {1: None, 2: None, 3: None, 8: None, 20: None}  # name, float, int, ints, type
_NODE: _Fields = {1: None, 2: None, 3: None, 4: None, 5: _ATTRIBUTE}  # input, output, name, kind
_DIMENSION: _Fields = {1: None, 2: None}
_TENSOR_TYPE: _Fields = {1: None, 2: {1: _DIMENSION}}
_VALUE: _Fields = {1: None, 2: {1: _TENSOR_TYPE}}
_GRAPH: _Fields = {1: _NODE, 2: None, 5: _TENSOR, 11: _VALUE, 12: _VALUE}
_MODEL: _Fields = {1: None, 2: None, 3: None, 7: _GRAPH, 8: {1: None, 2: None}}  # 8: version


def _check_graph(graph: _Buffer) -> int:
    """Check that a graph is made of nothing but what is known, and count its pieces.

    Raises
    ------
    ValueError
        If it is not.
    """
    if len(graph) > LARGEST_GRAPH:
        raise ValueError("the graph is too large")
    n_pieces = n_nodes = 0
    with memoryview(graph) as view:
        for path, content in _walk(view, _MODEL, ()):
            if path == (7, 1):
                n_nodes += 1
                kinds = {bytes(part).decode() for field, part in _fields(content) if field == 4}
                if len(kinds) != 1 or not kinds <= OPERATORS or n_nodes > MOST_NODES:
                    raise ValueError("the graph has operators that are not known, or too many")
            elif path == (7, 5):
                name, dims = _check_tensor(content)
                if name == PIECES:
                    n_pieces = dims[0]
    return n_pieces


def _check_tensor(content: memoryview) -> tuple[str, list[int]]:
    parts: dict[int, list[Any]] = {}
    for field, value in _fields(content):
        parts.setdefault(field, []).append(value)
    if not {2, 8, 9} <= parts.keys() <= _TENSOR.keys() or parts[2][-1] not in _NUMBERS:
        raise ValueError("the graph has an array that it may not have")
    numbers = np.frombuffer(parts[9][-1], dtype=_NUMBERS[parts[2][-1]])
    if numbers.dtype.kind == "f" and not (np.abs(numbers) <= LARGEST_NUMBER).all():
        raise ValueError("the graph has a number that is not finite, or too large")
    dims: list[int] = []
    for value in parts.get(1, []):
        dims += [value] if isinstance(value, int) else _varints(value)
    return bytes(parts[8][-1]).decode(), dims


def _walk(
    content: memoryview, allowed: _Fields, path: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], memoryview]]:
    """Yield every message inside another with the numbers of the fields that lead to it."""
    for field, value in _fields(content):
        if field not in allowed:
            raise ValueError(f"the graph has a part that it may not have: {(*path, field)}")
        if allowed[field] is not None:
            if isinstance(value, int):
                raise ValueError("the graph has a number where a message belongs")
            yield (*path, field), value
            yield from _walk(value, allowed[field], (*path, field))


def _fields(content: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a message: whole numbers as they are, the rest as bytes."""
    at = 0
    while at < len(content):
        head, at = _varint(content, at)
        field, form = head >> 3, head & 7
        if form == 0:
            value, at = _varint(content, at)
            yield field, value
            continue
        if form == 2:
            size, at = _varint(content, at)
        elif form in (1, 5):
            size = 8 if form == 1 else 4
        else:
            raise ValueError("the graph is not written as protocol buffers are")
        if at + size > len(content):
            raise ValueError("the graph ends too early")
        yield field, content[at : at + size]
        at += size


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            raise ValueError("the graph ends too early")
        byte = content[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise ValueError("the graph has a number that is too long")


def _varints(content: memoryview) -> list[int]:
    numbers, at = [], 0
    while at < len(content):
        number, at = _varint(content, at)
        numbers.append(number)
    return numbers
