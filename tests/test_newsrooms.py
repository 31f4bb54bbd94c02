"""Learning curve: simulated newsrooms show what decisions bring, and compare like with like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from conftest import SAMPLE_COMMENTS
from models.artifact import Artifact
from models.schema import read_comments, write_comments
from training.cli import main
from training.datasets import N_FOLDS, Corpus, read_corpus
from training.newsrooms import N_ORDERS, newsroom, table

SESAME = "\u0633\u0645\u0633\u0645"  # simsim: a nickname that one site's readers hate


def comments(folder: Path) -> Path:
    """Write the sample as a public set would be, half of it with a word of the site's own."""
    path = folder / "comments.jsonl"
    known = [c for c in read_comments(SAMPLE_COMMENTS) if c.labels]
    write_comments(
        (
            replace(
                comment,
                text=f"{SESAME * (i % 2)} {comment.text}",
                labels={"toxicity": max(comment.labels["toxicity"], i % 2)},
                source="mpold",
                split="",
            )
            for i, comment in enumerate(known)
        ),
        path,
    )
    return path


@pytest.fixture
def rows(tmp_path: Path) -> Corpus:
    return read_corpus([comments(tmp_path)])


def test_a_newsroom_gains_by_its_decisions(artifact: Artifact, rows: Corpus) -> None:
    version = artifact.classifier, artifact.operating_points
    steps = list(newsroom("mpold", version, rows, sizes=(150, 300)))
    everything = [step for step in steps if step.queue in {"", "all"}]
    assert [step.n for step in everything] == [0, 150, 300]
    aucs = [step.figures["auc"] for step in everything]
    assert aucs[0] < aucs[1] < aucs[2]
    heads, cells = table(steps)
    assert all(len(row) == len(heads) for row in cells)


def test_more_decisions_than_a_set_has_are_left_out(artifact: Artifact, rows: Corpus) -> None:
    version = artifact.classifier, artifact.operating_points
    steps = list(newsroom("mpold", version, rows, sizes=(100_000,)))
    assert [step.n for step in steps] == [0]


def test_what_is_measured_is_never_decided(
    artifact: Artifact, rows: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[Corpus] = []

    def seen(classifier: object, points: object, parts: object) -> object:
        learned.extend((parts.learned, parts.calibrating, parts.held_out))  # type: ignore[attr-defined]
        return classifier, points, None

    monkeypatch.setattr("training.newsrooms.site_model", seen)
    list(newsroom("mpold", (artifact.classifier, artifact.operating_points), rows, sizes=(150,)))
    assert len(learned) >= 3 * N_ORDERS
    for part in learned:
        assert (part.keys % np.uint64(N_FOLDS) > 0).all()


@pytest.mark.slow
def test_the_command_prints_the_curve(tmp_path: Path) -> None:
    folder = tmp_path / "sets"
    folder.mkdir()
    comments(folder)
    picture = tmp_path / "curve.png"
    places = [str(folder), str(SAMPLE_COMMENTS)]
    shown = CliRunner().invoke(
        main, ["curve", *places, "--no-word-vectors", "--picture", str(picture)]
    )
    assert shown.exit_code == 0, shown.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "What a site's own model gains" in shown.output
    assert shown.output.count("mpold") >= 2
