"""The stages from labelled comments to a release, and the head that a release gets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import SAMPLE_COMMENTS
from models.schema import read_comments, write_comments
from training.calibration import calibrate
from training.datasets import Corpus, read_corpus, split_corpus
from training.release import Settings, build, fit, texts_for_words

SETTINGS = Settings(word_vectors=False)
TEXTS = ["\u0633\u0644\u0627\u0645", "\u064a\u0627 \u062d\u0645\u0627\u0631"]  # peace; you donkey


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """The sample comments, half of them as if they were of the news set."""
    path = tmp_path / "comments.jsonl"
    comments = [
        replace(
            comment,
            source="mpold" if i % 2 else "osact4",
            labels={"toxicity": comment.labels["toxicity"]},
        )
        for i, comment in enumerate(read_comments(SAMPLE_COMMENTS))
    ]
    write_comments(comments, path)
    return read_corpus([path])


def test_the_released_head_is_that_of_news_sites(corpus: Corpus, tmp_path: Path) -> None:
    split = split_corpus(corpus)
    released, _ = fit(split, corpus, SETTINGS, tmp_path)
    learner = build(split)
    news = learner.for_domain("news").decision_function(TEXTS)
    assert not np.allclose(learner.for_domain().decision_function(TEXTS), news)
    np.testing.assert_allclose(released.decision_function(TEXTS), news, rtol=1e-4, atol=1e-5)


def test_what_is_read_from_the_work_folder_scores_as_what_was_fitted(
    corpus: Corpus, tmp_path: Path
) -> None:
    split = split_corpus(corpus)
    fitted, heads = fit(split, corpus, SETTINGS, tmp_path)
    again, heads_again = fit(split, corpus, SETTINGS, tmp_path)
    assert heads == heads_again
    assert calibrate(fitted, split)[1] == calibrate(again, split)[1]
    np.testing.assert_array_equal(fitted.predict_proba(TEXTS), again.predict_proba(TEXTS))


def test_other_settings_never_meet_what_was_kept(corpus: Corpus, tmp_path: Path) -> None:
    split = split_corpus(corpus)
    fit(split, corpus, SETTINGS, tmp_path)
    fit(split, corpus, replace(SETTINGS, seed=1), tmp_path)
    assert len(list(tmp_path.glob("classifier-*.npz"))) == 2


def test_a_sites_decisions_do_not_change_how_words_are_grouped(
    corpus: Corpus, tmp_path: Path
) -> None:
    decisions = tmp_path / "decisions.jsonl"
    decided = [
        replace(c, source="moderator", text=f"{TEXTS[0]} {c.text}")
        for c in read_comments(SAMPLE_COMMENTS)
    ]
    write_comments(decided, decisions)
    base = tmp_path / "comments.jsonl"
    together = split_corpus(read_corpus([base], [decisions]))
    assert len(together.train) > len(split_corpus(corpus).train)
    assert texts_for_words(together) == texts_for_words(split_corpus(corpus))
