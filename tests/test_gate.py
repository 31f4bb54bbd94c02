"""Release gate: both versions judge the same comments, and the table says what decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import SAMPLE_COMMENTS
from models.artifact import CANARIES, Artifact
from models.classifier import Classifier
from models.registry import Registry
from models.schema import LabeledComment, read_comments, write_comments
from training import gate
from training.datasets import Corpus, read_corpus
from training.evaluation.paired import Suite, shipped
from training.fit import Learner
from training.gate import HEADS, SITE, PromotionRefused, findings, promote

SESAME = "\u0633\u0645\u0633\u0645"  # simsim: a nickname that one site's readers hate
Save = Callable[..., str]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge every eighth comment of the shipped suites, which takes a second."""

    def few() -> Iterator[Suite]:
        for suite in shipped():
            columns = {
                name: getattr(suite, name)[::8]
                for name in ("texts", "names", "abusive", "flag", "slices")
            }
            yield replace(suite, **columns)

    monkeypatch.setattr(gate, "shipped", few)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "artifacts")


@pytest.fixture
def save(registry: Registry, artifact: Artifact) -> Save:
    def save(classifier: Classifier = artifact.classifier, **manifest: Any) -> str:
        points = {
            label: told
            for label, told in artifact.operating_points.items()
            if label in classifier.labels
        }
        return registry.save(classifier, {"operating_points": points} | manifest, "")

    return save


@pytest.fixture(scope="module")
def deaf(artifact: Artifact) -> Classifier:
    """The same, but three of four n-grams say nothing."""
    scorer = artifact.classifier.scorer
    table = np.array(scorer.table)
    table[np.arange(len(table)) % 4 > 0] = 0
    return replace(artifact.classifier, scorer=replace(scorer, table=table))


def decided(folder: Path, n: int) -> Corpus:
    """Return decisions of a site that rejects one word in whatever a harmless comment says."""
    comments = [c for c in read_comments(SAMPLE_COMMENTS) if c.labels and c.text.strip()]
    harmless = [c.text for c in comments if not c.labels["toxicity"]]
    abusive = [c.text for c in comments if c.labels["toxicity"]]
    kinds = ((harmless, "", 0.0), (harmless, SESAME, 1.0), (abusive, "", 1.0))
    begun = datetime(2026, 11, 1, tzinfo=UTC)
    path = folder / "decisions.jsonl"
    write_comments(
        (
            LabeledComment(
                str(i),
                f"{word} {texts[i // 3]}",
                {"toxicity": rude},
                "moderator",
                site="demo",
                decided_at=(begun + timedelta(hours=i)).isoformat(),
            )
            for i in range(n)
            for texts, word, rude in [kinds[i % 3]]
        ),
        path,
    )
    return read_corpus([], [path])


def heavier(classifier: Classifier, decisions: Corpus) -> Classifier:
    """Let a classifier learn from decisions."""
    from training.adaptation import adapted

    columns = [i for i, _ in enumerate(classifier.labels)]
    own = adapted(classifier, decisions.texts, decisions.y[:, columns])
    return replace(own, calibration=classifier.calibration)


def test_a_worse_candidate_is_refused_and_the_refusal_names_every_place(
    registry: Registry, save: Save, deaf: Classifier
) -> None:
    current = save()
    promote(registry, current)
    worse = save(deaf)
    with pytest.raises(PromotionRefused, match=rf"{worse} is worse than {current}") as refusal:
        promote(registry, worse)
    assert registry.current() == current
    assert "right on HakamCheck (" in str(refusal.value)
    assert ", was 0." in str(refusal.value)
    refused = [finding for finding in refusal.value.findings if finding.refuses]
    assert {finding.reason for finding in refused} == set(str(refusal.value).split("\n  ")[1:])
    assert len(refused) < len(refusal.value.findings)


def test_a_candidate_that_judges_alike_is_promoted_whatever_was_not_measured(
    registry: Registry, save: Save
) -> None:
    promote(registry, save(metrics={"osact4 test": {"auc": 0.97, "sha256": "a"}}))
    alike = save()
    found = promote(registry, alike)
    assert registry.current() == alike
    verdicts = {finding.what.partition(" (")[0]: finding.verdict for finding in found}
    assert verdicts == {
        "HakamCheck": "as good",
        "contrasts": "as good",
        "groups named": "as good",
        "this machine": "bearable",
    }
    assert all(len(finding.row) == len(HEADS) for finding in found)


@pytest.mark.parametrize(
    ("metrics", "refused"),
    [
        ({"auc": 0.969, "sha256": "a"}, False),
        ({"auc": 0.96, "sha256": "a"}, True),
        ({"auc": float("nan"), "sha256": "a"}, True),
        ({"auc": 0.5, "sha256": "other rows"}, False),
        ({"flagged_share": 0.05, "sha256": "a"}, True),
        ({"flagged_share": 0.021, "sha256": "a"}, False),
    ],
)
def test_recorded_figures_of_the_same_rows_count_as_well(
    artifact: Artifact, metrics: dict[str, Any], refused: bool
) -> None:
    known = {"osact4 test": {"auc": 0.97, "flagged_share": 0.02, "sha256": "a"}}
    present, candidate = (
        replace(artifact, manifest=dict(artifact.manifest) | {"metrics": told})
        for told in (known, {"osact4 test": metrics})
    )
    found = [f for f in findings(candidate, present) if f.what == "osact4 test, as recorded"]
    assert any(finding.refuses for finding in found) is refused
    assert bool(found) is (metrics["sha256"] == "a")


