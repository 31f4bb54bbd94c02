"""Statistics: quantiles, confidence intervals, and how far moderators agree.

Console, command line and DSA output show the same number for the same decisions. scipy and
scikit-learn are imported where they are used, so that a worker that shows none never loads them.
Agreement is told by the share of comments on which two said the same, and by Cohen's kappa, which
takes away what chance alone would give (J. Cohen, "A coefficient of agreement for nominal scales",
1960).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from models.schema import LABELS
from service.queue.records import Decision

KNOWN_ANSWER = "(known)"  # stands for the second moderator where one is compared with the answer


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return a quantile, between two values in proportion; None of no values.

    >>> quantile([10.0, 100.0], 0.5), quantile([], 0.9)
    (55.0, None)
    """
    return float(np.quantile(values, share)) if len(values) else None


def quantile_of_counts(counts: Mapping[float, int], share: float) -> float | None:
    """Return the quantile of values of which only is known how often each occurs.

    >>> quantile_of_counts({10.0: 3, 100.0: 1}, 0.5), quantile_of_counts({10.0: 1, 100.0: 1}, 0.5)
    (10.0, 55.0)
    """
    known = sorted((value, n) for value, n in counts.items() if n > 0)
    if not known:
        return None
    values, ns = np.array(known).T
    after = np.cumsum(ns)  # places among all values in order, of which `share` names one
    place = share * (after[-1] - 1)
    around = values[np.searchsorted(after, [np.floor(place), np.ceil(place)], side="right")]
    return float(np.interp(place % 1, [0.0, 1.0], around))


def share_interval(n_true: int, n: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share (Wilson, JASA 22, 1927).

    >>> [round(bound, 3) for bound in share_interval(9, 10)], share_interval(0, 0)
    ([0.596, 0.982], (0.0, 1.0))
    """
    from scipy.stats import binomtest

    if not n:
        return 0.0, 1.0
    interval = binomtest(n_true, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def kappa(pairs: Iterable[tuple[Hashable, Hashable]]) -> float | None:
    """Return Cohen's kappa of two judges; None where chance alone would make them always agree.

    >>> kappa([(True, True), (True, True), (False, False), (True, False)])
    0.5
    >>> kappa({("reject", "reject"): 7}) is None
    True
    """
    from sklearn.metrics import cohen_kappa_score

    counts = Counter(pairs)
    answers = {answer: code for code, answer in enumerate({one for pair in counts for one in pair})}
    if len(answers) < 2:
        return None
    coded = np.array([[answers[one], answers[other]] for one, other in counts])
    return float(cohen_kappa_score(*coded.T, sample_weight=list(counts.values())))


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two moderators about one thing."""

    about: str  # ``action`` or a label
    moderators: tuple[str, str]  # in alphabetical order; or a moderator and `KNOWN_ANSWER`
    n_items: int
    share: float  # of the items, those on which both said the same, [0, 1]
    kappa: float | None  # [-1, 1]; None where chance alone would make the two agree always


def agreement(
    entries: Iterable[Decision], about: Sequence[str] = ("action", *LABELS)
) -> list[Agreement]:
    """Compare the moderators of a decision stream, pair by pair.

    Two blind opinions on one version of a comment count, the first given before anybody had spoken,
    and two answers to the same comment with a known answer, unless one was taken back.
    """
    judged: dict[tuple[str, str], list[tuple[Decision, Decision]]] = defaultdict(list)
    for judgements in _blind_judgements(entries):
        by_moderator = {entry.moderator: entry for entry in reversed(judgements)}
        for one, other in combinations(sorted(by_moderator), 2):
            judged[one, other].append((by_moderator[one], by_moderator[other]))
    return [
        _compared(
            what, moderators, [(_said(one, what), _said(other, what)) for one, other in pairs]
        )
        for moderators, pairs in sorted(judged.items())
        for what in about
    ]


def agreement_with_known_answers(entries: Iterable[Decision]) -> list[Agreement]:
    """Compare each moderator's answers with the known ones; what was taken back does not count."""
    answers: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for entry in entries:
        if entry.kind == "known_answer" and entry.stands:
            answers[entry.moderator].append((entry.action == "reject", entry.expected == "reject"))
    return [
        _compared("action", (moderator, KNOWN_ANSWER), pairs)
        for moderator, pairs in sorted(answers.items())
    ]


def _blind_judgements(entries: Iterable[Decision]) -> Iterable[Sequence[Decision]]:
    """Gather the judgements of each comment of which nobody knew the others."""
    opinions: dict[tuple[str, int], list[Decision]] = defaultdict(list)
    answers: dict[tuple[str, int], list[Decision]] = defaultdict(list)
    for entry in entries:
        blind_pair = opinions[entry.item_id, entry.version]
        if entry.source != "moderator":
            if entry.by_person and len(blind_pair) == 1:
                blind_pair.clear()  # decided at the site's own desk before a second was given
            continue
        if entry.kind == "known_answer" and entry.stands:  # everybody's is an item of its own
            answers[entry.comment_id, entry.version].append(entry)
        starts = entry.kind == "opinion" and not blind_pair
        follows = entry.kind in ("opinion", "decision") and len(blind_pair) == 1
        if starts or follows:
            blind_pair.append(entry)
    return [*opinions.values(), *answers.values()]


def _said(entry: Decision, about: str) -> bool:
    return entry.action == "reject" if about == "action" else about in entry.labels


def _compared(
    about: str, moderators: tuple[str, str], said: Sequence[tuple[bool, bool]]
) -> Agreement:
    share = sum(one == other for one, other in said) / len(said)
    return Agreement(about, moderators, len(said), share, kappa(said))
