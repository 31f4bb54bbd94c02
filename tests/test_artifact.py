"""The model file: exact, mapped, and unable to run code."""

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from models.errors import ArtifactDamaged, ArtifactError
from models.state_file import read_state, weights_digest, write_state

STATE = {
    "table": np.arange(12, dtype=np.float16).reshape(3, 4),
    "columns": np.asfortranarray(np.arange(12, dtype=np.int64).reshape(3, 4)),
    "empty": np.zeros((0, 5)),
    "scalar": np.array(2.5),
    "flags": np.array([True, False]),
    "hashes": np.array([1, 2], dtype=np.uint32),
    "labels": ["toxicity", "insult"],
    "settings": {"seed": 0, "C": 1.5, "name": "a", "nothing": None, "pair": (1, True), "raw": b"x"},
}


def stored(tmp_path: Path, content: bytes) -> tuple[Path, str]:
    path = tmp_path / "model.joblib"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def test_a_state_comes_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    state = read_state(path, write_state(STATE, path))
    assert list(state) == list(STATE)
    for name, value in STATE.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(state[name], value, strict=True)
        else:
            assert state[name] == value
    assert weights_digest(state) == weights_digest(STATE)


def test_arrays_are_read_only_views_of_one_memory_map(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    state = read_state(path, write_state(STATE, path))
    with pytest.raises(ValueError, match="read-only"):
        state["table"][0, 0] = 1
    mapped = [
        line for line in Path("/proc/self/maps").read_text().splitlines() if str(path) in line
    ]
    assert len(mapped) == 1
    bounds = mapped[0].split()[0].split("-")
    address = state["table"].__array_interface__["data"][0]
    assert int(bounds[0], 16) <= address < int(bounds[1], 16)
    assert address % 16 == 0


def test_the_weights_digest_tells_states_apart_whatever_the_order_of_keys() -> None:
    assert weights_digest(STATE) == weights_digest(dict(reversed(STATE.items())))
    for change in (
        {"table": np.arange(12, dtype=np.float32).reshape(3, 4)},
        {"table": np.arange(12, dtype=np.float16).reshape(4, 3)},
        {"table": -np.arange(12, dtype=np.float16).reshape(3, 4)},
        {"labels": ("toxicity", "insult")},
        {"settings": {"seed": 1}},
    ):
        assert weights_digest(STATE | change) != weights_digest(STATE)


def test_a_file_with_another_digest_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    digest = write_state(STATE, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactDamaged, match="SHA-256"):
        read_state(path, digest)


def test_a_missing_or_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactDamaged, match="missing"):
        read_state(tmp_path / "model.joblib", "0" * 64)
    with pytest.raises(ArtifactDamaged, match="cannot be read"):
        read_state(*stored(tmp_path, b""))


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    write_state(STATE, path)
    content = path.read_bytes()
    for length in range(1, len(content), 7):
        with pytest.raises(ArtifactDamaged):
            read_state(*stored(tmp_path, content[:length]))