def test_a_small_benchmark_allows_its_own_noise(artifact: Artifact) -> None:
    noisy = {"value": 0.9, "low": 0.8, "high": 1.0}
    for value, refused in ((0.86, False), (0.84, True)):
        present, candidate = (
            replace(artifact, manifest=dict(artifact.manifest) | {"metrics": {"a": {"auc": told}}})
            for told in (noisy, noisy | {"value": value})
        )
        found = [f for f in findings(candidate, present) if f.what == "a, as recorded"]
        assert [finding.refuses for finding in found] == [refused]


def test_a_lost_label_is_refused(registry: Registry, save: Save, artifact: Artifact) -> None:
    promote(registry, save())
    whole = artifact.classifier
    scorer = replace(
        whole.scorer, table=whole.scorer.table[:, :2], intercepts=whole.scorer.intercepts[:2]
    )
    fewer = replace(
        whole, labels=whole.labels[:2], scorer=scorer, calibration=whole.calibration[:2]
    )
    with pytest.raises(PromotionRefused, match="known on label insult: no, was yes"):
        promote(registry, save(fewer))


def test_the_sites_held_out_decisions_decide_where_the_suites_see_no_difference(
    registry: Registry, save: Save, tmp_path: Path, artifact: Artifact
) -> None:
    promote(registry, save())
    decisions = decided(tmp_path, 240)
    until = float(np.sort(decisions.decided_at)[120])
    own = heavier(artifact.classifier, decisions.select(decisions.decided_at <= until))
    version = save(own, training={"site": "demo", "calibrated_until": until})
    found = promote(registry, version, decisions=decisions)
    assert found[0].row[:2] == (f"{SITE} (118)", "AUC")
    assert found[0].verdict == "better"
    # The way back is refused: the present version judges the later decisions better.
    with pytest.raises(PromotionRefused, match=f"AUC on {SITE}"):
        promote(registry, save(), decisions=decisions)


def test_decisions_that_were_learned_from_are_no_evidence(
    registry: Registry, save: Save, tmp_path: Path, artifact: Artifact
) -> None:
    promote(registry, save())
    decisions = decided(tmp_path, 60)
    until = float(decisions.decided_at.max())
    version = save(
        heavier(artifact.classifier, decisions),
        training={"site": "demo", "calibrated_until": until},
    )
    found = promote(registry, version, decisions=decisions)
    assert (found[0].what, found[0].candidate, found[0].verdict) == (SITE, "none", "not judged")


def test_the_first_version_of_a_folder_faces_absolute_floors(
    registry: Registry, save: Save, artifact: Artifact
) -> None:
    canaries = list(read_comments(CANARIES))
    y = np.array([[comment.labels["toxicity"]] for comment in canaries])
    learned = Learner(labels=("toxicity",), min_df=1).fit([c.text for c in canaries], y)
    knows_nothing_else = save(learned.for_domain())
    with pytest.raises(PromotionRefused, match=r"not good enough:\n.*AUC on HakamCheck") as refusal:
        promote(registry, knows_nothing_else)
    assert not registry.has_current()
    assert "allowed at least 0.7" in str(refusal.value)
    good = save()
    assert {finding.verdict for finding in promote(registry, good)} == {"good enough", "bearable"}
    assert registry.current() == good


def test_a_version_that_no_service_could_bear_is_refused(
    registry: Registry, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(registry, save())
    monkeypatch.setattr(gate, "MOST_BYTES", 1000)
    with pytest.raises(PromotionRefused, match=r"bytes on this machine: .* allowed at most 1,000"):
        promote(registry, save())


def test_a_refused_promotion_can_be_forced_and_the_history_says_so(
    registry: Registry, save: Save, deaf: Classifier
) -> None:
    promote(registry, save())
    worse = save(deaf)
    found = promote(registry, worse, force=True)
    assert any(finding.refuses for finding in found)
    assert registry.current() == worse
    last = (registry.root / "HISTORY").read_text().splitlines()[-1]
    assert last.split("\t")[1:] == ["promote --force", worse]


def test_public_rows_are_judged_only_where_they_are_given(
    registry: Registry, save: Save, deaf: Classifier, tmp_path: Path
) -> None:
    promote(registry, save())
    rows = replace(decided(tmp_path, 99), source=np.full(99, "lhsab"))
    with pytest.raises(PromotionRefused) as refusal:
        promote(registry, save(deaf), benchmarks=rows)
    assert "lhsab fold (99)" in [finding.what for finding in refusal.value.findings]


def test_beside_a_damaged_version_in_use_a_promotion_must_be_forced(
    registry: Registry, save: Save
) -> None:
    first, second = save(), save()
    registry.promote(first)
    table = registry.root / first / "table.npy"
    table.write_bytes(table.read_bytes()[:-1])
    with pytest.raises(PromotionRefused, match=rf"{table}: its SHA-256 .*; --force promotes it"):
        promote(registry, second)
    assert registry.current() == first
    promote(registry, second, force=True)
    assert registry.current() == second
