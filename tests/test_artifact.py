"""Artefact: exact, mapped, and unable to run code."""

import hashlib
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import joblib
import numpy as np
import pytest
from numpy.lib import format as npy
from numpy.typing import NDArray

from models.artifact import read_array, write_classifier
from models.classifier import Classifier
from models.errors import ArtifactDamaged, ArtifactError

ARRAYS: dict[str, NDArray[Any]] = {
    "table": np.arange(12, dtype=np.float16).reshape(3, 4),
    "columns": np.asfortranarray(np.arange(12, dtype=np.int64).reshape(3, 4)),
    "empty": np.zeros((0, 5)),
    "scalar": np.array(2.5),
    "flags": np.array([True, False]),
    "hashes": np.array([1, 2], dtype=np.uint32),
}


def written(folder: Path, arrays: dict[str, Any]) -> dict[str, str]:
    """Write arrays as those of a classifier; return their digests."""
    classifier = SimpleNamespace(labels=(), arrays=lambda: arrays, blend=None)
    digests: dict[str, str] = write_classifier(cast(Classifier, classifier), folder)["model"][
        "sha256"
    ]
    return digests


def stored(tmp_path: Path, content: bytes) -> tuple[Path, str]:
    path = tmp_path / "table.npy"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def in_numpys_format(array: NDArray[Any]) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def test_arrays_come_back_exactly(tmp_path: Path) -> None:
    for name, digest in written(tmp_path, ARRAYS).items():
        array = read_array(tmp_path / f"{name}.npy", digest)
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)
        assert type(array) is np.ndarray


def test_equal_arrays_give_equal_files_and_others_do_not(tmp_path: Path) -> None:
    table = ARRAYS["table"]
    (digest,) = written(tmp_path, {"table": table}).values()
    assert written(tmp_path, {"table": table.copy()}) == {"table": digest}
    for other in (table.astype(np.float32), table.reshape(4, 3), -table):
        assert written(tmp_path, {"table": other}) != {"table": digest}


def test_an_array_is_a_read_only_view_of_one_memory_map(tmp_path: Path) -> None:
    (digest,) = written(tmp_path, {"table": ARRAYS["table"]}).values()
    path = tmp_path / "table.npy"
    array = read_array(path, digest)
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1
    mapped = [
        line for line in Path("/proc/self/maps").read_text().splitlines() if str(path) in line
    ]
    assert len(mapped) == 1
    bounds = mapped[0].split()[0].split("-")
    address = array.__array_interface__["data"][0]
    assert int(bounds[0], 16) <= address < int(bounds[1], 16)
    assert address % 16 == 0


def test_a_file_with_another_digest_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (digest,) = written(tmp_path, {"table": ARRAYS["table"]}).values()
    path = tmp_path / "table.npy"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactDamaged, match="SHA-256"):
        read_array(path, digest)


def test_a_missing_or_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactDamaged, match="missing"):
        read_array(tmp_path / "table.npy", "0" * 64)
    with pytest.raises(ArtifactDamaged, match="cannot be read"):
        read_array(*stored(tmp_path, b""))


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    content = in_numpys_format(np.arange(20.0))
    for length in range(1, len(content)):
        with pytest.raises(ArtifactDamaged):
            read_array(*stored(tmp_path, content[:length]))


