"""Suggested thresholds: by a site's past decisions, or by another service's scores.

Scores of two services cannot be compared by their numbers. So the comments of an export are scored
anew, and a threshold is proposed for each purpose with what it would have meant on them. Where no
decision is known, the calibrated scores stand in: of a hundred comments with score 0.3, thirty are
expected to be what the label says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.comment_files import Names, Understood, open_comments
from models.errors import RecordError
from models.schema import LabeledComment
from service.reports.statistics import share_interval

MIN_OF_EACH = 20  # with fewer comments of a kind a share says nothing
MIN_FLAGGED = 30  # as many must be above a threshold before its precision counts

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PastComment:
    """One row of an export."""

    text: str
    old_score: float | None = None  # what another service said, [0, 1]
    rejected: bool | None = None  # what people decided


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A threshold and what it would have meant on the comments of the export."""

    purpose: str
    threshold: float  # flag from here on, [0, 1]
    precision: float  # of the flagged ones those deserving it, [0, 1]
    precision_from: float  # 95 % interval
    precision_to: float
    recall: float  # of the deserving ones those flagged, [0, 1]
    share: float  # of all those flagged, [0, 1]


def read_export(
    path: Path, names: Names | None = None, label: str = "toxicity"
) -> tuple[list[PastComment], Understood]:
    """Read what is known of comments, and say what of the file was understood.

    What was observed of the label counts as a decision where there is none; nothing is said of
    other labels, which are not asked about.
    """
    with open_comments(path, names) as file:
        comments = [
            PastComment(row.comment.text, row.old_score, _rejected(row.comment, label))
            for row in file.rows()
        ]
    if not comments:
        raise RecordError(f"{path}: holds no comment")
    seen = file.understood.labels
    return comments, replace(file.understood, labels={label: seen[label]} if label in seen else {})


def _rejected(comment: LabeledComment, label: str) -> bool | None:
    if comment.action:
        return comment.action == "reject"
    share = comment.labels.get(label)
    return None if share is None else share >= 0.5


def suggest(
    scores: Floats,
    comments: Sequence[PastComment],
    *,
    recall: float = 0.9,
    precision: float = 0.95,
    old_threshold: float | None = None,
) -> list[Suggestion]:
    """Propose thresholds, none above the next, by the scores of one label.

    "review" is the highest of the wanted recall, "balanced" that of the best F1, "reject" the
    lowest of the wanted precision, if any has it, and "same volume" flags as many as the site did
    by old scores from `old_threshold` on.
    """
    known, truth = deserving(scores, comments)
    found = []
    order = np.argsort(-scores[known], kind="stable")
    ranked, hits = scores[known][order], np.cumsum(truth[order])
    n_flagged = np.arange(1, len(ranked) + 1)
    # Only between different scores can a threshold lie.
    cut = np.append(ranked[1:] < ranked[:-1], True)
    precisions = hits / n_flagged
    recalls = hits / hits[-1] if hits[-1] else np.ones(len(hits))

    reached = np.flatnonzero(cut & (recalls >= min(recall, 1 - 1e-12)))
    f1 = np.where(cut, 2 * precisions * recalls / np.maximum(precisions + recalls, 1e-12), -1.0)
    balanced = ranked[int(f1.argmax())]
    found.append(("review", float(min(ranked[reached[0]], balanced))))
    found.append(("balanced", float(balanced)))
    enough = (precisions >= precision) & (n_flagged >= MIN_FLAGGED) & (ranked >= balanced)
    sure = np.flatnonzero(cut & enough)
    if len(sure):
        found.append(("reject", float(ranked[sure[-1]])))
    if old_threshold is not None:
        found.append(("same volume", _same_volume(scores, comments, old_threshold)))
    return [
        _measured(purpose, threshold, scores, known, truth)
        for purpose, threshold in dict.fromkeys(found)
    ]


def deserving(scores: Floats, comments: Sequence[PastComment]) -> tuple[NDArray[np.bool_], Floats]:
    """Return which comments can be judged by, and how much each of those deserves the label."""
    if has_decisions(comments):
        known = np.array([c.rejected is not None for c in comments])
        return known, np.array([float(c.rejected) for c in comments if c.rejected is not None])
    return np.ones(len(comments), dtype=np.bool_), scores.copy()


def has_decisions(comments: Sequence[PastComment]) -> bool:
    """Say whether people's decisions are enough to judge by."""
    n_bad = sum(c.rejected is True for c in comments)
    return min(n_bad, sum(c.rejected is False for c in comments)) >= MIN_OF_EACH


def _same_volume(scores: Floats, comments: Sequence[PastComment], old_threshold: float) -> float:
    scored = np.array([c.old_score is not None for c in comments])
    if not scored.any():
        raise RecordError("an old threshold was given, but the export has no column of old scores")
    old = np.array([c.old_score for c in comments if c.old_score is not None])
    n_flagged = int((old >= old_threshold).sum())
    ranked = np.sort(scores[scored])[::-1]
    return float(ranked[n_flagged - 1]) if n_flagged else 1.0


def _measured(
    purpose: str, threshold: float, scores: Floats, known: NDArray[np.bool_], truth: Floats
) -> Suggestion:
    flagged = scores[known] >= threshold
    n_flagged, hits = int(flagged.sum()), float(truth[flagged].sum())
    low, high = share_interval(round(hits), n_flagged)
    return Suggestion(
        purpose,
        threshold,
        hits / n_flagged if n_flagged else 0.0,
        low,
        high,
        hits / truth.sum() if truth.sum() else 0.0,
        float((scores >= threshold).mean()),
    )
