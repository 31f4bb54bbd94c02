"""A site's own model: from decisions and the version in use to a new version, by one command."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from conftest import SAMPLE_COMMENTS
from models.artifact import Artifact
from models.registry import Registry
from models.schema import LabeledComment, read_comments, write_comments
from training.adaptation import ENOUGH
from training.calibration import ENOUGH_POSITIVES
from training.cli import main
from training.datasets import read_corpus
from training.decision_parts import parts_of
from training.site_model import TooFewDecisions, recalibrated, site_model

SESAME = "\u0633\u0645\u0633\u0645"  # simsim: a nickname that one site's readers hate
COMMENTS = [c for c in read_comments(SAMPLE_COMMENTS) if c.labels and c.text.strip()]
HARMLESS = [c.text for c in COMMENTS if not c.labels["toxicity"]]
ABUSIVE = [c.text for c in COMMENTS if c.labels["toxicity"]]


def decided(n: int, site: str = "demo") -> list[LabeledComment]:
    """Return decisions of a site that rejects one word in whatever a harmless comment says."""
    begun = datetime(2026, 11, 1, tzinfo=UTC)
    kinds = ((HARMLESS, "", 0.0), (HARMLESS, SESAME, 1.0), (HARMLESS, "", 0.0), (ABUSIVE, "", 1.0))
    return [
        LabeledComment(
            str(i),
            f"{word} {texts[i % len(texts)]}",
            {"toxicity": rude},
            "moderator",
            site=site,
            decided_at=(begun + timedelta(days=i)).isoformat(),
        )
        for i in range(n)
        for texts, word, rude in [kinds[i % 4]]
    ]


@pytest.fixture
def decisions(tmp_path: Path) -> Path:
    path = tmp_path / "decisions.jsonl"
    write_comments(decided(300), path)
    return path


@pytest.fixture
def root(tmp_path: Path, artifacts: Path) -> Path:
    """A folder of artefacts of its own."""
    return shutil.copytree(artifacts, tmp_path / "artifacts")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def fitted(root: Path, *arguments: object) -> Artifact:
    before = Registry(root).versions()
    result = run("fit", *arguments, "--out", root)
    assert result.exit_code == 0, result.output
    (version,) = set(Registry(root).versions()) - set(before)
    assert f"hakam-train promote {version} --decisions " in result.output
    return Registry(root).load(version)


def test_decisions_alone_make_a_version_that_judges_as_the_sites_moderators_do(
    root: Path, decisions: Path
) -> None:
    base = Registry(root).load()
    own = fitted(root, "--decisions", decisions, "--site", "demo")
    text = f"{SESAME} {HARMLESS[-1]}"
    before, after = (a.classifier.predict_proba([text])[0, 0] for a in (base, own))
    assert after > before
    made = own.manifest["training"]
    assert made["on_top_of"] == base.version
    assert made["site"] == "demo"
    assert made["n_test"] > 30
    assert made["learned_until"] < made["calibrated_until"]
    assert made["parameters"]["learned_labels"] == ["toxicity"]
    assert own.manifest["evaluation"]["labels"]["toxicity"]["n"] == made["n_test"]
    assert "moderator" in (root / own.version / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_too_few_decisions_are_refused_and_the_sentence_says_what_is_missing(
    root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "few.jsonl"
    write_comments(decided(3), path)
    refused = run("fit", "--decisions", path, "--site", "demo", "--out", root)
    assert refused.exit_code == 2
    assert "3 decisions are too few to learn from" in refused.output
    assert f"{ENOUGH - 1} more rejections for abuse and {ENOUGH - 1} more approvals" in (
        refused.output
    )
    assert len(Registry(root).versions()) == 1


def test_decisions_of_another_site_or_of_the_policy_are_named_where_nothing_else_is_there(
    root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "others.jsonl"
    policy = [replace(one, source="policy") for one in decided(2)]
    write_comments([*decided(3, "there"), *policy], path)
    refused = run("fit", "--decisions", path, "--site", "demo", "--out", root)
    assert refused.exit_code == 2
    assert refused.stderr.endswith(
        "; 3 decisions are of other sites than 'demo'; 2 decisions the policy took alone\n"
    )


def test_a_second_model_goes_on_from_the_same_version_so_that_no_decision_counts_twice(
    root: Path, decisions: Path
) -> None:
    first = fitted(root, "--decisions", decisions, "--site", "demo")
    Registry(root).promote(first.version)
    second = fitted(root, "--decisions", decisions, "--site", "demo")
    assert second.manifest["training"]["on_top_of"] == first.manifest["training"]["on_top_of"]
    assert second.manifest["model"]["sha256"] == first.manifest["model"]["sha256"]
    third = fitted(root, "--decisions", decisions, "--site", "demo", "--on", first.version)
    assert third.manifest["training"]["on_top_of"] == first.version


def test_in_a_folder_without_a_version_it_goes_on_from_the_released_one(
    tmp_path: Path, decisions: Path
) -> None:
    own = fitted(tmp_path / "empty", "--decisions", decisions, "--site", "demo")
    assert own.manifest["training"]["on_top_of"] == Registry().current()


@pytest.mark.parametrize(("n", "likely"), [(90, 1.0), (480, 1.0), (480, None)])
def test_the_review_point_is_chosen_where_decisions_tell_of_all_comments_else_its_line_is_kept(
    artifact: Artifact, tmp_path: Path, n: int, likely: float | None
) -> None:
    path = tmp_path / f"{n}.jsonl"
    write_comments((replace(one, sampling_probability=likely) for one in decided(n)), path)
    parts = parts_of(read_corpus([], [path]))
    own = site_model(artifact.classifier, artifact.operating_points, parts)
    known = artifact.operating_points
    assert own.review.chosen == (n == 480 and likely == 1.0)
    assert own.points["insult"] == known["insult"], "of which the decisions say nothing"
    few = (parts.calibrating.label("toxicity") > 0.5).sum() < ENOUGH_POSITIVES
    assert few == (n == 90)
    now, before = own.points["toxicity"]["review"], known["toxicity"]["review"]
    assert (now["recall"] == before["recall"]) == few


def test_the_command_says_whether_a_review_point_was_chosen(root: Path, tmp_path: Path) -> None:
    for n, told in ((300, "review point of toxicity: chosen"), (90, "the version's line is kept")):
        path = tmp_path / f"{n}.jsonl"
        write_comments((replace(one, sampling_probability=1.0) for one in decided(n)), path)
        result = run("fit", "--decisions", path, "--site", "demo", "--out", root)
        assert result.exit_code == 0, result.output
        assert told in result.output
        made = Registry(root).load(Registry(root).versions()[-1]).manifest["training"]
        assert made["review_point"]["chosen"] == (n == 300)


def test_maps_follow_later_decisions_and_stay_where_there_are_none(artifact: Artifact) -> None:
    classifier = artifact.classifier
    texts = HARMLESS[:60]
    y = np.full((60, len(classifier.labels)), np.nan)
    y[:, 0] = np.arange(60) % 10 > 0
    moved = recalibrated(classifier, texts, y)
    before, after = (c.predict_proba(texts)[:, 0].mean() for c in (classifier, moved))
    assert after - before > 0.2
    assert np.array_equal(moved.calibration[1:], classifier.calibration[1:])
    order = np.argsort(classifier.predict_proba(texts)[:, 0])
    assert (np.diff(moved.predict_proba(texts)[order, 0]) >= 0).all()


def test_nothing_is_learned_from_what_is_held_out(artifact: Artifact, tmp_path: Path) -> None:
    comments = decided(300)
    path = tmp_path / "decisions.jsonl"
    write_comments(comments, path)
    parts = parts_of(read_corpus([], [path]))
    own, *_ = site_model(artifact.classifier, artifact.operating_points, parts)
    parts.held_out.y[:] = 1 - parts.held_out.y
    again, *_ = site_model(artifact.classifier, artifact.operating_points, parts)
    assert np.array_equal(own.scorer.table, again.scorer.table)
    assert np.array_equal(own.calibration, again.calibration)


def test_a_site_whose_moderators_only_reject_is_told_what_is_missing(
    artifact: Artifact, tmp_path: Path
) -> None:
    path = tmp_path / "decisions.jsonl"
    write_comments([c for c in decided(300) if c.labels["toxicity"]], path)
    with pytest.raises(TooFewDecisions, match=f": {ENOUGH} more approvals are needed"):
        site_model(
            artifact.classifier, artifact.operating_points, parts_of(read_corpus([], [path]))
        )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "give PLACES to learn from, or --decisions"),
        (["--decisions", "x", "--words-alone"], "takes its readers over"),
        (["places", "--on", "2026.11.27-1"], "--on says what decisions go on from"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    arguments: list[str], complaint: str, root: Path
) -> None:
    refused = run("fit", *arguments, "--out", root)
    assert refused.exit_code == 2
    assert complaint in refused.output
