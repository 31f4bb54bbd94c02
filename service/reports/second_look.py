"""Second look: decisions that disagree most with what else was decided; pure.

Each comment gets the probability of a rejection from a logistic regression over its words and its
score at the time, learned from the decisions on other comments alone (five parts by letters, so
that a copy never tells of itself). A decision is doubtful where the other action is at least as
probable as it is on average among comments that were decided so, and more probable than its own.
That is confident learning (C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning:
estimating uncertainty in dataset labels", JAIR 70, 2021).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.normalize import normalize
from service.queue.records import Decision

MAX_ENTRIES = 10_000  # of the stream that are read, the newest
MAX_LEARNED = 5_000  # decisions that are compared
MAX_LETTERS = 1_000  # of a text
MIN_OF_EACH = 30  # approved and rejected texts, or nothing is said
MAX_LISTED = 20
N_PARTS = 5
N_FEATURES = 1 << 18
STRENGTH = 4.0  # of learning, the inverse of the penalty on weights


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision as it is compared."""

    id: str
    text: str  # normalized; that of the display name where it was rejected for it
    rejected: bool
    score: float  # that the comment had when it was decided, [0, 1]


def comparable(entries: Iterable[Decision]) -> list[Judged]:
    """Take what can be compared: people's decisions that stand, whose text is still there.

    Not those on appeals, which two people have thought about, nor rejections for a reason that
    names no label, as a text does not tell what is off topic.
    """
    found: list[Judged] = []
    for entry in entries:
        other = entry.action == "reject" and entry.reason and not entry.labels
        learned = None if entry.appeal_of or other else entry.to_labeled_comment("")
        if learned and entry.verdict and not entry.superseded:
            text = normalize(learned.text[:MAX_LETTERS]).text
            score = entry.verdict.score
            found.append(Judged(entry.id, text, entry.action == "reject", score))
        if len(found) == MAX_LEARNED:
            break
    return found


def doubtful(judged: list[Judged], limit: int = MAX_LISTED) -> dict[str, float]:
    """Return how likely each doubtful decision is by the others, by its id, the least first."""
    rejected = np.array([one.rejected for one in judged], dtype=np.int64)
    texts = ["".join(filter(str.isalnum, one.text)) or one.text for one in judged]
    _, groups = np.unique(texts, return_inverse=True) if texts else ((), np.zeros(0, dtype=int))
    for action in (0, 1):
        if len(set(groups[rejected == action])) < MIN_OF_EACH:
            return {}
    likely = _cross_validated(judged, rejected, groups)
    own = np.where(rejected == 1, likely, 1 - likely)
    usual = np.array([own[rejected == action].mean() for action in (0, 1)])
    doubts = np.flatnonzero((1 - own >= usual[1 - rejected]) & (1 - own > own))
    chosen = doubts[np.argsort(own[doubts], kind="stable")][:limit]
    return {judged[at].id: float(own[at]) for at in chosen}


def _cross_validated(
    judged: list[Judged], rejected: NDArray[np.int64], groups: NDArray[Any]
) -> NDArray[np.float64]:
    """Return for each comment how likely its rejection is by the decisions on other texts."""
    from scipy.sparse import csr_array, hstack
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    grams = HashingVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), n_features=N_FEATURES, alternate_sign=False
    )
    scores = np.clip([one.score for one in judged], 0.001, 0.999)
    log_odds = np.log(scores / (1 - scores)) / 4  # as large as a row of grams, more or less
    rows = hstack([grams.transform(one.text for one in judged), csr_array(log_odds[:, None])])
    found: NDArray[np.float64] = cross_val_predict(
        LogisticRegression(C=STRENGTH, solver="liblinear", dual=True, random_state=0, max_iter=300),
        rows.tocsr(),
        rejected,
        groups=groups,
        cv=StratifiedGroupKFold(N_PARTS, shuffle=True, random_state=0),
        method="predict_proba",
    )
    return found[:, 1]
