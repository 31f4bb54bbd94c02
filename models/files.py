"""Atomic file writes."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path


def write_durably(path: Path, content: bytes, *, mode: int = 0o644, keep: bool = False) -> None:
    """Write a file in one step: afterwards it holds the old content or the new one.

    Parameters
    ----------
    mode : int
        Its permissions.
    keep : bool
        Whether a file that is there already stays as it is.

    Raises
    ------
    OSError
        It names the file.
    """
    with _written(path, content, mode) as temporary:
        if keep:
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
        else:
            temporary.replace(path)
    sync(path.parent)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files in their order, each in one step; without room for all of them none changes.

    Raises
    ------
    OSError
        It names the file.
    """
    with contextlib.ExitStack() as stack:
        written = {
            path: stack.enter_context(_written(path, content, 0o644))
            for path, content in contents.items()
        }
        for path, temporary in written.items():
            temporary.replace(path)
            sync(path.parent)


@contextlib.contextmanager
def _written(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    """Write the content to a file beside the one it is for, which is gone after the block."""
    with contextlib.ExitStack() as stack:
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
            stack.callback(Path(name).unlink, missing_ok=True)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
        except OSError as error:
            error.filename = str(path)  # it names another, or none
            raise
        yield Path(name)


def sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
