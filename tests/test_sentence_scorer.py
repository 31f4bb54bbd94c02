"""Sentence scorer: what it reads, what it costs, and what it refuses to load."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from scipy.special import erf, softmax
from tiny_sentence_scorer import TEXTS, WIDTH, tiny_arrays, tiny_tokenizer

from models.errors import InvalidText
from models.schema import LABELS
from models.sentence_scorer import (
    BEGIN,
    CLOSE,
    END,
    LONGEST,
    MOST_PASSAGES,
    SHARED,
    SentenceScorer,
    passages,
    readings,
)
from training.sentence.export import graph_of
from training.sentence.weights import Arrays

LONG = " ".join(TEXTS)
TOKENIZER = tiny_tokenizer()
GRAPH = graph_of(tiny_arrays())


@pytest.fixture(scope="module")
def scorer() -> SentenceScorer:
    return SentenceScorer(GRAPH, TOKENIZER, LABELS)


def float_logits(arrays: Arrays, ids: list[int]) -> NDArray[np.float64]:
    """Work the network out in plain arithmetic."""

    def dense(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        y: NDArray[np.float64] = x @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]
        return y

    def norm(x: NDArray[np.floating]) -> NDArray[np.float64]:
        y: NDArray[np.float64] = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
        return y

    x = norm(arrays["encoder.pieces.weight"][ids] + arrays["encoder.positions.weight"][: len(ids)])
    for layer in ("encoder.layers.0", "encoder.layers.1"):
        query, key, value = np.split(dense(x, f"{layer}.attention_in"), 3, axis=1)
        mixed = softmax(query @ key.T / np.sqrt(WIDTH), axis=1) @ value
        x = norm(x + dense(mixed, f"{layer}.attention_out"))
        inner = dense(x, f"{layer}.dense_in")
        inner = inner * (1 + erf(inner / np.sqrt(2))) / 2
        x = norm(x + dense(inner, f"{layer}.dense_out"))
    return dense(np.tanh(dense(x.mean(0), "dense")), "labels")


def test_the_graph_computes_what_the_weights_say_but_for_rounding(scorer: SentenceScorer) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(TOKENIZER.decode())
    texts = TEXTS[:40]
    for text, logits in zip(texts, scorer.logits(texts), strict=True):
        ids = tokenizer.encode(readings([text])[0]).ids
        exact = float_logits(tiny_arrays(), [BEGIN, *ids, END])
        assert np.abs(exact - logits).max() < 0.35
        assert np.corrcoef(exact, logits)[0, 1] > 0.99


def test_a_text_has_the_same_logits_alone_in_any_batch_and_in_any_thread(
    scorer: SentenceScorer,
) -> None:
    together = scorer.logits([*TEXTS, LONG, ""])
    with ThreadPoolExecutor(4) as threads:
        alone = list(threads.map(lambda text: scorer.logits([text])[0], [*TEXTS, LONG, ""]))
    assert np.array_equal(together, alone)
    assert np.isfinite(together).all()


def test_a_process_forked_after_loading_gives_the_same_logits(scorer: SentenceScorer) -> None:
    mine = scorer.logits(TEXTS[:20])
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, scorer.logits(TEXTS[:20]).tobytes())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        theirs = np.frombuffer(pipe.read()).reshape(mine.shape)
    os.waitpid(child, 0)
    assert np.array_equal(mine, theirs)


ALONE = """
import os, pathlib, sys
from models.sentence_scorer import SentenceScorer
import numpy, tokenizers
threads = len(os.listdir("/proc/self/task"))
folder = pathlib.Path(sys.argv[1])
scorer = SentenceScorer(
    (folder / "graph").read_bytes(), (folder / "tokenizer").read_bytes(), range(int(sys.argv[2]))
)
scorer.logits(["a"])
assert len(os.listdir("/proc/self/task")) == threads, "it started a thread"
if (child := os.fork()) == 0:
    scorer.logits(["a"])
    sys.exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_it_starts_no_thread_so_nothing_reports_home_and_forked_processes_end(
    tmp_path: Path,
) -> None:
    (tmp_path / "graph").write_bytes(GRAPH)
    (tmp_path / "tokenizer").write_bytes(TOKENIZER)
    ended = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path), str(len(LABELS))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_normalization_undoes_does_not_change_the_logits(scorer: SentenceScorer) -> None:
    for text in TEXTS[:20]:
        marked = "\N{RIGHT-TO-LEFT MARK}".join(f"\N{ARABIC FATHA}{letter}" for letter in text)
        assert readings([f" {marked}\n"]) == readings([text])
        assert np.array_equal(scorer.logits([f" {marked}\n"]), scorer.logits([text]))


