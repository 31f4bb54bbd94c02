"""Word groups: every known word at every level, the same way every time."""

import sys

import numpy as np
import pytest

from training import word_clusters as grouping

DAYS = [f"on {day} we {verb} bread" for day in ("sunday", "monday") for verb in ("eat", "bake")]
BEASTS = [f"the {beast} runs {way} fast" for beast in ("horse", "camel") for way in ("so", "very")]


def test_who_lacks_gensim_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gensim", None)
    with pytest.raises(grouping.GensimMissing, match="no-word-vectors"):
        grouping.cluster_words(DAYS)


def test_few_words_cannot_be_grouped() -> None:
    with pytest.raises(ValueError, match="4000 are needed"):
        grouping.cluster_words(DAYS * 5)


def test_every_frequent_word_is_grouped_at_every_level_the_same_way_every_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grouping, "LEVELS", (2, 5))
    told: list[str] = []
    first = grouping.cluster_words(
        (DAYS + BEASTS) * 200, progress=lambda name, _: told.append(name)
    )
    again = grouping.cluster_words((DAYS + BEASTS) * 200)
    assert first.words == again.words
    assert np.array_equal(first.levels, again.levels)
    assert {"sunday", "monday", "horse", "camel"} <= set(first.words)
    assert first.levels.shape == (2, len(first.words))
    assert [len(np.unique(level)) for level in first.levels] == [2, 5]
    assert set(told) == {"learning word vectors", "grouping words"}
