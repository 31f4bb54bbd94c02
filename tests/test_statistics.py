"""Each statistic is counted once, and console, command line and DSA output say the same."""

from __future__ import annotations

import sys
from collections import Counter
from subprocess import run

import pytest

from service.queue.records import Decision, Kind
from service.reports.statistics import (
    agreement,
    agreement_with_known_answers,
    kappa,
    quantile,
    quantile_of_counts,
    share_interval,
)


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


# The first three are the examples of the article "Cohen's kappa" in Wikipedia.
@pytest.mark.parametrize(
    ("both_yes", "only_one", "only_other", "both_no", "expected"),
    [
        (20, 5, 10, 15, 0.4),
        (45, 15, 25, 15, 0.1304),
        (25, 35, 5, 35, 0.2593),
        (7, 0, 0, 3, 1.0),
        (0, 5, 5, 0, -1.0),
        (0, 5, 0, 0, 0.0),
        (7, 0, 0, 0, None),
        (0, 0, 0, 0, None),
    ],
)
def test_kappa_takes_away_what_chance_would_give(
    both_yes: int, only_one: int, only_other: int, both_no: int, expected: float | None
) -> None:
    counts = {
        (True, True): both_yes,
        (True, False): only_one,
        (False, True): only_other,
        (False, False): both_no,
    }
    pairs = [pair for pair, n in counts.items() for _ in range(n)]
    assert kappa(pairs) == (None if expected is None else pytest.approx(expected, abs=1e-4))
    assert kappa({pair: n for pair, n in counts.items() if n}) == kappa(pairs)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([10.0, 100.0], 0.5, 55.0),
        ([100.0, 10.0, 20.0], 0.5, 20.0),
        ([float(n) for n in range(101)], 0.9, 90.0),
        ([60.0, 60.0, 600.0], 0.9, 492.0),
        ([7.0], 0.9, 7.0),
        ([], 0.5, None),
    ],
)
def test_a_quantile_is_that_of_spreadsheets(
    values: list[float], share: float, expected: float | None
) -> None:
    assert quantile(values, share) == expected


# Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3.
@pytest.mark.parametrize(
    ("n_true", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_interval_of_a_share_is_wilsons(n_true: int, n: int, low: float, high: float) -> None:
    assert share_interval(n_true, n) == pytest.approx((low, high), abs=5e-5)


def test_a_quantile_of_counts_is_that_of_the_values() -> None:
    for values in ([1.0], [1.0, 1.0, 3.0], [5.0, 2.0, 2.0, 9.0], [4.0] * 7 + [1.0]):
        for share in (0.0, 0.1, 0.5, 0.9, 1.0):
            counts = Counter(values)
            assert quantile_of_counts(counts, share) == pytest.approx(quantile(values, share))
    assert quantile_of_counts({1.0: 0}, 0.5) is None


def test_a_worker_that_shows_no_statistics_loads_neither_scipy_nor_scikit_learn() -> None:
    loaded = "import sys, service.reports.statistics; print(sorted({'scipy'} & set(sys.modules)))"
    assert run([sys.executable, "-c", loaded], capture_output=True, check=True).stdout == b"[]\n"


def test_an_answer_is_compared_with_the_known_one() -> None:
    right = Decision("reject", moderator="amal", kind="known_answer", expected="reject")
    wrong = Decision("approve", moderator="amal", kind="known_answer", expected="reject")
    [found] = agreement_with_known_answers([right, right, wrong])
    assert found.moderators == ("amal", "(known)")
    assert found.share == pytest.approx(2 / 3)