def test_passages_leave_no_piece_out_and_none_is_longer_than_can_be_read() -> None:
    for n_pieces in range(1200):
        places = passages(n_pieces)
        assert {at for start, end in places for at in range(start, end)} == set(range(n_pieces))
        assert all(end - start <= LONGEST for start, end in places)
        for (_, end), (start, _) in pairwise(places):
            assert end - start >= SHARED - 1


def test_a_long_text_has_the_highest_logits_of_its_passages(scorer: SentenceScorer) -> None:
    worst = scorer.logits([TEXTS[0]])[0]
    long = scorer.logits([f"{TEXTS[0]} {LONG[:600]}"])[0]
    assert long.shape == worst.shape
    first, rest = LONG[:400], LONG[400:800]
    both = scorer.logits([f"{first} {rest}"])[0]
    runs = count_runs(scorer, [f"{first} {rest}"])
    assert 1 < runs <= MOST_PASSAGES
    assert np.isfinite(both).all()


def count_runs(
    scorer: SentenceScorer,
    texts: list[str],
    choose: Callable[[list[str]], NDArray[np.float64]] | None = None,
    closely: Sequence[bool] = (),
) -> int:
    read: list[list[int]] = []

    class Counted(SentenceScorer):
        def _run(self, ids: list[int]) -> NDArray[np.float64]:
            read.append(ids)
            assert len(ids) <= LONGEST
            return super()._run(ids)

    counted = Counted(scorer.graph, scorer.tokenizer, scorer.labels)
    read.clear()
    counted.logits(texts, choose, closely)
    return len(read)


def test_the_work_for_one_text_is_bounded(scorer: SentenceScorer) -> None:
    assert count_runs(scorer, [LONG * 20]) == MOST_PASSAGES


def test_of_a_very_long_text_those_passages_are_read_that_are_chosen(
    scorer: SentenceScorer,
) -> None:
    filler = " ".join(["word"] * 800)
    told = max(readings([TEXTS[0]])[0].split(), key=len)
    hidden = f"{filler} {told} {filler}"
    seen: list[str] = []

    def choose(passages: list[str]) -> NDArray[np.float64]:
        seen.extend(passages)
        return np.array([float(told in passage) for passage in passages])

    chosen = scorer.logits([hidden], choose)
    assert len(seen) > MOST_PASSAGES
    assert any(told in passage for passage in seen)
    assert count_runs(scorer, [hidden], choose) == MOST_PASSAGES
    assert not np.array_equal(chosen, scorer.logits([filler], choose))


def test_what_is_most_telling_in_a_text_that_is_read_closely_is_read_by_itself(
    scorer: SentenceScorer,
) -> None:
    told = max(readings([TEXTS[0]])[0].split(), key=len)
    hidden = f"{'word ' * 6}{told}{' word' * 6}"
    given: list[NDArray[np.float64]] = []

    class Kept(SentenceScorer):
        def _run(self, ids: list[int]) -> NDArray[np.float64]:
            given.append(super()._run(ids))
            return given[-1]

    def choose(passages: list[str]) -> NDArray[np.float64]:
        return np.array([float(told in passage) for passage in passages])

    kept = Kept(scorer.graph, scorer.tokenizer, scorer.labels)
    given.clear()
    (closely,) = kept.logits([hidden], choose, [True])
    whole, *windows = given
    assert len(windows) == len(CLOSE)
    assert np.array_equal(closely, np.max([whole, *windows], axis=0))
    assert np.array_equal(whole, scorer.logits([hidden], choose, [False])[0])
    assert count_runs(scorer, ["word"], choose, [True]) == 1


def test_a_text_that_is_repeated_is_read_once(scorer: SentenceScorer) -> None:
    text = TEXTS[0]
    many = [f"{text}\n{text}", " ".join([text] * 40), f" {text}  {text} {text} "]
    assert (scorer.logits(many) == scorer.logits([text])).all()
    assert readings(["wo rd wo", "", "wowo", "wo wo"]) == ["wo rd wo", "", "wowo", "wo"]


