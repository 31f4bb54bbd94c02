"""Which thresholds a site should choose, by its past decisions or by another service's scores.

Scores of two services cannot be compared by their numbers, and one threshold does not fit all
sites. So the comments of an export are scored anew, and a threshold is proposed for each purpose
with what it would have meant on these very comments: how many of the flagged ones deserve it
(precision), how many of those that deserve it are flagged (recall), and how many land on the desk.

Where no decision is known, the calibrated scores stand in for them: of a hundred comments with
score 0.3, thirty are expected to be what the label says. That is weaker, and said in the answer.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.characters import is_visible
from models.errors import RecordError

_TEXT = ("text", "comment", "body", "content")
_OLD_SCORE = ("score", "toxicity", "old_score", "perspective")
_DECISION = ("decision", "action", "status", "label")
_BAD = frozenset({"1", "true", "reject", "rejected", "delete", "deleted", "removed", "toxic"})
_GOOD = frozenset({"0", "false", "approve", "approved", "publish", "published", "accepted", "none"})

MIN_OF_EACH = 20  # with fewer comments of a kind a share says nothing
MIN_FLAGGED = 30  # as many must be above a threshold before its precision counts

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PastComment:
    """One row of an export.

    Attributes
    ----------
    old_score : float or None
        What another service said, [0, 1].
    rejected : bool or None
        What people decided.
    """

    text: str
    old_score: float | None = None
    rejected: bool | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A threshold and what it would have meant on the comments of the export.

    Attributes
    ----------
    purpose : str
        What it is good for.
    threshold : float
        Flag from here on, [0, 1].
    precision, recall, share : float
        Of the flagged ones deserving it; of the deserving ones flagged; of all flagged. [0, 1].
    precision_from, precision_to : float
        95 % interval of the precision (Wilson, 1927).
    """

    purpose: str
    threshold: float
    precision: float
    precision_from: float
    precision_to: float
    recall: float
    share: float


def read_export(path: Path) -> list[PastComment]:
    """Read a CSV file (UTF-8, with a header) of comments.

    A column named text, comment, body or content is needed. Of score, toxicity, old_score or
    perspective the first is the other service's score; of decision, action, status or label the
    first is what people decided (rejected, deleted, 1 ... or approved, published, 0 ...; anything
    else is unknown). Rows without a visible text are left out.

    Raises
    ------
    RecordError
        The file cannot be read, is no CSV in UTF-8, has no column of texts or no comment, or a
        score is not a number in [0, 1].
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            comments = list(_rows(path, csv.DictReader(file)))
    except OSError as error:
        raise RecordError(f"{path}: cannot be opened: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RecordError(f"{path}: not valid UTF-8") from None
    except csv.Error as error:
        raise RecordError(f"{path}: not a CSV file: {error}") from None
    if not comments:
        raise RecordError(f"{path}: holds no comment")
    return comments


def _rows(path: Path, reader: csv.DictReader[str]) -> Iterator[PastComment]:
    columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
    text, score, decision = (
        next((columns[name] for name in names if name in columns), None)
        for names in (_TEXT, _OLD_SCORE, _DECISION)
    )
    if text is None:
        raise RecordError(f"{path}: no column is named {', '.join(_TEXT)}")
    for row in reader:
        if not is_visible(row[text] or ""):
            continue
        said = (row[decision] or "").strip().lower() if decision else ""
        yield PastComment(
            row[text],
            _old_score(path, reader.line_num, row[score]) if score else None,
            True if said in _BAD else False if said in _GOOD else None,
        )


def _old_score(path: Path, line: int, word: str | None) -> float | None:
    if not (word or "").strip():
        return None
    try:
        score = float(word or "")
    except ValueError:
        score = math.nan
    if not 0 <= score <= 1:
        raise RecordError(f"{path}, line {line}: the score is not a number from 0 to 1")
    return score


def suggest(
    scores: Floats,
    comments: Sequence[PastComment],
    *,
    recall: float = 0.9,
    precision: float = 0.95,
    old_threshold: float | None = None,
) -> list[Suggestion]:
    """Propose thresholds.

    Parameters
    ----------
    scores : ndarray of float64, shape (n_comments,)
        Of one label, [0, 1].
    comments : sequence of PastComment, length n_comments
    recall, precision : float
        Wanted of the thresholds for review and for rejecting.
    old_threshold : float, optional
        Where the site flagged by the old scores; proposes the threshold of the same volume.

    Returns
    -------
    list of Suggestion
        "review" (highest threshold of the wanted recall), "balanced" (best F1), "reject" (lowest
        threshold of the wanted precision; missing where none has it), "same volume".
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
    found.append(("review", float(ranked[reached[0]])))
    f1 = np.where(cut, 2 * precisions * recalls / np.maximum(precisions + recalls, 1e-12), -1.0)
    found.append(("balanced", float(ranked[int(f1.argmax())])))
    sure = np.flatnonzero(cut & (precisions >= precision) & (n_flagged >= MIN_FLAGGED))
    if len(sure):
        found.append(("reject", float(ranked[sure[-1]])))
    if old_threshold is not None:
        found.append(("same volume", _same_volume(scores, comments, old_threshold)))
    return [
        _measured(purpose, threshold, scores, known, truth)
        for purpose, threshold in dict.fromkeys(found)
    ]


def deserving(scores: Floats, comments: Sequence[PastComment]) -> tuple[NDArray[np.bool_], Floats]:
    """Return which comments can be judged by, and how much each of those deserves the label.

    Returns
    -------
    known : ndarray of bool, shape (n_comments,)
        Where people decided, if there are `MIN_OF_EACH` of both kinds; else everywhere.
    truth : ndarray of float64, shape (n_known,)
        0 or 1 as decided, else the calibrated score.
    """
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
    low, high = wilson(hits, n_flagged)
    return Suggestion(
        purpose,
        threshold,
        hits / n_flagged if n_flagged else 0.0,
        low,
        high,
        hits / truth.sum() if truth.sum() else 0.0,
        float((scores >= threshold).mean()),
    )


def wilson(hits: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, JASA 22, 1927).

    Examples
    --------
    >>> [round(bound, 3) for bound in wilson(9, 10)], wilson(0, 0)
    ([0.596, 0.982], (0.0, 1.0))
    """
    if not n:
        return 0.0, 1.0
    z = 1.959964
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - reach), min(1.0, middle + reach)
