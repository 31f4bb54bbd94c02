"""Archives scored whole: every row once, in constant memory, wherever it stops, on any machine."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import distributed
import psutil
import pytest
from click.testing import CliRunner, Result
from pyarrow import parquet

from conftest import SAMPLE_COMMENTS, await_condition
from models.artifact import Artifact
from models.comment_files import Names
from models.errors import RecordError
from models.registry import Registry
from models.schema import read_comments
from training import bulk_scoring
from training.bulk_scoring import BulkScoringRefused, Job, Model
from training.cli import main

Client: Any = distributed.Client  # which has no types
TEXTS = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]


# The command with small tasks and short waves, so that there is something to break off.
SMALL = """
from training import bulk_scoring, cli
bulk_scoring.TASK_ROWS, bulk_scoring.TASKS, bulk_scoring.PATIENCE = 20, 4, 30.0
cli.main()
"""


def run(artifacts: Path, *arguments: object) -> Result:
    return CliRunner().invoke(
        main, ["score", "--artifacts", str(artifacts), *map(str, arguments)], catch_exceptions=False
    )


def write_archive(path: Path, n: int, *others: Sequence[str]) -> Path:
    """Write `n` sample comments, each told apart by its number, and other rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(("id", "comment"))
        rows.writerows((f"c{i}", f"{TEXTS[i % len(TEXTS)]} {i}") for i in range(n))
        rows.writerows(others)
    return path


def read_scores(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "archive.csv", 40)


def test_a_row_of_the_archive_gets_the_scores_that_its_text_has(
    artifacts: Path, artifact: Artifact, tmp_path: Path, archive: Path
) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text(json.dumps({"text": TEXTS[0], "decision": "rejected"}) + "\n")
    output = tmp_path / "scores.csv"
    result = run(artifacts, archive, more, "--output", output)
    assert result.exit_code == 0, result.output
    assert 'text is "comment"' in result.stderr
    assert "41 rows scored" in result.stdout
    rows = read_scores(output)
    assert [(row["file"], row["id"], row["line"]) for row in rows] == [
        *((str(archive), f"c{i}", str(i + 2)) for i in range(40)),
        (str(more), "", "1"),
    ]
    texts = [*(f"{TEXTS[i]} {i}" for i in range(40)), TEXTS[0]]
    expected = artifact.classifier.predict_proba(texts).round(6).tolist()
    labels = artifact.classifier.labels
    assert [[float(row[label]) for label in labels] for row in rows] == expected
    assert {row["model_version"] for row in rows} == {artifact.version}
    assert {row["readers"] for row in rows} == {"words"}
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob("*.progress"))


def test_every_form_of_the_output_says_the_same(
    artifacts: Path, tmp_path: Path, archive: Path
) -> None:
    found: list[list[dict[str, Any]]] = []
    for form in bulk_scoring.FORMATS:
        output = tmp_path / f"scores{form}"
        assert run(artifacts, archive, "--output", output, "--with-text").exit_code == 0
        if form == ".csv":
            found.append([dict(row) for row in read_scores(output)])
        elif form == ".jsonl":
            found.append([json.loads(line) for line in output.read_text().splitlines()])
        else:
            found.append(parquet.read_table(output).to_pylist())
    table, lines, columns = found
    assert lines == columns
    assert [{name: str(value) for name, value in row.items()} for row in lines] == [
        {name: str(float(value)) if value[:2] in ("0.", "0", "1") and name != "line" else value
         for name, value in row.items()}
        for row in table
    ]  # fmt: skip
    assert [row["text"] for row in lines] == [f"{TEXTS[i]} {i}" for i in range(40)]


def test_both_readers_score_an_archive_and_words_alone_where_that_is_asked(
    two_readers: Path, tmp_path: Path, archive: Path
) -> None:
    classifier = Registry(two_readers).load().classifier
    texts = [f"{TEXTS[i]} {i}" for i in range(40)]
    for options, scorer in (((), classifier), (("--words-alone",), classifier.by_words_alone())):
        output = tmp_path / f"scores{len(options)}.csv"
        assert run(two_readers, archive, "--output", output, *options).exit_code == 0
        probabilities, states = scorer.judge(texts)
        rows = read_scores(output)
        assert [float(row["toxicity"]) for row in rows] == probabilities[:, 0].round(6).tolist()
        assert [row["readers"] == "words+sentence" for row in rows] == (states == 1).tolist()
        assert (states == 1).any() == (not options)


