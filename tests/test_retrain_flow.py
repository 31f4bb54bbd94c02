"""The path of a retraining: fit, promote, learn from decisions, refuse what is worse, roll back."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conftest import SAMPLE_COMMENTS
from models.registry import Registry
from models.schema import LabeledComment, read_comments, write_comments
from training.cli import main

pytestmark = pytest.mark.slow


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def fit(root: Path, *arguments: object) -> str:
    """Fit and return the new version."""
    result = run("fit", *arguments, "--out", root)
    assert result.exit_code == 0, result.output
    return Registry(root).versions()[-1]


@pytest.fixture(scope="module")
def comments() -> list[LabeledComment]:
    """The sample comments with the two labels that make a fit quick."""
    kept = ("toxicity", "insult")
    return [
        replace(comment, labels={label: comment.labels[label] for label in kept})
        for comment in read_comments(SAMPLE_COMMENTS)
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, comments: list[LabeledComment]) -> Path:
    path = tmp_path_factory.mktemp("base") / "base.jsonl"
    write_comments(comments, path)
    return path


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory, comments: list[LabeledComment]) -> Path:
    """The base, with two of five labels that are learned turned round."""
    path = tmp_path_factory.mktemp("wrong") / "base.jsonl"
    write_comments(
        (
            comment
            if comment.split == "test" or i % 5 > 1
            else replace(comment, labels={k: 1 - v for k, v in comment.labels.items()})
            for i, comment in enumerate(comments)
        ),
        path,
    )
    return path


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """A registry with one promoted version."""
    root = tmp_path_factory.mktemp("artifacts")
    run("promote", fit(root, base), "--artifacts", root)
    return root


def weights(root: Path, version: str) -> dict[str, str]:
    digests: dict[str, str] = Registry(root).manifest(version)["model"]["sha256"]
    return digests


def test_the_whole_life_of_a_retraining(
    tmp_path: Path, base: Path, wrong: Path, comments: list[LabeledComment]
) -> None:
    root = tmp_path / "artifacts"
    assert f"no artefact in {root}" in run("list", "--artifacts", root).output

    first = fit(root, base)
    assert run("promote", first, "--artifacts", root).exit_code == 0

    # Moderators decide; what they decided is learned beside the base, as a domain of its own.
    decisions = tmp_path / "decisions.jsonl.gz"
    decided = [
        replace(comment, id=f"d{i}", text=f"{comment.text} {i}", source="moderator", site="demo")
        for i, comment in enumerate(comments[:60])
    ]
    write_comments(decided, decisions)
    second = fit(root, base, "--decisions", decisions, "--site", "demo")
    sets = {s["id"]: s for s in Registry(root).manifest(second)["training"]["sets"]}
    assert sets["moderator"]["n_comments"] == 60
    assert weights(root, second) != weights(root, first)
    promoted = run("promote", second, "--artifacts", root)
    assert promoted.exit_code == 0, promoted.output

    # A worse one is refused, and the refusal says where it is worse.
    worse = fit(root, wrong)
    refused = run("promote", worse, "--artifacts", root)
    assert refused.exit_code == 2
    assert f"{worse} is worse than {second}" in refused.output
    assert "on HakamCheck" in refused.output.partition(f"{worse} is worse")[2]
    assert Registry(root).current() == second

    listed = run("list", "--artifacts", root)
    assert all(version in listed.output for version in (first, second, worse))
    assert run("rollback", "--artifacts", root).output == f"{first} is in use again\n"
    assert Registry(root).load().version == first
    assert run("rollback", "--artifacts", root).exit_code == 2


def test_a_sites_own_artifact_judges_as_its_moderators_do(
    tmp_path: Path, base: Path, fitted: Path
) -> None:
    word = "\u0633\u0645\u0633\u0645"  # simsim, sesame: a nickname that one site's readers hate
    decisions = tmp_path / "decisions.jsonl"
    decided = [
        LabeledComment(
            f"{site}{i}", f"{word} {i:b}".translate(_BITS), labels, "moderator", site=site
        )
        for site, rude in (("here", 1.0), ("there", 0.0))
        for i in range(40)
        for labels in [{"toxicity": rude if i % 4 else 1 - rude}]
    ]
    write_comments(decided, decisions)
    shared = Registry(fitted).load().classifier.predict_proba([word])[0, 0]
    scores = {}
    for site in ("here", "there"):
        version = fit(fitted, base, "--decisions", decisions, "--site", site)
        scores[site] = Registry(fitted).load(version).classifier.predict_proba([word])[0, 0]
    assert scores["there"] < scores["here"]
    assert scores["here"] > shared
    refused = run("fit", base, "--site", "nowhere", "--out", fitted)
    assert refused.exit_code == 2
    assert "no decision of the site 'nowhere'" in refused.stderr


_BITS = str.maketrans("01", "\u0646\u0645")  # noon and meem, so that the texts differ in letters


def test_a_table_teaches_what_the_same_labelled_comments_teach(
    tmp_path: Path, fitted: Path, comments: list[LabeledComment]
) -> None:
    table, kept = tmp_path / "base.csv", ("toxicity", "insult")
    with table.open("w", encoding="utf-16", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(
            ("Kommentar", "labels.toxicity", "labels.insult", "source", "split", "dialect")
        )
        rows.writerows(
            (one.text, *map(one.labels.get, kept), one.source, one.split, one.dialect)
            for one in comments
        )
    result = run("fit", table, "--column", "text=Kommentar", "--out", fitted)
    assert result.exit_code == 0, result.output
    assert f"{table}: text in UTF-16, divided by ';', {len(comments)} rows" in result.stderr
    assert 'text is "Kommentar"' in result.stderr
    registry = Registry(fitted)
    assert weights(fitted, registry.versions()[-1]) == weights(fitted, registry.current())


def test_the_same_comments_and_seed_give_the_same_weights(base: Path, fitted: Path) -> None:
    assert weights(fitted, fit(fitted, base)) == weights(fitted, Registry(fitted).current())


def test_a_run_with_a_work_folder_is_taken_up_where_it_stopped(
    tmp_path: Path, base: Path, fitted: Path
) -> None:
    fit(fitted, base, "--work", tmp_path)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert len(kept) == 2
    result = run("fit", base, "--work", tmp_path, "--out", fitted)
    assert "fitting" not in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    registry = Registry(fitted)
    assert weights(fitted, registry.versions()[-1]) == weights(fitted, registry.current())


def test_an_artifact_is_evaluated_on_any_data_with_a_report(
    tmp_path: Path, base: Path, fitted: Path
) -> None:
    report = tmp_path / "report.html"
    result = run("evaluate", base, "--artifacts", fitted, "--report", report)
    assert result.exit_code == 0, result.output
    for title in ("Labels at their review point", "HakamCheck by function", "Disguised text"):
        assert title in result.output
    assert report.stat().st_size > 10_000


def test_the_manifest_tells_how_to_make_the_artifact_again(fitted: Path) -> None:
    manifest = Registry(fitted).load().manifest
    assert manifest["training"]["seed"] == 0
    assert manifest["training"]["license"] == "any"
    assert len(manifest["training"]["sets"][0]["sha256"]) == 64
    assert {"python", "numpy", "scikit-learn"} <= set(manifest["libraries"])
    assert manifest["metrics"]["sample test"]["auc"]["value"] > 0.7


def test_labels_of_one_kind_cannot_be_learned_and_the_refusal_says_so(
    tmp_path: Path, comments: list[LabeledComment]
) -> None:
    path = tmp_path / "clean.jsonl"
    write_comments((c for c in comments if not c.labels["toxicity"]), path)
    result = run("fit", path, "--out", tmp_path / "artifacts")
    assert result.exit_code == 2
    assert "no label has examples of both kinds" in result.stderr


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"{}", "line 1: has no text"), (b"", "comments.jsonl: is empty")],
)
def test_comments_that_cannot_be_read_are_refused(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "comments.jsonl"
    path.write_bytes(content)
    refused = run("fit", path, "--out", tmp_path)
    assert refused.exit_code == 2
    assert complaint in refused.stderr


def test_a_refusal_is_one_sentence_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training.cli", "fit", "nothing.jsonl", "--out", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert (
        ended.stderr
        == "reading\nhakam-train: nothing.jsonl: cannot be opened: No such file or directory\n"
    )


@pytest.mark.parametrize(
    "arguments", [("promote", "2020.01.01-1"), ("rollback",), ("evaluate", SAMPLE_COMMENTS)]
)
def test_commands_on_an_empty_folder_say_what_is_missing(
    tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    result = run(*arguments, "--artifacts", tmp_path)
    assert result.exit_code == 2
    assert "artefact" in result.stderr


def test_a_damaged_version_is_listed_as_such_beside_the_others(tmp_path: Path, base: Path) -> None:
    root = tmp_path / "artifacts"
    good, damaged = fit(root, base), fit(root, base)
    (root / damaged / "manifest.json").write_text("{")
    listed = run("list", "--artifacts", root)
    assert listed.exit_code == 0
    assert good in listed.output
    assert "is not JSON" in listed.output


def test_a_version_is_listed_with_what_keeps_it_from_being_promoted(
    tmp_path: Path, fitted: Path
) -> None:
    root = shutil.copytree(fitted, tmp_path / "artifacts")
    current = Registry(root).current()
    table = root / current / "table.npy"
    table.write_bytes(table.read_bytes()[:-1])
    listed = run("list", "--artifacts", root)
    assert listed.exit_code == 2  # what is in use cannot be used
    assert f"hakam-train: {table}: its SHA-256 is not the one in the manifest" in listed.stderr
    assert "its SHA-256" in listed.stdout
    (root / "CURRENT").write_text("2020.01.01-1\n")
    gone = run("list", "--artifacts", root)
    assert gone.exit_code == 2
    assert "no artefact '2020.01.01-1'" in gone.stderr
    assert current in gone.stdout


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_a_damaged_stage_in_the_work_folder_is_made_anew(
    tmp_path: Path, base: Path, fitted: Path, suffix: str
) -> None:
    work = tmp_path / "work"
    fit(fitted, base, "--work", work)
    (kept,) = work.glob(f"*{suffix}")
    kept.write_bytes(kept.read_bytes()[:20])
    result = run("fit", base, "--work", work, "--out", fitted)
    assert result.exit_code == 0, result.output
    assert ".json: is damaged, so it is made anew" in result.stderr
    registry = Registry(fitted)
    assert weights(fitted, registry.versions()[-1]) == weights(fitted, registry.current())


@pytest.mark.parametrize("option", ["--out", "--work"])
def test_a_folder_that_cannot_be_written_is_refused_by_its_name_before_anything_is_fitted(
    tmp_path: Path, base: Path, option: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    refused = run("fit", base, "--out", tmp_path / "artifacts", option, file / "folder")
    assert refused.exit_code == 2
    assert refused.stderr.endswith(f"hakam-train: {file / 'folder'}: Not a directory\n")
    assert "fitting" not in refused.stderr


def test_a_report_that_cannot_be_written_is_refused_by_its_name_and_the_figures_are_shown(
    tmp_path: Path, base: Path, fitted: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    report = file / "report.html"
    refused = run("evaluate", base, "--artifacts", fitted, "--report", report)
    assert refused.exit_code == 2
    assert "HakamCheck by function" in refused.stdout
    assert f"hakam-train: {file}: File exists" in refused.stderr


def test_a_fit_that_is_interrupted_says_how_to_go_on_and_saves_nothing(
    tmp_path: Path, base: Path
) -> None:
    root, endless = tmp_path / "artifacts", tmp_path / "more.jsonl"
    os.mkfifo(endless)  # nobody writes to it, so that reading it does not end
    places = [str(base), str(endless)]
    command = [sys.executable, "-m", "training.cli", "fit", *places, "--out", str(root)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr
        assert running.stderr.readline().startswith("reading")
        running.send_signal(signal.SIGINT)
        told = running.stderr.read()
    assert running.returncode == 130
    assert told.splitlines()[-1].startswith("hakam-train: stopped. The same command begins again")
    assert "Traceback" not in told
    assert list(root.iterdir()) == []
