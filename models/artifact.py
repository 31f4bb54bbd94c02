"""A classifier's state in a file that cannot run code.

The module keeps one secret: the form of ``model.joblib``. It is what ``joblib.dump`` writes
without compression, a pickle between whose frames the bytes of the arrays stand, aligned to 16
bytes. It is read by an unpickler that knows three names, each standing for an inert record of
this module: neither NumPy nor joblib is ever called by what stands in the file. It also knows only
the operations that ``joblib.dump`` uses, and no dict key but a string, so that reading takes time
in proportion to the file. The arrays come out as views of one read-only memory map, so that all
workers of a machine share one copy.

Sources: Python's "Restricting Globals" (docs.python.org/3/library/pickle.html) for the allow-list;
joblib 1.6 ``numpy_pickle.NumpyArrayWrapper`` for the layout.
"""

import hashlib
import math
import mmap
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import joblib
import numpy as np
from joblib.numpy_pickle import NumpyUnpickler

from models.errors import ArtifactDamaged, ArtifactError

LARGEST_NUMBER = 1e4
"""Weights and logits are far below it; an infinite or huge one would decide alone."""

MOST_VALUES = 1_000_000
"""Keys and values of a state, each array counted once. A pickle can name one list many times, so
that a few hundred bytes stand for more values than anybody can look at."""

_MOST_DIMENSIONS, _DEEPEST = 4, 10


def write_state(state: Mapping[str, Any], path: Path) -> str:
    """Write a state and return the SHA-256 of the file.

    Raises
    ------
    ArtifactError
        If the state holds anything but builtins and arrays of finite numbers.
    """
    _check_plain(state)
    joblib.dump(state, path, compress=0, protocol=5)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state(path: Path, sha256: str) -> dict[str, Any]:
    """Read a model file that nobody needs to trust.

    Parameters
    ----------
    path : Path
    sha256 : str
        What the digest of the file must be, 64 hexadecimal digits.

    Returns
    -------
    dict
        Builtins and read-only arrays of finite numbers that are views of the memory-mapped file.

    Raises
    ------
    ArtifactDamaged
        If the file is missing, has another digest, or holds anything else.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise ArtifactDamaged(f"{path}: missing") from None
    except (OSError, ValueError) as error:
        raise ArtifactDamaged(f"{path}: cannot be read: {error}") from None
    # The digest is taken from the very map the arrays will come from, not from a second reading.
    if hashlib.sha256(mapped).hexdigest() != sha256:
        raise ArtifactDamaged(f"{path}: its SHA-256 is not the one in the manifest")
    try:
        state: dict[str, Any] = _StateUnpickler(mapped).load()
        _check_plain(state)
    except Exception as error:  # a hostile pickle can fail in any way
        raise ArtifactDamaged(f"{path}: not a model file: {error}") from error
    if type(state) is not dict:
        raise ArtifactDamaged(f"{path}: not a model file: it holds no dict")
    return state


def weights_digest(state: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a state's content, whatever the library versions that wrote it.

    The bytes of a joblib file depend on joblib and on which strings are the same object; this
    digest depends on keys, values, dtypes and shapes alone.
    """
    digest = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, Mapping):
            digest.update(f"dict {len(value)}\n".encode())
            for key in sorted(value):
                digest.update(f"{key!r}\n".encode())
                add(value[key])
        elif isinstance(value, list | tuple):
            digest.update(f"{type(value).__name__} {len(value)}\n".encode())
            for item in value:
                add(item)
        elif isinstance(value, np.ndarray):
            digest.update(f"array {value.dtype.str} {value.shape}\n".encode())
            digest.update(np.ascontiguousarray(value).data)
        else:
            digest.update(f"{type(value).__name__} {value!r}\n".encode())

    add(state)
    return digest.hexdigest()


class _StoredArray:
    """Inert stand-in for joblib's array wrapper: where an array lies in the file."""

    shape: Any
    order: Any
    dtype: Any
    numpy_array_alignment_bytes: Any


class _StoredDtype:
    """Inert stand-in for ``numpy.dtype``: booleans, integers and floats of this machine only."""

    def __init__(self, code: str, align: bool = False, copy: bool = True) -> None:
        if not (isinstance(code, str) and re.fullmatch("b1|[iu][1248]|f[248]", code)):
            raise ArtifactDamaged("an array that does not hold numbers")
        self.code = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # Version 3: byte order, sub-dtype, names, fields, item size, alignment, flags.
        if state != (3, state[1], None, None, None, -1, -1, 0) or state[1] not in ("<", "|"):
            raise ArtifactDamaged("an array of an unusual data type")


class _NdarrayName:
    """Inert stand-in for the name ``numpy.ndarray``."""

    def __new__(cls, *_: object) -> "_NdarrayName":
        raise ArtifactDamaged("an array that was not written by joblib")


