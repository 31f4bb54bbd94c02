"""Registry: versions are saved whole, promoted and rolled back."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import SAMPLE_COMMENTS
from models.artifact import write_classifier
from models.classifier import ARRAYS, Classifier
from models.errors import ArtifactDamaged, ArtifactError, ArtifactMissing
from models.registry import Registry
from models.schema import read_comments
from training.fit import Learner

SALAM = "\u0633\u0644\u0627\u0645"  # salam, "peace"
HIMAR = "\u064a\u0627 \u062d\u0645\u0627\u0631"  # ya himar, "you donkey"
POINTS = {"toxicity": {"review": {"threshold": 0.5, "precision": 0.7, "recall": 0.8}}}


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    comments = [comment for comment in read_comments(SAMPLE_COMMENTS) if comment.labels]
    y = np.array([[comment.labels["toxicity"], comment.labels["insult"]] for comment in comments])
    labels = ("toxicity", "insult")
    return Learner(labels=labels).fit([comment.text for comment in comments], y).for_domain()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "artifacts")


@pytest.fixture
def save(registry: Registry, classifier: Classifier) -> Callable[[], str]:
    def save() -> str:
        manifest = {"operating_points": POINTS}
        return registry.save(classifier, manifest, lambda m: f"# Model card of {m['version']}\n")

    return save


def test_an_artefact_comes_back_scoring_as_it_did(
    registry: Registry, save: Callable[[], str], classifier: Classifier
) -> None:
    artifact = registry.load(save())
    np.testing.assert_array_equal(
        artifact.classifier.predict_proba([SALAM, HIMAR]), classifier.predict_proba([SALAM, HIMAR])
    )
    assert artifact.operating_points == POINTS
    assert artifact.manifest["labels"] == ["toxicity", "insult"]


def test_a_version_is_the_day_and_a_number_and_versions_come_oldest_first(
    registry: Registry, save: Callable[[], str]
) -> None:
    first = save()
    day, number = first.split("-")
    assert len(day.split(".")) == 3
    assert number == "1"
    for n in range(2, 11):
        assert save() == f"{day}-{n}"
    shutil.copytree(registry.root / first, registry.root / "2025.12.31-9")
    assert registry.versions() == ["2025.12.31-9"] + [f"{day}-{n}" for n in range(1, 11)]


def test_a_version_folder_holds_model_manifest_and_card_and_nothing_half_written(
    registry: Registry, save: Callable[[], str]
) -> None:
    version = save()
    files = {path.name for path in (registry.root / version).iterdir()}
    assert files == {f"{name}.npy" for name in ARRAYS} | {"manifest.json", "MODEL_CARD.md"}
    assert [path.name for path in registry.root.iterdir()] == [version]
    card = (registry.root / version / "MODEL_CARD.md").read_text()
    assert card == f"# Model card of {version}\n"


def test_figures_measured_later_join_the_card_and_change_no_score(
    registry: Registry, save: Callable[[], str], classifier: Classifier
) -> None:
    version = save()
    registry.describe(version, {"folds": 1}, lambda m: str(m["evaluation"]))
    registry.describe(version, {"steps": 2}, lambda m: str(m["evaluation"]))
    card = registry.root / version / "MODEL_CARD.md"
    assert card.read_text(encoding="utf-8") == "{'folds': 1, 'steps': 2}"
    artifact = registry.load(version)
    assert artifact.manifest["evaluation"] == {"folds": 1, "steps": 2}
    np.testing.assert_array_equal(
        artifact.classifier.predict_proba([HIMAR]), classifier.predict_proba([HIMAR])
    )


def test_what_flags_nothing_is_not_saved(registry: Registry, classifier: Classifier) -> None:
    points = {label: {"review": {"threshold": 1.0}} for label in classifier.labels}
    with pytest.raises(ArtifactError, match="plainly abusive comments it judges 0 right"):
        registry.save(classifier, {"operating_points": points}, "")
    assert list(registry.root.iterdir()) == []


def test_a_save_that_fails_leaves_nothing(registry: Registry, classifier: Classifier) -> None:
    with pytest.raises(ValueError, match="JSON"):
        registry.save(classifier, {"operating_points": POINTS, "metrics": {"x": float("nan")}}, "")
    assert list(registry.root.iterdir()) == []


def test_nothing_is_in_use_before_the_first_promotion(
    registry: Registry, save: Callable[[], str]
) -> None:
    assert registry.versions() == []
    version = save()
    with pytest.raises(ArtifactMissing, match="no artefact has been promoted"):
        registry.load()
    registry.promote(version)
    assert registry.current() == version
    assert registry.load().version == version


@pytest.mark.parametrize("version", ["2026.01.01-1", "..", "", "../artifacts", "CURRENT"])
def test_an_unknown_version_is_refused_naming_the_known_ones(
    registry: Registry, save: Callable[[], str], version: str
) -> None:
    known = save()
    with pytest.raises(ArtifactMissing, match=known):
        registry.load(version)


def test_rolling_back_walks_back_one_promotion_at_a_time(
    registry: Registry, save: Callable[[], str]
) -> None:
    first, second, third = save(), save(), save()
    for version in (first, second, second, third):
        registry.promote(version)
    assert registry.rollback() == second
    assert registry.current() == second
    assert registry.rollback() == first
    with pytest.raises(ArtifactMissing, match="no earlier artefact"):
        registry.rollback()
    assert registry.current() == first
    registry.promote(third)
    assert registry.rollback() == first
    verbs = [line.split("\t")[1] for line in (registry.root / "HISTORY").read_text().splitlines()]
    assert verbs == ["promote"] * 4 + ["rollback"] * 2 + ["promote", "rollback"]


def test_a_promotion_cut_off_before_its_history_line_can_still_be_rolled_back(
    registry: Registry, save: Callable[[], str]
) -> None:
    first, second = save(), save()
    registry.promote(first)
    (registry.root / "CURRENT").write_text(f"{second}\n")
    assert registry.rollback() == first


def test_a_history_whose_last_line_was_cut_off_can_still_be_rolled_back(
    registry: Registry, save: Callable[[], str]
) -> None:
    first, second = save(), save()
    registry.promote(first)
    registry.promote(second)
    history = registry.root / "HISTORY"
    history.write_text(history.read_text()[:-20])
    assert registry.rollback() == first


def test_a_history_of_nonsense_is_kept_and_promotions_go_on_behind_it(
    registry: Registry, save: Callable[[], str]
) -> None:
    first, second = save(), save()
    (registry.root / "HISTORY").write_bytes(b"\xff\x00\n\xb6 cut off")
    for version in (first, second):
        registry.promote(version)
    assert registry.rollback() == first
    assert len((registry.root / "HISTORY").read_text().splitlines()) == 5


def test_a_promotion_that_a_crash_kept_from_the_history_is_noted_by_the_next(
    registry: Registry, save: Callable[[], str]
) -> None:
    first, second, third = save(), save(), save()
    registry.promote(first)
    (registry.root / "CURRENT").write_text(f"{second}\n")
    registry.promote(third)
    assert registry.rollback() == second
    assert registry.rollback() == first


def test_a_promotion_without_room_on_the_disk_changes_nothing(
    registry: Registry, save: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = save(), save()
    registry.promote(first)
    history = (registry.root / "HISTORY").read_text()
    sync, calls = os.fsync, iter(range(99))

    def full(descriptor: int) -> None:
        if next(calls):  # there is room for CURRENT alone
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"No space left on device: .*HISTORY"):
            registry.promote(second)
    assert registry.current() == first
    assert (registry.root / "HISTORY").read_text() == history
    registry.promote(second)
    assert registry.rollback() == first


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"2026", b"../artifacts"])
def test_what_says_nothing_of_the_version_in_use_is_told_and_a_rollback_repairs_it(
    registry: Registry, save: Callable[[], str], content: bytes | None
) -> None:
    first, second = save(), save()
    registry.promote(first)
    registry.promote(second)
    path = registry.root / "CURRENT"
    path.unlink()
    if content is None:
        path.mkdir()  # which cannot be read as a file
    else:
        path.write_bytes(content)
    with pytest.raises(ArtifactDamaged, match=f"{path}: (cannot be read|names no version)"):
        registry.load()
    assert str(path) in str(registry.mark()[0]), "a service that runs hears of it"
    if content is None:
        path.rmdir()
    assert registry.rollback() == first
    assert registry.current() == first


def test_what_a_killed_save_left_is_removed_by_a_later_one_and_what_is_being_saved_is_not(
    registry: Registry, save: Callable[[], str]
) -> None:
    version = save()
    left, being_saved = registry.root / ".saving-left", registry.root / ".saving-now"
    for folder in (left, being_saved):
        shutil.copytree(registry.root / version, folder)
    os.utime(left, (0, 0))
    os.utime(being_saved)
    assert registry.versions() == [version]
    save()
    assert not left.exists()
    assert being_saved.exists()


def test_a_damaged_earlier_artefact_is_not_rolled_back_to(
    registry: Registry, save: Callable[[], str]
) -> None:
    first, second = save(), save()
    registry.promote(first)
    registry.promote(second)
    (registry.root / first / "table.npy").unlink()
    with pytest.raises(ArtifactDamaged):
        registry.rollback()
    assert registry.current() == second


def test_a_damaged_candidate_is_not_promoted(registry: Registry, save: Callable[[], str]) -> None:
    first, second = save(), save()
    registry.promote(first)
    model = registry.root / second / "table.npy"
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(ArtifactDamaged, match="SHA-256"):
        registry.promote(second)
    assert registry.current() == first


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda m: m.pop("model"), "field 'model' is missing"),
        (lambda m: m["model"]["sha256"].update(table="short"), "not a SHA-256"),
        (lambda m: m["model"]["sha256"].update(table=None), "not a manifest"),
        (lambda m: m["model"]["sha256"].pop("table"), "field 'table' is missing"),
        (lambda m: m.update(format=99), "format 99"),
        (lambda m: m.update(version="2020.01.01-1"), "another version"),
        (lambda m: m.update(labels=["insult"]), "not a label of the artefact"),
        (lambda m: m.update(labels=["insult", "toxicity"]), "in its order"),
        (lambda m: m.update(labels=["toxicity"]), "not a classifier"),
        (lambda m: m.update(operating_points=[]), "not a manifest"),
        (
            lambda m: m["operating_points"]["toxicity"]["review"].update(threshold=2),
            "toxicity.review: threshold 2",
        ),
    ],
)
def test_a_wrong_manifest_is_refused_naming_what_is_wrong(
    registry: Registry,
    save: Callable[[], str],
    change: Callable[[dict[str, Any]], object],
    complaint: str,
) -> None:
    version = save()
    path = registry.root / version / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(ArtifactDamaged, match=complaint):
        registry.load(version)


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_missing_or_unreadable_manifest_is_refused(
    registry: Registry, save: Callable[[], str], content: bytes | None
) -> None:
    version = save()
    path = registry.root / version / "manifest.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactDamaged, match=r"manifest\.json"):
        registry.load(version)


def overwrite(registry: Registry, version: str, arrays: dict[str, NDArray[Any]]) -> None:
    """Put other arrays into a version, with the digests that belong to them."""
    folder = registry.root / version
    manifest = json.loads((folder / "manifest.json").read_text())
    forged = SimpleNamespace(labels=manifest["labels"], arrays=lambda: arrays, blend=None)
    manifest |= write_classifier(cast(Classifier, forged), folder)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda s: {"table": s["table"] * 0}, "plainly"),
        (lambda s: {"table": -s["table"]}, "plainly"),
        (lambda s: {"intercepts": s["intercepts"] - 100}, "plainly abusive comments"),
        (lambda s: {"intercepts": s["intercepts"] + 100}, "plainly harmless comments"),
        (lambda s: {"calibration": s["calibration"] * [[1], [0]] - 60}, "plainly abusive"),
        (lambda s: {"calibration": -s["calibration"]}, "wrong shape, type or value"),
        (lambda s: {"slots": -s["slots"]}, "wrong shape, type or value"),
        (lambda s: {"slots": s["slots"] + len(s["table"])}, "wrong shape, type or value"),
        (lambda s: {"slots": s["slots"].astype(float)}, "wrong shape, type or value"),
        (lambda s: {"table": s["table"][:, :1]}, "wrong shape, type or value"),
        (lambda s: {"word_hashes": s["word_hashes"][None]}, "wrong shape, type or value"),
        (lambda s: {"table": np.array(1.0)}, "not a classifier"),
        (lambda s: {"slots": s["slots"][:0]}, "wrong shape, type or value"),
    ],
)
def test_an_artefact_of_nonsense_is_neither_loaded_nor_promoted(
    registry: Registry,
    save: Callable[[], str],
    change: Callable[[dict[str, Any]], dict[str, Any]],
    complaint: str,
    classifier: Classifier,
) -> None:
    good, version = save(), save()
    registry.promote(good)
    arrays = classifier.arrays()
    overwrite(registry, version, arrays | change(arrays))
    with pytest.raises(ArtifactDamaged, match=complaint):
        registry.load(version)
    with pytest.raises(ArtifactDamaged, match=complaint):
        registry.promote(version, forced=True)
    assert registry.current() == good


@pytest.mark.parametrize(
    "points", [{}, {"toxicity": {}}, {"toxicity": {"review": {"threshold": 1}}}]
)
def test_an_artefact_whose_points_flag_nothing_is_not_loaded(
    registry: Registry, save: Callable[[], str], points: dict[str, Any]
) -> None:
    version = save()
    path = registry.root / version / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"operating_points": points}))
    with pytest.raises(ArtifactDamaged, match="of 8 plainly abusive comments it judges 0 right"):
        registry.load(version)
