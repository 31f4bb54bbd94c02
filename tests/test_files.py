"""Atomic file writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.files import write_durably


def test_a_file_holds_the_old_content_or_the_new_one_and_leaves_no_other_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "CURRENT"
    write_durably(path, b"first")

    def interrupted(_self: Path, _target: Path) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", interrupted)
        with pytest.raises(OSError, match="full"):
            write_durably(path, b"second")
    assert path.read_bytes() == b"first"
    write_durably(path, b"third")
    assert path.read_bytes() == b"third"
    assert [file.name for file in tmp_path.iterdir()] == ["CURRENT"]


def test_a_file_that_is_to_stay_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for content in (b"first", b"second"):
        write_durably(path, content, mode=0o600, keep=True)
    assert path.read_bytes() == b"first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["key"]