def test_a_row_that_cannot_be_scored_is_there_and_says_why(artifacts: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive.jsonl"
    archive.write_text('{"text": "a"}\n{"text": " "}\n{"text": "\\ud800"}\n{"text": null}\n')
    result = run(artifacts, archive, "--output", tmp_path / "scores.csv")
    assert "3 rows have no scores" in result.stdout
    rows = read_scores(tmp_path / "scores.csv")
    assert [row["fault"] for row in rows] == ["", "no text", "not valid Unicode", "no text"]
    assert [row["toxicity"] == "" for row in rows] == [False, True, True, True]
    assert [row["readers"] for row in rows] == ["words", "", "", ""]


def test_a_spreadsheet_runs_nothing_of_an_archive(artifacts: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive.csv"
    archive.write_text('id,text\n=1+1,"=HYPERLINK(""http://x"")"\n')
    run(artifacts, archive, "--output", tmp_path / "scores.csv", "--with-text")
    [row] = read_scores(tmp_path / "scores.csv")
    assert row["id"] == "'=1+1"
    assert row["text"].startswith("'=HYPERLINK")


def test_an_empty_archive_gives_an_empty_table(artifacts: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive.csv", 0)
    for form in bulk_scoring.FORMATS:
        assert run(artifacts, archive, "--output", tmp_path / f"scores{form}").exit_code == 0
    assert read_scores(tmp_path / "scores.csv") == []
    assert "toxicity" in (tmp_path / "scores.csv").read_text()
    assert parquet.read_table(tmp_path / "scores.parquet").num_rows == 0


def test_a_wrong_row_is_told_by_its_line_and_what_stands_before_it_need_not_be_scored_again(
    artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_scoring, "TASK_ROWS", 7)
    archive = write_archive(tmp_path / "archive.csv", 40, ("c40", "a", "too much"))
    output = tmp_path / "scores.csv"
    refused = run(artifacts, archive, "--output", output)
    assert refused.exit_code == 2
    assert "archive.csv, line 42: 3 columns, the header has 2" in refused.stderr
    assert not output.exists()
    write_archive(archive, 40, ("c40", "mended"))
    judged: list[str] = []

    def judge(model: Model, texts: Sequence[str]) -> bulk_scoring.Judged:
        judged.extend(texts)
        return really(model, texts)

    really = bulk_scoring.judge
    monkeypatch.setattr(bulk_scoring, "judge", judge)
    result = run(artifacts, archive, "--output", output)
    assert result.exit_code == 0, result.output
    assert judged == ["mended"]
    assert "41 rows scored" in result.stdout
    assert "40 of them before" in result.stdout
    assert [row["id"] for row in read_scores(output)] == [f"c{i}" for i in range(41)]


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["the run", "its workers"])
def test_a_run_that_is_killed_goes_on_and_gives_what_an_unbroken_one_gives(
    artifacts: Path, tmp_path: Path, killed: str
) -> None:
    archive = write_archive(tmp_path / "archive.csv", 4_000)
    output = tmp_path / "scores.csv"
    command = [sys.executable, "-c", SMALL, "score", str(archive)]
    command += ["--artifacts", str(artifacts), "--threads", "2", "--output"]
    said = tmp_path / "said"
    with said.open("w") as errors, subprocess.Popen([*command, str(output)], stderr=errors) as run:
        await_condition((tmp_path / "scores.csv.progress").exists, what="some scores", seconds=200)
        workers = [
            child
            for child in psutil.Process(run.pid).children()
            if any("LokyProcess" in word for word in child.cmdline())
        ]
        if killed == "the run":
            run.kill()
        for worker in workers:
            worker.kill()
    if killed == "its workers":
        assert run.returncode == 2
        assert "workers are lost" in said.read_text()
    assert not output.exists()
    with (tmp_path / "scores.csv.part").open("ab") as part:
        part.write(b"what was written and not counted")
    again = subprocess.run([*command, str(output)], capture_output=True, text=True, check=True)
    assert "4,000 rows scored" in again.stdout
    assert "of them before" in again.stdout
    unbroken = tmp_path / "unbroken.csv"
    subprocess.run([*command, str(unbroken)], capture_output=True, check=True)
    assert output.read_bytes() == unbroken.read_bytes()
    assert [row["id"] for row in read_scores(output)] == [f"c{i}" for i in range(4_000)]


@pytest.fixture
def begun(artifacts: Path, tmp_path: Path) -> Path:
    """The output of a run that stopped at a wrong row."""
    archive = write_archive(tmp_path / "archive.csv", 9, ("c9", "a", "too much"))
    output = tmp_path / "scores.csv"
    assert run(artifacts, archive, "--output", output).exit_code == 2
    return output


def test_a_run_goes_on_only_with_the_same_rows_and_options(
    artifacts: Path, tmp_path: Path, begun: Path
) -> None:
    archive = tmp_path / "archive.csv"
    other = run(artifacts, archive, "--output", begun, "--words-alone")
    assert other.exit_code == 2
    assert "begun with other files, other options or another version" in other.stderr
    archive.write_text(archive.read_text().replace("c3", "c4"))
    changed = run(artifacts, archive, "--output", begun)
    assert changed.exit_code == 2
    assert "holds scores of rows that have changed" in changed.stderr
    (tmp_path / "scores.csv.progress").write_text("{")
    damaged = run(artifacts, archive, "--output", begun)
    assert damaged.exit_code == 2
    assert "is damaged; remove it" in damaged.stderr


def test_an_output_that_is_there_or_that_another_run_writes_is_left_alone(
    artifacts: Path, tmp_path: Path, archive: Path
) -> None:
    output = tmp_path / "scores.csv"
    with bulk_scoring._part(output):
        refused = run(artifacts, archive, "--output", output)
    assert refused.exit_code == 2
    assert "another run is writing it" in refused.stderr
    output.write_text("mine")
    assert "is there already" in run(artifacts, archive, "--output", output).stderr
    assert output.read_text() == "mine"


def test_a_full_disk_is_told_and_the_same_command_goes_on_once_there_is_room(
    artifacts: Path, tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "scores.csv"

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        refused = run(artifacts, archive, "--output", output)
    assert refused.exit_code == 2
    assert f"hakam-train: {output}: cannot be written: No space left on device" in refused.stderr
    assert "the same command goes on" in refused.stderr
    assert not output.exists()
    assert run(artifacts, archive, "--output", output).exit_code == 0


def test_a_file_without_texts_is_refused_before_anything_is_scored(
    artifacts: Path, tmp_path: Path, archive: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("words\na\n")
    refused = run(artifacts, archive, other, "--output", tmp_path / "scores.csv")
    assert refused.exit_code == 2
    assert "no column is named text" in refused.stderr
    assert not list(tmp_path.glob("scores*"))
    named = run(artifacts, other, "--output", tmp_path / "s.csv", "--column", "text=words")
    assert named.exit_code == 0


def test_an_archive_of_any_length_is_scored_in_constant_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "archive.csv"
    archive.write_text("text\n" + f"{'word ' * 200}\n" * 40_000)
    labels = ("toxicity",)

    def judge(model: Model, texts: Sequence[str]) -> bulk_scoring.Judged:
        return [[0.5]] * len(texts), [False] * len(texts)

    monkeypatch.setattr(bulk_scoring, "judge", judge)
    job = Job((str(archive),), (), "2026.01.01-1", labels, False, True, ".csv")
    model = Model(tmp_path, "", False, "")
    with bulk_scoring.local(1):
        tracemalloc.start()
        try:
            _, done = bulk_scoring.score(job, Names(), model, tmp_path / "scores.csv")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert done.n_rows == 40_000
    assert peak < archive.stat().st_size


def test_a_worker_elsewhere_gets_the_artefact_sent(
    artifacts: Path, artifact: Artifact, tmp_path: Path
) -> None:
    folder = tmp_path / artifact.version
    shutil.copytree(artifacts / artifact.version, folder)
    model = Model.of(folder, is_sent=True)
    shutil.rmtree(folder)
    bulk_scoring._loaded.clear()
    scores, _ = bulk_scoring.judge(model, TEXTS[:3])
    assert scores == artifact.classifier.predict_proba(TEXTS[:3]).round(6).tolist()


def test_a_worker_with_other_code_scores_nothing(artifacts: Path, artifact: Artifact) -> None:
    good = Model.of(artifacts / artifact.version)
    other = Model(good.folder, good.manifest, good.words_alone, "another digest")
    with pytest.raises(BulkScoringRefused, match="another version of Hakam's code"):
        bulk_scoring.judge(other, TEXTS[:1])


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[str]:
    """A Dask scheduler on loopback with two workers, as people start them; its address."""
    told = tmp_path / "scheduler.json"
    module = [sys.executable, "-m"]
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = [*module, "distributed.cli.dask_scheduler", "--port", "0", *local]
    worker = [*module, "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", *local]
    with ExitStack() as stack:
        for command in (scheduler, worker, worker):
            running = stack.enter_context(
                subprocess.Popen(
                    [*command, "--scheduler-file", str(told)],
                    cwd=tmp_path,
                    stderr=subprocess.DEVNULL,
                )
            )
            stack.callback(running.terminate)
            await_condition(told.exists, what="the scheduler", seconds=100)
        address = json.loads(told.read_text())["address"]
        with Client(address, set_as_default=False) as client:
            await_condition(lambda: len(client.ncores()) == 2, what="two workers", seconds=100)
        yield address


@pytest.mark.slow
def test_a_dask_cluster_scores_an_archive_as_one_machine_does(
    artifacts: Path, tmp_path: Path, dask: str
) -> None:
    archive = write_archive(tmp_path / "archive.csv", 6_000)
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    command = [sys.executable, "-m", "training.cli", "score", str(archive)]
    command += ["--artifacts", str(artifacts), "--output"]
    subprocess.run([*command, str(here)], capture_output=True, check=True)
    result = subprocess.run(
        [*command, str(there), "--dask", dask], capture_output=True, text=True, check=True
    )
    assert "6,000 rows scored" in result.stdout
    assert "on 2 cores" in result.stdout
    assert there.read_bytes() == here.read_bytes()
    with Client(dask, set_as_default=False) as client:
        loaded = client.run(eval, "len(__import__('training.bulk_scoring').bulk_scoring._loaded)")
    assert list(loaded.values()) == [1, 1], "both workers have scored"


@pytest.mark.slow
def test_a_cluster_that_is_lost_is_told_and_nothing_that_it_scored_is_lost(
    artifacts: Path, tmp_path: Path, dask: str
) -> None:
    archive = write_archive(tmp_path / "archive.csv", 4_000)
    output = tmp_path / "scores.csv"
    command = [sys.executable, "-c", SMALL, "score", str(archive), "--dask", dask]
    command += ["--artifacts", str(artifacts), "--output", str(output)]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running,
        Client(dask, set_as_default=False) as client,
    ):
        await_condition((tmp_path / "scores.csv.progress").exists, what="some scores", seconds=200)
        client.shutdown()
        _, said = running.communicate()
    assert running.returncode == 2
    assert "the same command goes on" in said.splitlines()[-1]
    here = [one for one in command if one not in ("--dask", dask)]
    again = subprocess.run(here, capture_output=True, text=True, check=True)
    assert "of them before" in again.stdout
    assert [row["id"] for row in read_scores(output)] == [f"c{i}" for i in range(4_000)]


def test_a_cluster_that_is_not_there_is_refused(
    artifacts: Path, tmp_path: Path, archive: Path
) -> None:
    refused = run(
        artifacts, archive, "--output", tmp_path / "s.csv", "--dask", "nonsense://127.0.0.1:1"
    )
    assert refused.exit_code == 2
    assert "no Dask scheduler answers" in refused.stderr


def test_a_record_error_ends_the_tasks_before_it() -> None:
    def rows() -> Iterator[bulk_scoring.InputRow]:
        yield bulk_scoring.InputRow.of("f", 1, {"text": "a"})
        raise RecordError("line 2")

    first, fault = bulk_scoring._tasks(rows())
    assert isinstance(first, list)
    assert [row.text for row in first] == ["a"]
    assert isinstance(fault, RecordError)
