"""Artefacts on disk: saved whole, promoted only when not worse, rolled back."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import SAMPLE_COMMENTS
from models.classifier import Classifier
from models.errors import ArtifactDamaged, ArtifactMissing, PromotionRefused
from models.registry import Registry, compare
from models.schema import read_comments
from models.state_file import write_state

SALAM = "\u0633\u0644\u0627\u0645"  # salam, "peace"
HIMAR = "\u064a\u0627 \u062d\u0645\u0627\u0631"  # ya himar, "you donkey"
POINTS = {"toxicity": {"review": {"threshold": 0.5, "precision": 0.7, "recall": 0.8}}}
GOOD = {"osact4 test": {"macro_f1": {"value": 0.9, "low": 0.88, "high": 0.92}, "auc": 0.97}}


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    comments = [comment for comment in read_comments(SAMPLE_COMMENTS) if comment.labels]
    y = np.array([[comment.labels["toxicity"], comment.labels["insult"]] for comment in comments])
    labels = ("toxicity", "insult")
    return Classifier(labels=labels).fit([comment.text for comment in comments], y)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "artifacts")


@pytest.fixture
def save(registry: Registry, classifier: Classifier) -> Callable[..., str]:
    def save(metrics: dict[str, Any] = GOOD) -> str:
        manifest = {"metrics": metrics, "operating_points": POINTS}
        return registry.save(classifier, manifest, lambda m: f"# Model card of {m['version']}\n")

    return save


def test_an_artefact_comes_back_scoring_as_it_did(
    registry: Registry, save: Callable[..., str], classifier: Classifier
) -> None:
    artifact = registry.load(save())
    np.testing.assert_array_equal(
        artifact.classifier.predict_proba([SALAM, HIMAR]), classifier.predict_proba([SALAM, HIMAR])
    )
    assert artifact.operating_points == POINTS
    assert artifact.manifest["labels"] == ["toxicity", "insult"]


def test_a_version_is_the_day_and_a_number_and_versions_come_oldest_first(
    registry: Registry, save: Callable[..., str]
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
    registry: Registry, save: Callable[..., str]
) -> None:
    version = save()
    files = {path.name for path in (registry.root / version).iterdir()}
    assert files == {"model.joblib", "manifest.json", "MODEL_CARD.md"}
    assert [path.name for path in registry.root.iterdir()] == [version]
    card = (registry.root / version / "MODEL_CARD.md").read_text()
    assert card == f"# Model card of {version}\n"


def test_a_save_that_fails_leaves_nothing(registry: Registry, classifier: Classifier) -> None:
    with pytest.raises(ValueError, match="JSON"):
        registry.save(classifier, {"operating_points": {}, "metrics": {"x": float("nan")}}, "")
    assert list(registry.root.iterdir()) == []


def test_nothing_is_in_use_before_the_first_promotion(
    registry: Registry, save: Callable[..., str]
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
    registry: Registry, save: Callable[..., str], version: str
) -> None:
    known = save()
    with pytest.raises(ArtifactMissing, match=known):
        registry.load(version)


@pytest.mark.parametrize(
    ("metrics", "complaint"),
    [
        ({"osact4 test": {"macro_f1": 0.88, "auc": 0.97}}, "macro_f1 on osact4 test: 0.8800, was"),
        ({"osact4 test": {"macro_f1": 0.9, "auc": 0.96}}, "auc on osact4 test: 0.9600, was 0.9700"),
        ({"osact4 test": {"macro_f1": 0.9}}, "auc was not measured on osact4 test"),
        ({"osact5 dev": {"macro_f1": 0.9}}, "it was not measured on osact4 test"),
        ({"osact4 test": {"macro_f1": 0.9, "auc": float("inf") - float("inf")}}, "auc"),
    ],
)
def test_the_comparison_names_every_place_where_a_candidate_is_worse(
    metrics: dict[str, Any], complaint: str
) -> None:
    current = {"labels": ["toxicity"], "metrics": GOOD}
    (reason,) = compare(current, current | {"metrics": metrics})
    assert reason.startswith(complaint)


def test_a_worse_candidate_is_not_promoted_and_the_refusal_says_where(
    registry: Registry, save: Callable[..., str]
) -> None:
    current = save()
    registry.promote(current)
    worse = save({"osact4 test": {"macro_f1": 0.85, "auc": 0.97}})
    with pytest.raises(PromotionRefused, match=rf"{worse} is worse than {current}.*\n.*macro_f1"):
        registry.promote(worse)
    assert registry.current() == current


def test_a_candidate_within_the_tolerance_or_better_is_promoted(
    registry: Registry, save: Callable[..., str]
) -> None:
    registry.promote(save())
    slightly_worse = save({"osact4 test": {"macro_f1": 0.89, "auc": 0.966}})
    registry.promote(slightly_worse)
    assert registry.current() == slightly_worse
    better = save({"osact4 test": {"macro_f1": 0.95, "auc": 0.99}, "lhsab": {"auc": 0.9}})
    registry.promote(better)
    assert registry.current() == better


def test_more_flagged_clean_comments_are_worse_not_better() -> None:
    labels = {"labels": ["toxicity"]}
    few = labels | {"metrics": {"aoc": {"flagged_share": 0.02}}}
    many = labels | {"metrics": {"aoc": {"flagged_share": 0.05}}}
    assert compare(few, many) != []
    assert compare(many, few) == []


def test_a_small_benchmark_allows_its_own_noise() -> None:
    noisy = {"value": 0.9, "low": 0.8, "high": 1.0}
    old = {"labels": ["toxicity"], "metrics": {"sample": {"auc": noisy}}}
    for value, refused in ((0.86, False), (0.84, True)):
        new = {"labels": ["toxicity"], "metrics": {"sample": {"auc": noisy | {"value": value}}}}
        assert bool(compare(old, new)) is refused


def test_a_lost_label_is_worse() -> None:
    both = {"labels": ["toxicity", "insult"]}
    assert compare(both, {"labels": ["toxicity"]}) == ["it does not know the label insult"]


def test_benchmarks_of_other_rows_are_not_compared() -> None:
    labels = {"labels": ["toxicity"]}
    old = labels | {"metrics": {"sample": {"auc": 0.9, "sha256": "a"}}}
    new = labels | {"metrics": {"sample": {"auc": 0.5, "sha256": "b"}}}
    assert compare(old, new) == []


def test_a_refused_promotion_can_be_forced_and_the_history_says_so(
    registry: Registry, save: Callable[..., str]
) -> None:
    registry.promote(save())
    worse = save({"osact4 test": {"macro_f1": 0.5, "auc": 0.5}})
    registry.promote(worse, force=True)
    assert registry.current() == worse
    last = (registry.root / "HISTORY").read_text().splitlines()[-1]
    assert last.split("\t")[1:] == ["promote --force", worse]


def test_rolling_back_walks_back_one_promotion_at_a_time(
    registry: Registry, save: Callable[..., str]
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
    registry: Registry, save: Callable[..., str]
) -> None:
    first, second = save(), save()
    registry.promote(first)
    (registry.root / "CURRENT").write_text(f"{second}\n")
    assert registry.rollback() == first


def test_a_damaged_earlier_artefact_is_not_rolled_back_to(
    registry: Registry, save: Callable[..., str]
) -> None:
    first, second = save(), save()
    registry.promote(first)
    registry.promote(second)
    (registry.root / first / "model.joblib").unlink()
    with pytest.raises(ArtifactDamaged):
        registry.rollback()
    assert registry.current() == second


def test_a_damaged_candidate_is_not_promoted(registry: Registry, save: Callable[..., str]) -> None:
    first, second = save(), save()
    registry.promote(first)
    model = registry.root / second / "model.joblib"
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(ArtifactDamaged, match="SHA-256"):
        registry.promote(second)
    assert registry.current() == first


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda m: m.pop("model"), "field 'model' is missing"),
        (lambda m: m["model"].update(sha256="short"), "not a SHA-256"),
        (lambda m: m["model"].update(sha256=None), "not a manifest"),
        (lambda m: m.update(format=99), "format 99"),
        (lambda m: m.update(version="2020.01.01-1"), "another version"),
        (lambda m: m.update(labels=["insult"]), "not a label of the artefact"),
        (lambda m: m.update(labels=["insult", "toxicity"]), "in its order"),
        (lambda m: m.update(labels=["toxicity", "threat"]), "labels are not those"),
        (lambda m: m.update(operating_points=[]), "not a manifest"),
        (
            lambda m: m["operating_points"]["toxicity"]["review"].update(threshold=2),
            "toxicity.review: threshold 2",
        ),
    ],
)
def test_a_wrong_manifest_is_refused_naming_what_is_wrong(
    registry: Registry,
    save: Callable[..., str],
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
    registry: Registry, save: Callable[..., str], content: bytes | None
) -> None:
    version = save()
    path = registry.root / version / "manifest.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactDamaged, match=r"manifest\.json"):
        registry.load(version)


def test_a_state_that_is_not_a_classifier_is_refused(
    registry: Registry, save: Callable[..., str], classifier: Classifier
) -> None:
    class Emptied:
        labels_ = classifier.labels_

        def get_state(self) -> dict[str, Any]:
            return {"table": np.zeros(3)}

    manifest: dict[str, Any] = {"metrics": {}, "operating_points": {}}
    version = registry.save(Emptied(), manifest, "")  # type: ignore[arg-type]
    with pytest.raises(ArtifactDamaged, match="not a classifier's state"):
        registry.load(version)


def overwrite(registry: Registry, version: str, state: dict[str, Any]) -> None:
    """Put another state into a version, with the digest that belongs to it."""
    folder = registry.root / version
    sha256 = write_state(state, folder / "model.joblib")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["model"]["sha256"] = sha256
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda s: {"table_": s["table_"] * 0}, "plainly"),
        (lambda s: {"table_": -s["table_"]}, "plainly"),
        (lambda s: {"intercepts_": s["intercepts_"] - 100}, "plainly abusive comments"),
        (lambda s: {"intercepts_": s["intercepts_"] + 100}, "plainly harmless comments"),
        (lambda s: {"calibration_": s["calibration_"] * [[1], [0]] - 60}, "plainly abusive"),
        (lambda s: {"calibration_": -s["calibration_"]}, "wrong shape, type or value"),
        (lambda s: {"slots_": -s["slots_"]}, "wrong shape, type or value"),
        (lambda s: {"slots_": s["slots_"] + len(s["table_"])}, "wrong shape, type or value"),
        (lambda s: {"slots_": s["slots_"].astype(float)}, "wrong shape, type or value"),
        (lambda s: {"table_": s["table_"][:, :1]}, "wrong shape, type or value"),
        (lambda s: {"labels": ["toxicity"]}, "wrong shape, type or value"),
    ],
)
def test_an_artefact_of_nonsense_is_neither_loaded_nor_promoted(
    registry: Registry,
    save: Callable[..., str],
    change: Callable[[dict[str, Any]], dict[str, Any]],
    complaint: str,
    classifier: Classifier,
) -> None:
    good, version = save(), save()
    registry.promote(good)
    state = classifier.get_state()
    overwrite(registry, version, state | change(state))
    with pytest.raises(ArtifactDamaged, match=complaint):
        registry.load(version)
    with pytest.raises(ArtifactDamaged, match=complaint):
        registry.promote(version, force=True)
    assert registry.current() == good


@pytest.mark.parametrize(
    "points", [{}, {"toxicity": {}}, {"toxicity": {"review": {"threshold": 1}}}]
)
def test_an_artefact_whose_points_flag_nothing_is_not_loaded(
    registry: Registry, save: Callable[..., str], points: dict[str, Any]
) -> None:
    version = save()
    path = registry.root / version / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"operating_points": points}))
    with pytest.raises(ArtifactDamaged, match="of 8 plainly abusive comments it judges 0 right"):
        registry.load(version)