class RunsCommand:
    """Pickles as a call of os.system."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def call(name: str, *arguments: object) -> bytes:
    """Return a pickle that calls what a global names."""
    module, _, function = name.rpartition(".")
    pushed = pickle.dumps(tuple(arguments), protocol=2)[2:-1]
    return b"\x80\x04c" + f"{module}\n{function}\n".encode() + pushed + b"R."


@pytest.mark.parametrize(
    "wrap",
    [
        lambda bomb: bomb,
        lambda bomb: {"table": bomb},
        lambda bomb: {"table": np.array([bomb, None], dtype=object)},
        lambda bomb: {"table": np.array([(1.0, bomb)], dtype=[("a", "f8"), ("b", "O")])},
        lambda bomb: {"table": np.arange(3), bomb: 1},
    ],
    ids=["call", "value", "object array", "structured object array", "key"],
)
def test_an_artefact_that_tries_to_run_code_is_refused_and_runs_none(
    tmp_path: Path, wrap: Callable[[RunsCommand], object]
) -> None:
    marker, path = tmp_path / "ran", tmp_path / "model.joblib"
    joblib.dump(wrap(RunsCommand(marker)), path)
    with pytest.raises(ArtifactDamaged):
        read_state(*stored(tmp_path, path.read_bytes()))
    assert not marker.exists()
    # The attack is a real one: joblib itself would have run it.
    joblib.load(path)
    assert marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        call("builtins.eval", "1"),
        call("numpy.ndarray", (3,)),
        call("numpy.dtype", "O"),
        call("numpy.dtype", "V8"),
        call("numpy.dtype", 5),
        call("numpy.load", "x"),
        call("joblib.numpy_pickle.NDArrayWrapper", "x", "y"),
        call("numpy.dtype.__init__", "f8"),
        call("copyreg._reconstructor", 1, 2, 3),
        # BUILD on the wrapper's class: would change it for every later file.
        b"\x80\x04cjoblib.numpy_pickle\nNumpyArrayWrapper\nN}X\x01\x00\x00\x00aK\x01s\x86b.",
        # A persistent id, an extension code, and no pickle at all.
        b"\x80\x04Pevil\n.",
        b"\x80\x04\x82\x01.",
        b"not a pickle",
        b"\x80\x04].",
        b"\x80\x04K\x01.",
    ],
)
def test_whatever_else_a_pickle_can_ask_for_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ArtifactDamaged):
        read_state(*stored(tmp_path, content))


@pytest.mark.parametrize(
    "value",
    [
        np.array(["a"], dtype=object),
        np.array(["a"]),
        np.array([1], dtype="M8[s]"),
        np.zeros(2, dtype=[("a", "f8")]),
        np.ma.masked_array([1.0]),
        np.float64(1),
        {1: 2},
        {1},
        Path("x"),
    ],
    ids=lambda value: f"{type(value).__name__} {getattr(value, 'dtype', '')}",
)
def test_a_state_of_anything_but_builtins_and_numbers_is_not_written(
    tmp_path: Path, value: object
) -> None:
    with pytest.raises(ArtifactError, match="state"):
        write_state({"weights": [value]}, tmp_path / "model.joblib")
    assert not (tmp_path / "model.joblib").exists()


def test_an_array_that_claims_to_be_larger_than_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    write_state({"table": np.zeros(200, dtype=np.uint8)}, path)
    content = path.read_bytes()
    # The shape is the tuple of one small integer: BININT1 200, TUPLE1.
    assert content.count(b"K\xc8\x85") == 1
    changed = content.replace(b"K\xc8\x85", b"K\xc9\x85")
    with pytest.raises(ArtifactDamaged, match="not a model file"):
        read_state(*stored(tmp_path, changed))


def nested(n_levels: int, pair: bytes, mark: bytes = b"") -> bytes:
    """A pair of one value, a pair of that pair, ...: 2 ** `n_levels` values in a few bytes."""
    return mark + b"K\x01" + b"".join(b"\x94h" + bytes([level]) + pair for level in range(n_levels))


DEEP = nested(60, b"\x86")  # MEMOIZE, BINGET, TUPLE2: each is a pair of the one before


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04}\x8c\x01a" + DEEP + b"s.",
        b"\x80\x04}" + DEEP + b"K\x01s.",
        b"\x80\x04}(" + DEEP + b"K\x01u.",
        b"\x80\x04(" + DEEP + b"K\x01d.",
        b"\x80\x04(" + DEEP + b"\x91.",
        b"\x80\x04\x8f(" + DEEP + b"\x90.",
        b"\x80\x04}\x8c\x01a" + b"]" * 100_000 + b"a" * 99_999 + b"s.",
        b"\x80\x04}\x8c\x01a" + b"(" * 100_000 + b"t" * 100_000 + b"s.",
    ],
    ids=["value", "key", "keys", "old dict", "frozen set", "set", "deep lists", "deep tuples"],
)
def test_a_small_file_of_endless_values_is_refused_and_not_walked_through(
    tmp_path: Path, content: bytes
) -> None:
    path, digest = stored(tmp_path, content)
    command = [sys.executable, "-c", READ, str(path), digest]
    ended = subprocess.run(command, timeout=60, capture_output=True, text=True, check=False)
    assert ended.stdout == "refused\n", ended.stderr


READ = """
import sys
from pathlib import Path
from models.errors import ArtifactDamaged
from models.state_file import read_state
try:
    read_state(Path(sys.argv[1]), sys.argv[2])
except ArtifactDamaged:
    print("refused")
"""


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 60_000.0])
def test_a_number_that_would_decide_alone_is_refused(
    tmp_path: Path, dtype: type, number: float
) -> None:
    path = tmp_path / "model.joblib"
    state: dict[str, Any] = {"table": np.array([[0.0, number]], dtype=dtype)}
    with pytest.raises(ArtifactError, match=r"state\['table'\]: a number that is not finite"):
        write_state(state, path)
    with pytest.raises(ArtifactError, match=r"state\['bias'\]: a number that is not finite"):
        write_state({"bias": [number]}, path)
    joblib.dump(state, path)
    with pytest.raises(ArtifactDamaged, match="not finite"):
        read_state(*stored(tmp_path, path.read_bytes()))
