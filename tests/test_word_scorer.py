"""Word scorer: what it adds up, of which passage, and the least that a word can add."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import SAMPLE_COMMENTS
from models import word_scorer
from models.errors import InvalidText
from models.normalize import normalize
from models.schema import read_comments
from models.word_scorer import LEAST, MARGIN, WordScorer
from training.design_matrix import WordClusters
from training.fit import Learner

COMMENTS = list(read_comments(SAMPLE_COMMENTS))
TEXTS = [comment.text for comment in COMMENTS]
COUNTS = Counter(" ".join(normalize(text).text for text in TEXTS).split()).most_common()
KNOWN = [word for word, count in COUNTS if count > 2]
some_words = st.lists(
    st.one_of(
        st.sampled_from([*KNOWN[:5], KNOWN[-1], ".", "-", "\ufdfa"]),
        st.text(st.sampled_from("\u0643\u0644\u0628\u0648 shrm3!"), max_size=9),
    ),
    max_size=70,
).map(" ".join)


@pytest.fixture(scope="module")
def scorer() -> WordScorer:
    clusters = WordClusters(KNOWN, np.arange(len(KNOWN), dtype=np.int32)[None] // 20)
    y = np.array([comment.labels["toxicity"] for comment in COMMENTS])
    learner = Learner(labels=("toxicity",), min_df=1, n_epochs=30, word_clusters=clusters)
    return learner.fit(TEXTS, y).for_domain().scorer


def test_scores_do_not_depend_on_the_chunk_a_text_falls_into(scorer: WordScorer) -> None:
    scores = scorer.logits(TEXTS)
    for between in ("", "word " * 20_000):  # many texts, and many letters
        many = [between, *TEXTS, *TEXTS, between, *TEXTS]
        assert np.array_equal(scorer.logits(many)[-len(TEXTS) :], scores)
        assert np.array_equal(scorer.logits(many)[1 : len(TEXTS) + 1], scores)


def test_repeating_a_text_never_lowers_its_score(scorer: WordScorer) -> None:
    once = scorer.logits(TEXTS)
    for times in (2, 3, 40):
        again = scorer.logits([" ".join([text] * times) for text in TEXTS])
        assert (again >= once).all()


def test_the_passage_that_decides_is_the_one_that_tells(scorer: WordScorer) -> None:
    logits = scorer.logits(TEXTS)[:, 0]
    worst = TEXTS[logits.argmax()]
    filler = [f"{a}o{b}" for a in "bdfgklmnprst" for b in "bdfgklmnprst"]
    among = " ".join([*filler, worst, *filler])
    assert scorer.logits([among])[0, 0] > logits.max() - MARGIN - 0.2
    ((contributions, _),) = scorer.explain([among], 0)
    outside = np.r_[0 : among.index(worst) - 60, among.index(worst) + len(worst) + 80 : len(among)]
    assert not contributions[outside].any()
    assert contributions.max() > 0


def test_no_word_speaks_against_a_label_by_more_than_the_least(scorer: WordScorer) -> None:
    table = scorer.table.copy()
    table[1 : 1 + len(KNOWN)] = -60.0  # every known word is as harmless as can be
    tame = replace(scorer, table=table)
    (added,) = tame.logits([KNOWN[0]]) - tame.intercepts
    assert (added * np.sqrt(max(4, 4 * len(KNOWN[0]))) >= LEAST - 1e-9).all()


@given(st.lists(some_words, min_size=1, max_size=4))
def test_a_text_alone_has_the_logits_that_it_has_in_a_batch(
    scorer: WordScorer, texts: list[str]
) -> None:
    batch = scorer.logits([*texts, ""])
    for fresh in (replace(scorer), scorer):  # with nothing remembered, and with what was before
        alone = [fresh.logits([text])[0] for text in texts]
        assert np.array_equal(alone, batch[:-1])


def test_every_sample_comment_has_the_same_logits_alone_and_in_a_batch(scorer: WordScorer) -> None:
    batch = scorer.logits(TEXTS)
    for _ in range(2):
        assert np.array_equal(np.concatenate([scorer.logits([text]) for text in TEXTS]), batch)


def test_the_memory_of_words_is_bounded_in_words_and_letters(
    scorer: WordScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_scorer, "_MOST_REMEMBERED", 100)
    fresh, batch, sizes = replace(scorer), scorer.logits(TEXTS), []
    for text, logits in zip(TEXTS, batch, strict=True):
        assert np.array_equal(fresh.logits([text])[0], logits)
        sizes.append(len(fresh._memory))
    assert 50 < max(sizes) <= 100
    assert min(sizes[50:]) < max(sizes)
    long = "\ufdfa" * 500  # 18 letters each
    assert np.array_equal(fresh.logits([long])[0], scorer.logits([long, ""])[0])
    assert max(map(len, fresh._memory)) <= 32


def test_threads_that_share_a_scorer_get_the_logits_of_one(
    scorer: WordScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_scorer, "_MOST_REMEMBERED", 100)
    fresh, batch = replace(scorer), scorer.logits(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        alone = list(pool.map(lambda text: fresh.logits([text])[0], TEXTS * 3))
    assert np.array_equal(alone, np.concatenate([batch] * 3))
    assert len(fresh._memory) <= 100 + 8 * 64


def test_a_text_alone_that_is_not_valid_unicode_is_refused(scorer: WordScorer) -> None:
    with pytest.raises(InvalidText, match="text 0 has a lone surrogate at position 2"):
        scorer.logits(["a \ud800"])


def test_the_words_that_are_not_known_are_counted_of_each_text(scorer: WordScorer) -> None:
    known = "".join(map(chr, scorer.word_letters[: scorer.word_starts[1]].tolist()))
    texts = [f"{known} qwzxv {known}", "", known, "qwzxv " * 700]
    assert scorer.count_words(texts).tolist() == [[3, 1], [0, 0], [1, 0], [700, 700]]
    assert scorer.count_words([]).shape == (0, 2)
