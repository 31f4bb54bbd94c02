"""Decisions in parts: by time, then by letters, and no text in two of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.schema import LabeledComment, write_comments
from training.datasets import Corpus, read_corpus
from training.decision_parts import late, parts_of

_BITS = str.maketrans("01", "\u0646\u0645")  # noon and meem, so that the texts differ in letters


def decided(folder: Path, n: int, *, dated: bool = True, texts: int | None = None) -> Corpus:
    """Return so many decisions, an hour apart, of so many different texts."""
    path = folder / "decisions.jsonl"
    begun = datetime(2026, 11, 1, tzinfo=UTC)
    write_comments(
        (
            LabeledComment(
                f"{i}",
                f"{i % (texts or n):010b}".translate(_BITS),
                {"toxicity": i % 2},
                "moderator",
                site="demo",
                decided_at=(begun + timedelta(hours=i)).isoformat() if dated else "",
            )
            for i in range(n)
        ),
        path,
    )
    return read_corpus([], [path], site="demo")


@pytest.mark.parametrize("dated", [True, False])
def test_each_part_is_later_than_the_one_before_and_no_text_is_in_two(
    tmp_path: Path, dated: bool
) -> None:
    parts = parts_of(decided(tmp_path, 400, dated=dated))
    sizes = [len(part) for part in (parts.learned, parts.calibrating, parts.held_out)]
    assert sum(sizes) == 400
    assert 240 < sizes[0] < 320
    assert min(sizes[1:]) > 30
    if dated:
        assert parts.learned.decided_at.max() == parts.learned_until
        assert parts.learned_until < parts.calibrating.decided_at.min()
        assert parts.calibrating.decided_at.max() == parts.calibrated_until
        assert parts.calibrated_until < parts.held_out.decided_at.min()


def test_a_text_decided_again_stands_where_it_was_first_decided(tmp_path: Path) -> None:
    corpus = decided(tmp_path, 400, texts=100)
    assert len(corpus) == 100
    assert corpus.decided_at.max() - corpus.decided_at.min() == 99 * 3600


def test_decisions_of_a_later_day_are_held_out_from_a_version_of_an_earlier_one(
    tmp_path: Path,
) -> None:
    then = parts_of(decided(tmp_path, 100))
    now = decided(tmp_path, 150)
    unseen = late(now, then.calibrated_until)
    assert unseen.sum() == len(then.held_out) + 50
    assert not np.isin(now.keys[unseen], then.learned.keys).any()
    assert not np.isin(now.keys[unseen], then.calibrating.keys).any()
    again = parts_of(now, (then.learned_until, then.calibrated_until))
    assert np.array_equal(again.learned.keys, then.learned.keys)


def test_decisions_without_a_time_go_to_the_same_part_whatever_is_beside_them(
    tmp_path: Path,
) -> None:
    few = parts_of(decided(tmp_path, 100, dated=False))
    many = parts_of(decided(tmp_path, 400, dated=False))
    assert np.isin(few.learned.keys, many.learned.keys).all()
    assert np.isin(few.held_out.keys, many.held_out.keys).all()
    assert late(decided(tmp_path, 100, dated=False), None).sum() == len(few.held_out)


@pytest.mark.parametrize("hours", [0, 23])
def test_decisions_of_one_day_go_by_their_letters_because_the_most_urgent_come_first(
    tmp_path: Path, hours: float
) -> None:
    corpus = decided(tmp_path, 400)
    corpus.decided_at[:] = 1_800_000_000.0 + np.linspace(0, hours * 3600, 400)
    parts = parts_of(corpus)
    assert min(len(part) for part in (parts.learned, parts.calibrating, parts.held_out)) > 30
    assert np.isnan(parts.calibrated_until)
    assert late(corpus, None).sum() == len(parts.held_out)


def test_a_text_in_two_sources_is_held_out_of_both_or_of_neither(tmp_path: Path) -> None:
    corpus = decided(tmp_path, 100)
    twice = replace(corpus, decided_at=corpus.decided_at.copy())
    twice.decided_at[:] = np.arange(100) * 3600
    twice.keys[99] = twice.keys[0]  # the last text is the first again, from another source
    parts = parts_of(twice)
    assert twice.keys[0] not in parts.held_out.keys
    assert not np.isin(parts.learned.keys, parts.held_out.keys).any()
