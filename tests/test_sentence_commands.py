"""Commands of learning a sentence scorer, where torch is not installed."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from conftest import SAMPLE_COMMENTS
from training.cli import main
from training.sentence import commands


@pytest.mark.parametrize("step", ["pretrain", "finetune", "distil", "continue"])
def test_without_torch_a_step_that_learns_says_what_to_install(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "find_spec", lambda name: None)
    words = ["sentence", step, str(SAMPLE_COMMENTS), "--out", str(tmp_path / "out")]
    start = {"pretrain": [], "distil": ["--teacher", str(tmp_path)]}
    told = CliRunner().invoke(main, [*words, *start.get(step, ["--from", str(tmp_path)])])
    assert told.exit_code == 2
    assert told.stderr == (
        "hakam-train: learning a sentence scorer needs torch, the extra `sentence`: "
        "`make sentence`\n"
    )
    assert not (tmp_path / "out").exists()
    assert CliRunner().invoke(main, ["sentence", step, "--help"]).exit_code == 0
