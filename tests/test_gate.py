"""Release gate: a worse artefact is not promoted, and the refusal says where it is worse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.artifact import Artifact
from models.registry import Registry
from training.gate import PromotionRefused, compare, promote

GOOD = {"osact4 test": {"macro_f1": {"value": 0.9, "low": 0.88, "high": 0.92}, "auc": 0.97}}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "artifacts")


@pytest.fixture
def save(registry: Registry, artifact: Artifact) -> Callable[[dict[str, Any]], str]:
    def save(metrics: dict[str, Any]) -> str:
        manifest = {"metrics": metrics, "operating_points": artifact.operating_points}
        return registry.save(artifact.classifier, manifest, "")

    return save


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
    registry: Registry, save: Callable[[dict[str, Any]], str]
) -> None:
    current = save(GOOD)
    promote(registry, current)
    worse = save({"osact4 test": {"macro_f1": 0.85, "auc": 0.97}})
    with pytest.raises(PromotionRefused, match=rf"{worse} is worse than {current}.*\n.*macro_f1"):
        promote(registry, worse)
    assert registry.current() == current


def test_a_candidate_within_the_tolerance_or_better_is_promoted(
    registry: Registry, save: Callable[[dict[str, Any]], str]
) -> None:
    promote(registry, save(GOOD))
    slightly_worse = save({"osact4 test": {"macro_f1": 0.89, "auc": 0.966}})
    promote(registry, slightly_worse)
    assert registry.current() == slightly_worse
    better = save({"osact4 test": {"macro_f1": 0.95, "auc": 0.99}, "lhsab": {"auc": 0.9}})
    promote(registry, better)
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
    registry: Registry, save: Callable[[dict[str, Any]], str]
) -> None:
    promote(registry, save(GOOD))
    worse = save({"osact4 test": {"macro_f1": 0.5, "auc": 0.5}})
    promote(registry, worse, force=True)
    assert registry.current() == worse
    last = (registry.root / "HISTORY").read_text().splitlines()[-1]
    assert last.split("\t")[1:] == ["promote --force", worse]
