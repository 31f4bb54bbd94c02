"""How far moderators agree is computed from blind opinions only."""

from __future__ import annotations

import pytest
from sklearn.metrics import cohen_kappa_score

from service.queue.records import Decision, Kind
from service.reports.agreement import agreement, calibration, cohen_kappa


def entry(
    item: int, moderator: str, action: str, kind: Kind, labels: tuple[str, ...] = ()
) -> Decision:
    return Decision(
        action, labels, moderator=moderator, kind=kind, item_id=f"item-{item}", version=1
    )


def test_two_moderators_are_compared_on_the_action_and_on_every_label() -> None:
    entries = [
        entry(1, "basma", "reject", "opinion", ("insult",)),
        entry(1, "amal", "reject", "decision", ("threat",)),
        entry(2, "amal", "approve", "opinion"),
        entry(2, "basma", "reject", "opinion", ("insult",)),
        entry(2, "senior", "reject", "decision", ("insult",)),
        entry(3, "amal", "approve", "opinion"),
        entry(3, "basma", "approve", "decision"),
    ]
    found = {a.about: a for a in agreement(entries)}
    assert {a.moderators for a in found.values()} == {("amal", "basma")}
    assert found["action"].n_items == 3
    assert found["action"].share == pytest.approx(2 / 3)
    assert found["action"].kappa == pytest.approx(0.4)
    assert found["insult"].share == pytest.approx(1 / 3)
    assert (found["spam"].share, found["spam"].kappa) == (1.0, None)


def test_single_decisions_and_repeated_ones_are_no_opinions() -> None:
    entries = [
        entry(1, "amal", "reject", "decision"),
        entry(1, "amal", "undo", "undo"),
        entry(1, "basma", "approve", "decision"),
    ]
    assert agreement(entries) == []


@pytest.mark.parametrize("both_yes", [0, 1, 5])
@pytest.mark.parametrize("one_yes", [0, 2, 3])
@pytest.mark.parametrize("none", [1, 4])
def test_kappa_is_the_one_of_scikit_learn(both_yes: int, one_yes: int, none: int) -> None:
    pairs = [(True, True)] * both_yes + [(True, False)] * one_yes + [(False, False)] * none
    ours = cohen_kappa(pairs)
    if both_yes == one_yes == 0:
        assert ours is None
    else:
        ones, others = zip(*pairs, strict=True)
        assert ours == pytest.approx(cohen_kappa_score(ones, others))


def test_nobody_to_compare_is_no_kappa() -> None:
    assert cohen_kappa([]) is None


def test_calibration_compares_with_the_known_answer() -> None:
    right = Decision("reject", moderator="amal", kind="calibration", expected="reject")
    wrong = Decision("approve", moderator="amal", kind="calibration", expected="reject")
    [found] = calibration([right, right, wrong])
    assert found.moderators == ("amal", "(known)")
    assert found.share == pytest.approx(2 / 3)
