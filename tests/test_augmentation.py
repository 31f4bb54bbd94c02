"""Disguised copies: some of the comments, written as those write who hide."""

from conftest import SAMPLE_COMMENTS
from models.schema import read_comments
from training.disguises.augmentation import SHARES, disguised_copies

TEXTS = [comment.text for comment in read_comments(SAMPLE_COMMENTS)]


def test_about_the_stated_share_of_comments_gets_a_copy_that_differs() -> None:
    rows, copies = disguised_copies(TEXTS, seed=0)
    assert 0.7 < len(rows) / (len(TEXTS) * sum(SHARES.values())) < 1.2
    assert all(TEXTS[row] != copy for row, copy in zip(rows, copies, strict=True))
    assert rows == sorted(set(rows))


def test_the_same_seed_makes_the_same_copies_and_another_one_others() -> None:
    assert disguised_copies(TEXTS, seed=1) == disguised_copies(TEXTS, seed=1)
    assert disguised_copies(TEXTS, seed=1) != disguised_copies(TEXTS, seed=2)