def test_a_lone_surrogate_is_refused_and_one_text_in_place_of_many(scorer: SentenceScorer) -> None:
    with pytest.raises(InvalidText, match="text 1 "):
        scorer.logits(["a", "\ud800"])
    with pytest.raises(TypeError, match="sequence of texts"):
        scorer.logits("one")


def changed(change: Callable[[onnx.ModelProto], object]) -> bytes:
    model = onnx.load_from_string(GRAPH)
    change(model)
    content: bytes = model.SerializeToString()
    return content


def _tensor(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    named: dict[str, onnx.TensorProto] = {each.name: each for each in model.graph.initializer}
    return named[name]


def _outside(model: onnx.ModelProto) -> None:
    tensor = _tensor(model, "labels.weight")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def _endless(model: onnx.ModelProto) -> None:
    model.graph.node.append(
        helper.make_node("Loop", ["", ""], [], body=helper.make_graph([], "body", [], []))
    )


def _foreign(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.microsoft"


def _function(model: onnx.ModelProto) -> None:
    model.functions.append(
        helper.make_function("own", "F", ["x"], ["y"], [], [helper.make_opsetid("", 23)])
    )


def _infinite(model: onnx.ModelProto) -> None:
    tensor = _tensor(model, "labels.bias")
    tensor.raw_data = np.full(len(LABELS), np.inf, dtype="<f4").tobytes()


def _huge_in_another_field(model: onnx.ModelProto) -> None:
    tensor = _tensor(model, "labels.bias")
    tensor.ClearField("raw_data")
    tensor.float_data.extend([1e30] * len(LABELS))


def _constant_in_an_attribute(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(
        helper.make_attribute("value", helper.make_tensor("t", TensorProto.FLOAT, [1], [np.nan]))
    )


def _many_nodes(model: onnx.ModelProto) -> None:
    for at in range(2500):
        model.graph.node.append(helper.make_node("Tanh", ["logits"], [f"more {at}"]))


@pytest.mark.parametrize(
    "change",
    [
        _outside,
        _endless,
        _foreign,
        _function,
        _infinite,
        _huge_in_another_field,
        _constant_in_an_attribute,
        _many_nodes,
        lambda model: model.graph.node[0].ClearField("op_type"),
        lambda model: model.metadata_props.add(),
        lambda model: model.graph.node.pop(),
        lambda model: model.graph.initializer.pop(),
    ],
)
def test_a_graph_that_could_read_files_run_on_or_decide_alone_is_refused(
    change: Callable[[onnx.ModelProto], object],
) -> None:
    with pytest.raises(ValueError, match=r"graph|number"):
        SentenceScorer(changed(change), TOKENIZER, LABELS)


@pytest.mark.parametrize("cut", [1, 100, 5000])
def test_a_graph_that_is_cut_off_or_no_graph_at_all_is_refused(cut: int) -> None:
    for content in (GRAPH[:-cut], GRAPH[cut:], os.urandom(cut), b""):
        with pytest.raises(ValueError, match=r"."):
            SentenceScorer(content, TOKENIZER, LABELS)


def test_labels_must_be_as_many_as_the_graph_gives() -> None:
    with pytest.raises(ValueError, match="a logit per label"):
        SentenceScorer(GRAPH, TOKENIZER, LABELS[:-1])


def _with(**fields: object) -> bytes:
    return json.dumps(json.loads(TOKENIZER) | fields).encode()


@pytest.mark.parametrize(
    "tokenizer",
    [
        b"",
        b"[]",
        b"{}",
        TOKENIZER[:-1],
        _with(normalizer={"type": "Replace", "pattern": {"Regex": "(a+)+b"}, "content": ""}),
        _with(pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+)+b"}}),
        _with(truncation={"max_length": 1}),
        _with(added_tokens=[]),
        _with(model={"type": "WordLevel", "vocab": {}, "unk_token": "<unk>"}),
        _with(model=json.loads(TOKENIZER)["model"] | {"vocab": [["<s>", 0.0]]}),
    ],
)
def test_a_tokenizer_of_another_kind_is_refused(tokenizer: bytes) -> None:
    with pytest.raises(ValueError, match=r"tokenizer|pieces"):
        SentenceScorer(GRAPH, tokenizer, LABELS)
