"""The artefact that the repository carries: it draws the line, is small, and is shared."""

import re
import sys
from pathlib import Path

import pytest

from models.registry import Registry
from models.schema import LABELS, LabeledComment, read_comments

LINE = list(read_comments(Path(__file__).parent / "data" / "line.jsonl"))


@pytest.mark.parametrize("comment", LINE, ids=lambda comment: comment.id)
def test_people_are_not_degraded_and_acts_are_free_to_be_judged(comment: LabeledComment) -> None:
    artifact = Registry().load()
    threshold = artifact.operating_points["toxicity"]["review"]["threshold"]
    fields = [field for field in (comment.text, comment.author_name) if field]
    scores = artifact.classifier.predict_proba(fields)[:, 0]
    assert bool(scores.max() >= threshold) == bool(comment.labels["toxicity"])


def test_it_scores_every_label_in_at_most_16_megabytes() -> None:
    artifact = Registry().load()
    assert artifact.classifier.labels_ == LABELS
    assert (Registry().root / artifact.version / "model.joblib").stat().st_size <= 16e6


def test_its_weights_are_one_mapping_of_the_file_that_nobody_writes_to() -> None:
    classifier = Registry().load().classifier
    classifier.predict_proba([comment.text for comment in LINE])
    if sys.platform == "linux":
        blocks = Path("/proc/self/smaps").read_text(encoding="utf-8").split("VmFlags")
        ours = [block for block in blocks if "model.joblib" in block]
        assert ours
        # No page of it is a copy of this worker's own.
        assert all(re.search(r"^Anonymous: +0 kB$", block, re.MULTILINE) for block in ours)
    assert not classifier.table_.flags.writeable