class _StateUnpickler(NumpyUnpickler):  # type: ignore[misc]
    """Reads joblib's format with three known names, none of which can do anything."""

    known: ClassVar = {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"): _StoredArray,
        ("numpy", "dtype"): _StoredDtype,
        ("numpy", "ndarray"): _NdarrayName,
    }
    dispatch: ClassVar = {
        getattr(pickle, name)[0]: NumpyUnpickler.dispatch[getattr(pickle, name)[0]]
        for name in (
            *("PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "BINGET", "LONG_BINGET"),
            *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
            *("SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES"),
            *("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "TUPLE", "EMPTY_LIST", "APPEND"),
            *("APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS", "STACK_GLOBAL", "NEWOBJ", "REDUCE"),
        )
    }

    def __init__(self, mapped: mmap.mmap) -> None:
        super().__init__("", mapped, ensure_native_byte_order=False)
        self.mapped = mapped

    def load_setitem(self) -> None:
        # To hash a tuple of tuples can take as long as its writer likes.
        _check_keys(self.stack[-2:-1])
        pickle._Unpickler.load_setitem(self)  # type: ignore[attr-defined]

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_setitems(self) -> None:
        _check_keys(self.stack[::2])
        pickle._Unpickler.load_setitems(self)  # type: ignore[attr-defined]

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.known:
            raise ArtifactDamaged(f"it asks for {module}.{name}")
        return self.known[module, name]

    def load_build(self) -> None:
        # BUILD sets attributes; on a class instead of an instance it would change the class.
        if type(self.stack[-2]) not in (_StoredArray, _StoredDtype):
            raise ArtifactDamaged("it changes an object that is not an array")
        pickle._Unpickler.load_build(self)  # type: ignore[attr-defined]
        if type(self.stack[-1]) is _StoredArray:
            self.stack[-1] = self._view(self.stack[-1])

    dispatch[pickle.BUILD[0]] = load_build

    def _view(self, stored: _StoredArray) -> np.ndarray[Any, Any]:
        """Return the array that follows in the file, as a view of the map."""
        if type(stored.dtype) is not _StoredDtype or stored.numpy_array_alignment_bytes != 16:
            raise ArtifactDamaged("an array in an unknown layout")
        shape = stored.shape
        if (
            type(shape) is not tuple
            or len(shape) > _MOST_DIMENSIONS
            or not all(type(n) is int and 0 <= n < 2**40 for n in shape)
        ):
            raise ArtifactDamaged("an array of an impossible shape")
        dtype = np.dtype(stored.dtype.code)
        # One byte says how many bytes of padding follow it.
        start = self.mapped.tell() + 1 + self.mapped.read(1)[0]
        count = math.prod(shape)
        end = start + count * dtype.itemsize
        if end > len(self.mapped):
            raise ArtifactDamaged("an array that reaches beyond the end of the file")
        self.mapped.seek(end)
        flat: np.ndarray[Any, Any] = np.empty(0, dtype)
        if count:
            flat = np.frombuffer(self.mapped, dtype, count, start)
        array = flat.reshape(tuple(shape), order="F" if stored.order == "F" else "C")
        array.flags.writeable = False
        return array


def _check_keys(keys: list[Any]) -> None:
    if not all(type(key) is str for key in keys):
        raise ArtifactDamaged("a key that is not a string")


def _check_plain(state: Any) -> None:
    """Raise ArtifactError unless a state is made of builtins and arrays of finite numbers."""
    waiting = [("state", state, 0)]
    n_values = 0
    while waiting:
        place, value, depth = waiting.pop()
        n_values += 1
        if type(value) is dict:
            for key, item in value.items():
                if type(key) is not str:
                    raise ArtifactError(f"{place}: a key is not a string")
                inside = place if depth else f"state[{key!r}]"
                waiting.append((inside, item, depth + 1))
        elif type(value) in (list, tuple):
            waiting.extend((place, item, depth + 1) for item in value)
        elif isinstance(value, np.ndarray):
            if type(value) not in (np.ndarray, np.memmap) or value.dtype.kind not in "biuf":
                raise ArtifactError(f"{place}: an array of {value.dtype}, not of numbers")
            if value.dtype.kind == "f" and not (np.abs(value) <= LARGEST_NUMBER).all():
                raise ArtifactError(f"{place}: a number that is not finite, or too large")
        elif type(value) is float:
            if not abs(value) <= LARGEST_NUMBER:
                raise ArtifactError(f"{place}: a number that is not finite, or too large")
        elif value is not None and type(value) not in (str, int, bool, bytes):
            raise ArtifactError(
                f"{place}: {type(value).__name__} is neither a builtin nor an array"
            )
        if depth > _DEEPEST or n_values + len(waiting) > MOST_VALUES:
            raise ArtifactError(f"{place}: too deep, or more than {MOST_VALUES:,} values")