class RunsCommand:
    """Pickles as a call of os.system."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda bomb: np.array([bomb, None], dtype=object),
        lambda bomb: np.array([(1.0, bomb)], dtype=[("a", "f8"), ("b", "O")]),
    ],
    ids=["object array", "structured object array"],
)
def test_an_array_that_tries_to_run_code_is_refused_and_runs_none(
    tmp_path: Path, wrap: Callable[[RunsCommand], NDArray[Any]]
) -> None:
    marker = tmp_path / "ran"
    path, digest = stored(tmp_path, in_numpys_format(wrap(RunsCommand(marker))))
    with pytest.raises(ArtifactDamaged, match="not of numbers"):
        read_array(path, digest)
    assert not marker.exists()
    # The attack is a real one: NumPy itself would have run it, had it been allowed to.
    np.load(path, allow_pickle=True)
    assert marker.exists()


@pytest.mark.parametrize("write", [pickle.dumps, joblib.dump], ids=["pickle", "joblib"])
def test_a_pickle_in_place_of_an_array_is_refused_and_runs_nothing(
    tmp_path: Path, write: Callable[..., Any]
) -> None:
    marker, path = tmp_path / "ran", tmp_path / "pickle"
    if write is pickle.dumps:
        path.write_bytes(write(RunsCommand(marker)))
    else:
        write(RunsCommand(marker), path)
    with pytest.raises(ArtifactDamaged):
        read_array(*stored(tmp_path, path.read_bytes()))
    assert not marker.exists()
    joblib.load(path)
    assert marker.exists()


def header(text: str) -> bytes:
    """Return a file of one header and 64 bytes of data."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(64)


ROW = "{'descr': '<f8', 'fortran_order': False, 'shape': %s}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        header(ROW % "(9,)"),
        header(ROW % "(2**62, 2**62)"),
        header(ROW % f"({2**62}, {2**62})"),
        header(ROW % f"({2**70},)"),
        header(ROW % f"({'1, ' * 70})"),
        header(ROW % "8"),
        header(ROW % "(True,)" + " " * 20_000),
        header(ROW % "__import__('os')"),
        header(ROW % ("(" * 3000 + ")" * 3000)),
        header(ROW % ("-" * 9000 + "1")),
        header("{}"),
        header("[]"),
        header(""),
        header(ROW.replace("<f8", "|O8") % "(1,)"),
        header(ROW.replace("<f8", ">f8") % "(1,)"),
        header(ROW.replace("<f8", "<c16") % "(1,)"),
        header(ROW.replace("<f8", "<U4") % "(1,)"),
        header(ROW.replace("<f8", "<M8[s]") % "(1,)"),
        header(ROW.replace("'<f8'", "('<f8', (2,))") % "(1,)"),
        header(ROW.replace("'<f8'", "[('a', '<f8')]") % "(1,)"),
        header(ROW.replace("'<f8'", "7") % "(1,)"),
        header(ROW % "(1,)").replace(b"\x01\x00", b"\x09\x00", 1),
        b"PK\x03\x04 an archive of arrays",
        b"not an array",
    ],
)
def test_whatever_else_a_file_can_hold_is_refused(tmp_path: Path, content: bytes) -> None:
    path, digest = stored(tmp_path, content)
    command = [sys.executable, "-c", READ, str(path), digest]
    ended = subprocess.run(command, timeout=60, capture_output=True, text=True, check=False)
    assert ended.stdout == "refused\n", ended.stderr


READ = """
import sys
from pathlib import Path
from models.artifact import read_array
from models.errors import ArtifactDamaged
try:
    read_array(Path(sys.argv[1]), sys.argv[2])
except ArtifactDamaged:
    print("refused")
"""


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a"], dtype=object),
        np.array(["a"]),
        np.array([1], dtype="M8[s]"),
        np.zeros(2, dtype=[("a", "f8")]),
        np.zeros(2, dtype=">f8"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_anything_but_numbers_is_not_written(tmp_path: Path, array: NDArray[Any]) -> None:
    with pytest.raises(ArtifactError, match=r"table: an array of .*, not of numbers"):
        written(tmp_path, {"table": array})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 60_000.0])
def test_a_number_that_would_decide_alone_is_refused(
    tmp_path: Path, dtype: type, number: float
) -> None:
    table: NDArray[Any] = np.array([[0.0, number]], dtype=dtype)
    with pytest.raises(ArtifactError, match="table: a number that is not finite"):
        written(tmp_path, {"table": table})
    content = io.BytesIO()
    npy.write_array(content, table)
    with pytest.raises(ArtifactDamaged, match="not finite"):
        read_array(*stored(tmp_path, content.getvalue()))
