"""How far moderators agree, computed from the decision stream; pure.

Two numbers for each pair of moderators and each thing they judged (the action, and every label):
the share of items on which they said the same, and Cohen's kappa, which takes away the agreement
that chance alone would give (J. Cohen, "A coefficient of agreement for nominal scales", 1960).
Only blind pairs count: two opinions on one version of one item, the first given before anybody had
spoken. Calibration items compare a moderator with the known answer instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.schema import LABELS
from service.queue.records import Decision


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two moderators about one thing.

    Attributes
    ----------
    about : str
        ``action`` or a label.
    moderators : pair of str
        In alphabetical order; for calibration the moderator and ``(known)``.
    n_items : int
    share : float
        Of the items, those on which both said the same, [0, 1].
    kappa : float or None
        [-1, 1]; None where chance alone would make the two agree always.
    """

    about: str
    moderators: tuple[str, str]
    n_items: int
    share: float
    kappa: float | None


def cohen_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Return Cohen's kappa of two judges over yes-or-no judgements; None where it is undefined.

    Examples
    --------
    >>> cohen_kappa([(True, True), (True, True), (False, False), (True, False)])
    0.5
    """
    if not pairs:
        return None
    n = len(pairs)
    observed = sum(one == other for one, other in pairs) / n
    yes_one, yes_other = (sum(pair[side] for pair in pairs) / n for side in (0, 1))
    by_chance = yes_one * yes_other + (1 - yes_one) * (1 - yes_other)
    return None if by_chance == 1 else (observed - by_chance) / (1 - by_chance)


def agreement(entries: Iterable[Decision]) -> list[Agreement]:
    """Compare the moderators of a decision stream, pair by pair.

    Parameters
    ----------
    entries : iterable of Decision
        In the order of the stream.
    """
    opinions: dict[tuple[str, int], list[Decision]] = defaultdict(list)
    for entry in entries:
        blind_pair = opinions[entry.item_id, entry.version]
        starts = entry.kind == "opinion" and not blind_pair
        follows = entry.kind in ("opinion", "decision") and len(blind_pair) == 1
        if starts or follows:
            blind_pair.append(entry)
    judged: dict[tuple[str, str], list[tuple[Decision, Decision]]] = defaultdict(list)
    for blind_pair in opinions.values():
        if len(blind_pair) == 2:
            one, other = sorted(blind_pair, key=lambda entry: entry.moderator)
            judged[one.moderator, other.moderator].append((one, other))
    return [
        _compare(about, moderators, pairs)
        for moderators, pairs in sorted(judged.items())
        for about in ("action", *LABELS)
    ]


def calibration(entries: Iterable[Decision]) -> list[Agreement]:
    """Compare each moderator's answers on calibration items with the known ones.

    What was taken back does not count.
    """
    answers: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for entry in entries:
        if entry.kind == "calibration" and entry.stands:
            answers[entry.moderator].append((entry.action == "reject", entry.expected == "reject"))
    return [
        _agreement("action", (moderator, "(known)"), pairs)
        for moderator, pairs in sorted(answers.items())
    ]


def _compare(
    about: str, moderators: tuple[str, str], pairs: Sequence[tuple[Decision, Decision]]
) -> Agreement:
    said = [(_said(one, about), _said(other, about)) for one, other in pairs]
    return _agreement(about, moderators, said)


def _said(entry: Decision, about: str) -> bool:
    return entry.action == "reject" if about == "action" else about in entry.labels


def _agreement(
    about: str, moderators: tuple[str, str], said: Sequence[tuple[bool, bool]]
) -> Agreement:
    share = sum(one == other for one, other in said) / len(said)
    return Agreement(about, moderators, len(said), share, cohen_kappa(said))
